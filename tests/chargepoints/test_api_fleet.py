"""REST: fleet tasks."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, FleetTask
from tests import factories
from tests.api import V1, client_of, names, problem_of
from tests.chargepoints.fleets import answer, chargers, statuses, step

TASKS = f"{V1}fleet-tasks/"
CLEAR = {"title": "Clear caches", "action": "clear_cache"}


def post(actor: Actor, body: dict[str, Any], path: str = "", **headers: str) -> Any:
    return client_of(actor, **headers).post(TASKS + path, body, format="json")


def made(response: Any) -> FleetTask:
    assert response.status_code == 201, response.content
    return FleetTask.objects.get(pk=response.json()["id"])


def test_task_for_chargers_by_name_is_answered_at_once_and_carried_on(
    technician: Actor, tenant: Tenant
) -> None:
    first, second = chargers(tenant, 2)
    response = post(technician, {**CLEAR, "charge_points": ["f-2", "F-1", "F-1"], "stop_failure_rate": 0.5})

    task, body = made(response), response.json()
    assert (body["state"], body["actions"], body["requested_by"]) == (
        "waiting",
        ["clear_cache"],
        technician.name,
    )
    assert body["counts"]["total"] == body["counts"]["open"] == 2
    assert body["stop_failure_rate"] == 0.5
    assert [item.charge_point for item in task.items.order_by("pk")] == [second, first]
    step()
    answer(first)
    answer(second, CommandStatus.REJECTED, "No cache here.")
    step()

    shown = client_of(technician).get(f"{TASKS}{task.pk}/").json()
    assert (shown["state"], shown["counts"]["accepted"], shown["counts"]["failed"]) == ("done", 1, 1)
    assert shown["counts"]["by_status"] == {"accepted": 1, "rejected": 1}
    (row,) = client_of(technician).get(f"{TASKS}{task.pk}/items/", {"status": "rejected"}).json()["results"]
    assert (row["charge_point"], row["outcome"], row["attempt"]) == ("F-2", "No cache here.", 1)
    command = client_of(technician).get(f"{V1}charge-points/F-2/commands/{row['command']}/")
    assert command.json()["note"] == "No cache here."


def test_task_for_all_of_a_location_or_model_leaves_the_others_and_archived_ones(
    technician: Actor, tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(model="Wallbox")
    elsewhere = factories.ChargePointFactory(tenant=tenant, identity="E", model="wallbox")
    factories.ChargePointFactory(tenant=tenant, identity="GONE", model="Wallbox", archived_at=factories.T0)

    def chosen(**wanted: Any) -> set[ChargePoint]:
        task = made(post(technician, {**CLEAR, "filter": wanted}))
        return {item.charge_point for item in task.items.all()}

    assert chosen(all=True) == {charge_point, elsewhere}
    assert chosen(model="WALLBOX") == {charge_point, elsewhere}
    assert chosen(location=charge_point.location_id) == {charge_point}
    assert chosen(location=charge_point.location_id, model="Wallbox") == {charge_point}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"charge_points": ["CP-A", "NOBODY"]}, "charge_points"),
        ({"charge_points": []}, "charge_points"),
        ({"charge_points": ["a\x07b"]}, "charge_points"),
        ({"filter": {}}, "filter"),
        ({"filter": {"model": "None such"}}, "filter"),
        ({}, "non_field_errors"),
        ({"charge_points": ["CP-A"], "filter": {"all": True}}, "non_field_errors"),
        ({"charge_points": ["CP-A"], "title": " "}, "title"),
        ({"charge_points": ["CP-A"], "action": "make_coffee"}, "action"),
        ({"charge_points": ["CP-A"], "action": "reset", "payload": {"kind": "Gently"}}, "payload.kind"),
        ({"charge_points": ["CP-A"], "payload": []}, "payload"),
        ({"charge_points": ["CP-A"], "batch_size": 0}, "batch_size"),
        ({"charge_points": ["CP-A"], "expires_in": 0}, "expires_in"),
        ({"charge_points": ["CP-A"], "stop_failure_rate": 2}, "stop_failure_rate"),
        ({"charge_points": ["CP-A"], "not_before": "2199-01-01T00:00:00Z"}, "not_before"),
    ],
)
def test_unusable_request_is_refused_by_field(
    technician: Actor, charge_point: ChargePoint, body: dict[str, Any], field: str
) -> None:
    problem = problem_of(post(technician, {**CLEAR, **body}), 400)
    assert any(name.startswith(field) for name in problem["errors"]), problem["errors"]
    assert not FleetTask.objects.exists()


def test_chargers_of_another_tenant_are_unknown(
    technician: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    problem = problem_of(post(technician, {**CLEAR, "charge_points": ["CP-A", "CP-B"]}), 400)
    assert problem["errors"]["charge_points"] == ["There is no charge point CP-B."]


def test_command_decides_who_may_start_cancel_and_retry(
    support: Actor, technician: Actor, viewer: Actor, charge_point: ChargePoint
) -> None:
    reset = {"title": "R", "action": "reset", "payload": {"kind": "Soft"}, "charge_points": ["CP-A"]}
    assert post(viewer, {**CLEAR, "charge_points": ["CP-A"]}).status_code == 403
    assert post(support, {**CLEAR, "charge_points": ["CP-A"]}).status_code == 201
    problem_of(post(support, reset), 403)
    task = made(post(technician, reset))
    for act in ("cancel", "retry"):
        problem_of(post(support, {}, f"{task.pk}/{act}/"), 403)


def test_cancel_and_retry(technician: Actor, tenant: Tenant) -> None:
    chargers(tenant, 2, online=False)
    task = made(post(technician, {**CLEAR, "filter": {"all": True}, "expires_in": 60}))
    step()

    cancelled = post(technician, {}, f"{task.pk}/cancel/")

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["counts"]["cancelled"] == 2
    assert problem_of(post(technician, {}, f"{task.pk}/cancel/"), 409)["code"] == "task_ended"
    assert problem_of(post(technician, {}, f"{task.pk}/retry/"), 409)["code"] == "nothing_failed"
    again = post(technician, {"with_cancelled": True}, f"{task.pk}/retry/")
    assert (again.status_code, again.json()["state"]) == (200, "running")
    assert statuses(task) == ["waiting", "waiting"]


def test_repeat_with_the_same_key_starts_one_task(technician: Actor, charge_point: ChargePoint) -> None:
    body = {**CLEAR, "charge_points": ["CP-A"]}
    first = post(technician, body, HTTP_IDEMPOTENCY_KEY="order-1")
    second = post(technician, body, HTTP_IDEMPOTENCY_KEY="order-1")
    assert (first.status_code, second.json()) == (201, first.json())
    assert FleetTask.objects.count() == 1


def test_list_is_filtered_and_takes_a_fixed_number_of_queries(
    viewer: Actor, charge_point: ChargePoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for title, state in (("One", "running"), ("Two", "done"), ("Three", "waiting")):
        task = factories.FleetTaskFactory(
            tenant=charge_point.tenant,
            title=title,
            state=state,
            ended_at=factories.T0 if state == "done" else None,
        )
        factories.FleetTaskItemFactory(charge_point=charge_point, task=task)
    client = client_of(viewer)

    with django_assert_num_queries(3):
        listed = client.get(TASKS)

    assert names(listed, "title") == ["Three", "Two", "One"]
    assert names(listed, "counts")[0]["open"] == 1
    assert names(client.get(TASKS, {"state": "done"}), "title") == ["Two"]
    assert names(client.get(TASKS, {"open": "true", "ordering": "id"}), "title") == ["One", "Three"]
    assert names(client.get(TASKS, {"title": "wo"}), "title") == ["Two"]


def test_items_are_paged_and_an_unknown_status_is_refused(technician: Actor, tenant: Tenant) -> None:
    chargers(tenant, 3, online=False)
    task = made(post(technician, {**CLEAR, "filter": {"all": True}}))
    page = client_of(technician).get(f"{TASKS}{task.pk}/items/", {"page_size": 2})
    assert (names(page, "charge_point"), page.json()["count"]) == (["F-1", "F-2"], 3)
    problem_of(client_of(technician).get(f"{TASKS}{task.pk}/items/", {"status": "lost"}), 400)


def test_secrets_are_never_shown(technician: Actor, charge_point: ChargePoint) -> None:
    key = "ffffffffffffffffffffffffffffffffffffffff"
    body = {
        "title": "Keys",
        "action": "change_configuration",
        "payload": {"key": "AuthorizationKey", "value": key},
        "charge_points": ["CP-A"],
    }
    response = post(technician, body)
    items = client_of(technician).get(f"{TASKS}{made(response).pk}/items/")
    assert items.json()["results"][0]["payload"]["value"] == "***"
    assert key not in response.text + items.text


def test_other_tenant_finds_no_task(technician: Actor, stranger: Actor, charge_point: ChargePoint) -> None:
    task = made(post(technician, {**CLEAR, "charge_points": ["CP-A"]}))
    client = client_of(stranger)
    assert names(client.get(TASKS), "id") == []
    for path in ("", "items/"):
        problem_of(client.get(f"{TASKS}{task.pk}/{path}"), 404)
    for act in ("cancel/", "retry/"):
        problem_of(client.post(f"{TASKS}{task.pk}/{act}"), 404)
    problem_of(client_of(None).get(TASKS), 401)
