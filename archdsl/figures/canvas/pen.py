"""Draws the marks of figures into a list of items: boxes, arrows, slabs, lines of text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, hypot, log2, sqrt

from archdsl.figures.canvas.scene import (
    Anchor,
    Command,
    Form,
    Group,
    Item,
    Omission,
    Path,
    Point,
    Run,
    Text,
    circle,
    polygon,
    rectangle,
    rounded,
    width,
    words,
)
from archdsl.figures.canvas.theme import Paint, Theme, mixed

LINE, EDGE, CONTAINER, HATCH = 0.65, 0.7, 0.5, 0.45  # points
OVERHANG = 0.9  # of the break of a slab
HATCHED = 2.6  # between the lines of a hatch
CORNER, DASH = 2.2, (2.2, 1.5)
ARROW_LENGTH, ARROW_WIDTH = 4.2, 3.2
BOX_HEIGHT, BOX_WIDTH, BOX_MARGIN = 13.5, 44.0, 5.0  # of a box in a column
BOX_TIGHT = 4.0  # margin of a box in a row
PLUS, DOT, TURN = 4.6, 1.15, 4.0  # radii of a plus in its circle, a fork, the turn of a line
MIDDLE = 0.36  # of its size: how far the baseline of a line is below the middle of its capitals
THIN, LOWEST = 2.6, 9.0  # the thinnest slab; the lowest
DEPTH_X, DEPTH_Y = 0.30, 0.186  # how far a slab of height 1 goes back


@dataclass(frozen=True, slots=True)
class Slab:
    """A cuboid: the front is `thick` wide and `height` high; it goes back by a part of `depth`.

    One that is `broken` is higher or deeper than its scale says, one that is `thin` thicker;
    without depth it is a sheet.
    """

    thick: float
    height: float
    depth: float
    broken: bool = False
    thin: bool = False

    @property
    def width(self) -> float:
        return self.thick + DEPTH_X * self.depth

    @property
    def rise(self) -> float:
        return DEPTH_Y * self.depth


@dataclass
class Pen:
    """Items in drawing order, in the look of a theme."""

    theme: Theme
    items: list[Item] = field(default_factory=list)
    left_out: list[Omission] = field(default_factory=list)  # by choice; the rest is seen in items
    marks: Sequence[tuple[Paint, str]] = ()  # what the legend says besides
    collected: list[tuple[Paint | None, str]] | None = None  # a legend that is drawn elsewhere
    scale: Sequence[tuple[Paint, str]] = ()  # what it says instead: paints from least to most

    def text(
        self,
        x: float,
        y: float,
        runs: tuple[Run, ...] | str,
        size: float,
        color: str = "",
        anchor: Anchor = "middle",
        angle: float = 0,
    ) -> None:
        """A line of text, its baseline at `y`."""
        runs = words(runs) if isinstance(runs, str) else runs
        if runs:
            color = color or self.theme.ink
            self.items.append(Text(x, y, runs, size, color, anchor, self.theme.family, angle))

    def measure(self, runs: tuple[Run, ...] | str, size: float) -> float:
        """The width of a line in points."""
        runs = words(runs) if isinstance(runs, str) else runs
        return width(runs, size, self.theme.family)

    def box_width(self, label: str, column: bool = True) -> float:
        """How wide a box must be for a label."""
        inner = self.measure(label, self.theme.sizes.box)
        return max(BOX_WIDTH, inner + 2 * BOX_MARGIN) if column else inner + 2 * BOX_TIGHT

    def rectangle(
        self, x: float, y: float, w: float, h: float, paint: Paint, line: float = LINE,
        radius: float = CORNER, dash: tuple[float, ...] = (),
    ) -> None:  # fmt: skip
        shape = rectangle(x, y, w, h, radius)
        self.items.append(Path(shape, paint.fill, paint.stroke, line, dash, "box"))
        if paint.hatch:
            inset = max(0.35 * radius, line / 2)  # corners are round
            self.hatch((x + inset, y + inset, w - 2 * inset, h - 2 * inset), paint)

    def hatch(self, area: tuple[float, float, float, float], paint: Paint) -> None:
        """The lines of a paint over a rectangle, given as x, y, width and height."""
        lines = tuple(
            command
            for direction in ("/\\" if paint.hatch == "x" else paint.hatch)
            for segment in _strokes(direction, *area)
            for command in polygon(segment, closed=False)
        )
        if lines:
            self.items.append(Path(lines, "", paint.lines, HATCH))

    def label(
        self, x: float, y: float, w: float, h: float, text: tuple[Run, ...] | str,
        size: float = 0.0, color: str = "",
    ) -> None:  # fmt: skip
        """Text in the middle of an area, by the height of its capitals."""
        size = size or self.theme.sizes.box
        self.text(x + w / 2, y + h / 2 + MIDDLE * size, text, size, color)

    def line(self, points: Sequence[Point], dashed: bool = False, color: str = "") -> None:
        """A line with round turns."""
        points = _without_repeats(points)
        if len(points) > 1:
            path = rounded(points, TURN)
            dash = DASH if dashed else ()
            self.items.append(Path(path, "", color or self.theme.edge, EDGE, dash, "line"))

    def arrow(self, points: Sequence[Point], dashed: bool = False, color: str = "") -> None:
        """A line with round turns whose tip touches the last point."""
        points = _without_repeats(points)
        (x0, y0), (x, y) = points[-2:]
        reach = hypot(x - x0, y - y0)
        dx, dy = (x - x0) / reach, (y - y0) / reach
        length = min(ARROW_LENGTH, reach)
        self.line([*points[:-1], (x - dx * length * 0.8, y - dy * length * 0.8)], dashed, color)
        self.head((x, y), (dx, dy), length, color)

    def curve(self, points: Sequence[Point], level: bool, tip: bool = True) -> None:
        """Straight from the first point to the second, bent to the third along the axis, straight.

        The third and the last lie on one line along the axis.
        """
        start, (x0, y0), (x1, y1), (x, y) = points
        back = 0.8 * ARROW_LENGTH if tip else 0.0
        end = (x - back, y) if level else (x, y - back)
        bend = (min(x1, end[0]), y) if level else (x, min(y1, end[1]))
        bent: list[Command] = []
        if abs(y - y0 if level else x - x0) > 0.05:
            half = ((bend[0] - x0) / 2, 0.0) if level else (0.0, (bend[1] - y0) / 2)
            near, far = (x0 + half[0], y0 + half[1]), (bend[0] - half[0], bend[1] - half[1])
            bent = [("C", (*near, *far, *bend))]
        if not bent or bend != end:
            bent.append(("L", end))
        path = polygon(_without_repeats([start, (x0, y0)]), closed=False)
        self.items.append(Path((*path, *bent), "", self.theme.edge, EDGE, form="line"))
        if tip:
            self.head((x, y), (1.0, 0.0) if level else (0.0, 1.0))

    def head(self, tip: Point, along: Point, length: float = ARROW_LENGTH, color: str = "") -> None:
        """The head of an arrow that goes along a direction of length 1."""
        (x, y), (dx, dy), side = tip, along, ARROW_WIDTH / 2
        back = x - dx * length, y - dy * length
        left = back[0] - dy * side, back[1] + dx * side
        right = back[0] + dy * side, back[1] - dx * side
        self.items.append(
            Path(polygon([(x, y), left, right]), color or self.theme.edge, form="head")
        )

    def dot(self, x: float, y: float) -> None:
        """Where a shortcut leaves."""
        self.items.append(Path(circle(x, y, DOT), self.theme.edge, form="dot"))

    def sign(self, x: float, y: float, verb: str, radius: float = PLUS) -> None:
        """A plus or a cross in a circle."""
        plain = self.theme.paint("plain")
        arm = radius * (0.55 if verb == "add" else 0.42)
        ends = [((x - arm, y), (x + arm, y)), ((x, y - arm), (x, y + arm))]
        if verb != "add":
            ends = [((x - arm, y - s * arm), (x + arm, y + s * arm)) for s in (1, -1)]
        sign = Path(circle(x, y, radius), plain.fill, self.theme.edge, EDGE, form="sign")
        lines = tuple(command for pair in ends for command in polygon(pair, closed=False))
        self.items += [sign, Path(lines, "", self.theme.edge, EDGE, form="arms")]

    def slab(self, x: float, axis: float, slab: Slab, paint: Paint) -> None:
        """A cuboid whose extent, sides included, has its middle on the axis."""
        w, h, back, rise = slab.thick, slab.height, slab.width - slab.thick, slab.rise
        top = axis - (h + rise) / 2
        front = rectangle(x, top + rise, w, h)
        lid = [(x, top + rise), (x + back, top), (x + w + back, top), (x + w, top + rise)]
        side = [
            (x + w, top + rise), (x + w + back, top), (x + w + back, top + h),
            (x + w, top + rise + h),
        ]  # fmt: skip
        light = mixed(paint.fill, self.theme.light, 0.5)
        dark = mixed(paint.fill, paint.stroke, 0.2)
        faces: list[tuple[tuple[Command, ...], str, Form]] = [(front, paint.fill, "front")]
        if back:
            faces = [(polygon(lid), light, "top"), (polygon(side), dark, "side"), *faces]
        for shape, fill, form in faces:
            self.items.append(Path(shape, fill, paint.stroke, LINE, form=form))
        if paint.hatch:
            self.hatch((x + LINE / 2, top + rise + LINE / 2, w - LINE, h - LINE), paint)
        if slab.broken:
            self.mark(x, top + rise + h / 2, w, paint)

    def mark(self, x: float, y: float, w: float, paint: Paint) -> None:
        """The break of a slab: a gap across its front."""
        upper, lower = (
            [(x - OVERHANG, y + OVERHANG + by), (x + w + OVERHANG, y - OVERHANG + by)]
            for by in (-0.8, 0.8)
        )
        gap = polygon([*upper, *reversed(lower)])
        self.items.append(Path(gap, self.theme.background or "#FFFFFF"))
        lines = tuple(step for edge in (upper, lower) for step in polygon(edge, closed=False))
        self.items.append(Path(lines, "", paint.stroke, HATCH))

    def strokes(self, x: float, y: float, paint: Paint) -> None:
        """The break of a thickness: two short slanted strokes through the lower edge of a front."""
        ends = [[(x + by - 0.6, y + 1.4), (x + by + 0.6, y - 1.4)] for by in (-0.7, 0.7)]
        lines = tuple(step for edge in ends for step in polygon(edge, closed=False))
        self.items.append(Path(lines, "", paint.stroke, HATCH, form="strokes"))

    def grouped(
        self, since: int, id: str, title: str, stands: Iterable[str] = (), of: int = 0
    ) -> None:
        """Makes one group of everything drawn since there were that many items."""
        group = Group(id, title, tuple(self.items[since:]), tuple(stands), of)
        self.items[since:] = [group]


def _strokes(direction: str, x: float, y: float, w: float, h: float) -> Iterator[list[Point]]:
    """Lines across a rectangle, HATCHED apart: `-`, `|`, `/` or its mirror image."""
    if direction in "-|":
        size = h if direction == "-" else w
        for number in range(1, ceil(size / HATCHED)):
            at = number * size / ceil(size / HATCHED)
            level = [(x, y + at), (x + w, y + at)]
            yield level if direction == "-" else [(x + at, y), (x + at, y + h)]
        return
    step = HATCHED * sqrt(2)
    for number in range(1, ceil((w + h) / step)):
        reach = number * step  # along the upper side, then down the right one
        ends = [(max(0.0, reach - h), min(h, reach)), (min(w, reach), max(0.0, reach - w))]
        yield [(x + (a if direction == "/" else w - a), y + b) for a, b in ends]


def slab_for(
    channels: int, sides: tuple[float, float, float], thickness: float, largest: float,
    scale: str = "sqrt",
) -> Slab:  # fmt: skip
    """The cuboid of a map: as high and as deep as it, as thick as its third side.

    It is 70 points high at the largest side. What has one side does not go back; what has two is
    .40 sqrt(C) thick.
    """
    wide = {"sqrt": sqrt(channels), "linear": channels / 32, "log": 2.8 * log2(channels + 1)}[scale]
    true = [side and height_of(side / largest, scale) for side in sides]
    found = [max(size, LOWEST) if side else 0.0 for size, side in zip(true, sides, strict=True)]
    high, deep, long = found
    thick = (long or 0.40 * wide) * thickness
    return Slab(max(THIN, thick), high, deep, found != true, not long and thick < THIN)


def height_of(part: float, scale: str) -> float:
    """The height that a scale gives a map of a part of the largest resolution."""
    return 70 * {"sqrt": sqrt(part), "linear": part, "log": 1 + log2(part) / 6}[scale]


def _without_repeats(points: Sequence[Point]) -> list[Point]:
    kept = [points[0]]
    for point in points[1:]:
        if hypot(point[0] - kept[-1][0], point[1] - kept[-1][1]) > 1e-6:
            kept.append(point)
    return kept
