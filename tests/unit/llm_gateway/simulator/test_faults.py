import msgspec
import pytest

from llm_gateway.simulator.exchange import Kind, Request
from llm_gateway.simulator.faults import FaultBook, FaultRule


def _request(body: bytes = b"{}", *, kind: Kind = "openai", path: str = "/v1/chat/completions", method: str = "POST") -> Request:
    return Request(kind, 1, method, path, path, [], body, 0.0)


def _book(*rules: FaultRule, seed: int = 0) -> FaultBook:
    book = FaultBook(seed)
    book.add(rules)
    return book


def test_conditions_must_all_hold() -> None:
    book = _book(FaultRule(name="r", kind="openai", method="POST", path="/v1/chat", contains="secret"))
    assert book.choose(_request(b"a secret")) is not None
    assert book.choose(_request(b"nothing")) is None
    assert book.choose(_request(b"a secret", kind="grok")) is None
    assert book.choose(_request(b"a secret", path="/v1/models")) is None
    assert book.choose(_request(b"a secret", method="GET")) is None


def test_the_first_rule_that_holds_decides() -> None:
    book = _book(FaultRule(name="first", contains="x"), FaultRule(name="second"))
    assert [rule.name for rule in (book.choose(_request(b"x")), book.choose(_request())) if rule] == ["first", "second"]


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (FaultRule(nth=2), [2]),
        (FaultRule(nth=(1, 3)), [1, 3]),
        (FaultRule(after=3), [4, 5, 6]),
        (FaultRule(times=2), [1, 2]),
        (FaultRule(after=1, times=2), [2, 3]),
        (FaultRule(probability=0), []),
    ],
)
def test_which_of_the_requests_it_hits(rule: FaultRule, hit: list[int]) -> None:
    book = _book(rule)
    assert [number for number in range(1, 7) if book.choose(_request()) is not None] == hit


def test_chance_repeats_with_its_seed_and_only_with_it() -> None:
    def hits(seed: int) -> list[bool]:
        book = _book(FaultRule(probability=0.5), seed=seed)
        return [book.choose(_request()) is not None for _ in range(64)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 16 < sum(hits(1)) < 48


def test_the_book_tells_what_was_seen_and_applied() -> None:
    book = _book(FaultRule(nth=2))
    for _ in range(3):
        book.choose(_request())
    assert [(line["seen"], line["applied"]) for line in book.state()] == [(3, 1)]
    book.clear()
    assert book.state() == []


def test_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(msgspec.ValidationError, match="delay_ms"):
        msgspec.json.decode(b'{"delay_ms": 3}', type=FaultRule)
