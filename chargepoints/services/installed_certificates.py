"""The certificates that chargers hold (whitepaper and 2.0.1 M03–M05): as listed, and as taken or deleted since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db.transaction import atomic

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import commands, errors
from chargepoints.choices import AuthorityKind, CertificateKind, CertificateUse
from chargepoints.models import (
    Certificate,
    CertificateAuthority,
    ChargePoint,
    Command,
    FleetTask,
    InstalledCertificate,
    Variable,
)
from chargepoints.pki import reading
from chargepoints.pki.reading import HashData
from chargepoints.services import authorities, fleet

_KINDS = {
    CertificateUse.CENTRAL_SYSTEM: CertificateKind.CENTRAL_ROOT,
    CertificateUse.MANUFACTURER: CertificateKind.MANUFACTURER_ROOT,
    CertificateUse.V2G_ROOT: CertificateKind.V2G_ROOT,
    CertificateUse.MO_ROOT: CertificateKind.MO_ROOT,
    CertificateUse.OEM_ROOT: CertificateKind.OEM_ROOT,
}
#: What chargers are asked for that list one kind at a time.
_ONE_BY_ONE = (CertificateUse.CENTRAL_SYSTEM, CertificateUse.MANUFACTURER)
_FOR_VEHICLES = (
    CertificateUse.V2G_ROOT,
    CertificateUse.MO_ROOT,
    CertificateUse.OEM_ROOT,
    CertificateUse.V2G_CHAIN,
)
_MOST = 100
_MOST_ABOVE = 4  # 2.0.1 CertificateHashDataChainType


# ---------------------------------------------------------------- what chargers answered
@atomic
def listed(
    charge_point_id: int,
    use: str,
    found: Iterable[HashData],
    *,
    at: datetime,
    chains: Mapping[tuple[str, str, str, str], Sequence[HashData]] | None = None,
) -> int:
    """A charger has listed what it holds for a use: this and nothing else; returns how many.

    chains  for some of them, by their keys: the authorities that stand above them
    """
    station = _station(charge_point_id)
    if station is None or use not in CertificateUse.values:
        return 0
    unique = {item.key(): item for item in found}
    rows = [_row(station, use, item, at, is_reported=True) for item in list(unique.values())[:_MOST]]
    for row in rows:
        if above := (chains or {}).get(name_of(row).key()):
            row.chain = [_shortened(item) for item in above[:_MOST_ABOVE]]
    InstalledCertificate.objects.filter(charge_point=station, use=use).delete()
    InstalledCertificate.objects.bulk_create(rows)
    return len(rows)


def taken(charge_point_id: int, use: str, pem: str, *, at: datetime) -> None:
    """A charger has installed a root."""
    station = _station(charge_point_id)
    if station is None or use not in CertificateUse.values:
        return
    try:
        root = reading.load(pem)
    except reading.UnreadableCertificate:
        return  # it has taken what we cannot read: its next list will tell
    if not reading.is_self_signed(root):
        return  # how it names the root above is for its list to say
    names = [reading.hash_data(root, root, algorithm) for algorithm in reading.ALGORITHMS]
    keys = {item.key() for item in names}
    if any(item.key() in keys for item in map(name_of, _held(station, use))):
        return
    row = _row(station, use, names[0], at, is_reported=False)
    InstalledCertificate.objects.bulk_create([row], ignore_conflicts=True)


def deleted(charge_point_id: int, name: HashData) -> None:
    """A charger has deleted a root, or says that it has none of this name."""
    rows = InstalledCertificate.objects.filter(charge_point_id=charge_point_id)
    gone = [row.pk for row in rows if name_of(row).key() == name.key()]
    rows.filter(pk__in=gone).delete()


def _station(charge_point_id: int) -> ChargePoint | None:
    found: ChargePoint | None = ChargePoint.objects.filter(pk=charge_point_id).first()
    return found


def _held(station: ChargePoint, use: str) -> list[InstalledCertificate]:
    return list(InstalledCertificate.objects.filter(charge_point=station, use=use))


def _row(
    station: ChargePoint, use: str, item: HashData, at: datetime, *, is_reported: bool
) -> InstalledCertificate:
    return InstalledCertificate(
        tenant_id=station.tenant_id,
        charge_point=station,
        use=use,
        hash_algorithm=item.algorithm[:10],
        issuer_name_hash=item.issuer_name_hash[:128],
        issuer_key_hash=item.issuer_key_hash[:128],
        serial_number=item.serial_number[:40],
        is_reported=is_reported,
        updated_at=at,
    )


def _shortened(item: HashData) -> dict[str, str]:
    return {name: value[:128] for name, value in asdict(item).items()}


def name_of(row: InstalledCertificate) -> HashData:
    """How the charger names it."""
    return HashData(
        algorithm=row.hash_algorithm,
        issuer_name_hash=row.issuer_name_hash,
        issuer_key_hash=row.issuer_key_hash,
        serial_number=row.serial_number,
    )


# ---------------------------------------------------------------- what that is to us
@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A root in a charger, and who that is, if we know it.

    is_last  the only one of its use: without it the charger trusts nobody
    """

    row: InstalledCertificate
    known: CertificateAuthority | Certificate | None
    is_last: bool


