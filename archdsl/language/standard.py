"""The blocks of the standard library: what each takes, what it says, and what uses it."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.language.gallery import find, names
from archdsl.language.loader import LIBRARY, Loader, library_names
from archdsl.language.syntax import Parameter
from archdsl.yaml.source import words


@dataclass(frozen=True)
class Argument:
    """A parameter of a block: the type of its values, and its default as a spec writes it."""

    name: str
    type: str
    default: str | None  # None: it must be given
    doc: str


@dataclass(frozen=True)
class StandardBlock:
    """A block of the library; `blocks` and `specs` are those of the library and gallery using it.

    `inputs` are the names of its inputs if it takes several, `text` its whole file.
    """

    name: str
    doc: str
    inputs: tuple[str, ...]
    arguments: tuple[Argument, ...]
    text: str
    blocks: tuple[str, ...]
    specs: tuple[str, ...]


def standard_block(name: str) -> StandardBlock:
    """The block of a name; raises UsageError, with what was probably meant, if there is none."""
    if name not in library_names():
        help = did_you_mean(name, library_names())
        raise UsageError(f"no block `{name}` in the standard library; {help}")
    path = LIBRARY / f"{name}.yaml"
    file = Loader(Sink()).blocks_of(str(path), ())
    assert file is not None, f"{path} cannot be read"
    block = file.blocks[name]
    return StandardBlock(
        name,
        " ".join(block.place.data.get("doc", "").split()),
        block.inputs,
        tuple(_argument(parameter) for parameter in block.parameters.values()),
        path.read_text(encoding="utf-8"),
        tuple(user for user, used in _used_by_blocks().items() if name in used),
        tuple(user for user, used in _used_by_specs().items() if name in used),
    )


def standard_blocks() -> list[StandardBlock]:
    """All blocks of the library, by name."""
    return [standard_block(name) for name in sorted(library_names())]


def _argument(parameter: Parameter) -> Argument:
    raw = parameter.default
    type = "number" if _is_number(raw) else parameter.type or ""
    default = None if raw is MISSING else raw if isinstance(raw, str) else json.dumps(raw)
    if raw == "":
        default = '""'
    return Argument(parameter.name, type, default, parameter.form.doc or "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _used_by_blocks() -> Mapping[str, frozenset[str]]:
    """For every block of the library the others that it uses."""
    files = {name: str(LIBRARY / f"{name}.yaml") for name in sorted(library_names())}
    return {name: _mentioned(path) - {name} for name, path in files.items()}


@cache
def _used_by_specs() -> Mapping[str, frozenset[str]]:
    """For every spec of the gallery the blocks of the library that it or its base uses."""
    return {name: _mentioned(find(name)) for name in names()}


def _mentioned(path: str) -> frozenset[str]:
    """The blocks of the library that a file names, unless the word is its own."""
    source = Loader(Sink()).read(path, ())
    assert source is not None, f"{path} cannot be read"
    own = {*source.data.get("blocks", {}), *source.data.get("params", {})}
    return frozenset(words(source.data) & library_names() - own)
