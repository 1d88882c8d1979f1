"""Every page of the admin, opened by everybody: the permission table and the tenant decide, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.choices import Role
from accounts.models import Membership, Tenant, User
from accounts.permissions import PERMISSIONS, Actor
from chargepoints.models import ChargePoint
from tests import factories
from tests.browsing import sign_in
from tests.conftest import ActorFor

OURS = ("accounts", "chargepoints", "transactions", "common", "ocpp_gateway", "dashboard")
#: Models without a page of their own, and why.
EXEMPT = {
    "accounts.TokenChange": "bookkeeping of what follows the tags",
    "accounts.Membership": "the role in the user's form, and an inline for who sees all tenants",
    "chargepoints.BatchReceipt": "bookkeeping of the writer",
    "chargepoints.ChargingProfileAssignment": "part of the charge point's page",
    "chargepoints.ExternalLimit": "part of the charge point's page",
    "chargepoints.PriorityCharging": "part of the charge point's page",
    "chargepoints.ProfileReport": "part of the charge point's page",
    "chargepoints.ReportedProfile": "part of the charge point's page",
    "chargepoints.ReportedSchedule": "part of the charge point's page",
    "chargepoints.VehicleNeeds": "part of the charge point's page",
    "chargepoints.InstalledCertificate": "part of the charge point's page",
    "chargepoints.DerControl": "part of the charge point's page",
    "chargepoints.DerReading": "part of the charge point's page",
    "chargepoints.SwappedBattery": "part of the swap's page",
    "chargepoints.DisplayReading": "part of the charge point's page",
    "chargepoints.ShownMessage": "part of the pages of its message and of its charge point",
    "chargepoints.Connector": "part of the charge point's page",
    "chargepoints.FirmwareUpdate": "part of the pages of its campaign and of its charge point",
    "chargepoints.PublishedFirmware": "part of the charge point's page",
    "chargepoints.Evse": "part of the charge point's page",
    "chargepoints.FleetTaskItem": "part of the task's page",
    "chargepoints.ConfigurationEntry": "part of its template",
    "chargepoints.ConfigurationState": "part of the charge point's page",
    "chargepoints.MonitorResult": "part of the charge point's page",
    "chargepoints.MonitoringReport": "part of the charge point's page",
    "chargepoints.MonitoringState": "part of the charge point's page",
    "chargepoints.StreamValues": "shown on the page of its stream",
    "chargepoints.LocalListContent": "shown with the lists that hold it",
    "chargepoints.SecurityProfileUpgrade": "part of the charge point's page",
    "chargepoints.DeviceReport": "part of the charge point's page",
    "chargepoints.Variable": "part of the charge point's page",
    "chargepoints.VariableChange": "part of the charge point's page",
    "chargepoints.VariableRequest": "bookkeeping of templates",
    "common.IdempotencyRecord": "bookkeeping of the API",
    "transactions.TransactionEvent": "part of the session's page",
    "transactions.ChargerTariff": "part of the charge point's page",
    "transactions.PrepaidDebit": "bookkeeping of balances; told in the ledger of its session",
    "transactions.QrPayment": "part of the charge point's page",
    "transactions.CostDisplay": "bookkeeping of what displays were told; the commands are listed",
    "transactions.LedgerEntry": "part of the session's page",
    "transactions.MeterLayout": "meaning of meter values, shown with them",
}


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a model's pages allow: areas of the permission table, None where the admin never offers it."""

    view: str
    add: str | None = None
    change: str | None = None
    delete: str | None = None


