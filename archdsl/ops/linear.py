"""Fully connected layers."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.base import CHANNELS, FLAG, WHOLE, Op, ShapeError, Weight, argument
from archdsl.ops.init import INIT, Init
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class Linear(Op):
    """Matrix product over the channels, as `torch.nn.Linear`."""

    verb: ClassVar[str] = "linear"
    lends: ClassVar[bool] = True
    stores: ClassVar[Storage] = INPUTS
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

    def label(self) -> str:
        return f"fc, {self.out}"
