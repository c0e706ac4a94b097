"""What the dialects do alike: the gateway as they see it, a body as its request, names of models, dropped fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from llm_gateway.api.call import Call
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import ModelDocument, ModelsDocument
from llm_gateway.api.errors import invalid_body
from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.core.exchange import Caller, Credentials, Exchange
from llm_gateway.core.routing import Target
from llm_gateway.core.types import Chunk, EmbeddingRequest, JsonObject, Request
from llm_gateway.protocols.untold import has_untold_marks

DROPPED: Final = "X-Gateway-Dropped-Params"
AUTO: Final = "auto"
RequestType = TypeVar("RequestType")


class View(Protocol):
    """What these endpoints need of the gateway beside the way of a request; asked anew for each."""

    def identify(self, credentials: Credentials) -> Caller: ...
    def models(self) -> ModelsDocument: ...

    def protocol_of(self, provider: str) -> str:
        """The wire that a configured provider speaks; "" for none."""
        ...

    def untold(self, target: Target, request: Request) -> frozenset[str]:
        """The fields of a request that a target is not told."""
        ...


def translated(translate: Callable[[JsonObject], RequestType], body: JsonObject) -> RequestType:
    """What `translate` makes of a body.

    Raises:
        InvalidRequest: names the field and what was expected.
    """
    try:
        return translate(body)
    except msgspec.ValidationError as failure:
        raise invalid_body(failure, b"") from None


def model_of(exchange: Exchange) -> str:
    """The model that answered, as it was asked for upstream."""
    return exchange.chosen.target.model if exchange.chosen is not None else ""


def name_dropped(exchange: Exchange, view: View, dropped: Callable[[JsonObject, str], tuple[str, ...]], called: Mapping[str, str]) -> None:
    """Say in a header which fields of the caller's own body the provider was not told.

    `dropped` names those that only the caller's dialect has; `called` what the fields of a request are called in it, where it is
    something else.
    """
    request, chosen = exchange.request, exchange.chosen
    if chosen is None:
        return
    native, protocol = request.native, view.protocol_of(chosen.target.provider)
    names = set(dropped(native.body, protocol)) if native is not None else set()
    if native is None or native.protocol != protocol:
        names |= {called.get(name, name) for name in view.untold(chosen.target, request)}
        if has_untold_marks(request, protocol):
            names.add("cache_control")
    put_dropped(exchange, names)


def put_dropped(exchange: Exchange, names: Iterable[str]) -> None:
    """Name fields in the header, beside those that stand there already."""
    printable = {name.encode("ascii", "replace").decode() for name in names if name.isprintable()}
    if printable:
        named = exchange.headers.get(DROPPED)
        exchange.headers[DROPPED] = ", ".join(sorted(printable | (set(named.split(", ")) if named else set())))


def vectors_of(request: EmbeddingRequest, chunks: Sequence[Chunk]) -> list[list[float]]:
    """The vectors of an answer, one for each text.

    Raises:
        ProviderBadResponse: there are more, or fewer, or none.
    """
    found = [vector for chunk in chunks for vector in chunk.embeddings or ()]
    if not found or (request.inputs and len(found) != len(request.inputs)):
        raise ProviderBadResponse(f"the provider gave {len(found)} vectors for {len(request.inputs)} texts")
    return found


def known_models(call: Call, view: View, protocol: str) -> list[tuple[str, ModelDocument | None]]:
    """What this caller can ask for as `model`: the gateway's choice, the aliases, each provider's models.

    Models of providers that speak `protocol` go by their own names, as a client of it expects; others as `provider/model`.

    Raises:
        Unauthenticated, Forbidden, RateLimited, InvalidRequest: the caller is nobody who may call.
    """
    caller = view.identify(credentials_of(call.scope))
    found = view.models()
    names: dict[str, ModelDocument | None] = dict.fromkeys((AUTO, *found.aliases))
    for model in found.models:
        if _may_use(caller, model):
            own = model.model if view.protocol_of(model.provider) == protocol else model.id
            names.setdefault(own if own not in names else model.id, model)
    return list(names.items())


def _may_use(caller: Caller, model: ModelDocument) -> bool:
    providers, models = caller.allowed_providers, caller.allowed_models
    if providers is not None and model.provider not in providers:
        return False
    return models is None or model.model in models or model.id in models
