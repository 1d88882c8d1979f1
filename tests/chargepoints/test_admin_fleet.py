"""Tasks in the admin: started from the list of charge points, followed, tried again, called off, exported."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from accounts.permissions import Actor
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connection, FleetTask
from chargepoints.services import fleet
from chargepoints.services.local_list import store_version
from csms_project.common.models import AuditEntry
from tests import factories
from tests.browsing import messages_of, sign_in
from tests.chargepoints.fleets import answer, chargers, connect, orders, statuses, step

CHARGE_POINTS = "admin:chargepoints_chargepoint_changelist"


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    return sign_in(client, owner)


def act(client: Client, action: str, *rows: ChargePoint, **data: Any) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(CHARGE_POINTS), {**chosen, **data}, follow=True)


def page(task: FleetTask, name: str = "change") -> str:
    return reverse(f"admin:chargepoints_fleettask_{name}", args=[task.pk])


def shown(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    text: str = response.content.decode()
    return text


def rows_of(response: Any) -> list[str]:
    return [item["row"].charge_point.identity for item in response.context["items"]]


# --- starting ---


def test_command_for_many_asks_and_leads_to_the_page_of_its_task(
    signed_in: Client, charge_point: ChargePoint, connection: Connection, tenant: Tenant, owner: Actor
) -> None:
    offline = factories.ChargePointFactory(tenant=tenant, identity="CP-OFF")
    charge_point.connectors.filter(ocpp_number=1).update(status="Charging")
    question = act(signed_in, "command_reset", charge_point, offline)
    assert "CP-OFF" in shown(question)
    assert "1 of 2 is offline. Sessions are running on 1 connector." in shown(question)
    assert "Sessions are running" not in shown(act(signed_in, "command_clear_cache", charge_point))
    assert not FleetTask.objects.exists()

    started = act(signed_in, "command_reset", charge_point, offline, confirmed="1", kind="Soft")

    task = FleetTask.objects.get()
    assert started.redirect_chain[-1][0] == page(task)
    assert (task.title, task.requested_by, task.requested_via) == ("Reset", owner.user, "admin")
    assert messages_of(started) == ["“Reset” has started; what becomes of each charger appears here."]
    step()
    assert statuses(task) == ["under_way", "offline"]
    text = shown(signed_in.get(page(task)))
    assert "The charger was offline." in text
    assert reverse("admin:chargepoints_command_change", args=[Command.objects.get().pk]) in text


def test_form_says_how_the_task_is_carried_on(signed_in: Client, charge_point: ChargePoint) -> None:
    act(
        signed_in,
        "command_clear_cache",
        charge_point,
        confirmed="1",
        task_title="Night work",
        if_offline="86400",
        batch_size="10",
        not_before_0="2026-12-01",
        not_before_1="22:00:00",
        stop_percent="20",
    )
    task = FleetTask.objects.get()
    assert (task.title, task.expires_in, task.batch_size) == ("Night work", 86400, 10)
    assert task.not_before is not None
    assert task.stop_failure_rate is not None
    assert (f"{task.not_before:%Y-%m-%d %H:%M}", float(task.stop_failure_rate)) == ("2026-12-01 22:00", 0.2)


def test_local_list_for_many_has_for_each_the_version_after_its_own(
    signed_in: Client, charge_point: ChargePoint, connection: Connection, tenant: Tenant
) -> None:
    other = factories.ChargePointFactory(tenant=tenant)
    factories.ConnectionFactory(charge_point=other)
    store_version(other.pk, 4, at=factories.T0)
    data = {"update_type": "Full", "entries": "04A1, Accepted"}
    act(signed_in, "command_send_local_list", charge_point, other, confirmed="1", **data)
    step()
    sent = {command.charge_point: command.payload for command in Command.objects.all()}
    entries = [{"id_token": "04A1", "status": "Accepted"}]
    assert sent == {
        charge_point: {"update_type": "Full", "version": 1, "entries": entries},
        other: {"update_type": "Full", "version": 5, "entries": entries},
    }


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"kind": ""}, "kind"),
        ({"kind": "Soft", "batch_size": "0"}, "batch_size"),
        ({"kind": "Soft", "stop_percent": "200"}, "stop_percent"),
        ({"kind": "Soft", "not_before_0": "2126-12-01", "not_before_1": "22:00"}, "not_before"),
    ],
)
def test_unusable_form_asks_again(
    signed_in: Client, charge_point: ChargePoint, data: dict[str, str], field: str
) -> None:
    again = act(signed_in, "command_reset", charge_point, confirmed="1", **data)
    assert field in again.context["form"].errors
    assert not FleetTask.objects.exists()


def test_superuser_starts_a_task_for_each_organisation(
    superuser: User, charge_point: ChargePoint, other_charge_point: ChargePoint, client: Client
) -> None:
    client.force_login(superuser)
    started = act(client, "command_clear_cache", charge_point, other_charge_point, confirmed="1")
    assert len(messages_of(started)) == 2
    assert {task.tenant for task in FleetTask.objects.all()} == {
        charge_point.tenant,
        other_charge_point.tenant,
    }


def test_role_without_the_command_cannot_start_it(
    support: Actor, charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, support)
    act(client, "command_reset", charge_point, confirmed="1", kind="Soft")
    assert not FleetTask.objects.exists()


def test_ocpp_message_goes_to_many_as_it_is(signed_in: Client, charge_point: ChargePoint) -> None:
    data = {"ocpp_action": "ClearCache", "ocpp_payload": "{}"}
    act(signed_in, "command_raw", charge_point, confirmed="1", **data, task_title="")
    task = FleetTask.objects.get()
    assert (task.title, task.actions) == ("ClearCache", ["ClearCache"])
    wrong = {"ocpp_action": "ClearCache", "ocpp_payload": '{"x": 1}'}
    again = act(signed_in, "command_raw", charge_point, confirmed="1", **wrong)
    assert "payload" in str(again.context["form"].non_field_errors())
    assert FleetTask.objects.count() == 1


def test_all_that_the_filter_shows_may_be_chosen(signed_in: Client, tenant: Tenant) -> None:
    made = chargers(tenant, 60, online=False)
    act(signed_in, "command_clear_cache", made[0], confirmed="1", select_across="1")
    assert FleetTask.objects.get().items.count() == 60


def test_command_names_its_task(signed_in: Client, charge_point: ChargePoint, connection: Connection) -> None:
    act(signed_in, "command_clear_cache", charge_point, confirmed="1")
    step()
    own = factories.CommandFactory(charge_point=charge_point)
    made = Command.objects.get(action="clear_cache")
    path = page(FleetTask.objects.get())
    for command, is_part in ((made, True), (own, False)):
        text = shown(signed_in.get(reverse("admin:chargepoints_command_change", args=[command.pk])))
        assert (path in text) == is_part


# --- following ---


@pytest.fixture
def task(signed_in: Client, tenant: Tenant) -> FleetTask:
    """Accepted by F-1, refused by F-2, F-3 is offline and waited for."""
    first, second, third = chargers(tenant, 3, online=False)
    connect(first)
    connect(second)
    act(signed_in, "command_reset", first, second, third, confirmed="1", kind="Soft", if_offline="3600")
    step()
    answer(first)
    answer(second, CommandStatus.REJECTED, "Not while the sun shines.")
    step()
    return FleetTask.objects.get()


def test_list_shows_progress_and_outcomes_and_is_filtered(
    signed_in: Client, task: FleetTask, owner: Actor
) -> None:
    factories.FleetTaskFactory(tenant=task.tenant, title="Other", state="done", ended_at=factories.T0)
    path = reverse("admin:chargepoints_fleettask_changelist")
    text = shown(signed_in.get(path))
    assert "2 / 3" in text
    assert all(words in text for words in ("1 accepted", "1 rejected", "1 waiting"))

    def found(**query: str) -> list[str]:
        return [row.title for row in signed_in.get(path, query).context["cl"].result_list]

    assert found() == ["Other", "Reset"]
    assert found(state__exact="running") == ["Reset"]
    assert found(by=owner.name) == ["Reset"]
    assert found(q="othe") == ["Other"]


def test_page_refreshes_itself_while_the_task_is_open(signed_in: Client, task: FleetTask) -> None:
    live = page(task, "live")
    assert f'hx-get="{live}?status=waiting"' in shown(signed_in.get(page(task), {"status": "waiting"}))
    part = signed_in.get(live)
    assert "HX-Refresh" not in part
    assert 'id="orders" hx-swap-oob="innerHTML"' in shown(part)

    task.items.filter(status="waiting").update(status="expired")
    step()

    assert signed_in.get(live)["HX-Refresh"] == "true"
    assert f'hx-get="{live}"' not in shown(signed_in.get(page(task)))


def test_what_waits_says_why(signed_in: Client, task: FleetTask) -> None:
    text = shown(signed_in.get(page(task)))
    assert "offline, waited for until" in text
    assert "not yet its turn" not in text
    connect(task.items.get(status="waiting").charge_point)
    assert "not yet its turn" in shown(signed_in.get(page(task)))


def test_orders_are_filtered_searched_and_paged(
    signed_in: Client, task: FleetTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows_of(signed_in.get(page(task))) == ["F-1", "F-2", "F-3"]
    assert rows_of(signed_in.get(page(task), {"status": "rejected"})) == ["F-2"]
    assert rows_of(signed_in.get(page(task), {"status": "failed_any"})) == ["F-2"]
    assert rows_of(signed_in.get(page(task), {"q": "-3"})) == ["F-3"]
    none = signed_in.get(page(task), {"q": "nobody"})
    assert "No order fits." in shown(none)
    monkeypatch.setattr("chargepoints.admin.fleet.PAGE", 2)
    first, second = signed_in.get(page(task)), signed_in.get(page(task), {"p": "2"})
    assert (rows_of(first), rows_of(second)) == (["F-1", "F-2"], ["F-3"])
    assert 'rel="next"' in shown(first)
    assert 'rel="prev"' in shown(second)
    assert rows_of(signed_in.get(page(task), {"p": "x"})) == ["F-1", "F-2"]


def test_page_shows_what_was_ordered(signed_in: Client, tenant: Tenant, owner: Actor) -> None:
    made = chargers(tenant, 2, online=False)
    given = orders(made, "change_configuration", key="HeartbeatInterval", value="60")
    one = fleet.start_task(actor=owner, tenant=tenant, title="One", orders=given)
    more = orders(made, "change_configuration", key="AuthorizationKey", value="f" * 40)
    two = fleet.start_task(actor=owner, tenant=tenant, title="Two", orders=[*given, *more])

    facts = dict(signed_in.get(page(one)).context["facts"])
    assert facts["Arguments"] == "key: HeartbeatInterval, value: 60"
    response = signed_in.get(page(two))
    assert "Arguments" not in dict(response.context["facts"])
    assert "key: HeartbeatInterval, value: 60" in shown(response)
    assert "key: AuthorizationKey, value: ***" in shown(response)


def test_page_of_a_charger_names_the_tasks_that_wait_for_it(
    signed_in: Client, charge_point: ChargePoint, owner: Actor
) -> None:
    path = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk]) + "?tab=commands"
    assert "Waiting in tasks" not in shown(signed_in.get(path))
    task = fleet.start_task(
        actor=owner,
        tenant=charge_point.tenant,
        title="Night work",
        orders=orders([charge_point]),
        expires_in=3600,
    )
    text = shown(signed_in.get(path))
    assert "Waiting in tasks" in text
    assert page(task) in text


def test_retry_and_cancel_ask_first(signed_in: Client, task: FleetTask) -> None:
    text = shown(signed_in.get(page(task)))
    assert "Retry the failed…" in text
    assert "Cancel what waits…" in text
    signed_in.get(page(task, "retry"))
    signed_in.get(page(task, "cancel"))
    assert statuses(task) == ["accepted", "rejected", "waiting"]

    retried = signed_in.post(page(task, "retry"), follow=True)
    assert messages_of(retried) == ["They are sent again."]
    assert statuses(task) == ["accepted", "waiting", "waiting"]
    cancelled = signed_in.post(page(task, "cancel"), follow=True)
    assert messages_of(cancelled) == ["What waited is cancelled."]
    assert statuses(task) == ["accepted", "cancelled", "cancelled"]
    assert messages_of(signed_in.post(page(task, "cancel"), follow=True)) == [
        "The task has ended; nothing of it waits to be sent."
    ]
    step()
    text = shown(signed_in.get(page(task)))
    assert "Retry the failed…" not in text
    assert "Send what was not sent…" in text
    signed_in.post(page(task, "retry") + "?cancelled")
    assert statuses(task) == ["accepted", "waiting", "waiting"]
    assert {"fleet.start", "fleet.retry", "fleet.cancel"} <= set(
        AuditEntry.objects.values_list("action", flat=True)
    )


def test_outcomes_are_exported_as_the_filter_shows_them(signed_in: Client, task: FleetTask) -> None:
    def lines(**query: str) -> list[list[str]]:
        answered: Any = signed_in.get(page(task, "export"), query)
        content = b"".join(answered.streaming_content)
        return [line.split(",") for line in content.decode("utf-8-sig").splitlines()]

    everything = lines()
    assert everything[0][:4] == ["charge_point", "command", "status", "outcome"]
    assert [line[0] for line in everything[1:]] == ["F-1", "F-2", "F-3"]
    _, only = lines(status="rejected")
    assert only[:5] == ["F-2", "reset", "rejected", "Not while the sun shines.", "1"]


def test_who_may_not_send_the_command_sees_no_buttons_and_cannot_act(
    task: FleetTask, support: Actor, viewer: Actor, client: Client
) -> None:
    for actor in (support, viewer):
        sign_in(client, actor)
        text = shown(client.get(page(task)))
        assert "Retry the failed…" not in text
        assert "Cancel what waits…" not in text
        for name in ("retry", "cancel"):
            assert client.post(page(task, name)).status_code == 403
    assert statuses(task) == ["accepted", "rejected", "waiting"]


def test_task_whose_chargers_were_deleted_says_so(signed_in: Client, tenant: Tenant) -> None:
    empty = factories.FleetTaskFactory(tenant=tenant, state="done", ended_at=factories.T0)
    assert "its chargers were deleted" in shown(signed_in.get(page(empty)))
