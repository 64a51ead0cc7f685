"""The scene: paths, texts and groups in points, y downwards. What every emitter draws."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal
from unicodedata import normalize

from archdsl.figures.canvas.font import font
from archdsl.figures.canvas.formula import (
    CAPITALS,
    DESCENT,
    LOWERED,
    MATH,
    RAISED,
    Block,
    Piece,
    formula,
    script,
)
from archdsl.figures.canvas.formula import placed as set_formula
from archdsl.figures.canvas.pictures import Picture

Anchor = Literal["start", "middle", "end"]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Point = tuple[float, float]
Command = tuple[str, tuple[float, ...]]  # M, L, C (two control points and the end) or Z
Form = Literal["", "box", "sign", "arms", "dot", "top", "side", "front", "line", "head", "strokes"]
TURNED = 0.5523  # of a quarter circle: how far its control points are from its ends
LEAST = 6.0  # points: no letter is smaller, raised ones neither


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a text in one style; `sup` and `sub` make it small, and raise or lower it.

    One of `math` is what stands between dollars: `C_3`.
    """

    text: str
    bold: bool = False
    sup: bool = False
    sub: bool = False
    math: bool = False

    def size(self, text: float, least: float = LEAST) -> float:
        """Its size in a text of a size."""
        return script(text, least) if self.sup or self.sub else text

    def width(self, size: float, family: str, least: float = LEAST) -> float:
        """Its width in a text of a size."""
        if self.math:
            return self.set(size, family, least).width
        return font(family, self.bold).width(self.text, self.size(size, least))

    @property
    def rise(self) -> float:
        """How far it is raised, a part of the size of the text."""
        return RAISED if self.sup else -LOWERED if self.sub else 0.0

    def set(self, size: float, family: str, least: float = LEAST) -> Block:
        """Its letters in a text of a size; raises UsageError for what is no math."""
        if self.math:
            return set_formula(self.text, size, family, self.bold, least)
        own, rise = self.size(size, least), self.rise * size
        wide = self.width(size, family, least)
        piece = Piece(self.text, self.bold, 0.0, rise, own)
        return Block(wide, CAPITALS * own + rise, DESCENT * size, (piece,))

    @property
    def lines(self) -> "tuple[Run, ...]":
        """Itself where there are no formulas: in one line of letters, raised and lowered ones."""
        if not self.math:
            return (self,)
        said = formula(self.text).linear("")
        return tuple(Run(text, self.bold, level == "sup", level == "sub") for text, level in said)


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text: `x`, `y` of its anchor on the baseline; turned by `angle` (0 or -90).

    `least` is the size that raised and lowered letters have at least.
    """

    x: float
    y: float
    runs: tuple[Run, ...]
    size: float
    color: str
    anchor: Anchor = "middle"
    family: str = "sans"
    angle: float = 0
    least: float = LEAST

    @property
    def plain(self) -> str:
        return "".join(run.text for run in self.lines())

    @property
    def width(self) -> float:
        return width(self.runs, self.size, self.family, self.least)

    def placed(self) -> Iterator[Piece]:
        """Everything in it from the left, offset from its place; bars of formulas have no text."""
        x = -self.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        for run in self.runs:
            block = run.set(self.size, self.family, self.least)
            yield from block.at(x, 0.0).pieces
            x += block.width

    def lines(self) -> Iterator[Run]:
        """The runs, formulas as raised and lowered letters in one line."""
        return (line for run in self.runs for line in run.lines)

    def letters(self) -> Iterator[Piece]:
        """What is placed but the bars of formulas."""
        return (piece for piece in self.placed() if piece.text)

    def bars(self) -> Iterator["Path"]:
        """The bars of formulas, in their place."""
        for piece in self.placed():
            if not piece.text:
                shape = rectangle(piece.x, -piece.rise - piece.thick / 2, piece.wide, piece.thick)
                if self.angle:
                    shape = tuple(("Z", ()) if not n else (a, (n[1], -n[0])) for a, n in shape)
                yield from moved((Path(shape, self.color),), self.x, self.y)  # type: ignore[misc]

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the ink, by the height of capitals and descenders."""
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * self.width
        blocks = [run.set(self.size, self.family, self.least) for run in self.runs]
        up = max((block.up for block in blocks), default=CAPITALS * self.size)
        down = max((block.down for block in blocks), default=DESCENT * self.size)
        if self.angle:
            return self.x - up, self.y - self.width + shift, self.x + down, self.y + shift
        return self.x - shift, self.y - up, self.x - shift + self.width, self.y + down


