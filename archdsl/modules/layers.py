"""How convolutions, norms, activations, pools and attention are asked for."""

from typing import Any

from archdsl.modules.call import Argument, Call, Row, plain, positional, ranked, sized, writing
from archdsl.ops import activation, attention, conv, norm, pool, pooled
from archdsl.ops.axes import in_torch
from archdsl.ops.tensor import TensorSpec


def convolution(op: conv.Conv, x: TensorSpec, padding: Any) -> Call:
    """The call for a convolution with this padding, None for one that pads its input itself."""
    return Call(
        f"Conv{x.rank}dSame" if padding is None else f"nn.Conv{x.rank}d",
        (
            positional("in_channels", x.channels),
            positional("out_channels", op.out),
            sized("kernel_size", op.kernel),
            sized("stride", op.stride, 1),
            *(() if padding is None else (sized("padding", padding, 0),)),
            sized("dilation", op.dilation, 1),
            Argument("groups", op.groups, 1),
            Argument("bias", op.bias, True),
        ),
    )


@writing("nn.Conv{rank}d", "Conv{rank}dSame")
def conv_call(op: conv.Conv, x: tuple[TensorSpec, ...]) -> Call:
    return convolution(op, x[0], None if op.pads_itself else op.pad)


@writing("StdConv{rank}d")
def std_conv(op: conv.StandardConv, x: tuple[TensorSpec, ...]) -> Call:
    made = conv_call.make(op, x)
    extra = (
        Argument("gain", op.gain, False),
        Argument("gamma", op.gamma, 1.0),
        Argument("eps", op.eps, 1e-6),
        Argument("same", op.pads_itself, False),
        Argument("start", op.start, 1.0),
    )
    return Call(f"StdConv{x[0].rank}d", (*made.arguments, *extra))


@writing("nn.BatchNorm{rank}d", "FrozenBatchNorm")
def batch_norm(op: norm.BatchNorm, x: tuple[TensorSpec, ...]) -> Call:
    channels, eps = positional("num_features", x[0].channels), Argument("eps", op.eps, 1e-5)
    affine = Argument("affine", op.affine, True)
    if op.frozen:
        return Call("FrozenBatchNorm", (channels, eps, affine))
    momentum = Argument("momentum", op.momentum, 0.1)
    return Call(f"nn.BatchNorm{max(1, x[0].rank)}d", (channels, eps, momentum, affine))


@writing("nn.LocalResponseNorm", ".contiguous")
def lrn(op: norm.LocalResponseNorm, x: tuple[TensorSpec, ...]) -> Call:
    """PyTorch's own views the squares of a map of three axes, which has to lie row after row."""
    return Call(
        "nn.LocalResponseNorm",
        (
            positional("size", op.size),
            Argument("alpha", op.alpha, 1e-4),
            Argument("beta", op.beta, 0.75),
            Argument("k", op.k, 1.0),
        ),
        use="{weight}({0}.contiguous())" if x[0].rank == 3 else "",
    )


@writing("nn.RMSNorm", "RMSNorm2d")
def rms_norm(op: norm.RmsNorm, x: tuple[TensorSpec, ...]) -> Call:
    is_map = x[0].layout == "channels_first" and x[0].rank > 0
    return Call(
        "RMSNorm2d" if is_map else "nn.RMSNorm",
        (
            positional("normalized_shape", x[0].channels),
            Argument("eps", op.eps),
            Argument("elementwise_affine", op.affine, True),
        ),
    )


@writing("F.normalize")
def normalize(op: norm.Normalize, x: tuple[TensorSpec, ...]) -> Call:
    settings = (
        Argument("p", op.p, 2.0),
        Argument("dim", in_torch(op.axis, x[0]), 1),
        Argument("eps", op.eps, 1e-12),
    )
    said = "".join(f", {a.name}={{{a.name}}}" for a in settings if a.value != a.default)
    return Call(f"F.normalize({{0}}{said})", settings, "function")


@writing("nn.LayerNorm", "LayerNorm2d")
def layer_norm(op: norm.LayerNorm, x: tuple[TensorSpec, ...]) -> Call:
    is_map = x[0].layout == "channels_first" and x[0].rank > 0
    return Call(
        "LayerNorm2d" if is_map else "nn.LayerNorm",
        (
            positional("normalized_shape", x[0].channels),
            Argument("eps", op.eps, 1e-5),
            Argument("elementwise_affine", op.affine, True),
        ),
    )


