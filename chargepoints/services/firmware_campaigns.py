"""Campaigns: firmware brought to chargers, so many at a time, until all have it or too many have failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.transaction import atomic
from django.utils import timezone

from accounts.actors import require
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints import busy, errors, file_links
from chargepoints.choices import (
    BAD_FIRMWARE_STATES,
    CampaignState,
    FirmwareState,
    RegistrationStatus,
    SignatureState,
    Via,
)
from chargepoints.models import ChargePoint, FirmwareCampaign, FirmwareFile, FirmwareUpdate
from chargepoints.selectors import find_live_connection, live_connections
from chargepoints.services import firmware_files
from chargepoints.services.firmware_updates import add_step, begin, call_off, end
from csms_project.common import audit, events

_CHANGE = "firmware.change"
#: How long a charger rests before its update is tried again.
RETRY_AFTER = timedelta(minutes=10)
MAX_ATTEMPTS = 10
MAX_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When and how a campaign goes; see `FirmwareCampaign`."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    window_start: time | None = None
    window_end: time | None = None
    batch_size: int = 10
    stop_failure_percent: int | None = None
    only_idle: bool = True
    attempts: int = 1
    download_retries: int | None = None

    def problems(self, now: datetime) -> dict[str, str]:
        """Field → what is wrong with it."""
        found: dict[str, str] = {}
        if self.ends_at is not None and self.ends_at <= max(now, self.starts_at or now):
            found["ends_at"] = "Must be later than the start, and than now."
        if (self.window_start is None) != (self.window_end is None):
            found["window_end" if self.window_end is None else "window_start"] = "Give both times, or none."
        elif self.window_start is not None and self.window_start == self.window_end:
            found["window_end"] = "Must differ from the other time."
        if not 1 <= self.batch_size <= MAX_BATCH:
            found["batch_size"] = f"Must be from 1 to {MAX_BATCH}."
        if self.stop_failure_percent is not None and not 1 <= self.stop_failure_percent <= 100:
            found["stop_failure_percent"] = "Must be from 1 to 100."
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            found["attempts"] = f"Must be from 1 to {MAX_ATTEMPTS}."
        if self.download_retries is not None and not 0 <= self.download_retries <= 100:
            found["download_retries"] = "Must be from 0 to 100."
        return found


#: One charger, now, whether somebody charges or not: the charger waits for the end of a session itself.
AT_ONCE = Plan(batch_size=1, only_idle=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which chargers: those that are named, and those of a site, of a vendor, of a model."""

    charge_points: Collection[ChargePoint] = field(default_factory=tuple)
    location_id: int | None = None
    vendor: str = ""
    model: str = ""

    def rows(self, tenant: Tenant) -> list[ChargePoint]:
        """The chargers that are meant, archived ones left out."""
        wanted = Q(pk__in=[row.pk for row in self.charge_points])
        if self.location_id or self.vendor or self.model:
            by_kind = Q()
            if self.location_id:
                by_kind &= Q(location_id=self.location_id)
            if self.vendor:
                by_kind &= Q(vendor__iexact=self.vendor)
            if self.model:
                by_kind &= Q(model__iexact=self.model)
            wanted |= by_kind
        found: QuerySet[ChargePoint] = ChargePoint.objects.for_tenant(tenant).filter(wanted, archived_at=None)
        return list(found.order_by("identity"))


# ---------------------------------------------------------------- making


@atomic
def create_campaign(
    *,
    actor: Actor,
    file: FirmwareFile,
    choice: Choice,
    plan: Plan,
    name: str = "",
    ignore_model: bool = False,
) -> FirmwareCampaign:
    """Plan firmware for chargers; a job begins the updates.

    ignore_model  also where the file says that it is for others
    Raises        PermissionRefused, Invalid, FirmwareNotReady, SignatureWrong, NoFilesUrl
    """
    require(actor, _CHANGE, file)
    require(actor, "commands.send_dangerous", file)
    _check_file(file)
    if problems := plan.problems(timezone.now()):
        raise errors.Invalid(problems)
    chosen = choice.rows(file.tenant)
    if not chosen:
        raise errors.Invalid({"charge_points": "There is no such charge point."})
    if not ignore_model:
        _check_models(file, chosen)
    campaign = FirmwareCampaign(
        tenant=file.tenant,
        file=file,
        name=(name or f"{file.name}: {_named(chosen)}")[:150],
        created_by=actor.user,
        created_by_name=actor.name[:150],
        created_via=actor.via if actor.via in Via.values else Via.JOB,
        **{key: getattr(plan, key) for key in Plan.__dataclass_fields__},
    )
    campaign.save(force_insert=True)
    FirmwareUpdate.objects.bulk_create(
        [FirmwareUpdate(tenant=file.tenant, campaign=campaign, charge_point=row) for row in chosen]
    )
    changes = {"file": [None, file.name], "charge_points": [None, len(chosen)]}
    audit.record(actor, "firmware.campaign", campaign, changes=changes)
    return campaign


