"""Networks of specs as models of timm: what its training script asks them for."""

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import group_parameters, load_checkpoint
from timm.optim import create_optimizer_v2
from timm.optim._param_groups import param_groups_layer_decay
from timm.utils import CheckpointSaver, ModelEmaV3
from torch import nn

import archdsl
from archdsl.timm.parts import Parts, single
from tests.built import graph as read
from tests.built import quick

NET = """
archdsl: 1
name: small
input: [3, 32, 32]
params: {classes: 10, dropout: 0.0}
blocks:
  unit:
    params: {out: int, stride: 1}
    body:
      conv: {conv: {out: out, kernel: 3, stride: stride, bias: false}}
      bn: batch_norm
      relu: relu
backbone:
  stem: {unit: {out: 8, stride: 2}, tap: c1}
  stage1: {unit: {out: 12, stride: 2}, repeat: 2, tap: c2}
  stage2: {unit: {out: 16, stride: 2}, repeat: 1, tap: c4}
head:
  pool: global_avg_pool
  flatten: flatten
  drop: {dropout: {rate: dropout}}
  fc: {linear: {out: classes}}
"""


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("specs") / "small.yaml"
    path.write_text(NET)
    (found,) = archdsl.timm.register(path)
    yield found


@pytest.fixture(scope="module")
def model(name: str) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name).eval()


IMAGE = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_gallery_is_registered_and_listed() -> None:
    assert "archdsl_resnet50" in archdsl.timm.register()
    assert "archdsl_resnet50" in timm.list_models("archdsl_*")
    assert "archdsl_resnet50.a1_in1k" in timm.list_pretrained("archdsl_resnet50*")
    config = timm.get_pretrained_cfg("archdsl_resnet50.a1_in1k")
    theirs = timm.get_pretrained_cfg("resnet50.a1_in1k")
    for key in ("hf_hub_id", "mean", "std", "interpolation", "num_classes", "input_size"):
        assert getattr(config, key) == getattr(theirs, key)
    assert config.crop_pct == pytest.approx(theirs.crop_pct, abs=5e-3)


def test_a_model_has_the_keys_of_the_spec_and_its_class_is_the_emitted(model: nn.Module) -> None:
    assert set(model.state_dict()) == set(archdsl.loads(NET).state)
    assert type(model).__name__ == "Small"


def test_features_and_head_are_the_network(model: Any) -> None:
    with torch.no_grad():
        features, whole = model.forward_features(IMAGE), model(IMAGE)
        assert features.shape == (2, model.num_features, 4 // 2, 4 // 2)
        assert torch.equal(model.forward_head(features), whole)
        before = model.forward_head(features, pre_logits=True)
        assert before.shape == (2, model.head_hidden_size)
        assert torch.equal(model.get_classifier()(before), whole)
        last, maps = model.forward_intermediates(IMAGE)
        assert torch.equal(last, features)
        assert [m.shape[1:] for m in maps] == [(8, 16, 16), (12, 4, 4), (16, 2, 2)]
        two = model.forward_intermediates(IMAGE, indices=2, intermediates_only=True)
        assert [torch.equal(a, b) for a, b in zip(two, maps[1:], strict=True)] == [True, True]


def test_what_is_known_of_features_is_timms_object(model: Any) -> None:
    info = model.feature_info
    assert (info.channels(), info.reduction()) == ([8, 12, 16], [2, 8, 16])
    assert all(path in dict(model.named_modules()) for path in info.module_name())


def test_the_classifier_is_reset(name: str) -> None:
    model = timm.create_model(name)
    model.reset_classifier(7)
    assert (model.num_classes, model(IMAGE).shape) == (7, (2, 7))
    model.reset_classifier(0)
    assert model(IMAGE).shape == (2, model.head_hidden_size)
    assert timm.create_model(name, num_classes=0)(IMAGE).shape == (2, 16)
    with pytest.raises(archdsl.UsageError, match="cannot be 'max'"):
        model.reset_classifier(7, "max")


def test_options_of_the_call_are_parameters_of_the_spec(name: str) -> None:
    model = timm.create_model(name, num_classes=5, in_chans=1, drop_rate=0.25)
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 5)
    assert model.get_submodule("drop").p == 0.25
    with pytest.raises(archdsl.UsageError, match="no such parameter"):
        timm.create_model(name, drop_path_rate=0.1)


