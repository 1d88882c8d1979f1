"""Functional block I: local cost calculation (I07 to I12)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.utils import timezone

from accounts.services.authorization import Authorization
from chargepoints.choices import CommandStatus
from chargepoints.models import Command
from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.outcome import CannotSend, Effect
from ocpp_gateway.v21.tariff_words import ID_LENGTH, Untranslatable, from_wire, to_wire
from ocpp_gateway.v201 import authorization, mapping
from transactions.local_tariffs import content_of, tariff_id_of
from transactions.pricing_tariff import Tariff, TariffError
from transactions.services import charger_tariffs, local_costs
from transactions.services.charger_tariffs import DEFAULT, Told

Payload = dict[str, Any]

logger = logging.getLogger(__name__)

_MANY = 5


# ---------------------------------------------------------------- our commands


def tariff_type(given: Payload, tariff_id: str = "", valid_from: str = "") -> Payload:
    """TariffType of a tariff in our form.  Raises CannotSend."""
    try:
        content = content_of(given, str(given.get("description") or ""))
        wire = to_wire(
            Tariff.parse(given),
            tariff_id=tariff_id or tariff_id_of(content),
            description=content.get("description") or content.get("name") or "",
            valid_from=valid_from,
        )
    except TariffError as error:
        raise CannotSend(f"The tariff cannot be read: {error}.") from error
    except Untranslatable as error:
        raise CannotSend(f"This tariff cannot be said in OCPP 2.1. {error}") from error
    return wire


def _set_default(payload: Payload) -> Payload:
    moment = mapping.times(payload, valid_from="validFrom").get("validFrom", "")
    return {
        "evseId": payload.get("connector", 0),
        "tariff": tariff_type(payload["tariff"], payload.get("tariff_id", ""), moment),
    }


def _get(payload: Payload) -> Payload:
    return {"evseId": payload.get("connector", 0)}


def _clear(payload: Payload) -> Payload:
    call = mapping.copied(payload, connector="evseId")
    return {**call, "tariffIds": payload["tariff_ids"]} if payload.get("tariff_ids") else call


def _change(payload: Payload) -> Payload:
    return {
        "transactionId": payload["transaction_id"],
        "tariff": tariff_type(payload["tariff"], payload.get("tariff_id", "")),
    }


# ---------------------------------------------------------------- a driver's own tariff

_AUTHORIZE = authorization.BLOCK.actions["Authorize"]


def authorize_out(done: Authorization) -> Payload:
    """The answer of 2.0.1 and the driver's own tariff (I08); one that 2.1 cannot say is left out: we calculate then."""
    answer = _AUTHORIZE.write(done)
    if done.tariff is None:
        return answer
    try:
        return {**answer, "tariff": tariff_type(done.tariff)}
    except CannotSend as error:
        logger.info("authorize.without_tariff", extra={"reason": str(error)})
        return answer


# ---------------------------------------------------------------- what comes back


