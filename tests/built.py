"""Networks of the gallery, each read, written and made once a process: nobody changes them."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.graph.graph import Graph
from archdsl.language.gallery import names

VARIED = {  # which together have every op of the gallery; test_blocks_by_argument has every block
    "alexnet_paper", "convnext_tiny", "cspresnet50", "deeplabv3_resnet50", "densenet40_k12_cifar10",
    "densenetblur121d", "dla34", "efficientnet_b0", "ese_vovnet39b", "ghostnet_100", "googlenet",
    "hrnet_w18", "inception_v4", "mobilenet_v2", "mobilenet_v3_small", "mobilenetv4_conv_small",
    "nfnet_f0", "regnet_y_400mf", "repvgg_a0", "res2net50_26w_4s", "resnest14d", "resnet18",
    "resnet50", "resnetv2_50", "retinanet_resnet50_fpn", "shufflenet_v2_x1_0", "squeezenet1_1",
    "swin_t", "unet", "vit_b_16",
}  # fmt: skip


def quick(few: Iterable[str] = VARIED) -> list[Any]:
    """The gallery as parameters of a test, of which these are tried by default, all if slow."""
    chosen = set(few)
    assert chosen <= set(names()), "networks that are not in the gallery would not be missed"
    return [pytest.param(n, marks=[] if n in chosen else [pytest.mark.slow]) for n in names()]


@cache
def graph(name: str) -> Graph:
    return archdsl.load(name)


@cache
def source(name: str) -> str:
    """Its source, which `emit` has proved to be the graph."""
    return archdsl.emit(graph(name))


def levels(name: str) -> list[str]:
    """Its features, as a pyramid takes them."""
    return [tap for tap in ("c2", "c3", "c4", "c5") if tap in graph(name).taps]


@cache
def backbone(name: str) -> str:
    """The source of the part that gives these."""
    return archdsl.emit(graph(name), features=levels(name))


@cache
def module(name: str) -> nn.Module:
    """Its module on the meta device, to be looked at and run; what trains or converts it copies."""
    with torch.device("meta"):
        return archdsl.compile(graph(name)).eval()


def image(name: str, images: int = 2) -> torch.Tensor:
    """What it takes, on the meta device."""
    return torch.empty(images, *graph(name).input.shape, device="meta")
