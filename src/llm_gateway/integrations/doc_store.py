"""doc_store: documents of a caller, found again by their words, and by meaning where an embedding model may read them."""

import asyncio
from collections.abc import Iterable, Mapping
from os import urandom
from typing import Annotated, Final, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
)

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.ids import ulid
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.chunking import chunks_of, snippet_of
from llm_gateway.integrations.full_text import entries, full_text, scope_of, terms_of
from llm_gateway.integrations.port import Asking, Content, Limit, Operation, Outcome, Query, Remote, Result, Work, plain, service
from llm_gateway.integrations.vectors import MatrixCache, Stamp, fused, matrix_of, nearest, packed
from llm_gateway.stores.sql import metadata

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(256), nullable=False),
    Column("doc_id", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("title", String(512), nullable=False),
    Column("metadata", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("created_s", Float, nullable=False),
    Column("updated_s", Float, nullable=False),
    UniqueConstraint("owner", "doc_id", name="documents_by_owner"),
)
chunks = Table(
    "document_chunks",
    metadata,
    Column("entry_id", Integer, primary_key=True, autoincrement=False),
    Column("document", Integer, nullable=False, index=True),
    Column("owner", String(256), nullable=False),
    Column("vector", LargeBinary),
    Column("vector_model", String(256), nullable=False, default=""),
    Index("document_chunks_by_owner", "owner", "entry_id"),
)

CANDIDATES: Final = 60
"""Pieces that a search looks at before it names the best documents."""
MOST_VECTORS: Final = 50_000
"""Pieces of one owner that are compared, the newest first."""
EMBED_BATCH: Final = 64
OFF_THE_LOOP_CHARS: Final = 65_536
"""Longer documents are cut up on a thread."""
LIST_PAGE: Final = 50

DocId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
Kind = Literal["document", "llm_result"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JsonObject).decode
_matrices = MatrixCache()


class StoreRequest(Asking, frozen=True, kw_only=True):
    """A document to keep. One of the same `doc_id` is replaced. `kind` tells documents from answers of models."""

    content: Content
    metadata: JsonObject = msgspec.field(default_factory=dict)
    title: Annotated[str, Meta(max_length=512)] = ""
    doc_id: DocId | None = None
    kind: Kind = "document"


class StoreResult(Result, frozen=True, kw_only=True):
    """What was kept. `sensitive`: requests that retrieve it go to secure providers only. `embedded`: pieces that got a vector."""

    doc_id: str
    title: str
    chunks: int
    characters: int
    sensitive: bool
    embedded: int
    replaced: bool
    created: float


class RetrieveRequest(Asking, frozen=True, kw_only=True):
    doc_id: DocId


class Stored(Result, frozen=True, kw_only=True):
    """A document. Times in Unix seconds."""

    doc_id: str
    title: str
    content: str
    metadata: JsonObject
    kind: str
    characters: int
    sensitive: bool
    created: float
    updated: float


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


class ListRequest(Asking, frozen=True, kw_only=True):
    """A page of documents, the newest first; `after` is the last `doc_id` of the page before."""

    limit: Limit = LIST_PAGE
    after: DocId | None = None
    kinds: tuple[Kind, ...] = ("document",)


class Listed(Result, frozen=True, kw_only=True):
    doc_id: str
    title: str
    kind: str
    characters: int
    sensitive: bool
    created: float


class ListResult(Result, frozen=True, kw_only=True):
    """`next_after` asks for the next page; null: this is the last. `total` counts all."""

    documents: tuple[Listed, ...]
    total: int
    next_after: str | None


class DeleteResult(Result, frozen=True, kw_only=True):
    doc_id: str
    deleted: bool


async def store(asked: StoreRequest, work: Work) -> Outcome:
    """Keep a document in pieces that can be found."""
    bounds = work.settings
    if len(asked.content) > bounds.max_document_chars:
        raise InvalidRequest(f"content: at most {bounds.max_document_chars} characters (integrations.max_document_chars)", param="content")
    if len(asked.content) > OFF_THE_LOOP_CHARS:
        pieces = await asyncio.to_thread(chunks_of, asked.content, bounds.chunk_chars)
    else:
        pieces = chunks_of(asked.content, bounds.chunk_chars)
    if not pieces:
        raise InvalidRequest("content: expected more than white space", param="content")
    sensitive = (await work.judge(f"{asked.title}\n{asked.content}")).sensitive
    vectors = await _vectors(pieces, work)
    owner, now_s = work.owner, work.now_s
    doc_id = asked.doc_id or ulid(now_s, urandom)
    title = asked.title or _title_of(asked.content)
    values = {
        "kind": asked.kind, "title": title, "metadata": _encode(asked.metadata).decode(), "content": asked.content,
        "characters": len(asked.content), "sensitive": sensitive, "updated_s": now_s,
    }  # fmt: skip

    def keep(connection: Connection) -> tuple[float, bool]:
        before = None
        if asked.doc_id is not None:
            before = connection.execute(select(documents.c.id, documents.c.created_s).where(_named(owner, doc_id))).first()
        if before is None:
            _check_room(connection, owner, bounds.max_documents)
        else:
            _remove(connection, before.id)
        created_s = now_s if before is None else before.created_s
        row = insert(documents).values(owner=owner, doc_id=doc_id, created_s=created_s, **values)
        made = connection.execute(row).inserted_primary_key
        number = int(made[0])  # type: ignore[index]  # an insert of one row has a key
        ids = full_text(connection).add(connection, scope_of("d", owner), pieces)
        connection.execute(
            insert(chunks),
            [
                {"entry_id": i, "document": number, "owner": owner, "vector": v, "vector_model": bounds.embedding}
                for i, v in zip(ids, vectors, strict=True)
            ],
        )
        return created_s, before is not None

    created_s, replaced = await work.store.write(keep)
    return plain(
        StoreResult(
            doc_id=doc_id,
            title=title,
            chunks=len(pieces),
            characters=len(asked.content),
            sensitive=sensitive,
            embedded=sum(vector is not None for vector in vectors),
            replaced=replaced,
            created=created_s,
        )
    )


def _check_room(connection: Connection, owner: str, most: int) -> None:
    held = connection.scalar(select(func.count()).select_from(documents).where(documents.c.owner == owner)) or 0
    if held >= most:
        raise InvalidRequest(f"there are {held} documents already, as many as may be kept (integrations.max_documents)", code="full")


async def _vectors(pieces: list[str], work: Work) -> list[bytes | None]:
    """A vector for each piece, or None for all where no model may or can give them."""
    vectors: list[bytes | None] = []
    for start in range(0, len(pieces), EMBED_BATCH):
        given = await work.embed(tuple(pieces[start : start + EMBED_BATCH]))
        if given is None:
            return [None] * len(pieces)
        vectors += [packed(vector) for vector in given]
    return vectors


def _title_of(content: str) -> str:
    """The first line that says something, without the signs of a Markdown heading."""
    lines = (line.strip().lstrip("#").strip() for line in content.splitlines())
    return next((line for line in lines if line), "untitled")[:120]


def _named(owner: str, doc_id: str) -> ColumnElement[bool]:
    return (documents.c.owner == owner) & (documents.c.doc_id == doc_id)


def _remove(connection: Connection, number: int) -> None:
    ids = list(connection.scalars(select(chunks.c.entry_id).where(chunks.c.document == number)))
    full_text(connection).remove(connection, ids)
    connection.execute(delete(chunks).where(chunks.c.document == number))
    connection.execute(delete(documents).where(documents.c.id == number))


async def retrieve(asked: RetrieveRequest, work: Work) -> Outcome:
    """A document of the caller's."""
    owner = work.owner

    def find(connection: Connection) -> "Row[tuple[object, ...]] | None":
        return connection.execute(select(documents).where(_named(owner, asked.doc_id))).first()

    row = await work.store.read(find)
    if row is None:
        raise _missing(asked.doc_id)
    return plain(_stored(row))


def _stored(row: "Row[tuple[object, ...]]") -> Stored:
    kept = row._mapping
    return Stored(
        doc_id=kept["doc_id"],
        title=kept["title"],
        content=kept["content"],
        metadata=_decode(kept["metadata"]),
        kind=kept["kind"],
        characters=kept["characters"],
        sensitive=bool(kept["sensitive"]),
        created=kept["created_s"],
        updated=kept["updated_s"],
    )


def _missing(doc_id: str) -> NotFound:
    return NotFound(f"no document {doc_id!r}", param="doc_id")


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


async def list_documents(asked: ListRequest, work: Work) -> Outcome:
    """A page of the caller's documents."""
    owner = work.owner

    def find(connection: Connection) -> ListResult:
        mine = (documents.c.owner == owner) & documents.c.kind.in_(asked.kinds)
        total = connection.scalar(select(func.count()).select_from(documents).where(mine)) or 0
        page = select(documents).where(mine).order_by(documents.c.id.desc()).limit(asked.limit + 1)
        if asked.after is not None:
            last = connection.scalar(select(documents.c.id).where(_named(owner, asked.after)))
            if last is None:
                raise NotFound(f"no document {asked.after!r}", param="after")
            page = page.where(documents.c.id < last)
        rows = connection.execute(page).all()
        shown = tuple(_listed(row) for row in rows[: asked.limit])
        return ListResult(documents=shown, total=total, next_after=shown[-1].doc_id if len(rows) > asked.limit else None)

    return plain(await work.store.read(find))


def _listed(row: "Row[tuple[object, ...]]") -> Listed:
    kept = row._mapping
    return Listed(
        doc_id=kept["doc_id"],
        title=kept["title"],
        kind=kept["kind"],
        characters=kept["characters"],
        sensitive=bool(kept["sensitive"]),
        created=kept["created_s"],
    )


async def delete_document(asked: RetrieveRequest, work: Work) -> Outcome:
    """Erase a document of the caller's."""
    owner = work.owner

    def erase(connection: Connection) -> None:
        number = connection.scalar(select(documents.c.id).where(_named(owner, asked.doc_id)))
        if number is None:
            raise _missing(asked.doc_id)
        _remove(connection, number)

    await work.store.write(erase)
    return plain(DeleteResult(doc_id=asked.doc_id, deleted=True))


def _remote_document(asked: StoreRequest) -> JsonObject:
    title: JsonObject = {"title": asked.title} if asked.title else {}
    return {"content": asked.content, "metadata": {**asked.metadata, **title, "kind": asked.kind}}


class _RemoteHit(msgspec.Struct):
    """A hit as document stores of the ecosystem write it; they differ in the names of two fields."""

    id: str = ""
    doc_id: str = ""
    title: str = ""
    content: str = ""
    snippet: str = ""
    score: float = 0.0
    metadata: JsonObject = {}


def _remote_hits(answer: Json, asked: SearchRequest) -> SearchResult:
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


def _remote_query(asked: SearchRequest) -> JsonObject:
    return {"query": asked.query, "limit": asked.limit}


def _page(asked: ListRequest) -> JsonObject:
    return {"limit": asked.limit} | ({"after": asked.after} if asked.after is not None else {})


SERVICE = service(
    "doc_store",
    "Documents of a caller, kept and found again.",
    Operation(
        "store", "Keep a document, or replace the one of the same doc_id", StoreRequest, StoreResult, store,
        stateful=True, remote=Remote("POST /api/v1/documents", _remote_document),
    ),
    Operation(
        "retrieve", "One document, whole", RetrieveRequest, Stored, retrieve,
        stateful=True, remote=Remote("GET /api/v1/documents/{doc_id}"),
    ),
    Operation(
        "search", "The documents that fit a query, by words and, where an embedding model is there, by meaning",
        SearchRequest, SearchResult, search, stateful=True, remote=Remote("POST /api/v1/search", _remote_query, _remote_hits),
    ),
    Operation(
        "list", "A page of documents, the newest first", ListRequest, ListResult, list_documents,
        stateful=True, remote=Remote("GET /api/v1/documents", _page),
    ),
    Operation(
        "delete", "Erase a document", RetrieveRequest, DeleteResult, delete_document,
        stateful=True, remote=Remote("DELETE /api/v1/documents/{doc_id}"),
    ),
)  # fmt: skip
