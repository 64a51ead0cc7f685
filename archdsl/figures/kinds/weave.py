"""Things in layers along an axis, the ways between them as curves that cross as little as can be.

`main` runs along the axis, `cross` across it: the same code draws both directions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from archdsl.figures.canvas.pen import PLUS, Pen, Point
from archdsl.figures.network.layering import Hop, layered, straightened
from archdsl.figures.network.tree import Box, Mesh
from archdsl.ops import SIGNED

GAP, SLANTED = 13.0, 14.0  # between layers, room for curves; most that slanting ones add
BESIDE = 7.0  # between things of a layer
PASSING = 3.0  # what a way takes that passes a layer
APART, DOOR = 7.0, 0.6  # most distance of ways that enter a thing; over how much of its side


class Size(NamedTuple):
    """Of a thing along the axis and across it, and over how much of it ways enter.

    None if they do not end there.
    """

    along: float
    across: float
    door: float | None = 0.0


class Weave:
    """Where things stand, each by its number, and how ways between them run.

    `sizes` are theirs; those of `rows` keep to them, and what is `joined` stands on one line.
    """

    def __init__(
        self, pen: Pen, sizes: Sequence[Size], edges: Iterable[Hop], level: bool,
        rows: Sequence[int] = (), joined: Iterable[Hop] = (),
    ) -> None:  # fmt: skip
        self.pen, self.count, self.level, self.gap = pen, len(sizes), level, GAP
        self.found = layered(self.count, edges, rows)
        passing = len(self.found.source) - self.count
        self.sizes = [*sizes, *[Size(0.0, PASSING, None)] * passing]
        across = [size.across for size in self.sizes]
        wide = {vertex for vertex, size in enumerate(self.sizes) if size.door}
        self.places = straightened(self.found, across, BESIDE, joined, wide)

    def shift(self, by: float) -> None:
        """Moves everything across the axis."""
        self.places = [place + by for place in self.places]

    def spread(self, by: float) -> None:
        """Puts more room between layers."""
        self.gap += by
        for known in ("bands", "spans"):
            self.__dict__.pop(known, None)

    @property
    def reach(self) -> tuple[float, float]:
        """How far it reaches to both sides of the axis."""
        ends = [
            (p - s.across / 2, p + s.across / 2)
            for p, s in zip(self.places, self.sizes, strict=True)
        ]
        return min(low for low, _ in ends), max(high for _, high in ends)

    @cached_property
    def bands(self) -> list[tuple[float, float]]:
        """Where each layer begins and ends along the axis."""
        found, at = list[tuple[float, float]](), 0.0
        for layer, hops in zip(self.found.layers, (*self.found.hops, ()), strict=True):
            deep = max(self.sizes[vertex].along for vertex in layer)
            found.append((at, at + deep))
            slant = max((abs(self.places[a] - self.places[b]) for a, b in hops), default=0.0)
            at += deep + self.gap + min(SLANTED, slant / 10)
        return found

    @property
    def length(self) -> float:
        return self.bands[-1][1]

    @cached_property
    def spans(self) -> dict[int, tuple[float, float]]:
        """Where everything begins and ends along the axis: in the middle of its layer."""
        found = {}
        for (start, end), layer in zip(self.bands, self.found.layers, strict=True):
            for vertex in layer:
                half = self.sizes[vertex].along / 2 if vertex < self.count else (end - start) / 2
                found[vertex] = (start + end) / 2 - half, (start + end) / 2 + half
        return found

    def spot(self, vertex: int) -> Point:
        """The middle of a thing, along the axis and across it."""
        return sum(self.spans[vertex]) / 2, self.places[vertex]

    def draw_ways(self, main: float, cross: float) -> None:
        """Draws all ways from `main` on, with tips at what they enter and dots where they part."""

        def turn(along: float, across: float) -> Point:
            point = main + along, cross + across
            return point if self.level else point[::-1]

        for (_, end), hops in zip(self.bands, self.found.hops, strict=False):
            leaving = Counter(a for a, _ in hops)
            for a, b, to in self.entries(hops):
                start = self.spans[a][1], self.places[a]
                way = start, (end, start[1]), (self.spans[b][0], to)
                self.pen.curve(
                    [turn(*at) for at in way], self.level, tip=self.sizes[b].door is not None
                )
            for a in (a for a, count in leaving.items() if count > 1):
                self.pen.dot(*turn(self.spans[a][1], self.places[a]))
        for vertex in range(self.count, len(self.sizes)):
            self.pen.line([turn(at, self.places[vertex]) for at in self.spans[vertex]])

    def entries(self, hops: Iterable[Hop]) -> list[tuple[int, int, float]]:
        """Hops with the place where each enters: side by side in the order that they come in."""
        coming: dict[int, list[int]] = {}
        for a, b in hops:
            coming.setdefault(b, []).append(a)
        found = []
        for b, sources in coming.items():
            door, ways = self.sizes[b].door, len(sources) - 1
            apart = min(APART, door / ways) if ways and door else 0.0
            for number, a in enumerate(sorted(sources, key=self.places.__getitem__)):
                found.append((a, b, self.places[b] + (number - ways / 2) * apart))
        return found


def weave_of(
    mesh: Mesh, pen: Pen, level: bool, box_size: Callable[[Box], Size], port: Size
) -> Weave:
    """A mesh: its inputs, its boxes, and if it is open its results, which are ports as inputs are.

    If it is not, it comes and goes on the axis.
    """
    first, last = len(mesh.inputs), len(mesh.inputs) + len(mesh.boxes)
    edges = [
        (first + taken if taken >= 0 else -1 - taken, first + number)
        for number, takes in enumerate(mesh.takes)
        for taken in takes
    ]
    boxes = [
        Size(2 * PLUS, 2 * PLUS) if box.verb in SIGNED else box_size(box) for box in mesh.boxes
    ]
    if not mesh.open:
        made = Weave(pen, [Size(0.0, 0.0), *boxes], edges, level, joined=[(0, last - 1)])
        made.shift(-made.places[0])
        return made
    edges += [(first + end, last + number) for number, end in enumerate(mesh.ends)]
    sizes = [*[port] * first, *boxes, *[port] * len(mesh.ends)]
    made = Weave(pen, sizes, edges, level)
    made.shift(-sum(made.reach) / 2)
    return made
