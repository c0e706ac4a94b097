"""Memory's own: what an entry is counted as is about what it takes."""

import gc
import tracemalloc

from tests.unit.llm_gateway.routing.fakes import FakeClock

from llm_gateway.caches.memory import MemoryStore


async def test_an_entry_takes_no_more_memory_than_it_is_counted_as() -> None:
    store = MemoryStore(FakeClock(), 100_000, 1 << 30)
    gc.collect()
    tracemalloc.start()
    for number in range(5_000):
        await store.put(f"user_{number:032x}", b"%08d" % number * 100, 60)
    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    counted_bytes = store.size[1]
    assert taken_bytes <= counted_bytes <= 1.5 * taken_bytes


async def test_claims_that_nobody_ends_are_swept() -> None:
    clock = FakeClock()
    store = MemoryStore(clock, 10, 1_000)
    for number in range(100):
        await store.claim(f"a_{number}", b"mine", 5)
    clock.now_s += 5
    await store.sweep()
    assert store._claims == {}
