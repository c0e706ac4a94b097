"""What a store that is away does not know: how many requests were granted and tokens used without it, by account and time."""

from collections.abc import Iterator
from typing import Final

from llm_gateway.core.counters import MINUTE_US, SLOT_US, WINDOWS_US

STEP_US: Final = 100_000
"""Grants are noted by steps of this length, and count from a step's end: a little long, never too short."""
MAX_ACCOUNTS: Final = 100_000
_PRUNE_FROM: Final = 2 * WINDOWS_US[2] // STEP_US
_COUNTS_FOR_US: Final = {"R": WINDOWS_US[2], "T": MINUTE_US + SLOT_US}

Entry = tuple[str, int, int]
"""`R` (requests) or `T` (tokens), when, how many."""


class Missed:
    """At most an hour of notes for `MAX_ACCOUNTS` accounts; beyond, those noted first are dropped."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[tuple[str, int], int]] = {}

    def __bool__(self) -> bool:
        return bool(self._accounts)

    def note(self, scope: str, letter: str, now_us: int, amount: int) -> None:
        """Something was granted (`R`) or used (`T`) now."""
        step_us = STEP_US if letter == "R" else SLOT_US
        at_us = (now_us // step_us + 1) * step_us - 1
        entries = self._accounts.get(scope)
        if entries is None:
            if len(self._accounts) >= MAX_ACCOUNTS:
                del self._accounts[next(iter(self._accounts))]
            entries = self._accounts[scope] = {}
        elif len(entries) >= _PRUNE_FROM:
            entries = self._accounts[scope] = {key: known for key, known in entries.items() if key[1] > now_us - _COUNTS_FOR_US[key[0]]}
        entries[letter, at_us] = entries.get((letter, at_us), 0) + amount

    def forget(self, scope: str) -> None:
        """An account begins anew, or is told in another way."""
        self._accounts.pop(scope, None)

    def take(self, now_us: int) -> Iterator[tuple[str, list[Entry]]]:
        """All that still counts, by account. It is forgotten."""
        accounts, self._accounts = self._accounts, {}
        for scope, entries in accounts.items():
            counting = [(letter, at_us, amount) for (letter, at_us), amount in entries.items() if at_us > now_us - _COUNTS_FOR_US[letter]]
            if counting:
                yield scope, counting
