"""`archdsl build`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archdsl.cli.console import Changes, changes, color, graph_of, into, modules, networks, show
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require

if TYPE_CHECKING:
    from archdsl.analysis.summary import Summary
    from archdsl.api.build import Files
    from archdsl.graph.graph import Graph
    from archdsl.yaml.limits import Limits


@click.command()
@click.argument("spec", shell_complete=networks)
@into("Where to make a folder for the network.")
@click.option(
    "--features",
    metavar="NAMES",
    help="Write a backbone that gives these taps or paths: c3,layer4.1.bn2.",
)
@click.option("--class-name", metavar="NAME", help="Call the network's class so.")
@click.option(
    "--single-file",
    is_flag=True,
    help="Write the source alone: DIR/NAME.py, or the file that --out names (net.py).",
)
@modules
@changes
def build(
    spec: str,
    out: Path,
    features: str | None,
    class_name: str | None,
    single_file: bool,
    changed: Changes,
) -> None:
    """Write a network as PyTorch source, run it once, and hold it to the spec."""
    from archdsl.analysis.summary import summarize
    from archdsl.api import build as steps
    from archdsl.tables.summary import text

    with progress() as say:
        say(f"reading {spec}")
        graph = graph_of(spec, changed)
        require("build", "torch")
        if features is not None:
            from archdsl.pytorch.module import select_features

            graph = select_features(graph, [name.strip() for name in features.split(",")])
        _require_few(graph, changed.allowed)
        result = summarize(graph)
        say(f"writing {out if single_file else out / graph.name}")
        if single_file:
            source = out if out.suffix == ".py" else out / f"{graph.name}.py"
            steps.write_source(graph, source, class_name)
            written = f"{source}  PyTorch source"
        else:
            files = steps.write(graph, result, out, class_name)
            source, written = files.source, _written(files)
        say(f"running {source} on {_random(result)}")
        steps.run(graph, result, source)
    show(text(result, color(sys.stdout)))
    show(f"\n{written}\n{_proof(result)}\n")


def _require_few(graph: "Graph", limits: "Limits") -> None:
    """Raises UsageError for more nodes than are built in seconds."""
    most, nodes = limits.built, len(graph.nodes)
    if nodes > most:
        raise UsageError(
            f"{graph.name} has {nodes:,} nodes; more than {most:,} are built with"
            f" `--limit built={nodes}`"
        )


def _written(files: "Files") -> str:
    """Where the files are and what they hold, a line each."""
    named = (
        (files.source, "PyTorch source"),
        (files.graph, "the graph"),
        (files.summary, "this table"),
        (files.figure, "the figure"),
        (files.table, "the architecture table in LaTeX"),
    )
    lines = [(path, what) for path, what in named if path]
    width = max(len(str(path)) for path, _ in lines)
    missing = [f"no figure: {files.unfit}"] if files.unfit else []
    return "\n".join([*(f"{path!s:{width}}  {what}" for path, what in lines), *missing])


def _random(summary: "Summary") -> str:
    """What a network is run on."""
    if [*summary.inputs] == ["input"]:
        return f"a random image of 1x{summary.inputs['input']}"
    return "random " + ", ".join(f"{name} 1x{spec}" for name, spec in summary.inputs.items())


def _proof(summary: "Summary") -> str:
    """What was found when the source ran."""
    outputs = ", ".join(f"{name} 1x{spec}".strip() for name, spec in summary.outputs.items())
    return (
        f"ran on {_random(summary)}: gives {outputs},"
        f" has {summary.total.parameters:,} parameters, as in the table"
    )
