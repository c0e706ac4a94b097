import re
from collections.abc import Mapping
from typing import get_args

import pytest

from llm_gateway.configuration.loading import Loaded, load
from llm_gateway.configuration.shape import find, path_text
from llm_gateway.configuration.variables import VARIABLES
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.settings import ServiceName, Settings


def loaded(environ: Mapping[str, str]) -> Loaded:
    return load(None, environ, {})


def value_at(settings: Settings, path: str) -> object:
    here: object = settings
    for key in path.split("."):
        here = here[key] if isinstance(here, dict) else getattr(here, key)
    return here.get_secret_value() if hasattr(here, "get_secret_value") else here


PROVIDERS = ("ollama", "openai", "anthropic", "bedrock", "grok")
CASES = [
    ("LLM_GATEWAY_PORT", "6000", "server.port", 6000),
    ("LLM_GATEWAY_HOST", "0.0.0.0", "server.host", "0.0.0.0"),
    ("LLM_GATEWAY_DATA_DIR", "/var/lib/gateway", "server.data_dir", "/var/lib/gateway"),
    ("LLM_GATEWAY_LOG_LEVEL", "debug", "server.log_level", "debug"),
    *((f"{name.upper()}_ENDPOINT", "http://127.0.0.1:1", f"providers.{name}.endpoint", "http://127.0.0.1:1") for name in PROVIDERS),
    *((f"{name.upper()}_API_KEY", "k-1", f"providers.{name}.api_key", "k-1") for name in PROVIDERS),
    *((f"{name.upper()}_MODEL", "m-1", f"providers.{name}.model", "m-1") for name in PROVIDERS),
    ("XAI_API_KEY", "x-1", "providers.grok.api_key", "x-1"),
    ("AWS_REGION", "eu-west-1", "providers.bedrock.region", "eu-west-1"),
    ("AWS_DEFAULT_REGION", "eu-west-1", "providers.bedrock.region", "eu-west-1"),
    ("AWS_ACCESS_KEY_ID", "AKIA1", "providers.bedrock.aws_access_key_id", "AKIA1"),
    ("AWS_SECRET_ACCESS_KEY", "s", "providers.bedrock.aws_secret_access_key", "s"),
    ("AWS_SESSION_TOKEN", "t", "providers.bedrock.aws_session_token", "t"),
    ("AWS_BEARER_TOKEN_BEDROCK", "b", "providers.bedrock.api_key", "b"),
    ("SENSITIVE_KEYWORDS", "password,secret, heron ,", "security.sensitive_keywords", ("password", "secret", "heron")),
    ("SENSITIVITY_THRESHOLD", "0.5", "security.sensitivity_threshold", 0.5),
    ("SECURE_ONLY_MODELS", "ollama,bedrock", "security.secure_only_models", ("ollama", "bedrock")),
    ("CACHE_MAX_SIZE", "5", "cache.max_size", 5),
    ("CACHE_DEFAULT_TTL", "60", "cache.default_ttl", 60),
    ("CACHE_CLEANUP_INTERVAL", "30", "cache.cleanup_interval", 30),
    ("CACHE_ENABLE_COMPRESSION", "false", "cache.enable_compression", False),
    ("CACHE_SCOPE", "shared", "cache.scope", "shared"),
    ("RATE_LIMIT_REQUESTS_PER_MINUTE", "1", "rate_limiting.default.requests_per_minute", 1),
    ("RATE_LIMIT_REQUESTS_PER_HOUR", "2", "rate_limiting.default.requests_per_hour", 2),
    ("RATE_LIMIT_TOKENS_PER_MINUTE", "3", "rate_limiting.default.tokens_per_minute", 3),
    ("RATE_LIMIT_BURST_LIMIT", "4", "rate_limiting.default.burst_limit", 4),
    ("RATE_LIMIT_COOLDOWN_SECONDS", "5", "rate_limiting.default.cooldown_seconds", 5),
    ("AUDIT_KEY", "a" * 64, "audit.key", "a" * 64),
    ("KEY_PEPPER", "p" * 32, "auth.key_pepper", "p" * 32),
    ("STORAGE_ENCRYPTION_KEY", "e" * 32, "storage.encryption_key", "e" * 32),
    ("ADMIN_TOKEN", "v8Rw2kQz7LmX4pTnYc", "auth.admin_token", "v8Rw2kQz7LmX4pTnYc"),
    ("DATABASE_URL", "postgresql://u:p@h/d", "storage.database_url", "postgresql://u:p@h/d"),
    ("REDIS_URL", "rediss://h:1/2", "storage.redis_url", "rediss://h:1/2"),
    ("REDIS_HOST", "redis-service", "storage.redis_url", "redis://redis-service:6379/0"),
    *((f"{name.upper()}_URL", "http://127.0.0.1:9", f"services.{name}.url", "http://127.0.0.1:9") for name in get_args(ServiceName)),
    ("LLM_GATEWAY__ROUTING__STRATEGY", "cost", "routing.strategy", "cost"),
]


