"""System checks: misconfiguration is found before the first charger meets it.

Errors about values run always; what only matters to the outside world runs with `manage.py check --deploy`.
"""

from __future__ import annotations

import ipaddress
import re
import stat
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils import timezone

from chargepoints.certificate_providers import get_provider
from csms_project.common import partitions
from ocpp_gateway.wire.errors import VERSIONS
from transactions.payment_providers import get_provider as get_payment_provider
from transactions.vat_numbers import get_provider as get_vat_provider

MIN_SECRET = 32
MIN_LEASE_S = 3
#: Our own checks, for processes that have no use for those of Django's site.
OURS = "csms"
POSITIVE = (
    "OCPP_HEARTBEAT_INTERVAL_S",
    "OCPP_PENDING_INTERVAL_S",
    "OCPP_PING_INTERVAL_S",
    "OCPP_PONG_TIMEOUT_S",
    "OCPP_CALL_TIMEOUT_S",
    "OCPP_MAX_MESSAGE_BYTES",
    "OCPP_MESSAGE_RATE",
    "OCPP_MESSAGE_BURST",
    "OCPP_HANDSHAKE_TIMEOUT_S",
    "OCPP_MAX_CONNECTORS",
    "OCPP_WRITER_QUEUE",
    "OCPP_WRITER_BATCH",
    "OCPP_WRITER_HOLD_S",
    "OCPP_PUT_ASIDE_AFTER_S",
    "OCPP_NODE_LEASE_S",
    "FIRMWARE_MAX_BYTES",
    "UPLOAD_MAX_BYTES",
    "FILE_LINK_HOURS",
    "FIRMWARE_PROGRESS_TIMEOUT_S",
    "PKI_CRL_DAYS",
    "PKI_REQUESTS_PER_HOUR",
)
NOT_NEGATIVE = (
    "RETENTION_MESSAGES_DAYS",
    "RETENTION_METER_VALUES_DAYS",
    "RETENTION_STATUS_EVENTS_DAYS",
    "RETENTION_VARIABLE_CHANGES_DAYS",
    "RETENTION_SECURITY_EVENTS_DAYS",
    "RETENTION_CHARGER_EVENTS_DAYS",
    "RETENTION_STREAM_VALUES_DAYS",
    "RETENTION_CUSTOMER_INFORMATION_DAYS",
    "RETENTION_EVENTS_DAYS",
    "RETENTION_REFUSED_DAYS",
    "RETENTION_UPLOADS_DAYS",
    "TARIFF_PRICE_PER_KWH",
)


@register(OURS)
def check_numbers(**_: Any) -> Sequence[CheckMessage]:
    """Intervals, limits and retention times."""
    found: list[CheckMessage] = []
    for name in POSITIVE:
        if getattr(settings, name) <= 0:
            found.append(
                Error(f"{name} must be greater than 0.", hint="Leave it out for the default.", id="csms.E001")
            )
    for name in NOT_NEGATIVE:
        if getattr(settings, name) < 0:
            found.append(
                Error(f"{name} must not be negative.", hint="0 keeps rows for ever.", id="csms.E002")
            )
    if settings.OCPP_WRITER_BATCH > settings.OCPP_WRITER_QUEUE:
        found.append(Error("OCPP_WRITER_BATCH is larger than OCPP_WRITER_QUEUE.", id="csms.E003"))
    if 0 < settings.OCPP_NODE_LEASE_S < MIN_LEASE_S:
        hint = "A process renews its lease once a second at most; 15 is a good value."
        found.append(Error(f"OCPP_NODE_LEASE_S must be at least {MIN_LEASE_S}.", hint=hint, id="csms.E019"))
    return found


@register(OURS)
def check_versions(**_: Any) -> Sequence[CheckMessage]:
    """The versions of OCPP that chargers may speak."""
    known = [name.removeprefix("ocpp") for name in VERSIONS]
    if settings.OCPP_VERSIONS and {version.strip() for version in settings.OCPP_VERSIONS} <= set(known):
        return []
    hint = f"Name at least one of {', '.join(known)}, separated by commas; leave it out for all."
    return [
        Error("OCPP_VERSIONS names a version that is not spoken here, or none.", hint=hint, id="csms.E026")
    ]


@register(OURS)
def check_tariff(**_: Any) -> Sequence[CheckMessage]:
    """The price that applies where no tariff is chosen."""
    found: list[CheckMessage] = []
    if not re.fullmatch(r"[A-Z]{3}", settings.TARIFF_CURRENCY):
        hint = "Use an ISO 4217 code in capitals, such as EUR."
        found.append(Error("TARIFF_CURRENCY is not a currency code.", hint=hint, id="csms.E004"))
    if not 0 <= settings.TARIFF_VAT_PERCENT <= 100:
        found.append(Error("TARIFF_VAT_PERCENT must be between 0 and 100.", id="csms.E005"))
    return found


@register(OURS)
def check_provider(**_: Any) -> Sequence[CheckMessage]:
    """The class that signs the chargers' certificates."""
    try:
        get_provider()
    except Exception as error:  # a class of somebody else, with whatever its module does
        hint = "Name a class that derives from chargepoints.certificate_providers.CertificateProvider."
        text = f"CERTIFICATE_PROVIDER cannot be used: {error}"
        return [Error(text, hint=hint, id="csms.E020")]
    return []


