from pathlib import Path

import pytest
from tests.unit.llm_gateway.ledger.databases import on_each_database  # noqa: F401
from tests.unit.llm_gateway.ledger.desk_of_tests import NOON, PRICE, USD, Clock, House, Upstream, budget, house

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.exchange import Caller
from llm_gateway.core.pricing import Price, Rate
from llm_gateway.core.types import Usage
from llm_gateway.ledger.budgets import Budget
from llm_gateway.ledger.desk import Desk, time_us
from llm_gateway.ledger.sums import SHOWN, Window

ADMIN = Caller("admin", is_admin=True)


def desk_of(house: House) -> Desk:
    return Desk(house.ledger, lambda: house.keeper.book, house.keeper.budgets_of, tracks=house.keeper.tracks)


async def test_sums_by_everything(tmp_path: Path) -> None:
    bob = Caller("acme/bob", key_id="k1", owner="acme")
    async with house(tmp_path, clock=Clock(NOON - 86_400)) as h:
        await h.call()
        h.clock.now_s += 86_400
        await h.call(Upstream(None, 503, "provider_bad_response"), Upstream(provider="grok", model="grok-3"), caller=bob)
        await h.call(Upstream(Usage(7, 3, estimated=True), price=None, provider="mine", model="m"), caller=bob)
        report = await desk_of(h).report("30d", None, SHOWN, 10)
        cost = PRICE.pico_usd(Usage(10, 5))
        total = report.total
        assert (total.attempts, total.answered, total.input_tokens, total.output_tokens) == (4, 3, 27, 13)
        assert (total.cost_pico_usd, total.estimated, total.unpriced) == (2 * cost, 1, 1)
        by = {dimension: {group.names: group.sums.attempts for group in groups} for dimension, groups in report.groups.items()}
        assert by["provider"] == {("openai",): 2, ("grok",): 1, ("mine",): 1}
        assert by["model"] == {("openai", "gpt-4o"): 2, ("grok", "grok-3"): 1, ("mine", "m"): 1}
        assert by["caller"] == {("alice",): 1, ("acme/bob",): 3}
        assert by["key"] == {("k1",): 3}
        assert list(by["day"]) == [("2026-11-27",), ("2026-11-28",)]
        recent = await desk_of(h).report("1h", None, SHOWN, 10)
        assert recent.total.attempts == 3
        assert (await desk_of(h).report("1h", None, SHOWN, 10, Window(0, 1, "caller", "acme"))).total.attempts == 3
        assert (await desk_of(h).report("1h", None, SHOWN, 10, Window(0, 1, "caller", "acme/bob"))).total.attempts == 3
        assert (await desk_of(h).report("1h", None, SHOWN, 10, Window(0, 1, "caller", "acme/eve"))).total.attempts == 0
        assert (await desk_of(h).report("1h", None, ("provider",), 1)).groups["provider"][0].names == ("grok",)


async def test_sums_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        dear = Price(Rate(10**18 + 1, 0, 0, 0), "configuration")
        for _ in range(12):
            await h.call(Upstream(Usage(4, 0), price=dear))
        report = await desk_of(h).report(None, None, (), 1)
        assert report.total.cost_pico_usd == 12 * 4 * (10**18 + 1) > 2**64
    async with house(tmp_path, budget(1, "global"), process="p2") as h:
        assert await h.spent() == 12 * 4 * (10**18 + 1)


def test_times_in_queries() -> None:
    now_us = 10**15
    assert time_us("since", "7d", now_us) == now_us - 7 * 86_400 * 10**6
    assert time_us("since", "90m", now_us) == now_us - 5_400 * 10**6
    assert time_us("since", "1795867200", now_us) == 1_795_867_200_000_000
    assert time_us("since", "2026-11-28", now_us) == time_us("since", "2026-11-28T01:00:00+01:00", now_us)
    for wrong in ("", "yesterday", "7y", "-3", "9" * 30, "nan"):
        with pytest.raises(InvalidRequest, match="since: expected"):
            time_us("since", wrong, now_us)


async def test_budgets_are_made_changed_and_removed_and_hold_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, budget(5, "global")) as h:
        desk = desk_of(h)
        await h.call()
        made = await desk.create(Budget("mine", "caller", "alice", "month", 1, source="created"), ADMIN)
        assert [each.name for each in desk.budgets()] == ["b", "mine"]
        assert await h.tried() == "budget_exhausted"  # what was spent before counts
        (share,) = await desk.shares(made)
        assert share.standing.spent == PRICE.pico_usd(Usage(10, 5))
        with pytest.raises(InvalidRequest, match="already"):
            await desk.create(made, ADMIN)
        await desk.change(Budget("mine", "caller", "alice", "month", USD, source="created"), ADMIN)
        assert await h.tried() == ""
        await desk.remove("mine", ADMIN)
        assert h.ledger.created == ()
        with pytest.raises(NotFound):
            await desk.remove("mine", ADMIN)
        with pytest.raises(InvalidRequest, match="configuration"):
            await desk.remove("b", ADMIN)
        with pytest.raises(InvalidRequest, match="name"):
            await desk.create(Budget("no name", "global", "*", "day", 1), ADMIN)
        with pytest.raises(InvalidRequest, match="subject"):
            await desk.create(Budget("x", "global", "alice", "day", 1), ADMIN)
        await desk.create(Budget("stays", "caller", "*", "day", USD, caps_answers=True, source="created"), ADMIN)
    async with house(tmp_path, process="p2") as h:
        assert h.ledger.created == (Budget("stays", "caller", "*", "day", USD, caps_answers=True, source="created"),)


async def test_of_a_budget_that_all_have_those_who_spent_most_are_shown(tmp_path: Path) -> None:
    async with house(tmp_path, budget(1, "caller")) as h:
        for number in range(25):
            await h.call(Upstream(Usage(10_000 + number, 0)), caller=Caller(f"u{number}"))
        (made,) = desk_of(h).budgets()
        shares = await desk_of(h).shares(made)
        assert len(shares) == 20
        assert {share.key.subject for share in shares} <= {f"u{number}" for number in range(25)}
        assert [share.budget.name for share in await desk_of(h).own_shares(Caller("u3"))] == ["b"]
