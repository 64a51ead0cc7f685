"""The README shows what really happens."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest

from archdsl.cli.main import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def sessions() -> list[tuple[str, str]]:
    """Every command of the console blocks, with what it prints."""
    found = []
    for block in blocks("console"):
        for session in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = session.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's spec, in which `archdsl` is this checkout's."""
    (spec,) = blocks("yaml")
    (tmp_path / "resnet20.yaml").write_text(spec)
    program = tmp_path / "bin" / "archdsl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archdsl "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_print_what_it_shows(here: Path) -> None:
    assert sum(command.startswith("archdsl ") for command, _ in sessions()) >= 2
    for command, expected in sessions():
        result = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert result.stdout == expected, command
        assert result.stderr == ""
    written = (here / "out" / "resnet20" / "resnet20.py").read_text()
    (shown,) = blocks("python")
    assert shown in written


@pytest.mark.parametrize(
    "chosen", ["others", *(pytest.param(c, marks=pytest.mark.slow) for c in ("export", "bench"))]
)
def test_the_commands_in_its_text_are_right(
    here: Path, capsys: pytest.CaptureFixture[str], chosen: str
) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [*lines, *re.findall(r"`(archdsl [a-z]+[^`]*)`", README)]
    names = {c: c.split()[1] for c in commands if c.startswith("archdsl ")}
    quick = [c for c, name in names.items() if name not in ("build", "export", "bench")]
    tried = quick if chosen == "others" else [c for c, name in names.items() if name == chosen]
    assert len(tried) >= (3 if chosen == "others" else 1)
    (here / "specs").mkdir()
    for spec in {*re.findall(r"specs/(\w+\.yaml)", " ".join(tried))}:  # `specs/*.yaml` are these
        (here / "specs" / spec).symlink_to(ROOT / "specs" / spec)
    for command in tried:
        words = [w for word in shlex.split(command) for w in sorted(glob(word)) or [word]]
        status = run(words[1:])
        assert status == 0, (command, capsys.readouterr().err)


def test_the_python_examples_give_what_they_show(here: Path) -> None:
    examples = doctest.DocTestParser().get_doctest(
        "\n".join(blocks("pycon")), {}, "README", "README.md", 0
    )
    assert len(examples.examples) > 5
    failures: list[str] = []
    doctest.DocTestRunner(verbose=False).run(examples, out=failures.append)
    assert not failures, "".join(failures)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_continuous_integration_runs_its_commands() -> None:
    (command,) = re.findall(r"`(pip install [^`]* && pytest)`", README)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