PAGES = {
    "accounts.Tenant": Page(view="tenant.view", change="tenant.change"),
    "accounts.User": Page(view="users.view", add="users.change", change="users.change"),
    "accounts.ApiKey": Page(view="api_keys.view", add="api_keys.change"),
    "accounts.Driver": Page(
        view="drivers.view", add="drivers.change", change="drivers.change", delete="drivers.change"
    ),
    "accounts.IdToken": Page(
        view="id_tokens.view", add="id_tokens.change", change="id_tokens.change", delete="id_tokens.change"
    ),
    "accounts.TokenGroup": Page(
        view="id_tokens.view", add="id_tokens.change", change="id_tokens.change", delete="id_tokens.change"
    ),
    "chargepoints.Location": Page(
        view="locations.view", add="locations.change", change="locations.change", delete="locations.change"
    ),
    "chargepoints.ChargePoint": Page(
        view="charge_points.view",
        add="charge_points.change",
        change="charge_points.change",
        delete="charge_points.archive",
    ),
    "chargepoints.ChargePointModelProfile": Page(
        view="model_profiles.view",
        add="model_profiles.change",
        change="model_profiles.change",
        delete="model_profiles.change",
    ),
    "chargepoints.Command": Page(view="commands.view"),
    "chargepoints.LocalList": Page(view="local_lists.view"),
    "chargepoints.ConfigurationTemplate": Page(
        view="configuration_templates.view",
        add="configuration_templates.change",
        change="configuration_templates.change",
        delete="configuration_templates.change",
    ),
    "chargepoints.Reservation": Page(view="reservations.view"),
    "chargepoints.FleetTask": Page(view="commands.view"),
    "chargepoints.Certificate": Page(view="certificates.view"),
    "chargepoints.CertificateRequest": Page(view="certificates.view"),
    "chargepoints.ChargingProfile": Page(
        view="charging_profiles.view",
        add="charging_profiles.change",
        change="charging_profiles.change",
        delete="charging_profiles.change",
    ),
    "chargepoints.DerEvent": Page(view="der.view"),
    "chargepoints.BatterySwap": Page(view="battery_swaps.view"),
    "chargepoints.DisplayMessage": Page(
        view="display_messages.view",
        add="display_messages.change",
        change="display_messages.change",
        delete="display_messages.change",
    ),
    "chargepoints.FirmwareFile": Page(
        view="firmware.view", add="firmware.change", change="firmware.change", delete="firmware.change"
    ),
    "chargepoints.FirmwareCampaign": Page(view="firmware.view", add="firmware.change"),
    "chargepoints.LogRequest": Page(view="logs.view"),
    "chargepoints.ChargerEvent": Page(view="charger_events.view"),
    "chargepoints.CustomerInformation": Page(view="customer_information.view"),
    "chargepoints.EventStream": Page(view="monitors.view"),
    "chargepoints.Monitor": Page(view="monitors.view"),
    "chargepoints.Connection": Page(view="connections.view"),
    "chargepoints.RefusedConnection": Page(view="refusals.view"),
    "chargepoints.OcppMessage": Page(view="messages.view"),
    "chargepoints.FrameAnomaly": Page(view="messages.view"),
    "chargepoints.StatusEvent": Page(view="charge_points.view"),
    "chargepoints.SecurityEvent": Page(view="messages.view"),
    "chargepoints.StatusReport": Page(view="messages.view"),
    "chargepoints.DataTransfer": Page(view="messages.view"),
    "transactions.Transaction": Page(view="transactions.view"),
    "transactions.MeterValue": Page(view="transactions.view"),
    "transactions.Settlement": Page(view="settlements.view"),
    "transactions.WebPayment": Page(view="settlements.view"),
    "transactions.Tariff": Page(
        view="tariffs.view", add="tariffs.change", change="tariffs.change", delete="tariffs.change"
    ),
    "common.Event": Page(view="events.view"),
    "common.AuditEntry": Page(view="audit.view"),
}
#: Only for administrators of the installation.
SUPERUSER_PAGES = {"chargepoints.GatewayNode"}
#: Of the installation, seen by everybody: see tests/chargepoints/test_admin_certificates.py.
INSTALLATION_PAGES = {"chargepoints.CertificateAuthority"}
#: Views beside the usual four: URL name, model of its object, and what they need.
VIEWS = [
    ("chargepoints_chargepoint_live", "chargepoints.ChargePoint", (), "charge_points.view"),
    ("chargepoints_chargepoint_key", "chargepoints.ChargePoint", (), "charge_points.change"),
    ("chargepoints_chargepoint_upgrade", "chargepoints.ChargePoint", (), "charge_points.view"),
    ("chargepoints_chargepoint_upgrade_retry", "chargepoints.ChargePoint", (), "commands.send_dangerous"),
    ("chargepoints_chargepoint_upgrade_cancel", "chargepoints.ChargePoint", (), "commands.send_dangerous"),
    ("chargepoints_chargepoint_step", "chargepoints.ChargePoint", ("accept",), "charge_points.change"),
    ("chargepoints_chargepoint_step", "chargepoints.ChargePoint", ("archive",), "charge_points.archive"),
    ("chargepoints_chargepoint_command", "chargepoints.ChargePoint", ("remote_start",), "commands.send"),
    ("chargepoints_chargepoint_command", "chargepoints.ChargePoint", ("reset",), "commands.send_dangerous"),
    ("chargepoints_chargepoint_command", "chargepoints.ChargePoint", ("raw",), "commands.send_dangerous"),
    ("chargepoints_fleettask_live", "chargepoints.FleetTask", (), "commands.view"),
    ("chargepoints_fleettask_retry", "chargepoints.FleetTask", (), "commands.send"),
    ("chargepoints_fleettask_cancel", "chargepoints.FleetTask", (), "commands.send"),
    ("chargepoints_fleettask_export", "chargepoints.FleetTask", (), "commands.view"),
    ("chargepoints_locallist_source", "chargepoints.ChargePoint", (), "local_lists.change"),
    ("chargepoints_locallist_step", "chargepoints.ChargePoint", ("sync",), "local_lists.change"),
    ("chargepoints_locallist_step", "chargepoints.ChargePoint", ("replace",), "local_lists.change"),
    ("chargepoints_locallist_step", "chargepoints.ChargePoint", ("check",), "commands.send"),
    ("chargepoints_locallist_step", "chargepoints.ChargePoint", ("empty",), "local_lists.change"),
    (
        "chargepoints_configurationtemplate_export",
        "chargepoints.ConfigurationTemplate",
        (),
        "configuration_templates.view",
    ),
    (
        "chargepoints_configurationtemplate_from",
        "chargepoints.ChargePoint",
        (),
        "configuration_templates.change",
    ),
    ("chargepoints_firmwarecampaign_live", "chargepoints.FirmwareCampaign", (), "firmware.view"),
    ("chargepoints_firmwarecampaign_export", "chargepoints.FirmwareCampaign", (), "firmware.view"),
    ("chargepoints_firmwarecampaign_step", "chargepoints.FirmwareCampaign", ("pause",), "firmware.change"),
    ("chargepoints_firmwarecampaign_step", "chargepoints.FirmwareCampaign", ("cancel",), "firmware.change"),
    ("chargepoints_firmwareupdate_new", "chargepoints.ChargePoint", (), "firmware.change"),
    ("chargepoints_displaymessage_ask", "chargepoints.ChargePoint", (), "commands.send"),
    ("chargepoints_monitor_set", "chargepoints.ChargePoint", (), "commands.send"),
    ("chargepoints_customerinformation_ask", "chargepoints.ChargePoint", (), "customer_information.change"),
    ("chargepoints_logrequest_ask", "chargepoints.ChargePoint", (), "logs.change"),
    ("chargepoints_refusedconnection_register", "chargepoints.RefusedConnection", (), "refusals.change"),
    ("chargepoints_certificate_revoke", "chargepoints.Certificate", (), "certificates.change"),
    (
        "chargepoints_certificaterequest_step",
        "chargepoints.CertificateRequest",
        ("approve",),
        "certificates.change",
    ),
    (
        "chargepoints_certificaterequest_step",
        "chargepoints.CertificateRequest",
        ("refuse",),
        "certificates.change",
    ),
    ("chargepoints_certificate_ask", "chargepoints.ChargePoint", (), "commands.send"),
    ("chargepoints_certificate_renew", "chargepoints.ChargePoint", (), "commands.send"),
    ("chargepoints_certificate_install", "chargepoints.ChargePoint", (), "commands.send_dangerous"),
    ("transactions_transaction_live", "transactions.Transaction", (), "transactions.view"),
    ("transactions_transaction_stop", "transactions.Transaction", (), "transactions.stop"),
    ("transactions_transaction_limit", "transactions.Transaction", (), "commands.send_dangerous"),
    ("transactions_transaction_unlimit", "transactions.Transaction", (), "commands.send_dangerous"),
    ("transactions_transaction_cap", "transactions.Transaction", (), "transactions.stop"),
    ("transactions_transaction_retariff", "transactions.Transaction", (), "commands.send_dangerous"),
    ("transactions_tariff_step", "chargepoints.ChargePoint", ("send",), "commands.send_dangerous"),
    ("transactions_tariff_step", "chargepoints.ChargePoint", ("qr",), "commands.send_dangerous"),
    ("transactions_tariff_step", "chargepoints.ChargePoint", ("off",), "commands.send_dangerous"),
    ("transactions_transaction_close", "transactions.Transaction", (), "transactions.close"),
    ("transactions_transaction_recompute", "transactions.Transaction", (), "transactions.recompute"),
]
LIST_VIEWS = {
    "chargepoints_certificate_root": "certificates.change",
    "chargepoints_chargepoint_compare": "variables.view",
    "chargepoints_configurationtemplate_drift": "configuration_templates.view",
    "chargepoints_configurationtemplate_apply": "commands.send_dangerous",
    "chargepoints_configurationtemplate_import": "configuration_templates.change",
    "chargepoints_chargingprofile_set": "commands.send_dangerous",
    "chargepoints_batteryswap_export": "battery_swaps.view",
    "chargepoints_chargerevent_export": "charger_events.view",
    "transactions_transaction_export": "transactions.view",
    "transactions_settlement_export": "settlements.view",
    "chargepoints_chargepointmodelprofile_built_in": "model_profiles.view",
    "chargepoints_chargepointmodelprofile_import": "model_profiles.change",
    "chargepoints_chargepointmodelprofile_export": "model_profiles.view",
    "accounts_idtoken_import": "id_tokens.change",
    "accounts_idtoken_export": "id_tokens.view",
}


