"""Fully connected layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError, Weight
from archdsl.ops.init import INIT, Init
from archdsl.ops.kinds import CHANNELS, FLAG, WHOLE, argument
from archdsl.ops.reach import SAME, Reach
from archdsl.ops.storage import FACTOR, Storage
from archdsl.ops.strides import Lays, Strided
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class Linear(Op):
    """Matrix product over the channels, as `torch.nn.Linear`."""

    verb: ClassVar[str] = "linear"
    lays: ClassVar[Lays] = "rows"
    lends: ClassVar[bool] = True
    stores: ClassVar[Storage] = FACTOR
    drawn: ClassVar[str] = "linear"
    mixes: ClassVar[bool] = True
    out: int = argument(WHOLE, "output features", CHANNELS)
    bias: bool = argument(FLAG, "adds a learned offset", True)
    init: Init | None = argument(INIT, "how the weight starts; PyTorch's own way without it", None)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if x.layout == "channels_first" and x.rank:
            raise ShapeError(
                f"linear needs a vector, its input is a map of {x}",
                help="put `flatten` or `global_avg_pool` and `flatten` before it,"
                " or `channels_last` for one at every position",
            )
        return x.with_channels(self.out)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        weight = Weight("weight", (self.out, inputs[0].channels))
        return (weight, Weight("bias", (self.out,))) if self.bias else (weight,)

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return inputs[0].elements * self.out

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        """Of a sequence or a map it makes a matrix to learn from, or matrices to multiply."""
        (x,) = inputs
        axes = x.sizes[:-1]
        if len(axes) == 1 or x.viewed((prod(axes), x.sizes[-1])):
            return {}
        matrices = x.viewed((prod(axes[:-1]), *x.sizes[-2:]))
        return {} if matrices and not learns else {0: x.elements}

    def label(self) -> str:
        return f"fc, {self.out}"


class MatMul(Op):
    """The matrix product of the last two axes, as `torch.matmul`; the axes before them are equal.

    What has size 1 along one of those is multiplied with all of it. The result is laid out as the
    first input.
    """

    verb: ClassVar[str] = "matmul"
    lays: ClassVar[Lays] = "rows"
    inputs: ClassVar[int | None] = 2
    lends: ClassVar[bool] = True
    drawn: ClassVar[str] = "linear"
    mixes: ClassVar[bool] = True

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        a, b = inputs
        pairs = list(zip(a.shape[:-2], b.shape[:-2], strict=False))
        fits = len(a.shape) == len(b.shape) > 1 and a.shape[-1] == b.shape[-2]
        if not fits or any(m != n and 1 not in (m, n) for m, n in pairs):
            message = f"matmul of {a} and {b}: rows of the first meet columns of the second"
            raise ShapeError(message, help="`permute` puts axes in another order")
        batches = (max(pair) for pair in pairs)
        return TensorSpec((*batches, a.shape[-2], b.shape[-1]), a.layout)

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return output.elements * inputs[0].shape[-1]

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        """It takes a list of matrices, for which those of a map must lie one behind the other."""
        found = {}
        pairs = zip(inputs[0].sizes[:-2], inputs[1].sizes[:-2], strict=True)
        batches = tuple(max(pair) for pair in pairs)
        for number, x in enumerate(inputs):
            spread = x.expanded((*batches, *x.sizes[-2:]))
            if not spread.viewed((prod(batches), *x.sizes[-2:])):
                found[number] = spread.elements  # what is spread over others, too
        return found

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> tuple[Reach | None, ...] | None:
        x = inputs[number]
        before = zip(x.shape[:-2], output.shape[:-2], strict=True)
        batches = tuple(SAME if m == n else Reach(0, ((0,),)) for m, n in before)
        return (*batches, *((SAME, None) if number == 0 else (None, SAME)))