def test_features_only_gives_the_levels_in_a_list(name: str, model: nn.Module) -> None:
    features = timm.create_model(name, features_only=True, out_indices=(0, 2))
    features.load_state_dict(
        {k: v for k, v in model.state_dict().items() if k in features.state_dict()}
    )
    with torch.no_grad():
        maps = features.eval()(IMAGE)
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 16, 16), (16, 2, 2)]
    assert features.feature_info.channels() == [8, 16]
    assert copy.deepcopy(features)(IMAGE)[1].shape == maps[1].shape


def test_maps_with_their_channels_last_are_given_as_timm_has_them() -> None:
    archdsl.timm.register("swin_t")
    image = torch.rand(1, 3, 64, 64)
    small = {"width": 24, "depths": [1, 1, 1, 1], "heads": [1, 1, 1, 1]}
    features = timm.create_model("archdsl_swin_t", features_only=True, out_indices=(0, 2), **small)
    whole = timm.create_model("archdsl_swin_t", **small).eval()
    whole.load_state_dict({**whole.state_dict(), **features.eval().state_dict()})
    with torch.no_grad():
        found = features(image)
        maps = whole.forward_intermediates(image, [0, 2], intermediates_only=True)
    assert [tuple(x.shape) for x in found] == [(1, 24, 16, 16), (1, 96, 4, 4)]
    assert [x.shape[1] for x in found] == features.feature_info.channels()
    assert all(torch.equal(*pair) for pair in zip(found, maps, strict=True))


@pytest.mark.parametrize(
    ("spec", "options", "why"),
    [
        ("unet_resnet34", {}, "is no classifier of images"),
        ("unet_resnet34", {"features_only": True}, "is no classifier of images"),
        ("vit_b_16", {"features_only": True}, "has no maps with names"),
    ],
)
def test_what_timm_cannot_be_given_is_refused(spec: str, options: Any, why: str) -> None:
    archdsl.timm.register(spec)
    with torch.device("meta"), pytest.raises(archdsl.UsageError, match=why):
        timm.create_model(f"archdsl_{spec}", **options)


def test_parameters_are_grouped_in_the_order_in_which_they_run(model: Any) -> None:
    groups = group_parameters(model, model.group_matcher())
    assert groups == {
        0: ["stem.conv.weight", "stem.bn.weight", "stem.bn.bias"],
        1: ["stage1.0.conv.weight", "stage1.0.bn.weight", "stage1.0.bn.bias"],
        2: ["stage1.1.conv.weight", "stage1.1.bn.weight", "stage1.1.bn.bias"],
        3: ["stage2.0.conv.weight", "stage2.0.bn.weight", "stage2.0.bn.bias"],
        4: ["fc.weight", "fc.bias"],
    }
    coarse = group_parameters(model, model.group_matcher(coarse=True))
    assert [len(keys) for keys in coarse.values()] == [3, 6, 3, 2]


def test_layers_decay_and_are_trained_by_timms_own_parts(name: str, tmp_path: Path) -> None:
    model = timm.create_model(name)
    model.set_grad_checkpointing()
    groups = param_groups_layer_decay(model, weight_decay=0.05, layer_decay=0.5)
    scales = sorted({group["lr_scale"] for group in groups})
    assert scales == [0.5**n for n in (4, 3, 2, 1, 0)]
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-2, layer_decay=0.5)
    average = ModelEmaV3(model, decay=0.5)
    before = copy.deepcopy(model.state_dict())
    for _ in range(2):
        nn.functional.cross_entropy(model.train()(IMAGE), torch.tensor([1, 2])).backward()
        optimizer.step()
        average.update(model)
    assert all(not torch.equal(p, before[key]) for key, p in model.named_parameters())
    assert average.module(IMAGE).shape == (2, 10)
    saver = CheckpointSaver(model, optimizer, model_ema=average, checkpoint_dir=str(tmp_path))
    saver.save_checkpoint(0, metric=1.0)
    file = next(tmp_path.glob("checkpoint-*"))
    again = timm.create_model(name)
    load_checkpoint(again, str(file), use_ema=False)
    assert all(torch.equal(t, model.state_dict()[k]) for k, t in again.state_dict().items())
    ours = archdsl.compile(archdsl.loads(NET))
    assert archdsl.load_weights(ours, file).reading[0].startswith("what is inside of `state_dict`")


