"""Trails made in memory, for checking and for harming."""

from dataclasses import dataclass, field

import msgspec

from llm_gateway.audit.chain import AuditKey, Chain, Checkpoint, Head, make_checkpoint, named
from llm_gateway.audit.rows import AnchorDetail, Entry, Row
from llm_gateway.audit.verification import TrailCheck, Verdict

KEY = AuditKey(b"k" * 32)
OTHER_KEY = AuditKey(b"o" * 32)
AT_US = 1_800_000_000_000_000
FIRST, SECOND = "01FIRST", "02SECOND"


@dataclass
class Trail:
    """Rows by chain, with the records beside them."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def verify(self, key: AuditKey = KEY, *, partial: bool = False) -> Verdict:
        anchors = [row.detail for rows in self.rows.values() for row in rows if row.kind == "anchor"]
        check = TrailCheck(key, self.heads.values(), self.checkpoints.values(), anchors, partial=partial)
        for chain, rows in self.rows.items():
            for row in rows:
                check.chain(chain).feed(row)
        return check.verdict()

    def remove_until(self, chain: str, seq: int, key: AuditKey = KEY) -> None:
        """As the gateway removes old rows."""
        last = next(row for row in self.rows[chain] if row.seq == seq)
        self.checkpoints[chain] = make_checkpoint(key, last, AT_US)
        self.rows[chain] = [row for row in self.rows[chain] if row.seq > seq]

    def copy(self) -> "Trail":
        return Trail({chain: list(rows) for chain, rows in self.rows.items()}, dict(self.heads), dict(self.checkpoints))


def anchor(previous: list[Head], key: AuditKey = KEY) -> Entry:
    detail = AnchorDetail(key.key_id, "1.0.0", tuple(named(head) for head in previous))
    return Entry(AT_US, "anchor", msgspec.json.encode(detail).decode())


def intent(call: int, **fields: object) -> Entry:
    return Entry(AT_US + call, "intent", '{"number":1}', call, f"gw-{call}", "ann", "openai", **fields)  # type: ignore[arg-type]


def outcome(call: int, **fields: object) -> Entry:
    return Entry(AT_US + call, "outcome", "{}", call, f"gw-{call}", "ann", "openai", outcome="ok", **fields)  # type: ignore[arg-type]


def trail(calls: int = 3, key: AuditKey = KEY) -> Trail:
    """Two chains of `calls` calls each; the second one's anchor names the first one's end."""
    made = Trail()
    for name in (FIRST, SECOND):
        chain = Chain(name, key)
        rows = chain.link([anchor(list(made.heads.values()), key)])
        for call in range(1, calls + 1):
            rows += chain.link([intent(call), outcome(call)])
        made.rows[name] = rows
        made.heads[name] = chain.head(rows[-1])
    return made
