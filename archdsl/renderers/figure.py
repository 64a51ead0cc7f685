"""From graphs to a picture: one table says which function draws which kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archdsl.diagnostics import UsageError, did_you_mean
from archdsl.graph import Graph
from archdsl.renderers import comparison
from archdsl.renderers.block import block
from archdsl.renderers.captions import caption_of, description_of
from archdsl.renderers.columns import columns
from archdsl.renderers.dense import dense
from archdsl.renderers.description import Description, describe
from archdsl.renderers.hero import hero
from archdsl.renderers.options import Options
from archdsl.renderers.pen import Pen
from archdsl.renderers.scene import Item, Scene, bounds, magnified, moved, words
from archdsl.renderers.strip import strip
from archdsl.renderers.theme import Theme

Draw = Callable[[Sequence[Description], Options, Pen], float]


@dataclass(frozen=True)
class Picture:
    """A scene, or texts by suffix for what is no drawing; a caption and a description of it."""

    caption: str
    description: str
    scene: Scene | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def _of_one(draw: Callable[[Description, Options, Pen], float]) -> Draw:
    def of_first(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
        if len(descriptions) > 1:
            raise UsageError("this kind of figure shows one network; columns and table show several")
        return draw(descriptions[0], options, pen)

    return of_first


KINDS: dict[str, Draw] = {
    "hero": _of_one(hero),
    "strip": _of_one(strip),
    "block": _of_one(block),
    "columns": columns,
    "dense": _of_one(dense),
}


def _table(descriptions: Sequence[Description]) -> dict[str, str]:
    compared = comparison.compare(descriptions)
    return {suffix: write(compared) for suffix, write in comparison.FORMATS.items()}


TEXTS: dict[str, Callable[[Sequence[Description]], dict[str, str]]] = {"table": _table}


def picture(graphs: Sequence[Graph], kind: str, options: Options, theme: Theme) -> Picture:
    """Draws networks; raises UsageError if the kind does not suit them or the width is too small."""
    kinds = [*KINDS, *TEXTS]
    if kind not in kinds:
        raise UsageError(f"there is no kind `{kind}` of figure; {did_you_mean(kind, kinds)}")
    descriptions = [_described(graph, options) for graph in graphs]
    caption = caption_of(descriptions, kind, options)
    description = description_of(descriptions)
    if kind in TEXTS:
        return Picture(caption, description, texts=TEXTS[kind](descriptions))
    pen = Pen(theme)
    height = KINDS[kind](descriptions, options, pen)
    items, height = _titled(pen, options, height)
    title = options.title or ", ".join(graph.name for graph in graphs)
    scene = Scene(
        options.width, height + 0.5, items, title, caption, description, theme.background
    )
    if bounds(items)[2] > options.width + 0.5:
        raise UsageError(f"this figure needs a width of {bounds(items)[2]:.0f} pt; give it --width")
    return Picture(caption, description, magnified(scene, options.zoom))


def _described(graph: Graph, options: Options) -> Description:
    whole = describe(graph)
    if not options.only:
        return whole
    part = whole.only(options.only)
    if not part.units:
        raise UsageError(
            f"{graph.name} has nothing to draw at `{options.only}`;"
            f" {did_you_mean(options.only, [unit.id for unit in whole.units])}"
        )
    return part


def _titled(pen: Pen, options: Options, height: float) -> tuple[tuple[Item, ...], float]:
    """The items under the title, if there is one."""
    if not options.title:
        return tuple(pen.items), height
    size = pen.theme.sizes.caption * 1.25
    top = size * 1.7
    items = moved(pen.items, 0, top)
    heading = Pen(pen.theme)
    heading.text(options.width / 2, size, words(options.title, bold=True), size)
    if heading.measure(words(options.title, bold=True), size) > options.width:
        raise UsageError("the title is wider than the figure; shorten it or give a larger --width")
    return (*heading.items, *items), height + top
