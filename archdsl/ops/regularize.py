"""Ops that scale or drop what passes through them."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.base import Op, Weight
from archdsl.ops.kinds import FLAG, NUMBER, RATE, argument
from archdsl.ops.storage import FACTOR, NEW, VIEW, Storage
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class Dropout(Op):
    """In training zeroes single values at random and scales up the others."""

    verb: ClassVar[str] = "dropout"
    rate: float = argument(RATE, "probability of zeroing", 0.5)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return Storage("passed", kept=output.elements) if self.rate else VIEW


@dataclass(frozen=True)
class DropPath(Op):
    """In training zeroes whole examples at random and scales up the others (stochastic depth)."""

    verb: ClassVar[str] = "drop_path"
    rate: float = argument(RATE, "probability of zeroing")

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return Storage("passed", kept=1) if self.rate else VIEW


@dataclass(frozen=True)
class Scale(Op):
    """Multiplies by a constant."""

    verb: ClassVar[str] = "scale"
    stores: ClassVar[Storage] = NEW
    factor: float = argument(NUMBER, "the constant")


@dataclass(frozen=True)
class LayerScale(Op):
    """Multiplies every channel by a learned factor; the item's name is the parameter's."""

    verb: ClassVar[str] = "layer_scale"
    stores: ClassVar[Storage] = FACTOR
    start: float = argument(NUMBER, "where the factors start", 1e-6)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        (x,) = inputs
        ones = (1,) * x.rank if x.layout == "channels_first" else ()
        return (Weight("", (x.channels, *ones)),)


@dataclass(frozen=True)
class LearnedWeight(Op):
    """Multiplies by a learned number, or one per channel; the item's name is the parameter's."""

    verb: ClassVar[str] = "weight"
    stores: ClassVar[Storage] = FACTOR
    start: float = argument(NUMBER, "where it starts", 1.0)
    shared: bool = argument(FLAG, "one for all channels", True)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("", ()),) if self.shared else LayerScale(self.start).weights(*inputs)
