"""What is said to a gateway: method, path and body of each endpoint, and what its answer becomes. Both clients speak from here."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NotRequired, TypedDict, TypeVar
from urllib.parse import quote, urlencode

from llm_gateway_client import documents as doc
from llm_gateway_client.decoding import decoded
from llm_gateway_client.results import (
    Embeddings,
    OperationResult,
    QueryResult,
    UploadedDocument,
    embeddings_result,
    operation_result,
    query_result,
)  # fmt: skip

T = TypeVar("T")
IDEMPOTENCY_KEY = "idempotency-key"


class QueryFields(TypedDict, total=False):
    """Further fields of a model call; docs/api.md says what each means."""

    context: str | dict[str, Any] | None
    provider: str | None
    model: str | None
    temperature: float | None
    max_tokens: int | None
    user_id: str | None
    force_refresh: bool
    top_p: float | None
    stop: str | list[str] | None
    seed: int | None
    response_format: dict[str, Any] | None
    tools: list[dict[str, Any]]
    images: list[str]


class EmbeddingFields(TypedDict, total=False):
    """Further fields of `/embeddings`."""

    model: str | None
    provider: str | None
    user_id: str | None
    dimensions: int | None


class KeyFields(TypedDict, total=False):
    """Further fields of a new API key."""

    owner: str | None
    tier: str
    allowed_providers: list[str] | None
    allowed_models: list[str] | None
    budget: dict[str, Any] | None
    expires: float | None
    expires_in_s: float | None


class BudgetFields(TypedDict):
    """Further fields of a new budget."""

    scope: NotRequired[str]
    subject: NotRequired[str]
    period: NotRequired[str]
    on_unknown_price: NotRequired[str]
    caps_answers: NotRequired[bool]


class AuditFilters(TypedDict, total=False):
    """What to look for in the audit trail."""

    since: str | float | None
    until: str | float | None
    kind: str | None
    caller: str | None
    provider: str | None
    sensitive: bool | None
    outcome: str | None
    correlation_id: str | None
    cursor: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One call: what is sent, and `result`, which makes of the answer's document what the caller gets.

    `idempotent`: made twice, it does what made once it does. `reads_failures`: a document with status 503 is an answer too.
    """

    method: str
    path: str
    result: Callable[[object], T]
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = False
    reads_failures: bool = False


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def encoded(values: Mapping[str, Any]) -> bytes:
    """A body of JSON, without the fields that are None."""
    return json.dumps(_given(values), ensure_ascii=False, allow_nan=False).encode()


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _query(path: str, **values: Any) -> str:
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in _given(values).items()}
    return f"{path}?{urlencode(given)}" if given else path


def _get(path: str, kind: type[T]) -> Ask[T]:
    return Ask("GET", path, partial(decoded, kind), idempotent=True)


