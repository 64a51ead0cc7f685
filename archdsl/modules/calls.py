"""TORCH: one row per op, giving the PyTorch call as data."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from archdsl.ops import (
    OPS,
    Op,
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
from archdsl.ops.kinds import both, in_torch
from archdsl.ops.tensor import TensorSpec

Form = Literal["module", "function", "parameter"]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call; `default` is what PyTorch takes for it where it is not written."""

    name: str
    value: Any
    default: Any = None
    keyword: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """What PyTorch is asked for.

    A module is made by `target(arguments)` and applied to the input. A function's `target` is a
    template of `{0}`, `{1}`... (`{all}` for all inputs) and argument names. A parameter is a
    tensor of its own, which `target(arguments)` makes, and `use` the template of what is done
    with it (`{weight}`, and the names of `settings`); so is a module that is called otherwise than
    with its input alone.
    """

    target: str
    arguments: tuple[Argument, ...] = ()
    form: Form = "module"
    use: str = ""
    settings: tuple[Argument, ...] = ()


Make = Callable[[Any, tuple[TensorSpec, ...]], Call]
NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """How an op is asked for: `make` gives the call.

    `writes` are the names that may stand in it, those of tensors' methods and attributes with a dot
    before them; a source that holds others is not run (`pytorch/allowed.py`). `imports` says of
    which module of another package a name is.
    """

    make: Make
    writes: tuple[str, ...]
    imports: Mapping[str, str] = field(default_factory=dict)


def call(op: Op, inputs: tuple[TensorSpec, ...]) -> Call:
    """The PyTorch call for an op on inputs of these shapes."""
    row = TORCH.get(type(op)) or OTHERS[type(op)]
    return row.make(op, inputs)


def _writing(*names: str) -> Callable[[Make], Row]:
    """A row of a function that makes calls in which these names stand."""
    return lambda make: Row(make, _ranked(*names))


def _ranked(*names: str) -> tuple[str, ...]:
    """Names in which `{rank}` is any of the ranks that a map can have."""
    return tuple(dict.fromkeys(name.format(rank=rank) for name in names for rank in (1, 2, 3)))


def plain(sizes: tuple[int, ...] | Any) -> Any:
    """`3` for `(3, 3)`."""
    return sizes[0] if isinstance(sizes, tuple) and len(set(sizes)) == 1 else sizes


def _size(name: str, sizes: Any, default: Any = None) -> Argument:
    return Argument(name, plain(sizes), default)


def _positional(name: str, value: Any) -> Argument:
    return Argument(name, plain(value), keyword=False)


def table_module(
    target: str, *settings: tuple[str, str, Any], takes: Mapping[str, str] = NONE
) -> Row:
    """A row whose arguments are fields of the op, in PyTorch's order.

    `takes` are the positional ones, as PyTorch's name and the field, `C` for the channels of the
    input; `settings` the keyword ones, as PyTorch's name, the field and PyTorch's default.
    """

    def row(op: Op, x: tuple[TensorSpec, ...]) -> Call:
        positional = (
            _positional(name, x[0].channels if field == "C" else getattr(op, field))
            for name, field in takes.items()
        )
        keyword = (_size(name, getattr(op, field), default) for name, field, default in settings)
        return Call(target.format(rank=max(1, x[0].rank)), (*positional, *keyword))

    return Row(row, _ranked(target))


def convolution(op: conv.Conv, x: TensorSpec, padding: Any) -> Call:
    """The call for a convolution with this padding, None for one that pads its input itself."""
    return Call(
        f"Conv{x.rank}dSame" if padding is None else f"nn.Conv{x.rank}d",
        (
            _positional("in_channels", x.channels),
            _positional("out_channels", op.out),
            _size("kernel_size", op.kernel),
            _size("stride", op.stride, 1),
            *(() if padding is None else (_size("padding", padding, 0),)),
            _size("dilation", op.dilation, 1),
            Argument("groups", op.groups, 1),
            Argument("bias", op.bias, True),
        ),
    )


@_writing("nn.Conv{rank}d", "Conv{rank}dSame")
def _conv(op: conv.Conv, x: tuple[TensorSpec, ...]) -> Call:
    return convolution(op, x[0], None if op.pads_itself else op.pad)


