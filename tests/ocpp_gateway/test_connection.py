import uuid

import pytest

from ocpp_gateway.connection import (
    ANSWER_KEPT_S,
    ANSWERS_KEPT,
    MAX_ANSWER_KEPT,
    SIZE_OF_ONE,
    Arrival,
    Arrived,
    CallInProgress,
    Connection,
    TokenBucket,
)
from ocpp_gateway.wire.frames import Call, CallError, CallResult, Malformed


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connection(clock: Clock) -> Connection:
    return Connection(clock=clock)


def test_begin_call_makes_a_uuid_and_a_deadline(connection: Connection) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30, token=5)
    assert str(uuid.UUID(begun.message_id, version=4)) == begun.message_id
    assert (begun.action, begun.begun_at, begun.deadline, begun.token) == ("Reset", 1000.0, 1030.0, 5)
    assert connection.outstanding is begun


def test_begin_call_while_one_is_open_raises(connection: Connection) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30)
    with pytest.raises(CallInProgress):
        connection.begin_call(action="ClearCache", timeout_s=30)
    assert connection.outstanding is begun


def test_begin_call_under_a_given_id_is_matched_by_it(connection: Connection) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30, message_id="stored-before")
    assert begun.message_id == "stored-before"
    assert connection.match_answer(CallResult("stored-before", {})) is begun


def test_ids_differ_across_connections(clock: Clock) -> None:
    ids = {Connection(clock=clock).begin_call(action="Reset", timeout_s=1).message_id for _ in range(50)}
    assert len(ids) == 50


@pytest.mark.parametrize("kind", ["result", "error", "malformed"])
def test_match_answer_of_the_open_call_closes_it(connection: Connection, kind: str) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30)
    answers: dict[str, CallResult | CallError | Malformed] = {
        "result": CallResult(begun.message_id, {}),
        "error": CallError(begun.message_id, "NotSupported", "", {}),
        "malformed": Malformed(begun.message_id, None, "not valid JSON"),
    }
    assert connection.match_answer(answers[kind]) is begun
    assert connection.outstanding is None
    assert connection.counters.unsolicited == 0


@pytest.mark.parametrize("message_id", ["-1", "other"])
def test_match_answer_of_foreign_id_is_counted_and_leaves_the_call_open(
    connection: Connection, message_id: str
) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30)
    assert connection.match_answer(CallError(message_id, "GenericError", "", {})) is None
    assert connection.outstanding is begun
    assert connection.counters.unsolicited == 1


def test_match_answer_without_open_call_is_unsolicited(connection: Connection) -> None:
    assert connection.match_answer(CallResult("x", {})) is None
    assert connection.counters.unsolicited == 1


def test_match_answer_given_twice_counts_the_second(connection: Connection) -> None:
    answer = CallResult(connection.begin_call(action="Reset", timeout_s=30).message_id, {})
    assert connection.match_answer(answer) is not None
    assert connection.match_answer(answer) is None


def test_expired_before_the_deadline_is_none(connection: Connection) -> None:
    connection.begin_call(action="Reset", timeout_s=30)
    assert connection.expired(1029.9) is None
    assert connection.outstanding is not None


def test_expired_at_the_deadline_closes_and_late_answer_is_unsolicited(connection: Connection) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30)
    assert connection.expired(1030.0) is begun
    assert connection.expired(1030.0) is None
    assert connection.match_answer(CallResult(begun.message_id, {})) is None
    assert connection.begin_call(action="Reset", timeout_s=30).message_id != begun.message_id


def test_abandon_call_gives_it_back_once(connection: Connection) -> None:
    begun = connection.begin_call(action="Reset", timeout_s=30)
    assert connection.abandon_call() is begun
    assert connection.abandon_call() is None


AUTHORIZE = Call("7", "Authorize", {"idTag": "A"})


def take(connection: Connection, call: Call) -> Arrived:
    return connection.take_call(call, repr(call))


def answered(connection: Connection, call: Call, answer: str) -> Arrived:
    arrived = take(connection, call)
    assert arrived.arrival is Arrival.NEW
    connection.answer_call(arrived, answer)
    return arrived


def test_take_call_again_is_answered_from_memory(connection: Connection) -> None:
    answered(connection, AUTHORIZE, "the answer")
    again = take(connection, Call("7", "Authorize", {"idTag": "A"}))
    assert (again.arrival, again.answer) == (Arrival.REPEATED, "the answer")
    assert connection.counters.repeated == 1


def test_take_call_while_in_progress_is_answered_once(connection: Connection) -> None:
    first = take(connection, AUTHORIZE)
    assert take(connection, AUTHORIZE).arrival is Arrival.IN_PROGRESS
    assert connection.calls_in_progress == 1
    connection.answer_call(first, "the answer")
    assert connection.calls_in_progress == 0


