"""Sentences that say what speaks to what: `The web app calls the Orders service, which writes to PostgreSQL.`"""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from typing import Final

from llm_gateway.analysis.architecture.model import Architecture, Builder, kind_of
from llm_gateway.analysis.text import outline, sentences_of

_VERBS: Final[tuple[tuple[str, str], ...]] = (
    (r"(?:stores?|persists?|saves?|writes?|keeps?)(?: [\w -]{0,40}?)? (?:in|into|to|on)", "stores_in"),
    (r"(?:reads?|loads?|fetches|fetch|gets?|pulls?|receives?|consumes?|subscribes?)(?: [\w -]{0,40}?)? (?:from|to)", "reads_from"),
    (r"(?:publishes|publish|sends?|pushes|push|emits?|posts?|streams?)(?: [\w -]{0,40}?)? (?:to|into|onto)", "sends"),
    (
        r"(?:calls?|invokes?|queries|query|requests?|asks?|uses?|contacts?|talks? to|speaks? to|connects? to|integrates? with|communicates? with)",
        "calls",
    ),
    (r"(?:routes?|forwards?|proxies|redirects?|delegates?)(?: [\w -]{0,40}?)? (?:to)", "routes"),
    (r"(?:depends on|relies on|requires|needs|is backed by|runs on)", "depends_on"),
    (r"(?:authenticates|authorizes|verifies)(?: [\w -]{0,40}?)? (?:with|against|through)", "calls"),
)
_NOUN: Final = (
    r"(?:service|server|database|db|cache|queue|broker|gateway|api|app|application|frontend|backend|worker|store|storage|bucket|proxy|balancer|"
    r"system|engine|scheduler|bus|topic|client|dashboard|website|module|component|cluster|function|lambda|index|warehouse|provider|agent)"
)
_TECHNOLOGY: Final = (
    r"PostgreSQL|Postgres|MySQL|MariaDB|MongoDB|SQLite|Redis|Valkey|Memcached|Kafka|RabbitMQ|NATS|Elasticsearch|OpenSearch|Cassandra|DynamoDB|S3|MinIO|"
    r"Nginx|NGINX|Traefik|Envoy|Kong|Stripe|Twilio|Auth0|Okta|Prometheus|Grafana|Ollama|OpenAI|Anthropic|Bedrock|Grok|Kubernetes|Vault|Consul|etcd|SQS|SNS"
)
_ENTITY: Final = rf"(?:{_TECHNOLOGY})(?:\s{_NOUN})?|(?:[A-Za-z][\w-]*\s){{0,3}}{_NOUN}s?\b|[A-Z][\w-]+(?:\s[A-Z][\w-]+){{0,3}}|[Uu]sers?|[Cc]ustomers?|[Bb]rowsers?"
_ARTICLE: Final = r"(?:(?:the|an?|our|its|their|each|all|every)\s)?"
_RELATION = tuple((re.compile(rf"\b{verb}\s{_ARTICLE}(?P<objects>.+)", re.IGNORECASE), kind) for verb, kind in _VERBS)
_THING = re.compile(_ENTITY)
_WEAK: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "our",
        "its",
        "their",
        "each",
        "all",
        "every",
        "this",
        "that",
        "these",
        "those",
        "it",
        "they",
        "we",
        "which",
        "and",
        "or",
        "then",
        "when",
        "if",
        "in",
        "on",
        "for",
        "of",
        "to",
        "with",
        "by",
        "from",
        "all",
        "new",
        "other",
        "such",
        "both",
        "some",
        "any",
        "calls",
        "uses",
        "sends",
        "stores",
        "reads",
        "writes",
        "data",
        "request",
        "requests",
        "response",
        "responses",
    ]
)


def read(source: str) -> Architecture:
    """Read prose. Only what its sentences say in plain words is found.

    Raises:
        InvalidRequest: no component is named.
    """
    found = Builder("text")
    sentences = sentences_of(source)[:2_000] or outline(source).blocks[:2_000]
    for sentence in sentences:
        if len(sentence) <= 1_000:
            _sentence(found, sentence)
    return found.done()


def _things(text: str) -> list[str]:
    found = []
    for match in _THING.finditer(text):
        words = match.group().split()
        while words and words[0].lower() in _WEAK:
            words.pop(0)
        name = " ".join(words)
        if name and (len(words) > 1 or name[0].isupper() or kind_of(name, default="component") != "component"):
            found.append(name)
    return found


_CLAUSES: Final = re.compile(
    r"(,?\s(?:which|that|who)\s|,?\sand(?:\sthen)?\s(?=(?:calls?|uses?|sends?|stores?|reads?|writes?|publish(?:es)?|routes?|forwards?|quer(?:y|ies)|depends?|relies|"
    r"consumes?|fetch(?:es)?|saves?|pushes|emits?)\b)|;\s)"
)


def _sentence(found: Builder, sentence: str) -> None:
    subject = spoken_of = ""
    pieces = _CLAUSES.split(sentence)
    for clause, joint in zip(pieces[::2], ["", *pieces[1::2]], strict=True):
        if "which" in joint or "that" in joint or "who" in joint:
            subject = spoken_of or subject
        matches = [(match.start(), match, kind) for pattern, kind in _RELATION if (match := pattern.search(clause))]
        if not matches:
            things = _things(clause)
            for thing in things:
                if len(thing.split()) > 1 or kind_of(thing, default="component") != "component":
                    _known(found, thing)
                    spoken_of = thing
            subject = subject or (things[-1] if things else "")
            continue
        at, match, kind = min(matches, key=lambda each: each[0])
        before = _things(clause[:at])
        subject = before[-1] if before else subject
        for thing in _things(_until_verb(match["objects"])):
            spoken_of = thing
            if subject and _known(found, subject) != _known(found, thing):
                found.relation(_known(found, subject), _known(found, thing), kind)


def _until_verb(text: str) -> str:
    return re.split(r"\b(?:via|through|over|using|because|so that|when|where|before|after|while)\b", text, maxsplit=1)[0]


def _known(found: Builder, thing: str) -> str:
    name = re.sub(r"\s(?:service|database|system|cluster)s?$", "", thing, flags=re.IGNORECASE) or thing
    name = name.lower()
    found.component(name, thing if not found.has(name) else "", None if found.has(name) else kind_of(thing))
    return name
