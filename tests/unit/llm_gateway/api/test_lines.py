"""The headers of an answer as text are those that ASGI has as pairs, and no value of a caller or provider begins another header."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.api.lines import answer_lines, failure_lines, joined, pairs
from llm_gateway.core.exchange import Credentials, Exchange
from llm_gateway.core.routing import Attempt, Candidate, Target
from llm_gateway.core.types import ChatRequest, Message, SecurityLevel

STANDING = "ratelimit: a;r=1\r\nx-ratelimit-remaining-requests: 9\r\n"


def exchange(provider: str = "openai", model: str = "gpt-4o") -> Exchange:
    made = Exchange(ChatRequest((Message("user", "hi"),)), "gw-1", Credentials(), "native", 1.0, 9.0)
    made.chosen = Candidate(Target(provider, model), 1.0)
    made.attempts = [Attempt(provider, model, SecurityLevel.LOW, "ok")]
    return made


def test_everything_is_said() -> None:
    made = exchange()
    made.standing = STANDING
    made.upstream_s = 0.5
    made.upstream_headers = MappingProxyType({"x-request-id": "req_7"})
    assert pairs(answer_lines(made, "request-id", 1.75)) == [
        (b"x-correlation-id", b"gw-1"), (b"request-id", b"gw-1"), (b"x-gateway-cache", b"bypass"), (b"x-gateway-provider", b"openai"),
        (b"x-gateway-model", b"gpt-4o"), (b"x-gateway-attempts", b"1"), (b"x-gateway-upstream-request-id", b"req_7"),
        (b"x-gateway-overhead-ms", b"250.000"), (b"ratelimit", b"a;r=1"), (b"x-ratelimit-remaining-requests", b"9"),
    ]  # fmt: skip


def test_what_stages_put_stands_in_place_of_the_limiters() -> None:
    made = exchange()
    made.standing = STANDING
    made.headers = {"x-ratelimit-remaining-requests": "3", "x-other": "y"}
    said = dict(pairs(answer_lines(made, "", 0.0)))
    assert said[b"x-ratelimit-remaining-requests"] == b"3"
    assert (said[b"ratelimit"], said[b"x-other"], said[b"x-gateway-overhead-ms"]) == (b"a;r=1", b"y", b"0.000")
    assert dict(pairs(failure_lines(made)))[b"x-ratelimit-remaining-requests"] == b"3"


@given(provider=st.text(max_size=20), model=st.text(max_size=20), upstream_id=st.text(max_size=20))
def test_no_name_begins_a_header(provider: str, model: str, upstream_id: str) -> None:
    made = exchange(provider, model)
    made.upstream_headers = {"x-request-id": upstream_id}
    lines = answer_lines(made, "", 2.0)
    assert lines.isascii()
    assert {name for name, _ in pairs(lines)} <= {
        b"x-correlation-id", b"x-gateway-cache", b"x-gateway-provider", b"x-gateway-model", b"x-gateway-attempts",
        b"x-gateway-upstream-request-id", b"x-gateway-overhead-ms",
    }  # fmt: skip
    assert lines.count("\r") == lines.count("\n") == lines.count("\r\n") == len(pairs(lines))


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\r\n"])
def test_a_value_with_a_line_break_is_refused(value: str) -> None:
    with pytest.raises(RuntimeError):
        joined({"x-a": "b", "x-b": value})
    with pytest.raises(RuntimeError):
        joined({value: "b"})


@given(
    st.dictionaries(
        st.from_regex(r"[a-z-]{1,10}", fullmatch=True), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
    )
)
def test_lines_and_pairs_are_the_same(headers: dict[str, str]) -> None:
    assert pairs(joined(headers)) == [(name.encode(), value.encode()) for name, value in headers.items()]
