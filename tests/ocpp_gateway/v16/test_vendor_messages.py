"""DataTransfer of chargers: handlers of vendors, what is unknown, what goes wrong (OCPP 1.6 §4.3, §7.19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Tenant
from chargepoints.models import ChargePoint, DataTransfer, FrameAnomaly
from chargepoints.services import vendor_messages
from chargepoints.services.vendor_messages import Handler, VendorAnswer, VendorMessage, VendorMessageRefused
from tests import factories
from tests.ocpp_gateway.v16.helpers import Csms, Payload

VENDOR = "com.example"
Register = Callable[..., None]


@pytest.fixture
def handle() -> Iterator[Register]:
    """Register a handler for a message of `VENDOR`, for this test only."""
    names = []

    def register(message_id: str, decide: Any, **more: Any) -> None:
        names.append(message_id)
        vendor_messages.register(VENDOR, message_id, Handler(decide, **more))

    yield register
    for name in names:
        vendor_messages.unregister(VENDOR, name)


def echo(request: VendorMessage, batch: Any) -> VendorAnswer:
    return VendorAnswer.of({"got": request.fields()})


def transfer(message_id: str = "", **more: Any) -> Payload:
    return {"vendorId": VENDOR, **({"messageId": message_id} if message_id else {}), **more}


@pytest.mark.parametrize(
    "data", ['{"a": 1}', {"a": 1}, '"{\\"a\\": 1}"'], ids=["text", "object", "text in text"]
)
def test_handler_reads_json_however_it_was_put_and_answers_with_json(
    csms: Csms, charge_point: ChargePoint, handle: Register, data: Any
) -> None:
    handle("Echo", echo)

    answer = csms.send(charge_point, "DataTransfer", transfer("echo", data=data))

    assert answer == {"status": "Accepted", "data": '{"got":{"a":1}}'}
    assert DataTransfer.objects.get().answer == "Accepted"


def test_object_as_data_is_flagged_as_a_deviation(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "DataTransfer", transfer(data={"a": [1]}))

    assert DataTransfer.objects.get().data == '{"a":[1]}'
    assert "object taken as JSON text" in FrameAnomaly.objects.get().problem


def test_object_as_data_is_refused_from_a_strict_charger(csms: Csms, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(strict_schema=True)

    answer = csms.ask_one(charge_point, "DataTransfer", transfer(data={"a": 1}))

    assert answer.code == "TypeConstraintViolation"


def test_unknown_message_of_a_known_vendor_is_told_so(
    csms: Csms, charge_point: ChargePoint, handle: Register
) -> None:
    handle("Echo", echo)

    assert csms.send(charge_point, "DataTransfer", transfer("Other")) == {"status": "UnknownMessageId"}
    assert csms.send(charge_point, "DataTransfer", transfer()) == {"status": "UnknownMessageId"}


@pytest.mark.parametrize("where", ["tenant", "charge_point"])
def test_vendor_that_is_to_be_told_accepted_is(
    csms: Csms, charge_point: ChargePoint, tenant: Tenant, where: str
) -> None:
    owner = {"tenant": Tenant, "charge_point": ChargePoint}[where]
    owner.objects.filter(pk={"tenant": tenant, "charge_point": charge_point}[where].pk).update(  # type: ignore[attr-defined]
        accepted_vendor_ids="org.other\n COM.example \n"
    )

    assert csms.send(charge_point, "DataTransfer", transfer("m")) == {"status": "Accepted"}
    assert csms.send(charge_point, "DataTransfer", {"vendorId": "org.third"}) == {"status": "UnknownVendorId"}


def test_setting_of_another_tenant_counts_for_nothing(
    csms: Csms, charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=other_tenant.pk).update(accepted_vendor_ids=VENDOR)

    assert csms.send(charge_point, "DataTransfer", transfer()) == {"status": "UnknownVendorId"}


def refuse(request: VendorMessage, batch: Any) -> VendorAnswer:
    raise VendorMessageRefused("The field “a” is missing.")


def fail(request: VendorMessage, batch: Any) -> VendorAnswer:
    raise ZeroDivisionError


@pytest.mark.parametrize(("decide", "problem"), [(refuse, "“a” is missing"), (fail, "ZeroDivisionError")])
def test_what_a_handler_cannot_serve_is_rejected_and_kept_for_people(
    csms: Csms, charge_point: ChargePoint, handle: Register, decide: Any, problem: str
) -> None:
    handle("Bad", decide)
    data = '{"password": "hush", "b": 2}'

    bad, good = csms.batch(
        [
            (charge_point, "DataTransfer", transfer("Bad", data=data)),
            (charge_point, "Authorize", {"idTag": "X"}),
        ]
    )

    row = FrameAnomaly.objects.get()
    assert bad == {"status": "Rejected"}
    assert good["idTagInfo"]["status"] == "Invalid"
    assert (problem in row.problem, row.was_served, "hush" in row.frame) == (True, False, False)
    assert DataTransfer.objects.get().answer == "Rejected"


@pytest.mark.parametrize("data", ["no json", "[1]", "7"])
def test_data_that_is_no_object_is_rejected(
    csms: Csms, charge_point: ChargePoint, handle: Register, data: str
) -> None:
    handle("Echo", echo)

    assert csms.send(charge_point, "DataTransfer", transfer("Echo", data=data)) == {"status": "Rejected"}


def test_what_takes_long_is_asked_before_and_its_failure_is_the_handlers_to_answer(
    csms: Csms, charge_point: ChargePoint, handle: Register
) -> None:
    def ask(request: VendorMessage) -> int:
        return 1 // int(request.fields()["by"])

    def tell(request: VendorMessage, batch: Any) -> VendorAnswer:
        return VendorAnswer.of({"prepared": repr(request.prepared)})

    handle("Slow", tell, prepare=ask)

    good = csms.send(charge_point, "DataTransfer", transfer("Slow", data='{"by":1}'))
    bad = csms.send(charge_point, "DataTransfer", transfer("Slow", data='{"by":0}'))

    assert good["data"] == '{"prepared":"1"}'
    assert "ZeroDivisionError" in bad["data"]


def test_vendor_messages_of_many_chargers_cost_as_many_statements_as_of_one(
    csms: Csms, tenant: Tenant, handle: Register
) -> None:
    rows = factories.ChargePointFactory.create_batch(12, tenant=tenant)
    handle("Echo", echo)

    def cost(some: list[ChargePoint]) -> int:
        with CaptureQueriesContext(connection) as queries:
            csms.batch([(row, "DataTransfer", transfer("Echo", data="{}")) for row in some])
        return len(queries)

    for row in rows:
        csms.socket(row)
    cost(rows[:1])
    assert cost(rows[:2]) == cost(rows)