def _post(path: str, result: Callable[[object], T], values: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Ask[T]:
    return Ask("POST", path, result, encoded(values), headers or {})


def _model_call(path: str, result: Callable[[object], T], values: Mapping[str, Any], *, key: bool) -> Ask[T]:
    """A call that is paid for: with an Idempotency-Key it is made once, however often it is sent."""
    headers = {IDEMPOTENCY_KEY: f"client-{uuid.uuid4()}"} if key else {}
    return Ask("POST", path, result, encoded(values), headers, idempotent=key)


def nothing(_: object) -> None:
    """The result of a call that answers without a document."""


def query(prompt: str, values: Mapping[str, Any], *, key: bool) -> Ask[QueryResult]:
    return _model_call("/query", query_result, {"prompt": prompt, **values}, key=key)


def chat(prompt: str, conversation_id: str | None, values: Mapping[str, Any], *, key: bool) -> Ask[QueryResult]:
    return _model_call("/chat", query_result, {"prompt": prompt, "conversation_id": conversation_id, **values}, key=key)


def embeddings(text: str | list[str], values: Mapping[str, Any], *, key: bool) -> Ask[Embeddings]:
    return _model_call("/embeddings", embeddings_result, {"text": text, **values}, key=key)


def stream(prompt: str, values: Mapping[str, Any], *, key: bool) -> Ask[None]:
    return _model_call("/stream", nothing, {"prompt": prompt, **values}, key=key)


def enhanced_query(prompt: str, values: Mapping[str, Any]) -> Ask[QueryResult]:
    return _post("/enhanced-query", query_result, {"prompt": prompt, **values})


def contextual_query(prompt: str, values: Mapping[str, Any]) -> Ask[QueryResult]:
    return _post("/contextual-query", query_result, {"prompt": prompt, **values})


def workflow_query(prompt: str, workflow_type: str, values: Mapping[str, Any], *, progress: bool) -> Ask[QueryResult]:
    headers = {"x-workflow-type": workflow_type} | ({"accept": "text/event-stream"} if progress else {})
    return _post("/workflow-query", query_result, {"prompt": prompt, **values}, headers)


def integrate(service: str, operation: str, values: Mapping[str, Any]) -> Ask[OperationResult]:
    return _post(_path("integrations", service, operation), operation_result, values)


def integrations() -> Ask[doc.Integrations]:
    return _get("/integrations", doc.Integrations)


def services_status() -> Ask[doc.ServicesStatus]:
    return _get("/services/status", doc.ServicesStatus)


def upload_document(content: bytes, filename: str, values: Mapping[str, Any], media_type: str) -> Ask[UploadedDocument]:
    given = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
    path = _query("/documents", filename=filename, **given)
    # Under a doc_id of the caller's, the same upload again replaces it by itself.
    return Ask(
        "POST", path, partial(decoded, UploadedDocument), content, {"content-type": media_type}, idempotent=values.get("doc_id") is not None
    )


def conversation(conversation_id: str, user_id: str | None) -> Ask[doc.Conversation]:
    return _get(_query(_path("conversations", conversation_id), user_id=user_id), doc.Conversation)


def conversations(user_id: str | None, before: float | None, limit: int | None) -> Ask[doc.Conversations]:
    return _get(_query("/conversations", user_id=user_id, before=before, limit=limit), doc.Conversations)


def erase_conversation(conversation_id: str, user_id: str | None) -> Ask[None]:
    return Ask("DELETE", _query(_path("conversations", conversation_id), user_id=user_id), nothing, idempotent=True)


def explain(prompt: str, strategy: str | None, values: Mapping[str, Any]) -> Ask[doc.Explanation]:
    headers = {"x-gateway-strategy": strategy} if strategy else {}
    body = encoded({"prompt": prompt, **values})
    return Ask("POST", "/route/explain", partial(decoded, doc.Explanation), body, headers, idempotent=True)


def providers() -> Ask[doc.Providers]:
    return _get("/providers", doc.Providers)


def provider_limits(provider: str) -> Ask[doc.Document]:
    return _get(_path("providers", provider, "limits"), doc.Document)


def models() -> Ask[doc.Models]:
    return _get("/models", doc.Models)


def health() -> Ask[doc.Health]:
    return _get("/health", doc.Health)


def ready() -> Ask[doc.Readiness]:
    return Ask("GET", "/health/ready", partial(decoded, doc.Readiness), reads_failures=True)


def detailed_health() -> Ask[doc.DetailedHealth]:
    return _get("/health/detailed", doc.DetailedHealth)


def metrics() -> Ask[doc.Metrics]:
    return Ask("GET", "/metrics", partial(decoded, doc.Metrics), headers={"accept": "application/json"}, idempotent=True)


def performance(since: str | None, slowest: int | None) -> Ask[doc.Document]:
    return _get(_query("/metrics/performance", since=since, slowest=slowest), doc.Document)


def timeseries(minutes: int | None) -> Ask[doc.Document]:
    return _get(_query("/metrics/timeseries", minutes=minutes), doc.Document)


def costs(since: str | None, until: str | None, limit: int | None) -> Ask[doc.Costs]:
    return _get(_query("/metrics/costs", since=since, until=until, limit=limit), doc.Costs)


def usage(since: str | None, until: str | None, user_id: str | None) -> Ask[doc.Usage]:
    return _get(_query("/usage", since=since, until=until, user_id=user_id), doc.Usage)


def requests(filters: Mapping[str, Any]) -> Ask[doc.Document]:
    return _get(_query("/requests", **filters), doc.Document)


def request(correlation_id: str) -> Ask[doc.Document]:
    return _get(_path("requests", correlation_id), doc.Document)


def cache_status() -> Ask[doc.CacheStatus]:
    return _get("/cache/status", doc.CacheStatus)


def clear_cache(pattern: str | None, user_id: str | None) -> Ask[doc.CacheCleared]:
    return _post("/cache/clear", partial(decoded, doc.CacheCleared), {"pattern": pattern, "user_id": user_id})


def limit_status(user_id: str | None) -> Ask[doc.LimitStatus]:
    return _get(_query("/rate-limit/status", user_id=user_id), doc.LimitStatus)


def reset_limits(values: Mapping[str, Any]) -> Ask[doc.LimitsReset]:
    return _post("/admin/reset-limits", partial(decoded, doc.LimitsReset), values)


def create_key(name: str, values: Mapping[str, Any]) -> Ask[doc.NewApiKey]:
    return _post("/admin/keys", partial(decoded, doc.NewApiKey), {"name": name, **values})


def keys(owner: str | None, after: str | None, limit: int | None) -> Ask[doc.ApiKeys]:
    return _get(_query("/admin/keys", owner=owner, after=after, limit=limit), doc.ApiKeys)


def revoke_key(key_id: str) -> Ask[doc.ApiKey]:
    return Ask("DELETE", _path("admin", "keys", key_id), partial(decoded, doc.ApiKey))


def budgets() -> Ask[doc.Budgets]:
    return _get("/admin/budgets", doc.Budgets)


def create_budget(name: str, limit_usd: str, values: Mapping[str, Any]) -> Ask[doc.Budget]:
    return _post("/admin/budgets", partial(decoded, doc.Budget), {"name": name, "limit_usd": limit_usd, **values})


def change_budget(name: str, changes: Mapping[str, Any]) -> Ask[doc.Budget]:
    return Ask("PATCH", _path("admin", "budgets", name), partial(decoded, doc.Budget), encoded(changes), idempotent=True)


def remove_budget(name: str) -> Ask[None]:
    return Ask("DELETE", _path("admin", "budgets", name), nothing)


def audit(filters: Mapping[str, Any]) -> Ask[doc.AuditPage]:
    return _get(_query("/audit", **filters, format="json"), doc.AuditPage)


def verify_audit() -> Ask[doc.AuditVerdict]:
    return _get("/audit/verify", doc.AuditVerdict)
