"""Expressions: parsed once, evaluated often, bounded in size and in what they compute.

The grammar is Python's for numbers, names, `+ - * / // % **`, comparisons (also chained),
`and or not`, `a if test else b`, lists, indexing, and calls of listed functions; nothing else
exists. `and`, `or` and `not` give true or false, and `round` rounds halves up.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_DEPTH = 40  # nested parentheses, brackets and operators
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


Evaluate = Callable[[Names], Value]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; call it with the names it may use.

    `names` and `functions` are those it mentions, each with the place of its first mention.
    """

    text: str
    names: Mapping[str, int]
    functions: Mapping[str, int]
    evaluate: Evaluate

    def __call__(self, names: Names) -> Value:
        return self.evaluate(names)


def make_divisible(value: float, divisor: float) -> int:
    """The multiple of `divisor` nearest to `value`, at least `divisor`, never under 0.9 `value`.

    MobileNet's rounding of channel counts (Sandler et al. 2018).
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * value:
        rounded += divisor
    return int(rounded)


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
    "make_divisible": make_divisible,
}

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)|(?P<op>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],:]))"
)
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_BINARY: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "+": (1, operator.add), "-": (1, operator.sub),
    "*": (2, operator.mul), "/": (2, operator.truediv), "//": (2, operator.floordiv),
    "%": (2, operator.mod), "**": (4, operator.pow),
}  # fmt: skip
_UNARY = 3  # between `*` and `**`: -2 ** 2 is -4
_WORDS = {"and", "or", "not", "if", "else", "true", "false"}
_CONSTANTS = {"true": True, "false": False}
_FOREIGN = {
    ".": "expressions have no attributes",
    "$": "in an expression write the parameter's name without `$`",
    "=": "compare with `==`",
    "!": "write `not`",
    "&": "write `and`",
    "|": "write `or`",
    "{": "expressions need no braces",
    "#": "a comment needs a space before its `#`",
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int

    def error(self, code: str, message: str, help: str = "") -> ExpressionError:
        return ExpressionError(code, message, self.offset, len(self.text), help)


@lru_cache(maxsize=20_000)
def parse(text: str) -> Expression:
    """Reads an expression; raises ExpressionError with the place of what can't be read."""
    parser = _Parser(text)
    evaluate = parser.ternary()
    if parser.peek():
        raise parser.unexpected()
    return Expression(text, parser.names, parser.functions, evaluate)


def _tokens(text: str) -> list[_Token]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            message = f"`{rest[0]}` does not belong in an expression"
            help = _FOREIGN.get(rest[0], "")
            raise ExpressionError("E0301", message, len(text) - len(rest), 1, help)
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        position = match.end()
    return tokens


