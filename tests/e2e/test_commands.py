"""Commands over a real socket, from the row to its final state (OCPP 1.6 §5; OCPP-J 1.6 §4.1.1)."""

from __future__ import annotations

from typing import Any

import pytest

from chargepoints.choices import CommandStatus, RegistrationStatus
from chargepoints.models import ChargePoint, OcppMessage
from tests.e2e.conftest import open_charger, order, register, wait_ended
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import Charger
from tests.factories import T0

pytestmark = pytest.mark.server

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ([3, {"status": "Accepted"}], CommandStatus.ACCEPTED, None),
        ([3, {"status": "Rejected"}], CommandStatus.REJECTED, None),
        ([4, "NotImplemented", "no", {}], CommandStatus.NOT_SUPPORTED, "NotImplemented"),
        ([4, "NotSupported", "", {}], CommandStatus.NOT_SUPPORTED, "NotSupported"),
        ([4, "InternalError", "d" * 400, "text"], CommandStatus.FAILED, "InternalError"),
        ([4], CommandStatus.FAILED, ""),
        ([3, {"status": "Perhaps"}], CommandStatus.FAILED, "InvalidAnswer"),
        ([3, {}], CommandStatus.FAILED, "InvalidAnswer"),
        ([3, "text"], CommandStatus.FAILED, "InvalidAnswer"),
        ([3], CommandStatus.FAILED, "InvalidAnswer"),
    ],
)
def test_command_answer_decides_the_final_state(
    product: Product,
    request: pytest.FixtureRequest,
    answer: list[Any],
    status: CommandStatus,
    code: str | None,
) -> None:
    identity = f"OUTCOME-{request.node.callspec.indices['answer']}"
    register(identity, accepted_at=T0)
    command = order(identity, "clear_cache")
    with Charger(product.url, identity) as charger:
        call = charger.receive()
        assert (call[0], call[2:]) == (2, ["ClearCache", {}])
        charger.send([answer[0], call[1], *answer[1:]])
        assert wait_ended(command).status == status
        assert (command.error or {}).get("code") == code
        assert "currentTime" in charger.call("Heartbeat", {})


def test_command_without_an_answer_times_out_and_a_late_one_changes_nothing(product: Product) -> None:
    register("LATE", accepted_at=T0)
    command = order("LATE", "clear_cache", timeout_s=1)
    with Charger(product.url, "LATE") as charger:
        call = charger.receive()
        assert wait_ended(command).status == CommandStatus.TIMED_OUT
        charger.send([3, call[1], {"status": "Accepted"}])
        assert "currentTime" in charger.call("Heartbeat", {})
        command.refresh_from_db()
        assert command.status == CommandStatus.TIMED_OUT


def test_commands_go_out_one_after_the_other(product: Product) -> None:
    register("ONE-BY-ONE", accepted_at=T0)
    orders = [order("ONE-BY-ONE", "clear_cache") for _ in range(3)]
    with Charger(product.url, "ONE-BY-ONE") as charger:
        seen = []
        for _ in orders:
            call = charger.receive()
            seen.append(call[1])
            charger.send([2, "mine", "StatusNotification", STATUS])
            assert charger.receive()[:2] == [3, "mine"]  # and no second CALL before our answer
            charger.send([3, call[1], {"status": "Accepted"}])
        assert [wait_ended(command).status for command in orders] == [CommandStatus.ACCEPTED] * 3
        assert len(set(seen)) == 3


def test_command_open_when_the_charger_leaves_fails_as_lost(product: Product) -> None:
    with open_charger(product, "LEAVES") as charger:
        command = order("LEAVES", "clear_cache")
        charger.receive()
    assert wait_ended(command).status == CommandStatus.FAILED
    assert command.error["code"] == "ConnectionLost"


def test_command_behind_one_that_was_lost_goes_to_the_next_socket(product: Product) -> None:
    register("RETURNING", accepted_at=T0)
    lost, second = order("RETURNING", "clear_cache"), order("RETURNING", "clear_cache")
    with Charger(product.url, "RETURNING") as charger:
        charger.receive()
    assert wait_ended(lost).status == CommandStatus.FAILED
    with Charger(product.url, "RETURNING") as charger:
        call = charger.receive()
        charger.send([3, call[1], {"status": "Accepted"}])
        assert wait_ended(second).status == CommandStatus.ACCEPTED


