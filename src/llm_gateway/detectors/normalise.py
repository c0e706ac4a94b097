# patterns and word lists read best unbroken
"""One form for what reads the same: width, invisible characters, look-alikes, dashes, digits, accents.

Plain ASCII, which most requests are, passes untouched. The folded text is for looking, never for sending.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

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
_ANSI = re.compile("\x1b\\[[0-9]{0,3}(?:[;:][0-9]{0,3}){0,8}[A-Za-z]")
"""How a terminal is told a colour (ECMA-48): what is between says nothing. Longer numbers stay, for they could."""
_SELECTED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{6,}")
"""Variation selectors in a row, which no font asks for: each can carry a byte."""
_FIRST_SELECTOR, _FIRST_OF_SUPPLEMENT = 0xFE00, 0xE0100
_BRACKETED = re.compile("[\u2474-\u247c\u2488-\u2490\u249c-\u24b5]")
_OUT_OF_BRACKETS = (
    {0x2474 + at: str(at + 1) for at in range(9)}
    | {0x2488 + at: str(at + 1) for at in range(9)}
    | {0x249C + at: chr(97 + at) for at in range(26)}
)
"""Digits and letters with brackets or a stop in one character, which folding writes out."""
_TURNED_LETTERS = str.maketrans(
    "ɐqɔpǝɟƃɓɥıᴉɾʞlɯuodbɹsʇnʌʍxʎz⅄∀ƆƎℲפՁ˥ԀɹS┴∩ΛƖᄅƐㄣϛ9ㄥ86˙‾¡¿", "abcdefgghiijklmnopqrstuvwxyzyacefgjlprstuv123456789._!?"
)
_TURNED_LETTER = re.compile("[ɐɔǝɟƃɓɥᴉɾʞɯɹʇʌʍʎ]")
_BIDI = re.compile("\u202e([^\u202c\u202d\u202e\n]+)")
_TURNED, _TAG_LEAD = "\u202e".encode(), b"\xf3\xa0"
_OTHER_LEADS = bytes((0xC9, 0xCA, *range(0xCD, 0xD7)))
"""First bytes in UTF-8 of the scripts with letters that look like Latin ones."""
_NEEDS_CARE = re.compile("[\u202e\U000e0020-\U000e007e\U000e0100-\U000e01ef]")


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


class _Page(NamedTuple):
    """How the characters of a one-byte code page fold: by one translation of bytes."""

    codec: str
    table: bytes
    deleted: bytes


_CODECS = ("cp1252", "cp1250", "cp1251", "cp1254", "cp1253", "cp1255", "cp1256", "cp1257")
"""Between them they hold the letters of nearly all texts in alphabets. What a page does not hold goes the long way."""


@lru_cache(maxsize=1)
def _pages() -> tuple[dict[str, int], tuple[_Page, ...]]:
    """The page to try for a text by its first foreign character, and the pages."""
    first: dict[str, int] = {}
    pages: list[_Page] = []
    for codec in _CODECS:
        table, deleted = bytearray(range(256)), bytearray()
        for byte in range(128, 256):
            character = bytes((byte,)).decode(codec, "ignore")
            if not character:
                continue
            first.setdefault(character, len(pages))
            folded = _fold_run(character)
            encoded = folded.encode(codec, "ignore")
            if not folded:
                deleted.append(byte)
            else:
                table[byte] = encoded[0] if len(folded) == len(encoded) == 1 and not unicodedata.combining(character) else 0
        pages.append(_Page(codec, bytes(table), bytes(deleted)))
    return first, tuple(pages)


def warm() -> None:
    """Make the tables now, so that no request pays for them."""
    _pages()
    _fold_run("\u4e2d\u6587\u3002")


def fold(text: str) -> str:
    """The form that rules look at. ASCII comes back as it is; other letters come back lower-case and without accents."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if text.isascii():
        return text
    quick = _fold_page(text)
    if quick is not None:
        return quick
    return _fold_run(text) if _mostly_foreign(text) else _FOREIGN.sub(_fold_match, text)


def _mostly_foreign(text: str) -> bool:
    """Whether it is quicker to look at all of the text than at its foreign parts one by one."""
    return len(text.encode("utf-8", "replace")) > len(text) * 3 // 2


def _fold_page(text: str) -> str | None:
    """The same for a text in one alphabet, quickly; None for others."""
    start = _FIRST_FOREIGN.search(text)
    first, pages = _pages()
    index = first.get(start.group()) if start else None
    if index is None:
        return None
    for at in (index, *((_LATIN_REST,) if index == 0 else ())):
        page = pages[at]
        try:
            raw = text.encode(page.codec)
        except UnicodeEncodeError:
            continue
        plain = raw.translate(page.table, page.deleted)
        if 0 not in plain:
            return plain.decode(page.codec)
        if "\u2026" not in text:
            return None
        return _fold_page(text.replace("\u2026", "..."))
    return None


