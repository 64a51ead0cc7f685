"""The examples run as their first lines say, from any folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import archdsl

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
