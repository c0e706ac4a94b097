from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderError, ProviderUnavailable
from llm_gateway.core.types import Chunk, FinishReason, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.openai_reply import ChatAnswer, ChatStream

HEAD: dict[str, object] = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024"}


def fail(body: bytes) -> ProviderError:
    return ProviderUnavailable(f"told of {len(body)} bytes")


def event(choices: object, **more: object) -> bytes:
    return b"data: " + msgspec.json.encode({**HEAD, "choices": choices, **more}) + b"\n\n"


def delta(index: int = 0, finish_reason: str | None = None, **fields: object) -> bytes:
    return event([{"index": index, "delta": fields, "logprobs": None, "finish_reason": finish_reason}])


def usage(prompt: int, completion: int, **more: object) -> bytes:
    return event([], usage={"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more})


DONE = b"data: [DONE]\n\n"
ROLE = delta(role="assistant", content="")


def decode(pieces: Iterable[bytes], *, show_usage: bool = False) -> list[Chunk]:
    decoder = ChatStream("openai", fail, show_usage=show_usage)
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.finish()


def meanings(chunks: list[Chunk]) -> list[Chunk]:
    """The chunks without the bytes and names they came with."""
    return [
        msgspec.structs.replace(chunk, raw=None, raw_protocol="", response_id="", response_model="")
        for chunk in chunks
        if chunk.has_content or chunk.usage or chunk.logprobs or chunk.cost_usd is not None
    ]


def call(index: int | None, id_: str | None = None, name: str | None = None, arguments: object = None) -> dict[str, object]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {
        **({} if index is None else {"index": index}),
        **({} if id_ is None else {"id": id_, "type": "function"}),
        "function": function,
    }


def calls(*made: dict[str, object]) -> bytes:
    return delta(tool_calls=list(made))


STREAMS: dict[str, tuple[bytes, list[Chunk]]] = {
    "text, role in the first delta, usage last": (
        ROLE + delta(content="Hel") + delta(content="lo") + delta(finish_reason="stop") + usage(3, 2) + DONE,
        [Chunk(text="Hel"), Chunk(text="lo"), Chunk(finish_reason=FinishReason.STOP), Chunk(usage=Usage(3, 2))],
    ),
    "no role at all": (
        delta(content="a") + delta(finish_reason="length") + DONE,
        [Chunk(text="a"), Chunk(finish_reason=FinishReason.LENGTH)],
    ),
    "choices interleave": (
        delta(0, content="a") + delta(1, content="x") + delta(0, "stop", content="b") + delta(1, "content_filter") + DONE,
        [
            Chunk(text="a"),
            Chunk(text="x", choice=1),
            Chunk(text="b", finish_reason=FinishReason.STOP),
            Chunk(choice=1, finish_reason=FinishReason.CONTENT_FILTER),
        ],
    ),
    "explicit zero usage is not missing": (
        delta(finish_reason="stop", content="a") + usage(0, 0) + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP), Chunk(usage=Usage(0, 0))],
    ),
    "usage null is missing": (
        event([{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], usage=None) + event([], usage=None) + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "usage without counts is missing": (
        delta(finish_reason="stop", content="a") + event([], usage={}) + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "usage beside the last choice": (
        event([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage={"prompt_tokens": 1, "completion_tokens": 2}) + DONE,
        [Chunk(finish_reason=FinishReason.STOP, usage=Usage(1, 2))],
    ),
    "cached and reasoning tokens": (
        delta(finish_reason="stop")
        + usage(9, 7, prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 5})
        + DONE,
        [Chunk(finish_reason=FinishReason.STOP), Chunk(usage=Usage(9, 7, cache_read_tokens=4, reasoning_tokens=5))],
    ),
    "tool calls in pieces, in parallel": (
        ROLE
        + calls(call(0, "c1", "f", ""))
        + calls(call(0, arguments='{"a":'))
        + calls(call(1, "c2", "g", "{}"))
        + calls(call(0, arguments="1}"))
        + delta(finish_reason="tool_calls")
        + DONE,
        [
            Chunk(tool_calls=(ToolCallDelta(0, "c1", "f"),)),
            Chunk(tool_calls=(ToolCallDelta(0, arguments='{"a":'),)),
            Chunk(tool_calls=(ToolCallDelta(1, "c2", "g", "{}"),)),
            Chunk(tool_calls=(ToolCallDelta(0, arguments="1}"),)),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ],
    ),
    "tool indices become dense from 0": (
        calls(call(1, "c1", "f", "{"))
        + calls(call(4, "c2", "g"))
        + calls(call(1, arguments="}"))
        + delta(finish_reason="tool_calls")
        + DONE,
        [
            Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", "{"),)),
            Chunk(tool_calls=(ToolCallDelta(1, "c2", "g"),)),
            Chunk(tool_calls=(ToolCallDelta(0, arguments="}"),)),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ],
    ),
    "tool calls without an index": (
        calls(call(None, "c1", "f", "{"), call(None, arguments="}"))
        + calls(call(None, "c2", "g", "{}"))
        + calls(call(None, "c1", arguments=" "))
        + delta(finish_reason="tool_calls")
        + DONE,
        [
            Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", "{"), ToolCallDelta(0, arguments="}"))),
            Chunk(tool_calls=(ToolCallDelta(1, "c2", "g", "{}"),)),
            Chunk(tool_calls=(ToolCallDelta(0, arguments=" "),)),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ],
    ),
    "whole tool calls that are all index 0": (
        calls(call(0, "c1", "f", "{}")) + calls(call(0, "c2", "f", "{}")) + delta(finish_reason="tool_calls") + DONE,
        [
            Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", "{}"),)),
            Chunk(tool_calls=(ToolCallDelta(1, "c2", "f", "{}"),)),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ],
    ),
    "a tool call that repeats its id and name": (
        calls(call(0, "c1", "f", "{")) + calls(call(0, "c1", "f", "}")) + delta(finish_reason="tool_calls") + DONE,
        [
            Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", "{"),)),
            Chunk(tool_calls=(ToolCallDelta(0, arguments="}"),)),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ],
    ),
    "a tool call without an id gets one": (
        calls(call(0, None, "f", "{}")) + delta(finish_reason="tool_calls") + DONE,
        [Chunk(tool_calls=(ToolCallDelta(0, "call_c-1_0_0", "f", "{}"),)), Chunk(finish_reason=FinishReason.TOOL_CALLS)],
    ),
    "malformed tool arguments pass as they are": (
        calls(call(0, "c1", "f", '{"a": oops')) + delta(finish_reason="tool_calls") + DONE,
        [Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", '{"a": oops'),)), Chunk(finish_reason=FinishReason.TOOL_CALLS)],
    ),
    "tool arguments as an object become text": (
        calls(call(0, "c1", "f", {"a": 1})) + delta(finish_reason="tool_calls") + DONE,
        [Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", '{"a":1}'),)), Chunk(finish_reason=FinishReason.TOOL_CALLS)],
    ),
    "stop after tool calls means tool calls": (
        calls(call(0, "c1", "f", "{}")) + delta(finish_reason="stop") + DONE,
        [Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", "{}"),)), Chunk(finish_reason=FinishReason.TOOL_CALLS)],
    ),
    "empty finish reasons, then none": (
        delta(finish_reason="", content="a") + calls(call(0, "c1", "f", "{}")) + delta(finish_reason="") + DONE,
        [Chunk(text="a"), Chunk(tool_calls=(ToolCallDelta(0, "c1", "f", "{}"),)), Chunk(finish_reason=FinishReason.TOOL_CALLS)],
    ),
    "no finish reason for one of two choices": (
        delta(0, content="a") + delta(1, "stop", content="b") + DONE,
        [
            Chunk(text="a"),
            Chunk(text="b", choice=1, finish_reason=FinishReason.STOP),
            Chunk(finish_reason=FinishReason.STOP),
        ],
    ),
    "finish reason said twice counts once": (
        delta(finish_reason="stop", content="a") + delta(finish_reason="stop") + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "an unknown finish reason is a stop": (
        delta(finish_reason="eos_token", content="a") + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "a refusal": (
        delta(role="assistant", refusal="I ") + delta(refusal="won't") + delta(finish_reason="stop") + DONE,
        [Chunk(text="I "), Chunk(text="won't"), Chunk(finish_reason=FinishReason.REFUSAL)],
    ),
    "reasoning_content": (
        delta(reasoning_content="hm") + delta(content="a") + delta(finish_reason="stop") + DONE,
        [Chunk(thinking=Thinking("hm")), Chunk(text="a"), Chunk(finish_reason=FinishReason.STOP)],
    ),
    "reasoning, said twice over": (
        delta(reasoning="hm", reasoning_content="hm")
        + delta(reasoning="so", content=None)
        + delta(finish_reason="stop", content="a")
        + DONE,
        [Chunk(thinking=Thinking("hm")), Chunk(thinking=Thinking("so")), Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "content in parts": (
        delta(
            content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}],
            finish_reason="stop",
        )
        + DONE,
        [Chunk(text="a", thinking=Thinking("hm"), finish_reason=FinishReason.STOP)],
    ),
    "several choices in one event": (
        event([{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}])
        + delta(0, "stop")
        + delta(1, "stop")
        + DONE,
        [
            Chunk(text="a"),
            Chunk(text="b", choice=1),
            Chunk(finish_reason=FinishReason.STOP),
            Chunk(finish_reason=FinishReason.STOP, choice=1),
        ],
    ),
    "logprobs": (
        event(
            [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": -0.5}]}, "finish_reason": "stop"}]
        )
        + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP, logprobs={"content": [{"token": "a", "logprob": -0.5}]})],
    ),
    "comments, an event without choices, an error of null": (
        b": keep-alive\n\n"
        + event([], prompt_filter_results=[])
        + event([{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], error=None)
        + DONE,
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "xAI: reasoning tokens are not in completion_tokens": (
        delta(finish_reason="stop", content="a")
        + event(
            [],
            usage={
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "prompt_tokens_details": {"cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 94},
                "cost_in_usd_ticks": 37756000,
            },
        )
        + DONE,
        [
            Chunk(text="a", finish_reason=FinishReason.STOP),
            Chunk(usage=Usage(32, 103, cache_read_tokens=6, reasoning_tokens=94), cost_usd=0.0037756),
        ],
    ),
    "tool calls with neither index nor id": (
        calls(call(None, None, "f", "{"))
        + calls(call(None, arguments="}"))
        + calls(call(None, None, "g", "{}"))
        + delta(finish_reason="stop")
        + DONE,
        [
            Chunk(tool_calls=(ToolCallDelta(0, "call_c-1_0_0", "f", "{"),)),
            Chunk(tool_calls=(ToolCallDelta(0, arguments="}"),)),
            Chunk(tool_calls=(ToolCallDelta(1, "call_c-1_0_1", "g", "{}"),)),
            Chunk(finish_reason=FinishReason.TOOL_CALLS),
        ],
    ),
    "data over two lines, and other fields": (
        delta(content="a").replace(b',"choices"', b',\ndata: "choices"')
        + delta(finish_reason="stop").replace(b"\n\n", b"\nid: 7\n\n")
        + DONE,
        [Chunk(text="a"), Chunk(finish_reason=FinishReason.STOP)],
    ),
    "what follows [DONE] is not read": (
        delta(finish_reason="stop", content="a") + DONE + b"data: {broken\n\n",
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "the last line ending is missing": (
        delta(finish_reason="stop", content="a") + b"data: [DONE]",
        [Chunk(text="a", finish_reason=FinishReason.STOP)],
    ),
    "lines end in CRLF": (
        (delta(content="a\u2028é") + delta(finish_reason="stop") + DONE).replace(b"\n", b"\r\n"),
        [Chunk(text="a\u2028é"), Chunk(finish_reason=FinishReason.STOP)],
    ),
}
names = pytest.mark.parametrize("name", STREAMS)


@names
def test_stream_fed_whole(name: str) -> None:
    wire, expected = STREAMS[name]
    assert meanings(decode([wire])) == expected


@names
def test_stream_fed_byte_by_byte(name: str) -> None:
    wire, _ = STREAMS[name]
    assert decode([wire[i : i + 1] for i in range(len(wire))]) == decode([wire])


@names
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_stream_split_at_random(name: str, data: st.DataObject) -> None:
    wire, _ = STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    edges = [0, *cuts, len(wire)]
    assert decode([wire[a:b] for a, b in pairwise(edges)]) == decode([wire])


@names
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_stream_cut_anywhere_before_its_end_is_never_a_clean_one(name: str, data: st.DataObject) -> None:
    wire, _ = STREAMS[name]
    cut = data.draw(st.integers(0, wire.index(b"[DONE]") + len(b"[DONE]") - 1))
    with pytest.raises(ProviderBadResponse):
        decode([wire[:cut]])


def test_a_stream_that_closed_after_usage_but_without_done_is_broken_off() -> None:
    with pytest.raises(ProviderBadResponse, match=r"ended without \[DONE\]"):
        decode([delta(finish_reason="stop", content="a") + usage(1, 1)])


def test_a_stream_of_nothing_but_its_end_is_no_answer() -> None:
    with pytest.raises(ProviderBadResponse, match="without a choice"):
        decode([usage(1, 0) + DONE])


def test_an_event_that_is_no_part_of_a_completion_is_refused_at_once() -> None:
    decoder = ChatStream("openai", fail, show_usage=False)
    decoder.feed(delta(content="a"))
    with pytest.raises(ProviderBadResponse, match="no part of a chat completion"):
        decoder.feed(b'data: {"object":"other"}\n\n')


def test_the_reason_that_a_server_left_out_comes_under_the_answers_name() -> None:
    [_, last] = decode([delta(content="a") + DONE])
    assert last == Chunk(finish_reason=FinishReason.STOP, response_id="c-1", response_model="gpt-4o-2024")


def test_chunks_carry_the_exact_bytes_of_their_event() -> None:
    pieces = [ROLE, delta(content="a"), delta(finish_reason="stop")]
    chunks = decode([b"".join(pieces) + DONE])
    assert [chunk.raw for chunk in chunks] == pieces
    assert {chunk.raw_protocol for chunk in chunks} == {"openai"}
    assert {(chunk.response_id, chunk.response_model) for chunk in chunks} == {("c-1", "gpt-4o-2024")}
    assert not chunks[0].has_content


def test_the_usage_chunk_is_shown_only_to_who_asked_for_it() -> None:
    wire = delta(finish_reason="stop", content="a") + usage(1, 2) + DONE
    hidden, shown = decode([wire])[-1], decode([wire], show_usage=True)[-1]
    assert (hidden.usage, hidden.raw, hidden.raw_protocol) == (Usage(1, 2), None, "")
    assert (shown.usage, shown.raw, shown.raw_protocol) == (Usage(1, 2), usage(1, 2), "openai")


def test_an_event_of_several_choices_is_no_single_chunks_bytes() -> None:
    wire, _ = STREAMS["several choices in one event"]
    assert [chunk.raw for chunk in decode([wire])][:2] == [None, None]


@pytest.mark.parametrize(
    "wire",
    [
        b'data: {"error":{"message":"m","code":502}}\n\n',
        b'data: {"error":"m","code":"c"}\n\n',
        b'event: error\ndata: {"message":"m"}\n\n',
        event([{"index": 0, "delta": {}, "finish_reason": "error"}], error={"message": "m"}),
    ],
)
def test_an_error_object_inside_a_stream_is_raised(wire: bytes) -> None:
    decoder = ChatStream("openai", fail, show_usage=False)
    assert decoder.feed(delta(content="a"))
    with pytest.raises(ProviderUnavailable, match="told of"):
        decoder.feed(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"data: {canary\n\n",
        b'data: "canary"\n\n',
        b'data: {"canary":1}\n\n',
        b'data: {"choices":"canary"}\n\n',
        b'data: {"choices":[{"delta":{"content":{"canary":1}}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\xff canary"}}]}\n\n',
        b"<html>canary</html>",
        b'data: {"canary":' + b"[" * 5000 + b"\n\n",
        b'{"choices":[{"message":{"content":"canary"}}]}',
    ],
)
def test_what_is_no_chunk_is_a_bad_response_that_echoes_nothing(wire: bytes) -> None:
    with pytest.raises(ProviderBadResponse) as caught:
        decode([wire])
    assert "canary" not in caught.value.message
    assert caught.value.provider == "openai"


def answer(*choices: object, **more: object) -> bytes:
    return msgspec.json.encode({"id": "c-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024", "choices": choices, **more})


def choice(index: int = 0, finish_reason: str | None = "stop", **message: object) -> dict[str, object]:
    return {"index": index, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish_reason}


def read(body: bytes, cut: int = 0) -> list[Chunk]:
    decoder = ChatAnswer("openai", fail)
    assert decoder.feed(body[:cut]) == decoder.feed(body[cut:]) == []
    return decoder.finish()


def test_an_answer_is_one_chunk_however_it_is_cut() -> None:
    body = answer(
        choice(content="Hello"),
        usage={
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    )
    expected = Chunk(
        text="Hello",
        finish_reason=FinishReason.STOP,
        usage=Usage(19, 10, cache_read_tokens=8, cache_write_tokens=2, reasoning_tokens=3),
        response_id="c-1",
        response_model="gpt-4o-2024",
        raw=body,
        raw_protocol="openai",
    )
    for cut in range(len(body)):
        assert read(body, cut) == [expected]


def test_several_choices_share_the_body_and_the_usage() -> None:
    body = answer(choice(0, content="a"), choice(1, "length", content="b"), usage={"prompt_tokens": 1, "completion_tokens": 2})
    first, last = read(body)
    assert (first.text, first.choice, first.raw, first.usage) == ("a", 0, body, None)
    assert (last.text, last.choice, last.raw, last.usage) == ("b", 1, b"", Usage(1, 2))  # the body's bytes are the first one's alone
    assert last.finish_reason is FinishReason.LENGTH


def test_an_answer_with_calls_reasoning_and_logprobs() -> None:
    message = choice(
        finish_reason="tool_calls",
        content=None,
        reasoning_content="hm",
        tool_calls=[call(None, "c1", "f", '{"a": oops'), call(None, "c2", "g", "{}")],
    )
    [chunk] = read(answer({**message, "logprobs": {"content": []}}))
    assert chunk.text == ""
    assert chunk.thinking == Thinking("hm")
    assert chunk.tool_calls == (ToolCallDelta(0, "c1", "f", '{"a": oops'), ToolCallDelta(1, "c2", "g", "{}"))
    assert chunk.finish_reason is FinishReason.TOOL_CALLS
    assert chunk.logprobs == {"content": []}
    assert chunk.usage is None


def test_a_refusal_is_text_with_its_own_finish_reason() -> None:
    [chunk] = read(answer(choice(content=None, refusal="I won't")))
    assert (chunk.text, chunk.finish_reason) == ("I won't", FinishReason.REFUSAL)


@pytest.mark.parametrize("reason", ["", None])
def test_a_missing_finish_reason_is_repaired_and_the_broken_bytes_are_not_passed_on(reason: str | None) -> None:
    [chunk] = read(answer(choice(finish_reason=reason, content="", tool_calls=[call(0, "c1", "f", "{}")])))
    assert (chunk.finish_reason, chunk.raw, chunk.raw_protocol) == (FinishReason.TOOL_CALLS, None, "")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 5}, Usage(5, 0)),
        ({}, None),
        (None, None),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}, Usage(5, 1, cache_read_tokens=4)),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 6}},
            Usage(5, 7, reasoning_tokens=6),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 6}},
            Usage(5, 13, reasoning_tokens=6),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 6}},
            Usage(5, 8, reasoning_tokens=6),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None, "completion_tokens_details": None},
            Usage(5, 2),
        ),
    ],
)
def test_counts(counts: object, expected: Usage | None) -> None:
    assert read(answer(choice(content="a"), usage=counts))[0].usage == expected


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_output_always_includes_reasoning_and_is_counted_once(sent: int, answered: int, reasoning: int, apart: bool) -> None:
    completion = answered if apart else answered + reasoning
    body = answer(
        choice(content="a"),
        usage={
            "prompt_tokens": sent,
            "completion_tokens": completion,
            "total_tokens": sent + answered + reasoning,
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
    )
    assert read(body)[0].usage == Usage(sent, answered + reasoning, reasoning_tokens=reasoning)


@pytest.mark.parametrize(("ticks", "usd"), [(10_000_000_000, 1.0), (37_756_000, 0.0037756), (0, 0.0), (-1, None), (None, None)])
def test_cost_in_ticks(ticks: int | None, usd: float | None) -> None:
    body = answer(choice(content="a"), usage={"prompt_tokens": 1, "completion_tokens": 1, "cost_in_usd_ticks": ticks})
    assert read(body)[0].cost_usd == (None if usd is None else pytest.approx(usd))


def test_an_error_object_in_a_successful_answer_is_raised() -> None:
    with pytest.raises(ProviderUnavailable, match="told of"):
        read(b'{"error":{"message":"no"}}')
    assert read(answer(choice(content="a"), error=None))[0].text == "a"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><p>canary</p>",
        b"\xff\xfe",
        b'"canary"',
        b'{"canary":1}',
        b'{"canary":' + b"[" * 5000,
        b'{"choices":[]}',
        b'{"choices":[{"text":"canary"}]}',
        b'{"choices":[{"message":"canary"}]}',
        b'{"choices":[{"message":{"content":"\xff canary"}}]}',
        b'{"choices":[{"message":{"content":"canary"}}]',
    ],
)
def test_what_is_no_completion_is_a_bad_response_that_echoes_nothing(body: bytes) -> None:
    with pytest.raises(ProviderBadResponse) as caught:
        read(body)
    assert "canary" not in caught.value.message
    assert caught.value.provider == "openai"
