import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from transactions.pricing import Line, Priced, Reading, Tariff, TariffError, Usage, needs_readings, price

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 9, 30, tzinfo=BERLIN)


def component(kind: str, cost: str, vat: str | None = None, step: int | None = None) -> dict[str, Any]:
    return {"type": kind, "price": cost, "vat": vat, "step_size": step}


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    return {"price_components": list(components), "restrictions": restrictions}


def tariff(*elements: dict[str, Any], currency: str = "EUR", **bounds: Any) -> Tariff:
    return Tariff.parse({"currency": currency, "elements": list(elements), **bounds})


def usage(
    wh: str | int,
    minutes: float,
    *points: tuple[float, str | int],
    start: datetime = MONDAY,
    zone: str = "Europe/Berlin",
) -> Usage:
    """A session from register 0; points are (minute, register)."""
    readings = [Reading(start + timedelta(minutes=at), Decimal(value)) for at, value in points]
    end = start.astimezone(UTC) + timedelta(minutes=minutes)
    return Usage(start, end, zone, Decimal(0), Decimal(wh), readings)


def amounts(priced: Priced) -> list[tuple[str, Decimal, Decimal]]:
    return [(line.kind, line.quantity, line.amount_excl_vat) for line in priced.lines]


def row(kind: str, quantity: str, amount: str) -> tuple[str, Decimal, Decimal]:
    return kind, Decimal(quantity), Decimal(amount)


def totals(priced: Priced) -> tuple[str, str]:
    return str(priced.total_excl_vat), str(priced.total)


# --- OCPI 2.2.1 mod_tariffs, examples ---

KWH = component("ENERGY", "0.25", "10", 1)
FEE = component("FLAT", "0.50", "20", 1)


def test_price_of_energy() -> None:
    priced = price(tariff(element(KWH)), usage(20_000, 60))
    assert amounts(priced) == [row("ENERGY", "20", "5")]
    assert totals(priced) == ("5.00", "5.50")


def test_price_of_energy_with_start_fee() -> None:
    assert totals(price(tariff(element(FEE, KWH)), usage(20_000, 60))) == ("5.50", "6.10")


@pytest.mark.parametrize(
    ("wh", "expected"), [(20_000, ("5.00", "5.50")), (1000, ("0.50", "0.55")), (0, ("0.50", "0.55"))]
)
def test_price_with_minimum_price(wh: int, expected: tuple[str, str]) -> None:
    minimum = {"excl_vat": "0.50", "incl_vat": "0.55"}
    assert totals(price(tariff(element(KWH), min_price=minimum), usage(wh, 60))) == expected


def test_price_with_parking_fee_rounds_parking_up_to_its_step() -> None:
    parking = component("PARKING_TIME", "2.00", "20", 900)
    priced = price(tariff(element(FEE, KWH, parking)), usage(20_000, 100, (60, 20_000)))
    assert amounts(priced)[-1] == row("PARKING_TIME", "0.75", "1.50")
    assert totals(priced) == ("7.00", "7.90")


@pytest.mark.parametrize(("wh", "expected"), [(50_000, ("10.00", "11.00")), (30_000, ("8.00", "8.85"))])
def test_price_with_start_fee_and_maximum_price(wh: int, expected: tuple[str, str]) -> None:
    maximum = {"excl_vat": "10", "incl_vat": "11"}
    assert totals(price(tariff(element(FEE, KWH), max_price=maximum), usage(wh, 60))) == expected


def test_price_of_charging_time() -> None:
    hourly = tariff(element(component("TIME", "2.00", "10", 60)))
    assert totals(price(hourly, usage(20_000, 150))) == ("5.00", "5.50")


def test_price_of_charging_and_parking_time_rounds_only_what_came_last() -> None:
    hourly = tariff(element(component("TIME", "3", "10", 3600), component("PARKING_TIME", "5", "20", 300)))
    priced = price(hourly, usage(20_000, 192, (150, 20_000)))
    assert amounts(priced) == [row("TIME", "2.5", "7.50"), row("PARKING_TIME", "0.75", "3.75")]
    assert totals(priced) == ("11.25", "12.75")


