"""A month of the trail on one page: how much, what came of it, where sensitive content went, what it cost, what went wrong."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from llm_gateway.audit.rows import GapDetail, IntentDetail, OutcomeDetail, Row
from llm_gateway.audit.search import Filters
from llm_gateway.core.errors import InvalidRequest

_outcome_decoder = msgspec.json.Decoder(OutcomeDetail)
_intent_decoder = msgspec.json.Decoder(IntentDetail)
_gap_decoder = msgspec.json.Decoder(GapDetail)
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


class _Judged(msgspec.Struct):
    kinds: tuple[str, ...] = ()
    policy: str = ""


class ProviderSums(msgspec.Struct):
    """What went to a provider: attempts that were made, and what its answers used and cost."""

    attempts: int = 0
    failed: int = 0
    sensitive: int = 0
    levels: set[str] = msgspec.field(default_factory=set)
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


class Report(msgspec.Struct):
    """Sums over the rows of a period.

    `unpriced` are answers whose price is unknown: they are not in `cost_usd`. `sensitive_attempts_by_level` counts attempts whose
    content was sensitive when they were made; what only the answer showed to be so counts in `sensitive_calls`.
    """

    month: str
    calls: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    sensitive_calls: int = 0
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    sensitive_attempts_by_level: Counter[str] = msgspec.field(default_factory=Counter)
    providers: dict[str, ProviderSums] = msgspec.field(default_factory=dict)
    callers: Counter[str] = msgspec.field(default_factory=Counter)
    policies: Counter[str] = msgspec.field(default_factory=Counter)
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    admin_acts: int = 0
    turned_away: int = 0
    rows_lost: int = 0
    unreadable: int = 0
    """Rows that are not as the gateway writes them: verify the trail."""

    def add(self, row: Row) -> None:
        """Take in one row."""
        try:
            match row.kind:
                case "outcome":
                    self._add_outcome(row, _outcome_decoder.decode(row.detail))
                case "intent" if row.sensitive:
                    attempt = _intent_decoder.decode(row.detail).attempt
                    self.providers.setdefault(attempt.provider, ProviderSums()).sensitive += 1
                    self.sensitive_attempts_by_level[attempt.level] += 1
                case "recovered":
                    self.calls += 1
                    self.outcomes["recovered"] += 1
                    self.callers[row.caller] += 1
                    self.sensitive_calls += row.sensitive
                case "admin":
                    self.admin_acts += 1
                case "gap":
                    gap = _gap_decoder.decode(row.detail)
                    self.turned_away += gap.turned_away
                    self.rows_lost += gap.rows_lost
        except (msgspec.MsgspecError, TypeError):
            self.unreadable += 1

    def _add_outcome(self, row: Row, detail: OutcomeDetail) -> None:
        judged = msgspec.json.decode(detail.call, type=_Judged)
        self.calls += 1
        self.outcomes[row.outcome] += 1
        self.callers[row.caller] += 1
        if detail.error:
            self.errors[detail.error] += 1
        if judged.policy:
            self.policies[judged.policy] += 1
        if row.sensitive:
            self.sensitive_calls += 1
            self.kinds.update(judged.kinds)
        for attempt in detail.attempts:
            if attempt.outcome == "audit_unavailable":
                continue  # nothing was sent
            sums = self.providers.setdefault(attempt.provider, ProviderSums())
            sums.attempts += 1
            sums.failed += attempt.outcome not in {"ok", "cancelled"}
            sums.levels.add(attempt.level)
        self._add_usage(row, detail)

    def _add_usage(self, row: Row, detail: OutcomeDetail) -> None:
        if detail.input_tokens is None:
            return
        tokens = detail.input_tokens + (detail.output_tokens or 0)
        sums = self.providers.setdefault(row.provider, ProviderSums())
        sums.tokens += tokens
        self.tokens += tokens
        if detail.cost_usd is None:
            self.unpriced += 1
        else:
            cost = Decimal(repr(detail.cost_usd))
            sums.cost_usd += cost
            self.cost_usd += cost


def month_filters(month: str) -> Filters:
    """The rows of a calendar month (UTC).

    Raises:
        InvalidRequest: `month` is not like 2026-11.
    """
    found = _MONTH.fullmatch(month)
    if found is None or not 1970 <= int(found[1]) < 9999:
        raise InvalidRequest("month: expected a year and a month like 2026-11", param="month")
    year, number = int(found[1]), int(found[2])
    first = datetime(year, number, 1, tzinfo=UTC)
    after = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return Filters(since_us=int(first.timestamp()) * 1_000_000, until_us=int(after.timestamp()) * 1_000_000)


def report(month: str, rows: Iterable[Row]) -> Report:
    """The sums over `rows`, which are those of `month`."""
    sums = Report(month)
    for row in rows:
        sums.add(row)
    return sums
