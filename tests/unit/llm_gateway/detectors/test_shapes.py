import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_gateway.detectors import shapes
from llm_gateway.detectors.shapes import shapes_in

_TEXTS = st.text("aBz9x01 .-_|*!?%@,\n\x07\u00e9\u5bc6", max_size=60)


@given(_TEXTS)
@example("1 2 3 4 5")
@example("1 2 3 4 5 6")
@example("a\x00b")
@example("abcdefg9")
@example("9abcdefghijklmno")
@example("abcdefg9abcdefg")
@example("abcdefPqRabcdef")
@example("abcdefgPqRabcde")
@example("abcdeaBCabcdefg")
@example("a b c d e f g h i j")
def test_hints_leave_out_nothing_that_a_dearer_look_would_find(text: str) -> None:
    hints = shapes._hints(text.encode())
    many_digits = len(re.findall("[0-9]", text)) >= 6
    control = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text) is not None
    assert (0 in hints) == (many_digits or control)
    assert (1 in hints) == (re.search(r"[A-Za-z0-9][!#$%&*?^~@][A-Za-z0-9]|[0-9][!#$%&*]", text) is not None)
    assert 2 in hints or not shapes.drawn_words(text)
    single = r"(?=[!-~])[^ .\-_|*]"
    assert (3 in hints) == (re.search(rf"[ .\-_|*](?:{single}[ .\-_|*]){{3}}", text) is not None)
    assert max(hints) == len(shapes._HINTS) - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("An ordinary question, with 25 minutes and (a few) marks?", frozenset()),
        ("", frozenset()),
        ("call 555 0100 now", {shapes.DIGITS}),
        ("bell\x07", {shapes.CONTROL}),
        ("my Tr0ub4dor&3 here", {shapes.BARE}),
        ("s e c r e t w o r d", {shapes.SPACED}),
        ("one two three four five six seven eight nine ten eleven twelve", {shapes.WORD_ROW}),
        ("q8Zr3XbTv5LmW2nKc9Ys", {shapes.TOKEN, shapes.BASE64, shapes.BASE32}),
    ],
)
def test_shapes_of_texts(text: str, expected: frozenset[int]) -> None:
    assert shapes_in(text) >= expected
    assert bool(shapes_in(text)) == bool(expected)


def test_a_row_of_small_words_is_seen_among_other_lines() -> None:
    row = "one two three four five six seven eight nine ten eleven twelve"
    assert shapes.WORD_ROW in shapes_in(f"Title\n{row}\nEnd {'x ' * 200}")
    assert shapes.WORD_ROW not in shapes_in("x" * 241)
