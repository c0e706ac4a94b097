"""Amounts: exact decimals in USD for people, whole pico-dollars inside; and what a call can come to at most."""

from decimal import ROUND_DOWN, Decimal
from typing import Final

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.pricing import PICO_PER_USD, Price, Rate
from llm_gateway.core.tokens import at_most_input_tokens
from llm_gateway.core.types import ChatRequest, Request

MAX_LIMIT_USD: Final = 9_000_000
"""The largest limit: 64 bits hold 9.2 million dollars in pico-dollars."""
TOOL_PROMPT_TOKENS: Final = 1_000
"""Hidden instructions that vendors add and bill where tools are offered (Anthropic documents up to 804 tokens)."""


def pico(amount_usd: Decimal | float | str, param: str = "limit_usd") -> int:
    """A decimal amount in whole pico-dollars, exactly as it is written.

    Raises:
        InvalidRequest: it is no amount from 0 to `MAX_LIMIT_USD`, or finer than a pico-dollar.
    """
    try:
        amount = Decimal(str(amount_usd))
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= MAX_LIMIT_USD:
        raise InvalidRequest(f"{param}: expected an amount in USD from 0 to {MAX_LIMIT_USD}", param=param)
    scaled = amount.scaleb(12)
    if scaled != scaled.to_integral_value(ROUND_DOWN):
        raise InvalidRequest(f"{param}: expected at most 12 decimal places", param=param)
    return int(scaled)


def in_usd(pico_usd: int) -> str:
    """An amount as an exact decimal without superfluous zeros: `0.0125`."""
    sign, digits = ("-", -pico_usd) if pico_usd < 0 else ("", pico_usd)
    dollars, rest = divmod(digits, PICO_PER_USD)
    return f"{sign}{dollars}.{rest:012d}".rstrip("0").rstrip(".") if rest else f"{sign}{dollars}"


class Bound:
    """What one request can use at most, for the targets that it may be sent to. Sizes are counted when first asked for.

    `answer_tokens` stands for an answer whose length the caller did not limit.
    """

    __slots__ = ("_answer_tokens", "_input_tokens", "_request")

    def __init__(self, request: Request, answer_tokens: int) -> None:
        self._request = request
        self._answer_tokens = answer_tokens
        self._input_tokens = -1

    @property
    def input_tokens(self) -> int:
        """No provider counts more."""
        if self._input_tokens < 0:
            tools = TOOL_PROMPT_TOKENS if isinstance(self._request, ChatRequest) and self._request.tools else 0
            self._input_tokens = at_most_input_tokens(self._request) + tools
        return self._input_tokens

    @property
    def output_tokens(self) -> int:
        """No provider gives more, unless the caller left the length open and nobody limits it."""
        request = self._request
        return (request.max_tokens or self._answer_tokens) * request.n if isinstance(request, ChatRequest) else 0

    def pico_usd(self, price: Price) -> int:
        """What the request can cost at most at this price: whichever share of its input is read from a cache, or written to one,
        and whichever of the price's steps its length reaches."""
        sent, answered = self.input_tokens, self.output_tokens
        most = _at_most(price.base, sent, answered)
        for step in price.dearer:
            if sent > step.above_tokens:
                most = max(most, _at_most(step, sent, answered))
        return most


def _at_most(rate: Rate, sent: int, answered: int) -> int:
    return sent * max(rate.input, rate.cache_read, rate.cache_write) + answered * rate.output
