from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelPrice as ListedPrice
from genai_prices.types import Tier, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.core.models import CATALOGUE_ID, vendor_of
from llm_gateway.core.pricing import CATALOGUE_VERSION, FREE, PriceBook, cost_usd, listed_price, usd
from llm_gateway.core.settings import ModelPrice, ProviderSettings
from llm_gateway.core.types import Usage

NOW_S = 1_790_000_000.0
BOOK = PriceBook({name: ProviderSettings() for name in ("ollama", "openai", "anthropic", "bedrock", "grok")})


def book(**settings: object) -> PriceBook:
    return PriceBook({"openai": ProviderSettings.model_validate(settings)})


def listed_models(kind: str) -> list[str]:
    vendor = find_provider_by_id(get_snapshot().providers, CATALOGUE_ID[kind])
    assert vendor is not None
    return [model.id for model in vendor.models if vendor.find_model(model.id) is model]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["openai", "anthropic", "bedrock", "grok"]))
def test_costs_equal_the_catalogue_s_own_to_the_last_digit(data: st.DataObject, kind: str) -> None:
    model = data.draw(st.sampled_from(listed_models(kind)))
    price = BOOK.price_of(kind, model, NOW_S)
    if price is None:
        return
    read, write, fresh, output = (data.draw(st.integers(0, 400_000)) for _ in range(4))
    usage = Usage(read + write + fresh, output, read, write)
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": output, "cache_read_tokens": read, "cache_write_tokens": write}
    when = datetime.fromtimestamp(NOW_S, UTC)
    try:
        listed = calc_price(ListedUsage(**tokens), model, provider_id=CATALOGUE_ID[kind], genai_request_timestamp=when)
    except ValueError:
        return  # it asks for more kinds of tokens than we count (audio)
    assert cost_usd(usage, price) == listed.total_price


def test_the_specification_s_models_have_the_prices_that_the_catalogue_knows() -> None:
    for provider, model, dollars in (
        ("openai", "gpt-4o", "0.0075"),
        ("anthropic", "claude-3.5-sonnet", "0.0105"),
        ("bedrock", "anthropic.claude-3-sonnet-20240229-v1:0", "0.0105"),
        ("ollama", "llama3", "0"),
    ):
        price = BOOK.price_of(provider, model, NOW_S)
        assert price is not None
        assert cost_usd(Usage(1_000, 500), price) == Decimal(dollars)


def test_an_unknown_model_has_no_price() -> None:
    assert BOOK.price_of("grok", "grok-1", NOW_S) is None
    assert BOOK.price_of("nobody", "gpt-4o", NOW_S) is None


def test_what_the_configuration_says_comes_first_and_the_flat_price_last() -> None:
    own = book(prices={"gpt-4o": {"input": 1.5, "output": 2, "cache_read": 0.25}}, cost_per_token=0.00003)
    price = own.price_of("openai", "gpt-4o", NOW_S)
    assert price is not None
    assert price.source == "configuration"
    assert cost_usd(Usage(100, 10, 40, 10), price) == Decimal("0.000125") + Decimal("0.000020") - Decimal("0.000025")
    listed, flat = own.price_of("openai", "gpt-4o-mini", NOW_S), own.price_of("openai", "my-own", NOW_S)
    assert listed is not None
    assert listed.source == "catalogue"
    assert flat is not None
    assert (flat.source, cost_usd(Usage(10, 10), flat)) == ("cost_per_token", Decimal("0.0006"))


def test_ollama_is_free_unless_it_is_said_not_to_be() -> None:
    assert BOOK.price_of("ollama", "anything", NOW_S) is FREE
    assert FREE.is_free
    paid = PriceBook({"ollama": ProviderSettings(cost_per_token=0.001)}).price_of("ollama", "x", NOW_S)
    assert paid is not None
    assert not paid.is_free


def test_another_server_that_speaks_openai_is_not_billed_as_openai() -> None:
    def vendor(name: str, **fields: str) -> str:
        return vendor_of(name, ProviderSettings.model_validate({"kind": "openai", **fields}))

    assert vendor("openai", endpoint="http://localhost:9999/v1") == "openai"
    assert vendor("second") == "openai"
    assert vendor("mine", endpoint="http://10.0.0.7:8000/v1") == ""
    assert vendor("fast", endpoint="https://api.groq.com/openai/v1") == "groq"


def test_large_inputs_pay_the_dearer_rate_for_everything_from_the_first_token_above() -> None:
    price = BOOK.price_of("anthropic", "claude-sonnet-4-5", NOW_S)
    assert price is not None
    assert cost_usd(Usage(200_000, 0), price) == Decimal("0.6")
    assert cost_usd(Usage(200_001, 0), price) == Decimal("1.200006")


def test_of_several_rates_the_highest_threshold_reached_counts() -> None:
    steps = TieredPrices(Decimal(1), [Tier(100, Decimal(2)), Tier(1_000, Decimal(3))])
    price = listed_price(ListedPrice(input_mtok=steps, output_mtok=Decimal(10)))
    assert price is not None
    for tokens, rate in ((100, 1), (101, 2), (1_000, 2), (1_001, 3)):
        assert cost_usd(Usage(tokens, 1), price) * 10**6 == tokens * rate + 10
    assert listed_price(ListedPrice(input_mtok=None)) is None


def test_prices_follow_their_date() -> None:
    dated = PriceBook({"openai": ProviderSettings()})
    before, after = (datetime(2025, 6, day, tzinfo=UTC).timestamp() for day in (9, 11))
    assert dated.price_of("openai", "o3", before) != dated.price_of("openai", "o3", after)


def test_more_cached_than_input_is_never_negative() -> None:
    price = BOOK.price_of("openai", "gpt-4o", NOW_S)
    assert price is not None
    assert cost_usd(Usage(5, 0, 50), price) == Decimal("0.0000625")


@given(st.integers(0, 10**20))
def test_pico_dollars_are_exact(amount: int) -> None:
    assert usd(amount) * 10**12 == amount


def test_memory_of_prices_is_bounded() -> None:
    own = PriceBook({"openai": ProviderSettings()})
    for number in range(5_000):
        own.price_of("openai", f"{number}", NOW_S)
    assert len(own._known) <= 4096


def test_the_catalogue_has_a_version() -> None:
    assert CATALOGUE_VERSION.startswith("genai-prices ")
    assert BOOK.version == CATALOGUE_VERSION


@pytest.mark.parametrize("amount", [0.1, 2.5, 0.02, 1e-6, 75])
def test_configured_prices_are_taken_as_written(amount: float) -> None:
    own = book(prices={"m": ModelPrice(input=amount, output=0)})
    price = own.price_of("openai", "m", NOW_S)
    assert price is not None
    assert cost_usd(Usage(10**6, 0), price) == Decimal(str(amount))
