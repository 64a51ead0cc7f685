"""How tensors lie in memory: strides as PyTorch lays them, and what it must copy for them.

Most maps lie row after row. What a permutation, a slice or a norm over the channels of a map gives
lies otherwise, what follows keeps that, and an op that wants rows copies it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

Lays = Literal["elementwise", "map", "rows"]  # in the order of its inputs, as a map, row after row


class Strided(NamedTuple):
    """A tensor as it lies in memory.

    `sizes` are those of all axes, the batch's first; `strides` say how many numbers neighbours
    along each lie apart.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers one image has."""
        return prod(self.sizes[1:])

    @property
    def in_rows(self) -> bool:
        """Whether it lies in one piece, row after row; an axis of size 1 may lie anywhere."""
        wanted = rows(self.sizes).strides
        return self.strides == wanted or all(
            size == 1 or stride == other for size, stride, other in zip(*self, wanted, strict=True)
        )

    @property
    def channels_last(self) -> bool:
        """Whether PyTorch takes it for a map whose channels lie side by side."""
        if not 4 <= len(self.sizes) <= 5 or self.strides[1] == 0:
            return False
        least = 0
        for axis in (1, *range(len(self.sizes) - 1, 1, -1), 0):
            size, stride = self.sizes[axis], self.strides[axis]
            if stride < least or (axis == 0 and least == self.strides[1]):
                return False
            least = stride * size
        return True

    @property
    def side_by_side(self) -> bool:
        """Whether it lies in one piece, the channels of a position side by side."""
        batch, channels, *spatial = self.sizes
        moved = Strided(
            (batch, *spatial, channels), (self.strides[0], *self.strides[2:], self.strides[1])
        )
        return moved.in_rows

    def permuted(self, order: Sequence[int]) -> "Strided":
        """The axes in another order, the batch's left out, which stays the first."""
        axes = (0, *(axis + 1 for axis in order))
        return Strided(*(tuple(part[axis] for axis in axes) for part in self))

    def cut(self, sizes: Sequence[int], step: int = 1, axis: int | None = None) -> "Strided":
        """A part of it of these sizes; `step` is from one to the next along an axis."""
        strides = [s * step if n == axis else s for n, s in enumerate(self.strides)]
        return Strided((self.sizes[0], *sizes), tuple(strides))

    def fits(self, sizes: tuple[int, ...]) -> bool:
        """Whether it can be expanded to these sizes."""
        own = self.sizes
        pairs = zip(own, sizes[len(sizes) - len(own) :], strict=True)
        return len(own) <= len(sizes) and all(a in (1, b) for a, b in pairs)

    def expanded(self, sizes: tuple[int, ...]) -> "Strided":
        """As large as that, the same again along axes of size 1 and those that it lacks."""
        missing = len(sizes) - len(self.sizes)
        own = [
            0 if a != b else s
            for a, b, s in zip(self.sizes, sizes[missing:], self.strides, strict=True)
        ]
        return Strided(sizes, (*(0,) * missing, *own))

    def reshaped(self, shape: tuple[int, ...]) -> "Strided":
        """In another shape, without the batch; row after row where it has to be copied."""
        sizes = (self.sizes[0], *shape)
        return self.viewed(sizes) or rows(sizes)

    def copied(self, shape: tuple[int, ...]) -> Mapping[int, int]:
        """What is copied of an only input to have another shape: all of it, or nothing."""
        return {} if self.viewed((self.sizes[0], *shape)) else {0: self.elements}

    def viewed(self, sizes: tuple[int, ...]) -> "Strided | None":
        """The same numbers in other sizes, if no stride has to change on the way."""
        axes = [(n, s) for n, s in zip(*self, strict=True) if n > 1]
        runs: list[tuple[int, int]] = []  # of axes that lie one behind the other, as one
        for size, stride in axes:
            if runs and runs[-1][1] == size * stride:
                runs[-1] = (runs[-1][0] * size, stride)
            else:
                runs.append((size, stride))
        return _split(runs or [(1, 1)], sizes)


def _split(runs: list[tuple[int, int]], sizes: tuple[int, ...]) -> Strided | None:
    """Sizes cut from the ends of runs of numbers, None if one of them would need two runs."""
    strides: list[int] = []
    left, stride = runs.pop()
    for size in reversed(sizes):
        if left == 1 and runs and size > 1:
            left, stride = runs.pop()
        if left % size:
            return None
        strides.append(stride)
        left, stride = left // size, stride * size
    return Strided(sizes, tuple(reversed(strides)))


@lru_cache(maxsize=4_000)
def rows(sizes: tuple[int, ...]) -> Strided:
    """In one piece, row after row."""
    strides = [1]
    for size in reversed(sizes[1:]):
        strides.append(strides[-1] * size)
    return Strided(sizes, tuple(reversed(strides)))


def channels_side_by_side(sizes: tuple[int, ...]) -> Strided:
    """In one piece, the channels of a position side by side."""
    batch, channels, *spatial = sizes
    lying = rows((batch, *spatial, channels)).strides
    return Strided(sizes, (lying[0], lying[-1], *lying[1:-1]))


def as_map(sizes: tuple[int, ...], x: Strided) -> Strided:
    """As ops of maps lay their output: with its channels side by side if the input has them so."""
    return channels_side_by_side(sizes) if x.channels_last else rows(sizes)


def elementwise(sizes: tuple[int, ...], inputs: Sequence[Strided]) -> Strided:
    """As PyTorch's iterator over tensors lays its output: in one piece, in the order of its inputs.

    The first input that tells two axes apart says which is the outer one.
    """
    alike = all(x.sizes == sizes for x in inputs)
    if alike and all(x.in_rows for x in inputs):
        return rows(sizes)
    if alike and len(sizes) == 4 and all(x.side_by_side for x in inputs):
        return channels_side_by_side(sizes)
    spread = [x.expanded(sizes).strides for x in inputs]

    def apart(inner: int, outer: int) -> int:
        """Above 0 where the two axes have to change places, below it where they may not."""
        for strides in spread:
            if strides[inner] and strides[outer]:
                if strides[inner] != strides[outer]:
                    return strides[inner] - strides[outer]
                if sizes[inner] > sizes[outer]:
                    return 1
        return 0

    order = [*reversed(range(len(sizes)))]  # from the innermost axis out
    for last in range(1, len(order)):
        place = last
        for before in reversed(range(last)):
            found = apart(order[before], order[place])
            if found < 0:
                break
            if found > 0:
                order[before], order[place] = order[place], order[before]
                place = before
    lying = dict(
        zip(reversed(order), rows(tuple(sizes[n] for n in reversed(order))).strides, strict=True)
    )
    return Strided(sizes, tuple(lying[n] for n in range(len(sizes))))
