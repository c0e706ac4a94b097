"""How well a document is made: readable, ordered, complete. Every point that costs something is named."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from collections import Counter
from typing import Final, Literal, NamedTuple

from llm_gateway.analysis.consistency import acronyms
from llm_gateway.analysis.readability import Readability, readability
from llm_gateway.analysis.text import Outline, language_of, outline, words_of

Severity = Literal["high", "medium", "low"]
DocumentType = Literal["general", "readme", "api", "runbook", "architecture", "tutorial", "policy"]

EXPECTED: Final[dict[DocumentType, dict[str, str]]] = {
    "general": {},
    "readme": {
        "what it is": r"overview|about|introduction|what|^#", "installation": r"install|setup|getting started|quick ?start", "usage": r"usage|example|how to|use",
        "licence": r"licen[cs]e",
    },
    "api": {
        "authentication": r"auth|token|api key", "endpoints": r"endpoint|resource|operation|reference|get |post ", "errors": r"error|status code|failure",
        "examples": r"example|request|response|curl", "limits": r"limit|quota|throttl",
    },
    "runbook": {
        "symptoms": r"symptom|alert|detect|when", "diagnosis": r"diagnos|investigat|check|triage", "remedy": r"mitigat|remed|fix|resol|step|procedure",
        "rollback": r"roll ?back|revert|restore", "contacts": r"contact|escalat|owner|on.?call",
    },
    "architecture": {
        "context": r"context|overview|goal|scope", "components": r"component|service|module|building block|container", "data flow": r"flow|sequence|interact|communicat",
        "decisions": r"decision|rationale|trade|alternativ", "deployment": r"deploy|infrastructure|operation|environment", "security": r"secur|threat|trust",
    },
    "tutorial": {
        "goal": r"goal|learn|overview|what", "prerequisites": r"prerequisite|before you|require", "steps": r"step|first|then|next|\d+\.", "result": r"result|summary|next steps|done",
    },
    "policy": {
        "purpose": r"purpose|objective|goal", "scope": r"scope|appl(?:y|ies)", "responsibilities": r"responsib|role|owner", "rules": r"must|shall|rule|requirement",
        "review": r"review|revision|effective|version",
    },
}  # fmt: skip
"""What a document of a type is expected to have: the part's name, and a pattern that one of its headings (or its text) matches."""

