"""What an order says to a charger beyond what it was given: its own number, and what we know of the tags it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from accounts.choices import TokenType
from accounts.models import IdToken, TokenGroup
from chargepoints.commands import payload_of
from chargepoints.models import Command

Payload = dict[str, Any]

_LARGEST = 2**31
_TOGETHER = 500


def order_of(command: Command, *, with_types: bool) -> Payload:
    """What is to be sent, secrets in the clear, as `payload_of`, and completed.

    remote_start_id  of a remote start: by it the session names the order that it comes from (2.0.1 F01.FR.25)
    id_token_type    of each tag: as the order says, else as the list of tags
    group_type       of the group, the same

    with_types  the version names types of tags
    """
    payload = payload_of(command)
    if command.action == "remote_start":
        payload["remote_start_id"] = remote_start_id(command)
    if with_types and command.action in _COMPLETE:
        return _COMPLETE[command.action](command.tenant_id, payload)
    return payload


def remote_start_id(command: Command) -> int:
    """The number of a remote start, the only one of its charger."""
    return command.pk % _LARGEST


def _with_type(tenant_id: int, payload: Payload) -> Payload:
    return {**payload, **_types(tenant_id, [payload])[0]}


def _with_type_if_named(tenant_id: int, payload: Payload) -> Payload:
    return _with_type(tenant_id, payload) if "id_token" in payload else payload


def _with_types(tenant_id: int, payload: Payload) -> Payload:
    entries = payload.get("entries") or []
    found = _types(tenant_id, entries)
    return {
        **payload,
        "entries": [{**entry, **types} for entry, types in zip(entries, found, strict=True)],
    }


def _types(tenant_id: int, named: list[Payload]) -> list[Payload]:
    """The types of the tags and groups that are named, where they are not given."""
    values = {row["id_token"].casefold() for row in named if "id_token_type" not in row}
    names = {row["parent_id_token"] for row in named if row.get("parent_id_token")}
    token_types = dict(_token_types(tenant_id, values))
    group_types = dict(_group_types(tenant_id, names))
    return [_types_of(row, token_types, group_types) for row in named]


def _types_of(row: Payload, token_types: dict[str, str], group_types: dict[str, str]) -> Payload:
    kind = row.get("id_token_type") or token_types.get(row["id_token"].casefold(), TokenType.ISO14443.value)
    types = {"id_token_type": kind}
    if group := row.get("parent_id_token"):
        types["group_type"] = group_types.get(group.casefold(), TokenType.CENTRAL.value)
    return types


def _token_types(tenant_id: int, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """By value; of a value with several types the one that was made first counts."""
    for keys in _some(values):
        rows = IdToken.objects.for_tenant(tenant_id).filter(value_key__in=keys).order_by("-id")
        yield from rows.values_list("value_key", "type")


def _group_types(tenant_id: int, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for some in _some(names):
        rows = TokenGroup.objects.for_tenant(tenant_id).filter(name__in=some)
        for name, kind in rows.values_list("name", "type"):
            yield name.casefold(), kind


def _some(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), _TOGETHER):
        yield ordered[start : start + _TOGETHER]


_COMPLETE: dict[str, Callable[[int, Payload], Payload]] = {
    "remote_start": _with_type,
    "customer_information": _with_type_if_named,
    "reserve_now": _with_type,
    "send_local_list": _with_types,
}
