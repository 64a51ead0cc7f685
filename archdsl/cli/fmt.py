"""The command `fmt`."""

import sys
from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from pathlib import Path

import click

from archdsl.cli.console import (
    OK,
    STDIN,
    WRONG_CALL,
    WRONG_SPEC,
    Settings,
    change,
    color,
    complain,
    networks,
    show,
    standard_input,
)
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.sink import Sink


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="FILE...", shell_complete=networks)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@change("--limit")
def fmt(specs: Sequence[str], check: bool, diff: bool, limits: Settings) -> int:
    """Lay out spec files in the one way, comments kept; `-` is standard input to output.

    With --check or --diff the exit status is 1 if a file would change.
    """
    statuses = {OK}
    for spec in specs:
        try:
            before, after = _layouts(spec, limits)
        except UsageError as error:
            complain(str(error))
            statuses.add(WRONG_CALL)
            continue
        if after is None:
            statuses.add(WRONG_SPEC)
        elif check or diff:
            statuses.add(WRONG_SPEC if after != before else OK)
            _show_changes(spec, before, after, check, diff)
        else:
            _write(spec, before, after)
    return max(statuses)


def _layouts(spec: str, allowed: Settings) -> tuple[str, str | None]:
    """The text of a file, and the text laid out; None if it cannot be read, which is reported."""
    require("fmt", "ruamel.yaml")
    from archdsl.diagnostics.report import full
    from archdsl.language.formatting import formatted
    from archdsl.yaml.limits import Limits
    from archdsl.yaml.source import parse, read_text

    sink, limits = Sink(), Limits().override(allowed)
    if spec == STDIN:
        text = standard_input(spec, limits, sink)
    else:
        text = read_text(spec, limits, sink)
    source = parse(text, spec, sink, limits) if text is not None else None
    if source is not None and len(source.spans) + len(source.keys) > limits.layout:
        message = f"more than {limits.layout:,} keys and values to lay out"
        help = "--limit layout=N allows more"
        sink.error("E0106", message, source.spans[()], help=help)
    if source is None or sink.failed:
        sources = {spec: text or ""}
        show(full(sink.diagnostics, sources, color(sys.stderr)), err=True)
        return text or "", None
    return source.text, formatted(source)


def _show_changes(spec: str, before: str, after: str, check: bool, diff: bool) -> None:
    if diff:
        show("".join(_differences(spec, before.splitlines(True), after.splitlines(True))))
    if check and after != before:
        show(f"would change {spec}\n")


class _Aligned(SequenceMatcher[str]):
    """Lines side by side, in time that grows with their number."""

    def __init__(self, before: list[str], after: list[str]) -> None:
        from archdsl.analysis.alignment import aligned

        super().__init__()
        self.blocks: list[Match] = []
        for a, b in aligned(before, after):
            last = self.blocks[-1] if self.blocks else Match(-1, -1, 0)
            if (last.a + last.size, last.b + last.size) == (a, b):
                self.blocks[-1] = Match(last.a, last.b, last.size + 1)
            else:
                self.blocks.append(Match(a, b, 1))
        self.blocks.append(Match(len(before), len(after), 0))

    def get_matching_blocks(self) -> list[Match]:
        return self.blocks


def _differences(spec: str, before: list[str], after: list[str]) -> Iterator[str]:
    """A unified diff."""
    if before != after:
        yield f"--- {spec}\n+++ {spec}\n"
    for group in _Aligned(before, after).get_grouped_opcodes():
        (_, a, _, c, _), (_, _, b, _, d) = group[0], group[-1]
        yield f"@@ -{_range(a, b)} +{_range(c, d)} @@\n"
        for kind, a, b, c, d in group:
            if kind == "equal":
                yield from (f" {line}" for line in before[a:b])
            else:
                yield from (f"-{line}" for line in before[a:b])
                yield from (f"+{line}" for line in after[c:d])


def _range(start: int, end: int) -> str:
    """Lines as a unified diff names them: `3` or `3,2`."""
    return f"{start + 1}" if end - start == 1 else f"{start + (start < end)},{end - start}"


def _write(spec: str, before: str, after: str) -> None:
    from archdsl.diagnostics.files import write_text

    if spec == STDIN:
        show(after)
    elif after != before:
        write_text(Path(spec).resolve(), after)
        show(f"changed {spec}\n")
