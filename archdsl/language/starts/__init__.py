"""Specs to start from: `archdsl new NAME --like KIND`."""

from pathlib import Path

from archdsl.diagnostics.errors import UsageError
from archdsl.expressions.names import identifier_problem, other_name

NAME = "NAME"  # what stands for the network's name in them


def start(name: str, like: str, schema: str = "") -> str:
    """The text of a spec of a kind, under a name; `schema` is a file that editors check it by.

    Raises UsageError for what cannot be a name.
    """
    if problem := identifier_problem(name):
        raise UsageError(f"{problem}; {other_name(name)}")
    text = (Path(__file__).parent / f"{like}.yaml").read_text("utf-8")
    line = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    return line + text.replace(f"name: {NAME}", f"name: {name}")
