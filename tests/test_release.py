"""What a release holds, and that its papers name the same version."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from archdsl.diagnostics.sink import Sink
from archdsl.yaml.source import parse

ROOT = Path(__file__).parent.parent


def test_all_papers_name_one_version() -> None:
    source = parse((ROOT / "CITATION.cff").read_text("utf-8"), "CITATION.cff", Sink())
    assert source is not None and source.data["license"] == "MIT"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    fallback = project["tool"]["hatch"]["version"]["raw-options"]["fallback_version"]
    extension = json.loads((ROOT / "editors/vscode/package.json").read_text("utf-8"))
    assert fallback == source.data["version"] == extension["version"]


@pytest.mark.parametrize(("tag", "version"), [("", "0.1.0"), ("v7.8.9", "7.8.9")])
def test_the_version_is_the_tag_and_without_git_that_of_the_papers(
    tag: str, version: str, tmp_path: Path
) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("archdsl", "specs"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "archdsl/__init__.py", tmp_path / "archdsl")
    if tag:
        own = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        for said in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "a"], ["tag", tag]):
            subprocess.run(["git", *said], cwd=tmp_path, check=True, env=own)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert [path.name.split("-")[1] for path in (tmp_path / "dist").iterdir()] == [version]


def test_workflows_run_the_command_of_the_readme() -> None:
    text = (ROOT / ".github/workflows/test.yml").read_text("utf-8")
    source = parse(text, "test.yml", Sink())
    assert source is not None
    steps = source.data["jobs"]["test"]["steps"]
    command = "pip install -e '.[test]' && pytest"
    assert command in [step.get("run") for step in steps]
    assert command in (ROOT / "README.md").read_text("utf-8")


def test_the_editors_extension_asks_for_what_it_uses() -> None:
    folder = ROOT / "editors/vscode"
    package = json.loads((folder / "package.json").read_text("utf-8"))
    used = set(re.findall(r'require\("([^"]+)"\)', (folder / "extension.js").read_text("utf-8")))
    needed = {name.split("/")[0] for name in used} - {"vscode"}
    assert needed == {*package["dependencies"]}


def test_a_wheel_has_all_that_the_package_reads_and_works_from_an_empty_folder(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    tracked = subprocess.run(
        ["git", "ls-files", "archdsl", "specs"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    if not tracked:  # no checkout
        tracked = [str(p.relative_to(ROOT)) for p in (ROOT / "specs").rglob("*.yaml")]
    expected = {name if name.startswith("archdsl/") else f"archdsl/{name}" for name in tracked}
    assert expected <= inside
    place, empty = tmp_path / "installed", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(place)
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "archdsl", "build", "resnet18"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (empty / "out/resnet18/resnet18.py").is_file()
    where = "import archdsl; print(archdsl.__file__)"
    said = subprocess.run(
        [sys.executable, "-c", where],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    assert said.stdout.startswith(str(place))
