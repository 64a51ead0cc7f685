"""Taps of a written backbone: the last map of each reduction, `c2` at a quarter of the image."""

import re
from collections.abc import Iterator, Sequence
from math import log2
from typing import Any

from archdsl.importing.bodies import Bodies
from archdsl.importing.items import Body, Code, Item, is_list

Copies = tuple[
    Item, list[str]
]  # an item, and what each of its rows gives, or of its turns in a list


def tap(bodies: Bodies, backbone: Body, headed: bool) -> None:
    """Says which items of a backbone give the last map of a reduction, until maps grow again.

    Without a head behind it the widest of them, which what gives a result is not.
    """
    graph = bodies.graph
    if len(graph.inputs) != 1 or graph.input.rank != 2:
        return None
    items = list(_copies(bodies, backbone, ""))
    last: dict[int, tuple[int, int]] = {}
    deepest, widest = 0, 0
    for n, (_, results) in enumerate(items):
        for row, id in enumerate(results):
            level, width = _level(bodies, id), graph.spec(id).channels
            if -1 < level < deepest:
                return _say(items, last)
            if level > deepest:
                widest = 0
            if level >= 0 and (headed or width >= widest):
                deepest, widest, last[level] = level, width, (n, row)
    return _say(items, last)


def _level(bodies: Bodies, id: str) -> int:
    """How many times the image is halved to a map; -1 of what is no map or no power of 2."""
    spec, image = bodies.graph.spec(id), bodies.graph.input
    if spec.layout != "channels_first" or spec.rank != 2:
        return -1
    ratios = {whole / size for whole, size in zip(image.spatial, spec.spatial, strict=True)}
    levels = {round(log2(ratio)) for ratio in ratios}
    level = levels.pop()
    close = all(abs(ratio / 2**level - 1) < 0.2 for ratio in ratios)
    return level if not levels and close and level >= 0 and min(spec.spatial) > 1 else -1


def _say(items: Sequence[Copies], last: dict[int, tuple[int, int]]) -> None:
    """Gives items the taps of the levels whose last map they give."""
    for n, (item, results) in enumerate(items):
        rows = {row: level for level, (where, row) in last.items() if where == n}
        if not any(rows.values()):  # the size of the image is no reduction
            continue
        turn = "row" if "for" in item.modifiers else "i"
        if len(results) == 1:
            item.modifiers["tap"] = f"c{rows[0]}"
        elif [*rows] == [*range(len(results))] and _ascend([*rows.values()]):
            start = rows[0]
            item.modifiers["tap"] = f"c{{{turn} + {start}}}" if start else f"c{{{turn}}}"
        elif turn == "i" and len(rows) == 1 and len(results) - 1 in rows:
            item.modifiers["tap"] = f"c{rows[len(results) - 1]}"  # of turns with one name the last
        elif turn == "row":
            following = [
                min((r for r in rows if r >= row), default=-1) for row in range(len(results))
            ]
            if -1 not in following:  # of rows with one name the last has it
                _column(item.modifiers["for"], [rows[row] for row in following])
                item.modifiers["tap"] = "c{level}"


def _ascend(levels: Sequence[int]) -> bool:
    return list(levels) == [*range(levels[0], levels[0] + len(levels))]


def _column(table: dict[str, Any], levels: Sequence[int]) -> None:
    """Adds the levels to a table."""
    if table.keys() == {"columns", "rows"}:
        table["columns"].append("level")
        for row, level in zip(table["rows"], levels, strict=True):
            row.append(level)
    else:
        table["level"] = list(levels)


def _copies(bodies: Bodies, body: Body, scope: str) -> Iterator[Copies]:
    """The items of a sequence with what they give, those in it before itself."""
    children = bodies.structure.children[scope]
    listed = is_list(body)
    results = {child.name: bodies.result(child) for child in children}
    held, at = {child.name: child.id for child in children}, 0
    for key, item in body.items():
        rows = _rows(item)
        if listed:
            each = _turns(item, rows)
            if not each:
                return
            each = each if rows > 1 else [1] * each[0]  # turns beside each other
            ends = [at + sum(each[: n + 1]) - 1 for n in range(len(each))]
            keys, at = [str(end) for end in ends], ends[-1] + 1
        else:
            keys = _names(key, item, rows)
        if item.verb == "seq" and not {"for", "repeat", "if", "aux"} & item.modifiers.keys():
            yield from _copies(bodies, item.parts["items"], held.get(keys[0], ""))
        marked = item.verb == "use" or {"tap", "aux", "if"} & item.modifiers.keys()
        if not marked and all(name in results for name in keys):
            yield item, [results[name] for name in keys]


_TURN = re.compile(r"(.*)\{(row|i)(?: \+ ([0-9]+))?\}")


def _names(key: str, item: Item, rows: int) -> list[str]:
    """The names of what a key stands for: of every row, of turns that of the last."""
    match = _TURN.fullmatch(key)
    if match is None:
        return [key]
    prefix, first = match[1], int(match[3] or 0)
    if match[2] == "row":
        return [f"{prefix}{first + row}" for row in range(rows)]
    turns = item.modifiers.get("repeat", 1)
    return [f"{prefix}{first + turns - 1}"] if isinstance(turns, int) else [""]


def _rows(item: Item) -> int:
    table = item.modifiers.get("for")
    if not table:
        return 1
    return len(table["rows"] if table.keys() == {"columns", "rows"} else next(iter(table.values())))


def _turns(item: Item, rows: int) -> list[int]:
    """How many items of a list every row is."""
    turns = item.modifiers.get("repeat", 1)
    if isinstance(turns, int):
        return [turns] * rows
    table = item.modifiers.get("for", {})
    name = turns.text if isinstance(turns, Code) else ""
    if table.keys() == {"columns", "rows"} and name in table["columns"]:
        return [row[table["columns"].index(name)] for row in table["rows"]]
    found: list[int] = table.get(name, [])
    return found
