"""Official test cases of block B, provisioning (2.0.1 part 6); TC_B_58 is in tests/e2e/test_handshake.py."""

from __future__ import annotations

import pytest

from accounts.models import IdToken
from chargepoints.choices import CommandStatus, DeviceReportStatus, RegistrationStatus
from chargepoints.models import ChargePoint, Connector, DeviceReport, Variable
from chargepoints.selectors import find_configuration_state, find_value
from tests.ocpp_gateway.v201.helpers import Csms, boot, clock, event, moment, session, status
from tests.ocpp_gateway.v201.helpers import token as id_token
from tests.ocpp_gateway.v201.reports import part, reported, result, variable


@pytest.mark.testcase("TC_B_01_CSMS")
def test_tc_b_01_cold_boot(csms: Csms, charge_point: ChargePoint) -> None:
    """Cold Boot Charging Station - Accepted (B01.FR.02)"""
    assert csms.send(charge_point, "BootNotification", boot())["status"] == "Accepted"
    assert csms.send(charge_point, "StatusNotification", status(1, "Available")) == {}


@pytest.mark.testcase("TC_B_02_CSMS")
def test_tc_b_02_cold_boot_pending(csms: Csms, charge_point: ChargePoint) -> None:
    """Cold Boot Charging Station - Pending (B02.FR.01, B02.FR.06)"""
    _hold(charge_point, RegistrationStatus.PENDING)
    csms.reconnect(charge_point, was_accepted=False)
    answer = csms.send(charge_point, "BootNotification", boot())
    assert answer["status"] == "Pending"
    assert answer["interval"] > 0

    # What an operator reads and sets meanwhile is sent.
    order = csms.order(charge_point, "get_base_report", {"base": "FullInventory"})
    order.answer(status="Accepted")
    number = order.payload["requestId"]
    row = reported("OCPPCommCtrlr/OfflineThreshold", "60")
    assert csms.send(charge_point, "NotifyReport", part(number, 0, row, more=True)) == {}
    assert csms.send(charge_point, "NotifyReport", part(number, 1, row)) == {}

    _hold(charge_point, RegistrationStatus.ACCEPTED)
    csms.reconnect(charge_point, was_accepted=False)
    assert csms.send(charge_point, "BootNotification", boot())["status"] == "Accepted"
    assert csms.send(charge_point, "StatusNotification", status(1, "Available")) == {}


