"""Files that a simulated charge point really fetches and sends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ocpp_gateway.simulator import files
from ocpp_gateway.simulator.clock import Clock
from ocpp_gateway.wire import frames
from tests.ocpp_gateway.simulator.helpers import Csms, play
from tests.ocpp_gateway.simulator.test_charge_point import booted, running

BODY = b"version=3.1.4\n" + bytes(200_000)


class Site(HTTPServer):
    """Gives BODY at /fw.bin, half of it at /short.bin, and keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, str, bytes]] = []
        self.failures = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.server.failures > 0:
            self.server.failures -= 1
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if "short" in self.path else BODY)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.command, self.path, body))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def statuses(csms: Csms, action: str = "FirmwareStatusNotification") -> list[str]:
    return [call.payload["status"] for call in csms.named(action)]


def test_firmware_is_fetched_and_runs_after_a_restart() -> None:
    async def scenario() -> None:
        with site() as server:
            async with Csms() as csms, running(csms, clock=Clock(speed=1000)) as cp:
                ask = {"location": f"{server.url}/fw.bin", "retrieveDate": "2026-03-01T13:00:00Z"}
                await csms.ask("UpdateFirmware", **ask)
                await csms.arrived("FirmwareStatusNotification", 4)
                boot = await csms.arrived("BootNotification", 2)
                assert boot.payload["firmwareVersion"] == "3.1.4"
                assert statuses(csms) == ["Downloading", "Downloaded", "Installing", "Installed"]
                assert cp.station.firmware == "3.1.4"

    play(scenario())


@pytest.mark.parametrize(
    ("retries", "expected"),
    [
        (0, ["Downloading", "DownloadFailed"]),
        (1, ["Downloading", "DownloadFailed", "Downloading", "Downloaded"]),
    ],
)
def test_download_is_repeated_as_often_as_asked(retries: int, expected: list[str]) -> None:
    async def scenario() -> None:
        with site() as server:
            server.failures = 1
            async with Csms() as csms, booted(csms, clock=Clock(speed=1000), station={"install_fails": True}):
                await csms.ask(
                    "UpdateFirmware",
                    location=f"{server.url}/fw.bin",
                    retrieveDate="2026-03-01T13:00:00Z",
                    retries=retries,
                    retryInterval=1,
                )
                expect = expected + (["Installing", "InstallationFailed"] if retries else [])
                await csms.arrived("FirmwareStatusNotification", len(expect))
                await asyncio.sleep(0.05)
                assert statuses(csms) == expect

    play(scenario())


def test_file_that_breaks_off_has_failed() -> None:
    with site() as server, pytest.raises(files.TransferFailed):
        asyncio.run(files.fetch(f"{server.url}/short.bin"))


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_diagnostics_are_really_sent(method: str) -> None:
    async def scenario() -> None:
        with site() as server:
            clock, station = Clock(speed=1000), {"upload_method": method}
            async with Csms() as csms, booted(csms, clock=clock, station=station):
                answer = await csms.ask("GetDiagnostics", location=f"{server.url}/up/")
                await csms.arrived("DiagnosticsStatusNotification", 2)
                assert statuses(csms, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]
                ((used, path, body),) = server.received
                assert used == method
                assert path == (f"/up/{answer['fileName']}" if method == "PUT" else "/up/")
                assert b"CP 1" in body

    play(scenario())


def test_upload_that_nobody_takes_is_reported() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms, clock=Clock(speed=1000)):
            await csms.ask("GetDiagnostics", location="http://127.0.0.1:1/")
            await csms.arrived("DiagnosticsStatusNotification", 2)
            assert statuses(csms, "DiagnosticsStatusNotification") == ["Uploading", "UploadFailed"]

    play(scenario())


def test_unsigned_firmware_is_refused_over_tls() -> None:
    async def scenario() -> None:
        async with Csms() as csms, booted(csms) as cp:
            cp.station = replace(cp.station, url="wss://csms.example.com/ocpp")
            order = {"location": "ftp://host/fw", "retrieveDate": "2026-03-01T13:00:00Z"}
            answer = await csms.call("UpdateFirmware", order)
            assert isinstance(answer, frames.CallError)
            assert answer.code == "NotSupported"

    play(scenario())
