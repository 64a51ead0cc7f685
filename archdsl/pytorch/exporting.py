"""A network as files that other runtimes load without archdsl: ONNX, OpenVINO, PyTorch's own."""

import ast
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.analysis.cost import analyze
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import make_folder, replacing
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.diagnostics.text import first_line
from archdsl.graph.graph import Graph
from archdsl.weights.saving import described, save_weights

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

SUFFIXES = {  # of the file of a format
    "onnx": ".onnx",
    "openvino": ".xml",  # and .bin beside it
    "pt2": ".pt2",
    "safetensors": ".safetensors",
    "torchscript": ".torchscript.pt",
}
_SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter says of what module a node is
BATCH = 2  # images of the example; of which export takes it that there may be any number
GROWTH = 32  # of sizes, to see whether they may be others
EXTRA = "archdsl.json"  # what PyTorch's formats call our metadata


@dataclass(frozen=True)
class Exported:
    """A network in evaluation, about to be written; nothing of the module is changed."""

    module: "nn.Module"
    graph: Graph
    dynamic_size: bool = False

    @property
    def inputs(self) -> list[str]:
        """The names of what it is given: `input` for a single one."""
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[str]:
        """The names of what it gives: `output` for a single one."""
        return [name or "output" for name in self.graph.returned]

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The spec, as `save_weights` says it, and what the network costs for one image."""
        total = analyze(self.graph).total
        costs = {"parameters": total.parameters, "macs": total.macs}
        return {**described(self.graph), "costs": json.dumps(costs)}

    @cached_property
    def example(self) -> tuple[Any, ...]:
        import torch

        tensor = next(self.module.parameters(), torch.empty(0))
        shapes = [(BATCH, *spec.shape) for spec in self.graph.inputs.values()]
        return tuple([torch.rand(s, device=tensor.device, dtype=tensor.dtype) for s in shapes])

    @cached_property
    def program(self) -> "ExportedProgram":
        """What `torch.export` makes of it; raises UsageError where a size cannot be any."""
        import torch
        from torch.export import Dim

        batch = Dim("batch", min=1, max=2**20)
        axes = [
            {0: batch}
            | (
                dict.fromkeys(range(2, 2 + len(spec.spatial)), Dim.DYNAMIC)
                if self.dynamic_size
                else {}
            )
            for spec in self.graph.inputs.values()
        ]
        what = "batch and size" if self.dynamic_size else "batch"
        try:
            if self.dynamic_size:  # which export alone would only find when it is run
                with torch.no_grad():
                    self.module(*self.larger)
            return torch.export.export(self.module, self.example, dynamic_shapes=tuple(axes))
        except Exception as error:  # each of its passes has its own
            why = first_line(error)
            raise UsageError(f"{self.graph.name} cannot have any {what}: {why}") from None

    @cached_property
    def onnx(self) -> Any:
        """The ONNX program, whose nodes have the paths of our modules.

        Raises UsageError where PyTorch has no ONNX for what the network does.
        """
        import torch

        try:
            program = torch.onnx.export(
                self.program,
                dynamo=True,
                verbose=False,
                input_names=self.inputs,
                output_names=self.outputs,
            )
        except torch.onnx.OnnxExporterError as error:
            why = _first_cause(error)
            raise UsageError(f"PyTorch has no ONNX for {self.graph.name}: {why}") from error
        assert program is not None
        taken: dict[str, int] = {}
        for node in program.model.graph:
            scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "['']"))
            path = scopes[-2] if len(scopes) > 1 else ""
            name = f"{path}.{node.op_type}" if path else node.op_type
            taken[name] = taken.get(name, 0) + 1
            node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"
        program.model.metadata_props.update(self.metadata)
        return program

    @property
    def larger(self) -> list[Any]:
        """The example in another size, of which each axis has as much more."""
        return [
            x.new_zeros((*x.shape[:2], *(n + GROWTH for n in x.shape[2:]))) for x in self.example
        ]


def export(
    module: "nn.Module",
    folder: str | os.PathLike[str],
    to: str | Sequence[str],
    dynamic_size: bool = False,
) -> dict[str, Path]:
    """Writes a compiled module in formats; the arguments are those of `archdsl.export`."""
    graph = Graph.of(module)
    if graph is None:
        raise UsageError("export is for a module that archdsl compiled, which has a graph")
    to = formats(to)
    make_folder(Path(folder))
    written = {}
    with _evaluating(module), quiet():
        made = Exported(module, graph, dynamic_size)
        for name in to:
            path = Path(folder) / f"{graph.name}{SUFFIXES[name]}"
            _WRITERS[name](made, path)
            written[name] = path
    return written


def formats(to: str | Sequence[str]) -> list[str]:
    """The formats that a call names; raises UsageError for none, or where a package is missing."""
    named = [*dict.fromkeys([to] if isinstance(to, str) else to)]
    for name in named:
        if name not in SUFFIXES:
            raise UsageError(f"no format {name}; {did_you_mean(name, SUFFIXES)}")
    for package in dict.fromkeys(package for name in named for package in _NEEDS[name]):
        require("export", package)
    return named


def _first_cause(error: BaseException) -> str:
    """What the error says of which all others came, in its first line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


