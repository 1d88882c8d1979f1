"""Writing the demo: people and chargers by the services of operators, sessions by those of chargers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.transaction import atomic

from accounts.models import Driver, Tenant
from accounts.permissions import Actor
from accounts.services.people import create_driver
from accounts.services.tokens import create_token, get_or_create_group
from chargepoints.choices import RefusalReason
from chargepoints.keys import hash_key, verify_key
from chargepoints.models import ChargePoint, Location
from chargepoints.services.connections import Refusal, Refused, decide_refusal
from chargepoints.services.registration import Boot, decide_boot
from chargepoints.services.stations import register_charge_point
from chargepoints.services.status import StatusChange, decide_status
from csms_project.demo import catalog
from csms_project.demo.plan import DAYS, PlannedSample, PlannedSession, plan_month
from transactions.energy import Sample
from transactions.models import Tariff
from transactions.services.batch import Moment, SessionBatch
from transactions.services.metering import Metered, decide_metered
from transactions.services.starts import Start, decide_start, want_start
from transactions.services.stops import Stop, decide_stop

ACTOR = Actor.system("demo", via="cli")
#: Sessions in one batch: more make each look-up among the new rows longer.
_BATCH = 20
_DELAY = timedelta(seconds=1)


class DemoError(Exception):
    """The demo cannot be made or removed; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo tenant; `was_made` is false when it existed."""

    tenant: Tenant
    was_made: bool


def ensure_demo(*, now: datetime, days: int = DAYS) -> Demo:
    """Make the demo tenant with all its rows, or find it.

    Raises  DemoError  somebody else's tenant or chargers have its names
    """
    found = Tenant.objects.filter(slug=catalog.SLUG).first()
    if found is not None:
        if not found.is_demo:
            raise DemoError(
                f"A tenant {catalog.SLUG!r} exists that is not the demo: the demo would mix with it."
            )
        return Demo(found, was_made=False)
    keys = [spec.identity.casefold() for spec in catalog.CHARGERS]
    if taken := ChargePoint.objects.filter(identity_key__in=keys).first():
        raise DemoError(
            f"A charge point {taken.identity} exists in another tenant: the demo needs that identity."
        )
    with atomic():
        return Demo(_seed(now, days), was_made=True)


def _seed(now: datetime, days: int) -> Tenant:
    tenant = Tenant.objects.create(
        slug=catalog.SLUG,
        name=catalog.NAME,
        currency=catalog.CURRENCY,
        time_zone=catalog.TIME_ZONE,
        is_demo=True,
    )
    tariffs = _make_tariffs(tenant)
    tenant.default_tariff = tariffs["City"]
    tenant.save(update_fields=["default_tariff"])
    _make_people(tenant, tariffs, now)
    stations = _make_stations(tenant, tariffs)
    sessions = plan_month(until=now, days=days)
    for position in range(0, len(sessions), _BATCH):
        _charge(sessions[position : position + _BATCH], stations)
    _report(stations, now)
    return tenant


def _make_tariffs(tenant: Tenant) -> dict[str, Tariff]:
    rows = {}
    for spec in catalog.TARIFFS:
        row = Tariff(
            tenant=tenant,
            name=spec.name,
            currency=catalog.CURRENCY,
            description=spec.description,
            elements=spec.elements,
        )
        row.full_clean()
        row.save()
        rows[spec.name] = row
    return rows


def _make_people(tenant: Tenant, tariffs: dict[str, Tariff], now: datetime) -> None:
    drivers: dict[str, Driver] = {}
    for number, name in enumerate(catalog.DRIVERS, start=1):
        email = f"driver{number}@example.com"
        drivers[name] = create_driver(actor=ACTOR, tenant=tenant, name=name, email=email)
    for tag in catalog.TAGS:
        group = get_or_create_group(actor=ACTOR, tenant=tenant, name=tag.group) if tag.group else None
        expires = None if tag.expires_in_days is None else now + timedelta(days=tag.expires_in_days)
        create_token(
            actor=ACTOR,
            tenant=tenant,
            value=tag.value,
            group=group,
            driver=drivers.get(tag.driver),
            tariff=tariffs.get(tag.tariff),
            status=tag.status,
            expires_at=expires,
            note=tag.note,
        )


def _make_stations(tenant: Tenant, tariffs: dict[str, Tariff]) -> dict[str, ChargePoint]:
    sites = {}
    for site in catalog.SITES:
        row = Location(tenant=tenant, name=site.name, tariff=tariffs[site.tariff], **site.fields)
        row.full_clean()
        row.save()
        sites[site.name] = row
    stations = {}
    for spec in catalog.CHARGERS:
        registered = register_charge_point(
            actor=ACTOR,
            tenant=tenant,
            identity=spec.identity,
            name=spec.name,
            authorization_key=charger_key(spec.identity),
            location=sites[spec.site],
            connectors=catalog.CONNECTORS,
            **spec.fields,
        )
        stations[spec.identity] = registered.charge_point
        standard = "IEC_62196_T2_COMBO" if spec.is_fast else "IEC_62196_T2"
        registered.charge_point.connectors.update(standard=standard, max_power_w=spec.power_w)
    return stations


def charger_key(identity: str) -> str:
    """The key of a demo charger: made of the installation's secret, so that nothing needs to be stored."""
    secret = settings.CHARGER_KEY_PEPPERS[0].encode()
    return hmac.new(secret, f"demo charger {identity}".encode(), hashlib.sha256).hexdigest()[:40]


