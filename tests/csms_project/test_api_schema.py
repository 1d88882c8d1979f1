"""The OpenAPI document, and every operation in it: anonymous, with a low role, and from another tenant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from rest_framework.permissions import AllowAny

from accounts.api.base import TenantViewSet
from accounts.api.permissions import RolePermission
from accounts.choices import Role
from accounts.models import Tenant
from accounts.permissions import PERMISSIONS, Actor
from chargepoints.models import ChargePoint
from tests import factories
from tests.api import client_of, problem_of

V1 = "/api/v1/"
WRITES = {"post", "patch", "delete"}


@dataclass(frozen=True)
class Path:
    """What the walk needs to know of a path.

    view   action of the permission table for GET; None: there is no GET
    write  method → action of the permission table
    """

    view: str | None = None
    write: dict[str, str] | None = None


def crud(area: str) -> tuple[Path, Path]:
    view, change = f"{area}.view", f"{area}.change"
    return Path(view, {"post": change}), Path(view, {"patch": change, "delete": change})


USERS, USER = crud("users")
DRIVERS, DRIVER = crud("drivers")
TOKENS, TOKEN = crud("id_tokens")
LOCATIONS, LOCATION = crud("locations")
FIRMWARE_FILES, FIRMWARE_FILE = crud("firmware")
TARIFFS, TARIFF = crud("tariffs")
PROFILES, PROFILE = crud("model_profiles")
TEMPLATES, TEMPLATE = crud("configuration_templates")
CHANGE_CERTIFICATES = {"post": "certificates.change"}
CHARGING_PROFILES, CHARGING_PROFILE = crud("charging_profiles")
DISPLAY_MESSAGES, DISPLAY_MESSAGE = crud("display_messages")
CHANGE_CP, ARCHIVE_CP = {"post": "charge_points.change"}, {"post": "charge_points.archive"}

#: Operations that need no sign-in.
ANONYMOUS = {"auth/token/", "auth/token/refresh/", "auth/logout/", "status/"}

#: Every other path of the document. A new endpoint gets a line here.
PATHS: dict[str, Path] = {
    "users/": USERS,
    "users/{id}/": USER,
    "drivers/": DRIVERS,
    "drivers/{id}/": DRIVER,
    "token-groups/": TOKENS,
    "token-groups/{id}/": TOKEN,
    "id-tokens/": TOKENS,
    "id-tokens/{id}/": TOKEN,
    "events/": Path("events.view"),
    "events/{id}/": Path("events.view"),
    "locations/": LOCATIONS,
    "locations/{id}/": LOCATION,
    "charge-points/": Path("charge_points.view", CHANGE_CP),
    "charge-points/{identity}/": Path(
        "charge_points.view", {"patch": "charge_points.change", "delete": "charge_points.archive"}
    ),
    "charge-points/{identity}/accept/": Path(write=CHANGE_CP),
    "charge-points/{identity}/reject/": Path(write=CHANGE_CP),
    "charge-points/{identity}/archive/": Path(write=ARCHIVE_CP),
    "charge-points/{identity}/unarchive/": Path(write=ARCHIVE_CP),
    "charge-points/{identity}/rotate-key/": Path(write=CHANGE_CP),
    "charge-points/{identity}/commands/": Path("commands.view", {"post": "commands.send"}),
    "charge-points/{identity}/commands/{id}/": Path("commands.view"),
    "charge-points/{identity}/commands/{id}/cancel/": Path(write={"post": "commands.send"}),
    "charge-points/{identity}/messages/": Path("messages.view"),
    "charge-points/{identity}/variables/": Path("variables.view"),
    "charge-points/{identity}/variables/state/": Path("variables.view"),
    "charge-points/{identity}/variables/compare/": Path("variables.view"),
    "charge-points/{identity}/variables/wanted/": Path("configuration_templates.view"),
    "charge-points/{identity}/variable-changes/": Path("variables.view"),
    "charge-points/{identity}/device-reports/": Path("variables.view"),
    "charge-points/{identity}/status-events/": Path("charge_points.view"),
    "charge-points/{identity}/connectors/": Path("charge_points.view"),
    "model-profiles/": PROFILES,
    "model-profiles/{id}/": PROFILE,
    "model-profiles/built-in/": Path("model_profiles.view"),
    "model-profiles/copy/": Path(write={"post": "model_profiles.change"}),
    "model-profiles/export/": Path("model_profiles.view"),
    "model-profiles/import/": Path(write={"post": "model_profiles.change"}),
    "charge-points/{identity}/security-profile-upgrade/": Path(
        "charge_points.view", {"post": "commands.send_dangerous", "delete": "commands.send_dangerous"}
    ),
    "charge-points/{identity}/security-profile-upgrade/retry/": Path(
        write={"post": "commands.send_dangerous"}
    ),
    "charge-points/{identity}/local-list/": Path("local_lists.view", {"patch": "local_lists.change"}),
    "charge-points/{identity}/local-list/sync/": Path(write={"post": "local_lists.change"}),
    "charge-points/{identity}/local-list/check/": Path(write={"post": "commands.send"}),
    "configuration-templates/": TEMPLATES,
    "configuration-templates/{id}/": TEMPLATE,
    "configuration-templates/{id}/export/": Path("configuration_templates.view"),
    "configuration-templates/import/": Path(write={"post": "configuration_templates.change"}),
    "configuration-templates/from-charge-point/": Path(write={"post": "configuration_templates.change"}),
    "configuration-drift/": Path("configuration_templates.view"),
    "configuration-drift/sums/": Path("configuration_templates.view"),
    "configuration-drift/apply/": Path(write={"post": "commands.send_dangerous"}),
    "local-lists/": Path("local_lists.view"),
    "charge-points/{identity}/published-firmware/": Path("firmware.view"),
    "charge-points/{identity}/published-firmware/{id}/": Path("firmware.view"),
    "charge-points/{identity}/firmware-updates/": Path("firmware.view", {"post": "firmware.change"}),
    "charge-points/{identity}/firmware-updates/{id}/": Path("firmware.view"),
    "charge-points/{identity}/firmware-updates/{id}/cancel/": Path(write={"post": "firmware.change"}),
    "charge-points/{identity}/monitors/": Path("monitors.view", {"post": "commands.send"}),
    "charge-points/{identity}/monitors/{id}/": Path("monitors.view"),
    "charge-points/{identity}/monitors/state/": Path("monitors.view"),
    "charge-points/{identity}/monitors/clear/": Path(write={"post": "commands.send_dangerous"}),
    "charge-points/{identity}/monitor-results/": Path("monitors.view"),
    "charge-points/{identity}/event-streams/": Path("monitors.view"),
    "charge-points/{identity}/event-streams/{id}/": Path("monitors.view"),
    "charge-points/{identity}/event-streams/{id}/values/": Path("monitors.view"),
    "charge-points/{identity}/customer-information/": Path(
        "customer_information.view", {"post": "customer_information.change"}
    ),
    "charge-points/{identity}/customer-information/{id}/": Path("customer_information.view"),
    "charge-points/{identity}/customer-information/{id}/forget/": Path(
        write={"post": "customer_information.change"}
    ),
    "charger-events/": Path("charger_events.view"),
    "charger-events/{id}/": Path("charger_events.view"),
    "charger-events/{id}/acknowledge/": Path(write={"post": "charger_events.acknowledge"}),
    "charger-events/{id}/end/": Path(write={"post": "charger_events.acknowledge"}),
    "charge-points/{identity}/log-requests/": Path("logs.view", {"post": "logs.change"}),
    "charge-points/{identity}/log-requests/{id}/": Path("logs.view"),
    "charge-points/{identity}/log-requests/{id}/cancel/": Path(write={"post": "logs.change"}),
    "charge-points/{identity}/log-requests/{id}/file/": Path("logs.view", {"delete": "logs.change"}),
    "firmware-files/": FIRMWARE_FILES,
    "firmware-files/{id}/": FIRMWARE_FILE,
    "firmware-files/{id}/content/": Path(write={"post": "firmware.change"}),
    "firmware-campaigns/": FIRMWARE_FILES,
    "firmware-campaigns/{id}/": Path("firmware.view"),
    "firmware-campaigns/{id}/updates/": Path("firmware.view"),
    "firmware-campaigns/{id}/pause/": Path(write={"post": "firmware.change"}),
    "firmware-campaigns/{id}/resume/": Path(write={"post": "firmware.change"}),
    "firmware-campaigns/{id}/cancel/": Path(write={"post": "firmware.change"}),
    "firmware-campaigns/{id}/retry/": Path(write={"post": "firmware.change"}),
    "connections/": Path("connections.view"),
    "refused-connections/": Path("refusals.view"),
    "refused-connections/{id}/": Path("refusals.view"),
    "refused-connections/{id}/register/": Path(write={"post": "refusals.change"}),
    "reservations/": Path("reservations.view", {"post": "commands.send"}),
    "reservations/{id}/": Path("reservations.view"),
    "reservations/{id}/cancel/": Path(write={"post": "commands.send"}),
    "fleet-tasks/": Path("commands.view", {"post": "commands.send"}),
    "fleet-tasks/{id}/": Path("commands.view"),
    "fleet-tasks/{id}/items/": Path("commands.view"),
    "fleet-tasks/{id}/retry/": Path(write={"post": "commands.send"}),
    "fleet-tasks/{id}/cancel/": Path(write={"post": "commands.send"}),
    "certificates/": Path("certificates.view"),
    "certificates/{id}/": Path("certificates.view"),
    "certificates/{id}/revoke/": Path(write=CHANGE_CERTIFICATES),
    "certificate-requests/": Path("certificates.view"),
    "certificate-requests/{id}/": Path("certificates.view"),
    "certificate-requests/{id}/approve/": Path(write=CHANGE_CERTIFICATES),
    "certificate-requests/{id}/refuse/": Path(write=CHANGE_CERTIFICATES),
    "certificate-requests/{id}/retry/": Path(write=CHANGE_CERTIFICATES),
    "certificate-authorities/": Path("authorities.view"),
    "certificate-authorities/{id}/": Path("authorities.view"),
    "certificate-authorities/bundle/": Path("authorities.view"),
    "charge-points/{identity}/installed-certificates/": Path("certificates.view"),
    "security-events/": Path("messages.view"),
    "security-events/{id}/": Path("messages.view"),
    "security-events/{id}/acknowledge/": Path(write={"post": "security_events.acknowledge"}),
    "charging-profiles/": CHARGING_PROFILES,
    "charging-profiles/{id}/": CHARGING_PROFILE,
    "charging-profiles/{id}/assign/": Path(write={"post": "commands.send_dangerous"}),
    "charge-points/{identity}/charging-profiles/": Path("charging_profiles.view"),
    "charge-points/{identity}/charging-profiles/{id}/": Path("charging_profiles.view"),
    "charge-points/{identity}/charging-profiles/{id}/clear/": Path(write={"post": "commands.send_dangerous"}),
    "charge-points/{identity}/charging-profiles/{id}/dynamic/": Path(
        write={"post": "commands.send_dangerous"}
    ),
    "charge-points/{identity}/reported-charging-profiles/": Path("charging_profiles.view"),
    "charge-points/{identity}/charging-limits/": Path("charging_profiles.view"),
    "charge-points/{identity}/vehicle-needs/": Path("charging_profiles.view"),
    "charge-points/{identity}/priority-charging/": Path("charging_profiles.view"),
    "charge-points/{identity}/composite-schedule/": Path("charging_profiles.view"),
    "der-events/": Path("der.view"),
    "der-events/{id}/": Path("der.view"),
    "charge-points/{identity}/der-controls/": Path("der.view"),
    "charge-points/{identity}/der-controls/{id}/": Path("der.view"),
    "battery-swaps/": Path("battery_swaps.view"),
    "battery-swaps/{id}/": Path("battery_swaps.view"),
    "display-messages/": DISPLAY_MESSAGES,
    "display-messages/{id}/": DISPLAY_MESSAGE,
    "display-messages/{id}/chargers/": Path("display_messages.view"),
    "display-messages/{id}/resend/": Path(write={"post": "display_messages.change"}),
    "charge-points/{identity}/display-messages/": Path("display_messages.view"),
    "charge-points/{identity}/display-messages/{id}/": Path("display_messages.view"),
    "transactions/": Path("transactions.view"),
    "transactions/{id}/": Path("transactions.view"),
    "transactions/{id}/stop/": Path(write={"post": "transactions.stop"}),
    "transactions/{id}/close/": Path(write={"post": "transactions.close"}),
    "transactions/{id}/recompute/": Path(write={"post": "transactions.recompute"}),
    "transactions/{id}/limit/": Path(
        write={"post": "commands.send_dangerous", "delete": "commands.send_dangerous"}
    ),
    "transactions/{id}/session-limits/": Path(write={"post": "transactions.stop"}),
    "transactions/{id}/meter-values/": Path("transactions.view"),
    "transactions/{id}/events/": Path("transactions.view"),
    "transactions/{id}/ledger/": Path("transactions.view"),
    "settlements/": Path("settlements.view"),
    "settlements/{id}/": Path("settlements.view"),
    "web-payments/": Path("settlements.view"),
    "web-payments/{id}/": Path("settlements.view"),
    "charge-points/{identity}/tariffs/": Path("tariffs.view"),
    "charge-points/{identity}/tariffs/send/": Path(write={"post": "commands.send_dangerous"}),
    "tariffs/": TARIFFS,
    "tariffs/{id}/": TARIFF,
}

#: Arguments without which an operation is a 400.
QUERIES = {"charge-points/{identity}/variables/compare/": "?with=CP-A"}


#: Documents, not lists of rows (the export has its own test), and what belongs to the installation.
NO_LISTS = {
    "configuration-drift/sums/",
    "model-profiles/built-in/",
    "model-profiles/export/",
    "certificate-authorities/",
    "certificate-authorities/bundle/",
}

OPERATIONS = [
    (method, path)
    for path, entry in PATHS.items()
    for method in [*(["get"] if entry.view else []), *(entry.write or {})]
]
#: Of the installation: everybody's, and public.
OF_NOBODY = {"certificate-authorities/{id}/"}
OBJECT_OPERATIONS = [(method, path) for method, path in OPERATIONS if "{" in path and path not in OF_NOBODY]


def action_of(method: str, path: str) -> str:
    entry = PATHS[path]
    action = entry.view if method == "get" else (entry.write or {})[method]
    assert action is not None
    return action


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


@pytest.fixture
def rows(tenant: Tenant, charge_point: ChargePoint) -> dict[str, int]:
    """The id of one row of the tenant for each path that ends in {id}."""
    connector = charge_point.connectors.first()
    session = factories.TransactionFactory(connector=connector)
    factories.ConnectionFactory(charge_point=charge_point)
    command = factories.CommandFactory(charge_point=charge_point, action="clear_cache")
    # Parts of a charge point are all asked for by this number.
    update = factories.FirmwareUpdateFactory(charge_point=charge_point, pk=command.pk)
    factories.LogRequestFactory(charge_point=charge_point, pk=command.pk)
    factories.PublishedFirmwareFactory(charge_point=charge_point, pk=command.pk)
    factories.MonitorFactory(charge_point=charge_point, monitor_id=command.pk)
    factories.EventStreamFactory(charge_point=charge_point, pk=command.pk)
    factories.CustomerInformationFactory(charge_point=charge_point, pk=command.pk)
    return {
        "users": factories.MembershipFactory(tenant=tenant).user.pk,
        "drivers": factories.DriverFactory(tenant=tenant).pk,
        "token-groups": factories.TokenGroupFactory(tenant=tenant).pk,
        "id-tokens": factories.IdTokenFactory(tenant=tenant).pk,
        "events": factories.EventFactory(tenant=tenant).pk,
        "locations": factories.LocationFactory(tenant=tenant).pk,
        "configuration-templates": factories.ConfigurationTemplateFactory(tenant=tenant).pk,
        "model-profiles": factories.ModelProfileFactory(tenant=tenant).pk,
        "charge-points": command.pk,
        "firmware-files": update.campaign.file.pk,
        "firmware-campaigns": update.campaign.pk,
        "refused-connections": factories.RefusedConnectionFactory(
            tenant=tenant, charge_point=charge_point
        ).pk,
        "reservations": factories.ReservationFactory(charge_point=charge_point).pk,
        "fleet-tasks": factories.FleetTaskItemFactory(charge_point=charge_point).task.pk,
        "certificates": factories.CertificateFactory(charge_point=charge_point).pk,
        "certificate-requests": factories.CertificateRequestFactory(charge_point=charge_point).pk,
        "certificate-authorities": factories.CertificateAuthorityFactory().pk,
        "charger-events": factories.ChargerEventFactory(charge_point=charge_point).pk,
        "security-events": factories.SecurityEventFactory(charge_point=charge_point).pk,
        "charging-profiles": factories.ChargingProfileFactory(tenant=tenant).pk,
        "charge-points/{identity}/charging-profiles/": factories.ChargingProfileAssignmentFactory(
            charge_point=charge_point
        ).pk,
        "der-events": factories.DerEventFactory(charge_point=charge_point).pk,
        "charge-points/{identity}/der-controls/": factories.DerControlFactory(charge_point=charge_point).pk,
        "battery-swaps": factories.BatterySwapFactory(charge_point=charge_point).pk,
        "display-messages": factories.DisplayMessageFactory(tenant=tenant).pk,
        "charge-points/{identity}/display-messages/": factories.ShownMessageFactory(
            charge_point=charge_point
        ).pk,
        "transactions": session.pk,
        "settlements": factories.SettlementFactory(charge_point=charge_point).pk,
        "web-payments": factories.WebPaymentFactory(charge_point=charge_point).pk,
        "tariffs": factories.TariffFactory(tenant=tenant).pk,
    }


def url_of(path: str, rows: dict[str, int]) -> str:
    area, part = path.partition("/")[0], path.partition("{id}")[0]
    return V1 + path.format(identity="CP-A", id=rows.get(part, rows.get(area, 0))) + QUERIES.get(path, "")


# --- the document ---


def test_document_is_made_without_warnings_and_valid() -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=StringIO(), stderr=StringIO())


def test_every_operation_is_in_the_table_of_this_test() -> None:
    documented = {
        (method, path.removeprefix(V1))
        for path, item in document()["paths"].items()
        for method in item
        if path.removeprefix(V1) not in ANONYMOUS
    }

    assert documented == set(OPERATIONS)
    assert {path.removeprefix(V1) for path in document()["paths"]} == {*PATHS, *ANONYMOUS}


def test_every_operation_documents_problems_and_the_tenant_header() -> None:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            assert "application/problem+json" in operation["responses"]["default"]["content"], (path, method)
            if path.removeprefix(V1) not in ANONYMOUS:
                assert "X-Tenant" in [row["name"] for row in operation["parameters"]], (path, method)
                assert {} not in operation["security"], (path, method)


def test_document_is_served_to_everybody(client: Client) -> None:
    response = client.get("/api/schema/", headers={"Accept": "application/json"})

    assert response.status_code == 200


def views() -> Iterator[tuple[str, Any]]:
    """All views below /api/v1/."""

    def walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for item in patterns:
            where = prefix + str(item.pattern)
            if isinstance(item, URLResolver):
                yield from walk(item.url_patterns, where)
            elif isinstance(item, URLPattern) and where.startswith("api/v1/"):
                callback: Any = item.callback
                yield where, getattr(callback, "cls", None) or callback.view_class

    yield from walk(get_resolver().url_patterns, "")


@pytest.mark.parametrize(("where", "view"), list(views()))
def test_every_view_declares_its_permission(where: str, view: Any) -> None:
    name = where.removeprefix("api/v1/").replace("^", "").replace("$", "").replace("/?", "/")
    if name in ANONYMOUS:
        assert view.permission_classes in ((), (AllowAny,))
        return
    assert issubclass(view, TenantViewSet)
    assert view.permission_classes == [RolePermission]
    assert f"{view.permission_area}.view" in PERMISSIONS
    assert set(view.permission_overrides.values()) <= set(PERMISSIONS)


# --- the walk ---


def walk(actor: Actor | None, operations: list[tuple[str, str]], rows: dict[str, int]) -> dict[Any, int]:
    """Call operations without a body: (method, path) → status. Errors must be problem documents."""
    client = client_of(actor)
    found = {}
    for method, path in operations:
        response = getattr(client, method)(url_of(path, rows))
        if response.status_code >= 400:
            problem_of(response, response.status_code)
        found[method, path] = response.status_code
    return found


def test_anonymous_caller_gets_401_everywhere(rows: dict[str, int]) -> None:
    assert walk(None, OPERATIONS, rows) == dict.fromkeys(OPERATIONS, 401)


def test_viewer_reads_what_the_table_allows_and_writes_nothing(rows: dict[str, int], viewer: Actor) -> None:
    allowed = {
        operation
        for operation in OPERATIONS
        if operation[0] == "get" and Role.VIEWER in PERMISSIONS[action_of(*operation)]
    }

    assert walk(viewer, OPERATIONS, rows) == {
        operation: 200 if operation in allowed else 403 for operation in OPERATIONS
    }


def test_owner_of_another_tenant_finds_no_object(rows: dict[str, int], stranger: Actor) -> None:
    assert walk(stranger, OBJECT_OPERATIONS, rows) == dict.fromkeys(OBJECT_OPERATIONS, 404)


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.TECHNICIAN, Role.OPERATOR, Role.OWNER])
def test_each_role_may_exactly_what_the_table_says(
    role: Role, rows: dict[str, int], tenant: Tenant, actor_for: Any
) -> None:
    client = client_of(actor_for(tenant, role))
    refused = set()
    for method, path in OPERATIONS:
        # Unusable bodies: what is allowed ends as 400 or 409, or has an effect that other rows survive.
        url = url_of(path, rows) if method != "delete" else url_of(path, {})
        if method == "delete" and path == "charge-points/{identity}/":
            url = f"{V1}charge-points/NOBODY/"
        if getattr(client, method)(url, {"name": []}).status_code == 403:
            refused.add((method, path))

    assert refused == {
        (method, path) for method, path in OPERATIONS if role not in PERMISSIONS[action_of(method, path)]
    }


def test_lists_show_nothing_to_another_tenant(rows: dict[str, int], stranger: Actor) -> None:
    client = client_of(stranger)
    for method, path in OPERATIONS:
        if method == "get" and "{" not in path and path not in NO_LISTS:
            found = client.get(V1 + path).json()["results"]
            assert [row for row in found if row.get("username") != stranger.name] == [], path
