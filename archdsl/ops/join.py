"""Where several tensors meet."""

from dataclasses import replace
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError
from archdsl.ops.storage import INPUTS, NEW, Storage
from archdsl.ops.tensor import TensorSpec


class Concat(Op):
    """Channels of the inputs one after another; their sizes must be equal."""

    verb: ClassVar[str] = "concat"
    stores: ClassVar[Storage] = NEW
    lends: ClassVar[bool] = True
    inputs: ClassVar[int | None] = None
    drawn: ClassVar[str] = "norm"
    mixes: ClassVar[bool] = True

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        first = inputs[0]
        for x in inputs[1:]:
            if (x.spatial, x.layout) != (first.spatial, first.layout):
                raise ShapeError(f"concat of {first} and {x}: only the channels may differ")
        return first.with_channels(sum(x.channels for x in inputs))


MOST = 256  # tensors that are joined by one sum or product, which PyTorch computes one by one


def _broadcast(op: Op, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
    """The common shape: along every axis the sizes are equal, or 1 (a gate)."""
    if len(inputs) > MOST:
        raise ShapeError(f"{op.verb} takes at most {MOST} inputs, not {len(inputs):,}")
    first = inputs[0]
    shape = first.shape
    for x in inputs[1:]:
        pairs = list(zip(shape, x.shape, strict=False))
        if (x.rank, x.layout) != (first.rank, first.layout) or any(
            a != b and 1 not in (a, b) for a, b in pairs
        ):
            raise ShapeError(f"{op.verb} of {TensorSpec(shape)} and {x}")
        shape = tuple(max(pair) for pair in pairs)
    return TensorSpec(shape, first.layout)


class Add(Op):
    """Elementwise sum; what has size 1 along an axis is added everywhere along it."""

    verb: ClassVar[str] = "add"
    lends: ClassVar[bool] = True
    inputs: ClassVar[int | None] = None
    drawn: ClassVar[str] = "norm"

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return _broadcast(self, inputs)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Two are added in place (`x += y`); more of them two by two."""
        if len(inputs) == 2:
            return Storage(over="nothing")
        return Storage(scratch=output.elements)


class Multiply(Op):
    """Elementwise product; what has size 1 along an axis multiplies all of it (a gate)."""

    verb: ClassVar[str] = "multiply"
    inputs: ClassVar[int | None] = None
    drawn: ClassVar[str] = "norm"
    gates: ClassVar[bool] = True

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return _broadcast(self, inputs)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """More than two are multiplied two by two, and what the last is multiplied with is kept."""
        between = len(inputs) - 2
        return replace(
            INPUTS, kept=between * output.elements, scratch=bool(between) * output.elements
        )
