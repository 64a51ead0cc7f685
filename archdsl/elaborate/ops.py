"""An op in the graph: its arguments with the default ones, its inputs, what it cannot take."""

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, NoReturn

from archdsl.diagnostics.diagnostic import Label
from archdsl.diagnostics.text import counted
from archdsl.elaborate.env import Arguments, Flow, Here, Poison, Said, Tensor, fail
from archdsl.elaborate.items import Run
from archdsl.language.syntax import Item, Listed, Literal, Name
from archdsl.ops import ArgumentError, Op, RankError, construct, kind
from archdsl.ops import arguments as declared_of
from archdsl.ops.tensor import TensorSpec

_ANY = TensorSpec((1, 1, 1))  # for an input that failed, to look at the arguments all the same


def add_op(
    run: Run, op: type[Op], written: Mapping[str, Said], item: Item, here: Here, name: str
) -> Flow:
    """Adds one op, with its arguments and the default ones."""
    arguments = with_defaults(run, op, written, here)
    values: dict[str, Any] = {}
    failed = False
    inputs: list[Flow] = list(here.x) if isinstance(here.x, tuple) else [here.x]
    for argument, (said, there) in arguments.items():
        declared = kind(op, argument)
        try:
            if declared.form == "reference":
                inputs.append(_like(run, said, there))
                values[argument] = True
            else:
                values[argument] = run.values.argument(said, declared, there)
        except Poison:
            failed = True
    if failed:
        raise Poison
    missing = [n for n, a in declared_of(op).items() if a.default is MISSING and n not in arguments]
    if missing:
        message = f"{op.verb} needs " + ", ".join(f"`{name}`" for name in missing)
        fail(run.sink, "E0207", message, item.inside.key)
    poisoned = any(flow is None for flow in inputs)
    first = None if poisoned else _tensors(run, op, inputs, item)[0]
    try:
        made = construct(op, values, _ANY if first is None else first.spec)
    except ArgumentError as error:
        _refuse(run, error, op, first, arguments, item, here)
    if poisoned:
        raise Poison

    def origins(argument: str = "") -> tuple[Label, ...]:
        parts = [arguments[argument]] if argument in arguments else arguments.values()
        found = (label for part in parts for label in run.values.explain.origins(*part))
        return tuple(dict.fromkeys(found))

    tensors = run.tensors(op, inputs, item)
    return run.node(made, tensors, here, name, item, arguments, origins)


def _refuse(
    run: Run,
    error: ArgumentError,
    op: type[Op],
    first: Tensor | None,
    arguments: Arguments,
    item: Item,
    here: Here,
) -> NoReturn:
    """Reports a value that an op cannot take; its first input is None where that is poisoned."""
    said, there = arguments.get(error.argument, (Literal(None, item.inside), here))
    if first is None and (isinstance(error, RankError) or said.place in run.wrong):
        raise Poison
    run.wrong.add(said.place)
    labels = run.shapes.ranks(first) if first is not None and isinstance(error, RankError) else ()
    what = f"{error.argument} of {op.verb}"
    run.values.explain.refuse(error, what, said, there, labels=labels)


def _like(run: Run, said: Said, here: Here) -> Flow:
    """The item that an argument names."""
    if not isinstance(said, Name | Listed):
        message = "an item is named in the call of an op, not in the value of a parameter"
        fail(run.sink, "E0203", message, said.place.span)
    return run.lookup.references(said, here)


def with_defaults(
    run: Run, op: type[Op], written: Mapping[str, Said], here: Here
) -> dict[str, tuple[Said, Here]]:
    """The arguments, and the default ones of the item's file, then the document's."""
    arguments: dict[str, tuple[Said, Here]] = {n: (said, here) for n, said in written.items()}
    for file in (here.file, run.document.file):
        defaults = file.defaults.get(op.verb)
        if defaults:
            settled = Here(file, here.frame, run.outer(file), here.x)
            for argument, said in defaults.items():
                arguments.setdefault(argument, (said, settled))
    return arguments


def _tensors(run: Run, op: type[Op], inputs: list[Flow], item: Item) -> list[Tensor]:
    """The inputs, as many as the op takes."""
    tensors = [flow for flow in inputs if isinstance(flow, Tensor)]
    if op.inputs == len(inputs) == len(tensors):
        return tensors
    likes = sum(kind(op, name).form == "reference" for name in item.arguments if op.inputs)
    if op.inputs is None and len(tensors) < 2:
        message = f"{op.verb} joins two or more inputs, here {len(tensors)}"
        help = f"write {{{op.verb}: {{}}, from: [a, b]}}"
        fail(run.sink, "E0404", message, item.span, help)
    if op.inputs is not None and len(inputs) != op.inputs + likes:
        message = f"{op.verb} takes {counted(op.inputs, 'input')}, here {len(inputs) - likes}"
        help = "use `each` to apply it to every one, or `concat` or `add` to join them"
        fail(run.sink, "E0404", message, item.span, help)
    return tensors
