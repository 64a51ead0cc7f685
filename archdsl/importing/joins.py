"""Readers of what takes several tensors, of arithmetic with numbers and weights, of attention."""

from collections.abc import Sequence
from math import prod
from typing import Any

from archdsl.expressions.numbers import is_number
from archdsl.importing.axes import (
    axis_of,
    channel_axis,
    first,
    gathered,
    last,
    over_channels,
    reshaped,
)
from archdsl.importing.layers import soft
from archdsl.importing.readers import reads
from archdsl.importing.recording import Recorder
from archdsl.importing.values import Learned, Unread, Value
from archdsl.ops import join, linear, regularize, shape, tokens

# joins


@reads("cat", "concat", "concatenate")
def _cat(r: Recorder, tensors: Sequence[Any], dim: int = 0, *, axis: int | None = None) -> Value:
    dim, parts = dim if axis is None else axis, list(tensors)
    flowing = [part for part in parts if isinstance(part, Value)]
    axis = axis_of(flowing[0], dim)
    if len(parts) == 1:
        return flowing[0]
    token = parts[0]
    if isinstance(token, Learned) and token.key and len(flowing) == 1 and axis == 0:
        x = last(r, flowing[0])
        return r.emit(tokens.ClassToken, x, path=token.key)
    layout = flowing[0].spec.layout
    alike = [last(r, p) if layout == "channels_last" else first(r, p) for p in parts]
    place: dict[str, Any] = {} if axis == channel_axis(alike[0]) else {"axis": axis}
    return r.emit(join.Concat, *alike, name="concat", **place)


@reads("stack")
def _stack(r: Recorder, tensors: Sequence[Any], dim: int = 0) -> Value:
    flows = list(tensors)
    if len({(v.at, v.folded) if isinstance(v, Value) else None for v in flows}) > 1:
        raise Unread("a stack of tensors that are laid out otherwise")
    x = flows[0]
    at, place = x.at, dim % (len(x.shape) + 1)
    if at is not None and not x.folded and place <= at:  # the new axis stands before the batch
        axis, at = place, at + 1
    else:
        axis = axis_of(x, dim, more=1)
    shapes = [(*v.spec.shape[:axis], 1, *v.spec.shape[axis:]) for v in flows]
    parts = [reshaped(r, v, s) for v, s in zip(flows, shapes, strict=True)]
    along: dict[str, Any] = {} if axis == channel_axis(parts[0]) else {"axis": axis}
    return r.emit(join.Concat, *parts, name="concat", **along).seen(at, x.folded)


def scaled(r: Recorder, x: Value, factor: float) -> Value:
    """A value times a number."""
    return x if factor == 1 else r.emit(regularize.Scale, x, factor=float(factor), name="scale")


def aligned(r: Recorder, *values: Value) -> list[Value]:
    """What is joined element by element, with as many axes and one layout."""
    values = tuple(v if v.at is not None else _beside(r, v, values) for v in values)
    rank = max(len(v.spec.shape) for v in values)
    grown = [
        v
        if len(v.spec.shape) == rank
        else reshaped(r, v, (*(1,) * (rank - len(v.spec.shape)), *v.spec.shape))
        for v in values
    ]
    if any(len(v.spec.shape) != rank for v in values):
        raise Unread("tensors with different numbers of axes")
    layouts = {v.spec.layout for v in grown}
    return grown if len(layouts) == 1 else [last(r, v) for v in grown]


def _beside(r: Recorder, x: Value, values: Sequence[Value]) -> Value:
    """A tensor of weights as one that has a batch, among others that have one."""
    others = [v for v in values if v.at is not None]
    if not others:
        return x
    count = len(others[0].shape)
    sizes = (*(1,) * (count - len(x.spec.shape)), *x.spec.shape)
    if len(sizes) != count or sizes[0] != 1:
        raise Unread("weights along the batch")
    folded = others[0].folded
    return reshaped(r, x, (*(1,) * folded, *sizes[1:])).seen(0, folded)


@reads("add", "__add__", "__iadd__", "__radd__")
def _add(r: Recorder, input: Any, other: Any, *, alpha: float = 1) -> Value:
    if isinstance(input, Value) and isinstance(other, Value):
        return r.emit(join.Add, *aligned(r, input, scaled(r, other, alpha)), name="add")
    x, weight = (input, other) if isinstance(input, Value) else (other, input)
    if is_number(weight) and weight == 0:
        return x
    if isinstance(weight, Learned) and weight.key and alpha == 1:
        return r.emit(tokens.PositionEmbedding, last(r, x), path=weight.key)
    raise Unread("a sum with what does not flow")


