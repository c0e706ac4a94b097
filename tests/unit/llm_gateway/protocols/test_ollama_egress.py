"""Ollama's API as a caller reads it: what is written here, read by the decoder of the same wire, says the same again."""

import json
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderError, ProviderUnavailable
from llm_gateway.core.types import Chunk, FinishReason, Json, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.ollama_chat import ChatDecoder, ChatStreamDecoder, EmbeddingDecoder
from llm_gateway.protocols.ollama_egress import AnswerLines, Durations, Head, embeddings, loaded, whole

CHAT = Head("llama3", "2026-01-01T00:00:00Z")
COMPLETION = Head("llama3", "2026-01-01T00:00:00Z", completion=True)
TOOK = Durations(30, 10, 20)


def failure(message: str) -> ProviderError:
    return ProviderUnavailable(message)


def written(chunks: Iterable[Chunk], head: Head = CHAT, usage: Usage | None = None) -> bytes:
    lines = AnswerLines(head)
    return b"".join(map(lines.feed, chunks)) + lines.finish(usage, TOOK)


def read(data: bytes, cuts: Sequence[int] = ()) -> list[Chunk]:
    decoder = ChatStreamDecoder("test", failure)
    ends = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    chunks = [chunk for begin, end in zip([0, *ends], ends, strict=False) for chunk in decoder.feed(data[begin:end])]
    return chunks + decoder.finish()


def meaning(chunks: Iterable[Chunk]) -> tuple[object, ...]:
    """What a reader makes of an answer, however it was cut."""
    text = thinking = ""
    calls: dict[int, list[str]] = {}
    finish, usage = None, None
    logprobs: list[Json] = []
    for chunk in chunks:
        text += chunk.text
        thinking += chunk.thinking.text if chunk.thinking is not None else ""
        for call in chunk.tool_calls:
            told = calls.setdefault(call.index, [call.id, call.name, ""])
            told[2] += call.arguments
        if isinstance(chunk.logprobs, dict) and isinstance(content := chunk.logprobs["content"], list):
            logprobs += content
        finish, usage = chunk.finish_reason or finish, chunk.usage or usage
    return text, thinking, [[*told[:2], json.loads(told[2] or "{}")] for told in calls.values()], logprobs, finish, usage


WORDS = st.text(max_size=8)
SOME = st.text(min_size=1, max_size=8)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def answers(draw: st.DrawFn, tools: bool = True) -> list[Chunk]:
    """A canonical answer, as a stream."""
    chunks: list[Chunk] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thinking", "tool"] if tools else ["text", "thinking"]), max_size=6)):
        if kind == "text":
            token: Json = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
            logprobs: Json = {"content": [token]} if draw(st.booleans()) else None
            chunks += [Chunk(text=piece, logprobs=logprobs) for piece in draw(pieces(draw(WORDS)))]
        elif kind == "thinking":
            chunks += [Chunk(thinking=Thinking(piece)) for piece in draw(pieces(draw(WORDS)))]
        else:
            first, *rest = draw(pieces(json.dumps(draw(st.dictionaries(SOME, st.integers() | WORDS, max_size=2)))))
            chunks.append(Chunk(tool_calls=(ToolCallDelta(calls, f"id_{calls}", draw(SOME), first),)))
            chunks += [Chunk(tool_calls=(ToolCallDelta(calls, arguments=piece),)) for piece in rest]
            calls += 1
    natural = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
    usage = Usage(draw(st.integers(1, 99)), draw(st.integers(1, 99)))
    chunks.append(Chunk(finish_reason=draw(st.sampled_from([natural, FinishReason.LENGTH])), usage=usage if draw(st.booleans()) else None))
    if chunks[-1].usage is None:
        chunks.append(Chunk(usage=usage))
    return chunks


