"""Admin of sites, charge points, what they report and what they are told; one module per noun."""

from chargepoints.admin import (
    charge_point_tabs,
    charge_points,
    commands,
    configuration_tab,
    connections,
    fleet,
    local_lists,
    logs,
    model_profiles,
    refusals,
    sites,
)

__all__ = [
    "charge_point_tabs",
    "charge_points",
    "commands",
    "configuration_tab",
    "connections",
    "fleet",
    "local_lists",
    "logs",
    "model_profiles",
    "refusals",
    "sites",
]
