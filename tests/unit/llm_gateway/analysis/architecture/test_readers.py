# ruff: noqa: E501 - tables of texts read best unbroken
"""Every form of diagram and manifest: what is read of it, and that nothing hostile comes through as anything but a refusal."""

import base64
import time
import urllib.parse
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.analysis.architecture.model import Architecture, Form, kind_of
from llm_gateway.analysis.architecture.reading import READERS, form_of, read
from llm_gateway.core.errors import InvalidRequest

MODEL = (
    '<mxGraphModel><root><mxCell id="0"/><mxCell id="1" parent="0"/>'
    '<mxCell id="2" value="&lt;b&gt;Web&lt;/b&gt;" style="rounded=1" vertex="1" parent="1"/>'
    '<object id="3" label="Orders DB"><mxCell style="shape=cylinder3" vertex="1" parent="1"/></object>'
    '<mxCell id="4" value="reads" style="endArrow=classic" edge="1" parent="1" source="2" target="3"/></root></mxGraphModel>'
)


def packed(model: str) -> str:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = deflater.compress(urllib.parse.quote(model).encode()) + deflater.flush()
    return f"<mxfile><diagram>{base64.b64encode(data).decode()}</diagram></mxfile>"


def kinds(found: Architecture) -> dict[str, str]:
    return {component.name: component.kind for component in found.components}


def edges(found: Architecture) -> set[tuple[str, str, str]]:
    names = {component.id: component.name for component in found.components} | {group.id: group.name for group in found.groups}
    return {(names[relation.source], names[relation.target], relation.kind) for relation in found.relations}


def test_a_mermaid_flowchart() -> None:
    found = read(
        """flowchart LR
          %% a comment
          subgraph edge[Edge zone]
            U[User] -->|HTTPS| GW{API Gateway}
          end
          GW --> S1(Orders) & S2["Billing (v2)"];  S1 -- writes --> DB[(Orders DB)]
          S2 -.-> Q[[Kafka topic]]:::bus
          S2 <--> S1
          C@{ shape: cyl, label: "Sessions" } --- S1
          classDef bus fill:#fff
        """
    )
    assert found.form == "mermaid"
    assert kinds(found)["Orders DB"] == "database"
    assert kinds(found)["API Gateway"] == "gateway"
    assert kinds(found)["Kafka topic"] == "queue"
    assert ("API Gateway", "Billing (v2)", "calls") in edges(found)
    assert ("Billing (v2)", "Kafka topic", "depends_on") in edges(found)
    assert {("Billing (v2)", "Orders", "calls"), ("Orders", "Billing (v2)", "calls")} <= edges(found)
    assert [(group.name, group.parent) for group in found.groups] == [("Edge zone", "")]
    assert {component.group for component in found.components if component.name in {"User", "API Gateway"}} == {"edge"}
    assert next(relation.label for relation in found.relations if relation.label == "writes")
    assert found.warnings == ()


def test_a_mermaid_sequence_counts_questions_and_not_answers() -> None:
    found = read(
        "sequenceDiagram\n actor Alice\n participant B as Backend\n Alice->>+B: login\n B-->>-Alice: ok\n B-)Bus: event\n Note over B: x\n"
    )
    assert edges(found) == {("Alice", "Backend", "calls"), ("Backend", "Bus", "sends")}
    assert kinds(found)["Alice"] == "person"


def test_a_mermaid_class_diagram() -> None:
    found = read('classDiagram\n Animal <|-- Duck\n class Zoo {\n +run()\n }\n Zoo "1" *-- "many" Animal : has\n Duck ..> Pond\n')
    assert edges(found) == {("Duck", "Animal", "inherits"), ("Zoo", "Animal", "composes"), ("Duck", "Pond", "depends_on")}
    assert set(kinds(found).values()) == {"class"}


def test_c4_in_mermaid() -> None:
    found = read(
        'C4Context\n Person(u, "Customer", "x")\n Enterprise_Boundary(b, "Bank") {\n System(s, "Core")\n SystemDb(d, "Ledger")\n }\n'
        ' System_Ext(m, "Mail")\n Rel(u, s, "Uses", "HTTPS")\n Rel_Back(s, m, "x")\n BiRel(s, d, "reads")\n'
    )
    assert kinds(found) == {"Customer": "person", "Core": "service", "Ledger": "database", "Mail": "external"}
    assert edges(found) == {
        ("Customer", "Core", "calls"),
        ("Mail", "Core", "calls"),
        ("Core", "Ledger", "calls"),
        ("Ledger", "Core", "calls"),
    }
    assert {component.group for component in found.components if component.name in {"Core", "Ledger"}} == {"b"}


