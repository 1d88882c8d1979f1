"""Test cases of block P: vendor messages (2.0.1 part 6 §3.16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chargepoints.choices import CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import ChargePoint, Connector, DataTransfer
from chargepoints.services import vendor_messages
from chargepoints.services.vendor_messages import Handler, VendorAnswer, VendorMessage
from tests.ocpp_gateway.v201.helpers import Csms, status

VENDOR = "com.example"


@pytest.fixture
def echo() -> Iterator[None]:
    def decide(request: VendorMessage, batch: Any) -> VendorAnswer:
        return VendorAnswer.of({"got": vendor_messages.read_json(request.data)})

    vendor_messages.register(VENDOR, "echo", Handler(decide))
    yield
    vendor_messages.unregister(VENDOR, "echo")


@pytest.mark.testcase("TC_P_02_CSMS")
def test_tc_p_02_unknown_vendor_and_message(csms: Csms, charge_point: ChargePoint, echo: None) -> None:
    """Data Transfer to the CSMS - Rejected / Unknown VendorId / Unknown MessageId (P02.FR.06, .07)"""
    unknown = csms.send(charge_point, "DataTransfer", {"vendorId": "net.nobody", "messageId": "m"})
    assert unknown == {"status": "UnknownVendorId"}
    message = csms.send(charge_point, "DataTransfer", {"vendorId": VENDOR, "messageId": "other"})
    assert message == {"status": "UnknownMessageId"}
    kept = DataTransfer.objects.order_by("pk").values_list("vendor_id", "answer")
    assert list(kept) == [("net.nobody", "UnknownVendorId"), (VENDOR, "UnknownMessageId")]


@pytest.mark.testcase("TC_P_03_CSMS")
def test_tc_p_03_custom_data(csms: Csms, charge_point: ChargePoint) -> None:
    """CustomData - Receive custom data: any message may carry some"""
    custom = {"vendorId": VENDOR, "anything": {"a": [1, None]}}
    csms.send(charge_point, "StatusNotification", status(1, "Available", customData=custom))
    assert Connector.objects.get(charge_point=charge_point, ocpp_number=1).status == "Available"


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        ({"a": 1}, {"got": {"a": 1}}),
        ([1, "b"], {"got": [1, "b"]}),
        (5, {"got": 5}),
        ('{"a": 1}', '{"got":{"a":1}}'),
        ("plain", '{"got":"plain"}'),
        (None, '{"got":null}'),
    ],
)
def test_data_of_any_kind_is_answered_in_kind(
    csms: Csms, charge_point: ChargePoint, echo: None, data: Any, answered: Any
) -> None:
    """P02: data has no type; a vendor that sends objects gets an object, one that sends text gets text."""
    request = {"vendorId": VENDOR, "messageId": "echo", **({} if data is None else {"data": data})}
    assert csms.send(charge_point, "DataTransfer", request) == {"status": "Accepted", "data": answered}


def test_we_send_text_and_json(csms: Csms, charge_point: ChargePoint) -> None:
    """P01"""
    given = {"vendor_id": VENDOR, "message_id": "m", "data": '{"a": [1, 2]}'}
    order = csms.order(charge_point, "data_transfer", given)
    assert order.payload == {"vendorId": VENDOR, "messageId": "m", "data": '{"a": [1, 2]}'}
    assert order.answer(status="UnknownVendorId").status == CommandStatus.NOT_SUPPORTED
    order = csms.order(charge_point, "data_transfer", {**given, "as_json": True})
    assert order.payload["data"] == {"a": [1, 2]}
    command = order.answer(status="Accepted", data={"b": 2})
    assert command.response == {"status": "Accepted", "data": {"b": 2}}
    with pytest.raises(InvalidPayload):
        csms.order(charge_point, "data_transfer", {**given, "data": "{", "as_json": True})