class _Parser:
    """Precedence climbing; every method returns the closure that computes what it read."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.position, self.depth = text, _tokens(text), 0, 0
        self.names: dict[str, int] = {}
        self.functions: dict[str, int] = {}

    def peek(self) -> str:
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def next(self) -> _Token:
        if self.position >= len(self.tokens):
            raise ExpressionError("E0301", "the expression ends too early", len(self.text))
        self.position += 1
        return self.tokens[self.position - 1]

    def accept(self, text: str) -> bool:
        found = self.peek() == text
        self.position += found
        return found

    def expect(self, text: str) -> None:
        if self.accept(text):
            return
        if not self.peek():
            raise ExpressionError("E0301", f"expected `{text}` at the end", len(self.text))
        raise self.unexpected(f", only `{text}`")

    def unexpected(self, but: str = "") -> ExpressionError:
        token = self.next()
        sizes = re.fullmatch(r"(\d+)x(\d+)", self.text)
        help = f"one number per axis is a list: [{sizes[1]}, {sizes[2]}]" if sizes else ""
        return token.error("E0301", f"`{token.text}` is not expected here{but}", help)

    @contextmanager
    def nested(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"an expression nested deeper than {MAX_DEPTH}"
            raise ExpressionError("E0106", message, 0, len(self.text))
        yield
        self.depth -= 1

    def ternary(self) -> Evaluate:
        with self.nested():
            value = self.either()
            if not self.accept("if"):
                return value
            test = self.either()
            self.expect("else")
            other = self.ternary()
            return lambda n: value(n) if test(n) else other(n)

    def either(self) -> Evaluate:
        parts = [self.both()]
        while self.accept("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda n: any(p(n) for p in parts)

    def both(self) -> Evaluate:
        parts = [self.negation()]
        while self.accept("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else lambda n: all(p(n) for p in parts)

    def negation(self) -> Evaluate:
        if not self.accept("not"):
            return self.comparison()
        with self.nested():
            value = self.negation()
            return lambda n: not value(n)

    def comparison(self) -> Evaluate:
        first, rest = self.binary(1), []
        while self.peek() in _COMPARISONS:
            rest.append((self.next(), self.binary(1)))
        if not rest:
            return first

        def evaluate(names: Names) -> Value:
            left = first(names)
            for token, operand in rest:
                right = operand(names)
                if not _compute(token, _COMPARISONS[token.text], left, right):
                    return False
                left = right
            return True

        return evaluate

    def binary(self, lowest: int) -> Evaluate:
        """Operators that bind at least as strongly as `lowest`; only `**` groups to the right."""
        with self.nested():
            first, rest = self.unary(), []
            while self.peek() in _BINARY and _BINARY[self.peek()][0] >= lowest:
                token = self.next()
                strength = _BINARY[token.text][0]
                rest.append((token, self.binary(strength + (token.text != "**"))))
        if not rest:
            return first

        def evaluate(names: Names) -> Value:
            value = first(names)
            for token, operand in rest:
                value = _compute(token, _BINARY[token.text][1], value, operand(names))
            return value

        return evaluate

    def unary(self) -> Evaluate:
        if self.peek() not in ("-", "+"):
            return self.indexed()
        token = self.next()
        sign = -1 if token.text == "-" else 1
        value = self.binary(_UNARY)
        return lambda n: _compute(token, operator.mul, sign, value(n))

    def indexed(self) -> Evaluate:
        value = self.atom()
        if self.peek() != "[":
            return value
        parts = []
        while self.peek() == "[":
            token = self.next()
            start = None if self.peek() == ":" else self.ternary()
            slice = self.accept(":")
            stop = self.ternary() if slice and self.peek() != "]" else None
            self.expect("]")
            parts.append((token, slice, start, stop))

        def evaluate(names: Names) -> Value:
            items = value(names)
            for token, slice, start, stop in parts:
                ends = [end and end(names) for end in (start, stop)]
                items = _part(token, items, slice, ends[0], ends[1])
            return items

        return evaluate

    def atom(self) -> Evaluate:
        token = self.next()
        if token.kind == "number":
            return _constant(_number(token))
        if token.text in _CONSTANTS:
            return _constant(_CONSTANTS[token.text])
        if token.kind == "name" and token.text not in _WORDS:
            if self.accept("("):
                self.functions.setdefault(token.text, token.offset)
                return _call(token, self.until(")"))
            self.names.setdefault(token.text, token.offset)
            return _name(token)
        if token.text == "(":
            value = self.ternary()
            self.expect(")")
            return value
        if token.text == "[":
            parts = self.until("]")
            return lambda n: _bounded([p(n) for p in parts], token)
        self.position -= 1
        raise self.unexpected()

    def until(self, close: str) -> list[Evaluate]:
        parts = []
        while not self.accept(close):
            parts.append(self.ternary())
            if self.peek() != close:
                self.expect("," if self.peek() else close)
        return parts


def _number(token: _Token) -> Value:
    text = token.text.replace("_", "")
    value = int(text) if text.isdecimal() and len(text) <= 40 else float(text)
    return _bounded(value, token)


def _constant(value: Value) -> Evaluate:
    return lambda n: value


def _name(token: _Token) -> Evaluate:
    def evaluate(names: Names) -> Value:
        try:
            return names.values[token.text]
        except KeyError:
            raise UnknownName(token.text, "name", token.offset) from None

    return evaluate


def _call(token: _Token, arguments: list[Evaluate]) -> Evaluate:
    name = token.text

    def evaluate(names: Names) -> Value:
        function = FUNCTIONS.get(name) or names.functions.get(name)
        if function is None:
            raise UnknownName(name, "function", token.offset)
        values = [argument(names) for argument in arguments]
        try:
            if any(isinstance(value, str) for value in values):
                raise TypeError
            return _bounded(function(*values), token)
        except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
            shown = ", ".join(describe(v) for v in values)
            raise token.error("E0303", f"{name}({shown}) has no value") from None

    return evaluate


def _compute(token: _Token, operation: Callable[[Any, Any], Any], a: Value, b: Value) -> Value:
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
        return _bounded(result, token)
    except ZeroDivisionError:
        shown = f"{describe(a)} {token.text} {describe(b)}"
        raise token.error("E0303", f"division by zero: {shown}") from None
    except OverflowError:
        shown = f"{describe(a)} {token.text} {describe(b)}"
        raise token.error("E0303", f"{shown} is too large") from None
    except TypeError:
        message = f"`{token.text}` does not apply to {describe(a)} and {describe(b)}"
        raise token.error("E0303", message) from None


def _part(token: _Token, items: Value, slice: bool, start: Value, stop: Value) -> Value:
    """`items[start]`, or with `slice` `items[start:stop]`."""
    whole = all(isinstance(end, int) for end in (start, stop) if end is not None)
    if not isinstance(items, list) or not whole:
        message = f"{describe(items)} cannot be indexed by {describe(start)}"
        raise token.error("E0303", message)
    if slice:
        return items[start:stop]
    if not -len(items) <= start < len(items):
        raise token.error("E0303", f"index {start} is outside a list of {len(items)}")
    return items[start]


def _bounded(value: Value, token: _Token) -> Value:
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
        shown = ["[...]" if isinstance(v, list | tuple) else str(v) for v in value[:6]]
        return "[" + ", ".join(shown) + (", ...]" if len(value) > 6 else "]")
    return f"{value:g}" if isinstance(value, float) else str(value)
