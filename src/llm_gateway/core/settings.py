"""Every setting, typed: the shape of the YAML file. Where values come from is `llm_gateway.configuration`'s matter.

Units stand in the names, or, where the original specification fixed a name without one, in the field's description.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from llm_gateway.core.findings import PolicyAction
from llm_gateway.core.types import SecurityLevel

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Usd = Annotated[float, Field(ge=0)]
ProviderKind = Literal["ollama", "openai", "anthropic", "bedrock", "grok"]
StrategyName = Literal["balanced", "cost", "latency", "quality", "priority", "round_robin"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
ServiceName = Literal[
    "doc_store",
    "prompt_store",
    "memory_agent",
    "interpreter",
    "orchestrator",
    "summarizer_hub",
    "secure_analyzer",
    "code_analyzer",
    "architecture_digitizer",
    "analysis_service",
]
Route = Annotated[str, Field(pattern=r"^(GET|POST|PUT|PATCH|DELETE) /\S*$", description="a method and a path, like `POST /api/v1/search`")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True, allow_inf_nan=False)


class ServerSettings(_Section):
    """Where the gateway listens, and what it accepts."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(5055, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=256, description="Processes; more than one needs Redis.")
    max_body_bytes: int = Field(4 << 20, ge=1024, description="Largest request body.")
    max_json_depth: int = Field(64, ge=4, le=512, description="Deepest nesting of a request body.")
    max_messages: int = Field(10_000, ge=1, description="Most messages in one request.")
    header_timeout_s: Seconds = Field(10, description="Time for a request's headers to arrive.")
    body_timeout_s: Seconds = Field(30, description="Time for a request's body to arrive.")
    keep_alive_s: Seconds = Field(15, description="Time an idle client connection is kept.")
    request_timeout_s: Seconds = Field(300, description="Deadline of a whole call, retries and fallbacks included.")
    drain_s: Seconds = Field(30, description="Time that running calls get to finish after SIGTERM.")
    max_connections: int = Field(20_000, ge=1, description="Client connections at once.")
    data_dir: str = Field("data", min_length=1, description="Folder of the SQLite file and other state.")
    log_level: LogLevel = Field("info", description="Least severity that is logged.")


class ModelPrice(_Section):
    """What a model costs in USD per million tokens; overrides the catalogue."""

    input: Usd = Field(description="Tokens sent.")
    output: Usd = Field(description="Tokens answered.")
    cache_read: Usd | None = Field(None, description="Tokens read from the provider's prompt cache; default: as `input`.")
    cache_write: Usd | None = Field(None, description="Tokens written to the provider's prompt cache; default: as `input`.")


class ScopeLimits(_Section):
    """Limits of a provider, a model, an API key, or of everything together. What is not set is not limited."""

    requests_per_minute: int | None = Field(None, ge=1, description="Requests in any minute.")
    requests_per_hour: int | None = Field(None, ge=1, description="Requests in any hour.")
    tokens_per_minute: int | None = Field(None, ge=1, description="Tokens in any minute, input and output together.")
    burst_limit: int | None = Field(None, ge=1, description="Requests in any one second.")


