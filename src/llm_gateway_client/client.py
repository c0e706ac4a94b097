"""The two clients: one speaks with await, one without. What is said is the same and stands in `_Talk`."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from pyreqwest.client import Client, ClientBuilder, SyncClient, SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError

from llm_gateway_client.errors import GatewayError, GatewayUnavailable, ServiceFailed, error_of
from llm_gateway_client.results import Embeddings, Frame, QueryResult, embeddings_result, query_result

DEFAULT_URL = "http://localhost:5055"


class _Talk:
    """What both clients say: addresses, headers, bodies."""

    def __init__(self, base_url: str, api_key: str | None, user_id: str | None) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers = {"content-type": "application/json"}
        if api_key:
            self.headers["authorization"] = f"Bearer {api_key}"
        if user_id:
            self.headers["x-user-id"] = user_id

    def url(self, path: str) -> str:
        return self.base_url + path

    def unreachable(self, failure: Exception) -> GatewayUnavailable:
        return GatewayUnavailable(f"no answer from the gateway at {self.base_url}: {type(failure).__name__}")


def _body(prompt: str, fields: dict[str, Any]) -> bytes:
    return json.dumps({"prompt": prompt} | {name: value for name, value in fields.items() if value is not None}).encode()


def _document(status: int, body: bytes, retry_after: str | None) -> dict[str, Any]:
    if not 200 <= status < 300:
        raise error_of(status, body, retry_after)
    try:
        document = json.loads(body)
    except ValueError:
        raise error_of(502, body) from None
    if not isinstance(document, dict):
        raise error_of(502, body)
    return document


class _Frames:
    """Takes a stream's bytes apart into frames."""

    def __init__(self) -> None:
        self._held = b""
        self.done = False

    def feed(self, data: bytes) -> list[Frame]:
        *events, self._held = (self._held + data).split(b"\n\n")
        frames = []
        for event in events:
            if not event.startswith(b"data: "):
                continue
            if event == b"data: [DONE]":
                self.done = True
                continue
            document = json.loads(event[6:])
            if "error" in document:
                raise error_of(None, event[6:])
            frames.append(Frame(document["chunk"], document["finished"], document))
        return frames

    def end(self) -> None:
        if not self.done:
            raise ServiceFailed("the stream broke off before its end")


class AsyncGatewayClient:
    """Speaks to a gateway with `await`. Keep one and share it; close it (or use it as a context) at the end.

    Raises `GatewayError` and its kinds; times are in seconds.
    """

    def __init__(
        self, base_url: str = DEFAULT_URL, *, api_key: str | None = None, user_id: str | None = None, timeout_s: float = 300
    ) -> None:
        self._talk = _Talk(base_url, api_key, user_id)
        self._client: Client = ClientBuilder().no_proxy().read_timeout(timedelta(seconds=timeout_s)).build()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Any JSON endpoint: the document it answers."""
        request = self._client.request(method, self._talk.url(path)).headers(self._talk.headers | (headers or {}))
        if body is not None:
            request = request.body_bytes(body)
        try:
            response = await request.build().send()
            content = bytes(await response.bytes())
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure
        return _document(response.status, content, response.get_header("retry-after"))

    async def query(self, prompt: str, **fields: Any) -> QueryResult:
        """`POST /query`; `fields` are its further fields (provider, model, temperature, max_tokens, ...)."""
        return query_result(await self.call("POST", "/query", _body(prompt, fields)))

    async def chat(self, prompt: str, conversation_id: str | None = None, **fields: Any) -> QueryResult:
        """`POST /chat`: the gateway remembers the conversation of that id."""
        return query_result(await self.call("POST", "/chat", _body(prompt, fields | {"conversation_id": conversation_id})))

    async def embeddings(self, text: str | list[str], **fields: Any) -> Embeddings:
        """`POST /embeddings`."""
        return embeddings_result(await self.call("POST", "/embeddings", json.dumps({"text": text} | fields).encode()))

    async def stream(self, prompt: str, **fields: Any) -> AsyncIterator[Frame]:
        """`POST /stream`: the answer's frames as they come."""
        frames = _Frames()
        request = self._client.post(self._talk.url("/stream")).headers(self._talk.headers).body_bytes(_body(prompt, fields))
        try:
            async with request.build_streamed() as response:
                if response.status != 200:
                    raise error_of(response.status, bytes(await response.bytes()), response.get_header("retry-after"))
                while (data := await response.body_reader.read_chunk()) is not None:
                    for frame in frames.feed(bytes(data)):
                        yield frame
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure
        frames.end()


class GatewayClient:
    """Speaks to a gateway without `await`; otherwise like `AsyncGatewayClient`."""

    def __init__(
        self, base_url: str = DEFAULT_URL, *, api_key: str | None = None, user_id: str | None = None, timeout_s: float = 300
    ) -> None:
        self._talk = _Talk(base_url, api_key, user_id)
        self._client: SyncClient = SyncClientBuilder().no_proxy().read_timeout(timedelta(seconds=timeout_s)).build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Any JSON endpoint: the document it answers."""
        request = self._client.request(method, self._talk.url(path)).headers(self._talk.headers | (headers or {}))
        if body is not None:
            request = request.body_bytes(body)
        try:
            response = request.build().send()
            content = bytes(response.bytes())
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure
        return _document(response.status, content, response.get_header("retry-after"))

    def query(self, prompt: str, **fields: Any) -> QueryResult:
        """`POST /query`; `fields` are its further fields (provider, model, temperature, max_tokens, ...)."""
        return query_result(self.call("POST", "/query", _body(prompt, fields)))

    def chat(self, prompt: str, conversation_id: str | None = None, **fields: Any) -> QueryResult:
        """`POST /chat`: the gateway remembers the conversation of that id."""
        return query_result(self.call("POST", "/chat", _body(prompt, fields | {"conversation_id": conversation_id})))

    def embeddings(self, text: str | list[str], **fields: Any) -> Embeddings:
        """`POST /embeddings`."""
        return embeddings_result(self.call("POST", "/embeddings", json.dumps({"text": text} | fields).encode()))

    def stream(self, prompt: str, **fields: Any) -> Iterator[Frame]:
        """`POST /stream`: the answer's frames as they come."""
        frames = _Frames()
        request = self._client.post(self._talk.url("/stream")).headers(self._talk.headers).body_bytes(_body(prompt, fields))
        try:
            with request.build_streamed() as response:
                if response.status != 200:
                    raise error_of(response.status, bytes(response.bytes()), response.get_header("retry-after"))
                while (data := response.body_reader.read_chunk()) is not None:
                    yield from frames.feed(bytes(data))
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure
        frames.end()


__all__ = ["DEFAULT_URL", "AsyncGatewayClient", "GatewayClient", "GatewayError"]
