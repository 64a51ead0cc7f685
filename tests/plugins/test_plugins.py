"""Ops of other packages: the package of docs/plug-ins.md, installed, and what can go wrong."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import archdsl
from archdsl import plugins
from archdsl.modules import calls
from archdsl.ops import ABSENT, OPS
from archdsl.pytorch.allowed import allowed
from tests.support import check_error

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "plug-ins.md").read_text(encoding="utf-8")
(SPEC,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def installed(package: Path, into: Path) -> None:
    """Installs a package, as it is, into a folder."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", str(into), str(package)], check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec of the page, and `site` beside it with its package installed."""
    folder = tmp_path_factory.mktemp("plugins")
    for path, text in re.findall(r"```\w+\n# (\S+\.\w+)\n(.*?)```", PAGE, re.S):
        (folder / "package" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "package" / path).write_text(text, encoding="utf-8")
    installed(folder / "package", folder / "site")
    (folder / "panorama.yaml").write_text(SPEC, encoding="utf-8")
    return folder


def entry(site: Path, package: str, verb: str, code: str) -> None:
    """A package of one file, as pip leaves it."""
    about = site / f"{package}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[archdsl.ops]\n{verb} = {package}:Added\n")
    (site / f"{package}.py").write_text(code, encoding="utf-8")


def run(
    place: Path, *arguments: str, site: str | Path = "site", status: int = 0
) -> subprocess.CompletedProcess[str]:
    paths = [str(place / site), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


# an installed package


def test_a_spec_with_an_op_of_a_package_is_right_and_without_it_is_not(place: Path) -> None:
    run(place, "check", "panorama.yaml")
    report = run(place, "check", "panorama.yaml", site="none", status=1).stdout
    assert "error[E0205]: unknown verb `ring_conv`" in report


def test_its_shape_costs_and_field_are_in_tables(place: Path) -> None:
    shown = run(
        place, "summary", "panorama.yaml", "--show", "parameters,macs,field", "--format", "json"
    )
    ring = next(s for s in json.loads(shown.stdout)["stages"] if s["path"] == "ring")
    assert ring["what"] == "ring 5x5"
    assert ring["parameters"] == 16 * 25 + 16
    assert ring["macs"] == 16 * 32 * 64 * 25
    assert ring["field"] == [7, 7]


def test_its_network_is_built_and_imports_the_package(place: Path) -> None:
    run(place, "build", "panorama.yaml", "-o", "out")
    source = (place / "out" / "panorama" / "panorama.py").read_text(encoding="utf-8")
    assert "from archdsl_ring.layers import RingConv2d\n" in source
    assert "it needs nothing but PyTorch and archdsl_ring." in source


def test_its_network_runs_and_its_graph_is_read_back(place: Path) -> None:
    script = """
import archdsl, torch
model = archdsl.compile("panorama.yaml")
from archdsl_ring.layers import RingConv2d
assert type(model.ring) is RingConv2d
x = torch.randn(1, 16, 32, 64)
turned = model.ring(x).roll(3, 3)
assert torch.allclose(model.ring(x.roll(3, 3)), turned, atol=1e-6)
assert model(torch.randn(1, 3, 32, 64)).shape == (1, 4)
text = model.graph.to_json()
print(archdsl.Graph.from_json(text).to_json() == text)
"""
    assert python(place, script) == "True\n"
    fresh = 'import archdsl; print(len(archdsl.Graph.from_json(open("g.json").read()).nodes))'
    python(
        place, 'import archdsl; open("g.json", "w").write(archdsl.load("panorama.yaml").to_json())'
    )
    assert python(place, fresh) == "6\n"


def python(place: Path, script: str) -> str:
    paths = os.pathsep.join([str(place / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_drawn_compared_and_in_the_schema(place: Path) -> None:
    run(place, "draw", "panorama.yaml", "-o", "x.svg")
    assert "ring" in (place / "x.svg").read_text(encoding="utf-8")
    text = SPEC.replace("kernel: 5", "kernel: 7").replace("panorama", "other")
    (place / "other.yaml").write_text(text, encoding="utf-8")
    assert "kernel: 5 -> 7" in run(place, "diff", "panorama.yaml", "other.yaml").stdout
    assert '"ring_conv"' in run(place, "schema").stdout


def test_its_arguments_and_shapes_are_checked_as_others(place: Path) -> None:
    for written, said in (
        ("{kernel: 4}", "a ring has a middle only with an odd kernel, not 4"),
        ("{kernel: 0}", "kernel of ring_conv: 0 is less than 1"),
        ("{}", "ring_conv needs `kernel`"),
        ("{kernel: 3, size: 3}", "ring_conv has no argument `size`"),
    ):
        (place / "wrong.yaml").write_text(SPEC.replace("{kernel: 5}", written), encoding="utf-8")
        assert said in run(place, "check", "wrong.yaml", status=1).stdout


def test_no_package_is_looked_for_while_specs_are_right(place: Path) -> None:
    script = """
