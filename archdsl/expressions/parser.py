"""Text to an expression's syntax tree, bounded in depth."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from archdsl.expressions.expression import (
    COMPARISONS,
    OPERATIONS,
    And,
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Constant,
    Expression,
    ExpressionError,
    Index,
    Indexed,
    ListOf,
    Not,
    Or,
    Signed,
    Token,
    Tree,
    Variable,
    bounded,
)

MAX_DEPTH = 40  # nested parentheses, brackets and operators

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<op>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],:]))"
)
_STRENGTHS = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 4}
_UNARY = 3  # between `*` and `**`: -2 ** 2 is -4
WORDS = {"and", "or", "not", "if", "else", "true", "false"}
_CONSTANTS = {"true": True, "false": False}
_FOREIGN = {
    ".": "expressions have no attributes",
    "$": "in an expression write the parameter's name without `$`",
    "=": "compare with `==`",
    "!": "write `not`",
    "^": "a power is written with `**`",
    "&": "write `and`",
    "|": "write `or`",
    "{": "expressions need no braces",
    "#": "a comment needs a space before its `#`",
    "'": "a text ends with the quote that it begins with",
    '"': "a text ends with the quote that it begins with",
}
assert _STRENGTHS.keys() == OPERATIONS.keys()


@lru_cache(maxsize=20_000)
def parse(text: str) -> Expression:
    """Reads an expression; raises ExpressionError with the place of what can't be read."""
    parser = _Parser(text)
    tree = parser.ternary()
    if parser.peek():
        raise parser.unexpected()
    measured = {name for name, times in parser.measured.items() if parser.seen[name] == times}
    return Expression(text, tree, parser.names, parser.functions, frozenset(measured))


def tokens_of(text: str) -> list[Token]:
    """The tokens of an expression; raises ExpressionError for what is none."""
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip()
            message = f"`{rest[0]}` does not belong in an expression"
            help = _FOREIGN.get(rest[0], "")
            raise ExpressionError("E0301", message, len(text) - len(rest), 1, help)
        kind = str(match.lastgroup)
        tokens.append(Token(kind, match[kind], match.start(kind)))
        position = match.end()
    return tokens


class _Parser:
    """Precedence climbing."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.position, self.depth = text, tokens_of(text), 0, 0
        self.names: dict[str, int] = {}
        self.functions: dict[str, int] = {}
        self.seen = Counter[str]()  # how often names stand anywhere, and alone in `len()`
        self.measured = Counter[str]()

    def peek(self) -> str:
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def next(self) -> Token:
        if self.position >= len(self.tokens):
            share = re.fullmatch(r"(\d+(?:\.\d+)?)%", self.text.strip())
            help = f"a share is a number: {float(share[1]) / 100:g}" if share else ""
            message = "the expression ends too early"
            raise ExpressionError("E0301", message, len(self.text), 1, help)
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

    def ternary(self) -> Tree:
        with self.nested():
            value = self.either()
            if not self.accept("if"):
                return value
            test = self.either()
            self.expect("else")
            return Choice(test, value, self.ternary())

    def either(self) -> Tree:
        parts = [self.both()]
        while self.accept("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self) -> Tree:
        parts = [self.negation()]
        while self.accept("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self) -> Tree:
        if not self.accept("not"):
            return self.comparison()
        with self.nested():
            return Not(self.negation())

    def comparison(self) -> Tree:
        first, rest = self.binary(1), []
        while self.peek() in COMPARISONS:
            rest.append((self.next(), self.binary(1)))
        return Comparison(first, tuple(rest)) if rest else first

    def binary(self, lowest: int) -> Tree:
        """Operators that bind at least as strongly as `lowest`; only `**` groups to the right."""
        with self.nested():
            first, rest = self.unary(), []
            while _STRENGTHS.get(self.peek(), 0) >= lowest:
                token = self.next()
                strength = _STRENGTHS[token.text]
                rest.append((token, self.binary(strength + (token.text != "**"))))
        return Arithmetic(first, tuple(rest)) if rest else first

    def unary(self) -> Tree:
        if self.peek() not in ("-", "+"):
            return self.indexed()
        return Signed(self.next(), self.binary(_UNARY))

    def indexed(self) -> Tree:
        items, indexes = self.atom(), []
        while self.peek() == "[":
            bracket = self.next()
            start = None if self.peek() == ":" else self.ternary()
            slice = self.accept(":")
            stop = self.ternary() if slice and self.peek() != "]" else None
            self.expect("]")
            indexes.append(Index(bracket, slice, start, stop))
        return Indexed(items, tuple(indexes)) if indexes else items

    def atom(self) -> Tree:
        token = self.next()
        if token.kind == "number":
            return Constant(_number(token))
        if token.kind == "text":
            return Constant(token.text[1:-1])
        if token.text in _CONSTANTS:
            return Constant(_CONSTANTS[token.text])
        if token.kind == "name" and token.text not in WORDS:
            if self.accept("("):
                self.functions.setdefault(token.text, token.offset)
                arguments = self.until(")")
                match arguments:
                    case (Variable(name),) if token.text == "len":
                        self.measured[name] += 1
                return Call(token, arguments)
            self.names.setdefault(token.text, token.offset)
            self.seen[token.text] += 1
            return Variable(token.text, token.offset)
        if token.text == "(":
            value = self.ternary()
            self.expect(")")
            return value
        if token.text == "[":
            return ListOf(token, self.until("]"))
        self.position -= 1
        raise self.unexpected()

    def until(self, close: str) -> tuple[Tree, ...]:
        parts = []
        while not self.accept(close):
            parts.append(self.ternary())
            if self.peek() != close:
                self.expect("," if self.peek() else close)
        return tuple(parts)


def _number(token: Token) -> float:
    text = token.text.replace("_", "")
    value = int(text) if text.isdecimal() and len(text) <= 40 else float(text)
    number: float = bounded(value, token)
    return number
