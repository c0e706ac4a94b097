"""What could be saved: each with the figures it rests on, and the SQL that shows them.

Nothing is guessed: every amount is a sum over requests that were made, at prices that are known, and what is rare or small is
not mentioned. A sum over some days is told as a sum for thirty.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, true

from llm_gateway.core.pricing import PICO_PER_USD, Price
from llm_gateway.core.types import Usage
from llm_gateway.ledger.tables import belongs, ledger
from llm_gateway.metrics.view import Record

MIN_REQUESTS: Final = 50
"""Requests that a recommendation must rest on."""
MIN_SAVING_USD: Final = 0.01
"""Savings a month below this are not worth a line."""
AS_GOOD: Final = 0.02
"""A model whose quality is at most this much lower counts as equally good."""
OVERSIZED: Final = 8.0
"""`max_tokens` that is so many times what 99 of 100 answers needed is oversized."""
PROMPT_CACHE_S: Final = 300.0
"""How long providers keep a prompt in their cache at least (OpenAI and Anthropic document 5 minutes)."""
MONTH_DAYS: Final = 30.0
DAY_US: Final = 86_400 * 1_000_000

_PAID: Final = "error_type = '' AND cache NOT IN ('hit', 'semantic')"
_OF_TARGET: Final = (
    "SELECT correlation_id, input_tokens, output_tokens, cost_pico_usd, requests.detail, request_grounds.detail AS grounds FROM requests "  # noqa: S608
    "LEFT JOIN request_grounds ON request_grounds.process = requests.process AND request_grounds.number = requests.grounds "
    "WHERE {target} AND " + _PAID
)
"""For people to run; nothing here does."""
_EQUAL: Final = (
    "SELECT digest, COUNT(*) AS times, COUNT(DISTINCT caller) AS callers, SUM(cost_pico_usd) AS pico_usd FROM requests "  # noqa: S608
    f"WHERE digest <> '' AND sensitive = 0 AND {_PAID} GROUP BY digest HAVING COUNT(*) > 1 ORDER BY pico_usd DESC"
)
_PREFIXES: Final = (
    "SELECT prefix, prefix_tokens, COUNT(*) AS times FROM requests WHERE prefix <> '' AND {target} GROUP BY prefix, prefix_tokens "
    "ORDER BY times DESC"
)
_SIZES: Final = (
    "SELECT max_tokens, output_tokens, model FROM requests WHERE caller = {caller} AND max_tokens IS NOT NULL ORDER BY output_tokens DESC"
)

PriceOf = Callable[[str, str, float], Price | None]
"""The price of a provider's model at a time (Unix seconds)."""


class Advice(msgspec.Struct, frozen=True):
    """One recommendation. `saving_usd_per_month` None: it saves no money by itself. `evidence` are the figures, `query` the SQL that
    shows the requests behind them, `verify` a command or endpoint that tells more."""

    kind: str
    title: str
    saving_usd_per_month: float | None
    evidence: dict[str, Any]
    query: str
    verify: str


class Situation(msgspec.Struct, frozen=True):
    """What the configuration says, as far as advice needs it. `ttl_s` is how long the cache keeps answers; `shared`: for everybody."""

    price_of: PriceOf
    cache_on: bool
    shared: bool
    ttl_s: float
    days: float
    """Days that the requests span; at least one."""

    def monthly(self, pico_usd: int) -> float:
        return round(pico_usd / PICO_PER_USD * MONTH_DAYS / self.days, 6)


def advise(records: Sequence[Record], cached_tokens: dict[tuple[str, str], int], now: Situation) -> list[Advice]:
    """The recommendations about requests, oldest first; the greatest saving first. `cached_tokens` are those that the ledger counts as
    read from providers' caches, by provider and model."""
    found = [
        *_cheaper(records, now),
        *_duplicates(records, now),
        *_prompt_caching(records, cached_tokens, now),
        *_oversized(records),
    ]
    worth = [each for each in found if each.saving_usd_per_month is None or each.saving_usd_per_month >= MIN_SAVING_USD]
    return sorted(worth, key=lambda each: -(each.saving_usd_per_month or 0.0))


