"""Files of weights under every convention that the gallery names: all of it is loaded, or refused.

The weights are those of the other's own model, or where its package is not at hand those that a
rule gives for the keys of its record (test_gallery.py compares the outputs of these).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from pytorchcv.model_provider import get_model
from safetensors.torch import save_file
from torch import nn

import archdsl
from archdsl.language.gallery import find, names
from tests.gallery.test_gallery import REFERENCE, load
from tests.reference import fill

Build = tuple[str, str, dict[str, Any], str]  # spec, source, parameters, the other's name for it
BUILT: list[Build] = [
    ("resnet18", "pytorchcv", {}, "resnet18"),
    ("resnet50", "pytorchcv", {"stride_first": True}, "resnet50"),
    ("resnet50", "pytorchcv_b", {}, "resnet50b"),
    ("resnext50_32x4d", "pytorchcv", {}, "resnext50_32x4d"),
    ("seresnet50", "pytorchcv", {"stride_first": True}, "seresnet50"),
    ("resnet20_cifar10", "pytorchcv", {}, "resnet20_cifar10"),
    ("preresnet164bn_cifar10", "pytorchcv", {}, "preresnet164bn_cifar10"),
    ("densenet40_k12_cifar10", "pytorchcv", {}, "densenet40_k12_cifar10"),
    ("mobilenet_w1", "pytorchcv", {}, "mobilenet_w1"),
    ("mobilenet_v2", "timm", {}, "mobilenetv2_100"),
    ("efficientnet_b0", "timm", {}, "efficientnet_b0"),
    ("efficientnet_b2", "timm", {}, "efficientnet_b2"),
    ("efficientnet_b5", "timm", {"norm_eps": 0.00001}, "efficientnet_b5"),
    ("tf_efficientnet_b0", "timm", {}, "tf_efficientnet_b0"),
    ("efficientnet_b0", "pytorchcv", {}, "efficientnet_b0"),
    ("efficientnet_b1", "pytorchcv", {}, "efficientnet_b1"),
    ("efficientnet_b3", "pytorchcv", {}, "efficientnet_b3"),
    ("efficientnet_b7", "pytorchcv", {"norm_eps": 0.00001}, "efficientnet_b7"),
    ("tf_efficientnet_b0", "pytorchcv", {}, "efficientnet_b0b"),
    ("tf_efficientnet_b7", "pytorchcv", {}, "efficientnet_b7b"),
    ("inception_v2", "pytorchcv", {}, "bninception"),
    ("convnext_tiny", "timm", {}, "convnext_tiny"),
    ("vgg16", "timm", {}, "vgg16"),
    ("vgg11_bn", "timm", {}, "vgg11_bn"),
]
RECORDED = [
    ("inception_v2", "pretrainedmodels", "pretrainedmodels__bninception"),
    ("inception_resnet_v2", "pretrainedmodels", "pretrainedmodels__inceptionresnetv2"),
    ("tf_efficientnet_b0", "efficientnet_pytorch", "efficientnet_pytorch__efficientnet_b0"),
    ("tf_efficientnet_b7", "efficientnet_pytorch", "efficientnet_pytorch__efficientnet_b7"),
]
LARGE = {
    "vgg16", "vgg11_bn", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b5",
    "efficientnet_b7", "tf_efficientnet_b7", "resnext50_32x4d", "seresnet50",
    "preresnet164bn_cifar10",
}  # fmt: skip


def by_size(cases: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    for case in cases:
        slow = [pytest.mark.slow] if case[0] in LARGE else []
        yield pytest.param(*case, id=f"{case[0]}-{case[-1]}", marks=slow)


def model(source: str, name: str) -> nn.Module:
    """The other's model with statistics that matter; it starts with a seed.

    Norms make maps smaller: where each makes them larger, deep gates double what rounding left.
    """
    torch.manual_seed(0)
    module: nn.Module = timm.create_model(name) if source == "timm" else get_model(name)
    state = module.state_dict()
    for key, tensor in state.items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
            state[key.replace("running_var", "weight")].uniform_(0.3, 0.7)
    return module.eval()


@torch.no_grad()
@pytest.mark.parametrize(("spec", "source", "params", "name"), list(by_size(BUILT)))
def test_the_others_weights_are_loaded_and_give_its_outputs(
    spec: str, source: str, params: dict[str, Any], name: str, tmp_path: Path
) -> None:
    path, theirs = tmp_path / "theirs.safetensors", model(source, name)
    save_file({key: t.contiguous() for key, t in theirs.state_dict().items()}, path)
    graph = archdsl.load(spec, params=params)
    ours = archdsl.compile(graph).eval()
    archdsl.load_weights(ours, path, renames=graph.renames[source])
    fixed = source.startswith("pytorchcv") and "efficientnet" not in spec  # pools of its size
    size = graph.input.spatial if fixed else (96, 128)
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    found, expected = ours.double()(image), theirs.double()(image)
    assert expected.std() > 0
    assert float((found - expected).abs().max()) <= 1e-8 * float(expected.abs().max())


@pytest.mark.parametrize(("spec", "source", "record"), list(by_size(RECORDED)))
def test_a_recorded_convention_is_loaded_whole(
    spec: str, source: str, record: str, tmp_path: Path
) -> None:
    reference = json.loads((REFERENCE / f"{record}.json").read_text())
    lines = (line.split(" ") for line in reference["state"])
    shapes = {key: tuple(int(n) for n in shape.split("x") if n) for key, shape in lines}
    theirs = {k: torch.zeros(shape) for k, shape in shapes.items() if "num_batches" not in k}
    fill.fill_(theirs, 1.0, "key")
    path, graph = tmp_path / "theirs.safetensors", load(spec, "{}")
    save_file(theirs, path)
    ours = archdsl.compile(graph)
    archdsl.load_weights(ours, path, renames=graph.renames[source])
    found = ours.state_dict()
    for key, tensor in theirs.items():
        assert torch.equal(found[graph.renames[source].rename(key) or ""], tensor)


def test_every_source_that_a_spec_adds_is_tried_here() -> None:
    tried = {(spec, source) for spec, source, *_ in [*BUILT, *RECORDED]}
    written = {
        (spec, source)
        for spec in names()
        for source in load(spec, "{}").renames
        if source != "torchvision"  # tests/weights/test_old_names.py
        and f"  {source}:\n" in Path(find(spec)).read_text(encoding="utf-8")
    }
    assert written
    assert written <= tried


def test_weights_for_other_parameters_are_refused(tmp_path: Path) -> None:
    path, graph = tmp_path / "theirs.pt", archdsl.load("resnet50")
    archdsl.save_weights(nn.Linear(1, 1), path)
    with pytest.raises(archdsl.CheckpointError) as caught:
        archdsl.load_weights(nn.Linear(1, 1), path, renames=graph.renames["pytorchcv"])
    assert str(caught.value) == (
        f"{path} is for another network: stride_first is false, the weights need true"
    )
    changed = archdsl.load("resnet50", params={"stride_first": True}).renames
    assert (changed["pytorchcv"].unmet, bool(changed["pytorchcv_b"].unmet)) == ("", True)
    assert archdsl.load("resnet18").renames["pytorchcv"].unmet == ""
