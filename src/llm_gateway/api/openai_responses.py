"""OpenAI's Responses API: `/v1/responses`, streamed and not, and going on from a stored response.

Whatever provider answers: the items of a conversation are translated for its wire. Responses are stored with what they were asked
(`store: false` leaves that out), for their owner alone. All that went before is sent and judged again with each turn; a conversation that
was once sensitive stays so.
"""

from os import urandom
from typing import Final, Protocol

import msgspec

from llm_gateway.api.asgi import Handler
from llm_gateway.api.call import Call, Calls, Ending, Ingress, KeepAlive, run
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.dropin import put_dropped, translated
from llm_gateway.api.openai import PassingLimits, openai_exchange
from llm_gateway.api.openai_errors import OpenAiDialect, error_object
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import ClientClosedRequest, InvalidRequest, LLMGatewayError
from llm_gateway.core.exchange import Caller, Credentials, Exchange
from llm_gateway.core.ids import ulid
from llm_gateway.core.routing import Target
from llm_gateway.core.types import Json, JsonObject, Request
from llm_gateway.protocols.openai_responses_egress import ResponseWriter
from llm_gateway.protocols.openai_responses_ingress import ResponsesBody, item_owner, left_out, read_body, responses_request, sealed
from llm_gateway.stores.responses import ResponseStore, Stored

PATH: Final = "/v1/responses"
_CALLED: Final = {"end_user": "user", "reasoning_effort": "reasoning"}
"""What fields of a request are called here."""
_encode = msgspec.json.Encoder().encode


class ResponsesView(Protocol):
    """What these endpoints need of the gateway beside the way of a request; asked anew for each."""

    @property
    def responses(self) -> ResponseStore: ...
    def identify(self, credentials: Credentials) -> Caller: ...
    def protocol_of(self, provider: str) -> str: ...
    def untold(self, target: Target, request: Request) -> frozenset[str]: ...


class _Turn(msgspec.Struct, frozen=True):
    """One call: what was asked, who asks, what was said before, and whether that was ever sensitive."""

    said: ResponsesBody
    caller: Caller
    exchange: Exchange
    items: list[Json]
    writer: ResponseWriter


