"""A graph to files - source, JSON, tables, figure - and the proof that the source is the graph."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.analysis.summary import Summary
from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.errors import InternalError, UsageError
from archdsl.diagnostics.files import make_folder, write_text
from archdsl.figures.draw import draw, hero
from archdsl.graph.graph import Graph
from archdsl.tables.summary import markdown

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Files:
    """What a build writes: the PyTorch source, the graph in JSON, the table in Markdown.

    And for the paper: the architecture table in LaTeX, and the hero figure; where the network fits
    none, `unfit` says why.
    """

    source: Path
    graph: Path
    summary: Path
    table: Path
    figure: Path | None
    unfit: str = ""


def write_source(graph: Graph, path: Path, class_name: str | None = None) -> None:
    """Writes the source alone, its folder made; raises UsageError if that cannot be."""
    from archdsl.pytorch.source import emit

    text = emit(graph, class_name)
    make_folder(path.parent)
    write_text(path, text)


def write(graph: Graph, summary: Summary, out: Path, class_name: str | None = None) -> Files:
    """Writes the files of a network into `out/<name>/`; raises UsageError if that cannot be."""
    from archdsl.pytorch.source import emit

    texts = emit(graph, class_name), by_name(graph).to_json(), markdown(summary)
    folder = out / graph.name
    make_folder(folder)
    source, encoded = folder / f"{graph.name}.py", folder / f"{graph.name}.json"
    summarized, table = folder / "summary.md", folder / f"{graph.name}.tex"
    figure = folder / f"{graph.name}.svg"
    for path, text in zip((source, encoded, summarized), texts, strict=True):
        write_text(path, text)
    draw([graph], "table").save(table)
    try:
        drawn = hero(graph)
    except UsageError as error:
        figure.unlink(missing_ok=True)  # one that an earlier build drew would be of another network
        return Files(source, encoded, summarized, table, None, str(error))
    drawn.save(figure)
    return Files(source, encoded, summarized, table, figure)


def by_name(graph: Graph) -> Graph:
    """The graph with the files of its places by their names, so that no folder is told."""

    def named(span: Span | None) -> Span | None:
        return span and replace(span, file=os.path.basename(span.file))

    nodes = [replace(node, span=named(node.span)) for node in graph.nodes]
    scopes = [replace(scope, span=named(scope.span)) for scope in graph.scopes]
    return replace(graph, nodes=tuple(nodes), scopes=tuple(scopes))


def run(graph: Graph, summary: Summary, source: Path) -> None:
    """Holds a written network to its graph, and runs it on a random image, in eval mode.

    Raises InternalError if a setting, a call, the shape of an output or the number of parameters is
    another than the graph's, UsageError if the network does not fit into memory.
    """
    from archdsl.pytorch.proof import prove
    from archdsl.pytorch.running import new_module

    text = source.read_text(encoding="utf-8")
    prove(text, graph)
    try:
        module = new_module(text, summary.name).eval()
        outputs = _outputs(module, graph)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):
            raise
        raise UsageError(f"{source} is written, but too large to be run here") from error
    expected = {name: (1, *spec.shape) for name, spec in summary.outputs.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in outputs.items()}
    if shapes != expected:
        raise InternalError(f"{source} gives {shapes}, expected {expected}")
    parameters = sum(parameter.numel() for parameter in module.parameters())
    if parameters != summary.total.parameters:
        raise InternalError(
            f"{source} has {parameters:,} parameters, expected {summary.total.parameters:,}"
        )


def _outputs(module: "nn.Module", graph: Graph) -> "dict[str, Tensor]":
    import torch

    with torch.inference_mode():
        result = module(*(torch.rand(1, *spec.shape) for spec in graph.inputs.values()))
    if graph.returns is not None and graph.returns.is_dict:
        return graph.returns.results(result)
    return result if isinstance(result, dict) else {"": result}
