import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from llm_gateway.core.errors import ConfigurationError, NotFound
from llm_gateway.identity.key_store import KeyStore, api_keys
from llm_gateway.identity.keys import Grant, Key, Pepper, is_well_formed
from llm_gateway.stores.sql import SqlStore

PEPPER = Pepper(b"p" * 32)


class Clock:
    now_s = 1_800_000_000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    opened = SqlStore(database_url)
    yield opened
    await asyncio.to_thread(opened.close)


@pytest.fixture
async def keys(store: SqlStore, clock: Clock) -> KeyStore:
    return await opened(store, clock)


async def opened(store: SqlStore, clock: Clock, pepper: Pepper = PEPPER) -> KeyStore:
    found = KeyStore(store, clock, pepper)
    await found.open()
    return found


async def test_a_key_is_in_force_at_once_with_all_that_it_grants(keys: KeyStore, clock: Clock) -> None:
    assert not keys.any_exist
    grant = Grant("ci", "acme", "gold", frozenset({"openai", "ollama"}), frozenset({"gpt-4o"}), Decimal("12.50"), "day", clock.now_s + 60)
    secret, key = await keys.create(grant)
    assert is_well_formed(secret)
    assert keys.any_exist
    entry = keys.table[PEPPER.of(secret)]
    assert entry.key == key == keys.by_id(key.id)
    assert entry.key.grant == grant
    assert entry.expires_s == clock.now_s + 60
    assert entry.caller.id == "acme"
    assert key.hint == secret[:7]
    assert secret not in repr(entry)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_stored_is_not_the_key(keys: KeyStore, store: SqlStore, tmp_path: Path) -> None:
    secret, _ = await keys.create(Grant("ci", "acme"))
    await asyncio.to_thread(store.close)
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert PEPPER.of(secret) in files
    assert secret.encode() not in files
    assert secret[3:20].encode() not in files


async def test_what_grants_everything_comes_back_as_such(store: SqlStore, clock: Clock) -> None:
    keys = await opened(store, clock)
    secret, _ = await keys.create(Grant("ci", "acme"))
    again = await opened(store, clock)
    assert again.table[PEPPER.of(secret)].key.grant == Grant("ci", "acme")
    assert again.table[PEPPER.of(secret)].expires_s == float("inf")


async def test_a_revoked_key_is_gone_here_at_once_and_elsewhere_with_the_next_look(store: SqlStore, clock: Clock) -> None:
    here, there = await opened(store, clock), await opened(store, clock)
    secret, key = await here.create(Grant("ci", "acme"))
    digest = PEPPER.of(secret)
    assert digest not in there.table
    await there.tick()
    assert digest in there.table
    revoked = await there.revoke(key.id)
    assert revoked.revoked_s == clock.now_s
    assert digest not in there.table
    assert there.by_id(key.id) is None
    assert digest in here.table
    await here.tick()
    assert digest not in here.table
    assert here.any_exist  # nobody is let in because the last key was taken back
    assert (await opened(store, clock)).any_exist


async def test_keys_that_are_there_already_are_found_at_start(store: SqlStore, clock: Clock) -> None:
    keys = await opened(store, clock)
    made = [await keys.create(Grant(f"k{number}", "acme")) for number in range(5)]
    await keys.revoke(made[2][1].id)
    again = await opened(store, clock)
    assert set(again.table) == {PEPPER.of(secret) for number, (secret, _) in enumerate(made) if number != 2}


async def test_revoking_twice_changes_nothing_and_revoking_nothing_is_not_found(keys: KeyStore, clock: Clock) -> None:
    _, key = await keys.create(Grant("ci", "acme"))
    first = await keys.revoke(key.id)
    clock.now_s += 10
    assert await keys.revoke(key.id) == first
    with pytest.raises(NotFound, match="no API key 'key_x'"):
        await keys.revoke("key_x")


async def test_changes_of_many_at_once_are_all_seen(store: SqlStore, clock: Clock) -> None:
    writers = [await opened(store, clock) for _ in range(4)]
    reader = await opened(store, clock)
    seen = asyncio.create_task(looking(reader, 40))
    made = await asyncio.gather(*(writers[number % 4].create(Grant("k", "acme")) for number in range(40)))
    await seen
    assert set(reader.table) == {PEPPER.of(secret) for secret, _ in made}
    await asyncio.gather(*(writers[number % 4].revoke(key.id) for number, (_, key) in enumerate(made)))
    await reader.refresh()
    assert reader.table == {}


