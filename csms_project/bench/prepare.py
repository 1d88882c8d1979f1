"""Charge points and tags for a load test, made without the REST API."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.transaction import atomic

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from accounts.services.tokens import create_token
from chargepoints.models import ChargePoint
from chargepoints.services.stations import register_charge_point

CHUNK = 500


def prepare(
    *, tenant: Tenant, identities: Sequence[str], tags: Sequence[str], key: str, connectors: int
) -> int:
    """Make what is missing, in the services' way; returns how many charge points were made.

    key  of every new charge point
    """
    actor = Actor.system("bench", via="cli")
    known = set(ChargePoint.objects.filter(identity__in=identities).values_list("identity", flat=True))
    missing = [identity for identity in identities if identity not in known]
    for at in range(0, len(missing), CHUNK):
        with atomic():
            for identity in missing[at : at + CHUNK]:
                register_charge_point(
                    actor=actor,
                    tenant=tenant,
                    identity=identity,
                    authorization_key=key,
                    connectors=connectors,
                )
    held = set(IdToken.objects.filter(tenant=tenant, value__in=tags).values_list("value", flat=True))
    with atomic():
        for value in tags:
            if value not in held:
                create_token(actor=actor, tenant=tenant, value=value)
    return len(missing)
