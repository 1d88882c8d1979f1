"""The end of certificates: told in time, asked to be renewed, and noted when it has come."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from accounts.permissions import Actor
from chargepoints import commands, errors, plug_and_charge
from chargepoints.certificate_providers import get_provider
from chargepoints.choices import (
    AuthorityState,
    CertificateKind,
    CertificateRequestState,
    CertificateState,
    Via,
)
from chargepoints.models import Certificate, CertificateAuthority, CertificateRequest
from chargepoints.services import authorities, certificates
from chargepoints.services.certificate_requests import FOR_VEHICLES

#: Without a setting of the organisation: a month, as the whitepaper says (A03.FR.02).
TELL_BEFORE = timedelta(days=30)
#: An authority needs longer: what it signs ends with it.
TELL_AUTHORITY_BEFORE = timedelta(days=365)
#: A charger is asked again after so long, as long as nothing came of it.
ASK_AGAIN_AFTER = timedelta(days=1)
BATCH = 500
_LIVE = (*certificates.GOOD, CertificateState.SUPERSEDED, CertificateState.REJECTED)


def watch(now: datetime) -> int:
    """Note what has expired, tell what will, and ask chargers to renew; returns how many rows were touched."""
    return _expire(now) + _tell_ahead(now) + _tell_authorities(now) + _ask_to_renew(now)


def _expire(now: datetime) -> int:
    due = Certificate.objects.filter(not_after__lte=now, state__in=_LIVE)
    done = 0
    for row in due.select_related("charge_point").order_by("pk")[:BATCH]:
        with atomic():
            was_good = row.state in certificates.GOOD
            rows = Certificate.objects.filter(pk=row.pk, state=row.state)
            if rows.update(state=CertificateState.EXPIRED, updated_at=now):
                done += 1
                if was_good:
                    certificates.tell("certificate.expired", row, at=now)
    return done


def expiring(now: datetime) -> QuerySet[Certificate]:
    """Certificates that are in use and near their end, the nearest first."""
    longest = now + timedelta(days=366)
    rows: QuerySet[Certificate] = Certificate.objects.filter(
        state__in=certificates.GOOD, not_after__gt=now, not_after__lte=longest
    )
    return rows.select_related("charge_point__tenant", "tenant").order_by("not_after", "pk")


def is_near(row: Certificate, now: datetime) -> bool:
    """Whether it is time to do something: as the organisation says, but not at once for what is short-lived."""
    days = row.tenant.renew_certificate_days if row.tenant is not None else None
    before = timedelta(days=days) if days is not None else TELL_BEFORE
    return row.not_after - now <= min(before, (row.not_after - row.not_before) / 3)


def _tell_ahead(now: datetime) -> int:
    rows = [row for row in expiring(now).filter(expiry_told_at=None)[:BATCH] if is_near(row, now)]
    for row in rows:
        with atomic():
            row.expiry_told_at = now
            row.save(update_fields=["expiry_told_at", "updated_at"])
            certificates.tell("certificate.expiring", row, at=now, not_after=row.not_after.isoformat())
    return len(rows)


def _tell_authorities(now: datetime) -> int:
    rows = CertificateAuthority.objects.filter(
        state=AuthorityState.ACTIVE, expiry_told_at=None, not_after__lte=now + TELL_AUTHORITY_BEFORE
    )
    found = list(rows)
    for row in found:
        with atomic():
            row.expiry_told_at = now
            row.save(update_fields=["expiry_told_at", "updated_at"])
            authorities.tell("authority.expiring", row)
    return len(found)


def _ask_to_renew(now: datetime) -> int:
    """Ask for a SignCertificate (whitepaper and 2.0.1 A02); whether it comes is up to the charger."""
    done = 0
    if not get_provider().problem():
        done += _ask_for(CertificateKind.CHARGER, "SignCertificate", now)
    if not plug_and_charge.get_provider().problem():
        done += _ask_for(CertificateKind.V2G, "SignV2GCertificate", now)
    return done


def _ask_for(kind: CertificateKind, message: str, now: datetime) -> int:
    """Those of a kind, by the message that asks for the request."""
    open_states = (
        CertificateRequestState.RECEIVED,
        CertificateRequestState.WAITING,
        CertificateRequestState.SIGNED,
    )
    is_for_vehicles = Q(purpose__in=FOR_VEHICLES)
    under_way = CertificateRequest.objects.filter(
        is_for_vehicles if kind == CertificateKind.V2G else ~is_for_vehicles,
        charge_point=OuterRef("charge_point"),
        state__in=open_states,
    )
    newer = Certificate.objects.filter(
        charge_point=OuterRef("charge_point"),
        kind=kind,
        state__in=certificates.GOOD,
        not_after__gt=OuterRef("not_after"),
    )
    long_ago = Q(renewal_asked_at=None) | Q(renewal_asked_at__lte=now - ASK_AGAIN_AFTER)
    rows = (
        expiring(now)
        .filter(long_ago, kind=kind, tenant__renew_certificate_days__isnull=False)
        .exclude(charge_point=None)
        .exclude(Exists(under_way))
        .exclude(Exists(newer))
    )
    return sum(_ask(row, message, now) for row in rows[:BATCH] if is_near(row, now))


def _ask(row: Certificate, message: str, now: datetime) -> int:
    assert row.charge_point is not None
    try:
        with atomic():
            Certificate.objects.filter(pk=row.pk).update(renewal_asked_at=now, updated_at=now)
            commands.queue(
                actor=Actor.system("certificates", via=Via.JOB),
                charge_point=row.charge_point,
                action="trigger_message",
                payload={"message": message},
                expires_in=int(ASK_AGAIN_AFTER.total_seconds()) - 3600,
            )
    except errors.ChargePointsError:
        return 0  # archived or rejected: nothing is asked of it
    return 1
