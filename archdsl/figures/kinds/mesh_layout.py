"""The layout of boxes whose ways cross: in layers along the axis, ways as curves between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from archdsl.figures.canvas.pen import PLUS, Pen, Point
from archdsl.figures.canvas.scene import Run
from archdsl.figures.network import labels
from archdsl.figures.network.layering import Layering, layered, straightened
from archdsl.figures.network.tree import Box, Mesh
from archdsl.ops import SIGNED

GAP, BESIDE = 13.0, 7.0  # between layers, room for curves; between boxes of a layer
PASSING = 3.0  # what a way takes that passes a layer
PORT = 9.0  # the line of an input or a result along the axis
APART = 7.0  # most distance of ways where they enter a box

Size = tuple[float, float]  # along the axis, across it
Turn = Callable[[float, float], Point]


@dataclass
class MeshLayout:
    """Where the boxes of a mesh stand; `sizes` gives those of boxes.

    Vertices are its inputs, its boxes, and its results if it is open.
    """

    mesh: Mesh
    pen: Pen
    box_size: Callable[[Box], Size]
    level: bool  # whether the axis runs to the right

    def __post_init__(self) -> None:
        mesh = self.mesh
        first, last = len(mesh.inputs), len(mesh.inputs) + len(mesh.boxes)
        self.results = mesh.ends if mesh.open else ()
        edges = [
            (taken + first if taken >= 0 else -1 - taken, number + first)
            for number, takes in enumerate(mesh.takes)
            for taken in takes
        ]
        edges += [(end + first, last + number) for number, end in enumerate(self.results)]
        self.count = last + len(self.results)
        self.found: Layering = layered(self.count, edges)
        self.sizes = [self.size(vertex) for vertex in range(len(self.found.source))]
        across = [size for _, size in self.sizes]
        axis = [] if mesh.open else [(0, self.count - 1)]  # where it comes and goes
        self.places = straightened(self.found, across, BESIDE, axis)
        middle = sum(self.reach) / 2 if mesh.open else self.places[0]
        self.places = [place - middle for place in self.places]

    def port(self, vertex: int) -> tuple[Run, ...]:
        """What stands at an input or a result of an open mesh."""
        mesh = self.mesh
        if not mesh.open or len(mesh.inputs) <= vertex < len(mesh.inputs) + len(mesh.boxes):
            return ()
        if vertex < len(mesh.inputs):
            return labels.shape(mesh.inputs[vertex])
        end = self.results[vertex - len(mesh.inputs) - len(mesh.boxes)]
        return labels.shape(mesh.boxes[end].output)

    def box(self, vertex: int) -> Box | None:
        number = vertex - len(self.mesh.inputs)
        return self.mesh.boxes[number] if 0 <= number < len(self.mesh.boxes) else None

    def size(self, vertex: int) -> Size:
        if vertex >= self.count:
            return 0.0, PASSING
        box = self.box(vertex)
        if box is not None:
            return (2 * PLUS, 2 * PLUS) if box.verb in SIGNED else self.box_size(box)
        runs = self.port(vertex)
        wide = self.pen.measure(runs, self.pen.theme.sizes.dimension) + 4 if runs else 0.0
        return ((wide, PORT) if self.level else (PORT, wide)) if runs else (0.0, 0.0)

    @property
    def reach(self) -> tuple[float, float]:
        """How far it reaches to both sides of the axis."""
        ends = [(p - s[1] / 2, p + s[1] / 2) for p, s in zip(self.places, self.sizes, strict=True)]
        return min(low for low, _ in ends), max(high for _, high in ends)

    @cached_property
    def bands(self) -> list[tuple[float, float]]:
        """Where each layer begins and ends along the axis."""
        found, at = list[tuple[float, float]](), 0.0
        for layer, hops in zip(self.found.layers, (*self.found.hops, ()), strict=True):
            deep = max(self.sizes[vertex][0] for vertex in layer)
            found.append((at, at + deep))
            slant = max((abs(self.places[a] - self.places[b]) for a, b in hops), default=0.0)
            at += deep + GAP + min(14.0, slant / 10)
        return found

    @property
    def length(self) -> float:
        return self.bands[-1][1]

    def draw(
        self, main: float, cross: float, turn: Turn,
        draw_box: Callable[[Box, float, float, Size], None],
    ) -> None:  # fmt: skip
        """Draws ways and boxes from `main` on; `turn` gives the point of a place."""
        middles: dict[int, float] = {}
        for (start, end), layer in zip(self.bands, self.found.layers, strict=True):
            middles |= dict.fromkeys(layer, main + (start + end) / 2)
            for vertex in layer:
                if vertex >= self.count:  # passes the whole of a layer
                    self.sizes[vertex] = end - start, PASSING
        spots = [(middles[v], cross + place) for v, place in enumerate(self.places)]
        for (start, end), layer, hops in zip(
            self.bands, self.found.layers, (*self.found.hops, ()), strict=True
        ):
            for vertex in layer:
                if vertex >= self.count:
                    ends = [(main + at, spots[vertex][1]) for at in (start, end)]
                    self.pen.line([turn(*at) for at in ends])
            self.ways(hops, main + end, spots, turn)
        for vertex in range(self.count):
            self.vertex(vertex, spots[vertex], turn, draw_box)

    def ways(
        self, hops: Sequence[tuple[int, int]], edge: float, spots: Sequence[Point], turn: Turn
    ) -> None:
        """The ways from a layer, which ends at `edge`, to the next."""
        coming: dict[int, list[int]] = {}
        for a, b in hops:
            coming.setdefault(b, []).append(a)
        for b, sources in coming.items():
            sources.sort(key=lambda vertex: spots[vertex][1])
            room = 0.0 if self.sizes[b][1] <= 2 * PLUS else self.sizes[b][1] * 0.6
            apart = min(APART, room / max(1, len(sources) - 1))
            for number, a in enumerate(sources):
                (start, across), (end, to) = spots[a], spots[b]
                to += (number - (len(sources) - 1) / 2) * apart
                way = [(start + self.sizes[a][0] / 2, across), (edge, across)]
                way.append((end - self.sizes[b][0] / 2, to))
                self.pen.curve([turn(*at) for at in way], self.level, tip=b < self.count)
        leaving = [a for a, _ in hops]
        for a in {a for a in leaving if leaving.count(a) > 1}:
            self.pen.dot(*turn(spots[a][0] + self.sizes[a][0] / 2, spots[a][1]))

    def vertex(
        self, vertex: int, spot: Point, turn: Turn,
        draw_box: Callable[[Box, float, float, Size], None],
    ) -> None:  # fmt: skip
        box = self.box(vertex)
        if box is not None:
            draw_box(box, *spot, self.sizes[vertex])
        elif self.port(vertex):
            x, y = turn(*spot)
            size = self.pen.theme.sizes.dimension
            self.pen.label(x, y, 0, 0, self.port(vertex), size, self.pen.theme.dimension)
