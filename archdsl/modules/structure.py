"""Graph to module tree: which scopes are classes, which are containers, and who calls whom.

Every scope that a block made is an instance of that block's class; a scope that only chains its
children is an `nn.Sequential`; a dense one a `DenseBlock`. What a scope takes from outside and what
it gives to the outside become the arguments and results of its `forward`.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from keyword import iskeyword
from typing import Any, NamedTuple

from archdsl.graph.graph import Graph, Node, Scope
from archdsl.modules.calls import Call, call
from archdsl.modules.overwriting import origin_of, overwriting
from archdsl.ops.join import Concat

Origin = tuple[Hashable, ...]
Use = tuple[str, int]  # the id of a node, and which of its inputs
Slot = tuple[Origin, str]  # where a value of a constructor or function stands


class Ref(NamedTuple):
    """A value inside a class: output `output` of the step `origin`, or that input of `forward`."""

    origin: Origin
    output: int


INPUTS: Origin = ("input",)
LIST = "nn.ModuleList"


class Taken(NamedTuple):
    """An argument that a constructor takes; `counting` if it is a number of channels."""

    name: str
    default: Any
    keyword: bool
    counting: bool = False


@dataclass(frozen=True)
class Part:
    """How a child module is made; equal parts differ at most in the values of their arguments.

    `target` is the name of the class: PyTorch's, of the prelude, or emitted. A `repeated` part is
    made as often as its slot `REPEAT` says.
    """

    origin: Origin
    name: str
    target: str
    arguments: tuple[Taken, ...] = ()
    children: tuple["Part", ...] | None = None
    parameter: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Step:
    """A statement of `forward`: a call of the module at `access`, or a function's template."""

    origin: Origin
    inputs: tuple[Ref, ...]
    outputs: int
    access: tuple[str, ...] = ()
    template: str = ""
    arguments: tuple[str, ...] = ()
    side: bool = False  # in training only


@dataclass
class Instance:
    """One scope read as an instance of a class."""

    scope: Scope
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    results: tuple[Ref, ...]
    values: dict[Slot, Any]
    chain: bool  # an `nn.Sequential`, as far as its parts are numbered

    @property
    def signature(self) -> Hashable:
        return (self.parts, self.steps, self.results)


ROOT = Scope("", "sequence", "")


