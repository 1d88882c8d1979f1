"""The pages of model profiles, and what a charge point's page says of its own."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, ChargePointModelProfile, Connector
from chargepoints.services import model_profiles
from tests import factories

NAME = "admin:chargepoints_chargepointmodelprofile"


@pytest.fixture
def signed_in(operator: Actor, client: Client) -> Client:
    assert operator.user is not None
    client.force_login(operator.user)
    return client


FORM = {
    "name": "Duo",
    "is_active": "on",
    "model": "Duo*",
    "strict_schema": "unknown",
    "record_repairs": "on",
    "register_factor": "1",
    "register_unit": "kWh",
    "boot_configuration": "MeterValueSampleInterval = 60\n\nA=x=y",
    "error_texts": "E17 = The cable is locked.",
    "ignored_registers": "-1, 0.5",
}


def test_form_makes_and_changes_a_profile(signed_in: Client, tenant: Tenant) -> None:
    made = signed_in.post(reverse(f"{NAME}_add"), FORM)

    assert made.status_code == 302, made.content.decode()[:2000]
    row = ChargePointModelProfile.objects.get(tenant=tenant)
    assert row.boot_configuration == {"MeterValueSampleInterval": "60", "A": "x=y"}
    assert (row.ignored_registers, row.error_texts) == ([-1, 0.5], {"E17": "The cable is locked."})
    page = signed_in.get(reverse(f"{NAME}_change", args=[row.pk])).content.decode()
    assert "MeterValueSampleInterval = 60" in page
    changed = signed_in.post(reverse(f"{NAME}_change", args=[row.pk]), FORM | {"rate_unit": "A"})
    row.refresh_from_db()
    assert (changed.status_code, row.rate_unit, row.register_unit) == (302, "A", "kWh")


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("boot_configuration", "A", "Line 1: write name = text."),
        ("ignored_registers", "one", "Write numbers"),
        ("model", "", "Say which chargers it is for"),
        ("register_factor", "0", "greater than or equal to"),
    ],
)
def test_form_names_what_is_wrong(signed_in: Client, field: str, value: str, text: str) -> None:
    answer = signed_in.post(reverse(f"{NAME}_add"), FORM | {field: value})

    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert not ChargePointModelProfile.objects.exists()


def test_viewer_reads_a_profile_without_a_form(viewer: Actor, tenant: Tenant, client: Client) -> None:
    row = factories.ModelProfileFactory(tenant=tenant, error_texts={"E17": "Locked."})
    assert viewer.user is not None
    client.force_login(viewer.user)

    page = client.get(reverse(f"{NAME}_change", args=[row.pk])).content.decode()

    assert "E17 = Locked." in page
    assert "<textarea" not in page


def test_built_in_profile_is_copied_by_a_button(signed_in: Client, tenant: Tenant) -> None:
    url = reverse(f"{NAME}_built_in")
    assert "Copy to change it" in signed_in.get(url).content.decode()

    copied = signed_in.post(url, {"key": "keba-p30"})

    row = ChargePointModelProfile.objects.get(tenant=tenant)
    assert copied["Location"] == reverse(f"{NAME}_change", args=[row.pk])
    assert signed_in.post(url, {"key": "keba-p30"})["Location"] == url  # the name is taken: said there
    assert signed_in.post(url, {"key": "never-was"}).status_code == 404


def test_viewer_may_not_copy_or_import(viewer: Actor, client: Client) -> None:
    assert viewer.user is not None
    client.force_login(viewer.user)

    assert "Copy to change it" not in client.get(reverse(f"{NAME}_built_in")).content.decode()
    assert client.post(reverse(f"{NAME}_built_in"), {"key": "keba-p30"}).status_code == 403
    assert client.post(reverse(f"{NAME}_import")).status_code == 403


def upload(client: Client, content: bytes) -> str:
    file = SimpleUploadedFile("profiles.json", content)
    return client.post(reverse(f"{NAME}_import"), {"file": file}, follow=True).content.decode()


def test_exported_file_is_imported_and_a_wrong_one_explained(
    signed_in: Client, operator: Actor, tenant: Tenant
) -> None:
    model_profiles.copy_built_in(actor=operator, tenant=tenant, key="bender-cc")
    exported = signed_in.get(reverse(f"{NAME}_export"))
    ChargePointModelProfile.objects.all().delete()

    assert "attachment" in exported["Content-Disposition"]
    assert "1 profiles made, 0 changed." in upload(signed_in, exported.content)
    assert "This is no JSON file." in upload(signed_in, b"no json")
    assert "no file of model profiles" in upload(signed_in, b"[]")
    document = json.loads(exported.content)
    document["profiles"][0]["speed"] = 1
    assert "profiles.1.speed" in upload(signed_in, json.dumps(document).encode())


def test_charge_point_page_says_which_profile_applies_and_what_its_error_means(
    signed_in: Client, charge_point: ChargePoint
) -> None:
    ChargePoint.objects.update(vendor="Bender GmbH Co. KG", model="CC612_2S0R", firmware_version="5.33")
    model_profiles.resolve_all()
    Connector.objects.filter(ocpp_number=1).update(
        status="Faulted", error_code="PowerSwitchFailure", status_info="Contactor welded"
    )
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])

    page = signed_in.get(url).content.decode()
    listed = signed_in.get(reverse("admin:chargepoints_chargepoint_changelist")).content.decode()

    assert "fits “Bender GmbH Co. KG CC612_2S0R 5.33” best." in page
    assert "The contactor is welded" in page
    assert "The contactor is welded" in listed


def test_charge_point_page_says_why_no_profile_applies(signed_in: Client, charge_point: ChargePoint) -> None:
    url = reverse("admin:chargepoints_chargepoint_change", args=[charge_point.pk])
    assert "profiles apply after its first boot" in signed_in.get(url).content.decode()
    ChargePoint.objects.update(vendor="Nobody")
    assert "No profile fits “Nobody”." in signed_in.get(url).content.decode()
