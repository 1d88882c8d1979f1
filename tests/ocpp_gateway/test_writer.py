"""Group commit: one bad message fails alone, answers stay in order, a database that is away fails nobody."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, ProgrammingError, connection, models
from psycopg.errors import UniqueViolation

from accounts.models import Tenant
from chargepoints.log_rows import MessageRow
from chargepoints.models import BatchReceipt
from csms_project.common.bulk import Row
from ocpp_gateway import writer as writer_module
from ocpp_gateway.batcher import MAX_BLOCKED
from ocpp_gateway.works import MAX_ROWS
from ocpp_gateway.writer import (
    FULL_ROWS,
    MAX_BATCH_SIZE,
    MAX_WAITING_ROWS,
    SOON_ROWS,
    Batcher,
    CallableWork,
    RowsWork,
    StorageAway,
    Work,
    Writer,
)
from tests.factories import T0
from transactions.services.batch import SessionBatch

Settled = tuple[list[tuple[Work, Exception | None]], list[Work]]


class Deed:
    """A work that stores a row, or fails as told, and remembers what became of it."""

    def __init__(self, name: str, *, owner: object = None, failures: Sequence[Exception] = ()) -> None:
        self.name, self.owner = name, owner if owner is not None else self
        self.size = 10
        self.failures = list(failures)
        self.runs = 0
        self.fate: list[str] = []

    def want(self, batch: SessionBatch) -> None:
        pass

    def run(self, batch: SessionBatch) -> None:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0) if len(self.failures) > 1 else self.failures[0]
        batch.add(Tenant(slug=self.name, name=self.name))

    def deliver(self) -> None:
        self.fate.append("delivered")

    def fail(self, error: Exception) -> None:
        self.fate.append(f"failed: {error}")

    def give_up(self) -> None:
        self.fate.append("given up")


def away() -> OperationalError:
    """What the driver raises when the connection is gone: no SQLSTATE."""
    return OperationalError("the connection is gone")


def passing(sqlstate: str) -> OperationalError:
    """What PostgreSQL raises when only this statement was unlucky."""
    error = OperationalError("unlucky")
    error.__cause__ = Exception()
    error.__cause__.sqlstate = sqlstate  # type: ignore[attr-defined]
    return error


def stored() -> set[str]:
    return set(Tenant.objects.values_list("slug", flat=True))


def errors(settled: Sequence[tuple[Work, Exception | None]]) -> list[str]:
    return ["" if error is None else type(error).__name__ for _, error in settled]


# ---------------------------------------------------------------- batches
@pytest.mark.django_db
def test_batch_of_good_works_is_one_transaction_with_a_receipt() -> None:
    deeds = [Deed("a"), Deed("b"), Deed("c")]
    settled, waiting = Batcher().run(deeds)
    assert ([work for work, _ in settled], waiting) == (deeds, [])
    assert stored() == {"a", "b", "c"}
    assert BatchReceipt.objects.count() == 1
    assert [deed.runs for deed in deeds] == [1, 1, 1]


@pytest.mark.django_db
def test_batch_with_a_poison_message_fails_it_alone_and_keeps_the_order() -> None:
    deeds = [Deed("a"), Deed("x", failures=[ValueError("poison")]), Deed("b")]
    settled, waiting = Batcher().run(deeds)
    assert [work for work, _ in settled] == deeds
    assert errors(settled) == ["", "ValueError", ""]
    assert waiting == []
    assert stored() == {"a", "b"}


@pytest.mark.django_db
def test_batch_with_a_row_that_the_database_refuses_fails_it_alone() -> None:
    settled, _ = Batcher().run([Deed("a"), Deed("a"), Deed("b")])
    assert errors(settled) == ["", "IntegrityError", ""]
    assert stored() == {"a", "b"}


@pytest.mark.django_db(transaction=True)
def test_batch_while_the_database_is_away_settles_nothing() -> None:
    deeds = [Deed("a"), Deed("b", failures=[away()])]
    with pytest.raises(StorageAway):
        Batcher().run(deeds)
    assert stored() == set()


@pytest.mark.django_db(transaction=True)
def test_batch_single_work_while_the_database_is_away_is_not_failed() -> None:
    with pytest.raises(StorageAway):
        Batcher().run([Deed("a", failures=[away()])])


@pytest.mark.django_db(transaction=True)
def test_batch_when_the_database_goes_during_the_redo_keeps_what_is_settled() -> None:
    deeds = [Deed("a"), Deed("x", failures=[ValueError("poison")]), Deed("b", failures=[away()]), Deed("c")]
    settled, waiting = Batcher().run(deeds)
    assert errors(settled) == ["", "ValueError"]
    assert waiting == deeds[2:]
    assert stored() == {"a"}


@pytest.mark.django_db
@pytest.mark.parametrize("sqlstate", ["55P03", "57014", "40P01", "40001"])
def test_batch_with_a_lock_time_out_postpones_only_that_owner(sqlstate: str) -> None:
    locked = Deed("locked", owner=1, failures=[passing(sqlstate)])
    later, other = Deed("later", owner=1), Deed("other", owner=2)
    settled, waiting = Batcher().run([locked, other, later])
    assert ([work for work, _ in settled], waiting) == ([other], [locked, later])
    assert stored() == {"other"}
    locked.failures.clear()
    assert errors(Batcher().run(waiting)[0]) == ["", ""]


@pytest.mark.django_db
def test_batch_with_one_lock_after_the_other_tries_the_rest_the_next_time() -> None:
    locked = [Deed(f"locked-{n}", failures=[passing("55P03")]) for n in range(MAX_BLOCKED)]
    last = Deed("last")
    settled, waiting = Batcher().run([*locked, last])
    assert (settled, waiting) == ([], [last, *locked])
    assert last.runs == 0


class Quicker(Deed):
    """Finds that somebody else has stored its row meanwhile, so often."""

    def __init__(self, name: str, *, times: int) -> None:
        super().__init__(name)
        self.times = times

    def run(self, batch: SessionBatch) -> None:
        super().run(batch)
        if self.runs <= self.times:
            error = IntegrityError("duplicate key")
            error.__cause__ = UniqueViolation("duplicate key")
            raise error


@pytest.mark.django_db
def test_work_whose_row_somebody_else_has_stored_is_done_once_more() -> None:
    deed, hopeless = Quicker("a", times=1), Quicker("b", times=99)
    assert Batcher().run([deed]) == ([(deed, None)], [])
    assert errors(Batcher().run([hopeless])[0]) == ["IntegrityError"]
    assert (deed.runs, hopeless.runs) == (2, 2)


class LosesCommit:
    """A connection that dies at COMMIT, before or after the server has done it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_done: bool) -> None:
        self._commit: Callable[[], None] = connection._commit  # type: ignore[attr-defined]
        self._is_done = is_done
        self.calls = 0
        monkeypatch.setattr(connection, "_commit", self)

    def __call__(self) -> None:
        self.calls += 1
        if self.calls > 1 or self._is_done:
            self._commit()
        if self.calls == 1:
            raise away()


