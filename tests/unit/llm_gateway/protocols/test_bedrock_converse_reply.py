"""Converse answers, whole and in events; how bytes are cut into events is the frame parser's and the provider's test."""

import msgspec
import pytest

from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.core.types import Chunk, FinishReason, Json, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.bedrock_converse_reply import ConverseStream, whole

MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
USAGE: dict[str, Json] = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
Events = list[tuple[str, dict[str, Json]]]


def answer(content: list[dict[str, Json]], stop_reason: str = "end_turn", **fields: Json) -> bytes:
    message: dict[str, Json] = {"role": "assistant", "content": list(content)}
    return msgspec.json.encode(
        {"output": {"message": message}, "stopReason": stop_reason, "usage": USAGE, "metrics": {"latencyMs": 1}, **fields}
    )


def delta(index: int, **piece: Json) -> tuple[str, dict[str, Json]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": piece, "p": "abcd"}


def start(index: int, tool_id: str, name: str, **more: Json) -> tuple[str, dict[str, Json]]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": tool_id, "name": name, **more}}}


def stop(index: int) -> tuple[str, dict[str, Json]]:
    return "contentBlockStop", {"contentBlockIndex": index}


def end(reason: str = "end_turn", usage: dict[str, Json] | None = None, **fields: Json) -> Events:
    return [("messageStop", {"stopReason": reason, **fields}), ("metadata", {"usage": usage or USAGE, "metrics": {"latencyMs": 1}})]


def play(events: Events, answer_tool: str = "", model: str = MODEL) -> list[Chunk]:
    stream = ConverseStream(model, answer_tool)
    chunks = []
    for kind, payload in events:
        body = msgspec.json.encode(payload)
        chunk = stream.event(kind, body, kind.encode() + body)
        chunks += [] if chunk is None else [chunk]
    stream.finish()
    return chunks


def test_whole_text() -> None:
    body = answer([{"text": "Hel"}, {"text": "lo"}])
    assert whole(body, MODEL) == Chunk(
        text="Hello",
        finish_reason=FinishReason.STOP,
        usage=Usage(10, 5),
        response_model=MODEL,
        raw=body,
        raw_protocol="bedrock",
    )


def test_whole_blocks_of_every_kind() -> None:
    chunk = whole(
        answer(
            [
                {"reasoningContent": {"reasoningText": {"text": "I th", "signature": "s1"}}},
                {"reasoningContent": {"reasoningText": {"text": "ink", "signature": "s2"}}},
                {"reasoningContent": {"redactedContent": "b3Bh"}},
                {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "x"}]}},
                {"toolUse": {"toolUseId": "s", "name": "search", "input": {}, "type": "server_tool_use"}},
                {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1.50, "y": "ü"}}},
                {"somethingNew": {"a": 1}},
                {"toolUse": {"toolUseId": "b", "name": "g", "input": {}}},
            ],
            "tool_use",
        ),
        MODEL,
    )
    assert chunk.text == "cited"
    assert chunk.thinking == Thinking("I think", "s2", "b3Bh")
    assert chunk.tool_calls == (ToolCallDelta(0, "a", "f", '{"x":1.5,"y":"ü"}'), ToolCallDelta(1, "b", "g", "{}"))
    assert chunk.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize("body", [b"{}", b'{"output":null,"stopReason":"end_turn"}', b"<html>", b"", b'{"output":{}}', b"[]"])
def test_a_200_without_output_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderBadResponse):
        whole(body, MODEL)


def test_an_answer_may_be_empty() -> None:
    assert whole(answer([]), MODEL).text == ""


REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "something_new": FinishReason.STOP,
}


@pytest.mark.parametrize("reason", REASONS)
def test_stop_reasons(reason: str) -> None:
    assert whole(answer([{"text": "x"}], reason), MODEL).finish_reason is REASONS[reason]
    assert play([delta(0, text="x"), *end(reason)])[1].finish_reason is REASONS[reason]


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_malformed_output_is_the_providers_fault(reason: str) -> None:
    with pytest.raises(ProviderBadResponse, match=reason) as caught:
        whole(answer([{"text": "x"}], reason), MODEL)
    assert caught.value.same_again
    with pytest.raises(ProviderBadResponse, match=reason):
        play(end(reason))


