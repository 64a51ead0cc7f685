"""Parameters, multiply-accumulates and activation sizes: exact, static, linear in the nodes."""

from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.graph import INPUT, Graph, Node
from archdsl.tensor import TensorSpec


@dataclass(frozen=True, slots=True)
class Cost:
    """What a node, a scope or a network costs, for one image.

    `parameters` and `buffers` are numbers of elements; weights that are applied again count where
    they are applied first. `macs` and `activations` (elements of the outputs of the nodes) are of
    inference: what only `aux` needs adds none. What only a tap needs costs nothing: it is no part
    of the network until `graph.select` makes the tap a result.
    """

    nodes: int = 0
    parameters: int = 0
    buffers: int = 0
    macs: int = 0
    activations: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.nodes + other.nodes,
            self.parameters + other.parameters,
            self.buffers + other.buffers,
            self.macs + other.macs,
            self.activations + other.activations,
        )


@dataclass(frozen=True)
class Analysis:
    """What every node and every scope costs and gives, by id, and the cost of the whole."""

    costs: Mapping[str, Cost]
    outputs: Mapping[str, TensorSpec]
    total: Cost


def analyze(graph: Graph) -> Analysis:
    """The cost of everything in a graph; a scope's includes that of the scopes in it.

    A scope gives what its last node gives; one without nodes has a cost but no output.
    """
    costs = node_costs(graph)
    outputs = {node.id: node.output for node in graph.nodes}
    sums = {"": Cost(), **{scope.id: Cost() for scope in graph.scopes}}
    last: dict[str, int] = {}
    for position, node in enumerate(graph.nodes):
        sums[node.scope] += costs[node.id]
        last[node.scope] = position
    for scope in reversed(graph.scopes):
        sums[scope.parent] += sums[scope.id]
        if scope.id in last:
            last[scope.parent] = max(last.get(scope.parent, 0), last[scope.id])
            outputs[scope.id] = graph.nodes[last[scope.id]].output
    total = sums.pop("")
    return Analysis(costs | sums, outputs, total)


def node_costs(graph: Graph) -> dict[str, Cost]:
    """The cost of every node, by id.

    One op on inputs of one shape costs the same wherever it stands, so it is asked once.
    """
    specs = {INPUT: graph.input, **{node.id: node.output for node in graph.nodes}}
    needed = {node.id for node in graph.select(graph.outputs).nodes}
    built = needed
    if graph.aux:
        built = {node.id for node in graph.select(graph.outputs, graph.aux).nodes}
    known: dict[object, Cost] = {}
    costs: dict[str, Cost] = {}
    owners: set[str] = set()
    for node in graph.nodes:
        inputs = tuple([specs[id] for id in node.inputs])
        owns = node.id in built and node.path not in owners
        if owns:
            owners.add(node.path)
        runs = node.id in needed
        key = (id(node.op), inputs, owns, runs)
        if key not in known:
            known[key] = _node_cost(node, inputs, owns, runs)
        costs[node.id] = known[key]
    return costs


def _node_cost(node: Node, inputs: tuple[TensorSpec, ...], owns: bool, runs: bool) -> Cost:
    sizes = {"parameter": 0, "buffer": 0}
    for weight in node.op.weights(*inputs) if owns else ():
        sizes[weight.kind] += weight.elements
    macs = node.op.macs(*inputs) if runs else 0
    return Cost(1, sizes["parameter"], sizes["buffer"], macs, node.output.elements if runs else 0)
