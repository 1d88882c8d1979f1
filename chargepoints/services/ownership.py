"""Which gateway process owns which charger: leases, take-backs, and cleaning up behind what died.

Leases are written and judged by the database's clock: those of the machines may differ.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.choices import RegistrationStatus
from chargepoints.commands import end_sent
from chargepoints.models import ChargePoint, Connection, GatewayNode
from chargepoints.services.connections import station_event
from csms_project.common.events import record_all

DROP_AT_ONCE = 500
NODE_AGE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a charger stands in the database: the token that owns it, and what operators may have changed."""

    token: uuid.UUID | None
    registration: RegistrationStatus
    was_accepted: bool
    strict_schema: bool
    is_archived: bool
    read_at: float  # monotonic


def standings(charge_point_ids: Iterable[int]) -> dict[int, Standing]:
    """The standing of these chargers; deleted ones are missing."""
    read_at = time.monotonic()
    rows = ChargePoint.objects.filter(pk__in=list(charge_point_ids)).values_list(
        "pk", "connection__token", "registration_status", "accepted_at", "strict_schema", "archived_at"
    )
    return {
        pk: Standing(
            token=token,
            registration=RegistrationStatus(status),
            was_accepted=accepted_at is not None,
            strict_schema=strict,
            is_archived=archived_at is not None,
            read_at=read_at,
        )
        for pk, token, status, accepted_at, strict, archived_at in rows
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaim:
    """A live socket whose row has gone."""

    charge_point_id: int
    tenant_id: int
    token: uuid.UUID
    node_id: uuid.UUID
    ocpp_version: str
    at: datetime


def reclaim(request: Reclaim) -> bool:
    """Take an orphaned charger again; false when another socket has it by now."""
    profile = (
        ChargePoint.objects.filter(pk=request.charge_point_id)
        .values_list("security_profile", flat=True)
        .first()
    )
    if profile is None:
        return False
    _, made = Connection.objects.get_or_create(
        charge_point_id=request.charge_point_id,
        defaults={
            "tenant_id": request.tenant_id,
            "node_id": request.node_id,
            "token": request.token,
            "ocpp_version": request.ocpp_version,
            "security_profile": profile,
            "connected_at": request.at,
            "last_frame_at": request.at,
        },
    )
    return made


def renew_lease(*, node_id: uuid.UUID, host: str, pid: int, version: str, started_at: datetime) -> None:
    """Say that a gateway process is alive for another OCPP_NODE_LEASE_S seconds."""
    lease = Now() + timedelta(seconds=settings.OCPP_NODE_LEASE_S)
    GatewayNode.objects.update_or_create(
        pk=node_id,
        defaults={"lease_until": lease, "stopped_at": None},
        create_defaults={
            "host": host[:100],
            "pid": pid,
            "version": version,
            "started_at": started_at,
            "lease_until": lease,
        },
    )


def end_lease(*, node_id: uuid.UUID) -> None:
    """A gateway process has stopped in good order: its chargers are offline at once."""
    GatewayNode.objects.filter(pk=node_id).update(lease_until=Now(), stopped_at=Now())
    Connection.objects.filter(node_id=node_id).delete()


def drop_dead(*, limit: int = DROP_AT_ONCE) -> int:
    """Clean up behind gateway processes whose lease has run out; returns the number of connections removed.

    Their chargers are offline from the end of the lease, whoever looks; this ends what was sent to them and tells it.
    Any process may do it, several at once too.

    limit  connections to remove at once; more are left to the next call
    """
    held = Exists(Connection.objects.filter(node_id=OuterRef("pk")))
    dead = list(
        GatewayNode.objects.filter(held, lease_until__lt=Now()).order_by().values_list("pk", flat=True)
    )
    if not dead:
        return 0
    # Judged again under the lock: a process that was only frozen may have come back.
    return _drop(Connection.objects.filter(node_id__in=dead, node__lease_until__lt=Now()), limit=limit)


def forget_old_nodes() -> int:
    """Remove the rows of processes that ended a week ago; returns how many."""
    return GatewayNode.objects.filter(lease_until__lt=Now() - NODE_AGE).delete()[0]


def drop_ghosts(*, node_id: uuid.UUID, held: Mapping[int, uuid.UUID], before: datetime) -> int:
    """Remove a node's connections whose sockets it no longer holds; returns how many.

    They stay behind where the database was away when the socket ended.

    held    charge point → token of the node's live sockets
    before  only connections made earlier: old enough that none of them can be missing from `held` as too new
    """
    rows = Connection.objects.filter(node_id=node_id, connected_at__lt=before).order_by()
    ghosts = {
        pk: token for pk, token in rows.values_list("charge_point_id", "token") if held.get(pk) != token
    }
    if not ghosts:
        return 0
    # By token as well: a charger that came back since has another row by now.
    return _drop(rows.filter(charge_point_id__in=ghosts.keys(), token__in=ghosts.values()))


@atomic
def _drop(connections: QuerySet[Connection], *, limit: int | None = None) -> int:
    """Remove connections that nobody holds, fail what was sent on them, and tell it."""
    rows = (
        connections.select_for_update(no_key=True, of=("self",), skip_locked=True)
        .select_related("charge_point")
        .order_by("charge_point_id")
    )
    gone = list(rows[:limit])
    if not gone:
        return 0
    end_sent(closed={row.token: row.charge_point_id for row in gone}, live={})
    Connection.objects.filter(pk__in=[row.pk for row in gone]).delete()
    now = timezone.now()
    record_all(
        [station_event("charge_point.disconnected", row.charge_point, now, {"code": None}) for row in gone]
    )
    return len(gone)
