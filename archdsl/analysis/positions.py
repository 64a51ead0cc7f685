"""What positions of a tensor see of the image: how ops hand it on, reorder it and join it.

A tensor's axes are written as digits, from the one that changes slowest: an axis of H positions is
one digit; tokens of a map are two, its rows and its columns; channels are a digit that says nothing
of the image. A digit has a weight for every axis of the image, and the weighted digits add up to
the coordinate at which that axis' steps are looked up. So reshaping splits and groups digits, and
permuting moves them, while what is seen stays as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import gcd, lcm, prod

from archdsl.ops.reach import SAME, Arrangement, Reach, moved

Span = tuple[int, int]  # the first and the last of some pixels
LONGEST = 4096  # periods beyond it are cut off, behind the last position of any map


def hull(spans: Iterable[Span | None]) -> Span | None:
    """From the first to the last pixel of all; None if there are none."""
    found = [span for span in spans if span is not None]
    return (min(a for a, _ in found), max(b for _, b in found)) if found else None


@dataclass(frozen=True, slots=True)
class Steps:
    """What coordinates see: `period * m + r` sees `spans[r]`, moved by `step * m` pixels."""

    step: Fraction = Fraction(1)
    spans: tuple[Span | None, ...] = ((0, 0),)

    @property
    def jump(self) -> Fraction:
        """How many pixels a coordinate is from the next."""
        period = len(self.spans)
        return self.step if period == 1 else self.step / period

    def at(self, coordinate: int) -> Span | None:
        turn, phase = divmod(coordinate, len(self.spans))
        span, shift = self.spans[phase], self.step.numerator * turn // self.step.denominator
        return span and (span[0] + shift, span[1] + shift)

    def over(self, coordinates: Sequence[int]) -> Span | None:
        """What some coordinates see; of a range, those at its ends see the first and the last."""
        ends, period = coordinates, len(self.spans)
        if isinstance(coordinates, range) and len(coordinates) > 2 * period:
            ends = [*coordinates[:period], *coordinates[-period:]]
        return hull([self.at(coordinate) for coordinate in ends])

    def widened(self, offsets: Sequence[int]) -> "Steps":
        """What coordinates see with those around them."""
        spans = [self.over(moved(offsets, place)) for place in range(len(self.spans))]
        return Steps(self.step, tuple(spans))

    def joined(self, other: "Steps", count: int) -> "Steps":
        """What both see, for `count` coordinates; far ones move as the larger jump says."""
        if self == other:
            return self
        period = lcm(len(self.spans), len(other.spans))
        if self.jump != other.jump or period > max(count, LONGEST):
            period = count
        jump = max(self.jump, other.jump)
        spans = (hull((self.at(c), other.at(c))) for c in range(period))
        return Steps(jump * period, tuple(spans))


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


def read(view: View, axis: int, reach: Reach | None, count: int, node: str) -> View:
    """What the `count` positions of an op's output see that reads an axis with this reach."""
    if reach == SAME and count == prod(digit.size for digit in view.axes[axis]):
        return view
    return _read(view, axis, reach, count, node)


def _read(view: View, axis: int, reach: Reach | None, count: int, node: str) -> View:
    digits = view.axes[axis]
    weights, steps = [0] * len(view.steps), list(view.steps)
    others = _with(view.axes, axis, ())
    for of in view.carries(axis):
        before = steps[of]
        assert before is not None
        alone = not _says(others, of)
        if reach is not None and reach.step and alone:
            steps[of], weights[of] = _followed(before, digits, of, reach, count), 1
        elif reach is not None and reach.step and len(reach.reads) == len(digits) == 1:
            weight = digits[0].weights[of]
            steps[of] = before.widened(_scaled(reach.reads[0], weight))
            weights[of] = weight * reach.step
        elif alone:  # what is seen at once is looked up once
            steps[of] = Steps(Fraction(0), (before.over(_offsets(digits, of, reach)),))
        else:
            steps[of] = before.widened(_offsets(digits, of, reach))
    axes = _with(view.axes, axis, (Digit(count, tuple(weights)),))
    return _without_lost(View(axes, tuple(steps), view.context, view.through), node)


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


