# patterns and word lists read best unbroken
"""Every string of a request that can reach a wire, with its place, and every part that cannot be read.

Keys count like values; numbers count as their digits; tool arguments count both as written and as parsed. Nothing here
raises on content: what does not parse is still there as text.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import msgspec

from llm_gateway.core.types import (
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Json,
    JsonObject,
    Passthrough,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from llm_gateway.detectors.decode import readable

_json = msgspec.json.Decoder()
_PAIR_CHARS = 256
"""Values up to this long are listed together with their key, so that `password` and what it is stay neighbours."""
_LARGE = 1000
"""Numbers from this on are listed: they may be somebody's."""
_BINARY_KEYS = frozenset({"data", "image_data", "file_data", "bytes", "b64_json", "audio"})
_TOKEN_KEYS = frozenset({"input", "prompt", "tokens", "context"})
_MAX_DEPTH = 200
_REMOTE = ("http://", "https://", "gs://", "s3://", "file")
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DIGEST = r"[0-9a-f]{64}"
_USER = re.compile(
    rf"(?:user_)?(?:{_DIGEST}|{_UUID})(?:_account_(?:{_UUID})?_session_{_UUID})?"
    r"|user[_-][A-Za-z0-9]{20,32}"
    rf'|\{{(?:"(?:device_id|account_uuid|session_id)": ?"(?:{_DIGEST}|{_UUID})?"(?:, ?)?){{1,3}}\}}'
)
"""A user as OpenAI and Anthropic ask for one (a digest, a UUID or a drawn name that stands for a person), or as Claude Code names its
sessions."""
_BETA = re.compile(r"[a-z][a-z0-9]{0,15}(?:-[a-z0-9]{1,16}){0,7}-[0-9]{4}-?[0-9]{2}-?[0-9]{2}")
"""A preview feature of Anthropic's API: words and a date."""
_SIGNATURE = re.compile(
    r"(?=.{0,200}[a-z])(?=.{0,200}[A-Z])(?=.{0,200}[0-9])(?:[A-Za-z0-9+/]{4}){15,}(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)"
)
"""A signature of reasoning: bytes in padded base64. Keys of vendors have signs, or a length, that this has not."""
_CALL_ID = re.compile(
    r"(?:toolu_(?:bdrk_|vrtx_)?|srvtoolu_|call_|fc_|chatcmpl-tool-)[A-Za-z0-9]{8,64}|tooluse_[A-Za-z0-9_-]{22}"
    rf"|call_[0-9A-Za-z]{{0,64}}(?:_[0-9]{{1,3}}){{1,2}}|(?:call_|run--?)?{_UUID}"
)
"""A tool call as vendors, their clients, and the gateway in their place name it: drawn letters and digits, which say nothing."""
_CLIENT = re.compile(
    r"x-anthropic-billing-header: cc_version=[0-9]{1,4}(?:\.[0-9a-f]{1,4}){1,4}; cc_entrypoint=[a-z-]{1,24};(?: cch=[0-9a-f]{1,8};)?"
)
"""How Claude Code names its release, as the first block of its system prompt, for Anthropic alone."""
_PRINTABLE_RUN = re.compile(rb"[\t\n\r -~]{8,}")
_FIELDS = frozenset(
    {
        "model", "messages", "role", "content", "type", "stream", "stream_options", "include_usage", "max_tokens", "max_completion_tokens",
        "temperature", "top_p", "tools", "tool_choice", "tool_calls", "function", "parameters", "system", "options",
    }
)  # fmt: skip
"""Names of fields that the gateway itself writes on every wire: standing alone they say nothing. With a text or a large number they are
judged along with it."""
_MADE_FIELDS = frozenset({"metadata", "anthropic_beta", "system", "user", "safety_identifier", "prompt_cache_key"})
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


class Unreadable(msgspec.Struct, frozen=True):
    """A part that no text rule can judge: `kind` is image, document, remote (a URL the provider fetches), tokens, opaque, nesting, or body
    (a file or form that is passed through)."""

    place: str
    kind: str


