"""The examples run as their first lines say, from any folder."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import archdsl
from archdsl.analysis.memory import memory

EXAMPLES = Path(__file__).parents[2] / "examples"
SPECS = sorted((EXAMPLES / "specs").glob("*.yaml"))
SMALL = ("--set", "depth=8", "--set", "width=4", "--epochs", "2")


def run(folder: Path, script: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, timeout=300
    ).stdout


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_a_spec_is_right(spec: Path) -> None:
    assert archdsl.check(spec) == []


def test_the_loop_learns_and_its_weights_are_loaded_again(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    said = run(tmp_path, "classify.py", *SMALL, "--out", "digits.safetensors")
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", said)]
    assert len(losses) == 2
    assert losses[1] < losses[0] < 3
    params = {"depth": 8, "width": 4}
    weights = tmp_path / "digits.safetensors"
    model = archdsl.compile(EXAMPLES / "specs" / "digits.yaml", params=params, weights=weights)
    assert model.eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_loop_fits_a_screen() -> None:
    assert len((EXAMPLES / "classify.py").read_text().splitlines()) < 80


@pytest.mark.slow  # Lightning is not of the packages that the tests bring
def test_lightning_trains_a_network(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("lightning")
    said = run(tmp_path, "classify_lightning.py")
    accuracy, checkpoint = re.search(r"test ([\d.]+)%\n(\S+)", said).groups()  # type: ignore[union-attr]
    assert float(accuracy) > 90
    model = archdsl.compile(EXAMPLES / "specs" / "digits.yaml", weights=tmp_path / checkpoint)
    assert not model.loaded.missing


def ratio(kind: str, depth: int, seed: int = 0) -> float:
    """How many times larger the gradient of the first layer is than that of the last."""
    norms = degradation().gradients(kind, depth, seed)["norms"]
    return float(norms[0] / norms[-1])


def degradation() -> Any:
    pytest.importorskip("sklearn")
    return example("degradation")


def example(name: str) -> Any:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gradients_at_the_start_explode_in_plain_nets_alone() -> None:
    assert ratio("plain", 56) > 10 * ratio("plain", 20)
    assert ratio("plain", 56) > 10 * ratio("residual", 56) > 10 * ratio("pre-activation", 56) / 3
    assert ratio("pre-activation", 56) < 10


@pytest.mark.slow  # trains for some epochs
def test_a_deeper_plain_net_trains_worse_and_a_residual_one_does_not() -> None:
    train = degradation().train
    losses = {
        (kind, depth): train(kind, depth, 0, epochs=5)["losses"][-1]
        for kind in ("plain", "residual")
        for depth in (20, 56)
    }
    assert losses["plain", 56] > 2 * losses["plain", 20]
    assert losses["residual", 56] < losses["plain", 56] / 2


def test_the_results_are_of_at_least_three_seeds() -> None:
    results = json.loads((EXAMPLES / "results" / "degradation.json").read_text())
    for kind in ("plain", "residual"):
        for depth in (20, 56):
            runs = [r for r in results["train"] if (r["kind"], r["depth"]) == (kind, depth)]
            assert len({run["seed"] for run in runs}) >= 3


def test_a_step_of_training_takes_what_the_analysis_says_and_little_more() -> None:
    """Of the process's memory; what else it holds at the peak is less than half as much again."""
    results = json.loads((EXAMPLES / "results" / "checkpointed.json").read_text())
    net = example("checkpointed").net
    bytes = {(step["kind"], step["depth"]): step["bytes"] for step in results["steps"]}
    for step in results["steps"]:
        said = memory(net(step["kind"], step["depth"]), batch=results["batch"]).saved
        assert 1 < step["bytes"] / said < 1.5, step
    for depth in (121, 169, 201):
        assert bytes["computed again", depth] < 0.6 * bytes["kept", depth]
