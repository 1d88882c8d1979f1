"""What the end of a command means for what we know of a charger's list, and for what is done next.

The version of an answered question is the measure: it tells whether a list whose answer was lost has been taken.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Max

from chargepoints import list_plan
from chargepoints.choices import LocalListState
from chargepoints.list_messages import ASKING, SENDING, End, Sent, end_of, sent_by, told_version, words_of
from chargepoints.models import ChargePoint, Command, LocalList
from chargepoints.services.list_contents import entries_of, keep
from csms_project.common import events

#: After the first, second, … failure in a row; after one more a person has to look.
RETRY_AFTER: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
_UNSUPPORTED = "The charger keeps no local list."


def read(row: LocalList, command: Command, now: datetime) -> None:
    """Take note of a command about the list of this charger that has ended, whoever has ordered it."""
    is_own = command.pk == row.command_id
    if is_own:
        row.command = None
    row.read_up_to = max(row.read_up_to, command.pk)
    if command.action in ASKING:
        _read_version(row, command, now, is_own=is_own)
    elif command.action in SENDING:
        _read_list(row, command, now, is_own=is_own)
    elif is_own:
        # What it takes was asked for: the variables know, or it does not say.
        row.state, row.next_attempt_at = LocalListState.UNKNOWN, now
        row.asked_limits = end_of(command) is not End.UNSENT


def new_list(charge_point: ChargePoint) -> LocalList:
    """A list of which nothing is known: what was sent in former times is not read again, the version is asked for."""
    last = Command.objects.filter(charge_point=charge_point).aggregate(last=Max("pk"))["last"]
    return LocalList(tenant_id=charge_point.tenant_id, charge_point=charge_point, read_up_to=last or 0)


def doubt_all(row: LocalList, now: datetime) -> None:
    """Whatever was known about this charger has to be asked for again."""
    row.state, row.must_check, row.asked_limits = LocalListState.UNKNOWN, True, False
    row.failures, row.last_error = 0, ""
    row.look_at = row.next_attempt_at = now


def count_failure(row: LocalList, reason: str, now: datetime, *, at_once: bool = False) -> None:
    """Try again later, and after too many failures in a row not before a person has looked.

    at_once  the first time without waiting
    """
    row.failures, row.last_error = row.failures + 1, reason
    row.state = LocalListState.FAILED
    if row.failures > len(RETRY_AFTER):
        row.next_attempt_at, row.is_asked = None, False
        note(row, "local_list.failed", {"reason": reason, "failures": row.failures})
    elif at_once and row.failures == 1:
        row.next_attempt_at = now
    else:
        row.next_attempt_at = now + RETRY_AFTER[row.failures - 1]


def note(row: LocalList, kind: str, data: dict[str, Any]) -> None:
    """Tell who listens how it stands with a list."""
    events.record(
        kind,
        tenant_id=row.tenant_id,
        object_type="local_list",
        object_id=row.pk,
        charge_point=row.charge_point.identity,
        data=data,
    )


# ---------------------------------------------------------------- the version
def _read_version(row: LocalList, command: Command, now: datetime, *, is_own: bool) -> None:
    end, version = end_of(command), told_version(command)
    if end is End.NOT_SUPPORTED:
        _cannot(row)
    elif end is End.TAKEN and version is not None and version >= 0:
        _learn(row, version, now)
        _mark_boot(row, command)
    elif is_own:
        _fail(row, command, end, now)


def _learn(row: LocalList, version: int, now: datetime) -> None:
    """The charger has told the version of what it holds; 0: nothing (OCPP 1.6 §5.10)."""
    doubtful = _doubtful(row)
    row.doubt = None
    if version == 0:
        row.holds = keep(row.tenant_id, {}, now)
    elif doubtful is not None and version == doubtful.version != row.version:
        _take(row, doubtful, now)
        row.state = LocalListState.DUE
    elif version != row.version or (doubtful is not None and doubtful.version == version):
        row.holds = None
    if row.state in (LocalListState.NOT_SUPPORTED, LocalListState.FAILED, LocalListState.SENDING):
        row.state = LocalListState.UNKNOWN
    row.version, row.must_check, row.next_attempt_at = version, False, None
    row.last_version = max(row.last_version, version)


def _mark_boot(row: LocalList, command: Command) -> None:
    """What the charger has said holds until its next boot; one since the command counts as the next."""
    booted_at = row.charge_point.last_boot_at
    if booted_at is not None and command.sent_at is not None and booted_at <= command.sent_at:
        row.checked_boot_at = booted_at


def _doubtful(row: LocalList) -> Sent | None:
    return sent_by(row.doubt) if row.doubt is not None else None


# ---------------------------------------------------------------- the list
def _read_list(row: LocalList, command: Command, now: datetime, *, is_own: bool) -> None:
    end, sent = end_of(command), sent_by(command)
    if sent is not None and end is not End.UNSENT:
        row.last_version = max(row.last_version, sent.version, 0)
    match end:
        case End.TAKEN:
            _accepted(row, command, sent, now)
        case End.NOT_SUPPORTED:
            _cannot(row)
        case End.UNSENT:
            _fail(row, command, end, now)
        case End.LOST | End.WRONG:
            _doubt(row, command, sent)
            if is_own:
                _fail(row, command, end, now)
        case End.MISMATCH | End.REFUSED if is_own:
            row.must_check = row.must_check or end is End.MISMATCH
            row.must_replace = True
            # The specification wants the whole list at once after changes that were refused (§5.15).
            at_once = sent is not None and not sent.message.is_full
            count_failure(row, words_of(command), now, at_once=at_once)
        case End.MISMATCH:
            row.must_check = True


def _accepted(row: LocalList, command: Command, sent: Sent | None, now: datetime) -> None:
    if sent is None:
        row.holds, row.must_check = None, True
    else:
        if row.doubt is not None:
            row.holds = None  # changes to we do not know what
        _take(row, sent, now)
        row.version = sent.version
        if sent.message.is_full:
            row.must_check = row.must_replace = False
            _mark_boot(row, command)
    row.doubt = None
    row.failures, row.last_error, row.last_success_at = 0, "", command.completed_at
    row.state, row.next_attempt_at = LocalListState.DUE, None


def _take(row: LocalList, sent: Sent, now: datetime) -> None:
    """The charger holds what was sent, on top of what it held."""
    if sent.message.is_full:
        row.holds = keep(row.tenant_id, list_plan.apply({}, sent.message), now)
    elif row.holds is not None:
        row.holds = keep(row.tenant_id, list_plan.apply(entries_of(row.holds), sent.message), now)


def _doubt(row: LocalList, command: Command, sent: Sent | None) -> None:
    """It may have been taken: the version will tell; of two such lists, or one that we cannot read, it would not."""
    if row.doubt is not None or sent is None:
        row.holds = row.version = row.doubt = None
    else:
        row.doubt = command
    row.must_check = True
    if row.state == LocalListState.IN_STEP:
        row.state = LocalListState.UNKNOWN


def _cannot(row: LocalList) -> None:
    if row.state != LocalListState.NOT_SUPPORTED:
        note(row, "local_list.not_supported", {})
    row.state, row.last_error = LocalListState.NOT_SUPPORTED, _UNSUPPORTED
    row.holds = row.version = row.doubt = None
    row.must_check, row.is_asked, row.failures, row.next_attempt_at = True, False, 0, None


def _fail(row: LocalList, command: Command, end: End, now: datetime) -> None:
    if end is End.UNSENT and not command.error:
        # It waited too long, or was withdrawn, before the charger has seen it: the next run orders anew.
        row.state, row.next_attempt_at = LocalListState.UNKNOWN, now
        return
    count_failure(row, words_of(command), now, at_once=end is End.LOST)
