"""The graph under construction: nodes, scopes and taps, with every path taken at most once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, NamedTuple, NoReturn

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.env import Flow, Level, Poison, Tensor, fail
from archdsl.graph.graph import Node, Scope, ScopeKind
from archdsl.language.syntax import Item
from archdsl.ops import Op, ShapeError, TooSmallError
from archdsl.ops.base import times
from archdsl.ops.tensor import INPUT, TensorSpec
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place

IMAGE = 2  # the axes of a map that images give
_NAMES = 8  # that are copied in the time that a value takes
_COUNTED = {"path": "characters", "reads": "values"}  # what a limit counts, if not its name
Labels = Callable[[], tuple[Label, ...]]  # of what is asked only if there is need


class Mark(NamedTuple):
    """How far a builder had come."""

    nodes: int
    scopes: int
    counts: Mapping[str, int]
    deepest: int


class Recorded(NamedTuple):
    """An elaborated block, to be replayed under another path: what it added, how deep it went."""

    path: str
    inputs: tuple[Tensor, ...]
    nodes: Sequence[Node]
    made: Sequence[str]
    scopes: Sequence[Scope]
    counts: Mapping[str, int]
    depth: int
    result: Flow


class Builder:
    """Adds nodes and scopes; what cannot be added is reported and raises Poison.

    `application` is the mark of a repeated application of shared weights, empty in the first.
    """

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self.sink, self.limits = sink, limits
        self.nodes: list[Node] = []
        self.made: list[str] = []  # ids of nodes, in the order in which their modules are made
        self.scopes: list[Scope] = []
        self.taps: dict[str, Flow] = {}
        self.application = ""
        self.specs: dict[str, TensorSpec] = {}  # by id of a node, or `input`
        self.spans: dict[str, Span | None] = {}  # of every id that is taken
        self.tap_spans: dict[str, Span | None] = {}
        self.counts = dict.fromkeys(("items", "connections", "parameters"), 0)
        self.depth = self.deepest = 0  # of items in items
        self.reads = 0  # values in lists that were gone through
        self.repeats: list[tuple[int, Span | None]] = []  # how often what is open runs, and where
        self.reached: set[str] = set()  # limits, which are complained of once

    # limits

    def count(self, limit: str, number: int, span: Span | None, labels: Labels = tuple) -> None:
        """Counts what is added, up to a limit."""
        self.counts[limit] += number
        self.check(limit, self.counts[limit], span, added=number, labels=labels)

    def check(
        self,
        limit: str,
        number: int,
        span: Span | None,
        what: str = "the network",
        added: int = 1,
        labels: Labels = tuple,
    ) -> None:
        most: int = getattr(self.limits, limit)
        if number > most and limit in self.reached:
            raise Poison
        if number > most:
            self.reached.add(limit)
            help = f"--limit {limit}=N allows more"
            message = f"{what} has more than {most:,} {_COUNTED.get(limit, limit)}"
            message += f", {added:,} of them here" if added > 1 else ""
            fail(self.sink, "E0106", message, span, help, labels())

    def read(self, span: Span | None, values: int, names: int = 0) -> None:
        """Counts values in lists that are gone through, and names that are copied."""
        self.reads += values + names // _NAMES
        what = "all that is read of lists and names"
        self.check("reads", self.reads, span, what, labels=self.longest)

    @contextmanager
    def repeating(self, times: int, span: Span | None) -> Iterator[None]:
        """Inside what is repeated."""
        self.repeats.append((times, span))
        try:
            yield
        finally:
            self.repeats.pop()

    def longest(self) -> tuple[Label, ...]:
        """Where the most of what is repeated comes from."""
        times, span = max(self.repeats, key=lambda one: one[0], default=(0, None))
        return (Label(span, f"repeated {times:,} times"),) if span is not None else ()

    @contextmanager
    def nested(self, item: Item) -> Iterator[None]:
        """Inside one more item."""
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        try:
            if self.depth > self.limits.nesting and "nesting" in self.reached:
                raise Poison
            if self.depth > self.limits.nesting:
                self.reached.add("nesting")
                message = f"items nested deeper than {self.limits.nesting} levels"
                help = "--limit nesting=N allows more"
                fail(self.sink, "E0106", message, item.span, help)
            yield
        finally:
            self.depth -= 1

    # nodes

    def input(self, spec: TensorSpec, place: Place) -> Tensor:
        """What the network is given."""
        self.check("elements", spec.elements, place.span, "the input")
        self.specs[INPUT], self.spans[INPUT] = spec, place.span
        return Tensor(INPUT, spec)

    def node(
        self,
        op: Op,
        inputs: Iterable[Flow],
        level: Level,
        name: str,
        item: Item,
        blame: Mapping[str, Place] | None = None,
        origins: Callable[[str], tuple[Label, ...]] = lambda argument: (),
    ) -> Tensor:
        """Adds a node; a shape that does not fit is an error at the argument to blame.

        `origins` says where the value of an argument is from, or those of all of them.
        """
        tensors = self.tensors(op, inputs, item)
        path = level.child(name)
        id = path + self.application
        span = self.take(id, item)
        specs = [tensor.spec for tensor in tensors]
        output = self.output(op, tensors, item, blame or {}, origins)

        def causes() -> tuple[Label, ...]:
            return (*origins(""), *self.origins(tensors))

        what = f"the output of {path}"
        self.check("elements", output.elements, span, what, labels=causes)
        weights = op.weights(*specs)
        if weights and name.startswith("_"):
            message = f"{op.verb} has weights, so its name cannot start with `_`"
            fail(self.sink, "E0208", message, item.place.key, "a name with `_` adds no level")
        cost = op.cost(weights, output, specs)
        if weights and not self.application:
            self.count("parameters", cost.parameters, span, causes)
        self.count("connections", len(tensors), span)
        self.check("nodes", len(self.nodes) + 1, span, labels=self.longest)
        ids = tuple([tensor.id for tensor in tensors])
        self.nodes.append(Node(id, op, ids, output, weights, cost, level.scope, span))
        self.made.append(id)
        self.specs[id] = output
        return Tensor(id, output)

    def tensors(self, op: Op, inputs: Iterable[Flow], item: Item) -> list[Tensor]:
        tensors = []
        for flow in inputs:
            if flow is None:
                raise Poison
            if isinstance(flow, tuple):
                message = f"{op.verb} takes tensors, and one of its inputs is a list"
                fail(self.sink, "E0404", message, item.span)
            tensors.append(flow)
        return tensors

    def output(
        self,
        op: Op,
        tensors: list[Tensor],
        item: Item,
        blame: Mapping[str, Place],
        origins: Callable[[str], tuple[Label, ...]],
    ) -> TensorSpec:
        try:
            return op.infer(*[tensor.spec for tensor in tensors])
        except ShapeError as error:
            code = "E0501" if len(tensors) > 1 else "E0502"
            blamed = blame.get(error.argument or "")
            at = blamed.span if blamed is not None else item.span
            labels = self.shapes(tensors, isinstance(error, TooSmallError))
            labels += origins(error.argument) if error.argument else ()
            fail(self.sink, code, error.message, at, error.help, labels)

    def shapes(self, tensors: list[Tensor], small: bool) -> tuple[Label, ...]:
        """How tensors came to the shapes that an op cannot take, or that are too small for it."""
        labels = (small and self.shrinkers(tensors[0])) or self.origins(tensors)
        if small:
            labels += self.origins([Tensor(INPUT, self.specs[INPUT])])
        if len({tensor.spec.spatial for tensor in tensors}) > 1:
            said = {label.span for label in labels}
            labels += tuple(x for x in self.shrunk_apart(tensors) if x.span not in said)
        elif self.specs[INPUT].rank != IMAGE:
            labels += self.ranks(tensors[0])
        return labels

    def origins(self, tensors: Iterable[Tensor]) -> tuple[Label, ...]:
        """Where tensors have their shapes from, copies of one item that are alike but once."""
        given = {self.shaped(tensor.id): tensor.spec for tensor in tensors}
        labels: dict[Any, Label] = {}
        for id, spec in given.items():
            if (span := self.written(id)) is not None:
                text = f"{id} gives {spec}" if id != INPUT else f"the input is {spec}"
                labels.setdefault((span, spec), Label(span, text))
        return tuple(labels.values())

    def ranks(self, tensor: Tensor) -> tuple[Label, ...]:
        """Where a tensor has its number of axes from: the network's input, if it has as many."""
        first = Tensor(INPUT, self.specs[INPUT])
        return self.origins([first if first.spec.rank == tensor.spec.rank else tensor])

    def shaped(self, id: str, in_order: bool = True) -> str:
        """The node that gave a tensor its sizes: those behind it kept what they were given.

        Without `in_order` they may have put them in another order.
        """
        nodes = {node.id: node for node in self.nodes}
        made = nodes.get(id)
        while made and len(made.inputs) == 1 and not hasattr(made.op, "out"):
            before = nodes.get(made.inputs[0])
            given, gives = self.specs[made.inputs[0]], made.output
            if given != gives and (in_order or sorted(given.shape) != sorted(gives.shape)):
                return made.id
            made = before
        return made.id if made else id

    def written(self, id: str) -> Span | None:
        """The place of a node; the call of the block of the library that it stands in."""
        span = self.spans.get(id)
        while span is not None and self.sink.in_library(span) and "." in id:
            id = id.rpartition(".")[0]
            span = self.spans.get(id, span)
        return span

    def shrunk_apart(self, tensors: Sequence[Tensor]) -> tuple[Label, ...]:
        """What shrinks maps differently since they parted."""
        nodes = {node.id: node for node in self.nodes}
        ways: list[list[str]] = []
        for tensor in tensors:
            way = [tensor.id]
            while way[-1] in nodes:
                way.append(nodes[way[-1]].inputs[0])
            ways.append(way)
        start = next((id for id in ways[0] if all(id in way for way in ways)), INPUT)
        found = [label for tensor in tensors for label in self.shrinkers(tensor, start)]
        return tuple(dict.fromkeys(found))

    def shrinkers(self, tensor: Tensor, start: str = INPUT) -> tuple[Label, ...]:
        """What made a map as small as it is, from `start` on: a label for every place."""
        nodes = {node.id: node for node in self.nodes}
        steps: dict[Span, list[tuple[Op, TensorSpec, TensorSpec]]] = {}
        id = tensor.id
        while id in nodes and id != start:
            node = nodes[id]
            small, id = node.output, node.inputs[0]
            large = self.specs[id]
            span = self.written(node.id)
            if small.rank == large.rank and small.spatial < large.spatial and span:
                steps.setdefault(span, []).append((node.op, large, small))
        labels = []
        for span, made in reversed(steps.items()):
            op, large = made[-1][0], made[-1][1]
            stride = getattr(op, "stride", (1,))
            cause = f"a stride of {times(tuple(sorted(set(stride))))} " if max(stride) > 1 else ""
            shrunk = f"{times(large.spatial)} to {times(made[0][2].spatial)}"
            again = f", in {len(made)} steps" if len(made) > 1 else ""
            labels.append(Label(span, f"{cause}shrinks {shrunk}{again}"))
        return tuple(labels)

    @contextmanager
    def making_before(self, number: int) -> Iterator[None]:
        """Adds what is made before all nodes but the first so many, though it runs after them."""
        start = len(self.made)
        try:
            yield
        finally:
            self.made[number:] = [*self.made[start:], *self.made[number:start]]

    # paths

    def take(self, id: str, item: Item) -> Span | None:
        """Claims a path for what an item makes; gives the item's place."""
        span = item.span
        if len(id) > self.limits.path:
            what = f"a path that begins with {id[:20]}..."
            self.check("path", len(id), span, what, labels=self.longest)
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
        if isinstance(key, str) and item.modifiers.copies:
            number = "{row + 1}" if item.modifiers.for_ is not None else "{i + 1}"
            help = f"copies need different names: {key}{number}"
        fail(self.sink, "E0401", f"two things are named {id}", item.place.key, help, labels)

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
        id = path + self.application
        span = self.take(id, item)
        self.check("nodes", len(self.scopes) + 1, span, labels=self.longest)
        self.scopes.append(Scope(id, kind, level.scope, block, arguments, inputs, span))
        return Level(path, id)

    def tap(
        self, name: str, value: Flow, place: Place, varies: bool, origins: Labels = tuple
    ) -> bool:
        """Names a value as a feature; says whether the name was free.

        Among the copies of an item whose tap varies, the last that gives a name has it.
        """
        span = place.span
        first = self.tap_spans.get(name)
        if name in self.taps and not (varies and first == span):
            labels = [Label(first, "first here")] if first and first != span else []
            help = "every tap needs a name of its own"
            if not labels:
                help = "a tap in a copied item needs a name that depends on the copy: c{row + 2}"
            labels += origins()
            self.sink.error("E0401", f"two taps named {name}", span, labels=labels, help=help)
            return False
        self.taps[name], self.tap_spans[name] = value, span
        return True

    # shared weights

    @contextmanager
    def applying(self, index: int) -> Iterator[None]:
        """Inside the application of shared weights to the input at `index`."""
        before = self.application
        self.application = f"{before}@{index}" if before or index else ""
        try:
            yield
        finally:
            self.application = before

    def check_shared(
        self, first: Sequence[Node], again: Sequence[Node], item: Item, labels: tuple[Label, ...]
    ) -> None:
        """What is applied again must have the ops and weights of the first application."""
        for old, new in zip_longest(first, again):
            if old is None or new is None:
                message = "the inputs of `each` need different layers here"
                help = "one module serves all of them"
                fail(self.sink, "E0503", message, item.span, help, labels)
            before, after = ([self.specs[id] for id in node.inputs] for node in (old, new))
            same = (old.path, old.op) == (new.path, new.op)
            if not same or not old.op.serves(before, after):
                message = f"one {new.op.verb} cannot serve inputs of {before[0]} and {after[0]}"
                help = "give the inputs of `each` the same channels"
                fail(self.sink, "E0503", message, new.span or item.span, help, labels)

    # replay

    def mark(self) -> Mark:
        """The beginning of what may be recorded."""
        mark = Mark(len(self.nodes), len(self.scopes), dict(self.counts), self.deepest)
        self.deepest = self.depth
        return mark

    def record(self, mark: Mark, path: str, inputs: tuple[Tensor, ...], result: Flow) -> Recorded:
        """What was added since, under `path`."""
        counts = {limit: number - mark.counts[limit] for limit, number in self.counts.items()}
        depth, self.deepest = self.deepest - self.depth, max(self.deepest, mark.deepest)
        nodes, made = self.nodes[mark.nodes :], self.made[mark.nodes :]
        scopes = self.scopes[mark.scopes :]
        return Recorded(path, inputs, nodes, made, scopes, counts, depth, result)

    def fits(self, recorded: Recorded) -> bool:
        """Whether a replay reaches no limit; elaborating it again would say where it does."""
        limits = self.limits
        return (
            self.depth + recorded.depth <= limits.nesting
            and len(self.nodes) + len(recorded.nodes) <= limits.nodes
            and len(self.scopes) + len(recorded.scopes) <= limits.nodes
            and all(
                self.counts[limit] + number <= getattr(limits, limit)
                for limit, number in recorded.counts.items()
            )
        )

    def replay(
        self, recorded: Recorded, path: str, scope: str, inputs: Sequence[Tensor], item: Item
    ) -> Flow:
        """The recorded subgraph under another path and on other inputs of the same shapes."""
        span = self.take(path, item)
        for limit, number in recorded.counts.items():
            self.counts[limit] += number
        self.deepest = max(self.deepest, self.depth + recorded.depth)
        cut = len(recorded.path)
        first, *inner = recorded.scopes
        self.scopes.append(_moved(first, path, scope, span))
        for old in inner:
            moved = _moved(old, path + old.id[cut:], path + old.parent[cut:], old.span)
            self.scopes.append(moved)
            self.spans[moved.id] = moved.span
        renamed = {old.id: new.id for old, new in zip(recorded.inputs, inputs, strict=True)}
        for node in recorded.nodes:
            id = renamed[node.id] = path + node.id[cut:]
            ids = tuple([renamed[input] for input in node.inputs])
            outer = path + node.scope[cut:]
            known = node.op, ids, node.output, node.weights, node.cost
            self.nodes.append(Node(id, *known, outer, node.span))
            self.specs[id], self.spans[id] = node.output, node.span
        self.made += [renamed[id] for id in recorded.made]
        return _renamed(recorded.result, renamed)


def _moved(scope: Scope, id: str, parent: str, span: Span | None) -> Scope:
    return Scope(id, scope.kind, parent, scope.block, scope.arguments, scope.inputs, span)


def _renamed(flow: Flow, names: Mapping[str, str]) -> Flow:
    if isinstance(flow, tuple):
        return tuple(Tensor(names[tensor.id], tensor.spec) for tensor in flow)
    return Tensor(names[flow.id], flow.spec) if flow is not None else None
