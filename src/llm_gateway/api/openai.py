"""OpenAI's API for its own clients: chat completions, completions, embeddings, models, moderations. Bare ASGI: this is the hot path.

Whatever provider answers, the client sees its own protocol. Same protocol in and out is lossless: the caller's body is what the
provider's translation starts from, and the provider's bytes are what goes back. `/v1/responses` is in `api.openai_responses`.
"""

from typing import Final, Protocol

import msgspec

from llm_gateway.api.asgi import Handler
from llm_gateway.api.call import Call, Calls, Ending, Ingress, KeepAlive, Unary, json_object, run
from llm_gateway.api.documents import ModelDocument
from llm_gateway.api.dropin import View, known_models, model_of, name_dropped, put_dropped, translated, vectors_of
from llm_gateway.api.openai_errors import OpenAiDialect, limit_headers
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import NotFound
from llm_gateway.core.exchange import Exchange, Next
from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.types import ChatRequest, Chunk, Json, JsonObject, Message, Request, Usage
from llm_gateway.protocols.openai_completions import Completion, completion_requests
from llm_gateway.protocols.openai_egress import PROTOCOL, ChatEvents, Head, as_it_came, embeddings, whole
from llm_gateway.protocols.openai_embeddings_ingress import embedding_request
from llm_gateway.protocols.openai_ingress import chat_request, dropped
from llm_gateway.protocols.openai_moderations import MODEL, moderation, moderation_inputs

INGRESS: Final = "openai"
CALLED: Final = {"end_user": "user"}
"""What fields of a request are called here."""
_encode = msgspec.json.Encoder().encode


class Speaking(Protocol):
    """Knows which wire a provider speaks."""

    def protocol_of(self, provider: str) -> str: ...


class OpenAiView(View, Protocol):
    """What these endpoints need of the gateway beside the way of a request; asked anew for each."""

    @property
    def judging(self) -> Next:
        """The way of a request as far as the security filter, which judges it and sends it nowhere."""
        ...

    async def judge(self, request: Request) -> Sensitivity: ...


def openai_exchange(call: Call, request: Request) -> Exchange:
    """An exchange for a request in this dialect. `Cache-Control: no-cache` asks for a fresh answer."""
    return call.exchange(request, INGRESS, None, force_refresh=b"no-cache" in call.fields.get(b"cache-control", b""))


def pass_limits(exchange: Exchange, view: Speaking) -> None:
    """When a provider has answered or refused, let the caller see its limits.

    They are about the account that pays, and stand in place of the caller's own at this gateway, which `RateLimit` tells as ever.
    """
    limits = limit_headers(exchange.upstream_headers)
    if limits and exchange.attempts and view.protocol_of(exchange.attempts[-1].provider) == PROTOCOL:
        exchange.headers.update(limits)


class PassingLimits:
    """A context around the call of a provider: `pass_limits` when it has answered or refused."""

    __slots__ = ("_exchange", "_view")

    def __init__(self, exchange: Exchange, view: Speaking) -> None:
        self._exchange = exchange
        self._view = view

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        pass_limits(self._exchange, self._view)


