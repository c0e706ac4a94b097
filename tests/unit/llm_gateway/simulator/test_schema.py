"""The values are checked by a small validator of its own, which knows the keywords that the generator claims to obey."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.simulator.schema import instance

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def problems(value: Any, schema: Any, root: Any, at: str = "$") -> list[str]:
    """What in `value` breaks `schema`."""
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return problems(value, target, root, at)
    if "anyOf" in schema:
        tries = [problems(value, option, root, at) for option in schema["anyOf"]]
        return [] if any(not found for found in tries) else tries[0]
    found = [problem for part in schema.get("allOf", []) for problem in problems(value, part, root, at)]
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: not the const")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: not in enum")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(value is None if kind == "null" else isinstance(value, _TYPES[kind]) for kind in kinds):
        return [*found, f"{at}: not {kinds}"]
    if isinstance(value, bool):
        return found
    if isinstance(value, int | float):
        found += [f"{at}: {key}" for key, ok in _number_rules(value, schema) if not ok]
    if isinstance(value, str):
        found += [f"{at}: {key}" for key, ok in _text_rules(value, schema) if not ok]
    if isinstance(value, list):
        found += _array_problems(value, schema, root, at)
    if isinstance(value, dict):
        found += _object_problems(value, schema, root, at)
    return found


def _number_rules(value: float, schema: Any) -> list[tuple[str, bool]]:
    return [
        ("minimum", value >= schema.get("minimum", value)),
        ("maximum", value <= schema.get("maximum", value)),
        ("exclusiveMinimum", "exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]),
        ("exclusiveMaximum", "exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"]),
        ("multipleOf", "multipleOf" not in schema or value % schema["multipleOf"] == 0),
    ]


def _text_rules(value: str, schema: Any) -> list[tuple[str, bool]]:
    return [
        ("minLength", len(value) >= schema.get("minLength", 0)),
        ("maxLength", len(value) <= schema.get("maxLength", len(value))),
        ("pattern", re.search(schema.get("pattern", ""), value) is not None),
    ]


def _array_problems(value: list[Any], schema: Any, root: Any, at: str) -> list[str]:
    found = [] if schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)) else [f"{at}: length {len(value)}"]
    if schema.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
        found.append(f"{at}: not unique")
    fixed = schema.get("prefixItems", [])
    for index, item in enumerate(value):
        found += problems(item, fixed[index] if index < len(fixed) else schema.get("items", {}), root, f"{at}[{index}]")
    return found


def _object_problems(value: dict[str, Any], schema: Any, root: Any, at: str) -> list[str]:
    known = schema.get("properties", {})
    found = [f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value]
    if schema.get("additionalProperties") is False:
        found += [f"{at}.{name}: not allowed" for name in value if name not in known]
    for name, item in value.items():
        found += problems(item, known.get(name, {}), root, f"{at}.{name}")
    return found


_SCHEMAS: list[Any] = [
    {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    {"type": "array", "items": {"type": "number", "minimum": 3, "maximum": 4}, "minItems": 3},
    {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]},
    {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    {"type": "integer", "minimum": 10, "multipleOf": 7},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "number", "maximum": -2.5},
    {"type": "string", "minLength": 40},
    {"type": "string", "maxLength": 3},
    {"type": "string", "pattern": r"^[A-Z]{3}\d{2}$"},
    {"type": ["string", "null"]},
    {"anyOf": [{"type": "object", "properties": {"k": {"const": 7}}, "required": ["k"]}, {"type": "null"}]},
    {
        "allOf": [
            {"type": "object", "required": ["p"], "properties": {"p": {"type": "boolean"}}},
            {"required": ["q"], "properties": {"q": {"const": "q"}}},
        ]
    },
    {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            }
        },
        "$ref": "#/$defs/node",
    },
    {
        "$defs": {
            "tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "required": ["kids"]}
        },
        "$ref": "#/$defs/tree",
    },
]


@pytest.mark.parametrize("schema", _SCHEMAS, ids=range(len(_SCHEMAS)))
@pytest.mark.parametrize("prompt", ["", 'Take "Paris" and 12 of z, not 3.5'])
def test_the_value_satisfies_the_schema(schema: Any, prompt: str) -> None:
    assert problems(instance(schema, prompt), schema, schema) == []


_leaf = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.integers(-50, 50).flatmap(
        lambda low: st.integers(low, low + 9).map(lambda high: {"type": "integer", "minimum": low, "maximum": high})
    ),
    st.integers(0, 9).flatmap(lambda low: st.integers(low, 30).map(lambda high: {"type": "string", "minLength": low, "maxLength": high})),
    st.lists(st.text(max_size=4), min_size=1, max_size=3).map(lambda names: {"enum": names}),
)


def _branch(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3).map(
        lambda known: {"type": "object", "properties": known, "required": [*known], "additionalProperties": False}
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1]})
    return objects | arrays | st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})


@given(st.recursive(_leaf, _branch, max_leaves=12), st.text(max_size=60))
def test_any_schema_of_these_keywords_is_satisfied(schema: Any, prompt: str) -> None:
    assert problems(instance(schema, prompt), schema, schema) == []


def test_words_of_the_prompt_fill_the_fields() -> None:
    schema: Any = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["metric", "imperial"]}},
    }
    made = instance(schema, "Please plan 3 days in New York with imperial units")
    assert made == {"city": "New York", "days": 3, "unit": "imperial"}