@given(answers(), st.lists(st.integers(0, 10_000), max_size=5))
def test_what_is_written_is_read_as_it_was_however_it_is_cut(chunks: list[Chunk], cuts: list[int]) -> None:
    data = written(chunks)
    lines = [json.loads(line) for line in data.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert meaning(read(data, cuts)) == meaning(chunks)


@given(answers(tools=False), st.lists(st.integers(0, 10_000), max_size=5))
def test_a_completion_likewise(chunks: list[Chunk], cuts: list[int]) -> None:
    data = written(chunks, COMPLETION)
    assert all("response" in json.loads(line) for line in data.splitlines())
    assert meaning(read(data, cuts)) == meaning(chunks)


@given(answers())
def test_the_providers_own_bytes_pass_unchanged(chunks: list[Chunk]) -> None:
    data = written(chunks)
    assert written(read(data)) == data


@given(answers(), st.data())
def test_changed_chunks_among_unchanged_ones_leave_a_valid_stream_that_says_the_same(chunks: list[Chunk], data: st.DataObject) -> None:
    came = read(written(chunks))
    mixed = [chunk if data.draw(st.booleans()) else msgspec.structs.replace(chunk, raw=None) for chunk in came]
    assert meaning(read(written(mixed))) == meaning(chunks)


@given(answers())
def test_a_whole_document_says_what_its_stream_says(chunks: list[Chunk]) -> None:
    decoder = ChatDecoder("test", failure)
    decoder.feed(whole(CHAT, chunks, None, TOOK))
    assert meaning(decoder.finish()) == meaning(chunks)


@given(answers())
def test_a_stream_that_is_not_finished_is_not_done(chunks: list[Chunk]) -> None:
    lines = AnswerLines(CHAT)
    data = b"".join(map(lines.feed, chunks))
    assert b'"done":true' not in data
    decoder = ChatStreamDecoder("test", failure)
    decoder.feed(data)
    with pytest.raises(ProviderBadResponse):
        decoder.finish()


def test_a_stream_in_full() -> None:
    chunks = [
        Chunk(thinking=Thinking("hm"), response_model="qwen3"),
        Chunk(text="Hi"),
        Chunk(tool_calls=(ToolCallDelta(0, "c0", "look", '{"a":'),)),
        Chunk(text="!"),
        Chunk(tool_calls=(ToolCallDelta(0, arguments="1}"), ToolCallDelta(1, "c1", "time"))),
        Chunk(finish_reason=FinishReason.TOOL_CALLS),
        Chunk(usage=Usage(7, 5)),
    ]
    head = {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z"}
    calls = [
        {"id": "c0", "function": {"index": 0, "name": "look", "arguments": {"a": 1}}},
        {"id": "c1", "function": {"index": 1, "name": "time", "arguments": {}}},
    ]
    said = [{"content": "", "thinking": "hm"}, {"content": "Hi"}, {"content": "!"}, {"content": "", "tool_calls": calls}]
    last = {
        "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "total_duration": 30, "load_duration": 0,
        "prompt_eval_count": 7, "prompt_eval_duration": 10, "eval_count": 5, "eval_duration": 20,
    }  # fmt: skip
    assert [json.loads(line) for line in written(chunks).splitlines()] == [
        *({**head, "message": {"role": "assistant", **each}, "done": False} for each in said),
        head | last,
    ]


def test_ends_that_are_not_the_models_choice_are_named() -> None:
    for reason, word in (
        (FinishReason.LENGTH, "length"), (FinishReason.CONTENT_FILTER, "content_filter"), (FinishReason.REFUSAL, "refusal"), (None, "stop"),
    ):  # fmt: skip
        assert json.loads(written([Chunk(finish_reason=reason)]))["done_reason"] == word


def test_arguments_that_are_no_object_are_the_providers_fault() -> None:
    with pytest.raises(ProviderBadResponse, match="look"):
        whole(CHAT, [Chunk(tool_calls=(ToolCallDelta(0, "t", "look", "[1]"),))], None, TOOK)


def test_what_nobody_counted_is_left_out() -> None:
    document = json.loads(whole(CHAT, [Chunk(text="a", finish_reason=FinishReason.STOP)], None, TOOK))
    assert "eval_count" not in document
    assert "prompt_eval_count" not in document


def test_loading_and_freeing() -> None:
    head = {"model": "llama3", "created_at": "2026-01-01T00:00:00Z", "done": True}
    assert json.loads(loaded(CHAT, freed=False)) == {**head, "message": {"role": "assistant", "content": ""}, "done_reason": "load"}
    assert json.loads(loaded(COMPLETION, freed=True)) == {**head, "response": "", "done_reason": "unload"}


def test_vectors() -> None:
    data = embeddings("m", [Chunk(embeddings=[[0.5], [0.25]])], Usage(3), 9)
    decoder = EmbeddingDecoder("test", failure, 2)
    decoder.feed(data)
    (chunk,) = decoder.finish()
    assert (chunk.embeddings, chunk.usage) == ([[0.5], [0.25]], Usage(3))
    assert embeddings("other", [chunk], None, 1) == data
