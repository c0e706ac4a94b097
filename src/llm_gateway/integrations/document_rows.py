"""The rows of doc_store: a document, and the pieces that it is found by."""

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    select,
)

from llm_gateway.integrations.full_text import full_text
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


def named(owner: str, doc_id: str) -> ColumnElement[bool]:
    """The document of an owner by its id."""
    return (documents.c.owner == owner) & (documents.c.doc_id == doc_id)


def remove(connection: Connection, number: int) -> None:
    """Erase a document (`documents.id`) with its pieces."""
    ids = list(connection.scalars(select(chunks.c.entry_id).where(chunks.c.document == number)))
    full_text(connection).remove(connection, ids)
    connection.execute(delete(chunks).where(chunks.c.document == number))
    connection.execute(delete(documents).where(documents.c.id == number))
