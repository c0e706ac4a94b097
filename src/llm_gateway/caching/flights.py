"""Single flight: of identical requests at one time one makes the answer, and the others wait for it.

Whoever makes it is an ordinary request. If its caller leaves, it ends like any other, and one of those that wait makes the
answer anew; a failure is everybody's who waited for it, and nobody's afterwards.
"""

import asyncio
import copy
from typing import Final, NamedTuple

from llm_gateway.core.errors import ClientClosedRequest, LLMGatewayError


class Abandoned:
    """Whoever made the answer left before it was whole."""


ABANDONED: Final = Abandoned()


class Resembling(NamedTuple):
    """The answer to another wording of the question, and how similar that is (cosine)."""

    content: bytes
    similarity: float


Outcome = bytes | Resembling | LLMGatewayError | Abandoned


class Flight:
    """One answer in the making. Ends once; waiting costs nothing until somebody waits."""

    __slots__ = ("_future", "outcome", "waiting")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.waiting = 0
        self._future: asyncio.Future[None] | None = None

    def end(self, outcome: Outcome) -> None:
        """Tell those that wait; the first word counts."""
        if self.outcome is None:
            self.outcome = outcome
            if self._future is not None and not self._future.done():
                self._future.set_result(None)

    async def wait(self, timeout_s: float) -> Outcome | None:
        """The outcome, or None when it takes longer. Leaving disturbs nobody."""
        if self.outcome is None:
            if self._future is None:
                self._future = asyncio.get_running_loop().create_future()
            self.waiting += 1
            try:
                await asyncio.wait((self._future,), timeout=timeout_s)
            finally:
                self.waiting -= 1
        return self.outcome


class Flights:
    """The answers in the making, by name."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, name: str) -> Flight | None:
        return self._flights.get(name)

    def begin(self, name: str) -> Flight:
        """A new flight, in the place of one that took too long if there is one."""
        flight = self._flights[name] = Flight()
        return flight

    def end(self, name: str, flight: Flight, outcome: Outcome) -> None:
        """A flight is over; later requests begin anew."""
        if self._flights.get(name) is flight:
            del self._flights[name]
        flight.end(outcome)


def outcome_of_failure(failure: LLMGatewayError | None) -> Outcome:
    """What a failed call means for those that wait. None: it ended early without one."""
    return ABANDONED if failure is None or isinstance(failure, ClientClosedRequest) else failure


def own_copy(failure: LLMGatewayError) -> LLMGatewayError:
    """An error to raise once more: each one raised collects its own traceback."""
    return copy.copy(failure).with_traceback(None)
