"""Languages, and their syntax trees (ast-grep, tree-sitter grammars)."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from llm_gateway.core.errors import InvalidRequest

if TYPE_CHECKING:
    from ast_grep_py import SgNode

Language = Literal[
    "python", "javascript", "typescript", "tsx", "java", "go", "ruby", "rust", "c", "cpp", "csharp", "php", "kotlin", "swift", "scala"
]  # fmt: skip
MOST_CHARS: Final = 500_000
_MOST_NODES: Final = 20_000


class Grammar(NamedTuple):
    """Kinds of nodes of a language's tree. `extension` is what lizard knows it by; `branches` nest."""

    extension: str
    types: dict[str, str]
    imports: tuple[str, ...]
    branches: tuple[str, ...]
    suffixes: tuple[str, ...]
    comments: tuple[str, ...] = ("comment",)


_C_BRANCHES: Final = ("if_statement", "for_statement", "while_statement", "do_statement", "switch_statement", "try_statement")
_JS_TYPES: Final = {
    "class_declaration": "class",
    "abstract_class_declaration": "class",
    "interface_declaration": "interface",
    "enum_declaration": "enum",
}
_JS_BRANCHES: Final = (*_C_BRANCHES, "for_in_statement")
GRAMMARS: Final[dict[Language, Grammar]] = {
    "python": Grammar("py", {"class_definition": "class"}, ("import_statement", "import_from_statement"),
        ("if_statement", "for_statement", "while_statement", "try_statement", "with_statement", "match_statement"), ("py", "pyi")),
    "javascript": Grammar("js", {"class_declaration": "class"}, ("import_statement",), _JS_BRANCHES, ("js", "mjs", "cjs", "jsx")),
    "typescript": Grammar("ts", _JS_TYPES, ("import_statement",), _JS_BRANCHES, ("ts", "mts", "cts")),
    "tsx": Grammar("tsx", _JS_TYPES, ("import_statement",), _JS_BRANCHES, ("tsx",)),
    "java": Grammar("java", {"class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum", "record_declaration": "record"},
        ("import_declaration",), ("if_statement", "for_statement", "while_statement", "do_statement", "try_statement", "enhanced_for_statement", "switch_expression"),
        ("java",), ("line_comment", "block_comment")),
    "go": Grammar("go", {"type_spec": "type"}, ("import_spec",), ("if_statement", "for_statement", "expression_switch_statement", "type_switch_statement", "select_statement"), ("go",)),
    "ruby": Grammar("rb", {"class": "class", "module": "module"}, (), ("if", "unless", "while", "until", "for", "case", "begin"), ("rb", "rake")),
    "rust": Grammar("rs", {"struct_item": "struct", "enum_item": "enum", "trait_item": "trait"}, ("use_declaration",),
        ("if_expression", "for_expression", "while_expression", "loop_expression", "match_expression"), ("rs",),
        ("line_comment", "block_comment")),
    "c": Grammar("c", {"struct_specifier": "struct", "enum_specifier": "enum"}, ("preproc_include",), _C_BRANCHES[:-1], ("c", "h")),
    "cpp": Grammar("cpp", {"class_specifier": "class", "struct_specifier": "struct", "enum_specifier": "enum"}, ("preproc_include",),
        (*_C_BRANCHES, "for_range_loop"), ("cpp", "cc", "cxx", "hpp", "hh")),
    "csharp": Grammar("cs", {"class_declaration": "class", "interface_declaration": "interface", "struct_declaration": "struct", "enum_declaration": "enum",
        "record_declaration": "record"}, ("using_directive",), (*_C_BRANCHES, "foreach_statement"), ("cs",)),
    "php": Grammar("php", {"class_declaration": "class", "interface_declaration": "interface", "trait_declaration": "trait"},
        ("namespace_use_declaration",), (*_C_BRANCHES, "foreach_statement"), ("php",)),
    "kotlin": Grammar("kt", {"class_declaration": "class", "object_declaration": "object"}, ("import_header",),
        ("if_expression", "for_statement", "while_statement", "when_expression", "try_expression"), ("kt", "kts"),
        ("line_comment", "multiline_comment")),
    "swift": Grammar("swift", {"class_declaration": "class", "protocol_declaration": "protocol"}, ("import_declaration",),
        ("if_statement", "for_statement", "while_statement", "switch_statement", "do_statement", "guard_statement"), ("swift",),
        ("comment", "multiline_comment")),
    "scala": Grammar("scala", {"class_definition": "class", "object_definition": "object", "trait_definition": "trait"}, ("import_declaration",),
        ("if_expression", "for_expression", "while_expression", "match_expression", "try_expression"), ("scala",),
        ("comment", "block_comment")),
}  # fmt: skip
ALIASES: Final[dict[str, Language]] = {
    "py": "python", "python3": "python", "js": "javascript", "node": "javascript", "jsx": "javascript", "ts": "typescript", "golang": "go", "rb": "ruby",
    "rails": "ruby", "rs": "rust", "c++": "cpp", "cxx": "cpp", "c#": "csharp", "cs": "csharp", "kt": "kotlin",
}  # fmt: skip
_LOOKS: Final[tuple[tuple[Language, str], ...]] = (
    ("php", r"<\?php\b"),
    ("go", r"^package \w+\s*$|^func (?:\(\w+ \*?\w+\) )?\w+\("),
    ("java", r"^(?:public |private |protected |final |abstract )*(?:class|interface|enum|record) \w+[^:{]*\{|^import (?:static )?[\w.]+(?:\.\*)?;|^package [\w.]+;|^@RestController"),
    ("csharp", r"^using [\w.]+;|^namespace [\w.]+"),
    ("rust", r"^\s*(?:pub )?fn \w+|^use (?:std|crate|super)::|^impl\b"),
    ("kotlin", r"^\s*(?:suspend |override |private )*fun \w+|^package [\w.]+$"),
    ("swift", r"^import (?:Foundation|UIKit|SwiftUI)|^\s*func \w+\([^)]*\)\s*(?:->|\{)"),
    ("cpp", r"^#include <(?:iostream|string|vector|memory|map)>|\bstd::"),
    ("c", r"^#include [<\"]"),
    ("typescript", r"^\s*(?:export )?(?:interface|type) \w+|:\s*(?:string|number|boolean|void)\b[\s;,)=]"),
    ("python", r"^\s*(?:async )?def \w+\(.*:?\s*$|^(?:from [\w.]+ )?import [\w.*, ]+$|^\s*class \w+(?:\([^)]*\))?:\s*$|^urlpatterns"),
    ("ruby", r"\.routes\.draw do|^\s*end\s*$|^\s*require ['\"]|^\s*(?:resources|namespace|get|post) [:'\"]"),
    ("javascript", r"\b(?:const|let|var) \w+ ?=|\brequire\(['\"]|=>|^\s*(?:async )?function\b|^(?:app|router)\.\w+\("),
)  # fmt: skip
_SIGNS: Final = tuple((language, re.compile(pattern, re.MULTILINE)) for language, pattern in _LOOKS)
FUNCTIONS: Final[dict[Language, tuple[str, ...]]] = {
    "python": ("function_definition",), "javascript": ("function_declaration", "method_definition"), "typescript": ("function_declaration", "method_definition"),
    "tsx": ("function_declaration", "method_definition"), "java": ("method_declaration", "constructor_declaration"), "go": ("function_declaration", "method_declaration"),
    "ruby": ("method", "singleton_method"), "rust": ("function_item",), "c": ("function_definition",), "cpp": ("function_definition",),
    "csharp": ("method_declaration", "constructor_declaration"), "php": ("function_definition", "method_declaration"), "kotlin": ("function_declaration",),
    "swift": ("function_declaration",), "scala": ("function_definition",),
}  # fmt: skip


