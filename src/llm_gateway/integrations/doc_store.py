"""doc_store: documents of a caller, kept in pieces, listed, erased, and found again (`document_search`)."""

import asyncio
from os import urandom
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Row, func, insert, select

from llm_gateway.core.errors import InvalidRequest, NotFound
from llm_gateway.core.ids import ulid
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.chunking import chunks_of
from llm_gateway.integrations.document_rows import chunks, documents, named, remove
from llm_gateway.integrations.document_search import Kind, SearchRequest, SearchResult, remote_hits, remote_query, search
from llm_gateway.integrations.full_text import full_text, scope_of
from llm_gateway.integrations.port import Asking, Content, Limit, Operation, Outcome, Remote, Result, Work, plain, service
from llm_gateway.integrations.vectors import packed

EMBED_BATCH: Final = 64
OFF_THE_LOOP_CHARS: Final = 65_536
"""Longer documents are cut up on a thread."""
LIST_PAGE: Final = 50

DocId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JsonObject).decode


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
            before = connection.execute(select(documents.c.id, documents.c.created_s).where(named(owner, doc_id))).first()
        if before is None:
            _check_room(connection, owner, bounds.max_documents)
        else:
            remove(connection, before.id)
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


async def retrieve(asked: RetrieveRequest, work: Work) -> Outcome:
    """A document of the caller's."""
    owner = work.owner

    def find(connection: Connection) -> "Row[tuple[object, ...]] | None":
        return connection.execute(select(documents).where(named(owner, asked.doc_id))).first()

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


async def list_documents(asked: ListRequest, work: Work) -> Outcome:
    """A page of the caller's documents."""
    owner = work.owner

    def find(connection: Connection) -> ListResult:
        mine = (documents.c.owner == owner) & documents.c.kind.in_(asked.kinds)
        total = connection.scalar(select(func.count()).select_from(documents).where(mine)) or 0
        page = select(documents).where(mine).order_by(documents.c.id.desc()).limit(asked.limit + 1)
        if asked.after is not None:
            last = connection.scalar(select(documents.c.id).where(named(owner, asked.after)))
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
        number = connection.scalar(select(documents.c.id).where(named(owner, asked.doc_id)))
        if number is None:
            raise _missing(asked.doc_id)
        remove(connection, number)

    await work.store.write(erase)
    return plain(DeleteResult(doc_id=asked.doc_id, deleted=True))


def _remote_document(asked: StoreRequest) -> JsonObject:
    title: JsonObject = {"title": asked.title} if asked.title else {}
    return {"content": asked.content, "metadata": {**asked.metadata, **title, "kind": asked.kind}}


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
        SearchRequest, SearchResult, search, stateful=True, remote=Remote("POST /api/v1/search", remote_query, remote_hits),
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
