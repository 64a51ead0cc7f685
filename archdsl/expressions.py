"""Expressions: parsed once, evaluated often, bounded in size and in what they compute.

The grammar is Python's for numbers, names, `+ - * / // % **`, comparisons, `and or not`,
`a if test else b`, lists, indexing, and calls of listed functions; nothing else exists.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_LENGTH = 1_000  # characters of one expression
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


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in an expression stand for."""

    values: Mapping[str, Value]
    functions: Mapping[str, Callable[..., Value]]


Evaluate = Callable[[Names], Value]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; call it with the names it may use."""

    text: str
    names: frozenset[str]
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
_BINARY: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "<": (4, operator.lt), "<=": (4, operator.le), ">": (4, operator.gt), ">=": (4, operator.ge),
    "==": (4, operator.eq), "!=": (4, operator.ne),
    "+": (5, operator.add), "-": (5, operator.sub),
    "*": (6, operator.mul), "/": (6, operator.truediv), "//": (6, operator.floordiv),
    "%": (6, operator.mod), "**": (8, operator.pow),
}  # fmt: skip
_UNARY = 7
_WORDS = {"and", "or", "not", "if", "else", "true", "false"}
_CONSTANTS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


@lru_cache(maxsize=20_000)
def parse(text: str) -> Expression:
    """Reads an expression; raises ExpressionError with the place of what can't be read."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError("E0106", f"an expression of more than {MAX_LENGTH} characters")
    parser = _Parser(text)
    evaluate = parser.ternary()
    parser.expect_end()
    return Expression(text, frozenset(parser.names), evaluate)


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip())
            bad = text[position]
            help = {
                ".": "expressions have no attributes",
                "$": "in an expression write the parameter's name without `$`",
                "=": "compare with `==`",
                "!": "write `not`",
                "&": "write `and`",
                "|": "write `or`",
                "{": "expressions need no braces",
            }.get(bad, "")
            raise ExpressionError(
                "E0301", f"`{bad}` does not belong in an expression", position, 1, help
            )
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        position = match.end()
    return tokens


