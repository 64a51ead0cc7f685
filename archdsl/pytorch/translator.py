import ast
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from archdsl.expressions.expression import (
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
    Names,
    Not,
    Or,
    Signed,
    Tree,
    Variable,
)
from archdsl.expressions.scaling import Rule
from archdsl.pytorch.python import as_syntax, call, identifiers, walk
from archdsl.pytorch.symbols import (
    _OPS,
    Fixed,
    Symbol,
    binary,
    element,
    evaluated,
    known,
    names_in,
    negation,
    same,
    sliced,
    symbol,
    type_of,
    variable,
)

_COMPARES: dict[str, type[ast.cmpop]] = {
    "<": ast.Lt, ">": ast.Gt, "<=": ast.LtE, ">=": ast.GtE, "==": ast.Eq, "!=": ast.NotEq,
}  # fmt: skip
_APART = {  # comparisons of the same two of which only one can hold
    frozenset(pair)
    for pair in (
        (ast.Gt, ast.Lt), (ast.Gt, ast.Eq), (ast.Lt, ast.Eq), (ast.Eq, ast.NotEq),
        (ast.Gt, ast.LtE), (ast.GtE, ast.Lt),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Translator:
    """Expressions to values and symbols; `called` collects the functions that the source needs."""

    values: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    called: dict[str, Rule]

    def __call__(self, expression: Expression) -> Any:
        try:
            if all(known(self.values[n]) for n in expression.names if n in self.values):
                return expression(Names(self.values, self.functions))
            return self.of(expression.tree)
        except (ExpressionError, ZeroDivisionError, IndexError, KeyError, TypeError) as error:
            raise Fixed((), f"`{expression.text}`: {error}") from error

    def of(self, tree: Tree) -> Any:
        """The value of a part of an expression."""
        match tree:
            case Constant(constant):
                return constant
            case Variable(title):
                return self.values[title]
            case ListOf(_, parts):
                return [self.of(part) for part in parts]
            case Arithmetic(first, rest):
                value = self.of(first)
                for token, operand in rest:
                    value = binary(token.text, value, self.of(operand))
                return value
            case Signed(sign, operand):
                value = self.of(operand)
                return value if sign.text == "+" else -value
            case Not(operand):
                return negation(self.of(operand))
            case Or(parts):
                return self.both(ast.Or(), [self.of(part) for part in parts])
            case And(parts):
                return self.both(ast.And(), [self.of(part) for part in parts])
            case Comparison(first, rest):
                ops = [_COMPARES[token.text]() for token, _ in rest]
                return self.compare(self.of(first), ops, [self.of(o) for _, o in rest])
            case Choice(test, then, other):
                return choose(self.of(test), lambda: self.of(then), lambda: self.of(other))
            case Indexed(items, indexes):
                return self.indexed(self.of(items), indexes)
            case Call(title, arguments):
                return self.apply(title.text, [self.of(argument) for argument in arguments])
        raise Fixed((), f"an expression with {type(tree).__name__}")

    def indexed(self, items: Any, indexes: Iterable[Index]) -> Any:
        for index in indexes:
            ends = [None if end is None else self.of(end) for end in (index.start, index.stop)]
            items = sliced(items, *ends) if index.slice else element(items, ends[0])
        return items

    def read(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id="true" | "false" as text):
                return text == "true"
            case ast.Name(id=text):
                return self.values[text]
            case ast.List(elts=parts):
                return [self.read(part) for part in parts]
            case ast.BinOp(left=left, op=op, right=right):
                sign = next(sign for sign, kind in _OPS.items() if isinstance(op, kind))
                return binary(sign, self.read(left), self.read(right))
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(op, self.read(operand))
            case ast.BoolOp(op=op, values=parts):
                return self.both(op, [self.read(part) for part in parts])
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.compare(self.read(left), ops, [self.read(part) for part in others])
            case ast.IfExp(test=test, body=body, orelse=other):
                return choose(self.read(test), lambda: self.read(body), lambda: self.read(other))
            case ast.JoinedStr(values=parts):
                return self.text(parts)
            case ast.Subscript(value=value, slice=part):
                return self.part(self.read(value), part)
            case ast.Call(func=called, args=arguments):
                function = called.attr if isinstance(called, ast.Attribute) else called.id  # type: ignore[attr-defined]
                return self.apply(function, [self.read(argument) for argument in arguments])
        raise Fixed((), f"an expression with {type(node).__name__}")

    def text(self, parts: Iterable[ast.expr]) -> Any:
        """A text with values in it."""
        found = [
            self.read(part.value if isinstance(part, ast.FormattedValue) else part)
            for part in parts
        ]
        if known(*found):
            return "".join(map(str, found))
        shown: list[ast.expr] = [
            ast.FormattedValue(part.syntax, -1)
            if isinstance(part, Symbol)
            else as_syntax(str(part))
            for part in found
        ]
        return symbol(ast.JoinedStr(shown), "str", *found)

    def unary(self, op: ast.unaryop, value: Any) -> Any:
        if isinstance(op, ast.Not):
            return negation(value)
        return value if isinstance(op, ast.UAdd) else -value

    def both(self, op: ast.boolop, values: list[Any]) -> Any:
        ends = isinstance(op, ast.Or)  # the value that settles it
        rest = []
        for value in values:
            if not isinstance(value, Symbol):
                if bool(value) is ends:
                    return ends
                continue
            rest.append(value)
        if not rest:
            return not ends
        if len(rest) == 1 and rest[0].type == "bool":
            return rest[0]
        parts = [v.syntax if v.type == "bool" else call("bool", v) for v in rest]
        return symbol(parts[0] if len(parts) == 1 else ast.BoolOp(op, parts), "bool", *rest)

    def compare(self, left: Any, ops: list[ast.cmpop], others: list[Any]) -> Any:
        if any(type_of(value) == "item" for value in (left, *others)):
            raise Fixed(names_in(left, *others), "a verb that is compared")
        if known(left, *others):
            text = ast.unparse(ast.Compare(ast.Name("v0"), ops, [
                ast.Name(f"v{n + 1}") for n in range(len(others))]))  # fmt: skip
            values = {f"v{n}": value for n, value in enumerate([left, *others])}
            return evaluated(text, values, {})
        if len(ops) == 1 and same(left, others[0]):
            return isinstance(ops[0], ast.Eq | ast.LtE | ast.GtE)
        parts = [as_syntax(value) for value in others]
        return symbol(ast.Compare(as_syntax(left), ops, parts), "bool", left, *others)

    def part(self, items: Any, part: ast.expr) -> Any:
        """`items[part]`, or a slice of them."""
        if isinstance(part, ast.Slice):
            ends = [None if end is None else self.read(end) for end in (part.lower, part.upper)]
            return sliced(items, ends[0], ends[1])
        return element(items, self.read(part))

    def apply(self, function: str, values: list[Any]) -> Any:
        """A function of the language, or a scaling rule, applied."""
        rule = self.functions.get(function)
        if function in ("bool", "list"):
            return values[0]
        if known(*values):
            given = {f"v{n}": value for n, value in enumerate(values)}
            return evaluated(f"{function}({', '.join(given)})", given, self.functions)
        if rule is not None:
            return self.scaled(function, rule, values[0])
        several = len(values) > 1 and function in ("max", "min")
        if several and all(same(values[0], value) for value in values):
            return values[0]
        if function == "len" and isinstance(values[0], list):
            return len(values[0])
        if function == "sum" and isinstance(values[0], list):
            return reduce(lambda a, b: binary("+", a, b), values[0], 0)
        if function == "len":
            match values[0].syntax:
                case ast.Call(func=ast.Name(id="list"), args=[ast.Call(args=[count])]):
                    return symbol(count, "int", *values)
            return symbol(call("len", values[0]), "int", *values)
        if function in ("floor", "ceil", "sqrt"):
            kind = "float" if function == "sqrt" else "int"
            if kind == "int" and type_of(values[0]) in ("int", "bool"):
                return values[0]
            return symbol(call(f"math.{function}", *values), kind, *values)
        if function == "round":
            if type_of(values[0]) in ("int", "bool"):
                return values[0]
            return symbol(call("math.floor", binary("+", values[0], 0.5)), "int", *values)
        if function == "range":
            return symbol(call("list", call("range", *values)), "list", *values)
        kinds = {"float" if type_of(v) == "float" else "int" for v in values}
        kind = "int" if function in ("int", "make_divisible", "len") else max(kinds, key=len)
        if function == "sum" and isinstance(values[0], Symbol) and values[0].parts == "float":
            kind = "float"
        return symbol(call(function, *values), kind, *values)

    def scaled(self, function: str, rule: Any, value: Any) -> Any:
        if not isinstance(rule, Rule) or rule == Rule(1.0, rule.round):
            return value  # which changes nothing
        self.called[function] = rule
        if type_of(value) == "list":
            if not isinstance(value, Symbol):
                return [self.apply(function, [part]) for part in value]
            made = ast.comprehension(ast.Name("size"), value.syntax, [], 0)
            each = ast.ListComp(call(function, ast.Name("size")), [made])
            return symbol(each, "list", value, length=value.length)
        return symbol(call(function, value), "int", value)


def choose(test: Any, body: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """`body if test else other`, of which only what can be reached is read."""
    if not isinstance(test, Symbol):
        return body() if test else other()
    a, b = body(), other()
    if same(a, b):
        return a
    for settled, other, sign in ((a, b, ast.NotEq), (b, a, ast.Eq)):
        if says_all(settled, other, test, sign):
            return settled
    rest = elsewhere(a, b, test)
    if rest is not None:
        return rest
    a, b = assuming(a, test, True), assuming(b, test, False)
    if same(a, b):
        return a
    kinds = {type_of(a), type_of(b)}
    kind = kinds.pop() if len(kinds) == 1 else "float" if "float" in kinds else "int"
    return symbol(ast.IfExp(test.syntax, as_syntax(a), as_syntax(b)), kind, test, a, b)


def assuming(value: Any, test: Symbol, holds: bool) -> Any:
    """What a choice is where it is known whether a test holds."""
    if holds and isinstance(test.syntax, ast.BoolOp) and isinstance(test.syntax.op, ast.And):
        for part in test.syntax.values:
            value = assuming(value, replace(test, syntax=part), True)
    while isinstance(value, Symbol) and isinstance(value.syntax, ast.IfExp):
        asked, wanted = ast.dump(value.syntax.test), holds
        if asked != ast.dump(test.syntax):
            apart = holds and excludes(test.syntax, value.syntax.test)
            if asked != ast.dump(negation(test).syntax) and not apart:
                break
            wanted = not holds
        chosen = value.syntax.body if wanted else value.syntax.orelse
        try:
            value = replace(value, syntax=chosen)
            value = ast.literal_eval(chosen) if isinstance(chosen, ast.Constant) else value
        except ValueError:
            break
    return value


def excludes(one: ast.expr, other: ast.expr) -> bool:
    """Whether only one of two tests can hold: `n > 0` and `n < 0`."""
    match one, other:
        case (
            ast.Compare(left=a, ops=[first], comparators=[b]),
            ast.Compare(left=c, ops=[second], comparators=[d]),
        ):
            alike = ast.dump(a) == ast.dump(c) and ast.dump(b) == ast.dump(d)
            return alike and frozenset({type(first), type(second)}) in _APART
        case ast.UnaryOp(op=ast.Not(), operand=a), b:
            return ast.dump(a) == ast.dump(b)
        case a, ast.UnaryOp(op=ast.Not(), operand=b):
            return ast.dump(a) == ast.dump(b)
    return False


def elsewhere(a: Any, b: Any, test: Symbol) -> Any:
    """`a if p - q > 0 else a if p - q < 0 else c` as `a` where c is that at p = q; None if not."""
    match test.syntax, b.syntax if isinstance(b, Symbol) else None:
        case (
            ast.Compare(left=first, ops=[one], comparators=[ast.Constant(value=0)]),
            ast.IfExp(
                test=ast.Compare(left=second, ops=[two], comparators=[ast.Constant(value=0)]),
                body=then,
                orelse=other,
            ),
        ) if {type(one), type(two)} == {ast.Gt, ast.Lt} and ast.dump(first) == ast.dump(second):
            if ast.dump(then) != ast.dump(as_syntax(a)):
                return None
            if isinstance(first, ast.BinOp) and isinstance(first.op, ast.Sub):
                differ = ast.Compare(first.left, [ast.NotEq()], [first.right])
            else:
                differ = ast.Compare(first, [ast.NotEq()], [ast.Constant(0)])
            unequal = replace(test, syntax=differ)
            left = replace(b, syntax=other)
            return a if says_all(a, left, unequal, ast.NotEq) else None
    return None


def says_all(settled: Any, other: Any, test: Symbol, sign: type[ast.cmpop]) -> bool:
    """Whether `settled if p != q else other` is `settled`: other is what that is where p is q."""
    match test.syntax:
        case ast.Compare(left=ast.Name(id=p), ops=[op], comparators=[q]) if isinstance(op, sign):
            if not isinstance(settled, Symbol):
                return False
            tree = Replaced(p, q).visit(deepcopy(settled.syntax))
            free = {n.id: symbol(ast.Name(n.id), settled.type, settled)
                    for n in walk(tree) if isinstance(n, ast.Name)}  # fmt: skip
            try:
                found = Translator(free, {}, {}).read(tree)
            except (Fixed, KeyError, AttributeError):
                return False
            return same(found, other)
    return False


def substituted(value: Any, title: str, by: Any) -> Any:
    """A value with another for a name in it."""
    if not isinstance(value, Symbol) or title not in identifiers(value.syntax):
        return value
    free = {n: symbol(ast.Name(n), "int") for n in identifiers(value.syntax)} | {title: by}
    free |= {n: variable(n, "list") for n in lists_in(value.syntax)}
    try:
        found = Translator(free, {}, {}).read(value.syntax)
    except KeyError as error:
        raise Fixed(value.names, f"{error} in a size") from error
    if isinstance(found, Symbol):
        return replace(found, names=(value.names - {title}) | names_in(by))
    return found


def lists_in(tree: ast.expr) -> set[str]:
    """The names of what is indexed."""
    parts = [n.value for n in walk(tree) if isinstance(n, ast.Subscript)]
    return {n.id for n in parts if isinstance(n, ast.Name)}


class Replaced(ast.NodeTransformer):
    """Another expression for a name."""

    def __init__(self, title: str, by: ast.expr) -> None:
        self.title, self.by = title, by

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.by if node.id == self.title else node
