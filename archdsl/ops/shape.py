"""Ops that move values without weights: reshaping, resizing, cutting, shuffling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, prod
from typing import ClassVar

from archdsl.ops.axes import AXIS, CHANNEL, SCALE, SIDES, Sides, both, place
from archdsl.ops.base import Op, ShapeError, multiples, require_map, times
from archdsl.ops.kinds import AXES, FLAG, INDEX, REFERENCE, SHAPE, WHOLE, added, argument, words
from archdsl.ops.reach import Arrangement, Reach, Reads, along, reshaped
from archdsl.ops.storage import INPUTS, NEW, VIEW, Storage
from archdsl.ops.strides import Lays, Strided, as_map, elementwise
from archdsl.ops.tensor import TensorSpec


def _image(op: Op, x: TensorSpec) -> TensorSpec:
    if x.rank != 2:
        raise ShapeError(f"{op.verb} needs a map of two axes, its input is {x}")
    return x


def _padded(usual: Strided, x: Strided, mode: str) -> Strided:
    """How a map with a border lies; where that has no width, zeros are put around a mere copy."""
    cloned = mode == "zeros" and usual.sizes == x.sizes
    return elementwise(usual.sizes, [x]) if cloned else usual


class Identity(Op):
    """Passes its input on."""

    verb: ClassVar[str] = "identity"
    stores: ClassVar[Storage] = VIEW

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0]


class _Reshaped(Op):
    """The same values in another shape."""

    stores: ClassVar[Storage] = VIEW

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0].reshaped(output.shape)

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        return inputs[0].copied(output.shape)

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        return reshaped(inputs[0].shape)


class Flatten(_Reshaped):
    """A map as one vector."""

    verb: ClassVar[str] = "flatten"

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return TensorSpec((inputs[0].elements,))


@dataclass(frozen=True)
class Resize(Op):
    """Interpolates a map to `scale` times its size, to `size`, or to the size of another map."""

    verb: ClassVar[str] = "resize"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "pool"
    scale: float | tuple[float, ...] | None = argument(
        SCALE, "how many times larger, one for all axes or one for each", None
    )
    size: tuple[int, ...] | None = argument(AXES, "output size", None)
    like: bool = argument(REFERENCE, "a map whose size to take", False)
    mode: str = argument(words("nearest", "bilinear", "bicubic"), "interpolation", "nearest")
    align_corners: bool = argument(FLAG, "corner pixels stay in the corners", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if (self.scale is not None) + (self.size is not None) + self.like != 1:
            raise ShapeError("resize takes exactly one of scale, size and like")
        if self.mode != "nearest" and x.rank != 2:
            raise ShapeError(f"{self.mode} needs a map of two axes, its input is {x}", "mode")
        if self.mode == "nearest" and self.align_corners:
            raise ShapeError("align_corners has no meaning for nearest", "align_corners")
        if self.like:
            require_map(self, inputs[1], "like")
        if self.scale is not None:
            size = tuple(int(n * s) for n, s in zip(x.spatial, self.factors(x.rank), strict=True))
        else:
            size = self.size or inputs[1].spatial
        if len(size) != x.rank or min(size) < 1:
            raise ShapeError(f"a map of {x} cannot become {times(size) or 'a vector'}")
        return TensorSpec((x.channels, *size))

    def factors(self, rank: int) -> tuple[float, ...]:
        """How many times larger the map becomes along every axis."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale or 1.0,) * rank

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """Position p is at `p ratio`, or at `(p + 1/2) ratio - 1/2` between two or four pixels."""
        from fractions import Fraction  # which only receptive fields need

        size, result = inputs[0].spatial[axis], output.spatial[axis]
        ratio, ahead = Fraction(size, result), Fraction(0)
        if self.scale is not None:
            factor = self.factors(inputs[0].rank)[axis]
            ratio = 1 / Fraction(factor).limit_denominator(1000)
        if self.align_corners:
            ratio = Fraction(size - 1, max(1, result - 1))
        elif self.mode != "nearest":
            ahead = (ratio - 1) / 2
        around = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}[self.mode]
        period = min(max(1, ratio.denominator), result)

        def of(place: int) -> Sequence[int]:
            at = place * ratio + ahead  # on a pixel, no other counts
            return [floor(at) + n for n in ((0,) if at.denominator == 1 else around)]

        return Reach(round(period * ratio), Reads(period, of))


