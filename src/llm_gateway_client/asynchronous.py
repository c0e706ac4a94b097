"""The client that speaks with `await`. `synchronous.py` has the same without: what is said stands in `asks.py` for both."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from llm_gateway_client import asks
from llm_gateway_client import documents as doc
from llm_gateway_client.errors import GatewayError, error_of
from llm_gateway_client.frames import Frames, Steps
from llm_gateway_client.results import Embeddings, Frame, OperationResult, Progress, QueryResult, UploadedDocument
from llm_gateway_client.retries import Retries
from llm_gateway_client.talk import DEFAULT_URL, Talk, built, document_of

T = TypeVar("T")


class AsyncGatewayClient:
    """Speaks to a gateway with `await`. Keep one and share it; close it (or use it as a context) at the end.

    Every method raises `GatewayError` and its kinds. Times are in seconds: `timeout_s` is the longest silence. Calls that fail for
    reasons that pass are made again as `retries` says; model calls carry an `Idempotency-Key`, so none is paid for twice.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        user_id: str | None = None,
        timeout_s: float = 300,
        connect_timeout_s: float = 5,
        retries: Retries | None = None,
        correlation_id: str | None = None,
    ) -> None:
        self._talk = Talk(base_url, api_key, user_id, correlation_id)
        self._retries = retries or Retries()
        self._client: Client = built(ClientBuilder(), timeout_s, connect_timeout_s).build()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    @property
    def _keyed(self) -> bool:
        return self._retries.most > 0

    async def call(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Any JSON endpoint: the document it answers. A GET is made again when it fails for reasons that pass."""
        ask: asks.Ask[dict[str, Any]] = asks.Ask(method, path, lambda _: {}, body, headers or {}, idempotent=method == "GET")
        return await self._document(ask)

    async def _document(self, ask: "asks.Ask[Any]") -> dict[str, Any]:
        made = 0
        while True:
            try:
                status, content, retry_after = await self._send(ask.method, ask.path, ask.body, ask.headers)
                return document_of(status, content, retry_after, reads_failures=ask.reads_failures)
            except GatewayError as failure:
                made += 1
                await self._wait(failure, made, ask)

    async def _wait(self, failure: GatewayError, made: int, ask: "asks.Ask[Any]") -> None:
        """Wait for the time to make a call again; raises its failure when that is not to be."""
        wait_s = self._retries.wait_s(failure, made, idempotent=ask.idempotent, uniform=random.uniform)
        if wait_s is None:
            raise failure
        await asyncio.sleep(wait_s)

    async def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes, str | None]:
        request = self._client.request(method, self._talk.url(path)).headers(self._talk.headers(headers))
        if body is not None:
            request = request.body_bytes(body)
        try:
            response = await request.build().send()
            return response.status, bytes(await response.bytes()), response.get_header("retry-after")
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure

    async def _do(self, ask: asks.Ask[T]) -> T:
        return ask.result(await self._document(ask))

    async def _pieces(self, ask: asks.Ask[Any]) -> AsyncIterator[bytes]:
        """The pieces of a streamed answer; until the first one has come, the call is made again like any other."""
        made = 0
        while True:
            begun = False
            try:
                async for piece in self._stream(ask):
                    begun = True
                    yield piece
                return
            except GatewayError as failure:
                if begun:
                    raise
                made += 1
                await self._wait(failure, made, ask)

    async def _stream(self, ask: asks.Ask[Any]) -> AsyncIterator[bytes]:
        headers = self._talk.headers({"accept": "text/event-stream", **ask.headers})
        request = self._client.request(ask.method, self._talk.url(ask.path)).headers(headers).body_bytes(ask.body or b"")
        request = request.streamed_read_buffer_limit(0)  # else nothing is handed on before 64 KiB have come
        try:
            async with request.build_streamed() as response:
                if response.status != 200:
                    raise error_of(response.status, bytes(await response.bytes()), response.get_header("retry-after"))
                while (data := await response.body_reader.read_chunk()) is not None:
                    yield bytes(data)
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure

    # Model calls

    async def query(self, prompt: str, **fields: Unpack[asks.QueryFields]) -> QueryResult:
        """`POST /query`: one question, one answer."""
        return await self._do(asks.query(prompt, fields, key=self._keyed))

    async def chat(self, prompt: str, conversation_id: str | None = None, **fields: Unpack[asks.QueryFields]) -> QueryResult:
        """`POST /chat`: the gateway remembers the conversation of that id; without one it begins one and names it."""
        return await self._do(asks.chat(prompt, conversation_id, fields, key=self._keyed))

    async def embeddings(self, text: str | list[str], **fields: Unpack[asks.EmbeddingFields]) -> Embeddings:
        """`POST /embeddings`: a vector for each text."""
        return await self._do(asks.embeddings(text, fields, key=self._keyed))

    async def stream(self, prompt: str, **fields: Unpack[asks.QueryFields]) -> AsyncIterator[Frame]:
        """`POST /stream`: the answer's frames as they come. A stream that breaks off raises GatewayUnavailable."""
        frames = Frames()
        async for data in self._pieces(asks.stream(prompt, fields, key=self._keyed)):
            for frame in frames.feed(data):
                yield frame
        frames.end()

    async def explain(self, prompt: str, *, strategy: str | None = None, **fields: Unpack[asks.QueryFields]) -> doc.Explanation:
        """`POST /route/explain`: what would happen to a query, and why; nothing is sent to a provider."""
        return await self._do(asks.explain(prompt, strategy, fields))

    # The integrated services

    async def enhanced_query(self, prompt: str, **fields: Any) -> QueryResult:
        """`POST /enhanced-query`: a query with what the integrated services know; `integrations` says which took part."""
        return await self._do(asks.enhanced_query(prompt, fields))

    async def contextual_query(self, prompt: str, **fields: Any) -> QueryResult:
        """`POST /contextual-query`: a query with history, documents (`context={"search_terms": ...}`) and a better prompt."""
        return await self._do(asks.contextual_query(prompt, fields))

    async def workflow_query(self, prompt: str, workflow_type: str, **fields: Any) -> QueryResult:
        """`POST /workflow-query`: a query answered by a workflow of that type."""
        return await self._do(asks.workflow_query(prompt, workflow_type, fields, progress=False))

    async def workflow_progress(self, prompt: str, workflow_type: str, **fields: Any) -> AsyncIterator[Progress]:
        """`POST /workflow-query`, its events as they come; the last has the answer."""
        steps = Steps()
        async for data in self._pieces(asks.workflow_query(prompt, workflow_type, fields, progress=True)):
            for step in steps.feed(data):
                yield step
        steps.end()

    async def integrate(self, service: str, operation: str, **fields: Any) -> OperationResult:
        """`POST /integrations/{service}/{operation}`: an operation of an integrated service, its fields by name."""
        return await self._do(asks.integrate(service, operation, fields))

    async def integrations(self) -> doc.Integrations:
        """`GET /integrations`: the services and their operations, with JSON schemas."""
        return await self._do(asks.integrations())

    async def services_status(self) -> doc.ServicesStatus:
        """`GET /services/status`: how the integrated services fare."""
        return await self._do(asks.services_status())

    async def upload_document(
        self,
        content: bytes,
        filename: str,
        *,
        title: str | None = None,
        doc_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        media_type: str = "application/octet-stream",
        user_id: str | None = None,
    ) -> UploadedDocument:
        """`POST /documents`: a file (text, Markdown, HTML, PDF, DOCX) is read and kept in doc_store."""
        values = {"title": title, "doc_id": doc_id, "metadata": metadata, "user_id": user_id}
        return await self._do(asks.upload_document(content, filename, values, media_type))

    # Conversations

    async def conversation(self, conversation_id: str, *, user_id: str | None = None) -> doc.Conversation:
        """`GET /conversations/{id}`: a conversation with its turns, for its owner."""
        return await self._do(asks.conversation(conversation_id, user_id))

    async def conversations(
        self, *, user_id: str | None = None, before: float | None = None, limit: int | None = None
    ) -> doc.Conversations:  # fmt: skip
        """`GET /conversations`: a page of the caller's conversations."""
        return await self._do(asks.conversations(user_id, before, limit))

    async def erase_conversation(self, conversation_id: str, *, user_id: str | None = None) -> None:
        """`DELETE /conversations/{id}`: erase a conversation, for its owner."""
        await self._do(asks.erase_conversation(conversation_id, user_id))

    # How the gateway fares

    async def providers(self) -> doc.Providers:
        """`GET /providers`: the configured providers and their state."""
        return await self._do(asks.providers())

    async def provider_limits(self, provider: str) -> doc.Document:
        """`GET /providers/{provider}/limits`: where a provider stands with its own limits."""
        return await self._do(asks.provider_limits(provider))

    async def models(self) -> doc.Models:
        """`GET /models`: the models that can be asked for."""
        return await self._do(asks.models())

    async def health(self) -> doc.Health:
        """`GET /health`: whether the process lives."""
        return await self._do(asks.health())

    async def ready(self) -> doc.Readiness:
        """`GET /health/ready`: whether it can take traffic. A gateway that cannot is an answer, no error."""
        return await self._do(asks.ready())

    async def detailed_health(self) -> doc.DetailedHealth:
        """`GET /health/detailed`: health with every provider."""
        return await self._do(asks.detailed_health())

    async def metrics(self) -> doc.Metrics:
        """`GET /metrics`: usage, cost and error figures since the start."""
        return await self._do(asks.metrics())

    async def prometheus(self) -> str:
        """`GET /metrics/prometheus`: the figures as Prometheus reads them."""
        status, content, retry_after = await self._send("GET", "/metrics/prometheus", None, {"accept": "text/plain"})
        if status != 200:
            raise error_of(status, content, retry_after)
        return content.decode()

    async def performance(self, *, since: str | None = None, slowest: int | None = None) -> doc.Document:
        """`GET /metrics/performance`: percentiles by provider and model, and the slowest requests."""
        return await self._do(asks.performance(since, slowest))

    async def timeseries(self, *, minutes: int | None = None) -> doc.Document:
        """`GET /metrics/timeseries`: the last minutes, one by one."""
        return await self._do(asks.timeseries(minutes))

    async def costs(self, *, since: str | None = None, until: str | None = None, limit: int | None = None) -> doc.Costs:
        """`GET /metrics/costs`: usage and cost by provider, model, caller, key and day."""
        return await self._do(asks.costs(since, until, limit))

    async def usage(self, *, since: str | None = None, until: str | None = None, user_id: str | None = None) -> doc.Usage:
        """`GET /usage`: what the caller used, and what its budgets have left."""
        return await self._do(asks.usage(since, until, user_id))

    async def requests(self, **filters: Any) -> doc.Document:
        """`GET /requests`: requests on record, newest first."""
        return await self._do(asks.requests(filters))

    async def request(self, correlation_id: str) -> doc.Document:
        """`GET /requests/{id}`: what became of a request, and why."""
        return await self._do(asks.request(correlation_id))

    async def cache_status(self) -> doc.CacheStatus:
        """`GET /cache/status`: what the cache holds, and what it has saved."""
        return await self._do(asks.cache_status())

    async def clear_cache(self, *, pattern: str | None = None, user_id: str | None = None) -> doc.CacheCleared:
        """`POST /cache/clear`: forget cached answers; without arguments all that are the caller's to clear."""
        return await self._do(asks.clear_cache(pattern, user_id))

    async def limit_status(self, *, user_id: str | None = None) -> doc.LimitStatus:
        """`GET /rate-limit/status`: limits, what is used, and when there is more."""
        return await self._do(asks.limit_status(user_id))

    # For administrators: `api_key` is the admin token

    async def reset_limits(self, **whose: Any) -> doc.LimitsReset:
        """`POST /admin/reset-limits`: forget what an account has counted (user_id, key_id, provider, model, overall)."""
        return await self._do(asks.reset_limits(whose))

    async def create_key(self, name: str, **fields: Unpack[asks.KeyFields]) -> doc.NewApiKey:
        """`POST /admin/keys`: make an API key; it is shown this once."""
        return await self._do(asks.create_key(name, fields))

    async def keys(self, *, owner: str | None = None, after: str | None = None, limit: int | None = None) -> doc.ApiKeys:
        """`GET /admin/keys`: a page of keys, without their secrets."""
        return await self._do(asks.keys(owner, after, limit))

    async def revoke_key(self, key_id: str) -> doc.ApiKey:
        """`DELETE /admin/keys/{id}`: take a key back, for good."""
        return await self._do(asks.revoke_key(key_id))

    async def budgets(self) -> doc.Budgets:
        """`GET /admin/budgets`: budgets and where they stand."""
        return await self._do(asks.budgets())

    async def create_budget(self, name: str, limit_usd: str, **fields: Unpack[asks.BudgetFields]) -> doc.Budget:
        """`POST /admin/budgets`: make a budget; `limit_usd` is a decimal in text, so that it stays exact."""
        return await self._do(asks.create_budget(name, limit_usd, fields))

    async def change_budget(self, name: str, **changes: Any) -> doc.Budget:
        """`PATCH /admin/budgets/{name}`: change a budget."""
        return await self._do(asks.change_budget(name, changes))

    async def remove_budget(self, name: str) -> None:
        """`DELETE /admin/budgets/{name}`: remove a budget."""
        await self._do(asks.remove_budget(name))

    async def audit(self, **filters: Unpack[asks.AuditFilters]) -> doc.AuditPage:
        """`GET /audit`: a page of the audit trail, newest first."""
        return await self._do(asks.audit(filters))

    async def verify_audit(self) -> doc.AuditVerdict:
        """`GET /audit/verify`: whether the trail is whole."""
        return await self._do(asks.verify_audit())