def _answered(record: Record) -> bool:
    return not record.row.error_type and record.row.cache not in {"hit", "semantic"} and bool(record.row.provider)


def _cheaper(records: Sequence[Record], now: Situation) -> list[Advice]:
    """Requests that left the model open and went to a dearer one than an eligible one as good."""
    sums: dict[tuple[tuple[str, str], tuple[str, str]], list[int]] = defaultdict(lambda: [0, 0, 0])
    routed: dict[tuple[str, str], int] = defaultdict(int)
    for record in records:
        row = record.row
        if not _answered(record) or record.detail.model or record.detail.provider or record.detail.strategy or not row.cost_pico_usd:
            continue
        target = (row.provider, row.model)
        routed[target] += 1
        chosen = next((each for each in record.candidates if (each.provider, each.model) == target), None)
        if chosen is None:
            continue
        usage = Usage(row.input_tokens, row.output_tokens)
        best: tuple[int, tuple[str, str]] | None = None
        for each in record.candidates:
            if (
                each.quality < chosen.quality - AS_GOOD
                or (each.provider, each.model) == target
                or each.error_rate > chosen.error_rate + 0.05
            ):
                continue
            price = now.price_of(each.provider, each.model, row.at_us / 1e6)
            if price is not None and (best is None or price.pico_usd(usage) < best[0]):
                best = price.pico_usd(usage), (each.provider, each.model)
        if best is not None and best[0] < row.cost_pico_usd:
            group = sums[target, best[1]]
            group[0] += 1
            group[1] += row.cost_pico_usd
            group[2] += best[0]
    return [
        Advice(
            "cheaper_model",
            f"{count} requests that left the model open went to {'/'.join(target)}; {'/'.join(other)} could have answered, is held to be "
            "as good, and costs less",
            now.monthly(cost - would_be),
            {
                "requests": count,
                "of": routed[target],
                "from": "/".join(target),
                "to": "/".join(other),
                "cost_usd": cost / PICO_PER_USD,
                "would_be_usd": would_be / PICO_PER_USD,
            },
            _OF_TARGET.format(target=_is_target(*target)),
            "llm-gateway replay --policy <a file with `routing: {strategy: cost}`>",
        )
        for (target, other), (count, cost, would_be) in sums.items()
        if count >= MIN_REQUESTS
    ]


def _duplicates(records: Sequence[Record], now: Situation) -> list[Advice]:
    """Equal requests that were paid for more than once."""
    last: dict[str, Record] = {}
    counts: dict[str, int] = defaultdict(int)
    costs: dict[str, int] = defaultdict(int)
    callers: set[str] = set()
    for record in records:
        row = record.row
        if not row.digest or row.sensitive or not _answered(record):
            continue
        before = last.get(row.digest)
        last[row.digest] = record
        if before is None or not row.cost_pico_usd:
            continue
        apart_s = (row.at_us - before.row.at_us) / 1e6
        if row.cache == "bypass" and not now.cache_on:
            kind = "cache_off"
        elif row.caller != before.row.caller and not now.shared and apart_s < now.ttl_s:
            kind = "cache_scope"
            callers.update((row.caller, before.row.caller))
        elif row.caller == before.row.caller and row.cache == "miss" and apart_s >= now.ttl_s:
            kind = "cache_ttl"
        else:
            continue
        counts[kind] += 1
        costs[kind] += row.cost_pico_usd
    said = {
        "cache_off": "requests were equal to earlier ones, and the cache is off (cache.max_size is 0)",
        "cache_scope": f"requests were equal to what another of {len(callers)} callers had just asked: see cache.scope",
        "cache_ttl": "requests were equal to earlier ones of the same caller, whose answers were kept no longer; see cache.default_ttl",
    }
    return [
        Advice(
            kind,
            f"{count} {said[kind]}",
            now.monthly(costs[kind]),
            {"requests": count, "cost_usd": costs[kind] / PICO_PER_USD, **({"callers": len(callers)} if kind == "cache_scope" else {})},
            _EQUAL,
            "GET /cache/status",
        )
        for kind, count in counts.items()
        if count >= MIN_REQUESTS
    ]


