"""`archdsl import`, and modules in place of specs."""

from pathlib import Path

import pytest

import archdsl
from archdsl.cli.main import run

NETWORKS = Path(__file__).parents[1] / "importing" / "networks.py"
FUNCTIONAL = f"{NETWORKS}:Functional"


def test_a_class_of_a_file_becomes_a_spec_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.yaml"
    assert run(["import", FUNCTIONAL, "-o", str(out), "--input", "3,16,16", "--name", "net"]) == 0
    graph = archdsl.load(out)
    assert (graph.name, str(graph.input), len(graph.nodes)) == ("net", "3x16x16", 9)
    said = capsys.readouterr()
    assert "runs its Python code" in said.err
    assert said.out.startswith(f"{out}  15 lines")


def test_arguments_are_those_of_the_class(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["import", f"{NETWORKS}:Tokens", "--input", "3,16,16", "--arg", "heads=4"]
    assert run(call) == 0
    assert "attention: {heads: 4}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("resnet50", 2, "names no module"),
        ("torchvision:resnet8", 2, "did you mean `resnet18`?"),
        (f"{NETWORKS}:Functionel", 2, "did you mean `Functional`?"),
        ("nothing.py:Net", 2, "no file nothing.py"),
        ("no_such_package.net:Net", 2, "cannot be imported"),
        ("nothing.pt2", 2, "no file nothing.pt2"),
        (f"{NETWORKS}:nn", 2, "no class, function or module"),
        (f"{NETWORKS}:OnValues", 1, "depends on the values of a tensor"),
        (f"{NETWORKS}:Einsum", 1, "no op is mixing, sin"),
    ],
)
def test_what_cannot_be_is_told_with_its_status(
    source: str, status: int, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "net.yaml"
    assert run(["import", source, "-o", str(out)]) == status
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_module_stands_for_a_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "torchvision:squeezenet1_1"
    assert run(["summary", source]) == 0
    assert "1.24 M" in capsys.readouterr().out
    out = tmp_path / "net.svg"
    assert run(["draw", source, "-o", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("<svg")
    capsys.readouterr()
    assert run(["diff", "squeezenet1_1", source, "--format", "json"]) == 0
    assert run(["summary", source, "--set", "classes=10"]) == 2
    assert "archdsl import" in capsys.readouterr().err
    assert run(["check", source]) == 2  # which runs nothing


def test_structure_needs_no_published_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a backbone are torchvision's default, which a structure does without."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "fetched"))
    assert run(["summary", "torchvision:lraspp_mobilenet_v3_large"]) == 0
    assert "3.22 M" in capsys.readouterr().out
    assert not (tmp_path / "fetched").exists()


TOKENS = [f"{NETWORKS}:Tokens", "--input", "3,16,16", "--arg", "dim=16"]


def test_a_module_in_place_of_a_spec_takes_shapes_and_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["summary", *TOKENS]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tokens: 3x16x16 -> 3")
    assert "16x4x4" in said
    out = tmp_path / "net.svg"
    assert run(["draw", *TOKENS, "-o", str(out)]) == 0
    assert "16×4" in out.read_text(encoding="utf-8")
    assert run(["plot", "memory", *TOKENS, "-o", str(out)]) == 0


def test_diff_makes_both_modules_so_and_one_with_itself_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["diff", TOKENS[0], *TOKENS]) == 0
    assert "the same network" in capsys.readouterr().out
    assert run(["diff", FUNCTIONAL, "--input", "3,16,16"]) == 0
    assert "3x224x224 -> 3x16x16" in capsys.readouterr().out


@pytest.mark.parametrize(
    "call",
    [["summary"], ["draw"], ["diff", "alexnet"], ["plot", "cost"], ["export"], ["partition"]],
)
@pytest.mark.parametrize("said", [["--input", "3,16,16"], ["--arg", "dim=16"]])
def test_a_spec_takes_neither(
    call: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--stages", "2"] if call == ["partition"] else []
    assert run([*call, "alexnet", *said, *more]) == 2
    assert "alexnet is a spec" in capsys.readouterr().err
