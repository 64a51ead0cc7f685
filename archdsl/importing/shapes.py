"""Readers of what moves numbers and makes none: other shapes, orders, parts, borders and sizes."""

from collections.abc import Sequence
from math import prod
from typing import Any

from archdsl.importing.axes import axis_of, channel_axis, first, reshaped
from archdsl.importing.readers import per_axis, reads
from archdsl.importing.recording import Recorder
from archdsl.importing.values import BATCH, Fixed, Learned, Unread, Value
from archdsl.importing.windows import distances
from archdsl.ops import learned, shape, tokens

# shapes


@reads("contiguous", "clone", "detach", "alias", "data", "view_as_real", "float", "type_as")
def _same(r: Recorder, input: Value, *_: Any, **__: Any) -> Value:
    return input


@reads("to", "type")
def _to(r: Recorder, input: Value, *args: Any, **kwargs: Any) -> Value:
    return input


@reads(
    "flatten",
    "squeeze",
    "unsqueeze",
    "reshape",
    "view",
    "unflatten",
    "ravel",
    "reshape_as",
    "view_as",
)
def _reshape(r: Recorder, input: Value, *args: Any, **kwargs: Any) -> Value:
    """The new shape is PyTorch's; the batch may be in one axis with the first of ours."""
    sizes = tuple(r.result.shape)
    if input.at is None:
        return reshaped(r, input, sizes).seen(None)
    count, rest = divmod(sizes[0], BATCH)
    if input.at or rest or not count:
        raise Unread(f"it takes the batch apart: {sizes}")
    folded: tuple[int, ...] = (
        (count,) if count > 1 or (input.folded and sizes[0] == input.shape[0]) else ()
    )
    if folded and input.folded:  # what is in it stays
        folded = input.spec.shape[: input.folded] if sizes[0] == input.shape[0] else folded
    return reshaped(r, input, (*folded, *sizes[1:])).seen(0, len(folded))


