"""Functional block D: local list of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.models import Command
from chargepoints.services import local_list
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.outcome import Effect
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]


def send_list(payload: Payload) -> Payload:
    """SendLocalList; a full one without entries empties the charger's list (D01.FR.16)."""
    entries = [_entry(entry) for entry in payload.get("entries", ())]
    call = mapping.copied(payload, version="versionNumber", update_type="updateType")
    return {**call, "localAuthorizationList": entries} if entries else call


def _entry(entry: Payload) -> Payload:
    """AuthorizationData: without information a token is removed (D01.FR.17)."""
    said: Payload = {"idToken": mapping.said_token(entry)}
    if "status" in entry:
        said["idTokenInfo"] = mapping.without_none(
            status=entry["status"],
            groupIdToken=mapping.said_group(entry),
            **mapping.times(entry, expires_at="cacheExpiryDateTime"),
        )
    return said


# ---------------------------------------------------------------- answers
def tell_version(response: Payload) -> str:
    """0 where it holds none, or was never sent one (D02.FR.02, .03)."""
    version = response.get("versionNumber")
    return "The local list is empty." if version == 0 else f"The local list has version {version}."


def _told(request: Payload, response: Payload) -> Sequence[Effect]:
    return [partial(_keep_version, response.get("versionNumber"))]


def _taken(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != "Accepted":
        return ()
    is_empty = request.get("updateType") == "Full" and not request.get("localAuthorizationList")
    return [partial(_keep_version, 0 if is_empty else request.get("versionNumber"))]


def _keep_version(version: object, command: Command) -> None:
    if isinstance(version, int) and 0 <= version < 2**31:
        local_list.store_version(command.charge_point_id, version, at=timezone.now())


BLOCK = Block(
    calls={
        "get_local_list_version": sent_as("GetLocalListVersion", lambda payload: {}),
        "send_local_list": sent_as("SendLocalList", send_list),
    },
    sentences={
        (
            "SendLocalList",
            "VersionMismatch",
        ): "The charger's list has another version: send it a full list.",
        ("SendLocalList", "Failed"): "The charger could not take the list: send it a full list.",
    },
    tell={"GetLocalListVersion": tell_version},
    effects={"GetLocalListVersion": _told, "SendLocalList": _taken},
)
