"""How many small changes of the code the tests catch: a sample, each run against tests that run it.

    python -m tests.mutation.run OUT --number 300 --seed 1 --junit FILE --longest 0.06 0.3

First the tests that take no longer than 0.06 seconds, as FILE of an earlier run says, are run in a
copy that says which of the changed expressions each runs. Then each mutant is run against those
that run it, the nearest and quickest first, and some that stand nearby; the first that fails ends
it. What is not caught is tried in the same way with those of up to 0.3 seconds, and, if it runs
when its file is imported, in a process of its own. A test that fails without the change, too,
counts for nothing. OUT keeps the copies, and a line of JSON a mutant; it is gone on with. What
survives is to be looked at: it may be the same program, and then stands in `same.txt` with the
reason.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from tests.mutation.mutations import sample
from tests.mutation.switched import switch

ROOT = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--longest", type=float, nargs="+", default=[0.06, 0.3])
    parser.add_argument("--seconds", type=float, default=40.0, help="of tests for a mutant")
    settings = vars(parser.parse_args())
    out = settings.pop("out").resolve()
    settings["junit"] = str(settings["junit"].resolve()) if settings["junit"] else ""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "switched").exists():
        for name in ("whole", "spoiled", "switched"):
            copy(ROOT, out / name)
        switch(out / "switched", sample(out / "whole", settings["number"], settings["seed"]))
    os.chdir(out / "switched")
    environment = {**os.environ, "PYTHONPATH": str(out / "switched"), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "tests.mutation.campaign", str(out), json.dumps(settings)]
    os.execve(sys.executable, call, environment)


def copy(source: Path, target: Path) -> None:
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "out")
    shutil.copytree(source, target, ignore=ignored)


if __name__ == "__main__":
    main()
