"""Upgrades to a higher security profile as people and programs handle them: look, start, try again, call off.

Chargers of OCPP 1.6 have a key for it; those of 2.x take a network profile (`network_upgrades`).
Spec: OCPP 1.6 security whitepaper and 2.0.1, A05.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.permissions import Actor
from chargepoints import commands, errors, network_upgrades, profile_changes
from chargepoints.choices import (
    OPEN_UPGRADE_STATUSES,
    CertificateKind,
    CertificateState,
    CertificateUse,
    CommandStatus,
    SecurityProfile,
    UpgradeStatus,
    Via,
)
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.models import (
    Certificate,
    ChargePoint,
    Command,
    Connection,
    InstalledCertificate,
    SecurityProfileUpgrade,
    Variable,
)
from chargepoints.selectors import find_live_connection, find_variable
from chargepoints.services import authorities
from chargepoints.services.network_choices import Network, network_of, takes_network_profiles
from csms_project.common import audit

OK, MISSING, UNKNOWN = "ok", "missing", "unknown"
ACT = "charge_points.upgrade_security"
#: How long the next order of an upgrade waits for a charger that is offline.
STEP_LIFE = timedelta(days=1)
_KEYED = (SecurityProfile.BASIC, SecurityProfile.TLS_BASIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a charger needs before its profile can be raised.

    state   ok, missing, or unknown: it cannot be seen from here
    action  the command that helps, and the arguments to begin with
    place   the part of the charge point's page that helps
    """

    name: str
    label: str
    state: str
    detail: str
    action: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    place: str = ""


# ---------------------------------------------------------------- looking
def find_latest(charge_point: ChargePoint) -> SecurityProfileUpgrade | None:
    """The upgrade that is under way, else the one before."""
    rows = SecurityProfileUpgrade.objects.filter(charge_point=charge_point)
    found: SecurityProfileUpgrade | None = rows.select_related("charge_point", "command").first()
    return found


def higher_profiles(charge_point: ChargePoint) -> list[SecurityProfile]:
    """What a charger can be upgraded to."""
    return [profile for profile in SecurityProfile if profile > charge_point.security_profile]


def steps(charge_point: ChargePoint, target: int, *, over_ocpp: bool = True) -> list[Step]:
    """What is there for the profile and what is not; the charger looks for itself, too (A05.FR.02–04)."""
    found = []
    if over_ocpp:
        by_network = takes_network_profiles(charge_point)
        found += [_connected(charge_point), (_slot if by_network else _known_key)(charge_point)]
    if target in _KEYED:
        found.append(_key(charge_point))
    if target >= SecurityProfile.TLS_BASIC:
        found += [_tls(), _root(charge_point)]
    if target == SecurityProfile.TLS_CERTIFICATE:
        found += [_cpo_name(charge_point), _certificate(charge_point), _authority()]
    return found


def _connected(charge_point: ChargePoint) -> Step:
    is_there = find_live_connection(charge_point) is not None
    return Step(
        name="connected",
        label="The charger is connected",
        state=OK if is_there else MISSING,
        detail="" if is_there else "The order waits until it comes, if you say so.",
    )


def _known_key(charge_point: ChargePoint) -> Step:
    variables = Variable.objects.filter(charge_point=charge_point, component="")
    row = variables.filter(name_key=profile_changes.KEY.casefold()).first()
    if row is not None:
        state, detail = OK, f"It reports {profile_changes.KEY} = {row.value or '?'}."
    elif variables.exists():
        state, detail = MISSING, "It has not listed the key: it may only be changeable at the charger itself."
    else:
        state, detail = UNKNOWN, "Its configuration was not read yet."
    return Step(
        name="supported",
        label="The charger knows the key SecurityProfile",
        state=state,
        detail=detail,
        action="" if state == OK else "get_configuration",
    )


