"""Messages on request (profile Remote Trigger, and the security extension's own)."""

from __future__ import annotations

from chargepoints.command_fields import CONNECTOR_HELP, CommandSpec, FieldSpec

#: The messages that a charger can be asked for, by the names that they have when they come.
_MESSAGES = {
    "BootNotification": "Boot: who it is",
    "Heartbeat": "Sign of life",
    "StatusNotification": "Status of its connectors",
    "MeterValues": "Meter values",
    "FirmwareStatusNotification": "State of a firmware update",
    "DiagnosticsStatusNotification": "State of a diagnostics upload",
    "SignedFirmwareStatusNotification": "State of a signed firmware update (security extension)",
    "LogStatusNotification": "State of a log upload (security extension)",
    "SignCertificate": "Request for a new certificate (security extension)",
    "SignV2GCertificate": "Request for a new certificate for vehicles (Plug & Charge)",
}

REMOTE_TRIGGER = (
    CommandSpec(
        action="trigger_message",
        label="Request a message",
        description="Ask the charger to send a message now.",
        fields=(
            FieldSpec(
                name="message",
                type="enum",
                label="Message",
                required=True,
                choices=tuple(_MESSAGES),
                choice_labels=tuple(_MESSAGES.values()),
                help="Those of the security extension go out as ExtendedTriggerMessage.",
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=1,
                help=f"{CONNECTOR_HELP} Empty: all.",
            ),
        ),
    ),
)
