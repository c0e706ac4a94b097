"""How many tokens a request is reserved, and what it is charged in the end."""

from typing import Final, NamedTuple

from llm_gateway.core.errors import ClientClosedRequest
from llm_gateway.core.exchange import Exchange
from llm_gateway.core.tokens import at_most_input_tokens, estimate_input_tokens
from llm_gateway.core.types import ChatRequest, Request

_named = tuple.__new__
"""Makes a named tuple of a tuple; by its own name it costs twice as much."""
_CACHED: Final = frozenset({"hit", "semantic"})


class Need(NamedTuple):
    """Tokens of one request: an upper bound on its input, and the answer's share."""

    at_most_input: int
    answer: int

    @property
    def hold(self) -> int:
        """What is reserved: it cannot come to more, unless the caller left the answer's length open."""
        return self.at_most_input + self.answer


def need_of(request: Request, answer_tokens: int) -> Need:
    """What to reserve; `answer_tokens` where the caller set no `max_tokens`."""
    answer = (request.max_tokens or answer_tokens) * request.n if isinstance(request, ChatRequest) else 0
    return _named(Need, (at_most_input_tokens(request), answer))


def fits(request: Request, need: Need, limit: int) -> bool:
    """Whether a limit can ever grant this request: by the likely size of its input, as the bound is far above it for long texts."""
    return need.hold <= limit or estimate_input_tokens(request) + need.answer <= limit


def charge_of(exchange: Exchange) -> int | None:
    """What a caller's accounts are charged for a call that is over; None: all that was reserved.

    A caller who leaves before the account is there pays what was reserved: the provider may have done the work.
    """
    usage = exchange.usage
    if exchange.cache_state in _CACHED:
        return 0
    if usage is not None:
        return usage.input_tokens + usage.output_tokens
    if isinstance(exchange.failure, ClientClosedRequest) and any(attempt.outcome == "cancelled" for attempt in exchange.attempts):
        return None
    return 0


def charge_of_attempt(exchange: Exchange, number: int) -> int | None:
    """What a provider's accounts are charged for one of an exchange's attempts; None: all that was reserved for it.

    Where nobody knows what a provider used (it timed out, broke off, was left), it counts as all.
    """
    if number >= len(exchange.attempts):  # given up before it was made
        return 0
    attempt = exchange.attempts[number]
    if number == len(exchange.attempts) - 1 and exchange.usage is not None:
        return exchange.usage.total_tokens
    if not attempt.duration_s or (attempt.upstream_status is not None and attempt.upstream_status >= 400):
        return 0
    return None
