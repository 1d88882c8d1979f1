"""The state of one socket: our open CALL, the charger's recent CALLs, counters, reading speed.

Pure Python: no event loop, no database, the clock is injected (monotonic seconds).

Spec: OCPP-J 1.6 §4.1.1 (one open CALL per direction), 2.0.1 part 4 §4.1.4 (message ids).
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from ocpp_gateway.wire.frames import Call, CallError, CallResult, Frame, Malformed

ANSWERS_KEPT: Final = 32
MAX_ANSWER_KEPT: Final = 16_384  # characters; a longer answer is not worth its memory on every socket
SIZE_OF_ONE: Final = 20_000  # characters that cost as much as one more frame
BAD_FACTOR: Final = 10  # how much dearer the characters of a frame that cannot be served are
ANSWER_KEPT_S: Final = 120.0

# Their answers carry the time, and chargers exist that give every Heartbeat the same id: an old answer
# would set the charger's clock back. Handling them again changes nothing.
_NEVER_KEPT: Final = frozenset({"BootNotification", "Heartbeat"})


class CallInProgress(Exception):
    """A CALL of ours is open on this connection; the next one must wait."""


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Our open CALL.

    begun_at, deadline   monotonic seconds
    token                whatever the caller wants to have back, such as the command's id
    """

    message_id: str
    action: str
    begun_at: float
    deadline: float
    token: Any = None


class Arrival(Enum):
    """What a CALL of the charger is to us."""

    NEW = "new"  # handle it, then answer_call or drop_call
    IN_PROGRESS = "in progress"  # the same message is being handled: do nothing, its answer will come
    REPEATED = "repeated"  # send the answer given before


class Arrived(NamedTuple):
    """A CALL as it arrived; hand it back to answer_call or drop_call. answer is set for REPEATED only."""

    arrival: Arrival
    call: Call
    key: tuple[str, int]
    answer: str | None = None


@dataclass(slots=True)
class Counters:
    """What happened on this socket so far."""

    frames: int = 0
    malformed: int = 0
    unsolicited: int = 0  # answers nobody waits for: unknown, late or unreadable ids
    repeated: int = 0  # CALLs that came again


@dataclass(slots=True)
class TokenBucket:
    """How fast to read: never refuses, says how long to wait before reading on.

    rate    frames a second in the long run
    burst   frames at once after a quiet time
    """

    rate: float = 100.0
    burst: float = 200.0
    _level: float = field(init=False)
    _filled_at: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1:
            raise ValueError("rate must be positive and burst at least 1")
        self._level = self.burst

    def delay(self, now: float, *, cost: float = 1.0) -> float:
        """Take one frame off and return the seconds to wait, 0.0 for a charger within its rate.

        cost  a large frame counts for several
        """
        if self._filled_at is not None:
            gained = max(0.0, now - self._filled_at) * self.rate
            self._level = min(self.burst, self._level + gained)
        self._filled_at = now
        self._level -= cost
        return max(0.0, -self._level / self.rate)

    def take(self, cost: float) -> None:
        """Take more off for what came before."""
        self._level -= cost


class Connection:
    """State of one socket. Not thread-safe: belongs to the event loop that serves the socket."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        rate: float = 100.0,
        burst: float = 200.0,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._outstanding: Outstanding | None = None
        self._in_progress: set[tuple[str, int]] = set()
        self._answered: dict[tuple[str, int], tuple[str, float]] = {}
        self.opened_at = clock()
        self.last_frame_at = self.opened_at
        self.counters = Counters()
        self.bucket = TokenBucket(rate=rate, burst=burst)

    # --- every frame

    def on_frame(self, frame: Frame, *, size: int = 0) -> float:
        """Count a frame of this many characters, and return the seconds to wait before reading the next one."""
        now = self._clock()
        self.last_frame_at = now
        self.counters.frames += 1
        cost = 1 + size / SIZE_OF_ONE
        if isinstance(frame, Malformed):
            self.counters.malformed += 1
            cost += (BAD_FACTOR - 1) * size / SIZE_OF_ONE
        return self.bucket.delay(now, cost=cost)

    def on_refused(self, size: int) -> None:
        """Count the characters of a frame that could be read but not be served: the next ones have to wait longer."""
        self.bucket.take((BAD_FACTOR - 1) * size / SIZE_OF_ONE)

    # --- our CALL

    @property
    def outstanding(self) -> Outstanding | None:
        """Our open CALL, if any."""
        return self._outstanding

    def begin_call(
        self, *, action: str, timeout_s: float, token: Any = None, message_id: str | None = None
    ) -> Outstanding:
        """Open a CALL of ours, under a new id unless one is given; raises CallInProgress while one is."""
        if self._outstanding is not None:
            raise CallInProgress
        now = self._clock()
        self._outstanding = Outstanding(
            message_id=message_id or self._new_id(),
            action=action,
            begun_at=now,
            deadline=now + timeout_s,
            token=token,
        )
        return self._outstanding

    def match_answer(self, frame: CallResult | CallError | Malformed) -> Outstanding | None:
        """Close our open CALL if this is its answer; otherwise None, and counted as unsolicited.

        A malformed frame with a readable id is an answer too: the CALL has failed, waiting is of no use.
        """
        open_call = self._outstanding
        if open_call is None or frame.message_id != open_call.message_id:
            self.counters.unsolicited += 1
            return None
        self._outstanding = None
        return open_call

    def expired(self, now: float) -> Outstanding | None:
        """Close and return our open CALL when its deadline has come; a later answer is unsolicited."""
        open_call = self._outstanding
        if open_call is None or now < open_call.deadline:
            return None
        return self.abandon_call()

    def abandon_call(self) -> Outstanding | None:
        """Close and return our open CALL without an answer: the socket is gone or was replaced."""
        open_call, self._outstanding = self._outstanding, None
        return open_call

    # --- the charger's CALLs

    def take_call(self, call: Call, text: str) -> Arrived:
        """Say whether a CALL is new, being handled, or answered before.

        The same message is the same id and text: chargers repeat a CALL whose answer was lost as it was, and
        others use one id for everything, so an equal id alone says nothing.
        """
        key = (call.message_id, hash(text))
        if key in self._in_progress:
            self.counters.repeated += 1
            return Arrived(Arrival.IN_PROGRESS, call, key)
        kept = self._answered.get(key)
        if kept is not None and self._clock() < kept[1]:
            self.counters.repeated += 1
            return Arrived(Arrival.REPEATED, call, key, kept[0])
        self._in_progress.add(key)
        return Arrived(Arrival.NEW, call, key)

    def answer_call(self, arrived: Arrived, answer: str) -> None:
        """Note the text that a new CALL was answered with, for the case that it comes again."""
        self._in_progress.discard(arrived.key)
        if arrived.call.action in _NEVER_KEPT or len(answer) > MAX_ANSWER_KEPT:
            return
        kept = self._answered
        kept.pop(arrived.key, None)
        kept[arrived.key] = answer, self._clock() + ANSWER_KEPT_S
        if len(kept) > ANSWERS_KEPT:
            del kept[next(iter(kept))]

    def drop_call(self, arrived: Arrived) -> None:
        """Note that a new CALL stays without an answer; when it comes again it is new."""
        self._in_progress.discard(arrived.key)

    @property
    def calls_in_progress(self) -> int:
        """CALLs of the charger taken and not yet answered."""
        return len(self._in_progress)
