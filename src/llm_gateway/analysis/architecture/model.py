"""What an architecture is here: components, relations between them, groups around them."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from typing import Final, Literal, NamedTuple

from llm_gateway.core.errors import InvalidRequest

Form = Literal["mermaid", "plantuml", "dot", "drawio", "compose", "kubernetes", "text"]
ComponentKind = Literal[
    "service", "database", "cache", "queue", "gateway", "frontend", "storage", "person", "external", "job", "interface", "class", "config", "component"
]  # fmt: skip

MOST_COMPONENTS: Final = 5_000
MOST_RELATIONS: Final = 20_000
MOST_CHARS: Final = 1_000_000
LONGEST_NAME: Final = 200
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")


class Component(NamedTuple):
    """A part. `id` is its name in the source, `group` the id of what it lies in ("" for nothing)."""

    id: str
    name: str
    kind: ComponentKind
    group: str = ""
    technology: str = ""


class Relation(NamedTuple):
    """`source` needs or speaks to `target`, both ids. `kind` is a verb like calls, depends_on, inherits, routes."""

    source: str
    target: str
    kind: str
    label: str = ""


class Group(NamedTuple):
    """A boundary, package, cluster or namespace."""

    id: str
    name: str
    parent: str = ""


class Architecture(NamedTuple):
    """What was read, in the source's order. `warnings` say what was passed over."""

    form: Form
    components: tuple[Component, ...]
    relations: tuple[Relation, ...]
    groups: tuple[Group, ...]
    warnings: tuple[str, ...]


def malformed(form: Form, problem: str, line: int = 0) -> InvalidRequest:
    """The error for a source that is not what it is said to be: whose fault, where, what was expected."""
    place = f"line {line}: " if line else ""
    return InvalidRequest(f"content: not {form} that can be read: {place}{problem}", param="content", code="malformed_diagram")


_WORDS: Final[tuple[tuple[ComponentKind, str], ...]] = (
    ("cache", r"redis|valkey|memcached?|cache|varnish|dragonfly"),
    ("database", r"postgres(?:ql)?|postgis|mysql|mariadb|mongo(?:db)?|sqlite|oracle|mssql|cassandra|dynamo ?db|couchdb|cockroach(?:db)?|clickhouse|elasticsearch|opensearch|neo4j|influxdb|timescale(?:db)?|database|datenbank|db|rds|aurora|qdrant|weaviate|milvus|etcd|data ?store|warehouse"),
    ("queue", r"kafka|rabbit ?mq|nats|sqs|sns|pulsar|activemq|mqtt|mosquitto|queue|topic|broker|event ?bus|message ?bus|stream|pub/?sub|redpanda"),
    ("gateway", r"gateway|nginx|traefik|envoy|haproxy|kong|caddy|proxy|load ?balancer|ingress|alb|elb|cdn|cloudfront|router"),
    ("storage", r"s3|minio|bucket|blob|volume|object ?store|file ?system|nfs|storage|gcs|disk"),
    ("person", r"user|users|actor|customer|customers|person|operator|admin|administrator|developer"),
    ("frontend", r"frontend|front-end|web ?app|spa|ui|browser|mobile ?app|website|react|angular|vue|dashboard|web"),
    ("job", r"cron ?job|job|batch|scheduler|worker"),
    ("external", r"external|third[ -]?party|saas|stripe|twilio|github|auth0|okta|internet"),
)  # fmt: skip
_KINDS: Final = tuple((kind, re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z])")) for kind, words in _WORDS)


def kind_of(*texts: str, default: ComponentKind = "service") -> ComponentKind:
    """What kind of component names, images or technologies speak of."""
    for text in texts:
        lower = text.lower().replace("_", " ")
        for kind, pattern in _KINDS:
            if pattern.search(lower):
                return kind
    return default


def cleaned(text: str) -> str:
    """A label as plain text: without tags, entities and line breaks."""
    text = _TAG.sub(" ", text.replace("\\n", " "))
    for entity, character in (("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return " ".join(text.split()).strip("\"'`")[:LONGEST_NAME]


class Builder:
    """Gathers what a reader finds; ids stay unique, and what is only mentioned becomes a component."""

    def __init__(self, form: Form) -> None:
        self._form: Form = form
        self._components: dict[str, Component] = {}
        self._relations: dict[Relation, None] = {}
        self._groups: dict[str, Group] = {}
        self._warnings: dict[str, None] = {}

    def component(self, name: str, label: str = "", kind: ComponentKind | None = None, group: str = "", technology: str = "") -> str:
        """Add or complete a component; its id."""
        name = name[:LONGEST_NAME]
        label = cleaned(label)
        before = self._components.get(name)
        if before is None:
            if len(self._components) >= MOST_COMPONENTS:
                raise malformed(self._form, f"it has more than {MOST_COMPONENTS} components")
            shown = label or cleaned(name) or name
            self._components[name] = Component(name, shown, kind or kind_of(shown, technology, name), group, technology)
        elif label or kind or technology or (group and not before.group):
            shown = label or before.name
            guessed = kind or (kind_of(shown, technology, name) if label else before.kind)
            self._components[name] = Component(name, shown, guessed, before.group or group, technology or before.technology)
        return name

    def relation(self, source: str, target: str, kind: str = "calls", label: str = "") -> None:
        """Add a relation; both ends become components when they are none."""
        for end in (source, target):
            if end not in self._components and end not in self._groups:
                self.component(end)
        if len(self._relations) >= MOST_RELATIONS:
            raise malformed(self._form, f"it has more than {MOST_RELATIONS} relations")
        self._relations[Relation(source[:LONGEST_NAME], target[:LONGEST_NAME], kind, cleaned(label))] = None

    def group(self, name: str, label: str = "", parent: str = "") -> str:
        """Add a group; its id."""
        name = name[:LONGEST_NAME]
        if len(self._groups) >= MOST_COMPONENTS:
            raise malformed(self._form, f"it has more than {MOST_COMPONENTS} groups")
        self._groups[name] = Group(name, cleaned(label) or cleaned(name) or name, parent)
        self._components.pop(name, None)
        return name

    def has(self, name: str) -> bool:
        return name in self._components

    def warn(self, what: str) -> None:
        """Note something that was passed over."""
        if len(self._warnings) < 50:
            self._warnings[what] = None

    def done(self) -> Architecture:
        """What was gathered.

        Raises:
            InvalidRequest: nothing was.
        """
        if not self._components:
            raise malformed(self._form, "it holds no component")
        return Architecture(
            self._form, tuple(self._components.values()), tuple(self._relations), tuple(self._groups.values()), tuple(self._warnings)
        )
