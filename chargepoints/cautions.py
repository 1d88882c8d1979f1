"""What speaks against a command before it is sent: sentences for who asks, never a refusal.

What a charger does is for the charger to say.  But much of it can be known before: that it reported a key as
read-only, a connector as occupied, a profile as not supported.  Each rule takes what is known of the charger and the
arguments of a neutral command, and gives sentences; no rule reads the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from chargepoints import configuration_keys, variable_checks
from chargepoints.charging.plan import DEFAULT_PHASES
from chargepoints.choices import ConnectorStatus
from chargepoints.command_fields import read_time
from chargepoints.variable_checks import Told
from chargepoints.variable_names import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A configuration value as the charger last reported it; `value` None: not told.

    told  what a charger of 2.x told about the variable
    """

    value: str | None
    is_readonly: bool = False
    told: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session that is open at the charger."""

    connector: int
    ocpp_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A reservation that the charger holds, or may hold; connector 0: any."""

    number: int
    connector: int
    id_token: str
    parent_id_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What we would answer to a tag: Accepted, Blocked, Expired or Invalid (unknown)."""

    status: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a charger.

    connectors    number → status as last reported; empty: none was ever reported
    keys          canonical name → configuration; of a part only unless `knows_all_keys`
    cuts_orders   orders about many variables are sent as several messages
    list_version  of the local list that it holds
    profiles      numbers of the charging profiles that it holds, or may hold
    tokens        case-folded value → what we know of it, for the tags that the command names
    """

    now: datetime
    is_online: bool = True
    security_profile: int = 0
    connectors: Mapping[int, str] = field(default_factory=dict)
    sessions: tuple[Session, ...] = ()
    reservations: tuple[Held, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    knows_all_keys: bool = False
    cuts_orders: bool = False
    list_version: int | None = None
    profiles: frozenset[int] = frozenset()
    tokens: Mapping[str, Token] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """A configuration value that the charger has told."""
        key = self.keys.get(canonical(name))
        return key.value if key is not None else None

    def number(self, name: str) -> int | None:
        """The same, of a whole number."""
        text = (self.value(name) or "").strip()
        return int(text) if text.isdecimal() and len(text) < 10 else None

    def truth(self, name: str) -> bool | None:
        """The same, of a yes or no."""
        return {"true": True, "false": False}.get((self.value(name) or "").strip().casefold())

    def items(self, name: str) -> frozenset[str]:
        """The same, of a list; case-folded, empty where the charger has told nothing."""
        return frozenset(
            item.strip().casefold() for item in (self.value(name) or "").split(",") if item.strip()
        )


OFFLINE = "The charger is offline: the command waits until it connects."

Payload = Mapping[str, Any]
Rule = Callable[[Facts, Payload], Iterator[str]]

#: Part of the protocol that a charger must support for a command, as it names it itself.
_FEATURES = {
    "reserve_now": "Reservation",
    "cancel_reservation": "Reservation",
    "set_charging_profile": "SmartCharging",
    "clear_charging_profile": "SmartCharging",
    "get_composite_schedule": "SmartCharging",
    "send_local_list": "LocalAuthListManagement",
    "get_local_list_version": "LocalAuthListManagement",
    "update_firmware": "FirmwareManagement",
    "get_diagnostics": "FirmwareManagement",
    "trigger_message": "RemoteTrigger",
}
_BUSY = {
    ConnectorStatus.CHARGING: "is charging",
    ConnectorStatus.SUSPENDED_EV: "is in a session",
    ConnectorStatus.SUSPENDED_EVSE: "is in a session",
    ConnectorStatus.FINISHING: "still has the cable of the last session",
    ConnectorStatus.OCCUPIED: "is occupied",
}
_OUT = {ConnectorStatus.UNAVAILABLE: "is out of service", ConnectorStatus.FAULTED: "reports a fault"}
#: Statuses of a connector on which a session runs.
CHARGING = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)
_UNITS = {"A": ("current", "ampere"), "W": ("power", "watt")}


def cautions(facts: Facts, action: str, payload: Payload) -> list[str]:
    """What speaks against sending a command, each sentence once; `payload` has passed its checks.

    Of an OCPP message sent verbatim nothing is said but that its charger is offline.
    """
    found = list(_offline(facts))
    if action in _FEATURES:
        found += _without_feature(facts, _FEATURES[action])
    for rule in _RULES.get(action, ()):
        found += rule(facts, payload)
    return list(dict.fromkeys(found))


