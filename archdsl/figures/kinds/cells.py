"""Cells of pyramids and of networks that are woven: what they say, their size, their box."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from math import ceil, sqrt
from operator import itemgetter

from archdsl.diagnostics.text import rest_of
from archdsl.figures.canvas.pen import MIDDLE, PLUS, Pen, Slab, slab_for
from archdsl.figures.canvas.scene import Run, words
from archdsl.figures.kinds.block_layout import hover
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description, vary
from archdsl.figures.network.grid import Cell
from archdsl.figures.network.modules import Repeated
from archdsl.figures.network.tree import Mesh
from archdsl.figures.network.units import Unit, resolution, sides
from archdsl.figures.options import Options
from archdsl.ops import SIGNED
from archdsl.ops.base import sum_of
from archdsl.ops.tensor import TensorSpec

LINE_HEIGHT, INSIDE = 8.4, 5.0  # of text in a cell; margin in a cell
NEAR = 2.5  # from a slab to its words
OPS = 6  # of a block that is no tree and that a cell lists rather than names it


class CellPen:
    """Writes and draws cells with one pen; `letters` are those of the insets of units.

    Where there are no insets, not even of other units, cells say what is in a block. The letter of
    a sign stands over it, or `beside` it.
    """

    def __init__(
        self, description: Description, options: Options, pen: Pen,
        letters: Mapping[str, str] | None, beside: bool,
    ) -> None:  # fmt: skip
        self.beside = beside
        self.description, self.options, self.pen = description, options, pen
        self.letters, self.opened = letters or {}, letters is not None
        self.size = pen.theme.sizes.dimension
        self.largest = max(resolution(spec) for spec in description.graph.inputs.values())
        self.lines: dict[str, list[tuple[Run, ...]]] = {}  # in cells that are written, by their ids
        self.still: set[str] = set()  # cells that no way leaves to the right, by their first units
        self.repeated: dict[str, Repeated] = {}  # that cells are of, by their first units

    def write(self, cell: Cell, result: str = "") -> None:
        """Lines of a cell: its name, what it does, on how many maps, what it gives and costs.

        `result` is what its result is called, if that is said inside.
        """
        show = self.options.show
        letters = dict.fromkeys(self.letters.get(unit.id, "") for unit in cell.units)
        marks = ", ".join(filter(None, letters))
        named = words(self.name(cell), bold=True) if "names" in show else ()
        title = (*named, Run(f"{' ' * bool(named)}({marks})")) if marks else named
        lines = [title, *map(words, self.parts(cell.units))]
        if cell.first in self.repeated:
            lines.append(words(self.repeated[cell.first].varies.get(cell.first, "")))
        lines.append(words(cell.units[-1].applied if cell.shared else ""))
        lines.append(_shape(cell.outputs) if "shapes" in show else ())
        lines += map(words, labels.amounts(sum_of(unit.cost for unit in cell.units), show))
        lines.append(words(f"→ {result}") if result else ())
        self.lines[cell.id] = [line for line in lines if line]

    def name(self, cell: Cell) -> str:
        """Its name; that of what is in a repeated part is short."""
        name, repeated = cell.name(self.description.names), self.repeated.get(cell.first)
        return name.removeprefix(f"{repeated.root}.").lstrip("_") if repeated else name

    def parts(self, units: Sequence[Unit]) -> list[str]:
        """What is in a cell, equals in a row counted: `concat`, `3×3, 64 ×2`."""
        found = [(text, sum(layers for _, layers in run))
                 for text, run in groupby(self.texts(units), key=itemgetter(0))]  # fmt: skip
        lines = [f"{text} ×{count}" if count > 1 else text for text, count in found]
        return [*lines, *filter(None, [vary(units)])]

    def texts(self, units: Sequence[Unit]) -> Iterator[tuple[str, int]]:
        """Words for every unit and how many layers it stands for; ops of a block that is closed."""
        for unit in units:
            if 0 < len(unit.ops) <= OPS and not self.opened:
                yield from ((box.label, 1) for box in unit.ops)
            else:
                yield labels.written(unit.terms), unit.layers
            if unit.turns > 1:
                yield unit.applied, 1

    def sign(self, cell: Cell) -> str:
        """The sign that a cell is drawn as, if it is: alone, or what ends a block that is open."""
        (unit, *others) = cell.units
        last = unit.chain[0] if len(unit.chain) == 1 else None
        opened = isinstance(last, Mesh) and len(last.ends) == 1 and self.opened
        verb = last.boxes[-1].verb if isinstance(last, Mesh) and opened and not others else ""
        return cell.sign or (verb if verb in SIGNED else "")

    def slab(self, cell: Cell) -> Slab | None:
        """What a cell is drawn as where slabs are asked for: a sheet, its words beside it."""
        if self.options.shape != "slabs" or self.sign(cell):
            return None
        spec = cell.outputs[0]
        if not spec.rank:
            return Slab(5.0, max(9.0, min(40.0, 0.75 * sqrt(spec.channels))), 0.0)
        high = sides(spec)[0]
        return slab_for(spec.channels, (high, 0.0, 0.0), 1.0, max(self.largest, high))

    def beside_slab(self, cell: Cell) -> float:
        """What the words of a slab take right of it."""
        if self.slab(cell) is None:
            return 0.0
        return NEAR + max(self.pen.measure(line, self.size) for line in self.lines[cell.id])

    def width(self, cell: Cell) -> float:
        if slab := self.slab(cell):
            return slab.width
        if not self.sign(cell):
            widest = max(self.pen.measure(line, self.size) for line in self.lines[cell.id])
            return widest + 2 * INSIDE
        mark = self.pen.measure(self.mark(cell), self.size)
        return 2 * (PLUS + mark + 1) if self.beside and mark else max(2 * PLUS, mark)

    def height(self, cell: Cell) -> float:
        if slab := self.slab(cell):
            return max(slab.height, 2 * ceil(len(self.lines[cell.id]) / 2) * LINE_HEIGHT + 2)
        if not self.sign(cell):
            return len(self.lines[cell.id]) * LINE_HEIGHT + 5
        return 2 * (PLUS + bool(self.mark(cell)) * LINE_HEIGHT)

    def half(self, cell: Cell) -> tuple[float, float]:
        """From its middle to its border, to the right and down; a mark is outside of it."""
        if self.sign(cell):
            return PLUS, PLUS
        if slab := self.slab(cell):
            return slab.width / 2, slab.height / 2
        return self.width(cell) / 2, self.height(cell) / 2

    def mark(self, cell: Cell) -> str:
        """What stands over a sign, or beside it."""
        letter = self.letters.get(cell.first, "")
        return f"({letter})" if letter else ""

    def draw(self, cell: Cell, x: float, y: float) -> None:
        """Draws a cell that is written, its middle at a point."""
        since = len(self.pen.items)
        sign = self.sign(cell)
        if sign:
            self.pen.sign(x, y, sign)
            if self.beside:
                place = x + PLUS, y - PLUS + 1
                self.pen.text(*place, self.mark(cell), self.size, anchor="start")
            else:
                self.pen.text(x, y - PLUS - 2.4, self.mark(cell), self.size)
        elif slab := self.slab(cell):
            self.draw_slab(cell, slab, x, y)
        else:
            w, h = self.width(cell), self.height(cell)
            paint = self.pen.theme.paint(cell.main.role)
            self.pen.rectangle(x - w / 2, y - h / 2, w, h, paint)
            for number, line in enumerate(self.lines[cell.id]):
                base = y - h / 2 + 2.5 + LINE_HEIGHT * (number + 0.5) + MIDDLE * self.size
                self.pen.text(x, base, line, self.size)
        title = hover(cell.id, cell.outputs[0], self.description.analysis)
        stands = [path for unit in (*cell.enlarged, *cell.units) for path in unit.paths]
        if cell.first in self.repeated:
            stands = [*self.repeated[cell.first].cells[cell.first]]
        listed = [box for unit in cell.units if len(unit.ops) <= OPS for box in unit.ops]
        stands += [path for box in listed for path in (box.id, *box.stands)]
        self.pen.grouped(since, cell.id, title, stands)

    def draw_slab(self, cell: Cell, slab: Slab, x: float, y: float) -> None:
        """A sheet, half of its words above the way that leaves it, half below; together if none."""
        self.pen.slab(x - slab.width / 2, y, slab, self.pen.theme.paint(cell.main.role))
        lines = self.lines[cell.id]
        above = ceil(len(lines) / 2)
        for number, line in enumerate(lines):
            base = y - 2.6 + LINE_HEIGHT * (number + 1 - above)
            base += (number >= above) * 2.4
            if cell.first in self.still:
                base = y + LINE_HEIGHT * (number - (len(lines) - 1) / 2) + MIDDLE * self.size
            self.pen.text(x + slab.width / 2 + NEAR, base, line, self.size, anchor="start")


def results_of(description: Description, cells: Sequence[Cell]) -> dict[str, str]:
    """What the results of a cell are called, by its first unit: `p3`, `logits0–4`."""
    names: dict[str, list[str]] = {}
    for name, id in description.graph.outputs.items():
        owner = description.owners[description.reducer.source[id]]
        for cell in cells:
            if any(unit.id == owner for unit in cell.units):
                names.setdefault(cell.first, []).append(name)
    return {first: _in_short(found) for first, found in names.items()}


def _shape(maps: Sequence[TensorSpec]) -> tuple[Run, ...]:
    """`256×56²`; `256×56²–7²` of maps that differ in size."""
    first, *others = dict.fromkeys(maps)
    if not others:
        return labels.shape(first)
    last = others[-1]
    alike = first.rank == last.rank > 0 and first.channels == last.channels
    alike = alike and set(first.spatial) != {1}  # whose size is not said
    end = labels.size if alike else labels.shape
    return (*labels.shape(first), Run("–"), *end(last))


def _in_short(names: Sequence[str]) -> str:
    """`logits0–4` for names that count, else all of them."""
    stems = [name.rstrip("0123456789") for name in names]
    numbers = [name[len(stem) :] for name, stem in zip(names, stems, strict=True)]
    counted = len(names) > 1 and len({*stems}) == 1 and all(numbers)
    if counted and all(int(b) == int(a) + 1 for a, b in pairwise(numbers)):
        return f"{names[0]}–{rest_of(names[0], names[-1])}"
    return ", ".join(names)
