"""Security profiles of a simulated charge point: addresses, what it needs for a higher one, and the way back."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from ocpp_gateway.simulator import ChargePoint16
from ocpp_gateway.simulator.config import parse
from ocpp_gateway.simulator.station import TRIES_WITH_NEW_PROFILE, Station
from ocpp_gateway.simulator.tls import Tls
from tests.certificates import Authority

CERTIFICATE = Tls(certificate="own.pem")


def station(url: str = "ws://host/ocpp", key: str = "secret", **more: Any) -> Station:
    return Station(url=url, identity="CP 1", key=key, **more)


@pytest.mark.parametrize(
    ("made", "profile"),
    [
        (station(key=""), 0),
        (station(), 1),
        (station("wss://host/ocpp"), 2),
        (station("wss://host/ocpp", tls=CERTIFICATE), 2),
        (station("wss://host/ocpp", key="", tls=CERTIFICATE), 3),
    ],
)
def test_profile_follows_from_what_it_has(made: Station, profile: int) -> None:
    assert made.profile == profile
    cp = ChargePoint16(made)
    assert (cp.profile, cp.configuration["SecurityProfile"]) == (profile, str(profile))


@pytest.mark.parametrize(("profile", "scheme"), [(0, "ws"), (1, "ws"), (2, "wss"), (3, "wss")])
def test_address_has_tls_where_the_profile_says_so(profile: int, scheme: str) -> None:
    for url in ("ws://host:1/ocpp/", "wss://host:1/ocpp"):
        assert station(url).address(profile) == f"{scheme}://host:1/ocpp/CP%201"


@pytest.mark.parametrize(
    ("made", "target", "taken"),
    [
        (station(), 2, True),
        (station(), 1, False),
        (station(), 0, False),
        (station(), 4, False),
        (station(), 3, False),
        (station(tls=CERTIFICATE), 3, True),
        (station(key=""), 1, False),
        (station(key=""), 2, False),
    ],
)
def test_take_profile_only_with_what_it_needs(made: Station, target: int, taken: bool) -> None:
    cp = ChargePoint16(made)
    before = cp.profile
    assert cp.take_profile(target) == taken
    assert cp.profile == (target if taken else before)


def test_profile_that_does_not_work_is_given_up() -> None:
    cp = ChargePoint16(station())
    cp.take_profile(2)
    cp.fall_back(TRIES_WITH_NEW_PROFILE - 1)
    assert cp.profile == 2
    cp.fall_back(TRIES_WITH_NEW_PROFILE)
    assert (cp.profile, cp.configuration["SecurityProfile"]) == (1, "1")
    cp.fall_back(TRIES_WITH_NEW_PROFILE + 1)
    assert cp.profile == 1


def test_context_shows_the_own_files_of_each_charge_point(tmp_path: Path) -> None:
    authority = Authority.root()
    authority.client("CP 1").write(tmp_path, "CP 1")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    tls = Tls(
        authorities=str(tmp_path / "ca.pem"),
        certificate=f"{tmp_path}/{{identity}}.pem",
        key=f"{tmp_path}/{{identity}}.key",
    )
    context = tls.context("CP 1", with_certificate=True)
    assert context.verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(FileNotFoundError):
        tls.context("CP 2", with_certificate=True)
    tls.context("CP 2", with_certificate=False)


def test_context_that_is_blind_trusts_anybody() -> None:
    assert Tls(is_blind=True).context("CP 1", with_certificate=False).verify_mode == ssl.CERT_NONE


def test_options_say_whom_to_trust_and_what_to_show() -> None:
    given = ["wss://host/ocpp", "--tls-ca", "ca.pem", "--tls-cert", "own.pem", "--tls-key", "own.key"]
    config, _ = parse([*given, "--tls-insecure"], prog="simulate")
    assert config.tls == Tls(authorities="ca.pem", certificate="own.pem", key="own.key", is_blind=True)
