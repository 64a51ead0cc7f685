"""Numbers as people write them: `4G`, `25.6M`, `1_000`."""

import math
import re
from decimal import Decimal
from typing import NamedTuple, TypeGuard

from archdsl.diagnostics.errors import UsageError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_QUANTITY = re.compile(
    r"((?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d{1,3})?)\s*([kmgbt]?)", re.IGNORECASE
)


class Quantity(NamedTuple):
    """A number, and what a 1 in its last digit stands for: 100,000 in `25.6M`."""

    value: Decimal
    last_digit: Decimal


def read_quantity(text: str) -> Quantity | None:
    """The number in a text such as `4.09G`, if there is one."""
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        return None
    digits, unit = Decimal(found[1].replace("_", "")), UNITS[found[2].lower()]
    return Quantity(digits * unit, Decimal((0, (1,), int(digits.as_tuple().exponent))) * unit)


def number(text: str) -> float:
    """The number in a text such as `4G`; raises UsageError if there is none."""
    found = read_quantity(text)
    if found is None:
        raise UsageError(f"`{text}` is not a number (4G, 25.6M, 1e9)")
    if not math.isfinite(float(found.value)):
        raise UsageError(f"`{text[:40]}` is too large a number")
    return float(found.value)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is one number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def rounded(number: int) -> str:
    """Three digits of a number: `25.6M`."""
    unit = next((unit for unit in "tgmk" if number >= UNITS[unit]), "")
    return f"{number / UNITS[unit]:.3g}{unit.upper()}"


def quantity(number: int) -> str:
    """A count in a reader's digits: `25.56 M`, `4.09 G`, `640`."""
    for unit, name in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")):
        if number >= unit * 0.999995:  # from there on it rounds to 1.00
            return f"{number / unit:.2f} {name}"
    return str(number)


def share(part: float, whole: float) -> str:
    """A part in percent: `12.3%`, nothing for nothing."""
    return f"{100 * part / whole:.1f}%" if part else ""
