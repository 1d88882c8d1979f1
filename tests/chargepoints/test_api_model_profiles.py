"""Model profiles over REST."""

from __future__ import annotations

from accounts.models import Tenant
from accounts.permissions import Actor
from chargepoints.models import ChargePoint, ChargePointModelProfile
from tests import factories
from tests.api import client_of, names, problem_of

PROFILES = "/api/v1/model-profiles/"
FULL = {
    "name": "Duo",
    "vendor": "Amperia",
    "model": "Duo*",
    "strict_schema": None,
    "record_repairs": False,
    "accepted_vendor_ids": ["com.example"],
    "boot_configuration": {"MeterValueSampleInterval": "60"},
    "rate_unit": "A",
    "register_unit": "kWh",
    "register_factor": "0.100000",
    "ignored_registers": [-1.0],
    "error_texts": {"E17": "The cable is locked."},
    "note": "n",
    "reference": "manual",
}


def test_profile_is_made_read_changed_and_deleted(operator: Actor, charge_point: ChargePoint) -> None:
    ChargePoint.objects.update(vendor="Amperia", model="Duo 22")
    client = client_of(operator)

    made = client.post(PROFILES, FULL, format="json")

    assert made.status_code == 201, made.content
    shown = made.json()
    assert FULL.items() <= shown.items()
    assert (shown["charge_points"], shown["is_active"], shown["copied_from"]) == (1, True, "")
    of_charge_point = client.get("/api/v1/charge-points/CP-A/").json()["model_profile"]
    assert of_charge_point == {"id": shown["id"], "key": "", "name": "Duo"}
    url = f"{PROFILES}{shown['id']}/"
    assert client.patch(url, {"model": "Solo*"}, format="json").json()["charge_points"] == 0
    assert client.delete(url).status_code == 204


def test_wrong_fields_are_named(operator: Actor) -> None:
    client = client_of(operator)
    for change, field in (
        ({"vendor": "", "model": ""}, "model"),
        ({"register_factor": "0"}, "register_factor"),
        ({"boot_configuration": {"AuthorizationKey": "x"}}, "boot_configuration"),
        ({"ignored_registers": ["x"]}, "ignored_registers.0"),
        ({"error_texts": []}, "error_texts"),
    ):
        response = client.post(PROFILES, {**FULL, **change}, format="json")
        assert list(problem_of(response, 400)["errors"]) == [field]


def test_name_is_taken_once_per_tenant(operator: Actor, tenant: Tenant, other_tenant: Tenant) -> None:
    factories.ModelProfileFactory(tenant=other_tenant, name="Duo")
    client = client_of(operator)

    assert client.post(PROFILES, FULL, format="json").status_code == 201
    problem_of(client.post(PROFILES, FULL, format="json"), 409)


def test_list_has_only_the_tenants_own_and_is_filtered(
    operator: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    factories.ModelProfileFactory(tenant=tenant, name="A", vendor="V")
    factories.ModelProfileFactory(tenant=tenant, name="B", is_active=False)
    factories.ModelProfileFactory(tenant=other_tenant, name="C")
    client = client_of(operator)

    assert names(client.get(PROFILES), "name") == ["A", "B"]
    assert names(client.get(PROFILES, {"is_active": "true"}), "name") == ["A"]
    assert names(client.get(PROFILES, {"vendor": "V"}), "name") == ["A"]


def test_built_in_profiles_are_listed_and_copied_once(operator: Actor) -> None:
    client = client_of(operator)

    built_in = client.get(f"{PROFILES}built-in/").json()
    copied = client.post(f"{PROFILES}copy/", {"key": "keba-p30"}, format="json")

    assert {row["key"] for row in built_in} >= {"keba-p30", "bender-cc"}
    assert (copied.status_code, copied.json()["copied_from"]) == (201, "keba-p30")
    problem_of(client.post(f"{PROFILES}copy/", {"key": "keba-p30"}, format="json"), 409)
    problem_of(client.post(f"{PROFILES}copy/", {"key": "never-was"}, format="json"), 400)


def test_export_of_one_tenant_is_imported_by_another(operator: Actor, stranger: Actor) -> None:
    client_of(operator).post(PROFILES, FULL, format="json")
    document = client_of(operator).get(f"{PROFILES}export/").json()

    assert client_of(stranger).get(f"{PROFILES}export/").json()["profiles"] == []
    done = client_of(stranger).post(f"{PROFILES}import/", document, format="json")

    assert done.json() == {"created": 1, "updated": 0}
    assert ChargePointModelProfile.objects.filter(tenant=stranger.tenant, name="Duo").exists()
    wrong = client_of(stranger).post(f"{PROFILES}import/", {"format": "x"}, format="json")
    assert "format" in problem_of(wrong, 400)["detail"]