def _prompt_caching(records: Sequence[Record], cached_tokens: dict[tuple[str, str], int], now: Situation) -> list[Advice]:
    """Long system prompts sent again and again to a provider that would charge less for what it has in its cache."""
    last_us: dict[tuple[str, str, str], int] = {}
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for record in records:
        row = record.row
        if not row.prefix or not _answered(record):
            continue
        price = now.price_of(row.provider, row.model, row.at_us / 1e6)
        if price is None or price.base.cache_read >= price.base.input:
            continue
        key = (row.provider, row.model, row.prefix)
        before_us, last_us[key] = last_us.get(key), row.at_us
        group = counts[row.provider, row.model]
        if before_us is not None and (row.at_us - before_us) / 1e6 <= PROMPT_CACHE_S:
            group[0] += 1
            group[1] += row.prefix_tokens
            group[2] += row.prefix_tokens * (price.base.input - price.base.cache_read)
        else:
            group[2] -= row.prefix_tokens * max(price.base.cache_write - price.base.input, 0)
    return [
        Advice(
            "prompt_caching",
            f"{count} requests to {provider}/{model} began with a long prompt that it had been sent within five minutes before; its prompt "
            "cache charges less",
            now.monthly(saving),
            {
                "requests": count,
                "repeated_tokens": tokens,
                "cache_read_tokens": cached_tokens.get((provider, model), 0),
                "provider": provider,
                "model": model,
            },
            _PREFIXES.format(target=_is_target(provider, model)),
            "GET /metrics/costs (cache_read_tokens)",
        )
        for (provider, model), (count, tokens, saving) in counts.items()
        # Most of it is read from the cache already: there is little left to save.
        if count >= MIN_REQUESTS and saving > 0 and cached_tokens.get((provider, model), 0) < tokens // 2
    ]


def _oversized(records: Sequence[Record]) -> list[Advice]:
    """`max_tokens` far above what is ever answered: limits and budgets hold it for every call."""
    sizes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for record in records:
        row = record.row
        if row.max_tokens and _answered(record) and record.detail.finish_reason != "length":
            sizes[row.caller].append((row.max_tokens, row.output_tokens))
    found: list[Advice] = []
    for caller, pairs in sizes.items():
        if len(pairs) < MIN_REQUESTS:
            continue
        asked = sorted(most for most, _ in pairs)[len(pairs) // 2]
        needed = sorted(given for _, given in pairs)[min(int(len(pairs) * 0.99), len(pairs) - 1)]
        if asked < OVERSIZED * max(needed, 1):
            continue
        found.append(
            Advice(
                "max_tokens",
                f"{caller} asks for up to {asked} tokens, and 99 of 100 answers have at most {needed}: limits and budgets hold the rest "
                "for nothing",
                None,
                {"requests": len(pairs), "median_max_tokens": asked, "p99_output_tokens": needed, "held_for_nothing": asked - needed},
                _SIZES.format(caller=_quoted(caller)),
                "GET /rate-limit/status?user_id=" + caller,
            )
        )
    return found


def _is_target(provider: str, model: str) -> str:
    return f"provider = {_quoted(provider)} AND model = {_quoted(model)}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def cached_tokens(connection: Connection, since_us: int, owner: str | None) -> dict[tuple[str, str], int]:
    """Tokens that providers read from their caches, by provider and model, from the ledger; of one tenant where one is named."""
    where = (ledger.c.at_us >= since_us) & (belongs("caller", owner) if owner is not None else true())
    query = select(ledger.c.provider, ledger.c.model, func.sum(ledger.c.cache_read_tokens)).where(where)
    found = connection.execute(query.group_by(ledger.c.provider, ledger.c.model))
    return {(provider, model): int(tokens or 0) for provider, model, tokens in found}
