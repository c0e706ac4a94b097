"""What a request is about, by rules: its intent by the words that stand for one, its entities by their form. Pure, in linear time."""

# ruff: noqa: E501 - word lists and patterns read best unbroken

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """An intent: the words that speak for it with their weight, what it is called elsewhere, the services that serve it."""

    intent: str
    words: tuple[tuple[str, float], ...]
    task_type: str
    services: tuple[str, ...]
    says: str


_RULES: Final = (
    Rule("summarize", (("summar", 3), ("tl;dr", 3), ("condense", 2.5), ("shorten", 2), ("gist", 2), ("key points", 2.5), ("overview", 1), ("abstract", 1)),
         "summary", ("summarizer_hub", "doc_store"), "Condense a text."),
    Rule("analyze_code", (("code", 2), ("function", 1.5), ("class", 1), ("refactor", 2.5), ("complexity", 1.5), ("code review", 3), ("endpoint", 1.5), ("lint", 2), ("bug", 1), ("source", 1)),
         "code_analysis", ("code_analyzer", "secure_analyzer"), "Look at source code."),
    Rule("analyze_security", (("secur", 3), ("vulnerab", 3), ("threat", 2), ("secret", 1.5), ("password", 1.5), ("complian", 2.5), ("gdpr", 3), ("hipaa", 3), ("pci", 3), ("soc 2", 3), ("exploit", 2.5), ("leak", 1.5), ("sensitive", 1.5), ("authentication", 1)),
         "security", ("secure_analyzer",), "Look for weaknesses and sensitive matter."),
    Rule("create_documentation", (("documentation", 3), ("document this", 3), ("document the", 3), ("readme", 3), ("docstring", 2.5), ("docs", 2), ("write a guide", 2.5), ("tutorial", 2), ("manual", 1.5)),
         "documentation", ("code_analyzer", "doc_store", "summarizer_hub"), "Write documentation."),
    Rule("analyze_architecture", (("architect", 3), ("diagram", 2.5), ("mermaid", 3), ("plantuml", 3), ("kubernetes", 1.5), ("docker", 1.5), ("microservice", 1.5), ("dependenc", 2), ("topology", 2), ("components", 1.5)),
         "architecture", ("architecture_digitizer",), "Read an architecture."),
    Rule("check_consistency", (("consisten", 3), ("contradict", 3), ("out of date", 2.5), ("outdated", 2.5), ("stale", 2), ("conflict", 1.5), ("readab", 2.5), ("quality", 1.5), ("compare", 1.5), ("differ", 1.5)),
         "analysis", ("analysis_service", "doc_store"), "Compare documents and judge their quality."),
    Rule("troubleshoot", (("error", 2), ("exception", 2), ("traceback", 3), ("stack trace", 3), ("fail", 1.5), ("crash", 2), ("why does", 1.5), ("not work", 2), ("broken", 1.5), ("debug", 2.5), ("fix", 1.5)),
         "troubleshooting", ("doc_store", "code_analyzer", "memory_agent"), "Find the cause of a fault."),
    Rule("run_workflow", (("workflow", 3), ("pipeline", 2), ("step by step", 1), ("automate", 2), ("orchestrat", 3), ("deploy", 1.5), ("build and", 1), ("then ", 0.75)),
         "generation", ("orchestrator",), "Do several things in order."),
    Rule("create", (("create", 2), ("build", 1.5), ("implement", 2), ("write", 1.5), ("generate", 2), ("design", 1.5), ("develop", 1.5), ("add a", 1)),
         "generation", ("prompt_store", "doc_store"), "Make something new."),
    Rule("search", (("find", 2), ("search", 2.5), ("look up", 2.5), ("where is", 2), ("show me", 1.5), ("list", 1), ("which documents", 3)),
         "question", ("doc_store",), "Find something."),
    Rule("remember", (("remember", 3), ("last time", 2.5), ("earlier", 1.5), ("previous", 1.5), ("you said", 2.5), ("forget", 2), ("we talked", 2.5), ("our conversation", 2.5)),
         "question", ("memory_agent",), "Recall what was said."),
    Rule("explain", (("explain", 2.5), ("what is", 2), ("what are", 2), ("how does", 2), ("how do", 2), ("why", 1.5), ("describe", 2), ("tell me", 1.5), ("meaning", 1.5), ("analyze", 1), ("analyse", 1)),
         "question", ("doc_store", "memory_agent"), "Explain something."),
)  # fmt: skip
_GENERAL: Final = Rule("general", (), "question", ("doc_store", "memory_agent"), "Answer.")
INTENTS: Final = (*(rule.intent for rule in _RULES), _GENERAL.intent)
_DOUBT: Final = 2.0
"""Weight of the possibility that it means none of them: one weak word makes nobody sure."""
_MOST_CHARS: Final = 20_000
_MOST_ENTITIES: Final = 200


class Intent(NamedTuple):
    """An intent with its confidence in [0, 1]."""

    intent: str
    confidence: float


class Entity(NamedTuple):
    """A thing that a text names: `type`, the text, and where it stands (characters)."""

    type: str
    value: str
    start: int
    end: int


