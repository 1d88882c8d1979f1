"""StartTransaction: OCPP 1.6 §4.8, errata 3.54."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.choices import TokenStatus
from accounts.models import IdToken, Tenant
from chargepoints.choices import CommandStatus, ReservationStatus
from chargepoints.models import ChargePoint, FrameAnomaly
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, meter, moment, session, start, status, stop
from transactions.choices import EndKind, Flag
from transactions.models import Transaction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MAX_ID = 2**31 - 1

pytestmark = pytest.mark.usefixtures("token")


def begin(csms: Csms, charge_point: ChargePoint, **fields: object) -> int:
    """Start and return the id on the wire."""
    ocpp_id: int = csms.send(charge_point, "StartTransaction", start(**fields))["transactionId"]  # type: ignore[arg-type]
    return ocpp_id


def test_start_is_answered_with_a_positive_31_bit_id_and_the_tag(
    csms: Csms, charge_point: ChargePoint
) -> None:
    answer = csms.send(charge_point, "StartTransaction", start())

    assert type(answer["transactionId"]) is int
    assert 0 < answer["transactionId"] <= MAX_ID
    assert answer["idTagInfo"] == {"status": "Accepted"}


def test_start_is_stored_with_the_chargers_figures(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    arrival = T0 + timedelta(seconds=3)
    answer = csms.send(charge_point, "StartTransaction", start(2, meter=4711), at=arrival)

    row = session(answer["transactionId"])
    assert (row.charge_point, row.tenant, row.connector_number) == (charge_point, charge_point.tenant, 2)
    assert row.connector == charge_point.connectors.get(ocpp_number=2)
    assert (row.id_token, row.id_token_value, row.ocpp_version) == (token, "04A1B2C3", "ocpp1.6")
    assert (row.started_at, row.start_received_at) == (T0, arrival)
    assert (row.meter_start_wh, row.energy_wh, row.flags) == (4711, 0, [])
    assert row.is_active
    assert Event.objects.get(kind="transaction.started").object_id == str(row.pk)


# ------------------------------------------------------------------ refused tags


@pytest.mark.parametrize(
    ("tag", "answered"), [("STRANGER", "Invalid"), ("LOST", "Blocked"), ("OLD", "Expired")]
)
def test_start_with_a_refused_tag_gets_an_id_and_is_recorded(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, tag: str, answered: str
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="LOST", status=TokenStatus.BLOCKED)
    factories.IdTokenFactory(tenant=tenant, value="OLD", expires_at=T0 - HOUR)

    answer = csms.send(charge_point, "StartTransaction", start(tag=tag))

    row = session(answer["transactionId"])
    assert answer["idTagInfo"]["status"] == row.authorization_status == answered
    assert 0 < answer["transactionId"] <= MAX_ID
    assert Flag.REFUSED_TOKEN in row.flags


def test_start_refused_goes_on_until_the_charger_stops_with_the_id_given(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Charging, a report on connector 0 and the stop follow a refusal; all of them are served."""
    ocpp_id = begin(csms, charge_point, tag="STRANGER")
    csms.send(charge_point, "StatusNotification", status(1, "Charging"))
    csms.send(charge_point, "StatusNotification", status(0, "Available", error="LocalListConflict"))
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 1002, T0 + MINUTE, reason="DeAuthorized"))

    row = session(ocpp_id)
    assert (row.energy_wh, row.stop_reason, row.end_kind) == (2, "DeAuthorized", EndKind.CHARGER)


# ------------------------------------------------------------------ repeats


@pytest.mark.parametrize("message_id", [None, "same"])
def test_start_repeated_gets_the_same_answer_and_one_session(
    csms: Csms, charge_point: ChargePoint, message_id: str | None
) -> None:
    first = csms.send(charge_point, "StartTransaction", start(), message_id=message_id)
    again = csms.send(charge_point, "StartTransaction", start(), message_id=message_id, at=T0 + MINUTE)
    csms.reconnect(charge_point)
    other_socket = csms.send(charge_point, "StartTransaction", start(), message_id=message_id, at=T0 + HOUR)

    assert first == again == other_socket
    assert Transaction.objects.count() == 1
    assert Event.objects.filter(kind="transaction.started").count() == 1


