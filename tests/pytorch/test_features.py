"""Sources of backbones, and names of classes, as `emit` and `build` write them."""

import ast
import re
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import torch

import archdsl
from archdsl.cli.main import run as command
from archdsl.diagnostics.errors import UsageError
from tests import built
from tests.pytorch.test_parameters import network


@pytest.mark.parametrize("name", built.quick(sorted(built.VARIED)[::2]))
def test_the_source_of_a_backbone_is_the_specs_and_gives_its_features(name: str) -> None:
    graph, taps = built.graph(name), built.levels(name)
    if not taps:
        assert name == "vit_b_16"
        return
    source = built.backbone(name)
    assert "every number is fixed" not in source
    with torch.device("meta"):
        module = network(source)().eval()
        maps = module(torch.empty(1, *graph.input.shape))
    assert list(maps) == taps == list(module.feature_info)
    for tap, info in module.feature_info.items():
        spec = graph.spec(graph.taps[tap])
        assert maps[tap].shape == (1, *spec.shape)
        assert info["channels"] == maps[tap].shape[1 if spec.layout == "channels_first" else -1]
    state = module.state_dict()
    assert list(state) == [key for key in graph.state if key in state]
    whole = sum(weight.elements for weight in graph.state.values())
    assert sum(tensor.numel() for tensor in state.values()) < whole


def channels(module: Any) -> dict[str, int]:
    with torch.device("meta"):
        maps = module(torch.empty(1, 3, 224, 224))
    last = module.__class__.__name__.startswith("Swin")
    return {tap: tensor.shape[-1 if last else 1] for tap, tensor in maps.items()}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("densenet121", {"growth": 12}),
        ("swin_t", {"width": 48}),
        ("wide_resnet50_2", {"depths": (1, 2, 3, 1)}),
        ("regnet_y_400mf", {}),
    ],
)
def test_what_a_backbone_says_of_its_features_follows_its_arguments(
    name: str, settings: dict[str, Any]
) -> None:
    with torch.device("meta"):
        module = network(built.backbone(name))(**settings).eval()
    said = {tap: info["channels"] for tap, info in module.feature_info.items()}
    assert said == channels(module)
    size = 224 // torch.tensor([info["reduction"] for info in module.feature_info.values()])
    with torch.device("meta"):
        maps = module(torch.empty(1, 3, 224, 224))
    rows = 1 if name == "swin_t" else 2
    assert [tensor.shape[rows] for tensor in maps.values()] == size.tolist()


def test_what_changes_the_reduction_of_a_feature_is_fixed() -> None:
    source = archdsl.emit("resnet50", features=["c5"])
    assert "output_stride 32" in source and "output_stride:" not in source
    dilated = archdsl.emit("resnet50", features=["c5"], params={"output_stride": 8})
    assert network(dilated)().feature_info == {"c5": {"channels": 2048, "reduction": 8}}


@pytest.mark.parametrize("spec", ["resnet50", "json"])
def test_the_class_is_called_as_it_is_told(spec: str) -> None:
    graph = archdsl.load("resnet18")
    given = archdsl.Graph.from_json(graph.to_json()) if spec == "json" else graph
    assert network(archdsl.emit(given, class_name="Encoder")).__name__ == "Encoder"


def test_a_block_of_the_same_name_makes_way() -> None:
    source = archdsl.emit("resnet50", class_name="Bottleneck")
    titles = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert titles == ["SqueezeExcite", "Projection", "BottleneckBlock", "Bottleneck"]
    assert network(source)().fc.out_features == 1000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("3x", "the class cannot be called so: `3x` cannot be a name: it needs letters"),
        ("a-b", "the class cannot be called so: `a-b` cannot be a name"),
        ("", "the class cannot be called so: `` cannot be a name"),
        ("class", "the class cannot be called so: `class` is a word of Python"),
        ("Tensor", "the class cannot be called so: `Tensor` means something else in the source"),
        ("len", "the class cannot be called so: `len` means something else in the source"),
        ("DropPath", "the class cannot be called so: `DropPath` means something else"),
        ("X(open('f'))", "the class cannot be called so: `X(open('f'))` cannot be a name"),
    ],
)
def test_a_name_that_no_class_can_have(
    wrong: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        archdsl.emit("resnet18", class_name=wrong)
    call = ["build", "resnet18", "-o", str(tmp_path / "new" / "deep"), "--class-name", wrong]
    assert command(call) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("c3,c9", "resnet18 has no feature `c9`; known: c1, c2, c3, c4, c5"),
        ("c3,c3", "the feature `c3` is named twice"),
        ("", "resnet18 has no feature ``; known: c1, c2, c3, c4, c5"),
        ("layer9", "resnet18 has no feature `layer9`; known: c1, c2, c3, c4, c5"),
    ],
)
@pytest.mark.parametrize("single", [[], ["--single-file"]])
def test_features_that_there_are_not(
    features: str, message: str, single: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(UsageError, match=re.escape(message)):
        archdsl.emit("resnet18", features=features.split(","))
    call = ["build", "resnet18", "-o", str(tmp_path / "new"), "--features", features, *single]
    assert command(call) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not list(tmp_path.iterdir())


def test_build_writes_a_backbone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["build", "resnet18", "--features", "c3, c5", "-o", str(tmp_path)]
    assert command([*call, "--class-name", "Backbone"]) == 0
    shown = capsys.readouterr().out
    assert "gives c3 1x128x28x28, c5 1x512x7x7, has 11,176,512 parameters" in shown
    source = (tmp_path / "resnet18" / "resnet18.py").read_text(encoding="utf-8")
    assert source == archdsl.emit("resnet18", features=["c3", "c5"], class_name="Backbone")
    text = (tmp_path / "resnet18" / "resnet18.json").read_text(encoding="utf-8")
    assert list(archdsl.Graph.from_json(text).outputs) == ["c3", "c5"]


@pytest.mark.parametrize(("out", "file"), [("nets", "nets/swin_t.py"), ("my.py", "my.py")])
def test_a_single_file_is_all_there_is_and_runs_with_torch_alone(
    out: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["build", "swin_t", "--single-file", "-o", str(tmp_path / out)]) == 0
    assert f"{file}  PyTorch source" in capsys.readouterr().out
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / file]
    code = (
        "import runpy, sys, torch\n"
        "sys.modules['archdsl'] = sys.modules['torchvision'] = None\n"
        f"made = runpy.run_path({str(tmp_path / file)!r})['SwinT'](num_classes=3).eval()\n"
        "print(tuple(made(torch.zeros(1, 3, 64, 64)).shape))\n"
    )
    shown = run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert shown.stdout == "(1, 3)\n", shown.stderr
