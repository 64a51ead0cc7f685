"""A second, naive reading of the language: which modules a spec has and which shapes they give.

It knows the ops only by the shapes they infer, and stops with Misfit at anything wrong.
"""

import copy
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archdsl.expressions.expression import make_divisible
from archdsl.ops import OPS, ArgumentError, ShapeError, arguments, construct
from archdsl.ops.tensor import TensorSpec

MODIFIERS = ("for", "if", "from", "repeat", "shared", "each", "as", "tap", "checkpoint")
LARGEST = {"channels": 40, "axis": 26, "elements": 12_000, "nodes": 80}

Names = dict[str, Any]
FUNCTIONS = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": lambda v: math.floor(v + 0.5),
    "len": len,
    "sum": sum,
    "range": lambda *ends: list(range(*ends)),
    "make_divisible": make_divisible,
    "true": True,
    "false": False,
}


class Misfit(Exception):
    """What the spec says cannot be, or is too large for a test."""


@dataclass(frozen=True)
class Value:
    """A tensor: the number of the node that gives it, -1, -2... for the inputs."""

    number: int
    shape: TensorSpec

    def __deepcopy__(self, memo: object) -> "Value":
        return self


Flow = Value | tuple["Flow", ...]


@dataclass
class Level:
    """A module under construction: its path and the next number of a list in it."""

    path: str
    count: int = 0

    def next(self) -> str:
        self.count += 1
        return str(self.count - 1)

    def child(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


@dataclass
class Frame:
    """What a sequence sees: its level, what its block was given, the names of earlier items.

    `own` are the labels of a block or section, which its outermost frame holds.
    """

    level: Level
    given: Flow
    outer: "Frame | None" = None
    names: dict[str, Flow] = field(default_factory=dict)
    own: dict[str, Flow] = field(default_factory=dict)
    makers: dict[str, tuple[str, Any, Names, tuple[int, int]]] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, Flow]:
        return self.own if self.outer is None else self.outer.labels

    def owner(self, name: str) -> "Frame":
        """The frame that has a name."""
        if name in self.names:
            return self
        if self.outer is None:
            raise Misfit(f"no {name}")
        return self.outer.owner(name)

    def visible(self) -> dict[str, Flow]:
        return {**(self.outer.visible() if self.outer else {}), **self.names}


