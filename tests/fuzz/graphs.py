"""Mutates graphs in JSON and gives what is accepted to everything that uses graphs.

`python -m tests.fuzz.graphs FOLDER --until 20000` judges so many mutants and keeps what became of
them in FOLDER; another call goes on where it was stopped, `--show 42` prints one. A number says
which mutant, always the same one. A mutant is refused with a ValueError that names a field, or it
is a graph: then it verifies, is written and read back, emitted and compiled, measured, summarized,
compared, drawn in every kind and format and shown to networkx; one of ten runs on torch's meta
device and must give the shapes that it promises. Nothing may run, crash or take long.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

import archdsl
from archdsl.analysis.diff import compare
from archdsl.diagnostics.errors import UsageError
from archdsl.figures.options import KINDS
from archdsl.graph.graph import INPUT, Graph
from archdsl.graph.verify import verify
from archdsl.ops import OPS, ArgumentError, arguments, construct
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.allowed import allowed
from archdsl.tables import changes, summary
from tests.fuzz.mutate import keep, records
from tests.random_specs import spec

CHUNK = 250
SECONDS = 5.0
EXECUTED = "EXECUTED"  # a file that hostile texts make, where they run
TRAP = f"open('{EXECUTED}', 'w').close()"
TEXTS_ = (
    "", "x", "é", "a\nb", "\x00", "\x1b[31m", "\u202e", "=cmd|' /C calc'!A0", "+1", "-2", "@SUM(1)",
    "<script>alert(1)</script>", '"><svg onload=alert(1)>', "\\input{/etc/passwd} } { $ & # _ ~ %",
    '\\"""\n' + TRAP + '\n"""', f'" + str({TRAP}) + "', f"x(*[{TRAP}] and ()):\n    pass\nclass Z",
    "a | b\n| --- |", "{0} {x!r} {", "a" * 3000, "../../x", "class", "None", "__class__", "self",
    "input", "forward", "weight", "a.b", "a@1", "_x", "0", "'; DROP", "\ud800", "--set x",
)  # fmt: skip
NASTY: tuple[Any, ...] = (
    *TEXTS_, None, True, False, 0, -1, 1, 2, 7, 2.5, -0.0, 1e30, 1e308, 10**18, 10**30, 10**300,
    float("inf"), float("nan"), [], {}, [[]], [1, 1], ["x"], [["a", "b"]], {"a": 1}, {"shape": []},
    {"scheme": "normal", "settings": [["std", 0.1]], "bias": None}, {"scheme": TRAP},
)  # fmt: skip
NAMES = (
    "b", "a" * 80, "x-y", "_z", "Conv2d", "nn", "torch", "x", "layers", "i", "math", "Tensor", "F",
    "OrderedDict", "int", "print", "module", "result", "data", "in_channels", "DropPath", "out",
)  # fmt: skip
ARGUMENTS = {
    "kernel": 3, "rate": 0.5, "out": 4, "heads": 2, "groups": 2, "factor": 2, "size": 2, "stop": 2,
    "border": 1,
}  # fmt: skip
SPECS = (
    """
    blocks:
      u: {params: {out: C, act: item}, seq: [{conv: {out: out, kernel: 3}}, batch_norm, $act]}
    backbone:
      c: {conv: {out: 4, kernel: 3, init: {normal: {std: 0.1}, bias: 0.5}}, tap: t}
      s: {u: {out: 4, act: relu}, repeat: 2}
      r: {residual: {body: [{conv: {kernel: 3}}, {dropout: {rate: 0.1}}], after: gelu}}
    head: {p: {u: {out: 4, act: silu}, each: [t, r]}, o: {add: {}, from: p}}
    aux: {side: {seq: [global_avg_pool, flatten], from: t}}
    weights: {theirs: {keys: {"a{n}": "s.{n}"}}}
    cite: {title: A net, year: 2020}
    """,
    """
    input: [8, 16, 16]
    backbone:
      d: {dense: {layer: [{conv: {out: 4, kernel: 3}}], repeat: 2}}
      b: {branches: {paths: {x: identity, y: {conv: {kernel: 1}}}, join: concat}}
      p: {max_pool: {kernel: 2}, tap: small}
    neck: {up: {resize: {scale: 2, mode: bilinear}}, j: {concat: {}, from: [up, b]}}
    outputs: {big: j, small: p}
    """,
    """
    backbone:
      c: {conv: {out: 8, kernel: 4, stride: 4, padding: 0}}
      e: [tokens, class_token, position_embedding]
      a: {residual: {body: [layer_norm, {attention: {heads: 2}}, layer_scale]}}
      t: [{token: {index: 0}}, {linear: {out: 5}}]
    """,
)


@cache
def originals() -> list[str]:
    """Small graphs of every kind of node and scope."""
    needed = "archdsl: 1\nname: net\n"
    found = []
    for text in SPECS:
        lines = "\n".join(line.removeprefix("    ") for line in text.strip("\n").splitlines())
        image = "" if "\ninput:" in f"\n{lines}" else "input: [3, 16, 16]\n"
        found.append(archdsl.loads(f"{needed}{image}{lines}").to_json())
    for seed in range(30):
        made, _ = spec(seed, 1 + seed % 3)
        graph = archdsl.loads(yaml.safe_dump(made, sort_keys=False))
        if len(graph.nodes) <= 25:
            found.append(graph.to_json())
    return found


# mutants


Step = tuple[str | int, ...]


def places(data: Any, path: Step = ()) -> Iterator[Step]:
    """The paths of everything below the top."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def holder(data: Any, path: Step) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def _replace(data: Any, random: Random) -> None:
    path = random.choice(list(places(data)))
    holder(data, path)[path[-1]] = random.choice(NASTY)


