"""Small specs that say hostile things, through all that is made of a spec.

`python -m tests.fuzz.texts` does the same for as many as wanted.
"""

from collections import Counter

import pytest

from tests.fuzz.texts import harmless, hold_figure, hold_table, judge, mutant

NUMBERS = 80


def test_hostile_texts_end_in_errors_or_in_what_they_say() -> None:
    assert harmless().nodes
    found = [judge(number) for number in range(NUMBERS)]
    assert [record for record in found if record["outcome"] == "failed"] == []
    outcomes = Counter(record["outcome"] for record in found)
    assert min(outcomes["built"], outcomes["rejected"]) > NUMBERS // 10
    assert max(record["seconds"] for record in found) < 10


def test_a_number_is_always_the_same_spec() -> None:
    assert [mutant(number) for number in range(20)] == [mutant(number) for number in range(20)]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".svg", "<svg><script/></svg>"),
        (".svg", '<svg onload="x"/>'),
        (".svg", '<svg><a xmlns:l="l" l:href="x"/></svg>'),
        (".tex", "\\node {\\input{x}};"),
        (".dot", "a\u202eb"),
        (".pdf", "text"),
    ],
)
def test_what_a_figure_must_not_hold_is_found(suffix: str, text: str) -> None:
    with pytest.raises(AssertionError):
        hold_figure(suffix, text.encode())


@pytest.mark.parametrize(
    ("format", "text"),
    [("csv", "a,=1+1"), ("markdown", "<b>x</b>"), ("table", "\x1b[31m"), ("latex", "\u2028")],
)
def test_what_a_table_must_not_hold_is_found(format: str, text: str) -> None:
    with pytest.raises(AssertionError):
        hold_table(format, text)
