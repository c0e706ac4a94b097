"""What a caller reads in OpenAI's words: written here, read back by the decoder of the other side."""

import base64
import struct
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse, ProviderError
from llm_gateway.core.types import Chunk, FinishReason, Thinking, ToolCallDelta, Usage
from llm_gateway.protocols.openai_egress import DONE, REFUSED, ChatEvents, Head, as_it_came, embeddings, whole
from llm_gateway.protocols.openai_reply import ChatAnswer, ChatStream

HEAD = Head("chatcmpl-1", 1_700_000_000, "gpt-4o")


def fail(body: bytes) -> ProviderError:
    return ProviderBadResponse(body.decode())


def stream(chunks: Iterable[Chunk], usage: Usage | None = None, *, include_usage: bool = False) -> bytes:
    events = ChatEvents(HEAD, include_usage=include_usage)
    return b"".join([*map(events.feed, chunks), events.finish(usage)])


def documents(data: bytes) -> list[dict[str, object]]:
    events = [event.removeprefix(b"data: ") for event in data.split(b"\n\n") if event]
    return [msgspec.json.decode(event) for event in events if event != b"[DONE]"]


def read_back(data: bytes) -> list[Chunk]:
    decoder = ChatStream("p", fail, show_usage=True)
    return [*decoder.feed(data), *decoder.finish()]


