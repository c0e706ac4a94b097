import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.configuration.yaml_file import MOST_NODES, Document, parse

SECRET = "hunter2hunter2"


def faults(text: str) -> list[tuple[str, int, str]]:
    return [(fault.path, fault.line, fault.text) for fault in parse(text).faults]


def test_every_key_and_item_has_its_line() -> None:
    document = parse("server:\n  port: 1\n\nlist:\n  - a\n  - {b: 2}\n")
    assert document.values == {"server": {"port": 1}, "list": ["a", {"b": 2}]}
    assert document.lines == {("server",): 1, ("server", "port"): 2, ("list",): 4, ("list", 0): 5, ("list", 1): 6, ("list", 1, "b"): 6}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_sets_nothing(text: str) -> None:
    assert parse(text) == Document({}, {}, ())


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    assert faults("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 4\n") == [
        ("a", 6, "stands twice; first on line 1"),
        ("b.c", 5, "stands twice; first on line 3"),
    ]


def test_an_own_key_may_override_a_merged_one() -> None:
    document = parse("base: &base {a: 1, b: 2}\none:\n  <<: *base\n  b: 3\ntwo: *base\nthree: {<<: *base, b: 4}\n")
    assert not document.faults
    assert document.values["one"] == {"a": 1, "b": 3}
    assert document.values["three"] == {"a": 1, "b": 4}


def test_a_section_that_is_used_twice_is_no_duplicate() -> None:
    document = parse("base: &base {a: 1}\nx: &x {<<: *base, a: 2}\ny: *x\n")
    assert not document.faults
    assert document.values["x"] == document.values["y"] == {"a": 2}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\n  b: 2\n", 2, "colon"),
        (f"a: b\nkey: {SECRET}: x\n", 2, "colon"),
        ("a:\n\tb: 1\n", 2, "tab"),
        (f"key: @{SECRET}\n", 1, "quotes"),
        (f"a: 1\nkey: *{SECRET}\n", 2, "alias"),
        (f"key: !{SECRET} x\n", 1, "tag"),
        (f'key: "{SECRET}\n', 2, "inside quotes"),
        (f'key: "\\{SECRET}"\n', 1, "escape"),
        (f'key: "a" {SECRET}\n', 1, "after a value"),
        (f"a: 1\n{SECRET}\n", 3, "colon"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("a: 1\nb: \x00\n", 2, "character"),
        ("- a\n", 1, "not a section"),
        ("just text\n", 1, "not a section"),
        ("a: &x [*x]\n", 0, "hold themselves"),
        ("a: &x {b: *x}\n", 0, "hold themselves"),
        ("a: " + "[" * 500, 0, "deeply"),
        ("a: 1\n1: b\n", 2, "not text"),
        ("on: 1\n", 1, "not text"),
        ("? [a]\n: 1\n", 1, "not text"),
        ("a: {<<: 5}\n", 1, "<<"),
        ("a: 0b_\n", 1, "number"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words_at_its_line_without_quoting_the_file(text: str, line: int, said: str) -> None:
    found = faults(text)
    assert [fault[1] for fault in found] == [line]
    assert said in found[0][2]
    assert SECRET not in found[0][2]


def test_a_bomb_of_aliases_ends() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert "too many values" in parse(bomb).faults[0].text


def test_a_large_file_is_no_bomb() -> None:
    assert not parse("aliases:\n" + "".join(f"  m{i}: x\n" for i in range(MOST_NODES // 50))).faults


def test_dates_stay_text() -> None:
    assert parse("model: 2024-02-29\nother: 2024-13-45\n").values == {"model": "2024-02-29", "other": "2024-13-45"}


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t01.~<$")))
def test_no_text_makes_it_raise(text: str) -> None:
    parse(text)
