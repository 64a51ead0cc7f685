"""Normalisation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from archdsl.ops.axes import AXIS, CHANNEL, place
from archdsl.ops.base import Op, ShapeError, Weight, multiples
from archdsl.ops.init import SCALE_INIT, Init
from archdsl.ops.kinds import FLAG, NUMBER, POSITIVE, RATE, WHOLE, added, argument
from archdsl.ops.reach import Reach, along
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.strides import Lays, Strided, channels_side_by_side, rows
from archdsl.ops.tensor import TensorSpec


def _affine(channels: int) -> tuple[Weight, ...]:
    return Weight("weight", (channels,)), Weight("bias", (channels,))


class _Affine(Op):
    """One that may have a scale and an offset per channel."""

    affine: bool
    init: Init | None

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        if self.init is not None and not self.affine:
            raise ShapeError("without `affine` there is no scale to start", "init")
        return super().infer(*inputs)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return _affine(inputs[0].channels) if self.affine else ()


def _over_channels(output: TensorSpec, x: Strided) -> Strided:
    """The channels of a map are made its last axis and the first again."""
    sizes = (x.sizes[0], *output.shape)
    is_map = output.rank > 0 and output.layout == "channels_first"
    return channels_side_by_side(sizes) if is_map else rows(sizes)


@dataclass(frozen=True)
class BatchNorm(_Affine):
    """Batch normalisation per channel, as `torch.nn.BatchNorm1d` to `BatchNorm3d`."""

    verb: ClassVar[str] = "batch_norm"
    lays: ClassVar[Lays] = "map"
    lends: ClassVar[bool] = True
    eps: float = argument(POSITIVE, "added to the variance", 1e-5)
    momentum: float = argument(RATE, "share of the new batch in the running statistics", 0.1)
    affine: bool = argument(FLAG, "learns a scale and an offset per channel", True)
    init: Init | None = argument(SCALE_INIT, "how the scale starts; at one without it", None)
    frozen: bool = added(FLAG, "statistics, scale and offset stay what they are", False)

    def require(self, x: TensorSpec) -> None:
        if x.layout != "channels_first" or x.rank > 3:
            raise ShapeError(f"batch_norm needs a map or a vector, its input is {x}")

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        channels = inputs[0].channels
        statistics = (
            Weight("running_mean", (channels,), "buffer"),
            Weight("running_var", (channels,), "buffer"),
            Weight("num_batches_tracked", (), "buffer", whole=True),
        )
        learned = super().weights(*inputs)
        if self.frozen:
            return (*(weight._replace(kind="buffer") for weight in learned), *statistics[:2])
        return (*learned, *statistics)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        held = 0 if self.frozen else 2 * output.channels  # means and deviations of the batch
        return replace(INPUTS, held=held)


@dataclass(frozen=True)
class LayerNorm(_Affine):
    """Layer normalisation over the channels, at every position of a map or sequence on its own."""

    verb: ClassVar[str] = "layer_norm"
    fitted: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    eps: float = argument(POSITIVE, "added to the variance", 1e-5)
    affine: bool = argument(FLAG, "learns a scale and an offset per channel", True)
    init: Init | None = argument(SCALE_INIT, "how the scale starts; at one without it", None)

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return _over_channels(output, inputs[0])

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        statistics = 2 * output.elements // output.channels
        return replace(INPUTS, kept=statistics, scratch=statistics)


@dataclass(frozen=True)
class GroupNorm(_Affine):
    """Normalisation over groups of channels, as `torch.nn.GroupNorm`."""

    verb: ClassVar[str] = "group_norm"
    lays: ClassVar[Lays] = "map"
    fitted: ClassVar[bool] = True
    lends: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    gates: ClassVar[bool] = True
    groups: int = argument(WHOLE, "number of groups")
    eps: float = argument(POSITIVE, "added to the variance", 1e-5)
    affine: bool = argument(FLAG, "learns a scale and an offset per channel", True)
    init: Init | None = argument(SCALE_INIT, "how the scale starts; at one without it", None)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if x.layout != "channels_first":
            raise ShapeError(f"group_norm needs channels first, its input is tokens of {x}")
        if x.channels % self.groups:
            message = f"{self.groups} groups do not divide {x.channels} channels"
            raise ShapeError(message, "groups", multiples(self.groups, x.channels))
        if x.elements == self.groups:
            raise ShapeError(f"{self.groups} groups of {x} hold one number each", "groups")
        return x

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return replace(INPUTS, kept=2 * self.groups, scratch=2 * self.groups)


@dataclass(frozen=True)
class LocalResponseNorm(Op):
    """Local response normalisation across channels (AlexNet, section 3.3)."""

    verb: ClassVar[str] = "lrn"
    of_maps: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    size: int = argument(WHOLE, "channels summed over", 5)
    alpha: float = argument(NUMBER, "factor of the mean square", 1e-4)
    beta: float = argument(NUMBER, "exponent", 0.75)
    k: float = argument(NUMBER, "added before the power", 1.0)

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return super().strides(output, *(rows(x.sizes) if output.rank == 3 else x for x in inputs))

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        """A map of three axes that does not lie row after row."""
        (x,) = inputs
        return {0: x.elements} if output.rank == 3 and not x.in_rows else {}

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Squares with a border of channels, their scaled means, and the power of those."""
        border = output.elements // output.channels * (self.size - 1)
        scratch = max(2 * output.elements, output.elements + border)
        return replace(INPUTS, kept=3 * output.elements + border, scratch=scratch)


