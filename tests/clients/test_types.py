"""What users write passes a strict type checker."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import torch
import archdsl

backbone = archdsl.compile("resnet50", features=["c3", "c4", "c5"])
shapes = {name: tuple(x.shape) for name, x in backbone(torch.zeros(1, 3, 64, 64)).items()}
channels: int = backbone.feature_info["c5"]["channels"]
model = archdsl.compile("resnet50", weights="torchvision", params={"classes": 10})
missing: tuple[str, ...] = model.loaded.missing
report = archdsl.load_weights(model, {}, adapt=["classes"])
print(report.renamed["a"], model.graph.name, backbone.out_channels)
"""


@pytest.mark.slow
def test_the_examples_of_the_readme_are_typed(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(CODE)
    call = [sys.executable, "-m", "mypy", "--strict", "user.py"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout
    (tmp_path / "user.py").write_text(CODE.replace('["channels"]', '["chanels"]'))
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert 'no key "chanels"' in done.stdout
