"""Graph to module, by way of the source that users can read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.pytorch.running import new_module
from archdsl.pytorch.source import emit

SHOWN = 6  # maps that a message names

if TYPE_CHECKING:
    from archdsl.api.compiled import Network


def compile_graph(
    graph: Graph, features: Sequence[str] | Mapping[str, str] | None = None
) -> "Network":
    """The network as a PyTorch module, on the default device and dtype.

    With `features` (taps, or paths as `layer4.1.bn2`) it is a backbone: `forward` gives a dict of
    these maps, `feature_info` their channels and reductions, and nothing behind the last is built.
    The module's `graph` is what it was made from, unless a child has this name; `out_channels` the
    channels of its results, if all are maps. Raises UsageError for a tap that does not exist.
    """
    require("compile", "torch")
    if features is not None:
        graph = select_features(graph, features)
    module: Network = new_module(emit(graph), graph.name)  # type: ignore[assignment]
    if "graph" not in module._modules:
        module.graph = graph
    if "out_channels" not in module._modules and (channels := _channels(graph)):
        module.__dict__["out_channels"] = channels
    return module


def _channels(graph: Graph) -> int | list[int] | None:
    """The channels of the results, one number if all have as many, None if one is no map."""
    specs = [graph.spec(id) for id in graph.outputs.values()]
    if not all(spec.spatial for spec in specs):
        return None
    channels = [spec.channels for spec in specs]
    return channels[0] if len(set(channels)) == 1 else channels


def select_features(graph: Graph, features: Sequence[str] | Mapping[str, str]) -> Graph:
    """The graph that gives the named taps, or what lies at a path, and no more.

    A mapping says under which names it gives them.
    """
    if isinstance(features, str):
        features = [features]
    if isinstance(features, Mapping):
        return select_features(graph, [*features.values()]).select(
            {name: _feature(graph, feature) for name, feature in features.items()}
        )
    if not features:
        raise UsageError("name at least one feature")
    for name in features:
        if list(features).count(name) > 1:
            raise UsageError(f"the feature `{name}` is named twice")
    return graph.select({name: _feature(graph, name) for name in features})


def _feature(graph: Graph, name: str) -> str:
    """The node that gives a tap, or what the part at a path gives to others."""
    if name in graph.taps:
        return graph.taps[name]
    found = graph.results_at(name)
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        raise UsageError(f"`{name}` gives several maps: name one of {shown}")
    inner = (
        [id for id in (*graph.by_id, *graph.scope_by_id) if "@" not in id] if "." in name else []
    )
    raise UsageError(
        f"{graph.name} has no feature `{name}`; {did_you_mean(name, inner or graph.taps)}"
    )
