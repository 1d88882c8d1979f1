"""What chargers know of customers: asked for, collected in parts, deleted, and in time thrown away (2.x N09, N10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.errors import AccountsError
from accounts.permissions import Actor
from accounts.selectors import find_token
from chargepoints import commands, customer_orders, errors
from chargepoints.choices import CommandStatus
from chargepoints.command_tables.monitoring import CUSTOMER
from chargepoints.models import ChargePoint, Command, CustomerInformation, LocalList
from chargepoints.monitoring_choices import ReportState
from chargepoints.services.batch import Act, FromCharger, StationBatch
from chargepoints.services.list_contents import entries_of
from csms_project.common import audit, events

#: Characters of one report that are kept.
MAX_TEXT = 256 * 1024
#: How long the answer's parts are waited for.
PATIENCE = timedelta(minutes=10)
_BATCH = 200
_LIST_ACTOR = "customer information"
_LIST_WAITS_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationPart(FromCharger):
    """One NotifyCustomerInformation."""

    request_id: int
    seq_no: int
    is_last: bool
    data: str


@atomic
def ask(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    payload: Mapping[str, Any],
    expires_in: int | None = None,
) -> CustomerInformation:
    """Ask a charger what it knows of a customer, let it delete that, or both.

    payload  as the command `customer_information` takes it
    Raises   PermissionRefused, InvalidPayload, and what `commands.queue` raises
    """
    command = commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="customer_information",
        payload=payload,
        expires_in=expires_in,
    )
    row: CustomerInformation = CustomerInformation.objects.get(command=command)
    return row


def decide_part(request: InformationPart, batch: StationBatch) -> None:
    """Keep a part of a report; one that nobody asked for is not kept, and a repeat adds nothing."""
    rows = CustomerInformation.objects.filter(
        charge_point_id=request.charge_point_id, request_id=request.request_id
    )
    row: CustomerInformation | None = rows.select_related("charge_point").order_by("-id").first()
    if row is None or row.state == ReportState.COMPLETE:
        return
    is_repeat = request.seq_no < row.parts and row.text.endswith(request.data)
    if not is_repeat:
        row.text = (row.text + request.data)[:MAX_TEXT]
        row.parts += 1
    row.last_part_at = request.received_at
    row.state = ReportState.ARRIVING
    row.ended_at = None
    if request.is_last:
        _end(row, ReportState.COMPLETE, "", request.received_at)
    row.save()


def answered(command: Command, status: str, *, at: datetime) -> None:
    """A charger has said whether it will do it.  What it deletes must not stand in its list of tags (N10.FR.02)."""
    row = _row_of(command)
    if row is None or row.ended_at is not None:
        return
    if status != "Accepted":
        note = {
            "Rejected": "The charger cannot do it now.",
            "Invalid": "The charger does not understand whom it is about.",
        }.get(status, status)
        _end(row, ReportState.REFUSED, note, at)
    row.save()
    if status == "Accepted" and row.clear:
        _take_off_the_list(command, at)


def _row_of(command: Command) -> CustomerInformation | None:
    rows = CustomerInformation.objects.filter(command=command).select_related("charge_point")
    found: CustomerInformation | None = rows.first()
    return found


def _end(row: CustomerInformation, state: ReportState, note: str, at: datetime) -> None:
    row.state, row.note, row.ended_at = state, note[:300], at
    events.record(
        "customer_information.ended",
        tenant_id=row.tenant_id,
        object_type="customerinformation",
        object_id=row.pk,
        charge_point=row.charge_point.identity,
        data={"state": state, "report": row.report, "clear": row.clear},
        at=at,
    )


def end_late(now: datetime) -> int:
    """End what was not answered, or not to the end; returns how many."""
    rows = CustomerInformation.objects.filter(ended_at=None)
    found = list(rows.select_related("charge_point", "command").order_by("pk")[:_BATCH])
    return sum(_end_one(row, now) for row in found)


@atomic
def _end_one(row: CustomerInformation, now: datetime) -> int:
    command = row.command
    is_refused = (
        command is not None
        and command.is_final
        and command.status != CommandStatus.ACCEPTED
        and not row.parts
    )
    is_late = row.updated_at < now - PATIENCE and (command is None or command.is_final)
    if not (is_refused or is_late):
        return 0
    still = CustomerInformation.objects.select_for_update(no_key=True).filter(
        pk=row.pk, ended_at=None, updated_at=row.updated_at
    )
    if not still.exists():
        return 0
    if is_refused and command is not None:
        note = command.summary or f"The order: {command.get_status_display().lower()}."
        _end(row, ReportState.REFUSED, note, now)
    else:
        _end(row, ReportState.INCOMPLETE, "The charger sent no more.", now)
    row.save()
    return 1


# ---------------------------------------------------------------- the local list


def _take_off_the_list(command: Command, at: datetime) -> None:
    """Only we may change the list of tags: leave the customer's tag out of this charger's from now on."""
    order = command.payload if isinstance(command.payload, dict) else {}
    value = customer_orders.tag_of(order, raw=command.action[:1].isupper())
    local_list = (
        LocalList.objects.filter(charge_point_id=command.charge_point_id)
        .select_related("charge_point", "tenant", "holds")
        .first()
    )
    if not value or local_list is None:
        return
    token = find_token(tenant=local_list.tenant, value=value)
    if token is not None:
        local_list.without.add(token)
    if local_list.is_active:
        LocalList.objects.filter(pk=local_list.pk).update(look_at=at)
    elif local_list.holds is not None and value.casefold() in entries_of(local_list.holds):
        _remove_once(local_list.charge_point, value)


def _remove_once(charge_point: ChargePoint, value: str) -> None:
    """A list that does not follow the tags by itself still loses this one."""
    try:
        commands.queue(
            actor=Actor.system(_LIST_ACTOR),
            charge_point=charge_point,
            action="send_local_list",
            payload={"update_type": "Differential", "entries": [{"id_token": value}]},
            expires_in=_LIST_WAITS_S,
        )
    except (errors.ChargePointsError, AccountsError) as error:
        events.record(
            "customer_information.list_not_updated",
            tenant_id=charge_point.tenant_id,
            object_type="charge_point",
            object_id=charge_point.pk,
            charge_point=charge_point.identity,
            data={"reason": str(error)},
        )


# ---------------------------------------------------------------- throwing away


@atomic
def forget(*, actor: Actor, row: CustomerInformation) -> CustomerInformation:
    """Throw away what was reported; that it was asked for stays.  Raises PermissionRefused, NothingToForget."""
    require(actor, CUSTOMER, row)
    if not row.text:
        raise errors.NothingToForget
    row.text = ""
    row.note = f"Deleted by {actor.name}."[:300]
    row.save(update_fields=["text", "note", "updated_at"])
    audit.record(actor, "customer_information.forget", row)
    return row


def purge_texts(now: datetime) -> int:
    """Throw away reports older than RETENTION_CUSTOMER_INFORMATION_DAYS; returns how many."""
    days = settings.RETENTION_CUSTOMER_INFORMATION_DAYS
    if not days:
        return 0
    old = CustomerInformation.objects.filter(created_at__lt=now - timedelta(days=days)).exclude(text="")
    return old.update(text="", note=f"Deleted after {days} days.", updated_at=timezone.now())


PART: Act[InformationPart, StationBatch] = Act(decide_part)
