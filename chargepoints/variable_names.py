"""How configuration values are named: keys of OCPP 1.6, and variables of the device model of 2.x.

A variable is written `Component[instance](evse.connector)/Variable[instance]#Attribute`; what it does not have is left
out, and so is the attribute Actual: `OCPPCommCtrlr/HeartbeatInterval`, `EVSE(1)/AvailabilityState`,
`DeviceDataCtrlr/ItemsPerMessage[GetVariables]`. Names are compared without regard to case (2.0.1 part 2,
identifierString). Where the device model has a variable that means what a key of 1.6 means, both are one to us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

ATTRIBUTES = ("Actual", "Target", "MinSet", "MaxSet")
#: Characters that a written name may have.
MAX_KEY = 255
_MAX_NAME = 50
_MAX_NUMBER = 2**31 - 1
_ATTRIBUTE_BY_FOLDED = {name.casefold(): name for name in ATTRIBUTES}

_COMPONENT = (
    r"(?P<component>[^/\[\]()#]+?)"
    r"(?:\[(?P<component_instance>.*?)\])?"
    r"(?:\((?P<evse>\d{1,9})(?:\.(?P<connector>\d{1,9}))?\))?"
)
_VARIABLE = r"(?P<name>[^/\[\]()#]+)(?:\[(?P<instance>.*)\])?(?:#(?P<attribute>[A-Za-z]+))?"
_WRITTEN = re.compile(rf"\s*{_COMPONENT}\s*/\s*{_VARIABLE}\s*")
_ONLY_COMPONENT = re.compile(rf"\s*{_COMPONENT}\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableName:
    """Where a value stands in the device model; a key of OCPP 1.6 has no component.

    evse       number of the EVSE, 0: none
    connector  number of the connector in it, 0: none
    name       of the variable; "" where only a component is meant
    """

    component: str = ""
    component_instance: str = ""
    evse: int = 0
    connector: int = 0
    name: str = ""
    instance: str = ""
    attribute: str = "Actual"

    @property
    def key(self) -> str:
        """As people and programs write it."""
        if not self.component:
            return self.name
        variable = f"/{self.name}{_bracketed(self.instance)}" if self.name else ""
        attribute = f"#{self.attribute}" if self.attribute != "Actual" else ""
        return f"{self.component_key}{variable}{attribute}"

    @property
    def component_key(self) -> str:
        """Its component alone."""
        place = f"({self.evse}{f'.{self.connector}' if self.connector else ''})" if self.evse else ""
        return f"{self.component}{_bracketed(self.component_instance)}{place}"

    @property
    def folded(self) -> tuple[str, str, int, int, str, str, str]:
        """Equal for names that are the same."""
        return (
            self.component.casefold(),
            self.component_instance.casefold(),
            self.evse,
            self.connector,
            self.name.casefold(),
            self.instance.casefold(),
            self.attribute,
        )


def _bracketed(instance: str) -> str:
    return f"[{instance}]" if instance else ""


@lru_cache(maxsize=10_000)
def parse(text: str) -> VariableName | None:
    """The variable that a text names; None for a key of OCPP 1.6, and for what is no name at all."""
    return _read(_WRITTEN.fullmatch(text))


def parse_component(text: str) -> VariableName | None:
    """As `parse`, but a component alone will do."""
    return parse(text) or _read(_ONLY_COMPONENT.fullmatch(text))


def _read(found: re.Match[str] | None) -> VariableName | None:
    if found is None:
        return None
    given = found.groupdict()
    attribute = _ATTRIBUTE_BY_FOLDED.get((given.get("attribute") or "Actual").casefold())
    name = VariableName(
        component=given["component"].strip(),
        component_instance=given["component_instance"] or "",
        evse=int(given["evse"] or 0),
        connector=int(given["connector"] or 0),
        name=(given.get("name") or "").strip(),
        instance=given.get("instance") or "",
        attribute=attribute or "Actual",
    )
    texts = (name.component, name.component_instance, name.name, name.instance)
    fits = all(len(part) <= _MAX_NAME and "\0" not in part for part in texts)
    return name if fits and attribute is not None and name.component else None


# ---------------------------------------------------------------- one meaning
#: Keys of OCPP 1.6 and the variables of 2.x that mean the same (2.0.1 part 2, referenced components and variables).
SAME: dict[str, str] = {
    "AdditionalRootCertificateCheck": "SecurityCtrlr/AdditionalRootCertificateCheck",
    "AllowOfflineTxForUnknownId": "AuthCtrlr/OfflineTxForUnknownIdEnabled",
    "AuthorizationCacheEnabled": "AuthCacheCtrlr/Enabled",
    "AuthorizationKey": "SecurityCtrlr/BasicAuthPassword",
    "AuthorizeRemoteTxRequests": "AuthCtrlr/AuthorizeRemoteStart",
    "CertificateSignedMaxChainSize": "SecurityCtrlr/MaxCertificateChainSize",
    "ChargeProfileMaxStackLevel": "SmartChargingCtrlr/ProfileStackLevel",
    "ChargingScheduleMaxPeriods": "SmartChargingCtrlr/PeriodsPerSchedule",
    "ClockAlignedDataInterval": "AlignedDataCtrlr/Interval",
    "ConnectionTimeOut": "TxCtrlr/EVConnectionTimeOut",
    "ConnectorSwitch3to1PhaseSupported": "SmartChargingCtrlr/Phases3to1",
    "CpoName": "SecurityCtrlr/OrganizationName",
    "GetConfigurationMaxKeys": "DeviceDataCtrlr/ItemsPerMessage[GetVariables]",
    "HeartbeatInterval": "OCPPCommCtrlr/HeartbeatInterval",
    "LocalAuthListEnabled": "LocalAuthListCtrlr/Enabled",
    "LocalAuthorizeOffline": "AuthCtrlr/LocalAuthorizeOffline",
    "LocalPreAuthorize": "AuthCtrlr/LocalPreAuthorize",
    "MaxEnergyOnInvalidId": "TxCtrlr/MaxEnergyOnInvalidId",
    "MessageTimeout": "OCPPCommCtrlr/MessageTimeout[Default]",
    "MeterValueSampleInterval": "SampledDataCtrlr/TxUpdatedInterval",
    "MeterValuesAlignedData": "AlignedDataCtrlr/Measurands",
    "MeterValuesSampledData": "SampledDataCtrlr/TxUpdatedMeasurands",
    "ReserveConnectorZeroSupported": "ReservationCtrlr/NonEvseSpecific",
    "ResetRetries": "OCPPCommCtrlr/ResetRetries",
    "SecurityProfile": "SecurityCtrlr/SecurityProfile",
    "SendLocalListMaxLength": "LocalAuthListCtrlr/ItemsPerMessage",
    "StopTransactionOnEVSideDisconnect": "TxCtrlr/StopTxOnEVSideDisconnect",
    "StopTransactionOnInvalidId": "TxCtrlr/StopTxOnInvalidId",
    "StopTxnAlignedData": "AlignedDataCtrlr/TxEndedMeasurands",
    "StopTxnSampledData": "SampledDataCtrlr/TxEndedMeasurands",
    "SupportedFileTransferProtocols": "OCPPCommCtrlr/FileTransferProtocols",
    "TransactionMessageAttempts": "OCPPCommCtrlr/MessageAttempts[TransactionEvent]",
    "TransactionMessageRetryInterval": "OCPPCommCtrlr/MessageAttemptInterval[TransactionEvent]",
    "UnlockConnectorOnEVSideDisconnect": "OCPPCommCtrlr/UnlockOnEVSideDisconnect",
    "WebSocketPingInterval": "OCPPCommCtrlr/WebSocketPingInterval",
}
_VARIABLE_OF = {key.casefold(): path for key, path in SAME.items()}
_KEY_OF = {path.casefold(): key for key, path in SAME.items()}


@lru_cache(maxsize=10_000)
def canonical(key: str) -> str:
    """One text for all ways to write the same: the key of 1.6 where there is one, else the variable; folded."""
    name = parse(key)
    text = (name.key if name is not None else key.strip()).casefold()
    return _KEY_OF.get(text, text).casefold()


def variable_of(key: str) -> VariableName | None:
    """The variable of 2.x that a name stands for; None for a key of 1.6 that 2.x does not know."""
    return parse(key) or parse(_VARIABLE_OF.get(key.strip().casefold(), ""))


def key_of(name: str) -> str:
    """As a charger of OCPP 1.6 calls it: its key for a variable that means the same, else the name as it is."""
    found = parse(name)
    return _KEY_OF.get(found.key.casefold(), name) if found is not None else name


def names_to_look_for(key: str) -> set[str]:
    """The folded names under which the rows of a canonical key are stored, of all versions."""
    variable = variable_of(key)
    return {canonical(key)[:_MAX_NAME]} | ({variable.name.casefold()} if variable is not None else set())
