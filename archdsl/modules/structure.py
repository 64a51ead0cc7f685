"""Graph to module tree: which scopes are classes, which are containers, and who calls whom.

Every scope that a block made is an instance of that block's class; a scope that only chains its
children is an `nn.Sequential`; a dense one a `DenseBlock`. What a scope takes from outside and what
it gives to the outside become the arguments and results of its `forward`.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from keyword import iskeyword

from archdsl.graph.graph import Graph, Node, Scope
from archdsl.modules.call import Call
from archdsl.modules.calls import call
from archdsl.modules.overwriting import overwriting

Use = tuple[str, int]  # the id of a node, and which of its inputs


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
        chains = {id: ("", *chain) for id, chain in graph.chains.items()}
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
        """Whether a child can stand in an `nn.Sequential`: all that it does is to be called."""
        if child.path in self.graph.recomputed:
            return False
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
        names = {child.name for child in children}
        return len(names) == len(children) and not any("." in name for name in names)

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


def _plain_name(child: Node | Scope, taken: set[str]) -> str:
    """`pool` for `_pool`, unless that is taken or no name."""
    plain = child.name.lstrip("_") or "identity"
    if not plain.isidentifier() or iskeyword(plain):
        plain = f"{child.op.verb if isinstance(child, Node) else child.kind}_{plain}"
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}{number}", number + 1
    return name
