from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.simulator.dialects.base import Tape, argument_pieces, masked
from llm_gateway.simulator.tokens import tokens_of_bytes


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9))))
def test_marks_never_fall_and_end_at_the_sum_over_slots(frames: list[tuple[int, int]]) -> None:
    tape = Tape()
    for slot, size in frames:
        tape.add(b"x", slot, size)
    sums = [sum(size for at, size in frames if at == slot) for slot in range(4)]
    assert tape.marks == sorted(tape.marks)
    assert not frames or tape.marks[-1] == sum(map(tokens_of_bytes, sums))


def test_hidden_tokens_are_charged_with_the_next_frame() -> None:
    tape = Tape()
    tape.charge(5)
    tape.add(b"x")
    assert tape.marks == [5]


@given(st.text())
def test_argument_pieces_make_up_the_arguments(text: str) -> None:
    assert "".join(argument_pieces(text)) == text


def test_a_key_is_masked() -> None:
    assert masked("sk-0123456789abcd") == "sk-0********abcd"
    assert masked("short") == "*****"