class ProviderSettings(_Section):
    """One upstream. The five default providers are named like their kind."""

    kind: ProviderKind | None = Field(None, description="The wire it speaks; default: the provider's own name.")
    enabled: bool = Field(True, description="Switched off, it is listed but never chosen.")
    endpoint: str = Field("", description="Base URL as the vendor's own SDK takes it.")
    api_key: SecretStr = Field(SecretStr(""), description="Secret sent to this origin only.")
    model: str = Field("", description="Default model.")
    embedding_model: str = Field("", description="Default model for embeddings.")
    models: tuple[str, ...] = Field((), description="Models that may be asked for; empty: those that the upstream or the catalogue lists.")
    timeout: Seconds = Field(60, description="Seconds for a whole answer; streams: to the first byte, then idle_timeout_s rules.")
    connect_timeout_s: Seconds = Field(2, description="Time for a connection to stand, TLS included.")
    first_byte_timeout_s: Seconds | None = Field(None, description="Default: `timeout`.")
    idle_timeout_s: Seconds = Field(60, description="Longest silence inside an answer.")
    max_response_bytes: int = Field(64 << 20, ge=1024, description="Largest answer, decompressed.")
    cost_per_token: Usd | None = Field(None, description="USD; used where the price catalogue knows no price.")
    prices: dict[str, ModelPrice] = Field({}, description="Prices by model, in USD per million tokens.")
    security_level: SecurityLevel | None = Field(None, description="high, medium or low; default by kind and address.")
    local: bool | None = Field(
        None, description="Whether it is on this machine or network: then only loopback and private addresses, else only public ones, are "
        "connected to; default: told by the endpoint's name.",
    )  # fmt: skip
    priority: int = Field(0, description="Lower is asked first by the `priority` strategy.")
    quality: float | None = Field(None, ge=0, le=1, description="Quality of the default model in [0, 1]; default by model.")
    context_window: int | None = Field(None, ge=1, description="Tokens of input and output together; default by model.")
    max_concurrency: int = Field(256, ge=1, description="Calls in flight to this provider.")
    max_queue: int = Field(512, ge=0, description="Calls that may wait for a free place.")
    limits: ScopeLimits = Field(ScopeLimits(), description="What may be asked of it; at its limit, others are asked.")  # type: ignore[call-arg]
    headers: dict[str, str] = Field({}, repr=False, description="Further headers sent with every call.")
    num_ctx: int | None = Field(None, ge=1, description="ollama: context length to load the model with.")
    keep_alive: str | None = Field(None, description="ollama: how long the model stays loaded, like 5m.")
    region: str = Field("", description="bedrock: AWS region.")
    aws_access_key_id: SecretStr = Field(SecretStr(""), description="bedrock: signs the calls, with the secret access key.")
    aws_secret_access_key: SecretStr = Field(SecretStr(""), description="bedrock: never sent.")
    aws_session_token: SecretStr = Field(SecretStr(""), description="bedrock: for temporary credentials.")


class RoutingSettings(_Section):
    """How a provider is chosen, and what happens when it fails."""

    strategy: StrategyName = Field("balanced", description="How eligible targets are ranked.")
    max_attempts: int = Field(4, ge=1, le=20, description="Calls made for one request, all targets together.")
    retry_budget: float = Field(0.2, ge=0, le=1, description="Retries as a share of requests.")
    retry_base_s: Seconds = Field(0.1, description="First retry waits a random time up to this; then it doubles.")
    retry_max_s: Seconds = Field(5, description="Longest wait before a retry.")
    breaker_failures: int = Field(5, ge=1, description="Failures in a row that open a target's circuit.")
    breaker_open_s: Seconds = Field(10, description="How long an open circuit rests before one probe call.")
    breaker_open_max_s: Seconds = Field(20, description="Longest rest of a circuit; it doubles while its probe calls fail.")
    explicit_fallback: bool = Field(True, description="When a caller names a provider and it fails, ask the others.")
    health_interval_s: Seconds = Field(15, description="Time between health checks.")
    health_timeout_s: Seconds = Field(2, description="Time for a health check to be answered.")


class KindPolicy(_Section):
    """What to do about one kind of finding."""

    action: PolicyAction = Field("route", description="route, redact, block or allow.")
    minimum_level: SecurityLevel | None = Field(None, description="Level that this kind needs; default: security.minimum_level.")


class SecuritySettings(_Section):
    """What counts as sensitive, and where it may go."""

    sensitive_keywords: tuple[str, ...] = Field(
        ("password", "secret", "token", "key", "credential", "confidential", "internal"),
        description="Everyday words among them need a value or a marker beside them; any other word is sensitive by itself.",
    )
    sensitivity_threshold: float = Field(0.7, gt=0, le=1, description="Score from which content counts as sensitive.")
    auto_classification: bool = Field(True, description="Analyse content. Switched off, everything counts as sensitive.")
    minimum_level: SecurityLevel = Field(SecurityLevel.HIGH, description="Level that sensitive content needs.")
    secure_only_models: tuple[str, ...] = Field((), description="Providers that may get sensitive content; empty: all of the needed level.")
    on_forbidden_provider: Literal["reroute", "block"] = Field(
        "reroute", description="What happens when a caller asks for a provider that may not get the content."
    )
    policies: dict[str, PolicyAction | KindPolicy] = Field(
        {}, description="Action by kind of finding (`pii.email`, or a family like `pii`), or `{action, minimum_level}`."
    )
    callers: dict[str, SecurityLevel] = Field({}, description="Callers whose every request needs at least this level.")
    unreadable_parts: Literal["sensitive", "allow"] = Field(
        "sensitive", description="What images, binary files, remote addresses and token arrays count as: nobody can read them here."
    )
    analysis_timeout_s: Seconds = Field(2, description="Longest analysis; a request that needs longer counts as sensitive.")
    analysis_offload_chars: int = Field(32_768, ge=0, description="Requests with more text than this are analysed off the event loop.")
    rules: dict[str, str] = Field({}, description="Operator rules: name to RE2 pattern; a match is sensitive.")