def _check_file(file: FirmwareFile) -> None:
    if not file.is_ready:
        raise errors.FirmwareNotReady
    if file.signature_state == SignatureState.INVALID:
        raise errors.SignatureWrong
    if file.is_ours:
        file_links.firmware_url("", file.file_name)


def _check_models(file: FirmwareFile, chosen: Iterable[ChargePoint]) -> None:
    others = [row.identity for row in chosen if not firmware_files.fits(file, row)]
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise errors.Invalid(
            {
                "charge_points": f"The file is for {file.vendor} {file.model}".rstrip()
                + f", which is not: {shown}."
            }
        )


def _named(chosen: list[ChargePoint]) -> str:
    return chosen[0].identity if len(chosen) == 1 else f"{len(chosen)} chargers"


@atomic
def update_one(
    *,
    actor: Actor,
    charge_point: ChargePoint,
    file: FirmwareFile,
    plan: Plan = AT_ONCE,
    wait: bool = False,
    ignore_model: bool = False,
) -> FirmwareUpdate:
    """Bring firmware to one charger: a campaign of one, begun here and now where its plan says so.

    wait    for a charger that is offline, or busy with another update
    Raises  what `create_campaign` and `commands.queue` raise, UpdateUnderWay
    """
    if charge_point.archived_at is not None:
        raise errors.ChargePointArchived
    if file.tenant_id != charge_point.tenant_id:
        raise errors.Invalid({"file": "There is no such file."})
    if not wait:
        if FirmwareUpdate.objects.filter(_under_way(), charge_point=charge_point).exists():
            raise errors.UpdateUnderWay
        if plan.starts_at is None and find_live_connection(charge_point) is None:
            raise errors.ChargePointOffline("The charge point is offline; let the update wait for it.")
    choice = Choice(charge_points=[charge_point])
    campaign = create_campaign(actor=actor, file=file, choice=choice, plan=plan, ignore_model=ignore_model)
    advance_one(campaign, now=timezone.now())
    found: FirmwareUpdate = FirmwareUpdate.objects.select_related("charge_point", "campaign__file").get(
        campaign=campaign
    )
    return found


def _under_way() -> Q:
    return Q(started_at__isnull=False, ended_at=None)


def count_states(rows: Iterable[FirmwareCampaign]) -> dict[int, dict[str, int]]:
    """How many chargers of each of these campaigns are in which state; one query."""
    found: dict[int, dict[str, int]] = {}
    updates = FirmwareUpdate.objects.filter(campaign__in=[row.pk for row in rows]).order_by()
    for pk, state, count in updates.values_list("campaign_id", "state").annotate(count=Count("pk")):
        found.setdefault(pk, {})[state] = count
    return found


# ---------------------------------------------------------------- steering


@atomic
def pause(*, actor: Actor, campaign: FirmwareCampaign) -> FirmwareCampaign:
    """Begin no further updates; those under way go on.  Raises PermissionRefused, NotPossibleNow."""
    row = _locked(actor, campaign)
    if row.state != CampaignState.RUNNING:
        raise errors.NotPossibleNow(f"The campaign is {row.get_state_display().lower()}.")
    return _set(row, CampaignState.PAUSED, actor, note=f"by {actor.name}"[:200])


@atomic
def resume(*, actor: Actor, campaign: FirmwareCampaign) -> FirmwareCampaign:
    """Go on; what had failed does not stop it again.  Raises PermissionRefused, NotPossibleNow."""
    row = _locked(actor, campaign)
    if row.state != CampaignState.PAUSED:
        raise errors.NotPossibleNow(f"The campaign is {row.get_state_display().lower()}.")
    return _set(row, CampaignState.RUNNING, actor)


@atomic
def cancel(*, actor: Actor, campaign: FirmwareCampaign) -> FirmwareCampaign:
    """Give up what has not ended; chargers that were asked may go on.  Raises PermissionRefused, NotPossibleNow."""
    row = _locked(actor, campaign)
    if row.is_over:
        raise errors.NotPossibleNow("The campaign is over.")
    now = timezone.now()
    for update in row.updates.filter(ended_at=None).order_by("pk"):
        call_off(update, actor=actor, now=now)
    row.finished_at = now
    return _set(row, CampaignState.CANCELLED, actor)


