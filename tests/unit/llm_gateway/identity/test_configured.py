import re
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from llm_gateway.configuration import load
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.configured import configured_keys, unix_s
from llm_gateway.identity.keys import Grant, Pepper

PEPPER = Pepper(b"p" * 32)
KEY = "gw_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3Hz8MD"


def test_a_key_and_its_sha_256_configure_the_same() -> None:
    flags = {"auth.keys.ci.key": KEY, "auth.keys.ci.owner": "acme"}
    (by_key,) = configured_keys(load(None, {}, flags).settings.auth, PEPPER)
    flags = {"auth.keys.ci.key_sha256": sha256(KEY.encode()).hexdigest(), "auth.keys.ci.owner": "acme"}
    (by_sha256,) = configured_keys(load(None, {}, flags).settings.auth, PEPPER)
    assert by_key.digest == by_sha256.digest == PEPPER.of(KEY)
    assert by_key.id == "config:ci"
    assert (by_key.hint, by_sha256.hint) == ("gw_003a", "")
    assert by_key.source == "config"
    assert by_key.grant == Grant("ci", "acme")


def test_all_that_a_key_may_be_given() -> None:
    flags = {
        "auth.keys.ci.key": KEY,
        "auth.keys.ci.allowed_providers": ["openai"],
        "auth.keys.ci.allowed_models": ["gpt-4o", "openai/o3"],
        "auth.keys.ci.budget_usd": 0.1,
        "auth.keys.ci.budget_period": "day",
        "auth.keys.ci.expires": "2027-01-31",
    }
    (key,) = configured_keys(load(None, {}, flags).settings.auth, PEPPER)
    models = frozenset({"gpt-4o", "openai/o3"})
    assert key.grant == Grant("ci", "ci", "default", frozenset({"openai"}), models, Decimal("0.1"), "day", 1801353600.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2027-01-31", 1801353600), ("2027-01-31T18:00:00Z", 1801418400), ("2027-01-31T18:00+02:00", 1801411200)],
)
def test_times(text: str, expected: int) -> None:
    assert unix_s(text) == expected


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"owner": "acme"}, "auth.keys.ci.key (flag --set auth.keys.ci.owner): expected either `key` or `key_sha256`"),
        ({"key": KEY, "key_sha256": "0" * 64}, "expected either `key` or `key_sha256`"),
        ({"key": KEY[:-1] + "X"}, "auth.keys.ci.key (flag --set auth.keys.ci.key): is no key of this gateway, or was mistyped"),
        ({"key": "sk-hidden-secret"}, "is no key of this gateway"),
        ({"key_sha256": "xyz"}, "expected 64 hexadecimal digits in lower case"),
        ({"key": KEY, "owner": "a/b"}, "auth.keys.ci.owner (flag --set auth.keys.ci.owner): expected up to 64 letters"),
        ({"key": KEY, "owner": "admin"}, "a name of the gateway's own"),
        ({"key": KEY, "tier": "gold"}, "(flag --set auth.keys.ci.tier): there is no such tier; rate_limiting has default"),
        ({"key": KEY, "allowed_providers": []}, "an empty list allows nothing"),
        ({"key": KEY, "allowed_models": []}, "an empty list allows nothing"),
        ({"key": KEY, "allowed_providers": ["opneai"]}, "no provider has this name; there are ollama"),
        ({"key": KEY, "expires": "soon"}, "expected a date (UTC) that there is, or a time like 2027-01-31T18:00:00Z"),
        ({"key": KEY, "expires": "2027-02-30"}, "expected a date (UTC) that there is"),
        ({"key": KEY, "expires": "2027-01-31T18:00"}, "expected a date (UTC) that there is"),
        ({"key": KEY, "budget_usd": -1}, "auth.keys.ci.budget_usd"),
        ({"key": KEY, "onwer": "acme"}, "unknown key; did you mean `owner`?"),
    ],
)
def test_what_is_wrong_stops_the_start_and_shows_no_key(flags: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, {f"auth.keys.ci.{name}": value for name, value in flags.items()})
    assert said in caught.value.message
    assert "hidden" not in caught.value.message
    assert KEY[:10] not in caught.value.message


def test_a_key_stands_in_one_entry_only() -> None:
    with pytest.raises(ConfigurationError, match=r"is the same key as that of auth\.keys\.a"):
        load(None, {}, {"auth.keys.a.key": KEY, "auth.keys.b.key_sha256": sha256(KEY.encode()).hexdigest()})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"auth.key_pepper": "too-short"}, "auth.key_pepper (flag --set auth.key_pepper): has 9 characters; expected 32 or more"),
        ({"auth.admin_token": "admin-token"}, "auth.admin_token (flag --set auth.admin_token): has 11 characters; expected 16 or more"),
        ({"auth.admin_token": "changeme-changeme"}, "is made of words that everybody tries"),
    ],
)
def test_weak_secrets_stop_the_start(flags: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, flags)
    assert said in caught.value.message


def test_a_key_comes_from_the_environment_by_name() -> None:
    settings = load(None, {"LLM_GATEWAY__AUTH__KEYS__CI__KEY": KEY}, {}).settings
    assert [key.digest for key in configured_keys(settings.auth, PEPPER)] == [PEPPER.of(KEY)]
    assert KEY not in repr(settings)


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "identity.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "config.yaml").write_text(example, encoding="utf-8")
    loaded = load(tmp_path / "config.yaml", {"CI_GATEWAY_KEY": KEY}, {})
    assert [key.id for key in configured_keys(loaded.settings.auth, PEPPER)] == ["config:ci", "config:nightly"]
    assert loaded.warnings == []