class OpenAiApi:
    """Handlers of the OpenAI dialect: `handlers` are POST paths, `gets` GET paths, `under` GET paths that begin so."""

    def __init__(self, calls: Calls, clock: Clock, view: OpenAiView) -> None:
        self._clock = clock
        self._view = view
        handler = Ingress(calls, clock, OpenAiDialect()).handler
        self.handlers: dict[str, Handler] = {
            "/v1/chat/completions": handler(Unary(self._chat, self._told, self._stream, self._pass_limits).serve),
            "/v1/completions": handler(self._complete),
            "/v1/embeddings": handler(self._embed),
            "/v1/moderations": handler(self._moderate),
        }
        self.gets: dict[str, Handler] = {"/v1/models": handler(self._models)}
        self.under: dict[str, Handler] = {"/v1/models/": handler(self._model)}

    def _pass_limits(self, exchange: Exchange) -> None:
        pass_limits(exchange, self._view)

    def _head(self, call: Call, exchange: Exchange, prefix: str = "chatcmpl-") -> Head:
        return Head(prefix + call.correlation_id, int(self._clock.wall_s()), model_of(exchange))

    def _chat(self, call: Call, data: bytes) -> Exchange:
        return openai_exchange(call, translated(chat_request, json_object(data)))

    def _told(self, call: Call, exchange: Exchange, chunks: list[Chunk]) -> bytes:
        self._name_dropped(exchange)
        return as_it_came(chunks) or whole(self._head(call, exchange), chunks, exchange.usage)

    async def _stream(self, call: Call, exchange: Exchange) -> None:
        native = exchange.request.native
        options = native.body.get("stream_options") if native is not None else None
        include_usage = isinstance(options, dict) and options.get("include_usage") is True
        with KeepAlive(call, exchange) as keep_alive:
            async with Ending(exchange):
                with PassingLimits(exchange, self._view):
                    reply = await call.calls.gateway.way(exchange)
                self._name_dropped(exchange)
                events = ChatEvents(self._head(call, exchange), include_usage=include_usage)
                await call.start_stream(exchange)
                async for chunk in reply:
                    data = events.feed(chunk)
                    if data:
                        await call.write(data)
                        keep_alive.touch()
            await call.end_stream(events.finish(exchange.usage))

    def _name_dropped(self, exchange: Exchange) -> None:
        """Say which fields the provider was not told."""
        chosen = exchange.chosen
        if chosen is not None and self._view.protocol_of(chosen.target.provider) == PROTOCOL:
            # A body that was written for this very model goes out as it is.
            if exchange.request.model != chosen.target.model:
                put_dropped(exchange, (CALLED.get(name, name) for name in self._view.untold(chosen.target, exchange.request)))
            return
        name_dropped(exchange, self._view, dropped, CALLED)

    async def _embed(self, call: Call) -> None:
        body = await call.json_object()
        request = translated(embedding_request, body)
        exchange = openai_exchange(call, request)
        with PassingLimits(exchange, self._view):
            chunks = await run(call.calls.gateway.way, exchange)
        vectors_of(request, chunks)
        base64 = body.get("encoding_format") == "base64"
        await call.respond(exchange, embeddings(chunks, model_of(exchange), exchange.usage, base64=base64))

    async def _complete(self, call: Call) -> None:
        said, requests = translated(completion_requests, await call.json_object())
        completion = Completion(said, "cmpl-" + call.correlation_id, int(self._clock.wall_s()))
        if said.stream:
            await self._stream_completions(call, completion, requests)
            return
        choices: list[Json] = []
        used: list[Usage | None] = []
        for place, request in enumerate(requests):
            exchange = openai_exchange(call, request)
            with PassingLimits(exchange, self._view):
                chunks = await run(call.calls.gateway.way, exchange)
            name_dropped(exchange, self._view, dropped, CALLED)
            choices += completion.choices(place, request.messages[0].text(), chunks)
            used.append(exchange.usage)
        await call.respond(exchange, completion.whole(choices, model_of(exchange), _sum(used)))

    async def _stream_completions(self, call: Call, completion: Completion, requests: list[ChatRequest]) -> None:
        used: list[Usage | None] = []
        for place, request in enumerate(requests):
            exchange = openai_exchange(call, request)
            prompt = request.messages[0].text()
            with KeepAlive(call, exchange) as keep_alive:
                async with Ending(exchange):
                    with PassingLimits(exchange, self._view):
                        reply = await call.calls.gateway.way(exchange)
                    name_dropped(exchange, self._view, dropped, CALLED)
                    await call.start_stream(exchange)
                    async for chunk in reply:
                        data = completion.event(place, prompt, chunk, model_of(exchange))
                        if data:
                            await call.write(data)
                            keep_alive.touch()
            used.append(exchange.usage)
        await call.end_stream(completion.end(model_of(exchange), _sum(used)))

    async def _moderate(self, call: Call) -> None:
        texts = translated(moderation_inputs, await call.json_object())
        messages = tuple(Message("user", content) for content in texts)
        exchange = openai_exchange(call, ChatRequest(messages))
        await run(self._view.judging, exchange)
        verdicts = [exchange.sensitivity] if len(messages) == 1 else [await self._view.judge(ChatRequest((m,))) for m in messages]
        results = [moderation(verdict) for verdict in verdicts if verdict is not None]
        await call.respond(exchange, _encode({"id": "modr-" + call.correlation_id, "model": MODEL, "results": results}))

    async def _models(self, call: Call) -> None:
        entries = [_entry(name, found) for name, found in known_models(call, self._view, "")]
        await call.reply(_encode({"object": "list", "data": entries}))

    async def _model(self, call: Call) -> None:
        name = call.scope["path"].removeprefix("/v1/models/")
        for listed, found in known_models(call, self._view, ""):
            if name == listed or (found is not None and name == found.model):
                await call.reply(_encode(_entry(name, found)))
                return
        raise NotFound(f"there is no model {name[:64]!r}: GET /v1/models lists those that there are", param="model", code="model_not_found")


def _entry(name: str, found: ModelDocument | None) -> JsonObject:
    """A model in OpenAI's list; nobody knows when it was made."""
    return {"id": name, "object": "model", "created": 0, "owned_by": found.provider if found is not None else "llm-gateway"}


def _sum(used: list[Usage | None]) -> Usage | None:
    known = [usage for usage in used if usage is not None]
    if not known:
        return None
    return Usage(sum(usage.input_tokens for usage in known), sum(usage.output_tokens for usage in known))
