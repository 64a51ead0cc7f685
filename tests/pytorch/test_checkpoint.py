"""Weights go into modules strictly, under other people's names, and out again."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

import archdsl
from archdsl.graph.renames import Rename, Renames

NET = """
archdsl: 1
name: net
input: [3, 8, 8]
params: {classes: 4}
backbone: {conv1: {conv: {out: 4, kernel: 3}}, bn1: batch_norm}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: classes}}}
weights:
  them: {keys: {"stem.conv{n}": "conv{n}", "stem.norm": bn1, output: fc, aux: null}}
"""


def net(classes: int = 4) -> torch.nn.Module:
    return archdsl.compile(archdsl.loads(NET.replace("classes: 4", f"classes: {classes}")))


def made(text: str) -> torch.nn.Module:
    return archdsl.compile(archdsl.loads(text))


def same(a: torch.nn.Module, b: torch.nn.Module, *but: str) -> bool:
    other = b.state_dict()
    return all(
        torch.equal(tensor, other[key])
        for key, tensor in a.state_dict().items()
        if not key.startswith(but)
    )


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_what_is_saved_is_loaded(tmp_path: Path, suffix: str) -> None:
    path = str(tmp_path / f"weights.{suffix}")
    first, second = net(), net()
    assert not same(first, second)
    archdsl.save_weights(first, path)
    archdsl.load_weights(second, path)
    assert same(first, second)


def test_a_file_that_a_training_loop_wrote_is_loaded_by_its_key(tmp_path: Path) -> None:
    path = str(tmp_path / "epoch.pth")
    first, second = net(), net()
    torch.save({"args": None, "model": first.state_dict(), "ema": first.state_dict()}, path)
    said = (
        r"epoch.pth does not hold a state_dict: it lies inside of a key; say `inside='model'`, or"
    )
    with pytest.raises(archdsl.CheckpointError, match=f"{said} 'ema'"):
        archdsl.load_weights(second, path)
    with pytest.raises(archdsl.CheckpointError, match="has no state_dict inside of `args`"):
        archdsl.load_weights(second, path, inside="args")
    archdsl.load_weights(second, path, inside="model")
    assert same(first, second)


def test_torchvisions_own_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    theirs = models.resnet18()
    torch.save(theirs.state_dict(), path)
    ours = archdsl.compile("resnet18")
    archdsl.load_weights(ours, path)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(image), theirs.eval()(image))


def renamed(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    names = {"conv1": "stem.conv1", "bn1": "stem.norm", "fc": "output"}
    state = module.state_dict().items()
    return {names[k.split(".")[0]] + "." + k.split(".")[1]: v.contiguous() for k, v in state}


def test_other_names_are_mapped_as_the_spec_says(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    first, second = net(), net()
    save_file({**renamed(first), "aux.weight": torch.zeros(1)}, path)
    archdsl.load_weights(second, path, renames=archdsl.loads(NET).renames["them"])
    assert same(first, second)


def test_a_new_classifier_is_left_out_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    first, second = net(), net(classes=7)
    archdsl.save_weights(first, path)
    before = second.get_submodule("fc").weight.clone()
    archdsl.load_weights(second, path, skip=["fc"])
    assert same(second, first, "fc")
    assert torch.equal(second.get_submodule("fc").weight, before)


def test_nothing_is_loaded_if_anything_does_not_fit_and_the_error_lists_it(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    first, second = net(), net(classes=7)
    state = {key: tensor.contiguous() for key, tensor in first.state_dict().items()}
    state["bn1.wieght"] = state.pop("bn1.weight")
    save_file(state, path)
    before = {key: tensor.clone() for key, tensor in second.state_dict().items()}
    with pytest.raises(archdsl.CheckpointError) as caught:
        archdsl.load_weights(second, path)
    assert str(caught.value).splitlines()[1:] == [
        "  1 key missing:",
        "    bn1.weight (nearest: bn1.wieght)",
        "  1 key left over:",
        "    bn1.wieght (nearest: bn1.weight)",
        "  2 keys of another shape:",
        "    fc.weight: (4, 4) for (7, 4)",
        "    fc.bias: (4,) for (7,)",
    ]
    assert all(torch.equal(second.state_dict()[key], tensor) for key, tensor in before.items())


@pytest.mark.parametrize(
    ("shape", "reshape", "fits"),
    [
        ((4, 4, 1, 1), True, True),
        ((4, 2, 2), True, True),
        ((2, 8), True, False),
        ((4, 4, 2), True, False),
        ((4, 4, 1, 1), False, False),
    ],
)
def test_axes_behind_the_first_may_differ_when_the_source_says_so(
    tmp_path: Path, shape: tuple[int, ...], reshape: bool, fits: bool
) -> None:
    path, module = tmp_path / "weights.pt", net()
    state = {**module.state_dict(), "fc.weight": torch.arange(torch.Size(shape).numel()).float()}
    state["fc.weight"] = state["fc.weight"].reshape(shape)
    torch.save(state, path)
    if fits:
        archdsl.load_weights(module, path, renames=Renames(reshape=reshape))
        assert torch.equal(module.get_submodule("fc").weight, torch.arange(16.0).reshape(4, 4))
    else:
        with pytest.raises(archdsl.CheckpointError, match="1 key of another shape"):
            archdsl.load_weights(module, path, renames=Renames(reshape=reshape))


class Harmful:
    """What a pickle may do when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.path),))

    def __init__(self, path: Path) -> None:
        self.path = str(path)


