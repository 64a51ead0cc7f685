"""The shapes of what ops give whose arguments may vary; sizes that are not known are None."""

from collections.abc import Sequence
from typing import Any

from archdsl.ops import (
    Op,
    ShapeError,
    arguments,
    attention,
    conv,
    join,
    learned,
    linear,
    pool,
    reduce,
    shape,
    tokens,
)
from archdsl.ops.axes import place as place_of
from archdsl.ops.base import window
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.python import call as written_call
from archdsl.pytorch.symbols import Fixed, Symbol, binary, known, names_in, same, symbol


def infer(op: Op, inputs: Sequence[TensorSpec]) -> TensorSpec:
    """What an op gives, as far as it is known."""
    x = inputs[0]
    sizes = [size for spec in inputs for size in spec.shape]
    if None not in sizes and known(*vars_of(op), *sizes):
        try:
            return op.infer(*inputs)
        except ShapeError as error:
            raise Fixed((), error.message) from error
    try:
        op.require(x)
    except ShapeError as error:
        raise Fixed((), f"{error.message}, in a branch that never runs") from error
    by_axis = _along(op, inputs)
    if by_axis is not None:
        return by_axis
    match op:
        case join.Add() | join.Multiply():
            return _broadcast(inputs, isinstance(op, join.Multiply))
        case shape.Flatten():
            return _spec(None if None in x.shape else _product(x.shape))
        case shape.Reshape():
            said = [n if isinstance(n, Symbol) or n != -1 else None for n in op.shape]
            return _spec(*said, last=op.channels_last)
        case shape.Permute():
            channels_at = 0 if x.layout == "channels_first" else x.rank
            last = x.rank > 0 and op.order[-1] == channels_at
            if not known(op.order[0 if not last else -1]):
                raise Fixed(names_in(*op.order), "an order that moves the channels or not")
            moved = [x.shape[axis] if known(axis) else None for axis in op.order]
            return _spec(*moved, last=last)
        case linear.Linear():
            return x.with_channels(op.out)
        case learned.Learned():
            return _spec(*op.shape)
        case learned.RelativePositions():
            raise Fixed(names_in(op.window, op.stride), "positions of a window")
    if (tokens := _of_tokens(op, inputs)) is not None:
        return tokens
    if x.layout == "channels_last":
        return x.with_channels(_channels(op, x))
    return TensorSpec((_channels(op, x), *_spatial(op, inputs)))