@pytest.mark.parametrize(
    "other",
    [
        Call("8", "Authorize", {"idTag": "A"}),
        Call("7", "Authorize", {"idTag": "B"}),
        Call("7", "DataTransfer", {"idTag": "A"}),
        Call("7", "Authorize", {"idTag": "A", "x": 1}),
    ],
)
def test_take_call_of_another_message_is_new(connection: Connection, other: Call) -> None:
    first = take(connection, AUTHORIZE)
    assert take(connection, other).arrival is Arrival.NEW
    connection.answer_call(first, "the answer")
    assert take(connection, Call("7", "Authorize", {"idTag": "C"})).arrival is Arrival.NEW


def test_take_call_after_drop_is_new(connection: Connection) -> None:
    connection.drop_call(take(connection, AUTHORIZE))
    assert take(connection, AUTHORIZE).arrival is Arrival.NEW


@pytest.mark.parametrize("action", ["Heartbeat", "BootNotification"])
def test_take_call_whose_answer_tells_the_time_is_never_answered_from_memory(
    connection: Connection, action: str
) -> None:
    answered(connection, Call("1", action, {}), "old time")
    assert take(connection, Call("1", action, {})).arrival is Arrival.NEW


def test_take_call_after_a_while_is_new(connection: Connection, clock: Clock) -> None:
    answered(connection, AUTHORIZE, "the answer")
    clock.now += ANSWER_KEPT_S
    assert take(connection, AUTHORIZE).arrival is Arrival.NEW


def test_answers_kept_are_the_last_ones(connection: Connection) -> None:
    calls = [Call(str(n), "Authorize", {"idTag": "A"}) for n in range(ANSWERS_KEPT + 1)]
    for call in calls:
        answered(connection, call, f"answer {call.message_id}")
    assert take(connection, calls[1]).arrival is Arrival.REPEATED
    assert take(connection, calls[0]).arrival is Arrival.NEW


def test_answer_too_long_is_not_kept(connection: Connection) -> None:
    answered(connection, AUTHORIZE, "x" * (MAX_ANSWER_KEPT + 1))
    assert take(connection, AUTHORIZE).arrival is Arrival.NEW


def test_on_frame_makes_large_frames_wait_and_bad_ones_longer(clock: Clock) -> None:
    def connection() -> Connection:
        return Connection(clock=clock, rate=10, burst=10)

    size = 10 * SIZE_OF_ONE
    assert connection().on_frame(AUTHORIZE, size=SIZE_OF_ONE) == 0.0
    assert connection().on_frame(AUTHORIZE, size=size) == pytest.approx(0.1)
    assert connection().on_frame(Malformed("1", None, "no JSON"), size=size) == pytest.approx(9.1)
    refused = connection()
    refused.on_frame(AUTHORIZE, size=size)
    refused.on_refused(size)
    assert refused.on_frame(AUTHORIZE) == pytest.approx(9.2)


def test_on_frame_counts_and_notes_the_time(connection: Connection, clock: Clock) -> None:
    clock.now += 5
    connection.on_frame(AUTHORIZE)
    connection.on_frame(Malformed("-1", None, "not valid JSON"))
    assert (connection.counters.frames, connection.counters.malformed) == (2, 1)
    assert (connection.opened_at, connection.last_frame_at) == (1000.0, 1005.0)


def test_on_frame_of_a_flood_slows_reading(clock: Clock) -> None:
    connection = Connection(clock=clock, rate=10, burst=2)
    assert [connection.on_frame(AUTHORIZE) for _ in range(4)] == [
        0,
        0,
        pytest.approx(0.1),
        pytest.approx(0.2),
    ]


def test_token_bucket_default_lets_a_burst_of_200_pass() -> None:
    bucket = TokenBucket()
    assert [bucket.delay(0.0) for _ in range(200)] == [0.0] * 200
    assert bucket.delay(0.0) == pytest.approx(0.01)


def test_token_bucket_refills_with_time_up_to_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=5)
    for _ in range(5):
        bucket.delay(0.0)
    assert bucket.delay(0.1) == 0.0
    assert [bucket.delay(1000.0) for _ in range(5)] == [0.0] * 5
    assert bucket.delay(1000.0) > 0


def test_token_bucket_obeyed_gives_the_rate() -> None:
    bucket, now, frames = TokenBucket(rate=100, burst=1), 0.0, 0
    while now < 1.0:
        now += bucket.delay(now)
        frames += 1
    assert 100 <= frames <= 102


def test_token_bucket_clock_going_back_does_not_fill() -> None:
    bucket = TokenBucket(rate=10, burst=1)
    bucket.delay(100.0)
    assert bucket.delay(50.0) == pytest.approx(0.1)


@pytest.mark.parametrize(("rate", "burst"), [(0, 10), (-1, 10), (10, 0)])
def test_token_bucket_without_speed_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError):
        TokenBucket(rate=rate, burst=burst)


def test_bucket_large_frame_costs_as_much_as_several() -> None:
    bucket = TokenBucket(rate=10, burst=10)
    assert bucket.delay(0.0, cost=10) == 0.0
    assert bucket.delay(0.0, cost=10) == 1.0
