"""Scaling rules: functions from a base size to a scaled one (Tan & Le 2019, section 3.3)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archdsl.expressions.expression import make_divisible

Rounding = Literal["up", "down", "nearest"]

RULES: dict[str, Rounding] = {"depth": "up", "width": "nearest", "resolution": "nearest"}
Function = Callable[..., Any]
_SLACK = 1e-9  # 10 * 1.1 is 11.000000000000002 and still 11 layers


@dataclass(frozen=True, slots=True)
class Rule:
    """`size -> size * factor`, rounded to a whole number or a multiple."""

    factor: float = 1.0
    round: Rounding = "nearest"
    multiple_of: int | None = None
    min: int | None = None
    max: int | None = None

    def __call__(self, size: Any) -> Any:
        """The scaled size; a list is scaled item by item."""
        if isinstance(size, list):
            return [self(item) for item in size]
        scaled = self.rounded(size * self.factor)
        if self.min is not None:
            scaled = max(scaled, self.min)
        return scaled if self.max is None else min(scaled, self.max)

    def rounded(self, size: float) -> int:
        unit = self.multiple_of or 1
        if self.round == "up":
            return math.ceil(size / unit - _SLACK) * unit
        if self.round == "down":
            return math.floor(size / unit + _SLACK) * unit
        if self.multiple_of:
            return make_divisible(size, unit)
        return math.floor(size + 0.5)


def functions(rules: Mapping[str, Rule]) -> dict[str, Function]:
    """What expressions may call: the rules, and the identity for those of the three without one."""
    return {**dict.fromkeys(RULES, _identity), **rules}


def _identity(size: Any) -> Any:
    return size


def compound_growth(depth: float, width: float, resolution: float) -> float:
    """How much cost grows per unit of phi: `depth * width^2 * resolution^2`, meant to be near 2."""
    return depth * width**2 * resolution**2
