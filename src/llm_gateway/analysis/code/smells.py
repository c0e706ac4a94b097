"""Signs in code that something wants mending. Each says why, with its line; thresholds are the usual ones (Fowler, McCabe)."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from llm_gateway.analysis.code.trees import GRAMMARS, Language, every, line_of

if TYPE_CHECKING:
    from ast_grep_py import SgNode

LONG_FUNCTION: Final = 60
COMPLEX_FUNCTION: Final = 10
VERY_COMPLEX_FUNCTION: Final = 20
MANY_PARAMETERS: Final = 5
MANY_METHODS: Final = 20
DEEP_NESTING: Final = 4
LARGE_FILE: Final = 500
DUPLICATE_LINES: Final = 6
_MOST: Final = 200

Measured = tuple[str, int, int, int, int, int]
"""name, line, end line, parameters, complexity, code lines"""


class Smell(NamedTuple):
    """Something to mend at a line (from 1)."""

    kind: str
    severity: Literal["high", "medium", "low"]
    line: int
    message: str


_Rule = tuple[str, Literal["high", "medium", "low"], str, dict[str, Any]]
_CURLY_CATCH: Final[_Rule] = (
    "empty_catch", "high", "an exception is caught and forgotten", {"kind": "catch_clause", "has": {"field": "body", "regex": r"^\{\s*\}$"}},
)  # fmt: skip
_JS_RULES: Final[tuple[_Rule, ...]] = (
    _CURLY_CATCH,
    ("dynamic_code", "high", "text is run as code", {"any": [{"pattern": "eval($$$)"}, {"pattern": "new Function($$$)"}]}),
    ("raw_html", "medium", "text becomes HTML without escaping", {"pattern": "$A.innerHTML = $B"}),
    ("loose_equality", "low", "== converts types; === does not", {"kind": "binary_expression", "has": {"regex": "^(==|!=)$"}}),
)
RULES: Final[dict[str, tuple[_Rule, ...]]] = {
    "python": (
        ("bare_except", "medium", "except without a type catches the stop of the program too", {"kind": "except_clause", "regex": r"^except\s*:"}),
        ("empty_catch", "high", "an exception is caught and forgotten", {"kind": "except_clause", "regex": r"^except[^\n]*:\s*(#[^\n]*\s*)*(pass|\.\.\.)\s*$"}),
        ("mutable_default", "medium", "a default that can be changed is shared by all calls",
            {"any": [{"kind": "default_parameter"}, {"kind": "typed_default_parameter"}], "has": {"field": "value", "any": [{"kind": "list"}, {"kind": "dictionary"}, {"kind": "set"}]}}),
        ("dynamic_code", "high", "text is run as code", {"any": [{"pattern": "eval($$$)"}, {"pattern": "exec($$$)"}]}),
        ("shell", "high", "a command line goes through the shell", {"kind": "keyword_argument", "regex": r"^shell\s*=\s*True$"}),
        ("sql_from_text", "high", "a query is put together from text: use parameters",
            {"kind": "call", "regex": r"\.(execute|executemany|raw)\(\s*(f[\"']|[\"'][^\"']*[\"']\s*(%|\+|\.format))", "has": {"field": "function", "regex": r"\.(execute|executemany|raw)$"}}),
        ("unsafe_load", "high", "what is loaded can run code", {"any": [{"pattern": "pickle.loads($$$)"}, {"pattern": "pickle.load($$$)"}, {"pattern": "yaml.load($A)"}]}),
        ("wildcard_import", "low", "it is not visible what is imported", {"kind": "wildcard_import"}),
    ),
    "javascript": _JS_RULES, "typescript": _JS_RULES, "tsx": _JS_RULES,
    "java": (
        ("empty_catch", "high", "an exception is caught and forgotten", {"kind": "catch_clause", "has": {"field": "body", "regex": r"^\{\s*\}$"}}),
        ("broad_catch", "low", "Throwable or Exception catches more than can be handled", {"kind": "catch_type", "regex": "^(Exception|Throwable)$"}),
        ("wildcard_import", "low", "it is not visible what is imported", {"kind": "asterisk"}),
    ),
    "csharp": (_CURLY_CATCH,),
    "php": (
        _CURLY_CATCH,
        ("dynamic_code", "high", "text is run as code", {"kind": "function_call_expression", "regex": r"^eval\s*\("}),
    ),
    "go": (
        ("empty_catch", "high", "an error is seen and forgotten", {"kind": "if_statement", "regex": r"^if\s+err\s*!=\s*nil\s*\{\s*\}$"}),
        ("panic", "low", "panic ends the program", {"pattern": "panic($A)"}),
    ),
    "ruby": (("dynamic_code", "high", "text is run as code", {"kind": "call", "regex": r"^(eval|instance_eval|class_eval)\b"}),),
    "rust": (
        ("unwrap", "low", "unwrap ends the program on an error", {"kind": "call_expression", "regex": r"\.unwrap\(\)$"}),
        ("unsafe", "medium", "the compiler does not check this block", {"kind": "unsafe_block"}),
    ),
    "c": (("unbounded_copy", "high", "nothing limits what is written", {"kind": "call_expression", "regex": r"^(strcpy|strcat|sprintf|gets)\s*\("}),),
    "cpp": (("unbounded_copy", "high", "nothing limits what is written", {"kind": "call_expression", "regex": r"^(strcpy|strcat|sprintf|gets)\s*\("}),),
    "kotlin": (("not_null", "low", "!! ends in an exception when it is null", {"kind": "postfix_expression", "regex": "!!$"}),),
}  # fmt: skip
_OPEN_MATTER = re.compile(r"\b(T[O]DO|FIXME|HACK|XXX)\b")


def smells(
    root: "SgNode", content: str, language: Language, functions: Sequence[Measured], types: Sequence[tuple[str, str, int, int, int]]
) -> list[Smell]:
    """What was found, gravest first, at most 200."""
    found = [*_measured(functions, types), *_written(root, language), *_nested(root, language), *_twice(content)]
    for node in every(root, *GRAMMARS[language].comments):
        if mark := _OPEN_MATTER.search(node.text()):
            found.append(Smell("open_matter", "low", line_of(node), f"a comment says {mark[1]}"))
    lines = content.count("\n") + 1
    if lines > LARGE_FILE:
        found.append(Smell("large_file", "medium", 1, f"it has {lines} lines; {LARGE_FILE} are a lot"))
    order = {"high": 0, "medium": 1, "low": 2}
    return sorted(dict.fromkeys(found), key=lambda smell: (order[smell.severity], smell.line, smell.kind))[:_MOST]


def _measured(functions: Sequence[Measured], types: Sequence[tuple[str, str, int, int, int]]) -> Iterator[Smell]:
    for name, line, _, parameters, complexity, code_lines in functions:
        if code_lines > LONG_FUNCTION:
            yield Smell("long_function", "medium", line, f"{name} has {code_lines} lines of code; {LONG_FUNCTION} are a lot")
        if complexity > COMPLEX_FUNCTION:
            severity: Literal["high", "medium"] = "high" if complexity > VERY_COMPLEX_FUNCTION else "medium"
            yield Smell("complex_function", severity, line, f"{name} has {complexity} ways through it; {COMPLEX_FUNCTION} are a lot")
        if parameters > MANY_PARAMETERS:
            yield Smell("many_parameters", "low", line, f"{name} takes {parameters} parameters; {MANY_PARAMETERS} are a lot")
    for name, _, line, _, methods in types:
        if methods > MANY_METHODS:
            yield Smell("large_class", "medium", line, f"{name} has {methods} methods; {MANY_METHODS} are a lot")


def _written(root: "SgNode", language: Language) -> Iterator[Smell]:
    for kind, severity, message, rule in RULES.get(language, ()):
        for node in root.find_all({"rule": rule})[:50]:  # type: ignore[call-overload]
            yield Smell(kind, severity, line_of(node), message)


def _nested(root: "SgNode", language: Language) -> Iterator[Smell]:
    """Branches inside branches; `else if` is no deeper than its `if`."""
    kinds = frozenset(GRAMMARS[language].branches)
    bounds = ("function", "method", "lambda", "arrow")
    reported: set[int] = set()
    for node in list(every(root, *kinds))[:5_000]:
        depth, child = 1, node
        outermost = node
        for around in node.ancestors()[:100]:
            if any(word in around.kind() for word in bounds):
                break
            if around.kind() in kinds and not (around.kind() == child.kind() and _is_else_if(around, child)):
                depth += 1
                outermost = around
            child = around if around.kind() != "else_clause" else child
        line = line_of(outermost)
        if depth > DEEP_NESTING and line not in reported:
            reported.add(line)
            yield Smell("deep_nesting", "medium", line_of(node), f"branches are {depth} deep; {DEEP_NESTING} are a lot")


def _is_else_if(around: "SgNode", child: "SgNode") -> bool:
    other = around.field("alternative")
    return other is not None and other.range().start.index <= child.range().start.index


def _twice(content: str) -> Iterator[Smell]:
    """The same six lines or more in two places; blank lines and indentation do not count."""
    lines = [(number, " ".join(line.split())) for number, line in enumerate(content.splitlines(), 1)]
    lines = [
        (number, line)
        for number, line in lines
        if len(line) > 3 and not line.startswith(("#", "//", "*", "/*", "import ", "from ", "use ", "using "))
    ]
    seen: dict[tuple[str, ...], int] = {}
    at = until = 0
    while at + DUPLICATE_LINES <= len(lines):
        window = tuple(line for _, line in lines[at : at + DUPLICATE_LINES])
        first = seen.setdefault(window, at)
        if first + DUPLICATE_LINES <= at and at >= until and sum(map(len, window)) > 90:
            size = DUPLICATE_LINES
            while at + size < len(lines) and first + size < at and lines[first + size][1] == lines[at + size][1]:
                size += 1
            until = at + size
            yield Smell("duplicate", "medium", lines[at][0], f"{size} lines are the same as from line {lines[first][0]} on")
        at += 1
