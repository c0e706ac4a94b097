"""What an answer costs, exactly.

Money is counted in whole pico-dollars (10^-12 USD): a price of one dollar per million tokens is a million of them a
token, so every listed price is a whole number and no sum is ever rounded. Prices come from the configuration, then
from the genai-prices catalogue as installed (offline), then from `cost_per_token`; a model served by ollama is free
unless the configuration says otherwise. A model that none of them knows has no price (None), never a price of 0.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec
from genai_prices import __version__ as _catalogue_release
from genai_prices.types import ModelPrice as ListedPrice
from genai_prices.types import TieredPrices

from llm_gateway.core.models import find_model, vendor_of
from llm_gateway.core.settings import ModelPrice, ProviderSettings
from llm_gateway.core.types import PASSTHROUGH, Usage

CATALOGUE_VERSION: Final = f"genai-prices {_catalogue_release}"
PICO_PER_USD: Final = 10**12
_PICO_PER_USD_PER_MILLION: Final = 10**6
_RECHECK_S: Final = 60.0
"""Listed prices that depend on date or time of day are looked up again this often."""
_MAX_PRICES: Final = 4096
"""Remembered prices; callers choose model names, so the memory needs an end."""


class Rate(msgspec.Struct, frozen=True, gc=False):
    """Pico-dollars for one token of each sort. Holds when a request has more than `above_tokens` input tokens."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    above_tokens: int = -1


class Price(msgspec.Struct, frozen=True):
    """A model's price. `dearer` are the rates of large inputs, largest threshold first: the whole request pays the one it reaches.

    `source` says where it comes from: `configuration`, `catalogue`, `cost_per_token` or `local`.
    """

    base: Rate
    source: str
    dearer: tuple[Rate, ...] = ()

    def pico_usd(self, usage: Usage) -> int:
        """What `usage` costs, in pico-dollars. Cached tokens are part of `input_tokens` and priced on their own."""
        rate, sent = self.base, usage.input_tokens
        for step in self.dearer:
            if sent > step.above_tokens:
                rate = step
                break
        cost = usage.output_tokens * rate.output
        read, write = usage.cache_read_tokens, usage.cache_write_tokens
        if read or write:
            cost += read * rate.cache_read + write * rate.cache_write
            sent = max(sent - read - write, 0)  # more cached tokens than input are no reason to give money back
        return cost + sent * rate.input

    @property
    def is_free(self) -> bool:
        """Whether nothing that a request can use costs anything."""
        return not (self.dearer or self.base.input or self.base.output or self.base.cache_read or self.base.cache_write)


FREE: Final = Price(Rate(0, 0, 0, 0), "local")


def cost_usd(usage: Usage, price: Price) -> Decimal:
    """The exact cost of an answer in USD."""
    return usd(price.pico_usd(usage))


def usd(pico_usd: int) -> Decimal:
    """Pico-dollars as exact USD."""
    return Decimal(pico_usd).scaleb(-12)


def _pico(usd_per_million: Decimal | float) -> int:
    return round(Decimal(str(usd_per_million)) * _PICO_PER_USD_PER_MILLION)


def configured_price(price: ModelPrice) -> Price:
    """A price of the configuration. Cache reads and writes cost what other input costs unless it says otherwise."""
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    return Price(Rate(_pico(price.input), _pico(price.output), _pico(read), _pico(write)), "configuration")


def _rate_at(listed: ListedPrice, input_tokens: int, above_tokens: int) -> Rate:
    def of(value: Decimal | TieredPrices | None, otherwise: int) -> int:
        if value is None:
            return otherwise
        if isinstance(value, TieredPrices):
            reached = [tier.price for tier in value.tiers if input_tokens > tier.start]
            return _pico(reached[-1] if reached else value.base)
        return _pico(value)

    fresh = of(listed.input_mtok, 0)
    return Rate(fresh, of(listed.output_mtok, 0), of(listed.cache_read_mtok, fresh), of(listed.cache_write_mtok, fresh), above_tokens)


def listed_price(listed: ListedPrice) -> Price | None:
    """A price of the catalogue; None when it is not by the token (speech by the hour, pictures by the piece)."""
    if listed.input_mtok is None and listed.output_mtok is None:
        return None
    values = (listed.input_mtok, listed.output_mtok, listed.cache_read_mtok, listed.cache_write_mtok)
    starts = {tier.start for value in values if isinstance(value, TieredPrices) for tier in value.tiers}
    dearer = tuple(_rate_at(listed, start + 1, start) for start in sorted(starts, reverse=True))
    return Price(_rate_at(listed, 0, -1), "catalogue", dearer)


class PriceBook:
    """The prices of the configured providers' models. A lookup after the first costs a fraction of a microsecond."""

    def __init__(self, providers: Mapping[str, ProviderSettings]) -> None:
        self._providers = dict(providers)
        self._vendors = {name: vendor_of(name, settings) for name, settings in providers.items()}
        self._known: dict[tuple[str, str], tuple[Price | None, float]] = {}
        self.version = CATALOGUE_VERSION

    def price_of(self, provider: str, model: str, now_s: float) -> Price | None:
        """What a provider's model costs at `now_s` (Unix seconds); None: nobody knows."""
        key = (provider, model)
        known = self._known.get(key)
        if known is not None and now_s < known[1]:
            return known[0]
        if len(self._known) >= _MAX_PRICES:
            self._known.clear()
        found = self._known[key] = self._resolve(provider, model, now_s)
        return found[0]

    def _resolve(self, provider: str, model: str, now_s: float) -> tuple[Price | None, float]:
        for_good = float("inf")
        settings = self._providers.get(provider)
        if settings is None:
            return None, for_good
        if model in settings.prices:
            return configured_price(settings.prices[model]), for_good
        if model == PASSTHROUGH:  # pictures, files and batches are not sold by their tokens
            return None, for_good
        entry = find_model(self._vendors[provider], model)
        if entry is not None:
            price = listed_price(entry.get_prices(datetime.fromtimestamp(now_s, UTC)))
            if price is not None:
                return price, for_good if isinstance(entry.prices, ListedPrice) else now_s + _RECHECK_S
        if settings.cost_per_token is not None:
            rate = _pico(Decimal(str(settings.cost_per_token)) * 10**6)
            return Price(Rate(rate, rate, rate, rate), "cost_per_token"), for_good
        return (FREE if (settings.kind or provider) == "ollama" else None), for_good
