"""A copy of the package that holds all mutants of a sample at once, each behind a switch."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from tests.mutation.mutations import Mutation

READ_AS_TEXT = ["archdsl/pytorch/prelude.py"]  # a switch in it would be in the source we write
SWITCH = '''"""Which mutant is switched on, and what was run; of programs that tests start, too."""

import atexit
import builtins
import json
import os

ON, HITS = "ARCHDSL_MUTANT", "ARCHDSL_HITS"


class Switch:
    def __init__(self):
        self.on, self.hits = None, set()

    def __call__(self, number):
        self.hits.add(number)
        return number == self.on


switch = builtins._mutant = Switch()
if ON in os.environ:
    switch.on = int(os.environ[ON])


@atexit.register
def tell():
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    if test and HITS in os.environ:
        with open(os.environ[HITS], "a") as file:
            record = {"test": test, "seconds": 0, "hits": sorted(switch.hits, key=str)}
            file.write(json.dumps(record) + "\\n")
'''


def switch(root: Path, sites: Sequence[Mutation]) -> None:
    """Puts each of the mutants behind its number, and each function of their files says its file.

    What runs when its file is imported has no switch, and needs a process of its own.
    """
    by_path: dict[str, list[tuple[int, Mutation]]] = defaultdict(list)
    for number, site in enumerate(sites):
        if site.path not in READ_AS_TEXT:
            by_path[site.path] += [] if site.at_import else [(number, site)]
    for name, numbered in by_path.items():
        (root / name).write_bytes(switched((root / name).read_bytes(), name, numbered))
    (root / "sitecustomize.py").write_text(SWITCH)


def switched(raw: bytes, name: str, sites: Sequence[tuple[int, Mutation]]) -> bytes:
    """The text of a file with its mutants."""
    order = count()
    added = [
        (offset, next(order), f"{space}_mutant({name!r})\n".encode())
        for offset, space in bodies(raw)
    ]
    for number, site in sorted(sites, key=lambda one: (one[1].start, -one[1].end)):
        text = f"({site.after} if _mutant({number}) else ("
        added.append((site.start, next(order), text.encode()))
    for _, site in sorted(sites, key=lambda one: (one[1].end, -one[1].start)):
        added.append((site.end, -1, b"))"))
    for offset, _, inserted in sorted(added, key=lambda one: one[:2], reverse=True):
        raw = raw[:offset] + inserted + raw[offset:]
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
