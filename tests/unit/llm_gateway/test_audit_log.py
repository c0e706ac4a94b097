"""The stage and the hook: what is written down of a call, whatever becomes of it; and the trail around them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from tests.unit.llm_gateway.audit.stores import HandStore, until
from tests.unit.llm_gateway.routing.fakes import House, Script, ask

from llm_gateway import audit_log
from llm_gateway.audit import journal as journal_module
from llm_gateway.audit import tables
from llm_gateway.audit.chain import AuditKey, Head, resealed
from llm_gateway.audit.keys import key_in
from llm_gateway.audit.rows import CallFacts, IntentDetail, OutcomeDetail, Row
from llm_gateway.audit.trail import DAY_US, FOREIGN_LEASE_US, AuditTrail
from llm_gateway.audit.verification import Verdict
from llm_gateway.audit_log import AuditLog
from llm_gateway.core.clearance import digest
from llm_gateway.core.errors import (
    AuditUnavailable,
    ConfigurationError,
    LLMGatewayError,
    NoEligibleProvider,
    ProviderUnavailable,
    SensitiveContentBlocked,
    Unauthenticated,
)
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Next, Reply
from llm_gateway.core.findings import Finding, Sensitivity
from llm_gateway.core.routing import Attempt
from llm_gateway.core.sealing import Sealer
from llm_gateway.core.settings import AuditSettings
from llm_gateway.core.types import Request, SecurityLevel
from llm_gateway.pipeline import compose
from llm_gateway.stores.sql import SqlStore

HARMLESS = Sensitivity(0.1, False)
SECRET = Sensitivity(0.97, True, (Finding("secret.api_key", "/messages/0/content", 0.97),))
TWO = {"openai": {"priority": 1}, "anthropic": {"priority": 2}}
STRICT = AuditSettings.model_validate({"key": "k" * 32, "commit_timeout_s": 0.2})
BEST_EFFORT = AuditSettings.model_validate({"mode": "best_effort", "key": "k" * 32, "commit_timeout_s": 0.2})
PROMPT = "canary-7f3a tell me about my health"


class Desk:
    """The stages between the audit log and the router: who asks, what is in it, where it may go."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.verdict: Sensitivity | None = HARMLESS
        self.refusal: LLMGatewayError | None = None
        self.refused: set[str] = set()
        self.seen: list[Exchange] = []
        self.eligible: tuple[str, ...] = ()

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        self.seen.append(exchange)
        exchange.caller = Caller("ann", "gold", "key_1")
        exchange.sensitivity = self.verdict
        exchange.clearance = None
        if self.refusal is not None:
            raise self.refusal
        if exchange.correlation_id in self.refused:
            raise SensitiveContentBlocked("no")
        exchange.clearance = self.house.clearance(exchange.request, *self.eligible)
        return await call_next(exchange)


class Scene:
    """A trail on a store that the test commands, the stage, a router over fakes."""

    def __init__(self, store: HandStore, trail: AuditTrail, house: House, chosen: AuditSettings = STRICT) -> None:
        self.store, self.trail, self.house = store, trail, house
        self.log = AuditLog(trail, chosen, house.clock)
        house.router._before_attempt = self.log.before_attempt
        self.desk = Desk(house)
        self.way = compose([self.log, self.desk], house.router)

    def exchange(self, request: Request | None = None, name: str = "gw-1") -> Exchange:
        now_s = self.house.clock.monotonic_s()
        return Exchange(
            request or ask(PROMPT), correlation_id=name, credentials=Credentials("gw_token", "ann", "10.0.0.9"), ingress="native",
            received_s=now_s, deadline_s=now_s + 60,
        )  # fmt: skip

    async def call(self, exchange: Exchange | None = None, read: int | None = None) -> Exchange:
        """Send a call and read its answer, or `read` chunks of it."""
        exchange = exchange or self.exchange()
        async with exchange:
            seen = 0
            async for _ in await self.way(exchange):
                seen += 1
                if seen == read:
                    break
        return exchange

    async def rows(self) -> list[Row]:
        assert await self.trail.journal.drained(5)
        return [row for row in self.store.rows() if row.kind != "anchor"]


@pytest.fixture
def store() -> Iterator[HandStore]:
    made = HandStore()
    yield made
    made.engine.dispose()


