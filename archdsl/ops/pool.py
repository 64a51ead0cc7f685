"""Pooling."""

from dataclasses import dataclass, replace
from math import prod
from operator import gt
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError, require_map, stride_label, times
from archdsl.ops.conv import padded, window_sizes
from archdsl.ops.kinds import (
    AXES,
    BORDERS,
    FLAG,
    KERNEL,
    POOL_PADDING,
    REFERENCE,
    WHOLE,
    added,
    argument,
    words,
)
from archdsl.ops.reach import Reach, Reads, bins, windows
from archdsl.ops.storage import INPUTS, NEW, Storage
from archdsl.ops.strides import Lays, Strided, as_map, rows
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True)
class _Pool(Op):
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    drawn: ClassVar[str] = "pool"
    kernel: tuple[int, ...] = argument(AXES, "size of the window")
    stride: tuple[int, ...] = argument(AXES, "step between windows; the kernel without it", KERNEL)
    padding: tuple[int, ...] | str = argument(
        POOL_PADDING, "added to every border; `same` pads as TensorFlow does", 0
    )
    ceil: bool = argument(FLAG, "lets the last window hang over the end", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        pad = self.padding
        if not isinstance(pad, str) and any(
            2 * p > k for p, k in zip(pad, self.kernel, strict=True)
        ):
            message = f"padding {times(pad)} is more than half of the kernel {times(self.kernel)}"
            raise ShapeError(message, "padding")
        size = window_sizes(x, self.kernel, self.stride, pad, self.apart(), self.ceil)
        return TensorSpec((x.channels, *size))

    def apart(self) -> tuple[int, ...]:
        """The step between the elements of a window."""
        return (1,) * len(self.kernel)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        if self.padding != "same":
            return INPUTS
        copied = padded(inputs[0], self.kernel, self.stride, self.apart()).elements
        return Storage(kept=copied, scratch=copied)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        border = self.padding if isinstance(self.padding, str) else self.padding[axis]
        if isinstance(border, str):
            wide = padded(inputs[0], self.kernel, self.stride, self.apart())
            border = (wide.spatial[axis] - inputs[0].spatial[axis]) // 2
        return windows(self.kernel[axis], self.stride[axis], border, self.apart()[axis])

    def label(self) -> str:
        verb = self.verb.replace("_", " ")
        return f"{times(self.kernel)} {verb}{stride_label(self.stride)}"


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest value of every window."""

    verb: ClassVar[str] = "max_pool"
    dilation: tuple[int, ...] | None = added(AXES, "step between elements of the window", None)

    def apart(self) -> tuple[int, ...]:
        return self.dilation or super().apart()

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return replace(super().storage(output, *inputs), indices=output.elements)


def _mean_of_windows(output: TensorSpec, x: Strided) -> Strided:
    """How the mean of windows lies; a sequence is taken for a map of one row."""
    sizes = (x.sizes[0], *output.shape)
    if output.rank != 1:
        return as_map(sizes, x) if output.rank == 2 else rows(sizes)
    (batch, channels, length), (far, next, near) = x
    row = Strided((batch, channels, 1, length), (far, next, near * length, near))
    lying = as_map((batch, output.channels, 1, output.shape[1]), row)
    return Strided(sizes, (*lying.strides[:2], lying.strides[3]))


@dataclass(frozen=True)
class AvgPool(_Pool):
    """The mean of every window."""

    verb: ClassVar[str] = "avg_pool"
    count_padding: bool = argument(FLAG, "padded zeros count in the mean", True)

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        if self.padding == "same" and output.rank == 1:  # the copy with the border lies in rows
            return super().strides(output, *inputs)
        return _mean_of_windows(output, inputs[0])

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        if x.rank == 3 and self.padding != "same" and any(map(gt, self.kernel, x.spatial)):
            # PyTorch's avg_pool3d wants room for the kernel before it pads
            raise ShapeError(f"a {times(self.kernel)} kernel does not fit a map of {x}", "kernel")
        return super().infer(x)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """With the border of `same` also the sums, and what divides them."""
        storage = super().storage(output, *inputs)
        if self.padding != "same":
            return storage
        inside, divisors = storage.kept // output.channels, output.elements // output.channels
        scratch = storage.scratch + output.elements
        return replace(storage, scratch=scratch, made=inside + divisors, held=divisors)


@dataclass(frozen=True)
class AdaptiveAvgPool(Op):
    """Mean pooling to a given size, whatever the input's."""

    verb: ClassVar[str] = "adaptive_avg_pool"
    of_maps: ClassVar[bool] = True
    drawn: ClassVar[str] = "pool"
    size: tuple[int, ...] = argument(AXES, "output size")

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        return TensorSpec((super().infer(*inputs).channels, *self.size))

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        return _mean_of_windows(output, inputs[0])

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
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "rows"
    stores: ClassVar[Storage] = NEW
    drawn: ClassVar[str] = "pool"

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        return TensorSpec((x.channels, *(1,) * x.rank))

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return None


class GlobalMaxPool(GlobalAvgPool):
    """The largest value of every channel, as a map of size 1."""

    verb: ClassVar[str] = "global_max_pool"

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        return replace(INPUTS, indices=output.elements)


@dataclass(frozen=True)
class MaxUnpool(Op):
    """Puts every value where the largest of its window was in the map that was pooled (SegNet).

    Elsewhere are zeros. Ops have one result, so the windows of that map are looked through again.
    """

    verb: ClassVar[str] = "max_unpool"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    drawn: ClassVar[str] = "pool"
    kernel: tuple[int, ...] = argument(AXES, "size of the window")
    stride: tuple[int, ...] = argument(AXES, "step between windows; the kernel without it", KERNEL)
    padding: tuple[int, ...] = argument(BORDERS, "added to every border before pooling", 0)
    like: bool = argument(REFERENCE, "the map that was pooled", False)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if not self.like:
            help = "write `like: NAME`, with the map that the max_pool read"
            raise ShapeError("max_unpool needs the map that was pooled", help=help)
        before = inputs[1]
        require_map(self, before, "like")
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise ShapeError("the padding is more than half of the kernel", "padding")
        if before.rank != x.rank or before.channels != x.channels:
            raise ShapeError(f"{before} was not pooled to {x}", "like")
        pooled = window_sizes(before, self.kernel, self.stride, self.padding)
        if pooled != x.spatial:
            message = f"{before} is pooled to {times(pooled)}, not to {times(x.spatial)}"
            raise ShapeError(message, "like", "say the kernel, stride and padding of the max_pool")
        return before

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        usual = super().strides(output, *inputs)
        return usual if output.rank == 2 else rows(usual.sizes)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        pooled = inputs[0].elements
        return Storage(scratch=pooled, indices=pooled)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """Position p may get the value of any window that it lies in."""
        kernel, stride, ahead = self.kernel[axis], self.stride[axis], self.padding[axis]

        def of(position: int) -> range:
            last = (position + ahead) // stride
            return range((position + ahead - kernel) // stride + 1, last + 1)

        return Reach(1, Reads(stride, of))


@dataclass(frozen=True)
class BlurPool(Op):
    """A binomial filter with a stride (Zhang 2019, Making Convolutional Nets Shift-Invariant)."""

    verb: ClassVar[str] = "blur_pool"
    of_maps: ClassVar[bool] = True
    lays: ClassVar[Lays] = "map"
    fitted: ClassVar[bool] = True
    lends: ClassVar[bool] = True
    drawn: ClassVar[str] = "pool"
    kernel: int = argument(WHOLE, "size of the filter", 3)
    stride: int = argument(WHOLE, "step between windows", 2)
    mode: str = argument(words("reflect", "replicate", "zeros"), "what the border holds", "reflect")

    @property
    def border(self) -> int:
        """As timm pads: half of what the kernel and the stride reach beyond one pixel."""
        return (self.stride - 1 + self.kernel - 1) // 2

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        x = super().infer(*inputs)
        if self.mode == "reflect" and any(self.border >= size for size in x.spatial):
            raise ShapeError(f"a reflected border must be narrower than the map ({x})", "kernel")
        kernel, stride, border = ((n,) * x.rank for n in (self.kernel, self.stride, self.border))
        return TensorSpec((x.channels, *window_sizes(x, kernel, stride, border)))

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return int(output.elements * self.kernel**output.rank)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        (x,) = inputs
        wide = x.channels * prod(size + 2 * self.border for size in x.spatial)
        padding = NEW if self.mode == "zeros" else INPUTS
        filters = [self.kernel**rank for rank in range(1, x.rank + 1)]  # each made of that before
        made = filters[-1] + (self.kernel if x.rank > 1 else 0)
        made = max(made, sum(filters) - output.elements)  # before there is an output
        return replace(padding, kept=wide, scratch=wide, held=filters[-1], made=made)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return windows(self.kernel, self.stride, self.border)

    def label(self) -> str:
        return f"blur pool, /{self.stride}"