@pytest.mark.parametrize(("name", "text", "path", "value"), CASES)
def test_every_variable_sets_its_key_and_is_its_origin(name: str, text: str, path: str, value: object) -> None:
    result = loaded({name: text})
    assert value_at(result.settings, path) == value
    assert result.origins[path] == f"environment {name}"


def test_every_variable_of_the_table_has_a_case() -> None:
    special = {"LLM_GATEWAY_CONFIG", "LLM_GATEWAY_WORKERS", "ALL_PROVIDERS", "REDIS_PORT"}
    assert {variable.name for variable in VARIABLES} - {case[0] for case in CASES} == special


def test_the_table_names_each_variable_once_and_only_places_that_there_are() -> None:
    names = [variable.name for variable in VARIABLES]
    assert len(names) == len(set(names))
    assert [path_text(variable.sets) for variable in VARIABLES if variable.sets and find(variable.sets) is None] == []


def test_workers_with_redis() -> None:
    assert loaded({"LLM_GATEWAY_WORKERS": "4", "REDIS_HOST": "r"}).settings.server.workers == 4


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"REDIS_HOST": "r", "REDIS_PORT": "7000"}, "redis://r:7000/0"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0"),
        ({"REDIS_HOST": "r", "REDIS_URL": "redis://other"}, "redis://other"),
        ({"REDIS_HOST": "r", "REDIS_PORT": "tcp://10.0.0.1:6379"}, "redis://r:6379/0"),
        ({"REDIS_PORT": "7000"}, ""),
    ],
)
def test_redis_by_host_and_port(environ: dict[str, str], url: str) -> None:
    assert loaded(environ).settings.storage.redis_url.get_secret_value() == url


def test_grok_has_its_own_name_before_the_vendors() -> None:
    result = loaded({"GROK_API_KEY": "g", "XAI_API_KEY": "x"})
    assert result.settings.providers["grok"].api_key.get_secret_value() == "g"
    assert result.origins["providers.grok.api_key"] == "environment GROK_API_KEY"


def test_empty_variables_count_as_unset_and_white_space_goes() -> None:
    result = loaded({"LLM_GATEWAY_PORT": "", "OPENAI_API_KEY": "sk-1\n", "OPENAI_MODEL": "  "})
    assert result.settings.server.port == 5055
    assert result.settings.providers["openai"].api_key.get_secret_value() == "sk-1"
    assert result.settings.providers["openai"].model == "gpt-4o"


def test_all_providers_enables_in_order_and_switches_the_others_off() -> None:
    result = loaded({"ALL_PROVIDERS": "bedrock, ollama"})
    assert {name: (p.enabled, p.priority) for name, p in result.settings.providers.items()} == {
        "ollama": (True, 1), "openai": (False, 0), "anthropic": (False, 0), "bedrock": (True, 0), "grok": (False, 0),
    }  # fmt: skip
    assert result.origins["providers.openai.enabled"] == "environment ALL_PROVIDERS"


def test_all_providers_knows_those_that_other_variables_make_and_yields_to_exact_ones() -> None:
    environ = {
        "ALL_PROVIDERS": "vllm,ollama",
        "LLM_GATEWAY__PROVIDERS__VLLM__KIND": "openai",
        "LLM_GATEWAY__PROVIDERS__EXTRA__KIND": "openai",
        "LLM_GATEWAY__PROVIDERS__GROK__ENABLED": "true",
    }
    enabled = [name for name, provider in loaded(environ).settings.providers.items() if provider.enabled]
    assert enabled == ["ollama", "grok", "vllm"]


def test_all_providers_refuses_a_name_that_nobody_has() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)providers\.olama\.kind \(environment ALL_PROVIDERS\): missing.*`ollama`"):
        loaded({"ALL_PROVIDERS": "olama,openai"})


def test_a_kubernetes_service_link_is_no_port() -> None:
    result = loaded(
        {
            "LLM_GATEWAY_PORT": "tcp://10.43.0.7:5055",
            "LLM_GATEWAY_PORT_5055_TCP": "tcp://10.43.0.7:5055",
            "LLM_GATEWAY_PORT_5055_TCP_ADDR": "10.43.0.7",
            "LLM_GATEWAY_SERVICE_HOST": "10.43.0.7",
            "LLM_GATEWAY_SERVICE_PORT": "5055",
            "LLM_GATEWAY_SERVICE_PORT_HTTP": "5055",
            "LLM_GATEWAY_URL": "http://127.0.0.1:5055",
        }
    )
    assert result.settings.server.port == 5055
    assert result.warnings == ["LLM_GATEWAY_PORT is a Kubernetes service link, not a port: it is not used"]


