import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.configuration import load
from llm_gateway.core.counters import UNLIMITED, Rules
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.settings import Settings
from llm_gateway.limits.rules import RuleBook, scope


def book(**sections: object) -> RuleBook:
    return RuleBook(Settings.model_validate(sections))


def test_the_specification_s_tier_is_everybody_s() -> None:
    assert book().tiers == {"default": Rules((10, 60, 1000), 50_000, 60_000_000)}
    assert book(rate_limiting={}).tiers == book().tiers


def test_scopes_without_a_limit_are_not_counted() -> None:
    found = book(
        providers={"openai": {"limits": {"requests_per_minute": 7}}, "grok": {}},
        limits={"models": {"gpt-4o": {"tokens_per_minute": 9}, "o1": {}}, "keys": {"k1": {"burst_limit": 2}}},
    )
    assert found.providers == {"openai": Rules((UNLIMITED, 7, UNLIMITED))}
    assert found.models == {"gpt-4o": Rules(tokens=9)}
    assert found.keys == {"k1": Rules((2, UNLIMITED, UNLIMITED))}
    assert found.overall.is_open


def test_what_all_callers_share_has_no_weight_and_a_tier_has_its_own() -> None:
    found = book(rate_limiting={"gold": {"weight": 5}}, limits={"overall": {"requests_per_minute": 9}})
    assert (found.overall, found.overall.share(3)) == (
        Rules((UNLIMITED, 9, UNLIMITED), weight=0),
        Rules((UNLIMITED, 3, UNLIMITED), weight=0),
    )
    assert (found.tiers["gold"].weight, found.tiers["default"].weight) == (5, 1)


def test_a_tier_comes_from_the_key_then_from_the_configuration() -> None:
    tiers = {"default": {}, "premium_user": {"requests_per_minute": 120}, "gold": {}}
    found = book(rate_limiting=tiers, limits={"callers": {"alice": "premium_user", "bob": "gone"}})
    assert [found.tier("alice", "default"), found.tier("alice", "gold"), found.tier("bob", "default"), found.tier("carl", "nothing")] == [
        "premium_user", "gold", "default", "default",
    ]  # fmt: skip


def test_large_limits_are_counted_coarsely_and_no_limit_is_not_large() -> None:
    assert Rules((10, 60, 1000)).grain_us == 0
    assert Rules((10, 60, UNLIMITED)).grain_us == 0
    assert Rules((10, 60, 10_001)).grain_us > 0


@given(st.lists(st.text(max_size=90), unique=True, max_size=30))
def test_every_name_has_an_account_of_its_own_of_bounded_length(names: list[str]) -> None:
    scopes = [scope("caller", name) for name in names]
    assert len(set(scopes)) == len(names)
    assert all(len(each) <= len("caller:") + 64 for each in scopes)
    assert {scope("caller", "x" * 100)} != {scope("key", "x" * 100)}


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"limits.callers.alice": "gold"}, "limits.callers.alice: rate_limiting has no tier 'gold'; there are default"),
        (
            {"limits.models.opnai/gpt-4o.burst_limit": 1},
            "limits.models.\"opnai/gpt-4o\": no provider is named 'opnai'; did you mean `openai`?",
        ),
        ({"limits.store_timeout_s": 0.2}, "limits.store_timeout_s"),
        ({"providers.openai.limits.burst_limit": 0}, "providers.openai.limits.burst_limit"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(flags: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, flags)
    said = re.sub(r" \(flag [^)]*\)", "", caught.value.message)
    assert problem in said


def test_replicas_without_a_shared_store_deserve_a_word() -> None:
    word = "each of them grants the whole of every limit"
    assert any(word in warning for warning in load(None, {}, {"limits.replicas": 3}).warnings)
    shared = {"limits.replicas": 3, "storage.redis_url": "redis://r"}
    assert not any(word in warning for warning in load(None, {}, shared).warnings)
