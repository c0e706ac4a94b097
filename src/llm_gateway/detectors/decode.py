# ruff: noqa: E501  # patterns and word lists read best unbroken
"""Undoing encodings: what a text says when its encoded parts are read.

Each decoder yields texts that are shorter than what they came from (compressed data has a cap), so the work of all
levels together stays linear in the input.
"""

import base64
import binascii
import bz2
import html
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from llm_gateway.detectors import shapes
from llm_gateway.detectors.linear import compile_pattern
from llm_gateway.detectors.spelled import SPELLED_ANCHORS, spelled_out

MAX_DEPTH = 3
MAX_INFLATED_BYTES = 1 << 20
"""Compressed text beyond this is not read, and counts as unreadable."""
_MAX_LZMA_MEMORY_BYTES = 16 << 20
"""What unpacking xz may take; `xz -6` and below ask for less."""

ENCODING_ANCHORS: tuple[str, ...] = (
    "\\u", "\\x", "\\0", "\\1", "&#", "&lt", "&quot", "&amp", "%2", "%3", "%4", "%5", "%6", "%7", "%c3", "%d0", "%d1", "%e", "\\2", "\\3", "=3d", "=20", "=40", "=c3", "=d0", "=d1", "=ef", "0x", "+ad", "\\n", "\\\"",
    "\\_", "\\-", "\\/", "\\@", "\\'", "%u00", "&colon", "&commat", "&lowbar", "&equals", "&sol", "&period", "&nbsp", "&shy", "&zw", *SPELLED_ANCHORS,
)  # fmt: skip
"""Literals that make the escape decoders worth running."""

REVERSED_ANCHORS: tuple[str, ...] = (
    "drowssap", "drowsap", "terces", "nekot", "yek ipa", "yek_", "laitnedifnoc", "laitnederc", "_phg", "-ks", "ytiruces laicos", "drac", "nabi", "//:sergtsop", "//:lqsym", "etavirp", "htua",
)  # fmt: skip
ROT13_ANCHORS: tuple[str, ...] = (
    "cnffjbeq", "cnffjq", "frperg", "gbxra", "ncv xrl", "ncv_xrl", "ncvxrl", "npprff_xrl", "pbasvqragvny", "perqragvny", "tuc_", "fx-", "fbpvny frphevgl", "pneq", "cbfgterf", "zlfdy://", "cevingr xrl", "orneer",
)  # fmt: skip
ROT47_ANCHORS: tuple[str, ...] = ("a2ddh@c5", "a2ddh5", "e@<6?", "d64c6e", "d<0=:g6", "2a:0<6j", "2a:<6j", "4@?7:56?e:2=", "i^^")
_ROT47 = str.maketrans({33 + code: 33 + (code + 47) % 94 for code in range(94)})
_ROT13 = str.maketrans("ABCDEFGHIJKLMabcdefghijklmNOPQRSTUVWXYZnopqrstuvwxyz", "NOPQRSTUVWXYZnopqrstuvwxyzABCDEFGHIJKLMabcdefghijklm")

