"""Which provider would summarise a text best, among those that may get it."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from llm_gateway.analysis.summarise import WORDS_BY_STYLE
from llm_gateway.core.types import JsonObject
from llm_gateway.integrations.port import Asking, Content, Outcome, ProviderFacts, Result, Work, plain

TOKENS_A_WORD: Final = 2.0
"""Of a summary, with room to spare."""


class Requirements(msgspec.Struct, frozen=True):
    """What a summary must be like, for the choice of a provider; fields that are not known are passed over."""

    max_length: int | None = None
    technical_level: str = ""
    max_cost_usd: float | None = None


class SelectRequest(Asking, frozen=True, kw_only=True):
    text: Content
    summary_requirements: JsonObject = msgspec.field(default_factory=dict)


class ProviderChoice(Result, frozen=True, kw_only=True):
    """A provider for a task. `estimated_cost_usd` null: the price is unknown."""

    provider: str
    model: str
    security_level: str
    score: float
    estimated_cost_usd: float | None
    reason: str


class Rejected(Result, frozen=True, kw_only=True):
    provider: str
    reason: str


class SelectResult(Result, frozen=True, kw_only=True):
    """`recommended` null: none can do it; `rejected` says why."""

    recommended: ProviderChoice | None
    alternatives: tuple[ProviderChoice, ...]
    rejected: tuple[Rejected, ...]
    estimated_input_tokens: int


class ProvidersRequest(Asking, frozen=True, kw_only=True):
    """`content`: only providers that may get it are eligible."""

    content: Annotated[str, Meta(max_length=2_000_000)] = ""


class ProviderListed(Result, frozen=True, kw_only=True):
    name: str
    model: str
    security_level: str
    status: str
    eligible: bool
    context_window: int | None


class ProvidersResult(Result, frozen=True, kw_only=True):
    providers: tuple[ProviderListed, ...]


async def select_provider(asked: SelectRequest, work: Work) -> Outcome:
    """The provider that would summarise a text best, among those that may get it."""
    wanted = _requirements(asked.summary_requirements)
    length = wanted.max_length or WORDS_BY_STYLE["concise"]
    needed = len(asked.text) // 3 + int(length * TOKENS_A_WORD)
    fit: list[ProviderChoice] = []
    rejected: list[Rejected] = []
    for facts in await work.providers(asked.text):
        cost = None if facts.output_usd_per_token is None else round(facts.output_usd_per_token * length * TOKENS_A_WORD, 8)
        problem = _problem(facts, needed, cost, wanted)
        if problem:
            rejected.append(Rejected(provider=facts.name, reason=problem))
            continue
        reason = facts.reason or "it may get this text and can answer"
        level = facts.security_level.value
        fit.append(
            ProviderChoice(
                provider=facts.name,
                model=facts.model,
                security_level=level,
                score=round(facts.score, 4),
                estimated_cost_usd=cost,
                reason=reason,
            )
        )
    fit.sort(key=lambda choice: -choice.score)
    best = fit[0] if fit else None
    return plain(
        SelectResult(recommended=best, alternatives=tuple(fit[1:]), rejected=tuple(rejected), estimated_input_tokens=len(asked.text) // 4)
    )


def _requirements(given: JsonObject) -> Requirements:
    """The requirements that are known; of a wrong type they count as not given."""
    known = {}
    for name in Requirements.__struct_fields__:
        if name in given:
            try:
                known[name] = getattr(msgspec.convert({name: given[name]}, Requirements), name)
            except msgspec.ValidationError:
                continue
    return Requirements(**known)


def _problem(facts: ProviderFacts, needed_tokens: int, cost: float | None, wanted: Requirements) -> str:
    if not facts.eligible:
        return facts.reason or "the security policy keeps this text from it"
    if facts.status not in {"available", "degraded"}:
        return facts.reason or f"it is {facts.status}"
    if facts.context_window_tokens is not None and facts.context_window_tokens < needed_tokens:
        return f"its model reads {facts.context_window_tokens} tokens; this needs about {needed_tokens}"
    if wanted.max_cost_usd is not None and (cost is None or cost > wanted.max_cost_usd):
        return "its price is unknown" if cost is None else f"it would cost more than {wanted.max_cost_usd} USD"
    return ""


async def get_providers(asked: ProvidersRequest, work: Work) -> Outcome:
    """The providers that there are for summaries."""
    return plain(
        ProvidersResult(
            providers=tuple(
                ProviderListed(
                    name=facts.name,
                    model=facts.model,
                    security_level=facts.security_level.value,
                    status=facts.status,
                    eligible=facts.eligible,
                    context_window=facts.context_window_tokens,
                )
                for facts in await work.providers(asked.content)
            )
        )
    )
