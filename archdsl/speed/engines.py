"""What runs networks: PyTorch, its compiler, ONNX Runtime, OpenVINO; each by its own interface."""

import os
import shutil
import weakref
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.text import first_line
from archdsl.graph.graph import Graph
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.exporting import Exported, openvino_model, quiet
from archdsl.speed.timing import in_turns

Run = Callable[[Sequence[Tensor]], list[Tensor]]  # tensors by the order of inputs and of results
OWN = 2  # numbers of images for which a runtime is prepared; others share one form


def missing(engine: str) -> str:
    """Why an engine cannot run here, or nothing."""
    if engine == "inductor":
        compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
        return "" if compiler else "there is no C++ compiler: g++ or clang++, or $CXX"
    lacking = [package for package in _NEEDS[engine] if find_spec(package) is None]
    return f"not installed: pip install {' '.join(lacking)}" if lacking else ""


def prepare(engine: str, module: nn.Module, graph: Graph, example: Sequence[Tensor]) -> Run:
    """A module in evaluation by an engine, tried once on the example.

    Raises UsageError where the engine is not there or cannot run it.
    """
    if why := missing(engine):
        raise UsageError(f"{engine} cannot run: {why}")
    if engine in ON_CPU and any(x.device.type != "cpu" for x in example):
        raise UsageError(f"{engine} runs on the CPU here, and the module is on {example[0].device}")
    with quiet(), torch.no_grad():
        try:
            run = ENGINES[engine](module, graph, example)
            run(example)
        except UsageError:
            raise
        except Exception as error:  # each engine has its own
            why = first_line(error)
            raise UsageError(f"{engine} cannot run {graph.name}: {why}") from error
    return run


def eager(module: nn.Module) -> Run:
    """A module as it is."""

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            result = module(*inputs)
        return [*result.values()] if isinstance(result, dict) else [result]

    return run


def _torch(module: nn.Module, graph: Graph, example: Sequence[Tensor]) -> Run:
    """PyTorch's own kernels, with the channels last in memory if that is faster here."""
    plain = eager(module)
    if not any(len(spec.spatial) == 2 for spec in graph.inputs.values()):
        return plain
    last = torch.channels_last
    other = eager(_copy(module).to(memory_format=last))

    def turned(inputs: Sequence[Tensor]) -> list[Tensor]:
        return other([x.contiguous(memory_format=last) if x.ndim == 4 else x for x in inputs])

    taken = in_turns({"plain": lambda: plain(example), "last": lambda: turned(example)}, turns=3)
    return turned if taken["last"] < taken["plain"] else plain


def _copy(module: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(module)


def _inductor(module: nn.Module, graph: Graph, example: Sequence[Tensor]) -> Run:
    """PyTorch's compiler, with the weights as constants."""
    compiled: Any = torch.compile(module, options={"freezing": True})
    return eager(compiled)


def _onnxruntime(module: nn.Module, graph: Graph, example: Sequence[Tensor]) -> Run:
    import onnxruntime

    folder = Path(mkdtemp(prefix="archdsl-"))
    path = str(folder / "model.onnx")
    made = Exported(module, graph)
    made.onnx.save(path)

    def form(images: int | None) -> Run:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        if images is not None:
            options.add_free_dimension_override_by_name("batch", images)
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            given = {name: x.numpy() for name, x in zip(made.inputs, inputs, strict=True)}
            return [torch.from_numpy(array) for array in session.run(made.outputs, given)]

        return run

    return _Forms(form, graph, folder)


def _openvino(module: nn.Module, graph: Graph, example: Sequence[Tensor]) -> Run:
    """In single precision: by itself it takes less where a processor has it."""
    import openvino

    folder = Path(mkdtemp(prefix="archdsl-"))
    made = Exported(module, graph)
    model = openvino_model(made, folder)
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }

    def form(images: int | None) -> Run:
        own = model.clone()
        if images is not None:
            shapes = {name: [images, *spec.shape] for name, spec in graph.inputs.items()}
            own.reshape(shapes)
        compiled = core.compile_model(own, "CPU", settings)
        request = compiled.create_infer_request()
        ports = [compiled.output(name) for name in made.outputs]

        def run(inputs: Sequence[Tensor]) -> list[Tensor]:
            given = {name: x.numpy() for name, x in zip(made.inputs, inputs, strict=True)}
            result = request.infer(given, share_inputs=True)
            return [torch.from_numpy(result[port]) for port in ports]

        return run

    return _Forms(form, graph, folder)


class _Forms:
    """A runtime's forms of a network: for each of the first numbers of images, and for any.

    The folder, which they need as long as they are there, is removed after them.
    """

    def __init__(self, form: Callable[[int | None], Run], graph: Graph, folder: Path) -> None:
        self._form = form
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._specs = graph.inputs
        self._forms: dict[int | None, Run] = {}

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        for (name, spec), x in zip(self._specs.items(), inputs, strict=True):
            if tuple(x.shape[1:]) != spec.shape:
                given = TensorSpec(tuple(x.shape[1:]))
                raise UsageError(f"{name} is {spec}, not {given}: other sizes need another engine")
        images: int | None = len(inputs[0])
        if images not in self._forms:
            images = images if len(self._forms.keys() - {None}) < OWN else None
        if images not in self._forms:
            self._forms[images] = self._form(images)
        return self._forms[images]([x.detach().contiguous() for x in inputs])


ENGINES: dict[str, Callable[[nn.Module, Graph, Sequence[Tensor]], Run]] = {
    "torch": _torch,
    "inductor": _inductor,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
ON_CPU = ("onnxruntime", "openvino")
_NEEDS = {
    "torch": (),
    "onnxruntime": ("onnxscript", "onnxruntime"),
    "openvino": ("onnxscript", "openvino"),
}
