"""Certificates of ISO 15118 that chargers and vehicles ask for (2.0.1 M01, M02, M06, A02), as vendor messages.

The provider was asked before, outside of the transaction.  A question that it cannot answer is not an error of the
message: it is answered with the failure that the specification has for it, and what went wrong is kept for people.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings

from chargepoints.choices import Via
from chargepoints.models import Command
from chargepoints.plug_and_charge import (
    MAX_CSR,
    MAX_EXI,
    V2G_CERTIFICATE,
    VENDOR_ID,
    BadFields,
    EvRequest,
    ProviderError,
    get_provider,
    read_ocsp_request,
    text_of,
)
from chargepoints.services.batch import StationBatch
from chargepoints.services.certificate_requests import SIGN, SigningRequest
from chargepoints.services.vendor_messages import (
    Handler,
    VendorAnswer,
    VendorMessage,
    VendorMessageRefused,
)

DELIVERY_LIFE = timedelta(days=1)
ACTIONS = ("Install", "Update")


def problem_of(prepared: object) -> str:
    """Why the provider gave no answer; "" when it did."""
    return (str(prepared) or type(prepared).__name__) if isinstance(prepared, Exception) else ""


def reading(prepare: Callable[[VendorMessage], Any]) -> Callable[[VendorMessage], Any]:
    """Return what is wrong with the message, or why the provider cannot answer, for the handler to say."""

    @wraps(prepare)
    def ask(request: VendorMessage) -> Any:
        try:
            return prepare(request)
        except BadFields as error:
            return VendorMessageRefused(str(error))
        except (VendorMessageRefused, ProviderError) as error:
            return error

    return ask


def refuse_unreadable(request: VendorMessage) -> None:
    """Raises VendorMessageRefused for a message that could not be read."""
    if isinstance(request.prepared, VendorMessageRefused):
        raise request.prepared


# --- GetCertificateStatus ---


@reading
def ask_status(request: VendorMessage) -> str:
    """The OCSP response about the certificate that a charger names."""
    return get_provider().ocsp_response(read_ocsp_request(request.fields().get("ocspRequestData")))


def decide_status(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    """Hand it over, or say that there is none (2.0.1 M06.FR.02–04)."""
    refuse_unreadable(request)
    if problem := problem_of(request.prepared):
        return _failed({"status": "Failed"}, problem)
    return VendorAnswer.of({"status": "Accepted", "ocspResult": request.prepared})


# --- Get15118EVCertificate ---


@reading
def ask_ev_certificate(request: VendorMessage) -> str:
    """The response for a vehicle that wants a contract certificate."""
    fields = request.fields()
    action = text_of(fields, "action", 10)
    if action not in ACTIONS:
        raise BadFields(f"“action” must be one of {', '.join(ACTIONS)}.")
    return get_provider().ev_response(
        EvRequest(
            schema_version=text_of(fields, "iso15118SchemaVersion", 50),
            action=action,
            exi=text_of(fields, "exiRequest", MAX_EXI),
        )
    )


def decide_ev_certificate(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    """Hand it over, or say that there is none (2.0.1 M01, M02)."""
    refuse_unreadable(request)
    if problem := problem_of(request.prepared):
        return _failed({"status": "Failed", "exiResponse": ""}, problem)
    return VendorAnswer.of({"status": "Accepted", "exiResponse": request.prepared})


# --- SignCertificate ---


@reading
def ask_signature(request: VendorMessage) -> str | None:
    """The certificate for vehicles that a charger asks for; None where it asks for the one of its connection."""
    fields = request.fields()
    csr = text_of(fields, "csr", MAX_CSR)
    if fields.get("certificateType", V2G_CERTIFICATE) != V2G_CERTIFICATE:
        return None
    return get_provider().sign(csr, reference=f"charge-point-{request.charge_point_id}")


def decide_signature(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    """Accept, and deliver the chain in a message of ours; the certificate of the connection is for our authority.

    Spec: 2.0.1 A02.FR.02–04
    """
    refuse_unreadable(request)
    if request.prepared is None:
        return _sign_for_connection(request, batch)
    if problem := problem_of(request.prepared):
        return _failed({"status": "Rejected"}, problem)
    batch.add(_delivery(request))
    return VendorAnswer.of({"status": "Accepted"})


def _sign_for_connection(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    done = SIGN.decide(
        SigningRequest(
            charge_point_id=request.charge_point_id,
            tenant_id=request.tenant_id,
            received_at=request.received_at,
            message_id=request.message_id,
            ocpp_version=request.ocpp_version,
            csr=request.fields()["csr"],
        ),
        batch,
    )
    return VendorAnswer.of({"status": "Accepted" if done.is_accepted else "Rejected"})


def _delivery(request: VendorMessage) -> Command:
    return Command(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        action="certificate_signed",
        payload={"certificate_chain": request.prepared, "scope": "plug_and_charge"},
        requested_by_name="Plug & Charge",
        requested_via=Via.JOB,
        created_at=request.received_at,
        expires_at=request.received_at + DELIVERY_LIFE,
        waits_for_connection=True,
        timeout_s=settings.OCPP_CALL_TIMEOUT_S,
    )


def want_whole(request: VendorMessage, batch: StationBatch) -> None:
    """A request for a certificate is compared with what the charger has said of itself."""
    batch.want_charge_point(request.charge_point_id, whole=True)


def _failed(fields: dict[str, Any], problem: str) -> VendorAnswer:
    answer = VendorAnswer.of(fields)
    return VendorAnswer(status=answer.status, data=answer.data, problem=problem)


HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    (VENDOR_ID, "GetCertificateStatus", Handler(decide_status, prepare=ask_status)),
    (VENDOR_ID, "Get15118EVCertificate", Handler(decide_ev_certificate, prepare=ask_ev_certificate)),
    (VENDOR_ID, "SignCertificate", Handler(decide_signature, want_whole, prepare=ask_signature)),
)
