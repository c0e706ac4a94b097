# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Text that is told character by character, or in pieces that a program or a browser puts together.

Calls that make characters (`chr(115)+chr(107)`), code points (U+0073), uuencode, lists that are joined, concatenation, markup between the
letters of a word, digits in words, Morse. Each reading is at most as long as what it comes from.
"""

import binascii
import re
from collections.abc import Callable, Iterator

from llm_gateway.detectors.linear import compiled

_CONCATENATION = (
    '" + "',
    "' + '",
    '"+"',
    "'+'",
    "' . '",
    '" . "',
    "'.'",
    "' || '",
    "'||'",
    '" & "',
    '" .. "',
    "''.join",
    '"".join',
    "join('')",
    'join("")',
)
_MARKUP = ("</span>", "</font>", "</b>", "</strong>", "<wbr", "</code><", "<string>", "&#8203", "]]><![")
_CALLS = ("chr(", "chrw(", "+char(", "|char(", ",char(", " char(", "&char(", "=char(", "unichar(")
_MORSE = (" .--. ", "/ .--. ", " -.-. ", ".-.. ", " ...- ", " -.-- ", " ----. ", " ---.. ", " --... ", " ..--- ", " ...-- ", " ....- ")
SPELLED_ANCHORS: tuple[str, ...] = (*_CONCATENATION, *_MARKUP, *_CALLS, *_MORSE, "u+00", "begin 6", "begin 7")
"""Literals that make it worth looking for such text."""

_CALL_RUN = r"(?i)(?:\b(?:uni)?cha?r[wb$]{0,2}\(\s?(?:0x[0-9a-f]{2}|\d{2,3})\s?\)[\s+.&|,_]{0,8}){6,}"
_CALL_CODE = re.compile(r"(?i)\(\s?(0x[0-9a-f]{2}|\d{2,3})\s?\)")
_POINT_RUN = r"(?i)(?:u\+[0-9a-f]{4,6}[\s,;]{0,3}){6,}"
_POINT = re.compile(r"(?i)u\+([0-9a-f]{4,6})")
_UU_LINE = re.compile(r"\nbegin [67][0-7]{2} [^\n]{1,200}(?=\n)|\n([!-`][ -`]{1,84})(?=\r?\n)")
_MORSE_RUN = r"(?:[.\-]{1,6}(?: {0,2}[/|] {0,2}| {1,4}|\n)){8,}(?:[.\-]{1,6})?"
_JOINT = re.compile(r"[\"'`]\s{0,4}(?:\+|\.{1,2}|&|\|\||,|\\)?\s{0,8}(?:[\\_]?\r?\n\s{0,16})?[\"'`]|\]\]><!\[CDATA\[")
_TAG = re.compile(r"</?(?:span|font|b|i|u|em|strong|wbr|code|tt|mark|small|bdo|kbd)\b[^<>]{0,200}>", re.IGNORECASE)
"""Markup that can stand within a word. Blocks stay as they are."""
_WITHIN = re.compile(
    r"[A-Za-z0-9]</?(?:span|font|b|i|u|em|strong|wbr|code|tt|mark|small|bdo|kbd)\b[^<>]{0,200}>(?:<[^<>]{0,200}>){0,3}[A-Za-z0-9]", re.I
)
_NAMED_VALUE = re.compile(r"</(?:key|name|th|dt)>\s{0,40}<(?:string|value|td|dd|data)>", re.IGNORECASE)
_CODES = {
    ".-": "a", "-...": "b", "-.-.": "c", "-..": "d", ".": "e", "..-.": "f", "--.": "g", "....": "h", "..": "i", ".---": "j", "-.-": "k", ".-..": "l", "--": "m",
    "-.": "n", "---": "o", ".--.": "p", "--.-": "q", ".-.": "r", "...": "s", "-": "t", "..-": "u", "...-": "v", ".--": "w", "-..-": "x", "-.--": "y", "--..": "z",
    "-----": "0", ".----": "1", "..---": "2", "...--": "3", "....-": "4", ".....": "5", "-....": "6", "--...": "7", "---..": "8", "----.": "9",
    ".-.-.-": ".", "--..--": ",", "---...": ":", "-....-": "-", ".--.-.": "@", "-..-.": "/", "..--.-": "_", "-.-.--": "!", "-...-": "=", "..--..": "?",
}  # fmt: skip
"""International Morse code, ITU-R M.1677-1."""

_DIGIT_WORDS = {
    "0": "zero oh null cero zero nul ноль", "1": "one ein eins un une uno um uma een один", "2": "two zwei zwo deux dos due dois duas twee два",
    "3": "three drei trois tres tre drie три", "4": "four vier quatre cuatro quattro quatro четыре", "5": "five funf fuenf cinq cinco cinque vijf пять",
    "6": "six sechs seis sei zes шесть", "7": "seven sieben sept siete sette sete zeven семь", "8": "eight acht huit ocho otto oito восемь",
    "9": "nine neun neuf nueve nove negen девять",
}  # fmt: skip
_DIGIT_OF = {word: digit for digit, words in _DIGIT_WORDS.items() for word in words.split()}
SPOKEN_ANCHORS: tuple[str, ...] = (
    *(f" {word}{end}" for digit in "56789" for word in _DIGIT_WORDS[digit].split() for end in " ,-"),
    *(first + second for first in "五六七八九" for second in "五六七八九"),
)
"""The digit words that prose has less often. A number of nine digits without any of them is one of five hundred."""
_FIGURES = str.maketrans("零〇一二三四五六七八九", "00123456789")
_WRITTEN_RUN = "[零〇一二三四五六七八九]{7,}"
_SPOKEN_WORD = "(?:(?:double |triple )?(?:" + "|".join(sorted(_DIGIT_OF, key=len, reverse=True)) + "))"
_SPOKEN = rf"(?i)\b{_SPOKEN_WORD}(?:[ ,.\-]{{1,3}}{_SPOKEN_WORD}){{6,}}\b"
_WORD = re.compile(r"\w+")
_TIMES = {"double": 2, "triple": 3}


def _read(pattern: str, text: str, reading: Callable[[str], str]) -> Iterator[str]:
    """The text with what `pattern` finds as it reads: what stands before a value says what it is."""
    position = 0
    pieces: list[str] = []
    for match in compiled(pattern).finditer(text):
        pieces += [text[position : match.start()], reading(match.group())]
        position = match.end()
    if pieces:
        yield "".join((*pieces, text[position:]))


def spelled_out(text: str) -> Iterator[str]:
    """What a text says that is put together from characters or pieces. For texts that hold one of SPELLED_ANCHORS."""
    lowered = text.lower()
    if "chr" in lowered or "char(" in lowered:
        yield from _read(_CALL_RUN, text, _called)
    if "u+00" in lowered:
        yield from _read(_POINT_RUN, text, _pointed)
    if "begin " in text:
        yield from _uuencoded("\n" + text + "\n")
    if any(joint in lowered for joint in _CONCATENATION) or "]]><![" in text:
        yield _JOINT.sub("", text)
    if "<" in text and any(tag in lowered for tag in _MARKUP) and (_WITHIN.search(text) or _NAMED_VALUE.search(text)):
        yield untagged(text)
    if ".-" in text or "-." in text:
        yield from _read(_MORSE_RUN, text, _morse)


def _called(run: str) -> str:
    return "".join(chr(int(code, 16 if code[:2] in ("0x", "0X") else 10)) for code in _CALL_CODE.findall(run))


def _pointed(run: str) -> str:
    return "".join(chr(number) if (number := int(code, 16)) < 0xD800 else " " for code in _POINT.findall(run))


def _uuencoded(text: str) -> Iterator[str]:
    pieces: list[bytes] = []
    for match in _UU_LINE.finditer(text):
        line = match.group(1)
        if not line:
            pieces.clear()
            continue
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error:
            continue
    if pieces:
        yield b"".join(pieces).decode("utf-8", "replace")


def untagged(text: str) -> str:
    """HTML and XML with a name beside its value and nothing between the letters of a word."""
    return _TAG.sub("", _NAMED_VALUE.sub(": ", text))


def _morse(run: str) -> str:
    words = re.split(r" *[/|] *| {3,}|\n", run.strip())
    return " ".join("".join(_CODES.get(code, "") for code in word.split()) for word in words)


def spoken_digits(text: str) -> Iterator[str]:
    """The text with rows of digits that are told in words, as in a transcript, written as digits."""
    yield from _read(_SPOKEN, text, _digits)
    if not text.isascii():
        yield from _read(_WRITTEN_RUN, text, _in_figures)


def _in_figures(run: str) -> str:
    return run.translate(_FIGURES)


def _digits(run: str) -> str:
    digits: list[str] = []
    times = 1
    for word in _WORD.findall(run.lower()):
        if word in _TIMES:
            times = _TIMES[word]
            continue
        digits.append(_DIGIT_OF.get(word, "") * times)
        times = 1
    return "".join(digits)
