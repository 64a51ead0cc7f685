"""Activations: elementwise but for softmax, none changes the shape."""

from dataclasses import dataclass
from typing import ClassVar

from archdsl.ops.axes import AXIS, CHANNEL, place
from archdsl.ops.base import Op, ShapeError, Weight
from archdsl.ops.kinds import FLAG, NUMBER, added, argument
from archdsl.ops.reach import Reach, along
from archdsl.ops.storage import OUTPUT, OVER_COPY, Saves, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec


class Relu(Op):
    """`max(x, 0)`."""

    verb: ClassVar[str] = "relu"
    stores: ClassVar[Storage] = Storage(saves="output", over="output")


class Relu6(Op):
    """`min(max(x, 0), 6)`."""

    verb: ClassVar[str] = "relu6"
    stores: ClassVar[Storage] = OVER_COPY


@dataclass(frozen=True)
class LeakyRelu(Op):
    """`x` where positive, `slope * x` elsewhere."""

    verb: ClassVar[str] = "leaky_relu"
    slope: float = argument(NUMBER, "slope where negative", 0.01)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        # PyTorch computes no gradient from the output of a negative slope
        over: Saves | None = "output" if self.slope >= 0 else None
        return Storage(saves="inputs", over=over)


@dataclass(frozen=True)
class PRelu(Op):
    """Leaky ReLU with one learned slope per channel, or one for all."""

    verb: ClassVar[str] = "prelu"
    shared: bool = argument(FLAG, "one slope for all channels", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if x.layout != "channels_first" and not self.shared:
            raise ShapeError(f"prelu needs channels first, its input is tokens of {x}")
        return x

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("weight", (1 if self.shared else inputs[0].channels,)),)


@dataclass(frozen=True)
class Elu(Op):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""

    verb: ClassVar[str] = "elu"
    alpha: float = argument(NUMBER, "minus the value at minus infinity", 1.0)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        over: Saves | None = "output" if self.alpha >= 0 else None  # as for a slope
        return Storage(saves="inputs", over=over)


@dataclass(frozen=True)
class Gelu(Op):
    """`x` times the Gaussian distribution function of `x`."""

    verb: ClassVar[str] = "gelu"
    tanh: bool = argument(FLAG, "the approximation by tanh", False)


class Silu(Op):
    """`x * sigmoid(x)`, also called swish."""

    verb: ClassVar[str] = "silu"
    stores: ClassVar[Storage] = OVER_COPY


class Mish(Op):
    """`x * tanh(softplus(x))`."""

    verb: ClassVar[str] = "mish"
    stores: ClassVar[Storage] = OVER_COPY


class HardSwish(Op):
    """`x * relu6(x + 3) / 6`."""

    verb: ClassVar[str] = "hard_swish"
    stores: ClassVar[Storage] = OVER_COPY


class HardSigmoid(Op):
    """`relu6(x + 3) / 6`."""

    verb: ClassVar[str] = "hard_sigmoid"


class Sigmoid(Op):
    """`1 / (1 + exp(-x))`."""

    verb: ClassVar[str] = "sigmoid"
    stores: ClassVar[Storage] = OUTPUT


class Tanh(Op):
    """Hyperbolic tangent."""

    verb: ClassVar[str] = "tanh"
    stores: ClassVar[Storage] = OUTPUT


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the channels, or another axis."""

    verb: ClassVar[str] = "softmax"
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = OUTPUT
    axis: int | str = added(AXIS, "over which axis, the first being 0", CHANNEL)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        place(self.axis, inputs[0])
        return inputs[0]

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> tuple[Reach | None, ...] | None:
        return along(place(self.axis, output), None, len(output.shape))
