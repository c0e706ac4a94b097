import pytest

from llm_gateway.configuration.providers import DEFAULT_PROVIDERS, is_local_url, kind_of, security_level_of, service_level_of
from llm_gateway.core.settings import ProviderSettings, ServiceSettings
from llm_gateway.core.types import SecurityLevel


def level(name: str, **settings: object) -> str:
    return security_level_of(name, ProviderSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("ollama", {}, "high"),
        ("ollama", {"endpoint": "http://localhost:11434"}, "high"),
        ("ollama", {"endpoint": "http://127.0.0.1:11434"}, "high"),
        ("ollama", {"endpoint": "http://[::1]:11434/api/chat"}, "high"),
        ("ollama", {"endpoint": "http://ollama-consistency:11434"}, "high"),
        ("ollama", {"endpoint": "http://192.168.1.5:11434"}, "high"),
        ("ollama", {"endpoint": "https://ollama.com"}, "medium"),
        ("ollama", {"endpoint": "http://8.8.8.8:11434"}, "medium"),
        ("ollama", {"endpoint": "http://169.254.169.254"}, "medium"),
        ("ollama", {"endpoint": "http://localhost@8.8.8.8"}, "medium"),
        ("ollama", {"endpoint": "http://[broken"}, "medium"),
        ("ollama", {"endpoint": "https://ollama.com", "security_level": "high"}, "high"),
        ("ollama", {"security_level": "low"}, "low"),
        ("ollama", {"endpoint": "https://llm.example.com", "local": True}, "high"),
        ("ollama", {"endpoint": "http://ollama:11434", "local": False}, "medium"),
        ("vllm", {"kind": "openai", "endpoint": "https://llm.example.com", "local": True}, "medium"),
        ("gpu", {"kind": "ollama"}, "high"),
        ("gpu", {"kind": "ollama", "endpoint": "https://gpu.example.com"}, "medium"),
        ("ollama", {"kind": "openai", "endpoint": "http://localhost:1"}, "medium"),
        ("bedrock", {}, "high"),
        ("bedrock", {"endpoint": "https://bedrock-runtime.us-east-1.amazonaws.com"}, "high"),
        ("bedrock_eu", {"kind": "bedrock"}, "high"),
        ("openai", {}, "medium"),
        ("vllm", {"kind": "openai", "endpoint": "http://localhost:8000/v1"}, "medium"),
        ("vllm", {"kind": "openai", "endpoint": "http://localhost:8000/v1", "security_level": "high"}, "high"),
        ("anthropic", {}, "medium"),
        ("grok", {}, "medium"),
    ],
)
def test_a_level_is_what_is_said_else_by_kind_and_address(name: str, settings: dict[str, object], expected: str) -> None:
    assert level(name, **settings) == expected


def test_an_address_that_cannot_be_judged_is_not_local() -> None:
    assert not is_local_url("http://ollama.example.com")
    assert not is_local_url("")


@pytest.mark.parametrize(("url", "expected"), [("", "high"), ("http://memory-agent:5040", "high"), ("https://docs.example.com", "medium")])
def test_a_service_is_trusted_by_its_address(url: str, expected: str) -> None:
    assert service_level_of(ServiceSettings.model_validate({"url": url})) == expected
    assert service_level_of(ServiceSettings.model_validate({"url": url, "security_level": "low"})) is SecurityLevel.LOW


def test_the_kind_is_the_name_unless_it_is_said() -> None:
    assert [kind_of(name, ProviderSettings.model_validate(values)) for name, values in DEFAULT_PROVIDERS.items()] == list(DEFAULT_PROVIDERS)
    assert kind_of("vllm", ProviderSettings.model_validate({})) is None
    assert kind_of("vllm", ProviderSettings.model_validate({"kind": "openai"})) == "openai"
    assert kind_of("grok", ProviderSettings.model_validate({"kind": "openai"})) == "openai"