@pytest.fixture
async def scene(store: HandStore, tmp_path: Path) -> Scene:
    house = House(TWO)
    trail = await AuditTrail.open(store, STRICT, tmp_path, house.clock)
    return Scene(store, trail, house)


def detail(row: Row) -> dict[str, Any]:
    return msgspec.json.decode(row.detail)


class TestWhatIsWrittenDown:
    async def test_an_intent_before_the_bytes_leave_and_an_outcome_after(self, scene: Scene) -> None:
        committed: list[str] = []

        async def look() -> None:
            committed.extend(row.kind for row in scene.store.rows())

        scene.house.script("openai", Script(meanwhile=look))
        await scene.call()
        assert committed == ["anchor", "intent"]
        intent, outcome = await scene.rows()
        assert [intent.kind, outcome.kind] == ["intent", "outcome"]
        assert intent.call == outcome.call == 1
        assert (outcome.outcome, outcome.provider, outcome.caller, outcome.sensitive) == ("ok", "openai", "ann", 0)
        assert intent.correlation_id == outcome.correlation_id == "gw-1"
        assert scene.store.trail().verify(scene.trail.key).intact

    async def test_who_what_where_and_what_it_cost(self, scene: Scene) -> None:
        scene.desk.verdict = SECRET
        exchange = await scene.call()
        intent, outcome = await scene.rows()
        facts = detail(intent)["call"]
        assert facts == detail(outcome)["call"]
        assert (facts["key_id"], facts["tier"], facts["address"], facts["ingress"], facts["operation"]) == (
            "key_1", "gold", "10.0.0.9", "native", "chat",
        )  # fmt: skip
        assert (facts["score"], facts["kinds"], facts["policy"]) == (0.97, ["secret.api_key"], "v1")
        assert facts["eligible"] == ["anthropic medium http://anthropic.test", "openai medium http://openai.test"]
        assert facts["digest"] == scene.trail.key.content_digest(digest(exchange.request))
        assert detail(intent)["attempt"] == {"provider": "openai", "model": "gpt-4o", "level": "medium", "origin": "http://openai.test"}
        shown = detail(outcome)
        assert (shown["input_tokens"], shown["output_tokens"], shown["finish_reason"]) == (10, 5, "stop")
        assert shown["cost_usd"] == exchange.cost_usd
        assert intent.sensitive == outcome.sensitive == 1

    async def test_no_content_no_key_no_message(self, scene: Scene) -> None:
        scene.house.script("openai", ProviderUnavailable("it said: canary-7f3a", code="connect"))
        await scene.call()
        written = repr(await scene.rows())
        assert "canary" not in written
        assert "gw_token" not in written
        assert "t hello" not in written

    async def test_one_intent_for_every_attempt_and_every_attempt_with_its_outcome(self, scene: Scene) -> None:
        scene.house.script("openai", ProviderUnavailable("down", code="connect"))
        await scene.call()
        first, second, outcome = await scene.rows()
        assert [(row.kind, row.provider, detail(row)["number"]) for row in (first, second)] == [
            ("intent", "openai", 1), ("intent", "anthropic", 2),
        ]  # fmt: skip
        attempts = [(each["provider"], each["origin"], each["outcome"]) for each in detail(outcome)["attempts"]]
        assert attempts == [("openai", "http://openai.test", "provider_bad_response"), ("anthropic", "http://anthropic.test", "ok")]
        assert outcome.outcome == "ok"

    @pytest.mark.parametrize(
        ("failure", "outcome"),
        [(SensitiveContentBlocked("no"), "blocked"), (NoEligibleProvider("none"), "blocked"), (Unauthenticated("who"), "error")],
    )
    async def test_a_call_that_is_refused_has_its_row_too(self, scene: Scene, failure: LLMGatewayError, outcome: str) -> None:
        scene.desk.refusal, scene.desk.verdict = failure, SECRET
        with pytest.raises(type(failure)):
            await scene.call()
        (row,) = await scene.rows()
        assert (row.kind, row.outcome, row.provider) == ("outcome", outcome, "")
        shown = detail(row)
        assert (shown["error"], shown["status"], shown["attempts"]) == (failure.error_type, failure.http_status, [])
        assert shown["call"]["kinds"] == ["secret.api_key"]
        assert shown["call"]["digest"]

    async def test_one_that_nobody_judged_has_no_digest(self, scene: Scene) -> None:
        scene.desk.refusal, scene.desk.verdict = Unauthenticated("who"), None
        with pytest.raises(Unauthenticated):
            await scene.call()
        (row,) = await scene.rows()
        assert "digest" not in detail(row)["call"]
        assert row.sensitive == 0

    async def test_a_failure_of_all_providers_is_an_error(self, scene: Scene) -> None:
        for name in TWO:
            scene.house.script(name, ProviderUnavailable("down", code="connect"))
        with pytest.raises(ProviderUnavailable):
            await scene.call()
        assert [row.outcome for row in await scene.rows()] == ["", "", "error"]

    async def test_a_reader_who_leaves_ends_as_aborted(self, scene: Scene) -> None:
        scene.house.script("openai", Script(pieces=(b"t one\n", b"t two\n", b"u 3 2\nend\n")))
        await scene.call(scene.exchange(ask(PROMPT, stream=True)), read=1)
        _, outcome = await scene.rows()
        assert outcome.outcome == "aborted"
        assert detail(outcome)["attempts"][0]["outcome"] == "cancelled"

    async def test_a_call_that_bypasses_the_stage_is_written_down_all_the_same(self, scene: Scene) -> None:
        exchange = scene.exchange()
        exchange.clearance = scene.house.clearance(exchange.request)
        async with exchange:
            await scene.house.router(exchange)
        assert [row.kind for row in await scene.rows()] == ["intent", "outcome"]

    async def test_an_answer_that_turns_out_sensitive_marks_the_outcome(self, scene: Scene) -> None:
        async def taint() -> None:
            exchange.tainted = True

        exchange = scene.exchange()
        scene.house.script("openai", Script(meanwhile=taint))
        await scene.call(exchange)
        assert [row.sensitive for row in await scene.rows()] == [0, 1]

    async def test_an_operator_s_act_is_committed_before_it_happens(self, scene: Scene) -> None:
        await scene.trail.record("keys.create", Caller("root", is_admin=True), "gw-7", {"owner": "ann"})
        (row,) = scene.store.rows()[1:]
        assert (row.kind, row.caller, row.correlation_id) == ("admin", "root", "gw-7")
        assert detail(row) == {"action": "keys.create", "what": {"owner": "ann"}}

    async def test_what_calls_have_in_common_is_written_for_each_as_if_it_had_nothing(self, scene: Scene) -> None:
        """Rows are put together of pieces that are kept: each must be, to the byte, what its own call makes."""
        verdicts = [HARMLESS, None, HARMLESS, SECRET, Sensitivity(0.0, False, (), "timeout"), HARMLESS]
        digests: list[str] = []
        for number, verdict in enumerate(verdicts):
            scene.desk.verdict = verdict
            scene.desk.eligible = ("openai",) if number == 2 else ()
            await scene.call(scene.exchange(ask(f"{PROMPT} {number % 5}"), f"gw-{number}"))
            digests.append(digest(scene.desk.seen[-1].request).hex())
        for row in await scene.rows():
            said = msgspec.json.decode(row.detail, type=IntentDetail if row.kind == "intent" else OutcomeDetail)
            facts = msgspec.json.decode(said.call, type=CallFacts)
            verdict = verdicts[int(row.correlation_id[3:])]
            assert msgspec.json.encode(said).decode() == row.detail
            assert msgspec.json.encode(facts) == bytes(said.call)
            assert facts.digest == scene.trail.key.content_digest(bytes.fromhex(digests[int(row.correlation_id[3:])]))
            assert facts.score == (None if verdict is None else verdict.score)
            assert facts.kinds == (verdict.kinds if verdict is not None else ())
            assert facts.unjudged == (verdict.failed if verdict is not None else "")
            assert len(msgspec.json.decode(facts.eligible)) == (1 if row.correlation_id == "gw-2" else 2)

    async def test_no_more_pieces_are_kept_than_so_many(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit_log, "MOST_SHAPES", 2)
        for number in range(5):
            scene.desk.verdict = Sensitivity(number / 16, False)
            await scene.call(scene.exchange(name=f"gw-{number}"))
            assert len(scene.log._common) <= 2
        assert [detail(row)["call"]["score"] for row in await scene.rows() if row.kind == "outcome"] == [n / 16 for n in range(5)]


