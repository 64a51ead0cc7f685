"""A network whose nodes and weights are being changed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from archdsl.graph.graph import Graph, Node, Scope, holding
from archdsl.ops import Op, facts


class Network:
    """The nodes of a graph by their ids, and the tensors of its weights by their keys.

    Nodes stay in an order in which they can run; what nothing needs any more is left out by
    `graph`. Tensors are replaced, not written over.
    """

    def __init__(self, graph: Graph, state: Mapping[str, Tensor]) -> None:
        self._graph = graph.select(graph.outputs)
        self.nodes = dict(self._graph.by_id)
        self.outputs = graph.returned
        self.state = dict(state)

    @property
    def graph(self) -> Graph:
        """What it is by now: plain parts, nothing that only training has."""
        self.prune()
        nodes = tuple(self.nodes.values())
        return replace(
            self._graph,
            nodes=nodes,
            scopes=tuple([_plain(scope) for scope in holding(self._graph.scopes, nodes)]),
            outputs=self.outputs,
            taps={}, aux={}, renames={}, made=(), returns=None, written=None,
            frozen=frozenset(), recomputed=frozenset(), whole=None,
        )  # fmt: skip

    @property
    def uses(self) -> Counter[str]:
        """How many inputs and outputs a node is."""
        taken = [id for node in self.nodes.values() for id in node.inputs]
        return Counter([*taken, *self.outputs.values()])

    @property
    def readers(self) -> dict[str, Node]:
        """For each node that one other node alone reads, and that is no output, this reader."""
        uses = self.uses
        found = {id: node for node in self.nodes.values() for id in node.inputs if uses[id] == 1}
        return {id: node for id, node in found.items() if id in self.nodes}

    @property
    def applications(self) -> dict[str, list[Node]]:
        """The nodes at every path: several where one module is applied again."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            found.setdefault(node.path, []).append(node)
        return found

    def tensors(self, node: Node) -> dict[str, Tensor]:
        """The weights of a node by their names in its op."""
        return {name: self.state[key] for name, key in _keys(node).items()}

    def change(self, node: Node, op: Op, tensors: Mapping[str, Tensor]) -> None:
        """Another op with these weights in the place of a node, for the same inputs."""
        given = tuple([self.spec(id) for id in node.inputs])
        output, weights, cost = facts(op, given)
        for key in _keys(node).values():
            self.state.pop(key, None)  # which another application may have done
        made = replace(node, op=op, output=output, weights=weights, cost=cost)
        self.nodes[node.id] = made
        self.state |= {key: tensors[name] for name, key in _keys(made).items()}

    def spec(self, id: str) -> Any:
        """What a node, or an input, gives."""
        return self.nodes[id].output if id in self.nodes else self._graph.inputs[id]

    def bypass(self, passed: Mapping[str, str]) -> None:
        """Whatever reads one of these nodes reads what stands for it instead; the nodes go."""

        def source(id: str) -> str:
            while id in passed:
                id = passed[id]
            return id

        self.nodes = {id: node for id, node in self.nodes.items() if id not in passed}
        for node in list(self.nodes.values()):
            if any(id in passed for id in node.inputs):
                self.wire(node, [source(id) for id in node.inputs])
        self.outputs = {name: source(id) for name, id in self.outputs.items()}

    def prune(self) -> None:
        """Leaves out what no result needs."""
        needed = {*self.outputs.values()}
        for node in reversed(self.nodes.values()):
            if node.id in needed:
                needed.update(node.inputs)
        self.nodes = {id: node for id, node in self.nodes.items() if id in needed}

    def wire(self, node: Node, inputs: list[str]) -> None:
        """Other inputs of the same shapes for a node."""
        given = tuple([self.spec(id) for id in inputs])
        changed = replace(node, inputs=tuple(inputs))
        changed = replace(changed, cost=node.op.cost(node.weights, node.output, given))
        self.nodes[node.id] = changed


def _keys(node: Node) -> dict[str, str]:
    path = node.path
    return {w.name: f"{path}.{w.name}" if w.name else path for w in node.weights}


def _plain(scope: Scope) -> Scope:
    """A part that is no block: two that are alike in the spec may have come to differ."""
    return replace(scope, kind="sequence", block="", arguments=(), inputs=())
