"""A caption to start from, and alternative text: what a reader who sees no picture should know."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.diagnostics.text import one_line
from archdsl.expressions.numbers import quantity
from archdsl.figures.canvas.pen import LOWEST, height_of
from archdsl.figures.canvas.scene import Path, Scene, Text
from archdsl.figures.network import labels
from archdsl.figures.network.block_kinds import block_kinds
from archdsl.figures.network.description import Description, Stage, vary
from archdsl.figures.network.units import resolution, sides
from archdsl.figures.options import Options
from archdsl.graph.graph import Graph

_EXPLAINED = {
    "columns": " Rows by resolution; a dashed shortcut projects.",
    "diff": " White is what both have, in order; notes say which norms or shortcuts differ.",
    "dense": " Every layer takes the maps of all before it.",
    "scaling": " A bar for every block, its width the square root of its channels.",
    "pyramid": " Rows by resolution.",
}
_SCALES = {"sqrt": "the square root of", "linear": "", "log": "the logarithm of"}


@dataclass(frozen=True)
class Caption:
    """What is said of a figure, or of a panel of one, and the networks in it."""

    said: str
    graphs: tuple[Graph, ...] = ()

    @property
    def source(self) -> str:
        """` After K. He, ...`, of one network that is cited."""
        cited = _source(self.graphs[0]) if len(self.graphs) == 1 else ""
        return f" After {cited}." if cited else ""

    def __str__(self) -> str:
        return self.said + self.source


def caption_of(
    descriptions: Sequence[Description], kind: str, options: Options, missing: str,
    scene: Scene | None = None,
) -> Caption:  # fmt: skip
    """A few sentences: what is drawn in a scene, to which scale, and what is `missing`."""
    *first, last = [description.title for description in descriptions]
    names = f"{', '.join(first)} and {last}" if first else last
    total = descriptions[0].total
    amounts = f"{quantity(total.parameters)} parameters, {quantity(total.macs)} MACs"
    text = f"{names} ({amounts})." if len(descriptions) == 1 else f"{names}."
    if kind == "strip" or (kind == "hero" and descriptions[0].linear):
        by = _SCALES[options.scale]
        text += f" Height of a slab: {by} resolution; thickness: {by} channels.".replace(
            ":  ", ": "
        )
        text += _of_three_axes(descriptions[0], by)
        text += _untrue(descriptions[0], options.scale)
        text += _at_edges(scene) if options.dims == "edges" else ""
    text += _EXPLAINED.get(kind, "")
    if kind == "pyramid" and options.shape == "slabs":
        text += " Height of a slab: the square root of resolution; thickness: of channels."
    if kind in ("hero", "block"):
        text += _of_blocks(descriptions[0], kind, scene)
    text += f" {missing}" * bool(missing)
    return Caption(text, tuple(description.graph for description in descriptions))


def _untrue(description: Description, scale: str) -> str:
    """Of which slabs the size is not what the scale says, and what slabs do not show."""
    graph = description.graph
    specs = [graph.input, *(unit.output for unit in description.units)]
    maps = [spec for spec in specs if spec.rank and set(spec.spatial) != {1}]
    largest = max(map(resolution, specs))
    found = {side for spec in maps for side in sides(spec) if side}
    low = [side for side in found if height_of(side / largest, scale) < LOWEST]
    return f" A mark breaks slabs of {max(low):g} pixels or less, which are larger." if low else ""


def _of_three_axes(description: Description, by: str) -> str:
    """What the thickness of maps of three axes is, if there are any."""
    specs = [description.input, *(unit.output for unit in description.units)]
    solid = any(spec.rank == 3 and set(spec.spatial) != {1} for spec in specs)
    told = f" Of maps of three axes thickness is {by} depth or time."
    return told.replace("  ", " ") * solid


def _at_edges(scene: Scene | None) -> str:
    """Which number stands at which edge, and what the strokes through the lower ones mean."""
    strokes = scene and any(isinstance(i, Path) and i.form == "strokes" for i in scene.flat())
    thicker = " Two strokes mark slabs that are thicker than their channels say."
    return " At the edges of slabs: height, width and, below, channels." + thicker * bool(strokes)


def _source(graph: Graph) -> str:
    """What it is cited for, a table only if the spec says nothing more: it may differ."""
    cited = one_line(graph.citation)
    return cited if graph.doc == "" else re.sub(r", table [^,]+", "", cited)


def _of_blocks(description: Description, kind: str, scene: Scene | None) -> str:
    """What the letters mean, and the lists beside blocks, if there was room for any."""
    texts = [item.plain for item in scene.flat() if isinstance(item, Text)] if scene else []
    if kind == "hero" and not any(text.startswith("(a)") for text in texts):
        return ""
    kinds = block_kinds(description)
    letters = " Letters mark the stages made of the blocks shown below." if kind == "hero" else ""
    lists = " Lists say where else a block stands, with its own numbers; the drawn one is bold."
    return letters * bool(kinds) + lists * any(kind.rows() for kind in kinds)


def description_of(descriptions: Sequence[Description], missing: str) -> str:
    """The stages of each network in order, with shapes and repeats, and what is `missing`."""
    return "\n".join(filter(None, (*map(_network, descriptions), missing)))


def _network(description: Description) -> str:
    stages = "; ".join(_stage(stage) for stage in description.stages) or "nothing that is drawn"
    return f"{description.title}: from an input of {description.input}: {stages}."


def _stage(stage: Stage) -> str:
    varied = vary(stage.units)
    what = f"{stage.what} ({varied})" if varied else stage.what
    return f"{stage.name}, {what}, giving {labels.plain(stage.shape)}"
