"""What positions of a tensor see of the image: how ops hand it on, reorder it and join it.

A tensor's axes are written as digits, from the one that changes slowest: an axis of H positions is
one digit; tokens of a map are two, its rows and its columns; channels are a digit that says nothing
of the image. A digit has a weight for every axis of the image, and the weighted digits add up to
the coordinate at which that axis' steps are looked up. So reshaping splits and groups digits, and
permuting moves them, while what is seen stays as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import gcd, lcm, prod
from operator import le

from archdsl.diagnostics.errors import UsageError
from archdsl.ops.reach import SAME, Arrangement, Reach, moved

Span = tuple[int, int]  # the first and the last of some pixels
LONGEST = 4096  # periods beyond it are cut off, behind the last position of any map


def hull(spans: Iterable[Span | None]) -> Span | None:
    """From the first to the last pixel of all; None if there are none."""
    found = [span for span in spans if span is not None]
    return (min(a for a, _ in found), max(b for _, b in found)) if found else None


@dataclass(frozen=True)
class Steps:
    """What coordinates see: `period * m + r` sees `spans[r]`, moved by `step * m` pixels."""

    step: Fraction = Fraction(1)
    spans: tuple[Span | None, ...] = ((0, 0),)

    @property
    def jump(self) -> Fraction:
        """How many pixels a coordinate is from the next."""
        period = len(self.spans)
        return self.step if period == 1 else self.step / period

    @cached_property
    def ordered(self) -> bool:
        """Whether every coordinate sees something, and begins and ends no earlier than others."""
        if len(self.spans) == 1:
            return self.spans[0] is not None
        spans = [span for span in (*self.spans, self.at(len(self.spans))) if span is not None]
        firsts, lasts = zip(*spans, strict=True) if spans else ((), ())
        rising = all(map(le, firsts, firsts[1:])) and all(map(le, lasts, lasts[1:]))
        return rising and len(spans) == len(self.spans) + 1

    def at(self, coordinate: int) -> Span | None:
        turn, phase = divmod(coordinate, len(self.spans))
        span, shift = self.spans[phase], self.step.numerator * turn // self.step.denominator
        return span and (span[0] + shift, span[1] + shift)

    def between(self, reads: Iterable[Sequence[int]], weight: int) -> Iterator[Span | None]:
        """What coordinates see from the first to the last, of what is read; for ordered steps."""
        spans, period = [span for span in self.spans if span is not None], len(self.spans)
        step, parts = self.step.numerator, self.step.denominator
        for read in reads:
            if not read:
                yield None
                continue
            turn, phase = divmod(read[0] * weight, period)
            last, end = divmod(read[-1] * weight, period)
            yield spans[phase][0] + step * turn // parts, spans[end][1] + step * last // parts

    def ends(self, coordinates: Sequence[int]) -> Sequence[int]:
        """Those of some coordinates among which are the ones that see the first and the last."""
        period = 1 if self.ordered else len(self.spans)
        if isinstance(coordinates, range) and len(coordinates) > 2 * period:
            return [*coordinates[:period], *coordinates[-period:]]
        if self.ordered and len(coordinates) > 2:
            return [min(coordinates), max(coordinates)]
        return coordinates


@dataclass(frozen=True, slots=True)
class Digit:
    """Part of an axis: how many values it has, and its weight for every axis of the image."""

    size: int
    weights: tuple[int, ...]


Axis = tuple[Digit, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What the positions of a tensor see along every axis of the image.

    `steps` are None where no position is left; `context` is what all positions see, None where
    there is nothing of that kind; `through` the node by which it came in.
    """

    axes: tuple[Axis, ...]
    steps: tuple[Steps | None, ...]
    context: tuple[Span | None, ...]
    through: str = ""

    @property
    def placed(self) -> bool:
        return any(steps is not None for steps in self.steps)

    def weight(self, axis: int, of: int) -> bool:
        """Whether an axis of the tensor says something of an axis of the image."""
        return _says((self.axes[axis],), of)

    def carries(self, axis: int) -> list[int]:
        """The axes of the image of which an axis of the tensor says something."""
        return [of for of in range(len(self.steps)) if self.weight(axis, of)]

    def at(self, index: Sequence[int], of: int) -> Span | None:
        """What the position with these indices sees along an axis of the image."""
        steps, context = self.steps[of], self.context[of]
        if steps is None:
            return context
        parts = zip(self.axes, index, strict=True)
        found = steps.at(sum(_coordinate(digits, of, place) for digits, place in parts))
        return hull((found, context))


