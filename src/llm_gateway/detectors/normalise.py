# patterns and word lists read best unbroken
"""One form for what reads the same: width, invisible characters, look-alikes, dashes, digits, accents.

Plain ASCII, which most requests are, passes untouched. The folded text is for looking, never for sending.
"""

import re
import unicodedata
from functools import lru_cache

_DASHES = "‐‑‒–—―−﹘﹣－⁃➖"
_QUOTES = {
    "‘": "'",
    "’": "'",
    "‚": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "「": '"',
    "」": '"',
    "『": '"',
    "』": '"',
    "′": "'",
}
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u2800\u3164"
_PUNCTUATION = {
    "：": ":",
    "＝": "=",
    "，": ",",
    "。": ".",
    "；": ";",
    "（": "(",
    "）": ")",
    "？": "?",
    "！": "!",
    "·": ".",
    "‧": ".",
    "∶": ":",
    "⁄": "/",
    "∕": "/",
    "、": ",",
}

_LOOKALIKES = str.maketrans(
    "асԁеһіјӏкӏорԛѕтцѵԝхуүѡАВСЕНІЈКМОРЅТХУԌԜԚɡɩɪǀοανρτυκιχεΑΒΕΖΗΙΚΜΝΟΡΤΥΧվօսոհցզℓʟɑʀｏβ",
    "acdehijlklopqstuvwxyywABCEHIJKMOPSTXYGWQgiiloavptukixeABEZHIKMNOPTYXuounhgqllaroB",
)
_MIXED = re.compile(r"[A-Za-z0-9_][Ͱ-ϿЀ-ӿԀ-ԯ԰-֏ɐ-ʯ]|[Ͱ-ϿЀ-ӿԀ-ԯ԰-֏ɐ-ʯ][A-Za-z0-9_]")
_OTHER_SCRIPT = re.compile(r"[Ͱ-ϿЀ-ӿԀ-ԯ԰-֏ɐ-ʯ]")
_MARK_RUNS = re.compile(r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{3,}")
_MARKS = re.compile(r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_BIDI = re.compile("\u202e([^\u202c\u202d\u202e\n]+)")
_NEEDS_CARE = re.compile("[\u202e\U000e0020-\U000e007e]")


# The rest of Unicode (ideographs, Hangul, emoji) has nothing to map; compatibility forms went with NFKD.
_MAPPED = (
    *range(0x80, 0x3100),
    *range(0xA000, 0xAC00),
    *range(0xD800, 0xE000),
    *range(0xFE00, 0x10000),
    *range(0x10400, 0x10500),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE0200),
)


@lru_cache(maxsize=1)
def _table() -> dict[int, str | None]:
    """One translation for everything that maps character by character, made at first use (about 15 ms once)."""
    table: dict[int, str | None] = {}
    for code in _MAPPED:
        character = chr(code)
        category = unicodedata.category(character)
        if (
            category in ("Cf", "Cc", "Cs", "Co")
            or 0xFE00 <= code <= 0xFE0F
            or 0xE0100 <= code <= 0xE01EF
            or code in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5)
        ):
            table[code] = None
        elif category == "Nd":
            table[code] = str(unicodedata.decimal(character))
        elif category == "Lu":
            lowered = character.lower()
            if len(lowered) == 1:
                table[code] = lowered
    for character in _DASHES:
        table[ord(character)] = "-"
    for character in _SPACES:
        table[ord(character)] = " "
    table[0x85] = table[0x2028] = table[0x2029] = "\n"
    table.update({ord(key): value for key, value in (_QUOTES | _PUNCTUATION).items()})
    table[ord("İ")] = "i"
    return table


def warm() -> None:
    """Make the table now, so that no request pays for it."""
    _table()


def fold(text: str) -> str:
    """The form that rules look at. ASCII comes back as it is; other letters come back lower-case and without accents."""
    return text if text.isascii() else _FOREIGN.sub(_fold_match, text)


def _fold_match(match: re.Match[str]) -> str:
    run = match.group()
    return _fold_short(run) if len(run) <= _SHORT_RUN_CHARS else _fold_run(run)


def _fold_run(run: str) -> str:
    run = _MARK_RUNS.sub("", run)
    if not unicodedata.is_normalized("NFKD", run):
        run = unicodedata.normalize("NFKD", run)
    run = unicodedata.normalize("NFC", _MARKS.sub("", run))
    return run.translate(_table())


_fold_short = lru_cache(maxsize=4096)(_fold_run)
_SHORT_RUN_CHARS = 8


def further_views(original: str, folded: str) -> list[str]:
    """Readings that differ from `folded`: look-alike letters replaced, text turned round, invisible tag characters."""
    if original.isascii():
        return []
    views: list[str] = []
    if _NEEDS_CARE.search(original):
        hidden = "".join(chr(ord(character) - 0xE0000) for run in _TAGS.findall(original) for character in run)
        if hidden:
            views.append(hidden)
        views.extend(fold(part[::-1]) for part in _BIDI.findall(original))
    if _OTHER_SCRIPT.search(original) and (_MIXED.search(original) or _lookalike_word(original)):
        replaced = fold(original.translate(_LOOKALIKES))
        if replaced != folded:
            views.append(replaced)
    return views


_WORD = re.compile(r"[^\W\d_]{4,40}")


def _lookalike_word(text: str) -> bool:
    """Whether some word in another script turns wholly into ASCII: it can be read as Latin."""
    return any(not word.isascii() and word.translate(_LOOKALIKES).isascii() for word in _WORD.findall(text))
