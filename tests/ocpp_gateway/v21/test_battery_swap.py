"""Functional block S, swapping batteries: S02.FR.03 binds the CSMS; the rest is kept as the station reports it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import IdToken, Tenant
from chargepoints.choices import BatterySwapState, CommandStatus
from chargepoints.errors import InvalidPayload
from chargepoints.models import BatterySwap, ChargePoint, Command, SwappedBattery
from csms_project.common.models import Event
from tests.factories import IdTokenFactory
from tests.ocpp_gateway.v201.helpers import Csms21, Payload
from tests.ocpp_gateway.v201.helpers import token as token_of


def battery(serial: str = "B-1", slot: int = 1, **more: Any) -> Payload:
    return {"evseId": slot, "serialNumber": serial, "soC": 12.345, "soH": 98, **more}


def swap(kind: str, *batteries: Payload, number: int = 5, value: str = "04A1B2C3") -> Payload:
    return {
        "eventType": kind,
        "requestId": number,
        "idToken": token_of(value),
        "batteryData": list(batteries) or [battery()],
    }


def test_batteries_brought_and_taken_are_one_swap(
    csms: Csms21, charge_point: ChargePoint, token: IdToken
) -> None:
    """S03.FR.01, S03.FR.03"""
    brought = battery(productionDate="2024-05-06T00:00:00Z", vendorInfo="cells: 48")
    assert csms.send(charge_point, "BatterySwap", swap("BatteryIn", brought, battery("B-2", 2))) == {}
    row = BatterySwap.objects.get()
    assert (row.status, row.in_at, row.id_token, row.authorization) == (
        BatterySwapState.BROUGHT,
        csms.now,
        token,
        "Accepted",
    )
    csms.now += timedelta(minutes=1)
    csms.send(charge_point, "BatterySwap", swap("BatteryOut", battery("B-9", 3, soC=100)))

    row.refresh_from_db()
    assert (row.status, row.out_at) == (BatterySwapState.DONE, csms.now)
    kept = SwappedBattery.objects.order_by("id").values_list(
        "direction", "serial_number", "soc", "soh", "evse_number"
    )
    assert list(kept) == [
        ("in", "B-1", Decimal("12.34"), Decimal(98), 1),
        ("in", "B-2", Decimal("12.34"), Decimal(98), 2),
        ("out", "B-9", Decimal(100), Decimal(98), 3),
    ]
    first = SwappedBattery.objects.get(serial_number="B-1")
    assert (first.produced_on, first.vendor_info) == (date(2024, 5, 6), "cells: 48")
    kinds = (
        Event.objects.filter(kind__startswith="battery_swap.").order_by("id").values_list("kind", flat=True)
    )
    assert list(kinds) == ["battery_swap.in", "battery_swap.out"]


def test_repeated_message_changes_nothing(csms: Csms21, charge_point: ChargePoint, token: IdToken) -> None:
    for _ in range(2):
        csms.send(charge_point, "BatterySwap", swap("BatteryIn"))

    assert (BatterySwap.objects.count(), SwappedBattery.objects.count()) == (1, 1)
    assert Event.objects.filter(kind="battery_swap.in").count() == 1


def test_batteries_that_nobody_takes_leave_the_swap_open_to_see(
    csms: Csms21, charge_point: ChargePoint, token: IdToken
) -> None:
    """S03.FR.06"""
    csms.send(charge_point, "BatterySwap", swap("BatteryIn"))
    csms.send(charge_point, "BatterySwap", swap("BatteryOutTimeout", battery("B-9", 3)))

    assert BatterySwap.objects.get().status == BatterySwapState.NOT_TAKEN


def test_batteries_taken_first_are_one_swap_as_well(
    csms: Csms21, charge_point: ChargePoint, token: IdToken
) -> None:
    """S03, remark: the order may be reversed."""
    csms.send(charge_point, "BatterySwap", swap("BatteryOut"))
    assert BatterySwap.objects.get().status == BatterySwapState.TAKEN
    csms.send(charge_point, "BatterySwap", swap("BatteryIn"))

    assert BatterySwap.objects.get().status == BatterySwapState.DONE


def test_number_that_comes_again_later_is_another_swap(
    csms: Csms21, charge_point: ChargePoint, token: IdToken
) -> None:
    for _ in range(2):
        csms.send(charge_point, "BatterySwap", swap("BatteryIn"))
        csms.send(charge_point, "BatterySwap", swap("BatteryOut"))
        csms.now += timedelta(days=2)

    assert BatterySwap.objects.count() == 2


def test_swap_of_an_unknown_tag_is_kept_with_what_is_known_of_it(
    csms: Csms21, charge_point: ChargePoint, other_tenant: Tenant
) -> None:
    IdTokenFactory(tenant=other_tenant, value="THEIRS")
    csms.send(charge_point, "BatterySwap", swap("BatteryIn", value="THEIRS"))

    row = BatterySwap.objects.get()
    assert (row.id_token, row.id_token_value, row.authorization) == (None, "THEIRS", "Invalid")


def test_ordered_swap_is_the_one_that_the_station_reports(
    csms: Csms21, charge_point: ChargePoint, token: IdToken
) -> None:
    """S02.FR.01, S02.FR.02"""
    order = csms.order(charge_point, "request_battery_swap", {"id_token": "04A1B2C3"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    csms.send(charge_point, "BatterySwap", swap("BatteryIn", number=number))

    assert order.payload == {"requestId": number, "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"}}
    row = BatterySwap.objects.get()
    assert (row.command, row.status) == (order.command, BatterySwapState.BROUGHT)


@pytest.mark.parametrize("answer", ["Rejected", "error"])
def test_refused_swap_is_refused(
    csms: Csms21, charge_point: ChargePoint, token: IdToken, answer: str
) -> None:
    """S02.FR.04"""
    order = csms.order(charge_point, "request_battery_swap", {"id_token": "04A1B2C3"})
    if answer == "error":
        command = order.refuse("NotImplemented")
        assert command.status == CommandStatus.NOT_SUPPORTED
    else:
        command = order.answer(status="Rejected", statusInfo={"reasonCode": "NoBatteryAvailable"})
        assert "The charger's reason: NoBatteryAvailable." in command.summary

    assert BatterySwap.objects.get().status == BatterySwapState.REFUSED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "Blocked"}, "blocked"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expired"),
        (None, "no such tag"),
    ],
)
@pytest.mark.parametrize("is_raw", [False, True])
def test_swap_is_not_asked_for_with_a_tag_that_may_not_charge(
    csms: Csms21,
    tenant: Tenant,
    charge_point: ChargePoint,
    fields: dict[str, Any] | None,
    words: str,
    is_raw: bool,
) -> None:
    """S02.FR.03"""
    if fields is not None:
        IdTokenFactory(tenant=tenant, value="BAD", **fields)
    given: tuple[str, Payload] = ("request_battery_swap", {"id_token": "BAD"})
    if is_raw:
        given = ("RequestBatterySwap", {"requestId": 1, "idToken": token_of("BAD")})

    with pytest.raises(InvalidPayload, match=words):
        csms.order(charge_point, *given)
    assert not Command.objects.exists()
