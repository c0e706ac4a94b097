"""Anthropic's API as a caller reads it: what is written here, read by the decoder of the same wire, says the same again."""

import json
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderError, ProviderUnavailable
from llm_gateway.core.sse import SseParser
from llm_gateway.core.types import Chunk, FinishReason, Json, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.anthropic_answers import AnswerDecoder, StreamDecoder
from llm_gateway.protocols.anthropic_egress import Head, MessageEvents, stop_reason, usage_object, whole

HEAD = Head("msg_gw-1", "some-model")


def failure(kind: str, message: str) -> ProviderError:
    return ProviderUnavailable(f"{kind}|{message}")


def written(chunks: Iterable[Chunk], usage: Usage | None = None) -> bytes:
    events = MessageEvents(HEAD, lambda: 7)
    return b"".join(map(events.feed, chunks)) + events.finish(usage)


def read(data: bytes, cuts: Sequence[int] = ()) -> list[Chunk]:
    decoder = StreamDecoder("test", failure)
    ends = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    chunks = [chunk for begin, end in zip([0, *ends], ends, strict=False) for chunk in decoder.feed(data[begin:end])]
    return chunks + decoder.finish()


def events_of(data: bytes) -> list[dict[str, Json]]:
    return [json.loads(event.data) for event in SseParser().feed(data)]


def meaning(chunks: Iterable[Chunk]) -> tuple[list[list[object]], FinishReason | None, str | None, Usage | None]:
    """What a reader makes of an answer: its blocks in order, however they were cut, and how it ended."""
    blocks: list[list[object]] = []
    calls: dict[int, list[object]] = {}
    finish, stop, usage = None, None, None
    for chunk in chunks:
        thought = chunk.thinking
        if thought is not None and thought.redacted:
            blocks.append(["redacted", thought.redacted])
        elif thought is not None and (thought.text or thought.signature):
            if not (blocks and blocks[-1][0] == "thinking" and not blocks[-1][2]):
                blocks.append(["thinking", "", ""])
            blocks[-1][1] = f"{blocks[-1][1]}{thought.text}"
            blocks[-1][2] = thought.signature
        if chunk.text:
            if blocks and blocks[-1][0] == "text":
                blocks[-1][1] = f"{blocks[-1][1]}{chunk.text}"
            else:
                blocks.append(["text", chunk.text])
        for call in chunk.tool_calls:
            if call.index not in calls:
                calls[call.index] = ["tool", call.id, call.name, ""]
                blocks.append(calls[call.index])
            calls[call.index][3] = f"{calls[call.index][3]}{call.arguments}"
        finish, stop = chunk.finish_reason or finish, chunk.stop_sequence if chunk.stop_sequence is not None else stop
        usage = chunk.usage or usage
    for told in calls.values():
        told[3] = told[3] or "{}"
    return blocks, finish, stop, usage


def check_valid(data: bytes) -> None:
    """The grammar of a stream: one start, blocks one after another and each of one kind, the reason, the end; pings anywhere."""
    kinds = {"text": {"text_delta"}, "thinking": {"thinking_delta", "signature_delta"}, "tool_use": {"input_json_delta"}}
    open_block: tuple[object, str] | None = None
    seen: list[object] = []
    told = []
    for place, event in enumerate(event for event in events_of(data) if event["type"] != "ping"):
        kind = event["type"]
        assert (kind == "message_start") is (place == 0), kind
        told.append(kind)
        match event:
            case {"type": "content_block_start", "index": index, "content_block": {"type": str(block)}}:
                assert open_block is None, "a block opened within another"
                open_block = (index, block)
                seen.append(index)
            case {"type": "content_block_delta", "index": index, "delta": {"type": delta}}:
                assert open_block is not None
                assert open_block[0] == index
                assert delta in kinds[open_block[1]]
            case {"type": "content_block_stop", "index": index}:
                assert open_block is not None
                assert open_block[0] == index
                open_block = None
            case {"type": "message_delta" | "message_stop"}:
                assert open_block is None
    assert seen == list(range(len(seen)))
    assert told[-2:] == ["message_delta", "message_stop"]
    assert told.count("message_stop") == told.count("message_start") == 1


# --- strategies -----------------------------------------------------------------------------------------------------

