"""Graph to module, by way of the source that users can read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.pytorch.running import new_module
from archdsl.pytorch.source import emit

if TYPE_CHECKING:
    from torch import nn


def compile_graph(graph: Graph, features: Sequence[str] | None = None) -> "nn.Module":
    """The network as a PyTorch module, on the default device and dtype.

    With `features` (names of taps) it is a backbone: `forward` gives a dict of these maps,
    `feature_info` their channels and reductions, and nothing behind the last one is built.
    The module's `graph` is what it was made from, unless a child has this name. Raises UsageError
    for a tap that does not exist.
    """
    require("compile", "torch")
    if features is not None:
        graph = select_features(graph, features)
    module = new_module(emit(graph), graph.name)
    if "graph" not in module._modules:
        module.graph = graph  # type: ignore[assignment]
    return module


def select_features(graph: Graph, features: Sequence[str]) -> Graph:
    """The graph that gives the named taps and no more."""
    if not features:
        raise UsageError("name at least one feature")
    for name in features:
        if list(features).count(name) > 1:
            raise UsageError(f"the feature `{name}` is named twice")
        if name not in graph.taps:
            raise UsageError(
                f"{graph.name} has no feature `{name}`; {did_you_mean(name, graph.taps)}"
            )
    return graph.select({name: graph.taps[name] for name in features})
