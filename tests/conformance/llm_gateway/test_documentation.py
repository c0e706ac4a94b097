"""The lines of README and of the pages on other clients and on passthrough run as they stand, but for the address; headers are told of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.dialects import INGRESSES, Ingress
from tests.conformance.llm_gateway.test_javascript import FOLDER, script
from tests.support import RunningGateway

__all__ = ["script"]  # a fixture

DOCS = Path(__file__).parents[3] / "docs"
SOURCE = Path(__file__).parents[3] / "src" / "llm_gateway"
PAGES = {"openai": "openai.md", "anthropic": "anthropic.md", "ollama": "ollama.md", "native": "api.md"}
FRAMING = {"content-type", "content-length", "transfer-encoding", "date"}


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = [block.partition("```")[0] for block in text.split(f"```{language}\n")[1:]]
    assert found, page
    return found


@pytest.mark.parametrize(("page", "answers"), [("../README.md", 3), ("clients.md", 5), ("passthrough.md", 0)])
def test_python(open_gateway: RunningGateway, page: str, answers: int) -> None:
    """In a process of its own: some of these packages leave loops and connections behind."""
    printed = ""
    for block in blocks(page, "python"):
        assert "http://localhost:5055" in block
        command = [sys.executable, "-c", block.replace("http://localhost:5055", open_gateway.url)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    assert printed
    assert printed.count("[simulated ") == answers


def test_javascript(open_gateway: RunningGateway, script: Path) -> None:
    assert script.exists()
    (block,) = blocks("clients.md", "js")
    place = FOLDER / f"documented-{os.getpid()}.mjs"
    place.write_text(block.replace("http://localhost:5055", open_gateway.url))
    done = subprocess.run(["node", str(place)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [kind for kind in ("ollama/llama3", "anthropic/claude") if f"[simulated {kind}" in done.stdout] == [
        "ollama/llama3",
        "anthropic/claude",
    ]


def test_links_lead_somewhere() -> None:
    for page in ("clients.md", "passthrough.md", "openai.md", "anthropic.md", "ollama.md", "conformance.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        for link in (part.partition(")")[0] for part in text.split("](")[1:]):
            if not link.startswith("http"):
                assert (DOCS / link.partition("#")[0]).exists() or link.startswith("#"), f"{page}: {link}"


def headers_of(page: str) -> list[str]:
    """What stands on a page as code, without a value behind a colon."""
    spans = re.findall(r"`([^`\n]+)`", (DOCS / page).read_text(encoding="utf-8"))
    return [span.partition(":")[0].lower() for span in spans]


def is_told_of(name: str, told: list[str]) -> bool:
    return any(name == span or (span.endswith("-*") and name.startswith(span[:-1])) for span in told)


@pytest.mark.parametrize("ingress", INGRESSES, ids=lambda ingress: ingress.path)
def test_every_header_of_an_answer_is_told_of(open_gateway: RunningGateway, ingress: Ingress) -> None:
    model = "openai/text-embedding-3-small" if ingress.embeds else "openai/gpt-4o"
    bodies = [ingress.asked(key, model) for key in ("text", "one", "stream")] + [ingress.base("nobody/none", "hello")]
    told = headers_of("api.md") + headers_of(PAGES[ingress.protocol.partition("_")[0]])
    for body in bodies:
        if body is not None:
            answer = open_gateway.call("POST", ingress.path, body)
            assert {name for name in answer.headers if not is_told_of(name, told)} <= FRAMING


def test_every_header_with_our_name_is_told_of() -> None:
    """Those too that only some calls have."""
    told = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")).lower()
    named = {
        name.lower()
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"\b(x-gateway-[a-z-]*[a-z])(?=[\"':])", path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert len(named) > 10
    assert {name for name in named if name not in told} == set()
