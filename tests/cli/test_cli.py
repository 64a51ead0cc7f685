"""The program as its users meet it: what it prints, what it writes, how it ends."""

import json
import os
import pkgutil
import pty
import re
import select
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import pytest

import archdsl as package
from archdsl import cli as commands
from archdsl.cli import console
from archdsl.cli import main as cli
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from archdsl.pytorch import running
from archdsl.pytorch import source as python

ROOT = Path(__file__).parents[2]

TINY = """\
archdsl: 1
name: tiny
cite: {title: A tiny network, arxiv: "1234.56789"}
input: [3, 16, 16]
params: {classes: 10}
backbone:
  conv: {conv: {out: width(8), kernel: 3}}
  relu: relu
head:
  pool: global_avg_pool
  flatten: flatten
  fc: {linear: {out: classes}}
"""

WRONG = TINY.replace("linear", "liner")

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a good spec and a wrong one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    return tmp_path


COMMAND = [sys.executable, "-m", "archdsl"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": ""}


def archdsl(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, with environment variables."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env={**ENVIRONMENT, **variables}
    )


def lines(text: str) -> list[str]:
    return text.splitlines()


# what is right


def test_check_says_nothing_of_a_good_spec(here: Path, capsys: Captured) -> None:
    assert cli.run(["check", "tiny.yaml", "resnet18"]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_shows_what_is_wrong(here: Path, capsys: Captured) -> None:
    assert cli.run(["check", "tiny.yaml", "wrong.yaml"]) == 1
    out, err = capsys.readouterr()
    assert lines(out) == [
        "error[E0205]: unknown verb `liner`",
        "  --> wrong.yaml:12:8",
        "   |",
        "12 |   fc: {liner: {out: classes}}",
        "   |        ^^^^^",
        "   |",
        "   = help: did you mean `linear`?",
        "",
        "1 error in 1 file",
    ]
    assert err == ""


def test_check_can_be_concise(here: Path, capsys: Captured) -> None:
    assert cli.run(["check", "wrong.yaml", "--format", "concise"]) == 1
    assert capsys.readouterr().out == "wrong.yaml:12:8: E0205 unknown verb `liner`\n"


def test_check_can_speak_json(here: Path, capsys: Captured) -> None:
    assert cli.run(["check", "wrong.yaml", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["code"], found["span"]["line"]) == ("E0205", 12)
    assert cli.run(["check", "tiny.yaml", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_error_in_a_shared_base_is_shown_once(here: Path, capsys: Captured) -> None:
    for name in ("a", "b"):
        (here / f"{name}.yaml").write_text(f"archdsl: 1\nextends: wrong.yaml\nname: {name}\n")
    assert cli.run(["check", "a.yaml", "b.yaml", "--format", "concise"]) == 1
    assert capsys.readouterr().out.count("E0205") == 1


def test_summary_is_a_table_of_stages(here: Path, capsys: Captured) -> None:
    assert cli.run(["summary", "tiny.yaml"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert lines(out) == [
        "tiny: 3x16x16 -> 10",
        "A tiny network. arXiv:1234.56789",
        "",
        "stage    what             output   parameters      %     MACs      %",
        "--------------------------------------------------------------------",
        "conv     3x3 conv, 8      8x16x16         224  71.3%  55.30 K  99.9%",
        "relu     relu             8x16x16           0               0",
        "pool     global avg pool  8x1x1             0               0",
        "flatten  flatten          8                 0               0",
        "fc       fc, 10           10               90  28.7%       80   0.1%",
        "--------------------------------------------------------------------",
        "total                                     314         55.38 K",
    ]


@pytest.mark.parametrize(
    ("format", "start"),
    [("markdown", "# tiny\n"), ("latex", "% tiny"), ("json", "{"), ("csv", "path,what,")],
)
def test_summary_has_formats(format: str, start: str, here: Path, capsys: Captured) -> None:
    assert cli.run(["summary", "tiny.yaml", "--format", format]) == 0
    assert capsys.readouterr().out.startswith(start)


def test_summary_goes_as_deep_as_it_is_told(capsys: Captured) -> None:
    assert cli.run(["summary", "resnet18", "--depth", "2"]) == 0
    assert "layer4.1" in capsys.readouterr().out


def test_settings_change_the_spec(here: Path, capsys: Captured) -> None:
    call = ["summary", "tiny.yaml", "--set", "classes=3", "--scale", "width=2", "--format", "csv"]
    assert cli.run(call) == 0
    rows = lines(capsys.readouterr().out)
    assert 'conv,"3x3 conv, 16",16x16x16' in rows[1]
    assert 'fc,"fc, 3",3' in rows[-2]


def test_limits_bound_the_spec_and_can_be_changed(here: Path, capsys: Captured) -> None:
    assert cli.run(["check", "tiny.yaml", "--limit", "nodes=3"]) == 1
    assert "--limit nodes=N allows more" in capsys.readouterr().out
    assert cli.run(["check", "tiny.yaml", "--limit", "nodes=5"]) == 0


def test_list_shows_the_gallery(capsys: Captured) -> None:
    assert cli.run(["list"]) == 0
    headings, _, *rows = lines(capsys.readouterr().out)
    assert headings.split() == ["name", "parameters", "MACs", "input", "paper"]
    assert [row.split()[0] for row in rows] == gallery.names()
    (resnet,) = (row for row in rows if row.startswith("resnet50 "))
    assert re.split(r"\s{2,}", resnet) == [
        "resnet50",
        "25.56 M",
        "4.09 G",
        "3x224x224",
        "Deep Residual Learning for Image Recognition",
    ]


def test_every_spec_of_the_gallery_is_right(capsys: Captured) -> None:
    assert cli.run(["check", *gallery.names()]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_warning_is_shown_but_is_no_failure(here: Path, capsys: Captured) -> None:
    rules = "scaling: {phi: 0, depth: {base: 2}, width: {base: 2}, resolution: {base: 2}}\n"
    (here / "odd.yaml").write_text(TINY + rules)
    assert cli.run(["check", "odd.yaml"]) == 0
    assert "warning[W0101]" in capsys.readouterr().out
    assert cli.run(["summary", "odd.yaml"]) == 0
    out, err = capsys.readouterr()
    assert "W0101" not in out and "warning[W0101]" in err


# what is built


def test_build_tells_no_folder_of_this_machine(tmp_path: Path, capsys: Captured) -> None:
    assert cli.run(["build", "resnet18", "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    text = (tmp_path / "resnet18" / "resnet18.json").read_text()
    files = {node.span.file for node in Graph.from_json(text).nodes if node.span}
    assert files == {"resnet50.yaml", "basic.yaml", "projection.yaml"}


def test_build_writes_a_module_a_graph_and_a_table(here: Path, capsys: Captured) -> None:
    assert cli.run(["build", "tiny.yaml", "--set", "classes=4"]) == 0
    out, err = capsys.readouterr()
    folder = here / "out" / "tiny"
    assert sorted(os.listdir(folder)) == [
        "summary.md",
        "tiny.json",
        "tiny.py",
        "tiny.svg",
        "tiny.tex",
    ]
    assert "class Tiny(nn.Module)" in (folder / "tiny.py").read_text()
    assert Graph.from_json((folder / "tiny.json").read_text()).by_id["fc"].output.shape == (4,)
    assert (folder / "summary.md").read_text().startswith("# tiny\n")
    assert lines(out)[-7:] == [
        "",
        "out/tiny/tiny.py     PyTorch source",
        "out/tiny/tiny.json   the graph",
        "out/tiny/summary.md  this table",
        "out/tiny/tiny.svg    the figure",
        "out/tiny/tiny.tex    the architecture table in LaTeX",
        "ran on a random image of 1x3x16x16: gives 1x4, has 260 parameters, as in the table",
    ]
    assert out.startswith("tiny: 3x16x16 -> 4\n")
    assert err == ""


def test_what_is_built_runs_without_archdsl(here: Path) -> None:
    assert cli.run(["build", "tiny.yaml", "-o", "there"]) == 0
    program = (
        "import sys, torch; sys.modules['archdsl'] = None; from tiny import Tiny;"
        "print(tuple(Tiny()(torch.zeros(5, 3, 16, 16)).shape))"
    )
    folder = here / "there" / "tiny"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert result.stdout == "(5, 10)\n", result.stderr


def test_a_second_build_replaces_the_first(here: Path) -> None:
    assert cli.run(["build", "tiny.yaml"]) == 0
    assert cli.run(["build", "tiny.yaml", "--set", "classes=3"]) == 0
    assert "3" in (here / "out" / "tiny" / "tiny.py").read_text()
    assert len(os.listdir(here / "out" / "tiny")) == 5


def test_a_figure_that_fits_no_page_is_as_wide_as_it_needs(here: Path, capsys: Captured) -> None:
    paths = "".join(f"  c{n}: {{conv: {{out: 8, kernel: 1}}, from: input}}\n" for n in range(40))
    joined = ", ".join(f"c{n}" for n in range(40))
    backbone = f"backbone:\n{paths}  all: {{add: {{}}, from: [{joined}]}}\n"
    (here / "tiny.yaml").write_text(re.sub(r"backbone:\n.*(?=head)", backbone, TINY, flags=re.S))
    assert cli.run(["build", "tiny.yaml", "--set", "classes=3"]) == 0
    assert "no figure" not in capsys.readouterr().out
    assert "tiny.svg" in os.listdir(here / "out" / "tiny")


def test_a_network_that_has_no_figure_is_built_without_and_says_so(
    here: Path, capsys: Captured
) -> None:
    (here / "acts.yaml").write_text(
        "archdsl: 1\nname: acts\ninput: [4, 8, 8]\nbackbone: [relu, tanh]\n"
    )
    assert cli.run(["build", "acts.yaml"]) == 0
    assert "no figure: acts has no layers" in capsys.readouterr().out
    assert "acts.svg" not in os.listdir(here / "out" / "acts")


def test_a_wrong_spec_is_not_built(here: Path, capsys: Captured) -> None:
    assert cli.run(["build", "wrong.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "unknown verb `liner`" in err
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "Linear(8, num_classes",
            "Linear(8, num_classes + 1",
            "fc.weight: the source has (11, 8), the graph (10, 8)",
        ),
        (
            "size=3, padding=1",
            "size=5, padding=2",
            "conv.weight: the source has (8, 3, 5, 5), the graph (8, 3, 3, 3)",
        ),
    ],
)
def test_source_that_is_not_the_graph_is_found_out(
    old: str, new: str, said: str, here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = package.emit("tiny.yaml")
    assert old in source
    monkeypatch.setattr(python, "emit", lambda graph, title=None: source.replace(old, new))
    assert cli.run(["build", "tiny.yaml"]) == 3
    assert capsys.readouterr() == (
        "",
        f"error: internal error, please report it: {said}\n",
    )


def test_a_network_that_does_not_fit_into_memory_is_still_written(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(running, "new_module", full)
    assert cli.run(["build", "tiny.yaml"]) == 2
    said = "error: out/tiny/tiny.py is written, but too large to be run here\n"
    assert capsys.readouterr() == ("", said)
    assert (here / "out" / "tiny" / "tiny.py").exists()


# wrong calls


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["check", "none.yaml"], "no file none.yaml"),
        (["check", "wrog.yaml"], "did you mean `wrong.yaml`?"),
        (["check", "resnet5O"], "did you mean `resnet50`?"),
        (["summary", "none.yaml"], "no file none.yaml"),
        (["build", "none.yaml"], "no file none.yaml"),
        (["check", "."], ". is a directory, not a spec"),
        (["summary", "."], ". is a directory, not a spec"),
        (["check", "tiny.yaml/x"], "no file tiny.yaml/x"),
        (["check", "a\x1b[2J\nb"], "no file a"),
        (["check", "x" * 5000], "no file xxx"),
        (["check", ""], "no file"),
        (["summary", "tiny.yaml", "--set", "clases=3"], "did you mean `classes`?"),
        (["summary", "tiny.yaml", "--scale", "widht=3"], "did you mean `width`?"),
        (["summary", "tiny.yaml", "--limit", "node=3"], "did you mean `nodes`?"),
        (["summary", "tiny.yaml", "--limit", "nodes=many"], "must be a positive whole number"),
        (["build", "tiny.yaml", "-o", "wrong.yaml"], "folder wrong.yaml/tiny: Not a directory"),
    ],
)
def test_a_wrong_call_gets_one_line(
    call: list[str], said: str, here: Path, capsys: Captured
) -> None:
    assert cli.run(call) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(lines(err)) == 1 and err.startswith("error: ")
    assert said in err
    assert "\x1b" not in err
    assert sorted(os.listdir(here)) == ["tiny.yaml", "wrong.yaml"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ([], "Usage: archdsl"),
        (["chek"], "No such command 'chek'"),
        (["check"], "Missing argument 'SPEC...'"),
        (["summary", "tiny.yaml", "--dept", "3"], "--depth"),
        (["summary", "tiny.yaml", "--depth", "0"], "0 is not in the range x>=1"),
        (["summary", "tiny.yaml", "--format", "xml"], "'xml' is not one of"),
        (["summary", "tiny.yaml", "--set", "classes"], "`classes` is not of the form name=value"),
    ],
)
def test_a_call_that_cannot_be_read_shows_how_to_call(
    call: list[str], said: str, here: Path, capsys: Captured
) -> None:
    assert cli.run(call) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("call", [["--help"], ["-h"], ["check", "--help"], ["--version"]])
def test_asking_for_help_is_no_error(call: list[str], capsys: Captured) -> None:
    assert cli.run(call) == 0
    assert "archdsl" in capsys.readouterr().out


def test_a_wrong_call_does_not_keep_the_other_specs_from_being_checked(
    here: Path, capsys: Captured
) -> None:
    assert cli.run(["check", "none.yaml", "wrong.yaml"]) == 2
    out, err = capsys.readouterr()
    assert "unknown verb" in out and "no file none.yaml" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "the file is not UTF-8 text"),
        (b"\x00\x01\x02", "the file is not YAML"),
        (b"name: caf\xe9\n", "the file is not UTF-8 text"),
        (b"- a\n- b\n", "a spec is a mapping, this document is a list"),
        (b"just words\n", "a spec is a mapping, this document is text"),
        (b"3\n", "a spec is a mapping, this document is 3"),
        (b"{a: [}\n", "this `[` is not closed"),
        (b"a: &a [*a]\n", ""),
        (b"\xff\xfea\x00", "the file is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("command", ["check", "summary", "build"])
def test_a_file_that_is_no_spec_is_a_wrong_spec(
    command: str, content: bytes, said: str, here: Path, capsys: Captured
) -> None:
    (here / "bad.yaml").write_bytes(content)
    assert cli.run([command, "bad.yaml"]) == 1
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert said in lines(text)[0]
    assert "Traceback" not in text
    assert not (here / "out").exists()


def test_a_file_that_may_not_be_read_is_a_wrong_call(here: Path, capsys: Captured) -> None:
    (here / "tiny.yaml").chmod(0)
    if os.access("tiny.yaml", os.R_OK):
        pytest.skip("this user may read everything")
    assert cli.run(["check", "tiny.yaml"]) == 2
    assert capsys.readouterr().err == "error: cannot read tiny.yaml: Permission denied\n"


def test_a_folder_that_may_not_be_written_is_a_wrong_call(here: Path, capsys: Captured) -> None:
    assert cli.run(["build", "tiny.yaml", "-o", "/proc/none"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: cannot make the folder /proc/none/tiny: ")


def test_a_build_that_cannot_be_written_leaves_the_last_one(here: Path, capsys: Captured) -> None:
    folder = here / "out" / "tiny"
    (folder / "tiny.json").mkdir(parents=True)
    (folder / "summary.md").write_text("old")
    assert cli.run(["build", "tiny.yaml"]) == 2
    assert capsys.readouterr().err == "error: cannot write out/tiny/tiny.json: Is a directory\n"
    assert (folder / "summary.md").read_text() == "old"
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_a_bug_is_said_to_be_one(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(console, "read", broken)
    assert cli.run(["check", "tiny.yaml"]) == 3
    assert lines(capsys.readouterr().err)[-1] == (
        "error: this is a bug in archdsl, please report it: division by zero"
    )


@pytest.mark.parametrize(
    "command", ["check", "summary", "build", "draw", "diff", "scale --phi 0..1", "plot memory"]
)
def test_a_wrong_value_of_an_option_is_a_wrong_call(here: Path, command: str) -> None:
    name, *rest = command.split()
    call = (
        [name, *rest, "resnet20_cifar10"] if name == "plot" else [name, "resnet20_cifar10", *rest]
    )
    assert cli.run([*call, "--set", "classes=abc"]) == 2
    assert cli.run([*call, "--set", "classes=0"]) == 2
    assert cli.run([*call, "--scale", "width=-1"]) == 2


# the process


def test_the_program_ends_with_its_status(here: Path) -> None:
    assert [archdsl(*call).returncode for call in (
        ("check", "tiny.yaml"), ("check", "wrong.yaml"), ("check", "none.yaml"),
    )] == [0, 1, 2]  # fmt: skip


@pytest.mark.parametrize(
    "call", ["check resnet50", "summary resnet50", "list", "--help", "check none.yaml"]
)
def test_only_build_imports_torch(call: str) -> None:
    program = (
        f"import sys; from archdsl.cli.main import run; run({call.split()!r});"
        "print([m for m in ('torch', 'numpy', 'networkx', 'rich') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert lines(result.stdout)[-1] == "[]", result.stderr


def test_a_reader_that_stops_reading_is_no_error(here: Path) -> None:
    (here / "deep.yaml").write_text(TINY.replace("relu: relu", "relu: {relu: {}, repeat: 5000}"))
    process = subprocess.Popen(
        [*COMMAND, "summary", "deep.yaml", "--depth", "9", "--format", "csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdout and process.stderr
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == -signal.SIGPIPE  # as any other program
    process.stderr.close()


class Waiting:
    """The program while it waits for its spec, which is a pipe; stderr may be a terminal."""

    def __init__(self, folder: Path, terminal: bool) -> None:
        pipe = folder / "pipe.yaml"
        os.mkfifo(pipe)
        self.screen, err = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [*COMMAND, "check", str(pipe)], stdout=subprocess.DEVNULL, stderr=err, env=ENVIRONMENT
        )
        os.close(err)
        self.spec: int | None = os.open(pipe, os.O_WRONLY)  # waits for the program to open its end

    def give(self, text: str) -> None:
        """Writes the spec and closes the pipe."""
        assert self.spec is not None
        os.write(self.spec, text.encode())
        os.close(self.spec)
        self.spec = None

    def said(self, seconds: float = 10.0, until: str = "\0") -> str:
        """What stands on stderr when it closes, or when it holds a word."""
        text, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and until.encode() not in text:
            if not select.select([self.screen], [], [], 0.1)[0]:
                continue
            try:
                part = os.read(self.screen, 4096)
            except OSError:  # the other end of a terminal is closed
                break
            if not part:
                break
            text += part
        return text.decode()

    def interrupt(self) -> None:
        """Control-C, and once more where Python, about to read, keeps the first until it has."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.spec is not None:
            os.close(self.spec)
        os.close(self.screen)


def test_every_command_is_found_in_its_file() -> None:
    found, inner = set(), set()
    for module in pkgutil.iter_modules(commands.__path__):
        for one in vars(import_module(f"archdsl.cli.{module.name}")).values():
            if isinstance(one, click.Command) and one is not cli.cli:
                found.add((one.name, module.name))
                inner |= set(getattr(one, "commands", ()))
    assert {pair for pair in found if pair[0] not in inner} == set(cli.FILES.items())


def test_a_command_that_is_not_there_gets_those_that_may_be_meant() -> None:
    assert "Did you mean 'check'?" in archdsl("chekc").stderr


def test_control_c_ends_quietly_with_130(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, terminal=False)
    try:
        waiting.interrupt()
        assert waiting.process.wait(10) == 130
        assert waiting.said().strip() == ""
    finally:
        waiting.close()


def test_a_terminal_sees_what_takes_longer_than_a_second(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, terminal=True)
    try:
        assert "checking" in waiting.said(until="pipe.yaml")
        waiting.give(TINY)
        assert waiting.process.wait(10) == 0
    finally:
        waiting.close()


def test_colour_is_for_terminals() -> None:
    screen, out = pty.openpty()
    shown = {}
    for no_color in ("", "1"):
        subprocess.run(
            [*COMMAND, "summary", "resnet18"], stdout=out, env={**ENVIRONMENT, "NO_COLOR": no_color}
        )
        shown[no_color] = os.read(screen, 65536).decode().replace("\r\n", "\n")
    os.close(out)
    os.close(screen)
    plain = archdsl("summary", "resnet18").stdout
    assert shown["1"] == plain
    assert shown[""] != plain and re.sub(r"\x1b\[\d*m", "", shown[""]) == plain


def test_output_that_the_encoding_cannot_hold_is_replaced(here: Path) -> None:
    (here / "tiny.yaml").write_text(TINY.replace("A tiny", "Ein winziges (日本)"))
    result = archdsl("summary", "tiny.yaml", PYTHONIOENCODING="latin-1")
    assert result.returncode == 0 and "Ein winziges (??)" in result.stdout
