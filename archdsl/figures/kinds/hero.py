"""The hero figure: the strip, and under it its distinct blocks, tied to their stages by letters."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count, groupby

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.pen import CONTAINER, LINE, Pen
from archdsl.figures.canvas.scene import Omission, moved
from archdsl.figures.kinds.block import Inset, choose, chosen, heading, legend_of, listed
from archdsl.figures.kinds.block_layout import Direction
from archdsl.figures.kinds.legend import Entry, draw_legend
from archdsl.figures.kinds.pyramid import draw_pyramid
from archdsl.figures.kinds.strip import Strip, draw_strip
from archdsl.figures.network.block_kinds import BlockKind, block_kinds, letter
from archdsl.figures.network.description import Description
from archdsl.figures.options import Options

MARGIN, HEADING, BETWEEN = 7.0, 17.0, 8.0  # inside an inset, its title, between insets
LEADER = 12.0  # between the strip and the insets
LETTERS = 9.0  # room above the slabs
INSETS = 6  # more are for --kind block
TALLEST = 560.0  # points: of a figure that leaves room for its caption on a page
WIDE_ENOUGH = 60.0

Row = list[Inset]


def hero(description: Description, options: Options, pen: Pen) -> float:
    """The kind `hero`; gives the height. A network that is no line of stages is a pyramid."""
    every = chosen(block_kinds(description), description, options)
    kinds = every if options.insets else _shown(every)
    draw = _over_strip if description.linear else _over_pyramid
    bottom, named, rows = draw(kinds, description, options, pen)
    bottom += LEADER
    for row in rows:
        bottom = _draw_row(pen, row, options.width, bottom) + BETWEEN
    bottom -= BETWEEN if rows else LEADER
    pen.left_out += _closed(description, {unit.id for kind in _kinds(rows) for unit in kind.units})
    if not options.legend:
        return bottom
    named = list(dict([*named, *legend_of(_kinds(rows), pen)]).items())  # as they are in blocks
    return draw_legend(pen, named, options.width, bottom + 6)


def _over_strip(
    kinds: list[BlockKind], description: Description, options: Options, pen: Pen
) -> tuple[float, list[Entry], list[Row]]:
    """Draws the strip with letters over it; gives its bottom, its legend, the insets' rows."""
    strip = draw_strip(pen, description, options, LETTERS if kinds else LINE)
    rows = _rows_under(strip.bottom, kinds, description, options, pen)
    _letters(pen, _letters_of(rows), strip)
    return strip.bottom, strip.entries, rows


def _over_pyramid(
    kinds: list[BlockKind], description: Description, options: Options, pen: Pen
) -> tuple[float, list[Entry], list[Row]]:
    """The same with a pyramid, whose height is known when it was drawn: first with all letters."""
    options.refuse(
        "scale dims fold rows group note",
        f"{description.title} is no line of stages, its hero a pyramid",
    )
    marked = {unit.id: kind.letter for kind in kinds for unit in kind.units}
    bottom, _ = draw_pyramid(Pen(pen.theme), description, options, marked)
    rows = _rows_under(bottom, kinds, description, options, pen)
    bottom, named = draw_pyramid(pen, description, options, _letters_of(rows))
    return bottom, named, rows


def _rows_under(
    bottom: float, kinds: list[BlockKind], description: Description, options: Options, pen: Pen
) -> list[Row]:
    """Rows of as many insets as a page has room for, the most frequent ones that fit into it."""
    insets = _insets(kinds, description, options, pen)
    room = TALLEST / options.room - bottom - LEADER
    chosen = [kind for kind in kinds if _height(_rows(insets, [kind], options.width, pen)) <= room]
    rows = _rows(insets, chosen, options.width, pen)
    while chosen and _height(rows) > room:
        rarest = min(reversed(chosen), key=lambda kind: len(kind.units))
        chosen = [kind for kind in chosen if kind is not rarest]
        rows = _rows(insets, chosen, options.width, pen)
    return _lettered(rows)


def _kinds(rows: list[Row]) -> list[BlockKind]:
    return [one.kind for row in rows for one in row]


def _closed(description: Description, opened: Collection[str]) -> Iterator[Omission]:
    """The blocks that no inset shows: there were too many, or their ways cross."""
    closed = [u.id for u in description.units if u.kind != "op" and u.id not in opened]
    if closed:
        known = {*closed}
        inside = (n.id for n in description.nodes if description.owners[n.id] in known)
        yield Omission(f"inside of {description.names.several(closed)}", frozenset(inside))


def _letters_of(rows: list[Row]) -> dict[str, str]:
    """The letter of every unit that has an inset."""
    return {unit.id: kind.letter for kind in _kinds(rows) for unit in kind.units}


