"""Monitors, event streams and what a charger knows of customers (OCPP 2.x, block N)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from chargepoints.charger_events import MAX_SEVERITY, SEVERITIES
from chargepoints.command_fields import MAX_TOKEN, SEND, SEND_DANGEROUS, TOKEN_TYPE, CommandSpec, FieldSpec
from chargepoints.monitoring_choices import MonitoringBase, MonitorType

CRITERIA = ("ThresholdMonitoring", "DeltaMonitoring", "PeriodicMonitoring")
CUSTOMER = "customer_information.change"
_MAX_ID = 2**31 - 1
_SEVERITY_HELP = f"0 ({SEVERITIES[0]}) to {MAX_SEVERITY} ({SEVERITIES[MAX_SEVERITY]}); 0 is the gravest."
_PERIODIC = (MonitorType.PERIODIC, MonitorType.PERIODIC_CLOCK_ALIGNED)

COMPONENT = FieldSpec(name="component", type="string", label="Component", required=True, max_length=50)
VARIABLE = FieldSpec(name="variable", type="string", label="Variable", required=True, max_length=50)
EVSE = FieldSpec(name="evse", type="integer", label="EVSE", minimum=1, help="Empty: the charger itself.")
CONNECTOR = FieldSpec(name="connector", type="integer", label="Connector of the EVSE", minimum=1)
INSTANCES = (
    FieldSpec(name="component_instance", type="string", label="Instance of the component", max_length=50),
    FieldSpec(name="variable_instance", type="string", label="Instance of the variable", max_length=50),
)
STREAM = (
    FieldSpec(
        name="stream_interval",
        type="integer",
        label="Seconds between messages",
        minimum=0,
        help="Values come in a stream, several in a message (OCPP 2.1).",
    ),
    FieldSpec(
        name="stream_values",
        type="integer",
        label="Values in one message",
        minimum=0,
        help="Values come in a stream, several in a message (OCPP 2.1).",
    ),
)
MONITOR = (
    COMPONENT,
    VARIABLE,
    EVSE,
    CONNECTOR,
    FieldSpec(
        name="type",
        type="enum",
        label="Type",
        required=True,
        choices=tuple(MonitorType.values),
        choice_labels=tuple(MonitorType.labels),
    ),
    FieldSpec(
        name="value",
        type="string",
        label="Value",
        required=True,
        max_length=30,
        example="1",
        help="The threshold, the change, or the seconds; for the change of what is no number: 1.",
    ),
    FieldSpec(
        name="severity",
        type="integer",
        label="Severity",
        required=True,
        minimum=0,
        help=_SEVERITY_HELP,
    ),
    FieldSpec(name="only_in_transaction", type="boolean", label="Only during a session", help="No: always."),
    *INSTANCES,
    FieldSpec(
        name="monitor_id",
        type="integer",
        label="Number of the monitor",
        minimum=0,
        help="The one that is replaced. Empty: a new one.",
    ),
    *STREAM,
)
_REPORT_VARIABLE = (
    COMPONENT,
    FieldSpec(name="variable", type="string", label="Variable", max_length=50, help="Empty: all of them."),
    EVSE,
    CONNECTOR,
    *INSTANCES,
)
REQUEST_ID = FieldSpec(
    name="request_id",
    type="integer",
    label="Number of the request",
    minimum=0,
    help="Reports carry this number. Empty: a new one.",
)


def number(text: str) -> Decimal | None:
    """The number of a text; None if it is none."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < 10**18 else None


def monitor_problem(row: dict[str, Any]) -> str:
    """What is wrong with one monitor, or nothing."""
    value = number(row["value"])
    if value is None:
        return "value: Must be a number."
    if row["severity"] > MAX_SEVERITY:
        return f"severity: Must be from 0 to {MAX_SEVERITY}."
    if row["type"] in _PERIODIC and value < 1:
        return "value: Must be at least one second."
    if row["type"] == MonitorType.DELTA and value < 0:
        return "value: Must not be negative."
    if "connector" in row and "evse" not in row:
        return "evse: A connector is one of an EVSE."
    return ""


def _check_monitors(given: dict[str, Any]) -> dict[str, str]:
    for position, row in enumerate(given["monitors"], start=1):
        if problem := monitor_problem(row):
            return {"monitors": f"Entry {position}, {problem}"}
    return {}


def _check_level(given: dict[str, Any]) -> dict[str, str]:
    return {} if given["severity"] <= MAX_SEVERITY else {"severity": f"Must be from 0 to {MAX_SEVERITY}."}


def _check_ids(given: dict[str, Any]) -> dict[str, str]:
    if all(item.isascii() and item.isdecimal() and int(item) <= _MAX_ID for item in given["monitor_ids"]):
        return {}
    return {"monitor_ids": "Must be numbers of monitors."}


def _check_report(given: dict[str, Any]) -> dict[str, str]:
    unknown = set(given.get("criteria", ())) - set(CRITERIA)
    if unknown:
        return {"criteria": f"Must be among {', '.join(CRITERIA)}."}
    for position, row in enumerate(given.get("variables", ()), start=1):
        if "connector" in row and "evse" not in row:
            return {"variables": f"Entry {position}, evse: A connector is one of an EVSE."}
    return {}


