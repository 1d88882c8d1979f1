"""Events of chargers: how grave they are, what goes on until it is over, and what calls for a person.  Pure Python."""

from __future__ import annotations

from typing import Final

from chargepoints.monitoring_choices import EventState

#: MonitoringDataType.severity (2.0.1 part 2 §2.35): the number and its name.
SEVERITIES: Final = {
    0: "Danger",
    1: "Hardware failure",
    2: "System failure",
    3: "Critical",
    4: "Error",
    5: "Alert",
    6: "Warning",
    7: "Notice",
    8: "Informational",
    9: "Debug",
}
MAX_SEVERITY: Final = 9
#: “Default severity for any type of monitoring event.”
_USUAL: Final = 5
#: What a charger says of a trouble without a monitor that could have a severity.
_TROUBLE: Final = 4

#: Variables of components that say in themselves that something is wrong (appendices, standardized variables).
_TROUBLES: Final = frozenset({"problem", "fault", "tripped", "overload"})
#: The variable that says what StatusNotification says (2.x G01), and the components that have it.
AVAILABILITY: Final = "availabilitystate"
_PLACES: Final = frozenset({"connector", "evse", "chargingstation"})
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})

ALERTING: Final = "Alerting"
PERIODIC: Final = "Periodic"


def severity_name(severity: int | None) -> str:
    """The word for a severity; empty where it is not known."""
    return SEVERITIES.get(severity, str(severity)) if severity is not None else ""


def tells_availability(component: str, variable: str) -> bool:
    """Whether a variable says what a StatusNotification would say."""
    return variable.casefold() == AVAILABILITY and component.casefold() in _PLACES


def is_trouble(variable: str, value: str) -> bool:
    """Whether a variable says that something is wrong."""
    return variable.casefold() in _TROUBLES and value.strip().casefold() in _TRUE


def is_over(variable: str, value: str, *, cleared: bool) -> bool:
    """Whether an event tells that what was reported before is over."""
    return cleared or (variable.casefold() in _TROUBLES and value.strip().casefold() in _FALSE)


def state_of(*, trigger: str, variable: str, value: str, cleared: bool) -> EventState:
    """Whether what an event reports goes on until another event says that it is over."""
    if is_over(variable, value, cleared=cleared):
        return EventState.MOMENT
    if trigger == ALERTING or is_trouble(variable, value):
        return EventState.OPEN
    return EventState.MOMENT


def calls_for_a_person(
    *,
    component: str,
    variable: str,
    value: str,
    trigger: str,
    cleared: bool,
    severity: int | None,
    up_to: int | None,
) -> bool:
    """Whether an event is an alert.

    severity  None: not known; then that of a trouble, or the usual one
    up_to     the organisation's rule: events of this severity and graver ones; None: no event is
    """
    if up_to is None or trigger == PERIODIC or is_over(variable, value, cleared=cleared):
        return False
    if tells_availability(component, variable):  # status has rules of its own
        return False
    if severity is None:
        severity = _TROUBLE if is_trouble(variable, value) else _USUAL
    return severity <= up_to
