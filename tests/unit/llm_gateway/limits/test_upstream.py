"""What rate-limit headers on good answers say of the next call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.limits.upstream import rest_s

DATE = {"date": "Mon, 23 Nov 2026 10:00:00 GMT"}


def openai(what: str, left: str, reset: str, limit: str = "60") -> dict[str, str]:
    return {
        "x-ratelimit-remaining-requests": "5", f"x-ratelimit-remaining-{what}": left, f"x-ratelimit-reset-{what}": reset,
        f"x-ratelimit-limit-{what}": limit,
    }  # fmt: skip


def anthropic(what: str, left: str, reset: str, limit: str = "50") -> dict[str, str]:
    start = f"anthropic-ratelimit-{what}"
    return {
        "anthropic-ratelimit-requests-remaining": "5",
        f"{start}-remaining": left,
        f"{start}-reset": reset,
        f"{start}-limit": limit,
        **DATE,
    }


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        (openai("requests", "1", "60s"), None),
        (openai("requests", "0", "60s"), 1.0),
        (openai("requests", "0", "6m0s"), 6.0),
        (openai("requests", "0", "1m30.5s", ""), 90.5),
        (openai("requests", "0", "12ms"), None),
        (openai("requests", "0", "soon"), None),
        (openai("requests", "-1", "60s"), None),  # Azure's way to say that it does not know
        (openai("tokens", "0", "60s", "30000"), 2.0),
        (openai("tokens", "0", "60s", "500"), 60.0),
        (openai("tokens", "0", "30", ""), 30.0),
        (anthropic("requests", "0", "2026-11-23T10:01:00Z"), 1.2),
        (anthropic("output-tokens", "0", "2026-11-23T10:01:00Z", "10000"), 6.0),
        (anthropic("requests", "0", "2026-11-23T09:00:00Z"), None),
        (anthropic("requests", "0", "later"), None),
        (anthropic("requests", "7", "2026-11-23T10:01:00Z"), None),
    ],
    ids=str,
)
def test_a_provider_with_nothing_left_is_left_alone_until_one_call_is_there(headers: dict[str, str], seconds: float | None) -> None:
    found = rest_s(headers)
    assert found == (None if seconds is None else pytest.approx(seconds))


NAMES = st.sampled_from(
    [*openai("requests", "", ""), *openai("tokens", "", ""), *anthropic("requests", "", ""), *anthropic("tokens", "", "")]
)


@given(st.dictionaries(NAMES, st.one_of(st.text(max_size=20), st.sampled_from(["0", "1s", "60", "2026-11-23T10:01:00Z"]))))
def test_whatever_they_say_nothing_raises(headers: dict[str, str]) -> None:
    found = rest_s(headers)
    assert found is None or found >= 0.05