@reads("sub", "__sub__", "__isub__")
def _sub(r: Recorder, input: Any, other: Any, *, alpha: float = 1) -> Value:
    if not isinstance(input, Value) or not isinstance(other, Value):
        raise Unread("a difference to what does not flow")
    return _add(r, input, scaled(r, other, -alpha))


@reads("mul", "__mul__", "__imul__", "__rmul__", "multiply")
def _mul(r: Recorder, input: Any, other: Any) -> Value:
    if isinstance(input, Value) and isinstance(other, Value):
        return r.emit(join.Multiply, *aligned(r, input, other), name="multiply")
    x, weight = (input, other) if isinstance(input, Value) else (other, input)
    if is_number(weight):
        return scaled(r, x, weight)
    if not isinstance(weight, Learned) or not weight.key:
        raise Unread("a product with what does not flow")
    if r.state[weight.key] == ():
        return r.emit(regularize.LearnedWeight, x, path=weight.key)
    if prod(weight.shape) == 1 and x.spec.channels == 1:
        flat = len(r.state[weight.key]) == 1
        axis = channel_axis(x)
        return gathered(
            r, x, axis, flat, lambda y: r.emit(regularize.LayerScale, y, path=weight.key)
        )
    wide = tuple(n for n in weight.shape if n != 1)
    shape = (*(1,) * (len(x.spec.shape) - len(weight.shape)), *weight.shape)
    if wide != (x.spec.channels,) or shape.index(wide[0]) not in _axes_at(x, shape):
        raise Unread(f"a product with {weight.key}, which is no factor for every channel")
    at = shape.index(wide[0]) - (len(shape) - len(x.spec.shape))
    flat = r.state[weight.key] == wide
    return gathered(r, x, at, flat, lambda y: r.emit(regularize.LayerScale, y, path=weight.key))


def _axes_at(x: Value, shape: Sequence[int]) -> Sequence[int]:
    """Axes of a value that a factor of this shape, batch and all, lies along."""
    return range(len(x.spec.shape)) if len(shape) <= len(x.spec.shape) else range(1, len(shape))


@reads("div", "true_divide", "__truediv__", "__itruediv__")
def _div(r: Recorder, input: Any, other: Any, *, rounding_mode: Any = None) -> Value:
    if not isinstance(input, Value) or not is_number(other) or rounding_mode is not None:
        raise Unread("a quotient with a tensor")
    return scaled(r, input, 1 / other)


@reads("neg", "__neg__", "negative")
def _neg(r: Recorder, input: Value) -> Value:
    return scaled(r, input, -1)


@reads("matmul", "__matmul__", "bmm")
def _matmul(r: Recorder, input: Any, other: Any) -> Value:
    if not isinstance(input, Value) or not isinstance(other, Value):
        raise Unread("a matrix product with what does not flow")
    return r.emit(linear.MatMul, input, other, name="matmul")


@reads("dropout")
def _dropout(
    r: Recorder, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False,
    *, train: bool = True,
) -> Value:  # fmt: skip
    return r.emit(regularize.Dropout, input, rate=p, name="dropout")


@reads("scaled_dot_product_attention")
def _attention(
    r: Recorder, query: Value, key: Value, value: Value, attn_mask: Any = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:  # fmt: skip
    if dropout_p or is_causal or enable_gqa:
        raise Unread("attention with a mask, or with dropout")
    count = len(query.spec.shape)
    turned = r.emit(
        shape.Permute, key, order=[*range(count - 2), count - 1, count - 2], name="transpose"
    )
    factor = query.spec.shape[-1] ** -0.5 if scale is None else scale
    scores = r.emit(linear.MatMul, scaled(r, query, factor), turned, name="scores")
    if attn_mask is not None:
        if not isinstance(attn_mask, Value):
            raise Unread("attention with a mask of its own")
        scores = _add(r, scores, attn_mask)
    weights = over_channels(r, scores.seen(), -1, soft(r))
    return r.emit(linear.MatMul, weights, value, name="mix")


@reads("square")
def _square(r: Recorder, input: Value) -> Value:
    return r.emit(join.Multiply, input, input, name="square")


@reads("pow", "__pow__")
def _pow(r: Recorder, input: Value, exponent: Any) -> Value:
    if exponent != 2:
        raise Unread(f"a power of {exponent}")
    return _square(r, input)
