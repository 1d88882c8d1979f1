"""Controls for the grid."""

from __future__ import annotations

from typing import Any

WHEN = {"starts_at": "2099-03-02T10:00:00Z", "duration_s": 3600, "priority": 1, "control_id": "c-1"}
DEFAULT = {"priority": 0, "control_id": "c-2"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "set_der_curve": {
        "control_type": "VoltVar",
        "points": [{"x": 90.5, "y": 0.123456}, {"x": 110, "y": -44}],
        "y_unit": "PctMaxVar",
        "response_time": 5.25,
        "hysteresis_high": 1.5,
        "hysteresis_low": -1.5,
        "hysteresis_delay": 60,
        "hysteresis_gradient": 2,
        "v_ref": 100,
        "autonomous_v_ref": True,
        "autonomous_v_ref_time": 300,
        "mean_voltage_limit": 110,
        "mean_voltage_delay": 3,
        "power_during_cessation": "Active",
        **WHEN,
    },
    "set_der_droop": {
        "over_frequency": 50.2,
        "under_frequency": 49.8,
        "over_droop": 0.05,
        "under_droop": 0.05,
        "response_time": 5,
        **WHEN,
    },
    "set_der_power_factor": {"direction": "inject", "displacement": 0.95, "excitation": False, **WHEN},
    "set_der_reactive_power": {"setpoint": -20.5, "unit": "PctMaxVar", **WHEN},
    "set_der_discharge_limit": {"percent": 50, **WHEN},
    "set_der_enter_service": {
        "high_voltage": 253,
        "low_voltage": 195.5,
        "high_frequency": 50.1,
        "low_frequency": 49.5,
        "delay": 60,
        "random_delay": 30,
        "ramp_rate": 600,
        **DEFAULT,
    },
    "set_der_gradients": {"gradient": 10, "soft_gradient": 300, **DEFAULT},
    "get_der_control": {"is_default": True, "control_type": "VoltVar", "request_id": 4},
    "clear_der_control": {"is_default": False, "control_id": "c-1"},
}
