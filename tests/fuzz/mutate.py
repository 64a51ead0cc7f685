"""Checks mutants of the gallery, by number: `python -m tests.fuzz.mutate --until 100000 OUT`.

Every mutant must end in a graph or in errors: no exception, in less than 2 s of one core and 1 GB.
A run writes a line of JSON for each mutant into files of OUT, one for 500, and goes on where an
earlier one stopped. It prints the share of rejected mutants whose error points at what was changed;
of those that are accepted, a sample is compiled and run on torch's meta device.
"""

import argparse
import json
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from archdsl.diagnostics import Sink, in_order
from archdsl.elaborate import elaborate
from archdsl.expect import expectations
from archdsl.formats import FORMATS
from archdsl.graph import Graph, verify
from archdsl.inherit import Loader
from archdsl.lints import LINTS, lint
from tests.fuzz.mutations import Mutant, Original, mutant, originals

CHUNK = 500
SECONDS, BYTES = 2.0, 10**9


def read(made: Mutant) -> tuple[Graph | None, Sink]:
    """The graph of a mutant, if it has one, and what is wrong with it, as `check` finds it."""
    sink = Sink()
    loader = Loader(sink)
    document = loader.loads(made.text, made.path)
    graph = elaborate(document, sink, loader.limits) if document is not None else None
    if document is not None and graph is not None:
        expectations(document, graph, sink)
        lint(document, graph, LINTS, sink)
    for show in FORMATS.values():
        show(in_order(sink.diagnostics), loader.sources, True)
    return graph, sink


def judge(number: int, made: Mutant) -> dict[str, Any]:
    """What became of a mutant.

    `outcome` is accepted, expect (it is a network, but not with the numbers of the original),
    rejected or crashed; a rejected one `points` at what was changed by the span of an error or of
    a label, or `names` it in a message.
    """
    start = time.process_time()
    record: dict[str, Any] = {"number": number, "spec": Path(made.path).stem, "kind": made.kind}
    try:
        graph, sink = read(made)
        found = [d for d in sink.diagnostics if d.severity == "error"]
        assert (graph is None) <= bool(found), "no graph and no error"
        if graph is not None:
            verify(graph)
            record["outcome"] = "expect" if found else "accepted"
        else:
            spans = [(d.span, *(label.span for label in d.labels)) for d in found]
            record |= {
                "outcome": "rejected",
                "codes": sorted({d.code for d in found}),
                "primary": any(made.shows(places[0]) for places in spans),
                "points": any(made.shows(place) for places in spans for place in places),
                "names": any(made.names(d) for d in found),
            }
    except Exception:
        record |= {"outcome": "crashed", "trace": traceback.format_exc()}
    record["seconds"] = round(time.process_time() - start, 4)
    record["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return record


_specs: list[Original] = []


def chunk(start: int, until: int, folder: str) -> str:
    """Judges the mutants of some numbers, and writes what became of them."""
    _specs.extend(() if _specs else originals())
    path = Path(folder) / f"{start:07}.jsonl"
    lines = [json.dumps(judge(n, mutant(_specs, n))) for n in range(start, until)]
    aside = path.with_suffix(".part")
    aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    aside.rename(path)
    return path.name


def records(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def report(folder: Path) -> bool:
    """Prints what became of all mutants; says whether all is well."""
    outcomes: Counter[str] = Counter()
    rejected: dict[str, Counter[str]] = {}
    bad = []
    slowest = largest = 0.0
    for record in records(folder):
        outcomes[record["outcome"]] += 1
        slowest, largest = max(slowest, record["seconds"]), max(largest, record["bytes"])
        if record["outcome"] == "crashed" or record["seconds"] > SECONDS:
            bad.append(record)
        if record["outcome"] == "rejected":
            counts = rejected.setdefault(record["kind"], Counter())
            counts["all"] += 1
            for key in ("primary", "points"):
                counts[key] += record[key]
            counts["named"] += record["points"] or record["names"]
    print(f"{outcomes.total():,} mutants:", dict(outcomes))
    print(f"slowest {slowest:.2f} s, largest process {largest / 1e6:.0f} MB")
    total: Counter[str] = sum(rejected.values(), Counter())
    for kind, counts in [*sorted(rejected.items()), ("together", total)]:
        shares = (
            f"{counts[key] / counts['all']:.1%} {key}" for key in ("primary", "points", "named")
        )
        print(f"{kind:10} {counts['all']:7,} rejected: {', '.join(shares)}")
    for record in bad[:20]:
        print(json.dumps(record))
    return not bad and largest < BYTES


def run_sample(folder: Path, most: int) -> bool:
    """Runs accepted mutants in torch, without data; says whether all shapes are as promised."""
    from tests.fuzz.promised import wrong_shape

    specs = originals()
    accepted = [r["number"] for r in records(folder) if r["outcome"] in ("accepted", "expect")]
    chosen = accepted[:: max(1, len(accepted) // most)][:most]
    bad = 0
    for number in chosen:
        graph, _ = read(mutant(specs, number))
        assert graph is not None
        problem = wrong_shape(graph)
        if problem:
            bad += 1
            print(f"mutant {number} ({graph.name}): {problem}")
    print(
        f"ran {len(chosen):,} of {len(accepted):,} accepted mutants in torch, {bad} not as promised"
    )
    return not bad


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--until", type=int, default=10_000, help="how many mutants")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--run", type=int, default=0, help="how many accepted ones run in torch")
    parser.add_argument("--show", type=int, help="print one mutant and what is said of it")
    arguments = parser.parse_args()
    if arguments.show is not None:
        made = mutant(originals(), arguments.show)
        _, sink = read(made)
        print(made.kind, [made.text[a:b] for a, b in made.regions], made.words)
        sources = {made.path: made.text}
        print(FORMATS["full"](in_order(sink.diagnostics), sources, False))
        return
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    starts = [
        n for n in range(0, arguments.until, CHUNK) if not (folder / f"{n:07}.jsonl").exists()
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        tasks = [
            pool.submit(chunk, start, min(start + CHUNK, arguments.until), str(folder))
            for start in starts
        ]
        for task in tasks:
            task.result()
    good = report(folder)
    if arguments.run:
        good &= run_sample(folder, arguments.run)
    sys.exit(not good)


if __name__ == "__main__":
    main()
