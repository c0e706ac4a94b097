"""Checking a trail: is every row as it was written, at its place, and is none missing?

What is found, each with the first row that is wrong: a changed byte, a removed row, swapped rows, an inserted row, a tail cut
off (the head record tells), a beginning cut off (unless a checkpoint accounts for it), a whole chain removed (a later
chain's anchor names it). What nothing inside a database can tell: that all of it, records included, was put back to an
older state. Keep a head elsewhere for that.
"""

import hmac
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from llm_gateway.audit.chain import AuditKey, Checkpoint, Head, is_sealed
from llm_gateway.audit.rows import NO_MAC, AnchorDetail, Row, canonical

_anchor_decoder = msgspec.json.Decoder(AnchorDetail)
_UNSAYABLE: Final = (TypeError, UnicodeEncodeError, OverflowError, ValueError)


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, and the first row where it shows. `seq` None: it is not about one row."""

    chain: str
    seq: int | None
    what: str

    def __str__(self) -> str:
        return f"chain {self.chain}: {self.what}" if self.seq is None else f"chain {self.chain}, row {self.seq}: {self.what}"


class ChainVerdict(msgspec.Struct, frozen=True):
    """One chain: how many rows were checked, from where to where, and what is wrong with it."""

    chain: str
    rows: int
    first: int | None
    last: int | None
    state: str
    problem: Problem | None
    open_calls: int
    """Calls without an outcome: running now, or not yet recovered."""


class Verdict(msgspec.Struct, frozen=True):
    """The whole trail. `problems` has at most one of each chain, in the order of the chains, then those between chains."""

    intact: bool
    rows: int
    chains: tuple[ChainVerdict, ...]
    problems: tuple[Problem, ...]
    partial: bool = False
    """It was an extract: its rows are as they were written, but what is missing between them cannot be judged."""


class ChainCheck:
    """Reads one chain's rows in the order of `seq`. After the first wrong row the rest of the chain is only counted."""

    def __init__(
        self,
        chain: str,
        key: AuditKey,
        head: Head | None = None,
        checkpoint: Checkpoint | None = None,
        wanted: Iterable[int] = (),
        *,
        partial: bool = False,
    ) -> None:
        self._chain = chain
        self._key = key
        self._head = head
        self._checkpoint = checkpoint
        self._partial = partial
        self._wanted = frozenset(wanted)
        """Rows that other chains' anchors name: their MACs are kept."""
        self._next = 0
        self._prev = NO_MAC
        self._problem: Problem | None = None
        self.rows = 0
        self._first: int | None = None
        self._open: set[int] = set()
        self.anchors: list[AnchorDetail] = []
        self._macs: dict[int, bytes] = {}
        self._check_records()

    def _check_records(self) -> None:
        if self._partial:
            return
        checkpoint = self._checkpoint
        if checkpoint is not None:
            if not is_sealed(self._key, checkpoint):
                self._fail(None, "its checkpoint was changed, or made with another key")
            else:
                self._next, self._prev = checkpoint.seq + 1, checkpoint.mac
        if self._head is not None and not is_sealed(self._key, self._head):
            self._fail(None, "its head record was changed, or made with another key")

    def _fail(self, seq: int | None, what: str) -> None:
        if self._problem is None:
            self._problem = Problem(self._chain, seq, what)

    def feed(self, row: Row) -> None:
        """Check the next row."""
        self.rows += 1
        if self._problem is not None:
            return
        seq = row.seq
        if not isinstance(seq, int):
            self._fail(None, "a row's number was changed")
            return
        if self._first is None:
            self._first = seq
            if self._partial:
                self._next, self._prev = seq, row.prev
        what = self._wrong(row)
        if what:
            self._fail(seq, what)
            return
        self._next, self._prev = seq + 1, row.mac
        if seq in self._wanted:
            self._macs[seq] = row.mac
        if row.kind == "intent":
            self._open.add(row.call)
        elif row.kind == "outcome":
            self._open.discard(row.call)
        elif row.kind == "anchor":
            self.anchors.append(_anchor_decoder.decode(row.detail))

    def _wrong(self, row: Row) -> str:
        """What is wrong with a row; empty: nothing."""
        try:
            authentic = hmac.compare_digest(self._key.mac(canonical(row)), row.mac)
        except _UNSAYABLE:
            authentic = False
        if row.seq < self._next:
            return "it stands twice, or out of its order"
        if row.seq > self._next and not self._partial:
            return f"{_rows(self._next, row.seq - 1)} missing before it"
        if not authentic:
            return "it is not as it was written (or it was made with another key)"
        if row.seq == self._next and row.prev != self._prev:
            return "it does not follow the row before it"
        if row.seq == 0 and row.kind != "anchor":
            return "a chain begins with an anchor"
        return ""

    @property
    def problem(self) -> Problem | None:
        """What is wrong so far."""
        return self._problem

    def finish(self) -> ChainVerdict:
        """The verdict on the chain; `rows` were all of it."""
        head, last = self._head, self._next - 1
        if not self._partial:
            if head is None:
                self._fail(self._first, "it has no head record, so its end cannot be told")
            elif head.seq > last:
                self._fail(last + 1, f"{_rows(last + 1, head.seq)} missing at the end")
            elif head.seq < last:
                self._fail(head.seq + 1, "its head record ends before this row")
            elif head.mac != self._prev:
                self._fail(last, "its head record names another row as the last one")
        return ChainVerdict(
            self._chain, self.rows, self._first, last if self.rows else None, head.state if head else "", self._problem, len(self._open)
        )

    def mac_at(self, seq: int) -> bytes | None:
        """The MAC of a row that was checked and `wanted`, or of the last one that was removed."""
        if self._checkpoint is not None and seq == self._checkpoint.seq:
            return self._checkpoint.mac
        return self._macs.get(seq)

    def removed(self, seq: int) -> bool:
        """Whether a row was removed in good order."""
        return self._checkpoint is not None and seq < self._checkpoint.seq


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"


