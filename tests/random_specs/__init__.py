"""Random specs that are right, and a naive reading of them: a hypothesis strategy.

Every item is tried in the naive reading before it is kept, so that whatever comes out has shapes
that fit, names that differ and results that something uses.
"""

from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.random_specs.document import Documents
from tests.random_specs.naive import Naive


def spec(seed: int, size: int) -> tuple[dict[str, Any], Naive]:
    """A spec as plain data, and its naive reading."""
    return Documents(Random(seed), size).document()


def specs() -> st.SearchStrategy[tuple[dict[str, Any], Naive]]:
    """Specs of any size; a failing one shrinks to the smallest size that fails."""
    return st.builds(spec, st.integers(0, 2**64), st.integers(1, 6))