@dataclass(frozen=True)
class InstanceNorm(_Affine):
    """Normalisation of every channel of an image on its own, as `torch.nn.InstanceNorm2d`."""

    verb: ClassVar[str] = "instance_norm"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "rows"
    fitted: ClassVar[bool] = True
    lends: ClassVar[bool] = True
    gates: ClassVar[bool] = True
    eps: float = argument(POSITIVE, "added to the variance", 1e-5)
    affine: bool = argument(FLAG, "learns a scale and an offset per channel", False)
    init: Init | None = argument(SCALE_INIT, "how the scale starts; at one without it", None)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if x.elements == x.channels:
            raise ShapeError(f"the channels of {x} hold one number each")
        return x

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        return {} if inputs[0].in_rows else {0: inputs[0].elements}

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Means and deviations, and a scale (and an offset) for every image."""
        scales = 1 if self.affine else 0
        kept, scratch = (2 + scales) * output.channels, (2 + 2 * scales) * output.channels
        return replace(INPUTS, kept=kept, scratch=scratch)


@dataclass(frozen=True)
class RmsNorm(_Affine):
    """Division by the root of the mean square over the channels, as `torch.nn.RMSNorm`."""

    verb: ClassVar[str] = "rms_norm"
    fitted: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    eps: float | None = argument(
        POSITIVE, "added to the mean square; the least there is without", None
    )
    affine: bool = argument(FLAG, "learns a scale per channel", True)
    init: Init | None = argument(SCALE_INIT, "how the scale starts; at one without it", None)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        return (Weight("weight", (inputs[0].channels,)),) if self.affine else ()

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return _over_channels(output, inputs[0])

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Roots, and what was divided by them, which is scaled, or copied to lie as a map does."""
        roots = output.elements // output.channels
        divided = output.elements * self.affine
        again = self.affine or (output.rank > 0 and output.layout == "channels_first")
        scratch = roots + (output.elements if again else roots)
        return replace(
            INPUTS,
            kept=roots + divided,
            scratch=scratch,
            alone=Storage(kept=divided),
            fixed=replace(INPUTS, kept=roots),
        )


@dataclass(frozen=True)
class Normalize(Op):
    """Division by the p-norm along an axis, as `torch.nn.functional.normalize`."""

    verb: ClassVar[str] = "normalize"
    p: float = argument(POSITIVE, "which norm; 2 is the length", 2.0)
    axis: int | str = argument(AXIS, "along which axis, the first being 0", CHANNEL)
    eps: float = argument(POSITIVE, "the least that is divided by", 1e-12)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        if not self.p:
            raise ShapeError("there is no norm of p 0 to divide by", "p")
        return inputs[0]

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> tuple[Reach | None, ...] | None:
        return along(place(self.axis, output), None, len(output.shape))

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        norms = output.elements // output.shape[place(self.axis, output)]
        return replace(INPUTS, kept=2 * norms, scratch=norms)
