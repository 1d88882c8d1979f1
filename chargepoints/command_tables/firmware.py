"""Firmware and log files (profile Firmware Management, and the security extension's own)."""

from __future__ import annotations

from string import hexdigits
from typing import Any

from chargepoints.command_fields import SEND_DANGEROUS, CommandSpec, FieldSpec

_RETRIES = (
    FieldSpec(
        name="retries",
        type="integer",
        label="Tries",
        minimum=0,
        help="How often the charger tries. Empty: it decides.",
    ),
    FieldSpec(
        name="retry_interval",
        type="integer",
        label="Seconds between tries",
        minimum=0,
        help="Empty: the charger decides.",
    ),
)
_PERIOD = (
    FieldSpec(name="oldest_at", type="datetime", label="From", help="Empty: from the oldest entry."),
    FieldSpec(name="latest_at", type="datetime", label="Until", help="Empty: to the newest entry."),
)
_REQUEST_ID = FieldSpec(
    name="request_id",
    type="integer",
    label="Number of the request",
    minimum=0,
    help="Reports about it carry this number. Empty: a new one.",
)
_CHECKSUM = FieldSpec(
    name="checksum",
    type="string",
    label="MD5 checksum",
    required=True,
    max_length=32,
    help="Of the whole file, 32 hexadecimal digits.",
)


def _check_checksum(given: dict[str, Any]) -> dict[str, str]:
    if len(given["checksum"]) == 32 and set(given["checksum"]) <= set(hexdigits):
        return {}
    return {"checksum": "Must be 32 hexadecimal digits."}


_FIRMWARE_HELP = "Where the charger fetches the file: http, https, ftp or ftps, as the charger can."
_UPLOAD_HELP = "Where the charger puts the file: http, https, ftp or ftps, as the charger can."

FIRMWARE = (
    CommandSpec(
        action="update_firmware",
        label="Update the firmware",
        description="Let the charger fetch and install firmware. Chargers with the security extension take signed "
        "firmware only.",
        fields=(
            FieldSpec(
                name="location",
                type="string",
                label="URL of the firmware",
                required=True,
                max_length=2000,
                help=_FIRMWARE_HELP,
            ),
            FieldSpec(name="retrieve_at", type="datetime", label="Not before", help="Empty: now."),
            FieldSpec(
                name="install_at",
                type="datetime",
                label="Not installed before",
                help="OCPP 2.x. Empty: at once.",
            ),
            *_RETRIES,
            _REQUEST_ID,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Install this firmware? The charger restarts, and wrong firmware can make it useless.",
    ),
    CommandSpec(
        action="signed_update_firmware",
        label="Update the firmware (signed)",
        description="Let the charger fetch firmware, check its signature and install it.",
        fields=(
            FieldSpec(
                name="location",
                type="string",
                label="URL of the firmware",
                required=True,
                max_length=2000,
                help=_FIRMWARE_HELP,
            ),
            FieldSpec(
                name="signing_certificate",
                type="string",
                label="Signing certificate",
                required=True,
                max_length=5500,
                help="The manufacturer's, in PEM: -----BEGIN CERTIFICATE----- and so on.",
            ),
            FieldSpec(
                name="signature",
                type="string",
                label="Signature",
                required=True,
                max_length=800,
                help="The manufacturer's, in base64.",
            ),
            FieldSpec(name="retrieve_at", type="datetime", label="Not fetched before", help="Empty: now."),
            FieldSpec(
                name="install_at", type="datetime", label="Not installed before", help="Empty: at once."
            ),
            *_RETRIES,
            _REQUEST_ID,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Install this firmware? The charger restarts; an update that is under way is cancelled.",
    ),
    CommandSpec(
        action="publish_firmware",
        label="Publish firmware",
        description="Let a local controller fetch firmware and offer it to the chargers behind it (OCPP 2.x).",
        fields=(
            FieldSpec(
                name="location",
                type="string",
                label="URL of the firmware",
                required=True,
                max_length=2000,
                help="Where the controller fetches the file.",
            ),
            _CHECKSUM,
            *_RETRIES,
            _REQUEST_ID,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Publish this firmware to the chargers behind this controller?",
        check=_check_checksum,
    ),
    CommandSpec(
        action="unpublish_firmware",
        label="Unpublish firmware",
        description="Let a local controller no longer offer firmware that it has published (OCPP 2.x).",
        fields=(_CHECKSUM,),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Take this firmware back? Chargers behind this controller can no longer fetch it.",
        check=_check_checksum,
    ),
    CommandSpec(
        action="get_diagnostics",
        label="Fetch diagnostics",
        description="Let the charger upload its diagnostics.",
        fields=(
            FieldSpec(
                name="location",
                type="string",
                label="Upload to",
                required=True,
                max_length=2000,
                help=_UPLOAD_HELP,
            ),
            *_PERIOD,
            *_RETRIES,
            _REQUEST_ID,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Upload the diagnostics to this address? They may name people's tags.",
    ),
    CommandSpec(
        action="get_log",
        label="Fetch a log",
        description="Let the charger upload its diagnostics or security log (security extension).",
        fields=(
            FieldSpec(
                name="log_type",
                type="enum",
                label="Log",
                required=True,
                choices=("DiagnosticsLog", "SecurityLog", "DataCollectorLog"),
                choice_labels=("Diagnostics", "Security", "Data collector (OCPP 2.1)"),
            ),
            FieldSpec(
                name="location",
                type="string",
                label="Upload to",
                required=True,
                max_length=512,
                help=_UPLOAD_HELP,
            ),
            *_PERIOD,
            *_RETRIES,
            _REQUEST_ID,
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Upload the log to this address? It may name people's tags.",
    ),
)
