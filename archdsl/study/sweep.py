"""Runs a study: on the cores of this machine or on a Dask cluster, from where it was left."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from archdsl.analysis.measures import column
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.study.candidates import Candidates, Point
from archdsl.study.plan import Study
from archdsl.study.results import OBJECTIVE, Csv, Parquet, Record, fields_of, key_of, open_results
from archdsl.study.work import evaluate
from archdsl.study.workers import guard

BATCH = 20  # candidates without an objective that a worker takes at a time
ATTEMPTS = 3  # at a batch during which workers die
Say = Callable[[int, int], None]


@dataclass
class Outcome:
    """What came of a run: how many candidates there are, were done before, and were done now."""

    path: Path
    size: int
    before: int
    now: int = 0
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)


def sweep(
    study: Study,
    out: Path,
    workers: int | None = None,
    dask: str | None = None,
    say: Say = lambda done, size: None,
) -> Outcome:
    """Evaluates what is not in `out` yet; every record is there for good as soon as it is known.

    `workers` are processes (default: all cores); `dask` is the address of a scheduler to use
    instead. Raises UsageError for a study that its spec does not fit, SpecError for a wrong spec.
    """
    if study.sampler == "optuna":
        require("this sample", "optuna")
    if dask is not None:
        require("--dask", "distributed")
    if study.objective and study.objective.python:
        require("a Python objective", "torch")
    Candidates(study.spec, limits=study.limits).check(
        study.point({axis.name: None for axis in study.axes})
    )
    columns = [*study.columns, *([OBJECTIVE] if study.objective else [])]
    fields = fields_of([axis.name for axis in study.axes], columns)
    with open_results(out, fields) as results:
        return _swept(
            study, results, Outcome(out, study.size, len(results.done)), workers, dask, say
        )


def _swept(
    study: Study,
    results: Csv | Parquet,
    outcome: Outcome,
    workers: int | None,
    dask: str | None,
    say: Say,
) -> Outcome:
    source = _Asked(study, results) if study.sampler == "optuna" else _Listed(study, results)
    say(outcome.before, study.size)
    start = time.perf_counter()
    count = workers or study.form.workers or os.cpu_count() or 1
    with _executors(count, dask) as (executor, width):
        for records in _run(study, source, executor, width):
            results.add(records)
            source.tell(records)
            outcome.now += len(records)
            say(len(results.done), study.size)
    outcome.seconds = time.perf_counter() - start
    for record in results.done.values():
        status = str(record["status"])
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
    return outcome


class _Listed:
    """The candidates of a grid or of random draws that are not done, in batches."""

    def __init__(self, study: Study, results: Csv | Parquet) -> None:
        self.left = self.unseen(study.points(), set(results.done))
        self.batch = 1 if study.objective else BATCH

    @staticmethod
    def unseen(points: Iterator[Point], seen: set[str]) -> Iterator[Point]:
        for point in points:
            key = key_of(point)
            if key not in seen:
                seen.add(key)
                yield point

    def next(self) -> list[Point]:
        return list(islice(self.left, self.batch))

    def tell(self, records: Sequence[Record]) -> None:
        pass


class _Asked:
    """The candidates that Optuna asks for, one at a time, knowing all that are done."""

    def __init__(self, study: Study, results: Csv | Parquet) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.study = optuna, study
        sample = study.form.sample
        assert not isinstance(sample, str)
        seed = sample.seed + len(results.done)
        self.column = column(str(study.form.minimize or study.form.maximize))
        if self.column not in (*study.columns, OBJECTIVE):
            raise UsageError(f"`{self.column}` is no column of the study")
        self.trials = optuna.create_study(
            direction="minimize" if study.form.minimize else "maximize",
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        )
        self.distributions = {axis.name: self.distribution(axis) for axis in study.axes}
        for record in results.done.values():
            self.remember(record)
        self.left = study.size - len(results.done)
        self.known = dict(results.done)
        self.open: dict[str, Any] = {}

    def distribution(self, axis: Any) -> Any:
        if axis.values:
            return self.optuna.distributions.CategoricalDistribution([*axis.values])
        return self.optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)

    def remember(self, record: Record) -> None:
        """A finished candidate of an earlier run."""
        params = {name: record[name] for name in self.distributions}
        good = record["status"] == "ok"
        self.trials.add_trial(
            self.optuna.trial.create_trial(
                params=params,
                distributions=self.distributions,
                value=record[self.column] if good else None,
                state=self.state(good),
            )
        )

    def state(self, good: bool) -> Any:
        states = self.optuna.trial.TrialState
        return states.COMPLETE if good else states.FAIL

    def next(self) -> list[Point]:
        """The next candidate; one that was had before is told again, and another is asked for."""
        repeated = 0
        while self.left > 0 and repeated < 100:
            trial = self.trials.ask(self.distributions)
            point = self.study.point(trial.params)
            key = key_of(point)
            if key in self.open:
                self.trials.tell(trial, state=self.state(False))
            elif key in self.known:
                self.finish(trial, self.known[key])
            else:
                self.open[key] = trial
                self.left -= 1
                return [point]
            repeated += 1
        return []

    def tell(self, records: Sequence[Record]) -> None:
        for record in records:
            self.known[record["key"]] = record
            self.finish(self.open.pop(record["key"]), record)

    def finish(self, trial: Any, record: Record) -> None:
        good = record["status"] == "ok"
        self.trials.tell(trial, record[self.column] if good else None, self.state(good))


Make = Callable[[], Executor]


@contextmanager
def _executors(workers: int, dask: str | None) -> Iterator[tuple[Make, int]]:
    """Something that makes executors, and how many batches to keep under way."""
    if dask is None:
        context = get_context("spawn")
        pool = partial(ProcessPoolExecutor, workers, mp_context=context, initializer=guard)
        yield pool, workers + 1
        return
    import distributed

    try:
        client: Any = distributed.Client(dask, timeout=10)  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, ValueError) as error:
        raise UsageError(f"--dask {dask}: no scheduler answers there") from error
    with client:
        threads = sum(client.nthreads().values())
        yield lambda: client.get_executor(pure=False, retries=ATTEMPTS), 2 * max(1, threads)


def _run(study: Study, source: _Listed | _Asked, make: Make, width: int) -> Iterator[list[Record]]:
    """The records of batches as they are finished; what dies with a worker is tried again."""
    waiting: deque[tuple[list[Point], int]] = deque()
    running: dict[Future[list[Record]], tuple[list[Point], int]] = {}
    executor = make()
    try:
        while True:
            while len(running) < width:
                if any(map(_is_alone, running.values())) or (
                    running and waiting and _is_alone(waiting[0])
                ):
                    break
                batch = waiting.popleft() if waiting else _new(source)
                if batch is None:
                    break
                running[executor.submit(evaluate, study, batch[0])] = batch
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = False
            for future in finished:
                points, attempt = running.pop(future)
                error = future.exception()
                broken |= isinstance(error, BrokenProcessPool)
                if error is None:
                    yield future.result()
                elif attempt < ATTEMPTS:
                    waiting.append((points, attempt + 1))
                elif len(points) > 1:
                    waiting.extend(([point], 1) for point in points)
                else:
                    yield [_lost(points[0], error)]
            if broken:
                waiting.extend(running.values())
                running.clear()
                _close(executor)
                executor = make()
    finally:
        _close(executor)


def _is_alone(batch: tuple[list[Point], int]) -> bool:
    """Whether it runs with nothing beside it: at its last attempt no other may be to blame."""
    points, attempt = batch
    return len(points) == 1 and attempt == ATTEMPTS


def _close(executor: Executor) -> None:
    """Ends an executor and what it has not begun; Dask's ends with its client."""
    if isinstance(executor, ProcessPoolExecutor):
        executor.shutdown(wait=False, cancel_futures=True)


def _new(source: _Listed | _Asked) -> tuple[list[Point], int] | None:
    points = source.next()
    return (points, 1) if points else None


def _lost(point: Point, error: BaseException) -> Record:
    """The record of a candidate at which workers die."""
    message = f"the worker died: {type(error).__name__}"
    return {"key": key_of(point), "status": "failed", **point.named(), "message": message}
