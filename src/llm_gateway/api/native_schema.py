"""The bodies of the native API, as their JSON is decoded and as the OpenAPI document describes them.

Source of the fields: the product's own specification. Ranges are checked while decoding.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import ChatRequest, EmbeddingRequest, Image, Json, JsonObject, Message, Part, ResponseFormat, Text, Tool

Prompt = Annotated[str, Meta(min_length=1, description="What to ask.")]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Images = Annotated[tuple[str, ...], Meta(max_length=64, description="data: URIs, or URLs that the provider (never the gateway) fetches.")]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request body; fields that are not named here are refused."""


class JsonSchemaFormat(_Body, frozen=True):
    name: str = "answer"
    schema: JsonObject = {}
    strict: bool | None = None


class ResponseFormatBody(_Body, frozen=True):
    """The shape the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class FunctionBody(_Body, frozen=True):
    name: Name
    description: str = ""
    parameters: JsonObject = {}
    strict: bool | None = None


class ToolBody(_Body, frozen=True):
    """A function the model may call: as OpenAI writes it, or its fields directly."""

    type: Literal["function"] = "function"
    function: FunctionBody | None = None
    name: str = ""
    description: str = ""
    parameters: JsonObject = {}
    strict: bool | None = None


class QueryBody(_Body, frozen=True):
    """`POST /query` and `POST /stream`."""

    prompt: Prompt
    context: Annotated[str | dict[str, Json] | None, Meta(description="Further information: text, or an object.")] = None
    provider: Annotated[str | None, Meta(description='A configured provider, or "auto".')] = None
    model: Annotated[str | None, Meta(description='A model, `provider/model`, an alias, or "auto".')] = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    user_id: Name | None = None
    force_refresh: bool = False
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | Annotated[tuple[str, ...], Meta(max_length=16)] | None = None
    seed: int | None = None
    response_format: ResponseFormatBody | None = None
    tools: Annotated[tuple[ToolBody, ...], Meta(max_length=512)] = ()
    images: Images = ()


class ChatBody(QueryBody, frozen=True):
    """`POST /chat`."""

    conversation_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}$")] | None = None


class EmbeddingsBody(_Body, frozen=True):
    """`POST /embeddings`: one text gives one vector, a list gives a list of them."""

    text: Prompt | Annotated[tuple[str, ...], Meta(min_length=1, max_length=2048)]
    model: str | None = None
    provider: str | None = None
    user_id: Name | None = None
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None


_UNASKED = frozenset({None, "", "auto"})
_encode = msgspec.json.Encoder().encode


def chat_request(body: QueryBody, *, stream: bool) -> ChatRequest:
    """The canonical request of a native body.

    Raises:
        InvalidRequest: a field is inconsistent in itself (a json_schema format without its schema, a tool without a name, an image
            that is neither a data URI nor an http URL).
    """
    return ChatRequest(
        messages=(Message("user", _content(body) if body.context or body.images else body.prompt),),
        model=_asked(body.model) if body.model is not None else None,
        provider=_asked(body.provider) if body.provider is not None else None,
        stream=stream,
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens,
        stop=() if body.stop is None else (body.stop,) if isinstance(body.stop, str) else body.stop,
        seed=body.seed,
        response_format=_response_format(body.response_format) if body.response_format else None,
        tools=tuple(_tool(tool, index) for index, tool in enumerate(body.tools)) if body.tools else (),
    )


def _asked(name: str | None) -> str | None:
    return None if name in _UNASKED else name


def _content(body: QueryBody) -> str | tuple[Part, ...]:
    text = body.prompt
    if body.context:
        context = body.context if isinstance(body.context, str) else _encode(body.context).decode()
        text = f"{text}\n\n{context}"
    if not body.images:
        return text
    return (Text(text), *(image_of(uri, f"images[{index}]") for index, uri in enumerate(body.images)))


def image_of(uri: str, field: str) -> Image:
    """An image from a data URI or an http(s) URL.

    Raises:
        InvalidRequest: it is neither; names `field`.
    """
    if uri.startswith(("https://", "http://")):
        return Image(url=uri)
    head, comma, data = uri.partition(",")
    if head.startswith("data:image/") and head.endswith(";base64") and comma:
        return Image(media_type=head[5:-7], data=data)
    raise InvalidRequest(f"{field}: expected a data:image/...;base64 URI or an http(s) URL", param=field)


def _response_format(body: ResponseFormatBody) -> ResponseFormat:
    if body.type != "json_schema":
        return ResponseFormat(body.type)
    if body.json_schema is None or not body.json_schema.schema:
        raise InvalidRequest(
            "response_format.json_schema.schema: expected a JSON schema, as type is json_schema", param="response_format.json_schema.schema"
        )
    schema = body.json_schema
    return ResponseFormat("json_schema", schema.name, schema.schema, schema.strict)


def _tool(body: ToolBody, index: int) -> Tool:
    if body.function is not None:
        f = body.function
        return Tool(f.name, f.description, f.parameters, f.strict)
    if not body.name:
        raise InvalidRequest(f"tools[{index}].name: expected the function's name", param=f"tools[{index}].name")
    return Tool(body.name, body.description, body.parameters, body.strict)


def embedding_request(body: EmbeddingsBody) -> EmbeddingRequest:
    """The canonical request of an embeddings body."""
    inputs = (body.text,) if isinstance(body.text, str) else body.text
    return EmbeddingRequest(inputs=inputs, model=_asked(body.model), provider=_asked(body.provider), dimensions=body.dimensions)