_ESCAPED = compile_pattern(r"\\(?:u{1,4}\{?[0-9a-fA-F]{2,6}\}?|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[0-7]{3}|[nrt_/@'\"\-])")
_ESCAPE = re.compile(
    r"\\{1,16}(?:u\{([0-9a-fA-F]{2,6})\}|u{1,4}([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|00([2-7][0-9a-fA-F]) |0?([0-7]{3})|([nrt])|([!-/:-@\[-`{-~]))"
)
"""With any number of backslashes: each quoting of a quoted text doubles them."""
_RTF_ESCAPE = re.compile(r"\\'([0-9a-fA-F]{2})")
_WHITE = {"n": "\n", "r": "\r", "t": "\t"}
_PERCENT = compile_pattern(r"%[2-7c-fC-F][0-9a-fA-F]|%u00[0-9a-fA-F]{2}")
_PERCENT_U = re.compile(r"%u([0-9a-fA-F]{4})")
_ENTITY = compile_pattern(
    r"&(?:#[0-9]{2,7}|#[xX][0-9a-fA-F]{2,6}|lt|gt|quot|amp|apos|colon|equals|commat|lowbar|hyphen|dollar|sol|period|num|excl|nbsp|shy|zwj|zwnj|Tab|NewLine);?"
)
_QUOTED_PRINTABLE = compile_pattern(r"=[2-7C-F][0-9A-F](?:[^=\s]{0,8}=[2-7A-F][0-9A-F])|=\n")
_HEX_PAIRS = compile_pattern(
    r"(?:0[xX])?[0-9a-fA-F]{2}(?:(?:[\s:,]|, ?0x|,? ?\\?0?x)?[0-9a-fA-F]{2}){7,}|(?:[0-9a-fA-F]{2}(?:-|[hH][ ,]{1,2})){8,}(?:[0-9a-fA-F]{2})?"
)
_DUMP_LINE = compile_pattern(
    r"(?m)^[ \t>]{0,8}(?:0x)?[0-9a-fA-F]{4,16}:?[ \t]{1,4}((?:[0-9a-fA-F]{2}){1,8}(?:[ \-]{1,2}(?:[0-9a-fA-F]{2}){1,8}){0,31})(?:[ \t\r]|$)"
)
"""A line of a dump: the offset, the bytes, and mostly what they are as text."""
_NUMBERS = compile_pattern(r"\d{2,3}(?:[\s,;]{1,3}\d{1,3}){7,}")
_OCTALS = re.compile(r"[01][0-7]{2}(?:[\s,;]+[01][0-7]{2})*")
_BITS = compile_pattern(r"(?:0b)?[01]{8}(?:[\s,]{0,2}(?:0b)?[01]{7,8}){7,}")
_BASE64 = compile_pattern(r"[A-Za-z0-9+/_\-]{15,}(?:\s?\r?\n[ \t>]{0,8}[A-Za-z0-9+/_\-]{2,})*={0,2}")
_BASE32 = compile_pattern(r"[A-Z2-7]{16,}={0,6}|[a-z2-7]{16,}={0,6}")
_MAX_BASE32_CHARS = 65_536
_MAX_BASE85_CHARS = 8_192  # its decoder is slow; longer text of this kind is data
_BASE85 = compile_pattern(r"[!-~]{40,}")
_SPACED = compile_pattern(r"(?:[!-~][ .\-_|*]){9,}[!-~]")
_APART = compile_pattern(r"(?:[A-Za-z0-9][^A-Za-z0-9]{1,7}){9,}[A-Za-z0-9]")
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_FEWEST_LETTERS = 4
"""Rows of single digits are mostly data."""
_DOUBLE_SPACED = compile_pattern(r"(?:[!-~] ){2,}[!-~](?:  +(?:[!-~] ){1,}[!-~])+")
_SOLID_HEX = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{16,}")
_HEX_MARKS = re.compile(r"0[xX]|[\s:,\\xhH\-]")
_REALIGNED_CHARS = 4_096
_DIGIT = re.compile(r"[0-9]")
_CASES = re.compile(r"[a-z][A-Z][a-z]?[A-Z]|[A-Z][a-z][A-Z]")
_WHITESPACE = re.compile(r"\s+")
_JOINERS = re.compile(
    r"[\"'`]\s{0,4}(?:\+|\.|&|\|\||,|\\)?\s{0,8}(?:\\?\r?\n\s{0,16})?[\"'`]|[\"'`]\}\s?\$\{\s?[\"'`]|\*\*|__|(?<=\w)\^(?=\w)|``|\\\r?\n\s{0,16}|</?[bi]>|</?(?:strong|em|span|wbr)/?>|<!--.{0,40}?-->"
)
_LINE_JOIN = re.compile(
    r"(?<=[A-Za-z0-9_\-+/=@:.])\r?\n[ \t]{0,16}(?:(?:>[> ]{0,6}|#|//|\||\*|;|--|[0-9]{1,4}[ \t]{0,2}[|:)])[ \t]{0,4})?(?=[A-Za-z0-9_\-+/=@:.])"
)
"""Also where each line begins with a mark of quoting, of a comment, or with its number."""
_LETTER_SPACES = re.compile(r"(?<=[!-~]) (?=[!-~])")


_COMPRESSED = (b"\x1f\x8b", b"\x78", b"BZh", b"\xfd7zXZ")
_XZ = 0xFD
_TAR_AT = 257
_PADDING = re.compile(rb"\0+")


def readable(data: bytes) -> str:
    """The text that `data` is in UTF-8 or UTF-16, or nothing."""
    if len(data) < 6:
        return ""
    if data.startswith(_COMPRESSED):
        data = _inflate(data) or data  # text, too, can begin with an x
        if data.startswith(_COMPRESSED):
            data = _inflate(data) or data
    encoding = "utf-8"
    if data[_TAR_AT : _TAR_AT + 5] == b"ustar":
        data = _PADDING.sub(b"\n", data)  # the ends of blocks
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[1::2].count(0) * 3 > len(data) or data[0::2].count(0) * 3 > len(data):
        encoding = _wide(data)
    # A few bytes that are not text, mostly at a cut edge, do not hide the rest.
    text = data.decode(encoding, "replace")
    controls = sum(map(text.count, _CONTROLS))
    return text if controls * 20 <= len(text) + 20 else ""


