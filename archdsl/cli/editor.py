"""The command `lsp`."""

import click

from archdsl.cli.console import OK
from archdsl.diagnostics.packages import require


@click.command()
def lsp() -> int:
    """Serve editors: the language server, over standard input and output."""
    require("the language server", "pygls")
    from archdsl.editor.server import server

    server().start_io()
    return OK
