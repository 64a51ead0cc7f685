"""Part of a graph as a tree of sequences and joins (series-parallel reduction)."""

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from archdsl.figures.network import labels
from archdsl.figures.network.dominators import Dominators
from archdsl.figures.network.labels import Term, word
from archdsl.figures.network.names import end_of
from archdsl.graph.graph import Graph, Node
from archdsl.ops import SIGNED
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True, slots=True)
class Box:
    """One drawn operation, or several that a figure shows as one; `terms` are what it says.

    `stands` are the paths of these, if they are several.
    """

    id: str
    verb: str
    terms: tuple[Term, ...]
    role: str
    output: TensorSpec
    stands: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return labels.written(self.terms)


@dataclass(frozen=True, slots=True)
class Join:
    """Paths side by side from one place to one node. An empty path hands its input on.

    It `skips` if it is what the spec calls a residual.
    """

    id: str
    verb: str
    paths: "tuple[Chain, ...]"
    output: TensorSpec
    skips: bool = False

    @property
    def projects(self) -> bool:
        """Whether it is a residual with more than norms on its shortcut."""
        return self.skips and self.residual and loud(self.shortcut) != ()

    @property
    def parallel(self) -> bool:
        """Whether it has two paths of which none is a shortcut, as a gate and what it gates."""
        return self.residual and not self.skips and self.shortcut != ()

    @property
    def residual(self) -> bool:
        """Whether one path stands beside the other, as the shortcut of a residual."""
        return self.verb in SIGNED and len(self.paths) == 2

    @property
    def body(self) -> "Chain":
        return max(self.paths, key=length)

    @property
    def shortcut(self) -> "Chain":
        return self.paths[1] if self.body is self.paths[0] else self.paths[0]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Boxes from one place to one, or from several to several, whose ways cross.

    `takes` has for every box the numbers of those before it that it takes, -1 for the first of
    `inputs`, -2 for the second; `ends` are the boxes whose results leave.
    """

    id: str
    boxes: tuple[Box, ...]
    takes: tuple[tuple[int, ...], ...]
    inputs: tuple[TensorSpec, ...]
    ends: tuple[int, ...]

    @property
    def open(self) -> bool:
        """Whether it has several inputs or results, which are then drawn with it."""
        return len(self.inputs) > 1 or len(self.ends) > 1

    @property
    def output(self) -> TensorSpec:
        return self.boxes[-1].output


Element = Box | Join | Mesh
Chain = tuple[Element, ...]
QUIET = "quiet"  # the verb of a box of norms and activations
DEEPEST = 40  # joins in joins; more are no tree that anybody could draw
WOVEN = 120  # boxes whose ways cross; more are no picture


class IrreducibleError(Exception):
    """A part of a network that is no tree of sequences and joins."""


def length(chain: Chain) -> int:
    """The number of boxes in a chain."""
    joins = (item for item in chain if isinstance(item, Join))
    return len(boxes(chain)) + sum(1 for item in joins for _ in _joins(item))


def _joins(join: Join) -> Iterator[Join]:
    yield join
    for path in join.paths:
        for item in path:
            yield from _joins(item) if isinstance(item, Join) else ()


def boxes(chain: Chain) -> list[Box]:
    """Every box of a chain, in order."""
    found: list[Box] = []
    for item in chain:
        if isinstance(item, Join):
            found += [box for path in item.paths for box in boxes(path)]
        else:
            found += item.boxes if isinstance(item, Mesh) else [item]
    return found


def loud(chain: Chain) -> tuple[Box, ...]:
    """The boxes of a chain but for those of norms and activations."""
    return tuple(box for box in boxes(chain) if box.verb != QUIET)


def signature(chain: Chain) -> tuple[object, ...]:
    """What two blocks of one kind have in common: all but their numbers."""
    return tuple(
        (item.verb, item.role, *(term.frame for term in item.terms))
        if isinstance(item, Box)
        else (item.takes, item.ends, *signature(item.boxes))
        if isinstance(item, Mesh)
        else (item.verb, item.skips, *(signature(path) for path in item.paths))
        for item in chain
    )


def numbers(chain: Chain) -> list[Term]:
    """What blocks of one signature may differ in, as said in boxes and bars, in order."""
    found: list[Term] = []
    for item in chain:
        if not isinstance(item, Join):
            found += [term for box in boxes((item,)) for term in box.terms]
            continue
        for path in item.paths:
            found += numbers(path)
        if item.verb and not item.residual:
            found.append(Term("out", (item.output.channels,)))
    return found


def _told(graph: Graph, owners: Mapping[str, str]) -> dict[str, bool]:
    """What `_telling` finds, until what is told tells nothing more: it is drawn, and takes, too.

    What is told where weights are applied once is told wherever they are.
    """
    told: dict[str, bool] = {}
    while True:
        shared = {graph.by_id[id].path for id, alone in told.items() if alone}
        drawn = {node.id for node in graph.nodes if node.path in shared}
        told |= {**_telling(graph, owners, drawn), **dict.fromkeys(drawn, True)}
        if drawn == {id for id, alone in told.items() if alone}:
            return told


def _telling(graph: Graph, owners: Mapping[str, str], drawn: Container[str]) -> dict[str, bool]:
    """The last of quiet ops (norms, activations) without which a way would leave elsewhere.

    Those of a block are told where it forks after them, and where it takes what is before them,
    too: the shortcut of a pre-activation block, or its projection. False for what is on all ways:
    it need not be told, but is not said of a single way.
    """
    source = {id: id for id in graph.inputs}
    before: dict[str, tuple[str, ...]] = {}  # the quiet ops since what is drawn, itself last
    taken: dict[str, list[Node]] = {}  # by what is drawn, with quiet ops or without
    for node in graph.nodes:
        role = node.op.role() or node.id in drawn
        source[node.id] = node.id if role else source[node.inputs[0]]
        before[node.id] = () if role else (*before.get(node.inputs[0], ()), node.id)
        for id in node.inputs[: node.op.inputs] if role else ():
            taken.setdefault(id, []).append(node)
    values: dict[str, list[str]] = {}
    for id in taken:
        values.setdefault(source[id], []).append(id)
    told: dict[str, bool] = {}
    for id, takers in taken.items():
        owner = owners.get(graph.by_id[id].scope, "") if source[id] != id else ""
        if owner:
            others = values[source[id]]
            inside = sum(owners.get(node.scope) == owner for node in takers)
            forks = inside > 1 and not source[id].startswith(f"{owner}.")
            if forks or len(others) > 1:
                told[id] = forks or any(id not in before.get(other, ()) for other in others)
    return told


class Reducer:
    """Reduces parts of one graph; `drawn` are the nodes that figures show.

    `owners` are the blocks, by scope, of which they show a norm or an activation where a way leaves
    after it; `shown` are others in blocks that they are to show, each by itself.
    """

    def __init__(
        self, graph: Graph, owners: Mapping[str, str] = MappingProxyType({}),
        shown: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.graph, self.owners = graph, owners
        self.source: dict[str, str] = {id: id for id in graph.inputs}
        self.drawn: dict[str, tuple[Node, tuple[str, ...]]] = {}
        self.roles: dict[str, str] = {}
        self.passed: dict[str, tuple[Node, ...]] = {}  # the quiet ops in one box, by the last
        told = _told(graph, owners)
        since: dict[str, tuple[Node, ...]] = {}  # quiet ops after what is drawn
        for node in graph.nodes:
            inputs = tuple(self.source[id] for id in node.inputs[: node.op.inputs])
            role = node.op.role()
            quiet = since.get(node.inputs[0], ())
            own = owners.get(node.scope)
            before = (*(other for other in quiet if owners.get(other.scope) == own), node)
            if node.id in shown and node.id not in told:
                before = (node,)
            if role or told.get(node.id) or node.id in shown:
                self.source[node.id], self.roles[node.id] = node.id, role or "norm"
                self.drawn[node.id] = node, inputs
                self.passed |= {} if role else {node.id: before}
            else:
                self.source[node.id] = inputs[0]
                since[node.id] = () if node.id in told else before

    @cached_property
    def dominators(self) -> Dominators:
        found = Dominators(self.graph.inputs)
        for id, (_, inputs) in self.drawn.items():
            found.add(id, inputs)
        return found

    @cached_property
    def even(self) -> dict[str, int]:
        return labels.even_parts(self.graph)

    @cached_property
    def takers(self) -> dict[str, list[str]]:
        """What takes each of what is drawn."""
        found: dict[str, list[str]] = {}
        for id, (_, inputs) in self.drawn.items():
            for source in dict.fromkeys(inputs):
                found.setdefault(source, []).append(id)
        return found

    @cached_property
    def order(self) -> dict[str, int]:
        """The place of each of what is drawn, inputs first."""
        return {id: place for place, id in enumerate((*self.graph.inputs, *self.drawn))}

    @cached_property
    def given(self) -> frozenset[str]:
        """What is a result of the network."""
        return frozenset(self.source[id] for id in self.graph.outputs.values())

    def chain(self, start: str, end: str) -> Chain:
        """What lies between two nodes, `end` included; raises IrreducibleError."""
        chain = self._chain(self.source[start], self.source[end], {}, 0)
        return tuple(_excited(item) for item in chain)

    def _chain(self, start: str, end: str, seen: dict[str, None], depth: int) -> Chain:
        items: list[Element] = []
        at = end
        while at != start:
            if at in self.graph.inputs or at in seen or depth > DEEPEST:
                raise IrreducibleError(end)
            seen[at] = None
            node, inputs = self.drawn[at]
            if len(inputs) == 1:
                items.append(self.box(node))
                at = inputs[0]
                continue
            fork = self.dominators.meet(inputs)
            items.append(self._join(fork, at, seen, depth + 1))
            at = fork
        return tuple(reversed(items))

    def _join(self, fork: str, at: str, seen: dict[str, None], depth: int) -> Element:
        """What lies between a fork and a node of several inputs."""
        (node, inputs), before = self.drawn[at], len(seen)
        try:
            paths = self._paths(fork, inputs, seen, depth)
        except IrreducibleError:
            while len(seen) > before:
                seen.popitem()
            made = self.mesh({fork: self.graph.spec(fork)}, (at,), seen)
            seen |= dict.fromkeys(box.id for box in made.boxes)
            return made
        return Join(at, node.op.verb, paths, node.output, node.residual)

    def mesh(
        self, inputs: Mapping[str, TensorSpec], ends: Sequence[str], seen: Container[str]
    ) -> Mesh:
        """All between some nodes and others; raises IrreducibleError if it leads elsewhere, too."""
        inside, todo = dict[str, None](), [*ends]
        while todo and len(inside) <= WOVEN:
            id = todo.pop()
            if id not in inside and id not in inputs:
                if id in self.graph.inputs or (id in seen and id not in ends):
                    raise IrreducibleError(id)
                inside[id] = None
                todo += self.drawn[id][1]
        order = sorted(inside, key=self.order.__getitem__)
        leaving = [id for id in order if id not in ends and self.leaves(id, inside)]
        if leaving or todo or not order:
            raise IrreducibleError(ends[-1])
        place = {id: -1 - n for n, id in enumerate(inputs)} | {id: n for n, id in enumerate(order)}
        takes = tuple(tuple(place[source] for source in self.drawn[id][1]) for id in order)
        found = tuple(self._woven(self.drawn[id][0]) for id in order)
        return Mesh(
            order[-1], found, takes, tuple(inputs.values()), tuple(place[id] for id in ends)
        )

    def leaves(self, id: str, inside: Container[str]) -> bool:
        """Whether something else takes a node than what is inside."""
        return id in self.given or any(taker not in inside for taker in self.takers.get(id, ()))

    def _woven(self, node: Node) -> Box:
        """A box; of a join it says how many channels come out, as bars do."""
        box, (_, inputs) = self.box(node), self.drawn[node.id]
        if len(inputs) < 2 or node.op.verb in SIGNED:
            return box
        return replace(box, terms=(*box.terms, Term("out", (node.output.channels,))))

    def _paths(
        self, fork: str, inputs: tuple[str, ...], seen: dict[str, None], depth: int
    ) -> tuple[Chain, ...]:
        """The paths of a join; those that share their beginning are one that forks later."""
        if depth > DEEPEST:
            raise IrreducibleError(fork)
        groups: dict[str, list[str]] = {}
        for id in inputs:
            groups.setdefault(self.dominators.first(fork, id), []).append(id)
        paths: list[Chain] = []
        for group in groups.values():
            if len(group) == 1 or group[0] == fork:
                paths += [self._chain(fork, id, seen, depth) for id in group]
                continue
            later = self.dominators.meet(group)
            inner = self._paths(later, tuple(group), seen, depth + 1)
            stem = self._chain(fork, later, seen, depth)
            paths.append((*stem, Join(f"{later}.fork", "", inner, self.graph.spec(later))))
        return tuple(paths)

    def box(self, node: Node) -> Box:
        if node.id in self.passed:
            quiet = self.passed[node.id]
            label = word(", ".join(one.op.verb.replace("_", " ") for one in quiet))
            stands = tuple(one.id for one in quiet)
            return Box(node.id, QUIET, (label,), "norm", node.output, stands)
        channels = self.graph.spec(node.inputs[0]).channels
        verb, terms = labels.verb(node, channels), labels.terms(node, channels, self.even)
        owner = self.owners.get(node.scope, "")
        turn, again = (id.partition("@")[2] for id in (owner, node.id))
        if owner and node.weights and turn != again:  # applied again in it
            terms = *terms, word(f"weights of {end_of(node.path)}")
        return Box(node.id, verb, terms, self.roles[node.id], node.output)


def _excited(item: Element) -> Element:
    """Squeeze-and-excite as one box: a map times what two layers make of its means (Hu et al.)."""
    if not isinstance(item, Join):
        return item
    paths = tuple(tuple(_excited(part) for part in path) for path in item.paths)
    item = replace(item, paths=paths)
    if not (item.residual and item.verb == "multiply" and not item.shortcut):
        return item
    gate = [part for part in item.body if isinstance(part, Box)]
    layers = [box for box in gate[1:] if box.verb != QUIET]
    dense = all(_mixes(box) for box in layers) and len(layers) == 2
    if not dense or len(gate) < len(item.body) or not _averages(gate[0]):
        return item
    terms = word("SE"), Term("out", (layers[0].output.channels,))
    stands = (*(box.id for box in gate if box.verb != QUIET), item.id)
    return Box(item.id, "squeeze_excite", terms, "attention", item.output, stands)


def _averages(box: Box) -> bool:
    """Whether it is the mean of every channel."""
    return box.verb in ("global_avg_pool", "adaptive_avg_pool") and {*box.output.spatial} <= {1}


def _mixes(box: Box) -> bool:
    """Whether it is a layer that takes all channels of one place: no grouped one."""
    grouped = any(term.name == "groups" and term.said for term in box.terms)
    return box.role in ("pointwise", "linear") and not grouped
