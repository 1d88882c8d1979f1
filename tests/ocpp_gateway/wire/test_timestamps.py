from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway.wire.timestamps import format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T11:58:50Z", datetime(2026, 11, 22, 11, 58, 50, tzinfo=UTC)),
        ("2026-11-22T11:58:50.530Z", datetime(2026, 11, 22, 11, 58, 50, 530000, tzinfo=UTC)),
        ("2026-11-22T11:58:50.123456789123Z", datetime(2026, 11, 22, 11, 58, 50, 123456, tzinfo=UTC)),
        ("2026-11-22T11:58:50,5Z", datetime(2026, 11, 22, 11, 58, 50, 500000, tzinfo=UTC)),
        ("2026-11-22T11:58:50+07:00", datetime(2026, 11, 22, 4, 58, 50, tzinfo=UTC)),
        ("2026-11-22T11:58:50-0330", datetime(2026, 11, 22, 15, 28, 50, tzinfo=UTC)),
        ("2026-11-22T11:58:50+02", datetime(2026, 11, 22, 9, 58, 50, tzinfo=UTC)),
        ("2026-11-22T11:58:50", datetime(2026, 11, 22, 11, 58, 50, tzinfo=UTC)),
        ("2026-11-22 11:58:50", datetime(2026, 11, 22, 11, 58, 50, tzinfo=UTC)),
        ("2026-11-22t11:58:50z", datetime(2026, 11, 22, 11, 58, 50, tzinfo=UTC)),
        (" 2026-11-22T11:58Z\n", datetime(2026, 11, 22, 11, 58, tzinfo=UTC)),
        ("2026-11-22 11:58:50 UTC", datetime(2026, 11, 22, 11, 58, 50, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_parse_timestamp_readable_gives_utc(text: str, expected: datetime) -> None:
    moment = parse_timestamp(text)
    assert moment == expected
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2026-11-22",
        "20261122T115850Z",
        "2026-13-01T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2026-11-22T24:00:01Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T11:58:61Z",
        "2026-11-22T11:58:50+24:00",
        "2026-11-22T11:58:50+05:75",
        "2026-11-22T11:58:50 CEST",
        "2026-11-22T11:58:50Z trailing",
        "٢٠٢٦-11-22T11:58:50Z",
        "2026-11-22T11:58:50." + "1" * 500,
        1732276730,
        1732276730.5,
        True,
        None,
        [],
        {},
    ],
)
def test_parse_timestamp_unreadable_gives_none(value: object) -> None:
    assert parse_timestamp(value) is None


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "9999-12-31T24:00:00Z",
        "9999-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_parse_timestamp_at_the_ends_of_the_calendar_gives_none(text: str) -> None:
    assert parse_timestamp(text) is None


@given(
    st.text()
    | st.from_regex(
        r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([+-][0-9]{2}:[0-9]{2})?\Z"
    )
)
def test_parse_timestamp_any_text_does_not_raise(text: str) -> None:
    moment = parse_timestamp(text)
    assert moment is None or moment.utcoffset() == timedelta(0)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.integers(-14 * 60, 14 * 60))
def test_parse_timestamp_reads_what_isoformat_writes(naive: datetime, offset_min: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    assert parse_timestamp(moment.isoformat()) == moment


def test_format_timestamp_writes_milliseconds_and_z() -> None:
    moment = datetime(2026, 11, 22, 11, 58, 50, 999999, tzinfo=timezone(timedelta(hours=7)))
    assert format_timestamp(moment) == "2026-11-22T04:58:50.999Z"


def test_format_timestamp_without_zone_raises() -> None:
    with pytest.raises(ValueError, match="zone"):
        format_timestamp(datetime(2026, 11, 22))
