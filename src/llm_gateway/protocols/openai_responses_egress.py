"""OpenAI's Responses API as a caller reads it: canonical chunks to a response and to its typed events.

Source: OpenAI's API reference, "The response object" and "Streaming events". Every event has a `sequence_number`; a stream ends with
`response.completed` or `response.incomplete`, and with nothing else than an error where it was cut. There is no `[DONE]`.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from llm_gateway.core.types import Chunk, FinishReason, Json, JsonObject, Thinking, ToolCallDelta, Usage

REFUSED: Final = "The model refused to answer."
_INCOMPLETE: Final = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}
_encode = msgspec.json.Encoder().encode


def usage_object(usage: Usage) -> JsonObject:
    """The counts as this wire gives them."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


class _Open:
    """An output item that still grows. `text` is its text or its arguments."""

    __slots__ = ("index", "item", "logprobs", "text")

    def __init__(self, index: int, item: JsonObject) -> None:
        self.index = index
        self.item = item
        self.text = ""
        self.logprobs: list[Json] = []


class ResponseWriter:
    """Builds one response: `begin`, `feed` for each chunk, then `finish` or `fail`; each gives the events of a stream.

    `base` are the fields that a response repeats from its request, `name` what the ids of the response and its items are made of,
    `seal` gives what a reasoning block must bring back unchanged. That is kept in `output` always, and shown to the caller only if
    `show_encrypted`.
    """

    def __init__(self, base: JsonObject, name: str, seal: Callable[[Thinking], str | None], *, show_encrypted: bool) -> None:
        self.id = f"resp_{name}"
        self.output: list[Json] = []
        self._base = base
        self._name = name
        self._seal = seal
        self._show_encrypted = show_encrypted
        self._sequence = 0
        self._said: _Open | None = None
        self._thought: _Open | None = None
        self._calls: dict[int, _Open] = {}
        self._finish: FinishReason | None = None
        self._model = ""

    def document(self, status: str, usage: Usage | None = None, error: Json = None) -> JsonObject:
        """The response as the caller sees it."""
        reason = _INCOMPLETE.get(self._finish) if self._finish is not None and status == "incomplete" else None
        return {
            "id": self.id,
            "object": "response",
            **self._base,
            "model": self._model or self._base.get("model"),
            "status": status,
            "error": error,
            "incomplete_details": None if reason is None else {"reason": reason},
            "output": [self._shown(item) for item in self.output],
            "usage": None if usage is None else usage_object(usage),
        }

    def _shown(self, item: Json) -> Json:
        if self._show_encrypted or not isinstance(item, dict) or "encrypted_content" not in item:
            return item
        return {name: value for name, value in item.items() if name != "encrypted_content"}

    def _event(self, kind: str, **fields: Json) -> bytes:
        event: JsonObject = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + _encode(event) + b"\n\n"

    def begin(self) -> bytes:
        """The events before any output."""
        shown = self.document("in_progress")
        return self._event("response.created", response=shown) + self._event("response.in_progress", response=shown)

    def feed(self, chunk: Chunk) -> bytes:
        """The events of a chunk. Only the first answer is told: this API has no others."""
        if chunk.choice:
            return b""
        self._model = self._model or chunk.response_model
        events: list[bytes] = []
        if chunk.thinking is not None:
            self._think(chunk.thinking, events)
        if chunk.finish_reason is not None:
            self._finish = chunk.finish_reason
        if chunk.finish_reason is FinishReason.REFUSAL:
            self._refuse(chunk.text or REFUSED, events)
        elif chunk.text:
            self._say(chunk.text, chunk.logprobs, events)
        for piece in chunk.tool_calls:
            self._call(piece, events)
        return b"".join(events)

    def _add(self, item: JsonObject, events: list[bytes]) -> _Open:
        opened = _Open(len(self.output), item)
        self.output.append(item)
        events.append(self._event("response.output_item.added", output_index=opened.index, item=item))
        return opened

    def _done(self, opened: _Open, events: list[bytes]) -> None:
        if "status" in opened.item:
            opened.item["status"] = "completed"
        events.append(self._event("response.output_item.done", output_index=opened.index, item=self._shown(opened.item)))

    def _item_id(self, prefix: str) -> str:
        return f"{prefix}_{self._name}_{len(self.output)}"

    def _think(self, thought: Thinking, events: list[bytes]) -> None:
        self._end_message(events)
        opened = self._thought
        if opened is None:
            opened = self._thought = self._add({"type": "reasoning", "id": self._item_id("rs"), "summary": []}, events)
        if thought.text:
            where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index, "summary_index": 0}
            if not opened.text:
                part: JsonObject = {"type": "summary_text", "text": ""}
                events.append(self._event("response.reasoning_summary_part.added", **where, part=part))
            opened.text += thought.text
            events.append(self._event("response.reasoning_summary_text.delta", **where, delta=thought.text))
        kept = self._seal(thought)
        if kept is not None:
            opened.item["encrypted_content"] = kept
            self._end_thought(events)

    def _end_thought(self, events: list[bytes]) -> None:
        opened, self._thought = self._thought, None
        if opened is None:
            return
        if opened.text:
            where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index, "summary_index": 0}
            part: JsonObject = {"type": "summary_text", "text": opened.text}
            opened.item["summary"] = [part]
            events.append(self._event("response.reasoning_summary_text.done", **where, text=opened.text))
            events.append(self._event("response.reasoning_summary_part.done", **where, part=part))
        self._done(opened, events)

    def _open_message(self, events: list[bytes]) -> _Open:
        self._end_thought(events)
        opened = self._said
        if opened is None:
            item: JsonObject = {"type": "message", "id": self._item_id("msg"), "status": "in_progress", "role": "assistant", "content": []}
            opened = self._said = self._add(item, events)
        return opened

    def _say(self, text: str, logprobs: Json, events: list[bytes]) -> None:
        opened = self._open_message(events)
        where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index, "content_index": 0}
        if not opened.text:
            events.append(self._event("response.content_part.added", **where, part=_text_part("", [])))
        tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
        new = tokens if isinstance(tokens, list) else []
        opened.text += text
        opened.logprobs += new
        events.append(self._event("response.output_text.delta", **where, delta=text, logprobs=new))

    def _refuse(self, text: str, events: list[bytes]) -> None:
        opened = self._open_message(events)
        parts: list[Json] = self._end_text(opened, events)
        where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index, "content_index": len(parts)}
        events.append(self._event("response.content_part.added", **where, part={"type": "refusal", "refusal": ""}))
        events.append(self._event("response.refusal.delta", **where, delta=text))
        events.append(self._event("response.refusal.done", **where, refusal=text))
        part: JsonObject = {"type": "refusal", "refusal": text}
        events.append(self._event("response.content_part.done", **where, part=part))
        opened.item["content"] = [*parts, part]
        self._said = None
        self._done(opened, events)

    def _end_text(self, opened: _Open, events: list[bytes]) -> list[Json]:
        if not opened.text:
            return []
        where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index, "content_index": 0}
        part = _text_part(opened.text, opened.logprobs)
        events.append(self._event("response.output_text.done", **where, text=opened.text, logprobs=opened.logprobs))
        events.append(self._event("response.content_part.done", **where, part=part))
        return [part]

    def _end_message(self, events: list[bytes]) -> None:
        opened, self._said = self._said, None
        if opened is not None:
            opened.item["content"] = self._end_text(opened, events)
            self._done(opened, events)

    def _call(self, piece: ToolCallDelta, events: list[bytes]) -> None:
        opened = self._calls.get(piece.index)
        if opened is None:
            self._end_thought(events)
            self._end_message(events)
            item: JsonObject = {
                "type": "function_call",
                "id": self._item_id("fc"),
                "call_id": piece.id or f"call_{self._name}_{piece.index}",
                "name": piece.name,
                "arguments": "",
                "status": "in_progress",
            }
            opened = self._calls[piece.index] = self._add(item, events)
        if piece.arguments:
            opened.text += piece.arguments
            where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index}
            events.append(self._event("response.function_call_arguments.delta", **where, delta=piece.arguments))

    def close(self) -> bytes:
        """The events that end what is open; `output` is whole then."""
        events: list[bytes] = []
        self._end_thought(events)
        self._end_message(events)
        for opened in self._calls.values():
            arguments = opened.text or "{}"
            opened.item["arguments"] = arguments
            where: JsonObject = {"item_id": opened.item["id"], "output_index": opened.index}
            events.append(self._event("response.function_call_arguments.done", **where, arguments=arguments, name=opened.item["name"]))
            self._done(opened, events)
        self._calls.clear()
        return b"".join(events)

    @property
    def status(self) -> str:
        """How an answer that came to its end ended."""
        return "incomplete" if self._finish in _INCOMPLETE else "completed"

    def finish(self, usage: Usage | None) -> bytes:
        """The last event of an answer that came to its end."""
        return self._event(f"response.{self.status}", response=self.document(self.status, usage))

    def fail(self, error: JsonObject) -> bytes:
        """The last events of an answer that did not."""
        code, message = error.get("code"), error.get("message")
        told = self._event("error", code=code, message=message, param=error.get("param"), error=error)
        failed = self.document("failed", error={"code": code or "server_error", "message": message})
        return told + self._event("response.failed", response=failed)


def _text_part(text: str, logprobs: list[Json]) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}
