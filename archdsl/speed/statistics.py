"""Weights whose numbers stay in range, for networks that nobody has trained."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdsl.graph.graph import Graph


def with_statistics(module: nn.Module, images: int = 2) -> nn.Module:
    """A compiled module in evaluation, whose batch norms have the statistics of random images."""
    graph = module.__dict__["graph"]
    assert isinstance(graph, Graph)
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    kept = {part: part.momentum for part in norms}
    generator = torch.Generator().manual_seed(0)
    shapes = [(images, *spec.shape) for spec in graph.inputs.values()]
    for part in norms:
        part.momentum = None  # the mean of all that it is given
        part.reset_running_stats()
    with torch.no_grad():
        module.train()(*[torch.randn(shape, generator=generator) for shape in shapes])
    for part, momentum in kept.items():
        part.momentum = momentum
    return module.eval()
