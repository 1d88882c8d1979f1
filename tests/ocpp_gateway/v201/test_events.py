"""Sessions of OCPP 2.x event by event, by 2.0.1 part 2 E and J and the behaviour of real charging stations."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import count, pairwise, permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.choices import TokenStatus
from accounts.models import IdToken, Tenant
from chargepoints.models import ChargePoint, Command, FrameAnomaly, Reservation
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v201.helpers import Csms, Payload, event, meter, moment, session, status, token
from transactions.choices import Flag
from transactions.models import MeterValue, Transaction, TransactionEvent

HOUR = timedelta(hours=1)
NUMBERS = count()
LATER = T0 + HOUR


def started(**more: Any) -> Payload:
    given: dict[str, Any] = {"evse": 1, "idToken": token(), "info": {"chargingState": "Charging"}}
    return event("Started", 0, moment(1000, context="Transaction.Begin"), **{**given, **more})


def updated(seq: int, wh: float, minutes: int, **more: Any) -> Payload:
    at = T0 + timedelta(minutes=minutes)
    return event("Updated", seq, moment(wh, at=at), at=at, **more)


def ended(seq: int = 3, wh: float | None = 11000, **more: Any) -> Payload:
    moments = [] if wh is None else [moment(wh, at=LATER, context="Transaction.End")]
    info = {"stoppedReason": "EVDisconnected"}
    return event("Ended", seq, *moments, at=LATER, **{"info": info, **more})


USUAL = (started(), updated(1, 4000, 20), updated(2, 8000, 40), ended())


def figures(row: Transaction) -> dict[str, Any]:
    """All that people and bills see of an ended session."""
    names = (
        "state", "end_kind", "started_at", "ended_at", "energy_wh", "meter_start_wh", "meter_stop_wh", "cost",
        "stop_reason", "id_token_value", "stop_id_token_value", "authorization_status", "connector_number",
        "evse_id", "connector_id", "tariff_id", "flags", "event_count", "first_seq_no", "last_seq_no",
        "charging_state", "register_wh",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}


def test_usual_session(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E01, E02, E07: start, samples and end make one session with its energy."""
    answers = [csms.send(charge_point, "TransactionEvent", one, at=LATER) for one in USUAL]
    assert answers[0] == {"idTokenInfo": {"status": "Accepted"}}
    assert answers[1:3] == [{}, {}]
    row = session()
    assert (row.energy_wh, row.meter_start_wh, row.meter_stop_wh) == (10000, 1000, 11000)
    assert (row.started_at, row.ended_at, row.stop_reason) == (T0, LATER, "EVDisconnected")
    assert (row.id_token, row.connector_number, row.ocpp_version) == (token, 1, "ocpp2.0.1")
    assert row.connector is not None
    assert row.connector.evse.number == 1
    assert [line.kind for line in row.ledger.all()][:2] == ["start", "tariff"]


