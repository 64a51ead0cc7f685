"""`archdsl bench`."""

import click

from archdsl.cli.console import Changes, changes, graph_of, modules, names, networks, show
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require


def counts(_: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """The numbers of an option that takes several, with commas between."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise click.BadParameter(f"`{text}` is no list of numbers above 0: 1,8.")
    return tuple(map(int, parts))


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True, shell_complete=networks)
@click.option(
    "--engines",
    default="all",
    show_default=True,
    callback=names,
    metavar="NAME,...",
    help="Some of eager, torch, inductor, onnxruntime, openvino and best, with commas between.",
)
@click.option(
    "--batch",
    default="1",
    show_default=True,
    callback=counts,
    metavar="N,...",
    help="How many images at a time.",
)
@click.option(
    "--turns",
    type=click.IntRange(min=1),
    default=9,
    show_default=True,
    help="How often each takes its turn.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Else as many as PyTorch takes.")
@click.option("--json", "as_json", is_flag=True, help="All numbers, as JSON.")
@modules
@changes
def bench(
    specs: tuple[str, ...],
    engines: tuple[str, ...],
    batch: tuple[int, ...],
    turns: int,
    threads: int | None,
    as_json: bool,
    changed: Changes,
) -> None:
    """Measure how fast networks run, by PyTorch as they are and by every engine.

    Each runs in a process of its own and all take turns, so that what else the machine does befalls
    them alike: read the ratios, which are to torchvision's network of the name where there is one,
    else to the first row. `best` is what `archdsl.optimize` makes, `torch` is that by PyTorch
    alone; the others are the engines without it. Weights are random.
    """
    require("bench", "torch")
    import torch

    from archdsl.speed.benchmark import benchmark, ways_of
    from archdsl.tables.timed import text, to_json

    ways = ways_of(engines)
    if not ways:
        raise UsageError("--engines: name one at least")
    found = []
    with progress() as say:
        graphs = [graph_of(spec, changed) for spec in specs]
        for graph in graphs:
            for images in batch:
                say(f"running {graph.name} on {images} at a time")
                used = threads or torch.get_num_threads()
                found.append(benchmark(graph, ways, images, used, turns))
    show(to_json(found) if as_json else text(found))
