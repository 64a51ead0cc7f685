"""Sizes of maps and of lists of maps, in what a class and its callers know."""

import ast
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.entries import NTH, Flowing, Listing, Value
from archdsl.pytorch.python import as_syntax, call, identifiers
from archdsl.pytorch.symbols import Expanded, Fixed, Symbol, binary, symbol
from archdsl.pytorch.translator import choose, substituted


def expanded(value: Flowing, lets: Mapping[str, ast.expr]) -> Flowing:
    """A result without the variables of its constructor."""
    if not lets:
        return value
    shape = [
        replace(size, syntax=Expanded(lets).visit(deepcopy(size.syntax)))
        if isinstance(size, Symbol)
        else size
        for size in value.spec.shape
    ]
    return replace(value, spec=TensorSpec(tuple(shape), value.spec.layout))


def nth_of(maps: Listing, place: Any) -> Value:
    """A map of a list, by its place."""
    shape = tuple(substituted(size, NTH, place) for size in maps.spec.shape)
    return Value(TensorSpec(shape, maps.spec.layout), maps.hint, maps.maker, of=maps.mark)


def of_nth(spec: TensorSpec, index: str) -> TensorSpec:
    """A shape in terms of the place in a list instead of a turn."""
    by = symbol(ast.Name(NTH), "int")
    return TensorSpec(tuple(substituted(size, index, by) for size in spec.shape), spec.layout)


def same_in_all(maps: Listing) -> TensorSpec:
    """The shape that all maps of a list have."""
    for size in maps.spec.shape:
        if isinstance(size, Symbol) and NTH in identifiers(size.syntax):
            raise Fixed((), "a join of maps of other channels")
    return maps.spec


def channels_of(flow: Value | Listing) -> Any:
    """The channels of a map, or of all in a list."""
    channels = flow.spec.channels
    if isinstance(flow, Value):
        return channels
    if flow.test is not None:
        return choose(flow.test, lambda: channels, lambda: 0)
    if not isinstance(channels, Symbol) or NTH not in identifiers(channels.syntax):
        return binary("*", flow.count, channels)
    match channels.syntax:
        case ast.Subscript(value=ast.Name() as items, slice=ast.Name(id=place)) if place == NTH:
            return symbol(call("sum", items), "int", channels)
        case ast.IfExp(test=test, body=then, orelse=other) if sign := _where_first(test):
            first, rest = (then, other) if sign == "==" else (other, then)
            if NTH not in identifiers(first, rest):
                return _total(
                    *(replace(channels, syntax=part) for part in (first, rest)), flow.count
                )
    raise Fixed((), "channels that differ in a list")


def _where_first(test: ast.expr) -> str:
    """`==` if a test holds for the first of a list alone, `!=` for all others; "" of any other."""
    match test:
        case ast.Name(id=place) if place == NTH:
            return "!="
        case ast.Call(func=ast.Name(id="bool"), args=[ast.Name(id=place)]) if place == NTH:
            return "!="
        case ast.Compare(left=ast.Name(id=place), ops=[op], comparators=[ast.Constant(value=0)]):
            if place == NTH:
                return {ast.Eq: "==", ast.NotEq: "!=", ast.Gt: "!="}.get(type(op), "")
    return ""


def _total(first: Symbol, each: Symbol, count: Any) -> Any:
    """The channels of a list in which the first map may have others than all that follow."""
    rest = binary("*", binary("-", count, 1), each)
    match first.syntax:
        case ast.BinOp(left=whole, op=ast.Sub(), right=taken) if ast.dump(taken) == ast.dump(
            as_syntax(rest)
        ):
            return replace(first, syntax=whole)  # what is left over, and the rest
    return binary("+", first, rest)


def channels_in(flows: Sequence[Value | Listing]) -> Any:
    """The channels of maps, as a list."""
    found: list[Any] = []
    for flow in flows:
        if isinstance(flow, Value):
            found.append(flow.spec.channels)
        elif flow.elements:
            found += [value.spec.channels for value in flow.elements]
        elif len(flows) == 1 and isinstance(flow.spec.channels, Symbol):
            match flow.spec.channels.syntax:
                case ast.Subscript(value=ast.Name() as items, slice=ast.Name(id=place)) if (
                    place == NTH
                ):
                    return Symbol(items, "list", None, flow.spec.channels.names)
            raise Fixed((), "channels that no list has")
        else:
            raise Fixed((), "a list of any number among others")
    return found


def plain_range(over: ast.expr) -> ast.expr:
    """`range(n)` for `list(range(n))`."""
    match over:
        case ast.Call(func=ast.Name(id="list"), args=[ast.Call() as inner]):
            return inner
        case ast.Call(func=ast.Name(id="range"), args=[ast.Call(func=ast.Name(id="len"), args=[
            ast.Subscript(value=ast.Call(func=ast.Name(id="range"))) as inner])]):  # fmt: skip
            return inner
    return over


def range_of(cells: Any) -> tuple[int, Any] | None:
    """Where a column begins to count, and how many numbers it has; None of another."""
    if isinstance(cells, Symbol):
        match cells.syntax:
            case ast.Call(func=ast.Name(id="list"), args=[ast.Call(args=[count])]):
                return 0, Symbol(count, "int", None, cells.names)
            case ast.Subscript(value=ast.List(elts=[*parts]), slice=ast.Slice(lower=None) as part):
                values = [p.value for p in parts if isinstance(p, ast.Constant)]
                start = values[0] if values else None
                if type(start) is int and values == [*range(start, start + len(parts))]:
                    over = ast.Subscript(call("range", len(parts)), part)
                    return start, Symbol(call("len", over), "int", None, cells.names)
    return None


def distance(one: Any, other: Any) -> int | None:
    """How much more one number is than another, where that is known."""
    if isinstance(one, Symbol) and isinstance(other, Symbol):
        match binary("-", one, other):
            case int(apart) | Symbol(syntax=ast.Constant(value=int(apart))):
                return apart
    return None