class Extraction(msgspec.Struct, frozen=True):
    """`strings` are (place, text) in the order of the request."""

    strings: list[tuple[str, str]]
    unreadable: tuple[Unreadable, ...]


class _Walk:
    """Collects strings and unreadable parts."""

    __slots__ = ("seen", "strings", "unreadable")

    def __init__(self) -> None:
        self.strings: list[tuple[str, str]] = []
        self.unreadable: list[Unreadable] = []
        self.seen: set[str] = set()

    def add(self, place: str, text: str) -> None:
        if text and text not in self.seen:
            self.seen.add(text)
            self.strings.append((place, text))

    def binary(self, place: str, data: str, kind: str) -> None:
        """Base64 that claims to be a file: read it when it is text all the same."""
        if not data or data in self.seen:
            return
        self.seen.add(data)
        try:
            text = readable(base64.b64decode(data))
        except (binascii.Error, ValueError):
            self.strings.append((place, data))
            return
        if text:
            self.strings.append((place, text))
        else:
            self.unreadable.append(Unreadable(place, kind))

    def url(self, place: str, url: str, kind: str) -> None:
        """A data URI's content, or an address (its text is judged; what lies there is not ours to see)."""
        if url[:5].lower() != "data:":
            self.add(place, url)
            if url.startswith(_REMOTE):
                self.unreadable.append(Unreadable(place, "remote"))
            return
        header, _, payload = url.partition(",")
        if url in self.seen:
            return
        self.seen.add(url)
        self.add(place, header)
        if header.lower().endswith(";base64"):
            self.binary(place, payload, kind)
            return
        text = readable(unquote_to_bytes(payload)) or payload
        self.add(place, text)

    def json(self, place: str, value: Json, depth: int = 0) -> None:
        """Keys, strings and numbers of a JSON value."""
        if depth > _MAX_DEPTH:
            self.unreadable.append(Unreadable(place, "nesting"))
        elif isinstance(value, str):
            self.text(place, value)
        elif isinstance(value, dict):
            seen = self.seen
            for key, item in value.items():
                kind = type(item)
                if key in _FIELDS and (
                    (kind is str and (item in seen or (key == "role" and item in _ROLES)))
                    or kind is bool
                    or item is None
                    or ((kind is int or kind is float) and -_LARGE < item < _LARGE)  # type: ignore[operator]  # it is a number
                ):
                    continue  # most of what a chat has beside its texts: nothing new, as `_entry` would find too
                self._entry(f"{place}/{key}" if len(key) <= 64 else f"{place}/*", key, item, depth)
        elif isinstance(value, list):
            if len(value) >= 4 and all(type(item) is int for item in value[:64]):
                self.add(place, str(value))
            else:
                for index, item in enumerate(value):
                    self.json(f"{place}/{index}", item, depth + 1)
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _LARGE:
            self.add(place, str(value))

    def text(self, place: str, value: str) -> None:
        if value[4:5] == ":" and value[:5].lower() == "data:" and "," in value[:200]:
            self.url(place, value, "image")
        else:
            self.add(place, value)

    def _name(self, place: str, key: str) -> None:
        if key not in _FIELDS:
            self.add(place, key)

    def _entry(self, place: str, key: str, item: Json, depth: int) -> None:
        if isinstance(item, str):
            if item in self.seen:
                self._name(place, key)
            elif len(item) > _PAIR_CHARS:
                self._name(place, key)
                if key in _BINARY_KEYS and " " not in item[:512]:
                    self.binary(place, item, "image")
                else:
                    self.text(place, item)
            elif key != "role" or item not in _ROLES:
                self.add(place, f"{key}: {item}")
        elif isinstance(item, int | float) and not isinstance(item, bool) and abs(item) >= _LARGE:
            self.add(place, f"{key}: {item}")
        else:
            self._name(place, key)
            if key in _TOKEN_KEYS and isinstance(item, list) and _has_token_ids(item):
                self.unreadable.append(Unreadable(place, "tokens"))
            self.json(place, item, depth + 1)


