"""The strip: stages as slabs, as high as their maps and as thick as their channels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, inf, sqrt

from archdsl.analysis.cost import Analysis
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.text import counted
from archdsl.figures.author import grouped_units, matched
from archdsl.figures.canvas.pen import LINE, THIN, Pen, Slab, slab_for
from archdsl.figures.canvas.scene import Run, words
from archdsl.figures.canvas.theme import Paint
from archdsl.figures.kinds.block_layout import hover
from archdsl.figures.kinds.edges import NO_EDGES, Edges, draw_edges, edges_of
from archdsl.figures.kinds.legend import Entry, draw_legend, entries
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description, Stage, grouped, vary
from archdsl.figures.network.units import Unit, resolution, sides
from archdsl.figures.options import NarrowError, Options
from archdsl.ops.tensor import TensorSpec

SLABS = 6  # of a stage that are drawn unless --fold says otherwise
APART, TOUCH = 2.2, 0.9  # between the first block and the rest where it differs; between others
ARROW, BETWEEN = 11.0, 4.0  # least distance of slabs; of the texts under them
SPREAD = 34.0  # most distance of slabs, when there is room
LINE_HEIGHT = 8.6
BRACE, LETTER = 14.0, 9.0  # room for a brace; for letters between it and the slabs
THICKNESS = (1.0, 0.85, 0.7, 0.55, 0.42)
ROWS, MORE, FEW = 6, 10, 60  # of a strip at most, and of one of few stages
WIDER = 1.2  # what is tried next where the width needed is not known

Label = tuple[tuple[Run, ...], float, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """One slab: of a unit, or `None` for the gap that stands for more."""

    unit: Unit | None
    slab: Slab
    paint: Paint
    gap: float
    more: bool = False  # dots in the gap: units that are not drawn


@dataclass(frozen=True)
class Cell:
    """A stage in the strip: its slabs and the lines under them."""

    id: str
    title: str
    pieces: tuple[Piece, ...]
    lines: tuple[Label, ...]
    text_width: float
    stands: tuple[str, ...] = ()
    edges: Edges = NO_EDGES

    @property
    def slab_width(self) -> float:
        inner = sum(piece.slab.thick + piece.gap for piece in self.pieces)
        last = self.pieces[-1].slab
        return inner + last.width - last.thick

    @property
    def height(self) -> float:
        return max(piece.slab.height + piece.slab.rise for piece in self.pieces)

    @property
    def left(self) -> float:
        """What it takes to the left of its middle; `right` to the right."""
        return max(self.slab_width / 2 + self.edges.left, self.text_width / 2)

    @property
    def right(self) -> float:
        return max(self.slab_width / 2 + self.edges.right, self.text_width / 2)

    @property
    def above(self) -> float:
        """What its slabs and their sizes take above the axis; `below` under it."""
        return self.height / 2 + self.edges.over

    @property
    def below(self) -> float:
        return self.height / 2 + self.edges.under


@dataclass(frozen=True, slots=True)
class Place:
    """The middle and the top of a slab, and the stage that it is of."""

    x: float
    top: float
    stage: str


@dataclass
class Strip:
    """A drawn strip: where it ends, and where the slabs of units stand."""

    bottom: float
    places: dict[str, Place] = field(default_factory=dict)  # of the slabs of units
    entries: list[Entry] = field(default_factory=list)


class _Cells:
    """Makes the cells of a strip at one level of folding."""

    def __init__(self, description: Description, options: Options, pen: Pen) -> None:
        self.description, self.options, self.pen = description, options, pen
        if options.dims == "edges" and "shapes" not in options.show:
            options.refuse("dims", "no shapes are shown")
        self.analysis: Analysis = description.analysis
        specs = [description.graph.input, *(unit.output for unit in description.units)]
        self.largest = max(resolution(spec) for spec in specs)
        self.limit = options.fold if options.fold != 0 else SLABS
        self.known: dict[tuple[int, float], list[Cell]] = {}
        self.written: dict[tuple[str, int], tuple[str, tuple[Label, ...]]] = {}

    def at(self, level: int, thickness: float) -> list[Cell]:
        key = level, thickness
        if key not in self.known:
            self.known[key] = self.cells(level, thickness)
        return self.known[key]

    def stages(self, level: int) -> list[Stage]:
        """Level 1 takes blocks of other widths together."""
        stages = grouped(self.description) if level else self.description.stages
        every = "all" in self.options.show
        return [stage for stage in stages if every or stage.units[0].shown]

    def cells(self, level: int, thickness: float) -> list[Cell]:
        """Level 2 leaves pooling without text."""
        cells = [self.stage(stage, level, thickness) for stage in self.stages(level)]
        return cells if self.options.only else [self.input(), *cells]

    def least(self, level: int) -> float:
        """What the slabs of a level take in a row if they are as thin as can be."""
        limit = self.limit or inf
        shown = (min(stage.repeat, limit) for stage in self.stages(level))
        return sum(ARROW + THIN * count for count in shown)

    def input(self) -> Cell:
        spec = self.description.graph.input
        piece = Piece(None, self.slab(spec, 1.0), self.pen.theme.paint("plain"), 0.0)
        edges = self.edges([spec], [piece])
        lines = self.lines("input", () if edges.channels else labels.shape(spec), "", None)
        return Cell("input", f"input: {spec}", (piece,), lines, self.widest(lines), edges=edges)

    def edges(self, specs: Sequence[TensorSpec], pieces: Sequence[Piece]) -> Edges:
        """The sizes at the edges of slabs, none where they stand under them."""
        if self.options.dims == "under":
            return NO_EDGES
        return edges_of(specs, pieces[0].slab, pieces[-1].slab, self.pen)

    def stage(self, stage: Stage, level: int, thickness: float) -> Cell:
        key = stage.id, level
        pieces = tuple(self.pieces(stage, thickness))
        bare = level == 2 and stage.units[0].role == "pool"
        specs = [] if bare else [unit.output for unit in stage.units]
        edges = self.edges(specs, pieces)
        if key not in self.written:
            shape = () if edges.channels else stage.shape
            lines = () if bare else self.lines(stage.name, shape, stage.what, stage)
            title = (
                f"{stage.name}: {stage.what}, {stage.output}, {stage.cost.parameters:,} parameters,"
                f" {stage.cost.macs:,} MACs"
            )
            self.written[key] = title, lines
        title, lines = self.written[key]
        stands = tuple(path for unit in stage.units for path in unit.paths)
        return Cell(stage.id, title, pieces, lines, self.widest(lines), stands, edges)

    def lines(
        self, name: str, shape: tuple[Run, ...], what: str, stage: Stage | None
    ) -> tuple[Label, ...]:
        theme, show = self.pen.theme, self.options.show
        small, grey = theme.sizes.dimension, theme.dimension
        lines: list[Label] = []
        if "names" in show:
            lines.append((words(name, bold=True), theme.sizes.name, theme.ink))
        if "shapes" in show and shape:
            lines.append((shape, small, grey))
        if what:
            lines.append((words(what), small, grey))
        varied = vary(stage.units) if stage else ""
        if varied:
            lines.append((words(varied), small, grey))
        note = matched(self.options.note, stage.id) if stage else None
        if note is not None:
            lines.append((words(self.options.note[note]), small, theme.ink))
        results = self.description.named.get(stage.units[-1].id, []) if stage else []
        lines += [(words(f"→ {name}"), small, theme.ink) for name in results]
        costs = labels.amounts(stage.cost, show) if stage else []
        return (*lines, *((words(text), small, grey) for text in costs))

    def widest(self, lines: Sequence[Label]) -> float:
        return max((self.pen.measure(runs, size) for runs, size, _ in lines), default=0.0)

    def slab(self, spec: TensorSpec, thickness: float) -> Slab:
        if spec.rank == 0 or set(spec.spatial) == {1}:
            high = 9.0 if spec.rank else min(40.0, max(9.0, 0.75 * sqrt(spec.channels)))
            return Slab(6.0 if spec.rank else 5.0, high, high)
        return slab_for(spec.channels, sides(spec), thickness, self.largest, self.options.scale)

    def pieces(self, stage: Stage, thickness: float) -> Iterator[Piece]:
        """The slabs of a stage; past the limit the first and the last with a gap between."""
        units = [unit for unit in stage.units for _ in range(unit.layers)]
        hidden = self.limit is not None and len(units) > self.limit
        if hidden and self.limit is not None:
            units = [*units[: self.limit - 1], units[-1]]
        before = Slab(0.0, 0.0, 0.0)
        differs = units[0].projects and not all(unit.projects for unit in units)
        for number, unit in enumerate(units):
            slab = self.slab(unit.output, thickness)
            if unit.layers > 1:
                part = (number + 2) / (len(units) + 1)
                thick = slab.thick * part * 0.5
                slab = replace(slab, thick=max(THIN, thick), thin=thick < THIN)
            role = unit.role
            deeper = unit.kind == "block" and unit.projects and (differs or len(units) == 1)
            paint = self.pen.theme.deeper(role) if deeper else self.pen.theme.paint(role)
            gap = 0.0 if number == 0 else APART if number == 1 and differs else TOUCH
            if number and slab.height < before.height:
                gap += before.width - before.thick
            more = hidden and number == len(units) - 1
            gap += 10.0 + slab.width - slab.thick if more else 0.0
            yield Piece(unit, slab, paint, gap, more)
            before = slab


def arrange(
    description: Description, options: Options, pen: Pen
) -> tuple[list[list[Cell]], list[list[float]]]:
    """Rows of cells, and the middles of their slabs, in the least folded way that fits."""
    make = _Cells(description, options, pen)
    levels = (0,) if options.fold is None else (0, 1, 2)
    if not make.stages(0):
        raise UsageError(
            f"{description.title} has no layers to draw as slabs; --kind graph shows its ops"
        )
    fewest = ceil(make.least(levels[-1]) / options.width)
    most = options.rows or (MORE if len(make.stages(0)) <= FEW else ROWS)
    for rows in (options.rows,) if options.rows else range(fewest, most + 1):
        for level in levels:
            for thickness in THICKNESS:
                cells = make.at(level, thickness)
                lines = _split(cells, rows)
                middles = [_middles(line, options.width) for line in lines]
                if all(middles):
                    return lines, [m for m in middles if m]
    subject = f"{description.title} in {counted(most, 'row')}"
    need = max(options.width * WIDER, make.least(levels[-1]) / most)
    instead = "show less (--show names) or draw a part (--only)"
    raise NarrowError(subject, options.width, need, instead)


def _split(cells: list[Cell], rows: int) -> list[list[Cell]]:
    """The cells in rows of nearly equal width, none empty."""
    sizes = [
        max(cell.slab_width + max(ARROW, cell.edges.left + cell.edges.right + BETWEEN),
            cell.text_width + BETWEEN)
        for cell in cells
    ]  # fmt: skip
    total, lines, filled = sum(sizes), [[]], 0.0  # type: tuple[float, list[list[Cell]], float]
    for cell, size in zip(cells, sizes, strict=True):
        if lines[-1] and len(lines) < rows and filled + size / 2 > total * len(lines) / rows:
            lines.append([])
        lines[-1].append(cell)
        filled += size
    return lines


def _middles(cells: Sequence[Cell], width: float) -> list[float] | None:
    """Where the cells of a row stand, spread over the width; None if they do not fit."""
    steps = [_least(a, b) for a, b in pairwise(cells)]
    first, last = cells[0].left, cells[-1].right
    free = width - 2 * LINE - first - last - sum(steps)
    if free < 0:
        return None
    gaps = [
        step - (a.slab_width + b.slab_width) / 2
        for step, a, b in zip(steps, cells, cells[1:], strict=False)
    ]
    level = _water(gaps, free)
    middles = [first + LINE]
    for step, gap in zip(steps, gaps, strict=True):
        middles.append(middles[-1] + step + max(0.0, level - gap))
    shift = (width - middles[-1] - last - (middles[0] - first)) / 2
    return [middle + shift for middle in middles]


def _least(a: Cell, b: Cell) -> float:
    room = a.edges.right + b.edges.left
    slabs = (a.slab_width + b.slab_width) / 2 + max(ARROW, room and room + BETWEEN)
    if not a.lines or not b.lines:
        return max(slabs, (a.text_width + b.slab_width) / 2, (a.slab_width + b.text_width) / 2)
    return max(slabs, (a.text_width + b.text_width) / 2 + BETWEEN)


def _water(gaps: list[float], free: float) -> float:
    """The level up to which the smallest gaps grow when `free` is shared out, at most SPREAD."""
    level = 0.0
    for number, gap in enumerate(sorted(gaps)):
        need = (gap - level) * number
        if need > free:
            return min(SPREAD, level + free / number)
        free, level = free - need, gap
    return min(max(SPREAD, 0.0), level + free / max(1, len(gaps)))


def draw_strip(pen: Pen, description: Description, options: Options, top: float) -> Strip:
    """Draws the strip from `top` on; raises UsageError if the stages are no line."""
    if not description.linear:
        raise UsageError(
            f"{description.title} is no line of stages; --kind pyramid shows its ways,"
            " --only a part of it"
        )
    rows, middles = arrange(description, options, pen)
    strip = Strip(top)
    for number, (cells, places) in enumerate(zip(rows, middles, strict=True)):
        above, below = (max(getattr(cell, way) for cell in cells) for way in ("above", "below"))
        if options.group:
            _braces(pen, cells, places, strip.bottom, description, options)
            strip.bottom += BRACE
        axis = strip.bottom + above
        _arrows(pen, cells, places, axis, number > 0, number + 1 < len(rows), options.width)
        lines = max(len(cell.lines) for cell in cells)
        for cell, middle in zip(cells, places, strict=True):
            _draw_cell(pen, cell, middle, axis, axis + below + 9, strip, description)
        strip.bottom = axis + below + 4 + LINE_HEIGHT * lines
        strip.bottom += 9 if number + 1 < len(rows) else 0
    strip.entries = _entries(pen, [piece for row in rows for cell in row for piece in cell.pieces])
    return strip


def _entries(pen: Pen, pieces: list[Piece]) -> list[Entry]:
    """The legend: the roles of ops and blocks, and one for the blocks that project or stride."""
    units = [(piece.unit, piece.paint) for piece in pieces if piece.unit]
    lighter = [unit for unit, paint in units if paint == pen.theme.paint(unit.role)]
    found = entries(pen, filter(None, (unit.telling for unit in lighter)))
    if any(unit.kind != "op" and unit.role == "conv" for unit in lighter):
        conv = pen.theme.paint("conv")
        found = [(paint, "convolutional block" if paint == conv else text) for paint, text in found]
    deeper = [paint for unit, paint in units if paint != pen.theme.paint(unit.role)]
    return [*found, *((paint, "projects or strides") for paint in dict.fromkeys(deeper))]


def _arrows(
    pen: Pen, cells: Sequence[Cell], middles: Sequence[float], axis: float,
    comes: bool, goes: bool, width: float,
) -> None:  # fmt: skip
    """The line of data through a row; it comes from the row before and goes to the next."""
    edges = [
        (m - c.slab_width / 2, m + c.slab_width / 2) for c, m in zip(cells, middles, strict=True)
    ]
    for (_, start), (end, _) in pairwise(edges):
        pen.arrow([(start, axis), (end, axis)])
    if comes and edges[0][0] > 6:
        pen.arrow([(max(0.0, edges[0][0] - ARROW), axis), (edges[0][0], axis)])
    if goes and edges[-1][1] < width - 6:
        pen.arrow([(edges[-1][1], axis), (min(width, edges[-1][1] + ARROW), axis)])


def _draw_cell(
    pen: Pen, cell: Cell, middle: float, axis: float, baseline: float, strip: Strip,
    description: Description,
) -> None:  # fmt: skip
    since = len(pen.items)
    x = middle - cell.slab_width / 2
    for piece in cell.pieces:
        back = piece.slab.width - piece.slab.thick
        if piece.more:
            _dots(pen, x + back + 5.0, axis)
        x += piece.gap
        inside = len(pen.items)
        pen.slab(x, axis, piece.slab, piece.paint)
        if piece.unit:
            top = axis - (piece.slab.height + piece.slab.rise) / 2
            across = x + (piece.slab.thick + piece.slab.width - piece.slab.thick) / 2
            strip.places.setdefault(piece.unit.id, Place(across, top - cell.edges.over, cell.id))
            title = hover(piece.unit.id, piece.unit.output, description.analysis)
            if len(cell.pieces) > 1:
                pen.grouped(inside, piece.unit.id, title)
        if cell.edges.channels and piece.slab.thin:
            foot = axis + (piece.slab.height + piece.slab.rise) / 2
            pen.strokes(x + piece.slab.thick / 2, foot, piece.paint)
        x += piece.slab.thick
    left, foot = middle - cell.slab_width / 2, axis + cell.height / 2
    below = middle if "–" in cell.edges.channels else x - cell.pieces[-1].slab.thick / 2
    draw_edges(pen, cell.edges, cell.pieces[0].slab, left, below, axis, foot)
    for number, (runs, size, color) in enumerate(cell.lines):
        pen.text(middle, baseline + number * LINE_HEIGHT, runs, size, color)
    pen.grouped(since, cell.id, cell.title, cell.stands)


def _braces(
    pen: Pen, cells: Sequence[Cell], middles: Sequence[float], top: float,
    description: Description, options: Options,
) -> None:  # fmt: skip
    """Over the stages of each group in a row a brace with its name, above the letters.

    Raises UsageError if two names would stand on each other.
    """
    ends = 0.0
    size = pen.theme.sizes.dimension
    held = [(group.label, grouped_units(description, group)) for group in options.group]
    spans = [
        (label, [(c, m) for c, m in zip(cells, middles, strict=True) if ids.issuperset(c.stands)])
        for label, ids in held
    ]
    drawn = [(label, [(c, m) for c, m in inside if c.stands]) for label, inside in spans]
    for label, inside in sorted((d for d in drawn if d[1]), key=lambda d: d[1][0][1]):
        edges = [(m - c.slab_width / 2, m + c.slab_width / 2) for c, m in inside]
        left, right = edges[0][0], edges[-1][1]
        text = words(label)
        half = pen.measure(text, size) / 2
        middle = min(max((left + right) / 2, half), options.width - half)
        y = max(top - LETTER, LINE) + size + 3
        if middle - half < ends:
            raise UsageError(f"the group `{label}` has no room for its name; give a shorter one")
        ends = max(middle + half + BETWEEN, right)
        pen.text(middle, y - 3, text, size, pen.theme.ink)
        pen.line([(left, y + 3), (left, y), (right, y), (right, y + 3)])


def _dots(pen: Pen, x: float, axis: float) -> None:
    for shift in (-2.4, 0.0, 2.4):
        pen.dot(x + shift, axis)


def strip(description: Description, options: Options, pen: Pen) -> float:
    """The kind `strip`; gives the height of the picture."""
    found = draw_strip(pen, description, options, LINE)
    if not options.legend:
        return found.bottom
    return draw_legend(pen, found.entries, options.width, found.bottom + 5)
