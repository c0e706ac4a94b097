"""Logs: JSON whoever writes, with the correlation id, and without a secret wherever it stands."""

import fcntl
import io
import json
import logging
import os
import threading
from collections.abc import Iterator

import pytest
import structlog
from tests.unit.llm_gateway.metrics.finished_calls import call

from llm_gateway import logs
from llm_gateway.call_log import CallLog
from llm_gateway.configuration import load
from llm_gateway.core.errors import ProviderTimeout
from llm_gateway.logs import MASK, Sink, configure_logs, hide, secrets_of

SECRET = 'sk-very"secret\\ключ-0123456789'


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    before, handlers, level = set(logs._hidden), logging.root.handlers[:], logging.root.level
    out = io.StringIO()
    configure_logs("info", out)
    yield out
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logs._Stream.out = None
    logs._hidden.clear()
    hide(before)
    logs.correlation_id.set("")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_secret_is_in_no_line_whoever_writes_it(stream: io.StringIO) -> None:
    hide([SECRET])
    log = structlog.get_logger("test")
    log.warning(f"the key {SECRET} was refused", header={"authorization": [f"Bearer {SECRET}"]})
    logging.getLogger("a.library").error("GET https://x/?key=%s failed", SECRET)
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError:
        log.exception("it broke")
    call_with_it = call(caller=f"me {SECRET}")
    CallLog(lambda: True)([(call_with_it, 1.0)])
    text = stream.getvalue()
    assert "very" not in text
    assert text.count(MASK) >= 5
    assert len(lines(stream)) == 4, "every line is one JSON object"


def test_the_secrets_of_a_configuration_are_all_known() -> None:
    settings = load(
        None,
        {
            "OPENAI_API_KEY": "sk-openai-0123456789",
            "LLM_GATEWAY__PROVIDERS__OPENAI__HEADERS__AUTHORIZATION": "Bearer header-token-1",
            "LLM_GATEWAY__STORAGE__DATABASE_URL": "postgresql://gateway:pass-word-1@localhost/x",
            "LLM_GATEWAY__AUTH__ADMIN_TOKEN": "an-admin-token-for-tests-only",
        },
        {},
    ).settings
    found = set(secrets_of(settings))
    assert found >= {"sk-openai-0123456789", "header-token-1", "pass-word-1", "an-admin-token-for-tests-only"}


def test_short_values_are_no_secrets(stream: io.StringIO) -> None:
    hide(["", "a", "info"])
    structlog.get_logger().info("a line of information")
    assert lines(stream)[0]["event"] == "a line of information"


def test_every_line_of_a_call_has_its_correlation_id(stream: io.StringIO) -> None:
    logs.correlation_id.set("gw-42")
    structlog.get_logger().info("something")
    logging.getLogger("a.library").warning("something else")
    assert [line["correlation_id"] for line in lines(stream)] == ["gw-42", "gw-42"]


def test_a_call_is_one_line_without_its_content(stream: io.StringIO) -> None:
    log = CallLog(lambda: True)
    late = call(prompt="CANARY", fails=ProviderTimeout("late"), outcome="provider_timeout")
    log([(call(prompt="CANARY"), 1.5), (late, 2.0)])
    CallLog(lambda: False)([(call(), 1.0)])
    first, second = lines(stream)
    assert "CANARY" not in stream.getvalue()
    assert (first["level"], first["event"], first["provider"], first["seconds"], first["outcome"]) == ("info", "call", "openai", 1.5, "ok")
    assert (second["level"], second["outcome"]) == ("warning", "provider_timeout")
    assert {"timestamp", "correlation_id", "caller", "cost_usd", "cache"} <= first.keys()


def test_less_severe_lines_are_left_out(stream: io.StringIO) -> None:
    configure_logs("error", stream)
    CallLog(lambda: True)([(call(), 1.0)])
    structlog.get_logger().warning("nobody reads this")
    assert stream.getvalue() == ""


def test_lines_are_written_while_nobody_waits_and_all_at_the_end() -> None:
    out = io.StringIO()
    sink = Sink(out, gather_s=0)
    sink.write("before\n")
    assert out.getvalue() == "before\n"
    with sink:
        for number in range(1000):
            sink.write(f"{number}\n")
    sink.write("after\n")
    assert out.getvalue().split() == ["before", *map(str, range(1000)), "after"]


def test_who_does_not_read_stops_nobody_and_hears_of_what_was_lost() -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    got: list[str] = []
    with open(reading, encoding="ascii") as reader:
        late = threading.Thread(target=lambda: got.extend(reader))
        with open(writing, "w", encoding="ascii") as out, Sink(out, most_chars=100_000, gather_s=0) as sink:
            for number in range(0, 50_000, 2):  # a pipe takes 4 KiB: written at once, this would never end
                sink.write(f"{number:08}\n{number + 1:08}\n")
            late.start()
        late.join()
    kept = [int(line) for line in got if not line.startswith("{")]
    lost = [json.loads(line)["lines"] for line in got if line.startswith("{")]
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert 100_000 / 9 <= len(kept) < 50_000
    assert len(kept) + sum(lost) == 50_000
