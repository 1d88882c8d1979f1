"""Admin of sites, charge points, what they report and what they are told; one module per noun."""

from chargepoints.admin import (
    charge_point_tabs,
    charge_points,
    commands,
    configuration_tab,
    configuration_templates,
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
    "configuration_templates",
    "connections",
    "fleet",
    "local_lists",
    "logs",
    "model_profiles",
    "refusals",
    "sites",
]
