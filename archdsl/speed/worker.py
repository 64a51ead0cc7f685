"""A process that runs one network in one way and says how long that takes: `benchmark` asks it.

The first line of the input is a job in JSON; the process builds what it says and answers, then
answers every further line: `run` with seconds, `memory` with bytes.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import torch

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.graph.graph import Graph
from archdsl.pytorch.exporting import quiet
from archdsl.pytorch.module import compile_graph
from archdsl.speed.benchmark import MATRIX, REFERENCE, SIDE
from archdsl.speed.engines import eager, prepare
from archdsl.speed.optimize import BEST, example_of, optimize
from archdsl.speed.statistics import with_statistics
from archdsl.speed.timing import measure

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def build(job: dict[str, Any]) -> tuple[Callable[[], object], str]:
    """What a job wants run, and more to say of it: the engine that was chosen.

    Raises UsageError if it cannot be.
    """
    torch.manual_seed(0)
    torch.set_num_threads(job["threads"])
    way, images = job["way"], job["images"]
    if way == MATRIX:
        a, b = torch.rand(2, SIDE, SIDE)
        return lambda: a @ b, ""
    graph = Graph.from_json(Path(job["graph"]).read_text(encoding="utf-8"), limits=job["limits"])
    module = with_statistics(compile_graph(graph))
    example = example_of(module, graph, images)
    if way in ("torch", BEST):
        made = optimize(module, way, images)
        return lambda: made(*example), made.engine
    if way == REFERENCE[0]:
        run = eager(_torchvision(graph.name, sum(p.numel() for p in module.parameters())))
    elif way == "eager":
        run = eager(module)
    else:
        run = prepare(way, module, graph, example)
    return lambda: run(example), ""


def _torchvision(name: str, parameters: int) -> torch.nn.Module:
    """The package's own network of this name, if it is the same."""
    require("the network to compare with", "torchvision")
    from torchvision import models

    if name not in models.list_models():
        raise UsageError(f"torchvision has no network `{name}`")
    settings = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module: torch.nn.Module = models.get_model(name, weights=None, **settings)
    if sum(p.numel() for p in module.parameters()) != parameters:
        raise UsageError(f"torchvision's `{name}` has other parameters")
    return module.eval()  # the time does not depend on the numbers


def _memory(key: str) -> int | None:
    """What the process has in memory (`VmRSS`), or had at most (`VmHWM`), where that is known."""
    if not _STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    return int(lines[key].split()[0]) * 1024


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no answer
    job = json.loads(sys.stdin.readline())
    if job["way"] == REFERENCE[0] and find_spec("torchvision"):
        import torchvision  # noqa: F401 - which is no part of what its network takes
    before = _memory("VmRSS")
    try:
        with quiet():
            action, more = build(job)
            measure(action)
    except UsageError as error:
        _answer(answers, {"failed": str(error)})
        return
    _answer(answers, {"ready": more})
    if _CLEAR.exists():
        _CLEAR.write_text("5")  # the most from now on
    for line in sys.stdin:
        if line.strip() == "run":
            with quiet():
                _answer(answers, measure(action))
        else:
            most = _memory("VmHWM")
            _answer(answers, None if most is None or before is None else max(0, most - before))


def _answer(stream: TextIO, value: Any) -> None:
    stream.write(json.dumps(value) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
