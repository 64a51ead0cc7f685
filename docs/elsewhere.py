"""Runs exported networks in their own runtimes, without archdsl: a process that others ask.

A line on the input is a folder, the name of a network and formats; `given.pt` there is a list of
what it is given, dicts of tensors by input. `found.pt` gets what every format gave to each, dicts
by output, or why it failed; then the line is answered.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Given = dict[str, torch.Tensor]
Run = Callable[[Given], Given]


def _onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{path}.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    inputs = {one.name for one in session.get_inputs()}

    def run(given: Given) -> Given:
        assert inputs == set(given), f"its inputs are {inputs}"
        results = session.run(None, {name: x.numpy() for name, x in given.items()})
        return {name: torch.as_tensor(x) for name, x in zip(names, results, strict=True)}

    return run


def _openvino(path: Path) -> Run:
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors take bfloat16 by themselves
    model = openvino.Core().compile_model(f"{path}.xml", "CPU", exact)

    def run(given: Given) -> Given:
        result = model({name: x.numpy() for name, x in given.items()})
        return {port.get_any_name(): torch.as_tensor(result[port]) for port in model.outputs}

    return run


def _by_torch(module: Any) -> Run:
    def run(given: Given) -> Given:
        with torch.no_grad():
            result = module(*given.values())
        return result if isinstance(result, dict) else {"output": result}

    return run


def _weights(path: Path) -> Run:
    """What a file of weights holds, by the keys of the state_dict; nothing is run."""
    from safetensors.torch import load_file

    tensors = load_file(f"{path}.safetensors")
    return lambda given: tensors


LOADERS: dict[str, Callable[[Path], Run]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "pt2": lambda path: _by_torch(torch.export.load(f"{path}.pt2").module()),
    "safetensors": _weights,
    "torchscript": lambda path: _by_torch(torch.jit.load(f"{path}.torchscript.pt")),
}


def main() -> None:
    """Answers until the input ends."""
    sys.modules["archdsl"] = None  # type: ignore[assignment]  # whoever imports it fails
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        folder, name, *formats = line.split()
        every: dict[str, list[Given] | str] = {}
        for format in formats:
            try:
                run = LOADERS[format](Path(folder) / name)
                every[format] = [run(given) for given in torch.load(f"{folder}/given.pt")]
            except Exception as error:  # each runtime has its own
                every[format] = f"{type(error).__name__}: {error}"
        torch.save(every, f"{folder}/found.pt")
        print("done", flush=True)


if __name__ == "__main__":
    main()
