"""Recall, false positives and latency of the detector.

python -m benchmarks.detector.measure                        every row file, hand-made rows and blind set
python -m benchmarks.detector.measure --rows FILE.jsonl.gz   any rows {text, label, kind, tier}
--only NAME measures one row file, --errors prints what was judged wrongly, --no-latency skips the timing.
--hiding N    how many of N flagged texts pass unflagged with a harmless paragraph before or behind
"""

import argparse
import collections
import gzip
import json
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.detector import rows
from benchmarks.detector.rows import Row
from llm_gateway.core.types import ChatRequest, Message
from llm_gateway.detectors.check import default_inspector
from llm_gateway.detectors.extraction import extract

SHIPPED = (Path(__file__).parent / "handmade.jsonl.gz", *sorted((Path(__file__).parent / "blind").glob("*.jsonl.gz")))
PROSE = (
    "I am preparing a short talk for our local history society about how the railways changed market towns in the nineteenth century. "
    "Could you help me structure it? I would like to open with what travel was like before the lines arrived, roughly how long a coach "
    "took between towns and what it cost an ordinary family. Then describe the building of the line, who paid for it and how the route "
    "was chosen, and why some towns were passed by. Please suggest trades that grew (for example brewing, fresh milk, newspapers) and two "
    "that declined, such as coaching inns. The audience is about forty people, and I have 25 minutes plus questions. "
)
CODE = (
    "def read(path: str, limit: int = 10) -> list[str]:\n    with open(path) as file:\n"
    "        return [line.strip() for line in file][:limit]\n\n"
)
FRENCH = "Pouvez-vous m'expliquer comment trier une grande liste en Python, et pourquoi l'algorithme choisi est le plus rapide ? "
RUSSIAN = "Объясни, пожалуйста, как работает сортировка больших списков в Python и почему выбранный алгоритм быстрее остальных. "
CHINESE = "请解释一下如何在Python中对较大的列表进行排序，并说明为什么所选择的算法比其他算法更快。"
GERMAN = "Bitte erkläre mir, wie man eine größere Liste in Python sortiert und danach schön ausgibt. "


def read_rows(path: Path) -> list[Row]:
    """Gated rows of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [Row(row["label"] == "sensitive", row["kind"], row["text"]) for row in found if row.get("tier", "core") == "core"]


def report(name: str, labelled: Iterable[Row], *, errors: bool) -> None:
    """Print recall, macro recall and the share of harmless rows flagged."""
    inspector = default_inspector()
    tally: dict[tuple[bool, str], list[int]] = collections.defaultdict(lambda: [0, 0])
    wrong: list[str] = []
    for row in labelled:
        verdict = inspector.judge(row.strings)
        tally[row.sensitive, row.kind][0] += verdict.sensitive
        tally[row.sensitive, row.kind][1] += 1
        if verdict.sensitive != row.sensitive:
            why = ", ".join(f"{f.kind} {f.confidence:.2f} {f.rule}" for f in verdict.findings)
            wrong.append(f"  {'missed' if row.sensitive else 'wrongly flagged'} {row.kind:16s} {row.text[:110]!r}  [{why}]")
    parts = []
    for sensitive, title in ((True, "sensitive"), (False, "harmless")):
        flagged = sum(hits for (label, _), (hits, _) in tally.items() if label is sensitive)
        total = sum(count for (label, _), (_, count) in tally.items() if label is sensitive)
        parts.append(f"{title} flagged {flagged}/{total} = {flagged / max(1, total):.4f}")
    kinds = [hits / count for (label, _), (hits, count) in tally.items() if label]
    print(f"{name}: {parts[0]} (macro {sum(kinds) / max(1, len(kinds)):.4f}), {parts[1]}")
    if errors:
        print("\n".join(wrong))


def hiding(count: int) -> None:
    """Print how many flagged texts of the row files a harmless paragraph before or behind them hides."""
    inspector = default_inspector()
    labelled = [row for name in rows.names() for row in rows.read(name)]
    flagged = [row.text for row in labelled if row.sensitive and inspector.judge(row.strings).sensitive]
    harmless = [row.text for row in labelled if not row.sensitive and len(row.text) < 1_500]
    rng = random.Random("hiding")
    hidden = []
    for _ in range(count):
        text, other = rng.choice(flagged), rng.choice(harmless)
        pair = rng.choice((f"{other}\n\n{text}", f"{text}\n\n{other}"))
        if not inspector.judge([("/text", pair)]).sensitive:
            hidden.append(f"  {pair!r}")
    print("\n".join([f"hidden by another paragraph: {len(hidden)}/{count}", *hidden]))


def _best_us(work: Callable[[], object], runs: int, batches: int) -> float:
    """CPU time of one run: the best batch's mean, in microseconds. The best is what other load disturbed least."""
    best = float("inf")
    for _ in range(batches):
        begun = time.process_time()
        for _ in range(runs):
            work()
        best = min(best, (time.process_time() - begun) / runs * 1e6)
    return best


def latency() -> None:
    """Print what extraction and judgement of a request cost together."""
    inspector = default_inspector()
    for name, text, runs, batches in (
        ("1 KB prose", (PROSE * 2)[:1024], 200, 20),
        ("1 KB code", (CODE * 9)[:1024], 200, 20),
        ("1 KB German", (GERMAN * 12)[:1024], 200, 20),
        ("1 KB French", (FRENCH * 8)[:1024], 200, 20),
        ("1 KB Russian", (RUSSIAN * 5)[:560], 200, 20),  # a kilobyte of UTF-8
        ("1 KB Chinese", (CHINESE * 9)[:360], 200, 20),
        ("1 MB prose", (PROSE * 2000)[:1_000_000], 1, 5),
        ("1 MB code", (CODE * 9000)[:1_000_000], 1, 5),
    ):
        request = ChatRequest(model="m", messages=(Message(role="user", content=text),))

        def work(request: ChatRequest = request) -> object:
            return inspector.judge(extract(request).strings)

        print(f"{name:12s} {_best_us(work, runs, batches):9.1f} us")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--only", metavar="NAME")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--hiding", type=int)
    options = parser.parse_args()
    if options.hiding:
        hiding(options.hiding)
        return
    if options.rows:
        report(options.rows.name, read_rows(options.rows), errors=options.errors)
    else:
        for name in rows.names():
            if options.only in (None, name):
                report(name, rows.read(name), errors=options.errors)
        for shipped in SHIPPED:
            name = shipped.name.partition(".")[0]
            if options.only in (None, name):
                report(name, read_rows(shipped), errors=options.errors)
    if not options.no_latency:
        latency()


if __name__ == "__main__":
    main()