class TestWhenNothingCanBeWritten:
    async def test_nothing_leaves(self, scene: Scene) -> None:
        scene.store.fault = OSError("disk full")
        with pytest.raises(AuditUnavailable):
            await scene.call()
        assert scene.house.transport.sent == []

    async def test_the_next_is_refused_at_the_door_and_counted(self, scene: Scene) -> None:
        scene.store.fault = OSError("disk full")
        with pytest.raises(AuditUnavailable):
            await scene.call()
        scene.desk.refusal = AssertionError("it came in")  # type: ignore[assignment]
        with pytest.raises(AuditUnavailable):
            await scene.call()
        scene.desk.refusal, scene.store.fault = None, None
        await until(lambda: scene.trail.journal.writable)
        await scene.call()
        rows = await scene.rows()
        # The attempt that did not happen, its outcome, the door, and the call that was served.
        assert [(row.kind, row.outcome) for row in rows if row.kind != "gap"] == [
            ("intent", ""), ("outcome", "error"), ("intent", ""), ("outcome", "ok"),
        ]  # fmt: skip
        assert [detail(row)["turned_away"] for row in rows if row.kind == "gap"] == [1]
        assert detail(rows[1])["attempts"][0]["outcome"] == "audit_unavailable"
        assert scene.store.trail().verify(scene.trail.key).intact

    async def test_a_commit_that_hangs_refuses_in_time(self, scene: Scene) -> None:
        scene.store.held = True
        async with asyncio.timeout(2):
            with pytest.raises(AuditUnavailable):
                await scene.call()
        assert scene.house.transport.sent == []
        scene.store.held = False
        scene.store.commit()
        await until(lambda: scene.trail.journal.writable)

    @pytest.mark.parametrize(
        ("verdict", "tainted", "level", "passes"),
        [
            (HARMLESS, False, None, True),
            (SECRET, False, None, False),
            (Sensitivity(0.0, False, failed="the detector failed"), False, None, False),
            (HARMLESS, True, None, False),
            (HARMLESS, False, SecurityLevel.HIGH, False),
            (None, False, None, False),
        ],
    )
    @pytest.mark.parametrize("hangs", [False, True])
    async def test_best_effort_lets_only_the_harmless_pass(
        self,
        store: HandStore,
        tmp_path: Path,
        verdict: Sensitivity | None,
        tainted: bool,
        level: SecurityLevel | None,
        passes: bool,
        hangs: bool,
    ) -> None:
        house = House(TWO)
        scene = Scene(store, await AuditTrail.open(store, BEST_EFFORT, tmp_path, house.clock), house, BEST_EFFORT)
        scene.desk.verdict = verdict
        store.fault, store.held = (None, True) if hangs else (OSError("disk full"), False)
        for _ in range(2):  # the first finds it out, the second knows
            exchange = scene.exchange()
            exchange.tainted, exchange.minimum_level = tainted, level
            if passes:
                await scene.call(exchange)
            else:
                with pytest.raises(AuditUnavailable):
                    await scene.call(exchange)
        assert len(house.transport.sent) == (2 if passes else 0)
        store.fault, store.held = None, False
        store.commit()
        await until(lambda: scene.trail.journal.writable)
        kinds = Counter(row.kind for row in await scene.rows())
        assert kinds["outcome"] == 2
        assert store.trail().verify(scene.trail.key).intact


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ok", "fallback", "down", "blocked", "stream", "leave", "cancel"]),
        st.integers(0, 12),  # turns of the loop before it begins
        st.integers(0, 6),  # turns after which a cancelled one is cancelled
    ),
    min_size=1,
    max_size=12,
)
COMMITS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["commit", "commit", "commit", "fail", "lost"])), max_size=12)


