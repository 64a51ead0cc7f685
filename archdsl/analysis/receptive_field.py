"""Receptive fields: which pixels of the image a value depends on, exactly, per node and axis.

What an op reads stands on the op (`Op.reach`); such reaches compose, so that a walk over the nodes
leads from any of them to the image (Araujo, Norris & Sim 2019, Computing Receptive Fields of
Convolutional Neural Networks, for windows of one stride).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, product
from math import prod
from typing import Any

from archdsl.analysis.positions import (
    Digit,
    Positions,
    Span,
    TooManyPositions,
    View,
    added,
    dropped,
    hull,
    image,
    nothing,
)
from archdsl.graph.graph import Graph, Node
from archdsl.ops import Op
from archdsl.ops.reach import GONE, Reach
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What a value sees of the image, along every axis of the image.

    `size`: pixels that one position sees, padding and pixels beyond the border included; `jump`:
    pixels from the field of one position to that of the next; `offset`: the first pixel that
    position 0 sees, negative in the padding. `through` is the node by which the whole of a map acts
    on every position besides, "" where none does: pooled context that is joined in counts in the
    sizes, which then end at the border; gates (squeeze and excitation) and the statistics of a
    group norm do not.
    """

    size: tuple[int, ...]
    jump: tuple[Fraction, ...]
    offset: tuple[int, ...]
    through: str = ""


def receptive_fields(graph: Graph, of: str = "") -> Mapping[str, ReceptiveField]:
    """The receptive field of every node by id; a graph on vectors has none.

    `of` is the input whose pixels count, the first unless one is named; a node that does not
    depend on it has a field without a pixel.

    What has no place in the image any more (behind a global pool, attention, `flatten`) sees what
    the whole of the map it came from sees, with a jump of 0. Raises TooManyPositions
    where more than `positions.MOST` of them would have to be looked up one by one.
    """
    of = of or next(iter(graph.inputs))
    if not graph.inputs[of].rank:
        return {}
    fields: dict[str, ReceptiveField] = {}
    known: dict[Any, ReceptiveField] = {}
    positions = Positions()
    views = _views(graph, of, positions)
    for node in graph.nodes:
        view, channel = views[node.id], _channel(node)
        names_it = view.carries(channel)  # what channels say is lost here, which `through` names
        key = (id(view), channel, node.id if names_it else "")
        if key not in known:
            seen = _of_channels(view, node, positions)
            known[key] = _field(graph.inputs[of].spatial, seen, positions)
        fields[node.id] = known[key]
    return fields


def pixels(graph: Graph, id: str, position: Sequence[int], input: str = "") -> tuple[range, ...]:
    """The pixels of the image, along each of its axes, that one position of a node sees.

    `position` has a number for every spatial axis of what the node gives; `input` is the input
    whose pixels they are, the first unless one is named.
    """
    node, positions = graph.by_id[id], Positions()
    input = input or next(iter(graph.inputs))
    view = _of_channels(_views(graph, input, positions)[id], node, positions)
    channel = _channel(node)
    index = [*position[:channel], 0, *position[channel:]]
    found = []
    for of, size in enumerate(graph.inputs[input].spatial):
        span = _inside(view.at(index, of), size)
        found.append(range(span[0], span[1] + 1) if span else range(0))
    return tuple(found)


def _views(graph: Graph, of: str, positions: Positions) -> dict[str, View]:
    """What the positions of an input and of every node see, each channel on its own.

    Other inputs see nothing of it.
    """
    shape = graph.inputs[of].shape
    views = {id: nothing(spec.shape, len(shape) - 1) for id, spec in graph.inputs.items()}
    views[of] = image(shape)
    known: dict[Any, View] = {}
    parts = _Parts(graph, views, positions)
    for node in graph.nodes:
        positions.node = node.id
        if node.id in parts.wanted:
            views[node.id] = parts.follow(node)
            continue
        taken = tuple(views[id] for id in _read_ids(node))
        key = (node.op, graph.specs(node), taken)
        if key not in known:
            known[key] = _seen(node, graph.specs(node), taken, positions)
        views[node.id] = known[key]
    return views


