"""What a source file is made of: imports, types, functions with their complexity (McCabe's, counted by lizard)."""

from typing import TYPE_CHECKING, NamedTuple

from llm_gateway.analysis.code.smells import Smell, smells
from llm_gateway.analysis.code.trees import FUNCTIONS, GRAMMARS, Language, every, extra_missing, line_of, tree

if TYPE_CHECKING:
    from ast_grep_py import SgNode


class Function(NamedTuple):
    """A function or method. `complexity` is McCabe's cyclomatic one, `code_lines` without blanks and comments, lines from 1."""

    name: str
    parent: str
    line: int
    end_line: int
    parameters: int
    complexity: int
    code_lines: int
    tokens: int


class Type(NamedTuple):
    """A class, interface, struct or the like."""

    name: str
    kind: str
    line: int
    end_line: int
    methods: int


class Code(NamedTuple):
    """A source file. `maintainability` in [0, 100]: 100 less what smells and complexity cost."""

    language: Language
    lines: int
    code_lines: int
    comment_lines: int
    imports: tuple[str, ...]
    types: tuple[Type, ...]
    functions: tuple[Function, ...]
    smells: tuple[Smell, ...]
    average_complexity: float
    highest_complexity: int
    maintainability: float


def analyse(content: str, language: Language) -> Code:
    """Read a source file.

    Raises:
        InvalidRequest: it is too long, or the libraries for it are not installed.
    """
    root = tree(content, language, "analyze_code")
    grammar = GRAMMARS[language]
    functions, code_lines = _functions(content, language)
    functions = sorted([*functions, *_missed(root, language, functions)], key=lambda function: (function.line, function.name))
    types = _types(root, language, functions)
    placed = tuple(function._replace(parent=_parent(function, types)) for function in functions)
    imports = tuple(dict.fromkeys(_import(node.text(), language) for node in every(root, *grammar.imports)))
    if language == "ruby":
        calls = every(root, "call")
        imports = tuple(dict.fromkeys(node.text().split(None, 1)[1].strip("'\"") for node in calls if node.text().startswith("require ")))
    found = smells(root, content, language, [(f.name, f.line, f.end_line, f.parameters, f.complexity, f.code_lines) for f in placed], types)
    lines = content.count("\n") + (not content.endswith("\n") and bool(content))
    comments = {line for node in every(root, *grammar.comments) for line in range(line_of(node), node.range().end.line + 2)}
    complexities = [function.complexity for function in placed]
    cost = {"high": 8.0, "medium": 4.0, "low": 1.0}
    weight = sum(cost[smell.severity] for smell in found) * 200 / max(200, code_lines)
    average = sum(complexities) / len(complexities) if complexities else 0.0
    return Code(
        language,
        lines,
        code_lines,
        len(comments),
        imports[:500],
        types,
        placed,
        tuple(found),
        round(average, 2),
        max(complexities, default=0),
        round(max(0.0, 100 - weight - max(0.0, average - 5) * 3), 1),
    )


def _functions(content: str, language: Language) -> tuple[list[Function], int]:
    try:
        import lizard  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, loaded when it is used
    except ImportError:
        raise extra_missing("analyze_code") from None
    try:
        read = lizard.analyze_file.analyze_source_code(f"source.{GRAMMARS[language].extension}", content)
    except (IndexError, AttributeError, RecursionError, StopIteration, ValueError, KeyError, TypeError):
        # lizard's readers guess at what is not the language; what it cannot follow has no functions that count.
        return [], sum(bool(line.strip()) for line in content.splitlines())
    found = [
        Function(
            function.name.rpartition("::")[2].rpartition(".")[2] or function.name,
            "",
            function.start_line,
            function.end_line,
            function.parameter_count,
            function.cyclomatic_complexity,
            function.nloc,
            function.token_count,
        )
        for function in read.function_list[:5_000]
    ]
    return sorted(found, key=lambda function: (function.line, function.name)), read.nloc


def _missed(root: "SgNode", language: Language, known: list[Function]) -> list[Function]:
    """Functions that the tree has and lizard passed over; their branches are counted in the tree."""
    lines = {function.line for function in known}
    found = []
    for node in list(every(root, *FUNCTIONS[language]))[:5_000]:
        start, end = line_of(node), int(node.range().end.line) + 1
        if any(start <= line <= min(start + 3, end) for line in lines):
            continue
        name, given = node.field("name") or node.field("declarator"), node.field("parameters")
        parameters = sum(child.is_named() for child in given.children()) if given is not None else 0
        branches = sum(1 for _ in every(node, *GRAMMARS[language].branches))
        text = node.text()
        code = sum(bool(line.strip()) for line in text.splitlines())
        called = name.text().partition("(")[0][:200] if name is not None else "(anonymous)"
        found.append(
            Function(called, "", start, end, parameters, 1 + branches + text.count("&&") + text.count("||"), code, len(text.split()))
        )
    return found


def _types(root: "SgNode", language: Language, functions: list[Function]) -> tuple[Type, ...]:
    kinds = GRAMMARS[language].types
    found = []
    for node in every(root, *kinds):
        name = node.field("name")
        if name is None and language in {"kotlin", "swift"}:
            name = node.find({"rule": {"any": [{"kind": "type_identifier"}, {"kind": "simple_identifier"}, {"kind": "identifier"}]}})
        if name is None or (language in {"c", "cpp"} and node.field("body") is None):
            continue
        start, end = line_of(node), int(node.range().end.line) + 1
        found.append(Type(name.text(), kinds[node.kind()], start, end, sum(start <= f.line and f.end_line <= end for f in functions)))
    return tuple(found[:2_000])


def _parent(function: Function, types: tuple[Type, ...]) -> str:
    around = [each for each in types if each.line <= function.line and function.end_line <= each.end_line]
    return max(around, key=lambda each: each.line).name if around else ""


def _import(text: str, language: Language) -> str:
    text = " ".join(text.split())
    if language in {"javascript", "typescript", "tsx"}:
        return text.rstrip(";").rpartition(" ")[2].strip("'\"")
    if language == "python":
        words = text.split()
        return words[1] if len(words) > 1 else text
    if language in {"c", "cpp"}:
        return text.removeprefix("#include").strip().strip('<>"')
    if language == "go":
        return text.rpartition(" ")[2].strip('"`')
    for word in ("import static ", "import ", "using ", "use "):
        text = text.removeprefix(word)
    return text.rstrip(";")[:200]
