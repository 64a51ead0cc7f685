"""Results that exist in training only are torchvision's own, value by value."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

import archdsl


def same_weights(ours: nn.Module, theirs: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Both with theirs' weights, in training but without chance."""
    ours.load_state_dict(theirs.state_dict(), strict=True)
    for module in (ours, theirs):
        module.train()
        for part in module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
    return ours, theirs


def image(size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert expected.std() > 0
    assert float((found - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "size"),
    [("googlenet", 64), pytest.param("inception_v3", 299, marks=pytest.mark.slow)],
)
def test_side_classifiers_give_what_torchvisions_do(name: str, size: int) -> None:
    torch.manual_seed(0)
    plain: dict[str, Any] = {"aux_logits": True, "init_weights": False, "transform_input": False}
    ours, theirs = same_weights(archdsl.compile(name), getattr(models, name)(**plain))
    found, expected = ours(image(size)), theirs(image(size))
    assert type(found).__name__ == type(expected).__name__
    assert found._fields == expected._fields
    for mine, other in zip(found, expected, strict=True):
        assert_close(mine, other)
    assert torch.equal(ours.eval()(image(size)), theirs.eval()(image(size)))


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["fcn_resnet50", pytest.param("deeplabv3_resnet50", marks=pytest.mark.slow)]
)
def test_the_second_head_of_a_segmentation_net_is_torchvisions(name: str) -> None:
    torch.manual_seed(0)
    reference = getattr(models.segmentation, name)
    ours, theirs = same_weights(
        archdsl.compile(name, params={"aux_loss": True}),
        reference(weights=None, weights_backbone=None, aux_loss=True),
    )
    found, expected = ours(image(33)), theirs(image(33))
    assert list(found) == list(expected) == ["out", "aux"]
    for name, other in expected.items():
        assert_close(found[name], other)
    alone = ours.eval()(image(33))
    assert list(alone) == ["out"]
    assert torch.equal(alone["out"], theirs.eval()(image(33))["out"])
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize(("base", "theirs"), [("inception_v3", "AuxLogits"), ("googlenet", "aux")])
def test_a_spec_that_extends_one_takes_its_side_classifiers_away(base: str, theirs: str) -> None:
    plain: dict[str, Any] = {"aux_logits": False, "init_weights": False}
    with torch.device("meta"):
        expected = list(getattr(models, base)(**plain).state_dict())
    graph = archdsl.loads(f"archdsl: 1\nextends: {base}\nname: plain\naux: {{}}\n")
    assert list(graph.state) == expected
    assert graph.aux == {}
    assert any(key.startswith(theirs) for key in archdsl.load(base).state)


def test_an_aux_of_its_own_goes_in_the_place_of_the_bases() -> None:
    own = "aux: {early: {seq: {pool: global_avg_pool, flatten: flatten}, from: c3}}"
    graph = archdsl.loads(f"archdsl: 1\nextends: inception_v3\nname: other\n{own}\n")
    assert graph.aux == {"early": "early.flatten"}
