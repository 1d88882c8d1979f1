"""Waiting for the outcome of a command without holding a transaction or a connection of the pool."""

from __future__ import annotations

import time

from django.db import connection
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from chargepoints.models import Command
from csms_project.common.api.problems import BadParameter

PARAMETER = "wait"
MAX_WAIT_S = 30
POLL_S = 0.2

WAIT = OpenApiParameter(
    PARAMETER,
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_S},
    OpenApiParameter.QUERY,
    description="Seconds to wait for the outcome before answering.",
)

# Replaced in tests.
clock = time.monotonic
pause = time.sleep


def seconds_of(request: Request) -> int:
    """The `wait` parameter; raises BadParameter before anything was done."""
    given = request.query_params.get(PARAMETER, "0")
    if not (given.isascii() and given.isdigit() and len(given) <= 2 and int(given) <= MAX_WAIT_S):
        raise BadParameter(PARAMETER, f"Must be a whole number of seconds from 0 to {MAX_WAIT_S}.")
    return int(given)


def wait_for(command: Command, seconds: int) -> Command:
    """The command as it is when it has ended, or when the time is over."""
    deadline = clock() + seconds
    while not command.is_final and clock() < deadline:
        if not connection.in_atomic_block:
            connection.close()  # back to the pool while we sleep
        pause(POLL_S)
        command.refresh_from_db()
    return command
