"""Whether torch gives what a graph promises."""

import linecache
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch

from archdsl.graph.graph import Graph
from archdsl.pytorch.module import compile_graph

IMAGES = 2


def wrong_shapes(graph: Graph, device: str = "meta") -> str:
    """How the tensors that torch gives differ in shape from those of a graph, or nothing.

    The network runs with its taps as further results, and, if it has some that exist in training
    only, in training.
    """
    try:
        with torch.device(device), torch.no_grad():
            named = {f"result {name}": id for name, id in graph.outputs.items()} | {**graph.taps}
            problem = _difference(
                graph.select(named) if graph.taps else replace(graph, aux={}, returns=None)
            )
            return problem or (_difference(graph) if graph.aux else "")
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _difference(graph: Graph) -> str:
    """How the results of a network for some images differ from what it promises."""
    module = compile_graph(graph).train(bool(graph.aux))
    try:
        given = module(*(torch.empty(IMAGES, *spec.shape) for spec in graph.inputs.values()))
    finally:
        _forget(module)
    said = graph.returns
    if said is not None:
        given = {"": said.results(given if said.is_dict else given._asdict())}
    results = [given] if not graph.aux or said is not None else given
    found = {name: shape for result in results for name, shape in _shapes("", result)}
    promised = _promised(graph, {**graph.outputs, **graph.aux})
    return "" if found == promised else f"gives {found}, not {promised}"


def _promised(graph: Graph, results: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    return {name: (IMAGES, *graph.spec(id).shape) for name, id in results.items()}


def _shapes(name: str, result: object) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shapes of a result by name; the parts of a list are numbered."""
    if isinstance(result, torch.Tensor):
        yield name, tuple(result.shape)
    elif isinstance(result, dict):
        for key, value in result.items():
            yield from _shapes(key, value)
    else:
        assert isinstance(result, list | tuple)
        for number, part in enumerate(result):
            yield from _shapes(f"{name}{number}", part)


def _forget(module: torch.nn.Module) -> None:
    """Lets go of a module's source: thousands of them would fill the memory."""
    namespace = sys.modules.pop(type(module).__module__)
    linecache.cache.pop(str(namespace.__file__), None)
