"""draw.io (diagrams.net) files: mxfile or mxGraphModel, plain or compressed. Source: https://www.drawio.com/doc/faq/diagram-source-edit."""

# ruff: noqa: E501 - tables and patterns read best unbroken

import base64
import binascii
import zlib
from typing import Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from llm_gateway.analysis.architecture.model import Architecture, Builder, ComponentKind, malformed
from llm_gateway.analysis.safe_xml import UnsafeXml, parse

MOST_BYTES: Final = 16 << 20
"""A diagram, decompressed."""
_SHAPES: Final[tuple[tuple[str, ComponentKind], ...]] = (
    ("cylinder", "database"), ("datastore", "database"), ("database", "database"), ("umlactor", "person"), ("shape=actor", "person"), ("person", "person"),
    ("queue", "queue"), ("kafka", "queue"), ("sqs", "queue"), ("s3", "storage"), ("bucket", "storage"), ("load_balanc", "gateway"), ("api_gateway", "gateway"),
    ("cloud", "external"),
)  # fmt: skip
_CONTAINERS: Final = ("swimlane", "group", "container=1")


def read(source: str) -> Architecture:
    """Read all pages of a file.

    Raises:
        InvalidRequest: it is no draw.io XML, refused as unsafe, or holds no component.
    """
    root = _parsed(source)
    models: list[Element] = []
    if root.tag == "mxGraphModel":
        models = [root]
    elif root.tag == "mxfile":
        models = [model for diagram in root.iter("diagram") if (model := _model(diagram)) is not None]
    if not models:
        raise malformed("drawio", "expected an mxfile with diagrams, or an mxGraphModel")
    found = Builder("drawio")
    for page, model in enumerate(models):
        _page(found, model, f"{page}:" if len(models) > 1 else "")
    return found.done()


def _parsed(source: str) -> Element:
    try:
        return parse(source)
    except UnsafeXml as failure:
        raise malformed("drawio", str(failure)) from None


def _model(diagram: Element) -> Element | None:
    inner = diagram.find("mxGraphModel")
    if inner is not None:
        return inner
    packed = (diagram.text or "").strip()
    if not packed:
        return None
    try:
        inflater = zlib.decompressobj(-15)
        data = inflater.decompress(base64.b64decode(packed, validate=False), MOST_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        raise malformed("drawio", "a diagram's content is not base64 of deflated XML") from None
    if inflater.unconsumed_tail:
        raise malformed("drawio", f"a diagram is larger than {MOST_BYTES} bytes when decompressed")
    model = _parsed(unquote(data.decode("utf-8", "replace")))
    return model if model.tag == "mxGraphModel" else None


def _page(found: Builder, model: Element, prefix: str) -> None:
    cells = [*_cells(model)]
    parents = {parent for _, cell, _ in cells if (parent := cell.get("parent"))}
    vertices: dict[str, tuple[str, Element]] = {}
    for name, cell, label in cells:
        if cell.get("vertex") == "1":
            vertices[name] = (label, cell)
    groups = {name for name, (_, cell) in vertices.items() if name in parents and _is_container(cell)}
    for name in groups:
        label, cell = vertices[name]
        parent = cell.get("parent", "")
        found.group(prefix + name, label, prefix + parent if parent in groups else "")
    labels_of_edges: dict[str, str] = {}
    edges = {name for name, cell, _ in cells if cell.get("edge") == "1"}
    for name, (label, cell) in vertices.items():
        parent = cell.get("parent", "")
        if parent in edges:
            labels_of_edges[parent] = label
        elif name not in groups and (label.strip() or _is_end(cells, name)) and not cell.get("style", "").startswith("text;"):
            style = cell.get("style", "").lower()
            kind = next((kind for word, kind in _SHAPES if word in style), None)
            found.component(prefix + name, label or name, kind, prefix + parent if parent in groups else "")
    for name, cell, label in cells:
        if name in edges:
            _edge(found, cell, label or labels_of_edges.get(name, ""), prefix)


def _is_end(cells: list[tuple[str, Element, str]], name: str) -> bool:
    return any(name in {cell.get("source"), cell.get("target")} for _, cell, _ in cells[:2_000])


def _is_container(cell: Element) -> bool:
    style = cell.get("style", "").lower()
    return any(word in style for word in _CONTAINERS) or "html=1" in style


def _edge(found: Builder, cell: Element, label: str, prefix: str) -> None:
    source, target, style = cell.get("source"), cell.get("target"), cell.get("style", "").lower()
    if not source or not target:
        found.warn("an edge that is not tied to two components was passed over")
        return
    ends = (prefix + source, prefix + target)
    starts = "startarrow=" in style and "startarrow=none" not in style
    kind = "depends_on" if "dashed=1" in style else "calls"
    if "endarrow=none" in style:
        if starts:
            found.relation(ends[1], ends[0], kind, label)
        else:
            found.relation(*ends, "linked", label)
        return
    found.relation(*ends, kind, label)
    if starts:
        found.relation(ends[1], ends[0], kind, label)


def _cells(model: Element) -> list[tuple[str, Element, str]]:
    """(id, mxCell, label) of each cell; an `object` or `UserObject` around it has id and label."""
    found = []
    for element in model.iter():
        if element.tag in {"object", "UserObject"}:
            cell = element.find("mxCell")
            if cell is not None and element.get("id"):
                found.append((element.get("id", ""), cell, element.get("label", "")))
        elif element.tag == "mxCell" and element.get("id"):
            found.append((element.get("id", ""), element, element.get("value", "")))
    return found