Part = tuple[int, View]  # so many channels, and what those see


class _Parts:
    """What some channels of a concatenation see, each on their own, up to where a slice takes some.

    `wanted` are the slices, and what leads to them without that channels are mixed.
    """

    def __init__(self, graph: Graph, views: dict[str, View], positions: Positions) -> None:
        self.graph, self.views, self.positions = graph, views, positions
        self.parts: dict[str, list[Part]] = {}  # of what has several
        self.wanted: set[str] = set()
        for node in reversed(graph.nodes):
            if self.takes_some(node) or (node.id in self.wanted and self.keeps_apart(node)):
                self.wanted |= {node.id, *node.inputs}
        self.wanted -= {node.id for node in graph.nodes if not self.keeps_apart(node)}

    def by_channels(self, node: Node, verb: str) -> bool:
        specs = self.graph.specs(node)
        return node.op.verb == verb and node.op.through(0, node.output, *specs) is None

    def takes_some(self, node: Node) -> bool:
        return self.by_channels(node, "slice")

    def keeps_apart(self, node: Node) -> bool:
        """Whether a channel of what it gives is computed of one channel of each input."""
        if self.takes_some(node) or self.by_channels(node, "concat"):
            return True
        op, specs = node.op, self.graph.specs(node)
        if op.mixes or op.constant or len(specs) != len(_read_ids(node)):
            return False
        alike = all((x.rank, x.layout) == (node.output.rank, node.output.layout) for x in specs)
        counts = {x.channels for x in specs} - {1}
        plain = op.arrangement(*specs) is None and op.through(0, node.output, *specs) is None
        return alike and plain and counts <= {node.output.channels}

    def of(self, id: str) -> list[Part]:
        return self.parts.get(id) or [(self.graph.spec(id).channels, self.views[id])]

    def follow(self, node: Node) -> View:
        """What a node sees; notes what parts of its channels do."""
        specs = self.graph.specs(node)
        given = [self.of(id) for id in _read_ids(node)]

        def through(view: View, number: int = 0) -> View:
            return _through(node.op, view, number, node.output, specs, self.positions)

        if node.op.verb == "concat" and self.by_channels(node, "concat"):
            found = [(n, through(view, at)) for at, own in enumerate(given) for n, view in own]
        elif self.takes_some(node):
            op: Any = node.op
            stop = specs[0].channels if op.stop is None else op.stop
            taken = range(op.start, stop, op.step)
            found = [(n, through(view)) for n, view in _some(given[0], taken)]
        else:
            cut = _aligned(given, node.output.channels)
            found = [(n, _seen(node, specs, views, self.positions)) for n, views in cut]
        self.positions.look_up(len(found))
        found = _united(found)
        if len(found) > 1:
            self.parts[node.id] = found
        return self.positions.joined([view for _, view in found], False)


def _some(parts: Sequence[Part], taken: range) -> list[Part]:
    """The parts of the channels that are taken."""
    found, start = list[Part](), 0
    for count, view in parts:
        own = range(start, start + count)
        start += count
        inside = sum(channel in own for channel in taken)
        found += [(inside, view)] if inside else []
    return found


def _aligned(inputs: Sequence[Sequence[Part]], channels: int) -> list[tuple[int, tuple[View, ...]]]:
    """What several inputs see, for as many channels of all as see the same.

    What has one channel is there for all of them.
    """
    ends = [[*accumulate(count for count, _ in parts)] for parts in inputs]
    cuts = sorted({end for own in ends if own[-1] == channels for end in own})
    found, start = list[tuple[int, tuple[View, ...]]](), 0
    for cut in cuts or [channels]:
        places = [bisect_right(own, start) if own[-1] == channels else 0 for own in ends]
        found.append((cut - start, tuple(p[at][1] for p, at in zip(inputs, places, strict=True))))
        start = cut
    return found


