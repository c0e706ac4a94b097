"""Faults: what goes wrong, and for which requests.

A rule is the first one of its book whose conditions all hold; it then decides alone. Rules count what they see, and draw
from their own seeded dice, so that a run can be repeated.
"""

import random
from collections.abc import Iterable
from typing import Literal

import msgspec

from llm_gateway.simulator.exchange import Kind, Request

Quirk = Literal["omit_usage", "omit_input_usage", "no_output", "finish_stop_on_tools", "echo_key"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A piece of a scenario; unknown keys are refused."""


class Drip(_Part, frozen=True):
    """Sends `size_bytes` at a time with `every_s` seconds between; the head of the answer too when `head`."""

    every_s: float
    size_bytes: int = 1
    head: bool = False


class Huge(_Part, frozen=True):
    """Too much of something. Each is a valid answer, only large.

    `body_bytes`: an unstreamed body is padded with a field of that size, a stream repeats a content frame until so many
    bytes are out. `line_bytes`: one line, event or frame of that size. `headers`: so many more headers.
    """

    body_bytes: int = 0
    line_bytes: int = 0
    headers: int = 0


class Fault(_Part, frozen=True):
    """What happens to an answer. A chunk is a frame of a stream, or 64 bytes of an unstreamed body.

    status, headers, body (text) or body_base64, message, retry_after: another answer in place of the right one; a status
        of 400 or more without a body gets the vendor's own error form. Headers alone are added to the right answer.
    delay_s before the headers, body_delay_s after them, chunk_delay_s before each further chunk. never_answer: silence.
    reset_before_headers, reset_after_chunks: a TCP reset. close_after_chunks: the connection ends inside the body.
    end_after_chunks: the body ends early, but well-formed HTTP: no `[DONE]`, no `message_stop`.
    close_after_answer: a whole answer, then the connection is closed unannounced.
    malformed: `json` is cut in the middle, `schema` is JSON of another shape, `html` is a page, `empty` is nothing.
    error_after_chunks: the vendor's error event, as of error_status and message, and the end of the stream.
    duplicate_chunks: each frame twice. reorder_chunks: neighbours swapped. comments: SSE comments between events.
    line_ends: crlf, cr, or mixed, in SSE (NDJSON knows only crlf). multi_line_data: an event's JSON over two `data` lines.
    split_utf8: cut inside characters of several bytes. split_bytes: cut anew into chunks of that size.
    drip, huge: bit by bit, and too much (see `Drip`, `Huge`).
    gzip_bomb_bytes: the answer behind so many bytes of white space, gzipped.
    quirks: oddities of the dialect: usage left out (omit_usage, omit_input_usage), a Converse answer without output
        (no_output), finish_reason stop on tool calls (finish_stop_on_tools), the refused key echoed whole (echo_key).
    """

    status: int | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    body_base64: bytes | None = None
    message: str = ""
    retry_after: int | float | str | None = None
    delay_s: float = 0
    body_delay_s: float = 0
    chunk_delay_s: float = 0
    never_answer: bool = False
    reset_before_headers: bool = False
    reset_after_chunks: int | None = None
    close_after_chunks: int | None = None
    end_after_chunks: int | None = None
    close_after_answer: bool = False
    malformed: Literal["json", "schema", "html", "empty"] | None = None
    error_after_chunks: int | None = None
    error_status: int = 500
    duplicate_chunks: bool = False
    reorder_chunks: bool = False
    comments: bool = False
    line_ends: Literal["crlf", "cr", "mixed"] | None = None
    multi_line_data: bool = False
    split_utf8: bool = False
    split_bytes: int | None = None
    drip: Drip | None = None
    huge: Huge | None = None
    gzip_bomb_bytes: int | None = None
    quirks: tuple[Quirk, ...] = ()


class FaultRule(Fault, frozen=True):
    """A fault and the requests it is for; a condition left out holds for all.

    path: beginning of the path. contains: in the raw body. nth: 1 is the first of the requests that meet the other
    conditions, a list names several. after: so many of them are let through first. times: at most so often.
    probability: of 1, drawn anew for each. The name shows in the log.
    """

    name: str = ""
    kind: Kind | None = None
    method: str | None = None
    path: str = ""
    contains: str = ""
    nth: int | tuple[int, ...] | None = None
    after: int = 0
    times: int | None = None
    probability: float = 1


class _Line:
    """A rule with its counts."""

    __slots__ = ("applied", "contains", "dice", "nth", "rule", "seen")

    def __init__(self, rule: FaultRule, seed: str) -> None:
        self.rule = rule
        self.contains = rule.contains.encode()
        self.nth = (rule.nth,) if isinstance(rule.nth, int) else rule.nth
        self.dice = random.Random(seed)  # noqa: S311 - a repeatable draw is the point; nothing secret hangs on it
        self.seen = self.applied = 0

    def takes(self, request: Request) -> bool:
        rule = self.rule
        if rule.kind not in (None, request.kind) or rule.method not in (None, request.method):
            return False
        if not request.path.startswith(rule.path) or self.contains not in request.body:
            return False
        self.seen += 1
        if self.seen <= rule.after or (self.nth is not None and self.seen not in self.nth):
            return False
        if rule.times is not None and self.applied >= rule.times:
            return False
        if rule.probability < 1 and self.dice.random() >= rule.probability:
            return False
        self.applied += 1
        return True


class FaultBook:
    """The rules in force, in order."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._lines: list[_Line] = []
        self._added = 0

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Appends rules; those before them go first."""
        for rule in rules:
            self._lines.append(_Line(rule, f"{self._seed}:{self._added}"))
            self._added += 1

    def clear(self) -> None:
        """Drops all rules; the next ones draw as if they were the first."""
        self._lines.clear()
        self._added = 0

    def choose(self, request: Request) -> FaultRule | None:
        """The rule for this request, counted as applied; None when it is answered rightly."""
        for line in self._lines:
            if line.takes(request):
                return line.rule
        return None

    def state(self) -> list[dict[str, object]]:
        """Each rule, how many requests met its conditions, how many it was put on."""
        return [{"rule": line.rule, "seen": line.seen, "applied": line.applied} for line in self._lines]
