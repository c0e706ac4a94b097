"""The way of a request: one list of stages, read from the outside in."""

from collections.abc import Awaitable, Sequence
from types import FunctionType
from typing import Protocol

from llm_gateway.core.exchange import Exchange, Next, Reply


class Stage(Protocol):
    """A part of the way: may answer by itself, or ask the next and add to its reply.

    One that has nothing to add to this call gives what the next one gives, and is out of the way.
    """

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]: ...


def compose(stages: Sequence[Stage], last: Next) -> Next:
    """Nest the stages around `last`, the first outermost."""
    way = last
    for stage in reversed(stages):
        way = _before(way, stage)
    return way


def _before(call_next: Next, stage: Stage) -> Next:
    """`stage` around `call_next`. An object's method is looked up here, once: calling it costs less than calling the object."""
    ask = stage if isinstance(stage, FunctionType) else stage.__call__

    def way(exchange: Exchange) -> Awaitable[Reply]:
        return ask(exchange, call_next)

    return way
