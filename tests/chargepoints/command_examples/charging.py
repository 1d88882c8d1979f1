"""Smart charging of OCPP 2.x."""

EXAMPLES = {
    "get_charging_profiles": {
        "connector": 1,
        "purpose": "TxDefaultProfile",
        "stack_level": 2,
        "limit_sources": ["CSO", "EMS"],
        "request_id": 7,
    },
    "use_priority_charging": {"transaction_id": "tx-1", "activate": True},
    "update_dynamic_schedule": {
        "profile_id": 12,
        "limit": 11000,
        "limit_l2": 11000,
        "limit_l3": 11000,
        "discharge_limit": -5000,
        "discharge_limit_l2": -5000,
        "discharge_limit_l3": -5000,
        "setpoint": 3000.5,
        "setpoint_l2": 3000,
        "setpoint_l3": 3000,
        "setpoint_reactive": 100,
        "setpoint_reactive_l2": 100,
        "setpoint_reactive_l3": 100,
    },
    "allow_energy_transfer": {"transaction_id": "tx-1", "modes": ["AC_three_phase", "AC_BPT"]},
    "afrr_signal": {"signal": 40, "timestamp": "2026-03-02T10:00:00Z"},
}
