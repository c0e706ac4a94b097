"""What the management endpoints answer, typed. Names are the gateway's; times are seconds, points in time Unix seconds, money USD.

Every result has the whole document in `raw`.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Provider:
    """`status` is available, degraded, unavailable or unconfigured; `cost_per_token` None: unknown."""

    name: str
    type: str
    kind: str
    model: str | None
    security_level: str
    cost_per_token: float | None
    status: str
    reason: str = ""
    capabilities: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Providers:
    providers: list[Provider]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """`id` is `provider/model`."""

    id: str
    provider: str
    model: str
    default: bool
    context_window: int | None = None
    input_usd_per_million_tokens: float | None = None
    output_usd_per_million_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Models:
    models: list[Model]
    aliases: dict[str, str] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    status: str
    version: str
    uptime: float
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether traffic should come; `reason` why not."""

    ready: bool
    reason: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    available: bool
    status: str
    last_checked: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DetailedHealth:
    service: str
    version: str
    uptime: float
    providers: dict[str, ProviderHealth]
    timestamp: float
    cache: dict[str, Any] = field(default_factory=dict)
    rate_limiter: dict[str, Any] = field(default_factory=dict)
    security: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metrics:
    """`error_rate` and `uptime_percentage` in percent, `cache_hit_rate` a fraction."""

    total_requests: int
    requests_by_provider: dict[str, int]
    total_tokens_used: int
    total_cost: float
    average_response_time: float
    cache_hit_rate: float
    error_rate: float
    uptime_percentage: float
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sums:
    """`cost_usd` is an exact decimal."""

    attempts: int
    answered: int
    input_tokens: int
    output_tokens: int
    cost: float
    cost_usd: str
    unpriced: int = 0
    estimated: int = 0


@dataclass(frozen=True, slots=True)
class CostOf:
    """A group's sums: those of the fields that name it are set."""

    attempts: int
    cost: float
    cost_usd: str
    input_tokens: int = 0
    output_tokens: int = 0
    provider: str | None = None
    model: str | None = None
    caller: str | None = None
    key_id: str | None = None
    day: str | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    since: float
    until: float
    whose: str
    total: Sums
    by_provider: list[CostOf] = field(default_factory=list)
    by_model: list[CostOf] = field(default_factory=list)
    by_caller: list[CostOf] = field(default_factory=list)
    by_key: list[CostOf] = field(default_factory=list)
    by_day: list[CostOf] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """Where a budget stands for one that it covers; amounts are exact decimals in USD."""

    budget: str
    scope: str
    subject: str
    period: str
    limit_usd: str
    spent_usd: str
    left_usd: str
    percent: float
    held_usd: str = "0"


@dataclass(frozen=True, slots=True)
class Usage:
    caller: str
    since: float
    until: float
    total: Sums
    by_model: list[CostOf] = field(default_factory=list)
    by_day: list[CostOf] = field(default_factory=list)
    budgets: list[BudgetShare] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CacheStatus:
    status: str
    store: str
    scope: str
    total_entries: int
    total_bytes: int
    hits: int
    misses: int
    hit_rate: float
    saved_tokens: int
    saved_cost: float
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CacheCleared:
    entries_cleared: int
    pattern: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    limit: int
    used: int
    remaining: int
    window_seconds: int
    resets_in: float


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """`cooldown_seconds` until requests are served again; 0: they are."""

    user_id: str
    tier: str
    burst: Window
    requests_per_minute: Window
    requests_per_hour: Window
    tokens_per_minute: Window
    cooldown_seconds: float
    tokens_held: int = 0
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitsReset:
    reset: list[str]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    place: str
    confidence: float
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    score: float
    sensitive: bool
    findings: list[Finding] = field(default_factory=list)
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    provider: str
    model: str
    score: float
    reasons: list[str] = field(default_factory=list)
    predicted_cost: float | None = None
    predicted_latency: float | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    provider: str
    reason: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen to a request, and why; nothing was sent."""

    sensitivity: Sensitivity
    ranked: list[Candidate]
    rejected: list[Rejection]
    strategy: str
    reason: str
    eligible: list[dict[str, Any]] = field(default_factory=list)
    cache: dict[str, Any] = field(default_factory=dict)
    correlation_id: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    role: str
    content: str
    tokens: int
    created: float
    provider: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """`tainted`: it once held sensitive content, and only secure providers see it."""

    conversation_id: str
    owner: str
    created: float
    updated: float
    tainted: bool
    turns: list[Turn]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConversationEntry:
    conversation_id: str
    owner: str
    created: float
    updated: float
    tainted: bool
    turns: int


@dataclass(frozen=True, slots=True)
class Conversations:
    """`next`: ask with `before` for those that follow; None: there are none."""

    conversations: list[ConversationEntry]
    next: float | None = None
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret."""

    id: str
    owner: str
    tier: str
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was made. `key` is shown this once."""

    key: str = field(repr=False)
    id: str
    owner: str
    tier: str
    raw: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """A page of keys."""

    keys: list[ApiKey]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    name: str
    scope: str
    subject: str
    period: str
    limit_usd: str
    on_unknown_price: str
    caps_answers: bool
    source: str
    shares: list[BudgetShare] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budgets:
    budgets: list[Budget]
    events: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRow:
    chain: str
    seq: int
    at: float
    kind: str
    correlation_id: str
    caller: str
    provider: str
    sensitive: bool
    outcome: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditPage:
    rows: list[AuditRow]
    next_cursor: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    intact: bool
    rows: int
    problems: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceOperation:
    """An operation of an integrated service; `request` and `result` are JSON schemas."""

    name: str
    summary: str
    asks_model: bool
    request: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntegratedService:
    """`mode` is embedded or remote."""

    name: str
    summary: str
    mode: str
    operations: list[ServiceOperation]


@dataclass(frozen=True, slots=True)
class Integrations:
    """The integrated services and their operations."""

    services: list[IntegratedService]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """How an integrated service fares; `latency_ms` None: not measured."""

    service: str
    mode: str
    status: str
    healthy: bool
    latency_ms: float | None = None
    last_error: str | None = None
    url: str | None = None
    security_level: str = ""


@dataclass(frozen=True, slots=True)
class ServicesStatus:
    """How all of them fare; `healthy` counts those that do."""

    status: str
    healthy: int
    total: int
    services: dict[str, ServiceHealth]
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """The answer of an endpoint whose shape depends on the question: everything is in `raw`."""

    raw: dict[str, Any] = field(default_factory=dict)