@_writing("StdConv{rank}d")
def _std_conv(op: conv.StandardConv, x: tuple[TensorSpec, ...]) -> Call:
    made = _conv.make(op, x)
    extra = (
        Argument("gain", op.gain, False),
        Argument("gamma", op.gamma, 1.0),
        Argument("eps", op.eps, 1e-6),
        Argument("same", op.pads_itself, False),
        Argument("start", op.start, 1.0),
    )
    return Call(f"StdConv{x[0].rank}d", (*made.arguments, *extra))


@_writing("nn.BatchNorm{rank}d", "FrozenBatchNorm")
def _batch_norm(op: norm.BatchNorm, x: tuple[TensorSpec, ...]) -> Call:
    channels, eps = _positional("num_features", x[0].channels), Argument("eps", op.eps, 1e-5)
    affine = Argument("affine", op.affine, True)
    if op.frozen:
        return Call("FrozenBatchNorm", (channels, eps, affine))
    momentum = Argument("momentum", op.momentum, 0.1)
    return Call(f"nn.BatchNorm{max(1, x[0].rank)}d", (channels, eps, momentum, affine))


@_writing("nn.LocalResponseNorm", ".contiguous")
def _lrn(op: norm.LocalResponseNorm, x: tuple[TensorSpec, ...]) -> Call:
    """PyTorch's own views the squares of a map of three axes, which has to lie row after row."""
    return Call(
        "nn.LocalResponseNorm",
        (
            _positional("size", op.size),
            Argument("alpha", op.alpha, 1e-4),
            Argument("beta", op.beta, 0.75),
            Argument("k", op.k, 1.0),
        ),
        use="{weight}({0}.contiguous())" if x[0].rank == 3 else "",
    )


@_writing("nn.RMSNorm", "RMSNorm2d")
def _rms_norm(op: norm.RmsNorm, x: tuple[TensorSpec, ...]) -> Call:
    is_map = x[0].layout == "channels_first" and x[0].rank > 0
    return Call(
        "RMSNorm2d" if is_map else "nn.RMSNorm",
        (
            _positional("normalized_shape", x[0].channels),
            Argument("eps", op.eps),
            Argument("elementwise_affine", op.affine, True),
        ),
    )


@_writing("F.normalize")
def _normalize(op: norm.Normalize, x: tuple[TensorSpec, ...]) -> Call:
    settings = (
        Argument("p", op.p, 2.0),
        Argument("dim", in_torch(op.axis, x[0]), 1),
        Argument("eps", op.eps, 1e-12),
    )
    said = "".join(f", {a.name}={{{a.name}}}" for a in settings if a.value != a.default)
    return Call(f"F.normalize({{0}}{said})", settings, "function")


def _reduction(target: str) -> Row:
    """A row of a function over some axes."""

    def row(op: Any, x: tuple[TensorSpec, ...]) -> Call:
        axes = tuple(in_torch(axis, x[0]) for axis in op.axis)
        keep = ", keepdim={keepdim}" if op.keepdim else ""
        settings = (Argument("axis", plain(axes)), Argument("keepdim", op.keepdim))
        return Call(f"{target}({{0}}, {{axis}}{keep})", settings, "function")

    return Row(row, (target,))


@_writing("nn.LayerNorm", "LayerNorm2d")
def _layer_norm(op: norm.LayerNorm, x: tuple[TensorSpec, ...]) -> Call:
    is_map = x[0].layout == "channels_first" and x[0].rank > 0
    return Call(
        "LayerNorm2d" if is_map else "nn.LayerNorm",
        (
            _positional("normalized_shape", x[0].channels),
            Argument("eps", op.eps, 1e-5),
            Argument("elementwise_affine", op.affine, True),
        ),
    )


@_writing("nn.Softmax")
def _softmax(op: activation.Softmax, x: tuple[TensorSpec, ...]) -> Call:
    return Call("nn.Softmax", (Argument("dim", in_torch(op.axis, x[0])),))


@_writing("nn.PReLU")
def _prelu(op: activation.PRelu, x: tuple[TensorSpec, ...]) -> Call:
    return Call("nn.PReLU", (Argument("num_parameters", 1 if op.shared else x[0].channels, 1),))


@_writing("nn.GELU")
def _gelu(op: activation.Gelu, x: tuple[TensorSpec, ...]) -> Call:
    return Call("nn.GELU", (Argument("approximate", "tanh" if op.tanh else "none", "none"),))