def test_start_pipelined_twice_in_one_batch_is_one_session(csms: Csms, charge_point: ChargePoint) -> None:
    first, second = csms.batch([(charge_point, "StartTransaction", start())] * 2)

    assert first == second
    assert Transaction.objects.count() == 1


def test_start_repeated_with_other_case_of_the_tag_is_the_same(csms: Csms, charge_point: ChargePoint) -> None:
    assert begin(csms, charge_point, tag="04a1b2c3") == begin(csms, charge_point, tag="04A1B2C3")


def test_start_repeated_after_its_stop_leaves_the_session_ended(
    csms: Csms, charge_point: ChargePoint
) -> None:
    first = csms.send(charge_point, "StartTransaction", start())
    csms.send(charge_point, "StopTransaction", stop(first["transactionId"]), at=T0 + HOUR)
    before = session(first["transactionId"])

    again = csms.send(charge_point, "StartTransaction", start(), at=T0 + 2 * HOUR)

    after = session(first["transactionId"])
    assert again == first
    assert (after.state, after.ended_at, after.energy_wh) == (before.state, before.ended_at, 10000)
    assert Transaction.objects.count() == 1


def test_start_repeated_gets_the_answer_of_the_first_time_though_the_tag_was_blocked_since(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    first = csms.send(charge_point, "StartTransaction", start())
    token.status = TokenStatus.BLOCKED
    token.save()

    assert csms.send(charge_point, "StartTransaction", start()) == first


def test_start_refused_and_repeated_stays_refused(csms: Csms, charge_point: ChargePoint) -> None:
    first = csms.send(charge_point, "StartTransaction", start(tag="STRANGER"))
    factories.IdTokenFactory(tenant=charge_point.tenant, value="STRANGER")

    assert csms.send(charge_point, "StartTransaction", start(tag="STRANGER")) == first


@pytest.mark.parametrize(
    "changed", [{"connector": 2}, {"at": T0 + timedelta(seconds=1)}, {"meter": 1001}, {"tag": "OTHER"}]
)
def test_start_that_differs_in_one_field_is_another_session(
    csms: Csms, charge_point: ChargePoint, changed: dict[str, object]
) -> None:
    assert begin(csms, charge_point) != begin(csms, charge_point, **changed)
    assert Transaction.objects.count() == 2


# ------------------------------------------------------------------ overlapping sessions


def test_start_while_one_is_open_supersedes_it(csms: Csms, charge_point: ChargePoint) -> None:
    old = begin(csms, charge_point)
    sample = moment("3000", T0 + 10 * MINUTE)
    csms.send(charge_point, "MeterValues", meter(sample, transaction=old))

    new = begin(csms, charge_point, at=T0 + HOUR, meter=3500)

    row = session(old)
    assert new != old
    assert (row.end_kind, row.energy_wh, row.ended_at) == (EndKind.SUPERSEDED, 2000, T0 + 10 * MINUTE)
    assert session(new).is_active


@pytest.mark.parametrize("sampled", [None, -10, 60, 97 * 60])
def test_session_superseded_without_a_stop_is_charged_until_its_last_sample(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, sampled: int | None
) -> None:
    """Minutes of its only sample; the next start comes after 96 hours, at 6.00 an hour."""
    tariff = factories.TariffFactory(
        tenant=tenant, elements=[{"price_components": [{"type": "TIME", "price": "6.00", "step_size": 1}]}]
    )
    Tenant.objects.filter(pk=tenant.pk).update(default_tariff=tariff)
    old = begin(csms, charge_point)
    if sampled is not None:
        values = meter(moment("3000", T0 + sampled * MINUTE), transaction=old)
        csms.send(charge_point, "MeterValues", values, at=T0 + HOUR)

    begin(csms, charge_point, at=T0 + 96 * HOUR)

    hours = {60: 1, 97 * 60: 96}.get(sampled or 0, 0)
    row = session(old)
    assert (row.end_kind, row.ended_at, row.cost) == (EndKind.SUPERSEDED, T0 + hours * HOUR, 6 * hours)


@pytest.mark.parametrize("together", [False, True])
def test_stop_that_arrives_after_the_supersession_wins(
    csms: Csms, charge_point: ChargePoint, together: bool
) -> None:
    old = begin(csms, charge_point)
    calls = [
        (charge_point, "StartTransaction", start(at=T0 + HOUR, meter=3500)),
        (charge_point, "StopTransaction", stop(old, 3400, T0 + 30 * MINUTE)),
    ]
    if together:
        csms.batch(calls, at=T0 + HOUR)
    else:
        for call in calls:
            csms.send(*call, at=T0 + HOUR)

    row = session(old)
    assert (row.end_kind, row.energy_wh, row.ended_at) == (EndKind.CHARGER, 2400, T0 + 30 * MINUTE)
    assert Flag.LATE_STOP in row.flags


def test_start_on_one_connector_leaves_the_other_alone(csms: Csms, charge_point: ChargePoint) -> None:
    first = begin(csms, charge_point, connector=1)
    begin(csms, charge_point, connector=2, at=T0 + MINUTE)

    assert session(first).is_active


def test_start_from_the_queue_older_than_the_open_session_does_not_end_it(
    csms: Csms, charge_point: ChargePoint
) -> None:
    fresh = begin(csms, charge_point, at=T0)
    csms.send(charge_point, "StartTransaction", start(at=T0 - 5 * HOUR, meter=10))

    assert session(fresh).is_active


# ------------------------------------------------------------------ clocks


def test_start_two_days_old_keeps_its_own_time_and_is_marked_offline(
    csms: Csms, charge_point: ChargePoint
) -> None:
    ocpp_id = begin(csms, charge_point, at=T0 - timedelta(days=2))

    row = session(ocpp_id)
    assert (row.started_at, row.start_received_at) == (T0 - timedelta(days=2), T0)
    assert row.flags == [Flag.OFFLINE]


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, tzinfo=UTC), T0 + timedelta(days=400)])
def test_start_with_a_wrong_clock_is_kept_and_flagged(
    csms: Csms, charge_point: ChargePoint, at: datetime
) -> None:
    row = session(begin(csms, charge_point, at=at))

    assert (row.started_at, row.start_received_at) == (at, T0)
    assert Flag.CLOCK_ANOMALY in row.flags


