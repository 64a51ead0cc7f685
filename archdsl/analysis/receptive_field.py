"""Receptive fields: which pixels of the image a value depends on, exactly, per node and axis.

Along an axis an op reads, for its output position `period * m + r`, the input positions
`step * m + first[r]` to `step * m + last[r]`. Such reaches compose, so that one of them leads from
any node to the image; upsampling gives periods above 1, everything else keeps it at 1
(Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, lcm
from typing import Any

from archdsl.graph.graph import INPUT, Graph, Node
from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec

MAX_PERIOD = 4096  # positions of which each has a reach of its own


@dataclass(frozen=True, slots=True)
class Reach:
    """What an output position reads along one axis; see the formula above."""

    step: int = 1
    first: tuple[int, ...] = (0,)
    last: tuple[int, ...] = (0,)

    @property
    def period(self) -> int:
        return len(self.first)

    def low(self, position: int) -> int:
        turn, phase = divmod(position, self.period)
        return self.step * turn + self.first[phase]

    def high(self, position: int) -> int:
        turn, phase = divmod(position, self.period)
        return self.step * turn + self.last[phase]

    @property
    def size(self) -> int:
        """How many positions the widest phase reads."""
        return max(b - a + 1 for a, b in zip(self.first, self.last, strict=True))

    @property
    def jump(self) -> Fraction:
        """How far apart in the input two neighbours of the output are."""
        return Fraction(self.step, self.period)

    def after(self, before: "Reach") -> "Reach":
        """What an op that reads with this reach sees through an input that reads with `before`."""
        whole = lcm(self.step, before.period)
        period = min(self.period * (whole // self.step), MAX_PERIOD)
        first = tuple(before.low(self.low(position)) for position in range(period))
        last = tuple(before.high(self.high(position)) for position in range(period))
        return Reach(before.low(self.low(period)) - first[0], first, last)

    def joined(self, other: "Reach") -> "Reach":
        """Both together."""
        period = min(lcm(self.period, other.period), MAX_PERIOD)
        pairs = [
            (min(self.low(p), other.low(p)), max(self.high(p), other.high(p)))
            for p in range(period)
        ]
        step = round(period * max(self.jump, other.jump))
        return Reach(step, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))


Axis = Callable[[Any, TensorSpec, TensorSpec, int], Reach]  # op, input, output, axis -> reach


def _same(op: Op, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    return Reach()


def _all(op: Op, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    """Everything: one position that reads the whole axis."""
    size = x.spatial[axis] if axis < x.rank else 1
    return Reach(size, (0,), (size - 1,))


def _window(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    kernel, stride = op.kernel[axis], op.stride[axis]
    dilation = op.dilation[axis] if hasattr(op, "dilation") else 1
    pad = getattr(op, "pad", op.padding)
    if pad == "same":
        size = x.spatial[axis]
        total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
        left = total // 2
    else:
        left = pad[axis]
    return Reach(stride, (-left,), (dilation * (kernel - 1) - left,))


def _transposed(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    """Output p gets input q where `p = q s - pad + d k`; where there is none, its neighbour."""
    kernel, stride = op.kernel[axis], op.stride[axis]
    pad, dilation = op.padding[axis], op.dilation[axis]
    first, last = [], []
    for p in range(stride):
        taps = [p + pad - dilation * k for k in range(kernel)]
        sources = [t // stride for t in taps if t % stride == 0] or [(p + pad) // stride]
        first.append(min(sources))
        last.append(max(sources))
    return Reach(1, tuple(first), tuple(last))


def _resized(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    size, result = x.spatial[axis], y.spatial[axis]
    ratio = Fraction(size, result)
    if op.scale is not None:
        ratio = 1 / Fraction(op.scale).limit_denominator(1000)
    offset = Fraction(0)
    if op.align_corners:
        ratio = Fraction(size - 1, max(1, result - 1))
    elif op.mode != "nearest":
        offset = (ratio - 1) / 2  # (p + 1/2) ratio - 1/2
    before, behind = {"nearest": (0, 0), "bilinear": (0, 1), "bicubic": (1, 2)}[op.mode]
    period = min(max(1, ratio.denominator), MAX_PERIOD)
    sources = [p * ratio + offset for p in range(period)]
    exact = op.mode == "bilinear"  # a source between no two pixels needs only one
    return Reach(
        max(1, floor(period * ratio)),
        tuple(floor(s) - before for s in sources),
        tuple(floor(s) + (0 if exact and s.denominator == 1 else behind) for s in sources),
    )


def _pixels(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    return Reach(1, (0,) * op.factor, (0,) * op.factor)


def _depth(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    return Reach(op.factor, (0,), (op.factor - 1,))


def _bordered(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    return Reach(1, (-op.border[axis],), (-op.border[axis],))


def _cropped(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    start = (x.spatial[axis] - y.spatial[axis]) // 2
    return Reach(1, (start,), (start,))


def _windowed(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    """Positions of a window see each other; the windows begin at the shift."""
    size = op.window[axis]
    if x.spatial[axis] <= size:
        return _all(op, x, y, axis)
    starts = [(p - op.shift[axis]) // size * size + op.shift[axis] for p in range(size)]
    return Reach(size, tuple(starts), tuple(start + size - 1 for start in starts))


def _merged(op: Any, x: TensorSpec, y: TensorSpec, axis: int) -> Reach:
    return Reach(2, (0,), (1,))


REACH: dict[str, Axis] = {
    **dict.fromkeys(
        [
            "batch_norm", "layer_norm", "lrn", "relu", "relu6", "leaky_relu", "prelu", "elu",
            "gelu", "silu", "mish", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "softmax",
            "concat", "add", "multiply", "dropout", "drop_path", "scale", "layer_scale",
            "identity", "slice", "channel_shuffle", "pad_channels", "channels_last",
            "channels_first", "linear",
        ],
        _same,
    ),
    **dict.fromkeys(
        [
            "group_norm", "adaptive_avg_pool", "adaptive_max_pool", "global_avg_pool", "flatten",
            "reshape", "permute", "tokens", "class_token", "position_embedding", "token",
            "attention",
        ],
        _all,
    ),
    **dict.fromkeys(["conv", "max_pool", "avg_pool"], _window),
    "conv_transpose": _transposed,
    "resize": _resized,
    "pad": _bordered,
    "crop": _cropped,
    "pixel_shuffle": _pixels,
    "space_to_depth": _depth,
    "window_attention": _windowed,
    "patch_merging": _merged,
}  # fmt: skip
_GLOBAL = frozenset(verb for verb, reach in REACH.items() if reach is _all)


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What a value sees of the image, along every axis of the image.

    `size`: pixels that one position sees, padding and pixels beyond the border included; `jump`:
    pixels from the field of one position to that of the next; `offset`: the first pixel that
    position 0 sees, negative in the padding. `gated`: something computed from the whole image acts
    on every position besides (a squeeze-and-excitation gate, a group norm); the sizes leave it out.
    """

    size: tuple[int, ...]
    jump: tuple[Fraction, ...]
    offset: tuple[int, ...]
    gated: bool = False


