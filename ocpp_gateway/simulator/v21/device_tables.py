"""The variables that OCPP 2.1 adds to a simulated charge point (2.1 part 2 appendices §3)."""

from __future__ import annotations

from collections.abc import Iterator

from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.v201 import device_tables
from ocpp_gateway.simulator.v201.device_model import Component, Variable
from ocpp_gateway.simulator.v201.device_tables import variable

MODES = ("ChargingOnly", "CentralSetpoint", "ExternalSetpoint", "ExternalLimits", "LocalFrequency")
CURVES = ("FreqWatt", "HVMustTrip", "LVMustTrip", "VoltVar", "VoltWatt", "WattVar", "WattPF")


def variables(station: Station) -> Iterator[Variable]:
    """Every variable of a charge point of 2.1."""
    yield from device_tables.variables(station)
    yield variable("SmartChargingCtrlr", "SupportedAdditionalPurposes", "MemberList", "PriorityCharging")
    yield variable("SmartChargingCtrlr", "SupportsDynamicProfiles", "boolean", True)
    yield variable("TariffCostCtrlr", "Enabled", "boolean", True, instance="RunningCost", writable=True)
    yield variable("TariffCostCtrlr", "MaxElements", "integer", 10, instance="Tariff")
    yield variable(
        "TxCtrlr", "ResumptionTimeout", "integer", 300, unit="s", writable=True, low=0, high=86_400
    )
    yield variable("TxCtrlr", "SupportedLimits", "MemberList", "MaxCost,MaxEnergy,MaxTime,MaxSoC")
    yield variable("MonitoringCtrlr", "MaxPeriodicEventStreams", "integer", 10)
    yield variable("BatterySwapCtrlr", "NumberOfSwaps", "integer", 0, monitored=True)
    yield variable("WebPaymentsCtrlr", "Enabled", "boolean", True, writable=True)
    for evse in range(1, station.connectors + 1):
        v2x = Component("V2XChargingCtrlr", evse=evse)
        yield variable(v2x, "Enabled", "boolean", True, writable=True)
        yield variable(v2x, "SupportedOperationModes", "MemberList", ",".join(MODES), options=MODES)
        der = Component("ACDERCtrlr", evse=evse)
        yield variable(der, "Available", "boolean", True)
        yield variable(der, "Enabled", "boolean", True, writable=True)
        yield variable(der, "ModesSupported", "MemberList", ",".join(CURVES))