def _of_tokens(op: Op, inputs: Sequence[TensorSpec]) -> TensorSpec | None:
    """What an op gives that makes tokens of a map, or a map of tokens; None for the others."""
    x = inputs[0]
    match op:
        case tokens.ChannelsLast():
            return TensorSpec((*x.spatial, x.channels), "channels_last")
        case tokens.ChannelsFirst():
            return TensorSpec((x.channels, *x.spatial))
        case tokens.Tokens():
            return _spec(_area(x.spatial), x.channels, last=True)
        case tokens.ToMap():
            given = op.size if isinstance(op.size, tuple) else None
            return _spec(x.channels, *(inputs[1].spatial if given is None else given))
        case tokens.ClassToken():
            count = None if x.shape[0] is None else x.shape[0] + 1
            return _spec(count, x.channels, last=True)
        case tokens.Token():
            return TensorSpec((x.channels,))
        case attention.PatchMerging():
            halves = tuple(None if n is None else -(-n // 2) for n in x.spatial)
            return _spec(*halves, op.out, last=True)
    return None


def _along(op: Op, inputs: Sequence[TensorSpec]) -> TensorSpec | None:
    """What an op gives that acts on axes of the shape, whichever they are; None for others."""
    x = inputs[0]
    axes = vars(op).get("axis")
    if axes is not None and not known(axes):
        raise Fixed(names_in(axes), f"the axis of {op.verb} varies")
    sizes: list[Any] = list(x.shape)
    match op:
        case join.Concat():
            place = place_of(op.axis, x)
            for other in inputs[1:]:
                whole = None in (sizes[place], other.shape[place])
                sizes[place] = None if whole else binary("+", sizes[place], other.shape[place])
        case shape.Slice():
            place = place_of(op.axis, x)
            stop = sizes[place] if op.stop is None else op.stop
            length = None if stop is None else binary("-", stop, op.start)
            if not same(op.step, 1):
                length = None
            sizes[place] = length
        case reduce.Mean() | reduce.Sum() | reduce.Max():
            if not known(op.keepdim):
                raise Fixed(names_in(op.keepdim), f"keepdim of {op.verb} varies")
            places = op.places(x)
            last = x.layout == "channels_last" and x.rank not in places
            if op.keepdim:
                sizes = [1 if n in places else size for n, size in enumerate(sizes)]
                last = x.layout == "channels_last"
            else:
                sizes = [size for n, size in enumerate(sizes) if n not in places]
            return _spec(*sizes, last=last and len(sizes) > 1)
        case linear.MatMul():
            sizes[-1] = inputs[1].shape[-1]
        case _:
            return None
    return TensorSpec(tuple(sizes), x.layout)


def _spec(*sizes: Any, last: bool = False) -> TensorSpec:
    """A shape of sizes that may vary, or not be known."""
    return TensorSpec(sizes, "channels_last" if last else "channels_first")


def _channels(op: Op, x: TensorSpec) -> Any:
    match op:
        case conv.Conv() | conv.ConvTranspose() | shape.PadChannels() | tokens.PositionGrid():
            return op.out
        case shape.PixelShuffle():
            return binary("//", x.channels, binary("*", op.factor, op.factor))
        case shape.SpaceToDepth():
            return binary("*", x.channels, binary("*", op.factor, op.factor))
    return x.channels


def _spatial(op: Op, inputs: Sequence[TensorSpec]) -> tuple[Any, ...]:
    x = inputs[0]
    unknown: tuple[Any, ...] = (None,) * x.rank
    size: Any = getattr(op, "size", None)
    match op:
        case pool.GlobalAvgPool():
            return (1,) * x.rank
        case pool.AdaptiveAvgPool():
            return tuple(size) if isinstance(size, tuple) and known(size) else unknown
        case conv.Conv():
            return _windows(x, op.kernel, op.stride, op.padding, op.dilation, False)
        case pool.MaxPool() | pool.AvgPool():
            apart = getattr(op, "dilation", None) or (1,) * x.rank
            return _windows(x, op.kernel, op.stride, op.padding, apart, op.ceil)
        case pool.MaxUnpool():
            return tuple(inputs[1].spatial)
        case shape.Resize() | shape.Crop() if op.like:
            return tuple(inputs[1].spatial)
        case shape.Resize() | shape.Crop() if isinstance(size, tuple):
            return tuple(size)
        case conv.ConvTranspose() | shape.Resize() | shape.Crop() | shape.Pad():
            return unknown
        case shape.PixelShuffle() | shape.SpaceToDepth() | pool.BlurPool():
            return unknown
    return x.spatial


def _windows(
    x: TensorSpec, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any
) -> tuple[Any, ...]:
    """The size behind windows; one that keeps the size whatever it is says so."""
    unknown = (None,) * x.rank
    if not all(isinstance(v, tuple) for v in (kernel, stride, dilation)):
        return unknown
    if same(kernel, stride) and not known(kernel) and known(*x.spatial) and None not in x.spatial:
        whole = known(padding, dilation) and {*_pads(padding, kernel, dilation)} == {0}
        if whole and {*dilation} == {1} and ceil is False:  # patches side by side
            return tuple(binary("//", n, k) for n, k in zip(x.spatial, kernel, strict=True))
    if not known(stride, dilation, ceil):
        return unknown
    if padding in ("auto", "same") and set(stride) == {1}:
        return x.spatial
    if None in x.spatial or not known(kernel, padding):
        return unknown
    pads = _pads(padding, kernel, dilation)
    given = zip(x.spatial, kernel, stride, pads, dilation, strict=True)
    return tuple(window(n, k, s, p, d, ceil) for n, k, s, p, d in given)


def _pads(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> Sequence[Any]:
    if padding == "auto":
        return [d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "valid":
        return [0] * len(kernel)
    return [padding] * len(kernel) if isinstance(padding, str) else padding


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = binary("*", total, size)
    return total


def _area(sizes: Sequence[Any]) -> Any:
    if None in sizes:
        return None
    square = len(sizes) == 2 and isinstance(sizes[0], Symbol) and same(*sizes)
    return binary("**", sizes[0], 2) if square else _product(sizes)


def _broadcast(inputs: Sequence[TensorSpec], gates: bool) -> TensorSpec:
    """The common shape of what is added or multiplied; a size of 1 gives way to any other.

    Of two that vary either may be the 1 of a gate, and so may either of two inputs of a block; else
    what is added is as wide as what it is added to.
    """
    common: list[Any] = list(inputs[0].shape)
    for other in inputs[1:]:
        if len(other.shape) != len(common):
            raise Fixed((), "a join of maps of other ranks")
        pairs = zip(common, other.shape, strict=True)
        common = [_wider(a, b, gates) for a, b in pairs]
    return TensorSpec(tuple(common), inputs[0].layout)


def _wider(a: Any, b: Any, gates: bool) -> Any:
    if same(a, b) or same(b, 1) or b is None:
        return a
    if same(a, 1) or a is None:
        return b
    if not isinstance(a, Symbol) or not isinstance(b, Symbol):
        return a
    inputs = a.names != b.names and all(n.endswith("_channels") for n in a.names | b.names)
    return symbol(written_call("max", a, b), "int", a, b) if gates or inputs else a


def vars_of(op: Op) -> list[Any]:
    return [getattr(op, title) for title in arguments(type(op))]
