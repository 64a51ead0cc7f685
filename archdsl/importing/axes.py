"""Axes of PyTorch's tensors and of ours: the batch is axis 0 there, and which axis holds the
channels is known here."""

from collections.abc import Callable

from archdsl.importing.recording import Recorder
from archdsl.importing.values import Unread, Value
from archdsl.ops import shape, tokens
from archdsl.ops.tensor import TensorSpec


def axis_of(value: Value, dim: int, more: int = 0) -> int:
    """The axis without the batch; `more` are those that the result has besides."""
    axis = dim % (len(value.shape) + more)
    if value.at is None:
        return axis
    if axis == value.at:
        raise Unread("it acts along the batch")
    return value.folded + axis - (axis > value.at)


def channel_axis(value: Value) -> int:
    """Which axis holds the channels."""
    return 0 if value.spec.layout == "channels_first" else value.spec.rank


def reshaped(
    r: Recorder, value: Value, sizes: tuple[int, ...], channels_last: bool = False
) -> Value:
    """The same values in another shape; itself if it has it."""
    channels_last = channels_last and len(sizes) > 1
    wanted = TensorSpec(sizes, "channels_last" if channels_last else "channels_first")
    if value.spec.shape == sizes and (value.spec == wanted or not channels_last):
        return value
    if len(sizes) == 1 and not channels_last:
        return r.emit(shape.Flatten, value, name="flatten")
    return r.emit(
        shape.Reshape, value, shape=list(sizes), channels_last=channels_last, name="reshape"
    )


def first(r: Recorder, value: Value) -> Value:
    """A value whose first axis holds the channels, wherever ours had them."""
    if not isinstance(value, Value):
        raise Unread("it is given a constant where an op takes what flows")
    if value.spec.layout == "channels_first":
        return value
    return r.emit(shape.Reshape, value, shape=list(value.spec.shape), name="reshape")


def last(r: Recorder, value: Value) -> Value:
    """A value whose last axis holds the channels; one axis is both."""
    if not isinstance(value, Value):
        raise Unread("it is given a constant where an op takes what flows")
    if value.spec.layout == "channels_last" or value.spec.rank == 0:
        return value
    sizes = list(value.spec.shape)
    return r.emit(shape.Reshape, value, shape=sizes, channels_last=True, name="reshape")


def over_channels(r: Recorder, value: Value, dim: int, make: Callable[[Value], Value]) -> Value:
    """What an op of the channels gives along any axis, which is put first for it."""
    axis = axis_of(value, dim)
    if axis == channel_axis(value):
        return make(value)
    if axis == value.spec.rank:
        return make(last(r, value))
    count = len(value.spec.shape)
    order = [axis, *(n for n in range(count) if n != axis)]
    there = first(r, r.emit(shape.Permute, value, order=order, name="permute"))
    back = [order.index(n) for n in range(count)]
    return r.emit(shape.Permute, make(there), order=back, name="permute")


def gathered(
    r: Recorder, value: Value, axis: int, flat: bool, make: Callable[[Value], Value]
) -> Value:
    """What an op gives that has a number for every position of an axis.

    `flat` numbers are those of a map with its channels last.
    """
    rank = value.spec.rank
    if rank and axis == rank:
        return make(last(r, value))
    if axis != 0:
        raise Unread(f"factors along axis {axis}")
    x = first(r, value)
    if not flat or rank == 0:
        return make(x)
    return r.emit(tokens.ChannelsFirst, make(r.emit(tokens.ChannelsLast, x)))
