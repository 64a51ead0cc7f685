"""How ops are asked for that join, move, cut and weigh what they are given."""

from typing import Any

from archdsl.modules.call import Argument, Call, Row, plain, positional, sized, writing
from archdsl.ops import Op, join, learned, regularize, shape, tokens
from archdsl.ops.axes import both, in_torch
from archdsl.ops.tensor import TensorSpec


def reduction(target: str) -> Row:
    """A row of a function over some axes."""

    def row(op: Any, x: tuple[TensorSpec, ...]) -> Call:
        axes = tuple(in_torch(axis, x[0]) for axis in op.axis)
        keep = ", keepdim={keepdim}" if op.keepdim else ""
        settings = (Argument("axis", plain(axes)), Argument("keepdim", op.keepdim))
        return Call(f"{target}({{0}}, {{axis}}{keep})", settings, "function")

    return Row(row, (target,))


@writing("torch.cat")
def concat(op: join.Concat, x: tuple[TensorSpec, ...]) -> Call:
    return Call(f"torch.cat([{{all}}], {in_torch(op.axis, x[0])})", form="function")


@writing("torch.ones", "weighted_sum")
def weighted_add(op: join.WeightedAdd, x: tuple[TensorSpec, ...]) -> Call:
    eps = float(op.eps) if isinstance(op.eps, int) else op.eps  # TorchScript takes no other
    settings = Argument("normalize", op.normalize), Argument("eps", eps)
    use = "weighted_sum({weight}, [{all}], {normalize}, {eps})"
    return Call("torch.ones", (positional("size", len(x)),), "parameter", use, settings)


@writing("position_grid")
def position_grid(op: tokens.PositionGrid, x: tuple[TensorSpec, ...]) -> Call:
    names = ("out", "temperature", "normalize")
    settings = tuple(Argument(name, getattr(op, name)) for name in names)
    return Call("position_grid({0}, {out}, {temperature}, {normalize})", settings, "function")


@writing("torch.full", "spread")
def learned_call(op: learned.Learned, x: tuple[TensorSpec, ...]) -> Call:
    arguments = (
        Argument("size", op.shape, keyword=False),
        Argument("fill_value", op.start, keyword=False),
    )
    return Call("torch.full", arguments, "parameter", "spread({weight}, {0})")


@writing("relative_positions")
def relative_positions(op: learned.RelativePositions, x: tuple[TensorSpec, ...]) -> Call:
    names = ("window", "signed", "stride")
    settings = tuple(Argument(name, getattr(op, name)) for name in names)
    use = "relative_positions({0}, {window}, {signed}, {stride})"
    return Call(use, settings, "function")


@writing(".transpose", ".unflatten", ".shape")
def to_map(op: tokens.ToMap, x: tuple[TensorSpec, ...]) -> Call:
    size = "{1}.shape[2:]" if op.like else "{size}"
    use = f"{{0}}.transpose(1, 2).unflatten(2, {size})"
    return Call(use, (Argument("size", op.size),), "function")


@writing("torch.full")
def weight(op: regularize.LayerScale | regularize.LearnedWeight, x: tuple[TensorSpec, ...]) -> Call:
    (weight,) = op.weights(*x)
    arguments = (
        Argument("size", weight.shape, keyword=False),
        Argument("fill_value", op.start, keyword=False),
    )
    return Call("torch.full", arguments, "parameter", "{weight} * {0}")


@writing("nn.Upsample", "F.interpolate", ".shape")
def resize(op: shape.Resize, x: tuple[TensorSpec, ...]) -> Call:
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
        return Call("nn.Upsample", (sized("size", op.size), *settings))
    assert op.scale is not None
    factors = tuple(int(s) if s.is_integer() else s for s in op.factors(x[0].rank))
    return Call("nn.Upsample", (sized("scale_factor", factors), *settings))


@writing("nn.ZeroPad{rank}d", "nn.ReflectionPad{rank}d", "nn.ReplicationPad{rank}d")
def pad(op: shape.Pad, x: tuple[TensorSpec, ...]) -> Call:
    kind = {"zeros": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad"}[op.mode]
    sides = tuple(width for border in reversed(op.border) for width in both(border))
    return Call(f"nn.{kind}{x[0].rank}d", (positional("padding", sides),))


@writing("nn.ZeroPad{rank}d")
def pad_channels(op: shape.PadChannels, x: tuple[TensorSpec, ...]) -> Call:
    sides = (*(0,) * 2 * x[0].rank, 0, op.out - x[0].channels)  # from the last axis backwards
    return Call(f"nn.ZeroPad{min(3, x[0].rank + 1)}d", (positional("padding", sides),))


@writing("CenterCrop", "center_crop", "nn.ZeroPad{rank}d")
def crop(op: shape.Crop, x: tuple[TensorSpec, ...]) -> Call:
    if op.border is not None:
        cut = tuple(-width for border in reversed(op.border) for width in both(border))
        return Call(f"nn.ZeroPad{x[0].rank}d", (positional("padding", cut),))
    if op.like:
        return Call("center_crop({0}, {1})", form="function")
    assert op.size is not None
    return Call("CenterCrop", tuple(positional(f"size{n}", size) for n, size in enumerate(op.size)))


@writing()
def slice(op: shape.Slice, x: tuple[TensorSpec, ...]) -> Call:
    axis = in_torch(op.axis, x[0])
    begins = isinstance(op.start, int) and op.start == 0  # it may be no number yet
    part = ("" if op.stop is None and begins else "{start}") + ":"
    part += "{stop}" if op.stop is not None else ""
    part += ":{step}" if op.step != 1 else ""
    ends = (Argument("start", op.start), Argument("stop", op.stop), Argument("step", op.step))
    return Call("{0}[" + (":, " * axis if axis > 0 else "..., ") + part + "]", ends, "function")


@writing("Permute")
def permute(op: shape.Permute, x: tuple[TensorSpec, ...]) -> Call:
    return Call(
        "Permute",
        tuple(Argument(f"axis{n}", axis + 1, keyword=False) for n, axis in enumerate(op.order)),
    )


@writing("torch.zeros", "torch.cat", ".expand", ".shape")
def class_token(op: tokens.ClassToken, x: tuple[TensorSpec, ...]) -> Call:
    (weight,) = op.weights(*x)
    use = "torch.cat([{weight}.expand({0}.shape[0], -1, -1), {0}], 1)"
    sizes = tuple(positional(f"size{n}", size) for n, size in enumerate(weight.shape))
    return Call("torch.zeros", sizes, "parameter", use)


@writing("gaussian")
def position_embedding(op: tokens.PositionEmbedding, x: tuple[TensorSpec, ...]) -> Call:
    (weight,) = op.weights(*x)
    sizes = tuple(positional(f"size{n}", size) for n, size in enumerate(weight.shape))
    arguments = (*sizes, Argument("std", op.std, keyword=True))
    return Call("gaussian", arguments, "parameter", "{0} + {weight}")


def axes(target: str) -> Row:
    """A row that moves the channels: `Permute` to channels last or first."""

    def row(op: Op, x: tuple[TensorSpec, ...]) -> Call:
        rank = x[0].rank
        last = target == "last"
        order = (*range(2, rank + 2), 1) if last else (rank + 1, *range(1, rank + 1))
        return Call("Permute", tuple(positional(f"axis{n}", a) for n, a in enumerate(order)))

    return Row(row, ("Permute",))


@writing()
def token(op: tokens.Token, x: tuple[TensorSpec, ...]) -> Call:
    return Call("{0}[:, {index}]", (Argument("index", op.index),), "function")
