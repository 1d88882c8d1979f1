from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transactions.energy import (
    MAX_REGISTER_WH,
    METER_ANOMALY,
    METER_START_PLACEHOLDER,
    METER_STOP_IMPLAUSIBLE,
    Energy,
    Reading,
    Register,
    Sample,
    energy_curve,
    explain_register,
    live_energy,
    power_w,
    register_of,
    session_energy,
    soc_percent,
)

# No deadline: a busy machine is not an error.
quickly = settings(max_examples=60, deadline=None)

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
END = START + timedelta(hours=2)
REGISTER = "Energy.Active.Import.Register"


def wh(*samples: Sample) -> Decimal | None:
    register = register_of(samples)
    return None if register is None else register.wh


def phases(*values: str, suffix: str = "") -> list[Sample]:
    return [Sample(value, REGISTER, "Wh", f"L{n}{suffix}") for n, value in enumerate(values, start=1)]


def readings(*pairs: tuple[int, str | int]) -> list[Reading]:
    """Readings at minutes after the start."""
    return [Reading(START + timedelta(minutes=minute), Decimal(value)) for minute, value in pairs]


def energy(start: int | None, stop: int | None, *pairs: tuple[int, str | int]) -> Energy:
    return session_energy(
        None if start is None else Decimal(start),
        None if stop is None else Decimal(stop),
        readings(*pairs),
        started_at=START,
        ended_at=END,
    )


def brief(found: Energy) -> tuple[object, ...]:
    return found.energy_wh, found.basis, *found.anomalies


def flags(found: Energy) -> tuple[object, ...]:
    return found.energy_wh, *found.anomalies


# --- the register of one meter value ---


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("1234", None, "1234"),
        ("1234", "Wh", "1234"),
        ("1234.5", "Wh", "1234.5"),
        ("1.2345", "kWh", "1234.5"),
        ("0.15006", "kWh", "150.06"),
        ("12.345678901234567", "kWh", "12345.679"),
        ("123456789.01234567", "kWh", "123456789012.346"),
        ("1.0005", "Wh", "1.001"),
        ("1.2E3", "Wh", "1200"),
        (" 7 ", "Wh", "7"),
        ("+7.", "Wh", "7"),
        ("-0", "Wh", "0"),
        ("9223372036", "Wh", "9223372036"),
        ("999999999999.999", "Wh", "999999999999.999"),
    ],
)
def test_register_of_numeric_value_is_exact_in_wh(value: str, unit: str | None, expected: str) -> None:
    assert wh(Sample(value, unit=unit)) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "12,5",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1e999",
        "1e99",
        "abc",
        "0x10",
        "1_000",
        "٣",
        "-5",
        "--1",
        "1.2.3",
        "true",
        ".",
        "e5",
    ],
)
def test_register_of_value_that_is_no_register_is_none(value: str) -> None:
    assert wh(Sample(value)) is None


@pytest.mark.parametrize("value", ["1" * 26, "9" * 5000, "1000000000000", "999999999999.9996"])
def test_register_of_value_that_does_not_fit_is_none(value: str) -> None:
    assert wh(Sample(value)) is None


@quickly
@given(st.text(max_size=60), st.one_of(st.none(), st.text(max_size=8)))
def test_register_of_any_text_never_raises(value: str, unit: str | None) -> None:
    register = register_of([Sample(value, unit=unit)])
    assert register is None or 0 <= register.wh < 10**12


def test_register_of_exact_value_ignores_the_callers_decimal_context() -> None:
    with localcontext(prec=3):
        assert wh(Sample("123456.789", unit="kWh")) == Decimal("123456789")


@pytest.mark.parametrize(
    "measurand",
    [
        "Energy.Active.Export.Register",
        "Energy.Active.Import.Interval",
        "Energy.Reactive.Import.Register",
        "SoC",
        "Power.Active.Import",
        "Energy.Active.Net",
        "Voltage",
    ],
)
def test_register_of_other_measurand_is_none(measurand: str) -> None:
    assert wh(Sample("100", measurand, "Wh")) is None