async def one_call(scene: Scene, kind: str, begin: int, cancel: int, number: int) -> None:
    for _ in range(begin):
        await asyncio.sleep(0)
    request = ask(PROMPT, stream=kind in {"stream", "leave"}, provider={"fallback": "grok", "down": "bedrock"}.get(kind))
    exchange = scene.exchange(request, f"gw-{number}")

    async def work() -> None:
        await scene.call(exchange, 1 if kind == "leave" else None)

    if kind == "blocked":
        scene.desk.refused.add(exchange.correlation_id)
    task = asyncio.ensure_future(work())
    if kind == "cancel":
        for _ in range(cancel + 1):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def interleaved(steps: list[tuple[str, int, int]], commits: list[tuple[int, str]], folder: Path) -> None:
    store = HandStore()
    house = House({"openai": {"priority": 1}, "anthropic": {"priority": 2}, "grok": {}, "bedrock": {}}, routing={"explicit_fallback": True})
    trail = await AuditTrail.open(store, STRICT, folder, house.clock)
    scene = Scene(store, trail, house)
    house.script("grok", ProviderUnavailable("down", code="connect"))
    for name in ("openai", "anthropic", "bedrock"):
        house.script(name, Script(pieces=(b"t one\n", b"t two\n", b"u 3 2\nend\n")))
    store.held = True
    calls = asyncio.gather(*(one_call(scene, *step, number) for number, step in enumerate(steps)))
    for turns, what in commits:
        for _ in range(turns):
            await asyncio.sleep(0)
        store.fault = OSError("disk full") if what == "fail" else None
        store.fault_after_commit = OSError("connection lost") if what == "lost" else None
        store.commit()
    store.fault = store.fault_after_commit = None
    store.held = False
    store.commit()
    await calls
    assert await trail.journal.drained(5)
    rows = store.rows()
    check_invariants(rows, scene.desk.seen)
    assert store.trail().verify(trail.key).intact
    store.engine.dispose()


