"""The configuration keys of a simulated charge point (OCPP 1.6 §9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MAX_INTEGER = 7 * 24 * 3600


@dataclass
class Key:
    """One configuration key."""

    value: str
    kind: str = "text"
    readonly: bool = False
    reboot: bool = False
    hidden: bool = False

    def accepts(self, value: str) -> bool:
        """Say whether the value fits the key's type."""
        if self.kind == "int":
            return value.isascii() and value.isdigit() and int(value) <= _MAX_INTEGER
        if self.kind == "bool":
            return value.lower() in ("true", "false")
        return len(value) <= 500


def _keys(*, connectors: int, meter_interval_s: int) -> dict[str, Key]:
    sampled = "Energy.Active.Import.Register,Power.Active.Import,Voltage,Current.Import,SoC"
    profiles = "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
    return {
        "AllowOfflineTxForUnknownId": Key("true", "bool"),
        "AuthorizationCacheEnabled": Key("false", "bool"),
        "AuthorizationKey": Key("", hidden=True),
        "AuthorizeRemoteTxRequests": Key("false", "bool"),
        "AdditionalRootCertificateCheck": Key("false", "bool", readonly=True),
        "CertificateSignedMaxChainSize": Key("10000", "int", readonly=True),
        "CertificateStoreMaxLength": Key("10", "int", readonly=True),
        "ClockAlignedDataInterval": Key("0", "int"),
        "ConnectionTimeOut": Key("60", "int"),
        "ConnectorPhaseRotation": Key("0.RST,1.RST", reboot=True),
        "CpoName": Key(""),
        "GetConfigurationMaxKeys": Key("50", "int", readonly=True),
        "HeartbeatInterval": Key("300", "int"),
        "LocalAuthListEnabled": Key("true", "bool"),
        "LocalAuthListMaxLength": Key("500", "int", readonly=True),
        "SendLocalListMaxLength": Key("100", "int", readonly=True),
        "LocalAuthorizeOffline": Key("true", "bool"),
        "LocalPreAuthorize": Key("false", "bool"),
        "MeterValuesAlignedData": Key("Energy.Active.Import.Register"),
        "MeterValuesSampledData": Key(sampled),
        "MeterValueSampleInterval": Key(str(meter_interval_s), "int"),
        "NumberOfConnectors": Key(str(connectors), "int", readonly=True),
        "ReserveConnectorZeroSupported": Key("false", "bool", readonly=True),
        "ResetRetries": Key("3", "int"),
        "SecurityProfile": Key("0", "int"),
        "StopTransactionOnEVSideDisconnect": Key("true", "bool"),
        "StopTransactionOnInvalidId": Key("true", "bool"),
        "StopTxnAlignedData": Key(""),
        "StopTxnSampledData": Key(""),
        "SupportedFeatureProfiles": Key(profiles, readonly=True),
        "ChargeProfileMaxStackLevel": Key("10", "int", readonly=True),
        "ChargingScheduleAllowedChargingRateUnit": Key("Current,Power", readonly=True),
        "ChargingScheduleMaxPeriods": Key("24", "int", readonly=True),
        "MaxChargingProfilesInstalled": Key("20", "int", readonly=True),
        "TransactionMessageAttempts": Key("3", "int"),
        "TransactionMessageRetryInterval": Key("5", "int"),
        "UnlockConnectorOnEVSideDisconnect": Key("true", "bool"),
        "WebSocketPingInterval": Key("60", "int", reboot=True),
    }


class Configuration:
    """Values by key; keys are compared without case (they are CiStrings)."""

    def __init__(self, *, connectors: int, meter_interval_s: int, transaction_data: bool = False) -> None:
        self._keys = _keys(connectors=connectors, meter_interval_s=meter_interval_s)
        if transaction_data:
            self._keys["StopTxnSampledData"].value = "Energy.Active.Import.Register"
        self._names = {name.lower(): name for name in self._keys}

    def __getitem__(self, name: str) -> str:
        return self._keys[name].value

    def __setitem__(self, name: str, value: str) -> None:
        self._keys[name].value = value

    def integer(self, name: str) -> int:
        return int(self._keys[name].value)

    def flag(self, name: str) -> bool:
        return self._keys[name].value.lower() == "true"

    def items(self, name: str) -> list[str]:
        """A comma separated list."""
        return [item.strip() for item in self._keys[name].value.split(",") if item.strip()]

    def change(self, name: str, value: str) -> str:
        """Set a value on request and return the status of ChangeConfiguration.conf (§7.22)."""
        key = self._keys.get(self._names.get(name.lower(), ""))
        if key is None:
            return "NotSupported"
        if key.readonly or not key.accepts(value):
            return "Rejected"
        key.value = value
        return "RebootRequired" if key.reboot else "Accepted"

    def read(self, names: list[str] | None) -> dict[str, Any]:
        """The payload of GetConfiguration.conf; no names means all keys. Write-only values are left out."""
        asked = names or list(self._keys)
        known = [self._names[name.lower()] for name in asked if name.lower() in self._names]
        unknown = [name for name in asked if name.lower() not in self._names]
        listed: list[dict[str, Any]] = []
        for name in known:
            key = self._keys[name]
            entry: dict[str, Any] = {"key": name, "readonly": key.readonly}
            listed.append(entry if key.hidden else {**entry, "value": key.value})
        return {"configurationKey": listed, **({"unknownKey": unknown} if unknown else {})}