@dataclass
class Naive:
    """Reads items and keeps the nodes: (path, verb, numbers of the inputs, shape)."""

    params: Names = field(default_factory=dict)
    rules: Names = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    blocks: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: list[tuple[str, str, tuple[int, ...], TensorSpec]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    taps: dict[str, Flow] = field(default_factory=dict)
    ops: list[tuple[Any, tuple[TensorSpec, ...]]] = field(default_factory=list)  # of the nodes
    paths: set[str] = field(default_factory=set)  # that something has
    dotted: set[str] = field(default_factory=set)  # those of levels that keys with dots made
    results: dict[str, Flow] = field(default_factory=dict, repr=False)  # of items, by path
    shared: bool = False  # in a later application of shared weights
    in_block: bool = False
    checked: bool = False  # whether what is read next is recomputed
    recomputed: set[str] = field(default_factory=set)  # paths of what is
    replace: list[Names] = field(default_factory=list)  # rules: op, with, perhaps at
    replaced: set[int] = field(default_factory=set)  # the numbers of rules that found an op
    frozen: set[str] = field(default_factory=set)  # paths of nodes that do not learn

    def trial(self, *others: Any) -> tuple[Any, ...]:
        """A copy of everything that reading changes, and of frames and levels with it."""
        twin = copy.copy(self)
        twin.nodes, twin.used = list(self.nodes), set(self.used)
        twin.taps, twin.paths, twin.ops = dict(self.taps), set(self.paths), list(self.ops)
        twin.dotted = set(self.dotted)
        twin.recomputed, twin.replaced = set(self.recomputed), set(self.replaced)
        twin.results = dict(self.results)
        return (twin, *copy.deepcopy(others))

    # expressions

    def evaluate(self, raw: Any, names: Names, x: Flow) -> Any:
        if isinstance(raw, list):
            return [self.evaluate(item, names, x) for item in raw]
        if not isinstance(raw, str):
            return raw
        first = x[0] if isinstance(x, tuple) else x
        known = (
            {**first.shape.names(), **self.params, **names} if isinstance(first, Value) else names
        )
        try:
            if raw.startswith("$"):
                return known[raw[1:]]
            return eval(raw, {"__builtins__": {}}, {**FUNCTIONS, **self.rules, **known})
        except (ArithmeticError, LookupError, TypeError, ValueError, NameError) as error:
            raise Misfit(str(error)) from None

    def name(self, key: str, names: Names, x: Flow) -> str:
        parts = key.replace("}", "{").split("{")
        return "".join(
            str(self.evaluate(part, names, x)) if n % 2 else part for n, part in enumerate(parts)
        )

    # sequences and items

    def sequence(self, raw: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        for key, item in keyed(raw):
            x = self.item(key, item, frame, names, x)
        return x

    def item(self, key: str | None, raw: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        for result in self.copies(key, raw, frame, names, x):
            x = result
        return x

    def copies(
        self, key: str | None, raw: Any, frame: Frame, names: Names, x: Flow, onward: bool = True
    ) -> Iterator[Flow]:
        """The result of every copy; `onward` where each takes what the one before it gave."""
        verb, value, modifiers = parts(raw)
        for row in self.rows(modifiers.get("for"), names, x):
            bound = {**names, **row}
            if not self.evaluate(modifiers.get("if", True), bound, x):
                continue
            self.checked = "checkpoint" in modifiers
            once = "from" in modifiers and not by_turn(modifiers)
            source = self.references(modifiers["from"], frame) if once else x
            if "each" in modifiers:
                result: Flow = self.each(key, verb, value, modifiers, frame, bound)
            else:
                result = self.repeated(key, verb, value, modifiers, frame, bound, source)
            self.checked = False
            if "as" in modifiers and "[i]" not in modifiers["as"]:
                frame.labels[self.name(modifiers["as"], bound, x)] = result
            if "tap" in modifiers:
                self.tap(self.name(modifiers["tap"], bound, x), result)
            yield result
            x = result if onward else x

    def rows(self, columns: Any, names: Names, x: Flow) -> list[Names]:
        if columns is None:
            return [{}]
        if "rows" in columns:
            table = [dict(zip(columns["columns"], row, strict=True)) for row in columns["rows"]]
        else:
            cells = [
                self.evaluate(c, names, x) if isinstance(c, str) else c for c in columns.values()
            ]
            table = [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
        last = len(table) - 1
        whole = {f"all_{name}": [row[name] for row in table] for name in table[0]} if table else {}
        return [
            {**whole, **row, "row": n, "first_row": n == 0, "last_row": n == last}
            for n, row in enumerate(table)
        ]

    def references(self, raw: Any, frame: Frame) -> Flow:
        if isinstance(raw, list):
            flows: list[Flow] = []
            for name in raw:
                flow = self.references(name, frame)
                flows += flow if name.startswith("*") and isinstance(flow, tuple) else [flow]
            return tuple(flows) if len(flows) != 1 else flows[0]
        raw, _, index = raw.removeprefix("*").partition("[")
        if index:
            flow = self.references(raw, frame)
            if not isinstance(flow, tuple):
                raise Misfit("an index of what is no list")
            picked = eval(f"places[{index}", {"places": [*range(len(flow))]})
            if isinstance(picked, list):
                return tuple(flow[place] for place in picked)
            return flow[picked]
        visible = frame.visible()
        if raw in visible:
            return visible[raw]
        beginnings = [raw[:n] for n, letter in enumerate(raw) if letter == "."]
        for name in reversed([name for name in beginnings if name in visible]):
            path = frame.owner(name).level.child(raw)
            if path not in self.results:
                raise Misfit(f"no {path}")
            return self.results[path]
        if raw == "input":
            return frame.given
        if raw in frame.labels:
            return frame.labels[raw]
        if raw in self.taps and not self.in_block:
            return self.taps[raw]
        raise Misfit(f"no {raw}")

    def tap(self, name: str, value: Flow) -> None:
        if name in self.taps:
            raise Misfit(f"two taps {name}")
        self.taps[name] = value
        self.used.update(numbers(value))

    def each(
        self, key: str | None, verb: str, value: Any, modifiers: Names, frame: Frame, names: Names
    ) -> Flow:
        inputs = self.references(modifiers["each"], frame)
        count, before, results, starts = frame.level.count, self.shared, [], []
        known, labels = dict(frame.names), dict(frame.labels)
        inside: dict[str, list[Flow]] = {}
        for n, given in enumerate(inputs if isinstance(inputs, tuple) else ()):
            frame.level.count, self.shared = count, before or n > 0
            frame.names.clear()  # what an application names is not there for the next
            frame.names.update(known)
            starts.append(len(self.ops))
            results.append(self.repeated(key, verb, value, modifiers, frame, names, given))
            for label, flow in frame.labels.items():
                if label not in labels:
                    inside.setdefault(label, []).append(flow)
                elif labels[label] != flow:
                    raise Misfit("a label outside that changes inside")
            frame.labels.clear()
            frame.labels.update(labels)
        self.shared = before
        for start, end in zip(starts[1:], [*starts[2:], len(self.ops)], strict=True):
            first, again = self.ops[starts[0] : starts[1]], self.ops[start:end]
            if len(first) != len(again) or not all(map(one_module, first, again)):
                raise Misfit("applications that differ")
        single = {label: f for label, f in inside.items() if all(isinstance(v, Value) for v in f)}
        frame.labels.update({label: tuple(flows) for label, flows in single.items()})
        name = str(frame.level.count - 1) if key is None else self.name(key, names, frame.given)
        if name in frame.names:
            frame.names[name] = tuple(results)
        return tuple(results)

    def repeated(
        self,
        key: str | None,
        verb: str,
        value: Any,
        modifiers: Names,
        frame: Frame,
        names: Names,
        x: Flow,
    ) -> Flow:
        if "repeat" not in modifiers:
            return self.named(key, verb, value, frame, names, x)
        count = self.whole(self.evaluate(modifiers["repeat"], names, x), 0)
        if modifiers.get("shared"):
            return self.by_itself(key, verb, value, frame, names, x, count)
        turns = [{**names, "i": i, "first": i == 0, "last": i == count - 1} for i in range(count)]
        written = key is not None and any(
            "i" in words(expression) for expression in key.replace("}", "{").split("{")[1::2]
        )
        if key is None or written or verb == "inline":
            for bound in turns:
                x = self.turn_from(modifiers, frame, bound, x)
                x = self.named(key, verb, value, frame, bound, x)
                self.add_label(modifiers, frame, bound["i"], x)
            return x
        name = self.name(key, names, x)
        self.within(name, frame)
        level = self.level(name, frame)
        inner = Frame(level, frame.given, frame)
        for bound in turns:
            x = self.turn_from(modifiers, inner, bound, x)
            x = self.place(level.next(), verb, value, inner, bound, x)
            self.add_label(modifiers, inner, bound["i"], x)
        frame.names[name] = x
        return x

    def by_itself(
        self,
        key: str | None,
        verb: str,
        value: Any,
        frame: Frame,
        names: Names,
        x: Flow,
        count: int,
    ) -> Flow:
        """One module, applied to its own result."""
        number, before, labels = frame.level.count, self.shared, dict(frame.labels)
        start, first = len(self.ops), len(self.ops)
        for i in range(count):
            frame.level.count, self.shared = number, before or i > 0
            bound = {**names, "i": i, "first": i == 0, "last": i == count - 1}
            again = len(self.ops)
            x = self.named(key, verb, value, frame, bound, x)
            first = first if i else len(self.ops)
            self.alike(self.ops[start:first], self.ops[again:])
            frame.labels.clear()
            frame.labels.update(labels)
        self.shared = before
        return x

    @staticmethod
    def alike(first: Any, again: Any) -> None:
        if len(first) != len(again) or not all(map(one_module, first, again)):
            raise Misfit("applications that differ")

    def applied_again(self, name: str, frame: Frame, x: Flow) -> Flow:
        """The module of an earlier item, applied once more."""
        if name not in frame.makers:
            raise Misfit(f"no module {name}")
        verb, value, names, (start, end) = frame.makers[name]
        before, labels, again = self.shared, dict(frame.labels), len(self.ops)
        self.shared = True
        x = self.place(name, verb, value, frame, names, x)
        self.shared = before
        frame.labels.clear()
        frame.labels.update(labels)
        self.alike(self.ops[start:end], self.ops[again:])
        return x

    def add_label(self, modifiers: Names, frame: Frame, i: int, x: Flow) -> None:
        """Adds the result of a turn to the list that `as: s[i]` says."""
        label, _, index = modifiers.get("as", "").partition("[")
        if index:
            before = frame.labels.get(label, ()) if i else ()
            frame.labels[label] = (*(before if isinstance(before, tuple) else ()), x)

    def turn_from(self, modifiers: Names, frame: Frame, names: Names, x: Flow) -> Flow:
        """Where a turn begins whose `from` says so."""
        if not by_turn(modifiers):
            return x
        return self.references(self.name(modifiers["from"], names, x), frame)

    def named(
        self, key: str | None, verb: str, value: Any, frame: Frame, names: Names, x: Flow
    ) -> Flow:
        name = None if key is None else self.name(key, names, x)
        if name is not None and verb != "use":
            self.within(name, frame)
        if name is not None and "." in name and verb == "inline":
            raise Misfit("a level that adds none")
        start = len(self.ops)
        if self.checked and verb in ("use", "inline"):
            raise Misfit("no module to compute again")
        if verb == "use":
            result = self.applied_again(value, frame, x)
        elif verb == "inline":
            result = self.sequence(value, frame, names, x)
        else:
            name = frame.level.next() if name is None else name
            result = self.place(name, verb, value, frame, names, x)
            frame.makers[name] = verb, value, names, (start, len(self.ops))
        if name is not None:
            frame.names[name] = result
        return result

    def level(self, name: str, frame: Frame) -> Level:
        if name.startswith("_"):
            return frame.level
        path = frame.level.child(name)
        self.take(path)
        return Level(path)

    def within(self, name: str, frame: Frame) -> None:
        """The levels of a key with dots, which others may share."""
        for n, letter in enumerate(name):
            path = frame.level.child(name[:n])
            if letter == "." and path not in self.dotted:
                self.take(path)
                self.dotted.add(path)

    def take(self, path: str) -> None:
        """One path, one thing; a later application of a module finds the first one's."""
        if (path in self.paths) != self.shared:
            raise Misfit(f"two things at {path}")
        self.paths.add(path)

    # verbs

    def place(self, name: str, verb: str, value: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        checked, self.checked, start = self.checked, False, len(self.nodes)
        result = self.placed(name, verb, value, frame, names, x)
        path = frame.level.child(name)
        if checked:
            self.recompute(name, path, start)
        self.checked = checked
        self.results.pop(path, None)  # that of a module applied again would be a list
        if not self.shared and not name.startswith("_"):
            self.results[path] = result
        return result

    def recompute(self, name: str, path: str, start: int) -> None:
        """Notes that a part is recomputed: one with a module, whose nodes begin at `start`."""
        own = [n for n in range(start, len(self.nodes)) if self.nodes[n][0] == path]
        held = [self.ops[n][0].weights(*self.ops[n][1]) for n in own]
        if name.startswith("_") or not all(any(w.name for w in weights) for weights in held):
            raise Misfit("no weights to compute again")
        self.recomputed.add(path)

    def placed(self, name: str, verb: str, value: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        value = value or {}
        if verb.startswith("$"):
            item = self.evaluate(verb, names, x)
            verb, value = item[0], {**item[1], **value}
        if verb in OPS:
            return self.op(name, verb, value, frame, names, x)
        if verb == "split":
            return self.split(name, value["parts"], frame, names, x)
        if verb in self.blocks:
            return self.call(name, self.blocks[verb], value, frame, names, x)
        inner = Frame(self.level(name, frame), frame.given, frame)
        if name.startswith("_"):
            inner = frame
        return self.combine(verb, value, inner, names, x)

    def combine(self, verb: str, value: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        if verb in ("seq", "body"):
            return self.sequence(value, frame, names, x)
        if verb == "residual":
            when = self.evaluate(value.get("when", True), names, x)
            sides: dict[str, Flow] = {"shortcut": x}
            for side in (s for s in value if s == "body" or (s == "shortcut" and when)):
                sides[side] = self.sequence(value[side], frame, names, x)
            result, shortcut = sides["body"], sides["shortcut"]
            if when:
                if shapes(result) != shapes(shortcut):
                    raise Misfit("body and shortcut differ")
                result = self.emit("_add", OPS["add"](), (result, shortcut), frame)
            return self.sequence(value.get("after", []), frame, names, result)
        if verb == "branches":
            return self.branches(value, frame, names, x)
        maps = [x]
        count = self.whole(self.evaluate(value["repeat"], names, x), 0)
        for i in range(count):
            bound = {**names, "i": i, "first": i == 0, "last": i == count - 1}
            seen = maps[-1]
            if i and value.get("sees", "all") == "all":
                seen = self.emit("_concat", OPS["concat"](), tuple(maps), frame)
            maps.append(self.sequence(value["layer"], frame, bound, seen))
        gives = value.get("gives", "all")
        if gives == "layers" and not count:
            raise Misfit("no layers")
        if gives == "list" and not all(isinstance(map, Value) for map in maps):
            raise Misfit("a list in a list")
        if gives in ("last", "list"):
            return maps[-1] if gives == "last" else tuple(maps)
        joined = maps if gives == "all" else maps[1:]
        if len(joined) == 1:
            return joined[0]
        return self.emit("_concat", OPS["concat"](), tuple(joined), frame)

    def branches(self, value: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        starts: list[Flow] = [x] * len(value["paths"])
        if "split" in value:
            counts = self.evaluate(value["split"], names, x)
            if not isinstance(x, Value) or sum(counts) != x.shape.channels:
                raise Misfit("split")
            ends = [sum(counts[: n + 1]) for n in range(len(counts))]
            slices = [OPS["slice"](e, e - c) for c, e in zip(counts, ends, strict=True)]
            starts = [self.emit("_slice", op, (x,), frame) for op in slices]
        results: list[Flow] = []
        for (key, path), start in zip(keyed(value["paths"]), starts, strict=True):
            results += self.copies(key, path, frame, names, start, onward=False)
        if value.get("join") == "none":
            return tuple(results)
        if len(results) == 1:
            return results[0]
        return self.emit("_join", OPS[value.get("join", "concat")](), tuple(results), frame)

    def split(self, name: str, raw: Any, frame: Frame, names: Names, x: Flow) -> Flow:
        """The channels in parts, at the paths below a name."""
        parts = self.evaluate(raw, names, x)
        if not isinstance(x, Value):
            raise Misfit("a list to be split")
        channels = x.shape.channels
        if not isinstance(parts, list) and not 0 < parts <= channels:
            raise Misfit("so many parts")
        counts = parts if isinstance(parts, list) else [channels // parts] * parts
        if sum(counts) != channels or min(counts) < 1:
            raise Misfit("parts")
        hidden = name.startswith("_")
        self.within(f"{name}.0" if not hidden else name, frame)
        titles = [f"{name}.{'_' * hidden}{n}" for n in range(len(counts))]
        made, start = [], 0
        for title, count in zip(titles, counts, strict=True):
            made.append(self.emit(title, OPS["slice"](start + count, start), (x,), frame))
            start += count
        for title, value in zip(titles, made, strict=True):
            self.results.pop(frame.level.child(title), None)  # as in `place`
            if not hidden and not self.shared:
                self.results[frame.level.child(title)] = value
        return tuple(made)

    def call(
        self, name: str, block: dict[str, Any], value: Any, frame: Frame, names: Names, x: Flow
    ) -> Flow:
        given = x if isinstance(x, tuple) else (x,)
        inputs = block.get("inputs", [])
        rest = inputs[-1][1:] if inputs and inputs[-1][0] == "*" else ""
        if (not rest and len(given) != max(1, len(inputs))) or not all(
            isinstance(g, Value) for g in given
        ):
            raise Misfit("inputs of a block")
        own: Names = {}
        outside = {n for n in self.params if n not in block.get("params", {})}
        for parameter, default in block.get("params", {}).items():
            if parameter in value:
                own[parameter] = self.parameter(value[parameter], default, names, x)
            elif default == "int":
                raise Misfit("a required parameter")
            else:
                own[parameter] = self.parameter(default, default, own, x)
        verb = next(v for v in block if v not in ("params", "inputs", "outputs", "doc"))
        known = {rest: given} if rest else dict(zip(inputs, given, strict=False))
        before, self.in_block = (self.params, self.in_block), True
        self.params = {n: v for n, v in self.params.items() if n in outside}
        try:
            if verb in OPS or verb in self.blocks:
                inner = Frame(frame.level, x, None, known)
                return self.place(name, verb, block[verb], inner, own, x)
            level = self.level(name, frame)
            inner = Frame(level, x, None, known)
            result = self.combine(verb, block[verb], inner, own, x)
            outputs = [self.references(name, inner) for name in block.get("outputs", {}).values()]
            return tuple(outputs) or result
        finally:
            self.params, self.in_block = before

    def parameter(self, raw: Any, default: Any, names: Names, x: Flow) -> Any:
        """A parameter's value; one whose default is a verb or {verb: ...} is an item."""
        if isinstance(default, dict) or default in OPS:
            verb, value = (raw, {}) if isinstance(raw, str) else next(iter(raw.items()))
            verb = self.evaluate(verb, names, x) if "'" in verb else verb
            if verb in names:
                return names[verb]
            return verb, self.evaluated(value, names, x)
        return self.evaluate(raw, names, x)

    def evaluated(self, value: Mapping[str, Any], names: Names, x: Flow) -> Names:
        return {name: self.evaluate(raw, names, x) for name, raw in value.items()}

    # ops

    def op(
        self, name: str, verb: str, value: Mapping[str, Any], frame: Frame, names: Names, x: Flow
    ) -> Value:
        verb, value = self.standing(verb, value, name, frame)
        given = {**self.defaults.get(verb, {}), **value}
        inputs = x if isinstance(x, tuple) else (x,)
        values: Names = {}
        for argument, raw in given.items():
            if argument == "like":
                inputs = (*inputs, self.references(raw, frame))
                values[argument] = True
            elif isinstance(raw, dict) or raw in plain_words(verb, argument):
                values[argument] = raw
            else:
                values[argument] = self.evaluate(raw, names, x)
        if OPS[verb].inputs is None and len(inputs) < 2:
            raise Misfit("a join of one")
        if OPS[verb].inputs == 2 and len(inputs) != 2:
            raise Misfit("not two inputs")
        if OPS[verb].inputs == 1 and len(inputs) != 1 + ("like" in given):
            raise Misfit("several inputs")
        try:
            first = inputs[0]
            assert isinstance(first, Value)
            return self.emit(name, construct(OPS[verb], values, first.shape), inputs, frame)
        except (ArgumentError, AssertionError) as error:
            raise Misfit(str(error)) from None

    def standing(
        self, verb: str, value: Mapping[str, Any], name: str, frame: Frame
    ) -> tuple[str, Mapping[str, Any]]:
        """What stands for an op, with the arguments of both."""
        path = frame.level.child(name)
        for number, rule in enumerate(self.replace):
            if rule["op"] != verb:
                continue
            if "at" in rule and (name.startswith("_") or "_" in path):
                raise Misfit("a path that is longer than it seems here")
            if "at" in rule and not lies_at(rule["at"], path):
                continue
            self.replaced.add(number)
            by = rule["with"]
            other, own = (by, {}) if isinstance(by, str) else next(iter(by.items()))
            known, settled = arguments(OPS[other]), self.defaults.get(other, {})
            theirs = {n: v for n, v in self.defaults.get(verb, {}).items() if n not in settled}
            return other, {n: v for n, v in {**theirs, **value}.items() if n in known} | own
        return verb, value

    def emit(self, name: str, op: Any, inputs: tuple[Flow, ...], frame: Frame) -> Value:
        if not all(isinstance(value, Value) for value in inputs):
            raise Misfit("a list where a tensor is needed")
        given = tuple(value.shape for value in inputs if isinstance(value, Value))
        try:
            shape = op.infer(*given)
        except ShapeError as error:
            raise Misfit(error.message) from None
        small = (
            shape.channels <= LARGEST["channels"] * (1 if shape.rank else 100)
            and max(shape.spatial, default=1) <= LARGEST["axis"]
            and shape.elements <= LARGEST["elements"]
        )
        if not small or len(self.nodes) >= LARGEST["nodes"]:
            raise Misfit("too large")
        path = frame.level.child(name)
        weights = op.weights(*given)
        if not name.startswith("_"):
            self.take(path)
        elif weights:
            raise Misfit("weights without a name")
        ids = tuple(value.number for value in inputs if isinstance(value, Value))
        self.used.update(ids)
        self.nodes.append((path, op.verb, ids, shape))
        self.ops.append((op, given))
        return Value(len(self.nodes) - 1, shape)

    def whole(self, value: Any, minimum: int) -> int:
        if not isinstance(value, int) or not minimum <= value <= LARGEST["nodes"]:
            raise Misfit("a count")
        return value


def by_turn(modifiers: Names) -> bool:
    """Whether every turn of a `repeat` begins where its `from` says."""
    said = modifiers.get("from")
    return "repeat" in modifiers and isinstance(said, str) and "{" in said


def lies_at(pattern: str, path: str) -> bool:
    """Whether what is at a path, or something that holds it, is at one of a pattern's."""
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    parts = path.split(".")
    above = (".".join(parts[: n + 1]) for n in range(len(parts)))
    return any(re.fullmatch(escaped, one) for one in above)


def keyed(raw: Any) -> list[tuple[str | None, Any]]:
    """The items of a sequence with their keys; one word is an item named by itself."""
    if isinstance(raw, str):
        return [(raw.removeprefix("$"), raw)]
    return list(raw.items()) if isinstance(raw, dict) else [(None, item) for item in raw]


def parts(raw: Any) -> tuple[str, Any, Names]:
    """The verb of an item, what stands under it, and the modifiers."""
    if isinstance(raw, str):
        return raw, {}, {}
    if isinstance(raw, list):
        return "seq", raw, {}
    modifiers = {word: raw[word] for word in MODIFIERS if word in raw}
    verb = next(word for word in raw if word not in MODIFIERS)
    return verb, raw[verb], modifiers


def words(expression: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in expression).split()


def plain_words(verb: str, argument: str) -> tuple[str, ...]:
    field = arguments(OPS[verb]).get(argument)
    return field.metadata["kind"].words if field else ()


def one_module(first: Any, again: Any) -> bool:
    """Whether two nodes, each an op with the shapes it is given, can be one module's."""
    return first[0] == again[0] and bool(first[0].serves(first[1], again[1]))


def numbers(flow: Flow) -> set[int]:
    """The nodes that give a value, or the parts of a list of them."""
    return {flow.number} if isinstance(flow, Value) else set().union(*map(numbers, flow))


def shapes(flow: Flow) -> Any:
    return flow.shape if isinstance(flow, Value) else tuple(map(shapes, flow))
