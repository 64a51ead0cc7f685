"""The bounds that keep a spec from a stranger harmless; each can be raised with `--limit`."""

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a spec and what it describes may be."""

    document_bytes: int = 1_000_000
    nesting: int = 64  # of YAML values, and of items in items through blocks
    values: int = 200_000  # YAML values after aliases are expanded
    expression: int = 1_000  # characters of one expression or name
    path: int = 1_000  # characters of a module's path
    reads: int = 2_000_000  # values in lists and names that are gone through, again and again
    mistakes: int = 200  # that are reported
    items: int = 300_000  # that are elaborated, every copy counted, nodes or not
    nodes: int = 30_000  # and as many scopes; the deepest networks that people build have 5,000
    connections: int = 1_000_000  # inputs of all nodes
    elements: int = 1_000_000_000_000  # of one tensor, for one image
    parameters: int = 100_000_000_000
    root: str = ""  # the folder whose files it may extend and import; without it the spec's own

    def override(self, settings: dict[str, str]) -> "Limits":
        """The same limits with some replaced; raises UsageError for what it can't use."""
        known = [f.name for f in fields(self)]
        values: dict[str, Any] = {}
        for name, text in settings.items():
            if name not in known:
                raise UsageError(f"unknown limit `{name}`; {did_you_mean(name, known)}")
            if name == "root":
                if not os.path.isdir(text):
                    raise UsageError(f"limit root: `{text}` is not a folder")
                values[name] = text
                continue
            digits = text.replace("_", "")
            if not digits.isdecimal() or int(digits) < 1:
                raise UsageError(f"limit {name}: `{text}` is not a positive whole number")
            values[name] = int(digits)
        return replace(self, **values)