import sys, archdsl
archdsl.load("resnet50")
print("importlib.metadata" in sys.modules, "archdsl_ring" in sys.modules)
archdsl.load("panorama.yaml")
print("archdsl_ring" in sys.modules, "torch" in sys.modules)
"""
    assert python(place, script) == "False False\nTrue False\n"


# packages that are wrong


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "import no_such_package",
            "the package broken has it, and fails: ModuleNotFoundError: ",
        ),
        ("raise SystemExit(7)", "the package broken has it, and fails: SystemExit: 7"),
        ("Added = 3", "the package broken has it, and it cannot be used: it is no subclass of "),
        (
            "from archdsl.plugins import Op\nclass Added(Op): verb = 'added'",
            "it says no `torch`: plugins.module(...) or plugins.function(...)",
        ),
        (
            "from archdsl.plugins import Op, function\n"
            "class Added(Op):\n    verb = 'other'\n    torch = function('torch.sin({0})')",
            "its verb is `other`",
        ),
    ],
)
def test_a_package_that_fails_is_named_and_stops_nothing_else(
    code: str, said: str, tmp_path: Path
) -> None:
    entry(tmp_path / "site", "broken", "added", code)
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nbackbone: [%s]\n"
    (tmp_path / "wrong.yaml").write_text(text % "added", encoding="utf-8")
    (tmp_path / "right.yaml").write_text(text % "relu", encoding="utf-8")
    report = run(tmp_path, "check", "wrong.yaml", status=1).stdout
    assert "error[E0205]: unknown verb `added`" in report
    assert said in report
    run(tmp_path, "check", "right.yaml")
    assert '"relu"' in run(tmp_path, "schema").stdout


def test_two_packages_with_one_verb_are_both_named(tmp_path: Path) -> None:
    for package in ("one", "two"):
        entry(tmp_path / "site", package, "added", "")
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nbackbone: [added]\n"
    (tmp_path / "n.yaml").write_text(text, encoding="utf-8")
    report = run(tmp_path, "check", "n.yaml", status=1).stdout
    assert "have it: remove one" in report
    assert "one" in report
    assert "two" in report


def test_a_block_of_the_spec_goes_before_a_package(tmp_path: Path) -> None:
    entry(tmp_path / "site", "broken", "added", "raise SystemExit(7)")
    text = (
        "archdsl: 1\nname: n\ninput: [3, 8, 8]\nblocks: {added: {seq: [relu]}}\nbackbone: [added]\n"
    )
    (tmp_path / "n.yaml").write_text(text, encoding="utf-8")
    run(tmp_path, "check", "n.yaml")


# in a session


@pytest.fixture
def clean() -> Iterator[None]:
    """What a test registers is gone after it."""
    tables = (OPS, ABSENT, calls.OTHERS, calls.IMPORTED)
    before = [dict(table) for table in tables]  # type: ignore[call-overload]
    names = set(calls.OTHER_NAMES)
    yield
    for table, held in zip(tables, before, strict=True):
        table.clear()  # type: ignore[attr-defined]
        table.update(held)  # type: ignore[attr-defined]
    calls.OTHER_NAMES.clear()
    calls.OTHER_NAMES.update(names)


WAVES = "{archdsl: 1, name: waves, input: [3, 8, 8], backbone: [sine]}"


@pytest.mark.usefixtures("clean")
def test_what_a_session_registers_is_an_op_at_once() -> None:
    @archdsl.register
    class Sine(plugins.Op):
        """`sin(x)`."""

        verb: ClassVar[str] = "sine"
        torch: ClassVar[plugins.Row] = plugins.function("torch.sin({0})")

    graph = archdsl.loads(WAVES)
    assert type(graph.nodes[0].op) is Sine
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(archdsl.compile(graph)(x), x.sin())


@pytest.mark.usefixtures("clean")
def test_a_module_of_torch_with_a_field() -> None:
    from dataclasses import dataclass

    @archdsl.register
    @dataclass(frozen=True)
    class HardShrink(plugins.Op):
        """`x` where it is large, 0 elsewhere."""

        verb: ClassVar[str] = "hard_shrink"
        torch: ClassVar[plugins.Row] = plugins.module("nn.Hardshrink", ("lambd", "limit", 0.5))
        limit: float = plugins.argument(plugins.POSITIVE, "what counts as small", 0.5)

    graph = archdsl.loads(WAVES.replace("sine", "relu, {hard_shrink: {limit: 0.7}}"))
    module = archdsl.compile(graph)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(module(x), torch.nn.functional.hardshrink(x.relu(), 0.7))


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("verb", "target", "said"),
    [
        ("relu", "torch.sin({0})", "there is an op `relu` already, archdsl.ops.activation.Relu"),
        ("a b", "torch.sin({0})", "its verb is no name: 'a b'"),
        ("class", "torch.sin({0})", "its verb is no name: 'class'"),
        ("sine", "mine.DropPath({0})", "`DropPath` means something else in the source"),
        ("sine", "mine.partial({0})", "`partial` means something else in the source"),
    ],
)
def test_a_name_that_is_taken_is_refused(verb: str, target: str, said: str) -> None:
    fields = {"verb": verb, "torch": plugins.function(target)}
    added = type("Added", (plugins.Op,), fields)
    with pytest.raises(archdsl.UsageError, match=re.escape(said)):
        archdsl.register(added)
    assert "sine" not in OPS


@pytest.mark.usefixtures("clean")
def test_code_that_is_not_what_the_class_says_is_an_error_with_the_difference() -> None:
    class Widening(plugins.Op):
        """Says that it has a weight, and has none."""

        verb: ClassVar[str] = "widening"
        torch: ClassVar[plugins.Row] = plugins.module("nn.Hardshrink")

        def weights(self, *inputs: plugins.TensorSpec) -> tuple[plugins.Weight, ...]:
            return (plugins.Weight("weight", (3,)),)

    archdsl.register(Widening)
    graph = archdsl.loads(WAVES.replace("sine", "widening"))
    with pytest.raises(archdsl.UsageError, match=r"waves has widening of other packages, .*weight"):
        archdsl.compile(graph)


@pytest.mark.usefixtures("clean")
def test_a_source_may_import_what_a_row_writes_and_nothing_else() -> None:
    archdsl.register(
        type("Fold", (plugins.Op,), {"verb": "fold", "torch": plugins.function("mine.fold({0})")})
    )
    body = "\nfrom torch import Tensor, nn\n\n%s\n\n\nclass N(nn.Module):\n    pass\n"
    body = body.replace(
        "    pass", "    def forward(self, x: Tensor) -> Tensor:\n        return fold(x)"
    )
    assert allowed(body % "from mine import fold")
    for line in ("import mine", "from mine import other", "from yours import fold",
                 "from mine import fold as relu", "from os import fold"):  # fmt: skip
        with pytest.raises(Exception, match="what is never written"):
            allowed(body % line)


def test_without_any_package_an_unknown_verb_is_unknown() -> None:
    check_error("backbone: [ring_conv]", 1, 12, "E0205", "unknown verb `ring_conv`")