def _united(parts: Sequence[Part]) -> list[Part]:
    """Neighbours that see the same as one part."""
    found: list[Part] = []
    for count, view in parts:
        if found and found[-1][1] == view:
            found[-1] = (found[-1][0] + count, view)
        else:
            found.append((count, view))
    return found


def _channel(node: Node) -> int:
    """The axis of a node's channels."""
    return node.output.rank if node.output.layout == "channels_last" else 0


def _of_channels(view: View, node: Node, positions: Positions) -> View:
    """What the positions of a node see, all channels of one together."""
    positions.node = node.id
    return positions.read(view, _channel(node), None, node.output.channels)


def _read_ids(node: Node) -> tuple[str, ...]:
    """The inputs whose values count; `like` only gives a size."""
    return node.inputs[:1] if node.op.inputs == 1 else node.inputs


def _seen(
    node: Node, specs: tuple[TensorSpec, ...], views: tuple[View, ...], positions: Positions
) -> View:
    """What a node sees: through its op what its inputs see."""
    op = node.op
    if op.constant:
        return nothing(node.output.shape, len(views[0].steps))
    arrangement = op.arrangement(*specs)
    if arrangement is not None:
        return positions.arranged(views[0], arrangement, node.output.shape)
    apart = op.through(0, node.output, *specs) is not None  # so that inputs are read differently
    each = {(id(view), specs[n], n * apart): (n, view) for n, view in enumerate(views)}  # but once
    inputs = [_through(op, view, n, node.output, specs, positions) for n, view in each.values()]
    view = positions.joined(inputs, op.gates) if len(inputs) > 1 else inputs[0]
    stands = op.gates and len(inputs) == 1 and view.placed
    return replace(view, through=view.through or node.id) if stands else view


def _through(
    op: Op,
    view: View,
    number: int,
    y: TensorSpec,
    specs: tuple[TensorSpec, ...],
    positions: Positions,
) -> View:
    """What an op sees through one of its inputs."""
    x, reaches = specs[number], op.through(number, y, *specs)
    if reaches is not None:
        return _by_axes(view, reaches, y, positions)
    if y.rank > x.rank:  # rows of a table for every two positions
        return added(positions.read(view, 0, None, y.shape[0]), 1, y.shape[1])
    channel = 0 if x.layout == "channels_first" else x.rank
    if op.mixes or x.channels != y.channels:
        view = positions.read(view, channel, None, y.channels)
    for axis in reversed(range(x.rank)):
        place = axis + 1 if channel == 0 else axis
        if axis >= y.rank:
            reach = op.reach(axis, y, *specs)
            view = dropped(positions.read(view, place, reach, 1), place)
            continue
        alike = x.spatial[axis] != 1 or y.spatial[axis] == 1 or op.inputs == 1
        reach = op.reach(axis, y, *specs) if alike else Reach(0, ((0,),))
        view = positions.read(view, place, reach, y.spatial[axis])
    return view


def _by_axes(
    view: View, reaches: Sequence[Reach | None], y: TensorSpec, positions: Positions
) -> View:
    """What an op sees through an input, by what it reads along every axis."""
    left = sum(reach is not GONE for reach in reaches)
    for axis, reach in reversed([*enumerate(reaches)]):
        if reach is GONE:
            view = dropped(positions.read(view, axis, None, 1), axis)
        else:
            left -= 1
            view = positions.read(view, axis, reach, y.shape[left])
    return view


def _field(image: Sequence[int], view: View, positions: Positions) -> ReceptiveField:
    """The numbers of what positions see: that of the widest, the distance, and the first pixel.

    `image` are the sizes of what they see.
    """
    axes = [_along(view, of, size, positions) for of, size in enumerate(image)]
    sizes, jumps, offsets = zip(*axes, strict=True)
    return ReceptiveField(sizes, jumps, offsets, view.through if view.placed else "")