@pytest.mark.django_db(transaction=True)
def test_commit_with_unknown_outcome_that_took_place_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    LosesCommit(monkeypatch, is_done=True)
    batcher, deed, next_one = Batcher(), Deed("a"), Deed("b")
    with pytest.raises(StorageAway):
        batcher.run([deed])
    assert batcher.run([deed, next_one]) == ([(deed, None), (next_one, None)], [])
    assert (stored(), deed.runs) == ({"a", "b"}, 1)


@pytest.mark.django_db(transaction=True)
def test_commit_with_unknown_outcome_that_was_lost_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    LosesCommit(monkeypatch, is_done=False)
    batcher, deed = Batcher(), Deed("a")
    with pytest.raises(StorageAway):
        batcher.run([deed])
    assert stored() == set()
    assert batcher.run([deed]) == ([(deed, None)], [])
    assert stored() == {"a"}


@pytest.mark.django_db(transaction=True)
def test_commit_with_unknown_outcome_is_remembered_until_its_work_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    LosesCommit(monkeypatch, is_done=True)
    batcher, deed, other = Batcher(), Deed("a"), Deed("b")
    with pytest.raises(StorageAway):
        batcher.run([deed])
    assert batcher.run([other]) == ([(other, None)], [])
    assert batcher.run([deed]) == ([(deed, None)], [])
    assert (stored(), deed.runs) == ({"a", "b"}, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("sqlstate", "is_asked"),
    [("57P01", True), ("08006", True), ("53100", True), ("40P01", False), ("40001", False)],
)
def test_commit_that_fails_is_asked_about_only_where_its_outcome_is_unknown(
    monkeypatch: pytest.MonkeyPatch, sqlstate: str, is_asked: bool
) -> None:
    """An answer of the server to COMMIT itself is an outcome; a connection that ends during it is none."""

    def fails() -> None:
        raise passing(sqlstate)

    batcher, deed = Batcher(), Deed("a")
    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", fails)
        if is_asked:
            with pytest.raises(StorageAway):
                batcher.run([deed])
        else:
            assert batcher.run([deed]) == ([], [deed])
    assert (batcher._unsure is not None) is is_asked
    assert batcher.run([deed]) == ([(deed, None)], [])
    assert stored() == {"a"}


