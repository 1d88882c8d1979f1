"""Messages on the charger's display (OCPP 2.0.1 part 2, functional block O)."""

from __future__ import annotations

from typing import Any

from chargepoints import displaying
from chargepoints.choices import DisplayFormat, DisplayPriority, DisplayState
from chargepoints.command_fields import CONNECTOR_HELP, CommandSpec, FieldSpec, read_time

_ID = FieldSpec(
    name="message_id",
    type="integer",
    label="Number",
    minimum=0,
    help="Empty: a new one. The number of a message that the charger holds replaces it.",
)
_PRIORITY = FieldSpec(
    name="priority",
    type="enum",
    label="Priority",
    choices=tuple(DisplayPriority.values),
    choice_labels=tuple(DisplayPriority.labels),
)
_STATE = FieldSpec(
    name="state",
    type="enum",
    label="While",
    choices=tuple(DisplayState.values),
    choice_labels=tuple(DisplayState.labels),
    help="Empty: whatever the charger does.",
)
_CONTENT = (
    FieldSpec(
        name="content", type="string", label="Message", required=True, max_length=displaying.MAX_CONTENT
    ),
    FieldSpec(
        name="format",
        type="enum",
        label="Format",
        default=DisplayFormat.UTF8.value,
        choices=tuple(DisplayFormat.values),
        choice_labels=tuple(DisplayFormat.labels),
    ),
    FieldSpec(
        name="language",
        type="string",
        label="Language",
        max_length=8,
        help="As en, de or en-US. Empty: not said.",
    ),
)


def _check_message(given: dict[str, Any]) -> dict[str, str]:
    return displaying.problems_of(
        {**given, "starts_at": _moment(given, "starts_at"), "ends_at": _moment(given, "ends_at")}
    )


def _moment(given: dict[str, Any], name: str) -> Any:
    return read_time(given[name]) if name in given else None


def _check_numbers(given: dict[str, Any]) -> dict[str, str]:
    if not all(
        text.isascii() and text.isdecimal() and int(text) < 2**31 for text in given.get("message_ids", ())
    ):
        return {"message_ids": "Must be whole numbers."}
    return {}


DISPLAY = (
    CommandSpec(
        action="set_display_message",
        label="Show a message",
        description="Put a message on the charger's display, or replace one. OCPP 2.0.1 and later.",
        fields=(
            *_CONTENT,
            FieldSpec(
                name="priority",
                type="enum",
                label="Priority",
                default=DisplayPriority.NORMAL.value,
                choices=_PRIORITY.choices,
                choice_labels=_PRIORITY.choice_labels,
            ),
            _STATE,
            FieldSpec(name="starts_at", type="datetime", label="From", help="Empty: at once."),
            FieldSpec(name="ends_at", type="datetime", label="Until", help="Empty: until it is removed."),
            FieldSpec(
                name="transaction_id",
                type="string",
                label="Transaction id",
                max_length=36,
                help="The id used on the wire (ocpp_id of the session): shown until that session ends.",
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=1,
                help=f"{CONNECTOR_HELP} On its display. Empty: the charger's.",
            ),
            FieldSpec(
                name="extra",
                type="rows",
                label="In other languages",
                max_length=displaying.MAX_EXTRA,
                help="The same message again. OCPP 2.1 only.",
                fields=_CONTENT,
            ),
            _ID,
        ),
        confirm="Show this message to everybody at the charger?",
        check=_check_message,
    ),
    CommandSpec(
        action="get_display_messages",
        label="List messages on the display",
        description="Which messages the charger holds; without any choice: all that were sent to it.",
        fields=(
            FieldSpec(
                name="message_ids", type="strings", label="Numbers", max_length=100, help="Empty: all."
            ),
            _PRIORITY,
            _STATE,
            FieldSpec(
                name="request_id",
                type="integer",
                label="Number of the request",
                minimum=0,
                help="The charger's reports carry it. Empty: a new one.",
            ),
        ),
        check=_check_numbers,
    ),
    CommandSpec(
        action="clear_display_message",
        label="Remove a message from the display",
        description="Take one message off the charger's display.",
        fields=(
            FieldSpec(
                name="message_id",
                type="integer",
                label="Number",
                required=True,
                minimum=0,
                help="“List messages on the display” shows it.",
            ),
        ),
        confirm="Remove this message?",
    ),
)
