"""Random very large specs through every command that needs no PyTorch: how long, how much memory.

    python -m tests.fuzz.large --number 50 --most 30000 --seed 1

A spec is one of `tests/hostile/shapes.py` with a random number of things, some many levels deep.
Every command runs in a process of its own. Prints the slowest and the largest.
"""

import argparse
import gc
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from resource import RLIMIT_CPU, setrlimit
from typing import NamedTuple

import archdsl
from archdsl.cli.main import YOUNG, run
from archdsl.pytorch.source import emit
from tests.hostile.shapes import SHAPES

SHOWN = 5
LONGEST = 60  # seconds, at which a command is stopped
COLUMNS = "parameters,macs,depth,memory,saved,training,field,moved,intensity"


class Took(NamedTuple):
    """What a command took: seconds of a processor, megabytes at most."""

    seconds: float
    megabytes: float
    what: str


def spec(source: random.Random, most: int) -> tuple[str, str]:
    """A random large spec, and what it has many of."""
    shape, number = source.choice(sorted(SHAPES)), source.randint(most // 4, most)
    text = SHAPES[shape](number)
    key, _, value = text.rpartition("backbone: [")
    if key and source.random() < 0.3:  # the same inside of several levels
        depth = source.randint(1, 20)
        text = f"{key}backbone: {'[' * depth}[{value.rstrip()}{']' * depth}\n"
    return text, f"{number:,} {shape}"


def commands(path: Path, other: Path) -> dict[str, Callable[[], int]]:
    """What is done with a spec, each giving its exit status."""

    def emitted() -> int:
        reading = archdsl.api.reading.read(path)
        return 1 if reading.graph is None else int(not emit(reading.graph))

    return {
        "check": lambda: run(["check", "--pedantic", str(path)]),
        "summary": lambda: run(["summary", str(path), "--depth", "3", "--show", COLUMNS]),
        "diff": lambda: run(["diff", str(path), str(other)]),
        "fmt": lambda: run(["fmt", "--check", str(path)]),
        "emit": emitted,
    }


def took(do: Callable[[], int], what: str) -> Took:
    """Runs a command in a child; raises AssertionError if it ends in anything but a status."""
    child = os.fork()
    if not child:
        gc.set_threshold(YOUNG)  # as the program does
        setrlimit(RLIMIT_CPU, (LONGEST, LONGEST))
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        try:
            os._exit(do())
        except BaseException:
            traceback.print_exc()
            os._exit(70)
    _, status, used = os.wait4(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, 1, -signal.SIGXCPU, -signal.SIGKILL), f"{what}: status {ended}"
    return Took(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, what)


def measured(seed: int, number: int, most: int) -> list[Took]:
    """What every command took for every one of some random specs."""
    source, found = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(number):
            path, other = Path(folder, f"a{n}.yaml"), Path(folder, f"b{n}.yaml")
            text, what = spec(source, most)
            path.write_text(text)
            other.write_text(spec(source, most)[0])
            for name, do in commands(path, other).items():
                found.append(took(do, f"{name} of {what}, number {n}"))
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--number", type=int, default=20)
    options.add_argument("--most", type=int, default=30_000)
    given = options.parse_args()
    found = measured(given.seed, given.number, given.most)
    for key, heading in ((0, "the slowest"), (1, "the largest")):
        sys.stdout.write(f"{heading} of {len(found)}\n")
        for one in sorted(found, key=lambda took: took[key], reverse=True)[:SHOWN]:
            sys.stdout.write(f"  {one.seconds:6.1f} s {one.megabytes:6.0f} MB  {one.what}\n")


if __name__ == "__main__":
    main()