def _has_token_ids(items: list[Json]) -> bool:
    return any((type(item) is int) or (isinstance(item, list) and any(type(inner) is int for inner in item)) for item in items)


def extract(request: Request, models: frozenset[str] = frozenset()) -> Extraction:
    """All strings of `request`, each once, and its unreadable parts.

    `models` are names of models that the operator gave: asking for one says nothing.
    """
    walk = _Walk()
    if isinstance(request, ChatRequest):
        _chat(walk, request)
    elif isinstance(request, EmbeddingRequest):
        for index, text in enumerate(request.inputs):
            walk.text(f"/input/{index}", text)
    else:
        _passthrough(walk, request)
    model, end_user, native = request.model, request.end_user, request.native
    made = set(_made_by_vendors(request)) if native is not None else set()
    if model in models:
        made.add(model)
    elif model:
        walk.add("/model", model)
    if end_user and end_user not in made:
        walk.add("/end_user", end_user)
    if native is not None:
        walk.seen |= made  # now, so that the same string in a message has been judged
        walk.json("/native", native.body)
    return Extraction(walk.strings, tuple(walk.unreadable))


def _made_by_vendors(request: Request) -> Iterator[str]:
    """Strings of a native body whose form says that nobody wrote them: they look like keys, and are none.

    Signatures of reasoning and ids of tool calls (which the canonical request does not list either), users as digests, names of preview
    features and of a client's release.
    Anything else in the same places is judged like all other text.
    """
    if request.native is not None and not request.native.body.keys().isdisjoint(_MADE_FIELDS):
        yield from _made_fields(request.native.body)
    if isinstance(request, ChatRequest):
        for message in request.messages:
            if not isinstance(message.content, str):
                for part in message.content:
                    if isinstance(part, Thinking):
                        if _is_signature(part.signature):
                            yield part.signature
                    elif isinstance(part, ToolCall | ToolResult):
                        name = part.id if isinstance(part, ToolCall) else part.tool_call_id
                        if _CALL_ID.fullmatch(name):
                            yield name


def _made_fields(body: JsonObject) -> Iterator[str]:
    metadata, betas, system = body.get("metadata"), body.get("anthropic_beta"), body.get("system")
    users = (
        metadata.get("user_id") if isinstance(metadata, dict) else None,
        *map(body.get, ("user", "safety_identifier", "prompt_cache_key")),
    )
    yield from (user for user in users if isinstance(user, str) and _USER.fullmatch(user))
    if isinstance(betas, list):
        yield from (name for name in betas if isinstance(name, str) and _BETA.fullmatch(name))
    first = system[0] if isinstance(system, list) and system else None
    if isinstance(first, dict) and isinstance(text := first.get("text"), str) and _CLIENT.fullmatch(text):
        yield text


def _is_signature(text: str) -> bool:
    """Whether `text` is of the form of a signature of reasoning, and says nothing to a reader when it is decoded."""
    return _SIGNATURE.fullmatch(text) is not None and not readable(base64.b64decode(text))


def strings_of(request: Request) -> list[tuple[str, str]]:
    """(place, text) of every string of `request` that can reach a wire."""
    return extract(request).strings


def unreadable_of(request: Request) -> tuple[Unreadable, ...]:
    """The parts of `request` that no text rule can judge; what they count as is the policy's matter."""
    return extract(request).unreadable


def _passthrough(walk: _Walk, request: Passthrough) -> None:
    walk.add("/path", request.path)
    for place, pairs in (("/query", request.query), ("/headers", request.headers)):
        for name, value in pairs:
            walk.add(f"{place}/{name}", f"{name}: {value}")
    walk.json("/body", request.body)
    walk.unreadable += [Unreadable(place, "remote") for place in _addresses("/body", request.body)]
    if request.data:
        walk.unreadable.append(Unreadable("/body", "body"))


