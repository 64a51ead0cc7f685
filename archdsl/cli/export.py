"""`archdsl export`."""

from pathlib import Path

import click

from archdsl.cli.console import Changes, changes, graph_of, into, modules, networks, show
from archdsl.cli.progress import progress
from archdsl.pytorch.exporting import SUFFIXES, formats


@click.command()
@click.argument("spec", shell_complete=networks)
@click.option(
    "--to",
    default="onnx",
    show_default=True,
    metavar="FORMATS",
    help=f"Some of {', '.join(SUFFIXES)}, with commas between.",
)
@into("The folder of the files.")
@click.option(
    "--weights",
    metavar="FILE|NAME|URL",
    help="Weights to load: without them it has those that training starts with.",
)
@click.option("--dynamic-size", is_flag=True, help="Let height and width be any, too.")
@modules
@changes
def export(
    spec: str, to: str, out: Path, weights: str | None, dynamic_size: bool, changed: Changes
) -> None:
    """Write a network as files that other runtimes load, for any number of images."""
    from archdsl import api

    with progress() as say:
        say(f"reading {spec}")
        graph = graph_of(spec, changed)
        asked = formats(to.split(","))
        say("compiling")
        module = api.compile(graph, weights=weights)
        say(f"writing {to}")
        written = api.export(module, out, to=asked, dynamic_size=dynamic_size)
    show("".join(f"{path}\n" for path in written.values()))
    if weights is None:
        show("the weights are those that training starts with; --weights loads others\n", err=True)
