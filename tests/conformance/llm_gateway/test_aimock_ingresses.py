"""Upstreams that nobody here wrote, asked through each ingress with its vendor's own client: right text, tool calls, ends and usage."""

import json
from collections.abc import Iterator

import anthropic
import ollama
import openai
import pytest
from tests.conformance.llm_gateway.test_aimock import ANSWER, LONG, PROVIDERS, WEATHER, aimock, gateway
from tests.support import RunningGateway

__all__ = ["aimock", "gateway"]  # fixtures

pytestmark = [
    pytest.mark.usefixtures("unclosed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TOOL = {"type": "function", "function": WEATHER}
ARGUMENTS = {"location": "San Francisco", "unit": "celsius"}
COUNTED = [provider for provider in PROVIDERS if provider != "ollama"]
"""aimock's Ollama reports zeros, whatever its fixture says."""


@pytest.fixture
def openai_client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def ollama_client(gateway: RunningGateway) -> Iterator[ollama.Client]:
    client = ollama.Client(host=gateway.url)
    yield client
    client._client.close()


def model(provider: str) -> str:
    return {
        "openai": "openai/gpt-4o", "anthropic": "anthropic/claude-sonnet-4-5", "ollama": "ollama/llama3",
        "bedrock": "bedrock/anthropic.claude-3-sonnet-20240229-v1:0", "grok": "grok/grok-4",
    }[provider]  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
def test_openai_chat(openai_client: openai.OpenAI, provider: str) -> None:
    create = openai_client.chat.completions.create
    answer = create(model=model(provider), messages=[{"role": "user", "content": "hello"}])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (ANSWER, "stop")
    chunks = list(
        create(
            model=model(provider),
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == ["stop"]
    if provider in COUNTED:
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 11)
        assert chunks[-1].usage is not None
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 11)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_openai_tools(openai_client: openai.OpenAI, provider: str) -> None:
    with openai_client.chat.completions.stream(
        model=model(provider),
        messages=[{"role": "user", "content": "weather please"}],
        tools=[TOOL],  # type: ignore[list-item]
    ) as stream:
        streamed = stream.get_final_completion().choices[0]
    whole = openai_client.chat.completions.create(
        model=model(provider),
        messages=[{"role": "user", "content": "weather please"}],
        tools=[TOOL],  # type: ignore[list-item]
    ).choices[0]
    for choice in (streamed, whole):
        assert choice.finish_reason == "tool_calls"
        (call,) = choice.message.tool_calls or ()
        assert call.type == "function"
        assert call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == ARGUMENTS


@pytest.mark.parametrize("provider", PROVIDERS)
def test_openai_responses(openai_client: openai.OpenAI, provider: str) -> None:
    answer = openai_client.responses.create(model=model(provider), input="hello")
    assert (answer.output_text, answer.status) == (ANSWER, "completed")
    events = list(openai_client.responses.create(model=model(provider), input="hello", stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    last = events[-1]
    assert last.type == "response.completed"
    if provider in COUNTED:
        for told in (answer, last.response):
            assert told.usage is not None
            assert (told.usage.input_tokens, told.usage.output_tokens) == (7, 11)
    called = openai_client.responses.create(
        model=model(provider),
        input="weather please",
        tools=[{"type": "function", "strict": False, **WEATHER}],  # type: ignore[list-item]
    )
    (call,) = [item for item in called.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", ARGUMENTS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_anthropic_messages(anthropic_client: anthropic.Anthropic, provider: str) -> None:
    answer = anthropic_client.messages.create(model=model(provider), max_tokens=99, messages=[{"role": "user", "content": "hello"}])
    with anthropic_client.messages.stream(model=model(provider), max_tokens=99, messages=[{"role": "user", "content": "hello"}]) as stream:
        streamed = stream.get_final_message()
    for told in (answer, streamed):
        (block,) = told.content
        assert block.type == "text"
        assert (block.text, told.stop_reason) == (ANSWER, "end_turn")
        if provider in COUNTED:
            assert told.usage.output_tokens == 11
    if provider in COUNTED:
        assert answer.usage.input_tokens == 7
    tool: anthropic.types.ToolParam = {"name": "get_weather", "description": "Weather", "input_schema": {"type": "object"}}
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "weather please"}]
    with anthropic_client.messages.stream(model=model(provider), max_tokens=99, messages=asked, tools=[tool]) as stream:
        called = stream.get_final_message()
    for told in (called, anthropic_client.messages.create(model=model(provider), max_tokens=99, messages=asked, tools=[tool])):
        (use,) = [block for block in told.content if block.type == "tool_use"]
        assert (use.name, use.input, told.stop_reason) == ("get_weather", ARGUMENTS, "tool_use")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_ollama_chat(gateway: RunningGateway, provider: str) -> None:
    client = ollama.Client(host=gateway.url)
    answer = client.chat(model=model(provider), messages=[{"role": "user", "content": "hello"}])
    assert (answer.message.content, answer.done_reason) == (ANSWER, "stop")
    lines = list(client.chat(model=model(provider), messages=[{"role": "user", "content": "hello"}], stream=True))
    assert "".join(line.message.content or "" for line in lines) == ANSWER
    assert [line.done for line in lines].count(True) == 1
    if provider in COUNTED:
        assert (answer.prompt_eval_count, answer.eval_count) == (7, 11)
        assert (lines[-1].prompt_eval_count, lines[-1].eval_count) == (7, 11)
    made = client.generate(model=model(provider), prompt="hello")
    assert made.response == ANSWER
    for streamed in (False, True):
        told = client.chat(model=model(provider), messages=[{"role": "user", "content": "weather please"}], tools=[TOOL], stream=streamed)
        pieces = list(told) if streamed else [told]
        (call,) = [call for piece in pieces for call in piece.message.tool_calls or ()]
        assert (call.function.name, call.function.arguments) == ("get_weather", ARGUMENTS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_openai_completions(openai_client: openai.OpenAI, provider: str) -> None:
    whole = openai_client.completions.create(model=model(provider), prompt="hello")
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (ANSWER, "stop")
    pieces = [part.choices[0] for part in openai_client.completions.create(model=model(provider), prompt="hello", stream=True)]
    assert "".join(piece.text for piece in pieces) == ANSWER
    assert pieces[-1].finish_reason == "stop"
    if provider in COUNTED:
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 11)


@pytest.mark.parametrize("provider", COUNTED)
def test_an_answer_that_is_cut_at_its_limit(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, ollama_client: ollama.Client, provider: str
) -> None:
    """aimock's Ollama stops, whatever its fixture says."""
    name, asked = model(provider), [{"role": "user", "content": "on and on"}]
    chat = openai_client.chat.completions
    choice = chat.create(model=name, messages=asked).choices[0]  # type: ignore[arg-type]
    assert (choice.message.content, choice.finish_reason) == (LONG, "length")
    chunks = list(chat.create(model=name, messages=asked, stream=True))  # type: ignore[arg-type]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    response = openai_client.responses.create(model=name, input="on and on")
    assert response.incomplete_details is not None
    assert (response.output_text, response.status, response.incomplete_details.reason) == (LONG, "incomplete", "max_output_tokens")
    assert [event.type for event in openai_client.responses.create(model=name, input="on and on", stream=True)][-1] == "response.incomplete"
    assert openai_client.completions.create(model=name, prompt="on and on").choices[0].finish_reason == "length"
    message = anthropic_client.messages.create(model=name, max_tokens=99, messages=asked)  # type: ignore[arg-type]
    with anthropic_client.messages.stream(model=name, max_tokens=99, messages=asked) as stream:  # type: ignore[arg-type]
        assert stream.get_final_message().stop_reason == message.stop_reason == "max_tokens"
    assert ollama_client.chat(model=name, messages=asked).done_reason == "length"
    assert list(ollama_client.chat(model=name, messages=asked, stream=True))[-1].done_reason == "length"
    assert ollama_client.generate(model=name, prompt="on and on").done_reason == "length"


@pytest.mark.parametrize("name", ["openai/text-embedding-3-small", "ollama/nomic-embed-text"])
def test_embeddings(openai_client: openai.OpenAI, ollama_client: ollama.Client, name: str) -> None:
    assert openai_client.embeddings.create(model=name, input="Text to embed").data[0].embedding == [0.25, -0.5, 0.125]
    assert ollama_client.embed(model=name, input="Text to embed").embeddings[0] == [0.25, -0.5, 0.125]
