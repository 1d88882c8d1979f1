"""Python runs this at its start where the directory is on PYTHONPATH: the wall clock goes wrong by a file's seconds.

The monotonic clock goes right, as it does when somebody sets the time of a machine.
"""

import os
import time
from datetime import datetime, timedelta

from django.utils import timezone

_now, _time = timezone.now, time.time


def offset_s() -> float:
    """The seconds that the file says; it may be rewritten at any moment."""
    with open(os.environ["FAULTS_CLOCK"]) as file:
        return float(file.read() or 0)


def now() -> datetime:
    """The wrong time of day."""
    return _now() + timedelta(seconds=offset_s())


timezone.now = now
time.time = lambda: _time() + offset_s()
