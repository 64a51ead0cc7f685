"""The command `import`: a PyTorch module to a spec."""

from pathlib import Path

import click

from archdsl.cli.console import Settings, imported_graph, pairs, show
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError
from archdsl.importing.sourcing import is_source


@click.command(name="import")
@click.argument("source")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Where to write the spec; without it, on the screen.",
)  # fmt: skip
@click.option(
    "--input", "shapes", multiple=True, metavar="C,H,W",
    help="The shape of an input, without the batch; again for each of several.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="What to call the network.")
@click.option(
    "--arg", "arguments", multiple=True, callback=pairs, metavar="NAME=VALUE",
    help="An argument of the class or function, as in JSON or a word.",
)  # fmt: skip
def import_(
    source: str, out: Path | None, shapes: tuple[str, ...], name: str | None, arguments: Settings
) -> None:
    """Write the spec of a PyTorch network, and hold it to the network.

    SOURCE is `torchvision:NAME`, `timm:NAME`, `package.module:CALLABLE`, `FILE.py:CLASS`, or a file
    of `torch.export` (`FILE.pt2`). Its Python code is run, which that of a spec never is.
    """
    from archdsl.api import loads
    from archdsl.files import write_text
    from archdsl.importing.specs import spec_of

    if not is_source(source):
        raise UsageError(f"{source} names no module: torchvision:resnet50, net.py:Net, net.pt2")
    with progress() as say:
        say(f"running {source}")
        graph = imported_graph(source, shapes, name, arguments)
        say(f"writing the spec of {graph.name}")
        text = spec_of(graph, loads)
    if out is None:
        show(text)
        return
    write_text(out, text)
    lines = text.count("\n")
    show(f"{out}  {lines} lines: the same weights in order, ops and connections\n")