@pytest.mark.testcase("TC_B_30_CSMS")
@pytest.mark.parametrize("held", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
def test_tc_b_30_other_messages_before_acceptance(
    csms: Csms, charge_point: ChargePoint, held: RegistrationStatus
) -> None:
    """Cold Boot Charging Station - Pending/Rejected - SecurityError (B02.FR.09, B03.FR.07)"""
    _hold(charge_point, held)
    csms.reconnect(charge_point, was_accepted=False)
    assert csms.send(charge_point, "BootNotification", boot())["status"] == held.value
    assert csms.ask_one(charge_point, "StatusNotification", status(1, "Available")).code == "SecurityError"
    report = part(1, 0, reported("OCPPCommCtrlr/OfflineThreshold", "60"))
    assert csms.ask_one(charge_point, "NotifyReport", report).code == "SecurityError"
    assert not Variable.objects.exists()


@pytest.mark.testcase("TC_B_06_CSMS")
def test_tc_b_06_get_variables_single(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Variables - single value (B06.FR.01–04, .10, .11)"""
    order = csms.order(charge_point, "get_variables", {"variables": ["OCPPCommCtrlr/OfflineThreshold"]})
    assert order.action == "GetVariables"
    assert order.payload == {"getVariableData": [variable("OCPPCommCtrlr/OfflineThreshold")]}
    told = result("OCPPCommCtrlr/OfflineThreshold", "Accepted", "123", attributeType="Actual")
    command = order.answer(getVariableResult=[told])
    assert (command.status, command.summary) == ("accepted", "OCPPCommCtrlr/OfflineThreshold: 123.")
    assert _values(charge_point) == {"OCPPCommCtrlr/OfflineThreshold": "123"}


@pytest.mark.testcase("TC_B_07_CSMS")
def test_tc_b_07_get_variables_multiple(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Variables - multiple values (B06.FR.01–03)"""
    names = ["OCPPCommCtrlr/OfflineThreshold", "AuthCtrlr/AuthorizeRemoteStart"]
    order = csms.order(charge_point, "get_variables", {"variables": names})
    assert order.payload == {"getVariableData": [variable(name) for name in names]}
    order.answer(getVariableResult=[result(names[0], "Accepted", "60"), result(names[1], "Accepted", "true")])
    assert _values(charge_point) == {names[0]: "60", names[1]: "true"}
    assert find_value(charge_point, "AuthorizeRemoteTxRequests") == "true"


@pytest.mark.testcase("TC_B_08_CSMS")
def test_tc_b_08_no_more_variables_than_the_station_takes(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Variables - limit to maximum number of values (B06.FR.05)"""
    limit = "DeviceDataCtrlr/ItemsPerMessage[GetVariables]"
    told = result("DeviceDataCtrlr/ItemsPerMessage", "Accepted", "4", instance="GetVariables")
    csms.order(charge_point, "get_variables", {"variables": [limit]}).answer(getVariableResult=[told])

    names = [
        "DeviceDataCtrlr/ItemsPerMessage[GetReport]",
        limit,
        "DeviceDataCtrlr/BytesPerMessage[GetReport]",
        "DeviceDataCtrlr/BytesPerMessage[GetVariables]",
        "AuthCtrlr/AuthorizeRemoteStart",
    ]
    order = csms.order(charge_point, "get_variables", {"variables": names})
    assert [len(order.payload["getVariableData"])] == [4]
    order.answer(getVariableResult=[result("AuthCtrlr/Enabled", "UnknownVariable")])
    rest = csms.answers(charge_point)[-1]
    assert rest[2] == "GetVariables"
    assert rest[3] == {"getVariableData": [variable("AuthCtrlr/AuthorizeRemoteStart")]}


@pytest.mark.testcase("TC_B_09_CSMS")
def test_tc_b_09_set_variables_single(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Variables - single value (B05.FR.01–03, .10, .12)"""
    order = csms.order(
        charge_point, "change_configuration", {"key": "OCPPCommCtrlr/OfflineThreshold", "value": "123"}
    )
    assert order.action == "SetVariables"
    data = {**variable("OCPPCommCtrlr/OfflineThreshold"), "attributeValue": "123"}
    assert order.payload == {"setVariableData": [data]}
    taken = result("OCPPCommCtrlr/OfflineThreshold", "Accepted", attributeType="Actual")
    command = order.answer(setVariableResult=[taken])
    assert (command.status, command.summary) == ("accepted", "")
    assert _values(charge_point) == {"OCPPCommCtrlr/OfflineThreshold": "123"}


@pytest.mark.testcase("TC_B_10_CSMS")
def test_tc_b_10_set_variables_multiple(csms: Csms, charge_point: ChargePoint) -> None:
    """Set Variables - multiple values (B05.FR.01–03)"""
    threshold, remote = "OCPPCommCtrlr/OfflineThreshold", "AuthCtrlr/AuthorizeRemoteStart"
    rows = [{"key": threshold, "value": "123"}, {"key": remote, "value": "false"}]
    order = csms.order(charge_point, "set_variables", {"variables": rows})
    assert order.payload == {
        "setVariableData": [
            {**variable(threshold), "attributeValue": "123"},
            {**variable(remote), "attributeValue": "false"},
        ]
    }
    order.answer(setVariableResult=[result(threshold, "Accepted"), result(remote, "RebootRequired")])
    assert _values(charge_point) == {threshold: "123", remote: "false"}
    row = Variable.objects.get(name="AuthorizeRemoteStart")
    assert (row.set_status, row.reboot_required) == ("RebootRequired", True)


@pytest.mark.parametrize(
    "base",
    [
        pytest.param("ConfigurationInventory", marks=pytest.mark.testcase("TC_B_12_CSMS")),
        pytest.param("FullInventory", marks=pytest.mark.testcase("TC_B_13_CSMS")),
        pytest.param("SummaryInventory", marks=pytest.mark.testcase("TC_B_14_CSMS")),
    ],
)
def test_tc_b_12_13_14_base_report(csms: Csms, charge_point: ChargePoint, base: str) -> None:
    """Get Base Report - ConfigurationInventory, FullInventory, SummaryInventory (B07.FR.07, .08, .09)"""
    order = csms.order(charge_point, "get_base_report", {"base": base})
    assert order.action == "GetBaseReport"
    assert order.payload["reportBase"] == base
    number = order.payload["requestId"]
    assert isinstance(number, int)
    assert number >= 0
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    first = reported("OCPPCommCtrlr/OfflineThreshold", "60", dataType="integer", unit="s")
    second = reported("EVSE/AvailabilityState", "Available", evse={"id": 1}, mutability="ReadOnly")
    csms.send(charge_point, "NotifyReport", part(number, 0, first, more=True))
    csms.send(charge_point, "NotifyReport", part(number, 1, second, more=False))
    assert _values(charge_point) == {
        "EVSE(1)/AvailabilityState": "Available",
        "OCPPCommCtrlr/OfflineThreshold": "60",
    }
    report = DeviceReport.objects.get()
    assert (report.base, report.status, report.parts) == (base, DeviceReportStatus.COMPLETE, [0, 1])
    state = find_configuration_state(charge_point)
    assert state is not None
    assert (state.whole_read_at is not None) is (base == "FullInventory")


@pytest.mark.testcase("TC_B_18_CSMS")
def test_tc_b_18_custom_report(csms: Csms, charge_point: ChargePoint) -> None:
    """Get Custom Report - with componentCriteria and component/variables (B08.FR.01, .03)"""
    chosen = [variable("EVSE/AvailabilityState", {"id": 1})]
    asked = {"criteria": ["Problem"], "variables": ["EVSE(1)/AvailabilityState"]}
    order = csms.order(charge_point, "get_report", asked)
    assert order.payload["componentCriteria"] == ["Problem"]
    assert order.payload["componentVariable"] == chosen
    command = order.answer(status="EmptyResultSet")
    assert (command.status, command.summary) == (
        "accepted",
        "Nothing fits: the charger has nothing to report.",
    )
    assert not DeviceReport.objects.exists()

    order = csms.order(charge_point, "get_report", {**asked, "criteria": ["Available"]})
    order.answer(status="Accepted")
    row = reported("EVSE/AvailabilityState", "Available", evse={"id": 1})
    csms.send(charge_point, "NotifyReport", part(order.payload["requestId"], 0, row))
    assert _values(charge_point) == {"EVSE(1)/AvailabilityState": "Available"}
    assert DeviceReport.objects.get().base == "Custom"


# ---------------------------------------------------------------- resets
@pytest.mark.parametrize(
    ("payload", "call", "answer", "evse"),
    [
        pytest.param(
            {"kind": "OnIdle"}, {"type": "OnIdle"}, "Accepted", None,
            marks=pytest.mark.testcase("TC_B_20_CSMS"), id="tc_b_20",
        ),
        pytest.param(
            {"kind": "Soft", "connector": 1}, {"type": "OnIdle", "evseId": 1}, "Accepted", 1,
            marks=pytest.mark.testcase("TC_B_25_CSMS"), id="tc_b_25",
        ),
    ],
)  # fmt: skip
def test_tc_b_20_25_reset_without_a_session(
    csms: Csms,
    charge_point: ChargePoint,
    payload: dict[str, object],
    call: dict[str, object],
    answer: str,
    evse: int | None,
) -> None:
    """Reset Charging Station, Reset EVSE - Without ongoing transaction (B11.FR.04)"""
    order = csms.order(charge_point, "reset", payload)
    assert (order.action, order.payload) == ("Reset", call)
    assert order.answer(status=answer).status == CommandStatus.ACCEPTED
    if evse is None:
        csms.reconnect(charge_point)
        assert csms.send(charge_point, "BootNotification", boot("RemoteReset"))["status"] == "Accepted"
    csms.send(charge_point, "StatusNotification", status(1, "Available"))
    assert Connector.objects.get(charge_point=charge_point, ocpp_number=1).status == "Available"


@pytest.mark.parametrize(
    "evse",
    [
        pytest.param(None, marks=pytest.mark.testcase("TC_B_21_CSMS")),
        pytest.param(1, marks=pytest.mark.testcase("TC_B_26_CSMS")),
    ],
    ids=["tc_b_21", "tc_b_26"],
)
def test_tc_b_21_26_reset_on_idle_during_a_session(
    csms: Csms, charge_point: ChargePoint, token: IdToken, evse: int | None
) -> None:
    """Reset Charging Station, Reset EVSE - With Ongoing Transaction - OnIdle (B12.FR.01, .03, .07, E07.FR.03)"""
    _charging(csms, charge_point)
    place = {} if evse is None else {"connector": evse}
    order = csms.order(charge_point, "reset", {"kind": "Soft", **place})
    assert order.payload == {"type": "OnIdle", **({} if evse is None else {"evseId": evse})}
    command = order.answer(status="Scheduled")
    assert command.status == CommandStatus.ACCEPTED
    assert command.summary == "The charger restarts when nobody charges any more."
    stopping = event(
        "Updated", 2, trigger="StopAuthorized", at=clock(minutes=20), idToken=id_token(),
        info={"chargingState": "EVConnected"},
    )  # fmt: skip
    assert csms.send(charge_point, "TransactionEvent", stopping)["idTokenInfo"]["status"] == "Accepted"
    ended = event(
        "Ended", 3, moment(5000), at=clock(minutes=21),
        info={"chargingState": "Idle", "stoppedReason": "EVDisconnected"},
    )  # fmt: skip
    csms.send(charge_point, "TransactionEvent", ended)
    assert session().ended_at is not None
    if evse is None:
        csms.reconnect(charge_point)
        assert csms.send(charge_point, "BootNotification", boot("ScheduledReset"))["status"] == "Accepted"
        assert csms.send(charge_point, "StatusNotification", status(1, "Available")) == {}


@pytest.mark.parametrize(
    "evse",
    [
        pytest.param(None, marks=pytest.mark.testcase("TC_B_22_CSMS")),
        pytest.param(1, marks=pytest.mark.testcase("TC_B_27_CSMS")),
    ],
    ids=["tc_b_22", "tc_b_27"],
)
def test_tc_b_22_27_immediate_reset_during_a_session(
    csms: Csms, charge_point: ChargePoint, token: IdToken, evse: int | None
) -> None:
    """Reset Charging Station, Reset EVSE - With Ongoing Transaction - Immediate (B12.FR.02, .04, .08)"""
    _charging(csms, charge_point)
    place = {} if evse is None else {"connector": evse}
    order = csms.order(charge_point, "reset", {"kind": "Hard", **place})
    assert order.payload == {"type": "Immediate", **({} if evse is None else {"evseId": evse})}
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED
    ended = event(
        "Ended", 2, moment(5000), trigger="ResetCommand", at=clock(minutes=20),
        info={"chargingState": "EVConnected", "stoppedReason": "ImmediateReset"},
    )  # fmt: skip
    csms.send(charge_point, "TransactionEvent", ended)
    assert session().stop_reason == "ImmediateReset"
    if evse is None:
        csms.reconnect(charge_point)
        assert csms.send(charge_point, "BootNotification", boot("RemoteReset"))["status"] == "Accepted"
        assert csms.send(charge_point, "StatusNotification", status(1, "Occupied")) == {}


@pytest.mark.testcase("TC_B_42_CSMS")
def test_tc_b_42_network_profile_accepted(csms: Csms, charge_point: ChargePoint) -> None:
    """Set new NetworkConnectionProfile - Accepted (B09.FR.01)"""
    order = csms.order(charge_point, "set_network_profile", _profile())
    assert order.action == "SetNetworkProfile"
    assert order.payload == {
        "configurationSlot": 1,
        "connectionData": {
            "messageTimeout": 30,
            "ocppCsmsUrl": "wss://csms.example.com/ocpp",
            "ocppInterface": "Wired0",
            "ocppTransport": "JSON",
            "ocppVersion": "OCPP20",
            "securityProfile": 2,
        },
    }
    assert order.answer(status="Accepted").status == CommandStatus.ACCEPTED


@pytest.mark.testcase("TC_B_44_CSMS")
def test_tc_b_44_network_profile_failed(csms: Csms, charge_point: ChargePoint) -> None:
    """Set new NetworkConnectionProfile - Failed (B09.FR.03)"""
    command = csms.order(charge_point, "set_network_profile", _profile()).answer(
        status="Failed", statusInfo={"reasonCode": "InternalError"}
    )
    assert command.status == CommandStatus.REJECTED
    assert command.summary == (
        "The profile is good, but the charger could not store it. The charger's reason: InternalError."
    )


def _charging(csms: Csms, charge_point: ChargePoint) -> None:
    """The reusable state EnergyTransferStarted."""
    first = event("Started", 0, moment(1000), trigger="Authorized", evse=1, idToken=id_token())
    csms.send(charge_point, "TransactionEvent", first)
    state = {"chargingState": "Charging"}
    running = event("Updated", 1, trigger="ChargingStateChanged", at=clock(minutes=1), info=state)
    csms.send(charge_point, "TransactionEvent", running)


def _profile() -> dict[str, object]:
    return {
        "slot": 1,
        "url": "wss://csms.example.com/ocpp",
        "security_profile": "2",
        "interface": "Wired0",
    }


def _hold(charge_point: ChargePoint, status: RegistrationStatus) -> None:
    ChargePoint.objects.filter(pk=charge_point.pk).update(registration_status=status)


def _values(charge_point: ChargePoint) -> dict[str, str | None]:
    return {row.key: row.value for row in Variable.objects.filter(charge_point=charge_point)}
