from __future__ import annotations

import ipaddress
import os
import socket

import pytest

from csms_project import network


def test_free_port_passes() -> None:
    network.check_free("127.0.0.1", 0)


def test_port_in_use_is_refused_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(network.AddressError, match=r"Port \d+ is in use .* --port"):
            network.check_free("127.0.0.1", other.getsockname()[1])


def test_port_in_use_on_one_address_is_refused_for_all() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(network.AddressError, match="in use"):
            network.check_free("0.0.0.0", other.getsockname()[1])


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(network.AddressError, match="not an address of this machine"):
        network.check_free("192.0.2.77", 0)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(network.AddressError, match="no address or name"):
        network.check_free("no host", 8000)


def test_low_port_of_a_normal_user_is_explained() -> None:
    error = PermissionError(13, os.strerror(13))
    assert "above 1023" in network._explain(error, "0.0.0.0", 80)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.1.2.3", False)],
)
def test_loopback_is_known(host: str, expected: bool) -> None:
    assert network.is_loopback(host) is expected


@pytest.mark.allow_hosts(["127.0.0.1", "192.0.2.1"])  # a datagram socket: nothing is sent
def test_lan_addresses_are_distinct_and_reachable_ones() -> None:
    found = [ipaddress.ip_address(address) for address in network.lan_addresses()]
    assert len(found) == len(set(found))
    assert not any(address.is_loopback or address.is_link_local for address in found)


def test_named_host_is_shown_as_given_and_ipv6_in_brackets() -> None:
    assert network.reachable_hosts("csms.local") == ["csms.local"]
    assert network.reachable_hosts("fd00::1") == ["[fd00::1]"]


def test_machine_without_network_shows_the_loopback_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "lan_addresses", lambda ipv6=False: [])
    assert network.reachable_hosts("0.0.0.0") == ["127.0.0.1"]
