"""A connector that cannot be locked (2.0.1 part 6, block G)."""

from __future__ import annotations

import pytest

from chargepoints.models import ChargePoint, ChargerEvent
from tests.ocpp_gateway.v201.helpers import Csms, clock


@pytest.mark.testcase("TC_G_20_CSMS")
def test_tc_g_20_lock_failure(csms: Csms, charge_point: ChargePoint) -> None:
    """Connector status Notification - Lock Failure (G05.FR.03): it is acknowledged and kept as a problem."""
    data = {
        "eventId": 1,
        "timestamp": clock(),
        "trigger": "Delta",
        "actualValue": "true",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}},
        "variable": {"name": "Problem"},
    }

    answer = csms.send(charge_point, "NotifyEvent", {"generatedAt": clock(), "seqNo": 0, "eventData": [data]})

    assert answer == {}
    event = ChargerEvent.objects.get()
    assert (event.component, event.variable, event.value) == ("ConnectorPlugRetentionLock", "Problem", "true")
