"""Networks start as their references do: the same constants, and random numbers of one kind.

Both are samples, so moments are held to six standard errors, which follow from the number of
elements. Those of the mean absolute value tell a uniform distribution from a normal one.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

import archdsl
from archdsl.graph.renames import Rename, Renames
from archdsl.pytorch.first_values import FirstValues
from tests.gallery.test_gallery import REFERENCE, SPECS
from tests.reference import models

# A spec starts as the first of these that it has a record of.
SOURCES = ("torchvision", "timm", "pytorchcv", "smp")
OTHER_NAME = {
    "xception": "timm__legacy_xception",
    "inception_v2": "pytorchcv__bninception",
}
# pytorchcv means to start it as ours, but looks for it under a name that no module has.
NOT_MEANT = {f"mobilenet_{width}": "conv_stem.weight" for width in ("w1", "w3d4", "wd2", "wd4")}
# Small ones, one of every family and of every initialisation; `pytest -m slow` builds all.
QUICK = {
    "squeezenet1_1", "resnet18", "resnet50d", "googlenet", "densenet121", "mobilenet_v2",
    "mobilenet_v3_small", "mobilenet_wd4", "mobilenetv1_100", "efficientnet_b0",
    "tf_efficientnet_b0", "unet_resnet34",
    "mnasnet1_0", "regnet_y_400mf", "shufflenet_v2_x1_0", "resnet20_cifar10",
    "densenet40_k12_cifar10", "preresnet164bn_cifar10", "seresnet50", "resnetv2_50", "xception",
    "inception_v2",
}  # fmt: skip


def cases() -> Iterator[Any]:
    for spec in SPECS:
        names = [f"{source}__{spec}" for source in SOURCES]
        found = [n for n in names if (REFERENCE / f"{n}.json").exists()]
        record = OTHER_NAME.get(spec, found[0] if found else None)
        if record is not None:
            yield pytest.param(
                spec, record, id=spec, marks=[] if spec in QUICK else [pytest.mark.slow]
            )


def moments(tensor: torch.Tensor) -> tuple[float, float, float]:
    """Mean, deviation, and mean absolute value in deviations (0.87 if uniform, 0.80 if normal)."""
    values = tensor.double()
    deviation = values.std(unbiased=False).item()
    return values.mean().item(), deviation, values.abs().mean().item() / (deviation or 1.0)


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> str:
    """How two samples differ more than two of one distribution do, or nothing."""
    mean, deviation, shape = moments(ours)
    expected_mean, expected, expected_shape = moments(theirs)
    if 0.0 in (deviation, expected):
        return "" if torch.equal(ours, theirs) else f"{mean} +- {deviation} for {expected_mean}"
    error = 6 / math.sqrt(ours.numel())  # of the difference of two deviations, in deviations
    largest = max(deviation, expected)
    if abs(deviation - expected) > error * largest:
        return f"a deviation of {deviation:.4g} for {expected:.4g}"
    if abs(mean - expected_mean) > math.sqrt(2) * error * largest:
        return f"a mean of {mean:.4g} for {expected_mean:.4g}"
    if abs(shape - expected_shape) > error:
        return f"a mean absolute value of {shape:.3f} deviations for {expected_shape:.3f}"
    return ""


def differences(spec: str, theirs: nn.Module, rules: Iterable[Rename] = ()) -> dict[str, str]:
    """The tensors of a spec that start otherwise than those of a module, which has all of them."""
    graph, renames = archdsl.load(spec), Renames(tuple(rules))
    named = {renames.rename(key): tensor for key, tensor in theirs.state_dict().items()}
    assert named.keys() >= graph.state.keys()
    torch.manual_seed(2)
    ours = archdsl.compile(graph).state_dict()
    found = {key: difference(ours[key], named[key].view_as(ours[key])) for key in ours}
    return {key: what for key, what in found.items() if what}


@pytest.mark.parametrize(("spec", "record"), list(cases()))
def test_every_tensor_starts_as_the_references(spec: str, record: str) -> None:
    reference = json.loads((REFERENCE / f"{record}.json").read_text())
    rules = archdsl.load(spec).renames.get(reference["source"], Renames()).rules
    found = differences(spec, models.build(reference, seed=1), rules)
    assert found.keys() <= {NOT_MEANT.get(spec)}


def test_a_pyramid_starts_as_torchvisions() -> None:
    torch.manual_seed(1)
    norm = {"norm_layer": nn.BatchNorm2d}  # else its batch norms are frozen
    theirs = resnet_fpn_backbone(backbone_name="resnet50", weights=None, **norm)
    assert differences("resnet50_fpn", theirs) == {}


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda: torch.randn(20_000) * 1.1, "deviation"),
        (lambda: torch.randn(20_000) + 0.1, "mean of"),
        (lambda: (torch.rand(20_000) - 0.5) * math.sqrt(12), "mean absolute"),
        (lambda: torch.ones(20_000), "1.0"),
    ],
)
def test_what_differs_is_found(wrong: Any, what: str) -> None:
    torch.manual_seed(0)
    normal = torch.randn(20_000)
    assert difference(torch.randn(20_000), normal) == ""
    assert what in difference(wrong(), normal)


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_the_last_scale_of_every_block_starts_at_zero_when_told_to(name: str) -> None:
    theirs = getattr(torchvision.models, name)(zero_init_residual=True)
    ours = archdsl.compile(name, params={"zero_init_residual": True})
    expected, found = (
        [key for key, tensor in module.state_dict().items() if _is_zero_scale(key, tensor)]
        for module in (theirs, ours)
    )
    assert found == expected != []


def test_a_block_whose_last_scale_is_zero_is_its_shortcut() -> None:
    block = archdsl.compile("resnet18", params={"zero_init_residual": True}).layer1[0].train()
    image = torch.randn(2, 64, 8, 8)
    assert torch.equal(block(image), image.relu())


def _is_zero_scale(key: str, tensor: torch.Tensor) -> bool:
    return key.endswith("weight") and tensor.dim() == 1 and not tensor.any()


def test_a_tensor_does_not_begin_as_one_whose_memory_it_takes() -> None:
    with FirstValues() as first:
        for _ in range(100):
            torch.full((3,), 10.0)  # is gone at once
            assert first.of(torch.arange(3)) == ()