@dataclass(frozen=True)
class Pad(Op):
    """Adds a border, as wide on both sides of an axis or not (a causal convolution's)."""

    verb: ClassVar[str] = "pad"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    border: Sides = argument(SIDES, "width of the border per axis, or `[before, after]`")
    mode: str = argument(words("zeros", "reflect", "replicate"), "what the border holds", "zeros")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        sides = list(zip(x.spatial, map(both, self.border), strict=True))
        if self.mode == "reflect" and any(max(border) >= size for size, border in sides):
            raise ShapeError(f"a reflected border must be narrower than the map ({x})", "border")
        return TensorSpec((x.channels, *(size + sum(border) for size, border in sides)))

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return NEW if self.mode == "zeros" else INPUTS

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return _padded(super().strides(output, *inputs), inputs[0], self.mode)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return Reach(1, ((-both(self.border[axis])[0],),))


@dataclass(frozen=True)
class PadChannels(Op):
    """Adds channels of zeros behind those of the input (ResNet's shortcut without weights)."""

    verb: ClassVar[str] = "pad_channels"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    fitted: ClassVar[bool] = True
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    mixes: ClassVar[bool] = True
    out: int = argument(WHOLE, "output channels")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if self.out < x.channels:
            raise ShapeError(f"{x.channels} channels cannot be padded to {self.out}", "out")
        return x.with_channels(self.out)

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return _padded(super().strides(output, *inputs), inputs[0], "zeros")


