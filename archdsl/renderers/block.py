"""Blocks: the distinct ones side by side, each from its input to its output."""

from dataclasses import dataclass

from archdsl.diagnostics import UsageError
from archdsl.renderers import labels
from archdsl.renderers.description import BlockKind, Description, block_kinds
from archdsl.renderers.layout import BlockLayout, Direction
from archdsl.renderers.legend import DASHED, Entry, draw_legend, entries
from archdsl.renderers.options import Options
from archdsl.renderers.pen import LINE, Pen
from archdsl.renderers.scene import Item, Run, bounds, moved, words
from archdsl.renderers.tree import Chain, Join, boxes

PORT = 12.0  # from a block to the shape at its end, an arrow long
COLUMN, ROW = 16.0, 14.0  # between insets


@dataclass(frozen=True)
class Inset:
    """A drawn block, its left top corner at 0, 0; `axis` is where its input comes in."""

    kind: BlockKind
    items: tuple[Item, ...]
    width: float
    height: float
    axis: float


def inset(
    kind: BlockKind, description: Description, options: Options, pen: Pen, direction: Direction
) -> Inset:
    """A block with the shapes at its ends."""
    inner = Pen(pen.theme)
    layout = BlockLayout(inner, direction, description.analysis)
    chain = kind.shown.chain
    size = layout.measure(chain)
    starts_with_box = not isinstance(chain[0], Join)
    origin = PORT if starts_with_box else PORT - 5
    (layout.arrow if starts_with_box else layout.line)([(0, 0), (origin, 0)])
    for end in layout.place(chain, origin, 0):
        layout.arrow([end, (end[0] + PORT, end[1])])
    length = origin + size.length + PORT
    _ports(inner, kind, direction, length, "shapes" in options.show)
    left, top, right, bottom = bounds(inner.items)
    items = moved(inner.items, -left, -top)
    axis = -top if direction == "right" else -left
    return Inset(kind, items, right - left, bottom - top, axis)


def _ports(pen: Pen, kind: BlockKind, direction: Direction, length: float, shown: bool) -> None:
    size, color = pen.theme.sizes.dimension, pen.theme.dimension
    ends = labels.shape(kind.shown.input), labels.shape(kind.shown.chain[-1].output)
    if not shown:
        return
    if direction == "down":
        pen.text(0, -3.5, ends[0], size, color)
        pen.text(0, length + size * 0.72 + 3, ends[1], size, color)
    else:
        pen.text(-3, 0.36 * size, ends[0], size, color, "end")
        pen.text(length + 3, 0.36 * size, ends[1], size, color, "start")


def title(kind: BlockKind, letter: bool = True) -> tuple[Run, ...]:
    """`(a) bottleneck, projection` after the path of the block."""
    unit = kind.shown
    what = unit.block.replace("_", " ")
    if unit.residual:
        what += ", projection" if _projects(unit.chain) else ", identity"
    mark = f"({kind.letter}) " if letter else ""
    return (*words(mark + kind.name, bold=True), Run(" "), *words(what))


def _projects(chain: Chain) -> bool:
    return any(isinstance(i, Join) and i.residual and i.shortcut for i in chain)


def legend_of(kinds: list[BlockKind], pen: Pen) -> list[Entry]:
    """The roles in blocks, and the dashed line if one is projected."""
    found = [box for kind in kinds for box in boxes(kind.shown.chain)]
    dashed = [DASHED] if any(_projects(kind.shown.chain) for kind in kinds) else []
    return [*entries(pen, found), *dashed]


def block(description: Description, options: Options, pen: Pen) -> float:
    """The kind `block`: rows of insets over their titles; gives the height."""
    kinds = list(block_kinds(description))
    if not kinds:
        raise UsageError(
            f"{description.title} has no blocks to draw; --kind strip or columns shows its layers"
        )
    made = [choose(kind, description, options, pen, options.width) for kind in kinds]
    top = LINE
    for row in _rows(made, [_width(pen, inset) for inset in made], options.width):
        top = _draw_row(pen, row, options.width, top) + ROW
    top -= ROW
    if not options.legend:
        return top
    return draw_legend(pen, legend_of(kinds, pen), options.width, top + 8)


def choose(
    kind: BlockKind, description: Description, options: Options, pen: Pen, width: float
) -> Inset:
    """The inset in the direction asked for, else the one that fits; raises UsageError."""
    wanted = options.direction
    ways: list[Direction] = ["down", "right"] if wanted == "auto" else [wanted]
    made = [inset(kind, description, options, pen, way) for way in ways]
    fitting = [one for one in made if one.width <= width]
    if not fitting:
        need = min(one.width for one in made)
        raise UsageError(
            f"{kind.name} of {description.title} is {need:.0f} pt wide, more than {width:.0f} pt;"
            " give a larger --width or another --direction"
        )
    return fitting[0]


def _width(pen: Pen, one: Inset) -> float:
    return max(one.width, pen.measure(title(one.kind), pen.theme.sizes.caption))


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
    size = pen.theme.sizes.caption
    for one, wide in row:
        pen.items += moved(one.items, x + (wide - one.width) / 2, top)
        pen.text(x + wide / 2, top + height + 6 + size, title(one.kind), size)
        x += wide + between
    return top + height + 6 + 1.3 * size


