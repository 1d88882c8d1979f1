"""Authorize of Plug & Charge: may the contract of this vehicle charge (2.0.1 C07); of OCPP 1.6 as a vendor message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from accounts.choices import AuthorizationStatus, TokenType
from accounts.services.authorization import Authorization, token_key
from chargepoints.plug_and_charge import VENDOR_ID, BadFields, ContractStatus, get_provider, read_contract
from chargepoints.services.batch import Act
from chargepoints.services.plug_and_charge import problem_of, reading, refuse_unreadable, trouble
from chargepoints.services.vendor_messages import Handler, VendorAnswer, VendorMessage, VendorMessageRefused
from transactions.services import sessions
from transactions.services.batch import SessionBatch
from transactions.services.sessions import Authorize, authorize_token

#: What is said of the token where the certificate decides (2.0.1 C07.FR.15–17).
_BY_CERTIFICATE = {
    ContractStatus.EXPIRED: AuthorizationStatus.EXPIRED,
    ContractStatus.REVOKED: AuthorizationStatus.INVALID,
    ContractStatus.UNVERIFIABLE: AuthorizationStatus.INVALID,
    ContractStatus.MISSING: AuthorizationStatus.INVALID,
}
_CANCELLED = frozenset({"Blocked", "Expired", "Invalid", "Unknown"})


def contract_status(prepared: object) -> tuple[ContractStatus, str]:
    """What the provider said, and why it said nothing: then nobody can verify the certificate."""
    problem = problem_of(prepared)
    return (ContractStatus.UNVERIFIABLE if problem else ContractStatus(str(prepared))), problem


def judge_contract(authorization: Authorization, certificate: ContractStatus) -> Authorization:
    """The answer for certificate and token together (2.0.1 C07.FR.04, .13–.17)."""
    if certificate is not ContractStatus.VALID:
        return Authorization(status=_BY_CERTIFICATE[certificate], certificate=str(certificate))
    said = "ContractCancelled" if str(authorization.status) in _CANCELLED else "Accepted"
    return replace(authorization, certificate=said)


def decide_authorize(request: Authorize, batch: SessionBatch) -> Authorization:
    """Decide about a token, and about the contract certificate that came with it, if any."""
    if request.contract is None:
        return sessions.decide_authorize(request, batch)
    certificate, problem = contract_status(request.contract)
    if problem:
        batch.add(trouble(request, action="Authorize", problem=problem, frame="A contract certificate."))
    if certificate is not ContractStatus.VALID:
        return judge_contract(Authorization(status=AuthorizationStatus.INVALID), certificate)
    return judge_contract(sessions.decide_authorize(request, batch), certificate)


AUTHORIZE: Act[Authorize, SessionBatch] = Act(decide_authorize, sessions.want_authorize)


@reading
def ask_contract(request: VendorMessage) -> ContractStatus:
    """What the provider knows of the certificate; nothing is asked where there is none."""
    contract = read_contract(request.fields())
    if not contract.certificate and not contract.hashes:
        return ContractStatus.MISSING
    return get_provider().contract_status(contract)


def want_contract(request: VendorMessage, batch: SessionBatch) -> None:
    """The token with the eMAID as its value."""
    if (emaid := _emaid(request)) is not None:
        batch.want_token(token_key(request.tenant_id, emaid))


def decide_contract(request: VendorMessage, batch: SessionBatch) -> VendorAnswer:
    """Answer for certificate and token together.  A certificate that nobody can verify lets nobody charge.

    Spec: 2.0.1 C07.FR.04, .13–.17
    """
    refuse_unreadable(request)
    emaid = _emaid(request)
    if emaid is None:
        raise VendorMessageRefused("“idToken” is missing.")
    certificate, problem = contract_status(request.prepared)
    done = judge_contract(authorize_token(request, emaid, TokenType.EMAID, batch), certificate)
    info: dict[str, Any] = {"status": str(done.status)}
    if certificate is ContractStatus.VALID:
        info = _id_token_info(done)
    answer = VendorAnswer.of({"idTokenInfo": info, "certificateStatus": done.certificate})
    return VendorAnswer(status=answer.status, data=answer.data, problem=problem)


def _id_token_info(authorization: Authorization) -> dict[str, Any]:
    """IdTokenInfoType; a token that we do not know is said to be unknown, not invalid."""
    is_unknown = authorization.token is None and authorization.status is AuthorizationStatus.INVALID
    info: dict[str, Any] = {"status": "Unknown" if is_unknown else str(authorization.status)}
    if authorization.expires_at is not None:
        info["cacheExpiryDateTime"] = authorization.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    if authorization.group_name:
        info["groupIdToken"] = {"idToken": authorization.group_name[:36], "type": "Central"}
    return info


def _emaid(request: VendorMessage) -> str | None:
    try:
        return read_contract(request.fields()).emaid
    except (BadFields, VendorMessageRefused):
        return None


AUTHORIZE_CONTRACT = (VENDOR_ID, "Authorize", Handler(decide_contract, want_contract, prepare=ask_contract))
