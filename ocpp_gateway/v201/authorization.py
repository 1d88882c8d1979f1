"""Functional block C: who may charge."""

from __future__ import annotations

from typing import Any

from accounts.services.authorization import Authorization
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from transactions.services import sessions
from transactions.services.sessions import Authorize

Payload = dict[str, Any]


def authorize_in(link: Link, payload: Payload) -> Authorize:
    value, kind = mapping.id_token(payload["idToken"]) or ("", "")
    return Authorize(**link.facts(), id_token=value, token_type=kind)


def authorize_out(done: Authorization) -> Payload:
    return {"idTokenInfo": mapping.id_token_info(done)}


BLOCK = Block(
    actions={"Authorize": Action(authorize_in, sessions.AUTHORIZE, authorize_out)},
    calls={"clear_cache": sent_as("ClearCache", lambda payload: {})},
    sentences={("ClearCache", "Rejected"): "The charger keeps no cache, or could not clear it (C11.FR.04)."},
)
