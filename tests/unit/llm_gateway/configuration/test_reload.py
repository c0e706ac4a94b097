import asyncio
import os
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.configuration.loading import Loaded, load
from llm_gateway.configuration.reload import Reload, Reloader
from llm_gateway.core.errors import ConfigurationError, Internal, LLMGatewayError

PATIENCE_S = 10
"""For what has to happen; nothing here takes that long."""


class StillClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


class Watched:
    """A reloader on a real file, with all that it published and reported."""

    def __init__(self, folder: Path, text: str = "cache: {max_size: 1}\n", environ: dict[str, str] | None = None) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(text)
        self.published: list[Reload] = []
        self.problems: list[LLMGatewayError] = []
        self.clock = StillClock()
        self.refusal: Exception | None = None
        self.something_happened = asyncio.Event()
        self.load = partial(load, self.path, environ or {}, {})
        self.reloader = Reloader(self.load(), self._load, self._publish, self._report, clock=self.clock, poll_interval_s=0.01)
        self.before_load: list[str] = []

    def _load(self) -> Loaded:
        if self.before_load:
            self.path.write_text(self.before_load.pop())
        return self.load()

    async def _publish(self, change: Reload) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.published.append(change)
        self.something_happened.set()

    def _report(self, problem: LLMGatewayError) -> None:
        self.problems.append(problem)
        self.something_happened.set()

    @property
    def max_size(self) -> int:
        return self.reloader.current.settings.cache.max_size

    async def polls(self, count: int) -> None:
        for _ in range(count):
            await self.reloader.poll()


@pytest.fixture
async def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_an_unchanged_file_is_left_alone(watched: Watched) -> None:
    await watched.polls(3)
    os.utime(watched.path)
    await watched.polls(3)
    assert (watched.published, watched.problems) == ([], [])


async def test_a_new_content_is_taken_when_it_looked_the_same_twice(watched: Watched) -> None:
    await watched.polls(1)
    watched.path.write_text("cache: {max_size: 2}\n")
    await watched.polls(1)
    assert watched.max_size == 1
    watched.clock.now_s += 5
    await watched.polls(1)
    assert watched.max_size == 2
    (change,) = watched.published
    assert (change.changed, change.needs_restart) == (("cache.max_size",), ())
    assert change.loaded is watched.reloader.current
    assert (watched.reloader.state.at_s, watched.reloader.state.problem) == (1005.0, "")
    await watched.polls(3)
    assert len(watched.published) == 1


async def test_a_file_that_is_still_being_written_waits(watched: Watched) -> None:
    await watched.polls(1)
    text = "cache: {max_size: 2}\nrouting: {strategy: cost}\n"
    for end in range(1, len(text)):
        watched.path.write_text(text[:end])
        await watched.polls(1)
    assert (watched.published, watched.problems) == ([], [])
    watched.path.write_text(text)
    await watched.polls(2)
    assert [change.changed for change in watched.published] == [("routing.strategy", "cache.max_size")]


async def test_a_change_between_look_and_load_is_looked_at_again(watched: Watched) -> None:
    watched.path.write_text("cache: {max_size: 2}\n")
    await watched.polls(1)
    watched.before_load = ["cache: {max_size: 3}\nrouting: {strat"]
    await watched.polls(1)
    assert watched.max_size == 1
    watched.path.write_text("cache: {max_size: 4}\n")
    await watched.polls(2)
    assert watched.max_size == 4
    assert len(watched.published) == 1


async def test_a_valid_change_between_look_and_load_is_not_taken_on_one_look(watched: Watched) -> None:
    watched.path.write_text("cache: {max_size: 2}\n")
    os.utime(watched.path, ns=(1, 1))
    await watched.polls(1)
    watched.before_load = ["cache: {max_size: 3}\n"]
    await watched.polls(1)
    os.utime(watched.path, ns=(1, 1))  # as if written within one tick of the file system's clock
    assert watched.max_size == 1
    await watched.polls(1)
    assert watched.max_size == 3


@pytest.mark.parametrize("broken", ["cache: {max_size: -2}\n", "cache: [\n", "cash: {}\n", "server: {workers: 3}\n"])
async def test_a_wrong_file_changes_nothing_and_is_reported_once(watched: Watched, broken: str) -> None:
    before = watched.reloader.current
    watched.path.write_text(broken)
    watched.clock.now_s += 5
    await watched.polls(5)
    assert watched.reloader.current is before
    assert [type(problem) for problem in watched.problems] == [ConfigurationError]
    assert (watched.reloader.state.at_s, watched.reloader.state.problem) == (1005.0, watched.problems[0].message)
    watched.path.write_text("cache: {max_size: 5}\n")
    await watched.polls(2)
    assert watched.max_size == 5
    assert watched.reloader.state.problem == ""


async def test_going_back_to_the_running_content_is_no_change(watched: Watched) -> None:
    watched.path.write_text("cache: {max_size: -2}\n")
    await watched.polls(2)
    watched.path.write_text("cache: {max_size: 1}\n")
    await watched.polls(2)
    assert (watched.published, watched.max_size, watched.reloader.state.problem) == ([], 1, "")


async def test_a_file_that_is_gone_is_reported_once_and_may_come_back(watched: Watched) -> None:
    watched.path.unlink()
    await watched.polls(5)
    assert len(watched.problems) == 1
    assert "cannot be read" in watched.problems[0].message
    watched.path.write_text("cache: {max_size: 6}\n")
    await watched.polls(2)
    assert watched.max_size == 6


