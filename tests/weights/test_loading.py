"""Weights go into modules strictly, under other people's names, and out again."""

import json
import pickle
import re
import warnings
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from timm.models import adapt_input_conv
from torchvision import models

import archdsl
from archdsl.graph.renames import Rename, Renames
from archdsl.weights.loading import PREFIXES
from archdsl.weights.reading import WRAPPERS
from archdsl.weights.report import Report
from tests.examples import examples
from tests.random_specs import specs

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


@pytest.mark.parametrize("key", WRAPPERS)
def test_what_a_training_loop_saved_beside_other_things_is_found(key: str, tmp_path: Path) -> None:
    path = tmp_path / "epoch.pth"
    first, second = net(), net()
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1, momentum=0.9)
    saved = {"args": Namespace(lr=0.1, out=tmp_path), "epoch": 3, "best": 0.5}
    torch.save({**saved, "optimizer": optimizer.state_dict(), key: first.state_dict()}, path)
    report = archdsl.load_weights(second, path)
    assert same(first, second)
    assert report.reading == (f"what is inside of `{key}`",)


def test_the_state_dict_that_is_not_taken_is_named_and_can_be_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "epoch.pth")
    model, average, loaded = net(), net(), net()
    states = {"model": model.state_dict(), "model_ema": average.state_dict()}
    torch.save({**states, "student": net().state_dict()}, path)
    report = archdsl.load_weights(loaded, path)
    assert report.reading == ("what is inside of `model` (`model_ema`, `student` not)",)
    assert same(model, loaded)
    archdsl.load_weights(loaded, path, inside="model_ema")
    assert same(average, loaded)
    with pytest.raises(archdsl.CheckpointError, match="has no state_dict inside of `args`"):
        archdsl.load_weights(loaded, path, inside="args")


def test_a_file_whose_state_dicts_have_names_of_its_own_says_them(tmp_path: Path) -> None:
    path = str(tmp_path / "epoch.pth")
    torch.save({"args": None, "student": net().state_dict(), "ema": net().state_dict()}, path)
    said = r"does not hold a state_dict: it lies inside of a key; say `inside='student'`, or 'ema'"
    with pytest.raises(archdsl.CheckpointError, match=f"epoch.pth {said}"):
        archdsl.load_weights(net(), path)


def test_an_average_among_the_keys_is_named_and_can_be_asked_for() -> None:
    model, average, loaded = net(), net(), net()
    state = prefixed(model.state_dict(), "online.") | prefixed(average.state_dict(), "ema.model.")
    with pytest.raises(archdsl.CheckpointError) as caught:
        archdsl.load_weights(loaded, {"state_dict": state})
    last = str(caught.value).splitlines()[-1]
    assert last.endswith("path in the file: inside='online' or inside='ema.model'")
    report = archdsl.load_weights(loaded, {"state_dict": state}, inside="ema.model")
    assert same(average, loaded)
    assert report.reading == ("what is inside of `state_dict.ema.model`",)
    assert report.left == tuple(f"online.{key}" for key in model.state_dict())
    with pytest.raises(archdsl.CheckpointError, match=r"has no state_dict inside of `ema\.mod`"):
        archdsl.load_weights(loaded, {"state_dict": state}, inside="ema.mod")


def test_arrays_are_loaded_as_tensors_are(tmp_path: Path) -> None:
    first, second = net(), net()
    arrays = {key: tensor.numpy() for key, tensor in first.state_dict().items()}
    archdsl.load_weights(second, {"state_dict": arrays})
    assert same(first, second)
    np.savez(tmp_path / "net.npz", **arrays)
    third = net()
    with np.load(tmp_path / "net.npz") as file:
        archdsl.load_weights(third, file)
    assert same(first, third)
    with pytest.raises(archdsl.CheckpointError, match=r"`fc\.bias` of the mapping is no tensor"):
        archdsl.load_weights(third, {**arrays, "fc.bias": np.array(["one"])})


def test_archives_of_others_are_called_what_they_are(tmp_path: Path) -> None:
    model, example = net(), torch.rand(2, 3, 8, 8)
    np.savez(tmp_path / "net.npz", weight=np.ones(3))
    made = archdsl.export(model, tmp_path, to=["torchscript", "pt2"])
    files = {
        tmp_path / "net.npz": "it is NumPy's; give what `numpy.load",
        made["torchscript"]: "it is TorchScript's, which could run; give what `torch.jit.load",
        made["pt2"]: "it is torch.export's, which could run; give what `torch.export.load",
    }
    for path, said in files.items():
        with pytest.raises(archdsl.CheckpointError, match=re.escape(f"of weights: {said}")):
            archdsl.load_weights(net(), path)
    again = net()
    archdsl.load_weights(again, torch.export.load(made["pt2"]).state_dict)
    with torch.no_grad():
        assert torch.equal(again.eval()(example), model.eval()(example))


