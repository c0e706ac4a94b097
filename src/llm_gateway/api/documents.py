"""What the management endpoints answer, as types: the OpenAPI document is made from these."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """An answer; its fields are described where their names do not say all."""

    model_config = ConfigDict(frozen=True)


class ErrorDetail(Document):
    type: str = Field(description="One of the types in docs/api.md.")
    message: str
    param: str | None = Field(None, description="The field that is wrong.")
    code: str | None = None


class ErrorDocument(Document):
    """Every error has this shape."""

    error: ErrorDetail
    correlation_id: str


class CircuitDocument(Document):
    """One model's circuit."""

    model: str
    state: Literal["closed", "open", "half_open", "resting"] = Field(
        description="half_open: one call decides. resting: it answered far worse than usual."
    )
    rests: float = Field(description="Seconds until it is asked again.")


class ProviderLive(Document):
    """How a provider fares in this process, by its newest calls. Averages are of the default model; null: not measured yet."""

    error_rate: float = Field(description="A fraction.")
    in_flight: int
    queued: int
    max_concurrency: int
    first_chunk_s: float | None = Field(description="Seconds to the first content of a stream.")
    total_s: float | None = Field(description="Seconds of an unstreamed answer.")
    tokens_per_second: float | None
    last_checked: float | None = Field(description="The last health check, in Unix seconds.")
    circuits: list[CircuitDocument] = Field(description="Of the models that were asked for so far.")


class ProviderDocument(Document):
    name: str
    type: Literal["local", "cloud"]
    kind: str
    model: str | None = Field(description="Default model.")
    security_level: Literal["high", "medium", "low"]
    cost_per_token: float | None = Field(description="USD per output token of the default model; null: unknown.")
    status: Literal["available", "degraded", "unavailable", "unconfigured"]
    reason: str = Field("", description="Why it is not available.")
    capabilities: list[str] = []
    live: ProviderLive | None = Field(None, description="null: it is not configured.")


class ProvidersDocument(Document):
    providers: list[ProviderDocument]


class ModelDocument(Document):
    id: str = Field(description="`provider/model`.")
    provider: str
    model: str
    default: bool
    context_window: int | None = Field(description="Tokens of input and output together.")
    input_usd_per_million_tokens: float | None
    output_usd_per_million_tokens: float | None


class ModelsDocument(Document):
    models: list[ModelDocument]
    aliases: dict[str, str]


class ProviderHealth(Document):
    available: bool
    status: Literal["healthy", "degraded", "unhealthy", "unconfigured"]
    last_checked: float | None = Field(description="Unix seconds.")
    reason: str = ""


class HealthDocument(Document):
    status: Literal["healthy", "degraded", "starting", "stopping"]
    version: str
    uptime: float = Field(description="Seconds.")


class CacheHealth(Document):
    status: Literal["healthy", "degraded", "disabled"] = Field(description="degraded: its store does not answer, every request is a miss.")
    total_entries: int
    total_size_mb: float


class LimiterHealth(Document):
    status: Literal["healthy", "degraded"] = Field(description="degraded: the shared store is away, this process grants its share.")
    active_users: int = Field(description="Callers served by this process within a minute.")
    global_requests_last_minute: int = Field(description="What they were granted.")


class DetailedHealthDocument(Document):
    service: Literal["healthy", "degraded"]
    version: str
    uptime: float = Field(description="Seconds.")
    providers: dict[str, ProviderHealth]
    cache: CacheHealth
    rate_limiter: LimiterHealth
    security: dict[str, Any] = Field(description="The detector's self-test and the policy in force.")
    timestamp: float = Field(description="Unix seconds.")


class MetricsDocument(Document):
    total_requests: int
    requests_by_provider: dict[str, int]
    total_tokens_used: int
    total_cost: float = Field(description="USD; calls of unknown price are counted in `unpriced_requests`.")
    average_response_time: float = Field(description="Seconds.")
    cache_hit_rate: float = Field(description="A fraction.")
    error_rate: float = Field(description="Percent of answered calls that failed by our or a provider's fault.")
    uptime_percentage: float = Field(description="Percent of the time since start in which a provider was available.")
    errors_by_type: dict[str, int]
    requests_in_flight: int
    unpriced_requests: int
    upstream_calls: int = Field(description="Calls of providers, as in the ledger; tokens and cost are theirs.")
    upstream_calls_by_provider: dict[str, int]
    cache_hits: int
    sensitive_requests: int
    total_cost_pico_usd: int = Field(description="The exact sum, in 10^-12 USD.")
    since: float = Field(description="When counting began, Unix seconds.")
    lost_records: int = Field(description="Records of requests that could not be kept.")


class TurnDocument(Document):
    role: str
    content: str
    tokens: int
    created: float = Field(description="Unix seconds.")
    provider: str = ""
    model: str = ""


