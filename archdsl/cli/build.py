"""`archdsl build`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archdsl.cli.console import BUG, Settings, changes, color, complain, graph_of, show
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import InternalError
from archdsl.diagnostics.packages import require

if TYPE_CHECKING:
    from archdsl.analysis.summary import Summary
    from archdsl.build import Files


@click.command()
@click.argument("spec")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    metavar="DIR",
    help="Where to make a folder for the network.",
)
@changes
def build(spec: str, out: Path, settings: Settings, scale: Settings, limits: Settings) -> None:
    """Write a network as PyTorch source, run it once, and hold it to the spec."""
    from archdsl import build as steps
    from archdsl.analysis.summary import summarize
    from archdsl.tables.summary import text

    with progress() as say:
        say(f"reading {spec}")
        graph = graph_of(spec, settings, scale, limits)
        require("build", "torch")
        result = summarize(graph)
        say(f"writing {out / graph.name}")
        files = steps.write(graph, result, out)
        say(f"running {files.source} on a random image of 1x{graph.input}")
        try:
            steps.run(graph, result, files.source)
        except InternalError as error:
            complain(f"internal error, please report it: {error}")
            raise click.exceptions.Exit(BUG) from error
    show(text(result, color(sys.stdout)))
    show(f"\n{_written(files)}\n{_proof(result)}\n")


def _written(files: "Files") -> str:
    """Where the files are and what they hold, a line each."""
    named = (
        (files.source, "PyTorch source"),
        (files.graph, "the graph"),
        (files.summary, "this table"),
        (files.figure, "the figure"),
        (files.table, "the architecture table in LaTeX"),
    )
    lines = [(path, what) for path, what in named if path]
    width = max(len(str(path)) for path, _ in lines)
    missing = [f"no figure: {files.unfit}"] if files.unfit else []
    return "\n".join([*(f"{path!s:{width}}  {what}" for path, what in lines), *missing])


def _proof(summary: "Summary") -> str:
    """What was found when the source ran."""
    outputs = ", ".join(f"{name} 1x{spec}".strip() for name, spec in summary.outputs.items())
    return (
        f"ran on a random image of 1x{summary.input}: gives {outputs},"
        f" has {summary.total.parameters:,} parameters, as in the table"
    )
