"""What the semantic cache would serve: wrong hits on pairs that ask something else, and the share of true paraphrases.

python -m benchmarks.semantic
"""

import time
from collections import Counter
from functools import lru_cache

from benchmarks.semantic.pairs import Pair, different, same
from llm_gateway.caching.meaning import agree, read
from llm_gateway.caching.minilm import Encoder, Matrix
from llm_gateway.core.settings import SemanticCacheSettings

THRESHOLD = SemanticCacheSettings().threshold  # type: ignore[call-arg]  # pydantic fills the defaults


def words_agree(pair: Pair) -> bool:
    """Whether the lexical guard lets a pair pass."""
    one, other = read(pair.one), read(pair.other)
    return one is not None and other is not None and agree(one, other)


def similarity(encoder: Encoder, pair: Pair) -> float:
    """The cosine of a pair's vectors; 0: one is too long to have one."""
    one, other = _vector(encoder, pair.one), _vector(encoder, pair.other)
    return 0.0 if one is None or other is None else float(one @ other)


@lru_cache(4_096)
def _vector(encoder: Encoder, text: str) -> Matrix | None:
    return encoder.vector(text)


def main() -> None:
    encoder = Encoder()
    pairs = different()
    close = [pair for pair in pairs if similarity(encoder, pair) >= THRESHOLD]
    wrong = [pair for pair in close if words_agree(pair)]
    lexical = [pair for pair in pairs if words_agree(pair)]
    print(f"something else: {len(pairs)} pairs, {len(close)} above the cosine gate of {THRESHOLD}, ", end="")
    print(f"{len(lexical)} past the words, {len(wrong)} served")
    print("  by kind: " + ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(pair.kind for pair in pairs).items())))
    for pair in wrong:
        print(f"  WRONG {pair.kind}: {pair.one} | {pair.other}")
    for source, rows in same().items():
        agreeing = [pair for pair in rows if words_agree(pair)]
        served = [pair for pair in agreeing if similarity(encoder, pair) >= THRESHOLD]
        share = len(served) / len(rows)
        print(f"the same ({source}): {len(rows)} pairs, {len(served)} served ({share:.0%}); the gate took {len(agreeing) - len(served)}")
    texts = [pair.one for pair in pairs]
    began_s = time.process_time()
    for text in texts:
        read(text)
    words_s, began_s = time.process_time() - began_s, time.process_time()
    for text in texts[:100]:
        encoder.vector(text)
    vector_ms = (time.process_time() - began_s) / 100 * 1e3
    print(f"cost: {words_s / len(texts) * 1e6:.0f} us of CPU for a text's words, {vector_ms:.1f} ms for its vector")


if __name__ == "__main__":
    main()
