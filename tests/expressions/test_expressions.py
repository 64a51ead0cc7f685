"""Expressions: Python's own answer is the oracle where the grammar is Python's."""

import ast
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archdsl.expressions.expression import (
    And,
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Constant,
    ExpressionError,
    Indexed,
    ListOf,
    Names,
    Not,
    Or,
    Signed,
    Tree,
    Variable,
    make_divisible,
)
from archdsl.expressions.parser import parse
from archdsl.expressions.template import parse_template

VALUES: dict[str, Any] = {
    "C": 64, "H": 7, "half": 2.5, "yes": True, "word": "relu", "depths": [3, 4, 6],
    "table": [[1, 16], [6, 24]], "none": None,
}  # fmt: skip
NAMES = Names(VALUES, {"width": lambda size: size * 2})


def value(text: str) -> Any:
    return parse(text)(NAMES)


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    return caught.value


def as_python(text: str) -> Any:
    names = VALUES | {"true": True, "false": False, "max": max, "bool": bool}
    names["width"] = lambda size: size * 2
    return eval(text, {"__builtins__": {}}, names)


@pytest.mark.parametrize(
    "text",
    [
        "1", "1_000", "2.5", ".5", "1e-3", "1.", "true", "false", "C", "depths",
        "1 + 2 * 3", "(1 + 2) * 3", "7 // 2", "-7 // 2", "7 % 3", "-7 % 3", "7 / 2", "1 - 2 - 3",
        "2 ** 3 ** 2", "-2 ** 2", "2 ** -1", "(-2) ** 3", "+C", "- - 3", "100 / 10 / 2",
        "2 ** 62", "1.1 ** 100", "1 ** 1_000_000", "0 * -1",
        "1 < 2", "1 < 2 < 3", "1 < 3 < 2", "3 > 2 >= 2 != 1", "C == 64.0", "C != H",
        "yes and C > 3", "not yes", "not C == 3", "not not yes", "C == 1 or H == 7",
        "false and 1 / 0 == 1", "true or 1 / 0 == 1",
        "C if yes else H", "1 if false else 2 if false else 3", "1 + (2 if C > H else 3)",
        "[1, 2 + 3, C]", "[]", "[1, 2,]", "depths[0]", "depths[-1]", "table[1][0]",
        "depths[1:]", "depths[:2]", "depths[:]", "depths[1:2]", "depths + [9]", "[[1], [2]][1]",
        "depths == [3, 4, 6]", "word == word", "word != 3", "width(C) + 1", "max(1, C, H)",
        "C*(H-1)//2+1", "  C  ", "yes + 1",
    ],
)  # fmt: skip
def test_an_expression_means_what_it_means_in_python(text: str) -> None:
    found, expected = value(text), as_python(text.strip())
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min(3, 2)", 2), ("min([3, 2])", 2), ("max(depths)", 6), ("abs(-2.5)", 2.5),
        ("round(2.5)", 3), ("round(3.5)", 4), ("round(-2.5)", -2), ("round(2.49)", 2),
        ("floor(2.9)", 2), ("floor(-2.1)", -3), ("ceil(2.1)", 3), ("sqrt(9)", 3.0),
        ("sum(depths)", 13), ("sum(depths[:1])", 3), ("len(depths)", 3), ("int(-2.9)", -2),
        ("make_divisible(33, 8)", 32), ("make_divisible(3, 8)", 8), ("make_divisible(10, 8)", 16),
    ],
)  # fmt: skip
def test_functions(text: str, expected: float) -> None:
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


