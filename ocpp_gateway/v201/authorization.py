"""Functional block C: who may charge."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from accounts.services.authorization import Authorization
from chargepoints.plug_and_charge import Contract, get_provider
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping
from ocpp_gateway.v201.certificates import ocsp_request
from transactions.services import plug_and_charge
from transactions.services.sessions import Authorize

Payload = dict[str, Any]

#: Those of 2.1, which are wider; the schema has checked the message of this version.
MAX_CERTIFICATE, MAX_HASHES = 10_000, 4


def authorize_in(link: Link, payload: Payload) -> Authorize:
    value, kind = mapping.id_token(payload["idToken"]) or ("", "")
    return Authorize(
        **link.facts(), id_token=value, token_type=kind, contract=link.prepared, answer_has_text=True
    )


def authorize_prepare(link: Link, payload: Payload) -> Callable[[], Any] | None:
    """C07: where a vehicle has shown a contract, its certificates are asked about first."""
    certificate = payload.get("certificate")
    hashes = payload.get("iso15118CertificateHashData") or ()
    if not certificate and not hashes:
        return None
    value, _ = mapping.id_token(payload["idToken"]) or ("", "")
    contract = Contract(
        emaid=value,
        certificate=str(certificate or "")[:MAX_CERTIFICATE],
        hashes=tuple(ocsp_request(item) for item in hashes[:MAX_HASHES]),
    )
    return partial(_ask, contract)


def _ask(contract: Contract) -> Any:
    return get_provider().contract_status(contract)


def authorize_out(done: Authorization) -> Payload:
    answer: Payload = {"idTokenInfo": mapping.id_token_info(done)}
    if done.certificate:
        answer["certificateStatus"] = done.certificate
    return answer


BLOCK = Block(
    actions={
        "Authorize": Action(authorize_in, plug_and_charge.AUTHORIZE, authorize_out, prepare=authorize_prepare)
    },
    calls={"clear_cache": sent_as("ClearCache", lambda payload: {})},
    sentences={("ClearCache", "Rejected"): "The charger keeps no cache, or could not clear it (C11.FR.04)."},
)
