"""Ops of other packages: installed ones are found when a spec names one, others are registered.

A spec names ops, never code: what is imported was installed, or is registered by the program that
runs. A plug-in is a subclass of `Op` (docs/adding-an-op.md) with its PyTorch code in `torch`.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import metadata
from keyword import iskeyword
from typing import Any, TypeVar

from archdsl.diagnostics.errors import UsageError
from archdsl.modules.call import Argument, Call, Row, table_module
from archdsl.modules.calls import IMPORTED, add_row
from archdsl.ops import ABSENT, OPS, arguments, declare
from archdsl.ops.base import Op, ShapeError, Weight, require_map
from archdsl.ops.init import INIT, Init
from archdsl.ops.kinds import (
    AXES,
    CHANNELS,
    FLAG,
    INDEX,
    NUMBER,
    POSITIVE,
    RATE,
    WHOLE,
    argument,
    words,
)
from archdsl.ops.reach import Reach, windows
from archdsl.ops.storage import INPUTS, NEW, OUTPUT, VIEW, Storage
from archdsl.ops.tensor import TensorSpec

__all__ = [  # what a plug-in says an op with
    "AXES", "CHANNELS", "FLAG", "INDEX", "INIT", "INPUTS", "NEW", "NUMBER", "OUTPUT", "POSITIVE",
    "RATE", "VIEW", "WHOLE", "Argument", "Call", "Init", "Op", "Reach", "Row", "ShapeError",
    "Storage", "TensorSpec", "Weight", "argument", "function", "load_all", "module", "register",
    "require_map", "wanted", "windows", "words",
]  # fmt: skip

GROUP = "archdsl.ops"  # of entry points, each the verb of an op and its class
_DOTTED = re.compile(r"(?<![\w.])((?:[A-Za-z_]\w*\.)+)([A-Za-z_]\w*)(?=\()")
_TORCH = ("torch", "nn", "F")  # what sources know themselves

AnyOp = TypeVar("AnyOp", bound=type[Op])


def module(
    target: str, *settings: tuple[str, str, Any], takes: dict[str, str] | None = None
) -> Row:
    """The PyTorch of an op that is a module: `module("package.Class", ("size", "size", 3))`.

    Each of `settings` is an argument of the class, the field of the op that gives it, and the
    default that need not be written; `takes` are the positional ones, as argument and field, `C`
    for the channels of the input. The module must be importable from the package by that name.
    """
    home, _, title = target.rpartition(".")
    row = table_module(title if home not in _TORCH else target, *settings, takes=takes or {})
    return replace(row, imports={title: home}) if home not in _TORCH else row


def function(template: str) -> Row:
    """The PyTorch of an op that is an expression: `function("package.fold({0}, {size})")`.

    `{0}`, `{1}`... are the inputs, `{all}` all of them, and fields of the op stand by their names.
    """
    imports: dict[str, str] = {}

    def shortened(match: re.Match[str]) -> str:
        home, title = match[1][:-1], match[2]
        if home.partition(".")[0] in _TORCH:
            return match[0]
        imports[title] = home
        return title

    text = _DOTTED.sub(shortened, template)
    fields = {name for name in re.findall(r"\{([A-Za-z_]\w*)\}", text) if name != "all"}

    def make(op: Op, inputs: tuple[TensorSpec, ...]) -> Call:
        given = tuple(Argument(name, getattr(op, name)) for name in sorted(fields))
        return Call(text, given, "function")

    called = tuple(re.findall(r"(?<![\w.])([A-Za-z_][\w.]*)(?=\()", text))
    return Row(make, called, imports)


def register(op: AnyOp) -> AnyOp:
    """Adds an op to the language, for this process; also a decorator.

    Raises UsageError if it is none, has no `torch`, or if something else has its name.
    """
    problem = _problem(op)
    if problem:
        raise UsageError(f"{getattr(op, '__name__', op)} cannot be registered: {problem}")
    add_row(op, op.torch)  # type: ignore[attr-defined]
    declare(op)
    ABSENT.pop(op.verb, None)
    return op


def wanted(texts: Iterable[str]) -> bool:
    """Whether specs name ops of installed packages that were not looked at before.

    They are loaded then; what cannot be is in `ABSENT`, with the reason.
    """
    entries = {verb: found for verb, found in _installed().items() if verb not in OPS | ABSENT}
    words = (
        {word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text)} if entries else {}
    )
    named = [verb for verb in entries if verb in words]
    for verb in named:
        _load(verb, entries[verb])
    return bool(named)


def load_all() -> None:
    """Loads the ops of all installed packages."""
    wanted(_installed())


@cache
def _installed() -> dict[str, tuple[metadata.EntryPoint, ...]]:
    """The entry points of installed packages, by the verb that each has."""
    found: dict[str, tuple[metadata.EntryPoint, ...]] = {}
    for entry in metadata.entry_points(group=GROUP):
        same = [e for e in found.get(entry.name, ()) if e.value == entry.value]
        found[entry.name] = (*found.get(entry.name, ()), *(() if same else (entry,)))
    return found


def _load(verb: str, entries: tuple[metadata.EntryPoint, ...]) -> None:
    """Registers the op of an installed package, or says in `ABSENT` why not."""
    packages = " and ".join(entry.dist.name if entry.dist else entry.value for entry in entries)
    if len(entries) > 1:
        ABSENT[verb] = f"the packages {packages} both have it: remove one"
        return
    try:
        op = entries[0].load()
        problem = _problem(op) or (op.verb != verb and f"its verb is `{op.verb}`")
    except (Exception, SystemExit) as error:  # of the package's code, whatever it is
        ABSENT[verb] = f"the package {packages} has it, and fails: {type(error).__name__}: {error}"
        return
    if problem:
        ABSENT[verb] = f"the package {packages} has it, and it cannot be used: {problem}"
        return
    register(op)


def _problem(op: Any) -> str:
    """Why something cannot be an op of the language, or nothing."""
    if not isinstance(op, type) or not issubclass(op, Op):
        return "it is no subclass of archdsl.plugins.Op"
    verb = getattr(op, "verb", "")
    if not isinstance(verb, str) or not verb.isidentifier() or iskeyword(verb) or verb[0] == "_":
        return f"its verb is no name: {verb!r}"
    if OPS.get(verb, op) is not op:
        return f"there is an op `{verb}` already, {OPS[verb].__module__}.{OPS[verb].__name__}"
    from archdsl.pytorch.allowed import FIXED, prelude

    row = getattr(op, "torch", None)
    if not isinstance(row, Row):
        return "it says no `torch`: plugins.module(...) or plugins.function(...)"
    for name, home in row.imports.items():
        if not all(part.isidentifier() and not iskeyword(part) for part in home.split(".")):
            return f'`{name}` is of no package: write "package.{name}"'
        if name in FIXED or name in prelude() or IMPORTED.get(name, home) != home:
            return f"`{name}` means something else in the source: give it another name"
    unknown = [f.name for f in arguments(op).values() if "kind" not in f.metadata]
    return f"its field {unknown[0]} is no `argument(...)`" if unknown else ""
