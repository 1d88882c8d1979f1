"""Trouble of our own with a message of a charger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chargepoints.models import ChargePoint, FrameAnomaly
from ocpp_gateway.link import Link
from ocpp_gateway.v16.actions import ACTIONS
from tests.ocpp_gateway.v16.helpers import Csms, Payload, start, status
from transactions.models import Transaction

pytestmark = pytest.mark.usefixtures("token")


def test_refused_start_sent_again_with_its_id_is_handled_again(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CALLERROR must not outlive its reason (OCPP-J errata 3.1: a retry may carry the same id)."""
    action = ACTIONS["StartTransaction"]

    def explode(link: Link, payload: Payload) -> object:
        raise ValueError("passing trouble")

    with monkeypatch.context() as broken:
        broken.setitem(ACTIONS, "StartTransaction", replace(action, read=explode))
        first = csms.ask_one(charge_point, "StartTransaction", start(), message_id="same")
    second = csms.ask_one(charge_point, "StartTransaction", start(), message_id="same")

    assert (first.code, second.code) == ("InternalError", "")
    assert Transaction.objects.count() == 1
    assert FrameAnomaly.objects.filter(was_served=False).count() == 1


def test_status_sent_again_with_the_same_id_is_handled_again(csms: Csms, charge_point: ChargePoint) -> None:
    """Chargers exist that give all messages one id: an answer from the past would freeze the status."""
    for state in ("Available", "Charging", "Available"):
        csms.send(charge_point, "StatusNotification", status(1, state), message_id="1")

    assert charge_point.connectors.get(ocpp_number=1).status == "Available"
