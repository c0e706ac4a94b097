"""Requests whose sensitive part is disguised, and harmless text in the same encodings.

python -m benchmarks.detector.disguised [--errors]    how many of them are told, by tier

A row of `disguised/*.jsonl.gz` is a request `body` for an `endpoint`, with the `transform` that disguises it and a `tier`: `must` is what
people and programs do all the time, `should` what is seen now and then, `stretch` what only somebody does who wants to pass. Credentials
in them are drawn at random, persons are invented.
"""

import argparse
import collections
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import JsonObject, Request
from llm_gateway.detectors.check import default_inspector
from llm_gateway.detectors.extraction import extract
from llm_gateway.protocols import anthropic_ingress, openai_embeddings_ingress, openai_ingress
from llm_gateway.protocols.openai_completions import completion_requests

FOLDER = Path(__file__).parent / "disguised"
INGRESSES: dict[str, Callable[[JsonObject], Request]] = {
    "/v1/chat/completions": openai_ingress.chat_request,
    "/v1/messages": anthropic_ingress.chat_request,
    "/v1/embeddings": openai_embeddings_ingress.embedding_request,
    "/v1/completions": lambda body: completion_requests(body)[1][0],
}


class Disguised(NamedTuple):
    """One request."""

    sensitive: bool
    tier: str
    transform: str
    endpoint: str
    body: JsonObject


def read() -> Iterator[Disguised]:
    """All rows."""
    for path in sorted(FOLDER.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield Disguised(row["label"] == "sensitive", row["tier"], row["transform"], row["endpoint"], row["body"])


def stopped(row: Disguised) -> bool:
    """Whether the request would not reach every provider: it is sensitive, or refused as a request that no provider is asked."""
    try:
        request = INGRESSES[row.endpoint](row.body)
    except InvalidRequest:
        return True
    return default_inspector().judge(extract(request).strings).sensitive


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", action="store_true")
    options = parser.parse_args()
    tally: dict[tuple[bool, str], list[int]] = collections.defaultdict(lambda: [0, 0])
    for row in read():
        flagged = stopped(row)
        counts = tally[row.sensitive, row.tier]
        counts[0] += flagged
        counts[1] += 1
        if options.errors and flagged is not row.sensitive:
            print(f"  {'wrongly flagged' if flagged else 'missed'} {row.tier:8s} {row.transform}")
    for (sensitive, tier), (flagged_rows, rows) in sorted(tally.items(), reverse=True):
        print(f"{'disguised' if sensitive else 'harmless'} {tier}: flagged {flagged_rows}/{rows} = {flagged_rows / rows:.4f}")


if __name__ == "__main__":
    main()
