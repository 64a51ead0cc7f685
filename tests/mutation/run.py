"""How many small changes of the code the tests catch: a sample, each run against tests that run it.

    python -m tests.mutation.run OUT --number 300 --seed 1 --junit FILE --longest 1

First all tests that take no longer than `--longest` seconds, as FILE of an earlier run says, are
run in a copy that says which of the changed expressions each runs. Then each mutant is run against
those that run it, the nearest and quickest first, and some that stand nearby; the first that fails
ends it. A test that fails without the change, too, counts for nothing. OUT keeps the copies, and a
line of JSON a mutant; it is gone on with. What survives is to be looked at: it may be the same
program, and then stands in `same.yaml` with the reason.
"""

import argparse
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from tests.mutation import forked
from tests.mutation.covered import READ_AS_TEXT, covering, instrument, long_tests, probe
from tests.mutation.mutations import Mutation, sample

STAGES = (4.0, 20.0)  # seconds of tests that are tried at once, before those that are left
NEARBY = 10.0  # seconds of tests that stand nearby, but were not seen to run it
FAR = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--longest", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=90.0, help="of tests for a mutant")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out.resolve()
    whole = copied(forked.ROOT, out / "whole")
    sites = sample(whole, arguments.number, arguments.seed)
    forked.prepare()
    if not (out / "probed").exists():
        instrument(copied(whole, out / "probed"), sites)
    probe(out, out / "probed", 1800, long_tests(arguments.junit, arguments.longest))
    Judge(out, sites, arguments.seconds).judge()


def copied(source: Path, target: Path) -> Path:
    """A copy of the project, made once."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "out")
    if not target.exists():
        shutil.copytree(source, target, ignore=ignored)
    return target


class Judge:
    """Tries mutants, and keeps what came of each."""

    def __init__(self, out: Path, sites: list[Mutation], most: float) -> None:
        self.out, self.sites, self.most = out, sites, most
        self.whole, self.spoiled = out / "whole", copied(out / "whole", out / "spoiled")
        self.tests, self.seconds = covering(out)
        self.outcomes = out / "outcomes.jsonl"
        self.sound: dict[str, bool] = {}  # whether a test passes without a change

    def judge(self) -> None:
        """Tries each mutant that has no line yet, and prints the shares."""
        done: dict[str, Any] = {record["mutant"]: record for record in records(self.outcomes)}
        for number, mutant in enumerate(self.sites):
            if str(mutant) not in done:
                record = {"mutant": str(mutant), **self.outcome(number, mutant)}
                with self.outcomes.open("a") as out:
                    out.write(json.dumps(record) + "\n")
                done[str(mutant)] = record
                print(record["outcome"], mutant, record["by"], record["tests"], flush=True)
        for outcome in ("caught", "survived", "undecided"):
            chosen = [record for record in done.values() if record["outcome"] == outcome]
            print(f"{outcome}: {len(chosen)} of {len(done)}")
            for record in chosen if outcome != "caught" else ():
                print(f"  {record['mutant']} ({record['tests']} tests)")

    def outcome(self, number: int, mutant: Mutation) -> dict[str, Any]:
        """`caught` and by which test, `survived`, or `undecided` where they take too long."""
        path = self.spoiled / mutant.path
        path.write_text(mutant.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
        os.utime(path, (number, number))  # a time of its own: what was compiled of another is old
        tried = 0
        try:
            selections, all_tried = self.selections(number, mutant)
            for tests in selections:
                tried += len(tests)
                while tests and (by := self.failed(tests)) is not None:
                    if "::" not in by and not by.startswith("tests"):
                        return {
                            "outcome": "caught" if by else "undecided",
                            "by": by,
                            "tests": tried,
                        }
                    if self.is_sound(by):
                        return {"outcome": "caught", "by": by, "tests": tried}
                    tests = [test for test in tests if not f"{test}::".startswith(f"{by}::")]
        finally:
            shutil.copy2(self.whole / mutant.path, path)
        return {"outcome": "survived" if all_tried else "undecided", "by": "", "tests": tried}

    def selections(self, number: int, mutant: Mutation) -> tuple[list[list[str]], bool]:
        """The tests to run, in parts: those that run it, then some that stand nearby.

        With it, whether they are all that run it.
        """
        running = {*self.tests[number]}
        if mutant.at_import or not running:
            running |= {*self.tests[mutant.path]}
        order = sorted(running, key=lambda test: self.cost(test, mutant))
        budget = self.most if mutant.path in READ_AS_TEXT else NEARBY
        for test in sorted({*self.seconds} - running, key=lambda test: self.cost(test, mutant)):
            budget -= self.seconds[test] + 0.02
            if budget < 0 or self.cost(test, mutant)[0] == FAR:
                break
            order.append(test)
        done = 0.0
        parts: list[list[str]] = [[] for _ in range(len(STAGES) + 1)]
        for test in order:
            if done > self.most:
                break
            done += self.seconds[test] + 0.01
            parts[sum(done > stage for stage in STAGES)].append(test)
        return [part for part in parts if part], sum(map(len, parts)) >= len(running)

    def cost(self, test: str, mutant: Mutation) -> tuple[int, float]:
        """How far from the mutant a test stands, and how long it takes."""
        path = Path(mutant.path)
        near = Path("tests", *path.parts[1:-1])
        file = Path(test.partition("::")[0])
        if file == near / f"test_{path.stem}.py":
            return 0, self.seconds[test]
        return (1 if near != Path("tests") and near in file.parents else FAR), self.seconds[test]

    def failed(self, tests: list[str]) -> str | None:
        """The first of the tests that fails, or how it ended; "" where that is not known."""
        out = self.out / "run.jsonl"
        out.unlink(missing_ok=True)
        cpu = int(sum(self.seconds[test] for test in tests) * 5) + 60
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        status = forked.run(self.spoiled, files, out, order=tests, cpu=cpu, wall=10 * cpu)
        if status is None:
            return ""
        if status < 0:
            return "time" if status in (-signal.SIGXCPU, -signal.SIGKILL) else f"signal {-status}"
        wrong: list[str] = [record["test"] for record in records(out) if record["failed"]]
        if wrong:
            return wrong[0]
        return None if status in (0, 5) else files[0]

    def is_sound(self, test: str) -> bool:
        """Whether a test passes without the change."""
        if test not in self.sound:
            out = self.out / "sound.jsonl"
            out.unlink(missing_ok=True)
            order = [test] if "::" in test else None
            file = test.partition("::")[0]
            status = forked.run(self.whole, [file], out, order=order, cpu=300, wall=1500)
            self.sound[test] = status == 0
        return self.sound[test]


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


if __name__ == "__main__":
    main()
