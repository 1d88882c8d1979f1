"""Simulated charge points for demo, tests and load: a pure client over real sockets.

`run(SimulationConfig(...))` simulates a fleet; a `ChargePoint` is driven step by step.
"""

from ocpp_gateway.simulator.charge_point import ChargePoint
from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.simulator.config import SimulationConfig
from ocpp_gateway.simulator.faults import Fault, Faults, RandomFaults
from ocpp_gateway.simulator.outbox import Session
from ocpp_gateway.simulator.runner import run
from ocpp_gateway.simulator.station import Station
from ocpp_gateway.simulator.stats import Stats, Summary
from ocpp_gateway.simulator.v16.charge_point import ChargePoint16
from ocpp_gateway.simulator.versions import new_charge_point

__all__ = [
    "ChargePoint",
    "ChargePoint16",
    "Clock",
    "Fault",
    "Faults",
    "RandomFaults",
    "Session",
    "SimulationConfig",
    "Station",
    "Stats",
    "Summary",
    "new_charge_point",
    "run",
]
