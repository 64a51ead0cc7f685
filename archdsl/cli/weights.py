"""The command that lists the published weights of a network."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from archdsl.cli.console import Changes, changes, graph_of, modules, show

if TYPE_CHECKING:
    from archdsl.weights.published import Published


@click.command()
@click.argument("spec")
@click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="A table, or all there is.",
)
@modules
@changes
def weights(spec: str, format: str, changed: Changes) -> None:
    """Show the published weights of a network: what `weights=` takes by name.

    The first of a source is what its name alone means.
    """
    from archdsl.tables.text import aligned
    from archdsl.weights.published import published

    graph = graph_of(spec, changed)
    found = published(graph)
    if format == "json":
        data = [{"name": one.name, "network": one.network, **asdict(one.form)} for one in found]
        show(json.dumps(data, indent=1) + "\n")
    elif not found:
        show(f"no published weights of {graph.name} are known\n")
    else:
        headings = ["name", "of", "classes", "image", "claimed", "MB", "licence"]
        show("\n".join([*aligned([headings, *map(_row, found)], "llrrlrl"), ""]))


def _row(one: "Published") -> list[str]:
    form, image = one.form, one.form.preprocess
    claims = [
        f"{value} {name}" for metrics in form.metrics.values() for name, value in metrics.items()
    ]
    size = image and (image.crop or image.resize)
    sizes = size if isinstance(size, list) else [size] if size else []
    return [
        one.name,
        one.network,
        "" if form.classes is None else str(form.classes),
        "x".join(map(str, sizes if len(set(sizes)) > 1 else sizes[:1])),
        ", ".join(claims),
        "" if form.megabytes is None else f"{form.megabytes:.0f}",
        form.licence or "not said",
    ]
