"""The connection side of a simulated charge point: handshake, registration, heartbeat, reconnecting."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ocpp_gateway.simulator.clock import Clock, Timer
from ocpp_gateway.simulator.rpc import CallFailed, NoAnswer, Rpc
from ocpp_gateway.simulator.stats import Stats
from ocpp_gateway.simulator.tls import Tls
from ocpp_gateway.wire import frames

logger = logging.getLogger(__name__)

MAX_INTERVAL_S = 3600
OWN_RETRY_S, OWN_HEARTBEAT_S = 60, 300  # where the CSMS leaves the choice to us (OCPP 1.6 §6.4)
MAX_BACKOFF_S = 30.0
TRIES_WITH_NEW_PROFILE = 2


#: When a transaction of 2.x may start or end.
TX_POINTS = (
    "ParkingBayOccupancy",
    "EVConnected",
    "Authorized",
    "DataSigned",
    "PowerPathClosed",
    "EnergyTransfer",
)

#: What some charge points of 2.x do: the word and what it means.
QUIRKS = {
    "seq-zero": "seqNo is 0 in every event",
    "sparse": "evse and idToken stand in the first event of a transaction only",
    "status-events": "status by NotifyEvent(AvailabilityState) instead of StatusNotification",
    "signed": "the first and the last reading are signed",
    "cable-first": "the cable comes before the card",
}


class HandshakeFailed(Exception):
    """The CSMS could not be reached or refused the upgrade."""


@dataclass(frozen=True, kw_only=True)
class Station:
    """What a charge point is and how it is set up. Times in seconds, simulated unless said otherwise.

    url              without the identity, e.g. ws://127.0.0.1:8000/ocpp
    cables           connectors of each EVSE, for 2.x; those that are not named have one
    answer_timeout_s real seconds
    start_points     2.x: TxStartPoint and, with stop_points, TxStopPoint
    quirks           peculiarities of real charge points, see `QUIRKS`
    plug_in_s        from an accepted remote start to the plug; unplug_s from the stop to Available
    """

    url: str
    identity: str
    key: str = field(default="", repr=False)
    connectors: int = 1
    cables: tuple[int, ...] = ()
    user_agent: str = "csms-simulator"
    vendor: str = "Simulated"
    model: str = "Sim-22"
    serial_number: str = ""
    firmware: str = "1.0.0"
    power_w: int = 11_000
    meter_interval_s: int = 60
    transaction_data: bool = False
    answer_timeout_s: float = 30.0
    plug_in_s: float = 0.0
    unplug_s: float = 0.0
    reset_s: float = 2.0
    tls: Tls = field(default_factory=Tls)
    upload_method: str = "PUT"
    install_fails: bool = False
    quirks: frozenset[str] = frozenset()
    start_points: tuple[str, ...] = ("Authorized", "EVConnected")
    stop_points: tuple[str, ...] = ("Authorized", "EVConnected")

    @property
    def profile(self) -> int:
        """The security profile that it is set up with (OCPP 1.6 security whitepaper §2.1)."""
        if self.url.startswith("wss:"):
            return 3 if self.tls.certificate and not self.key else 2
        return 1 if self.key else 0

    def address(self, profile: int) -> str:
        """The URL of this charge point, identity percent-encoded (OCPP-J 1.6 §3.1.1); its scheme fits the profile."""
        _, _, place = self.url.partition("://")
        return f"{'wss' if profile >= 2 else 'ws'}://{place.rstrip('/')}/{quote(self.identity, safe='')}"


class Connection:
    """Base of ChargePoint: everything that has no notion of a session.

    version    of OCPP; prepare() sets up what hangs on it
    accepted   the CSMS has accepted this charge point once; it then needs no new boot to reconnect
    online     a socket is open
    """

    version: ClassVar[str]

    def __init__(
        self, station: Station, *, clock: Clock | None, stats: Stats | None, rng: random.Random | None
    ) -> None:
        self.station = station
        self.clock = clock or Clock()
        self.stats = stats or Stats()
        self.rng = rng or random.Random()
        self.prepare(station)
        self.accepted = False
        self.profile = station.profile
        self._profile_before: int | None = None
        self.show_profile(self.profile)
        self.boot_reason = "PowerUp"
        self.rpc: Rpc | None = None
        self._listener: asyncio.Task[None] | None = None
        self._heartbeat: Timer | None = None
        self._boot_due: asyncio.Event | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._tasks: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- what the versions say
    def prepare(self, station: Station) -> None:
        """Set up the settings of the version."""
        raise NotImplementedError

    @property
    def ping_interval_s(self) -> int:
        raise NotImplementedError

    @property
    def heartbeat_interval_s(self) -> int:
        raise NotImplementedError

    def take_interval(self, seconds: int) -> None:
        """Use the heartbeat interval that the CSMS has given."""
        raise NotImplementedError

    def show_profile(self, profile: int) -> None:
        """Write the security profile into the settings."""
        raise NotImplementedError

    def boot_payload(self, reason: str) -> dict[str, Any]:
        """A BootNotification; the reason is a word of 2.x."""
        raise NotImplementedError

    async def serve(self, rpc: Rpc, call: frames.Call) -> None:
        """Answer a call of the CSMS."""
        raise NotImplementedError

    async def resume(self, *, booted: bool) -> None:
        """Report what the CSMS does not know yet and deliver the queue."""
        raise NotImplementedError

    def own_certificate(self) -> bytes:
        """The certificate chain that was delivered, and its key, in PEM; empty without one."""
        return b""

    # ---------------------------------------------------------------- socket
    @property
    def online(self) -> bool:
        return self.rpc is not None and not self.rpc.closed

    async def connect(self) -> None:
        """Open the socket. Raises HandshakeFailed."""
        headers = {}
        if self.station.key and self.profile < 3:
            pair = f"{self.station.identity}:{self.station.key}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        try:
            socket = await connect(
                self.station.address(self.profile),
                ssl=self._tls(),
                subprotocols=[Subprotocol(self.version)],
                additional_headers=headers,
                user_agent_header=self.station.user_agent,
                compression=None,
                proxy=None,
                open_timeout=self.station.answer_timeout_s,
                ping_interval=self.ping_interval_s or None,
                ping_timeout=self.station.answer_timeout_s * 2,
                close_timeout=2,
            )
        except InvalidStatus as error:
            self.stats.errors[f"handshake:{error.response.status_code}"] += 1
            raise HandshakeFailed(f"HTTP {error.response.status_code}") from error
        except (OSError, InvalidHandshake, ssl.SSLError) as error:
            self.stats.errors[f"connect:{type(error).__name__}"] += 1
            raise HandshakeFailed(str(error)) from error
        self._profile_before = None  # it works: there is no way back
        self.rpc = Rpc(
            socket,
            clock=self.clock,
            stats=self.stats,
            serve=self.serve,
            version=self.version,
            answer_timeout_s=self.station.answer_timeout_s,
        )
        self.stats.connected += 1
        self._listener = asyncio.create_task(self._listen(self.rpc))

    def _tls(self) -> ssl.SSLContext | None:
        if self.profile < 2:
            return None
        return self.station.tls.context(
            self.station.identity, with_certificate=self.profile >= 3, own=self.own_certificate()
        )

    async def _listen(self, rpc: Rpc) -> None:
        try:
            await rpc.listen()
        finally:
            self.stats.connected -= 1
            if self._heartbeat is not None:
                self._heartbeat.cancel()
            if not rpc.closing:
                self.stats.errors[f"disconnect:{rpc.close_code}"] += 1

    async def disconnected(self) -> None:
        """Wait until the socket is closed and all that hung on it is settled."""
        if self._listener is not None:
            await asyncio.shield(self._listener)

    async def disconnect(self, *, cut: bool = False) -> None:
        """Close the socket in good order, or just drop it."""
        if self.rpc is not None:
            if cut:
                self.rpc.cut()
            else:
                await self.rpc.close()
        await self.disconnected()

    async def go_offline(self, *, cut: bool = True) -> None:
        """Lose the network until `go_online`."""
        self._wanted.clear()
        await self.disconnect(cut=cut)

    def go_online(self) -> None:
        """Let `keep_connected` connect again."""
        self._wanted.set()

    async def keep_connected(self) -> None:
        """Connect, boot if needed, and do so again whenever the socket is gone. Runs until cancelled."""
        failures = 0
        while True:
            await self._wanted.wait()
            try:
                await self.connect()
                failures = 0
                if not self._wanted.is_set():
                    await self.disconnect()
                    continue
                await (self.resume(booted=False) if self.accepted else self.boot())
                await self.disconnected()
            except (HandshakeFailed, NoAnswer):
                failures += 1
                self.fall_back(failures)
                if self.online:
                    await self.disconnect()
            pause = min(2.0**failures, MAX_BACKOFF_S) * self.rng.uniform(0.5, 1.0)
            await self.clock.sleep(pause if failures else 0.2, name="reconnect", real=True)

    # ---------------------------------------------------------------- calls
    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL that is not transaction-related. Raises CallFailed, NoAnswer."""
        if self.rpc is None or self.rpc.closed:
            raise NoAnswer("offline")
        return await self.rpc.call(action, payload)

    async def notify(self, action: str, payload: dict[str, Any]) -> None:
        """Send a CALL whose answer says nothing; when it fails there is nothing to be done."""
        try:
            await self.call(action, payload)
        except (CallFailed, NoAnswer) as error:
            logger.debug("simulator.notify_failed", extra={"action": action, "error": str(error)})

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let something run beside; what it raises is counted as an error of the simulator itself."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self.watch)
        return task

    def watch(self, task: asyncio.Task[None]) -> None:
        """Done callback of a task: an exception that nobody expects is an error of the simulator itself."""
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        if not isinstance(task.exception(), NoAnswer | CallFailed):
            self.stats.errors["internal"] += 1
            logger.error("simulator.task_failed", exc_info=task.exception())

    # ---------------------------------------------------------------- registration
    async def boot(self) -> None:
        """Send BootNotification until it is Accepted, then report all connectors (OCPP 1.6 §4.2)."""
        if self._boot_due is not None:  # one is waiting for its retry: do not wait any longer
            self._boot_due.set()
            return
        self.accepted = False
        self._boot_due = asyncio.Event()
        try:
            interval = await self._boot_until_accepted(self._boot_due)
        finally:
            self._boot_due = None
        self.accepted = True
        self.take_interval(interval)
        self.boot_reason = "Triggered"
        self.schedule_heartbeat()
        await self.resume(booted=True)

    async def _boot_until_accepted(self, due: asyncio.Event) -> int:
        while True:
            answer = await self._boot_once()
            if answer.get("status") == "Accepted":
                return _interval(answer, otherwise=OWN_HEARTBEAT_S)
            due.clear()
            wait = _interval(answer, otherwise=OWN_RETRY_S)
            timer = self.clock.call_later(wait, due.set, name="boot")
            try:
                await due.wait()
            finally:
                timer.cancel()

    async def _boot_once(self) -> dict[str, Any]:
        try:
            return await self.call("BootNotification", self.boot_payload(self.boot_reason))
        except CallFailed:
            return {"interval": 10}
        except NoAnswer:
            if not self.online:
                raise
            return {"interval": 10}

    def schedule_heartbeat(self) -> None:
        """Start counting the heartbeat interval anew; 0 means no heartbeats."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        interval = self.heartbeat_interval_s
        if interval > 0:
            self._heartbeat = self.clock.call_later(interval, self._beat, name="heartbeat")

    def _beat(self) -> None:
        if self.online and self.accepted:
            self.spawn(self.notify("Heartbeat", {}))
            self.schedule_heartbeat()

    def take_key(self, key: str) -> None:
        """Use another key from the next connection on."""
        self.station = replace(self.station, key=key)

    def take_profile(self, profile: int) -> bool:
        """Use a higher security profile from the next connection on; false without what it needs (A05.FR.01–04)."""
        if not self.profile < profile <= 3 or (profile < 3 and not self.station.key):
            return False
        if profile == 3 and not (self.station.tls.certificate or self.own_certificate()):
            return False
        self._profile_before, self.profile = self.profile, profile
        return True

    def fall_back(self, failures: int) -> None:
        """Take the profile before, when the new one does not work (A05.FR.08)."""
        if self._profile_before is not None and failures >= TRIES_WITH_NEW_PROFILE:
            self.profile, self._profile_before = self._profile_before, None
            self.show_profile(self.profile)

    async def close(self) -> None:
        """Close the socket and end all work beside."""
        await self.disconnect()
        for task in list(self._tasks):
            task.cancel()
        if self._heartbeat is not None:
            self._heartbeat.cancel()


def _interval(answer: dict[str, Any], *, otherwise: int) -> int:
    """Seconds from a BootNotification.conf; 0 or nonsense means that the charge point decides."""
    interval = answer.get("interval")
    if not isinstance(interval, int) or isinstance(interval, bool) or interval <= 0:
        return otherwise
    return min(interval, MAX_INTERVAL_S)
