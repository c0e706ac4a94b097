"""The chunks of an answer on their way into the cache, and out of it again.

What came unstreamed is kept as it came. A stream's pieces are joined: one chunk for each choice, or a few where text,
reasoning and tool calls take turns. Out of the cache an answer can be streamed or not, however it came in.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Passthrough, Request, Thinking, ToolCallDelta

_WORDS: Final = re.compile(r"\S+\s*|\s+")
GOOD_ENDS: Final = frozenset({FinishReason.STOP, FinishReason.TOOL_CALLS})
"""An answer cut by its length or a filter is not what the next caller should get without a new try."""


class Collector:
    """Takes in the chunks of one answer; copies them, as stages behind may change theirs.

    `raw_protocol` is the protocol whose bytes may serve again: the caller's own, of an answer that is not streamed.
    """

    __slots__ = ("_open", "_raw_protocol", "_runs", "_streamed", "_whole")

    def __init__(self, *, streamed: bool, raw_protocol: str = "") -> None:
        self._streamed = streamed
        self._raw_protocol = raw_protocol
        self._whole: list[Chunk] = []
        self._runs: list[_Run] = []
        self._open: dict[int, _Run] = {}

    def add(self, chunk: Chunk) -> None:
        """Take in one chunk."""
        if not self._streamed:
            kept = msgspec.structs.replace(chunk, cost_usd=None)
            if chunk.raw_protocol != self._raw_protocol:
                kept.raw, kept.raw_protocol = None, ""
            self._whole.append(kept)
            return
        run = self._open.get(chunk.choice)
        if run is None or not run.takes(chunk):
            run = self._open[chunk.choice] = _Run(chunk.choice)
            self._runs.append(run)
        run.add(chunk)

    def chunks(self) -> list[Chunk]:
        """All of it."""
        return [run.joined() for run in self._runs] if self._streamed else self._whole


class _Run:
    """Neighbouring pieces that make one chunk: reasoning, then text, then tool calls, as a reader of one chunk sees them."""

    __slots__ = ("_calls", "_ended_thought", "_last", "_redacted", "_signature", "_text", "_thought")

    def __init__(self, choice: int) -> None:
        self._last = Chunk(choice=choice)
        self._text: list[str] = []
        self._thought: list[str] = []
        self._signature = ""
        self._redacted = ""
        self._ended_thought = False
        self._calls: dict[int, tuple[str, str, list[str]]] = {}

    def takes(self, chunk: Chunk) -> bool:
        """Whether a chunk can be joined without changing the order of what a reader sees."""
        if chunk.thinking is not None and (self._text or self._calls or self._ended_thought or (chunk.thinking.redacted and self._thought)):
            return False
        return not (chunk.text and self._calls)

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self._text.append(chunk.text)
        if chunk.thinking is not None:
            self._think(chunk.thinking)
        for piece in chunk.tool_calls:
            known = self._calls.get(piece.index)
            if known is None:
                self._calls[piece.index] = (piece.id, piece.name, [piece.arguments])
            else:
                known[2].append(piece.arguments)
        last = self._last
        last.finish_reason = chunk.finish_reason or last.finish_reason
        last.usage = chunk.usage or last.usage
        last.response_id = chunk.response_id or last.response_id
        last.response_model = chunk.response_model or last.response_model
        last.stop_sequence = chunk.stop_sequence or last.stop_sequence

    def _think(self, thinking: Thinking) -> None:
        self._thought.append(thinking.text)
        self._signature += thinking.signature
        self._redacted += thinking.redacted
        # A signature closes its block, and a redacted block is whole.
        self._ended_thought = bool(thinking.signature or thinking.redacted)

    def joined(self) -> Chunk:
        chunk = self._last
        chunk.text = "".join(self._text)
        if self._thought:
            chunk.thinking = Thinking("".join(self._thought), self._signature, self._redacted)
        chunk.tool_calls = tuple(ToolCallDelta(index, id, name, "".join(pieces)) for index, (id, name, pieces) in self._calls.items())
        return chunk


def is_whole(request: Request, chunks: Iterable[Chunk]) -> bool:
    """Whether these chunks are a complete and good answer: every choice came to an end of its own, every text got its vector."""
    if isinstance(request, Passthrough):
        return False
    if not isinstance(request, ChatRequest):
        return sum([len(chunk.embeddings or ()) for chunk in chunks]) == len(request.inputs)
    ends: dict[int, FinishReason] = {}
    says = False
    for chunk in chunks:
        says = says or bool(chunk.text or chunk.tool_calls)
        if chunk.finish_reason is not None:
            ends[chunk.choice] = chunk.finish_reason
    return says and len(ends) == request.n and GOOD_ENDS.issuperset(ends.values())


def in_words(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """An answer as a stream: word by word, and without raw bytes, which belonged to the whole."""
    for chunk in chunks:
        choice, head, model = chunk.choice, chunk.response_id, chunk.response_model
        if chunk.embeddings is not None:
            yield chunk
            continue
        if chunk.thinking is not None:
            yield Chunk(thinking=chunk.thinking, choice=choice, response_id=head, response_model=model)
        for word in _WORDS.findall(chunk.text):
            yield Chunk(text=word, choice=choice, response_id=head, response_model=model)
        for call in chunk.tool_calls:
            yield Chunk(tool_calls=(call,), choice=choice, response_id=head, response_model=model)
        if chunk.finish_reason is not None or chunk.usage is not None:
            yield Chunk(
                finish_reason=chunk.finish_reason, choice=choice, usage=chunk.usage, response_id=head, response_model=model,
                stop_sequence=chunk.stop_sequence,
            )  # fmt: skip
