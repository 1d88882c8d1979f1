"""All load tests by their names."""

from __future__ import annotations

from ocpp_gateway.simulator.bench.scenarios import SCENARIOS_16, Scenario
from ocpp_gateway.simulator.bench.scenarios_2x import SCENARIOS_2X

SCENARIOS: dict[str, Scenario] = {**SCENARIOS_16, **SCENARIOS_2X}