def _pool(kind: str) -> Row:
    def row(op: Any, x: tuple[TensorSpec, ...]) -> Call:
        dilation = getattr(op, "dilation", None)
        if op.padding == "same":
            sizes = {"kernel_size": op.kernel, "stride": op.stride}
            sizes |= {"dilation": dilation} if dilation else {}
            return Call(
                f"{kind}PoolSame", tuple(Argument(n, s, keyword=False) for n, s in sizes.items())
            )
        arguments = [
            Argument("kernel_size", plain(op.kernel), keyword=False),
            Argument("stride", plain(op.stride)),
            Argument("padding", plain(op.padding), 0),
            *([Argument("dilation", plain(dilation), 1)] if dilation else []),
            Argument("ceil_mode", op.ceil, False),
        ]
        if kind == "Avg":
            arguments.append(Argument("count_include_pad", op.count_padding, True))
        return Call(f"nn.{kind}Pool{x[0].rank}d", tuple(arguments))

    return Row(row, (f"{kind}PoolSame", *_ranked(f"nn.{kind}Pool{{rank}}d")))


def _adaptive(kind: str) -> Row:
    def row(op: Any, x: tuple[TensorSpec, ...]) -> Call:
        size = getattr(op, "size", 1)
        return Call(f"nn.Adaptive{kind}Pool{x[0].rank}d", (_positional("output_size", size),))

    return Row(row, _ranked(f"nn.Adaptive{kind}Pool{{rank}}d"))


def _function(template: str) -> Row:
    """A row of an expression of the inputs, which may call what it names."""
    called = tuple(re.findall(r"[A-Za-z_][\w.]*(?=\()", template))
    return Row(lambda op, x: Call(template, form="function"), called)


@_writing("torch.cat")
def _concat(op: join.Concat, x: tuple[TensorSpec, ...]) -> Call:
    return Call(f"torch.cat([{{all}}], {in_torch(op.axis, x[0])})", form="function")


@_writing("torch.ones", "weighted_sum")
def _weighted_add(op: join.WeightedAdd, x: tuple[TensorSpec, ...]) -> Call:
    eps = float(op.eps) if isinstance(op.eps, int) else op.eps  # TorchScript takes no other
    settings = Argument("normalize", op.normalize), Argument("eps", eps)
    use = "weighted_sum({weight}, [{all}], {normalize}, {eps})"
    return Call("torch.ones", (_positional("size", len(x)),), "parameter", use, settings)


@_writing("max_unpool")
def _max_unpool(op: pool.MaxUnpool, x: tuple[TensorSpec, ...]) -> Call:
    sizes = tuple(Argument(name, getattr(op, name)) for name in ("kernel", "stride", "padding"))
    return Call("max_unpool({0}, {1}, {kernel}, {stride}, {padding})", sizes, "function")


@_writing("BlurPool")
def _blur_pool(op: pool.BlurPool, x: tuple[TensorSpec, ...]) -> Call:
    mode = "constant" if op.mode == "zeros" else op.mode
    return Call(
        "BlurPool",
        (
            _positional("channels", x[0].channels),
            Argument("kernel_size", op.kernel, 3),
            Argument("stride", op.stride, 2),
            Argument("mode", mode, "reflect"),
            Argument("rank", x[0].rank, 2),
        ),
    )


@_writing("position_grid")
def _position_grid(op: attention.PositionGrid, x: tuple[TensorSpec, ...]) -> Call:
    names = ("out", "temperature", "normalize")
    settings = tuple(Argument(name, getattr(op, name)) for name in names)
    return Call("position_grid({0}, {out}, {temperature}, {normalize})", settings, "function")


@_writing("torch.full", "spread")
def _learned(op: learned.Learned, x: tuple[TensorSpec, ...]) -> Call:
    arguments = (
        Argument("size", op.shape, keyword=False),
        Argument("fill_value", op.start, keyword=False),
    )
    return Call("torch.full", arguments, "parameter", "spread({weight}, {0})")


@_writing("relative_positions")
def _relative_positions(op: learned.RelativePositions, x: tuple[TensorSpec, ...]) -> Call:
    names = ("window", "signed", "stride")
    settings = tuple(Argument(name, getattr(op, name)) for name in names)
    use = "relative_positions({0}, {window}, {signed}, {stride})"
    return Call(use, settings, "function")


@_writing(".transpose", ".unflatten", ".shape")
def _to_map(op: attention.ToMap, x: tuple[TensorSpec, ...]) -> Call:
    size = "{1}.shape[2:]" if op.like else "{size}"
    use = f"{{0}}.transpose(1, 2).unflatten(2, {size})"
    return Call(use, (Argument("size", op.size),), "function")


