"""The port between the gateway and an integrated service: what a service offers, and what it may ask of the gateway.

A service is one file in this package that exports `SERVICE`, a `Service` with its operations. An operation takes a request (a
frozen msgspec struct derived from `Asking`) and a `Work`, and gives an `Outcome`. State lives in `work.store`; rows belong to
`work.owner`. A model is asked with `work.ask`, which goes the way of every request, limits, budget, judgement and audit included.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from llm_gateway.core.findings import Sensitivity
from llm_gateway.core.settings import IntegrationSettings
from llm_gateway.core.types import Json, JsonObject, SecurityLevel
from llm_gateway.stores.sql import SqlStore

Answer = TypeVar("Answer", bound=msgspec.Struct)
Request = TypeVar("Request", bound="Asking")
Method = Literal["llm", "rules"]

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Content: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2_000_000)]
Query: TypeAlias = Annotated[str, Meta(min_length=1, max_length=20_000)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=100)]

DEFAULT_DEADLINE_S: Final = 30.0


class Asking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The request of an operation: fields that are not named are refused. `user_id` says who asks, where keys do not."""

    user_id: Name | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation gives: every field is sent, so none is there only at times."""


class Asked(msgspec.Struct, Generic[Answer], frozen=True):
    """A model's answer, valid by its schema, and what it took. `cost_usd` None: the price is unknown."""

    value: Answer
    provider: str
    model: str
    tokens_used: int
    cost_usd: float | None


class Outcome(msgspec.Struct, frozen=True):
    """What an operation came to.

    `method` is `llm` or `rules` for an operation that may ask a model, else None; `asked` is the model's answer where one was
    used. Make it with `plain`, `by_model` or `by_rules`.
    """

    result: msgspec.Struct
    method: Method | None = None
    asked: Asked[Any] | None = None


def plain(result: msgspec.Struct) -> Outcome:
    """The outcome of an operation that never asks a model."""
    return Outcome(result)


def by_model(result: msgspec.Struct, asked: Asked[Any]) -> Outcome:
    """The outcome of an operation that used a model's answer."""
    return Outcome(result, "llm", asked)


def by_rules(result: msgspec.Struct) -> Outcome:
    """The outcome of an operation that may ask a model, and answered by rules."""
    return Outcome(result, "rules")


class ProviderFacts(msgspec.Struct, frozen=True):
    """A configured provider as services see it. `status` is `available`, `degraded`, `unavailable` or `unconfigured`.

    `output_usd_per_token` None: unknown. `score` in [0, 1] is the router's, for the text that was asked about; 0: not ranked.
    """

    name: str
    model: str
    security_level: SecurityLevel
    status: str
    context_window_tokens: int | None = None
    output_usd_per_token: float | None = None
    eligible: bool = True
    score: float = 0.0
    reason: str = ""


class ServiceFacts(msgspec.Struct, frozen=True):
    """An integrated service and its operations, for planners: `operations` maps a name to what it is for."""

    name: str
    mode: str
    summary: str
    operations: Mapping[str, str]


class Work(Protocol):
    """What an operation may ask of the gateway, for one call of one caller."""

    @property
    def owner(self) -> str:
        """Whose rows these are: the caller that the call is counted against. Nobody sees another owner's rows."""
        ...

    @property
    def correlation_id(self) -> str: ...

    @property
    def store(self) -> SqlStore: ...

    @property
    def now_s(self) -> float:
        """Unix time."""
        ...

    @property
    def settings(self) -> IntegrationSettings:
        """The bounds of what embedded services keep."""
        ...

    @property
    def left_s(self) -> float:
        """Seconds until the call's deadline, at least 0."""
        ...

    async def ask(
        self, system: str, prompt: str, answer: type[Answer], *, max_tokens: int = 1024, allow: Callable[[Answer], str] | None = None
    ) -> Asked[Answer] | None:
        """A model's answer as an `answer` struct, counted against the caller.

        `system` is ours, `prompt` holds the caller's matter. The answer is asked for as JSON by the schema of `answer`, checked
        against it and then by `allow` (which says what is wrong in words, "" for nothing), and asked for once more when invalid.
        None: no provider may or can answer, limits or budget are used up, it was invalid twice, or time is up: answer by rules.
        """
        ...

    async def judge(self, text: str) -> Sensitivity:
        """Our own detector's verdict on a text: kinds and places of findings, never what was found."""
        ...

    async def providers(self, text: str) -> list[ProviderFacts]:
        """Every configured provider, and whether it may and would get `text` ("" for nothing sensitive); best first."""
        ...

    def catalogue(self) -> list[ServiceFacts]:
        """The integrated services and their operations."""
        ...

    @property
    def workflows(self) -> Any:
        """The engine behind the orchestrator (`workflows.engine.WorkflowEngine`), and `commission` to run one for this caller."""
        ...

    def commission(self) -> Any:
        """On whose behalf a workflow runs that is started now (`workflows.runs.Commission`)."""
        ...

    async def service_status(self) -> list[JsonObject]:
        """How every integrated service fares."""
        ...

    def check_workflow(self, workflow: Any, among: Sequence[str] = ()) -> None:
        """Whether a workflow (`workflows.model.Workflow`) can run, with steps of the services `among` only (none named: all).

        Raises:
            InvalidRequest: names the step and what is wrong.
        """
        ...

    async def embed(self, texts: tuple[str, ...]) -> list[list[float]] | None:
        """A vector for each text from one embedding model that may get all of them, counted against the caller; None: there is none.

        All vectors of one deployment come from one model as long as its configuration stays; their length is their own.
        """
        ...

    async def call(self, service: str, operation: str, body: JsonObject) -> JsonObject:
        """The reply document of another operation (`{"service", "operation", "mode", "result", ...}`), as this caller.

        Raises:
            LLMGatewayError: whatever that operation raises.
        """
        ...


Handler: TypeAlias = Callable[[Any, Work], Awaitable[Outcome]]


class Remote(msgspec.Struct, frozen=True):
    """How a remote service is asked for an operation.

    `route` is a method and a path below the service's URL, like `GET /api/v1/documents/{doc_id}`: names in braces are fields of
    the request. `body` makes the JSON that is sent (GET and DELETE: the query's parameters; names in the route are taken out of
    it); None: the request's fields that are set, without `user_id`. The request that `body` gets has the counted caller as its
    `user_id`. `result` makes the operation's result of what came back, `data` already unwrapped; None: it is handed on as it is.

    `result` raises ValueError (msgspec.ValidationError is one) when what came back is not what the route promises.
    """

    route: str
    body: Callable[[Any], JsonObject] | None = None
    result: Callable[[Json, Any], msgspec.Struct] | None = None
    """Called with what came back, and the request."""


class Operation(msgspec.Struct, frozen=True):
    """One operation.

    `handle` is what the embedded service does. `asks_model`: its replies say `method`, and, with a model's answer, provider,
    tokens and cost. `stateful`: it reads or changes what the service keeps, so a remote service without a route for it cannot be
    stood in for by the embedded one (a stateless operation can).
    """

    name: str
    summary: str
    request: type[Asking]
    result: type[msgspec.Struct]
    handle: Handler
    asks_model: bool = False
    stateful: bool = False
    deadline_s: float = DEFAULT_DEADLINE_S
    remote: Remote | None = None


class Service(msgspec.Struct, frozen=True):
    """One of the integrated services. `name` is its file's."""

    name: str
    summary: str
    operations: Mapping[str, Operation]


def service(name: str, summary: str, *operations: Operation) -> Service:
    """A service of these operations."""
    return Service(name, summary, MappingProxyType({operation.name: operation for operation in operations}))
