"""LangChain's clients of the three vendors against the gateway, whatever provider answers."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr
from tests.conformance.conftest import FAILS, SLOW, Counted, Refusing
from tests.support import RunningGateway

pytestmark = [pytest.mark.usefixtures("unclosed"), pytest.mark.filterwarnings("ignore::ResourceWarning")]

MODELS = {
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "ollama": "ollama/llama3.1:8b",
    "grok": "grok/grok-4",
}
CLIENTS = ("openai", "openai-responses", "anthropic", "ollama")
PAIRS = [(client, kind) for client in CLIENTS for kind in MODELS]
CANNOT_FORCE = {("anthropic", "ollama")}
"""ChatAnthropic asks for structure with a forced tool, which Ollama cannot be told."""


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


def chat_model(client: str, url: str, model: str, key: str = "any", **options: Any) -> BaseChatModel:
    match client:
        case "openai" | "openai-responses":
            responses = client == "openai-responses"
            return ChatOpenAI(
                base_url=f"{url}/v1", api_key=SecretStr(key), model=model, use_responses_api=responses, stream_usage=True, **options
            )
        case "anthropic":
            return ChatAnthropic(base_url=url, api_key=SecretStr(key), model_name=model, **options)
        case _:
            return ChatOllama(base_url=url, model=model, client_kwargs={"headers": {"authorization": f"Bearer {key}"}, **options})


@pytest.mark.parametrize(("client", "kind"), PAIRS)
def test_chat_and_stream(open_gateway: RunningGateway, client: str, kind: str) -> None:
    model = chat_model(client, open_gateway.url, MODELS[kind])
    asked = [SystemMessage("Be brief."), HumanMessage("Tell me of qubits")]
    answer = model.invoke(asked)
    assert f"[simulated {kind}" in answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    whole: AIMessageChunk | None = None
    count = 0
    for piece in model.stream(asked):
        assert isinstance(piece, AIMessageChunk)
        whole = piece if whole is None else whole + piece
        count += 1
    assert whole is not None
    assert count > 3
    assert whole.text == answer.text
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]


@pytest.mark.parametrize(("client", "kind"), PAIRS)
def test_tools(open_gateway: RunningGateway, client: str, kind: str) -> None:
    model = chat_model(client, open_gateway.url, MODELS[kind]).bind_tools([get_weather])
    question = HumanMessage("Call get_weather for Paris")
    called = model.invoke([question])
    (call,) = called.tool_calls
    assert (call["name"], list(call["args"])) == ("get_weather", ["city"])
    result: ToolMessage = get_weather.invoke(call)
    answer = model.invoke([question, called, result])
    assert result.text in answer.text


@pytest.mark.parametrize(("client", "kind"), [pair for pair in PAIRS if pair not in CANNOT_FORCE])
def test_structured_output(open_gateway: RunningGateway, client: str, kind: str) -> None:
    found = chat_model(client, open_gateway.url, MODELS[kind]).with_structured_output(City).invoke("Describe a city")
    assert isinstance(found, City)


def test_structure_by_a_forced_tool_is_refused_where_it_cannot_be_told(open_gateway: RunningGateway) -> None:
    model = chat_model("anthropic", open_gateway.url, MODELS["ollama"]).with_structured_output(City)
    with pytest.raises(anthropic.BadRequestError, match="tool_choice"):
        model.invoke("Describe a city")


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "ollama/nomic-embed-text"])
def test_embeddings(open_gateway: RunningGateway, model: str) -> None:
    for embedder in (
        # Token numbers, which this client would send, mean nothing to another vendor's model.
        OpenAIEmbeddings(base_url=f"{open_gateway.url}/v1", api_key=SecretStr("any"), model=model, check_embedding_ctx_length=False),
        OllamaEmbeddings(base_url=open_gateway.url, model=model),
    ):
        vectors = embedder.embed_documents(["one", "two"])
        assert len(vectors) == 2
        assert embedder.embed_query("one") == pytest.approx(vectors[0], abs=1e-6)


Raised = tuple[type[Exception], Callable[[Any], int | None]]
ERRORS: dict[str, dict[str, type[Exception]]] = {
    "openai": {
        "authentication": openai.AuthenticationError, "bad_request": openai.BadRequestError, "rate_limit": openai.RateLimitError,
        "timeout": openai.APITimeoutError, "budget": openai.APIStatusError,
    },
    "anthropic": {
        "authentication": anthropic.AuthenticationError, "bad_request": anthropic.BadRequestError, "rate_limit": anthropic.RateLimitError,
        "timeout": anthropic.APITimeoutError, "budget": anthropic.APIStatusError,
    },
    "ollama": {
        "authentication": ollama.ResponseError, "bad_request": ollama.ResponseError, "rate_limit": ollama.ResponseError,
        "timeout": httpx.TimeoutException, "budget": ollama.ResponseError,
    },
}  # fmt: skip


@pytest.mark.parametrize("client", ["openai", "openai-responses", "anthropic", "ollama"])
def test_errors(refusing: Refusing, client: str) -> None:
    def ask(key: str, text: str = "hello", model: str = MODELS["openai"], **options: Any) -> None:
        chat_model(client, refusing.url, model, key, **options).invoke(text)

    expected = ERRORS[client.partition("-")[0]]
    quick: dict[str, Any] = {"timeout": 0.3} if client == "ollama" else {"timeout": 0.3, "max_retries": 0}
    with pytest.raises(expected["authentication"]):
        ask("wrong")
    with pytest.raises(expected["bad_request"], match="cannot be answered"):
        ask(refusing.good, FAILS)
    with pytest.raises(expected["timeout"]):
        ask(refusing.good, SLOW, **quick)
    with pytest.raises(expected["rate_limit"]) as limited:
        ask(refusing.limited, **({} if client == "ollama" else {"max_retries": 0}))
    assert getattr(limited.value, "status_code", None) == 429
    with pytest.raises(expected["budget"]) as broke:
        ask(refusing.broke)
    assert getattr(broke.value, "status_code", None) == 402


def test_a_spent_budget_is_asked_of_once(refusing: Refusing) -> None:
    counted = Counted()
    options: dict[str, Any] = {"max_retries": 3, "http_client": counted.client()}
    model = chat_model("openai", refusing.url, MODELS["openai"], refusing.broke, **options)
    with pytest.raises(openai.APIStatusError, match="402"):
        model.invoke("hello")
    assert counted.calls == 1
