"""Scopes to classes: instances of one block become one class with parameters.

The instances are laid side by side. Where they differ in a value, the class takes a parameter;
where one lacks a module or a step that another has, the class takes a flag. Instances that differ
in any other way get classes of their own.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.graph.graph import Node, Scope
from archdsl.modules.structure import (
    INPUTS,
    LIST,
    ROOT,
    Instance,
    Origin,
    Part,
    Ref,
    Slot,
    Step,
    Structure,
    Taken,
)  # fmt: skip
from archdsl.pytorch.parameters import CHANNELS, Parameters
from archdsl.pytorch.repeats import with_counts


@dataclass
class ClassDefinition:
    """A class of the emitted source."""

    name: str
    doc: str
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    results: tuple[Ref, ...]
    inputs: int
    chain: bool  # the whole class is an `nn.Sequential`
    absent: tuple[bool, ...] = ()  # which results are None but in training
    parameters: Parameters = field(default_factory=Parameters)


@dataclass
class Program:
    """Everything that is emitted: classes in order of use, the network last."""

    classes: list[ClassDefinition]
    root: ClassDefinition


class Lowering:
    """Reads every class of a structure; `made` gives each scope its class and arguments."""

    def __init__(
        self, structure: Structure, names: dict[Hashable, str], reserved: Iterable[str]
    ) -> None:
        self.structure, self.names = structure, names
        self.reserved = {*names.values(), *reserved}
        self.made: dict[str, tuple[str, dict[str, Any]]] = {}
        self.arguments: dict[str, tuple[Taken, ...]] = {}

    def program(self) -> Program:
        classes = []
        for key, scopes in self.structure.classes().items():
            groups = map(with_counts, clusters([self.instance(scope) for scope in scopes]))
            classes += [self.define(self.free(self.names[key]), group) for group in groups]
        root = self.instance(ROOT)
        chain = not any(self.structure.graph.outputs) and _is_chain(root.steps, root.results)
        definition = ClassDefinition("", "", root.parts, root.steps, root.results, 1, chain)
        definition.parameters.settle([root], {})
        return Program(classes, definition)

    def free(self, name: str) -> str:
        """The name, or with the first number that neither a variant nor another class has."""
        taken, number, free = {*self.arguments, *self.reserved}, 2, name
        while free in self.arguments or (free != name and free in taken):
            free, number = f"{name}{number}", number + 1
        return free

    def define(self, name: str, group: list[Instance]) -> ClassDefinition:
        structure, base = self.structure, group[0]
        scope = base.scope
        doc = f"The block `{scope.block}`." if scope.block else f"The part `{scope.path}`."
        inputs = len(structure.inputs[scope.id])
        definition = ClassDefinition(
            name, doc, base.parts, base.steps, base.results, inputs, base.chain
        )
        channels = {
            "in_channels": [
                structure.graph.spec(structure.inputs[i.scope.id][0]).channels
                if structure.inputs[i.scope.id] else 0
                for i in group
            ],
            "out_channels": [
                structure.graph.spec(structure.outputs[i.scope.id][0]).channels for i in group
            ],
        }  # fmt: skip
        split, outputs = structure.is_split(scope), structure.outputs[scope.id]
        definition.absent = tuple(split and id not in structure.needed for id in outputs)
        definition.parameters.settle(group, channels)
        self.arguments[name] = definition.parameters.signature()
        for index, instance in enumerate(group):
            self.made[instance.scope.id] = (name, definition.parameters.values_of(index))
        return definition

    # instances

    def instance(self, scope: Scope) -> Instance:
        """A scope as parts, steps, results and values."""
        reader = _Reader(self, scope)
        reader.read(scope, ())
        graph = self.structure.graph
        results: Iterable[str] = self.structure.outputs[scope.id]
        if scope is ROOT:
            results = [*graph.outputs.values(), *graph.aux.values()]
        refs = tuple(reader.refs[id] for id in results)
        parts = tuple(reader.parts[path] for path in sorted(reader.parts, key=self.structure.place))
        steps = tuple(sorted(reader.steps, key=lambda step: step.side))  # those aside come last
        chain = scope is not ROOT and self.structure.is_chain(scope) and numbered(parts)
        if chain:  # which calls its parts in order, whatever their numbers
            steps = tuple(replace(step, access=()) for step in steps)
        return Instance(scope, parts, steps, refs, reader.values, chain)


class _Reader:
    def __init__(self, lowering: Lowering, scope: Scope) -> None:
        self.lowering, self.structure = lowering, lowering.structure
        self.parts: dict[str, Part] = {}  # by path
        self.steps: list[Step] = []
        self.values: dict[Slot, Any] = {}
        inputs = self.structure.inputs[scope.id] if scope is not ROOT else ["input"]
        self.refs = {id: Ref(INPUTS, n) for n, id in enumerate(inputs)}
        self.split = self.structure.is_split(scope)
        self.roles = self.structure.roles.get(scope.id, {})

    def read(self, scope: Scope, access: tuple[str, ...], outer: Origin = ()) -> None:
        """The children of a scope as parts and steps; inside a walked container under `access`."""
        names = self.structure.attributes(scope)
        modules = 0
        for child, origin in self.originated(scope, outer):
            name = names[child.path]
            place = (*access, str(modules) if access and name.isdecimal() else name)
            walked = isinstance(child, Scope) and self.structure.is_walked(child)
            if not walked:
                self.step(child, origin, place)
            module = isinstance(child, Scope) or self.structure.calls[child.id].form != "function"
            modules += module
            if not access and module and child.path not in self.parts:
                self.parts[child.path] = self.part(child, origin, name)
            if walked and isinstance(child, Scope):
                self.read(child, place, origin)

    def originated(self, scope: Scope, outer: Origin) -> list[tuple[Node | Scope, Origin]]:
        """The children with what identifies each across instances: place in the spec and turn."""
        turns: Counter[Hashable] = Counter()
        result = []
        for child in self.structure.children[scope.id]:
            place = self.structure.origin_of(child)
            mark = child.id.partition("@")[2]
            result.append((child, (*outer, place, turns[place], mark)))
            turns[place] += 1
        return result

    def step(self, child: Node | Scope, origin: Origin, access: tuple[str, ...]) -> None:
        taken, given = self.structure.borders(child)
        uses = self.structure.uses_of(child)
        inputs = tuple(
            Ref(INPUTS, self.roles[use]) if use in self.roles else self.refs[id]
            for id, use in zip(taken, uses, strict=True)
        )
        side = self.split and self.structure.needed.isdisjoint(given)
        step = Step(origin, inputs, len(given), access, side=side)
        if isinstance(child, Node):
            call = self.structure.calls[child.id]
            if call.form == "function":
                target = call.target
                if child.id in self.structure.overwriting:
                    target = "{+=}"
                names = tuple(argument.name for argument in call.arguments)
                step = replace(step, access=(), template=target, arguments=names)
                for argument in call.arguments:
                    self.values[(origin, argument.name)] = argument.value
            elif call.form == "parameter":
                step = replace(step, template=call.use)
        self.steps.append(step)
        self.refs.update({id: Ref(origin, n) for n, id in enumerate(given)})

    def part(self, child: Node | Scope, origin: Origin, name: str) -> Part:
        """How a child is made, its values going to `values`."""
        structure = self.structure
        if isinstance(child, Node):
            return self.call_part(child, origin, name)
        if structure.is_class(child):
            target, values = self.lowering.made[structure.first[child.path].id]
            arguments = self.lowering.arguments[target]
            for argument in arguments:
                self.values[(origin, argument.name)] = values[argument.name]
            return Part(origin, name, target, arguments)
        names = structure.attributes(child)
        children = [
            self.part(inner, place, names[inner.path])
            for inner, place in self.originated(child, origin)
            if structure.is_module(inner)
        ]
        target = "DenseBlock" if structure.is_dense(child) else "nn.Sequential"
        if structure.is_walked(child) and not structure.linear(child):
            target = LIST
        return Part(origin, name, target, children=tuple(children))

    def call_part(self, node: Node, origin: Origin, name: str) -> Part:
        call = self.structure.calls[node.id]
        arguments = [
            Taken(a.name, a.default, a.keyword, a.name in CHANNELS) for a in call.arguments
        ]
        for argument in call.arguments:
            self.values[(origin, argument.name)] = argument.value
        if node.id in self.structure.overwriting and call.form == "module":
            arguments.append(Taken("inplace", default=False, keyword=True))
            self.values[(origin, "inplace")] = True
        return Part(origin, name, call.target, tuple(arguments), parameter=call.form == "parameter")


def _is_chain(steps: tuple[Step, ...], results: tuple[Ref, ...]) -> bool:
    """Whether the steps are what an `nn.Sequential` of numbered parts does."""
    given = Ref(INPUTS, 0)
    for number, step in enumerate(steps):
        if (step.access, step.inputs, step.template) != ((str(number),), (given,), ""):
            return False
        given = Ref(step.origin, 0)
    return bool(steps) and results == (given,) and all(step.outputs == 1 for step in steps)


def numbered(parts: tuple[Part, ...]) -> bool:
    """Whether the parts are named as an `nn.Sequential` names them."""
    return [part.name for part in parts] == [str(n) for n in range(len(parts))]


# variants


def clusters(instances: list[Instance]) -> list[list[Instance]]:
    """Instances that one class can serve, the one with the most parts first."""
    variants: dict[Hashable, list[Instance]] = {}
    for instance in instances:
        variants.setdefault(instance.signature, []).append(instance)
    result: list[list[Instance]] = []
    largest = sorted(variants.values(), key=lambda group: -_size(group[0]))
    for group in largest:
        home = next((cluster for cluster in result if embeds(cluster[0], group[0])), None)
        if home is None:
            result.append(list(group))
        else:
            home.extend(group)
    return result


def _size(instance: Instance) -> int:
    def count(parts: Iterable[Part]) -> int:
        return sum(1 + count(part.children or ()) for part in parts)

    return count(instance.parts) + len(instance.steps)


def embeds(base: Instance, other: Instance) -> bool:
    """Whether `other` is `base` without some parts and steps, each of which passes its input on.

    A step through a container would find nothing in it, or another part.
    """
    if base.chain != other.chain or not _within(base.parts, other.parts, base.chain):
        return False
    present = {step.origin: step for step in other.steps}
    steps = {step.origin: step for step in base.steps}
    if [o for o in steps if o in present] != list(present):
        return False

    def through(ref: Ref) -> Ref:
        while ref.origin != INPUTS and ref.origin not in present:
            step = steps[ref.origin]
            ref = step.inputs[0]
        return ref

    for step in base.steps:
        if step.origin in present:
            moved = replace(step, inputs=tuple(through(ref) for ref in step.inputs))
            if moved != present[step.origin]:
                return False
        else:
            passes = step.outputs == 1 and (len(step.inputs) == 1 or bool(step.template))
            if not passes or len(step.access) > 1:
                return False
    return tuple(through(ref) for ref in base.results) == other.results


def _within(base: tuple[Part, ...], other: tuple[Part, ...], renamed: bool) -> bool:
    """Whether `other` is a subsequence of `base`, part by part; numbers may move if `renamed`."""
    remaining = iter(base)
    for part in other:
        match = next((b for b in remaining if b.origin == part.origin), None)
        if match is None or match.target != part.target or match.arguments != part.arguments:
            return False
        if match.name != part.name and not renamed:
            return False
        if match.children is not None and part.children is not None:
            both = numbered(match.children) and numbered(part.children)
            same = len(match.children) == len(part.children)
            if not (both or same) or not _within(match.children, part.children, both):
                return False
    return True
