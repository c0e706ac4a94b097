"""OpenAI's own Python package against the gateway, whatever provider answers: nothing is set but `base_url`."""

import base64
import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel
from tests.conformance.conftest import FAILS, SLOW, Counted, Refusing
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

KINDS = ("openai", "anthropic", "ollama", "bedrock", "grok")
STREAMS = ("openai", "anthropic", "ollama", "grok")
"""The simulated Bedrock of these settings is a proxy that knows neither streams nor tools."""
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": PARAMETERS},
}
TIME: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "get_time", "description": "Time in a city", "parameters": PARAMETERS},
}
RESPONSES_WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": PARAMETERS,
    "strict": False,
}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class City(BaseModel):
    """What a structured answer must be."""

    name: str
    inhabitants: int


@pytest.fixture(scope="module")
def gateway_of_module(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    settings = {
        "routing.retry_base_s": 0.01,
        "security.unreadable_parts": "allow",
        "providers.openai.limits.requests_per_minute": 100_000,
        "cache.max_size": 0,
        **{
            f"rate_limiting.default.{name}": 1_000_000
            for name in ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit")
        },
    }
    with running_gateway(tmp_path_factory.mktemp("gateway"), simulator_of_session, settings) as running:
        yield running


@pytest.fixture
def gateway(gateway_of_module: RunningGateway, simulator: SimulatorProcess) -> RunningGateway:
    return gateway_of_module


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def own_client(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[openai.OpenAI]:
    """Of a gateway that may learn how bad its providers are."""
    with (
        running_gateway(tmp_path, simulator, {"routing.retry_base_s": 0.01}) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as made,
    ):
        yield made


@pytest.fixture
async def async_client(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def model(kind: str) -> str:
    return {
        "openai": "openai/gpt-4o",
        "anthropic": "anthropic/claude-sonnet-4-5",
        "ollama": "ollama/llama3.1:8b",
        "bedrock": "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
        "grok": "grok/grok-4",
    }[kind]


def asked(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": text}]


@pytest.mark.parametrize("kind", KINDS)
def test_chat(client: openai.OpenAI, kind: str) -> None:
    answer = client.chat.completions.create(model=model(kind), messages=asked("Tell me of qubits"), max_completion_tokens=200)
    assert answer.object == "chat.completion"
    assert answer.model == model(kind).partition("/")[2]
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert f"[simulated {kind}" in (choice.message.content or "")
    assert answer.usage is not None
    # xAI's counts go out as they came, and there reasoning stands beside the completion, not within.
    details = answer.usage.completion_tokens_details
    beside = details.reasoning_tokens or 0 if kind == "grok" and details else 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens + beside > 0
    assert answer._request_id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("include_usage", [True, False])
def test_a_stream_says_the_same(client: openai.OpenAI, kind: str, include_usage: bool) -> None:
    whole = client.chat.completions.create(model=model(kind), messages=asked("Tell me of qubits"))
    options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": include_usage}
    stream = client.chat.completions.create(model=model(kind), messages=asked("Tell me of qubits"), stream=True, stream_options=options)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole.choices[0].message.content
    assert next(chunk.choices[0].delta.role for chunk in chunks if chunk.choices) == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == ["stop"]
    assert len({(chunk.id, chunk.model) for chunk in chunks}) == 1
    counted = [chunk for chunk in chunks if chunk.usage is not None]
    if include_usage:
        assert counted == [chunks[-1]]
        assert not chunks[-1].choices
        assert chunks[-1].usage is not None
        assert whole.usage is not None
        assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    else:
        assert not counted
        assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_make_the_round(client: openai.OpenAI, kind: str, streamed: bool) -> None:
    messages = asked("Call get_weather for Paris, and get_time for Rome")
    if streamed:
        with client.chat.completions.stream(model=model(kind), messages=messages, tools=[WEATHER, TIME]) as stream:
            stream.until_done()
            message = stream.get_final_completion().choices[0].message
            finish = stream.get_final_completion().choices[0].finish_reason
    else:
        choice = client.chat.completions.create(model=model(kind), messages=messages, tools=[WEATHER, TIME]).choices[0]
        message, finish = choice.message, choice.finish_reason  # type: ignore[assignment]
    assert finish == "tool_calls"
    calls = [call for call in message.tool_calls or [] if call.type == "function"]
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert all("city" in json.loads(call.function.arguments) for call in calls)
    assert len({call.id for call in calls}) == 2
    results: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": f"result of {call.function.name}"} for call in calls
    ]
    mine: ChatCompletionMessageParam = {
        "role": "assistant",
        "content": message.content,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
            for call in calls
        ],
    }
    answer = client.chat.completions.create(model=model(kind), messages=[*messages, mine, *results], tools=[WEATHER, TIME])
    assert "result of get_time" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("kind", STREAMS)
def test_a_structured_answer_is_parsed(client: openai.OpenAI, kind: str) -> None:
    answer = client.chat.completions.parse(model=model(kind), messages=asked("Name a city"), response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama", "grok"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_picture_is_sent_along(client: openai.OpenAI, simulator: SimulatorProcess, kind: str, streamed: bool) -> None:
    simulator.clear_log()
    content: list[ChatCompletionContentPartParam] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    answer = client.chat.completions.create(model=model(kind), messages=[{"role": "user", "content": content}], stream=streamed)
    if isinstance(answer, openai.Stream):
        assert "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    sent = [base64.b64decode(str(entry["body"])) for entry in simulator.log(kind) if entry["method"] == "POST"]
    assert PIXEL.partition(",")[2].encode() in sent[-1]


@pytest.mark.parametrize("kind", ["anthropic", "ollama", "grok"])
def test_reasoning_is_told_streamed_too_and_goes_back_with_its_signature(
    client: openai.OpenAI, simulator: SimulatorProcess, kind: str
) -> None:
    name = {"anthropic": "anthropic/claude-sonnet-4-5", "ollama": "ollama/qwen3:8b", "grok": "grok/grok-3-mini"}[kind]
    whole = client.chat.completions.create(model=name, messages=asked("Ponder this"), reasoning_effort="low").choices[0].message
    extra = whole.model_extra or {}
    assert extra["reasoning_content"]
    stream = client.chat.completions.create(model=name, messages=asked("Ponder this"), reasoning_effort="low", stream=True)
    deltas = [chunk.choices[0].delta.model_extra or {} for chunk in stream if chunk.choices]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == extra["reasoning_content"]
    signed = [detail["signature"] for delta in deltas for detail in delta.get("reasoning_details") or ()]
    assert signed == [detail["signature"] for detail in extra.get("reasoning_details", ())]
    assert bool(signed) is (kind == "anthropic")
    mine: ChatCompletionMessageParam = whole.model_dump(exclude_none=True)  # type: ignore[assignment]
    simulator.clear_log()
    client.chat.completions.create(model=name, messages=[*asked("Ponder this"), mine, *asked("And more")], reasoning_effort="low")
    (body,) = [base64.b64decode(str(entry["body"])).decode() for entry in simulator.log(kind) if entry["method"] == "POST"]
    assert all(signature in body for signature in signed)


def test_several_answers_and_their_log_probabilities(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=model("openai"), messages=asked("hello"), n=3, logprobs=True, top_logprobs=2, seed=7, stop=["never"]
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.logprobs is not None and choice.logprobs.content for choice in answer.choices)
    assert answer.system_fingerprint  # a field that only the provider can have given: nothing was rewritten
    streamed = client.chat.completions.create(model=model("openai"), messages=asked("hello"), n=2, stream=True)
    assert {chunk.choices[0].index for chunk in streamed} == {0, 1}
    likely = client.chat.completions.create(model=model("openai"), messages=asked("hello"), logprobs=True, top_logprobs=2, stream=True)
    told = [token.top_logprobs for chunk in likely if chunk.choices and (said := chunk.choices[0].logprobs) for token in said.content or ()]
    assert [len(top) for top in told] == [2] * len(told) != []
    for refused in ({"n": 2}, {"logprobs": True}):
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=model("anthropic"), messages=asked("hello"), stream=True, **refused)  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["openai", "ollama"])
@pytest.mark.parametrize("form", ["float", "base64", None])
def test_embeddings(client: openai.OpenAI, kind: str, form: str | None) -> None:
    name = {"openai": "openai/text-embedding-3-small", "ollama": "ollama/nomic-embed-text"}[kind]
    chosen = {} if form is None else {"encoding_format": form}
    answer = client.embeddings.create(model=name, input=["one", "two"], **chosen)  # type: ignore[arg-type]
    vectors = [item.embedding for item in answer.data]
    if form == "base64":
        vectors = [list(struct.unpack(f"<{len(base64.b64decode(text)) // 4}f", base64.b64decode(text))) for text in vectors]  # type: ignore[arg-type]
    plain = client.embeddings.create(model=name, input="one", encoding_format="float").data[0].embedding
    assert vectors[0] == pytest.approx(plain, abs=1e-6)
    assert vectors[1] != pytest.approx(plain, abs=1e-6)
    assert answer.usage.total_tokens > 0


def test_token_numbers_go_to_a_provider_of_this_wire_alone(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="openai/text-embedding-3-small", input=[[1, 2, 3], [4, 5]])
    assert len(answer.data) == 2
    with pytest.raises(openai.BadRequestError, match="token numbers"):
        client.embeddings.create(model="ollama/nomic-embed-text", input=[1, 2, 3])


def test_models_are_listed_and_can_be_asked_for(client: openai.OpenAI) -> None:
    listed = {entry.id: entry for entry in client.models.list()}
    assert {"auto", "openai/gpt-4o", "ollama/llama3.1:8b"} <= listed.keys()
    assert client.models.retrieve("openai/gpt-4o").owned_by == "openai"
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("openai/none-such")
    assert client.chat.completions.create(model="auto", messages=asked("hello")).choices[0].message.content
    assert client.chat.completions.create(model="gpt-4o", messages=asked("hello")).model == "gpt-4o"


def test_moderations_tell_of_secrets(client: openai.OpenAI) -> None:
    answer = client.moderations.create(input=["my password is hunter2-Xy33!", "a fine day"])
    assert [result.flagged for result in answer.results] == [True, False]
    assert answer.results[0].categories.to_dict()["secret"] is True
    assert answer.results[0].category_scores.to_dict()["secret/password"] > 0.7  # type: ignore[operator]
    assert answer.results[1].categories.violence is False
    assert client.moderations.create(input="hello").results[0].flagged is False


@pytest.mark.parametrize("kind", KINDS)
def test_legacy_completions(client: openai.OpenAI, kind: str) -> None:
    answer = client.completions.create(model=model(kind), prompt=["say a", "say b"], echo=True)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].text.startswith("say b[simulated")
    assert answer.usage is not None
    streamed = list(client.completions.create(model=model(kind), prompt="say a", stream=True))
    assert "say a" + "".join(part.choices[0].text for part in streamed) == answer.choices[0].text
    assert streamed[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("kind", KINDS)
def test_responses_go_on_from_each_other(client: openai.OpenAI, simulator: SimulatorProcess, kind: str) -> None:
    first = client.responses.create(model=model(kind), input="My name is Ada.", instructions="Answer like Hamlet.")
    assert first.status == "completed"
    assert f"[simulated {kind}" in first.output_text
    assert first.usage is not None
    assert first.usage.total_tokens > 0
    simulator.clear_log()
    with client.responses.stream(model=model(kind), input="What is my name?", previous_response_id=first.id) as stream:
        events = list(stream)
        second = stream.get_final_response()
    assert [event.sequence_number for event in events if event.type != "response.output_text.delta"] == sorted(
        event.sequence_number for event in events if event.type != "response.output_text.delta"
    )
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == second.output_text
    sent = [base64.b64decode(str(entry["body"])) for entry in simulator.log(kind) if entry["method"] == "POST"][-1]
    assert b"My name is Ada." in sent
    assert (
        kind == "bedrock" or b"Hamlet" not in sent
    )  # that proxy's answer repeats all that it was told; instructions hold for one response
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model=model(kind), input="And now?", previous_response_id=second.id)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("streamed", [False, True])
def test_responses_call_functions(client: openai.OpenAI, kind: str, streamed: bool) -> None:
    question = "Call get_weather for Paris"
    if streamed:
        with client.responses.stream(model=model(kind), input=question, tools=[RESPONSES_WEATHER]) as stream:
            stream.until_done()
            first = stream.get_final_response()
    else:
        first = client.responses.create(model=model(kind), input=question, tools=[RESPONSES_WEATHER])  # type: ignore[assignment]
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert "city" in json.loads(call.arguments)
    answer = client.responses.create(
        model=model(kind),
        tools=[RESPONSES_WEATHER],
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}],
    )
    assert "21 degrees" in answer.output_text