def complex_tariff() -> Tariff:
    weekdays = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
    return tariff(
        element(component("FLAT", "2.50", "15", 1)),
        element(component("TIME", "1.00", "20", 900), max_current="32"),
        element(component("TIME", "2.00", "20", 600), min_current="32", day_of_week=weekdays),
        element(component("TIME", "1.25", "20", 600), min_current="32", day_of_week=["SATURDAY", "SUNDAY"]),
        element(
            component("PARKING_TIME", "5.00", "10", 300),
            start_time="09:00",
            end_time="18:00",
            day_of_week=weekdays,
        ),
        element(
            component("PARKING_TIME", "6.00", "10", 300),
            start_time="10:00",
            end_time="17:00",
            day_of_week=["SATURDAY"],
        ),
    )


def test_price_of_complex_tariff_on_monday_with_16_ampere() -> None:
    priced = price(complex_tariff(), usage(10_120, 207, (165, 10_120)))  # 16 A at 230 V
    assert amounts(priced) == [
        row("FLAT", "1", "2.50"),
        row("TIME", "2.75", "2.75"),
        row("PARKING_TIME", "0.75", "3.75"),
    ]
    assert totals(priced) == ("9.00", "10.31")  # 10.30 where VAT is not rounded line by line


def test_price_of_complex_tariff_on_saturday_with_43_ampere() -> None:
    saturday = datetime(2026, 3, 7, 13, 30, tzinfo=BERLIN)
    priced = price(complex_tariff(), usage(18_791, 185, (114, 18_791), start=saturday))
    assert amounts(priced)[1:] == [row("TIME", "1.9", "2.38"), row("PARKING_TIME", "1.25", "7.50")]


def stepped_tariff() -> Tariff:
    return tariff(
        element(component("TIME", "1.20", None, 1800), end_time="17:00"),
        element(component("TIME", "2.40", None, 900), start_time="17:00"),
        element(component("PARKING_TIME", "1.00", None, 900), end_time="20:00"),
    )


@pytest.mark.parametrize(
    ("clock", "charging", "parking", "expected"),
    [
        ((16, 55), 10, 2, ["0.10", "0.20", "0.25"]),
        ((16, 35), 35, 0, ["0.50", "0.80"]),
        ((19, 40), 12, 20, ["0.48", "0.25"]),
    ],
)
def test_price_with_steps_across_elements(
    clock: tuple[int, int], charging: int, parking: int, expected: list[str]
) -> None:
    start = MONDAY.replace(hour=clock[0], minute=clock[1])
    priced = price(stepped_tariff(), usage(5000, charging + parking, (charging, 5000), start=start))
    assert [str(line.amount_excl_vat) for line in priced.lines] == expected


def test_price_by_power_follows_the_readings() -> None:
    by_power = tariff(
        element(component("ENERGY", "0.20", None, 1), max_power="16"),
        element(component("ENERGY", "0.35", None, 1), max_power="32"),
        element(component("ENERGY", "0.50", None, 1)),
    )
    priced = price(by_power, usage(41_500, 67.5, (10, 1000), (60, 41_000)))
    assert amounts(priced) == [row("ENERGY", "1.5", "0.30"), row("ENERGY", "40", "20")]


def test_price_by_duration_cuts_at_the_threshold() -> None:
    by_duration = tariff(
        element(component("ENERGY", "0", None, 1), max_duration=1800),
        element(component("ENERGY", "0.25", None, 1), max_duration=3600),
        element(component("ENERGY", "0.40", None, 1)),
    )
    priced = price(by_duration, usage(6200, 40, (30, 5000)))
    assert amounts(priced) == [row("ENERGY", "5", "0"), row("ENERGY", "1.2", "0.30")]


@pytest.mark.parametrize(
    ("wh", "step", "kwh"), [("115.2", 1, "0.116"), (101, 25, "0.125"), (1, 500, "0.5"), (500, 500, "0.5")]
)
def test_price_of_energy_is_billed_in_steps(wh: str, step: int, kwh: str) -> None:
    priced = price(tariff(element(component("ENERGY", "0.25", None, step))), usage(wh, 30))
    assert priced.lines[0].quantity == Decimal(kwh)


