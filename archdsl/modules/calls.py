"""TORCH: one row per op, which gives the PyTorch call as data."""

from archdsl.modules import layers, shapes
from archdsl.modules.call import Call, Row, function, numbers, table_module
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
    pooled,
    reduce,
    regularize,
    shape,
    tokens,
)
from archdsl.ops.tensor import TensorSpec

TORCH: dict[type[Op], Row] = {
    conv.Conv: layers.conv_call,
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
    conv.StandardConv: layers.std_conv,
    linear.MatMul: function("torch.matmul({0}, {1})"),
    linear.Linear: table_module(
        "nn.Linear", ("bias", "bias", True), takes={"in_features": "C", "out_features": "out"}
    ),
    norm.BatchNorm: layers.batch_norm,
    norm.LayerNorm: layers.layer_norm,
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
    norm.RmsNorm: layers.rms_norm,
    norm.Normalize: layers.normalize,
    norm.LocalResponseNorm: layers.lrn,
    activation.Relu: table_module("nn.ReLU"),
    activation.Relu6: table_module("nn.ReLU6"),
    activation.LeakyRelu: table_module("nn.LeakyReLU", ("negative_slope", "slope", 0.01)),
    activation.PRelu: layers.prelu,
    activation.Elu: table_module("nn.ELU", ("alpha", "alpha", 1.0)),
    activation.Gelu: layers.gelu,
    activation.Silu: table_module("nn.SiLU"),
    activation.Mish: table_module("nn.Mish"),
    activation.HardSwish: table_module("nn.Hardswish"),
    activation.HardSigmoid: table_module("nn.Hardsigmoid"),
    activation.Sigmoid: table_module("nn.Sigmoid"),
    activation.Tanh: table_module("nn.Tanh"),
    activation.Softmax: layers.softmax,
    pool.MaxPool: layers.pool_call("Max"),
    pool.AvgPool: layers.pool_call("Avg"),
    pool.AdaptiveAvgPool: layers.adaptive("Avg"),
    pool.AdaptiveMaxPool: layers.adaptive("Max"),
    pool.GlobalAvgPool: layers.adaptive("Avg"),
    pool.GlobalMaxPool: layers.adaptive("Max"),
    pool.MaxUnpool: layers.max_unpool,
    pool.BlurPool: layers.blur_pool,
    reduce.Mean: shapes.reduction("torch.mean"),
    reduce.Sum: shapes.reduction("torch.sum"),
    reduce.Max: shapes.reduction("torch.amax"),
    join.Concat: shapes.concat,
    join.Add: function("{+}"),
    join.Multiply: function("{*}"),
    join.WeightedAdd: shapes.weighted_add,
    regularize.Dropout: table_module("nn.Dropout", ("p", "rate", 0.5)),
    regularize.DropPath: table_module("DropPath", ("p", "rate", None)),
    regularize.Scale: table_module("Scale", ("factor", "factor", None)),
    regularize.LayerScale: shapes.weight,
    regularize.LearnedWeight: shapes.weight,
    shape.Identity: table_module("nn.Identity"),
    shape.Flatten: table_module("nn.Flatten"),
    shape.Resize: shapes.resize,
    shape.Pad: shapes.pad,
    shape.PadChannels: shapes.pad_channels,
    shape.Crop: shapes.crop,
    shape.Slice: shapes.slice,
    shape.ChannelShuffle: table_module("nn.ChannelShuffle", ("groups", "groups", None)),
    shape.PixelShuffle: table_module("nn.PixelShuffle", ("upscale_factor", "factor", None)),
    shape.SpaceToDepth: table_module("nn.PixelUnshuffle", ("downscale_factor", "factor", None)),
    shape.Reshape: numbers("Reshape", "shape", ".reshape", ".shape"),
    shape.Permute: shapes.permute,
    tokens.ChannelsLast: shapes.axes("last"),
    tokens.ChannelsFirst: shapes.axes("first"),
    tokens.Tokens: table_module("Tokens"),
    tokens.ToMap: shapes.to_map,
    tokens.PositionGrid: shapes.position_grid,
    learned.Learned: shapes.learned_call,
    learned.RelativePositions: shapes.relative_positions,
    tokens.ClassToken: shapes.class_token,
    tokens.PositionEmbedding: shapes.position_embedding,
    tokens.Token: shapes.token,
    attention.Attention: layers.attention_call,
    attention.WindowAttention: layers.window_attention,
    attention.CosineWindowAttention: layers.cosine_window_attention,
    attention.RelativeAttention: layers.relative_attention,
    pooled.PooledAttention: layers.pooled_attention,
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


def call(op: Op, inputs: tuple[TensorSpec, ...]) -> Call:
    """The PyTorch call for an op on inputs of these shapes."""
    row = TORCH.get(type(op)) or OTHERS[type(op)]
    return row.make(op, inputs)
