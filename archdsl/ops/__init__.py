"""The primitive operations, each declared once; OPS is the list of all."""

from archdsl.ops import activation, attention, conv, join, linear, norm, pool, regularize, shape
from archdsl.ops.base import (
    ArgumentError,
    Kind,
    Op,
    RankError,
    ShapeError,
    TooSmallError,
    Weight,
    arguments,
    construct,
    kind,
)

__all__ = [
    "OPS",
    "WORDS",
    "ArgumentError",
    "Kind",
    "Op",
    "RankError",
    "ShapeError",
    "TooSmallError",
    "Weight",
    "arguments",
    "construct",
    "kind",
]

OPS: dict[str, type[Op]] = {
    op.verb: op
    for op in (
        conv.Conv,
        conv.ConvTranspose,
        linear.Linear,
        norm.BatchNorm,
        norm.LayerNorm,
        norm.GroupNorm,
        norm.LocalResponseNorm,
        activation.Relu,
        activation.Relu6,
        activation.LeakyRelu,
        activation.PRelu,
        activation.Elu,
        activation.Gelu,
        activation.Silu,
        activation.Mish,
        activation.HardSwish,
        activation.HardSigmoid,
        activation.Sigmoid,
        activation.Tanh,
        activation.Softmax,
        pool.MaxPool,
        pool.AvgPool,
        pool.AdaptiveAvgPool,
        pool.AdaptiveMaxPool,
        pool.GlobalAvgPool,
        join.Concat,
        join.Add,
        join.Multiply,
        regularize.Dropout,
        regularize.DropPath,
        regularize.Scale,
        regularize.LayerScale,
        shape.Identity,
        shape.Flatten,
        shape.Resize,
        shape.Pad,
        shape.PadChannels,
        shape.Crop,
        shape.Slice,
        shape.ChannelShuffle,
        shape.PixelShuffle,
        shape.SpaceToDepth,
        shape.Reshape,
        shape.Permute,
        attention.ChannelsLast,
        attention.ChannelsFirst,
        attention.Tokens,
        attention.ClassToken,
        attention.PositionEmbedding,
        attention.Token,
        attention.Attention,
        attention.WindowAttention,
        attention.PatchMerging,
    )
}

WORDS = frozenset(  # that some argument takes as they are: `same`, `bilinear`, ...
    word for op in OPS.values() for name in arguments(op) for word in kind(op, name).words
)