def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(archdsl.CheckpointError, match="is a folder, not a file of weights"):
        archdsl.load_weights(net(), tmp_path)
    with pytest.raises(archdsl.UsageError, match=r"not a Net: give its `state_dict\(\)`"):
        archdsl.load_weights(net(), net())  # type: ignore[arg-type]


def test_a_state_dict_in_a_key_of_a_key_is_named_and_can_be_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "epoch.pth")
    model, loaded = net(), net()
    moments = {0: {"step": torch.zeros(())}}
    torch.save({"ema": {"module": model.state_dict()}, "optimizer": {"state": moments}}, path)
    with pytest.raises(archdsl.CheckpointError, match=r"a key; say `inside='ema.module'`$"):
        archdsl.load_weights(loaded, path)
    with pytest.raises(archdsl.CheckpointError, match=r"a key; say `inside='ema.module'`$"):
        archdsl.load_weights(loaded, path, inside="ema")
    archdsl.load_weights(loaded, path, inside="ema.module")
    assert same(model, loaded)


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


# readings that fit


def prefixed(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: tensor for key, tensor in state.items()}


@pytest.mark.parametrize("prefix", [*PREFIXES, "module.model.", "model.backbone.", "net.", "a.b."])
def test_a_prefix_is_taken_off_where_that_makes_it_fit(prefix: str) -> None:
    first, second = net(), net()
    state = prefixed(first.state_dict(), prefix)
    report = archdsl.load_weights(second, {**state, "loss.weight": torch.ones(3)} if
                                  prefix == "model." else state)  # fmt: skip
    assert same(first, second)
    assert report.reading == (f"without the prefix `{prefix}`",)
    assert report.left == (("loss.weight",) if prefix == "model." else ())


def test_a_prefix_that_is_the_networks_own_is_kept() -> None:
    text = NET.replace("name: net", "name: net\nunder: {backbone: module, head: module}")
    first, second = made(text), made(text)
    assert archdsl.load_weights(second, first.state_dict()).reading == ()
    assert same(first, second)


def test_what_wrappers_put_inside_of_paths_is_taken_out() -> None:
    first, second = net(), net()
    state = {k.replace("conv1.", "conv1._orig_mod."): v for k, v in first.state_dict().items()}
    for prefix in ("module.", "_orig_mod.module.", "module._orig_mod."):
        report = archdsl.load_weights(second, prefixed(state, prefix))
        assert same(first, second)
        said = "without `_orig_mod` in its keys", "without the prefix `module.`"
        assert report.reading == said
        assert report.left == ()


def test_the_names_of_a_source_are_found_by_what_fits_or_by_its_name() -> None:
    first, second = net(), net()
    report = archdsl.load_weights(second, renamed(first))
    assert same(first, second)
    assert report.reading == ("by the names of them",)
    assert report.renamed["output.bias"] == "fc.bias"
    assert archdsl.load_weights(second, renamed(first), renames="them").renamed == report.renamed
    with pytest.raises(archdsl.UsageError, match="no names of then; did you mean `them`"):
        archdsl.load_weights(second, renamed(first), renames="then")


def test_the_error_is_about_the_nearest_reading() -> None:
    state = prefixed(renamed(net()), "module.")
    del state["module.output.bias"]
    with pytest.raises(archdsl.CheckpointError) as caught:
        archdsl.load_weights(net(), {"model": state})
    assert str(caught.value).splitlines() == [
        "the mapping does not fit the module (what is inside of `model`, without the prefix "
        "`module.`, by the names of them):",
        "  1 key missing:",
        "    fc.bias",
    ]


