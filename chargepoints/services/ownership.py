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
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints.choices import RegistrationStatus
from chargepoints.commands import end_sent
from chargepoints.models import ChargePoint, Connection, GatewayNode
from chargepoints.models.sites import is_strict, keeps_repairs
from chargepoints.services.connections import station_event
from csms_project.common import bulk
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
    keeps_repairs: bool = True


def standings(charge_point_ids: Iterable[int]) -> dict[int, Standing]:
    """The standing of these chargers; deleted ones are missing."""
    return _standings(ChargePoint.objects.filter(pk__in=list(charge_point_ids)))


def _standings(rows: QuerySet[ChargePoint]) -> dict[int, Standing]:
    read_at = time.monotonic()
    values = rows.order_by().values_list(
        "pk",
        "connection__token",
        "registration_status",
        "accepted_at",
        "strict_schema",
        "profile_flags",
        "archived_at",
    )
    return {
        pk: Standing(
            token=token,
            registration=RegistrationStatus(status),
            was_accepted=accepted_at is not None,
            strict_schema=is_strict(strict, flags),
            keeps_repairs=keeps_repairs(flags),
            is_archived=archived_at is not None,
            read_at=read_at,
        )
        for pk, token, status, accepted_at, strict, flags, archived_at in values
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """How the chargers of a node stand, as far as there is something to say.

    lost     those whose row is not of the node's socket; None: deleted
    unusual  those of the others that are not simply accepted
    """

    lost: Mapping[int, Standing | None]
    unusual: Mapping[int, Standing]
    read_at: float  # monotonic

    def standing(self, charge_point_id: int, token: uuid.UUID) -> Standing | None:
        """The standing of a charger that the node holds with this token; None: it was deleted."""
        if charge_point_id in self.lost:
            return self.lost[charge_point_id]
        if charge_point_id in self.unusual:
            return self.unusual[charge_point_id]
        return Standing(
            token=token,
            registration=RegistrationStatus.ACCEPTED,
            was_accepted=True,
            strict_schema=False,
            is_archived=False,
            read_at=self.read_at,
        )


def review(*, node_id: uuid.UUID, held: Mapping[int, uuid.UUID], before: datetime) -> Review:
    """Compare what a node holds with the rows, and remove its connections whose sockets it no longer holds.

    Those stay behind where the database was away when the socket ended. Thousands of chargers are as usual: only
    their tokens are read.

    held    charge point → token of the node's live sockets
    before  only connections made earlier go: old enough that none of them can be missing from `held` as too new
    """
    read_at = time.monotonic()
    rows = bulk.fetch(Connection, ("charge_point_id", "token", "connected_at"), {"node_id": [node_id]})
    ghosts = {pk: token for pk, token, at in rows if at < before and held.get(pk) != token}
    if ghosts:
        # By token as well: a charger that came back since has another row by now.
        doomed = Connection.objects.filter(node_id=node_id, connected_at__lt=before)
        _drop(doomed.filter(charge_point_id__in=ghosts.keys(), token__in=ghosts.values()))
    if not held:
        return Review(lost={}, unusual={}, read_at=read_at)
    owned = {pk: token for pk, token, _ in rows}
    lost = [pk for pk, token in held.items() if owned.get(pk) != token]
    found = standings(lost) if lost else {}
    mine = ChargePoint.objects.filter(connection__node_id=node_id)
    unusual = (
        ~Q(registration_status=RegistrationStatus.ACCEPTED)
        | Q(accepted_at__isnull=True)
        | Q(strict_schema=True)
        | ~Q(profile_flags="")
        | Q(archived_at__isnull=False)
    )
    return Review(
        lost={pk: found.get(pk) for pk in lost}, unusual=_standings(mine.filter(unusual)), read_at=read_at
    )


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