def held_by(station: ChargePoint) -> list[Held]:
    """What a charger holds, with the roots that we know by these names."""
    rows = list(InstalledCertificate.objects.filter(charge_point=station).order_by("use", "pk"))
    known = _known(station, {name_of(row).key()[3] for row in rows}) if rows else {}
    counts = {use: sum(row.use == use for row in rows) for use in CertificateUse.values}
    return [
        Held(row=row, known=known.get(name_of(row).key()), is_last=counts.get(row.use) == 1) for row in rows
    ]


def _known(
    station: ChargePoint, serials: set[str]
) -> dict[tuple[str, ...], CertificateAuthority | Certificate]:
    found: dict[tuple[str, ...], CertificateAuthority | Certificate] = {}
    foreign = Certificate.objects.filter(serial_number__in=serials, tenant_id=station.tenant_id)
    for root in [*foreign, *CertificateAuthority.objects.filter(serial_number__in=serials)]:
        found.update({name.key(): root for name in root.names()})
    vouched = CertificateAuthority.objects.exclude(cross_signed_pem="").select_related("parent")
    for root in vouched:
        for name in _names_of_vouched(root):
            found.setdefault(name.key(), root)
    return found


def _names_of_vouched(root: CertificateAuthority) -> list[HashData]:
    """Of a new root as the one before has signed it."""
    if not root.cross_signed_pem:
        return []
    made = reading.load(root.cross_signed_pem)
    for other in CertificateAuthority.objects.filter(
        kind=AuthorityKind.ROOT, subject=made.issuer.rfc4514_string()
    ):
        return [
            reading.hash_data(made, reading.load(other.pem), algorithm) for algorithm in reading.ALGORITHMS
        ]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A root that can be installed with one click."""

    key: str
    label: str
    use: str
    pem: str


def offers_for(station: ChargePoint) -> Sequence[Offer]:
    """The roots that we trust or keep, the ones that sign now first."""
    own = [
        Offer(
            key=f"ca-{row.pk}",
            label=f"{row.common_name} (until {row.not_after:%Y-%m-%d})",
            use=CertificateUse.CENTRAL_SYSTEM,
            pem=_pem_for(station, row),
        )
        for row in authorities.trusted(AuthorityKind.ROOT).order_by("state", "-pk")
    ]
    foreign = Certificate.objects.filter(tenant_id=station.tenant_id, kind__in=_KINDS.values()).order_by(
        "-pk"
    )
    others = [
        Offer(
            key=f"root-{row.pk}",
            label=f"{row.common_name or row.subject} ({row.get_kind_display()}, until {row.not_after:%Y-%m-%d})",
            use=next(use for use, kind in _KINDS.items() if kind == row.kind),
            pem=row.pem,
        )
        for row in foreign
    ]
    return [*own, *others]


def _pem_for(station: ChargePoint, root: CertificateAuthority) -> str:
    """A charger that checks new roots wants ours as the one before has signed it (whitepaper M05.FR.09)."""
    if not root.cross_signed_pem:
        return root.pem
    checks = Variable.objects.filter(
        charge_point=station,
        component__in=("", "SecurityCtrlr"),
        name_key="additionalrootcertificatecheck",
        value__iexact="true",
    )
    return root.cross_signed_pem if checks.exists() else root.pem


def install(*, actor: Actor, charge_point: ChargePoint, offer: str, expires_in: int | None = None) -> Command:
    """Ask a charger to trust one of `offers_for`.

    Raises  Invalid, and what `commands.queue` raises
    """
    chosen = next((item for item in offers_for(charge_point) if item.key == offer), None)
    if chosen is None:
        raise errors.Invalid({"root": "There is no such root."})
    return commands.queue(
        actor=actor,
        charge_point=charge_point,
        action="install_certificate",
        payload={"certificate_type": chosen.use, "certificate": chosen.pem},
        expires_in=expires_in,
    )


def without(root: CertificateAuthority, tenant: Tenant, *, least_profile: int) -> list[ChargePoint]:
    """The chargers of an organisation that, as far as we know, do not hold a root.

    least_profile  only those with this security profile or a higher one
    """
    rows = ChargePoint.objects.for_tenant(tenant).filter(
        archived_at=None, security_profile__gte=least_profile
    )
    stations = list(rows.prefetch_related("installed_certificates").order_by("identity"))
    names = {name.key() for name in (*root.names(), *_names_of_vouched(root))}
    return [
        station
        for station in stations
        if not any(name_of(row).key() in names for row in station.installed_certificates.all())
    ]


def install_in_many(
    *,
    actor: Actor,
    tenant: Tenant,
    root: CertificateAuthority,
    charge_points: Sequence[ChargePoint],
    wait_s: int,
) -> FleetTask:
    """Let many chargers trust a root of ours: a task, in which each gets the form of it that it can check.

    wait_s  how long an order waits for a charger that is offline
    Raises  what `fleet.start_task` raises
    """
    orders = [
        fleet.Order(
            charge_point=station,
            action="install_certificate",
            payload={
                "certificate_type": CertificateUse.CENTRAL_SYSTEM.value,
                "certificate": _pem_for(station, root),
            },
        )
        for station in charge_points
    ]
    title = f"Install {root.common_name}"[:150]
    return fleet.start_task(actor=actor, tenant=tenant, title=title, orders=orders, expires_in=wait_s)


def delete(*, actor: Actor, installed: InstalledCertificate, expires_in: int | None = None) -> Command:
    """Ask a charger to delete a root; which ones it may not lose is for it to say (M04.FR.06).

    Raises  what `commands.queue` raises
    """
    scope = {"scope": "plug_and_charge"} if installed.use in _FOR_VEHICLES else {}
    return commands.queue(
        actor=actor,
        charge_point=installed.charge_point,
        action="delete_certificate",
        payload={**installed.order, **scope},
        expires_in=expires_in,
    )


@atomic
def ask(*, actor: Actor, charge_point: ChargePoint, expires_in: int | None = None) -> list[Command]:
    """Ask a charger for what it holds: for everything, or one kind after the other where it lists no more at a time.

    Raises  what `commands.queue` raises
    """
    kinds: list[dict[str, str]] = [{"certificate_type": use.value} for use in _ONE_BY_ONE]
    return [
        commands.queue(
            actor=actor,
            charge_point=charge_point,
            action=_LIST,
            payload=payload,
            expires_in=expires_in,
        )
        for payload in ([{}] if _lists_everything(charge_point) else kinds)
    ]


_LIST = "get_installed_certificate_ids"


def _lists_everything(charge_point: ChargePoint) -> bool:
    """Whether it can be asked for all kinds at once; one that never came may speak any version."""
    if not charge_point.ocpp_version:
        return False
    try:
        commands.check_order(charge_point, _LIST, {})
    except errors.InvalidPayload:
        return False
    return True
