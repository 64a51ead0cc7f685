"""The graph under construction: nodes, scopes and taps, with every path taken at most once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import Any, NamedTuple, NoReturn

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.budget import Budget, Labels, Spent
from archdsl.elaborate.dilating import Dilating, Lattice
from archdsl.elaborate.env import Flow, Level, Tensor, fail
from archdsl.graph.graph import Node, Scope, ScopeKind
from archdsl.language.syntax import USE, Item, Replacement
from archdsl.ops import Op, facts
from archdsl.ops.tensor import TensorSpec
from archdsl.yaml.source import Place


class Recorded(NamedTuple):
    """An elaborated block, to be replayed under another path: what it added, what that took."""

    path: str
    inputs: tuple[Tensor, ...]
    nodes: Sequence[Node]
    made: Sequence[str]
    scopes: Sequence[Scope]
    spent: Spent
    result: Flow
    placed: Sequence["Placed | Replayed"]
    replaced: Sequence[tuple[Replacement, str]]
    recomputed: Sequence[str]
    lattices: Sequence[
        tuple[Lattice | None, Op | None]
    ]  # of every node, and what its op was, if any
    reads: int  # that its elaboration took
    longest: int  # characters of an id behind the path


class Placed(NamedTuple):
    """What the item at an id gives."""

    id: str
    flow: Flow


class Replayed(NamedTuple):
    """What was recorded, again under another path and on other inputs."""

    recorded: Recorded
    path: str
    inputs: tuple[Tensor, ...]

    def spread(self) -> Iterator[Placed]:
        """What all of its items give."""
        cut, names = len(self.recorded.path), dict[str, str]()

        def moved(id: str) -> str:
            """The id here: of an input, or of what lies at the same place."""
            return names.get(id) or self.path + id[cut:]

        pairs = zip(self.recorded.inputs, self.inputs, strict=True)
        names.update({old.id: new.id for old, new in pairs})
        for part in self.recorded.placed:
            if isinstance(part, Placed):
                yield Placed(self.path + part.id[cut:], _renamed(part.flow, moved))
                continue
            inputs = tuple(Tensor(moved(tensor.id), tensor.spec) for tensor in part.inputs)
            yield from part._replace(path=self.path + part.path[cut:], inputs=inputs).spread()


class Builder:
    """Adds nodes and scopes; what cannot be added is reported and raises Poison."""

    def __init__(self, sink: Sink, budget: Budget) -> None:
        self.sink, self.budget = sink, budget
        self.nodes: list[Node] = []
        self.made: list[str] = []  # ids of nodes, in the order in which their modules are made
        self.scopes: list[Scope] = []
        self.opened: dict[str, Scope] = {}  # the same by their ids
        self.inputs: dict[str, Tensor] = {}
        self.taps: dict[str, Flow] = {}
        self.specs: dict[str, TensorSpec] = {}  # by id of a node, or `input`
        self.spans: dict[str, Span | None] = {}  # of every id that is taken
        self.tap_spans: dict[str, Span | None] = {}
        self.levels: set[str] = set()  # paths of those that keys with dots made
        self.uses = 0  # applications of modules by `use`
        self.tapped: list[str] = []  # names of taps as they were given, some again
        self.meant: set[str] = set()  # names of taps that references meant
        self.labels: dict[Span, Span] = {}  # where labels are written, with where each is first
        self.ended: dict[str, Span | None] = {}  # labels of the sections before, with where each is
        self.labels_meant: set[Span] = set()  # where those are first that references meant
        self.journal: list[Placed | Replayed] = []  # what items give, looked at only by paths
        self.results: dict[str, Flow] = {}  # of so many of them as were looked at
        self.looked = 0
        self.replaced: list[tuple[Replacement, str]] = []  # each with the path where it was
        self.recomputed: list[str] = []  # paths, some again
        self.dilating = Dilating()

    # nodes

    def input(self, name: str, spec: TensorSpec, place: Place) -> Tensor:
        """What the network is given, or a part of that."""
        self.budget.check("elements", spec.elements, place.span, "the input")
        self.specs[name], self.spans[name] = spec, place.span
        self.inputs[name] = Tensor(name, spec)
        return self.inputs[name]

    def node(
        self,
        op: Op,
        tensors: Sequence[Tensor],
        level: Level,
        name: str,
        item: Item,
        causes: Labels = tuple,
    ) -> Tensor:
        """Adds a node; raises ShapeError, with its path taken, if the op cannot take its inputs.

        `causes` says where its size is from.
        """
        budget, path = self.budget, level.child(name)
        id = path + level.application
        span = self.take(id, item)
        said = op
        op, lattice = self.dilating.settled(op, tensors)
        if op != said:
            self.dilating.said[id] = said
        output, weights, cost = facts(op, tuple([tensor.spec for tensor in tensors]))
        self.dilating.came(op, id, output, lattice, tensors[0])
        if output.elements > budget.limits.elements:
            what = f"the output of {path}"
            budget.check("elements", output.elements, span, what, labels=causes)
        if weights and name.startswith("_"):
            message = f"{op.verb} has weights, so its name cannot start with `_`"
            fail(self.sink, "E0208", message, item.place.key, "a name with `_` adds no level")
        if weights and not level.application:
            budget.spend("parameters", cost.parameters, span, causes)
        budget.spend("connections", len(tensors), span)
        if len(self.nodes) >= budget.limits.nodes:
            budget.check("nodes", len(self.nodes) + 1, span, labels=budget.longest)
        ids = tuple([tensor.id for tensor in tensors])
        self.nodes.append(Node(id, op, ids, output, weights, cost, level.scope, span))
        self.made.append(id)
        self.specs[id] = output
        return Tensor(id, output)

    def ends_residual(self) -> None:
        """Says of the last node that it adds the sides of a residual."""
        self.nodes[-1] = replace(self.nodes[-1], residual=True)

    @contextmanager
    def making_before(self, number: int) -> Iterator[None]:
        """Adds what is made before all nodes but the first so many, though it runs after them."""
        start = len(self.made)
        try:
            yield
        finally:
            self.made[number:] = [*self.made[start:], *self.made[number:start]]

    def first_made(self, path: str, application: str) -> int | None:
        """The place among what is made of the first with weights at a path, None if none is there.

        What was moved there before stands there, too.
        """
        inside = f"{path}."
        for place, id in enumerate(self.made):
            where, mark, number = id.partition("@")
            if (where == path or where.startswith(inside)) and mark + number == application:
                return place
        return None

    # paths

    def take(self, id: str, item: Item) -> Span | None:
        """Claims a path for what an item makes; gives the item's place."""
        span = item.span
        if len(id) > self.budget.limits.path:
            what = f"a path that begins with {id[:20]}..."
            self.budget.check("path", len(id), span, what, labels=self.budget.longest)
        if id in self.spans:
            self.refuse_path(id, item)
        self.spans[id] = span
        return span

    def refuse_path(self, id: str, item: Item) -> NoReturn:
        """Two things with one path are an error."""
        first = self.spans[id]
        labels = (Label(first, "first here"),) if first and first != item.span else ()
        key = item.place.path[-1]
        help = "give them different names"
        inner = [one.key.text for part in item.parts.values() for one in part.items if one.key]
        if item.verb == "seq" and inner and first == item.span:
            help = f"what shares a level is written with dots: `{key}.{inner[0]}: ...`"
        elif isinstance(key, str) and item.modifiers.copies:
            number = "{row + 1}" if item.modifiers.for_ is not None else "{i + 1}"
            help = f"copies need different names: {key}{number}"
        elif isinstance(key, str) and first and first == item.span:
            help = f"it stands in copies, whose names need what differs: {key}{{row + 1}} where"
            help += f" they are of a `for`, {key}{{i + 1}} where of a `repeat`"
        fail(self.sink, "E0401", f"two things are named {id}", item.place.key, help, labels)

    def recompute(self, level: Level, name: str, item: Item) -> None:
        """Lets training keep nothing of the module that an item made; it must have made one."""
        place = item.place / "checkpoint"
        if not name or name.startswith("_"):
            what = f"`{name}`" if name else f"`{item.verb}`"
            help = "give it a name, or its place in a list: `seq` has a level of its own"
            message = f"{what} adds no level, so there is no module to compute again"
            if item.verb == USE:
                message = "`use` makes no module"
                help = "say `checkpoint: true` where the module is made"
            fail(self.sink, "E0208", message, place.key, help)
        path = level.child(name)
        last = self.nodes[-1] if self.nodes and self.nodes[-1].path == path else None
        if not (last.holds_weights if last else path + level.application in self.opened):
            verb = last.op.verb if last else item.verb
            help = "put it into a `seq` with what stands around it, and `checkpoint` beside that"
            message = f"{verb} is no module with weights: alone it saves nothing"
            fail(self.sink, "E0208", message, place.key, help)
        self.recomputed.append(path)

    def open(
        self,
        level: Level,
        name: str,
        kind: ScopeKind,
        item: Item,
        block: str = "",
        arguments: tuple[tuple[str, Any], ...] = (),
        inputs: tuple[TensorSpec, ...] = (),
    ) -> Level:
        """A new level under `name`, with a scope of its own."""
        path = level.child(name)
        id = path + level.application
        span = self.take(id, item)
        self.budget.check("nodes", len(self.scopes) + 1, span, labels=self.budget.longest)
        scope = Scope(id, kind, level.scope, block, arguments, inputs, span)
        if level.application:
            scope = self.made_first(scope, item)
        self.scopes.append(scope)
        self.opened[id] = scope
        return Level(path, id, application=level.application)

    def made_first(self, scope: Scope, item: Item) -> Scope:
        """A module that is applied again, with the arguments that it was made with."""
        first = self.opened.get(scope.path, scope)
        if (first.kind, first.block) != (scope.kind, scope.block):
            both = " and ".join(one.block or one.kind for one in (first, scope))
            message = f"one module cannot be {both}"
            help = "what is applied again is what it was when it was made"
            fail(self.sink, "E0503", message, item.span, help)
        return replace(scope, arguments=first.arguments)

    def within(self, level: Level, key: str, item: Item) -> tuple[Level, str]:
        """The level that a key with dots leads to, made when it is first needed, and the last name.

        `convs.0` and `convs.1` stand in one level. It has no scope: what stands in it is run among
        the items that it is written among.
        """
        *names, last = key.split(".")
        for name in names:
            path = level.child(name)
            id = path + level.application
            if id not in level.inner:
                if (
                    path not in self.levels
                ):  # else it is the level of a module that is applied again
                    self.take(path, item)
                    self.levels.add(path)
                level.inner[id] = Level(path, level.scope, application=level.application)
            level = level.inner[id]
        return level, last

    def tap(
        self,
        name: str,
        value: Flow,
        place: Place,
        varies: bool,
        inside: bool = False,
        origins: Labels = tuple,
    ) -> bool:
        """Names a value as a feature; says whether the name was free.

        Among the copies of an item whose tap varies, the last that gives a name has it. `inside`
        says whether the item is one of a block's.
        """
        span = place.span
        first = self.tap_spans.get(name)
        if name in self.taps and not (varies and first == span):
            labels = [Label(first, "first here")] if first and first != span else []
            help = "every tap needs a name of its own"
            if not labels and inside:
                help = "a tap is a feature of the whole network, and this block is called again:"
                help += f" `as: {name}` names it in this block alone"
            elif not labels:
                help = "a tap in a copied item needs a name that depends on the copy: c{row + 2}"
                help += f"; `as: {name}` is for its section alone"
            labels += origins()
            self.sink.error("E0401", f"two taps named {name}", span, labels=labels, help=help)
            return False
        self.taps[name], self.tap_spans[name] = value, span
        self.tapped.append(name)
        return True

    def taps_meant(self) -> dict[Span, bool]:
        """Whether a reference meant a tap or label that is written at a place."""
        found = {span: first in self.labels_meant for span, first in self.labels.items()}
        for name, span in self.tap_spans.items():
            if span is not None:
                found[span] = found.get(span, False) or name in self.meant
        return found

    # what lies at a path

    def placed(self, level: Level, name: str, flow: Flow) -> None:
        """Writes down what an item gives."""
        self.journal.append(Placed(level.child(name) + level.application, flow))

    def known(self) -> Mapping[str, Flow]:
        """What all items give, by id."""
        for part in self.journal[self.looked :]:
            self.results.update([part] if isinstance(part, Placed) else part.spread())
        self.looked = len(self.journal)
        return self.results

    def inside(self, path: str, application: str) -> list[Flow]:
        """What the item at a path gives: once, or for every input of shared weights."""
        known, id = self.known(), path + application
        first = id if id in known else f"{id}@0"
        ids = [first]
        while f"{id}@{len(ids)}" in known:
            ids.append(f"{id}@{len(ids)}")
        return [known[id] for id in ids] if first in known else []

    # shared weights

    def check_shared(
        self,
        first: Sequence[Node],
        again: Sequence[Node],
        item: Item,
        labels: tuple[Label, ...],
        what: str = "inputs of `each`",
        at: Span | None = None,
    ) -> None:
        """What is applied again must have the ops and weights of the first application.

        `what` it is applied to or by, and where to point if not at what does not fit.
        """
        for old, new in zip_longest(first, again):
            if old is None or new is None:
                message = f"the {what} need different layers here"
                help = "one module serves all of them"
                fail(self.sink, "E0503", message, item.span, help, labels)
            before, after = ([self.specs[id] for id in node.inputs] for node in (old, new))
            same = (old.path, old.op) == (new.path, new.op)
            if not same or not old.op.serves(before, after):
                message = f"one {new.op.verb} cannot serve inputs of {before[0]} and {after[0]}"
                help = f"give the {what} the same channels"
                fail(self.sink, "E0503", message, at or new.span or item.span, help, labels)

    # replay

    @contextmanager
    def recording(
        self, path: str, inputs: tuple[Tensor, ...]
    ) -> Iterator[Callable[[Flow], Recorded]]:
        """What is added inside under a path, given with its result behind it."""
        nodes, scopes, placed = len(self.nodes), len(self.scopes), len(self.journal)
        replaced, recomputed = len(self.replaced), len(self.recomputed)
        reads = self.budget.reads

        def recorded(result: Flow) -> Recorded:
            added = self.nodes[nodes:], self.made[nodes:], self.scopes[scopes:]
            journal, dilating = self.journal[placed:], self.dilating
            ids = [node.id for node in added[0]]
            lattices = [
                (dilating.known.get(id), dilating.said.get(id)) for id in ids if dilating.most
            ]
            others = self.replaced[replaced:], self.recomputed[recomputed:], lattices
            longest = max(map(len, [*ids, *(scope.id for scope in added[2])])) - len(path)
            counted = self.budget.reads - reads, longest
            return Recorded(path, inputs, *added, spent, result, journal, *others, *counted)

        with self.budget.measured() as spent:
            yield recorded

    def fits(self, recorded: Recorded, path: str) -> bool:
        """Whether a replay reaches no limit; elaborating it again would say where it does."""
        return (
            len(self.nodes) + len(recorded.nodes) <= self.budget.limits.nodes
            and len(self.scopes) + len(recorded.scopes) <= self.budget.limits.nodes
            and len(path) + recorded.longest <= self.budget.limits.path
            and self.budget.allows(recorded.spent)
        )

    def replay(
        self, recorded: Recorded, path: str, scope: str, inputs: Sequence[Tensor], item: Item
    ) -> Flow:
        """The recorded subgraph under another path and on other inputs of the same shapes."""
        span = self.take(path, item)
        self.budget.add(recorded.spent)
        cut = len(recorded.path)
        first, *inner = recorded.scopes
        self.opened[path] = _moved(first, path, scope, span)
        self.scopes.append(self.opened[path])
        for old in inner:
            moved = _moved(old, path + old.id[cut:], path + old.parent[cut:], old.span)
            self.scopes.append(moved)
            self.opened[moved.id] = moved
            self.spans[moved.id] = moved.span
        renamed = {old.id: new.id for old, new in zip(recorded.inputs, inputs, strict=True)}
        for node in recorded.nodes:
            id = renamed[node.id] = path + node.id[cut:]
            ids = tuple([renamed[input] for input in node.inputs])
            outer = path + node.scope[cut:]
            known = node.op, ids, node.output, node.weights, node.cost
            self.nodes.append(Node(id, *known, outer, node.span, node.residual))
            self.specs[id], self.spans[id] = node.output, node.span
        self.made += [renamed[id] for id in recorded.made]
        self.replaced += [(rule, path + at[cut:]) for rule, at in recorded.replaced]
        self.recomputed += [path + at[cut:] for at in recorded.recomputed]
        for node, (lattice, said) in zip(recorded.nodes, recorded.lattices, strict=False):
            if lattice is not None:
                self.dilating.known[renamed[node.id]] = lattice
            if said is not None:
                self.dilating.said[renamed[node.id]] = said
        self.journal.append(Replayed(recorded, path, tuple(inputs)))
        return _renamed(recorded.result, renamed.__getitem__)


def _moved(scope: Scope, id: str, parent: str, span: Span | None) -> Scope:
    return Scope(id, scope.kind, parent, scope.block, scope.arguments, scope.inputs, span)


def _renamed(flow: Flow, name: Callable[[str], str]) -> Flow:
    if isinstance(flow, tuple):
        return tuple(Tensor(name(tensor.id), tensor.spec) for tensor in flow)
    return Tensor(name(flow.id), flow.spec) if flow is not None else None
