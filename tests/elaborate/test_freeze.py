"""What does not learn: `freeze`, and `frozen` of batch norm."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

import archdsl
from archdsl.analysis.memory import memory
from archdsl.analysis.summary import summarize
from archdsl.graph.graph import Graph
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.proof import prove
from archdsl.pytorch.source import translate
from tests.allocations import saved_by_training
from tests.support import check_error, graph_of

BODY = "archdsl: 1\nextends: resnet50\nname: body\nhead: {}\n"


def test_the_numbers_of_a_frozen_detector_are_torchvisions() -> None:
    graph = archdsl.loads(f"{BODY}freeze: [conv1, bn1, layer1, batch_norm]\n")
    analysis = archdsl.analyze(graph)
    assert analysis.total.parameters == 23_508_032 - 53_120
    assert analysis.trainable == 23_232_512


def test_a_resnet_with_frozen_norms_is_torchvisions() -> None:
    theirs = torchvision.models.resnet18(norm_layer=FrozenBatchNorm2d)
    graph = archdsl.loads(
        "archdsl: 1\nextends: resnet18\nname: frozen\nfreeze: [batch_norm, layer1]\n"
    )
    ours = archdsl.compile(graph)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            tensor.normal_(0, 0.05) if tensor.dim() > 1 else tensor.uniform_(0.5, 1.5)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    for module in (ours, theirs):
        module.double().train()
    for name, parameter in theirs.named_parameters():
        parameter.requires_grad = not name.startswith("layer1.")
    wanted, found = theirs(x.double()), ours(x.double())
    assert torch.allclose(found, wanted, rtol=1e-9)
    wanted.sum().backward()
    found.sum().backward()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (one.grad is None) == name.startswith("layer1.")
        if one.grad is not None and other.grad is not None:
            assert torch.allclose(one.grad, other.grad, rtol=1e-6, atol=1e-9)


SMALL = """
    blocks:
      unit: {seq: {conv: {conv: {kernel: 3}}, norm: batch_norm, act: relu}}
    freeze: FREEZE
    backbone:
      stem: {conv: {out: 4, kernel: 3}}
      gain: layer_scale
      low: {unit: {}, repeat: 2}
      high: {unit: {}, repeat: 2}
      pool: global_avg_pool
      flat: flatten
      fc: {linear: {out: 5}}
"""


def small(freeze: str) -> Graph:
    return graph_of(SMALL.replace("FREEZE", freeze))


def translated(graph: Graph) -> str:
    source = translate(graph.select(graph.outputs, graph.aux), class_name(graph.name))
    prove(source, graph)
    return source


@pytest.mark.parametrize(
    ("freeze", "call", "learns"),
    [
        ("[stem]", '"stem"', {"gain", "low", "high", "fc"}),
        ("[low.0, gain]", '"gain", "low.0"', {"stem", "low", "high", "fc"}),
        ("[low, stem, high]", '"stem", "low", "high"', {"gain", "fc"}),
        ("['*.conv']", '"low.0.conv", "low.1.conv", "high.0.conv", "high.1.conv"',
         {"stem", "gain", "low", "high", "fc"}),
        ("[linear]", '"fc"', {"stem", "gain", "low", "high"}),
    ],
)  # fmt: skip
def test_parameters_at_these_paths_do_not_learn(freeze: str, call: str, learns: set[str]) -> None:
    graph = small(freeze)
    source = translated(graph)
    assert call in " ".join(source.replace("freeze(\n", "freeze(").split())
    module = archdsl.compile(graph)
    assert {n.partition(".")[0] for n, p in module.named_parameters() if p.requires_grad} == learns
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert archdsl.analyze(graph).trainable == trainable
    again = Graph.from_json(graph.to_json())
    assert again == graph
    other = archdsl.compile(again)
    grads = {n: p.requires_grad for n, p in module.named_parameters()}
    assert {n: p.requires_grad for n, p in other.named_parameters()} == grads


def test_statistics_of_frozen_parts_stay() -> None:
    module = archdsl.compile(small("[low]")).train()
    before = copy.deepcopy(module.state_dict())
    module(torch.randn(4, 3, 8, 8)).sum().backward()
    moved = {
        key for key, value in module.state_dict().items() if not torch.equal(value, before[key])
    }
    assert moved
    assert all(key.startswith("high.") for key in moved)


@pytest.mark.parametrize("freeze", ["[stem]", "[stem, gain, low]", "[batch_norm]", "[fc, high]"])
def test_training_saves_what_gradients_need(freeze: str) -> None:
    graph = small(freeze)
    module, image = archdsl.compile(graph), torch.randn(2, 3, 8, 8)
    found = memory(graph, batch=2)
    assert found.saved == pytest.approx(saved_by_training(module.train(), image), rel=0.01)
    learned = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert found.gradients == 4 * learned


def test_a_summary_says_what_learns() -> None:
    graph = small("[low]")
    assert summarize(graph).show == ("parameters", "trainable", "macs")
    assert summarize(graph).values["trainable"] == archdsl.analyze(graph).trainable
    assert summarize(small("[batch_norm]")).show == ("parameters", "macs")
    assert summarize(graph, show=("macs",)).show == ("macs",)


def test_the_case_of_a_frozen_norm() -> None:
    graph = graph_of("""
        input: [3, 32, 32]
        backbone:
          a: {conv: {out: 8, kernel: 3, bias: false}}
          b: {batch_norm: {frozen: true}}
    """)
    assert archdsl.analyze(graph).total.parameters == 8 * 27
    module = archdsl.compile(graph).train()
    assert [key for key, _ in module.named_buffers()] == [
        "b.weight", "b.bias", "b.running_mean", "b.running_var",
    ]  # fmt: skip
    theirs = FrozenBatchNorm2d(8)
    for tensor in theirs.state_dict().values():
        tensor.uniform_(0.5, 2)
    inner = module.b
    assert isinstance(inner, nn.Module)
    inner.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 8, 5, 5)
    assert torch.allclose(inner(x), theirs(x), atol=1e-6)


def test_a_frozen_norm_starts_as_it_is_told() -> None:
    graph = graph_of("backbone: [{batch_norm: {frozen: true, init: zeros}}]")
    for made in (graph, Graph.from_json(graph.to_json())):
        module = archdsl.compile(made)
        assert module.state_dict()["0.weight"].tolist() == [0, 0, 0]


def test_mistakes_are_told_at_their_place() -> None:
    text = "backbone: {conv1: {conv: {out: 4, kernel: 1}}, act: relu}\n"
    check_error(f"freeze: [conv2]\n{text}", 1, 10, "E0402",
                "there is nothing to freeze at `conv2`", "did you mean `conv1`?")  # fmt: skip
    check_error(f"freeze: [act]\n{text}", 1, 10, "E0402", "there is nothing to freeze at `act`")
    check_error(f"freeze: [conv1, relu]\n{text}", 1, 17, "E0402",
                "there is no relu with weights to freeze")  # fmt: skip
    check_error(f"freeze: [3]\n{text}", 1, 10, "E0203", "freeze is a list of paths and ops")
    with pytest.raises(ValueError, match="frozen: nothing learns at act"):
        graph = graph_of(text).to_json().replace('"made": []', '"made": [], "frozen": ["act"]')
        Graph.from_json(graph)
