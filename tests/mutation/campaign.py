"""Tries mutants in processes that are forked from one which has collected all tests.

It is run by `run` in a copy of the project that holds all mutants, each behind a switch: first all
tests without a mutant, to see which of them run what; then each mutant against those.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.mutation.mutations import Mutation, sample
from tests.mutation.switched import READ_AS_TEXT

OPTIONS = ["-q", "-s", "-n", "0", "-p", "no:cacheprovider"]
MEMORY = 16 * 2**30  # bytes of addresses: a mutant that makes ever more ends by an error
NEARBY = 8.0  # seconds of tests that stand nearby, but were not seen to run it
ALONE = 15.0  # of tests in a process of its own, for what the switches may not reach
FAR = 2
ALL = 1e9


class Campaign:
    """A loop of tests that is a loop of mutants."""

    def __init__(
        self,
        out: Path,
        sites: list[Mutation],
        known: dict[tuple[str, str], float],
        settings: dict[str, Any],
    ):
        import sitecustomize

        self.switch: Any = sitecustomize.switch
        self.out, self.sites, self.known = out, sites, known
        self.tiers, self.most = settings["longest"], settings["seconds"]
        self.found, self.outcomes = out / "tests.jsonl", out / "outcomes.jsonl"
        self.items: dict[str, pytest.Item] = {}
        self.tests: dict[int | str, list[str]] = defaultdict(list)  # that run a site or a file
        self.seconds: dict[str, float] = {}
        self.sound: dict[str, bool] = {}  # whether a test passes without a change
        self.early: set[int | str] = set()  # what ran while tests were collected
        self.failed, self.took = False, 0.0

    # what pytest calls

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self.takes(item.nodeid) <= max(self.tiers)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.early = {*self.switch.hits}
        print(len(self.items), "tests", flush=True)
        for longest in self.tiers:
            self.probe(longest)
            self.judge(longest)
        self.judge(ALL)
        return True

    def takes(self, test: str) -> float:
        """The seconds that a test took in an earlier run."""
        return self.known.get(named(test), 0.0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed
        self.took += report.duration

    # processes

    def run(self, tests: Sequence[str], out: Path, on: int | None, cpu: int) -> int | None:
        """Runs tests in a process with a mutant: 1 if one fails, below 0 a signal, None if stuck.

        Without a mutant all are run. A line of `out` says what came of each.
        """
        process = os.fork()
        if process == 0:
            try:
                self.enter(out.with_suffix(".log"), on, cpu)
                os._exit(self.run_here(tests, out, on))
            finally:
                os._exit(70)
        end = time.monotonic() + 20 * cpu
        ended, status = 0, 0
        while not ended and time.monotonic() < end:
            time.sleep(0.02)
            ended, status = os.waitpid(process, os.WNOHANG)
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)  # and what it started
        if not ended:
            os.waitpid(process, 0)
            return None
        return os.waitstatus_to_exitcode(status)

    def enter(self, log: Path, on: int | None, cpu: int) -> None:
        os.setpgid(0, 0)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        self.switch.on = on
        if on is not None:
            os.environ["ARCHDSL_MUTANT"] = str(on)
        else:
            os.environ["ARCHDSL_HITS"] = str(self.out / "started.jsonl")

    def run_here(self, tests: Sequence[str], out: Path, on: int | None) -> int:
        with out.open("a") as file:
            for test, following in zip_longest(tests, tests[1:]):
                self.failed, self.took = False, 0.0
                self.switch.hits.clear()
                item = self.items[test]
                then = self.items.get(following) if following else None
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
                hits = sorted(self.switch.hits, key=str) if on is None else []
                record = {"test": test, "seconds": round(self.took, 3), "failed": self.failed}
                file.write(json.dumps({**record, "hits": hits}) + "\n")
                file.flush()
                if self.failed and on is not None:
                    return 1
        return 0

    # which tests run what

    def probe(self, longest: float) -> None:
        """Runs tests without a mutant that were not yet, a folder in a process."""
        done = {record["test"] for record in records(self.found)}
        groups: dict[str, list[str]] = defaultdict(list)
        for test in self.items:
            if test not in done and self.takes(test) <= longest:
                groups["/".join(test.split("/")[:2]).partition("::")[0]].append(test)
        for group, tests in groups.items():
            print(group, len(tests), self.run(tests, self.found, None, 1200), flush=True)
        self.tests.clear()
        for record in (*records(self.found), *records(self.out / "started.jsonl")):
            test = record["test"]
            if test in self.items:
                self.seconds[test] = max(self.seconds.get(test, 0), record["seconds"])
                if record.get("failed"):
                    self.sound[test] = False
                for hit in record["hits"]:
                    self.tests[hit].append(test)

    # mutants

    def judge(self, longest: float) -> None:
        """Tries each mutant that is not caught yet, nor tried so far, and prints the shares."""
        done: dict[str, Any] = {record["mutant"]: record for record in records(self.outcomes)}
        for number, mutant in enumerate(self.sites):
            before = done.get(str(mutant))
            if before is None or (before["outcome"] == "survived" and before["longest"] < longest):
                result = self.outcome(number, mutant, longest == ALL)
                record = {"mutant": str(mutant), "number": number, "longest": longest, **result}
                with self.outcomes.open("a") as out:
                    out.write(json.dumps(record) + "\n")
                done[str(mutant)] = record
                print(record["outcome"], mutant, record["by"], record["tests"], flush=True)
        for outcome in ("caught", "survived"):
            chosen = [record for record in done.values() if record["outcome"] == outcome]
            print(f"{outcome}: {len(chosen)} of {len(done)}")
            for record in chosen if outcome == "survived" else ():
                print(f"  {record['mutant']} ({record['tests']} tests)")

    def outcome(self, number: int, mutant: Mutation, last: bool) -> dict[str, Any]:
        """`caught` and by which test, or `survived`; in the end in a process of its own."""
        no_switch = mutant.at_import or mutant.path in READ_AS_TEXT
        selection = self.selection(number, mutant)
        by = ""
        if last and (no_switch or {number, mutant.path} & self.early):
            by = self.failed_alone(mutant, selection)
        elif not last and not no_switch:
            by = self.first_failed(number, selection)
        outcome = "caught" if by else "survived"
        return {"outcome": outcome, "by": by, "tests": len(selection)}

    def selection(self, number: int, mutant: Mutation) -> list[str]:
        """The tests to run: those that run it, nearest and quickest first, and some nearby."""
        running = {*self.tests[number]}
        if mutant.at_import or not running:
            running |= {*self.tests[mutant.path]}
        chosen = list(self.within(running, mutant, self.most))
        near = {test for test in self.seconds if self.cost(test, mutant)[0] < FAR} - running
        return [*chosen, *self.within(near, mutant, NEARBY)]

    def within(self, tests: set[str], mutant: Mutation, budget: float) -> Iterator[str]:
        for test in sorted(tests, key=lambda test: (*self.cost(test, mutant), test)):
            if not self.sound.get(test, True):
                continue
            budget -= self.seconds[test] + 0.005
            if budget < 0:
                return
            yield test

    def cost(self, test: str, mutant: Mutation) -> tuple[int, float]:
        """How far from the mutant a test stands, and how long it takes."""
        path = Path(mutant.path)
        near = Path("tests", *path.parts[1:-1])
        file = Path(test.partition("::")[0])
        if file == near / f"test_{path.stem}.py":
            return 0, self.seconds[test]
        return (1 if near != Path("tests") and near in file.parents else FAR), self.seconds[test]

    def first_failed(self, number: int, tests: list[str]) -> str:
        """The first of the tests that fails with the mutant, or how they end; "" if all pass."""
        out = self.out / "run.jsonl"
        while tests:
            out.unlink(missing_ok=True)
            cpu = int(sum(self.seconds[test] for test in tests) * 4) + 60
            status = self.run(tests, out, number, cpu)
            if status in (None, -signal.SIGXCPU, -signal.SIGKILL):
                return "time"
            if status == 0:
                return ""
            done = records(out)
            test = done[-1]["test"] if status == 1 else tests[len(done)]
            if self.is_sound(test):
                return test if status == 1 else f"{test} ends by {status}"
            tests = tests[tests.index(test) + 1 :]
        return ""

    def is_sound(self, test: str) -> bool:
        """Whether a test passes without the change, alone."""
        if test not in self.sound:
            out = self.out / "sound.jsonl"
            out.unlink(missing_ok=True)
            self.run([test], out, None, 300)
            self.sound[test] = not any(record["failed"] for record in records(out))
        return self.sound[test]

    def failed_alone(self, mutant: Mutation, tests: list[str]) -> str:
        """The first of the tests that fails in a copy with this mutant alone, imported anew."""
        root, whole = self.out / "spoiled", self.out / "whole"
        path = root / mutant.path
        try:
            path.write_text(mutant.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
            budget = ALONE
            chosen = []
            for test in tests:
                budget -= self.seconds[test] + 0.02
                if budget > 0:
                    chosen.append(test)
            return failed_unless(whole, root, chosen)
        finally:
            shutil.copyfile(whole / mutant.path, path)


def failed_in(root: Path, tests: list[str]) -> str:
    """The first of the tests that fails in a process of its own."""
    call = [sys.executable, "-B", "-m", "pytest", "-x", *OPTIONS, *tests]
    env = {key: value for key, value in os.environ.items() if not key.startswith("ARCHDSL_")}
    try:
        done = subprocess.run(
            call,
            cwd=root,
            env={**env, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            timeout=900,
        )
    except subprocess.TimeoutExpired:
        return "time"
    if done.returncode in (0, 5) or not tests:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0][:200] if lines else f"status {done.returncode}"


def failed_unless(whole: Path, root: Path, tests: list[str]) -> str:
    """What fails with the mutant, of the tests that pass without it."""
    failed = failed_in(root, tests)
    if failed.startswith("FAILED "):
        test = failed.removeprefix("FAILED ").partition(" - ")[0]
        if failed_in(whole, [test]):
            rest = tests[tests.index(test) + 1 :] if test in tests else []
            return failed_unless(whole, root, rest) if rest else ""
    return failed


def named(nodeid: str) -> tuple[str, str]:
    """A test as a file of junit names it."""
    path, _, name = nodeid.partition("::")
    return path.removesuffix(".py").replace("/", "."), name


def durations(junit: str) -> dict[tuple[str, str], float]:
    """The seconds that tests took, as a file of junit says them."""
    cases = ElementTree.parse(junit).getroot().iter("testcase") if junit else ()
    return {
        (case.get("classname", ""), case.get("name", "")): float(case.get("time", 0))
        for case in cases
    }


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def main(out: Path, settings: dict[str, Any]) -> None:
    sites = sample(out / "whole", settings["number"], settings["seed"])
    campaign = Campaign(out, sites, durations(settings["junit"]), settings)
    pytest.main([*OPTIONS, f"--basetemp={out / 'tmp'}", "tests"], plugins=[campaign])


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
