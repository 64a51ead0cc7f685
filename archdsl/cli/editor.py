"""The commands that a new spec begins with: `new`, `serve`, `lsp`, `completion`."""

import json
import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from archdsl.cli.console import OK, networks, show
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require

SCHEMA = "archdsl.schema.json"
STARTS = ("resnet", "inception", "densenet", "mobilenet", "unet", "empty")


@click.command()
@click.argument("name")
@click.option(
    "--like",
    type=click.Choice(STARTS),
    default="empty",
    show_default=True,
    help="What kind of network it starts as.",
)
@click.option("-o", "--out", default=".", metavar="DIR", help="The folder for it.  [default: .]")
def new(name: str, like: str, out: str) -> int:
    """Start a spec that is right, with comments, and the schema for editors beside it."""
    from archdsl.diagnostics.files import write_text
    from archdsl.language.starts import start

    folder = Path(out)
    spec, schema = folder / f"{name}.yaml", folder / SCHEMA
    text = start(name, like, SCHEMA)
    if os.path.exists(spec):  # where Path raises for a name too long, this is False
        raise UsageError(f"{spec} is there already")
    if not os.path.isdir(folder):
        raise UsageError(f"no folder {folder}")
    if not schema.exists():
        from archdsl.cli.schema import schema_of

        write_text(schema, json.dumps(schema_of("spec"), indent=1, ensure_ascii=False) + "\n")
    write_text(spec, text)
    show(f"{spec}: archdsl build {spec} makes the network\n")
    return OK


@click.command()
def lsp() -> int:
    """Serve editors: the language server, over standard input and output."""
    require("the language server", "pygls")
    from archdsl.editor.server import server

    server().start_io()
    return OK


@click.command()
@click.argument("spec", required=False, shell_complete=networks)
@click.option("--port", default=0, help="The port on this machine; a free one without it.")
@click.option("--no-show", is_flag=True, help="Print the address, and open no browser.")
def serve(spec: str | None, port: int, no_show: bool) -> int:
    """Open a page with a spec beside its figure and its numbers; a new one without SPEC.

    It answers this machine alone, under the address that it prints.
    """
    require("the page", "nicegui")
    require("the page", "pebble")
    from archdsl.editor.page.server import serve

    if spec is not None and not os.path.isfile(spec):
        raise UsageError(f"no file {spec}; networks of the gallery are in the page's menu")
    serve(Path(spec) if spec else None, port, not no_show)
    return OK


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print what makes a shell complete commands, networks, blocks and kinds.

    For bash: eval "$(archdsl completion bash)" in ~/.bashrc.
    """
    made = get_completion_class(shell)
    assert made is not None, f"click knows no {shell}"
    root = context.find_root()
    show(made(root.command, {}, "archdsl", "_ARCHDSL_COMPLETE").source())
    return OK
