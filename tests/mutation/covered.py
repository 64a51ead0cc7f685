"""Which tests run the expression that a mutant changes: a run of all in a copy that says so."""

import ast
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.mutation.forked import HITS, run
from tests.mutation.mutations import Mutation

READ_AS_TEXT = ["archdsl/pytorch/prelude.py"]  # what is added to it would be in the source we write
TELLS = """import atexit, builtins, json, os

hits = set()
builtins._hit = hits.add


@atexit.register
def tell():
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    with open(os.environ["ARCHDSL_HITS"], "a") as file:
        file.write(json.dumps({"test": test, "seconds": 0, "hits": sorted(hits, key=str)}) + "\\n")
"""


def instrument(root: Path, sites: Sequence[Mutation]) -> None:
    """Makes a copy say which of the expressions it runs, and the functions of which of the files.

    `_hit` is in the builtins: of the run of tests, and of programs that these start.
    """
    by_path: dict[str, list[tuple[int, Mutation]]] = defaultdict(list)
    for number, site in enumerate(sites):
        if site.path not in READ_AS_TEXT:
            by_path[site.path].append((number, site))
    for name, numbered in by_path.items():
        (root / name).write_bytes(told((root / name).read_bytes(), name, numbered))
    (root / "sitecustomize.py").write_text(TELLS)


def told(raw: bytes, name: str, sites: Sequence[tuple[int, Mutation]]) -> bytes:
    """The text of a file, in which each of the sites says its number, and functions their file."""
    order = count()
    added = [
        (offset, next(order), f"{space}_hit({name!r})\n".encode()) for offset, space in bodies(raw)
    ]
    for number, site in sorted(sites, key=lambda one: (one[1].start, -one[1].end)):
        added.append((site.start, next(order), f"(_hit({number}) or (".encode()))
    for _, site in sorted(sites, key=lambda one: (one[1].end, -one[1].start)):
        added.append((site.end, -1, b"))"))
    for offset, _, text in sorted(added, key=lambda one: one[:2], reverse=True):
        raw = raw[:offset] + text + raw[offset:]
    return raw


def bodies(raw: bytes) -> Iterator[tuple[int, str]]:
    """Where the bodies of functions begin, behind their docstrings, with the space before them."""
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(ast.parse(raw)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            if len(node.body) > documented and node.body[documented].lineno > node.lineno:
                first = node.body[documented]
                decorators = getattr(first, "decorator_list", [])
                line = min(part.lineno for part in (first, *decorators))
                yield starts[line - 1], " " * first.col_offset


def probe(out: Path, root: Path, wall: int, without: Collection[Any]) -> None:
    """Runs all tests of the copy, a folder at a time, and goes on with what was begun."""
    os.environ[HITS] = str(out / "started.jsonl")
    done = out / "probed.txt"
    groups = sorted(
        str(path.relative_to(root))
        for path in (root / "tests").iterdir()
        if (path.is_dir() and any(path.rglob("test_*.py"))) or path.name.startswith("test_")
    )
    for group in groups:
        if not done.exists() or group not in done.read_text().split():
            status = run(
                root,
                [group],
                out / "tests.jsonl",
                without=without,
                first=False,
                cpu=wall,
                wall=wall,
            )
            print(group, status, flush=True)
            with done.open("a") as file:
                file.write(group + "\n")
    del os.environ[HITS]


def long_tests(junit: Path | None, longest: float) -> set[tuple[str, str]]:
    """The tests that took longer, as junit names them."""
    if junit is None:
        return set()
    cases = ElementTree.parse(junit).getroot().iter("testcase")
    return {
        (case.get("classname", ""), case.get("name", ""))
        for case in cases
        if float(case.get("time", 0)) > longest
    }


def covering(out: Path) -> tuple[dict[int | str, list[str]], dict[str, float]]:
    """The tests that run each site or a function of each file, and the seconds that they take."""
    tests: dict[int | str, list[str]] = defaultdict(list)
    seconds: dict[str, float] = {}
    for path in (out / "tests.jsonl", out / "started.jsonl"):
        for line in path.read_text().splitlines() if path.exists() else ():
            record = json.loads(line)
            if not record["test"]:
                continue  # while tests were collected
            seconds[record["test"]] = max(seconds.get(record["test"], 0), record["seconds"])
            for hit in record["hits"]:
                if record["test"] not in tests[hit]:
                    tests[hit].append(record["test"])
    return tests, seconds
