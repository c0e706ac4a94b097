"""What limits and the cache cost a request; `benchmarks/limits.py` measures all of it."""

import asyncio
import re
import threading
from pathlib import Path

import pytest
from benchmarks.limits import with_the_cache
from tests.support import running_gateway
from tests.valkey import Valkey

from llm_gateway.caches.redis import RedisStore
from llm_gateway.counters.redis import PREFIX
from llm_gateway.simulator import SimulatorProcess

MOST_US = 25.0
SLOW = 4.0
"""So many times slower than here may the machine be that runs this."""


def test_limits_and_a_lookup_cost_twenty_five_microseconds_together() -> None:
    found = asyncio.run(with_the_cache(1_000, 5))
    assert found["limits and cache together"] < MOST_US * SLOW, found


@pytest.mark.parametrize(("prompts", "scripts"), [(("a", "a"), 3), (("a", "b"), 4)], ids=["hit", "miss"])
def test_with_a_store_there_is_one_round_trip_for_limits_and_one_for_the_cache(
    prompts: tuple[str, str], scripts: int, tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What limits reserved, and what the cache has; then, and nobody waits for it, what was used, and the new answer."""
    monkeypatch.setitem(RedisStore.__init__.__kwdefaults__, "timeout_s", 30)
    with Valkey() as valkey:

        def scripts_run() -> int:
            return sum(int(calls) for calls in re.findall(rb"cmdstat_evalsha:calls=(\d+)", valkey.command("INFO", "commandstats")))

        def is_done(entries: int) -> bool:
            settled = valkey.command("ZCARD", f"{PREFIX}leases") == b":0\r\n"
            return settled and valkey.command("ZCARD", "llmgw:{cache}:used") == b":%d\r\n" % entries

        with running_gateway(
            tmp_path, simulator, {"limits.overall.requests_per_minute": 10_000, "storage.redis_url": valkey.url}
        ) as gateway:
            waiting, before = threading.Event(), 0
            for number, prompt in enumerate(prompts, start=1):
                before = scripts_run()
                answer = gateway.post("/query", prompt=prompt, user_id="u")
                hit = answer.headers["x-gateway-cache"] == "hit"
                assert hit is (number == 2 and prompts[0] == prompts[1])
                for _ in range(3_000):
                    if is_done(number - hit):
                        break
                    waiting.wait(0.01)
                assert is_done(number - hit)
            assert scripts_run() == before + scripts
