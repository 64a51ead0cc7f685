"""Drawing takes steps that grow with the network, or is refused for a limit that is said.

Steps are the lines that Python runs, each turn of a loop counted, for a network and for one twice
as large.
"""

import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl import Graph, UsageError
from archdsl.figures.canvas.theme import load_theme
from archdsl.figures.network.dominators import Dominators
from archdsl.figures.options import KINDS
from archdsl.graph.graph import INPUT
from archdsl.tables import plots
from tests.examples import pairs

N = 60  # of what grows, in the smaller network
PAST = {  # networks of which both are past a limit, one row of a strip, or a paper's width
    *((shape, kind) for shape in ("skips", "nested") for kind in ("hero", "pyramid")),
    ("down and up", "hero"), ("down and up", "strip"),
    *(("paths", kind) for kind in ("strip", "columns", "scaling", "diff")),  # of a page's blocks
}  # fmt: skip
CONV = "{conv: {kernel: 1}}"


def line(count: int) -> str:
    return "".join(f"  c{n}: {CONV}\n" for n in range(count))


def skips(count: int) -> str:
    """Long ones: what is first is joined to what comes last."""
    joins = (f"  a{n}: {{add: {{}}, from: [c{n}, {f'a{n - 1}' if n else f'c{count - 1}'}]}}\n"
             for n in range(count))  # fmt: skip
    return line(count) + "".join(joins)


def nested(count: int) -> str:
    """What is first is joined to what comes first: skips around skips."""
    joins = (f"  a{n}: {{add: {{}}, from: [c{n}, {f'a{n + 1}' if n < count - 1 else f'c{n}'}]}}\n"
             for n in reversed(range(count)))  # fmt: skip
    return line(count) + "".join(joins)


def widths(count: int) -> str:
    body = "[{{conv: {{kernel: 1, out: {}}}}}, {{conv: {{kernel: 1, out: 4}}}}]"
    return "".join(f"  r{n}: {{residual: {{body: {body.format(n + 1)}}}}}\n" for n in range(count))


def repeated(item: str) -> Callable[[int], str]:
    return lambda count: f"  r: {{inline: [{item}], repeat: {count}}}\n"


