"""Which tags the list of a charger should hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from accounts.choices import AuthorizationMode, TokenType
from accounts.models import IdToken, Tenant, TokenGroup
from accounts.services.authorization import authorize
from chargepoints.list_messages import moment_text
from chargepoints.list_plan import Entry, digest
from chargepoints.models import LocalList

TagLength = Callable[[str], int]
HasTypes = Callable[[str], bool]
_FIELDS = (
    "id", "tenant_id", "value", "value_key", "type", "status", "expires_at",
    "balance", "group_id", "group__id", "group__name", "group__status", "group__type", "group__is_master_pass",
)  # fmt: skip
_ANY_LENGTH = 255
_NOT_LISTED = (TokenType.NO_AUTHORIZATION, TokenType.DIRECT_PAYMENT, TokenType.KEY_CODE)
_tag_length: TagLength | None = None
_has_types: HasTypes | None = None


def register_tag_length(length: TagLength | None) -> None:
    """Take the gateway's word for how long a tag may be in an OCPP version ("": not known yet)."""
    global _tag_length
    _tag_length = length


def register_token_types(has_types: HasTypes | None) -> None:
    """Take the gateway's word for whether lists of an OCPP version name the type of each tag."""
    global _has_types
    _has_types = has_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list should say.

    left_out  tags that the charger's version cannot say
    until     when it should say something else, because a tag expires
    """

    entries: dict[str, Entry]
    digest: str
    left_out: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    tenant_id: int
    all_tokens: bool
    groups: tuple[int, ...]
    tokens: tuple[int, ...]
    with_refused: bool
    length: int
    without: tuple[int, ...]
    has_types: bool


@dataclass(slots=True)
class WantedLists:
    """What lists should say at one moment; those of one source are read once."""

    now: datetime
    _found: dict[_Source, Wanted] = field(default_factory=dict)

    def of(self, row: LocalList) -> Wanted:
        """What this list should say: give rows of `with_sources`, or a new one."""
        source = _source_of(row)
        if source not in self._found:
            self._found[source] = _read(row.tenant, source, self.now)
        return self._found[source]


def with_sources(rows: QuerySet[LocalList]) -> QuerySet[LocalList]:
    """Lists with what decides what they should say."""
    return rows.select_related("charge_point", "tenant").prefetch_related(
        Prefetch("token_groups", TokenGroup.objects.only("id").order_by("id")),
        Prefetch("tokens", IdToken.objects.only("id").order_by("id")),
        Prefetch("without", IdToken.objects.only("id").order_by("id")),
    )


def _source_of(row: LocalList) -> _Source:
    chosen = not (row._state.adding or row.all_tokens)
    return _Source(
        tenant_id=row.tenant_id,
        all_tokens=row.all_tokens,
        groups=tuple(group.pk for group in row.token_groups.all()) if chosen else (),
        tokens=tuple(token.pk for token in row.tokens.all()) if chosen else (),
        with_refused=row.with_refused,
        length=_tag_length(row.charge_point.ocpp_version) if _tag_length is not None else _ANY_LENGTH,
        without=() if row._state.adding else tuple(token.pk for token in row.without.all()),
        has_types=_has_types is not None and _has_types(row.charge_point.ocpp_version),
    )


def _read(tenant: Tenant, source: _Source, now: datetime) -> Wanted:
    entries: dict[str, Entry] = {}
    left_out, until = 0, None
    alike = _by_value_and_type if source.has_types else _by_value
    for tokens in alike(_tokens(source)):
        decided = authorize(tenant=tenant, mode=AuthorizationMode.TOKEN, candidates=tokens, now=now)
        token, expires_at = decided.token, decided.expires_at
        assert token is not None
        if expires_at is not None and expires_at > now:
            until = expires_at if until is None else min(until, expires_at)
        if not (decided.is_accepted or source.with_refused):
            continue
        if len(token.value) > source.length:
            left_out += 1
            continue
        entry = Entry(
            value=token.value,
            status=str(decided.status),
            expires_at=moment_text(expires_at),
            parent=decided.group_name[: source.length],
            type=token.type if source.has_types else "",
        )
        entries[entry.key] = entry
    return Wanted(entries=entries, digest=digest(entries), left_out=left_out, until=until)


def _tokens(source: _Source) -> QuerySet[IdToken]:
    rows: QuerySet[IdToken] = IdToken.objects.for_tenant(source.tenant_id)
    if not source.all_tokens:
        rows = rows.filter(Q(group__in=source.groups) | Q(pk__in=source.tokens))
    if source.without:
        rows = rows.exclude(pk__in=source.without)
    # What nobody can present at a charger is in no list, nor is what is good for one session or as long as there is
    # credit, nor a secret such as a key code (2.0.1 C04.FR.04).
    rows = rows.exclude(type__in=_NOT_LISTED)
    rows = rows.filter(balance=None)
    return rows.select_related("group").only(*_FIELDS).order_by("value_key", "id")


def _by_value(tokens: Iterable[IdToken]) -> Iterable[list[IdToken]]:
    """Tokens of one value, in different types perhaps: a charger does not tell them apart."""
    same: list[IdToken] = []
    for token in tokens:
        if same and token.value_key != same[0].value_key:
            yield same
            same = []
        same.append(token)
    if same:
        yield same


def _by_value_and_type(tokens: Iterable[IdToken]) -> Iterable[list[IdToken]]:
    """Where a type is part of the token each is one of its own."""
    return ([token] for token in tokens)


def chosen_tokens(tenant: Tenant, values: Iterable[Any]) -> tuple[list[IdToken], list[str]]:
    """The tenant's tags of these values, in every type, and the values that are no tag."""
    keys = {str(value).strip().casefold(): str(value).strip() for value in values}
    keys.pop("", None)
    found = list(IdToken.objects.for_tenant(tenant).filter(value_key__in=keys).order_by("value_key", "id"))
    known = {token.value_key for token in found}
    return found, [value for key, value in keys.items() if key not in known]


def chosen_groups(tenant: Tenant, names: Iterable[str]) -> tuple[list[TokenGroup], list[str]]:
    """The tenant's groups of these names, without regard to case, and the names that are no group."""
    wanted = {name.strip().casefold(): name.strip() for name in names}
    groups = {group.name.casefold(): group for group in TokenGroup.objects.for_tenant(tenant)}
    found = [groups[key] for key in wanted if key in groups]
    return found, [name for key, name in wanted.items() if key not in groups]
