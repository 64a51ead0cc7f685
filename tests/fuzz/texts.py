"""Specs of hostile texts, by number: `python -m tests.fuzz.texts --until 100000 OUT`.

A small spec says hostile things - quotes, escapes, newlines, control and bidirectional characters,
words of Python, formulas, markup, very long ones - in some of its texts, names, arguments and
expressions, or raw in its YAML. It must end in errors with places, or in a network: then its source
holds nothing but what the emitter writes, and differs from that of a harmless spec in docstrings
alone if only texts differ; and every figure and table is one that its format's parser reads, with
no markup but its own. A run writes a line of JSON for each number into files of OUT, one for 500,
and goes on where an earlier one stopped; `--start` and `--until` are a range.
"""

import argparse
import ast
import csv
import io
import json
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import yaml

import archdsl
from archdsl import Graph, UsageError
from archdsl.diagnostics.formats import FORMATS as REPORTS
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.elaborate.document import elaborate
from archdsl.figures.options import KINDS
from archdsl.language.loader import Loader
from archdsl.lint.rules import LINTS, lint
from archdsl.pytorch.allowed import allowed
from archdsl.tables.summary import FORMATS as TABLES
from tests.fuzz.mutate import keep, records

CHUNK = 500
SECONDS = 5.0
SUFFIXES = (".svg", ".tex", ".dot", ".pdf")
COUNTS = {"diff": 2, "scaling": 2}
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
PIECES = (
    "\"", "'", '"""', "'''", "\\", "\\\\", "\\n", "\\x41", "\\N{BELL}", "\n", "\r\n", "\t", "\0",
    "\x1b[31m", "\x07", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\u200b", "\ufeff", "{}",
    "{0}", "{x!r}", "%s", "%(a)s", "$HOME", "$(id)", "`id`", "#{x}", "${x}", "<b>", "</svg>",
    "<script>alert(1)</script>", "<!--", "]]>", "&amp;", "&#0;", "\\input{x}", "\\write18{x}",
    "\\end{tabular}", "^^M", "_", "&", "#", "%", "~", "|", "*", "=1+1", "+1", "-1", "@SUM(1)",
    "=cmd|' /C calc'!A0", "__import__('os').system('true')", 'open("EXECUTED", "w")', "lambda: 0",
    "None", "True", "class", "def f():", "import os", "self", "nn", "torch", "Tensor", "__class__",
    "eval", ")", "(", "]", "[", "}", "{", ":", ",", ";", "é", "变", "ａ", "\U0001f600", "0",
    "1e999", ".inf", "-0.0", "i", "a b", " ",
    "", "x" * 300, "y " * 200, "../..", "/etc/passwd", "a\\",
)  # fmt: skip
NAMES = (
    "none", "true_", "nn", "torch", "x", "self", "F", "Tensor", "exec", "match", "type", "_", "__",
    "__class__", "class", "None", "forward", "items", "a-b", "0", "01", "v" * 84, "v" * 300, "é",
    "conv1d", "permute", "input", "C", "row", "first", "sum", "layers", "module", "a.b", "", "x2",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    0, 1, 2, 3, -1, 10**30, 0.5, 1e-7, -0.0, 1e308, float("inf"), float("nan"), True, None, [], {},
    [1, 2], "C", "C // 2", "1 / 0", "note", "k", "same", "1e999", "x" * 1200, "9 ** 9", "true",
)  # fmt: skip


def texts(random: Random) -> str:
    """A hostile text of some pieces."""
    return "".join(random.choice(PIECES) for _ in range(random.choice((1, 1, 2, 3, 6))))


