"""All places of many literals in a text, in one pass of an Aho-Corasick automaton: its work does not depend on how many there are.

Two libraries make the same automaton. daachorse's takes half the time and half the memory, and has no wheel for some platforms.
"""

from collections.abc import Callable, Sequence

import ahocorasick_rs

try:
    from daachorse import DoubleArrayAhoCorasick
except ImportError:  # no wheel for this platform; the other one finds the same
    DoubleArrayAhoCorasick = None  # type: ignore[assignment, misc]

Find = Callable[[bytes], list[tuple[int, int, int]]]
"""(start, end, index of the literal) of all occurrences in some bytes, overlapping ones too, by their ends; of those with the same end
the longest comes first."""


def finder(literals: Sequence[bytes]) -> Find:
    """What finds the `literals`, which are different and not empty."""
    return portable_finder(literals) if DoubleArrayAhoCorasick is None else DoubleArrayAhoCorasick(list(literals)).find_overlapping


def portable_finder(literals: Sequence[bytes]) -> Find:
    """The same by the library that has wheels everywhere."""
    automaton = ahocorasick_rs.BytesAhoCorasick(literals, implementation=ahocorasick_rs.Implementation.ContiguousNFA)

    def find(raw: bytes) -> list[tuple[int, int, int]]:
        return [(start, end, index) for index, start, end in automaton.find_matches_as_indexes(raw, overlapping=True)]

    return find


def in_characters(found: list[tuple[int, int, int]], raw: bytes) -> list[tuple[int, int, int]]:
    """What was found in UTF-8, with offsets in characters."""
    counted: list[tuple[int, int, int]] = []
    at = characters = 0
    for start, end, index in found:
        characters += len(raw[at:end].decode("utf-8", "surrogatepass"))
        at = end
        counted.append((characters - len(raw[start:end].decode("utf-8", "surrogatepass")), characters, index))
    return counted