_CONTROLS = (*(chr(code) for code in range(32) if code not in (9, 10, 13)), "\x7f", "\ufffd")


def _wide(data: bytes) -> str:
    """The encoding of text whose characters take two or four bytes."""
    if data.count(0) * 3 > len(data) * 2:
        return "utf-32-le" if data[0] else "utf-32-be"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return "utf-16-le" if data[1::2].count(0) * 3 > len(data) else "utf-16-be"


def _inflate(data: bytes) -> bytes:
    """What compressed streams, one behind the other, hold together, up to the cap."""
    found: list[bytes] = []
    left = MAX_INFLATED_BYTES
    try:
        while left > 0 and data.startswith(_COMPRESSED):
            stream = _decompressor(data)
            found.append(stream.decompress(data, left))
            left -= len(found[-1])
            data = stream.unused_data
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        pass  # what came before the damage counts
    return b"".join(found)


def _decompressor(data: bytes) -> "bz2.BZ2Decompressor | lzma.LZMADecompressor | zlib._Decompress":
    if data.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=_MAX_LZMA_MEMORY_BYTES) if data[0] == _XZ else zlib.decompressobj(47)


def _escapes(text: str) -> Iterator[str]:
    if "\\" in text and _ESCAPED.search(text):
        if "{\\rtf" in text:
            yield _RTF_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)
        plain = _ESCAPE.sub(_unescape_one, text)
        yield plain
        if text.isascii() and not plain.isascii():
            yield _from_bytes(plain)
    if "%" in text and _PERCENT.search(text):
        plain = unquote(_PERCENT_U.sub(lambda match: _character(int(match.group(1), 16)), text), errors="replace")
        yield plain
        if "+" in text:
            yield unquote(text.replace("+", " "), errors="replace")  # the blanks of a form
    if "&" in text and _ENTITY.search(text):
        yield html.unescape(text)
    if "=" in text and _QUOTED_PRINTABLE.search(text):
        yield binascii.a2b_qp(text.encode()).decode("utf-8", "replace")
    yield from spelled_out(text)


