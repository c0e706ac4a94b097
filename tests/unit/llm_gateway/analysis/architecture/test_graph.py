"""What a graph says: cycles, layers, fans, weak points; invariants on any graph."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.analysis.architecture.graph import MOST_NODES, analyse
from llm_gateway.core.errors import InvalidRequest

Edges = list[tuple[str, str]]


def test_layers_and_weak_points_of_a_small_system() -> None:
    found = analyse(["alone"], [("web", "api"), ("app", "api"), ("api", "db"), ("api", "cache"), ("job", "db")])
    assert found.layers == (("alone", "cache", "db"), ("api", "job"), ("app", "web"))
    assert found.isolated == ("alone",)
    assert found.pieces == 2
    assert found.cycles == ()
    assert {(point.id, point.parts, point.dependents) for point in found.weak_points} == {("api", 4, 2), ("db", 2, 4)}
    assert next((fan.fan_in, fan.fan_out, fan.instability) for fan in found.fans if fan.id == "api") == (2, 2, 0.5)
    assert found.longest_path[-1] in {"db", "cache"}
    assert len(found.longest_path) == 3


def test_cycles_are_named_and_share_a_layer() -> None:
    found = analyse([], [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "e")])
    assert found.cycles == (("e",), ("a", "b", "c"))
    assert found.layers == (("d", "e"), ("a", "b", "c"))
    assert next((fan.fan_in, fan.fan_out) for fan in found.fans if fan.id == "e") == (0, 0), "leaning on itself is no load"


def test_nothing_is_nothing() -> None:
    found = analyse([], [])
    assert (found.nodes, found.edges, found.cycles, found.layers, found.weak_points, found.pieces) == (0, 0, (), (), (), 0)


def test_too_much_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at most"):
        analyse([str(number) for number in range(MOST_NODES + 1)], [])


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=30))
def test_every_node_is_in_one_layer_and_leans_down(edges: Edges) -> None:
    found = analyse("abcdefgh", edges)
    layer = {name: level for level, names in enumerate(found.layers) for name in names}
    assert sorted(layer) == list("abcdefgh")
    assert sum(len(names) for names in found.layers) == 8
    for source, target in edges:
        assert layer[target] <= layer[source]
    if not found.cycles:
        assert all(layer[target] < layer[source] for source, target in edges)
    for cycle in found.cycles:
        assert all((one, other) in edges for one, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    assert sum(fan.fan_in for fan in found.fans) == sum(fan.fan_out for fan in found.fans) == found.edges
