"""Networks of users' own: read as they are, or refused at the module and line that is to blame."""

from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from tests.importing import networks
from tests.importing.same import require_same


def image(*shape: int) -> torch.Tensor:
    return torch.randn(2, *shape, dtype=torch.float64)


def graph_of(module: nn.Module, *shapes: tuple[int, ...]) -> Graph:
    inputs = [image(*shape) for shape in shapes]
    graph = archdsl.from_torch(module, inputs)
    verify(graph)
    require_same(module, graph, *inputs)
    return graph


def verbs(graph: Graph) -> dict[str, str]:
    return {node.id: node.op.verb for node in graph.nodes}


def test_what_is_called_is_named_by_its_function() -> None:
    assert verbs(graph_of(networks.Functional(), (3, 16, 16))) == {
        "conv1": "conv", "relu": "relu", "conv2": "conv", "relu2": "relu", "max_pool": "max_pool",
        "mean": "mean", "dropout": "dropout", "fc": "linear", "softmax": "softmax",
    }  # fmt: skip


def test_a_module_used_again_is_one_module_and_what_has_no_weights_is_not() -> None:
    graph = graph_of(networks.Shared(), (3, 8, 8))
    assert [node.id for node in graph.nodes if node.op.verb == "conv"] == [
        "stem", "block.0", "block.0@1", "block.0@2",
    ]  # fmt: skip
    assert [id for id in verbs(graph) if id.startswith("relu")] == [
        "relu",
        "relu2",
        "relu3",
        "relu4",
    ]
    assert [scope.id for scope in graph.scopes] == ["block", "block@1", "block@2"]


def test_several_inputs_and_results_have_their_names() -> None:
    graph = graph_of(networks.TwoInputs(), (3, 16, 16), (1, 8, 8))
    assert {name: str(spec) for name, spec in graph.inputs.items()} == {
        "image": "3x16x16", "depth_input": "1x8x8",  # beside the weights of `depth`
    }  # fmt: skip
    assert list(graph.outputs) == ["mask", "edges"]


def test_a_part_that_is_written_into_is_the_module_around_it() -> None:
    with pytest.warns(UserWarning, match=r"inner is no op .* a part of a tensor .*networks.py:"):
        graph = archdsl.from_torch(networks.Wrapped(networks.Part()), image(3, 8, 8))
    assert verbs(graph) == {"inner": "opaque"}
    with pytest.raises(archdsl.ModuleError, match="the result has no op of ours: it writes into"):
        archdsl.from_torch(networks.Part(), image(3, 8, 8))


def test_inputs_go_by_the_names_of_arguments() -> None:
    graph = archdsl.from_torch(
        networks.TwoInputs(), {"depth": image(1, 8, 8), "image": image(3, 16, 16)}
    )
    assert list(graph.inputs) == ["depth_input", "image"]


def test_lists_that_run_crosswise_keep_their_keys() -> None:
    graph = graph_of(networks.Lists(), (12, 6, 6))
    assert list(graph.outputs) == ["0", "out_1_0", "out_1_1"]
    assert graph.by_id["convs.1"].scope == ""


def test_what_depends_on_shapes_is_what_these_shapes_make() -> None:
    graph = graph_of(networks.OnShape(), (3, 15, 15))
    found = ["conv", "pad", "avg_pool", "avg_pool", "channel_shuffle"]
    assert list(verbs(graph).values()) == found


def test_parameters_of_a_module_are_ops_by_their_names() -> None:
    graph = graph_of(networks.Tokens(), (3, 16, 16))
    found = verbs(graph)
    assert (found["cls"], found["pos"]) == ("class_token", "position_embedding")
    assert (found["gamma"], found["attn"]) == ("layer_scale", "attention")


def test_results_in_training_alone_are_kept_apart() -> None:
    module = networks.Auxiliary().eval()
    graph = graph_of(module, (3, 8, 8))
    assert (graph.outputs, graph.aux) == ({"out": "head"}, {"side": "side"})
    assert not module.training


def test_what_no_op_says_is_a_node_with_shapes_weights_and_a_cost() -> None:
    with pytest.warns(
        UserWarning, match=r"(?s)einsum cannot become a spec:.*mixing is no op of ours"
    ):
        graph = archdsl.from_torch(networks.Einsum(), image(3, 8, 8))
    assert verbs(graph) == {"conv": "conv", "mixing": "opaque", "sin": "opaque", "out": "conv"}
    mixing = graph.by_id["mixing"]
    assert [key for key, _ in graph.weights(mixing)] == ["mixing.matrix"]
    assert (mixing.cost.parameters, mixing.cost.macs) == (16, 4 * 4 * 64)
    assert "networks.py:" in mixing.op.reason  # type: ignore[attr-defined]
    assert "Mixing" in archdsl.digraph(graph).source
    assert "mixing" in str(archdsl.summarize(graph, 1))
    for told in (archdsl.compile, archdsl.emit, Graph.to_json):
        with pytest.raises(archdsl.UsageError, match="mixing is no op of ours"):
            told(graph)


def test_of_what_a_module_without_an_op_gives_the_first_flows_on() -> None:
    with pytest.warns(UserWarning, match="lstm is no op of ours"):
        graph = archdsl.from_torch(networks.Recurrent(), torch.zeros(1, 3, 20))
    assert list(verbs(graph).values()) == [
        "conv",
        "relu",
        "permute",
        "opaque",
        "slice",
        "flatten",
        "linear",
    ]
    assert next(key for key, _ in graph.weights(graph.by_id["lstm"])) == "lstm.weight_ih_l0"
    assert str(graph.spec("lstm")) == "20x6"


def test_the_largest_and_where_it_is_is_the_largest() -> None:
    graph = graph_of(networks.Largest(), (4, 9))
    assert [verb for verb in verbs(graph).values() if verb != "conv"] == [
        "max",
        "max",
        "concat",
        "linear",
    ]
    with pytest.raises(archdsl.ModuleError, match="the places of the largest"):
        archdsl.from_torch(networks.Largest(places=True), image(4, 9))


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (networks.OnValues(), r"inner \(OnValues\): .*values of a tensor.*networks.py:\d+\)"),
        (networks.Overwritten(), r"inner \(Overwritten\): .*written over in place at .*networks"),
        (networks.Counting(), r"inner \(Counting\): `add_` changes inner.seen.*networks.py"),
    ],
)
def test_what_is_no_network_is_refused_at_its_line(module: nn.Module, said: str) -> None:
    with pytest.raises(archdsl.ModuleError, match=said):
        archdsl.from_torch(networks.Wrapped(module), image(3, 8, 8))


@pytest.mark.parametrize("inputs", [[], [3], torch.zeros(3), torch.zeros((1,) * 6)])
def test_inputs_that_are_none_are_refused(inputs: Any) -> None:
    with pytest.raises(archdsl.UsageError, match="example_inputs are tensors"):
        archdsl.from_torch(networks.Functional(), inputs)


def test_a_failure_of_the_module_is_told_with_its_place() -> None:
    with pytest.raises(archdsl.ModuleError, match=r"conv1 \(Conv2d\): it fails on a batch of 61"):
        archdsl.from_torch(networks.Functional(), image(4, 16, 16))


def test_a_name_that_no_graph_can_have_is_told() -> None:
    module = nn.Sequential()
    module.add_module("_conv", nn.Conv2d(3, 3, 1))
    with pytest.raises(archdsl.ModuleError, match=r"_conv.weight: `_conv` cannot be a name"):
        archdsl.from_torch(module, image(3, 8, 8))
