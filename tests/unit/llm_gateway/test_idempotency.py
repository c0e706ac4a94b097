"""`Idempotency-Key` around a handler that plays the part of any dialect."""

import asyncio
import os
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from tests.unit.llm_gateway.routing.fakes import FakeClock, until

from llm_gateway.api.asgi import Receive, Scope, Send
from llm_gateway.api.call import EXCHANGE, REFUSAL
from llm_gateway.caches.memory import MemoryStore
from llm_gateway.caching.store import StoreUnavailable
from llm_gateway.core.errors import LLMGatewayError, ProviderTimeout, Unauthenticated
from llm_gateway.core.exchange import Caller, Credentials, Exchange
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.settings import Settings
from llm_gateway.core.types import ChatRequest, Message
from llm_gateway.idempotency import MAX_ANSWER_BYTES, Idempotency

Messages = list[MutableMapping[str, Any]]
HEADERS = [(b"content-type", b"application/json"), (b"x-correlation-id", b"first"), (b"x-gateway-provider", b"openai")]


class House:
    """The header's part in an application with one handler."""

    def __init__(self, store: Any = None, **settings: Any) -> None:
        self.clock = FakeClock()
        self.settings = Settings.model_validate(settings)
        self.authenticator = self
        self.store = store or MemoryStore(self.clock, 100, 1 << 24)
        self.idempotency = Idempotency(self.store, self.clock, lambda: self)
        self.calls = 0
        self.bodies: list[bytes] = []
        self.told: list[LLMGatewayError] = []
        self.gate: asyncio.Event | None = None
        self.pieces = [b'{"n": 1}']
        self.status = 200
        self.failure: LLMGatewayError | None = None
        self.sensitive = False

    def identify(self, credentials: Credentials) -> Caller:
        if credentials.token == "wrong":
            raise Unauthenticated("no")
        return Caller(credentials.token or credentials.user_id or "anonymous")

    async def handler(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        if REFUSAL in scope:
            self.told.append(scope[REFUSAL])
            await send({"type": "http.response.start", "status": scope[REFUSAL].http_status, "headers": []})
            await send({"type": "http.response.body", "body": b"refused"})
            return
        self.calls += 1
        self.bodies.append(message["body"])
        request = ChatRequest((Message("user", "x"),))
        exchange = Exchange(request, correlation_id="c", credentials=Credentials(), ingress="native", received_s=0, deadline_s=1)
        exchange.sensitivity = Sensitivity(1.0 if self.sensitive else 0.0, self.sensitive)
        scope[EXCHANGE] = exchange
        if self.gate is not None:
            await self.gate.wait()
        exchange.failure = self.failure
        await send({"type": "http.response.start", "status": self.status, "headers": [*HEADERS, (b"x-ratelimit-remaining-requests", b"1")]})
        for piece in self.pieces[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": self.pieces[-1]})

    async def call(self, body: bytes = b'{"prompt": "x"}', key: str = "k1", path: str = "/query", **headers: str) -> Messages:
        sent: Messages = []

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        raw = [(b"idempotency-key", key.encode("latin-1"))]
        raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "path": path, "headers": raw, "client": ("127.0.0.1", 1)}
        await self.idempotency(self.handler, scope, receive, send)
        return sent


def body(messages: Messages) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


def code(house: House) -> tuple[int, str | None]:
    return house.told[-1].http_status, house.told[-1].code


@pytest.fixture
def house() -> House:
    return House()


async def test_the_second_call_gets_the_first_ones_answer(house: House) -> None:
    first = await house.call()
    house.pieces = [b'{"n": 2}']
    second = await house.call(x_correlation_id="mine")
    assert house.calls == 1
    assert house.bodies == [b'{"prompt": "x"}']
    assert body(second) == body(first) == b'{"n": 1}'
    assert second[0]["status"] == 200
    headers = dict(second[0]["headers"])
    assert headers[b"x-gateway-idempotent-replay"] == b"true"
    assert headers[b"x-correlation-id"] == b"mine"
    assert headers[b"x-gateway-provider"] == b"openai"
    assert b"x-ratelimit-remaining-requests" not in headers
    assert b"x-gateway-idempotent-replay" not in dict(first[0]["headers"])


async def test_a_stream_is_replayed_as_a_stream(house: House) -> None:
    house.pieces = [b"data: a\n\n", b"data: b\n\n", b"data: [DONE]\n\n"]
    first, second = await house.call(), await house.call()
    assert [message.get("body") for message in second] == [message.get("body") for message in first]
    assert [message.get("more_body", False) for message in second] == [False, True, True, False]


async def test_of_fifty_at_once_one_runs_and_the_others_are_refused(house: House) -> None:
    house.gate = asyncio.Event()
    asked = [asyncio.ensure_future(house.call()) for _ in range(50)]
    await until(lambda: len(house.told) == 49)
    refusals = {(failure.http_status, failure.error_type, failure.code) for failure in house.told}
    assert refusals == {(409, "idempotency_conflict", "in_progress")}
    house.gate.set()
    await asyncio.gather(*asked)
    assert house.calls == 1
    assert body(await house.call()) == b'{"n": 1}'


async def test_another_request_under_the_key_is_refused(house: House) -> None:
    house.gate = asyncio.Event()
    first = asyncio.ensure_future(house.call())
    await until(lambda: house.calls == 1)
    await house.call(b'{"prompt": "y"}')
    assert code(house) == (422, None)
    house.gate.set()
    await first
    await house.call(b'{"prompt": "y"}')
    await house.call(path="/stream")
    assert [failure.error_type for failure in house.told] == ["idempotency_mismatch"] * 3
    assert house.calls == 1


async def test_a_key_is_its_callers(house: House) -> None:
    await house.call()
    await house.call(x_user_id="ann")
    await house.call(b'{"prompt": "x", "user_id": "ann"}')
    assert code(house) == (422, None)  # ann again, with another body
    await house.call(b'{"prompt": "x", "user_id": "bob"}')
    await house.call(authorization="Bearer acme")
    await house.call(key="k2")
    assert house.calls == 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda house: setattr(house, "failure", ProviderTimeout("late")),
        lambda house: setattr(house, "status", 502),
        lambda house: setattr(house, "gate", _Broken()),
    ],
)
async def test_a_call_that_failed_frees_its_key(house: House, spoil: Callable[[House], None]) -> None:
    spoil(house)
    await asyncio.gather(house.call(), return_exceptions=True)
    house.failure, house.status, house.gate = None, 200, None
    await house.call()
    assert (house.calls, house.told) == (2, [])


