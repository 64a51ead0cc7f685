"""Learned tensors that flow themselves, as tables of relative positions do."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError, Weight, times
from archdsl.ops.kinds import FLAG, NUMBER, SHAPE, WHOLE, argument
from archdsl.ops.reach import Reach
from archdsl.ops.storage import NEW, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class Learned(Op):
    """A learned tensor, whatever the input holds; the item's name is the parameter's."""

    verb: ClassVar[str] = "learned"
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "norm"
    constant: ClassVar[bool] = True
    shape: tuple[int, ...] = argument(SHAPE, "its shape; the parameter has no axis before it")
    start: float = argument(NUMBER, "where its numbers start", 0.0)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        if not self.shape or min(self.shape) < 1:
            raise ShapeError(f"{times(self.shape) or 'nothing'} is no shape of a tensor", "shape")
        return TensorSpec(self.shape)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("", self.shape),)


@dataclass(frozen=True)
class RelativePositions(Op):
    """Rows of a table for every two positions of a window, by how far these are apart.

    The table has a row for every distance, the result the rows of every position to all others:
    `[queries, keys, ...]`. Signed distances are counted from the most negative (Swin, 3.2), others
    from none; of queries there is one every `stride` positions (LeViT, 4.2).
    """

    verb: ClassVar[str] = "relative_positions"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "norm"
    mixes: ClassVar[bool] = True
    window: tuple[int, ...] = argument(SHAPE, "rows and columns of the positions")
    signed: bool = argument(FLAG, "whether a distance says which is the first of the two", True)
    stride: int = argument(WHOLE, "how far queries are apart", 1)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if len(self.window) != 2 or min(self.window) < 1:
            raise ShapeError(f"{times(self.window) or 'nothing'} is no window", "window")
        rows = prod(2 * n - 1 if self.signed else n for n in self.window)
        if x.shape[0] != rows:
            message = f"{x} is no table of the {rows} distances in {times(self.window)}"
            raise ShapeError(message, "window")
        queries = prod(-(-n // self.stride) for n in self.window)
        return TensorSpec((queries, prod(self.window), *x.shape[1:]), x.layout)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """The number of the row for every two positions, as long as two numbers."""
        rows = 2 * prod(output.shape[:2])
        return Storage(held=rows, made=rows)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return None
