"""What model calls and integrations answer, typed. Fields that a newer gateway adds stand in `raw`."""

from dataclasses import dataclass, field
from typing import Any

from llm_gateway_client.decoding import decoded


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to `query` or `chat`. `cost_usd` is None where the price is unknown; `processing_time_s` in seconds."""

    response: str
    provider: str
    model: str
    tokens_used: int
    processing_time_s: float
    cost_usd: float | None
    cached: bool
    correlation_id: str
    finish_reason: str | None = None
    conversation_id: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    sensitivity: dict[str, Any] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)
    integrations: dict[str, Any] = field(default_factory=dict)
    """Of enhanced, contextual and workflow queries: what each service gave, took, and which of them are degraded."""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a streamed answer; the last one has `finished` and, in `raw`, provider, model, usage and cost."""

    chunk: str
    finished: bool
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """An event of a workflow query: `event` is workflow, step, answer (a piece of it, in `data["chunk"]`) or, at last, done."""

    event: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors, one for each text in order."""

    vectors: list[list[float]]
    model: str
    provider: str
    dimensions: int
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The reply of an integrated service's operation.

    `mode` is embedded or remote; `method` says whether a model (`llm`) or `rules` answered, None where no model is ever asked.
    `cost_usd` None: unknown, or no model was asked. `processing_time_s` in seconds.
    """

    service: str
    operation: str
    mode: str
    result: Any
    processing_time_s: float
    correlation_id: str
    method: str | None = None
    provider: str | None = None
    tokens_used: int = 0
    cost_usd: float | None = None
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadedDocument:
    """A file that was read and kept in doc_store. `pages` None: the format has none."""

    doc_id: str
    title: str
    format: str
    characters: int
    chunks: int
    sensitive: bool
    pages: int | None = None
    warnings: list[str] = field(default_factory=list)
    correlation_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answer:
    response: str
    provider: str | None = None
    model: str | None = None
    tokens_used: int = 0
    processing_time: float = 0.0
    cost: float | None = None
    cached: bool = False
    correlation_id: str = ""
    finish_reason: str | None = None
    conversation_id: str | None = None
    usage: dict[str, Any] | None = None
    sensitivity: dict[str, Any] | None = None
    route: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None


def query_result(document: object) -> QueryResult:
    """The typed form of an answer to `/query`, `/chat` or an enriched query."""
    given = decoded(_Answer, document)
    return QueryResult(
        response=given.response,
        provider=given.provider or "",
        model=given.model or "",
        tokens_used=given.tokens_used,
        processing_time_s=given.processing_time,
        cost_usd=given.cost,
        cached=given.cached,
        correlation_id=given.correlation_id,
        finish_reason=given.finish_reason,
        conversation_id=given.conversation_id,
        usage=given.usage or {},
        sensitivity=given.sensitivity or {},
        route=given.route or {},
        integrations=given.integrations or {},
        raw=document if isinstance(document, dict) else {},
    )


@dataclass(frozen=True, slots=True)
class _Vectors:
    embeddings: list[Any]
    model: str | None = None
    provider: str | None = None
    dimensions: int = 0
    raw: dict[str, Any] = field(default_factory=dict)


def embeddings_result(document: object) -> Embeddings:
    """The typed form of an answer to `/embeddings`."""
    given = decoded(_Vectors, document)
    vectors = given.embeddings
    if vectors and not isinstance(vectors[0], list):
        vectors = [vectors]
    return Embeddings(vectors, given.model or "", given.provider or "", given.dimensions, given.raw)


@dataclass(frozen=True, slots=True)
class _Reply:
    service: str
    operation: str
    mode: str
    result: Any
    processing_time: float = 0.0
    correlation_id: str = ""
    method: str | None = None
    provider: str | None = None
    tokens_used: int | None = None
    cost: float | None = None
    raw: dict[str, Any] = field(default_factory=dict)


def operation_result(document: object) -> OperationResult:
    """The typed form of an operation's reply."""
    given = decoded(_Reply, document)
    return OperationResult(
        given.service,
        given.operation,
        given.mode,
        given.result,
        given.processing_time,
        given.correlation_id,
        given.method,
        given.provider,
        given.tokens_used or 0,
        given.cost,
        given.raw,
    )
