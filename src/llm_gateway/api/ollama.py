"""Ollama's API for its own clients: chats, completions, embeddings, and what they ask about models. Bare ASGI: this is the hot path.

Whatever provider answers, the client sees its own protocol. Same protocol in and out is lossless: the caller's body is what the
provider's translation starts from, and the provider's bytes are what goes back. Models are not managed here: pulling, creating and
deleting them is the Ollama server's own business.
"""

import hashlib
import math
from datetime import UTC, datetime
from typing import Final

import msgspec

from llm_gateway.api.asgi import JSON, Handler, Headers
from llm_gateway.api.call import Call, Calls, Ending, Ingress, KeepAlive, run
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import ModelDocument
from llm_gateway.api.dropin import View, known_models, model_of, name_dropped, translated, vectors_of
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import InvalidRequest, LLMGatewayError, UnknownModel
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Json, JsonObject
from llm_gateway.protocols.ollama_egress import PROTOCOL, AnswerLines, Durations, Head, embeddings, loaded, whole
from llm_gateway.protocols.ollama_ingress import (
    LATEST,
    asked,
    chat_request,
    dropped,
    embed_request,
    embeddings_request,
    generate_request,
)

INGRESS: Final = "ollama"
NDJSON: Final = b"application/x-ndjson"
API_VERSION: Final = "0.12.6"
"""The release of Ollama whose API is spoken here: clients refuse what is too old for them."""
UNKNOWN_DATE: Final = "1970-01-01T00:00:00Z"
CALLED: Final = {
    **{name: f"options.{name}" for name in ("temperature", "top_p", "seed", "stop", "frequency_penalty", "presence_penalty")},
    "reasoning_effort": "think",
}
"""What fields of a request are called here."""
_NS: Final = 1_000_000_000
_encode = msgspec.json.Encoder().encode


class OllamaDialect:
    """Ollama's way to say what every ingress says (`api.call.Dialect`): `{"error": "words"}`. Its clients take any line for JSON."""

    stream_type = NDJSON
    keep_alive = b""
    request_id = ""

    def error_status(self, failure: LLMGatewayError) -> int:
        return failure.http_status

    def error_headers(self, failure: LLMGatewayError) -> Headers:
        headers: Headers = [JSON]
        if failure.retry_after_s is not None:
            headers.append((b"retry-after", str(max(0, math.ceil(failure.retry_after_s))).encode()))
        return headers

    def error_body(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """`correlation_id` is in the headers."""
        return _encode({"error": failure.message})

    def error_event(self, failure: LLMGatewayError, correlation_id: str) -> bytes:
        """No line says `done` before it: what ends in that is complete."""
        return _encode({"error": failure.message}) + b"\n"


class OllamaApi:
    """Handlers of the Ollama dialect: `handlers` are POST paths, `gets` GET paths, `heads` HEAD paths."""

    def __init__(self, calls: Calls, clock: Clock, view: View) -> None:
        self._clock = clock
        self._view = view
        handler = Ingress(calls, clock, OllamaDialect()).handler
        self.handlers: dict[str, Handler] = {
            "/api/chat": handler(self._chat),
            "/api/generate": handler(self._generate),
            "/api/embed": handler(self._embed),
            "/api/embeddings": handler(self._embeddings),
            "/api/show": handler(self._show),
            "/api/pull": handler(self._unmanaged),
            "/api/push": handler(self._unmanaged),
            "/api/create": handler(self._unmanaged),
            "/api/copy": handler(self._unmanaged),
        }
        self.gets: dict[str, Handler] = {
            "/api/tags": handler(self._tags),
            "/api/version": handler(self._version),
            "/api/ps": handler(self._running),
        }
        self.heads: dict[str, Handler] = {"/": handler(self._version)}
        """How Ollama's command line asks whether a server is there."""

    # Generation.

    async def _chat(self, call: Call) -> None:
        body = await call.json_object()
        await self._answer(call, body, translated(chat_request, body), completion=False)

    async def _generate(self, call: Call) -> None:
        body = await call.json_object()
        await self._answer(call, body, translated(generate_request, body), completion=True)

    async def _answer(self, call: Call, body: JsonObject, request: ChatRequest, *, completion: bool) -> None:
        if not request.messages:
            await self._load(call, body, completion=completion)
            return
        exchange = call.exchange(self._known(request), INGRESS, None, force_refresh=False)
        if request.stream:
            await self._stream(call, exchange, completion=completion)
            return
        chunks = await run(call.calls.gateway.way, exchange)
        name_dropped(exchange, self._view, dropped, CALLED)
        durations = self._durations(exchange, exchange.received_s)
        answer = whole(self._head(model_of(exchange), completion=completion), chunks, exchange.usage, durations)
        await call.respond(exchange, answer)

    async def _stream(self, call: Call, exchange: Exchange, *, completion: bool) -> None:
        with KeepAlive(call, exchange) as keep_alive:
            async with Ending(exchange):
                reply = await call.calls.gateway.way(exchange)
                first_s = self._clock.monotonic_s()
                name_dropped(exchange, self._view, dropped, CALLED)
                lines = AnswerLines(self._head(model_of(exchange), completion=completion))
                await call.start_stream(exchange)
                async for chunk in reply:
                    data = lines.feed(chunk)
                    if data:
                        await call.write(data)
                        keep_alive.touch()
            await call.end_stream(lines.finish(exchange.usage, self._durations(exchange, first_s)))

    async def _load(self, call: Call, body: JsonObject, *, completion: bool) -> None:
        """A request that says nothing wants the model loaded or freed. A provider loads it with its first call: here is nothing to do."""
        name = str(body["model"])
        self._find(call, name)
        freed = body.get("keep_alive") in (0, "0", "0s")
        await call.reply(loaded(self._head(name, completion=completion), freed=freed))

    def _known(self, request: ChatRequest) -> ChatRequest:
        """The request with the model's name as it is known here: clients add a tag to names without one."""
        name = self._untagged(request.model)
        return request if name == request.model else msgspec.structs.replace(request, model=name)

    def _untagged(self, name: str | None) -> str | None:
        if name is None or not name.endswith(LATEST):
            return name
        there = any(name in {model.model, model.id} for model in self._view.models().models)
        return name if there else name.removesuffix(LATEST)

    def _head(self, model: str, *, completion: bool) -> Head:
        return Head(model, datetime.fromtimestamp(self._clock.wall_s(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), completion)

    def _durations(self, exchange: Exchange, first_s: float) -> Durations:
        now_s = self._clock.monotonic_s()
        since_s = exchange.received_s
        return Durations(round((now_s - since_s) * _NS), round((first_s - since_s) * _NS), round((now_s - first_s) * _NS))

    # Embeddings.

    async def _embed(self, call: Call) -> None:
        request = translated(embed_request, await call.json_object())
        if not request.inputs:
            self._view.identify(credentials_of(call.scope))
            await call.reply(_encode({"model": request.model, "embeddings": []}))
            return
        exchange = self._embedding(call, request)
        chunks = await run(call.calls.gateway.way, exchange)
        vectors_of(request, chunks)
        name_dropped(exchange, self._view, dropped, CALLED)
        total_ns = self._durations(exchange, exchange.received_s).total_ns
        await call.respond(exchange, embeddings(model_of(exchange), chunks, exchange.usage, total_ns))

    async def _embeddings(self, call: Call) -> None:
        request = translated(embeddings_request, await call.json_object())
        if not request.inputs:
            self._view.identify(credentials_of(call.scope))
            await call.reply(_encode({"embedding": []}))
            return
        exchange = self._embedding(call, request)
        found = vectors_of(request, await run(call.calls.gateway.way, exchange))
        name_dropped(exchange, self._view, dropped, CALLED)
        await call.respond(exchange, _encode({"embedding": found[0]}))

    def _embedding(self, call: Call, request: EmbeddingRequest) -> Exchange:
        name = self._untagged(request.model)
        return call.exchange(msgspec.structs.replace(request, model=name), INGRESS, None, force_refresh=False)

    # Models.

    async def _tags(self, call: Call) -> None:
        models = [_tag(name, found) for name, found in known_models(call, self._view, PROTOCOL)]
        await call.reply(_encode({"models": models}))

    async def _show(self, call: Call) -> None:
        body = await call.json_object()
        name = body.get("model") or body.get("name")
        if not isinstance(name, str):
            raise InvalidRequest("model: expected the name of a model", param="model")
        await call.reply(_encode(_shown(self._find(call, name))))

    def _find(self, call: Call, name: str) -> ModelDocument | None:
        """What is known of a model that this caller can ask for; None where the choice is the gateway's.

        Raises:
            UnknownModel: it is not there.
        """
        wanted = {name, name.removesuffix(LATEST), name + LATEST}
        for known, found in known_models(call, self._view, PROTOCOL):
            if known in wanted or (found is not None and (found.id in wanted or found.model in wanted)):
                return found
        if asked(name) is None:
            return None
        raise UnknownModel(f"model {name[:64]!r} not found: GET /api/tags lists those that there are", param="model")

    async def _version(self, call: Call) -> None:
        await call.reply(_encode({"version": API_VERSION}))

    async def _running(self, call: Call) -> None:
        """Nothing is loaded in the gateway itself."""
        self._view.identify(credentials_of(call.scope))
        await call.reply(_encode({"models": []}))

    async def _unmanaged(self, call: Call) -> None:
        self._view.identify(credentials_of(call.scope))
        raise InvalidRequest("the gateway manages no models: ask the Ollama server itself", code="unsupported")


def _details(found: ModelDocument | None) -> JsonObject:
    family = found.provider if found is not None else ""
    families: list[Json] = [family] if family else []
    return {"parent_model": "", "format": "", "family": family, "families": families, "parameter_size": "", "quantization_level": ""}


def _tag(name: str, found: ModelDocument | None) -> JsonObject:
    """A row of the list. The digest stands for the name: the gateway has no weights to take one of."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"name": name, "model": name, "modified_at": UNKNOWN_DATE, "size": 0, "digest": digest, "details": _details(found)}


def _shown(found: ModelDocument | None) -> JsonObject:
    embeds = found is not None and "embed" in found.model.lower()
    family = found.provider if found is not None else "auto"
    info: JsonObject = {"general.architecture": family}
    if found is not None and found.context_window is not None:
        info[f"{family}.context_length"] = found.context_window
    capabilities: list[Json] = ["embedding"] if embeds else ["completion", "tools"]
    return {
        "license": "", "modelfile": "", "parameters": "", "template": "", "details": _details(found), "model_info": info,
        "capabilities": capabilities, "modified_at": UNKNOWN_DATE,
    }  # fmt: skip
