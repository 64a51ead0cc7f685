"""The command `explain`."""

import click

from archdsl.cli.console import show


@click.command()
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
def explain(codes: tuple[str, ...]) -> None:
    """Say what a diagnostic means: its cause, a wrong example, the right one."""
    from archdsl.diagnostics.explanations import explain

    show("\n".join([explain(code) for code in codes]))