@atomic
def retry_failed(
    *, actor: Actor, campaign: FirmwareCampaign, updates: Collection[int] | None = None
) -> FirmwareCampaign:
    """Let chargers whose update has failed wait for another attempt.

    updates  only these; None: all that failed
    Raises   PermissionRefused, NotPossibleNow
    """
    row = _locked(actor, campaign)
    if row.state == CampaignState.CANCELLED:
        raise errors.NotPossibleNow("The campaign was cancelled: make a new one.")
    failed = row.updates.select_for_update(no_key=True).filter(state__in=BAD_FIRMWARE_STATES)
    if updates is not None:
        failed = failed.filter(pk__in=updates)
    now, count = timezone.now(), 0
    for update in failed:
        wait_again(update, now=now, retry_at=None)
        update.save()
        count += 1
    if not count:
        raise errors.NotPossibleNow("No update of the campaign has failed.")
    row.finished_at = None
    if row.ends_at is not None and row.ends_at <= now:
        row.ends_at = None
    return _set(row, CampaignState.RUNNING, actor)


@atomic
def cancel_update(*, actor: Actor, update: FirmwareUpdate) -> FirmwareUpdate:
    """Give the update of one charger up.  Raises PermissionRefused, NotPossibleNow."""
    require(actor, _CHANGE, update)
    if not call_off(update, actor=actor):
        raise errors.NotPossibleNow("The update has ended.")
    audit.record(actor, "firmware.cancel", update)
    update.refresh_from_db()
    advance_one(update.campaign, now=timezone.now())
    return update


def wait_again(update: FirmwareUpdate, *, now: datetime, retry_at: datetime | None) -> None:
    """Put an update back to waiting, in the row that the caller stores."""
    update.state, update.attempt = FirmwareState.WAITING, update.attempt + 1
    update.started_at = update.ended_at = update.command = None
    update.retry_at, update.token_hash, update.link_expires_at = retry_at, "", None
    add_step(update, "Waits for another attempt", now)


def _locked(actor: Actor, campaign: FirmwareCampaign) -> FirmwareCampaign:
    require(actor, _CHANGE, campaign)
    rows = FirmwareCampaign.objects.select_for_update(no_key=True, of=("self",)).select_related("file")
    found: FirmwareCampaign = rows.get(pk=campaign.pk)
    return found


def _set(row: FirmwareCampaign, state: CampaignState, actor: Actor, *, note: str = "") -> FirmwareCampaign:
    before, row.state, row.pause_note = row.state, state, note
    row.save(update_fields=["state", "pause_note", "finished_at", "ends_at", "updated_at"])
    audit.record(actor, "firmware.campaign", row, changes={"state": [before, state]})
    return row


# ---------------------------------------------------------------- going on


def advance(now: datetime) -> int:
    """Let every campaign that runs take its next steps; returns how many updates were begun or given up."""
    running = FirmwareCampaign.objects.filter(state=CampaignState.RUNNING).select_related("file")
    due = running.filter(Q(starts_at=None) | Q(starts_at__lte=now)).order_by("pk")
    return sum(advance_one(campaign, now=now) for campaign in due)


def advance_one(campaign: FirmwareCampaign, *, now: datetime) -> int:
    """The next steps of one campaign: try again, give up, pause, begin, finish."""
    if campaign.state != CampaignState.RUNNING or (campaign.starts_at and campaign.starts_at > now):
        return 0
    done = _try_again(campaign, now) + _give_up(campaign, now)
    counts = campaign.updates.aggregate(
        total=Count("pk"),
        ended=Count("pk", filter=Q(ended_at__isnull=False)),
        bad=Count("pk", filter=Q(state__in=BAD_FIRMWARE_STATES)),
        open=Count("pk", filter=_under_way()),
    )
    if counts["ended"] == counts["total"]:
        return done + _finish(campaign, now)
    if _fails_too_often(campaign, counts):
        return done + _pause_for_failures(campaign, counts, now)
    return done + _begin_some(campaign, campaign.batch_size - counts["open"], now)


@atomic
def _try_again(campaign: FirmwareCampaign, now: datetime) -> int:
    if campaign.attempts < 2:
        return 0
    failed = campaign.updates.filter(
        state__in=(FirmwareState.FAILED, FirmwareState.TIMED_OUT, FirmwareState.WRONG_VERSION),
        attempt__lt=campaign.attempts,
    )
    rows = list(failed.select_for_update(no_key=True))
    for update in rows:
        wait_again(update, now=now, retry_at=now + RETRY_AFTER)
        update.save()
    return len(rows)


