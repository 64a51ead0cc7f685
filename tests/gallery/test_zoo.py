"""The networks of the zoo are torchvision's and timm's: keys, shapes, order, outputs."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.graph.graph import Graph
from archdsl.language.gallery import find, names, zoo
from tests import built
from tests.examples import some
from tests.gallery import originals
from tests.importing.same import listed
from tests.pytorch.test_initialisation import difference
from tests.reference.fill import fill_

HUGE = {"regnet_y_128gf", "vit_h_14"}  # twice over, in float64, they take 10 GB
# One of every kind; `pytest -m slow` makes all and runs them.
FIRST = {
    "cbam_resnet50",
    "dpn68",
    "edgenext_xx_small",
    "fasternet_t0",
    "mixnet_s",
    "mnasnet0_5",
    "resnet50_gn",
}
QUICK = [
    n if n in FIRST else pytest.param(n, marks=pytest.mark.slow) for n in zoo() if n not in HUGE
]


@cache
def theirs(name: str) -> nn.Module:
    """The original on the meta device: nobody changes it."""
    return originals.build(name, "meta").eval()


def given(graph: Graph, **kind: Any) -> list[torch.Tensor]:
    """What a network takes, one of each of its inputs."""
    return [torch.rand(1, *spec.shape, **kind) for spec in graph.inputs.values()]


def results(module: nn.Module, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """What it gives, in evaluation."""
    with torch.no_grad():
        found: Any = module(*images)
    return [*listed(found)]


def test_no_name_stands_twice() -> None:
    assert zoo() and not set(zoo()) & set(names())
    assert find("convnext_base").endswith("convnext_base.yaml")


@pytest.mark.parametrize("name", some(zoo(), 3))
def test_keys_shapes_and_their_order_are_the_originals(name: str) -> None:
    graph = built.graph(name)
    wanted = [(key, tuple(tensor.shape)) for key, tensor in theirs(name).state_dict().items()]
    found = [(key, weight.shape) for key, weight in graph.state.items()]
    assert found == wanted
    parameters = sum(p.numel() for p in theirs(name).parameters())
    assert archdsl.analyze(graph).total.parameters == parameters


@pytest.mark.parametrize("name", QUICK)
def test_costs_are_the_originals(name: str) -> None:
    original = theirs(name)  # SSD runs its backbone when it is made
    with FlopCounterMode(display=False) as counter, sdpa_kernel([SDPBackend.MATH]):
        results(original, given(built.graph(name), device="meta"))
    assert archdsl.analyze(built.graph(name)).total.macs * 2 == counter.get_total_flops()


@pytest.mark.parametrize("name", QUICK)
def test_outputs_are_the_originals_to_the_ninth_digit(name: str) -> None:
    graph = built.graph(name)
    ours, original = archdsl.compile(graph).double().eval(), originals.build(name).double().eval()
    state = original.state_dict()
    fill_(state)
    ours.load_state_dict(state)
    images = given(graph, dtype=torch.float64)
    for found, wanted in zip(results(ours, images), results(original, images), strict=True):
        assert torch.allclose(found, wanted, rtol=0, atol=1e-9 * float(wanted.abs().max()))


FOLDED = {"repvgg_a0_folded"}  # which starts from another network's weights, not on its own


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in zoo() if n not in HUGE | FOLDED])
def test_every_tensor_starts_as_the_originals(name: str) -> None:
    torch.manual_seed(1)
    state = originals.build(name).state_dict()
    ours = archdsl.compile(built.graph(name)).state_dict()
    found = {key: difference(ours[key], state[key]) for key in ours}
    assert {key: what for key, what in found.items() if what} == {}


def test_the_backbone_and_neck_of_yolov8n_are_sixty_lines() -> None:
    text = Path(find("yolov8n")).read_text(encoding="utf-8")
    blocks, _, rest = text.partition("\n  tower:")
    backbone, _, _ = rest.partition("\nbackbone:\n")[2].partition("\nhead:\n")
    body = f"{blocks}\nbackbone:\n{backbone}outputs: {{p3: p3, p4: p4, p5: p5}}\n"
    body = body.replace("params: {classes: 80, bins: 16}\n", "").replace(", head: model", "")
    assert len(body.splitlines()) <= 60
    whole = [key for key in archdsl.load("yolov8n").state if not key.startswith("model.22.")]
    assert [*archdsl.loads(body).state] == whole
