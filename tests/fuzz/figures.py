"""Draws random networks in every way, by number: `python -m tests.fuzz.figures --until 2000 OUT`.

Even numbers are specs as `tests.random_specs` draws them, odd ones those of `odd`, which look like
no network. Every kind in every format, every table of `summary` and every plot must end in a figure
or in a refusal with a reason, within 5 s of one core. A run writes a line of JSON for each number
into files of OUT, one for 100, and goes on where an earlier one stopped.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import yaml

import archdsl
from archdsl import Graph, SpecError, UsageError
from archdsl.analysis.measures import MEASURES
from archdsl.analysis.summary import summarize
from archdsl.figures.options import KINDS, OPTIONS
from archdsl.tables import plots
from archdsl.tables.summary import FORMATS
from tests.random_specs import spec
from tests.random_specs.odd import odd

CHUNK = 100
SECONDS = 5.0
TRIES = 200  # specs that look like no network are mostly wrong
VALUES: dict[str, tuple[Any, ...]] = {
    "width": ("single", "neurips", "double", "slide", "50in"),
    "theme": ("paper", "grey", "dark"),
    "show": ("", "names", "shapes", "params,macs", "names,shapes,params,macs"),
    "title": ("", "a title"),
    "legend": (True, False),
    "scale": ("sqrt", "linear", "log"),
    "shape": ("boxes", "slabs"),
    "direction": ("auto", "down", "right"),
    "fold": ("auto", "none", "2", "7"),
    "with_": (["caption"], ["caption", "label"]),
}
COUNTS = {"diff": 2, "scaling": 2}


def network(number: int) -> tuple[str, Graph]:
    """The spec of a number, and its graph."""
    if number % 2 == 0:
        data, _ = spec(number, 1 + number // 2 % 6)
        text = yaml.safe_dump(data, sort_keys=False)
        return text, archdsl.loads(text)
    for attempt in range(TRIES):
        text = yaml.safe_dump(odd(number + attempt * 10**9), sort_keys=False)
        try:
            return text, archdsl.loads(text)
        except SpecError:
            continue
    raise ValueError(f"no spec of {TRIES} is right")


def options_of(kind: str, graph: Graph, random: Random) -> dict[str, Any]:
    """Some of the options that a kind honours, at random."""
    found = {}
    for option in OPTIONS:
        if option.honoured(kind) and random.random() < 0.4:
            values = VALUES.get(option.name) or [s.id for s in graph.scopes] or [""]
            found[option.name] = random.choice(values)
    return found


def drawings(number: int, graphs: list[Graph]) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done with a network, each with a name."""
    random, (graph, *_) = Random(number), graphs
    for kind in KINDS:
        count = COUNTS.get(kind, random.choice((1, 2)) if kind in ("columns", "table") else 1)
        wide: dict[str, Any] = {} if kind == "table" else {"width": "50in"}
        for options in (wide, options_of(kind, graph, random)):
            yield f"draw --kind {kind} {options}", partial(rendered, graphs[:count], kind, options)
    for by in ("stage", "block", "op"):
        yield f"summary --by {by}", partial(tabulated, graph, by)
    yield "summary --format latex", lambda: archdsl.summarize(graph).render("latex")
    if number % 10 < 2:
        with tempfile.TemporaryDirectory() as folder:
            for plot in (plots.memory, plots.field, plots.cost):
                yield f"plot {plot.__name__}", partial(plot, graphs[:2], Path(folder) / "a.svg")


def rendered(graphs: list[Graph], kind: str, options: dict[str, Any]) -> None:
    """A figure in all its formats, and what it shows in a notebook."""
    figure = archdsl.draw(*graphs, kind=kind, **options)
    for suffix in figure.formats():
        data = figure.render(suffix, dpi=40)
        assert data
        if suffix == ".svg":
            ElementTree.fromstring(data)
    figure._repr_html_()


def tabulated(graph: Graph, by: Any) -> None:
    """Every column that needs no device, in every format."""
    columns = [name for name, measure in MEASURES.items() if not measure.device]
    summary = summarize(graph, by=by, show=columns)
    assert all(write(summary) for write in FORMATS.values())


def judge(number: int) -> dict[str, Any]:
    """What became of a number: how many figures, what was refused, what failed, and how long."""
    record: dict[str, Any] = {"number": number, "figures": 0, "refused": {}, "failed": {}}
    text, graph = network(number)
    _, other = network(number + 7)
    slowest = (0.0, "")
    for name, make in drawings(number, [graph, other]):
        start = time.process_time()
        try:
            make()
            record["figures"] += 1
        except UsageError as error:
            record["refused"][name] = str(error)
        except Exception:
            record["failed"][name] = traceback.format_exc()
        slowest = max(slowest, (round(time.process_time() - start, 3), name))
    record["slowest"] = slowest
    if record["failed"]:
        record["spec"] = text
    return record


def chunk(start: int, end: int, folder: str) -> None:
    path = Path(folder) / f"{start:07}.jsonl"
    lines = [json.dumps(judge(number)) for number in range(start, end)]
    aside = path.with_suffix(".part")
    aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    aside.rename(path)


def report(folder: Path, seconds: float) -> bool:
    """Prints what a run found; whether all is as promised."""
    files = sorted(folder.glob("*.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    failed = [record for record in records if record["failed"]]
    refused = Counter(name.split(" {")[0] for record in records for name in record["refused"])
    figures = sum(record["figures"] for record in records)
    slowest = max(record["slowest"] for record in records)
    print(
        f"{len(records):,} specs, {figures:,} figures and tables, {refused.total():,} refusals, in"
    )
    print(f"{seconds:.0f} s; slowest {slowest[0]} s: {slowest[1]}; {len(failed):,} specs failed")
    for name, count in refused.most_common():
        print(f"  {count:6,} refusals of {name}")
    kinds = Counter(
        (name.split(" {")[0], trace.strip().splitlines()[-1])
        for record in failed
        for name, trace in record["failed"].items()
    )
    for (name, error), count in kinds.most_common(40):
        print(f"  {count:6,} x {name}: {error}")
    return not failed and slowest[0] < SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--until", type=int, default=2000, help="how many specs")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    todo = [n for n in range(0, arguments.until, CHUNK) if not (folder / f"{n:07}.jsonl").exists()]
    with ProcessPoolExecutor(arguments.processes) as pool:
        ends = [min(n + CHUNK, arguments.until) for n in todo]
        for task in [pool.submit(chunk, *one, str(folder)) for one in zip(todo, ends, strict=True)]:
            task.result()
    sys.exit(not report(folder, time.perf_counter() - start))


if __name__ == "__main__":
    main()