def check_invariants(rows: list[Row], accepted: list[Exchange]) -> None:
    """Exactly one outcome for each call that came in, one intent for each attempt that was made, and before its outcome."""
    outcomes = Counter(row.correlation_id for row in rows if row.kind == "outcome")
    intents = Counter(row.correlation_id for row in rows if row.kind == "intent")
    assert outcomes == {exchange.correlation_id: 1 for exchange in accepted}
    for exchange in accepted:
        made = [attempt for attempt in exchange.attempts if attempt.outcome != "audit_unavailable"]
        # The intent of an attempt that was given up may come to be stored later, or not.
        assert len(made) <= intents[exchange.correlation_id] <= len(exchange.attempts)
    ends = {row.correlation_id: row.seq for row in rows if row.kind == "outcome"}
    assert all(row.seq < ends[row.correlation_id] for row in rows if row.kind == "intent")


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, commits=COMMITS)
def test_any_interleaving_leaves_one_intent_per_attempt_and_one_outcome_per_call(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]], commits: list[tuple[int, str]]
) -> None:
    before = journal_module.RETRY_S
    journal_module.RETRY_S = 0.001
    try:
        asyncio.run(interleaved(steps, commits, tmp_path_factory.mktemp("data")))
    finally:
        journal_module.RETRY_S = before