def make_rows(tenant: Tenant, charge_point: ChargePoint) -> dict[str, Any]:
    """One row of each model with pages, of this tenant."""
    connector = charge_point.connectors.first()
    transaction = factories.TransactionFactory(connector=connector)
    here = {"charge_point": charge_point}
    return {
        "accounts.Tenant": tenant,
        "accounts.User": factories.MembershipFactory(tenant=tenant).user,
        "accounts.ApiKey": factories.ApiKeyFactory(tenant=tenant),
        "accounts.Driver": factories.DriverFactory(tenant=tenant),
        "accounts.IdToken": factories.IdTokenFactory(tenant=tenant),
        "accounts.TokenGroup": factories.TokenGroupFactory(tenant=tenant),
        "chargepoints.Location": factories.LocationFactory(tenant=tenant),
        "chargepoints.ChargePoint": charge_point,
        "chargepoints.ChargePointModelProfile": factories.ModelProfileFactory(tenant=tenant),
        "chargepoints.ConfigurationTemplate": factories.ConfigurationTemplateFactory(tenant=tenant),
        "chargepoints.Command": factories.CommandFactory(**here),
        "chargepoints.LocalList": factories.LocalListFactory(**here),
        "chargepoints.Reservation": factories.ReservationFactory(**here),
        "chargepoints.FleetTask": factories.FleetTaskItemFactory(**here).task,
        "chargepoints.Certificate": factories.CertificateFactory(**here),
        "chargepoints.CertificateRequest": factories.CertificateRequestFactory(**here),
        "chargepoints.ChargingProfile": factories.ChargingProfileFactory(tenant=tenant),
        "chargepoints.DerEvent": factories.DerEventFactory(**here),
        "chargepoints.BatterySwap": factories.BatterySwapFactory(**here),
        "chargepoints.DisplayMessage": factories.DisplayMessageFactory(tenant=tenant),
        "chargepoints.FirmwareFile": factories.FirmwareFileFactory(tenant=tenant),
        "chargepoints.FirmwareCampaign": factories.FirmwareUpdateFactory(**here).campaign,
        "chargepoints.LogRequest": factories.LogRequestFactory(**here),
        "chargepoints.ChargerEvent": factories.ChargerEventFactory(**here),
        "chargepoints.CustomerInformation": factories.CustomerInformationFactory(**here),
        "chargepoints.EventStream": factories.EventStreamFactory(**here),
        "chargepoints.Monitor": factories.MonitorFactory(**here),
        "chargepoints.Connection": factories.ConnectionFactory(**here),
        "chargepoints.RefusedConnection": factories.RefusedConnectionFactory(tenant=tenant),
        "chargepoints.OcppMessage": factories.OcppMessageFactory(**here),
        "chargepoints.FrameAnomaly": factories.FrameAnomalyFactory(**here),
        "chargepoints.StatusEvent": factories.StatusEventFactory(**here),
        "chargepoints.SecurityEvent": factories.SecurityEventFactory(**here),
        "chargepoints.StatusReport": factories.StatusReportFactory(**here),
        "chargepoints.DataTransfer": factories.DataTransferFactory(**here),
        "transactions.Transaction": transaction,
        "transactions.MeterValue": factories.MeterValueFactory(transaction=transaction),
        "transactions.Tariff": factories.TariffFactory(tenant=tenant),
        "transactions.Settlement": factories.SettlementFactory(**here),
        "transactions.WebPayment": factories.WebPaymentFactory(**here),
        "common.Event": factories.EventFactory(tenant=tenant),
        "common.AuditEntry": factories.AuditEntryFactory(tenant=tenant),
    }


