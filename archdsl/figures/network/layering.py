"""Nodes in layers, the ways between them crossing as little as can be (Sugiyama et al., 1981)."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise, permutations
from math import factorial
from statistics import fmean, median

from archdsl.diagnostics.errors import UsageError

SWEEPS = 12  # over all layers, down and up
EXACT = 3_000  # pairs of orders of layers that follow one another: fewer are all tried
MANY = 4_000  # vertices; more are no picture, and which lines can be straight is tried for all
ROUNDS = 8  # of moving lines to where they lead

Order = tuple[int, ...]
Hop = tuple[int, int]


@dataclass(frozen=True)
class Layering:
    """Vertices in layers, from left to right: nodes by their numbers, others where ways pass.

    Each hop leads from a layer to the next; `source` is the node that a vertex is, or passes on.
    """

    layers: tuple[Order, ...]
    hops: tuple[tuple[Hop, ...], ...]  # of each layer to the next
    source: tuple[int, ...]

    @property
    def crossings(self) -> int:
        """How many hops cross."""
        gaps = zip(self.hops, pairwise(self.layers), strict=True)
        return sum(_crossings(hops, *orders) for hops, orders in gaps)


def layered(count: int, edges: Iterable[Hop], rows: Sequence[int] = ()) -> Layering:
    """The layers of nodes from 0 to `count`; every edge leads from a lower number to a higher one.

    A way over several layers passes each of them once for its source. Nodes of `rows` stand in the
    order of these, and where a way passes stays in the row of its source. Raises UsageError if
    there are more than MANY of both.
    """
    edges = sorted(set(edges))
    rank = _ranks(count, edges)
    source = list(range(count))
    layers: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for node in range(count):
        layers[rank[node]].append(node)
    hops: list[list[Hop]] = [[] for _ in layers[1:]]
    passing: dict[Hop, int] = {}  # by source and layer
    for a, b in edges:
        at = a
        for level in range(rank[a] + 1, rank[b]):
            vertex = passing.get((a, level))
            if vertex is None:
                vertex = passing[a, level] = len(source)
                source.append(a)
                layers[level].append(vertex)
                hops[level - 1].append((at, vertex))
            at = vertex
        hops[rank[b] - 1].append((at, b))
    if len(source) > MANY:
        raise UsageError(
            f"ways pass layers {len(source) - count:,} times, and with {count:,} parts that is more"
            f" than the {MANY:,} that are laid out; --only draws a part, --kind graph the ops"
        )
    found = tuple(tuple(between) for between in hops)
    row = [rows[node] for node in source] if rows else [0] * len(source)
    return Layering(_ordered(layers, found, row), found, tuple(source))


def _ranks(count: int, edges: Iterable[Hop]) -> list[int]:
    """The layer of every node: after all that feed it."""
    rank = [0] * count
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        rank[b] = max(rank[b], rank[a] + 1)
    return rank


def _ordered(
    layers: Sequence[Sequence[int]], hops: Sequence[Sequence[Hop]], row: Sequence[int]
) -> tuple[Order, ...]:
    """The best order found by going to and fro; all are tried if they are few."""
    orders = [sorted(layer, key=lambda vertex: row[vertex]) for layer in layers]
    best, least = [*orders], _total(hops, orders)
    for sweep in range(SWEEPS):
        if not least:
            break
        down = sweep % 2 == 0
        levels = range(1, len(orders)) if down else range(len(orders) - 2, -1, -1)
        for level in levels:
            beside = orders[level - 1 if down else level + 1]
            found = hops[level - 1 if down else level]
            orders[level] = _between(orders[level], beside, found, row, down)
            orders[level] = _swapped(level, orders, hops, row)
        total = _total(hops, orders)
        if total < least:
            best, least = [*orders], total
    tries = [factorial(min(len(layer), 9)) for layer in layers]
    if least and not any(row) and sum(a * b for a, b in pairwise(tries)) <= EXACT:
        return _exact(layers, hops)
    return tuple(map(tuple, best))


def _total(hops: Sequence[Sequence[Hop]], orders: Sequence[Sequence[int]]) -> int:
    return sum(_crossings(found, *pair) for found, pair in zip(hops, pairwise(orders), strict=True))


def _crossings(hops: Sequence[Hop], above: Sequence[int], below: Sequence[int]) -> int:
    """How many of the hops between two layers cross."""
    start = {vertex: place for place, vertex in enumerate(above)}
    end = {vertex: place for place, vertex in enumerate(below)}
    passed: list[int] = []
    count = 0
    for _, place in sorted((start[a], end[b]) for a, b in hops):
        count += len(passed) - bisect_right(passed, place)
        insort(passed, place)
    return count


def _between(
    layer: Sequence[int], beside: Sequence[int], hops: Sequence[Hop], row: Sequence[int],
    down: bool,
) -> list[int]:  # fmt: skip
    """A layer in the order of the means of what its vertices are joined to, rows kept."""
    place = {vertex: number for number, vertex in enumerate(beside)}
    joined: dict[int, list[int]] = {}
    for a, b in hops:
        joined.setdefault(b if down else a, []).append(place[a if down else b])
    own = {vertex: number for number, vertex in enumerate(layer)}
    mean = {vertex: fmean(joined.get(vertex, [own[vertex]])) for vertex in layer}
    return sorted(layer, key=lambda vertex: (row[vertex], mean[vertex]))


def _swapped(
    level: int, orders: Sequence[Sequence[int]], hops: Sequence[Sequence[Hop]], row: Sequence[int]
) -> list[int]:
    """A layer with neighbors exchanged as long as that takes crossings away."""
    layer = list(orders[level])

    def cost() -> int:
        above = _crossings(hops[level - 1], orders[level - 1], layer) if level else 0
        last = level + 1 == len(orders)
        return above + (0 if last else _crossings(hops[level], layer, orders[level + 1]))

    least, better = cost(), len(layer) <= 12
    while better and least:
        better = False
        for n in range(len(layer) - 1):
            if row[layer[n]] == row[layer[n + 1]]:
                layer[n], layer[n + 1] = layer[n + 1], layer[n]
                now = cost()
                if now < least:
                    least, better = now, True
                else:
                    layer[n], layer[n + 1] = layer[n + 1], layer[n]
    return layer


def _exact(layers: Sequence[Sequence[int]], hops: Sequence[Sequence[Hop]]) -> tuple[Order, ...]:
    """The orders with the fewest crossings: for each order of a layer the best way to it."""
    best: dict[Order, tuple[int, tuple[Order, ...]]] = {
        order: (0, (order,)) for order in permutations(layers[0])
    }
    for layer, found in zip(layers[1:], hops, strict=True):
        best = {
            order: min(
                (count + _crossings(found, ways[-1], order), (*ways, order))
                for count, ways in best.values()
            )
            for order in permutations(layer)
        }
    return min(best.values())[1]


def straightened(
    found: Layering, sizes: Sequence[float], gap: float, joined: Iterable[Hop] = (),
    wide: Container[int] = (),
) -> dict[int, float]:  # fmt: skip
    """The place of every vertex across its layer, as many ways straight as can be.

    Vertices stand `gap` apart; those that are `joined` stand on one line with one another. Where an
    even number of ways enters one that is `wide`, side by side, none of them goes to its middle.
    """
    columns = _Columns(found)
    entering = Counter(b for hops in found.hops for _, b in hops)
    for pair in joined:
        columns.unite(*pair)
    for a, b in _by_merit(found):
        if b not in wide or entering[b] % 2:
            columns.unite(a, b)
    return columns.places(sizes, gap)


def _by_merit(found: Layering) -> list[Hop]:
    """Hops, first those that should be straight: what only passes, then what goes on alone."""
    hops = [hop for between in found.hops for hop in between]
    nodes = len({*found.source})
    taken, given = Counter(a for a, _ in hops), Counter(b for _, b in hops)

    def merit(hop: Hop) -> tuple[bool, int, bool]:
        a, b = hop
        return a < nodes or b < nodes, (taken[a] > 1) + (given[b] > 1), b >= nodes

    return sorted(hops, key=merit)


class _Columns:
    """Vertices on straight lines along the axis, of which each stands left of others."""

    def __init__(self, found: Layering) -> None:
        self.found = found
        self.column = {vertex: vertex for layer in found.layers for vertex in layer}
        self.members = {vertex: [vertex] for vertex in self.column}
        self.right: dict[int, set[int]] = {vertex: set() for vertex in self.column}
        self.left: dict[int, set[int]] = {vertex: set() for vertex in self.column}
        for layer in found.layers:
            for a, b in pairwise(layer):
                self.right[a].add(b)
                self.left[b].add(a)

    def unite(self, a: int, b: int) -> None:
        """Makes one line of those of two vertices, unless something stands between them."""
        a, b = self.column[a], self.column[b]
        if a == b or self.leads(a, b) or self.leads(b, a):
            return
        for to, back in ((self.right, self.left), (self.left, self.right)):
            for other in to.pop(b):
                to[a].add(other)
                back[other].remove(b)
                back[other].add(a)
        for vertex in self.members[b]:
            self.column[vertex] = a
        self.members[a] += self.members.pop(b)

    def leads(self, a: int, b: int) -> bool:
        """Whether a line stands left of another, directly or over others."""
        seen, todo = {a}, [a]
        while todo:
            new = self.right[todo.pop()] - seen
            if b in new:
                return True
            seen |= new
            todo += new
        return False

    def places(self, sizes: Sequence[float], gap: float) -> dict[int, float]:
        """The lines as near to what they lead to as they can be: each in turn, to and fro."""
        apart: dict[Hop, float] = {}
        for layer in self.found.layers:
            for a, b in pairwise(layer):
                pair = self.column[a], self.column[b]
                apart[pair] = max(apart.get(pair, 0.0), (sizes[a] + sizes[b]) / 2 + gap)
        left: dict[int, list[int]] = {column: [] for column in self.right}
        for a, b in apart:
            left[b].append(a)
        order = list(TopologicalSorter(left).static_order())
        place: dict[int, float] = {}
        for column in order:
            place[column] = max((place[a] + apart[a, column] for a in left[column]), default=0.0)
        near: dict[int, list[int]] = {column: [] for column in order}
        for a, b in ((self.column[a], self.column[b]) for hops in self.found.hops for a, b in hops):
            if a != b:
                near[a].append(b)
                near[b].append(a)
        for turn in range(ROUNDS):
            for column in reversed(order) if turn % 2 == 0 else order:
                if near[column]:
                    wish = median(place[other] for other in near[column])
                    low = (place[a] + apart[a, column] for a in left[column])
                    high = (place[b] - apart[column, b] for b in self.right[column])
                    place[column] = max((min((wish, *high)), *low))
        return {vertex: place[column] for vertex, column in self.column.items()}