def test_the_stop_sequence() -> None:
    fields: dict[str, Json] = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    assert whole(answer([{"text": "x"}], "stop_sequence", **fields), MODEL).stop_sequence == "END"
    assert play(end("stop_sequence", **fields))[0].stop_sequence == "END"
    assert whole(answer([{"text": "x"}], additionalModelResponseFields={"stop_sequence": None}), MODEL).stop_sequence is None


def test_input_tokens_do_not_hold_the_cached_ones_ours_do() -> None:
    usage: dict[str, Json] = {
        "inputTokens": 10,
        "outputTokens": 5,
        "totalTokens": 1515,
        "cacheReadInputTokens": 1000,
        "cacheWriteInputTokens": 500,
    }
    expected = Usage(1510, 5, cache_read_tokens=1000, cache_write_tokens=500)
    assert whole(answer([{"text": "x"}], usage=usage), MODEL).usage == expected
    assert play(end(usage=usage))[-1].usage == expected


def test_streams_of_openais_models_count_the_cached_ones_twice() -> None:
    usage: dict[str, Json] = {"inputTokens": 4995, "outputTokens": 19, "totalTokens": 10007, "cacheWriteInputTokens": 4993}
    assert play(end(usage=usage), model="us.openai.gpt-5-v1:0")[-1].usage == Usage(4995, 19, cache_write_tokens=4993)
    usage["inputTokens"] = 2
    assert play(end(usage=usage), model="us.openai.gpt-5-v1:0")[-1].usage == Usage(4995, 19, cache_write_tokens=4993)


def test_usage_that_is_missing_is_not_zero() -> None:
    assert whole(answer([{"text": "x"}], usage=None), MODEL).usage is None
    assert play([("messageStop", {"stopReason": "end_turn"}), ("metadata", {})])[-1].usage is None
    nothing: dict[str, Json] = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    assert whole(answer([{"text": "x"}], usage=nothing), MODEL).usage == Usage()


TEXT: Events = [("messageStart", {"role": "assistant"}), delta(0, text="Hel"), delta(0, text="lo"), stop(0), *end()]


def test_text_needs_no_start_block_and_usage_comes_after_the_stop() -> None:
    chunks = play(TEXT)
    assert [chunk.text for chunk in chunks] == ["Hel", "lo", "", ""]
    assert [chunk.finish_reason for chunk in chunks] == [None, None, FinishReason.STOP, None]
    assert [chunk.usage for chunk in chunks] == [None, None, None, Usage(10, 5)]
    assert {chunk.response_model for chunk in chunks} == {MODEL}


def test_raw_bytes_of_all_chunks_are_the_answer() -> None:
    chunks = play([*TEXT[:3], ("somethingNew", {"a": 1}), *TEXT[3:]])
    whole_body = b"".join(
        kind.encode() + msgspec.json.encode(payload) for kind, payload in [*TEXT[:3], ("somethingNew", {"a": 1}), *TEXT[3:]]
    )
    assert b"".join(chunk.raw or b"" for chunk in chunks) == whole_body
    assert {chunk.raw_protocol for chunk in chunks} == {"bedrock"}


