"""The own rows as a floor, and the borders of the families that have no rule table."""

import pytest
from benchmarks.detector import rows

from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.pii_numbers import luhn


@pytest.mark.parametrize("name", rows.names())
def test_own_rows_keep_their_figures(inspector: Inspector, name: str) -> None:
    labelled = rows.read(name)
    missed = [row.text for row in labelled if row.sensitive and not inspector.judge([("/t", row.text)]).sensitive]
    wrong = [row.text for row in labelled if not row.sensitive and inspector.judge([("/t", row.text)]).sensitive]
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
