"""Tariffs and costs on the charger, and payments on the web (functional block I, C25)."""

from __future__ import annotations

import re
from typing import Any

from chargepoints.command_fields import CONNECTOR_HELP, SEND_DANGEROUS, CommandSpec, FieldSpec

_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")
_TRANSACTION = FieldSpec(
    name="transaction_id",
    type="string",
    label="Transaction id",
    required=True,
    max_length=36,
    help="The id used on the wire (ocpp_id of the session).",
)
_TARIFF = FieldSpec(
    name="tariff",
    type="object",
    label="Tariff",
    required=True,
    help="In the form of /api/v1/tariffs/: currency, elements, min_price, max_price, description.",
)
_TARIFF_ID = FieldSpec(
    name="tariff_id",
    type="string",
    label="Tariff id",
    max_length=60,
    help="Empty: one that follows from the contents, so that other prices have another id.",
)


def _check_cost(given: dict[str, Any]) -> dict[str, str]:
    if not _AMOUNT.fullmatch(given["total_cost"]):
        return {"total_cost": "Must be an amount with a point and at most six decimals, as 4.35."}
    return {}


COST = (
    CommandSpec(
        action="cost_updated",
        label="Tell a running cost",
        description="Tell the charger's display what a session costs so far, including tax.",
        fields=(
            _TRANSACTION,
            FieldSpec(
                name="total_cost",
                type="string",
                label="Cost so far",
                required=True,
                max_length=18,
                help="In the currency of the session, as 4.35.",
            ),
            FieldSpec(
                name="more",
                type="object",
                label="Meter and prices",
                help="OCPP 1.6 only: the other fields of RunningCost, where the charger needs them.",
            ),
        ),
        check=_check_cost,
    ),
    CommandSpec(
        action="set_default_tariff",
        label="Set a default tariff",
        description="Give the charger the prices by which it calculates what drivers without their own tariff pay.",
        fields=(
            _TARIFF,
            _TARIFF_ID,
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: every one.",
            ),
            FieldSpec(
                name="valid_from",
                type="datetime",
                label="Valid from",
                help="Empty: at once. Until then the present tariff stays.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the prices on this charger?",
    ),
    CommandSpec(
        action="get_tariffs",
        label="Read tariffs",
        description="Ask which tariffs the charger has; the answer updates the list.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                default=0,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: every one.",
            ),
        ),
    ),
    CommandSpec(
        action="clear_tariffs",
        label="Remove tariffs",
        description="Remove tariffs from the charger; running sessions keep theirs.",
        fields=(
            FieldSpec(
                name="tariff_ids", type="strings", label="Tariff ids", max_length=50, help="Empty: all."
            ),
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                minimum=0,
                help=f"{CONNECTOR_HELP} Empty: every one.",
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Remove these tariffs from the charger?",
    ),
    CommandSpec(
        action="change_transaction_tariff",
        label="Change a session's tariff",
        description="Let a running session go on by other prices from now; what was used stays as it was.",
        fields=(_TRANSACTION, _TARIFF, _TARIFF_ID),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the prices of this running session?",
    ),
    CommandSpec(
        action="web_payment_started",
        label="Announce a web payment",
        description="Tell the charger that somebody pays on the web, so that nobody else starts there meanwhile.",
        fields=(
            FieldSpec(
                name="connector",
                type="integer",
                label="Connector",
                required=True,
                minimum=0,
                help=f"{CONNECTOR_HELP} 0: whichever.",
            ),
            FieldSpec(
                name="timeout_s",
                type="integer",
                label="For (s)",
                required=True,
                minimum=1,
                help="After this time the charger lets others start again.",
            ),
        ),
    ),
)
