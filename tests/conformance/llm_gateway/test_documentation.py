"""The lines of the pages on other clients and on passthrough run as they stand, but for the address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.llm_gateway.test_javascript import FOLDER, script
from tests.support import RunningGateway

__all__ = ["script"]  # a fixture

pytestmark = pytest.mark.xdist_group("javascript")
DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = [block.partition("```")[0] for block in text.split(f"```{language}\n")[1:]]
    assert found, page
    return found


@pytest.mark.parametrize("page", ["clients.md", "passthrough.md"])
def test_python(open_gateway: RunningGateway, page: str) -> None:
    """In a process of its own: some of these packages leave loops and connections behind."""
    printed = ""
    for block in blocks(page, "python"):
        assert "http://localhost:5055" in block
        command = [sys.executable, "-c", block.replace("http://localhost:5055", open_gateway.url)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    assert printed
    assert printed.count("[simulated ") == (5 if page == "clients.md" else 0)


def test_javascript(open_gateway: RunningGateway, script: Path) -> None:
    assert script.exists()
    (block,) = blocks("clients.md", "js")
    place = FOLDER / f"documented-{os.getpid()}.mjs"
    place.write_text(block.replace("http://localhost:5055", open_gateway.url))
    done = subprocess.run(["node", str(place)], capture_output=True, text=True, check=False, timeout=60)
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
