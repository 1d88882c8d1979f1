"""What must hold for every tariff and every session."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transactions.pricing import Priced, Reading, Tariff, Usage, minor_units, needs_readings, price

ZONES = ("Europe/Berlin", "Asia/Jakarta", "America/New_York", "Australia/Lord_Howe", "UTC")
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
KINDS = ("ENERGY", "TIME", "PARKING_TIME", "FLAT")
RESTRICTED_BY = ("none", "none", "kwh", "duration", "power", "current", "time", "day", "date")

# No deadline: a busy machine is not an error.
quickly = settings(max_examples=60, deadline=None)

# Around the days on which clocks change in the zones above.
starts = st.sampled_from(
    [
        datetime(2026, 3, 7, 20),
        datetime(2026, 3, 28, 21),
        datetime(2026, 10, 24, 18),
        datetime(2026, 6, 30, 23),
    ]
).flatmap(lambda day: st.integers(0, 86_400).map(lambda s: (day + timedelta(seconds=s)).replace(tzinfo=UTC)))
prices = st.decimals(0, 100, places=3)
rates = st.none() | st.decimals(0, 30, places=1)
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 15, 30)))


@st.composite
def ranges(draw: st.DrawFn, name: str, limit: int) -> dict[str, int]:
    low = draw(st.integers(0, limit))
    drawn = {f"min_{name}": low, f"max_{name}": draw(st.integers(low + 1, limit + 1))}
    return {key: drawn[key] for key in draw(st.sets(st.sampled_from(sorted(drawn)), min_size=1))}


@st.composite
def elements(
    draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, restricted_by: tuple[str, ...] = RESTRICTED_BY
) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3, unique=True))
    restrictions: dict[str, Any] = {}
    match draw(st.sampled_from(restricted_by)):
        case "kwh":
            restrictions = draw(ranges("kwh", 30))
        case "duration":
            restrictions = draw(ranges("duration", 40_000))
        case "power":
            restrictions = draw(ranges("power", 30))
        case "current":
            restrictions = draw(ranges("current", 100))
        case "time":
            restrictions = {"start_time": draw(times), "end_time": draw(times)}
        case "day":
            restrictions = {"day_of_week": draw(st.lists(st.sampled_from(DAYS), min_size=1))}
        case "date":
            restrictions = {"start_date": draw(st.sampled_from(("2026-03-08", "2026-03-29", "2026-10-25")))}
    return {
        "price_components": [
            {
                "type": kind,
                "price": draw(prices),
                "vat": draw(rates),
                "step_size": draw(st.none() | st.integers(1, 2000)),
            }
            for kind in chosen
        ],
        "restrictions": restrictions,
    }


@st.composite
def tariffs(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> Tariff:
    snapshot: dict[str, Any] = {
        "currency": draw(st.sampled_from(("EUR", "IDR", "JPY", "KWD"))),
        "elements": draw(st.lists(elements(kinds), min_size=1, max_size=4)),
    }
    low = draw(st.integers(0, 20))
    bounds = {"min_price": low, "max_price": draw(st.integers(low, 60))}
    with_vat = draw(st.booleans())
    for name in draw(st.sets(st.sampled_from(sorted(bounds)))):
        snapshot[name] = {"excl_vat": bounds[name]} | ({"incl_vat": bounds[name] + 3} if with_vat else {})
    return Tariff.parse(snapshot)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A session of up to two days whose readings rise, and whose energy may disagree with them."""
    start = draw(starts)
    minutes = draw(st.lists(st.integers(0, 3000), max_size=6, unique=True).map(sorted))
    register = first = draw(st.integers(0, 10**9))
    readings = []
    for minute in minutes:
        # Even numbers, so that the middle of two readings is a whole one.
        register += 2 * draw(st.integers(0, 3000)) if draw(st.booleans()) else 0
        readings.append(Reading(start + timedelta(minutes=minute), Decimal(register)))
    shown = Decimal(register - first)
    energy = draw(st.just(shown) | st.just(shown + Decimal("0.5")) | st.decimals(0, 60_000, places=3))
    end = start + timedelta(minutes=draw(st.integers(minutes[-1] if minutes else 0, 3100)))
    return Usage(start, end, draw(st.sampled_from(ZONES)), Decimal(first), energy, readings)


@quickly
@given(tariffs(), usages())
def test_cost_is_never_negative_and_every_line_but_the_maximum_is_not_either(
    tariff: Tariff, usage: Usage
) -> None:
    priced = price(tariff, usage)
    assert priced.total >= priced.total_excl_vat >= 0
    assert priced.total_vat >= 0
    assert all(line.quantity >= 0 for line in priced.lines)
    assert all(
        line.amount >= line.amount_excl_vat >= 0 for line in priced.lines if not line.kind.endswith("_PRICE")
    )


@quickly
@given(tariffs(), usages())
def test_sum_of_lines_is_the_total_in_whole_minor_units(tariff: Tariff, usage: Usage) -> None:
    priced = price(tariff, usage)
    assert sum(line.amount_excl_vat for line in priced.lines) == priced.total_excl_vat
    assert sum(line.vat_amount for line in priced.lines) == priced.total_vat
    assert sum(line.amount for line in priced.lines) == priced.total
    assert all(line.amount == line.amount_excl_vat + line.vat_amount for line in priced.lines)
    places = minor_units(tariff.currency)
    assert all(-line.amount.as_tuple().exponent == places for line in priced.lines)  # type: ignore[operator]


