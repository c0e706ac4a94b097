"""Full-text search behind one small port, on whichever database the store is: SQLite's FTS5, or PostgreSQL's tsvector.

A text is added under a scope (a collection of one owner) and found by the words of a query within that scope alone. Sources: https://www.sqlite.org/fts5.html,
https://www.postgresql.org/docs/current/textsearch.html.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from sqlalchemy import DDL, Column, Connection, Integer, String, Table, Text, delete, event, insert, select, text

from llm_gateway.stores.sql import metadata

entries = Table(
    "search_entries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("scope", String(40), nullable=False, index=True),
    Column("content", Text, nullable=False),
)

SQLITE_INDEX: Final = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS search_text USING fts5("
    "scope, content, content='search_entries', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2')"
)
POSTGRES_INDEX: Final = (
    "ALTER TABLE search_entries ADD COLUMN IF NOT EXISTS terms tsvector",
    "ALTER TABLE search_entries ALTER COLUMN terms SET STORAGE MAIN",
    "CREATE INDEX IF NOT EXISTS search_entries_terms ON search_entries USING gin (terms)",
)
"""The index itself, which SQLAlchemy has no words for: made with the table, here and in the schema's migrations alike."""
event.listen(entries, "after_create", DDL(SQLITE_INDEX).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
for _statement in POSTGRES_INDEX:
    event.listen(entries, "after_create", DDL(_statement).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]

MOST_TERMS: Final = 16
"""Words of a query that are looked for; further ones hardly change the order."""
MOST_RANKED: Final = 4_000
"""Entries whose fit is computed for one search (some 3 us each). Words that stand everywhere are left out first: they hardly tell
entries apart. Where even the rarest word stands in more, the newest entries are taken."""
MOST_RANKED_BY_POSTGRES: Final = 1_500
"""The same for PostgreSQL, which unpacks what it ranks."""
_WORD: Final = re.compile(r"[^\W_]+")
_UNSPACED: Final = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\u0e00-\u0e7f])")
"""Letters of scripts that are written without spaces, one match each: every letter counts as a word."""
_EVERYDAY: Final = (
    "a about after all also an and any are as at be been but by can could did do does for from had has have how i if in into is it its"
    " just me more my no not of on or our out please should so some such tell than that the their them then there these they this to up"
    " us was we were what when where which who why will with would you your"
)
_STOP: Final = frozenset(_EVERYDAY.split())


class Found(NamedTuple):
    """An entry, and how well it fits: a higher score is better, comparable within one search only."""

    id: int
    score: float


class FullText(Protocol):
    """The port. Every method runs inside the transaction of the connection it is given."""

    def add(self, connection: Connection, scope: str, texts: Sequence[str]) -> list[int]:
        """Add texts; their ids, in order."""
        ...

    def remove(self, connection: Connection, ids: Iterable[int]) -> None:
        """Remove entries."""
        ...

    def search(self, connection: Connection, scope: str, query: str, limit: int) -> list[Found]:
        """The best entries of a scope that hold any of the query's words, best first; none where it has no word to look for."""
        ...


def scope_of(collection: str, owner: str) -> str:
    """The name of one owner's share of a collection: a digest, so that it is one word whatever the owner is called."""
    return collection + hashlib.blake2b(owner.encode(), digest_size=16).hexdigest()


def terms_of(query: str) -> list[str]:
    """The words of a query that are worth looking for, in order, each once. Everyday words count only where there are no others."""
    words = list(dict.fromkeys(_WORD.findall(query.lower())))
    return ([word for word in words if word not in _STOP] or words)[:MOST_TERMS]


def _spaced(content: str) -> str:
    """The text with spaces around the letters of scripts that have none: indexes find words between spaces."""
    return content if content.isascii() else _UNSPACED.sub(r" \1 ", content)


class SqliteFullText:
    """FTS5 over the rows of `search_entries`."""

    def add(self, connection: Connection, scope: str, texts: Sequence[str]) -> list[int]:
        ids = []
        for content in texts:
            made = connection.execute(insert(entries).values(scope=scope, content=content)).inserted_primary_key
            ids.append(int(made[0]))  # type: ignore[index]  # an insert of one row has a key
        rows = [{"id": name, "scope": scope, "content": _spaced(content)} for name, content in zip(ids, texts, strict=True)]
        if rows:
            connection.execute(_SQLITE_ADD, rows)
        return ids

    def remove(self, connection: Connection, ids: Iterable[int]) -> None:
        wanted = list(ids)
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            # The index is told what it held: it keeps no copy of its own.
            rows = connection.execute(select(entries).where(entries.c.id.in_(some))).all()
            if rows:
                held = [{"id": row.id, "scope": row.scope, "content": _spaced(row.content)} for row in rows]
                connection.execute(_SQLITE_REMOVE, held)
            connection.execute(delete(entries).where(entries.c.id.in_(some)))

    def search(self, connection: Connection, scope: str, query: str, limit: int) -> list[Found]:
        counts = []
        for word in terms_of(query):
            held = int(connection.execute(_SQLITE_COUNT, {"match": _match(scope, [word])}).scalar_one())
            if held:
                counts.append((held, word))
        words = _rarest(counts, MOST_RANKED)
        if not words:
            return []
        rows = connection.execute(_SQLITE_SEARCH, {"match": _match(scope, words), "most": MOST_RANKED})
        return sorted((Found(int(row[0]), -float(row[1])) for row in rows), key=lambda found: -found.score)[:limit]


