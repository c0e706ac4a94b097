import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.configuration.loading import Loaded, load
from llm_gateway.configuration.shape import leaves, path_text
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.settings import Settings


class Folder:
    """Loads YAML text by way of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path / "config.yaml"

    def load(self, text: str, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None) -> Loaded:
        self.path.write_text(text, encoding="utf-8")
        return load(self.path, environ or {}, flags or {})

    def refused(self, text: str, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            self.load(text, environ, flags)
        return [line.strip() for line in raised.value.message.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_without_anything_the_five_providers_are_there() -> None:
    result = load(None, {}, {})
    assert {
        name: (provider.model, provider.timeout, provider.cost_per_token, provider.enabled)
        for name, provider in result.settings.providers.items()
    } == {
        "ollama": ("llama3", 60, 0.0, True),
        "openai": ("gpt-4o", 30, 0.00003, True),
        "anthropic": ("claude-3.5-sonnet", 30, 0.000015, True),
        "bedrock": ("anthropic.claude-3-sonnet-20240229-v1:0", 60, 0.000015, True),
        "grok": ("grok-1", 30, 0.00001, True),
    }
    assert set(result.settings.rate_limiting) == {"default"}
    assert result.settings.server.host == "127.0.0.1"
    assert set(result.origins.values()) == {"default"}
    assert (result.warnings, result.path, result.digest) == ([], None, "")


def test_every_value_has_its_origin(folder: Folder) -> None:
    result = folder.load("providers:\n  x:\n    kind: openai\n    prices: {gpt-4.1: {input: 1, output: 2}}\n")
    assert set(result.origins) == {path_text(path) for path, _ in leaves(result.settings)}
    assert result.origins['providers.x.prices."gpt-4.1".input'] == "file config.yaml:4"


@given(st.lists(st.sampled_from(["file", "environment", "flag"]), unique=True))
def test_flags_win_over_environment_over_file_over_defaults(tmp_path_factory: pytest.TempPathFactory, sources: list[str]) -> None:
    folder = Folder(tmp_path_factory.mktemp("order"))
    text = "server:\n  port: 1\n" if "file" in sources else ""
    environ = {"LLM_GATEWAY_PORT": "2"} if "environment" in sources else {}
    flags = {"port": 3} if "flag" in sources else {"port": None}
    result = folder.load(text, environ, flags)
    winner = next((source for source in ("flag", "environment", "file") if source in sources), "default")
    assert (result.settings.server.port, result.origins["server.port"]) == {
        "flag": (3, "flag --port"),
        "environment": (2, "environment LLM_GATEWAY_PORT"),
        "file": (1, "file config.yaml:2"),
        "default": (5055, "default"),
    }[winner]


@pytest.mark.parametrize(
    ("flag", "value", "path", "origin"),
    [
        ("data_dir", "/x", "server.data_dir", "flag --data-dir"),
        ("server.data_dir", "/x", "server.data_dir", "flag --data-dir"),
        ("routing.strategy", "cost", "routing.strategy", "flag --set routing.strategy"),
    ],
)
def test_flags_go_by_name_or_path(flag: str, value: str, path: str, origin: str) -> None:
    assert load(None, {}, {flag: value}).origins[path] == origin


def test_an_unknown_flag_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"server\.prt \(flag --set server\.prt\): unknown key; did you mean `port`\?"):
        load(None, {}, {"server.prt": 1})


def test_the_file_may_be_named_by_the_environment(folder: Folder) -> None:
    folder.path.write_text("server: {port: 1}", encoding="utf-8")
    result = load(None, {"LLM_GATEWAY_CONFIG": str(folder.path)}, {})
    assert (result.settings.server.port, result.path) == (1, folder.path)
    with pytest.raises(ConfigurationError):
        load(folder.path.with_name("other.yaml"), {"LLM_GATEWAY_CONFIG": str(folder.path)}, {})


def test_sources_are_merged_setting_by_setting(folder: Folder) -> None:
    result = folder.load(
        "rate_limiting: {gold: {burst_limit: 20}}\nproviders: {openai: {timeout: 5}, mine: {kind: openai}}\n"
        "security: {sensitive_keywords: [a]}",
        {"OPENAI_MODEL": "o3"},
    )
    assert result.settings.providers["openai"].timeout == 5
    assert result.settings.providers["openai"].model == "o3"
    assert result.settings.providers["openai"].cost_per_token == 0.00003
    assert set(result.settings.rate_limiting) == {"default", "gold"}
    assert result.settings.rate_limiting["gold"].requests_per_minute == 60
    assert result.settings.security.sensitive_keywords == ("a",)
    assert set(result.settings.providers) == {"ollama", "openai", "anthropic", "bedrock", "grok", "mine"}


def test_sections_whose_lines_are_all_comments_are_empty(folder: Folder) -> None:
    result = folder.load("cache:\n  # max_size: 1\nproviders:\naliases:\nrate_limiting:\n  gold:\n")
    assert result.settings.cache.max_size == 1000
    assert set(result.settings.rate_limiting) == {"default", "gold"}


def test_null_where_it_may_stand_takes_a_default_away(folder: Folder) -> None:
    assert folder.load("providers: {openai: {cost_per_token: null}}").settings.providers["openai"].cost_per_token is None


def test_variables_are_filled_in_after_parsing_and_in_strings_only(folder: Folder) -> None:
    environ = {"PORT": "7000", "MODEL": "a: b # c", "WORD": "heron", "NUMBERS": "1, 2"}
    text = (
        "server: {port: '${PORT}'}\nproviders:\n  openai:\n    model: ${MODEL}\n    timeout: ${TIMEOUT:-7}\n    api_key: '$${MODEL}'\n"
        "security:\n  sensitive_keywords: ['${WORD}', plain, '${NUMBERS}']\naliases:\n  ${WORD}: x\n"
    )
    settings = folder.load(text, environ).settings
    assert settings.server.port == 7000
    assert settings.providers["openai"].model == "a: b # c"
    assert settings.providers["openai"].timeout == 7
    assert settings.providers["openai"].api_key.get_secret_value() == "${MODEL}"
    assert settings.security.sensitive_keywords == ("heron", "plain", "1, 2")
    assert settings.aliases == {"${WORD}": "x"}


def test_an_unset_variable_leaves_key_and_endpoint_empty_and_is_noted(folder: Folder) -> None:
    text = "providers:\n  openai:\n    api_key: ${OPENAI_API_KEY}\n  ollama:\n    endpoint: http://${OLLAMA_HOST}:11434\n"
    result = folder.load(text)
    assert result.settings.providers["openai"].api_key.get_secret_value() == ""
    assert result.settings.providers["ollama"].endpoint == ""
    assert result.warnings == [
        "providers.openai.api_key (file config.yaml:3): OPENAI_API_KEY is not set, so this is empty",
        "providers.ollama.endpoint (file config.yaml:5): OLLAMA_HOST is not set, so this is empty",
    ]


def test_no_note_of_what_another_source_sets(folder: Folder) -> None:
    result = folder.load("providers: {grok: {api_key: '${GROK_API_KEY}'}}", {"XAI_API_KEY": "x"})
    assert result.settings.providers["grok"].api_key.get_secret_value() == "x"
    assert result.warnings == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("providers: {openai: {model: '${NOPE}'}}", "providers.openai.model"),
        ("auth: {admin_token: '${NOPE}'}", "auth.admin_token"),
        ("storage: {database_url: 'postgresql://${NOPE}/x'}", "storage.database_url"),
        ("security: {sensitive_keywords: [a, '${NOPE}']}", "security.sensitive_keywords.1"),
        ("aliases: {api_key: '${NOPE}'}", "aliases.api_key"),
    ],
)
def test_an_unset_variable_anywhere_else_is_an_error(folder: Folder, text: str, path: str) -> None:
    assert folder.refused(text) == [
        "one setting is wrong:",
        f"{path} (file config.yaml:1): NOPE is not set; set it, or give a default: ${{NOPE:-default}}",
    ]


def test_a_malformed_reference_is_an_error_that_does_not_quote_it(folder: Folder) -> None:
    (_, line) = folder.refused("providers: {openai: {api_key: 'hidden${'}}")
    assert line.startswith("providers.openai.api_key (file config.yaml:1): `${` without a variable; expected ${NAME}")
    assert "hidden" not in line


def test_all_problems_are_said_at_once(folder: Folder) -> None:
    text = """\