@given(st.floats(1, 5000), st.integers(1, 32))
def test_make_divisible_is_mobilenets(size: float, divisor: int) -> None:
    """The function as the MobileNet authors published it."""
    expected = max(divisor, int(size + divisor / 2) // divisor * divisor)
    if expected < 0.9 * size:
        expected += divisor
    assert make_divisible(size, divisor) == expected
    assert expected % divisor == 0


@pytest.mark.parametrize(
    ("text", "code", "message", "at", "help"),
    [
        ("C.real", "E0301", "`.` does not belong in an expression", (1, 1),
         "expressions have no attributes"),
        ("C + $C", "E0301", "`$` does not belong in an expression", (4, 1),
         "in an expression write the parameter's name without `$`"),
        ("C = 3", "E0301", "`=` does not belong in an expression", (2, 1), "compare with `==`"),
        ("C & H", "E0301", "`&` does not belong in an expression", (2, 1), "write `and`"),
        ("C || H", "E0301", "`|` does not belong in an expression", (2, 1), "write `or`"),
        ("!C", "E0301", "`!` does not belong in an expression", (0, 1), "write `not`"),
        ("{C}", "E0301", "`{` does not belong in an expression", (0, 1),
         "expressions need no braces"),
        ("'relu", "E0301", "`'` does not belong in an expression", (0, 1),
         "a text ends with the quote that it begins with"),
        ("", "E0301", "the expression ends too early", (0, 1), ""),
        ("C +", "E0301", "the expression ends too early", (3, 1), ""),
        ("(C", "E0301", "expected `)` at the end", (2, 1), ""),
        ("max(C", "E0301", "expected `)` at the end", (5, 1), ""),
        ("[C", "E0301", "expected `]` at the end", (2, 1), ""),
        ("max(1 2)", "E0301", "`2` is not expected here, only `,`", (6, 1), ""),
        ("C H", "E0301", "`H` is not expected here", (2, 1), ""),
        ("C, H", "E0301", "`,` is not expected here", (1, 1), ""),
        ("C if H", "E0301", "expected `else` at the end", (6, 1), ""),
        ("else", "E0301", "`else` is not expected here", (0, 4), ""),
        ("lambda: 3", "E0301", "`:` is not expected here", (6, 1), ""),
        ("width + 1", "E0302", "unknown name `width`", (0, 5), ""),
        ("1 + nope(2)", "E0302", "unknown function `nope`", (4, 4), ""),
        ("1 / (C - 64)", "E0303", "division by zero: 1 / 0", (2, 1), ""),
        ("1 % 0", "E0303", "division by zero: 1 % 0", (2, 1), ""),
        ("0 ** -1", "E0303", "division by zero: 0 ** -1", (2, 2), ""),
        ("(-8) ** 0.5", "E0303", "the result of `**` is not a real number", (5, 2), ""),
        ("2 ** 64", "E0303", "2 ** 64 is too large", (2, 2), ""),
        ("2 ** 10 ** 9", "E0303", "2 ** 1000000000 is too large", (2, 2), ""),
        ("1.5 ** 10000", "E0303", "1.5 ** 10000 is too large", (4, 2), ""),
        ("9_000_000_000 * 9_000_000_000", "E0303", "9000000000 * 9000000000 is too large",
         (14, 1), ""),
        ("1e30", "E0303", "the result of `1e30` is too large", (0, 4), ""),
        ("word + 1", "E0303", "`+` does not apply to the word `relu` and 1", (5, 1), ""),
        ("depths * 2", "E0303", "`*` does not apply to [3, 4, 6] and 2", (7, 1), ""),
        ("none < 1", "E0303", "`<` does not apply to nothing and 1", (5, 1), ""),
        ("depths < depths", "E0303", "`<` does not apply to [3, 4, 6] and [3, 4, 6]", (7, 1), ""),
        ("-word", "E0303", "`-` does not apply to -1 and the word `relu`", (0, 1), ""),
        ("depths[3]", "E0303", "index 3 is outside a list of 3", (6, 1), ""),
        ("C[0]", "E0303", "64 cannot be indexed by 0", (1, 1), ""),
        ("depths[half]", "E0303", "[3, 4, 6] cannot be indexed by 2.5", (6, 1), ""),
        ("word[0]", "E0303", "the word `relu` cannot be indexed by 0", (4, 1), ""),
        ("sqrt(-1)", "E0303", "sqrt(-1) has no value", (0, 4), ""),
        ("max(word)", "E0303", "max(the word `relu`) has no value", (0, 3), ""),
        ("len(word)", "E0303", "len(the word `relu`) has no value", (0, 3), ""),
        ("make_divisible(8)", "E0303", "make_divisible(8) has no value", (0, 14), ""),
        ("make_divisible(8, 0)", "E0303", "make_divisible(8, 0) has no value", (0, 14), ""),
        ("min([])", "E0303", "min([]) has no value", (0, 3), ""),
        ("[[[1]]]", "E0106", "lists nested deeper than two", (0, 1), ""),
    ],
)  # fmt: skip
def test_errors_stand_at_their_token(
    text: str, code: str, message: str, at: tuple[int, int], help: str
) -> None:
    error = refused(text)
    assert (error.code, error.message) == (code, message)
    assert ((error.offset, error.length), error.help) == (at, help)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 50 + "1" + ")" * 50, "an expression nested deeper than 40"),
        ("not " * 60 + "true", "an expression nested deeper than 40"),
        ("-" * 60 + "1", "an expression nested deeper than 40"),
        ("2" + "**1" * 60, "an expression nested deeper than 40"),
        ("1 if true else " * 60 + "1", "an expression nested deeper than 40"),
        ("[" + "1," * 400 + "]" + "+ depths" * 0, None),
        ("depths" + " + depths" * 100, None),
    ],
)
def test_size_and_depth_are_bounded(text: str, message: str | None) -> None:
    if message is None:
        assert value(text)
    else:
        assert (refused(text).code, refused(text).message) == ("E0106", message)


