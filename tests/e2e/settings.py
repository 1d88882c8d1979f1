"""The settings of the product as tests start it: a lock on an SQLite file is waited for as long as they say."""

from __future__ import annotations

from csms_project.settings import *  # noqa: F403
from csms_project.settings import DATABASES, SQLITE, env

if SQLITE:
    DATABASES["default"]["OPTIONS"]["timeout"] = env.int("E2E_SQLITE_TIMEOUT_S", default=20)
