"""The blocks of the standard library: what each takes, what it says, and what uses it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.expressions.numbers import is_number
from archdsl.language.gallery import find, names
from archdsl.language.loader import Loader, library_names
from archdsl.language.syntax import File, Parameter, as_written


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
    block = Loader(Sink()).library_block(name)
    assert block is not None, f"the block {name} of the library cannot be read"
    return StandardBlock(
        name,
        " ".join((block.form.doc or "").split()),
        block.inputs,
        tuple(_argument(parameter) for parameter in block.parameters.values()),
        block.file.source.text,
        tuple(user for user, used in _used_by_blocks().items() if name in used),
        tuple(user for user, used in _used_by_specs().items() if name in used),
    )


def standard_blocks() -> list[StandardBlock]:
    """All blocks of the library, by name."""
    return [standard_block(name) for name in sorted(library_names())]


def _argument(parameter: Parameter) -> Argument:
    raw = None if parameter.default is None else as_written(parameter.default)
    type = "number" if is_number(raw) else parameter.type or ""
    shown = json.dumps(raw) if not isinstance(raw, str) or raw == "" else raw
    default = None if parameter.required else shown
    return Argument(parameter.name, type, default, parameter.form.doc or "")


@cache
def _used_by_blocks() -> Mapping[str, frozenset[str]]:
    """For every block of the library the others that it uses."""
    blocks = {name: Loader(Sink()).library_block(name) for name in sorted(library_names())}
    return {name: _used(block.file) for name, block in blocks.items() if block is not None}


@cache
def _used_by_specs() -> Mapping[str, frozenset[str]]:
    """For every spec of the gallery the blocks of the library that it or its base uses."""
    documents = {name: Loader(Sink()).load(find(name)) for name in names()}
    return {name: _used(document.file) for name, document in documents.items() if document}


def _used(file: File) -> frozenset[str]:
    """The blocks of the library that a file names."""
    blocks = file.blocks.items()
    return frozenset(n for n, b in blocks if b.file is not file and n in library_names())
