"""A network in the parts that timm asks for: its features, its head, its classifier."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import INPUT, Graph, Node, holding


@dataclass(frozen=True)
class Parts:
    """The graphs of a classifier's parts, cut where all that follows needs one map alone.

    `graph` has one input, one result, and nothing that only training computes.
    """

    graph: Graph

    @cached_property
    def classifier(self) -> Node:
        """The last node that mixes channels."""
        (result,) = self.graph.outputs.values()
        needed, found = {result}, None
        for node in reversed(self.graph.nodes):
            if node.id in needed and any(len(weight.shape) > 1 for weight in node.weights):
                found = node
                break
            needed |= set(node.inputs) if node.id in needed else set()
        if found is None or len(found.inputs) != 1:
            raise UsageError(f"{self.graph.name} has no classifier at its end, which timm asks for")
        return found

    @cached_property
    def cut(self) -> str:
        """The last map before the classifier that all behind it is computed from."""
        found = ""
        for id in _cuts(self.graph):
            if prod(self.graph.spec(id).spatial) > 1:
                found = id
            if id == self.classifier.inputs[0]:
                break
        if not found:
            raise UsageError(f"{self.graph.name} has no map that its classifier is computed from")
        return found

    @property
    def features(self) -> Graph:
        return self.graph.select({"": self.cut})

    @property
    def head(self) -> Graph:
        return _behind(self.graph, self.cut, self.graph.outputs)

    @property
    def before_classifier(self) -> Graph | None:
        """What gives the classifier its input from the features, None if it is given them."""
        (last,) = self.classifier.inputs
        return None if last == self.cut else _behind(self.graph, self.cut, {"": last})

    @property
    def levels(self) -> list[str]:
        """The taps that maps are taken from, by size, one of each."""
        taps = {id: tap for tap, id in self.graph.taps.items() if self.graph.spec(id).spatial}
        return [tap for node in self.graph.nodes if (tap := taps.get(node.id))]


def single(graph: Graph) -> Graph:
    """A network for images without what only training computes; raises UsageError for others."""
    shapes = [graph.spec(id).spatial for id in graph.outputs.values()]
    many = len(graph.inputs) > 1 or len(shapes) > 1 or len(graph.input.shape) != 3
    if many or prod(shapes[0]) > 1:
        raise UsageError(f"{graph.name} is no classifier of images, which timm asks for")
    return graph.select(graph.outputs)


def _cuts(graph: Graph) -> Iterator[str]:
    """The nodes that all behind them is computed from, in order."""
    place = {INPUT: -1} | {node.id: n for n, node in enumerate(graph.nodes)}
    last = dict(place)
    for n, node in enumerate(graph.nodes):
        last |= dict.fromkeys(node.inputs, n)
    needed_until = last[INPUT]
    for n, node in enumerate(graph.nodes):
        if needed_until <= n:
            yield node.id
        needed_until = max(needed_until, last[node.id])


def _behind(graph: Graph, cut: str, results: Mapping[str, str]) -> Graph:
    """What is computed from a node, which is its input."""
    start = [node.id for node in graph.nodes].index(cut) + 1
    nodes = tuple(
        replace(node, inputs=tuple([INPUT if id == cut else id for id in node.inputs]))
        for node in graph.nodes[start:]
    )
    part = Graph(graph.name, graph.spec(cut), nodes, holding(graph.scopes, nodes), results)
    return part.select(results)
