"""What works where packages are not installed, and what is said of what does not."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUN = """
import sys
blocked, arguments = set(sys.argv[1].split(",")), sys.argv[2:]

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from archdsl.cli.main import run
sys.exit(run(arguments))
"""
EVERYTHING = (
    "torch", "torchvision", "numpy", "safetensors", "networkx", "reportlab", "resvg_py",
    "matplotlib", "optuna", "dask", "distributed", "pyarrow", "graphviz", "pydantic",
    "ruamel", "ruamel.yaml",
)  # fmt: skip
STUDY = """
archdsl: 1
study: small
spec: tiny.yaml
set: {classes: [2, 3]}
"""
TINY = """archdsl: 1
name: tiny
input: [3, 8, 8]
params: {classes: 2}
scaling: {width: {base: 1.1}}
backbone: [{conv: {out: width(8), kernel: 3}}]
head: [global_avg_pool, flatten, {linear: {out: classes}}]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "asked.yaml").write_text(STUDY + "sample: {optuna: 3}\nminimize: macs\n")
    (tmp_path / "run.yaml").write_text(STUDY + "objective: {python: 'a.py:b'}\n")
    return tmp_path


def without(blocked: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, ",".join(blocked), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "call",
    [
        "check tiny.yaml resnet50",
        "check tiny.yaml --format sarif",
        "summary efficientnet_b0",
        "draw resnet18 -o figure.svg -o figure.tex",
        "draw resnet18 --kind table -o table.html",
        "draw resnet18 --kind graph -o graph.mmd",
        "diff resnet18 resnet34",
        "scale tiny.yaml --phi 0..2",
        "sweep study.yaml --workers 1",
        "show bottleneck",
        "explain E0501",
    ],
)
def test_a_command_needs_few_packages(call: str) -> None:
    done = without(EVERYTHING, *call.split())
    folds = call.startswith("draw") and "--kind graph" not in call
    said = "Not drawn: batch norm, relu, flatten.\n" if folds else ""
    assert (done.returncode, done.stderr) == (0, said)


def test_fmt_needs_ruamel_alone() -> None:
    blocked = tuple(name for name in EVERYTHING if not name.startswith("ruamel"))
    done = without(blocked, "fmt", "--check", str(ROOT / "specs" / "resnet18.yaml"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("blocked", "call", "said"),
    [
        ("torch", "build tiny.yaml", "build needs PyTorch: pip install torch"),
        ("torch", "sweep run.yaml", "a Python objective needs PyTorch: pip install torch"),
        ("ruamel.yaml", "fmt tiny.yaml", "fmt needs ruamel.yaml: pip install ruamel.yaml"),
        ("ruamel", "fmt tiny.yaml", "fmt needs ruamel.yaml: pip install ruamel.yaml"),
        ("reportlab", "draw tiny.yaml -o a.svg -o a.pdf",
         "a .pdf file needs reportlab: pip install reportlab"),
        ("resvg_py", "draw tiny.yaml -o a.svg -o a.png",
         "a .png file needs resvg: pip install resvg-py"),
        ("graphviz", "draw tiny.yaml --kind graph -o a.dot",
         "a .dot file needs the package graphviz: pip install graphviz"),
        ("graphviz", "draw tiny.yaml --kind graph -o a.svg",
         "--kind graph needs the package graphviz: pip install graphviz"),
        ("matplotlib", "plot memory tiny.yaml", "a plot needs matplotlib: pip install matplotlib"),
        ("optuna", "sweep asked.yaml", "this sample needs Optuna: pip install optuna"),
        ("distributed", "sweep study.yaml --dask tcp://localhost:1",
         "--dask needs Dask: pip install 'dask[distributed]'"),
        ("pydantic", "schema theme", "schema needs pydantic: pip install pydantic"),
        ("pyarrow", "sweep study.yaml -o a.parquet", "Parquet needs pyarrow: pip install pyarrow"),
    ],
)  # fmt: skip
def test_what_lacks_a_package_says_so_in_one_line(
    folder: Path, blocked: str, call: str, said: str
) -> None:
    before = sorted(folder.rglob("*"))
    done = without((blocked,), *call.split())
    assert (done.returncode, done.stderr) == (2, f"error: {said}\n")
    assert sorted(folder.rglob("*")) == before, "something was written"
