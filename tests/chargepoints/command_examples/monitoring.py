"""Monitors, events and customers' data (block N)."""

from __future__ import annotations

from typing import Any

EXAMPLES: dict[str, dict[str, Any]] = {
    "set_variable_monitoring": {
        "monitors": [
            {
                "component": "EVSE",
                "variable": "AvailabilityState",
                "evse": 1,
                "connector": 1,
                "type": "Delta",
                "value": "1",
                "severity": 8,
                "only_in_transaction": False,
                "component_instance": "left",
                "variable_instance": "L1",
                "monitor_id": 3,
                "stream_interval": 60,
                "stream_values": 60,
            }
        ]
    },
    "clear_variable_monitoring": {"monitor_ids": ["3", "4"]},
    "set_monitoring_base": {"base": "FactoryDefault"},
    "set_monitoring_level": {"severity": 4},
    "get_monitoring_report": {
        "criteria": ["ThresholdMonitoring"],
        "variables": [
            {
                "component": "EVSE",
                "variable": "Power",
                "evse": 1,
                "connector": 1,
                "component_instance": "left",
                "variable_instance": "L1",
            }
        ],
        "request_id": 9,
    },
    "get_event_streams": {},
    "adjust_event_stream": {"stream_id": 1, "interval": 30, "values": 10},
    "customer_information": {
        "report": True,
        "clear": False,
        "id_token": "04A1",
        "id_token_type": "ISO14443",
        "request_id": 9,
    },
}
