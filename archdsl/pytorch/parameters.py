"""The parameters of an emitted class: what its instances differ in, and how that is said."""

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from archdsl.modules.structure import Instance, Origin, Part, Slot, Taken
from archdsl.pytorch.allowed import FIXED, prelude
from archdsl.pytorch.literals import literal
from archdsl.pytorch.repeats import REPEAT, origins

CHANNELS = {  # arguments that count channels: they may be multiples of each other
    "in_channels", "out_channels", "num_features", "in_features", "out_features", "groups",
    "num_channels", "channels", "embed_dim", "num_parameters", "normalized_shape", "start", "stop",
}  # fmt: skip
_ABSENT: Any = object()
_TAKEN = {"self", "layers", "x", "i", "module", "path", *FIXED, *prelude(), *dir(builtins)}
_FLAGS = {"{+}": "residual", "{+=}": "residual", "{*}": "gated"}
Vector = list[Any]


@dataclass
class Parameters:
    """What the constructor of a class takes.

    `expressions` says for every slot what stands there, `conditions` for every part or step that
    not all instances have when it is there. `attributes` are what `forward` needs of that, and
    `kept` says under which of them a step finds its condition, or a slot its value.
    """

    vectors: dict[str, Vector] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    expressions: dict[Slot, str] = field(default_factory=dict)
    conditions: dict[Origin, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    kept: dict[Origin | Slot, str] = field(default_factory=dict)

    def settle(self, group: list[Instance], channels: Mapping[str, Vector]) -> None:
        """Finds the parameters of a class from its instances."""
        self._taken = _TAKEN | _targets(group[0].parts)
        self._arguments = self._shared_arguments(group)
        self._channels = channels
        self._counting: set[str] = set()
        self._neutral: set[str] = set()  # what conditions compare, numbers of channels or not
        base = group[0]
        self._find_conditions(group)
        counting = _counting_slots(base.parts)
        for slot in base.values:
            vector = [instance.values.get(slot, _ABSENT) for instance in group]
            if slot[1] == REPEAT:
                self.expressions[slot] = self._count_of(vector)
                continue
            counts = counting.get(slot, slot[1] in CHANNELS)
            self.expressions[slot] = self._expression(vector, slot[1], counts)
        self._find_defaults()
        self._find_attributes(base)

    def signature(self) -> tuple[Taken, ...]:
        """The parameters as the constructor takes them, those without default first."""
        counting = [name for name in self.vectors if name in self._counting]
        counting.sort(key=lambda name: name != "in_channels")
        others = [name for name in self.vectors if name not in self._counting]
        required = counting + [name for name in others if name not in self.defaults]
        positional = required[:2]
        return tuple(
            Taken(name, self.defaults.get(name), name not in positional, name in self._counting)
            for name in (*required, *(name for name in self.vectors if name in self.defaults))
        )

    def values_of(self, index: int) -> dict[str, Any]:
        """What the instance number `index` gives for every parameter."""
        return {name: vector[index] for name, vector in self.vectors.items()}

    # conditions

    def _find_conditions(self, group: list[Instance]) -> None:
        base = group[0]
        present = [origins(instance) for instance in group]
        everywhere = [True] * len(group)

        def find(origin: Origin, name: str, outer: Vector, counted: bool = False) -> Vector:
            vector = [origin in there for there in present]
            known = counted or origin in self.conditions
            if vector not in (everywhere, outer) and not known:
                self.conditions[origin] = self._condition(vector, name)
            return vector

        def visit(parts: Iterable[Part], outer: Vector) -> None:
            for part in parts:
                there = find(part.origin, _flag_name(part), outer, counted=part.repeated)
                visit(part.children or (), there)

        for step in base.steps:
            if step.template:
                find(step.origin, _FLAGS.get(step.template, "joined"), everywhere)
        visit(base.parts, everywhere)

    def _condition(self, vector: Vector, name: str) -> str:
        """When something is there: a flag, or a comparison that is as true of every instance."""
        for flag, values in [*self.vectors.items(), *self._usable()]:
            if {type(value) for value in values} == {bool}:
                if values == vector:
                    return self._add(flag, values)
                if all(a != b for a, b in zip(values, vector, strict=True)):
                    return f"not {self._add(flag, values)}"
        given = self._channels["in_channels"]
        for argument, values in self._usable():
            if [type(a) is int and a != b for a, b in zip(values, given, strict=True)] == vector:
                self._neutral |= {self._add(argument, values), self._add("in_channels", given)}
                return f"{argument} != in_channels"
        apart = [(a, value) for a, v in self._usable() if (value := _apart(v, vector)) is not None]
        if apart:
            argument, value = min(apart, key=lambda pair: (pair[1] != 0, pair[1] != 1))
            self._neutral.add(self._add(argument, self._arguments[argument]))
            return f"{argument} != {literal(value)}"
        free = self._free(name)
        self.defaults[free] = False
        return self._add(free, vector)

    # values

    def _expression(self, vector: Vector, argument: str, counting: bool) -> str:
        values = [value for value in vector if value is not _ABSENT]
        constant = all(repr(value) == repr(values[0]) for value in values)
        if constant and not (counting and _ABSENT in vector):
            return literal(values[0])
        for name, other in self.vectors.items():
            alike = name in self._neutral or (name in self._counting) == counting
            if alike and _matches(vector, other):
                return self._count(name, counting)
        if constant:
            return literal(values[0])
        if counting:
            said = [name for name, values in self._usable() if _matches(vector, values)]
            known_input = _matches(vector, self._channels.get("in_channels", []))
            derived = None if said or known_input else self._derived(vector)
            if derived:
                return derived
        if argument == "padding":
            for name, other in self.vectors.items():
                if all(type(k) is int and p == k // 2 for p, k in _pairs(vector, other)):
                    return f"{name} // 2"
        return self._new(vector, argument, counting)

    def _count_of(self, vector: Vector) -> str:
        """How often a part is repeated: an argument of the block, or what it is less a constant."""
        plain = [(name, v) for name, v in self.vectors.items() if name not in self._counting]
        usable = [(n, v) for n, v in self._usable() if all(type(value) is int for value in v)]
        for name, values in [*plain, *usable]:
            if _matches(vector, values):
                return self._add(name, values)
        for name, values in usable:
            less = {value - count for value, count in zip(values, vector, strict=True)}
            if len(less) == 1 and min(less) > 0:
                return f"{self._add(name, values)} - {less.pop()}"
        return self._add(self._free("repeat"), vector)

    def _derived(self, vector: Vector) -> str | None:
        """A multiple or part of a parameter, or of it and an argument of the block."""
        known = [
            name
            for name, other in self.vectors.items()
            if name in self._counting | self._neutral and _whole(other)
        ]
        if not _whole(vector):
            return None
        if _ABSENT in vector:
            product = self._product(vector, known)
            if product:
                return product
        for name in known:
            pairs = _pairs(vector, self.vectors[name])
            factors = {a // b for a, b in pairs if b and a % b == 0}
            if len(factors) == 1 and all(a == b * next(iter(factors)) for a, b in pairs):
                return f"{factors.pop()} * {name}"
            parts = {b // a for a, b in pairs if a and b % a == 0}
            if len(parts) == 1 and all(b == a * next(iter(parts)) for a, b in pairs):
                return f"{name} // {parts.pop()}"
        return self._product(vector, known)

    def _product(self, vector: Vector, known: list[str]) -> str | None:
        """A parameter times an argument of the block that differs between instances."""
        for name in known:
            for argument, values in self._usable():
                if all(type(v) is int for v in values):
                    product = [a * b for a, b in zip(self.vectors[name], values, strict=True)]
                    if len(set(values)) > 1 and _matches(vector, product):
                        return f"{self._add(argument, values)} * {name}"
        return None

    def _new(self, vector: Vector, argument: str, counting: bool) -> str:
        hint = {"kernel_size": "kernel", "out_channels": "out"}.get(argument, argument)
        ranked = sorted(self._arguments, key=lambda name: name != hint)
        candidates = {**{name: self._arguments[name] for name in ranked}, **self._channels}
        for name, values in self._channels.items():
            if counting and argument.startswith("in") and _matches(vector, values):
                candidates = {name: values, **candidates}
        for name, values in candidates.items():
            if name not in self.vectors and _matches(vector, values):
                return self._count(self._add(name, values), counting)
        common = Counter(repr(v) for v in vector if v is not _ABSENT).most_common(1)[0][0]
        filler = next(v for v in vector if repr(v) == common)
        filled = [filler if value is _ABSENT else value for value in vector]
        return self._count(self._add(self._free(argument), filled), counting)

    def _usable(self) -> list[tuple[str, Vector]]:
        """The block's arguments whose names no other parameter has taken."""
        return [(n, v) for n, v in self._arguments.items() if self.vectors.get(n, v) == v]

    def _count(self, name: str, counting: bool) -> str:
        if counting:
            self._counting.add(name)
        return name

    def _add(self, name: str, vector: Vector) -> str:
        self.vectors.setdefault(name, vector)
        return name

    def _free(self, name: str) -> str:
        taken = {*self.vectors, *self._channels, *self._taken}
        if not name.isidentifier() or iskeyword(name):
            name = "with_" + name.replace("-", "_")
        number, free = 2, name
        while free in taken:
            free, number = f"{name}{number}", number + 1
        return free

    def _find_defaults(self) -> None:
        for position, (name, vector) in enumerate(self.vectors.items()):
            if name in self.defaults or name in self._counting or position == 0:
                continue
            value, count = Counter(map(repr, vector)).most_common(1)[0]
            if 2 * count >= len(vector):
                self.defaults[name] = next(v for v in vector if repr(v) == value)

    def _shared_arguments(self, group: list[Instance]) -> dict[str, Vector]:
        """The arguments of the block that are plain values and differ between instances."""
        given = [dict(instance.scope.arguments) for instance in group]
        result = {}
        for name in given[0]:
            values = [arguments.get(name, _ABSENT) for arguments in given]
            plain = all(isinstance(value, int | float | str | tuple) for value in values)
            usable = name not in self._taken and not iskeyword(name)
            if plain and usable and len(set(map(repr, values))) > 1:
                result[name] = values
        return result

    # what forward needs

    def _find_attributes(self, base: Instance) -> None:
        """Conditions of statements and values of functions that are no constants."""
        taken = {part.name for part in base.parts}
        for step in base.steps:
            if step.template and step.origin in self.conditions:
                name = _FLAGS.get(step.template, "joined")
                self._keep(step.origin, self.conditions[step.origin], name, taken)
            for name in step.arguments:
                slot = (step.origin, name)
                if not _is_literal(self.expressions[slot]):
                    self._keep(slot, self.expressions[slot], name, taken)

    def _keep(self, what: Origin | Slot, expression: str, name: str, taken: set[str]) -> None:
        known = [a for a, e in self.attributes.items() if e == expression]
        number, free = 2, name
        while free in taken or (free in self.attributes and not known):
            free, number = f"{name}{number}", number + 1
        self.kept[what] = known[0] if known else free
        self.attributes.setdefault(self.kept[what], expression)


def _apart(values: Vector, vector: Vector) -> Any:
    """The one value of those that lack something: 0, 1, or where all others have one value too."""
    without = {repr(v): v for v, there in zip(values, vector, strict=True) if not there}
    others = {repr(v): v for v, there in zip(values, vector, strict=True) if there}
    if len(without) != 1 or any(other in without.values() for other in others.values()):
        return None
    (value,) = without.values()
    return value if value in (0, 1) or len(others) == 1 else None


def _is_literal(expression: str) -> bool:
    try:
        ast.literal_eval(expression)
    except ValueError:
        return False
    return True


def _targets(parts: Iterable[Part]) -> set[str]:
    """The names of the classes that parts are made of."""
    found = set()
    for part in parts:
        found |= {part.target.partition(".")[0], *_targets(part.children or ())}
    return found


def _counting_slots(parts: Iterable[Part]) -> dict[Slot, bool]:
    """For every slot of a constructor whether it holds a number of channels."""
    found = {}
    for part in parts:
        found.update({(part.origin, a.name): a.counting for a in part.arguments})
        found.update(_counting_slots(part.children or ()))
    return found


def _flag_name(part: Part) -> str:
    """A part's own name, or what it is where it has only a number."""
    return part.target.removeprefix("nn.").lower() if part.name.isdecimal() else part.name


def _pairs(vector: Vector, other: Vector) -> list[tuple[Any, Any]]:
    return [(a, b) for a, b in zip(vector, other, strict=True) if a is not _ABSENT]


def _matches(vector: Vector, other: Vector) -> bool:
    """Whether the vectors agree wherever the first has a value."""
    return len(vector) == len(other) and all(
        a is _ABSENT or repr(a) == repr(b) for a, b in zip(vector, other, strict=False)
    )


def _whole(vector: Vector) -> bool:
    """Whether all values are whole numbers, where there are any."""
    return all(value is _ABSENT or type(value) is int for value in vector)
