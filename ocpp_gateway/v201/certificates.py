"""Functional block M: the certificates that a charger holds, and those of ISO 15118."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from chargepoints.plug_and_charge import EvAnswer, EvRequest, OcspRequest, ProviderError, get_provider
from chargepoints.services import plug_and_charge
from chargepoints.services.plug_and_charge import Question, Reply
from ocpp_gateway import certificate_answers
from ocpp_gateway.action import Action
from ocpp_gateway.certificate_answers import hash_data, their_use
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]

#: Characters of ocspResult and exiResponse.
MAX_OCSP, MAX_EXI = 5500, 7500


# ---------------------------------------------------------------- M06: OCSP for the charger
def ocsp_request(item: Payload) -> OcspRequest:
    """OCSPRequestDataType"""
    name = hash_data(item)
    return OcspRequest(
        hash_algorithm=name.algorithm,
        issuer_name_hash=name.issuer_name_hash,
        issuer_key_hash=name.issuer_key_hash,
        serial_number=name.serial_number,
        responder_url=mapping.text(item, "responderURL", 2000),
    )


def status_prepare(link: Link, payload: Payload, *, limit: int = MAX_OCSP) -> Callable[[], str]:
    return partial(_ask_status, ocsp_request(payload["ocspRequestData"]), limit)


def _ask_status(request: OcspRequest, limit: int) -> str:
    return _fitting(get_provider().ocsp_response(request), limit)


def _fitting(text: str, limit: int) -> str:
    if len(text) > limit:
        raise ProviderError(f"The provider's answer has more than {limit} characters.")
    return text


def status_in(link: Link, payload: Payload) -> Question:
    data = payload["ocspRequestData"]
    about = (
        f"Serial number {mapping.text(data, 'serialNumber', 40)}, {mapping.text(data, 'responderURL', 200)}"
    )
    return Question(**link.facts(), action="GetCertificateStatus", about=about, prepared=link.prepared)


def status_out(done: Reply) -> Payload:
    """M06.FR.02–04"""
    if done.problem:
        return {"status": "Failed", "statusInfo": mapping.status_info(done.problem)}
    return {"status": "Accepted", "ocspResult": done.value}


# ---------------------------------------------------------------- M01, M02: contracts for vehicles
def ev_prepare(link: Link, payload: Payload) -> Callable[[], EvAnswer]:
    return partial(ask_ev, ev_request(payload), MAX_EXI)


def ev_request(payload: Payload, **more: Any) -> EvRequest:
    """Get15118EVCertificateRequest"""
    return EvRequest(
        schema_version=mapping.text(payload, "iso15118SchemaVersion", 50),
        action=mapping.text(payload, "action", 10),
        exi=mapping.text(payload, "exiRequest", 11_000),
        **more,
    )


def ask_ev(request: EvRequest, limit: int) -> EvAnswer:
    """The provider's answer, if the message can carry it."""
    answer = get_provider().ev_answer(request)
    _fitting(answer.exi, limit)
    return answer


def ev_in(link: Link, payload: Payload) -> Question:
    about = f"{mapping.text(payload, 'action', 10)}, {mapping.text(payload, 'iso15118SchemaVersion', 50)}"
    return Question(**link.facts(), action="Get15118EVCertificate", about=about, prepared=link.prepared)


def ev_out(done: Reply) -> Payload:
    if done.problem:
        return {"status": "Failed", "exiResponse": "", "statusInfo": mapping.status_info(done.problem)}
    return {"status": "Accepted", "exiResponse": done.value.exi}


# ---------------------------------------------------------------- M03–M05: what the charger holds
def install(payload: Payload) -> Payload:
    return {
        "certificateType": their_use(payload["certificate_type"]),
        "certificate": payload["certificate"],
    }


def delete(payload: Payload) -> Payload:
    """M04.FR.07: by the hashes that the charger itself has named."""
    names = {
        "hash_algorithm": "hashAlgorithm",
        "issuer_name_hash": "issuerNameHash",
        "issuer_key_hash": "issuerKeyHash",
        "serial_number": "serialNumber",
    }
    return {"certificateHashData": mapping.copied(payload, **names)}


def list_installed(payload: Payload) -> Payload:
    """M03: without a kind, all of them."""
    one = payload.get("certificate_type")
    uses = payload.get("certificate_types") or ([one] if one else [])
    return {"certificateType": [their_use(use) for use in uses]} if uses else {}


def _effects(action: str) -> Callable[[Payload, Payload], Any]:
    return partial(certificate_answers.effects, action)


BLOCK = Block(
    actions={
        "GetCertificateStatus": Action(
            status_in, plug_and_charge.QUESTION, status_out, prepare=status_prepare
        ),
        "Get15118EVCertificate": Action(ev_in, plug_and_charge.QUESTION, ev_out, prepare=ev_prepare),
    },
    calls={
        "install_certificate": sent_as("InstallCertificate", install),
        "delete_certificate": sent_as("DeleteCertificate", delete),
        "get_installed_certificate_ids": sent_as("GetInstalledCertificateIds", list_installed),
    },
    sentences=certificate_answers.SENTENCES,
    tell={"GetInstalledCertificateIds": certificate_answers.tell_chains},
    effects={
        action: _effects(action)
        for action in ("GetInstalledCertificateIds", "InstallCertificate", "DeleteCertificate")
    },
)
