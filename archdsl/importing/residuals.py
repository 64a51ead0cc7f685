"""Sums of a way and its shortcut as residuals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.importing.items import Item
from archdsl.ops import activation
from archdsl.ops.tensor import TensorSpec

AFTER = {
    op.verb for op in vars(activation).values() if isinstance(op, type) and hasattr(op, "verb")
}
VERB = "residual"


@dataclass
class Entry:
    """An item with its key, what it takes and gives; `parts` are those of a residual."""

    key: str
    item: Item
    taken: tuple[str, ...]
    result: str
    gives: frozenset[str]
    parts: "dict[str, list[Entry]]" = field(default_factory=dict)
    place: int | None = None  # of its first weight among all
    own: bool = False  # whether that is the module's own, before those of what is in it

    def inner(self, flow: str) -> "Iterator[tuple[Entry, str]]":
        """The item and all in its parts, each with what flows into it."""
        yield self, flow
        start = self.taken[0]
        for name, part in self.parts.items():
            given = "" if name == "after" else start
            for entry in part:
                yield from entry.inner(entry.taken[0] if name == "after" else given)
                given = start if name == "paths" else entry.result


def residuals(
    entries: Sequence[Entry], outside: set[str], spec: Callable[[str], TensorSpec], block: bool
) -> list[Entry]:
    """The entries, with residuals in place of sums; `outside` is what others take, too.

    In a `block` a way whose shortcut begins in it is all from the block's beginning.
    """
    found = list(entries)
    place = 0
    while place < len(found):
        if found[place].item.verb == "add" and len({*map(spec, found[place].taken)}) == 1:
            found = _aside(found, place) if block else found
            made = _residual(found, place, outside)
            if made is not None:
                start, stop, entry = made
                found[start:stop] = [entry]
                place = start
        place += 1
    _numbered(found)
    return found


def _numbered(entries: Sequence[Entry]) -> None:
    """Gives residuals keys of their own among others."""
    made = [entry for entry in entries if entry.item.verb == VERB]
    for number, entry in enumerate(made, 1):
        entry.key = f"_residual{number}" if number > 1 else "_residual"


def _aside(entries: list[Entry], at: int) -> list[Entry]:
    """The entries with a shortcut that begins inside of the way beside it, behind that."""
    if len(entries[at].taken) != 2:
        return entries
    for main, short in (entries[at].taken, entries[at].taken[::-1]):
        ends = [next((n for n in range(at) if entries[n].result == id), at) for id in (main, short)]
        end, other = ends
        if other < end < at and len(entries[other].taken) == 1 and not entries[other].parts:
            rest = [*entries[:other], *entries[other + 1 : at]]
            straight = rest[_begin(rest, end - 1) : end]
            if any(entry.result == entries[other].taken[0] for entry in straight):
                return [*rest, entries[other], *entries[at:]]
    return entries


def _begin(entries: Sequence[Entry], end: int) -> int:
    """Where the longest straight way to an entry begins."""
    return min(_starts(entries, end), default=end + 1)


def _residual(
    entries: Sequence[Entry], at: int, outside: set[str]
) -> tuple[int, int, Entry] | None:
    """The residual whose sum stands at a place, and the entries that it is made of.

    Of two ways the longer is the body.
    """
    add = entries[at]
    if len(add.taken) != 2:
        return None
    found = (_ways(entries, at, *pair) for pair in (add.taken, add.taken[::-1]))
    for ways in sorted(filter(None, found), key=lambda ways: -_length(entries, ways)):
        (start, stop), (first, last), source = ways
        held = {n for pair in ((start, stop), (first, last)) for n in range(*pair)}
        if not held or held != set(range(min(held), at)):
            continue
        stop_after = at + 1
        following = entries[at + 1] if at + 1 < len(entries) else None
        free = add.result not in outside and not add.item.modifiers
        after = []
        if following is not None and free and following.item.verb in AFTER:
            only = all(add.result not in e.taken for n, e in enumerate(entries) if n != at + 1)
            if only and following.taken == (add.result,) and not following.item.modifiers:
                after, stop_after = [following], at + 2
        hidden = {id for n in held for id in entries[n].gives}
        others = [e for n, e in enumerate(entries) if n not in held and n != at]
        if hidden & outside or any(hidden & set(e.taken) for e in others) or add.item.modifiers:
            continue
        if any("aux" in entries[n].item.modifiers for n in held):
            continue
        if {e.item.arguments.get("use") for e in others} & {entries[n].key for n in held}:
            continue
        body, shortcut = list(entries[start:stop]), list(entries[first:last])
        parts = {"body": body, "shortcut": shortcut}
        if shortcut and first < start:
            parts = {"shortcut": shortcut, "body": body}
        parts["after"] = after
        for part in parts.values():
            _numbered(part)
        item = Item(VERB, parts={n: {e.key: e.item for e in part} for n, part in parts.items()})
        result = after[-1].result if after else add.result
        entry = Entry("_residual", item, (source,), result, frozenset({result}), parts)
        return min(held), stop_after, entry
    return None


Ways = tuple[tuple[int, int], tuple[int, int], str]


def _length(entries: Sequence[Entry], ways: Ways) -> int:
    """How much a way does beside its shortcut."""
    return sum(1 for entry in entries[slice(*ways[0])] for _ in entry.item.walk())


def _ways(entries: Sequence[Entry], at: int, main: str, short: str) -> Ways | None:
    """Where the way and its shortcut begin and end, and what both are given."""
    end = next((n for n in range(at) if entries[n].result == main), None)
    if end is None:
        return None
    for start in _starts(entries, end):
        source = entries[start].taken[0]
        if source == short:
            return (start, end + 1), (at, at), source
    other = next((n for n in range(at) if entries[n].result == short), None)
    if other is None:
        return None
    inside = [entry.result for entry in entries[_begin(entries, end) : end]]
    if other == end + 1 and entries[other].taken[0] in inside and len(entries[other].taken) == 1:
        start = _begin(entries, end)
        return (start, end + 1), (other, other + 1), entries[start].taken[0]
    for first in _starts(entries, other):
        source = entries[first].taken[0]
        for start in _starts(entries, end):
            apart = end < first or other < start
            if entries[start].taken[0] == source and apart:
                return (start, end + 1), (first, other + 1), source
    return None


def _starts(entries: Sequence[Entry], end: int) -> Iterator[int]:
    """Where a straight way to an entry may begin, the nearest first."""
    for n in range(end, -1, -1):
        if len(entries[n].taken) != 1:
            return
        yield n
        if n == 0 or entries[n].taken[0] != entries[n - 1].result:
            return
