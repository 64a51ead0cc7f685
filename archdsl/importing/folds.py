"""What repeats in a body, said once: turns of a `repeat`, rows of a `for`, layers of a `dense`."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from archdsl.expressions.names import identifier_problem
from archdsl.importing.blocks import COMBINED, TAKEN, Known
from archdsl.importing.items import ANY, Body, Code, First, Item, Ramp, expression, is_list
from archdsl.importing.sizes import Columns, alike, axis, columns, is_axis, is_size, multiple
from archdsl.importing.unify import Apart, Unifier, shape

ROWS = 3  # the fewest that make a table
COLUMNS = 3  # the most that stand in one line each
LONG = 5  # rows that a table with more columns has at least
STEPS = 200  # the most that a rate grows by
_NUMBERED = re.compile(r"(.*?[^0-9])([0-9]+)")


def folded(body: Body, known: Known, whole: bool) -> Body:
    """The body with what repeats in it said once.

    In a block that others are still to be compared with (not the `whole` network) only parts that
    are more than a few layers are taken as one that repeats.
    """
    for item in body.values():
        for name, part in item.parts.items():
            if name == "paths":  # which do not follow each other
                for path in part.values():
                    path.parts = {n: folded(p, known, whole) for n, p in path.parts.items()}
            else:
                item.parts[name] = folded(part, known, whole)
        if not is_list(body):
            _as_group(item, {"repeat"})
    repeated = {item.verb for item in body.values() if "repeat" in item.modifiers}
    for item in body.values() if whole and not is_list(body) else ():
        if any(inner.verb in repeated for inner in item.parts.get("items", {}).values()):
            _as_group(item, set())  # of one turn, beside others of more
    found = _dense(body, known)
    if whole or all(known.is_deep(item.verb) for item in found.values()):
        found = _runs(found, known, 2, _turns)
    return _runs(found, known, ROWS, _rows) if whole else found


def _as_group(item: Item, says: set[str]) -> None:
    """A sequence that is one repeated item is this item: its turns are numbered in it."""
    body = item.parts.get("items", {})
    if item.verb != "seq" or list(body) != ["0"] or item.modifiers:
        return
    only = body["0"]
    if only.modifiers.keys() == says and not only.sources:
        item.verb, item.arguments, item.parts = only.verb, only.arguments, only.parts
        item.modifiers, item.sizes = {"repeat": 1, **only.modifiers}, only.sizes


# runs


Join = Callable[[Sequence[Item], Known], Item]


def _runs(body: Body, known: Known, least: int, join: Join) -> Body:
    """The body with runs of items, whose keys are numbered, joined."""
    keys, items = list(body), list(body.values())
    found: Body = {}
    listed = is_list(body)
    place = 0
    while place < len(keys):
        stop = place + 1
        while stop < len(keys) and _follows(keys, items, stop, listed):
            stop += 1
        made = None
        while made is None and stop - place >= least:
            try:
                made = join(items[place:stop], known)
            except Apart:
                stop -= 1
        if made is None:
            stop = place + 1
            found[str(len(found)) if listed else keys[place]] = items[place]
        elif listed:
            found[str(len(found))] = made
        else:
            found[_template(join, *_numbered(keys[place]))] = made
        place = stop
    return found


def _template(join: Join, prefix: str, start: int) -> str:
    turn = "row" if join is _rows else "i"
    return f"{prefix}{{{turn} + {start}}}" if start else f"{prefix}{{{turn}}}"


def _numbered(key: str) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(key)
    return (match[1], int(match[2])) if match else (key, 0)


def _follows(keys: Sequence[str], items: Sequence[Item], n: int, listed: bool) -> bool:
    """Whether an item is like the one before, and takes what that gives."""
    one, other = items[n - 1], items[n]
    if other.sources or {"as", "tap", "made_before"} & other.modifiers.keys():
        return False
    if shape(one)[:2] != shape(other)[:2]:
        return False
    match = _NUMBERED.fullmatch(keys[n])
    before = _numbered(keys[n - 1])
    return listed or (match is not None and (match[1], int(match[2]) - 1) == before)


def _turns(items: Sequence[Item], known: Known) -> Item:
    """Items as the turns of one."""
    if any(item.modifiers for item in items):
        raise Apart
    if items[0].verb == "use":
        raise Apart
    if items[0].verb == "seq" and any(item != items[0] for item in items[1:]):
        raise Apart  # parts of their own, as stages are
    made = Unifier(partial(_turn, known), _fit, known.defaults).item(_unsourced(items))
    said = [value for part in made.walk() for value in part.arguments.values()]
    changes = [value for value in said if isinstance(value, First)]
    flags = [value for value in changes if isinstance(value.first, bool)]  # which say one change
    deep = items[0].verb in COMBINED or known.is_deep(items[0].verb)
    if len(changes) - len(flags[1:]) > deep and len(items) < 3:
        raise Apart  # two that differ in several ways are two, of a few layers in one way
    made.sources = items[0].sources
    made.modifiers["repeat"] = len(items)
    for part in made.walk():
        part.sizes = ANY  # another turn has others
    return made


def _unsourced(items: Sequence[Item]) -> list[Item]:
    """The items as if all took what flows, which the first may not."""
    return [replace(items[0], sources=()), *items[1:]]


def _fit(values: list[Any], sizes: list[Any], used: Collection[str]) -> Any:
    """An axis of a shape, by what comes in."""
    return axis(values, columns(sizes), used)


def _of(name: str, sizes: list[Any]) -> Columns:
    """What a number of this name may be a multiple of."""
    known = columns(sizes)
    return known if is_axis(name) else {n: v for n, v in known.items() if n == "C"}


def _turn(known: Known, name: str, values: list[Any], sizes: list[Any]) -> Any:
    """What a value is in every turn."""
    top, steps = known.steps
    some = {n: value for n, value in enumerate(values) if isinstance(value, float)}
    if steps and len(some) > 1 and all(value is ANY or n in some for n, value in enumerate(values)):
        first = next(iter(some))
        before = round(some[first] * steps / top) - first
        grows = all(top * (before + n) / steps == v for n, v in some.items())
        if before >= 0 and grows and len({*some.values()}) > 1:
            return Ramp(top, before, steps)
    values = _filled(values)
    if any(isinstance(value, Code | dict) for value in values):
        if all(value == values[0] for value in values):
            return values[0]
        raise Apart
    varies = any(value != values[0] for value in values)
    if is_size(name):
        made = multiple(values, _of(name, sizes))
        if made is not None and (varies or name == "groups"):
            return made
        if varies:
            raise Apart
    if not varies:
        return values[0]
    if all(value == values[1] for value in values[1:]) and not isinstance(values[0], float):
        return First(values[0], values[1])
    if len(values) > 3 and all(value == values[n % 2] for n, value in enumerate(values)):
        return Code(f"{expression(values[1])} if i % 2 else {expression(values[0])}")
    raise Apart


def _filled(values: list[Any]) -> list[Any]:
    """The values, with one that is known where any will do."""
    known = next((value for value in values if value is not ANY), ANY)
    return [known if value is ANY else value for value in values]


def steps_of(rates: Collection[float]) -> tuple[float, int]:
    """The rate and the number of steps that rates grow by, to the last digit; (0, 0) if none."""
    found = sorted(rates)
    least = min((b - a for a, b in pairwise(found)), default=0.0)
    for steps in range(1, STEPS):
        top = float(f"{least * steps:.6g}")
        if round(top, 2) == top >= max(found, default=1.0):
            grown = {top * n / steps for n in range(steps + 1)}
            if all(rate in grown for rate in found):
                return top, steps
    return 0.0, 0


# rows


def _rows(items: Sequence[Item], known: Known) -> Item:
    """Items as the rows of a table."""
    given = _with_repeats(items)
    found: Columns = {}
    unifier = Unifier(partial(_column, found), _fit, known.defaults)
    made = unifier.item(_unsourced(given))
    if not found or items[0].sources or (len(found) > COLUMNS and len(items) < LONG):
        raise Apart
    made.sources = items[0].sources
    made.modifiers = {"for": _table(found, len(items)), **made.modifiers}
    return made


def _with_repeats(items: Sequence[Item]) -> list[Item]:
    """The items, each with a `repeat` if one has it."""
    if any("for" in item.modifiers for item in items):
        raise Apart
    if any("repeat" in item.modifiers for item in items):
        return [_repeated(item) for item in items]
    alone = [list(item.parts.get("items", {}).items()) for item in items]
    if all(
        item.verb == "seq" and [k for k, _ in b] == ["0"]
        for item, b in zip(items, alone, strict=True)
    ):
        inner = _with_repeats([body[0][1] for body in alone])
        return [
            replace(item, parts={"items": {"0": only}})
            for item, only in zip(items, inner, strict=True)
        ]
    return list(items)


def _repeated(item: Item) -> Item:
    return replace(item, modifiers={"repeat": 1, **item.modifiers})


def _column(found: Columns, name: str, values: list[Any], sizes: list[Any]) -> Any:
    values = _filled(values)
    if any(isinstance(value, Code | list | dict) for value in values):
        if all(value == values[0] for value in values):
            return values[0]
        raise Apart
    if all(value == values[0] for value in values):
        return values[0]
    made = multiple(values, _of(name, sizes)) if is_size(name) else None
    if made is not None:
        return made
    if name == "number" and values == [*range(values[0], values[0] + len(values))]:
        return Code(f"row + {values[0]}" if values[0] else "row")
    for title, others in found.items():
        if alike(others, values) and title.startswith(name):
            return Code(title)
    base = "depth" if name == "repeat" else name
    title, number = base, 2
    while title in found or title in TAKEN or identifier_problem(title):
        title, number = f"{base}{number}", number + 1
    found[title] = values
    return Code(title)


def _table(found: Columns, count: int) -> dict[str, Any]:
    if len(found) <= COLUMNS:
        return dict(found)
    rows = [[values[n] for values in found.values()] for n in range(count)]
    return {"columns": list(found), "rows": rows}


# dense


def _dense(body: Body, known: Known) -> Body:
    """The body with layers that see all before them as one dense item."""
    keys, items = list(body), list(body.values())
    for place in range(len(keys)):
        layers, stop = _layers(keys, items, place)
        if len(layers) < 2:
            continue
        prefix, start = _numbered(keys[place])
        try:
            layer = Unifier(partial(_turn, known), _fit, known.defaults).item(_unsourced(layers))
        except Apart:
            continue
        key = _template(_turns, prefix, start) if prefix != keys[place] else "{i}"
        for part in layer.walk():
            part.sizes = ANY
        made = Item("dense", {"repeat": len(layers)}, {"layer": {key: layer}})
        made.sizes = items[place].sizes
        before = dict(zip(keys[:place], items[:place], strict=True))
        after = dict(zip(keys[stop:], items[stop:], strict=True))
        return before | {"_dense": made} | after
    return body


def _layers(keys: Sequence[str], items: Sequence[Item], place: int) -> tuple[list[Item], int]:
    """Layers from a place on, each beside the next behind a concat of all so far, and their end."""
    source = keys[place - 1] if place else "input"
    layers: list[Item] = []
    seen, stop = [source], place
    while stop + 1 < len(keys):
        layer, join = items[stop], items[stop + 1]
        seen.append(keys[stop])
        whole = join.verb == "concat" and not join.arguments and not join.modifiers
        prefix, number = _numbered(keys[stop])
        first = _numbered(keys[place])
        named = (prefix, number) == (first[0], first[1] + len(layers))
        if layer.sources or layer.modifiers or not whole or not named:
            break
        if join.sources != tuple(seen):
            break
        layers.append(layer)
        stop += 2
    return layers, stop
