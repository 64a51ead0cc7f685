"""What a figure tells of a network: its units, the stages they form, what repeats. Plain data."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, groupby, pairwise
from math import sqrt
from typing import Literal

from archdsl.analysis.cost import Analysis, Cost, analyze
from archdsl.figures.canvas.scene import Run
from archdsl.figures.network import labels
from archdsl.figures.network.labels import Term, word
from archdsl.figures.network.manner import Manner, kinds_of, manner_of
from archdsl.figures.network.names import Called, Names, unnamed
from archdsl.figures.network.owners import is_dense, owners_of
from archdsl.figures.network.quiet import asked_for, in_one, saying
from archdsl.figures.network.tree import (
    Box,
    Chain,
    IrreducibleError,
    Join,
    Mesh,
    Reducer,
    boxes,
    folded,
    numbers,
    signature,
)
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.ops.base import sum_of
from archdsl.ops.tensor import TensorSpec

UnitKind = Literal["op", "block", "dense"]
ALIKE = 1.2  # sizes of maps this close are one resolution
VARY = "widths vary"  # is said of blocks that are counted together and are not alike inside
DIFFER = "activations or norms vary"


@dataclass(frozen=True, slots=True)
class Unit:
    """One slab of a figure: an op, a block, or the layers of a dense block together.

    `chain` is what a block holds, empty if its ways lead elsewhere; if it takes or gives several
    things, or is empty, `ops` are its operations in order;
    `manner` what no box says of them, with norms and activations, `after` of those that follow it;
    `layers` counts those of a dense block; `outputs` are what it gives, several where its weights
    are applied to several maps.
    """

    id: str
    kind: UnitKind
    block: str
    role: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    cost: Cost
    chain: Chain
    layers: int = 1
    container: str = ""
    ops: tuple[Box, ...] = ()
    manner: Manner = ()
    after: Manner = ()

    @property
    def numbers(self) -> tuple[Term, ...]:
        """Everything in which it may differ from a block of its kind, its input aside."""
        return tuple(numbers(self.chain or self.ops))

    @property
    def paths(self) -> tuple[str, ...]:
        """Its path, and those of what its only box says besides."""
        said = (id for box in boxes(self.chain) for id in box.stands) if self.kind == "op" else ()
        return (self.id, *said)

    @property
    def shown(self) -> bool:
        """Whether strips, columns and tables show it: a join alone is seen by what it joins."""
        return self.kind != "op" or self.role != "norm"

    @property
    def telling(self) -> Box | None:
        """The box that gives it its color, if it is drawn at all."""
        return next((b for b in boxes(self.chain or self.ops) if b.role == self.role), None)

    @property
    def output(self) -> TensorSpec:
        return self.outputs[0]

    @property
    def projects(self) -> bool:
        """Whether a block strides (a lost border is no stride), or its shortcut is no identity."""
        if self.kind == "block" and resolution(self.input) > ALIKE * resolution(self.output):
            return True
        return any(isinstance(i, Join) and i.projects for i in self.chain)

    @property
    def residual(self) -> bool:
        return any(isinstance(item, Join) and item.residual and item.skips for item in self.chain)

    @property
    def terms(self) -> tuple[Term, ...]:
        """What its only box says, or the name of its block; and whose weights it applies again."""
        first = self.chain[0] if len(self.chain) == 1 else None
        name, _, again = self.id.partition("@")
        shared = (word(f"weights of {name}"),) if again else ()
        block = (word(self.block.replace("_", " ")),)
        return (*(first.terms if isinstance(first, Box) else block), *shared)


@dataclass(frozen=True, slots=True)
class Stage:
    """Units in a row that a figure shows together."""

    id: str
    name: str
    units: tuple[Unit, ...]

    @property
    def output(self) -> TensorSpec:
        return self.units[-1].output

    @property
    def repeat(self) -> int:
        return sum(unit.layers for unit in self.units)

    @property
    def cost(self) -> Cost:
        return sum((unit.cost for unit in self.units), Cost())

    @property
    def shape(self) -> tuple[Run, ...]:
        """`256×56²`; `480–832×14²` if the channels of its units differ."""
        first, last = self.units[0].output.channels, self.output.channels
        shape = labels.shape(self.output)
        return (Run(f"{first}–"), *shape) if first != last else shape

    @property
    def what(self) -> str:
        """`bottleneck ×3`, `7×7, /2`."""
        first = self.units[0]
        if first.kind == "op":
            words = {labels.written(unit.terms, "brief", without="out") for unit in self.units}
            what = words.pop() if len(words) == 1 else first.block
        else:
            what = first.block.replace("_", " ")
        return f"{what} ×{self.repeat}" if self.repeat > 1 else what


def vary(units: Sequence[Unit]) -> str:
    """In what blocks of one kind differ, a first one that projects aside; "" if they are alike."""
    rest = units[1:] if units[0].projects else units
    inner: dict[object, set[tuple[Term, ...]]] = {}
    manners: dict[object, set[Manner]] = {}
    for unit in rest:
        if unit.kind == "block":
            written = tuple(term for term in unit.numbers if term.name != "stride")
            kind = unit.block, signature(unit.chain or unit.ops)
            inner.setdefault(kind, set()).add(written)
            manners.setdefault(kind, set()).add(unit.manner)
    if any(len(found) > 1 for found in inner.values()):
        return VARY
    return DIFFER if any(len(found) > 1 for found in manners.values()) else ""


@dataclass(frozen=True)
class Description:
    """A network as figures see it, or a part of it.

    `owners` gives the unit of every node, and inputs themselves; `whole` is the graph with what
    serves no output, too. `hidden` are the ids of units that the author leaves out, `called` is
    what he calls a path, None for its usual name.
    """

    graph: Graph
    whole: Graph
    analysis: Analysis
    units: tuple[Unit, ...]
    owners: Mapping[str, str]
    reducer: Reducer
    part: str = ""
    hidden: frozenset[str] = frozenset()
    called: Called = unnamed

    @property
    def title(self) -> str:
        return f"{self.graph.name} {self.part}".rstrip()

    @property
    def heading(self) -> str:
        """What stands over it in a figure."""
        return self.called(self.part or self.graph.name) or self.title

    @property
    def input(self) -> TensorSpec:
        """What is given to what is described."""
        return self.units[0].input if self.part and self.units else self.graph.input

    @cached_property
    def nodes(self) -> list[Node]:
        """The ops of what is described."""
        return [node for node in self.graph.nodes if _within(node.id, self.part)]

    @property
    def total(self) -> Cost:
        """The costs of what is described."""
        nodes = self.analysis.nodes
        return sum_of(nodes[n.id] for n in self.nodes) if self.part else self.analysis.total

    @cached_property
    def names(self) -> Names:
        """What units and the parts around them are called."""
        return Names([unit.id for unit in self.units], self._reshaped(), self.called)

    def _reshaped(self) -> set[str]:
        """Parts whose result has another shape than what is drawn of them: no unit bears the name.

        A `permute` at their end is not drawn.
        """
        last = {s.id: node for node in self.graph.nodes for s in self.graph.around(node.scope)}
        source = self.reducer.source
        return {
            part
            for part, node in last.items()
            if labels.shape(node.output) != labels.shape(self.graph.spec(source[node.id]))
        }

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Runs of units under one parent or of one kind and size."""
        return tuple(
            _stage(list(run), self.names) for _, run in groupby(self.units, key=self._family)
        )

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """For units that give results the names of these."""
        found: dict[str, list[str]] = {}
        for name, id in self.graph.outputs.items():
            if name:
                found.setdefault(self.owners[self.reducer.source[id]], []).append(name)
        return found

    @cached_property
    def section(self) -> dict[str, int]:
        """For every unit how many results are given before it: a stage ends with one."""
        before = accumulate((unit.id in self.named for unit in self.units), initial=0)
        return {unit.id: count for unit, count in zip(self.units, before, strict=False)}

    def _family(self, unit: Unit) -> object:
        return self.section[unit.id], self._kin(unit)

    def _kin(self, unit: Unit) -> object:
        if unit.kind == "op":
            return unit.role, unit.terms, unit.output
        if unit.kind == "dense":
            return unit.id
        kind = self.graph.scope_by_id.get(unit.container)
        alone = kind is not None and self._holds_only(unit.container, unit.block)
        return (unit.container, unit.block) if alone else (unit.block, unit.output)

    @cached_property
    def _blocks(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for unit in self.units:
            found.setdefault(unit.container, set()).add(f"{unit.block} {unit.output}")
        return found

    def _holds_only(self, container: str, block: str) -> bool:
        return len(self._blocks[container]) == 1

    @cached_property
    def feeds(self) -> dict[str, list[str]]:
        """For every unit the units and the inputs that feed it."""
        known = (*self.hidden, *(unit.id for unit in self.units))
        found: dict[str, dict[str, None]] = {id: {} for id in known}
        for id, (_, inputs) in self.reducer.drawn.items():
            unit = self.owners[id]
            for feeds in map(self.owners.__getitem__, inputs):
                shown = unit in found and (feeds in found or feeds in self.graph.inputs)
                if shown and feeds != unit:
                    found[unit][feeds] = None
        for hidden in sorted(self.hidden, key=self.made.__getitem__):
            for sources in found.values():  # what is hidden hands on
                if hidden in sources:
                    others = [source for source in sources if source != hidden]
                    sources.clear()
                    sources |= dict.fromkeys((*others, *found[hidden]))
        return {unit.id: list(found[unit.id]) for unit in self.units}

    @cached_property
    def made(self) -> dict[str, int]:
        """The places of all units, hidden ones too."""
        return {id: place for place, id in enumerate(dict.fromkeys(self.owners.values()))}

    @cached_property
    def linear(self) -> bool:
        """Whether every unit is fed by the one before it and no other, the first by none."""
        ids, inputs = [unit.id for unit in self.units], self.graph.inputs
        starts = all(source in inputs for id in ids[:1] for source in self.feeds[id])
        line = starts and all(self.feeds[b] == [a] for a, b in pairwise(ids))
        return line and (len(inputs) == 1 or self.part != "")

    @property
    def ordered(self) -> bool:
        """Whether every unit is fed by inputs and by units before it."""
        seen = set(self.graph.inputs)
        for id, feeds in self.feeds.items():
            if not seen.issuperset(feeds):
                return False
            seen.add(id)
        return True

    def only(self, path: str) -> "Description":
        """The part of the network at a path."""
        units = tuple(unit for unit in self.units if _within(unit.id, path))
        return replace(self, units=units, part=path)


def _within(id: str, path: str) -> bool:
    return not path or f"{id}.".startswith(f"{path}.")


def resolution(spec: TensorSpec) -> float:
    """The side of a map; of tokens that of the square they would fill; 1 for a vector."""
    if not spec.rank:
        return 1.0
    if spec.layout == "channels_last" and spec.rank == 1:
        return sqrt(spec.spatial[0])
    return float(max(spec.spatial))


def sides(spec: TensorSpec) -> tuple[float, float]:
    """The height and the width of a map; of one axis its length and 0, of three the last two.

    Tokens are the square that they would fill.
    """
    if spec.layout == "channels_last" and spec.rank == 1:
        return resolution(spec), resolution(spec)
    high, wide = (*spec.spatial, 0)[:2] if spec.rank == 1 else spec.spatial[-2:]
    return float(high), float(wide)


def describe(graph: Graph, show: Collection[str] = ()) -> Description:
    """What figures tell of a graph: what serves its outputs, without what only `aux` needs.

    Weights that are applied again are one unit, and blocks are units, unless something would then
    feed what stands before it. `show` may ask for `norms`, `acts`, `aux` and `all`.
    """
    aux = graph.aux if {"aux", "all"} & {*show} else {}
    served = graph.select({**graph.outputs, **aux})
    analysis, owners, quiet = analyze(served), owners_of(served), asked_for(served, show)
    single = dict.fromkeys(owners, "")
    for apart, owner in ((False, owners), (True, owners), (True, single)):
        blocks = {scope: unit for scope, unit in owner.items() if not is_dense(served, unit)}
        inside = {id for id in quiet if owner[served.by_id[id].scope]}
        reducer = Reducer(served, blocks, inside)
        cut = _Units(served, analysis, reducer, owner, apart, quiet - inside)
        units = tuple(cut.units())
        made = Description(served, graph, analysis, units, cut.unit_of, reducer)
        if made.ordered:
            break
    return made


class _Units:
    """Cuts a graph into units: the outermost blocks that do not hold residual or dense blocks.

    What weights are applied to again (`@1`, `@2`...) is a unit of its own only if told `apart`. Ops
    outside of blocks that are to be `said` are said by the op before them.
    """

    def __init__(
        self, graph: Graph, analysis: Analysis, reducer: Reducer, owner: Mapping[str, str],
        apart: bool, said: Collection[str],
    ) -> None:  # fmt: skip
        self.said = said
        self.graph, self.analysis, self.reducer = graph, analysis, reducer
        self.owner = owner
        self.first: dict[str, str] = {}  # where a path is applied first
        self.unit_of = {name: name for name in graph.inputs}
        for node in graph.nodes:
            id = self.application(node)
            path = id if apart else id.partition("@")[0]
            self.unit_of[node.id] = self.first.setdefault(path, id)

    def application(self, node: Node) -> str:
        """The scope that is a unit and holds a node, or the node itself."""
        return self.owner[node.scope] or node.id

    def units(self) -> list[Unit]:
        members: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            members.setdefault(self.application(node), []).append(node)
        units: dict[str, Unit] = {}
        silent: dict[str, list[Node]] = {}  # norms and activations outside of units, by what before
        for id, nodes in members.items():
            drawn = [node for node in nodes if self.reducer.source[node.id] == node.id]
            if not drawn:
                before = self.unit_of[self.reducer.source[nodes[0].id]]
                silent.setdefault(before, []).extend(nodes)
                continue
            scope, first = self.graph.scope_by_id.get(id), self.unit_of[nodes[0].id]
            unit = self._scope(scope, nodes, drawn) if scope else self._op(nodes[0])
            known = units.get(first)
            if known:
                outputs = (*known.outputs, unit.output)
                unit = replace(known, outputs=outputs, cost=known.cost + unit.cost)
            units[first] = unit
        return [self._with_manner(unit, members, silent) for unit in units.values()]

    def _with_manner(
        self, unit: Unit, members: Mapping[str, list[Node]], silent: Mapping[str, list[Node]]
    ) -> Unit:
        """What no box says of it: of a dense block of its first layer, which stands for all."""
        nodes = members.get(unit.id, [])
        ends = [n for n, node in enumerate(nodes) if node.scope == unit.id]
        inside = nodes[: ends[0] + 1] if unit.kind == "dense" and ends else nodes
        given = next((n for n, spec in self.graph.inputs.items() if spec is unit.input), "")
        before = silent.get(given, [])
        after = silent.get(unit.id, [])
        told = [node for node in after if node.id in self.said]
        box = unit.chain[-1] if unit.kind == "op" else None
        if told and isinstance(box, Box):
            unit = replace(unit, chain=(saying(box, told),))
        if unit.kind == "op":
            return replace(unit, manner=manner_of(self.graph, [*before, *inside, *after]))
        manner = manner_of(self.graph, [*before, *inside])
        if any(box.verb == "more" for box in boxes(unit.chain)):
            manner = kinds_of(manner)
        return replace(unit, manner=manner, after=manner_of(self.graph, after))

    def _op(self, node: Node) -> Unit:
        box = self.reducer.box(node)
        specs = self.graph.specs(node)
        cost = self.analysis.costs[node.id]
        block = node.op.verb.replace("_", " ")
        given = (node.output,)
        return Unit(node.id, "op", block, box.role, specs[0], given, cost, (box,), 1, node.scope)

    def _scope(self, scope: Scope, nodes: list[Node], drawn: list[Node]) -> Unit:
        inside = {node.id for node in nodes}
        entry = next((i for n in nodes for i in n.inputs if i not in inside), "")
        layers, chain = 1, ()  # type: tuple[int, Chain]
        with suppress(IrreducibleError):
            if scope.kind == "dense":
                layers, chain = self._dense(scope, entry, nodes)
            else:
                chain = in_one(self._chain(entry, nodes, {node.id for node in drawn}))
        single = len(chain) == 1 and isinstance(chain[0], Box) and scope.kind != "dense"
        kind: UnitKind = "dense" if scope.kind == "dense" else "op" if single else "block"
        block = scope.block or scope.kind
        if single:
            block = "conv" if boxes(chain)[0].verb in ("conv", "depthwise") else block
        return Unit(
            id=scope.id,
            kind=kind,
            block="dense layer" if kind == "dense" else block,
            role=_role(chain, [self.reducer.roles[node.id] for node in drawn]),
            input=self.graph.spec(entry),
            outputs=(nodes[-1].output,),
            cost=self.analysis.costs[scope.id],
            chain=chain,
            layers=layers,
            container=scope.parent,
            ops=tuple(map(self.reducer.box, drawn)) if not chain or _open(chain) else (),
        )

    def _chain(self, entry: str, nodes: list[Node], inside: set[str]) -> Chain:
        """What a block holds: a tree, or all at once if it takes or gives several things."""
        held = {node.id for node in nodes}
        given = [id for node in nodes for id in node.inputs[: node.op.inputs] if id not in held]
        inputs = {self.reducer.source[id]: self.graph.spec(id) for id in reversed(given)}
        ends = [id for id in inside if self.reducer.leaves(id, inside)]
        if len(inputs) == 1 and len(ends) < 2:
            return folded(self.reducer.chain(entry, nodes[-1].id))
        order = self.reducer.order.__getitem__
        first = {id: inputs[id] for id in sorted(inputs, key=order)}
        return (self.reducer.mesh(first, sorted(ends, key=order), ()),)

    def _dense(self, scope: Scope, entry: str, nodes: list[Node]) -> tuple[int, Chain]:
        """The number of layers, and the first of them joined to what it is given.

        Raises IrreducibleError if the layers are not all alike.
        """
        joins = [n for n in nodes if n.scope == scope.id and n.op.verb == "concat"]
        starts = [entry, *(join.id for join in joins)]
        layers = [
            self.reducer.chain(start, join.inputs[-1])
            for start, join in zip(starts, joins, strict=False)
        ]
        if len({(signature(layer), *numbers(layer)) for layer in layers}) != 1:
            raise IrreducibleError(scope.id)
        return len(layers), (Join(joins[0].id, "concat", (layers[0], ()), joins[0].output),)


def _open(chain: Chain) -> bool:
    """Whether a block takes or gives several things."""
    return any(isinstance(item, Mesh) and item.open for item in chain)


def _role(chain: Chain, roles: list[str]) -> str:
    """The color of a block: that of its most telling op."""
    found = {box.role for box in boxes(chain)} or set(roles)
    heads = {box.role for box in boxes(chain) if box.verb != "squeeze_excite"} or found
    telling = ("attention", "conv", "depthwise", "pointwise", "pool", "linear")
    return next((role for role in telling if role in heads), "norm")


def _stage(units: list[Unit], names: Names) -> Stage:
    ids = [unit.id for unit in units]
    parent = names.whole(ids) if len(ids) > 1 else ""
    return Stage(parent or ids[0], names.run(ids), tuple(units))


def grouped(description: Description) -> tuple[Stage, ...]:
    """Fewer stages: blocks of one kind at one resolution together, whatever their channels."""
    found, section = [], description.section
    for _, run in groupby(description.stages, lambda s: (section[s.units[0].id], _coarse(s))):
        units = [unit for stage in run for unit in stage.units]
        found.append(_stage(units, description.names))
    return tuple(found)


def _coarse(stage: Stage) -> object:
    unit = stage.units[0]
    return unit.block, unit.kind, unit.id if unit.kind == "dense" else stage.output.spatial
