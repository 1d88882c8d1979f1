"""What the commands about a charger's list say, in our form and in those of OCPP, and how they ended.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Final

from chargepoints.choices import CommandStatus
from chargepoints.list_plan import Entry, Message, by_key
from chargepoints.models import Command
from chargepoints.redaction import MASK

ASKING: Final = frozenset({"get_local_list_version", "GetLocalListVersion"})
SENDING: Final = frozenset({"send_local_list", "SendLocalList"})

#: Ends of a CALL after which nobody knows whether the charger has read it.
_LOST = ("ConnectionLost", "ConnectionReplaced")


class End(Enum):
    """How a command ended, as far as the list is concerned.

    LOST    no answer: it may have been done
    WRONG   an error or an answer that cannot be read: it may have been done
    UNSENT  the charger has never seen it
    """

    TAKEN = auto()
    REFUSED = auto()
    MISMATCH = auto()
    NOT_SUPPORTED = auto()
    LOST = auto()
    WRONG = auto()
    UNSENT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A list as it was sent."""

    version: int
    message: Message


def end_of(command: Command) -> End:
    """How a command ended that has a final state."""
    match command.status:
        case CommandStatus.ACCEPTED:
            return End.TAKEN
        case CommandStatus.NOT_SUPPORTED:
            return End.NOT_SUPPORTED
        case CommandStatus.REJECTED:
            is_mismatch = _member(command.response, "status") == "VersionMismatch"
            return End.MISMATCH if is_mismatch else End.REFUSED
    if command.sent_at is None:
        return End.UNSENT
    is_lost = command.status == CommandStatus.TIMED_OUT or _member(command.error, "code") in _LOST
    return End.LOST if is_lost else End.WRONG


def words_of(command: Command) -> str:
    """Why a command did not do what it should, for people."""
    code, description = _member(command.error, "code"), _member(command.error, "description")
    if command.summary:
        return command.summary
    if code in (*_LOST, "Timeout", "CannotSend", "InvalidAnswer") and description:
        text = f"The answer cannot be read: {description}" if code == "InvalidAnswer" else str(description)
        return text
    if code:
        return f"The charger answered with an error: {code}{f', {description}' if description else ''}"
    return f"The command ended as “{CommandStatus(command.status).label}”."


def told_version(command: Command) -> int | None:
    """The version that the charger has told."""
    version = _member(command.response, "listVersion")
    if version is None:  # OCPP 2.x
        version = _member(command.response, "versionNumber")
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def sent_by(command: Command) -> Sent | None:
    """The list that a command has sent; None where we cannot say what it means."""
    try:
        return (_read_raw if command.is_raw else _read_ours)(command.payload)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _read_ours(payload: Mapping[str, Any]) -> Sent | None:
    entries = [
        Entry(
            value=entry["id_token"],
            status=entry.get("status") or "",
            expires_at=moment_text(entry.get("expires_at")),
            parent=entry.get("parent_id_token") or "",
            type=entry.get("id_token_type") or "",
        )
        for entry in payload.get("entries") or ()
    ]
    return _sent(payload["version"], payload["update_type"], entries)


def _read_raw(payload: Mapping[str, Any]) -> Sent | None:
    if "versionNumber" in payload:
        entries = [_read_entry_of_2x(entry) for entry in payload.get("localAuthorizationList") or ()]
        return _sent(payload["versionNumber"], payload["updateType"], entries)
    entries = []
    for entry in payload.get("localAuthorizationList") or ():
        info = entry.get("idTagInfo") or {}
        entries.append(
            Entry(
                value=entry["idTag"],
                status=info.get("status") or "",
                expires_at=moment_text(info.get("expiryDate")),
                parent=info.get("parentIdTag") or "",
            )
        )
    return _sent(payload["listVersion"], payload["updateType"], entries)


def _read_entry_of_2x(entry: Mapping[str, Any]) -> Entry:
    """AuthorizationData"""
    info = entry.get("idTokenInfo") or {}
    return Entry(
        value=entry["idToken"]["idToken"],
        status=info.get("status") or "",
        expires_at=moment_text(info.get("cacheExpiryDateTime")),
        parent=(info.get("groupIdToken") or {}).get("idToken", ""),
        type=entry["idToken"]["type"],
    )


def _sent(version: Any, kind: Any, entries: list[Entry]) -> Sent | None:
    """Without a status a tag is taken away.

    What a tag that stands there twice becomes is the charger's secret, and of key codes nobody kept the value.
    """
    is_unique = len({entry.key for entry in entries}) == len(entries)
    is_known = all(entry.value != MASK for entry in entries)
    is_list = isinstance(version, int) and kind in ("Full", "Differential")
    if not (is_unique and is_known and is_list):
        return None
    kept = [entry for entry in entries if entry.status]
    removed = tuple(entry for entry in entries if not entry.status)
    return Sent(
        version=version,
        message=Message(is_full=kind == "Full", entries=tuple(by_key(kept).values()), removed=removed),
    )


def moment_text(moment: datetime | str | None) -> str:
    """A moment as the entries of lists say it: UTC, to the second; "" for none."""
    if moment is None or moment == "":
        return ""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
