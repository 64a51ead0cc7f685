"""Ops that make one number of an axis."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.axes import CHANNEL, SOME_AXES, place
from archdsl.ops.base import Op, ShapeError
from archdsl.ops.kinds import FLAG, argument
from archdsl.ops.reach import GONE, SAME, Reach
from archdsl.ops.storage import NEW, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class _Reduction(Op):
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "pool"
    axis: tuple[int | str, ...] = argument(
        SOME_AXES, "over which axis or axes, the first being 0", CHANNEL
    )
    keepdim: bool = argument(FLAG, "the axis stays, with size 1", False)

    def places(self, x: TensorSpec) -> tuple[int, ...]:
        """Which axes of the shape are meant."""
        return tuple(place(axis, x) for axis in self.axis)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        places = self.places(x)
        if len(set(places)) < len(places):
            raise ShapeError("the same axis twice: the channels have a number, too", "axis")
        if self.keepdim:
            return TensorSpec(
                tuple(1 if n in places else size for n, size in enumerate(x.shape)), x.layout
            )
        left = tuple(size for n, size in enumerate(x.shape) if n not in places)
        if not left:
            raise ShapeError(f"{self.verb} over all axes of {x} leaves none", "axis")
        last = x.layout == "channels_last" and x.rank not in places and len(left) > 1
        return TensorSpec(left, "channels_last" if last else "channels_first")

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> tuple[Reach | None, ...] | None:
        over = None if self.keepdim else GONE
        places = self.places(inputs[0])
        return tuple(over if n in places else SAME for n in range(len(inputs[0].shape)))


class Mean(_Reduction):
    """The mean over an axis."""

    verb: ClassVar[str] = "mean"


class Sum(_Reduction):
    """The sum over an axis."""

    verb: ClassVar[str] = "sum"


class Max(_Reduction):
    """The largest value over an axis."""

    verb: ClassVar[str] = "max"
    stores: ClassVar[Storage] = Storage(saves="both")
