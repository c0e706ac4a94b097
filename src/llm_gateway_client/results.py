"""What a gateway answers, typed. Fields that a newer gateway adds stand in `raw`."""

from dataclasses import dataclass, field
from typing import Any


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
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a streamed answer; the last one has `finished` and, in `raw`, provider, model, usage and cost."""

    chunk: str
    finished: bool
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors, one for each text in order."""

    vectors: list[list[float]]
    model: str
    provider: str
    dimensions: int
    raw: dict[str, Any] = field(default_factory=dict)


def query_result(document: dict[str, Any]) -> QueryResult:
    """The typed form of an answer to `/query` or `/chat`."""
    return QueryResult(
        response=document["response"],
        provider=document.get("provider") or "",
        model=document.get("model") or "",
        tokens_used=document.get("tokens_used", 0),
        processing_time_s=document.get("processing_time", 0.0),
        cost_usd=document.get("cost"),
        cached=document.get("cached", False),
        correlation_id=document.get("correlation_id", ""),
        finish_reason=document.get("finish_reason"),
        conversation_id=document.get("conversation_id"),
        usage=document.get("usage") or {},
        sensitivity=document.get("sensitivity") or {},
        route=document.get("route") or {},
        raw=document,
    )


def embeddings_result(document: dict[str, Any]) -> Embeddings:
    """The typed form of an answer to `/embeddings`."""
    vectors = document["embeddings"]
    if vectors and not isinstance(vectors[0], list):
        vectors = [vectors]
    return Embeddings(vectors, document.get("model") or "", document.get("provider") or "", document.get("dimensions", 0), document)
