"""The layout of a block: measure each element, then place it along an axis, down or to the right.

`main` runs along the axis, `cross` across it: the same code draws both directions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from archdsl.analysis.cost import Analysis
from archdsl.figures.canvas.pen import BOX_HEIGHT, MIDDLE, PLUS, Pen
from archdsl.figures.canvas.scene import Anchor, Run
from archdsl.figures.kinds.weave import DOOR, Size, Weave, weave_of
from archdsl.figures.network import labels
from archdsl.figures.network.tree import Box, Chain, Element, Join, Mesh
from archdsl.ops import SIGNED

Direction = Literal["down", "right"]

GAPS = {"down": 10.0, "right": 7.6}  # between boxes, room for an arrow
STUB = 6.0  # before a fork
LANE = 7.0  # between a body and its shortcut
PATHS = 7.0  # between paths of a join
BARE = 12.0  # what a path without boxes takes across
PORT = 9.0  # the line of an input or a result along the axis
BAR = 12.0  # thickness of the bar in which paths end


@dataclass(frozen=True, slots=True)
class Extent:
    """Size along the axis, and on both sides of it."""

    length: float
    before: float
    after: float

    @property
    def across(self) -> float:
        return self.before + self.after


class BlockLayout:
    """Draws chains with one pen in one direction."""

    def __init__(self, pen: Pen, direction: Direction, analysis: Analysis) -> None:
        self.pen, self.direction, self.analysis = pen, direction, analysis
        self.between = GAPS[direction]
        self.known: dict[int, Extent] = {}
        self.columns: dict[int, float] = {}
        self.meshes: dict[int, Weave] = {}

    def measure(self, chain: Chain) -> Extent:
        """The extent of a chain, from its first element to its last."""
        if id(chain) not in self.known:
            if chain and id(chain) not in self.columns:
                self.column(chain)
            extents = [self.element(item, chain) for item in chain]
            between = sum(self.gap(item) for item in chain[1:])
            length = sum(extent.length for extent in extents) + between
            before = max((extent.before for extent in extents), default=0.0)
            after = max((extent.after for extent in extents), default=0.0)
            self.known[id(chain)] = Extent(length, before, after)
        return self.known[id(chain)]

    def gap(self, item: Element) -> float:
        return self.between if isinstance(item, Box) else STUB

    def element(self, item: Element, chain: Chain) -> Extent:
        if isinstance(item, Box):
            return self.box(item, chain)
        if isinstance(item, Mesh):
            made = self.mesh(item)
            low, high = made.reach
            return Extent(made.length, max(-low, 0.0), max(high, 0.0))
        return self.residual(item) if item.residual else self.branches(item)

    def box(self, box: Box, chain: Chain) -> Extent:
        """In a column all boxes are as wide as the widest."""
        if self.direction == "right":
            return Extent(self.pen.box_width(box.label, False), BOX_HEIGHT / 2, BOX_HEIGHT / 2)
        wide = self.columns.get(id(chain)) or self.column(chain)
        return Extent(BOX_HEIGHT, wide / 2, wide / 2)

    def mesh(self, mesh: Mesh) -> Weave:
        """Where the parts of a mesh stand; its boxes are as wide as each needs."""
        if id(mesh) not in self.meshes:
            level = self.direction == "right"

            def size(box: Box) -> Size:
                wide = self.pen.box_width(box.label, False)
                along, across = (wide, BOX_HEIGHT) if level else (BOX_HEIGHT, wide)
                return Size(along, across, DOOR * across)

            texts = (
                self.pen.measure(runs, self.pen.theme.sizes.dimension) for runs in _ports(mesh)
            )
            wide = max(texts, default=0.0) + 4
            port = Size(wide, PORT) if level else Size(PORT, wide)
            self.meshes[id(mesh)] = weave_of(mesh, self.pen, level, size, port)
        return self.meshes[id(mesh)]

    def column(self, chain: Chain, wide: float = 0.0) -> float:
        """The width of the boxes on one axis, those in the bodies of residuals among them."""
        on_axis = list(_on_axis(chain))
        wide = wide or max((self.pen.box_width(box.label) for box in on_axis), default=0.0)
        self.columns[id(chain)] = wide
        for item in chain:
            if isinstance(item, Join) and item.residual:
                self.column(item.body, wide)
        return wide

    def residual(self, join: Join) -> Extent:
        body, shortcut = self.measure(join.body), self.measure(join.shortcut)
        inner = max(body.length, shortcut.length + 2 * (self.between - PLUS))
        after = max(body.after, PLUS) + LANE + shortcut.across
        return Extent(2 * self.between + inner + 2 * PLUS, max(body.before, PLUS), after)

    def branches(self, join: Join) -> Extent:
        extents = [self.measure(path) for path in join.paths]
        across = sum(max(e.across, BARE) for e in extents) + PATHS * (len(extents) - 1)
        longest = max(extent.length for extent in extents)
        length = self.between + longest + (self.between + BAR if join.verb else 0.0)
        if join.verb:
            label = self.pen.measure(self.bar_label(join), self.pen.theme.sizes.box)
            across = max(across, label + 10)
        return Extent(length, across / 2, across / 2)

    @staticmethod
    def bar_label(join: Join) -> str:
        return f"{join.verb}, {join.output.channels}"

    def place(self, chain: Chain, main: float, cross: float) -> list[tuple[float, float]]:
        """Draws a chain that starts at `main`; gives where lines leave its end."""
        leaving = [(main, cross)]
        for number, item in enumerate(chain):
            if number:
                start = main + self.gap(item)
                self.connect(leaving, start, cross, isinstance(item, Box))
                main = start
            extent = self.element(item, chain)
            leaving = self.draw(item, extent, main, cross)
            main += extent.length
        return leaving

    def connect(
        self, leaving: list[tuple[float, float]], main: float, cross: float, arrow: bool
    ) -> None:
        for start, across in leaving:
            points = [(start, across), (main, cross)]
            (self.arrow if arrow else self.line)(points)

    def draw(
        self, item: Element, extent: Extent, main: float, cross: float
    ) -> list[tuple[float, float]]:
        if isinstance(item, Box):
            self.draw_box(item, extent, main, cross)
        elif isinstance(item, Mesh):
            return self.draw_mesh(item, extent, main, cross)
        elif item.residual:
            self.draw_residual(item, extent, main, cross)
        else:
            return self.draw_branches(item, extent, main, cross)
        return [(main + extent.length, cross)]

    def draw_box(self, box: Box, extent: Extent, main: float, cross: float) -> None:
        since = len(self.pen.items)
        x, y = self.point(main, cross - extent.before)
        w, h = self.point(extent.length, extent.across)
        self.pen.rectangle(x, y, w, h, self.pen.theme.paint(box.role))
        self.pen.label(x, y, w, h, box.label)
        title = hover(box.id, box.output, self.analysis)
        self.pen.grouped(since, box.id, title, box.stands)

    def draw_mesh(
        self, mesh: Mesh, extent: Extent, main: float, cross: float
    ) -> list[tuple[float, float]]:
        made, first = self.mesh(mesh), len(mesh.inputs)
        made.draw_ways(main, cross)
        for number, box in enumerate(mesh.boxes, first):
            along, across = made.spot(number)
            if box.verb in SIGNED:
                self.draw_sign(box, main + along, cross + across)
            else:
                size = made.sizes[number]
                extent = Extent(size.along, size.across / 2, size.across / 2)
                self.draw_box(box, extent, main + along - size.along / 2, cross + across)
        ports = (*range(first), *range(first + len(mesh.boxes), made.count))
        text, color = self.pen.theme.sizes.dimension, self.pen.theme.dimension
        for number, runs in zip(ports, _ports(mesh), strict=False):
            along, across = made.spot(number)
            x, y = self.point(main + along, cross + across)
            half: float = 0.0
            anchor: Anchor = "middle"
            if self.direction == "right":  # next to its way
                half = made.sizes[number].along / 2 - 2
                half, anchor = (half, "end") if number < first else (-half, "start")
            self.pen.text(x + half, y + MIDDLE * text, runs, text, color, anchor)
        return [] if mesh.open else [(main + made.length, cross)]

    def draw_sign(self, item: Box | Join, main: float, cross: float) -> None:
        since = len(self.pen.items)
        self.pen.sign(*self.point(main, cross), item.verb)
        self.pen.grouped(since, item.id, hover(item.id, item.output, self.analysis))

    def draw_residual(self, join: Join, extent: Extent, main: float, cross: float) -> None:
        """A dot, the body, the sign on the axis; the shortcut beside them into the sign's side."""
        body, shortcut = self.measure(join.body), self.measure(join.shortcut)
        end = main + extent.length - PLUS
        start = (
            main + self.between + (extent.length - 2 * self.between - 2 * PLUS - body.length) / 2
        )
        self.enter(join.body, (main, cross), start, cross)
        leaving = self.place(join.body, start, cross)
        for along, across in leaving:  # beside the axis: several ways that only part and end here
            side = PLUS if across > cross else -PLUS
            beside = [(end, across), (end, cross + side)]
            self.arrow([(along, across), *(beside if across != cross else [(end - PLUS, cross)])])
        lane = cross + max(body.after, PLUS) + LANE + shortcut.before
        if join.shortcut:
            start = (main + end - shortcut.length) / 2
            into = self.arrow if isinstance(join.shortcut[0], Box) else self.line
            into([(main, cross), (main, lane), (start, lane)], join.projects)
            self.place(join.shortcut, start, lane)
            tail = [(start + shortcut.length, lane), (end, lane), (end, cross + PLUS)]
            self.arrow(tail, join.projects)
        else:
            self.arrow([(main, cross), (main, lane), (end, lane), (end, cross + PLUS)])
        self.pen.dot(*self.point(main, cross))
        self.draw_sign(join, end, cross)

    def enter(self, chain: Chain, origin: tuple[float, float], start: float, cross: float) -> None:
        """The line from a fork to the first element of a chain."""
        arrow = bool(chain) and isinstance(chain[0], Box)
        (self.arrow if arrow else self.line)([origin, (start, cross)])

    def draw_branches(
        self, join: Join, extent: Extent, main: float, cross: float
    ) -> list[tuple[float, float]]:
        """A bus, the paths, and a bar as wide as all of them."""
        extents = [self.measure(path) for path in join.paths]
        wanted = sum(max(e.across, BARE) for e in extents) + PATHS * (len(extents) - 1)
        longest = max(e.length for e in extents)
        first, edge = main + self.between, cross - wanted / 2
        leaving: list[tuple[float, float]] = []
        for path, size in zip(join.paths, extents, strict=True):
            axis = edge + max(size.before, BARE / 2)
            start = first + ((longest - size.length) / 2 if join.verb else 0.0)
            outer = path is join.paths[0] or path is join.paths[-1]
            bend = (
                [(main, cross), (main, axis), (start, axis)]
                if outer
                else [(main, axis), (start, axis)]
            )
            (self.arrow if path and isinstance(path[0], Box) else self.line)(bend)
            leaving += self.place(path, start, axis)
            edge += max(size.across, BARE) + PATHS
        if not join.verb:
            return leaving
        end = main + extent.length
        for place in leaving:
            self.arrow([place, (end - BAR, place[1])])
        self.draw_bar(join, extent, end - BAR, cross)
        return [(end, cross)]

    def draw_bar(self, join: Join, extent: Extent, main: float, cross: float) -> None:
        since = len(self.pen.items)
        x, y = self.point(main, cross - extent.before)
        w, h = self.point(BAR, extent.across)
        self.pen.rectangle(x, y, w, h, self.pen.theme.paint("norm"))
        size = self.pen.theme.sizes.box
        if self.direction == "right":
            text = self.bar_label(join)
            self.pen.text(x + w / 2 + MIDDLE * size, y + h / 2, text, size, angle=-90)
        else:
            self.pen.label(x, y, w, h, self.bar_label(join))
        self.pen.grouped(since, join.id, hover(join.id, join.output, self.analysis))

    def point(self, main: float, cross: float) -> tuple[float, float]:
        return (main, cross) if self.direction == "right" else (cross, main)

    def line(self, points: list[tuple[float, float]], dashed: bool = False) -> None:
        self.pen.line([self.point(*point) for point in points], dashed)

    def arrow(self, points: list[tuple[float, float]], dashed: bool = False) -> None:
        self.pen.arrow([self.point(*point) for point in points], dashed)


def hover(id: str, output: object, analysis: Analysis) -> str:
    """What the pointer over a thing shows: its path, shape, parameters, multiply-accumulates."""
    cost = analysis.costs.get(id)
    if cost is None:
        return f"{id}: {output}"
    return f"{id}: {output}, {cost.parameters:,} parameters, {cost.macs:,} MACs"


def _ports(mesh: Mesh) -> list[tuple[Run, ...]]:
    """What stands at the inputs and the results of an open mesh."""
    specs = (*mesh.inputs, *(mesh.boxes[end].output for end in mesh.ends))
    return [labels.shape(spec) for spec in specs] if mesh.open else []


def _on_axis(chain: Chain) -> Iterator[Box]:
    for item in chain:
        if isinstance(item, Box):
            yield item
        elif isinstance(item, Join) and item.residual:
            yield from _on_axis(item.body)
