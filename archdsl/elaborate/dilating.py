"""Strides behind an output stride become dilation, as the map goes on in its full size."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from archdsl.elaborate.env import Tensor
from archdsl.ops import Op, ShapeError
from archdsl.ops.attention import PatchMerging
from archdsl.ops.base import times
from archdsl.ops.conv import Conv
from archdsl.ops.pool import BlurPool, MaxPool, _Pool
from archdsl.ops.shape import SpaceToDepth
from archdsl.ops.tensor import TensorSpec


class Lattice(NamedTuple):
    """Of a map, per axis: pixels of the image from a position to the next, and positions from one
    that the network had without an output stride to its next."""

    pixels: tuple[int, ...]
    apart: tuple[int, ...]

    def __str__(self) -> str:
        """`16`, `16, dilated 2`, `8x16`."""
        shown = [times(n) if len({*n}) > 1 else str(n[0]) for n in self]
        return shown[0] if {*self.apart} == {1} else f"{shown[0]}, dilated {shown[1]}"


class Dilating:
    """Follows the lattices of a network's maps; `most` are the pixels to which strides may go."""

    def __init__(self) -> None:
        self.most = 0  # none where nothing is to be followed
        self.known: dict[str, Lattice] = {}
        self.said: dict[str, Op] = {}  # what ops were that go on otherwise, by the ids of nodes

    def begin(self, tensors: Iterable[Tensor]) -> None:
        """What the network is given."""
        for tensor in tensors:
            ones = (1,) * tensor.spec.rank
            self.known[tensor.id] = Lattice(ones, ones)

    def of(self, tensors: Sequence[Tensor]) -> Lattice | None:
        """The lattice of what joins tensors, the coarsest of each axis; None if none has one."""
        if not self.most:
            return None
        found = [self.known[t.id] for t in tensors if t.id in self.known]
        ranks = {len(lattice.pixels) for lattice in found}
        if len(ranks) != 1:
            return None
        pixels = zip(*(lattice.pixels for lattice in found), strict=True)
        apart = zip(*(lattice.apart for lattice in found), strict=True)
        return Lattice(tuple(map(max, pixels)), tuple(map(max, apart)))

    def settled(self, op: Op, tensors: Sequence[Tensor]) -> tuple[Op, Lattice | None]:
        """The op as it goes on with its input's lattice, and the lattice of what it gives.

        Raises ShapeError for a stride that leads past the output stride.
        """
        lattice = self.of(tensors)
        if lattice is None or not isinstance(op, Conv | _Pool | BlurPool):
            return op, lattice
        many = len(lattice.pixels)
        strides = (op.stride,) * many if isinstance(op, BlurPool) else op.stride
        left = tuple(self.left(s, n) for s, n in zip(strides, lattice.pixels, strict=True))
        pixels = tuple(n * s for n, s in zip(lattice.pixels, left, strict=True))
        taken = [s // kept for s, kept in zip(strides, left, strict=True)]
        apart = tuple(a * s for a, s in zip(lattice.apart, taken, strict=True))
        return _dilated(op, left, lattice.apart), Lattice(pixels, apart)

    def left(self, stride: int, pixels: int) -> int:
        """What is left of a stride along an axis."""
        if pixels * stride <= self.most:
            return stride
        if pixels < self.most:
            raise self.past(stride, pixels)
        return 1

    def past(self, stride: int, pixels: int) -> ShapeError:
        message = f"a stride of {stride} behind {pixels} goes past the output stride {self.most}"
        either = f"{pixels} or {pixels * stride}" if pixels > 1 else f"{stride}"
        return ShapeError(message, "stride", f"an output stride of {either} can be had")

    def came(self, op: Op, id: str, output: TensorSpec, lattice: Lattice | None, x: Any) -> None:
        """Follows what an op gave on its first input; raises ShapeError for a stride that stays."""
        if lattice is None:
            return
        if isinstance(op, Conv | _Pool | BlurPool) or output.spatial == x.spec.spatial:
            self.known[id] = lattice
            return
        if output.rank != x.spec.rank or not all(output.spatial):
            return
        if set(output.spatial) == {1}:  # of the whole map
            return
        sizes = zip(lattice.pixels, x.spec.spatial, output.spatial, strict=True)
        pixels = tuple(max(1, round(n * before / now)) for n, before, now in sizes)
        if isinstance(op, PatchMerging | SpaceToDepth) and max(pixels) > self.most:
            message = f"the stride of {op.verb} cannot become dilation"
            raise ShapeError(message, None, f"an output stride of {max(pixels)} can be had")
        self.known[id] = Lattice(pixels, (1,) * len(pixels))


def _dilated(op: Op, stride: tuple[int, ...], apart: tuple[int, ...]) -> Op:
    """An op with another stride, its window spread over positions that lie so far apart."""
    if isinstance(op, BlurPool):
        return replace(op, stride=stride[0])
    assert isinstance(op, Conv | _Pool)
    spreads = isinstance(op, Conv | MaxPool)
    if op.stride == stride and (not spreads or set(apart) == {1}):
        return op
    before = op.dilation if isinstance(op, Conv) else op.apart()
    spread = [
        d * a if spreads and k > 1 else d for k, d, a in zip(op.kernel, before, apart, strict=True)
    ]
    changes: dict[str, Any] = {"stride": stride, "padding": _padding(op, before, spread)}
    if isinstance(op, Conv) or (spreads and set(spread) != {1}):
        changes["dilation"] = tuple(spread)
    return replace(op, **changes)


def _padding(
    op: Conv | _Pool, before: Sequence[int], spread: Sequence[int]
) -> tuple[int, ...] | str:
    """What keeps the size where the op's own padding did but for the stride; else more of it."""
    if isinstance(op.padding, str):
        return op.padding
    padding = tuple(p * n // d for p, d, n in zip(op.padding, before, spread, strict=True))
    reach = [d * (k - 1) for k, d in zip(op.kernel, before, strict=True)]
    missing = [r - 2 * p for r, p in zip(reach, op.padding, strict=True)]
    hangs = [s - 1 if isinstance(op, _Pool) and op.ceil else 0 for s in op.stride]
    keeps = all(h <= m < s + h for m, s, h in zip(missing, op.stride, hangs, strict=True))
    fits = all(2 * p <= k for p, k in zip(padding, op.kernel, strict=True))
    if any(missing):
        return "same" if keeps else padding
    return padding if fits or isinstance(op, Conv) else "same"
