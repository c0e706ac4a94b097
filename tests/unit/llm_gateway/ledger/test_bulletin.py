"""Budget events: told once whoever saw them, kept, and delivered to a webhook or given up in the open."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from tests.unit.llm_gateway.ledger.desk_of_tests import Listening
from tests.unit.llm_gateway.routing.fakes import FakeClock

from llm_gateway.core.clearance import WireBytes, notice_wire
from llm_gateway.core.errors import Internal, ProviderBadResponse, ProviderUnavailable
from llm_gateway.core.notices import BudgetNotice, NoticePlace
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import AlertSettings
from llm_gateway.core.types import SecurityLevel
from llm_gateway.ledger.accounts import AccountKey
from llm_gateway.ledger.alerts import Alerts, BudgetEvent
from llm_gateway.ledger.budgets import Budget
from llm_gateway.ledger.bulletin import KEPT_US, LEASE_S, Bulletin, Send, name_of
from llm_gateway.ledger.webhook import webhook
from llm_gateway.stores.sql import SqlStore
from llm_gateway.transport import Deadlines, Transport

USD = 10**12
HALF = BudgetEvent(1_700_000_000_000_000, "threshold", "b", "caller", "ann", "month", 1_698_796_800_000_000, 50, 5 * USD, 10 * USD)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    found = SqlStore.sqlite(tmp_path / "test.sqlite3")
    yield found
    found.close()


class Hook:
    """A webhook: takes notices, or fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[BudgetNotice] = []
        self.answers: list[str | Exception] = []

    async def __call__(self, notice: BudgetNotice) -> str:
        answer = self.answers.pop(0) if self.answers else ""
        if isinstance(answer, Exception):
            raise answer
        if not answer:
            self.taken.append(notice)
        return answer


class Office:
    """One process's bulletin, over a store that others may share."""

    def __init__(self, store: SqlStore, clock: FakeClock, hook: Send | None = None, attempts: int = 3) -> None:
        self.heard = Listening()
        self.clock = clock
        self.bulletin = Bulletin(store, clock, (self.heard,), lambda: hook, attempts=lambda: attempts, uniform=lambda: 1.0)

    async def tell(self, *events: BudgetEvent) -> None:
        for event in events:
            self.bulletin.notify(event)
        await self.bulletin.record()


async def test_an_event_is_told_once_by_whoever_stores_it_first(store: SqlStore) -> None:
    one, other = Office(store, FakeClock()), Office(store, FakeClock())
    await one.tell(HALF)
    await other.tell(HALF, HALF)
    again = Office(store, FakeClock())  # after a restart
    await again.tell(HALF)
    assert [len(office.heard.events) for office in (one, other, again)] == [1, 0, 0]
    assert await other.bulletin.events() == [HALF]


async def test_what_differs_is_told_by_itself(store: SqlStore) -> None:
    office = Office(store, FakeClock())
    others = [
        {"percent": 80}, {"subject": "ben"}, {"budget": "c"}, {"period_start_us": 1}, {"limit_pico_usd": 20 * USD}, {"kind": "refused"},
        {"scope": "key"},
    ]  # fmt: skip
    events = [HALF, *(msgspec.structs.replace(HALF, **change) for change in others)]
    assert len({name_of(event) for event in events}) == len(events)
    await office.tell(*events)
    assert len(office.heard.events) == len(events)
    later = msgspec.structs.replace(HALF, at_us=HALF.at_us + 1, spent_pico_usd=6 * USD)
    await office.tell(later, msgspec.structs.replace(later, kind="refused", percent=99))
    assert len(office.heard.events) == len(events)


async def test_a_notice_is_delivered_once(store: SqlStore) -> None:
    hook = Hook()
    office = Office(store, FakeClock(), hook)
    await office.tell(HALF)
    assert await office.bulletin.deliver() == 1
    assert await office.bulletin.deliver() == 0
    assert hook.taken == [
        BudgetNotice(
            name_of(HALF), "threshold", "b", "caller", "ann", "month", 1_698_796_800.0, 50, "5", "10", 1_700_000_000.0
        )
    ]  # fmt: skip


async def test_a_failing_webhook_is_tried_again_later_and_later_and_then_no_more(store: SqlStore) -> None:
    hook, clock = Hook(), FakeClock()
    hook.answers = ["the webhook answered 500", ProviderUnavailable("away"), "the webhook answered 500"]
    office = Office(store, clock, hook)
    await office.tell(HALF)
    for wait_s in (2.0, 4.0):
        assert await office.bulletin.deliver() == 1
        clock.now_s += wait_s - 0.1
        assert await office.bulletin.deliver() == 0
        clock.now_s += 0.2
    assert await office.bulletin.deliver() == 1
    clock.now_s += 100_000
    assert await office.bulletin.deliver() == 0
    assert hook.taken == []


async def test_a_process_that_died_while_delivering_leaves_it_to_another(store: SqlStore) -> None:
    async def dies(_: BudgetNotice) -> str:
        raise SystemError("killed")

    clock, hook = FakeClock(), Hook()
    dying, living = Office(store, clock, dies), Office(store, clock, hook)
    await dying.tell(HALF)
    with pytest.raises(SystemError):
        await dying.bulletin.deliver()
    assert await living.bulletin.deliver() == 0
    clock.now_s += LEASE_S
    assert await living.bulletin.deliver() == 1
    assert len(hook.taken) == 1


