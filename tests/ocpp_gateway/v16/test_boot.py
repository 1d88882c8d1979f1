"""Registration and heartbeats: OCPP 1.6 §4.2, §4.6; OCPP-J 1.6 errata 3.10."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from accounts.models import IdToken
from chargepoints.choices import RegistrationStatus
from chargepoints.models import ChargePoint, Command, SecurityEvent, StatusEvent
from csms_project.common.models import Event
from tests import factories
from tests.factories import T0
from tests.ocpp_gateway.v16.helpers import Csms, boot, clock, meter, moment, session, start, status, stop
from transactions.models import MeterValue, Transaction


def set_registration(row: ChargePoint, value: RegistrationStatus) -> None:
    row.registration_status = value
    row.save(update_fields=["registration_status"])


def test_boot_of_a_registered_charger_is_accepted_with_time_and_interval(
    csms: Csms, charge_point: ChargePoint
) -> None:
    answer = csms.send(charge_point, "BootNotification", boot())

    assert answer == {"status": "Accepted", "currentTime": "2026-03-02T10:00:00.000Z", "interval": 300}


def test_boot_stores_what_the_charger_says_of_itself(csms: Csms, charge_point: ChargePoint) -> None:
    details = {
        "chargePointSerialNumber": "SN-77",
        "chargeBoxSerialNumber": "BOX-1",
        "firmwareVersion": "3.1.4",
        "iccid": "8949000000000000001",
        "imsi": "262010000000001",
        "meterType": "DIN rail",
        "meterSerialNumber": "M-9",
    }
    csms.send(charge_point, "BootNotification", boot(**details))

    charge_point.refresh_from_db()
    assert (charge_point.vendor, charge_point.model) == ("Amperia", "Duo 22")
    assert (charge_point.serial_number, charge_point.box_serial_number) == ("SN-77", "BOX-1")
    assert (charge_point.firmware_version, charge_point.iccid) == ("3.1.4", "8949000000000000001")
    assert (charge_point.imsi, charge_point.meter_type) == ("262010000000001", "DIN rail")
    assert (charge_point.meter_serial_number, charge_point.last_boot_at) == ("M-9", T0)
    assert (charge_point.accepted_at, charge_point.last_seen_at) == (T0, T0)


def test_boot_repeated_is_harmless(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "BootNotification", boot(), message_id="b")
    again = csms.send(charge_point, "BootNotification", boot(), message_id="b", at=T0 + timedelta(minutes=1))

    charge_point.refresh_from_db()
    assert (again["status"], again["currentTime"]) == ("Accepted", "2026-03-02T10:01:00.000Z")
    assert (charge_point.accepted_at, charge_point.last_boot_at) == (T0, T0 + timedelta(minutes=1))


def test_boot_with_new_firmware_is_told_as_an_event(csms: Csms, charge_point: ChargePoint) -> None:
    for version in ("1.0", "1.0", "2.0"):
        csms.send(charge_point, "BootNotification", boot(firmwareVersion=version))

    event = Event.objects.get(kind="charge_point.firmware_changed")
    assert (event.data, event.charge_point) == ({"old": "1.0", "new": "2.0"}, "CP-A")


@pytest.mark.usefixtures("token")
def test_boot_in_the_middle_of_a_session_does_not_end_it(csms: Csms, charge_point: ChargePoint) -> None:
    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    csms.reconnect(charge_point)
    csms.send(charge_point, "BootNotification", boot(), at=T0 + timedelta(minutes=5))
    csms.send(charge_point, "StatusNotification", status(1, "Available"))

    assert session(ocpp_id).is_active


def test_boot_interval_is_the_chargers_own_before_the_tenants(csms: Csms, charge_point: ChargePoint) -> None:
    charge_point.tenant.heartbeat_interval_s = 120
    charge_point.tenant.save()
    assert csms.send(charge_point, "BootNotification", boot())["interval"] == 120

    charge_point.heartbeat_interval_s = 45
    charge_point.save()
    assert csms.send(charge_point, "BootNotification", boot())["interval"] == 45


def test_boot_interval_is_never_so_short_that_a_charger_floods_us(
    csms: Csms, charge_point: ChargePoint
) -> None:
    for seconds in (0, 1, 5):
        ChargePoint.objects.filter(pk=charge_point.pk).update(heartbeat_interval_s=seconds)
        assert csms.send(charge_point, "BootNotification", boot())["interval"] >= 10


@pytest.mark.parametrize("registration", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
def test_boot_of_a_charger_that_is_not_accepted_tells_when_to_try_again(
    csms: Csms, charge_point: ChargePoint, registration: RegistrationStatus
) -> None:
    set_registration(charge_point, registration)

    answer = csms.send(charge_point, "BootNotification", boot())

    charge_point.refresh_from_db()
    assert (answer["status"], answer["interval"]) == (registration.value, 60)
    assert charge_point.accepted_at is None
    assert charge_point.vendor == "Amperia"


def test_boot_accepted_later_opens_the_door_on_the_same_socket(csms: Csms, charge_point: ChargePoint) -> None:
    set_registration(charge_point, RegistrationStatus.PENDING)
    csms.reconnect(charge_point, was_accepted=False)
    csms.send(charge_point, "BootNotification", boot())
    assert csms.ask_one(charge_point, "StatusNotification", status(1, "Available")).code == "SecurityError"

    set_registration(charge_point, RegistrationStatus.ACCEPTED)
    csms.send(charge_point, "BootNotification", boot())

    assert csms.send(charge_point, "StatusNotification", status(1, "Available")) == {}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}),
        ("Authorize", {"idTag": "04A1B2C3"}),
        ("StatusNotification", status(1, "Available")),
        ("DataTransfer", {"vendorId": "com.example"}),
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ],
)
def test_message_of_a_pending_charger_is_a_security_error(
    csms: Csms, charge_point: ChargePoint, action: str, payload: dict[str, object]
) -> None:
    set_registration(charge_point, RegistrationStatus.PENDING)

    assert csms.ask_one(charge_point, action, payload).code == "SecurityError"
    assert not StatusEvent.objects.exists()


def test_message_asked_for_while_pending_is_served_for_a_while(csms: Csms, charge_point: ChargePoint) -> None:
    set_registration(charge_point, RegistrationStatus.PENDING)
    csms.socket(charge_point).asked("StatusNotification", float("inf"))

    # One TriggerMessage without a connector brings one message for each.
    assert csms.send(charge_point, "StatusNotification", status(1, "Faulted")) == {}
    assert csms.send(charge_point, "StatusNotification", status(2, "Available")) == {}


def test_message_asked_for_too_long_ago_while_pending_is_refused(
    csms: Csms, charge_point: ChargePoint
) -> None:
    set_registration(charge_point, RegistrationStatus.PENDING)
    csms.socket(charge_point).asked("StatusNotification", 0.0)

    assert csms.ask_one(charge_point, "StatusNotification", status(1, "Available")).code == "SecurityError"


@pytest.mark.usefixtures("token")
def test_session_of_a_pending_charger_is_stored_and_answered(csms: Csms, charge_point: ChargePoint) -> None:
    """A queued transaction message that got a CALLERROR would be dropped in the end."""
    set_registration(charge_point, RegistrationStatus.PENDING)

    ocpp_id = csms.send(charge_point, "StartTransaction", start())["transactionId"]
    sample = moment("5000", T0 + timedelta(minutes=10))
    csms.send(charge_point, "MeterValues", meter(sample, transaction=ocpp_id))
    csms.send(charge_point, "StopTransaction", stop(ocpp_id, 9000), at=T0 + timedelta(hours=1))

    assert session(ocpp_id).energy_wh == 8000
    assert MeterValue.objects.count() == 1


def test_session_of_a_rejected_charger_is_a_security_error(csms: Csms, charge_point: ChargePoint) -> None:
    set_registration(charge_point, RegistrationStatus.REJECTED)

    assert csms.ask_one(charge_point, "StartTransaction", start()).code == "SecurityError"
    assert not Transaction.objects.exists()


def test_reconnect_without_a_boot_is_served_once_accepted(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    csms.reconnect(charge_point, was_accepted=True)

    assert csms.send(charge_point, "StatusNotification", status(1, "Available")) == {}
    assert csms.send(charge_point, "Authorize", {"idTag": token.value})["idTagInfo"]["status"] == "Accepted"


def test_status_before_the_very_first_boot_is_a_security_error(csms: Csms, charge_point: ChargePoint) -> None:
    csms.reconnect(charge_point, was_accepted=False)

    assert csms.ask_one(charge_point, "StatusNotification", status(1, "Available")).code == "SecurityError"


def test_boot_with_auto_configure_reads_the_configuration(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "BootNotification", boot())
    assert not Command.objects.exists()

    ChargePoint.objects.filter(pk=charge_point.pk).update(auto_configure=True)
    csms.send(charge_point, "BootNotification", boot())

    command = Command.objects.get()
    assert (command.charge_point, command.action, command.status) == (
        charge_point,
        "get_configuration",
        "queued",
    )


def test_boot_with_names_too_long_or_numeric_is_repaired_and_accepted(
    csms: Csms, charge_point: ChargePoint
) -> None:
    payload = boot(chargePointSerialNumber=4711, firmwareVersion="v" * 80)

    assert csms.send(charge_point, "BootNotification", payload)["status"] == "Accepted"

    charge_point.refresh_from_db()
    assert (charge_point.serial_number, charge_point.firmware_version) == ("4711", "v" * 50)


def test_boot_without_a_vendor_is_refused_with_the_1_6_spelling(
    csms: Csms, charge_point: ChargePoint
) -> None:
    answer = csms.ask_one(charge_point, "BootNotification", {"chargePointModel": "Duo 22"})

    assert answer.code == "OccurenceConstraintViolation"


def test_heartbeat_gives_the_time_without_touching_the_database(
    csms: Csms, charge_point: ChargePoint
) -> None:
    csms.socket(charge_point)
    with CaptureQueriesContext(database) as queries:
        answer = csms.send(charge_point, "Heartbeat", {}, at=T0 + timedelta(seconds=7))

    assert answer == {"currentTime": clock(seconds=7)}
    assert len(queries) == 0


def test_heartbeats_under_one_message_id_each_get_the_time(csms: Csms, charge_point: ChargePoint) -> None:
    for seconds in (0, 30):
        answer = csms.send(charge_point, "Heartbeat", {}, message_id="hb", at=T0 + timedelta(seconds=seconds))
        assert answer == {"currentTime": clock(seconds=seconds)}


def test_clock_of_a_charger_is_compared_with_ours(csms: Csms, charge_point: ChargePoint) -> None:
    ahead = status(1, "Available", T0 + timedelta(minutes=12))
    csms.send(charge_point, "StatusNotification", ahead)

    assert csms.socket(charge_point).take_clock_offset() == 720


def test_security_event_before_the_boot_is_kept(csms: Csms, charge_point: ChargePoint) -> None:
    csms.reconnect(charge_point, was_accepted=False)
    payload = {"type": "StartupOfTheDevice", "timestamp": clock()}

    assert csms.send(charge_point, "SecurityEventNotification", payload) == {}
    assert SecurityEvent.objects.get().type == "StartupOfTheDevice"


def test_boots_of_many_chargers_in_one_batch_are_all_answered(
    csms: Csms, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    stations = [charge_point, other_charge_point, *factories.ChargePointFactory.create_batch(20)]

    answers = csms.batch([(row, "BootNotification", boot()) for row in stations])

    assert {answer["status"] for answer in answers} == {"Accepted"}
    assert ChargePoint.objects.filter(accepted_at=T0, vendor="Amperia").count() == 22
