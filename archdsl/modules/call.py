"""What PyTorch is asked for, as data, and the kinds of rows that say it of an op."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec

Form = Literal["module", "function", "parameter"]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call; `default` is what PyTorch takes for it where it is not written."""

    name: str
    value: Any
    default: Any = None
    keyword: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """What PyTorch is asked for.

    A module is made by `target(arguments)` and applied to the input. A function's `target` is a
    template of `{0}`, `{1}`... (`{all}` for all inputs) and argument names. A parameter is a
    tensor of its own, which `target(arguments)` makes, and `use` the template of what is done
    with it (`{weight}`, and the names of `settings`); so is a module that is called otherwise than
    with its input alone.
    """

    target: str
    arguments: tuple[Argument, ...] = ()
    form: Form = "module"
    use: str = ""
    settings: tuple[Argument, ...] = ()


Make = Callable[[Any, tuple[TensorSpec, ...]], Call]
NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """How an op is asked for: `make` gives the call.

    `writes` are the names that may stand in it, those of tensors' methods and attributes with a dot
    before them; a source that holds others is not run (`pytorch/allowed.py`). `imports` says of
    which module of another package a name is.
    """

    make: Make
    writes: tuple[str, ...]
    imports: Mapping[str, str] = field(default_factory=dict)


def writing(*names: str) -> Callable[[Make], Row]:
    """A row of a function that makes calls in which these names stand."""
    return lambda make: Row(make, ranked(*names))


def ranked(*names: str) -> tuple[str, ...]:
    """Names in which `{rank}` is any of the ranks that a map can have."""
    return tuple(dict.fromkeys(name.format(rank=rank) for name in names for rank in (1, 2, 3)))


def plain(sizes: tuple[int, ...] | Any) -> Any:
    """`3` for `(3, 3)`."""
    return sizes[0] if isinstance(sizes, tuple) and len(set(sizes)) == 1 else sizes


def sized(name: str, sizes: Any, default: Any = None) -> Argument:
    return Argument(name, plain(sizes), default)


def positional(name: str, value: Any) -> Argument:
    return Argument(name, plain(value), keyword=False)


def table_module(
    target: str, *settings: tuple[str, str, Any], takes: Mapping[str, str] = NONE
) -> Row:
    """A row whose arguments are fields of the op, in PyTorch's order.

    `takes` are the positional ones, as PyTorch's name and the field, `C` for the channels of the
    input; `settings` the keyword ones, as PyTorch's name, the field and PyTorch's default.
    """

    def row(op: Op, x: tuple[TensorSpec, ...]) -> Call:
        first = (
            positional(name, x[0].channels if field == "C" else getattr(op, field))
            for name, field in takes.items()
        )
        keyword = (sized(name, getattr(op, field), default) for name, field, default in settings)
        return Call(target.format(rank=max(1, x[0].rank)), (*first, *keyword))

    return Row(row, ranked(target))


def function(template: str) -> Row:
    """A row of an expression of the inputs, which may call what it names."""
    called = tuple(re.findall(r"[A-Za-z_][\w.]*(?=\()", template))
    return Row(lambda op, x: Call(template, form="function"), called)


def numbers(target: str, field: str, *writes: str) -> Row:
    """A row whose arguments are the numbers of one field; `writes` is what else may stand there."""

    def row(op: Op, x: tuple[TensorSpec, ...]) -> Call:
        numbers = getattr(op, field)
        return Call(
            target, tuple(Argument(f"{field}{n}", v, keyword=False) for n, v in enumerate(numbers))
        )

    return Row(row, (target, *writes))
