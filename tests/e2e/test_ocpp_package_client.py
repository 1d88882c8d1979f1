"""An independent client: the `ocpp` package's charge point over plain `websockets`, against uvicorn and daphne."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call, call_result
from ocpp.v16.datatypes import MeterValue, SampledValue
from ocpp.v16.enums import Action
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from chargepoints.choices import CommandStatus
from chargepoints.models import ChargePoint, Command, Connector, Reservation, Variable
from ocpp_gateway.v16.commands import CALLS
from ocpp_gateway.wire import schemas
from tests.chargepoints.command_examples.cost import EXAMPLES
from tests.e2e.conftest import MakeProduct, order, register, register_tag, wait_ended
from tests.e2e.product import Product, wait_until
from tests.e2e.sockets import VERSION, Charger, RawSocket, basic
from tests.factories import CHARGER_KEY
from transactions.choices import TransactionState
from transactions.models import MeterValue as StoredMeterValue
from transactions.models import Transaction

pytestmark = pytest.mark.server

HASHES = {
    "hash_algorithm": "SHA256",
    "issuer_name_hash": "ab",
    "issuer_key_hash": "cd",
    "serial_number": "FFF",
}
PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
UNTIL = "2099-03-02T10:00:00Z"
FILES = "https://files.example.org/"
PERIODS = [{"start_period": 0, "limit": 16.1, "number_phases": 3}, {"start_period": 3600, "limit": 8}]

DAPHNE = ("-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "csms_project.asgi:application")


class Station(OcppChargePoint):
    """Answers remote commands as a charger does."""

    @on(Action.remote_start_transaction)
    def remote_start(self, id_tag: str, **kwargs: Any) -> Any:
        return call_result.RemoteStartTransaction(status="Accepted")

    @on(Action.remote_stop_transaction)
    def remote_stop(self, transaction_id: int) -> Any:
        return call_result.RemoteStopTransaction(status="Rejected")

    @on(Action.reset)
    def reset(self, type: str) -> Any:
        return call_result.Reset(status="Accepted")

    @on(Action.unlock_connector)
    def unlock(self, connector_id: int) -> Any:
        return call_result.UnlockConnector(status="NotSupported")

    @on(Action.change_availability)
    def availability(self, connector_id: int, type: str) -> Any:
        return call_result.ChangeAvailability(status="Scheduled")

    @on(Action.trigger_message)
    def trigger(self, requested_message: str, **kwargs: Any) -> Any:
        return call_result.TriggerMessage(status="NotImplemented")

    @on(Action.get_configuration)
    def configuration(self, **kwargs: Any) -> Any:
        entry = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        return call_result.GetConfiguration(configuration_key=[entry], unknown_key=["Nonsense"])

    @on(Action.change_configuration)
    def change(self, key: str, value: Any) -> Any:
        return call_result.ChangeConfiguration(status="RebootRequired")

    @on(Action.clear_cache)
    def clear(self) -> Any:
        return call_result.ClearCache(status="Accepted")

    @on(Action.data_transfer)
    def transfer(self, vendor_id: str, **kwargs: Any) -> Any:
        return call_result.DataTransfer(status="UnknownVendorId")

    @on(Action.extended_trigger_message)
    def extended_trigger(self, requested_message: str, **kwargs: Any) -> Any:
        return call_result.ExtendedTriggerMessage(status="Accepted")

    @on(Action.get_local_list_version)
    def list_version(self) -> Any:
        return call_result.GetLocalListVersion(list_version=4)

    @on(Action.send_local_list)
    def local_list(self, list_version: int, update_type: str, **kwargs: Any) -> Any:
        return call_result.SendLocalList(status="Accepted")

    @on(Action.reserve_now)
    def reserve(self, connector_id: int, **kwargs: Any) -> Any:
        return call_result.ReserveNow(status="Occupied" if connector_id == 2 else "Accepted")

    @on(Action.cancel_reservation)
    def cancel(self, reservation_id: int) -> Any:
        return call_result.CancelReservation(status="Accepted")

    @on(Action.set_charging_profile)
    def set_profile(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> Any:
        periods = cs_charging_profiles["charging_schedule"]["charging_schedule_period"]
        assert [period["limit"] for period in periods] == [Decimal("16.1"), 8]
        return call_result.SetChargingProfile(status="Accepted")

    @on(Action.clear_charging_profile)
    def clear_profile(self, **kwargs: Any) -> Any:
        return call_result.ClearChargingProfile(status="Unknown")

    @on(Action.get_composite_schedule)
    def composite(self, connector_id: int, duration: int, **kwargs: Any) -> Any:
        schedule = {
            "duration": duration,
            "charging_rate_unit": "A",
            "charging_schedule_period": PERIODS,
        }
        return call_result.GetCompositeSchedule(
            status="Accepted", connector_id=connector_id, charging_schedule=schedule
        )

    @on(Action.get_diagnostics)
    def diagnostics(self, location: str, **kwargs: Any) -> Any:
        return call_result.GetDiagnostics(file_name="diagnostics.zip")

    @on(Action.update_firmware)
    def update(self, location: str, retrieve_date: str, **kwargs: Any) -> Any:
        return call_result.UpdateFirmware()

    @on(Action.get_log)
    def log(self, request_id: int, **kwargs: Any) -> Any:
        return call_result.GetLog(status="AcceptedCanceled", filename="security.log")

    @on(Action.signed_update_firmware)
    def signed_update(self, request_id: int, firmware: dict[str, Any], **kwargs: Any) -> Any:
        return call_result.SignedUpdateFirmware(status="InvalidCertificate")

    @on(Action.get_installed_certificate_ids)
    def certificates(self, certificate_type: str) -> Any:
        return call_result.GetInstalledCertificateIds(status="Accepted", certificate_hash_data=[HASHES])

    @on(Action.install_certificate)
    def install(self, certificate_type: str, certificate: str) -> Any:
        return call_result.InstallCertificate(status="Accepted")

    @on(Action.delete_certificate)
    def delete(self, certificate_hash_data: dict[str, Any]) -> Any:
        return call_result.DeleteCertificate(status="NotFound")

    @on(Action.certificate_signed)
    def signed(self, certificate_chain: str) -> Any:
        return call_result.CertificateSigned(status="Rejected")


async def charge(station: Station) -> int:
    """Boot → authorize → start → meter values → stop; returns the transaction id."""
    boot = await station.call(
        call.BootNotification(charge_point_model="AC-Duo", charge_point_vendor="Volta Works")
    )
    assert boot.status == "Accepted"
    assert boot.interval > 0
    await station.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Preparing"))
    tag = await station.call(call.Authorize(id_tag="PACKAGE"))
    assert tag.id_tag_info["status"] == "Accepted"
    started = await station.call(
        call.StartTransaction(
            connector_id=1, id_tag="PACKAGE", meter_start=1500, timestamp="2026-03-02T10:00:00Z"
        )
    )
    assert started.id_tag_info["status"] == "Accepted"
    values = [
        MeterValue(
            timestamp=f"2026-03-02T10:{minute:02}:00Z",
            sampled_value=[
                SampledValue(value=f"{1500 + minute * 100}.5"),
                SampledValue(value="11", unit="kW", measurand="Power.Active.Import"),
            ],
        )
        for minute in (10, 20)
    ]
    await station.call(
        call.MeterValues(connector_id=1, transaction_id=started.transaction_id, meter_value=values)
    )
    stopped = await station.call(
        call.StopTransaction(
            meter_stop=5250,
            timestamp="2026-03-02T10:30:00Z",
            transaction_id=started.transaction_id,
            reason="Local",
        )
    )
    assert stopped is not None
    assert (await station.call(call.Heartbeat())).current_time.endswith("Z")
    return int(started.transaction_id)


async def run_charge(product: Product, identity: str) -> int:
    async with connect(
        f"{product.url}/{identity}",
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": basic(identity, CHARGER_KEY)},
        proxy=None,
    ) as socket:
        station = Station(identity, socket, response_timeout=10)
        listener = asyncio.create_task(station.start())
        try:
            return await charge(station)
        finally:
            listener.cancel()


def check_session(identity: str, transaction_id: int) -> None:
    session = Transaction.objects.get(charge_point__identity=identity)
    assert session.ocpp_id == str(transaction_id)
    assert session.state == TransactionState.ENDED
    assert session.energy_wh == Decimal("3750.000")
    assert session.cost is not None
    assert StoredMeterValue.objects.filter(transaction_id=session.pk).count() == 2
    assert ChargePoint.objects.get(identity=identity).model == "AC-Duo"
    assert Connector.objects.get(charge_point__identity=identity, ocpp_number=1).status == "Preparing"


def test_package_client_charges_under_uvicorn(product: Product) -> None:
    register("PACKAGE-U")
    register_tag("PACKAGE")
    check_session("PACKAGE-U", asyncio.run(run_charge(product, "PACKAGE-U")))


def test_package_client_charges_under_daphne(make_product: MakeProduct) -> None:
    product = make_product(*DAPHNE)
    register("PACKAGE-D")
    register_tag("PACKAGE")
    check_session("PACKAGE-D", asyncio.run(run_charge(product, "PACKAGE-D")))
    # It cannot answer a handshake with a status of ours.
    for identity, key in [("STRANGER", CHARGER_KEY), ("PACKAGE-D", "0" * 40), ("bad%2Fid", CHARGER_KEY)]:
        with RawSocket(product.port) as raw:
            headers = [VERSION, ("Authorization", basic(identity, key))]
            assert raw.upgrade(f"/ocpp/{identity}", headers) == 403
    with Charger(product.url, "PACKAGE-D") as old, Charger(product.url, "PACKAGE-D") as new:
        assert old.closed_with() == 4000
        assert "currentTime" in new.call("Heartbeat", {})
        command = order("PACKAGE-D", "clear_cache")
        asked = new.receive()
        new.send([3, asked[1], {"status": "Accepted"}])
        assert wait_ended(command).status == CommandStatus.ACCEPTED


# ---------------------------------------------------------------- commands
COMMANDS: list[tuple[str, dict[str, Any], CommandStatus]] = [
    ("remote_start", {"id_token": "PACKAGE", "connector": 1}, CommandStatus.ACCEPTED),
    ("remote_stop", {"transaction_id": "17"}, CommandStatus.REJECTED),
    ("reset", {"kind": "Soft"}, CommandStatus.ACCEPTED),
    ("unlock_connector", {"connector": 1}, CommandStatus.NOT_SUPPORTED),
    ("change_availability", {"connector": 1, "operative": False}, CommandStatus.ACCEPTED),
    ("trigger_message", {"message": "Heartbeat"}, CommandStatus.NOT_SUPPORTED),
    ("get_configuration", {"keys": ["HeartbeatInterval", "Nonsense"]}, CommandStatus.ACCEPTED),
    ("change_configuration", {"key": "HeartbeatInterval", "value": "60"}, CommandStatus.ACCEPTED),
    ("clear_cache", {}, CommandStatus.ACCEPTED),
    ("data_transfer", {"vendor_id": "com.example", "data": "x"}, CommandStatus.NOT_SUPPORTED),
]


class ConnectedStation:
    """A station of the package that answers on a thread of its own while the test gives orders."""

    def __init__(self, product: Product, identity: str) -> None:
        self._url, self._identity = f"{product.url}/{identity}", identity
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._connected, self._stop = threading.Event(), asyncio.Event()

    async def _run(self) -> None:
        headers = {"Authorization": basic(self._identity, CHARGER_KEY)}
        async with connect(
            self._url, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers, proxy=None
        ) as socket:
            station = Station(self._identity, socket, response_timeout=10)
            listener = asyncio.create_task(station.start())
            self._connected.set()
            await self._stop.wait()
            listener.cancel()

    def __enter__(self) -> ConnectedStation:
        self._thread.start()
        assert self._connected.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


def check_schemas(ended: list[Command]) -> None:
    """What went out and what came back are valid by the official schemas."""
    for row in ended:
        assert schemas.check_request("ocpp1.6", row.ocpp_action, row.request, strict=True) is None
        assert schemas.check_response("ocpp1.6", row.ocpp_action, row.response, strict=True) is None


def test_package_client_answers_every_command(product: Product) -> None:
    register("OBEDIENT")
    orders = [order("OBEDIENT", action, **payload) for action, payload, _ in COMMANDS]
    with ConnectedStation(product, "OBEDIENT"):
        ended = [wait_ended(command) for command in orders]
    assert {row.action: row.status for row in ended} == {action: status for action, _, status in COMMANDS}
    check_schemas(ended)
    snapshot = wait_until(Variable.objects.filter(charge_point__identity="OBEDIENT").first, "the variables")
    assert (snapshot.name, snapshot.value) == ("HeartbeatInterval", "60")


# neutral command, arguments, OCPP action, outcome, a part of the answer in words
MORE: list[tuple[str, dict[str, Any], str, CommandStatus, str]] = [
    (
        "trigger_message",
        {"message": "LogStatusNotification"},
        "ExtendedTriggerMessage",
        CommandStatus.ACCEPTED,
        "",
    ),
    ("cost_updated", EXAMPLES["cost_updated"], "DataTransfer", CommandStatus.NOT_SUPPORTED, ""),
    ("get_local_list_version", {}, "GetLocalListVersion", CommandStatus.ACCEPTED, "version 4"),
    (
        "send_local_list",
        {
            "update_type": "Full",
            "entries": [{"id_token": "A", "status": "Accepted", "expires_at": UNTIL, "parent_id_token": "G"}],
        },
        "SendLocalList",
        CommandStatus.ACCEPTED,
        "",
    ),
    (
        "reserve_now",
        {"id_token": "A", "expires_at": UNTIL, "parent_id_token": "G"},
        "ReserveNow",
        CommandStatus.ACCEPTED,
        "",
    ),
    (
        "reserve_now",
        {"id_token": "A", "expires_at": UNTIL, "connector": 2},
        "ReserveNow",
        CommandStatus.REJECTED,
        "in use or reserved",
    ),
    ("cancel_reservation", {"reservation_id": 1}, "CancelReservation", CommandStatus.ACCEPTED, ""),
    (
        "set_charging_profile",
        {"profile_id": 5, "purpose": "TxDefaultProfile", "periods": PERIODS, "valid_to": UNTIL},
        "SetChargingProfile",
        CommandStatus.ACCEPTED,
        "",
    ),
    (
        "get_composite_schedule",
        {"connector": 1},
        "GetCompositeSchedule",
        CommandStatus.ACCEPTED,
        "16.1 A on 3 phases; after 1:00:00 8 A",
    ),
    (
        "clear_charging_profile",
        {"profile_id": 5},
        "ClearChargingProfile",
        CommandStatus.REJECTED,
        "no such profile",
    ),
    ("update_firmware", {"location": FILES}, "UpdateFirmware", CommandStatus.ACCEPTED, ""),
    (
        "signed_update_firmware",
        {"location": FILES, "signing_certificate": PEM, "signature": "c2ln"},
        "SignedUpdateFirmware",
        CommandStatus.REJECTED,
        "does not trust",
    ),
    ("get_diagnostics", {"location": FILES}, "GetDiagnostics", CommandStatus.ACCEPTED, "“diagnostics.zip”"),
    (
        "get_log",
        {"log_type": "SecurityLog", "location": FILES},
        "GetLog",
        CommandStatus.ACCEPTED,
        "“security.log”",
    ),
    (
        "install_certificate",
        {"certificate_type": "ManufacturerRootCertificate", "certificate": PEM},
        "InstallCertificate",
        CommandStatus.ACCEPTED,
        "",
    ),
    (
        "get_installed_certificate_ids",
        {"certificate_type": "ManufacturerRootCertificate"},
        "GetInstalledCertificateIds",
        CommandStatus.ACCEPTED,
        "Serial number FFF",
    ),
    ("delete_certificate", HASHES, "DeleteCertificate", CommandStatus.REJECTED, "no such certificate"),
    (
        "certificate_signed",
        {"certificate_chain": PEM},
        "CertificateSigned",
        CommandStatus.REJECTED,
        "finds the certificate wrong",
    ),
]


def test_package_client_answers_the_commands_of_every_other_profile(product: Product) -> None:
    charge_point = register("VERSATILE")
    orders = [order("VERSATILE", action, **payload) for action, payload, *_ in MORE]
    with ConnectedStation(product, "VERSATILE"):
        ended = [wait_ended(command) for command in orders]
    assert [
        (command.ocpp_action, command.status, words in command.summary)
        for command, (*_, words) in zip(ended, MORE, strict=True)
    ] == [(action, status, True) for _, _, action, status, _ in MORE]
    check_schemas(ended)
    rows = Reservation.objects.filter(charge_point=charge_point).order_by("reservation_id")
    assert list(rows.values_list("status", "end_reason")) == [
        ("cancelled", "cancelled by tests"),
        ("rejected", "The connector is in use or reserved already."),
    ]
    held = Variable.objects.get(charge_point=charge_point, name="ListVersion")
    assert held.value == "1"


def test_every_command_of_the_version_is_answered_by_the_package_client() -> None:
    assert {action for action, *_ in COMMANDS} | {action for action, *_ in MORE} == CALLS.keys()
