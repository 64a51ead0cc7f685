"""The command `import`: a PyTorch module to a spec."""

import re
from pathlib import Path

import click

from archdsl.cli.console import Settings, imported_graph, modules, show
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError
from archdsl.importing.sourcing import is_source


@click.command(name="import")
@click.argument("source")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Where to write the spec; without it, on the screen.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="What to call the network.")
@modules
def import_(
    source: str, out: Path | None, shapes: tuple[str, ...], name: str | None, arguments: Settings
) -> None:
    """Write the spec of a PyTorch network, and hold it to the network.

    SOURCE is `torchvision:NAME`, `timm:NAME`, `package.module:CALLABLE`, `FILE.py:CLASS`, or a file
    of `torch.export` (`FILE.pt2`). Its Python code is run, which that of a spec never is. A table
    of ultralytics (`yolov8n.yaml`, at `--arg scale=s`) is read, and nothing is run.
    """
    from archdsl.api.reading import loads
    from archdsl.importing.specs import spec_of

    if source.endswith((".yaml", ".yml")):
        write(_of_rows(source, shapes, name, arguments), out)
        return
    if not is_source(source):
        raise UsageError(f"{source} names no module: torchvision:resnet50, net.py:Net, net.pt2")
    with progress() as say:
        say(f"running {source}")
        graph = imported_graph(source, shapes, name, arguments)
        say(f"writing the spec of {graph.name}")
        text = spec_of(graph, loads)
    write(text, out, ": the same weights in order, ops and connections")


def write(text: str, out: Path | None, what: str = "") -> None:
    """A spec to a file, or on the screen."""
    from archdsl.diagnostics.files import write_text

    if out is None:
        show(text)
        return
    write_text(out, text)
    lines = text.count("\n")
    show(f"{out}  {lines} lines{what}\n")


def _of_rows(source: str, shapes: tuple[str, ...], name: str | None, arguments: Settings) -> str:
    """The spec of a table of rows; without a scale that which the file's name ends with."""
    from archdsl.api.reading import loads
    from archdsl.importing.rows import spec_of_rows, table_of

    if shapes or arguments.keys() - {"scale"}:
        raise UsageError(f"{source} is a table of rows: of --arg it takes `scale` alone")
    data, stem = table_of(source), Path(source).stem
    said = arguments.get("scale", "")
    scale = said or (stem[-1] if stem[-1] in (data.get("scales") or ()) else "")
    text = spec_of_rows(data, name or re.sub(r"\W+", "_", stem), str(scale))
    loads(text)
    return text
