"""Messages on displays: what one may say, what a charger can show, and whether two are the same.  Pure.

A message is told as the arguments of the command `set_display_message` are: content, format, language, priority,
state, starts_at, ends_at, transaction_id, connector and extra.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

COMPONENT: Final = "DisplayMessageCtrlr"
#: Characters of a message: 512 in 2.0.1, which the gateway checks.
MAX_CONTENT: Final = 1024
#: Further contents of one message (2.1, MessageInfoType).
MAX_EXTRA: Final = 4
#: RFC 5646: a language, and what it may be followed by (2.0.1 part 2 O01.FR.17).
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_PLAIN: Final = ("priority", "state", "transaction_id", "connector")
_WORDS: Final = {
    "formats": ("format", "the format"),
    "priorities": ("priority", "the priority"),
    "states": ("state", "the state"),
}


def problems_of(message: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a message by itself, by argument; moments are aware."""
    problems: dict[str, str] = {}
    starts_at, ends_at = message.get("starts_at"), message.get("ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        problems["ends_at"] = "Must be later than the beginning."
    for number, part in enumerate(contents_of(message)):
        field = "extra" if number else ""
        text = str(part.get("content", ""))
        if not text.strip():
            problems[field or "content"] = "Must say something."
        elif part.get("format") == "ASCII" and not text.isascii():
            problems[field or "content"] = "Holds characters that are not ASCII: choose UTF-8."
        if part.get("language") and not _LANGUAGE.fullmatch(str(part["language"])):
            problems[field or "language"] = "Must be a language tag, as en, de or en-US."
    return problems


def contents_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The message itself and what it says in other languages."""
    extra = message.get("extra")
    return [message, *(part for part in extra or () if isinstance(part, Mapping))]


# ---------------------------------------------------------------- what a charger can show
@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a charger says of its display; empty: it does not say.

    languages  those that it takes; None: it does not say
    """

    is_available: bool = True
    formats: frozenset[str] = frozenset()
    priorities: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    languages: frozenset[str] | None = None

    def problems(self, message: Mapping[str, Any]) -> list[str]:
        """Why the charger will not show a message, in sentences."""
        if not self.is_available:
            return ["The charger says that its display is not available."]
        found: list[str] = []
        contents = contents_of(message)
        for kind, (name, words) in _WORDS.items():
            can: frozenset[str] = getattr(self, kind)
            wanted = {
                str(part[name]) for part in (contents if name == "format" else [message]) if part.get(name)
            }
            for value in sorted(wanted - can) if can else ():
                found.append(f"The charger does not know {words} {value}; it knows {', '.join(sorted(can))}.")
        if self.languages is not None:
            known = {language.casefold() for language in self.languages}
            named = {str(part["language"]) for part in contents if part.get("language")}
            for language in sorted(named):
                if language.casefold() not in known:
                    told = ", ".join(sorted(self.languages)) or "none"
                    found.append(f"The charger does not know the language {language}; it knows {told}.")
        return found


def abilities(variables: Iterable[tuple[str, str | None]]) -> Abilities:
    """Out of the variables of DisplayMessageCtrlr: (name, value)."""
    values = {name.casefold(): value or "" for name, value in variables}

    def members(*names: str) -> frozenset[str]:
        text = next((values[name] for name in names if values.get(name)), "")
        return frozenset(part.strip() for part in text.split(",") if part.strip())

    is_off = "false" in (values.get("available", "").casefold(), values.get("enabled", "").casefold())
    return Abilities(
        is_available=not is_off,
        formats=members("supportedformats", "displaymessagesupportedformats"),
        priorities=members("supportedpriorities", "displaymessagesupportedpriorities"),
        states=members("supportedstates", "displaymessagesupportedstates"),
    )


# ---------------------------------------------------------------- the same or another
def normal(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message in one form, to store and to compare: what is absent is left out, moments are in UTC to the second."""
    first, *others = contents_of(message)
    told: dict[str, Any] = {name: message[name] for name in _PLAIN if message.get(name) not in (None, "")}
    for name in ("starts_at", "ends_at"):
        if moment := _moment(message.get(name)):
            told[name] = moment
    told |= _content(first)
    if others:
        told["extra"] = [_content(part) for part in others]
    return told


def _content(part: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(part[name]) for name in ("format", "language", "content") if part.get(name)}


def _moment(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return ""
    if not isinstance(value, datetime):
        return ""
    at = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def differences(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    """In which arguments two messages in normal form differ; a display that is not named may be any."""
    names = {*wanted, *held} - {"connector"}
    return sorted(name for name in names if _folded(name, wanted.get(name)) != _folded(name, held.get(name)))


def _folded(name: str, value: Any) -> Any:
    return value.casefold() if name == "language" and isinstance(value, str) else value
