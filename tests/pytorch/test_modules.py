"""Compiled modules: equal to torchvision's own to the last bit, and whole citizens of PyTorch."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

import archdsl
from archdsl.graph.graph import Graph
from archdsl.language.gallery import names
from tests import built
from tests.support import resized

# The image on which training steps are compared: as small as the network allows.
TORCHVISION = {
    "alexnet": 64,
    "vgg16": 32,
    "resnet18": 64,
    "resnet50": 64,
    "resnext50_32x4d": 64,
    "wide_resnet50_2": 64,
    "googlenet": 64,
    "inception_v3": 299,  # for the kernel of its side classifier
    "densenet121": 64,
    "densenet161": 64,
    "mobilenet_v2": 64,
    "efficientnet_b0": 64,
    "efficientnet_b3": 64,
}

PAIRS = list(TORCHVISION.items())
LARGE = {
    "alexnet", "densenet161", "efficientnet_b3", "inception_v3", "resnext50_32x4d", "vgg16",
    "wide_resnet50_2",
}  # fmt: skip

COMPILED = {  # of every kind the one that is compiled soonest; `pytest -m slow` compiles all
    "resnet18", "squeezenet1_1", "unet", "vit_b_16",
}  # fmt: skip


def reference(name: str) -> nn.Module:
    """torchvision's network with weights drawn by a fixed seed, and statistics that matter."""
    torch.manual_seed(0)
    plain: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        plain = {"aux_logits": True, "init_weights": False, "transform_input": False}
    module: nn.Module = getattr(models, name)(weights=None, **plain)
    for key, tensor in module.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return module


def without_chance(module: nn.Module) -> nn.Module:
    """The module with every dropout and drop path off."""
    for part in module.modules():
        for attribute in ("p", "dropout"):
            if isinstance(getattr(part, attribute, None), float):
                setattr(part, attribute, 0.0)
    return module


def loss(out: Any) -> torch.Tensor:
    """One number from a result, with whatever stands beside it in training."""
    if isinstance(out, torch.Tensor):
        return out.double().square().mean()
    parts = out.values() if isinstance(out, dict) else [part for part in out if part is not None]
    return sum((loss(part) for part in parts), torch.zeros((), dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "size"),
    [pytest.param(*pair, marks=[pytest.mark.slow] if pair[0] in LARGE else []) for pair in PAIRS],
)
def test_a_module_is_torchvisions_to_the_bit_and_in_a_training_step(name: str, size: int) -> None:
    ours, theirs = archdsl.compile(built.graph(name)), reference(name)
    described = [
        [(key, tensor.shape, tensor.dtype) for key, tensor in module.state_dict().items()]
        for module in (ours, theirs)
    ]
    assert described[0] == described[1]
    ours.load_state_dict(theirs.state_dict(), strict=True)
    require_equal_outputs(name, ours.eval(), theirs.eval())
    require_equal_gradients(size, *(without_chance(m).double().train() for m in (ours, theirs)))


def require_equal_outputs(name: str, ours: nn.Module, theirs: nn.Module) -> None:
    size = built.graph(name).input.spatial
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


def require_equal_gradients(size: int, ours: nn.Module, theirs: nn.Module) -> None:
    image = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(2)).double()
    for module in (ours, theirs):
        loss(module(image)).backward()
    expected = dict(theirs.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in expected.values() if p.grad is not None)
    for key, parameter in ours.named_parameters():
        wanted = expected[key].grad
        if wanted is None:
            assert parameter.grad is None
            continue
        scale = max(float(wanted.abs().max()), 1e-6 * largest)
        assert float((parameter.grad - wanted).abs().max()) <= 1e-5 * scale, key


@pytest.mark.parametrize("name", TORCHVISION)
def test_counts_are_torchs_own_on_torchvisions_module(name: str) -> None:
    graph = archdsl.load(name)
    with torch.device("meta"):
        theirs = reference(name).eval()
        image = torch.empty(1, *graph.input.shape)
    with FlopCounterMode(display=False) as counter:
        theirs(image)
    total = archdsl.analyze(graph).total
    assert total.macs == counter.get_total_flops() // 2
    assert total.parameters == sum(p.numel() for p in theirs.parameters())


def shapes(out: Any) -> Any:
    if isinstance(out, torch.Tensor):
        return tuple(out.shape)
    if isinstance(out, dict):
        return {name: shapes(part) for name, part in out.items()}
    return [shapes(part) for part in out]