@_writing("torch.full")
def _weight(
    op: regularize.LayerScale | regularize.LearnedWeight, x: tuple[TensorSpec, ...]
) -> Call:
    (weight,) = op.weights(*x)
    arguments = (
        Argument("size", weight.shape, keyword=False),
        Argument("fill_value", op.start, keyword=False),
    )
    return Call("torch.full", arguments, "parameter", "{weight} * {0}")


@_writing("nn.Upsample", "F.interpolate", ".shape")
def _resize(op: shape.Resize, x: tuple[TensorSpec, ...]) -> Call:
    mode = "nearest" if op.mode == "nearest" else op.mode
    corners = op.align_corners if op.mode != "nearest" else None
    settings = (Argument("mode", mode, "nearest"), Argument("align_corners", corners))
    if op.like:
        align = "" if corners is None else ", align_corners={align_corners}"
        return Call(
            f"F.interpolate({{0}}, size={{1}}.shape[2:], mode={{mode}}{align})",
            settings,
            "function",
        )
    if op.size is not None:
        return Call("nn.Upsample", (_size("size", op.size), *settings))
    assert op.scale is not None
    factors = tuple(int(s) if s.is_integer() else s for s in op.factors(x[0].rank))
    return Call("nn.Upsample", (_size("scale_factor", factors), *settings))


