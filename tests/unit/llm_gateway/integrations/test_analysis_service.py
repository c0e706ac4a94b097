"""Documents compared and judged; a model's contradictions count when their quotes stand where it says."""

import pytest
from tests.unit.llm_gateway.integrations.ruling import Ruling

from llm_gateway.core.errors import InvalidRequest

FIRST = {"id": "a", "content": "The request timeout is 30 seconds. The cache is enabled by default. Blue is nice."}
SECOND = {"id": "b", "content": "The request timeout is 1 minute. The cache is disabled by default. Red is nicer."}


def test_disagreements_by_rules() -> None:
    outcome = Ruling().run("analysis_service.analyze_consistency", documents=[FIRST, SECOND])
    result = outcome.result
    assert outcome.method == "rules"
    assert {issue.kind for issue in result.issues} == {"number", "claim"}
    number = next(issue for issue in result.issues if issue.kind == "number")
    assert (number.first.document, number.first.value, number.second.document, number.second.value) == ("a", "30 seconds", "b", "1 minute")
    assert result.score < 0.7
    assert "2 disagreements" in result.summary
    same = Ruling().run("analysis_service.analyze_consistency", documents=[FIRST, {**FIRST, "id": "c"}]).result
    assert (same.score, same.issues) == (1.0, ())


def test_documents_of_the_store() -> None:
    work = Ruling()
    work.kept = {"one": FIRST["content"], "two": SECOND["content"]}
    result = work.run("analysis_service.analyze_consistency", doc_ids=["one", "two"]).result
    assert {issue.first.document for issue in result.issues} == {"one"}


def test_a_models_contradictions_are_quotes() -> None:
    def reply(quote: str) -> dict[str, object]:
        found = {
            "first_document": "a",
            "first_quote": quote,
            "second_document": "b",
            "second_quote": "Red is nicer.",
            "explanation": "taste",
        }
        return {"summary": "They differ.", "contradictions": [found]}

    good = Ruling(reply("Blue is nice.")).run("analysis_service.analyze_consistency", documents=[FIRST, SECOND])
    assert (good.method, good.result.summary, len(good.result.issues)) == ("llm", "They differ.", 3)
    bad = Ruling(reply("Blue is awful.")).run("analysis_service.analyze_consistency", documents=[FIRST, SECOND])
    assert (bad.method, len(bad.result.issues)) == ("rules", 2)


@pytest.mark.parametrize("documents", [[], [FIRST], [FIRST, FIRST]])
def test_too_few_or_twice_the_same(documents: list[dict[str, str]]) -> None:
    with pytest.raises(InvalidRequest, match="documents: expected") as refusal:
        Ruling().run("analysis_service.analyze_consistency", documents=documents)
    assert refusal.value.param == "documents"


def test_quality_and_advice() -> None:
    text = "# Guide\n\n### Setup\n\nTBD\n\n## Usage\n\n```\nrun it\n"
    result = Ruling().run("analysis_service.analyze_quality", content=text, document_type="readme").result
    said = {remark.message for remark in result.remarks}
    assert any("placeholder" in message for message in said)
    assert any("never closed" in message for message in said)
    assert any("jumps from level 1 to 3" in message for message in said)
    assert result.missing_sections
    assert result.advice
    assert result.overall < 0.8
    advised = Ruling({"advice": ["Finish it."]}).run("analysis_service.analyze_quality", content=text)
    assert (advised.method, advised.result.advice) == ("llm", ("Finish it.",))
