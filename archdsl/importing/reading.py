"""A PyTorch module to a graph."""

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.diagnostics.errors import ModuleError, UsageError
from archdsl.expressions.names import name_problem
from archdsl.graph.graph import INPUT, Graph
from archdsl.importing.functions import FUNCTIONS
from archdsl.importing.graphs import assembled, named_by_parts
from archdsl.importing.imported import Imported
from archdsl.importing.leaves import helpers, leaf
from archdsl.importing.recording import Recorder, fake_mode
from archdsl.importing.results import in_training, results_of
from archdsl.importing.values import BATCH, Value
from archdsl.ops import Op, Weight, learned
from archdsl.ops.opaque import Opaque, OpaqueJoin
from archdsl.ops.tensor import TensorSpec

Inputs = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


def from_torch(module: nn.Module, example_inputs: Inputs, name: str | None = None) -> Graph:
    """The graph of a PyTorch module: its ops, its modules as scopes, its weights by their keys.

    As `api.from_torch`, which says the rest.
    """
    given = _inputs(module, example_inputs)
    specs = {n: TensorSpec(tuple(given[a].shape[1:])) for a, n in _named(given, module).items()}
    by_name = isinstance(example_inputs, Mapping)
    title = name or type(module).__name__.lower()
    recorder, result = _recorded(module, given, by_name, training=False)
    outputs = _outputs(recorder, result)
    graph = assembled(recorder, title, specs, outputs, {})
    if any(key not in graph.state for key in recorder.state):  # what is there for training alone
        there, returned = _recorded(module, given, by_name, training=True)
        training = in_training(recorder, outputs, there, results_of(returned), returned)
        if training is not None:
            graph = named_by_parts(assembled(there, title, specs, *training))
    unused = tuple(key for key in recorder.state if key not in graph.state)
    graph = replace(graph, written=Imported(unused))
    _warn(graph, unused)
    return graph


def _inputs(module: nn.Module, example: Inputs) -> dict[str, Tensor]:
    """Tensors by the names of `forward`'s arguments."""
    if isinstance(example, Mapping):
        given = dict(example)
    else:
        listed = [example] if isinstance(example, Tensor) else list(example)
        names = list(inspect.signature(module.forward).parameters)[: len(listed)]
        names += [f"input{n}" for n in range(len(names), len(listed))]
        given = dict(zip(names, listed, strict=True))
    if not given or not all(isinstance(t, Tensor) and 2 <= t.ndim <= 5 for t in given.values()):
        what = "a batch, and at most channels and three axes more: torch.zeros(1, 3, 224, 224)"
        raise UsageError(f"example_inputs are tensors with {what}")
    return given


def _named(given: Iterable[str], module: nn.Module) -> dict[str, str]:
    """What a graph calls the inputs: `input` a single one, none as something with weights."""
    names = list(given)
    if len(names) == 1:
        return {names[0]: INPUT}
    held = {key.partition(".")[0] for key in module.state_dict()}
    return {
        name: f"{name}_input" if name in held or name == INPUT or name_problem(name) else name
        for name in names
    }


def _recorded(
    module: nn.Module, given: Mapping[str, Tensor], by_name: bool, training: bool
) -> tuple[Recorder, Any]:
    """What a module does with inputs like these, and what it returns."""
    device = next((t.device for t in (*module.parameters(), *module.buffers())), None)
    floats = [t.dtype for t in module.parameters() if t.is_floating_point()]
    modes = {part: part.training for part in module.modules()}
    recorder = Recorder(module, FUNCTIONS, leaf, _opaque, helpers, learned.Learned)
    with fake_mode():
        tensors, names = {}, _named(given, module)
        for title, tensor in given.items():
            dtype = floats[0] if floats and tensor.is_floating_point() else tensor.dtype
            made = torch.empty((BATCH, *tensor.shape[1:]), dtype=dtype, device=device or "cpu")
            spec = TensorSpec(tuple(tensor.shape[1:]))
            tensors[title] = recorder.came(made, Value(spec, input=names[title]))
        try:
            module.train(training)
            return recorder, recorder.run(*(((), tensors) if by_name else (tensors.values(), {})))
        finally:
            for part, mode in modes.items():
                part.training = mode


def _outputs(recorder: Recorder, result: Any) -> dict[str, Value]:
    """What the module returns, by name: keys of dicts, places in tuples and lists."""
    values: dict[str, Value] = {}
    for name, tensor in results_of(result).items():
        flow = recorder.flows.get(id(tensor))
        said = f"the result {name}".strip()
        if not isinstance(flow, Value):
            raise ModuleError(f"{said} depends on no input")
        if flow.problem:
            raise ModuleError(f"{said} has no op of ours: {flow.problem}")
        if not flow.plain:
            raise ModuleError(f"{said} has no batch as its first axis")
        values[name] = flow.of or flow
    if not values:
        raise ModuleError(f"{recorder.where} returns no tensor")
    return values


def _opaque(
    title: str, spec: TensorSpec, weights: tuple[Weight, ...], macs: int, reason: str, inputs: int
) -> Op:
    return (Opaque if inputs == 1 else OpaqueJoin)(title, spec, weights, macs, reason)


def _warn(graph: Graph, unused: Sequence[str]) -> None:
    """Says what is no op of ours, and which weights nothing uses."""
    opaque = [node for node in graph.nodes if isinstance(node.op, Opaque)]
    lines = [f"{node.id} is no op of ours: {node.op.reason}" for node in opaque[:SHOWN]]  # type: ignore[attr-defined]
    if len(opaque) > SHOWN:
        lines.append(f"and {len(opaque) - SHOWN} more")
    if unused:
        lines.append(
            f"no result needs {', '.join(unused[:SHOWN])}{', ...' * (len(unused) > SHOWN)}"
        )
    if lines:
        warnings.warn("\n".join([f"{graph.name} cannot become a spec:", *lines]), stacklevel=3)


SHOWN = 6  # parts that a message names