WORDS = st.text(max_size=8)
SOME = st.text(min_size=1, max_size=8)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def answers(draw: st.DrawFn) -> list[Chunk]:
    """A canonical answer, as a stream."""
    chunks: list[Chunk] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thinking", "redacted", "tool"]), max_size=6)):
        if kind == "text":
            chunks += [Chunk(text=piece) for piece in draw(pieces(draw(WORDS)))]
        elif kind == "thinking":
            chunks += [Chunk(thinking=Thinking(piece)) for piece in draw(pieces(draw(WORDS)))]
            chunks += [Chunk(thinking=Thinking(signature=draw(SOME)))] if draw(st.booleans()) else []
        elif kind == "redacted":
            chunks.append(Chunk(thinking=Thinking(redacted=draw(SOME))))
        else:
            first, *rest = draw(pieces(json.dumps(draw(st.dictionaries(SOME, st.integers() | WORDS, max_size=2)))))
            chunks.append(Chunk(tool_calls=(ToolCallDelta(calls, f"call_{calls}", draw(SOME), first),)))
            chunks += [Chunk(tool_calls=(ToolCallDelta(calls, arguments=piece),)) for piece in rest]
            calls += 1
    natural = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
    reason = draw(st.sampled_from([natural, FinishReason.LENGTH, FinishReason.REFUSAL, FinishReason.PAUSE]))
    stop = draw(SOME) if reason is FinishReason.STOP and draw(st.booleans()) else None
    usage = Usage(draw(st.integers(10, 99)), draw(st.integers(0, 99)), draw(st.integers(0, 5)), draw(st.integers(0, 5)))
    chunks.append(Chunk(finish_reason=reason, stop_sequence=stop, usage=usage if draw(st.booleans()) else None))
    if chunks[-1].usage is None:
        chunks.append(Chunk(usage=usage))
    return chunks


# --- events ---------------------------------------------------------------------------------------------------------


@given(answers(), st.lists(st.integers(0, 10_000), max_size=5))
def test_what_is_written_is_read_as_it_was_however_it_is_cut(chunks: list[Chunk], cuts: list[int]) -> None:
    data = written(chunks)
    check_valid(data)
    assert meaning(read(data, cuts)) == meaning(chunks)


@given(answers())
def test_the_providers_own_bytes_pass_unchanged(chunks: list[Chunk]) -> None:
    data = written(chunks)
    assert written(read(data)) == data


@given(answers(), st.data())
def test_changed_chunks_among_unchanged_ones_leave_a_valid_stream_that_says_the_same(chunks: list[Chunk], data: st.DataObject) -> None:
    came = read(written(chunks))
    mixed = [chunk if data.draw(st.booleans()) else msgspec.structs.replace(chunk, raw=None) for chunk in came]
    out = written(mixed)
    check_valid(out)
    assert meaning(read(out)) == meaning(chunks)


@given(answers())
def test_a_stream_that_is_not_finished_has_no_end(chunks: list[Chunk]) -> None:
    events = MessageEvents(HEAD, lambda: 7)
    data = b"".join(map(events.feed, chunks))
    assert b"message_stop" not in data
    assert b"message_delta" not in data
    decoder = StreamDecoder("test", failure)
    decoder.feed(data)
    with pytest.raises(ProviderBadResponse):
        decoder.finish()


def test_blocks_follow_the_turns_of_thinking_text_and_tools() -> None:
    chunks = [
        Chunk(thinking=Thinking("hm"), response_id="chatcmpl-1", response_model="gpt-x"),
        Chunk(text="Let"),
        Chunk(text=" me"),
        Chunk(tool_calls=(ToolCallDelta(0, "call_a", "look", '{"a":'),)),
        Chunk(tool_calls=(ToolCallDelta(0, arguments="1}"),)),
        Chunk(tool_calls=(ToolCallDelta(1, "call_b", "look"),)),
        Chunk(finish_reason=FinishReason.TOOL_CALLS),
        Chunk(usage=Usage(12, 5, cache_read_tokens=4, cache_write_tokens=2)),
    ]
    events = events_of(written(chunks))
    assert [(event["type"], event.get("index")) for event in events] == [
        ("message_start", None), ("ping", None),
        ("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0),
        ("content_block_start", 1), ("content_block_delta", 1), ("content_block_delta", 1), ("content_block_stop", 1),
        ("content_block_start", 2), ("content_block_delta", 2), ("content_block_delta", 2), ("content_block_stop", 2),
        ("content_block_start", 3), ("content_block_stop", 3),
        ("message_delta", None), ("message_stop", None),
    ]  # fmt: skip
    assert events[0]["message"] == {
        "id": "msg_gw-1", "type": "message", "role": "assistant", "model": "gpt-x", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 0},
    }  # fmt: skip
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"] == {
        "input_tokens": 6, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 5,
    }  # fmt: skip


def test_an_empty_answer_is_a_message_all_the_same() -> None:
    data = written([Chunk(finish_reason=FinishReason.STOP)], Usage(3, 0))
    check_valid(data)
    assert meaning(read(data)) == ([], FinishReason.STOP, None, Usage(3, 0))


def test_text_that_was_held_back_until_the_end_gets_a_block_of_its_own() -> None:
    came = read(written([Chunk(text="a"), Chunk(finish_reason=FinishReason.STOP, usage=Usage(1, 1))]))
    held = [msgspec.structs.replace(chunk, raw=None, text="held") if chunk.finish_reason else chunk for chunk in came]
    data = written(held)
    check_valid(data)
    assert meaning(read(data)) == ([["text", "aheld"]], FinishReason.STOP, None, Usage(1, 1))


