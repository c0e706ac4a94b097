"""transport/head.py: nothing gets into a head that was not meant to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ConfigurationError, Internal
from llm_gateway.core.wire import HttpRequest
from llm_gateway.transport.head import HeadWriter

ORIGIN = "https://api.test:8443"


def write(method: str = "POST", url: str = ORIGIN + "/v1", headers: tuple[tuple[str, str], ...] = (), body: bytes = b"") -> list[str]:
    head = HeadWriter(ORIGIN, "api.test:8443").write(HttpRequest(method, url, headers, body)).decode("latin-1")
    assert head.endswith("\r\n\r\n")
    return head[:-4].split("\r\n")


def test_our_headers_and_the_requests_own() -> None:
    lines = write(headers=(("X-A", "1"), ("x-a", "2"), ("accept", "text/event-stream")), body=b"abc")
    assert lines[:3] == ["POST /v1 HTTP/1.1", "host: api.test:8443", "accept-encoding: identity"]
    assert lines[3:6] == ["X-A: 1", "x-a: 2", "accept: text/event-stream"]
    assert lines[6].startswith("user-agent: llm-gateway/")
    assert lines[7:] == ["content-length: 3"]


def test_what_a_request_may_say_of_our_headers() -> None:
    lines = write("GET", headers=(("User-Agent", "mine"), ("Accept-Encoding", "gzip"), ("Host", "api.test:8443")))
    assert lines == ["GET /v1 HTTP/1.1", "host: api.test:8443", "accept-encoding: identity", "User-Agent: mine"]
    with pytest.raises(Internal, match="another host"):
        write(headers=(("host", "evil.test"),))


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Connection", "upgrade", "TE", "trailer", "expect", "keep-alive", "proxy-authorization"]
)
def test_framing_is_ours_alone(name: str) -> None:
    with pytest.raises(Internal, match=name.lower()):
        write(headers=((name, "1"),))


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\0", "ü", "a\n", " a", "(a)"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="header name"):
        write(headers=((name, "1"),))


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "\r\n\r\nGET / HTTP/1.1", "key\n"])
def test_line_breaks_in_values_are_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="authorization") as caught:
        write(headers=(("Authorization", value),))
    assert value not in str(caught.value)


def test_values_outside_latin1_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Latin-1") as caught:
        write(headers=(("x-a", "secret\u20ac"),))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", ORIGIN + "/a b"), ("POST", ORIGIN + "/a\r\nb"), ("POST", ORIGIN + "/a#b"), ("POST", ORIGIN + "/\u00fc"),
        ("POST", ORIGIN + "0/"),
        ("POST", "https://other.test/"), ("POST", ORIGIN + ".evil.test/"), ("POST", ORIGIN + "@evil.test/"), ("HEAD", ORIGIN + "/"),
        ("CONNECT", ORIGIN + "/"), ("post", ORIGIN + "/"), ("GET / HTTP/1.1\r\nx:", ORIGIN + "/"), ("", ORIGIN + "/"),
    ],
)  # fmt: skip
def test_unusable_methods_and_urls_are_refused(method: str, url: str) -> None:
    with pytest.raises(Internal, match="method or URL"):
        write(method, url)


@pytest.mark.parametrize(("rest", "target"), [("", "/"), ("/", "/"), ("?a=b", "/?a=b"), ("/a%2Fb?c=%20", "/a%2Fb?c=%20")])
def test_targets(rest: str, target: str) -> None:
    assert write(url=ORIGIN + rest)[0] == f"POST {target} HTTP/1.1"


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=4), st.text(max_size=12))
def test_whatever_a_provider_encodes_the_head_has_the_lines_it_should(headers: list[tuple[str, str]], path: str) -> None:
    try:
        lines = write("POST", ORIGIN + path, tuple(headers))
    except (Internal, ConfigurationError):
        return
    dropped = sum(name.lower() in ("accept-encoding", "host") for name, _ in headers)
    own_agent = any(name.lower() == "user-agent" for name, _ in headers)
    assert len(lines) == 5 + len(headers) - dropped - own_agent
    assert all(line and "\n" not in line and "\r" not in line and "\0" not in line for line in lines)
