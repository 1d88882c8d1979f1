"""Functional block B: what 2.1 adds to booting and resuming (B13), and to network profiles."""

from __future__ import annotations

from typing import Any

from ocpp_gateway.dialect import Block, sent_as
from ocpp_gateway.reading import copied
from ocpp_gateway.v201 import provisioning as v201

Payload = dict[str, Any]

#: After a reset of this kind the charger resumes its sessions (B13).
_RESETS = {**v201.RESETS, "ImmediateAndResume": "ImmediateAndResume"}

_OWN = {"identity": "identity", "basic_auth_password": "basicAuthPassword"}


def _reset(payload: Payload) -> Payload:
    return v201.reset(payload, kinds=_RESETS)


def _network_profile(payload: Payload) -> Payload:
    """Another identity and password may come with a profile; its version is agreed on when the charger connects."""
    call = v201.network_profile(payload)
    call["connectionData"] |= copied(payload, **_OWN)
    return call


BLOCK = Block(
    calls={
        "reset": sent_as("Reset", _reset),
        "set_network_profile": sent_as("SetNetworkProfile", _network_profile),
    }
)
