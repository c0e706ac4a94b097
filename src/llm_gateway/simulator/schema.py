"""A JSON value that satisfies a JSON schema, filled with words of the prompt where the schema leaves room.

Covers what model vendors accept for tools and structured output: types, enum, const, objects, arrays, bounds, formats,
patterns, `$ref` into the document, anyOf/oneOf/allOf. A keyword outside that list is not looked at.
"""

import math
import re
from collections.abc import Callable, Iterator

from llm_gateway.simulator.exchange import Json, JsonObject
from llm_gateway.simulator.pattern import example_of

_DEPTH = 8
_FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT15M",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000001",
}
_QUOTED = re.compile(r"[\"“'‘`]([^\"“”'‘’`\n]{1,60})[\"”'’`]")
_NAMES = re.compile(r"(?<![.!?] )(?<!^)(?<!\w)[A-Z][\w-]*(?: [A-Z][\w-]*)*")
_NUMBERS = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_LONG_FIELDS = ("summary", "description", "text", "content", "answer", "explanation", "reason", "query", "message", "response")


class Hints:
    """Words and numbers of a prompt, handed out in order: quoted phrases first, then names."""

    def __init__(self, prompt: str) -> None:
        prompt = prompt[:2000]
        self._sentence = " ".join(prompt.split())[:120] or "simulated"
        phrases = [*_QUOTED.findall(prompt), *_NAMES.findall(_QUOTED.sub(" ", prompt))]
        self._words: Iterator[str] = iter(phrases)
        self._numbers: Iterator[str] = iter(_NUMBERS.findall(prompt))

    def word(self, field: str) -> str:
        """Text for a field of this name."""
        if field.lower() in _LONG_FIELDS:
            return self._sentence
        return next(self._words, f"simulated {field}".strip())

    def number(self) -> float | None:
        """The next number of the prompt, if one is left."""
        found = next(self._numbers, None)
        return None if found is None else float(found)


def instance(schema: Json, prompt: str = "") -> Json:
    """A value that satisfies `schema`; the same schema and prompt give the same value."""
    return _Maker(schema, Hints(prompt)).make(schema, "", 0)


