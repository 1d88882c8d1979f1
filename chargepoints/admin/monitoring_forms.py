"""Forms about monitors, streams and customers' data."""

from __future__ import annotations

from typing import Any

from unfold import widgets

from chargepoints.admin.command_forms import CommandForm
from chargepoints.charger_events import SEVERITIES
from chargepoints.command_fields import CommandSpec
from chargepoints.command_specs import NEUTRAL
from chargepoints.command_tables.monitoring import MONITOR
from chargepoints.models import ChargePoint, Monitor, Variable

#: Known variables that the form offers.
MAX_OFFERED = 500


class MonitorForm(CommandForm):
    """One monitor; components and variables that the charger has reported are offered."""

    def __init__(self, charge_point: ChargePoint, *args: Any, **kwargs: Any) -> None:
        super().__init__(_SPEC, *args, many=True, **kwargs)
        rows = Variable.objects.filter(charge_point=charge_point, gone_at=None).exclude(component="")
        names = list(
            rows.values_list("component", "name").distinct().order_by("component", "name")[:MAX_OFFERED]
        )
        self.offered = {
            "component": sorted({component for component, _ in names}),
            "variable": sorted({variable for _, variable in names}),
        }
        for name in self.offered:
            self.fields[name].widget.attrs["list"] = f"known-{name}"
        self.fields["value"].required = True
        self.fields["severity"].widget = widgets.UnfoldAdminSelectWidget(choices=_SEVERITIES)


def initial_of(monitor: Monitor) -> dict[str, Any]:
    """What the form shows of a monitor that is to be changed."""
    return {
        "component": monitor.component,
        "component_instance": monitor.component_instance,
        "evse": monitor.evse_number or None,
        "connector": monitor.connector_number or None,
        "variable": monitor.variable,
        "variable_instance": monitor.variable_instance,
        "type": monitor.type,
        "value": monitor.value,
        "severity": monitor.severity,
        "only_in_transaction": "yes" if monitor.only_in_transaction else "no",
        "monitor_id": monitor.monitor_id,
        "stream_interval": monitor.stream_interval_s,
        "stream_values": monitor.stream_values,
    }


_SEVERITIES = [("", "Choose"), *((number, f"{number} {name}") for number, name in SEVERITIES.items())]
_SPEC = CommandSpec(
    action="set_variable_monitoring",
    label=NEUTRAL["set_variable_monitoring"].label,
    description=NEUTRAL["set_variable_monitoring"].description,
    fields=MONITOR,
)


class CustomerForm(CommandForm):
    """Whom it is about, and what is to be done."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(NEUTRAL["customer_information"], *args, **kwargs)
        self.fields["report"].initial, self.fields["clear"].initial = "yes", "no"
        del self.fields["request_id"]
