"""The invariants of a graph."""

from collections.abc import Mapping

from archdsl.graph.graph import Graph, Node, Scope, inputs_of
from archdsl.ops import ShapeError
from archdsl.ops.tensor import INPUT as INPUT
from archdsl.ops.tensor import TensorSpec


def verify(graph: Graph) -> None:
    """Raises ValueError, naming the node, if an invariant of graphs does not hold.

    Ids are unique and inputs come first; shapes and weights are what the ops say; every scope
    exists, stands after its parent and holds its nodes' ids; weights at one path have one shape.
    """
    paths = {"": ""}
    for scope in graph.scopes:
        if scope.parent not in paths or scope.id in paths:
            raise ValueError(f"scope {scope.id}: its parent {scope.parent!r} is not before it")
        _verify_inside(scope, paths[scope.parent])
        paths[scope.id] = scope.path
    specs = {INPUT: graph.input}
    for node in graph.nodes:
        if node.scope not in paths:
            raise ValueError(f"node {node.id}: no scope {node.scope}")
        _verify_inside(node, paths[node.scope])
        _verify_node(node, specs)
        specs[node.id] = node.output
    shapes: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        for key, weight in graph.weights(node):
            if shapes.setdefault(key, weight.shape) != weight.shape:
                raise ValueError(f"weight {key} has two shapes")
    if graph.made and (
        set(graph.made) != specs.keys() - {INPUT} or len(graph.made) != len(graph.nodes)
    ):
        raise ValueError("made does not name every node once")
    for results in (graph.outputs, graph.taps, graph.aux):
        for name, id in results.items():
            if id not in specs:
                raise ValueError(f"result {name!r}: no node {id}")


def _verify_inside(part: Node | Scope, outer: str) -> None:
    if outer and not part.path.startswith(f"{outer}."):
        raise ValueError(f"{part.id} does not lie in {outer}")


def _verify_node(node: Node, specs: Mapping[str, TensorSpec]) -> None:
    """`specs` are what the nodes before it give."""
    if node.id in specs:
        raise ValueError(f"node {node.id} stands twice")
    given = inputs_of(node.id, node.inputs, specs)
    try:
        output = node.op.infer(*given)
    except ShapeError as error:
        raise ValueError(f"node {node.id}: {error.message}") from error
    if output != node.output:
        raise ValueError(f"node {node.id}: {node.op.verb} gives {output}, not {node.output}")
    if node.op.weights(*given) != node.weights:
        raise ValueError(f"node {node.id}: these are not the weights of {node.op.verb}")
    if node.op.cost(node.weights, output, given) != node.cost:
        raise ValueError(f"node {node.id}: {node.op.verb} does not cost that")
