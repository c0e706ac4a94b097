# patterns and word lists read best unbroken
"""What a rule is, and how a vendor's format becomes one.

A rule has anchors (lower-case literals that one Aho-Corasick scan finds) and an RE2 pattern that is tried near an anchor
only. RE2 runs in time linear in the text whatever the pattern.
"""

import random
import re
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple

from llm_gateway.detectors.linear import Match, compile_pattern
from llm_gateway.detectors.values import repetitive

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


class Pattern(NamedTuple):
    """A rule, compiled."""

    rule: Rule
    finditer: Callable[[str], Iterator[Match]]


def compile_rule(rule: Rule) -> Pattern:
    """Compile with RE2."""
    return Pattern(rule, compile_pattern(rule.pattern).finditer)


def looks_drawn(value: str) -> bool:
    """Whether the part after a known prefix varies as drawn characters do: not xxxx, not prose, not an identifier."""
    if repetitive(value) or (value.endswith("EXAMPLE") and len(value) <= 24):
        return False
    digits = sum(map(str.isdigit, value))
    if digits:
        return digits >= 2 or not value.islower()
    pieces = _CASE_PIECES.findall(value)
    return not value.islower() and not value.isupper() and sum(map(len, pieces)) <= 3.4 * len(pieces)


def _minimum(length: int) -> int:
    """A truncated key is still one: at least 12 characters, or 40 % of a long field."""
    return length if length <= 12 else max(12, length * 2 // 5)


def vendor_rule(line: str) -> Rule:
    """The rule of one line of `secrets_vendor.VENDOR_FORMATS`."""
    name, template, source = line.split("|")
    pieces = _FIELD.split(template)
    literals = [piece for piece in pieces[0::2] if piece]
    anchor = max(literals, key=len)
    parts: list[str] = []
    example: list[str] = []
    rng = random.Random(name)  # noqa: S311  # examples for tests, the same each time
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            parts.append(re.escape(piece))
            example.append(piece)
        elif piece == "u":
            parts.append(_UUID)
            example.append("-".join("".join(rng.choices("0123456789abcdef", k=size)) for size in (8, 4, 4, 4, 12)))
        else:
            pattern, alphabet = ALPHABETS[piece[0]]
            length = int(piece[1:])
            # Only the end may be missing or longer; inner fields have the length their vendor draws, within a little.
            short = len(pieces[0]) < 4 and anchor != "sk-"
            low = (length * 9 // 10 if short else _minimum(length)) if index >= last - 1 else max(1, length * 2 // 3)
            parts.append(f"{pattern}{{{low},}}")
            example.append("".join(rng.choices(alphabet, k=length)))
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
