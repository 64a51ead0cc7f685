"""What scales and shifts channels, as part of the convolution or linear layer before it."""

from dataclasses import replace

import torch
from torch import Tensor

from archdsl.graph.graph import Node
from archdsl.ops.conv import Conv, ConvTranspose
from archdsl.ops.linear import Linear
from archdsl.ops.norm import BatchNorm
from archdsl.ops.regularize import LayerScale, LearnedWeight, Scale
from archdsl.speed.network import Network


def fold(network: Network) -> bool:
    """Whether anything could be folded into what is before it."""
    readers, applications = network.readers, network.applications
    passed: dict[str, str] = {}
    for nodes in applications.values():
        if not isinstance(nodes[0].op, Conv | ConvTranspose | Linear):
            continue
        after = [readers[node.id] for node in nodes if node.id in readers]
        paths = {node.path for node in after}
        if len(after) < len(nodes) or len(paths) > 1 or len(applications[paths.pop()]) > len(nodes):
            continue
        affine = affine_of(network, after[0])
        if affine is not None:
            _fold_into(network, nodes, *affine)
            passed |= {node.id: node.inputs[0] for node in after}
    network.bypass(passed)
    return bool(passed)


def affine_of(network: Network, node: Node) -> tuple[Tensor, Tensor | None] | None:
    """The factor and the offset of every channel that a node is in evaluation; None if it is not.

    Both are in double precision; a single number is for all channels.
    """
    op, tensors = node.op, network.tensors(node)
    wide = {name: tensor.double() for name, tensor in tensors.items()}
    if isinstance(op, BatchNorm):
        factor = (wide["running_var"] + op.eps).rsqrt() * wide.get("weight", 1.0)
        return factor, wide.get("bias", 0.0) - wide["running_mean"] * factor
    if isinstance(op, LayerScale | LearnedWeight):
        return wide[""].flatten(), None
    if isinstance(op, Scale):
        return torch.tensor([op.factor], dtype=torch.float64), None
    return None


def _fold_into(network: Network, nodes: list[Node], factor: Tensor, offset: Tensor | None) -> None:
    """Makes factor and offset of the channels part of the weights of one module."""
    op, tensors = nodes[0].op, network.tensors(nodes[0])
    assert isinstance(op, Conv | ConvTranspose | Linear)
    kind, device = tensors["weight"].dtype, tensors["weight"].device
    factor = factor.to(device).expand(op.out)
    weight, bias = tensors["weight"].double(), tensors.get("bias")
    if isinstance(op, ConvTranspose):  # whose second axis has the channels of a group
        parts = factor.reshape(op.groups, 1, -1).expand(-1, len(weight) // op.groups, -1)
        weight = weight * parts.flatten(0, 1).reshape(*weight.shape[:2], *(1,) * len(op.kernel))
    else:
        weight = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    made = {"weight": weight.to(kind)}
    if bias is not None or offset is not None:
        shifted = bias.double() * factor if bias is not None else torch.zeros_like(factor)
        made["bias"] = (shifted + (0.0 if offset is None else offset.to(device))).to(kind)
    for node in nodes:
        network.change(node, replace(op, bias="bias" in made), made)
