"""Where several tensors meet."""

from dataclasses import dataclass, replace
from typing import ClassVar

from archdsl.ops.axes import AXIS, CHANNEL, place
from archdsl.ops.base import Op, ShapeError, Weight
from archdsl.ops.kinds import POSITIVE, added, argument, words
from archdsl.ops.reach import Reach, Reads, along
from archdsl.ops.storage import INPUTS, NEW, Storage
from archdsl.ops.strides import Strided, channels_side_by_side, rows
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class Concat(Op):
    """Channels of the inputs one after another, or another axis; all else must be equal."""

    verb: ClassVar[str] = "concat"
    stores: ClassVar[Storage] = NEW
    lends: ClassVar[bool] = True
    inputs: ClassVar[int | None] = None
    drawn: ClassVar[str] = "norm"
    mixes: ClassVar[bool] = True
    axis: int | str = added(AXIS, "along which axis, the first being 0", CHANNEL)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        first = inputs[0]
        axis = place(self.axis, first)
        for x in inputs[1:]:
            alike = (x.rank, x.layout) == (first.rank, first.layout)
            if not alike or _without(axis, x) != _without(axis, first):
                only = "the channels" if axis == place(CHANNEL, first) else f"axis {axis}"
                raise ShapeError(f"concat of {first} and {x}: only {only} may differ")
        sizes = list(first.shape)
        sizes[axis] = sum(x.shape[axis] for x in inputs)
        return TensorSpec(tuple(sizes), first.layout)

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        sizes = (inputs[0].sizes[0], *output.shape)
        return channels_side_by_side(sizes) if all(x.channels_last for x in inputs) else rows(sizes)

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> tuple[Reach | None, ...] | None:
        """Positions behind or before an input read nothing of it."""
        axis = place(self.axis, output)
        if axis == place(CHANNEL, output):
            return None
        first = sum(x.shape[axis] for x in inputs[:number])
        own = range(first, first + inputs[number].shape[axis])
        count = output.shape[axis]
        reads = Reads(count, lambda p: (p - first,) if p in own else ())
        return along(axis, Reach(count, reads), len(output.shape))


def _without(axis: int, x: TensorSpec) -> tuple[int, ...]:
    return (*x.shape[:axis], *x.shape[axis + 1 :])


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


def _partial(op: Op, inputs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """How many numbers there are on the way, where inputs are joined two by two."""
    return tuple(_broadcast(op, inputs[:count]).elements for count in range(2, len(inputs)))


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
        return Storage(scratch=max(_partial(self, inputs), default=0))


class Multiply(Op):
    """Elementwise product; what has size 1 along an axis multiplies all of it (a gate)."""

    verb: ClassVar[str] = "multiply"
    inputs: ClassVar[int | None] = None
    drawn: ClassVar[str] = "norm"
    gates: ClassVar[bool] = True

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return _broadcast(self, inputs)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """More than two are multiplied two by two."""
        partial = _partial(self, inputs)
        return replace(INPUTS, scratch=max(partial, default=0), partial=partial)


@dataclass(frozen=True)
class WeightedAdd(Op):
    """A sum with a learned weight per input (EfficientDet, 3.3); the item's name is theirs.

    `relu` divides the weights above zero by their sum, `none` leaves them as they are.
    """

    verb: ClassVar[str] = "weighted_add"
    lends: ClassVar[bool] = True
    inputs: ClassVar[int | None] = None
    drawn: ClassVar[str] = "norm"
    normalize: str = argument(
        words("relu", "softmax", "none"), "how the weights become one", "relu"
    )
    eps: float = argument(POSITIVE, "added to the sum of the weights", 1e-4)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        for x in inputs[1:]:
            if x != inputs[0]:
                raise ShapeError(f"weighted_add of {inputs[0]} and {x}")
        return _broadcast(self, inputs)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("", (len(inputs),)),)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """The products are added two by two; the weights are kept at every step to their shares."""
        shares = {"relu": 2 * len(inputs) + 1, "softmax": len(inputs), "none": 0}[self.normalize]
        fixed = Storage(held=0 if self.normalize == "none" else len(inputs))
        return replace(INPUTS, scratch=2 * output.elements, held=shares, fixed=fixed)
