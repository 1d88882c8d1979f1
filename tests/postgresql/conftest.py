"""Tests of what only PostgreSQL has: partitions and its planner.  Collected only where the suite runs on it."""

from __future__ import annotations

from django.db import connection

# Not skipped on SQLite: there is nothing there that they could say something about.
collect_ignore_glob = [] if connection.vendor == "postgresql" else ["test_*.py"]