@dataclass(frozen=True, slots=True)
class _View:
    """The reaches of a node to the image; `everywhere` if it has no positions of its own."""

    axes: tuple[Reach, ...]
    everywhere: bool = False
    gated: bool = False


def receptive_fields(graph: Graph) -> Mapping[str, ReceptiveField]:
    """The receptive field of every node by id; a graph on vectors has none.

    What has no place in the image any more (behind a global pool, attention, `flatten`) sees what
    the whole of the map it came from sees, with a jump of 0.
    """
    rank = graph.input.rank
    views = {INPUT: _View((Reach(),) * rank)}
    known: dict[Any, tuple[Reach, ...]] = {}
    for node in graph.nodes if rank else ():
        views[node.id] = _seen(graph, node, views, known)
    return {
        id: ReceptiveField(
            tuple(reach.size for reach in view.axes),
            tuple(Fraction(0) if view.everywhere else reach.jump for reach in view.axes),
            tuple(reach.low(0) for reach in view.axes),
            view.gated,
        )
        for id, view in views.items()
        if id != INPUT
    }


def _seen(
    graph: Graph, node: Node, views: Mapping[str, _View], known: dict[Any, tuple[Reach, ...]]
) -> _View:
    """What a node sees: through its op what its inputs see."""
    ids = node.inputs[:1] if node.op.inputs == 1 else node.inputs
    given = [views[id] for id in ids]
    placed = [view for view in given if not view.everywhere]
    gated = any(view.gated for view in given) or 0 < len(placed) < len(given)
    if not placed:
        return replace(_union(given), gated=gated)
    if node.op.verb == "group_norm":
        return _View(placed[0].axes, gated=True)
    x, y = graph.spec(ids[0]), node.output
    joined = _union(placed)
    key = (node.op, x, y, joined.axes)
    if key not in known:
        reach = REACH[node.op.verb]
        known[key] = tuple(
            reach(node.op, x, y, axis).after(before) for axis, before in enumerate(joined.axes)
        )
    return _View(known[key], node.op.verb in _GLOBAL, gated)


def _union(views: list[_View]) -> _View:
    first = views[0]
    axes = first.axes
    for view in views[1:]:
        axes = tuple(a if a == b else a.joined(b) for a, b in zip(axes, view.axes, strict=True))
    return _View(axes, first.everywhere)


def reductions(graph: Graph, ids: Iterable[str]) -> dict[str, int]:
    """The total stride of nodes relative to the image, at least 1.

    That is how far apart in the image neighbours of the map are; for what has no place in it any
    more, how many times smaller than the image it is.
    """
    fields = receptive_fields(graph) if graph.input.rank else {}
    result = {}
    for id in ids:
        spec = graph.spec(id)
        placed = id in fields and spec.layout == "channels_first"
        jump, spatial = fields[id].jump[0] if placed else 0, spec.spatial
        ratio = graph.input.spatial[0] / spatial[0] if graph.input.rank and spatial else 1
        result[id] = max(1, round(jump or ratio))
    return result
