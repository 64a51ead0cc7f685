"""What no op of ours is: a function or a module of PyTorch with its shape, weights and cost."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.base import Op, Weight
from archdsl.ops.kinds import Kind, argument
from archdsl.ops.reach import Reach
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec

_AS_IT_IS = Kind("what PyTorch gives", lambda value, rank: value)


@dataclass(frozen=True)
class Opaque(Op):
    """A part of an imported module that can be drawn and counted, but not written.

    `title` is the name of the function or class, `result` what it gives, `held` its weights,
    `counted` its multiply-accumulates for one image, `reason` why it is no op of ours.
    """

    verb: ClassVar[str] = "opaque"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "conv"
    mixes: ClassVar[bool] = True
    stores: ClassVar[Storage] = INPUTS
    title: str = argument(_AS_IT_IS, "its name in PyTorch")
    result: TensorSpec = argument(_AS_IT_IS, "what it gives")
    held: tuple[Weight, ...] = argument(_AS_IT_IS, "its weights", ())
    counted: int = argument(_AS_IT_IS, "multiply-accumulates for one image", 0)
    reason: str = argument(_AS_IT_IS, "why it is no op", "")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return self.result

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return self.held

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return self.counted

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """All of it, since nobody knows."""
        return None

    def label(self) -> str:
        return self.title


class OpaqueJoin(Opaque):
    """One of several inputs."""

    inputs: ClassVar[int | None] = None
