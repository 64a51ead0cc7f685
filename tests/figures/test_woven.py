"""Networks whose ways cross: rows by resolution, modules that repeat drawn once."""

from dataclasses import replace

import archdsl
from archdsl import Graph
from archdsl.figures.canvas.scene import Group, Text, groups
from archdsl.figures.draw import hero
from archdsl.figures.figure import Figure
from archdsl.ops import OPS
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
