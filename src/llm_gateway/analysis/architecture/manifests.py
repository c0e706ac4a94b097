"""Compose files and Kubernetes manifests. Sources: https://compose-spec.io, https://kubernetes.io/docs/reference/kubernetes-api/."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import re
from collections.abc import Iterator
from typing import Final

from llm_gateway.analysis.architecture.model import Architecture, Builder, ComponentKind, Form, kind_of, malformed
from llm_gateway.analysis.safe_yaml import UnsafeYaml, parse_all
from llm_gateway.core.types import Json, JsonObject

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^\s/@]+@)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d+)?(?:/\S*)?", re.IGNORECASE)
_WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet")
_MOST_TEXTS: Final = 20_000


def _documents(source: str, form: Form) -> list[JsonObject]:
    try:
        return [document for document in parse_all(source) if isinstance(document, dict)]
    except UnsafeYaml as failure:
        raise malformed(form, str(failure)) from None


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _names(value: Json) -> list[str]:
    """A list of names, or the keys of a mapping."""
    return [str(each) for each in (value if isinstance(value, dict) else _list(value)) if isinstance(each, str | int)]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def read_compose(source: str) -> Architecture:
    """Read a compose file.

    Raises:
        InvalidRequest: it is none.
    """
    documents = _documents(source, "compose")
    services = _object(documents[0].get("services")) if documents else {}
    if not services:
        raise malformed("compose", "expected a mapping with services")
    found = Builder("compose")
    specs = {name: _object(spec) for name, spec in services.items()}
    networks = {name: _names(spec.get("networks")) for name, spec in specs.items()}
    for network in dict.fromkeys(each for names in networks.values() for each in names):
        found.group(f"network:{network}", network)
    for name, spec in specs.items():
        image = str(spec.get("image") or "")
        group = f"network:{networks[name][0]}" if networks[name] else ""
        found.component(name, name, kind_of(image.rsplit("/", 1)[-1], name), group, image)
    volumes = set(_object(documents[0].get("volumes")))
    for name, spec in specs.items():
        _compose_relations(found, name, spec, specs.keys(), volumes)
    return found.done()


def _compose_relations(found: Builder, name: str, spec: JsonObject, services: "object", volumes: set[str]) -> None:
    known = set(services)  # type: ignore[call-overload]
    for other in _names(spec.get("depends_on")):
        found.relation(name, other, "depends_on")
        if other not in known:
            found.warn(f"{name} depends on {other}, which is no service of the file")
    for link in _names(spec.get("links")):
        found.relation(name, link.split(":")[0], "calls")
    for volume in _list(spec.get("volumes")):
        target = str(volume).split(":", maxsplit=1)[0] if isinstance(volume, str) else str(_object(volume).get("source") or "")
        if target in volumes:
            found.component(f"volume:{target}", target, "storage")
            found.relation(name, f"volume:{target}", "stores_in")
    for other in _hosts([spec.get("environment"), spec.get("command"), spec.get("entrypoint")], known - {name}):
        found.relation(name, other, "calls")


def _hosts(values: list[Json], known: set[str]) -> list[str]:
    """Which of the `known` names are addressed in texts like `http://name:80/` or `NAME_HOST=name`."""
    found: dict[str, None] = {}
    for number, text in enumerate(each for value in values for each in _texts(value)):
        if number >= _MOST_TEXTS:
            break
        for word in re.split(r"[\s,;=\"'@]+", text[:4_000]):
            host = _HOST.fullmatch(word)
            if host is None:
                continue
            name = host[1].lower()
            addressed = "://" in word or ":" in word or name == text.strip().lower() or "=" in text or "@" in text
            first = name.split(".")[0]
            match = name if name in known else first if first in known else ""
            if match and addressed:
                found[match] = None
    return list(found)


def read_kubernetes(source: str) -> Architecture:
    """Read a stream of manifests, `List`s included.

    Raises:
        InvalidRequest: it has no object with apiVersion and kind.
    """
    objects: list[JsonObject] = []
    for document in _documents(source, "kubernetes"):
        objects += [_object(item) for item in _list(document.get("items"))] if document.get("kind") == "List" else [document]
    objects = [each for each in objects if each.get("kind") and each.get("apiVersion")]
    if not objects:
        raise malformed("kubernetes", "expected objects with apiVersion and kind")
    found = Builder("kubernetes")
    for each in objects:
        _place(found, each)
    services = {_name(each): _id(each) for each in objects if each.get("kind") == "Service"}
    for each in objects:
        _relate(found, each, objects, services)
    return found.done()


def _meta(each: JsonObject) -> JsonObject:
    return _object(each.get("metadata"))


def _name(each: JsonObject) -> str:
    return str(_meta(each).get("name") or "unnamed")


def _id(each: JsonObject) -> str:
    return f"{str(each.get('kind')).lower()}/{_name(each)}"


def _pod(each: JsonObject) -> JsonObject:
    spec = _object(each.get("spec"))
    if each.get("kind") == "CronJob":
        spec = _object(_object(spec.get("jobTemplate")).get("spec"))
    return spec if each.get("kind") == "Pod" else _object(_object(spec.get("template")).get("spec"))


def _containers(each: JsonObject) -> list[JsonObject]:
    pod = _pod(each)
    return [_object(container) for container in (*_list(pod.get("containers")), *_list(pod.get("initContainers")))]


def _place(found: Builder, each: JsonObject) -> None:
    kind, name = str(each.get("kind")), _name(each)
    space = str(_meta(each).get("namespace") or "")
    group = found.group(f"namespace:{space}", space) if space else ""
    role: ComponentKind | None = {"Service": "interface", "Ingress": "gateway", "Gateway": "gateway", "HTTPRoute": "gateway", "ConfigMap": "config",
        "Secret": "config", "PersistentVolumeClaim": "storage", "CronJob": "job", "Job": "job"}.get(kind)  # type: ignore[assignment]  # fmt: skip
    image = ""
    if kind in _WORKLOADS:
        image = next((str(container.get("image") or "") for container in _containers(each)), "")
        role = role or kind_of(image.rsplit("/", 1)[-1], name)
    if role is None:
        found.warn(f"{kind} {name} is no component")
        return
    found.component(_id(each), name, role, group, image)


def _labels(each: JsonObject) -> JsonObject:
    if each.get("kind") == "Pod":
        return _object(_meta(each).get("labels"))
    template = _object(_object(each.get("spec")).get("template"))
    return _object(_object(template.get("metadata")).get("labels"))


def _relate(found: Builder, each: JsonObject, objects: list[JsonObject], services: dict[str, str]) -> None:
    kind, spec = each.get("kind"), _object(each.get("spec"))
    if kind == "Service":
        selector = _object(spec.get("selector"))
        for other in objects:
            if other.get("kind") in _WORKLOADS and selector and selector.items() <= _labels(other).items():
                found.relation(_id(each), _id(other), "exposes")
    elif kind in {"Ingress", "HTTPRoute"}:
        for name in _backends(spec):
            found.relation(_id(each), services.get(name, f"service/{name}"), "routes")
            if name not in services:
                found.warn(f"{_id(each)} routes to service {name}, which is not here")
    elif kind in _WORKLOADS:
        _workload(found, each, services)


def _backends(spec: Json) -> list[str]:
    """Names of services that an Ingress or HTTPRoute leads to, wherever they stand."""
    found: dict[str, None] = {}
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key == "service" and isinstance(value, dict):
                found[str(value.get("name"))] = None
            elif key == "serviceName":
                found[str(value)] = None
            elif key == "backendRefs":
                found |= {str(_object(ref).get("name")): None for ref in _list(value)}
            else:
                found |= dict.fromkeys(_backends(value))
    elif isinstance(spec, list):
        for value in spec:
            found |= dict.fromkeys(_backends(value))
    return list(found)


def _workload(found: Builder, each: JsonObject, services: dict[str, str]) -> None:
    own = _id(each)
    values: list[Json] = []
    for container in _containers(each):
        values += [container.get("env"), container.get("args"), container.get("command")]
        for source in _list(container.get("envFrom")):
            for key, prefix in (("configMapRef", "configmap"), ("secretRef", "secret")):
                if reference := _object(_object(source).get(key)).get("name"):
                    found.component(f"{prefix}/{reference}", str(reference), "config")
                    found.relation(own, f"{prefix}/{reference}", "configured_by")
    for volume in _list(_pod(each).get("volumes")):
        claim = _object(_object(volume).get("persistentVolumeClaim")).get("claimName")
        if claim:
            found.component(f"persistentvolumeclaim/{claim}", str(claim), "storage")
            found.relation(own, f"persistentvolumeclaim/{claim}", "stores_in")
        for key, field, prefix in (("configMap", "name", "configmap"), ("secret", "secretName", "secret")):
            if reference := _object(_object(volume).get(key)).get(field):
                found.component(f"{prefix}/{reference}", str(reference), "config")
                found.relation(own, f"{prefix}/{reference}", "configured_by")
    for name in _hosts(values, set(services)):
        found.relation(own, services[name], "calls")
