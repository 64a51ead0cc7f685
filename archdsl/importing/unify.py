"""Items that differ in numbers alone as one: what stands for the numbers is the caller's to say."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from archdsl.importing.items import ANY, WAITING, Body, Code, First, Item, Ramp, Verb, is_list
from archdsl.importing.residuals import AFTER
from archdsl.ops import OPS, arguments
from archdsl.ops.kinds import CHANNELS, KERNEL

SHAPES = ("shape", "size")  # arguments that are said axis by axis
MOST = 60  # ways in which lists of different lengths are laid beside each other


_NUMBER = re.compile(r"([^0-9{]+)([0-9]+)(.*)")


class Apart(Exception):
    """Items are not one but for numbers."""


Leaf = Callable[[str, list[Any], list[Any]], Any]
Fit = Callable[[list[Any], list[Any], Collection[str]], Any]
Defaults = Callable[[str], "dict[str, Any]"]


@dataclass
class Unifier:
    """Joins items; `leaf` gives what stands for values, of an argument, on inputs of these sizes.

    `fit` says an axis of shapes by those sizes, or by what stands for others, None if it cannot.
    `missing` says what stands for whether an item is there, None where every one has to be;
    `defaults` are those of the parameters of blocks.
    """

    leaf: Leaf
    fit: Fit
    defaults: Defaults
    missing: "Callable[[str, list[bool]], Any] | None" = None
    key: str = field(default="", init=False)  # of the item at hand
    verb: str = field(default="", init=False)

    def body(self, bodies: Sequence[Body]) -> Body:
        """Bodies as one; raises Apart."""
        bodies = _all_residual(bodies)
        if all(map(is_list, bodies)) and len({len(body) for body in bodies}) > 1:
            return self.lists(bodies)
        if self.missing is not None:
            bodies = self.numbered(bodies)
        keys = _merged([list(body) for body in bodies])
        if self.missing is None and any(len(body) != len(keys) for body in bodies):
            raise Apart
        return {key: self.there(key, [body.get(key) for body in bodies]) for key in keys}

    def numbered(self, bodies: Sequence[Body]) -> Sequence[Body]:
        """Bodies whose keys have the number of each, `block2-0`, with what stands for it.

        Raises Apart for others with no key that is in all.
        """
        held = [set(body) for body in bodies if body]
        shared = set.intersection(*held) if held else set()
        rows = [[_NUMBER.fullmatch(key) for key in body if key not in shared] for body in bodies]
        if not _in_stages(rows) or _names(bodies) & {m[0] for row in rows for m in row if m}:
            if held and not shared:
                raise Apart
            return bodies
        numbers = [next((int(m[2]) for m in row if m), ANY) for row in rows]
        code = self.leaf("number", numbers, [ANY] * len(numbers))
        titles = {m[0]: f"{m[1]}{{{code}}}{m[3]}" for row in rows for m in row if m}
        return [{titles.get(key, key): item for key, item in body.items()} for body in bodies]

    def there(self, key: str, items: Sequence[Item | None]) -> Item:
        """Items of one key, of which some may not be there."""
        found = [item for item in items if item is not None]
        outer, self.key = self.key, re.sub(r"{.*?}", "", key).strip("-_")
        try:
            if len(found) == len(items):
                return self.item(found)
            if self.missing is None:
                raise Apart
            made = self.item([item or _ghost(found[0]) for item in items])
            flags = [item is not None for item in items]
            title = made.verb.strip("$") if key.isdigit() and made.verb != "seq" else self.key
            made.modifiers = {"if": self.missing(title, flags), **made.modifiers}
            return made
        finally:
            self.key = outer

    def lists(self, bodies: Sequence[Body]) -> Body:
        """Lists of different lengths, of which some lack items."""
        if self.missing is None:
            raise Apart
        longest = max(bodies, key=len)
        verbs = [shape(item) for item in longest.values()]
        rows: list[list[Item | None]] = []
        for body in bodies:
            items = list(body.values())
            places = _places(verbs, [shape(item) for item in items])
            row: list[Item | None] = [None] * len(verbs)
            for place, item in zip(places, items, strict=True):
                row[place] = item
            rows.append(row)
        columns = zip(*rows, strict=True)
        return {str(n): self.there(str(n), column) for n, column in enumerate(columns)}

    def item(self, items: Sequence[Item]) -> Item:
        """Items as one."""
        first = items[0]
        if first.verb == "residual" and all(item.verb == "residual" for item in items):
            return self.residual(items)
        if self.missing is not None and all(map(_activates, items)):
            return self.activation(items)
        for other in items[1:]:
            if other.verb != first.verb or other.parts.keys() != first.parts.keys():
                raise Apart
            if other.sources != first.sources or other.modifiers.keys() != first.modifiers.keys():
                raise Apart
        sizes = [item.sizes if item.there else ANY for item in items]
        parts = {name: self.body([item.parts[name] for item in items]) for name in first.parts}
        if first.verb in OPS:
            given = self.op(items)
        elif first.verb in (WAITING, "use"):
            if len({tuple(item.arguments.items()) for item in items}) > 1:
                raise Apart
            given = dict(first.arguments)
        else:
            defaults = self.defaults(first.verb)
            names = dict.fromkeys(name for item in items for name in item.arguments)
            given = {}
            for name in names:
                values = [
                    item.arguments.get(name, defaults.get(name))
                    if item.there and name not in item.free
                    else ANY
                    for item in items
                ]
                given[name] = self.value(name, values, sizes)
            given = {n: v for n, v in given.items() if n not in defaults or v != defaults[n]}
        modifiers = {
            name: self.value(name, [i.modifiers[name] if i.there else ANY for i in items], sizes)
            for name in first.modifiers
        }
        return Item(first.verb, given, parts, first.sources, modifiers, first.sizes)

    def activation(self, items: Sequence[Item]) -> Item:
        """Activations as one, or as what a parameter says."""
        verbs = [Verb(item.verb) if item.there else ANY for item in items]
        verb = self.value("act", verbs, [item.sizes for item in items])
        return replace(items[0], verb=f"${verb}" if isinstance(verb, Code) else str(verb))

    def residual(self, items: Sequence[Item]) -> Item:
        """Residuals, of which some add nothing."""
        first = next((item for item in items if "when" not in item.arguments), items[0])
        for item in items:
            if list(item.parts) != list(first.parts) and "when" not in item.arguments:
                raise Apart
        parts = {name: self.body([i.parts.get(name, {}) for i in items]) for name in first.parts}
        flags = ["when" not in item.arguments for item in items]
        given: dict[str, Any] = {}
        if not all(flags):
            if self.missing is None:
                raise Apart
            given = {"when": self.missing("shortcut", flags)}
        if len({item.sources for item in items}) > 1:
            raise Apart
        return Item("residual", given, parts, first.sources, {}, first.sizes)

    def op(self, items: Sequence[Item]) -> dict[str, Any]:
        """The arguments of an op, without those that are its defaults."""
        self.verb = items[0].verb
        declared: dict[str, Any] = arguments(OPS[self.verb])
        given: dict[str, Any] = {}
        sizes = [item.sizes if item.there else ANY for item in items]
        for name, one in declared.items():
            if not any(name in item.arguments for item in items):
                continue
            values = []
            for item in items:
                value = item.arguments.get(name, one.default) if item.there else ANY
                if value is CHANNELS:
                    value = item.channels
                elif value is KERNEL:
                    value = item.arguments["kernel"]
                values.append(value)
            made = self.value(name, values, sizes)
            plain = not isinstance(made, First | Ramp) and str(made)
            if one.default is CHANNELS and plain == "C":
                continue
            if one.default is KERNEL and made == given.get("kernel"):
                continue
            given[name] = made
        return given

    def value(self, name: str, values: Sequence[Any], sizes: list[Any]) -> Any:
        """What stands for values; what has parts is one part by part."""
        listed = list(values)
        known = [value for value in listed if value is not ANY]
        if name in ("like", "made_before") and any(value != known[0] for value in known):
            raise Apart  # it names an item
        if not known:
            return ANY
        if all(value == known[0] and type(value) is type(known[0]) for value in known):
            if not isinstance(known[0], int) or isinstance(known[0], bool) or len(listed) == 1:
                return known[0]
            return self.leaf(name, listed, sizes)
        if any(isinstance(value, First) for value in listed):
            pairs = [v if isinstance(v, First) else First(v, v) for v in listed]
            return First(
                self.value(name, [pair.first for pair in pairs], sizes),
                self.value(name, [pair.other for pair in pairs], sizes),
            )
        if any(isinstance(value, Ramp) for value in listed):
            if not all(isinstance(v, Ramp) for v in known):
                raise Apart
            whole = [v if isinstance(v, Ramp) else Ramp(ANY, ANY, ANY) for v in listed]
            return Ramp(
                self.value(name, [v.top for v in whole], sizes),
                self.value("before", [v.before for v in whole], sizes),
                self.value("steps", [v.steps for v in whole], sizes),
            )
        lists = name in SHAPES and all(isinstance(value, list) for value in known)
        if lists and len({*map(len, known)}) == 1:
            return self.shape(listed, sizes)
        return self.leaf(name, listed, sizes)

    def shape(self, values: Sequence[Any], sizes: list[Any]) -> list[Any]:
        """What stands for shapes, axis by axis; in a `reshape` one that nothing says is -1."""
        count = next(len(value) for value in values if value is not ANY)
        columns = [[ANY if v is ANY else v[n] for v in values] for n in range(count)]
        made: list[Any] = []
        for column in columns:
            used = {part.text for part in made if isinstance(part, Code)}
            made.append(self.fit(column, sizes, used))
        open = [n for n, part in enumerate(made) if part is None]
        if self.verb == "reshape" and len(open) == 1:
            made[open[0]] = -1
        for n in open:
            if made[n] is None:
                made[n] = self.leaf("size", columns[n], sizes)
        return made


def _in_stages(rows: Sequence[Sequence[re.Match[str] | None]]) -> bool:
    """Whether the keys of a row have one number, those of some rows another, and are else alike."""
    numbers = [{match and match[2] for match in row} for row in rows if row]
    alike = [{match and match.group(1, 3) for match in row} for row in rows if row]
    single = all(len(some) == 1 for some in numbers) and len(set().union(*numbers) - {None}) > 1
    return single and None not in set().union(*alike) and bool(set.intersection(*alike))


def _names(bodies: Sequence[Body]) -> set[str]:
    """What items take by name."""
    return {name for b in bodies for i in b.values() for o in i.walk() for name in o.sources}


def _ghost(item: Item) -> Item:
    """An item that is not there, with all in it."""
    parts = {
        name: {key: _ghost(inner) for key, inner in body.items()}
        for name, body in item.parts.items()
    }
    return Item(item.verb, item.arguments, parts, item.sources, item.modifiers, item.sizes, False)


def _all_residual(bodies: Sequence[Body]) -> Sequence[Body]:
    """Bodies of which some are one residual: the others as residuals that add nothing."""
    kinds = [len(b) == 1 and next(iter(b.values())).verb == "residual" for b in bodies]
    if not any(kinds) or all(kinds):
        return bodies
    key = next(iter(bodies[kinds.index(True)]))
    parts = bodies[kinds.index(True)][key].parts

    def without(body: Body) -> Body:
        last = list(body)[-len(parts["after"]) :] if parts["after"] else []
        if last and last != list(parts["after"]):
            raise Apart
        rest = {k: item for k, item in body.items() if k not in last}
        after = {k: body[k] for k in last}
        made = {"body": rest, "shortcut": {}, "after": after}
        first = next(iter(body.values()))
        item = Item("residual", {"when": False}, {n: made[n] for n in parts})
        item.sizes = first.sizes
        return {key: item}

    return [body if kind else without(body) for body, kind in zip(bodies, kinds, strict=True)]


def _activates(item: Item) -> bool:
    """Whether an item is an activation of which nothing is said."""
    return item.verb in AFTER and not (item.arguments or item.sources or item.modifiers)


def shape(item: Item) -> tuple[Any, ...]:
    """What an item is but for numbers, and for which activation it is."""
    verb = "activation" if _activates(item) else item.verb
    return (verb, item.arguments.get("block"), item.sources and len(item.sources))


def _merged(lists: Sequence[Sequence[str]]) -> list[str]:
    """All keys in an order that every list keeps to; raises Apart."""
    merged: list[str] = []
    for keys in lists:
        merged = list(keys) if len(keys) > len(merged) else merged
    for keys in lists:
        at = 0
        for key in keys:
            if key in merged:
                place = merged.index(key)
                if place < at:
                    raise Apart
                at = place + 1
            else:
                merged.insert(at, key)
                at += 1
    return merged


def _places(wanted: Sequence[Any], found: Sequence[Any]) -> Sequence[int]:
    """Where the items of a shorter list stand in a longer one: as far behind as they can."""
    for tried, places in enumerate(_ways(len(wanted), len(found))):
        if tried >= MOST:
            break
        if all(wanted[place] == kind for place, kind in zip(places, found, strict=True)):
            return places
    raise Apart


def _ways(length: int, count: int) -> Iterator[Sequence[int]]:
    """Ascending places, those that lie furthest behind first."""
    for places in combinations(range(length - 1, -1, -1), count):
        yield places[::-1]
