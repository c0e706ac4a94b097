"""Code by its grammar, explained by a model where there is one."""

import msgspec
import pytest
from tests.unit.llm_gateway.integrations.ruling import Ruling

from llm_gateway.core.errors import InvalidRequest

CODE = "import os\n\n\nclass A:\n    def f(self, x, y=[]):\n        if x and y:\n            return eval(x)\n        return 0\n"


def test_structure_and_smells_by_rules() -> None:
    outcome = Ruling().run("code_analyzer.analyze_code", content=CODE)
    result = outcome.result
    assert (outcome.method, result.language, result.imports) == ("rules", "python", ("os",))
    assert [(each.name, each.kind, each.methods) for each in result.types] == [("A", "class", 1)]
    assert [(each.name, each.parent, each.line, each.complexity) for each in result.functions] == [("f", "A", 5, 3)]
    assert {smell.kind for smell in result.smells} == {"dynamic_code", "mutable_default"}
    assert "python" in result.explanation
    assert result.suggestions


def test_a_model_explains_and_changes_no_figure() -> None:
    work = Ruling({"explanation": "It evaluates text.", "suggestions": ["Do not."]})
    outcome = work.run("code_analyzer.analyze_code", content=CODE, filename="a.py")
    assert (outcome.method, outcome.result.explanation, outcome.result.suggestions) == ("llm", "It evaluates text.", ("Do not.",))
    assert outcome.result.highest_complexity == 3
    silent = Ruling({"explanation": "x", "suggestions": []})
    assert silent.run("code_analyzer.analyze_code", content=CODE, explain=False).method == "rules"
    assert silent.asked == []


def test_endpoints() -> None:
    result = (
        Ruling()
        .run(
            "code_analyzer.extract_endpoints",
            content='from flask import Flask\napp = Flask(__name__)\n@app.route("/x", methods=["POST"])\ndef x(): ...\n',
        )
        .result
    )
    assert [(each.method, each.path, each.handler, each.framework, each.line) for each in result.endpoints] == [
        ("POST", "/x", "x", "flask", 3)
    ]
    assert result.count == 1


@pytest.mark.parametrize(
    ("operation", "body", "field"),
    [
        ("analyze_code", {"content": "x", "language": "cobol"}, "language"),
        ("analyze_code", {"content": "hello there"}, "language"),
        ("extract_endpoints", {"content": "int main() { return 0; }", "language": "c"}, "language"),
    ],
)
def test_bad_input_names_its_field(operation: str, body: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Ruling().run(f"code_analyzer.{operation}", **body)
    assert refusal.value.param == field


def test_too_much_code_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="content"):
        Ruling().run("code_analyzer.analyze_code", content="x" * 500_001)
