"""The client that speaks without `await`: `asynchronous.py`, method for method (a test compares them)."""

import random
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError

from llm_gateway_client import asks
from llm_gateway_client import documents as doc
from llm_gateway_client.errors import GatewayError, error_of
from llm_gateway_client.frames import Frames, Steps
from llm_gateway_client.results import Embeddings, Frame, OperationResult, Progress, QueryResult, UploadedDocument
from llm_gateway_client.retries import Retries
from llm_gateway_client.talk import DEFAULT_URL, Talk, built, document_of

T = TypeVar("T")


class GatewayClient:
    """Speaks to a gateway without `await`. Keep one and share it; close it (or use it as a context) at the end.

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
        self._client: SyncClient = built(SyncClientBuilder(), timeout_s, connect_timeout_s).build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    @property
    def _keyed(self) -> bool:
        return self._retries.most > 0

    def call(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Any JSON endpoint: the document it answers. A GET is made again when it fails for reasons that pass."""
        ask: asks.Ask[dict[str, Any]] = asks.Ask(method, path, lambda _: {}, body, headers or {}, idempotent=method == "GET")
        return self._document(ask)

    def _document(self, ask: "asks.Ask[Any]") -> dict[str, Any]:
        made = 0
        while True:
            try:
                status, content, retry_after = self._send(ask.method, ask.path, ask.body, ask.headers)
                return document_of(status, content, retry_after, reads_failures=ask.reads_failures)
            except GatewayError as failure:
                made += 1
                self._wait(failure, made, ask)

    def _wait(self, failure: GatewayError, made: int, ask: "asks.Ask[Any]") -> None:
        """Wait for the time to make a call again; raises its failure when that is not to be."""
        wait_s = self._retries.wait_s(failure, made, idempotent=ask.idempotent, uniform=random.uniform)
        if wait_s is None:
            raise failure
        time.sleep(wait_s)

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes, str | None]:
        request = self._client.request(method, self._talk.url(path)).headers(self._talk.headers(headers))
        if body is not None:
            request = request.body_bytes(body)
        try:
            response = request.build().send()
            return response.status, bytes(response.bytes()), response.get_header("retry-after")
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure

    def _do(self, ask: asks.Ask[T]) -> T:
        return ask.result(self._document(ask))

    def _pieces(self, ask: asks.Ask[Any]) -> Iterator[bytes]:
        """The pieces of a streamed answer; until the first one has come, the call is made again like any other."""
        made = 0
        while True:
            begun = False
            try:
                for piece in self._stream(ask):
                    begun = True
                    yield piece
                return
            except GatewayError as failure:
                if begun:
                    raise
                made += 1
                self._wait(failure, made, ask)

    def _stream(self, ask: asks.Ask[Any]) -> Iterator[bytes]:
        headers = self._talk.headers({"accept": "text/event-stream", **ask.headers})
        request = self._client.request(ask.method, self._talk.url(ask.path)).headers(headers).body_bytes(ask.body or b"")
        request = request.streamed_read_buffer_limit(0)  # else nothing is handed on before 64 KiB have come
        try:
            with request.build_streamed() as response:
                if response.status != 200:
                    raise error_of(response.status, bytes(response.bytes()), response.get_header("retry-after"))
                while (data := response.body_reader.read_chunk()) is not None:
                    yield bytes(data)
        except PyreqwestError as failure:
            raise self._talk.unreachable(failure) from failure

    # Model calls

    def query(self, prompt: str, **fields: Unpack[asks.QueryFields]) -> QueryResult:
        """`POST /query`: one question, one answer."""
        return self._do(asks.query(prompt, fields, key=self._keyed))

    def chat(self, prompt: str, conversation_id: str | None = None, **fields: Unpack[asks.QueryFields]) -> QueryResult:
        """`POST /chat`: the gateway remembers the conversation of that id; without one it begins one and names it."""
        return self._do(asks.chat(prompt, conversation_id, fields, key=self._keyed))

    def embeddings(self, text: str | list[str], **fields: Unpack[asks.EmbeddingFields]) -> Embeddings:
        """`POST /embeddings`: a vector for each text."""
        return self._do(asks.embeddings(text, fields, key=self._keyed))

    def stream(self, prompt: str, **fields: Unpack[asks.QueryFields]) -> Iterator[Frame]:
        """`POST /stream`: the answer's frames as they come. A stream that breaks off raises GatewayUnavailable."""
        frames = Frames()
        for data in self._pieces(asks.stream(prompt, fields, key=self._keyed)):
            yield from frames.feed(data)
        frames.end()

    def explain(self, prompt: str, *, strategy: str | None = None, **fields: Unpack[asks.QueryFields]) -> doc.Explanation:
        """`POST /route/explain`: what would happen to a query, and why; nothing is sent to a provider."""
        return self._do(asks.explain(prompt, strategy, fields))

    # The integrated services

    def enhanced_query(self, prompt: str, **fields: Any) -> QueryResult:
        """`POST /enhanced-query`: a query with what the integrated services know; `integrations` says which took part."""
        return self._do(asks.enhanced_query(prompt, fields))

    def contextual_query(self, prompt: str, **fields: Any) -> QueryResult:
        """`POST /contextual-query`: a query with history, documents (`context={"search_terms": ...}`) and a better prompt."""
        return self._do(asks.contextual_query(prompt, fields))

    def workflow_query(self, prompt: str, workflow_type: str, **fields: Any) -> QueryResult:
        """`POST /workflow-query`: a query answered by a workflow of that type."""
        return self._do(asks.workflow_query(prompt, workflow_type, fields, progress=False))

    def workflow_progress(self, prompt: str, workflow_type: str, **fields: Any) -> Iterator[Progress]:
        """`POST /workflow-query`, its events as they come; the last has the answer."""
        steps = Steps()
        for data in self._pieces(asks.workflow_query(prompt, workflow_type, fields, progress=True)):
            yield from steps.feed(data)
        steps.end()

    def integrate(self, service: str, operation: str, **fields: Any) -> OperationResult:
        """`POST /integrations/{service}/{operation}`: an operation of an integrated service, its fields by name."""
        return self._do(asks.integrate(service, operation, fields))

    def integrations(self) -> doc.Integrations:
        """`GET /integrations`: the services and their operations, with JSON schemas."""
        return self._do(asks.integrations())

    def services_status(self) -> doc.ServicesStatus:
        """`GET /services/status`: how the integrated services fare."""
        return self._do(asks.services_status())

    def upload_document(
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
        return self._do(asks.upload_document(content, filename, values, media_type))

    # Conversations

    def conversation(self, conversation_id: str, *, user_id: str | None = None) -> doc.Conversation:
        """`GET /conversations/{id}`: a conversation with its turns, for its owner."""
        return self._do(asks.conversation(conversation_id, user_id))

    def conversations(
        self, *, user_id: str | None = None, before: float | None = None, limit: int | None = None
    ) -> doc.Conversations:  # fmt: skip
        """`GET /conversations`: a page of the caller's conversations."""
        return self._do(asks.conversations(user_id, before, limit))

    def erase_conversation(self, conversation_id: str, *, user_id: str | None = None) -> None:
        """`DELETE /conversations/{id}`: erase a conversation, for its owner."""
        self._do(asks.erase_conversation(conversation_id, user_id))

    # How the gateway fares

    def providers(self) -> doc.Providers:
        """`GET /providers`: the configured providers and their state."""
        return self._do(asks.providers())

    def provider_limits(self, provider: str) -> doc.Document:
        """`GET /providers/{provider}/limits`: where a provider stands with its own limits."""
        return self._do(asks.provider_limits(provider))

    def models(self) -> doc.Models:
        """`GET /models`: the models that can be asked for."""
        return self._do(asks.models())

    def health(self) -> doc.Health:
        """`GET /health`: whether the process lives."""
        return self._do(asks.health())

    def ready(self) -> doc.Readiness:
        """`GET /health/ready`: whether it can take traffic. A gateway that cannot is an answer, no error."""
        return self._do(asks.ready())

    def detailed_health(self) -> doc.DetailedHealth:
        """`GET /health/detailed`: health with every provider."""
        return self._do(asks.detailed_health())

    def metrics(self) -> doc.Metrics:
        """`GET /metrics`: usage, cost and error figures since the start."""
        return self._do(asks.metrics())

    def prometheus(self) -> str:
        """`GET /metrics/prometheus`: the figures as Prometheus reads them."""
        status, content, retry_after = self._send("GET", "/metrics/prometheus", None, {"accept": "text/plain"})
        if status != 200:
            raise error_of(status, content, retry_after)
        return content.decode()

    def performance(self, *, since: str | None = None, slowest: int | None = None) -> doc.Document:
        """`GET /metrics/performance`: percentiles by provider and model, and the slowest requests."""
        return self._do(asks.performance(since, slowest))

    def timeseries(self, *, minutes: int | None = None) -> doc.Document:
        """`GET /metrics/timeseries`: the last minutes, one by one."""
        return self._do(asks.timeseries(minutes))

    def costs(self, *, since: str | None = None, until: str | None = None, limit: int | None = None) -> doc.Costs:
        """`GET /metrics/costs`: usage and cost by provider, model, caller, key and day."""
        return self._do(asks.costs(since, until, limit))

    def usage(self, *, since: str | None = None, until: str | None = None, user_id: str | None = None) -> doc.Usage:
        """`GET /usage`: what the caller used, and what its budgets have left."""
        return self._do(asks.usage(since, until, user_id))

    def requests(self, **filters: Any) -> doc.Document:
        """`GET /requests`: requests on record, newest first."""
        return self._do(asks.requests(filters))

    def request(self, correlation_id: str) -> doc.Document:
        """`GET /requests/{id}`: what became of a request, and why."""
        return self._do(asks.request(correlation_id))

    def cache_status(self) -> doc.CacheStatus:
        """`GET /cache/status`: what the cache holds, and what it has saved."""
        return self._do(asks.cache_status())

    def clear_cache(self, *, pattern: str | None = None, user_id: str | None = None) -> doc.CacheCleared:
        """`POST /cache/clear`: forget cached answers; without arguments all that are the caller's to clear."""
        return self._do(asks.clear_cache(pattern, user_id))

    def limit_status(self, *, user_id: str | None = None) -> doc.LimitStatus:
        """`GET /rate-limit/status`: limits, what is used, and when there is more."""
        return self._do(asks.limit_status(user_id))

    # For administrators: `api_key` is the admin token

    def reset_limits(self, **whose: Any) -> doc.LimitsReset:
        """`POST /admin/reset-limits`: forget what an account has counted (user_id, key_id, provider, model, overall)."""
        return self._do(asks.reset_limits(whose))

    def create_key(self, name: str, **fields: Unpack[asks.KeyFields]) -> doc.NewApiKey:
        """`POST /admin/keys`: make an API key; it is shown this once."""
        return self._do(asks.create_key(name, fields))

    def keys(self, *, owner: str | None = None, after: str | None = None, limit: int | None = None) -> doc.ApiKeys:
        """`GET /admin/keys`: a page of keys, without their secrets."""
        return self._do(asks.keys(owner, after, limit))

    def revoke_key(self, key_id: str) -> doc.ApiKey:
        """`DELETE /admin/keys/{id}`: take a key back, for good."""
        return self._do(asks.revoke_key(key_id))

    def budgets(self) -> doc.Budgets:
        """`GET /admin/budgets`: budgets and where they stand."""
        return self._do(asks.budgets())

    def create_budget(self, name: str, limit_usd: str, **fields: Unpack[asks.BudgetFields]) -> doc.Budget:
        """`POST /admin/budgets`: make a budget; `limit_usd` is a decimal in text, so that it stays exact."""
        return self._do(asks.create_budget(name, limit_usd, fields))

    def change_budget(self, name: str, **changes: Any) -> doc.Budget:
        """`PATCH /admin/budgets/{name}`: change a budget."""
        return self._do(asks.change_budget(name, changes))

    def remove_budget(self, name: str) -> None:
        """`DELETE /admin/budgets/{name}`: remove a budget."""
        self._do(asks.remove_budget(name))

    def audit(self, **filters: Unpack[asks.AuditFilters]) -> doc.AuditPage:
        """`GET /audit`: a page of the audit trail, newest first."""
        return self._do(asks.audit(filters))

    def verify_audit(self) -> doc.AuditVerdict:
        """`GET /audit/verify`: whether the trail is whole."""
        return self._do(asks.verify_audit())
