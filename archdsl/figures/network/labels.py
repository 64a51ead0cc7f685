"""What figures say of ops: which are drawn, in which role, with which words."""

from collections.abc import Callable
from typing import Any

from archdsl.figures.canvas.scene import Run
from archdsl.graph.graph import Node
from archdsl.ops.tensor import TensorSpec

# The role of every op in a theme; "" where a figure shows nothing: norms, activations and what only
# rearranges. Convolutions are told apart by `role`.
DRAWN = {
    "conv": "conv", "conv_transpose": "conv", "linear": "linear",
    "batch_norm": "", "layer_norm": "", "group_norm": "", "lrn": "",
    "relu": "", "relu6": "", "leaky_relu": "", "prelu": "", "elu": "", "gelu": "", "silu": "",
    "mish": "", "hard_swish": "", "hard_sigmoid": "", "sigmoid": "", "tanh": "", "softmax": "",
    "max_pool": "pool", "avg_pool": "pool", "adaptive_avg_pool": "pool",
    "adaptive_max_pool": "pool", "global_avg_pool": "pool", "resize": "pool",
    "concat": "norm", "add": "norm", "multiply": "norm",
    "dropout": "", "drop_path": "", "scale": "", "layer_scale": "", "identity": "",
    "pad_channels": "norm",
    "flatten": "", "pad": "", "crop": "", "slice": "norm", "channel_shuffle": "norm",
    "pixel_shuffle": "norm", "space_to_depth": "norm", "reshape": "", "permute": "",
    "channels_last": "", "channels_first": "", "tokens": "", "class_token": "norm",
    "position_embedding": "norm", "token": "",
    "attention": "attention", "window_attention": "attention", "patch_merging": "linear",
}  # fmt: skip
JOINS = ("concat", "add", "multiply")


def role(node: Node) -> str:
    """The role of a node, "" if it is not drawn."""
    op: Any = node.op
    if op.verb != "conv":
        return DRAWN[op.verb]
    if op.groups > 1:
        return "depthwise"
    return "pointwise" if set(op.kernel) == {1} else "conv"


def label(node: Node, channels: int) -> str:
    """A few words that fit a box: `3×3, 64, /2`."""
    write = _LABELS.get(node.op.verb)
    return write(node.op, channels) if write else node.op.label()


def shape(spec: TensorSpec) -> tuple[Run, ...]:
    """`256×56²` for a square map, `3×224×160` for another, `1000` for a vector, `197×768`."""
    spatial = spec.spatial
    if spec.layout == "channels_last" and spec.rank == 1:
        return (Run(f"{spatial[0]}×{spec.channels}"),)
    if not spatial or set(spatial) == {1}:
        return (Run(str(spec.channels)),)
    if len(spatial) > 1 and len(set(spatial)) == 1:
        return Run(f"{spec.channels}×{spatial[0]}"), Run(str(len(spatial)), sup=True)
    return (Run("×".join(map(str, (spec.channels, *spatial)))),)


def size(spec: TensorSpec) -> tuple[Run, ...]:
    """The spatial size alone: `56²`."""
    spatial = spec.spatial if spec.rank else (1,)
    if set(spatial) == {1}:
        return (Run("1"),)
    if len(spatial) > 1 and len(set(spatial)) == 1:
        return Run(str(spatial[0])), Run(str(len(spatial)), sup=True)
    return (Run("×".join(map(str, spatial))),)


def plain(runs: tuple[Run, ...]) -> str:
    """The text of runs, raised numbers after a caret."""
    return "".join(f"^{run.text}" if run.sup else run.text for run in runs)


def product(sizes: tuple[int, ...]) -> str:
    """`3×3`; `7` along one axis."""
    return "×".join(map(str, sizes))


def stride(op: Any) -> str:
    """`, /2` unless the stride is 1."""
    if set(op.stride) == {1}:
        return ""
    return f", /{op.stride[0] if len(set(op.stride)) == 1 else product(op.stride)}"


def _conv(op: Any, channels: int) -> str:
    depthwise = op.groups == channels and op.groups > 1
    grouped = f", g={op.groups}" if op.groups > 1 and not depthwise else ""
    dilated = f", d={op.dilation[0]}" if set(op.dilation) != {1} else ""
    prefix = "dw " if depthwise else ""
    return f"{prefix}{product(op.kernel)}, {op.out}{stride(op)}{grouped}{dilated}"


def _pool(op: Any, channels: int) -> str:
    return f"{product(op.kernel)} {op.verb[:3]} pool{stride(op)}"


def _resize(op: Any, channels: int) -> str:
    if op.scale is not None:
        return f"resize ×{op.scale:g}"
    return "resize" if op.like else f"resize to {product(op.size)}"


_LABELS: dict[str, Callable[[Any, int], str]] = {
    "conv": _conv,
    "conv_transpose": lambda op, channels: (
        f"up-conv {product(op.kernel)}, {op.out}{stride(op).replace('/', '×')}"
    ),
    "linear": lambda op, channels: f"linear, {op.out}",
    "max_pool": _pool,
    "avg_pool": _pool,
    "adaptive_avg_pool": lambda op, channels: f"avg pool to {product(op.size)}",
    "adaptive_max_pool": lambda op, channels: f"max pool to {product(op.size)}",
    "global_avg_pool": lambda op, channels: "global avg pool",
    "resize": _resize,
    "concat": lambda op, channels: "concat",
    "attention": lambda op, channels: f"attention, {op.heads} heads",
    "window_attention": lambda op, channels: (
        f"{'shifted ' if any(op.shift) else ''}window attention, {op.heads} heads"
    ),
}
