"""One tenant at a time: the switch, choices, filters, what chargers wrote."""

from __future__ import annotations

from typing import Any, cast

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.models import IdToken, Tenant, User
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, Location
from csms_project.common.models import AuditEntry
from tests import factories
from tests.browsing import sign_in

SCRIPT = "<script>alert(1)</script>"


def switch(client: Client, slug: str, following: str = "/admin/") -> Any:
    return client.post(reverse("admin:switch_tenant"), {"tenant": slug, "next": following})


def tenant_of(client: Client) -> Tenant | None:
    """The tenant that the session is about."""
    request: Any = client.get("/admin/").wsgi_request
    return cast("Tenant | None", request.actor.tenant)


def shown(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_switch_to_another_membership_changes_what_lists_show(
    owner: Actor,
    other_tenant: Tenant,
    charge_point: ChargePoint,
    other_charge_point: ChargePoint,
    client: Client,
) -> None:
    factories.MembershipFactory(tenant=other_tenant, user=owner.user, role=Role.VIEWER)
    sign_in(client, owner)
    path = reverse("admin:chargepoints_chargepoint_changelist")
    assert "CP-A" in shown(client, path)
    assert switch(client, "rival", path)["Location"] == path
    assert "CP-B" in shown(client, path)
    assert "CP-A" not in shown(client, path)


def test_switch_to_a_tenant_that_is_not_ones_own_is_refused(
    owner: Actor, other_tenant: Tenant, charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, owner)
    for slug in ("rival", "*", "nowhere"):
        switch(client, slug)
        assert tenant_of(client) == owner.tenant


def test_switch_by_get_changes_nothing(superuser: User, tenant: Tenant, client: Client) -> None:
    client.force_login(superuser)
    assert client.get(reverse("admin:switch_tenant"), {"tenant": "acme"}).status_code == 405


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/api/", "/admin/a/b/7/change/"]
)
def test_switch_with_a_foreign_target_leads_home(
    target: str, superuser: User, tenant: Tenant, client: Client
) -> None:
    client.force_login(superuser)
    assert switch(client, "acme", target)["Location"] == "/admin/"


def test_new_row_for_who_sees_all_tenants_asks_which_one(
    superuser: User, tenant: Tenant, client: Client
) -> None:
    client.force_login(superuser)
    path = reverse("admin:chargepoints_location_add")
    assert "for which organisation?" in shown(client, path)
    assert switch(client, "acme", path)["Location"] == path
    client.post(path, {"name": "Yard"})
    assert Location.objects.get(name="Yard").tenant == tenant


def test_superuser_of_a_single_tenant_acts_for_it(superuser: User, client: Client) -> None:
    only = factories.TenantFactory()
    client.force_login(superuser)
    assert tenant_of(client) == only


def test_choice_of_another_tenants_row_is_no_valid_choice(
    owner: Actor, other_tenant: Tenant, client: Client
) -> None:
    foreign = factories.TariffFactory(tenant=other_tenant)
    sign_in(client, owner)
    answer = client.post(reverse("admin:chargepoints_location_add"), {"name": "Yard", "tariff": foreign.pk})
    assert "tariff" in answer.context["adminform"].form.errors
    assert not Location.objects.filter(name="Yard").exists()


def test_autocomplete_offers_only_the_tenants_rows(
    owner: Actor, tenant: Tenant, other_tenant: Tenant, client: Client
) -> None:
    factories.LocationFactory(tenant=tenant, name="Ours")
    factories.LocationFactory(tenant=other_tenant, name="Theirs")
    sign_in(client, owner)
    query = {"app_label": "chargepoints", "model_name": "chargepoint", "field_name": "location"}
    found = client.get(reverse("admin:autocomplete"), query).json()["results"]
    assert [row["text"] for row in found] == ["Ours"]


def test_filter_by_another_tenants_row_does_not_tell_its_name(
    owner: Actor, charge_point: ChargePoint, other_charge_point: ChargePoint, client: Client
) -> None:
    sign_in(client, owner)
    path = reverse("admin:chargepoints_command_changelist")
    text = shown(client, f"{path}?charge_point__id__exact={other_charge_point.pk}")
    assert "CP-B" not in text


def test_duplicate_name_is_an_error_of_the_form(owner: Actor, location: Location, client: Client) -> None:
    sign_in(client, owner)
    answer = client.post(reverse("admin:chargepoints_location_add"), {"name": location.name})
    assert answer.status_code == 200
    assert "A location with this name exists already." in answer.content.decode()


def test_change_of_a_row_is_audited_with_its_values(owner: Actor, location: Location, client: Client) -> None:
    sign_in(client, owner)
    path = reverse("admin:chargepoints_location_change", args=[location.pk])
    client.post(path, {"name": location.name, "country": "DE", "city": "Kiel"})
    entry = AuditEntry.objects.get(action="locations.change")
    assert entry.changes == {"city": ["", "Kiel"]}
    assert (entry.via, entry.tenant, entry.actor) == ("admin", owner.tenant, owner.user)
    assert "Kiel" in shown(client, reverse("admin:chargepoints_location_history", args=[location.pk]))


def test_delete_of_a_row_in_use_is_refused(owner: Actor, charge_point: ChargePoint, client: Client) -> None:
    sign_in(client, owner)
    path = reverse("admin:chargepoints_location_delete", args=[charge_point.location_id])
    client.post(path, {"post": "yes"})
    assert Location.objects.filter(charge_points=charge_point).exists()


