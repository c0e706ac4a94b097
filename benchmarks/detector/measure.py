"""Recall, false positives and latency of the detector.

python benchmarks/detector/measure.py                      own rows and shipped rows
python benchmarks/detector/measure.py --rows FILE.jsonl.gz  any rows {text, label, kind, tier}
--errors prints the rows that were judged wrongly.
"""

import argparse
import collections
import gzip
import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

import own_rows
import own_rows_2
import own_rows_3

from llm_gateway.detectors.check import default_inspector

HERE = Path(__file__).parent
Row = tuple[str, str, str]


def shipped_rows() -> list[Row]:
    """The hand-made CC0 rows beside this script."""
    return read_rows(HERE / "handmade.jsonl.gz")


def read_rows(path: Path) -> list[Row]:
    """Gated rows of a file, as (label, kind, text)."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [(row["label"], row["kind"], row["text"]) for row in found if row.get("tier", "core") == "core"]


def report(name: str, rows: Iterable[Row], errors: bool) -> None:
    """Print one table."""
    inspector = default_inspector()
    tally: dict[tuple[str, str], list[int]] = collections.defaultdict(lambda: [0, 0])
    wrong: list[str] = []
    for label, kind, text in rows:
        verdict = inspector.judge([("/text", text)])
        tally[label, kind][0] += verdict.sensitive
        tally[label, kind][1] += 1
        if verdict.sensitive != (label == "sensitive"):
            why = ", ".join(f"{f.kind} {f.confidence:.2f} {f.rule}" for f in verdict.findings)
            wrong.append(f"  {label:9s} {kind:20s} {text[:110]!r}  [{why}]")
    for label in ("sensitive", "benign"):
        flagged = sum(k for (kind, _), (k, _) in tally.items() if kind == label)
        total = sum(n for (kind, _), (_, n) in tally.items() if kind == label)
        print(f"{name}: {label} flagged {flagged}/{total} = {flagged / max(1, total):.4f}")
    for (label, kind), (flagged, total) in sorted(tally.items()):
        if errors and (flagged != total) == (label == "sensitive") and (flagged != 0 or label == "sensitive"):
            print(f"    {label:9s} {kind:28s} {flagged}/{total}")
    if errors:
        print("\n".join(wrong))


def latency() -> None:
    """Print how long texts take: the median of many runs, in microseconds or milliseconds."""
    inspector = default_inspector()
    prose = "The quick brown fox jumps over the lazy dog near the river bank while clouds drift by. Explain how a list is sorted. "
    code = (
        "def read(path: str, limit: int = 10) -> list[str]:\n    with open(path) as file:\n"
        "        return [line.strip() for line in file][:limit]\n\n"
    )
    for name, text, runs in (
        ("1 KB prose", (prose * 9)[:1024], 2000),
        ("1 KB code", (code * 9)[:1024], 2000),
        ("1 KB German", ("Bitte erkläre mir, wie man eine größere Liste in Python sortiert und danach schön ausgibt. " * 12)[:1024], 500),
        ("1 MB prose", (prose * 9000)[:1_000_000], 3),
        ("1 MB code", (code * 9000)[:1_000_000], 3),
    ):
        taken = []
        for _ in range(runs):
            begun = time.process_time()
            inspector.judge([("/text", text)])
            taken.append(time.process_time() - begun)
        middle = statistics.median(taken)
        print(f"{name:12s} p50 {middle * 1e6:9.1f} us   p99 {sorted(taken)[int(len(taken) * 0.99)] * 1e6:9.1f} us")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--errors", action="store_true")
    options = parser.parse_args()
    if options.rows:
        report(options.rows.name, read_rows(options.rows), options.errors)
    else:
        report("own rows", own_rows.rows(), options.errors)
        report("own rows 2", own_rows.rows(own_rows_2.SECRETS, own_rows_2.BENIGN, 2), options.errors)
        report("own rows 3", own_rows.rows(own_rows_3.SECRETS, own_rows_3.BENIGN, 3), options.errors)
        report("shipped rows", shipped_rows(), options.errors)
    latency()


if __name__ == "__main__":
    main()
