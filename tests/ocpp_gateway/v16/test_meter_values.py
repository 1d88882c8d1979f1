"""MeterValues: OCPP 1.6 §4.7, §7.31–§7.33, §7.45, §7.46; errata 3.9, 3.16, 3.86."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from chargepoints.models import ChargePoint, FrameAnomaly
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, meter, moment, session, start, stop
from transactions.choices import Flag
from transactions.models import MeterValue, Transaction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("token")

REGISTER = "Energy.Active.Import.Register"


@pytest.fixture
def ocpp_id(csms: Csms, charge_point: ChargePoint) -> int:
    """A session that started at T0 on connector 1 at a register of 1,000 Wh."""
    answer: int = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.now = T0 + 10 * MINUTE
    return answer


def sample(value: str, measurand: str | None = None, unit: str | None = None, **more: str) -> Payload:
    named = {"measurand": measurand, "unit": unit} | more
    return {"value": value} | {name: text for name, text in named.items() if text is not None}


def report(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, *samples: Payload, minutes: int = 10
) -> Transaction:
    """Send one MeterValue of a session and return the session."""
    payload = meter(moment(list(samples), T0 + minutes * MINUTE), transaction=ocpp_id)
    assert csms.send(charge_point, "MeterValues", payload) == {}
    return session(ocpp_id)


# ------------------------------------------------------------------ what a sample means


@pytest.mark.parametrize(
    "given",
    [
        sample("2234.5"),
        sample("2234.5", REGISTER),
        sample("2234.5", REGISTER, "Wh"),
        sample("2.2345", REGISTER, "kWh"),
        sample("2.2345", None, "kWh"),
        sample("2234.5", context="Sample.Clock", location="Outlet", format="Raw"),
        sample(" 2234.50 "),
        sample("+2234.5"),
    ],
)
def test_register_in_any_form_is_the_same_energy(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, given: Payload
) -> None:
    row = report(csms, charge_point, ocpp_id, given)

    assert row.energy_wh == Decimal("1234.5")
    assert row.meter_values.get().register_wh == Decimal("2234.5")


@pytest.mark.parametrize(
    "given",
    [
        sample("90000", "Energy.Active.Export.Register", "Wh"),
        sample("90000", "Energy.Reactive.Import.Register", "varh"),
        sample("90000", "Energy.Active.Import.Interval", "Wh"),
        sample("90000", "Power.Active.Import", "W"),
        sample("80", "SoC", "Percent"),
        sample("230.4", "Voltage", "V"),
        sample("32", "Current.Import", "A"),
        sample("50", "Frequency"),
        sample("41", "Temperature", "Celcius"),
        sample("41", "Temperature", "Celsius"),
        sample("310", "Temperature", "K"),
        sample("90000", REGISTER, "Wh", location="Inlet"),
        sample("90000", REGISTER, "Wh", phase="L1"),
        sample("90000", REGISTER, "Wh", format="SignedData"),
    ],
)
def test_what_is_no_register_of_the_outlet_never_becomes_energy(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, given: Payload
) -> None:
    row = report(csms, charge_point, ocpp_id, given)
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 3000))

    stored = row.meter_values.get()
    assert (row.energy_wh, stored.register_wh, stored.values) == (0, None, [given["value"]])
    assert session(ocpp_id).energy_wh == 2000


@pytest.mark.parametrize(
    "value", ["", "12,5", "NaN", "Infinity", "-", "9" * 26, "1e400", "null", "0x10", "١٢"]
)
def test_value_that_is_no_number_is_kept_as_received(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, value: str
) -> None:
    row = report(csms, charge_point, ocpp_id, sample(value))

    stored = row.meter_values.get()
    assert (stored.values, stored.register_wh, row.energy_wh) == ([value], None, 0)


@pytest.mark.parametrize("value", ["-500", "1e15", "9999999999999"])
def test_register_that_cannot_be_is_kept_and_not_used(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, value: str
) -> None:
    row = report(csms, charge_point, ocpp_id, sample(value))

    assert (row.meter_values.get().values, row.energy_wh) == ([value], 0)


def test_total_counts_and_phases_beside_it_do_not(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    phases = [
        sample(str(value), REGISTER, "Wh", phase=f"L{n}") for n, value in ((1, 700), (2, 900), (3, 800))
    ]

    row = report(csms, charge_point, ocpp_id, *phases[:2], sample("2400"), phases[2])

    assert row.energy_wh == 1400


def test_three_phases_without_a_total_are_added(csms: Csms, charge_point: ChargePoint, ocpp_id: int) -> None:
    phases = [
        sample(str(value), REGISTER, "Wh", phase=f"L{n}") for n, value in ((1, 700), (2, 900), (3, 800))
    ]

    assert report(csms, charge_point, ocpp_id, *phases).energy_wh == 1400


def test_kwh_with_seventeen_digits_is_rounded_to_a_thousandth_of_a_wh(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    row = report(csms, charge_point, ocpp_id, sample("1.0150069999999998", REGISTER, "kWh"))

    assert row.energy_wh == Decimal("15.007")
    assert row.meter_values.get().values == ["1.0150069999999998"]


@pytest.mark.parametrize(
    "context",
    ["Interruption.Begin", "Interruption.End", "Other", "Sample.Clock", "Sample.Periodic", "Trigger"],
)
def test_register_of_every_context_counts(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, context: str
) -> None:
    row = report(csms, charge_point, ocpp_id, sample("1500", REGISTER, "Wh", context=context))

    assert row.energy_wh == 500


@pytest.mark.parametrize(
    ("power", "unit", "watts"), [("7.36", "kW", 7360), ("7360", "W", 7360), ("7360.9", None, 7360)]
)
def test_power_and_state_of_charge_are_shown(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, power: str, unit: str | None, watts: int
) -> None:
    soc = sample("81.5", "SoC", "Percent", location="EV")

    row = report(csms, charge_point, ocpp_id, sample(power, "Power.Active.Import", unit), soc)

    assert (row.power_w, row.soc_percent) == (watts, Decimal("81.5"))


# ------------------------------------------------------------------ broken messages


def test_values_as_json_numbers_are_taken_and_recorded(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    frame = (
        f'[2,"m","MeterValues",{{"connectorId":1,"transactionId":{ocpp_id},"meterValue":[{{"timestamp":'
        '"2026-03-02T10:05:00Z","sampledValue":[{"value":1.5,"unit":"kWh"},{"value":7,'
        '"measurand":"Power.Active.Import","unit":"kW"}]}]}]'
    )
    assert csms.text(charge_point, frame) == [[3, "m", {}]]

    row = session(ocpp_id)
    assert (row.energy_wh, row.power_w) == (500, 7000)
    assert row.meter_values.get().values == ["1.5", "7"]


@pytest.mark.parametrize(
    "extra",
    [
        {"measurand": "Energy.Vendor.Special"},
        {"unit": "furlong"},
        {"phase": "L9"},
        {"context": "Now"},
        {"location": "Roof"},
        {"format": "Secret"},
        {"vendorField": "x"},
    ],
)
def test_sample_with_unknown_words_is_stored_beside_the_good_one(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, extra: Payload
) -> None:
    row = report(csms, charge_point, ocpp_id, sample("1500", REGISTER, "Wh"), {"value": "5"} | extra)

    assert row.meter_values.get().values == ["1500", "5"]
    assert row.energy_wh == 500


@pytest.mark.parametrize("at", [None, "", "noon", "0001-01-01T00:00:00Z"])
def test_sample_without_a_readable_time_takes_the_arrival(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, at: str | None
) -> None:
    csms.send(charge_point, "MeterValues", meter(moment("1500", at), transaction=ocpp_id))

    stored = session(ocpp_id).meter_values.get()
    assert (stored.sampled_at, stored.register_wh) == (T0 + 10 * MINUTE, 1500)


def test_message_without_samples_at_all_is_refused(csms: Csms, charge_point: ChargePoint) -> None:
    answer = csms.ask_one(charge_point, "MeterValues", {"connectorId": 1})

    assert answer.code == "OccurenceConstraintViolation"


@pytest.mark.parametrize("values", [[], [{"timestamp": "2026-03-02T10:05:00Z", "sampledValue": []}]])
def test_message_with_empty_lists_is_answered_and_kept(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, values: list[object]
) -> None:
    payload = {"connectorId": 1, "transactionId": ocpp_id, "meterValue": values}

    # A CALLERROR would be repeated and block the charger's queue; there is nothing to lose.
    assert csms.send(charge_point, "MeterValues", payload) == {}
    assert FrameAnomaly.objects.get().was_served
    assert not MeterValue.objects.exists()


def test_two_thousand_samples_in_one_message_are_stored(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    moments = [moment(str(1000 + n), T0 + timedelta(seconds=n)) for n in range(2000)]

    csms.send(charge_point, "MeterValues", meter(*moments, transaction=ocpp_id), at=T0 + HOUR)

    row = session(ocpp_id)
    assert (row.meter_values.count(), row.energy_wh) == (2000, 1999)


# ------------------------------------------------------------------ where samples belong


def test_samples_without_an_id_belong_to_the_session_on_the_connector(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    other = csms.send(charge_point, "StartTransaction", start(2, at=T0 + MINUTE))["transactionId"]

    csms.send(charge_point, "MeterValues", meter(moment("1700", T0 + 5 * MINUTE), connector=2))

    assert (session(other).energy_wh, session(ocpp_id).energy_wh) == (700, 0)


@pytest.mark.parametrize("unknown", [0, -1, 424242])
def test_samples_of_an_unknown_session_stay_with_the_connector(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, unknown: int
) -> None:
    csms.send(charge_point, "MeterValues", meter(moment("9000", T0 + MINUTE), transaction=unknown))

    stored = MeterValue.objects.get()
    assert (stored.transaction, stored.connector_number, stored.charge_point) == (None, 1, charge_point)
    assert session(ocpp_id).energy_wh == 0


def test_samples_of_connector_0_are_the_main_meter(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    csms.send(charge_point, "MeterValues", meter(moment("123456", T0 + MINUTE), connector=0))

    stored = MeterValue.objects.get()
    assert (stored.transaction, stored.connector_number) == (None, 0)
    assert session(ocpp_id).energy_wh == 0
    assert charge_point.connectors.filter(ocpp_number=0).count() == 0


def test_samples_before_any_session_stay_with_the_connector(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "MeterValues", meter(moment("1000", T0)))

    assert MeterValue.objects.get().transaction is None


def test_clock_aligned_samples_across_two_sessions_go_to_the_one_of_their_time(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 5000, T0 + 20 * MINUTE))
    second = csms.send(charge_point, "StartTransaction", start(at=T0 + 40 * MINUTE, meter=5000))[
        "transactionId"
    ]

    moments = [moment(str(3000 + n), T0 + n * MINUTE) for n in (15, 30, 45)]
    csms.send(charge_point, "MeterValues", meter(*moments), at=T0 + 50 * MINUTE)

    where = list(MeterValue.objects.order_by("sampled_at").values_list("transaction__ocpp_id", flat=True))
    assert where == [str(ocpp_id), None, str(second)]


def test_equal_samples_of_two_connectors_at_one_moment_are_both_kept(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Idle connectors report the same register at the same clock-aligned moment, also from the queue."""
    for connector in (1, 2):
        csms.send(
            charge_point,
            "MeterValues",
            meter(moment("0", T0 + 30 * MINUTE), connector=connector),
            at=T0 + HOUR,
        )
    for connector in (1, 2, 0):
        csms.send(charge_point, "MeterValues", meter(moment("0", T0 + 15 * MINUTE), connector=connector))

    assert MeterValue.objects.filter(sampled_at=T0 + 15 * MINUTE).count() == 3