def test_plantuml_components_and_deployments() -> None:
    found = read(
        """@startuml
        skinparam component {
          Style uml2
        }
        ' a comment
        actor User
        package "Backend" {
          [Orders] as O
          component "Billing Service" as B
          database "Postgres" as DB
        }
        node N {
          queue Kafka
        }
        User --> O : places order
        O -[#red]-> DB
        O ..> B : uses
        B -left-> Kafka
        DB <-- B
        note left of O
          A --> Z
        end note
        @enduml
        """
    )
    assert kinds(found) == {
        "User": "person", "Orders": "service", "Billing Service": "service", "Postgres": "database", "Kafka": "queue",
    }  # fmt: skip
    assert edges(found) == {
        ("User", "Orders", "calls"), ("Orders", "Postgres", "calls"), ("Orders", "Billing Service", "depends_on"),
        ("Billing Service", "Kafka", "calls"), ("Billing Service", "Postgres", "calls"),
    }  # fmt: skip
    assert {group.name for group in found.groups} == {"Backend", "N"}


def test_c4_in_plantuml() -> None:
    found = read(
        '@startuml\n!include C4_Container.puml\nPerson(u, "User")\nContainerDb(d, "Store", "PostgreSQL")\nRel(u, d, "reads")\n@enduml\n'
    )
    assert kinds(found) == {"User": "person", "Store": "database"}
    assert next(component.technology for component in found.components if component.id == "d") == "PostgreSQL"
    assert found.warnings == ("line 2: nothing is included",)


def test_dot() -> None:
    found = read(
        """strict digraph G { rankdir=LR; node [shape=box];
         subgraph cluster_a { label="Zone A"; web [label="Web UI"]; api; }
         db [shape=cylinder, label="Main \\"DB\\""]; /* c */
         web -> api -> {db cache} [label="x"]; // hi
         "my node" -> api [dir=back]; h [label=<<b>Bold</b> name>]; api:p1:n -> web [style=dashed];
        }"""
    )
    assert kinds(found)['Main "DB'] == "database"
    assert {("Web UI", "api", "calls"), ("api", "cache", "calls"), ("api", "my node", "calls"), ("api", "Web UI", "depends_on")} <= edges(
        found
    )
    assert "Bold name" in kinds(found)
    assert [(group.id, group.name) for group in found.groups] == [("cluster_a", "Zone A")]


@pytest.mark.parametrize(
    "source", [f"<mxfile><diagram>{MODEL}</diagram></mxfile>", MODEL, packed(MODEL), '<?xml version="1.0"?>\n' + packed(MODEL)]
)
def test_drawio_plain_and_compressed(source: str) -> None:
    found = read(source)
    assert found.form == "drawio"
    assert kinds(found) == {"Web": "frontend", "Orders DB": "database"}
    assert edges(found) == {("Web", "Orders DB", "calls")}


def test_compose() -> None:
    found = read(
        """
services:
  web: {image: "nginx:1", depends_on: [api], networks: [front]}
  api:
    build: .
    environment:
      DATABASE_URL: postgres://user:pw@db:5432/x
      REDIS_HOST: cache
    depends_on: {db: {condition: service_healthy}, gone: {}}
  db: {image: "postgres:16", volumes: ["data:/var/lib"]}
  cache: {image: redis}
volumes: {data: {}}
"""
    )
    assert found.form == "compose"
    assert kinds(found)["db"] == "database"
    assert kinds(found)["cache"] == "cache"
    assert {("web", "api", "depends_on"), ("api", "db", "depends_on"), ("api", "db", "calls"), ("api", "cache", "calls")} <= edges(found)
    assert ("db", "data", "stores_in") in edges(found)
    assert found.warnings == ("api depends on gone, which is no service of the file",)


def test_kubernetes() -> None:
    found = read(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: prod}
spec:
  template:
    metadata: {labels: {app: api, tier: back}}
    spec:
      containers:
      - name: api
        image: registry/api:1
        env: [{name: DB_HOST, value: db.prod.svc.cluster.local}]
        envFrom: [{configMapRef: {name: settings}}]
      volumes: [{name: v, persistentVolumeClaim: {claimName: disk}}]
