# ruff: noqa: E501 - tables of texts read best unbroken
"""Texts taken apart: languages, sentences, syllables, facts, key phrases, summaries."""

import math
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.analysis import document_quality, summary_quality
from llm_gateway.analysis.consistency import acronyms, compare
from llm_gateway.analysis.facts import dates, names, number_of, quantities, versions
from llm_gateway.analysis.keywords import keywords, topics
from llm_gateway.analysis.readability import readability, reading_time_s, syllables
from llm_gateway.analysis.summarise import summarise
from llm_gateway.analysis.text import language_of, outline, plain, sentences_of, words_of

LANGUAGES = {
    "en": "The service stores all documents in a database and makes a copy of them every night.",
    "de": "Der Dienst speichert alle Dokumente in einer Datenbank und sichert sie jede Nacht.",
    "fr": "Le service garde tous les documents dans une base de données et les copie chaque nuit.",
    "es": "El servicio guarda todos los documentos en una base de datos y los copia cada noche.",
    "it": "Il servizio conserva tutti i documenti in una banca dati e li copia ogni notte.",
    "pt": "O serviço guarda todos os documentos em uma base de dados e os copia a cada noite, não é?",
    "nl": "De dienst bewaart alle documenten in een databank en maakt er elke nacht een kopie van.",
    "pl": "Usługa przechowuje wszystkie dokumenty w bazie danych i nie kopiuje ich w nocy, ale jest to możliwe.",
    "ru": "Служба хранит все документы в базе данных.",
    "ja": "このサービスは文書をデータベースに保存します。",
    "zh": "该服务将所有文档存储在数据库中。",
    "ko": "이 서비스는 모든 문서를 데이터베이스에 저장합니다.",
    "el": "Η υπηρεσία αποθηκεύει όλα τα έγγραφα.",
    "und": "12345 !!!",
}


@pytest.mark.parametrize(("language", "text"), LANGUAGES.items())
def test_languages(language: str, text: str) -> None:
    assert language_of(text) == language


def test_sentences_end_where_people_end_them() -> None:
    text = "Dr. Smith came at 3.5 pm, e.g. for tea. He left! Did he? 文が終わる。次の文。 See version 2.1 of it."
    assert sentences_of(text) == [
        "Dr. Smith came at 3.5 pm, e.g. for tea.", "He left!", "Did he?", "文が終わる。", "次の文。", "See version 2.1 of it.",
    ]  # fmt: skip