@pytest.mark.parametrize("kind", STREAMS)
def test_responses_are_parsed(client: openai.OpenAI, kind: str) -> None:
    assert isinstance(client.responses.parse(model=model(kind), input="Name a city", text_format=City).output_parsed, City)


def test_a_response_that_is_not_stored_is_not_there(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=model("openai"), input="hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


@pytest.mark.parametrize("kind", KINDS)
async def test_asynchronously(async_client: openai.AsyncOpenAI, kind: str) -> None:
    answer = await async_client.chat.completions.create(model=model(kind), messages=asked("Tell me of qubits"))
    stream = await async_client.chat.completions.create(model=model(kind), messages=asked("Tell me of qubits"), stream=True)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces) == answer.choices[0].message.content


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError), (401, openai.InternalServerError)],
)
def test_a_failing_provider_raises_what_the_package_promises(
    own_client: openai.OpenAI, simulator: SimulatorProcess, status: int, kind: type[openai.APIStatusError]
) -> None:
    """A key of ours that a provider refuses is no mistake of the caller: 502, not 401."""
    client = own_client
    simulator.add_faults(FaultRule(method="POST", status=status, message="no such luck", retry_after=7 if status == 429 else None))
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model="auto", messages=asked("hello"))
    assert type(raised.value) is kind
    assert raised.value.response.headers["x-request-id"] == raised.value.response.headers["x-correlation-id"]
    assert set(raised.value.body) == {"message", "type", "param", "code"}  # type: ignore[arg-type]
    if status == 429:
        assert raised.value.response.headers["retry-after"] == "7"
        assert (raised.value.type, raised.value.code) == ("rate_limit_error", "rate_limit_exceeded")


