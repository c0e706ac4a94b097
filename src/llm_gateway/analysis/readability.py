"""How hard a text is to read: syllables counted per language, the language's own form of Flesch's formula, reading time."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from typing import Final, NamedTuple

from llm_gateway.analysis.text import language_of, sentences_of, words_of

_VOWELS: Final = {
    "en": "aeiouy",
    "de": "aeiouyäöü",
    "fr": "aeiouyàâæèéêëîïôœùûüÿ",
    "es": "aeiouáéíóúü",
    "it": "aeiouàèéìíîòóùú",
    "pt": "aeiouáâãàéêíóôõúü",
    "nl": "aeiouyáéíóúäëïöü",
    "pl": "aeiouyąęó",
}
_GROUPS: Final = {code: re.compile(f"[{vowels}]+") for code, vowels in _VOWELS.items()}
_DIPHTHONGS: Final = {
    "de": ("aa", "ee", "oo", "ie", "ei", "ai", "au", "eu", "äu", "ui"),
    "nl": ("ëi", "aai", "ooi", "oei", "eeu", "ieu", "aa", "ee", "oo", "uu", "ie", "ei", "ij", "au", "ou", "eu", "ui", "oe"),
    "es": ("ai", "ei", "oi", "au", "eu", "ou", "ia", "ie", "io", "ua", "ue", "uo", "iu", "ui", "ié", "ió", "iá", "ué", "uá", "ái", "éi"),
    "it": ("ai", "ei", "oi", "au", "eu", "ia", "ie", "io", "iu", "ua", "ue", "uo", "ui", "iò", "ià", "iù", "uò", "uà"),
    "pt": ("ai", "ei", "oi", "ui", "au", "eu", "iu", "ou", "ão", "ãe", "õe", "ua", "ue", "uo", "éi", "ói"),
    "fr": (
        "eau", "oeu", "œu", "oui", "ieu", "au", "eu", "ou", "oi", "ai", "ei", "ui", "ie", "ia", "io", "iè", "ié", "oî", "aî", "où", "ée", "ue",
    ),
    "pl": ("ia", "ie", "io", "iu", "ią", "ię", "ió", "au", "eu"),
}  # fmt: skip

WORDS_PER_MINUTE: Final = {
    "ar": 138, "nl": 202, "en": 228, "fr": 195, "de": 179, "he": 187, "it": 188, "pl": 166, "pt": 181, "ru": 184, "es": 218,
}  # fmt: skip
"""Source: Trauzettel-Klosinski and Dietz 2012, "Standardized assessment of reading performance" (IReST)."""
CHARACTERS_PER_MINUTE: Final = {"zh": 255, "ja": 357}
"""The same study, for scripts without spaces."""
_OTHER_WPM: Final = 184


class Readability(NamedTuple):
    """`ease` in [0, 100], higher is easier; `grade` are years of schooling (English only, else None)."""

    ease: float
    level: str
    formula: str
    grade: float | None
    words: int
    sentences: int
    syllables: int
    words_per_sentence: float
    syllables_per_word: float
    long_sentences: int


def syllables(word: str, language: str) -> int:
    """Syllables of a word, at least 1: groups of vowels, corrected by the rules of the language's spelling."""
    word = word.lower()
    groups = _GROUPS.get(language, _GROUPS["en"])
    if language == "en" or language not in _GROUPS:
        return _english(word, groups)
    if language == "fr":
        word = re.sub(r"(?<=[^aeiouyéèêàâîôûù])(?:es|e|ent)$", "", word) if len(word) > 3 else word
        word = re.sub(r"(?<=[gq])u(?=[eiéèê])", "", word)
    elif language in {"es", "it", "pt"}:
        word = re.sub(r"qu(?=[eiéí])|gu(?=[eiéí])", "q", word)
        if language == "it":
            word = re.sub(r"(?<=[cg])i(?=[aeou])", "", word)
    known = _DIPHTHONGS.get(language, ())
    return max(1, sum(_vowels_in(group.group(), known) for group in groups.finditer(word)))