@settings(
    max_examples=examples(12, 400),
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(specs(), st.data())
def test_weights_of_any_network_come_back_however_they_are_wrapped(
    made_spec: tuple[dict[str, Any], Any], data: st.DataObject
) -> None:
    spec = dict(made_spec[0])
    levels = {key.split(".")[0] for key in archdsl.loads(json.dumps(spec)).state}
    moved = data.draw(st.sets(st.sampled_from(sorted(levels)))) if levels else set()
    names = {name: f"theirs.{n}.of_it" for n, name in enumerate(sorted(moved))}
    if moved:
        spec["weights"] = {"them": {"keys": {theirs: name for name, theirs in names.items()}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        graph = archdsl.loads(json.dumps(spec))
    first, second = archdsl.compile(graph), archdsl.compile(graph)
    for tensor in first.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape).abs() * 9)
    given_ = {}
    for key, tensor in first.state_dict().items():
        head, dot, rest = key.partition(".")
        given_[names.get(head, head) + dot + rest] = tensor
    if given_:
        for prefix in data.draw(st.lists(st.sampled_from(PREFIXES), max_size=2)):
            given_ = prefixed(given_, prefix)
    wrapped: dict[str, Any] = given_
    if wrapper := data.draw(st.sampled_from(["", *WRAPPERS])):
        wrapped = {wrapper: given_, "epoch": 1, "optimizer": {"state": {}}}
    report = archdsl.load_weights(second, wrapped)
    assert same(first, second)
    assert {*report.taken, *report.renamed.values()} == set(second.state_dict())
    assert (report.left, report.missing, report.adapted) == ((), (), {})


# other networks' files

BASE = """
archdsl: 1
name: base
input: [3, 16, 16]
params: {classes: 10, depth: 2}
backbone:
  conv1: {conv: {out: 4, kernel: 3, bias: false}}
  layer{i + 1}:
    seq: [{conv: {out: 4, kernel: 3}}, batch_norm, {relu: {}, tap: "c{i + 1}"}]
    repeat: depth
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: classes}}}
"""
DETECTOR = """
archdsl: 1
extends: base.yaml
name: detector
params: {classes: 3}
under: {backbone: backbone.body, neck: backbone.neck}
neck: {lateral: {conv: {out: 6, kernel: 1}}}
head: {fc: {conv: {out: classes, kernel: 1}}}
"""
OTHER_HEAD = """
archdsl: 1
extends: base.yaml
name: other_head
head: {pool: global_avg_pool, flatten: flatten, classifier: {linear: {out: 2}}}
"""


@pytest.fixture
def family(tmp_path: Path) -> Path:
    texts = {"base": BASE, "detector": DETECTOR, "other_head": OTHER_HEAD}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    archdsl.save_weights(archdsl.compile(tmp_path / "base.yaml"), tmp_path / "base.pt")
    return tmp_path


def test_a_backbone_takes_its_part_of_a_classifiers_file(family: Path) -> None:
    state = torch.load(family / "base.pt")
    backbone = archdsl.compile(family / "base.yaml", features=["c1"], weights=family / "base.pt")
    report = backbone.loaded
    assert report.reading == ("as a file of base",)
    assert set(report.left) == state.keys() - backbone.state_dict().keys()
    assert all(torch.equal(t, state[key]) for key, t in backbone.state_dict().items())
    cut = {k: v for k, v in state.items() if not k.startswith(("fc", "layer2"))}
    assert archdsl.load_weights(backbone, cut).left == ()


@pytest.mark.parametrize("name", ["detector", "other_head"])
def test_a_network_with_another_head_takes_what_it_took_over(family: Path, name: str) -> None:
    state = torch.load(family / "base.pt")
    with pytest.warns(UserWarning, match=r"missing in the file, as before:\n    (head|class|back)"):
        model = archdsl.compile(family / f"{name}.yaml", weights=family / "base.pt")
    own = model.state_dict()
    place = "backbone.body." if name == "detector" else ""
    body = [key for key in state if not key.startswith("fc")]
    assert len(body) > 10
    assert all(torch.equal(own[place + key], state[key]) for key in body)
    report = model.loaded
    assert report.left == ("fc.weight", "fc.bias")
    assert set(report.missing) == own.keys() - {place + key for key in body}


def test_a_network_of_another_depth_is_no_ancestor(family: Path) -> None:
    deeper = DETECTOR.replace("classes: 3", "classes: 3, depth: 3")
    (family / "deeper.yaml").write_text(deeper)
    with pytest.raises(archdsl.CheckpointError, match="does not fit the module"):
        archdsl.compile(family / "deeper.yaml", weights=family / "base.pt")


def test_an_ancestor_with_an_op_replaced_is_another_network(family: Path) -> None:
    changed = {"replace": {"batch_norm": {"group_norm": {"groups": 2}}}}
    with pytest.raises(archdsl.CheckpointError, match="does not fit the module"):
        archdsl.compile(family / "detector.yaml", weights=family / "base.pt", **changed)


def test_a_detector_starts_from_torchvisions_classifier() -> None:
    theirs = models.resnet50().state_dict()
    ours = archdsl.compile("retinanet_resnet50_fpn")
    report = archdsl.load_weights(ours, theirs)
    state = ours.state_dict()
    body = {key: tensor for key, tensor in theirs.items() if not key.startswith("fc.")}
    assert all(torch.equal(state[f"backbone.body.{key}"], body[key]) for key in body)
    assert report.left == ("fc.weight", "fc.bias")
    assert not [key for key in report.missing if key.startswith("backbone.body.")]


# other numbers of classes and of channels


def test_other_classes_are_left_as_they_are_when_asked() -> None:
    first, second = net(), net(classes=7)
    before = second.get_submodule("fc").weight.clone()
    with pytest.raises(archdsl.CheckpointError, match=r"adapt=\['classes'\] takes over all but"):
        archdsl.load_weights(second, first.state_dict())
    report = archdsl.load_weights(second, first.state_dict(), adapt=["classes"])
    assert same(second, first, "fc")
    assert torch.equal(second.get_submodule("fc").weight, before)
    assert list(report.adapted) == ["fc.weight", "fc.bias"]
    assert "4 classes in the file, 7 here: as it was before" in str(report)


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7])
def test_other_input_channels_are_adapted_as_timm_does(channels: int) -> None:
    first, second = net(), made(NET.replace("input: [3", f"input: [{channels}"))
    with pytest.raises(archdsl.CheckpointError, match=r"adapt=\['channels'\]"):
        archdsl.load_weights(second, first.state_dict())
    report = archdsl.load_weights(second, first.state_dict(), adapt=["channels"])
    expected = adapt_input_conv(channels, first.get_parameter("conv1.weight").detach())
    assert torch.equal(second.get_parameter("conv1.weight").detach(), expected)
    assert same(second, first, "conv1.weight")
    assert list(report.adapted) == ["conv1.weight"]