def _offsets(digits: Axis, of: int, reach: Reach | None) -> Sequence[int]:
    """The coordinates that an axis adds, all of them or those that the first position reads."""
    if reach is not None and not reach.step:
        return _coordinates_of(digits, of, reach.of(0))
    if len(digits) == 1:
        return _scaled(range(digits[0].size), digits[0].weights[of])
    parts = [range(0, d.size * d.weights[of] or 1, d.weights[of] or 1) for d in digits]
    return [sum(parts) for parts in product(*parts)]


def _coordinates_of(digits: Axis, of: int, positions: Sequence[int]) -> Sequence[int]:
    if len(digits) == 1:
        return _scaled(positions, digits[0].weights[of])
    return [_coordinate(digits, of, position) for position in positions]


def _coordinate(digits: Axis, of: int, position: int) -> int:
    """The coordinate of a position along an axis; the slowest digit goes on beyond its size."""
    found = 0
    for digit in reversed(digits[1:]):
        position, value = divmod(position, digit.size)
        found += value * digit.weights[of]
    return found + position * digits[0].weights[of] if digits else 0


def _followed(before: Steps, digits: Axis, of: int, reach: Reach, count: int) -> Steps:
    """The steps of the positions that an op gives, whose coordinates are counted anew."""
    rows = prod(digit.size for digit in digits[1:])  # positions until the slowest digit changes
    turns = rows // gcd(rows, reach.step)
    shift = turns * reach.step // rows * digits[0].weights[of]
    turns *= len(before.spans) // gcd(len(before.spans), shift)
    period = min(turns * len(reach.reads), max(count, LONGEST))
    spans = [
        before.over(_coordinates_of(digits, of, reach.of(position))) for position in range(period)
    ]
    whole = turns * len(reach.reads)
    far = _coordinate(digits, of, reach.step * turns)  # which is as far in coordinates
    distance, parts = far * period, len(before.spans) * whole
    same = distance == parts
    return Steps(before.step if same else before.step * Fraction(distance, parts), tuple(spans))


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


def arranged(view: View, arrangement: Arrangement, shape: tuple[int, ...], node: str) -> View:
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
        view = read(view, axis, None, 1, node)
    plain = (0,) * len(view.steps)
    return replace(view, axes=tuple((Digit(n, plain),) for n in shape))


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


def joined(views: Sequence[View], gate: bool, node: str) -> View:
    """What the positions of a join see, whose inputs have one shape.

    With `gate`, an input that has no positions along an axis of the image is left out there.
    """
    first, *rest = views
    if any(view.axes != first.axes for view in rest):
        first, *rest = (_counted(view, node) for view in views)
    for other in rest:
        first = _both(first, other, gate, node)
    return first


def _counted(view: View, node: str) -> View:
    """The view with one digit for every axis."""
    for axis, digits in enumerate(view.axes):
        count = prod(digit.size for digit in digits)
        several = len(digits) > 1 and any(_spread(view, of) for of in view.carries(axis))
        view = _read(view, axis, None if several else SAME, count, node)
    return view


def _spread(view: View, of: int) -> bool:
    return sum(view.weight(axis, of) for axis in range(len(view.axes))) > 1


def _both(one: View, other: View, gate: bool, node: str) -> View:
    axes, through = list(one.axes), one.through or other.through
    steps, context = list(one.steps), list(one.context)
    for of, (known, more) in enumerate(zip(one.steps, other.steps, strict=True)):
        seen = other.context[of]
        if known is None and more is not None:
            steps[of], context[of], seen = more, seen, one.context[of]
            axes = [_weighed(a, b, of) for a, b in zip(axes, other.axes, strict=True)]
        elif known is not None and more is not None and _weights(one, of) == _weights(other, of):
            steps[of] = known.joined(more, _coordinates(one, of))
        elif more is not None:  # by another axis of the tensor
            seen = hull((seen, more.widened(range(_coordinates(other, of))).at(0)))
            through = through or node
        if not (gate and (known is None) != (more is None)):
            context[of] = hull((context[of], seen))
    return View(tuple(axes), tuple(steps), tuple(context), through)


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
