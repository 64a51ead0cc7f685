"""Parts of one class as calls of one block, with parameters for what differs."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.expressions.names import identifier_problem
from archdsl.importing.items import ANY, WAITING, Body, Code, Item, Ramp, plain_body, value_of
from archdsl.importing.sizes import (
    Columns,
    alike,
    axis,
    columns,
    is_axis,
    is_size,
    multiple,
    pairs,
    products,
    root,
)
from archdsl.importing.unify import Apart, Unifier
from archdsl.ops import OPS


@dataclass
class Block:
    """A block: its body, its parameters with their defaults (None: required)."""

    name: str
    body: Body
    inputs: int
    parameters: dict[str, list[Any]]  # the values of all calls
    defaults: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The block as data."""
        said: dict[str, Any] = {}
        if self.parameters:
            said["params"] = {
                name: value_of(self.defaults.get(name, _type(values)))
                for name, values in self.parameters.items()
            }
        if self.inputs > 1:
            said["inputs"] = [f"x{n}" for n in range(self.inputs)]
        only = next(iter(self.body.items())) if len(self.body) == 1 else None
        if only is not None and only[0].startswith("_") and only[1].parts:
            verb = plain_body({"0": only[1]}, True)[0]
            return said | (verb if isinstance(verb, dict) else {"body": verb})
        said["body"] = plain_body(self.body)
        return said


