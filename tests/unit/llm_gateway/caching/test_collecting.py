"""An answer comes out of the cache as it went in, streamed or not."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.caching.collecting import Collector, in_words, is_whole
from llm_gateway.core.types import ChatRequest, Chunk, EmbeddingRequest, FinishReason, Message, Thinking, ToolCallDelta, Usage

ASK = ChatRequest((Message("user", "hello"),))
END = Chunk(finish_reason=FinishReason.STOP, usage=Usage(3, 4), stop_sequence="x")


def collected(chunks: Iterable[Chunk], *, streamed: bool = True, raw_protocol: str = "") -> list[Chunk]:
    collector = Collector(streamed=streamed, raw_protocol=raw_protocol)
    for chunk in chunks:
        collector.add(chunk)
    return collector.chunks()


def test_a_plain_stream_becomes_one_chunk() -> None:
    first = Chunk(response_id="id", response_model="m", raw=b"r", raw_protocol="openai")
    (chunk,) = collected([first, Chunk("Hel"), Chunk("lo "), Chunk("you"), END, Chunk(usage=Usage(5, 6), cost_usd=0.5)])
    assert chunk == Chunk(
        "Hello you", finish_reason=FinishReason.STOP, usage=Usage(5, 6), response_id="id", response_model="m", stop_sequence="x"
    )


def test_what_came_unstreamed_stays_as_it_came() -> None:
    chunk = Chunk("text", Thinking("t", "s"), (ToolCallDelta(0, "1", "f", "{}"),), FinishReason.STOP, raw=b"raw", raw_protocol="openai")
    assert collected([chunk], streamed=False, raw_protocol="openai") == [chunk]
    (kept,) = collected([chunk], streamed=False, raw_protocol="anthropic")
    assert (kept.text, kept.raw, kept.raw_protocol) == ("text", None, "")


def test_later_changes_to_a_chunk_are_not_kept() -> None:
    chunk = Chunk("<EMAIL_1>", finish_reason=FinishReason.STOP)
    collector = Collector(streamed=False)
    collector.add(chunk)
    chunk.text = "a@example.com"
    assert collector.chunks()[0].text == "<EMAIL_1>"


def test_reasoning_text_and_tools_that_take_turns_keep_their_order() -> None:
    chunks = collected(
        [
            Chunk(thinking=Thinking("a")), Chunk(thinking=Thinking("b")), Chunk(thinking=Thinking(signature="s1")),
            Chunk(thinking=Thinking(redacted="r")), Chunk(thinking=Thinking("c")), Chunk("text "), Chunk("more"),
            Chunk(tool_calls=(ToolCallDelta(0, "1", "f"),)), Chunk(tool_calls=(ToolCallDelta(0, arguments='{"a"'),)),
            Chunk(tool_calls=(ToolCallDelta(1, "2", "g", "{}"),)), Chunk(tool_calls=(ToolCallDelta(0, arguments=":1}"),)),
            Chunk("after"), END,
        ]
    )  # fmt: skip
    assert [(c.thinking, c.text, c.tool_calls) for c in chunks] == [
        (Thinking("ab", "s1"), "", ()),
        (Thinking(redacted="r"), "", ()),
        (Thinking("c"), "text more", (ToolCallDelta(0, "1", "f", '{"a":1}'), ToolCallDelta(1, "2", "g", "{}"))),
        (None, "after", ()),
    ]
    assert [c.finish_reason for c in chunks] == [None, None, None, FinishReason.STOP]


def test_choices_are_kept_apart() -> None:
    ends = [Chunk(finish_reason=FinishReason.STOP, choice=0), Chunk(finish_reason=FinishReason.TOOL_CALLS, choice=1)]
    chunks = collected([Chunk("a", choice=0), Chunk("x", choice=1), Chunk("b", choice=0), Chunk("y", choice=1), *ends])
    assert [(c.choice, c.text, c.finish_reason) for c in chunks] == [(0, "ab", "stop"), (1, "xy", "tool_calls")]


PIECES = st.lists(
    st.one_of(
        st.builds(Chunk, text=st.text("ab \n", max_size=4), choice=st.integers(0, 1)),
        st.builds(Chunk, thinking=st.builds(Thinking, text=st.text("cd ", max_size=3)), choice=st.integers(0, 1)),
        st.builds(
            Chunk,
            tool_calls=st.tuples(st.builds(ToolCallDelta, index=st.integers(0, 1), arguments=st.text("{}", max_size=3))),
            choice=st.integers(0, 1),
        ),
    ),
    max_size=12,
)


def read(chunks: Iterable[Chunk]) -> dict[tuple[int, str], str]:
    """What a reader of each choice has in the end."""
    whole: dict[tuple[int, str], str] = {}
    for chunk in chunks:
        pieces = {"text": chunk.text, "thinking": chunk.thinking.text if chunk.thinking else ""}
        for kind, piece in [*pieces.items(), *((f"tool {call.index}", call.arguments) for call in chunk.tool_calls)]:
            if piece:
                whole[chunk.choice, kind] = whole.get((chunk.choice, kind), "") + piece
    return whole


def kinds(chunks: Iterable[Chunk], choice: int) -> list[str]:
    """The kinds of content in the order in which a reader of one choice sees them begin."""
    order: list[str] = []
    for chunk in chunks:
        if chunk.choice == choice:
            seen = [("thinking", chunk.thinking and chunk.thinking.text), ("text", chunk.text)]
            seen += [("tool", call.arguments) for call in chunk.tool_calls]
            order += [kind for kind, content in seen if content]
    return [kind for index, kind in enumerate(order) if not index or order[index - 1] != kind]


@given(PIECES)
def test_joined_and_cut_again_an_answer_reads_the_same(pieces: list[Chunk]) -> None:
    joined = collected(pieces)
    again = list(in_words(joined))
    assert read(pieces) == read(joined) == read(again)
    for choice in (0, 1):
        assert kinds(pieces, choice) == kinds(joined, choice) == kinds(again, choice)


def test_a_stream_from_the_cache_goes_word_by_word() -> None:
    whole = Chunk(
        "  The answer\nis 42.", finish_reason=FinishReason.STOP, usage=Usage(1, 2), response_id="id", raw=b"r", raw_protocol="openai"
    )
    words = list(in_words([whole]))
    assert [chunk.text for chunk in words] == ["  ", "The ", "answer\n", "is ", "42.", ""]
    assert [chunk.raw for chunk in words] == [None] * 6
    assert words[-1].finish_reason == "stop"
    assert words[-1].usage == Usage(1, 2)
    assert {chunk.response_id for chunk in words} == {"id"}


@pytest.mark.parametrize(
    ("chunks", "whole"),
    [
        ([Chunk("a", finish_reason=FinishReason.STOP)], True),
        ([Chunk(tool_calls=(ToolCallDelta(0, "1", "f"),), finish_reason=FinishReason.TOOL_CALLS)], True),
        ([Chunk("a"), Chunk(finish_reason=FinishReason.STOP)], True),
        ([Chunk("a", finish_reason=FinishReason.LENGTH)], False),
        ([Chunk("a", finish_reason=FinishReason.CONTENT_FILTER)], False),
        ([Chunk("a", finish_reason=FinishReason.REFUSAL)], False),
        ([Chunk("a", finish_reason=FinishReason.PAUSE)], False),
        ([Chunk("a")], False),
        ([Chunk(finish_reason=FinishReason.STOP)], False),
        ([], False),
    ],
)
def test_only_good_ends_are_whole(chunks: list[Chunk], whole: bool) -> None:
    assert is_whole(ASK, chunks) is whole


def test_every_choice_needs_its_end_and_every_text_its_vector() -> None:
    two = ChatRequest(ASK.messages, n=2)
    first, second = Chunk("a", finish_reason=FinishReason.STOP), Chunk("b", finish_reason=FinishReason.STOP, choice=1)
    assert is_whole(two, [first, second])
    assert not is_whole(two, [first])
    assert not is_whole(two, [first, Chunk("b", finish_reason=FinishReason.LENGTH, choice=1)])
    assert is_whole(EmbeddingRequest(("a", "b")), [Chunk(embeddings=[[1.0], [2.0]])])
    assert not is_whole(EmbeddingRequest(("a", "b")), [Chunk(embeddings=[[1.0]])])