def live_keys(tenant: Tenant) -> dict[str, str]:
    """Keys of the chargers that the simulator runs; hashes made with an older secret are renewed."""
    keys = {spec.identity: charger_key(spec.identity) for spec in catalog.CHARGERS if spec.is_live}
    for station in ChargePoint.objects.for_tenant(tenant).filter(identity__in=keys):
        if not verify_key(keys[station.identity].encode(), station.key_hash):
            station.key_hash = hash_key(keys[station.identity])
            station.save(update_fields=["key_hash", "updated_at"])
    return keys


# ------------------------------------------------------------------ sessions


def _charge(sessions: Sequence[PlannedSession], stations: dict[str, ChargePoint]) -> None:
    """Let some sessions happen as if their chargers had sent them at the time."""
    batch = SessionBatch(now=sessions[-1].ended_at)
    starts = [_start(session, stations[session.identity]) for session in sessions]
    for request in starts:
        want_start(request, batch)
    batch.load()
    for session, request in zip(sessions, starts, strict=True):
        ocpp_id = decide_start(request, batch).ocpp_id
        for sample in session.samples:
            decide_metered(_metered(session, sample, ocpp_id, request), batch)
        decide_stop(_stop(session, ocpp_id, request), batch)
    batch.store()


def _start(session: PlannedSession, station: ChargePoint) -> Start:
    return Start(
        charge_point_id=station.pk,
        tenant_id=station.tenant_id,
        received_at=session.started_at + _DELAY,
        connector_number=session.connector,
        id_token=session.tag,
        started_at=session.started_at,
        meter_start_wh=Decimal(session.meter_start_wh),
        meter_start_raw=str(session.meter_start_wh),
    )


def _metered(session: PlannedSession, sample: PlannedSample, ocpp_id: str, start: Start) -> Metered:
    register = Sample(
        value=str(sample.register_wh),
        measurand="Energy.Active.Import.Register",
        unit="Wh",
        context="Sample.Periodic",
        location="Outlet",
    )
    power = Sample(value=str(sample.power_w), measurand="Power.Active.Import", unit="W", location="Outlet")
    samples = [register, power]
    if sample.soc is not None:
        samples.append(Sample(value=str(sample.soc), measurand="SoC", unit="Percent", location="EV"))
    return Metered(
        charge_point_id=start.charge_point_id,
        tenant_id=start.tenant_id,
        received_at=sample.at + _DELAY,
        connector_number=session.connector,
        ocpp_id=ocpp_id,
        moments=(Moment(at=sample.at, samples=tuple(samples)),),
    )


def _stop(session: PlannedSession, ocpp_id: str, start: Start) -> Stop:
    return Stop(
        charge_point_id=start.charge_point_id,
        tenant_id=start.tenant_id,
        received_at=session.ended_at + _DELAY,
        ocpp_id=ocpp_id,
        ended_at=session.ended_at,
        meter_stop_wh=Decimal(session.meter_stop_wh),
        meter_stop_raw=str(session.meter_stop_wh),
        reason=session.reason,
        id_token=session.tag,
    )


# ------------------------------------------------------------------ what chargers say of themselves


def _report(stations: dict[str, ChargePoint], now: datetime) -> None:
    """Boot every charger and report its connectors; two are out of service."""
    batch = SessionBatch(now=now)
    for number, spec in enumerate(catalog.CHARGERS, start=1):
        station = stations[spec.identity]
        at = now - timedelta(minutes=20) if spec.is_live else now - timedelta(days=2)
        details = {
            "vendor": spec.vendor,
            "model": spec.model,
            "serial_number": f"{spec.model[:3].upper()}{202600 + number}",
            "firmware_version": spec.firmware,
        }
        boot = Boot(charge_point_id=station.pk, tenant_id=station.tenant_id, received_at=at, details=details)
        decide_boot(boot, batch)
        for connector in range(1, catalog.CONNECTORS + 1):
            is_broken = not spec.is_live and connector == 1
            decide_status(
                StatusChange(
                    charge_point_id=station.pk,
                    tenant_id=station.tenant_id,
                    received_at=at,
                    connector_number=connector,
                    status="Faulted" if is_broken else "Available" if spec.is_live else "Unavailable",
                    error_code="ConnectorLockFailure" if is_broken else "NoError",
                    at=at,
                ),
                batch,
            )
    silent = next(spec for spec in catalog.CHARGERS if not spec.is_live)
    refusal = Refusal(
        identity=silent.identity,
        refused=Refused(reason=RefusalReason.WRONG_KEY, http_status=401),
        at=now - timedelta(hours=5),
        remote_address="192.0.2.17",
        user_agent="Norwatt Wall 22",
        subprotocols="ocpp1.6",
    )
    decide_refusal(refusal, batch)
    batch.store()