# ------------------------------------------------------------------ order and repeats


@pytest.mark.parametrize("message_id", [None, "same"])
def test_message_repeated_doubles_no_row(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, message_id: str | None
) -> None:
    moments = [moment("2000", T0 + MINUTE), moment("3000", T0 + 2 * MINUTE)]
    payload = meter(*moments, transaction=ocpp_id)
    for _ in range(2):
        csms.send(charge_point, "MeterValues", payload, message_id=message_id)
        csms.reconnect(charge_point)
    csms.batch([(charge_point, "MeterValues", payload)] * 2)

    row = session(ocpp_id)
    assert (row.meter_values.count(), row.energy_wh) == (2, 2000)


def test_message_repeated_without_a_session_doubles_no_row(csms: Csms, charge_point: ChargePoint) -> None:
    payload = meter(moment("2000", T0 + MINUTE))
    csms.batch([(charge_point, "MeterValues", payload)] * 2)
    csms.send(charge_point, "MeterValues", payload)

    assert MeterValue.objects.count() == 1


def test_split_message_with_one_time_keeps_all_parts(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    report(csms, charge_point, ocpp_id, sample("1500"))
    report(csms, charge_point, ocpp_id, sample("230", "Voltage", "V"))
    row = report(csms, charge_point, ocpp_id, sample("81", "SoC", "Percent"))

    assert (row.meter_values.count(), row.energy_wh, row.soc_percent) == (3, 500, Decimal(81))


def test_older_sample_does_not_lower_the_live_figures(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    power = "Power.Active.Import"
    report(csms, charge_point, ocpp_id, sample("5000"), sample("7000", power, "W"), minutes=9)

    row = report(csms, charge_point, ocpp_id, sample("3000"), sample("3000", power, "W"), minutes=4)

    assert (row.energy_wh, row.power_w) == (4000, 7000)
    assert row.last_sample_at == T0 + 9 * MINUTE
    assert row.meter_values.count() == 2


def test_sample_from_before_the_start_is_no_energy_of_the_session(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    """A queued reading of the connector, delivered under the id of the next session."""
    report(csms, charge_point, ocpp_id, sample("400"), minutes=-30)

    row = report(csms, charge_point, ocpp_id, sample("1500"), minutes=5)

    assert (row.energy_wh, row.meter_values.count()) == (500, 2)


def test_first_reading_that_is_cut_off_below_the_start_adds_nothing(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    """meterStart is a whole number, readings are not: 999.6 was sent as 1000."""
    report(csms, charge_point, ocpp_id, sample("999.6"), minutes=1)

    assert report(csms, charge_point, ocpp_id, sample("1500"), minutes=5).energy_wh == 500


def test_register_that_falls_does_not_lower_the_live_energy(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    report(csms, charge_point, ocpp_id, sample("4000"), minutes=2)

    assert report(csms, charge_point, ocpp_id, sample("1200"), minutes=4).energy_wh == 3000


def test_batch_with_only_voltage_keeps_the_energy(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    report(csms, charge_point, ocpp_id, sample("4000"), minutes=2)

    row = report(csms, charge_point, ocpp_id, sample("229.9", "Voltage", "V"), minutes=4)

    assert (row.energy_wh, row.register_wh) == (3000, 4000)


def test_samples_after_the_stop_are_stored_and_do_not_change_the_bill(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 5000, T0 + 8 * MINUTE))
    before = session(ocpp_id)

    row = report(csms, charge_point, ocpp_id, sample("9000"), minutes=9)

    assert (row.energy_wh, row.cost, row.flags) == (before.energy_wh, before.cost, [])
    assert (row.energy_wh, row.meter_values.count()) == (4000, 1)


def test_start_of_zero_with_a_lifetime_register_is_flagged_before_it_is_billed(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start(2, meter=0))["transactionId"]

    row = report(csms, charge_point, ocpp_id, sample("910000"), minutes=1)
    later = report(csms, charge_point, ocpp_id, sample("912500"), minutes=8)

    assert (row.energy_wh, row.flags) == (0, [Flag.METER_START_PLACEHOLDER])
    assert (later.energy_wh, later.flags) == (2500, [Flag.METER_START_PLACEHOLDER])


def test_one_impossible_reading_does_not_stay_in_the_bill(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    for minutes, value in ((2, "1500"), (4, "900000000"), (6, "2500")):
        report(csms, charge_point, ocpp_id, sample(value), minutes=minutes)

    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 3000, T0 + 8 * MINUTE))

    row = session(ocpp_id)
    assert (row.energy_wh, row.flags) == (2000, [Flag.METER_ANOMALY])


def test_impossible_reading_does_not_raise_the_live_energy(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    for minute, value in ((5, "1500"), (6, "900000000"), (7, "2500")):
        at = T0 + timedelta(minutes=minute)
        csms.send(charge_point, "MeterValues", meter(moment(value, at), transaction=ocpp_id), at=at)

    row = session(ocpp_id)
    assert row.energy_wh == Decimal(1500)
    assert Flag.METER_ANOMALY in row.flags
