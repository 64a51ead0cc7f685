"""The README shows what really happens."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_commands_in_its_text_are_right(here: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [*lines, *re.findall(r"`(archdsl [a-z]+[^`]*)`", README)]
    quick = [c for c in commands if c.startswith("archdsl ") and " build " not in c]
    assert len(quick) >= 3
    (here / "specs").symlink_to(ROOT / "specs")
    for command in quick:
        result = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert result.returncode == 0, (command, result.stderr)


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
