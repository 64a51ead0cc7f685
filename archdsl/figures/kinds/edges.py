"""The size of a map at the edges of its slabs, as in the figure of AlexNet."""

from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.figures.canvas.formula import CAPITALS, DESCENT
from archdsl.figures.canvas.pen import OVERHANG, Pen, Slab
from archdsl.ops.tensor import TensorSpec

NEAR, BELOW = 1.6, 2.4  # points: between an edge and its number; the lower one's may have a mark
UNDER_ARROW = 2.2  # the number of the height stands as far under the arrow that meets its edge


@dataclass(frozen=True, slots=True)
class Edges:
    """Three numbers, empty where there is no edge, and the room that they take around slabs."""

    high: str = ""
    wide: str = ""
    channels: str = ""
    left: float = 0.0
    right: float = 0.0
    over: float = 0.0
    under: float = 0.0


NO_EDGES = Edges()


def edges_of(specs: Sequence[TensorSpec], first: Slab, last: Slab, pen: Pen) -> Edges:
    """The numbers of maps that stand as slabs from `first` to `last`; `64–96` channels may grow.

    None if three edges cannot say them: maps of several sizes, of three axes, tokens.
    """
    if not specs or len({spec.spatial for spec in specs}) > 1 or not all(map(_plain, specs)):
        return NO_EDGES
    size, spec = pen.theme.sizes.dimension, specs[-1]
    sides = () if set(spec.spatial) == {1} else spec.spatial
    high, wide = (*map(str, sides), "", "")[:2]
    ends = dict.fromkeys((str(specs[0].channels), str(spec.channels)))
    channels = "–".join(ends)
    of_high, of_wide, of_channels = (pen.measure(text, size) for text in (high, wide, channels))
    back = first.width - first.thick
    reach = (of_channels - last.thick) / 2
    left = max(0.0, reach)
    if high:
        left = max(left, of_high + _near(first), of_wide + NEAR - back / 2 if wide else 0.0)
    over = max(0.0, NEAR + CAPITALS * size - first.rise / 2) if wide else 0.0
    under = BELOW + (CAPITALS + DESCENT) * size
    right = max(0.0, reach - (last.width - last.thick))
    return Edges(high, wide, channels, left, right, over, under)


def _near(slab: Slab) -> float:
    """From the number of the height to the slab, whose break may stand out."""
    return NEAR + OVERHANG * slab.broken


def _plain(spec: TensorSpec) -> bool:
    return spec.rank < 3 and not (spec.layout == "channels_last" and spec.rank == 1)


def draw_edges(
    pen: Pen, edges: Edges, slab: Slab, left: float, middle: float, axis: float, foot: float
) -> None:  # fmt: skip
    """Draws them: two at the first slab, from `left` on, the channels under a `middle`."""
    size = pen.theme.sizes.dimension
    color, capitals = pen.theme.dimension, CAPITALS * size
    if edges.high:
        y = axis + UNDER_ARROW + capitals
        pen.text(left - _near(slab), y, edges.high, size, color, "end")
    if edges.wide:
        back = slab.width - slab.thick
        y = axis - slab.height / 2 - NEAR
        pen.text(left + back / 2 - NEAR / 2, y, edges.wide, size, color, "end")
    if edges.channels:
        pen.text(middle, foot + BELOW + capitals, edges.channels, size, color)
