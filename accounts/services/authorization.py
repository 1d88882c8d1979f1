"""Whether a token may charge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.choices import AuthorizationMode, AuthorizationStatus, TokenStatus, TokenType
from accounts.models import IdToken, Tenant, TokenGroup
from csms_project.common import bulk

TokenKey = tuple[int, str]  # tenant id, case-folded value


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The answer to a token.

    expires_at   the card's expiry, None if it has none; never in the past together with Accepted
    group_name   parentIdTag / groupIdToken, "" if none
    group_type   of the groupIdToken
    type         of the token that was presented
    is_master_pass  it ends any session and starts none (2.0.1 C16.FR.03)
    certificate  what is said of the contract certificate that a vehicle has shown, "" if none (2.0.1 C07)
    message      words for the driver, such as his price, where the charger shows them
    tariff       the driver's own prices, for a charger that calculates costs itself
    cache_until  until when the charger may remember it; None: as long as the card is valid
    """

    status: AuthorizationStatus
    token: IdToken | None = None
    expires_at: datetime | None = None
    group_name: str = ""
    message: str = ""
    tariff: dict[str, Any] | None = None
    cache_until: datetime | None = None
    group_type: str = TokenType.CENTRAL.value
    type: str = TokenType.ISO14443.value
    is_master_pass: bool = False
    certificate: str = ""

    @property
    def is_unknown(self) -> bool:
        """There is no such token; versions that can tell it apart from one that is invalid."""
        is_by_certificate = self.certificate not in ("", "ContractCancelled")
        return self.token is None and self.status is AuthorizationStatus.INVALID and not is_by_certificate

    @property
    def is_accepted(self) -> bool:
        """Energy may flow."""
        return self.status is AuthorizationStatus.ACCEPTED


def token_key(tenant_id: int, value: str) -> TokenKey:
    """How tokens are looked up: within the tenant, without regard to case (OCPP 1.6 §7.28)."""
    return tenant_id, value.casefold()


def load_tokens(keys: Iterable[TokenKey]) -> dict[TokenKey, list[IdToken]]:
    """The tokens with these values and their groups; one query for each."""
    found: dict[TokenKey, list[IdToken]] = {key: [] for key in keys}
    if not found:
        return found
    where: bulk.Where = {("tenant_id", "value_key"): found.keys()}
    tokens = bulk.load(IdToken, bulk.attributes(IdToken), where, order_by="id")
    ids = {token.group_id for token in tokens if token.group_id is not None}
    groups = {
        group.pk: group
        for group in (bulk.load(TokenGroup, bulk.attributes(TokenGroup), {"id": ids}) if ids else ())
    }
    for token in tokens:
        if token.group_id is not None:
            token.group = groups[token.group_id]
        found[token.tenant_id, token.value_key].append(token)
    return found


def authorize(
    *,
    tenant: Tenant,
    mode: str,
    candidates: Iterable[IdToken],
    now: datetime,
    type: str = TokenType.ISO14443,
) -> Authorization:
    """Decide about a token from the rows that carry its value.

    Precedence: unknown, blocked, expired (concurrent sessions are the caller's matter). A token of the same type
    is preferred, because chargers mix types within one session. In the mode “any token” an unknown one is
    accepted, and a payment card that the charger's terminal has authorized where the tenant takes such; a blocked or
    expired one never is. A prepaid token needs credit, and no charger remembers it.
    Spec: OCPP 1.6 §4.1, §7.2; 2.0.1 C01; 2.1 C17, C18.
    """
    rows = [*candidates]
    if len(rows) > 1:
        rows.sort(key=lambda row: row.type != type)
    if not rows:
        is_card = type == TokenType.DIRECT_PAYMENT and tenant.accepts_direct_payment
        accepted = mode == AuthorizationMode.ANY_TOKEN or is_card
        return Authorization(
            status=AuthorizationStatus.ACCEPTED if accepted else AuthorizationStatus.INVALID, type=type
        )
    token = rows[0]
    status = token.status_at(now)
    group = token.group if token.group_id is not None else None
    if group is not None and group.status == TokenStatus.BLOCKED and tenant.group_block_applies:
        status = AuthorizationStatus.BLOCKED
    if status is AuthorizationStatus.ACCEPTED and token.balance is not None and token.balance <= 0:
        status = AuthorizationStatus.NO_CREDIT
    return Authorization(
        status=status,
        token=token,
        expires_at=token.expires_at,
        group_name=group.name if group is not None else "",
        group_type=group.type if group is not None else TokenType.CENTRAL.value,
        type=type,
        is_master_pass=group is not None and group.is_master_pass,
        cache_until=now if token.balance is not None else None,
    )
