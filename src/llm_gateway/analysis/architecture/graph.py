"""What the graph of an architecture says: cycles, layers, fan-in and fan-out, and what everything hangs on."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from llm_gateway.core.errors import InvalidRequest

MOST_NODES: Final = 5_000
_MOST_CYCLES: Final = 100


class Fan(NamedTuple):
    """A component and how many lean on it (`fan_in`) and it leans on (`fan_out`). `instability` = out / (in + out) (Martin 1994)."""

    id: str
    fan_in: int
    fan_out: int
    instability: float


class WeakPoint(NamedTuple):
    """A component whose loss parts the rest, or stops those who lean on it, directly or not."""

    id: str
    parts: int
    """Pieces that the rest falls into without it."""
    dependents: int
    betweenness: float


class Findings(NamedTuple):
    """`layers[0]` leans on nothing; each further one leans on those before it. Members of a cycle share a layer."""

    nodes: int
    edges: int
    cycles: tuple[tuple[str, ...], ...]
    layers: tuple[tuple[str, ...], ...]
    fans: tuple[Fan, ...]
    weak_points: tuple[WeakPoint, ...]
    isolated: tuple[str, ...]
    pieces: int
    longest_path: tuple[str, ...]


def _library() -> Any:
    try:
        import networkx as nx  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, loaded when it is used
    except ImportError:
        raise InvalidRequest(
            "analyze_dependencies needs the extra `code` on the gateway: pip install 'llm-gateway[code]'", code="extra_missing"
        ) from None
    return nx


def analyse(nodes: Iterable[str], edges: Sequence[tuple[str, str]]) -> Findings:
    """Analyse a directed graph: an edge leads from who needs to what is needed.

    Raises:
        InvalidRequest: it has more than 5000 nodes, or the library for it is not installed.
    """
    nx = _library()
    graph = nx.DiGraph()
    graph.add_nodes_from(sorted({*nodes, *(end for edge in edges for end in edge)}))
    graph.add_edges_from(sorted({(source, target) for source, target in edges if source != target}))
    loops = sorted({source for source, target in edges if source == target})
    if graph.number_of_nodes() > MOST_NODES:
        raise InvalidRequest(f"components: expected at most {MOST_NODES}", param="components")
    knots = [sorted(knot) for knot in nx.strongly_connected_components(graph)]
    cycles = [(name,) for name in loops] + sorted(
        (tuple(_cycle(graph, knot)) for knot in knots if len(knot) > 1), key=lambda c: (len(c), c)
    )
    condensed = nx.condensation(graph)
    members: dict[int, list[str]] = {node: sorted(condensed.nodes[node]["members"]) for node in condensed}
    order = list(nx.topological_sort(condensed))
    height: dict[int, int] = {}
    for node in reversed(order):
        height[node] = max((height[after] + 1 for after in condensed.successors(node)), default=0)
    layers: list[list[str]] = [[] for _ in range(max(height.values(), default=-1) + 1)]
    for node, level in height.items():
        layers[level] += members[node]
    path = [members[node][0] for node in nx.dag_longest_path(condensed)] if condensed else []
    return Findings(
        graph.number_of_nodes(),
        graph.number_of_edges(),
        tuple(cycles[:_MOST_CYCLES]),
        tuple(tuple(sorted(layer)) for layer in layers),
        tuple(_fans(graph)),
        tuple(_weak_points(graph)),
        tuple(sorted(nx.isolates(graph))),
        nx.number_weakly_connected_components(graph) if graph else 0,
        tuple(path),
    )


def _cycle(graph: Any, knot: list[str]) -> list[str]:
    """A shortest way round through the first member of a knot."""
    nx = _library()
    inside = graph.subgraph(knot)
    start = knot[0]
    ways = [nx.shortest_path(inside, after, start) for after in inside.successors(start)]
    return [start, *min(ways, key=lambda way: (len(way), way))[:-1]]


def _fans(graph: Any) -> list[Fan]:
    found = []
    for name in graph:
        fan_in, fan_out = graph.in_degree(name), graph.out_degree(name)
        found.append(Fan(name, fan_in, fan_out, round(fan_out / (fan_in + fan_out), 4) if fan_in + fan_out else 0.0))
    return sorted(found, key=lambda fan: (-fan.fan_in - fan.fan_out, fan.id))


def _weak_points(graph: Any) -> list[WeakPoint]:
    nx = _library()
    whole = graph.to_undirected()
    cuts = set(nx.articulation_points(whole))
    # Exact centrality takes nodes × edges steps; of large graphs a sample of 100 starting points tells enough.
    sample = None if len(graph) <= 400 else 100
    central = nx.betweenness_centrality(graph, k=sample, seed=1)
    before = nx.number_connected_components(whole) if whole else 0
    leant_on = {name for name in graph if graph.in_degree(name) >= max(3, 0.5 * (len(graph) - 1))}
    found = []
    for name in sorted(cuts | leant_on)[:200]:
        parts = 1
        if name in cuts:
            rest = whole.copy()
            rest.remove_node(name)
            parts = nx.number_connected_components(rest) - before + 1
        found.append(WeakPoint(name, parts, len(nx.ancestors(graph, name)), round(central[name], 4)))
    return sorted(found, key=lambda point: (-point.dependents, -point.parts, point.id))
