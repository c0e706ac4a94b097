"""One simulated upstream: from a request to its answer, its log entry and its place in the ledger."""

import random
from collections.abc import Callable

from llm_gateway.simulator.config import NO_LATENCY, Latency
from llm_gateway.simulator.delivery import Delivery, plain, with_fault
from llm_gateway.simulator.dialects.anthropic import Anthropic
from llm_gateway.simulator.dialects.base import Dialect
from llm_gateway.simulator.dialects.bedrock_native import BedrockNative
from llm_gateway.simulator.dialects.bedrock_proxy import BedrockProxy
from llm_gateway.simulator.dialects.grok import Grok
from llm_gateway.simulator.dialects.ollama import Ollama
from llm_gateway.simulator.dialects.openai import OpenAi
from llm_gateway.simulator.exchange import Answer, Bill, Kind, Refused, Request
from llm_gateway.simulator.faults import Fault, FaultBook
from llm_gateway.simulator.http import fits_at_once
from llm_gateway.simulator.journal import Entry, Journal, Outcome
from llm_gateway.simulator.world import World

DIALECTS: dict[Kind, Callable[[World], Dialect]] = {
    "ollama": Ollama,
    "openai": OpenAi,
    "anthropic": Anthropic,
    "bedrock": BedrockProxy,
    "bedrock_native": BedrockNative,
    "grok": Grok,
}


class Shared:
    """What all upstreams of one simulator have in common."""

    def __init__(self, world: World, faults: FaultBook, journal: Journal, seed: int) -> None:
        self.world = world
        self.faults = faults
        self.journal = journal
        self.seed = seed
        self.latency: dict[Kind, Latency] = {}
        self.number = 0


class Upstream:
    """The answering side of one listener."""

    def __init__(self, kind: Kind, shared: Shared) -> None:
        self.kind = kind
        self._shared = shared
        self._dialect = DIALECTS[kind](shared.world)

    def receive(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> tuple[Answer | Delivery, Entry | None]:
        """The answer to a request, and its log entry."""
        shared = self._shared
        shared.number += 1
        request = Request(self.kind, shared.number, method, target, target.partition("?")[0], headers, body, shared.world.wall_s())
        entry = shared.journal.open(request)
        fault = shared.faults.choose(request)
        latency = shared.latency.get(self.kind, NO_LATENCY)
        if fault is None:
            answer = self._right(request)
            if latency is NO_LATENCY and fits_at_once(answer):
                return answer, entry
            delivery = plain(answer)
        else:
            entry.fault = fault.name or "unnamed"
            request.quirks = fault.quirks
            answer = self._faulty(request, fault)
            delivery = with_fault(answer, fault, self._dialect.stream_error)
        if latency is not NO_LATENCY:
            self._slow(delivery, answer, latency, request.number)
        return delivery, entry

    def finished(self, entry: Entry, outcome: Outcome, bill: Bill | None, output_tokens: int | None) -> None:
        """Closes the entry and charges."""
        self._shared.journal.close(entry, outcome, bill, output_tokens, self._shared.world.wall_s())

    def _right(self, request: Request) -> Answer:
        try:
            return self._dialect.answer(request)
        except Refused as refused:
            return self._dialect.refusal(request, refused)

    def _faulty(self, request: Request, fault: Fault) -> Answer:
        """The answer before the fault reshapes it: the vendor's error for an error status without a body, else the right one."""
        if (
            fault.status is not None
            and fault.status >= 400
            and fault.body is None
            and fault.body_base64 is None
            and fault.malformed is None
        ):
            return self._dialect.refusal(request, Refused(fault.status, fault.message or "simulated failure"))
        answer = self._right(request)
        if fault.status is not None:
            answer.status = fault.status
        return answer

    def _slow(self, delivery: Delivery, answer: Answer, latency: Latency, number: int) -> None:
        """Adds the kind's own pace; an unstreamed answer takes as long as all its chunks."""
        dice = random.Random(f"{self._shared.seed}:{number}")  # noqa: S311 - repeatable jitter, nothing secret
        factor = 1 + latency.jitter * (2 * dice.random() - 1)
        delivery.delay_s += latency.first_byte_s * factor
        if answer.framing == "body":
            delivery.delay_s += latency.per_chunk_s * factor * answer.texts
        else:
            delivery.chunk_delay_s += latency.per_chunk_s * factor
