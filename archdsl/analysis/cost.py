"""Parameters, multiply-accumulates and activation sizes: exact, static, linear in the nodes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archdsl.graph import Graph, Node
from archdsl.tensor import TensorSpec


class Cost(NamedTuple):
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

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return _sum((self, other))


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
    outputs: dict[str, TensorSpec] = {}
    parts: dict[str, list[Cost]] = {"": [], **{scope.id: [] for scope in graph.scopes}}
    last: dict[str, int] = {}
    for position, node in enumerate(graph.nodes):
        id, scope_id = node.id, node.scope
        outputs[id] = node.output
        parts[scope_id].append(costs[id])
        last[scope_id] = position
    for scope in reversed(graph.scopes):
        id, parent = scope.id, scope.parent
        costs[id] = cost = _sum(parts[id])
        parts[parent].append(cost)
        if id in last:
            position = last[id]
            outputs[id] = graph.nodes[position].output
            last[parent] = max(last.get(parent, 0), position)
    return Analysis(costs, outputs, _sum(parts[""]))


def _sum(costs: Iterable[Cost]) -> Cost:
    nodes = parameters = buffers = macs = activations = 0
    for cost in costs:
        nodes += cost[0]
        parameters += cost[1]
        buffers += cost[2]
        macs += cost[3]
        activations += cost[4]
    return Cost(nodes, parameters, buffers, macs, activations)


def node_costs(graph: Graph) -> dict[str, Cost]:
    """The cost of every node, by id.

    Copies of a block have their ops and shapes in common, so each is asked once what it costs.
    """
    running = built = graph.needed(graph.outputs.values())
    if graph.aux:
        built = graph.needed([*graph.outputs.values(), *graph.aux.values()])
    known: dict[tuple[int, ...], Cost] = {}
    costs: dict[str, Cost] = {}
    owners: dict[str, str] = {}
    for node in graph.nodes:
        name, inputs = node.id, graph.specs(node)
        owns = name in built and owners.setdefault(node.path, name) == name
        runs = name in running
        key = (owns, runs, id(node.op), *map(id, inputs))
        if key not in known:
            known[key] = _node_cost(node, inputs, owns, runs)
        costs[name] = known[key]
    return costs


def _node_cost(node: Node, inputs: Sequence[TensorSpec], owns: bool, runs: bool) -> Cost:
    parameters = buffers = 0
    for weight in node.weights if owns else ():
        if weight.kind == "parameter":
            parameters += weight.elements
        else:
            buffers += weight.elements
    if not runs:
        return Cost(1, parameters, buffers)
    output = node.output
    return Cost(1, parameters, buffers, node.op.macs(output, *inputs), output.elements)
