"""Signs of life of chargers that speak 2.0.1 and 2.1."""

from __future__ import annotations

import pytest

from chargepoints.models import ChargePoint
from ocpp_gateway.sockets import Socket
from ocpp_gateway.wire.timestamps import format_timestamp
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, Payload, boot, meter, moment


@pytest.mark.parametrize("version", [Csms, Csms21])
def test_heartbeat_is_answered_with_our_time(
    monkeypatch: pytest.MonkeyPatch, charge_point: ChargePoint, version: type[Csms] | type[Csms21]
) -> None:
    """G02.FR.03"""
    csms = version(monkeypatch)

    assert csms.send(charge_point, "Heartbeat", {}) == {"currentTime": format_timestamp(csms.now)}


@pytest.mark.parametrize(
    ("action", "payload"),
    [("Heartbeat", {}), ("BootNotification", boot()), ("MeterValues", meter(moment(5.0)))],
)
def test_every_message_is_a_sign_of_life(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch, action: str, payload: Payload
) -> None:
    """G02.FR.04"""
    seen: list[Socket] = []
    csms.socket(charge_point)
    monkeypatch.setattr(csms.node, "saw", seen.append)

    csms.send(charge_point, action, payload)

    assert seen == [csms.socket(charge_point)]
