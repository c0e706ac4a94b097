"""The endpoints, on a trail in a database, through the same error handling as in the gateway."""

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from tests.unit.llm_gateway.audit.files import harm, store_trail
from tests.unit.llm_gateway.audit.trails import FIRST, KEY, SECOND, trail

from llm_gateway.api import management
from llm_gateway.api.audit import audit_router
from llm_gateway.audit.offline import opened
from llm_gateway.audit.reading import TrailReader
from llm_gateway.core.errors import Forbidden, LLMGatewayError
from llm_gateway.core.exchange import Caller
from llm_gateway.stores.sql import SqlStore

CALLS = 10


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Api:
    """The endpoints as an application, asked without a network."""

    def __init__(self, store: SqlStore) -> None:
        self.busy = asyncio.Lock()
        self.reader = TrailReader(store, KEY, self.busy)
        self.app = FastAPI(openapi_url=None)
        self.app.include_router(audit_router(self, self.require_admin))
        self.app.add_exception_handler(LLMGatewayError, management._on_gateway_error)
        self.app.add_exception_handler(RequestValidationError, management._on_validation_error)

    def audit(self) -> TrailReader:
        return self.reader

    def require_admin(self, request: Request) -> Caller:
        if request.headers.get("authorization") != "Bearer admin":
            raise Forbidden("for administrators")
        return Caller("root", is_admin=True)

    async def get(self, path: str, token: str = "admin", accept: str = "", **query: object) -> Answer:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"accept", accept.encode())]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": urlencode(query).encode(), "headers": headers}
        sent: list[dict[str, Any]] = []

        body = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            for message in body:
                return message
            return await asyncio.get_running_loop().create_future()  # nothing more comes

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], names, b"".join(message["body"] for message in sent[1:]))


@pytest.fixture
def url(database_url: str) -> str:
    SqlStore(database_url).close()
    store_trail(database_url, trail(CALLS))
    return database_url


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    made = SqlStore(url)
    yield made
    made.close()


@pytest.fixture
async def api(store: SqlStore) -> Api:
    return Api(store)


@pytest.mark.parametrize("address", ["/audit", "/audit/verify"])
async def test_only_administrators_read_it(api: Api, address: str) -> None:
    answer = await api.get(address, token="guess", limit="x")
    assert answer.status == 403
    assert answer.json["error"]["type"] == "forbidden"


async def test_pages_follow_each_other(api: Api) -> None:
    seen: list[tuple[str, int]] = []
    query: dict[str, object] = {"limit": 8}
    while True:
        page = (await api.get("/audit", **query)).json
        seen += [(row["chain"], row["seq"]) for row in page["rows"]]
        if page["next_cursor"] is None:
            break
        assert len(page["rows"]) == 8
        query["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 2 * (2 * CALLS + 1)
    page = (await api.get("/audit", limit=1000)).json
    assert page["next_cursor"] is None
    assert [(row["chain"], row["seq"]) for row in page["rows"]] == seen


async def test_a_row_says_it_all(api: Api) -> None:
    answer = await api.get(
        "/audit", correlation_id="gw-3", kind="outcome", caller="ann", provider="openai", outcome="ok", sensitive="false"
    )
    assert answer.headers["cache-control"] == "no-store"
    newest, _ = answer.json["rows"]
    assert (newest["chain"], newest["call"], newest["at"], newest["sensitive"]) == (SECOND, 3, 1_800_000_000.000003, False)
    assert newest["detail"] == {}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "x"}, "until"),
        ({"outcome": "fine"}, "outcome"),
        ({"kind": "x"}, "kind"),
        ({"cursor": "x"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"sensitive": "perhaps"}, "sensitive"),
        ({"format": "xml"}, "format"),
    ],
)
async def test_a_wrong_question_names_its_field(api: Api, query: dict[str, str], field: str) -> None:
    answer = await api.get("/audit", **query)
    assert answer.status == 400
    assert answer.json["error"]["param"] == field


async def test_times_bound_what_is_found(api: Api) -> None:
    rows = (await api.get("/audit", since="1800000000.000002", until="1800000000.000004")).json["rows"]
    assert {row["call"] for row in rows} == {2, 3}


async def test_an_export_is_verified_offline(api: Api, tmp_path: Path) -> None:
    answer = await api.get("/audit", format="jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    assert "audit.jsonl" in answer.headers["content-disposition"]
    (tmp_path / "export.jsonl").write_bytes(answer.body)
    with opened(tmp_path / "export.jsonl") as found:
        verdict = found.verify(KEY)
    assert verdict.intact
    assert not verdict.partial


async def test_csv_by_accept(api: Api) -> None:
    answer = await api.get("/audit", accept="text/csv", kind="intent")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [(row["chain"], row["call"]) for row in rows] == [
        (chain, str(call)) for chain in (FIRST, SECOND) for call in range(1, CALLS + 1)
    ]


async def test_the_verdict(api: Api, url: str) -> None:
    verdict = (await api.get("/audit/verify")).json
    assert (verdict["intact"], verdict["rows"], verdict["problems"]) == (True, 2 * (2 * CALLS + 1), [])
    harm(url, "DELETE FROM audit WHERE chain = :chain AND seq = 7", chain=FIRST)
    verdict = (await api.get("/audit/verify")).json
    assert verdict["intact"] is False
    assert verdict["problems"] == [{"chain": FIRST, "seq": 8, "what": "row 7 is missing before it"}]


async def test_a_second_verification_at_once_is_asked_to_wait(api: Api) -> None:
    async with api.busy:
        answer = await api.get("/audit/verify")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "10"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL takes no such values
async def test_a_damaged_row_does_not_hide_the_others(api: Api, url: str) -> None:
    harm(url, "UPDATE audit SET detail = CAST(x'ff7b' AS TEXT), at_us = 'x' WHERE chain = :chain AND seq = 7", chain=FIRST)
    rows = (await api.get("/audit", limit=1000)).json["rows"]
    assert len(rows) == 2 * (2 * CALLS + 1)
    assert [row for row in rows if row.get("damaged")] == [{"chain": FIRST, "seq": 7, "damaged": True}]