@quickly
@given(tariffs(), usages(), st.data())
def test_inserting_a_sample_on_the_line_between_two_does_not_change_the_cost(
    tariff: Tariff, usage: Usage, data: st.DataObject
) -> None:
    assume(len(usage.readings) >= 2)
    index = data.draw(st.integers(1, len(usage.readings) - 1))
    before, after = usage.readings[index - 1], usage.readings[index]
    between = Reading(before.at + (after.at - before.at) / 2, (before.wh + after.wh) / 2)
    split = replace(usage, readings=[*usage.readings, between])
    assert price(tariff, split) == price(tariff, usage)


@quickly
@given(tariffs(), usages(), st.randoms(use_true_random=False))
def test_cost_does_not_depend_on_the_order_of_readings(tariff: Tariff, usage: Usage, random: Any) -> None:
    shuffled = list(usage.readings)
    random.shuffle(shuffled)
    assert price(tariff, replace(usage, readings=shuffled)) == price(tariff, usage)


BY_KWH = ("none", "kwh")
BY_TIME = ("none", "time", "day", "date", "duration")


@quickly
@given(
    st.lists(elements(("ENERGY",), BY_KWH) | elements(("FLAT",), BY_TIME), min_size=1, max_size=5),
    usages(),
)
def test_cost_is_the_same_without_readings_where_they_are_not_needed(
    rows: list[dict[str, Any]], usage: Usage
) -> None:
    tariff = Tariff.parse({"currency": "EUR", "elements": rows})
    assert not needs_readings(tariff)
    assert price(tariff, replace(usage, readings=())) == price(tariff, usage)


@quickly
@given(tariffs(), usages())
def test_cost_with_and_without_readings_differs_only_where_they_are_needed(
    tariff: Tariff, usage: Usage
) -> None:
    assert needs_readings(tariff) or price(tariff, replace(usage, readings=())) == price(tariff, usage)


@quickly
@given(prices, rates, usages(), st.decimals(0, 10_000, places=3))
def test_cost_of_one_energy_price_rises_with_energy(
    per_kwh: Decimal, vat: Decimal | None, usage: Usage, more: Decimal
) -> None:
    tariff = Tariff.flat_energy(per_kwh, "EUR", vat)
    less = price(tariff, usage)
    assert price(tariff, replace(usage, energy_wh=usage.energy_wh + more)).total >= less.total


@quickly
@given(prices, usages())
def test_cost_of_one_energy_price_is_energy_times_price(per_kwh: Decimal, usage: Usage) -> None:
    exact = Fraction(usage.energy_wh) / 1000 * Fraction(per_kwh)
    assert abs(Fraction(price(Tariff.flat_energy(per_kwh, "EUR"), usage).total) - exact) <= Fraction(1, 200)


@quickly
@given(tariffs(), usages())
def test_cost_lies_between_minimum_and_maximum_price(tariff: Tariff, usage: Usage) -> None:
    priced = price(tariff, usage)
    if tariff.min_price is not None:
        assert priced.total_excl_vat >= tariff.min_price.excl_vat
        assert priced.total >= (tariff.min_price.incl_vat or 0)
    if tariff.max_price is not None:
        assert priced.total_excl_vat <= tariff.max_price.excl_vat
        assert tariff.max_price.incl_vat is None or priced.total <= tariff.max_price.incl_vat


def billed_kwh(priced: Priced) -> Decimal:
    return sum((line.quantity for line in priced.lines if line.kind == "ENERGY"), Decimal(0))


@quickly
@given(st.lists(elements(("ENERGY",)), max_size=3), usages())
def test_energy_of_the_lines_is_exactly_the_energy_of_the_session(
    restricted: list[dict[str, Any]], usage: Usage
) -> None:
    fallback = {"price_components": [{"type": "ENERGY", "price": 1}]}
    for row in restricted:
        row["price_components"][0]["step_size"] = None
    priced = price(Tariff.parse({"currency": "EUR", "elements": [*restricted, fallback]}), usage)
    assert billed_kwh(priced) * 1000 == usage.energy_wh


@quickly
@given(usages())
def test_charging_and_parking_time_are_the_time_of_the_session(usage: Usage) -> None:
    components = [{"type": kind, "price": 1} for kind in ("TIME", "PARKING_TIME")]
    priced = price(Tariff.parse({"currency": "EUR", "elements": [{"price_components": components}]}), usage)
    seconds = sum((line.quantity for line in priced.lines), Decimal(0)) * 3600
    assert abs(seconds - Decimal((usage.ended_at - usage.started_at).total_seconds())) < Decimal("0.01")


@quickly
@given(tariffs(), usages())
def test_snapshot_reads_back_to_the_same_tariff_and_cost(tariff: Tariff, usage: Usage) -> None:
    again = Tariff.parse(tariff.as_snapshot())
    assert again == tariff
    assert price(again, usage) == price(tariff, usage)