def image(shape: Sequence[int]) -> View:
    """Every position of the image sees itself."""
    rank = len(shape) - 1
    weights = [tuple(int(axis == of + 1) for of in range(rank)) for axis in range(rank + 1)]
    axes = tuple((Digit(n, w),) for n, w in zip(shape, weights, strict=True))
    return View(axes, (Steps(),) * rank, (None,) * rank)


def nothing(shape: Sequence[int], rank: int) -> View:
    """Positions of another input, or of none, which see nothing of an image of so many axes."""
    axes = tuple((Digit(n, (0,) * rank),) for n in shape)
    return View(axes, (None,) * rank, (None,) * rank)


MOST = 500_000  # positions that are looked up for one network


class TooManyPositions(UsageError):
    """More positions would have to be looked up than MOST."""


class Positions:
    """Follows views through ops, position by position where they are not all alike.

    Raises TooManyPositions where that takes more than MOST of them.
    """

    def __init__(self) -> None:
        self.node = ""  # whose op is followed
        self.looked_up = 0

    def look_up(self, count: int) -> None:
        """Counts what will be looked up."""
        self.looked_up += count
        if self.looked_up > MOST:
            raise TooManyPositions(
                f"receptive fields up to {self.node} take more than {MOST:,} positions to look up;"
                " leave out field, jump, offset and through"
            )

    def over(self, steps: Steps, coordinates: Sequence[int]) -> Span | None:
        """What some coordinates see together."""
        ends = steps.ends(coordinates)
        self.look_up(len(ends))
        return hull([steps.at(coordinate) for coordinate in ends])

    def widened(self, steps: Steps, offsets: Sequence[int]) -> Steps:
        """What coordinates see with those around them."""
        ends = steps.ends(offsets)
        spans = [self.over(steps, moved(ends, place)) for place in range(len(steps.spans))]
        return Steps(steps.step, tuple(spans))

    def read(self, view: View, axis: int, reach: Reach | None, count: int) -> View:
        """What the `count` positions of an op's output see that reads an axis with this reach."""
        if reach == SAME and count == prod(digit.size for digit in view.axes[axis]):
            return view
        return self._read(view, axis, reach, count)

    def _read(self, view: View, axis: int, reach: Reach | None, count: int) -> View:
        digits = view.axes[axis]
        weights, steps = [0] * len(view.steps), list(view.steps)
        others = _with(view.axes, axis, ())
        for of in view.carries(axis):
            before = steps[of]
            assert before is not None
            alone = not _says(others, of)
            if reach is not None and reach.step and alone:
                steps[of], weights[of] = self._followed(before, digits, of, reach, count), 1
            elif reach is not None and reach.step and len(reach.reads) == len(digits) == 1:
                weight = digits[0].weights[of]
                steps[of] = self.widened(before, _scaled(reach.reads[0], weight))
                weights[of] = weight * reach.step
            elif alone:  # what is seen at once is looked up once
                seen = self.over(before, self._offsets(before, digits, of, reach))
                steps[of] = Steps(Fraction(0), (seen,))
            else:
                steps[of] = self.widened(before, self._offsets(before, digits, of, reach))
        axes = _with(view.axes, axis, (Digit(count, tuple(weights)),))
        return _without_lost(View(axes, tuple(steps), view.context, view.through), self.node)

    def _offsets(self, steps: Steps, digits: Axis, of: int, reach: Reach | None) -> Sequence[int]:
        """The coordinates that an axis adds, all of them or those that the first position reads."""
        if reach is not None and not reach.step:
            return self._coordinates_of(digits, of, reach.of(0))
        if len(digits) == 1:
            return _scaled(range(digits[0].size), digits[0].weights[of])
        if steps.ordered:
            return [0, sum((digit.size - 1) * digit.weights[of] for digit in digits)]
        parts = [range(0, d.size * d.weights[of] or 1, d.weights[of] or 1) for d in digits]
        self.look_up(prod(map(len, parts)))
        return [sum(parts) for parts in product(*parts)]

    def _coordinates_of(self, digits: Axis, of: int, positions: Sequence[int]) -> Sequence[int]:
        if len(digits) == 1:
            return _scaled(positions, digits[0].weights[of])
        self.look_up(len(positions))
        return [_coordinate(digits, of, position) for position in positions]

    def _followed(self, before: Steps, digits: Axis, of: int, reach: Reach, count: int) -> Steps:
        """The steps of the positions that an op gives, whose coordinates are counted anew."""
        rows = prod(digit.size for digit in digits[1:])  # positions until the slowest changes
        turns = rows // gcd(rows, reach.step)
        shift = turns * reach.step // rows * digits[0].weights[of]
        turns *= len(before.spans) // gcd(len(before.spans), shift)
        period = min(turns * len(reach.reads), max(count, LONGEST))
        seen: Iterator[Span | None] = (
            self.over(before, self._coordinates_of(digits, of, reach.of(position)))
            for position in range(period)
        )
        if len(digits) == 1 and before.ordered:
            self.look_up(period)
            seen = before.between(map(reach.of, range(period)), digits[0].weights[of])
        spans = tuple(seen)
        whole = turns * len(reach.reads)
        far = _coordinate(digits, of, reach.step * turns)  # which is as far in coordinates
        distance, parts = far * period, len(before.spans) * whole
        same = distance == parts
        return Steps(before.step if same else before.step * Fraction(distance, parts), spans)

    def arranged(self, view: View, arrangement: Arrangement, shape: tuple[int, ...]) -> View:
        """The view of the same values in another order and shape.

        Where a shape cuts an axis of the image at other places than its own, no position is left.
        """
        split = _grouped([digit for axis in view.axes for digit in axis], arrangement.split)
        if split is not None:
            moved = [digit for place in arrangement.order for digit in split[place]]
            axes = _grouped(moved, shape)
            if axes is not None:
                return replace(view, axes=tuple(axes))
        for axis in range(len(view.axes)):
            view = self.read(view, axis, None, 1)
        plain = (0,) * len(view.steps)
        return replace(view, axes=tuple((Digit(n, plain),) for n in shape))

    def joined(self, views: Sequence[View], gate: bool) -> View:
        """What the positions of a join see, whose inputs have one shape.

        With `gate`, an input that has no positions along an axis of the image is left out there.
        """
        first, *rest = views
        if any(view.axes != first.axes for view in rest):
            first, *rest = (self._counted(view) for view in views)
        for other in rest:
            first = self._both(first, other, gate)
        return first

    def _counted(self, view: View) -> View:
        """The view with one digit for every axis."""
        for axis, digits in enumerate(view.axes):
            count = prod(digit.size for digit in digits)
            several = len(digits) > 1 and any(_spread(view, of) for of in view.carries(axis))
            view = self._read(view, axis, None if several else SAME, count)
        return view

    def _both(self, one: View, other: View, gate: bool) -> View:
        axes, through = list(one.axes), one.through or other.through
        steps, context = list(one.steps), list(one.context)
        for of, (known, more) in enumerate(zip(one.steps, other.steps, strict=True)):
            seen = other.context[of]
            if known is None and more is not None:
                steps[of], context[of], seen = more, seen, one.context[of]
                axes = [_weighed(a, b, of) for a, b in zip(axes, other.axes, strict=True)]
            elif (
                known is not None and more is not None and _weights(one, of) == _weights(other, of)
            ):
                steps[of] = self._together(known, more, _coordinates(one, of))
            elif more is not None:  # by another axis of the tensor
                seen = hull((seen, self.over(more, range(_coordinates(other, of)))))
                through = through or self.node
            if not (gate and (known is None) != (more is None)):
                context[of] = hull((context[of], seen))
        return View(tuple(axes), tuple(steps), tuple(context), through)

    def _together(self, one: Steps, other: Steps, count: int) -> Steps:
        """What both see, for `count` coordinates; far ones move as the larger jump says."""
        if one is other or one == other:
            return one
        period = lcm(len(one.spans), len(other.spans))
        if one.jump != other.jump or period > max(count, LONGEST):
            period = count
        self.look_up(period)
        jump = max(one.jump, other.jump)
        spans = (hull((one.at(c), other.at(c))) for c in range(period))
        return Steps(jump * period, tuple(spans))