class ConversationDocument(Document):
    conversation_id: str
    owner: str
    created: float = Field(description="Unix seconds.")
    updated: float = Field(description="Unix seconds.")
    tainted: bool = Field(description="It once held sensitive content: only secure providers see it.")
    turns: list[TurnDocument]


class ConversationEntry(Document):
    """A conversation without its turns. Times are Unix seconds."""

    conversation_id: str
    owner: str
    created: float
    updated: float
    tainted: bool = Field(description="It once held sensitive content: only secure providers see it.")
    turns: int


class ConversationsDocument(Document):
    conversations: list[ConversationEntry] = Field(description="The one that was last spoken in first.")
    next: float | None = Field(description="Ask with `before` for those that follow; null: there are none.")


class FindingDocument(Document):
    kind: str
    place: str = Field(description="Where in the request; never what was found.")
    confidence: float
    rule: str = ""


class SensitivityDocument(Document):
    score: float
    sensitive: bool
    findings: list[FindingDocument]
    failed: str = ""


class CandidateDocument(Document):
    provider: str
    model: str
    score: float
    reasons: list[str]
    predicted_cost: float | None = Field(description="USD; null: unknown.")
    predicted_latency: float | None = Field(description="Seconds.")


class RejectionDocument(Document):
    provider: str
    code: str
    reason: str


class EligibleDocument(Document):
    provider: str
    security_level: str
    origin: str


class CacheForecast(Document):
    """What the cache would do."""

    state: Literal["hit", "miss", "bypass"]
    key: str | None = Field(description="Name of the entry; null where the request is not one to cache.")


class WindowDocument(Document):
    """One limit. `limit` counts requests, or tokens for tokens_per_minute."""

    limit: int
    used: int = Field(description="Tokens that running calls hold are counted in.")
    remaining: int
    window_seconds: int
    resets_in: float = Field(description="Seconds until the oldest of what is used leaves the window; 0: nothing is used.")


class LimitStatusDocument(Document):
    """Where a caller stands."""

    user_id: str = Field(description="Who is counted: with API keys, the key's owner.")
    tier: str
    burst: WindowDocument
    requests_per_minute: WindowDocument
    requests_per_hour: WindowDocument
    tokens_per_minute: WindowDocument
    tokens_held: int = Field(description="Tokens reserved by calls that are running.")
    cooldown_seconds: float = Field(description="Seconds until requests are served again; 0: they are.")


class ProviderLimitsDocument(Document):
    """Where a provider stands with the limits that the configuration sets for it; null: that one is not limited."""

    provider: str
    burst: WindowDocument | None
    requests_per_minute: WindowDocument | None
    requests_per_hour: WindowDocument | None
    tokens_per_minute: WindowDocument | None
    at_limit: bool = Field(description="It is passed over until there is room again.")


class ExplainDocument(Document):
    """What would happen to a request, and why. Nothing was sent."""

    sensitivity: SensitivityDocument
    eligible: list[EligibleDocument]
    ranked: list[CandidateDocument]
    rejected: list[RejectionDocument]
    cache: CacheForecast
    limits: LimitStatusDocument = Field(description="Where the caller stands; this question counts for nothing.")
    strategy: str
    reason: str
    policy_version: str
    correlation_id: str


class CacheClearDocument(Document):
    entries_cleared: int
    pattern: str | None = Field(description="As it was asked.")


class CacheTallyDocument(Document):
    """Counts since the process began, of this process."""

    hits: int
    misses: int = Field(description="Always 0 by model: which model would have answered is known of hits alone.")
    hit_rate: float = Field(description="A fraction.")
    saved_tokens: int
    saved_cost: float = Field(description="USD that hits cost when they were made.")
    unpriced_hits: int = Field(description="Hits whose price nobody knows; they are not in `saved_cost`.")


class CacheCallerDocument(CacheTallyDocument):
    entries: int
    bytes: int


class CacheSemanticDocument(Document):
    """Answers to other wordings of a question. Counts are of all callers of this process, since it began."""

    enabled: bool
    embeddings: str = Field(description="Where vectors come from: `offline`, or a provider.")
    threshold: float
    questions: int = Field(description="Questions that this process remembers.")
    hits: int = Field(description="They are among `hits`.")


class CacheStatusDocument(CacheTallyDocument):
    status: Literal["healthy", "degraded", "disabled"] = Field(description="degraded: its store does not answer, every request is a miss.")
    store: Literal["memory", "redis"]
    scope: Literal["caller", "shared"]
    total_entries: int
    total_bytes: int
    total_size_mb: float
    max_entries: int
    max_bytes: int
    default_ttl: float = Field(description="Seconds.")
    semantic: CacheSemanticDocument
    by_caller: dict[str, CacheCallerDocument] = Field(description="The hundred with the most hits, then with the most bytes.")
    by_model: dict[str, CacheTallyDocument] = Field(description="By `provider/model`.")


class TiersDocument(Document):
    tiers: dict[str, str] = Field(description="Tier by caller, as it was given here.")
    known: list[str] = Field(description="The tiers that there are (`rate_limiting`).")
