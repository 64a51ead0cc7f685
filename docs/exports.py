"""The gallery by all formats of `archdsl export`: python docs/exports.py [NAME...]

Writes what it finds to `exports.json`, from which `export.md` is made, network by network, and goes
on where it was stopped; networks that are named are tried again. A network has random weights and
the statistics of two random images, of sixteen where numbers leave the range or differ otherwise,
and is given three others. Each file is loaded in its own runtime, in a process without archdsl. An
image is small where the spec allows it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

import archdsl
from archdsl.language.gallery import every
from archdsl.pytorch.exporting import SUFFIXES
from archdsl.speed.statistics import with_statistics

DOCS = Path(__file__).parent
sys.path.append(str(DOCS))
from kept import keep, smallest  # noqa: E402 - which stands beside this file

RUNTIMES = ("torch", "onnx", "onnxruntime", "openvino", "safetensors")
TOLERANCE = 1e-4  # of the largest number
RANGE = (1e-3, 1e3)  # of the largest number
STATISTICS = (2, 16)  # images that batch norms have seen
LARGE = 600_000_000  # of what `effort` says: these come last
Given = dict[str, Tensor]


class Elsewhere:
    """The process that runs what is exported, which has no archdsl."""

    def __init__(self) -> None:
        call = [sys.executable, "-I", str(DOCS / "elsewhere.py")]
        self._process = subprocess.Popen(
            call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, folder: Path, name: str, formats: list[str], given: list[Given]
    ) -> dict[str, list[Given] | str]:
        """What every format gives, or why it fails."""
        torch.save(given, folder / "given.pt")
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{folder} {name} {' '.join(formats)}\n")
        process.stdin.flush()
        if process.stdout.readline() != "done\n":
            raise RuntimeError("the process has ended")
        found: dict[str, list[Given] | str] = torch.load(folder / "found.pt")
        return found

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def made(name: str, statistics: int = STATISTICS[0], seed: int = 0) -> nn.Module:
    """The network with weights in range, for the smallest image that it takes.

    Weights that start with zeros, as those of classifiers of ViT, or smaller than PyTorch starts
    convolutions, as those of detectors' heads, are others here. The offsets of batch norms are one:
    with those of a start, zero, each batch norm before a relu makes any difference 1.21 times as
    large (Yang et al. 2019, "A Mean Field Theory of Batch Normalization"), so that 56 of them make
    1e-3 of float32's rounding; with one it is 1.06 times.
    """
    torch.manual_seed(seed)
    module = archdsl.compile(smallest(archdsl.load(name)))
    for part in module.modules():
        if isinstance(part, _ConvNd) and _size(part.weight) < 0.9 * _start(part.weight):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    for key, weight in module.named_parameters():
        if not key.endswith("bias") and not weight.any():
            nn.init.normal_(weight, std=0.02)
    for norm in filter(_has_statistics, module.modules()):
        if isinstance(norm.bias, Tensor):
            nn.init.ones_(norm.bias)
    return with_statistics(module, statistics)


def images(module: nn.Module, count: int = 3, larger: int = 0) -> Given:
    """What it is given, in another size if it is to be `larger`."""
    graph: Any = module.graph
    shapes = {
        name: (spec.shape[0], *(n + larger for n in spec.spatial))
        for name, spec in graph.inputs.items()
    }
    return {name: torch.randn(count, *shape) for name, shape in shapes.items()}


def differences(
    module: nn.Module, folder: Path, formats: list[str], given: list[Given], elsewhere: Elsewhere
) -> Iterator[tuple[str, float | str]]:
    """By format the largest difference, as a share of the largest number, or what is wrong."""
    graph: Any = module.graph
    found = elsewhere.run(folder, graph.name, formats, given)
    for format, results in found.items():
        if isinstance(results, str):
            yield format, results
            continue
        worst: float | str = 0.0
        for one, result in zip(given, results, strict=True):
            off = difference(result, expected(module, format, one))
            if isinstance(off, str) or not off <= worst:
                worst = off
                break
        yield format, worst


def expected(module: nn.Module, format: str, given: Given) -> Given:
    """What a format is to give: the results, or for weights these."""
    if format == "safetensors":
        return module.state_dict()
    with torch.no_grad():
        result = module(*given.values())
    return result if isinstance(result, dict) else {"output": result}


def difference(found: Given, wanted: Given) -> float | str:
    """The largest difference, as a share of the largest number, or why there is none."""
    if found.keys() != wanted.keys():
        return f"gives {', '.join(sorted(found))} instead of {', '.join(sorted(wanted))}"
    worst = 0.0
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            return f"{name} is {tuple(found[name].shape)}, not {tuple(tensor.shape)}"
        if not tensor.numel():
            continue
        scale = float(tensor.abs().max())
        off = float((found[name] - tensor).abs().max())
        worst = max(worst, off / scale if scale else off)
    return worst


def tried(name: str, elsewhere: Elsewhere) -> dict[str, Any]:
    """A row: the size of the image, and by format the difference or the reason."""
    for statistics in STATISTICS:
        module = made(name, statistics)
        row = _row(module, elsewhere)
        good = all(isinstance(row[one], float) and row[one] <= TOLERANCE for one in SUFFIXES)
        if (good and "range" not in row) or not any(map(_has_statistics, module.modules())):
            break
    return row


def _size(weight: Tensor) -> float:
    """The root of the mean of squares."""
    return float(weight.detach().square().mean().sqrt())


def _start(weight: Tensor) -> float:
    """The size with which PyTorch starts a convolution: uniform, to 1 / sqrt(fan_in)."""
    return float((3 * weight[0].numel()) ** -0.5)


def _has_statistics(part: nn.Module) -> bool:
    return isinstance(part, _BatchNorm)


def _row(module: nn.Module, elsewhere: Elsewhere) -> dict[str, Any]:
    graph: Any = module.graph
    row: dict[str, Any] = {"size": graph.given, "nodes": len(graph.nodes)}
    given = [images(module)]
    results = expected(module, "onnx", given[0])
    scales = [float(tensor.abs().max()) for tensor in results.values()]
    if not all(RANGE[0] < scale < RANGE[1] for scale in scales):
        row["range"] = f"the largest numbers are {', '.join(f'{s:.1e}' for s in scales)}"
    with tempfile.TemporaryDirectory() as folder:
        formats = [*SUFFIXES]
        try:  # which makes what formats share once
            archdsl.export(module, folder, to=formats)
        except Exception:
            formats = []
        for format in SUFFIXES.keys() - {*formats}:
            try:
                archdsl.export(module, folder, to=[format])
                formats.append(format)
            except Exception as error:  # of any exporter
                lines = str(error).strip().splitlines() or [""]
                row[format] = f"{type(error).__name__}: {lines[0]}"
        row |= differences(module, Path(folder), formats, given, elsewhere)
    if any(isinstance(row[format], float) and row[format] > TOLERANCE for format in SUFFIXES):
        exact = {name: x.double() for name, x in given[0].items()}
        row["rounding"] = difference(results, expected(module.double(), "onnx", exact))
    return row


def effort(name: str) -> int:
    """How long a network takes, about: exporters for nodes, files for parameters, runs for MACs."""
    total = archdsl.analyze(smallest(archdsl.load(name))).total
    return total.nodes * 1_000_000 + total.parameters + total.macs // 60


def turns(names: Sequence[str]) -> list[str]:
    """One of each family after another, those that take least first, so that kinds differ early."""
    efforts = {name: effort(name) for name in names}
    seen: Counter[str] = Counter()
    ranks = {}
    for name in sorted(efforts, key=efforts.__getitem__):
        family = re.split(r"[^a-z]", name, maxsplit=1)[0]
        ranks[name] = (efforts[name] > LARGE, seen[family], efforts[name])
        seen[family] += 1
    return sorted(ranks, key=ranks.__getitem__)


def main() -> None:
    """Tries what is named, or all that has not been tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=[])
    parser.add_argument("--data", type=Path, default=DOCS / "exports.json")
    given = parser.parse_args()
    elsewhere = Elsewhere()

    def row(name: str) -> dict[str, Any]:
        found = tried(name, elsewhere)
        print(name, found, flush=True)
        return found

    keep(given.data, every(), given.networks, row, RUNTIMES, turns)
    elsewhere.close()


if __name__ == "__main__":
    main()