@pytest.fixture
def rows(tenant: Tenant, charge_point: ChargePoint) -> dict[str, Any]:
    return make_rows(tenant, charge_point)


@pytest.fixture
def other_rows(other_tenant: Tenant, other_charge_point: ChargePoint) -> dict[str, Any]:
    return make_rows(other_tenant, other_charge_point)


def url(label: str, page: str, *args: Any) -> str:
    app, model = label.lower().split(".")
    return reverse(f"admin:{app}_{model}_{page}", args=args)


def object_urls(rows: dict[str, Any]) -> list[str]:
    """Every page that is about one of these rows."""
    usual = [
        url(label, page, row.pk) for label, row in rows.items() for page in ("change", "history", "delete")
    ]
    return usual + [reverse(f"admin:{name}", args=[rows[label].pk, *args]) for name, label, args, _ in VIEWS]


def never_offered(rows: dict[str, Any], *, posted: bool = False) -> dict[str, int]:
    """Pages that refuse everybody before they look for the row, so that the answer tells nothing about it."""
    found = {url(label, "delete", row.pk): 403 for label, row in rows.items() if PAGES[label].delete is None}
    if posted:
        found |= {
            url(label, "change", row.pk): 403 for label, row in rows.items() if PAGES[label].change is None
        }
    return found