@pytest.mark.parametrize("unit", ["W", "varh", "kvarh", "A", "MWh", "Percent"])
def test_register_of_other_unit_is_none(unit: str) -> None:
    assert wh(Sample("100", REGISTER, unit)) is None


def test_register_of_signed_data_is_none() -> None:
    assert wh(Sample("1234", REGISTER, "Wh", format="SignedData")) is None
    assert wh(Sample("1234", REGISTER, "Wh", format="Raw")) == 1234


@pytest.mark.parametrize("location", ["Inlet", "EV", "Upstream"])
def test_register_of_other_location_is_never_the_outlets(location: str) -> None:
    elsewhere = Sample("900", REGISTER, "Wh", location=location)
    assert wh(elsewhere) is None
    assert wh(elsewhere, Sample("100", REGISTER, "Wh", location="Outlet")) == 100


def test_register_of_cable_gives_way_to_outlet() -> None:
    cable, outlet = Sample("101", location="Cable"), Sample("100")
    assert register_of([cable]) == Register(Decimal(101), "total, Cable")
    assert register_of([cable, outlet]) == Register(Decimal(100), "total, Outlet")


def test_register_of_total_and_phases_is_the_total() -> None:
    assert wh(*phases("10", "20", "30"), Sample("61.5", REGISTER, "Wh")) == Decimal("61.5")


@pytest.mark.parametrize("suffix", ["", "-N"])
def test_register_of_three_phases_without_total_is_their_sum(suffix: str) -> None:
    register = register_of(phases("10.0004", "20.0004", "30.0004", suffix=suffix))
    assert register is not None
    assert register.wh == Decimal("60.001")  # rounded once, after the sum
    assert register.source.startswith("sum of L1")


def test_register_of_incomplete_or_mixed_phases_is_none() -> None:
    assert wh(*phases("10", "20")) is None
    assert wh(*phases("10", "20"), Sample("30", phase="L3-N")) is None
    assert wh(*phases("10", "20", "x")) is None
    assert wh(*(Sample("10", phase=name) for name in ("L1-L2", "L2-L3", "L3-L1"))) is None


def test_register_of_begin_and_end_in_one_meter_value_is_the_end() -> None:
    end, begin = Sample("900", context="Transaction.End"), Sample("100", context="Transaction.Begin")
    assert wh(end, begin) == wh(begin, end) == 900
    assert wh(begin, Sample("500", context="Sample.Periodic")) == 500


def test_register_of_only_voltage_is_none_and_explained() -> None:
    samples = [Sample("230", "Voltage", "V")]
    assert register_of(samples) is None
    assert "No sample" in explain_register(samples)


def test_explain_register_names_what_was_wrong_or_used() -> None:
    assert "12 digits" in explain_register([Sample("1000000000000")])
    assert "readable" in explain_register([Sample("NaN")])
    assert explain_register([Sample("5")]) == "total, Outlet"


# --- live figures ---


def test_power_w_takes_newest_total_in_watts() -> None:
    samples = [Sample("7400", "Power.Active.Import", "W"), Sample("7.2", "Power.Active.Import", "kW")]
    assert power_w(samples) == 7200


def test_power_w_without_total_sums_the_phases() -> None:
    samples = [Sample("1000.5", "Power.Active.Import", "W", f"L{n}") for n in (1, 2, 3)]
    assert power_w(samples) == Decimal("3001.5")
    assert power_w(samples[:1]) == Decimal("1000.5")


def test_power_w_of_inlet_or_other_measurand_is_none() -> None:
    assert power_w([Sample("9", "Power.Active.Import", "W", location="Inlet")]) is None
    assert power_w([Sample("9", "Power.Offered", "W"), Sample("9")]) is None


@pytest.mark.parametrize(
    ("value", "expected"), [("91", 91), ("0", 0), ("100.1", None), ("-1", None), ("x", None)]
)
def test_soc_percent_outside_its_range_is_none(value: str, expected: int | None) -> None:
    assert soc_percent([Sample(value, "SoC", "Percent", location="EV")]) == expected


def test_soc_percent_without_unit_is_percent() -> None:
    assert soc_percent([Sample("40", "SoC"), Sample("41", "SoC")]) == 41
    assert soc_percent([Sample("40")]) is None


