"""Ollama's API as a caller reads it: canonical chunks to one document, or to newline-delimited JSON.

Source: docs/api.md and api/types.go of github.com/ollama/ollama. What came from an Ollama server goes out as it came while no stage
has changed it (`Chunk.raw`): its bytes have the form, chat or completion, of the caller's own body, which is what it was sent.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.core.types import Chunk, FinishReason, Json, JsonObject, Usage

PROTOCOL: Final = "ollama"

_DONE_REASONS: Final = {
    FinishReason.LENGTH: "length",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.REFUSAL: "refusal",
}
"""Words for ends that are none of the model's own choice; all others are `stop`."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JsonObject).decode


class Head(msgspec.Struct, frozen=True):
    """What every document of one answer begins with. `completion`: of `/api/generate`, whose text stands in `response`."""

    model: str
    created_at: str
    completion: bool = False


class Durations(msgspec.Struct, frozen=True):
    """How long an answer took, in nanoseconds: all of it, to its first piece, and from there to its end."""

    total_ns: int
    prompt_ns: int
    answer_ns: int


def whole(head: Head, chunks: Sequence[Chunk], usage: Usage | None, durations: Durations) -> bytes:
    """The answer as one document: the provider's own bytes where it is as it came, else written anew.

    Raises:
        ProviderBadResponse: the arguments of a tool call are no JSON object, which is all that this wire has for them.
    """
    first = chunks[0] if chunks else None
    if len(chunks) == 1 and first is not None and first.raw is not None and first.raw_protocol == PROTOCOL:
        return first.raw
    lines = AnswerLines(head)
    for chunk in chunks:
        lines.feed(chunk, write=False)
    return lines.document(usage, durations)


class AnswerLines:
    """Writes one streamed answer as lines of JSON: `feed` for each chunk, then `finish`.

    The pieces of a tool call are held until the end, since this wire has whole calls only.
    """

    __slots__ = ("_calls", "_done", "_finish", "_head", "_logprobs", "_model", "_text", "_thinking", "_usage")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._model = ""
        self._calls: dict[int, list[str]] = {}
        self._finish: FinishReason | None = None
        self._usage: Usage | None = None
        self._done = False
        self._text = ""
        self._thinking = ""
        self._logprobs: list[Json] = []

    def feed(self, chunk: Chunk, *, write: bool = True) -> bytes:
        """The lines of a chunk; none where it says nothing to a caller. Not to `write` keeps all of it for `document`."""
        self._model = self._model or chunk.response_model
        if chunk.usage is not None:
            self._usage = chunk.usage
        if write and chunk.raw is not None and chunk.raw_protocol == PROTOCOL:
            if chunk.finish_reason is None:
                return chunk.raw
            self._done = True
            return self._held() + chunk.raw
        self._finish = chunk.finish_reason or self._finish
        for piece in chunk.tool_calls:
            call = self._calls.setdefault(piece.index, ["", "", ""])
            call[0] += piece.id
            call[1] += piece.name
            call[2] += piece.arguments
        self._text += chunk.text
        self._thinking += chunk.thinking.text if chunk.thinking is not None else ""
        self._logprobs += _logprobs(chunk.logprobs)
        says = write and (self._text or self._thinking or self._logprobs)
        return self._line(self._said()) if says else b""

    def finish(self, usage: Usage | None, durations: Durations) -> bytes:
        """The end of an answer that came to its end: what was held, and the line that says `done`."""
        return b"" if self._done else self._held() + self.document(usage, durations)

    def document(self, usage: Usage | None, durations: Durations) -> bytes:
        """Everything that is kept, as the document that says `done`."""
        self._done = True
        fields = {**self._said(calls=True), "done": True, "done_reason": _DONE_REASONS.get(self._finish or FinishReason.STOP, "stop")}
        return self._line(fields | ended(usage or self._usage, durations))

    def _held(self) -> bytes:
        return self._line(self._said(calls=True)) if self._calls else b""

    def _said(self, *, calls: bool = False) -> JsonObject:
        """What is kept, as fields; it is kept no longer. Tool calls are whole at the end only."""
        name = "response" if self._head.completion else "content"
        said: JsonObject = {name: self._text}
        if self._thinking:
            said["thinking"] = self._thinking
        if calls and self._calls:
            said["tool_calls"] = [_call(*call, index=index) for index, call in self._calls.items()]
            self._calls = {}
        outside: JsonObject = {"logprobs": [*self._logprobs]} if self._logprobs else {}
        self._text, self._thinking, self._logprobs = "", "", []
        if self._head.completion:
            return {**said, **outside, "done": False}
        return {"message": {"role": "assistant", **said}, **outside, "done": False}

    def _line(self, fields: JsonObject) -> bytes:
        return _encode({"model": self._model or self._head.model, "created_at": self._head.created_at, **fields}) + b"\n"


def _call(call_id: str, name: str, arguments: str, *, index: int) -> JsonObject:
    try:
        document = _decode(arguments.strip() or "{}")
    except (msgspec.DecodeError, RecursionError):
        raise ProviderBadResponse(f"the model called the tool {name[:64]!r} with arguments that are no JSON object") from None
    return {"id": call_id, "function": {"index": index, "name": name, "arguments": document}}


def _logprobs(said: Json) -> list[Json]:
    """Of the canonical form, which is OpenAI's, its list: the entries are the same here."""
    content = said.get("content") if isinstance(said, dict) else None
    return content if isinstance(content, list) else []


def ended(usage: Usage | None, durations: Durations) -> JsonObject:
    """Counts and times of the last document. Nothing is loaded on the way: `load_duration` is 0."""
    fields: JsonObject = {"total_duration": durations.total_ns, "load_duration": 0}
    if usage is not None:
        fields["prompt_eval_count"] = usage.input_tokens
    fields["prompt_eval_duration"] = durations.prompt_ns
    if usage is not None:
        fields["eval_count"] = usage.output_tokens
    fields["eval_duration"] = durations.answer_ns
    return fields


def loaded(head: Head, *, freed: bool) -> bytes:
    """The answer to a request that says nothing and wants a model loaded, or freed."""
    said: JsonObject = {"response": ""} if head.completion else {"message": {"role": "assistant", "content": ""}}
    reason = "unload" if freed else "load"
    return _encode({"model": head.model, "created_at": head.created_at, **said, "done": True, "done_reason": reason}) + b"\n"


def embeddings(model: str, chunks: Sequence[Chunk], usage: Usage | None, total_ns: int) -> bytes:
    """The vectors as `/api/embed` gives them: the provider's own bytes where they came over this wire."""
    if len(chunks) == 1 and chunks[0].raw is not None and chunks[0].raw_protocol == PROTOCOL:
        return chunks[0].raw
    named = next((chunk.response_model for chunk in chunks if chunk.response_model), model)
    fields: JsonObject = {"model": named}
    if usage is not None:
        fields["prompt_eval_count"] = usage.input_tokens
    return _encode({**fields, "embeddings": vectors(chunks), "total_duration": total_ns, "load_duration": 0})


def vectors(chunks: Sequence[Chunk]) -> list[list[float]]:
    """The vectors of an answer, in order."""
    return [vector for chunk in chunks for vector in chunk.embeddings or ()]
