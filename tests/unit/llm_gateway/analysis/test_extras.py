"""Without an extra, what needs it says so; the rest works."""

import sys

import pytest

from llm_gateway.analysis.architecture.graph import analyse as analyse_graph
from llm_gateway.analysis.architecture.reading import read as read_diagram
from llm_gateway.analysis.code.endpoints import endpoints
from llm_gateway.analysis.code.structure import analyse
from llm_gateway.core.errors import InvalidRequest
from llm_gateway.documents.kinds import Limits
from llm_gateway.documents.reading import read

LIMITS = Limits(100, 1, 1 << 20)


@pytest.mark.parametrize("missing", ["ast_grep_py", "lizard"])
def test_code_needs_its_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InvalidRequest, match=r"extra `code`.*pip install 'llm-gateway\[code\]'") as refusal:
        analyse("x = 1", "python")
    assert refusal.value.code == "extra_missing"
    if missing == "ast_grep_py":
        with pytest.raises(InvalidRequest, match="extract_endpoints needs the extra"):
            endpoints("x = 1", "python")


def test_graphs_need_their_extra_and_diagrams_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(InvalidRequest, match="extra `code`"):
        analyse_graph([], [("a", "b")])
    assert read_diagram("graph TD\n a-->b").components


@pytest.mark.parametrize(("module", "form"), [("pypdf", "pdf"), ("docx", "docx")])
def test_documents_need_their_extra(monkeypatch: pytest.MonkeyPatch, module: str, form: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidRequest, match="extra `documents`"):
        read(b"x", form, LIMITS)  # type: ignore[arg-type]
    assert read(b"<p>x", "html", LIMITS).text == "x"
