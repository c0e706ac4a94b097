"""An example text for a regular expression, for `pattern` in JSON schemas.

Reads the plain part of the syntax (literals, classes, groups, alternatives, quantifiers); what a pattern asks beyond
that shows in the check at the end, and then the wish is handed back as it is.
"""

import re

_CLASSES = {"d": "1", "D": "a", "w": "a", "W": "-", "s": " ", "S": "a", "b": "", "B": "", "A": "", "Z": "", "t": "\t", "n": "\n", "r": "\r"}
_CANDIDATES = "a1A0-_ ./:@#zZ9~!"


def example_of(pattern: str, wish: str) -> str:
    """`wish` when it matches `pattern` (searched, as JSON schema has it), else a made-up text that does."""
    try:
        rule = re.compile(pattern)
        if rule.search(wish):
            return wish
        made = _Reader(pattern).alternatives()
    except (re.error, IndexError, ValueError):
        return wish
    return made if rule.search(made) else wish


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> str:
        """The first alternative of a group or of the whole; leaves the reader behind the last one."""
        first = self._sequence()
        while self._peek() == "|":
            self._at += 1
            self._sequence()
        return first

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        taken = self._pattern[self._at]
        self._at += 1
        return taken

    def _sequence(self) -> str:
        made: list[str] = []
        while self._peek() not in ("", "|", ")"):
            atom = self._atom()
            made.append(atom * self._repeats())
        return "".join(made)

    def _atom(self) -> str:
        taken = self._take()
        if taken == "(":
            return self._group()
        if taken == "[":
            return self._char_class()
        if taken == "\\":
            escaped = self._take()
            return _CLASSES.get(escaped, escaped)
        if taken in "^$":
            return ""
        return "a" if taken == "." else taken

    def _group(self) -> str:
        kept = True
        if self._peek() == "?":
            self._at += 1
            mark = self._take()
            if mark in "P<" and self._pattern[self._at : self._at + 1] not in ("=", "!"):
                self._at = self._pattern.index(">", self._at) + 1
            elif mark != ":":
                kept = False
                self._at += mark == "<"
        inside = self.alternatives()
        self._take()
        return inside if kept else ""

    def _char_class(self) -> str:
        start = self._at - 1
        self._at += self._peek() == "^"
        self._at += self._peek() == "]"
        while self._take() != "]":
            if self._pattern[self._at - 1] == "\\":
                self._at += 1
        rule = re.compile(self._pattern[start : self._at])
        return next((letter for letter in map(chr, (*_CANDIDATES.encode(), *range(32, 127), *range(160, 1024))) if rule.match(letter)), "")

    def _repeats(self) -> int:
        """How often the atom just read must stand here: the least that its quantifier allows, but once for `*` and `?`."""
        mark = self._peek()
        if not mark or mark not in "*+?{":
            return 1
        count = 1
        if mark == "{":
            end = self._pattern.find("}", self._at)
            least = self._pattern[self._at + 1 : end].split(",")[0] if end > 0 else "x"
            if not least.isdigit():
                return 1
            count, self._at = int(least), end
        self._at += 1
        if self._peek() in ("?", "+"):
            self._at += 1
        return count
