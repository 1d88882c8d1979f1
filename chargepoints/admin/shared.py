"""What several pages about charge points need."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from accounts.errors import AccountsError
from chargepoints.choices import (
    CertificateRequestState,
    CertificateState,
    CommandStatus,
    ConnectorStatus,
    RegistrationStatus,
    ReservationStatus,
    SecurityProfile,
    UpgradeStatus,
)
from chargepoints.errors import ChargePointsError
from chargepoints.models import Certificate, CertificateRequest, ChargePoint, Reservation
from csms_project.common.admin import chip

#: What services of charge points may refuse with.
ERRORS = (AccountsError, ChargePointsError)

CONNECTOR_TONES = {
    ConnectorStatus.AVAILABLE: "ok",
    ConnectorStatus.CHARGING: "info",
    ConnectorStatus.OCCUPIED: "info",
    ConnectorStatus.FAULTED: "bad",
    ConnectorStatus.UNAVAILABLE: "neutral",
    ConnectorStatus.UNKNOWN: "neutral",
}
COMMAND_TONES = {
    CommandStatus.QUEUED: "neutral",
    CommandStatus.SENT: "info",
    CommandStatus.ACCEPTED: "ok",
    CommandStatus.REJECTED: "warn",
    CommandStatus.NOT_SUPPORTED: "warn",
    CommandStatus.CANCELLED: "neutral",
}
RESERVATION_TONES = {
    ReservationStatus.REQUESTED: "info",
    ReservationStatus.ACTIVE: "ok",
    ReservationStatus.REJECTED: "warn",
}
CERTIFICATE_TONES = {
    CertificateState.ISSUED: "info",
    CertificateState.DELIVERED: "info",
    CertificateState.INSTALLED: "ok",
    CertificateState.REJECTED: "bad",
    CertificateState.REVOKED: "bad",
    CertificateState.EXPIRED: "bad",
}
REQUEST_TONES = {
    CertificateRequestState.RECEIVED: "info",
    CertificateRequestState.WAITING: "warn",
    CertificateRequestState.SIGNED: "info",
    CertificateRequestState.DELIVERED: "ok",
    CertificateRequestState.REFUSED: "bad",
    CertificateRequestState.FAILED: "bad",
}
UPGRADE_TONES = {
    UpgradeStatus.REQUESTED: "info",
    UpgradeStatus.WAITING: "info",
    UpgradeStatus.FELL_BACK: "warn",
    UpgradeStatus.DONE: "ok",
    UpgradeStatus.REJECTED: "bad",
    UpgradeStatus.CANCELLED: "neutral",
}
REGISTRATION_TONES = {
    RegistrationStatus.ACCEPTED: "ok",
    RegistrationStatus.PENDING: "warn",
    RegistrationStatus.REJECTED: "bad",
}


def ocpp_url(request: HttpRequest, charge_point: ChargePoint) -> str:
    """The URL to type into a charger; its security profile decides about TLS."""
    base = urlsplit(settings.PUBLIC_URL or request.build_absolute_uri("/"))
    with_tls = charge_point.security_profile >= SecurityProfile.TLS_BASIC
    if charge_point.security_profile == SecurityProfile.NONE or settings.OCPP_ACCEPT_HIGHER_PROFILE:
        with_tls = with_tls or base.scheme == "https"
    scheme = "wss" if with_tls else "ws"
    return f"{scheme}://{base.netloc}{settings.OCPP_PATH}{quote(charge_point.identity, safe='')}"


def usual_profile(request: HttpRequest) -> SecurityProfile:
    """What a new charger is given where nothing else is said: TLS where the site has it."""
    is_secure = urlsplit(settings.PUBLIC_URL or request.build_absolute_uri("/")).scheme == "https"
    return SecurityProfile.TLS_BASIC if is_secure else SecurityProfile.BASIC


def connector_chip(number: str, status: str, *, error_code: str = "", info: str = "") -> SafeString:
    """A connector's number (`Connector.label`) and status; the error is in its title."""
    known = status in ConnectorStatus.values
    label = ConnectorStatus(status).label if known else status
    tone = CONNECTOR_TONES.get(ConnectorStatus(status), "warn") if known else "warn"
    problem = error_code if error_code and error_code != "NoError" else ""
    return chip(f"{number} {label}", tone, title=" ".join(filter(None, (problem, info))))


def own_status_chip(charge_point: Any) -> SafeString | str:
    """Status of the charger itself, unless it is what one expects."""
    status = charge_point.status
    if status in (ConnectorStatus.AVAILABLE, ConnectorStatus.UNKNOWN):
        return ""
    title = " ".join(filter(None, (charge_point.error_code, charge_point.status_info)))
    return chip(charge_point.get_status_display(), "bad" if status == "Faulted" else "neutral", title=title)


def command_chip(command: Any) -> SafeString:
    """The state of a command; what went wrong is in its title."""
    error = command.error if isinstance(command.error, dict) else {}
    title = " ".join(str(error.get(name) or "") for name in ("code", "description")).strip()
    return chip(
        command.get_status_display(), COMMAND_TONES.get(CommandStatus(command.status), "bad"), title=title
    )


def online_dot(is_online: bool) -> SafeString:
    """A dot that says whether the socket is open, in words for screen readers too."""
    word = "Online" if is_online else "Offline"
    return format_html(
        '<span class="cs-dot {}" title="{}"></span><span class="cs-hidden">{}</span>',
        "cs-on" if is_online else "cs-off",
        word,
        word,
    )


def ago(moment: datetime | None) -> str:
    """For example “3 minutes ago”."""
    if moment is None:
        return "never"
    now = timezone.now()
    if (now - moment).total_seconds() < 60:
        return "just now"
    return f"{timesince(moment, now, depth=1)} ago"


def charge_point_link(charge_point: Any) -> SafeString:
    """A link to the charge point's page."""
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    return format_html('<a class="cs-link" href="{}">{}</a>', url, charge_point)


def reservation_chip(row: Reservation) -> SafeString:
    """How a reservation stands; why it ended is in its title."""
    tone = RESERVATION_TONES.get(ReservationStatus(row.status), "neutral")
    return chip(row.get_status_display(), tone, title=row.end_reason)


def days_left(moment: datetime, *, warn_days: int = 30) -> SafeString:
    """A date of expiry, with a warning when it is near or past."""
    days = (moment - timezone.now()).days
    date = date_format(timezone.localtime(moment), "j M Y")
    if moment <= timezone.now():
        return chip(date, "bad", title="has expired")
    if days < warn_days:
        return chip(date, "warn", title=f"{days} days left")
    return format_html('<span class="cs-nowrap">{}</span>', date)


def pem_block(pem: str) -> SafeString:
    """A certificate as text."""
    return format_html('<pre class="cs-code">{}</pre>', pem.strip())


def certificate_chip(row: Certificate) -> SafeString:
    """The state of a certificate; why it was revoked is in its title."""
    title = row.get_revocation_reason_display() if row.revocation_reason else ""
    return chip(
        row.get_state_display(), CERTIFICATE_TONES.get(CertificateState(row.state), "neutral"), title=title
    )


def request_chip(row: CertificateRequest) -> SafeString:
    """How a certificate request stands; what is wrong is in its title."""
    tone = REQUEST_TONES.get(CertificateRequestState(row.state), "neutral")
    return chip(row.get_state_display(), tone, title=row.problem)
