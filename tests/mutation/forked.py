"""Runs of tests in a process that is forked from one that has imported what is dear and not ours.

Python, PyTorch and pytest are started once for all runs; the package and its tests are imported
anew in each, from the copy of the project that is to be tested.
"""

import builtins
import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEAR = [
    "torch", "torchvision", "_hypothesis_pytestplugin", "hypothesis", "networkx", "pydantic",
    "click", "click.testing", "yaml", "ruamel.yaml", "rich.console", "rich.table", "PIL.Image",
    "reportlab.pdfgen.canvas", "graphviz", "jsonschema", "numpy", "resvg_py", "pypdf",
    "safetensors.torch", "matplotlib.pyplot", "pypdfium2", "pptx", "filelock", "xdist.plugin",
]  # fmt: skip
OPTIONS = [
    "-q", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning",
]  # fmt: skip
MEMORY = 12 * 2**30  # bytes of addresses: a mutant that makes ever more ends by an error
HITS = "ARCHDSL_HITS"  # the file in which programs that tests start write what they ran


class Tests:
    """Keeps and orders the tests of a run, and writes a line of JSON for each."""

    def __init__(self, out: Path, order: Sequence[str] | None, without: Collection[Any]) -> None:
        self.out, self.without = out.open("a"), set(without)
        self.order = None if order is None else {test: i for i, test in enumerate(order)}
        self.hits: set[Any] = set()
        self.seconds, self.failed = 0.0, False
        vars(builtins)["_hit"] = self.hits.add  # of a copy that says what it runs

    def write(self, test: str) -> None:
        hits = sorted(self.hits, key=str)
        seconds = round(self.seconds, 3)
        record = {"test": test, "seconds": seconds, "failed": self.failed, "hits": hits}
        self.out.write(json.dumps(record) + "\n")
        self.out.flush()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if named(item.nodeid) not in self.without]
        if (order := self.order) is not None:
            items[:] = [item for item in items if item.nodeid in order]
            items.sort(key=lambda item: order[item.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = True
            self.write(report.nodeid)

    def pytest_runtest_logstart(self) -> None:
        self.hits.clear()
        self.seconds, self.failed = 0.0, False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds += report.duration
        self.failed |= report.failed

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.write(nodeid)
        self.hits.clear()


def named(nodeid: str) -> tuple[str, str]:
    """A test as a file of junit names it."""
    path, _, name = nodeid.partition("::")
    return path.removesuffix(".py").replace("/", "."), name


def prepare() -> None:
    """Imports what is dear."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # a process with threads cannot be forked
    for name in DEAR:
        importlib.import_module(name)


def run(
    root: Path,
    tests: Sequence[str],
    out: Path,
    *,
    order: Sequence[str] | None = None,
    without: Collection[Any] = (),
    first: bool = True,
    cpu: int,
    wall: int,
) -> int | None:
    """The status of pytest in a copy of the project; below 0 a signal; None after `wall` seconds.

    It is given `cpu` seconds of its processor, after which it ends by SIGXCPU. With `first` it ends
    at the first test that fails.
    """
    process = os.fork()
    if process == 0:
        status = 70
        try:
            arguments = [*OPTIONS, *(["-x"] if first else []), *tests]
            _enter(root, out.with_suffix(".log"), cpu)
            status = int(pytest.main(arguments, plugins=[Tests(out, order, without)]))
        finally:
            sys.stdout.flush()
            os._exit(status)
    end = time.monotonic() + wall
    ended, status = 0, 0
    while not ended and time.monotonic() < end:
        time.sleep(0.05)
        ended, status = os.waitpid(process, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # and what it started
    if not ended:
        os.waitpid(process, 0)
        return None
    return os.waitstatus_to_exitcode(status)


def _enter(root: Path, log: Path, cpu: int) -> None:
    """Makes the process one that stands in the copy, and has nothing of ours imported."""
    os.setpgid(0, 0)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("archdsl", "tests"):
            del sys.modules[name]
    sys.path[:] = [str(root), *(path for path in sys.path if path not in ("", str(ROOT)))]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    os.environ["PYTHONPATH"] = str(root)  # for programs that tests start
    os.chdir(root)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