def list_urls() -> list[str]:
    usual = [url(label, page) for label in PAGES for page in ("changelist", "add")]
    return [reverse("admin:index"), *usual, *(reverse(f"admin:{name}") for name in LIST_VIEWS)]


def status(role: Role, action: str | None) -> int:
    return 200 if action is not None and role in PERMISSIONS[action] else 403


def expected(role: Role, rows: dict[str, Any]) -> dict[str, int]:
    """What the permission table says about each page."""
    found = {reverse("admin:index"): 200}
    for label, page in PAGES.items():
        pk = rows[label].pk
        found[url(label, "changelist")] = status(role, page.view)
        found[url(label, "add")] = status(role, page.add)
        found[url(label, "change", pk)] = status(role, page.view)
        found[url(label, "delete", pk)] = status(role, page.delete)
    for name, label, args, action in VIEWS:
        found[reverse(f"admin:{name}", args=[rows[label].pk, *args])] = status(role, action)
    found |= {reverse(f"admin:{name}"): status(role, action) for name, action in LIST_VIEWS.items()}
    return found


def test_models_without_a_page_are_exempt_with_a_reason() -> None:
    registered = {model._meta.label for model in admin.site._registry}
    ours = {model._meta.label for model in apps.get_models() if model._meta.app_label in OURS}
    assert ours - registered == set(EXEMPT) & ours
    assert registered == set(PAGES) | SUPERUSER_PAGES | INSTALLATION_PAGES