class ResponsesApi:
    """Handlers of the Responses API: `handlers` are POST paths, `under` and `deletes` begin with the path of a response."""

    def __init__(self, calls: Calls, clock: Clock, view: ResponsesView) -> None:
        self._clock = clock
        self._view = view
        handler = Ingress(calls, clock, OpenAiDialect()).handler
        self.handlers: dict[str, Handler] = {PATH: handler(self._respond)}
        self.under: dict[str, Handler] = {f"{PATH}/": handler(self._read)}
        self.deletes: dict[str, Handler] = {f"{PATH}/": handler(self._erase)}

    async def _respond(self, call: Call) -> None:
        body = await call.json_object()
        turn = await self._turn(call, body)
        put_dropped(turn.exchange, left_out(body))
        if turn.said.stream:
            await self._stream(call, turn)
            return
        writer, exchange = turn.writer, turn.exchange
        with PassingLimits(exchange, self._view):
            chunks = await run(call.calls.gateway.way, exchange)
        self._name_dropped(exchange)
        for chunk in chunks:
            writer.feed(chunk)
        writer.close()
        document = writer.document(writer.status, exchange.usage)
        await self._keep(turn)
        await call.respond(exchange, _encode(document))

    def _name_dropped(self, exchange: Exchange) -> None:
        if exchange.chosen is not None:
            put_dropped(exchange, (_CALLED.get(name, name) for name in self._view.untold(exchange.chosen.target, exchange.request)))

    async def _stream(self, call: Call, turn: _Turn) -> None:
        writer, exchange = turn.writer, turn.exchange
        try:
            with KeepAlive(call, exchange) as keep_alive:
                async with Ending(exchange):
                    with PassingLimits(exchange, self._view):
                        reply = await call.calls.gateway.way(exchange)
                    self._name_dropped(exchange)
                    await call.start_stream(exchange)
                    await call.write(writer.begin())
                    async for chunk in reply:
                        data = writer.feed(chunk)
                        if data:
                            await call.write(data)
                            keep_alive.touch()
                await call.write(writer.close())
                await self._keep(turn)
        except LLMGatewayError as failure:
            if not call.started or isinstance(failure, ClientClosedRequest):
                raise
            await call.end_stream(writer.fail({**error_object(failure), "correlation_id": call.correlation_id}))
            return
        await call.end_stream(writer.finish(exchange.usage))

    async def _turn(self, call: Call, body: JsonObject) -> _Turn:
        said = translated(read_body, body)
        caller = self._view.identify(credentials_of(call.scope))
        earlier: list[Json] = []
        tainted = False
        if said.previous_response_id is not None:
            for stored in await self._view.responses.chain(said.previous_response_id, _reader(caller)):
                earlier += [*stored.input, *_output(stored)]
                tainted = tainted or stored.tainted
        items, from_others = await self._resolved(said.items(), caller)
        exchange = openai_exchange(call, translated(lambda _: responses_request(said, earlier, items), body))
        exchange.tainted = tainted or from_others
        name = ulid(self._clock.wall_s(), urandom)
        writer = ResponseWriter(_base(said, body, int(self._clock.wall_s())), name, sealed, show_encrypted=said.show_encrypted)
        return _Turn(said, caller, exchange, items, writer)

    async def _resolved(self, items: list[Json], caller: Caller) -> tuple[list[Json], bool]:
        """The items with references replaced by what they refer to, and whether any of that was sensitive."""
        tainted = False
        resolved: list[Json] = []
        for index, item in enumerate(items):
            if not isinstance(item, dict) or item.get("type") != "item_reference":
                resolved.append(item)
                continue
            name = str(item.get("id", ""))
            owner = item_owner(name)
            stored = await self._view.responses.read(owner, _reader(caller)) if owner else None
            found = [one for one in _output(stored) if isinstance(one, dict) and one.get("id") == name] if stored else []
            if stored is None or not found:
                raise InvalidRequest(f"input[{index}].id: there is no item {name[:64]!r} here", param=f"input[{index}].id")
            tainted = tainted or stored.tainted
            resolved += found
        return resolved, tainted

    async def _keep(self, turn: _Turn) -> None:
        """Store a response before its caller is told that it is complete: what it was told of is there."""
        if not turn.said.stored:
            return
        exchange, writer = turn.exchange, turn.writer
        sensitive = exchange.tainted or (exchange.sensitivity is not None and exchange.sensitivity.sensitive)
        document = writer.document(writer.status, exchange.usage)
        kept = {**document, "output": [*writer.output]}
        await self._view.responses.add(Stored(writer.id, turn.caller.id, turn.said.previous_response_id, sensitive, turn.items, kept))

    async def _read(self, call: Call) -> None:
        stored = await self._view.responses.read(_named(call), _reader(self._view.identify(credentials_of(call.scope))))
        output = [
            {name: value for name, value in item.items() if name != "encrypted_content"}
            for item in _output(stored)
            if isinstance(item, dict)
        ]
        await call.reply(_encode({**stored.response, "output": output}))

    async def _erase(self, call: Call) -> None:
        name = _named(call)
        await self._view.responses.erase(name, _reader(self._view.identify(credentials_of(call.scope))))
        await call.reply(_encode({"id": name, "object": "response", "deleted": True}))


def _reader(caller: Caller) -> str | None:
    """Whose responses a caller may read: its own; an administrator anybody's."""
    return None if caller.is_admin else caller.id


def _named(call: Call) -> str:
    return str(call.scope["path"]).removeprefix(f"{PATH}/")


def _output(stored: Stored) -> list[Json]:
    output = stored.response.get("output")
    return output if isinstance(output, list) else []


def _base(said: ResponsesBody, body: JsonObject, created_s: int) -> JsonObject:
    """The fields that a response repeats from its request, with OpenAI's defaults."""
    text = body.get("text")
    reasoning = body.get("reasoning")
    return {
        "created_at": created_s,
        "background": False,
        "instructions": said.instructions,
        "max_output_tokens": said.max_output_tokens,
        "metadata": dict(said.metadata or {}),
        "model": said.model or "auto",
        "parallel_tool_calls": said.parallel_tool_calls is not False,
        "previous_response_id": said.previous_response_id,
        "reasoning": reasoning if isinstance(reasoning, dict) else {"effort": None, "summary": None},
        "store": said.stored,
        "temperature": said.temperature if said.temperature is not None else 1.0,
        "text": text if isinstance(text, dict) else {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": said.top_p if said.top_p is not None else 1.0,
        "truncation": "disabled",
        "user": said.user,
    }