def test_a_single_name_needs_no_list(tmp_path: Path) -> None:
    second = net(classes=7)
    assert "fc.bias" in archdsl.load_weights(second, net().state_dict(), adapt="classes").adapted
    assert archdsl.load_weights(second, net().state_dict(), skip="fc").left
    assert list(archdsl.export(second, tmp_path, to="safetensors")) == ["safetensors"]
    assert "c3" in archdsl.compile("resnet18", features="c3").feature_info


def test_only_what_is_known_is_adapted() -> None:
    with pytest.raises(
        archdsl.UsageError, match="adapt takes 'classes' and 'channels', not 'size'"
    ):
        archdsl.load_weights(net(), {}, adapt=["size"])
    with pytest.raises(archdsl.UsageError, match="adapt is for a module that archdsl compiled"):
        archdsl.load_weights(torch.nn.Linear(1, 1), {}, adapt=["classes"])
    with pytest.raises(archdsl.UsageError, match="there are none"):
        archdsl.compile(archdsl.loads(NET), adapt=["classes"])
    with pytest.raises(archdsl.UsageError, match="not an int"):
        archdsl.load_weights(net(), 3)  # type: ignore[arg-type]


# what a file says of itself


def test_safetensors_say_what_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    graph = archdsl.loads(NET)
    archdsl.save_weights(archdsl.compile(graph), path)
    with safe_open(path, "pt") as file:
        said = file.metadata()
    assert (said["archdsl"], said["name"]) == (archdsl.__version__, "net")
    assert json.loads(said["params"]) == {"classes": 4}
    assert archdsl.compile(archdsl.loads(said["spec"])).state_dict().keys() == set(graph.state)
    again = tmp_path / "again.safetensors"
    archdsl.save_weights(archdsl.compile(archdsl.loads("\n\n" + NET)), again)
    with safe_open(again, "pt") as file:
        assert file.metadata()["graph"] == said["graph"], "places in the text are no difference"
    archdsl.save_weights(
        archdsl.compile(archdsl.loads(NET.replace("kernel: 3", "kernel: 5"))), again
    )
    with safe_open(again, "pt") as file:
        assert file.metadata()["graph"] != said["graph"]
    assert archdsl.load_weights(net(), path).origin == f"net by archdsl {archdsl.__version__}"
    with pytest.raises(archdsl.CheckpointError, match="the file was saved from net by archdsl"):
        archdsl.load_weights(net(classes=7), path)


def test_a_file_that_would_unpack_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10_000_000))
    with pytest.raises(archdsl.CheckpointError, match="would unpack to 10,000,000 bytes"):
        archdsl.load_weights(net(), path)


def test_a_file_may_lack_the_heads_that_only_training_has_as_a_whole() -> None:
    text = (
        NET
        + "aux: {side: {seq: {pool: global_avg_pool, flat: flatten, out: {linear: {out: 2}}}}}\n"
    )
    first, second = made(text), made(text)
    state = {k: v for k, v in first.state_dict().items() if not k.startswith("side")}
    report = archdsl.load_weights(second, state)
    assert same(first, second, "side")
    assert report.missing == ("side.out.weight", "side.out.bias")
    with pytest.raises(archdsl.CheckpointError, match=r"1 key missing:\n    side.out.bias"):
        archdsl.load_weights(second, {**state, "side.out.weight": torch.zeros(2, 4)})


def test_a_report_counts_what_was_renamed_among_what_was_loaded() -> None:
    report = Report("w.pt", taken=("a.weight",), renamed={"old.bias": "a.bias"})
    assert str(report).startswith("w.pt: 2 tensors loaded\n")