class TierLimits(_Section):
    """Limits of one tier of callers."""

    requests_per_minute: int = Field(60, ge=1, description="Requests in any minute.")
    requests_per_hour: int = Field(1000, ge=1, description="Requests in any hour.")
    tokens_per_minute: int = Field(50_000, ge=1, description="Tokens in any minute, input and output together.")
    burst_limit: int = Field(10, ge=1, description="Requests in any one second.")
    cooldown_seconds: float = Field(60, ge=0, description="Pause after the third refusal within a minute.")
    weight: int = Field(1, ge=1, le=1000, description="Its callers' part of `limits.overall` when that is used up, beside other tiers'.")


class LimitsSettings(_Section):
    """Limits beside those of the tiers, and how all of them are counted."""

    overall: ScopeLimits = Field(ScopeLimits(), description="Limits of all callers together.")  # type: ignore[call-arg]
    callers: dict[str, str] = Field({}, description="Tier by caller, for callers whose API key names none.")
    keys: dict[str, ScopeLimits] = Field({}, description="Limits of single API keys, by key id, inside those of their owner.")
    models: dict[str, ScopeLimits] = Field({}, description="Limits by model: `provider/model`, or a model at whichever provider.")
    answer_tokens: int = Field(1024, ge=1, description="Tokens reserved for an answer whose length the caller does not limit.")
    max_callers: int = Field(100_000, ge=100, description="Callers that one process keeps count of.")
    replicas: int = Field(1, ge=1, le=10_000, description="Gateways that share a Redis; while it is away, each grants its share.")
    store_timeout_s: float = Field(0.05, gt=0, le=0.05, description="Time for Redis to answer; later, the process decides by its share.")


class EmbeddingsSettings(_Section):
    """Where vectors of texts come from."""

    provider: str = Field("offline", min_length=1, description="`offline`: the model of the extra `embeddings`; else a provider.")
    model: str = Field("", description="The provider's model; default: its `embedding_model`.")


class SemanticCacheSettings(_Section):
    """Answers to questions that ask the same in other words."""

    enabled: bool = Field(False, description="Serve an answer to another wording of its question, where vectors and words agree.")
    threshold: float = Field(0.8, ge=0.5, le=1, description="Least cosine similarity of two questions.")
    embeddings: EmbeddingsSettings = EmbeddingsSettings()  # type: ignore[call-arg]  # pydantic fills the defaults
    max_entries: int = Field(10_000, ge=1, le=1_000_000, description="Questions that one process remembers; the least used make room.")
    timeout_s: Seconds = Field(1, description="Time for a question's vector; later, the question is one like any other.")


class CacheSettings(_Section):
    """The response cache."""

    max_size: int = Field(1000, ge=0, description="Entries; 0 switches the cache off.")
    default_ttl: Seconds = Field(3600, description="Seconds an answer is kept.")
    cleanup_interval: Seconds = Field(300, description="Seconds between removals of expired entries.")
    enable_compression: bool = Field(True, description="Keep answers compressed (zstd).")
    scope: Literal["caller", "shared"] = Field("caller", description="Who may be answered from an entry: the caller who made it, or all.")
    max_bytes: int = Field(128 << 20, ge=1 << 16, description="Memory for entries; the least recently used ones make room.")
    max_temperature: float = Field(
        2, ge=0, le=2, description="Requests with a higher temperature are not cached; those that name none always are."
    )
    store_sensitive: bool = Field(False, description="Cache sensitive requests too; otherwise they are neither stored nor looked up.")
    wait_timeout: Seconds = Field(30, description="Seconds that a request waits for the answer to an identical one under way.")
    secret: SecretStr = Field(
        SecretStr(""), description="Keys the digests of entries, so that nobody else can make one; the same on all replicas."
    )
    semantic: SemanticCacheSettings = SemanticCacheSettings()  # type: ignore[call-arg]


