"""Columns: networks side by side, layer by layer, aligned by resolution (He et al., figure 3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.pen import CONTAINER, DASH, LINE, MIDDLE, Pen
from archdsl.figures.canvas.scene import Path, Run, polygon, words
from archdsl.figures.kinds.block_layout import hover
from archdsl.figures.kinds.legend import Entry, draw_legend, entries
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description
from archdsl.figures.network.labels import Term, word
from archdsl.figures.network.tree import QUIET, Box, Element, Join, Mesh, boxes, loud
from archdsl.figures.network.units import ALIKE, Unit, resolution
from archdsl.figures.options import LARGEST, NarrowError, Options
from archdsl.ops.tensor import TensorSpec

TEXT, HEIGHT, GAP = 6.0, 8.4, 3.5  # of a layer; between layers of a block
APART, PADDING = 6.0, 4.0  # between blocks, at least; above and below in a row
FORK, SUM = 1.6, 2.2  # above a block, where its shortcut leaves; radius of the sign below it
LANE, MARGIN = 6.0, 3.5  # from boxes to the shortcut beside them; inside a box of repeats
NOTE = 7.6  # from line to line
BETWEEN, NAMES = 14.0, 22.0  # between columns; room for the resolutions
TALLEST = 600.0  # points: unless asked otherwise, repeats are folded past this


@dataclass(frozen=True, slots=True)
class Layers:
    """Boxes of a unit, one under the other; `count` units look like this.

    `notes` are said beside the shortcut; `hidden` are the numbers of a block that is one box;
    `stands` are the paths of these units, if they are several.
    """

    unit: Unit
    boxes: tuple[Box, ...]
    residual: bool = False
    sign: str = "add"
    shortcut: tuple[Box, ...] = ()
    count: int = 1
    notes: tuple[str, ...] = ()
    hidden: tuple[Term, ...] = ()
    stands: tuple[str, ...] = ()

    @property
    def height(self) -> float:
        inner = len(self.boxes) * (HEIGHT + GAP) - GAP
        return inner + (2 * MARGIN + FORK + self.below if self.count > 1 else 0.0)

    @property
    def below(self) -> float:
        """From the last box to below the sign in which a shortcut ends."""
        return FORK / 2 + 2 * SUM if self.residual else FORK

    @property
    def outside(self) -> float:
        """How much of that is below all of it: where repeats are not in a box."""
        return self.below if self.residual and self.count == 1 else 0.0

    @property
    def apart(self) -> float:
        """From its end to the next."""
        return max(APART, self.outside + FORK)


def layers_of(description: Description) -> Iterator[Layers]:
    """What a column shows, from the input on."""
    for unit in description.units:
        if not unit.shown:
            continue
        if unit.kind == "dense" and boxes(unit.chain):
            yield Layers(unit, loud(unit.chain), count=unit.layers)
        elif unit.shared:
            first, *others = _of_block(unit)
            yield from (replace(first, notes=(unit.shared,)), *others)
        else:
            yield from _of_block(unit)


def _of_block(unit: Unit) -> Iterator[Layers]:
    """One for each residual; a block with other joins, or that is no tree, is one box."""
    said = [item for item in unit.chain if not (isinstance(item, Box) and item.verb == QUIET)]
    if not said or not all(map(_flat, said)) or unit.applied:
        yield _closed(unit)
        return
    for _, part in groupby(said, lambda item: isinstance(item, Join) and item.id):
        first, *rest = part
        if isinstance(first, Join):
            yield Layers(unit, loud(first.body), True, first.verb, loud(first.shortcut))
        else:
            yield Layers(unit, tuple(boxes((first, *rest))))


def _flat(item: Element) -> bool:
    """Whether it is a box, or a residual whose body is boxes, one or more."""
    if isinstance(item, Box):
        return True
    if isinstance(item, Mesh) or item.parallel:
        return False
    return item.residual and loud(item.body) != () and all(isinstance(b, Box) for b in item.body)


def _closed(unit: Unit) -> Layers:
    """A block as one box, and what is applied several times."""
    terms = unit.terms
    if unit.kind != "op":
        terms = word(unit.block.replace("_", " ")), Term("out", (unit.output.channels,))
    terms = (*terms, word(unit.applied)) if unit.applied else terms
    box = Box(unit.id, unit.block, terms, unit.role, unit.output)
    return Layers(unit, (box,), hidden=unit.numbers)


def folded(layers: Sequence[Layers], most: int = 0) -> list[Layers]:
    """Equal layers in a row, if they are more than `most`, as one with a count."""
    found: list[Layers] = []
    for _, run in groupby(layers, key=lambda one: (one.unit.kind == "dense", key_of(one))):
        first, *rest = run
        dense = first.unit.kind == "dense"
        fold = not dense and 1 + len(rest) > most
        stands = tuple(one.unit.id for one in (first, *rest))
        whole = replace(first, count=len(stands), stands=stands)
        found += [whole] if fold else [first, *rest]
    return found


def key_of(one: Layers) -> object:
    shown = [tuple(box.terms for box in part) for part in (one.boxes, one.shortcut)]
    unit = one.unit
    return *shown, one.residual, one.sign, unit.output, one.hidden, unit.manner, one.notes


@dataclass(frozen=True, slots=True)
class Row:
    """Outputs of nearly one size, and the layers of each column that give them."""

    specs: tuple[TensorSpec, ...]
    cells: tuple[tuple[Layers, ...], ...]


def rows_of(columns: Sequence[Sequence[Layers]]) -> list[Row]:
    """The rows: the largest size first on a way down, and last on a way up again."""
    inside: dict[int, list[list[Layers]]] = {}
    for number, column in enumerate(columns):
        for one, way in zip(column, _ways(column), strict=True):
            inside.setdefault(way, [[] for _ in columns])[number].append(one)
    rows: list[Row] = []
    for way in sorted(inside):
        found = _by_size(inside[way])
        rows += reversed(found) if way % 2 else found
    return rows


def _ways(column: Sequence[Layers]) -> list[int]:
    """For each layer how often sizes turned before it: even on a way down, odd on a way up."""
    way, last, found = 0, float("inf"), []
    for one in column:
        size = resolution(one.unit.output)
        turned = size * ALIKE < last if way % 2 else size > ALIKE * last
        way, last = way + turned, size
        found.append(way)
    return found


def _by_size(columns: Sequence[Sequence[Layers]]) -> list[Row]:
    specs = {one.unit.output for column in columns for one in column}
    groups: list[list[TensorSpec]] = []
    group_of: dict[TensorSpec, int] = {}
    for spec in sorted(specs, key=lambda s: (-resolution(s), s.shape)):
        if groups and resolution(groups[-1][0]) < ALIKE * resolution(spec):
            groups[-1].append(spec)
        else:
            groups.append([spec])
        group_of[spec] = len(groups) - 1
    cells: list[list[list[Layers]]] = [[[] for _ in columns] for _ in groups]
    for number, column in enumerate(columns):
        for one in column:
            cells[group_of[one.unit.output]][number].append(one)
    return [
        Row(tuple(group), tuple(map(tuple, row))) for group, row in zip(groups, cells, strict=True)
    ]


class _Columns:
    """Places the layers of several networks in common rows."""

    def __init__(
        self, descriptions: Sequence[Description], columns: list[list[Layers]], options: Options,
        pen: Pen,
    ) -> None:  # fmt: skip
        self.descriptions, self.options, self.pen = descriptions, options, pen
        self.columns = columns
        self.rows = rows_of(self.columns)
        self.widths = [self.width(column) for column in self.columns]
        self.lanes = [self.lane(column) for column in self.columns]

    def width(self, column: list[Layers]) -> float:
        texts = [self.pen.measure(box_text(box), TEXT) for one in column for box in one.boxes]
        return max(texts, default=0.0) + 9

    def lane(self, column: list[Layers]) -> float:
        """Room at the right of the boxes, for shortcuts and counts."""
        lane = LANE + 2 if any(one.residual for one in column) else 0.0
        return lane + max((self.beside(one) + self.noted(one) for one in column), default=0.0)

    def beside(self, one: Layers) -> float:
        """The room that the number of repeats takes."""
        number = words(f"×{one.count}", bold=True)
        wide = self.pen.measure(number, self.pen.theme.sizes.box) + MARGIN + 3
        return wide if one.count > 1 else 0.0

    def noted(self, one: Layers) -> float:
        return max((self.pen.measure(note, TEXT) + 3 for note in one.notes), default=0.0)

    def draw(self, top: float) -> float:
        names = [words(d.heading, bold=True) for d in self.descriptions]
        size = self.pen.theme.sizes.caption
        full = [
            max(wide + 2 * MARGIN + lane, self.pen.measure(name, size))
            for wide, lane, name in zip(self.widths, self.lanes, names, strict=True)
        ]
        need = NAMES + sum(full) + BETWEEN * (len(full) - 1)
        if need > self.options.width:
            titles = ", ".join(description.title for description in self.descriptions)
            subject = f"the figure of {titles}"
            raise NarrowError(subject, self.options.width, need, "or fewer specs")
        free = (self.options.width - need) / (len(full) + 1)
        x, axes = NAMES + free, []
        for wide, lane in zip(full, self.lanes, strict=True):
            axes.append(x + (wide - lane) / 2)
            x += wide + BETWEEN + free
        for axis, name, description in zip(axes, names, self.descriptions, strict=True):
            self.pen.text(axis, top + size, name, size)
            shape = labels.shape(description.input)
            self.pen.text(axis, top + size + 10, shape, TEXT, self.pen.theme.dimension)
        return self.draw_rows(axes, top + size + 13)

    def draw_rows(self, axes: list[float], top: float) -> float:
        ends = [top] * len(axes)  # where the line of data of each column has come to
        y = top + 6
        for row in self.rows:
            self.rule(row, y)
            bottom = y + HEIGHT
            for index, inside in enumerate(row.cells):
                place = y + PADDING
                for one in inside:
                    self.draw_layers(one, index, axes[index], place, ends[index])
                    place += one.height
                    ends[index] = place + one.outside
                    place += one.apart
                    bottom = max(bottom, ends[index])
            y = bottom + PADDING
        return y - PADDING

    def rule(self, row: Row, y: float) -> None:
        """The line above a row, and the size of its maps."""
        line = polygon([(0, y), (self.options.width, y)], closed=False)
        self.pen.items.insert(0, Path(line, "", self.pen.theme.container.stroke, CONTAINER))
        self.pen.text(0, y + 8, _sizes(row.specs), TEXT, self.pen.theme.dimension, "start")

    def draw_layers(self, one: Layers, index: int, axis: float, y: float, before: float) -> None:
        wide, since = self.widths[index], len(self.pen.items)
        analysis = self.descriptions[index].analysis
        bottom = y + one.height
        start, end, come, go = y, bottom, before, bottom
        if one.count > 1:
            inner = wide / 2 + MARGIN
            right = inner + (LANE + 2 if one.residual else 0.0)
            self.container(one, axis - inner, y, inner + right, bottom - y)
            self.pen.arrow([(axis, before), (axis, y)])
            start, end = y + MARGIN + FORK, bottom - MARGIN - one.below
            come, go = y, bottom
        place = start
        for number, box in enumerate(one.boxes):
            self.pen.arrow([(axis, come if number == 0 else place - GAP), (axis, place)])
            inside = len(self.pen.items)
            left = axis - wide / 2
            paint = self.pen.theme.paint(box.role)
            self.pen.rectangle(left, place, wide, HEIGHT, paint, LINE * 0.85, 1.8)
            self.pen.label(left, place, wide, HEIGHT, box_text(box), TEXT)
            title = hover(box.id, box.output, analysis)
            self.pen.grouped(inside, box.id, title, box.stands, index)
            place += HEIGHT + GAP
        if end < go:
            self.pen.line([(axis, end), (axis, go)])
        if one.residual:
            lane, low = axis + wide / 2 + LANE, end + one.below - SUM
            way = [(axis, start - FORK), (lane, start - FORK), (lane, low), (axis + SUM, low)]
            self.pen.arrow(way, bool(one.shortcut))
            self.pen.line([(axis, end), (axis, low)])
            self.pen.sign(axis, low, one.sign, SUM)
        left = axis + wide / 2 + (LANE if one.residual else 0.0) + 3 + self.beside(one)
        middle = (start + end) / 2 - (len(one.notes) - 1) * NOTE / 2 + MIDDLE * TEXT
        for number, note in enumerate(one.notes):
            place = middle + number * NOTE
            self.pen.text(left, place, note, TEXT, self.pen.theme.dimension, "start")
        id = f"{one.unit.id}.column" if one.count > 1 else one.unit.id
        self.pen.grouped(since, id, "", one.stands or (one.unit.id,), index)

    def container(self, one: Layers, x: float, y: float, w: float, h: float) -> None:
        """The box of repeats, and their number."""
        self.pen.rectangle(x, y, w, h, self.pen.theme.container, CONTAINER, 3.0, DASH)
        size = self.pen.theme.sizes.box
        runs = words(f"×{one.count}", bold=True)
        self.pen.text(x + w + 3, y + h / 2 + MIDDLE * size, runs, size, anchor="start")


def _sizes(specs: Sequence[TensorSpec]) -> tuple[Run, ...]:
    """`56²`; `149–147²` for squares of nearly one size; `14²` for those and tokens of them."""
    squares = [spec for spec in specs if labels.square(spec)] or specs[:1]
    first, last = squares[0].spatial, labels.size(squares[-1])
    return last if labels.size(squares[0]) == last else (Run(f"{first[0]}–"), *last)


def box_text(box: Box) -> str:
    """`3×3 conv, 64`: a column says what a box is."""
    return labels.written(box.terms, "full")


def columns(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
    """The kind `columns`; gives the height."""
    made = [_as_asked(description, options) for description in descriptions]
    expect_columns(descriptions, made)
    return place_columns(descriptions, made, options, pen, [])


def expect_columns(descriptions: Sequence[Description], made: Sequence[Sequence[Layers]]) -> None:
    """Raises UsageError if there is nothing in a column, if it is no line, or too tall a one."""
    for description, column in zip(descriptions, made, strict=True):
        title = description.title
        if not description.linear:
            raise UsageError(
                f"{title} is no line of layers; --kind pyramid or graph shows its ways"
            )
        if not column:
            raise UsageError(f"{title} has no layers to draw; --kind graph shows its ops")
        tall = _height(column)
        if tall > LARGEST:
            raise UsageError(
                f"the {len(column):,} layers of {title} would be {tall / 72:,.0f} inches tall, more"
                f" than the {LARGEST / 72:.0f} of a page; --kind strip, --fold auto or a part"
                " (--only) takes less"
            )


def _as_asked(description: Description, options: Options) -> list[Layers]:
    """A column with its repeats folded, if that is asked for or it is too tall without.

    If that is too tall too, blocks are one box each.
    """
    column = list(layers_of(description))
    if options.fold is None:
        return column
    tallest = TALLEST / options.room
    if not options.fold and _height(column) <= tallest:
        return column
    short = folded(column, options.fold)
    if _height(short) <= tallest:
        return short
    closed = {one.unit.id: _closed(one.unit) if one.unit.kind == "block" else one for one in column}
    return folded(list(closed.values()))


def _height(column: Sequence[Layers]) -> float:
    """How tall a column is by itself, without what stands above and below it."""
    rows = len(rows_of([column]))
    return sum(one.height + one.apart for one in column) + rows * (2 * PADDING - APART)


def place_columns(
    descriptions: Sequence[Description], made: list[list[Layers]], options: Options, pen: Pen,
    more: list[Entry],
) -> float:  # fmt: skip
    """Draws columns and their legend, in it `more`; gives the height."""
    bottom = _Columns(descriptions, made, options, pen).draw(LINE)
    if not options.legend:
        return bottom
    shown = [
        (one.unit.telling or box) if box.id == one.unit.id else box  # what colors a closed block
        for column in made
        for one in column
        for box in one.boxes
        if box.role != "plain"
    ]
    return draw_legend(pen, [*entries(pen, shown), *more], options.width, bottom + 7)
