"""secure_analyzer: what is sensitive in a text, where it may go, which controls it touches, and the policy that would keep it."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from llm_gateway.analysis.compliance import FRAMEWORKS, Framework, touched
from llm_gateway.analysis.policies import as_yaml, fault_of, framework_of, policy_by_rules
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.findings import PolicyAction, Sensitivity
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.integrations.port import (
    Asking,
    Content,
    Operation,
    Outcome,
    Query,
    Remote,
    Result,
    Work,
    by_model,
    by_rules,
    service,
)  # fmt: skip
from llm_gateway.integrations.provider_advice import (
    RecommendRequest,
    RecommendResult,
    SecureProvidersRequest,
    SecureProvidersResult,
    get_secure_providers,
    recommend_provider,
    remote_suggested,
)

Severity = Literal["critical", "high", "medium", "low"]
Keyword = Annotated[str, Meta(min_length=1, max_length=200)]
_encode = msgspec.json.Encoder().encode
_SEVERITIES: Final[tuple[tuple[str, Severity], ...]] = (
    ("secret.private_key", "critical"), ("secret.", "critical"), ("pii.card", "critical"), ("pii.national_id", "high"), ("pii.us_ssn", "high"), ("matter.health", "high"),
    ("pii.iban", "high"), ("marker.", "high"), ("keyword.operator", "high"), ("rule.", "high"), ("pii.", "medium"), ("matter.", "medium"),
)  # fmt: skip
_ADVICE: Final = {
    "secret": "Change the credential, keep it in a secret store, and take it out of the text.",
    "pii": "Cut personal data out, or redact it, unless the task needs it.",
    "marker": "The text is marked confidential: send it to secure providers only.",
    "matter": "The matter is sensitive: send it to secure providers only.",
    "keyword": "A word that this gateway's operator, or the request, watches for occurs.",
    "rule": "A rule of this gateway's operator matches.",
    "limit": "The text was too much to be judged whole, and counts as sensitive.",
}


class AnalyzeRequest(Asking, frozen=True, kw_only=True):
    """A text to look through. `keywords` are watched for too; `basic_findings` are what another tool found."""

    content: Content
    keywords: Annotated[tuple[Keyword, ...], Meta(max_length=500)] = ()
    basic_findings: Json = None


class SecurityFinding(Result, frozen=True, kw_only=True):
    """What is there, never its text. `place` says where in the request, `confidence` in [0, 1]."""

    kind: str
    severity: str
    confidence: float
    place: str
    rule: str


class Threat(Result, frozen=True, kw_only=True):
    title: str
    severity: str
    explanation: str


class SecurityResult(Result, frozen=True, kw_only=True):
    """`score` in [0, 1]; `risk_level` is critical, high, medium, low or none. `threats` come from a model."""

    sensitive: bool
    score: float
    risk_level: str
    findings: tuple[SecurityFinding, ...]
    keyword_counts: dict[str, int]
    recommendations: tuple[str, ...]
    threats: tuple[Threat, ...]


class PolicyRequest(Asking, frozen=True, kw_only=True):
    """What the policy is to do, in plain words; `frameworks` it is to serve; `content` is an example of what it will see."""

    requirements: Query
    frameworks: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    content: Annotated[str, Meta(max_length=2_000_000)] = ""


class PolicyResult(Result, frozen=True, kw_only=True):
    """`policy_yaml` can stand in the gateway's configuration as it is; `policy` is the same as JSON."""

    policy_yaml: str
    policy: dict[str, Any]
    explanation: tuple[str, ...]


class ComplianceRequest(Asking, frozen=True, kw_only=True):
    """A text to be looked at with the eyes of frameworks: GDPR, HIPAA, PCI DSS, SOC 2; none named: all."""

    content: Content
    frameworks: tuple[Annotated[str, Meta(max_length=64)], ...] = ()


class ControlTouched(Result, frozen=True, kw_only=True):
    id: str
    name: str
    kinds: tuple[str, ...]
    advice: str


class FrameworkReport(Result, frozen=True, kw_only=True):
    """`status` is `attention`, where findings touch controls, or `nothing_found`, which is no certificate."""

    framework: str
    status: str
    controls: tuple[ControlTouched, ...]


class ComplianceResult(Result, frozen=True, kw_only=True):
    sensitive: bool
    reports: tuple[FrameworkReport, ...]
    assessment: str


class _Threat(msgspec.Struct):
    title: Annotated[str, Meta(max_length=200)]
    severity: Severity
    explanation: Annotated[str, Meta(max_length=2_000)]


class _Threats(msgspec.Struct):
    threats: Annotated[list[_Threat], Meta(max_length=20)]
    recommendations: Annotated[list[str], Meta(max_length=20)]