class PassthroughSettings(_Section):
    """`/openai/{path}` and `/anthropic/{path}`: operations that the gateway has no words for, passed to the provider of that name."""

    enabled: bool = Field(True, description="Pass them through. Callers share the provider's account: what one uploads, others can list.")
    refused_paths: tuple[str, ...] = Field(
        ("organization", "organizations"), description="Beginnings of paths, below the version, that are refused: how accounts are managed."
    )
    max_body_bytes: int = Field(32 << 20, ge=1024, description="Largest body that is passed through.")


class IdempotencySettings(_Section):
    """Answers kept for callers who repeat a call with the same `Idempotency-Key`."""

    ttl: Seconds = Field(86_400, description="Seconds an answer is kept for its key.")
    max_entries: int = Field(10_000, ge=1, description="Answers kept; the least recently used ones make room.")
    max_bytes: int = Field(64 << 20, ge=1 << 16, description="Memory for them.")


class MetricsSettings(_Section):
    """What is measured, and for how long it is kept."""

    enable_detailed_logging: bool = Field(True, description="One log line for every call; never its content.")
    retention_days: int = Field(30, ge=1, le=3650, description="Days that usage records are kept.")
    enable_cost_tracking: bool = Field(True, description="Price every call and keep the sums.")


class ConversationSettings(_Section):
    """The memory behind /chat and /v1/responses."""

    max_history_tokens: int = Field(8_000, ge=0, description="Most history sent when the model's window is unknown.")
    max_turns: int = Field(1_000, ge=1, description="Turns kept of one conversation.")
    response_days: float = Field(30, gt=0, description="Days that answers of /v1/responses are kept, to be gone on from.")


class KeySettings(_Section):
    """An API key that the configuration brings: the key itself (from the environment, best), or its SHA-256."""

    key: SecretStr = Field(SecretStr(""), description="The key, as `llm-gateway keys new` makes it: `${VAR}` keeps it out of the file.")
    key_sha256: str = Field("", description="Its SHA-256 in 64 hexadecimal digits, in place of the key: no secret.")
    owner: str = Field("", description="Tenant that everything done with it belongs to; default: the name of the entry.")
    tier: str = Field("default", min_length=1, description="Tier of limits, one of `rate_limiting`.")
    allowed_providers: tuple[str, ...] | None = Field(None, description="Providers that it may use; not set: all.")
    allowed_models: tuple[str, ...] | None = Field(
        None, description="Models that it may use, as `model` or `provider/model`; not set: all."
    )
    budget_usd: Usd | None = Field(None, description="USD that may be spent with it within `budget_period`; not set: no limit.")
    budget_period: Literal["day", "month"] = Field("month", description="Time after which the budget begins anew (UTC).")
    expires: str = Field("", description="When it ends: a date (UTC), or a time like 2027-01-31T18:00:00Z; not set: never.")


class AuthSettings(_Section):
    """Who may call."""

    required: bool = Field(False, description="Every call needs an API key; also true as soon as one key exists.")
    admin_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token of the admin endpoints, at least 16 characters; made at first start in server.data_dir when absent.",
    )
    keys: dict[str, KeySettings] = Field({}, description="API keys by name, beside those made with `llm-gateway keys create`.")
    key_pepper: SecretStr = Field(
        SecretStr(""),
        description="Secret under which keys are stored: 32 characters or more, same on all replicas; default: made in server.data_dir.",
    )
    key_refresh_s: float = Field(2, gt=0, le=4, description="Time between looks for keys that another process made or revoked.")
    failures_per_minute: int = Field(20, ge=1, le=1000, description="Wrong credentials from one address before it must wait.")
    failing_addresses: int = Field(10_000, ge=1, description="Addresses with failures that are remembered.")


