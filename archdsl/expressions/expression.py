"""Expressions: a syntax tree that computes, bounded in what it may give.

The grammar is Python's for numbers, names, `+ - * / // % **`, comparisons (also chained),
`and or not`, `a if test else b`, texts in quotes, lists, indexing, and calls of listed functions;
nothing else exists. `and`, `or` and `not` give true or false, and `round` rounds halves up.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_MAGNITUDE = 2.0**63  # of a number that an expression may give
MAX_ITEMS = 1_000  # of a list that an expression may give

Value = Any  # int, float, bool, str or a list of them


class ExpressionError(Exception):
    """What is wrong, at which characters of the expression, and what to write instead."""

    def __init__(
        self, code: str, message: str, offset: int = 0, length: int = 1, help: str = ""
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help
        self.offset, self.length = offset, max(length, 1)


class UnknownName(ExpressionError):
    """A name or function that nothing stands for."""

    def __init__(self, name: str, kind: str, offset: int) -> None:
        super().__init__("E0302", f"unknown {kind} `{name}`", offset, len(name))
        self.name = name


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in an expression stand for."""

    values: Mapping[str, Value]
    functions: Mapping[str, Callable[..., Value]]


@dataclass(frozen=True, slots=True)
class Token:
    """A number, name, text or operator, and where it begins."""

    kind: str
    text: str
    offset: int

    def error(self, code: str, message: str, help: str = "") -> ExpressionError:
        return ExpressionError(code, message, self.offset, len(self.text), help)


def make_divisible(value: float, divisor: float) -> int:
    """The multiple of `divisor` nearest to `value`, at least `divisor`, never under 0.9 `value`.

    MobileNet's rounding of channel counts (Sandler et al. 2018).
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * value:
        rounded += divisor
    return int(rounded)


def counted(first: float, end: float | None = None) -> list[int]:
    """`range(n)` or `range(a, b)` as a list, no longer than it takes to be refused."""
    ends = [0, first] if end is None else [first, end]
    if any(isinstance(n, bool) or int(n) != n for n in ends):
        raise ValueError
    return [*range(*map(int, ends))[: MAX_ITEMS + 1]]


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "min": lambda *v: min(v[0] if len(v) == 1 else v),
    "max": lambda *v: max(v[0] if len(v) == 1 else v),
    "abs": abs,
    "round": lambda v: math.floor(v + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "sum": sum,
    "len": len,
    "int": int,
    "range": counted,
    "make_divisible": make_divisible,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": operator.floordiv, "%": operator.mod, "**": operator.pow,
}  # fmt: skip


# the syntax tree


class Tree:
    """A part of an expression."""

    __slots__ = ()

    def value(self, names: Names) -> Value:
        """What it gives; raises ExpressionError at the token that has no value."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Constant(Tree):
    """A number, `true` or `false`, or a text in quotes."""

    constant: Value

    def value(self, names: Names) -> Value:
        return self.constant


@dataclass(frozen=True, slots=True)
class Variable(Tree):
    """A name."""

    name: str
    offset: int

    def value(self, names: Names) -> Value:
        try:
            return names.values[self.name]
        except KeyError:
            raise UnknownName(self.name, "name", self.offset) from None


@dataclass(frozen=True, slots=True)
class Choice(Tree):
    """`then if test else other`."""

    test: Tree
    then: Tree
    other: Tree

    def value(self, names: Names) -> Value:
        return self.then.value(names) if self.test.value(names) else self.other.value(names)


@dataclass(frozen=True, slots=True)
class Or(Tree):
    """`a or b or c`: true or false."""

    parts: tuple[Tree, ...]

    def value(self, names: Names) -> Value:
        return any(part.value(names) for part in self.parts)


