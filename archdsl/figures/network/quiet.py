"""Norms, activations and other ops that figures do not draw, unless they are asked to."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

from archdsl.figures.network.labels import word
from archdsl.figures.network.tree import QUIET, Box, Chain, Element, Join
from archdsl.graph.graph import Graph, Node
from archdsl.ops import activation, norm

FAMILIES = {"norms": norm.__name__, "acts": activation.__name__}
FUSED = "acts=fused"  # norms and activations are said by the op before them, in blocks, too


def asked_for(graph: Graph, show: Collection[str]) -> frozenset[str]:
    """The ops among those that are not drawn which are to be shown.

    Those of `norms`, of `acts`, of both by `acts=fused`, or `all`.
    """
    families = [name for name in FAMILIES if name in show or FUSED in show]
    return frozenset(
        node.id
        for node in graph.nodes
        if not node.op.role() and ("all" in show or any(_is(node, name) for name in families))
    )


def _is(node: Node, family: str) -> bool:
    return type(node.op).__module__ == FAMILIES[family]


def gating(graph: Graph) -> frozenset[str]:
    """The activations that stand on one way into a product and on no other: always shown.

    Without them a gate would look like what it gates.
    """
    uses = Counter(id for node in graph.nodes for id in node.inputs)
    uses.update(graph.outputs.values())
    found = set[str]()
    for product in (node for node in graph.nodes if node.op.verb == "multiply"):
        for node in map(graph.by_id.get, product.inputs):
            while node and uses[node.id] == 1 and (not node.op.role() or node.op.verb == "resize"):
                if _is(node, "acts"):
                    found.add(node.id)
                    break
                node = graph.by_id.get(node.inputs[0])
    return frozenset(found)


def saying(box: Box, nodes: Iterable[Node]) -> Box:
    """A box that says what follows it, too: `3×3, 64, batch norm, relu`."""
    told = [*nodes]
    terms = (*box.terms, *(word(node.op.verb.replace("_", " ")) for node in told))
    return replace(box, terms=terms, stands=(*box.stands, *(node.id for node in told)))


def fused(chain: Chain) -> Chain:
    """A chain in which norms and activations are said by the box before them, on every path."""
    found: list[Element] = []
    for item in chain:
        last = found[-1] if found else None
        if isinstance(item, Join):
            item = replace(item, paths=tuple(map(fused, item.paths)))
        if isinstance(item, Box) and isinstance(last, Box) and item.verb == QUIET != last.verb:
            terms, stands = (*last.terms, *item.terms), (*last.stands, *item.stands)
            found[-1] = replace(last, terms=terms, stands=stands, output=item.output)
        else:
            found.append(item)
    return tuple(found)


def in_one(chain: Chain) -> Chain:
    """A chain of one box and of norms and activations as that box, which says them."""
    loud = [item for item in chain if not (isinstance(item, Box) and item.verb == QUIET)]
    if len(loud) != 1 or not isinstance(loud[0], Box) or chain[0] is not loud[0]:
        return chain
    others = [item for item in chain[1:] if isinstance(item, Box)]
    terms = tuple(term for box in (loud[0], *others) for term in box.terms)
    stands = tuple(path for box in others for path in box.stands)
    return (replace(loud[0], terms=terms, stands=(*loud[0].stands, *stands)),)