READ_ONLY = [
    "chargepoints.OcppMessage",
    "chargepoints.FrameAnomaly",
    "chargepoints.StatusEvent",
    "chargepoints.SecurityEvent",
    "chargepoints.StatusReport",
    "chargepoints.DataTransfer",
    "chargepoints.Command",
    "chargepoints.Connection",
    "chargepoints.RefusedConnection",
    "chargepoints.Reservation",
    "chargepoints.LocalList",
    "chargepoints.LogRequest",
    "chargepoints.GatewayNode",
    "transactions.Transaction",
    "transactions.MeterValue",
    "common.Event",
    "common.AuditEntry",
]


@pytest.mark.parametrize("label", READ_ONLY)
def test_what_the_charger_or_the_system_wrote_has_no_editable_field(
    label: str, superuser: User, client: Client
) -> None:
    model_admin = next(found for model, found in admin.site._registry.items() if model._meta.label == label)
    client.force_login(superuser)
    request = client.get("/admin/").wsgi_request
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)


def test_charge_point_form_cannot_change_what_the_charger_wrote(
    owner: Actor, charge_point: ChargePoint, client: Client
) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(vendor="Real", registration_status="Pending")
    sign_in(client, owner)
    data = {
        "identity": "CP-A",
        "security_profile": 1,
        "vendor": "Fake",
        "registration_status": "Accepted",
        "key_hash": "x",
        "tenant": 999,
        "connectors-TOTAL_FORMS": 0,
        "connectors-INITIAL_FORMS": 0,
    }
    answer = client.post(reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk]), data)
    assert answer.status_code == 302
    after = ChargePoint.objects.get(pk=charge_point.pk)
    assert (after.vendor, after.registration_status) == ("Real", "Pending")
    assert (after.key_hash, after.tenant_id) == (charge_point.key_hash, charge_point.tenant_id)


def test_script_in_what_a_charger_sent_is_escaped_everywhere(
    owner: Actor, charge_point: ChargePoint, tenant: Tenant, client: Client
) -> None:
    connector = charge_point.connectors.get(ocpp_number=1)
    ChargePoint.objects.filter(pk=charge_point.pk).update(
        vendor=SCRIPT,
        model=SCRIPT,
        firmware_version=SCRIPT,
        serial_number=SCRIPT,
        status="Faulted",
        status_info=SCRIPT,
    )
    type(connector).objects.filter(pk=connector.pk).update(
        status="Faulted", error_code=SCRIPT, status_info=SCRIPT
    )
    here = {"charge_point": charge_point}
    message = factories.OcppMessageFactory(**here, action=SCRIPT, request=SCRIPT, error_code=SCRIPT)
    factories.StatusEventFactory(**here, info=SCRIPT, error_code=SCRIPT)
    factories.SecurityEventFactory(**here, type=SCRIPT, tech_info=SCRIPT)
    factories.DataTransferFactory(**here, vendor_id=SCRIPT, data=SCRIPT)
    factories.VariableFactory(**here, name=SCRIPT, value=SCRIPT)
    factories.FrameAnomalyFactory(**here, problem=SCRIPT, frame=SCRIPT)
    refused = factories.RefusedConnectionFactory(tenant=tenant, identity=SCRIPT, user_agent=SCRIPT)
    session = factories.TransactionFactory(connector=connector, id_token_value=SCRIPT, stop_reason=SCRIPT)
    factories.LedgerEntryFactory(transaction=session, text=SCRIPT)
    factories.MeterValueFactory(transaction=session, values=[SCRIPT, SCRIPT])
    factories.CommandFactory(**here, response={"status": SCRIPT}, payload={"key": SCRIPT})
    page = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    paths = [f"{page}?tab={tab}" for tab in ("overview", "commands", "configuration", "messages", "events")]
    paths += [
        reverse("admin:index"),
        reverse("admin:chargepoints_chargepoint_changelist"),
        reverse("admin:chargepoints_chargepoint_live", args=[charge_point.pk]),
        reverse("admin:chargepoints_ocppmessage_changelist"),
        reverse("admin:chargepoints_ocppmessage_change", args=[message.pk]),
        reverse("admin:chargepoints_frameanomaly_changelist"),
        reverse("admin:chargepoints_statusevent_changelist"),
        reverse("admin:chargepoints_refusedconnection_changelist"),
        reverse("admin:chargepoints_refusedconnection_register", args=[refused.pk]),
        reverse("admin:transactions_transaction_changelist"),
        reverse("admin:transactions_transaction_change", args=[session.pk]),
        reverse("admin:transactions_metervalue_changelist"),
    ]
    sign_in(client, owner)
    assert [path for path in paths if SCRIPT in shown(client, path)] == []
    assert "&lt;script&gt;" in shown(client, paths[0])


def test_secret_variable_is_not_shown(owner: Actor, charge_point: ChargePoint, client: Client) -> None:
    factories.VariableFactory(
        charge_point=charge_point, name="AuthorizationKey", value="s3cret", is_secret=True
    )
    sign_in(client, owner)
    page = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    assert "s3cret" not in shown(client, f"{page}?tab=configuration")


def test_tag_of_another_tenant_is_untouched_by_an_action(
    owner: Actor, other_tenant: Tenant, client: Client
) -> None:
    foreign = factories.IdTokenFactory(tenant=other_tenant)
    sign_in(client, owner)
    data = {"action": "block", "_selected_action": [foreign.pk], "confirmed": "1"}
    client.post(reverse("admin:accounts_idtoken_changelist"), data)
    assert IdToken.objects.get(pk=foreign.pk).status == "Accepted"
