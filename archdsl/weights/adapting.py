"""Tensors of another number of classes or of input channels."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import TYPE_CHECKING

from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph, Node

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("classes", "channels")


def classifiers(graph: Graph) -> set[str]:
    """The keys of what gives a network's results: its last products, and norms behind them."""
    results = {*graph.outputs.values(), *graph.aux.values()}
    inputs = {node.id: node.inputs for node in graph.nodes}
    return {key for node in _reached(graph, results, inputs) for key, _ in graph.weights(node)}


def stems(graph: Graph) -> set[str]:
    """The keys of what meets a network's input: its first products, and norms before them."""
    takers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for id in node.inputs:
            takers.setdefault(id, []).append(node.id)
    first = {taker for id in graph.inputs for taker in takers.get(id, ())}
    return {key for node in _reached(graph, first, takers) for key, _ in graph.weights(node)}


def _reached(
    graph: Graph, start: set[str], further: Mapping[str, "tuple[str, ...] | list[str]"]
) -> Iterator[Node]:
    """The nodes on the ways from some, each up to the first that mixes channels."""
    ready, seen = list(start), set[str]()
    while ready:
        id = ready.pop()
        if id in seen or id not in graph.by_id:
            continue
        seen.add(id)
        node = graph.by_id[id]
        if node.weights:
            yield node
        if not any(len(weight.shape) > 1 for weight in node.weights):
            ready += further.get(id, ())


def adapted(tensor: "Tensor", like: "Tensor") -> "Tensor | None":
    """A first convolution's weight for other input channels, as timm's `adapt_input_conv`.

    For one channel it is the sum over theirs; for others theirs repeated, scaled so that the sum
    over channels is what it was. None if more than the channels differ.
    """
    theirs, ours = tensor.shape, like.shape
    if len(theirs) < 3 or (theirs[0], *theirs[2:]) != (ours[0], *ours[2:]):
        return None
    wide = tensor.float()
    if ours[1] == 1:
        wide = wide.sum(dim=1, keepdim=True)
    else:
        copies = [1, ceil(ours[1] / theirs[1]), *[1] * (len(theirs) - 2)]
        wide = wide.repeat(*copies)[:, : ours[1]] * (theirs[1] / ours[1])
    return wide.to(tensor.dtype)


def require_kinds(adapt: tuple[str, ...]) -> None:
    """Raises UsageError for what cannot be adapted."""
    for kind in adapt:
        if kind not in KINDS:
            raise UsageError(f"adapt takes {' and '.join(map(repr, KINDS))}, not {kind!r}")
