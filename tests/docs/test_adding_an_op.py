"""The page on adding an op, followed to the letter on a copy of the package."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.analysis.measures import MEASURES
from archdsl.figures.options import KINDS

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "adding-an-op.md"
SPECS = {
    "plain": """
archdsl: 1
name: plain
input: [3, 32, 32]
params: {width: 8}
blocks:
  unit:
    params: {out: int, stride: 1}
    residual:
      body: {conv: {conv: {out: out, kernel: 3, stride: stride}}, act: sine}
      shortcut: {down: {projection: {out: out, stride: stride}, if: stride != 1 or C != out}}
      after: sine
backbone:
  stem: {conv: {out: width, kernel: 3}}
  act: sine
  one: {unit: {out: width}, repeat: 2}
  two: {unit: {out: 2 * width, stride: 2}, repeat: 2}
  gate: {branches: {paths: {_x: [], _gate: [global_avg_pool, sine]}, join: multiply}}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 10}}, last: sine}
""",
    "dense": """
archdsl: 1
name: dense
input: [3, 32, 32]
backbone:
  stem: {conv: {out: 8, kernel: 3}}
  block: {dense: {layer: [sine, {conv: {out: 4, kernel: 3}}], repeat: 4}}
""",
    "pyramid": """
archdsl: 1
name: pyramid
input: [3, 64, 64]
backbone:
  a: {seq: [{conv: {out: 8, kernel: 3, stride: 4}}, sine], tap: c2}
  b: {seq: [{conv: {out: 16, kernel: 3, stride: 2}}, sine], tap: c3}
neck:
  top: {conv: {out: 8, kernel: 1}}
  up: {resize: {like: c2}}
  sum: {add: {}, from: [up, c2]}
  act: sine
outputs: {p2: act, p3: top}
""",
}
DRAWN_FROM = {  # a kind that does not show `plain`
    "dense": ["dense.yaml"],
    "pyramid": ["pyramid.yaml"],
    "scaling": ["plain.yaml", "other.yaml"],
    "diff": ["plain.yaml", "other.yaml"],
}


def followed(folder: Path) -> None:
    """Copies the package and does what the page says: its code goes where its comment says."""
    shutil.copytree(ROOT / "archdsl", folder / "archdsl", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copytree(ROOT / "specs", folder / "specs")
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    for name, code in blocks:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        if code.startswith("class"):
            path.write_text(f"{text}\n\n{code}", encoding="utf-8")
        else:
            opening = "TORCH: dict[type[Op], Row] = {\n"
            assert opening in text
            path.write_text(text.replace(opening, opening + code), encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    followed(folder)
    for name, text in SPECS.items():
        (folder / f"{name}.yaml").write_text(text.lstrip(), encoding="utf-8")
    changed = (
        SPECS["plain"].replace("name: plain", "name: other").replace("act: sine}", "act: relu}")
    )
    (folder / "other.yaml").write_text(changed.lstrip(), encoding="utf-8")
    return folder


def run(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", *arguments], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_python(place: Path, script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_spec_with_the_op_is_right_and_laid_out(place: Path) -> None:
    run(place, "check", *(f"{name}.yaml" for name in SPECS))
    run(place, "fmt", *(f"{name}.yaml" for name in SPECS))
    run(place, "fmt", "--check", *(f"{name}.yaml" for name in SPECS))


def test_every_column_of_a_summary_knows_the_op(place: Path) -> None:
    columns = ",".join(MEASURES)
    device = ("--device", "flops=1T,bandwidth=100G")
    shown = run(place, "summary", "plain.yaml", "--show", columns, *device, "--format", "json")
    act = next(stage for stage in json.loads(shown)["stages"] if stage["path"] == "act")
    assert (act["what"], act["parameters"], act["field"]) == ("sine", 0, [3, 3])
    assert act["saved"] == 4 * 8 * 32 * 32  # what goes into a sine
    assert act["moved"] == 2 * 4 * 8 * 32 * 32


def test_a_network_with_the_op_is_built_and_computes_it(place: Path) -> None:
    run(place, "build", "plain.yaml", "-o", "out")
    assert "torch.sin(" in (place / "out" / "plain" / "plain.py").read_text(encoding="utf-8")
    script = """
import torch, archdsl
graph = archdsl.loads("archdsl: 1\\nname: n\\ninput: [3, 8, 8]\\nbackbone: [sine]")
x = torch.randn(2, 3, 8, 8)
print(bool(torch.equal(archdsl.compile(graph)(x), x.sin())))
"""
    assert run_python(place, script) == "True\n"


def test_every_kind_of_figure_knows_the_op(place: Path) -> None:
    files = {kind: f"{kind}.tex" if kind == "table" else f"{kind}.svg" for kind in KINDS}
    calls = [
        ["draw", *DRAWN_FROM.get(kind, ["plain.yaml"]), "--kind", kind, "-o", out]
        for kind, out in files.items()
    ]
    script = f"from archdsl.cli.main import run\nprint([run(call) for call in {calls}])"
    assert run_python(place, script).splitlines()[-1] == str([0] * len(calls))
    assert all((place / out).stat().st_size > 0 for out in files.values())


def test_what_differs_is_the_op(place: Path) -> None:
    assert "sine" in run(place, "diff", "plain.yaml", "other.yaml")


def test_the_graph_is_exported_and_read_back(place: Path) -> None:
    script = """
import archdsl
graph = archdsl.load("plain.yaml")
print(archdsl.Graph.from_json(graph.to_json()).to_json() == graph.to_json())
print(graph.to_networkx().nodes["act"]["op"])
"""
    assert run_python(place, script) == "True\nsine\n"
