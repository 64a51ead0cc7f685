"""The bounds that keep a spec from a stranger harmless; each can be raised with `--limit`."""

import os
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic_core import ValidationError

from archdsl.diagnostics.errors import UsageError
from archdsl.yaml.mistakes import mistakes
from archdsl.yaml.models import After, Of, Words, made, unfit


def _count(text: str, _: Any) -> int:
    digits = text.replace("_", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise ValueError
    return int(digits)


def _folder(text: str, _: Any) -> str:
    if not os.path.isdir(text):
        raise unfit("a folder")
    return text


_Count = Annotated[int, Of(str), After(_count), Words("a positive whole number")]


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a spec and what it describes may be."""

    noun: ClassVar[str] = "limit"

    document_bytes: _Count = 1_000_000  # of one file
    files: _Count = 100  # that a spec extends and imports, those of the gallery and library, too
    all_bytes: _Count = 4_000_000  # of a spec and these files
    nesting: _Count = 64  # of YAML values, and of items in items through blocks
    values: _Count = 20_000  # in all these files, aliases expanded; what is extended counts again
    layout: _Count = 20_000  # YAML keys and values that `fmt` lays out
    expression: _Count = 1_000  # characters of one expression or name
    path: _Count = 1_000  # characters of a module's path
    reads: _Count = 2_000_000  # values in lists, names and expressions that are gone through
    mistakes: _Count = 200  # that are reported
    items: _Count = 300_000  # that are elaborated, every copy counted, nodes or not
    nodes: _Count = 25_000  # and as many scopes; the deepest networks that people build have 5,000
    built: _Count = 3_500  # nodes that `build` writes as source, makes and runs
    connections: _Count = 1_000_000  # inputs of all nodes
    elements: _Count = 1_000_000_000_000  # of one tensor, for one image
    parameters: _Count = 100_000_000_000  # of the network, before anything is allocated
    json_characters: _Count = 32_000_000  # of a graph in JSON
    json_values: _Count = 3_000_000  # in a graph in JSON
    candidates: _Count = 1_000_000  # of a study, a search or a family; values of an axis
    root: Annotated[str, After(_folder)] = (
        ""  # the folder whose files it may extend and import; without it the spec's own
    )

    def override(self, settings: dict[str, str]) -> "Limits":
        """The same limits with some replaced; raises UsageError for what it can't use."""
        try:
            given = made(Limits, settings)
        except ValidationError as error:
            found = mistakes(error, Limits, settings)
            said = [f"{m.message}; {m.help}" if m.help else f"limit {m.message}" for m in found]
            raise UsageError(", and ".join(said)) from None
        return replace(self, **{name: getattr(given, name) for name in settings})
