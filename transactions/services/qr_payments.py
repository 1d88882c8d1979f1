"""Dynamic QR codes: what a charger needs to make the codes in them, and whether a code is right (OCPP 2.1 C25)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from chargepoints import commands
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import ChargePoint, Command
from csms_project.common import audit, crypto
from transactions import errors, totp
from transactions.models import QrPayment, WebPayment

COMPONENT = "WebPaymentsCtrlr"
PAY_PATH = "/pay/"
#: Path parameters as the charger replaces them (C25, URL definition).
TEMPLATE = "{chargingstationid}/{evse}/{totp}/{version}/"
MAX_CODE = totp.MAX_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A code that is right: nobody has used it yet."""

    charge_point: ChargePoint
    evse: int
    interval: int


@atomic
def set_up(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    validity_s: int = 30,
    length: int = 8,
    expires_in: int | None = None,
) -> Command:
    """Give a charger a new secret, and the address that its QR code names.

    The codes of the secret before stay good until the next time, for the charger may not have taken the new one yet.

    Raises  PermissionRefused, Invalid (range, no PUBLIC_URL), and what `commands.queue` raises
    """
    require(actor, SEND_DANGEROUS, charge_point)
    _check(validity_s, length)
    template = url_template()
    secret = secrets.token_urlsafe(32)
    command = commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="set_variables",
        payload={"variables": _variables(secret, template, validity_s, length)},
        expires_in=expires_in,
    )
    before = QrPayment.objects.select_for_update(no_key=True).filter(charge_point=charge_point).first()
    QrPayment.objects.update_or_create(
        charge_point=charge_point,
        defaults={
            "tenant_id": charge_point.tenant_id,
            "secret": crypto.encrypt(secret),
            "earlier_secret": before.secret if before is not None else "",
            "validity_s": validity_s,
            "length": length,
            "url_template": template,
            "command": command,
            "set_at": timezone.now(),
        },
    )
    audit.record(actor, "qr_payment.set_up", charge_point, changes={"validity_s": [None, validity_s]})
    return command


def _check(validity_s: int, length: int) -> None:
    if not totp.MIN_VALIDITY_S <= validity_s <= totp.MAX_VALIDITY_S:
        text = f"Must be from {totp.MIN_VALIDITY_S} to {totp.MAX_VALIDITY_S} seconds."
        raise errors.Invalid({"validity_s": text})
    if not totp.MIN_LENGTH <= length <= totp.MAX_LENGTH:
        raise errors.Invalid({"length": f"Must be from {totp.MIN_LENGTH} to {totp.MAX_LENGTH} characters."})


def url_template() -> str:
    """The address with its placeholders.  Raises Invalid without PUBLIC_URL: no phone would reach us."""
    base = settings.PUBLIC_URL.rstrip("/")
    if not base:
        raise errors.Invalid({"url_template": "Set PUBLIC_URL first: the address that phones reach."})
    return f"{base}{PAY_PATH}{TEMPLATE}"


def _variables(secret: str, template: str, validity_s: int, length: int) -> list[dict[str, Any]]:
    values = {
        "URLTemplate": template,
        "TOTPVersion": totp.VERSION,
        "ValidityTime": str(validity_s),
        "SharedSecret": secret,
        "Length": str(length),
        "Enabled": "true",
    }
    return [{"key": f"{COMPONENT}/{name}", "value": value} for name, value in values.items()]


@atomic
def switch_off(*, actor: Actor, charge_point: ChargePoint) -> None:
    """Take no codes of this charger any more.  Raises PermissionRefused."""
    require(actor, SEND_DANGEROUS, charge_point)
    QrPayment.objects.filter(charge_point=charge_point).delete()
    audit.record(actor, "qr_payment.switch_off", charge_point)


def scan(*, identity: str, evse: int, given: str, version: str, at: datetime) -> Scanned:
    """Whether the code of an address is right and was not used.  Nothing is written.

    Raises  CodeWrong  also for chargers that there are not: nobody learns which there are
            CodeUsed   somebody has begun to pay with it
    """
    row = _find(identity)
    if row is None or version != totp.VERSION or len(given) != row.length:
        raise errors.CodeWrong
    interval = _interval(row, given, at)
    station = row.charge_point
    if interval is None or not _has_evse(station, evse):
        raise errors.CodeWrong
    used = WebPayment.objects.filter(charge_point=station, evse_number=evse, interval=interval)
    if used.exists():
        raise errors.CodeUsed
    return Scanned(charge_point=station, evse=evse, interval=interval)


def _find(identity: str) -> QrPayment | None:
    if not identity.isprintable() or len(identity) > 48:
        return None
    rows = QrPayment.objects.select_related(
        "charge_point__tenant__default_tariff", "charge_point__location__tariff", "charge_point__tariff"
    )
    found: QrPayment | None = rows.filter(
        Q(charge_point__identity_key=identity.casefold()), charge_point__archived_at=None
    ).first()
    return found


def _interval(row: QrPayment, given: str, at: datetime) -> int | None:
    for kept in filter(None, (row.secret, row.earlier_secret)):
        found = totp.find_interval(
            crypto.decrypt(kept), given, at, validity_s=row.validity_s, length=row.length
        )
        if found is not None:
            return found
    return None


def _has_evse(station: ChargePoint, evse: int) -> bool:
    """Whether it is an EVSE of the charger; a charger that has named none may name any."""
    numbers = list(station.evses.values_list("number", flat=True))
    return evse == 0 or not numbers or evse in numbers
