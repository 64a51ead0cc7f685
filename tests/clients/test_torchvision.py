"""Backbones of specs in torchvision's detectors and segmentation networks, and smp's."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
from torchvision.models.segmentation.fcn import FCN, FCNHead
from torchvision.ops import MultiScaleRoIAlign

import archdsl

PYRAMID = """
archdsl: 1
name: pyramid
input: [3, 64, 64]
defaults: {conv: {kernel: 3}}
backbone:
  stem: {seq: [{conv: {out: 8, stride: 4}}, relu], tap: c2}
  next: {seq: [{conv: {out: 12, stride: 2}}, relu], tap: c3}
  last: {seq: [{conv: {out: 16, stride: 2}}, relu], tap: c4}
  top: {seq: [{conv: {out: 16, stride: 2}}, relu], tap: c5}
neck: {fpn: {fpn: {out: 32}, from: [c2, c3, c4, c5]}}
head: {}
outputs: {p2: p2, p3: p3, p4: p4, p5: p5}
"""
SIZES = {"min_size": 64, "max_size": 96, "num_classes": 3}
NAMES = ["p2", "p3", "p4", "p5"]


@pytest.fixture
def backbone() -> nn.Module:
    torch.manual_seed(0)
    return archdsl.compile(archdsl.loads(PYRAMID))


def anchors() -> Any:
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    return AnchorGenerator(((8,), (16,), (32,), (48,)), ((0.5, 1.0, 2.0),) * 4)


def boxes() -> list[dict[str, Tensor]]:
    box = torch.tensor([[4.0, 4.0, 40.0, 40.0]])
    masks = torch.ones(1, 64, 64, dtype=torch.uint8)
    return [{"boxes": box, "labels": torch.tensor([1]), "masks": masks}]


def require_detector(model: nn.Module) -> None:
    """It learns from a box, and finds some."""
    image = torch.rand(3, 64, 64)
    losses = model.train()([image], boxes())
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is not None for p in model.backbone.parameters())
    with torch.no_grad():
        assert {"boxes", "scores", "labels"} <= model.eval()([image])[0].keys()


def test_a_pyramid_is_a_backbone_of_faster_and_mask_rcnn(backbone: nn.Module) -> None:
    assert backbone.out_channels == 32
    pool = MultiScaleRoIAlign(NAMES, 7, 2)
    require_detector(
        FasterRCNN(backbone, rpn_anchor_generator=anchors(), box_roi_pool=pool, **SIZES)
    )
    masks = MultiScaleRoIAlign(NAMES, 14, 2)
    require_detector(
        MaskRCNN(
            backbone,
            rpn_anchor_generator=anchors(),
            box_roi_pool=pool,
            mask_roi_pool=masks,
            **SIZES,
        )
    )


def test_a_pyramid_is_a_backbone_of_retinanet_and_fcos(backbone: nn.Module) -> None:
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    single = AnchorGenerator(((8,), (16,), (32,), (48,)), ((1.0,),) * 4)
    require_detector(RetinaNet(backbone, anchor_generator=anchors(), **SIZES))
    require_detector(FCOS(backbone, anchor_generator=single, **SIZES))


def test_maps_have_the_names_that_torchvisions_defaults_ask_for() -> None:
    names = {"0": "c2", "1": "c3", "2": "c4", "3": "c5"}
    made = archdsl.compile("resnet18", features=names)
    assert list(made(torch.zeros(1, 3, 64, 64))) == ["0", "1", "2", "3"]
    assert made.out_channels == [64, 128, 256, 512]
    assert made.feature_info["2"] == {"channels": 256, "reduction": 16}


@pytest.mark.parametrize("kind", ["deeplab", "fcn"])
def test_a_dilated_backbone_is_that_of_torchvisions_segmentation(kind: str) -> None:
    names = {"out": "c5", "aux": "c4"}
    backbone = archdsl.compile("resnet18", features=names, output_stride=8)
    head = DeepLabHead(512, 5) if kind == "deeplab" else FCNHead(512, 5)
    model = (DeepLabV3 if kind == "deeplab" else FCN)(backbone, head, FCNHead(256, 5))
    found = model.eval()(torch.zeros(1, 3, 64, 64))
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "out": (1, 5, 64, 64),
        "aux": (1, 5, 64, 64),
    }


@pytest.mark.parametrize("decoder", [smp.Unet, smp.FPN, smp.DeepLabV3Plus])
def test_smp_takes_specs_as_encoders_of_timm(decoder: Any) -> None:
    archdsl.timm.register("resnet18")
    model = decoder("tu-archdsl_resnet18", encoder_weights=None, in_channels=1, classes=2)
    assert model.eval()(torch.zeros(2, 1, 64, 64)).shape == (2, 2, 64, 64)