class AuditSettings(_Section):
    """The audit trail. Its rows are kept for `metrics.retention_days`."""

    mode: Literal["strict", "best_effort"] = Field(
        "strict",
        description="strict: nothing is served that cannot be written down. best_effort: that holds for sensitive content alone.",
    )
    key: SecretStr = Field(
        SecretStr(""), description="Secret that seals the trail, at least 32 characters; default: made in server.data_dir."
    )
    commit_timeout_s: Seconds = Field(2, description="Time for a row to be committed before an attempt is given up.")
    store_content: bool = Field(
        False,
        description="Keep question and answer of calls without sensitive matter in the trail, encrypted with storage.encryption_key.",
    )


class BudgetSettings(_Section):
    """A limit on what may be spent within each day or month."""

    scope: Literal["global", "caller", "key"] = Field(
        "global", description="What it covers: everything together, a caller (the owner of a key, or the user named), or an API key."
    )
    subject: str = Field("*", min_length=1, description="The caller or the id of the key; `*`: each of them has this much.")
    period: Literal["day", "month"] = Field("month", description="Time after which it begins anew (UTC).")
    limit_usd: float = Field(ge=0, le=9_000_000, description="USD; 0 leaves models that cost nothing.")
    on_unknown_price: Literal["refuse", "flag"] = Field(
        "refuse", description="Models whose price nobody knows: not asked, or asked and marked as unpriced."
    )
    caps_answers: bool = Field(
        False,
        description="Limit answers whose length the caller left open to limits.answer_tokens, so that none costs more than was reserved.",
    )


class AlertSettings(_Section):
    """Who is told of budgets that are nearly or wholly used up, beside the log and `GET /admin/budgets`."""

    webhook_url: SecretStr = Field(SecretStr(""), description="Address that gets each event as JSON; https, unless it is on this network.")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Signs what is sent (HMAC-SHA-256, header X-Gateway-Signature).")
    timeout_s: float = Field(5, gt=0, le=60, description="Time for one delivery.")
    attempts: int = Field(8, ge=1, le=50, description="Tries of one delivery, the waits between them doubling from 2 s to 10 min.")


class StorageSettings(_Section):
    """Where state lives beyond one process."""

    database_url: SecretStr = Field(
        SecretStr(""), description="postgresql://user:password@host/name, or a sqlite:/// URL; default: SQLite in server.data_dir."
    )
    auto_migrate: bool = Field(
        False, description="Bring the schema of a PostgreSQL up to date at start, instead of asking for `llm-gateway migrate`."
    )
    redis_url: SecretStr = Field(SecretStr(""), description="Shares limits, cache and live metrics between workers and replicas.")
    encryption_key: SecretStr = Field(
        SecretStr(""),
        description="Key that conversations are stored under: 32 characters or more, same on all replicas; default: a file in data_dir.",
    )


class ServiceSettings(_Section):
    """One of the ten integrated services. Embedded in the gateway unless it has a `url`."""

    url: str = Field("", description="Base URL of a remote service; empty: it runs embedded.")
    timeout_s: Seconds = Field(10, description="Time for a remote service to answer.")
    timeouts: dict[str, Seconds] = Field({}, description="Time by operation, where one needs more or less.")
    connect_timeout_s: Seconds = Field(2, description="Time for a connection to a remote service to stand.")
    max_response_bytes: int = Field(4 << 20, ge=1024, description="Largest answer of a remote service.")
    api_key: SecretStr = Field(SecretStr(""), description="Sent to a remote service as `Authorization: Bearer`.")
    headers: dict[str, str] = Field({}, repr=False, description="Further headers sent with every call of a remote service.")
    security_level: SecurityLevel | None = Field(
        None, description="How far a remote service is trusted; default: high at a local address, else medium."
    )
    routes: dict[str, Route] = Field({}, description="Route by operation, where a remote service differs from the usual ones.")


