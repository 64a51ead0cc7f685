"""The command line: reads the call, asks the library, prints. Exit status 0, 1 (the spec is
wrong), 2 (the call is wrong), 3 (a bug in archdsl)."""

import signal
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from archdsl import (
    __version__,
    cli_analysis,
    cli_draw,
    cli_explain,
    cli_format,
    cli_show,
    cli_study,
    gallery,
)
from archdsl.api import read
from archdsl.console import (
    BUG,
    INTERRUPTED,
    OK,
    WRONG_CALL,
    WRONG_SPEC,
    Settings,
    changes,
    color,
    complain,
    graph_of,
    reading_of,
    show,
    status_of,
)
from archdsl.diagnostics import CODES, Diagnostic, UsageError
from archdsl.progress import progress

if TYPE_CHECKING:
    from archdsl.analysis.summary import Summary
    from archdsl.build import Files


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="archdsl")
def cli() -> None:
    """Convolutional networks said in YAML, compiled to PyTorch.

    SPEC is a file, or the name of a network in the gallery (`archdsl list`).
    """


@cli.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--format",
    type=click.Choice(["full", "concise", "json", "sarif", "github"]),
    default="full",
    show_default=True,
    help="How to show what is wrong.",
)
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice([code for code in CODES if code.startswith("W")]),
    metavar="CODE",
    help="Leave out a warning: W0102. A spec can say `lint: {W0102: off}`.",
)
@click.option("--pedantic", is_flag=True, help="Warn also of what good networks do for a reason.")
@changes
def check(
    specs: Sequence[str],
    format: str,
    ignore: Sequence[str],
    pedantic: bool,
    settings: Settings,
    scale: Settings,
    limits: Settings,
) -> int:
    """Say what is wrong with specs, or nothing."""
    from archdsl.formats import FORMATS
    from archdsl.lints import DEFAULT, LINTS

    found: dict[object, Diagnostic] = {}  # a base of several specs is complained about once
    sources: dict[str, str] = {}
    complaints, statuses = [], {OK}
    with progress() as say:
        for number, spec in enumerate(specs, 1):
            say(f"checking {spec} ({number} of {len(specs)})")
            try:
                reading = reading_of(spec, settings, scale, limits, LINTS if pedantic else DEFAULT)
            except UsageError as error:
                complaints.append(str(error))
                statuses.add(WRONG_CALL)
                continue
            found |= {
                (d.code, d.span, d.message): d for d in reading.diagnostics if d.code not in ignore
            }
            sources |= reading.sources
            if reading.graph is None:
                statuses.add(status_of(reading.diagnostics))
    show(FORMATS[format](list(found.values()), sources, color(sys.stdout)))
    if found and format == "full" and color(sys.stdout):
        code = next(iter(found.values())).code
        show(f"\x1b[2marchdsl explain {code} says more\x1b[0m\n")
    for complaint in complaints:
        complain(complaint)
    return max(statuses)


@cli.command()
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
    from archdsl.renderers.table import text

    with progress() as say:
        say(f"reading {spec}")
        graph = graph_of(spec, settings, scale, limits)
        result = summarize(graph)
        say(f"writing {out / graph.name}")
        files = steps.write(graph, result, out)
        say(f"running {files.source} on a random image of 1x{graph.input}")
        try:
            steps.run(result, files.source)
        except steps.InternalError as error:
            complain(f"internal error, please report it: {error}")
            raise click.exceptions.Exit(BUG) from error
    show(text(result, color(sys.stdout)))
    show(f"\n{_written(files)}\n{_proof(result)}\n")


extras = (cli_draw.draw, cli_explain.explain, cli_format.fmt, cli_show.show_)
for command in (*cli_analysis.COMMANDS, *cli_study.COMMANDS, *extras):
    cli.add_command(command)


@cli.command(name="list")
def list_() -> int:
    """Show the networks of the gallery."""
    from archdsl.analysis.cost import analyze
    from archdsl.renderers.table import aligned, quantity

    rows, status = [["name", "parameters", "MACs", "input", "paper"]], OK
    with progress() as say:
        for name in gallery.names():
            say(f"reading {name}")
            reading = read(name)
            if reading.graph is None:
                show(reading.report(color=color(sys.stderr)), err=True)
                status = WRONG_SPEC
                continue
            graph, total = reading.graph, analyze(reading.graph).total
            numbers = quantity(total.parameters), quantity(total.macs)
            rows.append([name, *numbers, str(graph.input), graph.title])
    show("\n".join([*aligned(rows, "lrrll"), ""]))
    return status


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


def run(arguments: Sequence[str]) -> int:
    """Runs a command; gives its exit status, having said on stderr what is wrong with the call."""
    try:
        return cli.main(list(arguments), "archdsl", standalone_mode=False) or OK
    except UsageError as error:
        complain(str(error))
    except click.ClickException as error:
        error.show()
    except click.Abort:
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        complain(f"this is a bug in archdsl, please report it: {error}")
        return BUG
    return WRONG_CALL


def main() -> NoReturn:
    """The program `archdsl`. A reader that closes the pipe (`| head`) ends it quietly."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))