def test_price_of_energy_step_counts_once_for_the_total() -> None:
    two_prices = tariff(
        element(component("ENERGY", "0.20", None, 500), end_time="17:00"),
        element(component("ENERGY", "0.27", None, 500)),
    )
    start = MONDAY.replace(hour=16, minute=0)
    priced = price(two_prices, usage(5400, 120, (60, 4300), start=start))
    assert [line.quantity for line in priced.lines] == [Decimal("4.3"), Decimal("1.2")]


# --- rules beyond the examples ---


def test_price_without_step_is_exact() -> None:
    priced = price(Tariff.flat_energy("2500", "IDR", 11), usage("1234.5", 30))
    (line,) = priced.lines
    assert (line.quantity, line.unit_price) == (Decimal("1.2345"), Decimal(2500))
    assert (str(line.amount_excl_vat), str(line.vat_amount), str(priced.total)) == (
        "3086.25",
        "339.49",
        "3425.74",
    )


@pytest.mark.parametrize(
    ("currency", "expected"), [("EUR", "0.13"), ("JPY", "0"), ("KWD", "0.125"), ("IDR", "0.13")]
)
def test_price_is_rounded_half_up_to_the_currencys_minor_units(currency: str, expected: str) -> None:
    assert str(price(Tariff.flat_energy("0.125", currency), usage(1000, 30)).total) == expected


def test_price_of_no_vat_differs_from_vat_zero() -> None:
    lines = [price(Tariff.flat_energy(1, "EUR", vat), usage(1000, 30)).lines[0] for vat in (None, 0)]
    assert [line.vat_percent for line in lines] == [None, 0]
    assert lines[0].amount == lines[1].amount == 1


def test_price_quantities_of_a_split_amount_sum_to_the_whole() -> None:
    thirds = tariff(*(element(component("ENERGY", "1"), max_duration=1800 * n) for n in (1, 2, 3)))
    priced = price(thirds, usage("0.002", 90))
    assert len(priced.lines) == 3
    assert sum(line.quantity for line in priced.lines) == Decimal("0.000002")


def test_price_by_kwh_cuts_exactly_at_the_threshold() -> None:
    tiers = tariff(
        element(component("ENERGY", "0.10"), max_kwh="1.5"),
        element(component("ENERGY", "0.30"), min_kwh="1.5", max_kwh="4"),
        element(component("ENERGY", "0.50"), min_kwh="4"),
    )
    priced = price(tiers, usage("4000.001", 33, (7, 123), (13, 3999)))
    assert [line.quantity for line in priced.lines] == [Decimal("1.5"), Decimal("2.5"), Decimal("0.000001")]


def test_price_where_no_element_holds_is_nothing() -> None:
    evening = tariff(element(component("ENERGY", "1"), start_time="18:00"))
    priced = price(evening, usage(1000, 30))
    assert (priced.lines, totals(priced)) == ((), ("0.00", "0.00"))


def test_price_of_first_element_that_holds_wins_per_dimension() -> None:
    both = tariff(
        element(component("ENERGY", "1")), element(component("ENERGY", "9"), component("TIME", "2"))
    )
    assert [line.unit_price for line in price(both, usage(1000, 60)).lines] == [1, 2]


def test_price_of_energy_between_readings_is_spread_over_time() -> None:
    two_prices = tariff(
        element(component("ENERGY", "1"), end_time="10:00"),
        element(component("ENERGY", "2"), start_time="10:00"),
    )
    priced = price(two_prices, usage(4000, 120, (60, 4000)))  # 09:30 to 10:30, even
    assert amounts(priced) == [row("ENERGY", "2", "2"), row("ENERGY", "2", "4")]


