import msgspec
import pytest
from pydantic import SecretStr

from llm_gateway.core.errors import ProviderBadResponse, ProviderRateLimited, ProviderRejected, ProviderUnavailable
from llm_gateway.core.routing import Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, JsonObject, Message, Native, Request, SecurityLevel
from llm_gateway.core.wire import Decoder, HttpRequest, Provider
from llm_gateway.providers.openai import DEFAULT_ENDPOINT, OpenAiProvider, endpoint_of, missing

KEY = "sk-test-0123456789abcdef"
LOCAL = "http://127.0.0.1:8000/v1"
CHAT = ChatRequest((Message("user", "Hello"),))


def provider(endpoint: str = "", key: str = KEY, **more: object) -> OpenAiProvider:
    settings = ProviderSettings(kind="openai", endpoint=endpoint, api_key=SecretStr(key), **more)  # type: ignore[arg-type]
    origin = "/".join(endpoint_of(settings).split("/")[:3])
    return OpenAiProvider("mine", settings, Destination("mine", origin, SecurityLevel.MEDIUM))


def body(request: Request, model: str, endpoint: str = "") -> JsonObject:
    return msgspec.json.decode(provider(endpoint).encode(request, model, 0.0).body, type=dict)


def test_it_is_a_provider() -> None:
    made: Provider = provider()
    assert (made.kind, made.protocol, made.name) == ("openai", "openai", "mine")
    assert made.capabilities.embeddings
    assert made.capabilities.choices


def test_where_requests_go() -> None:
    headers = (("content-type", "application/json"), ("accept", "application/json, text/event-stream"), ("authorization", f"Bearer {KEY}"))
    openai = provider()
    assert openai.encode(CHAT, "gpt-4o", 0.0) == HttpRequest(
        "POST", f"{DEFAULT_ENDPOINT}/chat/completions", headers, b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}'
    )
    assert openai.encode(EmbeddingRequest(("a",)), "e-3", 0.0) == HttpRequest(
        "POST", f"{DEFAULT_ENDPOINT}/embeddings", headers, b'{"model":"e-3","input":["a"]}'
    )
    assert openai.probe() == HttpRequest("GET", f"{DEFAULT_ENDPOINT}/models", headers)
    assert openai.models(b'{"data":[{"id":"gpt-4o"}]}') == ["gpt-4o"]


def test_a_cleared_request_goes_to_the_judged_origin_and_no_other() -> None:
    settings = ProviderSettings(endpoint="https://Example.test/v1")  # type: ignore[call-arg]
    judged = OpenAiProvider("mine", settings, Destination("mine", "https://example.test", SecurityLevel.LOW))
    wire = seal(CHAT, frozenset({judged.destination}), "p1").wire(CHAT, judged, "m", 0.0)
    assert wire.http.url == "https://example.test/v1/chat/completions"


def test_another_server_gets_the_operators_headers_and_no_key_it_does_not_need() -> None:
    made = provider(f"{LOCAL}/chat/completions", key="", headers={"X-Team": "a"})
    http = made.encode(CHAT, "llama", 0.0)
    assert http.url == f"{LOCAL}/chat/completions"
    assert dict(http.headers)["x-team"] == "a"
    assert "authorization" not in dict(http.headers)


@pytest.mark.parametrize(
    ("endpoint", "key", "lacks"),
    [
        ("", "", "an API key: set OPENAI_API_KEY"),
        ("https://api.openai.com/v1/", "", "an API key: set OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", "", "an API key: set OPENAI_API_KEY"),
        ("", "k", ""),
        (LOCAL, "", ""),
        ("https://api.openai.com.example/v1", "", ""),
        ("localhost:8000", "", "an endpoint that begins with http:// or https:// and a host"),
    ],
)
def test_what_is_missing(endpoint: str, key: str, lacks: str) -> None:
    assert missing(ProviderSettings(endpoint=endpoint, api_key=SecretStr(key))) == lacks  # type: ignore[call-arg]


FULL = ChatRequest(
    CHAT.messages,
    temperature=0.2,
    top_p=0.9,
    max_tokens=9,
    stop=("x",),
    frequency_penalty=0.1,
    presence_penalty=0.1,
    seed=1,
    reasoning_effort="low",
)
SAMPLING = {"temperature", "top_p", "frequency_penalty", "presence_penalty", "stop"}