def _match(scope: str, words: list[str]) -> str:
    either = " OR ".join(f'"{_spaced(word).strip()}"' for word in words)
    return f"{{scope}} : {scope} AND {{content}} : ({either})"


def _rarest(counts: list[tuple[int, str]], most: int) -> list[str]:
    """The words that tell entries apart, the rarest first, as many as can be ranked in time; the rarest in any case."""
    chosen: list[str] = []
    entries_held = 0
    for held, word in sorted(counts):
        if chosen and entries_held + held > most:
            break
        entries_held += held
        chosen.append(word)
    return chosen


_SQLITE_ADD: Final = text("INSERT INTO search_text(rowid, scope, content) VALUES (:id, :scope, :content)")
_SQLITE_REMOVE: Final = text("INSERT INTO search_text(search_text, rowid, scope, content) VALUES ('delete', :id, :scope, :content)")
_SQLITE_COUNT: Final = text("SELECT count(*) FROM search_text WHERE search_text MATCH :match")
_SQLITE_SEARCH: Final = text(
    "SELECT rowid, bm25(search_text, 0.0, 1.0) FROM search_text WHERE search_text MATCH :match ORDER BY rowid DESC LIMIT :most"
)


class PostgresFullText:
    """A tsvector beside each row of `search_entries`, with a GIN index."""

    def add(self, connection: Connection, scope: str, texts: Sequence[str]) -> list[int]:
        given = {"scope": scope, "contents": list(texts), "spaced": [_spaced(content) for content in texts]}
        return sorted(int(name) for name in connection.execute(_POSTGRES_ADD, given).scalars())

    def remove(self, connection: Connection, ids: Iterable[int]) -> None:
        wanted = list(ids)
        for start in range(0, len(wanted), 500):
            connection.execute(delete(entries).where(entries.c.id.in_(wanted[start : start + 500])))

    def search(self, connection: Connection, scope: str, query: str, limit: int) -> list[Found]:
        words = [_spaced(word).strip() for word in terms_of(query)]
        if not words:
            return []
        connection.execute(_NO_WHOLE_READS)
        most = MOST_RANKED_BY_POSTGRES
        each = ", ".join(_POSTGRES_COUNT.format(f"w{place}") for place in range(len(words)))
        counted = connection.execute(text(f"SELECT {each}"), {**_numbered(words), "scope": scope, "over": most + 1}).one()
        chosen = _rarest([(int(held), word) for held, word in zip(counted, words, strict=True) if held], most)
        if not chosen:
            return []
        either = " || ".join(_AS_QUERY.format(f"w{place}") for place in range(len(chosen)))
        given = {**_numbered(chosen), "scope": scope, "most": most, "limit": limit}
        rows = connection.execute(text(_POSTGRES_SEARCH.format(either)), given)
        return [Found(int(row[0]), float(row[1])) for row in rows]


def _numbered(words: list[str]) -> dict[str, str]:
    return {f"w{place}": word for place, word in enumerate(words)}


_AS_QUERY: Final = "plainto_tsquery('english', :{0})"
"""Each word is turned into a query by itself, so none of its signs is read as an operator."""
_NO_WHOLE_READS: Final = text("SELECT set_config('enable_seqscan', 'off', true)")
"""For this transaction: that reading a table whole means unpacking every row is nothing that the planner reckons with."""
_POSTGRES_ADD: Final = text(
    "INSERT INTO search_entries (scope, content, terms) SELECT :scope, content, to_tsvector('english', spaced)"
    " FROM unnest(CAST(:contents AS text[]), CAST(:spaced AS text[])) WITH ORDINALITY AS given(content, spaced, place)"
    " ORDER BY place RETURNING id"
)
_POSTGRES_COUNT: Final = (
    "(SELECT count(*) FROM (SELECT 1 FROM search_entries WHERE scope = :scope AND terms @@ plainto_tsquery('english', :{0}) LIMIT :over)"
    " AS held)"
)
_POSTGRES_SEARCH: Final = (
    "WITH asked AS (SELECT {0} AS q),"
    " fits AS MATERIALIZED (SELECT id, terms FROM search_entries, asked WHERE scope = :scope AND terms @@ q),"
    " newest AS (SELECT id, terms FROM fits ORDER BY id DESC LIMIT :most)"
    " SELECT id, ts_rank_cd(terms, q, 1) AS score FROM newest, asked ORDER BY score DESC LIMIT :limit"
)
_SQLITE: Final = SqliteFullText()
_POSTGRES: Final = PostgresFullText()


def full_text(connection: Connection) -> FullText:
    """The search of the database behind a connection."""
    return _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES
