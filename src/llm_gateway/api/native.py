"""The native model-call API: `/query`, `/chat`, `/stream`, `/embeddings`. Bare ASGI: this is the hot path."""

from os import urandom
from typing import Any, Protocol

import msgspec

from llm_gateway.api.accounting import account, accounting
from llm_gateway.api.asgi import Handler
from llm_gateway.api.call import Call, Calls, Ending, Ingress, KeepAlive, Unary, decoded, run
from llm_gateway.api.dropin import put_dropped, vectors_of
from llm_gateway.api.errors import NativeDialect
from llm_gateway.api.native_schema import ChatBody, EmbeddingsBody, QueryBody, chat_request, embedding_request
from llm_gateway.core.clock import Clock
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.ids import ulid
from llm_gateway.core.routing import Target
from llm_gateway.core.types import Chunk, Request, ToolCallDelta

_encode = msgspec.json.Encoder().encode
_query_decoder = msgspec.json.Decoder(QueryBody)
_chat_decoder = msgspec.json.Decoder(ChatBody)
_embeddings_decoder = msgspec.json.Decoder(EmbeddingsBody)


class View(Protocol):
    """What these endpoints need of the gateway beside the way of a request; asked anew for each."""

    def untold(self, target: Target, request: Request) -> frozenset[str]:
        """The fields of a request that a target is not told."""
        ...


class NativeApi:
    """Handlers of the native model calls."""

    def __init__(self, calls: Calls, clock: Clock, view: View) -> None:
        self._clock = clock
        self._view = view
        handler = Ingress(calls, clock, NativeDialect()).handler
        self.handlers: dict[str, Handler] = {
            "/query": handler(Unary(self._query, self._told).serve),
            "/chat": handler(Unary(self._chat, self._told).serve),
            "/stream": handler(self._stream),
            "/embeddings": handler(self._embeddings),
        }

    def _query(self, call: Call, data: bytes) -> Exchange:
        body = decoded(data, _query_decoder, QueryBody.__struct_fields__)
        return call.exchange(chat_request(body, stream=False), "native", body.user_id, force_refresh=body.force_refresh)

    def _chat(self, call: Call, data: bytes) -> Exchange:
        body = decoded(data, _chat_decoder, ChatBody.__struct_fields__)
        exchange = call.exchange(chat_request(body, stream=False), "native", body.user_id, force_refresh=body.force_refresh)
        exchange.conversation_id = body.conversation_id or "conv_" + ulid(self._clock.wall_s(), urandom)
        return exchange

    def _name_dropped(self, exchange: Exchange) -> None:
        if exchange.chosen is not None and (names := self._view.untold(exchange.chosen.target, exchange.request)):
            put_dropped(exchange, names)

    async def _embeddings(self, call: Call) -> None:
        body = await call.decode(_embeddings_decoder, EmbeddingsBody.__struct_fields__)
        request = embedding_request(body)
        exchange = call.exchange(request, "native", body.user_id, force_refresh=False)
        chunks = await run(call.calls.gateway.way, exchange)
        vectors = vectors_of(request, chunks)
        document = {
            "embeddings": vectors[0] if isinstance(body.text, str) else vectors,
            **_target(exchange),
            "dimensions": len(vectors[0]),
            **accounting(exchange),
        }
        await call.respond(exchange, _encode(document))

    async def _stream(self, call: Call) -> None:
        body = await call.decode(_query_decoder, QueryBody.__struct_fields__)
        exchange = call.exchange(chat_request(body, stream=True), "native", body.user_id, force_refresh=body.force_refresh)
        with KeepAlive(call, exchange) as keep_alive:
            async with Ending(exchange):
                reply = await call.calls.gateway.way(exchange)
                self._name_dropped(exchange)
                await call.start_stream(exchange)
                async for chunk in reply:
                    if chunk.text or chunk.tool_calls:
                        await call.write(_event({"chunk": chunk.text, "finished": False, **_tool_pieces(chunk.tool_calls)}))
                        keep_alive.touch()
            final = {"chunk": "", "finished": True, **_target(exchange), "finish_reason": exchange.finish_reason, **accounting(exchange)}
            await call.end_stream(_event(final) + b"data: [DONE]\n\n")

    def _told(self, _: Call, exchange: Exchange, chunks: list[Chunk]) -> bytes:
        """The answer's document; what the provider was not told of the request goes to the headers."""
        self._name_dropped(exchange)
        target = exchange.chosen.target if exchange.chosen else None
        document: dict[str, Any] = {
            "response": chunks[0].text if len(chunks) == 1 else "".join([chunk.text for chunk in chunks]),
            "provider": target.provider if target else None,
            "model": target.model if target else None,
            "finish_reason": exchange.finish_reason,
            "processing_time": int((self._clock.monotonic_s() - exchange.received_s) * 1e6 + 0.5) / 1e6,
        }
        account(exchange, document)
        for chunk in chunks:
            if chunk.tool_calls:
                document["tool_calls"] = _whole_calls([call for each in chunks for call in each.tool_calls])
                break
        if exchange.conversation_id is not None:
            document["conversation_id"] = exchange.conversation_id
        return _encode(document)


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + _encode(document) + b"\n\n"


def _target(exchange: Exchange) -> dict[str, str]:
    target = exchange.chosen.target if exchange.chosen else None
    return {"provider": target.provider, "model": target.model} if target else {}


def _tool_pieces(pieces: tuple[ToolCallDelta, ...]) -> dict[str, Any]:
    return {"tool_calls": [{"index": p.index, "id": p.id, "name": p.name, "arguments": p.arguments} for p in pieces]} if pieces else {}


def _whole_calls(pieces: list[ToolCallDelta]) -> list[dict[str, str]]:
    whole: dict[int, dict[str, str]] = {}
    for piece in pieces:
        call = whole.setdefault(piece.index, {"id": piece.id, "name": piece.name, "arguments": ""})
        call["arguments"] += piece.arguments
    return list(whole.values())
