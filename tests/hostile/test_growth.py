"""Every command takes steps that grow with the network, whatever it has very many of."""

import json
from collections.abc import Callable
from functools import cache
from resource import RUSAGE_SELF, getrusage

import pytest

import archdsl
from archdsl.analysis.diff import compare
from archdsl.analysis.measures import MEASURES, Device
from archdsl.analysis.summary import summarize
from archdsl.api import table
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.document import elaborate
from archdsl.elaborate.replay import COMMON
from archdsl.graph.graph import Graph
from archdsl.language.loader import Loader
from archdsl.lint.expect import expectations
from archdsl.lint.rules import LINTS, lint
from archdsl.tables.changes import FORMATS
from archdsl.yaml.limits import Limits
from tests.examples import pairs
from tests.fuzz.large import measured
from tests.hostile.shapes import ONLY_READ, SHAPES
from tests.steps import LINEAR, growth

MANY = 96


@cache
def graph_of(shape: str, number: int) -> Graph:
    return archdsl.loads(SHAPES[shape](number))


def summarized(graph: Graph) -> None:
    result = summarize(graph, 3, show=tuple(MEASURES), sort="macs", device=Device(1e12, 1e9))
    for format in ("table", "latex", "json"):
        table(result, graph).render(format)
    summarize(graph, by="block")


def compared(graph: Graph, shape: str, number: int) -> None:
    other = graph_of(shape, number + 12)
    for write in FORMATS.values():
        write(compare(graph, other))
    assert compare(graph, graph, 3).same


USES: dict[str, Callable[[Graph, str, int], object]] = {
    "summary": lambda graph, shape, n: summarized(graph),
    "diff": compared,
    "JSON": lambda graph, shape, n: Graph.from_json(graph.to_json()),
    "emit": lambda graph, shape, n: archdsl.emit(graph),
}


def checked(text: str) -> None:
    """All that `check --pedantic` does with a spec, nothing kept of others."""
    COMMON.clear()
    sink = Sink()
    loader = Loader(sink, Limits())
    document = loader.loads(text, "spec.yaml")
    assert document is not None
    graph = elaborate(document, sink, loader.limits)
    if graph is not None:
        expectations(document, graph, sink)
        lint(document, graph, LINTS, sink)


@pytest.mark.parametrize("shape", [*SHAPES, *ONLY_READ])
def test_checking_takes_steps_that_grow_with_the_spec(shape: str) -> None:
    text = (SHAPES | ONLY_READ)[shape]
    assert growth(lambda n: checked(text(n + 12)), MANY) < LINEAR


@pytest.mark.parametrize(("use", "shape"), pairs(USES, SHAPES, 5))
def test_a_use_takes_steps_that_grow_with_the_network(use: str, shape: str) -> None:
    for number in (2, MANY, 2 * MANY):
        graph_of(shape, 12 + number), graph_of(shape, 24 + number)

    def run(n: int) -> object:
        return USES[use](graph_of(shape, 12 + n), shape, 12 + n)

    assert growth(run, MANY) < LINEAR


@pytest.mark.parametrize("number", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_random_large_specs_take_little_time_and_memory(number: int) -> None:
    found = measured(seed=1, number=number, most=2_000)
    assert len(found) == number * 5
    assert max(one.seconds for one in found) < 20
    own = getrusage(RUSAGE_SELF).ru_maxrss / 1024  # what a child begins with
    assert max(one.megabytes for one in found) < 1000 + own


def slimming(number: int) -> Graph:
    """A block of parts, each as wide as the one before it and `n` say: sizes read sizes."""
    dense = {"layer": ["relu", {"slice": {"stop": "C // (i + 1)"}}], "repeat": "n"}
    part = {"seq": [{"dense": dense}, {"slice": {"stop": "C // (n + 1)"}}], "repeat": "n"}
    paths = {"p": [*[part] * number, {"conv": {"kernel": 3}}], "q": []}
    body = [{"branches": {"join": "add", "paths": paths}, "repeat": "n"}]
    spec = {
        "archdsl": 1, "name": "net", "input": [1, 9, 9],
        "backbone": [{"unit": {"n": 2}}, "unit", {"unit": {"n": 0}}],
        "blocks": {"unit": {"params": {"n": 1}, "body": body}},
    }  # fmt: skip
    return archdsl.loads(json.dumps(spec))


def test_a_size_that_reads_sizes_is_not_written_as_all_that_it_is_made_of() -> None:
    few, many = (len(archdsl.emit(slimming(number))) for number in (1, 8))
    assert many < 8 * few
