from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.detectors.literals import finder, in_characters, portable_finder

_LETTERS = "abAB é\u0434\u5bc6-"
_LITERALS = st.lists(st.text(_LETTERS, min_size=1, max_size=5), min_size=1, max_size=12, unique=True)


def _found_one_by_one(literals: list[str], text: str) -> list[tuple[int, int, int]]:
    return sorted(
        (start, start + len(literal), index)
        for index, literal in enumerate(literals)
        for start in range(len(text))
        if text.startswith(literal, start)
    )


@given(_LITERALS, st.text(_LETTERS, max_size=40))
def test_both_automata_find_every_occurrence_of_every_literal(literals: list[str], text: str) -> None:
    raw, forms = text.encode(), [literal.encode() for literal in literals]
    expected = _found_one_by_one(literals, text)
    for find in (finder(forms), portable_finder(forms)):
        found = find(raw)
        assert sorted(in_characters(found, raw)) == expected
        assert [end for _, end, _ in found] == sorted(end for _, end, _ in found)


def test_offsets_in_ascii_are_those_of_its_bytes() -> None:
    found = finder([b"key", b"ey"])(b"a key")
    assert found == in_characters(found, b"a key") == [(2, 5, 0), (3, 5, 1)]


def test_offsets_count_a_character_that_cannot_stand_in_utf_8_as_one() -> None:
    raw = "\ud800key \u5bc6key".encode("utf-8", "surrogatepass")
    assert in_characters(finder([b"key"])(raw), raw) == [(1, 4, 0), (6, 9, 0)]
