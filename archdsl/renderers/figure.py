"""From graphs to a figure: one table says which function draws which kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from archdsl.diagnostics import UsageError, did_you_mean
from archdsl.graph import Graph
from archdsl.renderers.block import block
from archdsl.renderers.description import Description, describe
from archdsl.renderers.hero import hero
from archdsl.renderers.options import Options
from archdsl.renderers.pen import Pen
from archdsl.renderers.scene import Scene, words
from archdsl.renderers.strip import strip
from archdsl.renderers.theme import Theme

Draw = Callable[[Description, Options, Pen], float]
ONE: dict[str, Draw] = {"hero": hero, "strip": strip, "block": block}


def scene(graphs: Sequence[Graph], kind: str, options: Options, theme: Theme) -> Scene:
    pen = Pen(theme)
    description = describe(graphs[0])
    if options.only:
        description = description.only(options.only)
    height = ONE[kind](description, options, pen)
    return Scene(options.width, height + 0.5, tuple(pen.items), graphs[0].name, "", "", theme.background)