@dataclass(frozen=True)
class Crop(Op):
    """Cuts the centre out of a map, to `size` or the size of another map, or a `border` off it."""

    verb: ClassVar[str] = "crop"
    of_maps: ClassVar[bool] = True
    stores: ClassVar[Storage] = VIEW
    size: tuple[int, ...] | None = argument(AXES, "output size", None)
    like: bool = argument(REFERENCE, "a map whose size to take", False)
    border: Sides | None = added(SIDES, "what to cut off per axis, or `[before, after]`", None)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if (self.size is not None) + self.like + (self.border is not None) != 1:
            raise ShapeError("crop takes exactly one of size, like and border")
        if self.border is not None:
            sides = zip(x.spatial, map(both, self.border), strict=True)
            left = tuple(size - sum(border) for size, border in sides)
            if min(left) < 1:
                raise ShapeError(f"the border is all of {x}", "border")
            return TensorSpec((x.channels, *left))
        if self.like:
            require_map(self, inputs[1], "like")
        size = inputs[1].spatial if self.size is None else self.size
        if len(size) != x.rank or any(s > n for s, n in zip(size, x.spatial, strict=True)):
            raise ShapeError(f"cannot crop {x} to {times(size) or 'a vector'}")
        return TensorSpec((x.channels, *size))

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return VIEW if self.border is None else NEW

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        lying = inputs[0].cut(output.shape)
        return lying if self.border is None else elementwise(lying.sizes, [lying])

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        if self.border is not None:
            return Reach(1, ((both(self.border[axis])[0],),))
        return Reach(1, (((inputs[0].spatial[axis] - output.spatial[axis]) // 2,),))


@dataclass(frozen=True)
class Slice(Op):
    """The channels `start` to `stop` (exclusive), or those positions of another axis."""

    verb: ClassVar[str] = "slice"
    stores: ClassVar[Storage] = VIEW
    drawn: ClassVar[str] = "norm"
    mixes: ClassVar[bool] = True
    stop: int | None = argument(WHOLE, "first that is not taken; all that follow without it", None)
    start: int = argument(INDEX, "first that is taken", 0)
    step: int = added(WHOLE, "from one that is taken to the next", 1)
    axis: int | str = added(AXIS, "of which axis, the first being 0", CHANNEL)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        axis, stop = place(self.axis, x), self.stop
        stop = x.shape[axis] if stop is None else stop
        if not self.start < stop <= x.shape[axis]:
            what = "channels" if self.axis == CHANNEL else f"positions of axis {axis}"
            blamed = "start" if self.stop is None else "stop"
            raise ShapeError(f"no {what} {self.start} to {stop} in {x}", blamed)
        sizes = list(x.shape)
        sizes[axis] = -(-(stop - self.start) // self.step)
        return TensorSpec(tuple(sizes), x.layout)

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        x = inputs[0]
        return x.cut(output.shape, self.step, 1 + place(self.axis, output))

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> tuple[Reach | None, ...] | None:
        axis = place(self.axis, output)
        if axis == place(CHANNEL, output):
            return None
        return along(axis, Reach(self.step, ((self.start,),)), len(output.shape))


@dataclass(frozen=True)
class ChannelShuffle(Op):
    """Interleaves groups of channels (ShuffleNet, figure 1)."""

    verb: ClassVar[str] = "channel_shuffle"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    groups: int = argument(WHOLE, "number of groups")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if x.channels % self.groups:
            message = f"{self.groups} groups do not divide {x.channels} channels"
            raise ShapeError(message, "groups", multiples(self.groups, x.channels))
        return x

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        (x,) = inputs
        split = (self.groups, x.channels // self.groups, *x.spatial)
        return Arrangement(split, (1, 0, *range(2, len(split))))


@dataclass(frozen=True)
class PixelShuffle(Op):
    """Turns channels into pixels: `C r^2` x H x W to C x `rH` x `rW`."""

    verb: ClassVar[str] = "pixel_shuffle"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    factor: int = argument(WHOLE, "how many times larger")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = _image(self, super().infer(*inputs))
        if x.channels % self.factor**2:
            raise ShapeError(f"{self.factor}^2 does not divide the channels of {x}", "factor")
        return TensorSpec((x.channels // self.factor**2, *(n * self.factor for n in x.spatial)))

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        usual = super().strides(output, *inputs)
        return usual if self.factor > 1 else as_map(usual.sizes, inputs[0])

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        (x,), factor = inputs, self.factor
        return Arrangement((x.channels // factor**2, factor, factor, *x.spatial), (0, 3, 1, 4, 2))


@dataclass(frozen=True)
class SpaceToDepth(Op):
    """Turns pixels into channels, the inverse of `pixel_shuffle`."""

    verb: ClassVar[str] = "space_to_depth"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    factor: int = argument(WHOLE, "how many times smaller")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = _image(self, super().infer(*inputs))
        if any(n % self.factor for n in x.spatial):
            raise ShapeError(f"{self.factor} does not divide the size of {x}", "factor")
        return TensorSpec((x.channels * self.factor**2, *(n // self.factor for n in x.spatial)))

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        (x,), factor = inputs, self.factor
        rows, columns = (n // factor for n in x.spatial)
        return Arrangement((x.channels, rows, factor, columns, factor), (0, 2, 4, 1, 3))


@dataclass(frozen=True)
class Reshape(_Reshaped):
    """The same values in another shape; one axis may be -1."""

    verb: ClassVar[str] = "reshape"
    shape: tuple[int, ...] = argument(SHAPE, "the new shape, without the batch")
    channels_last: bool = added(FLAG, "its last axis holds the channels, not the first", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        known = prod(n for n in self.shape if n != -1)
        good = self.shape and min(self.shape) >= -1 and self.shape.count(-1) <= 1 and known > 0
        if not good or x.elements % known or (-1 not in self.shape and known != x.elements):
            shown = times(self.shape) or "nothing"
            raise ShapeError(f"{x} cannot be reshaped to {shown}", "shape")
        if self.channels_last and len(self.shape) < 2:
            raise ShapeError("one axis is the first and the last", "channels_last")
        sizes = tuple(x.elements // known if n == -1 else n for n in self.shape)
        return TensorSpec(sizes, "channels_last" if self.channels_last else "channels_first")


@dataclass(frozen=True)
class Permute(Op):
    """The same values with the axes in another order; channels put last stay channels."""

    verb: ClassVar[str] = "permute"
    stores: ClassVar[Storage] = VIEW
    order: tuple[int, ...] = argument(SHAPE, "old axes in their new order, without the batch")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if sorted(self.order) != list(range(len(x.shape))):
            raise ShapeError(f"{times(self.order)} is not an order of the axes of {x}", "order")
        channels = 0 if x.layout == "channels_first" else len(x.shape) - 1
        last = len(x.shape) > 1 and self.order[-1] == channels
        shape = tuple(x.shape[axis] for axis in self.order)
        return TensorSpec(shape, "channels_last" if last else "channels_first")

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0].permuted(self.order)

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        return Arrangement(inputs[0].shape, self.order)
