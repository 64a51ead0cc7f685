"""What a position of an op's output reads of its input."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class Reach:
    """Along one axis, output position `period * m + r` reads `step * m + q` for all q in reads[r].

    Positions that no input has are read all the same: they are the border.
    """

    step: int = 1
    reads: tuple[Sequence[int], ...] = ((0,),)

    def of(self, position: int) -> Sequence[int]:
        """The positions of the input that one of the output reads."""
        turn, phase = divmod(position, len(self.reads))
        return moved(self.reads[phase], self.step * turn)


def moved(positions: Sequence[int], by: int) -> Sequence[int]:
    """Every position so much further; a range stays one."""
    if isinstance(positions, range):
        return range(positions.start + by, positions.stop + by, positions.step)
    return [position + by for position in positions]


SAME = Reach()  # every position reads itself


def windows(kernel: int, stride: int, border: int, dilation: int = 1) -> Reach:
    """Windows that begin `border` before the input."""
    return Reach(stride, (range(-border, dilation * (kernel - 1) - border + 1, dilation),))


def bins(size: int, count: int) -> Reach:
    """Adaptive pooling: bin i of m reads `floor(i n / m)` up to `ceil((i + 1) n / m)`."""
    common = gcd(size, count)
    step, period = size // common, count // common
    starts = [step * i // period for i in range(period)]
    return Reach(step, tuple(range(a, -(-step * (i + 1) // period)) for i, a in enumerate(starts)))


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The same values in another order: `x.reshape(split).permute(order)`, then the new shape."""

    split: tuple[int, ...]
    order: tuple[int, ...]


def reshaped(shape: tuple[int, ...]) -> Arrangement:
    """No other order, only another shape."""
    return Arrangement(shape, tuple(range(len(shape))))
