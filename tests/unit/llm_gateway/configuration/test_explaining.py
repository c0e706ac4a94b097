from pathlib import Path

from llm_gateway.configuration.explaining import Row, explain
from llm_gateway.configuration.loading import load


def rows(environ: dict[str, str], path: Path | None = None) -> dict[str, Row]:
    return {row.path: row for row in explain(load(path, environ, {"port": 1}))}


def test_every_setting_has_a_row_with_its_value_and_origin(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("security:\n  sensitive_keywords: [a, b]\n")
    found = rows({"OPENAI_MODEL": "o3"}, path)
    assert found["server.port"] == Row("server.port", "1", "flag --port")
    assert found["providers.openai.model"] == Row("providers.openai.model", "o3", "environment OPENAI_MODEL")
    assert found["security.sensitive_keywords"] == Row("security.sensitive_keywords", "a, b", "file config.yaml:2")
    assert found["cache.max_size"] == Row("cache.max_size", "1000", "default")
    assert len(found) == len(load(path, {"OPENAI_MODEL": "o3"}, {"port": 1}).origins)


def test_secrets_are_counted_not_shown() -> None:
    environ = {
        "OPENAI_API_KEY": "sk-" + "x" * 48,
        "AWS_SECRET_ACCESS_KEY": "x" * 40,
        "REDIS_URL": "redis://:xxxxxxxx@h",
        "LLM_GATEWAY__PROVIDERS__OPENAI__HEADERS__AUTHORIZATION": "Basic xxxxxxxx",
    }
    found = rows(environ)
    assert found["providers.openai.api_key"].value == "set (51 characters)"
    assert found["providers.grok.api_key"].value == "not set"
    assert "xxxxxxxx" not in "".join(row.value for row in found.values())


def test_what_follows_from_other_settings_is_worked_out() -> None:
    found = rows({"OLLAMA_ENDPOINT": "https://ollama.example.com", "LLM_GATEWAY__PROVIDERS__GROK__SECURITY_LEVEL": "low"})
    level = "providers.{}.security_level".format
    assert found[level("ollama")] == Row(level("ollama"), "medium", "default, by name and address")
    assert found[level("bedrock")].value == "high"
    assert found[level("grok")] == Row(level("grok"), "low", "environment LLM_GATEWAY__PROVIDERS__GROK__SECURITY_LEVEL")
    assert found["providers.grok.kind"].value == "grok"