def test_price_of_energy_after_the_last_reading_is_spread_to_the_end() -> None:
    two_prices = tariff(
        element(component("ENERGY", "1"), max_duration=3600), element(component("ENERGY", "2"))
    )
    priced = price(two_prices, usage(4000, 90, (30, 1000)))
    assert [line.quantity for line in priced.lines] == [Decimal("2.5"), Decimal("1.5")]


def test_price_scales_readings_that_show_more_than_is_billed() -> None:
    two_prices = tariff(
        element(component("ENERGY", "1"), max_duration=1800), element(component("ENERGY", "2"))
    )
    priced = price(two_prices, usage(2000, 60, (30, 3000), (60, 4000)))
    assert [line.quantity for line in priced.lines] == [Decimal("1.5"), Decimal("0.5")]


def test_price_ignores_readings_outside_the_session() -> None:
    hourly = tariff(element(component("TIME", "2"), component("PARKING_TIME", "1")))
    outside = usage(5000, 60, (-30, 0), (61, 5000))
    assert price(hourly, outside) == price(hourly, usage(5000, 60))


def test_price_without_readings_is_all_charging_time() -> None:
    hourly = tariff(element(component("TIME", "2"), component("PARKING_TIME", "1")))
    assert amounts(price(hourly, usage(0, 60))) == [row("TIME", "1", "2")]


def test_price_of_time_before_charging_is_parking() -> None:
    hourly = tariff(element(component("TIME", "2"), component("PARKING_TIME", "1")))
    priced = price(hourly, usage(5000, 60, (15, 0), (45, 5000)))
    assert amounts(priced) == [row("TIME", "0.5", "1"), row("PARKING_TIME", "0.5", "0.50")]


def test_price_takes_a_rounded_up_stop_register_for_no_charging() -> None:
    parking = tariff(element(component("PARKING_TIME", "1")))
    priced = price(parking, usage(5001, 60, (30, "5000.3")))
    assert amounts(priced) == [row("PARKING_TIME", "0.5", "0.50")]


def test_price_of_flat_fee_is_that_of_the_first_moment_it_applies() -> None:
    fees = tariff(
        element(component("FLAT", "3"), min_duration=3600), element(component("FLAT", "1"), min_duration=1800)
    )
    assert [price(fees, usage(0, minutes)).total for minutes in (20, 40, 90)] == [0, 1, 1]


def test_price_leaves_out_reservation_elements() -> None:
    reserved = element(component("FLAT", "9"), component("TIME", "9"), reservation="RESERVATION")
    assert price(tariff(reserved, element(KWH)), usage(1000, 60)) == price(
        tariff(element(KWH)), usage(1000, 60)
    )


def test_price_with_bounds_before_vat_only_carries_the_vat_along() -> None:
    bounded = tariff(element(KWH), min_price={"excl_vat": "2"}, max_price={"excl_vat": "10"})
    assert totals(price(bounded, usage(1000, 60))) == ("2.00", "2.20")
    assert totals(price(bounded, usage(90_000, 60))) == ("10.00", "11.00")


def test_price_with_maximum_of_mixed_rates_lowers_the_vat_in_proportion() -> None:
    bounded = tariff(
        element(component("FLAT", "10", "20"), component("ENERGY", "1", "10")), max_price={"excl_vat": "10"}
    )
    priced = price(bounded, usage(10_000, 60))
    assert totals(priced) == ("10.00", "11.50")
    assert priced.lines[-1].vat_percent is None


def test_price_where_vat_alone_passes_the_maximum_lowers_the_vat() -> None:
    bounds: dict[str, Any] = {
        "min_price": {"excl_vat": 5, "incl_vat": 5},
        "max_price": {"excl_vat": 6, "incl_vat": 6},
    }
    priced = price(tariff(element(component("FLAT", "4", "100")), **bounds), usage(0, 60))
    assert [line.kind for line in priced.lines] == ["FLAT", "MIN_PRICE", "MAX_PRICE"]
    assert totals(priced) == ("5.00", "6.00")


