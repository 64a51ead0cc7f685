"""Tokens: maps as sequences of vectors, channels last, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError, Weight, multiples, require_map, times
from archdsl.ops.kinds import (
    CHANNELS,
    FLAG,
    INDEX,
    POSITIVE,
    RATE,
    REFERENCE,
    SHAPE,
    WHOLE,
    argument,
)
from archdsl.ops.reach import Arrangement, Reach, Reads
from archdsl.ops.storage import NEW, VIEW, Storage
from archdsl.ops.strides import Lays, Strided
from archdsl.ops.tensor import TensorSpec


def require_tokens(op: Op, x: TensorSpec, rank: int) -> None:
    """Raises ShapeError unless `x` has as many axes before its channels, which stand last."""
    if x.layout != "channels_last" or x.rank != rank:
        what = "tokens" if rank == 1 else "a map with channels last"
        help = "put `tokens` before it" if rank == 1 else "put `channels_last` before it"
        raise ShapeError(f"{op.verb} needs {what}, its input is {x}", help=help)


class ChannelsLast(Op):
    """A map with its channels as the last axis."""

    verb: ClassVar[str] = "channels_last"
    of_maps: ClassVar[bool] = True
    stores: ClassVar[Storage] = VIEW

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        return TensorSpec((*x.spatial, x.channels), "channels_last")

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0].permuted((*range(1, len(output.shape)), 0))

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        return Arrangement(inputs[0].shape, (*range(1, len(inputs[0].shape)), 0))


class ChannelsFirst(Op):
    """A map with its channels as the first axis again."""

    verb: ClassVar[str] = "channels_first"
    stores: ClassVar[Storage] = VIEW

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if x.layout != "channels_last":
            raise ShapeError(f"channels_first needs channels last, its input is {x}")
        return TensorSpec((x.channels, *x.spatial))

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0].permuted((output.rank, *range(output.rank)))

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        rank = inputs[0].rank
        return Arrangement(inputs[0].shape, (rank, *range(rank)))


class Tokens(Op):
    """A map as a sequence of vectors, one for every position, row by row."""

    verb: ClassVar[str] = "tokens"
    of_maps: ClassVar[bool] = True
    stores: ClassVar[Storage] = VIEW

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        return TensorSpec((prod(x.spatial), x.channels), "channels_last")

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0].reshaped(output.shape[::-1]).permuted((1, 0))

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        return inputs[0].copied(output.shape[::-1])

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        return Arrangement(inputs[0].shape, (*range(1, len(inputs[0].shape)), 0))


@dataclass(frozen=True)
class ToMap(Op):
    """A sequence of vectors as a map again, row by row: the inverse of `tokens`."""

    verb: ClassVar[str] = "to_map"
    stores: ClassVar[Storage] = VIEW
    size: tuple[int, ...] | None = argument(SHAPE, "size of the map", None)
    like: bool = argument(REFERENCE, "a map whose size to take", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = inputs[0]
        require_tokens(self, x, 1)
        if (self.size is not None) + self.like != 1:
            raise ShapeError("to_map takes exactly one of size and like")
        if self.like:
            require_map(self, inputs[1], "like")
        size = inputs[1].spatial if self.size is None else self.size
        if not 1 <= len(size) <= 3 or min(size) < 1 or prod(size) != x.shape[0]:
            blamed = None if self.like else "size"
            raise ShapeError(
                f"{x.shape[0]} tokens are no map of {times(size) or 'nothing'}", blamed
            )
        return TensorSpec((x.channels, *size))

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return inputs[0].permuted((1, 0)).reshaped(output.shape)

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        return Arrangement(inputs[0].shape, (1, 0))


class ClassToken(Op):
    """Puts one learned token before the others; the item's name is the parameter's (ViT, 3.1)."""

    verb: ClassVar[str] = "class_token"
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 1)
        return TensorSpec((x.shape[0] + 1, x.channels), "channels_last")

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("", (1, 1, inputs[0].channels)),)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        count = output.spatial[axis]
        return Reach(count, Reads(count, lambda place: range(max(0, place - 1), place)))


@dataclass(frozen=True)
class PositionEmbedding(Op):
    """Adds a learned vector to every token; the item's name is the parameter's."""

    verb: ClassVar[str] = "position_embedding"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    std: float = argument(RATE, "standard deviation at the start", 0.02)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        require_tokens(self, inputs[0], 1)
        return inputs[0]

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("", (1, *inputs[0].shape)),)


@dataclass(frozen=True)
class PositionGrid(Op):
    """Sines and cosines of the place of every position, whatever the map holds (DETR, A.4).

    Of the channels of each axis in turn, channel `2 i` is the sine of the place, over the
    temperature to the power of `2 i` over their number, the next one the cosine.
    """

    verb: ClassVar[str] = "position_grid"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    constant: ClassVar[bool] = True
    out: int = argument(WHOLE, "channels, as many for every axis", CHANNELS)
    temperature: float = argument(POSITIVE, "how much slower the last turns than the first", 1e4)
    normalize: bool = argument(FLAG, "the last position is at a full turn, not at its number", True)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if self.out % (2 * x.rank):
            message = f"{self.out} channels are not a sine and a cosine for each of {x.rank} axes"
            raise ShapeError(message, "out", multiples(2 * x.rank, self.out))
        if not self.temperature:
            raise ShapeError("a temperature of 0 has no powers", "temperature")
        return x.with_channels(self.out)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """The grid of one image, and of every axis its waves; of the last what made these."""
        each, last = self.out // output.rank, output.spatial[-1]
        waves = each * (sum(output.spatial) + last + 1) + last
        return replace(NEW, made=output.elements + waves)


@dataclass(frozen=True)
class Token(Op):
    """One token of a sequence, as a vector."""

    verb: ClassVar[str] = "token"
    stores: ClassVar[Storage] = VIEW
    index: int = argument(INDEX, "which token, the first being 0", 0)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 1)
        if self.index >= x.shape[0]:
            raise ShapeError(f"no token {self.index} among {x.shape[0]}", "index")
        return TensorSpec((x.channels,))

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        x = inputs[0]
        return Strided((x.sizes[0], x.sizes[2]), (x.strides[0], x.strides[2]))

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return Reach(0, ((self.index,),))
