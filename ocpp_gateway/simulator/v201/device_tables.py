"""The variables of a simulated charge point of 2.0.1, as the appendices name them (part 2 appendices §3)."""

from __future__ import annotations

from collections.abc import Iterator

from ocpp_gateway.simulator.station import TX_POINTS, Station
from ocpp_gateway.simulator.v201.device_model import Attribute, Component, Variable

WEEK_S = 7 * 24 * 3600
MEASURANDS = (
    "Current.Import",
    "Current.Offered",
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "SoC",
    "Voltage",
)
STATES = ("Available", "Faulted", "Occupied", "Reserved", "Unavailable")
_ENERGY = "Energy.Active.Import.Register"
_SAMPLED = ",".join((_ENERGY, "Power.Active.Import", "Current.Import", "Voltage", "SoC"))


def variable(
    component: str | Component,
    name: str,
    kind: str,
    value: object,
    *,
    instance: str = "",
    writable: bool = False,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    options: tuple[str, ...] = (),
    reboot: bool = False,
    monitored: bool = False,
) -> Variable:
    """A variable with an Actual value."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Variable(
        component=Component(component) if isinstance(component, str) else component,
        name=name,
        instance=instance,
        kind=kind,
        unit=unit,
        low=low,
        high=high,
        options=options,
        reboot=reboot,
        monitored=monitored,
        attributes={"Actual": Attribute(text, "ReadWrite" if writable else "ReadOnly")},
    )


def _flag(component: str, name: str, value: bool, instance: str = "") -> Variable:
    return variable(component, name, "boolean", value, instance=instance)


def _switch(component: str, name: str, value: bool, instance: str = "") -> Variable:
    return variable(component, name, "boolean", value, instance=instance, writable=True)


def _seconds(component: str, name: str, value: int, instance: str = "", *, reboot: bool = False) -> Variable:
    return variable(
        component,
        name,
        "integer",
        value,
        instance=instance,
        writable=True,
        unit="s",
        low=0,
        high=WEEK_S,
        reboot=reboot,
    )


def _count(component: str, name: str, value: int, instance: str = "") -> Variable:
    return variable(component, name, "integer", value, instance=instance)


def _members(component: str, name: str, value: str, options: tuple[str, ...]) -> Variable:
    return variable(component, name, "MemberList", value, options=options, writable=True)


def variables(station: Station) -> Iterator[Variable]:
    """Every variable of a charge point."""
    yield from _whole(station)
    for evse in range(1, station.connectors + 1):
        yield from _evse(station, evse)
    yield from _communication(station)
    yield from _transactions(station)
    yield from _authorization()
    yield from _others()


def _whole(station: Station) -> Iterator[Variable]:
    name = "ChargingStation"
    yield variable(name, "AvailabilityState", "OptionList", "Available", options=STATES, monitored=True)
    yield _flag(name, "Available", True)
    yield variable(name, "Problem", "boolean", False, monitored=True)
    yield variable(name, "Model", "string", station.model)
    yield variable(name, "VendorName", "string", station.vendor)
    yield variable(name, "SerialNumber", "string", station.serial_number or station.identity)
    yield variable(name, "SupplyPhases", "integer", 3)
    yield _switch(name, "AllowNewSessionsPendingFirmwareUpdate", False)
    yield variable("Controller", "FirmwareVersion", "string", station.firmware)
    yield variable("Controller", "MaxMsgElements", "integer", 100)
    yield variable(
        "Controller", "Temperature", "decimal", "31.5", unit="Celsius", low=-40, high=120, monitored=True
    )


def _evse(station: Station, evse: int) -> Iterator[Variable]:
    part = Component("EVSE", evse=evse)
    yield variable(part, "AvailabilityState", "OptionList", "Available", options=STATES, monitored=True)
    yield variable(part, "Available", "boolean", True)
    yield variable(part, "AllowReset", "boolean", True)
    yield variable(part, "EvseId", "string", f"XX*SIM*E{station.identity[:20]}*{evse}")
    power = variable(part, "Power", "decimal", "0", unit="W", low=0, high=station.power_w, monitored=True)
    power.attributes["MaxSet"] = Attribute(str(station.power_w), constant=True)
    yield power
    yield variable(part, "SupplyPhases", "integer", 3)
    for connector in range(1, cables_of(station, evse) + 1):
        plug = Component("Connector", evse=evse, connector=connector)
        yield variable(plug, "AvailabilityState", "OptionList", "Available", options=STATES, monitored=True)
        yield variable(plug, "Available", "boolean", True)
        yield variable(plug, "ConnectorType", "string", "sType2" if connector == 1 else "cCCS2")
        yield variable(plug, "SupplyPhases", "integer", 3)
        yield variable(plug, "Problem", "boolean", False, monitored=True)


def cables_of(station: Station, evse: int) -> int:
    """How many connectors an EVSE has."""
    return station.cables[evse - 1] if evse <= len(station.cables) else 1


def _communication(station: Station) -> Iterator[Variable]:
    name = "OCPPCommCtrlr"
    yield _seconds(name, "HeartbeatInterval", 300)
    yield _seconds(name, "WebSocketPingInterval", 60, reboot=True)
    yield _seconds(name, "MessageTimeout", int(station.answer_timeout_s) or 1, "Default")
    yield _seconds(name, "MessageAttemptInterval", 5, "TransactionEvent")
    yield variable(
        name, "MessageAttempts", "integer", 3, instance="TransactionEvent", writable=True, low=1, high=100
    )
    yield _seconds(name, "OfflineThreshold", 60)
    yield variable(name, "ResetRetries", "integer", 3, writable=True, low=0, high=10)
    yield _switch(name, "UnlockOnEVSideDisconnect", True)
    yield _switch(name, "QueueAllMessages", False)
    yield variable(name, "ActiveNetworkProfile", "string", 1)
    yield variable(
        name, "NetworkConfigurationPriority", "SequenceList", "1", options=("1", "2", "3"), writable=True
    )
    yield variable(name, "NetworkProfileConnectionAttempts", "integer", 3, writable=True, low=1, high=100)
    yield variable(name, "FileTransferProtocols", "MemberList", "HTTP,HTTPS", options=("HTTP", "HTTPS"))
    yield variable(
        name,
        "PublicKeyWithSignedMeterValue",
        "OptionList",
        "OncePerTransaction",
        options=("Never", "OncePerTransaction", "EveryMeterValue"),
        writable=True,
    )
    for message in ("GetReport", "GetVariables", "SetVariables"):
        yield _count("DeviceDataCtrlr", "ItemsPerMessage", 30, message)
        yield _count("DeviceDataCtrlr", "BytesPerMessage", 30_000, message)
    yield _count("DeviceDataCtrlr", "ConfigurationValueSize", 1000)
    yield variable("ClockCtrlr", "DateTime", "dateTime", "2026-01-01T00:00:00Z")
    yield variable(
        "ClockCtrlr",
        "TimeSource",
        "SequenceList",
        "Heartbeat",
        options=("Heartbeat", "NTP", "GPS", "RealTimeClock", "MobileNetwork", "RadioTimeTransmitter"),
        writable=True,
    )
    yield variable("ClockCtrlr", "TimeZone", "string", "Europe/Berlin", writable=True)
    yield from _security(station)


def _security(station: Station) -> Iterator[Variable]:
    name = "SecurityCtrlr"
    password = variable(name, "BasicAuthPassword", "string", station.key)
    password.attributes["Actual"].mutability = "WriteOnly"
    yield password
    yield variable(name, "Identity", "string", station.identity)
    yield variable(name, "OrganizationName", "string", "", writable=True)
    yield variable(name, "SecurityProfile", "integer", station.profile)
    yield _count(name, "CertificateEntries", 20)
    yield _count(name, "MaxCertificateChainSize", 10_000)
    yield _flag(name, "AdditionalRootCertificateCheck", False)
    yield variable(name, "CertSigningRepeatTimes", "integer", 3, writable=True, low=0, high=10)
    yield _seconds(name, "CertSigningWaitMinimum", 30)


def _transactions(station: Station) -> Iterator[Variable]:
    name = "TxCtrlr"
    yield _members(name, "TxStartPoint", ",".join(station.start_points), TX_POINTS)
    yield _members(name, "TxStopPoint", ",".join(station.stop_points), TX_POINTS)
    yield _seconds(name, "EVConnectionTimeOut", 60)
    yield _switch(name, "StopTxOnEVSideDisconnect", True)
    yield _switch(name, "StopTxOnInvalidId", True)
    yield _flag(name, "TxBeforeAcceptedEnabled", True)
    name = "SampledDataCtrlr"
    yield _flag(name, "Available", True)
    yield _switch(name, "Enabled", True)
    yield _switch(name, "SignReadings", "signed" in station.quirks)
    yield _seconds(name, "TxUpdatedInterval", station.meter_interval_s)
    yield _seconds(name, "TxEndedInterval", 0)
    yield _members(name, "TxStartedMeasurands", _ENERGY, MEASURANDS)
    yield _members(name, "TxUpdatedMeasurands", _SAMPLED, MEASURANDS)
    yield _members(name, "TxEndedMeasurands", _ENERGY, MEASURANDS)
    name = "AlignedDataCtrlr"
    yield _flag(name, "Available", True)
    yield _switch(name, "Enabled", True)
    yield _switch(name, "SendDuringIdle", False)
    yield _switch(name, "SignReadings", False)
    yield _seconds(name, "Interval", 0)
    yield _seconds(name, "TxEndedInterval", 0)
    yield _members(name, "Measurands", _ENERGY, MEASURANDS)
    yield _members(name, "TxEndedMeasurands", _ENERGY, MEASURANDS)


def _authorization() -> Iterator[Variable]:
    name = "AuthCtrlr"
    yield _switch(name, "Enabled", True)
    yield _switch(name, "AuthorizeRemoteStart", False)
    yield _switch(name, "LocalAuthorizeOffline", True)
    yield _switch(name, "LocalPreAuthorize", False)
    yield _switch(name, "OfflineTxForUnknownIdEnabled", True)
    yield _switch(name, "DisableRemoteAuthorization", False)
    yield variable(name, "MasterPassGroupId", "string", "", writable=True)
    yield _flag("AuthCacheCtrlr", "Available", True)
    yield _switch("AuthCacheCtrlr", "Enabled", True)
    yield _seconds("AuthCacheCtrlr", "LifeTime", 24 * 3600)
    yield _count("AuthCacheCtrlr", "Storage", 0)
    name = "LocalAuthListCtrlr"
    yield _flag(name, "Available", True)
    yield _switch(name, "Enabled", True)
    yield _count(name, "Entries", 0)
    yield _count(name, "ItemsPerMessage", 100)
    yield _count(name, "BytesPerMessage", 60_000)
    yield _flag("ReservationCtrlr", "Available", True)
    yield _switch("ReservationCtrlr", "Enabled", True)
    yield _flag("ReservationCtrlr", "NonEvseSpecific", True)


def _others() -> Iterator[Variable]:
    name = "SmartChargingCtrlr"
    yield _flag(name, "Available", True)
    yield _switch(name, "Enabled", True)
    yield _count(name, "ProfileStackLevel", 10)
    yield _count(name, "PeriodsPerSchedule", 24)
    yield _count(name, "Entries", 20, "ChargingProfiles")
    yield variable(name, "RateUnit", "MemberList", "A,W", options=("A", "W"))
    yield variable(name, "LimitChangeSignificance", "decimal", "1", unit="Percent", writable=True, low=0)
    yield _switch(name, "ExternalControlSignalsEnabled", False)
    yield _switch(name, "NotifyChargingLimitWithSchedules", False)
    name = "TariffCostCtrlr"
    for part in ("Tariff", "Cost"):
        yield _flag(name, "Available", True, part)
        yield _switch(name, "Enabled", True, part)
    yield variable(name, "Currency", "string", "EUR", writable=True)
    yield variable(name, "TariffFallbackMessage", "string", "Ask for the price.", writable=True)
    yield variable(name, "TotalCostFallbackMessage", "string", "The bill follows.", writable=True)
    name = "MonitoringCtrlr"
    yield _flag(name, "Available", True)
    yield _switch(name, "Enabled", True)
    for message in ("SetVariableMonitoring", "ClearVariableMonitoring"):
        yield _count(name, "ItemsPerMessage", 30, message)
        yield _count(name, "BytesPerMessage", 30_000, message)
    yield variable(name, "OfflineQueuingSeverity", "integer", 4, writable=True, low=0, high=9)
    yield variable(
        name, "ActiveMonitoringBase", "OptionList", "All", options=("All", "FactoryDefault", "HardWiredOnly")
    )
    yield variable(name, "ActiveMonitoringLevel", "integer", 9, low=0, high=9)
    name = "DisplayMessageCtrlr"
    yield _flag(name, "Available", True)
    yield _switch(name, "Enabled", True)
    yield _count(name, "DisplayMessages", 0)
    yield variable(name, "SupportedFormats", "MemberList", "ASCII,UTF8", options=("ASCII", "UTF8"))
    yield variable(
        name,
        "SupportedPriorities",
        "MemberList",
        "AlwaysFront,InFront,NormalCycle",
        options=("AlwaysFront", "InFront", "NormalCycle"),
    )
    name = "ISO15118Ctrlr"
    yield _switch(name, "PnCEnabled", True)
    yield _switch(name, "ContractValidationOffline", True)
    yield _switch(name, "CentralContractValidationAllowed", True)
    yield variable(name, "SeccId", "string", "SECC1", writable=True)
