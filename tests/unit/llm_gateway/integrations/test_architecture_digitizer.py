"""Diagrams by their grammar; prose by a model that may name only what the text names."""

import pytest
from tests.unit.llm_gateway.integrations.ruling import Ruling

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.integrations.architecture_digitizer import DigitizeRequest, _remote_digitize

PROSE = "The web app calls the Orders service, which stores orders in PostgreSQL."


def test_a_diagram_is_read_without_asking_a_model() -> None:
    work = Ruling({"components": [], "relations": []})
    outcome = work.run("architecture_digitizer.digitize_architecture", content="graph TD\n A[Web] --> B[(DB)]\n")
    assert (outcome.method, outcome.result.format, work.asked) == ("rules", "mermaid", [])
    assert [(each.name, each.kind) for each in outcome.result.components] == [("Web", "frontend"), ("DB", "database")]


def test_prose_by_rules_and_by_a_model() -> None:
    by_rules = Ruling().run("architecture_digitizer.digitize_architecture", content=PROSE)
    assert (by_rules.method, len(by_rules.result.relations)) == ("rules", 2)
    reply = {
        "components": [{"name": "web app", "kind": "frontend"}, {"name": "Orders service", "kind": "service"}],
        "relations": [{"source": "web app", "target": "Orders service", "kind": "calls"}],
    }
    by_model = Ruling(reply).run("architecture_digitizer.digitize_architecture", content=PROSE)
    assert by_model.method == "llm"
    assert [(each.source, each.target) for each in by_model.result.relations] == [("web app", "Orders service")]


@pytest.mark.parametrize(
    "reply",
    [
        {"components": [{"name": "Kafka", "kind": "queue"}], "relations": []},
        {"components": [{"name": "web app", "kind": "frontend"}], "relations": [{"source": "web app", "target": "Redis", "kind": "calls"}]},
        {"components": [], "relations": []},
    ],
)
def test_a_model_that_makes_things_up_is_not_heard(reply: object) -> None:
    assert Ruling(reply).run("architecture_digitizer.digitize_architecture", content=PROSE).method == "rules"


def test_dependencies_of_a_source_or_of_what_was_digitized() -> None:
    source = "graph TD\n Web --> Api\n Api --> Db\n App --> Api\n Api --> Web\n"
    by_source = Ruling().run("architecture_digitizer.analyze_dependencies", content=source)
    assert by_source.method is None
    assert by_source.result.cycles == (("Api", "Web"),)
    digitized = Ruling().run("architecture_digitizer.digitize_architecture", content=source).result
    given = {
        "components": [
            {"id": each.id, "name": each.name, "kind": each.kind, "group": "", "technology": ""} for each in digitized.components
        ],
        "relations": [
            {"source": each.source, "target": each.target, "kind": each.kind, "label": each.label} for each in digitized.relations
        ],
    }
    assert Ruling().run("architecture_digitizer.analyze_dependencies", **given).result == by_source.result
    with pytest.raises(InvalidRequest, match="expected a source"):
        Ruling().run("architecture_digitizer.analyze_dependencies")


def test_bad_sources_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="not plantuml"):
        Ruling().run("architecture_digitizer.digitize_architecture", content="nothing", format="plantuml")


def test_what_a_remote_digitizer_is_told() -> None:
    assert _remote_digitize(DigitizeRequest(content="graph TD\n a-->b")) == {
        "system": "mermaid",
        "content": "graph TD\n a-->b",
        "format": "mermaid",
    }