async def looking(reader: KeyStore, count: int) -> None:
    async with asyncio.timeout(20):
        while len(reader.table) < count:
            await reader.refresh()


async def test_a_page_has_keys_in_the_order_they_were_made(keys: KeyStore, clock: Clock) -> None:
    ids = []
    for number in range(5):
        clock.now_s += 1
        ids.append((await keys.create(Grant(f"k{number}", "acme" if number % 2 else "other")))[1].id)
    await keys.revoke(ids[0])
    assert [key.id for key in await keys.page(None, "", 3)] == ids[:3]
    assert [key.id for key in await keys.page(None, ids[2], 3)] == ids[3:]
    assert [key.id for key in await keys.page("acme", "", 10)] == [ids[1], ids[3]]
    assert await keys.page("acme' OR 1=1 --", "", 10) == []


async def test_last_uses_are_written_late_and_never_go_back(store: SqlStore, clock: Clock) -> None:
    here, there = await opened(store, clock), await opened(store, clock)
    _, key = await here.create(Grant("ci", "acme"))
    here.used(key.id, 100.0)
    assert await last_used(store) is None
    assert (await here.page(None, "", 1))[0].last_used_s == 100.0  # this process knows already
    await here.tick()
    assert await last_used(store) == 100.0
    there.used(key.id, 50.0)
    there.used("config:ci", 50.0)  # of no row
    await there.tick()
    assert await last_used(store) == 100.0
    there.used(key.id, 150.0)
    await there.tick()
    assert await last_used(store) == 150.0


async def last_used(store: SqlStore) -> float | None:
    return await store.read(lambda connection: connection.scalar(select(api_keys.c.last_used_s)))


async def test_idle_ticks_write_nothing(keys: KeyStore, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = await keys.create(Grant("ci", "acme"))
    keys.used(key.id, 1.0)
    await keys.tick()
    monkeypatch.setattr(store, "write", None)
    await keys.tick()


async def test_a_database_that_does_not_answer_keeps_keys_in_force_and_loses_no_use(
    keys: KeyStore, store: SqlStore, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, key = await keys.create(Grant("ci", "acme"))
    keys.used(key.id, 7.0)
    await store.write(lambda connection: connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO away"))
    await keys.tick()
    assert "could not be refreshed" in "".join(capsys.readouterr())
    assert PEPPER.of(secret) in keys.table
    with pytest.raises(SQLAlchemyError):
        await keys.write_uses()
    await store.write(lambda connection: connection.exec_driver_sql("ALTER TABLE away RENAME TO api_keys"))
    await keys.tick()
    assert await last_used(store) == 7.0


async def test_another_pepper_is_noticed_at_start_once_there_are_keys(store: SqlStore, clock: Clock) -> None:
    await opened(store, clock, Pepper(b"1" * 32))
    keys = await opened(store, clock, Pepper(b"2" * 32))  # no key is lost
    await keys.create(Grant("ci", "acme"))
    with pytest.raises(ConfigurationError, match=r"auth\.key_pepper"):
        await opened(store, clock, Pepper(b"1" * 32))
    await opened(store, clock, Pepper(b"2" * 32))


async def test_processes_that_start_at_once_make_one_state(database_url: str, clock: Clock) -> None:
    stores = [SqlStore(database_url) for _ in range(4)]
    await asyncio.gather(*(opened(each, clock) for each in stores))
    rows = await stores[0].read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM api_key_state").scalar())
    assert rows == 1
    for each in stores:
        await asyncio.to_thread(each.close)


async def test_a_digest_is_stored_once(keys: KeyStore, store: SqlStore) -> None:
    await keys.create(Grant("a", "acme"))
    await keys.create(Grant("b", "acme"))
    assert await store.read(lambda connection: connection.scalar(select(func.count(api_keys.c.digest.distinct())))) == 2


def test_a_key_shows_no_secret() -> None:
    assert "gw_" not in repr(Key("key_1", b"", Grant("n", "o")))
