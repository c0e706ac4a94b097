"""What the drop-in dialects share: bodies, dropped fields, names of models."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from llm_gateway.api.call import Call
from llm_gateway.api.documents import ModelDocument, ModelsDocument
from llm_gateway.api.dropin import DROPPED, View, known_models, name_dropped, translated
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.exchange import Caller, Exchange
from llm_gateway.core.types import JsonObject


class Body(msgspec.Struct):
    size: int


def test_a_wrong_type_is_named() -> None:
    assert translated(lambda body: msgspec.convert(body, Body).size, {"size": 3}) == 3
    with pytest.raises(InvalidRequest) as failure:
        translated(lambda body: msgspec.convert(body, Body), {"size": "x"})
    assert failure.value.param == "size"


def model(provider: str, name: str) -> ModelDocument:
    return ModelDocument(
        id=f"{provider}/{name}", provider=provider, model=name, default=False, context_window=None, input_usd_per_million_tokens=None,
        output_usd_per_million_tokens=None,
    )  # fmt: skip


class Gateway:
    """A view of three providers, two of which speak Ollama's wire and have a model of one name."""

    caller = Caller("acme")

    def identify(self, credentials: object) -> Caller:
        return self.caller

    def models(self) -> ModelsDocument:
        return ModelsDocument(
            models=[model("near", "llama3"), model("far", "llama3"), model("openai", "gpt-4o")], aliases={"fast": "openai/gpt-4o"}
        )

    def protocol_of(self, provider: str) -> str:
        return "openai" if provider == "openai" else "ollama"

    def untold(self, target: object, request: object) -> frozenset[str]:
        return frozenset({"stop", "seed"})


CALL = cast(Call, SimpleNamespace(scope={"headers": [], "client": None}))


def names(view: View, protocol: str) -> list[str]:
    return [name for name, _ in known_models(CALL, view, protocol)]


def test_models_of_the_same_wire_go_by_their_own_names() -> None:
    assert names(Gateway(), "ollama") == ["auto", "fast", "llama3", "far/llama3", "openai/gpt-4o"]
    assert names(Gateway(), "anthropic") == ["auto", "fast", "near/llama3", "far/llama3", "openai/gpt-4o"]


def test_a_key_sees_what_it_may_use() -> None:
    view = Gateway()
    view.caller = Caller("acme", allowed_providers=frozenset({"openai", "near"}), allowed_models=frozenset({"gpt-4o"}))
    assert names(view, "ollama") == ["auto", "fast", "openai/gpt-4o"]


def headers_of(provider: str, body: JsonObject, put: dict[str, str] | None = None) -> dict[str, str]:
    def dropped(body: JsonObject, protocol: str) -> tuple[str, ...]:
        return tuple(body) if protocol == "openai" else ()

    native = SimpleNamespace(body=body, protocol="ollama")
    chosen = SimpleNamespace(target=SimpleNamespace(provider=provider))
    exchange: Any = SimpleNamespace(request=SimpleNamespace(native=native), chosen=chosen, headers=put or {})
    name_dropped(cast(Exchange, exchange), Gateway(), dropped, {"stop": "options.stop"})
    return cast(dict[str, str], exchange.headers)


def test_dropped_fields_stand_in_a_header_and_cannot_break_it() -> None:
    assert headers_of("openai", {"top_k": 1, "bad\r\nname": 1, "größe": 1}) == {DROPPED: "gr??e, options.stop, seed, top_k"}


def test_fields_of_a_request_are_named_as_the_caller_called_them_unless_the_wire_is_its_own() -> None:
    assert headers_of("openai", {}) == {DROPPED: "options.stop, seed"}
    assert headers_of("near", {"top_k": 1}) == {}
    assert headers_of("openai", {"x": 1}, {DROPPED: "a, seed"}) == {DROPPED: "a, options.stop, seed, x"}