_PLACEHOLDER = re.compile(
    r"\b(?:T[O]DO|TBD|TBC|FIXME|XXX+)\b|\blorem ipsum\b|<(?:insert|your|placeholder)[^<>\n]{0,60}>|\[(?:insert|placeholder|your)[^\[\]\n]{0,60}\]|\bcoming soon\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"\[([^\[\]\n]{0,200})\]\(([^()\s]{0,500})\)")
_IMAGE = re.compile(r"!\[([^\[\]\n]{0,200})\]\([^()\s]{0,500}\)")
_ACRONYM = re.compile(r"\b[A-Z]{3,6}\b")
_KNOWN: Final = frozenset(
    [
        "API",
        "HTTP",
        "HTTPS",
        "URL",
        "JSON",
        "YAML",
        "XML",
        "HTML",
        "CSS",
        "SQL",
        "CLI",
        "SDK",
        "PDF",
        "CSV",
        "RAM",
        "CPU",
        "GPU",
        "DNS",
        "TCP",
        "UDP",
        "TLS",
        "SSL",
        "SSH",
        "UUID",
        "REST",
        "RPC",
        "IDE",
        "ASCII",
        "UTF",
        "USD",
        "EUR",
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "HEAD",
        "NOTE",
        "WARNING",
        "AND",
        "NOT",
        "THE",
        "FAQ",
        "ISO",
        "UTC",
        "AWS",
    ]
)


class Remark(NamedTuple):
    """Something to mend: what, how much it matters, and where (line from 1; 0: the whole)."""

    category: Literal["readability", "structure", "completeness"]
    severity: Severity
    message: str
    line: int


class Quality(NamedTuple):
    """Scores in [0, 1], higher is better."""

    overall: float
    readability_score: float
    structure_score: float
    completeness_score: float
    measured: Readability
    language: str
    remarks: tuple[Remark, ...]
    missing_sections: tuple[str, ...]
    headings: int


def assess(text: str, kind: DocumentType = "general") -> Quality:
    """Judge a plain or Markdown document."""
    language = language_of(text)
    parts = outline(text)
    measured = readability(text, language)
    remarks = [*_reading(parts, measured), *_structure(text, parts)]
    missing = _missing(text, parts, kind)
    remarks += [Remark("completeness", "medium", f"nothing about {name}, which a document of type {kind} has", 0) for name in missing]
    remarks += _completeness(text, parts)
    scores = {
        name: _score([remark for remark in remarks if remark.category == name]) for name in ("readability", "structure", "completeness")
    }
    # Technical prose is at home around an ease of 40: from there it costs nothing.
    ease = min(1.0, 0.3 + measured.ease / 60) if measured.words else 0.0
    readable = round((ease + scores["readability"]) / 2, 4)
    complete = round(scores["completeness"] * (1 - len(missing) / (2 * max(1, len(EXPECTED[kind])))), 4) if measured.words else 0.0
    overall = round(0.35 * readable + 0.3 * scores["structure"] + 0.35 * complete, 4)
    ordered = sorted(remarks, key=lambda remark: (("high", "medium", "low").index(remark.severity), remark.line))
    return Quality(
        overall, readable, scores["structure"], complete, measured, language, tuple(ordered[:100]), tuple(missing), len(parts.headings)
    )


def _score(remarks: list[Remark]) -> float:
    cost = {"high": 0.3, "medium": 0.12, "low": 0.04}
    return round(max(0.0, 1 - sum(cost[remark.severity] for remark in remarks)), 4)


def _reading(parts: Outline, measured: Readability) -> list[Remark]:
    found = []
    if not measured.words:
        return [Remark("completeness", "high", "it has no text", 0)]
    if measured.ease < 20:
        found.append(Remark("readability", "medium", f"very hard to read (ease {measured.ease:.0f} of 100, {measured.formula})", 0))
    if measured.words_per_sentence > 25:
        found.append(
            Remark("readability", "medium", f"sentences have {measured.words_per_sentence:.0f} words on average; 20 read easily", 0)
        )
    elif measured.long_sentences:
        found.append(Remark("readability", "low", f"{measured.long_sentences} sentences have more than 30 words", 0))
    walls = sum(len(words_of(block)) > 150 for block in parts.blocks)
    if walls:
        found.append(Remark("readability", "low", f"{walls} paragraphs have more than 150 words", 0))
    return found


def _structure(text: str, parts: Outline) -> list[Remark]:
    found = []
    words = sum(len(words_of(block)) for block in parts.blocks)
    if words > 300 and not parts.headings:
        found.append(Remark("structure", "high", "more than 300 words without a heading", 0))
    elif parts.headings and words / len(parts.headings) > 500:
        found.append(Remark("structure", "medium", "more than 500 words a heading", 0))
    for before, after in zip(parts.headings, parts.headings[1:], strict=False):
        if after.level > before.level + 1:
            found.append(Remark("structure", "low", f"the heading jumps from level {before.level} to {after.level}", after.line))
    if sum(heading.level == 1 for heading in parts.headings) > 1:
        found.append(Remark("structure", "low", "more than one heading of level 1", 0))
    twice = [name for name, count in Counter((h.level, h.text.casefold()) for h in parts.headings).items() if count > 1]
    found += [Remark("structure", "low", f"two headings are called {name[1]!r}", 0) for name in twice[:5]]
    if parts.open_fence:
        found.append(Remark("structure", "high", "a code block is opened and never closed", 0))
    found += [
        Remark("structure", "low", "an image without a text that says what it shows", _line(text, m.start()))
        for m in _IMAGE.finditer(text)
        if not m[1]
    ]
    return found


def _completeness(text: str, parts: Outline) -> list[Remark]:
    found = [
        Remark("completeness", "medium", f"a placeholder is left: {match.group()[:40]}", _line(text, match.start()))
        for match in _PLACEHOLDER.finditer(text)
    ][:20]
    found += [Remark("completeness", "medium", f"the section {name!r} is empty", 0) for name in parts.empty_sections[:10]]
    found += [
        Remark("completeness", "medium", f"the link {match[1][:40]!r} leads nowhere", _line(text, match.start()))
        for match in _LINK.finditer(text)
        if match[2] in {"", "#"}
    ][:10]
    anchors = {re.sub(r"[^\w\- ]", "", heading.text.casefold()).replace(" ", "-") for heading in parts.headings}
    found += [
        Remark("completeness", "low", f"the link {match[2]} leads to no heading", _line(text, match.start()))
        for match in _LINK.finditer(text)
        if match[2].startswith("#") and len(match[2]) > 1 and match[2][1:] not in anchors
    ][:10]
    spelled = acronyms(text)
    counts = Counter(_ACRONYM.findall(text))
    unknown = sorted(short for short, count in counts.items() if count > 1 and short not in spelled and short not in _KNOWN)
    if unknown:
        found.append(Remark("completeness", "low", "used without being spelled out: " + ", ".join(unknown[:12]), 0))
    return found


def _missing(text: str, parts: Outline, kind: DocumentType) -> list[str]:
    headings = "\n".join(heading.text for heading in parts.headings)
    where = headings if len(parts.headings) >= 3 else text[:200_000]
    return [name for name, pattern in EXPECTED[kind].items() if not re.search(pattern, where, re.IGNORECASE)]


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
