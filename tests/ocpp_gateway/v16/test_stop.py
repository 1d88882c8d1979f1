"""StopTransaction: OCPP 1.6 §4.10, §6.49, §6.50, §7.36, errata 3.18."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.choices import TokenStatus
from accounts.models import Tenant
from chargepoints.models import ChargePoint, FrameAnomaly
from csms_project.common.models import Event
from ocpp_gateway.wire import schemas
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, Payload, meter, moment, session, start, status, stop
from transactions.choices import EndKind, Flag, LedgerKind
from transactions.models import LedgerEntry, MeterValue, Transaction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DEAD = datetime(1970, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("token")

#: Reason of OCPP 1.6 §7.35.
REASONS = schemas.get_schema("ocpp1.6", "StopTransaction")["properties"]["reason"]["enum"]


@pytest.fixture
def ocpp_id(csms: Csms, charge_point: ChargePoint) -> int:
    """A session that started at T0 on connector 1 at a register of 1,000 Wh."""
    answer: int = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.now = T0 + HOUR
    return answer


def end(csms: Csms, charge_point: ChargePoint, payload: Payload) -> Transaction:
    """Stop and return the session as stored."""
    csms.send(charge_point, "StopTransaction", payload)
    return session(payload["transactionId"])


def test_stop_ends_the_session_with_the_chargers_figures(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    csms.now = T0 + HOUR + timedelta(seconds=4)
    row = end(csms, charge_point, stop(ocpp_id, 11000, reason="EVDisconnected", idTag="04A1B2C3"))

    assert (row.state, row.end_kind, row.flags) == ("ended", EndKind.CHARGER, [])
    assert (row.ended_at, row.end_received_at) == (T0 + HOUR, csms.now)
    assert (row.meter_stop_wh, row.energy_wh) == (11000, 10000)
    assert (row.stop_reason, row.stop_id_token_value) == ("EVDisconnected", "04A1B2C3")
    assert Event.objects.get(kind="transaction.ended").object_id == str(row.pk)


def test_stop_explains_energy_and_cost_in_the_ledger(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    row = end(csms, charge_point, stop(ocpp_id))

    kinds = list(row.ledger.values_list("kind", flat=True))
    assert kinds == ["start", "tariff", "stop", "energy", "cost"]
    assert "10000" in row.ledger.get(kind=LedgerKind.ENERGY).text


def test_stop_without_tag_and_reason_is_local_and_answered_without_tag_info(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    assert csms.send(charge_point, "StopTransaction", stop(ocpp_id)) == {}
    assert session(ocpp_id).stop_reason == "Local"


@pytest.mark.parametrize("reason", REASONS)
def test_stop_takes_every_reason(csms: Csms, charge_point: ChargePoint, ocpp_id: int, reason: str) -> None:
    assert end(csms, charge_point, stop(ocpp_id, reason=reason)).stop_reason == reason


def test_stop_with_an_unknown_reason_is_other(csms: Csms, charge_point: ChargePoint, ocpp_id: int) -> None:
    row = end(csms, charge_point, stop(ocpp_id, reason="CableFellOff"))

    assert (row.stop_reason, row.energy_wh, row.flags) == ("Other", 10000, [Flag.REPAIRED])


@pytest.mark.parametrize(
    ("tag", "answered"),
    [("04A1B2C3", "Accepted"), ("STRANGER", "Invalid"), ("LOST", "Blocked"), ("OLD", "Expired")],
)
def test_stop_by_any_tag_ends_the_session_and_says_what_the_tag_is(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, ocpp_id: int, tag: str, answered: str
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="LOST", status=TokenStatus.BLOCKED)
    factories.IdTokenFactory(tenant=tenant, value="OLD", expires_at=T0 - HOUR)

    answer = csms.send(charge_point, "StopTransaction", stop(ocpp_id, idTag=tag))

    assert answer["idTagInfo"]["status"] == answered
    assert session(ocpp_id).energy_wh == 10000


# ------------------------------------------------------------------ unknown sessions


@pytest.mark.parametrize("unknown", [0, -1, 424242, 2**31 - 1, 2**40])
def test_stop_of_an_unknown_session_is_kept_as_an_orphan(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, unknown: int
) -> None:
    data = [moment("500", T0 + 5 * MINUTE), moment("900", T0 + HOUR)]

    answer = csms.send(charge_point, "StopTransaction", stop(unknown, 900, transactionData=data))

    assert answer == {}
    row = Transaction.objects.get(end_kind=EndKind.ORPHAN)
    assert (row.ocpp_id, row.flags, row.energy_wh) == ("", [Flag.ORPHAN_STOP], 0)
    assert (row.ended_at, row.meter_stop_wh, row.meter_values.count()) == (T0 + HOUR, 900, 2)
    assert session(ocpp_id).is_active


@pytest.mark.parametrize("unknown", [0, -1, 424242])
def test_stop_of_an_unknown_session_repeated_is_one_orphan(
    csms: Csms, charge_point: ChargePoint, unknown: int
) -> None:
    payload = stop(unknown, transactionData=[moment("900", T0 + HOUR)])
    csms.batch([(charge_point, "StopTransaction", payload)] * 2)
    csms.send(charge_point, "StopTransaction", payload, at=T0 + 2 * HOUR)

    assert Transaction.objects.filter(end_kind=EndKind.ORPHAN).count() == 1
    assert MeterValue.objects.count() == 1


def test_stops_of_undelivered_starts_are_different_orphans(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "StopTransaction", stop(-1, 100, T0))
    csms.send(charge_point, "StopTransaction", stop(-1, 200, T0 + HOUR))

    assert Transaction.objects.filter(end_kind=EndKind.ORPHAN).count() == 2


def test_stop_of_an_orphan_costs_nothing(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "StopTransaction", stop(-1, 99_000))

    row = Transaction.objects.get()
    assert not row.cost
    assert row.energy_wh == 0


# ------------------------------------------------------------------ repeats


@pytest.mark.parametrize("message_id", [None, "same"])
def test_stop_repeated_changes_nothing(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, message_id: str | None
) -> None:
    payload = stop(ocpp_id, idTag="04A1B2C3", transactionData=[moment("11000", T0 + HOUR)])
    first = csms.send(charge_point, "StopTransaction", payload, message_id=message_id)
    before = Transaction.objects.values().get(ocpp_id=ocpp_id)

    csms.reconnect(charge_point)
    again = csms.send(
        charge_point, "StopTransaction", payload, message_id=message_id, at=T0 + timedelta(days=1)
    )

    assert again == first
    assert Transaction.objects.values().get(ocpp_id=ocpp_id) == before
    assert MeterValue.objects.count() == 1
    assert Event.objects.filter(kind="transaction.ended").count() == 1
    assert LedgerEntry.objects.filter(kind=LedgerKind.ENERGY).count() == 1


def test_stop_pipelined_twice_in_one_batch_has_the_effect_of_one(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    payload = stop(ocpp_id, transactionData=[moment("11000", T0 + HOUR)])
    csms.batch([(charge_point, "StopTransaction", payload)] * 2)

    row = session(ocpp_id)
    assert (row.energy_wh, row.flags, MeterValue.objects.count()) == (10000, [], 1)
    assert Event.objects.filter(kind="transaction.ended").count() == 1


def test_second_stop_that_differs_is_kept_as_an_anomaly_only(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    end(csms, charge_point, stop(ocpp_id, 11000))
    later = stop(
        ocpp_id, 99000, T0 + 2 * HOUR, reason="Reboot", transactionData=[moment("99000", T0 + 2 * HOUR)]
    )

    row = end(csms, charge_point, later)

    assert (row.energy_wh, row.ended_at, row.stop_reason) == (10000, T0 + HOUR, "Local")
    assert row.flags == [Flag.CONFLICTING_STOP]
    assert "99000" in row.ledger.filter(kind=LedgerKind.ANOMALY).latest("id").text
    assert not MeterValue.objects.exists()


# ------------------------------------------------------------------ energy and clocks


@pytest.mark.parametrize("register", [999, 0])
def test_stop_below_the_start_is_no_energy_and_flagged(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, register: int
) -> None:
    row = end(csms, charge_point, stop(ocpp_id, register))

    assert (row.energy_wh, row.cost or 0) == (0, 0)
    if register == 0:
        assert row.flags == [Flag.METER_ANOMALY]


def test_stop_below_the_start_takes_the_energy_of_the_samples(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    samples = [moment(str(value), T0 + n * MINUTE) for n, value in ((10, 2500), (20, 4000), (30, 6000))]
    csms.send(charge_point, "MeterValues", meter(*samples, transaction=ocpp_id))

    row = end(csms, charge_point, stop(ocpp_id, 3))

    assert (row.energy_wh, row.flags) == (5000, [Flag.METER_ANOMALY])


def test_stop_after_a_register_reset_counts_the_rises(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    samples = [moment(str(value), T0 + n * MINUTE) for n, value in ((10, 3000), (20, 0), (30, 500))]
    csms.send(charge_point, "MeterValues", meter(*samples, transaction=ocpp_id))

    row = end(csms, charge_point, stop(ocpp_id, 1500))

    assert (row.energy_wh, row.flags) == (3500, [Flag.METER_ANOMALY])


def test_stop_before_the_start_is_kept_and_flagged(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    row = end(csms, charge_point, stop(ocpp_id, 3000, T0 - HOUR))

    assert (row.ended_at, row.energy_wh) == (T0 - HOUR, 2000)
    assert Flag.STOP_BEFORE_START in row.flags
    assert row.cost is not None
    assert row.cost >= 0


@pytest.mark.parametrize("at", [DEAD, T0 + timedelta(days=30)])
def test_stop_with_a_wrong_clock_is_kept_and_flagged(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, at: datetime
) -> None:
    row = end(csms, charge_point, stop(ocpp_id, 3000, at))

    assert (row.ended_at, row.end_received_at, row.energy_wh) == (at, T0 + HOUR, 2000)
    assert Flag.CLOCK_ANOMALY in row.flags


@pytest.mark.parametrize("at", ["", "soon", "9999-12-31T23:59:59-01:00"])
def test_stop_with_an_unreadable_time_takes_the_arrival(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, at: str
) -> None:
    row = end(csms, charge_point, stop(ocpp_id, 3000, at=at) | {"timestamp": at})

    assert (row.ended_at, row.energy_wh) == (T0 + HOUR, 2000)
    assert Flag.CLOCK_ANOMALY in row.flags


@pytest.mark.parametrize(("begun", "ended"), [(2**31 + 5, 2**31 + 1005), (2**33, 2**33 + 1000)])
def test_stop_with_registers_beyond_31_bits_is_exact(
    csms: Csms, charge_point: ChargePoint, begun: int, ended: int
) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start(2, meter=begun))["transactionId"]

    csms.now = T0 + HOUR
    row = end(csms, charge_point, stop(ocpp_id, ended))

    assert (row.meter_stop_wh, row.energy_wh, row.flags) == (ended, 1000, [])


@pytest.mark.parametrize("register", [2**63 - 1, -7])
def test_stop_with_an_impossible_register_uses_the_samples(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, register: int
) -> None:
    csms.send(charge_point, "MeterValues", meter(moment("4000", T0 + 30 * MINUTE), transaction=ocpp_id))

    row = end(csms, charge_point, stop(ocpp_id, register))

    assert (row.energy_wh, row.meter_stop_wh, row.meter_stop_raw) == (3000, None, str(register))
    assert Flag.METER_UNREADABLE in row.flags


# ------------------------------------------------------------------ transactionData


def test_stop_stores_transaction_data_as_samples_of_the_session_once(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    known = moment("5000", T0 + 30 * MINUTE)
    csms.send(charge_point, "MeterValues", meter(known, transaction=ocpp_id))

    data = [moment("1000", T0), known, moment("11000", T0 + HOUR)]
    row = end(csms, charge_point, stop(ocpp_id, transactionData=data))

    assert list(row.meter_values.values_list("register_wh", flat=True)) == [1000, 5000, 11000]
    assert (row.energy_wh, row.flags) == (10000, [])


def test_stop_keeps_signed_data_of_any_length_and_does_not_count_it(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    signed = "OCMF|" + "9" * 5000
    sample = {"value": signed, "format": "SignedData", "context": "Transaction.End"}

    row = end(csms, charge_point, stop(ocpp_id, transactionData=[moment([sample], T0 + HOUR)]))

    stored = row.meter_values.get()
    assert (stored.values, stored.register_wh) == ([signed], None)
    assert (row.energy_wh, row.flags) == (10000, [])


def test_stop_with_hertz_in_transaction_data_is_served(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    sample = {"value": "50.01", "measurand": "Frequency", "unit": "Hertz"}

    row = end(csms, charge_point, stop(ocpp_id, transactionData=[moment([sample], T0 + HOUR)]))

    assert (row.energy_wh, row.flags) == (10000, [])


@pytest.mark.parametrize(
    "data", [None, [], {}, "nothing", [{"timestamp": "2026-03-02T10:10:00Z"}], [{"sampledValue": "x"}]]
)
def test_stop_with_unusable_transaction_data_still_ends_the_session(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, data: object
) -> None:
    row = end(csms, charge_point, stop(ocpp_id, transactionData=data))

    assert (row.end_kind, row.energy_wh) == (EndKind.CHARGER, 10000)


# ------------------------------------------------------------------ sessions that do not end, or ended otherwise


def test_session_does_not_end_by_status_reboot_or_silence(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    for value in ("Finishing", "Available", "Faulted", "Unavailable"):
        csms.send(charge_point, "StatusNotification", status(1, value))
    csms.reconnect(charge_point)
    csms.send(charge_point, "StatusNotification", status(1, "Available"), at=T0 + timedelta(days=9))

    assert session(ocpp_id).is_active


@pytest.mark.parametrize("kind", [EndKind.OPERATOR, EndKind.RULE, EndKind.SUPERSEDED])
def test_stop_of_a_session_that_was_closed_without_one_wins(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, kind: EndKind
) -> None:
    Transaction.objects.filter(ocpp_id=ocpp_id).update(
        state="ended", end_kind=kind, ended_at=T0 + MINUTE, end_note="closed", energy_wh=1
    )

    row = end(csms, charge_point, stop(ocpp_id))

    assert (row.end_kind, row.ended_at, row.energy_wh) == (EndKind.CHARGER, T0 + HOUR, 10000)
    assert (row.flags, row.end_note) == ([Flag.LATE_STOP], "")


@pytest.mark.parametrize("backwards", [False, True])
def test_stop_and_a_late_sample_without_id_in_one_batch_do_not_undo_each_other(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, backwards: bool
) -> None:
    Transaction.objects.filter(ocpp_id=ocpp_id).update(
        state="ended", end_kind=EndKind.SUPERSEDED, ended_at=T0 + HOUR, energy_wh=1
    )
    calls = [
        (charge_point, "StopTransaction", stop(ocpp_id)),
        (charge_point, "MeterValues", meter(moment("5000", T0 + 30 * MINUTE))),
    ]

    csms.batch(reversed(calls) if backwards else calls)

    row = session(ocpp_id)
    assert (row.end_kind, row.energy_wh, row.stop_reason) == (EndKind.CHARGER, 10000, "Local")
    assert row.meter_values.count() == 1
    assert row.last_sample_at == T0 + 30 * MINUTE


def test_start_and_stop_in_one_batch_make_an_ended_session(csms: Csms, charge_point: ChargePoint) -> None:
    """The charger cannot know our id yet; but a repeat of the start may be queued before the stop."""
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]

    csms.batch(
        [
            (charge_point, "StartTransaction", start()),
            (charge_point, "MeterValues", meter(moment("4000", T0 + MINUTE), transaction=ocpp_id)),
            (charge_point, "StopTransaction", stop(ocpp_id)),
            (charge_point, "StartTransaction", start(at=T0 + 2 * HOUR, meter=11000)),
        ]
    )

    row = session(ocpp_id)
    assert (row.end_kind, row.energy_wh, row.meter_values.count()) == (EndKind.CHARGER, 10000, 1)
    assert Transaction.objects.filter(state="active").count() == 1


# ------------------------------------------------------------------ broken messages


@pytest.mark.parametrize("sent", [lambda n: str(n), lambda n: float(n)])
def test_stop_with_an_id_of_the_wrong_type_is_repaired(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int, sent: object
) -> None:
    payload = stop(ocpp_id)
    payload["transactionId"] = sent(ocpp_id)  # type: ignore[operator]
    csms.send(charge_point, "StopTransaction", payload)

    assert session(ocpp_id).energy_wh == 10000


def test_stop_with_decimals_in_the_register_is_rounded_and_flagged(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    payload = stop(ocpp_id)
    payload["meterStop"] = 11000.4

    row = end(csms, charge_point, payload)

    assert (row.energy_wh, row.flags) == (Decimal(10000), [Flag.REPAIRED])


def test_stop_without_an_id_is_refused_and_kept(csms: Csms, charge_point: ChargePoint) -> None:
    answer = csms.ask_one(
        charge_point, "StopTransaction", {"meterStop": 5, "timestamp": "2026-03-02T11:00:00Z"}
    )
    csms.node.writer.flush()

    assert answer.code == "OccurenceConstraintViolation"
    assert not FrameAnomaly.objects.get().was_served


def test_stop_with_broken_schema_at_a_strict_charger_is_refused(
    csms: Csms, charge_point: ChargePoint, ocpp_id: int
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(strict_schema=True)
    csms.reconnect(charge_point)

    answer = csms.ask_one(charge_point, "StopTransaction", stop(ocpp_id, reason="CableFellOff"))

    assert answer.code == "PropertyConstraintViolation"
    assert session(ocpp_id).is_active
