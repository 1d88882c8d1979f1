"""What chargers and vehicles ask about certificates of ISO 15118 (2.0.1 M01, M02, M06, A02; 2.1 M07).

The provider was asked before, outside of the transaction.  A question that it cannot answer is not an error of the
message: it is answered with the failure that the specification has for it, and what went wrong is kept for people.
OCPP 1.6 says the same in vendor messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from chargepoints.choices import CertificatePurpose
from chargepoints.models import FrameAnomaly
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
from chargepoints.services.batch import Act, FromCharger, StationBatch
from chargepoints.services.certificate_requests import SIGN, SigningRequest
from chargepoints.services.vendor_messages import (
    Handler,
    VendorAnswer,
    VendorMessage,
    VendorMessageRefused,
)

ACTIONS = ("Install", "Update")


def problem_of(prepared: object) -> str:
    """Why the provider gave no answer; "" when it did."""
    return (str(prepared) or type(prepared).__name__) if isinstance(prepared, Exception) else ""


# ---------------------------------------------------------------- messages of their own (2.x)
@dataclass(frozen=True, slots=True, kw_only=True)
class Question(FromCharger):
    """A question of a charger to which the provider has answered already, or failed to.

    action  as the message is called
    about   what it was about, in words, for people
    """

    action: str
    about: str
    prepared: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the provider said; or why it said nothing."""

    value: Any = None
    problem: str = ""


def decide_question(request: Question, batch: StationBatch) -> Reply:
    """Hand the answer over, or keep for people why there is none."""
    if problem := problem_of(request.prepared):
        batch.add(trouble(request, action=request.action, problem=problem, frame=request.about))
        return Reply(problem=problem)
    return Reply(value=request.prepared)


def trouble(request: FromCharger, *, action: str, problem: str, frame: str) -> FrameAnomaly:
    """A question that stayed without an answer, as people see it."""
    return FrameAnomaly(
        tenant_id=request.tenant_id,
        charge_point_id=request.charge_point_id,
        received_at=request.received_at,
        action=action,
        message_id=request.message_id[:64],
        frame=frame,
        problem=problem[:500],
        was_served=True,
    )


QUESTION: Act[Question, StationBatch] = Act(decide_question)


# ---------------------------------------------------------------- vendor messages (1.6)
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


def decide_signature(request: VendorMessage, batch: StationBatch) -> VendorAnswer:
    """Take a request in; the certificate follows in a message of ours (2.0.1 A02.FR.02–04)."""
    fields = request.fields()
    try:
        csr = text_of(fields, "csr", MAX_CSR)
    except BadFields as error:
        raise VendorMessageRefused(str(error)) from error
    is_for_vehicles = fields.get("certificateType", V2G_CERTIFICATE) == V2G_CERTIFICATE
    done = SIGN.decide(
        SigningRequest(
            charge_point_id=request.charge_point_id,
            tenant_id=request.tenant_id,
            received_at=request.received_at,
            message_id=request.message_id,
            ocpp_version=request.ocpp_version,
            csr=csr,
            purpose=CertificatePurpose.V2G.value if is_for_vehicles else "",
        ),
        batch,
    )
    return VendorAnswer.of({"status": "Accepted" if done.is_accepted else "Rejected"})


def want_whole(request: VendorMessage, batch: StationBatch) -> None:
    """A request for a certificate is compared with what the charger has said of itself."""
    batch.want_charge_point(request.charge_point_id, whole=True)


def _failed(fields: dict[str, Any], problem: str) -> VendorAnswer:
    answer = VendorAnswer.of(fields)
    return VendorAnswer(status=answer.status, data=answer.data, problem=problem)


HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    (VENDOR_ID, "GetCertificateStatus", Handler(decide_status, prepare=ask_status)),
    (VENDOR_ID, "Get15118EVCertificate", Handler(decide_ev_certificate, prepare=ask_ev_certificate)),
    (VENDOR_ID, "SignCertificate", Handler(decide_signature, want_whole)),
)
