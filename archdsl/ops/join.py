"""Where several tensors meet."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError
from archdsl.tensor import TensorSpec


@dataclass(frozen=True)
class Concat(Op):
    """Channels of the inputs one after another; their sizes must be equal."""

    verb: ClassVar[str] = "concat"
    inputs: ClassVar[int | None] = None

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        first = inputs[0]
        for x in inputs[1:]:
            if (x.spatial, x.layout) != (first.spatial, first.layout):
                raise ShapeError(f"concat of {first} and {x}: only the channels may differ")
        return first.with_channels(sum(x.channels for x in inputs))


def _broadcast(op: Op, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
    """The common shape: channels equal, sizes equal or 1 everywhere (a gate per channel)."""
    largest = max(inputs, key=lambda x: x.elements)
    for x in inputs:
        like = (x.channels, x.rank, x.layout) == (largest.channels, largest.rank, largest.layout)
        if x != largest and not (like and set(x.spatial) <= {1}):
            raise ShapeError(f"{op.verb} of {inputs[0]} and {x if x != inputs[0] else largest}")
    return largest


@dataclass(frozen=True)
class Add(Op):
    """Elementwise sum; a map of size 1 is added at every position."""

    verb: ClassVar[str] = "add"
    inputs: ClassVar[int | None] = None

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return _broadcast(self, inputs)


@dataclass(frozen=True)
class Multiply(Op):
    """Elementwise product; a map of size 1 multiplies every position (a channel gate)."""

    verb: ClassVar[str] = "multiply"
    inputs: ClassVar[int | None] = None

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return _broadcast(self, inputs)