class TestTheTrail:
    """On a real database file, through the real writer."""

    @pytest.fixture
    def sql(self, database_url: str) -> Iterator[SqlStore]:
        made = SqlStore(database_url)
        yield made
        made.close()

    async def test_its_chains_are_joined_by_anchors_and_an_orderly_stop_is_seen(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        first = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        await first.record("test", Caller("root"), "gw-1")
        await first.close()
        house.clock.now_s += 1
        second = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        rows = await sql.read(all_rows)
        assert [row.kind for row in rows] == ["anchor", "admin", "close", "anchor"]
        last = rows[2]
        assert detail(rows[3])["previous"] == [{"chain": last.chain, "seq": last.seq, "mac": last.mac.hex()}]
        assert detail(rows[3])["key_id"] == second.key.key_id
        assert not (tmp_path / f"audit-{first.journal.chain}.lock").exists()
        await second.close()

    async def test_a_killed_process_s_open_calls_are_closed_once(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        killed = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        log = AuditLog(killed, STRICT, house.clock)
        ended = exchange_of(house, "gw-1")
        await log.before_attempt(ended, ended.attempts[0])
        async with ended:
            ended.attempts[0].outcome = "ok"
        left_open = exchange_of(house, "gw-2", SECRET)
        await log.before_attempt(left_open, left_open.attempts[0])
        assert await killed.journal.drained(5)
        killed._liveness.release(killed.journal.chain, settled=False)  # as the kernel does
        house.clock.now_s += 1
        for _ in range(2):
            house.clock.now_s += 1
            trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
            await trail.close()
        recovered = [row for row in await sql.read(all_rows) if row.kind == "recovered"]
        (row,) = recovered
        assert (row.correlation_id, row.call, row.outcome, row.sensitive, row.provider) == ("gw-2", 2, "recovered", 1, "openai")
        assert detail(row)["chain"] == killed.journal.chain
        heads = await sql.read(all_heads)
        assert [head.state for head in heads] == ["recovered", "closed", "closed"]

    async def test_a_recovery_that_was_killed_itself_is_gone_on_with_not_repeated(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        killed = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        await open_call(killed, house)
        killed._liveness.release(killed.journal.chain, settled=False)
        house.clock.now_s += 1
        first = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        # Its rows are committed, but not what it says last of the dead chain's head.
        (done,) = [head for head in await sql.read(all_heads) if head.state == "recovered"]
        await sql.write(partial(tables.replace_head, done, resealed(first.key, done, state="open")))
        killed._liveness.hold(done.chain)
        killed._liveness.release(done.chain, settled=False)
        house.clock.now_s += 1
        assert await (await AuditTrail.open(sql, STRICT, tmp_path, house.clock)).recover() == 0
        assert [row.kind for row in await sql.read(all_rows)].count("recovered") == 1
        assert [head.state for head in await sql.read(all_heads)] == ["recovered", "open", "open"]

    async def test_a_living_neighbour_s_calls_are_left_alone(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        neighbour = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        await open_call(neighbour, house)
        house.clock.now_s += FOREIGN_LEASE_US
        trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        assert await trail.recover() == 0
        assert "recovered" not in [row.kind for row in await sql.read(all_rows)]

    async def test_a_foreign_process_counts_as_dead_when_its_lease_is_over(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        foreign = await AuditTrail.open(sql, STRICT, tmp_path / "its own", house.clock)
        await open_call(foreign, house)
        house.clock.now_s += 60
        trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        assert await trail.recover() == 0
        house.clock.now_s += FOREIGN_LEASE_US / 1e6 - 30
        await foreign.housekeep(30)  # it lives
        assert await trail.recover() == 0
        house.clock.now_s += FOREIGN_LEASE_US / 1e6 + 1
        assert await trail.recover() == 1
        assert await trail.recover() == 0

    async def test_a_head_that_was_changed_is_not_sealed_anew(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        killed = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        await open_call(killed, house)
        killed._liveness.release(killed.journal.chain, settled=False)
        await sql.write(lambda connection: connection.execute(text("UPDATE audit_heads SET seq = 0")))
        trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        assert trail.journal.writable
        heads = {head.chain: head for head in await sql.read(all_heads)}
        assert heads[killed.journal.chain].state == "open"

    async def test_old_rows_go_and_the_rest_stays_verifiable(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        for day in range(6):
            await trail.record(f"day {day}", Caller("root"), "gw-1")
            house.clock.now_s += 86_400
        await trail.housekeep(retention_days=3)
        rows = await sql.read(all_rows)
        assert [detail(row)["action"] for row in rows] == ["day 3", "day 4", "day 5"]
        assert all(row.at_us >= trail.journal.now_us() - 3 * DAY_US for row in rows)
        assert (await verdict_of(trail)).intact
        await trail.housekeep(retention_days=1)
        assert [detail(row)["action"] for row in await sql.read(all_rows)] == ["day 5"]
        assert (await verdict_of(trail)).intact

    async def test_an_open_call_s_intent_is_never_removed(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        await open_call(trail, house)
        house.clock.now_s += 90 * 86_400
        await trail.record("late", Caller("root"), "gw-1")
        await trail.housekeep(retention_days=3)
        assert [row.kind for row in await sql.read(all_rows)] == ["intent", "admin"]

    async def test_a_chain_that_is_gone_whole_is_accounted_for(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        old = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        await old.close()
        house.clock.now_s += 1
        new = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        house.clock.now_s += 90 * 86_400
        await new.record("late", Caller("root"), "gw-1")
        await new.housekeep(retention_days=3)
        assert {row.chain for row in await sql.read(all_rows)} == {new.journal.chain}
        assert (await verdict_of(new)).intact
        await new.close()
        house.clock.now_s += 1
        third = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        anchors = [detail(row) for row in await sql.read(all_rows) if row.kind == "anchor"]
        assert [[named["chain"] for named in anchor["previous"]] for anchor in anchors] == [[new.journal.chain]]
        assert (await verdict_of(third)).intact

    async def test_rows_that_are_not_as_written_are_kept_as_evidence(self, sql: SqlStore, tmp_path: Path) -> None:
        house = House(TWO)
        trail = await AuditTrail.open(sql, STRICT, tmp_path, house.clock)
        for day in range(6):
            await trail.record(f"day {day}", Caller("root"), "gw-1")
            house.clock.now_s += 86_400
        await sql.write(lambda connection: connection.execute(text("UPDATE audit SET caller = 'eve' WHERE seq = 2")))
        await trail.housekeep(retention_days=1)
        assert len(await sql.read(all_rows)) == 7

    async def test_a_changed_row_of_a_running_trail_is_named(self, sql: SqlStore, tmp_path: Path) -> None:
        trail = await AuditTrail.open(sql, STRICT, tmp_path, House(TWO).clock)
        for number in range(4):
            await trail.record("test", Caller("root"), f"gw-{number}")
        assert (await verdict_of(trail)).intact
        await sql.write(lambda connection: connection.execute(text("UPDATE audit SET detail = CAST(x'ff' AS TEXT) WHERE seq = 2")))
        (problem,) = (await verdict_of(trail)).problems
        assert (problem.chain, problem.seq) == (trail.journal.chain, 2)

    async def test_a_data_folder_that_cannot_be_written_is_named(self, sql: SqlStore, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match="data_dir"):
            await AuditTrail.open(sql, STRICT, tmp_path / "file", House(TWO).clock)

    async def test_without_a_setting_the_key_is_made_in_the_data_folder(self, sql: SqlStore, tmp_path: Path) -> None:
        trail = await AuditTrail.open(sql, AuditSettings(), tmp_path, House(TWO).clock)  # type: ignore[call-arg]
        assert trail.key.key_id == key_in(tmp_path).key_id != AuditKey.of_text("k" * 32).key_id


def all_rows(connection: Connection) -> list[Row]:
    return tables.oldest(connection, (), None, 100_000)


def all_heads(connection: Connection) -> list[Head]:
    return tables.read_heads(connection)


async def verdict_of(trail: AuditTrail) -> Verdict:
    return await trail.reader.verify()


def exchange_of(house: House, name: str, verdict: Sensitivity = HARMLESS) -> Exchange:
    """A judged call with an attempt to be made."""
    exchange = Exchange(ask(), correlation_id=name, credentials=Credentials(), ingress="native", received_s=0, deadline_s=9)
    exchange.clearance, exchange.sensitivity = house.clearance(exchange.request), verdict
    exchange.attempts.append(Attempt("openai", "gpt-4o", SecurityLevel.MEDIUM))
    return exchange


async def open_call(trail: AuditTrail, house: House) -> None:
    """A call whose intent is written, and no outcome."""
    exchange = exchange_of(house, "gw-open")
    await AuditLog(trail, STRICT, house.clock).before_attempt(exchange, exchange.attempts[0])


@pytest.mark.parametrize("redacted", [False, True])
async def test_what_was_redacted_is_not_kept_though_nothing_in_the_answer_tells(store: HandStore, tmp_path: Path, redacted: bool) -> None:
    house = House(TWO)
    keeping = AuditSettings(store_content=True)  # type: ignore[call-arg]
    scene = Scene(store, await AuditTrail.open(store, keeping, tmp_path, house.clock), house, keeping)
    scene.log = AuditLog(scene.trail, keeping, house.clock, Sealer(b"s" * 32), lambda _: False)
    house.router._before_attempt = scene.log.before_attempt
    scene.way = compose([scene.log, scene.desk], house.router)
    scene.desk.verdict = Sensitivity(0.0, False)
    exchange = scene.exchange()
    exchange.redacted = redacted
    await scene.call(exchange)
    outcome = next(row for row in await scene.rows() if row.kind == "outcome")
    assert ("content" in detail(outcome)) is not redacted
