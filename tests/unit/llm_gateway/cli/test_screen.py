"""What people are shown fits their terminal, is whole where there is none, and steers nothing."""

import io

import pytest

from llm_gateway.cli.outcome import CommandFailed, plain
from llm_gateway.cli.screen import Listing, Screen, mark, reasons

LONG = "its calls kept failing, so that nobody asks it any more; it is tried again in 3.2 s, and then once more"


def shown(what: object, monkeypatch: pytest.MonkeyPatch, columns: int | None = None) -> str:
    screen = Screen()
    screen.file = io.StringIO()
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
    screen.print(what)
    return screen.file.getvalue()


def listing() -> Listing:
    made = Listing("provider", "state", "level", "errors", "why not", wraps={"why not"}, figures={"errors"})
    made.add("anthropic", mark("available"), "medium", "0%", LONG)
    made.add("grok", mark("unavailable"), "medium", "100%", "")
    return made


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("term", ["dumb", "xterm-256color", None])
def test_a_listing_fits_whatever_the_terminal_is_called_and_breaks_no_state(
    monkeypatch: pytest.MonkeyPatch, columns: int, term: str | None
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    lines = shown(listing(), monkeypatch, columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert any("● available" in line for line in lines)
    assert any("○ unavailable" in line for line in lines)
    assert {word.strip(";,") for word in LONG.split()} <= {word.strip(";,") for line in lines for word in line.split()}, "words are whole"


def test_the_width_is_that_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    screen = Screen()
    monkeypatch.setenv("COLUMNS", "120")
    assert screen.width == 120


def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(listing(), monkeypatch).splitlines()
    assert any("anthropic" in line and LONG in line for line in lines)
    assert LONG * 5 in shown(LONG * 5, monkeypatch)


def test_where_a_table_does_not_fit_each_row_is_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Listing("id", "status", "owner", wraps={"owner"}, title="Keys")
    made.add("key_01M845NXFY6GYW5DBDV9J0GZ8Z", "active to 2027-02-21", "acme")
    made.add("key_01M845NXFY6GYW5DBDV9J0GZ8Y", "revoked", "")
    told = shown(made, monkeypatch, 45)
    assert "status  active to 2027-02-21" in told
    assert told.count("owner") == 1, "a block has no line without a value"
    assert "Keys" in told


def test_foreign_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Listing("caller")
    made.add("[red]ada[/] :smile: \x1b[31m\x1b]0;title\x07\x9b31m\u202eevil")
    told = shown(made, monkeypatch, 80)
    assert "[red]ada[/] :smile: [31m]0;title31mevil" in told
    assert shown("[red]ada[/] :smile: \x1b[31m", monkeypatch, 80) == "[red]ada[/] :smile: [31m\n"
    assert plain("a\tb\nc\x1b") == "a\tb\nc"
    assert CommandFailed("no\x1b[2J").message == "no[2J"


def test_nothing_to_list_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(Listing("id", empty="no keys"), monkeypatch, 80) == "no keys\n"
    with pytest.raises(ValueError, match="2 cells for 1 headings"):
        Listing("id").add("a", "b")


def test_reasons_are_lines_of_those_that_have_some() -> None:
    said = reasons([{"name": "grok", "reason": LONG}, {"name": "openai", "reason": ""}], "name", "reason")
    assert [str(each) for each in said] == [f"grok: {LONG}"]