server:
  port: abc
  prt: 1
  workers: true
port: 5
rate_limiting:
  gold: {burst_limit: 1.5}
  gold: {}
providers:
  ollama: {security_level: hihg}
  vllm: {endpoint: 'ftp://x', api_key: 12345, models: abc, prices: {gpt-4.1: {input: -1}}}
  openai: {timeout: '${TIMEOUT:-abc}', model: , enabled: maybe}
routing: {strategy: fast}
cache: 5
aliases: [1]
security: {minimum_level: [top], rules: {x: '('}, sensitivity_threshold: .nan}
services: {memory-agent: {}}
"""
    assert folder.refused(text, {"RATE_LIMIT_BURST_LIMIT": "x"}, {"host": ""}) == [
        "24 settings are wrong:",
        "rate_limiting.gold (file config.yaml:8): stands twice; first on line 7",
        "server.prt (file config.yaml:3): unknown key; did you mean `port`?",
        "server.workers (file config.yaml:4): true; expected a whole number from 1 to 256",
        "port (file config.yaml:5): unknown key here; did you mean `server.port`?",
        "providers.openai.model (file config.yaml:12): nothing stands here; expected text, or no such line",
        "cache (file config.yaml:14): 5; expected a section (indented lines of `key: value`)",
        "aliases (file config.yaml:15): 1; expected a section (indented lines of `key: value`)",
        "services.memory-agent (file config.yaml:17): unknown key; did you mean `memory_agent`?",
        "server.host (flag --host): not set; expected text that is not empty",
        "server.port (file config.yaml:2): abc; expected a whole number from 0 to 65535",
        "providers.ollama.security_level (file config.yaml:10): hihg; expected low, medium or high",
        "providers.openai.enabled (file config.yaml:12): maybe; expected true or false",
        "providers.openai.timeout (file config.yaml:12): abc; expected a number above 0 up to 86400",
        "providers.vllm.api_key (file config.yaml:11): set (5 characters); expected text; put it in quotes",
        "providers.vllm.models (file config.yaml:11): abc; expected a list of text",
        'providers.vllm.prices."gpt-4.1".input (file config.yaml:11): -1; expected a number from 0 on',
        'providers.vllm.prices."gpt-4.1".output (file config.yaml:11): missing; expected a number from 0 on',
        "routing.strategy (file config.yaml:13): fast; expected balanced, cost, latency, quality, priority or round_robin",
        "rate_limiting.default.burst_limit (environment RATE_LIMIT_BURST_LIMIT): x; expected a whole number from 1 on",
        "security.sensitivity_threshold (file config.yaml:16): nan; expected a number above 0 up to 1",
        "security.minimum_level (file config.yaml:16): top; expected low, medium or high",
        "providers.vllm.kind (file config.yaml:11): missing; expected one of ollama, openai, anthropic, bedrock, grok",
        "providers.vllm.endpoint (file config.yaml:11): not an http or https URL; expected a base URL like https://host/path",
        "security.rules.x (file config.yaml:16): not an RE2 pattern: missing ): (",
    ]


def test_no_secret_is_quoted_wherever_it_stands(folder: Folder) -> None:
    text = """\