def wanted_of(anchors: Iterable[str]) -> dict[str, set[int]]:
    """The rows that anchors (their `detail`, not yet checked) name, by chain."""
    wanted: dict[str, set[int]] = {}
    for detail in anchors:
        try:
            previous = _anchor_decoder.decode(detail).previous
        except (msgspec.MsgspecError, UnicodeEncodeError, TypeError):
            continue  # it was changed; checking its chain will say so
        for row in previous:
            wanted.setdefault(row.chain, set()).add(row.seq)
    return wanted


class TrailCheck:
    """Checks a whole trail, chain after chain, whoever brings the rows. `partial`: they are an extract."""

    def __init__(
        self, key: AuditKey, heads: Iterable[Head], checkpoints: Iterable[Checkpoint], anchors: Iterable[str], *, partial: bool = False
    ) -> None:
        self._key = key
        self._heads = {head.chain: head for head in heads}
        self._checkpoints = {point.chain: point for point in checkpoints}
        self._wanted = wanted_of(anchors)
        self._partial = partial
        self._checks: dict[str, ChainCheck] = {}

    def chain(self, name: str) -> ChainCheck:
        """The check of one chain, to be fed with its rows."""
        check = self._checks.get(name)
        if check is None:
            head, point = self._heads.get(name), self._checkpoints.get(name)
            check = self._checks[name] = ChainCheck(name, self._key, head, point, self._wanted.get(name, ()), partial=self._partial)
        return check

    def verdict(self) -> Verdict:
        """What it all amounts to, when every chain has had its rows."""
        for name in (*self._heads, *self._checkpoints):
            self.chain(name)
        verdicts = tuple(self._checks[name].finish() for name in sorted(self._checks))
        problems = [verdict.problem for verdict in verdicts if verdict.problem is not None]
        if not self._partial:
            problems += self._between_chains({problem.chain for problem in problems})
        rows = sum(verdict.rows for verdict in verdicts)
        return Verdict(not problems, rows, verdicts, tuple(problems), self._partial)

    def _between_chains(self, broken: set[str]) -> Iterator[Problem]:
        """Whether every chain that an anchor names is there, and went as far as it says."""
        told = set(broken)
        for name, check in sorted(self._checks.items()):
            for row in (row for anchor in check.anchors for row in anchor.previous):
                other = self._checks.get(row.chain)
                if row.chain in told:
                    continue
                if other is None:
                    told.add(row.chain)
                    yield Problem(row.chain, None, f"it is missing; chain {name} names its row {row.seq} in its anchor")
                elif not other.removed(row.seq) and other.mac_at(row.seq) != bytes.fromhex(row.mac):
                    told.add(row.chain)
                    yield Problem(row.chain, row.seq, f"it is not the row that chain {name} names in its anchor")
