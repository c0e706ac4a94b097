import json

import pytest

from llm_gateway.core import errors
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, Chunk, EmbeddingRequest, Message, Native, SecurityLevel, Thinking, ToolCall
from llm_gateway.core.wire import HttpRequest, Provider
from llm_gateway.protocols.ollama_chat import ChatDecoder, ChatStreamDecoder, EmbeddingDecoder
from llm_gateway.providers.ollama import DEFAULT_ENDPOINT, OllamaProvider, endpoint_of, missing

HI = (Message("user", "hi"),)


def made(**fields: object) -> Provider:
    settings = ProviderSettings.model_validate(fields)
    return OllamaProvider("local", settings, Destination("local", endpoint_of(settings), SecurityLevel.HIGH))


def test_chat_request():
    http = made(num_ctx=8192, keep_alive="5m").encode(ChatRequest(HI), "llama", 0.0)
    assert (http.method, http.url) == ("POST", "http://localhost:11434/api/chat")
    assert dict(http.headers) == {"content-type": "application/json"}
    body = json.loads(http.body)
    assert (body["model"], body["options"], body["keep_alive"]) == ("llama", {"num_ctx": 8192}, "5m")


def test_a_completion_goes_out_as_one():
    native = Native("ollama", {"model": "alias", "prompt": "hi", "raw": True, "options": {"top_k": 1}})
    http = made(num_ctx=8192).encode(ChatRequest(HI, stream=True, native=native), "llama", 0.0)
    assert http.url == "http://localhost:11434/api/generate"
    assert json.loads(http.body) == {
        "model": "llama",
        "prompt": "hi",
        "raw": True,
        "options": {"top_k": 1, "num_ctx": 8192},
        "stream": True,
    }


def test_a_completion_is_read():
    request = ChatRequest(HI, stream=True, native=Native("ollama", {"prompt": "hi"}))
    decoder = made().decoder(request, "llama")
    line = b'{"model":"llama","response":"yes","thinking":"hm","done":false}\n'
    (chunk,) = decoder.feed(line)
    assert (chunk.text, chunk.thinking, chunk.raw) == ("yes", Thinking("hm"), line)


def test_embedding_request():
    http = made().encode(EmbeddingRequest(("a",)), "e", 0.0)
    assert (http.method, http.url) == ("POST", "http://localhost:11434/api/embed")
    assert json.loads(http.body) == {"model": "e", "input": ["a"]}


def test_a_key_and_headers_are_sent():
    headers = dict(made(api_key="secret-key", headers={"X-Team": "a"}).encode(ChatRequest(HI), "m", 0.0).headers)
    assert headers == {"content-type": "application/json", "authorization": "Bearer secret-key", "x-team": "a"}


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("", DEFAULT_ENDPOINT),
        ("http://gpu:11434/", "http://gpu:11434"),
        ("http://gpu:11434/api/chat", "http://gpu:11434"),
        ("http://gpu:11434/api/generate/", "http://gpu:11434"),
        ("http://gpu:11434/api", "http://gpu:11434"),
        ("http://gpu:11434/v1", "http://gpu:11434"),
        ("http://gpu:11434/v1/chat/completions", "http://gpu:11434"),
        ("https://proxy.test/ollama/api/embed", "https://proxy.test/ollama"),
        ("https://ollama.com", "https://ollama.com"),
        ("gpu", "http://gpu:11434"),
        ("gpu:1234", "http://gpu:1234"),
        ("gpu/base/api/chat", "http://gpu:11434/base"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:99", "http://[::1]:99"),
    ],
)
def test_endpoint(endpoint, expected):
    assert endpoint_of(ProviderSettings.model_validate({"endpoint": endpoint})) == expected


def test_nothing_is_missing():
    assert missing(ProviderSettings()) == ""
    assert "user" in missing(ProviderSettings.model_validate({"endpoint": "http://me:pass@gpu"}))


def test_decoders():
    assert isinstance(made().decoder(ChatRequest(HI), "m"), ChatDecoder)
    assert isinstance(made().decoder(ChatRequest(HI, stream=True), "m"), ChatStreamDecoder)
    assert isinstance(made().decoder(EmbeddingRequest(("a",)), "m"), EmbeddingDecoder)


def test_made_up_ids_go_on_from_the_history():
    request = ChatRequest((*HI, Message("assistant", (ToolCall("call_0", "look"),))), stream=True)
    line = b'{"message":{"tool_calls":[{"function":{"name":"look","arguments":{}}}]},"done":false}\n'
    (chunk,) = made().decoder(request, "m").feed(line)
    assert isinstance(chunk, Chunk)
    assert chunk.tool_calls[0].id == "call_1"


def test_capabilities():
    can = made().capabilities
    assert (can.embeddings, can.logprobs, can.images, can.documents, can.choices) == (True, True, True, False, False)


def test_probe_and_models():
    probe = made().probe()
    assert isinstance(probe, HttpRequest)
    assert (probe.method, probe.url) == ("GET", "http://localhost:11434/api/tags")
    assert made().models(b'{"models":[{"name":"llama3.2:latest","size":1},{"name":"qwen3:0.6b"}]}') == ["llama3.2:latest", "qwen3:0.6b"]
    assert made().models(b'{"models":null}') == []
    assert made().models(b"Ollama is running") == []


@pytest.mark.parametrize(
    ("status", "message", "kind", "try_next"),
    [
        (404, "model 'x' not found", errors.ProviderRejected, True),
        (400, "invalid options: temperature", errors.ProviderInvalidRequest, False),
        (400, '"x" does not support tools', errors.ProviderInvalidRequest, True),
        (401, "unauthorized", errors.ProviderRejected, True),
        (429, "too many requests", errors.ProviderRateLimited, True),
        (500, "model requires more system memory", errors.ProviderUnavailable, True),
        (503, "server busy, please try again.  maximum pending requests exceeded", errors.ProviderUnavailable, True),
    ],
)
def test_errors(status, message, kind, try_next):
    error = made().error(status, {"retry-after": "4"}, json.dumps({"error": message}).encode())
    assert type(error) is kind
    assert (error.provider, error.upstream_status, error.try_next) == ("local", status, try_next)
    assert message in error.message
    if status in {429, 503}:
        assert error.retry_after_s == 4.0


@pytest.mark.parametrize(
    "body", [b"", b"<html>x</html>", b'"said"', b"\xff", b"[]", b'{"error":[]}', pytest.param(b"[" * 100_000, id="deep")]
)
def test_any_body_makes_an_error(body):
    assert isinstance(made().error(500, {}, body), errors.ProviderUnavailable)


def test_an_error_line_in_a_stream_hides_the_key():
    decoder = made(api_key="ollama-secret-0123456789").decoder(ChatRequest(HI, stream=True), "m")
    with pytest.raises(errors.ProviderUnavailable) as caught:
        decoder.feed(b'{"error":"bad ollama-secret-0123456789"}\n')
    assert "bad [redacted]" in caught.value.message
    assert caught.value.provider == "local"