@contextmanager
def _evaluating(module: "nn.Module") -> Iterator[None]:
    """In evaluation, and nothing in place, which exporters take long to write out of place."""
    before = [
        (part, name, getattr(part, name))
        for part in module.modules()
        for name in ("training", "inplace")
        if hasattr(part, name)
    ]
    try:
        for part, name, _ in before:
            setattr(part, name, False)
        yield
    finally:
        for part, name, value in before:
            setattr(part, name, value)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what exporters say of themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _onnx(made: Exported, path: Path) -> None:
    with replacing(path) as aside:
        made.onnx.save(aside)


def openvino_model(made: Exported, folder: Path) -> Any:
    """The model as OpenVINO reads it, by way of a file in a folder, which it may need later.

    Not `convert_model`, of 2026.4, which makes of the slices of several heads' queries, keys and
    values a model that takes one image alone.
    """
    import openvino

    source = folder / "model.onnx"
    made.onnx.save(source)
    return openvino.Core().read_model(source)


def _openvino(made: Exported, path: Path) -> None:
    import openvino

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        model = openvino_model(made, Path(folder))
        for key, value in made.metadata.items():
            model.set_rt_info(value, ["archdsl", key])
        target = Path(folder) / path.name
        openvino.save_model(model, target, compress_to_fp16=False)
        for suffix in (".bin", ".xml"):
            with replacing(path.with_suffix(suffix)) as aside:
                os.replace(target.with_suffix(suffix), aside)


def _pt2(made: Exported, path: Path) -> None:
    import torch

    with replacing(path) as aside:
        torch.export.save(made.program, aside, extra_files={EXTRA: json.dumps(made.metadata)})


def _torchscript(made: Exported, path: Path) -> None:
    import torch

    trace: Any = torch.jit.trace
    mha: Any = (
        torch.backends.mha
    )  # whose fast path depends on what wants gradients, as graphs may not
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        script = trace(made.module, made.example, strict=False)
    finally:
        mha.set_fastpath_enabled(fast)
    with replacing(path) as aside:
        script.save(str(aside), _extra_files={EXTRA: json.dumps(made.metadata)})


def _safetensors(made: Exported, path: Path) -> None:
    save_weights(made.module, path)


_WRITERS: dict[str, Callable[[Exported, Path], None]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "pt2": _pt2,
    "safetensors": _safetensors,
    "torchscript": _torchscript,
}
_NEEDS = {
    "onnx": ("torch", "onnxscript"),
    "openvino": ("torch", "onnxscript", "openvino"),
    "pt2": ("torch",),
    "safetensors": ("torch", "safetensors"),
    "torchscript": ("torch",),
}