def _delete(data: Any, random: Random) -> None:
    path = random.choice(list(places(data)))
    del holder(data, path)[path[-1]]


def _copy(data: Any, random: Random) -> None:
    one, other = random.sample(list(places(data)), 2)
    value = json.loads(json.dumps(holder(data, other)[other[-1]]))
    holder(data, one)[one[-1]] = value


def _double(data: Any, random: Random) -> None:
    listed = [path for path in places(data) if isinstance(path[-1], int)]
    path = random.choice(listed)
    holder(data, path).insert(path[-1], holder(data, path)[path[-1]])


def _swap(data: Any, random: Random) -> None:
    name = random.choice(["nodes", "scopes", "nodes"])
    if len(data[name]) > 1:
        a, b = random.sample(range(len(data[name])), 2)
        data[name][a], data[name][b] = data[name][b], data[name][a]


def _add_key(data: Any, random: Random) -> None:
    objects = [path for path in places(data) if isinstance(holder(data, path)[path[-1]], dict)]
    path = random.choice(objects)
    holder(data, path)[path[-1]][random.choice(TEXTS_)] = random.choice(NASTY)


def _text(data: Any, random: Random) -> None:
    """Free texts, which may be anything."""
    text = random.choice(TEXTS_)
    part = random.choice([*data["nodes"], *data["scopes"]])
    blocks = [scope for scope in data["scopes"] if scope["block"]]
    random.choice((
        lambda: data.update(title=text),
        lambda: data.update(citation=text),
        lambda: data["renames"].update({text: {"keys": {}, "reshape": False, "unmet": text}}),
        lambda: part.update(span=[text, 1, 1, 1, 2]),
        lambda: [scope["arguments"].update(note=text) for scope in blocks],
    ))()  # fmt: skip


def _redirect(data: Any, random: Random) -> None:
    node = random.choice(data["nodes"])
    ids = [*_inputs(data), *(other["id"] for other in data["nodes"])]
    if node["inputs"] and random.random() < 0.8:
        node["inputs"][random.randrange(len(node["inputs"]))] = random.choice(ids)
    else:
        results = random.choice([data["outputs"], data["taps"], data["aux"]])
        results[random.choice([*results, "new"])] = random.choice(ids)


def _rename(data: Any, random: Random) -> None:
    """A part of a path has another name, wherever it stands."""
    node = random.choice(data["nodes"])
    old = random.choice(node["id"].partition("@")[0].split("."))
    new = random.choice((*NAMES, *TEXTS_, *NAMES))

    def renamed(id: str) -> str:
        path, at, mark = id.partition("@")
        return ".".join(new if part == old else part for part in path.split(".")) + at + mark

    for node in data["nodes"]:
        node.update(id=renamed(node["id"]), scope=renamed(node["scope"]))
        node["inputs"] = [renamed(id) for id in node["inputs"]]
    for scope in data["scopes"]:
        scope.update(id=renamed(scope["id"]), parent=renamed(scope["parent"]))
    for results in (data["outputs"], data["taps"], data["aux"]):
        results.update({name: renamed(id) for name, id in results.items()})
    data["made"] = [renamed(id) for id in data["made"]]


