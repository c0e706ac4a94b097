from llm_gateway.simulator.exchange import Bill, Request
from llm_gateway.simulator.journal import Journal


def _request(number: int, body: bytes = b"x") -> Request:
    return Request("openai", number, "POST", "/p?q", "/p", [("a", "b")], body, 10.0)


def test_the_log_is_bounded_in_entries_and_bytes_and_says_what_it_dropped() -> None:
    journal = Journal(2, 1000)
    for number in (1, 2, 3):
        journal.open(_request(number))
    assert [entry.request.number for entry in journal.entries()] == [2, 3]
    journal.open(_request(4, b"y" * 1000))
    assert ([entry.request.number for entry in journal.entries()], journal.dropped) == ([4], 3)


def test_the_ledger_outlives_the_log() -> None:
    journal = Journal(0, 1000)
    for number in (1, 2):
        journal.close(journal.open(_request(number)), "answered", Bill("m", 5, 7, 1, 2, 3), None, 11.0)
    assert journal.entries() == []
    totals = journal.totals["openai"]["m"]
    assert (totals.requests, totals.input_tokens, totals.output_tokens) == (2, 10, 14)
    assert (totals.cache_read_tokens, totals.cache_write_tokens, totals.reasoning_tokens) == (2, 4, 6)


def test_a_torn_stream_is_charged_for_what_went_out() -> None:
    journal = Journal(9, 1000)
    entry = journal.open(_request(1))
    journal.close(entry, "client_left", Bill("m", 5, 7), 3, 11.0)
    totals = journal.totals["openai"]["m"]
    assert (totals.aborted, totals.input_tokens, totals.output_tokens, entry.output_tokens) == (1, 5, 3, 3)
    assert entry.shown()["client_left"] is True


def test_what_carried_no_bill_is_charged_nothing() -> None:
    journal = Journal(9, 1000)
    entry = journal.open(_request(1))
    entry.status = 503
    journal.close(entry, "answered", None, None, 11.0)
    totals = journal.totals["openai"][""]
    assert (totals.requests, totals.errors, totals.input_tokens) == (1, 1, 0)


def test_entries_are_chosen_by_kind_and_number() -> None:
    journal = Journal(9, 1000)
    journal.open(_request(1))
    journal.open(_request(2))
    assert [entry.request.number for entry in journal.entries("openai", since=1)] == [2]
    assert journal.entries("grok") == []
    journal.clear()
    assert (journal.entries(), journal.received) == ([], {})
