"""Sessions and energy: the cases that go wrong most often (OCPP 1.6 §3.14, §4.7, §4.8, §4.10, §7.31)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from accounts.models import Tenant
from chargepoints.models import ChargePoint
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V16
from ocpp_gateway.writer import Batcher, StorageAway
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, meter, moment, session, start, stop
from transactions.choices import Flag
from transactions.models import Transaction
from transactions.services.batch import SessionBatch

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("token")


def charge(
    csms: Csms,
    charge_point: ChargePoint,
    *samples: list[Payload] | str,
    begun: int = 1000,
    ended: int = 11000,
) -> Transaction:
    """A whole session of an hour with a MeterValues every ten minutes."""
    ocpp_id = csms.send(charge_point, "StartTransaction", start(meter=begun), at=T0)["transactionId"]
    for number, given in enumerate(samples, start=1):
        at = T0 + number * 10 * MINUTE
        csms.send(charge_point, "MeterValues", meter(moment(given, at), transaction=ocpp_id), at=at)
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, ended), at=T0 + HOUR)
    return session(ocpp_id)


def test_starts_on_two_connectors_a_second_apart_are_two_sessions(
    csms: Csms, charge_point: ChargePoint
) -> None:
    answers = csms.batch(
        [
            (charge_point, "StartTransaction", start(1)),
            (charge_point, "StartTransaction", start(2, at=T0 + timedelta(seconds=1))),
        ]
    )

    assert answers[0]["transactionId"] != answers[1]["transactionId"]
    assert Transaction.objects.filter(state="active").count() == 2


@pytest.mark.parametrize(
    "given",
    [
        [{"value": "2234", "unit": "Wh"}],
        [{"value": "2234.0", "unit": "Wh"}],
        [{"value": "2.2340", "unit": "kWh"}],
        [{"value": "2234"}],
        "2234",
    ],
)
def test_register_in_wh_kwh_or_without_unit_gives_the_same_energy(
    csms: Csms, charge_point: ChargePoint, given: list[Payload] | str
) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.send(charge_point, "MeterValues", meter(moment(given, T0 + MINUTE), transaction=ocpp_id))

    assert session(ocpp_id).energy_wh == Decimal(1234)


def test_decimals_are_exact_where_floating_point_is_not(csms: Csms, charge_point: ChargePoint) -> None:
    given = [[{"value": f"1.{n}", "unit": "kWh"}] for n in ("1", "2", "3")]
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    for number, samples in enumerate(given, start=1):
        at = T0 + number * MINUTE
        csms.send(charge_point, "MeterValues", meter(moment(samples, at), transaction=ocpp_id))

    assert session(ocpp_id).energy_wh == Decimal("300.000")


def test_no_meter_values_at_all_give_the_difference_of_the_registers(
    csms: Csms, charge_point: ChargePoint
) -> None:
    assert charge(csms, charge_point).energy_wh == 10000


def test_stop_register_above_the_last_reading_wins(csms: Csms, charge_point: ChargePoint) -> None:
    assert charge(csms, charge_point, "4000", "9000").energy_wh == 10000


def test_total_beside_phases_is_the_register(csms: Csms, charge_point: ChargePoint) -> None:
    phases = [{"value": "900", "phase": name} for name in ("L1", "L2", "L3")]
    row = charge(csms, charge_point, [*phases, {"value": "4000"}], ended=4000)

    assert row.energy_wh == 3000
    assert row.meter_values.get().register_wh == 4000


def test_voltage_after_energy_keeps_the_energy(csms: Csms, charge_point: ChargePoint) -> None:
    voltage = [{"value": "230", "measurand": "Voltage", "unit": "V"}]

    assert charge(csms, charge_point, "4000", voltage, ended=4000).energy_wh == 3000


def test_start_sent_again_after_its_stop_has_no_second_session(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(max_active_sessions=1)
    row = charge(csms, charge_point)

    again = csms.send(charge_point, "StartTransaction", start(), at=T0 + 2 * HOUR)

    assert again == {"transactionId": int(row.ocpp_id), "idTagInfo": {"status": "Accepted"}}
    assert Transaction.objects.count() == 1


def test_start_of_zero_while_the_register_stands_at_910_kwh_is_not_billed(
    csms: Csms, charge_point: ChargePoint
) -> None:
    row = charge(csms, charge_point, "910000", "912500", begun=0, ended=915000)

    assert (row.energy_wh, row.flags) == (5000, [Flag.METER_START_PLACEHOLDER])


def test_start_of_zero_for_each_session_is_no_placeholder(csms: Csms, charge_point: ChargePoint) -> None:
    row = charge(csms, charge_point, "2500", "5000", begun=0, ended=8000)

    assert (row.energy_wh, row.flags) == (8000, [])


def test_session_is_priced_by_its_exact_energy(csms: Csms, charge_point: ChargePoint, tenant: Tenant) -> None:
    tenant.default_tariff = factories.TariffFactory(tenant=tenant, elements=factories.energy_tariff("0.39"))
    tenant.save()

    row = charge(csms, charge_point, ended=8123)

    assert (row.energy_wh, row.cost, row.currency) == (7123, Decimal("2.78"), "EUR")


@pytest.mark.parametrize("limit", ["8.1", "16.3", "0.7", "2.3", "22000.1"])
def test_limits_with_one_decimal_pass_the_schema_of_a_charging_profile(limit: str) -> None:
    """`multipleOf: 0.1` is decimal; in floating point 8.1 is no multiple."""
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": float(limit)}],
        },
    }
    payload = {"connectorId": 1, "csChargingProfiles": profile}

    assert schemas.check_request(V16, "SetChargingProfile", payload) is None


def test_stop_while_the_database_is_away_is_not_answered_and_stored_once_later(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.queue(charge_point, "StopTransaction", stop(ocpp_id), message_id="s")
    works = csms.node.writer.works

    with monkeypatch.context() as broken:
        broken.setattr(SessionBatch, "store", _no_database)
        broken.setattr("ocpp_gateway.writer.connection.close", lambda: None)
        for _ in range(3):
            with pytest.raises(StorageAway):
                Batcher().run(works)
    assert csms.answers(charge_point) == []
    assert session(ocpp_id).is_active

    csms.node.writer.run()

    assert csms.answers(charge_point) == [[3, "s", {}]]
    row = session(ocpp_id)
    assert (row.energy_wh, row.ledger.filter(kind="stop").count()) == (10000, 1)


def _no_database(batch: SessionBatch) -> None:
    raise OperationalError("the connection is closed")


def test_batch_tried_again_after_a_failure_counts_the_energy_once(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad neighbour rolls the batch back; each message is then done alone."""
    bad = factories.ChargePointFactory(tenant=charge_point.tenant)
    csms.socket(bad)
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    ChargePoint.objects.filter(pk=bad.pk).delete()

    answers = csms.ask(
        [
            (charge_point, "MeterValues", meter(moment("3000", T0 + MINUTE), transaction=ocpp_id)),
            (bad, "StartTransaction", start()),
            (charge_point, "MeterValues", meter(moment("5000", T0 + 2 * MINUTE), transaction=ocpp_id)),
        ]
    )

    row = session(ocpp_id)
    assert [answer.is_held for answer in answers] == [False, True, False]
    assert (row.energy_wh, row.meter_values.count()) == (4000, 2)


def test_stop_after_resets_between_garbage_registers_is_stored(csms: Csms, charge_point: ChargePoint) -> None:
    """The clock is set back, so no rise can be judged by time; the sum fits no column."""
    ocpp_id = csms.send(charge_point, "StartTransaction", start(meter=1000))["transactionId"]
    garbage = [moment(str(n % 3 // 2 * 9 * 10**11), T0 + n * MINUTE) for n in range(1, 9)]

    ended = stop(ocpp_id, 5, T0 - HOUR, transactionData=garbage)
    csms.send(charge_point, "StopTransaction", ended, at=T0 + HOUR)

    row = session(ocpp_id)
    assert (row.is_active, row.energy_wh, row.cost) == (False, 0, 0)
    assert Flag.METER_ANOMALY in row.flags
