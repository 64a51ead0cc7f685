"""Parameters, multiply-accumulates and activation sizes: exact, static, linear in the nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from archdsl.graph.graph import Graph
from archdsl.ops.base import Cost as Cost
from archdsl.ops.base import sum_of
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True, repr=False)
class Analysis:
    """What every node and every scope of a graph costs and gives, by id, and the cost of the whole.

    Weights that are applied again count where they are applied first. Multiply-accumulates and
    activations are of inference: what only `aux` needs adds none. What only a tap needs costs
    nothing: it is no part of the network until `graph.select` makes the tap a result.
    """

    graph: Graph

    @cached_property
    def total(self) -> Cost:
        """The cost of the whole."""
        return sum_of(self.nodes.values())

    @property
    def trainable(self) -> int:
        """The parameters that learn."""
        frozen = self.graph.frozen
        held = sum(self.nodes[n.id].parameters for n in self.graph.nodes if n.path in frozen)
        return self.total.parameters - held

    @cached_property
    def nodes(self) -> Mapping[str, Cost]:
        """The cost of every node, by id."""
        return node_costs(self.graph)

    @cached_property
    def costs(self) -> Mapping[str, Cost]:
        """The cost of every node and scope, by id; a scope's includes that of the scopes in it."""
        costs = dict(self.nodes)
        parts: dict[str, list[Cost]] = {"": [], **{scope.id: [] for scope in self.graph.scopes}}
        for node in self.graph.nodes:
            parts[node.scope].append(costs[node.id])
        for scope in reversed(self.graph.scopes):
            costs[scope.id] = cost = sum_of(parts[scope.id])
            parts[scope.parent].append(cost)
        return costs

    @cached_property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """What every node gives, and every scope that has nodes: what its last one gives."""
        outputs = {node.id: node.output for node in self.graph.nodes}
        last = {node.scope: place for place, node in enumerate(self.graph.nodes)}
        for scope in reversed(self.graph.scopes):
            if scope.id in last:
                place = last[scope.id]
                outputs[scope.id] = self.graph.nodes[place].output
                last[scope.parent] = max(last.get(scope.parent, 0), place)
        return outputs

    def __repr__(self) -> str:
        return f"Analysis({self.graph.name!r}, total={self.total})"


def analyze(graph: Graph) -> Analysis:
    """The cost of everything in a graph."""
    return Analysis(graph)


def node_costs(graph: Graph) -> dict[str, Cost]:
    """The cost of every node, by id."""
    running = built = graph.needed(graph.outputs.values())
    if graph.aux:
        built = graph.needed([*graph.outputs.values(), *graph.aux.values()])
    costs: dict[str, Cost] = {}
    owners: set[str] = set()
    for node in graph.nodes:
        id, cost = node.id, node.cost
        path = node.path if "@" in id else id
        if id not in built or path in owners:
            cost = cost._replace(parameters=0, buffers=0)
        else:
            owners.add(path)
        costs[id] = cost if id in running else cost._replace(macs=0, activations=0)
    return costs
