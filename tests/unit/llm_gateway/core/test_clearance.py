"""Nothing leaves but what was judged, to where it was cleared for."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core import clearance
from llm_gateway.core.clearance import KEPT_BYTES, Clearance, WireBytes, digest, probe_wire
from llm_gateway.core.errors import Internal, ProviderError
from llm_gateway.core.routing import Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.types import ChatRequest, Message, Request, SecurityLevel
from llm_gateway.core.wire import Capabilities, Decoder, HttpRequest

HIGH = Destination("house", "http://127.0.0.1:1", SecurityLevel.HIGH)
MEDIUM = Destination("cloud", "https://api.example", SecurityLevel.MEDIUM)


class Plain:
    """A provider that puts the text of a request on the wire."""

    kind: ClassVar[str] = "plain"
    protocol: ClassVar[str] = "plain"
    capabilities = Capabilities()

    def __init__(self, destination: Destination, url: str | None = None) -> None:
        self.name = destination.provider
        self.destination = destination
        self.url = url or destination.origin + "/chat"

    def encode(self, request: Request, model: str, now_s: float) -> HttpRequest:
        return HttpRequest("POST", self.url, (), msgspec.json.encode(request))

    def decoder(self, request: Request, model: str) -> Decoder:
        raise AssertionError("not asked here")

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        raise AssertionError("not asked here")

    def probe(self) -> HttpRequest | None:
        return HttpRequest("GET", self.url, ())

    def models(self, body: bytes) -> list[str]:
        return []


def chat(text: str, **fields: object) -> ChatRequest:
    return ChatRequest(messages=(Message("user", text),), **fields)  # type: ignore[arg-type]


def test_a_cleared_request_becomes_wire_bytes() -> None:
    request = chat("hello")
    wire = seal(request, frozenset({HIGH}), "1").wire(request, Plain(HIGH), "m", 0)
    assert wire.destination == HIGH
    assert b"hello" in wire.http.body


def test_an_origin_that_was_not_cleared_gets_nothing() -> None:
    request = chat("hello")
    with pytest.raises(Internal):
        seal(request, frozenset({HIGH}), "1").wire(request, Plain(MEDIUM), "m", 0)


def test_the_same_name_at_another_level_or_origin_is_another_destination() -> None:
    request = chat("hello")
    sealed = seal(request, frozenset({HIGH}), "1")
    for other in (
        msgspec.structs.replace(HIGH, origin="http://127.0.0.1:2"),
        msgspec.structs.replace(HIGH, security_level=SecurityLevel.MEDIUM),
    ):
        with pytest.raises(Internal):
            sealed.wire(request, Plain(other), "m", 0)


@given(st.text(), st.text(), st.booleans(), st.sampled_from([0, KEPT_BYTES]))
def test_only_the_judged_request_passes(judged: str, sent: str, stream: bool, more: int) -> None:
    """Whether it is small enough to be kept, or told by its digest."""
    judged, sent = judged + "x" * more, sent + "x" * more
    sealed = seal(chat(judged), frozenset({HIGH}), "1")
    other = chat(sent, stream=stream)
    if other == chat(judged):
        sealed.wire(other, Plain(HIGH), "m", 0)
    else:
        with pytest.raises(Internal):
            sealed.wire(other, Plain(HIGH), "m", 0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:12/chat", "http://127.0.0.1:1.evil.example/", "https://api.example/chat"])
def test_a_provider_cannot_encode_for_another_origin(url: str) -> None:
    request = chat("hello")
    with pytest.raises(Internal):
        seal(request, frozenset({HIGH}), "1").wire(request, Plain(HIGH, url), "m", 0)
    with pytest.raises(Internal):
        probe_wire(Plain(HIGH, url))


def test_clearances_and_wire_bytes_cannot_be_made_or_changed_from_outside() -> None:
    with pytest.raises(Internal):
        WireBytes(HttpRequest("GET", "x", ()), HIGH, object())
    with pytest.raises(Internal):
        Clearance(b"", frozenset({HIGH}), "1", object())
    sealed = seal(chat("x"), frozenset({HIGH}), "1")
    with pytest.raises(Internal):
        sealed._eligible = frozenset({MEDIUM})


def test_the_digest_covers_every_field() -> None:
    base = chat("x")
    changed: dict[str, object] = {"stop": ("a",), "seed": 1, "end_user": "u", "model": "m", "temperature": 0.5, "stream": True}
    digests = {digest(base), *(digest(msgspec.structs.replace(base, **{name: value})) for name, value in changed.items())}
    assert len(digests) == len(changed) + 1


def test_the_token_is_held_by_nobody_else() -> None:
    assert clearance._TOKEN is not None


def test_a_keys_providers_narrow_where_a_request_may_go() -> None:
    request = chat("x")
    both = frozenset({HIGH, MEDIUM})
    assert seal(request, both, "1").eligible == both
    assert seal(request, both, "1", frozenset({"cloud", "other"})).eligible == {MEDIUM}
    narrowed = seal(request, frozenset({HIGH}), "1", frozenset({"cloud"}))
    assert narrowed.eligible == frozenset()
    with pytest.raises(Internal):
        narrowed.wire(request, Plain(MEDIUM), "m", 0)


def test_no_bytes_are_made_for_a_model_that_a_key_does_not_cover() -> None:
    request = chat("x")
    sealed = seal(request, frozenset({HIGH, MEDIUM}), "1", None, frozenset({"small", "house/large"}))
    for place, model in ((HIGH, "small"), (MEDIUM, "small"), (HIGH, "large")):
        assert sealed.wire(request, Plain(place), model, 0).destination == place
    for place, model in ((MEDIUM, "large"), (HIGH, "house/large"), (HIGH, ""), (HIGH, "SMALL")):
        with pytest.raises(Internal):
            sealed.wire(request, Plain(place), model, 0)
    with pytest.raises(Internal):
        seal(request, frozenset({HIGH}), "1", None, frozenset()).wire(request, Plain(HIGH), "small", 0)
