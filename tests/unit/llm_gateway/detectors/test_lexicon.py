import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_gateway.detectors import lexicon, matters
from llm_gateway.detectors.check import default_inspector
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.normalise import fold

_WORDS = ("zq card", "zq", "2zq", "-zq", "\u0434\u0430\u0442", "\u5bc6zq")


def _starts(inspector: Inspector, text: str, family: int, word: str) -> list[int]:
    buckets = inspector._buckets(text)
    return [] if buckets is None else [start for start, _, payload in buckets[family] if payload == word]


_inspector = Inspector(_WORDS, {}, 0.7)


@given(st.text("zqZQ2- cardé\u0434\u0430\u0442\u5bc6", max_size=30))
def test_keywords_are_found_wherever_they_stand(text: str) -> None:
    inspector, folded = _inspector, fold(text)
    for word in _WORDS:
        plain = fold(word).lower()
        expected = [start for start in range(len(folded)) if folded.lower().startswith(plain, start)]
        assert _starts(inspector, folded, lexicon.KEYWORD, plain) == expected


@given(st.text("SsNn .-_1é\u0434\u5bc6", max_size=24))
@example("\u0434ssn")
@example("\u00e9ssn")
@example("\u5bc6ssn")
@example("1ssn")
@example("ssns")
def test_words_of_whole_word_families_are_found_where_no_letter_of_a_spaced_script_stands_before(text: str) -> None:
    folded = fold(text)
    expected = [
        start
        for start in range(len(folded))
        if folded.lower().startswith("ssn", start) and not (start and folded[start - 1].isalpha() and folded[start - 1] < "\u0590")
    ]
    assert _starts(default_inspector(), folded, lexicon.ID, "ssn") == expected


_WORD = next(
    word
    for word, family, payload in lexicon._entries(lexicon.standard().patterns)
    if family == lexicon.MATTER and payload == matters.HEALTH and word.isascii() and word.isalpha() and len(word) <= 4
)


@pytest.mark.parametrize(
    "text", [f"a {_WORD} b", f"a {_WORD}", f"a {_WORD}xyz b", f"a x{_WORD} b", f"a {_WORD}2", f"a {_WORD}\u00e9", f"\u5bc6{_WORD}"]
)
def test_short_words_of_a_matter_are_found_where_the_rule_would_take_them(text: str) -> None:
    start = text.index(_WORD)
    buckets = default_inspector()._buckets(text) or [()] * lexicon.FAMILIES
    found = [entry for entry in buckets[lexicon.MATTER] if entry == (start, start + len(_WORD), matters.HEALTH)]
    assert bool(found) == matters._begins_word(text, start, start + len(_WORD))


@pytest.mark.parametrize("word", ["arr", "arrs", "arrst", "ar ", "\u0434\u0430"])
def test_words_must_end_where_the_rule_for_matters_says_so(word: str) -> None:
    assert lexicon._must_end(word) is not matters._begins_word(f"{word}x", 0, len(word))


def test_a_bucket_is_in_the_order_of_the_text_also_where_words_lie_in_one_another() -> None:
    buckets = Inspector(("zq card", "q"), {}, 0.7)._buckets("zq card zq card") or ()
    assert [start for start, _, _ in buckets[lexicon.KEYWORD]] == [0, 1, 8, 9]


def test_a_lexicon_with_other_words_is_told_apart() -> None:
    assert lexicon.build(()).fingerprint != lexicon.build((("bluebird", lexicon.KEYWORD, "bluebird"),)).fingerprint
