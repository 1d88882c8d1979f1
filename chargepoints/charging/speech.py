"""What the protocol of a charger can say of charging profiles; told by the gateway, which knows the versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """One protocol.

    replaces_level  a profile takes the place of another one of the same purpose and level at the same place;
                    where not, the charger refuses it
    lists_profiles  the charger can be asked which profiles it has
    has_modes       it knows modes of operation, dynamic profiles and priority
    """

    replaces_level: bool = True
    lists_profiles: bool = False
    has_modes: bool = False


Provider = Callable[[str], Speech]
_provider: Provider | None = None


def register_speech(provider: Provider | None) -> None:
    """Take the function that knows what the version of this name can say."""
    global _provider
    _provider = provider


def speech_of(ocpp_version: str) -> Speech:
    """By the name of the version that a charger spoke last."""
    return Speech() if _provider is None else _provider(ocpp_version)
