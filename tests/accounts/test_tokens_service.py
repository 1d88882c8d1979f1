"""RFID tags: made, changed, blocked."""

from __future__ import annotations

from typing import Any

import pytest

from accounts import errors
from accounts.choices import TokenStatus, TokenType
from accounts.models import IdToken, Tenant, TokenGroup
from accounts.permissions import Actor
from accounts.selectors import find_token
from accounts.services import tokens
from csms_project.common.models import AuditEntry, Event
from tests import factories


def test_create_token_keeps_the_spelling_and_finds_any_case(support: Actor, tenant: Tenant) -> None:
    token = tokens.create_token(actor=support, tenant=tenant, value="04Ab3F")

    assert token.value == "04Ab3F"
    assert find_token(tenant=tenant, value="04aB3f") == token
    assert AuditEntry.objects.get().action == "id_tokens.create"


def test_create_token_that_differs_in_case_only_is_refused(support: Actor, tenant: Tenant) -> None:
    tokens.create_token(actor=support, tenant=tenant, value="04AB")

    with pytest.raises(errors.TokenExists) as caught:
        tokens.create_token(actor=support, tenant=tenant, value="04ab")

    assert "value" in caught.value.errors


def test_create_token_same_value_of_other_type_or_tenant_is_another_token(
    support: Actor, stranger: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    tokens.create_token(actor=support, tenant=tenant, value="04AB")
    tokens.create_token(actor=support, tenant=tenant, value="04AB", type=TokenType.CENTRAL)
    tokens.create_token(actor=stranger, tenant=other_tenant, value="04AB")

    found = find_token(tenant=tenant, value="04AB")
    assert IdToken.objects.count() == 3
    assert found is not None
    assert found.type == TokenType.ISO14443


@pytest.mark.parametrize("value", ["", " 04AB", "04AB\n", "x" * 256, "a\0b"])
def test_create_token_with_unusable_value_is_refused(support: Actor, tenant: Tenant, value: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        tokens.create_token(actor=support, tenant=tenant, value=value)

    assert "value" in caught.value.errors


@pytest.mark.parametrize("name", ["group", "driver", "tariff"])
def test_create_token_with_a_foreign_row_is_refused(
    support: Actor, tenant: Tenant, other_tenant: Tenant, name: str
) -> None:
    makers: dict[str, Any] = {
        "group": factories.TokenGroupFactory,
        "driver": factories.DriverFactory,
        "tariff": factories.TariffFactory,
    }

    with pytest.raises(errors.Invalid) as caught:
        tokens.create_token(
            actor=support, tenant=tenant, value="04AB", **{name: makers[name](tenant=other_tenant)}
        )

    assert name in caught.value.errors


def test_create_token_by_viewer_or_stranger_is_refused(
    viewer: Actor, stranger: Actor, tenant: Tenant
) -> None:
    for actor in (viewer, stranger):
        with pytest.raises(errors.PermissionRefused):
            tokens.create_token(actor=actor, tenant=tenant, value="04AB")


def test_update_token_writes_and_audits_only_real_changes(support: Actor, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant, value="04AB", note="old")

    tokens.update_token(actor=support, token=token, value="04CD", note="old")

    assert find_token(tenant=tenant, value="04cd") == token
    assert AuditEntry.objects.get().changes == {"value": ["04AB", "04CD"]}


def test_update_token_to_the_value_of_another_is_refused_and_changes_nothing(
    support: Actor, tenant: Tenant
) -> None:
    factories.IdTokenFactory(tenant=tenant, value="04AB")
    token = factories.IdTokenFactory(tenant=tenant, value="04CD")

    with pytest.raises(errors.TokenExists):
        tokens.update_token(actor=support, token=token, value="04ab")

    token.refresh_from_db()
    assert token.value == "04CD"


def test_update_token_to_blocked_tells_the_outbox(support: Actor, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant)

    tokens.update_token(actor=support, token=token, status=TokenStatus.BLOCKED)
    tokens.update_token(actor=support, token=token, status=TokenStatus.ACCEPTED)

    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == [
        "id_token.blocked",
        "id_token.unblocked",
    ]


def test_update_token_of_unknown_field_is_refused(support: Actor, tenant: Tenant) -> None:
    with pytest.raises(errors.Invalid):
        tokens.update_token(actor=support, token=factories.IdTokenFactory(tenant=tenant), tenant=None)


@pytest.mark.parametrize("stop", [True, False])
def test_block_tokens_tells_whether_sessions_shall_stop(support: Actor, tenant: Tenant, stop: bool) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(stop_on_block=stop)
    token = factories.IdTokenFactory(tenant=tenant)

    assert tokens.block_tokens(actor=support, tokens=[token]) == 1

    event = Event.objects.get()
    assert (event.kind, event.object_id, event.data["stop_sessions"]) == (
        "id_token.blocked",
        str(token.pk),
        stop,
    )
    assert token.status == TokenStatus.BLOCKED


def test_block_tokens_again_does_nothing(support: Actor, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant)
    tokens.block_tokens(actor=support, tokens=[token])

    assert tokens.block_tokens(actor=support, tokens=[token]) == 0
    assert Event.objects.count() == AuditEntry.objects.count() == 1


def test_unblock_tokens_accepts_them_again(support: Actor, tenant: Tenant) -> None:
    token = factories.IdTokenFactory(tenant=tenant, status=TokenStatus.BLOCKED)

    assert tokens.unblock_tokens(actor=support, tokens=[token]) == 1

    token.refresh_from_db()
    assert token.status == TokenStatus.ACCEPTED
    assert AuditEntry.objects.get().changes == {"status": ["Blocked", "Accepted"]}


def test_block_tokens_with_one_foreign_token_blocks_none(
    support: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    own, foreign = factories.IdTokenFactory(tenant=tenant), factories.IdTokenFactory(tenant=other_tenant)

    with pytest.raises(errors.PermissionRefused):
        tokens.block_tokens(actor=support, tokens=[own, foreign])

    assert not IdToken.objects.filter(status=TokenStatus.BLOCKED).exists()


def test_block_tokens_by_technician_is_refused(technician: Actor, tenant: Tenant) -> None:
    with pytest.raises(errors.PermissionRefused):
        tokens.block_tokens(actor=technician, tokens=[factories.IdTokenFactory(tenant=tenant)])


def test_get_or_create_group_finds_any_case_of_the_own_tenant(
    support: Actor, tenant: Tenant, other_tenant: Tenant
) -> None:
    factories.TokenGroupFactory(tenant=other_tenant, name="Fleet")

    made = tokens.get_or_create_group(actor=support, tenant=tenant, name="Fleet")
    found = tokens.get_or_create_group(actor=support, tenant=tenant, name="FLEET")

    assert made == found
    assert TokenGroup.objects.for_tenant(tenant).count() == 1


def test_get_or_create_group_with_long_name_is_refused(support: Actor, tenant: Tenant) -> None:
    with pytest.raises(errors.Invalid):
        tokens.get_or_create_group(actor=support, tenant=tenant, name="x" * 37)


@pytest.mark.parametrize("applies", [True, False])
def test_block_group_tells_of_its_tokens_where_that_blocks_them(
    support: Actor, tenant: Tenant, applies: bool
) -> None:
    tenant.group_block_applies = applies
    tenant.save()
    group = factories.TokenGroupFactory(tenant=tenant)
    factories.IdTokenFactory.create_batch(2, tenant=tenant, group=group)

    tokens.set_group_status(actor=support, group=group, status=TokenStatus.BLOCKED)

    assert TokenGroup.objects.get().status == TokenStatus.BLOCKED
    assert Event.objects.filter(kind="id_token.blocked").count() == (2 if applies else 0)
