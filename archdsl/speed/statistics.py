"""Weights whose numbers stay in range, for networks that nobody has trained."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdsl.graph.graph import Graph


def random_images(graph: Graph, count: int) -> list[Tensor]:
    """What a network is given: so many images for each of its inputs, the same every time."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(count, *spec.shape) for spec in graph.inputs.values()]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def with_statistics(module: nn.Module, images: int = 2) -> nn.Module:
    """A compiled module in evaluation, whose batch norms have the statistics of random images."""
    graph = Graph.of(module)
    assert graph is not None
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    kept = {part: part.momentum for part in norms}
    for part in norms:
        part.momentum = None  # the mean of all that it is given
        part.reset_running_stats()
    with torch.no_grad():
        module.train()(*random_images(graph, images))
    for part, momentum in kept.items():
        part.momentum = momentum
    return module.eval()