# --- the energy of one session ---


def test_session_energy_without_readings_is_the_difference() -> None:
    assert energy(910_000, 921_500) == Energy(Decimal("11500.000"), "registers")


def test_session_energy_stop_above_last_reading_wins() -> None:
    assert energy(0, 11_500, (30, 5000), (60, 11_000)) == Energy(Decimal(11_500), "registers")


def test_session_energy_stop_truncated_below_last_reading_wins() -> None:
    assert energy(1000, 2000, (60, "2000.7")) == Energy(Decimal(1000), "registers")


def test_session_energy_readings_out_of_order_are_sorted() -> None:
    assert energy(0, 900, (60, 800), (20, 200), (40, 500)) == Energy(Decimal(900), "registers")


def test_session_energy_one_low_reading_is_ignored() -> None:
    found = energy(0, 3000, (20, 1000), (40, 400), (60, 2000))
    assert brief(found) == (3000, "registers")
    assert "below" in found.notes[0]


def test_session_energy_stop_below_start_without_readings_is_zero_and_flagged() -> None:
    found = energy(5000, 100)
    assert brief(found) == (0, "none", METER_ANOMALY)


def test_session_energy_stop_below_start_uses_the_rises_of_the_readings() -> None:
    found = energy(1000, 0, (20, 1500), (40, 4000))
    assert brief(found) == (3000, "increments", METER_ANOMALY)


def test_session_energy_register_reset_sums_the_rises_on_both_sides() -> None:
    found = energy(0, 900, (20, 3000), (40, 5000), (60, 100), (80, 400))
    assert brief(found) == (5800, "increments", METER_ANOMALY)


def test_session_energy_lifetime_start_with_session_readings_counts_from_the_first() -> None:
    found = energy(910_000, 5000, (20, 100), (40, 2000))
    assert flags(found) == (4900, METER_ANOMALY)


def test_session_energy_impossible_reading_in_between_is_ignored_and_flagged() -> None:
    found = energy(0, 3000, (20, 1000), (21, 99_999_999), (40, 2000))
    assert brief(found) == (3000, "registers", METER_ANOMALY)


def test_session_energy_start_zero_before_lifetime_register_counts_from_first_reading() -> None:
    found = energy(0, 921_000, (1, 910_000), (60, 916_000))
    assert flags(found) == (11_000, METER_START_PLACEHOLDER)


def test_session_energy_start_zero_late_first_reading_is_still_a_placeholder() -> None:
    found = energy(0, 921_000, (60, 910_000))  # 910 kW on average would be possible
    assert flags(found) == (11_000, METER_START_PLACEHOLDER)


def test_session_energy_start_zero_without_readings_bills_no_lifetime_register() -> None:
    found = energy(0, 910_000)
    assert brief(found) == (0, "none", METER_START_PLACEHOLDER)


def test_session_energy_session_register_from_zero_is_no_placeholder() -> None:
    assert energy(0, 80_000, (1, 2000), (60, 50_000)).anomalies == ()


def test_session_energy_impossible_stop_is_flagged_and_not_billed() -> None:
    found = energy(1000, 90_000_000, (60, 8000))
    assert flags(found) == (7000, METER_STOP_IMPLAUSIBLE)


def test_session_energy_register_read_seconds_before_its_timestamp_is_no_jump() -> None:
    first = [Reading(START + timedelta(seconds=1), Decimal(2000))]
    assert session_energy(Decimal(1000), None, first, started_at=START).anomalies == ()


def test_session_energy_power_limit_is_the_callers() -> None:
    pairs = readings((60, 50_000))
    found = session_energy(Decimal(1), None, pairs, started_at=START, max_power_w=Decimal(22_000))
    assert flags(found) == (0, METER_ANOMALY)


def test_session_energy_without_start_counts_from_first_reading() -> None:
    found = energy(None, 9000, (10, 4000), (60, 8000))
    assert brief(found)[:2] == (5000, "readings")
    assert "start register is missing" in found.notes[0]