providers:
  openai:
    api_key: [hunter2hunter2]
    api_keey: hunter2hunter2
    headers: {Authorization: {x: hunter2hunter2}}
    timeout: sk-hunter2hunter2
  bedrock: {aws_secret_access_key: "hunter2 hunter2", endpoint: "https://u:hunter2@host"}
storage: {redis_url: "hunter2:6379", database_url: {a: hunter2hunter2}}
auth: {admin_token: "hunter2 hunter2"}
"""
    lines = folder.refused(text)
    assert lines[0] == "9 settings are wrong:"
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "is not UTF-8 text: line 1"),
        (b"a: 1\nb: \xe9\n", "is not UTF-8 text: line 2"),
    ],
)
def test_a_file_in_another_encoding_is_refused(folder: Folder, content: bytes, said: str) -> None:
    folder.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        load(folder.path, {}, {})


def test_a_byte_order_mark_does_no_harm(folder: Folder) -> None:
    folder.path.write_bytes(b"\xef\xbb\xbfserver: {port: 1}")
    assert load(folder.path, {}, {}).settings.server.port == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"configuration file .*missing\.yaml cannot be read: No such file"):
        load(tmp_path / "missing.yaml", {}, {})
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {}, {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["port", "openai", "model", "default", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Settings.model_fields, "x"]), VALUES, max_size=4))
def test_whatever_is_given_ends_in_settings_or_a_configuration_error(flags: dict[str, object]) -> None:
    with contextlib.suppress(ConfigurationError):
        assert isinstance(load(None, {}, flags).settings, Settings)
