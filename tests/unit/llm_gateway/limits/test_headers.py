import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.counters import Gauge, Rules
from llm_gateway.limits.headers import LimitHeaders, go_duration

RULES = Rules((10, 60, 1000), 50_000)


@pytest.mark.parametrize(
    ("length_us", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12_000, "12ms"),
        (999_001, "1s"),
        (1_500_000, "1.5s"),
        (59_999_999, "1m0s"),
        (60_000_000, "1m0s"),
        (360_000_000, "6m0s"),
        (61_020_000, "1m1.02s"),
        (3_600_000_000, "1h0m0s"),
        (3_661_250_000, "1h1m1.25s"),
    ],
)
def test_durations_are_as_go_prints_them(length_us: int, text: str) -> None:
    assert go_duration(length_us) == text


@given(st.integers(0, 10**11))
def test_a_duration_means_what_it_was_rounded_up_to_whole_milliseconds(length_us: int) -> None:
    seconds, number = 0.0, ""
    text = go_duration(length_us).replace("ms", "k")
    for sign in text:
        if sign.isdigit() or sign == ".":
            number += sign
            continue
        seconds += float(number) * {"h": 3600, "m": 60, "s": 1, "k": 0.001}[sign]
        number = ""
    assert not number
    assert round(seconds * 1000) == -(-length_us // 1000)


def of(gauge: Gauge) -> dict[str, str]:
    lines = LimitHeaders(RULES).lines(gauge).split("\r\n")
    assert lines.pop() == ""
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def test_the_headers_say_where_a_caller_stands() -> None:
    headers = of(Gauge((1, 2, 3), (400_000, 30_500_000, 3_599_000_000), 100, 900, 59_250_000))
    assert headers == {
        "ratelimit-policy": '"burst";q=10;w=1, "rpm";q=60;w=60, "rph";q=1000;w=3600, "tpm";q=50000;w=60;qu="tokens"',
        "ratelimit": '"burst";r=9;t=1, "rpm";r=58;t=31, "rph";r=997;t=3599, "tpm";r=49000;t=60',
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-limit-tokens": "50000",
        "x-ratelimit-remaining-requests": "58",
        "x-ratelimit-remaining-tokens": "49000",
        "x-ratelimit-reset-requests": "30.5s",
        "x-ratelimit-reset-tokens": "59.25s",
    }


def test_nothing_is_left_below_nought() -> None:
    headers = of(Gauge((11, 61, 1001), (1, 1, 1), 60_000, 1))
    assert headers["ratelimit"] == '"burst";r=0;t=1, "rpm";r=0;t=1, "rph";r=0;t=1, "tpm";r=0;t=0'
    assert headers["x-ratelimit-remaining-tokens"] == "0"


def test_in_a_cooldown_nothing_is_left_until_its_end() -> None:
    headers = of(Gauge((0, 3, 3), (0, 10_000_000, 3_000_000_000), cooldown_us=25_000_000))
    assert headers["ratelimit"] == '"burst";r=0;t=25, "rpm";r=0;t=25, "rph";r=0;t=3000, "tpm";r=50000;t=0'
    assert (headers["x-ratelimit-remaining-requests"], headers["x-ratelimit-reset-requests"]) == ("0", "25s")


def test_a_cooldown_may_be_longer_than_any_window() -> None:
    headers = of(Gauge((0, 3, 3), (0, 10_000_000, 3_000_000_000), cooldown_us=90_000_000_000))
    assert headers["ratelimit"] == '"burst";r=0;t=90000, "rpm";r=0;t=90000, "rph";r=0;t=90000, "tpm";r=50000;t=0'
    assert headers["x-ratelimit-reset-requests"] == "25h0m0s"


@given(minute_us=st.integers(0, 61_000_000), tokens_us=st.integers(0, 61_000_000), hour_us=st.integers(0, 3_601_000_000))
def test_times_are_rounded_up_and_durations_are_as_go_prints_them(minute_us: int, tokens_us: int, hour_us: int) -> None:
    burst_us = min(minute_us, 1_010_000)
    headers = of(Gauge((1, 1, 1), (burst_us, minute_us, hour_us), 1, 0, tokens_us))
    assert headers["x-ratelimit-reset-requests"] == go_duration(minute_us)
    assert headers["x-ratelimit-reset-tokens"] == go_duration(tokens_us)
    told = [int(part.rpartition("=")[2]) for part in headers["ratelimit"].split(", ")]
    assert told == [-(-each // 1_000_000) for each in (burst_us, minute_us, hour_us, tokens_us)]
