# patterns and word lists read best unbroken
"""What a rule is, and how a vendor's format becomes one.

A rule has anchors (lower-case literals that one Aho-Corasick scan finds) and an RE2 pattern that is tried near an anchor
only. RE2 runs in time linear in the text whatever the pattern.
"""

import hashlib
import re
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple

from llm_gateway.detectors.linear import Match, compile_pattern
from llm_gateway.detectors.linear import Pattern as LinearPattern
from llm_gateway.detectors.values import PUBLISHED_KEYS, repetitive, wordlike

LETTERS = string.ascii_letters
ALPHABETS: dict[str, tuple[str, str]] = {
    "n": ("[A-Za-z0-9]", LETTERS + string.digits),
    "x": ("[0-9a-fA-F]", "0123456789abcdef"),
    "N": ("[A-Z0-9]", string.ascii_uppercase + string.digits),
    "l": ("[a-z0-9]", string.ascii_lowercase + string.digits),
    "w": ("[A-Za-z0-9_\\-]", LETTERS + string.digits + "_-"),
    "b": ("[A-Za-z0-9+/=]", LETTERS + string.digits + "+/"),
    "d": ("[0-9]", string.digits),
}
"""Letter of a template field: RE2 class, and the characters that examples are drawn from."""

WINDOW_BEFORE, WINDOW_AFTER = 96, 640
"""Characters around an anchor that a pattern may use."""

_CASE_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_FIELD = re.compile(r"\{(u|[nxNlwbd]\d+)\}")
_WIDE, _WIDE_END = "[A-Za-z0-9]", "[A-Za-z0-9_\\-]"
"""What a field of letters and digits may hold: vendors change alphabets more often than prefixes."""
_COMMON_PREFIXES = frozenset({"test_", "live_", "api_", "api-", "key-", "mob-", "sdk-", "sess-", "secret_", "cal_", "pat.", "sat."})
"""Prefixes that identifiers begin with too: what follows must be nearly as long as the vendor draws it, and solid."""
_UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"


class Hit(NamedTuple):
    """Something seen in a text: where, of which kind, how sure. Offsets are into the scanned text."""

    kind: str
    confidence: float
    rule: str
    start: int
    end: int


class Rule(NamedTuple):
    """A pattern near an anchor. Group 1, where there is one, is the secret part that `accept` looks at."""

    name: str
    kind: str
    confidence: float
    anchors: tuple[str, ...]
    pattern: str
    source: str
    positive: str
    negative: str
    accept: Callable[[str], bool] | None = None
    full_chars: int = 0  # length of a whole key, where the format fixes it
    needs: str = ""  # text without which the pattern cannot match
    joins: bool = False  # whether to look again with line breaks, quotes and markup taken out
    prefix: bool = False  # whether the anchor begins the key


class Pattern:
    """A rule, compiled when a text first holds one of its literals.

    Safe to share between threads: two that meet the literal at once compile it twice and keep either.
    """

    __slots__ = ("_compiled", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._compiled: LinearPattern | None = None

    def finditer(self, text: str) -> Iterator[Match]:
        """Matches in `text`, from the left."""
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = compile_pattern(self.rule.pattern)
        return compiled.finditer(text)


def passage(text: str, start: int, end: int, reach: int) -> tuple[int, int]:
    """The borders of what stands within `reach` characters of [start, end) and in the same paragraph.

    Signs that something is harmless count from there only, so that text put before or behind a find does not hide it.
    """
    low = text.rfind("\n\n", max(0, start - reach), start)
    high = text.find("\n\n", end, end + reach)
    return (low + 2 if low >= 0 else max(0, start - reach)), (high if high >= 0 else min(len(text), end + reach))


def looks_drawn(value: str) -> bool:
    """Whether the part after a known prefix varies as drawn characters do: not xxxx, not prose, not an identifier."""
    if repetitive(value) or (value.endswith("EXAMPLE") and len(value) <= 24) or value.endswith(PUBLISHED_KEYS):
        return False
    digits = sum(map(str.isdigit, value))
    if digits:
        return digits >= 2 or not value.islower()
    if value.isupper() or value.islower():
        plain = len(value) >= 16 and not _STAND_IN.search(value)
        return plain and ((value.isalpha() and value.isupper()) or bool(_UNPRONOUNCEABLE.search(value)))
    pieces = _CASE_PIECES.findall(value)
    if sum(map(len, pieces)) <= 3.4 * len(pieces):
        return True
    words = sum(len(piece) for piece in pieces if len(piece) >= 4 and wordlike(piece))
    return len(value) >= 16 and len(set(value)) >= 9 and not _STAND_IN.search(value) and 2 * words <= len(value)


_STAND_IN = re.compile(r"(?i)your|key|token|secret|example|access|insert|replace|dummy|sample|here")
_UNPRONOUNCEABLE = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{5}|[aeiou]{4}|q[^u]")


def _minimum(length: int) -> int:
    """A truncated key is still one, and vendors change lengths: 40 % of the usual one, between 12 and 24 characters."""
    return min(length, max(12, min(24, length * 2 // 5)))


def _drawn(name: str, alphabet: str, length: int) -> str:
    """`length` characters of `alphabet` that differ from name to name and never change."""
    digest = hashlib.shake_128(name.encode()).digest(length)
    return "".join(alphabet[byte % len(alphabet)] for byte in digest)


def vendor_rule(line: str) -> Rule:
    """The rule of one line of `secrets_vendor.VENDOR_FORMATS`."""
    name, template, source = line.split("|")
    pieces = _FIELD.split(template)
    literals = [piece for piece in pieces[0::2] if piece]
    anchor = max(literals, key=len)
    parts: list[str] = []
    example: list[str] = []
    last = len(pieces) - 1
    short = pieces[0] in _COMMON_PREFIXES or (len(pieces[0]) < 4 and anchor != "sk-")
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            parts.append(re.escape(piece))
            example.append(piece)
        elif piece == "u":
            parts.append(_UUID)
            digits = _drawn(f"{name}{index}", "0123456789abcdef", 32)
            example.append(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")
        else:
            pattern, alphabet = ALPHABETS[piece[0]]
            length = int(piece[1:])
            if piece[0] in "nxNl":
                pattern = _WIDE_END if index >= last - 1 and not short else _WIDE
            # Only the end may be missing or longer; inner fields have the length their vendor draws, within a little.
            low = (length * 9 // 10 if short else _minimum(length)) if index >= last - 1 else max(1, length * 2 // 3)
            parts.append(f"{pattern}{{{low},}}")
            example.append(_drawn(f"{name}{index}", alphabet, length))
    body = "".join(parts)
    negative = "".join("x" * (36 if p == "u" else int(p[1:])) if i % 2 else p for i, p in enumerate(pieces))
    return Rule(
        f"vendor.{name}",
        "secret.api_key",
        0.95,
        (anchor.lower(),),
        f"(?:^|[^A-Za-z0-9])({body})",
        source,
        "".join(example),
        negative,
        _drawn_after(len(pieces[0])),
        len("".join(example)),
        joins=True,
        prefix=anchor == pieces[0],
    )


def _drawn_after(skipped: int) -> Callable[[str], bool]:
    return lambda value: looks_drawn(value[skipped:] if len(value) >= skipped + 8 else value)
