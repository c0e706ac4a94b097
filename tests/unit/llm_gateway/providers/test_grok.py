import msgspec
import pytest
from pydantic import SecretStr

from llm_gateway.core.errors import InvalidRequest, ProviderInvalidRequest, ProviderRejected
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import ProviderSettings
from llm_gateway.core.types import ChatRequest, Document, EmbeddingRequest, FinishReason, JsonObject, Message, Native, SecurityLevel, Usage
from llm_gateway.core.wire import Provider
from llm_gateway.providers.grok import DEFAULT_ENDPOINT, GrokProvider, missing

KEY = "xai-0123456789abcdefghij"
SETTINGS = ProviderSettings(api_key=SecretStr(KEY))  # type: ignore[call-arg]
GROK = GrokProvider("grok", SETTINGS, Destination("grok", "https://api.x.ai", SecurityLevel.MEDIUM))
CHAT = ChatRequest((Message("user", "Hello"),))
FULL = ChatRequest(
    (Message("system", "Be brief", name="rules"), Message("user", "Hello", name="ann")),
    temperature=0.2,
    max_tokens=9,
    stop=("x",),
    frequency_penalty=0.1,
    presence_penalty=0.1,
    reasoning_effort="low",
)


def body(model: str, request: ChatRequest = FULL) -> JsonObject:
    return msgspec.json.decode(GROK.encode(request, model, 0.0).body, type=dict)


def test_it_is_a_provider() -> None:
    made: Provider = GROK
    assert (made.kind, made.protocol) == ("grok", "openai")
    assert not made.capabilities.embeddings
    assert not made.capabilities.documents


def test_where_requests_go() -> None:
    http = GROK.encode(CHAT, "grok-4.3", 0.0)
    assert http.url == f"{DEFAULT_ENDPOINT}/chat/completions"
    assert dict(http.headers)["authorization"] == f"Bearer {KEY}"
    assert http.body == b'{"model":"grok-4.3","messages":[{"role":"user","content":"Hello"}]}'
    assert GROK.probe().url == f"{DEFAULT_ENDPOINT}/models"
    assert GROK.models(b'{"data":[{"id":"grok-4.3"}]}') == ["grok-4.3"]


def test_what_is_missing() -> None:
    assert missing(SETTINGS) == ""
    assert missing(ProviderSettings()) == "an API key: set GROK_API_KEY"  # type: ignore[call-arg]
    assert missing(ProviderSettings(endpoint="http://127.0.0.1:1/v1")) == ""  # type: ignore[call-arg]
    assert missing(ProviderSettings(endpoint="x")) == "an endpoint that begins with http:// or https:// and a host"  # type: ignore[call-arg]


@pytest.mark.parametrize("model", ["grok-3-mini", "grok-4.3", "grok-4.5", "grok-4.20-multi-agent-0309", "grok-4.20-multi-agent", "grok-5"])
def test_reasoning_models_refuse_stop_and_penalties(model: str) -> None:
    found = body(model)
    assert not {"stop", "frequency_penalty", "presence_penalty"} & set(found)
    assert found["reasoning_effort"] == "low"
    assert found["max_tokens"] == 9
    assert found["temperature"] == 0.2


@pytest.mark.parametrize("model", ["grok-4", "grok-4-0709", "grok-4-1-fast-reasoning", "grok-code-fast-1", "grok-4.20-0309-reasoning"])
def test_some_reasoning_models_refuse_an_effort_as_well(model: str) -> None:
    assert not {"stop", "frequency_penalty", "presence_penalty", "reasoning_effort"} & set(body(model))


@pytest.mark.parametrize("model", ["grok-3", "grok-2-1212", "grok-4-fast-non-reasoning", "grok-4.20-0309-non-reasoning"])
def test_the_others_know_stop_but_neither_penalties_nor_effort(model: str) -> None:
    found = body(model)
    assert found["stop"] == ["x"]
    assert not {"frequency_penalty", "presence_penalty", "reasoning_effort"} & set(found)


def test_only_user_messages_have_a_name() -> None:
    assert body("grok-4.3")["messages"] == [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello", "name": "ann"}]


def test_embeddings_and_files_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="grok has no embeddings"):
        GROK.encode(EmbeddingRequest(("a",)), "m", 0.0)
    with pytest.raises(InvalidRequest, match="grok has no embeddings"):
        GROK.decoder(EmbeddingRequest(("a",)), "m")
    with pytest.raises(InvalidRequest) as caught:
        body("grok-4.3", ChatRequest((Message("user", (Document(data="QQ=="),)),)))
    assert caught.value.param == "messages[0].content"


