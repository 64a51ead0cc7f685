"""Exported networks run in their own runtimes, in a process that has no archdsl."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import openvino
import pytest
import torch
from safetensors import safe_open
from torch import nn

import archdsl
from archdsl.cli import main as cli
from archdsl.exporting import SUFFIXES
from archdsl.language.gallery import names
from tests.built import VARIED

RUN = """
import sys
sys.modules["archdsl"] = None
import warnings
warnings.simplefilter("ignore")
import json, numpy, torch
folder, name = sys.argv[1:3]

def named(result):
    return result if isinstance(result, dict) else {"output": result}

import onnxruntime
session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
outputs = [o.name for o in session.get_outputs()]
import openvino
exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors take bfloat16 by themselves
model = openvino.Core().compile_model(f"{folder}/{name}.xml", "CPU", exact)
program = torch.export.load(f"{folder}/{name}.pt2").module()
script = torch.jit.load(f"{folder}/{name}.torchscript.pt")
every = []
for images in torch.load(f"{folder}/given.pt"):
    given = {key: x.numpy() for key, x in images.items()}
    assert {i.name for i in session.get_inputs()} == set(given)
    result = model(given)
    with torch.no_grad():
        found = {
            "onnx": dict(zip(outputs, session.run(None, given))),
            "openvino": {port.get_any_name(): result[port] for port in model.outputs},
            "pt2": named(program(*images.values())),
            "torchscript": named(script(*images.values())),
        }
    every.append({k: {n: torch.as_tensor(x) for n, x in v.items()} for k, v in found.items()})
torch.save(every, f"{folder}/found.pt")
"""
TWO = """
archdsl: 1
name: two
input: {rgb: [3, 16, 16], depth: [1, 16, 16]}
backbone:
  a: {seq: {conv: {conv: {out: 8, kernel: 3}}, bn: batch_norm, relu: relu}, from: rgb}
  b: {seq: {conv: {conv: {out: 8, kernel: 3}}, bn: batch_norm}, from: depth}
  sum: {add: {}, from: [a, b]}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 5}}}
outputs: {map: sum, classes: fc}
"""


def sane(module: nn.Module, images: list[torch.Tensor]) -> nn.Module:
    """A module whose statistics are those of some images, so that its numbers stay in range."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        module.train()(*images)
    return module.eval()


def images_of(module: nn.Module, images: int, larger: int = 0) -> dict[str, torch.Tensor]:
    """What it is given, in another size if it is to be `larger`."""
    graph: Any = module.graph
    return {
        name: torch.randn(images, spec.shape[0], *(n + larger for n in spec.spatial))
        for name, spec in graph.inputs.items()
    }


