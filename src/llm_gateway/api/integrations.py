"""The integrated services over HTTP: one operation at a time, and the richer queries that use them."""

from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import msgspec

from llm_gateway.api.accounting import accounting
from llm_gateway.api.asgi import Handler, header
from llm_gateway.api.call import Call, Calls, Ending, Ingress, KeepAlive, json_object, run
from llm_gateway.api.errors import NativeDialect
from llm_gateway.api.native_schema import ChatBody, chat_request
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import ChatRequest, Chunk, JsonObject

_encode = msgspec.json.Encoder().encode
_chat_decoder = msgspec.json.Decoder(ChatBody)
PREFIX: Final = "/integrations/"
WORKFLOW_TYPE: Final = b"x-workflow-type"


class WorkflowBody(ChatBody, frozen=True):
    """`POST /workflow-query`: `inputs` are those of the workflow beside `query` (the prompt) and `content` (the context)."""

    inputs: JsonObject = msgspec.field(default_factory=dict)


_workflow_decoder = msgspec.json.Decoder(WorkflowBody)


class Report(Protocol):
    """What took part in a query."""

    def document(self) -> JsonObject: ...


class Step(Protocol):
    """A step of a run."""

    @property
    def id(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def took(self) -> float: ...


class Run(Protocol):
    """A run."""

    @property
    def run_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def took(self) -> float: ...
    @property
    def steps(self) -> tuple[Step, ...]: ...


class Enriching(Protocol):
    """What the queries ask of the gateway."""

    def visit(self, exchange: Exchange) -> Any: ...
    async def run(self, service: str, operation: str, body: JsonObject, visit: Any) -> JsonObject: ...
    async def enhance(self, exchange: Exchange, asked: ChatBody) -> Any: ...
    async def contextualise(self, exchange: Exchange, asked: ChatBody) -> Any: ...
    async def remember(self, exchange: Exchange, asked: ChatBody, answer: str, report: Any, *, keep_result: bool) -> None: ...
    async def workflow_for(self, name: str | None, asked: ChatBody, inputs: JsonObject, visit: Any) -> tuple[Any, JsonObject]: ...
    async def begin(self, workflow: Any, inputs: JsonObject, visit: Any) -> str: ...
    def steps(self, run_id: str, exchange: Exchange) -> AsyncIterator[Any]: ...
    def report(self) -> Any: ...
    async def conclude(self, run_id: str, exchange: Exchange, report: Any) -> Any: ...


class IntegrationsApi:
    """Handlers of what is called with a body; `under` are those whose path goes on, by what it begins with."""

    def __init__(self, calls: Calls, clock: Clock, enriching: Enriching) -> None:
        self._clock = clock
        self._enriching = enriching
        handler = Ingress(calls, clock, NativeDialect()).handler
        self.handlers: dict[str, Handler] = {
            "/enhanced-query": handler(self._enhanced),
            "/contextual-query": handler(self._contextual),
            "/workflow-query": handler(self._workflow),
        }
        self.under: dict[str, Handler] = {PREFIX: handler(self._operation)}

    async def _operation(self, call: Call) -> None:
        service, slash, operation = call.scope["path"].removeprefix(PREFIX).partition("/")
        if not slash or not operation or "/" in operation:
            raise NotFound("expected /integrations/{service}/{operation}: GET /integrations lists them", param="operation")
        body = _object(await call.body())
        user_id = body.get("user_id")
        if user_id is not None and (not isinstance(user_id, str) or not user_id):
            raise InvalidRequest("user_id: expected text", param="user_id")
        exchange = call.exchange(ChatRequest(messages=()), "native", user_id, force_refresh=False)
        reply = await self._enriching.run(service, operation, body, self._enriching.visit(exchange))
        await call.reply(_encode(reply))

    async def _enhanced(self, call: Call) -> None:
        body = await call.decode(_chat_decoder, ChatBody.__struct_fields__)
        exchange = self._exchange(call, body, "enhanced")
        await self._answer(call, exchange, body, await self._enriching.enhance(exchange, body), keep_result=True)

    async def _contextual(self, call: Call) -> None:
        body = await call.decode(_chat_decoder, ChatBody.__struct_fields__)
        exchange = self._exchange(call, body, "contextual")
        await self._answer(call, exchange, body, await self._enriching.contextualise(exchange, body), keep_result=False)

    def _exchange(self, call: Call, body: ChatBody, ingress: str, *, stream: bool = False) -> Exchange:
        return call.exchange(chat_request(body, stream=stream), ingress, body.user_id, force_refresh=body.force_refresh)

    async def _answer(self, call: Call, exchange: Exchange, body: ChatBody, report: Any, *, keep_result: bool) -> None:
        chunks = await run(call.calls.gateway.way, exchange)
        document = self._document(exchange, body, chunks)
        await self._enriching.remember(exchange, body, document["response"], report, keep_result=keep_result)
        await call.respond(exchange, _encode({**document, "integrations": report.document()}))

    async def _workflow(self, call: Call) -> None:
        body = await call.decode(_workflow_decoder, WorkflowBody.__struct_fields__)
        streamed = "text/event-stream" in (header(call.scope, b"accept") or "")
        exchange = self._exchange(call, body, "workflow", stream=streamed)
        visit = self._enriching.visit(exchange)
        kind = header(call.scope, WORKFLOW_TYPE)
        workflow, inputs = await self._enriching.workflow_for(kind, body, body.inputs, visit)
        run_id = await self._enriching.begin(workflow, inputs, visit)
        await (self._stream if streamed else self._whole)(call, exchange, body, run_id)

    async def _whole(self, call: Call, exchange: Exchange, body: ChatBody, run_id: str) -> None:
        async for _ in self._enriching.steps(run_id, exchange):
            pass
        report = self._enriching.report()
        record = await self._enriching.conclude(run_id, exchange, report)
        chunks = await run(call.calls.gateway.way, exchange)
        document = self._document(exchange, body, chunks)
        await call.respond(exchange, _encode({**document, "workflow": shown(record), "integrations": report.document()}))

    async def _stream(self, call: Call, exchange: Exchange, body: ChatBody, run_id: str) -> None:
        """Each step as it ends, then the answer as `/stream` gives it."""
        with KeepAlive(call, exchange) as keep_alive:
            await call.start_stream(exchange)
            await call.write(_event({"event": "workflow", "run_id": run_id, "finished": False}))
            async for step in self._enriching.steps(run_id, exchange):
                await call.write(_event({"event": "step", **_step(step), "finished": False}))
                keep_alive.touch()
            report = self._enriching.report()
            record = await self._enriching.conclude(run_id, exchange, report)
            async with Ending(exchange):
                reply = await call.calls.gateway.way(exchange)
                async for chunk in reply:
                    if chunk.text:
                        await call.write(_event({"chunk": chunk.text, "finished": False}))
                        keep_alive.touch()
            document = self._document(exchange, body, [])
            del document["response"]
            final = {"chunk": "", "finished": True, **document, "workflow": shown(record), "integrations": report.document()}
            await call.end_stream(_event(final) + b"data: [DONE]\n\n")

    def _document(self, exchange: Exchange, body: ChatBody, chunks: list[Chunk]) -> dict[str, Any]:
        target = exchange.chosen.target if exchange.chosen else None
        shared = accounting(exchange)
        document: dict[str, Any] = {
            "response": "".join([chunk.text for chunk in chunks if chunk.choice == 0]),
            "provider": target.provider if target else None,
            "tokens_used": shared["tokens_used"],
            "processing_time": round(self._clock.monotonic_s() - exchange.received_s, 6),
            **shared,
            "model": target.model if target else None,
            "finish_reason": exchange.finish_reason,
        }
        if body.conversation_id is not None:
            document["conversation_id"] = body.conversation_id
        return document


def _object(body: bytes) -> JsonObject:
    """The body of an operation; one that needs nothing may have none."""
    return json_object(body) if body else {}


def shown(record: Run) -> dict[str, Any]:
    """A run as an answer shows it: without the results of its steps, which `get_workflow` has."""
    return {
        "run_id": record.run_id,
        "name": record.name,
        "status": record.status,
        "error": record.error or None,
        "took": record.took,
        "steps": [_step(step) for step in record.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "service": step.service,
        "operation": step.operation,
        "status": step.status,
        "mode": step.mode or None,
        "method": step.method or None,
        "took": step.took,
        "error": step.error or None,
    }


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + _encode(document) + b"\n\n"