def test_price_bound_is_a_line_of_its_own() -> None:
    bounded = tariff(element(KWH), max_price={"excl_vat": 1, "incl_vat": "1.1"})
    line = price(bounded, usage(20_000, 60)).lines[-1]
    assert (line.kind, line.unit) == ("MAX_PRICE", "session")
    assert (line.amount_excl_vat, line.amount) == (Decimal(-4), Decimal("-4.40"))


def test_price_of_session_without_duration_bills_its_energy_once() -> None:
    everything = tariff(element(FEE, KWH, component("TIME", "2")))
    backwards = usage(1000, -60)
    priced = price(everything, backwards)
    assert [line.kind for line in priced.lines] == ["FLAT", "ENERGY"]
    assert "ends before it starts" in priced.notes[0]
    assert price(everything, usage(1000, 0)).lines == priced.lines


def test_price_of_session_from_1970_is_priced_at_its_end_without_time() -> None:
    night = tariff(
        element(component("ENERGY", "1"), component("TIME", "1"), start_time="22:00", end_time="06:00")
    )
    end = datetime(2026, 3, 2, 23, 0, tzinfo=BERLIN)
    priced = price(
        night, Usage(datetime(1970, 1, 1, tzinfo=UTC), end, "Europe/Berlin", Decimal(0), Decimal(7000))
    )
    assert amounts(priced) == [row("ENERGY", "7", "7")]
    assert "longer than a year" in priced.notes[0]


@pytest.mark.parametrize("year", [1, 9999])
def test_price_at_the_ends_of_the_calendar_does_not_overflow(year: int) -> None:
    start = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, tzinfo=BERLIN)
    weekly = tariff(
        element(component("ENERGY", "1"), day_of_week=["MONDAY"]), element(component("ENERGY", "1"))
    )
    assert price(weekly, Usage(start, start, "Europe/Berlin", None, Decimal(1000))).total == 1


def test_price_in_unknown_time_zone_is_utc_and_noted() -> None:
    morning = tariff(element(component("ENERGY", "1"), start_time="08:00", end_time="09:00"))
    priced = price(morning, usage(1000, 30, zone="Mars/Olympus"))  # 09:30 in Berlin is 08:30 UTC
    assert priced.total == 1
    assert "time zone" in priced.notes[0]


def test_line_as_json_is_text_without_exponents() -> None:
    line = price(Tariff.flat_energy("2500", "IDR"), usage(20_000, 60)).lines[0]
    assert json.loads(json.dumps(line.as_json())) == {
        "kind": "ENERGY",
        "description": "Energy",
        "quantity": "20",
        "unit": "kWh",
        "unit_price": "2500",
        "vat_percent": None,
        "amount_excl_vat": "50000.00",
        "vat_amount": "0.00",
        "amount": "50000.00",
    }


def test_line_description_names_restrictions_and_step() -> None:
    night = tariff(
        element(component("ENERGY", "1", None, 500), start_time="22:00", day_of_week=["MONDAY"], min_kwh="0")
    )
    line: Line = price(night, usage(1000, 30, start=MONDAY.replace(hour=23))).lines[0]
    assert line.description == "Energy, 22:00–00:00, Mon, from 0 kWh, per 500 Wh"


# --- local time ---


def hours(priced: Priced) -> dict[Decimal, Decimal]:
    return {line.unit_price: line.quantity for line in priced.lines}


def by_time(start_time: str, end_time: str) -> Tariff:
    """1 per hour inside the period, 2 outside."""
    return tariff(
        element(component("TIME", "1"), start_time=start_time, end_time=end_time),
        element(component("TIME", "2")),
    )


