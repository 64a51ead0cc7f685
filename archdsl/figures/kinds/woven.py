"""A network whose ways cross: rows by resolution, layers by what needs what, ways as curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from archdsl.figures.canvas.pen import CONTAINER, LINE, MIDDLE, Pen
from archdsl.figures.canvas.scene import Path, Run, polygon, words
from archdsl.figures.kinds.cells import CellPen, results_of
from archdsl.figures.kinds.weave import DOOR, Line, Size, Weave
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description
from archdsl.figures.network.grid import Cell
from archdsl.figures.network.modules import Repeated
from archdsl.figures.options import NarrowError, Options

RAISED, LOW = 1.6, 9.0  # words over a way: from it to their baseline; their line
HEADING = 14.0  # room for the names of what repeats
SPREAD = 30.0  # most distance of layers more than the least


@dataclass(frozen=True, slots=True)
class _Thing:
    """A cell, or words: at an input, over a way that goes on, or at a result."""

    row: int
    cell: Cell | None = None
    words: tuple[Run, ...] = ()
    passed: bool = False


class Woven:
    """Places cells in layers from left to right, and draws them and their ways."""

    def __init__(
        self, description: Description, options: Options, pen: Pen,
        letters: Mapping[str, str] | None,
        cells: Sequence[Cell], repeated: Sequence[Repeated],
    ) -> None:  # fmt: skip
        self.description, self.options, self.pen = description, options, pen
        self.cells, self.repeated = cells, repeated
        self.inner = CellPen(description, options, pen, letters, beside=False)
        self.inner.repeated = {first: one for one in repeated for first in one.cells}
        self.size = pen.theme.sizes.dimension
        self.things: list[_Thing] = []  # every way leads from one to a later one
        self.edges: list[tuple[int, int]] = []
        self.number: dict[str, int] = {}  # of inputs by name, of cells by their first units
        self.add_all()
        sizes = [self.extent(thing) for thing in self.things]
        rows = [thing.row for thing in self.things]
        self.weave = Weave(pen, sizes, self.edges, True, rows, self.lines())

    def add_all(self) -> None:
        graph, results = self.description.graph, results_of(self.description, self.cells)
        for name, spec in graph.inputs.items():
            rows = [cell.row for cell in self.cells if name in cell.sources]
            if rows:
                named = words(f"{name}  ", bold=True) if len(graph.inputs) > 1 else ()
                spaced = (*named, Run("  ")) if named else ()
                self.add(_Thing(min(rows), words=(*spaced, *labels.shape(spec))), name)
        for cell in self.cells:
            self.inner.write(cell)
            sources = []
            for id, text in cell.sources.items():
                source = self.number[id]
                if text:
                    row = self.things[source].row
                    sources.append(
                        self.add(_Thing(row, words=words(text), passed=True), "", source)
                    )
                else:
                    sources.append(source)
            number = self.add(_Thing(cell.row, cell), cell.first, *sources)
            if cell.first in results:
                self.add(_Thing(cell.row, words=words(results[cell.first])), "", number)

    def add(self, thing: _Thing, name: str, *sources: int) -> int:
        number = len(self.things)
        self.things.append(thing)
        self.edges += [(source, number) for source in sources]
        if name:
            self.number[name] = number
        return number

    def extent(self, thing: _Thing) -> Size:
        cell = thing.cell
        if cell is not None:
            wide = self.inner.width(cell) + self.inner.beside_slab(cell)
            door = 0.0 if self.inner.sign(cell) else 2 * DOOR * self.inner.half(cell)[1]
            return Size(wide, self.inner.height(cell), door)
        wide = self.pen.measure(thing.words, self.size)
        if thing.passed:
            return Size(wide + 4, 2 * LOW, None)
        return Size(wide + 4 * bool(wide), LOW)

    def lines(self) -> list[tuple[int, int]]:
        """Cells of a row, one after the other: they stand on one line where they can."""
        rows: dict[int, list[int]] = {}
        for number, thing in enumerate(self.things):
            if thing.cell is not None:
                rows.setdefault(thing.row, []).append(number)
        return [pair for row in rows.values() for pair in pairwise(row)]

    def draw(self) -> float:
        """Draws everything, in as many lines as it takes; gives the bottom."""
        weave, room = self.weave, self.options.width - 2 * LINE
        layers = len(weave.found.layers)
        if weave.length <= room:
            weave.spread(min(SPREAD, (room - weave.length) / max(1, layers - 1)))
        else:
            weave.wrap(room, self.above)
            if weave.length > room:
                subject = f"the figure of {self.description.title}"
                need = weave.length + 2 * LINE
                raise NarrowError(subject, self.options.width, need, "or draw a part: --only")
        left = (self.options.width - weave.length) / 2
        first, last = weave.lines[0], weave.lines[-1]
        top = 2.0 - weave.reach_of(first)[0] + self.above(first.first, first.end)
        for line in weave.lines:
            for one in self.repeated:
                self.heading(one, line, left + line.along, top)
        weave.draw_ways(left, top)
        cells = [thing for thing in self.things if thing.cell is not None]
        self.inner.still = {t.cell.first for t in cells if t.cell and not self.leads_on(t)}
        for number, thing in enumerate(self.things):
            along, across = weave.spot(number)
            self.thing(thing, left + along, top + across)
        return top + weave.reach_of(last)[1] + 2

    def above(self, first: int, end: int) -> float:
        """The room over a line for the names of what repeats in it."""
        layers = range(first, end)
        inside = (id for one in self.repeated for id in one.cells)
        return HEADING * any(self.weave.layer_of[self.number[id]] in layers for id in inside)

    def heading(self, one: Repeated, line: Line, left: float, top: float) -> None:
        """A bracket over the layers of what repeats in a line, with its name and how often."""
        numbers = [self.number[first] for first in one.cells]
        layers = range(line.first, line.end)
        spans = [self.weave.spans[n] for n in numbers if self.weave.layer_of[n] in layers]
        if not spans:
            return
        y = top + self.weave.reach_of(line)[0] - HEADING - 2
        start, end = left + min(a for a, _ in spans), left + max(b for _, b in spans)
        bracket_over(self.pen, one, start, end, y)

    def leads_on(self, thing: _Thing) -> bool:
        """Whether a way leaves a thing."""
        return any(self.things[source] is thing for source, _ in self.edges)

    def thing(self, thing: _Thing, x: float, y: float) -> None:
        if thing.cell is not None:
            beside = self.inner.beside_slab(thing.cell)
            if beside and self.leads_on(thing):  # between the words of a slab
                end = x + (self.inner.width(thing.cell) + beside) / 2
                self.pen.line([(end - beside, y), (end, y)])
            self.inner.draw(thing.cell, x - beside / 2, y)
            return
        if thing.passed:
            half = self.extent(thing).along / 2
            self.pen.line([(x - half, y), (x + half, y)])
        base = y - RAISED - 1 if thing.passed else y + MIDDLE * self.size
        self.pen.text(x, base, thing.words, self.size, self.pen.theme.dimension)


def bracket_over(pen: Pen, one: Repeated, start: float, end: float, top: float) -> None:
    """A bracket over what repeats, HEADING high, with its name and how often."""
    points = [(start, top + 13), (start, top + 10), (end, top + 10), (end, top + 13)]
    bracket = polygon(points, closed=False)
    pen.items.append(Path(bracket, "", pen.theme.container.stroke, CONTAINER))
    text = (*words(one.path, bold=True), Run(f" ×{one.count}"))
    pen.text((start + end) / 2, top + 7, text, pen.theme.sizes.dimension)