@dataclass(frozen=True, slots=True)
class Path:
    """A line or an area. Colors are `#RRGGBB`, or empty for none; `width` in points.

    `form` is what it is drawn as; formats that can be edited hold its parts together by that.
    """

    commands: tuple[Command, ...]
    fill: str = ""
    stroke: str = ""
    width: float = 0.0
    dash: tuple[float, ...] = ()
    form: Form = ""
    picture: Picture | None = None  # on the area, a parallelogram

    @property
    def corners(self) -> tuple[Point, Point, Point]:
        """The upper left, the upper right and the lower left of a parallelogram."""
        (_, (x0, y0)), (_, (x1, y1)), _, (_, (x2, y2)) = self.commands[:4]
        return (x0, y0), (x1, y1), (x2, y2)

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom, with half of the line."""
        numbers = [n for _, values in self.commands for n in values]
        half = self.width / 2 if self.stroke else 0.0
        xs, ys = numbers[::2], numbers[1::2]
        return min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half


@dataclass(frozen=True, slots=True)
class Group:
    """Items that are one thing of the network: `id` is its path, `title` what a hover shows.

    `stands` are the paths of all that it stands for if they are more than itself, `of` the number
    of the network they are in.
    """

    id: str
    title: str
    items: "tuple[Item, ...]"
    stands: tuple[str, ...] = ()
    of: int = 0

    def box(self) -> tuple[float, float, float, float]:
        return bounds(self.items)


Item = Path | Text | Group


@dataclass(frozen=True, slots=True)
class Omission:
    """Ops of a network, by their paths, that a picture does not show, and what it says of them."""

    words: str
    ids: frozenset[str]


def not_drawn(omissions: Iterable[Omission]) -> str:
    """`Not drawn: conv1, batch norm, relu.`, or nothing."""
    words = dict.fromkeys(omission.words for omission in omissions)
    return f"Not drawn: {', '.join(words)}." if words else ""


@dataclass(frozen=True)
class Scene:
    """A picture: its size in points, its items, and in words what it is and shows."""

    width: float
    height: float
    items: tuple[Item, ...]
    title: str = ""
    caption: str = ""
    description: str = ""
    background: str = ""
    names: Mapping[str, str] = field(default_factory=dict)  # of colors, as the theme calls them

    def flat(self) -> Iterator[Path | Text]:
        """Every path and text, in drawing order."""
        yield from flat(self.items)


def groups(items: Iterable[Item]) -> Iterator[Group]:
    """The groups of items and those in them, outer ones first."""
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from groups(item.items)


def flat(items: Iterable[Item]) -> Iterator[Path | Text]:
    """The paths and texts of items, in drawing order."""
    for item in items:
        if isinstance(item, Group):
            yield from flat(item.items)
        else:
            yield item


def solid(item: Path | Text) -> Iterator[Box]:
    """What an item covers: its box, of a line that of each of its parts."""
    if isinstance(item, Text) or item.fill:
        yield item.box()
        return
    ends = [numbers[-2:] for letter, numbers in item.commands if letter != "Z"]
    for (x, y), (x2, y2) in pairwise(ends):
        yield min(x, x2), min(y, y2), max(x, x2), max(y, y2)


class Taken:
    """Boxes in a picture; whether another meets one is found among those near it."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        self.near: dict[tuple[int, int], list[Box]] = {}
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        for place in fields(box):
            self.near.setdefault(place, []).append(box)

    def meets(self, box: Box) -> bool:
        """Whether it has something in common with one of them."""
        return any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
            for place in fields(box)
            for other in self.near.get(place, ())
        )


