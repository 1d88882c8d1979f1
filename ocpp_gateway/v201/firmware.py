"""Functional block L: firmware, of the charging station and published for those behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from chargepoints.choices import CommandStatus, StatusReportKind
from chargepoints.services import published_firmware, reports
from chargepoints.services.published_firmware import Publishing
from chargepoints.services.reports import Progress
from ocpp_gateway.action import Action
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.link import Link
from ocpp_gateway.outcome import Effect
from ocpp_gateway.v201 import mapping
from ocpp_gateway.wire.timestamps import format_timestamp

Payload = dict[str, Any]

_TRIES = {"retries": "retries", "retry_interval": "retryInterval"}
MAX_LOCATIONS = 20


def update(payload: Payload) -> Payload:
    """UpdateFirmware: signed where certificate and signature are given (L01), else not (L02)."""
    firmware = {
        "retrieveDateTime": format_timestamp(timezone.now()),
        **mapping.copied(
            payload, location="location", signing_certificate="signingCertificate", signature="signature"
        ),
        **mapping.times(payload, retrieve_at="retrieveDateTime", install_at="installDateTime"),
    }
    return {**mapping.copied(payload, request_id="requestId", **_TRIES), "firmware": firmware}


def publish(payload: Payload) -> Payload:
    """PublishFirmware"""
    return mapping.copied(payload, location="location", checksum="checksum", request_id="requestId", **_TRIES)


# ---------------------------------------------------------------- reports
def _request_id(payload: Payload) -> int | None:
    number = payload.get("requestId")
    return None if number is None else mapping.whole(number, -1)


def firmware_in(link: Link, payload: Payload) -> Progress:
    """FirmwareStatusNotification; it names its request unless it is Idle (L01.FR.20)."""
    return Progress(
        **link.facts(),
        kind=StatusReportKind.FIRMWARE,
        status=mapping.text(payload, "status", 40),
        request_id=_request_id(payload),
    )


def publishing_in(link: Link, payload: Payload) -> Publishing:
    """PublishFirmwareStatusNotification"""
    places = payload.get("location")
    return Publishing(
        **link.facts(),
        status=mapping.text(payload, "status", 40),
        request_id=_request_id(payload),
        locations=tuple(str(place) for place in (places if isinstance(places, list) else ())[:MAX_LOCATIONS]),
    )


def nothing_out(done: object) -> Payload:
    return {}


# ---------------------------------------------------------------- answers
def _published(request: Payload, response: Payload) -> Sequence[Effect]:
    return [partial(published_firmware.ordered, request, response.get("status") == "Accepted")]


def _unpublished(request: Payload, response: Payload) -> Sequence[Effect]:
    gone = response.get("status") in ("Unpublished", "NoFirmware")
    return [partial(published_firmware.taken_back, str(request.get("checksum", "")))] if gone else ()


def _unpublish_status(response: Payload) -> CommandStatus:
    return CommandStatus.ACCEPTED if response.get("status") == "Unpublished" else CommandStatus.REJECTED


BLOCK = Block(
    actions={
        "FirmwareStatusNotification": Action(firmware_in, reports.PROGRESS, nothing_out),
        "PublishFirmwareStatusNotification": Action(
            publishing_in, published_firmware.PUBLISHING, nothing_out
        ),
    },
    calls={
        "update_firmware": sent_as("UpdateFirmware", update),
        "signed_update_firmware": sent_as("UpdateFirmware", update),
        "publish_firmware": sent_as("PublishFirmware", publish),
        "unpublish_firmware": sent_as(
            "UnpublishFirmware", lambda payload: mapping.copied(payload, checksum="checksum")
        ),
    },
    status_of={"UnpublishFirmware": _unpublish_status},
    sentences={
        ("UpdateFirmware", "AcceptedCanceled"): "An earlier update was cancelled for this one.",
        ("UpdateFirmware", "InvalidCertificate"): "The charger does not trust the signing certificate.",
        ("UpdateFirmware", "RevokedCertificate"): "The signing certificate has been revoked.",
        ("UnpublishFirmware", "NoFirmware"): "The charger publishes no firmware with this checksum.",
        ("UnpublishFirmware", "DownloadOngoing"): "A charger is fetching it now: try again later.",
    },
    effects={"PublishFirmware": _published, "UnpublishFirmware": _unpublished},
)
