"""Parallel branches that are added, as one convolution (RepVGG, arXiv:2101.03697, 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor

from archdsl.graph.graph import Node
from archdsl.ops import facts
from archdsl.ops.conv import Conv
from archdsl.ops.join import Add
from archdsl.speed.affine import affine_of
from archdsl.speed.network import Network


@dataclass
class Branch:
    """What is added: of `source`, by a convolution or by a factor and an offset per channel.

    `weight` and `bias` are in double precision; without an `op` it is `source`, times `weight`,
    plus `bias`. `id` is what gives it.
    """

    id: str
    source: str
    op: Conv | None
    weight: Tensor
    bias: Tensor | None


def merge_branches(network: Network) -> bool:
    """Whether any branches of a sum could become one convolution, which costs no more than they."""
    readers, found = network.readers, False
    single = {nodes[0].id for nodes in network.applications.values() if len(nodes) == 1}
    for id in list(network.nodes):
        node = network.nodes.get(id)
        if node is None or not isinstance(node.op, Add) or id not in single:
            continue
        terms = _terms(network, node, readers, single)
        branches = [_branch(network, term, node, readers, single) for term in terms]
        merged = _merged(network, branches)
        if len(merged) < len(branches):
            _put(network, node, merged)
            readers, found = network.readers, True
    return found


def _terms(network: Network, sum: Node, readers: Mapping[str, Node], single: set[str]) -> list[str]:
    """What a sum adds, and what the sums of its shape add in it that nothing else reads."""
    terms: list[str] = []
    for id in sum.inputs:
        node = network.nodes.get(id)
        inner = node is not None and isinstance(node.op, Add) and id in readers and id in single
        if node is not None and inner and node.output == sum.output:
            terms += _terms(network, node, readers, single)
        else:
            terms.append(id)
    return terms


def _branch(
    network: Network, id: str, sum: Node, readers: Mapping[str, Node], single: set[str]
) -> Branch:
    """A term of a sum: a branch that can be merged, or the term itself."""
    node = network.nodes.get(id)
    one = torch.ones(1, dtype=torch.float64)
    itself = Branch(id, id, None, one, None)
    if node is None or id not in readers or id not in single or node.output != sum.output:
        return itself
    if type(node.op) is Conv and not node.op.pads_itself:
        tensors = {name: tensor.double() for name, tensor in network.tensors(node).items()}
        return Branch(id, node.inputs[0], node.op, tensors["weight"], tensors.get("bias"))
    affine = affine_of(network, node)
    return itself if affine is None else Branch(id, node.inputs[0], None, *affine)


def _merged(network: Network, branches: list[Branch]) -> list[Branch]:
    """The branches with those that can be one merged, two by two."""
    for one, other in combinations(branches, 2):
        if one.source != other.source or (one.op is None and other.op is None):
            continue
        both = _both(network, one, other)
        if both is not None:
            rest = [both if b is one else b for b in branches if b is not other]
            return _merged(network, rest)
    return branches


def _both(network: Network, one: Branch, other: Branch) -> Branch | None:
    """Two branches as a convolution in the place of the larger; None where none can be that."""
    given = network.spec(one.source)
    costs = [0 if b.op is None else facts(b.op, (given,)).cost.macs for b in (one, other)]
    if costs[0] < costs[1] or one.op is None:
        one, other = other, one
    assert one.op is not None
    op, second = one.op, other.op or _pointwise(one.op, given.channels)
    if second is None or (op.stride, op.groups) != (second.stride, second.groups):
        return None
    axes = [_union(*taps) for taps in zip(_taps(op), _taps(second), strict=True)]
    union = [taps for taps in axes if taps is not None]
    if len(union) < len(axes):
        return None
    offsets = [branch.bias for branch in (one, other) if branch.bias is not None]
    made = replace(
        op,
        kernel=tuple(map(len, union)),
        padding=tuple([-taps[0] for taps in union]),
        dilation=tuple([taps.step for taps in union]),
        bias=bool(offsets),
    )
    result = facts(made, (given,))
    if result.output != facts(op, (given,)).output or result.cost.macs > sum(costs):
        return None
    weight = one.weight.new_zeros(result.weights[0].shape)
    weight[_places(op, union)] += one.weight
    weight[_places(second, union)] += _kernel(other, second, weight.shape[1])
    bias = torch.stack([offset.expand(op.out) for offset in offsets]).sum(0) if offsets else None
    return Branch(one.id, one.source, made, weight, bias)


def _pointwise(like: Conv, channels: int) -> Conv | None:
    """The convolution that a factor per channel is, beside another."""
    if set(like.stride) != {1} or like.out != channels:
        return None
    ones = (1,) * len(like.kernel)
    return replace(like, kernel=ones, padding=(0,) * len(ones), dilation=ones)


def _kernel(branch: Branch, op: Conv, channels: int) -> Tensor:
    """The weight of a branch, of which a group has so many channels."""
    if branch.op is not None:
        return branch.weight
    out = torch.arange(op.out, device=branch.weight.device)
    weight = branch.weight.new_zeros((op.out, channels, *op.kernel))
    weight.flatten(1)[out, out % channels] = branch.weight.expand(op.out)
    return weight


def _taps(op: Conv) -> list[range]:
    """Where a window reads along every axis, seen from where it stands."""
    sizes = zip(op.kernel, op.dilation, strict=True)
    border = tuple([d * (k - 1) // 2 for k, d in sizes]) if isinstance(op.pad, str) else op.pad
    axes = zip(op.kernel, op.dilation, border, strict=True)
    return [range(-before, d * k - before, d) for k, d, before in axes]


def _union(one: range, other: range) -> range | None:
    """The taps of a window that reads where both do, if there is one with even steps."""
    step = one.step if len(one) > 1 else other.step
    if len(one) > 1 and len(other) > 1 and one.step != other.step:
        return None
    if (one[0] - other[0]) % step:
        return None
    return range(min(one[0], other[0]), max(one[-1], other[-1]) + step, step)


def _places(op: Conv, union: list[range]) -> tuple[slice, ...]:
    """Where the weight of a window is in that of a larger one."""
    starts = [taps.index(own[0]) for own, taps in zip(_taps(op), union, strict=True)]
    axes = zip(starts, op.kernel, strict=True)
    return (slice(None), slice(None), *[slice(start, start + size) for start, size in axes])


def _put(network: Network, sum: Node, merged: list[Branch]) -> None:
    """The branches in the place of what is added; a single one needs no sum."""
    for branch in merged:
        if branch.op is not None and branch.id in network.nodes:
            node = network.nodes[branch.id]
            kind = network.tensors(node)["weight"].dtype
            made = {"weight": branch.weight, "bias": branch.bias}
            tensors = {name: t.to(kind) for name, t in made.items() if t is not None}
            network.change(node, branch.op, tensors)
    if len(merged) == 1:
        network.bypass({sum.id: merged[0].id})
    else:
        network.wire(sum, [branch.id for branch in merged])
    network.prune()
