"""Networks whose ways cross: rows by resolution, modules that repeat drawn once."""

from collections import Counter
from dataclasses import replace

import pytest

import archdsl
from archdsl import Graph
from archdsl.figures.canvas.scene import Group, Text, groups
from archdsl.figures.draw import hero
from archdsl.figures.figure import Figure
from archdsl.figures.options import WIDTHS
from archdsl.language import gallery
from archdsl.ops import OPS
from tests.examples import some
from tests.figures.truth import lies


def words(figure: Figure) -> list[str]:
    assert figure.scene is not None
    return [item.plain for item in figure.scene.flat() if isinstance(item, Text)]


def group(figure: Figure, id: str) -> Group:
    assert figure.scene is not None
    return next(one for one in groups(figure.scene.items) if one.id == id)


def test_modules_that_repeat_are_drawn_once() -> None:
    """HRNet, figure 2: four modules of stage 3 and three of stage 4."""
    graph = archdsl.load("hrnet_w18")
    figure = hero(graph)
    assert list(lies(figure, [graph], "hero")) == []
    assert {"stage3 ×4", "stage4 ×3"} <= {*words(figure)}
    stands = group(figure, "stage3.0.fuse_layers.2").stands
    assert {f"stage3.{n}.fuse_layers.2" for n in range(4)} <= {*stands}


def test_modules_that_differ_are_all_drawn() -> None:
    graph = archdsl.load("hrnet_w18")
    changed = "stage3.2.branches.1.3"
    assert changed in graph.scope_by_id
    assert "stage3 ×4" not in words(hero(_with_silu(graph, changed)))


def _with_silu(graph: Graph, path: str) -> Graph:
    """The graph with another activation in a block."""
    node = next(n for n in graph.nodes if n.scope == path and n.op.verb == "relu")
    nodes = [replace(n, op=OPS["silu"]()) if n is node else n for n in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize(
    ("name", "width", "many"),
    [
        ("efficientdet_d0", "neurips", 17),
        ("hrnet_w18", "single", 20),
        ("unetplusplus_resnet34", "double", 5),
    ],
)
def test_what_is_wider_than_a_page_goes_on_in_the_next_line(
    name: str, width: str, many: int
) -> None:
    """What leaves a line has a number of its own, and comes in only where it is taken."""
    graph = archdsl.load(name)
    figure = archdsl.draw(graph, kind="pyramid", width=width)
    assert list(lies(figure, [graph], "pyramid")) == []
    assert figure.scene is not None
    marks = [i for i in figure.scene.items if isinstance(i, Text) and i.plain.isdecimal()]
    leaving, coming = (
        Counter(i.plain for i in marks if i.anchor == side) for side in ("start", "end")
    )
    assert leaving.keys() == coming.keys() == {str(n + 1) for n in range(len(leaving))}
    assert len(leaving) == many and all(leaving[n] <= coming[n] for n in leaving)


def test_layers_that_come_again_are_drawn_once_with_what_differs() -> None:
    """WaveNet, figure 4: each layer feeds the next, and all of them the sum."""
    graph = archdsl.load("wavenet")
    figure = archdsl.draw(graph, kind="pyramid", width="double")
    assert list(lies(figure, [graph], "pyramid")) == []
    assert {"layers ×29", "dilation 1–512, pad 1–512", "×29"} <= {*words(figure)}
    skips = group(figure, "layers.0.skip").stands
    assert {*skips} == {f"layers.{n}.skip" for n in range(29)}


def test_layers_of_which_only_some_are_taken_are_all_drawn() -> None:
    """A sum that takes one of the skips less cannot be said of all of them."""
    graph = archdsl.load("wavenet")
    total = next(node for node in graph.nodes if node.id == "_sum")
    fewer = replace(total, inputs=tuple(id for id in total.inputs if "layers.3." not in id))
    nodes = [fewer if node is total else node for node in graph.nodes]
    changed = replace(graph, nodes=tuple(nodes))
    figure = archdsl.draw(changed, kind="pyramid", width="100in")
    assert not any(word.startswith("layers ×") for word in words(figure))


@pytest.mark.parametrize("name", some(gallery.zoo(), 3))
def test_every_network_of_the_zoo_has_a_hero_of_two_columns(name: str) -> None:
    figure = archdsl.draw(archdsl.load(name), width="double")
    assert figure.scene is not None and figure.scene.width == WIDTHS["double"]


@pytest.mark.parametrize(
    "text",
    [
        """
input: {x: [3, 32, 32], y: [3, 32, 32]}
backbone:
  stem: {conv: {out: 8, kernel: 3}, from: x}
  what_is_called_by_a_name_so_long_that_its_box_is_very_wide:
    seq: [{conv: {out: 8, kernel: 3}}, {conv: {out: 8, kernel: 5}}, {conv: {out: 7, kernel: 3}}]
  a_box_that_is_less_wide: {conv: {out: 8, kernel: 3}, from: stem}
  end:
    concat: {}
    from: [what_is_called_by_a_name_so_long_that_its_box_is_very_wide, a_box_that_is_less_wide, y]
""",
        """
input: [3, 32, 32]
backbone:
  stem: {conv: {out: 8, kernel: 3}}
  left: {conv: {out: 8, kernel: 3}, from: stem}
  sum: {add: {}, from: [stem, left]}
head:
  both: {conv: {out: 4, kernel: 1}, each: [sum, stem]}
""",
        """
input: {rgb: [3, 32, 32], depth: [3, 32, 32]}
backbone:
  stem: {conv: {out: 3, kernel: 3}, from: rgb}
  cut: {edge: {}, each: [stem, depth, depth]}
  sum: {concat: {}}
blocks:
  edge: {seq: [{crop: {border: 1}}, relu]}
""",
        """
input: [3, 32, 32]
backbone:
  a: {conv: {out: 8, kernel: 3, stride: 2}}
  b: {conv: {out: 8, kernel: 3, stride: 2}}
  back: {resize: {scale: 2}}
  high: {conv: {out: 4, kernel: 1}}
  low: {conv: {out: 4, kernel: 1}, from: a}
  sum: {add: {}, from: [low, high]}
  up: {resize: {size: 32}}
""",
        """
input: [8, 32, 32]
blocks:
  unit: {residual: {body: [{conv: {kernel: 3}}]}}
backbone:
  stem: {conv: {kernel: 3}}
  side: {conv: {kernel: 1}, from: stem}
  sum: {add: {}, from: [stem, side]}
  part: {seq: [{seq: [unit]}, {seq: [unit]}, {seq: [unit]}, {seq: [unit]}]}
  once_more: {use: part}
  and_more: {use: part}
""",
    ],
    ids=[
        "wide beside narrow",
        "two maps of one row",
        "drawn where it is applied again",
        "up from a sum",
        "modules that are used again",
    ],
)
def test_no_way_is_hidden_or_lost(text: str) -> None:
    """Behind a wide box of its layer, or what is between two maps of a row; nor a quiet one."""
    graph = archdsl.loads(f"archdsl: 1\nname: ways\n{text}")
    figure = archdsl.draw(graph, kind="pyramid", width="double")
    assert list(lies(figure, [graph], "pyramid")) == []