@reads("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "T", "mT")
def _permute(r: Recorder, input: Value, *args: Any, **kwargs: Any) -> Value:
    """Where the axes went is asked of PyTorch: strides of a tensor whose strides all differ."""
    import torch

    ndim = len(input.shape)
    said = getattr(torch.Tensor, r.called)
    meta = torch.empty([n + 2 for n in range(ndim)], device="meta")
    strides = list(meta.stride())
    call = said.__get__(meta) if not callable(said) else said(meta, *args, **kwargs)
    order = [strides.index(stride) for stride in call.stride()]
    if order == sorted(order):
        return input
    at = None if input.at is None else order.index(input.at)
    axes = [axis_of(input, axis) for axis in order if axis != input.at]
    axes = [*range(input.folded), *axes]
    if axes == sorted(axes):
        return input.seen(at, input.folded)
    moved = r.emit(shape.Permute, input, order=axes, name="permute")
    return moved.seen(at, input.folded)


@reads("expand", "expand_as", "broadcast_to", "repeat", "tile")
def _expand(r: Recorder, input: Value, *args: Any, **kwargs: Any) -> Value:
    sizes = tuple(r.result.shape)
    if sizes == input.shape:
        return input
    if input.at is None and sizes[:1] == (BATCH,) and input.shape in (sizes[1:], (1, *sizes[1:])):
        return reshaped(r, input, sizes[1:]).seen()  # a learned tensor beside every image
    if input.at is None and len(sizes) == len(input.shape):
        for axis, (n, wide) in enumerate(zip(input.shape, sizes, strict=True)):
            input = input if n == wide else _repeated(r, input, axis, wide // n)
        return input
    if input.at is None or len(sizes) != len(input.shape):
        raise Unread("values that are repeated")
    if r.called in ("repeat", "tile"):
        raise Unread("values that are repeated")
    seen = Value(input.spec, input.input, input.problem, input.at, input.folded, input.of or input)
    seen.spread = sizes
    return seen


def _repeated(r: Recorder, x: Value, axis: int, times: int) -> Value:
    """Every position of an axis so many times, of a learned tensor: the nearest ones."""
    sizes = x.spec.shape
    before, count, after = prod(sizes[:axis]), sizes[axis], prod(sizes[axis + 1 :])
    flat = reshaped(r, x, (before, count, after))
    wide = r.emit(shape.Resize, flat, size=[count * times, after], name="repeat")
    return reshaped(r, wide, (*sizes[:axis], count * times, *sizes[axis + 1 :])).seen(None)


@reads("repeat_interleave")
def _repeat_interleave(r: Recorder, input: Value, repeats: Any, dim: int | None = None) -> Value:
    if input.at is not None or dim is None or not isinstance(repeats, int):
        raise Unread("values that are repeated")
    return _repeated(r, input, dim % len(input.shape), repeats)


def _part(r: Recorder, x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """Positions of an axis, all of it as it is."""
    size = x.spec.shape[axis]
    if (start, stop, step) == (0, size, 1):
        return x
    along: dict[str, Any] = {} if axis == channel_axis(x) else {"axis": axis}
    along |= {"step": step} if step > 1 else {}
    along |= {"stop": stop} if stop < size else {}
    return r.emit(shape.Slice, x, start=start, name="slice", **along)


@reads("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split")
def _split(
    r: Recorder, input: Value, sizes: Any = None, dim: int = 0, **_: Any
) -> list[Value]:  # fmt: skip
    axis, start, parts = axis_of(input, dim), 0, []
    for tensor in r.result:
        stop = start + tensor.shape[dim]
        parts.append(_part(r, input, axis, start, stop).seen(input.at, input.folded))
        start = stop
    return parts


@reads("unbind")
def _unbind(r: Recorder, input: Value, dim: int = 0) -> list[Value]:
    return [_selected(r, input, dim, n) for n in range(input.spec.shape[axis_of(input, dim)])]


def _selected(r: Recorder, x: Value, dim: int, index: int) -> Value:
    """One position of an axis of PyTorch's tensor."""
    before = x.at is not None and dim % len(x.shape) < x.at
    at = x.at - 1 if before and x.at is not None else x.at
    return _chosen(r, x, axis_of(x, dim), index).seen(at, x.folded)


def _chosen(r: Recorder, x: Value, axis: int, index: int) -> Value:
    """One position of an axis, which is gone then."""
    size = x.spec.shape[axis]
    index += size if index < 0 else 0
    if axis == 0 and x.spec.layout == "channels_last" and x.spec.rank == 1:
        return r.emit(tokens.Token, x, index=index, name="token")
    part = _part(r, x, axis, index, index + 1)
    left = (*x.spec.shape[:axis], *x.spec.shape[axis + 1 :])
    if not left:
        return part  # a number, which is a tensor of one for us
    keeps = x.spec.layout == "channels_last" and axis < x.spec.rank
    return reshaped(r, part, left, channels_last=keeps)


@reads("select")
def _select(r: Recorder, input: Value, dim: int, index: int) -> Value:
    return _selected(r, input, dim, index)


@reads("narrow")
def _narrow(r: Recorder, input: Value, dim: int, start: int, length: int) -> Value:
    axis = axis_of(input, dim)
    start += input.spec.shape[axis] if start < 0 else 0
    return _part(r, input, axis, start, start + length)


@reads("slice")
def _slice(
    r: Recorder, input: Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Value:
    if dim == 0 and not start and (end is None or end >= BATCH) and step == 1:
        return input
    axis = axis_of(input, dim)
    return _part(r, input, axis, *slice(start, end, step).indices(input.spec.shape[axis]))


@reads("__getitem__")
def _getitem(r: Recorder, input: Value, index: Any) -> Value:
    listed = list(index) if isinstance(index, tuple) else [index]
    if input.at is None and any(isinstance(part, Fixed) for part in listed):
        return _rows_of(r, input, listed)
    if Ellipsis in listed:
        at = listed.index(Ellipsis)
        used = sum(part is not None for part in listed) - 1
        listed[at : at + 1] = [slice(None)] * (len(input.shape) - used)
    x, dim = input, 0
    for part in listed:
        if isinstance(part, bool | Value | Learned | Fixed | list):
            raise Unread("positions that a tensor says")
        if part is None:
            if x.at is not None and dim <= x.at:
                raise Unread("an axis before that of the batch")
            axis = x.folded + dim - (x.at is not None)
            wide = (*x.spec.shape[:axis], 1, *x.spec.shape[axis:])
            x = reshaped(r, x, wide).seen(x.at, x.folded)
        elif dim == x.at:
            count = x.shape[dim]
            if not isinstance(part, slice) or part.indices(count) != (0, count, 1):
                raise Unread("a part of the batch")
        elif isinstance(part, slice):
            axis = axis_of(x, dim)
            along = part.indices(x.spec.shape[axis])
            x = _part(r, x, axis, *along).seen(x.at, x.folded)
        else:
            x, dim = _selected(r, x, dim, int(part)), dim - 1
        dim += 1
    return x


def _rows_of(r: Recorder, table: Value, index: Sequence[Any]) -> Value:
    """Rows of a learned table by the distances in a window; raises Unread for others."""
    *before, places = index
    whole = all(isinstance(part, slice) and part == slice(None) for part in before)
    if not whole or not isinstance(places, Fixed):
        raise Unread("positions that a tensor says")
    axis, count = len(before), len(table.spec.shape)
    said = distances(places.numbers(), table.spec.shape[axis])
    order = [axis, *(n for n in range(count) if n != axis)]
    x = table.of or table
    if axis:
        x = r.emit(shape.Permute, x, order=order, name="permute")
    x = r.emit(learned.RelativePositions, x, name="relative_positions", **said)
    sizes = (*places.shape, *x.spec.shape[2:])
    x = reshaped(r, x, sizes)
    if axis:
        many = len(places.shape)
        back = [*range(many, many + axis), *range(many), *range(many + axis, len(sizes))]
        x = r.emit(shape.Permute, x, order=back, name="permute")
    return x.seen(None)


@reads("pad")
def _pad(
    r: Recorder,
    input: Value,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Value:
    x, pads = first(r, input), list(pad)
    pairs = [tuple(pads[n : n + 2]) for n in range(0, len(pads), 2)][::-1]  # the last axis is last
    pairs = [(0, 0)] * (len(x.spec.shape) - len(pairs)) + pairs
    if not any(map(any, pairs)):
        return input
    kind = {"constant": "zeros", "reflect": "reflect", "replicate": "replicate"}.get(mode, "")
    if not kind or (kind == "zeros" and value):
        raise Unread(f"a border of {value if mode == 'constant' else mode}")
    channels, spatial = pairs[0], pairs[1:]
    if any(channels) and not any(pairs[-1]) and len(pairs) > 2:  # channels stand last
        count = len(pairs)
        turned = r.emit(shape.Permute, x, order=[count - 1, *range(count - 1)], name="permute")
        wide = _padded(r, turned, pairs[:-1], kind)
        return r.emit(shape.Permute, wide, order=[*range(1, count), 0], name="permute")
    if any(channels):
        if channels[0] or any(map(any, spatial)) or kind != "zeros":
            raise Unread("channels padded in front, or with more than zeros")
        return r.emit(shape.PadChannels, x, out=x.spec.channels + channels[1], name="pad")
    return _padded(r, x, spatial, kind)


def _padded(r: Recorder, x: Value, spatial: Sequence[tuple[int, ...]], kind: str) -> Value:
    """A border around the axes behind the channels."""
    if min(map(min, spatial)) < 0:
        if max(map(max, spatial)) > 0:
            raise Unread("a border that is added and cut off")
        return r.emit(shape.Crop, x, border=[[-a, -b] for a, b in spatial], name="crop")
    return r.emit(shape.Pad, x, border=[list(pair) for pair in spatial], mode=kind, name="pad")


@reads("interpolate", "upsample")
def _interpolate(
    r: Recorder, input: Value, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: Any = None, antialias: bool = False,
) -> Value:  # fmt: skip
    if antialias or recompute_scale_factor or mode not in ("nearest", "bilinear", "bicubic"):
        raise Unread(f"interpolation `{mode}`, or with antialiasing")
    rank = input.spec.rank
    asked: dict[str, Any] = {"size": per_axis(size, rank)} if size is not None else {}
    if size is None:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else [scale_factor] * rank
        asked = {"scale": [float(f) for f in factors]}
    elif asked["size"] == input.spec.spatial and mode != "bicubic":
        return input  # every pixel where it was
    return r.emit(shape.Resize, input, **asked, mode=mode, align_corners=bool(align_corners))


@reads("channel_shuffle")
def _channel_shuffle(r: Recorder, input: Value, groups: int) -> Value:
    return r.emit(shape.ChannelShuffle, input, groups=groups)


@reads("pixel_shuffle")
def _pixel_shuffle(r: Recorder, input: Value, upscale_factor: int) -> Value:
    return r.emit(shape.PixelShuffle, input, factor=upscale_factor)


@reads("pixel_unshuffle")
def _pixel_unshuffle(r: Recorder, input: Value, downscale_factor: int) -> Value:
    return r.emit(shape.SpaceToDepth, input, factor=downscale_factor)
