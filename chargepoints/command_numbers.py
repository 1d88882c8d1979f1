"""Numbers that an order may leave to us: of reservations, of requests, of local lists."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Max

from chargepoints.choices import CommandStatus
from chargepoints.command_tables.der import DER
from chargepoints.models import ChargePoint, Command, LocalList, Reservation, ShownMessage, Variable
from chargepoints.models.displays import FREE_NUMBERS

_MAX = 2**31 - 1
#: Component and name of the variable that holds the version of the local list; GetConfiguration does not know it.
LIST_VERSION = ("LocalAuthListCtrlr", "ListVersion")
_WITH_REQUEST_ID = (
    "get_log",
    "signed_update_firmware",
    "get_display_messages",
    "get_der_control",
    "request_battery_swap",
    "GetLog",
    "SignedUpdateFirmware",
    "GetDisplayMessages",
    "update_firmware",
    "publish_firmware",
    "UpdateFirmware",
    "PublishFirmware",
    "get_diagnostics",
    "get_monitoring_report",
    "customer_information",
    "GetMonitoringReport",
    "CustomerInformation",
    "get_charging_profiles",
    "GetChargingProfiles",
    "GetDERControl",
    "RequestBatterySwap",
)

_SET_DER = tuple(spec.action for spec in DER if spec.action.startswith("set_"))

# action → name of the argument
_NAMES = {
    "reserve_now": "reservation_id",
    "ReserveNow": "reservationId",
    "send_local_list": "version",
    "get_log": "request_id",
    "update_firmware": "request_id",
    # OCPP 1.6 has no number for it and leaves it out.
    "get_diagnostics": "request_id",
    "get_monitoring_report": "request_id",
    "customer_information": "request_id",
    "signed_update_firmware": "request_id",
    "get_display_messages": "request_id",
    "get_der_control": "request_id",
    "request_battery_swap": "request_id",
    **dict.fromkeys(_SET_DER, "control_id"),
    "set_display_message": "message_id",
    "publish_firmware": "request_id",
    "get_charging_profiles": "request_id",
}


def stand_in(action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with some number where ours will come, for a check before it is known."""
    name = _missing(action, payload)
    return {**payload, name: "1" if name == "control_id" else 1} if name else dict(payload)


def fill_in(charge_point: ChargePoint, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with the number that it left to us.  Orders to one charge point wait for each other here."""
    name = _missing(action, payload)
    if not name:
        return payload
    ChargePoint.objects.select_for_update(no_key=True, of=("self",)).get(pk=charge_point.pk)
    return {**payload, name: _NEXT[name](charge_point)}


def same_order(action: str, payload: dict[str, Any], earlier: dict[str, Any]) -> bool:
    """Whether an order is one made before, to which we may have added a number."""
    name = _missing(action, payload)
    return payload == ({key: item for key, item in earlier.items() if key != name} if name else earlier)


def _missing(action: str, payload: Mapping[str, Any]) -> str:
    """The argument that is left to us.  ReserveNow of OCPP 2.x names its number otherwise."""
    name = _NAMES.get(action, "")
    if action == "ReserveNow" and "idToken" in payload:
        name = "id"
    return "" if name in payload else name


def _next_reservation(charge_point: ChargePoint) -> int:
    rows = Reservation.objects.filter(charge_point=charge_point)
    last: int = rows.aggregate(last=Max("reservation_id"))["last"] or 0
    if last < _MAX:
        return last + 1
    taken = set(rows.values_list("reservation_id", flat=True))
    return next(number for number in range(1, _MAX) if number not in taken)


def _next_request(charge_point: ChargePoint) -> int:
    rows = Command.objects.filter(charge_point=charge_point, action__in=_WITH_REQUEST_ID).order_by("-id")
    last = rows.values_list("payload", flat=True).first() or {}
    return _after(last.get("request_id", last.get("requestId")))


def next_list_version(charge_point: ChargePoint) -> int:
    """After the version that the charger holds, after those that are on their way to it, and after all before."""
    component, name = LIST_VERSION
    held = Variable.objects.filter(charge_point=charge_point, component=component, name=name).first()
    on_their_way = Command.objects.filter(
        charge_point=charge_point,
        action="send_local_list",
        status__in=(CommandStatus.QUEUED, CommandStatus.SENT),
    )
    versions = [payload.get("version", 0) for payload in on_their_way.values_list("payload", flat=True)]
    if held is not None and (held.value or "").isdecimal():
        versions.append(int(held.value or 0))
    versions += LocalList.objects.filter(charge_point=charge_point).values_list("last_version", flat=True)
    return _after(max(versions, default=0))


def _next_message(charge_point: ChargePoint) -> int:
    """Of a message that is none of our rows: beyond their numbers, and those of messages on their way."""
    rows = ShownMessage.objects.filter(charge_point=charge_point, number__gte=FREE_NUMBERS)
    numbers = [rows.aggregate(last=Max("number"))["last"] or FREE_NUMBERS]
    on_their_way = Command.objects.filter(
        charge_point=charge_point,
        action="set_display_message",
        status__in=(CommandStatus.QUEUED, CommandStatus.SENT),
    )
    numbers += [payload.get("message_id", 0) for payload in on_their_way.values_list("payload", flat=True)]
    return _after(max(numbers))


def _after(number: object) -> int:
    return number + 1 if isinstance(number, int) and 0 < number < _MAX else 1


_NEXT: dict[str, Callable[[ChargePoint], int | str]] = {
    "reservation_id": _next_reservation,
    "reservationId": _next_reservation,
    "id": _next_reservation,
    "request_id": _next_request,
    "message_id": _next_message,
    "control_id": lambda charge_point: str(uuid.uuid4()),
    "version": next_list_version,
}
