"""The networks of the zoo are torchvision's and timm's: keys, shapes, order, outputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models import regnet

import archdsl
from archdsl.language.gallery import find, names, zoo
from tests.reference.fill import fill_

HUGE = {"regnet_y_128gf", "vit_h_14"}  # twice over, in float64, they take 10 GB


@contextmanager
def widths_first(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """RegNets work their widths out with tensors, which the meta device does not have."""
    found: list[Any] = []

    def keep(params: Any, *others: Any, **settings: Any) -> None:
        found.append(params)

    with monkeypatch.context() as patch:
        patch.setattr(regnet, "_regnet", keep)
        yield found


def original(name: str, monkeypatch: pytest.MonkeyPatch, device: str) -> nn.Module:
    """The network of this name in torchvision, or in timm if that has none."""
    if not hasattr(models, name) and not hasattr(models.video, name):
        with torch.device(device):
            other: nn.Module = timm.create_model(name)
            return other
    build = getattr(models, name, None) or getattr(models.video, name)
    if name.startswith("regnet"):
        with widths_first(monkeypatch) as found:
            build()
        (params,) = found
        with torch.device(device):
            return regnet.RegNet(params)
    with torch.device(device):
        made: nn.Module = build(weights=None)
        return made


def test_no_name_stands_twice() -> None:
    assert zoo() and not set(zoo()) & set(names())
    assert find("convnext_base").endswith("convnext_base.yaml")


@pytest.mark.parametrize("name", zoo())
def test_keys_shapes_and_their_order_are_the_originals(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, theirs = archdsl.load(name), original(name, monkeypatch, "meta")
    wanted = [(key, tuple(tensor.shape)) for key, tensor in theirs.state_dict().items()]
    assert [(key, weight.shape) for key, weight in graph.state.items()] == wanted
    assert archdsl.analyze(graph).total.parameters == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize(
    "name",
    [
        n if n == "mnasnet0_5" else pytest.param(n, marks=pytest.mark.slow)
        for n in zoo()
        if n not in HUGE
    ],
)
def test_outputs_are_the_originals_to_the_ninth_digit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = archdsl.load(name)
    ours = archdsl.compile(graph).double().eval()
    theirs = original(name, monkeypatch, "cpu").double().eval()
    state = theirs.state_dict()
    fill_(state)
    ours.load_state_dict(state)
    image = torch.rand(1, *graph.input.shape, dtype=torch.float64)
    with torch.no_grad():
        wanted = theirs(image)
        assert torch.allclose(ours(image), wanted, rtol=0, atol=1e-9 * float(wanted.abs().max()))
