"""Variables, reports and network profiles."""

from __future__ import annotations

from typing import Any

EXAMPLES: dict[str, dict[str, Any]] = {
    "get_variables": {"variables": ["OCPPCommCtrlr/OfflineThreshold", "EVSE(1)/AvailabilityState#Target"]},
    "set_variables": {"variables": [{"key": "OCPPCommCtrlr/OfflineThreshold", "value": "123"}]},
    "get_base_report": {"base": "FullInventory", "request_id": 7},
    "get_report": {"criteria": ["Problem"], "variables": ["EVSE(1)/AvailabilityState"], "request_id": 8},
    "set_network_profile": {
        "slot": 2,
        "url": "wss://csms.example.com/ocpp",
        "security_profile": "2",
        "interface": "Any",
        "message_timeout": 30,
        "ocpp_version": "OCPP21",
        "identity": "CP-2",
        "basic_auth_password": "correct-horse-battery",
        "apn": "internet",
        "apn_authentication": "CHAP",
        "apn_user": "cp",
        "apn_password": "apn-secret",
        "apn_sim_pin": 1234,
        "apn_preferred_network": "26201",
        "apn_only_preferred": True,
        "vpn_server": "vpn.example.com",
        "vpn_type": "IKEv2",
        "vpn_user": "cp",
        "vpn_group": "chargers",
        "vpn_password": "vpn-secret",
        "vpn_key": "shared",
    },
}
