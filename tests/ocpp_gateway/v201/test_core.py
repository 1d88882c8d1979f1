"""Boot, status, authorization and raw commands of OCPP 2.0.1, by parts 2 and 4."""

from __future__ import annotations

import pytest

from accounts.models import IdToken
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Connector, FrameAnomaly, OcppMessage, StatusEvent
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, boot, clock, status, token


def test_boot_is_accepted_and_the_station_known(csms: Csms, charge_point: ChargePoint) -> None:
    """B01.FR.01, .02, .04"""
    answer = csms.send(charge_point, "BootNotification", boot(serialNumber="S-1", firmwareVersion="1.2"))
    assert answer["status"] == "Accepted"
    assert answer["interval"] > 0
    charge_point.refresh_from_db()
    kept = (charge_point.vendor, charge_point.model, charge_point.serial_number, charge_point.boot_reason)
    assert kept == ("Amperia", "Duo 22", "S-1", "PowerUp")


def test_status_makes_each_connector_of_an_evse(csms: Csms, charge_point: ChargePoint) -> None:
    """G01: an EVSE may have several connectors; each has its own status."""
    csms.send(charge_point, "StatusNotification", status(1, "Available"))
    csms.send(charge_point, "StatusNotification", status(1, "Occupied", connector=2))
    rows = Connector.objects.filter(charge_point=charge_point, evse__number=1)
    assert list(rows.values_list("ocpp_number", "number", "status")) == [
        (1, 1, "Available"),
        (1, 2, "Occupied"),
    ]
    kept = StatusEvent.objects.order_by("pk").values_list("evse_number", "connector_number", "status")
    assert list(kept) == [(1, 1, "Available"), (1, 2, "Occupied")]
    assert [row.label for row in rows] == ["1", "1.2"]


def test_a_charger_that_changes_its_version_keeps_its_connectors(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Connector n of OCPP 1.6 is connector 1 of EVSE n."""
    csms.version = "ocpp1.6"
    old = {"connectorId": 2, "status": "Available", "errorCode": "NoError"}
    csms.send(charge_point, "StatusNotification", old)
    before = list(Connector.objects.filter(charge_point=charge_point))
    csms.version = "ocpp2.0.1"
    csms.reconnect(charge_point)
    csms.send(charge_point, "StatusNotification", status(2, "Occupied", at=clock(minutes=1)))
    assert list(Connector.objects.filter(charge_point=charge_point)) == before
    assert Connector.objects.get(charge_point=charge_point, ocpp_number=2).status == "Occupied"


def test_token_is_authorized_without_regard_to_case(
    csms: Csms, charge_point: ChargePoint, token: IdToken
) -> None:
    """C01.FR.02"""
    request = {"idToken": {"idToken": "04a1b2c3", "type": "ISO14443"}}
    assert csms.send(charge_point, "Authorize", request)["idTokenInfo"]["status"] == "Accepted"


def test_extra_fields_are_refused_with_a_code_of_2x(csms: Csms, charge_point: ChargePoint) -> None:
    """Part 2 FR.03, part 4 §4.3"""
    answer = csms.ask_one(charge_point, "Authorize", {"idToken": token(), "colour": "red"})
    assert answer.code == "FormatViolation"


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
def test_nothing_is_served_before_the_boot_was_accepted(
    csms: Csms, charge_point: ChargePoint, registration: str
) -> None:
    """B02.FR.09, B03.FR.08: SecurityError"""
    ChargePoint.objects.filter(pk=charge_point.pk).update(registration_status=registration)
    csms.reconnect(charge_point, was_accepted=False)
    assert csms.ask_one(charge_point, "Authorize", {"idToken": token()}).code == "SecurityError"


def test_raw_command_goes_out_as_it_is_and_its_answer_is_kept(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "ClearCache", {})
    assert (order.action, order.payload) == ("ClearCache", {})
    info = {"reasonCode": "NotEnabled", "additionalInfo": "no cache"}
    command = order.answer(status="Rejected", statusInfo=info)
    assert command.status == CommandStatus.REJECTED
    assert "NotEnabled: no cache" in command.summary


def test_call_result_error_is_kept_and_never_answered(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1 part 4 §4.2.3"""
    assert csms21.text(charge_point, '[5,"m-77","FormatViolation","bad",{}]') == []
    csms21.node.writer.flush()
    row = OcppMessage.objects.get(message_id="m-77")
    assert (row.error_code, row.error_description) == ("FormatViolation", "CALLRESULTERROR: bad")


def test_send_that_cannot_be_read_is_kept_and_never_answered(
    csms21: Csms21, charge_point: ChargePoint
) -> None:
    """2.1 part 4 §4.2.4"""
    assert csms21.text(charge_point, '[6,"m-78","NoSuchStream",{}]') == []
    csms21.node.writer.flush()
    assert FrameAnomaly.objects.get(message_id="m-78").was_served is False


def test_answer_that_cannot_be_used_is_told_in_2_1(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1 part 4 §4.2.3: CALLRESULTERROR"""
    order = csms21.order(charge_point, "ClearCache", {})
    csms21.answers(charge_point)
    command = order.answer(status="Perhaps")
    assert command.status == CommandStatus.FAILED
    told = [frame for frame in csms21.answers(charge_point) if frame[0] == 5]
    assert told == [[5, order.message_id, "PropertyConstraintViolation", told[0][3], {}]]
    assert "status" in told[0][3]


def test_answer_that_cannot_be_used_is_not_told_in_2_0_1(csms: Csms, charge_point: ChargePoint) -> None:
    """2.0.1 has no frame for it."""
    order = csms.order(charge_point, "ClearCache", {})
    csms.answers(charge_point)
    assert order.answer(status="Perhaps").status == CommandStatus.FAILED
    assert csms.answers(charge_point) == []
