import re
from collections.abc import Mapping

import pytest

from llm_gateway.configuration.loading import load
from llm_gateway.core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"providers.openai.endpoint": "api.openai.com"}, "openai.endpoint (flag --set providers.openai.endpoint): not an http or"),
        ({"providers.openai.endpoint": "ftp://host"}, "not an http or https URL"),
        ({"providers.openai.endpoint": "https://"}, "not an http or https URL"),
        ({"providers.openai.endpoint": "https://host:99999"}, "not a URL"),
        ({"providers.openai.endpoint": "https://ho st"}, "not an http or https URL"),
        ({"providers.openai.endpoint": "https://user:hidden@host"}, "a user or password stands in it"),
        ({"providers.openai.endpoint": "https://host?key=hidden"}, "a query or fragment"),
        ({"services.doc_store.url": "doc-store:5087"}, "services.doc_store.url (flag --set services.doc_store.url): not an http"),
        ({"providers.openai.api_key": "two words"}, "providers.openai.api_key (flag --set providers.openai.api_key): holds spaces"),
        ({"providers.openai.api_key": "“quoted”"}, "letters beyond ASCII"),
        ({"auth.admin_token": "a\nb"}, "auth.admin_token (flag --set auth.admin_token): holds spaces"),
        ({"providers.openai.headers.x y": "v"}, "not a header's name"),
        ({"providers.openai.headers.x-y": "a\r\nhidden: b"}, "holds line breaks"),
        ({"providers.vllm.model": "m"}, "providers.vllm.kind (flag --set providers.vllm.model): missing; expected one of ollama"),
        ({"providers.auto.kind": "openai"}, "not a provider's name"),
        ({"providers.a/b.kind": "openai"}, "not a provider's name"),
        ({"server.workers": 2}, "more than one worker needs storage.redis_url"),
        ({"storage.redis_url": "hidden:6379"}, "not a Redis URL"),
        ({"storage.database_url": "hidden"}, "not a database URL"),
        (
            {"security.secure_only_models": ["ollama", "bedrok"]},
            "secure_only_models.1 (flag --set security.secure_only_models): no provider has this name; did you mean `bedrock`?",
        ),
        ({"security.rules.x": "(?=a)"}, "security.rules.x (flag --set security.rules.x): not an RE2 pattern: invalid perl operator"),
        ({"routing.retry_base_s": 9}, "more than routing.retry_max_s (5)"),
    ],
)
def test_what_cannot_work_is_refused_without_quoting_secrets(flags: Mapping[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)) as raised:
        load(None, {}, flags)
    assert "hidden" not in raised.value.message


@pytest.mark.parametrize(
    "flags",
    [
        {"providers.openai.endpoint": "https://api.openai.com/v1/"},
        {"providers.ollama.endpoint": "http://[::1]:11434"},
        {"server.workers": 2, "storage.redis_url": "redis://r"},
        {"storage.redis_url": "unix:///run/redis.sock"},
        {"storage.database_url": "postgresql+asyncpg://u:p@h/d"},
        {"security.rules.x": r"HR-[0-9]{6}"},
        {"providers.openai.headers.x-y": "a b"},
    ],
)
def test_what_works_is_taken_without_a_word(flags: Mapping[str, object]) -> None:
    assert load(None, {}, flags).warnings == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"providers.openai.endpoint": "http://llm.example.com/v1"}, "providers.openai.endpoint is http at an address"),
        (
            {"providers.ollama.endpoint": "https://ollama.example.com", "providers.ollama.security_level": "high"},
            "providers.ollama counts as high because security_level says so",
        ),
        ({"security.secure_only_models": ["ollama", "openai"]}, "security.secure_only_models names openai of level medium"),
        ({"security.secure_only_models": ["openai"]}, "no enabled provider may get sensitive content (level high)"),
        ({"providers.ollama.enabled": False, "providers.bedrock.enabled": False}, "no enabled provider may get sensitive content"),
        ({"security.auto_classification": False}, "all content counts as sensitive"),
        ({"auth.admin_token": "v8Rw2kQz7LmX4pTn"}, "auth.admin_token has 16 characters"),
    ],
)
def test_what_works_but_may_not_be_meant_is_mentioned(flags: Mapping[str, object], said: str) -> None:
    assert any(said in warning for warning in load(None, {}, flags).warnings)


def test_a_disabled_provider_is_not_remarked_on() -> None:
    assert load(None, {}, {"providers.openai.endpoint": "http://llm.example.com", "providers.openai.enabled": False}).warnings == []
