"""The commands we offer, free of any OCPP version: the gateway maps them to the version spoken.

One table serves the forms of the admin, the REST API and its document, and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from chargepoints.errors import InvalidPayload, UnknownAction

FieldType = Literal["string", "integer", "boolean", "enum", "object", "datetime", "strings"]

SEND = "commands.send"
SEND_DANGEROUS = "commands.send_dangerous"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One argument.

    choices     allowed values of an enum
    default     used when the argument is absent; None: it stays absent
    max_length  characters of a string, entries of `strings`
    minimum     of an integer
    secret      never shown again
    """

    name: str
    type: FieldType
    label: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    help: str = ""
    max_length: int | None = None
    minimum: int | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """One command: what it is called, what it takes, who may send it and what to ask before."""

    action: str
    label: str
    description: str
    fields: tuple[FieldSpec, ...] = ()
    dangerous: bool = False
    permission: str = SEND
    confirm: str = ""

    def field(self, name: str) -> FieldSpec | None:
        """The argument of this name."""
        return next((field for field in self.fields if field.name == name), None)


_CONNECTOR_HELP = "The number that the charger itself uses."

_SPECS = (
    CommandSpec(
        action="remote_start",
        label="Start a session",
        description="Ask the charger to start charging for a tag. Accepted is not yet a session.",
        fields=(
            FieldSpec(
                name="id_token",
                type="string",
                label="Tag",
                required=True,
                max_length=36,
                help="Value of the tag that is charged for; 20 characters in OCPP 1.6.",
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=1,
                help=f"{_CONNECTOR_HELP} Empty: the charger chooses.",
            ),
            FieldSpec(
                name="charging_profile",
                type="object",
                label="Charging profile",
                help="TxProfile in the form of the version spoken.",
            ),
        ),
    ),
    CommandSpec(
        action="remote_stop",
        label="Stop a session",
        description="Ask the charger to end a session.",
        fields=(
            FieldSpec(
                name="transaction_id",
                type="string",
                label="Transaction id",
                required=True,
                max_length=36,
                help="The id used on the wire (ocpp_id of the session).",
            ),
        ),
        confirm="Stop this session?",
    ),
    CommandSpec(
        action="reset",
        label="Reset",
        description="Restart the charger; running sessions are ended first.",
        fields=(
            FieldSpec(
                name="kind",
                type="enum",
                label="Kind",
                required=True,
                choices=("Soft", "Hard"),
                help="Soft ends sessions and restarts in good order; Hard restarts at once.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Restart the charger? Running sessions will end.",
    ),
    CommandSpec(
        action="unlock_connector",
        label="Unlock connector",
        description="Release a stuck cable. A running session is ended.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                required=True,
                minimum=1,
                help=_CONNECTOR_HELP,
            ),
        ),
        confirm="Unlock the connector? A running session on it will end.",
    ),
    CommandSpec(
        action="change_availability",
        label="Change availability",
        description="Take a connector or the whole charger out of service, or back into it.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{_CONNECTOR_HELP} 0: the whole charger.",
            ),
            FieldSpec(
                name="operative",
                type="boolean",
                label="In service",
                required=True,
                help="Yes: available for charging. No: out of service.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the availability?",
    ),
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
                choices=(
                    "BootNotification",
                    "DiagnosticsStatusNotification",
                    "FirmwareStatusNotification",
                    "Heartbeat",
                    "MeterValues",
                    "StatusNotification",
                ),
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=1,
                help=f"{_CONNECTOR_HELP} Empty: all.",
            ),
        ),
    ),
    CommandSpec(
        action="get_configuration",
        label="Read configuration",
        description="Read configuration keys; the answer updates the list of variables.",
        fields=(
            FieldSpec(name="keys", type="strings", label="Keys", max_length=200, help="Empty: all keys."),
        ),
    ),
    CommandSpec(
        action="change_configuration",
        label="Change configuration",
        description="Set one configuration key.",
        fields=(
            FieldSpec(name="key", type="string", label="Key", required=True, max_length=50),
            FieldSpec(
                name="value",
                type="string",
                label="Value",
                required=True,
                max_length=500,
                help="Hidden afterwards where the key is a secret such as AuthorizationKey.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the charger's configuration?",
    ),
    CommandSpec(
        action="clear_cache",
        label="Clear authorization cache",
        description="Let the charger forget tags that it has remembered.",
    ),
    CommandSpec(
        action="data_transfer",
        label="Data transfer",
        description="Send a vendor-specific message.",
        fields=(
            FieldSpec(name="vendor_id", type="string", label="Vendor id", required=True, max_length=255),
            FieldSpec(name="message_id", type="string", label="Message id", max_length=50),
            FieldSpec(name="data", type="string", label="Data", max_length=10_000),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Send this message? What it does is up to the charger's vendor.",
    ),
)

NEUTRAL: dict[str, CommandSpec] = {spec.action: spec for spec in _SPECS}

#: Commands, in both forms, that a charger which is not accepted must not get (OCPP 1.6 §4.2).
START_AND_STOP = frozenset(
    {
        "remote_start",
        "remote_stop",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "RequestStartTransaction",
        "RequestStopTransaction",
    }
)


#: Remote starts in both forms, and how long the session that they ask for may take to begin.
REMOTE_STARTS = ("remote_start", "RemoteStartTransaction")
SESSION_WINDOW = timedelta(minutes=10)


def get_spec(action: str) -> CommandSpec:
    """The command of this name, or one that stands for an OCPP action sent verbatim (PascalCase).

    Raises  UnknownAction
    """
    if action in NEUTRAL:
        return NEUTRAL[action]
    if action[:1].isupper() and action.isascii() and action.isalnum() and len(action) <= 64:
        return CommandSpec(
            action=action,
            label=action,
            description="An OCPP message, sent as it is.",
            dangerous=True,
            permission=SEND_DANGEROUS,
            confirm="Send this message as it is?",
        )
    raise UnknownAction(f"There is no command “{action[:64]}”.")


def clean(action: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a neutral command, checked and completed with defaults; absent arguments stay absent.

    Raises  UnknownAction   no neutral command of this name
            InvalidPayload  with one message for each wrong field
    """
    if action not in NEUTRAL:
        raise UnknownAction(f"There is no command “{action[:64]}”.")
    if not isinstance(payload, Mapping):
        raise InvalidPayload({"payload": "Must be an object."})
    spec = NEUTRAL[action]
    errors = {str(name): "There is no such argument." for name in payload if spec.field(str(name)) is None}
    cleaned: dict[str, Any] = {}
    for field in spec.fields:
        value = payload.get(field.name)
        if value is None or _is_empty(field, value):
            value = field.default
        if value is None:
            if field.required:
                errors[field.name] = "This argument is required."
            continue
        problem = _problem(field, value)
        if problem:
            errors[field.name] = problem
        cleaned[field.name] = value
    if errors:
        raise InvalidPayload(errors)
    return cleaned


def _is_empty(field: FieldSpec, value: Any) -> bool:
    """What a form sends for an argument that was left out."""
    if field.type == "strings":
        return bool(value == [])
    # An empty configuration value is one: it clears the key (OCPP 1.6 §5.4).
    return bool(value == "") and field.name != "value"


def _problem(field: FieldSpec, value: Any) -> str:
    """What is wrong with a value, or nothing."""
    match field.type:
        case "string":
            return _text_problem(field, value)
        case "integer":
            if isinstance(value, bool) or not isinstance(value, int):
                return "Must be a whole number."
            if field.minimum is not None and value < field.minimum:
                return f"Must not be below {field.minimum}."
            return "" if value < 2**31 else "Is too large."
        case "boolean":
            return "" if isinstance(value, bool) else "Must be true or false."
        case "enum":
            return "" if value in field.choices else f"Must be one of {', '.join(field.choices)}."
        case "object":
            return "" if isinstance(value, dict) else "Must be an object."
        case "datetime":
            return _datetime_problem(value)
        case "strings":
            return _strings_problem(field, value)


def _text_problem(field: FieldSpec, value: Any) -> str:
    if not isinstance(value, str):
        return "Must be text."
    if field.max_length is not None and len(value) > field.max_length:
        return f"Must not have more than {field.max_length} characters."
    return "Must not hold NUL characters." if "\0" in value else ""


def _datetime_problem(value: Any) -> str:
    try:
        aware = isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        aware = False
    return "" if aware else "Must be a date and time with an offset, as 2026-03-02T10:00:00Z."


def _strings_problem(field: FieldSpec, value: Any) -> str:
    if not isinstance(value, list) or not all(
        isinstance(item, str) and 1 <= len(item) <= 50 for item in value
    ):
        return "Must be a list of names of up to 50 characters."
    if field.max_length is not None and len(value) > field.max_length:
        return f"Must not have more than {field.max_length} entries."
    return ""