def test_any_order_gives_the_same_session(csms: Csms, tenant: Tenant, token: IdToken) -> None:
    """E04, E11, E12: queued events come in any order; the books do not depend on it."""
    seen = []
    for number, order in enumerate(permutations(USUAL)):
        station = factories.ChargePointFactory(tenant=tenant, identity=f"ORDER-{number}", connectors=2)
        for one in order:
            csms.send(station, "TransactionEvent", one, at=LATER)
        row = Transaction.objects.get(charge_point=station)
        assert TransactionEvent.objects.filter(transaction=row).count() == 4
        kept = figures(row)
        for own in ("evse_id", "connector_id"):
            assert kept.pop(own) is not None
        kept.pop("register_wh")
        seen.append(kept)
    different = [
        {name: (one[name], seen[0][name]) for name in one if one[name] != seen[0][name]} for one in seen
    ]
    assert different == [{}] * 24
    assert seen[0]["energy_wh"] == 10000
    assert seen[0]["flags"] == ["offline"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(st.integers(0, 3), min_size=4, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
)
def test_repeats_and_batches_change_nothing(
    csms: Csms, tenant: Tenant, token: IdToken, order: list[int], cuts: set[int]
) -> None:
    """Behaviour 8: events are idempotent, however they are repeated and cut into batches."""
    station = factories.ChargePointFactory(tenant=tenant, identity=f"S-{next(NUMBERS)}", connectors=2)
    events = [USUAL[index] for index in [*order, 0, 1, 2, 3]]
    calls = [(station, "TransactionEvent", one) for one in events]
    edges = [0, *sorted(cut for cut in cuts if cut < len(calls)), len(calls)]
    for begin, end in pairwise(edges):
        csms.batch(calls[begin:end], at=LATER)
    row = Transaction.objects.get(charge_point=station)
    assert (row.energy_wh, row.event_count, row.state) == (10000, 4, "ended")
    assert (row.started_at, row.ended_at, row.id_token_value) == (T0, LATER, "04A1B2C3")
    assert MeterValue.objects.filter(transaction=row).count() == 4
    assert Flag.EVENTS_MISSING not in row.flags


def test_repeat_of_the_start_is_answered_alike(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E13, behaviour I3: a lost answer never makes ConcurrentTx of one's own session."""
    token.max_active_sessions = 1
    token.save()
    csms.send(charge_point, "StatusNotification", status(1, "Occupied"))
    first = csms.send(charge_point, "TransactionEvent", started())
    csms.reconnect(charge_point)
    assert csms.send(charge_point, "TransactionEvent", started()) == first
    other = csms.send(charge_point, "TransactionEvent", started(tx="tx-2", evse=2))
    assert other["idTokenInfo"]["status"] == "ConcurrentTx"
    later = event("Updated", 1, tx="tx-2", idToken={"idToken": "04A1B2C3", "type": "ISO14443"})
    assert csms.send(charge_point, "TransactionEvent", later)["idTokenInfo"]["status"] == "Accepted"


def test_end_of_an_unknown_session_creates_it(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    csms.send(charge_point, "TransactionEvent", ended(evse=1), at=LATER)
    row = session()
    assert (row.state, row.energy_wh, row.meter_start_wh) == ("ended", 0, None)
    assert Flag.EVENTS_MISSING in row.flags


def test_gap_is_flagged_and_healed(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E04.FR.07: a charger may drop events for good; N15: it is flagged and never blocks billing."""
    for one in (USUAL[0], USUAL[1], USUAL[3]):
        csms.send(charge_point, "TransactionEvent", one, at=LATER)
    assert session().flags == ["events_missing", "offline"]
    assert session().energy_wh == 10000
    csms.send(charge_point, "TransactionEvent", USUAL[2], at=LATER)
    assert session().flags == ["offline"]


def test_numbers_that_are_always_0(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """Behaviour 10.19: one client numbers every event 0; nothing is missing then."""
    for one in USUAL:
        csms.send(charge_point, "TransactionEvent", {**one, "seqNo": 0}, at=LATER)
    row = session()
    assert (row.event_count, row.energy_wh, row.flags) == (4, 10000, ["offline"])


def test_first_number_need_not_be_0(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E 1.3.2: counters may run on over the sessions of an EVSE."""
    for number, one in enumerate(USUAL):
        csms.send(charge_point, "TransactionEvent", {**one, "seqNo": 40 + number}, at=LATER)
    assert session().flags == ["offline"]


def test_end_without_a_register(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    for one in (*USUAL[:3], ended(wh=None)):
        csms.send(charge_point, "TransactionEvent", one, at=LATER)
    row = session()
    assert (row.energy_wh, row.meter_stop_wh, Flag.METER_UNREADABLE in row.flags) == (7000, None, False)


def test_no_registers_at_all(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    begin = event("Started", 0, evse=1, idToken={"idToken": "04A1B2C3", "type": "ISO14443"})
    for one in (begin, ended(1, wh=None)):
        csms.send(charge_point, "TransactionEvent", one, at=LATER)
    assert (session().energy_wh, session().state) == (0, "ended")


def test_kwh_multiplier_and_signed_values(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """N14: value × 10^multiplier, then unit; the signed form is kept verbatim and counts for nothing."""
    signed = {
        "signedMeterData": "T0NNRnx7fQ==",
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    begin = {"value": 1.2345, "unitOfMeasure": {"unit": "kWh"}, "signedMeterValue": signed}
    end = {"value": 223.45, "unitOfMeasure": {"unit": "Wh", "multiplier": 1}}
    first = event("Started", 0, moment(begin), evse=1, idToken={"idToken": "04A1B2C3", "type": "ISO14443"})
    last = event("Ended", 1, moment(end, at=LATER), at=LATER)
    for one in (first, last):
        csms.send(charge_point, "TransactionEvent", one, at=LATER)
    assert session().energy_wh == Decimal("1000")
    kept = MeterValue.objects.get(sampled_at=T0)
    assert kept.values[0] == "1.2345"
    assert "T0NNRnx7fQ==" in kept.values[1]


def test_facts_that_come_later(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E03, E04: a session may begin without token and EVSE; both come once."""
    csms.send(charge_point, "TransactionEvent", event("Started", 0, moment(1000)))
    assert (session().connector_number, session().id_token_value) == (0, "")
    later = event(
        "Updated", 1, evse=2, trigger="Authorized", idToken={"idToken": "04A1B2C3", "type": "ISO14443"}
    )
    answer = csms.send(charge_point, "TransactionEvent", later)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    row = session()
    assert (row.connector_number, row.id_token, row.connector and row.connector.ocpp_number) == (2, token, 2)


def test_another_token_stops_the_session(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E07: the session stays with the token that began it."""
    other = factories.IdTokenFactory(tenant=token.tenant, value="OTHER")
    csms.send(charge_point, "TransactionEvent", started())
    stop = event("Updated", 1, trigger="StopAuthorized", idToken={"idToken": "OTHER", "type": "ISO14443"})
    assert csms.send(charge_point, "TransactionEvent", stop)["idTokenInfo"]["status"] == "Accepted"
    csms.send(charge_point, "TransactionEvent", ended(2), at=LATER)
    row = session()
    assert (row.id_token, row.stop_id_token_value) == (token, other.value)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"status": TokenStatus.BLOCKED}, "Blocked"), ({"expires_at": T0 - HOUR}, "Expired"), (None, "Unknown")],
)
def test_refused_token_makes_a_session(
    csms: Csms, charge_point: ChargePoint, token: IdToken, change: dict[str, Any] | None, status: str
) -> None:
    """E05.FR.01: the token is judged although energy may have flowed."""
    if change is None:
        token.delete()
    else:
        IdToken.objects.filter(pk=token.pk).update(**change)
    answer = csms.send(charge_point, "TransactionEvent", started())
    assert answer["idTokenInfo"]["status"] in {status, "Invalid" if status == "Unknown" else status}
    assert Flag.REFUSED_TOKEN in session().flags


def test_remote_start_is_found_by_its_number(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """F01.FR.25, F02.FR.21: whatever token the charger names."""
    command = factories.CommandFactory(
        charge_point=charge_point, action="remote_start", payload={"id_token": "X", "remote_start_id": 77}
    )
    Command.objects.filter(pk=command.pk).update(created_at=T0)
    csms.send(charge_point, "TransactionEvent", started(info={"remoteStartId": 77}))
    assert session().remote_start == command


def test_session_uses_up_its_reservation(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """E03.FR.03, H03"""
    reservation = factories.ReservationFactory(charge_point=charge_point, reservation_id=5, status="active")
    csms.send(charge_point, "TransactionEvent", started(reservationId=5))
    assert Reservation.objects.get(pk=reservation.pk).status == "used"
    assert session().reservation == reservation


def test_next_session_supersedes_one_without_an_end(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    csms.send(charge_point, "TransactionEvent", started())
    csms.send(charge_point, "TransactionEvent", started(tx="tx-2", at=LATER), at=LATER)
    assert (session("tx-1").state, session("tx-1").end_kind) == ("ended", "superseded")
    csms.send(charge_point, "TransactionEvent", ended(1), at=LATER)
    assert (session("tx-1").end_kind, session("tx-1").energy_wh) == ("charger", 10000)


def test_sessions_of_two_chargers_may_have_one_id(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint, token: IdToken
) -> None:
    """Behaviour 8: an id is unique per charger only; 0.4: look-ups are scoped by the charger."""
    csms.send(charge_point, "TransactionEvent", started())
    csms.send(other_charge_point, "TransactionEvent", ended(), at=LATER)
    assert Transaction.objects.get(charge_point=charge_point).state == "active"
    assert Transaction.objects.get(charge_point=other_charge_point).state == "ended"


def test_id_in_other_letters_is_the_same_session(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """Part 2 §2.1.4: identifierStrings are compared without regard to case."""
    csms.send(charge_point, "TransactionEvent", started(tx="AbC-1"))
    csms.send(charge_point, "TransactionEvent", ended(1, tx="aBc-1"), at=LATER)
    assert Transaction.objects.get().state == "ended"


def test_broken_event_is_mended_and_flagged(csms: Csms, charge_point: ChargePoint, token: IdToken) -> None:
    """Part 2 FR.03 would refuse it; a charger would drop it for good then."""
    broken = {**started(), "colour": "red", "seqNo": "0"}
    assert csms.send(charge_point, "TransactionEvent", broken)["idTokenInfo"]["status"] == "Accepted"
    assert Flag.REPAIRED in session().flags
    assert FrameAnomaly.objects.get().was_served


def test_samples_without_a_session_belong_to_the_one_that_ran(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """J01: clock-aligned values name an EVSE only."""
    csms.send(charge_point, "TransactionEvent", started())
    at = T0 + timedelta(minutes=15)
    csms.send(charge_point, "MeterValues", meter(moment(3000, at=at, context="Sample.Clock")), at=at)
    assert session().energy_wh == 2000


def test_free_charging_needs_no_token(csms: Csms, charge_point: ChargePoint) -> None:
    """C02: the type NoAuthorization has an empty value."""
    begin = started(idToken={"idToken": "", "type": "NoAuthorization"})
    answer = csms.send(charge_point, "TransactionEvent", begin)
    assert "idTokenInfo" in answer
    assert session().id_token_type == "NoAuthorization"


def test_key_code_stays_out_of_the_ledger(csms: Csms, charge_point: ChargePoint) -> None:
    """C04.FR.04"""
    csms.send(charge_point, "TransactionEvent", started(idToken={"idToken": "4711", "type": "KeyCode"}))
    texts = [line.text for line in session().ledger.all()]
    assert not any("4711" in text for text in texts)


def test_a_second_different_end_is_kept_as_an_anomaly(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    for one in (*USUAL, ended(4, wh=99000)):
        csms.send(charge_point, "TransactionEvent", one, at=LATER)
    row = session()
    assert (row.energy_wh, Flag.CONFLICTING_STOP in row.flags) == (10000, True)
