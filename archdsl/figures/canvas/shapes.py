"""A scene as things that can be moved: nodes with their text, and links that hold on to nodes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import hypot

from archdsl.figures.canvas.pen import MIDDLE
from archdsl.figures.canvas.scene import (
    TURNED,
    Box,
    Command,
    Group,
    Item,
    Path,
    Point,
    Scene,
    Text,
    curve,
    end_of,
    fields,
)

NEAR = 0.75  # points: what touches a border
KINDS = {"box": "box", "sign": "sign", "dot": "dot", "front": "slab"}


@dataclass(eq=False)
class Node:
    """A box, a sign in a circle, a dot or a slab; `parts` are its paths, the front one last.

    `texts` move with it. It is unique by `name`, of letters, digits and `-`.
    """

    name: str
    kind: str
    box: Box
    parts: list[Path]
    texts: list[Text] = field(default_factory=list)

    @property
    def front(self) -> Path:
        """What says its colors and its line."""
        return self.parts[0] if self.kind == "sign" else self.parts[-1]

    @property
    def middle(self) -> Point:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def corner(self) -> float:
        """How round the corners of a box are."""
        if not any(letter == "C" for letter, _ in self.front.commands):
            return 0.0
        return self.box[2] - self.front.commands[1][1][0]

    @property
    def label(self) -> Text | None:
        """Its text, if that is one line in its middle."""
        (x, y), one = self.middle, self.texts[0] if len(self.texts) == 1 else None
        if self.kind != "box" or one is None or one.angle or one.anchor != "middle":
            return None
        inside = abs(one.x - x) < 0.01 and abs(one.y - MIDDLE * one.size - y) < 0.01
        return one if inside else None


@dataclass(frozen=True)
class Port:
    """A place of a node, as parts of its width and height from the upper left."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True)
class Link:
    """A line; `steps` are the corners or curves after `start`, `turn` how round its corners are.

    `end` is the last point, with `tip` that of an arrow.
    """

    start: Point
    steps: tuple[Command, ...]
    path: Path
    turn: float
    tip: bool
    source: Port | None = None
    target: Port | None = None

    @property
    def end(self) -> Point:
        return end_of(self.steps[-1])

    def points(self, pieces: int) -> Iterator[Point]:
        """The corners after the start, and as many points of a curve."""
        at = self.start
        for letter, numbers in self.steps:
            yield from curve(at, numbers, pieces) if letter == "C" else [end_of((letter, numbers))]
            at = end_of((letter, numbers))


@dataclass(frozen=True)
class Part:
    """A group of the scene: what is in it."""

    id: str
    title: str
    shapes: "tuple[Shape, ...]"


Shape = Node | Link | Part | Path | Text


def shapes(scene: Scene) -> tuple[Shape, ...]:
    """The things of a scene, in drawing order."""
    reader = _Reader()
    found = reader.read(scene.items, "")
    held = _Held(reader.nodes)
    return tuple(_linked(shape, held) for shape in found)


def links(found: Iterable[Shape]) -> Iterator[Link]:
    """The links of shapes, and of the parts among them."""
    for shape in found:
        if isinstance(shape, Part):
            yield from links(shape.shapes)
        elif isinstance(shape, Link):
            yield shape


def nodes(found: Iterable[Shape]) -> Iterator[Node]:
    """The nodes of shapes, and of the parts among them."""
    for shape in found:
        if isinstance(shape, Part):
            yield from nodes(shape.shapes)
        elif isinstance(shape, Node):
            yield shape


