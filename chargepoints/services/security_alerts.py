"""Security events that call for a person, until one has acknowledged them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.errors import AlreadyAcknowledged
from chargepoints.models import SecurityEvent
from chargepoints.security_events import NORMAL, NORMAL_TYPES
from csms_project.common import audit

ACKNOWLEDGE = "security_events.acknowledge"


@atomic
def acknowledge(*, actor: Actor, event: SecurityEvent) -> SecurityEvent:
    """Note that somebody has looked at an event; of an alert that is the end.

    Raises  PermissionRefused, AlreadyAcknowledged
    """
    require(actor, ACKNOWLEDGE, event)
    rows = SecurityEvent.objects.filter(pk=event.pk, acknowledged_at=None)
    now, name = timezone.now(), actor.name[:150]
    if not rows.update(acknowledged_at=now, acknowledged_by_name=name):
        raise AlreadyAcknowledged
    event.acknowledged_at, event.acknowledged_by_name = now, name
    audit.record(actor, ACKNOWLEDGE, event, changes={"type": [None, event.type]})
    return event


def open_alerts(tenant: Tenant | None) -> QuerySet[SecurityEvent]:
    """Alerts that nobody has acknowledged, the newest first."""
    rows: QuerySet[SecurityEvent] = SecurityEvent.objects.for_tenant(tenant)
    return rows.filter(is_alert=True, acknowledged_at=None).order_by("-received_at", "-id")


def with_severity(rows: QuerySet[Any], severity: str) -> QuerySet[Any]:
    """The events of a severity; types that nobody knows are critical."""
    is_normal = Q(lower_type__in=NORMAL_TYPES)
    found: QuerySet[Any] = rows.alias(lower_type=Lower("type")).filter(
        is_normal if severity == NORMAL else ~is_normal
    )
    return found
