"""The one-time code in a charger's QR code (OCPP 2.1 C25, TOTP algorithm version 1).

Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

VERSION = "v1"
#: The specification calls it base62.
BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: What a charger may be told (C25, WebPaymentsCtrlr).
MIN_VALIDITY_S, MAX_VALIDITY_S, MIN_LENGTH, MAX_LENGTH = 6, 3600, 6, 32


def interval_of(at: datetime, validity_s: int) -> int:
    """The number of the interval that a moment is in."""
    return int(at.timestamp()) // validity_s


def code(secret: str, interval: int, length: int) -> str:
    """The code of an interval: the interval as 8 bytes, big end first, under HMAC-SHA256."""
    digest = hmac.new(secret.encode(), interval.to_bytes(8, "big"), hashlib.sha256).digest()
    offset = digest[-1] & 0x0F
    return "".join(BASE62[digest[(offset + i) % len(digest)] % len(BASE62)] for i in range(length))


def find_interval(secret: str, given: str, at: datetime, *, validity_s: int, length: int) -> int | None:
    """The interval whose code this is: the present one, that before or that after; None: of none."""
    now = interval_of(at, validity_s)
    found = None
    for interval in (now, now - 1, now + 1):
        if hmac.compare_digest(code(secret, interval, length).encode(), given.encode()) and found is None:
            found = interval
    return found
