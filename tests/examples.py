"""How often a property is tried: on few examples by default, on many with a profile of its own.

`pytest --hypothesis-profile many -m property` tries the many.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings


def examples(few: int, many: int) -> int:
    """The number of examples: for what takes long, where the profile's own would be too many."""
    return many if settings.get_current_profile_name() == "many" else few


def some(values: Iterable[Any], every: int) -> list[Any]:
    """The parameters of a test, of which one in `every` is tried by default, all if slow.

    A value that is a tuple is several parameters.
    """
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else [value]),
            marks=[] if i % every == 0 else [pytest.mark.slow],
        )
        for i, value in enumerate(values)
    ]


def pairs(first: Iterable[str], second: Iterable[str], every: int) -> list[Any]:
    """All pairs as parameters of a test, of which one in `every` is tried by default, all if slow.

    Those lie on diagonals: each of the first with some of the second, and the reverse.
    """
    return [
        pytest.param(a, b, marks=[] if (i + j) % every == 0 else [pytest.mark.slow])
        for i, a in enumerate(first)
        for j, b in enumerate(second)
    ]
