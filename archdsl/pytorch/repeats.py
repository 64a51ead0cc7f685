"""Runs of like parts: where instances of a class differ in a length, one part and a count."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from archdsl.modules.structure import Instance, Origin, Part, Slot

REPEAT = "*"  # the name of the slot that holds how often a part is repeated
Run = tuple[Part, ...]


def with_counts(group: list[Instance]) -> list[Instance]:
    """The instances, the first with the most parts, with their runs of differing length counted.

    A run are neighbours in an `nn.Sequential` that one item of the spec made, and that are made
    with the same values in every instance that has them.
    """
    present = [origins(instance) for instance in group]
    found = [run for run in _runs(group, present) if _differs(run, present)]
    gone = [part for run in found for part in run[1:]]
    without = {inner.origin for part in gone for inner in _walk(part)}
    runs = [run for run in found if run[0].origin not in without]  # but not those in what goes
    first = {run[0].origin for run in runs}
    dropped = {slot for part in gone for slot in _slots(part)}
    return [
        replace(
            instance,
            parts=_counted(instance.parts, first, without),
            values={
                **{slot: value for slot, value in instance.values.items() if slot not in dropped},
                **{(run[0].origin, REPEAT): _length(run, there) for run in runs},
            },
        )
        for instance, there in zip(group, present, strict=True)
    ]


def origins(instance: Instance) -> set[Origin]:
    """Everything an instance has: parts, parts of parts, and steps."""
    inside = {inner.origin for part in instance.parts for inner in _walk(part)}
    return {step.origin for step in instance.steps} | inside


def _runs(group: list[Instance], present: list[set[Origin]]) -> Iterator[Run]:
    base = group[0]
    walked = {step.access[0] for step in base.steps if len(step.access) > 1}
    lists = [base.parts] if base.chain else []
    for part in base.parts:
        if part.name not in walked:
            lists += [inner.children for inner in _walk(part) if inner.children]
    for parts in lists:
        if all(part.name.isdecimal() for part in parts):
            yield from _alike(parts, group, present)


def _alike(
    parts: tuple[Part, ...], group: list[Instance], present: list[set[Origin]]
) -> Iterator[Run]:
    run: Run = ()
    for part in parts:
        if run and not _same(run[0], part, group, present):
            yield run
            run = ()
        run = (*run, part)
    yield run


def _same(one: Part, other: Part, group: list[Instance], present: list[set[Origin]]) -> bool:
    """Whether one item made two parts, and with the same values in all instances that have both."""
    if _place(one) != _place(other) or _shape(one) != _shape(other):
        return False
    for instance, there in zip(group, present, strict=True):
        if one.origin in there and other.origin in there:
            made = [
                (
                    [p.origin in there for p in _walk(part)],
                    [*map(instance.values.get, _slots(part))],
                )
                for part in (one, other)
            ]
            if made[0] != made[1]:
                return False
    return True


def _place(part: Part) -> tuple[Any, ...]:
    """What identifies a part across instances, without its turn."""
    *place, _, mark = part.origin
    return (*place, mark)


def _shape(part: Part) -> tuple[Any, ...]:
    """How a part is made but for the values."""
    return (part.target, part.arguments, tuple((c.name, _shape(c)) for c in part.children or ()))


def _differs(run: Run, present: list[set[Origin]]) -> bool:
    return len(run) > 1 and len({_length(run, there) for there in present}) > 1


def _length(run: Run, there: set[Origin]) -> int:
    return sum(part.origin in there for part in run)


def _counted(parts: tuple[Part, ...], first: set[Origin], gone: set[Origin]) -> tuple[Part, ...]:
    """The parts with the first of every run in its stead; numbers close up."""
    kept = [
        replace(
            part,
            children=part.children and _counted(part.children, first, gone),
            repeated=part.origin in first,
        )
        for part in parts
        if part.origin not in gone
    ]
    if len(kept) < len(parts):
        kept = [replace(part, name=str(number)) for number, part in enumerate(kept)]
    return tuple(kept)


def _slots(part: Part) -> Iterator[Slot]:
    for inner in _walk(part):
        yield from ((inner.origin, argument.name) for argument in inner.arguments)


def _walk(part: Part) -> Iterator[Part]:
    yield part
    for child in part.children or ():
        yield from _walk(child)