@_writing("nn.ZeroPad{rank}d", "nn.ReflectionPad{rank}d", "nn.ReplicationPad{rank}d")
def _pad(op: shape.Pad, x: tuple[TensorSpec, ...]) -> Call:
    kind = {"zeros": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad"}[op.mode]
    sides = tuple(width for border in reversed(op.border) for width in both(border))
    return Call(f"nn.{kind}{x[0].rank}d", (_positional("padding", sides),))


@_writing("nn.ZeroPad{rank}d")
def _pad_channels(op: shape.PadChannels, x: tuple[TensorSpec, ...]) -> Call:
    sides = (*(0,) * 2 * x[0].rank, 0, op.out - x[0].channels)  # from the last axis backwards
    return Call(f"nn.ZeroPad{min(3, x[0].rank + 1)}d", (_positional("padding", sides),))


@_writing("CenterCrop", "center_crop", "nn.ZeroPad{rank}d")
def _crop(op: shape.Crop, x: tuple[TensorSpec, ...]) -> Call:
    if op.border is not None:
        cut = tuple(-width for border in reversed(op.border) for width in both(border))
        return Call(f"nn.ZeroPad{x[0].rank}d", (_positional("padding", cut),))
    if op.like:
        return Call("center_crop({0}, {1})", form="function")
    assert op.size is not None
    return Call(
        "CenterCrop", tuple(_positional(f"size{n}", size) for n, size in enumerate(op.size))
    )


@_writing()
def _slice(op: shape.Slice, x: tuple[TensorSpec, ...]) -> Call:
    axis = in_torch(op.axis, x[0])
    begins = isinstance(op.start, int) and op.start == 0  # it may be no number yet
    part = ("" if op.stop is None and begins else "{start}") + ":"
    part += "{stop}" if op.stop is not None else ""
    part += ":{step}" if op.step != 1 else ""
    ends = (Argument("start", op.start), Argument("stop", op.stop), Argument("step", op.step))
    return Call("{0}[" + (":, " * axis if axis > 0 else "..., ") + part + "]", ends, "function")


def _numbers(target: str, field: str, *writes: str) -> Row:
    """A row whose arguments are the numbers of one field; `writes` is what else may stand there."""

    def row(op: Op, x: tuple[TensorSpec, ...]) -> Call:
        numbers = getattr(op, field)
        return Call(
            target, tuple(Argument(f"{field}{n}", v, keyword=False) for n, v in enumerate(numbers))
        )

    return Row(row, (target, *writes))


@_writing("Permute")
def _permute(op: shape.Permute, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "Permute",
        tuple(Argument(f"axis{n}", axis + 1, keyword=False) for n, axis in enumerate(op.order)),
    )


@_writing("torch.zeros", "torch.cat", ".expand", ".shape")
def _class_token(op: attention.ClassToken, x: tuple[TensorSpec, ...]) -> Call:
    (weight,) = op.weights(*x)
    use = "torch.cat([{weight}.expand({0}.shape[0], -1, -1), {0}], 1)"
    sizes = tuple(_positional(f"size{n}", size) for n, size in enumerate(weight.shape))
    return Call("torch.zeros", sizes, "parameter", use)


@_writing("gaussian")
def _position_embedding(op: attention.PositionEmbedding, x: tuple[TensorSpec, ...]) -> Call:
    (weight,) = op.weights(*x)
    sizes = tuple(_positional(f"size{n}", size) for n, size in enumerate(weight.shape))
    arguments = (*sizes, Argument("std", op.std, keyword=True))
    return Call("gaussian", arguments, "parameter", "{0} + {weight}")


def _axes(target: str) -> Row:
    """A row that moves the channels: `Permute` to channels last or first."""

    def row(op: Op, x: tuple[TensorSpec, ...]) -> Call:
        rank = x[0].rank
        last = target == "last"
        order = (*range(2, rank + 2), 1) if last else (rank + 1, *range(1, rank + 1))
        return Call("Permute", tuple(_positional(f"axis{n}", a) for n, a in enumerate(order)))

    return Row(row, ("Permute",))


@_writing("nn.MultiheadAttention")
def _attention(op: attention.Attention, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "nn.MultiheadAttention",
        (
            _positional("embed_dim", x[0].channels),
            _positional("num_heads", op.heads),
            Argument("dropout", op.dropout, 0.0),
            Argument("bias", op.bias, True),
            Argument("batch_first", True, False),
        ),
        use="{weight}({0}, {0}, {0}, need_weights=False)[0]",
    )


@_writing("WindowAttention")
def _window_attention(op: attention.WindowAttention, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "WindowAttention",
        (
            _positional("channels", x[0].channels),
            _positional("heads", op.heads),
            Argument("window", op.window),
            Argument("shift", op.shift, (0, 0)),
        ),
    )


@_writing("CosineWindowAttention")
def _cosine_window_attention(
    op: attention.CosineWindowAttention, x: tuple[TensorSpec, ...]
) -> Call:
    made = _window_attention.make(op, x)
    arguments = (*made.arguments, Argument("hidden", op.hidden, 512))
    return Call("CosineWindowAttention", arguments)


@_writing("RelativeAttention")
def _relative_attention(op: attention.RelativeAttention, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "RelativeAttention",
        (
            _positional("channels", x[0].channels),
            _positional("heads", op.heads),
            Argument("window", op.window),
            Argument("scale", op.scale, None),
        ),
    )


@_writing()
def _token(op: attention.Token, x: tuple[TensorSpec, ...]) -> Call:
    return Call("{0}[:, {index}]", (Argument("index", op.index),), "function")


TORCH: dict[type[Op], Row] = {
    conv.Conv: _conv,
    conv.ConvTranspose: table_module(
        "nn.ConvTranspose{rank}d",
        ("kernel_size", "kernel", None),
        ("stride", "stride", 1),
        ("padding", "padding", 0),
        ("output_padding", "output_padding", 0),
        ("dilation", "dilation", 1),
        ("groups", "groups", 1),
        ("bias", "bias", True),
        takes={"in_channels": "C", "out_channels": "out"},
    ),
    conv.StandardConv: _std_conv,
    linear.MatMul: _function("torch.matmul({0}, {1})"),
    linear.Linear: table_module(
        "nn.Linear", ("bias", "bias", True), takes={"in_features": "C", "out_features": "out"}
    ),
    norm.BatchNorm: _batch_norm,
    norm.LayerNorm: _layer_norm,
    norm.GroupNorm: table_module(
        "nn.GroupNorm",
        ("eps", "eps", 1e-5),
        ("affine", "affine", True),
        takes={"num_groups": "groups", "num_channels": "C"},
    ),
    norm.InstanceNorm: table_module(
        "nn.InstanceNorm{rank}d",
        ("eps", "eps", 1e-5),
        ("affine", "affine", False),
        takes={"num_features": "C"},
    ),
    norm.RmsNorm: _rms_norm,
    norm.Normalize: _normalize,
    norm.LocalResponseNorm: _lrn,
    activation.Relu: table_module("nn.ReLU"),
    activation.Relu6: table_module("nn.ReLU6"),
    activation.LeakyRelu: table_module("nn.LeakyReLU", ("negative_slope", "slope", 0.01)),
    activation.PRelu: _prelu,
    activation.Elu: table_module("nn.ELU", ("alpha", "alpha", 1.0)),
    activation.Gelu: _gelu,
    activation.Silu: table_module("nn.SiLU"),
    activation.Mish: table_module("nn.Mish"),
    activation.HardSwish: table_module("nn.Hardswish"),
    activation.HardSigmoid: table_module("nn.Hardsigmoid"),
    activation.Sigmoid: table_module("nn.Sigmoid"),
    activation.Tanh: table_module("nn.Tanh"),
    activation.Softmax: _softmax,
    pool.MaxPool: _pool("Max"),
    pool.AvgPool: _pool("Avg"),
    pool.AdaptiveAvgPool: _adaptive("Avg"),
    pool.AdaptiveMaxPool: _adaptive("Max"),
    pool.GlobalAvgPool: _adaptive("Avg"),
    pool.GlobalMaxPool: _adaptive("Max"),
    pool.MaxUnpool: _max_unpool,
    pool.BlurPool: _blur_pool,
    reduce.Mean: _reduction("torch.mean"),
    reduce.Sum: _reduction("torch.sum"),
    reduce.Max: _reduction("torch.amax"),
    join.Concat: _concat,
    join.Add: _function("{+}"),
    join.Multiply: _function("{*}"),
    join.WeightedAdd: _weighted_add,
    regularize.Dropout: table_module("nn.Dropout", ("p", "rate", 0.5)),
    regularize.DropPath: table_module("DropPath", ("p", "rate", None)),
    regularize.Scale: table_module("Scale", ("factor", "factor", None)),
    regularize.LayerScale: _weight,
    regularize.LearnedWeight: _weight,
    shape.Identity: table_module("nn.Identity"),
    shape.Flatten: table_module("nn.Flatten"),
    shape.Resize: _resize,
    shape.Pad: _pad,
    shape.PadChannels: _pad_channels,
    shape.Crop: _crop,
    shape.Slice: _slice,
    shape.ChannelShuffle: table_module("nn.ChannelShuffle", ("groups", "groups", None)),
    shape.PixelShuffle: table_module("nn.PixelShuffle", ("upscale_factor", "factor", None)),
    shape.SpaceToDepth: table_module("nn.PixelUnshuffle", ("downscale_factor", "factor", None)),
    shape.Reshape: _numbers("Reshape", "shape", ".reshape", ".shape"),
    shape.Permute: _permute,
    attention.ChannelsLast: _axes("last"),
    attention.ChannelsFirst: _axes("first"),
    attention.Tokens: table_module("Tokens"),
    attention.ToMap: _to_map,
    attention.PositionGrid: _position_grid,
    learned.Learned: _learned,
    learned.RelativePositions: _relative_positions,
    attention.ClassToken: _class_token,
    attention.PositionEmbedding: _position_embedding,
    attention.Token: _token,
    attention.Attention: _attention,
    attention.WindowAttention: _window_attention,
    attention.CosineWindowAttention: _cosine_window_attention,
    attention.RelativeAttention: _relative_attention,
    attention.PatchMerging: table_module(
        "PatchMerging",
        ("eps", "eps", 1e-5),
        ("norm", "norm", "before"),
        takes={"in_channels": "C", "out_channels": "out"},
    ),
}

assert set(TORCH) == set(OPS.values())

OTHERS: dict[type[Op], Row] = {}  # the rows of ops of other packages
OTHER_NAMES: set[str] = set()  # that these write
IMPORTED: dict[str, str] = {}  # which of these sources import, with the modules that they are of


def add_row(op: type[Op], row: Row) -> None:
    """Adds the row of an op of another package."""
    OTHERS[op] = row
    OTHER_NAMES.update(name for name in row.writes if not name.startswith("."))
    IMPORTED.update(row.imports)


REQUIRES = {  # what a class of the prelude uses
    "initialized_inside": ("initialized",),
    "recomputed_in_turn": ("recomputed",),
    "BlurPool": ("blurred",),
    "Conv1dSame": ("pad_same",),
    "Conv2dSame": ("pad_same",),
    "Conv3dSame": ("pad_same",),
    "StdConv1d": ("pad_same", "standardized"),
    "StdConv2d": ("pad_same", "standardized"),
    "StdConv3d": ("pad_same", "standardized"),
    "MaxPoolSame": ("pad_same",),
    "AvgPoolSame": ("avg_pool", "pad_same"),
    "WindowAttention": ("between_positions", "position_table", "window_attention"),
    "CosineWindowAttention": ("between_positions", "window_attention"),
    "RelativeAttention": ("between_positions", "position_table"),
}
