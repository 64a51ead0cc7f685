"""What the commands share: exit statuses, options that change a spec, reading one, printing."""

import os
import sys
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from archdsl.api import Reading, read
from archdsl.diagnostics.diagnostic import Diagnostic

if TYPE_CHECKING:
    from archdsl.graph.graph import Graph

OK, WRONG_SPEC, WRONG_CALL, BUG, INTERRUPTED = 0, 1, 2, 3, 130

Settings = dict[str, str]
Command = TypeVar("Command", bound=Callable[..., Any])


def pairs(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> Settings:
    """The `name=value` of an option that can be given several times."""
    settings = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise click.BadParameter(f"`{text}` is not of the form name=value.")
        settings[name] = value
    return settings


_CHANGES = {
    "--limit": ("limits", "Allow more than a limit does: nodes=1000000."),
    "--scale": ("scale", "Change a scaling rule: width=1.4, phi=3."),
    "--set": ("settings", "Change a parameter of the spec: classes=10."),
}


def change(option: str) -> Callable[[Command], Command]:
    """One of the options that change what a spec says, or how much it may."""
    name, text = _CHANGES[option]
    return click.option(
        option, name, multiple=True, callback=pairs, metavar="NAME=VALUE", help=text
    )


def changes(command: Command) -> Command:
    """All of these options."""
    for option in _CHANGES:
        command = change(option)(command)
    return command


def reading_of(
    spec: str,
    settings: Settings,
    scale: Settings,
    limits: Settings,
    lints: Collection[str] = (),
) -> Reading:
    from archdsl.yaml.limits import Limits

    return read(spec, settings, scale, Limits().override(limits), lints)


def graph_of(spec: str, settings: Settings, scale: Settings, limits: Settings) -> "Graph":
    """The graph of a spec; if it is wrong, says why and exits."""
    reading = reading_of(spec, settings, scale, limits)
    if reading.diagnostics:
        show(reading.report(color=color(sys.stderr)), err=True)
    if reading.graph is None:
        raise click.exceptions.Exit(status_of(reading.diagnostics))
    return reading.graph


def status_of(diagnostics: Iterable[Diagnostic]) -> int:
    """The exit status for errors: the call is wrong if each points at the value of an option."""
    errors = [d for d in diagnostics if d.severity == "error"]
    places = [[d.span, *(label.span for label in d.labels)] for d in errors]
    called = all(any(place and place.in_option for place in some) for some in places)
    return WRONG_CALL if called else WRONG_SPEC


def color(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def show(text: str, err: bool = False) -> None:
    click.echo(text, nl=False, err=err)


def complain(message: str) -> None:
    from archdsl.diagnostics.report import printable

    show(f"error: {printable(message)}\n", err=True)
