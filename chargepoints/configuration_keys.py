"""The standard configuration keys: what they are, and how their values are written and compared.

Those of OCPP 1.6 stand here; for variables of 2.x the tables of the appendices are asked (`device_model`).

Spec: OCPP 1.6 edition 2 §9 with its errata sheet (§3.83, §3.90, §3.91), security whitepaper edition 3 §7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal

from chargepoints import device_model
from chargepoints.variable_names import VariableName, canonical, parse

Type = Literal["boolean", "integer", "decimal", "list", "sequence", "text"]
Access = Literal["R", "RW", "W", "R or RW"]

ACCESS_WORDS = {"R": "read-only", "RW": "", "W": "write-only", "R or RW": "may be read-only"}
#: Keys with a procedure of their own, by folded name.
_PROCEDURES = {
    "authorizationkey": "AuthorizationKey is a secret of each charger: change it with “Change configuration” on its "
    "page, so that the old key works until the new one is proven.",
    "securityprofile": "SecurityProfile is raised step by step for each charger: a template would cut off chargers "
    "that are not prepared for it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """A standard key.

    profile      feature profile that it belongs to; Security: of the whitepaper
    is_required  of a charger that supports the profile
    access       what chargers usually allow
    """

    name: str
    profile: str
    type: Type
    text: str
    unit: str = ""
    is_required: bool = True
    access: Access = "RW"


def _keys(profile: str, rows: Sequence[tuple[str, Type, str, bool, Access, str]]) -> list[KeySpec]:
    return [
        KeySpec(
            name=name, profile=profile, type=kind, unit=unit, is_required=needed, access=access, text=text
        )
        for name, kind, unit, needed, access, text in rows
    ]


_CORE: Sequence[tuple[str, Type, str, bool, Access, str]] = (
    ("AllowOfflineTxForUnknownId", "boolean", "", False, "RW",
     "While offline, anybody may charge whose tag the charger does not know."),
    ("AuthorizationCacheEnabled", "boolean", "", False, "RW",
     "The charger remembers tags that were accepted before."),
    ("AuthorizeRemoteTxRequests", "boolean", "", True, "R or RW",
     "A session that we start is first authorized like one that a tag starts."),
    ("BlinkRepeat", "integer", "times", False, "RW",
     "How often the lights blink when the charger signals something."),
    ("ClockAlignedDataInterval", "integer", "s", True, "RW",
     "Meter values are sent at full steps of the clock of this length; 0: none."),
    ("ConnectionTimeOut", "integer", "s", True, "RW",
     "How long the charger waits for the cable after a driver has begun."),
    ("ConnectorPhaseRotation", "list", "", True, "RW",
     "How the phases of each connector are wired, such as 0.RST, 1.RST."),
    ("ConnectorPhaseRotationMaxLength", "integer", "items", False, "R",
     "How many items ConnectorPhaseRotation may have."),
    ("GetConfigurationMaxKeys", "integer", "keys", True, "R",
     "How many keys may be asked for by name in one message."),
    ("HeartbeatInterval", "integer", "s", True, "RW",
     "How long the charger may be silent before it sends a heartbeat."),
    ("LightIntensity", "integer", "%", False, "RW",
     "How bright the charger's lights are."),
    ("LocalAuthorizeOffline", "boolean", "", True, "RW",
     "While offline, tags that the charger knows by itself may charge."),
    ("LocalPreAuthorize", "boolean", "", True, "RW",
     "While online, tags that the charger knows start at once, without asking us."),
    ("MaxEnergyOnInvalidId", "integer", "Wh", False, "RW",
     "Energy that is still delivered after a running session's tag was found invalid."),
    ("MessageTimeout", "integer", "s", False, "RW",
     "How long the charger waits for an answer before a message counts as lost."),
    ("MeterValuesAlignedData", "list", "", True, "RW",
     "What is measured at full steps of the clock."),
    ("MeterValuesAlignedDataMaxLength", "integer", "items", False, "R",
     "How many items MeterValuesAlignedData may have."),
    ("MeterValuesSampledData", "list", "", True, "RW",
     "What is measured and sent while a session runs."),
    ("MeterValuesSampledDataMaxLength", "integer", "items", False, "R",
     "How many items MeterValuesSampledData may have."),
    ("MeterValueSampleInterval", "integer", "s", True, "RW",
     "Time between two samples of a running session; 0: none."),
    ("MinimumStatusDuration", "integer", "s", False, "RW",
     "How long a status must last before it is reported."),
    ("NumberOfConnectors", "integer", "connectors", True, "R",
     "How many connectors the charger has."),
    ("ResetRetries", "integer", "times", True, "RW",
     "How often the charger tries again when a reset has failed."),
    ("StopTransactionMaxMeterValues", "integer", "values", False, "R",
     "How many meter values fit into the message that ends a session."),
    ("StopTransactionOnEVSideDisconnect", "boolean", "", True, "RW",
     "A session ends when the cable is pulled out of the car."),
    ("StopTransactionOnInvalidId", "boolean", "", True, "RW",
     "A session ends when we answer its start with a refusal of the tag."),
    ("StopTxnAlignedData", "list", "", True, "RW",
     "Measurements at full steps of the clock that come with the end of a session."),
    ("StopTxnAlignedDataMaxLength", "integer", "items", False, "R",
     "How many items StopTxnAlignedData may have."),
    ("StopTxnSampledData", "list", "", True, "RW",
     "Samples of the session that come with its end."),
    ("StopTxnSampledDataMaxLength", "integer", "items", False, "R",
     "How many items StopTxnSampledData may have."),
    ("SupportedFeatureProfiles", "list", "", True, "R",
     "Which parts of OCPP the charger supports."),
    ("SupportedFeatureProfilesMaxLength", "integer", "items", False, "R",
     "How many items SupportedFeatureProfiles may have."),
    ("TransactionMessageAttempts", "integer", "times", True, "RW",
     "How often a message about a session is tried when we fail to process it."),
    ("TransactionMessageRetryInterval", "integer", "s", True, "RW",
     "Time before such a message is tried again, longer each time."),
    ("UnlockConnectorOnEVSideDisconnect", "boolean", "", True, "R or RW",
     "The charger releases its end of the cable when the car's end is pulled out."),
    ("WebSocketPingInterval", "integer", "s", False, "RW",
     "Time between two pings on the connection; 0: the charger sends none."),
)  # fmt: skip

_LOCAL_LIST: Sequence[tuple[str, Type, str, bool, Access, str]] = (
    ("LocalAuthListEnabled", "boolean", "", True, "RW",
     "The charger uses its local list of tags."),
    ("LocalAuthListMaxLength", "integer", "tags", True, "R",
     "How many tags the local list can hold."),
    ("SendLocalListMaxLength", "integer", "tags", True, "R",
     "How many tags one message of the local list may carry."),
)  # fmt: skip

_RESERVATION: Sequence[tuple[str, Type, str, bool, Access, str]] = (
    ("ReserveConnectorZeroSupported", "boolean", "", False, "R", "A reservation may be for any connector."),
)

_CHARGING: Sequence[tuple[str, Type, str, bool, Access, str]] = (
    ("ChargeProfileMaxStackLevel", "integer", "", True, "R",
     "The highest stack level, and how many profiles of a purpose there may be."),
    ("ChargingScheduleAllowedChargingRateUnit", "list", "", True, "R",
     "Whether limits are given as Current (A), Power (W) or both."),
    ("ChargingScheduleMaxPeriods", "integer", "periods", True, "R",
     "How many periods a schedule may have."),
    ("ConnectorSwitch3to1PhaseSupported", "boolean", "", False, "R",
     "The charger can change from three phases to one while a session runs."),
    ("MaxChargingProfilesInstalled", "integer", "profiles", True, "R",
     "How many charging profiles the charger holds at a time."),
)  # fmt: skip

_FIRMWARE: Sequence[tuple[str, Type, str, bool, Access, str]] = (
    ("SupportedFileTransferProtocols", "list", "", False, "R",
     "How the charger can fetch and upload files: FTP, FTPS, HTTP, HTTPS."),
)  # fmt: skip

_SECURITY: Sequence[tuple[str, Type, str, bool, Access, str]] = (
    ("AdditionalRootCertificateCheck", "boolean", "", False, "R",
     "A new root certificate must be signed by the one that it replaces."),
    ("AuthorizationKey", "text", "", False, "W",
     "The key with which the charger signs in to us."),
    ("CertificateSignedMaxChainSize", "integer", "characters", False, "R",
     "How long the certificate chain may be that we send."),
    ("CertificateStoreMaxLength", "integer", "certificates", False, "R",
     "How many root certificates the charger can hold."),
    ("CpoName", "text", "", False, "RW",
     "Your organisation's name as it stands in the charger's certificate."),
    ("SecurityProfile", "integer", "", False, "RW",
     "How the connection is secured; it can only be raised."),
)  # fmt: skip

KEYS: tuple[KeySpec, ...] = (
    *_keys("Core", _CORE),
    *_keys("LocalAuthListManagement", _LOCAL_LIST),
    *_keys("Reservation", _RESERVATION),
    *_keys("SmartCharging", _CHARGING),
    *_keys("FirmwareManagement", _FIRMWARE),
    *_keys("Security", _SECURITY),
)
_BY_NAME = {spec.name.casefold(): spec for spec in KEYS}
#: DataEnumType of 2.x → how values are compared.
_KINDS: dict[str, Type] = {
    device_model.BOOLEAN: "boolean",
    device_model.INTEGER: "integer",
    device_model.DECIMAL: "decimal",
    device_model.MEMBER_LIST: "list",
    device_model.SEQUENCE_LIST: "sequence",
}


def find_key(name: str) -> KeySpec | None:
    """What the standard says about a key, or a variable of 2.x, of this name; None where it knows none."""
    found = _BY_NAME.get(name.casefold())
    variable = parse(name) if found is None else None
    return _find_variable(variable) if variable is not None else found


@lru_cache(maxsize=10_000)
def _find_variable(variable: VariableName) -> KeySpec | None:
    """What the appendices say; where a key of 1.6 means the same its words and its access hold as well."""
    key = _BY_NAME.get(canonical(variable.key))
    row = device_model.find_variable(variable.component, variable.name, variable.instance)
    if row is None:
        return None
    return KeySpec(
        name=variable.key,
        profile=variable.component,
        type=_KINDS.get(row.data_type, "text"),
        unit=row.unit or (key.unit if key is not None and key.type == "integer" else ""),
        is_required=row.is_required,
        access=key.access if key is not None else "R or RW",
        text=row.text or (key.text if key is not None else ""),
    )


def refusal_in_template(name: str) -> str:
    """Why a key cannot be part of a template; "" where it can."""
    if not name.strip() or "\0" in name:
        return "Give the name of a configuration key."
    if name != name.strip():
        return "Leave out the spaces around the name."
    return _PROCEDURES.get(canonical(name), "")


def doubt(name: str, value: str) -> str:
    """Why chargers will probably refuse a value for a key; "" where nothing speaks against it."""
    spec = find_key(name)
    if spec is None:
        return ""
    if spec.access == "R":
        return f"{spec.name} is read-only by the standard: chargers will not take a value."
    if spec.type == "boolean" and value.casefold() not in ("true", "false"):
        return f"{spec.name} should be true or false, not “{value}”."
    if spec.type == "integer" and not value.lstrip("-").isdecimal():
        unit = f" ({spec.unit})" if spec.unit else ""
        return f"{spec.name} should be a whole number{unit}, not “{value}”."
    if spec.type == "decimal" and _number(value) is None:
        return f"{spec.name} should be a number, not “{value}”."
    return ""


def is_same(name: str, wanted: str, actual: str) -> bool:
    """Whether two values mean the same: chargers write truths, numbers and lists in their own way.

    The items of a list are compared without regard to their order, unless the order is what it says.
    """
    if wanted == actual:
        return True
    spec = find_key(name)
    kind = spec.type if spec is not None else _kind_of(wanted)
    if kind == "boolean":
        return wanted.strip().casefold() == actual.strip().casefold()
    if kind in ("integer", "decimal"):
        return (number := _number(wanted)) is not None and number == _number(actual)
    if kind == "list":
        return sorted(_items(wanted)) == sorted(_items(actual))
    if kind == "sequence":
        return _items(wanted) == _items(actual)
    return wanted.strip() == actual.strip()


def _kind_of(value: str) -> Type:
    return "boolean" if value.strip().casefold() in ("true", "false") else "text"


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None


def _items(text: str) -> list[str]:
    return [item.strip().casefold() for item in text.split(",") if item.strip()]