# --- any command ---


def _offline(facts: Facts) -> Iterator[str]:
    if not facts.is_online:
        yield OFFLINE


def _without_feature(facts: Facts, name: str) -> Iterator[str]:
    # Some write the names with spaces.
    supported = {item.replace(" ", "") for item in facts.items("SupportedFeatureProfiles")}
    if supported and name.casefold() not in supported:
        yield f"The charger does not list {name} among the features that it supports."


def _connector(facts: Facts, payload: Payload) -> Iterator[str]:
    number = payload.get("connector", 0)
    if number and facts.connectors and number not in facts.connectors:
        known = _listed(str(one) for one in sorted(facts.connectors))
        yield f"The charger has reported no connector {number}, only {known}."


# --- sessions ---


def _busy(facts: Facts, number: int) -> str:
    """Why a session cannot begin on a connector; "" where nothing speaks against it."""
    status = facts.connectors.get(number, "")
    if any(session.connector == number for session in facts.sessions) and status not in _BUSY:
        return "is in a session"
    return {**_BUSY, **_OUT}.get(ConnectorStatus(status), "") if status in ConnectorStatus.values else ""


def _place(facts: Facts, payload: Payload) -> Iterator[str]:
    """The connector on which something is to begin, or all of them where the charger may choose."""
    number = payload.get("connector", 0)
    if number:
        if reason := _busy(facts, number):
            yield f"Connector {number} {reason}."
    elif facts.connectors and all(_busy(facts, one) for one in facts.connectors):
        yield "No connector is free."


def _token(facts: Facts, payload: Payload) -> Iterator[str]:
    value = payload["id_token"]
    token = facts.tokens.get(value.casefold())
    words = {"Blocked": "is blocked", "Expired": "has expired", "Invalid": "is not known here"}
    if token is not None and token.status in words:
        yield f"The tag {value} {words[token.status]}: a session for it is refused."


def _reserved(facts: Facts, payload: Payload) -> Iterator[str]:
    """A connector that somebody else holds."""
    number, value = payload.get("connector", 0), payload["id_token"].casefold()
    if not number:
        return
    token = facts.tokens.get(value)
    group = token.group.casefold() if token is not None else ""
    held = [row for row in facts.reservations if row.connector == number]
    ours = [
        row
        for row in held
        if row.id_token.casefold() == value or (group and row.parent_id_token.casefold() == group)
    ]
    if held and not ours:
        yield f"Connector {number} is reserved for the tag {held[0].id_token} (reservation {held[0].number})."
    elif not held and facts.connectors.get(number) == ConnectorStatus.RESERVED:
        yield f"The charger reports connector {number} as reserved."


def _start_profile(facts: Facts, payload: Payload) -> Iterator[str]:
    if "charging_profile" in payload:
        yield from _without_feature(facts, "SmartCharging")


def _stop(facts: Facts, payload: Payload) -> Iterator[str]:
    if all(session.ocpp_id != payload["transaction_id"] for session in facts.sessions):
        yield f"No session with the id {payload['transaction_id']} is open at this charger."


def _running(facts: Facts) -> list[int]:
    """Connectors on which a session runs: by our books, or by what the charger reports."""
    reported = {number for number, status in facts.connectors.items() if status in CHARGING}
    return sorted(reported | {session.connector for session in facts.sessions})


def _running_words(numbers: list[int]) -> str:
    where = _listed(str(number) for number in numbers)
    several = len(numbers) > 1
    return f"{'Sessions are' if several else 'A session is'} running on connector{'s' * several} {where}"


def _reset(facts: Facts, payload: Payload) -> Iterator[str]:
    place = payload.get("connector")
    numbers = [number for number in _running(facts) if place is None or number == place]
    if not numbers:
        return
    kind = payload["kind"]
    if kind == "OnIdle" or (kind == "Soft" and facts.cuts_orders):
        yield f"{_running_words(numbers)}: the charger restarts when it has ended."
    elif kind == "ImmediateAndResume":
        yield f"{_running_words(numbers)}: interrupted by the reset, and resumed."
    else:
        how = "in good order" if kind == "Soft" else "perhaps without a stop that reaches us"
        yield f"{_running_words(numbers)}: ended by the reset, {how}."


