"""Blocks: the distinct ones side by side, each from its input to its output."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.author import pattern
from archdsl.figures.canvas.pen import LINE, MIDDLE, Pen
from archdsl.figures.canvas.scene import Group, Item, Run, bounds, moved, words
from archdsl.figures.kinds.block_layout import BlockLayout, Direction
from archdsl.figures.kinds.legend import DASHED, Entry, draw_legend, entries
from archdsl.figures.network import labels
from archdsl.figures.network.block_kinds import BlockKind, block_kinds, letter
from archdsl.figures.network.description import Description
from archdsl.figures.network.tree import WOVEN, Box, Chain, Join, Mesh, boxes, length
from archdsl.figures.options import LARGEST, NarrowError, Options
from archdsl.ops import SIGNED

PORT = 12.0  # from a block to the shape at its end, an arrow long
COLUMN, ROW = 16.0, 14.0  # between insets
LINES, CELLS, BESIDE = 8.0, 6.0, 20.0  # of a list of widths: line to line, between cells, before it
BOXES = 3_000  # that are drawn
TALLEST = 600.0  # points: past this insets that lie may be shorter than those that stand


@dataclass(frozen=True)
class Inset:
    """A drawn block, its left top corner at 0, 0; `axis` is where its input comes in.

    `show` is what its title is to say.
    """

    kind: BlockKind
    show: frozenset[str]
    direction: Direction
    items: tuple[Item, ...]
    width: float
    height: float
    axis: float


def inset(
    kind: BlockKind, description: Description, options: Options, pen: Pen, direction: Direction,
    brief: bool = False,
) -> Inset:  # fmt: skip
    """A block with the shapes at its ends, or only their channels if it is to be `brief`."""
    inner = Pen(pen.theme)
    layout = BlockLayout(inner, direction, description.analysis)
    chain = kind.shown.chain
    size = layout.measure(chain)
    if max(size.length, size.across) > LARGEST:
        raise UsageError(f"{kind.name} of {description.title} is larger than any page")
    starts_with_box = isinstance(chain[0], Box)
    ports = isinstance(chain[0], Mesh) and chain[0].open  # which stand in it
    origin = 0.0 if ports else PORT if starts_with_box else PORT - 5
    if origin:
        (layout.arrow if starts_with_box else layout.line)([(0, 0), (origin, 0)])
    for end in layout.place(chain, origin, 0):
        layout.arrow([end, (end[0] + PORT, end[1])])
    length = origin + size.length + PORT
    if "shapes" in options.show and not ports:
        _ports(inner, kind, direction, length, brief and direction == "right")
    inner.grouped(0, f"{kind.shown.id}.block", "", [*kind.stands()])
    return _framed(kind, options.show, direction, inner.items)


def _framed(
    kind: BlockKind, show: frozenset[str], direction: Direction, items: Sequence[Item]
) -> Inset:
    """Items around a block whose input comes in at 0, 0."""
    left, top, right, bottom = bounds(items)
    axis = -top if direction == "right" else -left
    return Inset(kind, show, direction, moved(items, -left, -top), right - left, bottom - top, axis)


@dataclass(frozen=True)
class Listing:
    """What the blocks of a kind differ in, its left top corner at 0, 0; empty if in nothing."""

    items: tuple[Item, ...]
    width: float
    height: float


def listing(kind: BlockKind, pen: Pen) -> Listing:
    """A line for every variant of a kind: where it is, and its numbers; the drawn one in bold."""
    inner, size = Pen(pen.theme), pen.theme.sizes.dimension
    rows = [[words(text, shown) for text in (name, *values)] for name, values, shown in kind.rows()]
    wide = [max(pen.measure(text, size) for text in column) for column in zip(*rows, strict=True)]
    for line, (name, *values) in enumerate(rows):
        color = pen.theme.ink if name[0].bold else pen.theme.dimension
        inner.text(0, line * LINES, name, size, color, "start")
        right = wide[0]
        for value, column in zip(values, wide[1:], strict=True):
            right += CELLS + column
            inner.text(right, line * LINES, value, size, color, "end")
    left, top, right, bottom = bounds(inner.items)
    return Listing(moved(inner.items, -left, -top), right - left, bottom - top)


def listed(one: Inset, pen: Pen, width: float) -> Inset:
    """An inset with what its kind differs in: beside it if that is not wider, else below."""
    found = listing(one.kind, pen)
    if not found.items:
        return one
    x, y = one.width + BESIDE, (one.height - found.height) / 2
    if x + found.width > width:
        x, y = (one.width - found.width) / 2, one.height + LINES
    axis = (0, one.axis) if one.direction == "right" else (one.axis, 0)
    both = moved([*one.items, *moved(found.items, x, y)], -axis[0], -axis[1])
    return _framed(one.kind, one.show, one.direction, both)


def _ports(pen: Pen, kind: BlockKind, direction: Direction, length: float, brief: bool) -> None:
    size, color = pen.theme.sizes.dimension, pen.theme.dimension
    specs = kind.shown.input, kind.shown.chain[-1].output
    ends = [(Run(str(s.channels)),) if brief else labels.shape(s) for s in specs]
    if direction == "down":
        pen.text(0, -3.5, ends[0], size, color)
        pen.text(0, length + size * 0.72 + 3, ends[1], size, color)
    else:
        pen.text(-3, MIDDLE * size, ends[0], size, color, "end")
        pen.text(length + 3, MIDDLE * size, ends[1], size, color, "start")


def title(kind: BlockKind, show: Collection[str]) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """`(a) layer3.0`, bold, and `bottleneck, projection`; what it costs, if that is to be shown."""
    unit = kind.shown
    what = [unit.block.replace("_", " ")]
    if unit.residual:
        what.append("projection" if _projects(unit.chain) else "identity")
    what += [kind.note] * bool(kind.note)
    what += labels.amounts(unit.cost, show)
    name = kind.name if "names" in show else ""
    return words(f"({kind.letter}) {name}", bold=True), words(", ".join(what))


def heading(pen: Pen, one: Inset, width: float) -> list[tuple[Run, ...]]:
    """The title in one line if that is not wider, else in two."""
    bold, rest = title(one.kind, one.show)
    line = (*bold, Run(" "), *rest)
    return [line] if pen.measure(line, pen.theme.sizes.caption) <= width else [bold, rest]


def _projects(chain: Chain) -> bool:
    return any(isinstance(i, Join) and i.projects for i in chain)


def legend_of(kinds: list[BlockKind], pen: Pen) -> list[Entry]:
    """The roles in blocks, and the dashed line if one is projected; signs speak for themselves."""
    shown = (box for kind in kinds for box in boxes(kind.shown.chain))
    found = [box for box in shown if box.verb not in SIGNED]
    dashed = [DASHED] if any(_projects(kind.shown.chain) for kind in kinds) else []
    return [*entries(pen, found), *dashed]


def block(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
    """The kind `block`: rows of insets over their titles; gives the height.

    Blocks of several networks stand side by side, each named with its network.
    """
    found = [pair for d in descriptions for pair in _kinds_of(d, options, len(descriptions) > 1)]
    kinds = [
        (replace(kind, letter=letter(n)), description)
        for n, (kind, description) in enumerate(found)
    ]
    count = sum(length(kind.shown.chain) for kind, _ in kinds)
    if count > BOXES:
        title = ", ".join(description.title for description in descriptions)
        raise UsageError(
            f"the {len(kinds):,} different blocks of {title} have {count:,} boxes, more"
            f" than the {BOXES:,} of a figure; --only draws a part"
        )
    bottom, pen.items = _placed(kinds, descriptions, options, pen)
    if bottom > TALLEST / options.room and options.direction == "auto":
        with suppress(UsageError):  # one is too wide to the right
            right = _placed(kinds, descriptions, replace(options, direction="right"), pen)
            bottom, pen.items = min((bottom, pen.items), right, key=lambda placed: placed[0])
    if not options.legend:
        return bottom
    return draw_legend(pen, legend_of([kind for kind, _ in kinds], pen), options.width, bottom + 8)


Found = tuple[BlockKind, Description]


def _kinds_of(description: Description, options: Options, several: bool) -> Iterator[Found]:
    """The blocks of a network; raises UsageError if it has none to draw."""
    kinds = block_kinds(description)
    if not kinds:
        crossed = [unit for unit in description.units if unit.kind == "block"]
        if crossed:
            id, block = crossed[0].id, crossed[0].block
            raise UsageError(
                f"{block} has more than {WOVEN} boxes whose ways cross; --kind graph --only {id}"
                " shows them"
            )
        raise UsageError(
            f"{description.title} has no blocks to draw; --kind strip or columns shows its layers"
        )
    whose = description.called(description.graph.name) or description.graph.name
    for kind in chosen(kinds, description, options):
        name = f"{whose} {kind.name}" if several else kind.name
        yield replace(kind, name=name), description


def chosen(
    kinds: Sequence[BlockKind], description: Description, options: Options
) -> list[BlockKind]:
    """The kinds that the option `insets` names, each shown by what it names; all without.

    Raises UsageError if that is no block.
    """
    found: list[BlockKind] = []
    for text in options.insets:
        units = {unit.id for unit in description.units if pattern(text).fullmatch(unit.id)}
        here = [kind for kind in kinds if any(unit.id in units for unit in kind.units)]
        if not here:
            raise UsageError(f"insets `{text}`: that is no block of {description.title}")
        for kind in here:
            unit = next(unit for unit in kind.units if unit.id in units)
            found.append(replace(kind, shown=unit, name=description.names.one(unit.id)))
    return found or [*kinds]


def _placed(
    kinds: Sequence[Found], descriptions: Sequence[Description], options: Options, pen: Pen
) -> tuple[float, list[Item]]:
    """The bottom and the items of the insets in rows."""
    made = [choose(kind, of, options, pen, options.width) for kind, of in kinds]
    for number, (_, description) in enumerate(kinds):
        of = next(n for n, one in enumerate(descriptions) if one is description)
        made[number] = replace(made[number], items=tuple(_of(made[number].items, of)))
    inner, top = Pen(pen.theme), LINE
    for row in _rows(made, [_width(pen, one) for one in made], options.width):
        top = _draw_row(inner, row, options.width, top) + ROW
    return top - ROW, inner.items


def _of(items: Sequence[Item], number: int) -> Iterator[Item]:
    """The items, their groups those of a network."""
    for item in items:
        if isinstance(item, Group):
            item = replace(item, of=number, items=tuple(_of(item.items, number)))
        yield item


def choose(
    kind: BlockKind, description: Description, options: Options, pen: Pen, width: float,
    brief: bool = False,
) -> Inset:  # fmt: skip
    """The inset in the direction asked for, else the one that fits; raises UsageError."""
    wanted = options.direction
    ways: list[Direction] = ["down", "right"] if wanted == "auto" else [wanted]
    made = []
    for way in ways:
        with suppress(UsageError):  # larger than a page: it is too wide in the other direction, too
            made.append(inset(kind, description, options, pen, way, brief))
    if not made:
        raise UsageError(
            f"{kind.name} of {description.title} is larger than a page; --only draws a part of it"
        )
    fitting = [one for one in made if one.width <= width]
    if not fitting:
        need = min(one.width for one in made)
        subject = f"{kind.name} of {description.title}"
        raise NarrowError(subject, width, need, "or another --direction")
    return fitting[0]


def _width(pen: Pen, one: Inset) -> float:
    size = pen.theme.sizes.caption
    lines = [pen.measure(line, size) for line in heading(pen, one, one.width)]
    return max(one.width, listing(one.kind, pen).width, *lines)


def _rows(made: list[Inset], widths: list[float], width: float) -> list[list[tuple[Inset, float]]]:
    """As many in a row as fit, the rows about equally full."""
    rows: list[list[tuple[Inset, float]]] = [[]]
    for one, wide in zip(made, widths, strict=True):
        filled = sum(size + COLUMN for _, size in rows[-1])
        if rows[-1] and filled + wide > width:
            rows.append([])
        rows[-1].append((one, wide))
    return rows


def _draw_row(pen: Pen, row: list[tuple[Inset, float]], width: float, top: float) -> float:
    height = max(one.height for one, _ in row)
    free = width - sum(wide for _, wide in row)
    between = min(free / (len(row) + 1), 3 * COLUMN) if len(row) > 1 else 0.0
    x = (free - between * (len(row) - 1)) / 2
    size, bottom = pen.theme.sizes.caption, top + height
    for one, wide in row:
        pen.items += moved(one.items, x + (wide - one.width) / 2, top)
        y = top + height + 6
        for line in heading(pen, one, wide):
            pen.text(x + wide / 2, y + size, line, size)
            y += 1.2 * size
        found = listing(one.kind, pen)
        pen.items += moved(found.items, x + (wide - found.width) / 2, y + 3)
        bottom = max(bottom, y + 3 + found.height if found.items else y)
        x += wide + between
    return bottom + 0.1 * size
