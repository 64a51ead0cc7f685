"""Exported networks run in their own runtimes, in a process that has no archdsl."""

import copy
import json
from collections.abc import Iterator
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
from archdsl.pytorch.exporting import SUFFIXES
from archdsl.speed.statistics import with_statistics
from tests.support import TWO, page_module

exports = page_module("exports")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Any]:
    """A process that runs what is exported, and has no archdsl."""
    process = exports.Elsewhere()
    yield process
    process.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    folder = tmp_path_factory.mktemp("two")
    torch.manual_seed(0)
    module = archdsl.compile(archdsl.loads(TWO))
    module = with_statistics(module, 4).train()
    written = archdsl.export(module, folder, to=list(SUFFIXES), dynamic_size=True)
    assert {path.name for path in written.values()} == {f"two{s}" for s in SUFFIXES.values()}
    assert {path.name for path in folder.iterdir()} == {f"two{s}" for s in SUFFIXES.values()} | {
        "two.bin"
    }
    assert module.training, "the module is as it was"
    return module.eval(), folder


def test_all_formats_run_elsewhere_with_names_and_any_batch_and_size(
    two: Any, elsewhere: Any
) -> None:
    module, folder = two
    given = [exports.images(module), exports.images(module, 1, larger=7)]
    found = dict(exports.differences(module, folder, [*SUFFIXES], given, elsewhere))
    assert found.keys() == SUFFIXES.keys()
    assert all(isinstance(off, float) and off <= 1e-4 for off in found.values()), found


def test_what_is_off_or_has_other_names_is_found(two: Any, elsewhere: Any) -> None:
    module, folder = two
    given = [exports.images(module)]
    changed = copy.deepcopy(module)
    with torch.no_grad():
        changed.fc.weight.mul_(1.01)
    found = dict(exports.differences(changed, folder, [*SUFFIXES], given, elsewhere))
    assert all(1e-3 < off < 2e-2 for off in found.values()), found
    (folder / "other.onnx").write_bytes(b"nothing")
    lost = elsewhere.run(folder, "other", ["onnx", "pt2"], given)
    assert all(isinstance(why, str) for why in lost.values()), lost


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


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_attention_is_traced_though_it_has_a_fast_path_for_some_calls(tmp_path: Path) -> None:
    small = {"depth": 1, "width": 128, "patch": 16}  # two heads: of one it would be traced anyway
    module = archdsl.compile("vit_b_16", params=small, input=[3, 32, 32])
    nn.init.normal_(module.get_parameter("heads.head.weight"))  # which starts with zeros
    fast = torch.backends.mha.get_fastpath_enabled()
    path = archdsl.export(module, tmp_path, to="torchscript")["torchscript"]
    assert torch.backends.mha.get_fastpath_enabled() == fast
    image = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        traced, plain = torch.jit.load(path)(image), module.eval()(image)
    torch.testing.assert_close(traced, plain, rtol=1e-4, atol=1e-4)


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
    strange = archdsl.compile(archdsl.loads(RELU))
    strange.relu = Airy()
    with pytest.raises(archdsl.UsageError, match=r"no ONNX for strange: .*special_airy_ai"):
        archdsl.export(strange, tmp_path, to=["onnx"])
    assert not list(tmp_path.iterdir())


class Airy(nn.Module):
    """Computes what no other runtime has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.airy_ai(x)


RELU = "archdsl: 1\nname: strange\ninput: [3, 8, 8]\nbackbone:\n  relu: relu\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["densenet40_k12_cifar10", "edgenext_xx_small", "fcn_resnet50", "swin_t", "unet"]
)
def test_networks_of_the_gallery_run_everywhere(name: str, elsewhere: Any) -> None:
    """A few of those of docs/export.md, as they are tried for it."""
    row = exports.tried(name, elsewhere)
    assert "range" not in row
    assert all(isinstance(row[f], float) and row[f] <= 1e-4 for f in SUFFIXES), row