class _Policy(msgspec.Struct):
    policies: dict[str, PolicyAction]
    minimum_level: Literal["high", "medium", "low"]
    on_forbidden_provider: Literal["reroute", "block"]
    explanation: list[str]


class _Assessment(msgspec.Struct):
    assessment: Annotated[str, Meta(min_length=1, max_length=4_000)]


def severity_of(kind: str) -> Severity:
    """How grave a kind of finding is."""
    return next((severity for family, severity in _SEVERITIES if kind.startswith(family)), "low")


def _findings(verdict: Sensitivity) -> tuple[SecurityFinding, ...]:
    found = [
        SecurityFinding(kind=f.kind, severity=severity_of(f.kind), confidence=round(f.confidence, 4), place=f.place, rule=f.rule)
        for f in verdict.findings
    ]
    order = ("critical", "high", "medium", "low")
    return tuple(sorted(found, key=lambda each: (order.index(each.severity), -each.confidence, each.kind)))


def _risk(verdict: Sensitivity, findings: tuple[SecurityFinding, ...], counts: dict[str, int]) -> str:
    sure = [each.severity for each in findings if each.confidence >= 0.5]
    for level in ("critical", "high", "medium"):
        if level in sure:
            return level
    if verdict.sensitive or verdict.failed:
        return "high"
    return "low" if findings or counts else "none"


def _counts(content: str, keywords: tuple[str, ...]) -> dict[str, int]:
    """How often each of the request's own words occurs, as a whole word, in any case."""
    found = {}
    for word in keywords:
        count = len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", content, re.IGNORECASE))
        if count:
            found[word] = count
    return found


async def analyze_security(asked: AnalyzeRequest, work: Work) -> Outcome:
    """What is sensitive or dangerous in a text. The gateway's own findings stand; a model adds to them and takes nothing away."""
    verdict = await work.judge(asked.content)
    findings, counts = _findings(verdict), _counts(asked.content, asked.keywords)
    families = dict.fromkeys([each.kind.partition(".")[0] for each in findings if each.confidence >= 0.3] + (["keyword"] if counts else []))
    advice = tuple(_ADVICE[family] for family in families if family in _ADVICE)
    result = SecurityResult(
        sensitive=verdict.sensitive,
        score=round(verdict.score, 4),
        risk_level=_risk(verdict, findings, counts),
        findings=findings,
        keyword_counts=counts,
        recommendations=advice,
        threats=(),
    )
    kinds = ", ".join(verdict.kinds) or "nothing"
    system = (
        "You look for security threats in a text: leaked matter, attacks, unsafe instructions or code. Never repeat a secret or personal data:"
        f" say what it is and where. A detector has found: {kinds}."
    )
    prompt = (
        asked.content if asked.basic_findings is None else _encode({"content": asked.content, "findings": asked.basic_findings}).decode()
    )
    answer = await work.ask(system, prompt, _Threats)
    if answer is None or (await work.judge(_encode(answer.value).decode())).sensitive:
        # An answer that repeats what it was to keep quiet is not handed on.
        return by_rules(result)
    threats = tuple(Threat(title=t.title, severity=t.severity, explanation=t.explanation) for t in answer.value.threats)
    said = tuple(dict.fromkeys((*advice, *answer.value.recommendations)))
    return by_model(msgspec.structs.replace(result, threats=threats, recommendations=said), answer)


def _frameworks(names: tuple[str, ...]) -> list[Framework]:
    found: list[Framework] = []
    for name in names:
        framework = framework_of(name)
        if framework is None:
            raise InvalidRequest(f"frameworks: expected some of {', '.join(FRAMEWORKS)}", param="frameworks")
        found.append(framework)
    return list(dict.fromkeys(found))


async def generate_policy(asked: PolicyRequest, work: Work) -> Outcome:
    """A security section for the gateway's configuration; what the configuration would refuse is not handed out."""
    frameworks = _frameworks(asked.frameworks)
    kinds = (await work.judge(asked.content)).kinds if asked.content else ()
    security, why = policy_by_rules(asked.requirements, frameworks, kinds)
    system = (
        "You write policies for a gateway in front of language models. `policies` maps a kind of finding (secret, secret.api_key, secret.password, pii, pii.email,"
        " pii.card, pii.phone, pii.national_id, pii.iban, marker, matter.health, matter.corporate, ...) to route (secure providers only), redact, block or allow."
        f" Start from this, and be no laxer: {_encode(security['policies']).decode()}. Frameworks: {', '.join(frameworks) or 'none named'}."
    )
    answer = await work.ask(system, asked.requirements, _Policy, allow=lambda found: _laxer(found, security["policies"]))
    if answer is not None:
        found = answer.value
        security |= {"minimum_level": found.minimum_level, "on_forbidden_provider": found.on_forbidden_provider}
        security["policies"] = dict(sorted(found.policies.items()))
        why = found.explanation
    result = PolicyResult(policy_yaml=as_yaml(security), policy={"security": security}, explanation=tuple(why))
    return by_rules(result) if answer is None else by_model(result, answer)


