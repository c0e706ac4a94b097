"""Which form a source has, and its reader."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from collections.abc import Callable
from importlib import import_module
from typing import Final

from llm_gateway.analysis.architecture.model import MOST_CHARS, Architecture, Form, malformed

READERS: Final[dict[Form, tuple[str, str]]] = {
    "mermaid": ("mermaid", "read"),
    "plantuml": ("plantuml", "read"),
    "dot": ("dot", "read"),
    "drawio": ("drawio", "read"),
    "compose": ("manifests", "read_compose"),
    "kubernetes": ("manifests", "read_kubernetes"),
    "text": ("prose", "read"),
}
"""The module of this package and its function; loaded when a source of that form comes, on the thread that reads it."""
_SIGNS: Final[tuple[tuple[Form, re.Pattern[str]], ...]] = (
    ("drawio", re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!DOCTYPE[^>\[]*(?:\[.*?\])?>\s*)?<(?:mxfile|mxGraphModel)\b", re.DOTALL)),
    ("plantuml", re.compile(r"^\s*@start(?:uml|c4)?\b", re.MULTILINE)),
    ("mermaid", re.compile(r"\A\s*(?:```+\s*mermaid|(?:---\n.*?\n---\s*\n)?\s*(?:%%[^\n]*\n\s*)*(?:flowchart|graph\s+(?:TB|TD|BT|RL|LR)\b|graph\s*;?\s*\n|sequenceDiagram|classDiagram|C4[A-Z]))", re.DOTALL)),
    ("dot", re.compile(r"\A\s*(?:(?://|#)[^\n]*\n\s*|/\*.*?\*/\s*)*(?:strict\s+)?(?:di)?graph\b[^{\n]*\{", re.DOTALL | re.IGNORECASE)),
    ("kubernetes", re.compile(r"^apiVersion:\s*\S", re.MULTILINE)),
    ("compose", re.compile(r"^services:\s*(?:#[^\n]*)?$", re.MULTILINE)),
)  # fmt: skip


def form_of(source: str) -> Form:
    """The form that a source looks like; prose when it looks like none of the others."""
    head = source[:20_000]
    return next((form for form, sign in _SIGNS if sign.search(head)), "text")


def read(source: str, form: Form | None = None) -> Architecture:
    """Read a source of a form, or of the form that it looks like.

    Raises:
        InvalidRequest: it is not of that form, too large, unsafe, or holds no component.
    """
    form = form or form_of(source)
    if len(source) > MOST_CHARS:
        raise malformed(form, f"it is longer than {MOST_CHARS} characters")
    module, function = READERS[form]
    reader: Callable[[str], Architecture] = getattr(import_module(f"llm_gateway.analysis.architecture.{module}"), function)
    return reader(source)