def _says(axes: Iterable[Axis], of: int) -> bool:
    """Whether any of the axes says something of an axis of the image."""
    for axis in axes:
        for digit in axis:
            if digit.weights[of]:
                return True
    return False


def _scaled(positions: Sequence[int], weight: int) -> Sequence[int]:
    if isinstance(positions, range) and weight:
        return range(positions.start * weight, positions.stop * weight, positions.step * weight)
    return [position * weight for position in positions]


def _coordinate(digits: Axis, of: int, position: int) -> int:
    """The coordinate of a position along an axis; the slowest digit goes on beyond its size."""
    found = 0
    for digit in reversed(digits[1:]):
        position, value = divmod(position, digit.size)
        found += value * digit.weights[of]
    return found + position * digits[0].weights[of] if digits else 0


def _with(axes: tuple[Axis, ...], place: int, axis: Axis) -> tuple[Axis, ...]:
    return (*axes[:place], axis, *axes[place + 1 :])


def _without_lost(view: View, node: str) -> View:
    """What no axis says anything of any more is seen by all positions alike."""
    steps, context = list(view.steps), list(view.context)
    for of, known in enumerate(view.steps):
        if known is not None and not _says(view.axes, of):
            steps[of], context[of] = None, hull((context[of], known.at(0)))
    if steps == list(view.steps):
        return view
    return View(view.axes, tuple(steps), tuple(context), view.through or node)


