"""A pyramid: rows by resolution, columns by what needs what (FPN; U-Net as a U)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log2

from archdsl.diagnostics import UsageError
from archdsl.graph import INPUT
from archdsl.renderers import labels
from archdsl.renderers.description import Description, Unit, name_of
from archdsl.renderers.layout import hover
from archdsl.renderers.legend import draw_legend, entries
from archdsl.renderers.options import Options
from archdsl.renderers.pen import LINE, PLUS, Pen
from archdsl.renderers.scene import Run, words
from archdsl.renderers.strip import resolution
from archdsl.renderers.tree import boxes
from archdsl.tensor import TensorSpec

LINE_HEIGHT, INSIDE = 8.4, 5.0  # of text in a cell; margin in a cell
ACROSS, DOWN = 22.0, 16.0  # least distance of columns; of rows


@dataclass
class Cell:
    """Units of one resolution one after another; `sources` are cells, with words on the way."""

    units: list[Unit]
    sources: dict[str, str] = field(default_factory=dict)
    row: int = 0
    column: int = 0

    @property
    def id(self) -> str:
        return self.units[-1].id

    @property
    def output(self) -> TensorSpec:
        return self.units[-1].output

    @property
    def sign(self) -> str:
        """`add` or `multiply` if it is nothing else."""
        verb = self.units[0].block
        return verb if len(self.units) == 1 and verb in ("add", "multiply") else ""

    @property
    def main(self) -> Unit:
        """The unit that gives the cell its color."""
        telling = [unit for unit in self.units if unit.role not in ("pool", "norm")]
        return telling[0] if telling else self.units[0]


def _cells(description: Description) -> list[Cell]:
    """Units merged along lines of one resolution; what only enlarges is said on the way."""
    edges = description.feeds
    uses: dict[str, list[str]] = {}
    for id, sources in edges.items():
        for source in sources:
            uses.setdefault(source, []).append(id)
    owners = description.owners
    ends = {owners.get(description.reducer.source[id]) for id in description.graph.taps.values()}
    rows = _rows(description)
    cells: dict[str, Cell] = {}
    place: dict[str, str] = {INPUT: INPUT}  # unit: the cell it is in, by its first unit
    passed: dict[str, tuple[str, str]] = {}  # an enlarging unit: what feeds it, its words
    for unit in description.units:
        sources = edges[unit.id]
        verb = boxes(unit.chain)[0].verb if unit.kind == "op" else ""
        if verb in ("resize", "conv_transpose") and len(uses.get(unit.id, [])) == 1 and sources:
            words = boxes(unit.chain)[0].label.replace("resize ", "")
            passed[unit.id] = place.get(sources[0], INPUT), words
            continue
        only = sources[0] if len(sources) == 1 and sources[0] not in passed else ""
        before = cells.get(place.get(only, ""))
        joined = before and before.units[-1].id == only and len(uses[only]) == 1
        joined = joined and only not in ends and not (before and before.sign)
        if before and joined and rows[before.id] == rows[unit.id]:
            before.units.append(unit)
            place[unit.id] = place[only]
            continue
        cell = Cell([unit])
        for source in sources:
            name, text = passed.get(source, (place.get(source, INPUT), ""))
            cell.sources[name] = text
        cells[unit.id] = cell
        place[unit.id] = unit.id
    _number(cells, rows)
    return list(cells.values())


def _rows(description: Description) -> dict[str, int]:
    """The row of every unit: how often the map was halved on the way, less how often doubled.

    Convolutions without padding make maps a little smaller, which is no row of its own.
    """
    levels = {INPUT: 0}
    for unit in description.units:
        shrunk = resolution(unit.input) / resolution(unit.output)
        source = next(iter(description.feeds[unit.id]), INPUT)
        levels[unit.id] = levels[source] + round(log2(shrunk))
    order = sorted({levels[unit.id] for unit in description.units})
    return {unit.id: order.index(levels[unit.id]) for unit in description.units}


def _number(cells: dict[str, Cell], rows: dict[str, int]) -> None:
    """Rows by size; a cell stands right of what feeds it in its row, and not left of the rest."""
    taken: set[tuple[int, int]] = set()
    for cell in cells.values():
        cell.row = rows[cell.id]
        for id in cell.sources:
            source = cells.get(id)
            if source:
                step = 1 if source.row == cell.row else 0
                cell.column = max(cell.column, source.column + step)
        while (cell.row, cell.column) in taken:
            cell.column += 1
        taken.add((cell.row, cell.column))
    for cell in cells.values():
        for source in (cells[id] for id in cell.sources if id in cells):
            if source.row != cell.row and source.column < cell.column:
                _clear(cells, source, cell.column)


def _clear(cells: dict[str, Cell], source: Cell, column: int) -> None:
    """Moves what stands in the way from a cell to a column further right."""
    after = sorted(
        (c for c in cells.values() if c.row == source.row and c.column > source.column),
        key=lambda c: c.column,
    )
    if after and after[0].column <= column:
        shift = column + 1 - after[0].column
        for cell in after:
            cell.column += shift


class _Pyramid:
    """Places cells on the grid and draws the ways between them."""

    def __init__(self, description: Description, options: Options, pen: Pen) -> None:
        self.description, self.options, self.pen = description, options, pen
        self.cells = _cells(description)
        self.by_id = {cell.units[0].id: cell for cell in self.cells}
        self.lines = {cell.id: self.text(cell) for cell in self.cells}
        columns = max(cell.column for cell in self.cells) + 1
        if columns == 1:
            raise UsageError(
                f"{description.title} has no neck that joins resolutions; --kind strip shows it"
            )
        self.widths = [
            max(self.width(cell) for cell in self.cells if cell.column == n) if self.at(n) else 0.0
            for n in range(columns)
        ]
        self.place()

    def at(self, column: int) -> list[Cell]:
        return [cell for cell in self.cells if cell.column == column]

    def text(self, cell: Cell) -> list[tuple[tuple[Run, ...], bool]]:
        """Lines in a cell, and whether each is in the color of dimensions."""
        ids = [cell.main.id] if cell.main.kind == "op" else [
            unit.id for unit in cell.units if unit.block == cell.main.block
        ]  # fmt: skip
        lines = [(words(name_of(ids, self.description.units), bold=True), False)]
        lines += [(words(what), False) for what in _parts(cell.units)]
        return [*lines, (labels.shape(cell.output), True)]

    def width(self, cell: Cell) -> float:
        if cell.sign:
            return 2 * PLUS
        size = self.pen.theme.sizes.dimension
        return max(self.pen.measure(line, size) for line, _ in self.lines[cell.id]) + 2 * INSIDE

    def height(self, cell: Cell) -> float:
        return 2 * PLUS if cell.sign else len(self.lines[cell.id]) * LINE_HEIGHT + 5

    def place(self) -> None:
        need = sum(self.widths) + ACROSS * (len(self.widths) - 1)
        if need > self.options.width - 2 * LINE:
            raise UsageError(
                f"the pyramid of {self.description.title} needs {need:.0f} pt, more than"
                f" {self.options.width:.0f} pt; give a larger --width"
            )
        free = min((self.options.width - need) / len(self.widths), 40.0)
        x = (self.options.width - need - free * (len(self.widths) - 1)) / 2
        self.middles = []
        for wide in self.widths:
            self.middles.append(x + wide / 2)
            x += wide + ACROSS + free
        self.axes, y = [], 12.0
        for row in range(max(cell.row for cell in self.cells) + 1):
            tall = max((self.height(c) for c in self.cells if c.row == row), default=0.0)
            self.axes.append(y + tall / 2)
            y += tall + DOWN
        self.bottom = y - DOWN

    def spot(self, cell: Cell) -> tuple[float, float]:
        return self.middles[cell.column], self.axes[cell.row]

    def draw(self) -> float:
        for cell in self.cells:
            for id, text in cell.sources.items():
                source = self.by_id.get(id)
                if source:
                    self.way(source, cell, text)
                elif id == INPUT:
                    self.input(cell)
        for cell in self.cells:
            self.cell(cell)
        for name, id in self.description.graph.outputs.items():
            self.output(name, self.description.reducer.source[id])
        return self.bottom + 2

    def input(self, cell: Cell) -> None:
        x, y = self.spot(cell)
        top = y - self.height(cell) / 2
        self.pen.arrow([(x, top - 9), (x, top)])
        size = self.pen.theme.sizes.dimension
        shape = labels.shape(self.description.graph.input)
        self.pen.text(x + 4, top - 4, shape, size, self.pen.theme.dimension, "start")

    def output(self, name: str, id: str) -> None:
        """An arrow out of the network, to the right if nothing stands there."""
        owner = self.description.owners.get(id)
        cell = next((c for c in self.cells if any(u.id == owner for u in c.units)), None)
        if cell is None:
            return
        x, y = self.spot(cell)
        right = x + self.width(cell) / 2
        if any(c.row == cell.row and c.column > cell.column for c in self.cells):
            return
        wide = self.pen.measure(name, self.pen.theme.sizes.dimension)
        if right + 14 + wide > self.options.width:
            return
        self.pen.arrow([(right, y), (right + 12, y)])
        size = self.pen.theme.sizes.dimension
        self.pen.text(right + 14, y + 0.36 * size, name, size, self.pen.theme.dimension, "start")

    def cell(self, cell: Cell) -> None:
        since, (x, y) = len(self.pen.items), self.spot(cell)
        if cell.sign:
            self.pen.sign(x, y, cell.sign)
        else:
            w, h = self.width(cell), self.height(cell)
            paint = self.pen.theme.paint(cell.main.role)
            self.pen.rectangle(x - w / 2, y - h / 2, w, h, paint)
            size = self.pen.theme.sizes.dimension
            for number, (line, _) in enumerate(self.lines[cell.id]):
                base = y - h / 2 + 2.5 + LINE_HEIGHT * (number + 0.5) + 0.36 * size
                self.pen.text(x, base, line, size)
        title = hover(cell.id, cell.output, self.description.analysis)
        self.pen.grouped(since, cell.id, title)

    def way(self, source: Cell, cell: Cell, text: str) -> None:
        """Across in a row, down in a column, else across and then up or down into the cell."""
        (x0, y0), (x1, y1) = self.spot(source), self.spot(cell)
        right, left = x0 + self.width(source) / 2, x1 - self.width(cell) / 2
        half0, half1 = self.height(source) / 2, self.height(cell) / 2
        sign = 1 if y1 > y0 else -1
        near = x0, y0
        if source.row == cell.row:
            between = range(source.column + 1, cell.column)
            crossed = [c for c in self.cells if c.row == cell.row and c.column in between]
            if crossed:
                over = y0 - max(map(self.height, [*crossed, source, cell])) / 2 - 5
                points = [(x0, y0 - half0), (x0, over), (x1, over), (x1, y1 - half1)]
            else:
                points = [(right, y0), (left, y1)]
                near = (right + left) / 2, y0
        elif source.column == cell.column:
            points = [(x0, y0 + sign * half0), (x1, y1 - sign * half1)]
        else:
            points = [(right, y0), (x1, y0), (x1, y1 - sign * half1)]
        self.pen.arrow(points)
        if text:
            (xa, ya), (xb, yb) = points[-2:]
            size = self.pen.theme.sizes.dimension
            place = (xb + 4, (ya + yb) / 2 + 0.36 * size) if xa == xb else (near[0], near[1] - 3)
            anchor = "start" if xa == xb else "middle"
            self.pen.text(*place, text, size, self.pen.theme.dimension, anchor)  # type: ignore[arg-type]


def _parts(units: Sequence[Unit]) -> list[str]:
    """What is in a cell, equals in a row counted: `concat`, `3×3, 64 ×2`."""
    found: list[tuple[str, int]] = []
    for unit in units:
        what = unit.label if unit.kind == "op" else unit.block.replace("_", " ")
        if found and found[-1][0] == what:
            found[-1] = what, found[-1][1] + unit.layers
        else:
            found.append((what, unit.layers))
    return [f"{what} ×{count}" if count > 1 else what for what, count in found]


def pyramid(description: Description, options: Options, pen: Pen) -> float:
    """The kind `pyramid`; gives the height."""
    made = _Pyramid(description, options, pen)
    bottom = made.draw()
    if not options.legend:
        return bottom
    shown = [cell.main for cell in made.cells if not cell.sign]
    own = [next(b for b in boxes(u.chain) if b.role == u.role) for u in shown if u.chain]
    return draw_legend(pen, entries(pen, own), options.width, bottom + 6)