@pytest.mark.parametrize(
    ("day", "period", "inside"),
    [
        ("2026-03-28", ("01:00", "04:00"), 3),
        ("2026-03-29", ("01:00", "04:00"), 2),  # 02:00 to 03:00 does not exist
        ("2026-03-29", ("02:30", "04:00"), 1),
        ("2026-03-29", ("02:10", "02:50"), 0),
        ("2026-10-25", ("01:00", "04:00"), 4),  # 02:00 to 03:00 comes twice
        ("2026-10-25", ("02:30", "04:00"), 2),
        ("2026-10-25", ("02:30", "03:00"), 1),
    ],
)
def test_price_by_time_of_day_when_the_clock_changes(day: str, period: tuple[str, str], inside: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    priced = price(by_time(*period), usage(1000, 12 * 60, start=start))
    assert hours(priced) == {Decimal(p): Decimal(q) for p, q in ((1, inside), (2, 12 - inside)) if q}


def test_price_by_time_of_day_over_midnight() -> None:
    start = MONDAY.replace(hour=20, minute=0)
    assert hours(price(by_time("22:00", "06:00"), usage(1000, 12 * 60, start=start))) == {2: 4, 1: 8}


def test_price_by_time_of_day_from_and_to_midnight() -> None:
    start = MONDAY.replace(hour=12, minute=0)
    assert hours(price(by_time("18:00", "00:00"), usage(1000, 24 * 60, start=start))) == {2: 18, 1: 6}
    assert hours(price(by_time("00:00", "00:00"), usage(1000, 24 * 60, start=start))) == {1: 24}


def test_price_by_weekday_changes_at_local_midnight() -> None:
    weekend = tariff(element(component("TIME", "1"), day_of_week=["SUNDAY"]), element(component("TIME", "2")))
    sunday = datetime(2026, 3, 1, 22, 0, tzinfo=ZoneInfo("Asia/Jakarta"))
    assert hours(price(weekend, usage(1000, 300, start=sunday, zone="Asia/Jakarta"))) == {1: 2, 2: 3}


def test_price_by_date_includes_the_start_and_excludes_the_end() -> None:
    holiday = tariff(
        element(component("TIME", "1"), start_date="2026-03-03", end_date="2026-03-04"),
        element(component("TIME", "2")),
    )
    start = MONDAY.replace(hour=0, minute=0)
    assert hours(price(holiday, usage(1000, 72 * 60, start=start))) == {2: 48, 1: 24}


# --- needs_readings ---


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([element(KWH)], False),
        ([element(FEE, KWH)], False),
        ([element(KWH, max_kwh="5"), element(KWH)], False),
        ([element(component("FLAT", "1"), start_time="22:00"), element(KWH)], False),
        ([element(component("TIME", "9"), reservation="RESERVATION"), element(KWH)], False),
        ([element(component("FLAT", "1"), min_kwh="5")], True),
        ([element(KWH, start_time="22:00"), element(KWH)], True),
        ([element(KWH, max_duration=60), element(KWH)], True),
        ([element(KWH, min_power="11"), element(KWH)], True),
        ([element(component("TIME", "1"))], True),
        ([element(component("PARKING_TIME", "1"))], True),
    ],
)
def test_needs_readings_only_where_the_course_of_energy_matters(
    elements: list[dict[str, Any]], expected: bool
) -> None:
    assert needs_readings(tariff(*elements)) is expected


# --- parse ---


def test_parse_reads_numbers_in_any_json_form() -> None:
    forms = [component("ENERGY", "0.25")]
    for value in (0.25, Decimal("0.250")):
        forms.append({"type": "ENERGY", "price": value})
    assert len({tariff(element(form)) for form in forms}) == 1


def test_parse_ignores_other_fields_of_an_ocpi_tariff_and_null_restrictions() -> None:
    ocpi = {"id": "12", "party_id": "ABC", "currency": "EUR", "elements": [element(KWH, start_time=None)]}
    assert Tariff.parse(ocpi) == tariff(element(KWH))


def test_as_snapshot_is_json_with_decimals_as_text() -> None:
    made = tariff(
        element(KWH, start_time="07:00", day_of_week=["SUNDAY", "MONDAY"]), min_price={"excl_vat": 1}
    )
    assert json.loads(json.dumps(made.as_snapshot())) == {
        "currency": "EUR",
        "elements": [
            {
                "price_components": [{"type": "ENERGY", "price": "0.25", "vat": "10", "step_size": 1}],
                "restrictions": {"start_time": "07:00", "day_of_week": ["MONDAY", "SUNDAY"]},
            }
        ],
        "min_price": {"excl_vat": "1"},
    }


