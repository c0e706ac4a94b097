import os

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.ids import Names, correlation_id, ulid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM = st.binary(min_size=16, max_size=16)


def value_of(name: str) -> int:
    """The 128 bits that the ULID specification reads in a name."""
    assert len(name) == 26
    value = 0
    for letter in name:
        value = value * 32 + ALPHABET.index(letter)
    return value


@given(st.integers(0, (1 << 48) - 1), RANDOM)
def test_a_ulid_holds_the_milliseconds_and_the_random_bits(now_ms: int, random: bytes) -> None:
    value = value_of(ulid(now_ms / 1000 + 0.0001, lambda _: random))
    assert value >> 80 in {now_ms, int((now_ms / 1000 + 0.0001) * 1000)}
    assert [value >> shift & 31 for shift in range(75, -1, -5)] == [byte & 31 for byte in random]


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), RANDOM, RANDOM)
def test_names_sort_by_time(first_ms: int, second_ms: int, one: bytes, other: bytes) -> None:
    names = ulid(first_ms, lambda _: one), ulid(second_ms, lambda _: other)
    if first_ms != second_ms:
        assert (names[0] < names[1]) == (first_ms < second_ms)


def test_the_specifications_example() -> None:
    assert ulid(1469918176.385, lambda _: bytes(16)).startswith("01ARYZ6S41")


@given(st.text(max_size=140))
def test_a_name_that_was_offered_is_taken_when_it_is_well_formed(offered: str) -> None:
    made = correlation_id(offered, 1.0, bytes)
    if 1 <= len(offered) <= 128 and all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in offered):
        assert made == offered
    else:
        assert made == "gw-" + ulid(1.0, bytes)


@given(st.lists(st.integers(0, (1 << 48) - 1), min_size=1, max_size=20))
def test_names_of_calls_are_ulids_of_their_moment(moments_ms: list[int]) -> None:
    names = Names(bytes)
    for now_ms in moments_ms:
        now_s = now_ms / 1000 + 0.0001
        assert names.new(now_s) == "gw-" + ulid(now_s, bytes)


def test_no_two_calls_have_one_name_and_every_letter_comes() -> None:
    fetched: list[int] = []

    def random_bytes(count: int) -> bytes:
        fetched.append(count)
        return os.urandom(count)

    names = Names(random_bytes)
    made = [names.new(1.0) for _ in range(3000)]
    assert len(set(made)) == 3000
    assert set("".join(name[13:] for name in made)) == set(ALPHABET)
    assert len(fetched) < 30


def test_a_forked_process_shares_no_names_with_its_parent() -> None:
    names = Names(os.urandom)
    names.new(1.0)
    before = names._tails[-1]
    names.forget()
    assert not names.new(1.0).endswith(before)
