"""The decision about a token: OCPP 1.6 §4.1, §7.2; 2.0.1 C01."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.choices import AuthorizationMode, AuthorizationStatus, TokenStatus, TokenType
from accounts.models import IdToken, Tenant
from accounts.services.authorization import Authorization, authorize, load_tokens, token_key
from tests import factories
from tests.factories import T0

HOUR = timedelta(hours=1)


def decide(
    tenant: Tenant, value: str, type: str = TokenType.ISO14443, mode: str = AuthorizationMode.TOKEN
) -> Authorization:
    key = token_key(tenant.pk, value)
    return authorize(tenant=tenant, mode=mode, candidates=load_tokens([key])[key], now=T0, type=type)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "Accepted"),
        ({"expires_at": T0 + HOUR}, "Accepted"),
        ({"expires_at": T0}, "Expired"),
        ({"expires_at": T0 - HOUR}, "Expired"),
        ({"status": TokenStatus.BLOCKED}, "Blocked"),
        ({"status": TokenStatus.BLOCKED, "expires_at": T0 - HOUR}, "Blocked"),
    ],
)
def test_status_of_a_known_token(tenant: Tenant, fields: dict[str, object], status: str) -> None:
    token = factories.IdTokenFactory(tenant=tenant, value="A1", **fields)

    decision = decide(tenant, "a1")

    assert (decision.status, decision.token) == (status, token)
    assert decision.is_accepted == (status == "Accepted")
    assert decision.expires_at == fields.get("expires_at")


def test_unknown_token_is_invalid(tenant: Tenant) -> None:
    assert decide(tenant, "A1") == Authorization(status=AuthorizationStatus.INVALID)


def test_unknown_token_is_accepted_where_any_may_charge(tenant: Tenant) -> None:
    decision = decide(tenant, "A1", mode=AuthorizationMode.ANY_TOKEN)

    assert (decision.status, decision.token) == (AuthorizationStatus.ACCEPTED, None)


@pytest.mark.parametrize("fields", [{"status": TokenStatus.BLOCKED}, {"expires_at": T0 - HOUR}])
def test_bad_token_is_refused_even_where_any_may_charge(tenant: Tenant, fields: dict[str, object]) -> None:
    factories.IdTokenFactory(tenant=tenant, value="A1", **fields)

    assert not decide(tenant, "A1", mode=AuthorizationMode.ANY_TOKEN).is_accepted


@pytest.mark.parametrize("type", [TokenType.ISO14443, TokenType.EMAID])
def test_token_of_the_same_type_is_preferred(tenant: Tenant, type: str) -> None:
    for kind in (TokenType.CENTRAL, TokenType.EMAID, TokenType.ISO14443):
        status = TokenStatus.ACCEPTED if kind == type else TokenStatus.BLOCKED
        factories.IdTokenFactory(tenant=tenant, value="A1", type=kind, status=status)

    decision = decide(tenant, "A1", type)

    assert decision.is_accepted
    assert decision.token is not None
    assert decision.token.type == type


def test_token_of_another_type_is_found_by_its_value(tenant: Tenant) -> None:
    """Chargers mix types within one session."""
    token = factories.IdTokenFactory(tenant=tenant, value="A1", type=TokenType.CENTRAL)

    assert decide(tenant, "A1", TokenType.ISO14443).token == token


@pytest.mark.parametrize(("applies", "status"), [(True, "Blocked"), (False, "Accepted")])
def test_blocked_group_blocks_where_the_tenant_says_so(tenant: Tenant, applies: bool, status: str) -> None:
    tenant.group_block_applies = applies
    group = factories.TokenGroupFactory(tenant=tenant, name="FLEET", status=TokenStatus.BLOCKED)
    factories.IdTokenFactory(tenant=tenant, value="A1", group=group)

    decision = decide(tenant, "A1")

    assert (decision.status, decision.group_name) == (status, "FLEET")


def test_blocked_group_comes_before_an_expired_token(tenant: Tenant) -> None:
    group = factories.TokenGroupFactory(tenant=tenant, status=TokenStatus.BLOCKED)
    factories.IdTokenFactory(tenant=tenant, value="A1", group=group, expires_at=T0 - HOUR)

    assert decide(tenant, "A1").status is AuthorizationStatus.BLOCKED


def test_tokens_of_another_tenant_are_not_found(tenant: Tenant, other_tenant: Tenant) -> None:
    factories.IdTokenFactory(tenant=other_tenant, value="A1")
    mine = factories.IdTokenFactory(tenant=tenant, value="B1")
    keys = [token_key(tenant.pk, "A1"), token_key(tenant.pk, "B1"), token_key(other_tenant.pk, "B1")]

    found = load_tokens(keys)

    assert found == {keys[0]: [], keys[1]: [mine], keys[2]: []}


def test_many_tokens_and_their_groups_are_loaded_with_a_query_each(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    group = factories.TokenGroupFactory(tenant=tenant)
    for number in range(30):
        factories.IdTokenFactory(tenant=tenant, value=f"T{number}", group=group)
    keys = [token_key(owner.pk, f"t{n}") for n in range(30) for owner in (tenant, other_tenant)]

    with CaptureQueriesContext(connection) as queries:
        found = load_tokens(keys)
        names = {row.group.name for rows in found.values() for row in rows if row.group}

    assert (len(queries), len(found), names) == (2, 60, {group.name})


def test_no_keys_make_no_query(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert load_tokens([]) == {}

    assert len(queries) == 0


@pytest.mark.parametrize("value", ["%", "_", "A%", "", "a'1", 'A"1', "A1 ", " A1"])
def test_wildcards_quotes_and_blanks_match_nothing(tenant: Tenant, value: str) -> None:
    factories.IdTokenFactory(tenant=tenant, value="A1")

    assert decide(tenant, value).status is AuthorizationStatus.INVALID
    assert IdToken.objects.count() == 1
