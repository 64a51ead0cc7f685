"""Specs in notebooks: `%load_ext archdsl`, then cells that begin with `%%archdsl`."""

from collections.abc import Sequence
from html import escape
from typing import Any

from archdsl.api import draw, summarize
from archdsl.api.reading import Reading, read, settings_of
from archdsl.diagnostics.errors import UsageError
from archdsl.figures.options import KINDS
from archdsl.graph.graph import Graph
from archdsl.lint.rules import DEFAULT

CELL = "<cell>"  # what messages call the spec


class Report:
    """What is wrong with a spec, as text, and in a notebook with its lines one below the other."""

    def __init__(self, reading: Reading) -> None:
        self.text = reading.report()

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def register(shell: Any) -> None:
    """Adds the cell magic `%%archdsl` to an IPython shell."""
    from IPython.core import magic_arguments as magic
    from IPython.core.error import UsageError as error_of_call
    from IPython.display import display

    def archdsl(line: str, cell: str) -> None:
        """Reads the spec in a cell: what is wrong with it, else its figure and its table."""
        said = magic.parse_argstring(command, line)
        try:
            found = results(cell, said.kind, not said.no_figure, not said.no_table, said.set)
        except UsageError as error:
            raise error_of_call(str(error)) from None
        for shown in found:
            if isinstance(shown, Graph):
                shell.push({said.variable or "graph": shown})
            else:
                display(shown)

    arguments = (
        magic.argument("variable", nargs="?", help="What the graph is called: `graph` without."),
        magic.argument("--kind", default="hero", choices=[*KINDS], help="The kind of the figure."),
        magic.argument("--no-figure", action="store_true", help="The table alone."),
        magic.argument("--no-table", action="store_true", help="The figure alone."),
        magic.argument("--set", action="append", metavar="NAME=VALUE", help="A parameter."),
    )
    command: Any = archdsl
    for argument in reversed(arguments):
        command = argument(command)
    command = magic.magic_arguments()(command)
    shell.register_magic_function(command, "cell", "archdsl")


def results(
    text: str, kind: str, figure: bool, table: bool, settings: Sequence[str] | None = None
) -> list[Any]:
    """What a cell shows, in order: a report, then of a right spec its graph, figure and table."""
    reading = read(CELL, settings_of(settings or ()), lints=DEFAULT, text=text)
    found: list[Any] = [Report(reading)] if reading.diagnostics else []
    if reading.graph is None:
        return found
    found.append(reading.graph)
    if figure:
        try:
            found.append(draw(reading.graph, kind=kind))
        except UsageError as error:
            found.append(f"no figure: {error}")
    if table:
        found.append(summarize(reading.graph))
    return found
