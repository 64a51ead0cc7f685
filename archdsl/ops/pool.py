"""Pooling."""

from dataclasses import dataclass, replace
from operator import gt
from typing import ClassVar

from archdsl.ops.base import (
    AXES,
    FLAG,
    KERNEL,
    POOL_PADDING,
    Op,
    ShapeError,
    argument,
    require_map,
    stride_label,
    times,
)
from archdsl.ops.conv import padded, window_sizes
from archdsl.ops.reach import Reach, bins, windows
from archdsl.ops.storage import INPUTS, NEW, Storage
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class _Pool(Op):
    drawn: ClassVar[str] = "pool"
    kernel: tuple[int, ...] = argument(AXES, "size of the window")
    stride: tuple[int, ...] = argument(AXES, "step between windows; the kernel without it", KERNEL)
    padding: tuple[int, ...] | str = argument(
        POOL_PADDING, "added to every border; `same` pads as TensorFlow does", 0
    )
    ceil: bool = argument(FLAG, "lets the last window hang over the end", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_map(self, x)
        pad = self.padding
        if not isinstance(pad, str) and any(
            2 * p > k for p, k in zip(pad, self.kernel, strict=True)
        ):
            message = f"padding {times(pad)} is more than half of the kernel {times(self.kernel)}"
            raise ShapeError(message, "padding")
        size = window_sizes(x, self.kernel, self.stride, pad, ceil=self.ceil)
        return TensorSpec((x.channels, *size))

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        if self.padding != "same":
            return INPUTS
        copied = padded(inputs[0], self.kernel, self.stride).elements
        return Storage(kept=copied, scratch=copied)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        border = self.padding if isinstance(self.padding, str) else self.padding[axis]
        if isinstance(border, str):
            wide = padded(inputs[0], self.kernel, self.stride)
            border = (wide.spatial[axis] - inputs[0].spatial[axis]) // 2
        return windows(self.kernel[axis], self.stride[axis], border)

    def label(self) -> str:
        verb = self.verb.replace("_", " ")
        return f"{times(self.kernel)} {verb}{stride_label(self.stride)}"


class MaxPool(_Pool):
    """The largest value of every window."""

    verb: ClassVar[str] = "max_pool"

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return replace(super().storage(output, *inputs), indices=output.elements)


@dataclass(frozen=True)
class AvgPool(_Pool):
    """The mean of every window."""

    verb: ClassVar[str] = "avg_pool"
    count_padding: bool = argument(FLAG, "padded zeros count in the mean", True)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if x.rank == 3 and self.padding != "same" and any(map(gt, self.kernel, x.spatial)):
            # PyTorch's avg_pool3d wants room for the kernel before it pads
            raise ShapeError(f"a {times(self.kernel)} kernel does not fit a map of {x}", "kernel")
        return super().infer(x)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """With the border of `same` also the sums, before they are divided."""
        storage = super().storage(output, *inputs)
        return replace(storage, scratch=storage.scratch and storage.scratch + output.elements)


@dataclass(frozen=True)
class AdaptiveAvgPool(Op):
    """Mean pooling to a given size, whatever the input's."""

    verb: ClassVar[str] = "adaptive_avg_pool"
    drawn: ClassVar[str] = "pool"
    size: tuple[int, ...] = argument(AXES, "output size")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        require_map(self, inputs[0])
        return TensorSpec((inputs[0].channels, *self.size))

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return NEW if set(output.spatial) == {1} else INPUTS  # a mean knows its gradient

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        count = self.size[axis]
        return bins(inputs[0].spatial[axis], count) if count > 1 else None

    def label(self) -> str:
        return f"{self.verb.split('_')[1]} pool to {times(self.size)}"


class AdaptiveMaxPool(AdaptiveAvgPool):
    """Maximum pooling to a given size, whatever the input's."""

    verb: ClassVar[str] = "adaptive_max_pool"

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return replace(INPUTS, indices=output.elements)


class GlobalAvgPool(Op):
    """The mean of every channel, as a map of size 1."""

    verb: ClassVar[str] = "global_avg_pool"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "pool"

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        require_map(self, inputs[0])
        return TensorSpec((inputs[0].channels, *(1,) * inputs[0].rank))

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return None
