"""Files written whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archdsl.diagnostics.errors import UsageError


def require_text(path: str | os.PathLike[str]) -> None:
    """Raises UsageError for a path that no system has."""
    if not os.fspath(path):
        raise UsageError("the path of a file is empty")
    if "\0" in os.fspath(path):
        raise UsageError("a path cannot have a NUL character")


def make_folder(path: Path) -> None:
    """The folder and those above it; raises UsageError if that cannot be."""
    require_text(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if os.path.isfile(path) else (error.strerror or str(error))
        raise UsageError(f"cannot make the folder {path}: {reason}") from error


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all, in the way of `replacing`."""
    with replacing(path) as aside, open(aside, "x", encoding="utf-8", newline="\n") as file:
        file.write(text)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path in the same folder to write to, renamed over `path` if the body ends well.

    Whoever reads the file sees the old one or the new one, however the writing ends. Raises
    UsageError if it cannot be written; what was there before is still there then.
    """
    require_text(path)
    if os.path.isdir(path) or not path.name:
        raise UsageError(f"cannot write {path}: {os.strerror(errno.EISDIR)}")
    if not os.path.isdir(path.parent):
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
    aside = path.with_name(f".archdsl-{secrets.token_hex(4)}{path.suffix}")
    try:
        try:
            yield aside
            with open(aside, "rb+") as file:
                os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, aside)
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
