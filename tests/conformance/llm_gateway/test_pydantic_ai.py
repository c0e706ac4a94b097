"""pydantic-ai against the gateway, with its OpenAI and Anthropic models, whatever provider answers."""

import anthropic
import openai
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, Embedder, NativeOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from tests.conformance.conftest import FAILS, SLOW, Counted, Refusing
from tests.support import RunningGateway

pytestmark = [pytest.mark.usefixtures("unclosed"), pytest.mark.filterwarnings("ignore::ResourceWarning")]

MODELS = {
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "ollama": "ollama/llama3.1:8b",
    "grok": "grok/grok-4",
}
CLIENTS = ("openai-chat", "openai-responses", "anthropic")
PAIRS = [(client, kind) for client in CLIENTS for kind in MODELS]


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


def model_of(client: str, url: str, name: str, key: str = "any", *, timeout_s: float = 30, counted: Counted | None = None) -> Model:
    http = (counted or Counted()).async_client()
    if client == "anthropic":
        client_of_it = anthropic.AsyncAnthropic(base_url=url, api_key=key, timeout=timeout_s, http_client=http)
        return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client_of_it))
    other = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, timeout=timeout_s, http_client=http)
    provider = OpenAIProvider(openai_client=other)
    return OpenAIResponsesModel(name, provider=provider) if client == "openai-responses" else OpenAIChatModel(name, provider=provider)


@pytest.mark.parametrize(("client", "kind"), PAIRS)
async def test_chat_stream_and_tools(open_gateway: RunningGateway, client: str, kind: str) -> None:
    model = model_of(client, open_gateway.url, MODELS[kind])
    agent = Agent(model, instructions="Be brief.")
    answer = await agent.run("Tell me of qubits")
    assert f"[simulated {kind}" in answer.output
    assert answer.usage.output_tokens > 0
    async with agent.run_stream("Tell me of qubits") as streamed:
        pieces = [piece async for piece in streamed.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 3
    assert "".join(pieces) == answer.output
    helped = Agent(model)
    asked: list[str] = []

    @helped.tool_plain
    def get_weather(city: str) -> str:
        """Weather of a city."""
        asked.append(city)
        return f"sunny in {city}"

    told = await helped.run("Call get_weather for Paris")
    assert len(asked) == 1
    assert f"sunny in {asked[0]}" in told.output


@pytest.mark.parametrize(("client", "kind"), [pair for pair in PAIRS if pair != ("anthropic", "ollama")])
async def test_structured_output(open_gateway: RunningGateway, client: str, kind: str) -> None:
    """The Anthropic model of an unknown name asks by a forced tool, which Ollama cannot be told."""
    model = model_of(client, open_gateway.url, MODELS[kind])
    agent = Agent(model, output_type=City) if client == "anthropic" else Agent(model, output_type=NativeOutput(City))
    answer = await agent.run("Describe a city")
    assert isinstance(answer.output, City)


@pytest.mark.parametrize("name", ["openai/text-embedding-3-small", "ollama/nomic-embed-text"])
async def test_embeddings(open_gateway: RunningGateway, name: str) -> None:
    client = openai.AsyncOpenAI(base_url=f"{open_gateway.url}/v1", api_key="any", http_client=Counted().async_client())
    embedder = Embedder(OpenAIEmbeddingModel(name, provider=OpenAIProvider(openai_client=client)))
    found = await embedder.embed_documents(["one", "two"])
    assert len(found.embeddings) == 2
    assert found.usage.input_tokens > 0
    assert (await embedder.embed_query("one")).embeddings[0] == pytest.approx(found.embeddings[0], abs=1e-6)


@pytest.mark.parametrize("client", CLIENTS)
async def test_errors(refusing: Refusing, client: str) -> None:
    for key, text, status in (
        ("wrong", "hello", 401), (refusing.good, FAILS, 400), (refusing.broke, "hello", 402),
    ):  # fmt: skip
        counted = Counted()
        with pytest.raises(ModelHTTPError) as raised:
            await Agent(model_of(client, refusing.url, MODELS["openai"], key, counted=counted)).run(text)
        assert raised.value.status_code == status
        assert counted.calls == 1
    with pytest.raises(ModelAPIError) as slow:
        await Agent(model_of(client, refusing.url, MODELS["openai"], refusing.good, timeout_s=0.1)).run(SLOW)
    assert isinstance(slow.value.__cause__, openai.APITimeoutError | anthropic.APITimeoutError)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_limit(refusing: Refusing, client: str) -> None:
    """The packages wait as long as they are told before they try again: not here."""
    model = model_of(client, refusing.url, MODELS["openai"], refusing.limited)
    assert isinstance(model, AnthropicModel | OpenAIChatModel | OpenAIResponsesModel)
    model.client.max_retries = 0
    with pytest.raises(ModelHTTPError) as raised:
        await Agent(model).run("hello")
    assert raised.value.status_code == 429
    assert isinstance(raised.value.__cause__, openai.RateLimitError | anthropic.RateLimitError)
