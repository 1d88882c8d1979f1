"""An independent client of 2.x: the `ocpp` package, which checks every schema itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from ocpp.routing import on
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from accounts.permissions import Actor
from chargepoints.choices import CertificateState, CommandStatus
from chargepoints.models import (
    Certificate,
    ChargePoint,
    ChargerEvent,
    ChargingProfileAssignment,
    Command,
    Connector,
    InstalledCertificate,
    Monitor,
    Variable,
)
from chargepoints.services import authorities
from ocpp_gateway.wire import schemas
from ocpp_gateway.wire.errors import V21, V201
from tests.chargepoints.certs import csr_pem, ec_key
from tests.e2e.conftest import default_tenant, order, register, register_tag, wait_ended
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import basic
from tests.factories import CHARGER_KEY
from transactions.choices import TransactionState
from transactions.models import Transaction

pytestmark = pytest.mark.server

MODULES = {V201: "ocpp.v201", V21: "ocpp.v21"}
VERSIONS = pytest.mark.parametrize("version", [V201, V21])
EVSE = {"id": 1, "connector_id": 1}
HASHES: dict[str, Any] = {
    "hash_algorithm": "SHA256",
    "issuer_name_hash": "ab" * 32,
    "issuer_key_hash": "cd" * 32,
    "serial_number": "FFF",
}
PERIODS = [{"start_period": 0, "limit": 8.1, "number_phases": 3}]

Fields = dict[str, Any]
#: OCPP action → the fields of the answer, or what makes them of the request.
Answers = dict[str, Fields | Callable[[Fields], Fields]]


class Station:
    """A station of the package on a thread of its own: it answers as it is told, and says what the test wants."""

    def __init__(self, product: Product, identity: str, version: str, answers: Answers) -> None:
        self.package: ModuleType = import_module(MODULES[version])
        self.requests: list[tuple[str, Fields]] = []
        self._url, self._identity, self._version = f"{product.url}/{identity}", identity, version
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._connected, self._stop = threading.Event(), asyncio.Event()

    def _class(self) -> Any:
        members = {action: self._answer(action, given) for action, given in self._answers.items()}
        return type("Client", (self.package.ChargePoint,), members)

    def _answer(self, action: str, given: Fields | Callable[[Fields], Fields]) -> Any:
        def answer(client: Any, **request: Any) -> Any:
            self.requests.append((action, request))
            fields = given(request) if callable(given) else given
            return getattr(self.package.call_result, action)(**fields)

        answer.__name__ = action  # the package finds its handlers by their names
        return on(action)(answer)

    async def _run(self) -> None:
        headers = {"Authorization": basic(self._identity, CHARGER_KEY)}
        async with connect(
            self._url,
            subprotocols=[Subprotocol(self._version)],
            additional_headers=headers,
            proxy=None,
        ) as socket:
            self._client = self._class()(self._identity, socket, response_timeout=20)
            listener = asyncio.create_task(self._client.start())
            self._connected.set()
            await self._stop.wait()
            listener.cancel()

    def begin(self) -> None:
        self._thread.start()
        assert self._connected.wait(20)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()

    def say(self, action: str, **fields: Any) -> Any:
        """Send a message and return the answer; an answer that breaks its schema fails the test."""
        message = getattr(self.package.call, action)(**fields)
        work = self._client.call(message, suppress=False)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(40)

    def boot(self) -> None:
        station = {"model": "AC-Duo", "vendor_name": "Volta Works", "firmware_version": "1.2"}
        booted = self.say("BootNotification", charging_station=station, reason="PowerUp")
        assert booted.status == "Accepted"
        assert booted.interval > 0


@contextmanager
def station(
    product: Product, identity: str, version: str, answers: Answers | None = None
) -> Iterator[Station]:
    """A registered station that has booted."""
    register(identity)
    client = Station(product, identity, version, answers or {})
    client.begin()
    try:
        client.boot()
        yield client
    finally:
        client.end()


def check(command: Command, version: str, status: CommandStatus = CommandStatus.ACCEPTED) -> Command:
    """A command has ended as expected, and what went both ways is valid by the official schemas."""
    ended = wait_ended(command)
    assert ended.status == status, (ended.error, ended.summary, ended.response)
    assert schemas.check_request(version, ended.ocpp_action, ended.request, strict=True) is None
    assert schemas.check_response(version, ended.ocpp_action, ended.response, strict=True) is None
    return ended


# ---------------------------------------------------------------- sessions
def tell(client: Station, kind: str, seq_no: int, trigger: str, wh: float, **more: Any) -> Any:
    """One event of the transaction."""
    at = f"2026-03-02T10:{seq_no * 10:02}:00Z"
    info = {"transaction_id": "package-1", **more.pop("info", {})}
    sample = {"value": wh, "unit_of_measure": {"unit": "kWh", "multiplier": -3}}
    return client.say(
        "TransactionEvent",
        event_type=kind,
        timestamp=at,
        trigger_reason=trigger,
        seq_no=seq_no,
        transaction_info=info,
        evse=EVSE,
        meter_value=[{"timestamp": at, "sampled_value": [sample]}],
        **more,
    )


@VERSIONS
def test_package_client_charges(product: Product, version: str) -> None:
    identity, token = f"PKG-{version}", {"id_token": f"PKG{version}", "type": "ISO14443"}
    register_tag(f"PKG{version}")
    with station(product, identity, version) as client:
        client.say(
            "StatusNotification",
            timestamp="2026-03-02T09:59:00Z",
            connector_status="Occupied",
            evse_id=1,
            connector_id=1,
        )
        assert client.say("Authorize", id_token=token).id_token_info["status"] == "Accepted"
        unknown = client.say("Authorize", id_token={"id_token": "NOBODY", "type": "ISO14443"})
        assert unknown.id_token_info["status"] in ("Unknown", "Invalid")
        started = tell(client, "Started", 0, "Authorized", 1500.0, id_token=token)
        assert started.id_token_info["status"] == "Accepted"
        charging = {"charging_state": "Charging"}
        updated = tell(client, "Updated", 1, "ChargingStateChanged", 1500.0, info=charging)
        assert updated.id_token_info is None
        tell(client, "Updated", 2, "MeterValuePeriodic", 3000.0, info=charging)
        tell(client, "Ended", 3, "StopAuthorized", 5250.0, info={"stopped_reason": "Local"}, id_token=token)
        assert client.say("Heartbeat").current_time.endswith("Z")
        reading = {"timestamp": "2026-03-02T11:00:00Z", "sampled_value": [{"value": 5250.0}]}
        client.say("MeterValues", evse_id=1, meter_value=[reading])
    session = Transaction.objects.get(charge_point__identity=identity)
    assert (session.ocpp_id, session.state) == ("package-1", TransactionState.ENDED)
    assert session.energy_wh == Decimal("3750.000")
    assert session.cost is not None
    assert session.events.count() == 4
    assert ChargePoint.objects.get(identity=identity).model == "AC-Duo"
    assert Connector.objects.get(charge_point__identity=identity, ocpp_number=1).status == "Occupied"


@VERSIONS
def test_package_client_is_started_and_stopped_remotely(product: Product, version: str) -> None:
    identity, tag = f"PKG-REMOTE-{version}", f"REMOTE{version}"
    register_tag(tag)
    answers: Answers = {
        "RequestStartTransaction": {"status": "Accepted"},
        "RequestStopTransaction": {"status": "Accepted"},
        "GetTransactionStatus": {"ongoing_indicator": True, "messages_in_queue": False},
    }
    with station(product, identity, version, answers) as client:
        check(order(identity, "remote_start", id_token=tag, connector=1), version)
        asked = client.requests[0][1]
        assert (asked["evse_id"], asked["id_token"]["id_token"]) == (1, tag)
        info = {"remote_start_id": asked["remote_start_id"], "charging_state": "Charging"}
        tell(client, "Started", 0, "RemoteStart", 100.0, info=info, id_token=asked["id_token"])
        session = Transaction.objects.get(charge_point__identity=identity)
        assert session.id_token_value == tag
        check(order(identity, "get_transaction_status", transaction_id=session.ocpp_id), version)
        check(order(identity, "remote_stop", transaction_id=session.ocpp_id), version)
        assert client.requests[-1][1]["transaction_id"] == "package-1"
        tell(client, "Ended", 1, "RemoteStop", 300.0, info={"stopped_reason": "Remote"})
    session.refresh_from_db()
    assert (session.energy_wh, session.stop_reason) == (200, "Remote")


# ---------------------------------------------------------------- device model, monitors
def row(component: str, name: str, value: str) -> Fields:
    return {
        "component": {"name": component},
        "variable": {"name": name},
        "variable_attribute": [{"type": "Actual", "value": value, "mutability": "ReadWrite"}],
        "variable_characteristics": {"data_type": "integer", "supports_monitoring": True},
    }


@VERSIONS
def test_package_client_reports_its_device_model(product: Product, version: str) -> None:
    identity = f"PKG-REPORT-{version}"
    answers: Answers = {
        "GetBaseReport": {"status": "Accepted"},
        "SetVariables": lambda request: {
            "set_variable_result": [
                {
                    "attribute_status": "Accepted",
                    "component": data["component"],
                    "variable": data["variable"],
                }
                for data in request["set_variable_data"]
            ]
        },
    }
    with station(product, identity, version, answers) as client:
        check(order(identity, "get_base_report", base="FullInventory"), version)
        number = client.requests[-1][1]["request_id"]
        parts = [
            row("OCPPCommCtrlr", "HeartbeatInterval", "300"),
            row("TxCtrlr", "EVConnectionTimeOut", "60"),
        ]
        for seq_no in (1, 0):  # the parts come in the wrong order
            client.say(
                "NotifyReport",
                request_id=number,
                generated_at="2026-03-02T10:00:00Z",
                seq_no=seq_no,
                tbc=seq_no == 0,
                report_data=[parts[seq_no]],
            )
        known = Variable.objects.filter(charge_point__identity=identity)
        wait_until(lambda: known.filter(name="EVConnectionTimeOut").exists(), "the report is stored")
        assert known.get(name="HeartbeatInterval").value == "300"
        rows = [{"key": "TxCtrlr/EVConnectionTimeOut", "value": "90"}]
        check(order(identity, "set_variables", variables=rows), version)
    assert known.get(name="EVConnectionTimeOut").value == "90"


@VERSIONS
def test_package_client_is_monitored(product: Product, version: str) -> None:
    identity = f"PKG-MONITOR-{version}"
    place = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    answers: Answers = {
        "SetVariableMonitoring": lambda request: {
            "set_monitoring_result": [
                {
                    "id": 7,
                    "status": "Accepted",
                    **{name: data[name] for name in ("type", "severity", "component", "variable")},
                }
                for data in request["set_monitoring_data"]
            ]
        },
        "ClearVariableMonitoring": {"clear_monitoring_result": [{"status": "Accepted", "id": 7}]},
    }
    with station(product, identity, version, answers) as client:
        wanted = {
            "component": "EVSE",
            "evse": 1,
            "variable": "Power",
            "type": "UpperThreshold",
            "value": "10000",
            "severity": 4,
        }
        check(order(identity, "set_variable_monitoring", monitors=[wanted]), version)
        kept = Monitor.objects.get(charge_point__identity=identity)
        assert (kept.monitor_id, kept.type) == (7, "UpperThreshold")
        event = {
            "event_id": 1,
            "timestamp": "2026-03-02T10:00:00Z",
            "trigger": "Alerting",
            "actual_value": "11000",
            "event_notification_type": "CustomMonitor",
            "variable_monitoring_id": 7,
            **place,
        }
        for _ in range(2):
            client.say("NotifyEvent", generated_at="2026-03-02T10:00:01Z", seq_no=0, event_data=[event])
        assert ChargerEvent.objects.filter(charge_point__identity=identity, monitor_id=7).count() == 1
        check(order(identity, "clear_variable_monitoring", monitor_ids=["7"]), version)


# ---------------------------------------------------------------- smart charging, certificates
@VERSIONS
def test_package_client_takes_and_tells_charging_profiles(product: Product, version: str) -> None:
    identity = f"PKG-PROFILE-{version}"
    answers: Answers = {
        "SetChargingProfile": {"status": "Accepted"},
        "GetChargingProfiles": {"status": "Accepted"},
        "ClearChargingProfile": {"status": "Accepted"},
        "GetCompositeSchedule": lambda request: {
            "status": "Accepted",
            "schedule": {
                "evse_id": request["evse_id"],
                "duration": request["duration"],
                "schedule_start": "2026-03-02T10:00:00Z",
                "charging_rate_unit": "A",
                "charging_schedule_period": PERIODS,
            },
        },
    }
    with station(product, identity, version, answers) as client:
        wanted: Fields = {
            "profile_id": 71,
            "connector": 1,
            "purpose": "TxDefaultProfile",
            "kind": "Absolute",
            "start_schedule": "2026-03-02T10:00:00Z",
            "stack_level": 1,
            "charging_rate_unit": "A",
            "periods": PERIODS,
        }
        check(order(identity, "set_charging_profile", **wanted), version)
        profile = client.requests[-1][1]["charging_profile"]
        limits = [period["limit"] for period in profile["charging_schedule"][0]["charging_schedule_period"]]
        assert limits == [8.1]
        kept = ChargingProfileAssignment.objects.get(charge_point__identity=identity)
        assert (kept.profile_number, kept.purpose) == (71, "TxDefaultProfile")
        check(order(identity, "get_charging_profiles", connector=1), version)
        number = client.requests[-1][1]["request_id"]
        told = {
            "id": 71,
            "stack_level": 1,
            "charging_profile_purpose": "TxDefaultProfile",
            "charging_profile_kind": "Absolute",
            "charging_schedule": [{"id": 1, "charging_rate_unit": "A", "charging_schedule_period": PERIODS}],
        }
        client.say(
            "ReportChargingProfiles",
            request_id=number,
            charging_limit_source="CSO",
            charging_profile=[told],
            evse_id=1,
        )
        ended = check(order(identity, "get_composite_schedule", connector=1, duration=600), version)
        assert ended.response["schedule"]["chargingSchedulePeriod"][0]["limit"] == 8.1
        client.say("NotifyChargingLimit", charging_limit={"charging_limit_source": "EMS"}, evse_id=1)
        client.say("ClearedChargingLimit", charging_limit_source="EMS", evse_id=1)
        check(order(identity, "clear_charging_profile", profile_id=71), version)


@VERSIONS
def test_package_client_gets_its_certificate(product: Product, version: str) -> None:
    identity = f"PKG-CERT-{version}"
    if authorities.find_issuing("ec") is None:
        authorities.create(actor=Actor.system("tests", via="cli"), name="Operators")
    answers: Answers = {
        "CertificateSigned": {"status": "Accepted"},
        "GetInstalledCertificateIds": {
            "status": "Accepted",
            "certificate_hash_data_chain": [
                {"certificate_type": "CSMSRootCertificate", "certificate_hash_data": HASHES}
            ],
        },
        "DeleteCertificate": {"status": "NotFound"},
    }
    with station(product, identity, version, answers) as client:
        refused = client.say("SignCertificate", csr="nonsense")
        assert refused.status == "Rejected"
        answer = client.say(
            "SignCertificate", csr=csr_pem(ec_key(), common_name=identity, organization=default_tenant().name)
        )
        assert answer.status == "Accepted"
        held = partial(
            Certificate.objects.filter(
                charge_point__identity=identity, state=CertificateState.DELIVERED
            ).first
        )
        wait_until(held, "the certificate is delivered")
        action, request = client.requests[-1]
        assert action == "CertificateSigned"
        assert "BEGIN CERTIFICATE" in request["certificate_chain"]
        check(order(identity, "get_installed_certificate_ids"), version)
        listed = InstalledCertificate.objects.filter(charge_point__identity=identity)
        wait_until(listed.exists, "the list is stored")
        check(order(identity, "delete_certificate", **HASHES), version, CommandStatus.REJECTED)