def test_a_later_block_of_the_provider_is_counted_on_from_the_ones_that_were_put_in() -> None:
    came = read(
        written([Chunk(text="a"), Chunk(tool_calls=(ToolCallDelta(0, "t", "look", "{}"),)), Chunk(finish_reason=FinishReason.TOOL_CALLS)])
    )
    at = next(place for place, chunk in enumerate(came) if chunk.tool_calls)
    data = written([*came[:at], Chunk(text="put in"), *came[at:]], Usage(1, 1))
    check_valid(data)
    assert meaning(read(data))[0] == [["text", "aput in"], ["tool", "t", "look", "{}"]]
    assert [event["index"] for event in events_of(data) if event["type"] == "content_block_start"] == [0, 1, 2]


def test_a_tool_call_that_goes_on_after_the_next_began_is_told_in_its_own_block() -> None:
    calls = [(0, "a", "x", '{"a"'), (1, "b", "y", "{"), (0, "", "", ":1}"), (1, "", "", "}")]
    chunks = [Chunk(tool_calls=(ToolCallDelta(index, id, name, arguments),)) for index, id, name, arguments in calls]
    parts: dict[object, str] = {}
    for event in events_of(written(chunks)):
        match event:
            case {"type": "content_block_delta", "index": index, "delta": {"partial_json": str(text)}}:
                parts[index] = parts.get(index, "") + text
    assert parts == {0: '{"a":1}', 1: "{}"}


def test_an_id_of_this_wire_is_kept_and_a_foreign_one_is_not() -> None:
    for said, shown in (("msg_1", "msg_1"), ("chatcmpl-1", "msg_gw-1")):
        chunk = Chunk(text="a", response_id=said, finish_reason=FinishReason.STOP)
        assert json.loads(whole(HEAD, [chunk], None))["id"] == shown
        (start, *_) = events_of(written([chunk]))
        assert isinstance(start["message"], dict)
        assert start["message"]["id"] == shown


# --- one message ----------------------------------------------------------------------------------------------------


@given(answers())
def test_a_whole_message_says_what_its_stream_says(chunks: list[Chunk]) -> None:
    usage = next(chunk.usage for chunk in reversed(chunks) if chunk.usage)
    document = whole(HEAD, chunks, usage)
    told: list[list[object]] = []
    for block in json.loads(document)["content"]:
        match block:
            case {"type": "text"}:
                told.append(["text", block["text"]])
            case {"type": "thinking"}:
                told.append(["thinking", block["thinking"], block["signature"]])
            case {"type": "redacted_thinking"}:
                told.append(["redacted", block["data"]])
            case {"type": "tool_use"}:
                told.append(["tool", block["id"], block["name"], block["input"]])
    blocks, *end = meaning(chunks)
    assert told == [[*block[:3], json.loads(str(block[3]))] if block[0] == "tool" else block for block in blocks]
    decoder = AnswerDecoder("test", failure)
    decoder.feed(document)
    assert list(meaning(decoder.finish())[1:]) == end


def test_a_whole_message_in_full() -> None:
    chunks = [
        Chunk(thinking=Thinking("hm", "sig")),
        Chunk(text="Hi", tool_calls=(ToolCallDelta(0, "t1", "look", '{"a": 1}'),), response_model="m"),
        Chunk(finish_reason=FinishReason.STOP, tool_calls=(ToolCallDelta(1, "t2", "look"),)),
    ]
    assert json.loads(whole(HEAD, chunks, Usage(9, 4, reasoning_tokens=2))) == {
        "id": "msg_gw-1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 4,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }  # fmt: skip


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "7"])
def test_arguments_that_are_no_object_are_the_providers_fault(arguments: str) -> None:
    with pytest.raises(ProviderBadResponse, match="look"):
        whole(HEAD, [Chunk(tool_calls=(ToolCallDelta(0, "t", "look", arguments),))], None)


def test_stop_reasons() -> None:
    table: list[tuple[FinishReason | None, str | None, bool, str]] = [
        (FinishReason.STOP, None, False, "end_turn"),
        (FinishReason.STOP, "END", False, "stop_sequence"),
        (FinishReason.STOP, None, True, "tool_use"),
        (FinishReason.TOOL_CALLS, None, True, "tool_use"),
        (FinishReason.TOOL_CALLS, None, False, "end_turn"),
        (FinishReason.LENGTH, None, True, "max_tokens"),
        (FinishReason.CONTENT_FILTER, None, False, "refusal"),
        (FinishReason.REFUSAL, None, False, "refusal"),
        (FinishReason.PAUSE, None, False, "pause_turn"),
        (None, None, False, "end_turn"),
    ]
    for reason, stop, calls, word in table:
        assert stop_reason(reason, stop, calls=calls) == word


def test_input_tokens_leave_out_cached_ones_and_never_fall_below_nothing() -> None:
    assert usage_object(Usage(10, 1, cache_read_tokens=4, cache_write_tokens=3))["input_tokens"] == 3
    assert usage_object(Usage(1, 1, cache_read_tokens=4))["input_tokens"] == 0
