"""Exit status 3 is left for real bugs: no command, given anything hostile, ends in it."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from archdsl.analysis.measures import MEASURES
from archdsl.cli.main import FILES, run
from archdsl.figures.options import KINDS
from tests.examples import some
from tests.hostile.inputs import INPUTS, TINY

SUFFIXES = ("svg", "tex", "pdf", "png")
COLUMNS = ",".join(MEASURES)
DEVICE = ["--device", "flops=1T,bandwidth=1G"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def readers(file: str) -> Iterator[list[str]]:
    """The commands that read a spec, in every format and kind."""
    for format in ("full", "concise", "json", "sarif", "github"):
        yield ["check", "--pedantic", file, "--format", format]
    for format in ("table", "markdown", "latex", "json", "csv"):
        yield ["summary", file, "--format", format, "--show", COLUMNS, *DEVICE, "--depth", "3"]
    for by in ("block", "op"):
        yield ["summary", file, "--by", by, "--sort", "macs"]
    for format in ("table", "markdown", "json"):
        yield ["diff", file, "tiny.yaml", "--format", format]
    yield ["diff", "tiny.yaml", file]
    yield ["diff", file, "--set", "a=1"]
    for n, kind in enumerate(KINDS):
        suffix = SUFFIXES[n % len(SUFFIXES)]
        files = [file, "tiny.yaml"] if kind == "diff" else [file]
        yield ["draw", *files, "--kind", kind, "-o", f"{kind}.svg", "-o", f"{kind}.{suffix}"]
    yield ["draw", file, "--only", "0", "--title", "t", "--fold", "none", "-o", "only.svg"]
    yield ["plot", "memory", file, "-o", "p.svg"]
    yield ["plot", "field", file, "-o", "p.pdf"]
    yield ["plot", "cost", file, "tiny.yaml", "--width", "single", "-o", "p.png", "--dpi", "50"]
    yield ["scale", file, "--phi", "0..1"]
    yield ["scale", file, "--budget", "macs=4G"]
    yield ["scale", file, "--search", "2x macs", "--grid", "1,1.2,0.1"]
    yield ["build", file, "-o", "out"]
    yield ["export", file, "--to", "safetensors", "-o", "exported"]
    for format in ("text", "json"):
        yield ["weights", file, "--format", format]
    yield ["partition", file, "--stages", "2"]
    yield ["bench", file, "--engines", "none"]  # refused, as it would measure for minutes


def others(file: str) -> Iterator[list[str]]:
    """The commands to which a file comes in at some other place, or is none of theirs."""
    yield from (["check", name] for name in ("extends.yaml", "import.yaml"))
    yield ["draw", "tiny.yaml", "--theme", file, "-o", "themed.svg"]
    yield ["plot", "cost", "tiny.yaml", "--theme", file, "-o", "themed.svg"]
    yield ["sweep", file, "-o", "a.csv", "--workers", "1"]
    yield ["sweep", "of.yaml", "-o", "b.csv", "--workers", "1"]
    yield ["plot", "frontier", file, "-y", "macs"]
    yield from ([command, file] for command in ("list", "show", "explain", "schema"))
    yield ["fmt", "--check", file]
    yield ["fmt", "--diff", file]
    yield ["fmt", file]
    yield from ([command, file] for command in ("import", "new", "lsp", "completion"))
    yield ["new", "started", "-o", file]
    yield ["serve", file, "--port", "none"]  # refused, as a server would not end


def spoken(text: str) -> Iterator[list[str]]:
    """The commands with a text as the value of what they take."""
    for command in (
        "check",
        "summary",
        "draw",
        "build",
        "scale",
        "sweep",
        "fmt",
        "show",
        "explain",
        "export",
        "weights",
        "import",
        "new",
        "completion",
    ):
        yield [command, text]
    yield ["diff", "tiny.yaml", text]
    for option in ("--set", "--scale", "--limit"):
        yield ["check", "tiny.yaml", option, text]
        yield ["check", "tiny.yaml", option, f"a={text}"]
    yield ["check", "tiny.yaml", "--limit", f"root={text}"]
    yield ["check", "tiny.yaml", "--ignore", text]
    for option in ("--show", "--sort", "--device", "--depth"):
        yield ["summary", "tiny.yaml", option, text]
    for option in (
        "--theme",
        "--only",
        "--title",
        "--show",
        "--width",
        "--fold",
        "--scale",
        "--kind",
    ):
        yield ["draw", "tiny.yaml", option, text, "-o", "said.svg"]
    yield ["draw", "tiny.yaml", "-o", f"{text}.svg"]
    yield ["plot", "frontier", "tiny.yaml", "-y", text]
    for option in ("--width", "--theme", "--title", "--dpi"):
        yield ["plot", "memory", "tiny.yaml", option, text, "-o", "said.svg"]
    for option in ("--phi", "--budget", "--search", "--grid"):
        yield ["scale", "tiny.yaml", option, text]
    for option in ("--to", "--weights"):
        yield ["export", "tiny.yaml", option, text, "-o", "exported"]
    for option in ("--input", "--name", "--arg"):
        yield ["import", "none.py:Net", option, text]
    for option in ("--input", "--arg"):
        yield ["summary", "none.py:Net", option, text]
    for option in ("--stages", "--by"):
        yield ["partition", "tiny.yaml", "--stages", "2", option, text]
    for option in ("--engines", "--batch", "--turns"):
        yield ["bench", "none.yaml", option, text]  # no such file, so nothing is measured
    yield ["new", "started", "--like", text]
    yield ["new", "started", "-o", f"{text}/none"]
    yield ["serve", f"{text}.none", "--no-show"]  # no such file, so no server
    yield ["serve", "none.yaml", "--no-show", "--port", text]
    yield ["lsp", text, "tiny.yaml"]


@pytest.mark.parametrize("name", some(INPUTS, 6))
def test_no_command_ends_in_a_bug(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = INPUTS[name].encode("utf-8", "surrogatepass")
    Path("n.yaml").write_bytes(text)
    Path("tiny.yaml").write_text(TINY)
    Path("extends.yaml").write_text("archdsl: 1\nname: e\nextends: n.yaml\n")
    Path("import.yaml").write_text(TINY + "import: n.yaml\n")
    Path("of.yaml").write_text("archdsl: 1\nstudy: s\nspec: n.yaml\nset: {a: [1, 2]}\n")
    ran = set()
    for command in (*readers("n.yaml"), *others("n.yaml")):
        ran.add(command[0])
        assert run(command) in (0, 1, 2), command
        assert "Traceback" not in capsys.readouterr().err
    assert ran == set(FILES)
    assert not [path for path in os.listdir() if path == "EXECUTED"]


TEXTS = ["", " ", "-", "--", "=", "a=b", "../x", "/", "~", "{}", "%s", "$x", "\\", '"', "'", "\n",
         "\x1b[31m", "é" * 300, "a" * 5000, "9" * 400, "-1", "nan", "1e999", "0x", "\ud800", "\0",
         "resnet18.yaml", "a/b", "[", "*a", "!!int 3", "<<", "E0101", "W9999", "."]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_no_word_of_a_call_ends_in_a_bug(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tiny.yaml").write_text(TINY)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    for command in spoken(text):
        assert run(command) in (0, 1, 2), command
        assert "Traceback" not in capsys.readouterr().err