class _Broken(asyncio.Event):
    async def wait(self) -> Any:
        raise RuntimeError("a fault")


async def test_a_caller_who_leaves_before_the_answer_frees_the_key(house: House) -> None:
    house.gate = asyncio.Event()
    first = asyncio.ensure_future(house.call())
    await until(lambda: house.calls == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    house.gate.set()
    await house.call()
    assert (house.calls, house.told) == (2, [])


async def test_an_answer_is_kept_before_its_last_piece_leaves(house: House) -> None:
    """Whoever has the answer, or lost the connection just before, finds it again."""
    sent: list[str] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            assert house.store.size[0] == 1
            raise ConnectionResetError

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b'{"prompt": "x"}', "more_body": False}

    scope = {"type": "http", "path": "/query", "headers": [(b"idempotency-key", b"k1")], "client": None}
    with pytest.raises(ConnectionResetError):
        await house.idempotency(house.handler, scope, receive, send)
    assert body(await house.call()) == b'{"n": 1}'
    assert house.calls == 1


async def test_a_key_ends(house: House) -> None:
    await house.call()
    house.clock.now_s += 86_400
    await house.idempotency.sweep()
    await house.call(b"{}")
    assert (house.calls, house.told) == (2, [])


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\xe4"])
async def test_a_key_that_is_none_is_refused(house: House, key: str) -> None:
    await house.call(key=key)
    assert (house.calls, house.told[0].http_status, house.told[0].param) == (0, 400, "Idempotency-Key")


async def test_who_may_not_call_finds_no_answers(house: House) -> None:
    await house.call(authorization="Bearer wrong")
    assert (house.calls, house.told[0].http_status) == (0, 401)


async def test_a_body_that_is_too_large_is_told_in_the_dialect() -> None:
    house = House(server={"max_body_bytes": 1024})
    await house.call(b"x" * 1025)
    assert (house.calls, house.told[0].http_status) == (0, 413)


async def test_a_body_that_is_no_json_is_the_handlers_to_refuse(house: House) -> None:
    await house.call(b"\xff{")
    await house.call(b"[" * 5000, key="k2")
    assert house.bodies == [b"\xff{", b"[" * 5000]


async def test_an_answer_too_long_to_keep_is_not_made_twice(house: House) -> None:
    house.pieces = [b"x" * (MAX_ANSWER_BYTES // 2 + 1)] * 2
    assert len(body(await house.call())) > MAX_ANSWER_BYTES
    await house.call()
    assert code(house) == (409, "answer_not_kept")
    await house.call(b"{}")
    assert code(house) == (422, None)
    assert house.calls == 1


async def test_an_answer_larger_than_the_store_is_not_made_twice() -> None:
    clock = FakeClock()
    house = House(MemoryStore(clock, 100, 2_000))
    house.pieces = [os.urandom(4096)]
    await house.call()
    await house.call()
    assert (house.calls, code(house)) == (1, (409, "answer_not_kept"))


class Common(MemoryStore):
    shared = True


@pytest.mark.parametrize(("shared", "allowed", "kept"), [(True, False, False), (True, True, True), (False, False, True)])
async def test_sensitive_answers_stay_in_the_process(shared: bool, allowed: bool, kept: bool) -> None:
    kind = Common if shared else MemoryStore
    house = House(kind(FakeClock(), 100, 1 << 20), cache={"store_sensitive": allowed})
    house.sensitive = True
    await house.call()
    again = await house.call()
    assert house.calls == 1
    if kept:
        assert body(again) == b'{"n": 1}'
    else:
        assert code(house) == (409, "answer_not_kept")
        assert all(b'"n": 1' not in entry.data for entry in house.store._entries.values())


async def test_a_corrupt_answer_is_dropped_and_the_call_made(house: House) -> None:
    await house.call()
    (entry,) = house.store._entries.values()
    entry.data = entry.data[:-1] + b"?"
    await house.call()
    await house.call()
    assert (house.calls, house.told) == (2, [])


class Away(MemoryStore):
    async def claim(self, name: str, claim: bytes, lease_s: float) -> Any:
        raise StoreUnavailable


async def test_without_its_store_a_call_that_must_not_be_made_twice_is_not_made() -> None:
    house = House(Away(FakeClock(), 100, 1 << 20))
    await house.call()
    assert (house.calls, code(house)) == (0, (503, "idempotency_unavailable"))


class Deaf(MemoryStore):
    async def put(self, name: str, entry: bytes, ttl_s: float) -> bool:
        raise StoreUnavailable


async def test_an_answer_that_could_not_be_kept_is_served_all_the_same() -> None:
    house = House(Deaf(FakeClock(), 100, 1 << 20))
    assert body(await house.call()) == b'{"n": 1}'
    await house.call()
    assert house.calls == 2