def _name(data: Any, random: Random) -> None:
    """The network, a block, a result or an argument of a block has another name."""
    new = random.choice((*NAMES, *NAMES, *TEXTS_))
    block = random.choice([scope["block"] for scope in data["scopes"]] or [""])
    results = random.choice([data["outputs"], data["taps"], data["aux"]])

    def another(named: dict[str, Any]) -> None:
        if named:
            named[new] = named.pop(random.choice(list(named)))

    blocks = [scope for scope in data["scopes"] if block and scope["block"] == block]
    random.choice((
        lambda: data.update(name=new),
        lambda: [scope.update(block=new) for scope in blocks],
        lambda: another(results),
        lambda: [another(scope["arguments"]) for scope in blocks],
    ))()  # fmt: skip


def _rescope(data: Any, random: Random) -> None:
    """A scope is of another kind, a block no more or another, or a node stands elsewhere."""
    if not data["scopes"]:
        return
    scope, node = random.choice(data["scopes"]), random.choice(data["nodes"])
    kinds = ["sequence", "repeat", "dense", "residual", "branches", "block"]
    random.choice((
        lambda: scope.update(kind=random.choice(kinds)),
        lambda: scope.update(block="", arguments={}, inputs=[]),
        lambda: scope.update(block=random.choice(["u", "v"]), inputs=_all_shapes(data)),
        lambda: node.update(scope=scope["id"], id=f"{scope['id'].partition('@')[0]}.extra"),
    ))()  # fmt: skip


def _all_shapes(data: Any) -> list[Any]:
    return [*_inputs(data).values(), *(node["output"] for node in data["nodes"])]


def _inputs(data: Any) -> dict[str, Any]:
    """The inputs by name, of which there is mostly one, without a name of its own."""
    return data["inputs"] if "inputs" in data else {INPUT: data["input"]}


def _op(data: Any, random: Random) -> None:
    """Another op, or another argument, with the shapes that follow from it."""
    node = random.choice(data["nodes"])
    if random.random() < 0.5:
        op = OPS[random.choice(list(OPS))]
        known = list(arguments(op))
        given = {name: value for name, value in ARGUMENTS.items() if name in known}
        try:
            made = construct(op, given, TensorSpec((4, 8, 8)))
        except (ArgumentError, TypeError):
            return
        node.update(op=op.verb, arguments={name: getattr(made, name) for name in known})
    elif node["arguments"]:
        name = random.choice(list(node["arguments"]))
        old = node["arguments"][name]
        other = random.choice((*NASTY, 3, 4, [2, 2], [3, 1], "same", 0.5, False))
        node["arguments"][name] = other if random.random() < 0.5 else _near(old, random)
    _repair(data)


