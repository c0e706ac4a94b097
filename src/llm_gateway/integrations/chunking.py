"""Cutting a document into the pieces that it is found by: at paragraphs, else at sentences, else at words. Pure."""

import re
from typing import Final

_PARAGRAPH: Final = re.compile(r"\n\s*\n")
_SENTENCE: Final = re.compile(r"(?<=[.!?。！？])\s+|\n")
OVERLAP: Final = 0.1
"""Share of a piece that a paragraph cut in the middle is repeated for in the next one, so that what stands at the cut is found whole."""


def chunks_of(content: str, size_chars: int) -> list[str]:
    """The pieces of `content`, in order, each at most `size_chars` long and none empty; every word is in one of them."""
    pieces: list[str] = []
    held = ""
    for part in _parts(content, size_chars):
        if held and len(held) + 2 + len(part) > size_chars:
            pieces.append(held)
            held = ""
        held = f"{held}\n\n{part}" if held else part
    if held:
        pieces.append(held)
    return pieces


def _parts(content: str, size_chars: int) -> list[str]:
    """Paragraphs, those that are too long cut up."""
    parts: list[str] = []
    for paragraph in _PARAGRAPH.split(content):
        bare = paragraph.strip()
        if len(bare) <= size_chars:
            parts += [bare] if bare else []
        else:
            parts += _cut(bare, size_chars)
    return parts


def _cut(paragraph: str, size_chars: int) -> list[str]:
    parts: list[str] = []
    held = ""
    for sentence in _SENTENCE.split(paragraph):
        for piece in _windows(sentence.strip(), size_chars):
            if held and len(held) + 1 + len(piece) > size_chars:
                parts.append(held)
                tail = held[-int(size_chars * OVERLAP) :].partition(" ")[2]
                held = tail if len(tail) + 1 + len(piece) <= size_chars else ""
            held = f"{held} {piece}" if held else piece
    return [*parts, held] if held else parts


def _windows(sentence: str, size_chars: int) -> list[str]:
    """A sentence, or, of one that is too long by itself, its stretches, cut between words where there are any."""
    windows: list[str] = []
    while len(sentence) > size_chars:
        at = sentence.rfind(" ", size_chars // 2, size_chars)
        at = size_chars if at < 0 else at
        windows.append(sentence[:at].rstrip())
        sentence = sentence[at:].lstrip()
    return [*windows, sentence] if sentence else windows


def snippet_of(content: str, words: list[str], length_chars: int = 320) -> str:
    """The stretch of a piece around the first of `words` that stands in it; its beginning where none does."""
    lower = content.lower()
    places = [place for place in (lower.find(word) for word in words) if place >= 0]
    start = max(0, min(places, default=0) - length_chars // 4)
    if start:
        start = content.find(" ", start) + 1 or start
    cut = content[start : start + length_chars]
    return ("… " if start else "") + cut.strip() + (" …" if start + length_chars < len(content) else "")