def _from_bytes(text: str) -> str:
    """The text whose bytes in UTF-8 the escapes stood for."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return ""


def _unescape_one(match: re.Match[str]) -> str:
    braced, short, byte, wide, style, octal, white, mark = match.groups()
    if mark:
        return str(mark)
    return _WHITE[white] if white else _character(int(octal, 8) if octal else int(braced or short or byte or wide or style, 16))


def _character(number: int) -> str:
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else " "


def _binary(text: str) -> Iterator[str]:
    for match in _BITS.finditer(text):
        bits = _WHITESPACE.sub("", match.group().replace(",", "").replace("0b", ""))
        yield readable(int(bits[: len(bits) // 8 * 8], 2).to_bytes(len(bits) // 8, "big") if len(bits) < 80_000 else b"")


def _decimal(text: str) -> Iterator[str]:
    for match in _NUMBERS.finditer(text):
        run = match.group()
        codes = [int(number) for number in re.split(r"[\s,;]+", run)]
        if max(codes) < 256:
            yield readable(bytes(codes))
        if _OCTALS.fullmatch(run):
            yield readable(bytes(int(str(code), 8) for code in codes))


def _hexadecimal(text: str) -> Iterator[str]:
    dumped = "".join(match.group(1) for match in _DUMP_LINE.finditer(text))
    if dumped:
        yield readable(bytes.fromhex(dumped.replace(" ", "").replace("-", "")))
    for match in _HEX_PAIRS.finditer(text):
        run = match.group()
        for solid in _SOLID_HEX.findall(run):
            # A run can begin with hexadecimal letters of a word before it, or be cut in the middle of a byte.
            yield readable(bytes.fromhex(solid[: len(solid) // 2 * 2]))
            yield readable(bytes.fromhex(solid[1 : 1 + (len(solid) - 1) // 2 * 2]))
        digits = _HEX_MARKS.sub("", run)
        if len(digits) != len(run):
            yield readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))
            if len(run) < _REALIGNED_CHARS:
                yield readable(bytes.fromhex(digits[1 : 1 + (len(digits) - 1) // 2 * 2]))


def _base64(text: str) -> Iterator[str]:
    tokens: list[str] = []
    pieces: list[str] = []
    for match in _BASE64.finditer(text):
        run = match.group()
        if (
            (run.isalnum() and not _CASES.search(run) and not _DIGIT.search(run))
            or run.islower()
            or (run.isupper() and len(run) < 40)
            or run.isdigit()
        ):
            continue  # base64 of text has both cases
        token = _WHITESPACE.sub("", run).replace(">", "").rstrip("=").replace("-", "+").replace("_", "/")
        tokens.append(token)
        decoded = _b64(token)
        yield decoded
        if decoded:
            pieces.append(token)
        elif run[0] == "+":
            yield _b64(token[1:])  # UTF-7
        elif text[match.start() - 1 : match.start()] == "=":
            yield _b64(token[::-1])
        if "\n" in run and not decoded:
            for line in run.split("\n"):
                yield _b64(line.strip(" \t\r>").rstrip("=").replace("-", "+").replace("_", "/"))
    # A text cut in pieces: string concatenation, a list, numbered lines.
    if len(pieces) > 1:
        yield _b64("".join(pieces))
    if len(pieces) < len(tokens) > 2 and len(set(map(len, tokens[:-1]))) == 1:
        yield _b64("".join(tokens))


def _b64(token: str) -> str:
    if len(token) < 12 or token.isdigit():
        return ""
    if len(token) % 4 == 1:
        token = token[:-1]
    try:
        return readable(base64.b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _base32(text: str) -> Iterator[str]:
    for match in _BASE32.finditer(text):
        token = match.group().rstrip("=")[:_MAX_BASE32_CHARS]
        if token.islower() and not _DIGIT.search(token):
            continue  # a long word
        token = token.upper()
        try:
            yield readable(base64.b32decode(token[: len(token) - (len(token) % 8 in (1, 3, 6))] + "=" * (-len(token) % 8)))
        except (binascii.Error, ValueError):
            continue


def encoded_text(token: str) -> bool:
    """Whether the token is base64 or base32 of some text: then that text is what counts, not the token."""
    return bool(_b64(token.strip("+=").replace("-", "+").replace("_", "/"))) or (token.isupper() and any(_base32(token)))


def _base85(text: str) -> Iterator[str]:
    for match in _BASE85.finditer(text):
        token = match.group()
        if len(token) > _MAX_BASE85_CHARS:
            continue
        for decoder in (base64.b85decode, base64.a85decode):
            try:
                decoded = readable(decoder(token.strip("<~>") if decoder is base64.a85decode else token))
            except ValueError:
                continue
            if decoded and decoded.isprintable():
                yield decoded


def decodings(text: str, seen: frozenset[int], *, escapes: bool) -> Iterator[str]:
    """What the encoded parts of `text` say. `seen`: the shapes in it. `escapes`: it holds an escape anchor."""
    if escapes:
        yield from _escapes(text)
    for shape, decoder in _DECODERS:
        if shape in seen:
            yield from decoder(text)


_DECODERS: tuple[tuple[int, Callable[[str], Iterator[str]]], ...] = (
    (shapes.BASE64, _base64), (shapes.BASE32, _base32), (shapes.BASE85, _base85), (shapes.HEX_PAIRS, _hexadecimal), (shapes.NUMBERS, _decimal), (shapes.BITS, _binary),
)  # fmt: skip


def rejoined(text: str) -> str:
    """The text without its own joints: string concatenation, markup, line breaks inside a token."""
    return _LINE_JOIN.sub("", _JOINERS.sub("", text))


def unspaced(text: str) -> Iterator[str]:
    """Readings of letters that stand apart, l i k e t h i s."""
    for match in _SPACED.finditer(text):
        run = match.group()
        yield run[0::2]
        if "  " in run:
            yield " ".join(_LETTER_SPACES.sub("", part) for part in run.split("  "))
    for match in _APART.finditer(text):
        run = match.group()
        separator = _BETWEEN.search(run)
        if separator and len(re.findall("[A-Za-z]", run)) >= _FEWEST_LETTERS:
            yield run.replace(separator.group(), "")


def rot13(text: str) -> str:
    """The text with letters turned by 13."""
    return text.translate(_ROT13)


def rot47(text: str) -> str:
    """The text with letters, digits and signs turned by 47."""
    return text.translate(_ROT47)