def require_same(module: nn.Module, folder: Path, *given: dict[str, torch.Tensor]) -> None:
    """All runtimes give what the module gives, to 1e-4 of the largest."""
    graph: Any = module.graph
    torch.save(given, folder / "given.pt")
    call = [sys.executable, "-I", "-c", RUN, str(folder), graph.name]
    done = subprocess.run(call, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    for images, found in zip(given, torch.load(folder / "found.pt"), strict=True):
        with torch.no_grad():
            result = module(*images.values())
        expected = result if isinstance(result, dict) else {"output": result}
        assert found.keys() == SUFFIXES.keys() - {"safetensors"}
        for runtime, maps in found.items():
            assert maps.keys() == expected.keys(), runtime
            for name, tensor in expected.items():
                scale = float(tensor.abs().max())
                assert 1e-3 < scale < 1e3
                assert float((maps[name] - tensor).abs().max()) <= 1e-4 * scale, (runtime, name)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    folder = tmp_path_factory.mktemp("two")
    torch.manual_seed(0)
    module = archdsl.compile(archdsl.loads(TWO))
    module = sane(module, [torch.randn(4, 3, 16, 16), torch.randn(4, 1, 16, 16)]).train()
    written = archdsl.export(module, folder, to=list(SUFFIXES), dynamic_size=True)
    assert {path.name for path in written.values()} == {f"two{s}" for s in SUFFIXES.values()}
    assert {path.name for path in folder.iterdir()} == {f"two{s}" for s in SUFFIXES.values()} | {
        "two.bin"
    }
    assert module.training, "the module is as it was"
    return module.eval(), folder


def test_all_formats_run_elsewhere_with_names_and_any_batch_and_size(two: Any) -> None:
    module, folder = two
    require_same(module, folder, images_of(module, 3), images_of(module, 1, larger=7))


def test_nodes_have_the_paths_of_modules(two: Any) -> None:
    model = onnx.load(two[1] / "two.onnx")
    nodes = {node.name for node in model.graph.node}
    assert {"a.relu.Relu", "fc.Gemm"} <= nodes
    weights = {tensor.name for tensor in model.graph.initializer}
    assert {"fc.weight", "fc.bias"} <= weights
    core = openvino.Core().read_model(two[1] / "two.xml")
    assert "a.relu.Relu" in {op.get_friendly_name() for op in core.get_ordered_ops()}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_every_file_says_what_it_is_of(two: Any) -> None:
    module, folder = two
    said = {prop.key: prop.value for prop in onnx.load(folder / "two.onnx").metadata_props}
    assert (said["name"], said["archdsl"]) == ("two", archdsl.__version__)
    assert json.loads(said["costs"]) == {
        "parameters": sum(p.numel() for p in module.parameters()),
        "macs": archdsl.analyze(module.graph).total.macs,
    }
    assert archdsl.loads(said["spec"]).name == "two"
    info = openvino.Core().read_model(folder / "two.xml").get_rt_info(["archdsl", "graph"])
    assert info.astype(str) == said["graph"]
    for load, file in ((torch.export.load, "two.pt2"), (torch.jit.load, "two.torchscript.pt")):
        word = "extra_files" if file.endswith("pt2") else "_extra_files"
        extra: dict[str, Any] = {"archdsl.json": ""}
        load(str(folder / file), **{word: extra})
        assert json.loads(extra["archdsl.json"]) == said
    with safe_open(folder / "two.safetensors", "pt") as opened:
        assert opened.metadata()["graph"] == said["graph"]


def test_the_command_writes_what_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    spec, out = str(tmp_path / "two.yaml"), tmp_path / "out"
    assert cli.run(["export", spec, "--to", "safetensors,pt2", "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}/two.safetensors\n{out}/two.pt2\n"
    assert "the weights are those that training starts with" in printed.err
    weights = str(out / "two.safetensors")
    assert cli.run(["export", spec, "--to", "pt2", "-o", str(out), "--weights", weights]) == 0
    assert capsys.readouterr().err == ""
    assert cli.run(["export", spec, "--to", "onx", "-o", str(tmp_path / "no")]) == 2
    assert "no format onx; did you mean `onnx`" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_exported_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(archdsl.UsageError, match="which has a graph"):
        archdsl.export(nn.Linear(1, 1), tmp_path)
    with pytest.raises(archdsl.UsageError, match="a module has its own"):
        archdsl.export(nn.Linear(1, 1), tmp_path, weights={})
    fixed = archdsl.loads(
        "archdsl: 1\nname: fixed\ninput: [3, 8, 8]\nbackbone: [flatten, {linear: {out: 2}}]\n"
    )
    with pytest.raises(archdsl.UsageError, match="fixed cannot have any batch and size"):
        archdsl.export(fixed, tmp_path, to=["pt2"], dynamic_size=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_the_gallery_runs_everywhere(name: str, tmp_path: Path) -> None:
    graph = archdsl.load(name)
    if len(graph.nodes) > 1500 or (name not in VARIED and name.endswith("cifar10")):
        pytest.skip("takes hours")
    torch.manual_seed(0)
    module = sane(archdsl.compile(graph), [torch.randn(2, *graph.input.shape)])
    archdsl.export(module, tmp_path, to=["onnx", "openvino", "pt2", "torchscript"])
    require_same(module, tmp_path, images_of(module, 3))
