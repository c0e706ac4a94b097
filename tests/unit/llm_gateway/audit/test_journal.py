"""The queue: order, batches, bounded waits, and what becomes of rows when the database does not take them."""

import asyncio
from collections.abc import Callable, Iterator

import msgspec
import pytest
from tests.unit.llm_gateway.audit.stores import Clock, HandStore, kinds, until
from tests.unit.llm_gateway.audit.trails import KEY, anchor, intent, outcome

from llm_gateway.audit import journal as module
from llm_gateway.audit import tables
from llm_gateway.audit.chain import Chain
from llm_gateway.audit.journal import BUSY_ROWS, MAX_BATCH, MOST_GATHER_S, QUIET_TURNS, Journal
from llm_gateway.core.errors import AuditUnavailable


@pytest.fixture
def store() -> Iterator[HandStore]:
    made = HandStore()
    yield made
    made.engine.dispose()


@pytest.fixture
def journal(store: HandStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Journal]:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "RETRY_MAX_S", 0.002)

    def make(timeout_s: float = 5.0) -> Journal:
        chain = Chain("c", KEY)
        with store.engine.begin() as connection:
            rows = chain.link([anchor([])])
            tables.begin_chain(connection, rows, chain.head(rows[-1]))
        return Journal(store, chain, Clock(), timeout_s)

    return make


async def test_a_row_is_there_when_its_commit_returns(store: HandStore, journal: Callable[..., Journal]) -> None:
    await journal().commit(intent(1))
    assert kinds(store) == ["anchor", "intent"]
    assert store.trail().verify().intact


