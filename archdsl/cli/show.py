"""The command that shows the blocks of the standard library."""

import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from archdsl.api.reading import read
from archdsl.cli.console import OK, WRONG_SPEC, color, show
from archdsl.cli.progress import progress
from archdsl.language import gallery
from archdsl.language.loader import library_names

if TYPE_CHECKING:
    from archdsl.language.standard import StandardBlock

WIDTH = 100


def _blocks(context: click.Context, argument: click.Parameter, begun: str) -> list[str]:
    """The blocks that begin so, for shells."""
    return [name for name in sorted(library_names()) if name.startswith(begun)]


@click.command(name="show")
@click.argument("block", required=False, shell_complete=_blocks)
def show_(block: str | None) -> None:
    """Show the blocks of the standard library, or one of them: parameters, users, YAML."""
    from archdsl.language.standard import standard_block, standard_blocks

    lines = listed(standard_blocks()) if block is None else described(standard_block(block))
    show("\n".join([*lines, ""]))


def listed(blocks: Iterable["StandardBlock"]) -> list[str]:
    """Every block with the first sentence about it."""
    from archdsl.tables.text import aligned

    rows = [[block.name, textwrap.shorten(block.doc, 76, placeholder=" ...")] for block in blocks]
    return aligned([["block", "what it is"], *rows], "ll")


def described(block: "StandardBlock") -> list[str]:
    """What there is to know of a block."""
    from archdsl.tables.text import aligned

    lines = [*textwrap.wrap(f"{block.name}: {block.doc}", WIDTH), ""]
    if block.inputs:
        lines += [f"inputs: {', '.join(block.inputs)}", ""]
    if block.arguments:
        headings = ["parameter", "value", "default", ""]
        rows = [
            [a.name, a.type, "required" if a.default is None else a.default, a.doc]
            for a in block.arguments
        ]
        lines += [*aligned([headings, *rows], "llll"), ""]
    for what, users in (("blocks", block.blocks), ("networks", block.specs)):
        if users:
            text = f"{what} that use it: {', '.join(users)}"
            lines += [*textwrap.wrap(text, WIDTH, subsequent_indent="  "), ""]
    return [*lines, *block.text.splitlines()]


@click.command(name="list")
def list_() -> int:
    """Show the networks of the gallery."""
    from archdsl.analysis.cost import analyze
    from archdsl.expressions.numbers import quantity
    from archdsl.tables.text import aligned

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
            rows.append([name, *numbers, graph.given, graph.title])
    show("\n".join([*aligned(rows, "lrrll"), ""]))
    return status
