# ruff: noqa: E501 - tables of texts read best unbroken
"""Summaries by rules and by a model that is held to the text."""

import pytest
from tests.unit.llm_gateway.integrations.ruling import CARD, SECRET, Ruling

from llm_gateway.integrations.summarizer_hub import SummarizeRequest, _remote_body, _remote_summary

TEXT = (
    "# Storage\n\nThe storage service keeps documents in PostgreSQL. It answers 1,200 requests a second on two cores. "
    "Backups of the storage service run every 6 hours. A backup of the storage service takes 12 minutes. "
    "Anna Meyer of Contoso looks after the backups. The colour of the logo is green. "
    "Restoring a backup was tested in March. Restoring takes the storage service down for 4 minutes."
)


@pytest.mark.parametrize("form", ["text", "bullets", "markdown", "headline"])
def test_a_summary_by_rules_is_made_of_the_texts_sentences(form: str) -> None:
    outcome = Ruling().run("summarizer_hub.summarize", content=TEXT, format=form, max_length=25)
    result = outcome.result
    assert outcome.method == "rules"
    assert 0 < result.words <= 25 + (form == "markdown")  # its heading
    assert result.language == "en"
    assert result.compression < 0.5
    for sentence in result.summary.removeprefix("## Storage\n\n").replace("- ", "").split("\n"):
        assert sentence.rstrip(" …").split(". ")[0] in TEXT
    assert result.summary.startswith("- ") == (form == "bullets")


def test_a_models_summary_is_taken_when_it_keeps_to_the_text() -> None:
    outcome = Ruling({"summary": "Storage answers 1,200 requests a second."}).run("summarizer_hub.summarize", content=TEXT, max_length=20)
    assert outcome.method == "llm"
    assert outcome.result.summary == "Storage answers 1,200 requests a second."
    assert outcome.asked.provider == "ollama"


@pytest.mark.parametrize("summary", ["Storage answers 9,000 requests a second.", "word " * 100])
def test_a_models_summary_with_new_numbers_or_without_end_is_not_taken(summary: str) -> None:
    outcome = Ruling({"summary": summary}).run("summarizer_hub.summarize", content=TEXT, max_length=20)
    assert outcome.method == "rules"
    assert "9,000" not in outcome.result.summary


def test_a_weak_summary_is_made_better() -> None:
    result = Ruling().run("summarizer_hub.enhance_summary", text=TEXT, original_summary="Bananas cost 77 dollars.", summarization_metadata={"technique": "extractive"}).result  # fmt: skip
    assert result.quality_after.overall > result.quality_before.overall
    assert result.quality_before.unsupported_numbers == ("77 dollars",)
    assert result.quality_after.unsupported_numbers == ()
    assert result.improvements


def test_a_good_summary_is_left_alone_by_rules() -> None:
    good = "The storage service keeps documents in PostgreSQL. Backups of the storage service run every 6 hours. Restoring takes the storage service down for 4 minutes. A backup of the storage service takes 12 minutes."
    result = Ruling().run("summarizer_hub.enhance_summary", text=TEXT, original_summary=good, max_length=5).result
    assert (result.enhanced_summary, result.improvements) == (good, ())


def test_quality_names_what_the_text_does_not_say() -> None:
    result = Ruling().run("summarizer_hub.assess_quality", text=TEXT, summary="Anna Meyer of Fabrikam restores in 9 minutes.").result
    assert result.quality.unsupported_numbers == ("9 minutes",)
    assert "Fabrikam" in " ".join(result.quality.unsupported_names)
    faithful = Ruling().run("summarizer_hub.assess_quality", text=TEXT, summary="Backups of the storage service run every 6 hours.").result
    assert faithful.quality.faithfulness > result.quality.faithfulness
    assert faithful.quality.overall > result.quality.overall
    by_model = Ruling({"strengths": ["short"], "weaknesses": ["thin"]}).run("summarizer_hub.assess_quality", text=TEXT, summary="Green.")
    assert (by_model.method, by_model.result.strengths) == ("llm", ("short",))
    assert "thin" in by_model.result.weaknesses


def test_metadata() -> None:
    result = Ruling().run("summarizer_hub.generate_metadata", text=TEXT).result
    assert result.title == "Storage"
    assert result.language == "en"
    assert result.keywords[0].text.lower() in {"storage service", "backup", "backups"}
    assert result.topics
    assert 10 < result.reading_time_s < 30
    german = (
        Ruling()
        .run("summarizer_hub.generate_metadata", text="Der Dienst speichert alle Dokumente in einer Datenbank und sichert sie jede Nacht.")
        .result
    )
    assert german.language == "de"
    described = Ruling({"title": "T", "audience": "operators", "summary": "It stores."}).run("summarizer_hub.generate_metadata", text=TEXT)
    assert (described.method, described.result.title, described.result.audience) == ("llm", "T", "operators")


def test_the_provider_for_a_summary_may_get_it_and_can_read_it() -> None:
    plain = Ruling().run("summarizer_hub.select_provider", text=TEXT, summary_requirements={"max_length": 500, "technical_level": "expert"})
    assert plain.method is None
    assert plain.result.recommended.provider == "openai"
    assert plain.result.recommended.estimated_cost_usd == pytest.approx(0.01)
    assert {each.provider for each in plain.result.rejected} == {"grok"}
    secret = Ruling().run("summarizer_hub.select_provider", text=f"{TEXT} {SECRET}").result
    assert secret.recommended.provider == "ollama"
    assert "openai" in {each.provider for each in secret.rejected}
    long = Ruling().run("summarizer_hub.select_provider", text=f"{SECRET} " + "word " * 20_000).result
    assert long.recommended.provider == "bedrock"
    cheap = Ruling().run("summarizer_hub.select_provider", text=TEXT, summary_requirements={"max_cost_usd": 0.0}).result
    assert cheap.recommended.provider == "ollama"
    nobody = Ruling()
    nobody.down = {"ollama", "bedrock"}
    assert nobody.run("summarizer_hub.select_provider", text=CARD).result.recommended is None


def test_providers_are_listed_as_they_are() -> None:
    listed = Ruling().run("summarizer_hub.get_providers").result.providers
    assert [(each.name, each.eligible) for each in listed] == [("openai", True), ("ollama", True), ("bedrock", True), ("grok", True)]
    assert not next(
        each for each in Ruling().run("summarizer_hub.get_providers", content=SECRET).result.providers if each.name == "openai"
    ).eligible


def test_a_remote_hub_is_asked_and_heard() -> None:
    asked = SummarizeRequest(content=TEXT, max_length=30)
    assert _remote_body(asked) == {"content": TEXT, "format": "text", "max_length": 30, "style": "concise"}
    assert _remote_summary({"summary": "Short."}, asked).words == 1
    assert _remote_summary("Short.", asked).summary == "Short."
    with pytest.raises(ValueError, match="no summary"):
        _remote_summary({"x": 1}, asked)
