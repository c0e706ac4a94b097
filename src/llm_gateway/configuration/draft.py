"""A configuration in the making: values from several sources, the later over the earlier, and what is wrong with them."""

import copy
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from llm_gateway.configuration.masking import shown
from llm_gateway.configuration.shape import ROOT, Path, Place, expected, find, path_text, unknown_key

SKIP: Final = object()
"""In the place of a value that was already complained of."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with one setting; `origin` as in `Loaded.origins`, empty when nobody set it."""

    path: str
    origin: str
    text: str

    def __str__(self) -> str:
        where = f" ({self.origin})" if self.origin else ""
        return f"{self.path}{where}: {self.text}" if self.path else f"{self.origin or 'configuration'}: {self.text}"


class Draft:
    """Settings by path, with the origin of each. Only known places take values; complaints gather in `problems`."""

    def __init__(self) -> None:
        self.tree: dict[str, object] = {}
        self.origins: dict[Path, str] = {}
        self.lines: dict[Path, str] = {}
        """Origin of every place in the file."""
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self._notes: list[tuple[Path, str, str]] = []
        self._faulty: list[Path] = []

    def put(self, path: Path, value: object, origin: str | None) -> None:
        """Set what stands at `path`: a value, or a whole section over what is there. Origin None: the file, line by line."""
        place: Place | None = ROOT
        for depth, key in enumerate(path):
            above, place = place, None if place is None else place.below(key)
            if place is None:
                self._complain_unknown(path[: depth + 1], above, origin)
                return
        if place is not None:
            self._put(path, place, value, origin)

    def _put(self, path: Path, place: Place, value: object, origin: str | None) -> None:
        where = self._where(path, origin)
        if value is SKIP:
            return
        if isinstance(value, Mapping) and place.is_section:
            self._section_at(path)
            for key, item in value.items():
                below = place.below(key)
                if below is None:
                    self._complain_unknown((*path, key), place, origin)
                else:
                    self._put((*path, key), below, item, origin)
        elif place.is_section and value is None:
            self._section_at(path)  # its lines are all commented out
        elif place.is_section or isinstance(value, Mapping):
            got = "a section" if isinstance(value, Mapping) else shown(value, path)
            self.complain(path_text(path), where, f"{got}; expected {expected(place)}")
        elif value is None and not place.nullable:
            self.complain(path_text(path), where, f"nothing stands here; expected {expected(place)}, or no such line")
        elif isinstance(value, bool) and place.annotation in (int, float):
            self.complain(path_text(path), where, f"{shown(value, path)}; expected {expected(place)}")
        else:
            self._section_at(path[:-1])[str(path[-1])] = value
            self.origins[path] = where

    def names(self, section: str) -> tuple[str, ...]:
        """The names in a section so far."""
        return tuple(self.section((section,)))

    def section(self, path: Path) -> Mapping[str, object]:
        """What stands in a section so far."""
        return self._section_at(path)

    def _section_at(self, path: Path) -> dict[str, object]:
        here = self.tree
        for key in path:
            below = here.setdefault(str(key), {})
            if not isinstance(below, dict):
                raise TypeError(f"{path_text(path)} is no section")
            here = below
        return here

    def _where(self, path: Path, origin: str | None) -> str:
        return self.lines.get(path, "") if origin is None else origin

    def complain(self, path: str, origin: str, text: str) -> None:
        self.problems.append(Problem(path, origin, text))

    def _complain_unknown(self, path: Path, above: Place | None, origin: str | None) -> None:
        where = self._where(path, origin)
        if above is None or not above.is_section:
            self.complain(path_text(path), where, f"unknown key; {path_text(path[:-1])} takes {expected(above or ROOT)}")
        else:
            self.complain(path_text(path), where, unknown_key(path, above.keys() or ()))

    def complain_of_value(self, path: Path, fault: str, value: object) -> None:
        """A model refused a value; `fault` is pydantic's type of error, `value` what it was given."""
        place = find(path)
        wanted = expected(place) if place is not None else "something else"
        if fault == "missing":
            self._faulty.append(path[:-1])
            self.complain(path_text(path), self._origin_near(path[:-1]), f"missing; expected {wanted}")
            return
        self._faulty.append(path)
        quote = "; put it in quotes" if wanted.startswith("text") and isinstance(value, bool | int | float) else ""
        self.complain(path_text(path), self._origin_near(path), f"{shown(value, path)}; expected {wanted}{quote}")

    def complain_between(self, path: Path, text: str) -> None:
        """A value is wrong beside others. Said once: not of what was complained of before."""
        if path_text(path) not in {problem.path for problem in self.problems}:
            self.complain(path_text(path), self._origin_near(path), text)

    def _origin_near(self, path: Path) -> str:
        """Where a value came from; of a missing one, where the nearest section that it belongs to did."""
        for end in range(len(path), 1, -1):
            part = path[:end]
            if (origin := self.origins.get(part)) is not None:
                return self.lines.get(path, origin) if origin == self.lines.get(part) else origin
            if part in self.lines:
                return self.lines[part]
            below = next((origin for leaf, origin in self.origins.items() if leaf[:end] == part), None)
            if below is not None:
                return below
        return self.lines.get(path[:1], "")

    def without_faults(self) -> dict[str, object]:
        """A copy of the tree without the values that a model refused."""
        tree = copy.deepcopy(self.tree)
        for path in self._faulty:
            _remove(tree, path)
        return tree

    def note(self, path: Path, origin: str, text: str) -> None:
        """Something to say of a value, if no later source replaces it."""
        self._notes.append((path, origin, text))

    def final_notes(self) -> Iterator[str]:
        for path, origin, text in self._notes:
            if self.origins.get(path) == origin:
                yield f"{path_text(path)} ({origin}): {text}"

    def verdict(self) -> str:
        """All problems, one a line."""
        count = len(self.problems)
        head = "one setting is wrong" if count == 1 else f"{count} settings are wrong"
        return "\n  ".join([f"{head}:", *map(str, self.problems)])


def _remove(tree: dict[str, object], path: Path) -> None:
    here: object = tree
    for depth, key in enumerate(path):
        if not isinstance(here, dict):  # a list: an item cannot go alone
            _remove(tree, path[:depth])
            return
        if depth == len(path) - 1:
            here.pop(key, None)
            return
        here = here.get(key)
