"""A network by several engines, each in a process of its own, which take turns."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from archdsl.analysis.cost import analyze
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.speed.timing import all_turns

WAYS = {  # by what `--engines` calls them
    "eager": "eager",
    "torch": "optimized, torch",
    "inductor": "inductor alone",
    "onnxruntime": "onnxruntime alone",
    "openvino": "openvino alone",
    "best": "optimized",
}
REFERENCE = ("torchvision", "torchvision, eager")
MATRIX = "matrix"
SIDE = 1024  # of the matrices that are multiplied
LIMITS = {"nodes": 10**7, "parameters": 10**15}  # of a graph that has been read already


@dataclass(frozen=True)
class Timed:
    """One way to run a network.

    `seconds` is the median of all turns, `spread` the middle half of them as a share of it,
    `ratio` how many times as fast as the reference it is, the median of the turns' own ratios;
    `share` is how much of the rate of a matrix product its multiply-accumulates reach, `memory` the
    most that its process had while it ran, beyond what it had before it built the network, in
    bytes (None where the system does not say).
    """

    way: str
    title: str
    seconds: float
    spread: float
    ratio: float
    share: float
    memory: int | None


@dataclass(frozen=True)
class Benchmark:
    """A network on some images: rows, and `failed`, why others are not there.

    `rate` is the FLOP per second of a product of matrices, measured in the same turns, two a
    multiply-accumulate; `load` is the machine's load average before and after.
    """

    network: str
    images: int
    macs: int
    threads: int
    turns: int
    rate: float
    load: tuple[float, float]
    rows: tuple[Timed, ...]
    failed: Mapping[str, str] = field(default_factory=dict)


def ways_of(names: Sequence[str]) -> list[str]:
    """The ways that `--engines` names: `all`, or some."""
    if [*names] == ["all"]:
        return [*WAYS]
    for name in names:
        if name not in WAYS:
            raise UsageError(f"no engine {name}; {did_you_mean(name, [*WAYS, 'all'])}")
    return [*names]


def benchmark(
    graph: Graph, ways: Sequence[str], images: int, threads: int, turns: int
) -> Benchmark:
    """Runs a network in some ways, beside torchvision's own of its name, if there is one.

    The first of torchvision's, `eager` and those asked for that runs is the reference.
    """
    before = _load()
    job = {"images": images, "threads": threads, "limits": LIMITS}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        path = Path(folder) / "graph.json"
        path.write_text(graph.to_json(), encoding="utf-8")
        workers: dict[str, Worker] = {}
        failed: dict[str, str] = {}
        for way in (MATRIX, REFERENCE[0], *ways):
            worker = stack.enter_context(Worker({**job, "way": way, "graph": str(path)}))
            if worker.failed:
                failed[way] = worker.failed
            else:
                workers[way] = worker
        seconds = all_turns({way: partial(one.ask, "run") for way, one in workers.items()}, turns)
        memory = {way: worker.ask("memory") for way, worker in workers.items()}
        chosen = {way: worker.chosen for way, worker in workers.items()}
    macs = analyze(graph).total.macs
    rate = 2 * SIDE**3 / median(seconds.pop(MATRIX))
    reference = next(iter(seconds.values()), [])
    rows = [
        Timed(
            way,
            _title(way, chosen[way]),
            median(found),
            _spread(found),
            median([a / b for a, b in zip(reference, found, strict=True)]),
            2 * macs * images / median(found) / rate,
            memory[way],
        )
        for way, found in seconds.items()
    ]
    loads = (before, _load())
    return Benchmark(graph.name, images, macs, threads, turns, rate, loads, tuple(rows), failed)


def _title(way: str, chosen: str) -> str:
    if way == REFERENCE[0]:
        return REFERENCE[1]
    return f"{WAYS[way]}: {chosen}" if way == "best" else WAYS[way]


def _spread(seconds: list[float]) -> float:
    if len(seconds) < 2:
        return 0.0
    low, _, high = quantiles(seconds, n=4, method="inclusive")
    return (high - low) / median(seconds)


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


class Worker:
    """A process of `worker`: `failed` says why it has nothing to run, `chosen` what was chosen."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        threads = {name: str(job["threads"]) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed by `__exit__`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "archdsl.speed.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **threads},
        )
        try:
            answer = self.ask(json.dumps(job))
        except UsageError as error:
            answer = {"failed": str(error)}
        self.failed: str = answer.get("failed", "")
        self.chosen: str = answer.get("ready", "")

    def ask(self, line: str) -> Any:
        """The answer to a line; raises UsageError if the process has ended instead."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):  # what it said is below
            process.stdin.write(line + "\n")
            process.stdin.flush()
        answer = process.stdout.readline()
        if answer:
            return json.loads(answer)
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["it says nothing"]
        raise UsageError(f"the process has ended that ran it: {said[-1]}")

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        self._errors.close()
