"""Files are written whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import make_folder, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def after(statements: str, path: Path) -> subprocess.CompletedProcess[str]:
    """A process that writes "new" over the file after some statements."""
    program = (
        "import os, resource, signal\n"
        "from pathlib import Path\n"
        "from archdsl.diagnostics.files import write_text\n"
        f"{statements}\n"
        f"write_text(Path({str(path)!r}), 'new' * 100_000)\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "häß\n")
    assert path.read_bytes() == "häß\n".encode()
    write_text(path, "again")
    assert path.read_text() == "again"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_new_file_can_be_read_by_whom_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@posix
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path, step: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    result = after(f"os.{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)", path)
    assert result.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@posix
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    result = after("resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))", path)
    assert f"UsageError: cannot write {path}: File too large" in result.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_interrupted_writer_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a.txt", "new")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*a\.txt: Is a directory"):
        write_text(tmp_path / "a.txt", "new")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(UsageError, match=r"cannot make the folder .*a: it is a file"):
        make_folder(tmp_path / "a")
    with pytest.raises(UsageError, match="Not a directory"):
        make_folder(tmp_path / "a" / "b")


def test_folders_are_made_with_those_above(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


SPEC = "archdsl: 1\nname: net\ninput: [3,  8, 8]\nbackbone: [{conv: {out: 4, kernel: 3}}]\n"


@posix
@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("fmt net.yaml", ["net.yaml"]),
        ("draw net.yaml --kind strip -o net.svg", ["net.svg"]),
        ("build net.yaml", [f"out/net/{name}" for name in ("net.py", "net.json", "summary.md")]),
    ],
    ids=["fmt", "draw", "build"],
)
def test_a_command_killed_while_it_writes_leaves_the_old_files(
    tmp_path: Path, arguments: str, written: list[str], step: str
) -> None:
    (tmp_path / "out" / "net").mkdir(parents=True)
    for name in written:
        (tmp_path / name).write_text("old")
    (tmp_path / "net.yaml").write_text(SPEC)
    program = (
        "import os, signal\n"
        "from archdsl.cli.main import run\n"
        f"os.{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"run({arguments.split()!r})\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "net.yaml").read_text() == SPEC
    for name in written:
        assert (tmp_path / name).read_text() == (SPEC if name == "net.yaml" else "old")
