"""Whether torch gives what a graph promises."""

import torch

from archdsl.backends.module import compile_graph
from archdsl.graph import Graph


def wrong_shape(graph: Graph) -> str:
    """How the module of a graph, run on the meta device, differs from the graph, or nothing."""
    with torch.device("meta"), torch.no_grad():
        try:
            module = compile_graph(graph).eval()
            given = module(torch.empty(2, *graph.input.shape))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    results = given if isinstance(given, dict) else {"": given}
    results = {
        key: value for name, result in results.items() for key, value in _parts(name, result)
    }
    found = {name: tuple(value.shape[1:]) for name, value in results.items()}
    promised = {name: graph.spec(id).shape for name, id in graph.outputs.items()}
    return "" if found == promised else f"gives {found}, not {promised}"


def _parts(name: str, result: object) -> list[tuple[str, torch.Tensor]]:
    """A result that is a list has a name for each of its parts."""
    if isinstance(result, torch.Tensor):
        return [(name, result)]
    assert isinstance(result, list | tuple)
    return [(f"{name}{n}", part) for n, part in enumerate(result)]
