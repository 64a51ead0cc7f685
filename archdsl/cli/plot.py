"""The command `plot`: what analysis finds, and results, as plots."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archdsl.cli.console import Changes, changes, dpi, graph_of, modules, networks, show
from archdsl.cli.draw import click_option
from archdsl.figures.options import OPTIONS

if TYPE_CHECKING:
    from archdsl.graph.graph import Graph
    from archdsl.tables.axes import Look

PATH = click.Path(path_type=Path)
OF_FIGURES = ("width", "theme", "title")


@click.group()
def plot() -> None:
    """Draw what analysis finds; vectors, readable in grey."""


def look(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of figures that plots have, too."""
    command = dpi(command)
    for option in reversed(OPTIONS):
        if option.name in OF_FIGURES:
            command = click_option(option, kinds=False)(command)
    return command


def _look(options: dict[str, Any]) -> "Look":
    from archdsl.tables.axes import look_of

    return look_of(**{name: value for name, value in options.items() if value is not None})


def _plotted(kind: str, doc: str) -> None:
    @plot.command(name=kind, help=doc)
    @click.argument("specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=networks)
    @click.option(
        "-o", "--out", type=PATH, help="*.svg, *.pdf, *.png or *.tex; NAME_KIND.svg without it."
    )
    @look
    @modules
    @changes
    def command(
        specs: tuple[str, ...], out: Path | None, changed: Changes, **options: Any
    ) -> None:  # fmt: skip
        from archdsl.tables import plots

        looks = _look(options)
        graphs: list[Graph] = [graph_of(spec, changed) for spec in specs]
        path = out or Path(f"{'-'.join(graph.name for graph in graphs)}_{kind}.svg")
        getattr(plots, kind)(graphs, path, looks)
        show(f"{path}\n")


_plotted("memory", "Memory of activations over the execution, of one network or several.")
_plotted("field", "Receptive field over depth, of one network or several.")
_plotted("cost", "Parameters and MACs by stage, of one network or several.")


@plot.command()
@click.argument("results", type=click.Path(exists=True, path_type=Path))
@click.option("-x", default="macs", show_default=True, help="A column; less is better.")
@click.option("-y", required=True, help="A column; more is better.")
@click.option("--smallest", is_flag=True, help="Less of y is better.")
@click.option("-o", "--out", type=PATH, help="*.svg, *.pdf, *.png or *.tex.")
@look
def frontier(
    results: Path, x: str, y: str, smallest: bool, out: Path | None, **options: Any
) -> None:  # fmt: skip
    """The frontier of two columns of a sweep's results."""
    from archdsl.analysis.measures import column
    from archdsl.study.results import read_records
    from archdsl.tables import plots

    looks = _look(options)
    x, y = column(x), column(y)
    path = out or results.with_name(f"{results.stem}_frontier.svg")
    plots.frontier(read_records(results), x, y, path, smallest, looks)
    show(f"{path}\n")