def _addresses(place: str, value: Json) -> Iterator[str]:
    """Where a body names something for the provider to fetch."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key.endswith("url") and item.startswith(_REMOTE):
                    yield f"{place}/{key[:64]}"
            else:
                yield from _addresses(f"{place}/{key[:64]}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _addresses(f"{place}/{index}", item)


def _chat(walk: _Walk, request: ChatRequest) -> None:
    for index, message in enumerate(request.messages):
        if message.name:
            walk.add(f"/messages/{index}/name", message.name)
        if isinstance(message.content, str):
            walk.text(f"/messages/{index}/content", message.content)
        else:
            for at, part in enumerate(message.content):
                _part(walk, f"/messages/{index}/content/{at}", part)
    if request.tools:
        for index, tool in enumerate(request.tools):
            _tool(walk, f"/tools/{index}", tool)
    if request.stop:
        for index, stop in enumerate(request.stop):
            walk.add(f"/stop/{index}", stop)
    if request.tool_choice is not None:
        walk.add("/tool_choice/name", request.tool_choice.name)
    if request.response_format is not None:
        walk.add("/response_format/name", request.response_format.name)
        walk.json("/response_format/json_schema", request.response_format.json_schema)
    if request.reasoning_effort:
        walk.add("/reasoning_effort", request.reasoning_effort)


def _part(walk: _Walk, place: str, part: Text | Image | Document | ToolCall | ToolResult | Thinking) -> None:
    if isinstance(part, Text):
        walk.text(f"{place}/text", part.text)
        walk.json(f"{place}/cache_control", part.cache_control)
    elif isinstance(part, Image):
        _file(walk, place, "image", part.data, part.url, part.media_type)
        walk.json(f"{place}/cache_control", part.cache_control)
    elif isinstance(part, Document):
        walk.add(f"{place}/name", part.name)
        walk.text(f"{place}/text", part.text)
        _file(walk, place, "document", part.data, part.url, part.media_type)
        walk.json(f"{place}/cache_control", part.cache_control)
    elif isinstance(part, ToolCall):
        walk.add(f"{place}/name", part.name)
        _call_id(walk, f"{place}/id", part.id)
        _arguments(walk, f"{place}/arguments", part.arguments)
    elif isinstance(part, ToolResult):
        _call_id(walk, f"{place}/tool_call_id", part.tool_call_id)
        walk.add(f"{place}/name", part.name)
        for index, inner in enumerate(part.content):
            _part(walk, f"{place}/content/{index}", inner)
    else:
        walk.text(f"{place}/text", part.text)
        _signature(walk, f"{place}/signature", part.signature)
        if part.redacted:
            walk.unreadable.append(Unreadable(f"{place}/redacted", "opaque"))


def _call_id(walk: _Walk, place: str, name: str) -> None:
    if not _CALL_ID.fullmatch(name):
        walk.add(place, name)


def _signature(walk: _Walk, place: str, signature: str) -> None:
    """Bytes that only the vendor reads; what in them is words, or the whole when it is none, is judged like all text."""
    if not _is_signature(signature):
        walk.add(place, signature)
        return
    for run in _PRINTABLE_RUN.findall(base64.b64decode(signature)):
        walk.add(place, run.decode())


def _file(walk: _Walk, place: str, kind: str, data: str, url: str, media_type: str) -> None:
    walk.add(f"{place}/media_type", media_type)
    if data:
        walk.binary(f"{place}/data", data, kind)
    if url:
        walk.url(f"{place}/url", url, kind)


def _arguments(walk: _Walk, place: str, arguments: str) -> None:
    walk.add(place, arguments)
    if "\\" in arguments or len(arguments) > _PAIR_CHARS:
        try:
            walk.json(place, _json.decode(arguments))
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return


def _tool(walk: _Walk, place: str, tool: Tool) -> None:
    walk.add(f"{place}/name", tool.name)
    walk.text(f"{place}/description", tool.description)
    walk.json(f"{place}/parameters", tool.parameters)
