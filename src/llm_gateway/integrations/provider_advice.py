"""Where a text may go: the providers that may get it, and the one that should."""

# ruff: noqa: E501 - tables and patterns read best unbroken

from typing import Annotated

import msgspec
from msgspec import Meta

from llm_gateway.core.types import Json
from llm_gateway.integrations.port import Asking, Content, Outcome, ProviderFacts, Result, Work, plain


class SecureProvidersRequest(Asking, frozen=True, kw_only=True):
    """`content`: which providers may get it; empty: which are of the highest level."""

    content: Annotated[str, Meta(max_length=2_000_000)] = ""


class SecureProvider(Result, frozen=True, kw_only=True):
    name: str
    model: str
    security_level: str
    status: str


class SecureProvidersResult(Result, frozen=True, kw_only=True):
    """`allowed_models` are the names of the providers that may get the text, those of them that can answer first."""

    sensitive: bool
    allowed_models: tuple[str, ...]
    suggestion: str
    providers: tuple[SecureProvider, ...]


class RecommendRequest(Asking, frozen=True, kw_only=True):
    """`available_providers`: only these are weighed; empty: all that are configured."""

    content: Content
    security_findings: Json = None
    available_providers: tuple[Annotated[str, Meta(max_length=256)], ...] = ()


class Refused(Result, frozen=True, kw_only=True):
    provider: str
    reason: str


class RecommendResult(Result, frozen=True, kw_only=True):
    """`recommended_provider` null: none of them may and can take the text."""

    recommended_provider: str | None
    model: str | None
    security_level: str | None
    reason: str
    alternatives: tuple[str, ...]
    rejected: tuple[Refused, ...]
    sensitive: bool


async def get_secure_providers(asked: SecureProvidersRequest, work: Work) -> Outcome:
    """The providers that may get a text."""
    sensitive = bool(asked.content) and (await work.judge(asked.content)).sensitive
    allowed = [
        facts
        for facts in await work.providers(asked.content)
        if facts.eligible and facts.status != "unconfigured" and (asked.content or facts.security_level.value == "high")
    ]
    allowed.sort(key=lambda facts: facts.status not in {"available", "degraded"})
    if not allowed:
        suggestion = "No configured provider may get this: add one of a high security level."
    elif sensitive:
        suggestion = f"The text is sensitive: use {' or '.join(facts.name for facts in allowed[:3])}."
    else:
        suggestion = "Any of these providers may be used."
    listed = tuple(
        SecureProvider(name=facts.name, model=facts.model, security_level=facts.security_level.value, status=facts.status)
        for facts in allowed
    )
    return plain(
        SecureProvidersResult(
            sensitive=sensitive, allowed_models=tuple(facts.name for facts in allowed), suggestion=suggestion, providers=listed
        )
    )


async def recommend_provider(asked: RecommendRequest, work: Work) -> Outcome:
    """The provider that should get a text, among those that the caller has."""
    verdict = await work.judge(asked.content)
    facts = await work.providers(asked.content)
    known = {each.name for each in facts}
    named = asked.available_providers
    rejected = [Refused(provider=name, reason="no provider of this gateway has that name") for name in named if name not in known]
    fit: list[ProviderFacts] = []
    for each in facts:
        if named and each.name not in named:
            continue
        if not each.eligible:
            rejected.append(Refused(provider=each.name, reason=each.reason or "the security policy keeps this text from it"))
        elif each.status not in {"available", "degraded"}:
            rejected.append(Refused(provider=each.name, reason=each.reason or f"it is {each.status}"))
        else:
            fit.append(each)
    fit.sort(key=lambda each: -each.score)
    best = fit[0] if fit else None
    if best is None:
        reason = "None of them may and can take this text."
    elif verdict.sensitive:
        reason = f"The text is sensitive ({', '.join(verdict.kinds) or verdict.failed}): it goes to a provider of level {best.security_level.value}."
    else:
        reason = "Nothing sensitive was found: the provider that routing ranks first."
    return plain(
        RecommendResult(
            recommended_provider=best.name if best else None,
            model=best.model if best else None,
            security_level=best.security_level.value if best else None,
            reason=reason,
            alternatives=tuple(each.name for each in fit[1:]),
            rejected=tuple(rejected),
            sensitive=verdict.sensitive,
        )
    )


class _Suggested(msgspec.Struct):
    sensitive: bool
    allowed_models: list[str]
    suggestion: str = ""


def remote_suggested(answer: Json, _: SecureProvidersRequest) -> SecureProvidersResult:
    given = msgspec.convert(answer, _Suggested, strict=False)
    return SecureProvidersResult(
        sensitive=given.sensitive, allowed_models=tuple(given.allowed_models), suggestion=given.suggestion, providers=()
    )