def extra_missing(operation: str) -> InvalidRequest:
    """The error where the libraries are not installed."""
    return InvalidRequest(f"{operation} needs the extra `code` on the gateway: pip install 'llm-gateway[code]'", code="extra_missing")


def language_of(content: str, language: str | None, filename: str | None) -> Language:
    """The language that is named, or that the file's name or its text shows.

    Raises:
        InvalidRequest: the one that is named is not known, or nothing shows one.
    """
    if language:
        known: dict[str, Language] = {name: name for name in GRAMMARS}
        found = known.get(language.lower()) or ALIASES.get(language.lower())
        if found is None:
            raise InvalidRequest(f"language: expected one of {', '.join(GRAMMARS)}", param="language")
        return found
    suffix = (filename or "").rpartition(".")[2].lower()
    for name, grammar in GRAMMARS.items():
        if suffix in grammar.suffixes and filename and "." in filename:
            return name
    head = content[:50_000]
    if re.match(r"#!.*\b(python|ruby|node)", head):
        return "python" if "python" in head[:80] else "ruby" if "ruby" in head[:80] else "javascript"
    for name, sign in _SIGNS:
        if sign.search(head):
            return name
    raise InvalidRequest("language: the text shows none; name it, or a filename", param="language")


def tree(content: str, language: Language, operation: str) -> "SgNode":
    """The root of the syntax tree.

    Raises:
        InvalidRequest: the text is too long, or the library is not installed.
    """
    if len(content) > MOST_CHARS:
        raise InvalidRequest(f"content: expected at most {MOST_CHARS} characters of code", param="content")
    try:
        from ast_grep_py import SgRoot  # noqa: PLC0415 - an extra, loaded when it is used
    except ImportError:
        raise extra_missing(operation) from None
    return SgRoot(content.replace("\x00", " ").encode("utf-8", "replace").decode(), language).root()


def every(root: "SgNode", *kinds: str) -> Iterator["SgNode"]:
    """Nodes of some kinds, in the text's order; at most 20,000."""
    if not kinds:
        return
    rule = {"any": [{"kind": kind} for kind in kinds]}
    found = root.find_all({"rule": rule})  # type: ignore[call-overload]
    yield from found[:_MOST_NODES]


def line_of(node: "SgNode") -> int:
    """The line a node begins in, from 1."""
    return int(node.range().start.line) + 1


def string_value(node: "SgNode | None") -> str | None:
    """What a string literal says, or None for anything else. Interpolations stay as they are written."""
    if node is None:
        return None
    if node.kind() not in {
        "string",
        "string_literal",
        "interpreted_string_literal",
        "raw_string_literal",
        "template_string",
        "simple_symbol",
    }:
        return None
    text = re.sub(r"^[rRbBuUfF]{1,2}(?=['\"])", "", node.text())
    if node.kind() == "simple_symbol":
        return text[1:]
    for quote in ('"""', "'''"):
        if text.startswith(quote):
            return text[3:-3]
    return text[1:-1] if len(text) >= 2 else text


def arguments(call: "SgNode") -> list["SgNode"]:
    """The arguments of a call, without brackets, commas and comments."""
    holder = call.field("arguments")
    if holder is None:
        return []
    return [node for node in holder.children() if node.is_named() and node.kind() != "comment"]