def test_command_that_waits_for_the_charger_is_sent_at_connect(product: Product) -> None:
    register("SLEEPER")
    command = order("SLEEPER", "clear_cache")
    with Charger(product.url, "SLEEPER") as charger:
        call = charger.receive()
        charger.send([3, call[1], {"status": "Accepted"}])
        assert wait_ended(command).status == CommandStatus.ACCEPTED


def test_command_is_logged_with_its_answer(product: Product) -> None:
    register("LOGGED-CMD")
    command = order("LOGGED-CMD", "change_configuration", key="AuthorizationKey", value="a" * 40)
    with Charger(product.url, "LOGGED-CMD") as charger:
        call = charger.receive()
        assert call[3] == {"key": "AuthorizationKey", "value": "a" * 40}
        charger.send([3, call[1], {"status": "Rejected"}])
        assert wait_ended(command).status == CommandStatus.REJECTED
    rows = OcppMessage.objects.filter(charge_point__identity="LOGGED-CMD", sent_by_charger=False)
    row = wait_until(rows.first, "the exchange is logged")
    assert (row.action, row.response) == ("ChangeConfiguration", '{"status":"Rejected"}')
    assert "a" * 40 not in row.request
    assert "a" * 40 not in str(command.payload) + str(command.request) + product.log


def test_raw_command_is_sent_verbatim(product: Product) -> None:
    register("RAW")
    command = order("RAW", "GetDiagnostics", location="ftp://127.0.0.1/logs")
    with Charger(product.url, "RAW") as charger:
        call = charger.receive()
        assert call[2:] == ["GetDiagnostics", {"location": "ftp://127.0.0.1/logs"}]
        charger.send([3, call[1], {"fileName": "log.zip"}])
        assert wait_ended(command).status == CommandStatus.ACCEPTED
        assert command.response == {"fileName": "log.zip"}


# ---------------------------------------------------------------- registration
def test_pending_charger_is_configured_but_not_started(product: Product) -> None:
    pending = RegistrationStatus.PENDING
    with open_charger(product, "PENDING", boot=False, registration_status=pending) as charger:
        assert charger.boot()["status"] == "Pending"
        command = order("PENDING", "get_configuration")
        call = charger.receive()
        charger.send([3, call[1], {"configurationKey": []}])
        assert wait_ended(command).status == CommandStatus.ACCEPTED
        assert charger.ask("StatusNotification", STATUS)[2] == "SecurityError"


def test_pending_charger_is_served_what_was_triggered(product: Product) -> None:
    pending = RegistrationStatus.PENDING
    with open_charger(product, "TRIGGERED", boot=False, registration_status=pending) as charger:
        charger.boot()
        command = order("TRIGGERED", "trigger_message", message="StatusNotification", connector=1)
        call = charger.receive()
        charger.send([3, call[1], {"status": "Accepted"}])
        assert charger.ask("StatusNotification", STATUS)[0] == 3
        assert charger.ask("Authorize", {"idTag": "T"})[2] == "SecurityError"
        assert wait_ended(command).status == CommandStatus.ACCEPTED


def test_rejected_charger_is_answered_rejected_and_gets_nothing(product: Product) -> None:
    rejected = RegistrationStatus.REJECTED
    with open_charger(product, "REJECTED", boot=False, registration_status=rejected) as charger:
        assert charger.boot()["status"] == "Rejected"
        assert charger.ask("Heartbeat", {})[2] == "SecurityError"
        start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-03-02T10:00:00Z"}
        assert charger.ask("StartTransaction", start)[2] == "SecurityError"


def test_charger_accepted_by_the_operator_is_served_after_its_next_boot(product: Product) -> None:
    pending = RegistrationStatus.PENDING
    with open_charger(product, "PROMOTED", boot=False, registration_status=pending) as charger:
        assert charger.boot()["status"] == "Pending"
        ChargePoint.objects.filter(identity="PROMOTED").update(registration_status="Accepted")
        assert charger.boot()["status"] == "Accepted"
        assert charger.ask("StatusNotification", STATUS)[0] == 3