def promised(graph: Graph, training: bool = False, images: int = 2) -> Any:
    """The shapes of what a module returns."""
    main = {key: (images, *graph.spec(id).shape) for key, id in graph.outputs.items()}
    side = {key: (images, *graph.spec(id).shape) for key, id in graph.aux.items()}
    said = graph.returns
    if said is not None and said.is_dict:
        given = {**main, **side} if training else main
        return {field: given[name] for field, name in said.fields.items() if name in given}
    result = main if any(main) else main[""]
    if not training or not side:
        return result
    if said is not None:
        return [{**main, **side}[name] for name in said.fields.values()]
    return [result, side]


@pytest.mark.parametrize("name", built.quick())
@torch.no_grad()
def test_a_module_is_made_on_meta_and_gives_the_promised_shapes(name: str) -> None:
    graph, module, image = built.graph(name), built.module(name), built.image(name)
    assert all(tensor.is_meta for tensor in module.state_dict().values())
    assert [(k, tuple(t.shape)) for k, t in module.state_dict().items()] == [
        (key, weight.shape) for key, weight in graph.state.items()
    ]
    assert shapes(module(image)) == promised(graph)
    assert shapes(copy.deepcopy(module).train()(image)) == promised(graph, training=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", built.quick(COMPILED))
def test_a_module_is_compiled_as_one_graph_and_exported(name: str) -> None:
    module, image = copy.deepcopy(built.module(name)), built.image(name)
    expected = shapes(module(image))
    torch.compiler.reset()
    whole = torch.compile(module, fullgraph=True, backend="eager")
    assert shapes(whole(image)) == expected
    exported = torch.export.export(module, (image,))
    assert set(exported.state_dict) == set(module.state_dict())


RELOAD = """
import pickle, sys, torch
with open(sys.argv[1], "rb") as file:
    for module, part, image, expected in pickle.load(file):
        with torch.no_grad():
            assert torch.equal(module.eval()(image), expected)
        assert "archdsl_compiled" in type(part).__module__
print("whole")
"""


def in_a_fresh_process(code: str, rows: list[Any], folder: Path) -> None:
    path = folder / "modules.pkl"
    path.write_bytes(pickle.dumps(rows))
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert run.stdout == "whole\n", run.stderr


def test_pickles_of_modules_and_their_parts_are_whole_in_a_fresh_process(tmp_path: Path) -> None:
    rows = []
    for name in ("resnet18", "mobilenet_v2", "squeezenet1_1", "shufflenet_v2_x1_0"):
        module, image = archdsl.compile(name).eval(), torch.randn(1, 3, 64, 64)
        part = next(p for p in module.modules() if "archdsl_compiled" in type(p).__module__)
        with torch.no_grad():
            rows.append((module, part, image, module(image)))
    in_a_fresh_process(RELOAD, rows, tmp_path)


RELOAD_ALL = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    for module, keys, text in pickle.load(file):
        assert list(module.state_dict()) == keys
        assert str(module) == text
print("whole")
"""


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(sorted(built.VARIED), id="varied"),
        pytest.param(names(), id="all", marks=pytest.mark.slow),
    ],
)
def test_every_module_of_the_gallery_is_pickled(chosen: list[str], tmp_path: Path) -> None:
    modules = [built.module(name) for name in chosen]
    rows = [(module, list(module.state_dict()), str(module)) for module in modules]
    in_a_fresh_process(RELOAD_ALL, rows, tmp_path)


@pytest.mark.parametrize("name", built.quick())
@torch.no_grad()
def test_other_batches_and_images_go_through_where_the_weights_allow(name: str) -> None:
    graph = built.graph(name)
    channels, height, width = graph.input.shape
    size = [channels, height + 32, width + 64]
    other = resized(name, size)
    weights = [(key, weight.shape) for key, weight in graph.state.items()]
    if weights != [(key, weight.shape) for key, weight in other.state.items()]:
        assert name in ("alexnet_paper", "googlenet_paper", "vit_b_16")
        return
    found = shapes(built.module(name)(torch.empty(3, *size, device="meta")))
    assert found == promised(other, images=3)


def test_a_module_knows_its_graph() -> None:
    graph = archdsl.load("squeezenet1_1")
    module = archdsl.compile(graph)
    assert module.graph is graph and copy.deepcopy(module).graph is graph


def test_the_source_stands_alone(tmp_path: Path) -> None:
    source = archdsl.emit("densenet121")
    assert len(source.splitlines()) <= 200
    assert len(archdsl.emit("resnet50").splitlines()) <= 260  # with all that its block can be
    (tmp_path / "densenet121.py").write_text(source)
    code = (
        "import sys, torch, densenet121 as m\n"
        "with torch.device('meta'): n = m.Densenet121()(torch.empty(1, 3, 224, 224)).shape[1]\n"
        "assert not [name for name in sys.modules if name.startswith('archdsl')]\n"
        "print(n)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.stdout == "1000\n", run.stderr