def _unlock(facts: Facts, payload: Payload) -> Iterator[str]:
    if payload["connector"] in _running(facts):
        yield f"{_running_words([payload['connector']])}: unlocking ends it."


def _availability(facts: Facts, payload: Payload) -> Iterator[str]:
    number = payload["connector"]
    running = [one for one in _running(facts) if number in (0, one)]
    if running and not payload["operative"]:
        yield f"{_running_words(running)}: the change takes effect when nothing is running any more."


def _firmware(facts: Facts, payload: Payload) -> Iterator[str]:
    if numbers := _running(facts):
        yield f"{_running_words(numbers)}: the charger may end it for the installation, or wait for its end."


# --- reservations ---


def _reserve(facts: Facts, payload: Payload) -> Iterator[str]:
    can = not facts.knows_all_keys or facts.truth("ReserveConnectorZeroSupported")
    if not payload["connector"] and not can:
        yield "The charger takes no reservations for “any connector”: name one."


def _cancel(facts: Facts, payload: Payload) -> Iterator[str]:
    if all(row.number != payload["reservation_id"] for row in facts.reservations):
        yield f"No reservation {payload['reservation_id']} is active here."


# --- configuration ---


def _change(facts: Facts, payload: Payload) -> Iterator[str]:
    yield from _set_one(facts, payload["key"], payload["value"])


def _set_many(facts: Facts, payload: Payload) -> Iterator[str]:
    for row in payload["variables"]:
        yield from _set_one(facts, row["key"], row["value"])


def _set_one(facts: Facts, name: str, value: str) -> Iterator[str]:
    key = facts.keys.get(canonical(name))
    if key is None and facts.knows_all_keys and canonical(name) not in _NEVER_REPORTED:
        yield f"The charger has not reported a key {name}."
    if key is not None and key.is_readonly:
        yield f"The charger reports {name} as read-only."
    elif key is not None and key.told is not None and key.told.data_type:
        if wrong := variable_checks.problem(key.told, value):
            yield f"{name}: {wrong}"
    elif doubt := configuration_keys.doubt(name, value):
        yield doubt
    if canonical(name) == "securityprofile":
        present = facts.number(name)
        present = facts.security_profile if present is None else present
        if value.strip().isdecimal() and int(value[:9]) < present:
            yield f"This lowers the security profile from {present}: chargers refuse that."


#: Keys that chargers take and need not show: they hold secrets.
_NEVER_REPORTED = frozenset({"authorizationkey"})


def _read(facts: Facts, payload: Payload) -> Iterator[str]:
    names = payload.get("keys", payload.get("variables", []))
    unknown = [name for name in names if canonical(name) not in facts.keys]
    if unknown and facts.knows_all_keys:
        yield f"The charger has not reported {_listed(unknown)}."
    most = facts.number("GetConfigurationMaxKeys")
    if most is not None and len(names) > most and not facts.cuts_orders:
        yield f"The charger takes up to {most} keys in one message; these are {len(names)}."


def _cache(facts: Facts, payload: Payload) -> Iterator[str]:
    if facts.truth("AuthorizationCacheEnabled") is False:
        yield "The charger's authorization cache is off (AuthorizationCacheEnabled)."


# --- local list ---


def _local_list(facts: Facts, payload: Payload) -> Iterator[str]:
    count = len(payload.get("entries", []))
    if facts.truth("LocalAuthListEnabled") is False:
        yield "The charger does not use its local list (LocalAuthListEnabled is false)."
    most = facts.number("SendLocalListMaxLength")
    if most is not None and count > most:
        yield f"The charger takes up to {most} tags in one message (SendLocalListMaxLength); these are {count}."
    room = facts.number("LocalAuthListMaxLength")
    if room is not None and count > room:
        yield f"The charger's list holds up to {room} tags (LocalAuthListMaxLength); these are {count}."
    held, version = facts.list_version, payload.get("version")
    if held is None or version is None or payload["update_type"] != "Differential":
        return
    if version <= held:
        yield f"The charger holds version {held} already: it takes only changes to a higher one."


# --- charging profiles ---


