"""The people, sites and chargers of a seeded database: small tables, written by the ORM."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.choices import Role
from accounts.models import Driver, IdToken, Membership, Tenant, TokenGroup, User
from accounts.services.tenants import ensure_default_tenant
from chargepoints.choices import RefusalReason, RegistrationStatus
from chargepoints.models import (
    ChargePoint,
    Connection,
    Connector,
    Evse,
    GatewayNode,
    Location,
    RefusedConnection,
    Variable,
)
from transactions.models import MeterLayout, Tariff

SLUG = "seed-"
IDENTITY = "SEED"
#: Shares of the chargers: one large operator, some small ones.
SHARES = (0.55, 0.22, 0.12, 0.08, 0.03)
CHARGERS_PER_LOCATION = 8
TAGS_PER_CHARGER = 30
CONNECTORS = 2
VARIABLES = 30
ONLINE = 0.92
_MODELS = (("Amperia", "Wall 22"), ("Amperia", "Column 44"), ("Voltron", "Fast 150"), ("Kilowatt AG", "K1"))
_STATUS = ("Available",) * 12 + ("Charging",) * 5 + ("Preparing", "SuspendedEV", "Faulted", "Unavailable")
_REGISTER = ["Energy.Active.Import.Register", "Wh", None, "Sample.Periodic", "Outlet", None]
_POWER = ["Power.Active.Import", "W", None, "Sample.Periodic", "Outlet", None]
_CURRENT = [["Current.Import", "A", phase, "Sample.Periodic", "Outlet", None] for phase in ("L1", "L2", "L3")]
_VOLTAGE = [["Voltage", "V", phase, "Sample.Periodic", "Outlet", None] for phase in ("L1-N", "L2-N", "L3-N")]
LAYOUTS = (
    ("seed-2", [_REGISTER, _POWER]),
    ("seed-5", [_REGISTER, _POWER, *_CURRENT]),
    ("seed-8", [_REGISTER, _POWER, *_CURRENT, *_VOLTAGE]),
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the big tables hang on."""

    tenants: Sequence[Tenant]
    chargers: int


def make_fleet(*, chargers: int, now: datetime) -> Fleet:
    """Tenants with people, tags, tariffs, sites and chargers."""
    ensure_default_tenant()
    tenants = [_tenant(number) for number in range(1, len(SHARES) + 1)]
    # May not sign in; `bench pages` opens pages in its name.
    administrator = User(username=f"{SLUG}administrator", is_superuser=True)
    administrator.set_unusable_password()
    administrator.save()
    points: list[ChargePoint] = []
    for tenant, count in zip(tenants, _counts(chargers), strict=True):
        points += _sites(tenant, count, start=len(points), now=now)
        _people(tenant, count=count)
    _equip(points, now)
    _connect(points, now)
    _strangers(tenants[0], now)
    for digest, columns in LAYOUTS:
        MeterLayout.objects.get_or_create(digest=digest, defaults={"columns": columns})
    return Fleet(tenants, len(points))


def _counts(chargers: int) -> list[int]:
    small = [max(1, round(chargers * share)) for share in SHARES[1:]]
    return [max(1, chargers - sum(small)), *small]


def _tenant(number: int) -> Tenant:
    tenant = Tenant.objects.create(
        slug=f"{SLUG}{number}", name=f"Seed {number}", currency="EUR", time_zone="Europe/Berlin"
    )
    components = [{"type": "ENERGY", "price": "0.49", "vat": "19", "step_size": None}]
    tariff = Tariff.objects.create(
        tenant=tenant, name="Energy", currency="EUR", elements=[{"price_components": components}]
    )
    tenant.default_tariff = tariff
    tenant.save(update_fields=["default_tariff"])
    user = User.objects.create(username=f"{SLUG}owner-{number}", email=f"owner{number}@example.com")
    user.set_unusable_password()
    user.save(update_fields=["password"])
    Membership.objects.create(tenant=tenant, user=user, role=Role.OWNER)
    return tenant


