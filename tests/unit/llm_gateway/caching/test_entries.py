import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.caching.entries import COMPRESS_FROM_BYTES, PACKED, PLAIN, SEAL_BYTES, Codec, CorruptEntry, Entry, packed, unpacked
from llm_gateway.core.types import Chunk, FinishReason, Thinking, ToolCallDelta, Usage

CODEC = Codec()


def entry(text: str = "hello") -> Entry:
    chunk = Chunk(
        text, Thinking("hm", "sig"), (ToolCallDelta(0, "1", "f", "{}"),), FinishReason.STOP, 0, Usage(1, 2), None, "id", "model",
        raw=b"\x00raw", raw_protocol="openai", logprobs={"content": [1, None, 2.5]},
    )  # fmt: skip
    return Entry(
        "openai", "gpt-4o", 1.5, Usage(1, 2, estimated=True), 0.25, FinishReason.STOP, False, [chunk, Chunk(embeddings=[[0.5, -1.0]])]
    )


def test_an_entry_comes_back_whole() -> None:
    assert unpacked(CODEC.open("a_1", CODEC.seal("a_1", packed(entry())))) == entry()


def test_every_reader_gets_chunks_of_its_own() -> None:
    content = packed(entry())
    unpacked(content).chunks[0].text = "changed"
    assert unpacked(content).chunks[0].text == "hello"


@given(st.binary(max_size=3000), st.booleans())
def test_content_comes_back_whatever_it_is(content: bytes, compress: bool) -> None:
    codec = Codec(b"secret", compress=compress)
    assert codec.open("a_1", codec.seal("a_1", content)) == content


def test_compression_is_for_content_that_pays() -> None:
    words, noise = b"word " * 400, os.urandom(4000)
    assert Codec(compress=True).seal("a", words)[:1] == PACKED
    assert len(Codec(compress=True).seal("a", words)) < 200
    assert Codec(compress=True).seal("a", words[: COMPRESS_FROM_BYTES - 1])[:1] == PLAIN
    assert Codec(compress=True).seal("a", noise)[:1] == PLAIN
    assert Codec(compress=False).seal("a", words)[:1] == PLAIN


@pytest.mark.parametrize("text", ["hello", "hello " * 500])
def test_any_flipped_bit_is_found(text: str) -> None:
    sealed = CODEC.seal("a_1", packed(entry(text)))
    for place in range(len(sealed)):
        for bit in range(8):
            broken = bytearray(sealed)
            broken[place] ^= 1 << bit
            with pytest.raises(CorruptEntry):
                CODEC.open("a_1", bytes(broken))


@given(st.binary(max_size=100))
def test_noise_is_no_entry(data: bytes) -> None:
    with pytest.raises(CorruptEntry):
        CODEC.open("a_1", data)


def test_an_entry_under_another_name_is_none() -> None:
    """Bytes copied to another caller's name are not that caller's answer."""
    with pytest.raises(CorruptEntry):
        CODEC.open("b_1", CODEC.seal("a_1", packed(entry())))


def test_without_the_secret_nobody_makes_an_entry() -> None:
    with pytest.raises(CorruptEntry):
        Codec(b"secret").open("a_1", Codec(b"guess").seal("a_1", b"planted"))
    with pytest.raises(CorruptEntry):
        Codec(b"secret").open("a_1", Codec().seal("a_1", b"planted"))


def test_content_that_is_no_entry_is_refused() -> None:
    for content in (b"", b"\xc1", b"\x90", packed(entry())[:-3]):
        with pytest.raises(CorruptEntry):
            unpacked(content)


@pytest.mark.parametrize("content", [b"not zstd at all", CODEC.seal("a", b"x" * 5000)[1 + SEAL_BYTES : -4]])
def test_broken_compression_under_a_good_seal_is_refused(content: bytes) -> None:
    sealed = PACKED + CODEC._digest("a", PACKED, content) + content
    with pytest.raises(CorruptEntry):
        CODEC.open("a", sealed)


def test_a_compression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway.caching.entries.MAX_ENTRY_BYTES", 10_000)
    with pytest.raises(CorruptEntry, match="too large"):
        CODEC.open("a", CODEC.seal("a", b"x" * 100_000))
