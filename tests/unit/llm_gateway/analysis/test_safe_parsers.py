# ruff: noqa: E501 - tables of texts read best unbroken
"""XML and YAML of strangers: values or a refusal, in bounded time, whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.analysis.safe_xml import UnsafeXml, parse
from llm_gateway.analysis.safe_yaml import UnsafeYaml, parse_all


@pytest.mark.parametrize(
    "source",
    [
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "<a>&b;</a>", "<a", "", "<a/><b/>",
        "<a>\x00</a>", "\ud800",
    ],
)  # fmt: skip
def test_unsafe_or_broken_xml(source: str) -> None:
    with pytest.raises(UnsafeXml):
        parse(source)


def test_plain_xml() -> None:
    root = parse('<?xml version="1.0"?><a b="c">d<e/>f</a>')
    assert (root.tag, root.get("b"), root.text, root[0].tail) == ("a", "c", "d", "f")


@pytest.mark.parametrize(
    "source",
    ["a: [", "!!python/object/apply:os.system ['true']", "- " * 100, "[" * 1000, "a: &a [*a]", "? {a: b}\n: c", "{[a]: b}", "\x00", "a: *b", "%YAML 9.9\n---\na", "<<: x"],
)  # fmt: skip
def test_unsafe_or_broken_yaml(source: str) -> None:
    with pytest.raises(UnsafeYaml):
        parse_all(source)


def test_plain_yaml_with_anchors() -> None:
    assert parse_all("a: &x {k: 1}\nb: {<<: *x, l: [2020-01-01, true]}\n---\n- c") == [
        {"a": {"k": 1}, "b": {"k": 1, "l": ["2020-01-01", True]}}, ["c"],
    ]  # fmt: skip


@given(st.one_of(st.text(max_size=300), st.text(alphabet="ab&*<>:-[]{}!?|\"' \n", max_size=200)))
def test_anything_is_read_or_refused(source: str) -> None:
    for parser, refusal in ((parse_all, UnsafeYaml), (parse, UnsafeXml)):
        try:
            parser(source)
        except refusal:
            continue
