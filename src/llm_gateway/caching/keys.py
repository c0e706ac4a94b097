"""The name of an answer: a digest of everything that decides what it says, and of nothing else.

In the name: the messages and every parameter of generation; the provider and model that were meant, aliases resolved;
the strategy that chooses between providers; where policy lets the content go, under which policy and configuration; the
body in the caller's own protocol, as fields that nobody here knows may matter to the provider; the owner.

Not in it: whether the answer is streamed, who the end user is said to be, prompt-cache marks, the order of JSON keys and of
stop sequences, and defaults that are spelled out.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.routing import Destination, Target
from llm_gateway.core.types import (
    PASSTHROUGH,
    Document,
    EmbeddingRequest,
    Image,
    Json,
    Native,
    Part,
    Passthrough,
    Request,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

FORMAT: Final = b"1"
"""Part of every name: another way to make names finds none of the old entries."""
DIGEST_BYTES: Final = 16
MAX_STATES: Final = 256
EXACT: Final = 2**53
"""Below it every whole number is a float without loss."""
UNSEEN_IN_NATIVE: Final = frozenset({"model", "stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key"})
"""Fields of a vendor's body that do not change what a model says, or that are read elsewhere (`model`)."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode

_Circumstances = tuple[str, str, frozenset[Destination], frozenset[str] | None]
"""Strategy, policy version, where the content may go, the models that the caller's key covers (None: all)."""


class Keys:
    """Makes names. `configuration` is a digest of the settings that decide what a target answers, `secret` keys the digests."""

    def __init__(self, configuration: bytes, secret: bytes = b"") -> None:
        self._configuration = configuration
        self._secret = hashlib.blake2b(secret).digest() if secret else b""
        self._states: dict[_Circumstances, Any] = {}
        self._last: _Circumstances = ("", "", frozenset(), None)
        self._last_state: Any = self._begin(self._last)
        """The circumstances of the last name, which are mostly those of the next."""

    def name(self, request: Request, meant: Target, clearance: Clearance, owner: str, strategy: str) -> str:
        """`<owner>_<digest>`. `meant` is what the request's provider and model mean, "" where they leave it open."""
        eligible, models, version = clearance.eligible, clearance.granted.models, clearance.policy_version
        last = self._last
        if eligible is last[2] and models is last[3] and version == last[1] and strategy == last[0]:
            state = self._last_state
        else:
            circumstances = self._last = (strategy, version, eligible, models)
            state = self._states.get(circumstances)
            if state is None:
                state = self._begin(circumstances)
            self._last_state = state
        digest = state.copy()
        digest.update(_encode((owner, meant.provider, meant.model, canonical(request))))
        return f"{owner}_{digest.hexdigest()}"

    def _begin(self, circumstances: _Circumstances) -> Any:
        if len(self._states) >= MAX_STATES:
            self._states.clear()
        strategy, policy_version, eligible, models = circumstances
        places = sorted((place.provider, place.origin, place.security_level.value) for place in eligible)
        state = hashlib.blake2b(digest_size=DIGEST_BYTES, key=self._secret)
        state.update(_encode((FORMAT, self._configuration, strategy, policy_version, places, models and sorted(models))))
        self._states[circumstances] = state
        return state


def canonical(request: Request) -> tuple[Any, ...]:
    """What a request asks for, in one form for all ways to ask it: tuples of plain values.

    A field that is added to a request must be added here, unless it changes no answer.
    """
    if isinstance(request, EmbeddingRequest):
        return ("embeddings", request.inputs, request.dimensions, _native(request.native))
    if isinstance(request, Passthrough):
        return (PASSTHROUGH, *msgspec.structs.astuple(request))
    return (
        "chat",
        [
            (message.role, message.content if isinstance(message.content, str) else _content(message.content), message.name)
            for message in request.messages
        ],
        _number(request.temperature),
        _number(request.top_p),
        request.max_tokens,
        sorted(set(request.stop)) if request.stop else (),
        request.seed,
        request.n,
        _number(request.frequency_penalty),
        _number(request.presence_penalty),
        request.logprobs,
        request.top_logprobs,
        _format(request.response_format),
        [_tool(tool) for tool in request.tools] if request.tools else (),
        _choice(request.tool_choice),
        request.parallel_tool_calls,
        request.reasoning_effort,
        request.thinking_budget_tokens,
        _native(request.native),
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(value) + 0.0  # -0.0 is 0.0


def _content(parts: tuple[Part, ...]) -> Any:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part) for part in parts]


def _part(part: Part) -> tuple[Any, ...]:
    match part:
        case Text():
            return ("text", part.text)
        case Image():
            return ("image", part.media_type, part.data, part.url, part.detail)
        case Document():
            return ("document", part.media_type, part.data, part.text, part.url, part.name)
        case ToolCall():
            return ("tool_call", part.id, part.name, part.arguments)
        case ToolResult():
            return ("tool_result", part.tool_call_id, [_part(piece) for piece in part.content], part.is_error, part.name)
        case Thinking():
            return ("thinking", part.text, part.signature, part.redacted)


def _tool(tool: Tool) -> tuple[Any, ...]:
    return (tool.name, tool.description, plain(tool.parameters), tool.strict)


def _choice(choice: ToolChoice | None) -> tuple[str, str] | None:
    return None if choice is None or choice.mode == "auto" else (choice.mode, choice.name)


def _format(wanted: ResponseFormat | None) -> tuple[Any, ...] | None:
    if wanted is None or wanted.type == "text":
        return None
    return (wanted.type, wanted.name, plain(wanted.json_schema), wanted.strict)


def _native(native: Native | None) -> Any:
    if native is None:
        return None
    return (native.protocol, {key: plain(value) for key, value in native.body.items() if key not in UNSEEN_IN_NATIVE})


def plain(value: Json) -> Json:
    """A JSON value with every whole number as an integer: 1.0 and 1 are one number there."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else value
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def digest_of(values: Iterable[object]) -> bytes:
    """A digest of plain values, for `configuration`."""
    return hashlib.blake2b(_encode(list(values)), digest_size=DIGEST_BYTES).digest()