@atomic
def _give_up(campaign: FirmwareCampaign, now: datetime) -> int:
    if campaign.ends_at is None or campaign.ends_at > now:
        return 0
    rows = list(
        campaign.updates.select_related("charge_point", "campaign__file")
        .select_for_update(no_key=True, of=("self",))
        .filter(state=FirmwareState.WAITING, ended_at=None)
    )
    for update in rows:
        note = update.note or "The campaign ended before the charger could be asked."
        end(update, FirmwareState.EXPIRED, note, now=now)
        update.save()
    return len(rows)


def _fails_too_often(campaign: FirmwareCampaign, counts: dict[str, int]) -> bool:
    """Judged once a first batch has ended; after that with every update."""
    limit = campaign.stop_failure_percent
    enough = min(campaign.batch_size, counts["total"])
    return (
        limit is not None
        and counts["ended"] >= enough
        and counts["bad"] > 0
        and counts["bad"] * 100 >= limit * counts["ended"]
    )


def _pause_for_failures(campaign: FirmwareCampaign, counts: dict[str, int], now: datetime) -> int:
    note = f"{counts['bad']} of {counts['ended']} updates have failed."
    if not _move(campaign, CampaignState.PAUSED, now, pause_note=note):
        return 0
    _tell("firmware.campaign_stopped", campaign, {"note": note}, now)
    return 1


def _finish(campaign: FirmwareCampaign, now: datetime) -> int:
    if not _move(campaign, CampaignState.FINISHED, now, finished_at=now):
        return 0
    states = campaign.updates.values_list("state").annotate(count=Count("pk")).order_by()
    _tell("firmware.campaign_finished", campaign, {"states": dict(states)}, now)
    return 1


def _move(campaign: FirmwareCampaign, state: CampaignState, now: datetime, **fields: Any) -> bool:
    running = FirmwareCampaign.objects.filter(pk=campaign.pk, state=CampaignState.RUNNING)
    if not running.update(state=state, updated_at=now, **fields):
        return False
    campaign.state = state
    return True


def _tell(kind: str, campaign: FirmwareCampaign, data: dict[str, Any], now: datetime) -> None:
    events.record(
        kind,
        tenant_id=campaign.tenant_id,
        object_type="firmwarecampaign",
        object_id=campaign.pk,
        data={"name": campaign.name, **data},
        at=now,
    )


def _begin_some(campaign: FirmwareCampaign, free: int, now: datetime) -> int:
    if free <= 0:
        return 0
    begun = 0
    for update in _candidates(campaign, now):
        if begun >= free:
            break
        try:
            begun += begin(update, now=now)
        except errors.ChargePointOffline:
            continue  # gone this moment
        except errors.ChargePointsError as error:
            _refuse(update, str(error), now)
    return begun


def _candidates(campaign: FirmwareCampaign, now: datetime) -> list[FirmwareUpdate]:
    """Chargers that could be asked now: online, accepted, free, within the hours of the campaign."""
    online = live_connections().filter(charge_point=OuterRef("charge_point_id"))
    others = FirmwareUpdate.objects.filter(_under_way(), charge_point=OuterRef("charge_point_id"))
    rows = (
        campaign.updates.filter(
            Exists(online),
            ~Exists(others),
            state=FirmwareState.WAITING,
            ended_at=None,
            charge_point__archived_at=None,
            charge_point__registration_status=RegistrationStatus.ACCEPTED,
        )
        .filter(Q(retry_at=None) | Q(retry_at__lte=now))
        .select_related("charge_point__location", "charge_point__tenant", "campaign__file")
        .order_by("attempt", "pk")
    )
    found = [row for row in rows if is_in_window(campaign, row.charge_point, now)]
    if campaign.only_idle and found:
        used = busy.in_use([row.charge_point_id for row in found])
        found = [row for row in found if row.charge_point_id not in used]
    return found


def is_in_window(campaign: FirmwareCampaign, charge_point: ChargePoint, now: datetime) -> bool:
    """Whether updates may begin there at this time of the day; a window may go over midnight."""
    start, stop = campaign.window_start, campaign.window_end
    if start is None or stop is None:
        return True
    site = charge_point.location
    zone = (site.time_zone if site is not None else "") or charge_point.tenant.time_zone
    clock = now.astimezone(ZoneInfo(zone)).time()
    return start <= clock < stop if start < stop else clock >= start or clock < stop


@atomic
def _refuse(update: FirmwareUpdate, note: str, now: datetime) -> None:
    """It cannot even be asked."""
    add_step(update, "Could not be asked", now)
    end(update, FirmwareState.FAILED, note, now=now)
    update.save()
