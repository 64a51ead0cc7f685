"""A pyramid: rows by resolution, columns by what needs what (FPN; U-Net as a U)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.pen import LINE, MIDDLE, TURN, Pen
from archdsl.figures.canvas.scene import Anchor, Point, Run, Taken, flat, solid, words
from archdsl.figures.kinds.cells import CellPen, results_of
from archdsl.figures.kinds.legend import Entry, draw_legend, entries
from archdsl.figures.kinds.woven import HEADING, Woven, bracket_over
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description
from archdsl.figures.network.grid import Cell, arranged, cells_of
from archdsl.figures.network.modules import Repeated, modules_of, once
from archdsl.figures.options import NarrowError, Options

ACROSS, NEAR = 13.0, 9.0  # distance of columns, least if it must be
DOWN = (16.0, 24.0, 32.0)  # of rows: more where words on ways have no room
OUT, BUS = 12.0, 8.0  # length of the arrow of an output; from a bus to what it feeds
LANE = 5.0  # between a row and a way over it, and between such ways
SPREAD = 49.0  # most distance of columns more than the least


class _Pyramid:
    """Places cells on the grid and draws the ways between them."""

    def __init__(
        self, description: Description, options: Options, pen: Pen,
        letters: Mapping[str, str] | None,
        cells: Sequence[Cell], repeated: Sequence[Repeated], down: float,
    ) -> None:  # fmt: skip
        self.description, self.options, self.pen = description, options, pen
        self.cells, self.repeated, self.down = cells, repeated, down
        self.inner = CellPen(description, options, pen, letters, beside=True)
        self.inner.repeated = {first: one for one in repeated for first in one.cells}
        self.by_first = {cell.first: cell for cell in self.cells}
        self.outputs = results_of(description, cells)
        self.lanes = self.lanes_of_rows()
        self.inner.still = {cell.first for cell in cells if not self.leaves(cell)}
        self.words: list[tuple[Sequence[Point], tuple[Run, ...]]] = []  # on ways
        for cell in cells:
            self.inner.write(cell, "" if self.free(cell) else self.outputs.get(cell.first, ""))
        columns = max(cell.column for cell in self.cells) + 1
        self.shapes = [max(map(self.width, self.at(n)), default=0.0) for n in range(columns)]
        words = [max(map(self.inner.beside_slab, self.at(n)), default=0.0) for n in range(columns)]
        self.widths = [sum(pair) for pair in zip(self.shapes, words, strict=True)]
        self.place()

    def at(self, column: int) -> list[Cell]:
        return [cell for cell in self.cells if cell.column == column]

    def free(self, cell: Cell) -> bool:
        """Whether nothing stands right of a cell, and no way leaves it there."""
        right = (c for c in self.cells if c.column > cell.column)
        return not any(c.row == cell.row or cell.first in c.sources for c in right)

    def leaves(self, cell: Cell) -> bool:
        """Whether a way leaves a cell to the right."""
        taken = any(cell.first in c.sources and c.column > cell.column for c in self.cells)
        return taken or (cell.first in self.outputs and self.free(cell))

    def width(self, cell: Cell) -> float:
        return self.inner.width(cell)

    def height(self, cell: Cell) -> float:
        return self.inner.height(cell)

    def place(self) -> None:
        size = self.pen.theme.sizes.dimension
        ends = (self.outputs.get(c.first) for c in self.at(len(self.widths) - 1) if self.free(c))
        names = [self.pen.measure(name, size) for name in ends if name is not None]
        out = OUT + 3 + max(names) if names else 0.0
        room, ways = self.options.width - 2 * LINE, len(self.widths) - 1
        across = ACROSS if sum(self.widths) + ACROSS * ways + out <= room else NEAR
        need = sum(self.widths) + across * ways + out
        if need > room:
            subject = f"the pyramid of {self.description.title}"
            raise NarrowError(
                subject, self.options.width, need + 2 * LINE, "or draw a part: --only"
            )
        free = min((self.options.width - need) / len(self.widths), SPREAD)
        x = (self.options.width - need - free * (len(self.widths) - 1)) / 2
        self.middles = []
        for shape, wide in zip(self.shapes, self.widths, strict=True):
            self.middles.append(x + shape / 2)
            x += wide + across + free
        self.axes, self.tops, y = [], [], 12.0
        for row in range(max(cell.row for cell in self.cells) + 1):
            tall = max((self.height(c) for c in self.cells if c.row == row), default=0.0)
            y += self.above(row) + HEADING * any(self.first_row(o) == row for o in self.repeated)
            self.tops.append(y)
            self.axes.append(y + tall / 2)
            y += tall + self.down
        self.bottom = y - self.down

    def above(self, row: int) -> float:
        """The room that ways over a row take."""
        lanes = [lane for first, lane in self.lanes.items() if self.by_first[first].row == row]
        return LANE * (max(lanes) + 1) if lanes else 0.0

    def over(self, source: Cell, cell: Cell) -> bool:
        """Whether a way along a row has to go over what stands between its ends."""
        between = range(source.column + 1, cell.column)
        alike = source.row == cell.row and not cell.shared
        return alike and any(c.row == cell.row and c.column in between for c in self.cells)

    def lanes_of_rows(self) -> dict[str, int]:
        """The lane over its row, from 0, that ways from a cell take: the longest lie highest."""
        lanes: dict[str, int] = {}
        taken: list[tuple[int, int, int, int]] = []  # row, lane, first and last column
        ends: dict[str, int] = {}
        for cell in self.cells:
            for source in (self.by_first[id] for id in cell.sources if id in self.by_first):
                if self.over(source, cell):
                    ends[source.first] = max(ends.get(source.first, 0), cell.column)
        over = [cell for cell in self.cells if cell.first in ends]
        for source in sorted(over, key=lambda cell: ends[cell.first] - cell.column):
            start, end, lane = source.column, ends[source.first], 0
            while any(
                (row, other) == (source.row, lane) and a < end and start < b
                for row, other, a, b in taken
            ):
                lane += 1
            taken.append((source.row, lane, start, end))
            lanes[source.first] = lane
        return lanes

    def spot(self, cell: Cell) -> tuple[float, float]:
        return self.middles[cell.column], self.axes[cell.row]

    def draw(self) -> float | None:
        """Draws everything; gives the bottom, or None if there is no room for words on a way.

        Nor if an input would come in where something stands above, a bus would meet something, or
        ways would run against one another.
        """
        fed = [c for c in self.cells if any(id not in self.by_first for id in c.sources)]
        if any(a.column == b.column and a.row < b.row for a in self.cells for b in fed):
            return None
        if self.tangled() or self.opposed():
            return None
        since = len(self.pen.items)
        self.draw_ways()
        for cell in self.cells:
            self.inner.draw(cell, *self.spot(cell))
        for first, name in self.outputs.items():
            if self.free(self.by_first[first]):
                self.output(self.by_first[first], name)
        taken = Taken(box for item in flat(self.pen.items[since:]) for box in solid(item))
        size = self.pen.theme.sizes.dimension
        longest = sorted(self.words, key=lambda told: -self.pen.measure(told[1], size))
        for points, text in longest:  # first: short ones find room between them
            if not self.write(points, text, taken):
                return None
        if not all(self.heading(one, taken) for one in self.repeated):
            return None
        return self.bottom + 2

    def first_row(self, one: Repeated) -> int:
        return min(self.by_first[first].row for first in one.cells)

    def heading(self, one: Repeated, taken: Taken) -> bool:
        """A bracket over what repeats, with its name and how often, if nothing else is there."""
        inside = [self.by_first[first] for first in one.cells]
        rows, columns = ({c.row for c in inside}, {c.column for c in inside})
        among = [
            cell for cell in self.cells if cell not in inside
            and min(rows) <= cell.row <= max(rows) and min(columns) <= cell.column <= max(columns)
        ]  # fmt: skip
        left = min(self.spot(c)[0] - self.width(c) / 2 for c in inside)
        right = max(self.spot(c)[0] + self.width(c) / 2 for c in inside)
        top = self.tops[min(rows)] - self.above(min(rows)) - HEADING
        if among or taken.meets((left, top - 2, right, top + 10)):
            return False
        bracket_over(self.pen, one, left, right, top)
        return True

    def write(self, points: Sequence[Point], text: tuple[Run, ...], taken: Taken) -> bool:
        """Writes words beside a way where nothing else is, if there is such a place."""
        size, color = self.pen.theme.sizes.dimension, self.pen.theme.dimension
        wide = self.pen.measure(text, size)
        for x, y, anchor in _beside(points, size):
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = left - 1, y - size, left + wide + 1, y + 0.3 * size
            inside = box[0] >= 0 and box[2] <= self.options.width
            if inside and not taken.meets(box):
                taken.add(box)
                self.pen.text(x, y, text, size, color, anchor)
                return True
        return False

    @property
    def buses(self) -> dict[tuple[int, tuple[str, ...]], list[Cell]]:
        """What is applied to each of several maps, by its column and what gives them."""
        found: dict[tuple[int, tuple[str, ...]], list[Cell]] = {}
        for cell in (cell for cell in self.cells if cell.shared):
            found.setdefault((cell.column, tuple(cell.sources)), []).append(cell)
        return found

    def tangled(self) -> bool:
        """Whether a bus would meet another one, or on its way something in a row it comes from."""
        met: list[tuple[int, int, int]] = []  # the columns and rows of buses
        for (column, sources), fed in self.buses.items():
            feeding = [self.by_first[id] for id in sources if id in self.by_first]
            rows = [cell.row for cell in (*feeding, *fed)]
            low, high = min(rows), max(rows)
            between = any(
                cell.row == source.row and source.column < cell.column < column
                for source in feeding
                for cell in self.cells
            )
            if between or any(c == column and a <= high and low <= b for c, a, b in met):
                return True
            met.append((column, low, high))
        return False

    def opposed(self) -> bool:
        """Whether a way over a row would come down into a sign where another goes up from it."""
        pairs = [
            (self.by_first[id], cell) for cell in self.cells for id in cell.sources
            if id in self.by_first
        ]  # fmt: skip
        reached = {cell.first for source, cell in pairs if self.over(source, cell)}
        return any(
            source.first in reached and self.inner.sign(source)
            for source, cell in pairs
            if source.column == cell.column and cell.row < source.row
        )

    def draw_ways(self) -> None:
        for cell in (cell for cell in self.cells if not cell.shared):
            for id, text in cell.sources.items():
                source = self.by_first.get(id)
                if source:
                    self.way(source, cell, text)
                else:
                    self.input(cell, id, text)
        for (_, sources), fed in self.buses.items():
            feeding = [self.by_first[id] for id in sources if id in self.by_first]
            if feeding:
                self.bus(feeding, fed)
            for cell in fed:
                for id in (id for id in sources if id not in self.by_first):
                    self.input(cell, id, "")

    def input(self, cell: Cell, name: str, text: str) -> None:
        x, y = self.spot(cell)
        top = y - self.inner.half(cell)[1]
        start = self.tops[cell.row] - 9 - self.above(cell.row)
        self.pen.arrow([(x, start), (x, top)])
        said = (Run("  "), *words(text)) if text else ()
        shape = (*labels.shape(self.description.graph.inputs[name]), *said)
        self.words.append(([(x, start), (x, start + 5)], shape))

    def output(self, cell: Cell, name: str) -> None:
        """An arrow out of the network, to the right."""
        x, y = self.spot(cell)
        right, size = x + self.inner.half(cell)[0], self.pen.theme.sizes.dimension
        end = right + self.inner.beside_slab(cell) + OUT
        self.pen.arrow([(right, y), (end, y)])
        place = end + 2, y + MIDDLE * size
        self.pen.text(*place, name, size, self.pen.theme.dimension, "start")

    def way(self, source: Cell, cell: Cell, text: str) -> None:
        """Across in a row, down in a column, else across and then up or down into the cell."""
        (x0, y0), (x1, y1) = self.spot(source), self.spot(cell)
        (wide, half0), (wide1, half1) = self.inner.half(source), self.inner.half(cell)
        right, left = x0 + wide, x1 - wide1
        sign = 1 if y1 > y0 else -1
        if self.over(source, cell):
            lane = self.tops[cell.row] - LANE * (self.lanes[source.first] + 1)
            x0, x1 = x0 + wide / 2, x1 - wide1 / 2 * (not self.inner.sign(cell))
            points = [(x0, y0 - half0), (x0, lane), (x1, lane), (x1, y1 - half1)]
        elif source.row == cell.row:
            points = [(right, y0), (left, y1)]
        elif source.column == cell.column:
            points = [(x0, y0 + sign * half0), (x1, y1 - sign * half1)]
        else:
            points = [(right, y0), (x1, y0), (x1, y1 - sign * half1)]
            if self.goes_on(source, cell.column):
                self.pen.dot(x1 - TURN, y0)
        self.pen.arrow(points)
        if text:
            self.words.append((points, words(text)))

    def goes_on(self, source: Cell, column: int) -> bool:
        """Whether another way from a cell goes along its row past a column."""
        return any(source.first in c.sources and c.column > column for c in self.cells)

    def bus(self, sources: Sequence[Cell], fed: Sequence[Cell]) -> None:
        """One line down that all sources run into, and that feeds what is applied to each."""
        across = self.middles[fed[0].column] - self.shapes[fed[0].column] / 2 - BUS
        starts = [self.spot(source) for source in sources]
        heights = [y for _, y in (*starts, *map(self.spot, fed))]
        middle = (min(heights) + max(heights)) / 2
        ahead = [self.spot(cell)[1] for cell in fed]
        for source, (x, y) in zip(sources, starts, strict=True):
            turn = [(x + self.inner.half(source)[0], y), (across, y), (across, middle)]
            for points in pairwise(turn) if y in ahead else [turn]:  # one goes on as it comes
                self.pen.line(points)
            if y in ahead and len({*heights}) > 1:  # it is no crossing
                self.pen.dot(across, y)
        for cell in fed:
            x, y = self.spot(cell)
            if y not in [height for _, height in starts]:
                self.pen.line([(across, middle), (across, y)])
            self.pen.arrow([(across, y), (x - self.inner.half(cell)[0], y)])


def _beside(points: Sequence[Point], size: float) -> Iterator[tuple[float, float, Anchor]]:
    """Places for words beside a way, the last part of it first: right or left of it, or above."""
    for (xa, ya), (xb, yb) in reversed([*pairwise(points)]):
        if xa == xb:
            for part in (0.5, 0.3, 0.7, 0.6, 0.4, 0.8):
                base = ya + part * (yb - ya) + MIDDLE * size
                yield xa + 4, base, "start"
                yield xa - 4, base, "end"
        else:
            for part in (0.5, 0.3, 0.7):
                yield xa + part * (xb - xa), ya - 3, "middle"


def _on_grid(
    pen: Pen, description: Description, options: Options, letters: Mapping[str, str] | None,
    cells: Sequence[Cell], repeated: Sequence[Repeated],
) -> float | None:  # fmt: skip
    """Draws cells in rows and columns; gives the bottom, None if they fit no such grid."""
    since = len(pen.items)
    if len(description.graph.inputs) > 1 or not arranged(cells):
        return None
    with suppress(NarrowError):
        for down in DOWN:
            bottom = _Pyramid(description, options, pen, letters, cells, repeated, down).draw()
            if bottom is not None:
                return bottom
            del pen.items[since:]
    return None


def draw_pyramid(
    pen: Pen, description: Description, options: Options, letters: Mapping[str, str] | None
) -> tuple[float, list[Entry]]:
    """Draws the network, with letters in its cells if insets go with it; gives bottom and legend.

    Where ways along rows and columns would meet something, have no room for what is said on them or
    do not fit the width, modules that repeat stand once, with a number; if that is not enough, and
    where there are several inputs, ways are curves between layers.
    """
    modules = modules_of(description)
    cells = cells_of(description, modules)
    bottom = _on_grid(pen, description, options, letters, cells, [])
    if bottom is None:
        cells, repeated = once(description, cells, modules)
        if repeated:
            bottom = _on_grid(pen, description, options, letters, cells, repeated)
        if bottom is None:
            bottom = Woven(description, options, pen, letters, cells, repeated).draw()
    shown = (cell.main.telling for cell in cells if not cell.sign)
    return bottom, entries(pen, filter(None, shown))


def pyramid(description: Description, options: Options, pen: Pen) -> float:
    """The kind `pyramid`; gives the height."""
    if description.linear:
        rows = [cell.row for cell in cells_of(description, {})]
        if rows == sorted(rows):
            raise UsageError(
                f"{description.title} has no neck that joins resolutions; --kind strip shows it"
            )
    bottom, found = draw_pyramid(pen, description, options, None)
    return draw_legend(pen, found, options.width, bottom + 6) if options.legend else bottom
