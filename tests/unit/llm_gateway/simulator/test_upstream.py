import json

from llm_gateway.simulator import FaultRule, Latency
from llm_gateway.simulator.delivery import Delivery
from llm_gateway.simulator.exchange import Answer
from llm_gateway.simulator.faults import FaultBook
from llm_gateway.simulator.journal import Journal
from llm_gateway.simulator.upstream import Shared, Upstream
from llm_gateway.simulator.world import World


def _upstream(latency: Latency | None = None, *, seed: int = 0, rules: tuple[FaultRule, ...] = ()) -> Upstream:
    faults = FaultBook(seed)
    faults.add(rules)
    shared = Shared(World(lambda: 1000.0), faults, Journal(10, 1000), seed)
    if latency is not None:
        shared.latency = {"openai": latency}
    return Upstream("openai", shared)


def _receive(upstream: Upstream, *, stream: bool = False, text: str = "hi") -> Answer | Delivery:
    body = json.dumps({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]}).encode()
    return upstream.receive("POST", "/v1/chat/completions", [], body)[0]


def _delivery(upstream: Upstream, *, stream: bool = False) -> Delivery:
    got = _receive(upstream, stream=stream)
    assert isinstance(got, Delivery)
    return got


def test_without_faults_or_pace_an_answer_goes_out_at_once() -> None:
    assert isinstance(_receive(_upstream()), Answer)
    assert isinstance(_receive(_upstream(), stream=True), Answer)


def test_a_large_answer_is_sent_piece_by_piece() -> None:
    assert isinstance(_receive(_upstream(), text="write 99000 words"), Delivery)


def test_jitter_repeats_with_its_seed_and_keeps_its_bounds() -> None:
    def delay_s(seed: int) -> float:
        return _delivery(_upstream(Latency(1.0, jitter=0.5), seed=seed), stream=True).delay_s

    drawn = [delay_s(seed) for seed in range(40)]
    assert drawn == [delay_s(seed) for seed in range(40)]
    assert 0.5 <= min(drawn) < 0.7
    assert 1.3 < max(drawn) <= 1.5


def test_an_unstreamed_answer_takes_as_long_as_its_stream() -> None:
    pace = Latency(1.0, 0.01)
    whole, stream = _delivery(_upstream(pace)), _delivery(_upstream(pace), stream=True)
    frames = len([*stream.pieces])
    assert abs(whole.delay_s - (stream.delay_s + stream.chunk_delay_s * frames)) < 0.5 * stream.chunk_delay_s * frames
    assert whole.delay_s > 1.05


def test_a_fault_adds_to_the_pace() -> None:
    rules = (FaultRule(delay_s=2, chunk_delay_s=0.5),)
    got = _delivery(_upstream(Latency(1.0, 0.25), rules=rules), stream=True)
    assert (got.delay_s, got.chunk_delay_s) == (3.0, 0.75)
