"""Lists of tables that grow without end: what an operator and a program see of it."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.admin.logs import OcppMessageAdmin, StatusEventAdmin
from chargepoints.models import ChargePoint, OcppMessage
from csms_project.common import big_tables
from csms_project.common.api.pagination import ReceivedPages
from csms_project.common.csv_files import csv_response
from csms_project.dashboard.admin import AuditEntryAdmin
from tests.api import V1, client_of, problem_of
from tests.browsing import sign_in
from tests.factories import (
    T0,
    AuditEntryFactory,
    ChargePointFactory,
    EventFactory,
    MeterValueFactory,
    OcppMessageFactory,
    StatusEventFactory,
    TransactionFactory,
)
from transactions.admin.meter_values import MeterValueAdmin
from transactions.models import Transaction

MESSAGES = "admin:chargepoints_ocppmessage_changelist"


@pytest.fixture
def signed_in(client: Client, owner: Actor) -> Client:
    return sign_in(client, owner)


def shown(client: Client, name: str, **query: Any) -> tuple[list[int], Any]:
    """Keys of a list, and the list."""
    answer = client.get(reverse(name), query)
    assert answer.status_code == 200, answer.content
    changes = answer.context["cl"]
    return [row.pk for row in changes.result_list], changes


def messages(charge_point: ChargePoint, *actions: str) -> list[OcppMessage]:
    """One a minute, the newest last."""
    return [
        OcppMessageFactory(charge_point=charge_point, action=action, received_at=T0 + timedelta(minutes=n))
        for n, action in enumerate(actions)
    ]


# ---------------------------------------------------------------- admin


def test_filter_without_an_index_looks_through_the_newest_rows_and_leads_on(
    signed_in: Client, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OcppMessageAdmin, "look_back", 2)
    rows = messages(charge_point, "Reset", "Heartbeat", "Heartbeat", "Heartbeat", "Reset")
    found, changes = shown(signed_in, MESSAGES, action="Reset")
    assert found == [rows[4].pk]
    assert changes.looked_back_to == T0 + timedelta(minutes=2)

    page = signed_in.get(reverse(MESSAGES), {"action": "Reset"}).content.decode()
    assert "Looked through the newest 2 messages, back to 2 Mar 2026, 10:02:00." in page
    link = changes.look_further_query.removeprefix("?")
    query = dict(part.split("=") for part in link.replace("%3A", ":").split("&"))
    found, changes = shown(signed_in, MESSAGES, **query)
    assert (found, changes.looked_back_to) == ([rows[0].pk], T0)
    assert "action" in query


def test_search_looks_through_the_newest_rows_too(
    signed_in: Client, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OcppMessageAdmin, "look_back", 1)
    rows = messages(charge_point, "Reset", "Reset", "Heartbeat")
    assert shown(signed_in, MESSAGES, q="Reset")[0] == [rows[1].pk]


@pytest.mark.parametrize("query", [{}, {"outcome": "error"}, {"received_at_from_0": "2026-03-02"}])
def test_list_and_filters_with_an_index_show_everything(
    query: dict[str, str], signed_in: Client, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OcppMessageAdmin, "look_back", 1)
    rows = messages(charge_point, *["Reset"] * 4)
    OcppMessage.objects.update(error_code="InternalError")
    found, changes = shown(signed_in, MESSAGES, **query)
    assert (len(found), changes.looked_back_to) == (len(rows), None)


def test_rows_of_others_do_not_shorten_what_is_looked_through(
    signed_in: Client,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StatusEventAdmin, "look_back", 2)
    name = "admin:chargepoints_statusevent_changelist"
    mine = StatusEventFactory(charge_point=charge_point, status="Faulted")
    for _ in range(5):
        StatusEventFactory(charge_point=other_charge_point, received_at=T0 + timedelta(hours=1))
    assert shown(signed_in, name, status="Faulted")[0] == [mine.pk]


def test_what_is_looked_through_is_of_the_chosen_charge_point(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OcppMessageAdmin, "look_back", 2)
    mine = messages(charge_point, "Reset")[0]
    messages(ChargePointFactory(tenant=tenant, identity="BUSY"), *["Heartbeat"] * 5)
    assert shown(signed_in, MESSAGES, action="Reset")[0] == []
    query = {"action": "Reset", "charge_point__id__exact": charge_point.pk}
    assert shown(signed_in, MESSAGES, **query)[0] == [mine.pk]


def test_samples_of_all_charge_points_are_the_newest_only_and_say_so(
    signed_in: Client, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeterValueAdmin, "look_back", 1)
    name = "admin:transactions_metervalue_changelist"
    session = TransactionFactory(charge_point=charge_point)
    rows = [
        MeterValueFactory(transaction=session, sampled_at=T0 + timedelta(minutes=minute))
        for minute in (2, 1, 0)
    ]
    found, changes = shown(signed_in, name)
    assert found == [rows[2].pk, rows[1].pk]
    assert changes.looked_at_newest.startswith("Only the newest 1 samples of all are looked at")
    for anchor in ({"charge_point__id__exact": charge_point.pk}, {"transaction__id__exact": session.pk}):
        assert shown(signed_in, name, **anchor)[0] == [row.pk for row in rows]


def test_event_is_found_by_kind_by_charge_point_and_by_object(signed_in: Client, tenant: Tenant) -> None:
    charge_point = ChargePointFactory(tenant=tenant, identity="CP.9")
    row = EventFactory(
        tenant=tenant, kind="connector.faulted", charge_point=charge_point.identity, object_id="77"
    )
    EventFactory(tenant=tenant)
    for text in ("connector.faulted", "cp.9", "77"):
        assert shown(signed_in, "admin:common_event_changelist", q=text)[0] == [row.pk], text


def test_administrator_of_all_sees_the_rows_of_every_tenant_and_of_none(
    client: Client, superuser: Any, tenant: Tenant, other_tenant: Tenant
) -> None:
    client.force_login(superuser)
    rows = [AuditEntryFactory(tenant=owner) for owner in (tenant, other_tenant, None, tenant)]
    name = "admin:common_auditentry_changelist"
    assert shown(client, name)[0] == [row.pk for row in reversed(rows)]
    assert AuditEntryAdmin.has_tenant_index


def test_list_of_all_tenants_takes_a_fixed_number_of_queries(
    client: Client, superuser: Any, tenant: Tenant, other_tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    client.force_login(superuser)
    for number, owner in enumerate([tenant, other_tenant] * 5):
        messages(ChargePointFactory(tenant=owner, identity=f"ALL{number}"), "Heartbeat")
    with django_assert_max_num_queries(8):
        client.get(reverse(MESSAGES))


# ---------------------------------------------------------------- API


@pytest.fixture
def sessions(charge_point: ChargePoint) -> list[Transaction]:
    """The oldest first, and the one with the least energy last."""
    return [
        TransactionFactory(
            charge_point=charge_point,
            ended=True,
            started_at=T0 + timedelta(hours=n),
            energy_wh=1000 - n,
        )
        for n in range(5)
    ]


def test_pages_of_a_list_hold_everything_once(viewer: Actor, sessions: list[Transaction]) -> None:
    client, found, address = client_of(viewer), [], f"{V1}transactions/?page_size=2"
    while address:
        page = client.get(address).json()
        assert page["count"] == 5
        found += [row["id"] for row in page["results"]]
        address = page["next"]
    assert found == [row.pk for row in reversed(sessions)]


def test_links_lead_back_to_the_first_page(viewer: Actor, sessions: list[Transaction]) -> None:
    client = client_of(viewer)
    second = client.get(f"{V1}transactions/?page_size=2&page=2").json()
    first = client.get(second["previous"]).json()
    assert first["previous"] is None
    assert client.get(first["next"]).json() == second


@pytest.mark.parametrize("page", ["4", "0", "-1", "x", "9" * 30])
def test_page_that_is_not_there_is_404(viewer: Actor, sessions: list[Transaction], page: str) -> None:
    problem_of(client_of(viewer).get(f"{V1}transactions/?page_size=2&page={page}"), 404)


def test_empty_list_is_a_page(viewer: Actor) -> None:
    page = client_of(viewer).get(f"{V1}transactions/").json()
    assert page == {"count": 0, "next": None, "previous": None, "results": []}


def test_far_pages_are_read_by_key(
    viewer: Actor, sessions: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(big_tables, "DEEP", 1)
    page = client_of(viewer).get(f"{V1}transactions/?page_size=2&page=2").json()
    assert [row["id"] for row in page["results"]] == [sessions[2].pk, sessions[1].pk]


def test_sorting_by_energy_asks_for_a_period_where_sessions_are_many(
    viewer: Actor, sessions: list[Transaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, address = client_of(viewer), f"{V1}transactions/?ordering=-energy_wh"
    assert [row["id"] for row in client.get(address).json()["results"]] == [row.pk for row in sessions]
    monkeypatch.setattr("csms_project.common.api.filters.COUNTED", 3)
    assert "started_after" in str(problem_of(client.get(address), 400)["errors"]["ordering"])
    since = (T0 + timedelta(hours=3)).isoformat().replace("+", "%2B")
    assert client.get(f"{address}&started_after={since}").json()["count"] == 2


def test_sessions_asked_for_by_their_end_are_sorted_by_it(viewer: Actor, sessions: list[Transaction]) -> None:
    late = sessions[0]
    late.ended_at = T0 + timedelta(days=2)
    late.save(update_fields=["ended_at"])
    page = client_of(viewer).get(f"{V1}transactions/?ended_after=2026-03-02T14:30:00Z").json()
    assert [row["id"] for row in page["results"]] == [late.pk, sessions[4].pk]


# ---------------------------------------------------------------- files


def lines_of(response: StreamingHttpResponse) -> str:
    return response.getvalue().decode("utf-8-sig")


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 500])
def test_file_has_every_line_once(count: int) -> None:
    text = lines_of(csv_response(HttpRequest(), "x.csv", ["a", "b"], ([n, "=1"] for n in range(count))))
    assert text.splitlines() == ["a,b", *(f"{n},'=1" for n in range(count))]


def test_file_is_sent_in_pieces_by_an_asynchronous_server_too() -> None:
    asked: list[int] = []

    def lines() -> Any:
        for number in range(1000):
            asked.append(number)
            yield [number]

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    response = csv_response(ASGIRequest(scope, io.BytesIO()), "x.csv", ["a"], lines())

    async def read() -> list[bytes]:
        content = response.streaming_content
        first = await anext(content)  # type: ignore[arg-type]
        assert len(asked) < 300
        return [first, *[piece async for piece in content]]  # type: ignore[union-attr]

    text = b"".join(asyncio.run(read())).decode("utf-8-sig")
    assert text.splitlines() == ["a", *map(str, range(1000))]


# ---------------------------------------------------------------- cursor pages


def follow(client: Any, address: str | None) -> list[list[int]]:
    """Ids of each page, along `next`."""
    pages = []
    while address:
        body = client.get(address).json()
        pages.append([row["id"] for row in body["results"]])
        address = body["next"]
        assert len(pages) < 50
    return pages


def test_pages_of_messages_with_a_filter_look_at_so_many_rows_and_lead_on(
    technician: Actor, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReceivedPages, "look_back", 3)
    rows = messages(charge_point, "Reset", *["Heartbeat"] * 6, "Reset", "Reset", "Heartbeat")
    pages = follow(client_of(technician), f"{V1}charge-points/CP-A/messages/?action=Reset")
    assert pages == [[rows[8].pk, rows[7].pk], [], [rows[0].pk]]


def test_pages_of_messages_hold_everything_once_whatever_is_looked_at(
    technician: Actor, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReceivedPages, "look_back", 4)
    rows = messages(charge_point, *["Reset", "Heartbeat", "Reset"] * 7)
    OcppMessage.objects.filter(pk__in=[row.pk for row in rows[5:9]]).update(received_at=rows[5].received_at)
    wanted = OcppMessage.objects.filter(action="Reset").order_by("-received_at", "-id")
    for size in (1, 2, 3, 100):
        address = f"{V1}charge-points/CP-A/messages/?action=Reset&page_size={size}"
        found = [pk for page in follow(client_of(technician), address) for pk in page]
        assert found == [row.pk for row in wanted], size


def test_cursor_leads_back_over_what_was_looked_at(
    technician: Actor, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReceivedPages, "look_back", 2)
    rows = messages(charge_point, "Reset", *["Heartbeat"] * 4, "Reset")
    client = client_of(technician)
    first = client.get(f"{V1}charge-points/CP-A/messages/?action=Reset").json()
    assert [row["id"] for row in first["results"]] == [rows[5].pk]
    second = client.get(first["next"]).json()
    assert [row["id"] for row in second["results"]] == [rows[0].pk]
    back = client.get(second["previous"]).json()
    assert [row["id"] for row in back["results"]] == [rows[5].pk]
    # Whether anything is older is not known before it is looked for.
    third = client.get(second["next"]).json()
    assert (third["results"], third["next"]) == ([], None)


def test_time_filters_bound_what_is_looked_at(
    technician: Actor, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReceivedPages, "look_back", 2)
    rows = messages(charge_point, "Reset", *["Heartbeat"] * 9)
    before = (T0 + timedelta(minutes=2)).isoformat().replace("+", "%2B")
    address = f"{V1}charge-points/CP-A/messages/?action=Reset&received_before={before}"
    assert follow(client_of(technician), address) == [[rows[0].pk]]