def _key(charge_point: ChargePoint) -> Step:
    give = ("change_configuration", (("key", "AuthorizationKey"),))
    if problem := profile_changes.missing_key(charge_point, SecurityProfile.BASIC):
        state, detail = MISSING, problem
    elif charge_point.pending_key_hash:
        state, detail = UNKNOWN, "A new key was sent and not proven yet: the charger has to connect with it."
    elif charge_point.security_profile in _KEYED:
        state, detail = OK, "It signs in with it now."
    elif _has_taken_key(charge_point):
        state, detail = OK, "It has accepted one."
    else:
        state, detail = (
            UNKNOWN,
            "A key is set here; whether the charger has it shows at its first connection.",
        )
    action, arguments = ("", ()) if state == OK else give
    return Step(
        name="key",
        label="Authorization key",
        state=state,
        detail=detail,
        action=action,
        arguments=arguments,
    )


def _has_taken_key(charge_point: ChargePoint) -> bool:
    rows = Command.objects.filter(
        charge_point=charge_point,
        status=CommandStatus.ACCEPTED,
        action__in=("change_configuration", "ChangeConfiguration"),
    )
    names = Q(payload__key__iexact="AuthorizationKey") | Q(
        payload__key__iexact="SecurityCtrlr/BasicAuthPassword"
    )
    return rows.filter(names).exists()


def _tls() -> Step:
    has_tls = bool(settings.TLS_CERT) or settings.PUBLIC_URL.startswith("https://")
    has_tls = has_tls or Connection.objects.filter(security_profile__gte=SecurityProfile.TLS_BASIC).exists()
    return Step(
        name="tls",
        label="Chargers reach this system with TLS",
        state=OK if has_tls else UNKNOWN,
        detail=""
        if has_tls
        else "No charger is connected with TLS: see that a gateway or a proxy offers it at the charger's address.",
    )


def _root(charge_point: ChargePoint) -> Step:
    held = InstalledCertificate.objects.filter(
        charge_point=charge_point, use=CertificateUse.CENTRAL_SYSTEM
    ).count()
    if held:
        state, detail = OK, f"It holds {held} for this system."
    elif charge_point.security_profile >= SecurityProfile.TLS_BASIC:
        state, detail = OK, "It connects with TLS now."
    else:
        state, detail = UNKNOWN, "None is known: install one, or ask the charger which it holds."
    return Step(
        name="root",
        label="Root certificate of this system in the charger",
        state=state,
        detail=detail,
        place="" if state == OK else "certificates",
    )


def _cpo_name(charge_point: ChargePoint) -> Step:
    wanted = charge_point.tenant.certificate_organization
    row = find_variable(charge_point, "CpoName")
    if row is None:
        state, detail = (
            UNKNOWN,
            f"Its key CpoName (2.x: OrganizationName) should be “{wanted}” before it asks for a certificate.",
        )
    elif (row.value or "").strip().casefold() == wanted.casefold():
        state, detail = OK, f"“{wanted}”."
    else:
        state, detail = MISSING, f"It is “{row.value}”, and should be “{wanted}”."
    return Step(
        name="cpo_name",
        label="Name of the operator in the charger (CpoName)",
        state=state,
        detail=detail,
        action="" if state == OK else "change_configuration",
        arguments=() if state == OK else (("key", "CpoName"), ("value", wanted)),
    )


def _certificate(charge_point: ChargePoint) -> Step:
    now = timezone.now()
    valid = Certificate.objects.filter(
        charge_point=charge_point, kind=CertificateKind.CHARGER, not_before__lte=now, not_after__gt=now
    )
    there = valid.filter(state__in=(CertificateState.DELIVERED, CertificateState.INSTALLED)).first()
    if there is not None:
        state, detail = OK, f"Valid until {there.not_after:%Y-%m-%d}."
    elif valid.filter(state=CertificateState.ISSUED).exists():
        state, detail = MISSING, "It is signed and not delivered yet."
    else:
        state, detail = UNKNOWN, "None was delivered from here. One of an outside authority cannot be seen."
    return Step(
        name="certificate",
        label="Client certificate in the charger",
        state=state,
        detail=detail,
        place="" if state == OK else "certificates",
    )


