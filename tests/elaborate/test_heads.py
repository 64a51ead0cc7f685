"""Heads attach to any backbone by the names of its maps."""

import os
import re
from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.analysis.receptive_field import reductions
from archdsl.graph.graph import Graph
from archdsl.language.gallery import find, names
from tests import built
from tests.examples import pairs, some

PAGE = (Path(__file__).parents[2] / "docs" / "heads.md").read_text(encoding="utf-8")
LEVELS = ["c1", "c2", "c3", "c4", "c5"]
CIFAR = {"c3", "c4", "c5"}
LACKING = {  # docs/heads.md says why
    "alexnet": {"c1"},
    "alexnet_paper": {"c1"},
    "convnext_tiny": {"c1"},
    "swin_t": {"c1"},
    "squeezenet1_0": {"c5"},
    "squeezenet1_1": {"c5"},
    "unet": {"c5"},
    "vit_b_16": {*LEVELS},
}
DILATED = ("fcn_resnet50", "deeplabv3_resnet50")
BACKBONES = [
    "resnet18", "vgg11", "alexnet", "densenet121", "googlenet", "inception_v3", "xception",
    "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_s", "mnasnet1_0",
    "shufflenet_v2_x1_0", "regnet_y_400mf", "convnext_tiny", "mobilenet_w1", "inception_v4",
]  # fmt: skip


@pytest.mark.parametrize("name", some(names(), 3))
def test_maps_are_named_by_their_reduction(name: str) -> None:
    graph = built.graph(name)
    strides = reductions(graph, graph.taps.values())
    found = {tap: strides[id] for tap, id in graph.taps.items() if re.fullmatch("c[0-9]", tap)}
    lacking = CIFAR if name.endswith("cifar10") else LACKING.get(name, set())
    assert {*LEVELS} - found.keys() == lacking
    if name not in DILATED:
        assert found == {tap: 2 ** int(tap[1]) for tap in found}


def attached(backbone: str, rest: str) -> Graph:
    """A spec that extends a backbone."""
    base = os.path.relpath(find(backbone))
    return archdsl.loads(f"archdsl: 1\nextends: {base}\nname: attached\n{rest}")


SEGMENT = """
params: {classes: 5}
head:
  classifier: {BLOCK: {classes: classes}, from: c4}
  _upsample: {resize: {like: input, mode: bilinear}}
"""
PYRAMID = """
params: {classes: 3}
neck: {pyramid: {fpn: {out: 32}, from: [c2, c3, c4, c5]}}
head:
  logits: {retina_head: {name: cls_logits, out: 9 * classes}, each: [p2, p3, p4, p5]}
  boxes: {retina_head: {name: bbox_reg, out: 36}, each: [p2, p3, p4, p5]}
outputs: {logits: logits, boxes: boxes}
"""


@pytest.mark.parametrize(("backbone", "head"), pairs(BACKBONES, ("fcn_head", "deeplab_head"), 4))
def test_a_segmentation_head_attaches_to(backbone: str, head: str) -> None:
    graph = attached(backbone, SEGMENT.replace("BLOCK", head))
    with torch.device("meta"):
        module = archdsl.compile(graph).eval()
        found = module(torch.empty(1, *graph.input.shape))
    assert found.shape == (1, 5, *graph.input.spatial)


@pytest.mark.parametrize("backbone", some(BACKBONES, 2))
def test_a_pyramid_and_a_detection_head_attach_to(backbone: str) -> None:
    graph = attached(backbone, PYRAMID)
    with torch.device("meta"):
        maps = archdsl.compile(graph).eval()(torch.empty(1, *graph.input.shape))
    assert [maps[f"logits{n}"].shape[1] for n in range(4)] == [27] * 4
    assert [maps[f"boxes{n}"].shape[1] for n in range(4)] == [36] * 4
    sizes = [maps[f"boxes{n}"].shape[2] for n in range(4)]
    assert sizes == [graph.spec(graph.taps[f"c{level}"]).spatial[0] for level in (2, 3, 4, 5)]


def test_what_only_the_old_head_used_is_no_part_of_the_network() -> None:
    graph = attached("mobilenet_v2", SEGMENT.replace("BLOCK", "fcn_head").replace("c4", "c5"))
    whole = archdsl.load("mobilenet_v2")
    assert "features.18.0" in whole.by_id
    assert "features.18.0" not in graph.by_id
    assert "features.17.conv.2" in graph.by_id
    assert "features.18" not in graph.scope_by_id


def test_what_a_spec_says_itself_must_still_be_used() -> None:
    text = "head:\n  dead: {relu: {}, from: c4}\n  live: {relu: {}, from: c5}\n"
    with pytest.raises(archdsl.SpecError, match="nothing uses the result of dead"):
        attached("mobilenet_v2", text)


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_specs_of_the_page_are_right(text: str) -> None:
    graph = archdsl.loads(text)
    with torch.device("meta"):
        archdsl.compile(graph).eval()(torch.empty(1, *graph.input.shape))


@pytest.mark.parametrize("name", [*LACKING, *DILATED])
def test_the_page_says_what_is_lacking(name: str) -> None:
    assert f"`{name}`" in PAGE
