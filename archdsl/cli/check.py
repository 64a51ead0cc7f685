"""`archdsl check`."""

import sys
from collections.abc import Collection, Sequence

import click

from archdsl.api.reading import Reading
from archdsl.cli.console import (
    OK,
    STDIN,
    WRONG_CALL,
    Changes,
    changes,
    color,
    complain,
    networks,
    reading_of,
    show,
    standard_input,
    status_of,
)
from archdsl.cli.progress import progress
from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=networks)
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
@click.option(
    "--stdin-filename",
    metavar="FILE",
    default=STDIN,
    help="Where the spec on standard input (`-`) would be.",
)
@changes
def check(
    specs: Sequence[str],
    format: str,
    ignore: Sequence[str],
    pedantic: bool,
    stdin_filename: str,
    changed: Changes,
) -> int:
    """Say what is wrong with specs, or nothing; `-` is standard input."""
    from archdsl.diagnostics.formats import FORMATS
    from archdsl.lint.rules import DEFAULT, LINTS

    found: dict[object, Diagnostic] = {}  # a base of several specs is complained about once
    sources: dict[str, str] = {}
    complaints, statuses = [], {OK}
    with progress() as say:
        for number, spec in enumerate(specs, 1):
            say(f"checking {spec} ({number} of {len(specs)})")
            try:
                lints = LINTS if pedantic else DEFAULT
                if spec == STDIN:
                    reading = _typed(stdin_filename, changed, lints)
                else:
                    reading = reading_of(spec, changed, lints)
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


def _typed(name: str, changed: Changes, lints: Collection[str]) -> Reading:
    """What is read of standard input, as if it were the file of a name."""
    sink = Sink()
    text = standard_input(name, changed.allowed, sink)
    if text is None:
        return Reading(None, sink.diagnostics, {})
    return reading_of(name, changed, lints, text)