def intents_of(text: str, among: Sequence[str] = ()) -> list[Intent]:
    """The intents that a text may have, the most likely first; `general` where no word speaks for another.

    `among`: only these; ones that no rule knows are judged by their own words.
    """
    lower = f" {text[:_MOST_CHARS].lower()} "
    rules = [rule for rule in _RULES if not among or rule.intent in among]
    rules += [_by_name(name) for name in among if name not in INTENTS]
    weighed = [(rule.intent, sum(weight for word, weight in rule.words if _begins_word(word, lower))) for rule in rules]
    total = sum(weight for _, weight in weighed) + _DOUBT
    likely = [Intent(name, round(weight / total, 4)) for name, weight in sorted(weighed, key=lambda pair: -pair[1]) if weight > 0]
    fallback = _GENERAL.intent if not among or _GENERAL.intent in among else among[0]
    return likely or [Intent(fallback, round(_DOUBT / (_DOUBT + len(rules)), 4) if rules else 1.0)]


def _by_name(name: str) -> Rule:
    words = [word for word in re.split(r"[\W_]+", name.lower()) if len(word) > 2]
    return Rule(name, tuple((word[: max(4, len(word) - 2)], 2.0) for word in words), "question", (), name)


def _begins_word(word: str, text: str) -> bool:
    """Whether a word of the text begins with `word`."""
    at = text.find(word)
    while at >= 0:
        if not text[at - 1].isalnum():
            return True
        at = text.find(word, at + 1)
    return False


def rule_of(intent: str) -> Rule:
    """What is known of an intent."""
    return next((rule for rule in _RULES if rule.intent == intent), _GENERAL)


_LANGUAGES: Final = (
    "python|javascript|typescript|java|kotlin|scala|golang|rust|ruby|php|swift|perl|haskell|elixir|erlang|clojure|bash|powershell|sql|"
    "html|css|yaml|terraform|c\\+\\+|c#|objective-c"
)
_TECHNOLOGIES: Final = (
    "fastapi|flask|django|express|spring boot|spring|rails|react|angular|vue|next\\.js|node\\.js|kubernetes|docker|postgresql|postgres|"
    "mysql|sqlite|redis|kafka|rabbitmq|graphql|grpc|oauth|jwt|openapi|swagger|aws|azure|gcp|ollama|openai|anthropic|bedrock|jenkins|github|gitlab"
)
_PATTERNS: Final = tuple(
    (kind, re.compile(pattern, flags))
    for kind, pattern, flags in (
        ("url", r"\bhttps?://[^\s<>\"')\]]{3,2000}", 0),
        ("email", r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}\b", 0),
        ("endpoint", r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /[^\s\"'`<>,;]{0,200}", 0),
        ("file", r"(?<![\w/.-])(?:[\w.-]{1,64}/){0,12}[\w-]{1,64}\.(?:py|js|ts|tsx|java|go|rs|rb|php|c|h|cpp|cs|kt|swift|sh|sql|md|txt|json|ya?ml|toml|xml|html|css|csv|pdf|docx|drawio|puml|mmd|dot|ini|cfg|env|lock|log)\b", 0),
        ("date", r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|(?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October|November|December)(?: \d{1,2})?,? \d{4})\b", 0),
        ("error", r"\b[A-Z][A-Za-z]{2,60}(?:Error|Exception|Warning)\b|\b(?:HTTP |status |error )?[45]\d\d(?= |$|[.,;:])", 0),
        ("version", r"\bv?\d{1,4}\.\d{1,4}(?:\.\d{1,6})?(?:-[a-z0-9.]{1,20})?\b(?!%)", 0),
        ("money", r"(?:[$€£] ?\d[\d,.]{0,20}|\b\d[\d,.]{0,20} ?(?:USD|EUR|GBP|dollars|euros))\b", 0),
        ("percentage", r"\b\d{1,3}(?:\.\d{1,4})? ?%", 0),
        ("identifier", r"`[^`\n]{1,100}`|\b[a-z][a-z0-9]{1,40}(?:_[a-z0-9]{1,40}){1,8}\b(?:\(\))?|\b[a-z]{2,30}(?:[A-Z][a-z0-9]{1,30}){1,6}\b", 0),
        ("language", rf"(?<![\w.])(?:{_LANGUAGES})(?![\w+#])", re.IGNORECASE),
        ("technology", rf"(?<![\w.])(?:{_TECHNOLOGIES})(?![\w])", re.IGNORECASE),
        ("quoted", r"\"[^\"\n]{2,120}\"|“[^”\n]{2,120}”|(?<!\w)'[^'\n]{2,120}'(?!\w)", 0),
        ("quantity", r"\b\d{1,12}(?:[.,]\d{1,6})? ?(?:ms|s|seconds?|minutes?|hours?|days?|weeks?|months?|years?|words?|pages?|tokens?|lines?|KB|MB|GB|TB|MiB|GiB|users?|requests?)\b", 0),
        ("name", r"\b[A-Z][a-z]{1,30}(?: (?:of |the )?[A-Z][a-z]{1,30}){1,4}\b", 0),
    )
)  # fmt: skip
ENTITY_TYPES: Final = tuple(kind for kind, _ in _PATTERNS)


def entities_of(text: str, types: Iterable[str] = ()) -> list[Entity]:
    """What a text names, in the order in which it stands there; of overlapping finds the more specific one."""
    wanted = set(types) or set(ENTITY_TYPES)
    looked_at = text[:_MOST_CHARS]
    taken: list[Entity] = []
    covered = bytearray(len(looked_at))
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(looked_at):
            start, end = match.span()
            if any(covered[start:end]):
                continue
            covered[start:end] = b"\x01" * (end - start)
            if kind in wanted:
                taken.append(Entity(kind, match[0].strip("`\"“”'").rstrip(".,;:"), start, end))
    return sorted(taken, key=lambda entity: entity.start)[:_MOST_ENTITIES]