@dataclass
class Structure:
    """The scopes of a graph with their children, inputs and outputs."""

    graph: Graph
    children: dict[str, list[Node | Scope]] = field(default_factory=dict)
    inputs: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, list[str]] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    overwriting: frozenset[str] = frozenset()  # nodes that write over their input
    uses: dict[str, list[Use]] = field(default_factory=dict)  # of every input of a scope, the first
    roles: dict[str, dict[Use, int]] = field(default_factory=dict)
    first: dict[str, Scope] = field(default_factory=dict)  # the first application of every path
    _taken: set[tuple[str, str]] = field(default_factory=set)  # a scope and what comes into it
    _given: set[tuple[str, str]] = field(default_factory=set)  # what goes out, and of which scope
    _chains: dict[str, bool] = field(default_factory=dict)
    _attributes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.graph
        for scope in (ROOT, *graph.scopes):
            self.children[scope.id], self.inputs[scope.id], self.outputs[scope.id] = [], [], []
            self.uses[scope.id] = []
        self._link()
        applications: dict[str, list[Scope]] = {}
        for scope in graph.scopes:
            applications.setdefault(scope.path, []).append(scope)
        for path, scopes in applications.items():
            self.first[path] = scopes[0]
            if len(scopes) > 1:
                self._align(scopes)
        for node in graph.nodes:
            self.calls[node.id] = call(node.op, graph.specs(node))
        self.overwriting = overwriting(graph)

    def _link(self) -> None:
        """Children in order, and what crosses the border of every scope."""
        graph = self.graph
        scopes = graph.scope_by_id
        chains: dict[str, tuple[str, ...]] = {"": ("",)}
        for scope in graph.scopes:
            chains[scope.id] = (*chains[scope.parent], scope.id)
        entered: set[str] = set()
        for node in graph.nodes:
            chain = chains[node.scope]
            for outer, inner in pairwise(chain):
                if inner not in entered:
                    entered.add(inner)
                    self.children[outer].append(scopes[inner])
            self.children[node.scope].append(node)
            for position, id in enumerate(node.inputs):
                source = chains[graph.by_id[id].scope] if id in graph.by_id else ()
                self._cross(id, source, chain, (node.id, position))
        for id in (*graph.outputs.values(), *graph.aux.values()):
            if id in graph.by_id:
                self._cross(id, chains[graph.by_id[id].scope], (), ("", 0))

    def _cross(self, id: str, source: tuple[str, ...], target: tuple[str, ...], use: Use) -> None:
        shared = 0
        while shared < min(len(source), len(target)) and source[shared] == target[shared]:
            shared += 1
        for scope in target[shared:]:
            if (scope, id) not in self._taken:
                self._taken.add((scope, id))
                self.inputs[scope].append(id)
                self.uses[scope].append(use)
        for scope in source[shared:]:
            if (id, scope) not in self._given:
                self._given.add((id, scope))
                self.outputs[scope].append(id)

    def _align(self, scopes: list[Scope]) -> None:
        """All applications of one module take and give as much as any of them.

        What is one input where two values happen to be the same is two where they differ: an input
        is what all applications agree on (its role), and every use from outside has one.
        """
        held = [self._nodes(scope) for scope in scopes]
        inside = {node.id for node in held[0]}
        roles: dict[tuple[str, ...], int] = {}
        for scope in scopes:
            self.inputs[scope.id], self.uses[scope.id], self.roles[scope.id] = [], [], {}
        for nodes in zip(*held, strict=False):
            for position, column in enumerate(zip(*(node.inputs for node in nodes), strict=True)):
                if column[0] in inside:
                    continue
                fresh = column not in roles
                role = roles.setdefault(column, len(roles))
                for scope, node, id in zip(scopes, nodes, column, strict=True):
                    self.roles[scope.id][node.id, position] = role
                    if fresh:
                        self.inputs[scope.id].append(id)
                        self.uses[scope.id].append((node.id, position))
        given = {n for scope, nodes in zip(scopes, held, strict=True)
                 for n, node in enumerate(nodes) if node.id in self.outputs[scope.id]}  # fmt: skip
        for scope, own in zip(scopes, held, strict=True):
            self.outputs[scope.id] = [own[n].id for n in sorted(given) if n < len(own)]

    def _nodes(self, scope: Scope) -> list[Node]:
        """All nodes in a scope, in order."""
        found: list[Node] = []
        for child in self.children[scope.id]:
            found += [child] if isinstance(child, Node) else self._nodes(child)
        return found

    def place(self, path: str) -> int:
        """Where a module stands among all, in the order in which they are made."""
        return self._places[path]

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for place, node in enumerate(self.graph.in_making):
            path = node.path
            while path:
                places.setdefault(path, place)
                path = path.rpartition(".")[0]
        return places

    # what a scope becomes

    def attributes(self, scope: Scope) -> dict[str, str]:
        """The names of a scope's children in its module, by path; a leading `_` goes."""
        if scope.id not in self._attributes:
            children = {child.path: child for child in self.children[scope.id]}
            names = {p: c.name for p, c in children.items() if not c.name.startswith("_")}
            for path, child in children.items():
                if path not in names:
                    names[path] = _plain_name(child, set(names.values()))
            self._attributes[scope.id] = names
        return self._attributes[scope.id]

    def borders(self, child: Node | Scope) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of the values that a child takes and gives."""
        if isinstance(child, Node):
            return tuple(child.inputs), (child.id,)
        return tuple(self.inputs[child.id]), tuple(self.outputs[child.id])

    def used(self, child: Node | Scope) -> list[Use]:
        """Where each of the values that a child takes is first read."""
        if isinstance(child, Node):
            return [(child.id, position) for position in range(len(child.inputs))]
        return self.uses[child.id]

    def is_module(self, child: Node | Scope) -> bool:
        """Whether a child can stand in an `nn.Sequential`."""
        if isinstance(child, Node):
            return self.calls[child.id].form == "module" and not self.calls[child.id].use
        return bool(self.inputs[child.id])

    def linear(self, scope: Scope) -> bool:
        """Whether every child takes just what the one before it gives."""
        children = self.children[scope.id]
        if len(self.inputs[scope.id]) != 1 or not all(map(self.is_module, children)):
            return False
        before: tuple[str, ...] = tuple(self.inputs[scope.id])
        for child in children:
            taken, given = self.borders(child)
            if len(taken) != 1 or taken[0] not in before:
                return False
            before = given
        return len({child.name for child in children}) == len(children)

    def is_chain(self, scope: Scope) -> bool:
        """Whether the scope is an `nn.Sequential`: linear, and only the last result leaves it."""
        if scope.id not in self._chains:
            children = self.children[scope.id]
            self._chains[scope.id] = (
                self.linear(scope)
                and all(len(self.borders(child)[1]) == 1 for child in children)
                and self.outputs[scope.id] == list(self.borders(children[-1])[1])
            )
        return self._chains[scope.id]

    def is_walked(self, scope: Scope) -> bool:
        """Whether the parent calls the children one by one: a container with results on the way."""
        plain = not scope.block and scope.kind in ("sequence", "repeat")
        walks = plain and not self.is_chain(scope)
        return walks and (self.linear(scope) or self._is_list(scope))

    def _is_list(self, scope: Scope) -> bool:
        """Whether the scope is an `nn.ModuleList`: numbered modules, which have all its weights.

        What holds it must call the modules one by one, for a list cannot be called.
        """
        outer = self.graph.scope_by_id.get(scope.parent)
        if outer is not None and (self.is_chain(outer) or self.is_dense(outer)):
            return False
        kept = [
            child
            for child in self.children[scope.id]
            if isinstance(child, Scope) or self.calls[child.id].form != "function"
        ]
        numbers = [str(number) for number in range(len(kept))]
        return numbers == [child.name for child in kept] and all(map(self.is_module, kept))

    def is_dense(self, scope: Scope) -> bool:
        """Whether the scope is a `DenseBlock` with one module per layer."""
        if scope.kind != "dense" or len(self.outputs[scope.id]) != 1:
            return False
        if len(self.inputs[scope.id]) != 1 or not self.children[scope.id]:
            return False
        maps, seen = list(self.inputs[scope.id]), self.inputs[scope.id][0]
        if self.graph.spec(seen).layout != "channels_first":
            return False
        modules = 0
        for child in self.children[scope.id]:
            taken, given = self.borders(child)
            if self.is_module(child):
                if taken != (seen,) or len(given) != 1:
                    return False
                maps.append(given[0])
                modules += 1
            elif isinstance(child, Node) and isinstance(child.op, Concat) and taken == tuple(maps):
                seen = given[0]
            else:
                return False
        return modules > 0 and self.outputs[scope.id] == [seen]

    @cached_property
    def needed(self) -> set[str]:
        """The nodes that the outputs need; the others are for results in training only."""
        return {node.id for node in self.graph.select(self.graph.outputs).nodes}

    @cached_property
    def of_lists(self) -> set[str]:
        """The blocks that are given lists of several lengths, for as many layers."""
        lengths: dict[tuple[str, str], set[int]] = {}
        for scope in self.graph.scopes:
            for name, value in scope.arguments:
                if isinstance(value, tuple):
                    lengths.setdefault((scope.block, name), set()).add(len(value))
        return {block for (block, _), found in lengths.items() if len(found) > 1}

    def is_written_out(self, scope: Scope) -> bool:
        """Whether a block is an `nn.Sequential` where it stands: its uses differ in length."""
        names = [child.name for child in self.children[scope.id]]
        numbered = names == [str(n) for n in range(len(names))]
        return scope.block in self.of_lists and numbered and self.is_chain(scope)

    def is_class(self, scope: Scope) -> bool:
        if self.is_dense(scope) or self.is_walked(scope) or self.is_written_out(scope):
            return False
        return bool(scope.block) or not self.is_chain(scope)

    def around(self, scope: Scope) -> Iterator[Scope]:
        """The scopes that hold a scope, the next first."""
        while scope.parent:
            scope = self.graph.scope_by_id[scope.parent]
            yield scope

    @cached_property
    def entangled(self) -> set[str]:
        """The blocks that somewhere hold themselves, or others that elsewhere hold them."""
        held: dict[str, set[str]] = {}
        for scope in self.graph.scopes:
            if scope.block:
                for outer in self.around(scope):
                    held.setdefault(outer.block, set()).add(scope.block)
        for middle in held:
            for inner in held.values():
                if middle in inner:
                    inner |= held[middle]
        return {block for block, inner in held.items() if block and block in inner}

    def key(self, scope: Scope) -> Hashable:
        """What instances of one class share: the block, else the place in the outer class."""
        if scope.block in self.entangled:  # one class cannot be made before itself
            return scope.block, sum(outer.block in self.entangled for outer in self.around(scope))
        if scope.block:
            return scope.block
        outer = self.graph.scope_by_id.get(scope.parent, ROOT)
        while outer.id and not self.is_class(outer):
            outer = self.graph.scope_by_id.get(outer.parent, ROOT)
        return (self.key(outer) if outer.id else "", origin_of(scope), scope.name)

    origin_of = staticmethod(origin_of)

    def nested_classes(self, scope: Scope) -> Iterator[Scope]:
        """The class scopes directly inside `scope`, through containers."""
        for child in self.children[scope.id]:
            if isinstance(child, Scope):
                if self.is_class(child):
                    yield child
                else:
                    yield from self.nested_classes(child)

    def classes(self) -> dict[Hashable, list[Scope]]:
        """The instances of every class, inner classes before those that contain them."""
        found: dict[Hashable, list[Scope]] = {}
        for scope in self.graph.scopes:
            if scope is self.first[scope.path] and self.is_class(scope):
                found.setdefault(self.key(scope), []).append(scope)
        ordered: dict[Hashable, list[Scope]] = {}

        def visit(key: Hashable) -> None:
            if key in ordered:
                return
            inner = {
                self.key(nested) for scope in found[key] for nested in self.nested_classes(scope)
            }
            for other in sorted(inner, key=str):
                visit(other)
            ordered[key] = found[key]

        for key in found:
            visit(key)
        return ordered


def _plain_name(child: Node | Scope, taken: set[str]) -> str:
    """`pool` for `_pool`, unless that is taken or no name."""
    plain = child.name.lstrip("_") or "identity"
    if not plain.isidentifier() or iskeyword(plain):
        plain = f"{child.op.verb if isinstance(child, Node) else child.kind}_{plain}"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}{number}", number + 1
    return name
