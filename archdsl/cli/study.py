"""The commands for many networks at once; none of them imports torch."""

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archdsl.cli.console import (
    Changes,
    Settings,
    change,
    changes,
    names,
    networks,
    pairs,
    show,
)
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from archdsl.study.candidates import Candidates
    from archdsl.study.sweep import Outcome, Say

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("spec", shell_complete=networks)
@click.option("--phi", metavar="A..B", help="The family from phi A to phi B: 0..7, or 0,0.5,1.")
@click.option(
    "--budget",
    multiple=True,
    callback=pairs,
    metavar="COLUMN=MOST",
    help="The largest phi and the largest single factors under a cost: macs=4G.",
)
@click.option("--search", metavar='"Nx COLUMN"', help='The paper\'s grid search: "2x macs".')
@click.option(
    "--grid",
    default="1,2,0.1",
    show_default=True,
    metavar="FROM,TO,STEP",
    help="The factors of a search.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many results of a search to show.",
)
@click.option("--show", "columns", callback=names, metavar="COLUMN,...", help="Which columns.")
@click.option(
    "--format",
    type=click.Choice(["table", "markdown", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to write the table.",
)
@click.option(
    "--write",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Write the first N as specs.",
)
@click.option(
    "-o", "--out", type=PATH, default=Path("."), metavar="DIR", help="Where --write puts them."
)
@click.option("--plot", type=PATH, metavar="FILE", help="Draw the family, too.")
@changes
def scale(
    spec: str,
    phi: str | None,
    budget: Settings,
    search: str | None,
    grid: str,
    top: int,
    columns: tuple[str, ...] | None,
    format: str,
    write: int,
    out: Path,
    plot: Path | None,
    changed: Changes,
) -> None:
    """Scale a network: a family by phi, the largest under a budget, or a search."""
    from archdsl.study.candidates import Candidates
    from archdsl.study.scale import write_specs
    from archdsl.tables.family import FORMATS

    if sum((phi is not None, bool(budget), search is not None)) != 1:
        raise UsageError("say one of --phi 0..7, --budget macs=4G and --search '2x macs'")
    candidates = Candidates(
        spec,
        changed.settings,
        changed.scale,
        changed.allowed,
        changed.replace,
        changed.output_stride,
    )
    with progress() as say:
        result = _scaled(candidates, phi, budget, search, grid, top, columns, say)
    if result.warning:
        show(f"warning: {result.warning}\n", err=True)
    show(FORMATS[format](result))
    if write:
        for path in write_specs(candidates, result, write, out):
            show(f"{path}\n", err=format != "table")
    if plot is not None:
        from archdsl.tables.plots import family

        series = {c: [row.values[c] for row in result.rows] for c in result.columns}
        positions = [row.scale.get("phi", n) for n, row in enumerate(result.rows)]
        family(positions, series, "phi" if phi else "network", plot)


def _scaled(
    candidates: "Candidates",
    phi: str | None,
    budget: Mapping[str, str],
    search: str | None,
    factors: str,
    top: int,
    columns: tuple[str, ...] | None,
    say: Any,
) -> Any:
    from archdsl.analysis.measures import column, device_free
    from archdsl.expressions.numbers import number
    from archdsl.study import scale as scaling

    shown = tuple(map(column, columns or scaling.COLUMNS))
    for name in shown:
        device_free(name)
    if phi is not None:
        return scaling.family(candidates, _phis(phi, candidates.limits.candidates), shown)
    if search is not None:
        start, stop, step = _three(factors)
        wanted, steps = (
            scaling.target(search),
            scaling.grid(start, stop, step, candidates.limits.candidates),
        )
        return scaling.search(candidates, wanted, steps, shown, top, say)
    limits = {name: number(most) for name, most in budget.items()}
    return scaling.largest(candidates, limits, shown, say)


def _phis(text: str, most: int) -> list[float]:
    """`0..7` or `0,0.5,1`."""
    from archdsl.study.scale import too_many

    first, dots, last = text.partition("..")
    try:
        if dots and int(last) - int(first) >= most:
            raise too_many(f"--phi {text}:", most, "networks")
        values = range(int(first), int(last) + 1) if dots else map(float, text.split(","))
        phis = [float(phi) for phi in values]
    except (ValueError, OverflowError):
        phis = []
    if not phis or not all(map(math.isfinite, phis)):
        raise UsageError(f"--phi {text}: write 0..7 or 0,0.5,1")
    return phis


def _three(text: str) -> tuple[float, float, float]:
    try:
        start, stop, step = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--grid {text}: write FROM,TO,STEP") from None
    return start, stop, step


@click.command()
@click.argument("study", type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--out", type=PATH, help="*.csv or *.parquet; NAME.csv without it.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores without it.")
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
@change("--limit")
def sweep(
    study: str, out: Path | None, workers: int | None, dask: str | None, limits: Settings
) -> None:
    """Run a study, or what is left of it; results are kept as they come."""
    from archdsl.study.plan import read_study
    from archdsl.study.sweep import sweep
    from archdsl.yaml.limits import Limits

    plan = read_study(study, Limits().override(limits))
    path = out or Path(f"{plan.name}.csv")
    with _bar(plan.name) as say:
        outcome = sweep(plan, path, workers, dask, say)
    show(_told(outcome))


@contextmanager
def _bar(name: str) -> Iterator["Say"]:
    """A progress bar on stderr, if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    parts = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True)) as bar:
        task = bar.add_task(name)
        yield lambda done, size: bar.update(task, completed=done, total=size)


def _told(outcome: "Outcome") -> str:
    """`36 candidates in b0.csv: 23 ok, 13 outside; 36 now in 3.2 s, 11 per second`."""
    kinds = ", ".join(f"{count:,} {status}" for status, count in outcome.statuses.items())
    done = sum(outcome.statuses.values())
    text = f"{done:,} candidate{'s' * (done != 1)} in {outcome.path}: {kinds}"
    if outcome.now:
        rate = outcome.now / max(outcome.seconds, 1e-9)
        text += f"; {outcome.now:,} now in {outcome.seconds:.1f} s, {rate:.0f} per second"
    return text + "\n"