def _check_stream(given: dict[str, Any]) -> dict[str, str]:
    return (
        {} if {"interval", "values"} & given.keys() else {"interval": "Give this, or the number of values."}
    )


_HASHES = ("hash_algorithm", "issuer_name_hash", "issuer_key_hash", "serial_number")


def _check_customer(given: dict[str, Any]) -> dict[str, str]:
    """Exactly one customer is named (N09.FR.04, N10.FR.08), and something is asked for."""
    hashes = [name for name in _HASHES if name in given]
    named = [name for name in ("id_token", "customer_identifier") if name in given]
    if len(named) + bool(hashes) != 1:
        return {"id_token": "Name the customer by exactly one: a tag, an identifier, or a certificate."}
    if hashes and len(hashes) != len(_HASHES):
        missing = next(name for name in _HASHES if name not in given)
        return {missing: "A certificate has four parts: all are required."}
    if not given["report"] and not given["clear"]:
        return {"report": "Ask for a report, for deletion, or both."}
    return {}


MONITORING = (
    CommandSpec(
        action="set_variable_monitoring",
        label="Set monitors",
        description="Let the charger watch variables and tell when something happens to them.",
        fields=(
            FieldSpec(
                name="monitors",
                type="rows",
                label="Monitors",
                required=True,
                max_length=200,
                fields=MONITOR,
            ),
        ),
        check=_check_monitors,
    ),
    CommandSpec(
        action="clear_variable_monitoring",
        label="Remove monitors",
        description="Remove monitors by their numbers.",
        fields=(
            FieldSpec(
                name="monitor_ids",
                type="strings",
                label="Numbers of the monitors",
                required=True,
                max_length=1000,
                example=["1", "2"],
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Remove these monitors? The charger no longer tells what they watch.",
        check=_check_ids,
    ),
    CommandSpec(
        action="set_monitoring_base",
        label="Choose the monitors",
        description="Activate the manufacturer's monitors, or the built-in ones only.",
        fields=(
            FieldSpec(
                name="base",
                type="enum",
                label="Monitors",
                required=True,
                choices=tuple(MonitoringBase.values),
                choice_labels=tuple(MonitoringBase.labels),
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the set of monitors? All but the first choice delete those that were set by us.",
    ),
    CommandSpec(
        action="set_monitoring_level",
        label="Set the level of events",
        description="Let the charger report events of this severity and graver ones only.",
        fields=(
            FieldSpec(
                name="severity",
                type="integer",
                label="Severity",
                required=True,
                minimum=0,
                help=_SEVERITY_HELP,
            ),
        ),
        permission=SEND,
        check=_check_level,
    ),
    CommandSpec(
        action="get_monitoring_report",
        label="Read the monitors",
        description="Let the charger report its monitors: all, or some kinds of some variables.",
        fields=(
            FieldSpec(
                name="criteria",
                type="strings",
                label="Kinds",
                max_length=3,
                help=f"{', '.join(CRITERIA)}. Empty: all.",
            ),
            FieldSpec(
                name="variables",
                type="rows",
                label="Variables",
                max_length=50,
                help="Empty: all.",
                fields=_REPORT_VARIABLE,
            ),
            REQUEST_ID,
        ),
        check=_check_report,
    ),
    CommandSpec(
        action="get_event_streams",
        label="Read the event streams",
        description="Let the charger list the streams of values that it has opened (OCPP 2.1).",
    ),
    CommandSpec(
        action="adjust_event_stream",
        label="Adjust an event stream",
        description="Change how often a stream sends its values (OCPP 2.1).",
        fields=(
            FieldSpec(
                name="stream_id", type="integer", label="Number of the stream", required=True, minimum=0
            ),
            FieldSpec(
                name="interval", type="integer", label="Seconds between messages", minimum=0, example=60
            ),
            FieldSpec(name="values", type="integer", label="Values in one message", minimum=0),
        ),
        check=_check_stream,
    ),
    CommandSpec(
        action="customer_information",
        label="Customer's data",
        description="Let the charger report what it knows of a customer, delete it, or both.",
        fields=(
            FieldSpec(name="report", type="boolean", label="Report it", default=True),
            FieldSpec(name="clear", type="boolean", label="Delete it", default=False),
            FieldSpec(name="id_token", type="string", label="Tag", max_length=MAX_TOKEN, example="04A1B2C3"),
            TOKEN_TYPE,
            FieldSpec(name="customer_identifier", type="string", label="Identifier", max_length=64),
            FieldSpec(
                name="hash_algorithm",
                type="enum",
                label="Certificate: hash algorithm",
                choices=("SHA256", "SHA384", "SHA512"),
                help="The one by which the certificate was installed.",
            ),
            FieldSpec(
                name="issuer_name_hash", type="string", label="Certificate: issuer's name", max_length=128
            ),
            FieldSpec(
                name="issuer_key_hash", type="string", label="Certificate: issuer's key", max_length=128
            ),
            FieldSpec(name="serial_number", type="string", label="Certificate: serial number", max_length=40),
            REQUEST_ID,
        ),
        permission=CUSTOMER,
        confirm="Ask for personal data? The report is kept here, and what is deleted in the charger is gone.",
        check=_check_customer,
    ),
)
