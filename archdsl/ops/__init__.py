"""The primitive operations, each declared once; OPS is the list of all."""

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any

from archdsl.ops import activation, attention, conv, join, linear, norm, pool, regularize, shape
from archdsl.ops.base import CHANNELS, ArgumentError, Kind, Op, ShapeError, Weight, arguments
from archdsl.tensor import TensorSpec

__all__ = [
    "OPS",
    "WORDS",
    "ArgumentError",
    "Kind",
    "Op",
    "ShapeError",
    "Weight",
    "arguments",
    "construct",
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
    word
    for op in OPS.values()
    for field in arguments(op).values()
    for word in field.metadata["kind"].words
)


def construct(op: type[Op], values: Mapping[str, Any], x: TensorSpec) -> Op:
    """An op from the values of its arguments, normalised for the rank of its first input.

    Raises ArgumentError, with `argument` set to the name, for a value that cannot be taken; a
    required argument must be among `values`.
    """
    settled = {}
    for name, field in arguments(op).items():
        value = values.get(name, field.default)
        if value is CHANNELS:
            value = x.channels
        if value is None or value is MISSING or value is pool.KERNEL:
            settled[name] = value
            continue
        try:
            settled[name] = field.metadata["kind"].read(value, x.rank)
        except ArgumentError as error:
            error.argument = name
            raise
    return op(**settled)