def _profile(facts: Facts, payload: Payload) -> Iterator[str]:
    highest = facts.number("ChargeProfileMaxStackLevel")
    if highest is not None and payload["stack_level"] > highest:
        yield f"The charger takes levels up to {highest} (ChargeProfileMaxStackLevel)."
    most, count = facts.number("ChargingScheduleMaxPeriods"), len(payload["periods"])
    if most is not None and count > most:
        yield f"The charger takes up to {most} periods (ChargingScheduleMaxPeriods); these are {count}."
    room, others = facts.number("MaxChargingProfilesInstalled"), facts.profiles - {payload["profile_id"]}
    if room is not None and len(others) >= room:
        yield f"The charger keeps up to {room} profiles (MaxChargingProfilesInstalled) and holds {len(others)}."
    phases = {period.get("number_phases", DEFAULT_PHASES) for period in payload["periods"]}
    if len(phases) > 1 and facts.truth("ConnectorSwitch3to1PhaseSupported") is False:
        yield "The charger cannot change the number of phases during a session (ConnectorSwitch3to1PhaseSupported)."
    valid_to = read_time(payload.get("valid_to"))
    if valid_to is not None and valid_to <= facts.now:
        yield "The profile is no longer valid: “valid until” is in the past."
    if payload["purpose"] == "TxProfile":
        yield from _profile_session(facts, payload)


def _profile_session(facts: Facts, payload: Payload) -> Iterator[str]:
    """A profile for a session needs one (OCPP 1.6 §5.16.2)."""
    number, wanted = payload["connector"], payload.get("transaction_id")
    if wanted is not None and all(session.ocpp_id != wanted for session in facts.sessions):
        yield f"No session with the id {wanted} is open at this charger."
    elif number not in _running(facts):
        yield f"No session is running on connector {number}: the charger discards a TxProfile then."


def _unit(facts: Facts, payload: Payload) -> Iterator[str]:
    allowed = facts.items("ChargingScheduleAllowedChargingRateUnit")
    unit = payload.get("charging_rate_unit")
    if unit is None or not allowed:
        return
    quantity, word = _UNITS[unit]
    # Chargers write the quantity, as the specification asks, or the unit.
    if not allowed & {quantity, unit.casefold()}:
        yield f"The charger takes no limits in {word} (ChargingScheduleAllowedChargingRateUnit)."


# --- files ---


def _times(facts: Facts, payload: Payload) -> Iterator[str]:
    retrieve_at, install_at = read_time(payload.get("retrieve_at")), read_time(payload.get("install_at"))
    if retrieve_at is not None and retrieve_at <= facts.now:
        yield "The time to fetch the file is in the past: the charger begins at once."
    if install_at is not None and retrieve_at is not None and install_at < retrieve_at:
        yield "The time to install is before the time to fetch: the charger installs as soon as it can."


def _file(facts: Facts, payload: Payload) -> Iterator[str]:
    supported = facts.items("SupportedFileTransferProtocols")
    scheme = _scheme(payload["location"])
    if supported and scheme and scheme not in supported:
        known = _listed(sorted(name.upper() for name in supported))
        yield f"The charger transfers files by {known}, not by {scheme.upper()}."


def _scheme(location: str) -> str:
    try:
        return urlsplit(location).scheme.casefold()
    except ValueError:
        return ""


def _chain(facts: Facts, payload: Payload) -> Iterator[str]:
    most, length = facts.number("CertificateSignedMaxChainSize"), len(payload["certificate_chain"])
    if most is not None and length > most:
        yield f"The charger takes chains of up to {most} characters; this one has {length}."


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    if len(shown) > 10:
        shown = [*shown[:10], f"{len(shown) - 10} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


_RULES: dict[str, tuple[Rule, ...]] = {
    "remote_start": (_connector, _place, _reserved, _token, _start_profile),
    "remote_stop": (_stop,),
    "reset": (_reset,),
    "unlock_connector": (_connector, _unlock),
    "change_availability": (_connector, _availability),
    "get_configuration": (_read,),
    "change_configuration": (_change,),
    "get_variables": (_read,),
    "set_variables": (_set_many,),
    "clear_cache": (_cache,),
    "trigger_message": (_connector,),
    "reserve_now": (_connector, _place, _reserved, _token, _reserve),
    "cancel_reservation": (_cancel,),
    "send_local_list": (_local_list,),
    "set_charging_profile": (_connector, _profile, _unit),
    "clear_charging_profile": (_connector,),
    "get_composite_schedule": (_connector, _unit),
    "update_firmware": (_times, _file, _firmware),
    "signed_update_firmware": (_times, _file, _firmware),
    "get_diagnostics": (_file,),
    "get_log": (_file,),
    "certificate_signed": (_chain,),
}
