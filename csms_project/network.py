"""Ports and addresses of this machine."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator

WILDCARDS = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104  names, not a bind
_SIOCGIFADDR = 0x8915


class AddressError(Exception):
    """A server cannot listen there; the message is for people."""


def check_free(host: str, port: int) -> None:
    """Raise AddressError when a server could not listen on this host and port."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise AddressError(f"{host} is no address or name of this machine.") from error
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise AddressError(_explain(error, host, port)) from error


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program: choose a free one with --port."
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"This user may not listen on port {port}: choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine: choose another --host."
    return f"Cannot listen on {host} port {port}: {error.strerror}."


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this host."""
    if host in WILDCARDS:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable_hosts(host: str) -> list[str]:
    """Addresses under which a server on `host` is reached, ready for a URL."""
    if host not in WILDCARDS:
        return [url_host(host)]
    addresses = lan_addresses(ipv6=host == "::")
    return [url_host(address) for address in addresses] or ["127.0.0.1"]


def url_host(host: str) -> str:
    """A host as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def lan_addresses(*, ipv6: bool = False) -> list[str]:
    """Addresses of this machine in its networks; the one of the default route first."""
    found: list[str] = []
    for address in [
        *_route_addresses(ipv6),
        *([] if ipv6 else _interface_addresses()),
        *_name_addresses(ipv6),
    ]:
        value = ipaddress.ip_address(address.partition("%")[0])
        if not (value.is_loopback or value.is_link_local or value.is_unspecified) and str(value) not in found:
            found.append(str(value))
    return found


def _route_addresses(ipv6: bool) -> Iterator[str]:
    """Nothing is sent: connecting a datagram socket only chooses the route."""
    family, target = (socket.AF_INET6, "2001:db8::1") if ipv6 else (socket.AF_INET, "192.0.2.1")
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((target, 9))
        yield probe.getsockname()[0]


def _interface_addresses() -> Iterator[str]:
    """One IPv4 address of each interface; Linux only."""
    try:
        import fcntl

        names = [name for _, name in socket.if_nameindex()]
    except (ImportError, OSError):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name in names:
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
                yield socket.inet_ntoa(answer[20:24])


def _name_addresses(ipv6: bool) -> Iterator[str]:
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    with contextlib.suppress(OSError):
        for entry in socket.getaddrinfo(socket.gethostname(), None, family):
            yield str(entry[4][0])