def document(random: Random, hostile: frozenset[str]) -> dict[str, Any]:
    """A small spec, with what is hostile of `texts`, `names`, `values`; else it is harmless."""

    def text(plain: str) -> str:
        return texts(random) if "texts" in hostile and random.random() < 0.5 else plain

    def name(plain: str) -> str:
        return random.choice((*NAMES, texts(random))) if odd("names") else plain

    def value(plain: Any) -> Any:
        return random.choice((*VALUES, texts(random))) if odd("values") else plain

    def odd(what: str) -> bool:
        return what in hostile and random.random() < 0.12

    words = ("title", "authors", "venue", "arxiv", "doi", "url", "table", "figure", "section")
    block, width, tap, inner = name("unit"), name("width"), name("c1"), name("conv")
    call = {block: {width: value(4), "note": text("plain")}, "repeat": value(2), "tap": tap}
    return {
        "archdsl": 1,
        "name": name("net"),
        "doc": text("text"),
        "cite": {word: text("2026") for word in words},
        "input": [value(4), 8, 8],
        "params": {name("classes"): {"type": "int", "default": value(5), "doc": text("text")}},
        "blocks": {
            block: {
                "doc": text("text"),
                "params": {width: "int", "note": {"type": "str", "default": text("n")}},
                "residual": {
                    "body": {
                        inner: {"conv": {"out": width, "kernel": value(3)}},
                        "relu": {
                            "relu": {},
                            "if": value("width > 3") if width == "width" else True,
                        },
                    }
                },
            }
        },
        "backbone": {
            name("stem"): {"conv": {"out": value(4), "kernel": value(1), "init": value("zeros")}},
            name("stage"): call,
            name("last"): {block: {width: value(4), "note": text("other")}},
            name("scale"): {"scale": {"factor": value(0.5)}},
            name("up"): {"resize": {"scale": 2, "mode": value("nearest")}},
        },
        "outputs": {name("out"): name("up"), name("low"): tap},
        "weights": {text("timm"): {"doc": text("text"), "url": text("u"), "keys": {}}},
    }


def mutant(number: int) -> tuple[str, frozenset[str]]:
    """The text of a number's spec, and what of it is hostile."""
    random = Random(number)
    choices = (("texts",), ("texts",), ("names",), ("values",), ("texts", "names", "values"))
    hostile = frozenset(random.choice(choices))
    data = document(random, hostile)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=random.random() < 0.5)
    if random.random() < 0.1:  # raw, so that it is YAML, well or badly
        place = random.randrange(len(text))
        text = text[:place] + texts(random) + text[place:]
        hostile = frozenset({"raw"})
    return text, hostile


@cache
def harmless() -> Graph:
    data = document(Random(0), frozenset())
    return archdsl.loads(yaml.safe_dump(data, sort_keys=False))


@cache
def harmless_code() -> str:
    return code(archdsl.emit(harmless()))


def graph_of(text: str) -> Graph | None:
    """The graph of a spec, as `check` finds it; else errors with places, in every format."""
    sink = Sink()
    loader = Loader(sink)
    read = loader.loads(text, "spec.yaml")
    graph = elaborate(read, sink, loader.limits) if read is not None else None
    if read is not None and graph is not None:
        lint(read, graph, LINTS, sink)
    found = in_order(sink.diagnostics)
    for show in REPORTS.values():
        shown = show(found, loader.sources, False)
        assert not CONTROL.search(shown), "control characters in a report"
    assert (graph is None) <= sink.failed, "no graph and no error"
    return None if sink.failed else graph


def code(source: str) -> str:
    """The tree of a source without its docstrings."""
    tree = allowed(source)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


def hold_figure(suffix: str, data: bytes) -> None:
    """Asserts that a figure has nothing but its own markup."""
    if suffix == ".pdf":
        assert data.startswith(b"%PDF")
        return
    text = data.decode()
    if suffix == ".svg":
        for element in ElementTree.fromstring(text).iter():
            tag = element.tag.rpartition("}")[2]
            assert tag not in ("script", "foreignObject", "image", "a", "iframe"), tag
            names = {name.rpartition("}")[2] for name in element.attrib}
            assert not any(name == "href" or name.startswith("on") for name in names), names
        return
    assert not CONTROL.search(text.replace("\t", "")), "control characters in a figure"
    if suffix == ".tex":
        own = "%", r"\def\slab#1"
        lines = [line for line in text.splitlines() if not line.startswith(own)]
        found = set(re.findall(r"\\(input|write|end\{document|include|openout|catcode|def)\b",
                               "\n".join(lines)))  # fmt: skip
        assert not found, found


