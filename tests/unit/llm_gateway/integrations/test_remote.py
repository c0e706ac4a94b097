"""What is sent to a service elsewhere: made of what was judged, for that service alone, at its own address."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.clearance import service_probe_wire
from llm_gateway.core.errors import Internal, InvalidRequest
from llm_gateway.core.exchange import Caller
from llm_gateway.core.routing import Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import IntegrationSettings, ServiceSettings
from llm_gateway.core.types import Passthrough, SecurityLevel
from llm_gateway.core.wire import HttpRequest
from llm_gateway.integrations.asking import Visit
from llm_gateway.integrations.registry import SERVICES
from llm_gateway.integrations.remote import RemoteService

VISIT = Visit(Caller("ann"), "c-1", 100.0)
BOUNDS = IntegrationSettings.model_validate({})


def service(name: str = "doc_store", **settings: object) -> RemoteService:
    given_ = ServiceSettings.model_validate({"url": "http://127.0.0.1:5087/base/", **settings})
    return RemoteService(name, given_, SecurityLevel.HIGH, BOUNDS)


def request(where: RemoteService, operation: str, **body: Any) -> Passthrough:
    found = SERVICES[where.name].operations[operation]
    return where.request(found, msgspec.convert(body, found.request), VISIT)


def test_a_judged_request_goes_to_its_service() -> None:
    where = service(api_key="s3cret", headers={"X-Team": "docs"})
    judged = request(where, "search", query="falcon", limit=3)
    wire = seal(judged, frozenset({where.destination}), "1").service_wire(judged, where)
    assert wire.http.url == "http://127.0.0.1:5087/base/api/v1/search"
    assert msgspec.json.decode(wire.http.body) == {"query": "falcon", "limit": 3}
    headers = dict(wire.http.headers)
    assert headers["authorization"] == "Bearer s3cret"
    assert (headers["x-team"], headers["x-correlation-id"], headers["x-user-id"]) == ("docs", "c-1", "ann")
    assert service_probe_wire(where).http.url == "http://127.0.0.1:5087/base/health"


def test_nothing_else_becomes_wire_bytes() -> None:
    where, other = service(), service("memory_agent")
    judged = request(where, "search", query="falcon")
    cleared = seal(judged, frozenset({where.destination}), "1")
    with pytest.raises(Internal):  # another request than the one that was judged
        cleared.service_wire(request(where, "search", query="heron"), where)
    with pytest.raises(Internal):  # a service that it was not judged for
        cleared.service_wire(judged, other)
    both = seal(judged, frozenset({where.destination, other.destination}), "1")
    with pytest.raises(Internal):  # cleared, but made for another
        both.service_wire(judged, other)
    lower = Destination(where.destination.provider, where.destination.origin, SecurityLevel.LOW)
    with pytest.raises(Internal):  # trusted otherwise when it was judged
        seal(judged, frozenset({lower}), "1").service_wire(judged, where)


def test_a_service_cannot_lead_elsewhere() -> None:
    class Astray(RemoteService):
        def forward(self, request: Passthrough) -> HttpRequest:
            return HttpRequest("POST", "http://127.0.0.1:5087.evil.example/x", ())

        def health(self) -> HttpRequest:
            return HttpRequest("GET", "http://elsewhere.example/health", ())

    where = Astray("doc_store", ServiceSettings.model_validate({"url": "http://127.0.0.1:5087"}), SecurityLevel.HIGH, BOUNDS)
    judged = request(where, "search", query="falcon")
    with pytest.raises(Internal):
        seal(judged, frozenset({where.destination}), "1").service_wire(judged, where)
    with pytest.raises(Internal):
        service_probe_wire(where)


def test_fields_of_the_path_and_of_the_query() -> None:
    where = service()
    assert request(where, "retrieve", doc_id="a.b:c").path == "api/v1/documents/a.b%3Ac"
    listed = request(where, "list", limit=7)
    assert (listed.method, listed.query, listed.body) == ("GET", (("limit", "7"),), None)
    own = service(routes={"search": "GET /find/{query}"})
    found = request(own, "search", query="a/../b?c#d")
    assert (found.path, found.query) == ("find/a%2F..%2Fb%3Fc%23d", (("limit", "5"),))
    for dots in (".", ".."):
        with pytest.raises(InvalidRequest):
            request(where, "delete", doc_id=dots)
    with pytest.raises(InvalidRequest) as lacking:
        request(service(routes={"list": "GET /x/{after}"}), "list")
    assert lacking.value.param == "after"


@given(st.text(min_size=1, max_size=50).filter(lambda text: text not in {".", ".."}))
def test_no_caller_or_query_breaks_out_of_its_place(text: str) -> None:
    where = service(routes={"search": "GET /find/{query}"})
    found = SERVICES["doc_store"].operations["search"]
    asked = msgspec.convert({"query": text.encode("utf-8", "replace").decode()}, found.request)
    visit = Visit(Caller(text.encode("utf-8", "replace").decode()), "c-1", 100.0)
    http = where.forward(where.request(found, asked, visit))
    assert http.url.startswith("http://127.0.0.1:5087/base/find/")
    assert http.url.count("/") == 5
    assert http.url.count("?") == 1
    assert all(value.isascii() and value.isprintable() for _, value in http.headers)


def test_what_was_learnt_of_a_service_stays_at_its_url() -> None:
    before = service()
    before.last_error = "it was down"
    settings = ServiceSettings.model_validate({"url": "http://127.0.0.1:5087/base/", "timeout_s": 3})
    after = RemoteService("doc_store", settings, SecurityLevel.HIGH, BOUNDS, before)
    assert (after.lane, after.last_error) == (before.lane, "it was down")
    moved = RemoteService("doc_store", ServiceSettings.model_validate({"url": "http://127.0.0.1:9"}), SecurityLevel.HIGH, BOUNDS, before)
    assert moved.lane is not before.lane