def _sites(tenant: Tenant, count: int, *, start: int, now: datetime) -> list[ChargePoint]:
    sites = Location.objects.bulk_create(
        Location(tenant=tenant, name=f"Site {number}", city=f"Town {number % 40}", country="DE")
        for number in range(-(-count // CHARGERS_PER_LOCATION))
    )
    return ChargePoint.objects.bulk_create(
        _charge_point(tenant, sites[n // CHARGERS_PER_LOCATION], start + n, now) for n in range(count)
    )


def _charge_point(tenant: Tenant, site: Location, number: int, now: datetime) -> ChargePoint:
    vendor, model = _MODELS[number % len(_MODELS)]
    identity = f"{IDENTITY}{number:05d}"
    return ChargePoint(
        tenant=tenant,
        identity=identity,
        identity_key=identity.casefold(),
        name=f"Charger {number}",
        location=site,
        vendor=vendor,
        model=model,
        serial_number=f"SN-{number:08d}",
        firmware_version=f"1.{number % 9}.0",
        ocpp_version="ocpp1.6",
        registration_status=RegistrationStatus.PENDING if number % 50 == 49 else RegistrationStatus.ACCEPTED,
        archived_at=now if number % 40 == 39 else None,
        status="Faulted" if number % 60 == 59 else "Available",
        status_at=now,
        last_boot_at=now - timedelta(days=number % 90),
        last_seen_at=now - timedelta(minutes=number % 5),
    )


def _people(tenant: Tenant, *, count: int) -> None:
    drivers = Driver.objects.bulk_create(
        Driver(tenant=tenant, name=f"Driver {n}", email=f"d{n}@{tenant.slug}.example.com")
        for n in range(count * TAGS_PER_CHARGER // 3)
    )
    groups = TokenGroup.objects.bulk_create(TokenGroup(tenant=tenant, name=f"GROUP{n}") for n in range(20))
    # Each n has a number of its own: 16777213 is a prime.
    values = [
        f"{(tenant.pk * 1_000_003 + n * 7919) % 16777213:06X}{n % 256:02X}"
        for n in range(count * TAGS_PER_CHARGER)
    ]
    IdToken.objects.bulk_create(
        [
            IdToken(
                tenant=tenant,
                value=value,
                value_key=value.casefold(),
                status="Blocked" if n % 50 == 0 else "Accepted",
                group=groups[n % 20] if n % 4 == 0 else None,
                driver=drivers[n // 3] if n // 3 < len(drivers) else None,
            )
            for n, value in enumerate(values)
        ],
        batch_size=5000,
    )


def _equip(points: Sequence[ChargePoint], now: datetime) -> None:
    for number in range(1, CONNECTORS + 1):
        evses = Evse.objects.bulk_create(
            Evse(tenant_id=row.tenant_id, charge_point=row, number=number) for row in points
        )
        Connector.objects.bulk_create(
            Connector(
                tenant_id=evse.tenant_id,
                charge_point_id=evse.charge_point_id,
                evse=evse,
                number=1,
                ocpp_number=number,
                status=_STATUS[(n * 7 + number) % len(_STATUS)],
                status_at=now,
                status_received_at=now,
            )
            for n, evse in enumerate(evses)
        )
    Variable.objects.bulk_create(
        [
            Variable(
                tenant_id=row.tenant_id,
                charge_point=row,
                name=f"Key{n}",
                name_key=f"key{n}",
                value=str(n),
                updated_at=now,
            )
            for row in points
            for n in range(VARIABLES)
        ],
        batch_size=5000,
    )


def _connect(points: Sequence[ChargePoint], now: datetime) -> None:
    node = GatewayNode.objects.create(
        host=f"{SLUG}node", pid=1, version="seed", started_at=now, lease_until=now + timedelta(days=30)
    )
    Connection.objects.bulk_create(
        Connection(
            tenant_id=row.tenant_id,
            charge_point=row,
            node=node,
            token=uuid.uuid4(),
            ocpp_version="ocpp1.6",
            security_profile=1,
            remote_address="192.0.2.1",
            connected_at=now - timedelta(minutes=n),
            last_frame_at=now,
        )
        for n, row in enumerate(points)
        if n % 100 < ONLINE * 100
    )


def _strangers(tenant: Tenant, now: datetime) -> None:
    reasons = list(RefusalReason)
    RefusedConnection.objects.bulk_create(
        RefusedConnection(
            tenant=tenant,
            identity=f"{IDENTITY}-STRANGER-{n}",
            reason=reasons[n % len(reasons)],
            remote_address="192.0.2.9",
            first_at=now - timedelta(days=40),
            last_at=now - timedelta(hours=n),
        )
        for n in range(500)
    )
