"""The command that shows the blocks of the standard library."""

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from archdsl.console import show

if TYPE_CHECKING:
    from archdsl.standard import StandardBlock

WIDTH = 100


@click.command(name="show")
@click.argument("block", required=False)
def show_(block: str | None) -> None:
    """Show the blocks of the standard library, or one of them: parameters, users, YAML."""
    from archdsl.standard import standard_block, standard_blocks

    lines = listed(standard_blocks()) if block is None else described(standard_block(block))
    show("\n".join([*lines, ""]))


def listed(blocks: Iterable["StandardBlock"]) -> list[str]:
    """Every block with the first sentence about it."""
    from archdsl.renderers.table import aligned

    rows = [[block.name, textwrap.shorten(block.doc, 76, placeholder=" ...")] for block in blocks]
    return aligned([["block", "what it is"], *rows], "ll")


def described(block: "StandardBlock") -> list[str]:
    """What there is to know of a block."""
    from archdsl.renderers.table import aligned

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