---
{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {selector: {app: api}}}
---
{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {selector: {app: db}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: door}
spec: {rules: [{http: {paths: [{backend: {service: {name: api}}}]}}]}
"""
    )
    assert found.form == "kubernetes"
    named = {(relation.source, relation.target, relation.kind) for relation in found.relations}
    assert named == {
        ("deployment/api", "service/db", "calls"), ("deployment/api", "configmap/settings", "configured_by"),
        ("deployment/api", "persistentvolumeclaim/disk", "stores_in"), ("service/api", "deployment/api", "exposes"),
        ("ingress/door", "service/api", "routes"),
    }  # fmt: skip


def test_prose() -> None:
    found = read(
        "The web app calls the Orders service, which stores orders in PostgreSQL. The Orders service publishes events to Kafka. "
        "Billing service reads events from Kafka and uses Stripe. Users talk to the API gateway."
    )
    assert found.form == "text"
    assert edges(found) == {
        ("web app", "Orders service", "calls"), ("Orders service", "PostgreSQL", "stores_in"), ("Orders service", "Kafka", "sends"),
        ("Billing service", "Kafka", "reads_from"), ("Billing service", "Stripe", "calls"), ("Users", "API gateway", "calls"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('<!DOCTYPE m [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><mxfile>&c;</mxfile>', "document type or entities"),
        ("<mxfile>" + "<a>" * 300 + "</a>" * 300 + "</mxfile>", "deeper than"),
        ("<mxfile><diagram>AAAA$$$</diagram></mxfile>", "not base64|not well-formed"),
        ("<mxfile></mxfile>", "expected an mxfile"),
        ("flowchart LR\n", "no component"),
        ("digraph {", "not closed"),
        ("digraph { a [label=", "middle of a statement"),
        ("digraph {" + "{" * 60 + "}" * 60 + "}", "nested more than 50"),
        ("services:\n  a: &a [*a]\n", "aliases make it larger"),
        ("services: [1]\n", "no component"),
        ("apiVersion: v1\nkind: [\n", "not YAML"),
        ("Nothing here.", "no component"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(source: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as refusal:
        read(source)
    assert refusal.value.param == "content"


def test_bombs_are_refused_at_once() -> None:
    start = time.perf_counter()
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(zeros.compress(b"0" * (1 << 20)) for _ in range(100)) + zeros.flush()
    with pytest.raises(InvalidRequest, match="larger than"):
        read(f"<mxfile><diagram>{base64.b64encode(data).decode()}</diagram></mxfile>")
    laughs = "\n".join(["a: &a [x, x]", *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))])
    with pytest.raises(InvalidRequest, match="aliases"):
        read(laughs + "\nservices: {a: {}}", "compose")
    merges = "a: &a {k0: 1}\n" + "\n".join(
        f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 20)}], k{b}: 1}}" for a, b in zip("abcdefg", "bcdefgh", strict=True)
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match="entries"):
        read(merges + "\nservices: {a: {}}", "compose")
    with pytest.raises(InvalidRequest, match="longer than"):
        read("a" * 1_000_001, "dot")
    assert time.perf_counter() - start < 5


SAMPLES = [
    "flowchart LR\n A[x] -->|y| B((z))\n subgraph q\n end", "sequenceDiagram\n A->>B: x", "classDiagram\n A <|-- B", 'C4Context\n Rel(a, "b")',
    "@startuml\n[a] --> [b] : c\n@enduml", 'digraph { a -> b [label="x"]; {c d} }', MODEL, packed(MODEL), "services:\n  a: {image: b}",
    "apiVersion: v1\nkind: Service\nmetadata: {name: a}", "The web app calls the Orders service.",
]  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> str:
    source = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(source)))
        end = draw(st.integers(at, min(len(source), at + 12)))
        source = (
            source[:at]
            + draw(st.one_of(st.text(max_size=6), st.sampled_from(["[", "{", "(", "-->", '"', "\n", "<", "&", ": ", "end", "*a"])))
            + source[end:]
        )
    return source


@given(source=st.one_of(st.text(max_size=200), mangled()), form=st.sampled_from([None, *READERS]))
def test_readers_give_an_architecture_or_their_refusal(source: str, form: Form | None) -> None:
    try:
        found = read(source, form)
    except InvalidRequest:
        return
    ids = {component.id for component in found.components} | {group.id for group in found.groups}
    assert found.components
    assert all({relation.source, relation.target} <= ids for relation in found.relations)


@given(st.text(max_size=300))
def test_every_text_has_a_form(source: str) -> None:
    assert form_of(source) in READERS


@pytest.mark.parametrize(
    ("name", "kind"), [("orders-db", "database"), ("redis:7", "cache"), ("RabbitMQ", "queue"), ("Shop", "service"), ("nginx", "gateway")]
)
def test_kinds_by_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind
