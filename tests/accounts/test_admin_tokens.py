"""RFID tags in the admin: forms, blocking, CSV."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import IdToken, Tenant, TokenGroup
from accounts.permissions import Actor
from csms_project.common.models import AuditEntry, Event
from tests import factories
from tests.browsing import sign_in

LIST = "admin:accounts_idtoken_changelist"


@pytest.fixture
def signed_in(owner: Actor, client: Client) -> Client:
    sign_in(client, owner)
    return client


def upload(client: Client, text: str) -> Any:
    """Send a file; the answer is the preview."""
    file = SimpleUploadedFile("tags.csv", text.encode(), content_type="text/csv")
    resource = {"resource": "", "format": "0", "import_file": file}
    return client.post(reverse("admin:accounts_idtoken_import"), resource)


def apply(client: Client, preview: Any) -> Any:
    """Confirm a preview."""
    data = preview.context["confirm_form"].initial
    return client.post(reverse("admin:accounts_idtoken_process_import"), data)


def act(client: Client, action: str, *tokens: IdToken, **data: Any) -> Any:
    return client.post(reverse(LIST), {"action": action, "_selected_action": [t.pk for t in tokens], **data})


def test_add_tag_stores_and_audits_it(signed_in: Client, tenant: Tenant) -> None:
    data = {"value": "04AA", "type": "ISO14443", "status": "Accepted", "note": "new"}
    signed_in.post(reverse("admin:accounts_idtoken_add"), data)
    token = IdToken.objects.get(value="04AA")
    assert (token.tenant, token.value_key, token.note) == (tenant, "04aa", "new")
    assert AuditEntry.objects.filter(action="id_tokens.create", object_id=str(token.pk)).exists()


def test_add_tag_that_differs_by_case_only_is_an_error_of_the_form(signed_in: Client, tenant: Tenant) -> None:
    factories.IdTokenFactory(tenant=tenant, value="04aa")
    data = {"value": "04AA", "type": "ISO14443", "status": "Accepted"}
    answer = signed_in.post(reverse("admin:accounts_idtoken_add"), data)
    assert answer.status_code == 200
    assert "A tag with this value and type exists already." in answer.content.decode()


def test_tag_of_another_tenant_with_the_same_value_is_no_duplicate(
    signed_in: Client, other_tenant: Tenant, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=other_tenant, value="04AA")
    signed_in.post(
        reverse("admin:accounts_idtoken_add"), {"value": "04AA", "type": "ISO14443", "status": "Accepted"}
    )
    assert IdToken.objects.for_tenant(tenant).filter(value="04AA").exists()


def test_change_to_blocked_tells_it_like_the_action(signed_in: Client, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant, value="04AA")
    data = {"value": "04AA", "type": "ISO14443", "status": "Blocked"}
    signed_in.post(reverse("admin:accounts_idtoken_change", args=[token.pk]), data)
    assert IdToken.objects.get(pk=token.pk).status == "Blocked"
    assert Event.objects.filter(kind="id_token.blocked", object_id=str(token.pk)).count() == 1


def test_block_asks_first_and_then_blocks(signed_in: Client, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant)
    question = act(signed_in, "block", token)
    assert token.value in question.content.decode()
    assert IdToken.objects.get(pk=token.pk).status == "Accepted"
    act(signed_in, "block", token, confirmed="1")
    assert IdToken.objects.get(pk=token.pk).status == "Blocked"
    act(signed_in, "unblock", token, confirmed="1")
    assert IdToken.objects.get(pk=token.pk).status == "Accepted"


def test_block_by_a_viewer_is_refused(viewer: Actor, tenant: Tenant, client: Client) -> None:
    token = factories.IdTokenFactory(tenant=tenant)
    sign_in(client, viewer)
    act(client, "block", token, confirmed="1")
    assert IdToken.objects.get(pk=token.pk).status == "Accepted"


def test_import_makes_changes_and_groups_after_the_preview(signed_in: Client, tenant: Tenant) -> None:
    old = factories.IdTokenFactory(tenant=tenant, value="04AA", note="keep")
    text = "value,status,group,expires_at\n04aa,Blocked,,\n04BB,,Fleet,2030-12-31\n"
    preview = upload(signed_in, text)
    assert preview.context["result"].has_errors() is False
    assert not IdToken.objects.filter(value="04BB").exists()
    apply(signed_in, preview)
    old.refresh_from_db()
    new = IdToken.objects.get(value="04BB")
    assert (old.status, old.note) == ("Blocked", "keep")
    assert (new.tenant, new.status) == (tenant, "Accepted")
    assert new.group == TokenGroup.objects.get(tenant=tenant, name="Fleet")
    assert new.expires_at is not None
    assert AuditEntry.objects.filter(action="id_tokens.create").count() == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("04AA,Paused,,,", "is none of Accepted, Blocked"),
        ("04AA,,soon,,", "is no date such as"),
        (",,,,", "Is missing."),
        ("04AA,,,nobody@example.com,", "There is no driver with the address nobody@example.com."),
        ("04AA,,,,many", "is no whole number"),
    ],
)
def test_import_of_a_bad_row_says_what_is_wrong_and_changes_nothing(
    line: str, words: str, signed_in: Client, tenant: Tenant
) -> None:
    preview = upload(
        signed_in, f"value,status,expires_at,driver_email,max_active_sessions\n04GOOD,,,,\n{line}\n"
    )
    assert words in preview.content.decode().replace("&quot;", '"')
    assert not IdToken.objects.for_tenant(tenant).exists()


def test_import_without_the_column_of_values_says_so(signed_in: Client) -> None:
    text = upload(signed_in, "uid\n04AA\n").content.decode()
    assert "one of them must be “value”" in text


def test_confirmation_that_names_another_file_is_refused(signed_in: Client) -> None:
    other = Path(tempfile.gettempdir()) / f"{uuid.uuid4().hex}.csv"
    other.write_text("value\n04AA\n")
    data = {"import_file_name": other.name, "original_file_name": "x.csv", "format": "0", "resource": ""}
    try:
        assert signed_in.post(reverse("admin:accounts_idtoken_process_import"), data).status_code == 400
        assert other.exists()
    finally:
        other.unlink()


def test_confirmation_sent_twice_asks_for_the_file_again(signed_in: Client) -> None:
    preview = upload(signed_in, "value\n04AA\n")
    apply(signed_in, preview)
    assert apply(signed_in, preview)["Location"] == reverse("admin:accounts_idtoken_import")
    assert IdToken.objects.count() == 1


def test_import_never_touches_another_tenants_tag(
    signed_in: Client, tenant: Tenant, other_tenant: Tenant
) -> None:
    foreign = factories.IdTokenFactory(tenant=other_tenant, value="04AA")
    apply(signed_in, upload(signed_in, "value,status\n04AA,Blocked\n"))
    foreign.refresh_from_db()
    assert foreign.status == "Accepted"
    assert IdToken.objects.get(tenant=tenant, value="04AA").status == "Blocked"


def test_export_holds_only_the_tenants_tags_and_no_formula(
    signed_in: Client, tenant: Tenant, other_tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="04AA", note="=HYPERLINK(1)")
    factories.IdTokenFactory(tenant=other_tenant, value="04FOREIGN")
    text = signed_in.get(reverse("admin:accounts_idtoken_export")).getvalue().decode()
    assert "'=HYPERLINK(1)" in text
    assert ",=HYPERLINK" not in text
    assert "04FOREIGN" not in text


def test_import_of_an_export_changes_nothing(signed_in: Client, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant, value="04AA", note="-5 %")
    exported = signed_in.get(reverse("admin:accounts_idtoken_export")).getvalue().decode()
    assert "'-5 %" in exported
    apply(signed_in, upload(signed_in, exported))
    token.refresh_from_db()
    assert token.note == "-5 %"
    assert not AuditEntry.objects.filter(action="id_tokens.change").exists()


def test_state_filter_finds_expired_tags(signed_in: Client, tenant: Tenant) -> None:
    expired = factories.IdTokenFactory(tenant=tenant, expires_at=factories.T0)
    factories.IdTokenFactory(tenant=tenant)
    found = signed_in.get(reverse(LIST), {"state": "expired"}).context["cl"].result_list
    assert list(found) == [expired]


def test_block_of_a_group_is_told(signed_in: Client, tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, name="Fleet")
    path = reverse("admin:accounts_tokengroup_change", args=[group.pk])
    signed_in.post(path, {"name": "Big fleet", "status": "Blocked", "type": "Central"})
    group.refresh_from_db()
    assert (group.name, group.status) == ("Big fleet", "Blocked")
    assert AuditEntry.objects.filter(object_type="tokengroup").count() == 2
