"""Event streams and lines, cut anywhere."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import ProviderBadResponse
from llm_gateway.core.sse import LineParser, SseParser


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def events(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    parser = SseParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return [(event.event, event.data) for event in [*found, *parser.finish()]]


NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])
TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=12)


@given(
    frames=st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), max_size=5), newline=NEWLINES, places=st.lists(st.integers(0))
)
def test_events_do_not_depend_on_where_the_bytes_are_cut(frames: list[tuple[str, list[str]]], newline: str, places: list[int]) -> None:
    wire, expected = "", []
    for name, lines in frames:
        wire += f": comment{newline}event: {name}{newline}" + "".join(f"data: {line}{newline}" for line in lines) + newline
        expected.append((name, "\n".join(lines).encode()))
    data = wire.encode()
    assert events([data]) == expected
    assert events(cut(data, places)) == expected
    assert events([data[index : index + 1] for index in range(len(data))]) == expected


def test_an_event_keeps_its_bytes() -> None:
    data = b'event: a\ndata: {"x":1}\n\n'
    assert [event.raw for event in SseParser().feed(data * 2)] == [data, data]


def test_an_unfinished_event_is_pending() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\n") == []
    assert parser.pending


def test_a_huge_event_is_refused() -> None:
    parser = SseParser(max_event_bytes=100)
    pieces = iter([b"data: 0123456789"] * 20)
    with pytest.raises(ProviderBadResponse):
        any(parser.feed(piece) for piece in pieces)


@given(lines=st.lists(st.binary(max_size=8).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))), places=st.lists(st.integers(0)))
def test_lines_do_not_depend_on_where_the_bytes_are_cut(lines: list[bytes], places: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    parser = LineParser()
    assert [line for piece in cut(data, places) for line in parser.feed(piece)] == [line for line in lines if line]
    assert parser.finish() == []


def test_a_last_line_needs_no_ending() -> None:
    parser = LineParser()
    assert parser.feed(b"a\nb") == [b"a"]
    assert parser.finish() == [b"b"]


def test_a_huge_line_is_refused() -> None:
    parser = LineParser(max_line_bytes=10)
    with pytest.raises(ProviderBadResponse):
        parser.feed(b"x" * 11)
