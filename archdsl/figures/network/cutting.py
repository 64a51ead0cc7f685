"""Cuts a graph into the units of figures."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

from archdsl.analysis.cost import Analysis
from archdsl.figures.network.folding import MORE, folded
from archdsl.figures.network.manner import kinds_of, manner_of
from archdsl.figures.network.quiet import fused, in_one, saying
from archdsl.figures.network.tree import (
    Box,
    Chain,
    IrreducibleError,
    Join,
    Mesh,
    Reducer,
    boxes,
    numbers,
    signature,
)
from archdsl.figures.network.units import Unit, UnitKind
from archdsl.graph.graph import Graph, Node, Scope


class Units:
    """Cuts a graph into units: the outermost blocks that do not hold residual or dense blocks.

    What weights are applied to again (`@1`, `@2`...) is a unit of its own only if told `apart`. Ops
    outside of blocks that are to be `said` are said by the op before them, those in blocks, too, if
    it `fuses`.
    """

    def __init__(
        self, graph: Graph, analysis: Analysis, reducer: Reducer, owner: Mapping[str, str],
        apart: bool, said: Collection[str], fuses: bool,
    ) -> None:  # fmt: skip
        self.said, self.fuses = said, fuses
        self.graph, self.analysis, self.reducer = graph, analysis, reducer
        self.owner = owner
        applied = {node.id: self.application(node) for node in graph.nodes}
        path = {id: id if apart else id.partition("@")[0] for id in applied.values()}
        first: dict[str, str] = {}  # where something of a path is drawn first
        for id in reducer.drawn:
            first.setdefault(path[applied[id]], applied[id])
        self.unit_of = {name: name for name in graph.inputs}
        self.unit_of |= {node: first.get(path[id], id) for node, id in applied.items()}

    def application(self, node: Node) -> str:
        """The scope that is a unit and holds a node, or the node itself."""
        return self.owner[node.scope] or node.id

    def units(self) -> list[Unit]:
        members: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            members.setdefault(self.application(node), []).append(node)
        units: dict[str, Unit] = {}
        applied: dict[str, list[list[Node]]] = {}  # the nodes of each time, by the first
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
            applied.setdefault(first, []).append(nodes)
        made = [
            replace(unit, outputs=unit.outputs[-1:], turns=len(unit.outputs))
            if len(unit.outputs) > 1 and self._in_turn(applied[first])
            else unit
            for first, unit in units.items()
        ]
        return [self._with_manner(unit, members, silent) for unit in made]

    def _in_turn(self, applied: Sequence[Sequence[Node]]) -> bool:
        """Whether weights are applied to their own results: each time to that of the one before."""
        for before, nodes in pairwise(applied):
            inside, held = {node.id for node in nodes}, {node.id for node in before}
            given = {self.reducer.source[id] for n in nodes for id in n.inputs if id not in inside}
            if not given or not given <= held:
                return False
        return True

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
        if any(box.verb == MORE for box in boxes(unit.chain)):
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
        chain = fused(chain) if self.fuses else chain
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
        return folded((self.reducer.mesh(first, sorted(ends, key=order), ()),))

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