@writing("nn.Softmax")
def softmax(op: activation.Softmax, x: tuple[TensorSpec, ...]) -> Call:
    return Call("nn.Softmax", (Argument("dim", in_torch(op.axis, x[0])),))


@writing("nn.PReLU")
def prelu(op: activation.PRelu, x: tuple[TensorSpec, ...]) -> Call:
    return Call("nn.PReLU", (Argument("num_parameters", 1 if op.shared else x[0].channels, 1),))


@writing("nn.GELU")
def gelu(op: activation.Gelu, x: tuple[TensorSpec, ...]) -> Call:
    return Call("nn.GELU", (Argument("approximate", "tanh" if op.tanh else "none", "none"),))


def pool_call(kind: str) -> Row:
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

    return Row(row, (f"{kind}PoolSame", *ranked(f"nn.{kind}Pool{{rank}}d")))


def adaptive(kind: str) -> Row:
    def row(op: Any, x: tuple[TensorSpec, ...]) -> Call:
        size = getattr(op, "size", 1)
        return Call(f"nn.Adaptive{kind}Pool{x[0].rank}d", (positional("output_size", size),))

    return Row(row, ranked(f"nn.Adaptive{kind}Pool{{rank}}d"))


@writing("max_unpool")
def max_unpool(op: pool.MaxUnpool, x: tuple[TensorSpec, ...]) -> Call:
    sizes = tuple(Argument(name, getattr(op, name)) for name in ("kernel", "stride", "padding"))
    return Call("max_unpool({0}, {1}, {kernel}, {stride}, {padding})", sizes, "function")


@writing("BlurPool")
def blur_pool(op: pool.BlurPool, x: tuple[TensorSpec, ...]) -> Call:
    mode = "constant" if op.mode == "zeros" else op.mode
    return Call(
        "BlurPool",
        (
            positional("channels", x[0].channels),
            Argument("kernel_size", op.kernel, 3),
            Argument("stride", op.stride, 2),
            Argument("mode", mode, "reflect"),
            Argument("rank", x[0].rank, 2),
        ),
    )


@writing("nn.MultiheadAttention")
def attention_call(op: attention.Attention, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "nn.MultiheadAttention",
        (
            positional("embed_dim", x[0].channels),
            positional("num_heads", op.heads),
            Argument("dropout", op.dropout, 0.0),
            Argument("bias", op.bias, True),
            Argument("batch_first", True, False),
        ),
        use="{weight}({0}, {0}, {0}, need_weights=False)[0]",
    )


@writing("WindowAttention", "WindowAttention3d")
def window_attention(op: attention.WindowAttention, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "WindowAttention3d" if x[0].rank == 3 else "WindowAttention",
        (
            positional("channels", x[0].channels),
            positional("heads", op.heads),
            Argument("window", op.window),
            Argument("shift", op.shift, (0,) * x[0].rank),
        ),
    )


@writing("CosineWindowAttention")
def cosine_window_attention(op: attention.CosineWindowAttention, x: tuple[TensorSpec, ...]) -> Call:
    made = window_attention.make(op, x)
    arguments = (*made.arguments, Argument("hidden", op.hidden, 512))
    return Call("CosineWindowAttention", arguments)


@writing("RelativeAttention")
def relative_attention(op: attention.RelativeAttention, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "RelativeAttention",
        (
            positional("channels", x[0].channels),
            positional("heads", op.heads),
            Argument("window", op.window),
            Argument("scale", op.scale, None),
        ),
    )


@writing("PooledAttention")
def pooled_attention(op: pooled.PooledAttention, x: tuple[TensorSpec, ...]) -> Call:
    pools = ("kernel", "stride", "query_kernel", "query_stride")
    return Call(
        "PooledAttention",
        (
            positional("channels", x[0].channels),
            positional("out", op.out),
            positional("heads", op.heads),
            Argument("size", op.size),
            *(Argument(name, getattr(op, name), None) for name in pools),
            Argument("residual", op.residual, "none"),
            Argument("relative", op.relative, False),
            Argument("eps", op.eps, 1e-5),
        ),
    )
