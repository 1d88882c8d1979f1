"""Changes of tokens leave a row for who keeps chargers in step: one for each act that a charger's list would show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import IdToken, Tenant, TokenChange
from accounts.permissions import Actor
from accounts.services import rows, tenants, token_changes, tokens
from tests import factories

Act = Callable[[Actor, Any], Any]

TOLD: dict[str, Act] = {
    "made": lambda actor, tag: tokens.create_token(actor=actor, tenant=tag.tenant, value="NEW"),
    "blocked": lambda actor, tag: tokens.block_tokens(actor=actor, tokens=[tag]),
    "changed to blocked": lambda actor, tag: tokens.update_token(actor=actor, token=tag, status="Blocked"),
    "of another value": lambda actor, tag: tokens.update_token(actor=actor, token=tag, value="OTHER"),
    "of another type": lambda actor, tag: tokens.update_token(actor=actor, token=tag, type="eMAID"),
    "with an end": lambda actor, tag: tokens.update_token(actor=actor, token=tag, expires_at=factories.T0),
    "in no group": lambda actor, tag: tokens.update_token(actor=actor, token=tag, group=None),
    "deleted": lambda actor, tag: rows.delete_row(actor=actor, row=tag, permission="id_tokens.change"),
    "group blocked": lambda actor, tag: tokens.set_group_status(
        actor=actor, group=tag.group, status="Blocked"
    ),
    "group renamed": lambda actor, tag: rows.update_row(
        actor=actor, row=tag.group, permission="id_tokens.change", changes={"name": "Other"}
    ),
    "other rule for groups": lambda actor, tag: tenants.update_tenant(
        actor=actor, tenant=tag.tenant, group_block_applies=False
    ),
}
NOT_TOLD: dict[str, Act] = {
    "note": lambda actor, tag: tokens.update_token(actor=actor, token=tag, note="x"),
    "the same": lambda actor, tag: tokens.update_token(actor=actor, token=tag, value=tag.value),
    "unblocked although it is not": lambda actor, tag: tokens.unblock_tokens(actor=actor, tokens=[tag]),
    "group accepted although it is": lambda actor, tag: tokens.set_group_status(
        actor=actor, group=tag.group, status="Accepted"
    ),
    "tenant renamed": lambda actor, tag: tenants.update_tenant(actor=actor, tenant=tag.tenant, name="x"),
    "site made": lambda actor, tag: rows.create_row(
        actor=actor, row=factories.LocationFactory.build(tenant=tag.tenant), permission="locations.change"
    ),
}


@pytest.fixture
def tag(tenant: Tenant) -> IdToken:
    return factories.IdTokenFactory(tenant=tenant, group=factories.TokenGroupFactory(tenant=tenant))


@pytest.mark.parametrize("act", TOLD.values(), ids=TOLD.keys())
def test_change_that_a_list_would_show_is_told_once(owner: Actor, tag: IdToken, act: Act) -> None:
    act(owner, tag)

    assert TokenChange.objects.count() == 1
    assert token_changes.take() == {tag.tenant_id}
    assert token_changes.take() == set()


@pytest.mark.parametrize("act", NOT_TOLD.values(), ids=NOT_TOLD.keys())
def test_change_that_no_list_would_show_is_not_told(owner: Actor, tag: IdToken, act: Act) -> None:
    act(owner, tag)

    assert not TokenChange.objects.exists()


def test_refused_change_tells_nothing(viewer: Actor, tag: IdToken) -> None:
    from accounts.errors import PermissionRefused

    with pytest.raises(PermissionRefused):
        tokens.block_tokens(actor=viewer, tokens=[tag])

    assert not TokenChange.objects.exists()


def test_changes_of_several_tenants_are_taken_together(tenant: Tenant, other_tenant: Tenant) -> None:
    for each in (tenant, other_tenant, tenant):
        token_changes.note(each.pk)

    assert token_changes.take() == {tenant.pk, other_tenant.pk}
    assert not TokenChange.objects.exists()
