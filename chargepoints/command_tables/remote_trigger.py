"""Messages on request (profile Remote Trigger, and the security extension's own)."""

from __future__ import annotations

from typing import Any

from chargepoints.command_fields import CONNECTOR_HELP, WITHIN, CommandSpec, FieldSpec

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
    "SignCombinedCertificate": "Request for one certificate for both purposes (OCPP 2.x)",
    "SignV2G20Certificate": "Request for a new certificate for vehicles, ISO 15118-20 (OCPP 2.1)",
    "TransactionEvent": "State of its sessions (OCPP 2.x)",
    "PublishFirmwareStatusNotification": "State of firmware that it publishes (OCPP 2.x)",
    "CustomTrigger": "A message that only this model knows (OCPP 2.1)",
}


def _check_trigger(given: dict[str, Any]) -> dict[str, str]:
    if (given["message"] == "CustomTrigger") != ("custom_trigger" in given):
        return {"custom_trigger": "Goes with the message CustomTrigger, and only with it."}
    if "within" in given and "connector" not in given:
        return {"within": "Name the connector (EVSE) that it belongs to as well."}
    return {}


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
            WITHIN,
            FieldSpec(
                name="custom_trigger",
                type="string",
                label="Custom trigger",
                max_length=50,
                help="OCPP 2.1: its name, from the variable CustomTriggers of the charger.",
            ),
        ),
        check=_check_trigger,
    ),
)
