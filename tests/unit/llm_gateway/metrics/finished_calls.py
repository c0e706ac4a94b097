"""Finished calls as the stages leave them, for tests of what is counted and recorded."""

from llm_gateway.core.errors import LLMGatewayError
from llm_gateway.core.exchange import Caller, Credentials, Exchange
from llm_gateway.core.findings import Finding, Sensitivity
from llm_gateway.core.ranking import Option
from llm_gateway.core.routing import Attempt, Candidate, Decision, Rejection, Size, Target
from llm_gateway.core.types import ChatRequest, Message, SecurityLevel, Usage
from llm_gateway.metrics.facts import facts_of
from llm_gateway.metrics.recorder import Recorder
from llm_gateway.metrics.view import Record, record_of

LISTED = frozenset({("openai", "gpt-4o"), ("ollama", "llama3")})


class Clock:
    """A clock that tests set."""

    def __init__(self, now_s: float = 1_000_000.0) -> None:
        self.now_s = now_s

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


def call(
    *,
    provider: str = "openai",
    model: str = "gpt-4o",
    received_s: float = 0.0,
    tokens: tuple[int, int] = (100, 50),
    cost_pico_usd: int | None = 750_000_000,
    cache: str = "miss",
    fails: LLMGatewayError | None = None,
    outcome: str = "ok",
    stream: bool = False,
    caller: str = "ada",
    prompt: str = "x",
    system: str = "",
    max_tokens: int | None = None,
    kinds: tuple[tuple[str, float], ...] = (),
) -> Exchange:
    """A call of one attempt: sent after 0.1 s, first content after another 0.2 s, over after 0.5 s more when it is a stream."""
    messages = (*((Message("system", system),) if system else ()), Message("user", prompt))
    request = ChatRequest(messages, stream=stream, max_tokens=max_tokens)
    made = Exchange(
        request, correlation_id="gw-1", credentials=Credentials(), ingress="native", received_s=received_s, deadline_s=received_s + 300
    )
    made.caller = Caller(caller)
    made.cache_state = cache
    made.failure = fails
    findings = tuple(Finding(kind, "/messages/0/content", confidence) for kind, confidence in kinds)
    score = max((each for _, each in kinds), default=0.0)
    made.sensitivity = Sensitivity(score, score >= 0.7, findings)
    made.decision = decision(provider, model)
    if cache == "hit":
        made.usage, made.cost_usd, made.chosen = Usage(*tokens), 0.0, made.decision.ranked[0]
        return made
    duration_s = 0.7 if stream else 0.2
    attempt = Attempt(provider, model, SecurityLevel.MEDIUM, outcome, 200 if outcome == "ok" else 503, "", duration_s, None, True)
    attempt.started_s = received_s + 0.1
    if outcome == "ok":
        attempt.first_chunk_s = 0.2
        made.chosen = made.decision.ranked[0]
        attempt.usage = made.usage = Usage(*tokens)
        attempt.cost_pico_usd = cost_pico_usd
        made.cost_usd = None if cost_pico_usd is None else cost_pico_usd / 1e12
        attempt.billed = attempt.usage, cost_pico_usd
    else:
        attempt.billed = Usage(), 0
    made.upstream_s = duration_s
    made.attempts.append(attempt)
    return made


def decision(provider: str = "openai", model: str = "gpt-4o", others: tuple[str, ...] = ("ollama",)) -> Decision:
    """A ranking of the named provider before others, one more of which was refused."""
    ranked = [Candidate(Target(provider, model), 0.9, ("costs nothing",), 0.001, 0.5, Option(provider, 0, 0.8, 0.001, 0.5, 0.0, 1))]
    ranked += [Candidate(Target(name, "llama3"), 0.5, (), 0.0, None, Option(name, 1, 0.6, 0.0, None, 0.1, 0)) for name in others]
    rejected = (
        Rejection("grok", "health", "its last health check failed", spare=True),
        Rejection("bedrock", "security", "its level is low"),
    )
    return Decision("balanced", tuple(ranked), rejected, f"balanced prefers {provider}/{model}", Size(101, 256, 0), 7)


def recorded(recorder: Recorder, made: Exchange, number: int = 1, at_us: int = 5_000_000) -> Record:
    """The record of a call that took a second, as it is read again with its grounds."""
    row = recorder.row(made, facts_of(made, made.received_s + 1.0), ("p", number), at_us)
    (grounds,) = [each.detail for each in recorder.grounds if each.number == row.grounds]
    return record_of(row, grounds)
