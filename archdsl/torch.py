"""Networks on many machines: what PyTorch's wrappers ask of a network, by its spec's structure."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from archdsl.analysis.partition import Measure, Partition
from archdsl.analysis.partition import partition as _partition
from archdsl.api.reading import load
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.voice import speaking_python
from archdsl.graph.graph import Graph

if TYPE_CHECKING:
    from torch import nn
    from torch.distributed.pipelining import SplitPoint

__all__ = ["blocks", "partition", "split_spec"]


def blocks(module: "nn.Module") -> "dict[str, nn.Module]":
    """The outermost blocks of a compiled network by their paths, in the order in which they run.

    They share nothing and are called as modules, so each is a unit for `fully_shard`, for
    `torch.compile` or for checkpoints; what stands in no block is left to the whole. Without
    blocks there are none. Raises UsageError for a module that archdsl did not compile.
    """
    graph = _graph_of(module)
    paths = dict.fromkeys(graph.block_around(node.scope) for node in graph.nodes)
    found = ((path, module.get_submodule(path)) for path in paths if path)
    return dict(unit for path, block in found for unit in _called(path, block))


@speaking_python
def partition(
    network: "nn.Module | Graph | str | os.PathLike[str]",
    stages: int,
    *,
    by: Measure = "macs",
    tensors: int = 1,
) -> Partition:
    """A network in stages for as many machines, whose dearest costs as little as it can.

    Costs are "macs", "parameters" or "activations"; at most `tensors` come into a stage from those
    before it. Raises UsageError where there are too few places to cut at.
    """
    if isinstance(network, str | os.PathLike):
        graph = load(network)
    else:
        graph = network if isinstance(network, Graph) else _graph_of(network)
    return _partition(graph, stages, by, tensors)


def split_spec(
    network: "nn.Module | Graph | str | os.PathLike[str]",
    stages: int,
    *,
    by: Measure = "macs",
    tensors: int = 1,
) -> "dict[str, SplitPoint]":
    """The partition as `torch.distributed.pipelining.pipeline` takes it; see `partition`."""
    from torch.distributed.pipelining import SplitPoint

    found = partition(network, stages, by=by, tensors=tensors)
    return dict.fromkeys(found.split, SplitPoint.BEGINNING)


def _called(path: str, module: "nn.Module") -> "Iterator[tuple[str, nn.Module]]":
    """The module at a path, or what it holds if its parts are called and itself is not."""
    from torch import nn

    if (
        isinstance(module, nn.ModuleList | nn.ModuleDict)
        and type(module).forward is nn.Module.forward
    ):
        for name, inner in module.named_children():
            yield from _called(f"{path}.{name}", inner)
    else:
        yield path, module


def _graph_of(module: "nn.Module") -> Graph:
    graph = Graph.of(module)
    if graph is None:
        raise UsageError("a module that archdsl compiled has a graph; this has none")
    return graph
