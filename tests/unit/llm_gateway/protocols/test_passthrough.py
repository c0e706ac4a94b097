"""Paths stay below their base URL, and what is passed through comes back as it is."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import InvalidRequest, ProviderInvalidRequest, ProviderRejected, ProviderUnavailable
from llm_gateway.core.types import PASSTHROUGH, Passthrough, Usage
from llm_gateway.protocols.passthrough import Bytes, forwarded, normalised, parameters, refusal

BASE = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"files", "files"),
        (b"files/", "files"),
        (b"v1/files/file-1/content", "v1/files/file-1/content"),
        (b"files/a%20b", "files/a%20b"),
        (b"files/a:b@c", "files/a:b@c"),
        ("files/größe".encode(), "files/gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_path_is_escaped_anew(raw: bytes, path: str) -> None:
    assert normalised(raw) == path


@pytest.mark.parametrize(
    "raw", [b"", b"/", b"a//b", b"..", b"a/../b", b"a/%2e%2e/b", b"a/%2F/b", b"a%5cb", b"a%25b", b"a%3Fb", b"a%23", b"a%00", b"\xff"]
)
def test_what_no_path_may_hold(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        normalised(raw)


@given(st.binary(max_size=60))
def test_no_bytes_lead_elsewhere(raw: bytes) -> None:
    try:
        path = normalised(raw)
    except InvalidRequest:
        return
    url = forwarded(Passthrough("openai", "GET", path), BASE, ()).url
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "api.example.com", "", "")
    assert parts.path.startswith("/v1/")
    assert not {"", ".", ".."} & set(parts.path.removeprefix("/v1/").split("/"))
    assert url.isascii()


def test_parameters_are_kept_in_order() -> None:
    assert parameters(b"limit=2&include[]=a&include[]=b&after=") == (("limit", "2"), ("include[]", "a"), ("include[]", "b"), ("after", ""))
    for query in (b"&".join([b"a=1"] * 101), b"a=%ff", b"\xff"):
        with pytest.raises(InvalidRequest):
            parameters(query)


def test_the_version_is_said_once() -> None:
    assert forwarded(Passthrough("o", "GET", "v1/files"), BASE, ()).url == f"{BASE}/files"
    assert forwarded(Passthrough("o", "GET", "files"), BASE, ()).url == f"{BASE}/files"
    assert forwarded(Passthrough("a", "GET", "v1/files"), "https://a.example", ()).url == "https://a.example/v1/files"


def test_headers_are_the_providers_and_few_of_the_callers() -> None:
    own = (("authorization", "Bearer k"), ("content-type", "application/json"), ("accept", "x"), ("anthropic-beta", "one"))
    form = Passthrough(
        "o", "POST", "files", headers=(("content-type", "multipart/form-data; boundary=b"), ("anthropic-beta", "two")), data=b"x"
    )
    http = forwarded(form, BASE, own)
    assert dict(http.headers) == {
        "authorization": "Bearer k", "content-type": "multipart/form-data; boundary=b", "anthropic-beta": "one,two",
    }  # fmt: skip
    assert http.body == b"x"
    said = forwarded(Passthrough("o", "POST", "b", (("q", "a b"),), (("content-type", "application/json; x=y"),), {"é": 1}), BASE, own)
    assert dict(said.headers)["content-type"] == "application/json"
    assert said.body == '{"é":1}'.encode()
    assert said.url == f"{BASE}/b?q=a+b"
    assert "content-type" not in dict(forwarded(Passthrough("o", "DELETE", "b"), BASE, own).headers)


@pytest.mark.parametrize("status", [404, 409, 413])
def test_refusals_of_the_operation_keep_their_status(status: int) -> None:
    told = refusal(ProviderRejected(f"o refused us (status {status}): no such file", provider="o"), status)
    assert isinstance(told, ProviderInvalidRequest)
    assert (told.message, told.upstream_status, told.try_next, told.same_again) == ("no such file", status, False, False)


def test_refusals_of_our_key_and_outages_do_not() -> None:
    for failure, status in (
        (ProviderRejected("no"), 401), (ProviderUnavailable("no"), 503), (ProviderRejected("no", code="invalid_api_key"), 400),
    ):  # fmt: skip
        assert refusal(failure, status) is failure


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4}}', Usage(3, 4)),
        (b'{"usage": {"input_tokens": 3, "output_tokens": 4}}', Usage(3, 4)),
        (b'data: {"usage": null}\n\ndata: {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}\n\ndata: [DONE]\n\n', Usage(3, 4)),
        (b'event: x\ndata: {"response": {"usage": {"input_tokens": 3, "output_tokens": 4}}}\n\n', Usage(3, 4)),
        (b'{"usage": {"type": "duration", "seconds": 1}}', Usage(0, 0)),
        (b'{"usage": "none"}', None),
        (b'{"usage"', None),
        (b"\x00\xff", None),
        (b"", None),
    ],
)
def test_bytes_come_out_as_they_went_in_and_usage_is_read_off(answer: bytes, usage: Usage | None) -> None:
    for size in (1, 7, len(answer) or 1):
        decoder = Bytes()
        chunks = [chunk for start in range(0, len(answer), size) for chunk in decoder.feed(answer[start : start + size])]
        assert b"".join(chunk.raw or b"" for chunk in chunks) == answer
        assert all(chunk.has_content and chunk.raw_protocol == PASSTHROUGH for chunk in chunks)
        assert [chunk.usage for chunk in decoder.finish()] == ([] if usage is None else [usage])


def test_a_large_answer_is_not_held() -> None:
    decoder = Bytes()
    for _ in range(100):
        decoder.feed(b"x" * 65_536)
    assert len(decoder._tail) <= 256 << 10
