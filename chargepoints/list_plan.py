"""Which lists bring a charger from the tags that it holds to those that it should hold (OCPP 1.6 §5.15, §6.41).

Pure: entries in, messages out.  A charger that has taken the messages holds exactly what was wanted, and on the way
never more than it has room for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

#: Entries of one message where the charger does not say how many it takes.
DEFAULT_MESSAGE_LENGTH = 100
#: What a command takes.
MAX_MESSAGE_LENGTH = 10_000

# Names, braces and a time around what an entry says, and around its group.
_BYTES_OF_ENTRY = 130
_BYTES_OF_GROUP = 50
_BYTES_OF_MESSAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tag of a list.

    status      "": it is to be taken away
    expires_at  in UTC as 2026-03-02T10:00:00Z, "" without an end
    type        part of what the tag is (OCPP 2.x); "" where the version knows no types
    """

    value: str
    status: str
    expires_at: str = ""
    parent: str = ""
    type: str = ""

    @property
    def key(self) -> str:
        """Tags are compared without regard to case (OCPP 1.6 §7.28)."""
        folded = self.value.casefold()
        return f"{folded}\n{self.type}" if self.type else folded

    @property
    def size(self) -> int:
        """Bytes that it takes in a message, rather too many (2.0.1 BytesPerMessage)."""
        names = sum(len(text.encode()) for text in (self.value, self.status, self.parent, self.type))
        return names + _BYTES_OF_ENTRY + (_BYTES_OF_GROUP if self.parent else 0)

    @property
    def ends_at(self) -> datetime | None:
        """When it expires; None: never."""
        try:
            return datetime.fromisoformat(self.expires_at) if self.expires_at else None
        except ValueError:
            return None

    def says_as(self, other: Entry) -> bool:
        """Whether both mean the same of the same tag; its spelling does not matter."""
        return self._meaning() == other._meaning()

    def _meaning(self) -> tuple[str, str, str, str]:
        return self.key, self.status, self.expires_at, self.parent

    def as_row(self) -> list[str]:
        """As it is stored."""
        row = [self.value, self.status, self.expires_at, self.parent]
        return [*row, self.type] if self.type else row


#: By key.
Entries = Mapping[str, Entry]


def by_key(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Entries as they are compared; of two with one key the last."""
    return {entry.key: entry for entry in entries}


def to_rows(entries: Entries) -> list[list[str]]:
    """Entries as they are stored, in the order of their keys."""
    return [entries[key].as_row() for key in sorted(entries)]


def from_rows(rows: Iterable[Sequence[str]]) -> dict[str, Entry]:
    """The opposite of `to_rows`."""
    return by_key(
        Entry(value=row[0], status=row[1], expires_at=row[2], parent=row[3], type=row[4] if row[4:] else "")
        for row in rows
    )


def digest(entries: Entries) -> str:
    """The same for lists that say the same."""
    meanings = [entries[key]._meaning() for key in sorted(entries)]
    return hashlib.sha256(json.dumps(meanings, ensure_ascii=False).encode()).hexdigest()


EMPTY_DIGEST = digest({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a charger takes; `list_length` and `message_bytes` None: it does not say."""

    list_length: int | None = None
    message_length: int = DEFAULT_MESSAGE_LENGTH
    message_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One list to send: the whole of it, or tags to set and tags to take away."""

    is_full: bool
    entries: tuple[Entry, ...] = ()
    removed: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What must happen to a list, each part in the order of the keys."""

    added: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    removed: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)


class TooMany(Exception):
    """More tags than the charger has room for."""

    def __init__(self, count: int, room: int) -> None:
        super().__init__(
            f"There are {count} tags and the charger has room for {room}: choose {count - room} fewer."
        )
        self.count, self.room = count, room


def compare(held: Entries, wanted: Entries) -> Difference:
    """What is missing, what says something else and what is too much."""
    keys = sorted(wanted)
    return Difference(
        added=tuple(wanted[key] for key in keys if key not in held),
        changed=tuple(wanted[key] for key in keys if key in held and not wanted[key].says_as(held[key])),
        removed=tuple(held[key] for key in sorted(held) if key not in wanted),
    )


def plan(held: Entries | None, wanted: Entries, limits: Limits) -> list[Message]:
    """The messages to send, in order; none when the charger holds what it should.

    Changes are sent where a charger's list is known and they are less than the whole. What does not fit into one
    full list follows as changes to it.

    held    None: not known, or to be replaced whatever it is
    Raises  TooMany: part of a list is never sent as if it were the whole
    """
    if limits.list_length is not None and len(wanted) > limits.list_length:
        raise TooMany(len(wanted), limits.list_length)
    full = _full(wanted, limits)
    if held is None:
        return full
    difference = compare(held, wanted)
    if not difference:
        return []
    changes = _changes(difference, limits)
    if (len(full), len(wanted)) <= (len(changes), len(difference)):
        return full
    return changes


def _full(wanted: Entries, limits: Limits) -> list[Message]:
    parts = _parts([wanted[key] for key in sorted(wanted)], limits)
    first = Message(is_full=True, entries=parts[0] if parts else ())
    return [first, *(Message(is_full=False, entries=part) for part in parts[1:])]


def _changes(difference: Difference, limits: Limits) -> list[Message]:
    """Removals first: what is added finds room."""
    removed = [replace(entry, status="", expires_at="", parent="") for entry in difference.removed]
    return [
        Message(
            is_full=False,
            entries=tuple(entry for entry in part if entry.status),
            removed=tuple(entry for entry in part if not entry.status),
        )
        for part in _parts([*removed, *difference.changed, *difference.added], limits)
    ]


def _parts(entries: Sequence[Entry], limits: Limits) -> list[tuple[Entry, ...]]:
    """As many as one message takes, by their number and by their bytes; one alone in any case."""
    parts: list[list[Entry]] = []
    room, size = limits.message_bytes, 0
    for entry in entries:
        size += entry.size
        is_full = not parts or len(parts[-1]) >= limits.message_length
        if is_full or (room is not None and size > room - _BYTES_OF_MESSAGE):
            parts.append([])
            size = entry.size
        parts[-1].append(entry)
    return [tuple(part) for part in parts]


def apply(held: Entries, message: Message) -> dict[str, Entry]:
    """What a charger holds after it has taken a message."""
    kept: dict[str, Entry] = {} if message.is_full else dict(held)
    for entry in message.removed:
        kept.pop(entry.key, None)
    return kept | by_key(message.entries)


def to_payload(message: Message, version: int) -> dict[str, Any]:
    """The arguments of the command that sends a message."""
    return {
        "update_type": "Full" if message.is_full else "Differential",
        "version": version,
        "entries": [*map(_argument, message.removed), *map(_argument, message.entries)],
    }


def _argument(entry: Entry) -> dict[str, str]:
    optional = {
        "status": entry.status,
        "expires_at": entry.expires_at,
        "parent_id_token": entry.parent,
        "id_token_type": entry.type,
    }
    return {"id_token": entry.value, **{name: value for name, value in optional.items() if value}}