def _type(values: Sequence[Any]) -> Any:
    """The type of a parameter; none where a number or a list may stand."""
    kinds = {type(value).__name__ for value in values if value is not ANY}
    if kinds == {"Verb"}:
        return "item"
    if kinds == {"int", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 else {}


class Parameters:
    """What stands for the numbers of a block: the same number, something of `C`, a parameter.

    `sizes` are those of every call; a parameter whose values follow from them, or from others,
    has an expression as its default.
    """

    def __init__(self, sizes: Sequence[Any]) -> None:
        self.given = columns(sizes)
        self.found: dict[str, list[Any]] = {}
        self.derived: dict[str, Code] = {}
        self.widths: set[str] = set()  # parameters that are numbers of channels
        self.flags: list[tuple[Code, str, list[bool]]] = []
        self.unifier: Unifier

    def leaf(self, name: str, values: list[Any], sizes: list[Any]) -> Any:
        known = [value for value in values if value is not ANY]
        whole = is_size(name) and all(type(v) is int for v in known)
        varies = any(value != known[0] for value in known)
        counts = name in ("groups", "heads")  # parts of the channels
        if whole and (varies or name == "groups"):
            made = multiple(values, self._of(name, columns(sizes))) or (
                multiple(values, self.sizes()) if not counts else None
            )
            if made is not None and (varies or made.text == "C"):
                return made
        if not varies:
            return known[0]
        if any(isinstance(value, Code | dict) for value in known):
            raise Apart
        made = root(values, self._of(name, columns(sizes)))
        if made is not None:
            return made
        for title, others in self.found.items():
            if title.startswith(name) and alike(values, others):
                self.found[title] = [b if a is ANY else a for a, b in pairs(others, values)]
                return Code(title)
        made = multiple(values, self._of(name, self.given)) if whole else None
        made = made or root(values, self._of(name, self.given))
        if made is not None:
            title = self.free("channels" if made.text == "C" else name)
            self.derived[title] = made
        else:
            title = self.free("depth" if name == "repeat" else name)
        self.found[title] = values
        if whole and not counts:
            self.widths.add(title)
        return Code(title)

    def _of(self, name: str, known: Columns) -> Columns:
        """What a number of this name may be a multiple of: channels, an axis of any size."""
        known = known if is_axis(name) else {n: v for n, v in known.items() if n == "C"}
        return known | products(known) if is_axis(name) else known

    def fit(self, values: list[Any], sizes: list[Any], used: Collection[str]) -> Any:
        """An axis of a shape, by what comes in or by other parameters."""
        made = axis(values, columns(sizes), used)
        return axis(values, self.sizes(), used) if made is None else made

    def sizes(self) -> dict[str, list[Any]]:
        """What other sizes may be multiples of."""
        return {n: v for n, v in self.found.items() if n in self.widths}

    def free(self, name: str) -> str:
        key = re.sub(r"\W", "_", self.unifier.key).strip("_")
        wanted = [name, f"{key}_{name}"] if not key[:1].isdigit() and key else [name]
        for title in wanted:
            if title not in self.found and not identifier_problem(title) and title not in TAKEN:
                return title
        number = 2
        while f"{name}{number}" in self.found:
            number += 1
        return f"{name}{number}"

    def missing(self, key: str, flags: list[bool]) -> Code:
        made = Code("")
        self.flags.append((made, re.sub(r"\W", "_", key).strip("_"), flags))
        return made

    def settle(self) -> None:
        """Says when items are there: by a parameter, whose default is a test of others."""
        for code, key, flags in self.flags:
            same = [n for n, v in self.found.items() if v == flags]
            if same:
                code.text = same[0]
                continue
            title = self.free(f"has_{key}" if not identifier_problem(f"has_{key}") else "has")
            test = next(self.tests(flags), "")
            if test:
                self.derived[title] = Code(test)
            self.found[title] = list(flags)
            code.text = title

    def tests(self, flags: list[bool]) -> Iterator[str]:
        """Tests of parameters and of the channels of the call that hold where flags do."""
        simple: dict[str, list[bool]] = {}
        for name, values in self.found.items():
            if name in self.derived or not all(type(x) is int for x in values):
                continue
            simple[f"{name} != 1"] = [v != 1 for v in values]
            simple[f"{name} == 1"] = [v == 1 for v in values]
            if name in self.widths:
                for k in (1, 2, 4):
                    differs = [k * v != c for v, c in pairs(values, self.given["C"])]
                    times = f"{k} * {name}" if k > 1 else name
                    simple[f"{times} != C"] = differs
                    simple[f"{times} == C"] = [not d for d in differs]
        yield from (text for text, holds in simple.items() if holds == flags)
        for word, both in (("or", any), ("and", all)):
            for a, one in simple.items():
                for b, other in simple.items():
                    if a != b and [both(p) for p in pairs(one, other)] == flags:
                        yield f"{a} {word} {b}"


TAKEN = {"C", "H", "W", "D", "L", "i", "first", "last", "row", "input", "true", "false"}


Fold = Callable[[Body, "Known", bool], Body]


class Known(dict[str, Block]):
    """Blocks by name, and the rate and number of steps by which rates grow, if they do."""

    steps: tuple[float, int] = (0.0, 0)

    def defaults(self, verb: str) -> dict[str, Any]:
        """The defaults of a block's parameters."""
        return self[verb].defaults if verb in self else {}

    def is_deep(self, verb: str) -> bool:
        """Whether a block is more than a few layers in a row."""
        held = self[verb].body if verb in self else {}
        return any(item.verb in self or item.verb in COMBINED for item in _all(held))


COMBINED = ("residual", "branches", "dense", "concat", "add", "multiply")


def called(
    network: Body, taken: Collection[str], fold: Fold, steps: tuple[float, int]
) -> tuple[Body, list[Block]]:
    """Every part that is to be a block as a call of one, and the blocks, inner ones first.

    `fold` says once what repeats in a body; rates grow by `steps`.
    """
    blocks = Known()
    blocks.steps = steps
    while True:
        waiting = _waiting(network)
        if not waiting:
            return fold(network, blocks, True), list(blocks.values())
        name, items = waiting
        for item in items:
            item.parts["items"] = fold(item.parts["items"], blocks, False)
        _even([item.parts for item in items])
        for group in _groups(items, blocks.defaults):
            title = _title(name, {*blocks, *taken})
            blocks[title] = _block(title, *group)


def _even(parts: Sequence[dict[str, Body]]) -> None:
    """Bodies of one class with one turn of what others have several turns of, under its key."""
    repeated = {
        turn: (key, item)
        for part in parts
        for key, item in part["items"].items()
        if "repeat" in item.modifiers and (turn := _first_of(key))
    }
    for part in parts:
        found = {}
        for key, item in part["items"].items():
            title, other = repeated.get(key, (key, item))
            if other is not item and other.verb == item.verb and not item.modifiers:
                said = {n: _step(v, other.arguments.get(n)) for n, v in item.arguments.items()}
                key, item = title, replace(item, arguments=said, modifiers={"repeat": 1})
            found[key] = item
        part["items"] = found


def _step(value: Any, other: Any) -> Any:
    """A rate of one turn as a step of the ramp of others, if it is one."""
    if not isinstance(other, Ramp) or not isinstance(value, float):
        return value
    before = round(value * other.steps / other.top)
    return (
        Ramp(other.top, before, other.steps) if other.top * before / other.steps == value else value
    )


_TURN = re.compile(r"(.*)\{i(?: \+ ([0-9]+))?\}")  # the key of what repeats


def _first_of(key: str) -> str:
    """The key of the first turn, "" of what has none."""
    match = _TURN.fullmatch(key)
    return f"{match[1]}{match[2] or 0}" if match else ""


Group = tuple[Body, Parameters, list[Item]]


def _waiting(network: Body) -> tuple[str, list[Item]] | None:
    """All parts of a class in which no other wait."""
    found: dict[str, list[Item]] = {}
    deep: set[str] = set()
    for item in _all(network):
        if item.verb == WAITING:
            name = item.arguments["block"]
            found.setdefault(name, []).append(item)
            if any(inner.verb == WAITING for inner in _all(item.parts["items"])):
                deep.add(name)
    for name, items in found.items():
        if name not in deep:
            return name, items
    for items in found.values():  # of one class in itself: the innermost
        free = [i for i in items if all(n.verb != WAITING for n in _all(i.parts["items"]))]
        if free:
            return free[0].arguments["block"], free
    return None


def _all(body: Body) -> Iterator[Item]:
    for item in body.values():
        yield from item.walk()


def _groups(items: Sequence[Item], defaults: Any) -> Iterator[Group]:
    """Parts that are one block but for numbers, as many in each as can be."""
    left = list(items)
    while left:
        group, made = _joined(left, defaults)
        yield (*made, group)
        left = [item for item in left if all(item is not other for other in group)]


def _joined(items: Sequence[Item], defaults: Any) -> tuple[list[Item], tuple[Body, Parameters]]:
    """The first of the items with all that can be joined with it."""
    try:
        return list(items), _unified(items, defaults)
    except Apart:
        pass
    group = [items[0]]
    made = _unified(group, defaults)
    kinds: dict[Any, list[Item]] = {}
    for item in items[1:]:
        kinds.setdefault(_skeleton(item.parts["items"]), []).append(item)
    for others in kinds.values():
        try:
            made = _unified([*group, *others], defaults)
            group += others
        except Apart:
            continue
    return group, made


def _skeleton(body: Body) -> Any:
    return tuple(
        (key, item.verb, item.sources, tuple(_skeleton(part) for part in item.parts.values()))
        for key, item in body.items()
    )


def _unified(items: Sequence[Item], defaults: Any) -> tuple[Body, Parameters]:
    if len({len(item.sources) > 1 and len(item.sources) for item in items}) > 1:
        raise Apart
    parameters = Parameters([item.sizes for item in items])
    parameters.unifier = Unifier(parameters.leaf, parameters.fit, defaults, parameters.missing)
    body = parameters.unifier.body([item.parts["items"] for item in items])
    parameters.settle()
    return body, parameters


def _block(title: str, body: Body, parameters: Parameters, items: Sequence[Item]) -> Block:
    """A block, and every part a call of it."""
    found = {n: v for n, v in parameters.found.items() if n not in parameters.derived}
    found |= {n: v for n, v in parameters.found.items() if n in parameters.derived}
    block = Block(title, body, max(1, len(items[0].sources)), found, dict(parameters.derived))
    for name, values in found.items():
        known = [value for value in values if value is not ANY]
        mixed = not isinstance(_type(values), str)
        if mixed:  # a default that is a list would be one for every call
            known = [value for value in known if type(value) in (int, float, str)]
        if name in block.defaults or not known:
            continue
        key, count = Counter(map(_key, known)).most_common(1)[0]
        if mixed or count > len(values) / 2 or ANY in values:
            block.defaults[name] = next(v for v in known if _key(v) == key)
    for n, item in enumerate(items):
        item.verb, item.parts = title, {}
        item.free = frozenset(name for name, values in found.items() if values[n] is ANY)
        item.arguments = {
            name: values[n]
            for name, values in found.items()
            if name not in parameters.derived
            and values[n] is not ANY
            and (name not in block.defaults or values[n] != block.defaults[name])
        }
    return block


def _key(value: Any) -> str:
    return repr(value_of(value))


def _title(name: str, taken: Collection[str]) -> str:
    """A name that no op, combinator or block has."""
    words = {*OPS, "seq", "inline", "residual", "branches", "dense", "use", *taken}
    title, number = name, 2
    if title in words and title not in taken:
        name = title = f"{name}_block"
    while title in words:
        title, number = f"{name}{number}", number + 1
    return title
