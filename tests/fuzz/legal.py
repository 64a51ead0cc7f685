"""Compiles random legal specs, by number: `python -m tests.fuzz.legal --until 10000 OUT`.

Each is read, emitted, held to the list of what source may hold, built on the meta device and its
modules' settings and calls are compared with the graph's. OUT gets a line a spec: its number and a
digest of its source, or what went wrong. It is gone on with where it was stopped. Two runs under
other values of PYTHONHASHSEED must write the same file: `cmp A B`.
"""

import argparse
import hashlib
import linecache
import sys
import time
import warnings
from pathlib import Path

import torch
import yaml

import archdsl
from tests.random_specs import spec

SIZES = 6


def judged(number: int) -> str:
    """The digest of the source of a spec, or what is wrong with it."""
    document, _ = spec(number, 1 + number % SIZES)
    try:
        graph = archdsl.loads(yaml.safe_dump(document, sort_keys=False))
        source = archdsl.emit(graph)  # and proved to be the graph
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace("\n", " ")
    finally:
        forget()
    return hashlib.sha256(source.encode()).hexdigest()


def forget() -> None:
    """Lets go of the sources that were run, of which there are very many here."""
    for name in [name for name in sys.modules if name.startswith("archdsl_compiled.")]:
        linecache.cache.pop(str(sys.modules.pop(name).__file__), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--until", type=int, default=10_000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    done = len(arguments.out.read_text().splitlines()) if arguments.out.exists() else 0
    start, slowest, failed = time.perf_counter(), (0.0, 0), 0
    with arguments.out.open("a") as out:
        for number in range(done, arguments.until):
            before = time.perf_counter()
            result = judged(number)
            slowest = max(slowest, (time.perf_counter() - before, number))
            if " " in result:
                failed += 1
                print(number, result, flush=True)
            out.write(f"{number} {result}\n")
            out.flush()
    seconds = time.perf_counter() - start
    print(f"{arguments.until - done} specs in {seconds:.0f} s, {failed} failed")
    print(f"slowest: {slowest[0]:.2f} s, number {slowest[1]}")


if __name__ == "__main__":
    main()
