import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.sealing import CannotOpen, Sealer

SEALER = Sealer(b"a secret of tests")


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_what_was_sealed_opens_in_its_place(content: bytes, place: str) -> None:
    sealed = SEALER.seal(content, place)
    assert SEALER.open(sealed, place) == content
    assert Sealer(b"a secret of tests").open(sealed, place) == content


@given(st.binary(min_size=8, max_size=200))
def test_nothing_of_it_shows_and_the_same_looks_different_every_time(content: bytes) -> None:
    one, other = SEALER.seal(content, "here"), SEALER.seal(content, "here")
    assert content not in one
    assert one[5:] != other[5:]


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_changed_byte_is_found(content: bytes, data: st.DataObject) -> None:
    sealed = bytearray(SEALER.seal(content, "here"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotOpen):
        SEALER.open(bytes(sealed), "here")


def test_it_opens_nowhere_else_and_under_no_other_key() -> None:
    sealed = SEALER.seal(b"content", "here")
    with pytest.raises(CannotOpen, match="changed"):
        SEALER.open(sealed, "there")
    with pytest.raises(CannotOpen, match=r"storage\.encryption_key"):
        Sealer(b"another secret").open(sealed, "here")


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_piece_of_it_does_not_open(cut: int) -> None:
    with pytest.raises(CannotOpen):
        SEALER.open(SEALER.seal(b"content", "here")[:cut], "here")


def test_no_part_of_the_secret_is_shown() -> None:
    assert "secret" not in repr(SEALER)
