"""Functional block N: logs, and what the charger knows of customers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.choices import StatusReportKind
from chargepoints.services import customer_information, reports
from chargepoints.services.customer_information import InformationPart
from chargepoints.services.reports import Progress
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import CannotSend, Effect
from ocpp_gateway.v201 import mapping

Payload = dict[str, Any]

_MAX_TOKEN = 36
_MAX_DATA = 512


def log_in(link: Link, payload: Payload) -> Progress:
    # Absent only where nothing is under way (N01.FR.12).
    request_id = payload.get("requestId")
    return Progress(
        **link.facts(),
        kind=StatusReportKind.LOG,
        status=mapping.text(payload, "status", 40),
        request_id=None if request_id is None else mapping.whole(request_id, -1),
    )


def customer_in(link: Link, payload: Payload) -> InformationPart:
    return InformationPart(
        **link.facts(),
        request_id=mapping.whole(payload.get("requestId"), -1),
        seq_no=max(0, mapping.whole(payload.get("seqNo"))),
        is_last=payload.get("tbc") is not True,
        data=mapping.text(payload, "data", _MAX_DATA),
    )


def nothing_out(done: object) -> Payload:
    return {}


# ---------------------------------------------------------------- orders


def _get_log(log_type: str | None, payload: Payload) -> Payload:
    log = {
        **mapping.copied(payload, location="remoteLocation"),
        **mapping.times(payload, oldest_at="oldestTimestamp", latest_at="latestTimestamp"),
    }
    names = {"request_id": "requestId", "retries": "retries", "retry_interval": "retryInterval"}
    return {**mapping.copied(payload, **names), "logType": log_type or payload["log_type"], "log": log}


def _hashes(payload: Payload) -> Payload:
    return mapping.copied(
        payload,
        hash_algorithm="hashAlgorithm",
        issuer_name_hash="issuerNameHash",
        issuer_key_hash="issuerKeyHash",
        serial_number="serialNumber",
    )


def customer_call(payload: Payload, *, token_length: int) -> Payload:
    """CustomerInformationRequest with the one customer that was named."""
    call = mapping.copied(
        payload,
        request_id="requestId",
        report="report",
        clear="clear",
        customer_identifier="customerIdentifier",
    )
    if (value := payload.get("id_token")) is not None:
        if len(value) > token_length:
            raise CannotSend(f"id_token must not have more than {token_length} characters.")
        call["idToken"] = mapping.said_token(payload)
    if hashes := _hashes(payload):
        call["customerCertificate"] = hashes
    return call


# ---------------------------------------------------------------- answers


def _tell_log(response: Payload) -> str:
    status, name = response.get("status"), response.get("filename")
    if status not in ("Accepted", "AcceptedCanceled"):
        return "The charger does not upload this log now."
    earlier = " An earlier upload was cancelled." if status == "AcceptedCanceled" else ""
    return f"The charger uploads {f'“{name}”' if name else 'the log'}.{earlier}"


def _keep_customer(request: Payload, response: Payload) -> Sequence[Effect]:
    status = str(response.get("status", ""))
    return [lambda command: customer_information.answered(command, status, at=timezone.now())]


BLOCK = Block(
    actions={
        "LogStatusNotification": Action(log_in, reports.PROGRESS, nothing_out),
        "NotifyCustomerInformation": Action(customer_in, customer_information.PART, nothing_out),
    },
    calls={
        "get_log": sent_as("GetLog", partial(_get_log, None)),
        "get_diagnostics": sent_as("GetLog", partial(_get_log, "DiagnosticsLog")),
        "customer_information": sent_as(
            "CustomerInformation", partial(customer_call, token_length=_MAX_TOKEN)
        ),
    },
    sentences={
        ("CustomerInformation", "Rejected"): "The charger cannot do it now.",
        ("CustomerInformation", "Invalid"): "The charger does not understand whom it is about.",
    },
    tell={"GetLog": _tell_log},
    effects={"CustomerInformation": _keep_customer},
    asks_for={"CustomerInformation": lambda payload: "NotifyCustomerInformation"},
)
