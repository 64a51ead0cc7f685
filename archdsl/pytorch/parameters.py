"""The arguments of a constructor: their types and defaults."""

import ast
from collections.abc import Sequence
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


def annotation(argument: Argument) -> ast.expr:
    value = argument.default
    if argument.type == "item":
        return ast.Subscript(name("Callable"), ast.Tuple([ast.Constant(...), name("nn.Module")]))
    if argument.type == "list":
        inner = {type_of(v) for v in value} if isinstance(value, list) else {"int"}
        part = inner.pop() if len(inner) == 1 and inner <= {"int", "float", "bool"} else "Any"
        return ast.Subscript(name("Sequence"), name(part))
    if argument.type == "axes":
        return ast.BinOp(name("int"), ast.BitOr(), ast.Subscript(name("Sequence"), name("int")))
    if argument.type == "str":
        return ast.BinOp(name("int"), ast.BitOr(), name("str")) if value == "auto" else name("str")
    return name(argument.type)


def plain_default(argument: Argument) -> Any:
    """The default of an argument as Python has it: tuples, and floats where one is expected."""
    value = tuples(argument.default)
    return float(value) if argument.type == "float" and type(value) is int else value


def tuples(value: Any) -> Any:
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def shown_value(value: Any) -> str:
    return value.verb if isinstance(value, Factory) else str(value)