def test_the_result_is_bounded() -> None:
    names = Names({"many": list(range(900))}, {})
    with pytest.raises(ExpressionError, match="a list of more than 1,000"):
        parse("many + many")(names)


def test_a_long_chain_is_no_deep_one() -> None:
    assert value("+".join("1" * 500)) == 500
    assert value("depths" + "[:]" * 300) == [3, 4, 6]


def test_an_expression_knows_its_names_and_functions() -> None:
    expression = parse("width(C) + max(C, depths[i]) * C")
    assert expression.names == {"C": 6, "depths": 18, "i": 25}
    assert expression.functions == {"width": 0, "max": 11}


TOKENS = ["1", "2.5", "C", "depths", "word", "half", "(", ")", "[", "]", ",", ":", "+", "-", "*",
          "/", "//", "%", "**", "<", "<=", "==", "!=", "and", "or", "not", "if", "else", "true",
          "max(", "sum(", "width(", "round("]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
@example("2 ** 2 ** 2 ** 2 ** 2 ** 2")
def test_anything_has_a_value_or_an_error(text: str) -> None:
    try:
        found = value(text)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
        assert error.message
    else:
        assert found is None or isinstance(found, bool | int | float | str | list)
        if isinstance(found, float):
            assert math.isfinite(found)


ARITHMETIC = st.recursive(
    st.sampled_from(["1", "2", "3", "C", "H", "half", "0.5", "7"]),
    lambda inner: st.builds(
        "({} {} {})".format,
        inner,
        st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "==", "and", "or"]),
        inner,
    ),
    max_leaves=8,
)