FINISHES = st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
USAGES = st.builds(Usage, st.integers(0, 99), st.integers(50, 99), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
TEXTS = st.text(min_size=1, max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> list[Chunk]:
    """The chunks of one to three answers, mixed as they may come."""
    lanes: list[list[Chunk]] = []
    for choice in range(draw(st.integers(1, 3))):
        lane = [Chunk(thinking=Thinking(text), choice=choice) for text in draw(st.lists(TEXTS, max_size=2))]
        lane += [Chunk(text=text, choice=choice) for text in draw(st.lists(TEXTS, max_size=4))]
        finish = draw(FINISHES)
        for index in range(draw(st.integers(0, 2))):
            finish = FinishReason.TOOL_CALLS
            lane.append(Chunk(tool_calls=(ToolCallDelta(index, f"c{choice}{index}", "f", draw(st.text(max_size=3))),), choice=choice))
            lane += [Chunk(tool_calls=(ToolCallDelta(index, arguments=text),), choice=choice) for text in draw(st.lists(TEXTS, max_size=2))]
        lanes.append([*lane, Chunk(finish_reason=finish, choice=choice)])
    mixed: list[Chunk] = []
    while any(lanes):
        lane = draw(st.sampled_from([lane for lane in lanes if lane]))
        mixed.append(lane.pop(0))
    return mixed


def bare(chunk: Chunk) -> Chunk:
    return msgspec.structs.replace(chunk, raw=None, raw_protocol="", response_id="", response_model="", usage=None)


@given(answers(), USAGES)
def test_what_is_written_reads_back_as_the_same_chunks(chunks: list[Chunk], usage: Usage) -> None:
    data = stream(chunks, usage, include_usage=True)
    read = read_back(data)
    assert [bare(chunk) for chunk in read if chunk.has_content] == chunks
    assert [chunk.usage for chunk in read if chunk.usage is not None] == [usage]
    assert {chunk.response_id for chunk in read} == {HEAD.id}
    assert data.endswith(DONE)


@given(answers(), USAGES)
def test_a_whole_answer_says_what_the_stream_says(chunks: list[Chunk], usage: Usage) -> None:
    decoder = ChatAnswer("p", fail)
    decoder.feed(whole(HEAD, chunks, usage))
    read = decoder.finish()
    assert read[-1].usage == usage
    for chunk in read:
        mine = [c for c in chunks if c.choice == chunk.choice]
        assert chunk.text == "".join(c.text for c in mine)
        assert (chunk.thinking.text if chunk.thinking else "") == "".join(c.thinking.text for c in mine if c.thinking)
        pieces = [piece for c in mine for piece in c.tool_calls]
        arguments = {p.index: "".join(q.arguments for q in pieces if q.index == p.index) or "{}" for p in pieces}
        assert {call.index: call.arguments for call in chunk.tool_calls} == arguments
        assert chunk.finish_reason == mine[-1].finish_reason


def test_the_role_stands_in_the_first_piece_of_each_answer_and_nowhere_else() -> None:
    chunks = [Chunk(text="a"), Chunk(text="b", choice=1), Chunk(text="c"), Chunk(finish_reason=FinishReason.STOP)]
    deltas = [document["choices"][0]["delta"] for document in documents(stream(chunks))]  # type: ignore[index]
    assert [delta.get("role") for delta in deltas] == ["assistant", "assistant", None, None]


def test_usage_is_told_only_if_asked_for() -> None:
    chunks = [Chunk(text="a", usage=Usage(1, 1)), Chunk(finish_reason=FinishReason.STOP, usage=Usage(3, 0))]
    assert all("usage" not in document and document["choices"] for document in documents(stream(chunks, Usage(3, 0))))
    *others, last = documents(stream(chunks, Usage(3, 0), include_usage=True))
    assert all(document["usage"] is None for document in others)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 0  # type: ignore[index]  # a reported 0 is no missing one


def test_bytes_of_the_same_wire_go_out_as_they_came() -> None:
    first = b'data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant"}}],"new_field":1}\n\n'
    used = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\r\n\r\n'
    chunks = [Chunk(raw=first, raw_protocol="openai", response_id="x"), Chunk(usage=Usage(1), raw=used, raw_protocol="openai")]
    assert stream(chunks, Usage(1), include_usage=True) == first + used + DONE


def test_a_chunk_that_a_stage_changed_is_written_anew_in_the_names_of_the_stream() -> None:
    raw = b'data: {"id":"x","model":"m-1","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
    chunks = [Chunk(raw=raw, raw_protocol="openai", response_id="x", response_model="m-1"), Chunk(text="changed", raw_protocol="openai")]
    (_, written) = documents(stream(chunks))
    assert (written["id"], written["model"]) == ("x", "m-1")
    assert written["choices"][0]["delta"] == {"content": "changed"}  # type: ignore[index]


def test_the_usage_that_the_gateway_asked_for_by_itself_is_not_shown() -> None:
    assert stream([Chunk(text="a"), Chunk(usage=Usage(1, 1), raw_protocol="openai")]).count(b"data: ") == 2


def test_bytes_of_another_wire_are_not_sent() -> None:
    chunk = Chunk(text="a", raw=b"{}", raw_protocol="anthropic")
    assert b'"content":"a"' in stream([chunk])
    assert as_it_came([chunk]) is None
    assert b'"content":"a"' in whole(HEAD, [chunk], None)


def test_a_body_goes_out_as_it_came_only_if_no_part_of_it_was_changed() -> None:
    body = b'{"new": 1}'
    first, second = Chunk(text="a", raw=body, raw_protocol="openai"), Chunk(text="b", choice=1, raw=b"", raw_protocol="openai")
    assert as_it_came([first, second]) == as_it_came([first]) == body
    for changed in ([first, msgspec.structs.replace(second, raw=None)], [msgspec.structs.replace(first, raw=None), second], []):
        assert as_it_came(changed) is None
    assert b'"content":"a"' in whole(HEAD, [first, second], None)


@pytest.mark.parametrize(("text", "refusal"), [("I cannot.", "I cannot."), ("", REFUSED)])
def test_a_refusal_is_told_as_one(text: str, refusal: str) -> None:
    chunk = Chunk(text=text, finish_reason=FinishReason.REFUSAL)
    answer = msgspec.json.decode(whole(HEAD, [chunk], None))["choices"][0]
    assert (answer["message"]["content"], answer["message"]["refusal"], answer["finish_reason"]) == (None, refusal, "stop")
    (read,) = [chunk for chunk in read_back(stream([chunk])) if chunk.finish_reason]
    assert (read.text, read.finish_reason) == (refusal, FinishReason.REFUSAL)


def test_what_must_come_back_unchanged_is_shown() -> None:
    thoughts = [Chunk(thinking=Thinking("hm")), Chunk(thinking=Thinking(signature="s")), Chunk(thinking=Thinking(redacted="r"))]
    message = msgspec.json.decode(whole(HEAD, thoughts, None))["choices"][0]["message"]
    assert message["reasoning_content"] == "hm"
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "r"},
    ]
    assert b'"signature":"s"' in stream(thoughts)
    assert b'"data":"r"' in stream(thoughts)


def test_log_probabilities_are_joined() -> None:
    chunks = [Chunk(text="a", logprobs={"content": [1]}), Chunk(text="b", logprobs={"content": [2]})]
    assert msgspec.json.decode(whole(HEAD, chunks, None))["choices"][0]["logprobs"] == {"content": [1, 2]}


def test_vectors_as_numbers_and_as_base64() -> None:
    chunk = Chunk(embeddings=[[0.5, -1.0]], response_model="e-1")
    plain = msgspec.json.decode(embeddings([chunk], "m", Usage(3), base64=False))
    assert plain["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}]
    assert (plain["model"], plain["usage"]) == ("e-1", {"prompt_tokens": 3, "total_tokens": 3})
    packed = msgspec.json.decode(embeddings([chunk], "m", None, base64=True))["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(packed)) == (0.5, -1.0)
    assert embeddings([Chunk(embeddings=[[1.0]], raw=b"{}", raw_protocol="openai")], "m", None, base64=True) == b"{}"