def _authority() -> Step:
    outside = bool(settings.TLS_CLIENT_CA or settings.TLS_CLIENT_CERT_HEADER)
    is_known = outside or authorities.is_ready()
    return Step(
        name="authority",
        label="The authority of the certificate is believed here",
        state=OK if is_known else UNKNOWN,
        detail="" if is_known else "There is no built-in authority: the gateway needs --tls-client-ca.",
    )


def _slot(charge_point: ChargePoint) -> Step:
    found = network_of(charge_point, target=SecurityProfile.BASIC)
    if found.slots:
        state, detail = (
            OK,
            f"Slot {found.slot} gets the new address; {', '.join(found.slots)} stay behind it.",
        )
    else:
        state, detail = MISSING, "Which slots it uses is not known: ask it for a report of all variables."
    return Step(
        name="supported",
        label="A free slot for a network profile",
        state=state,
        detail=detail,
        action="" if state == OK else "get_base_report",
        arguments=() if state == OK else (("base", "FullInventory"),),
    )


# ---------------------------------------------------------------- acting
@atomic
def start(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    target_profile: int,
    over_ocpp: bool = True,
    expires_in: int | None = None,
    network_slot: int | None = None,
    network_url: str = "",
    network_interface: str = "",
) -> SecurityProfileUpgrade:
    """Let a charger change to a higher profile; until its first success with it the old one works as well.

    over_ocpp   order the change; otherwise somebody makes it at the charger, and the new profile is welcome at once
    expires_in  seconds that the order may wait for a charger that is offline; None: it must be online now
    network_…   of the network profile, for a charger of 2.x; left out: a free slot, our own address, Wired0
    Raises      PermissionRefused, Invalid, UpgradeUnderWay, and what `commands.queue` raises
    """
    require(actor, SEND_DANGEROUS, charge_point)
    row = ChargePoint.objects.select_for_update(no_key=True).get(pk=charge_point.pk)
    if target_profile not in higher_profiles(row):
        raise errors.Invalid(
            {"target_profile": f"Must be higher than the present profile, {row.security_profile}; 3 at most."}
        )
    if profile_changes.open_of(row) is not None:
        raise errors.UpgradeUnderWay
    if row.archived_at is not None:
        raise errors.ChargePointArchived
    if problem := profile_changes.missing_key(row, target_profile):
        raise errors.Invalid({"target_profile": problem})
    changes = {"security_profile": [row.security_profile, target_profile], "over_ocpp": [None, over_ocpp]}
    audit.record(actor, ACT, row, changes=changes)
    if over_ocpp and takes_network_profiles(row):
        network = network_of(
            row,
            target=target_profile,
            slot=network_slot,
            url=network_url,
            interface=network_interface,
        )
        _begin(actor, row, target_profile, network, expires_in)
    elif over_ocpp:
        _order(actor, row, target_profile, expires_in)
    else:
        profile_changes.expect(row, target_profile, by=actor.name)
    return _current(row)


@atomic
def retry(
    *, actor: Actor, charge_point: ChargePoint, expires_in: int | None = None
) -> SecurityProfileUpgrade:
    """Order the change again, after the charger came back with the old profile or gave no answer.

    Raises  PermissionRefused, NoUpgrade, UpgradeUnderWay (the order is on its way), and what `commands.queue` raises
    """
    upgrade = _open(actor, charge_point)
    if upgrade.status == UpgradeStatus.REQUESTED:
        raise errors.UpgradeUnderWay("The charger was asked already and has not answered yet.")
    if upgrade.network is not None:
        upgrade.next_step = network_upgrades.step_to_repeat(upgrade)
        upgrade.save(update_fields=["next_step", "updated_at"])
        _give(upgrade.pk, actor, expires_in)
    else:
        _order(actor, upgrade.charge_point, upgrade.target_profile, expires_in)
    return _current(charge_point)