@register(OURS)
def check_payments(**_: Any) -> Sequence[CheckMessage]:
    """The classes that take payments and know VAT numbers; no fake payments where real ones are meant."""
    found: list[CheckMessage] = []
    for name, load in (("PAYMENT_PROVIDER", get_payment_provider), ("VAT_NUMBER_PROVIDER", get_vat_provider)):
        try:
            load()
        except Exception as error:  # a class of somebody else, with whatever its module does
            hint = "Name a class that derives from the interface in transactions.payment_providers or .vat_numbers."
            found.append(Error(f"{name} cannot be used: {error}", hint=hint, id="csms.E021"))
    return found


@register(OURS, Tags.security, deploy=True)
def check_fake_payments(**_: Any) -> Sequence[CheckMessage]:
    """Whoever scans a QR code would charge for nothing."""
    if settings.PAYMENT_PROVIDER.endswith(".FakeProvider"):
        hint = "Set PAYMENT_PROVIDER to the class of a payment provider, or leave it out."
        return [Error("PAYMENT_PROVIDER is the fake one: nobody would pay.", hint=hint, id="csms.E022")]
    return []


@register(OURS, Tags.security)
def check_secrets(**_: Any) -> Sequence[CheckMessage]:
    """The three secrets: usable, long enough, different."""
    found: list[CheckMessage] = []
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            Fernet(key)
        except ValueError:
            hint = "32 random bytes in URL-safe base64: head -c 32 /dev/urandom | base64 | tr '+/' '-_'"
            found.append(Error("FIELD_ENCRYPTION_KEYS holds an unusable key.", hint=hint, id="csms.E006"))
            break
    if not settings.PRODUCTION:
        return found
    newest = {
        "SECRET_KEY": settings.SECRET_KEY,
        "CHARGER_KEY_PEPPER": settings.CHARGER_KEY_PEPPERS[0],
        "FIELD_ENCRYPTION_KEYS": settings.FIELD_ENCRYPTION_KEYS[0],
    }
    for name, value in newest.items():
        if len(value) < MIN_SECRET:
            hint = f"Use {MIN_SECRET} or more random characters; keep the old value behind it, after a comma."
            found.append(Error(f"{name} is too short.", hint=hint, id="csms.E007"))
    if len(set(newest.values())) < len(newest):
        hint = "They are rotated for different reasons; give each its own value."
        found.append(Error("Two of the three secrets are the same.", hint=hint, id="csms.E008"))
    return found


@register(OURS, Tags.security)
def check_production(**_: Any) -> Sequence[CheckMessage]:
    """What production refuses outright."""
    if not settings.PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        hint = "Unset DEBUG: its error pages show settings and data."
        found.append(Error("DEBUG is on in production.", hint=hint, id="csms.E009"))
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        hint = "Set ALLOWED_HOSTS to the names under which the site is reached, comma separated."
        found.append(Error("ALLOWED_HOSTS must name the hosts in production.", hint=hint, id="csms.E010"))
    return found


@register(Tags.database)
def check_partitions(databases: Sequence[str] | None = None, **_: Any) -> Sequence[CheckMessage]:
    """Months that were not made ahead; only where the database may be asked (`check --database default`, `migrate`)."""
    if "default" not in (databases or ()):
        return []
    hint = "manage.py partitions --create repairs it; the job chargepoints.create_partitions should have."
    return [Warning(text, hint=hint, id="csms.W018") for text in partitions.problems(timezone.now())]


@register(Tags.security, deploy=True)
def check_deployment(**_: Any) -> Sequence[CheckMessage]:
    """What several processes and a proxy need."""
    found: list[CheckMessage] = []
    if settings.SQLITE:
        hint = "Set DATABASE_URL=postgresql://… to run more than one process or host."
        found.append(Warning("SQLite serves one process only.", hint=hint, id="csms.W011"))
    elif not settings.REDIS_URL:
        hint = (
            "Set REDIS_URL; without it commands wait for the next poll of the process that holds the socket."
        )
        found.append(Warning("No REDIS_URL: processes cannot wake each other.", hint=hint, id="csms.W012"))
    if not settings.PUBLIC_URL.startswith("https://"):
        hint = "Set PUBLIC_URL=https://… : the address that operators and chargers are shown."
        found.append(Warning("PUBLIC_URL is not an https address.", hint=hint, id="csms.W013"))
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < MIN_SECRET:
        hint = f"Use {MIN_SECRET} or more random characters, or unset it to allow the loopback address only."
        found.append(Warning("METRICS_TOKEN is too short.", hint=hint, id="csms.W014"))
    return [*found, *_proxies(), *_secret_files()]


def _proxies() -> list[CheckMessage]:
    hint = "List the addresses or networks of your own proxies: anybody in them may claim any client address."
    found: list[CheckMessage] = []
    for entry in settings.TRUSTED_PROXIES:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            found.append(
                Error(f"TRUSTED_PROXIES: {entry!r} is no address or network.", hint=hint, id="csms.E015")
            )
            continue
        if network.prefixlen == 0:
            found.append(Error(f"TRUSTED_PROXIES: {entry} trusts everybody.", hint=hint, id="csms.E016"))
    return found


def _secret_files() -> list[CheckMessage]:
    folder = settings.DATA_DIR / "secrets"
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    opened = [file.name for file in files if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if not opened:
        return []
    hint = f"chmod 600 {folder}/*"
    return [Warning(f"Others may read the secrets {', '.join(opened)}.", hint=hint, id="csms.W017")]
