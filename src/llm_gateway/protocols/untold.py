"""What a caller asked for and a provider was not told: read off the bytes that are sent, so that it cannot be forgotten."""

from typing import Final

import msgspec

from llm_gateway.core.types import ChatRequest, JsonObject, Request, Text

_WORDS: Final[dict[str, frozenset[str]]] = {
    "temperature": frozenset({"temperature"}),
    "top_p": frozenset({"top_p", "topP"}),
    "stop": frozenset({"stop", "stop_sequences", "stopSequences"}),
    "seed": frozenset({"seed"}),
    "frequency_penalty": frozenset({"frequency_penalty"}),
    "presence_penalty": frozenset({"presence_penalty"}),
    "reasoning_effort": frozenset({"reasoning_effort", "effort", "thinking", "think"}),
    "thinking_budget_tokens": frozenset({"reasoning_effort", "effort", "thinking", "think"}),
    "end_user": frozenset({"user", "user_id", "safety_identifier"}),
    "parallel_tool_calls": frozenset({"parallel_tool_calls", "disable_parallel_tool_use"}),
}
"""By field of a request: what it is called on the wires."""
_SAID: Final = frozenset({"messages", "prompt", "system", "tools", "toolConfig", "images", "input"})
"""Fields of a body that hold what is said, not how it is to be answered."""
_MARKED: Final = frozenset({"anthropic", "bedrock"})
"""Wires that know prompt-cache marks."""
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any: msgspec.json.Decoder[JsonObject] = msgspec.json.Decoder(dict)


def asked_fields(request: Request) -> tuple[str, ...]:
    """The fields of a request that some wire, or some model, has no words for."""
    if not isinstance(request, ChatRequest):
        return ()
    asked = []
    if request.temperature is not None:
        asked.append("temperature")
    if request.top_p is not None:
        asked.append("top_p")
    if request.seed is not None:
        asked.append("seed")
    if request.frequency_penalty is not None:
        asked.append("frequency_penalty")
    if request.presence_penalty is not None:
        asked.append("presence_penalty")
    if request.reasoning_effort is not None and request.reasoning_effort != "none":
        asked.append("reasoning_effort")
    if request.end_user is not None:
        asked.append("end_user")
    if request.stop:
        asked.append("stop")
    if request.thinking_budget_tokens:  # 0 asks for nothing
        asked.append("thinking_budget_tokens")
    if request.parallel_tool_calls is False:  # what is allowed need not be said
        asked.append("parallel_tool_calls")
    return tuple(asked)


def untold(asked: tuple[str, ...], body: bytes) -> frozenset[str]:
    """Those of `asked` for which nothing stands in a body."""
    words: set[str] = set()
    for name, value in _decode(body).items():
        words.add(name)
        if name not in _SAID and bytes(value)[:1] == b"{":
            inner = _decode_any.decode(value)
            words |= inner.keys()
            for deeper in inner.values():
                if isinstance(deeper, dict):
                    words |= deeper.keys()
    return frozenset(name for name in asked if _WORDS[name].isdisjoint(words))


def has_untold_marks(request: Request, protocol: str) -> bool:
    """Whether a request marks what to cache, and goes to a wire without such marks."""
    if protocol in _MARKED or not isinstance(request, ChatRequest):
        return False
    return any(
        isinstance(part, Text) and part.cache_control is not None
        for message in request.messages
        if not isinstance(message.content, str)
        for part in message.content
    )