def test_no_code_in_a_file_runs(tmp_path: Path) -> None:
    path, mark = tmp_path / "harmful.pt", tmp_path / "it_ran"
    torch.save({"conv1.weight": Harmful(mark)}, path)
    with pytest.raises(archdsl.CheckpointError, match="not a file of weights"):
        archdsl.load_weights(net(), path)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harmful(mark)))
    with pytest.raises(archdsl.CheckpointError, match="not a file of weights"):
        archdsl.load_weights(net(), tmp_path / "plain.pt")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["missing.pt", "text.safetensors", "text.pt", "number.pt"])
def test_a_file_that_holds_no_weights_is_one_clear_error(tmp_path: Path, name: str) -> None:
    for text in ("text.safetensors", "text.pt"):
        (tmp_path / text).write_text("no weights")
    torch.save(3, tmp_path / "number.pt")
    with pytest.raises(archdsl.CheckpointError, match=name):
        archdsl.load_weights(net(), tmp_path / name)


def test_skipping_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    archdsl.save_weights(net(), path)
    with pytest.raises(archdsl.CheckpointError, match=r"neither module nor file .* `classifier`"):
        archdsl.load_weights(net(), path, skip=["classifier"])


def test_two_keys_that_become_one_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    archdsl.save_weights(net(), path)
    with pytest.raises(archdsl.CheckpointError, match="two keys"):
        archdsl.load_weights(net(), path, renames=Renames((Rename("bn1", "fc"),)))


BACKBONE = """
archdsl: 1
name: detector
input: [3, 8, 8]
under: {backbone: net.body}
backbone:
  conv1: {conv: {out: 4, kernel: 3}}
  layer1: [{conv: {out: 4, kernel: 3}}, batch_norm]
head: {fc: {conv: {out: 2, kernel: 1}}}
"""
CLASSIFIER = BACKBONE.replace("under: {backbone: net.body}", "")


def test_a_classifier_is_loaded_as_the_backbone_of_another_network(tmp_path: Path) -> None:
    path, detector = tmp_path / "weights.pt", made(BACKBONE)
    classifier = made(CLASSIFIER.replace("out: 2", "out: 1000"))
    archdsl.save_weights(classifier, path)
    before = detector.state_dict()["fc.weight"].clone()
    archdsl.load_weights(detector, path, under="net.body", skip=["fc"])
    state, theirs = detector.state_dict(), classifier.state_dict()
    assert torch.equal(state["fc.weight"], before)
    for key in theirs:
        assert key.startswith("fc") or torch.equal(state[f"net.body.{key}"], theirs[key])


def test_what_the_file_alone_has_is_left_out_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    archdsl.save_weights(made(CLASSIFIER), path)
    cut = made(CLASSIFIER.partition("head:")[0])
    archdsl.load_weights(cut, path, skip=["fc"])
    with pytest.raises(archdsl.CheckpointError, match="2 keys left over"):
        archdsl.load_weights(cut, path)
    with pytest.raises(archdsl.CheckpointError, match=r"neither module nor file .* `head`"):
        archdsl.load_weights(cut, path, skip=["fc", "head"])


def test_a_file_whose_keys_lie_deeper_here_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    archdsl.save_weights(made(CLASSIFIER), path)
    with pytest.raises(archdsl.CheckpointError, match=r"may lie at a path here: under='net.body'"):
        archdsl.load_weights(made(BACKBONE), path, skip=["fc"])


def test_an_empty_name_takes_a_level_away(tmp_path: Path) -> None:
    path, model = tmp_path / "weights.pt", made(CLASSIFIER)
    state = model.state_dict()
    torch.save({f"module.{key}": tensor + 1 for key, tensor in state.items()}, path)
    spec = CLASSIFIER + 'weights: {parallel: {keys: {module: ""}}}'
    renames = archdsl.loads(spec).renames["parallel"]
    loaded = made(CLASSIFIER)
    archdsl.load_weights(loaded, path, renames=renames)
    assert all(torch.equal(loaded.state_dict()[key], state[key] + 1) for key in state)
    torch.save({"module": torch.zeros(1)}, path)
    with pytest.raises(archdsl.CheckpointError, match="nothing is left of it"):
        archdsl.load_weights(loaded, path, renames=renames)
