"""A charger that is held is asked to boot again, before its interval is over (2.0.1 part 6, block B)."""

from __future__ import annotations

import pytest

from chargepoints.choices import RegistrationStatus
from chargepoints.models import ChargePoint
from tests.ocpp_gateway.v201.helpers import Csms, boot, status


@pytest.mark.testcase("TC_B_31_CSMS")
def test_tc_b_31_boot_is_triggered_while_pending(csms: Csms, charge_point: ChargePoint) -> None:
    """Cold Boot Charging Station - Pending/Rejected - TriggerMessage (F06.FR.01)

    Pending: a charger that is rejected gets nothing (B03.FR.03).
    """
    rows = ChargePoint.objects.filter(pk=charge_point.pk)
    rows.update(registration_status=RegistrationStatus.PENDING, accepted_at=None)
    csms.reconnect(charge_point, was_accepted=False)
    assert csms.send(charge_point, "BootNotification", boot())["status"] == "Pending"

    order = csms.order(charge_point, "trigger_message", {"message": "BootNotification"})
    order.answer(status="Accepted")
    rows.update(registration_status=RegistrationStatus.ACCEPTED)
    answer = csms.send(charge_point, "BootNotification", boot(reason="Triggered"))

    assert order.payload == {"requestedMessage": "BootNotification"}
    assert answer["status"] == "Accepted"
    assert csms.send(charge_point, "StatusNotification", status(1, "Available")) == {}
