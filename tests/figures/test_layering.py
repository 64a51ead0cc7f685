"""Nodes in layers: every way is there, crosses as little as it can, and nothing overlaps."""

from itertools import pairwise, permutations, product

from hypothesis import given
from hypothesis import strategies as st

from archdsl.figures.network.layering import Layering, layered, straightened


@st.composite
def graphs(draw: st.DrawFn, most: int = 9) -> tuple[int, list[tuple[int, int]]]:
    """Nodes and ways between them, each from a lower number to a higher one."""
    count = draw(st.integers(2, most))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    return count, draw(st.lists(st.sampled_from(pairs), max_size=2 * count, unique=True))


@given(graphs(14))
def test_every_way_leads_from_its_source_to_its_target(
    made: tuple[int, list[tuple[int, int]]],
) -> None:
    count, edges = made
    found = layered(count, edges)
    after: dict[int, set[int]] = {}
    for number, hops in enumerate(found.hops):
        for a, b in hops:
            assert a in found.layers[number] and b in found.layers[number + 1]
            after.setdefault(a, set()).add(b)

    def targets(vertex: int) -> set[int]:
        """Nodes that a vertex leads to without another node between."""
        nexts = after.get(vertex, set())
        return {b for b in nexts if b < count}.union(*(targets(b) for b in nexts if b >= count))

    assert {(a, b) for a in range(count) for b in targets(a)} == set(edges)


@given(graphs(7))
def test_ways_cross_as_little_as_they_can(made: tuple[int, list[tuple[int, int]]]) -> None:
    """All orders of all layers are tried, and crossings are counted pair by pair."""
    count, edges = made
    found = layered(count, edges)
    orders = [list(permutations(layer)) for layer in found.layers]
    size = 1
    for layer in orders:
        size *= len(layer)
    if size <= 800:
        assert found.crossings == min(_crossings(found, order) for order in product(*orders))


def _crossings(found: Layering, orders: tuple[tuple[int, ...], ...]) -> int:
    total = 0
    for hops, (above, below) in zip(found.hops, pairwise(orders), strict=True):
        ways = [(above.index(a), below.index(b)) for a, b in hops]
        total += sum((a - c) * (b - d) < 0 for a, b in ways for c, d in ways) // 2
    return total


@given(graphs(12), st.floats(1, 20))
def test_nothing_stands_on_anything_else(
    made: tuple[int, list[tuple[int, int]]], gap: float
) -> None:
    count, edges = made
    found = layered(count, edges)
    sizes = [10.0 + 3 * (vertex % 4) for vertex in range(len(found.source))]
    places = straightened(found, sizes, gap)
    for layer in found.layers:
        for a, b in pairwise(layer):
            assert places[b] - places[a] >= (sizes[a] + sizes[b]) / 2 + gap - 1e-6


@given(graphs(12), st.data())
def test_rows_are_kept(made: tuple[int, list[tuple[int, int]]], data: st.DataObject) -> None:
    count, edges = made
    rows = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    found = layered(count, edges, rows)
    for layer in found.layers:
        inside = [rows[found.source[vertex]] for vertex in layer]
        assert inside == sorted(inside)
