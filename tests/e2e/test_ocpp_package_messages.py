"""Every message of a charge point, sent by an independent client: the `ocpp` package's charge point.

It checks requests and answers against the official schemas; the server checks its own (OCPP_CHECK_RESPONSES).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ocpp.v16 import call
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from chargepoints.models import (
    ChargePoint,
    DataTransfer,
    OcppMessage,
    SecurityEvent,
    StatusEvent,
    StatusReport,
)
from ocpp_gateway.v16.actions import ACTIONS, IN_MEMORY
from tests.e2e.conftest import register, register_tag
from tests.e2e.product import Product
from tests.e2e.sockets import basic
from tests.e2e.test_ocpp_package_client import Station
from tests.factories import CHARGER_KEY
from transactions.models import Transaction

pytestmark = pytest.mark.server

T = "2026-03-02T10:00:00Z"
SAMPLES = [{"timestamp": T, "sampledValue": [{"value": "1600.5"}]}]


def messages(transaction_id: int) -> list[Any]:
    """What a charger may say besides boot and start, in an order that makes sense."""
    return [
        call.Authorize(id_tag="ALL-SAID"),
        call.DataTransfer(vendor_id="org.example.nobody", message_id="Hello", data="x"),
        call.MeterValues(connector_id=1, transaction_id=transaction_id, meter_value=SAMPLES),
        call.StopTransaction(
            meter_stop=2500,
            timestamp="2026-03-02T11:00:00Z",
            transaction_id=transaction_id,
            reason="EVDisconnected",
        ),
        call.StatusNotification(
            connector_id=1, error_code="OtherError", status="Faulted", vendor_id="V", vendor_error_code="E7"
        ),
        call.FirmwareStatusNotification(status="Downloading"),
        call.DiagnosticsStatusNotification(status="Uploaded"),
        call.LogStatusNotification(status="Uploading", request_id=7),
        call.SignedFirmwareStatusNotification(status="InvalidSignature", request_id=8),
        call.SecurityEventNotification(type="TamperDetectionActivated", timestamp=T, tech_info="lid"),
        call.SignCertificate(
            csr="-----BEGIN CERTIFICATE REQUEST-----\nMII=\n-----END CERTIFICATE REQUEST-----"
        ),
        call.Heartbeat(),
    ]


async def say_everything(product: Product, identity: str) -> dict[str, Any]:
    """Send all messages over one socket; action → answer."""
    answers: dict[str, Any] = {}
    async with connect(
        f"{product.url}/{identity}",
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": basic(identity, CHARGER_KEY)},
        proxy=None,
    ) as socket:
        station = Station(identity, socket, response_timeout=40)
        listener = asyncio.create_task(station.start())
        try:
            boot = call.BootNotification(
                charge_point_model="M", charge_point_vendor="V", firmware_version="1.2"
            )
            start = call.StartTransaction(connector_id=1, id_tag="ALL-SAID", meter_start=1500, timestamp=T)
            answers["BootNotification"] = await station.call(boot)
            answers["StartTransaction"] = await station.call(start)
            for message in messages(answers["StartTransaction"].transaction_id):
                answers[type(message).__name__] = await station.call(message)
        finally:
            listener.cancel()
    return answers


def test_package_client_sends_every_message(product: Product) -> None:
    charge_point = register("SAYS-ALL")
    register_tag("ALL-SAID")

    answers = asyncio.run(say_everything(product, "SAYS-ALL"))

    # A CALLERROR would have left None behind.
    assert {action for action, answer in answers.items() if answer is not None} == ACTIONS.keys() | IN_MEMORY
    assert answers["Authorize"].id_tag_info["status"] == "Accepted"
    assert answers["DataTransfer"].status == "UnknownVendorId"
    assert answers["SignCertificate"].status == "Rejected"  # that is no request at all
    check_stored(charge_point)


def check_stored(charge_point: ChargePoint) -> None:
    """What was acknowledged is there."""
    session = Transaction.objects.get(charge_point=charge_point)
    assert (session.state, session.stop_reason, session.energy_wh) == ("ended", "EVDisconnected", 1000)
    fault = StatusEvent.objects.filter(charge_point=charge_point).get()
    assert (fault.status, fault.error_code, fault.vendor_error_code) == ("Faulted", "OtherError", "E7")
    reports = StatusReport.objects.filter(charge_point=charge_point).values_list(
        "kind", "status", "request_id"
    )
    assert set(reports) == {
        ("firmware", "Downloading", None),
        ("diagnostics", "Uploaded", None),
        ("log", "Uploading", 7),
        ("signed_firmware", "InvalidSignature", 8),
    }
    events = SecurityEvent.objects.filter(charge_point=charge_point, type="TamperDetectionActivated")
    assert events.get().tech_info == "lid"
    assert DataTransfer.objects.get(charge_point=charge_point).vendor_id == "org.example.nobody"
    logged = OcppMessage.objects.filter(charge_point=charge_point, sent_by_charger=True, error_code="")
    assert set(logged.values_list("action", flat=True)) >= ACTIONS.keys()