_LATIN_REST = 1
_FIRST_FOREIGN = re.compile(r"[^\x00-\x7f]")


def _fold_match(match: re.Match[str]) -> str:
    run = match.group()
    return _fold_short(run) if len(run) <= _SHORT_RUN_CHARS else _fold_run(run)


def _fold_run(run: str) -> str:
    if _MARKS.search(run):
        run = _MARKS.sub("", unicodedata.normalize("NFKD", _MARK_RUNS.sub("", run)))
    elif not unicodedata.is_normalized("NFKD", run):
        run = _MARKS.sub("", unicodedata.normalize("NFKD", run))
    return _mapped().sub(_map, unicodedata.normalize("NFC", run))


@lru_cache(maxsize=1)
def _mapped() -> re.Pattern[str]:
    """Runs of characters that the table maps: looking for them is quicker than asking the table for each."""
    codes = sorted(_table())
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return re.compile("[" + "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in ranges) + "]+")


def _map(match: re.Match[str]) -> str:
    return match.group().translate(_table())


_fold_short = lru_cache(maxsize=4096)(_fold_run)
_SHORT_RUN_CHARS = 8


def further_views(original: str, folded: str) -> list[str]:
    """Readings that differ from `folded`: look-alike letters replaced, text turned round, invisible tag characters."""
    if original.isascii():
        return []
    views: list[str] = []
    raw = original.encode("utf-8", "replace")
    if (_TURNED in raw or _TAG_LEAD in raw) and _NEEDS_CARE.search(original):
        hidden = "".join(chr(ord(character) - 0xE0000) for run in _TAGS.findall(original) for character in run)
        if hidden:
            views.append(hidden)
        views.extend(fold(part[::-1]) for part in _BIDI.findall(original))
        views.extend(_selected_bytes(run) for run in _SELECTED.findall(original))
    if b"\xe2" in raw and (b"\xe2\x91" in raw or b"\xe2\x92" in raw) and _BRACKETED.search(original):
        views.append(fold(original.translate(_OUT_OF_BRACKETS)))
    if (b"\xc9" in raw or b"\xca" in raw) and len(_TURNED_LETTER.findall(original)) >= _FEWEST_TURNED:
        views.append(fold(original[::-1].translate(_TURNED_LETTERS)))
    if len(raw) != len(raw.translate(None, _OTHER_LEADS)) and (_mixed(original) or _lookalike_word(original)):
        replaced = fold(original.translate(_LOOKALIKES))
        if replaced != folded:
            views.append(replaced)
    return views


_FEWEST_TURNED = 6


def _selected_bytes(run: str) -> str:
    """The text whose bytes are written as variation selectors: the first 16 as FE00 to FE0F, the others from E0100 on."""
    codes = (
        ord(character) - (_FIRST_SELECTOR if ord(character) < _FIRST_OF_SUPPLEMENT else _FIRST_OF_SUPPLEMENT - 16) for character in run
    )
    return bytes(codes).decode("utf-8", "replace")


_LIKE_LATIN = re.escape("".join(map(chr, _LOOKALIKES)))
_LOOKALIKE_WORD = re.compile(rf"(?<![^\W\d_])[A-Za-z]*[{_LIKE_LATIN}][A-Za-z{_LIKE_LATIN}]{{3,}}(?![^\W\d_])")
_CYRILLIC = bytes(
    76 if ord(character) in _LOOKALIKES else 97 if character.isascii() and character.isalpha() else 70 if character.isalpha() else 32
    for character in bytes(range(256)).decode("cp1251", "replace")
)
"""Code page 1251 as a sketch: L a look-alike letter, a an ASCII letter, F another letter, a space all else."""
_ASCII_RUN = re.compile(r"[A-Za-z0-9_]+")


def _mixed(text: str) -> bool:
    """Whether letters of another script stand right beside ASCII ones."""
    if not _mostly_foreign(text):
        return bool(_MIXED.search(text))
    size = len(text)
    for match in _ASCII_RUN.finditer(text):
        start, end = match.span()
        if (start and _OTHER_SCRIPT.match(text[start - 1])) or (end < size and _OTHER_SCRIPT.match(text[end])):
            return True
    return False


def _lookalike_word(text: str) -> bool:
    """Whether some word in another script turns wholly into ASCII: it can be read as Latin."""
    try:
        sketch = text.encode("cp1251").translate(_CYRILLIC)
    except UnicodeEncodeError:
        return bool(_LOOKALIKE_WORD.search(text))
    return any(len(word) >= 4 and b"F" not in word and b"L" in word for word in sketch.split())
