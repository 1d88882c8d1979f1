"""permessage-deflate (RFC 7692) as cheap as a client can have it."""

from __future__ import annotations

import zlib

OFFER = "permessage-deflate; client_max_window_bits"
_TAIL = b"\x00\x00\xff\xff"
_EMPTY_BLOCK = b"\x00"  # what is left of an empty stored block without its tail (RFC 7692 §7.2.1)


class Deflate:
    """Both directions of one socket.

    What we send is "compressed" into stored blocks: valid for any window and without a compressor, so that the
    server does (and keeps in memory) what it does for a charger that compresses, and the client next to nothing.
    """

    __slots__ = ("_inflater", "_keeps_context")

    def __init__(self, agreed: str) -> None:
        self._keeps_context = "server_no_context_takeover" not in agreed
        self._inflater = zlib.decompressobj(-15)

    def compress(self, payload: bytes) -> bytes:
        """A payload of up to 65,535 bytes as one stored block, and an empty one without its tail."""
        size = len(payload)
        header = b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
        return header + payload + _EMPTY_BLOCK

    def decompress(self, payload: bytes) -> bytes:
        """A message of the server. Raises zlib.error."""
        text = self._inflater.decompress(payload + _TAIL)
        if not self._keeps_context:
            self._inflater = zlib.decompressobj(-15)
        return text


def agreed(head: bytes) -> str | None:
    """The extension in the server's answer to the upgrade, None where there is none."""
    for line in head.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "sec-websocket-extensions" and "permessage-deflate" in value:
            return value.strip()
    return None
