"""Norms, activations and classifiers of training are in a figure where they are asked for."""

from typing import Any

import pytest

import archdsl
from archdsl import Graph
from archdsl.figures.canvas.scene import Text
from archdsl.figures.figure import Figure
from tests.figures.truth import lies
from tests.support import graph_of

BLOCKS = """
    blocks:
      unit:
        residual:
          body: [{conv: {kernel: 3}}, batch_norm, relu, {conv: {kernel: 3}}, batch_norm]
    input: [4, 8, 8]
    backbone: {stem: [{conv: {kernel: 3}}, batch_norm, silu], a: unit, drop: dropout}
"""


def shown(graph: Graph, show: str, kind: str = "hero") -> Figure:
    options: dict[str, Any] = {"width": "double", "show": show}
    figure = archdsl.draw(graph, kind=kind, **options)
    assert list(lies(figure, [graph], kind)) == []
    return figure


def words(figure: Figure) -> list[str]:
    assert figure.scene is not None
    return [item.plain for item in figure.scene.flat() if isinstance(item, Text)]


@pytest.mark.parametrize(
    ("show", "stem", "boxes", "left_out"),
    [
        ("names", "3×3", [], "batch norm, silu, relu, dropout"),
        ("names,norms", "3×3, batch norm", ["batch norm"] * 2, "silu, relu, dropout"),
        ("names,acts", "3×3, silu", ["relu"], "batch norm, dropout"),
        (
            "names,norms,acts",
            "3×3, batch norm, silu",
            ["batch norm", "relu", "batch norm"],
            "dropout",
        ),
    ],
)
def test_norms_and_activations_are_boxes_in_blocks_and_words_elsewhere(
    show: str, stem: str, boxes: list[str], left_out: str
) -> None:
    figure = shown(graph_of(BLOCKS), show)
    found = words(figure)
    assert stem in found
    assert [text for text in found if text in ("batch norm", "relu")] == boxes
    assert figure.left_out == f"Not drawn: {left_out}."


def test_norms_and_activations_are_words_of_the_op_before_them() -> None:
    """In a block and out of it; what ends in a sum, or begins a block, has a box of its own."""
    text = BLOCKS.replace("body: [", "after: relu\n          body: [tanh, ")
    found = words(figure := shown(graph_of(text), "names,acts=fused"))
    assert {"3×3, batch norm, silu", "tanh", "3×3, 4, batch norm, relu", "relu"} <= {*found}
    assert "3×3, 4, batch norm" in found and "batch norm" not in found
    assert figure.left_out == "Not drawn: dropout."


@pytest.mark.parametrize(
    "name", ["resnet50", "densenet121", "mobilenet_v3_large", "dla34", "convnext_tiny", "vit_b_16"]
)
def test_fused_or_not_a_figure_says_what_is_so(name: str) -> None:
    graph = archdsl.load(name)
    for kind in ("hero", "block"):
        shown(graph, "names,shapes,acts=fused", kind)


def test_all_shows_class_tokens_and_position_embeddings() -> None:
    found = words(shown(archdsl.load("vit_b_16"), "names,all", "strip"))
    assert {"class_token", "pos_embedding", "16×16, /16, tokens"} <= {*found}


def test_a_classifier_of_training_is_a_result() -> None:
    graph = graph_of("""
        input: [4, 8, 8]
        backbone: {a: {conv: {kernel: 3}}, b: {conv: {kernel: 3}}}
        aux: {side: {conv: {kernel: 1, out: 2}, from: a}}
    """)
    assert "side (in training only)" in shown(graph, "names").left_out
    figure = shown(graph, "names,aux")
    assert figure.left_out == "" and "side" in words(figure)
