"""Reports in parts as chargers really send them; values, keys and secrets of the device model (2.0.1 B05–B09, A01)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.permissions import Actor
from chargepoints import keys
from chargepoints.choices import DeviceReportStatus
from chargepoints.commands import queue
from chargepoints.errors import InvalidPayload
from chargepoints.jobs import end_device_reports
from chargepoints.models import ChargePoint, Command, DeviceReport, OcppMessage, Variable, VariableChange
from chargepoints.selectors import find_configuration_state, find_value
from chargepoints.services import device_model
from chargepoints.variable_names import VariableName
from csms_project.common.models import Event
from ocpp_gateway.link import Link
from ocpp_gateway.v201.device_model import part_in
from tests.factories import T0, VariableFactory
from tests.ocpp_gateway.v201.helpers import Csms, Csms21, boot
from tests.ocpp_gateway.v201.reports import part, reported, result, variable

HEARTBEAT = "OCPPCommCtrlr/HeartbeatInterval"
PASSWORD = "correct-horse-battery-staple"


def values(charge_point: ChargePoint) -> dict[str, str | None]:
    return {row.key: row.value for row in Variable.objects.filter(charge_point=charge_point, gone_at=None)}


def history(charge_point: ChargePoint) -> list[tuple[str, str, str | None, str | None]]:
    rows = VariableChange.objects.filter(charge_point=charge_point).order_by("pk")
    return list(rows.values_list("name", "kind", "old", "new"))


def inventory(csms: Csms, charge_point: ChargePoint, *rows: dict[str, Any]) -> DeviceReport:
    """A whole report of all variables, in one part."""
    csms.now += timedelta(minutes=1)
    order = csms.order(charge_point, "get_configuration")
    assert (order.action, order.payload["reportBase"]) == ("GetBaseReport", "FullInventory")
    order.answer(status="Accepted")
    csms.now += timedelta(seconds=1)
    csms.send(charge_point, "NotifyReport", part(order.payload["requestId"], 0, *rows))
    return DeviceReport.objects.latest("pk")


# ---------------------------------------------------------------- reports in parts
def test_report_keeps_all_that_a_charger_tells(csms: Csms, charge_point: ChargePoint) -> None:
    """B07.FR.11: every attribute, with or without a value."""
    inventory(
        csms,
        charge_point,
        reported(
            "EVSE/Power",
            evse={"id": 1},
            attributes=[
                {"type": "Actual", "value": "3600", "mutability": "ReadOnly", "constant": True},
                {"type": "MaxSet", "mutability": "ReadWrite", "persistent": True},
            ],
            dataType="decimal",
            unit="W",
            minLimit=0,
            maxLimit=22000.5,
            supportsMonitoring=True,
        ),
        reported(
            "AuthCtrlr/Mode", "On", instance="night", dataType="OptionList", valuesList="Auto,On,Off"
        ),
    )  # fmt: skip
    power = Variable.objects.get(name="Power", attribute="Actual")
    assert (power.key, power.value, power.is_readonly, power.is_constant) == (
        "EVSE(1)/Power", "3600", True, True,
    )  # fmt: skip
    assert (power.data_type, power.unit, power.min_limit, power.max_limit) == ("decimal", "W", 0.0, 22000.5)
    assert power.supports_monitoring
    limit = Variable.objects.get(attribute="MaxSet")
    assert (limit.key, limit.value, limit.is_readonly, limit.is_persistent) == (
        "EVSE(1)/Power#MaxSet", None, False, True,
    )  # fmt: skip
    mode = Variable.objects.get(name="Mode")
    assert (mode.key, mode.values_list) == ("AuthCtrlr/Mode[night]", "Auto,On,Off")


def test_first_report_is_no_change_and_the_next_one_is(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "BootNotification", boot())
    order = csms.order(charge_point, "get_base_report", {"base": "FullInventory"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    csms.send(charge_point, "NotifyReport", part(number, 0, reported(HEARTBEAT, "60"), more=True))
    csms.now += timedelta(seconds=5)
    csms.send(charge_point, "NotifyReport", part(number, 1, reported("AuthCtrlr/Enabled", "true")))
    assert history(charge_point) == []

    inventory(csms, charge_point, reported(HEARTBEAT, "90"), reported("TxCtrlr/TxStartPoint", "EVConnected"))
    assert history(charge_point) == [
        (HEARTBEAT, "changed", "60", "90"),
        ("TxCtrlr/TxStartPoint", "added", None, "EVConnected"),
        ("AuthCtrlr/Enabled", "gone", "true", None),
    ]
    assert values(charge_point) == {HEARTBEAT: "90", "TxCtrlr/TxStartPoint": "EVConnected"}
    assert Event.objects.filter(kind="configuration.changed").count() == 2


def test_parts_come_twice_late_and_in_any_order(csms: Csms, charge_point: ChargePoint) -> None:
    """B07.FR.10 is kept by few: what counts is that all parts have come."""
    order = csms.order(charge_point, "get_base_report", {"base": "FullInventory"})
    number = order.payload["requestId"]
    last = part(number, 2, reported("C/V", "3"))
    csms.send(charge_point, "NotifyReport", last)  # before the answer
    order.answer(status="Accepted")
    csms.send(charge_point, "NotifyReport", part(number, 0, reported("A/V", "1"), more=True))
    csms.send(charge_point, "NotifyReport", last)
    assert DeviceReport.objects.get().status == DeviceReportStatus.OPEN
    csms.send(charge_point, "NotifyReport", part(number, 1, reported("B/V", "2"), more=True))
    report = DeviceReport.objects.get()
    assert (report.status, report.parts, report.variables) == ("complete", [0, 1, 2], 3)
    assert (report.base, report.command_id) == ("FullInventory", order.command.pk)
    csms.send(charge_point, "NotifyReport", last)
    assert DeviceReport.objects.get().status == "complete"
    assert values(charge_point) == {"A/V": "1", "B/V": "2", "C/V": "3"}


@pytest.mark.parametrize("start", [1, 2])
def test_numbers_may_begin_elsewhere(csms: Csms, charge_point: ChargePoint, start: int) -> None:
    """Chargers count from 1, or through all reports; only from 0 and 1 it is sure that nothing was lost."""
    VariableFactory(charge_point=charge_point, component="Old", name="V", read_at=T0 - timedelta(days=1))
    order = csms.order(charge_point, "get_base_report", {"base": "FullInventory"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    csms.send(charge_point, "NotifyReport", part(number, start, reported("A/V", "1"), more=True))
    csms.send(charge_point, "NotifyReport", part(number, start + 1, reported("B/V", "2")))
    end_device_reports(T0 + timedelta(minutes=6))
    assert DeviceReport.objects.get().status == "complete"
    state = find_configuration_state(charge_point)
    assert state is not None
    assert state.whole_read_at is not None
    assert (Variable.objects.get(component="Old").gone_at is not None) is (start == 1)


def test_report_without_its_last_part_ends_as_partial(csms: Csms, charge_point: ChargePoint) -> None:
    VariableFactory(charge_point=charge_point, component="Old", name="V", read_at=T0 - timedelta(days=1))
    order = csms.order(charge_point, "get_base_report", {"base": "FullInventory"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    csms.send(charge_point, "NotifyReport", part(number, 0, reported("A/V", "1"), more=True))
    csms.send(charge_point, "NotifyReport", part(number, 2, reported("C/V", "3")))
    assert end_device_reports(T0 + timedelta(minutes=4)) == 0
    assert end_device_reports(T0 + timedelta(minutes=6)) == 1
    assert end_device_reports(T0 + timedelta(minutes=6)) == 0
    report = DeviceReport.objects.get()
    assert (report.status, report.parts) == ("partial", [0, 2])
    assert Event.objects.get(kind="configuration.reported").data["status"] == "partial"
    assert values(charge_point)["C/V"] == "3"
    assert Variable.objects.get(component="Old").gone_at is None
    state = find_configuration_state(charge_point)
    assert state is None or state.whole_read_at is None

    # The missing part comes at last.
    csms.send(charge_point, "NotifyReport", part(number, 1, reported("B/V", "2"), more=True))
    assert DeviceReport.objects.get().status == "complete"


def test_report_that_nobody_asked_for_is_stored_as_what_it_is(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "NotifyReport", part(4711, 0, reported("A/V", "1")))
    report = DeviceReport.objects.get()
    assert (report.request_id, report.base, report.command_id, report.status) == (4711, "", None, "complete")
    assert values(charge_point) == {"A/V": "1"}


@pytest.mark.parametrize("rows", [[], None])
def test_part_without_data_counts(csms: Csms, charge_point: ChargePoint, rows: list[Any] | None) -> None:
    order = csms.order(charge_point, "get_report", {"variables": ["EVSE(1)"]})
    order.answer(status="Accepted")
    payload = part(order.payload["requestId"], 1)
    if rows is not None:
        payload["reportData"] = rows
    assert csms.send(charge_point, "NotifyReport", payload) == {}
    assert DeviceReport.objects.get().status == "complete"


def test_number_that_is_used_again_is_a_new_report(csms: Csms, charge_point: ChargePoint) -> None:
    for value in ("1", "2"):
        csms.now += timedelta(minutes=1)
        order = csms.order(charge_point, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        csms.now += timedelta(seconds=1)
        order.answer(status="Accepted")
        csms.send(charge_point, "NotifyReport", part(1, 0, reported("A/V", value)))
    assert [row.status for row in DeviceReport.objects.all()] == ["complete", "complete"]
    assert values(charge_point) == {"A/V": "2"}


def test_names_are_one_in_any_case(csms: Csms, charge_point: ChargePoint) -> None:
    csms.send(charge_point, "NotifyReport", part(1, 0, reported("OCPPCommCtrlr/HeartbeatInterval", "60")))
    csms.send(charge_point, "NotifyReport", part(2, 0, reported("ocppcommctrlr/HEARTBEATINTERVAL", "61")))
    assert values(charge_point) == {HEARTBEAT: "61"}


def test_variables_are_bounded(
    csms: Csms, charge_point: ChargePoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_model, "MAX_VARIABLES", 3)
    rows = [reported(f"C{number}/V", "1") for number in range(5)]
    csms.send(charge_point, "NotifyReport", part(1, 0, *rows))
    csms.send(charge_point, "NotifyReport", part(2, 0, reported("C0/V", "2"), reported("C9/V", "2")))
    assert Variable.objects.count() == 3
    assert values(charge_point)["C0/V"] == "2"


def test_what_makes_no_sense_is_left_out(charge_point: ChargePoint) -> None:
    row = reported("A\0/V", "1", dataType="mystery", minLimit=float("nan"), maxLimit=10**400)
    row["component"]["evse"] = {"id": -3, "connectorId": 10**12}
    rows = [row, {"component": {"name": "B"}, "variable": {}, "variableAttribute": [{}]}, "text"]
    link = Link(charge_point.pk, charge_point.tenant_id, "ocpp2.0.1", T0, "m-1")
    payload = {"requestId": 10**12, "seqNo": -5, "reportData": rows}
    (entry,) = part_in(link, payload).entries
    assert entry.place == VariableName(component="A", name="V")
    about = entry.traits
    assert (about["data_type"], about["min_limit"], about["max_limit"]) == ("", None, None)


def test_firmware_that_brings_the_device_model_keeps_the_history(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """Keys of OCPP 1.6 are gone when the charger has reported all its variables, and the values are found."""
    VariableFactory(charge_point=charge_point, name="HeartbeatInterval", value="300", read_at=T0)
    inventory(csms, charge_point, reported(HEARTBEAT, "60"))
    assert Variable.objects.get(component="").gone_at is not None
    assert find_value(charge_point, "HeartbeatInterval") == "60"
    assert find_value(charge_point, HEARTBEAT.upper()) == "60"


# ---------------------------------------------------------------- one by one
def test_configuration_keys_name_their_variables(csms: Csms, charge_point: ChargePoint) -> None:
    order = csms.order(charge_point, "get_configuration", {"keys": ["HeartbeatInterval", "EVSE(1)/Power"]})
    assert order.payload == {
        "getVariableData": [variable(HEARTBEAT), variable("EVSE/Power", {"id": 1})]
    }  # fmt: skip
    told = [
        result(HEARTBEAT, "Accepted", "60"),
        result("EVSE/Power", "UnknownVariable", evse={"id": 1}),
    ]
    command = order.answer(getVariableResult=told)
    assert command.status == "rejected"
    assert command.summary == (
        "OCPPCommCtrlr/HeartbeatInterval: 60.\nEVSE(1)/Power: the component has no such variable."
    )
    assert find_value(charge_point, "HeartbeatInterval") == "60"
    assert Variable.objects.get(name="Power").is_unknown


@pytest.mark.parametrize(
    ("action", "payload", "words"),
    [
        ("change_configuration", {"key": "MinimumStatusDuration", "value": "1"}, "has no variable for the key"),
        ("change_configuration", {"key": "SecurityProfile", "value": "2"}, "from a network profile"),
        ("reset", {"kind": "ImmediateAndResume"}, "cannot go on with a session after a reset"),
        ("get_report", {}, "Say which"),
        ("get_report", {"criteria": ["Broken"]}, "“Broken” is none"),
        ("get_report", {"variables": ["A/B#Target"]}, "names no component"),
        ("get_variables", {"variables": ["Nonsense"]}, "names no variable"),
        ("get_variables", {"variables": ["A/B", "a/b#Actual"]}, "in it twice"),
        (
            "set_variables",
            {"variables": [{"key": HEARTBEAT, "value": "1"}, {"key": "HeartbeatInterval", "value": "2"}]},
            "in it twice",
        ),
        (
            "set_network_profile",
            {"slot": 1, "url": "https://x", "security_profile": "2", "interface": "Any"},
            "ws://",
        ),
        (
            "set_network_profile",
            {"slot": 1, "url": "ws://x", "security_profile": "2", "interface": "Any"},
            "wss://",
        ),
        (
            "set_network_profile",
            {
                "slot": 1, "url": "wss://x", "security_profile": "2", "interface": "Wired0",
                "vpn_server": "x",
            },
            "A VPN needs",
        ),
        (
            "set_network_profile",
            {"slot": 1, "url": "wss://x", "security_profile": "2", "interface": "Wired0", "identity": "x"},
            "no identity",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_a_sentence(
    csms: Csms, charge_point: ChargePoint, action: str, payload: dict[str, Any], words: str
) -> None:
    """B05.FR.13 among others."""
    with pytest.raises(InvalidPayload, match=words):
        csms.order(charge_point, action, payload)
    assert not Command.objects.exists()


def test_results_are_kept_for_each_variable(csms: Csms, charge_point: ChargePoint) -> None:
    """B05.FR.04–10: the charger answers about each of them."""
    rows = [{"key": f"C{number}/V", "value": str(number)} for number in range(4)]
    order = csms.order(charge_point, "set_variables", {"variables": rows})
    command = order.answer(
        setVariableResult=[
            result("C0/V", "Accepted"),
            result("C1/V", "RebootRequired"),
            result("C2/V", "Rejected", attributeStatusInfo={"reasonCode": "OutOfRange"}),
            result("C3/V", "UnknownComponent"),
        ]
    )
    assert command.status == "rejected"
    assert command.summary.splitlines() == [
        "C0/V: taken.",
        "C1/V: taken; it takes effect after a reset.",
        "C2/V: refused (OutOfRange).",
        "C3/V: the charger has no such component.",
    ]
    kept = {row.key: (row.value, row.set_status, row.reboot_required) for row in Variable.objects.all()}
    assert kept == {
        "C0/V": ("0", "Accepted", False),
        "C1/V": ("1", "RebootRequired", True),
        "C2/V": (None, "Rejected", False),
        "C3/V": (None, "UnknownComponent", False),
    }
    assert Variable.objects.get(component="C2").set_reason == "OutOfRange"
    assert Variable.objects.get(component="C3").is_unknown
    assert history(charge_point) == [("C0/V", "added", None, "0"), ("C1/V", "added", None, "1")]


def test_orders_are_cut_by_items_and_bytes(csms: Csms, charge_point: ChargePoint) -> None:
    """B05.FR.11: as many as the charger takes in one message; the pieces are sent one after another."""
    limits = {"ItemsPerMessage": "3", "BytesPerMessage": "1000"}
    for name, value in limits.items():
        row = reported(f"DeviceDataCtrlr/{name}", value, instance="SetVariables")
        csms.send(charge_point, "NotifyReport", part(1, 0, row))
    rows = [{"key": f"C{number}/V", "value": "1"} for number in range(4)]
    rows.append({"key": "Long/V", "value": "x" * 900})
    order = csms.order(charge_point, "set_variables", {"variables": rows})
    sent = [order.payload]
    order.answer(setVariableResult=[result("C0/V", "Accepted")])
    for _ in range(2):
        frame = csms.answers(charge_point)[-1]
        sent.append(frame[3])
        csms.text(charge_point, f'[4,"{frame[1]}","InternalError","",{{}}]')
    assert [len(payload["setVariableData"]) for payload in sent] == [3, 1, 1]
    assert Command.objects.count() == 3


def test_cut_order_is_made_once_for_one_idempotency_key(csms: Csms, charge_point: ChargePoint) -> None:
    row = reported("DeviceDataCtrlr/ItemsPerMessage", "1", instance="GetVariables")
    csms.send(charge_point, "NotifyReport", part(1, 0, row))
    csms.connect(charge_point)
    charge_point.refresh_from_db()
    payload = {"variables": ["A/V", "B/V"]}
    made = [
        queue(
            actor=Actor.system("test"),
            charge_point=charge_point,
            action="get_variables",
            payload=payload,
            idempotency_key="once",
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert [row.payload for row in Command.objects.order_by("pk")] == [
        {"variables": ["A/V"]},
        {"variables": ["B/V"]},
    ]


# ---------------------------------------------------------------- keys and secrets
def test_new_password_replaces_the_old_key(csms: Csms, charge_point: ChargePoint) -> None:
    """A01.FR.02, .03, .08, .09: no part of it is shown or stored in the open."""
    before = charge_point.key_hash
    order = csms.order(charge_point, "change_configuration", {"key": "AuthorizationKey", "value": PASSWORD})
    data = {**variable("SecurityCtrlr/BasicAuthPassword"), "attributeValue": PASSWORD}
    assert order.payload == {"setVariableData": [data]}
    charge_point.refresh_from_db()
    assert charge_point.key_hash == before
    assert keys.verify_key(PASSWORD.encode(), charge_point.pending_key_hash)
    order.answer(setVariableResult=[result("SecurityCtrlr/BasicAuthPassword", "Accepted")])
    charge_point.refresh_from_db()
    assert keys.verify_key(PASSWORD.encode(), charge_point.key_hash)
    assert charge_point.pending_key_hash == ""
    csms.node.writer.flush()
    stored = [
        str(row)
        for model in (Command, Variable, VariableChange, OcppMessage, Event)
        for row in model.objects.values()
    ]
    assert stored
    assert not [text for text in stored if PASSWORD in text]
    assert values(charge_point) == {"SecurityCtrlr/BasicAuthPassword": "***"}


@pytest.mark.parametrize(
    ("status", "keeps_new"), [("RebootRequired", True), ("Rejected", False), ("UnknownVariable", False)]
)
def test_old_key_stays_unless_the_password_is_accepted(
    csms: Csms, charge_point: ChargePoint, status: str, keeps_new: bool
) -> None:
    """A01.FR.04; after RebootRequired the first login decides."""
    before = charge_point.key_hash
    rows = [
        {"key": HEARTBEAT, "value": "60"},
        {"key": "SecurityCtrlr/BasicAuthPassword", "value": PASSWORD},
    ]
    order = csms.order(charge_point, "set_variables", {"variables": rows})
    order.answer(
        setVariableResult=[
            result(HEARTBEAT, "Accepted"),
            result("SecurityCtrlr/BasicAuthPassword", status),
        ]
    )
    charge_point.refresh_from_db()
    assert charge_point.key_hash == before
    assert bool(charge_point.pending_key_hash) is keeps_new


def test_secret_that_a_charger_tells_is_hidden(csms: Csms, charge_point: ChargePoint) -> None:
    """A01.FR.09: chargers exist that answer what they should not."""
    order = csms.order(charge_point, "get_variables", {"variables": ["SecurityCtrlr/BasicAuthPassword"]})
    told = result("SecurityCtrlr/BasicAuthPassword", "Accepted", PASSWORD)
    assert order.answer(getVariableResult=[told]).summary == "SecurityCtrlr/BasicAuthPassword: ***."
    row = reported("NetworkConfiguration/VpnKey", PASSWORD, instance="1")
    csms.send(charge_point, "NotifyReport", part(1, 0, row))
    csms.node.writer.flush()
    kept = [str(row) for model in (Command, Variable, OcppMessage) for row in model.objects.values()]
    assert not [text for text in kept if PASSWORD in text]
    assert set(values(charge_point).values()) == {"***"}


def test_password_in_a_raw_message_is_a_key_change(csms: Csms, charge_point: ChargePoint) -> None:
    data = {**variable("SecurityCtrlr/BasicAuthPassword"), "attributeValue": PASSWORD}
    order = csms.order(charge_point, "SetVariables", {"setVariableData": [data]})
    assert order.payload["setVariableData"][0]["attributeValue"] == PASSWORD
    assert PASSWORD not in str(order.command.payload)
    order.answer(setVariableResult=[result("SecurityCtrlr/BasicAuthPassword", "Accepted")])
    charge_point.refresh_from_db()
    assert keys.verify_key(PASSWORD.encode(), charge_point.key_hash)


def test_secrets_of_a_network_profile_are_nowhere(csms21: Csms21, charge_point: ChargePoint) -> None:
    """B09 with what 2.1 adds: identity and password of the slot."""
    secrets = {
        "basic_auth_password": "password-of-the-slot",
        "apn_password": "apn-hush",
        "apn_sim_pin": 98765,
        "vpn_password": "vpn-hush",
        "vpn_key": "vpn-shared-hush",
    }
    order = csms21.order(
        charge_point,
        "set_network_profile",
        {
            "slot": 2,
            "url": "wss://csms.example.com/ocpp",
            "security_profile": "2",
            "interface": "Any",
            "identity": "CP-NEW",
            "apn": "internet",
            "apn_authentication": "AUTO",
            "vpn_server": "vpn.example.com",
            "vpn_type": "IKEv2",
            "vpn_user": "cp",
            **secrets,
        },
    )
    connection = order.payload["connectionData"]
    assert (connection["identity"], connection["basicAuthPassword"]) == ("CP-NEW", "password-of-the-slot")
    assert (connection["vpn"]["key"], connection["apn"]["simPin"]) == ("vpn-shared-hush", 98765)
    assert "ocppVersion" not in connection
    order.answer(status="Accepted")
    csms21.node.writer.flush()
    stored = [str(row) for model in (Command, OcppMessage, Event) for row in model.objects.values()]
    assert not [text for text in stored for secret in secrets.values() if str(secret) in text]


@pytest.mark.parametrize("action", ["change_configuration", "SetVariables"])
def test_network_profile_in_use_is_not_changed_in_parts(
    csms21: Csms21, charge_point: ChargePoint, action: str
) -> None:
    """2.1 B09.FR.21"""
    row = reported("OCPPCommCtrlr/NetworkConfigurationPriority", "2,1")
    csms21.send(charge_point, "NotifyReport", part(1, 0, row))

    def payload(slot: str) -> dict[str, Any]:
        if action == "change_configuration":
            return {"key": f"NetworkConfiguration[{slot}]/MessageTimeout", "value": "30"}
        about = variable("NetworkConfiguration/MessageTimeout")
        about["component"]["instance"] = slot
        return {"setVariableData": [{**about, "attributeValue": "30"}]}

    with pytest.raises(InvalidPayload, match="Network profile 1 is in use"):
        csms21.order(charge_point, action, payload("1"))
    assert csms21.order(charge_point, action, payload("3")).action == "SetVariables"


def test_reset_may_go_on_with_the_session(csms21: Csms21, charge_point: ChargePoint) -> None:
    """2.1 B13: resume after a reset."""
    order = csms21.order(charge_point, "reset", {"kind": "ImmediateAndResume", "connector": 1})
    assert order.payload == {"type": "ImmediateAndResume", "evseId": 1}
    hard = csms21.order(charge_point, "reset", {"kind": "Hard"})
    assert hard.action == ""  # one order at a time
    order.answer(status="Scheduled")
    assert csms21.answers(charge_point)[-1][3] == {"type": "Immediate"}


def test_configuration_is_read_after_a_boot_where_that_is_allowed(
    csms: Csms, charge_point: ChargePoint
) -> None:
    """B07.FR.14: all variables at the first connect, and after each firmware change."""
    ChargePoint.objects.filter(pk=charge_point.pk).update(auto_configure=True)
    csms.connect(charge_point)
    csms.send(charge_point, "BootNotification", boot())
    (call,) = csms.due(charge_point)
    assert (call[1], call[2]["reportBase"]) == ("GetBaseReport", "FullInventory")