def with_component(**changes: Any) -> dict[str, Any]:
    return {"currency": "EUR", "elements": [{"price_components": [{**KWH, **changes}]}]}


def with_restrictions(**restrictions: Any) -> dict[str, Any]:
    return {"currency": "EUR", "elements": [element(KWH, **restrictions)]}


PATH = "elements.0.price_components.0"


@pytest.mark.parametrize(
    ("snapshot", "field"),
    [
        ([], "tariff"),
        ({"elements": [element(KWH)]}, "currency"),
        ({"currency": "eur", "elements": [element(KWH)]}, "currency"),
        ({"currency": "EUR"}, "elements"),
        ({"currency": "EUR", "elements": []}, "elements"),
        ({"currency": "EUR", "elements": ["x"]}, "elements.0"),
        ({"currency": "EUR", "elements": [element()]}, "elements.0.price_components"),
        ({"currency": "EUR", "elements": [{**element(KWH), "price": 1}]}, "elements.0.price"),
        ({"currency": "EUR", "elements": [element(KWH, FEE, KWH)]}, "elements.0.price_components.2.type"),
        (with_component(type="WATER"), f"{PATH}.type"),
        (with_component(type=["ENERGY"]), f"{PATH}.type"),
        (with_component(price="-0.01"), f"{PATH}.price"),
        (with_component(price=None), f"{PATH}.price"),
        (with_component(price=True), f"{PATH}.price"),
        (with_component(price="1e3"), f"{PATH}.price"),
        (with_component(price="0,25"), f"{PATH}.price"),
        (with_component(price=float("nan")), f"{PATH}.price"),
        (with_component(price=Decimal("1e999999999")), f"{PATH}.price"),
        (with_component(price=10**5000), f"{PATH}.price"),
        (with_component(price=10**9), f"{PATH}.price"),
        (with_component(price="0.1234567"), f"{PATH}.price"),
        (with_component(vat="101"), f"{PATH}.vat"),
        (with_component(step_size=0), f"{PATH}.step_size"),
        (with_component(step_size="1.5"), f"{PATH}.step_size"),
        (with_component(step_size=-1), f"{PATH}.step_size"),
        (with_component(price_round={}), f"{PATH}.price_round"),
        (with_restrictions(start_time="24:00"), "elements.0.restrictions.start_time"),
        (with_restrictions(end_time="7:00"), "elements.0.restrictions.end_time"),
        (with_restrictions(start_date="2026-02-30"), "elements.0.restrictions.start_date"),
        (
            with_restrictions(start_date="2026-02-02", end_date="2026-02-02"),
            "elements.0.restrictions.end_date",
        ),
        (with_restrictions(min_kwh="5", max_kwh="5"), "elements.0.restrictions.max_kwh"),
        (with_restrictions(max_duration="1.5"), "elements.0.restrictions.max_duration"),
        (with_restrictions(day_of_week=["Monday"]), "elements.0.restrictions.day_of_week"),
        (with_restrictions(day_of_week="MONDAY"), "elements.0.restrictions.day_of_week"),
        (with_restrictions(reservation="YES"), "elements.0.restrictions.reservation"),
        (with_restrictions(reservation="RESERVATION"), "elements.0.price_components"),
        (with_restrictions(max_kw="5"), "elements.0.restrictions.max_kw"),
        ({**with_component(), "min_price": 1}, "min_price"),
        ({**with_component(), "min_price": {"excl_vat": "1.005"}}, "min_price.excl_vat"),
        ({**with_component(), "min_price": {"excl_vat": 2, "incl_vat": 1}}, "min_price.incl_vat"),
        (
            {**with_component(), "min_price": {"excl_vat": 2}, "max_price": {"excl_vat": 1}},
            "max_price.excl_vat",
        ),
    ],
)
def test_parse_of_a_wrong_value_names_its_field(snapshot: Any, field: str) -> None:
    with pytest.raises(TariffError) as caught:
        Tariff.parse(snapshot)
    assert caught.value.field == field
    assert caught.value.message in str(caught.value)