# ---------------------------------------------------------------- the thread
class ScriptedBatcher:
    """Stands for the database: each step says what a batch meets; afterwards everything succeeds."""

    def __init__(self, *steps: Callable[[Sequence[Work]], Settled]) -> None:
        self.steps = list(steps)
        self.batches: list[list[Work]] = []
        self.attempt = 0
        self.cuts: list[int] = []

    def __call__(self) -> ScriptedBatcher:
        return self

    def cut(self, attempt: int) -> None:
        self.cuts.append(attempt)

    def run(self, works: Sequence[Work]) -> Settled:
        self.batches.append(list(works))
        return self.steps.pop(0)(works) if self.steps else ([(work, None) for work in works], [])


def is_away(works: Sequence[Work]) -> Settled:
    raise StorageAway("gone")


def is_locked(works: Sequence[Work]) -> Settled:
    return [], list(works)


Scenario = Callable[[Writer], Awaitable[None]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Writer]:
    """Run a scenario with a writer whose database is scripted."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.005)
    monkeypatch.setattr(writer_module, "MAX_RETRY_S", 0.01)

    def run(scenario: Scenario, batcher: ScriptedBatcher, **options: Any) -> Writer:
        monkeypatch.setattr(writer_module, "Batcher", batcher)
        writer = Writer(**{"limit": 100, "batch": 10, "hold_s": 30.0, **options})

        async def main() -> None:
            writer.start(asyncio.get_running_loop())
            try:
                await asyncio.wait_for(scenario(writer), 10)
            finally:
                await writer.stop()

        asyncio.run(main())
        return writer

    return run


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


def test_writer_delivers_in_order_on_the_loop(play: Callable[..., Writer]) -> None:
    order: list[tuple[int, int]] = []

    async def scenario(writer: Writer) -> None:
        thread = threading.get_ident()

        def delivered(number: int) -> None:
            order.append((number, threading.get_ident()))

        for number in range(25):
            writer.submit(CallableWork(lambda batch: None, then=lambda _, n=number: delivered(n)))  # type: ignore[misc]
        await until(lambda: len(order) == 25)
        assert order == [(number, thread) for number in range(25)]

    play(scenario, ScriptedBatcher())


def test_writer_holds_works_while_the_database_is_away(play: Callable[..., Writer]) -> None:
    deed = Deed("a")
    batcher = ScriptedBatcher(is_away, is_away, is_away)

    async def scenario(writer: Writer) -> None:
        writer.submit(deed)
        await until(lambda: not writer.storage_ok)
        assert not writer.is_alive
        await until(lambda: deed.fate)
        assert writer.is_alive

    play(scenario, batcher)
    assert deed.fate == ["delivered"]
    assert batcher.batches == [[deed]] * 4


def test_writer_gives_up_what_waited_too_long(play: Callable[..., Writer]) -> None:
    held, queued = Deed("held"), Deed("queued")
    batcher = ScriptedBatcher(*[is_away] * 1000)

    async def scenario(writer: Writer) -> None:
        writer.submit(held)
        await until(lambda: batcher.batches)
        writer.submit(queued)
        await until(lambda: queued.fate)
        assert not writer.storage_ok
        batcher.steps.clear()
        again = Deed("again")
        writer.submit(again)
        await until(lambda: again.fate == ["delivered"] and writer.storage_ok)

    play(scenario, batcher, hold_s=0.05)
    assert (held.fate, queued.fate) == (["given up"], ["given up"])


def test_writer_puts_waiting_works_before_later_ones(play: Callable[..., Writer]) -> None:
    first, second = Deed("first", owner=1), Deed("second", owner=1)
    batcher = ScriptedBatcher(is_locked)

    async def scenario(writer: Writer) -> None:
        writer.submit(first)
        await until(lambda: batcher.batches)
        writer.submit(second)
        await until(lambda: second.fate)

    play(scenario, batcher)
    assert [work for batch in batcher.batches[1:] for work in batch] == [first, second]


def test_writer_gives_up_a_work_that_stays_locked(play: Callable[..., Writer]) -> None:
    deed = Deed("locked")

    async def scenario(writer: Writer) -> None:
        writer.submit(deed)
        await until(lambda: deed.fate)

    play(scenario, ScriptedBatcher(*[is_locked] * 1000), hold_s=0.05)
    assert deed.fate == ["given up"]


def test_writer_full_queue_makes_receivers_wait_until_there_is_room(play: Callable[..., Writer]) -> None:
    gate, entered = threading.Event(), threading.Event()

    def blocks(works: Sequence[Work]) -> Settled:
        entered.set()
        assert gate.wait(5)
        return [(work, None) for work in works], []

    async def scenario(writer: Writer) -> None:
        writer.submit(Deed("in hand"))
        await until(entered.is_set)
        for number in range(4):
            assert not writer.is_full
            writer.submit(Deed(str(number)))
        assert writer.is_full
        assert writer.depth == 5
        room = asyncio.ensure_future(writer.wait_for_room())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(room), 0.05)
        gate.set()
        await asyncio.wait_for(room, 5)
        await until(lambda: writer.depth == 0)

    play(scenario, ScriptedBatcher(blocks), limit=4)


def test_writer_batches_at_most_so_many_works(play: Callable[..., Writer]) -> None:
    deeds = [Deed(str(number)) for number in range(25)]
    batcher = ScriptedBatcher()

    async def scenario(writer: Writer) -> None:
        for deed in deeds:
            writer.submit(deed)
        await until(lambda: deeds[-1].fate)

    play(scenario, batcher, batch=10)
    assert max(len(batch) for batch in batcher.batches) <= 10


def test_writer_call_returns_the_result_or_says_that_storage_is_away(play: Callable[..., Writer]) -> None:
    def runs(works: Sequence[Work]) -> Settled:
        for work in works:
            work.run(SessionBatch(now=T0))
        return [(work, None) for work in works], []

    async def scenario(writer: Writer) -> None:
        assert await writer.call(CallableWork(lambda batch: 42)) == 42
        with pytest.raises(StorageAway):
            await writer.call(CallableWork(lambda batch: 43))

    play(scenario, ScriptedBatcher(runs, *[is_away] * 1000), hold_s=0.05)


def test_writer_counts_a_batch_until_its_answers_are_on_their_way(play: Callable[..., Writer]) -> None:
    deed = Deed("a")

    async def scenario(writer: Writer) -> None:
        writer.submit(deed)
        while writer.depth:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert deed.fate == ["delivered"]

    play(scenario, ScriptedBatcher())


def test_writer_stop_stores_and_delivers_what_is_queued(play: Callable[..., Writer]) -> None:
    deeds = [Deed(str(number)) for number in range(30)]

    async def scenario(writer: Writer) -> None:
        for deed in deeds:
            writer.submit(deed)

    writer = play(scenario, ScriptedBatcher(), batch=7)
    assert [deed.fate for deed in deeds] == [["delivered"]] * 30
    assert not writer.is_alive


def test_writer_stop_while_the_database_is_away_gives_up(play: Callable[..., Writer]) -> None:
    deed = Deed("a")

    async def scenario(writer: Writer) -> None:
        writer.submit(deed)
        await until(lambda: not writer.storage_ok)

    play(scenario, ScriptedBatcher(*[is_away] * 10_000))
    assert deed.fate == ["given up"]


def test_writer_delivery_that_raises_does_not_stop_the_next(
    play: Callable[..., Writer], caplog: pytest.LogCaptureFixture
) -> None:
    def explode(result: object) -> None:
        raise ValueError("in a callback")

    good = Deed("good")

    async def scenario(writer: Writer) -> None:
        writer.submit(CallableWork(lambda batch: None, then=explode))
        writer.submit(good)
        await until(lambda: good.fate)

    play(scenario, ScriptedBatcher())
    assert good.fate == ["delivered"]
    assert "writer.deliver_failed" in caplog.messages


def test_writer_goes_on_after_a_fault_of_its_own(
    play: Callable[..., Writer], caplog: pytest.LogCaptureFixture
) -> None:
    def explodes(works: Sequence[Work]) -> Settled:
        raise RuntimeError("a bug")

    deed = Deed("a")

    async def scenario(writer: Writer) -> None:
        writer.submit(deed)
        await until(lambda: deed.fate)
        assert writer.is_alive

    play(scenario, ScriptedBatcher(explodes))
    assert deed.fate == ["delivered"]
    assert "writer.batch_failed" in caplog.messages


def test_writer_tells_who_waits_for_the_database_before_it_lets_newcomers_in(
    play: Callable[..., Writer],
) -> None:
    seen: list[bool] = []

    async def scenario(writer: Writer) -> None:
        writer.on_storage_back = lambda: seen.append(writer.storage_ok)
        writer.submit(Deed("a"))
        await until(lambda: seen and writer.storage_ok)

    play(scenario, ScriptedBatcher(is_away))
    assert seen == [False]


def test_watch_cuts_a_connection_on_which_an_attempt_hangs(play: Callable[..., Writer]) -> None:
    batcher = ScriptedBatcher()

    async def scenario(writer: Writer) -> None:
        await until(lambda: writer._batcher is not None)
        for attempt in (1, 1, 1, 2, 2, 0, 0, 0):  # goes on within the time, then rests
            batcher.attempt = attempt
            writer.watch(1.0)
        assert batcher.cuts == []
        batcher.attempt = 3
        for _ in range(4):
            writer.watch(1.0)
        assert (batcher.cuts, writer.storage_ok) == ([3], False)

    play(scenario, batcher, hold_s=2.0)


def test_stop_does_not_wait_for_a_connection_that_hangs(
    play: Callable[..., Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    class Hanging(ScriptedBatcher):
        def cut(self, attempt: int) -> None:
            super().cut(attempt)
            gate.set()

    def hangs(works: Sequence[Work]) -> Settled:
        batcher.attempt = 7
        assert gate.wait(5)
        raise StorageAway("cut")

    monkeypatch.setattr(writer_module, "STOP_S", 0.05)
    batcher, deed = Hanging(hangs), Deed("a")

    async def scenario(writer: Writer) -> None:
        writer.submit(deed)
        await until(lambda: batcher.attempt)

    play(scenario, batcher)
    assert (batcher.cuts, deed.fate) == ([7], ["given up"])


# ---------------------------------------------------------------- trouble of our own


@pytest.mark.django_db
def test_work_that_meets_a_schema_of_another_version_waits_instead_of_failing() -> None:
    ours, other = Deed("a", failures=[ProgrammingError("no such column")]), Deed("b")
    settled, waiting = Batcher().run([ours, other])
    assert (settled, waiting) == ([(other, None)], [ours])


@pytest.mark.django_db
def test_rows_of_the_log_are_stored_in_bounded_pieces() -> None:
    rows = deque[models.Model | Row](Tenant(slug=f"t{n}", name="T") for n in range(MAX_ROWS + 5))
    assert len(RowsWork(rows).rows) == MAX_ROWS
    assert len(rows) == 5


def test_rows_of_the_log_beyond_the_bound_push_out_the_oldest() -> None:
    writer = Writer(limit=10, batch=10, hold_s=1)
    for number in range(MAX_WAITING_ROWS + 3):
        writer.note(Tenant(slug=str(number)))
    assert (len(writer._rows), writer._rows_lost) == (MAX_WAITING_ROWS, 3)


def test_many_rows_of_the_log_wait_for_no_work(play: Callable[..., Writer]) -> None:
    batcher = ScriptedBatcher()

    async def scenario(writer: Writer) -> None:
        began = asyncio.get_running_loop().time()
        for _ in range(10 * SOON_ROWS):
            writer.note(MessageRow(1, 1, T0, True, "1", "Heartbeat", "{}", "{}", "", "", None))
        await until(lambda: len(writer._rows) < SOON_ROWS)
        assert asyncio.get_running_loop().time() - began < 0.9

    writer = play(scenario, batcher)
    works = [work for batch in batcher.batches for work in batch]
    assert sum(len(work.rows) for work in works if isinstance(work, RowsWork)) == 10 * SOON_ROWS
    assert writer._rows_lost == 0


def test_rows_of_the_log_hold_back_reading_while_the_database_is_there() -> None:
    async def scenario() -> None:
        writer = Writer(limit=10, batch=10, hold_s=1)
        writer._room = asyncio.Event()
        writer._room.set()
        for number in range(FULL_ROWS):
            assert not writer.is_full, number
            writer.note(Tenant(slug="t"))
        assert (writer.is_full, writer._room.is_set()) == (True, False)
        writer.storage_ok = False
        assert not writer.is_full

    asyncio.run(scenario())


def test_fresh_works_pass_the_one_that_waits_but_not_those_behind_it() -> None:
    writer = Writer(limit=10, batch=10, hold_s=1)
    locked, behind, free = Deed("a", owner=1), Deed("b", owner=1), Deed("c", owner=2)
    writer._waiting = [(0.0, locked)]
    for work in (behind, free):
        writer.submit(work)
    assert [work for _, work in writer._take_fresh()] == [free]
    assert [work for _, work in writer._waiting] == [locked, behind]


def test_batch_is_bounded_by_the_size_of_its_messages() -> None:
    writer = Writer(limit=10, batch=10, hold_s=1)
    for name in "abc":
        deed = Deed(name)
        deed.size = MAX_BATCH_SIZE
        writer.submit(deed)
    assert len(writer._take_fresh()) == 1