async def test_it_does_not_return_before_the_commit(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    store.held = True
    waiting = asyncio.ensure_future(queue.commit(intent(1)))
    await until(lambda: bool(store.asked))
    assert not waiting.done()
    store.commit()
    await waiting


async def test_rows_of_many_callers_share_a_commit(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    await asyncio.gather(*(queue.commit(intent(call)) for call in range(1, 101)))
    assert store.batches == 1
    assert [row.call for row in store.rows()] == list(range(101))
    assert store.trail().verify().intact


async def test_more_rows_than_a_batch_holds_are_all_committed_in_order(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    count = MAX_BATCH * 2 + 7
    await asyncio.gather(*(queue.commit(intent(call)) for call in range(1, count + 1)))
    assert [row.call for row in store.rows()] == list(range(count + 1))
    assert store.trail().verify().intact


async def test_a_row_that_nobody_waits_for_rides_along(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    queue.add(outcome(1))
    assert store.asked == []
    await queue.commit(intent(2))
    assert kinds(store) == ["anchor", "outcome", "intent"]
    assert store.batches == 1


async def test_alone_it_is_committed_a_little_later(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    queue.add(outcome(1))
    await until(lambda: queue.waiting_rows == 0)
    assert kinds(store) == ["anchor", "outcome"]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def coming_one_by_one(queue: Journal, calls: range, turns_between: int) -> None:
    waiting = []
    for call in calls:
        waiting.append(asyncio.ensure_future(queue.commit(intent(call))))
        await turns(turns_between)
    await asyncio.gather(*waiting)


async def test_where_many_came_last_time_rows_leave_together_as_long_as_others_come(
    store: HandStore, journal: Callable[..., Journal]
) -> None:
    queue = journal()
    await asyncio.gather(*(queue.commit(intent(call)) for call in range(1, BUSY_ROWS + 1)))
    await coming_one_by_one(queue, range(11, 21), QUIET_TURNS - 2)
    assert store.batches == 2
    await coming_one_by_one(queue, range(21, 23), QUIET_TURNS + 4)
    assert store.batches == 4


async def test_where_few_came_nobody_waits_for_others(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    await asyncio.gather(*(queue.commit(intent(call)) for call in range(1, BUSY_ROWS)))
    store.held = True
    waiting = asyncio.ensure_future(queue.commit(intent(11)))
    await turns(3)
    assert store.asked
    store.commit()
    await waiting


class FastLoop:
    """The loop, on whose clock every look takes a millisecond."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.looks = 0

    def time(self) -> float:
        self.looks += 1
        return self.looks / 1_000

    def __getattr__(self, name: str) -> object:
        return getattr(self.loop, name)


async def test_rows_leave_in_time_though_others_come_without_end(
    store: HandStore, journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = journal()
    await asyncio.gather(*(queue.commit(intent(call)) for call in range(1, BUSY_ROWS + 1)))
    monkeypatch.setattr(queue, "_loop", FastLoop())
    await coming_one_by_one(queue, range(11, 61), 1)
    assert 50 / (MOST_GATHER_S * 1_000) / 2 <= store.batches - 1 <= 50 / (MOST_GATHER_S * 1_000) * 2
    assert [row.call for row in store.rows()] == [*range(BUSY_ROWS + 1), *range(11, 61)]


async def test_a_reader_who_leaves_takes_nobody_along_and_his_row_stays(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    store.held = True
    leaving, staying = (asyncio.ensure_future(queue.commit(intent(call))) for call in (1, 2))
    await until(lambda: bool(store.asked))
    leaving.cancel()
    await asyncio.sleep(0)
    store.commit()
    await staying
    assert leaving.cancelled()
    assert [row.call for row in store.rows()] == [0, 1, 2]


class TestWhenTheDatabaseDoesNotTakeRows:
    async def test_who_waits_hears_of_a_failure_at_once(self, store: HandStore, journal: Callable[..., Journal]) -> None:
        queue = journal()
        store.fault = OSError("disk full")
        with pytest.raises(AuditUnavailable) as raised:
            await queue.commit(intent(1))
        assert raised.value.retry_after_s == 1
        assert "disk" not in raised.value.message
        assert not queue.writable

    async def test_nobody_else_waits_meanwhile(self, store: HandStore, journal: Callable[..., Journal]) -> None:
        queue = journal()
        store.fault = OSError("disk full")
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(1))
        store.held = True
        before = queue.waiting_rows
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(2))
        assert queue.waiting_rows == before

    async def test_a_commit_that_hangs_is_given_up_in_time(self, store: HandStore, journal: Callable[..., Journal]) -> None:
        queue = journal(timeout_s=0.05)
        store.held = True
        first = asyncio.ensure_future(queue.commit(intent(1)))
        await until(lambda: bool(store.asked))
        second = asyncio.ensure_future(queue.commit(intent(2)))  # behind the one that hangs
        with pytest.raises(AuditUnavailable):
            await first
        with pytest.raises(AuditUnavailable):
            await second
        assert not queue.writable
        store.commit()
        store.held = False
        await until(lambda: queue.writable)
        await queue.commit(outcome(1))
        assert [row.call for row in store.rows()] == [0, 1, 2, 1]
        assert store.trail().verify().intact

    async def test_the_rows_are_kept_and_come_in_their_order_when_it_does_again(
        self, store: HandStore, journal: Callable[..., Journal]
    ) -> None:
        queue = journal()
        store.fault = OSError("disk full")
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(1))
        queue.add(outcome(1))
        queue.add(outcome(2))
        await until(lambda: store.batches > 4)
        store.fault = None
        await until(lambda: not queue.waiting_rows)
        assert [(row.kind, row.call) for row in store.rows()][1:] == [("intent", 1), ("outcome", 1), ("outcome", 2)]
        assert store.trail().verify().intact
        assert queue.writable

    async def test_a_commit_that_happened_though_it_was_reported_as_failed_is_not_done_twice(
        self, store: HandStore, journal: Callable[..., Journal]
    ) -> None:
        queue = journal()
        store.fault_after_commit = OSError("connection lost")
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(1))
        store.fault_after_commit = None
        await until(lambda: queue.writable)
        await queue.commit(intent(2))
        assert [row.call for row in store.rows()] == [0, 1, 2]
        assert store.trail().verify().intact

    async def test_a_full_queue_of_the_database_is_a_failure_like_others(self, store: HandStore, journal: Callable[..., Journal]) -> None:
        queue = journal()
        store.full = True
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(1))
        store.full = False
        await until(lambda: queue.writable)
        assert [row.call for row in store.rows()] == [0, 1]

    async def test_what_could_not_be_written_down_is_said_afterwards(self, store: HandStore, journal: Callable[..., Journal]) -> None:
        queue = journal()
        store.fault = OSError("disk full")
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(1))
        for _ in range(3):
            assert isinstance(queue.turn_away(), AuditUnavailable)
        store.fault = None
        await until(lambda: "gap" in kinds(store))
        gap = msgspec.json.decode(store.rows()[-1].detail)
        assert gap == {"turned_away": 3, "rows_lost": 0, "since_us": 1_800_000_000_000_000}
        await queue.commit(intent(2))
        assert kinds(store).count("gap") == 1

    async def test_memory_stays_bounded(self, store: HandStore, journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_PENDING", 10)
        queue = journal()
        store.held = True
        for call in range(1, 16):
            queue.add(outcome(call))
        assert queue.waiting_rows == 10
        assert not queue.writable
        with pytest.raises(AuditUnavailable):
            await queue.commit(intent(99))
        store.held = False
        await until(lambda: "gap" in kinds(store))
        assert msgspec.json.decode(store.rows()[-1].detail)["rows_lost"] == 5
        assert store.trail().verify().intact


async def test_drained_means_that_all_is_committed(store: HandStore, journal: Callable[..., Journal]) -> None:
    queue = journal()
    assert await queue.drained(1)
    for call in range(1, MAX_BATCH + 10):
        queue.add(outcome(call))
    assert await queue.drained(5)
    assert len(store.rows()) == MAX_BATCH + 10
    store.held = True
    queue.add(outcome(1))
    assert not await queue.drained(0.02)
    store.commit()
    assert await queue.drained(1)
