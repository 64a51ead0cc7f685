"""The command line: reads the call, asks the library, prints. Exit status 0, 1 (the spec is
wrong), 2 (the call is wrong), 3 (a bug in archdsl)."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import click

from archdsl import __version__, gallery
from archdsl.api import Reading, read
from archdsl.diagnostics import Diagnostic, UsageError
from archdsl.progress import progress

if TYPE_CHECKING:
    from archdsl.analysis.summary import Summary
    from archdsl.build import Files
    from archdsl.graph import Graph

OK, WRONG_SPEC, WRONG_CALL, BUG, INTERRUPTED = 0, 1, 2, 3, 130

Settings = dict[str, str]
Command = TypeVar("Command", bound=Callable[..., Any])


def _pairs(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> Settings:
    """The `name=value` of an option that can be given several times."""
    settings = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise click.BadParameter(f"`{text}` is not of the form name=value.")
        settings[name] = value
    return settings


def _changes(command: Command) -> Command:
    """The options that change what a spec says, or how much it may."""
    for option, name, text in (
        ("--limit", "limits", "Allow more than a limit does: nodes=1000000."),
        ("--scale", "scale", "Change a scaling rule: width=1.4, phi=3."),
        ("--set", "settings", "Change a parameter of the spec: classes=10."),
    ):
        decorate = click.option(
            option, name, multiple=True, callback=_pairs, metavar="NAME=VALUE", help=text
        )
        command = decorate(command)
    return command


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
    type=click.Choice(["full", "concise", "json"]),
    default="full",
    show_default=True,
    help="How to show what is wrong.",
)
@_changes
def check(
    specs: Sequence[str], format: str, settings: Settings, scale: Settings, limits: Settings
) -> int:
    """Say what is wrong with specs, or nothing."""
    from archdsl.report import FORMATS

    found: dict[object, Diagnostic] = {}  # a base of several specs is complained about once
    sources: dict[str, str] = {}
    complaints, status = [], OK
    with progress() as say:
        for number, spec in enumerate(specs, 1):
            say(f"checking {spec} ({number} of {len(specs)})")
            try:
                reading = _read(spec, settings, scale, limits)
            except UsageError as error:
                complaints.append(str(error))
                continue
            found |= {(d.code, d.span, d.message): d for d in reading.diagnostics}
            sources |= reading.sources
            if reading.graph is None:
                status = WRONG_SPEC
    _print(FORMATS[format](list(found.values()), sources, _color(sys.stdout)))
    for complaint in complaints:
        _complain(complaint)
    return WRONG_CALL if complaints else status


@cli.command()
@click.argument("spec")
@click.option("--depth", type=click.IntRange(min=1), help="How deep to go; without it, by stages.")
@click.option(
    "--format",
    type=click.Choice(["table", "markdown", "latex", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to write the table.",
)
@_changes
def summary(
    spec: str, depth: int | None, format: str, settings: Settings, scale: Settings, limits: Settings
) -> None:
    """Show a network's stages, parameters and multiply-accumulates."""
    from archdsl.analysis.summary import summarize
    from archdsl.renderers.table import FORMATS, text

    with progress() as say:
        say(f"reading {spec}")
        result = summarize(_graph(spec, settings, scale, limits), depth)
    styled = format == "table" and _color(sys.stdout)
    _print(text(result, styled) if styled else FORMATS[format](result))


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
@_changes
def build(spec: str, out: Path, settings: Settings, scale: Settings, limits: Settings) -> None:
    """Write a network as PyTorch source, run it once, and hold it to the spec."""
    from archdsl import build as steps
    from archdsl.analysis.summary import summarize
    from archdsl.renderers.table import text

    with progress() as say:
        say(f"reading {spec}")
        graph = _graph(spec, settings, scale, limits)
        result = summarize(graph)
        say(f"writing {out / graph.name}")
        files = steps.write(graph, result, out)
        say(f"running {files.source} on a random image of 1x{graph.input}")
        try:
            steps.run(result, files.source)
        except steps.InternalError as error:
            _complain(f"internal error, please report it: {error}")
            raise click.exceptions.Exit(BUG) from error
    _print(text(result, _color(sys.stdout)))
    _print(f"\n{_written(files)}\n{_proof(result)}\n")


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
                _print(reading.report(color=_color(sys.stderr)), err=True)
                status = WRONG_SPEC
                continue
            graph, total = reading.graph, analyze(reading.graph).total
            numbers = quantity(total.parameters), quantity(total.macs)
            rows.append([name, *numbers, str(graph.input), graph.title])
    _print("\n".join([*aligned(rows, "lrrll"), ""]))
    return status


def _read(spec: str, settings: Settings, scale: Settings, limits: Settings) -> Reading:
    from archdsl.limits import Limits

    return read(spec, settings, scale, Limits().override(limits))


def _graph(spec: str, settings: Settings, scale: Settings, limits: Settings) -> "Graph":
    """The graph of a spec; if it is wrong, says why and exits."""
    reading = _read(spec, settings, scale, limits)
    if reading.diagnostics:
        _print(reading.report(color=_color(sys.stderr)), err=True)
    if reading.graph is None:
        raise click.exceptions.Exit(WRONG_SPEC)
    return reading.graph


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
    return "\n".join(f"{path!s:{width}}  {what}" for path, what in lines)


def _proof(summary: "Summary") -> str:
    """What was found when the source ran."""
    outputs = ", ".join(f"{name} 1x{spec}".strip() for name, spec in summary.outputs.items())
    return (
        f"ran on a random image of 1x{summary.input}: gives {outputs},"
        f" has {summary.total.parameters:,} parameters, as in the table"
    )


def _color(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def _print(text: str, err: bool = False) -> None:
    click.echo(text, nl=False, err=err)


def _complain(message: str) -> None:
    from archdsl.report import printable

    _print(f"error: {printable(message)}\n", err=True)


def run(arguments: Sequence[str]) -> int:
    """Runs a command; gives its exit status, having said on stderr what is wrong with the call."""
    try:
        return cli.main(list(arguments), "archdsl", standalone_mode=False) or OK
    except UsageError as error:
        _complain(str(error))
    except click.ClickException as error:
        error.show()
    except click.Abort:
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        _complain(f"this is a bug in archdsl, please report it: {error}")
        return BUG
    return WRONG_CALL


def _add_commands() -> None:
    """The commands that stand in files of their own."""
    from archdsl.cli_draw import draw

    cli.add_command(draw)


_add_commands()


def main() -> NoReturn:
    """The program `archdsl`. A reader that closes the pipe (`| head`) ends it quietly."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))
