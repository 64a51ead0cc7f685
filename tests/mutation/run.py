"""How many small changes of the code the tests catch: a sample, each run against the suite.

    python -m tests.mutation.run map COVERED               which tests run which lines; an hour
    python -m tests.mutation.run sample COVERED OUT --number 300 --seed 1 --processes 2

Needs `pip install -e '.[mutation]'`. A mutant is run against every test that runs its line, those
of its own package first, then against the whole folder of tests of that package (for what programs
of their own run, which is not in the map). OUT gets a line of JSON a mutant, and is gone on with.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutations import Mutation, sample

ROOT = Path(__file__).parents[2]
SETTINGS = "[run]\nsource = archdsl\ndynamic_context = test_function\n"
CHUNK = 200  # tests a call, so that what catches early ends early
SECONDS = 1200  # a mutant that runs longer is caught


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    mapping = commands.add_parser("map")
    mapping.add_argument("covered", type=Path)
    sampling = commands.add_parser("sample")
    sampling.add_argument("covered", type=Path)
    sampling.add_argument("out", type=Path)
    sampling.add_argument("--number", type=int, default=300)
    sampling.add_argument("--seed", type=int, default=1)
    sampling.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.command == "map":
        cover(arguments.covered)
    else:
        judge(arguments)


def cover(target: Path) -> None:
    """Runs the suite once in one process and keeps which test ran which line."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "coveragerc"
        settings.write_text(SETTINGS, encoding="utf-8")
        run = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}"]
        data = f"--data-file={target.absolute()}"
        subprocess.run([*run, data, "-m", "pytest", "-n", "0"], cwd=ROOT, check=False)


def judge(arguments: argparse.Namespace) -> None:
    """Runs every mutant that OUT has no line for, and prints the shares."""
    tests = Covering(arguments.covered)
    done = {record["mutant"]: record for record in records(arguments.out)}
    todo = [
        mutation
        for mutation in sample(ROOT, arguments.number, arguments.seed)
        if str(mutation) not in done
    ]
    copies = [copy() for _ in range(arguments.processes)]
    with ThreadPoolExecutor(arguments.processes) as pool, arguments.out.open("a") as out:
        for record in pool.map(lambda mutation: outcome(mutation, tests, copies), todo):
            out.write(json.dumps(record) + "\n")
            out.flush()
            done[record["mutant"]] = record
            print(record["outcome"], record["mutant"], flush=True)
    survived = [record for record in done.values() if record["outcome"] == "survived"]
    print(f"{len(done) - len(survived)} of {len(done)} caught; {len(survived)} survived:")
    for record in survived:
        print(f"  {record['mutant']}")


def records(out: Path) -> Iterable[dict[str, str]]:
    return map(json.loads, out.read_text().splitlines()) if out.exists() else ()


class Covering:
    """Which tests run a line, from the data of one run of the suite."""

    def __init__(self, covered: Path) -> None:
        from coverage import CoverageData

        self.data = CoverageData(basename=str(covered))
        self.data.read()
        self.files = {
            str(Path(file).relative_to(ROOT)): file for file in self.data.measured_files()
        }

    def of(self, mutation: Mutation) -> list[str]:
        """Functions of tests, `tests/figures/test_figures.py::test_x`, those nearby first."""
        lines = self.data.contexts_by_lineno(self.files.get(mutation.path, ""))
        contexts = {context for context in lines.get(mutation.line, ()) if context}
        return sorted(
            {node_id(context) for context in contexts},
            key=lambda id: (not id.startswith(near(mutation)), id),
        )


def node_id(context: str) -> str:
    """`tests.figures.test_figures.test_x` as pytest names it."""
    module, _, function = context.rpartition(".")
    return f"{module.replace('.', '/')}.py::{function}"


def near(mutation: Mutation) -> str:
    """The folder of tests of a file's package."""
    package = mutation.path.split("/")[1].removesuffix(".py")
    return f"tests/{package}" if (ROOT / "tests" / package).is_dir() else "tests"


def copy() -> Path:
    """A copy of the project to spoil."""
    target = Path(tempfile.mkdtemp()) / "project"
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "out")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def outcome(mutation: Mutation, tests: Covering, copies: list[Path]) -> dict[str, str]:
    """`caught` or `survived`, and by which test."""
    root = copies.pop()
    path = root / mutation.path
    whole = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutation.applied(whole), encoding="utf-8")
        ids = tests.of(mutation)
        calls = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
        caught = next((by for call in [*calls, [near(mutation)]] if (by := failed(root, call))), "")
    finally:
        path.write_text(whole, encoding="utf-8")
        copies.append(root)
    return {
        "mutant": str(mutation), "outcome": "caught" if caught else "survived", "by": caught,
    }  # fmt: skip


def failed(root: Path, tests: list[str]) -> str:
    """The first of the tests that fails, or nothing."""
    call = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "PYTHONPATH": str(root)}  # programs that tests start are spoiled, too
    try:
        done = subprocess.run(
            call, cwd=root, env=env, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return "time"
    if done.returncode in (0, 5):
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0][:200] if lines else f"status {done.returncode}"


if __name__ == "__main__":
    main()
