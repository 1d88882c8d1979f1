"""What a charger of OCPP 2.x says it can do about costs, in one word each, so that no message needs a look at its
device model.

`tariffs`: it calculates costs itself by tariffs that we give it (TariffCostCtrlr). `display`: it shows the costs that
we tell. `maxCost`, `maxEnergy`, `maxTime`, `maxSoC`: the limits of a session that it knows (TxCtrlr.SupportedLimits).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chargepoints.models import ChargePoint

TARIFFS, DISPLAY = "tariffs", "display"
LIMITS = ("maxCost", "maxEnergy", "maxTime", "maxSoC")

COST_COMPONENT, LIMIT_COMPONENT = "TariffCostCtrlr", "TxCtrlr"
#: (component, variable, instance) in small letters.
Known = Mapping[tuple[str, str, str], str]


def features_of(values: Known) -> str:
    """The words for what the device model says."""
    found = []
    if _is_on(values, "tariff") and _is_on(values, "cost"):
        found.append(TARIFFS)
    if _is_on(values, "cost") or _is_on(values, "tariff"):
        found.append(DISPLAY)
    limits = values.get((LIMIT_COMPONENT.casefold(), "supportedlimits", ""), "")
    named = {part.strip().casefold() for part in limits.split(",")}
    found += [limit for limit in LIMITS if limit.casefold() in named]
    return " ".join(found)


def _is_on(values: Known, instance: str) -> bool:
    """Available, and not switched off (2.1 part 2, TariffCostCtrlr)."""
    component = COST_COMPONENT.casefold()
    available = values.get((component, "available", instance), "")
    enabled = values.get((component, "enabled", instance), "true")
    return available.casefold() == "true" and enabled.casefold() == "true"


def has_feature(charge_point: ChargePoint, feature: str) -> bool:
    """Whether it can do this."""
    return feature in charge_point.cost_features.split(" ")


def supported_limits(charge_point: ChargePoint) -> tuple[str, ...]:
    """The limits of a session that it knows."""
    return only_limits(charge_point.cost_features.split(" "))


def only_limits(words: Iterable[str]) -> tuple[str, ...]:
    known = set(words)
    return tuple(limit for limit in LIMITS if limit in known)
