"""The lists of chargers follow the tags: rows, answers, the job."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.choices import TokenStatus
from accounts.models import IdToken, Tenant, TokenChange
from accounts.permissions import Actor
from accounts.services import rows, tokens
from chargepoints import commands, list_plan
from chargepoints.choices import CommandStatus, LocalListState
from chargepoints.models import ChargePoint, Command, Connection, LocalList, LocalListContent, Variable
from chargepoints.services import list_sync, local_list, stations
from chargepoints.services.list_contents import entries_of
from chargepoints.services.list_reading import RETRY_AFTER
from chargepoints.services.list_wanted import WantedLists
from csms_project.common.models import AuditEntry, Event
from tests import factories

SYSTEM = Actor.system("tests", via="cli")


class Charger:
    """Answers the commands to one charge point as a gateway passes them on, with a list of its own."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.charge_point = connection, connection.charge_point
        self.version, self.tags = 0, dict[str, str]()
        self.seen: list[tuple[str, Any]] = []

    def next(self) -> Command:
        """The command that is due, sent."""
        (command,) = commands.due_for([self.charge_point.pk])
        claimed = commands.claim(
            command.pk,
            connection_token=self.connection.token,
            message_id=uuid.uuid4(),
            ocpp_action="Any",
            request=command.payload,
        )
        assert claimed is not None
        self.seen.append((claimed.action, claimed.payload))
        return claimed

    def answer(self, command: Command) -> None:
        """Do what was asked and say so."""
        match command.action:
            case "get_configuration":
                self.end(command, response={"configurationKey": []})
            case "get_local_list_version":
                self.end(command, response={"listVersion": self.version if self.tags else 0})
            case "send_local_list":
                self.take(command.payload)
                self.end(command, response={"status": "Accepted"})

    def take(self, payload: dict[str, Any]) -> None:
        if payload["update_type"] == "Full":
            self.tags = {}
        else:
            assert payload["version"] > self.version
        for entry in payload.get("entries", ()):
            if "status" in entry:
                self.tags[entry["id_token"].casefold()] = entry["status"]
            else:
                del self.tags[entry["id_token"].casefold()]
        self.version = payload["version"]

    def end(
        self,
        command: Command,
        status: CommandStatus = CommandStatus.ACCEPTED,
        *,
        response: Any = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        assert commands.complete(command.pk, status=status, response=response, error=error) is not None

    def refuse(self, word: str) -> None:
        """Answer the command that is due with this status."""
        status = CommandStatus.NOT_SUPPORTED if word == "NotSupported" else CommandStatus.REJECTED
        self.end(self.next(), status, response={"status": word})

    def fail(self, code: str) -> None:
        """Let the command that is due end without an answer, or with an error."""
        status = CommandStatus.TIMED_OUT if code == "Timeout" else CommandStatus.FAILED
        self.end(self.next(), status, error={"code": code, "description": "words", "details": {}})

    def serve(self, steps: int = 20) -> list[str]:
        """Let job and charger talk until nothing more is said; returns the actions."""
        before = len(self.seen)
        for _ in range(steps):
            run()
            if not commands.with_queued():
                break
            self.answer(self.next())
        return [action for action, _ in self.seen[before:]]


@pytest.fixture
def charger(connection: Connection) -> Charger:
    return Charger(connection)


@pytest.fixture
def row(charge_point: ChargePoint) -> LocalList:
    return factories.LocalListFactory(charge_point=charge_point)


@pytest.fixture
def tags(tenant: Tenant, other_tenant: Tenant) -> list[IdToken]:
    factories.IdTokenFactory(tenant=other_tenant, value="THEIRS")
    return [factories.IdTokenFactory(tenant=tenant, value=value) for value in ("A1", "B2", "C3")]


def run(*, after: timedelta = timedelta(seconds=1)) -> int:
    return list_sync.run(timezone.now() + after)


def look() -> int:
    """Read and compare, and send nothing."""
    now = timezone.now() + timedelta(seconds=1)
    return list_sync.look_at_due(now, WantedLists(now))


def fresh(row: LocalList) -> LocalList:
    return LocalList.objects.select_related("holds", "tenant", "charge_point").get(pk=row.pk)


def held(row: LocalList) -> dict[str, str] | None:
    content = fresh(row).holds
    return None if content is None else {key: e.status for key, e in entries_of(content).items()}


def state(row: LocalList) -> str:
    return fresh(row).state


def kinds() -> list[str]:
    return list(
        Event.objects.filter(kind__startswith="local_list").order_by("id").values_list("kind", flat=True)
    )


ABC = {"a1": "Accepted", "b2": "Accepted", "c3": "Accepted"}
KNOWN = ["get_configuration", "get_local_list_version", "send_local_list"]


# ---------------------------------------------------------------- the way into step
def test_new_list_asks_what_the_charger_takes_and_holds_then_sends_all(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    assert charger.serve() == KNOWN

    assert charger.tags == held(row) == ABC
    after = fresh(row)
    assert (after.state, after.version, after.last_version, after.wanted_count) == ("in_step", 1, 1, 3)
    assert (after.failures, after.last_error, after.next_attempt_at, after.command_id) == (0, "", None, None)
    assert after.last_success_at is not None
    assert kinds() == ["local_list.synced"]
    first = Command.objects.order_by("id").first()
    assert first is not None
    assert (first.requested_by_name, first.requested_via) == ("local list", "job")


def test_charger_in_step_is_left_alone(charger: Charger, row: LocalList, tags: list[IdToken]) -> None:
    charger.serve()

    assert (run(), run()) == (0, 0)
    assert run(after=timedelta(hours=2)) == 1  # compared, in case
    assert not commands.with_queued()


def test_limits_that_are_known_are_not_asked_for(
    charger: Charger, row: LocalList, tags: list[IdToken], charge_point: ChargePoint
) -> None:
    factories.VariableFactory(charge_point=charge_point, name="SendLocalListMaxLength", value="2")

    assert charger.serve() == ["get_local_list_version", "send_local_list", "send_local_list"]

    sent = [payload for action, payload in charger.seen if action == "send_local_list"]
    assert [(p["update_type"], p["version"], len(p["entries"])) for p in sent] == [
        ("Full", 1, 2),
        ("Differential", 2, 1),
    ]
    assert charger.tags == held(row) == ABC
    assert state(row) == "in_step"


def test_version_is_above_the_one_that_the_charger_holds(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.version, charger.tags = 41, {"old": "Accepted"}

    charger.serve()

    assert (charger.version, charger.tags) == (42, ABC)


def test_blocked_tag_reaches_the_charger_as_one_change(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor
) -> None:
    charger.serve()

    tokens.block_tokens(actor=owner, tokens=[tags[1]])
    assert charger.serve() == ["send_local_list"]

    _, payload = charger.seen[-1]
    assert (payload["update_type"], payload["entries"]) == (
        "Differential",
        [{"id_token": "B2", "status": "Blocked"}],
    )
    assert charger.tags == held(row) == ABC | {"b2": "Blocked"}


def _delete(owner: Actor, tag: IdToken) -> None:
    rows.delete_row(actor=owner, row=tag, permission="id_tokens.change")


CHANGES: dict[str, tuple[Callable[[Actor, IdToken], Any], dict[str, str]]] = {
    "made": (
        lambda owner, tag: tokens.create_token(actor=owner, tenant=tag.tenant, value="D4"),
        ABC | {"d4": "Accepted"},
    ),
    "deleted": (_delete, {"b2": "Accepted", "c3": "Accepted"}),
    "expired": (
        lambda owner, tag: tokens.update_token(actor=owner, token=tag, expires_at=factories.T0),
        ABC | {"a1": "Expired"},
    ),
    "renamed": (
        lambda owner, tag: tokens.update_token(actor=owner, token=tag, value="Z9"),
        {"z9": "Accepted", "b2": "Accepted", "c3": "Accepted"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_tag_reaches_the_charger(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor, change: str
) -> None:
    charger.serve()
    act, becomes = CHANGES[change]

    act(owner, tags[0])
    charger.serve()

    assert charger.tags == held(row) == becomes
    assert not TokenChange.objects.exists()


def test_change_that_no_list_shows_is_no_change(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor
) -> None:
    charger.serve()

    tokens.update_token(actor=owner, token=tags[0], note="x")

    assert (charger.serve(), TokenChange.objects.count()) == ([], 0)


def test_group_of_a_tag_goes_along_and_its_block_blocks_the_tag(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor, tenant: Tenant
) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, name="A group with a long name")
    tokens.update_token(actor=owner, token=tags[0], group=group)
    charger.serve()
    entry = {"id_token": "A1", "status": "Accepted", "parent_id_token": "A group with a long "}
    assert charger.seen[-1][1]["entries"][0] == entry

    tokens.set_group_status(actor=owner, group=group, status=TokenStatus.BLOCKED)
    charger.serve()

    assert charger.tags == ABC | {"a1": "Blocked"}


def test_tag_that_expires_by_itself_becomes_due_at_that_moment(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor
) -> None:
    ends = timezone.now() + timedelta(minutes=10)
    tokens.update_token(actor=owner, token=tags[0], expires_at=ends)
    charger.serve()
    assert (charger.tags["a1"], fresh(row).look_at) == ("Accepted", ends)

    run(after=timedelta(minutes=11))

    command = charger.next()
    assert [entry["status"] for entry in command.payload["entries"]] == ["Expired"]


def test_tag_that_the_version_cannot_say_is_left_out_and_counted(
    charger: Charger, row: LocalList, tags: list[IdToken], tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="X" * 21)

    charger.serve()

    assert (charger.tags, fresh(row).left_out_count) == (ABC, 1)


# ---------------------------------------------------------------- who is served
def test_list_that_is_switched_off_is_compared_and_not_sent(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    LocalList.objects.update(is_kept=False)

    assert charger.serve() == []
    assert fresh(row).wanted_count == 3


@pytest.mark.parametrize("keeps", [True, False])
def test_list_without_a_switch_of_its_own_follows_the_organisation(
    charger: Charger, row: LocalList, tags: list[IdToken], tenant: Tenant, keeps: bool
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(keep_local_lists=keeps)
    LocalList.objects.update(is_kept=None)

    assert bool(charger.serve()) is keeps


def test_organisation_that_keeps_lists_gives_one_to_every_charger_in_use(
    tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    factories.ChargePointFactory(tenant=tenant, archived_at=factories.T0)
    Tenant.objects.filter(pk=tenant.pk).update(keep_local_lists=True)

    assert (list_sync.watch(timezone.now()), list_sync.watch(timezone.now())) == (1, 0)
    assert LocalList.objects.get().charge_point == charge_point


def test_offline_charger_is_due_and_served_when_it_comes(
    row: LocalList, tags: list[IdToken], charge_point: ChargePoint
) -> None:
    run()
    assert (state(row), Command.objects.count()) == ("unknown", 0)

    charger = Charger(factories.ConnectionFactory(charge_point=charge_point))

    assert charger.serve() == KNOWN


def test_command_that_the_charger_never_saw_is_ordered_anew(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    run()
    commands.cancel(actor=SYSTEM, command=Command.objects.get())

    assert charger.serve() == KNOWN
    assert fresh(row).failures == 0


def test_archived_and_rejected_chargers_are_sent_nothing(
    charger: Charger, row: LocalList, tags: list[IdToken], charge_point: ChargePoint
) -> None:
    ChargePoint.objects.update(registration_status="Rejected")
    run()
    assert fresh(row).last_error == "The charge point is rejected: nothing is sent to it."

    ChargePoint.objects.update(registration_status="Accepted", archived_at=factories.T0)
    run(after=timedelta(minutes=5))

    assert not Command.objects.exists()


def test_only_one_command_is_under_way(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor
) -> None:
    run()
    tokens.block_tokens(actor=owner, tokens=tags)
    run()
    charger.next()
    run()

    assert Command.objects.count() == 1


# ---------------------------------------------------------------- the source
def test_chosen_groups_and_tags_are_the_list(
    charger: Charger, row: LocalList, tags: list[IdToken], tenant: Tenant, technician: Actor
) -> None:
    group = factories.TokenGroupFactory(tenant=tenant)
    IdToken.objects.filter(value="C3").update(group=group)

    local_list.change(
        actor=technician,
        charge_point=charger.charge_point,
        all_tokens=False,
        token_groups=[group],
        tokens=[tags[0]],
    )
    charger.serve()

    assert charger.tags == {"a1": "Accepted", "c3": "Accepted"}


def test_refused_tags_may_be_left_out(
    charger: Charger, row: LocalList, tags: list[IdToken], technician: Actor
) -> None:
    IdToken.objects.filter(value="A1").update(status="Blocked")

    local_list.change(actor=technician, charge_point=charger.charge_point, with_refused=False)
    charger.serve()

    assert charger.tags == {"b2": "Accepted", "c3": "Accepted"}


def test_value_in_two_types_is_one_tag_and_the_card_decides(
    charger: Charger, row: LocalList, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="a1", type="eMAID", status="Blocked")
    factories.IdTokenFactory(tenant=tenant, value="A1")
    factories.IdTokenFactory(tenant=tenant, value="N", type="NoAuthorization")

    charger.serve()

    assert charger.tags == {"a1": "Accepted"}


def test_chargers_with_the_same_tags_share_what_is_stored(
    charger: Charger, row: LocalList, tags: list[IdToken], tenant: Tenant
) -> None:
    other = Charger(factories.ConnectionFactory(charge_point__tenant=tenant))
    other_row = factories.LocalListFactory(charge_point=other.charge_point)
    for _ in range(4):
        run()
        for each in (charger, other):
            if commands.due_for([each.charge_point.pk]):
                each.answer(each.next())
    run()

    assert (state(row), state(other_row)) == ("in_step", "in_step")
    assert fresh(row).holds == fresh(other_row).holds


def test_chosen_tag_and_group_that_are_deleted_leave_the_list(
    charger: Charger, row: LocalList, tags: list[IdToken], tenant: Tenant, owner: Actor
) -> None:
    group = factories.TokenGroupFactory(tenant=tenant)
    chosen = {"all_tokens": False, "token_groups": [group], "tokens": tags[:2]}
    local_list.change(actor=owner, charge_point=charger.charge_point, **chosen)
    charger.serve()

    for each in (tags[0], group):
        rows.delete_row(actor=owner, row=each, permission="id_tokens.change")
    charger.serve()

    assert charger.tags == held(row) == {"b2": "Accepted"}


def test_charger_that_is_deleted_takes_its_list_along(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor
) -> None:
    charger.serve()

    stations.delete_charge_point(actor=owner, charge_point=charger.charge_point)

    assert not LocalList.objects.exists()
    assert run() == 0


# ---------------------------------------------------------------- refusals
def in_step(charger: Charger) -> None:
    """Bring the charger into step, then let a tag change."""
    charger.serve()
    token = IdToken.objects.get(value="A1")
    tokens.block_tokens(actor=SYSTEM, tokens=[token])
    run()


def test_mismatch_is_checked_and_answered_by_the_whole_list_with_a_higher_version(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    in_step(charger)
    charger.version = 90  # somebody else has written to it
    charger.refuse("VersionMismatch")

    assert charger.serve() == ["get_local_list_version", "send_local_list"]

    assert charger.seen[-1][1]["update_type"] == "Full"
    assert charger.version == 91
    assert (charger.tags, state(row), fresh(row).failures) == (ABC | {"a1": "Blocked"}, "in_step", 0)


def test_changes_that_failed_are_followed_by_the_whole_list_at_once(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    in_step(charger)
    charger.refuse("Failed")

    assert charger.serve() == ["send_local_list"]

    assert [payload["update_type"] for _, payload in charger.seen[-2:]] == ["Differential", "Full"]
    assert state(row) == "in_step"


def test_full_list_that_failed_is_tried_again_later_and_in_the_end_given_up(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve(2)
    waits = [
        timedelta(seconds=1),
        *(wait + timedelta(seconds=5) for wait in RETRY_AFTER),
    ]
    for number, wait in enumerate(waits, start=1):
        run(after=wait)
        charger.refuse("Failed")
        run()
        assert (state(row), fresh(row).failures) == ("failed", number)
        assert fresh(row).last_error == "The command ended as “Rejected”."

    assert fresh(row).next_attempt_at is None
    assert run(after=timedelta(days=3)) == 1  # compared, and left as it is
    assert not commands.with_queued()
    assert kinds() == ["local_list.failed"]


def test_list_that_was_given_up_begins_anew_when_a_person_asks(
    charger: Charger, row: LocalList, tags: list[IdToken], technician: Actor
) -> None:
    LocalList.objects.update(state="failed", failures=5, next_attempt_at=None, is_kept=False, last_error="x")
    run()
    assert state(row) == "failed"

    local_list.sync_now(actor=technician, charge_point=charger.charge_point)
    charger.serve()

    assert (state(row), fresh(row).is_asked) == ("in_step", False)
    IdToken.objects.filter(value="A1").delete()
    assert charger.serve() == []  # once, not from now on


@pytest.mark.parametrize("asked", ["get_local_list_version", "send_local_list"])
def test_charger_without_a_list_is_not_asked_again(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor, asked: str
) -> None:
    charger.serve(1 if asked == "get_local_list_version" else 2)
    run()
    charger.refuse("NotSupported")
    tokens.block_tokens(actor=owner, tokens=tags)

    assert charger.serve() == []
    assert (state(row), held(row), kinds()) == ("not_supported", None, ["local_list.not_supported"])


def test_more_tags_than_room_is_said_and_nothing_is_sent(
    charger: Charger, row: LocalList, tags: list[IdToken], charge_point: ChargePoint
) -> None:
    factories.VariableFactory(charge_point=charge_point, name="LocalAuthListMaxLength", value="2")

    assert charger.serve() == ["get_local_list_version"]

    after = fresh(row)
    assert after.last_error == "There are 3 tags and the charger has room for 2: choose 1 fewer."
    assert (after.state, after.next_attempt_at) == ("failed", None)
    run(after=timedelta(hours=2))
    assert kinds() == ["local_list.failed"]  # said once

    tokens.update_token(actor=SYSTEM, token=tags[0], type="NoAuthorization")
    charger.serve()
    assert (state(row), charger.tags) == ("in_step", {"b2": "Accepted", "c3": "Accepted"})


# ---------------------------------------------------------------- doubt
@pytest.mark.parametrize("code", ["Timeout", "ConnectionLost", "ConnectionReplaced"])
@pytest.mark.parametrize("was_taken", [True, False])
def test_version_tells_whether_a_list_without_an_answer_was_taken(
    charger: Charger, row: LocalList, tags: list[IdToken], code: str, was_taken: bool
) -> None:
    in_step(charger)
    command = Command.objects.latest("id")
    if was_taken:
        charger.take(command.payload)
    charger.fail(code)

    look()
    assert (state(row), held(row)) == ("failed", ABC)

    said = charger.serve()

    assert said == ["get_local_list_version", *([] if was_taken else ["send_local_list"])]
    assert charger.tags == held(row) == ABC | {"a1": "Blocked"}
    assert (state(row), fresh(row).version) == ("in_step", charger.version)


@pytest.mark.parametrize("code", ["InternalError", "InvalidAnswer", "FormationViolation"])
def test_error_as_an_answer_is_said_and_the_version_tells_what_became_of_the_list(
    charger: Charger, row: LocalList, tags: list[IdToken], code: str
) -> None:
    in_step(charger)
    charger.take(Command.objects.latest("id").payload)
    charger.fail(code)
    assert charger.serve() == []
    assert (state(row), fresh(row).failures) == ("failed", 1)
    assert "words" in fresh(row).last_error

    run(after=timedelta(minutes=2))
    charger.answer(charger.next())
    run()

    assert (state(row), fresh(row).failures, held(row)) == ("in_step", 0, charger.tags)


def test_two_lists_without_an_answer_leave_nothing_known(
    charger: Charger, row: LocalList, tags: list[IdToken], connection: Connection
) -> None:
    in_step(charger)
    charger.fail("Timeout")
    by_hand(charger, "send_local_list", update_type="Differential", entries=[{"id_token": "B2"}])
    charger.fail("Timeout")
    look()

    assert (held(row), fresh(row).version) == (None, None)
    charger.serve()
    assert charger.tags == held(row) == ABC | {"a1": "Blocked"}


def test_charger_that_lost_its_list_gets_it_anew(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve()
    charger.tags, charger.version = {}, 0
    by_hand(charger, "get_local_list_version")
    charger.answer(charger.next())

    assert charger.serve() == ["send_local_list"]
    assert (charger.tags, charger.version) == (ABC, 2)


def test_other_version_than_ours_makes_the_list_unknown(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve()
    charger.version = 50
    by_hand(charger, "get_local_list_version")
    charger.answer(charger.next())

    assert charger.serve() == ["send_local_list"]
    assert (charger.seen[-1][1]["update_type"], charger.version) == ("Full", 51)


@pytest.mark.parametrize("what", ["firmware_version", "serial_number", "model"])
def test_other_firmware_or_device_is_asked_anew(
    charger: Charger, row: LocalList, tags: list[IdToken], charge_point: ChargePoint, what: str
) -> None:
    ChargePoint.objects.update(last_boot_at=factories.T0, firmware_version="1", serial_number="1")
    list_sync.watch(timezone.now())
    charger.serve()
    assert list_sync.watch(timezone.now()) == 0
    LocalList.objects.update(state="not_supported")

    ChargePoint.objects.update(**{what: "2"})
    list_sync.watch(timezone.now())

    assert charger.serve()[-1:] == ["get_local_list_version"]
    assert state(row) == "in_step"


def test_charger_that_boots_is_asked_whether_it_still_holds_its_list(
    charger: Charger, row: LocalList, tags: list[IdToken], owner: Actor
) -> None:
    charger.serve()
    synced = kinds()
    ChargePoint.objects.update(last_boot_at=timezone.now() - timedelta(seconds=1))
    assert list_sync.watch(timezone.now()) == 2  # the boot, and what the device is

    assert charger.serve() == ["get_local_list_version"]
    assert (state(row), list_sync.watch(timezone.now()), kinds()) == ("in_step", 0, synced)

    ChargePoint.objects.update(last_boot_at=timezone.now() - timedelta(seconds=1))
    charger.tags, charger.version = {}, 0
    tokens.block_tokens(actor=owner, tokens=[tags[0]])  # no change is sent on top of what is gone
    assert charger.serve() == ["get_local_list_version", "send_local_list"]
    assert charger.tags == ABC | {"a1": "Blocked"}


def test_charger_that_booted_after_its_answer_is_asked_again(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve(2)
    run()
    command = charger.next()
    charger.answer(command)
    ChargePoint.objects.update(last_boot_at=timezone.now() + timedelta(seconds=1))

    run()

    assert Command.objects.latest("id").action == "get_local_list_version"


def test_list_that_is_not_kept_is_not_asked_for_after_a_boot(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve()
    LocalList.objects.update(is_kept=False)
    ChargePoint.objects.update(last_boot_at=timezone.now() - timedelta(seconds=1))
    list_sync.watch(timezone.now())

    assert (charger.serve(), state(row)) == ([], "in_step")


# ---------------------------------------------------------------- by hand
def by_hand(charger: Charger, action: str, **payload: Any) -> Command:
    return commands.queue(actor=SYSTEM, charge_point=charger.charge_point, action=action, payload=payload)


@pytest.mark.parametrize("is_raw", [True, False])
def test_list_sent_by_hand_is_known_and_put_right(
    charger: Charger, row: LocalList, tags: list[IdToken], is_raw: bool
) -> None:
    charger.serve()
    if is_raw:
        entry = {"idTag": "X7", "idTagInfo": {"status": "Accepted", "expiryDate": "2030-01-01T00:00:00Z"}}
        payload = {"listVersion": 9, "updateType": "Full", "localAuthorizationList": [entry]}
        by_hand(charger, "SendLocalList", **payload)
    else:
        entry = {"id_token": "X7", "status": "Accepted", "expires_at": "2030-01-01T00:00:00+00:00"}
        by_hand(charger, "send_local_list", update_type="Full", version=9, entries=[entry])
    command = charger.next()
    charger.version, charger.tags = 9, {"x7": "Accepted"}
    charger.end(command, response={"status": "Accepted"})
    LocalList.objects.update(is_kept=False)
    run()

    content = fresh(row).holds
    assert content is not None
    assert content.entries == [["X7", "Accepted", "2030-01-01T00:00:00Z", ""]]
    assert (fresh(row).version, state(row)) == (9, "due")
    LocalList.objects.update(is_kept=True)
    charger.serve()
    assert (charger.tags, charger.version) == (ABC, 10)


def test_raw_list_that_we_cannot_read_leaves_it_unknown(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve()
    twice = [{"idTag": "X", "idTagInfo": {"status": "Accepted"}}] * 2
    by_hand(charger, "SendLocalList", listVersion=9, updateType="Full", localAuthorizationList=twice)
    charger.version, charger.tags = 9, {"x": "Accepted"}
    charger.end(charger.next(), response={"status": "Accepted"})
    look()
    assert (held(row), state(row)) == (None, "unknown")

    charger.serve()
    assert charger.tags == held(row) == ABC


def test_lists_of_former_times_are_not_read_again(
    charger: Charger, charge_point: ChargePoint, tags: list[IdToken], technician: Actor
) -> None:
    by_hand(charger, "send_local_list", update_type="Full", entries=[])
    charger.answer(charger.next())

    local_list.change(actor=technician, charge_point=charge_point, is_kept=True)

    row = LocalList.objects.get()
    assert row.read_up_to == Command.objects.get().pk
    assert charger.serve() == KNOWN
    assert charger.tags == held(row) == ABC


def test_trail_of_a_long_list_names_the_command_instead_of_the_tags(
    charger: Charger, row: LocalList, tenant: Tenant
) -> None:
    for number in range(101):
        factories.IdTokenFactory(tenant=tenant, value=f"T{number}")
    factories.VariableFactory(charge_point=charger.charge_point, name="SendLocalListMaxLength", value="500")
    charger.serve()

    entry = AuditEntry.objects.filter(action="commands.send_dangerous").latest("id")
    assert entry.changes["payload"] == [None, {"update_type": "Full", "version": 1, "entries": "101 entries"}]
    assert len(Command.objects.get(pk=entry.changes["command"][1]).payload["entries"]) == 101


def test_refusal_of_a_list_sent_by_hand_is_no_failure_of_ours(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve()
    by_hand(charger, "send_local_list", update_type="Full", entries=[])
    charger.refuse("Failed")
    run()

    assert (state(row), fresh(row).failures, held(row)) == ("in_step", 0, ABC)


def test_emptying_takes_all_tags_and_switches_the_list_off(
    charger: Charger, row: LocalList, tags: list[IdToken], technician: Actor
) -> None:
    charger.serve()
    local_list.empty(actor=technician, charge_point=charger.charge_point)
    charger.answer(charger.next())

    assert charger.serve() == []
    assert (charger.tags, held(row), fresh(row).is_kept) == ({}, {}, False)


def test_full_update_by_hand_replaces_a_list_that_is_in_step(
    charger: Charger, row: LocalList, tags: list[IdToken], technician: Actor
) -> None:
    charger.serve()
    local_list.sync_now(actor=technician, charge_point=charger.charge_point, replace=True)

    assert charger.serve() == ["send_local_list"]
    assert charger.seen[-1][1]["update_type"] == "Full"
    assert (state(row), fresh(row).must_replace) == ("in_step", False)


def test_numbers_that_have_come_round_are_sent_as_a_full_list(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.version, charger.tags = 2**31 - 1, {"old": "Accepted"}
    charger.serve()
    assert (charger.version, charger.tags) == (1, ABC)


# ---------------------------------------------------------------- tidiness
def test_contents_that_nobody_holds_are_forgotten_after_a_day(row: LocalList, tenant: Tenant) -> None:
    used, old, new = (
        factories.LocalListContentFactory(tenant=tenant, tags=tags, used_at=at)
        for tags, at in (
            ({"A": "Accepted"}, factories.T0),
            ({"B": "Accepted"}, factories.T0),
            ({"C": "Accepted"}, factories.T0 + timedelta(days=2)),
        )
    )
    LocalList.objects.update(holds=used)

    assert list_sync.purge_contents(factories.T0 + timedelta(days=2)) == 1
    assert set(LocalListContent.objects.all()) == {used, new}
    assert old not in LocalListContent.objects.all()


def test_job_that_has_nothing_to_do_asks_three_questions(
    charger: Charger,
    row: LocalList,
    tags: list[IdToken],
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    charger.serve()

    with django_assert_num_queries(5):  # two more begin and end a transaction
        assert run() == 0


def test_digest_of_the_wish_is_that_of_what_is_held_in_step(
    charger: Charger, row: LocalList, tags: list[IdToken]
) -> None:
    charger.serve()
    after = fresh(row)
    assert after.holds is not None
    assert after.wanted_digest == after.holds.digest == list_plan.digest(entries_of(after.holds))


def test_limits_told_by_the_charger_are_used(
    charger: Charger, row: LocalList, tags: list[IdToken], charge_point: ChargePoint
) -> None:
    run()
    command = charger.next()
    Variable.objects.create(
        tenant=charge_point.tenant,
        charge_point=charge_point,
        name="SendLocalListMaxLength",
        name_key="sendlocallistmaxlength",
        value="1",
        updated_at=datetime.now().astimezone(),
    )
    charger.end(command, response={})

    assert charger.serve() == ["get_local_list_version", *["send_local_list"] * 3]
    assert LocalListState(state(row)) is LocalListState.IN_STEP


# ---------------------------------------------------------------- whatever happens
class Chaos:
    """Tags that change while the charger answers as it likes; `rng` decides."""

    def __init__(self, charger: Charger, row: LocalList, rng: random.Random) -> None:
        self.charger, self.row, self.rng = charger, row, rng
        self.numbers = itertools.count(1)

    def step(self) -> None:
        """Something happens to the tags or to the charger, then the job runs and the charger answers somehow."""
        self.rng.choice([self._make, self._block, self._delete, self._lose, self._foreign, self._nothing])()
        run(after=timedelta(minutes=self.rng.choice([0, 2, 20, 90]), seconds=1))
        if commands.with_queued():
            self._answer(self.charger.next())

    def _make(self) -> None:
        tokens.create_token(actor=SYSTEM, tenant=self.row.tenant, value=f"N{next(self.numbers)}")

    def _block(self) -> None:
        tokens.block_tokens(actor=SYSTEM, tokens=[self._one()])

    def _delete(self) -> None:
        rows.delete_row(actor=SYSTEM, row=self._one(), permission="id_tokens.change")

    def _one(self) -> IdToken:
        if not IdToken.objects.filter(tenant=self.row.tenant).exists():
            self._make()
        found: IdToken = self.rng.choice(list(IdToken.objects.filter(tenant=self.row.tenant).order_by("pk")))
        return found

    def _lose(self) -> None:
        # At a boot; whoever forgets without one cannot be helped.
        self.charger.tags, self.charger.version = {}, 0
        ChargePoint.objects.update(last_boot_at=timezone.now())

    def _foreign(self) -> None:
        # Of a version that we have never used: of two lists with one number nobody could tell which it is.
        self.charger.tags, self.charger.version = {"zz": "Accepted"}, next(self.numbers) * 1000

    def _nothing(self) -> None:
        pass

    def _answer(self, command: Command) -> None:
        taken = command.action == "send_local_list" and self._is_good(command) and self.rng.random() < 0.7
        if taken:
            self.charger.take(command.payload)
        kind = self.rng.choice(
            ["well", "well", "Timeout", "ConnectionLost", "InternalError", "InvalidAnswer"]
        )
        if kind != "well":
            status = CommandStatus.TIMED_OUT if kind == "Timeout" else CommandStatus.FAILED
            self.charger.end(command, status, error={"code": kind, "description": "", "details": {}})
        elif command.action == "send_local_list" and not taken:
            word = "Failed" if self._is_good(command) else "VersionMismatch"
            self.charger.end(command, CommandStatus.REJECTED, response={"status": word})
        elif command.action == "send_local_list":
            self.charger.end(command, response={"status": "Accepted"})
        else:
            self.charger.answer(command)

    def _is_good(self, command: Command) -> bool:
        payload = command.payload
        return payload["update_type"] == "Full" or payload["version"] > self.charger.version


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_the_charger_holds_the_tags_in_the_end(
    charger: Charger, row: LocalList, tags: list[IdToken], seed: int
) -> None:
    chaos = Chaos(charger, row, random.Random(seed))
    for _ in range(12):
        chaos.step()
    _drain(charger)

    # What somebody else has done to the list can only be known by asking.
    local_list.ask_version(actor=SYSTEM, charge_point=charger.charge_point)
    charger.answer(charger.next())
    local_list.sync_now(actor=SYSTEM, charge_point=charger.charge_point)
    charger.serve()

    wanted = {token.value_key: token.status for token in IdToken.objects.filter(tenant=row.tenant)}
    assert charger.tags == held(row) == wanted
    assert (state(row), fresh(row).failures) == ("in_step", 0)
    versions = [payload["version"] for action, payload in charger.seen if action == "send_local_list"]
    assert versions == sorted(set(versions))


def _drain(charger: Charger) -> None:
    """Answer what is still under way."""
    while commands.with_queued():
        charger.answer(charger.next())
