"""A module beside the network that was read from it: keys in order, shapes, outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import archdsl
from archdsl.graph.graph import Graph

LARGE = 40_000_000  # parameters of what is compared by its keys alone: two would take gigabytes


def require_same(module: nn.Module, graph: Graph, *inputs: Tensor, varied: bool = True) -> None:
    """Asserts that the graph's network has the module's weights, and gives what it gives.

    That is not one number everywhere, which would prove little, unless it need not be `varied`.
    """
    meta = sum(p.numel() for p in module.parameters()) > LARGE
    with torch.device("meta" if meta else "cpu"):
        ours = archdsl.compile(graph)
    wanted, found = ([(k, v.shape) for k, v in m.state_dict().items()] for m in (module, ours))
    assert found == wanted
    if meta:
        return
    shared_weights(module, ours)
    with torch.no_grad():
        pairs = zip(listed(module(*inputs)), listed(ours(*inputs)), strict=True)
        for theirs, mine in pairs:
            assert theirs.std() > 0 or not varied
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)


def shared_weights(module: nn.Module, ours: nn.Module) -> nn.Module:
    """Our network with the weights, drawn anew, of the module, both in float64."""
    drawn(module.double().eval())
    ours.double().eval().load_state_dict(module.state_dict(), assign=True)
    return ours


def difference(module: nn.Module, ours: nn.Module, *inputs: Tensor) -> float:
    """How far results are apart at most, in parts of the largest; they vary, or it is infinite."""
    worst = 0.0
    with torch.no_grad():
        for theirs, mine in zip(listed(module(*inputs)), listed(ours(*inputs)), strict=True):
            if not theirs.std() > 0 or theirs.shape != mine.shape:
                return float("inf")
            worst = max(worst, float((theirs - mine).abs().max() / theirs.abs().max()))
    return worst


def drawn(module: nn.Module) -> None:
    """Fills weights with numbers that keep what flows at one size and tell all from each other."""
    source = torch.Generator().manual_seed(0)
    for key, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        gain = tensor.ndim < 2 or tensor[0].numel() == 1  # or an offset
        if gain and not key.endswith("bias") and "mean" not in key:
            tensor.copy_(torch.rand(tensor.shape, generator=source) * 0.5 + 0.8)
        else:
            fan = tensor[0].numel() if tensor.ndim > 1 else 100
            tensor.copy_(torch.randn(tensor.shape, generator=source) * (1.7 / fan) ** 0.5)


def listed(result: Any) -> Sequence[Tensor]:
    """The tensors of what a module returns, in order."""
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, Mapping) else result
    return [tensor for part in parts if part is not None for tensor in listed(part)]
