"""Convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import ClassVar

from archdsl.ops.base import (
    Op,
    ShapeError,
    TooSmallError,
    Weight,
    multiples,
    stride_label,
    times,
    window,
)
from archdsl.ops.init import INIT, Init
from archdsl.ops.kinds import (
    AXES,
    BORDERS,
    CHANNELS,
    CONV_PADDING,
    FLAG,
    NUMBER,
    POSITIVE,
    WHOLE,
    argument,
)
from archdsl.ops.reach import Reach, Reads, windows
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec


def _check_groups(groups: int, inputs: int, outputs: int) -> None:
    for channels, side in ((inputs, "input"), (outputs, "output")):
        if channels % groups:
            message = f"{groups} groups do not divide {channels} {side} channels"
            raise ShapeError(message, "groups", multiples(groups, channels))


@dataclass(frozen=True)
class Conv(Op):
    """Convolution (cross-correlation) over the spatial axes, as `torch.nn.Conv1d` to `Conv3d`."""

    verb: ClassVar[str] = "conv"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    lends: ClassVar[bool] = True
    drawn: ClassVar[str] = "conv"
    mixes: ClassVar[bool] = True
    kernel: tuple[int, ...] = argument(AXES, "size of the kernel")
    out: int = argument(WHOLE, "output channels", CHANNELS)
    stride: tuple[int, ...] = argument(AXES, "step between windows", 1)
    padding: tuple[int, ...] | str = argument(
        CONV_PADDING,
        "`auto` keeps the size at stride 1, `same` pads as TensorFlow does, `valid` not at all",
        "auto",
    )
    dilation: tuple[int, ...] = argument(AXES, "step between kernel elements", 1)
    groups: int = argument(WHOLE, "groups of channels that do not mix", 1)
    bias: bool = argument(FLAG, "adds a learned offset per channel", True)
    init: Init | None = argument(INIT, "how the weight starts; PyTorch's own way without it", None)

    @property
    def pad(self) -> tuple[int, ...] | str:
        """The padding per axis, or `same`."""
        if self.padding == "auto":
            return tuple(d * (k - 1) // 2 for k, d in zip(self.kernel, self.dilation, strict=True))
        return (0,) * len(self.kernel) if self.padding == "valid" else self.padding

    @property
    def odd(self) -> bool:
        """Whether a border that keeps the size is wider on one side."""
        return any(d * (k - 1) % 2 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def pads_itself(self) -> bool:
        """Whether its border is TensorFlow's, which PyTorch's convolutions do not have."""
        return self.pad == "same" and (set(self.stride) != {1} or self.odd)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if self.padding == "auto" and self.odd:
            raise ShapeError(
                f"padding cannot keep the size under an even kernel ({times(self.kernel)})",
                "kernel",
                "say the padding: `padding: 0`, or `padding: same` for TensorFlow's",
            )
        _check_groups(self.groups, x.channels, self.out)
        size = window_sizes(x, self.kernel, self.stride, self.pad, self.dilation)
        return TensorSpec((self.out, *size))

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        weight = Weight("weight", (self.out, inputs[0].channels // self.groups, *self.kernel))
        return (weight, Weight("bias", (self.out,))) if self.bias else (weight,)

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return output.elements * (inputs[0].channels // self.groups) * prod(self.kernel)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        if not self.pads_itself:
            return INPUTS
        copied = padded(inputs[0], self.kernel, self.stride, self.dilation).elements
        return Storage(kept=copied, scratch=copied)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        kernel, stride, dilation = self.kernel[axis], self.stride[axis], self.dilation[axis]
        return windows(kernel, stride, self.border(axis, inputs[0]), dilation)

    def border(self, axis: int, x: TensorSpec) -> int:
        """What is added before the first position along an axis."""
        if isinstance(self.pad, str):
            wide = padded(x, self.kernel, self.stride, self.dilation)
            return (wide.spatial[axis] - x.spatial[axis]) // 2
        return self.pad[axis]

    def role(self) -> str:
        if self.groups > 1:
            return "depthwise"
        return "pointwise" if set(self.kernel) == {1} else "conv"

    def label(self) -> str:
        return f"{times(self.kernel)} conv, {self.out}{stride_label(self.stride)}"


@dataclass(frozen=True)
class StandardConv(Conv):
    """A convolution whose weight is standardised per output channel (BiT's; NFNet's with a gain).

    With a gain the weight is multiplied by `gamma` and the gain over the root of the fan-in.
    """

    verb: ClassVar[str] = "std_conv"
    gain: bool = argument(FLAG, "learns a gain per output channel", False)
    gamma: float = argument(NUMBER, "a constant beside the gain", 1.0)
    eps: float = argument(POSITIVE, "added to the variance of the weight", 1e-6)
    start: float = argument(NUMBER, "where the gains start", 1.0)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        for name in ("gamma", "start"):
            if getattr(self, name) != 1 and not self.gain:
                raise ShapeError(f"{name} has no meaning without a gain", name)
        result = super().infer(*inputs)
        if inputs[0].channels // self.groups * prod(self.kernel) == 1:
            raise ShapeError("a weight of one number per channel cannot be standardised")
        return result

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        gain = Weight("gain", (self.out, *(1,) * (inputs[0].rank + 1)))
        return (*super().weights(*inputs), gain) if self.gain else super().weights(*inputs)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """The weight as it is used, and the means and deviations that it took."""
        made = super().weights(*inputs)[0].elements
        held = made + (3 if self.gain else 2) * self.out
        usual = super().storage(output, *inputs)
        return replace(usual, made=made, held=held, fixed=replace(usual, held=made))


def window_sizes(
    x: TensorSpec,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...] | str,
    dilation: tuple[int, ...] | None = None,
    ceil: bool = False,
) -> tuple[int, ...]:
    """The output size of a windowed op along every axis.

    Raises ShapeError if a window does not fit.
    """
    pads: tuple[int | str, ...] = (pad,) * x.rank if isinstance(pad, str) else pad
    dilations = dilation or (1,) * x.rank
    size = tuple(
        window(n, k, s, p, d, ceil)
        for n, k, s, p, d in zip(x.spatial, kernel, stride, pads, dilations, strict=True)
    )
    if min(size) < 1:
        padded = "" if isinstance(pad, str) or not any(pad) else f" with padding {times(pad)}"
        message = f"a {times(kernel)} kernel does not fit a map of {times(x.spatial)}{padded}"
        help = "shrink the map less before, pad it here, or take a smaller kernel"
        raise TooSmallError(message, "kernel", help)
    return size


def padded(
    x: TensorSpec,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...] | None = None,
) -> TensorSpec:
    """The copy with the border of `same`, where PyTorch's windows cannot add it."""
    sizes = zip(x.spatial, kernel, stride, dilation or (1,) * x.rank, strict=True)
    sides = (max((-(-n // s) - 1) * s + d * (k - 1) + 1, n) for n, k, s, d in sizes)
    return TensorSpec((x.channels, *sides))


@dataclass(frozen=True)
class ConvTranspose(Op):
    """Transposed convolution, as `torch.nn.ConvTranspose1d` to `ConvTranspose3d`."""

    verb: ClassVar[str] = "conv_transpose"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    lends: ClassVar[bool] = True
    stores: ClassVar[Storage] = INPUTS
    drawn: ClassVar[str] = "conv"
    mixes: ClassVar[bool] = True
    kernel: tuple[int, ...] = argument(AXES, "size of the kernel")
    out: int = argument(WHOLE, "output channels", CHANNELS)
    stride: tuple[int, ...] = argument(AXES, "how many times the map grows", 1)
    padding: tuple[int, ...] = argument(BORDERS, "removed from every border", 0)
    output_padding: tuple[int, ...] = argument(BORDERS, "added to the far border", 0)
    dilation: tuple[int, ...] = argument(AXES, "step between kernel elements", 1)
    groups: int = argument(WHOLE, "groups of channels that do not mix", 1)
    bias: bool = argument(FLAG, "adds a learned offset per channel", True)
    init: Init | None = argument(INIT, "how the weight starts; PyTorch's own way without it", None)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        _check_groups(self.groups, x.channels, self.out)
        if any(
            o >= max(s, d)
            for o, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)
        ):
            raise ShapeError(
                "output_padding must be less than the stride or the dilation", "output_padding"
            )
        size = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + o + 1
            for n, k, s, p, d, o in zip(
                x.spatial, self.kernel, self.stride, self.padding, self.dilation,
                self.output_padding, strict=True,
            )
        )  # fmt: skip
        if min(size) < 1:
            raise ShapeError(f"the padding removes the whole map of {times(x.spatial)}", "padding")
        return TensorSpec((self.out, *size))

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        weight = Weight("weight", (inputs[0].channels, self.out // self.groups, *self.kernel))
        return (weight, Weight("bias", (self.out,))) if self.bias else (weight,)

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return inputs[0].elements * (self.out // self.groups) * prod(self.kernel)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """Output p gets input q where `p = q s - pad + d k`; between, it may get none."""
        stride, dilation = self.stride[axis], self.dilation[axis]
        common = gcd(stride, dilation)
        apart, every = dilation // common, stride // common
        inverse = pow(apart, -1, every)

        def of(place: int) -> Sequence[int]:
            ahead = place + self.padding[axis]
            if ahead % common:
                return ()
            taps = range(ahead // common * inverse % every, self.kernel[axis], every)
            last = (ahead - dilation * taps.start) // stride
            return range(last - apart * (len(taps) - 1), last + 1, apart)

        return Reach(1, Reads(stride, of))

    def label(self) -> str:
        return f"{times(self.kernel)} up-conv, {self.out}"
