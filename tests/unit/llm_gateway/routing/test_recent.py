"""Remembered decisions: for requests that are alike, for a moment, and never for others."""

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.routing import Candidate, Decision, Destination, Target
from llm_gateway.core.seal import seal
from llm_gateway.core.types import ChatRequest, Message, SecurityLevel
from llm_gateway.routing.candidates import Needs, needs_of
from llm_gateway.routing.recent import KEPT_S, MAX_DECISIONS, RecentDecisions, rounded

HERE = Destination("a", "http://127.0.0.1:1", SecurityLevel.HIGH)
THERE = Destination("b", "http://127.0.0.1:2", SecurityLevel.MEDIUM)
DECISION = Decision("cost", (Candidate(Target("a", "m"), 1.0),), (), "")


def ask(text: str = "hello", **fields: object) -> ChatRequest:
    return ChatRequest(messages=(Message("user", text),), **fields)  # type: ignore[arg-type]


def key(
    recent: RecentDecisions, request: ChatRequest, eligible: frozenset[Destination] = frozenset({HERE}), strategy: str = "cost"
) -> object:
    return recent.key(request, seal(request, eligible, "1"), strategy)


@given(st.integers(0, 10**7))
def test_rounding_adds_at_most_a_sixteenth_and_never_takes_away(tokens: int) -> None:
    needs = rounded(Needs(False, False, (), tokens, tokens, tokens))
    assert tokens <= needs.input_tokens <= tokens + max(1, tokens) / 16
    assert rounded(needs) == needs


def test_alike_is_what_the_decision_depends_on() -> None:
    recent = RecentDecisions(100_000)
    assert key(recent, ask("hello")) == key(recent, ask("jello"))
    others = [
        key(recent, ask(provider="a")),
        key(recent, ask(model="m")),
        key(recent, ask(stream=True)),
        key(recent, ask(max_tokens=1000)),
        key(recent, ask("x" * 10_000)),
        key(recent, ask(n=2)),
        key(recent, ask(), frozenset({HERE, THERE})),
        key(recent, ask(), strategy="latency"),
    ]
    assert len({key(recent, ask()), *others}) == len(others) + 1


def test_rotation_and_sizes_near_a_limit_are_decided_each_time() -> None:
    assert key(RecentDecisions(100_000), ask(), strategy="round_robin") is None
    assert key(RecentDecisions(100), ask("x" * 1000)) is None


def test_a_decision_is_kept_for_a_moment() -> None:
    recent = RecentDecisions(100_000)
    name = ("x",)
    recent.put(name, DECISION, 5.0)
    assert recent.get(name, 5.0 + KEPT_S / 2) is DECISION
    assert recent.get(name, 5.0 + KEPT_S) is None
    recent.forget()
    assert recent.get(name, 5.0) is None


def test_refusals_are_not_kept_and_the_memory_is_bounded() -> None:
    recent = RecentDecisions(100_000)
    recent.put(("no",), Decision("cost", (), (), ""), 0.0)
    assert recent.get(("no",), 0.0) is None
    for number in range(3 * MAX_DECISIONS):
        recent.put((number,), DECISION, 0.0)
    assert sum(recent.get((number,), 0.0) is not None for number in range(3 * MAX_DECISIONS)) <= MAX_DECISIONS


TEXTS = st.sampled_from(["", "hi", "x" * 39, "x" * 700, "x" * 710, "Grüße"])


@given(st.lists(st.tuples(TEXTS, st.none() | st.integers(1, 700), st.booleans()), min_size=2, max_size=2))
def test_what_has_one_key_needs_the_same(two: list[tuple[str, int | None, bool]]) -> None:
    recent = RecentDecisions(100_000)
    one, other = (ask(text, max_tokens=most, stream=stream) for text, most, stream in two)
    same = rounded(needs_of(one)) == rounded(needs_of(other))
    assert (key(recent, one) == key(recent, other)) is same
