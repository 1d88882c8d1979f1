"""Faults that a charge point commits on purpose, and frames that no charge point should send."""

from __future__ import annotations

import enum
import random
import uuid


class Fault(enum.Enum):
    """What happens to one transaction-related message."""

    NONE = "none"
    IGNORE_ANSWER = "ignored_answers"
    """The answer arrives and is thrown away."""
    CLOSE_ON_ANSWER = "closed_on_answer"
    """The answer arrives, is thrown away, and the socket with it."""
    CLOSE_SOCKET = "closed_before_answer"
    """The socket is closed as soon as the message has been written; it may or may not arrive."""
    DUPLICATE = "duplicates"
    """The message is sent once more after its answer, under a new message id."""


LOST_ANSWERS = (Fault.IGNORE_ANSWER, Fault.CLOSE_ON_ANSWER, Fault.CLOSE_SOCKET)

JUNK_PREFIX = "junk-"

_JUNK = (
    "not json",
    "{}",
    "[]",
    "[2]",
    '[2,"{id}","Heartbeat"',
    '[2,"{id}","Heartbeat"]',
    '[2,"{id}","NoSuchAction",{{}}]',
    '[2,"{id}","StatusNotification",{{"connectorId":"one"}}]',
    '[2,"{id}","Heartbeat",[]]',
    '[9,"{id}","Heartbeat",{{}}]',
    '[3,"{id}",{{}}]',
    '[2,{{"id":"{id}"}},"Heartbeat",{{}}]',
)


class Faults:
    """No faults at all. Subclass and override for a test or for a random mix."""

    def for_message(self, action: str) -> Fault:
        """Say what shall happen to this sending of a transaction-related message."""
        return Fault.NONE

    def is_late(self, action: str) -> bool:
        """Say whether a message is held back, so that later ones overtake it."""
        return False

    def is_dropped(self, action: str) -> bool:
        """Say whether a message is never sent (2.x: an Updated event that found no room in the queue)."""
        return False

    def junk(self) -> str | None:
        """A malformed frame to be sent before the next transaction-related message, or None."""
        return None


class RandomFaults(Faults):
    """Faults by probability, repeatable with the same generator."""

    def __init__(
        self,
        rng: random.Random,
        *,
        lost_answers: float = 0.0,
        duplicates: float = 0.0,
        malformed: float = 0.0,
        late: float = 0.0,
        gaps: float = 0.0,
    ) -> None:
        self._rng = rng
        self._lost_answers = lost_answers
        self._duplicates = duplicates
        self._malformed = malformed
        self._late = late
        self._gaps = gaps

    def for_message(self, action: str) -> Fault:
        if self._rng.random() < self._lost_answers:
            return self._rng.choice(LOST_ANSWERS)
        if self._rng.random() < self._duplicates:
            return Fault.DUPLICATE
        return Fault.NONE

    def is_late(self, action: str) -> bool:
        # Only 2.x numbers its events, so that they may arrive in any order.
        return action == "TransactionEvent" and self._rng.random() < self._late

    def is_dropped(self, action: str) -> bool:
        return self._rng.random() < self._gaps

    def junk(self) -> str | None:
        if self._rng.random() >= self._malformed:
            return None
        text = self._rng.choice(_JUNK)
        return text.format(id=JUNK_PREFIX + uuid.uuid4().hex[:16]) if "{id}" in text else text
