"""Local lists in the admin: the tab, the form, the steps, the list of all."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import IdToken, Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection, LocalList
from csms_project.common.models import AuditEntry
from tests import factories
from tests.browsing import messages_of, sign_in

LIST = reverse("admin:chargepoints_locallist_changelist")


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


@pytest.fixture
def tags(tenant: Tenant, other_tenant: Tenant) -> None:
    factories.IdTokenFactory(
        tenant=tenant, value="A1", group=factories.TokenGroupFactory(tenant=tenant, name="G1")
    )
    factories.IdTokenFactory(tenant=tenant, value="B2", expires_at=factories.T0)
    factories.TokenGroupFactory(tenant=other_tenant, name="THEIR-GROUP")
    factories.IdTokenFactory(tenant=other_tenant, value="THEIRS")


def tab(charge_point: ChargePoint) -> str:
    return reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk]) + "?tab=local-list"


def source(charge_point: ChargePoint) -> str:
    return reverse("admin:chargepoints_locallist_source", args=[charge_point.pk])


def step(charge_point: ChargePoint, name: str) -> str:
    return reverse("admin:chargepoints_locallist_step", args=[charge_point.pk, name])


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_tab_of_a_list_that_nobody_has_touched_says_what_it_would_hold(
    signed_in: Client, charge_point: ChargePoint, tags: None
) -> None:
    text = shown(signed_in, tab(charge_point))

    assert "not kept in step" in text
    assert "2 tags" in text
    assert "not known" in text
    assert "THEIRS" not in text
    assert not LocalList.objects.exists()


def test_tab_marks_each_tag_that_differs_and_shows_those_first(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant, tags: None
) -> None:
    held = factories.LocalListContentFactory(tenant=tenant, tags={"B2": "Accepted", "OLD": "Blocked"})
    factories.LocalListFactory(charge_point=charge_point, holds=held, version=7, state="due")
    factories.VariableFactory(charge_point=charge_point, name="LocalAuthListMaxLength", value="500")

    answer = signed_in.get(tab(charge_point))

    text = answer.content.decode()
    assert "1 missing, 1 different, 1 too much" in text
    assert "room for 500" in text
    assert [row["value"] for row in answer.context["entries"]] == ["A1", "B2", "OLD"]


def test_tab_says_what_went_wrong_and_what_to_do(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.LocalListFactory(
        charge_point=charge_point,
        state="failed",
        failures=5,
        last_error="<b>no room</b>",
        next_attempt_at=None,
    )
    factories.VariableFactory(charge_point=charge_point, name="LocalAuthListEnabled", value="False")

    text = shown(signed_in, tab(charge_point))

    assert "&lt;b&gt;no room&lt;/b&gt;" in text
    assert "Failed 5 times in a row; not tried again by itself" in text
    assert "LocalAuthListEnabled is false" in text


def test_viewer_sees_the_tab_without_buttons(
    viewer: Actor, client: Client, charge_point: ChargePoint
) -> None:
    text = shown(sign_in(client, viewer), tab(charge_point))

    assert "Tags that the charger knows by itself" in text
    assert "/source/" not in text
    assert "Sync now" not in text


def test_archived_charger_has_no_buttons(signed_in: Client, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(archived_at=factories.T0)

    assert "Sync now" not in shown(signed_in, tab(charge_point))


def test_form_offers_the_tenants_groups_and_stores_the_wish(
    signed_in: Client, charge_point: ChargePoint, tags: None
) -> None:
    text = shown(signed_in, source(charge_point))
    assert "G1" in text
    assert "THEIR-GROUP" not in text
    group = IdToken.objects.get(value="A1").group
    assert group is not None
    data: dict[str, Any] = {"is_kept": "yes", "token_groups": [group.pk], "tokens": "b2\r\n\r\n"}

    answer = signed_in.post(source(charge_point), data)

    assert answer["Location"] == tab(charge_point)
    row = LocalList.objects.get()
    assert (row.is_kept, row.all_tokens, row.with_refused) == (True, False, False)
    assert ([g.name for g in row.token_groups.all()], [t.value for t in row.tokens.all()]) == (["G1"], ["B2"])
    entry = AuditEntry.objects.get(action="local_lists.change")
    assert (entry.via, entry.object_id) == ("admin", str(charge_point.pk))
    again = shown(signed_in, source(charge_point))
    assert '<option value="yes" selected' in again
    assert "B2" in again


@pytest.mark.parametrize(
    ("data", "field"),
    [({"tokens": "nobody"}, "tokens"), ({"tokens": "THEIRS"}, "tokens"), ({"is_kept": "x"}, "is_kept")],
)
def test_form_with_what_there_is_not_is_shown_again(
    signed_in: Client, charge_point: ChargePoint, tags: None, data: dict[str, str], field: str
) -> None:
    answer = signed_in.post(source(charge_point), data)

    assert list(answer.context["form"].errors) == [field]
    assert not LocalList.objects.exists()


def test_sync_now_marks_the_list(signed_in: Client, charge_point: ChargePoint) -> None:
    assert "Sync now" in shown(signed_in, step(charge_point, "sync"))
    assert not LocalList.objects.exists()

    answer = signed_in.post(step(charge_point, "sync"), follow=True)

    assert "brought into step" in messages_of(answer)[0]
    assert (LocalList.objects.get().is_asked, LocalList.objects.get().must_replace) == (True, False)


def test_full_update_replaces(signed_in: Client, charge_point: ChargePoint) -> None:
    signed_in.post(step(charge_point, "replace"))

    assert (LocalList.objects.get().is_asked, LocalList.objects.get().must_replace) == (True, True)


def test_question_and_emptying_need_a_charger_that_is_online(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    for name in ("check", "empty"):
        answer = signed_in.post(step(charge_point, name), follow=True)
        assert "offline" in messages_of(answer)[0]
    assert not LocalList.objects.filter(is_kept=False).exists()
    assert not Command.objects.exists()


def test_emptying_asks_first_then_sends_a_list_without_tags(
    signed_in: Client, connection: Connection
) -> None:
    charge_point = connection.charge_point
    assert "cs-danger" in shown(signed_in, step(charge_point, "empty"))
    assert not Command.objects.exists()

    signed_in.post(step(charge_point, "empty"))

    command = Command.objects.get()
    assert (command.action, command.payload) == ("send_local_list", {"update_type": "Full", "version": 1})
    assert LocalList.objects.get().is_kept is False


def test_step_that_there_is_not_is_404(signed_in: Client, charge_point: ChargePoint) -> None:
    assert signed_in.get(step(charge_point, "burn")).status_code == 404


def test_list_of_all_is_filtered_by_state_and_switch(
    signed_in: Client, tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(keep_local_lists=True)
    factories.LocalListFactory(charge_point=other_charge_point, state="failed")
    factories.LocalListFactory(charge_point=charge_point, state="failed", is_kept=None, last_error="No room.")
    off = factories.ChargePointFactory(tenant=tenant, identity="CP-OFF")
    factories.LocalListFactory(charge_point=off, state="in_step", is_kept=False)

    def found(**query: str) -> list[str]:
        rows = signed_in.get(LIST, query).context["cl"].result_list
        return [row.charge_point.identity for row in rows]

    assert found() == ["CP-A", "CP-OFF"]
    assert found(state="failed") == found(kept="yes") == ["CP-A"]
    assert found(state="in_step") == found(kept="no") == ["CP-OFF"]
    assert "No room." in shown(signed_in, LIST)


def test_sync_of_many_asks_and_marks_them(
    signed_in: Client, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    row = factories.LocalListFactory(charge_point=charge_point)
    other = factories.LocalListFactory(charge_point=other_charge_point)
    data: dict[str, Any] = {"action": "sync", "_selected_action": [row.pk, other.pk]}
    assert "Sync now" in signed_in.post(LIST, data).content.decode()
    assert not LocalList.objects.filter(is_asked=True).exists()

    answer = signed_in.post(LIST, {**data, "confirmed": "1"}, follow=True)

    assert "into step: 1;" in messages_of(answer)[0]
    assert list(LocalList.objects.filter(is_asked=True)) == [row]


def test_support_may_not_sync_many(support: Actor, client: Client, charge_point: ChargePoint) -> None:
    row = factories.LocalListFactory(charge_point=charge_point)
    data = {"action": "sync", "_selected_action": [row.pk], "confirmed": "1"}

    sign_in(client, support).post(LIST, data)

    assert not LocalList.objects.filter(is_asked=True).exists()


def test_lists_of_many_charge_points_are_kept_after_a_question(
    signed_in: Client, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    path = reverse("admin:chargepoints_chargepoint_changelist")
    chosen = [charge_point.pk, other_charge_point.pk]
    data: dict[str, Any] = {"action": "keep_local_lists", "_selected_action": chosen}
    assert "Keep in step" in signed_in.post(path, data).content.decode()
    assert not LocalList.objects.exists()

    answer = signed_in.post(path, {**data, "confirmed": "1", "is_kept": "yes"}, follow=True)

    assert messages_of(answer) == ["Local lists changed: 1."]
    row = LocalList.objects.get()
    assert (row.charge_point, row.is_kept) == (charge_point, True)


def test_support_is_not_offered_to_keep_lists(
    support: Actor, client: Client, charge_point: ChargePoint
) -> None:
    path = reverse("admin:chargepoints_chargepoint_changelist")
    data = {"action": "keep_local_lists", "_selected_action": [charge_point.pk], "confirmed": "1"}

    sign_in(client, support).post(path, {**data, "is_kept": "yes"})

    assert not LocalList.objects.exists()


@pytest.mark.parametrize(
    ("state", "is_kept", "is_online", "moves"),
    [
        ("due", True, True, True),
        ("unknown", True, True, True),
        ("sending", True, True, True),
        ("due", False, True, False),
        ("due", True, False, False),
        ("in_step", True, True, False),
        ("failed", True, True, False),
    ],
)
def test_tab_refreshes_itself_while_something_is_about_to_happen(
    signed_in: Client, charge_point: ChargePoint, state: str, is_kept: bool, is_online: bool, moves: bool
) -> None:
    factories.LocalListFactory(charge_point=charge_point, state=state, is_kept=is_kept)
    if is_online:
        factories.ConnectionFactory(charge_point=charge_point)

    assert ('hx-select="#local-list"' in shown(signed_in, tab(charge_point))) is moves


def test_list_that_is_not_kept_is_not_said_to_be_due(signed_in: Client, charge_point: ChargePoint) -> None:
    factories.LocalListFactory(charge_point=charge_point, state="due", is_kept=False)

    assert "Not in step" in shown(signed_in, tab(charge_point))
    assert "Not in step" in shown(signed_in, LIST)


def test_conflict_that_the_charger_reports_is_explained(signed_in: Client, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(error_code="LocalListConflict")

    assert "contradicts what it was told" in shown(signed_in, tab(charge_point))