def test_a_variable_that_looks_like_ours_and_is_not_is_mentioned() -> None:
    assert loaded({"LLM_GATEWAY_PROT": "1"}).warnings == ["LLM_GATEWAY_PROT is no variable of the gateway; did you mean LLM_GATEWAY_PORT?"]


def test_any_key_has_a_variable() -> None:
    environ = {
        "LLM_GATEWAY__PROVIDERS__VLLM__KIND": "openai",
        "LLM_GATEWAY__PROVIDERS__VLLM__MODELS": "a,b",
        "LLM_GATEWAY__ALIASES__FAST": "ollama/llama3",
        "LLM_GATEWAY__RATE_LIMITING__GOLD__BURST_LIMIT": "99",
        "LLM_GATEWAY__SECURITY__POLICIES__PII": "block",
    }
    result = loaded(environ)
    assert result.settings.providers["vllm"].models == ("a", "b")
    assert result.settings.aliases == {"fast": "ollama/llama3"}
    assert result.settings.rate_limiting["gold"].burst_limit == 99
    assert result.settings.security.policies == {"pii": "block"}
    assert result.origins["aliases.fast"] == "environment LLM_GATEWAY__ALIASES__FAST"


def test_the_exact_form_wins_over_the_short_one() -> None:
    result = loaded({"LLM_GATEWAY__SERVER__PORT": "1", "LLM_GATEWAY_PORT": "2"})
    assert (result.settings.server.port, result.origins["server.port"]) == (1, "environment LLM_GATEWAY__SERVER__PORT")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LLM_GATEWAY__SERVR__PORT", "servr (environment LLM_GATEWAY__SERVR__PORT): unknown key; did you mean `server`?"),
        ("LLM_GATEWAY__SERVER__PRT", "server.prt (environment LLM_GATEWAY__SERVER__PRT): unknown key; did you mean `port`?"),
        ("LLM_GATEWAY__SERVER", "expected a section"),
        ("LLM_GATEWAY__SERVER__PORT__X", "server.port takes a whole number"),
        ("LLM_GATEWAY__SERVER__PORT", "x; expected a whole number from 0 to 65535"),
    ],
)
def test_a_wrong_exact_form_is_an_error(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        loaded({name: "x"})


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}


def test_awss_variables_fill_bedrock_providers_only_and_all_of_them() -> None:
    environ = {**CREDENTIALS, "AWS_REGION": "eu-west-1", "LLM_GATEWAY__PROVIDERS__TWO__KIND": "bedrock"}
    providers = loaded(environ).settings.providers
    assert {name for name, provider in providers.items() if provider.aws_access_key_id.get_secret_value()} == {"bedrock", "two"}
    assert {name for name, provider in providers.items() if provider.region} == {"bedrock", "two"}


def test_awss_variables_replace_nothing_and_do_not_mix_credentials() -> None:
    own = {"LLM_GATEWAY__PROVIDERS__BEDROCK__AWS_ACCESS_KEY_ID": "mine", "LLM_GATEWAY__PROVIDERS__BEDROCK__REGION": "us-east-1"}
    bedrock = loaded({**CREDENTIALS, "AWS_REGION": "eu-west-1", **own}).settings.providers["bedrock"]
    assert bedrock.region == "us-east-1"
    assert bedrock.aws_access_key_id.get_secret_value() == "mine"
    assert not bedrock.aws_secret_access_key.get_secret_value()
    assert not bedrock.aws_session_token.get_secret_value()


def test_the_region_variable_goes_before_the_default_one() -> None:
    assert loaded({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}).settings.providers["bedrock"].region == "a"


@pytest.mark.parametrize(
    ("endpoint", "gets_it"),
    [
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", True),
        ("https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com", True),
        ("http://bedrock-runtime.eu-west-1.amazonaws.com", False),
        ("http://bedrock-proxy:7090/invoke", False),
        ("https://amazonaws.com.example.org", False),
        ("https://evilamazonaws.com", False),
    ],
)
def test_awss_bearer_token_goes_to_aws_only(endpoint: str, gets_it: bool) -> None:
    bedrock = loaded({"AWS_BEARER_TOKEN_BEDROCK": "b", "BEDROCK_ENDPOINT": endpoint}).settings.providers["bedrock"]
    assert bool(bedrock.api_key.get_secret_value()) is gets_it