def _vowels_in(group: str, known: tuple[str, ...]) -> int:
    count = at = 0
    while at < len(group):
        at += next((len(sound) for sound in known if group.startswith(sound, at)), 1)
        count += 1
    return count


_SILENT = re.compile(r"[^aeiouyl]e$|[aeiouy][lr]e$|[^aeiouydt]ed$|[^aeiouysxzgc]es$|[aeiouy](?:st|v|m|n|t)e(?:ly|ment|ful|less)s?$")
_APART = re.compile(
    r"(?<![tscg])i[ao]|(?<!p)eo(?!u)|(?<=cr)ea(?=t)|(?<=sc)ie(?=n)|(?<=l)ie(?=nt)|(?<=d)ie(?=t)|(?<=[rd])ea$|ua[lt]|thm|sm$|[aeiouy]ing$"
)
_ENGLISH: Final = {"every": 2, "people": 2, "business": 2, "evening": 2, "different": 2, "something": 2}


def _english(word: str, groups: re.Pattern[str]) -> int:
    word = re.sub(r"[^a-z]", "", word)
    if word in _ENGLISH:
        return _ENGLISH[word]
    return max(1, len(groups.findall(word)) - bool(_SILENT.search(word)) + len(_APART.findall(word)))


def _ease(language: str, per_sentence: float, per_word: float, long_share: float) -> tuple[float, str]:
    """Flesch's reading ease as it was fitted for the language; LIX (Björnsson 1968), turned round, where nobody fitted it."""
    fitted = {
        "en": (206.835 - 1.015 * per_sentence - 84.6 * per_word, "Flesch 1948"),
        "de": (180 - per_sentence - 58.5 * per_word, "Amstad 1978"),
        "fr": (207 - 1.015 * per_sentence - 73.6 * per_word, "Kandel and Moles 1958"),
        "es": (206.84 - 1.02 * per_sentence - 60 * per_word, "Fernández Huerta 1959"),
        "it": (206 - per_sentence - 65 * per_word, "Franchina and Vacca 1986"),
        "pt": (248.835 - 1.015 * per_sentence - 84.6 * per_word, "Martins 1996"),
        "nl": (206.84 - 0.93 * per_sentence - 77 * per_word, "Douma 1960"),
    }
    value, formula = fitted.get(language, (125 - 1.25 * (per_sentence + 100 * long_share), "LIX, Björnsson 1968"))
    return min(100.0, max(0.0, value)), formula


def readability(text: str, language: str | None = None) -> Readability:
    """Measure a text. An empty one is easiest: it has nothing to read."""
    language = language or language_of(text)
    sentences = sentences_of(text)
    lengths = [len(words_of(sentence)) for sentence in sentences]
    words = [word for sentence in sentences for word in words_of(sentence)]
    if not words:
        return Readability(100.0, "very easy", "none", None, 0, 0, 0, 0.0, 0.0, 0)
    spoken = sum(syllables(word, language) for word in words)
    per_sentence, per_word = len(words) / len(sentences), spoken / len(words)
    ease, formula = _ease(language, per_sentence, per_word, sum(len(word) > 6 for word in words) / len(words))
    grade = max(0.0, 0.39 * per_sentence + 11.8 * per_word - 15.59) if language == "en" else None  # Kincaid 1975
    return Readability(
        round(ease, 1),
        _level(ease),
        formula,
        None if grade is None else round(grade, 1),
        len(words),
        len(sentences),
        spoken,
        round(per_sentence, 2),
        round(per_word, 3),
        sum(length > 30 for length in lengths),
    )


def _level(ease: float) -> str:
    steps = ((90, "very easy"), (70, "easy"), (60, "plain"), (50, "fairly hard"), (30, "hard"))
    return next((name for least, name in steps if ease >= least), "very hard")


def reading_time_s(text: str, language: str) -> float:
    """Seconds an adult needs to read a text silently."""
    if language in CHARACTERS_PER_MINUTE:
        characters = sum(character.isalnum() for character in text)
        return round(60 * characters / CHARACTERS_PER_MINUTE[language], 1)
    return round(60 * len(words_of(text)) / WORDS_PER_MINUTE.get(language, _OTHER_WPM), 1)