def hold_table(format: str, text: str) -> None:
    """Asserts that a table has nothing but its own markup, and no formulas."""
    assert not CONTROL.search(text), "control characters in a table"
    if format == "csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells), "a formula"
    elif format == "json":
        json.loads(text)
    elif format in ("markdown", "html"):
        assert Tags(re.sub(r"\\.", "", text)).found <= {"table", "tr", "th", "td", "br"}


def outputs(graph: Graph, number: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """All that is made of a network, each with a name; PDF is half of the time, and of one kind."""
    for format in (*TABLES, "latex"):
        yield f"summary {format}", partial(table, graph, format)
    kinds = list(KINDS)
    for kind in kinds:
        left_out = () if kind == kinds[number % len(kinds)] else (".pdf",)
        yield f"draw {kind}", partial(figure, graph, kind, left_out)
    yield "json", lambda: Graph.from_json(graph.to_json())


def table(graph: Graph, format: str) -> None:
    hold_table(format, archdsl.summarize(graph).render(format))


def figure(graph: Graph, kind: str, left_out: tuple[str, ...]) -> None:
    wide: dict[str, Any] = {} if kind == "table" else {"width": "60in"}
    made = archdsl.draw(*[graph, harmless()][: COUNTS.get(kind, 1)], kind=kind, **wide)
    if kind == "hero":
        asked: Any = ("caption", "label", "bib")
        hold_figure(".tex", archdsl.draw(graph, with_=asked, **wide).render(".tex"))
    for suffix in made.formats():
        if suffix in (*SUFFIXES, ".md", ".html", ".mmd") and suffix not in left_out:
            hold_figure(suffix, made.render(suffix))


def judge(number: int) -> dict[str, Any]:
    """What became of a number: rejected, built or failed, how many refusals, and how long."""
    start = time.process_time()
    text, hostile = mutant(number)
    record: dict[str, Any] = {"number": number, "outcome": "rejected", "refused": 0}
    doing = "check"
    try:
        graph = graph_of(text)
        if graph is not None:
            record["outcome"], doing = "built", "emit"
            source = archdsl.emit(graph)
            assert not CONTROL.search(source), "control characters in a source"
            same = code(source) == harmless_code()
            assert same or hostile != {"texts"}, "a text changed what runs"
            for name, make in outputs(graph, number):
                doing = name
                try:
                    make()
                except UsageError:
                    record["refused"] += 1
    except Exception:
        record |= {"outcome": "failed", "doing": doing, "trace": traceback.format_exc()}
        record["text"] = text
    record["seconds"] = round(time.process_time() - start, 4)
    return record


def chunk(start: int, until: int, folder: str) -> None:
    """Judges some numbers, and writes what became of them."""
    keep(Path(folder) / f"{start:07}.jsonl", (judge(number) for number in range(start, until)))


def report(folder: Path, seconds: float) -> bool:
    """Prints what a run found; whether all is as promised."""
    found = list(records(folder))
    outcomes = Counter(record["outcome"] for record in found)
    slowest = max(found, key=lambda record: record["seconds"])
    print(f"{len(found):,} specs in {seconds:.0f} s: {dict(outcomes)}")
    print(f"slowest {slowest['seconds']} s: number {slowest['number']}")
    for record in found:
        if record["outcome"] == "failed":
            last = record["trace"].strip().splitlines()[-1]
            print(f"failed {record['number']}: {record['doing']}: {last}")
    return not outcomes["failed"] and slowest["seconds"] < SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the results are kept")
    parser.add_argument("--start", type=int, default=0, help="the first number, a multiple of 500")
    parser.add_argument("--until", type=int, default=100_000, help="the first number left out")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    numbers = range(arguments.start, arguments.until, CHUNK)
    todo = [number for number in numbers if not (folder / f"{number:07}.jsonl").exists()]
    with ProcessPoolExecutor(arguments.processes) as pool:
        tasks = [
            pool.submit(chunk, number, min(number + CHUNK, arguments.until), str(folder))
            for number in todo
        ]
        for task in tasks:
            task.result()
    sys.exit(0 if report(folder, time.perf_counter() - start) else 1)


if __name__ == "__main__":
    main()
