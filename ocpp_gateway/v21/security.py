"""Functional blocks A and M, as 2.1 changes them: numbers of requests, ISO 15118-20, the status of whole chains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.choices import CertificatePurpose
from chargepoints.plug_and_charge import (
    EvAnswer,
    KnownStatus,
    StatusAnswer,
    StatusQuestion,
    get_provider,
)
from chargepoints.services import certificate_requests, plug_and_charge
from chargepoints.services.certificate_requests import SigningRequest
from chargepoints.services.plug_and_charge import Question, Reply
from ocpp_gateway.action import Action
from ocpp_gateway.certificate_answers import hash_data
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.v201 import certificates, mapping, security
from ocpp_gateway.wire.timestamps import format_timestamp

logger = logging.getLogger(__name__)

Payload = dict[str, Any]

#: Characters of ocspResult and exiResponse.
MAX_OCSP, MAX_EXI = 18_000, 17_000
MAX_CHAIN, MAX_URLS, MAX_EMAIDS = 4, 5, 8
_MAX_REQUEST_ID = 2**63 - 1
#: A status that nobody could tell is worth asking for again after so long.
_RETRY = timedelta(minutes=5)
_FAILED = StatusAnswer(status=KnownStatus.FAILED)


# ---------------------------------------------------------------- A02: requests with a number
def sign_in(link: Link, payload: Payload) -> SigningRequest:
    purpose, number = mapping.text(payload, "certificateType", 26), payload.get("requestId")
    root = payload.get("hashRootCertificate")
    return SigningRequest(
        **link.facts(),
        csr=mapping.text(payload, "csr", security.MAX_CSR),
        purpose=purpose if purpose in CertificatePurpose.values else "",
        request_id=number if isinstance(number, int) and abs(number) <= _MAX_REQUEST_ID else None,
        root=hash_data(root) if isinstance(root, Mapping) else None,
    )


def certificate_signed(payload: Payload) -> Payload:
    """A02.FR.25: with the number that the charger has given its request."""
    return {**security.signed_call(payload), **mapping.copied(payload, request_number="requestId")}


# ---------------------------------------------------------------- M01: contracts of ISO 15118-20
def ev_prepare(link: Link, payload: Payload) -> Callable[[], EvAnswer]:
    most = payload.get("maximumContractCertificateChains")
    request = certificates.ev_request(
        payload,
        maximum_chains=None if most is None else mapping.whole(most),
        emaids=tuple(str(emaid)[:255] for emaid in payload.get("prioritizedEMAIDs", ())[:MAX_EMAIDS]),
    )
    return partial(certificates.ask_ev, request, MAX_EXI)


def ev_out(done: Reply) -> Payload:
    """M01.FR.04, .07: and how many the vehicle can still ask for."""
    answer = certificates.ev_out(done)
    if not done.problem and done.value.remaining is not None:
        answer["remainingContracts"] = done.value.remaining
    return answer


# ---------------------------------------------------------------- M07: the status of a chain
def chain_prepare(link: Link, payload: Payload) -> Callable[[], list[Payload]]:
    return partial(_ask_chain, payload["certificateStatusRequests"][:MAX_CHAIN])


def _ask_chain(requests: list[Payload]) -> list[Payload]:
    return [_ask_one(request) for request in requests]


def _ask_one(request: Payload) -> Payload:
    """M07.FR.02, .05: a certificate about which nobody answers fails by itself, not the others."""
    data, source = request["certificateHashData"], request["source"]
    urls = tuple(str(url)[:2000] for url in request["urls"][:MAX_URLS])
    try:
        answer = get_provider().certificate_state(
            StatusQuestion(name=hash_data(data), source=source, urls=urls)
        )
    except Exception as error:  # an outside provider may raise anything
        logger.info("certificate.status_unknown", extra={"source": source, "reason": repr(error)[:300]})
        answer = _FAILED
    return _entry(request, answer)


def _entry(request: Payload, answer: StatusAnswer) -> Payload:
    until = answer.next_update or timezone.now() + _RETRY
    return {
        "certificateHashData": request["certificateHashData"],
        "source": request["source"],
        "status": answer.status.value,
        "nextUpdate": format_timestamp(until),
    }


def chain_in(link: Link, payload: Payload) -> Question:
    requests = payload["certificateStatusRequests"][:MAX_CHAIN]
    about, found = f"{len(requests)} certificates", link.prepared
    if not isinstance(found, list):  # nobody answered in time
        found = [_entry(request, _FAILED) for request in requests]
    return Question(**link.facts(), action="GetCertificateChainStatus", about=about, prepared=found)


def chain_out(done: Reply) -> Payload:
    """M07.FR.08"""
    return {"certificateStatus": done.value}


BLOCK = Block(
    actions={
        "SignCertificate": Action(sign_in, certificate_requests.SIGN, security.sign_out),
        "GetCertificateStatus": Action(
            certificates.status_in,
            plug_and_charge.QUESTION,
            certificates.status_out,
            prepare=partial(certificates.status_prepare, limit=MAX_OCSP),
        ),
        "Get15118EVCertificate": Action(
            certificates.ev_in, plug_and_charge.QUESTION, ev_out, prepare=ev_prepare
        ),
        "GetCertificateChainStatus": Action(
            chain_in, plug_and_charge.QUESTION, chain_out, prepare=chain_prepare
        ),
    },
    calls={"certificate_signed": sent_as("CertificateSigned", certificate_signed)},
)
