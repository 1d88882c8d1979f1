"""How a command ended, whichever version was spoken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chargepoints.choices import CommandStatus
from chargepoints.models import Command

Effect = Callable[[Command], None]

_ACCEPTED = {None, "Accepted", "AcceptedCanceled", "Scheduled", "RebootRequired", "Unlocked"}
_NOT_SUPPORTED = {"NotSupported", "NotImplemented", "UnknownVendorId"}


class CannotSend(Exception):
    """The command cannot be said in the version that the charger speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Final state of a command and what else its answer tells us.

    summary  the answer in words, for people; empty where the state says it all
    """

    status: CommandStatus
    summary: str = ""
    error: dict[str, Any] | None = None
    effects: Sequence[Effect] = ()


def outcome_of_status(status: object) -> CommandStatus:
    """Our state for the status member of a CALLRESULT; None: the response has none."""
    if status is None or status in _ACCEPTED:
        return CommandStatus.ACCEPTED
    return CommandStatus.NOT_SUPPORTED if status in _NOT_SUPPORTED else CommandStatus.REJECTED


def outcome_of_error(code: str, description: str, details: Any) -> Outcome:
    """Our state for a CALLERROR."""
    supported = code not in _NOT_SUPPORTED
    return Outcome(
        status=CommandStatus.FAILED if supported else CommandStatus.NOT_SUPPORTED,
        error={"code": code[:64], "description": description[:1000], "details": details},
    )
