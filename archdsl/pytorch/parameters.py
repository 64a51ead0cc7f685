"""The arguments of a constructor: their types and defaults."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any

from archdsl.pytorch.environment import Factory
from archdsl.pytorch.python import identifiers, name
from archdsl.pytorch.symbols import Symbol, type_of
from archdsl.pytorch.walks import Walk


@dataclass(eq=False)
class Argument:
    """An argument of a constructor: its default, computed in the constructor if `computed`."""

    name: str
    type: str
    default: Any = field(default_factory=lambda: MISSING)  # a known value, a Factory, or MISSING
    computed: Symbol | None = None
    source: str = ""  # the parameter of the document that it is
    parts: str = "int"  # the type of a list's parts
    axes: int = 0  # the length of the lists that stand for a number per axis, 0 if they differ
    sized: bool = False  # whether it is what the size of a map settles

    @property
    def required(self) -> bool:
        return self.default is MISSING and self.computed is None


def needed(arguments: Sequence[Argument], used: set[str]) -> list[Argument]:
    """The arguments whose names are used, also by what computes others; `used` grows by these."""
    before = -1
    while before < len(used):
        before = len(used)
        for argument in arguments:
            if argument.name in used and argument.computed is not None:
                used |= identifiers(argument.computed.syntax)
    return [argument for argument in arguments if argument.name in used]


def fraction(argument: Argument, walk: Walk) -> str:
    """The type of an argument: a whole number by default may be a fraction where one is taken."""
    takes = argument.name in walk.floats - walk.wholes
    return "float" if argument.type == "int" and takes else argument.type


class Fractions(ast.NodeTransformer):
    """`rate + 1` for `float(rate + 1)`, where it is a fraction since that argument is one."""

    def __init__(self, arguments: Iterable[Argument]) -> None:
        self.names = {argument.name for argument in arguments if argument.type == "float"}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(func=ast.Name(id="float"), args=[given]) if self.is_fraction(given):
                return given
        return self.generic_visit(node)

    def is_fraction(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=title):
                return title in self.names
            case ast.UnaryOp(operand=operand):
                return self.is_fraction(operand)
            case ast.BinOp(left=left, right=right):
                return self.is_fraction(left) or self.is_fraction(right)
        return False


def annotation(argument: Argument) -> ast.expr:
    value = argument.default
    if argument.type == "item":
        return ast.Subscript(name("Callable"), ast.Tuple([ast.Constant(...), name("nn.Module")]))
    if argument.type == "list":
        kind = argument.parts
        plain = name(kind if kind in ("int", "float", "bool") else "Any")
        part = axes_type(argument.axes) if kind == "axes" else plain
        return ast.Subscript(name("Sequence"), part)
    if argument.type == "axes":
        return axes_type(argument.axes)
    if argument.type == "str":
        return ast.BinOp(name("int"), ast.BitOr(), name("str")) if value == "auto" else name("str")
    return name(argument.type)


def axes_type(count: int) -> ast.expr:
    """The type of a number or one for each axis."""
    numbers = ast.Subscript(name("tuple"), ast.Tuple([name("int")] * count))
    several = numbers if count else ast.Subscript(name("Sequence"), name("int"))
    return ast.BinOp(name("int"), ast.BitOr(), several)


def parts_of(values: Iterable[Any]) -> str:
    """The type of the parts of lists."""
    kinds = {type_of(part) for items in values if isinstance(items, list | tuple) for part in items}
    if kinds == {"int", "float"}:
        return "float"
    if kinds == {"int", "list"}:
        return "axes"
    return kinds.pop() if len(kinds) == 1 else "Any" if kinds else "int"


def axes_of(values: Iterable[Any]) -> int:
    """The length of the lists among values, or in them; 0 where they are of several lengths."""
    lists = [items for items in values if isinstance(items, list | tuple)]
    inner = [part for items in lists for part in items if isinstance(part, list | tuple)]
    lengths = {len(items) for items in (inner or lists)}
    return lengths.pop() if len(lengths) == 1 else 0


def plain_default(argument: Argument) -> Any:
    """The default of an argument as Python has it: tuples, and floats where one is expected."""
    value = tuples(argument.default)
    return float(value) if argument.type == "float" and type(value) is int else value


def tuples(value: Any) -> Any:
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def shown_value(value: Any) -> str:
    return value.verb if isinstance(value, Factory) else str(value)