class IntegrationSettings(_Section):
    """What the integrated services share, and the bounds of what the embedded ones keep."""

    status_timeout_s: Seconds = Field(2, description="Time for all services together to say how they fare.")
    contribution_timeout_s: Seconds = Field(3, description="Time for one service to add to an enriched query; later, it goes without.")
    breaker_failures: int = Field(3, ge=1, description="Failures in a row after which a remote service is left alone for a while.")
    breaker_open_s: Seconds = Field(10, description="How long that while is; then one call is tried.")
    embedding: str = Field(
        "",
        description="`provider/model` whose vectors documents are also searched by, where texts may go there. Empty: full text alone.",
    )
    max_documents: int = Field(100_000, ge=1, description="Documents that one caller may keep.")
    max_document_chars: int = Field(2_000_000, ge=1, description="Longest document, in characters.")
    max_upload_bytes: int = Field(16 << 20, ge=1024, description="Largest file that POST /documents takes.")
    max_upload_pages: int = Field(2_000, ge=1, description="Most pages of an uploaded PDF.")
    max_unpacked_bytes: int = Field(128 << 20, ge=1024, description="Largest size of an uploaded DOCX, unpacked.")
    upload_timeout_s: Seconds = Field(20, description="Time for an uploaded file to be read.")
    chunk_chars: int = Field(1_200, ge=200, le=20_000, description="Length of the pieces that documents are found by, about.")
    context_chars: int = Field(12_000, ge=500, description="Most text that an enriched query takes from documents and memory.")
    max_prompts: int = Field(10_000, ge=1, description="Prompts that one caller may keep, versions included.")
    max_interactions: int = Field(10_000, ge=1, description="Interactions remembered of one caller; the oldest make room.")
    memory_half_life_days: float = Field(14, gt=0, description="Days after which a memory that nobody asked for counts half.")
    max_steps: int = Field(100, ge=1, le=1_000, description="Steps of one workflow.")
    step_concurrency: int = Field(8, ge=1, le=64, description="Steps of one workflow that run side by side.")
    max_runs: int = Field(64, ge=1, description="Workflows that run at once in one process.")
    run_timeout_s: Seconds = Field(300, description="Time for a workflow to end; a resumed one gets it anew.")
    run_lease_s: Seconds = Field(15, description="Time after which a run whose process died is taken up by another, or by the next start.")
    run_days: float = Field(30, gt=0, description="Days that the record of a finished run is kept.")
    workflow_engine: Literal["auto", "own", "dbos"] = Field(
        "auto",
        description="What carries workflows out; `auto`: DBOS with PostgreSQL and the extra `workflows`, else the gateway itself.",
    )


class Settings(_Section):
    """The whole configuration."""

    server: ServerSettings = ServerSettings()  # type: ignore[call-arg]  # pydantic fills the defaults
    providers: dict[str, ProviderSettings] = Field({}, description="Upstreams by name; the five default ones are always there.")
    aliases: dict[str, str] = Field({}, description="Model names of your own: alias to `provider/model` or model.")
    routing: RoutingSettings = RoutingSettings()  # type: ignore[call-arg]
    rate_limiting: dict[str, TierLimits] = Field(
        {"default": TierLimits()},  # type: ignore[call-arg]
        description="Limits by tier of callers; `default` is everyone's who has no other.",
    )
    limits: LimitsSettings = LimitsSettings()  # type: ignore[call-arg]
    security: SecuritySettings = SecuritySettings()  # type: ignore[call-arg]
    passthrough: PassthroughSettings = PassthroughSettings()  # type: ignore[call-arg]
    cache: CacheSettings = CacheSettings()  # type: ignore[call-arg]
    idempotency: IdempotencySettings = IdempotencySettings()  # type: ignore[call-arg]
    metrics: MetricsSettings = MetricsSettings()  # type: ignore[call-arg]
    conversations: ConversationSettings = ConversationSettings()  # type: ignore[call-arg]
    auth: AuthSettings = AuthSettings()  # type: ignore[call-arg]
    audit: AuditSettings = AuditSettings()  # type: ignore[call-arg]
    budgets: dict[str, BudgetSettings] = Field(
        {}, description="Budgets by name, beside those of API keys and those made with the admin API."
    )
    alerts: AlertSettings = AlertSettings()  # type: ignore[call-arg]
    storage: StorageSettings = StorageSettings()  # type: ignore[call-arg]
    services: dict[ServiceName, ServiceSettings] = Field({}, description="The integrated services that differ from their defaults.")
    integrations: IntegrationSettings = IntegrationSettings()  # type: ignore[call-arg]
