"""Text, numbers and docstrings as Python reads them back."""

import ast
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.pytorch.literals import WIDTH, docstring, literal
from archdsl.pytorch.python import lines_of

hostile = st.text(st.one_of(st.characters(), st.sampled_from("\"'\\\n\r{}#%\0\u202e\u2028 ")))
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    hostile,
)  # fmt: skip
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)


@given(values)
def test_a_literal_is_the_value_exactly(value: Any) -> None:
    text = literal(value)
    assert repr(ast.literal_eval(text)) == repr(value)  # -0.0, 1 and True are told apart
    assert text.isprintable()


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, (1, math.nan)])
def test_infinity_and_nan_have_no_literal(value: Any) -> None:
    with pytest.raises(ValueError, match="no literal"):
        literal(value)


class Text(str):
    def __repr__(self) -> str:
        return "evil()"


@pytest.mark.parametrize("value", [[1], {1: 2}, b"", 1j, Text("a"), object(), print])
def test_nothing_else_has_a_literal(value: Any) -> None:
    with pytest.raises(TypeError, match="no literal"):
        literal(value)


@given(st.lists(hostile, max_size=4), st.sampled_from([0, 4, 8]))
def test_a_docstring_says_the_words_and_ends_nowhere_else(texts: list[str], indent: int) -> None:
    lines = docstring(texts, indent)
    (statement,) = ast.parse("if 1:\n" + "\n".join(lines) if indent else "\n".join(lines)).body
    if indent:
        assert isinstance(statement, ast.If)
        (statement,) = statement.body
    assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    shown = "".join("".join(c if c.isprintable() else " " for c in t) for t in texts)
    assert "".join(statement.value.value.split()) == "".join(shown.split())
    assert all(len(line) <= WIDTH and line.isprintable() for line in lines)


def test_a_docstring_is_wrapped_at_words() -> None:
    assert docstring(["A text.", "", "Another"], 4) == [
        '    """A text.', "", "    Another", '    """',
    ]  # fmt: skip
    first, second, end = docstring([f"{'a' * 60} {'b' * 60}"])
    assert (first, second, end) == (f'"""{"a" * 60}', "b" * 60, '"""')


def test_what_is_deleted_stands_on_lines_without_parentheses_which_torchscript_takes() -> None:
    short, names = ast.parse("del a, b").body, [f"result_{n}" for n in range(12)]
    assert lines_of(short, 8) == ["        del a, b"]
    lines = lines_of(ast.parse(f"del {', '.join(names)}").body, 8)
    assert len(lines) == 2 and all(len(line) <= WIDTH for line in lines)
    assert ", ".join(line.removeprefix("        del ") for line in lines) == ", ".join(names)
