"""A graph as items: one for every node and scope, with `from` where the flow is not straight."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.diagnostics.errors import ModuleError
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.importing.branches import branched
from archdsl.importing.items import WAITING, Body, Item
from archdsl.importing.residuals import Entry, residuals
from archdsl.modules.structure import ROOT, Structure
from archdsl.ops import Op, arguments, join
from archdsl.ops.axes import SCALE, SIDES, SOME_AXES
from archdsl.ops.kinds import AXES, BORDERS, CHANNELS, CONV_PADDING, KERNEL, POOL_PADDING
from archdsl.ops.opaque import Opaque
from archdsl.ops.tensor import INPUT, TensorSpec

_PER_AXIS = (AXES, BORDERS, CONV_PADDING, POOL_PADDING, SCALE, SIDES, SOME_AXES)


def said(op: Op, x: TensorSpec) -> dict[str, Any]:
    """The arguments that a spec says of an op on this input: those that are not the defaults."""
    found: dict[str, Any] = {}
    for name, declared in arguments(type(op)).items():
        value, default = getattr(op, name), declared.default
        kind = declared.metadata["kind"]
        if default is CHANNELS:
            default = x.channels
        elif default is KERNEL:
            default = getattr(op, "kernel", None)
        if value is None or value == default:
            continue
        if value != default and _read(kind, default, x.rank) == value:
            continue
        found[name] = _plain(value, kind in _PER_AXIS)
    return found


def _read(kind: Any, value: Any, rank: int) -> Any:
    try:
        return kind.read(value, rank)
    except Exception:  # there is no default, or none for this rank
        return None


def _plain(value: Any, per_axis: bool) -> Any:
    if not isinstance(value, tuple):
        return value
    if per_axis and len(set(value)) == 1:
        return (
            _plain(value[0], False)
            if not isinstance(value[0], tuple)
            else [list(value[0]) for _ in value]
        )
    return [list(part) if isinstance(part, tuple) else part for part in value]


@dataclass(frozen=True)
class Around:
    """What items can call by name: the block that they stand in, and what that is given."""

    block: str = ""  # the scope, "" for the network
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Bodies:
    """Writes the scopes of a graph as bodies; those of some classes stay together as blocks."""

    graph: Graph
    joined: bool = True  # whether ways that meet are branches

    def __post_init__(self) -> None:
        self.graph = hoisted(self.graph)
        self.structure = Structure(self.graph)
        self.places: dict[str, int] = {}
        for n, key in enumerate(self.graph.state):
            while key:
                self.places.setdefault(key, n)
                key = key.rpartition(".")[0]
        self.chains: dict[str, tuple[str, ...]] = {"": ("",)}
        for scope in self.graph.scopes:
            self.chains[scope.id] = (*self.chains[scope.parent], scope.id)
        uses = Counter(scope.block for scope in self.graph.scopes)
        self.blocks = {name for name, count in uses.items() if name and count > 1}
        self.labels: dict[str, str] = {}  # of nodes that cannot be called by their names
        self.again: dict[str, tuple[str, str]] = {}  # what has another key, and in which scope
        self.named: set[str] = set()  # what was called by its path
        self.stale = False  # whether something of that turned out to have another key

    def network(self) -> Body:
        """The items of the whole; raises ModuleError for what no spec can say."""
        while True:
            before, self.stale = len(self.labels), False
            self.named.clear()
            inputs = {id: id for id in self.graph.inputs}
            flow = next(iter(inputs)) if len(inputs) == 1 else ""
            body = self.body(ROOT, flow, Around("", inputs))
            if len(self.labels) == before and not self.stale:
                return body

    def last(self) -> str:
        """What the network gives without `outputs`: the result of its last item."""
        children = self.ordered("")
        results = [self.result(child) for child in children]
        return next(id for id in reversed(results) if id not in self.graph.aux.values())

    def called(self, id: str) -> str:
        """How `outputs` call a value."""
        return self.reference(id, ROOT, Around("", {id: id for id in self.graph.inputs}))

    def ordered(self, scope: str) -> list[Node | Scope]:
        """The children of a scope in an order in which they can run, and their weights are made."""
        children = self.structure.children[scope]
        weighted = [self.places[c.path] for c in children if c.path in self.places]
        if weighted == sorted(weighted):
            return children
        made = {id: child for child in children for id in self.structure.borders(child)[1]}
        needs = {
            child.id: {made[i].id for i in self.structure.borders(child)[0] if i in made}
            for child in children
        }
        left, found = list(children), []
        done: set[str] = set()
        while left:
            ready = [child for child in left if needs[child.id] <= done]
            free = [child for child in ready if child.path not in self.places]
            chosen = free[0] if free else min(ready, key=lambda c: self.places[c.path])
            left.remove(chosen)
            done.add(chosen.id)
            found.append(chosen)
        return found

    def body(self, scope: Scope, flow: str, around: Around) -> Body:
        """The items of a scope, by their keys; `flow` is what the first is given."""
        entries = self.entries(scope, around)
        if self.joined:
            entries = branched(entries, self.outside(scope))
        entries = residuals(entries, self.outside(scope), self.graph.spec, scope.block != "")
        self.order(entries)
        for entry in entries:
            for inner, _ in entry.inner(""):
                if inner.parts:
                    self.again[inner.result] = inner.key, scope.id
                    self.stale |= inner.result in self.named
        for entry in entries:
            before = flow
            for inner, given in entry.inner(flow):
                taken = list(inner.taken)
                if inner.item.arguments.get("like"):
                    inner.item.arguments["like"] = self.reference(taken.pop(), scope, around)
                if taken != [given]:
                    inner.item.sources = tuple(self.reference(id, scope, around) for id in taken)
                inner.item.sizes = self.graph.spec(inner.taken[0]).names()
            flow = entry.result if not entry.item.modifiers.get("aux") else before
        return _numbered({entry.key: entry.item for entry in entries})

    def order(self, entries: Sequence[Entry]) -> None:
        """Says of items whose weights come before those of others that run before them."""
        run = [one for entry in entries for one, _ in entry.inner("") if not one.parts]
        for n, entry in enumerate(run):
            if entry.place is not None:
                alike = [e for e in run[:n] if e.own == entry.own]
                later = [e for e in alike if (e.place or entry.place) > entry.place]
                if later:  # the one right behind it, which may itself be made before another
                    following = min(later, key=lambda e: e.place or 0)
                    entry.item.modifiers["made_before"] = following.key

    def entries(self, scope: Scope, around: Around) -> list[Entry]:
        """The children of a scope as items, with what each takes and gives."""
        found: dict[str, Entry] = {}
        names: dict[str, str] = {}  # of what stands in this body, by the path of its module
        for child in self.ordered(scope.id):
            item, key, result = Item("use"), child.name, self.result(child)
            taken: Sequence[str]
            taken, gives = self.structure.borders(child)
            if child.path in names:
                item.arguments = {"use": names[child.path]}
                key = _free(key.replace(".", "_"), found)
                self.again |= dict.fromkeys(gives, (key, scope.id))
            else:
                if "@" in child.id.removeprefix(scope.id):
                    raise ModuleError(f"{child.path} is applied in several parts of the network")
                names[child.path] = key
                item, taken = self.item(child, around)
            if isinstance(child, Node) and child.id in self.labels:
                item.modifiers["as"] = self.labels[child.id]
            if scope is ROOT and result in self.graph.aux.values():
                if self.graph.aux.get(key) != result:
                    raise ModuleError(
                        f"{result} is given in training only, and is no part's result"
                    )
                item.modifiers["aux"] = True
            place = self.places.get(child.path) if item.verb != "use" else None
            own = isinstance(child, Node) and any(not weight.name for weight in child.weights)
            given = tuple(taken), result, frozenset(gives)
            found[key] = Entry(key, item, *given, place=place, own=own)
        return list(found.values())

    def outside(self, scope: Scope) -> set[str]:
        """What others than the children of a scope take by name."""
        results = {*self.graph.outputs.values(), *self.graph.aux.values()}
        return results | set(self.structure.outputs[scope.id])

    def item(self, child: Node | Scope, around: Around) -> tuple[Item, Sequence[str]]:
        """An item, and what it is given."""
        if isinstance(child, Node):
            if isinstance(child.op, Opaque):
                raise ModuleError(f"{child.id} is no op of ours: {child.op.reason}")
            made = Item(child.op.verb, said(child.op, self.graph.specs(child)[0]))
            return made, child.inputs
        taken = self.structure.inputs[child.id]
        if child.block in self.blocks:
            names = ["input"] if len(taken) == 1 else [f"x{n}" for n in range(len(taken))]
            inside = Around(child.id, dict(zip(taken, names, strict=True)))
            body = self.body(child, taken[0] if len(taken) == 1 else "", inside)
            return Item(WAITING, {"block": child.block}, {"items": body}), taken
        main = self.main(child)
        return Item("seq", parts={"items": self.body(child, main, around)}), [main]

    def main(self, scope: Scope) -> str:
        """What flows into a scope: what its first child is given first."""
        child = self.ordered(scope.id)[0]
        return child.inputs[0] if isinstance(child, Node) else self.main(child)

    def result(self, child: Node | Scope) -> str:
        """What a child gives to the next: the result of its last item."""
        while isinstance(child, Scope):
            child = self.ordered(child.id)[-1]
        return child.id

    def reference(self, id: str, scope: Scope, around: Around) -> str:
        """How an item of a scope calls a value."""
        if id in around.inputs:
            return around.inputs[id]
        if id in self.again and self.again[id][1] in self.chains[scope.id]:
            return self.again[id][0]
        if id in self.labels:
            return self.labels[id]
        node = self.graph.by_id[id]
        chain, own = self.chains[scope.id], self.chains[node.scope]
        shared = 0
        while shared < min(len(chain), len(own)) and chain[shared] == own[shared]:
            shared += 1
        outer, where = chain[shared - 1].partition("@")[0], node.path
        for part in reversed(own[shared:]):
            if self.result(self.graph.scope_by_id[part]) != id:
                break
            where = part.partition("@")[0]
        path = where[len(outer) + 1 if outer else 0 :]
        first = path.partition(".")[0]
        between = chain[shared:]
        if around.block and around.block not in chain[:shared]:
            raise ModuleError(f"{scope.id} takes {id} from around its block")
        hidden = any(c.name.partition(".")[0] == first for s in between for c in self.inside(s))
        if hidden or first == INPUT:
            taken = {*self.labels.values(), *(n.name for n in self.graph.nodes)}
            label = _free(re.sub(r"\W", "_", node.path.rpartition(".")[2]), taken, "r")
            self.labels[id] = label
            return label
        self.named.add(id)
        return path

    def inside(self, scope: str) -> list[Node | Scope]:
        return self.structure.children[scope]


def _free(wanted: str, taken: Collection[str], start: str = "") -> str:
    """A name that is not taken."""
    start = start or ("use" if wanted[:1].isdigit() else "")
    base = f"{start}{wanted}"
    if start and base not in taken:
        return base
    number = 2
    while f"{base}_{number}" in taken:
        number += 1
    return f"{base}_{number}"


def _numbered(body: Body) -> Body:
    """With what holds the place of numbers that are missing in a list."""
    numbers = [int(key) for key in body if key.isdigit()]
    if len(numbers) < len(body) or numbers != sorted(numbers) or not body:
        return body
    if numbers[-1] + 1 - len(numbers) > len(numbers):
        return body
    return {str(n): body.get(str(n), Item("identity")) for n in range(numbers[-1] + 1)}


def hoisted(graph: Graph) -> Graph:
    """The graph with a join that stands first in a scope, of all that the scope takes, before it.

    So a layer of a dense block takes one map, as the next may.
    """
    structure = Structure(graph)
    first: dict[str, Node] = {}
    held = Counter(scope.id for node in graph.nodes for scope in graph.around(node.scope))
    for one in graph.nodes:
        first.setdefault(one.scope, one)
    names = {node.id for node in graph.nodes} | {scope.id for scope in graph.scopes}
    moved: dict[str, Node] = {}
    for scope in graph.scopes:
        node = first.get(scope.id)
        if node is None or not isinstance(node.op, join.Concat) or held[scope.id] < 2:
            continue
        children = structure.children[scope.id]
        if children[0] is not node or tuple(structure.inputs[scope.id]) != node.inputs:
            continue
        if "@" in scope.id:
            continue
        outer = f"{scope.parent}." if scope.parent else ""
        number = 1
        while f"{outer}concat{number}" in names:
            number += 1
        id = f"{outer}concat{number}"
        names.add(id)
        moved[node.id] = replace(node, id=id, scope=scope.parent)
    if not moved:
        return graph
    ids = {old: node.id for old, node in moved.items()}
    nodes = [
        replace(n, inputs=tuple(ids.get(i, i) for i in n.inputs))
        for n in (moved.get(node.id, node) for node in graph.nodes)
    ]
    return replace(
        graph,
        nodes=tuple(nodes),
        made=tuple(ids.get(id, id) for id in graph.made),
        outputs={name: ids.get(id, id) for name, id in graph.outputs.items()},
        aux={name: ids.get(id, id) for name, id in graph.aux.items()},
    )
