"""Rows of charge points; one module per aggregate."""

from chargepoints.models.battery_swaps import BatterySwap, SwappedBattery
from chargepoints.models.certificates import (
    Certificate,
    CertificateAuthority,
    CertificateRequest,
    InstalledCertificate,
)
from chargepoints.models.charging import ChargingProfile, ChargingProfileAssignment, ReportedSchedule
from chargepoints.models.charging_reports import (
    ExternalLimit,
    PriorityCharging,
    ProfileReport,
    ReportedProfile,
    VehicleNeeds,
)
from chargepoints.models.commands import Command
from chargepoints.models.configuration import ConfigurationEntry, ConfigurationTemplate
from chargepoints.models.connections import Connection, GatewayNode, RefusedConnection
from chargepoints.models.der import DerControl, DerEvent, DerReading
from chargepoints.models.device_reports import DeviceReport
from chargepoints.models.displays import DisplayMessage, DisplayReading, ShownMessage
from chargepoints.models.events import (
    BatchReceipt,
    DataTransfer,
    FrameAnomaly,
    OcppMessage,
    SecurityEvent,
    StatusEvent,
    StatusReport,
)
from chargepoints.models.firmware import FirmwareCampaign, FirmwareFile, FirmwareUpdate
from chargepoints.models.fleet import FleetTask, FleetTaskItem
from chargepoints.models.local_lists import LocalList, LocalListContent
from chargepoints.models.model_profiles import ChargePointModelProfile
from chargepoints.models.monitoring import (
    ChargerEvent,
    CustomerInformation,
    EventStream,
    Monitor,
    MonitoringReport,
    MonitoringState,
    MonitorResult,
    StreamValues,
)
from chargepoints.models.profile_upgrades import SecurityProfileUpgrade
from chargepoints.models.published_firmware import PublishedFirmware
from chargepoints.models.reservations import Reservation
from chargepoints.models.sites import ChargePoint, Connector, Evse, Location
from chargepoints.models.uploads import LogRequest
from chargepoints.models.variables import ConfigurationState, Variable, VariableChange, VariableRequest

__all__ = [
    "BatchReceipt",
    "BatterySwap",
    "Certificate",
    "CertificateAuthority",
    "CertificateRequest",
    "ChargePoint",
    "ChargePointModelProfile",
    "ChargerEvent",
    "ChargingProfile",
    "ChargingProfileAssignment",
    "Command",
    "ConfigurationEntry",
    "ConfigurationState",
    "ConfigurationTemplate",
    "Connection",
    "Connector",
    "CustomerInformation",
    "DataTransfer",
    "DerControl",
    "DerEvent",
    "DerReading",
    "DeviceReport",
    "DisplayMessage",
    "DisplayReading",
    "EventStream",
    "Evse",
    "ExternalLimit",
    "FirmwareCampaign",
    "FirmwareFile",
    "FirmwareUpdate",
    "FleetTask",
    "FleetTaskItem",
    "FrameAnomaly",
    "GatewayNode",
    "InstalledCertificate",
    "LocalList",
    "LocalListContent",
    "Location",
    "LogRequest",
    "Monitor",
    "MonitorResult",
    "MonitoringReport",
    "MonitoringState",
    "OcppMessage",
    "PriorityCharging",
    "ProfileReport",
    "PublishedFirmware",
    "RefusedConnection",
    "ReportedProfile",
    "ReportedSchedule",
    "Reservation",
    "SecurityEvent",
    "SecurityProfileUpgrade",
    "ShownMessage",
    "StatusEvent",
    "StatusReport",
    "StreamValues",
    "SwappedBattery",
    "Variable",
    "VariableChange",
    "VariableRequest",
    "VehicleNeeds",
]