@dataclass(frozen=True, slots=True)
class And(Tree):
    """`a and b and c`: true or false."""

    parts: tuple[Tree, ...]

    def value(self, names: Names) -> Value:
        return all(part.value(names) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not(Tree):
    """`not a`: true or false."""

    operand: Tree

    def value(self, names: Names) -> Value:
        return not self.operand.value(names)


@dataclass(frozen=True, slots=True)
class Comparison(Tree):
    """`a < b <= c`: every operand compared with the next; false behind the first that fails."""

    first: Tree
    rest: tuple[tuple[Token, Tree], ...]

    def value(self, names: Names) -> Value:
        left = self.first.value(names)
        for token, operand in self.rest:
            right = operand.value(names)
            if not _compute(token, COMPARISONS[token.text], left, right):
                return False
            left = right
        return True


@dataclass(frozen=True, slots=True)
class Arithmetic(Tree):
    """`a + b - c`: operators of one strength, from the left; `**` has one in `rest`."""

    first: Tree
    rest: tuple[tuple[Token, Tree], ...]

    def value(self, names: Names) -> Value:
        value = self.first.value(names)
        for token, operand in self.rest:
            value = _compute(token, OPERATIONS[token.text], value, operand.value(names))
        return value


@dataclass(frozen=True, slots=True)
class Signed(Tree):
    """`-a` or `+a`."""

    sign: Token
    operand: Tree

    def value(self, names: Names) -> Value:
        factor = -1 if self.sign.text == "-" else 1
        return _compute(self.sign, operator.mul, factor, self.operand.value(names))


@dataclass(frozen=True, slots=True)
class Index:
    """`[start]`, or with `slice` `[start:stop]`."""

    bracket: Token
    slice: bool
    start: Tree | None
    stop: Tree | None

    def of(self, items: Value, names: Names) -> Value:
        """The part of a list."""
        start: Any = None if self.start is None else self.start.value(names)
        stop: Any = None if self.stop is None else self.stop.value(names)
        whole = all(isinstance(end, int) for end in (start, stop) if end is not None)
        if not isinstance(items, list) or not whole:
            message = f"{describe(items)} cannot be indexed by {describe(start)}"
            raise self.bracket.error("E0303", message)
        if self.slice:
            return items[start:stop]
        if not -len(items) <= start < len(items):
            message = f"index {start} is outside a list of {len(items)}"
            raise self.bracket.error("E0303", message)
        return items[start]


@dataclass(frozen=True, slots=True)
class Indexed(Tree):
    """`items[a][b:c]`."""

    items: Tree
    indexes: tuple[Index, ...]

    def value(self, names: Names) -> Value:
        value = self.items.value(names)
        for index in self.indexes:
            value = index.of(value, names)
        return value


@dataclass(frozen=True, slots=True)
class Call(Tree):
    """A function of some arguments."""

    name: Token
    arguments: tuple[Tree, ...]

    def value(self, names: Names) -> Value:
        name = self.name.text
        function = FUNCTIONS.get(name) or names.functions.get(name)
        if function is None:
            raise UnknownName(name, "function", self.name.offset)
        values = [argument.value(names) for argument in self.arguments]
        try:
            if any(isinstance(value, str) for value in values):
                raise TypeError
            return bounded(function(*values), self.name)
        except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
            shown = ", ".join(describe(v) for v in values)
            raise self.name.error("E0303", f"{name}({shown}) has no value") from None


@dataclass(frozen=True, slots=True)
class ListOf(Tree):
    """`[a, b]`."""

    bracket: Token
    parts: tuple[Tree, ...]

    def value(self, names: Names) -> Value:
        return bounded([part.value(names) for part in self.parts], self.bracket)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; call it with the names it may use.

    `names` and `functions` are those it mentions, each with the place of its first mention;
    `measured` the names of which only the length counts.
    """

    text: str
    tree: Tree
    names: Mapping[str, int]
    functions: Mapping[str, int]
    measured: frozenset[str] = frozenset()

    def __call__(self, names: Names) -> Value:
        return self.tree.value(names)


def _compute(token: Token, operation: Callable[[Any, Any], Any], a: Value, b: Value) -> Value:
    """`a` and `b` under one operator; words and lists can only be compared, lists also joined."""
    try:
        if token.text == "**" and isinstance(a, int) and isinstance(b, int):
            if abs(a) > 1 and a.bit_length() * b > 128:
                raise OverflowError
        elif isinstance(a, str | list) or isinstance(b, str | list):
            joined = token.text == "+" and isinstance(a, list) and isinstance(b, list)
            if not joined and token.text not in ("==", "!="):
                raise TypeError
        result = operation(a, b)
        if isinstance(result, int | float) and not abs(result) <= MAX_MAGNITUDE:
            raise OverflowError
        return bounded(result, token)
    except ZeroDivisionError:
        shown = f"{describe(a)} {token.text} {describe(b)}"
        raise token.error("E0303", f"division by zero: {shown}") from None
    except OverflowError:
        shown = f"{describe(a)} {token.text} {describe(b)}"
        raise token.error("E0303", f"{shown} is too large") from None
    except TypeError:
        message = f"`{token.text}` does not apply to {describe(a)} and {describe(b)}"
        raise token.error("E0303", message) from None


def bounded(value: Value, token: Token) -> Value:
    """A value that is not too large; else raises ExpressionError at the token that gave it."""
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            raise token.error("E0106", f"a list of more than {MAX_ITEMS:,}")
        if any(isinstance(part, list) for item in value if isinstance(item, list) for part in item):
            raise token.error("E0106", "lists nested deeper than two")
    elif isinstance(value, int | float):
        if not abs(value) <= MAX_MAGNITUDE:
            raise token.error("E0303", f"the result of `{token.text}` is too large")
    elif isinstance(value, complex):
        raise token.error("E0303", f"the result of `{token.text}` is not a real number")
    return value


def describe(value: Value) -> str:
    """A value as a message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the word `{value}`"
    if isinstance(value, list | tuple):
        shown = [_described(part) for part in value[:6]]
        return "[" + ", ".join(shown) + (", ...]" if len(value) > 6 else "]")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _described(part: Any) -> str:
    """A part of a list as a message shows it."""
    if isinstance(part, str):
        return part
    return "[...]" if isinstance(part, list | tuple) else describe(part)
