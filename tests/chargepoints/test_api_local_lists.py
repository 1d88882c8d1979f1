"""Local lists over REST: the wish, how it stands, into step, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.choices import Role
from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Command, Connection, LocalList
from csms_project.common.models import AuditEntry
from tests import factories
from tests.api import client_of, names, problem_of
from tests.conftest import ActorFor

PATH = "/api/v1/charge-points/cp-a/local-list/"


@pytest.fixture
def tags(tenant: Tenant, other_tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, name="Fleet A")
    factories.TokenGroupFactory(tenant=other_tenant, name="Theirs")
    factories.IdTokenFactory(tenant=tenant, value="A1", group=group)
    factories.IdTokenFactory(tenant=tenant, value="B2", status="Blocked")
    factories.IdTokenFactory(tenant=tenant, value="X" * 21)
    factories.IdTokenFactory(tenant=other_tenant, value="THEIRS")


def test_list_that_nobody_has_touched_is_shown_as_it_would_be(
    viewer: Actor, charge_point: ChargePoint, tags: None
) -> None:
    shown = client_of(viewer).get(PATH).json()

    assert shown == {
        "charge_point": "CP-A",
        "is_kept": None,
        "is_active": False,
        "all_tokens": True,
        "token_groups": [],
        "tokens": [],
        "without": [],
        "with_refused": True,
        "state": "unknown",
        "version": None,
        "wanted_count": 2,
        "held_count": None,
        "added": None,
        "changed": None,
        "removed": None,
        "left_out": 1,
        "room": None,
        "is_switched_off": False,
        "failures": 0,
        "last_error": "",
        "last_attempt_at": None,
        "last_success_at": None,
        "next_attempt_at": None,
    }
    assert not LocalList.objects.exists()


def test_difference_between_wanted_and_held_is_counted(
    viewer: Actor, charge_point: ChargePoint, tenant: Tenant, tags: None
) -> None:
    held = factories.LocalListContentFactory(tenant=tenant, tags={"b2": "Accepted", "OLD": "Accepted"})
    factories.LocalListFactory(charge_point=charge_point, holds=held, version=4, state="due")
    for name, value in (("LocalAuthListMaxLength", "500"), ("LocalAuthListEnabled", "false")):
        factories.VariableFactory(charge_point=charge_point, name=name, value=value)

    shown = client_of(viewer).get(PATH).json()

    assert {name: shown[name] for name in ("added", "changed", "removed", "held_count", "version", "room")} == {
        "added": 1, "changed": 1, "removed": 1, "held_count": 2, "version": 4, "room": 500,
    }  # fmt: skip
    assert shown["is_switched_off"] is True


def test_wish_is_changed_and_audited(technician: Actor, charge_point: ChargePoint, tags: None) -> None:
    body = {"is_kept": True, "all_tokens": False, "token_groups": ["fleet a"], "tokens": ["b2"]}

    shown = client_of(technician).patch(PATH, body, format="json").json()

    assert (shown["is_kept"], shown["is_active"], shown["wanted_count"]) == (True, True, 2)
    assert (shown["token_groups"], shown["tokens"]) == (["Fleet A"], ["B2"])
    entry = AuditEntry.objects.get(action="local_lists.change")
    assert entry.changes == {
        "is_kept": [None, True],
        "all_tokens": [True, False],
        "token_groups": [[], ["Fleet A"]],
        "tokens": [[], ["B2"]],
    }
    client_of(technician).patch(PATH, body, format="json")
    assert AuditEntry.objects.filter(action="local_lists.change").count() == 1  # nothing new, nothing told
    shown = client_of(technician).patch(PATH, {"with_refused": False, "tokens": []}, format="json").json()
    assert (shown["wanted_count"], shown["with_refused"]) == (1, False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tokens": ["nobody"]}, "tokens"),
        ({"tokens": ["THEIRS"]}, "tokens"),
        ({"token_groups": ["Theirs"]}, "token_groups"),
        ({"token_groups": "Fleet A"}, "token_groups"),
        ({"is_kept": "perhaps"}, "is_kept"),
        ({"all_tokens": None}, "all_tokens"),
    ],
)
def test_unusable_wish_names_the_field_and_changes_nothing(
    technician: Actor, charge_point: ChargePoint, tags: None, body: dict[str, Any], field: str
) -> None:
    response = client_of(technician).patch(PATH, body, format="json")

    assert next(iter(problem_of(response, 400)["errors"])).split(".")[0] == field
    assert not LocalList.objects.filter(is_kept=True).exists()


def test_sync_marks_the_list_and_forgets_failures(technician: Actor, charge_point: ChargePoint) -> None:
    factories.LocalListFactory(
        charge_point=charge_point, state="failed", failures=5, last_error="x", is_kept=False
    )

    shown = client_of(technician).post(f"{PATH}sync/", {"replace": True}, format="json").json()

    assert (shown["state"], shown["failures"], shown["last_error"]) == ("unknown", 0, "")
    row = LocalList.objects.get()
    assert (row.is_asked, row.must_replace, row.must_check) == (True, True, True)
    assert AuditEntry.objects.filter(action="local_lists.sync").count() == 1


def test_sync_of_an_archived_charger_is_409(technician: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(archived_at=factories.T0)

    assert problem_of(client_of(technician).post(f"{PATH}sync/"), 409)["code"] == "charge_point_archived"


def test_check_asks_the_charger_or_says_that_it_is_offline(support: Actor, charge_point: ChargePoint) -> None:
    client = client_of(support)
    assert problem_of(client.post(f"{PATH}check/"), 409)["code"] == "charge_point_offline"
    assert client.post(f"{PATH}check/", {"expires_in": 60}, format="json").status_code == 201
    Command.objects.all().delete()
    factories.ConnectionFactory(charge_point=charge_point)

    shown = client.post(f"{PATH}check/")

    assert (shown.status_code, shown.json()["action"]) == (201, "get_local_list_version")
    assert Command.objects.get().requested_by_name == support.name


@pytest.mark.parametrize("role", list(Role))
def test_role_that_may_change_settings_may_change_the_list(
    tenant: Tenant, actor_for: ActorFor, connection: Connection, role: Role
) -> None:
    client = client_of(actor_for(tenant, role))
    answers = [
        client.get(PATH),
        client.patch(PATH, {}),
        client.post(f"{PATH}sync/"),
        client.post(f"{PATH}check/"),
    ]

    may_change = role in (Role.OWNER, Role.OPERATOR, Role.TECHNICIAN)
    may_ask = may_change or role == Role.SUPPORT
    assert [answer.status_code for answer in answers] == [
        200,
        200 if may_change else 403,
        200 if may_change else 403,
        201 if may_ask else 403,
    ]


def test_another_tenants_list_is_404_and_anonymous_may_nothing(
    stranger: Actor, connection: Connection
) -> None:
    for client, status in ((client_of(stranger), 404), (client_of(None), 401)):
        problem_of(client.get(PATH), status)
        problem_of(client.patch(PATH, {"is_kept": True}), status)
        problem_of(client.post(f"{PATH}sync/"), status)
        problem_of(client.post(f"{PATH}check/"), status)
    assert not LocalList.objects.exists()
    assert not Command.objects.exists()


def test_lists_of_all_chargers_are_found_by_state_and_switch(
    viewer: Actor, tenant: Tenant, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(keep_local_lists=True)
    held = factories.LocalListContentFactory(tenant=tenant, tags={"A": "Accepted"})
    factories.LocalListFactory(charge_point=other_charge_point, state="failed")
    factories.LocalListFactory(charge_point=charge_point, state="failed", is_kept=None, last_error="No room.")
    off = factories.ChargePointFactory(tenant=tenant, identity="CP-OFF")
    factories.LocalListFactory(charge_point=off, state="in_step", is_kept=False, holds=held)
    client = client_of(viewer)

    def found(query: str = "") -> list[str]:
        return names(client.get(f"/api/v1/local-lists/{query}"), "charge_point")

    assert found() == ["CP-A", "CP-OFF"]
    assert found("?state=failed") == found("?kept=true") == found("?charge_point=cp-a") == ["CP-A"]
    assert found("?state=in_step") == found("?kept=false") == ["CP-OFF"]
    Tenant.objects.update(keep_local_lists=False)
    assert (found("?kept=true"), found("?kept=false")) == ([], ["CP-A", "CP-OFF"])
    Tenant.objects.update(keep_local_lists=True)
    first, second = client.get("/api/v1/local-lists/").json()["results"]
    assert (first["last_error"], first["held_count"], first["is_active"]) == ("No room.", None, True)
    assert (second["held_count"], second["is_active"]) == (1, False)
    problem_of(client.get("/api/v1/local-lists/?state=odd"), 400)


def test_tags_are_left_out_and_taken_in_again(technician: Actor, charge_point: ChargePoint) -> None:
    factories.IdTokenFactory(tenant=charge_point.tenant, value="04A1")
    factories.IdTokenFactory(tenant=charge_point.tenant, value="04A2")
    client = client_of(technician)
    path = PATH
    left = client.patch(path, {"without": ["04a1"]}).json()
    assert (left["without"], left["wanted_count"]) == (["04A1"], 1)
    problem = problem_of(client.patch(path, {"without": ["04FF"]}), 400)
    assert "without" in problem["errors"]
    assert client.patch(path, {"without": []}).json()["wanted_count"] == 2
