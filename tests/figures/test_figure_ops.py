"""The graph of ops: weights that are applied again are said so, and repeats are folded."""

import archdsl
from tests.figures.truth import lies
from tests.support import graph_of

REPEATS = """
    blocks: {unit: {residual: {body: [{conv: {kernel: 3}}, relu]}}}
    input: [4, 8, 8]
    backbone: {stem: {conv: {kernel: 3}}, a: {unit: {}, repeat: 5}, z: {conv: {kernel: 1, out: 2}}}
"""


def test_repeats_are_folded_as_asked() -> None:
    graph = graph_of(REPEATS)
    figure = archdsl.draw(graph, kind="graph", fold="2")
    text = figure.render(".dot").decode()
    assert "the same ×3" in text and '"a.1._add" -> "a.2"' in text and '"a.2" -> z' in text
    assert "a.3" not in text
    assert list(lies(figure, [graph], "graph")) == []


def test_repeats_are_drawn_unless_asked_otherwise() -> None:
    figure = archdsl.draw(graph_of(REPEATS), kind="graph")
    assert "the same" not in figure.render(".dot").decode()


def test_blocks_that_differ_are_not_folded() -> None:
    graph = graph_of(REPEATS.replace("unit: {}, repeat: 5", "seq: [unit, unit, tanh, unit]"))
    text = archdsl.draw(graph, kind="graph", fold="2").render(".dot").decode()
    assert "the same" not in text


def test_weights_that_are_applied_again_are_said_so() -> None:
    graph = graph_of("""
        input: {left: [1, 8, 8], right: [1, 8, 8]}
        backbone:
          tower: {conv: {kernel: 3, out: 4}, each: [left, right]}
          d: {concat: {}, from: tower}
    """)
    text = archdsl.draw(graph, kind="graph").render(".dot").decode()
    assert text.count("weights of tower") == 1
