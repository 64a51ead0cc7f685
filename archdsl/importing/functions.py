"""Which op a PyTorch function is: one reader a function, with the function's own parameters.

A reader is given what is known of tensors instead of them, and gives what it wrote down; it raises
Unread where no op of ours says what the call does.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeVar

from archdsl.importing.axes import (
    axis_of,
    channel_axis,
    first,
    gathered,
    last,
    over_channels,
    reshaped,
)
from archdsl.importing.recording import BATCH, Fixed, Learned, Reader, Recorder, Unread, Value
from archdsl.ops import (
    activation,
    attention,
    conv,
    join,
    learned,
    linear,
    norm,
    pool,
    reduce,
    regularize,
    shape,
)

FUNCTIONS: dict[str, Reader] = {}


Read = TypeVar("Read", bound=Reader)


def reads(*names: str) -> Callable[[Read], Read]:
    """Says which functions a reader is for."""

    def add(reader: Read) -> Read:
        FUNCTIONS.update(dict.fromkeys(names, reader))
        return reader

    return add


def owner(weight: Any, name: str = "weight") -> str:
    """The path of the layer that a weight is of."""
    if not isinstance(weight, Learned) or not weight.key:
        raise Unread("a weight that is computed")
    path, _, found = weight.key.rpartition(".")
    if found != name or not path:
        raise Unread(f"{weight.key} is not called `{name}` in a layer of its own")
    return path


def own(path: str, *others: Any) -> None:
    """Raises Unread unless the other weights, where there are some, are of the same layer."""
    for name, weight in zip(("bias",), others, strict=False):
        if weight is not None and owner(weight, name) != path:
            raise Unread(f"a bias of another layer than {path}")


# layers


def _sizes(value: Any, rank: int) -> tuple[int, ...]:
    listed = [value] if isinstance(value, int) else list(value)
    return tuple(listed * rank if len(listed) == 1 else listed)


@reads("conv1d", "conv2d", "conv3d")
def _conv(
    r: Recorder, input: Value, weight: Learned, bias: Any = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    path = owner(weight)
    own(path, bias)
    rank = len(weight.shape) - 2
    kernel, apart = weight.shape[2:], _sizes(dilation, rank)
    if not isinstance(padding, str):
        pads = _sizes(padding, rank)
        keeps = tuple(d * (k - 1) // 2 for k, d in zip(kernel, apart, strict=True))
        padding = "auto" if pads == keeps and all(k % 2 for k in kernel) else pads
    return r.emit(
        conv.Conv, first(r, input), path=path, kernel=kernel, out=weight.shape[0],
        stride=_sizes(stride, rank), padding=padding, dilation=apart, groups=groups,
        bias=bias is not None,
    )  # fmt: skip


@reads("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(
    r: Recorder, input: Value, weight: Learned, bias: Any = None, stride: Any = 1,
    padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    path = owner(weight)
    own(path, bias)
    rank = len(weight.shape) - 2
    return r.emit(
        conv.ConvTranspose, first(r, input), path=path, kernel=weight.shape[2:],
        out=weight.shape[1] * groups, stride=_sizes(stride, rank), padding=_sizes(padding, rank),
        output_padding=_sizes(output_padding, rank), dilation=_sizes(dilation, rank),
        groups=groups, bias=bias is not None,
    )  # fmt: skip


@reads("linear")
def _linear(r: Recorder, input: Value, weight: Learned, bias: Any = None) -> Value:
    path = owner(weight)
    own(path, bias)
    x = last(r, input)
    return r.emit(linear.Linear, x, path=path, out=weight.shape[0], bias=bias is not None)


# norms


@reads("F.batch_norm")
def _batch_norm(
    r: Recorder, input: Value, running_mean: Any, running_var: Any, weight: Any = None,
    bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Value:  # fmt: skip
    path = owner(running_mean, "running_mean")
    if weight is not None and (owner(weight) != path or bias is None):
        raise Unread("a scale of another layer, or without an offset")
    own(path, bias)
    if input.folded and len(input.shape) > 2:
        raise Unread("maps that are in one axis with the batch")
    count = len(input.spec.shape)
    x = first(r, input)
    if input.folded:  # vectors in one axis with the batch, whose channels stand last
        order = [count - 1, *range(count - 1)]
        x = first(r, r.emit(shape.Permute, x, order=order, name="permute"))
    made = r.emit(
        norm.BatchNorm, x, path=path, eps=eps, momentum=momentum,
        affine=weight is not None, frozen=isinstance(weight, Learned) and not weight.trained,
    )  # fmt: skip
    if not input.folded:
        return made
    return r.emit(shape.Permute, made, order=[*range(1, count), 0], name="permute")


@reads("batch_norm")
def _torch_batch_norm(
    r: Recorder, input: Value, weight: Any, bias: Any, running_mean: Any, running_var: Any,
    training: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Value:  # fmt: skip
    return _batch_norm(r, input, running_mean, running_var, weight, bias, training, momentum, eps)


def _affine(weight: Any, bias: Any, module: str) -> dict[str, Any]:
    """Where the scale of a norm is, and whether it has one."""
    if weight is None and bias is None:
        return {"path": "", "affine": False}
    if weight is None or bias is None:
        raise Unread(f"a {module} with a scale or an offset alone")
    path = owner(weight)
    own(path, bias)
    return {"path": path, "affine": True}


@reads("layer_norm")
def _layer_norm(
    r: Recorder, input: Value, normalized_shape: Sequence[int], weight: Any = None,
    bias: Any = None, eps: float = 1e-5, cudnn_enable: bool = True,
) -> Value:  # fmt: skip
    x = last(r, input)
    if weight is not None and bias is None and tuple(normalized_shape) == x.spec.shape[-1:]:
        made = r.emit(norm.LayerNorm, x, eps=eps, affine=False)
        if not isinstance(weight, Learned) or not weight.key:
            raise Unread("a scale that is computed")
        return r.emit(regularize.LayerScale, made, path=weight.key)
    said = _affine(weight, bias, "layer norm")
    if tuple(normalized_shape) != x.spec.shape[-1:]:
        raise Unread("a layer norm over several axes")
    return r.emit(norm.LayerNorm, x, eps=eps, **said)


@reads("rms_norm")
def _rms_norm(
    r: Recorder, input: Value, normalized_shape: Sequence[int], weight: Any = None,
    eps: float | None = None,
) -> Value:  # fmt: skip
    x = last(r, input)
    if tuple(normalized_shape) != x.spec.shape[-1:]:
        raise Unread("an RMS norm over several axes")
    path = "" if weight is None else owner(weight)
    return r.emit(norm.RmsNorm, x, eps=eps, affine=weight is not None, path=path)


@reads("group_norm")
def _group_norm(
    r: Recorder, input: Value, num_groups: int, weight: Any = None, bias: Any = None,
    eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Value:  # fmt: skip
    x = first(r, input)
    if weight is not None and bias is None:
        made = r.emit(norm.GroupNorm, x, groups=num_groups, eps=eps, affine=False)
        if not isinstance(weight, Learned) or not weight.key:
            raise Unread("a scale that is computed")
        return gathered(
            r, made, 0, True, lambda y: r.emit(regularize.LayerScale, y, path=weight.key)
        )
    said = _affine(weight, bias, "group norm")
    return r.emit(norm.GroupNorm, x, groups=num_groups, eps=eps, **said)


@reads("F.instance_norm")
def _instance_norm(
    r: Recorder, input: Value, running_mean: Any = None, running_var: Any = None,
    weight: Any = None, bias: Any = None, use_input_stats: bool = True, momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:  # fmt: skip
    if running_mean is not None or not use_input_stats:
        raise Unread("an instance norm with statistics of its own")
    return r.emit(norm.InstanceNorm, first(r, input), eps=eps, **_affine(weight, bias, "norm"))


@reads("local_response_norm")
def _local_response_norm(
    r: Recorder, input: Value, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Value:
    return r.emit(norm.LocalResponseNorm, input, size=size, alpha=alpha, beta=beta, k=k)


@reads("normalize")
def _normalize(
    r: Recorder, input: Value, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None
) -> Value:
    return r.emit(norm.Normalize, input, p=p, axis=axis_of(input, dim), eps=eps)


# activations


def _plain(op: type[Any], *names: str) -> None:
    @reads(*names)
    def read(r: Recorder, input: Value, inplace: bool = False) -> Value:
        return r.emit(op, input, name=op.verb)


_plain(activation.Relu, "relu")
_plain(activation.Relu6, "relu6")
_plain(activation.Silu, "silu")
_plain(activation.Mish, "mish")
_plain(activation.HardSwish, "hardswish")
_plain(activation.HardSigmoid, "hardsigmoid")
_plain(activation.Sigmoid, "sigmoid")
_plain(activation.Tanh, "tanh")


@reads("hardtanh", "clamp", "clip")
def _clamp(
    r: Recorder, input: Value, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False,
    *, min: Any = None, max: Any = None,
) -> Value:  # fmt: skip
    low, high = (min_val, max_val) if min is None and max is None else (min, max)
    if (low, high) == (0, 6):
        return r.emit(activation.Relu6, input, name="relu6")
    if (low, high) == (0, None):
        return r.emit(activation.Relu, input, name="relu")
    raise Unread(f"values held to {low} and {high}")


@reads("leaky_relu")
def _leaky_relu(
    r: Recorder, input: Value, negative_slope: float = 0.01, inplace: bool = False
) -> Value:
    return r.emit(activation.LeakyRelu, input, slope=negative_slope)


@reads("elu")
def _elu(r: Recorder, input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    return r.emit(activation.Elu, input, alpha=alpha)


@reads("gelu")
def _gelu(r: Recorder, input: Value, approximate: str = "none") -> Value:
    return r.emit(activation.Gelu, input, tanh=approximate == "tanh", name="gelu")


@reads("prelu")
def _prelu(r: Recorder, input: Value, weight: Learned) -> Value:
    shared = weight.shape == (1,) and input.spec.channels != 1
    return r.emit(activation.PRelu, input, path=owner(weight), shared=shared)


@reads("softmax")
def _softmax(
    r: Recorder, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Value:
    if dim is None or dtype is not None:
        raise Unread("a softmax without an axis, or in another precision")
    return over_channels(r, input, dim, _soft(r))


def _soft(r: Recorder) -> Callable[[Value], Value]:
    return lambda x: r.emit(activation.Softmax, x, name="softmax")


# pools


def _pool(op: type[Any], input: Value, r: Recorder, sizes: Any, **settings: Any) -> Value:
    rank = input.spec.rank
    kernel, stride, padding = sizes
    stride = kernel if stride is None or stride == [] else stride
    values = {"kernel": kernel, "stride": stride, "padding": padding}
    given: dict[str, Any] = {name: _sizes(value, rank) for name, value in values.items()}
    return r.emit(op, input, **given, **settings)


@reads("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(
    r: Recorder, input: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Value:  # fmt: skip
    if return_indices:
        raise Unread("a pool that gives the places of the largest values, too")
    apart = _sizes(dilation, input.spec.rank)
    settings: dict[str, Any] = {} if set(apart) == {1} else {"dilation": apart}
    sizes = (kernel_size, stride, padding)
    return _pool(pool.MaxPool, input, r, sizes, ceil=ceil_mode, **settings)


@reads("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(
    r: Recorder, input: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    if divisor_override is not None:
        raise Unread("a mean with a divisor of its own")
    sizes, counts = (kernel_size, stride, padding), count_include_pad
    return _pool(pool.AvgPool, input, r, sizes, ceil=ceil_mode, count_padding=counts)


def _adaptive(name: str, whole: type[Any], some: type[Any]) -> None:
    @reads(*(f"{name}{rank}d" for rank in (1, 2, 3)))
    def read(r: Recorder, input: Value, output_size: Any, return_indices: bool = False) -> Value:
        if return_indices:
            raise Unread("a pool that gives the places of the largest values, too")
        asked = _sizes(output_size, input.spec.rank) if output_size is not None else ()
        given = zip(asked or (None,) * input.spec.rank, input.spec.spatial, strict=True)
        size = tuple(n if wanted is None else wanted for wanted, n in given)
        if set(size) == {1}:
            return r.emit(whole, input)
        return r.emit(some, input, size=size)


_adaptive("adaptive_avg_pool", pool.GlobalAvgPool, pool.AdaptiveAvgPool)
_adaptive("adaptive_max_pool", pool.GlobalMaxPool, pool.AdaptiveMaxPool)


def _reduction(op: type[Any], *names: str) -> None:
    @reads(*names)
    def read(
        r: Recorder, input: Value, dim: Any = None, keepdim: bool = False, *,
        dtype: Any = None, axis: Any = None,
    ) -> Value:  # fmt: skip
        dim = axis if dim is None else dim
        if dim is None or dtype is not None:
            raise Unread(f"a {op.verb} over the whole batch, or in another precision")
        listed = [dim] if isinstance(dim, int) else list(dim)
        places = tuple(sorted(axis_of(input, d) for d in listed))
        spec, at = input.spec, input.at
        if at is not None and not keepdim:
            at -= sum(d % len(input.shape) < at for d in listed)
        whole = 1 <= spec.rank <= 3 and places == tuple(range(1, spec.rank + 1))
        if op is reduce.Mean and keepdim and spec.layout == "channels_first" and whole:
            made = r.emit(pool.GlobalAvgPool, input, name="avgpool")
        else:
            made = r.emit(op, input, axis=places, keepdim=keepdim, name=op.verb)
        return made.seen(at, input.folded)


_reduction(reduce.Mean, "mean")
_reduction(reduce.Sum, "sum")
_reduction(reduce.Max, "amax")


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
        return r.emit(attention.ClassToken, x, path=token.key)
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


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scaled(r: Recorder, x: Value, factor: float) -> Value:
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
        return r.emit(join.Add, *aligned(r, input, _scaled(r, other, alpha)), name="add")
    x, weight = (input, other) if isinstance(input, Value) else (other, input)
    if _number(weight) and weight == 0:
        return x
    if isinstance(weight, Learned) and weight.key and alpha == 1:
        return r.emit(attention.PositionEmbedding, last(r, x), path=weight.key)
    raise Unread("a sum with what does not flow")


@reads("sub", "__sub__", "__isub__")
def _sub(r: Recorder, input: Any, other: Any, *, alpha: float = 1) -> Value:
    if not isinstance(input, Value) or not isinstance(other, Value):
        raise Unread("a difference to what does not flow")
    return _add(r, input, _scaled(r, other, -alpha))


@reads("mul", "__mul__", "__imul__", "__rmul__", "multiply")
def _mul(r: Recorder, input: Any, other: Any) -> Value:
    if isinstance(input, Value) and isinstance(other, Value):
        return r.emit(join.Multiply, *aligned(r, input, other), name="multiply")
    x, weight = (input, other) if isinstance(input, Value) else (other, input)
    if _number(weight):
        return _scaled(r, x, weight)
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
    if not isinstance(input, Value) or not _number(other) or rounding_mode is not None:
        raise Unread("a quotient with a tensor")
    return _scaled(r, input, 1 / other)


@reads("neg", "__neg__", "negative")
def _neg(r: Recorder, input: Value) -> Value:
    return _scaled(r, input, -1)


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
    if input.at is None or len(sizes) != len(input.shape):
        raise Unread("values that are repeated")
    if r.called in ("repeat", "tile"):
        raise Unread("values that are repeated")
    seen = Value(input.spec, input.input, input.problem, input.at, input.folded, input.of or input)
    seen.spread = sizes
    return seen


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
    r: Recorder, input: Value, sizes: Any, dim: int = 0
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
        return r.emit(attention.Token, x, index=index, name="token")
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


def distances(index: Sequence[int], rows: int) -> dict[str, Any]:
    """The window whose distances number the rows of a table so; raises Unread if none has them."""
    for signed in (True, False):
        for height in range(1, rows + 1):
            across, rest = divmod(rows, 2 * height - 1 if signed else height)
            width, odd = divmod(across + 1, 2) if signed else (across, 0)
            if rest or odd or not width or len(index) % (height * width):
                continue
            for stride in (1, 2, 4):
                if numbered(height, width, signed, stride) == index:
                    return {"window": [height, width], "signed": signed, "stride": stride}
    raise Unread("positions that a tensor says")


def numbered(height: int, width: int, signed: bool, stride: int) -> list[int]:
    """The rows of a table for every query and key of a window."""
    found = []
    for y in range(0, height, stride):
        for x in range(0, width, stride):
            for i in range(height):
                for j in range(width):
                    down, across = y - i, x - j
                    if signed:
                        found.append((down + height - 1) * (2 * width - 1) + across + width - 1)
                    else:
                        found.append(abs(down) * width + abs(across))
    return found


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
    asked: dict[str, Any] = {"size": _sizes(size, rank)} if size is not None else {}
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
    scores = r.emit(linear.MatMul, _scaled(r, query, factor), turned, name="scores")
    if attn_mask is not None:
        if not isinstance(attn_mask, Value):
            raise Unread("attention with a mask of its own")
        scores = _add(r, scores, attn_mask)
    weights = over_channels(r, scores.seen(), -1, _soft(r))
    return r.emit(linear.MatMul, weights, value, name="mix")


@reads("square")
def _square(r: Recorder, input: Value) -> Value:
    return r.emit(join.Multiply, input, input, name="square")


@reads("pow", "__pow__")
def _pow(r: Recorder, input: Value, exponent: Any) -> Value:
    if exponent != 2:
        raise Unread(f"a power of {exponent}")
    return _square(r, input)
