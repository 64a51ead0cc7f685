"""From graphs to a figure: a table says which function draws which kind."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from math import ceil

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.figures.author import authored, color_names, colored, expect_known, pictured, told
from archdsl.figures.canvas.pen import Pen
from archdsl.figures.canvas.scene import (
    Item,
    Omission,
    Scene,
    bounds,
    magnified,
    moved,
    not_drawn,
    spaced,
    words,
)
from archdsl.figures.canvas.theme import Theme, load_theme
from archdsl.figures.figure import Figure
from archdsl.figures.kinds import graph as graphviz
from archdsl.figures.kinds import hero as heroes
from archdsl.figures.kinds import table as comparison
from archdsl.figures.kinds.block import block
from archdsl.figures.kinds.columns import columns
from archdsl.figures.kinds.dense import dense
from archdsl.figures.kinds.difference import difference
from archdsl.figures.kinds.legend import Entry
from archdsl.figures.kinds.pyramid import pyramid
from archdsl.figures.kinds.scaling import scaling
from archdsl.figures.kinds.strip import strip
from archdsl.figures.kinds.table_rows import compare
from archdsl.figures.network.captions import caption_of, description_of
from archdsl.figures.network.description import Description, describe
from archdsl.figures.network.omissions import aside, left_out, omitted
from archdsl.figures.options import KINDS, LARGEST, WIDEST, WIDTHS, NarrowError, Options
from archdsl.figures.paper import paper_of
from archdsl.graph.graph import Graph

TRIES = 12  # of widths, until one is enough
MARGIN = 8.0  # points: between what is drawn and the edge of a background
Draw = Callable[[Sequence[Description], Options, Pen], float]
Write = dict[str, Callable[[], str]]


def draw(
    graphs: Sequence[Graph], kind: str = "hero", options: Options | None = None,
    parts: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """A figure of networks, or of a part of each (`""`: the whole).

    Raises UsageError if the kind does not suit them or they do not fit.
    """
    options = options or Options()
    if kind not in KINDS:
        raise UsageError(f"there is no kind `{kind}` of figure; {did_you_mean(kind, KINDS)}")
    if not graphs:
        raise UsageError("there is nothing to draw; give a spec")
    return figure_of(described(graphs, kind, options, parts), kind, options)


def figure_of(descriptions: Sequence[Description], kind: str, options: Options) -> Figure:
    """A figure of what is described; raises UsageError as `draw` does."""
    theme = load_theme(options.theme)
    texts = TEXTS[kind](descriptions, options) if kind in TEXTS else {}
    bare: Scene | None = None
    if texts:
        missing = [one for d in descriptions for one in OMITTED[kind](d)]
    else:  # what cannot be drawn is said now
        bare, missing = fitted(descriptions, kind, options, theme)
    words = not_drawn(missing)
    captioned = caption_of(descriptions, kind, options, words, bare)
    caption, paper = str(captioned), paper_of([captioned], kind, options)
    seen = description_of(descriptions, words)

    def picture() -> Scene:
        scene = bare or fitted(descriptions, kind, options, theme)[0]
        return replace(scene, caption=caption, description=seen)

    omissions = tuple(missing)
    return Figure(caption, seen, omissions, texts, picture if kind in PICTURES else None, paper)


def described(
    graphs: Sequence[Graph], kind: str, options: Options, parts: Sequence[str] = ()
) -> list[Description]:
    """What is to be drawn of networks, as the author calls it."""
    found = [
        _described(graph, kind, options, part)
        for graph, part in zip_longest(graphs, parts, fillvalue="")
        if isinstance(graph, Graph)
    ]
    expect_known(found, options)
    return found


def hero(graph: Graph) -> Figure:
    """The hero figure, as narrow as papers set it, else as wide as it needs.

    Raises UsageError if it cannot be drawn.
    """
    return as_wide_as_needed(described([graph], "hero", Options()), "hero")


def as_wide_as_needed(descriptions: Sequence[Description], kind: str) -> Figure:
    """A figure as narrow as papers set it, else as wide as it needs; raises UsageError."""
    try:
        return figure_of(descriptions, kind, Options(WIDTHS["neurips"]))
    except NarrowError as error:
        if error.enough is None:
            raise
        return figure_of(descriptions, kind, Options(max(error.enough, WIDTHS["double"])))


def _of_one(draw: Callable[[Description, Options, Pen], float]) -> Draw:
    def of_first(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
        return draw(_only(descriptions), options, pen)

    return of_first


def _only(descriptions: Sequence[Description]) -> Description:
    if len(descriptions) > 1:
        raise UsageError(
            "this kind of figure shows one network; block, columns and table show several"
        )
    return descriptions[0]


def _table(descriptions: Sequence[Description], options: Options) -> Write:
    compared = compare(descriptions, options.title)
    return {suffix: partial(write, compared) for suffix, write in comparison.FORMATS.items()}


PICTURES: dict[str, Draw] = {
    "hero": _of_one(heroes.hero),
    "strip": _of_one(strip),
    "block": block,
    "columns": columns,
    "scaling": scaling,
    "diff": difference,
    "graph": _of_one(graphviz.graph),
    "dense": _of_one(dense),
    "pyramid": _of_one(pyramid),
}
TEXTS: dict[str, Callable[[Sequence[Description], Options], Write]] = {
    "table": _table,
    "graph": lambda descriptions, options: graphviz.texts(_only(descriptions), options),
}
OMITTED: dict[str, Callable[[Description], Iterable[Omission]]] = {
    "table": lambda description: omitted(description, {u.id for u in description.units}),
    "graph": aside,
}


def fitted(
    descriptions: Sequence[Description], kind: str, options: Options, theme: Theme,
    collected: list[Entry] | None = None,
) -> tuple[Scene, list[Omission]]:  # fmt: skip
    """The picture; if it does not fit, the error says a width that has been tried.

    Its legend is added to `collected` instead of drawn, if that is there.
    """
    try:
        return _scene(descriptions, kind, options, theme, collected)
    except NarrowError as error:
        narrow = error
    need = narrow.need  # grows until it is enough
    for _ in range(TRIES):
        wide = ceil(need)
        if wide > WIDEST:
            break
        try:
            _scene(descriptions, kind, replace(options, width=wide), theme)
        except NarrowError as error:
            need = max(error.need, 1.1 * wide)
        else:
            raise narrow.at(options.width, enough=wide)
    raise narrow


def _scene(
    descriptions: Sequence[Description], kind: str, options: Options, theme: Theme,
    collected: list[Entry] | None = None,
) -> tuple[Scene, list[Omission]]:  # fmt: skip
    """The picture, and what it leaves out.

    Text larger than the layouts are made for takes as much more room everywhere: they are made for
    a width as much smaller.
    """
    margin, room = MARGIN if theme.background else 0.0, theme.sizes.room
    asked = replace(options, width=(options.width - 2 * margin) / room, room=room)
    pen = Pen(replace(theme, sizes=theme.sizes.shrunk(room)))
    pen.marks, pen.scale = told(descriptions, options, pen.theme)
    pen.collected = collected
    try:
        height = PICTURES[kind](descriptions, asked, pen)
        missing = [*pen.left_out, *left_out(descriptions, pen.items)]
        pen.items = list(colored(pen.items, descriptions, options, pen.theme))
        pen.items = list(pictured(pen.items, options))
        items, height = titled(pen, asked, height)
        right = bounds(items)[2]
        width = max(asked.width, right) if kind == "graph" else asked.width
        if right > width + 0.5:
            raise NarrowError("this figure", asked.width, right, "or draw a part: --only")
    except NarrowError as error:
        raise error.at(options.width, 2 * margin, room=room) from None
    title = options.title or ", ".join(description.title for description in descriptions)
    size = room * width + 2 * margin, room * height + 0.5 + 2 * margin
    if kind != "graph" and max(size) > LARGEST:
        wide, tall = (side / 72 for side in size)
        raise UsageError(
            f"this figure would be {wide:,.0f} by {tall:,.0f} inches, more than the"
            f" {LARGEST / 72:.0f} of a page; choose a part with --only"
        )
    grown = moved(spaced(items, room), margin, margin)
    names = color_names(theme, options)
    scene = Scene(*size, grown, title, background=theme.background, names=names)
    return magnified(scene, options.zoom), missing


def _described(graph: Graph, kind: str, options: Options, part_of: str) -> Description:
    """What is to be drawn; pictures but `graph` need something that figures show."""
    whole = describe(graph, options.show)
    path = part_of or options.only
    part = whole.only(path) if path else whole
    if path and not (part.nodes if kind == "graph" else part.units):
        hint = did_you_mean(path, _parts(whole))
        raise UsageError(f"{graph.name} has nothing to draw at `{path}`{'; ' * bool(hint)}{hint}")
    part = authored(part, options)
    if kind not in TEXTS and not part.units:
        raise UsageError(f"{part.title} has no layers, blocks or joins; --kind graph shows its ops")
    return part


def _parts(description: Description) -> list[str]:
    """The paths of units and of what holds them, those that hold most first."""
    paths = [unit.id.split(".") for unit in description.units]
    parts = {".".join(path[:depth]) for path in paths for depth in range(1, len(path) + 1)}
    return sorted(parts, key=lambda part: (part.count("."), part))


def titled(pen: Pen, options: Options, height: float) -> tuple[tuple[Item, ...], float]:
    """The items under the title, if there is one."""
    if not options.title:
        return tuple(pen.items), height
    size, runs = pen.theme.sizes.caption * 1.25, words(options.title, bold=True)
    heading = Pen(pen.theme)
    up = max([size, *(run.set(size, pen.theme.family).up for run in runs)])  # formulas are higher
    top = up + 0.7 * size
    items = moved(pen.items, 0, top)
    heading.text(options.width / 2, up, runs, size)
    need = heading.measure(runs, size)
    if need > options.width:
        raise NarrowError("the title", options.width, need, "or a shorter one")
    return (*heading.items, *items), height + top