def _along(view: View, of: int, size: int, positions: Positions) -> tuple[int, Fraction, int]:
    steps, context = view.steps[of], view.context[of]
    if steps is None:
        span = context or (0, -1)
        return span[1] - span[0] + 1, Fraction(0), span[0]
    if context and context[0] <= 0 and context[1] >= size - 1:
        return size, _jump(view, of) or Fraction(0), 0
    digits = [digit for axis in view.axes for digit in axis if digit.weights[of]]
    period = len(steps.spans)
    parts = [
        range(0, (digit.size if context else min(digit.size, period)) * weight, weight)
        for digit in digits
        for weight in [digit.weights[of]]
    ]  # after a period come the same phases
    positions.look_up(prod(map(len, parts)))
    coordinates = dict.fromkeys(map(sum, product(*parts)) if len(parts) > 1 else parts[0])
    if context:
        found = [_inside(hull((steps.at(c), context)), size) for c in coordinates]
    else:
        found = [steps.spans[phase] for phase in dict.fromkeys(c % period for c in coordinates)]
    spans = [span for span in found if span is not None] or [(0, -1)]
    return max(b - a + 1 for a, b in spans), _jump(view, of) or Fraction(0), spans[0][0]


def _jump(view: View, of: int) -> Fraction | None:
    """The distance of neighbours, where an axis of the tensor is one of the image and no other."""
    steps, axes = view.steps[of], [axis for axis in view.axes if any(d.weights[of] for d in axis)]
    digits = [digit for axis in axes for digit in axis if digit.size > 1 or len(axis) == 1]
    others = [other for other in range(len(view.steps)) if other != of]
    if steps is None or len(digits) != 1 or any(_varies(view, digits[0], of) for of in others):
        return None
    weight = digits[0].weights[of]
    return steps.jump if weight == 1 else steps.jump * weight


def _varies(view: View, digit: Digit, of: int) -> bool:
    """Whether positions along a digit see different pixels along an axis of the image."""
    steps, weight = view.steps[of], digit.weights[of]
    if steps is None or not weight:
        return False
    turned = min(digit.size, len(steps.spans) + 1)  # after which come the same phases
    return any(steps.at(n * weight) != steps.at(0) for n in range(turned))


def _inside(span: Span | None, size: int) -> Span | None:
    """The pixels of a span that the image has."""
    return span and (max(0, span[0]), min(size - 1, span[1]))


def reductions(graph: Graph, ids: Iterable[str]) -> dict[str, int | tuple[int, ...]]:
    """The total stride of nodes relative to the image, at least 1; by axis where those differ.

    Of several inputs it is the first that a node sees.

    That is how far apart in the image neighbours of the map are; for what has no place in it any
    more, or whose place takes too many positions to look up, how many times smaller than the image
    it is.
    """
    try:
        fields = {of: receptive_fields(graph, of) for of in graph.inputs}
    except TooManyPositions:
        fields = {}
    result: dict[str, int | tuple[int, ...]] = {}
    for id in ids:
        spec = graph.spec(id)
        seen = (of for of, found in fields.items() if id in found and any(found[id].size))
        of = id if id in graph.inputs else next(seen, next(iter(graph.inputs)))
        sizes = graph.inputs[of].spatial
        here = (Fraction(int(id in graph.inputs)),) * len(sizes)
        jumps = fields[of][id].jump if id in fields.get(of, {}) else here
        if spec.layout != "channels_first" or spec.rank != len(sizes):
            jumps, sizes = (Fraction(0),), sizes[:1]
        pairs = list(zip(jumps, sizes, spec.spatial, strict=False))
        strides = tuple(max(1, round(jump or Fraction(n, m))) for jump, n, m in pairs) or (1,)
        result[id] = strides[0] if len(set(strides)) == 1 else strides
    return result
