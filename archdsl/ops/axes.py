"""Arguments that name axes, or say something of each: one of them, several, factors, two sides."""

from typing import Any

from archdsl.ops.kinds import (
    BORDERS,
    HUGE,
    LARGEST,
    POSITIVE,
    ArgumentError,
    Kind,
    RankError,
    whole_number,
)
from archdsl.ops.tensor import TensorSpec

CHANNEL = "channels"  # the axis of the channels, wherever it stands


def _axis(value: Any, rank: int) -> int | str:
    if value == CHANNEL:
        return CHANNEL
    number = whole_number(value)
    if not -rank - 1 <= number <= rank:
        axes = "one axis" if rank == 0 else f"{rank + 1} axes, of which 0 is the first"
        raise RankError(f"no axis {number}: the input has {axes}")
    return number % (rank + 1)


def _some_axes(value: Any, rank: int) -> tuple[int | str, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    found = tuple(_axis(part, rank) for part in listed)
    if not found or len(set(found)) < len(found):
        raise ArgumentError("no axis" if not found else "the same axis twice")
    return found


def place(axis: int | str, x: TensorSpec) -> int:
    """Which axis of the shape is meant."""
    if isinstance(axis, int):
        return axis
    return 0 if x.layout == "channels_first" else x.rank


def in_torch(axis: int | str, x: TensorSpec) -> int:
    """The axis as PyTorch counts, behind the batch; channels that come last are -1."""
    last = axis == CHANNEL and x.layout != "channels_first"
    return -1 if last else place(axis, x) + 1


def _scale(value: Any, rank: int) -> float | tuple[float, ...]:
    """A factor, or one per axis where they differ."""
    if not isinstance(value, list | tuple):
        number: float = POSITIVE.read(value, rank)
        return number
    if len(value) != rank:
        raise RankError(f"{len(value)} factors for {rank} spatial axes")
    factors = tuple(float(POSITIVE.read(part, rank)) for part in value)
    return factors[0] if len(set(factors)) == 1 else factors


Sides = tuple[int | tuple[int, int], ...]


def _sides(value: Any, rank: int) -> Sides:
    """A width per axis, or two where the sides differ: `[before, after]`."""
    if rank == 1 and isinstance(value, list | tuple) and len(value) == 2:
        value = [value]
    if not isinstance(value, list | tuple) or not any(isinstance(v, list | tuple) for v in value):
        widths: Sides = BORDERS.read(value, rank)
        return widths
    if len(value) != rank:
        raise RankError(f"the borders of {len(value)} axes for {rank}")
    found: list[int | tuple[int, int]] = []
    for part in value:
        if isinstance(part, list | tuple) and len(part) != 2:
            raise ArgumentError("a border has two sides: [before, after]")
        (before, after) = BORDERS.read(part if isinstance(part, list | tuple) else [part] * 2, 2)
        found.append(before if before == after else (before, after))
    return tuple(found)


def both(border: int | tuple[int, int]) -> tuple[int, int]:
    """What a border is before the first position and behind the last."""
    return border if isinstance(border, tuple) else (border, border)


_WHOLE: dict[str, Any] = {"type": ["integer"], "minimum": -4, "maximum": 3}
_WIDTH: dict[str, Any] = {"type": ["integer"], "minimum": 0, "maximum": LARGEST}
_FACTOR: dict[str, Any] = {"type": ["number"], "minimum": 0, "maximum": HUGE}
AXIS = Kind("axis, or channels", _axis, (CHANNEL,), schema=_WHOLE)
SOME_AXES = Kind(
    "axis, several, or channels",
    _some_axes,
    (CHANNEL,),
    schema={
        **_WHOLE,
        "type": ["integer", "array"],
        "items": {"anyOf": [{**_WHOLE, "type": "integer"}, {"enum": [CHANNEL]}]},
    },
)
SCALE = Kind(
    "number, 0 or more, or one per axis",
    _scale,
    schema={**_FACTOR, "type": ["number", "array"], "items": _FACTOR},
)
SIDES = Kind(
    "whole number, one per axis, or [before, after] per axis",
    _sides,
    schema={
        **_WIDTH,
        "type": ["integer", "array"],
        "items": {**_WIDTH, "type": ["integer", "array"], "items": _WIDTH},
    },
)