class _Reader:
    """Puts the paths and texts of groups together."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.names: dict[str, int] = {}

    def read(self, items: Sequence[Item], id: str) -> tuple[Shape, ...]:
        found: list[Shape] = []
        at = 0
        while at < len(items):
            item, own = items[at], len(found)
            if isinstance(item, Group):
                found.append(Part(item.id, item.title, self.read(item.items, item.id)))
                at += 1
                continue
            count = _count(items, at)
            parts = [one for one in items[at : at + count] if isinstance(one, Path)]
            if isinstance(item, Text):
                found.append(item)
            elif item.form == "line":
                found.append(_link(parts))
            elif item.form in ("box", "sign", "dot", "top", "side", "front"):
                found.append(self.node(parts, id))
            else:
                found.append(item)
            at += max(count, 1)
            assert len(found) == own + 1
        return _texts_in_nodes(found) if id else tuple(found)

    def node(self, parts: list[Path], id: str) -> Node:
        form = parts[-1].form if parts[0].form != "sign" else "sign"
        left, top, right, bottom = zip(*(bare(part) for part in parts), strict=True)
        box = min(left), min(top), max(right), max(bottom)
        named = f"{id.removesuffix('.block')} fork" if form == "dot" else id or form
        made = Node(self.name(named), KINDS[form], box, parts)
        self.nodes.append(made)
        return made

    def name(self, id: str) -> str:
        """A name of its own for what is at a path."""
        plain = name = re.sub(r"[^A-Za-z0-9]+", "-", id).strip("-") or "node"
        while name in self.names:
            self.names[plain] += 1
            name = f"{plain}-{self.names[plain]}"
        self.names[name] = 1
        return name


def _count(items: Sequence[Item], at: int) -> int:
    """How many items from a place on are one thing."""
    forms = [one.form if isinstance(one, Path) else "-" for one in items[at : at + 3]]
    if forms[0] == "top":
        return 3
    if forms[:2] in (["sign", "arms"], ["line", "head"]):
        return 2
    lines = [one for one in items[at : at + 2] if isinstance(one, Path)]
    if forms == ["line", "line", "head"] and _points(lines[0])[-1] == _points(lines[1])[0]:
        return 3  # a spline, and then its arrow
    return 1


def _texts_in_nodes(found: Sequence[Shape]) -> tuple[Shape, ...]:
    """The texts of a group are those of its node, if it has one."""
    own = [shape for shape in found if isinstance(shape, Node)]
    slabs = [one for part in found if isinstance(part, Part) for one in nodes(part.shapes)]
    if len(own) != 1 or slabs:
        return tuple(found)
    own[0].texts += [shape for shape in found if isinstance(shape, Text)]
    return tuple(shape for shape in found if not isinstance(shape, Text))


def _link(parts: Sequence[Path]) -> Link:
    """The corners of a line with round turns, up to the tip of its arrow."""
    lines = [part for part in parts if part.form == "line"]
    first, *rest = [command for line in lines for command in line.commands]
    steps: list[Command] = []
    turns: list[float] = []
    for (letter, n), (after, _) in zip(rest, [*rest[1:], ("", ())], strict=True):
        if letter == "C" and steps and steps[-1][0] == "L" and after == "L":
            corner, reach = _corner(end_of(steps[-1]), (n[0], n[1]))
            steps[-1] = ("L", corner)
            turns.append(reach)
        elif letter != "M":
            steps.append((letter, n))
    tip = parts[-1].form == "head"
    if tip:
        place = _points(parts[-1])[0]
        straight = steps[-1][0] == "L"
        steps[-1 if straight else len(steps) :] = [("L", place)]
    return Link(end_of(first), tuple(steps), lines[0], min(turns, default=0.0), tip)


def _corner(enter: Point, control: Point) -> tuple[Point, float]:
    """The corner that a turn cuts, and how far before it the turn begins."""
    dx, dy = ((b - a) / TURNED for a, b in zip(enter, control, strict=True))
    return (enter[0] + dx, enter[1] + dy), hypot(dx, dy)


class _Held:
    """Finds the node that a point is at."""

    def __init__(self, found: Iterable[Node]) -> None:
        self.near: dict[tuple[int, int], list[Node]] = {}
        for node in found:
            for place in fields(node.box):
                self.near.setdefault(place, []).append(node)

    def at(self, point: Point) -> Port | None:
        """The smallest node whose border, or dot, a point is on."""
        x, y = point
        around = fields((x - NEAR, y - NEAR, x + NEAR, y + NEAR))
        found = {node.name: node for place in around for node in self.near.get(place, ())}
        touched = [node for node in found.values() if _touches(node, point)]
        if not touched:
            return None
        node = min(touched, key=lambda node: (_area(node.box), node.name))
        left, top, right, bottom = node.box
        if node.kind == "dot":
            return Port(node, 0.5, 0.5)
        part = (x - left) / (right - left), (y - top) / (bottom - top)
        return Port(node, *(min(1.0, max(0.0, round(one, 4))) for one in part))


def _touches(node: Node, point: Point) -> bool:
    (left, top, right, bottom), (x, y) = node.box, point
    from_middle = hypot(x - (left + right) / 2, y - (top + bottom) / 2)
    if node.kind == "dot":
        return from_middle < NEAR
    if node.kind == "sign":
        return abs(from_middle - (right - left) / 2) < NEAR
    inside = left - NEAR < x < right + NEAR and top - NEAR < y < bottom + NEAR
    return inside and min(abs(x - left), abs(x - right), abs(y - top), abs(y - bottom)) < NEAR


def _linked(shape: Shape, held: _Held) -> Shape:
    if isinstance(shape, Part):
        inner = tuple(_linked(one, held) for one in shape.shapes)
        return Part(shape.id, shape.title, inner)
    if not isinstance(shape, Link):
        return shape
    source, target = held.at(shape.start), held.at(shape.end)
    return Link(shape.start, shape.steps, shape.path, shape.turn, shape.tip, source, target)


def bare(path: Path) -> Box:
    """The box of a path without its line."""
    left, top, right, bottom = path.box()
    half = path.width / 2 if path.stroke else 0.0
    return left + half, top + half, right - half, bottom - half


def _points(path: Path) -> list[Point]:
    return [end_of(command) for command in path.commands if command[1]]


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
