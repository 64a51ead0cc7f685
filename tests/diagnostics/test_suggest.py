"""What was probably meant, among however many names."""

from difflib import get_close_matches

from hypothesis import given
from hypothesis import strategies as st

from archdsl.diagnostics.suggest import LONG, did_you_mean, nearest
from tests.steps import LINEAR, growth

NAME = st.text("abcdqz_9", min_size=1, max_size=9)


@given(NAME, st.sets(NAME, min_size=1, max_size=18))
def test_the_name_most_alike_is_found(name: str, known: set[str]) -> None:
    found = nearest(name, known)
    expected = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    same = {word for word in known if word.replace("_", "") == name.replace("_", "")}
    assert found in same if same else [found] == expected or (found is None and not expected)


def test_long_names_are_compared_with_none() -> None:
    long = "a" * LONG
    assert nearest(f"{long}b", [f"{long}c"]) is None
    assert nearest(f"{long}b", [f"{long}b"]) == f"{long}b"
    assert did_you_mean("x" * 500_000, ["a", "b"]) == "known: a, b"


def test_the_work_grows_with_the_names() -> None:
    def look(n: int) -> None:
        for other in range(10):
            did_you_mean(f"paramater_{other}", [f"parameter_{k}" for k in range(n)])

    assert growth(look, 200) < LINEAR
    assert growth(look, 2_000) < LINEAR