def test_session_energy_without_anything_is_none() -> None:
    assert energy(None, None) == Energy(Decimal(0), "none")
    assert energy(None, 5000).basis == "none"


def test_session_energy_readings_outside_the_session_do_not_count() -> None:
    found = energy(1000, None, (-5, 500), (60, 3000), (180, 9000))
    assert found.energy_wh == 2000
    assert "2 readings outside" in found.notes[0]


def test_session_energy_stop_before_start_keeps_the_registers() -> None:
    found = session_energy(Decimal(0), Decimal(20_000), [], started_at=END, ended_at=START)
    assert found == Energy(Decimal(20_000), "registers")


def test_session_energy_dead_clock_does_not_judge_by_time() -> None:
    same = [Reading(START, Decimal(value)) for value in (20_000, 10_000)]
    found = session_energy(Decimal(0), Decimal(30_000), same, started_at=START, ended_at=START)
    assert found == Energy(Decimal(30_000), "registers")


GARBAGE = [Reading(START + timedelta(minutes=n), Decimal(n % 3 // 2 * 9 * 10**11)) for n in range(1, 9)]


def test_session_energy_above_what_a_register_holds_is_nothing_with_a_note() -> None:
    """Resets between registers of garbage, under a clock that ran backwards."""
    found = session_energy(None, Decimal(5), GARBAGE, started_at=END, ended_at=START)

    assert found == Energy(Decimal(0), "none", (METER_ANOMALY,), found.notes)
    assert found.notes[0].startswith("2700000000000 Wh in all is more than a register can hold")


def test_session_energy_of_the_largest_register_is_counted() -> None:
    found = session_energy(Decimal(5), MAX_REGISTER_WH, [], started_at=END, ended_at=START)
    assert found == Energy(MAX_REGISTER_WH - 5, "registers")


def test_session_energy_registers_above_31_bits_are_exact() -> None:
    assert energy(3_000_000_000, 3_000_012_345).energy_wh == 12_345


def test_live_energy_is_never_lowered_by_a_late_low_reading() -> None:
    before = live_energy(Decimal(0), readings((10, 1000), (20, 3000)), started_at=START)
    after = live_energy(Decimal(0), readings((10, 1000), (20, 3000), (30, 2500)), started_at=START)
    assert before.energy_wh == after.energy_wh == 3000
    assert before.basis == "readings"


def test_live_energy_without_readings_is_zero() -> None:
    assert live_energy(Decimal(500), [], started_at=START) == Energy(Decimal(0), "none")


def test_energy_curve_rises_only() -> None:
    pairs = readings((20, 1500), (40, 1200), (60, 1800), (300, 9000))
    curve = energy_curve(Decimal(1000), pairs, started_at=START, ended_at=END)
    assert [point.wh for point in curve] == [500, 500, 800]


registers = st.one_of(st.none(), st.decimals(0, 10**12 - 1, places=3))
any_readings = st.lists(
    st.builds(
        Reading,
        st.datetimes(datetime(2026, 3, 2), datetime(2026, 3, 3), timezones=st.just(UTC)),
        st.decimals(0, 10**12 - 1, places=3),
    ),
    max_size=8,
)


@quickly
@given(registers, registers, any_readings)
def test_session_energy_of_any_input_is_never_negative_nor_impossible(
    start: Decimal | None, stop: Decimal | None, given_readings: list[Reading]
) -> None:
    found = session_energy(start, stop, given_readings, started_at=START, ended_at=END)
    assert 0 <= found.energy_wh <= 2_010_000  # 2 hours at 1 MW, some seconds for each reading
    assert found == session_energy(start, stop, given_readings[::-1], started_at=START, ended_at=END)


@quickly
@given(st.lists(st.decimals(0, 10**6, places=3), min_size=1, max_size=8))
def test_live_energy_of_a_rising_register_is_the_last_reading_less_the_start(values: list[Decimal]) -> None:
    rising = [Reading(START + timedelta(hours=n), value) for n, value in enumerate(sorted(values), start=1)]
    for count, last in enumerate(rising, start=1):
        assert live_energy(min(values), rising[:count], started_at=START).energy_wh == last.wh - min(values)