def _near(value: Any, random: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return random.choice([value + 1, value - 1, value * 2, -value, value * 10**6])
    return [_near(part, random) for part in value] if isinstance(value, list) else value


def _repair(data: Any) -> None:
    """Gives nodes the shapes that their ops give, as far as they do."""
    shapes = {id: TensorSpec(tuple(spec["shape"])) for id, spec in _inputs(data).items()}
    for node in data["nodes"]:
        try:
            given = [shapes[id] for id in node["inputs"]]
            values = {n: v for n, v in node["arguments"].items() if not isinstance(v, dict)}
            output = construct(OPS[node["op"]], values, given[0]).infer(*given)
        except Exception:  # it is a mutant: whatever is wrong with it is to be found by others
            return
        shapes[node["id"]] = output
        node["output"] = {"shape": list(output.shape), "layout": output.layout}


MAKE: dict[str, Callable[[Any, Random], None]] = {
    "replace": _replace, "delete": _delete, "copy": _copy, "double": _double, "swap": _swap,
    "add": _add_key, "text": _text, "redirect": _redirect, "rename": _rename, "name": _name,
    "rescope": _rescope, "op": _op,
}  # fmt: skip
LIKELY = [*MAKE, "text", "rename", "name", "rescope", "op", "op", "redirect"]


def mutant(number: int) -> tuple[str, str]:
    """The mutant of a number, and its kinds."""
    random = Random(number)
    data = json.loads(random.choice(originals()))
    kinds = random.choices(LIKELY, k=random.choice([1, 1, 1, 2, 3]))
    for kind in kinds:
        try:
            MAKE[kind](data, random)
        except (LookupError, TypeError, AttributeError, ValueError):
            continue  # what was changed before it has left nothing to change
    text = json.dumps(data)
    if random.random() < 0.03:
        start = random.randrange(len(text))
        text = (
            text[:start]
            + random.choice(["", '"', "[", "}", "1", "NaN", "\x00"])
            + text[start + 1 :]
        )
    return text, "+".join(kinds)


# what is done with them


def use(graph: Graph, base: Graph, run: bool) -> None:
    """Gives a graph to everything that takes one."""
    verify(graph)
    assert Graph.from_json(graph.to_json()) == graph
    source = archdsl.emit(graph)
    allowed(source)
    source.encode()
    archdsl.analyze(graph)
    table = archdsl.summarize(graph)
    for write in summary.FORMATS.values():
        write(table.summary).encode()
    for write_changes in changes.FORMATS.values():
        write_changes(compare(base, graph)).encode()
    for kind in KINDS:
        given = [base, graph] if kind in ("diff", "columns", "table", "scaling") else [graph]
        draw(given, kind)
    graph.to_networkx()
    repr(graph)
    if run:
        from tests.fuzz.promised import wrong_shapes

        assert wrong_shapes(graph) == ""


def draw(graphs: list[Graph], kind: str) -> None:
    """Draws in all formats that take little time, unless it is refused with a reason."""
    try:
        figure = archdsl.draw(*graphs, kind=kind)
        for suffix in figure.formats():
            if suffix not in (".png", ".pdf"):
                figure.render(suffix)
    except UsageError as error:
        assert str(error)


def judge(number: int) -> dict[str, Any]:
    """What became of a mutant: refused, accepted or crashed."""
    text, kinds = mutant(number)
    base = Graph.from_json(originals()[0])
    start = time.process_time()
    record: dict[str, Any] = {"number": number, "kind": kinds, "outcome": "accepted"}
    try:
        try:
            graph = Graph.from_json(text)
        except ValueError as error:
            record |= {"outcome": "refused", "said": str(error)}
            assert str(error).isprintable() and len(str(error)) < 400
        else:
            use(graph, base, run=number % 10 == 0)
        assert not os.path.exists(EXECUTED)
    except Exception:
        record |= {"outcome": "crashed", "trace": traceback.format_exc()}
    record["seconds"] = round(time.process_time() - start, 4)
    return record


def chunk(start: int, until: int, folder: str) -> None:
    """Judges the mutants of some numbers, where they can do no harm."""
    os.chdir(tempfile.mkdtemp())
    keep(Path(folder) / f"{start:07}.jsonl", (judge(number) for number in range(start, until)))


def report(folder: Path, stream: io.TextIOBase | Any = sys.stdout) -> bool:
    """Prints what became of all mutants; says whether all is well."""
    outcomes: Counter[str] = Counter()
    said: Counter[str] = Counter()
    bad, slowest, seconds = [], (0.0, 0), 0.0
    for record in records(folder):
        outcomes[record["outcome"]] += 1
        slowest = max(slowest, (record["seconds"], record["number"]))
        seconds += record["seconds"]
        said[record.get("said", "").partition("[")[0].partition(":")[0]] += 1
        if record["outcome"] == "crashed" or record["seconds"] > SECONDS:
            bad.append(record)
    print(f"{outcomes.total():,} mutants in {seconds:,.0f} s: {dict(outcomes)}", file=stream)
    print(f"slowest {slowest[0]:.2f} s, number {slowest[1]}", file=stream)
    for record in bad[:20]:
        print(json.dumps(record), file=stream)
    return not bad


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--until", type=int, default=1_000, help="how many mutants")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--show", type=int, help="print one mutant and what becomes of it")
    options = parser.parse_args()
    if options.show is not None:
        print(mutant(options.show)[0])
        record = judge(options.show)
        print(record.pop("trace", ""), record)
        return
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    starts = [n for n in range(0, options.until, CHUNK) if not (folder / f"{n:07}.jsonl").exists()]
    with ProcessPoolExecutor(options.processes) as pool:
        for task in [
            pool.submit(chunk, n, min(n + CHUNK, options.until), str(folder)) for n in starts
        ]:
            task.result()
    sys.exit(not report(folder))


if __name__ == "__main__":
    main()
