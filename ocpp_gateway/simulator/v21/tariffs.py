"""Tariffs and cost that a charge point of 2.1 counts itself, and limits of a transaction (2.1 part 2, I07–I12, E16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp_gateway.simulator.answers import Answer, Payload, status
from ocpp_gateway.simulator.v201.places import rejected
from ocpp_gateway.simulator.v201.sessions import Session201
from ocpp_gateway.wire.timestamps import format_timestamp

if TYPE_CHECKING:
    from ocpp_gateway.simulator.v21.charge_point import ChargePoint21

_PRICES = ("energy", "chargingTime", "idleTime", "fixedFee", "reservationTime", "reservationFixed")


# ---------------------------------------------------------------- calls of the CSMS
def set_default_tariff(cp: ChargePoint21, payload: Payload) -> Answer:
    evse, tariff = int(payload["evseId"]), payload["tariff"]
    if not 0 <= evse < len(cp.connectors):
        return rejected("UnknownEvse")
    refusal = _refusal(cp, tariff)
    if refusal:
        return status(refusal)
    held = {number: each["tariffId"] for number, each in cp.tariffs.items() if number != evse}
    if tariff["tariffId"] in held.values() and evse:
        return status("DuplicateTariffId")
    if evse == 0:
        cp.tariffs.clear()
    cp.tariffs[evse] = tariff
    return status("Accepted")


def _refusal(cp: ChargePoint21, tariff: Payload) -> str:
    most = cp.device.integer("TariffCostCtrlr", "MaxElements", "Tariff")
    parts = [tariff[name] for name in _PRICES if name in tariff]
    if any(len(part["prices"]) > most for part in parts):
        return "TooManyElements"
    has_conditions = any("conditions" in price for part in parts for price in part["prices"])
    return "ConditionNotSupported" if has_conditions else ""


def get_tariffs(cp: ChargePoint21, payload: Payload) -> Answer:
    wanted = int(payload["evseId"])
    rows: list[Payload] = [
        {
            "tariffId": tariff["tariffId"],
            "tariffKind": "DefaultTariff",
            "evseIds": [evse] if evse else list(range(1, len(cp.connectors))),
        }
        for evse, tariff in cp.tariffs.items()
        if wanted in (0, evse) or evse == 0
    ]
    rows += [
        {
            "tariffId": session.more["tariff"]["tariffId"],
            "tariffKind": "DriverTariff",
            "evseIds": [session.connector],
            "idTokens": [session.id_tag],
        }
        for session in cp.sessions()
        if "tariff" in session.more and wanted in (0, session.connector)
    ]
    return Answer({"status": "Accepted", "tariffAssignments": rows}) if rows else status("NoTariff")


def clear_tariffs(cp: ChargePoint21, payload: Payload) -> Answer:
    wanted, evse = payload.get("tariffIds"), payload.get("evseId")
    found = [
        number
        for number, tariff in cp.tariffs.items()
        if tariff["tariffId"] in (wanted or [tariff["tariffId"]]) and evse in (None, number)
    ]
    results = [{"tariffId": cp.tariffs.pop(number)["tariffId"], "status": "Accepted"} for number in found]
    known = {row["tariffId"] for row in results}
    results += [{"tariffId": each, "status": "NoTariff"} for each in wanted or [] if each not in known]
    return Answer({"clearTariffsResult": results or [{"status": "NoTariff"}]})


def change_transaction_tariff(cp: ChargePoint21, payload: Payload) -> Answer:
    session = cp.find_session(payload["transactionId"])
    if session is None:
        return status("TxNotFound")
    tariff, before = payload["tariff"], tariff_of(cp, session)
    if before is not None and before["currency"] != tariff["currency"]:
        return status("NoCurrencyChange")
    refusal = _refusal(cp, tariff)
    if refusal:
        return status(refusal)
    session.more["tariff"] = tariff
    return status("Accepted", _tell_change(cp, session))


async def _tell_change(cp: ChargePoint21, session: Session201) -> None:
    cp.events.queue(session, "Updated", "TariffChanged")


def web_payment_started(cp: ChargePoint21, payload: Payload) -> Answer:
    cp.web_payments[int(payload["evseId"])] = int(payload["timeout"])
    return Answer({})


# ---------------------------------------------------------------- cost
def tariff_of(cp: ChargePoint21, session: Session201) -> Payload | None:
    """The tariff of a session: the driver's, the EVSE's, or that of all EVSEs."""
    found: Payload | None = session.more.get("tariff") or cp.tariffs.get(session.connector)
    return found or cp.tariffs.get(0)


def cost_details(cp: ChargePoint21, session: Session201) -> Payload | None:
    """CostDetailsType as it stands now; None without a tariff (I12)."""
    tariff = tariff_of(cp, session)
    if tariff is None:
        return None
    plug = cp.connectors[session.connector]
    register = plug.meter.register_wh if session.meter_stop_wh is None else session.meter_stop_wh
    energy_kwh = (register - session.meter_start_wh) / 1000
    seconds = max(0, int((cp.clock.now() - session.started_at).total_seconds()))
    parts = {
        "energy": energy_kwh * _first(tariff, "energy", "priceKwh"),
        "chargingTime": seconds / 60 * _first(tariff, "chargingTime", "priceMinute"),
        "fixed": _first(tariff, "fixedFee", "priceFixed"),
    }
    total = {"exclTax": round(sum(parts.values()), 4)}
    kept = {name: {"exclTax": round(amount, 4)} for name, amount in parts.items() if amount}
    return {
        "totalCost": {"currency": tariff["currency"], "typeOfCost": "NormalCost", "total": total, **kept},
        "totalUsage": {"energy": energy_kwh, "chargingTime": seconds, "idleTime": 0},
        "chargingPeriods": [
            {
                "startPeriod": format_timestamp(session.started_at),
                "tariffId": tariff["tariffId"],
                "dimensions": [{"type": "Energy", "volume": energy_kwh}],
            }
        ],
    }


def _first(tariff: Payload, part: str, price: str) -> float:
    prices = (tariff.get(part) or {}).get("prices") or []
    return float(prices[0][price]) if prices else 0.0


# ---------------------------------------------------------------- limits of a transaction
def reached(cp: ChargePoint21, session: Session201) -> str:
    """Which limit of the transaction has been reached (E16): the trigger, or ""."""
    limit: Payload = session.more.get("limit", {})
    plug = cp.connectors[session.connector]
    elapsed = (cp.clock.now() - session.started_at).total_seconds()
    details = cost_details(cp, session) if "maxCost" in limit else None
    if plug.meter.register_wh - session.meter_start_wh >= limit.get("maxEnergy", float("inf")):
        return "EnergyLimitReached"
    if elapsed >= limit.get("maxTime", float("inf")):
        return "TimeLimitReached"
    if (plug.soc() or 0) >= limit.get("maxSoC", 101):
        return "SoCLimitReached"
    cost = details["totalCost"]["total"]["exclTax"] if details is not None else session.cost or 0
    return "CostLimitReached" if cost >= limit.get("maxCost", float("inf")) else ""


HANDLERS = {
    "ChangeTransactionTariff": change_transaction_tariff,
    "ClearTariffs": clear_tariffs,
    "GetTariffs": get_tariffs,
    "NotifyWebPaymentStarted": web_payment_started,
    "SetDefaultTariff": set_default_tariff,
}