def _laxer(found: _Policy, at_least: dict[str, Any]) -> str:
    """What is wrong with a model's policy: refused by the configuration, or laxer than was asked for."""
    security = {"minimum_level": found.minimum_level, "on_forbidden_provider": found.on_forbidden_provider, "policies": found.policies}
    order = ("allow", "route", "redact", "block")
    for kind, action in at_least.items():
        asked = action["action"] if isinstance(action, dict) else action
        if asked != "allow" and order.index(found.policies.get(kind, "allow")) < order.index(asked):
            return f"policies.{kind}: at least {asked} was asked for"
    return fault_of(security)


async def check_compliance(asked: ComplianceRequest, work: Work) -> Outcome:
    """The controls that a text touches. That nothing was found is no certificate."""
    verdict = await work.judge(asked.content)
    kinds = sorted({finding.kind for finding in verdict.findings if finding.confidence >= 0.3})
    reports = []
    for framework in _frameworks(asked.frameworks) or FRAMEWORKS:
        controls = tuple(
            ControlTouched(id=each.control.id, name=each.control.name, kinds=each.kinds, advice=each.control.advice)
            for each in touched(framework, kinds)
        )
        reports.append(FrameworkReport(framework=framework, status="attention" if controls else "nothing_found", controls=controls))
    concerned = [report.framework for report in reports if report.controls]
    assessment = f"Findings touch controls of {', '.join(concerned)}." if concerned else "No finding touches a control of these frameworks."
    result = ComplianceResult(sensitive=verdict.sensitive, reports=tuple(reports), assessment=assessment)
    system = (
        "You assess in at most 120 words what a text means for these frameworks and controls; you repeat no secret and no personal data: "
        + "; ".join(f"{r.framework} {', '.join(c.id for c in r.controls) or 'nothing found'}" for r in reports)
    )
    answer = await work.ask(system, asked.content, _Assessment)
    if answer is None or (await work.judge(answer.value.assessment)).sensitive:
        return by_rules(result)
    return by_model(msgspec.structs.replace(result, assessment=answer.value.assessment), answer)


def _remote_detect(asked: AnalyzeRequest) -> JsonObject:
    return {"content": asked.content, "keywords": list(asked.keywords)}


class _Detected(msgspec.Struct):
    sensitive: bool
    score: float | None = None
    matches: Json = None


def _remote_detected(answer: Json, asked: AnalyzeRequest) -> SecurityResult:
    """A remote detector's word. What it matched is dropped: findings never hold text."""
    given = msgspec.convert(answer, _Detected, strict=False)
    score = min(1.0, max(0.0, given.score if given.score is not None else float(given.sensitive)))
    count = len(given.matches) if isinstance(given.matches, list | dict) else 0
    finding = SecurityFinding(kind="rule.remote", severity="high", confidence=score, place="/content", rule=f"{count} matches")
    return SecurityResult(
        sensitive=given.sensitive,
        score=score,
        risk_level="high" if given.sensitive else "none",
        findings=(finding,) if given.sensitive else (),
        keyword_counts=_counts(asked.content, asked.keywords),
        recommendations=(_ADVICE["rule"],) if given.sensitive else (),
        threats=(),
    )


SERVICE = service(
    "secure_analyzer",
    "What is sensitive, and where it may go.",
    Operation(
        "analyze_security", "Find sensitive matter and threats in a text", AnalyzeRequest, SecurityResult, analyze_security,
        asks_model=True, remote=Remote("POST /detect", _remote_detect, _remote_detected),
    ),
    Operation(
        "get_secure_providers", "The providers that may get a text", SecureProvidersRequest, SecureProvidersResult, get_secure_providers,
        remote=Remote("POST /suggest", result=remote_suggested),
    ),
    Operation("recommend_provider", "The provider that should get a text", RecommendRequest, RecommendResult, recommend_provider),
    Operation("generate_policy", "A security policy for this gateway, from plain words", PolicyRequest, PolicyResult, generate_policy, asks_model=True),
    Operation(
        "check_compliance", "The controls of GDPR, HIPAA, PCI DSS and SOC 2 that a text touches", ComplianceRequest, ComplianceResult,
        check_compliance, asks_model=True,
    ),
)  # fmt: skip
