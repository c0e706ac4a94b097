"""The own rows as a floor, and the borders of the families that have no rule table."""

import random

import pytest
from benchmarks.detector import rows

from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.pii_numbers import luhn


@pytest.mark.parametrize("name", rows.names())
def test_own_rows_keep_their_figures(inspector: Inspector, name: str) -> None:
    labelled = rows.read(name)
    missed = [row.text for row in labelled if row.sensitive and not inspector.judge(row.strings).sensitive]
    wrong = [row.text for row in labelled if not row.sensitive and inspector.judge(row.strings).sensitive]
    assert len(missed) <= sum(row.sensitive for row in labelled) * 0.03, missed
    assert len(wrong) <= sum(not row.sensitive for row in labelled) * 0.01, wrong


@pytest.mark.parametrize(
    ("used", "mentioned"),
    [
        ("TLP:RED - the indicators follow", "What does TLP:RED mean?"),
        ("CONFIDENTIAL: margin was 31 percent", "Is therapy confidential?"),
        ("STRENG VERTRAULICH\nUmsatz", "Was bedeutet streng vertraulich?"),
        ("机密：收入下降", "机密是什么意思？"),
        ("Attorney-client privileged: exposure is 3M", "Explain attorney-client privilege."),
        ("This is covered by NDA, summarise it", "Is an NDA enforceable?"),
    ],
)
def test_a_marker_is_used_or_mentioned(used: str, mentioned: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", used)]).sensitive
    assert not inspector.judge([("/t", mentioned)]).sensitive


@pytest.mark.parametrize(
    ("private", "public"),
    [
        ("Write to Anna Weber, who was diagnosed with leukemia", "How is leukemia diagnosed?"),
        ("Draft a termination letter for Kevin Brown", "What belongs in a termination letter?"),
        ("Our client Daniel Reed admitted he forged the signature", "What is forgery in law?"),
        ("We plan to acquire Northwind for $240M before the announcement", "Microsoft acquired Activision for $68.7 billion."),
    ],
)
def test_a_matter_needs_somebody(private: str, public: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", private)]).sensitive
    assert not inspector.judge([("/t", public)]).sensitive


@pytest.mark.parametrize(("digits", "valid"), [("4539148803436467", True), ("4539148803436468", False), ("371449635398431", True)])
def test_luhn(digits: str, valid: bool) -> None:
    assert luhn(digits) is valid


@pytest.mark.parametrize(
    "text",
    [
        "timestamps 1712345678901 and 1712345679901",
        "Build number 20260287",
        "order 4500012345678",
        "0.997818112373352",
        "call 1-800-555-0199",
        "Boston, MA 02110-1301",
        "192.168.1.1",
    ],
)
def test_numbers_that_belong_to_nobody(text: str, inspector: Inspector) -> None:
    assert not inspector.judge([("/t", text)]).sensitive


P = "Qx7!rTz" + "9pL"


@pytest.mark.parametrize(
    ("seen", "passed"),
    [
        ("Zugang: schulung / " + P, "Zugang: schulung / Montag"),
        ("login with guest/" + P, "login with user stories and C++20"),
        ("qa@acme.io (" + P + ")", "qa@acme.io (Monday)"),
        ("sa:" + P + "@sql02", "ratio:a4b@sql02"),
        ("wiki.acme.io | joe | " + P, "wiki.acme.io | joe | Berlin"),
        ("103909-294596-384572-425505-595405-603009-136974-235219", "103909-294596-384572"),
        ("mzp_" + "b77a207439da1852" * 3, "msg_" + "b77a207439da1852"),
        ("alpha vantage key 3ATWCHMY4DMSXIZJ", "partition key 3ATWCHMY4DMSXIZJ"),
        ("backup passphrase: harbor-cactus-violet-meteor", "password: see-the-vault-entry"),
        ("unlock the door, PIN 619960 for", "GPIO pin 12 and 14"),
        ("Ana Ruiz has diverticulitis", "Ana Ruiz is full of empathy"),
        ("Ana Ruiz takes rosuvastatin", "Ana Ruiz takes the bus"),
        ('{"account_number": "4233066803"}', '{"article_number": "4233066803"}'),
        ('{"accountNumber":"4233066803"}', '{"numberOfRows":"4233066803"}'),
        ("IC 900101-14-5678", "lot 991399-99-5678"),
        ("г. Самара, ул. Ленина, д. 5, кв. 17", "ул. Ленина названа в 1924 году"),
        ("東京都新宿区西新宿2丁目8番1号", "東京都の人口は1400万人"),
        ("call Petra on +39 06 555 0100", "Hotel reception +39 06 555 0100"),
        ("Our plan: merge with Korvo, it has not yet been published", "The merger with Korvo has been published"),
        ("sensitivity: highly-confidential", "this method is for internal use only"),
        ("password of the db is " + P, "sha256(password.encode() + salt).hexdigest()"),
        ("recovery words are " + "abandon ability able about above absent absorb abstract absurd abuse access acid", "words are easy"),
        ("WIFI:T:WPA;S:office;P:" + P + ";;", "WIFI:T:nopass;S:office;;"),
    ],
)  # fmt: skip
def test_kinds_are_told_from_what_resembles_them(seen: str, passed: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", seen)]).sensitive
    assert not inspector.judge([("/t", passed)]).sensitive


@pytest.mark.parametrize("name", ["blind_8", "blind_9", "blind_10"])
def test_rows_are_drawn_the_same_every_time(name: str) -> None:
    assert rows.read(name) == rows.read(name)


def test_rows_encode_and_part_messages() -> None:
    row = rows.Row(True, "x", rows.expand("a\\m[[b64:[[hex:hi]]]]", random.Random(1)))
    assert row.strings == [("/messages/0/content", "a"), ("/messages/1/content", "Njg2OQ==")]
