"""How many small changes of the code the tests catch: a sample, each run against tests nearby.

    python -m tests.mutation.run OUT --number 60 --seed 1 --processes 1

A mutant is run against the file of tests that is called like its own, then the folder of its
package, then `WIDER`, then all; the first test that fails ends it. With `--near 60` it is run
against the first two, for so many seconds each: what these do not catch, others may. OUT gets a
line of JSON a mutant, and is gone on with. What survives is to be looked at: it may be the same
program.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutations import Mutation, sample

ROOT = Path(__file__).parents[2]
WIDER = ["tests/test_random_specs.py", "tests/api", "tests/cli", "tests/gallery"]
SECONDS = 3600  # tests that run longer have caught it: all take a third in one process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--near", type=int, metavar="SECONDS")
    judge(parser.parse_args())


def judge(arguments: argparse.Namespace) -> None:
    """Runs every mutant that OUT has no line for, and prints the shares."""
    done = {record["mutant"]: record for record in records(arguments.out)}
    todo = [
        mutation
        for mutation in sample(ROOT, arguments.number, arguments.seed)
        if str(mutation) not in done
    ]
    copies = [copy() for _ in range(arguments.processes)]
    with ThreadPoolExecutor(arguments.processes) as pool, arguments.out.open("a") as out:
        for record in pool.map(lambda one: outcome(one, copies, arguments.near), todo):
            out.write(json.dumps(record) + "\n")
            out.flush()
            done[record["mutant"]] = record
            print(record["outcome"], record["mutant"], flush=True)
    survived = [record for record in done.values() if record["outcome"] == "survived"]
    caught = sum(record["outcome"] == "caught" for record in done.values())
    print(f"{caught} of {len(done)} caught; {len(survived)} survived:")
    for record in survived:
        print(f"  {record['mutant']}")


def records(out: Path) -> Iterable[dict[str, str]]:
    return map(json.loads, out.read_text().splitlines()) if out.exists() else ()


def selections(mutation: Mutation, near: bool) -> Iterator[list[str]]:
    """The tests to run, nearest first, or only those."""
    path = Path(mutation.path)
    folder = Path("tests", *path.parts[1:-1])
    while not (ROOT / folder).is_dir():
        folder = folder.parent
    own = folder / f"test_{path.stem}.py"
    if (ROOT / own).exists():
        yield [str(own)]
    if folder != Path("tests"):
        yield [str(folder)]
    if not near:
        yield WIDER
        yield ["tests"]


def copy() -> Path:
    """A copy of the project to spoil."""
    target = Path(tempfile.mkdtemp()) / "project"
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "out")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def outcome(mutation: Mutation, copies: list[Path], near: int | None = None) -> dict[str, str]:
    """`caught` or `survived`, and by which test; `undecided` where the nearest take too long."""
    root = copies.pop()
    path = root / mutation.path
    whole = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutation.applied(whole), encoding="utf-8")
        tried = selections(mutation, near is not None)
        caught = next((by for tests in tried if (by := failed(root, tests, near or SECONDS))), "")
        result = "caught" if caught else "survived"
    except subprocess.TimeoutExpired:
        caught, result = "", "undecided"
    finally:
        path.write_text(whole, encoding="utf-8")
        copies.append(root)
    return {"mutant": str(mutation), "outcome": result, "by": caught}


def failed(root: Path, tests: list[str], seconds: int) -> str:
    """The first of the tests that fails, or nothing."""
    call = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "PYTHONPATH": str(root)}  # programs that tests start are spoiled, too
    try:
        done = subprocess.run(
            call, cwd=root, env=env, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        if seconds < SECONDS:
            raise
        return "time"
    if done.returncode in (0, 5):
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0][:200] if lines else f"status {done.returncode}"


if __name__ == "__main__":
    main()