class _Parser:
    """Precedence climbing; every method returns the closure that computes what it read."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.position, self.depth = text, _tokens(text), 0, 0
        self.names: set[str] = set()

    def peek(self) -> str:
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def next(self) -> _Token:
        if self.position >= len(self.tokens):
            raise ExpressionError("E0301", "the expression ends too early", len(self.text))
        self.position += 1
        return self.tokens[self.position - 1]

    def expect(self, text: str) -> None:
        if self.peek() != text:
            found = f"found `{self.peek()}`" if self.peek() else "the expression ends"
            raise ExpressionError("E0301", f"expected `{text}`, {found}", *self.here())
        self.position += 1

    def here(self) -> tuple[int, int]:
        if self.position < len(self.tokens):
            token = self.tokens[self.position]
            return token.offset, len(token.text)
        return len(self.text), 1

    def expect_end(self) -> None:
        if self.position < len(self.tokens):
            help = (
                "YAML ends a value at a comma inside {...}: put it in quotes"
                if self.peek() == ","
                else ""
            )
            raise ExpressionError(
                "E0301", f"`{self.peek()}` is not expected here", *self.here(), help
            )

    def nested(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                "E0106", f"an expression nested deeper than {MAX_DEPTH}", *self.here()
            )

    def ternary(self) -> Evaluate:
        self.nested()
        value = self.either()
        if self.peek() == "if":
            self.position += 1
            test = self.either()
            self.expect("else")
            other = self.ternary()
            chosen = value
            value = lambda n: chosen(n) if test(n) else other(n)  # noqa: E731
        self.depth -= 1
        return value

    def either(self) -> Evaluate:
        parts = [self.both()]
        while self.peek() == "or":
            self.position += 1
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda n: any(p(n) for p in parts)

    def both(self) -> Evaluate:
        parts = [self.negation()]
        while self.peek() == "and":
            self.position += 1
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else lambda n: all(p(n) for p in parts)

    def negation(self) -> Evaluate:
        if self.peek() == "not":
            self.position += 1
            self.nested()
            value = self.negation()
            self.depth -= 1
            return lambda n: not value(n)
        return self.binary(4)

    def binary(self, lowest: int) -> Evaluate:
        self.nested()
        left = self.unary()
        while self.peek() in _BINARY and _BINARY[self.peek()][0] >= lowest:
            token = self.next()
            strength = _BINARY[token.text][0]
            right = self.binary(strength if token.text == "**" else strength + 1)
            left = _combine(token, left, right)
        self.depth -= 1
        return left

    def unary(self) -> Evaluate:
        if self.peek() in ("-", "+"):
            token = self.next()
            value = self.binary(_UNARY)
            return _combine(token, lambda n: 0, value)
        return self.indexed()

    def indexed(self) -> Evaluate:
        value = self.atom()
        while self.peek() == "[":
            token = self.next()
            start = None if self.peek() == ":" else self.ternary()
            if self.peek() == ":":
                self.position += 1
                stop = None if self.peek() == "]" else self.ternary()
                value = _slice(token, value, start, stop)
            elif start is not None:
                value = _index(token, value, start)
            self.expect("]")
        return value

    def atom(self) -> Evaluate:
        token = self.next()
        if token.kind == "number":
            return _constant(_number(token))
        if token.text in _CONSTANTS:
            return _constant(_CONSTANTS[token.text])
        if token.kind == "name" and token.text not in _WORDS:
            if self.peek() == "(":
                self.position += 1
                return _call(token, self.until(")"))
            self.names.add(token.text)
            return _name(token)
        if token.text == "(":
            value = self.ternary()
            self.expect(")")
            return value
        if token.text == "[":
            parts = self.until("]")
            return lambda n: _bounded([p(n) for p in parts], token)
        raise ExpressionError(
            "E0301", f"`{token.text}` is not expected here", token.offset, len(token.text)
        )

    def until(self, close: str) -> list[Evaluate]:
        parts = []
        while self.peek() != close:
            parts.append(self.ternary())
            if self.peek() != close:
                self.expect(",")
        self.position += 1
        return parts


def _number(token: _Token) -> Value:
    text = token.text.replace("_", "")
    value = int(text) if text.isdecimal() and len(text) <= 40 else float(text)
    return _bounded(value, token)


def _constant(value: Value) -> Evaluate:
    return lambda n: value


def _name(token: _Token) -> Evaluate:
    name = token.text

    def evaluate(names: Names) -> Value:
        try:
            return names.values[name]
        except KeyError:
            raise ExpressionError(
                "E0302", f"unknown name `{name}`", token.offset, len(name)
            ) from None

    return evaluate


def _call(token: _Token, arguments: list[Evaluate]) -> Evaluate:
    name = token.text

    def evaluate(names: Names) -> Value:
        function = FUNCTIONS.get(name) or names.functions.get(name)
        if function is None:
            raise ExpressionError("E0302", f"unknown function `{name}`", token.offset, len(name))
        values = [argument(names) for argument in arguments]
        try:
            return _bounded(function(*values), token)
        except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
            shown = ", ".join(describe(v) for v in values)
            message = f"{name}({shown}) has no value"
            raise ExpressionError("E0303", message, token.offset, len(name)) from None

    return evaluate


def _combine(token: _Token, left: Evaluate, right: Evaluate) -> Evaluate:
    compute = _BINARY[token.text][1]

    def evaluate(names: Names) -> Value:
        a, b = left(names), right(names)
        try:
            if token.text == "**" and abs(b) * math.log2(abs(a) + 2) > 63:
                raise OverflowError
            if isinstance(a, str | list) or isinstance(b, str | list):
                if token.text not in ("==", "!=") and not (
                    token.text == "+" and type(a) is type(b) is list
                ):
                    raise TypeError
            return _bounded(compute(a, b), token)
        except ZeroDivisionError:
            raise ExpressionError(
                "E0303", "division by zero", token.offset, len(token.text)
            ) from None
        except OverflowError:
            message = f"the result of `{token.text}` is too large"
            raise ExpressionError("E0303", message, token.offset, len(token.text)) from None
        except TypeError:
            message = f"`{token.text}` does not apply to {describe(a)} and {describe(b)}"
            raise ExpressionError("E0303", message, token.offset, len(token.text)) from None

    return evaluate


def _index(token: _Token, value: Evaluate, index: Evaluate) -> Evaluate:
    def evaluate(names: Names) -> Value:
        items, i = value(names), index(names)
        if not isinstance(items, list) or not isinstance(i, int):
            message = f"{describe(items)} cannot be indexed by {describe(i)}"
            raise ExpressionError("E0303", message, token.offset)
        if not -len(items) <= i < len(items):
            message = f"index {i} is outside a list of {len(items)}"
            raise ExpressionError("E0303", message, token.offset)
        return items[i]

    return evaluate


def _slice(
    token: _Token, value: Evaluate, start: Evaluate | None, stop: Evaluate | None
) -> Evaluate:
    def evaluate(names: Names) -> Value:
        items = value(names)
        ends = [end and end(names) for end in (start, stop)]
        if not isinstance(items, list) or not all(e is None or isinstance(e, int) for e in ends):
            raise ExpressionError("E0303", f"{describe(items)} has no such part", token.offset)
        return items[ends[0] : ends[1]]

    return evaluate


def _bounded(value: Value, token: _Token) -> Value:
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            message = f"a list of more than {MAX_ITEMS:,}"
            raise ExpressionError("E0106", message, token.offset, len(token.text))
        if any(isinstance(part, list) for item in value if isinstance(item, list) for part in item):
            raise ExpressionError("E0106", "lists nested deeper than two", token.offset, 1)
    elif isinstance(value, int | float):
        if not abs(value) <= MAX_MAGNITUDE:
            message = f"the result of `{token.text}` is too large"
            raise ExpressionError("E0303", message, token.offset, len(token.text))
    elif isinstance(value, complex):
        message = f"the result of `{token.text}` is not a real number"
        raise ExpressionError("E0303", message, token.offset, len(token.text))
    return value


def describe(value: Value) -> str:
    """A value as a message shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the word `{value}`"
    if isinstance(value, list | tuple):
        shown = ["[...]" if isinstance(v, list | tuple) else str(v) for v in value[:6]]
        return "[" + ", ".join(shown) + (", ...]" if len(value) > 6 else "]")
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Template:
    """A name with expressions in braces: `layer{row + 1}`."""

    text: str
    parts: tuple[str | tuple[int, Expression], ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(p[1].names for p in self.parts if not isinstance(p, str)))

    def format(self, names: Names) -> str:
        """The name; raises ExpressionError for a part that is neither a word nor a whole number."""
        shown = []
        for part in self.parts:
            if isinstance(part, str):
                shown.append(part)
                continue
            offset, expression = part
            try:
                value = expression(names)
            except ExpressionError as error:
                error.offset += offset
                raise
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, bool | float | list):
                message = f"{describe(value)} cannot be part of a name"
                raise ExpressionError("E0208", message, offset, len(expression.text))
            shown.append(str(value))
        return "".join(shown)


@lru_cache(maxsize=20_000)
def parse_template(text: str) -> Template:
    """Reads a name; raises ExpressionError for an expression or brace that can't be read."""
    parts: list[str | tuple[int, Expression]] = []
    for match in re.finditer(r"\{([^{}]*)\}|([^{}]+)|(.)", text):
        if match[3]:
            raise ExpressionError("E0301", f"`{match[3]}` without its partner", match.start())
        if match[2]:
            parts.append(match[2])
            continue
        try:
            parts.append((match.start(1), parse(match[1])))
        except ExpressionError as error:
            moved = (error.offset + match.start(1), error.length, error.help)
            raise ExpressionError(error.code, error.message, *moved) from None
    return Template(text, tuple(parts))
