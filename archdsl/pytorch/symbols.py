"""What expressions become: values where they are known, Python's syntax where they vary."""

import ast
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from archdsl.expressions.expression import (
    ExpressionError,
    Names,
)
from archdsl.expressions.parser import parse
from archdsl.expressions.scaling import Rule
from archdsl.pytorch.python import as_syntax, call, identifiers, name

_OPS: dict[str, type[ast.operator]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "%": ast.Mod,
    "**": ast.Pow,
}  # fmt: skip


class Fixed(Exception):
    """What is written for some value holds only for the one it has: these names must be known."""

    def __init__(self, names: Iterable[str], why: str = "") -> None:
        self.names = frozenset(names)
        super().__init__(why or ", ".join(sorted(self.names)))


class Sized(Fixed):
    """What is made depends on the size of a map: these parameters must be given, not measured."""


@dataclass(frozen=True, eq=False)
class Symbol:
    """A value that the source computes: its expression and type.

    `length` is that of a list; `names` are the parameters and loop variables in it; what is
    `counted` is 0 or more.
    """

    syntax: ast.expr
    type: str = "int"
    length: int | None = None
    names: frozenset[str] = field(default=frozenset())
    parts: str = "int"  # the type of a list's parts
    counted: bool = False

    def __bool__(self) -> bool:
        raise Fixed(self.names)

    def __iter__(self) -> NoReturn:
        raise Fixed(self.names)

    def __add__(self, other: Any) -> Any:
        return binary("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return binary("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return binary("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return binary("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return binary("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return binary("*", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return binary("//", self, other)

    def __neg__(self) -> "Symbol":
        return Symbol(ast.UnaryOp(ast.USub(), self.syntax), self.type, None, self.names)

    def has(self, title: str) -> bool:
        """Whether a name stands in its expression."""
        return title in identifiers(self.syntax)

    def same(self, other: Any) -> bool:
        return isinstance(other, Symbol) and ast.dump(self.syntax) == ast.dump(other.syntax)


def same(a: Any, b: Any) -> bool:
    """Whether two values are one, whatever the parameters."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return isinstance(a, Symbol) and a.same(b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def names_in(*values: Any) -> frozenset[str]:
    """The parameters and loop variables that values depend on."""
    found: frozenset[str] = frozenset()
    for value in values:
        if isinstance(value, Symbol):
            found |= value.names
        elif isinstance(value, list | tuple):
            found |= names_in(*value)
        elif hasattr(value, "arguments"):
            found |= names_in(*value.arguments.values())
    return found


def known(*values: Any) -> bool:
    """Whether nothing in the values varies."""
    return all(
        not isinstance(v, Symbol)
        and (not isinstance(v, list | tuple) or known(*v))
        and (not isinstance(v, dict) or known(*v.values()))
        for v in values
    )


def type_of(value: Any) -> str:
    if isinstance(value, Symbol):
        return value.type
    return "list" if isinstance(value, list | tuple) else type(value).__name__


def symbol(syntax: ast.expr, type: str, *given: Any, length: int | None = None) -> Symbol:
    return Symbol(syntax, type, length, names_in(*given))


def evaluated(text: str, values: Mapping[str, Any], functions: Mapping[str, Any]) -> Any:
    """An expression of values that are known."""
    try:
        return parse(text)(Names(values, functions))
    except ExpressionError as error:
        raise Fixed((), error.message) from error


def binary(sign: str, a: Any, b: Any) -> Any:
    """`a sign b`, without what adds nothing."""
    if known(a, b):
        return evaluated(f"a {sign} b", {"a": a, "b": b}, {})
    match a:
        case Symbol(syntax=ast.IfExp(test, ast.Constant(int(one)), ast.Constant(int(other)))) if (
            type(b) is int and sign in ("+", "-")
        ):
            sides = (ast.Constant(evaluated(f"{n} {sign} {b}", {}, {})) for n in (one, other))
            return replace(a, syntax=ast.IfExp(test, *sides))
    match b:
        case Symbol(syntax=ast.BinOp(left=whole, op=ast.Sub(), right=rest)) if sign == "+":
            if ast.dump(rest) == ast.dump(as_syntax(a)) and not isinstance(whole, ast.Constant):
                return replace(b, syntax=whole)  # what is left of it, and the rest
    types = {type_of(a), type_of(b)}
    if "list" in types:
        lengths = [len(v) if isinstance(v, list) else v.length for v in (a, b)]
        length = None if None in lengths else sum(lengths)
        return symbol(ast.BinOp(_listed(a), _OPS[sign](), _listed(b)), "list", a, b, length=length)
    if (sign in ("*", "//", "**") and same(b, 1)) or (sign in ("+", "-") and same(b, 0)):
        return a
    if (sign == "*" and same(a, 1)) or (sign == "+" and same(a, 0)):
        return b
    if same(a, 0) and sign in ("*", "//") and types <= {"int", "bool"}:
        return 0
    kind = "float" if "float" in types or sign == "/" else "int"
    if sign == "//" and kind == "int" and isinstance(a, Symbol):
        match a.syntax:
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if ast.dump(left) == ast.dump(
                as_syntax(b)
            ):
                return right.value if isinstance(right, ast.Constant) else replace(a, syntax=right)
    if sign in ("+", "-") and kind == "int":
        shorter = _collected(sign, a, b)
        if shorter is not None:
            return shorter
    if sign == "**" and isinstance(b, Symbol) and not b.counted:
        kind = "float"  # of a negative power
    return symbol(ast.BinOp(as_syntax(a), _OPS[sign](), as_syntax(b)), kind, a, b)


def _collected(sign: str, a: Any, b: Any) -> Any:
    """`3 * x` for `2 * x + x`, `y` for `x + y - x`; None where nothing comes together."""
    factored = _factored(sign, a, b)
    if factored is not None:
        return factored
    (many, x), (more, y) = _multiple(a), _multiple(b)
    if isinstance(x, Symbol) and same(x, y):
        return binary("*", many + more if sign == "+" else many - more, x)
    if isinstance(a, Symbol) and type(b) is int:
        match a.syntax:
            case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=int(n))):
                return binary("+", replace(a, syntax=left), n + b if sign == "+" else n - b)
    if sign == "-" and isinstance(a, Symbol):
        match a.syntax:
            case ast.BinOp(left=left, op=ast.Add(), right=right) if ast.dump(left) == ast.dump(
                as_syntax(b)
            ):
                return Symbol(right, "int", None, a.names)
    if sign == "-" and isinstance(b, Symbol):
        match b.syntax:
            case ast.BinOp(left=left, op=ast.Sub(), right=right) if ast.dump(left) == ast.dump(
                as_syntax(a)
            ):
                return Symbol(right, "int", None, b.names)
    return None


def _factored(sign: str, a: Any, b: Any) -> Any:
    """`c` for `(k + 1) * c - k * c`, `n * c` for `(n - 1) * c + c`; None for others."""
    if not isinstance(a, Symbol) or not isinstance(b, Symbol):
        return None
    match a.syntax, b.syntax:
        case (
            ast.BinOp(left=one, op=ast.Mult(), right=c),
            ast.BinOp(left=other, op=ast.Mult(), right=d),
        ) if ast.dump(c) == ast.dump(d):
            many: Any = _difference(one, other) if sign == "-" else None
        case ast.BinOp(
            left=ast.BinOp(left=n, op=ast.Sub(), right=ast.Constant(value=1)),
            op=ast.Mult(),
            right=c,
        ), d if ast.dump(c) == ast.dump(d) and sign == "+":
            many = Symbol(n, "int", None, a.names)
        case _:
            return None
    return None if many is None else binary("*", many, replace(b, syntax=c))


def _difference(one: ast.expr, other: ast.expr) -> int | None:
    """The number that two terms are apart, if that is known: `k + 1` and `k` are 1."""
    match one, other:
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=int(n))), _ if ast.dump(
            left
        ) == ast.dump(other):
            return n
        case ast.Constant(value=int(n)), ast.Constant(value=int(m)):
            return n - m
    return None


def _multiple(value: Any) -> tuple[int, Any]:
    """How often what is in a value: `2 * x` is twice x."""
    if isinstance(value, Symbol):
        match value.syntax:
            case ast.BinOp(left=ast.Constant(value=int(many)), op=ast.Mult(), right=inner):
                return many, Symbol(inner, "int", None, value.names)
    return 1, value


def _listed(value: Any) -> ast.expr:
    """A list where others are joined to it; the parameters that are lists may be tuples."""
    return as_syntax(value) if isinstance(value, list) else call("list", value)


def whole(value: Any) -> Any:
    """A value where PyTorch needs an int."""
    if isinstance(value, Symbol) and value.type == "float":
        return symbol(call("int", value), "int", value)
    return value


def negation(value: Any) -> Any:
    if not isinstance(value, Symbol):
        return not value
    match value.syntax:
        case ast.UnaryOp(op=ast.Not(), operand=inner) if value.type == "bool":
            return symbol(inner, "bool", value)
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=others):
            return symbol(ast.Compare(left, [ast.NotEq()], others), "bool", value)
        case ast.Compare(left=left, ops=[ast.NotEq()], comparators=others):
            return symbol(ast.Compare(left, [ast.Eq()], others), "bool", value)
    return symbol(ast.UnaryOp(ast.Not(), value.syntax), "bool", value)


def element(items: Any, index: Any) -> Any:
    """`items[index]`."""
    if isinstance(items, list) and not isinstance(index, Symbol):
        return items[index]
    if isinstance(items, Symbol) and isinstance(items.syntax, ast.Subscript):
        part = items.syntax.slice
        starts = isinstance(part, ast.Slice) and part.lower is None
        if starts and isinstance(index, int) and index >= 0:  # it begins as the list does
            return symbol(ast.Subscript(items.syntax.value, as_syntax(index)), items.parts, items)
    kind = items.parts if isinstance(items, Symbol) else type_of(items[0])
    return symbol(ast.Subscript(as_syntax(items), as_syntax(index)), kind, items, index)


def sliced(items: Any, start: Any, stop: Any) -> Any:
    if known(items, start, stop) or (isinstance(items, list) and known(start, stop)):
        return items[start:stop]
    length = None
    if known(start, stop):
        count = items.length if isinstance(items, Symbol) else len(items)
        length = None if count is None else len(range(count)[start:stop])
    ends = [None if end is None else as_syntax(end) for end in (start, stop)]
    syntax = ast.Subscript(as_syntax(items), ast.Slice(ends[0], ends[1]))
    parts = items.parts if isinstance(items, Symbol) else type_of(items[0])
    made = symbol(syntax, "list", items, start, stop, length=length)
    return Symbol(made.syntax, "list", length, made.names, parts)


def variable(title: str, type: str, value: Any = None, length: int | None = None) -> Symbol:
    """A parameter or loop variable."""
    parts = type_of(value[0]) if isinstance(value, list) and value else "int"
    return Symbol(name(title), type, length, frozenset([title]), parts)


def rule_body(rule: Rule) -> ast.expr:
    """What a scaling rule makes of a `size`."""
    scaled = ast.Name("size") if rule.factor == 1 else ast.BinOp(
        ast.Name("size"), ast.Mult(), as_syntax(rule.factor))  # fmt: skip
    unit = rule.multiple_of or 1
    if rule.round in ("up", "down"):
        up = rule.round == "up"
        per = scaled if unit == 1 else ast.BinOp(scaled, ast.Div(), as_syntax(unit))
        slack = ast.BinOp(per, ast.Sub() if up else ast.Add(), as_syntax(1e-9))
        made: ast.expr = call("math.ceil" if up else "math.floor", slack)
        made = made if unit == 1 else ast.BinOp(made, ast.Mult(), as_syntax(unit))
    elif rule.multiple_of:
        made = call("make_divisible", scaled, unit)
    else:
        made = call("math.floor", ast.BinOp(scaled, ast.Add(), as_syntax(0.5)))
    made = made if rule.min is None else call("max", made, rule.min)
    return made if rule.max is None else call("min", made, rule.max)


NAMES = 200  # that a size reads


class Expanded(ast.NodeTransformer):
    """Variables as what they stand for; a size that reads more than `NAMES` is not written out.

    Each may read the one before it twice, so that a size may be as long as two to their number.
    """

    def __init__(self, lets: Mapping[str, ast.expr]) -> None:
        self.lets, self.read = lets, 0

    def visit_Name(self, node: ast.Name) -> ast.expr:
        self.read += 1
        if self.read > NAMES:
            raise Fixed((), "a size that is too long to write")
        found: ast.expr = self.visit(deepcopy(self.lets[node.id])) if node.id in self.lets else node
        return found
