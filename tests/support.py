"""What tests of the front half share: specs in a few lines, and errors in one call.

A test writes the keys it is about; the required ones are added behind them, so that line numbers
count in what the test shows.
"""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import archdsl
from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.elaborate.document import elaborate
from archdsl.graph.graph import Graph
from archdsl.graph.verify import verify
from archdsl.language.loader import Loader
from archdsl.lint.expect import expectations
from archdsl.ops import OPS, Op, construct
from archdsl.ops.tensor import TensorSpec
from archdsl.yaml.limits import Limits

DOCS = Path(__file__).parent.parent / "docs"
needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX here")
REQUIRED = {"archdsl": "1", "name": "net", "input": "[3, 8, 8]", "backbone": "[relu]"}


TWO = """
archdsl: 1
name: two
input: {rgb: [3, 16, 16], depth: [1, 16, 16]}
backbone:
  a: {seq: {conv: {conv: {out: 8, kernel: 3}}, bn: batch_norm, relu: relu}, from: rgb}
  b: {seq: {conv: {conv: {out: 8, kernel: 3}}, bn: batch_norm}, from: depth}
  sum: {add: {}, from: [a, b]}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 5}}}
outputs: {map: sum, classes: fc}
"""


def whole(text: str) -> str:
    """The spec with its required keys."""
    text = dedent(text).lstrip("\n").rstrip() + "\n"
    lines = text.splitlines()
    missing = [key for key in REQUIRED if not any(line.startswith(f"{key}:") for line in lines)]
    return text + "".join(f"{key}: {REQUIRED[key]}\n" for key in missing)


def read(
    text: str, limits: Limits | None = None, name: str = "spec.yaml"
) -> tuple[Graph | None, list[Diagnostic]]:
    """The graph of a spec, if it has one, and everything that is wrong with it."""
    sink = Sink()
    loader = Loader(sink, limits or Limits())
    document = loader.loads(whole(text), name)
    graph = elaborate(document, sink, loader.limits) if document is not None else None
    if document is not None and graph is not None:
        expectations(document, graph, sink)
    return graph, in_order(sink.diagnostics)


def graph_of(text: str, name: str = "spec.yaml") -> Graph:
    """The graph of a spec that is right."""
    graph, diagnostics = read(text, name=name)
    assert diagnostics == []
    assert graph is not None
    verify(graph)
    return graph


def shapes(text: str) -> dict[str, str]:
    """What every node of a spec gives, by id: `{"conv1": "8x4x4"}`."""
    return {node.id: str(node.output) for node in graph_of(text).nodes}


def verbs(text: str) -> dict[str, str]:
    """The op of every node of a spec, by id."""
    return {node.id: node.op.verb for node in graph_of(text).nodes}


def wires(text: str) -> dict[str, str]:
    """The inputs of every node of a spec, by id: `{"add": "a b"}`."""
    return {node.id: " ".join(node.inputs) for node in graph_of(text).nodes}


def op(text: str, id: str = "0") -> Any:
    """One op of a spec."""
    return graph_of(text).by_id[id].op


def make(verb: str, given: Mapping[str, object], specs: Sequence[TensorSpec]) -> Op:
    """An op with these arguments, if it takes these inputs."""
    op = construct(OPS[verb], given, specs[0])
    op.infer(*specs)
    return op


def errors(text: str, limits: Limits | None = None, name: str = "spec.yaml") -> list[str]:
    """What is wrong with a spec, a line each: `3:5 E0205 unknown verb`."""
    _, diagnostics = read(text, limits, name)
    return [line(diagnostic) for diagnostic in diagnostics]


def line(diagnostic: Diagnostic) -> str:
    assert diagnostic.span is not None
    place = f"{diagnostic.span.line}:{diagnostic.span.column}"
    return f"{place} {diagnostic.code} {diagnostic.message}"


def check_error(
    text: str,
    line: int,
    column: int,
    code: str,
    message: str,
    help: str | None = None,
    limits: Limits | None = None,
) -> Diagnostic:
    """Asserts that a spec has this error and no other, and gives it for a look at its labels."""
    graph, diagnostics = read(text, limits)
    assert graph is None or code == "E0601"
    assert [_shown(found) for found in diagnostics] == [(line, column, code, message)]
    if help is not None:
        assert diagnostics[0].help == help
    return diagnostics[0]


def _shown(diagnostic: Diagnostic) -> tuple[int, int, str, str]:
    span = diagnostic.span
    assert span is not None
    return span.line, span.column, diagnostic.code, diagnostic.message


def labels(diagnostic: Diagnostic) -> list[str]:
    """The second places of a diagnostic, a line each: `3 gives 8x4x4`."""
    return [f"{label.span.line} {label.text}" for label in diagnostic.labels]


def write(folder: Path, **files: str) -> None:
    """Spec files of a folder, by name without `.yaml`."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(dedent(text).lstrip("\n"), encoding="utf-8")


def pdflatex(folder: Path, page: str) -> str:
    """Sets a page as `page.pdf` in a folder, and gives what LaTeX says; it finds no mistake."""
    (folder / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def resized(name: str, size: Sequence[int], params: Mapping[str, Any] | None = None) -> Graph:
    """A network of the gallery for another image."""
    text = f"archdsl: 1\nextends: {name}\nname: resized\ninput: {list(size)}\nexpect: {{}}\n"
    return archdsl.loads(f"{text}params: {json.dumps(params or {})}\n")


def require_network(source: str, graph: Graph) -> None:
    """Holds source to a graph: every setting and call, as `build` does."""
    from archdsl.pytorch.proof import prove

    prove(source, graph)


def page_module(name: str) -> Any:
    """A module of `docs/` that makes a page."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
