"""A pyramid: rows by resolution, columns by what needs what (FPN; U-Net as a U)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.text import rest_of
from archdsl.figures.canvas.pen import LINE, MIDDLE, PLUS, TURN, Pen
from archdsl.figures.canvas.scene import Run, words
from archdsl.figures.kinds.block_layout import hover
from archdsl.figures.kinds.legend import Entry, draw_legend, entries
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description, Unit, vary
from archdsl.figures.network.grid import Cell, cells_of
from archdsl.figures.options import NarrowError, Options
from archdsl.graph.graph import INPUT
from archdsl.ops.base import sum_of

LINE_HEIGHT, INSIDE = 8.4, 5.0  # of text in a cell; margin in a cell
ACROSS, NEAR, DOWN = 13.0, 9.0, 16.0  # distance of columns, least if it must be; of rows
OUT, BUS = 12.0, 8.0  # length of the arrow of an output; from a bus to what it feeds
LANE = 5.0  # between a row and a way over it, and between such ways
OPS = 6  # of a block that is no tree and that a cell lists rather than names it
SPREAD = 49.0  # most distance of columns more than the least


class _Pyramid:
    """Places cells on the grid and draws the ways between them."""

    def __init__(
        self, description: Description, options: Options, pen: Pen, letters: Mapping[str, str]
    ) -> None:
        self.description, self.options, self.pen = description, options, pen
        self.letters = letters
        self.cells = cells_of(description)
        if description.linear and all(a.row <= b.row for a, b in pairwise(self.cells)):
            raise UsageError(
                f"{description.title} has no neck that joins resolutions; --kind strip shows it"
            )
        self.by_first = {cell.first: cell for cell in self.cells}
        self.outputs = self.named_outputs()
        self.lanes = self.lanes_of_rows()
        self.lines = {cell.id: self.text(cell) for cell in self.cells}
        columns = max(cell.column for cell in self.cells) + 1
        self.widths = [
            max(self.width(cell) for cell in self.cells if cell.column == n) if self.at(n) else 0.0
            for n in range(columns)
        ]
        self.place()

    def at(self, column: int) -> list[Cell]:
        return [cell for cell in self.cells if cell.column == column]

    def named_outputs(self) -> dict[str, str]:
        """What the results of a cell are called, by its first unit: `p3`, `logits0–4`."""
        names: dict[str, list[str]] = {}
        for name, id in self.description.graph.outputs.items():
            owner = self.description.owners[self.description.reducer.source[id]]
            for cell in self.cells:
                if any(unit.id == owner for unit in cell.units):
                    names.setdefault(cell.first, []).append(name)
        return {
            first: f"{found[0]}–{rest_of(found[0], found[-1])}" if len(found) > 1 else found[0]
            for first, found in names.items()
        }

    def free(self, cell: Cell) -> bool:
        """Whether nothing stands right of a cell."""
        return not any(c.row == cell.row and c.column > cell.column for c in self.cells)

    def text(self, cell: Cell) -> list[tuple[Run, ...]]:
        """Lines in a cell: its name, what it does, on how many maps, what it gives and costs."""
        show = self.options.show
        letters = dict.fromkeys(self.letters.get(unit.id, "") for unit in cell.units)
        marks = ", ".join(filter(None, letters))
        named = words(cell.name(self.description.names), bold=True) if "names" in show else ()
        title = (*named, Run(f"{' ' * bool(named)}({marks})")) if marks else named
        lines = [title, *map(words, _parts(cell.units))]
        shape = labels.shape(cell.outputs[0])
        if cell.shared:
            lines.append(words(f"on each of {len(cell.outputs)} maps"))
            shape = (*shape, Run("–"), *labels.size(cell.outputs[-1]))
        lines.append(shape if "shapes" in show else ())
        lines += map(words, labels.amounts(sum_of(unit.cost for unit in cell.units), show))
        name = self.outputs.get(cell.first)
        lines.append(words(f"→ {name}") if name and not self.free(cell) else ())
        return [line for line in lines if line]

    def width(self, cell: Cell) -> float:
        if cell.sign:
            return 2 * PLUS
        size = self.pen.theme.sizes.dimension
        return max(self.pen.measure(line, size) for line in self.lines[cell.id]) + 2 * INSIDE

    def height(self, cell: Cell) -> float:
        return 2 * PLUS if cell.sign else len(self.lines[cell.id]) * LINE_HEIGHT + 5

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
        for wide in self.widths:
            self.middles.append(x + wide / 2)
            x += wide + across + free
        self.axes, self.tops, y = [], [], 12.0
        for row in range(max(cell.row for cell in self.cells) + 1):
            tall = max((self.height(c) for c in self.cells if c.row == row), default=0.0)
            y += self.above(row)
            self.tops.append(y)
            self.axes.append(y + tall / 2)
            y += tall + DOWN
        self.bottom = y - DOWN

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
        """The lane over its row, from 0, that ways from a cell take: none is taken twice."""
        lanes: dict[str, int] = {}
        taken: list[tuple[int, int, int, int]] = []  # row, lane, first and last column
        for source in self.cells:
            ends = [
                c.column for c in self.cells if source.first in c.sources and self.over(source, c)
            ]
            if not ends:
                continue
            start, end, lane = source.column, max(ends), 0
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

    def draw(self) -> float:
        buses: dict[tuple[int, tuple[str, ...]], list[Cell]] = {}
        for cell in self.cells:
            if cell.shared:
                buses.setdefault((cell.column, tuple(cell.sources)), []).append(cell)
                continue
            for id, text in cell.sources.items():
                source = self.by_first.get(id)
                if source:
                    self.way(source, cell, text)
                elif id == INPUT:
                    self.input(cell, text)
        for (_, sources), fed in buses.items():
            feeding = [self.by_first[id] for id in sources if id != INPUT]
            if feeding:
                self.bus(feeding, fed)
            for cell in fed if INPUT in sources else ():
                self.input(cell, "")
        for cell in self.cells:
            self.cell(cell)
        for first, name in self.outputs.items():
            if self.free(self.by_first[first]):
                self.output(self.by_first[first], name)
        return self.bottom + 2

    def input(self, cell: Cell, text: str) -> None:
        x, y = self.spot(cell)
        top = y - self.height(cell) / 2
        start = self.tops[cell.row] - 9 - self.above(cell.row)
        self.pen.arrow([(x, start), (x, top)])
        size = self.pen.theme.sizes.dimension
        shape = (*labels.shape(self.description.graph.input), *words(f"  {text}"))
        self.pen.text(x + 4, start + 5, shape, size, self.pen.theme.dimension, "start")

    def output(self, cell: Cell, name: str) -> None:
        """An arrow out of the network, to the right."""
        x, y = self.spot(cell)
        right, size = x + self.width(cell) / 2, self.pen.theme.sizes.dimension
        self.pen.arrow([(right, y), (right + OUT, y)])
        place = right + OUT + 2, y + MIDDLE * size
        self.pen.text(*place, name, size, self.pen.theme.dimension, "start")

    def cell(self, cell: Cell) -> None:
        since, (x, y) = len(self.pen.items), self.spot(cell)
        if cell.sign:
            self.pen.sign(x, y, cell.sign)
        else:
            w, h = self.width(cell), self.height(cell)
            paint = self.pen.theme.paint(cell.main.role)
            self.pen.rectangle(x - w / 2, y - h / 2, w, h, paint)
            size = self.pen.theme.sizes.dimension
            for number, line in enumerate(self.lines[cell.id]):
                base = y - h / 2 + 2.5 + LINE_HEIGHT * (number + 0.5) + MIDDLE * size
                self.pen.text(x, base, line, size)
        title = hover(cell.id, cell.outputs[0], self.description.analysis)
        stands = [unit.id for unit in (*cell.enlarged, *cell.units)]
        listed = [box for unit in cell.units if len(unit.ops) <= OPS for box in unit.ops]
        stands += [path for box in listed for path in (box.id, *box.stands)]
        self.pen.grouped(since, cell.id, title, stands)

    def way(self, source: Cell, cell: Cell, text: str) -> None:
        """Across in a row, down in a column, else across and then up or down into the cell."""
        (x0, y0), (x1, y1) = self.spot(source), self.spot(cell)
        right, left = x0 + self.width(source) / 2, x1 - self.width(cell) / 2
        half0, half1 = self.height(source) / 2, self.height(cell) / 2
        sign = 1 if y1 > y0 else -1
        near = x0, y0
        if self.over(source, cell):
            lane = self.tops[cell.row] - LANE * (self.lanes[source.first] + 1)
            x0, x1 = x0 + self.width(source) / 4, x1 - self.width(cell) / 4 * (not cell.sign)
            points = [(x0, y0 - half0), (x0, lane), (x1, lane), (x1, y1 - half1)]
        elif source.row == cell.row:
            points = [(right, y0), (left, y1)]
            near = (right + left) / 2, y0
        elif source.column == cell.column:
            points = [(x0, y0 + sign * half0), (x1, y1 - sign * half1)]
        else:
            points = [(right, y0), (x1, y0), (x1, y1 - sign * half1)]
            if self.goes_on(source, cell.column):
                self.pen.dot(x1 - TURN, y0)
        self.pen.arrow(points)
        if text:
            (xa, ya), (xb, yb) = points[-2:]
            size = self.pen.theme.sizes.dimension
            place = (xb + 4, (ya + yb) / 2 + MIDDLE * size) if xa == xb else (near[0], near[1] - 3)
            anchor = "start" if xa == xb else "middle"
            self.pen.text(*place, text, size, self.pen.theme.dimension, anchor)  # type: ignore[arg-type]

    def goes_on(self, source: Cell, column: int) -> bool:
        """Whether another way from a cell goes along its row past a column."""
        return any(source.first in c.sources and c.column > column for c in self.cells)

    def bus(self, sources: Sequence[Cell], fed: Sequence[Cell]) -> None:
        """One line down that all sources run into, and that feeds what is applied to each."""
        across = self.middles[fed[0].column] - self.widths[fed[0].column] / 2 - BUS
        starts = [self.spot(source) for source in sources]
        heights = [y for _, y in (*starts, *map(self.spot, fed))]
        middle = (min(heights) + max(heights)) / 2
        for source, (x, y) in zip(sources, starts, strict=True):
            self.pen.line([(x + self.width(source) / 2, y), (across, y), (across, middle)])
        for cell in fed:
            x, y = self.spot(cell)
            if y not in [height for _, height in starts]:
                self.pen.line([(across, middle), (across, y)])
            self.pen.arrow([(across, y), (x - self.width(cell) / 2, y)])


def _parts(units: Sequence[Unit]) -> list[str]:
    """What is in a cell, equals in a row counted: `concat`, `3×3, 64 ×2`."""
    found = [(text, sum(layers for _, layers in run))
             for text, run in groupby(_texts(units), key=itemgetter(0))]  # fmt: skip
    lines = [f"{text} ×{count}" if count > 1 else text for text, count in found]
    return [*lines, *filter(None, [vary(units)])]


def _texts(units: Sequence[Unit]) -> Iterator[tuple[str, int]]:
    """Words for every unit and how many layers they stand for; ops of a block that is no tree."""
    for unit in units:
        if 0 < len(unit.ops) <= OPS:
            yield from ((box.label, 1) for box in unit.ops)
        else:
            yield labels.written(unit.terms), unit.layers


def draw_pyramid(
    pen: Pen, description: Description, options: Options, letters: Mapping[str, str]
) -> tuple[float, list[Entry]]:
    """Draws the pyramid, with the letters of units in its cells; gives its bottom and a legend."""
    made = _Pyramid(description, options, pen, letters)
    bottom = made.draw()
    shown = (cell.main.telling for cell in made.cells if not cell.sign)
    return bottom, entries(pen, filter(None, shown))


def pyramid(description: Description, options: Options, pen: Pen) -> float:
    """The kind `pyramid`; gives the height."""
    bottom, found = draw_pyramid(pen, description, options, {})
    return draw_legend(pen, found, options.width, bottom + 6) if options.legend else bottom
