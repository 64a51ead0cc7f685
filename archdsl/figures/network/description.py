"""What a figure tells of a network: its units, the stages they form, what repeats. Plain data."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, groupby, pairwise

from archdsl.analysis.cost import Analysis, Cost, analyze
from archdsl.figures.canvas.scene import Run
from archdsl.figures.network import labels
from archdsl.figures.network.cutting import Units
from archdsl.figures.network.labels import Term
from archdsl.figures.network.manner import Manner
from archdsl.figures.network.names import Called, Names, unnamed
from archdsl.figures.network.owners import is_dense, owners_of
from archdsl.figures.network.quiet import FUSED, asked_for, gating
from archdsl.figures.network.tree import (
    Reducer,
    signature,
)
from archdsl.figures.network.units import Unit
from archdsl.graph.graph import Graph, Node
from archdsl.ops.base import sum_of
from archdsl.ops.tensor import TensorSpec

VARY = "widths vary"  # is said of blocks that are counted together and are not alike inside
DIFFER = "activations or norms vary"


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
        what = f"{what} ×{self.repeat}" if self.repeat > 1 else what
        shared = first.shared if first.kind != "op" else ""
        if shared and len(self.units) > 1:
            shared = "shared weights"
        return ", ".join(filter(None, (what, first.applied, shared)))


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
        ids = [unit.id for unit in self.units]
        return Names(ids, self._reshaped(), self.called, self.graph.called)

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
            return unit.role, unit.terms, unit.output, unit.applied
        if unit.kind == "dense" or unit.applied:
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


def describe(graph: Graph, show: Collection[str] = ()) -> Description:
    """What figures tell of a graph: what serves its outputs, without what only `aux` needs.

    Weights that are applied again are one unit, and blocks are units, unless something would then
    feed what stands before it. What makes a gate is shown; `show` may ask for `norms`, `acts`,
    `acts=fused`, `aux` and `all`.
    """
    aux = graph.aux if {"aux", "all"} & {*show} else {}
    served = graph.select({**graph.outputs, **aux})
    analysis, owners = analyze(served), owners_of(served)
    quiet = asked_for(served, show) | gating(served)
    single = dict.fromkeys(owners, "")
    for apart, owner in ((False, owners), (True, owners), (True, single)):
        blocks = {scope: unit for scope, unit in owner.items() if not is_dense(served, unit)}
        inside = {id for id in quiet if owner[served.by_id[id].scope]}
        reducer = Reducer(served, blocks, inside)
        cut = Units(served, analysis, reducer, owner, apart, quiet - inside, FUSED in show)
        units = tuple(cut.units())
        made = Description(served, graph, analysis, units, cut.unit_of, reducer)
        if made.ordered:
            break
    return made


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
    alone = unit.kind == "dense" or unit.applied
    return unit.block, unit.kind, unit.id if alone else stage.output.spatial