def _shown(kinds: Sequence[BlockKind]) -> list[BlockKind]:
    """The most frequent kinds, in the order of the network."""
    frequent = {id(kind) for kind in sorted(kinds, key=lambda kind: -len(kind.units))[:INSETS]}
    return [kind for kind in kinds if id(kind) in frequent]


def _lettered(rows: list[Row]) -> list[Row]:
    """The insets with letters from a on, whatever was left out between them."""
    numbers = count()
    return [
        [replace(one, kind=replace(one.kind, letter=letter(next(numbers)))) for one in row]
        for row in rows
    ]


def _letters(pen: Pen, letter_of: Mapping[str, str], strip: Strip) -> None:
    """Over the slabs of every kind its letter, once for slabs of a stage in a row."""
    runs = groupby(strip.places.items(), lambda item: (letter_of.get(item[0], ""), item[1].stage))
    for (mark, _), run in runs:
        places = [place for _, place in run]
        middle, top = (places[0].x + places[-1].x) / 2, min(place.top for place in places)
        pen.text(middle, top - 2.6, mark, pen.theme.sizes.dimension, pen.theme.dimension)


def _insets(
    kinds: list[BlockKind], description: Description, options: Options, pen: Pen
) -> list[Row]:
    """The insets to the right and those downwards, without what is too wide.

    Each with its lists beside the blocks and with all of them below.
    """
    ways: tuple[Direction, ...] = ("right", "down")
    found = []
    for direction in ways if options.direction == "auto" else (options.direction,):
        show = options.show - {"params", "macs"}  # which stand under the stages
        asked = replace(options, direction=direction, show=show)
        width, made = options.width - 2 * MARGIN, []
        for kind in kinds:
            with suppress(UsageError):  # too wide: --kind block says so, here it is left out
                made.append(choose(kind, description, asked, pen, width, True))
        found += [[listed(one, pen, room) for one in made] for room in (width, 0.0)]
    return found


def _rows(insets: list[Row], kinds: list[BlockKind], width: float, pen: Pen) -> list[Row]:
    """Insets of these kinds side by side in the direction that shows most, else that is lower."""
    best: list[Row] = []
    for every in insets:
        made = [one for one in every if one.kind in kinds]
        rows = _filled(pen, made, width)
        most = sum(map(len, best))
        if len(made) > most or (len(made) == most and _height(rows) < _height(best)):
            best = rows
    return best


def _filled(pen: Pen, made: Row, width: float) -> list[Row]:
    rows: list[Row] = [[]]
    for one in made:
        filled = sum(_wide(pen, other) + BETWEEN for other in rows[-1])
        if rows[-1] and filled + _wide(pen, one) > width:
            rows.append([])
        rows[-1].append(one)
    return [row for row in rows if row]


def _height(rows: list[Row]) -> float:
    return sum(_tallest(row) + HEADING + MARGIN + BETWEEN for row in rows)


def _tallest(row: Row) -> float:
    """Room for blocks that stand; those that lie have their inputs at one height."""
    return max(_above(row, one) + one.height for one in row)


def _above(row: Row, one: Inset) -> float:
    if one.direction == "down":
        return 0.0
    return max(other.axis for other in row) - one.axis


def _wide(pen: Pen, one: Inset) -> float:
    size = pen.theme.sizes.caption
    lines = heading(pen, one, max(one.width, WIDE_ENOUGH))
    return max(one.width, *(pen.measure(line, size) for line in lines)) + 2 * MARGIN


def _draw_row(pen: Pen, row: Row, width: float, top: float) -> float:
    """Containers that fill the width, each with its title and its block; gives the bottom."""
    widths = [_wide(pen, one) for one in row]
    more = (width - CONTAINER - sum(widths) - BETWEEN * (len(row) - 1)) / len(row)
    x, size = CONTAINER / 2, pen.theme.sizes.caption
    titles = [
        heading(pen, one, wide + more - 2 * MARGIN) for one, wide in zip(row, widths, strict=True)
    ]
    above = HEADING + (max(map(len, titles)) - 1) * 1.2 * size
    inner = _tallest(row)
    height = above + inner + MARGIN
    for one, wide, lines in zip(row, widths, titles, strict=True):
        wide += more
        pen.rectangle(x, top, wide, height, pen.theme.container, CONTAINER, radius=4.0)
        for number, line in enumerate(lines):
            place = top + 4 + size * (1 + 1.2 * number)
            pen.text(x + MARGIN, place, line, size, anchor="start")
        lower = _above(row, one) if one.direction == "right" else 0.0  # tops are level
        pen.items += moved(one.items, x + (wide - one.width) / 2, top + above + lower)
        x += wide + BETWEEN
    return top + height
