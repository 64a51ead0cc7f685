"""Figures and tables assume no chain: whatever is legal is drawn, or refused with a reason."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

import archdsl
from archdsl import UsageError
from archdsl.figures.canvas.pen import LINE
from archdsl.figures.canvas.png import png
from archdsl.figures.canvas.scene import Path as Line
from archdsl.figures.canvas.scene import Scene, Text, groups
from archdsl.figures.network.description import describe
from archdsl.figures.options import KINDS
from tests.figures.truth import lies
from tests.fuzz.figures import judge, tabulated
from tests.support import graph_of

SWISH = """
    input: [4, 8, 8]
    blocks: {swish: {body: {s: sigmoid, m: {multiply: {}, from: [input, s]}}}}
    backbone: [{conv: {kernel: 3}}, swish]
"""
NORM = """
    input: [4, 8, 8]
    backbone: [{conv: {out: 8, kernel: 3}}, {residual: {body: [batch_norm]}}]
"""
NOTHING = """
    input: [4, 8, 8]
    backbone: [relu, tanh]
"""


@pytest.mark.parametrize(
    "number", [*range(8), 494, *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, 24))]
)
def test_random_networks_are_drawn_or_refused_with_a_reason(number: int) -> None:
    """More of them: `python -m tests.fuzz.figures`."""
    record = judge(number)
    assert record["failed"] == {}
    assert all(reason.strip() for reason in record["refused"].values())
    assert record["figures"] > 5


@pytest.mark.parametrize(("text", "block"), [(SWISH, "swish"), (NORM, "residual")])
def test_a_block_without_layers_is_drawn_as_what_it_is(text: str, block: str) -> None:
    graph = graph_of(text)
    for kind in ("hero", "strip", "block", "columns", "table", "graph"):
        figure = archdsl.draw(graph, kind=kind)
        assert figure.render(figure.formats()[-1])
    table = archdsl.draw(graph, kind="table").render(".md").decode()
    said = {"swish": "(identity \\| sigmoid) → multiply"}.get(block, f"{block}, ")
    assert said in table
    if block != "swish":
        assert f"{block}, " in archdsl.summarize(graph).render("latex")


def test_activations_alone_have_an_empty_table_and_no_picture() -> None:
    graph = graph_of(NOTHING)
    assert "params / MACs" in archdsl.draw(graph, kind="table").render(".md").decode()
    assert "tanh" in archdsl.draw(graph, kind="graph").render(".dot").decode()
    for kind in set(KINDS) - {"table", "graph"}:
        with pytest.raises(UsageError, match="no layers, blocks or joins; kind graph shows"):
            archdsl.draw(graph, kind=kind)


def test_results_that_are_the_input_are_no_cells() -> None:
    graph = graph_of("""
        input: [4, 8, 8]
        backbone: {a: {conv: {kernel: 3, stride: 2}}, b: {resize: {like: input}},
                   c: {add: {}, from: [input, b]}}
        outputs: {same: input, sum: c}
    """)
    figure = archdsl.draw(graph, kind="pyramid")
    assert b"sum" in figure.render(".svg")


def test_the_input_alone_has_every_column_of_a_summary() -> None:
    graph = graph_of("""
        input: [4, 8, 8]
        backbone: {a: {conv: {kernel: 1}}}
        outputs: {same: a}
    """)
    tabulated(replace(graph, nodes=(), scopes=(), outputs={"same": "input"}), "stage")


def test_enlargements_one_after_the_other_are_said_on_the_way() -> None:
    graph = graph_of("""
        input: [4, 8, 8]
        backbone:
          a: {conv: {kernel: 3, stride: 2}}
          b: {conv: {kernel: 3, stride: 2}}
          up: {resize: {scale: 2}}
          again: {resize: {scale: 1.5}}
          c: {resize: {size: [4, 4]}}
          d: {add: {}, from: [a, c]}
    """)
    assert "×2 ×1.5 to 4×4" in texts(archdsl.draw(graph, kind="pyramid"))


def test_blocks_whose_ops_take_turns_are_opened() -> None:
    """No spec says so, but a graph in JSON may."""
    graph = graph_of("""
        input: [4, 8, 8]
        blocks: {pair: {body: [{conv: {kernel: 3}}, {conv: {kernel: 3}}]}}
        backbone: {a: pair, b: pair}
    """)
    first, second, third, last = graph.nodes
    turns = (
        first,
        replace(third, inputs=("a.0",)),
        replace(second, inputs=("b.0",)),
        replace(last, inputs=("a.1",)),
    )
    crossed = replace(graph, nodes=turns)
    assert [unit.id for unit in describe(crossed).units] == ["a.0", "b.0", "a.1", "b.1"]
    assert list(lies(archdsl.draw(crossed, kind="hero"), [crossed], "hero")) == []
    assert b'"a.1" -> "b.1"' in archdsl.draw(crossed, kind="graph").render(".dot")


TOWERS = """
    input: {left: [1, 16, 16], right: [1, 16, 16]}
    backbone:
      tower: {conv: {kernel: 3, out: 4}, each: [left, right]}
      d: {concat: {}, from: tower}
