"""Anthropic answers as chunks: recorded shapes, fed whole, byte by byte, and cut anywhere."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderError, ProviderUnavailable
from llm_gateway.core.types import Chunk, FinishReason, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.anthropic_answers import AnswerDecoder, StreamDecoder


def failure(kind: str, message: str) -> ProviderError:
    return ProviderUnavailable(f"{kind}|{message}")


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(index: int, **block: object) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def end(reason: str = "end_turn", usage: object = None, **fields: object) -> bytes:
    usage = {"output_tokens": 15} if usage is None else usage
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None, **fields}, usage=usage) + STOP


START = event(
    "message_start",
    message={
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-x", "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 25, "output_tokens": 1},
    },
)  # fmt: skip
PING = event("ping")
STOP = event("message_stop")
TEXT = (
    START
    + start(0, type="text", text="")
    + PING
    + delta(0, "text_delta", text="Hé")
    + delta(0, "text_delta", text="llo!")
    + stop(0)
    + end()
)
TOOLS = (
    START
    + start(0, type="text", text="")
    + delta(0, "text_delta", text="Looking.")
    + stop(0)
    + start(1, type="tool_use", id="toolu_a", name="look", input={})
    + start(2, type="tool_use", id="toolu_b", name="find", input={})
    + delta(1, "input_json_delta", partial_json="")
    + delta(1, "input_json_delta", partial_json='{"q":')
    + delta(2, "input_json_delta", partial_json='{"p"')
    + delta(1, "input_json_delta", partial_json='"a"}')
    + delta(2, "input_json_delta", partial_json=":1}")
    + stop(1)
    + stop(2)
    + end("tool_use")
)
THINKING = (
    START
    + start(0, type="thinking", thinking="", signature="")
    + delta(0, "thinking_delta", thinking="Let me ")
    + delta(0, "thinking_delta", thinking="see.")
    + delta(0, "signature_delta", signature="EqQBCgIYAhIM==")
    + stop(0)
    + start(1, type="redacted_thinking", data="EmwKAhgBEgy3va3")
    + stop(1)
    + start(2, type="text", text="")
    + delta(2, "text_delta", text="27")
    + stop(2)
    + end()
)
EMPTY_INPUT = (
    START
    + start(0, type="tool_use", id="t", name="now", input={})
    + delta(0, "input_json_delta", partial_json="")
    + stop(0)
    + end("tool_use")
)
ERROR = TEXT[: TEXT.index(b"event: content_block_stop")] + event("error", error={"type": "overloaded_error", "message": "Overloaded"})
SERVER_TOOL = (
    START
    + start(0, type="server_tool_use", id="srvtoolu_1", name="web_search", input={})
    + delta(0, "input_json_delta", partial_json='{"query":"x"}')
    + stop(0)
    + start(1, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[])
    + stop(1)
    + start(2, type="text", text="")
    + delta(2, "citations_delta", citation={"type": "web_search_result_location"})
    + delta(2, "text_delta", text="found")
    + stop(2)
    + start(3, type="tool_use", id="t", name="look", input={})
    + delta(3, "input_json_delta", partial_json="{}")
    + stop(3)
    + end("tool_use")
)
CUT = TEXT[: -len(STOP)]
STREAMS = {
    "text": TEXT,
    "crlf": TEXT.replace(b"\n", b"\r\n"),
    "comments": b": hello\n\n" + TEXT + b": bye\n\n",
    "tools": TOOLS,
    "thinking": THINKING,
    "empty_input": EMPTY_INPUT,
    "server_tool": SERVER_TOOL,
    "error": ERROR,
    "cut": CUT,
    "cut_in_event": TEXT[:-30],
    "garbage": TEXT[: -len(STOP)] + b"data: {nope\n\n" + STOP,
    "nothing": b"",
}


def decode(pieces: list[bytes]) -> tuple[list[Chunk], ProviderError | None]:
    decoder = StreamDecoder("claude", failure)
    chunks: list[Chunk] = []
    try:
        for piece in pieces:
            chunks += decoder.feed(piece)
        chunks += decoder.finish()
    except ProviderError as error:
        return chunks, error
    return chunks, None


def good(stream: bytes) -> list[Chunk]:
    chunks, error = decode([stream])
    assert error is None
    return chunks


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def calls_of(chunks: list[Chunk]) -> dict[int, tuple[str, str, str]]:
    calls: dict[int, tuple[str, str, str]] = {}
    for piece in (piece for chunk in chunks for piece in chunk.tool_calls):
        one = calls.get(piece.index, ("", "", ""))
        calls[piece.index] = (one[0] + piece.id, one[1] + piece.name, one[2] + piece.arguments)
    return calls


def usage_of(chunks: list[Chunk]) -> Usage | None:
    return next((chunk.usage for chunk in reversed(chunks) if chunk.usage is not None), None)


def same(one: tuple[list[Chunk], ProviderError | None], other: tuple[list[Chunk], ProviderError | None]) -> None:
    assert one[0] == other[0]
    assert repr(one[1]) == repr(other[1])


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte_is_as_whole(name):
    stream = STREAMS[name]
    same(decode([stream]), decode([stream[place : place + 1] for place in range(len(stream))]))


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.floats(0, 1), max_size=12))
def test_any_cut_is_as_whole(name, cuts):
    stream = STREAMS[name]
    places = sorted({0, len(stream), *(int(cut * len(stream)) for cut in cuts)})
    same(decode([stream]), decode([stream[a:b] for a, b in itertools.pairwise(places)]))


@pytest.mark.parametrize("name", ["text", "crlf", "tools", "thinking", "empty_input", "server_tool"])
def test_raw_bytes_of_a_stream_are_all_there(name):
    chunks = good(STREAMS[name])
    assert b"".join(chunk.raw or b"" for chunk in chunks) == STREAMS[name]
    assert {chunk.raw_protocol for chunk in chunks} == {"anthropic"}


def test_text():
    chunks = good(TEXT)
    assert text_of(chunks) == "Héllo!"
    assert (chunks[0].response_id, chunks[0].response_model) == ("msg_1", "claude-x")
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [FinishReason.STOP]
    assert usage_of(chunks) == Usage(25, 15)


def test_the_start_has_no_usage_it_is_a_placeholder():
    assert good(TEXT)[0].usage is None


def test_later_counts_replace_earlier_ones_and_cached_tokens_may_come_with_the_last_alone():
    first = {"output_tokens": 5}
    last = {"input_tokens": 25, "output_tokens": 15, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50}
    assert usage_of(good(START + end(usage=first)[: -len(STOP)] + end(usage=last))) == Usage(175, 15, 100, 50)
    assert usage_of(good(START + end(usage=last)[: -len(STOP)] + end(usage=first))) == Usage(175, 5, 100, 50)


def test_tool_index_is_dense_and_parallel_deltas_find_their_call():
    chunks = good(TOOLS)
    assert calls_of(chunks) == {0: ("toolu_a", "look", '{"q":"a"}'), 1: ("toolu_b", "find", '{"p":1}')}
    assert chunks[-2].finish_reason is FinishReason.TOOL_CALLS


def test_a_call_without_arguments_has_an_empty_object():
    assert calls_of(good(EMPTY_INPUT)) == {0: ("t", "now", "{}")}


def test_a_call_without_an_end_has_its_arguments_before_the_finish():
    chunks = good(START + start(0, type="tool_use", id="t", name="now", input={"a": 1}) + end("tool_use"))
    assert calls_of(chunks) == {0: ("t", "now", '{"a": 1}')}


def test_tools_of_the_vendor_are_no_calls():
    chunks = good(SERVER_TOOL)
    assert calls_of(chunks) == {0: ("t", "look", "{}")}
    assert text_of(chunks) == "found"


def test_thinking_with_its_signature_and_redacted():
    thoughts = [chunk.thinking for chunk in good(THINKING) if chunk.thinking]
    assert thoughts == [
        Thinking("Let me "),
        Thinking("see."),
        Thinking(signature="EqQBCgIYAhIM=="),
        Thinking(redacted="EmwKAhgBEgy3va3"),
    ]


def test_thinking_may_stand_in_the_start_of_its_block():
    chunks = good(START + start(0, type="thinking", thinking="hm", signature="sig==") + stop(0) + end())
    assert chunks[1].thinking == Thinking("hm", "sig==")


def test_a_repeated_reason_finishes_once():
    chunks = good(START + end("tool_use")[: -len(STOP)] + end("tool_use"))
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [FinishReason.TOOL_CALLS]


def test_ping_shows_nothing():
    chunks, _ = decode([START + PING + PING + end()])
    assert [chunk.has_content for chunk in chunks] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("stop_sequence", FinishReason.STOP),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("pause_turn", FinishReason.PAUSE),
        ("refusal", FinishReason.REFUSAL),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("something_new", FinishReason.STOP),
    ],
)
def test_stop_reasons(reason, expected):
    chunks = good(START + end(reason))
    assert [chunk.finish_reason for chunk in chunks] == [None, expected, None]


def test_stop_sequence():
    assert good(START + end("stop_sequence", stop_sequence="END"))[1].stop_sequence == "END"


def test_a_stream_without_a_reason_stops():
    assert good(START + STOP)[-1].finish_reason is FinishReason.STOP


class TestUsage:
    def started(self, **usage: object) -> bytes:
        return event("message_start", message={"id": "m", "type": "message", "model": "x", "usage": usage})

    def deltas(self, *usages: object) -> bytes:
        return b"".join(event("message_delta", delta={}, usage=usage) for usage in usages) + STOP

    def test_cached_input_is_counted_in(self):
        stream = self.started(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=7, output_tokens=1)
        assert usage_of(good(stream + self.deltas({"output_tokens": 5}))) == Usage(117, 5, 100, 7)

    def test_cumulative_counts_are_set_not_added(self):
        stream = self.started(input_tokens=10, output_tokens=4)
        chunks = good(stream + self.deltas({"output_tokens": 5}, {"output_tokens": 9, "input_tokens": 11}, {"output_tokens": 9}))
        assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(10, 5), Usage(11, 9), Usage(11, 9)]

    def test_cache_tokens_may_come_with_the_delta_only(self):
        stream = self.started(input_tokens=10, output_tokens=1)
        counts = {"input_tokens": 3, "cache_read_input_tokens": 7, "cache_creation_input_tokens": None, "output_tokens": 2}
        assert usage_of(good(stream + self.deltas(counts))) == Usage(10, 2, 7, 0)

    def test_a_delta_that_omits_fields_changes_nothing(self):
        stream = self.started(input_tokens=10, output_tokens=1) + self.deltas({"output_tokens": 5}, {})
        assert usage_of(good(stream)) == Usage(10, 5)

    def test_zero_is_reported_and_missing_is_not(self):
        assert usage_of(good(self.started(input_tokens=0, output_tokens=0) + self.deltas({"output_tokens": 0}))) == Usage(0, 0)
        assert usage_of(good(self.started(input_tokens=3, output_tokens=1) + STOP)) is None
        assert usage_of(good(self.started(input_tokens=3, output_tokens=1) + self.deltas({}))) is None
        assert usage_of(good(self.started() + self.deltas({"output_tokens": 5}))) is None

    def test_thinking_is_a_part_of_the_output(self):
        counts = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}}
        assert usage_of(good(self.started(input_tokens=1) + self.deltas(counts))) == Usage(1, 50, reasoning_tokens=40)


def test_an_error_event_comes_after_what_was_said_before_it():
    chunks, error = decode([ERROR])
    assert text_of(chunks) == "Héllo!"
    assert error is not None
    assert error.message == "overloaded_error|Overloaded"


def test_an_error_event_alone_is_raised_at_once():
    decoder = StreamDecoder("claude", failure)
    with pytest.raises(ProviderUnavailable):
        decoder.feed(event("error", error={"type": "overloaded_error", "message": "Overloaded"}))


@pytest.mark.parametrize("name", ["cut", "cut_in_event", "nothing"])
def test_a_cut_stream_is_a_bad_response(name):
    _, error = decode([STREAMS[name]])
    assert isinstance(error, ProviderBadResponse)
    assert error.provider == "claude"
    assert "message_stop" in error.message


def test_bytes_of_no_protocol_are_a_bad_response():
    chunks, error = decode([STREAMS["garbage"]])
    assert text_of(chunks) == "Héllo!"
    assert isinstance(error, ProviderBadResponse)


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"7",
        pytest.param(b'{"x":' + b"[" * 100_000, id="deep"),
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}',
        b'{"type":1}',
    ],
)
def test_odd_events_are_a_bad_response(data):
    _, error = decode([START + b"data: " + data + b"\n\n" + STOP])
    assert isinstance(error, ProviderBadResponse)


def test_a_tool_input_that_is_not_utf8_is_a_bad_response():
    block = b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{"a":"\xff"}}}'
    _, error = decode([START + b"data: " + block + b"\n\n" + STOP])
    assert isinstance(error, ProviderBadResponse)


def test_what_follows_the_end_is_not_read():
    assert good(TEXT + b"data: nope\n\n" + event("error", error={})) == good(TEXT)


# --- one document -------------------------------------------------------------------------------------------------


def document(**fields: object) -> bytes:
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 12, "output_tokens": 6},
    }  # fmt: skip
    return json.dumps(answer | fields).encode()


def answered(body: bytes, cut: int = 0) -> list[Chunk]:
    decoder = AnswerDecoder("claude", failure)
    assert decoder.feed(body[:cut]) == []
    assert decoder.feed(body[cut:]) == []
    return decoder.finish()


def test_document():
    body = document()
    expected = Chunk(
        text="Hi", finish_reason=FinishReason.STOP, usage=Usage(12, 6), response_id="msg_1", response_model="claude-x",
        raw=body, raw_protocol="anthropic",
    )  # fmt: skip
    assert all(answered(body, cut) == [expected] for cut in range(len(body)))


def test_document_with_everything():
    body = document(
        content=[
            {"type": "thinking", "thinking": "hm", "signature": "sig=="},
            {"type": "text", "text": "a"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
            {"type": "text", "text": "b"},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"n": 1.50, "s": "é"}},
            {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
            {"type": "brand_new", "data": "x"},
        ],
        stop_reason="tool_use",
        usage={"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3, "output_tokens": 4},
    )
    (chunk,) = answered(body)
    assert chunk.text == "ab"
    assert chunk.thinking == Thinking("hm", "sig==")
    assert chunk.tool_calls == (
        ToolCallDelta(0, "t1", "look", json.dumps({"n": 1.50, "s": "é"})),
        ToolCallDelta(1, "t2", "now", "{}"),
    )
    assert chunk.finish_reason is FinishReason.TOOL_CALLS
    assert chunk.usage == Usage(6, 4, 2, 3)


def test_every_thinking_block_keeps_its_signature():
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "1"},
        {"type": "redacted_thinking", "data": "zz"},
        {"type": "thinking", "thinking": "b", "signature": "2"},
        {"type": "text", "text": "so"},
    ]
    body = document(content=blocks)
    first, second, last = answered(body)
    assert [first.thinking, second.thinking, last.thinking] == [Thinking("a", "1"), Thinking(redacted="zz"), Thinking("b", "2")]
    assert [first.raw, second.raw, last.raw] == [body, None, None]
    assert [first.usage, second.usage, last.usage] == [None, None, Usage(12, 6)]
    assert [first.finish_reason, second.finish_reason, last.finish_reason] == [None, None, FinishReason.STOP]


def test_usage_that_is_missing_is_none():
    assert answered(document(usage=None))[0].usage is None
    assert answered(document(usage={"output_tokens": 3}))[0].usage is None


def test_an_error_document_under_200():
    with pytest.raises(ProviderUnavailable, match=r"api_error\|Internal"):
        answered(b'{"type":"error","error":{"type":"api_error","message":"Internal"}}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"type":"message","content":[{"type":1}]}',
        document()[:-1],
        pytest.param(b'{"x":' + b"[" * 100_000, id="deep"),
    ],
)
def test_a_body_that_is_no_message(body):
    with pytest.raises(ProviderBadResponse):
        answered(body)
