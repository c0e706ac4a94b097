from decimal import Decimal

import msgspec
import pytest

from llm_gateway.audit.report import month_filters, report
from llm_gateway.audit.rows import NO_MAC, Row
from llm_gateway.core.errors import InvalidRequest


def row(kind: str, detail: object, **fields: object) -> Row:
    made = Row("c", 1, 2, kind, 3, "gw-1", "ann", "openai", 0, "", msgspec.json.encode(detail).decode(), NO_MAC, NO_MAC)
    return made._replace(**fields)  # type: ignore[arg-type]


def attempt(provider: str, outcome: str = "ok", level: str = "medium") -> dict[str, object]:
    return {"provider": provider, "model": "m", "level": level, "origin": "https://o", "outcome": outcome}


def call(*kinds: str) -> dict[str, object]:
    return {"ingress": "native", "operation": "chat", "kinds": kinds, "policy": "v1"}


def outcome(attempts: list[dict[str, object]], kinds: tuple[str, ...] = (), **detail: object) -> dict[str, object]:
    return {"attempts": attempts, "call": call(*kinds), **detail}


def usage(tokens_in: int, tokens_out: int, cost_usd: float | None = None) -> dict[str, object]:
    return {"input_tokens": tokens_in, "output_tokens": tokens_out, "cost_usd": cost_usd}


BLOCKED = {"error": "sensitive_content_blocked", "status": 403}
UNAVAILABLE = {"error": "audit_unavailable", "status": 503}
ROWS = [
    row("anchor", {}),
    row("intent", {"number": 1, "attempt": attempt("grok", ""), "call": call()}),
    row("outcome", outcome([attempt("grok", "provider_timeout"), attempt("openai")], **usage(10, 5, 0.1)), outcome="ok"),
    row("intent", {"number": 1, "attempt": attempt("ollama", "", "high"), "call": call("pii.card")}, sensitive=1, provider="ollama"),
    row(
        "outcome",
        outcome([attempt("ollama", "ok", "high")], ("pii.card",), **usage(1, 1, 0.2)),
        outcome="ok",
        sensitive=1,
        provider="ollama",
        caller="bob",
    ),
    row("outcome", outcome([attempt("openai")], **usage(7, 0)), outcome="ok"),
    row("outcome", outcome([], ("secret.api_key",), **BLOCKED), outcome="blocked", sensitive=1),
    row("outcome", outcome([attempt("openai", "audit_unavailable")], **UNAVAILABLE), outcome="error"),
    row("recovered", {"chain": "c", "intents": [1]}, outcome="recovered"),
    row("gap", {"turned_away": 4, "rows_lost": 2, "since_us": 1}),
    row("admin", {"action": "x", "what": {}}),
    row("outcome", {"no": "outcome"}, outcome="ok"),
]


def test_a_month_adds_up() -> None:
    sums = report("2026-11", ROWS)
    assert sums.calls == 6
    assert sums.outcomes == {"ok": 3, "blocked": 1, "error": 1, "recovered": 1}
    assert sums.errors == {"sensitive_content_blocked": 1, "audit_unavailable": 1}
    assert sums.sensitive_calls == 2
    assert sums.kinds == {"pii.card": 1, "secret.api_key": 1}
    assert sums.sensitive_attempts_by_level == {"high": 1}
    assert sums.callers == {"ann": 5, "bob": 1}
    assert (sums.tokens, sums.cost_usd, sums.unpriced) == (24, Decimal("0.3"), 1)
    assert (sums.turned_away, sums.rows_lost, sums.admin_acts, sums.unreadable) == (4, 2, 1, 1)
    openai, grok, ollama = (sums.providers[name] for name in ("openai", "grok", "ollama"))
    assert (openai.attempts, openai.failed, openai.tokens, openai.cost_usd) == (2, 0, 22, Decimal("0.1"))
    assert (grok.attempts, grok.failed, grok.tokens) == (1, 1, 0)
    assert (ollama.sensitive, ollama.levels, ollama.cost_usd) == (1, {"high"}, Decimal("0.2"))


@pytest.mark.parametrize(
    ("month", "first_s", "after_s"), [("2026-11", 1_793_491_200, 1_796_083_200), ("2026-12", 1_796_083_200, 1_798_761_600)]
)
def test_a_month_is_a_calendar_month_in_utc(month: str, first_s: int, after_s: int) -> None:
    filters = month_filters(month)
    assert (filters.since_us, filters.until_us) == (first_s * 1_000_000, after_s * 1_000_000)


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-1", "11-2026", "0000-01", "9999-12", "2026-11-01"])
def test_other_texts_are_no_month(month: str) -> None:
    with pytest.raises(InvalidRequest, match="month"):
        month_filters(month)
