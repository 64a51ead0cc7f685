"""What a position of an op's output reads of its input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class Reads:
    """What the positions of a period read, each said when it is asked for."""

    period: int
    of: Callable[[int], Sequence[int]]

    def __len__(self) -> int:
        return self.period

    def __getitem__(self, place: int) -> Sequence[int]:
        return self.of(place)


@dataclass(frozen=True, slots=True)
class Reach:
    """Along one axis, output position `period * m + r` reads `step * m + q` for all q in reads[r].

    Positions that no input has are read all the same: they are the border. What is read is in
    order; `reads` may be very many, and are gone through only as far as somebody looks.
    """

    step: int = 1
    reads: Sequence[Sequence[int]] | Reads = ((0,),)

    def of(self, position: int) -> Sequence[int]:
        """The positions of the input that one of the output reads."""
        turn, phase = divmod(position, len(self.reads))
        return moved(self.reads[phase], self.step * turn)


def moved(positions: Sequence[int], by: int) -> Sequence[int]:
    """Every position so much further; a range stays one."""
    if not by:
        return positions
    if isinstance(positions, range):
        return range(positions.start + by, positions.stop + by, positions.step)
    return [position + by for position in positions]


SAME = Reach()  # every position reads itself
GONE = Reach(0, ())  # all of an axis is read, which the output lacks


def windows(kernel: int, stride: int, border: int, dilation: int = 1) -> Reach:
    """Windows that begin `border` before the input."""
    return Reach(stride, (range(-border, dilation * (kernel - 1) - border + 1, dilation),))


def bins(size: int, count: int) -> Reach:
    """Adaptive pooling: bin i of m reads `floor(i n / m)` up to `ceil((i + 1) n / m)`."""
    common = gcd(size, count)
    step, period = size // common, count // common
    return Reach(
        step, Reads(period, lambda i: range(step * i // period, -(-step * (i + 1) // period)))
    )


def along(axis: int, reach: Reach | None, rank: int) -> tuple[Reach | None, ...]:
    """A reach along one of so many axes, and none but the position itself along the others."""
    return tuple(reach if other == axis else SAME for other in range(rank))


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The same values in another order: `x.reshape(split).permute(order)`, then the new shape."""

    split: tuple[int, ...]
    order: tuple[int, ...]


def reshaped(shape: tuple[int, ...]) -> Arrangement:
    """No other order, only another shape."""
    return Arrangement(shape, tuple(range(len(shape))))
