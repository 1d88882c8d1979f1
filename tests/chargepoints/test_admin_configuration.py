"""Pages of templates and of the drift report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, ConfigurationTemplate, FleetTask
from chargepoints.services import drift, templates
from chargepoints.services.templates import Given
from chargepoints.services.variables import Entry, store_snapshot, store_value
from tests.browsing import messages_of, sign_in
from tests.factories import ChargePointFactory, ConfigurationTemplateFactory

NAME = "admin:chargepoints_configurationtemplate"


@pytest.fixture
def signed_in(client: Client, technician: Actor) -> Client:
    return sign_in(client, technician)


def form(rows: list[dict[str, Any]], *, initial: int = 0, **fields: Any) -> dict[str, Any]:
    """What the editor posts."""
    data: dict[str, Any] = {
        "name": "Wall boxes",
        "priority": "0",
        "is_active": "on",
        "entries-TOTAL_FORMS": len(rows),
        "entries-INITIAL_FORMS": initial,
        "entries-MIN_NUM_FORMS": 0,
        "entries-MAX_NUM_FORMS": 500,
        **fields,
    }
    for number, row in enumerate(rows):
        data |= {f"entries-{number}-{name}": value for name, value in row.items()}
    return data


def texts(template: ConfigurationTemplate) -> dict[str, str]:
    found = (drift.value_of(entry) for entry in template.entries.all())
    return {value.key: value.text for value in found if value is not None}


def test_template_is_made_with_its_rows(signed_in: Client, tenant: Tenant) -> None:
    rows = [
        {"key": "HeartbeatInterval", "value": "soon"},
        {"key": "WifiPassword", "value": "hunter2"},
        {"key": "", "value": ""},
    ]
    answer = signed_in.post(reverse(f"{NAME}_add"), form(rows, model="Wall*"), follow=True)
    made = ConfigurationTemplate.objects.get()
    assert (made.tenant, made.name, made.model) == (tenant, "Wall boxes", "Wall*")
    assert texts(made) == {"HeartbeatInterval": "soon", "WifiPassword": "hunter2"}
    assert "HeartbeatInterval should be a whole number (s), not “soon”." in messages_of(answer)


def test_template_is_changed_and_its_secret_stays_hidden(
    signed_in: Client, tenant: Tenant, operator: Actor
) -> None:
    made = templates.create_template(
        actor=operator,
        tenant=tenant,
        name="Wall boxes",
        entries=[
            Given(key="A", value="1"),
            Given(key="B", value="1"),
            Given(key="WifiPassword", value="hunter2"),
        ],
    )
    url = reverse(f"{NAME}_change", args=[made.pk])
    text = signed_in.get(url).content.decode()
    assert "hunter2" not in text
    assert "Stored; type another value" in text
    first, second, secret = made.entries.order_by("key", "pk")
    here = {"template": made.pk}
    rows = [
        {"id": first.pk, "key": "A", "value": "2", **here},
        {"id": second.pk, "key": "B", "value": "1", "DELETE": "on", **here},
        {"id": secret.pk, "key": "WifiPassword", "value": "", "is_secret": "on", **here},
        {"key": "C", "value": "3", **here},
    ]
    signed_in.post(url, form(rows, initial=3, note="Changed"))
    made.refresh_from_db()
    assert made.note == "Changed"
    assert texts(made) == {"A": "2", "C": "3", "WifiPassword": "hunter2"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"key": "AuthorizationKey", "value": "x"}], "a secret of each charger"),
        ([{"key": "SecurityProfile", "value": "2"}], "raised step by step"),
        ([{"key": "A", "value": "1"}, {"key": "a", "value": "2"}], "This key is in the template already."),
    ],
)
def test_row_that_cannot_be_is_told_at_the_row(
    rows: list[dict[str, Any]], words: str, signed_in: Client
) -> None:
    answer = signed_in.post(reverse(f"{NAME}_add"), form(rows))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not ConfigurationTemplate.objects.exists()


def test_list_and_page_of_a_template_say_for_whom_it_is(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant
) -> None:
    made = ConfigurationTemplateFactory(
        tenant=tenant, vendor="Acme", location=charge_point.location, entries={"A": "1"}
    )
    assert (
        f"vendor Acme, site {charge_point.location}"
        in signed_in.get(reverse(f"{NAME}_changelist")).content.decode()
    )
    assert (
        "0 chargers, 0 in line" in signed_in.get(reverse(f"{NAME}_change", args=[made.pk])).content.decode()
    )


# --- files, and from a charger ---


def test_export_comes_back_by_import(signed_in: Client, tenant: Tenant) -> None:
    made = ConfigurationTemplateFactory(tenant=tenant, name="Ours", entries={"A": "1"})
    answer = signed_in.get(reverse(f"{NAME}_export", args=[made.pk]))
    assert 'filename="configuration-template-' in answer["Content-Disposition"]
    file = SimpleUploadedFile("t.json", json.dumps({**answer.json(), "name": "Again"}).encode())
    after = signed_in.post(reverse(f"{NAME}_import"), {"file": file}, follow=True)
    again = ConfigurationTemplate.objects.get(name="Again")
    assert texts(again) == {"A": "1"}
    assert not again.is_active
    assert "It is not in use yet: check it first." in messages_of(after)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no json", "The file is no JSON."),
        (b"\xff\xfe", "The file is no JSON."),
        (b"{}", "This is no template"),
    ],
)
def test_file_that_is_no_template_is_refused(content: bytes, words: str, signed_in: Client) -> None:
    answer = signed_in.post(reverse(f"{NAME}_import"), {"file": SimpleUploadedFile("t.json", content)})
    assert words in answer.content.decode()


def test_template_is_made_from_chosen_keys_of_a_charger(signed_in: Client, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(vendor="Acme", model="Wall")
    store_snapshot(charge_point.pk, [Entry(key="A", value="1"), Entry(key="B", value="2")])
    url = reverse(f"{NAME}_from", args=[charge_point.pk])
    assert "B = 2" in signed_in.get(url).content.decode()
    assert "Choose at least one key." in signed_in.post(url, {"name": "New"}).content.decode()
    signed_in.post(url, {"name": "New", "keys": ["B"], "same_model": "on"})
    made = ConfigurationTemplate.objects.get()
    assert (made.vendor, made.model, made.is_active, texts(made)) == ("Acme", "Wall", False, {"B": "2"})


def test_template_from_a_charger_that_told_nothing_says_what_to_do(
    signed_in: Client, charge_point: ChargePoint, other_charge_point: ChargePoint
) -> None:
    text = signed_in.get(reverse(f"{NAME}_from", args=[charge_point.pk])).content.decode()
    assert "Read its configuration first." in text
    assert signed_in.get(reverse(f"{NAME}_from", args=[other_charge_point.pk])).status_code == 404


# --- drift ---


@pytest.fixture
def drifting(charge_point: ChargePoint, tenant: Tenant) -> ConfigurationTemplate:
    made: ConfigurationTemplate = ConfigurationTemplateFactory(
        tenant=tenant, name="Base", entries={"HeartbeatInterval": "300", "Missing": "1"}
    )
    store_snapshot(charge_point.pk, [Entry(key="HeartbeatInterval", value="60")], is_complete=True)
    return made


def page(client: Client, **query: Any) -> str:
    return client.get(reverse(f"{NAME}_drift"), query).content.decode()


def test_drift_page_shows_the_differences(
    signed_in: Client, drifting: ConfigurationTemplate, other_charge_point: ChargePoint
) -> None:
    text = page(signed_in)
    assert "CP-A" in text
    assert "CP-B" not in text
    assert "The charger does not list this key." in text
    assert "From “Base”." in text
    assert "Send to the chosen…" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "cp-a"}, True),
        ({"q": "nobody"}, False),
        ({"state": "differs"}, True),
        ({"state": "read_only"}, False),
        ({"state": "strange"}, True),
        ({"location": "999999"}, False),
        ({"location": "x"}, True),
        ({"model": "Wall"}, False),
        ({"template": "999999"}, False),
        ({"p": "9"}, False),
    ],
)
def test_drift_page_is_filtered(
    query: dict[str, str], found: bool, signed_in: Client, drifting: ConfigurationTemplate
) -> None:
    assert ('name="cp"' in page(signed_in, **query)) is found


def test_drift_page_says_what_is_missing(
    signed_in: Client, charge_point: ChargePoint, tenant: Tenant
) -> None:
    assert "There is no template yet." in page(signed_in)
    made = ConfigurationTemplateFactory(tenant=tenant, model="Other", entries={"A": "1"})
    assert "No template in use fits any charger." in page(signed_in)
    ConfigurationTemplate.objects.filter(pk=made.pk).update(model="")
    store_snapshot(charge_point.pk, [Entry(key="A", value="1")], is_complete=True)
    assert "All chargers have what their templates want." in page(signed_in)


def test_drift_page_is_exported(signed_in: Client, drifting: ConfigurationTemplate) -> None:
    answer = signed_in.get(reverse(f"{NAME}_drift"), {"format": "csv", "state": "differs"})
    lines = b"".join(answer).decode().splitlines()
    assert len(lines) == 2
    assert "HeartbeatInterval,300,60,differs" in lines[1]


def test_drift_page_offers_a_viewer_nothing_to_send(
    client: Client, viewer: Actor, drifting: ConfigurationTemplate
) -> None:
    text = page(sign_in(client, viewer))
    assert "CP-A" in text
    assert "Send to" not in text
    assert 'name="cp"' not in text


# --- sending ---


def apply(client: Client, **query: Any) -> Any:
    return client.get(reverse(f"{NAME}_apply"), query)


def send(client: Client, shown: Any, **fields: Any) -> Any:
    fingerprint = shown.context["form"].initial["fingerprint"]
    data = {"fingerprint": fingerprint, "if_offline": "86400", "confirm": "on", **fields}
    return client.post(shown.wsgi_request.get_full_path(), data, follow=True)


def test_plan_is_shown_and_sent_as_a_task(
    signed_in: Client, drifting: ConfigurationTemplate, charge_point: ChargePoint
) -> None:
    shown = apply(signed_in, cp=charge_point.pk)
    text = shown.content.decode()
    assert "1 change for 1 charger" in text
    assert "What is not sent" in text
    assert not FleetTask.objects.exists()

    answer = send(signed_in, shown, reset="on", stop_percent="20", batch_size="10")
    task = FleetTask.objects.get()
    assert answer.redirect_chain[-1][0] == reverse("admin:chargepoints_fleettask_change", args=[task.pk])
    assert task.title == "Set HeartbeatInterval"
    assert (task.expires_in, task.batch_size, str(task.stop_failure_rate)) == (86400, 10, "0.200")
    assert list(task.items.values_list("action", flat=True)) == ["change_configuration", "reset"]


def test_plan_for_nobody_chosen_asks_to_choose(signed_in: Client, drifting: ConfigurationTemplate) -> None:
    for query in ({}, {"cp": "x"}, {"q": "CP-A"}):
        text = apply(signed_in, **query).content.decode()
        assert "Tick the chargers first" in text
        assert "What is sent" not in text


def test_plan_without_the_tick_is_not_sent(
    signed_in: Client, drifting: ConfigurationTemplate, charge_point: ChargePoint
) -> None:
    answer = send(signed_in, apply(signed_in, all=1), confirm="")
    assert "Tick the box to go on." in answer.content.decode()
    assert not FleetTask.objects.exists()


def test_plan_that_has_changed_is_shown_again(
    signed_in: Client, drifting: ConfigurationTemplate, charge_point: ChargePoint, tenant: Tenant
) -> None:
    shown = apply(signed_in, all=1)
    second = ChargePointFactory(tenant=tenant)
    store_snapshot(second.pk, [Entry(key="HeartbeatInterval", value="5")], is_complete=True)
    answer = send(signed_in, shown)
    assert "has changed meanwhile" in messages_of(answer)[0]
    assert "2 changes for 2 chargers" in answer.content.decode()
    assert not FleetTask.objects.exists()


def test_plan_with_nothing_to_send_says_so(
    signed_in: Client, drifting: ConfigurationTemplate, charge_point: ChargePoint
) -> None:
    store_value(charge_point.pk, "HeartbeatInterval", "300")
    assert "What differs cannot be set" in apply(signed_in, all=1).content.decode()
    assert "These chargers have what" in apply(signed_in, cp="999999").content.decode()


def test_plan_never_names_chargers_of_another_tenant(
    signed_in: Client, drifting: ConfigurationTemplate, other_charge_point: ChargePoint
) -> None:
    text = apply(signed_in, cp=other_charge_point.pk).content.decode()
    assert "CP-B" not in text
    assert "Nothing to send" in text


def test_plan_over_several_organisations_is_not_sent(
    client: Client,
    superuser: User,
    drifting: ConfigurationTemplate,
    other_tenant: Tenant,
    other_charge_point: ChargePoint,
) -> None:
    ConfigurationTemplateFactory(tenant=other_tenant, entries={"A": "1"})
    store_snapshot(other_charge_point.pk, [Entry(key="A", value="2")], is_complete=True)
    client.force_login(superuser)
    answer = send(client, apply(client, all=1))
    assert "several organisations" in messages_of(answer)[0]
    assert not FleetTask.objects.exists()


def test_tab_explains_which_template_gave_which_value(
    signed_in: Client, drifting: ConfigurationTemplate, charge_point: ChargePoint, tenant: Tenant
) -> None:
    ConfigurationTemplateFactory(tenant=tenant, name="Site", priority=2, entries={"HeartbeatInterval": "60"})
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    text = signed_in.get(url, {"tab": "configuration"}).content.decode()
    assert "What templates want: 1 of 2 differs" in text
    assert "From “Site”. It wins over “Base”: its priority is higher (2 over 0)." in text