async def test_without_a_webhook_nothing_waits_for_one(store: SqlStore) -> None:
    await Office(store, FakeClock()).tell(HALF)
    hook = Hook()
    assert await Office(store, FakeClock(), hook).bulletin.deliver() == 0


async def test_old_events_are_forgotten(store: SqlStore) -> None:
    clock = FakeClock()
    office = Office(store, clock)
    now_us = int(clock.wall_s() * 1e6)
    await office.tell(
        msgspec.structs.replace(HALF, at_us=now_us - KEPT_US + 1), msgspec.structs.replace(HALF, at_us=now_us - KEPT_US - 1, percent=80)
    )
    await office.bulletin.remove_old()
    assert [event.percent for event in await office.bulletin.events()] == [50]


class Deaf:
    async def write(self, work: Any) -> Any:
        raise OSError("no database")


async def test_while_the_database_is_away_events_wait(store: SqlStore) -> None:
    office = Office(store, FakeClock())
    office.bulletin._store = Deaf()  # type: ignore[assignment]
    with pytest.raises(OSError, match="no database"):
        await office.tell(HALF)
    assert office.heard.events == []
    office.bulletin._store = store
    await office.bulletin.record()
    assert office.heard.events == [HALF]


def test_a_level_that_was_reached_and_not_told_is_told_by_the_next_charge() -> None:
    heard = Listening()
    alerts = Alerts((heard,))
    budget, key = Budget("b", "global", "*", "month", 100), AccountKey("global", "*", 0, 1)
    alerts.charged(budget, key, 85, 5, 1)  # 50 was crossed by a process that died before it could say so
    alerts.charged(budget, key, 90, 5, 2)
    assert [event.percent for event in heard.events] == [50, 80]
    alerts.charged(msgspec.structs.replace(budget, limit_pico_usd=200), key, 110, 5, 3)
    assert [event.percent for event in heard.events] == [50, 80, 50]


# The bytes


PLACE = NoticePlace("http://127.0.0.1:9/hooks/s3cret", Destination("alerts.webhook", "http://127.0.0.1:9", SecurityLevel.LOW), b"shared")
NOTICE = BudgetNotice("id", "threshold", "b", "global", "*", "day", 1.0, 80, "8", "10", 2.0)


def test_a_notice_is_signed_and_says_no_more_than_it_should() -> None:
    http = notice_wire(NOTICE, PLACE, 1_700_000_000.9).http
    headers = dict(http.headers)
    expected = hmac.new(b"shared", b"1700000000." + http.body, hashlib.sha256).hexdigest()
    assert headers["x-gateway-signature"] == f"t=1700000000,v1={expected}"
    assert headers["x-gateway-event-id"] == "id"
    assert json.loads(http.body) == {
        "type": "budget", "id": "id", "kind": "threshold", "budget": "b", "scope": "global", "subject": "*", "period": "day",
        "period_start": 1.0, "percent": 80, "spent_usd": "8", "limit_usd": "10", "at": 2.0,
    }  # fmt: skip
    assert "x-gateway-signature" not in dict(notice_wire(NOTICE, msgspec.structs.replace(PLACE, secret=b""), 1.0).http.headers)


def test_nothing_but_a_notice_can_be_told_and_nowhere_else() -> None:
    class Longer(BudgetNotice, frozen=True, tag="longer"):
        prompt: str = ""

    for other in (b"prompt", {"prompt": "x"}, Longer(*msgspec.structs.astuple(NOTICE), "a prompt")):
        with pytest.raises(Internal):
            notice_wire(other, PLACE, 1.0)  # type: ignore[arg-type]
    with pytest.raises(Internal):
        notice_wire(NOTICE, msgspec.structs.replace(PLACE, url="http://127.0.0.1:90/x"), 1.0)


def test_the_address_is_in_no_repr() -> None:
    assert "s3cret" not in repr(PLACE)
    assert "s3cret" not in repr(AlertSettings.model_validate({"webhook_url": PLACE.url}))


# Over the transport


class Receiver(BaseHTTPRequestHandler):
    status = 204
    got: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def receiver(status: int = 204) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.status, server.got = status, []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


async def deliver(url: str) -> str:
    clock = FakeClock()
    transport = Transport(clock)

    async def post(wire: WireBytes, timeout_s: float, local: bool) -> int:
        return (await transport.fetch(wire, Deadlines(timeout_s, timeout_s, timeout_s, timeout_s), 1 << 16, local=local)).status

    send = webhook(AlertSettings.model_validate({"webhook_url": url, "webhook_secret": "s"}), post, clock)
    assert send is not None
    try:
        return await send(NOTICE)
    finally:
        await transport.aclose()


async def test_a_webhook_gets_one_post() -> None:
    with receiver() as server:
        assert await deliver(f"http://127.0.0.1:{server.server_port}/hooks/a?b=c") == ""
        ((path, headers, body),) = server.got  # type: ignore[attr-defined]
        assert path == "/hooks/a?b=c"
        assert headers["content-type"] == "application/json"
        assert headers["x-gateway-signature"].startswith("t=18")
        assert msgspec.json.decode(body, type=BudgetNotice) == NOTICE


async def test_redirects_are_not_followed_and_failures_are_told() -> None:
    with receiver(302) as server:
        with pytest.raises(ProviderBadResponse):
            await deliver(f"http://127.0.0.1:{server.server_port}/")
        assert len(server.got) == 1  # type: ignore[attr-defined]
    with receiver(500) as server:
        assert await deliver(f"http://127.0.0.1:{server.server_port}/") == "the webhook answered 500"
