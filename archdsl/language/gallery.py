"""The specs that come with the package, and how a spec is named in a call."""

import os
from functools import cache
from pathlib import Path

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.diagnostics.text import type_of


@cache
def folder() -> Path:
    """Where the gallery is: in the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def names() -> list[str]:
    """The specs of the gallery, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def zoo() -> list[str]:
    """The networks beside those of the gallery's tables: other sizes, and some that stand alone."""
    return sorted(path.stem for path in (folder() / "zoo").glob("*.yaml"))


def every() -> list[str]:
    """All names that a spec or a call may use, those of the zoo last."""
    return [*names(), *zoo()]


def path(name: str) -> str:
    """Where a spec of the gallery lies."""
    own = folder() / f"{name}.yaml"
    return str(own if own.is_file() else folder() / "zoo" / f"{name}.yaml")


def said(spec: str | os.PathLike[str]) -> str:
    """A path or name as text; raises UsageError for what is neither."""
    if not isinstance(spec, str | os.PathLike):
        raise UsageError(f"a spec is a path, or the name of a network, not {type_of(spec)}")
    given = os.fspath(spec)
    if "\n" in given and "archdsl:" in given:
        raise UsageError(
            "a spec is a path, or the name of a network; `loads` reads the text of one"
        )
    return given


def find(spec: str | os.PathLike[str]) -> str:
    """The path of a spec that is named by its path, or by its name in the gallery.

    Raises UsageError, with what was probably meant, if there is no such file.
    """
    given = said(spec)
    if os.path.isfile(given):
        return given
    if given in every():
        return path(given)
    if os.path.isdir(given):
        raise UsageError(f"{given} is a directory, not a spec")
    if os.path.exists(given):
        return given
    raise UsageError(f"no file {given}, and no such spec in the gallery; {_suggestion(given)}")


def _suggestion(given: str) -> str:
    """The nearest file of its folder, or the nearest name of the gallery."""
    place, name = os.path.split(given)
    beside = Path(place or ".").glob("*.yaml") if name.endswith((".yaml", ".yml")) else []
    candidates = [str(Path(place) / path.name) for path in beside]
    return did_you_mean(given, candidates or every())
