"""A network as fast as it gets here: simplified, then run by an engine, and held to the module."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.pytorch.module import compile_graph
from archdsl.speed.engines import ENGINES, Run, prepare
from archdsl.speed.simplify import simplify
from archdsl.speed.statistics import random_images
from archdsl.speed.timing import in_turns

BEST = "best"
TOLERANCE = 1e-4  # of the largest number of a result


class Optimized:
    """A network in evaluation, called as its module is: the same inputs, the same results.

    `engine` runs it; `graph` is the simpler network that runs; `difference` is by how much its
    results differ from the module's, as a share of the largest number; `seconds` is what a call of
    each engine took that was tried, and `failed` why others were not.
    """

    def __init__(self, engine: str, graph: Graph, run: Run, signature: inspect.Signature) -> None:
        self.engine, self.graph = engine, graph
        self.difference = 0.0
        self.seconds: dict[str, float] = {}
        self.failed: dict[str, str] = {}
        self._run, self._signature = run, signature

    def __call__(self, *inputs: Tensor, **named: Tensor) -> Any:
        given = self._signature.bind(*inputs, **named).arguments
        results = self._run([*given.values()])
        names = [*self.graph.outputs]
        return results[0] if names == [""] else dict(zip(names, results, strict=True))

    def __repr__(self) -> str:
        return f"<{self.graph.name} by {self.engine}, {len(self.graph.nodes)} nodes>"


def simpler(module: nn.Module, graph: Graph) -> nn.Module:
    """A module of its own that in evaluation gives what a compiled one gives, by fewer ops.

    Raises UsageError for a module that is no more what its graph says.
    """
    state = {key: tensor.detach() for key, tensor in module.state_dict().items()}
    if state.keys() != graph.state.keys():
        key = min(state.keys() ^ graph.state.keys())
        raise UsageError(f"the module is not what its graph says: {key} is in one of them only")
    less, tensors = simplify(graph, state)
    with torch.random.fork_rng(devices=[]):
        made = compile_graph(less)
    like = next((t for t in tensors.values() if t.is_floating_point()), None)
    made = made if like is None else made.to(like.device, like.dtype)
    made.load_state_dict({k: t.clone() for k, t in tensors.items()}, assign=True)
    return made.eval().requires_grad_(False)


def optimize(
    module: nn.Module,
    engine: str = BEST,
    batch: int = 1,
    example: Sequence[Tensor] | None = None,
    tolerance: float = TOLERANCE,
) -> Optimized:
    """A compiled module made fast; the arguments are those of `archdsl.optimize`."""
    graph = Graph.of(module)
    if graph is None:
        raise UsageError("optimize is for a module that archdsl compiled, which has a graph")
    if engine != BEST and engine not in ENGINES:
        raise UsageError(f"no engine {engine}; {did_you_mean(engine, [*ENGINES, BEST])}")
    inputs = example_of(module, graph, batch) if example is None else [*example]
    expected = _expected(module, inputs)
    made = simpler(module, graph)
    signature = inspect.signature(module.forward)
    if engine != BEST:
        return _verified(engine, made, signature, inputs, expected, tolerance)
    tried: dict[str, Optimized] = {}
    failed: dict[str, str] = {}
    for name in ENGINES:
        try:
            tried[name] = _verified(name, made, signature, inputs, expected, tolerance)
        except UsageError as error:
            failed[name] = str(error)
    if not tried:
        raise UsageError("; ".join(failed.values()))
    calls = {name: partial(one, *inputs) for name, one in tried.items()}
    seconds = in_turns(calls)
    chosen = tried[min(seconds, key=lambda name: seconds[name])]
    chosen.seconds, chosen.failed = seconds, failed
    return chosen


def example_of(module: nn.Module, graph: Graph, images: int) -> list[Tensor]:
    """Random images, as a module takes them; the same every time."""
    tensor = next((t for t in module.state_dict().values() if t.is_floating_point()), torch.ones(1))
    return [given.to(tensor) for given in random_images(graph, images)]


def _expected(module: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """What a module gives in evaluation; it is as it was afterwards."""
    training = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad():
            result = module.eval()(*inputs)
    finally:
        for part, was in training.items():
            part.training = was
    results = _named(result)
    for name, tensor in results.items():
        if not bool(tensor.isfinite().all()):
            what = f"the module's own result{f' {name}' if name else ''} is not finite"
            raise UsageError(f"{what} for random images: give an `example`")
    return results


def _named(result: Any) -> dict[str, Tensor]:
    return result if isinstance(result, dict) else {"": result}


def _verified(
    engine: str,
    made: nn.Module,
    signature: inspect.Signature,
    inputs: Sequence[Tensor],
    expected: Mapping[str, Tensor],
    tolerance: float,
) -> Optimized:
    """The simpler module by an engine; raises UsageError if its results are not as expected."""
    graph: Graph = made.graph  # type: ignore[assignment]
    one = Optimized(engine, graph, prepare(engine, made, graph, inputs), signature)
    found = _named(one(*inputs))
    for name, tensor in expected.items():
        scale = float(tensor.abs().max()) or 1.0
        off = float((found[name] - tensor).abs().max()) / scale
        if not off <= tolerance:
            which = f" in `{name}`" if name else ""
            raise UsageError(
                f"{engine} is off by {off:.1e} of the largest number{which}; at most"
                f" {tolerance:.0e} is allowed (`tolerance`)"
            )
        one.difference = max(one.difference, off)
    return one
