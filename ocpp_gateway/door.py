"""The door of a port that speaks TLS: the handshake of a new connection, with a time limit and a reason when it fails.

The server would start TLS by itself, but tells nobody why a handshake failed and sends no alert; and it could not let
connections without TLS in on the same port. What is behind the door is the same as without one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.utils import timezone
from uvicorn.protocols.utils import get_remote_addr

from chargepoints.choices import RefusalReason
from chargepoints.services import connections
from chargepoints.services.connections import Refused
from csms_project.common import metrics
from ocpp_gateway.node import get_node
from ocpp_gateway.writer import CallableWork

if TYPE_CHECKING:
    from ocpp_gateway.tls import TlsKeeper

logger = logging.getLogger(__name__)

_CLIENT_HELLO: Final = 0x16
MAX_EARLY: Final = 65_536
_USE_TLS: Final = b"This port speaks TLS: use wss:// or https://\n"
_NO_TLS: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_USE_TLS), _USE_TLS)
)

#: Reasons of OpenSSL in words; what is missing here is shown as it is.
REASONS: Final = {
    "NO_SHARED_CIPHER": "no cipher suite in common",
    "UNSUPPORTED_PROTOCOL": "TLS 1.2 or higher is needed",
    "VERSION_TOO_LOW": "TLS 1.2 or higher is needed",
    "NO_PROTOCOLS_AVAILABLE": "TLS 1.2 or higher is needed",
    "TLSV1_ALERT_PROTOCOL_VERSION": "TLS 1.2 or higher is needed",
    "TLSV1_ALERT_UNKNOWN_CA": "the charger does not know the authority of our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the charger does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the charger does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the charger takes our certificate for expired: look at its clock",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the charger does not support our certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the charger has ended the handshake",
}


class HandshakeObject(ssl.SSLObject):
    """TLS of one connection; the alert of a handshake that fails reaches the client, and not only our log."""

    say_last: Callable[[], None] | None = None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self.say_last is not None:
                self.say_last()
            raise
        self.say_last = None


class _Entry:
    """What `start_tls` takes for a context: that of the door, with what the client has sent already."""

    def __init__(self, context: ssl.SSLContext, transport: asyncio.Transport, early: bytes) -> None:
        self._context, self._early = context, early
        self._descriptor: int = transport.get_extra_info("socket").fileno()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # the loops ask with isinstance
        return ssl.SSLContext

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any) -> ssl.SSLObject:
        made = self._context.wrap_bio(incoming, outgoing, **options)
        incoming.write(self._early)
        self._early = b""
        if isinstance(made, HandshakeObject):
            made.say_last = partial(_write_now, self._descriptor, outgoing)
        return made


def _write_now(descriptor: int, outgoing: ssl.MemoryBIO) -> None:
    """The loop closes at once when a handshake fails; some bytes always fit into the socket."""
    alert = outgoing.read()
    if alert:
        with suppress(OSError):
            os.write(descriptor, alert)


class Door(asyncio.Protocol):
    """One connection until it is known what it speaks, then uvicorn's."""

    def __init__(self, keeper: TlsKeeper, behind: Callable[..., Any], **options: Any) -> None:
        self._keeper, self._behind, self._options = keeper, behind, options
        self._open = options["server_state"].connections
        self._loop: asyncio.AbstractEventLoop = options.get("_loop") or asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._early = b""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._open.add(self)
        self._timer = self._loop.call_later(settings.OCPP_HANDSHAKE_TIMEOUT_S, self._cut)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        self._early += data
        if self._task is not None:
            # Sent between the first bytes and the moment at which TLS reads for itself, or right behind the handshake.
            if len(self._early) > MAX_EARLY:
                transport.abort()
        elif self._early[0] == _CLIENT_HELLO:
            self._task = self._loop.create_task(self._shake_hands(transport))
        else:
            self._let_in_plain(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def shutdown(self) -> None:
        """The server ends: nothing has begun here."""
        if self._transport is not None:
            self._transport.abort()

    def _leave(self) -> None:
        self._open.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        """Nothing came: neither a charger nor anything to tell."""
        self._timer = None
        metrics.count_handshake("tls_timeout")
        self.shutdown()

    def _let_in_plain(self, transport: asyncio.Transport) -> None:
        self._leave()
        if not self._keeper.files.allow_plain:
            transport.write(_NO_TLS)
            transport.close()
            return
        protocol, early = self._behind(**self._options), self._early
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(early)

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        entry: Any = _Entry(self._keeper.context, transport, self._early)
        self._early = b""
        address = get_remote_addr(transport)
        try:
            secured: Any = await self._loop.start_tls(
                transport,
                self,
                entry,
                server_side=True,
                ssl_handshake_timeout=settings.OCPP_HANDSHAKE_TIMEOUT_S,
            )
        except ssl.SSLError as error:
            _note_failure(error, address[0] if address else "")
        except OSError:
            metrics.count_handshake("tls_lost")
        else:
            # The loops take a connection that has gone meanwhile for a handshake that ended well.
            if not transport.is_closing():
                self._leave()
                protocol = self._behind(**self._options)
                secured.set_protocol(protocol)
                protocol.connection_made(secured)
                if self._early:
                    # A client may send its request together with the end of its handshake.
                    protocol.data_received(self._early)
                return
        self._leave()
        transport.abort()


def explain(error: ssl.SSLError) -> str:
    """Why a handshake failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client certificate is not accepted: {error.verify_message}"
    reason = error.reason or "unknown"
    return REASONS.get(reason, reason.replace("_", " ").lower())


def _note_failure(error: ssl.SSLError, address: str) -> None:
    """List it for the operator: nobody has said yet which charger it is."""
    detail = explain(error)
    is_certificate = isinstance(error, ssl.SSLCertVerificationError)
    reason = RefusalReason.CERTIFICATE if is_certificate else RefusalReason.TLS
    metrics.count_handshake(reason)
    logger.info("tls.handshake_failed", extra={"address": address, "reason": detail})
    node = get_node()
    if node.writer.is_full or not node.writer.storage_ok:
        return
    request = connections.Refusal(
        identity=f"TLS: {address}",
        refused=Refused(reason=reason, http_status=0, detail=detail[:255]),
        at=timezone.now(),
        remote_address=address,
    )
    node.writer.submit(CallableWork.of(connections.REFUSAL, request))
