import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.llm_gateway.ledger.databases import on_each_database  # noqa: F401
from tests.unit.llm_gateway.ledger.desk_of_tests import ALICE, FREE, PRICE, USD, Clock, Upstream, ask, budget, house, until

from llm_gateway.core.errors import BudgetExceeded, ConfigurationError, Overloaded
from llm_gateway.core.exchange import Caller
from llm_gateway.core.pricing import Price, Rate
from llm_gateway.core.types import Usage
from llm_gateway.ledger.amounts import Bound
from llm_gateway.ledger.budgets import Applied, Budget, of_key

ONE_CALL = Bound(ask(), 1024).pico_usd(PRICE)
"""What `ask()` can cost at most."""
COST = PRICE.pico_usd(Usage(10, 5))
SMALL = ask("", max_tokens=1)
"""Holds less than `COST`."""


class TestRows:
    async def test_an_answered_attempt_makes_one_row(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            await h.call(Upstream(Usage(10, 5, 4, 1, 2)), caller=Caller("acme/bob", key_id="k1", owner="acme"))
            (row,) = await h.rows()
        assert row[:3] == ("p1", 1, 1)
        assert (row.correlation_id, row.caller, row.owner, row.key_id) == ("gw-1", "acme/bob", "acme", "k1")
        assert (row.provider, row.model, row.operation, row.outcome) == ("openai", "gpt-4o", "chat", "ok")
        assert row[11:17] == (10, 5, 4, 1, 2, 0)
        assert row.cost_pico_usd == PRICE.pico_usd(Usage(10, 5, 4, 1, 2))
        assert (row.price_source, row.catalogue[:13]) == ("catalogue", "genai-prices ")
        assert row.at_us == int(Clock().wall_s() * 1e6)

    async def test_every_attempt_that_reached_somebody_has_its_own(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            await h.call(
                Upstream(None, 500, "provider_bad_response"),
                Upstream(None, None, "provider_bad_response", reached=False),
                Upstream(None, None, "provider_timeout"),
                Upstream(),
            )
            rows = await h.rows()
        assert [(row.attempt, row.outcome) for row in rows] == [(1, "provider_bad_response"), (3, "provider_timeout"), (4, "ok")]
        refused, timed_out, answered = rows
        assert (refused.input_tokens, refused.estimated, refused.cost_pico_usd) == (0, 0, 0)
        assert timed_out.estimated == 1
        assert timed_out.cost_pico_usd == timed_out.input_tokens * PRICE.base.input > 0
        assert answered.cost_pico_usd == COST

    async def test_an_unknown_price_is_no_amount(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            await h.call(Upstream(price=None))
            (row,) = await h.rows()
        assert (row.cost_pico_usd, row.price_source, row.input_tokens) == (None, "", 10)

    async def test_names_that_no_database_takes_are_made_harmless(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            await h.call(Upstream(Usage(10**30, 5), model="m\0\ud800" + "x" * 1000))
            (row,) = await h.rows()
        assert row.model.startswith("m??xxx")
        assert len(row.model) == 256
        assert row.input_tokens == row.cost_pico_usd == 2**62

    async def test_a_call_that_was_left_is_settled_too(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(1)) as h:
            task = asyncio.create_task(h.call(Upstream(Usage(10, 3, estimated=True), outcome="cancelled", gate=asyncio.Event())))
            await until(lambda: h.sent == 1)
            assert h.ledger.accounts.held() == ONE_CALL
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (row,) = await h.rows()
            assert (row.outcome, row.estimated) == ("cancelled", 1)
            assert h.ledger.accounts.held() == 0
            assert h.ledger.calls == {}

    async def test_without_cost_tracking_there_are_none(self, tmp_path: Path) -> None:
        async with house(tmp_path, {"metrics": {"enable_cost_tracking": False}}) as h:
            await h.call()
            assert await h.rows() == []
        with pytest.raises(ConfigurationError, match="enable_cost_tracking"):
            async with house(tmp_path, {"metrics": {"enable_cost_tracking": False}, **budget(1)}):
                pass

    async def test_a_call_that_nobody_ends_is_settled_when_its_time_is_over(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(1)) as h:
            exchange = h.exchange()
            await h.keeper(exchange, lambda exchange: asyncio.sleep(0))  # type: ignore[arg-type,return-value]
            await h.attempt(exchange, Upstream(None, None, ""))
            h.clock.now_s += 359
            assert h.ledger.reap() == 0
            assert h.ledger.accounts.held() == ONE_CALL
            h.clock.now_s += 2
            assert h.ledger.reap() == 1
            assert h.ledger.accounts.held() == 0
            await exchange.__aexit__(None, None, None)
            (row,) = await h.rows()
            assert row.estimated == 1
            assert await h.spent() == row.cost_pico_usd


class TestBudgets:
    async def test_of_200_at_once_as_many_are_let_in_as_there_is_money_for(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(10 * ONE_CALL / USD)) as h:
            gate = asyncio.Event()
            full = Usage(Bound(ask(), 0).input_tokens, 100)  # the dearest that a call can be
            tasks = [asyncio.create_task(h.tried(Upstream(full, gate=gate))) for _ in range(200)]
            await until(lambda: sum(task.done() for task in tasks) == 190)
            assert h.sent == 10
            assert h.ledger.accounts.held() == 10 * ONE_CALL
            gate.set()
            codes = await asyncio.gather(*tasks)
            assert codes.count("") == 10
            assert set(codes) == {"", "budget_exhausted"}
            assert sum(row.cost_pico_usd or 0 for row in await h.rows()) == 10 * ONE_CALL == await h.spent()
            assert h.ledger.accounts.held() == 0
            assert await h.tried() == "budget_exhausted"

    async def test_what_was_held_too_much_is_given_back(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget((ONE_CALL + 3 * COST) / USD)) as h:
            for _ in range(4):
                assert await h.tried() == ""
            assert await h.tried() == "budget_insufficient"
            assert await h.spent() == 4 * COST

    async def test_a_refusal_says_whose_budget_and_how_much_is_left(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(0.0001)) as h:
            with pytest.raises(BudgetExceeded) as caught:
                await h.call()
        assert caught.value.http_status == 402
        assert not caught.value.retryable
        assert caught.value.message == (
            f"this call could cost ${ONE_CALL / USD:.7f}, and $0.0001 is left of the monthly budget of 'alice';"
            " a smaller max_tokens may fit, and it begins anew at 2026-12-01T00:00:00Z"
        )

    async def test_a_refusal_does_not_tell_what_others_spent(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(0.0001, "global", period="day")) as h:
            with pytest.raises(BudgetExceeded) as caught:
                await h.call()
        assert "0.0001" not in caught.value.message
        assert "2026-11-29T00:00:00Z" in caught.value.message

    async def test_a_used_up_budget_turns_calls_away_before_anything_is_done(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(0)) as h:
            assert await h.tried() == "budget_exhausted"
            assert h.sent == 0
            h.asked = [PRICE, FREE]
            assert await h.tried(Upstream(price=FREE)) == ""
            assert await h.tried(Upstream()) == "budget_exhausted"

    async def test_each_caller_has_its_own_and_users_of_one_owner_share(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(ONE_CALL / USD)) as h:
            acme = [Caller(f"acme/{user}", key_id=f"k{user}", owner="acme") for user in "ab"]
            assert await h.tried(caller=acme[0]) == ""
            assert await h.tried(caller=acme[1]) == "budget_insufficient"
            assert await h.tried(caller=ALICE) == ""
            assert await h.tried(caller=Caller("bob")) == ""

    async def test_all_budgets_must_have_room_and_a_refused_call_holds_in_none(self, tmp_path: Path) -> None:
        two = {
            "budgets": {
                "all": {"scope": "global", "limit_usd": 100},
                "b": {"scope": "caller", "subject": "alice", "limit_usd": 0.0001, "period": "day"},
            }
        }
        async with house(tmp_path, two) as h:
            assert await h.tried() == "budget_insufficient"
            assert h.ledger.accounts.held() == 0
            assert await h.tried(caller=Caller("bob")) == ""

    async def test_budgets_that_are_measured_by_one_account_count_once(self, tmp_path: Path) -> None:
        two = {"budgets": {name: {"scope": "global", "limit_usd": 2 * ONE_CALL / USD} for name in "ab"}}
        async with house(tmp_path, two) as h:
            gate = asyncio.Event()
            tasks = [asyncio.create_task(h.tried(Upstream(gate=gate))) for _ in range(3)]
            await until(lambda: h.sent == 2 and any(task.done() for task in tasks))
            assert h.ledger.accounts.held() == 2 * ONE_CALL
            gate.set()
            await asyncio.gather(*tasks)
            assert await h.spent("a") == await h.spent("b") == 2 * COST

    async def test_the_budget_of_a_key(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            h.keys["k1"] = of_key("k1", Decimal(ONE_CALL) / USD, "day")
            assert await h.tried(caller=Caller("acme", key_id="k1", owner="acme")) == ""
            assert await h.tried(caller=Caller("acme/x", key_id="k1", owner="acme")) == "budget_insufficient"
            assert await h.tried(caller=Caller("acme", key_id="k2", owner="acme")) == ""

    async def test_unknown_prices_are_refused_or_flagged(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(1)) as h:
            assert await h.tried(Upstream(price=None)) == "price_unknown"
            assert [event.kind for event in h.listening.events] == ["unknown_price"]
        async with house(tmp_path, budget(1, on_unknown_price="flag")) as h:
            assert await h.tried(Upstream(price=None)) == ""
            assert await h.tried(Upstream(price=None)) == ""
            assert [event.kind for event in h.listening.events] == ["unknown_price"]
            assert [row.cost_pico_usd for row in await h.rows()] == [None, None]

    async def test_open_ended_answers_are_limited_where_the_budget_says_so(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(1, caps_answers=True)) as h:
            assert (await h.call(request=ask(max_tokens=None))).request.max_tokens == 1024  # type: ignore[union-attr]
            assert (await h.call(request=ask(max_tokens=7))).request.max_tokens == 7  # type: ignore[union-attr]
        async with house(tmp_path, budget(1)) as h:
            assert (await h.call(request=ask(max_tokens=None))).request.max_tokens is None  # type: ignore[union-attr]

    async def test_an_earlier_attempt_holds_nothing_while_the_next_is_made(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget((ONE_CALL + COST) / USD)) as h:
            assert await h.tried(Upstream(None, 503, "provider_bad_response"), Upstream()) == ""
            assert await h.spent() == COST

    async def test_periods_begin_anew(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(ONE_CALL / USD, period="day")) as h:
            assert await h.tried() == ""
            assert await h.tried() == "budget_insufficient"
            h.clock.now_s += 12 * 3600 - 1
            assert await h.tried() == "budget_insufficient"
            h.clock.now_s += 1
            assert await h.tried() == ""
            h.clock.now_s -= 3600  # a clock that is set back finds the old day as it was left
            assert await h.tried() == "budget_insufficient"

    async def test_a_call_over_midnight_counts_where_it_began(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(1, period="day")) as h:
            gate = asyncio.Event()
            task = asyncio.create_task(h.call(Upstream(gate=gate)))
            await until(lambda: h.sent == 1)
            h.clock.now_s += 86_400
            gate.set()
            await task
            assert await h.spent() == 0
            h.clock.now_s -= 86_400
            assert await h.spent() == COST
            assert (await h.rows())[0].at_us == h.ledger.now_us()

    async def test_a_full_journal_lets_nobody_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async with house(tmp_path) as h:
            monkeypatch.setattr("llm_gateway.ledger.journal.MAX_PENDING", 0)
            with pytest.raises(Overloaded):
                await h.call()


class TestAfterARestart:
    async def test_budgets_begin_with_what_the_ledger_says(self, tmp_path: Path) -> None:
        limit = budget((ONE_CALL + COST) / USD)
        async with house(tmp_path, limit) as h:
            await h.call()
        async with house(tmp_path, limit, process="p2") as h:
            assert await h.tried() == ""
            assert await h.tried() == "budget_insufficient"
            assert await h.spent() == 2 * COST

    async def test_a_budget_made_while_calls_run_counts_them_when_they_end(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            gate = asyncio.Event()
            task = asyncio.create_task(h.call(Upstream(gate=gate)))
            while not h.sent:
                await asyncio.sleep(0)
            await h.call()
            h.ledger.created = (Budget("b", "caller", "alice", "month", USD),)
            assert await h.spent() == COST
            gate.set()
            await task
            assert await h.spent() == 2 * COST

    async def test_that_is_so_whoever_asked_for_it_first(self, tmp_path: Path) -> None:
        async with house(tmp_path) as h:
            gate = asyncio.Event()
            task = asyncio.create_task(h.call(Upstream(gate=gate)))
            while not h.sent:
                await asyncio.sleep(0)
            await h.call()
            made = Budget("b", "caller", "alice", "month", USD)
            h.ledger.created = (made,)
            key = h.ledger.key_of(Applied(made, "alice"), h.ledger.now_us())
            assert (await h.ledger.accounts.read(key)).spent == COST  # as another configuration's stage asks, after a reload
            gate.set()
            await task
            assert (await h.ledger.accounts.read(key)).spent == 2 * COST

    async def test_its_own_running_calls_count_once(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(1, "global")) as h:
            gate = asyncio.Event()
            task = asyncio.create_task(h.call(Upstream(gate=gate)))
            while not await h.rows():
                await asyncio.sleep(0.005)
            h.ledger.created = (Budget("mine", "caller", "alice", "month", USD),)
            assert await h.spent("mine") == 0
            gate.set()
            await task
            assert await h.spent("mine") == COST

    async def test_a_killed_process_s_running_calls_count_with_what_was_held(self, tmp_path: Path) -> None:
        limit = budget(2 * ONE_CALL / USD)
        async with house(tmp_path, limit) as h:
            gate = asyncio.Event()
            task = asyncio.create_task(h.call(Upstream(gate=gate)))
            while not (rows := await h.rows()):
                await asyncio.sleep(0.005)
            (row,) = rows
            assert (row.outcome, row.cost_pico_usd, row.estimated) == ("open", ONE_CALL, 1)
            assert row.lease_us == h.ledger.now_us() + 360_000_000
            async with house(tmp_path, limit, process="p2", clock=h.clock) as other:
                assert await other.spent() == ONE_CALL
                assert await other.tried() == ""
                assert await other.tried() == "budget_insufficient"
                other.clock.now_s += 361
                assert await other.ledger.recover() == 1
                assert [row.outcome for row in await other.rows()] == ["recovered", "ok"]
                assert await other.ledger.recover() == 0
            # The process was alive after all: the end that it writes counts in place of the guess, once.
            gate.set()
            await task
            assert [(row.process, row.outcome, row.cost_pico_usd) for row in await h.rows()] == [("p1", "ok", COST), ("p2", "ok", COST)]

    async def test_rows_older_than_wanted_go_but_none_of_this_month(self, tmp_path: Path) -> None:
        async with house(tmp_path, clock=Clock(Clock().wall_s() - 35 * 86_400)) as h:
            await h.call()
            h.clock.now_s += 10 * 86_400  # the third of November
            await h.call()
            h.clock.now_s += 25 * 86_400
            await h.call()
            assert len(await h.rows()) == 3
            assert await h.ledger.remove_old(7) == 1
            assert len(await h.rows()) == 2


class TestAlerts:
    async def test_each_threshold_is_told_once_by_each_process(self, tmp_path: Path) -> None:
        limit = budget(10 * COST / USD)
        usages = Upstream(Usage(10, 5))
        async with house(tmp_path, limit) as h:
            for _ in range(7):
                await h.call(usages, request=SMALL)
            assert [event.percent for event in h.listening.events] == [50]
        async with house(tmp_path, limit, process="p2") as h:
            for _ in range(6):
                await h.tried(usages, request=SMALL)
            # 50 again, as this process cannot know that it was told: `ledger.bulletin` does.
            assert [(event.kind, event.percent) for event in h.listening.events] == [
                ("threshold", 50),
                ("threshold", 80),
                ("threshold", 100),
                ("refused", 100),
            ]

    async def test_one_call_can_cross_all(self, tmp_path: Path) -> None:
        async with house(tmp_path, budget(ONE_CALL / USD)) as h:
            await h.call(Upstream(Usage(Bound(ask(), 0).input_tokens, 100)))
            assert [event.percent for event in h.listening.events] == [50, 80, 100]
            await h.tried()
            await h.tried()
            assert [event.kind for event in h.listening.events][3:] == ["refused"]


@given(
    price=st.builds(
        lambda rates, steps: Price(
            Rate(*rates), "catalogue", tuple(Rate(*step, above) for above, step in sorted(steps.items(), reverse=True))
        ),
        st.tuples(*[st.integers(0, 10**8)] * 4),
        st.dictionaries(st.integers(0, 400), st.tuples(*[st.integers(0, 10**8)] * 4), max_size=3),
    ),
    text=st.text(max_size=200),
    max_tokens=st.integers(1, 500),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=200)
def test_nothing_that_a_request_can_use_costs_more_than_was_held(
    price: Price, text: str, max_tokens: int, shares: tuple[float, float, float, float]
) -> None:
    bound = Bound(ask(text, max_tokens), 1024)
    sent = int(bound.input_tokens * shares[0])
    read = int(sent * shares[1])
    written = int((sent - read) * shares[2])
    used = Usage(sent, int(max_tokens * shares[3]), read, written)
    assert price.pico_usd(used) <= bound.pico_usd(price)
