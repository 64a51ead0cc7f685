"""A network without what only training needs: the same results with fewer ops."""

from collections.abc import Mapping
from dataclasses import fields

from torch import Tensor

from archdsl.graph.graph import Graph
from archdsl.ops.conv import Conv, StandardConv
from archdsl.ops.regularize import Dropout, DropPath
from archdsl.ops.shape import Identity
from archdsl.speed.affine import fold
from archdsl.speed.branches import merge_branches
from archdsl.speed.network import Network

_PASS = (Dropout, DropPath, Identity)  # which in evaluation give what they are given


def simplify(graph: Graph, state: Mapping[str, Tensor]) -> tuple[Graph, dict[str, Tensor]]:
    """The graph and the weights of a network that in evaluation gives the same.

    Side results, dropout, stochastic depth and identities are left out; a standardised weight is
    computed once; what scales or shifts the channels of a convolution or linear layer that nothing
    else reads becomes part of it; so do parallel convolutions whose results are added. Numbers are
    computed in double precision. A module that is applied several times is changed only in a way
    that is right each time.
    """
    network = Network(graph, state)
    _pass_on(network)
    _standardize(network)
    while fold(network) or merge_branches(network):
        pass
    result = network.graph
    keys = result.state
    return result, {key: network.state[key] for key in keys}


def _pass_on(network: Network) -> None:
    """Leaves out what changes nothing, but where a result would be the input itself."""
    results, passed = {*network.outputs.values()}, dict[str, str]()
    for nodes in network.applications.values():
        if not isinstance(nodes[0].op, _PASS):
            continue
        before = {node.id: node.inputs[0] for node in nodes}
        before = {id: passed.get(source, source) for id, source in before.items()}
        if any(id in results and source not in network.nodes for id, source in before.items()):
            continue
        passed |= before
        results |= {source for id, source in before.items() if id in results}
    network.bypass(passed)


def _standardize(network: Network) -> None:
    for nodes in network.applications.values():
        op = nodes[0].op
        if not isinstance(op, StandardConv):
            continue
        tensors = network.tensors(nodes[0])
        weight = tensors["weight"]
        rows = weight.double().flatten(1)
        rows = rows - rows.mean(1, keepdim=True)
        rows = rows * (rows.square().mean(1, keepdim=True) + op.eps).rsqrt()
        if op.gain:
            rows = rows * tensors["gain"].double().flatten(1) * (op.gamma * rows.shape[1] ** -0.5)
        tensors["weight"] = rows.reshape(weight.shape).to(weight.dtype)
        plain = Conv(**{field.name: getattr(op, field.name) for field in fields(Conv)})
        for node in nodes:
            network.change(node, plain, tensors)
