"""The names that torchvision's published files have: its own loading reads them, and so does ours.

torchvision renames densenets' keys when it fetches their files; the others' its modules rename,
which is the oracle here.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import densenet
from torchvision.models.detection import fasterrcnn_resnet50_fpn, retinanet_resnet50_fpn
from torchvision.models.segmentation import fcn_resnet50

import archdsl
from archdsl.language.gallery import find, names

Build = Callable[[], nn.Module]
CONVOLVED = (r"(inner_blocks|layer_blocks)\.(\d+)\.0\.(weight|bias)", r"\1.\2.\3")


def _as_it_was(match: "re.Match[str]") -> str:
    """Convolutions stood between activations in one row."""
    return f"{match[1]}.conv.{2 * int(match[2])}.{match[3]}"


OLD: dict[str, tuple[Build, list[tuple[str, str | Callable[["re.Match[str]"], str]]]]] = {
    "vit_b_16": (
        models.vit_b_16,
        [(r"mlp\.0\.", "mlp.linear_1."), (r"mlp\.3\.", "mlp.linear_2.")],
    ),
    "retinanet_resnet50_fpn": (
        lambda: retinanet_resnet50_fpn(weights_backbone=None),
        [CONVOLVED, (r"(\w+_head)\.conv\.(\d)\.0\.(weight|bias)", _as_it_was)],
    ),
    "fasterrcnn_resnet50_fpn": (
        lambda: fasterrcnn_resnet50_fpn(weights_backbone=None),
        [CONVOLVED, (r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv.")],
    ),
    "fcn_resnet50": (lambda: fcn_resnet50(weights_backbone=None, aux_loss=True), []),
    "resnet50_fpn": (
        lambda: fasterrcnn_resnet50_fpn(weights_backbone=None).backbone,
        [CONVOLVED],
    ),
}


def filled(module: nn.Module) -> dict[str, Tensor]:
    """Its state with values of which no two are alike."""
    state = dict(module.state_dict())
    for n, (key, tensor) in enumerate(state.items()):
        if tensor.is_floating_point():
            state[key] = torch.full_like(tensor, n)
    return state


@pytest.mark.parametrize("name", OLD)
def test_files_under_their_old_names_are_loaded_as_torchvision_does(name: str) -> None:
    build, changes = OLD[name]
    theirs = build()
    state = filled(theirs)
    old = {}
    for key, tensor in state.items():
        for pattern, replacement in changes:
            key = re.sub(pattern, replacement, key)
        old[key] = tensor
    assert not changes or old.keys() != state.keys()
    theirs.load_state_dict(dict(old))  # without the version, so that it renames
    ours = archdsl.compile(name)
    report = archdsl.load_weights(ours, old)
    found, expected = ours.state_dict(), theirs.state_dict()
    assert report.reading == ("by the names of torchvision",)
    assert {*report.taken, *report.renamed.values()} == {
        key for key in found if not key.endswith("num_batches_tracked")
    } | {key for key in found if key in old}
    for key, tensor in found.items():
        if key in expected:
            assert torch.equal(tensor, expected[key]), key
    assert set(report.left) == {k for k in old if k.startswith(("roi_heads", "aux_classifier"))}


def test_densenets_published_files_are_loaded_as_torchvision_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = models.densenet121()
    state = filled(theirs)
    old = {
        re.sub(r"(norm|conv)([12])\.", r"\1.\2.", key): tensor
        for key, tensor in state.items()
        if not key.endswith("num_batches_tracked")  # which there was not yet
    }
    weights = models.DenseNet121_Weights.IMAGENET1K_V1
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_, **__: dict(old))
    densenet._load_state_dict(theirs, weights, progress=False)
    ours = archdsl.compile("densenet121")
    archdsl.load_weights(ours, old)
    found = ours.state_dict()
    assert found.keys() == theirs.state_dict().keys()
    assert all(torch.equal(found[key], t) for key, t in theirs.state_dict().items() if t.dim())


def test_the_second_head_of_a_file_is_taken_where_the_network_has_it() -> None:
    theirs = fcn_resnet50(weights_backbone=None, aux_loss=True)
    ours = archdsl.compile("fcn_resnet50", params={"aux_loss": True})
    assert archdsl.load_weights(ours, theirs.state_dict()).left == ()


def test_every_spec_that_has_torchvisions_names_is_tried_here() -> None:
    written = {
        name
        for name in names()
        if "\n  torchvision:\n" in Path(find(name)).read_text(encoding="utf-8")
    }
    assert written == {*OLD, "densenet121"}