@pytest.mark.parametrize("at", ["", "yesterday", "0001-01-01T00:00:00Z", "2026-13-40T99:99:99Z"])
def test_start_with_an_unreadable_time_takes_the_arrival(
    csms: Csms, charge_point: ChargePoint, at: str
) -> None:
    row = session(begin(csms, charge_point, at=at))

    assert (row.started_at, row.flags) == (T0, [Flag.CLOCK_ANOMALY])


def test_start_without_a_time_is_repaired_and_takes_the_arrival(
    csms: Csms, charge_point: ChargePoint
) -> None:
    payload = start()
    del payload["timestamp"]

    row = session(csms.send(charge_point, "StartTransaction", payload)["transactionId"])

    assert (row.started_at, set(row.flags)) == (T0, {Flag.CLOCK_ANOMALY, Flag.REPAIRED})


@pytest.mark.parametrize("at", ["", "noon", datetime(1970, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("together", [False, True])
def test_start_repeated_while_open_is_one_session_though_an_equal_one_has_ended(
    csms: Csms, charge_point: ChargePoint, at: datetime | str, together: bool
) -> None:
    """The clock is of no use, the register starts at 0, and one driver comes again and again."""
    request = (charge_point, "StartTransaction", start(at=at, meter=0))
    for visit in range(1, 4):
        csms.now = T0 + visit * HOUR
        if together:
            answers = csms.batch([request] * 3)
        else:
            answers = [csms.send(*request, at=T0 + visit * HOUR + n * MINUTE) for n in range(3)]

        assert len({answer["transactionId"] for answer in answers}) == 1
        assert Transaction.objects.count() == visit
        csms.send(charge_point, "StopTransaction", stop(answers[0]["transactionId"], 500, csms.now))

    assert not Transaction.objects.filter(end_kind=EndKind.SUPERSEDED).exists()


def test_start_with_a_dead_clock_is_a_new_session_after_the_last_has_ended(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Every session of such a charger starts in 1970 at the same register."""
    dead = datetime(1970, 1, 1, tzinfo=UTC)
    first = begin(csms, charge_point, at=dead, meter=0)
    assert begin(csms, charge_point, at=dead, meter=0) == first
    csms.send(charge_point, "StopTransaction", stop(first, 500, dead + HOUR))

    second = begin(csms, charge_point, at=dead, meter=0)

    assert second != first
    assert Flag.POSSIBLE_DUPLICATE in session(second).flags
    assert begin(csms, charge_point, at=dead, meter=0) == second


# ------------------------------------------------------------------ reservations, remote starts


def test_start_with_a_matching_reservation_uses_it_up(csms: Csms, charge_point: ChargePoint) -> None:
    held = factories.ReservationFactory(
        charge_point=charge_point, reservation_id=7, status=ReservationStatus.ACTIVE
    )
    row = session(begin(csms, charge_point, reservationId=7))

    held.refresh_from_db()
    assert (held.status, held.ended_at, row.reservation) == (ReservationStatus.USED, T0, held)


def test_start_uses_up_a_reservation_whose_answer_was_lost(csms: Csms, charge_point: ChargePoint) -> None:
    asked = factories.ReservationFactory(
        charge_point=charge_point,
        reservation_id=7,
        status=ReservationStatus.REQUESTED,
        end_reason="The charger did not answer.",
    )
    session(begin(csms, charge_point, reservationId=7))
    asked.refresh_from_db()
    assert (asked.status, asked.end_reason) == (ReservationStatus.USED, "")


@pytest.mark.parametrize("number", [8, -1, 2**31 + 5])
def test_start_with_an_unknown_reservation_is_recorded(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint, number: int
) -> None:
    foreign = factories.ReservationFactory(
        charge_point=other_charge_point, reservation_id=8, status=ReservationStatus.ACTIVE
    )
    row = session(begin(csms, charge_point, reservationId=number))

    foreign.refresh_from_db()
    assert row.reservation is None
    assert foreign.status == ReservationStatus.ACTIVE


def test_start_with_an_expired_reservation_leaves_it_expired(csms: Csms, charge_point: ChargePoint) -> None:
    held = factories.ReservationFactory(
        charge_point=charge_point, reservation_id=7, status=ReservationStatus.EXPIRED
    )
    begin(csms, charge_point, reservationId=7)

    held.refresh_from_db()
    assert held.status == ReservationStatus.EXPIRED


@pytest.mark.parametrize("payload", [{"id_token": "04a1b2c3"}, {"id_token": "04A1B2C3", "connector": 1}])
def test_start_after_a_remote_start_is_joined_to_it(
    csms: Csms, charge_point: ChargePoint, payload: dict[str, object]
) -> None:
    command = factories.CommandFactory(
        charge_point=charge_point,
        action="remote_start",
        payload=payload,
        status=CommandStatus.ACCEPTED,
        created_at=T0 - MINUTE,
    )
    first = begin(csms, charge_point)
    second = begin(csms, charge_point, at=T0 + MINUTE)

    assert session(first).remote_start == command
    assert session(second).remote_start is None


@pytest.mark.parametrize(
    ("payload", "age"),
    [
        ({"id_token": "OTHER"}, MINUTE),
        ({"id_token": "04A1B2C3", "connector": 2}, MINUTE),
        ({"id_token": "04A1B2C3"}, HOUR),
    ],
)
def test_start_is_not_joined_to_a_remote_start_of_another_tag_connector_or_time(
    csms: Csms, charge_point: ChargePoint, payload: dict[str, object], age: timedelta
) -> None:
    factories.CommandFactory(
        charge_point=charge_point, action="remote_start", payload=payload, created_at=T0 - age
    )

    assert session(begin(csms, charge_point)).remote_start is None


def test_remote_start_accepted_by_the_charger_is_no_session(csms: Csms, charge_point: ChargePoint) -> None:
    factories.CommandFactory(
        charge_point=charge_point, action="remote_start", status=CommandStatus.ACCEPTED, created_at=T0
    )
    csms.send(charge_point, "StatusNotification", status(1, "Charging"))

    assert not Transaction.objects.exists()


# ------------------------------------------------------------------ odd requests


def test_starts_of_many_chargers_at_the_same_moment_get_different_ids(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    stations = [charge_point, other_charge_point, *factories.ChargePointFactory.create_batch(10)]

    answers = csms.batch([(row, "StartTransaction", start()) for row in stations])

    ids = [answer["transactionId"] for answer in answers]
    assert len(set(ids)) == 12
    assert {session(ocpp_id).charge_point_id for ocpp_id in ids} == {row.pk for row in stations}


def test_start_on_a_connector_never_seen_makes_it(csms: Csms, charge_point: ChargePoint) -> None:
    row = session(begin(csms, charge_point, connector=9))

    made = charge_point.connectors.get(ocpp_number=9)
    assert row.connector == made
    assert (made.number, made.evse.number, row.evse) == (1, 9, made.evse)


@pytest.mark.parametrize("number", [0, -3, 101, 2**31, 2**62])
def test_start_on_an_impossible_connector_is_recorded_without_one(
    csms: Csms, charge_point: ChargePoint, number: int
) -> None:
    row = session(begin(csms, charge_point, connector=number))

    assert row.connector is None
    assert charge_point.connectors.count() == 2


def test_start_with_a_tag_longer_than_the_schema_is_kept_whole(csms: Csms, charge_point: ChargePoint) -> None:
    tag = "DE*ABC*" + "7" * 30
    row = session(begin(csms, charge_point, tag=tag))

    assert (row.id_token_value, row.authorization_status) == (tag, "Invalid")
    assert Flag.REPAIRED in row.flags
    assert FrameAnomaly.objects.get().was_served


@pytest.mark.parametrize(("sent", "stored"), [("1234", "1234"), (1234.0, "1234"), ("1234.5", "1235")])
def test_start_with_a_register_of_the_wrong_type_is_repaired(
    csms: Csms, charge_point: ChargePoint, sent: object, stored: str
) -> None:
    row = session(begin(csms, charge_point, meter=sent))

    assert row.meter_start_wh == Decimal(stored)
    assert row.flags == [Flag.REPAIRED]


@pytest.mark.parametrize("register", [-5, 2**62])
def test_start_with_an_impossible_register_is_kept_and_flagged(
    csms: Csms, charge_point: ChargePoint, register: int
) -> None:
    row = session(begin(csms, charge_point, meter=register))

    assert (row.meter_start_wh, row.meter_start_raw) == (None, str(register))
    assert Flag.METER_UNREADABLE in row.flags


def test_start_with_unknown_fields_is_served(csms: Csms, charge_point: ChargePoint) -> None:
    assert begin(csms, charge_point, vendorExtra={"a": 1}, evseId=1) > 0


@pytest.mark.parametrize("missing", ["connectorId", "idTag", "meterStart"])
def test_start_that_lacks_what_matters_is_refused_and_kept(
    csms: Csms, charge_point: ChargePoint, missing: str
) -> None:
    payload = start()
    del payload[missing]

    answer = csms.ask_one(charge_point, "StartTransaction", payload)
    csms.node.writer.flush()

    assert answer.code == "OccurenceConstraintViolation"
    assert not FrameAnomaly.objects.get().was_served
    assert not Transaction.objects.exists()


def test_start_with_values_that_postgresql_refuses_is_stored(csms: Csms, charge_point: ChargePoint) -> None:
    frame = (
        '[2,"n1","StartTransaction",{"connectorId":1,"idTag":"A\\u0000B\\ud800","meterStart":0,'
        '"timestamp":"2026-03-02T10:00:00Z"}]'
    )

    [answer] = csms.text(charge_point, frame)

    assert answer[0] == 3
    assert session(answer[2]["transactionId"]).id_token_value == "A\ufffdB\ufffd"


def test_start_of_a_charger_deleted_under_its_socket_does_not_fail_its_neighbours(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    gone = factories.ChargePointFactory(tenant=charge_point.tenant)
    csms.socket(gone)
    ChargePoint.objects.filter(pk=gone.pk).delete()

    answers = csms.ask(
        [(row, "StartTransaction", start()) for row in (charge_point, gone, other_charge_point)]
    )

    assert [answer.is_held for answer in answers] == [False, True, False]
    assert Transaction.objects.count() == 2