def _keep_default(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != "Accepted":
        return ()

    def keep(command: Command) -> None:
        tariff = request["tariff"]
        charger_tariffs.took_default(
            command,
            evse=mapping.whole(request.get("evseId")),
            tariff_id=mapping.text(tariff, "tariffId", ID_LENGTH),
            content=_content(tariff),
            valid_from=mapping.timestamp(tariff.get("validFrom")),
            now=timezone.now(),
        )

    return (keep,)


def _content(wire: Mapping[str, Any]) -> Payload | None:
    """What was sent, in our form; None where it cannot be said in it (a message that somebody wrote himself)."""
    try:
        read = from_wire(wire).as_snapshot()
    except (Untranslatable, TariffError, ArithmeticError):
        return None
    texts = wire.get("description") or ()
    return {**read, "description": str(texts[0].get("content", ""))} if texts else read


def _keep_list(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") not in ("Accepted", "NoTariff"):
        return ()
    told = [_told(row) for row in response.get("tariffAssignments") or () if isinstance(row, Mapping)]

    def keep(command: Command) -> None:
        evse = mapping.whole(request.get("evseId"))
        charger_tariffs.listed(command, evse=evse, tariffs=told, now=timezone.now())

    return (keep,)


def _told(row: Mapping[str, Any]) -> Told:
    return Told(
        tariff_id=mapping.text(row, "tariffId", ID_LENGTH),
        kind=mapping.text(row, "tariffKind", 20) or DEFAULT,
        evses=tuple(max(0, mapping.whole(number)) for number in row.get("evseIds") or ()),
        valid_from=mapping.timestamp(row.get("validFrom")),
        id_tokens=tuple(str(token)[:255] for token in row.get("idTokens") or ()),
    )


def _results(response: Payload) -> list[Mapping[str, Any]]:
    return [row for row in response.get("clearTariffsResult") or () if isinstance(row, Mapping)]


def _clear_status(response: Payload) -> CommandStatus:
    """Accepted where nothing was refused: to find no tariff is what was wanted."""
    refused = any(row.get("status") == "Rejected" for row in _results(response))
    return CommandStatus.REJECTED if refused else CommandStatus.ACCEPTED


def _tell_cleared(response: Payload) -> str:
    rows = _results(response)
    gone = [str(row["tariffId"]) for row in rows if row.get("status") == "Accepted" and row.get("tariffId")]
    kept = [str(row.get("tariffId") or "one") for row in rows if row.get("status") == "Rejected"]
    parts = [f"Removed: {_some(gone)}." if gone else "There was no such tariff." if not kept else ""]
    parts += [f"Not removed: {_some(kept)}."] if kept else []
    return " ".join(filter(None, parts))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


def _keep_cleared(request: Payload, response: Payload) -> Sequence[Effect]:
    rows = _results(response)
    gone = [
        str(row["tariffId"])
        for row in rows
        if row.get("tariffId") and row.get("status") in ("Accepted", "NoTariff")
    ]
    whole = not gone and any(row.get("status") in ("Accepted", "NoTariff") for row in rows)
    if not gone and not whole:
        return ()
    asked = [str(name) for name in request.get("tariffIds") or ()]
    evse = request.get("evseId")
    return (
        partial(
            charger_tariffs.cleared,
            evse=None if evse is None else mapping.whole(evse),
            tariff_ids=gone or asked,
        ),
    )


def _tell_list(response: Payload) -> str:
    rows = [row for row in response.get("tariffAssignments") or () if isinstance(row, Mapping)]
    if not rows:
        return "The charger has no tariff." if response.get("status") == "NoTariff" else ""
    return f"{len(rows)} tariff{'s' if len(rows) > 1 else ''}: {_some([str(row.get('tariffId')) for row in rows])}."


def _list_status(response: Payload) -> CommandStatus:
    known = response.get("status") in ("Accepted", "NoTariff")
    return CommandStatus.ACCEPTED if known else CommandStatus.REJECTED


def _keep_change(request: Payload, response: Payload) -> Sequence[Effect]:
    if response.get("status") != "Accepted":
        return ()
    tariff = request["tariff"]
    return (
        partial(
            local_costs.tariff_changed,
            ocpp_id=mapping.text(request, "transactionId", 36),
            tariff_id=mapping.text(tariff, "tariffId", ID_LENGTH),
        ),
    )


_TOO_MANY = "The charger takes fewer prices than this tariff has."
_NO_CONDITIONS = "The charger takes no prices that depend on time, energy or power."

BLOCK = Block(
    actions={"Authorize": replace(_AUTHORIZE, write=authorize_out)},
    calls={
        "set_default_tariff": sent_as("SetDefaultTariff", _set_default),
        "get_tariffs": sent_as("GetTariffs", _get),
        "clear_tariffs": sent_as("ClearTariffs", _clear),
        "change_transaction_tariff": sent_as("ChangeTransactionTariff", _change),
    },
    status_of={"GetTariffs": _list_status, "ClearTariffs": _clear_status},
    tell={"GetTariffs": _tell_list, "ClearTariffs": _tell_cleared},
    effects={
        "SetDefaultTariff": _keep_default,
        "GetTariffs": _keep_list,
        "ClearTariffs": _keep_cleared,
        "ChangeTransactionTariff": _keep_change,
    },
    sentences={
        ("SetDefaultTariff", "Rejected"): "The charger does not take this tariff.",
        ("SetDefaultTariff", "TooManyElements"): _TOO_MANY,
        ("SetDefaultTariff", "ConditionNotSupported"): _NO_CONDITIONS,
        ("SetDefaultTariff", "DuplicateTariffId"): "The charger has a tariff with this id already.",
        ("GetTariffs", "Rejected"): "The charger does not tell its tariffs.",
        ("ChangeTransactionTariff", "Rejected"): "The charger does not take this tariff.",
        ("ChangeTransactionTariff", "TooManyElements"): _TOO_MANY,
        ("ChangeTransactionTariff", "ConditionNotSupported"): _NO_CONDITIONS,
        ("ChangeTransactionTariff", "TxNotFound"): "The charger knows no such running session.",
        ("ChangeTransactionTariff", "NoCurrencyChange"): "The session is in another currency.",
    },
)