@pytest.mark.parametrize(
    "body_",
    [
        f'"Incorrect API key provided: {KEY}. You can obtain an API key from https://console.x.ai."'.encode(),
        f"Incorrect API key provided: {KEY}. You can obtain an API key from https://console.x.ai.".encode(),
        b'"Incorrect API key provided: xa***ij. You can obtain an API key from https://console.x.ai."',
        b'{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***ij. See https://console.x.ai."}',
    ],
)
def test_a_wrong_key_is_a_400_with_a_string_that_may_echo_it(body_: bytes) -> None:
    error = GROK.error(400, {}, body_)
    assert isinstance(error, ProviderRejected)
    assert error.try_next
    assert "Incorrect API key provided: [redacted]" in error.message
    assert KEY not in error.message
    assert "***" not in error.message


@pytest.mark.parametrize("status", [403, 429])
def test_no_credit_is_not_a_limit_to_wait_for(status: int) -> None:
    said = b'"Your team 16f2151a-40f4-4a80-8ad0-cae00c27e8dd has either used all available credits or reached its monthly spending limit."'
    error = GROK.error(status, {}, said)
    assert type(error) is ProviderRejected
    assert not error.same_again
    assert "16f2151a" not in error.message


def test_refused_content_is_the_callers_matter() -> None:
    said = {
        "code": "The caller does not have permission to execute the specified operation",
        "error": "Content violates usage guidelines. Team: 16f2151a-40f4-4a80-8ad0-cae00c27e8dd, Failed check: SAFETY_CHECK_TYPE_BIO",
    }
    error = GROK.error(403, {}, msgspec.json.encode(said))
    assert isinstance(error, ProviderInvalidRequest)
    assert not error.try_next
    assert error.message == "Content violates usage guidelines. Team: [redacted] Failed check: SAFETY_CHECK_TYPE_BIO"


def test_an_argument_that_a_model_does_not_know() -> None:
    error = GROK.error(400, {}, b'{"code":"invalid-argument","error":"Model grok-4.6 does not support parameter stop."}')
    assert isinstance(error, ProviderInvalidRequest)
    assert error.message == "Model grok-4.6 does not support parameter stop."
    assert error.code == "invalid-argument"


def test_an_answer_with_its_cost_its_reasoning_and_a_repaired_finish_reason() -> None:
    decoder = GROK.decoder(CHAT, "grok-4.3")
    decoder.feed(
        msgspec.json.encode(
            {
                "id": "r-1",
                "model": "grok-4.3",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "",
                        "message": {
                            "role": "assistant",
                            "content": "",
                            "reasoning_content": "hm",
                            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                        },
                    }
                ],
                "usage": {
                    "prompt_tokens": 32,
                    "completion_tokens": 9,
                    "total_tokens": 135,
                    "completion_tokens_details": {"reasoning_tokens": 94},
                    "cost_in_usd_ticks": 200_000_000,
                },
            }
        )
    )
    [chunk] = decoder.finish()
    assert chunk.finish_reason is FinishReason.TOOL_CALLS
    assert chunk.usage == Usage(32, 103, reasoning_tokens=94)
    assert chunk.cost_usd == pytest.approx(0.02)
    assert chunk.thinking is not None
    assert chunk.raw is None


def test_a_stream_ends_with_usage_and_cost() -> None:
    decoder = GROK.decoder(msgspec.structs.replace(CHAT, stream=True), "grok-4.3")
    chunks = decoder.feed(
        b'data: {"id":"r","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
        b'data: {"id":"r","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"cost_in_usd_ticks":10000000000}}\n\n'
        b"data: [DONE]\n\n"
    )
    assert decoder.finish() == []
    assert [chunk.text for chunk in chunks] == ["a", ""]
    assert chunks[1].usage == Usage(1, 2)
    assert chunks[1].cost_usd == pytest.approx(1.0)


def test_what_a_search_cost_is_within_what_the_vendor_says() -> None:
    asked: JsonObject = {"model": "grok-4", "messages": [{"role": "user", "content": "Hello"}], "search_parameters": {"mode": "on"}}
    request = ChatRequest((Message("user", "Hello"),), native=Native("openai", asked))
    assert body("grok-4", request) == asked
    decoder = GROK.decoder(request, "grok-4")
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "num_sources_used": 8, "cost_in_usd_ticks": 2_000_000_000}
    decoder.feed(msgspec.json.encode({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage}))
    [chunk] = decoder.finish()
    assert chunk.cost_usd == pytest.approx(0.2)
