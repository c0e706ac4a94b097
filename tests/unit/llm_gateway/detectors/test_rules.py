"""Every rule flags its own example and lets its own counter-example pass."""

import pytest

from llm_gateway.detectors.lexicon import standard
from llm_gateway.detectors.rules import Pattern, looks_drawn

RULES = [*standard().patterns, *standard().token_patterns]


def matches(pattern: Pattern, text: str) -> bool:
    rule = pattern.rule
    for match in pattern.finditer(text):
        group = 1 if match.groups() else 0
        if rule.accept is None or rule.accept(match.group(group)):
            return True
    return False


@pytest.mark.parametrize("pattern", RULES, ids=lambda p: p.rule.name)
def test_rule_tells_its_example_from_its_counter_example(pattern: Pattern) -> None:
    assert matches(pattern, f"x {pattern.rule.positive} y") or matches(pattern, pattern.rule.positive)
    assert not matches(pattern, pattern.rule.negative)


def test_names_are_unique_and_sources_given() -> None:
    names = [pattern.rule.name for pattern in RULES]
    assert len(set(names)) == len(names)
    assert all(pattern.rule.source for pattern in RULES)
    assert all(0.0 < pattern.rule.confidence <= 1.0 for pattern in RULES)


def test_anchors_occur_in_what_the_rule_matches() -> None:
    for pattern in standard().patterns:
        lowered = pattern.rule.positive.lower()
        assert any(anchor in lowered for anchor in pattern.rule.anchors), pattern.rule.name


@pytest.mark.parametrize("value", ["x" * 40, "0" * 36, "abababababababab", "-" * 20])
def test_placeholders_are_not_drawn(value: str) -> None:
    assert not looks_drawn(value)