@atomic
def cancel(*, actor: Actor, charge_point: ChargePoint) -> SecurityProfileUpgrade:
    """Call an upgrade off: from now on only the old profile works.

    A charger that has changed its profile already is refused from then on.

    Raises  PermissionRefused, NoUpgrade
    """
    upgrade = _open(actor, charge_point)
    # First: what ends with the command, ends once.
    profile_changes.close(upgrade, UpgradeStatus.CANCELLED, f"{actor.name} called it off.")
    if upgrade.command is not None and upgrade.command.status == CommandStatus.QUEUED:
        with suppress(errors.CommandNotCancellable):  # it was sent meanwhile
            commands.cancel(actor=actor, command=upgrade.command)
    changes = {"upgrade": [upgrade.target_profile, None]}
    audit.record(actor, f"{ACT}.cancel", upgrade.charge_point, changes=changes)
    return upgrade


def _open(actor: Actor, charge_point: ChargePoint) -> SecurityProfileUpgrade:
    require(actor, SEND_DANGEROUS, charge_point)
    ChargePoint.objects.select_for_update(no_key=True).filter(pk=charge_point.pk).values("pk").first()
    upgrade = profile_changes.open_of(charge_point)
    if upgrade is None:
        raise errors.NoUpgrade
    return upgrade


def _begin(
    actor: Actor, charge_point: ChargePoint, target: int, network: Network, expires_in: int | None
) -> None:
    if not network.slots:
        # Without those before in the new order the charger could not fall back.
        raise errors.Invalid(
            {
                "network_slot": "Which slots the charger uses is not known: ask it for a report of all variables first."
            }
        )
    if not network.url:
        raise errors.Invalid(
            {"network_url": "Say under which address the charger reaches this system with the new profile."}
        )
    row = SecurityProfileUpgrade.objects.create(
        tenant_id=charge_point.tenant_id,
        charge_point=charge_point,
        from_profile=charge_point.security_profile,
        target_profile=target,
        requested_by_name=actor.name[:150],
        network={
            "slot": network.slot,
            "url": network.url,
            "interface": network.interface,
            "priority": network.priority,
        },
        next_step=network_upgrades.PROFILE,
    )
    profile_changes.tell_begun(row, by=actor.name)
    _give(row.pk, actor, expires_in)


def go_on(now: datetime) -> int:
    """Give the next orders of upgrades that take several; returns how many."""
    due = SecurityProfileUpgrade.objects.filter(status__in=OPEN_UPGRADE_STATUSES).exclude(next_step="")
    actor, wait_s = Actor.system("security profiles", via=Via.JOB), int(STEP_LIFE.total_seconds())
    return sum(_give(pk, actor, wait_s) for pk in list(due.values_list("pk", flat=True)))


@atomic
def _give(pk: int, actor: Actor, expires_in: int | None) -> int:
    """Give the order that is next.  Without expires_in what goes wrong is the caller's matter."""
    rows = SecurityProfileUpgrade.objects.select_for_update(of=("self",), no_key=True)
    row = rows.select_related("charge_point").filter(pk=pk).exclude(next_step="").first()
    if row is None or not row.is_open:
        return 0
    step, row.next_step = row.next_step, ""
    try:
        with atomic():
            row.command = commands.queue(
                actor=actor,
                charge_point=row.charge_point,
                action=step,
                payload=network_upgrades.order_of(row, step),
                expires_in=expires_in,
            )
        row.status, row.detail = UpgradeStatus.REQUESTED, ""
    except errors.ChargePointsError as error:
        if actor.via != Via.JOB:
            raise
        row.status, row.detail = UpgradeStatus.WAITING, str(error)[:255]
    row.save()
    return 1


def _order(actor: Actor, charge_point: ChargePoint, target: int, expires_in: int | None) -> Command:
    """The row of the upgrade is made, or moved, by the order (`profile_changes.asked`)."""
    return commands.queue(
        actor=actor,
        charge_point=charge_point,
        action=profile_changes.ACTION,
        payload={"key": profile_changes.KEY, "value": str(target)},
        expires_in=expires_in,
    )


def _current(charge_point: ChargePoint) -> SecurityProfileUpgrade:
    upgrade = profile_changes.open_of(charge_point)
    assert upgrade is not None
    return upgrade