@pytest.mark.parametrize(
    "model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-nano", "gpt-5.1", "gpt-5.5-pro", "gpt-6", "ft:gpt-5-mini:a"]
)
def test_a_reasoning_model_of_the_vendor_gets_its_own_limit_and_no_sampling(model: str) -> None:
    found = body(FULL, model)
    assert found["max_completion_tokens"] == 9
    assert found["reasoning_effort"] == "low"
    assert not {"max_tokens", *SAMPLING} & set(found)


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat-latest", "gpt-5.2-chat", "chatgpt-4o-latest", "omni", "gpt-x"]
)
def test_a_chat_model_of_the_vendor_gets_sampling_and_no_effort(model: str) -> None:
    found = body(FULL, model)
    assert {"max_tokens", *SAMPLING} <= set(found)
    assert not {"max_completion_tokens", "reasoning_effort"} & set(found)


def test_reasoning_switched_off_brings_sampling_back() -> None:
    found = body(msgspec.structs.replace(FULL, reasoning_effort="none"), "gpt-5.1")
    assert {"temperature", "top_p", "stop", "max_completion_tokens"} <= set(found)
    assert found["reasoning_effort"] == "none"


def test_elsewhere_nothing_is_renamed_or_dropped() -> None:
    assert {"max_tokens", "reasoning_effort", *SAMPLING} <= set(body(FULL, "some-model", LOCAL))
    # Azure and others serve OpenAI's reasoning models, which know the limit by its newer name only.
    elsewhere = set(body(FULL, "gpt-5", LOCAL))
    assert {"max_completion_tokens", "reasoning_effort", *SAMPLING} <= elsewhere
    assert "max_tokens" not in elsewhere


def test_a_native_body_passes_but_for_the_model() -> None:
    native: JsonObject = {"model": "mine/gpt-4o", "messages": [], "x": 1}
    assert body(ChatRequest((), native=Native("openai", native)), "gpt-4o") == {**native, "model": "gpt-4o"}


def chunks_of(decoder: Decoder, wire: bytes) -> list[str]:
    return [chunk.text for chunk in decoder.feed(wire) + decoder.finish()]


def test_decoders_by_request() -> None:
    openai = provider()
    unary = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'
    assert chunks_of(openai.decoder(CHAT, "m"), unary) == ["a"]
    stream = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    assert chunks_of(openai.decoder(msgspec.structs.replace(CHAT, stream=True), "m"), stream) == ["a"]
    vectors = openai.decoder(EmbeddingRequest(("a",)), "m")
    vectors.feed(b'{"data":[{"embedding":[1]}]}')
    assert vectors.finish()[0].embeddings == [[1.0]]
    short = openai.decoder(EmbeddingRequest(("a", "b")), "m")
    short.feed(b'{"data":[{"embedding":[1]}]}')
    with pytest.raises(ProviderBadResponse):
        short.finish()


def test_the_usage_chunk_passes_as_it_came_only_when_the_caller_asked() -> None:
    wire = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    asked = Native("openai", {"stream_options": {"include_usage": True}})
    plain, wanted = ChatRequest(CHAT.messages, stream=True), ChatRequest(CHAT.messages, stream=True, native=asked)
    assert provider().decoder(plain, "m").feed(wire)[0].raw is None
    assert provider().decoder(wanted, "m").feed(wire)[0].raw == wire


def test_errors_name_the_provider_and_hide_the_key() -> None:
    openai = provider()
    rejected = openai.error(
        401, {}, msgspec.json.encode({"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}})
    )
    assert isinstance(rejected, ProviderRejected)
    assert rejected.provider == "mine"
    assert KEY not in rejected.message
    limited = openai.error(429, {"retry-after": "3"}, b"")
    assert isinstance(limited, ProviderRateLimited)
    assert limited.retry_after_s == 3.0


def test_an_error_inside_an_answer_hides_the_key_too() -> None:
    decoder = provider().decoder(msgspec.structs.replace(CHAT, stream=True), "m")
    with pytest.raises(ProviderUnavailable) as caught:
        decoder.feed(b"data: " + msgspec.json.encode({"error": {"message": f"at {KEY}"}}) + b"\n\n")
    assert KEY not in caught.value.message


def test_no_repr_shows_the_key() -> None:
    openai = provider()
    assert KEY not in repr(openai) + repr(openai.decoder(CHAT, "m")) + repr(openai._faults)