"""
AGAIN = """
    input: [4, 8, 8]
    backbone:
      a: {conv: {kernel: 3}}
      b: {max_pool: {kernel: 3, stride: 1, padding: same}}
      c: {use: a}
"""


def test_several_inputs_stand_beside_one_another() -> None:
    graph = graph_of(TOWERS)
    figure = archdsl.draw(graph)
    assert list(lies(figure, [graph], "hero")) == []
    words = texts(figure)
    assert {"left  1×162", "right  1×162", "on each of 2 maps"} <= {*words}


TRIPLET = """
    input: {anchor: [1, 28, 28], positive: [1, 28, 28], negative: [1, 28, 28]}
    backbone:
      conv: {conv: {kernel: 3, stride: 2, out: 8}, each: [anchor, positive, negative]}
      pool: {global_avg_pool: {}, each: ["*conv"]}
    outputs: %s
"""
PLAIN = '{a: "pool[0]", p: "pool[1]", n: "pool[2]"}'
COUNTED = '{x8: "pool[0]", x9: "pool[1]", x10: "pool[2]"}'


@pytest.mark.parametrize(("outputs", "said"), [(PLAIN, "a, p, n"), (COUNTED, "x8–10")])
def test_sizes_and_results_have_a_range_only_where_they_differ_and_count(
    outputs: str, said: str
) -> None:
    graph = graph_of(TRIPLET % outputs)
    words = texts(archdsl.draw(graph))
    assert {"8×142", "8", said} <= {*words}


def test_a_result_from_which_a_way_goes_on_is_named_inside_its_box() -> None:
    figure = archdsl.draw(
        graph_of("""
        input: [3, 32, 32]
        backbone:
          a: {conv: {kernel: 3, out: 8, stride: 2}}
          b: {conv: {kernel: 3, out: 8, stride: 2}}
        neck:
          up: {resize: {like: a}}
          n: {add: {}, from: [up, a]}
        outputs: {large: n, small: b}
    """)
    )
    assert {"large", "→ small"} <= {*texts(figure)}


def test_weights_that_are_used_again_are_said_so() -> None:
    graph = graph_of(AGAIN)
    figure = archdsl.draw(graph, kind="strip")
    assert list(lies(figure, [graph], "strip")) == []
    assert any("weights of a" in word for word in texts(figure))


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match="57,600 million pixels at 2400 dpi, more than"):
        png(Scene(7200, 7200, ()), 2400)


def texts(figure: Any) -> list[str]:
    return [item.plain for item in figure.scene.flat() if hasattr(item, "plain")]


@pytest.mark.parametrize(
    "name",
    [
        "unet",
        "resnet50_fpn",
        "retinanet_resnet50_fpn",
        "hrnet_w18",
        "efficientdet_d0",
        "yolov8n",
    ],
)
def test_slabs_of_a_network_that_branches_have_the_sizes_of_its_maps(name: str) -> None:
    """Heights by the square root of resolution, thickness by that of channels, ways as of boxes."""
    graph = archdsl.load(name)
    figure = archdsl.draw(graph, kind="pyramid", shape="slabs", width="double")
    assert figure.scene is not None
    assert list(lies(figure, [graph], "pyramid")) == []
    found = {}
    for group in groups(figure.scene.items):
        fronts = [item for item in group.items if isinstance(item, Line) and item.stroke]
        bold = [item for item in group.items if isinstance(item, Text) and item.runs[0].bold]
        if fronts and bold:
            left, top, right, bottom = fronts[0].box()
            found[group.id] = right - left - LINE, bottom - top - LINE
    for (id, (thick, high)), (other, (thick2, high2)) in pairwise(found.items()):
        a, b = (graph.spec([*graph.results_at(path)][-1]) for path in (id, other))
        if not (a.spatial and b.spatial):  # a vector is no map
            continue
        if min(thick, thick2) > 2.61:  # none is thinner
            assert thick / thick2 == pytest.approx((a.channels / b.channels) ** 0.5, rel=0.01)
        if min(high, high2) > 9.01:  # no slab is lower: it has a mark
            assert high / high2 == pytest.approx((a.spatial[0] / b.spatial[0]) ** 0.5, rel=0.01)
    assert len(found) > 5


def test_an_input_whose_size_alone_is_used_is_named() -> None:
    """No way leads from it, so none is drawn; the checker misses an input that is not named."""
    graph = graph_of("""
        input: {low: [8, 8, 8], guide: [1, 32, 32]}
        backbone:
          up: {resize: {like: guide}, from: low}
          c: {conv: {kernel: 3, out: 4}}
    """)
    for kind in ("pyramid", "hero", "table"):
        figure = archdsl.draw(graph, kind=kind)
        assert list(lies(figure, [graph], kind)) == []
        assert figure.caption.endswith("Not drawn: guide (its size alone is used).")
    silent = replace(archdsl.draw(graph, kind="pyramid"), omissions=())
    assert list(lies(silent, [graph], "pyramid")) == ["no input guide"]
