"""Things in layers along an axis, the ways between them as curves that cross as little as can be.

`main` runs along the axis, `cross` across it: the same code draws both directions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from archdsl.figures.canvas.pen import MIDDLE, PLUS, Pen
from archdsl.figures.canvas.scene import Anchor, Point
from archdsl.figures.network.layering import Hop, Layering, layered, straightened
from archdsl.figures.network.tree import Box, Mesh
from archdsl.ops import SIGNED

GAP, SLANTED = 13.0, 14.0  # between layers, room for curves; most that slanting ones add
BESIDE = 7.0  # between things of a layer
PASSING = 3.0  # what a way takes that passes a layer
APART, DOOR = 7.0, 0.6  # most distance of ways that enter a thing; over how much of its side
STUB, NUMBER = 9.0, 12.0  # of a way that goes on in the next line: its end, and room for its number
LINES = 12.0  # between lines

Turn = Callable[[float, float], Point]


class Size(NamedTuple):
    """Of a thing along the axis and across it, and over how much of it ways enter.

    None if they do not end there.
    """

    along: float
    across: float
    door: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """Layers from `first` up to `end`, and how far they are moved along the axis and across it.

    `places` are those of its vertices, and of what comes into it from lines before. Ways that are
    not taken in it have none: they are left out.
    """

    first: int
    end: int
    places: Mapping[int, float]
    along: float = 0.0
    across: float = 0.0


class Weave:
    """Where things stand, each by its number, and how ways between them run.

    `sizes` are theirs; those of `rows` keep to them, and what is `joined` stands on one line.
    """

    def __init__(
        self, pen: Pen, sizes: Sequence[Size], edges: Iterable[Hop], level: bool,
        rows: Sequence[int] = (), joined: Iterable[Hop] = (),
    ) -> None:  # fmt: skip
        self.pen, self.count, self.level, self.gap = pen, len(sizes), level, GAP
        self.found = layered(self.count, edges, rows)
        passing = len(self.found.source) - self.count
        self.sizes = [*sizes, *[Size(0.0, PASSING, None)] * passing]
        self.joined = list(joined)
        self.lines = [self.line(0, len(self.found.layers))]

    def line(self, first: int, end: int) -> Line:
        """Some layers as a line of its own."""
        layers, hops = self.found.layers[first:end], self.found.hops[first : end - 1]
        across = [size.across for size in self.sizes]
        if first:
            coming = {a for a, _ in self.found.hops[first - 1]}
            layers = tuple(v for v in self.found.layers[first - 1] if v in coming), *layers
            hops = self.found.hops[first - 1 : end - 1]
            across = [NUMBER if v in coming else size for v, size in enumerate(across)]
            past = self.past(layers, hops)
            layers = tuple(tuple(v for v in layer if v not in past) for layer in layers)
            hops = tuple(tuple(hop for hop in some if hop[0] not in past) for some in hops)
        inside = {v for layer in layers for v in layer}
        joined = [(a, b) for a, b in self.joined if a in inside and b in inside]
        wide = {vertex for vertex, size in enumerate(self.sizes) if size.door}
        part = Layering(layers, hops, self.found.source)
        places = straightened(part, across, BESIDE, joined, wide)
        return Line(first, end, {v: places[v] for v in inside})

    def past(self, layers: Iterable[Iterable[int]], hops: Iterable[Iterable[Hop]]) -> set[int]:
        """The vertices of ways that pass layers, the first of another line, and end in none."""
        source, (_, *own) = self.found.source, layers
        used = {v for layer in own for v in layer if v < self.count}
        used |= {source[a] for some in hops for a, b in some if b < self.count}
        return {v for layer in layers for v in layer if source[v] not in used}

    def shift(self, by: float) -> None:
        """Moves everything across the axis."""
        self.lines = [replace(line, across=line.across + by) for line in self.lines]

    def spread(self, by: float) -> None:
        """Puts more room between layers."""
        self.gap += by
        for known in ("bands", "spans"):
            self.__dict__.pop(known, None)

    @property
    def reach(self) -> tuple[float, float]:
        """How far it reaches to both sides of the axis."""
        ends = [self.reach_of(line) for line in self.lines]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def reach_of(self, line: Line) -> tuple[float, float]:
        """How far a line reaches across, with what comes into it from the one before."""
        own = {v for layer in self.found.layers[line.first : line.end] for v in layer}
        half = {v: (self.sizes[v].across if v in own else NUMBER) / 2 for v in line.places}
        low = min(place - half[v] for v, place in line.places.items())
        high = max(place + half[v] for v, place in line.places.items())
        return low + line.across, high + line.across

    @cached_property
    def bands(self) -> list[tuple[float, float]]:
        """Where each layer begins and ends along the axis, were it one line."""
        found, at = list[tuple[float, float]](), 0.0
        places = self.lines[0].places
        for layer, hops in zip(self.found.layers, (*self.found.hops, ()), strict=True):
            deep = max(self.sizes[vertex].along for vertex in layer)
            found.append((at, at + deep))
            slant = max((abs(places[a] - places[b]) for a, b in hops), default=0.0)
            at += deep + self.gap + min(SLANTED, slant / 10)
        return found

    @property
    def length(self) -> float:
        """How long the longest line is."""
        return max(self.long(line.first, line.end) for line in self.lines)

    def long(self, first: int, end: int) -> float:
        """How long layers are in a line, with the ends of what comes from another and goes on."""
        edges = (first > 0) * (self.before(first) + STUB + NUMBER)
        edges += (end < len(self.bands)) * (STUB + NUMBER)
        return self.bands[end - 1][1] - self.bands[first][0] + edges

    def before(self, layer: int) -> float:
        """The room for curves before a layer."""
        return self.bands[layer][0] - self.bands[layer - 1][1] if layer else 0.0

    def wrap(self, room: float, above: Callable[[int, int], float]) -> None:
        """Breaks it into as few lines as fit, about equally long, one below the other.

        `above` is the room that layers of a line take over it. A layer that does not fit stands in
        a line of its own.
        """
        lines = self.broken(room)
        low, high = room / 2, room
        while high - low > 2:
            middle = (low + high) / 2
            shorter = self.broken(middle)
            fits = len(shorter) <= len(lines)
            low, high = (low, middle) if fits else (middle, high)
            lines = shorter if fits else lines
        self.lines, at = [self.line(first, end) for first, end in lines], 0.0
        for number, line in enumerate(self.lines):
            edge = self.before(line.first) + STUB + NUMBER if line.first else 0.0
            at += above(line.first, line.end)
            top, bottom = self.reach_of(line)
            along = edge - self.bands[line.first][0]
            self.lines[number] = replace(line, along=along, across=at - top)
            at += bottom - top + LINES

    def broken(self, room: float) -> list[tuple[int, int]]:
        """Where lines begin and end if each takes as much as fits."""
        found, first = list[tuple[int, int]](), 0
        for layer in range(1, len(self.bands)):
            if self.long(first, layer + 1) > room:
                found.append((first, layer))
                first = layer
        return [*found, (first, len(self.bands))]

    @cached_property
    def layer_of(self) -> dict[int, int]:
        return {v: n for n, layer in enumerate(self.found.layers) for v in layer}

    def line_of(self, layer: int) -> Line:
        return next(line for line in self.lines if line.first <= layer < line.end)

    @cached_property
    def spans(self) -> dict[int, tuple[float, float]]:
        """Where everything begins and ends along the axis: in the middle of its layer."""
        found = {}
        for (start, end), layer in zip(self.bands, self.found.layers, strict=True):
            for vertex in layer:
                half = self.sizes[vertex].along / 2 if vertex < self.count else (end - start) / 2
                found[vertex] = (start + end) / 2 - half, (start + end) / 2 + half
        return found

    def spot(self, vertex: int) -> Point:
        """The middle of a thing, along the axis and across it."""
        line = self.line_of(self.layer_of[vertex])
        return sum(self.spans[vertex]) / 2 + line.along, line.places[vertex] + line.across

    def draw_ways(self, main: float, cross: float) -> None:
        """Draws all ways from `main` on, with tips at what they enter and dots where they part."""
        for line in self.lines:
            self.line_ways(line, main + line.along, cross + line.across)

    def line_ways(self, line: Line, main: float, cross: float) -> None:
        """Draws the ways of a line, with what comes into it and goes on in the next."""

        def turn(along: float, across: float) -> Point:
            point = main + along, cross + across
            return point if self.level else point[::-1]

        for layer in range(max(0, line.first - 1), min(line.end, len(self.bands) - 1)):
            hops = [hop for hop in self.found.hops[layer] if hop[0] in line.places]
            starts = {a: (self.spans[a][1], line.places[a]) for a, _ in hops}
            parts, end = starts, self.bands[layer][1]
            if layer + 1 == line.end:
                self.leave(starts, end + STUB, turn)
                continue
            if layer < line.first:
                end = self.bands[line.first][0] - self.before(line.first)
                starts = self.come(starts, end - STUB, turn)
                parts = {a: (end, across) for a, (_, across) in starts.items()}
            for a, b, to in self.entries(hops, line.places):
                across = starts[a][1]
                bend = self.free(b, line.places, min(across, to), max(across, to))
                way = starts[a], (end, across), (bend, to), (self.spans[b][0], to)
                self.pen.curve(
                    [turn(*at) for at in way], self.level, tip=self.sizes[b].door is not None
                )
            for a, count in Counter(a for a, _ in hops).items():
                if count > 1:
                    self.pen.dot(*turn(*parts[a]))
        for inside in self.found.layers[line.first : line.end]:
            for vertex in (v for v in inside if v >= self.count and v in line.places):
                self.pen.line([turn(at, line.places[vertex]) for at in self.spans[vertex]])

    def free(self, b: int, places: Mapping[int, float], low: float, high: float) -> float:
        """Where along the axis a way to a thing, between two places across it, has to be there.

        What is wider in the same layer would hide it.
        """

        def meets(v: int) -> bool:
            half = self.sizes[v].across / 2
            return v < self.count and places[v] - half < high and low < places[v] + half

        beside = self.found.layers[self.layer_of[b]]
        return min(self.spans[v][0] for v in beside if v == b or meets(v))

    def leave(self, starts: Mapping[int, Point], end: float, turn: Turn) -> None:
        """Arrows to the end of a line, each with its number."""
        for a, (along, across) in starts.items():
            self.pen.arrow([turn(along, across), turn(end, across)])
            self.mark(self.numbers[self.found.source[a]], turn(end + 1, across), "start")

    def come(self, starts: Mapping[int, Point], start: float, turn: Turn) -> dict[int, Point]:
        """The same at the beginning of a line; gives where the ways come from."""
        for a, (_, across) in starts.items():
            self.mark(self.numbers[self.found.source[a]], turn(start - 1, across), "end")
        return {a: (start, across) for a, (_, across) in starts.items()}

    @cached_property
    def numbers(self) -> dict[int, int]:
        """The number of what goes on from a line into others, from above, the same in all."""
        found: dict[int, int] = {}
        for line in self.lines[:-1]:
            leaving = {a for a, _ in self.found.hops[line.end - 1] if a in line.places}
            for a in sorted(leaving, key=line.places.__getitem__):
                found.setdefault(self.found.source[a], len(found) + 1)
        return found

    def mark(self, number: int, at: Point, anchor: Anchor) -> None:
        size, color = self.pen.theme.sizes.dimension, self.pen.theme.dimension
        self.pen.text(at[0], at[1] + MIDDLE * size, str(number), size, color, anchor)

    def entries(
        self, hops: Iterable[Hop], places: Mapping[int, float]
    ) -> list[tuple[int, int, float]]:
        """Hops with the place where each enters: side by side in the order that they come in."""
        coming: dict[int, list[int]] = {}
        for a, b in hops:
            coming.setdefault(b, []).append(a)
        found = []
        for b, sources in coming.items():
            door, ways = self.sizes[b].door, len(sources) - 1
            apart = min(APART, door / ways) if ways and door else 0.0
            for number, a in enumerate(sorted(sources, key=places.__getitem__)):
                found.append((a, b, places[b] + (number - ways / 2) * apart))
        return found


def weave_of(
    mesh: Mesh, pen: Pen, level: bool, box_size: Callable[[Box], Size], port: Size
) -> Weave:
    """A mesh: its inputs, its boxes, and if it is open its results, which are ports as inputs are.

    If it is not, it comes and goes on the axis.
    """
    first, last = len(mesh.inputs), len(mesh.inputs) + len(mesh.boxes)
    edges = [
        (first + taken if taken >= 0 else -1 - taken, first + number)
        for number, takes in enumerate(mesh.takes)
        for taken in takes
    ]
    boxes = [
        Size(2 * PLUS, 2 * PLUS) if box.verb in SIGNED else box_size(box) for box in mesh.boxes
    ]
    if not mesh.open:
        made = Weave(pen, [Size(0.0, 0.0), *boxes], edges, level, joined=[(0, last - 1)])
        made.shift(-made.spot(0)[1])
        return made
    edges += [(first + end, last + number) for number, end in enumerate(mesh.ends)]
    sizes = [*[port] * first, *boxes, *[port] * len(mesh.ends)]
    made = Weave(pen, sizes, edges, level)
    made.shift(-sum(made.reach) / 2)
    return made