def test_mistakes_of_a_caller(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-4oo", messages=asked("hello"))
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="gpt-4o", messages=asked("hello"), temperature=3)
    assert (wrong.value.type, wrong.value.param) == ("invalid_request_error", "temperature")
    with pytest.raises(openai.BadRequestError, match="n"):
        client.chat.completions.create(model=model("anthropic"), messages=asked("hello"), n=2)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_is_cut_raises(own_client: openai.OpenAI, simulator: SimulatorProcess, kind: str) -> None:
    client = own_client
    simulator.add_faults(FaultRule(kind=kind, method="POST", end_after_chunks=4))  # type: ignore[arg-type]
    stream = client.chat.completions.create(model=model(kind), messages=asked("Tell me of qubits"), stream=True)
    with pytest.raises(openai.APIError, match=r"broke (off|its stream off)"):
        list(stream)


def test_a_cut_response_raises_too(own_client: openai.OpenAI, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", end_after_chunks=4))
    with pytest.raises(openai.APIError, match=r"broke (off|its stream off)"):
        list(own_client.responses.create(model=model("openai"), input="Tell me of qubits", stream=True))


def test_who_has_no_key(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with (
        running_gateway(tmp_path, simulator, {"auth.required": True}) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong", max_retries=0) as client,
    ):
        for ask in (
            lambda: client.chat.completions.create(model="auto", messages=asked("hello")),
            lambda: client.responses.create(model="auto", input="hello"),
            client.models.list,
            lambda: client.moderations.create(input="hello"),
            lambda: client.embeddings.create(model="auto", input="hello"),
        ):
            with pytest.raises(openai.AuthenticationError) as refused:
                ask()
            assert refused.value.code == "invalid_api_key"


def test_a_callers_own_limit(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with (
        running_gateway(tmp_path, simulator, {"rate_limiting.default.requests_per_minute": 1}) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client,
    ):
        client.chat.completions.create(model="auto", messages=asked("hello"))
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="auto", messages=asked("hello"))
        headers = limited.value.response.headers
        assert 0 < float(headers["retry-after"]) <= 61 * 1.1  # hints are spread, so that not all come back at once
        assert float(headers["retry-after-ms"]) <= float(headers["retry-after"]) * 1000
        assert headers["x-ratelimit-limit-requests"] == "1"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert "x-ratelimit-reset-requests" in headers


def test_the_lines_of_the_documentation_run(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "openai.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    assert blocks
    for block in blocks:
        assert "http://localhost:5055" in block
        names: dict[str, object] = {}
        exec(compile(block.replace("http://localhost:5055", gateway.url), "docs/openai.md", "exec"), names)
        made = names["client"]
        assert isinstance(made, openai.OpenAI)
        made.close()
    printed = capsys.readouterr().out
    assert "simulated anthropic" in printed
    assert "simulated ollama" in printed
    assert printed.endswith("2\n")


def test_limits_of_a_provider_of_this_wire_pass(gateway: RunningGateway, tmp_path: Path, simulator: SimulatorProcess) -> None:
    def limits(name: str, path: str = "/v1/chat/completions", **fields: object) -> str:
        body = {"messages": asked("hello")} if "completions" in path else {"input": "hello"}
        return gateway.post(path, model=name, **body, **fields).headers["x-ratelimit-limit-requests"]

    assert limits(model("openai")) == limits(model("openai"), stream=True) == limits(model("openai"), "/v1/responses") == "10000"
    assert limits("openai/text-embedding-3-small", "/v1/embeddings") == "10000"
    assert limits(model("anthropic")) == "1000000"  # Anthropic's own are no numbers of this wire: the caller's at the gateway
    headers = {"x-ratelimit-remaining-requests": "0", "x-evil": "1"}
    simulator.add_faults(FaultRule(kind="openai", method="POST", contains="at its limit", status=429, headers=headers, retry_after=9))
    with running_gateway(tmp_path, simulator, {"routing.explicit_fallback": False}) as alone:
        refused = alone.post("/v1/chat/completions", model=model("openai"), messages=asked("at its limit"))
    assert refused.status == 429
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-evil" not in refused.headers


def test_an_exhausted_budget_is_asked_of_once_and_a_slow_provider_times_out(refusing: Refusing) -> None:
    counted = Counted()
    with openai.OpenAI(base_url=f"{refusing.url}/v1", api_key=refusing.broke, max_retries=3, http_client=counted.client()) as client:
        for ask in (
            lambda: client.chat.completions.create(model=model("openai"), messages=asked("hello")),
            lambda: client.responses.create(model=model("openai"), input="hello"),
            lambda: client.embeddings.create(model="openai/text-embedding-3-small", input="hello"),
        ):
            counted.calls = 0
            with pytest.raises(openai.APIStatusError) as broke:
                ask()
            assert (broke.value.status_code, counted.calls) == (402, 1)
    with openai.OpenAI(base_url=f"{refusing.url}/v1", api_key=refusing.good, max_retries=0) as client:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=model("openai"), messages=asked(SLOW), timeout=0.3)
        with pytest.raises(openai.BadRequestError, match="cannot be answered"):
            client.chat.completions.create(model=model("openai"), messages=asked(FAILS))


def test_what_trying_again_cannot_help_is_asked_once_though_it_is_a_502(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """A key of ours that is refused: the package would try a 502 again by itself."""
    counted = Counted()
    simulator.add_faults(FaultRule(kind="openai", method="POST", status=401))
    with (
        running_gateway(tmp_path, simulator, {"routing.explicit_fallback": False}) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=2, http_client=counted.client()) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(model=model("openai"), messages=asked("hello"))
    assert counted.calls == 1