def fields(box: Box) -> Iterator[tuple[int, int]]:
    """The squares of 50 points that a box lies in."""
    left, top, right, bottom = (int(side // 50) for side in box)
    for x in range(left, right + 1):
        for y in range(top, bottom + 1):
            yield x, y


def bounds(items: Iterable[Item]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of everything; zeros for nothing."""
    boxes = [item.box() for item in items]
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def moved(items: Iterable[Item], dx: float, dy: float) -> tuple[Item, ...]:
    """The items elsewhere."""
    return tuple(_moved(item, dx, dy) for item in items)


def _moved(item: Item, dx: float, dy: float) -> Item:
    if isinstance(item, Group):
        return replace(item, items=moved(item.items, dx, dy))
    if isinstance(item, Text):
        return replace(item, x=item.x + dx, y=item.y + dy)
    shifted = tuple(
        (letter, tuple(n + (dy if i % 2 else dx) for i, n in enumerate(numbers)))
        for letter, numbers in item.commands
    )
    return replace(item, commands=shifted)


def words(text: str, bold: bool = False) -> tuple[Run, ...]:
    """A text of the user's, composed and in one line; what stands between dollars is math.

    Raises UsageError for math that is none.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in normalize("NFC", text)).split())
    pieces = [Run(part, bold, math=bool(n % 2)) for n, part in enumerate(MATH.split(line)) if part]
    for piece in pieces:
        if piece.math:
            formula(piece.text)
    return tuple(pieces)


def width(runs: Sequence[Run], size: float, family: str = "sans", least: float = LEAST) -> float:
    """The width of a line in points."""
    return sum(run.width(size, family, least) for run in runs)


def end_of(command: Command) -> Point:
    """The point at which a command of a path ends."""
    x, y = command[1][-2:]
    return x, y


def polygon(points: Sequence[tuple[float, float]], closed: bool = True) -> tuple[Command, ...]:
    """Straight lines through points."""
    first, *rest = points
    lines = [("M", first), *(("L", point) for point in rest)]
    return (*lines, ("Z", ())) if closed else tuple(lines)


def rectangle(x: float, y: float, w: float, h: float, radius: float = 0.0) -> tuple[Command, ...]:
    """A rectangle with round corners."""
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    if not radius:
        return polygon(corners)
    middle = (x + w / 2, y)
    return (*rounded([middle, *corners[1:], corners[0], middle], radius), ("Z", ()))


def rounded(points: Sequence[tuple[float, float]], radius: float) -> tuple[Command, ...]:
    """A polyline with round corners, each at most half as long as the shorter line at it."""
    commands: list[Command] = [("M", points[0])]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        reach = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        enter, leave = _toward(corner, before, reach), _toward(corner, after, reach)
        control = (
            *_toward(corner, before, reach * (1 - TURNED)),
            *_toward(corner, after, reach * (1 - TURNED)),
            *leave,
        )
        commands += [("L", enter), ("C", control)]
    return (*commands, ("L", points[-1]))


def circle(x: float, y: float, r: float) -> tuple[Command, ...]:
    """A circle of four curves."""
    k = TURNED * r
    return (
        ("M", (x + r, y)),
        ("C", (x + r, y + k, x + k, y + r, x, y + r)),
        ("C", (x - k, y + r, x - r, y + k, x - r, y)),
        ("C", (x - r, y - k, x - k, y - r, x, y - r)),
        ("C", (x + k, y - r, x + r, y - k, x + r, y)),
        ("Z", ()),
    )


def curve(start: Point, numbers: Sequence[float], pieces: int) -> Iterator[Point]:
    """Points of a cubic curve: (1-t)^3 a + 3(1-t)^2 t b + 3(1-t) t^2 c + t^3 d."""
    (x0, y0), (x1, y1, x2, y2, x3, y3) = start, numbers
    for step in range(1, pieces + 1):
        t = step / pieces
        a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        yield a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _toward(a: tuple[float, float], b: tuple[float, float], reach: float) -> tuple[float, float]:
    length = _distance(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * reach / length, a[1] + (b[1] - a[1]) * reach / length


def spaced(items: Iterable[Item], factor: float) -> tuple[Item, ...]:
    """The items and their text larger, lines as thin as before."""
    return tuple(items) if factor == 1 else tuple(_spaced(item, factor) for item in items)


def _spaced(item: Item, factor: float) -> Item:
    if isinstance(item, Group):
        return replace(item, items=spaced(item.items, factor))
    larger = _magnified(item, factor)
    if isinstance(item, Text) and isinstance(larger, Text):
        return replace(larger, least=item.least)
    if isinstance(item, Path) and isinstance(larger, Path):
        return replace(larger, width=item.width, dash=item.dash)
    return larger


def magnified(scene: Scene, factor: float) -> Scene:
    """The scene larger, its text and lines with it."""
    if factor == 1:
        return scene
    items = tuple(_magnified(item, factor) for item in scene.items)
    return replace(scene, width=scene.width * factor, height=scene.height * factor, items=items)


def _magnified(item: Item, factor: float) -> Item:
    if isinstance(item, Group):
        return replace(item, items=tuple(_magnified(part, factor) for part in item.items))
    if isinstance(item, Text):
        x, y, size = item.x * factor, item.y * factor, item.size * factor
        return replace(item, x=x, y=y, size=size, least=item.least * factor)
    commands = tuple((a, tuple(n * factor for n in numbers)) for a, numbers in item.commands)
    dash = tuple(part * factor for part in item.dash)
    return replace(item, commands=commands, width=item.width * factor, dash=dash)