SHAPES: dict[str, Callable[[int], str]] = {
    "line": line,
    "skips": skips,
    "nested": nested,
    "widths": widths,
    "paths": lambda n: (
        "  b: {branches: {paths: {" + ", ".join(f"p{i}: [{CONV}]" for i in range(n // 3)) + "}}}\n"
    ),
    "stages": lambda n: "".join(  # of one block each
        f"  s{i}: {{residual: {{body: [{CONV}, relu], shortcut: {{p: {CONV}}}}}}}\n"
        f"  t{i}: {{conv: {{kernel: 1, out: {i + 1}}}}}\n"
        for i in range(n // 3)
    ),
    "conv, relu": repeated(f"{CONV}, relu"),
    "alternating": repeated("{conv: {kernel: 1, out: 8}}, {conv: {kernel: 3, out: 16}}"),
    "down and up": repeated("{conv: {kernel: 3, stride: 2}}, {resize: {scale: 2}}"),
    "residuals": repeated(f"{{residual: {{body: [{CONV}, relu]}}}}"),
    "dense": lambda n: (
        f"  d: {{dense: {{layer: [{{conv: {{kernel: 3, out: 1}}}}], repeat: {n // 3}}}}}\n"
    ),
    "attention": lambda n: f"  t: tokens\n  a: {{attention: {{heads: 2}}, repeat: {n}}}\n",
    "each": lambda n: (
        f"  a: {CONV}\n  e: {{conv: {{kernel: 1}}, each: [{', '.join(['a'] * (n // 3))}]}}\n"
        "  z: {add: {}, from: e}\n"
    ),
    "outputs": lambda n: (
        line(n) + "outputs: {" + ", ".join(f"o{i}: c{i}" for i in range(n)) + "}\n"
    ),
}  # fmt: skip


@cache
def network(shape: str, count: int) -> Graph:
    return archdsl.loads(
        f"archdsl: 1\nname: n\ninput: [4, 8, 8]\nbackbone:\n{SHAPES[shape](count)}"
    )


def steps(work: Callable[[], object]) -> int:
    """How many lines a piece of work runs; to be refused is work, too."""
    count = 0

    def see(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return see

    before = sys.gettrace()
    sys.settrace(see)
    try:
        work()
    except UsageError:
        pass
    finally:
        sys.settrace(before)
    return count


def drawn(graph: Graph, kind: str) -> None:
    graphs = [graph] * (2 if kind in ("diff", "scaling") else 1)
    options = {} if kind == "table" else {"width": "100in"}
    figure = archdsl.draw(*graphs, kind=kind, **options)  # type: ignore[arg-type]
    figure.render(".dot" if kind == "graph" else figure.formats()[0])


@pytest.mark.parametrize(("shape", "kind"), pairs(SHAPES, KINDS, 12))
def test_twice_the_network_is_at_most_about_twice_the_steps(shape: str, kind: str) -> None:
    drawn_once(kind)
    count = 4 * N if (shape, kind) in PAST else N
    small, large = (
        steps(lambda n=n: drawn(network(shape, n), kind))  # type: ignore[misc]
        for n in (count, 2 * count)
    )
    assert large < 2.4 * small + 2000


@cache
def drawn_once(kind: str) -> None:
    """What is read or imported at the first figure is no part of the others."""
    load_theme("paper")
    steps(lambda: drawn(network("line", 4), kind))
    steps(lambda: drawn(network("residuals", 4), kind))


@pytest.mark.parametrize("plot", [plots.memory, plots.field, plots.cost])
def test_plots_of_many_stages_take_steps_as_these_are(plot: Any, tmp_path: Path) -> None:
    """Of 9,000 stages the smaller ones are one bar: 72 s, when each had its own."""
    plot([network("line", 4)], tmp_path / "a.svg")
    small, large = (
        steps(lambda n=n: plot([network("line", n)], tmp_path / "a.svg"))  # type: ignore[misc]
        for n in (4 * N, 8 * N)
    )
    assert large < 2.2 * small


def test_the_largest_pyramid_takes_few_steps() -> None:
    """Its cells are placed all against all, and so are at most 400."""
    graph = network("skips", 199)
    assert steps(lambda: drawn(graph, "pyramid")) < 10_000_000


def test_a_plot_of_costs_says_how_many_stages_its_last_bar_is(tmp_path: Path) -> None:
    plots.cost([network("line", 100)], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert ">41 others<" in text


@pytest.mark.parametrize(
    ("shape", "count", "kind", "message"),
    [
        ("skips", 300, "hero", "600 parts that are no line, more than the 400 of a pyramid"),
        ("line", 3000, "columns", "3,000 layers of n would be .* inches tall, more than the 200"),
        ("down and up", 5000, "strip", "in 6 rows does not fit a width of 396 pt"),
        ("alternating", 5000, "diff", "10,000 layers .* kind strip, fold auto or a part .only."),
        ("residuals", 1100, "graph", "ops are too many to draw; choose a part with --only"),
    ],
)  # fmt: skip
def test_a_limit_is_said_in_its_terms(shape: str, count: int, kind: str, message: str) -> None:
    options = {"fold": "none"} if kind == "columns" else {}
    with pytest.raises(UsageError, match=message):
        archdsl.draw(
            *[network(shape, count)] * (2 if kind == "diff" else 1), kind=kind, **options  # type: ignore[arg-type]
        ).render(".svg")  # fmt: skip


def test_what_two_places_have_in_common_is_found_in_few_steps() -> None:
    """A line of 4,000 with 2,000 skips of 2,000 places took 2,000 steps for each."""
    found = Dominators()
    ids = [INPUT, *(str(n) for n in range(4000))]
    for before, id in pairwise(ids):
        found.add(id, [before])
    assert found.meet(["10", "3990"]) == "10"
    assert steps(lambda: [found.meet([str(n), str(n + 2000)]) for n in range(2000)]) < 2000 * 120
    found.add("join", ["10", "3990"])
    assert found.meet(["join", "3000"]) == "10" and found.first("10", "3990") == "11"