def dropped(view: View, axis: int) -> View:
    """The view without an axis that says nothing of the image."""
    return replace(view, axes=(*view.axes[:axis], *view.axes[axis + 1 :]))


def added(view: View, axis: int, count: int) -> View:
    """The view with one more axis, whose positions all see the same."""
    digit = Digit(count, (0,) * len(view.steps))
    return replace(view, axes=(*view.axes[:axis], (digit,), *view.axes[axis:]))


def _grouped(digits: Sequence[Digit], shape: Sequence[int]) -> list[Axis] | None:
    """Digits as the axes of a shape, split where one is larger; None if they do not divide."""
    left = list(reversed(digits))
    axes: list[Axis] = []
    for number, size in enumerate(shape):
        axis: list[Digit] = []
        while size > 1 or (left and left[-1].size == 1 and not axis):
            digit = left.pop()
            inner = digit.size // size
            if digit.size > size:
                if digit.size % size:
                    return None
                left.append(Digit(inner, digit.weights))
                digit = Digit(size, tuple(weight * inner for weight in digit.weights))
            elif size % digit.size:
                return None
            axis.append(digit)
            size //= digit.size
        if number == len(shape) - 1:
            axis += reversed(left)  # of size 1
        axes.append(_merged(axis))
    return axes


def _merged(axis: Sequence[Digit]) -> Axis:
    """Digits that count on in one another as one."""
    merged: list[Digit] = []
    for digit in axis:
        slower = merged[-1] if merged else None
        if slower and slower.weights == tuple(weight * digit.size for weight in digit.weights):
            merged[-1] = Digit(slower.size * digit.size, digit.weights)
        else:
            merged.append(digit)
    return tuple(merged)


def _spread(view: View, of: int) -> bool:
    return sum(view.weight(axis, of) for axis in range(len(view.axes))) > 1


def _weights(view: View, of: int) -> list[list[int]]:
    return [[digit.weights[of] for digit in axis] for axis in view.axes]


def _coordinates(view: View, of: int) -> int:
    """The number of coordinates of an axis of the image."""
    digits = (digit for axis in view.axes for digit in axis)
    return 1 + sum((digit.size - 1) * digit.weights[of] for digit in digits)


def _weighed(axis: Axis, by: Axis, of: int) -> Axis:
    """An axis with the weights that another has for one axis of the image."""
    return tuple(
        replace(a, weights=(*a.weights[:of], b.weights[of], *a.weights[of + 1 :]))
        for a, b in zip(axis, by, strict=True)
    )
