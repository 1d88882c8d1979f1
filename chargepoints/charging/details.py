"""What OCPP 2.x says in a charging profile beyond limits over time, as tables: our names, theirs, and how each is read.

2.0.1 part 2 §2.11–2.14, 2.1 part 2 §2.16–2.20.  Pure Python; numbers are decimals, absent fields stay absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Kind = Literal["number", "integer", "flag", "text", "object", "pairs"]
Details = dict[str, Any]

_MAX_INTEGER = 2**31 - 1
_MAX_PAIRS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One field.

    kind     `object`: in the form of the message, its schema is checked when it is sent; `pairs`: rows of two numbers
    pair     the names of the two
    """

    name: str
    wire: str
    kind: Kind = "number"
    pair: tuple[str, str] = ("", "")


def _phases(name: str, wire: str) -> tuple[Detail, ...]:
    """A number for the sum, or the first phase where the other two have their own."""
    return (
        Detail(name=name, wire=wire),
        Detail(name=f"{name}_l2", wire=f"{wire}_L2"),
        Detail(name=f"{name}_l3", wire=f"{wire}_L3"),
    )


LIMITS = _phases("limit", "limit")
DISCHARGE_LIMITS = _phases("discharge_limit", "dischargeLimit")
SETPOINTS = _phases("setpoint", "setpoint")
REACTIVE = _phases("setpoint_reactive", "setpointReactive")
#: What a dynamic profile is updated with (2.1 ChargingScheduleUpdateType).
UPDATES = (*LIMITS, *DISCHARGE_LIMITS, *SETPOINTS, *REACTIVE)

OPERATION_MODE = "operation_mode"
#: Of a period, beside its start, limit and phases.
PERIOD = (
    *LIMITS[1:],
    *DISCHARGE_LIMITS,
    *SETPOINTS,
    *REACTIVE,
    Detail(name=OPERATION_MODE, wire="operationMode", kind="text"),
    Detail(name="v2x_baseline", wire="v2xBaseline"),
    Detail(name="v2x_freq_watt_curve", wire="v2xFreqWattCurve", kind="pairs", pair=("frequency", "power")),
    Detail(name="v2x_signal_watt_curve", wire="v2xSignalWattCurve", kind="pairs", pair=("signal", "power")),
    Detail(name="preconditioning_request", wire="preconditioningRequest", kind="flag"),
    Detail(name="evse_sleep", wire="evseSleep", kind="flag"),
)
#: Of a profile.
PROFILE = (
    Detail(name="max_offline_duration", wire="maxOfflineDuration", kind="integer"),
    Detail(name="invalid_after_offline_duration", wire="invalidAfterOfflineDuration", kind="flag"),
    Detail(name="dyn_update_interval", wire="dynUpdateInterval", kind="integer"),
    Detail(name="price_schedule_signature", wire="priceScheduleSignature", kind="text"),
)
#: Of its schedule.
SCHEDULE = (
    Detail(name="limit_at_soc", wire="limitAtSoC", kind="object"),
    Detail(name="use_local_time", wire="useLocalTime", kind="flag"),
    Detail(name="randomized_delay", wire="randomizedDelay", kind="integer"),
    Detail(name="power_tolerance", wire="powerTolerance"),
    Detail(name="signature_id", wire="signatureId", kind="integer"),
    Detail(name="digest_value", wire="digestValue", kind="text"),
    Detail(name="sales_tariff", wire="salesTariff", kind="object"),
    Detail(name="absolute_price_schedule", wire="absolutePriceSchedule", kind="object"),
    Detail(name="price_level_schedule", wire="priceLevelSchedule", kind="object"),
)
#: What 2.0.1 knows of these.
KNOWN_TO_201 = frozenset({"sales_tariff"})


def read_details(values: Mapping[str, Any], table: Sequence[Detail]) -> Details:
    """The fields of a table that are there; raises ValueError and its kin where one is not what it should be."""
    return {
        field.name: _read(field, values[field.name])
        for field in table
        if values.get(field.name) is not None and values[field.name] != ""
    }


def read_wire(values: Mapping[str, Any], table: Sequence[Detail]) -> dict[str, Any]:
    """Theirs → ours, as received."""
    found: dict[str, Any] = {}
    for field in table:
        value = values.get(field.wire)
        if value is not None:
            found[field.name] = value
    return found


def write_wire(details: Mapping[str, Any], table: Sequence[Detail]) -> dict[str, Any]:
    """Ours → theirs, with JSON numbers."""
    return {field.wire: _plain(details[field.name]) for field in table if details.get(field.name) is not None}


def _read(field: Detail, value: Any) -> Any:
    match field.kind:
        case "number":
            return decimal_of(value)
        case "integer":
            return _integer(value)
        case "flag":
            if not isinstance(value, bool):
                raise ValueError(f"{field.name} is neither true nor false")
            return value
        case "text":
            return str(value)[:512]
        case "pairs":
            return [
                {name: decimal_of(row[name]) for name in field.pair} for row in _sequence(value)[:_MAX_PAIRS]
            ]
    if not isinstance(value, Mapping):
        raise ValueError(f"{field.name} is no object")
    return dict(value)


def _sequence(value: Any) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError("no list")
    return value


def _integer(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or number != Decimal(str(value)) or not 0 <= number <= _MAX_INTEGER:
        raise ValueError("a whole number is wrong")
    return number


def decimal_of(value: Any) -> Decimal:
    """A number as its digits say; raises ValueError or InvalidOperation."""
    number = Decimal(str(value))
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError("a number is wrong")
    return number


def plain_number(value: Decimal) -> int | float:
    """A decimal as a JSON number: doubles print up to fifteen digits unchanged."""
    return int(value) if value == value.to_integral_value() else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