def test_markdown_is_taken_apart() -> None:
    found = outline(
        "Title\n=====\n\nA *b* `c_d` [e](f).\n\n## Empty\n\n## Full\n\n- one\n- two\n\n| a |\n|---|\n| b |\n\n```py\n# no heading\n```\n\n```\nopen"
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Title"), (2, "Empty"), (2, "Full")]
    assert found.blocks == ["A b c_d e.", "one", "two"]
    assert (found.list_items, found.code_blocks, found.tables, found.open_fence, found.empty_sections) == (2, 2, 1, True, ["Empty"])
    assert plain("**x** call_next __init__ <b>y</b>") == "x call_next init y"


SYLLABLES = {
    "en": "syllable 3 readable 3 the 1 created 3 walked 1 cake 1 banana 3 science 2 being 2 rhythm 2 table 2 requests 2 boxes 2 creation 3 authentication 5 orange 2 database 3 service 2 area 3 machine 2 people 2 every 2 patient 2 client 2 nation 2 media 3",
    "de": "Häuser 2 Leistung 2 Theater 3 spielen 2 Benutzer 3 neue 2 Datenbank 3 Sicherheit 3",
    "fr": "maison 2 fromage 2 parlent 1 bateau 2 utilisateur 5 guerre 1",
    "es": "guerra 2 queso 2 ciudad 2 aéreo 4 usuario 3 poesía 4 servicio 3",
    "it": "famiglia 3 utente 3 guerra 2 servizio 3",
    "nl": "huis 1 gebruiker 3 beëindigen 4 mooie 2",
    "pt": "servidor 3 coração 3 dados 2",
}  # fmt: skip


@pytest.mark.parametrize("language", SYLLABLES)
def test_syllables(language: str) -> None:
    words = SYLLABLES[language].split()
    counted = {word: syllables(word, language) for word in words[::2]}
    wrong = {word: counted[word] for word, count in zip(words[::2], words[1::2], strict=True) if counted[word] != int(count)}
    assert wrong == {}


def test_readability_orders_texts_as_readers_do() -> None:
    easy = readability("The cat sat on the mat. It was a good day. We had fun.")
    hard = readability(
        "Notwithstanding considerable organisational heterogeneity, interdepartmental communication necessitates institutionalised standardisation."
    )
    assert easy.ease > 90
    assert hard.ease < 20
    assert (easy.level, hard.level) == ("very easy", "very hard")
    assert easy.grade is not None
    assert easy.grade < 2
    german = readability(LANGUAGES["de"])
    assert (german.formula, german.grade) == ("Amstad 1978", None)
    assert readability(LANGUAGES["ru"]).formula.startswith("LIX")
    assert readability("").words == 0


def test_reading_time() -> None:
    assert reading_time_s("word " * 228, "en") == 60
    assert reading_time_s("字" * 255, "zh") == 60


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234.5", 1234.5), ("1.234,5", 1234.5), ("1 234,5".replace(" ", "\u202f"), 1234.5), ("1,500", 1500), ("0,5", 0.5), ("0.125", 0.125), ("12", 12), ("1.234.567", 1234567), ("-3.5", -3.5)],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert number_of(text) == value


def test_facts() -> None:
    text = "The timeout is 30 seconds and 1,500 ms; it cost $1.5 million; Python 3.11 and v2.3.1; on March 12, 2025 or 2025-03-12, 12. März 2025; 1.234,5 kg; 99.9%; 512 MB; 3 retries; 12 min"
    assert [(each.measures, each.value) for each in quantities(text)] == [
        ("time", 30), ("time", 1.5), ("usd", 1.5e6), ("mass", 1234.5), ("percent", 99.9), ("bytes", 512e6), ("retry", 3), ("time", 720),
    ]  # fmt: skip
    assert {each.day for each in dates(text)} == {date(2025, 3, 12)}
    assert len(dates(text)) == 3
    assert dates("31 February 2025, 03/04/2025") == []
    assert [(each.name, each.parts) for each in versions(text)] == [("Python", (3, 11)), ("", (2, 3, 1))]
    assert {"Anna Meyer", "NATO"} <= names("Yesterday Anna Meyer met NATO.")


def test_keywords_and_topics() -> None:
    text = "# Backups\n\nBackups run nightly. A backup takes minutes. The storage service holds backups. The storage service is fast. Logos are green."
    found = keywords(text, "en")
    assert found[0].score == 1
    assert {each.text.lower() for each in found} & {"backups", "backup"}
    assert "storage service" in {each.text.lower() for each in found}
    assert topics(text, "en")[0].share > 0.3
    assert keywords("", "en") == []


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ja"])
def test_summaries_in_several_languages(language: str) -> None:
    text = (LANGUAGES[language] + " ") * 3 + {"ja": "別の話です。"}.get(language, "Ok 1 2 3 4.")
    found = summarise(text, max_words=40)
    assert found.language == language
    assert found.sentences
    assert len(set(found.sentences)) == len(found.sentences)


def test_a_summary_says_the_main_thing_and_nothing_twice() -> None:
    text = (
        "The payment service failed on Monday. A full disk made the payment service fail. Engineers freed the disk of the payment service. "
        "The payment service failed on Monday. The canteen has new chairs. The payment service came back after 40 minutes."
    )
    found = summarise(text, max_words=24)
    assert "canteen" not in found.text
    assert found.text.count("failed on Monday") <= 1
    assert found.words <= 24
    assert summarise("", max_words=10).text == ""
    assert summarise("word " * 50, max_words=10).words == 10


def test_summaries_of_long_texts_take_no_quadratic_time() -> None:
    text = " ".join(f"Sentence {number} speaks of topic {number % 37} and of matter {number % 11}." for number in range(20_000))
    start = time.process_time()
    assert summarise(text, max_words=100).of_sentences == 20_000
    assert time.process_time() - start < 8


def test_summary_quality_in_its_extremes() -> None:
    text = "The tower is 324 metres tall. Gustave Eiffel built it. It stands in Paris."
    same, other = summary_quality.assess(text, text), summary_quality.assess(text, "")
    assert (same.coverage, same.compression, same.faithfulness) == (1, 1, 1)
    assert "more than half" in same.advice[0]
    assert (other.overall, other.coverage) == (0, 0)


def test_consistency_across_documents() -> None:
    first = "# A\nThe request timeout is 30 seconds. Python 3.11 is required to run the gateway. The release date is 2025-03-01. A Service Level Agreement (SLA) exists. We send e-mail to users. The gateway stores passwords in plain text."
    second = "# B\nThe request timeout is 1 minute. Python 3.9 is required to run the gateway. The release date is 1 May 2025. A Service License Agreement (SLA) exists. We send email to users. The gateway does not store passwords in plain text."
    found = compare([("a", first), ("b", second)])
    assert {issue.kind for issue in found.issues} == {"number", "version", "date", "acronym", "term", "claim"}
    stale = {issue.kind: issue.stale for issue in found.issues}
    assert (stale["version"], stale["date"], stale["number"]) == ("b", "a", "a")
    equal = compare([("a", "The limit is 60 seconds for a call."), ("b", "The limit is 1 minute for a call.")])
    assert equal.issues == ()
    assert acronyms("Key Performance Indicator (KPI), NASA (National Aeronautics and Space Administration), Foo Bar (XYZ)") == {
        "KPI": "Key Performance Indicator", "NASA": "National Aeronautics and Space Administration",
    }  # fmt: skip


@given(st.lists(st.text(max_size=120), min_size=2, max_size=4))
def test_comparing_is_symmetric_in_its_score(texts: list[str]) -> None:
    documents = [(str(number), text) for number, text in enumerate(texts)]
    one, other = compare(documents), compare(documents[::-1])
    assert len(one.issues) == len(other.issues)
    assert math.isclose(one.score, other.score)


def test_comparing_many_sentences_takes_no_quadratic_time() -> None:
    documents = [
        (str(number), " ".join(f"The value of item {at} in part {number} is {at} seconds." for at in range(2_000))) for number in range(5)
    ]
    start = time.process_time()
    assert not compare(documents).complete
    assert time.process_time() - start < 10


@given(st.text(max_size=500))
def test_any_text_is_measured(text: str) -> None:
    language = language_of(text)
    assert 0 <= readability(text).ease <= 100
    assert 0 <= document_quality.assess(text).overall <= 1
    quality = summary_quality.assess(text, text[: len(text) // 2])
    assert 0 <= quality.overall <= 1
    assert 0 <= quality.faithfulness <= 1
    assert all(0 < keyword.score <= 1 for keyword in keywords(text, language))
    found = summarise(text, max_words=12)
    assert all(words_of(sentence.removesuffix(" …")) for sentence in found.sentences)
    quantities(text), dates(text), versions(text), names(text), topics(text, language)


@pytest.mark.parametrize(
    "piece", ["[", "*", "(a", "<a", "`", "1,", "A ", "A (", "1.1.", "_", "http://", "- ", "#", ".", "Aa ", "12 ", "v1.", "![", "\n"]
)
def test_hostile_repetitions_take_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    sentences_of(text), language_of(text), outline(text), quantities(text), dates(text), versions(text), names(text), acronyms(text)
    document_quality.assess(text)
    assert time.process_time() - start < 4
