"""Finding documents of doc_store: by their words, and by meaning where an embedding model may read them."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

import msgspec
from sqlalchemy import Connection, func, select

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.chunking import snippet_of
from llm_gateway.integrations.document_rows import chunks, documents
from llm_gateway.integrations.full_text import entries, full_text, scope_of, terms_of
from llm_gateway.integrations.port import Asking, Limit, Outcome, Query, Result, Work, plain
from llm_gateway.integrations.vectors import MatrixCache, Stamp, fused, matrix_of, nearest

CANDIDATES: Final = 60
"""Pieces that a search looks at before it names the best documents."""
MOST_VECTORS: Final = 50_000
"""Pieces of one owner that are compared, the newest first."""

Kind = Literal["document", "llm_result"]

_decode = msgspec.json.Decoder(JsonObject).decode
_matrices = MatrixCache()


class SearchRequest(Asking, frozen=True, kw_only=True):
    """What to look for. `metadata`: only documents whose metadata has these values. `kinds`: which of them to look at."""

    query: Query
    limit: Limit = 5
    metadata: JsonObject = msgspec.field(default_factory=dict)
    kinds: tuple[Kind, ...] = ("document",)
    mode: Literal["auto", "text", "semantic"] = "auto"


class Hit(Result, frozen=True, kw_only=True):
    """A document that fits, with its best piece. `score` orders the hits of one search and means nothing else."""

    doc_id: str
    title: str
    snippet: str
    content: str
    score: float
    metadata: JsonObject
    sensitive: bool


class SearchResult(Result, frozen=True, kw_only=True):
    """`method` is `text`, `semantic`, or `hybrid` where both were used."""

    hits: tuple[Hit, ...]
    method: str


async def search(asked: SearchRequest, work: Work) -> Outcome:
    """The documents of the caller's that fit a query, by words, by meaning, or both."""
    owner = work.owner
    vector: list[float] | None = None
    if asked.mode != "text":
        given = await work.embed((asked.query,))
        vector = given[0] if given else None
    if asked.mode == "semantic" and vector is None:
        raise InvalidRequest(
            "mode: no embedding model may read this query (integrations.embedding); `text` needs none", param="mode", code="no_embedding"
        )

    def find(connection: Connection) -> tuple[list[tuple[int, float]], bool, bool]:
        wide = CANDIDATES + 4 * asked.limit
        by_words = [] if asked.mode == "semantic" else full_text(connection).search(connection, scope_of("d", owner), asked.query, wide)
        by_meaning = _nearest(connection, owner, work.settings.embedding, vector, wide) if vector is not None else []
        if by_meaning:
            ranked = fused([found.id for found in by_words], [name for name, _ in by_meaning])
        else:
            ranked = [(found.id, found.score) for found in by_words]
        return ranked, bool(by_words), bool(by_meaning)

    def look(connection: Connection) -> tuple[tuple[Hit, ...], str]:
        ranked, words, meaning = find(connection)
        method = "hybrid" if words and meaning else "semantic" if meaning or asked.mode == "semantic" else "text"
        return _hits(connection, asked, ranked), method

    hits, method = await work.store.read(look)
    return plain(SearchResult(hits=hits, method=method))


def _nearest(connection: Connection, owner: str, model: str, vector: list[float], limit: int) -> list[tuple[int, float]]:
    mine = (chunks.c.owner == owner) & chunks.c.vector.is_not(None) & (chunks.c.vector_model == model)
    count, newest = connection.execute(select(func.count(), func.coalesce(func.max(chunks.c.entry_id), 0)).where(mine)).one()
    stamp: Stamp = (int(count), int(newest))
    matrix = _matrices.get(f"{model} {owner}", stamp)
    if matrix is None:
        rows = connection.execute(
            select(chunks.c.entry_id, chunks.c.vector).where(mine).order_by(chunks.c.entry_id.desc()).limit(MOST_VECTORS)
        )
        matrix = matrix_of(stamp, [(int(row.entry_id), row.vector) for row in rows])
        _matrices.put(f"{model} {owner}", matrix)
    return nearest(matrix, vector, limit)


def _hits(connection: Connection, asked: SearchRequest, ranked: list[tuple[int, float]]) -> tuple[Hit, ...]:
    """The best piece of each document that the request's conditions let through, best first."""
    if not ranked:
        return ()
    scores = dict(ranked)
    found = connection.execute(
        select(
            chunks.c.entry_id, entries.c.content, documents.c.doc_id, documents.c.title, documents.c.metadata, documents.c.sensitive,
            documents.c.kind,
        )
        .join(documents, documents.c.id == chunks.c.document)
        .join(entries, entries.c.id == chunks.c.entry_id)
        .where(chunks.c.entry_id.in_(scores))
    ).all()  # fmt: skip
    hits: dict[str, Hit] = {}
    words = terms_of(asked.query)
    for row in sorted(found, key=lambda row: -scores[row.entry_id]):
        about = _decode(row.metadata)
        if row.doc_id in hits or row.kind not in asked.kinds or not _has(about, asked.metadata):
            continue
        hits[row.doc_id] = Hit(
            doc_id=row.doc_id,
            title=row.title,
            snippet=snippet_of(row.content, words),
            content=row.content,
            score=round(scores[row.entry_id], 6),
            metadata=about,
            sensitive=bool(row.sensitive),
        )
        if len(hits) == asked.limit:
            break
    return tuple(hits.values())


def _has(about: Mapping[str, Json], wanted: Mapping[str, Json]) -> bool:
    return all(about.get(key) == value for key, value in wanted.items())


class _RemoteHit(msgspec.Struct):
    """A hit as document stores of the ecosystem write it; they differ in the names of two fields."""

    id: str = ""
    doc_id: str = ""
    title: str = ""
    content: str = ""
    snippet: str = ""
    score: float = 0.0
    metadata: JsonObject = {}


def remote_hits(answer: Json, asked: SearchRequest) -> SearchResult:
    """The hits of an answer: a list, or an object that holds one as `results`, `hits`, `documents` or `items`."""
    found: Json = answer
    if isinstance(answer, dict):
        found = next((answer[key] for key in ("results", "hits", "documents", "items") if isinstance(answer.get(key), list)), None)
    if not isinstance(found, list):
        raise ValueError("expected a list of results")
    hits = [msgspec.convert(hit, _RemoteHit, strict=False) for hit in cast("Iterable[object]", found)]
    return SearchResult(
        hits=tuple(
            Hit(
                doc_id=hit.doc_id or hit.id,
                title=hit.title,
                snippet=hit.snippet or hit.content[:320],
                content=hit.content or hit.snippet,
                score=hit.score,
                metadata=hit.metadata,
                sensitive=False,
            )
            for hit in hits[: asked.limit]
        ),
        method="text",
    )


def remote_query(asked: SearchRequest) -> JsonObject:
    return {"query": asked.query, "limit": asked.limit}
