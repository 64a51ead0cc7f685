"""The commands that a new spec begins with, and a spec that comes over standard input."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from archdsl.cli.main import run
from archdsl.diagnostics.sink import Sink
from archdsl.yaml.source import parse

RIGHT = "archdsl: 1\nname: a\ninput: [3, 8, 8]\nbackbone: [relu]\n"


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_new_writes_a_spec_and_the_schema_that_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    assert run(["new", "mine", "--like", "unet", "-o", str(tmp_path)]) == 0
    text = (tmp_path / "mine.yaml").read_text("utf-8")
    schema = json.loads((tmp_path / "archdsl.schema.json").read_text("utf-8"))
    source = parse(text, "mine.yaml", Sink())
    assert source is not None and source.data["name"] == "mine"
    assert not [*Draft202012Validator(schema).iter_errors(source.data)]
    assert run(["check", str(tmp_path / "mine.yaml")]) == 0
    (tmp_path / "mine.yaml").write_text(text + "# my own\n")
    assert run(["new", "mine", "-o", str(tmp_path)]) == 2
    assert (tmp_path / "mine.yaml").read_text("utf-8").endswith("# my own\n")
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a-b", "../a", "class", ""])
def test_new_takes_names_of_networks_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(["new", name, "-o", str(tmp_path)]) == 2
    assert not [*tmp_path.iterdir()]
    assert capsys.readouterr().err.startswith("error: ")


def test_a_spec_on_standard_input_is_checked_as_if_it_stood_at_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, RIGHT)
    assert run(["check", "-"]) == 0
    typed(monkeypatch, RIGHT.replace("relu", "rellu"))
    assert run(["check", "-", "--format", "concise"]) == 1
    assert capsys.readouterr().out == "-:4:12: E0205 unknown verb `rellu`\n"
    (tmp_path / "base.yaml").write_text(RIGHT)
    own = "archdsl: 1\nname: b\nextends: base.yaml\ninput: [3, 4, 4, 4, 4]\n"
    typed(monkeypatch, own)
    file = str(tmp_path / "own.yaml")
    assert run(["check", "-", "--stdin-filename", file, "--format", "concise"]) == 1
    assert f"{file}:4:8: " in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert run(["check", "-", "--format", "concise"]) == 1
    assert "E0102" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("check resnet5", "resnet50"),
        ("show bottl", "bottleneck"),
        ("draw --kind colu", "columns"),
        ("summ", "summary"),
        ("new --like unt x", None),
    ],
)
def test_shells_complete_commands_networks_blocks_and_kinds(
    words: str, offered: str | None
) -> None:
    said = {
        "_ARCHDSL_COMPLETE": "bash_complete",
        "COMP_WORDS": f"archdsl {words}",
        "COMP_CWORD": str(len(words.split())),
    }
    script = "from archdsl.cli.main import cli; cli(prog_name='archdsl')"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **said}, capture_output=True, text=True
    )
    found = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert offered is None or offered in found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_reads(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    assert f"_ARCHDSL_COMPLETE={shell}_complete" in capsys.readouterr().out
