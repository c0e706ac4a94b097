"""Valkey's schemes, and a client that leaves deadlines to who calls it."""

import pytest

from llm_gateway.redis_client import redis_client, redis_url


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("rediss://u:p@h", "rediss://u:p@h"),
        ("valkey://h:1", "redis://h:1"),
        ("valkeys://u:p@h/3", "rediss://u:p@h/3"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_schemes(url: str, plain: str) -> None:
    assert redis_url(url) == plain


async def test_a_client_sets_no_deadline_of_its_own() -> None:
    client = redis_client("valkey://localhost:1")
    assert client.connection_pool.make_connection().socket_timeout is None
