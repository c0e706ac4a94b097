import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.detectors.check import PLANTED, default_inspector, is_sensitive, rule_examples, self_test
from llm_gateway.detectors.inspector import Inspector

GITHUB = "ghp_" + "BolGVKxGXxs4NUQMytsPC248OIsWqHW56AYJ"
SEEDS = [
    f"my token is {GITHUB}",
    "the admin password is " + "Tr0ub4dor" + "&Qy2k2",
    "charge card 4539 1488 0343 6467 exp 11/27",
    "IBAN DE89 3704 0044 0532 0130 00",
    "my social security number is 512-38-4848",
    "postgres://app:" + "XhhQwdgUMCb9UU" + "@db.internal/orders",
    "STRENG VERTRAULICH - Umsatz Q3: 14,2 Mio.",
    "Robert Klein was diagnosed with schizophrenia last week.",
]


def test_planted_secrets_are_all_flagged(inspector: Inspector) -> None:
    assert self_test(inspector) == []


def test_a_blind_detector_fails_its_self_test() -> None:
    class Blind(Inspector):
        def inspect(self, strings):  # type: ignore[no-untyped-def]
            return ()

    assert len(self_test(Blind((), {}, 0.7))) == len(PLANTED)


def test_every_rule_is_reached_by_its_example(inspector: Inspector) -> None:
    assert [name for name, text in rule_examples() if not inspector.judge([("/t", text)]).sensitive] == []


@given(st.text(max_size=400))
@settings(max_examples=150, deadline=None)
def test_never_raises(text: str) -> None:
    verdict = default_inspector().judge([("/t", text)])
    assert 0.0 <= verdict.score <= 1.0


@given(st.sampled_from(SEEDS), st.text(max_size=120), st.text(max_size=120))
@settings(max_examples=200, deadline=None)
def test_adding_lines_never_makes_it_harmless(seed: str, before: str, after: str) -> None:
    assert is_sensitive(seed)
    assert is_sensitive(f"{before}\n\n{seed}\n\n{after}")


HIDEABLE = [
    "asylum application of Samuel Tesfaye, persecuted because of his religion",
    "Write a warning to Lisa Grant for repeated lateness",
    "Mandate: we buy Nordlicht for 12 million, not announced",
    "sevdesk token 3129ce31f205a3f0cf14d2a1bfacabad",
    "geocodio_key='59f5777e5ae6e632e531ef251b4a7333b6d57fa'",
    "STRICTLY CONFIDENTIAL - margins of the quarter",
    "Robert Klein was diagnosed with schizophrenia last week.",
    "Kontonummer 123949587, BLZ 37050198",
]
HIDING = [
    "Who won the World Cup in 1998?",
    "Write a short story about a famous footballer.",
    "What is the statute of limitations for fraud in Ohio?",
    "Which documents does a template for an example need?",
    "merge commit of sha256 etag checksum trace",
    "sha256:5a43e0df7ec4d979341cf38ed67a8d7f348c894b3ba31c71409e33e780820495",
    "Explain the term confidential in a novel, a film, a poem.",
]


HIDING_WORDS = ["TEMPLATE", "a novel", "fiction", "in 1998", "Who was", "sha256", "commit", "trace id", "footballer", "quiz"]


@pytest.mark.parametrize("word", HIDING_WORDS)
@pytest.mark.parametrize("secret", [*HIDEABLE, "Anna Fox has HIV", "患者王小明被诊断患有精神分裂症"])
def test_a_word_in_another_message_hides_nothing(secret: str, word: str, inspector: Inspector) -> None:
    assert inspector.judge([("/0", secret)]).sensitive
    assert inspector.judge([("/0", secret), ("/1", word)]).sensitive
    assert inspector.judge([("/0", word), ("/1", secret)]).sensitive


def test_a_name_beside_a_bare_value_tells_what_it_is(inspector: Inspector) -> None:
    digest = "5a43e0df7ec4d979341cf38ed67a8d7f348c894b"
    assert inspector.judge([("/0", "api_key"), ("/1", digest)]).sensitive
    assert not inspector.judge([("/0", "commit"), ("/1", digest), ("/2", "token")]).sensitive


