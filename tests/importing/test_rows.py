"""Tables of rows `[from, repeats, module, args]`: their networks have the published names."""

from pathlib import Path

import pytest
import yaml

import archdsl
from archdsl.analysis.cost import analyze
from archdsl.importing.rows import spec_of_rows

C2F = """
nc: 80
scales: {n: [0.33, 0.25, 1024], s: [0.33, 0.50, 1024], x: [1.00, 1.25, 512]}
backbone:
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 3, C2f, [128, True]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [-1, 6, C2f, [256, True]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [-1, 6, C2f, [512, True]]
  - [-1, 1, Conv, [1024, 3, 2]]
  - [-1, 3, C2f, [1024, True]]
  - [-1, 1, SPPF, [1024, 5]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 6], 1, Concat, [1]]
  - [-1, 3, C2f, [512]]
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 3, C2f, [256]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [[-1, 12], 1, Concat, [1]]
  - [-1, 3, C2f, [512]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [[-1, 9], 1, Concat, [1]]
  - [-1, 3, C2f, [1024]]
  - [[15, 18, 21], 1, Detect, [nc]]
"""
C3K2 = """
nc: 80
scales: {n: [0.50, 0.25, 1024]}
backbone:
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 2, C3k2, [256, False, 0.25]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [-1, 2, C3k2, [512, False, 0.25]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [-1, 2, C3k2, [512, True]]
  - [-1, 1, Conv, [1024, 3, 2]]
  - [-1, 2, C3k2, [1024, True]]
  - [-1, 1, SPPF, [1024, 5]]
  - [-1, 2, C2PSA, [1024]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 6], 1, Concat, [1]]
  - [-1, 2, C3k2, [512, False]]
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 2, C3k2, [256, False]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [[-1, 13], 1, Concat, [1]]
  - [-1, 2, C3k2, [512, False]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [[-1, 10], 1, Concat, [1]]
  - [-1, 2, C3k2, [1024, True]]
  - [[16, 19, 22], 1, Detect, [nc]]
"""
C3 = """
nc: 80
depth_multiple: 0.33
width_multiple: 0.50
anchors: [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
backbone:
  - [-1, 1, Conv, [64, 6, 2, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 3, C3, [128]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [-1, 6, C3, [256]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [-1, 9, C3, [512]]
  - [-1, 1, Conv, [1024, 3, 2]]
  - [-1, 3, C3, [1024]]
  - [-1, 1, SPPF, [1024, 5]]
head:
  - [-1, 1, Conv, [512, 1, 1]]
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 6], 1, Concat, [1]]
  - [-1, 3, C3, [512, False]]
  - [-1, 1, Conv, [256, 1, 1]]
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 3, C3, [256, False]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [[-1, 14], 1, Concat, [1]]
  - [-1, 3, C3, [512, False]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [[-1, 10], 1, Concat, [1]]
  - [-1, 3, C3, [1024, False]]
  - [[17, 20, 23], 1, Detect, [nc, anchors]]
"""


def spec(rows: str, scale: str = "") -> str:
    return spec_of_rows(yaml.safe_load(rows), "net", scale)


def test_yolov8_has_the_keys_of_ours_and_the_weights_that_make_lengths_of_shares() -> None:
    ours, found = archdsl.load("yolov8n").state, archdsl.loads(spec(C2F)).state
    assert {key: w.shape for key, w in found.items() if "dfl" not in key} == {
        key: w.shape for key, w in ours.items()
    }
    assert found["model.22.dfl.conv.weight"].shape == (1, 16, 1, 1)
    names = [key.split(".")[2] for key in found if key.startswith("model.2.")]
    assert list(dict.fromkeys(names)) == ["cv1", "cv2", "m"]  # as their class makes them


def test_yolov5_has_the_keys_of_ours() -> None:
    ours, found = archdsl.load("yolov5s").state, archdsl.loads(spec(C3)).state
    assert {k: w.shape for k, w in found.items()} == {k: w.shape for k, w in ours.items()}


@pytest.mark.parametrize(
    ("rows", "scale", "parameters"),
    [(C2F, "n", 3_157_200), (C2F, "s", 11_166_560), (C2F, "x", 68_229_648), (C3K2, "n", 2_624_080)],
)
def test_there_are_as_many_weights_as_published(rows: str, scale: str, parameters: int) -> None:
    assert analyze(archdsl.loads(spec(rows, scale))).total.parameters == parameters


def test_other_modules_are_read() -> None:
    rows = """
    backbone: [[-1, 1, Focus, [16, 3]], [-1, 2, Bottleneck, [16]], [-1, 1, SPP, [16, [5, 9, 13]]],
               [-1, 3, BottleneckCSP, [16]], [-1, 1, DWConv, [32, 3, 2]]]
    head: [[[-1, 3], 1, nn.Identity, []]]
    """
    found = archdsl.loads(spec(rows.replace("[-1, 3], 1", "-1, 1")))
    assert list(dict.fromkeys(key.rsplit(".", 1)[0] for key in found.state))[:3] == [
        "model.0.conv.conv", "model.0.conv.bn", "model.1.0.cv1.conv",
    ]  # fmt: skip
    csp = [key.split(".")[2] for key in found.state if key.startswith("model.3.")]
    assert list(dict.fromkeys(csp)) == ["cv1", "cv2", "cv3", "cv4", "bn", "m"]
    assert found.outputs and str(found.nodes[-1].output) == "32x160x160"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{backbone: [[-1, 1, Cov, [8]]], head: []}", "no module `Cov` is known here"),
        ("{backbone: [[3, 1, Conv, [8]]], head: []}", "row 0 takes what comes later: 3"),
        ("{backbone: [[-1, 1, Conv]], head: []}", r"row 0 is no \[from, repeats, module, args\]"),
        ("{backbone: [], head: [], scales: {n: [1, 1, 64]}}", "no scale `q`"),
    ],
)
def test_what_is_no_row_is_refused(rows: str, said: str) -> None:
    with pytest.raises(archdsl.UsageError, match=said):
        spec(rows, "q" if "scales" in rows else "")


def test_the_command_takes_the_scale_from_the_name(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from archdsl.cli.import_ import import_

    file = tmp_path / "yolov8s.yaml"
    file.write_text(C2F)
    result = CliRunner().invoke(import_, [str(file), "-o", str(tmp_path / "s.yaml")])
    assert result.exit_code == 0, result.output
    assert analyze(archdsl.load(tmp_path / "s.yaml")).total.parameters == 11_166_560
