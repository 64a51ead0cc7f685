"""The networks of others that those of the zoo are held to."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import segmentation_models_pytorch as smp
import timm
import torch
from timm.utils.model import reparameterize_model
from torch import Tensor, nn
from torchvision import models
from torchvision.models import regnet

from tests.gallery.written import efficientdet, pspnet, temporal, yolo

# What is not to be had by our name alone.
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "cbam_resnet50": lambda: timm.create_model("resnet50", block_args={"attn_layer": "cbam"}),
    "repvgg_a0_folded": lambda: reparameterize_model(timm.create_model("repvgg_a0")),
    "yolov5s": lambda: yolo.Yolo(yolo.V5, depth=0.33, width=0.5),
    "yolov8n": lambda: yolo.Yolo(yolo.V8, depth=0.33, width=0.25),
    "efficientdet_d0": efficientdet.EfficientDetD0,
    "pspnet_resnet50": pspnet.pspnet,
    "tcn_mnist": temporal.Tcn,
    "two_stream": temporal.TwoStream,
    "wavenet": temporal.WaveNet,
    "unetplusplus_resnet34": lambda: smp.UnetPlusPlus("resnet34", encoder_weights=None),
}


def build(name: str, device: str = "cpu") -> nn.Module:
    """The network of this name: torchvision's, or timm's if that has none, or what is said here."""
    make: Callable[[], Any] = OTHERS.get(name, lambda: timm.create_model(name))
    if name in models.list_models():
        settings = {"weights": None}
        if name in models.list_models(module=models.segmentation):
            settings["weights_backbone"] = None
        make = _regnet(name) if name.startswith("regnet") else _torchvisions(name, settings)
        if name in models.list_models(module=models.detection):
            make = _detector(name)
    with torch.device(device):
        made: nn.Module = make()
    return made


def _torchvisions(name: str, settings: dict[str, None]) -> Callable[[], Any]:
    return lambda: models.get_model(name, **settings)


def _regnet(name: str) -> Callable[[], Any]:
    """RegNets work their widths out with tensors, which the meta device does not have."""
    with mock.patch.object(regnet, "_regnet") as made:
        models.get_model(name, weights=None)
    return lambda: regnet.RegNet(made.call_args.args[0])


def _detector(name: str) -> Callable[[], nn.Module]:
    """A detector of torchvision up to its last maps, without what takes images or regions."""

    def make() -> nn.Module:
        model: Any = models.get_model(name, weights=None, weights_backbone=None)
        forward = _logits_of_heads
        if hasattr(model, "rpn"):
            del model.roi_heads
            forward = _logits_of_proposals
        elif name.startswith("ssd"):
            forward = _logits_of_lists
        model.forward = lambda image: forward(model, list(model.backbone(image).values()))
        return model

    return make


def _logits_of_proposals(model: Any, maps: list[Tensor]) -> list[Tensor]:
    logits, boxes = model.rpn.head(maps)
    return [*logits, *boxes]


def _logits_of_heads(model: Any, maps: list[Tensor]) -> list[Tensor]:
    classes, boxes = model.head.classification_head, model.head.regression_head
    logits = [classes.cls_logits(classes.conv(x)) for x in maps]
    between = [boxes.conv(x) for x in maps]
    sides = [boxes.bbox_reg(x) for x in between]
    if not hasattr(boxes, "bbox_ctrness"):
        return [*logits, *sides]
    return [*logits, *(x.relu() for x in sides), *(boxes.bbox_ctrness(x) for x in between)]


def _logits_of_lists(model: Any, maps: list[Tensor]) -> list[Tensor]:
    heads = model.head.classification_head.module_list, model.head.regression_head.module_list
    return [part(x) for head in heads for part, x in zip(head, maps, strict=True)]
