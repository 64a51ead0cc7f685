"""Scaling as small multiples: per network its stages, long by blocks and wide by channels."""

from collections.abc import Sequence
from math import sqrt

from archdsl.diagnostics.errors import UsageError
from archdsl.expressions.numbers import quantity
from archdsl.figures.canvas.pen import LINE, Pen
from archdsl.figures.canvas.scene import Run, words
from archdsl.figures.kinds.block_layout import hover
from archdsl.figures.kinds.legend import draw_legend, entries
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description, Stage
from archdsl.figures.network.units import resolution
from archdsl.figures.options import Options

BLOCK, GAP = 4.0, 1.6  # height of one block; between stages
WIDEST, THINNEST = 46.0, 5.0  # of a bar
BETWEEN, LINE_HEIGHT = 12.0, 8.4
TALL = 260.0  # points that bars may take


def grown(description: Description, base: Description) -> dict[str, float]:
    """What grew against the base: the factors of the scaling rules of a spec that both are of.

    If that did not scale, what is counted: blocks, mean channels of stages, and the input.
    """
    own, first = description.graph.factors, base.graph.factors
    if own != first and _written(description) == _written(base):
        return {name: own[name] / first.get(name, 1.0) for name in own}
    return {
        "blocks": _depth(description) / _depth(base),
        "mean channels": _breadth(description) / _breadth(base),
        "input": resolution(description.graph.input) / resolution(base.graph.input),
    }


def _written(description: Description) -> set[object]:
    """The places of the spec that gave a network."""
    return {node.span and (node.span.file, node.span.line) for node in description.graph.nodes}


def _blocks(description: Description) -> list[Stage]:
    """The stages of blocks; of a plain network those of its convolutions."""
    found = [s for s in description.stages if s.units[0].kind != "op"]
    return found or [s for s in description.stages if s.units[0].role == "conv"]


def _depth(description: Description) -> int:
    return sum(stage.repeat for stage in _blocks(description))


def _breadth(description: Description) -> float:
    stages = _blocks(description)
    return sum(stage.output.channels for stage in stages) / len(stages)


def scaling(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
    """The kind `scaling`; gives the height."""
    if len(descriptions) < 2:
        raise UsageError("scaling compares networks; give two specs or more")
    for description in descriptions:
        if not _blocks(description):
            raise UsageError(
                f"{description.title} has no blocks and no convolutions to draw bars of"
            )
    size = pen.theme.sizes.dimension
    texts = [_texts(description, descriptions[0]) for description in descriptions]
    widths = [
        max(WIDEST, *(pen.measure(line, size) for line in lines)) + BETWEEN for lines in texts
    ]
    per_row = max(1, int(options.width // max(widths)))
    deepest = max(sum(stage.repeat * BLOCK + GAP for stage in _blocks(d)) for d in descriptions)
    unit = BLOCK * min(1.0, TALL / deepest)
    channels = max(s.output.channels for d in descriptions for s in _blocks(d))
    bottom = LINE
    for start in range(0, len(descriptions), per_row):
        chosen = descriptions[start : start + per_row]
        bottom = _row(
            pen, chosen, texts, start, options.width / len(chosen), bottom, unit, channels
        )
        bottom += 10
    if not options.legend:
        return bottom - 10
    units = [stage.units[0] for d in descriptions for stage in _blocks(d)]
    found = entries(pen, filter(None, (unit.telling for unit in units)))
    return draw_legend(pen, found, options.width, bottom - 4)


def _texts(description: Description, base: Description) -> list[tuple[Run, ...]]:
    total = description.total
    lines = [
        words(description.heading, bold=True),
        (Run("input "), *labels.size(description.graph.input)),
        words(f"{quantity(total.parameters)} params"),
        words(f"{quantity(total.macs)} MACs"),
    ]
    if description is not base:
        found = grown(description, base)
        lines += [words(f"{name} ×{factor:.3g}") for name, factor in found.items()]
    return lines


def _row(
    pen: Pen, chosen: Sequence[Description], texts: Sequence[list[tuple[Run, ...]]], first: int,
    cell: float, top: float, unit: float, channels: int,
) -> float:  # fmt: skip
    """Bars above texts, all standing on one line; `first` is the number of the first network."""
    texts = texts[first : first + len(chosen)]
    heights = [sum(s.repeat * unit + GAP for s in _blocks(d)) for d in chosen]
    floor = top + max(heights)
    for number, (description, height) in enumerate(zip(chosen, heights, strict=True)):
        middle = cell * (number + 0.5)
        y = floor - height
        for stage in _blocks(description):
            since = len(pen.items)
            y += _bar(pen, stage, middle, y, unit, channels) + GAP
            title = f"{stage.name}: {stage.what}, "
            title += hover(stage.id, stage.output, description.analysis)
            stands = [part.id for part in stage.units]
            id = f"{description.graph.name}.{stage.id}"
            pen.grouped(since, id, title, stands, first + number)
        for line, text in enumerate(texts[number]):
            size = pen.theme.sizes.dimension
            color = pen.theme.ink if line == 0 else pen.theme.dimension
            pen.text(middle, floor + 10 + line * LINE_HEIGHT, text, size, color)
    most = max(map(len, texts))
    return floor + 4 + most * LINE_HEIGHT


def _bar(pen: Pen, stage: Stage, middle: float, y: float, unit: float, channels: int) -> float:
    """One box a block, as wide as the square root of its channels."""
    wide = max(THINNEST, WIDEST * sqrt(stage.output.channels / channels))
    paint = pen.theme.paint(stage.units[0].role)
    for number in range(stage.repeat):
        pen.rectangle(middle - wide / 2, y + number * unit, wide, unit, paint, 0.4, 0.0)
    return stage.repeat * unit