@pytest.mark.parametrize("role", list(Role))
def test_pages_opened_by_a_role_answer_as_the_permission_table_says(
    role: Role, rows: dict[str, Any], tenant: Tenant, actor_for: ActorFor, client: Client
) -> None:
    sign_in(client, actor_for(tenant, role))
    wanted = expected(role, rows)
    assert {path: client.get(path).status_code for path in wanted} == wanted


def test_pages_about_another_tenants_rows_answer_404_to_its_owner(
    other_rows: dict[str, Any], owner: Actor, client: Client
) -> None:
    sign_in(client, owner)
    wanted = dict.fromkeys(object_urls(other_rows), 404) | never_offered(other_rows)
    assert {path: client.get(path).status_code for path in wanted} == wanted


def test_posts_about_another_tenants_rows_answer_404_to_its_owner(
    other_rows: dict[str, Any], owner: Actor, client: Client
) -> None:
    sign_in(client, owner)
    wanted = dict.fromkeys(object_urls(other_rows), 404) | never_offered(other_rows, posted=True)
    assert {path: client.post(path, {"post": "yes"}).status_code for path in wanted} == wanted


def test_lists_of_a_tenant_never_show_another_tenants_rows(
    rows: dict[str, Any], other_rows: dict[str, Any], owner: Actor, client: Client
) -> None:
    sign_in(client, owner)
    leaks = []
    for label in PAGES:
        found = client.get(url(label, "changelist")).context["cl"].result_list
        leaks += [label for row in found if row == other_rows[label]]
    assert leaks == []


def test_pages_opened_by_nobody_lead_to_the_login(rows: dict[str, Any], client: Client) -> None:
    paths = [path for path in [*list_urls(), *object_urls(rows)] if not path.endswith("/live/")]
    answers = {path: client.get(path) for path in paths}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(paths, 302)
    assert all("/admin/login/" in answer["Location"] for answer in answers.values())


def test_pages_opened_by_a_driver_lead_to_the_login(
    rows: dict[str, Any], tenant: Tenant, client: Client
) -> None:
    driver = factories.DriverFactory(tenant=tenant, user=factories.UserFactory(is_staff=True))
    client.force_login(driver.user)
    paths = [path for path in [*list_urls(), *object_urls(rows)] if not path.endswith("/live/")]
    assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 302)


def test_live_parts_without_a_login_ask_for_a_reload(rows: dict[str, Any], client: Client) -> None:
    paths = [reverse("admin:home_live"), *(path for path in object_urls(rows) if path.endswith("/live/"))]
    answers = [client.get(path) for path in paths]
    assert len(answers) == 5
    assert all((a.status_code, a["HX-Refresh"], a.content) == (401, "true", b"") for a in answers)


def test_login_of_a_driver_is_refused_in_the_words_of_a_wrong_password(
    tenant: Tenant, client: Client
) -> None:
    user = factories.DriverFactory(tenant=tenant, user=factories.UserFactory(username="drew")).user
    data = {"username": user.username, "password": factories.PASSWORD}
    refused = client.post(reverse("admin:login"), data)
    wrong = client.post(reverse("admin:login"), {**data, "password": "wrong"})
    assert refused.status_code == 200
    assert refused.context["form"].non_field_errors() == wrong.context["form"].non_field_errors()


