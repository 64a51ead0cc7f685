"""The page of patterns: every spec on it is right in an empty folder, is built, and runs."""

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.densenet import _DenseBlock

import archdsl
from archdsl.analysis.memory import memory
from archdsl.cli.main import run
from archdsl.graph.graph import Graph

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "patterns.md").read_text(encoding="utf-8")
SPECS = {re.findall(r"^name: (\w+)", text, re.M)[0]: text
         for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)}  # fmt: skip


def inputs(graph: Graph) -> list[Tensor]:
    return [torch.randn(2, *spec.shape) for spec in graph.inputs.values()]


def network(name: str, text: str = "") -> tuple[Graph, Any]:
    torch.manual_seed(0)
    graph = archdsl.loads(text or SPECS[name])
    return graph, archdsl.compile(graph).eval()


@pytest.mark.parametrize("name", SPECS)
def test_a_pattern_is_right_built_and_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPECS[name], encoding="utf-8")
    assert archdsl.check("spec.yaml") == []
    assert run(["fmt", "--check", "spec.yaml"]) == 0
    assert run(["build", "spec.yaml", "-o", "out"]) == 0
    graph, module = network(name)
    returned = module(*inputs(graph))
    results = returned if isinstance(returned, dict) else {"": returned}
    shapes = {key: (2, *graph.spec(id).shape) for key, id in graph.outputs.items()}
    assert {key: tuple(y.shape) for key, y in results.items()} == shapes


def test_the_chain_that_is_joined_keeps_every_link() -> None:
    graph, _ = network("osa")
    joined = next(node for node in graph.nodes if node.op.verb == "concat")
    assert joined.output.channels == 16 + 5 * 8


def test_half_of_a_c2f_goes_through_the_chain_and_every_link_is_kept() -> None:
    graph, _ = network("c2f")
    joined = next(node for node in graph.nodes if node.op.verb == "concat")
    assert [graph.spec(id).channels for id in joined.inputs] == 5 * [16]
    keys = [key for key in graph.state if key.endswith("conv.weight")]
    assert keys[:3] == [f"stage.{name}.conv.weight" for name in ("cv1", "m.0.cv1", "m.0.cv2")]


def test_a_dense_block_that_keeps_less_is_torchvisions() -> None:
    graph, module = network("memory_efficient")
    block = _DenseBlock(6, 24, 4, 12, 0.0, memory_efficient=True)
    theirs = nn.Sequential(OrderedDict(conv0=module.conv0, block=block)).train()
    state = {key.replace("bottleneck.", ""): v for key, v in module.state_dict().items()}
    block.load_state_dict({key: v for key, v in state.items() if key != "conv0.weight"})
    (x,) = inputs(graph)
    one, other = module.train()(x), theirs(x)
    assert torch.allclose(one, other, atol=1e-5)
    found = [torch.autograd.grad(y.square().sum(), module.conv0.weight)[0] for y in (one, other)]
    assert torch.allclose(*found, rtol=1e-3)
    without = archdsl.loads(SPECS["memory_efficient"].replace(", checkpoint: true", ""))
    assert memory(graph).saved < 0.65 * memory(without).saved


def test_weights_are_shared_by_both_towers() -> None:
    graph, module = network("siamese")
    left, right = inputs(graph)
    same = module(left, left)
    assert torch.equal(module.towers(left), module.towers(left))
    assert torch.allclose(same, module.score(module.towers(left).repeat(1, 2)), atol=1e-6)
    assert sum(isinstance(part, nn.Conv2d) for part in module.modules()) == 2
    assert module(left, right).shape == (2, 1)


def test_no_sample_of_a_causal_convolution_reads_a_later_one() -> None:
    graph, module = network("causal")
    (x,) = inputs(graph)
    later = x.clone()
    later[..., 70:] += 1
    before, after = module(x), module(later)
    assert torch.equal(before[..., :70], after[..., :70])
    assert not torch.equal(before[..., 70], after[..., 70])


def test_training_sees_the_teacher_and_evaluation_does_not() -> None:
    graph, module = network("distilled")
    student, more = module.train()(*inputs(graph))
    assert student.shape == more["teacher_logits"].shape == (2, 10)
    assert module.eval()(*inputs(graph)).shape == (2, 10)


def test_every_map_of_unet_plus_plus_sees_its_row_and_the_one_below() -> None:
    graph, _ = network("unet_plus_plus")
    width, joined = 8, {}
    for node in graph.nodes:
        if node.op.verb == "concat":
            joined[node.id.rpartition(".")[0]] = node.output.channels
    assert len(joined) == 3 + 2 + 1
    for k, j in ((0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (0, 3)):
        (channels,) = (n for id, n in joined.items() if id.endswith(f"x{k}_{j}"))
        assert channels == j * width * 2**k + width * 2 ** (k + 1)


def test_the_fusion_of_a_bifpn_is_a_mean_with_learned_weights() -> None:
    graph, _ = network("bifpn")
    fusions = [node for node in graph.nodes if node.op.verb == "weighted_add"]
    assert [len(node.inputs) for node in fusions] == [2, 2, 3, 2] * 2
    assert all(node.weights[0].shape == (len(node.inputs),) for node in fusions)


def test_every_map_of_an_hrnet_stage_is_the_sum_of_all() -> None:
    graph, module = network("hrnet_stage")
    (x,) = inputs(graph)
    for name in ("high", "low"):
        found = graph.by_id[graph.outputs[name]]
        total = graph.by_id[found.inputs[0]]
        assert (found.op.verb, total.op.verb, len(total.inputs)) == ("relu", "add", 2)
    assert module(x)["low"].min() >= 0


def test_replaced_convolutions_have_standardised_weights_everywhere() -> None:
    graph, _ = network("resnet18_ws_gn")
    verbs = {node.op.verb for node in graph.nodes}
    assert "std_conv" in verbs
    assert "group_norm" in verbs
    assert not verbs & {"conv", "batch_norm"}
