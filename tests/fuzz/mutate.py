"""Checks mutants of the gallery, by number: `python -m tests.fuzz.mutate --until 100000 OUT`.

Every mutant must end in a graph or in errors: no exception, in less than 2 s of one core and 1 GB.
A run writes a line of JSON for each mutant into files of OUT, one for 500, and goes on where an
earlier one stopped. It prints the share of rejected mutants whose error points at what was changed:
at the changed text, and after a deletion at what held it (`mutations` says exactly where).

With `--run` every network that the accepted mutants are is compiled and run on torch's meta device,
and the shapes of its results and taps are held to the graph's; one of 10 runs with numbers, too, on
small images. Mutants that are the same network - they change comments, documentation, names of
weights elsewhere - run once, those that are still the network of the gallery not at all.
"""

import argparse
import json
import re
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import archdsl
from archdsl.analysis.cost import analyze
from archdsl.diagnostics.formats import FORMATS
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.elaborate.document import elaborate
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.language.loader import Loader
from archdsl.lint.expect import expectations
from archdsl.lint.rules import LINTS, lint
from tests.fuzz.mutations import Mutant, Original, mutant, originals

CHUNK = 500
SECONDS, BYTES = 2.0, 10**9
SIDE, MACS = 96, 4 * 10**9  # the small images, and the most of a network that runs with numbers
ACCEPTED = ("accepted", "expect")


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
            record |= {"outcome": "expect" if found else "accepted", "graph": digest(graph)}
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


def digest(graph: Graph) -> str:
    """What tells networks apart: a graph without its documentation and its places in the spec."""
    nodes = tuple(replace(node, span=None) for node in graph.nodes)
    scopes = tuple(replace(scope, span=None) for scope in graph.scopes)
    bare = replace(graph, nodes=nodes, scopes=scopes, renames={}, title="", citation="")
    return sha256(bare.to_json().encode()).hexdigest()[:16]


_specs: list[Original] = []


def chunk(start: int, until: int, folder: str) -> str:
    """Judges the mutants of some numbers, and writes what became of them."""
    _specs.extend(() if _specs else originals())
    path = Path(folder) / f"{start:07}.jsonl"
    keep(path, (judge(n, mutant(_specs, n)) for n in range(start, until)))
    return path.name


def keep(path: Path, found: Iterable[dict[str, Any]]) -> None:
    """Writes records aside, then under their name, so that a file is always whole."""
    aside = path.with_suffix(f"{path.suffix}.part")
    aside.write_text("".join(f"{json.dumps(one)}\n" for one in found), encoding="utf-8")
    aside.rename(path)


def records(folder: Path, suffix: str = "jsonl") -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"*.{suffix}")):
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


def networks(folder: Path) -> dict[str, int]:
    """The networks that the accepted mutants are, and the first mutant that is each.

    Those of the gallery are not among them.
    """
    known = {digest(archdsl.load(spec.path)) for spec in originals()}
    first: dict[str, int] = {}
    for record in records(folder):
        if record["outcome"] in ACCEPTED and record["graph"] not in known:
            first.setdefault(record["graph"], record["number"])
    return first


def run_networks(path: str, numbers: dict[str, int]) -> str:
    """Runs networks in torch, by digest and number of mutant; writes how they are not as promised.

    One of 10 runs with numbers, unless it is too large even for a small image.
    """
    from tests.fuzz.promised import wrong_shapes

    _specs.extend(() if _specs else originals())
    found = []
    for key, number in numbers.items():
        made = mutant(_specs, number)
        graph, _ = read(made)
        assert graph is not None
        record = {"graph": key, "number": number, "wrong": wrong_shapes(graph)}
        if int(key, 16) % 10 == 0:
            graph = read(smaller(made))[0] or graph
            small = analyze(graph).total.macs <= MACS
            record["with numbers"] = wrong_shapes(graph, "cpu") if small else "too large"
        found.append(record)
    keep(Path(path), found)
    return path


def smaller(made: Mutant) -> Mutant:
    """A mutant with a small image, if the size of its own is written as numbers."""
    size = r"(?:\d+|resolution\(\d+\))"
    input = rf"(?m)^(input: \[\d+), {size}, {size}\]"
    return replace(made, text=re.sub(input, rf"\1, {SIDE}, {SIDE}]", made.text))


def run_all(folder: Path, pool: ProcessPoolExecutor) -> bool:
    """Runs the networks that have not run yet; says whether all shapes are as promised."""
    chunks: dict[int, dict[str, int]] = {}
    for key, number in (first := networks(folder)).items():
        chunks.setdefault(number // CHUNK * CHUNK, {})[key] = number
    paths = {folder / f"{start:07}.ran": numbers for start, numbers in chunks.items()}
    todo = ((str(path), numbers) for path, numbers in paths.items() if not path.exists())
    for task in [pool.submit(run_networks, *one) for one in todo]:
        task.result()
    accepted = [record["graph"] for record in records(folder) if record["outcome"] in ACCEPTED]
    same = sum(key not in first for key in accepted)
    ran = list(records(folder, "ran"))
    print(f"{len(accepted):,} accepted mutants: {same:,} are a network of the gallery still, the")
    print(f"others are {len(first):,} networks, of which {len(ran):,} ran in torch")
    full = [one for one in ran if "with numbers" in one]
    large = sum(one["with numbers"] == "too large" for one in full)
    print(f"{len(full) - large:,} of them ran with numbers, too; {large:,} would be too large")
    fine = ("", "too large")
    bad = [one for one in ran if one["wrong"] or one.get("with numbers", "") not in fine]
    print(f"{len(bad):,} are not as promised")
    for one in bad[:20]:
        print(json.dumps(one))
    return not bad


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--until", type=int, default=10_000, help="how many mutants")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--run", action="store_true", help="run the accepted ones in torch")
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
        with ProcessPoolExecutor(arguments.processes) as pool:  # torch is no part of the GB
            good &= run_all(folder, pool)
    sys.exit(not good)


if __name__ == "__main__":
    main()