def test_checkpointed_blocks_have_the_same_gradients(name: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name)
    found = []
    for enable in (True, False):
        model.zero_grad()
        model.set_grad_checkpointing(enable)
        model.train()(IMAGE).square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.allclose(a, b) for a, b in zip(*found, strict=True))


def test_checkpointed_blocks_are_computed_again_in_training_alone(name: str) -> None:
    model = timm.create_model(name)
    computed: list[nn.Module] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, *_: computed.append(module))
    counts = []
    for enable, training in ((False, True), (True, False), (True, True)):
        computed.clear()
        model.set_grad_checkpointing(enable)
        model.train(training)(IMAGE).sum().backward()
        counts.append(len(computed))
    assert counts[0] == counts[1] == len({*computed}) < counts[2]


def test_a_model_is_copied_and_pickled(model: Any) -> None:
    with torch.no_grad():
        for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(again(IMAGE), model(IMAGE))
            assert torch.equal(again.forward_features(IMAGE), model.forward_features(IMAGE))
            assert again.get_classifier() is not model.get_classifier()


def test_a_file_that_the_call_names_is_loaded(name: str, model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    archdsl.save_weights(model, path)
    overlay = {"file": str(path)}
    loaded = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=3, in_chans=1
    )
    assert loaded(torch.zeros(1, 1, 32, 32)).shape == (1, 3)
    assert torch.equal(loaded.get_parameter("stage2.0.conv.weight"), model.get_parameter(
        "stage2.0.conv.weight"))  # fmt: skip
    assert torch.allclose(
        loaded.get_parameter("stem.conv.weight"),
        model.get_parameter("stem.conv.weight").sum(dim=1, keepdim=True),
    )
    with pytest.raises(archdsl.UsageError, match="no published weights of small are known"):
        timm.create_model(name, pretrained=True)


def test_tokens_and_positions_do_not_decay() -> None:
    archdsl.timm.register("vit_b_16")
    with torch.device("meta"):
        model = timm.create_model("archdsl_vit_b_16")
    assert model.no_weight_decay() >= {"class_token", "encoder.pos_embedding"}


FEW = {"convnext_tiny", "densenet40_k12_cifar10", "mobilenet_v3_small", "resnet18", "squeezenet1_1",
       "vgg11_bn", "vit_b_16"}  # fmt: skip
DENSE = {  # whose results are maps
    "unet", "unet_resnet34", "fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_resnet101",
    "resnet50_fpn", "retinanet_resnet50_fpn", "fasterrcnn_resnet50_fpn",
}  # fmt: skip


@pytest.mark.parametrize("spec", [p for p in quick(FEW) if p.values[0] not in DENSE])
def test_every_classifier_of_the_gallery_is_cut_in_parts_that_share_its_modules(spec: str) -> None:
    archdsl.timm.register(spec)
    with torch.device("meta"):
        model = timm.create_model(f"archdsl_{spec}").eval()
        graph = single(read(spec))
        x = torch.empty(1, *graph.input.shape)
        features = model.forward_features(x)
        assert model.forward_head(features).shape == model(x).shape
        before = model.forward_head(features, pre_logits=True)
        assert model.get_classifier()(before).shape[1] == model.num_classes
        assert features.shape[1:] == graph.spec(Parts(graph).cut).shape
        if model.feature_info.info:
            assert len(model.forward_intermediates(x)[1]) == len(Parts(graph).levels)
    leaves = {id(module) for module in model.modules() if not [*module.children()]}
    for part in model._parts.values():
        for path, module in part.named_modules():
            assert not path or [*module.children()] or id(module) in leaves, path


@torch.no_grad()
@pytest.mark.parametrize("spec", ["mobilenet_v3_small", "densenet40_k12_cifar10", "squeezenet1_1"])
def test_the_parts_give_what_the_whole_gives(spec: str) -> None:
    archdsl.timm.register(spec)
    model = timm.create_model(f"archdsl_{spec}").eval()
    x = torch.randn(2, *read(spec).input.shape)
    for now in (model, copy.deepcopy(model).double()):
        now.reset_classifier(3)
        image = x.to(next(now.parameters()).dtype)
        features = now.forward_features(image)
        assert torch.equal(now.forward_head(features), now(image))
        assert torch.equal(now.forward_intermediates(image)[0], features)