async def test_a_file_that_is_replaced_in_one_step_is_seen(watched: Watched) -> None:
    await watched.polls(1)
    new = watched.path.with_suffix(".new")
    new.write_text("cache: {max_size: 7}\n")
    new.replace(watched.path)
    await watched.polls(2)
    assert watched.max_size == 7


async def test_a_link_that_is_swapped_is_seen(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    for size in (1, 8):
        (tmp_path / str(size)).write_text(f"cache: {{max_size: {size}}}\n")
    watched.path.unlink()
    watched.path.symlink_to("1")
    await watched.polls(2)
    link = tmp_path / "link"
    link.symlink_to("8")
    link.replace(watched.path)
    await watched.polls(2)
    assert (watched.max_size, watched.problems) == (8, [])


async def test_settings_that_need_a_restart_wait_and_the_rest_applies(watched: Watched) -> None:
    watched.path.write_text("cache: {max_size: 2}\nserver: {port: 6000, max_messages: 5}\nstorage: {redis_url: 'redis://r'}\n")
    await watched.polls(2)
    (change,) = watched.published
    assert change.needs_restart == ("server.port", "storage.redis_url")
    assert change.changed == ("server.max_messages", "cache.max_size")
    running = watched.reloader.current
    assert (running.settings.server.port, running.settings.server.max_messages) == (5055, 5)
    assert running.settings.storage.redis_url.get_secret_value() == ""
    assert running.origins["server.port"] == "default"
    assert running.origins["server.max_messages"] == "file config.yaml:2"
    watched.path.write_text("cache: {max_size: 2}\nserver: {max_messages: 5}\n")
    await watched.polls(2)
    assert len(watched.published) == 1


async def test_providers_come_and_go_as_a_whole(watched: Watched) -> None:
    watched.path.write_text("cache: {max_size: 1}\nproviders: {x: {kind: openai, endpoint: 'http://localhost:1'}}\n")
    await watched.polls(2)
    assert "providers.x.kind" in watched.published[0].changed
    watched.path.write_text("cache: {max_size: 1}\n")
    await watched.polls(2)
    assert "providers.x.kind" in watched.published[1].changed
    assert "x" not in watched.reloader.current.settings.providers


async def test_what_cannot_be_put_into_effect_is_not_current(watched: Watched) -> None:
    watched.refusal = Internal("no")
    watched.path.write_text("cache: {max_size: 2}\n")
    await watched.polls(4)
    assert watched.max_size == 1
    assert [problem.message for problem in watched.problems] == ["no"]
    watched.refusal = None
    await watched.reloader.reload()
    assert watched.max_size == 2


async def test_a_request_does_not_wait_and_its_problem_is_said_once(watched: Watched) -> None:
    watched.path.write_text("cache: {max_size: 2}\n")
    await watched.reloader.reload()
    assert watched.max_size == 2
    watched.path.write_text("cache: [\n")
    await watched.reloader.reload()
    await watched.polls(3)
    assert len(watched.problems) == 1


async def test_without_a_file_polling_does_nothing_and_a_request_reads_again() -> None:
    published: list[Reload] = []

    async def publish(change: Reload) -> None:
        published.append(change)

    environ = {"CACHE_MAX_SIZE": "1"}
    reloader = Reloader(
        load(None, environ, {}), lambda: load(None, environ, {}), publish, lambda problem: None, clock=StillClock(), poll_interval_s=1
    )
    await reloader.poll()
    environ["CACHE_MAX_SIZE"] = "2"
    await reloader.reload()
    assert [change.changed for change in published] == [("cache.max_size",)]


async def test_running_takes_requests_at_once(watched: Watched) -> None:
    watched.reloader._poll_interval_s = 3600
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        task = group.create_task(watched.reloader.run())
        for size in (2, 3):
            watched.something_happened.clear()
            watched.path.write_text(f"cache: {{max_size: {size}}}\n")
            watched.reloader.request()
            await watched.something_happened.wait()
            assert watched.published[-1].loaded.settings.cache.max_size == size
        task.cancel()


async def test_running_sees_changes_and_goes_on_after_problems(watched: Watched) -> None:
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        task = group.create_task(watched.reloader.run())
        watched.path.write_text("cache: [\n")
        await watched.something_happened.wait()
        assert len(watched.problems) == 1
        watched.something_happened.clear()
        watched.path.write_text("cache: {max_size: 2}\n")
        await watched.something_happened.wait()
        assert len(watched.published) == 1
        task.cancel()


STEPS = st.lists(st.sampled_from(["whole 2", "whole 3", "cut", "wrong", "gone", "poll", "poll", "poll", "request"]), max_size=20)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_to_the_file_only_whole_and_valid_settings_run(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    async def go() -> None:
        watched = Watched(tmp_path_factory.mktemp("storm"), "cache: {max_size: 1}\nrouting: {max_attempts: 1}\n")
        for step in steps:
            match step.split():
                case ["whole", size]:
                    watched.path.write_text(f"cache: {{max_size: {size}}}\nrouting: {{max_attempts: {size}}}\n")
                case ["cut"]:
                    watched.path.write_text("cache: {max_size: 9}\nrouting: {max_att")
                case ["wrong"]:
                    watched.path.write_text("cache: {max_size: 9}\nrouting: {max_attempts: 99}\n")
                case ["gone"]:
                    watched.path.unlink(missing_ok=True)
                case ["poll"]:
                    await watched.reloader.poll()
                case ["request"]:
                    await watched.reloader.reload()
            running = watched.reloader.current.settings
            assert running.cache.max_size == running.routing.max_attempts <= 3
        watched.path.write_text("cache: {max_size: 3}\nrouting: {max_attempts: 3}\n")
        await watched.polls(3)
        assert watched.max_size == 3

    asyncio.run(go())
