"""`llm-gateway services` and `workflow` against a running gateway, and the tour that the demo offers."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.siblings import sibling_server
from tests.support import Answer, RunningGateway, running_gateway

from llm_gateway.cli import demo
from llm_gateway.cli.main import run
from llm_gateway.simulator import SimulatorProcess


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path, simulator) as running:
        yield running


def test_services(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["services", "--url", gateway.url]) == 0
    shown = capsys.readouterr().out
    assert "doc_store" in shown
    assert "embedded" in shown
    assert run(["services", "--url", gateway.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 10


def test_a_service_that_is_ill_is_an_exit_code(tmp_path: Path, simulator: SimulatorProcess, capsys: pytest.CaptureFixture[str]) -> None:
    with sibling_server() as (url, siblings), running_gateway(tmp_path, simulator, {"services.doc_store.url": url}) as gateway:
        siblings.fault = "error"
        assert run(["services", "--url", gateway.url]) == 1
        assert "1 of 10" in capsys.readouterr().err


def test_workflows(gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--url", gateway.url, "--user", "ann"]
    assert run(["workflow", "list", *where]) == 0
    assert "code_review" in capsys.readouterr().out
    file = tmp_path / "look.json"
    step = {"id": "find", "service": "doc_store", "operation": "search", "input": {"query": "${inputs.topic}"}}
    file.write_text(json.dumps({"name": "look", "steps": [step]}))
    assert run(["workflow", "run", str(file), "-i", "topic=falcons", "--json", *where]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["status"] == "succeeded"
    assert run(["workflow", "show", done["run_id"], *where]) == 0
    assert "doc_store.search" in capsys.readouterr().out
    assert run(["workflow", "cancel", done["run_id"], *where]) == 0, "one that has ended stays as it ended"
    assert "succeeded" in capsys.readouterr().out
    assert run(["workflow", "run", "research", "-i", "query", *where]) == 2
    assert run(["workflow", "run", "nonsense", *where]) == 1
    assert "code_review" in capsys.readouterr().err


def test_the_tour_of_the_demo(gateway: RunningGateway) -> None:
    def answer(line: str) -> Answer:
        words = shlex.split(line)
        method, url = ("POST", words[words.index("POST") + 1]) if "-X" in words else ("GET", words[1])
        headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
        body = next((words[at + 1].encode() for at, word in enumerate(words) if word in {"-d", "--data-binary"}), None)
        return gateway.call(method, url.removeprefix(gateway.url), body, {name.lower(): value for name, value in headers.items()})

    greeting = demo._GREETING.format(url=gateway.url, control="", token="")
    tour = greeting[greeting.index("# a tour") :].replace("\\\n", "").splitlines()
    upload, enhanced, workflow, status = (answer(line.strip()) for line in tour if line.strip().startswith("curl"))
    assert upload.status == 201, upload.body
    found = {entry["operation"]: entry for entry in enhanced.json["integrations"]["contributions"]}
    assert found["search"]["contributed"]["documents"][0]["doc_id"] == upload.json["doc_id"]
    assert workflow.body.endswith(b"data: [DONE]\n\n")
    assert status.json["healthy"] == 10
