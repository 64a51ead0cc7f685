"""Ways from one value that are joined again as branches."""

import re
from collections.abc import Sequence
from itertools import takewhile

from archdsl.importing.items import Item
from archdsl.importing.residuals import Entry

LEAST = {"concat": 2, "add": 3}  # ways of a join that are branches; two that are added a residual
VERB = "branches"


def branched(entries: Sequence[Entry], outside: set[str]) -> list[Entry]:
    """The entries, with branches in place of joins; `outside` is what others take, too."""
    found, place, count = list(entries), 0, 0
    while place < len(found):
        ways = _ways(found, place)
        if ways is not None and not _shown(found, ways[0][0].start, place, outside):
            start, entry = _entry(found, place, *ways)
            found[start : place + 1] = [entry]
            place, count = start, count + 1
            entry.key = f"_{VERB}{count}" if count > 1 else f"_{VERB}"
        place += 1
    return found


def _ways(entries: Sequence[Entry], at: int) -> tuple[list[slice], str] | None:
    """Where ways that one join takes stand, in a row before it, and what all are given."""
    join = entries[at]
    if len(join.taken) < LEAST.get(join.item.verb, len(join.taken) + 1) or join.item.arguments:
        return None
    for first in _starts(entries, at - 1):
        source, end = entries[first].taken[0], at
        ways: list[slice] = []
        for id in reversed(join.taken):
            starts = (n for n in _starts(entries, end - 1) if entries[n].taken[0] == source)
            start = next(starts, None)
            if start is None or entries[end - 1].result != id:
                break
            ways.insert(0, slice(start, end))
            end = start
        else:
            return ways, source
    return None


def _starts(entries: Sequence[Entry], end: int) -> list[int]:
    """Where a straight way to an entry may begin, the nearest first."""
    found = []
    while end >= 0 and len(entries[end].taken) == 1 and not entries[end].key.isdigit():
        found.append(end)
        if not end or entries[end].taken[0] != entries[end - 1].result:
            break
        end -= 1
    return found


def _shown(entries: Sequence[Entry], start: int, at: int, outside: set[str]) -> bool:
    """Whether anything else needs what stands in ways, or calls it by its name."""
    inside, others = entries[start:at], [*entries[:start], *entries[at + 1 :]]
    results = {id for entry in inside for id in entry.gives}
    taken = {id for entry in others for id in entry.taken}
    used = {entry.item.arguments.get("use") for entry in others}
    marked = any(entry.item.modifiers for entry in (*inside, entries[at]))
    return marked or bool(results & (outside | taken)) or bool(used & {e.key for e in inside})


def _entry(
    entries: Sequence[Entry], at: int, ways: Sequence[slice], source: str
) -> tuple[int, Entry]:
    """Where branches begin, and their entry."""
    paths = []
    for number, way in enumerate(ways, 1):
        row = list(entries[way])
        if len(row) > 1:
            body = Item("seq", parts={"items": {entry.key: entry.item for entry in row}})
            gives = frozenset().union(*(entry.gives for entry in row))
            parts = {"items": row}
            key = _title([entry.key for entry in row]) or f"_way{number}"
            row = [Entry(key, body, (source,), row[-1].result, gives, parts)]
        paths += row
    join = entries[at]
    said = {} if join.item.verb == "concat" else {"join": join.item.verb}
    item = Item(VERB, said, {"paths": {entry.key: entry.item for entry in paths}})
    gives = frozenset({join.result})
    return ways[0].start, Entry("", item, (source,), join.result, gives, {"paths": paths})


def _title(keys: Sequence[str]) -> str:
    """What a way is called whose items are called alike: `_conv` of `conv1` and `conv2`."""
    alike = takewhile(lambda letters: len({*letters}) == 1, zip(*keys, strict=False))
    start = re.sub(r"(_+|[0-9]+)$", "", "".join(letter for letter, *_ in alike).lstrip("_"))
    return f"_{start}" if start.isidentifier() and start not in keys else ""
