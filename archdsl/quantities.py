"""Numbers as people write them: `4G`, `25.6M`, `1_000`."""

import re

from archdsl.diagnostics import UsageError

UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
_NUMBER = re.compile(r"([\d_]*\.?[\d_]*(?:e[+-]?\d+)?)\s*([kmgbt]?)", re.IGNORECASE)


def number(text: str) -> float:
    """The number in a text such as `4G`; raises UsageError if there is none."""
    found = _NUMBER.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        return float(found[1].replace("_", "")) * UNITS[found[2].lower()]
    except ValueError:
        raise UsageError(f"`{text}` is not a number (4G, 25.6M, 1e9)") from None
