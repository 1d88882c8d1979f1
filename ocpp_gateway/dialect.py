"""What differs between the versions of OCPP, for those that handle sockets and commands.

A version is made of functional blocks (2.0.1 part 2: A to P, 2.1 adds Q, R and S). A block says which messages of the
charger it serves and how our commands are said and answered; a later block of a version replaces what an earlier one
says about the same message, so that 2.1 is 2.0.1 and what it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chargepoints.choices import CommandStatus
from ocpp_gateway.action import Action
from ocpp_gateway.outcome import CannotSend, Effect, Outcome, outcome_of_status
from ocpp_gateway.wire import schemas

Payload = dict[str, Any]

#: A neutral command → OCPP action and payload; raises CannotSend where an argument does not fit the version.
ToCall = Callable[[Payload], tuple[str, Payload]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One functional block of a version.

    actions    CALL of the charger → how it is served
    sends      SEND of the charger (2.1), which is never answered → how it is served
    calls      neutral command → what is sent
    status_of  OCPP action → our state, where the answer's member `status` alone does not say it
    sentences  (OCPP action, status) → what this means to the person who asked
    tell       OCPP action → the answer in words
    effects    OCPP action → what an answer tells us about the charger: (request, response) → effects to store
    asks_for   OCPP action → the message of the charger that it asks for (served while the charger is Pending)
    """

    actions: Mapping[str, Action] = field(default_factory=dict)
    sends: Mapping[str, Action] = field(default_factory=dict)
    calls: Mapping[str, ToCall] = field(default_factory=dict)
    status_of: Mapping[str, Callable[[Payload], CommandStatus]] = field(default_factory=dict)
    sentences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tell: Mapping[str, Callable[[Payload], str]] = field(default_factory=dict)
    effects: Mapping[str, Callable[[Payload, Payload], Sequence[Effect]]] = field(default_factory=dict)
    asks_for: Mapping[str, Callable[[Payload], str | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One version, as sockets and the dispatcher use it.

    to_call        our command → OCPP action and payload; raw ones as they are.  Raises CannotSend
    read_answer    (OCPP action, request, CALLRESULT's payload) → outcome
    asked_message  (OCPP action, request) → the message that it asks the charger for, if any
    tag_length     characters that a token may have
    has_token_types  a token is its value and its type
    text_passwords the Basic password of a charger is text; in 1.6 it may be bytes
    tells_bad_results  a CALLRESULT that cannot be used is answered with a CALLRESULTERROR
    replaces_level  a charging profile takes the place of another one of the same purpose and level (1.6 §3.13.2)
    """

    version: str
    actions: dict[str, Action]
    to_call: Callable[[str, Payload], tuple[str, Payload]]
    read_answer: Callable[[str, Payload, Payload], Outcome]
    asked_message: Callable[[str, Payload], str | None]
    tag_length: int
    has_token_types: bool = False
    sends: dict[str, Action] = field(default_factory=dict)
    calls: Mapping[str, ToCall] = field(default_factory=dict)
    text_passwords: bool = True
    replaces_level: bool = False
    tells_bad_results: bool = False


def sent_as(action: str, convert: Callable[[Payload], Payload]) -> ToCall:
    """A neutral command that is always the same OCPP action."""
    return lambda payload: (action, convert(payload))


def dialect_of(
    version: str, label: str, blocks: Sequence[Block], *, tag_length: int, tells_bad_results: bool = False
) -> Dialect:
    """The version that these blocks make.

    label  how people call it: “OCPP 2.0.1”
    """
    whole = Block(
        actions=_merged(block.actions for block in blocks),
        sends=_merged(block.sends for block in blocks),
        calls=_merged(block.calls for block in blocks),
        status_of=_merged(block.status_of for block in blocks),
        sentences=_merged(block.sentences for block in blocks),
        tell=_merged(block.tell for block in blocks),
        effects=_merged(block.effects for block in blocks),
        asks_for=_merged(block.asks_for for block in blocks),
    )

    def to_call(action: str, payload: Payload) -> tuple[str, Payload]:
        if action[:1].isupper():
            return action, payload
        if action not in whole.calls:
            raise CannotSend(f"{label} has no message for {action}.")
        name, call = whole.calls[action](payload)
        violation = schemas.check_request(version, name, call, strict=True)
        if violation is not None:
            raise CannotSend(f"This does not fit into {name} of {label}: {violation.description}.")
        return name, call

    def asked_message(action: str, payload: Payload) -> str | None:
        return whole.asks_for[action](payload) if action in whole.asks_for else None

    return Dialect(
        version=version,
        actions=dict(whole.actions),
        sends=dict(whole.sends),
        calls=whole.calls,
        to_call=to_call,
        read_answer=lambda action, request, response: _read_answer(whole, action, request, response),
        asked_message=asked_message,
        tag_length=tag_length,
        has_token_types=True,
        tells_bad_results=tells_bad_results,
    )


def _read_answer(whole: Block, action: str, request: Payload, response: Payload) -> Outcome:
    """What a CALLRESULT means: our state, what it tells us about the charger, and words for people."""
    given = response.get("status")
    status = whole.status_of[action](response) if action in whole.status_of else outcome_of_status(given)
    told = whole.tell[action](response) if action in whole.tell else ""
    words = (told, whole.sentences.get((action, str(given)), ""), _reason(response))
    effects = whole.effects[action](request, response) if action in whole.effects else ()
    return Outcome(status=status, summary=" ".join(filter(None, words)), effects=effects)


def _reason(response: Payload) -> str:
    """StatusInfoType (2.0.1 part 2 §2.45): a reason code and more about it."""
    info = response.get("statusInfo")
    if not isinstance(info, Mapping):
        return ""
    code, more = info.get("reasonCode"), info.get("additionalInfo")
    return f"The charger's reason: {': '.join(str(part) for part in (code, more) if part)}."


def _merged(parts: Any) -> dict[Any, Any]:
    return {key: value for part in parts for key, value in part.items()}
