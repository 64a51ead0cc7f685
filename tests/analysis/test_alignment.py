"""Which entries of one sequence are which of another."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.analysis import alignment
from archdsl.analysis.alignment import aligned
from tests.steps import LINEAR, growth

LETTERS = st.text("abcd", max_size=30)
WORDS = st.lists(st.integers(0, 60), max_size=60)


def most_pairs(old: str, new: str) -> int:
    """The length of the longest common subsequence, by the textbook's table."""
    row = [0] * (len(new) + 1)
    for one in old:
        before, row = row, [0]
        for n, other in enumerate(new):
            row.append(before[n] + 1 if one == other else max(before[n + 1], row[n]))
    return row[-1]


@given(LETTERS, LETTERS)
def test_few_differences_are_the_fewest(old: str, new: str) -> None:
    pairs = aligned(old, new)
    assert len(pairs) == most_pairs(old, new)
    assert all(old[a] == new[b] for a, b in pairs)


@given(WORDS, WORDS, st.integers(0, 10))
def test_many_differences_are_aligned_too(old: list[int], new: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "MOST", most)
        pairs = aligned(old, new)
    assert all(old[a] == new[b] for a, b in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    if old == new:
        assert len(pairs) == len(old)


def test_what_is_put_between_others_again_and_again_leaves_them_together() -> None:
    assert len(aligned("a" * 3000, "ab" * 3000)) == 3000
    old, new = [*range(3000)], [n // 2 if n % 2 else -n for n in range(6000)]
    assert len(aligned(old, new)) == 3000


SHAPES = {
    "nothing in common": lambda n: (["a"] * n, ["b"] * n),
    "the same": lambda n: (["a"] * n, ["a"] * n),
    "all different": lambda n: (range(n), range(n, 2 * n)),
    "backwards": lambda n: (range(n), range(n)[::-1]),
    "one between two": lambda n: (["a"] * n, ["a", "b"] * n),
    "few words": lambda n: ([i * i % 7 for i in range(n)], [i * i % 11 for i in range(n)]),
    "shifted": lambda n: (range(n), range(300, n + 300)),
    "halves": lambda n: (["a"] * n + ["b"] * n, ["b"] * n + ["a"] * n),
    "pairs": lambda n: ([i // 2 for i in range(n)], [i // 3 for i in range(n)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_grows_with_the_length(shape: str) -> None:
    assert growth(lambda n: aligned(*SHAPES[shape](n)), 1_500) < LINEAR