def test_login_of_a_member_leads_home_without_being_staff(owner: Actor, client: Client) -> None:
    assert owner.user is not None
    assert not owner.user.is_staff
    data = {"username": owner.user.username, "password": factories.PASSWORD}
    answer = client.post(reverse("admin:login"), data)
    assert answer["Location"] == reverse("admin:index")


def test_member_whose_membership_ended_is_out_at_once(owner: Actor, client: Client) -> None:
    sign_in(client, owner)
    assert client.get(reverse("admin:index")).status_code == 200
    Membership.objects.filter(user=owner.user).delete()
    assert client.get(reverse("admin:index")).status_code == 302


def test_pages_of_all_tenants_open_for_a_superuser(
    rows: dict[str, Any], other_rows: dict[str, Any], superuser: User, client: Client
) -> None:
    client.force_login(superuser)
    lists = [url(label, "changelist") for label in [*PAGES, *SUPERUSER_PAGES]]
    paths = lists + [url(label, "change", row.pk) for label, row in (rows | other_rows).items()]
    assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_gateway_nodes_are_hidden_from_a_tenants_owner(owner: Actor, client: Client) -> None:
    sign_in(client, owner)
    assert client.get(url("chargepoints.GatewayNode", "changelist")).status_code == 403


def test_admin_pages_forbid_other_hosts_and_inline_scripts(owner: Actor, client: Client) -> None:
    sign_in(client, owner)
    policy = client.get(reverse("admin:index"))["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self' 'unsafe-eval';" in policy


#: Queries of a list, of which session, user, membership and the tenants of the switch take 5.
QUERIES = {
    "accounts.IdToken": 8,
    "accounts.User": 8,
    "accounts.Driver": 8,
    "chargepoints.ChargePoint": 11,
    "chargepoints.Command": 6,
    "chargepoints.FleetTask": 9,
    "chargepoints.FirmwareFile": 7,
    "chargepoints.FirmwareCampaign": 8,
    "chargepoints.LogRequest": 7,
    "chargepoints.OcppMessage": 6,
    "chargepoints.StatusEvent": 6,
    "transactions.Transaction": 7,
    "transactions.MeterValue": 7,
    "transactions.Tariff": 8,
    "common.Event": 6,
}


@pytest.mark.parametrize(("label", "count"), QUERIES.items())
def test_list_of_many_rows_takes_a_fixed_number_of_queries(
    label: str,
    count: int,
    tenant: Tenant,
    charge_point: ChargePoint,
    owner: Actor,
    client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_rows(tenant, charge_point)
    for number in range(2):
        make_rows(tenant, factories.ChargePointFactory(tenant=tenant, identity=f"M{number}", connectors=2))
    sign_in(client, owner)
    with django_assert_num_queries(count):
        client.get(url(label, "changelist"))


def test_big_lists_are_never_counted(owner: Actor, charge_point: ChargePoint, client: Client) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    sign_in(client, owner)
    big = [
        label for label in PAGES if hasattr(admin.site._registry[apps.get_model(label)].paginator, "has_more")
    ]
    assert {"chargepoints.OcppMessage", "transactions.MeterValue", "transactions.Transaction"} <= set(big)
    with CaptureQueriesContext(connection) as queries:
        for label in big:
            client.get(url(label, "changelist"))
    assert [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()] == []


def test_big_list_of_two_pages_leads_on_and_back(
    charge_point: ChargePoint, owner: Actor, client: Client
) -> None:
    for number in range(51):
        factories.OcppMessageFactory(charge_point=charge_point, message_id=f"n{number}")
    sign_in(client, owner)
    path = url("chargepoints.OcppMessage", "changelist")
    first, second = client.get(path), client.get(path, {"p": 2})
    assert len(first.context["cl"].result_list) == 50
    assert str(2**40) not in first.content.decode()
    assert 'rel="next"' in first.content.decode()
    assert 'rel="prev"' not in first.content.decode()
    assert len(second.context["cl"].result_list) == 1
    assert 'rel="prev"' in second.content.decode()
    assert 'rel="next"' not in second.content.decode()
