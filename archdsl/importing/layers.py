"""Readers of layers with weights, of norms and of activations."""

from collections.abc import Callable, Sequence
from typing import Any

from archdsl.importing.axes import (
    axis_of,
    first,
    gathered,
    last,
    over_channels,
)
from archdsl.importing.readers import own, owner, per_axis, reads
from archdsl.importing.recording import Recorder
from archdsl.importing.values import Learned, Unread, Value
from archdsl.ops import (
    activation,
    conv,
    linear,
    norm,
    regularize,
    shape,
)


@reads("conv1d", "conv2d", "conv3d")
def _conv(
    r: Recorder, input: Value, weight: Learned, bias: Any = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Value:  # fmt: skip
    path = owner(weight)
    own(path, bias)
    rank = len(weight.shape) - 2
    kernel, apart = weight.shape[2:], per_axis(dilation, rank)
    if not isinstance(padding, str):
        pads = per_axis(padding, rank)
        keeps = tuple(d * (k - 1) // 2 for k, d in zip(kernel, apart, strict=True))
        padding = "auto" if pads == keeps and all(k % 2 for k in kernel) else pads
    return r.emit(
        conv.Conv, first(r, input), path=path, kernel=kernel, out=weight.shape[0],
        stride=per_axis(stride, rank), padding=padding, dilation=apart, groups=groups,
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
        out=weight.shape[1] * groups, stride=per_axis(stride, rank),
        padding=per_axis(padding, rank), output_padding=per_axis(output_padding, rank),
        dilation=per_axis(dilation, rank), groups=groups, bias=bias is not None,
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
    return over_channels(r, input, dim, soft(r))


def soft(r: Recorder) -> Callable[[Value], Value]:
    """What writes a softmax over the channels down."""
    return lambda x: r.emit(activation.Softmax, x, name="softmax")
