"""Which ops write over what they are given: what the source says and the memory model counts."""

from collections.abc import Hashable

from archdsl.graph.graph import Graph, Node, Scope


def overwriting(graph: Graph) -> frozenset[str]:
    """The nodes that write over their first input, in the network as it is built.

    Such an op can, in the shape that it is given; what gives it its input lends that; nothing else
    takes the input, not even a recomputed part that begins there; and all of this holds for every
    node that the same place of the spec wrote, since one line of source stands for all of them.
    """
    built = graph.select(graph.outputs, graph.aux)
    able = [n for n in built.nodes if n.op.storage(n.output, *built.specs(n)).over is not None]
    kept = {origin_of(node) for node in able if not _may(built, node)}
    return frozenset(node.id for node in able if origin_of(node) not in kept)


def _may(graph: Graph, node: Node) -> bool:
    before = graph.by_id.get(node.inputs[0])
    if before is None or graph.uses[before.id] != 1 or before.output != node.output:
        return False
    return before.op.lends and {*graph.regions(node)} <= {*graph.regions(before)}


def origin_of(part: Node | Scope) -> Hashable:
    """The place in the spec that wrote a node or scope; its name where there is none."""
    what = part.op.verb if isinstance(part, Node) else part.kind
    return (part.span or part.name, what)
