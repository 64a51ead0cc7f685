"""The commands that measure, compare and scale networks; none of them imports torch."""

import sys
from typing import TYPE_CHECKING, Any

import click

from archdsl.cli.console import Changes, changes, color, graph_of, modules, names, networks, show
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from archdsl.analysis.measures import Device

FORMATS = click.Choice(["table", "markdown", "latex", "html", "json", "csv"])


@click.command()
@click.argument("spec", shell_complete=networks)
@click.option("--depth", type=click.IntRange(min=1), help="How deep to go; without it, by stages.")
@click.option(
    "--by",
    type=click.Choice(["stage", "block", "op"]),
    default="stage",
    show_default=True,
    help="What a row is: a stage, or all uses of a block or op.",
)
@click.option(
    "--show",
    "columns",
    callback=names,
    metavar="COLUMN,...",
    help="Which columns: parameters,macs,memory,field... (docs/numbers.md lists them).",
)
@click.option("--sort", metavar="COLUMN", help="The largest of a column first.")
@click.option(
    "--device",
    metavar="flops=N,bandwidth=N",
    help="A processor for the columns time and bound, per second: flops=19.5T,bandwidth=900G.",
)
@click.option(
    "--format", type=FORMATS, default="table", show_default=True, help="How to write the table."
)
@modules
@changes
def summary(
    spec: str,
    depth: int | None,
    by: Any,
    columns: tuple[str, ...] | None,
    sort: str | None,
    device: str | None,
    format: str,
    changed: Changes,
) -> None:
    """Show a network's stages, parameters and multiply-accumulates.

    In LaTeX a stage is its layers in brackets, as in papers; `draw --kind table -o FILE.tex` sets
    several networks side by side.
    """
    from archdsl.analysis.summary import DEFAULT, summarize
    from archdsl.api import table
    from archdsl.tables.summary import text

    processor = device_of(device) if device else None
    with progress() as say:
        say(f"reading {spec}")
        graph = graph_of(spec, changed)
        result = summarize(graph, depth, by, columns or DEFAULT, sort, processor)
    styled = format == "table" and color(sys.stdout)
    show(text(result, styled) if styled else table(result, graph).render(format))


def device_of(text: str) -> "Device":
    """`flops=19.5T,bandwidth=900G`; raises UsageError for anything else."""
    from archdsl.analysis.measures import Device
    from archdsl.expressions.numbers import number

    given = dict(part.partition("=")[::2] for part in text.split(","))
    if set(given) != {"flops", "bandwidth"}:
        raise UsageError(f"--device {text}: write flops=19.5T,bandwidth=900G")
    device = Device(number(given["flops"]), number(given["bandwidth"]))
    if min(device.flops, device.bandwidth) <= 0:
        raise UsageError(f"--device {text}: both numbers must be above 0")
    return device


@click.command()
@click.argument("before", shell_complete=networks)
@click.argument("after", required=False, shell_complete=networks)
@click.option("--depth", type=click.IntRange(min=1), help="How deep to go; else to the cause.")
@click.option(
    "--format",
    type=click.Choice(["table", "markdown", "json"]),
    default="table",
    show_default=True,
    help="How to write what changed.",
)
@modules
@changes
def diff(
    before: str,
    after: str | None,
    depth: int | None,
    format: str,
    changed: Changes,
) -> None:
    """Show what changes from one network to another.

    Options that change a spec change the second only; without a second it is the first, so changed.
    --input and --arg are for both of two modules.
    """
    from archdsl.analysis.diff import compare
    from archdsl.tables.changes import FORMATS

    if after is None and not (changed.of_spec or changed.of_module):
        message = "diff needs a second spec, or an option that changes the first: --set classes=10"
        raise UsageError(message)
    with progress() as say:
        say(f"reading {before}")
        made = Changes() if after is None else changed
        kept = Changes(limits=changed.limits, shapes=made.shapes, arguments=made.arguments)
        old = graph_of(before, kept)
        new = graph_of(after or before, changed)
    show(FORMATS[format](compare(old, new, depth)))


@click.command()
@click.argument("spec", shell_complete=networks)
@click.option("--stages", type=click.IntRange(min=1), required=True, help="How many machines.")
@click.option(
    "--by",
    type=click.Choice(["macs", "parameters", "activations"]),
    default="macs",
    show_default=True,
    help="What the stages have as much of.",
)
@click.option(
    "--tensors",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many tensors may come into a stage.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the split by modules.")
@modules
@changes
def partition(
    spec: str, stages: int, by: Any, tensors: int, as_json: bool, changed: Changes
) -> None:
    """Cut a network into stages of even cost, for pipelines over several machines.

    A stage begins with the module that is named, which is where
    `torch.distributed.pipelining` splits (`archdsl.torch.split_spec` in Python).
    """
    from archdsl.analysis.partition import partition
    from archdsl.tables.stages import text

    with progress() as say:
        say(f"reading {spec}")
        found = partition(graph_of(spec, changed), stages, by, tensors)
    show(found.to_json() if as_json else text(found))
