"""The graph of ops: weights that are applied again are said so, and repeats are folded."""

import pytest

import archdsl
from archdsl.figures.canvas.scene import Text
from archdsl.figures.kinds.legend import words_of
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


def test_one_that_repeats_another_is_not_counted() -> None:
    graph = graph_of(REPEATS.replace("repeat: 5", "repeat: 3"))
    figure = archdsl.draw(graph, kind="graph", fold="2")
    assert "the same again" in figure.render(".dot").decode()
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


def labels_of(backbone: str) -> str:
    graph = graph_of(f"input: [64, 8, 8]\nbackbone: {backbone}")
    return archdsl.draw(graph, kind="graph").render(".dot").decode()


def test_a_slice_says_which_channels() -> None:
    said = {
        "{stop: 32}": "first 32",
        "{start: 48}": "last 16",
        "{start: 60, stop: 64}": "last 4",
        "{start: 8, stop: 24}": "slice 8:24",
        "{step: 2}": "slice 0::2",
        "{stop: 2, axis: 1}": "slice 0:2 of axis 1",
        "{start: 1, step: 3, axis: 2}": "slice 1::3 of axis 2",
    }
    for arguments, label in said.items():
        assert f'"{label}\\n' in labels_of(f"{{a: {{slice: {arguments}}}}}")


def test_equal_parts_are_counted_and_others_are_not() -> None:
    """So that blocks of other widths are one."""
    text = "{a: {branches: {split: %s, join: concat, paths: %s}}}"
    even = labels_of(text % ("[16, 16, 16, 16]", "{x: [], y: [], z: [], u: []}"))
    assert all(f"part {n} of 4\\n" in even for n in (1, 2, 3, 4))
    odd = labels_of(text % ("[16, 16, 32]", "{x: [], y: [], z: [relu]}"))
    assert all(word in odd for word in ("first 16\\n", "slice 16:32\\n", "last 32\\n"))


def test_a_dense_block_that_is_one_node_stands_for_all_in_it() -> None:
    graph = graph_of("input: [8, 8, 8]\nbackbone: {d: {dense: {layer: [layer_norm], repeat: 2}}}")
    assert list(lies(archdsl.draw(graph, kind="graph"), [graph], "graph")) == []


GATE = """
    input: [8, 8, 8]
    blocks:
      gated: {branches: {join: multiply, paths: {_x: [], _gate: {inline: [GATE, sigmoid]}}}}
      unit: {residual: {body: {a: {conv: {kernel: 3}}, g: gated}}}
    backbone: {stem: {conv: {kernel: 3}}, u: unit}
"""
MEAN, TWO = "global_avg_pool", "{conv: {out: 2, kernel: 1}}, relu, {conv: {out: 8, kernel: 1}}"


@pytest.mark.parametrize(
    ("gate", "excites"),
    [
        (f"{MEAN}, {TWO}", True),
        (f"{{adaptive_avg_pool: {{size: 1}}}}, {TWO}", True),
        (f"{{adaptive_avg_pool: {{size: 2}}}}, {TWO}, {{resize: {{size: 8}}}}", False),
        (f"global_max_pool, {TWO}", False),
        (f"{MEAN}, {{conv: {{kernel: 1}}}}", False),
        ("tanh", False),
        (f"{MEAN}, {TWO}, {{conv: {{kernel: 1}}}}", False),
        (f"{MEAN}, {{conv: {{kernel: 1, groups: 2}}}}, {{conv: {{kernel: 1}}}}", False),
    ],
)
def test_only_two_layers_of_the_means_are_squeeze_and_excite(gate: str, excites: bool) -> None:
    """Hu et al., figure 3; ESE has one layer, CBAM takes the maxima, too."""
    figure = archdsl.draw(graph_of(GATE.replace("GATE", gate)), kind="block")
    assert figure.scene is not None
    said = [item.plain for item in figure.scene.flat() if isinstance(item, Text)]
    assert any(word.startswith("SE") for word in said) == excites


def test_layers_that_a_block_applies_again_say_so() -> None:
    """CBAM, equation 2: means and maxima go through the same two layers."""
    figure = archdsl.draw(archdsl.load("cbam_resnet50"), kind="block", width="double")
    assert figure.scene is not None
    said = [item.plain for item in figure.scene.flat() if isinstance(item, Text)]
    assert "1×1, 64, weights of fc1" in said and not any(word.startswith("SE") for word in said)


def test_norms_that_both_of_two_blocks_have_are_counted() -> None:
    said = archdsl.draw(archdsl.load("two_stream"), width="double").scene
    assert said is not None
    titles = [item.plain for item in said.flat() if isinstance(item, Text)]
    assert "(a) spatial stream, 2 lrn" in titles and "(b) temporal stream, 1 lrn" in titles


def test_the_legend_does_not_call_an_imported_part_a_convolution() -> None:
    assert words_of("conv", {"opaque"}) == "imported part"
    assert words_of("conv", {"conv", "opaque"}) == "k×k conv, imported part"
    assert words_of("conv", {"conv"}) == "k×k conv"