class _Maker:
    def __init__(self, root: Json, hints: Hints) -> None:
        self._root = root
        self._hints = hints
        self._by_type: dict[str, Callable[[JsonObject, str, int], Json]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda _schema, _field, _depth: True,
            "null": lambda _schema, _field, _depth: None,
        }

    def make(self, schema: Json, field: str, depth: int) -> Json:
        if not isinstance(schema, dict):
            return self._hints.word(field)
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        choices = schema.get("enum")
        if isinstance(choices, list) and choices:
            return self._mentioned(choices)
        return self._by_type[_type_of(schema, depth)](schema, field, depth)

    def _mentioned(self, choices: list[Json]) -> Json:
        """The choice that the prompt speaks of, else the first."""
        sentence = self._hints.word("text").lower()
        return next((choice for choice in choices if isinstance(choice, str) and choice and choice.lower() in sentence), choices[0])

    def _resolved(self, schema: JsonObject, depth: int) -> JsonObject:
        """The schema with its reference followed, its parts merged, and one alternative taken."""
        merged: JsonObject = {}
        for _ in range(_DEPTH * 2):
            reference = schema.get("$ref")
            if isinstance(reference, str):
                schema = _merge(self._follow(reference), {key: value for key, value in schema.items() if key != "$ref"})
                continue
            parts = schema.get("allOf")
            options = schema.get("anyOf") or schema.get("oneOf")
            if isinstance(parts, list) and parts:
                rest: JsonObject = {key: value for key, value in schema.items() if key != "allOf"}
                for part in parts:
                    rest = _merge(rest, self._resolved(part, depth)) if isinstance(part, dict) else rest
                schema = rest
            elif isinstance(options, list) and options:
                rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
                schema = _merge(rest, self._option(options, depth))
            else:
                return schema
        return merged

    def _option(self, options: list[Json], depth: int) -> JsonObject:
        """The first alternative; deep inside, one that ends the recursion, where there is one."""
        usable = [option for option in options if isinstance(option, dict)]
        if depth >= _DEPTH // 2:
            for option in usable:
                if option.get("type") not in ("object", "array") and "$ref" not in option:
                    return option
        return usable[0] if usable else {}

    def _follow(self, reference: str) -> JsonObject:
        found = self._root
        for step in reference.lstrip("#").strip("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if name and isinstance(found, dict):
                found = found.get(name)
        return found if isinstance(found, dict) else {}

    def _object(self, schema: JsonObject, _field: str, depth: int) -> Json:
        properties = schema.get("properties")
        required = schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        known = properties if isinstance(properties, dict) else {}
        if depth < _DEPTH // 2:
            names = [*known, *(name for name in names if name not in known)]
        extra = schema.get("additionalProperties")
        result: JsonObject = {name: self.make(known.get(name, extra if isinstance(extra, dict) else {}), name, depth + 1) for name in names}
        for index in range(len(result), _int(schema.get("minProperties"), 0)):
            result[f"field_{index + 1}"] = self.make(extra if isinstance(extra, dict) else {}, f"field_{index + 1}", depth + 1)
        return result

    def _array(self, schema: JsonObject, field: str, depth: int) -> Json:
        prefix = schema.get("prefixItems")
        fixed = prefix if isinstance(prefix, list) else []
        wished = len(fixed) or (0 if depth >= _DEPTH // 2 else 1)
        most = _int(schema.get("maxItems"), max(wished, _int(schema.get("minItems"), 0)))
        count = max(min(wished, most), _int(schema.get("minItems"), 0))
        items = schema.get("items", {})
        single = field[:-1] if field.endswith("s") else field
        values: list[Json] = []
        for index in range(count):
            values.append(self.make(fixed[index] if index < len(fixed) else items, single, depth + 1))
            if schema.get("uniqueItems") and index and values[index] in values[:index]:
                values[index] = self._other(items, values[:index], index)
        return values

    def _other(self, items: Json, taken: list[Json], index: int) -> Json:
        """A value of the same schema that is not among those taken, where one is easily found."""
        schema = self._resolved(items, 0) if isinstance(items, dict) else {}
        choices = schema.get("enum")
        if isinstance(choices, list):
            return next((choice for choice in choices if choice not in taken), choices[0])
        last = taken[-1]
        if isinstance(last, int | float) and not isinstance(last, bool):
            return last + _number(schema.get("multipleOf"), 1)
        return f"{last} {index + 1}" if isinstance(last, str) else last

    def _string(self, schema: JsonObject, field: str, _depth: int) -> Json:
        shape, pattern = schema.get("format"), schema.get("pattern")
        if isinstance(pattern, str):
            return example_of(pattern, self._hints.word(field))
        if isinstance(shape, str) and shape in _FORMATS:
            return _FORMATS[shape]
        least = _int(schema.get("minLength"), 0)
        text = self._hints.word(field)
        text = text if len(text) >= least else text + "." * (least - len(text))
        return text[: _int(schema.get("maxLength"), len(text))]

    def _integer(self, schema: JsonObject, _field: str, _depth: int) -> Json:
        step = max(1, math.ceil(_number(schema.get("multipleOf"), 1)))
        low, high = _bounds(schema, 1)
        hint = self._hints.number()
        wish = hint if hint is not None and low <= hint <= high else max(low, min(high, 1))
        value = math.ceil(wish / step) * step
        return value if value <= high else math.floor(high / step) * step

    def _number(self, schema: JsonObject, _field: str, _depth: int) -> Json:
        step = _number(schema.get("multipleOf"), 0)
        low, high = _bounds(schema, step or 0.001)
        hint = self._hints.number()
        wish = hint if hint is not None and low <= hint <= high else max(low, min(high, 0.5))
        if not step:
            return wish
        value = math.ceil(wish / step) * step
        return value if value <= high else math.floor(high / step) * step


def _type_of(schema: JsonObject, depth: int) -> str:
    """The schema's type; guessed from its keywords when it names none."""
    named = schema.get("type")
    if isinstance(named, list):
        kinds = [kind for kind in named if isinstance(kind, str) and kind != "null"]
        named = "null" if depth >= _DEPTH and "null" in named else (kinds[0] if kinds else "null")
    if isinstance(named, str) and named in ("object", "array", "string", "integer", "number", "boolean", "null"):
        return named
    if "properties" in schema or "required" in schema or "additionalProperties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if {"minimum", "maximum", "multipleOf"} & schema.keys() else "string"


def _merge(first: JsonObject, second: JsonObject) -> JsonObject:
    """Both schemas at once; properties and required names are joined, of other keywords the second's count."""
    merged = {**first, **second}
    for key in ("properties", "$defs"):
        left, right = first.get(key), second.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            merged[key] = {**left, **right}
    left, right = first.get("required"), second.get("required")
    if isinstance(left, list) and isinstance(right, list):
        merged["required"] = [*left, *(name for name in right if name not in left)]
    return merged


def _bounds(schema: JsonObject, step: float) -> tuple[float, float]:
    low = max(_number(schema.get("minimum"), -math.inf), _number(schema.get("exclusiveMinimum"), -math.inf) + step)
    high = min(_number(schema.get("maximum"), math.inf), _number(schema.get("exclusiveMaximum"), math.inf) - step)
    return low, high


def _number(value: Json, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def _int(value: Json, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
