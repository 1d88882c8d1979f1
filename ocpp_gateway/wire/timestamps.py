"""Timestamps of chargers to aware UTC and back.

Sent as RFC 3339 with milliseconds and ``Z`` (OCPP 2.0.1 part 2 §2.1.4, OCPP 1.6 errata 3.10). Read
tolerantly: a clock string that a person can read without guessing is read.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_TOLERANT: Final = re.compile(
    r"\s*([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt]|\s+)"
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"\s*(?:([Zz]|[Uu][Tt][Cc])|([+-])([0-9]{2})(?::?([0-9]{2}))?)?\s*"
)
_PLAIN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?Z")
_MAX_LENGTH: Final = 128

# A moment within a day of the calendar's ends cannot be shown in every time zone, and no charger means it:
# "0001-01-01T00:00:00Z" is how some firmware writes "unset".
_FIRST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def parse_timestamp(value: object) -> datetime | None:
    """The moment in aware UTC, or None when it cannot be read; never raises.

    Accepted beyond RFC 3339: a blank for the T, lower case, a comma before the fraction, no seconds, any
    number of fraction digits (cut to microseconds), ``24:00:00``, a leap second (``:60`` is the next
    second) and no zone, which is taken as UTC. Numbers, dates without a time and moments within a day of
    year 1 or of the end of year 9999 are not readable.
    """
    if not isinstance(value, str) or len(value) > _MAX_LENGTH:
        return None
    if _PLAIN.fullmatch(value):
        # The usual form, at a fifth of the time; what it does not take (a leap second) goes on below.
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            return moment if _FIRST <= moment <= _LAST else None
    match = _TOLERANT.fullmatch(value)
    if match is None:
        return None
    try:
        moment = _moment(match)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST <= moment <= _LAST else None


def _moment(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, zulu, sign, offset_h, offset_min = match.groups()
    extra = timedelta()
    hours, seconds = int(hour), int(second or 0)
    if hours == 24 and not int(minute) and not seconds and not int(fraction or 0):
        hours, extra = 0, timedelta(days=1)
    elif seconds == 60:
        seconds, extra = 59, timedelta(seconds=1)
    microseconds = int((fraction or "")[:6].ljust(6, "0"))
    zone = UTC if zulu or sign is None else _zone(sign, offset_h, offset_min)
    local = datetime(int(year), int(month), int(day), hours, int(minute), seconds, microseconds, tzinfo=zone)
    return local.astimezone(UTC) + extra


def _zone(sign: str, hours: str, minutes: str | None) -> timezone:
    if int(minutes or 0) > 59:
        raise ValueError(minutes)
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z; raises ValueError for a moment without a zone."""
    zone = moment.tzinfo
    if zone is None:
        raise ValueError("a timestamp needs a time zone")
    if zone is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