@pytest.mark.parametrize("hiding", HIDING)
@pytest.mark.parametrize("secret", HIDEABLE)
def test_another_paragraph_or_message_hides_nothing(secret: str, hiding: str, inspector: Inspector) -> None:
    assert inspector.judge([("/0", secret)]).sensitive
    for parts in ([f"{hiding}\n\n{secret}"], [f"{secret}\n\n{hiding}"], [hiding, secret], [secret, hiding]):
        assert inspector.judge([(f"/{index}", part) for index, part in enumerate(parts)]).sensitive


@given(st.sampled_from(SEEDS), st.lists(st.text(max_size=60), max_size=5), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_secret_is_seen_among_other_strings(seed: str, others: list[str], at: int) -> None:
    strings = [(f"/{index}", text) for index, text in enumerate([*others[:at], seed, *others[at:]])]
    assert default_inspector().judge(strings).sensitive


def test_the_place_is_that_of_the_string(inspector: Inspector) -> None:
    findings = inspector.inspect([("/a", "hello there"), ("/b", f"use {GITHUB}"), ("/c", "bye")])
    assert {finding.place for finding in findings if finding.confidence > 0.9} == {"/b"}


def test_findings_hold_no_text(inspector: Inspector) -> None:
    assert GITHUB[4:] not in repr(inspector.inspect([("/b", GITHUB)]))


def test_a_kind_counts_once() -> None:
    inspector = Inspector(("internal",), {}, 0.7)
    verdict = inspector.judge([(f"/{n}", f"internal note {n}") for n in range(50)])
    assert not verdict.sensitive
    assert verdict.score == pytest.approx(0.1)


def test_everyday_keywords_are_weak_and_others_are_not() -> None:
    inspector = Inspector(("password", "Bluebird", "größe"), {}, 0.7)
    assert not inspector.judge([("/t", "what is a password manager?")]).sensitive
    assert inspector.judge([("/t", "status of BLUEBIRD please")]).kinds == ("keyword.operator",)
    assert inspector.judge([("/t", "status of BLUEBIRD please")]).sensitive
    assert not inspector.judge([("/t", "bluebirds sing")]).sensitive
    assert inspector.judge([("/t", "die GRÖSSE, die Größe")]).sensitive


def test_operator_rules() -> None:
    inspector = Inspector((), {"ticket": r"ACME-\d{6}", "umlaut": "Übergabe"}, 0.7)
    assert inspector.judge([("/t", "see ACME-123456")]).sensitive
    assert inspector.judge([("/t", "see ＡＣＭＥ-123456")]).sensitive
    assert inspector.judge([("/t", "die Übergabe")]).sensitive
    assert not inspector.judge([("/t", "see ACME-12")]).sensitive


@pytest.mark.parametrize("pattern", ["(", r"(?=a)b", "", "a" * 3000, "(a{1000}){1000}"])
def test_bad_operator_rules_stop_the_start(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"security\.rules\.mine"):
        Inspector((), {"mine": pattern}, 0.7)


@pytest.mark.parametrize("keyword", ["", "   ", "x" * 300])
def test_bad_keywords_stop_the_start(keyword: str) -> None:
    with pytest.raises(ConfigurationError, match="sensitive_keywords"):
        Inspector((keyword,), {}, 0.7)


def test_the_version_names_the_rules() -> None:
    plain = Inspector((), {}, 0.7)
    assert plain.version == Inspector((), {}, 0.7).version
    assert len({plain.version, Inspector(("x1",), {}, 0.7).version, Inspector((), {"a": "b"}, 0.7).version}) == 3


def test_an_id_is_nobodys_continuation(inspector: Inspector) -> None:
    """Names and ids of calls stand side by side in every conversation with tools."""
    for drawn in ("D681PevKs", "pyd_ai_4f1c2a9b8e7d6c5b4a39281706f5e4d3", "f3kZ9mQ2xL7vB1nR"):
        rows = [("/messages/1/content/0/name", "get_weather"), ("/messages/1/content/0/id", drawn), ("/messages/1/content/1/name", "Agent")]
        assert not inspector.judge(rows).sensitive
    headers = [("/headers/x-correlation-id", "x-correlation-id: gw-01M84AW0Q268S0SWYCHJMZN9VF"), ("/headers/x-user-id", "x-user-id: local")]
    assert not inspector.judge(headers).sensitive


def test_a_value_split_over_messages_is_seen(inspector: Inspector) -> None:
    halves = [("/messages/0/content", "charge my card 45391488"), ("/messages/1/content", "03436467")]
    assert inspector.judge(halves).sensitive
    assert not any(inspector.judge([half]).sensitive for half in halves)
    assert inspector.judge([("/0", "postgres://admin:Xhh"), ("/1", "QwdgUMCb9UU@db.internal:5432/orders")]).sensitive


@pytest.mark.parametrize(
    "text",
    [
        "postgres://admin:XhhQwdgUMC\nb9UU@db.internal:5432/orders",
        'const k = "' + GITHUB[:20] + '" + "' + GITHUB[20:] + '";',
        f"**{GITHUB[:15]}**{GITHUB[15:]}",
        " ".join("sk-proj-" + "wliaYt75T09dqr5b8XWOzXstlmtp" + "T3BlbkFJ" + "dOgTaEmeXBzI0XJ7Xv6pG2hQ"),
        "p\u200bassword: Tr0ub4dor&Qy2k2",
        "раssword: Tr0ub4dor&Qy2k2",
        "pass\x00word: Tr0ub4dor&Qy2k2",
    ],
)
def test_joints_and_disguises(text: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", text)]).sensitive


def test_locate_cuts_out_all_of_it(inspector: Inspector) -> None:
    text = "Mail petra.kovacs@seznam.cz or paul@weber-bau.de, card 4539 1488 0343 6467, key " + GITHUB
    left = text
    for start, end, _ in reversed(inspector.locate(text)):
        left = left[:start] + "#" + left[end:]
    assert left == "Mail # or #, card #, key #"


def test_locate_keeps_offsets_of_the_original(inspector: Inspector) -> None:
    text = "größe ﬁ k̶e̶y̶ schön: " + GITHUB + " – bitte"
    assert [text[start:end] for start, end, _ in inspector.locate(text)] == [GITHUB]


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_locate_gives_ordered_spans_inside_the_text(text: str) -> None:
    position = 0
    for start, end, kind in default_inspector().locate(f"{text} {GITHUB} {text}"):
        assert position <= start < end <= 2 * len(text) + len(GITHUB) + 2
        assert kind
        position = end


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "sk-",
        "password ",
        "password=x ",
        "4111-",
        "&",
        "deadbeef",
        "QUJD",
        "://",
        "@a.b ",
        "key: ",
        "{",
        "\\u0041",
        "%41",
        "=\n",
        "CONFIDENTIAL ",
        "patient John Smith ",
        "-----BEGIN ",
        "strictly ",
        "do not share ",
        "trade secret ",
        "for internal use ",
        "Anna Fox fever pain ",
        "пациент Петров рак ",
        "机密 ",
        "a b c ",
        "key A1b2C3d4E5 ",
        "Anna Fox arthritis ",
        "login a/b!c4567d ",
        "x:Y7!z2Qw@h.io ",
        "db.a.io | joe | Qx7!rTz9p | ",
        "Anna Fox cancer\n\n",
        "chr(65)+",
        "U+0041 ",
        "<span>a</span>",
        "-.-. ",
        "ssn five ",
        "a,",
        "\\\\u0041",
        "aa-",
        '" + "',
        "ɐ",
        "sk-\n> ",
        "\nbegin 644 a\n#0V%T",
    ],
)
def test_cost_grows_with_length_and_no_faster(unit: str, inspector: Inspector) -> None:
    def cost_s(chars: int) -> float:
        text = (unit * (chars // len(unit) + 1))[:chars]
        best = 1e9
        for _ in range(2):
            begun = time.process_time()
            inspector.judge([("/t", text)])
            best = min(best, time.process_time() - begun)
        return best

    assert cost_s(80_000) < 16 * cost_s(10_000) + 0.05


def test_beyond_its_limits_it_fails_closed(inspector: Inspector) -> None:
    assert inspector.judge([("/t", "password " * 30_000)]).sensitive