class Truth(ast.NodeTransformer):
    """`and` and `or` give true or false here, in Python one of their sides."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("bool", ast.Load()), [node], [])


@given(ARITHMETIC)
def test_random_arithmetic_is_pythons(text: str) -> None:
    try:
        expected = as_python(ast.unparse(Truth().visit(ast.parse(text, mode="eval"))))
    except ZeroDivisionError:
        assert refused(text).message.startswith("division by zero: ")
        return
    assert value(text) == expected


def translated(tree: Tree) -> str:
    """A syntax tree as Python, with all its parentheses."""
    match tree:
        case Constant(value):
            return repr(value)
        case Variable(name):
            return name
        case Choice(test, then, other):
            return f"({translated(then)} if {translated(test)} else {translated(other)})"
        case Or(parts):
            return f"bool({' or '.join(map(translated, parts))})"
        case And(parts):
            return f"bool({' and '.join(map(translated, parts))})"
        case Not(operand):
            return f"(not {translated(operand)})"
        case Signed(sign, operand):
            return f"({sign.text}{translated(operand)})"
        case Comparison(first, rest):
            shown = "".join(f" {token.text} {translated(one)}" for token, one in rest)
            return f"({translated(first)}{shown})"
        case Arithmetic(first, rest):
            shown = translated(first)
            for token, one in rest:
                shown = f"({shown} {token.text} {translated(one)})"
            return shown
        case Indexed(items, indexes):
            shown = translated(items)
            for one in indexes:
                start, stop = ("" if e is None else translated(e) for e in (one.start, one.stop))
                shown += f"[{start}:{stop}]" if one.slice else f"[{start}]"
            return shown
        case Call(name, arguments):
            return f"{name.text}({', '.join(map(translated, arguments))})"
        case ListOf(_, parts):
            return f"[{', '.join(map(translated, parts))}]"
    raise AssertionError(tree)


@given(
    st.recursive(
        st.sampled_from(["1", "2.5", "C", "H", "half", "yes", "depths[1]", "table[1][0]", "false"]),
        lambda inner: st.one_of(
            st.builds(
                "{} {} {}".format,
                inner,
                st.sampled_from(
                    ["+", "-", "*", "/", "//", "%", "<", "<=", "==", "!=", "and", "or"]
                ),
                inner,
            ),
            st.builds("({})".format, inner),
            st.builds("-{}".format, inner),
            st.builds("({} if {} else {})".format, inner, inner, inner),
            st.builds("not {}".format, inner),
            st.builds("[{}, {}][0]".format, inner, inner),
            st.builds("depths[:{}]".format, st.sampled_from(["1", "2", "-1"])),
            st.builds("max({}, {})".format, inner, inner),
        ),
        max_leaves=10,
    )
)
def test_the_syntax_tree_says_what_the_expression_says(text: str) -> None:
    try:
        tree = parse(text).tree
    except ExpressionError:
        return
    try:
        expected = value(text)
    except ExpressionError:
        return
    assert as_python(translated(tree)) == expected


def test_a_template_holds_expressions_in_braces() -> None:
    names = Names({"row": 1, "id": "3a", "half": 2.0, "real": 0.5, "flag": True}, {})
    assert parse_template("layer{row + 1}").format(names) == "layer2"
    assert parse_template("inception{id}_{row}").format(names) == "inception3a_1"
    assert parse_template("c{half}").format(names) == "c2"
    assert parse_template("plain").format(names) == "plain"
    for text, shown in [("c{real}", "0.5"), ("c{flag}", "true"), ("c{[1]}", "[1]")]:
        with pytest.raises(ExpressionError) as caught:
            parse_template(text).format(names)
        assert (caught.value.code, caught.value.message) == (
            "E0208", f"{shown} cannot be part of a name",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("layer{row", "`{` without its partner", 5),
        ("layer}", "`}` without its partner", 5),
        ("layer{}", "the expression ends too early", 6),
        ("layer{row +}", "the expression ends too early", 11),
    ],
)
def test_errors_in_a_template_stand_at_their_place(text: str, message: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_template(text)
    assert (caught.value.message, caught.value.offset) == (message, offset)


@given(st.lists(st.one_of(st.text("ab {}", max_size=4), st.sampled_from(["n", "word"]))))
def test_a_text_has_braces_as_pythons_format_has(parts: list[str]) -> None:
    values = {"n": 3, "word": "{x}"}
    text = "".join(f"{{{p}}}" if p in values else p.replace("{", "{{").replace("}", "}}")
                   for p in parts)  # fmt: skip
    template = parse_template(text, escapes=True)
    assert template.text == text
    shown = template.format(Names(values, {})) if template.expressions else template.plain
    assert shown == text.format(**values)


@pytest.mark.parametrize(("text", "offset"), [("a{{b}", 4), ("}", 0), ("{{{n", 2)])
def test_a_brace_alone_in_a_text_says_how_it_is_written(text: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_template(text, escapes=True)
    brace = text[offset]
    assert (caught.value.offset, caught.value.help) == (
        offset, f"write `{2 * brace}` for the brace itself",
    )  # fmt: skip


def test_a_template_says_which_names_it_could_be() -> None:
    template = parse_template("layer{row}_x")
    assert template.could_be("layer12_x")
    assert not template.could_be("layer12_y")
    assert not template.could_be("stage1_x")
    assert not parse_template("layer").could_be("layer1")