def test_tool_indices_are_dense_whatever_the_blocks_are() -> None:
    chunks = play(
        [
            delta(0, reasoningContent={"text": "hm"}),
            delta(0, reasoningContent={"signature": "sig"}),
            delta(1, reasoningContent={"redactedContent": "b3Bh"}),
            delta(2, text="Let me see."),
            start(3, "a", "f"),
            start(5, "b", "g"),
            delta(5, toolUse={"input": '{"y"'}),
            delta(3, toolUse={"input": ""}),
            delta(3, toolUse={"input": '{"x":1}'}),
            delta(5, toolUse={"input": ":2}"}),
            stop(3),
            stop(5),
            start(7, "c", "h"),
            stop(7),
            *end("tool_use"),
        ]
    )
    assert [chunk.thinking for chunk in chunks[:3]] == [Thinking("hm"), Thinking(signature="sig"), Thinking(redacted="b3Bh")]
    assert [call for chunk in chunks for call in chunk.tool_calls] == [
        ToolCallDelta(0, "a", "f"),
        ToolCallDelta(1, "b", "g"),
        ToolCallDelta(1, arguments='{"y"'),
        ToolCallDelta(0, arguments='{"x":1}'),
        ToolCallDelta(1, arguments=":2}"),
        ToolCallDelta(2, "c", "h"),
        ToolCallDelta(2, arguments="{}"),
    ]
    assert chunks[-2].finish_reason is FinishReason.TOOL_CALLS


def test_calls_that_bedrock_answered_itself_are_not_passed_on() -> None:
    chunks = play([start(0, "s", "search", type="server_tool_use"), delta(0, toolUse={"input": "{}"}), stop(0), delta(1, text="x"), *end()])
    assert [call for chunk in chunks for call in chunk.tool_calls] == []


def test_input_of_a_call_that_never_started() -> None:
    with pytest.raises(ProviderBadResponse, match="never started"):
        play([delta(0, toolUse={"input": "{}"})])


@pytest.mark.parametrize(("events", "missing"), [(TEXT[:-2], "messageStop"), (TEXT[:-1], "metadata"), ([], "messageStop")])
def test_a_stream_that_ends_early(events: Events, missing: str) -> None:
    with pytest.raises(ProviderBadResponse, match=missing):
        play(events)


@pytest.mark.parametrize("kind", ["contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"])
def test_unreadable_events(kind: str) -> None:
    with pytest.raises(ProviderBadResponse, match=kind):
        ConverseStream(MODEL).event(kind, b"{", b"")


def test_a_forced_answer_becomes_text() -> None:
    use: dict[str, Json] = {"toolUse": {"toolUseId": "t", "name": "answer", "input": {"age": 3}}}
    chunk = whole(answer([{"text": "Here:"}, use], "tool_use"), MODEL, "answer")
    assert (chunk.text, chunk.tool_calls, chunk.finish_reason, chunk.raw) == ('{"age":3}', (), FinishReason.STOP, None)
    events: Events = [
        delta(0, text="Here:"),
        start(1, "t", "answer"),
        delta(1, toolUse={"input": '{"age"'}),
        delta(1, toolUse={"input": ":3}"}),
        stop(1),
        *end("tool_use"),
    ]
    chunks = play(events, "answer")
    assert "".join(chunk.text for chunk in chunks) == '{"age":3}'
    assert [chunk.tool_calls for chunk in chunks] == [()] * len(chunks)
    assert chunks[-2].finish_reason is FinishReason.STOP
    assert all(chunk.raw is None for chunk in chunks)


def test_where_the_forced_tool_was_not_called_the_text_is_the_answer() -> None:
    assert whole(answer([{"text": "I cannot."}], "content_filtered"), MODEL, "answer").text == "I cannot."
    chunks = play([delta(0, text="I can"), delta(0, text="not."), *end("content_filtered")], "answer")
    assert [(chunk.text, chunk.finish_reason) for chunk in chunks] == [("I cannot.", FinishReason.CONTENT_FILTER), ("", None)]


def test_a_call_of_the_callers_own_tool_stays_one() -> None:
    use: dict[str, Json] = {"toolUse": {"toolUseId": "t", "name": "weather", "input": {}}}
    chunk = whole(answer([use], "tool_use"), MODEL, "answer")
    assert (chunk.tool_calls, chunk.finish_reason) == ((ToolCallDelta(0, "t", "weather", "{}"),), FinishReason.TOOL_CALLS)
    chunks = play([start(0, "t", "weather"), delta(0, toolUse={"input": "{}"}), stop(0), *end("tool_use")], "answer")
    assert chunks[-2].finish_reason is FinishReason.TOOL_CALLS
