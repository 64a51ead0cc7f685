"""Figures say what is so: each is held to its graph by `truth`, and what is untrue is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest

import archdsl
from archdsl import Graph, UsageError
from archdsl.figures.canvas.scene import (
    Group,
    Item,
    Omission,
    Path,
    Run,
    Text,
    groups,
    polygon,
)
from archdsl.figures.figure import Figure
from archdsl.figures.options import WIDTHS
from archdsl.language import gallery
from tests.built import graph as load
from tests.figures.truth import lies
from tests.fuzz.figures import network

KINDS = ("hero", "strip", "block", "columns", "dense", "pyramid", "table")
FEW = (
    "densenet121",
    "googlenet",
    "mobilenet_v3_small",
    "resnet50",
    "resnet50_fpn",
    "unet",
    "vit_b_16",
)
SEVERAL = {
    "columns": ("vgg19", "resnet34", "resnet50"),
    "scaling": ("efficientnet_b0", "efficientnet_b1"),
    "diff": ("resnet50", "resnet50d"),
    "table": ("resnet18", "resnet50"),
}


def found(graphs: list[Graph], kind: str, **options: str) -> list[str]:
    """What is not so in a figure, nothing if it is refused."""
    options = {} if kind == "table" else {"width": "double", **options}
    try:
        figure = archdsl.draw(*graphs, kind=kind, **options)
        return list(lies(figure, graphs, kind))  # Graphviz draws only now, and may be given up
    except UsageError:
        return []


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_says_what_is_so(name: str, kind: str) -> None:
    assert found([load(name)], kind) == []


@pytest.mark.parametrize("kind", SEVERAL)
def test_a_figure_of_several_networks_says_what_is_so_of_each(kind: str) -> None:
    assert found([load(name) for name in SEVERAL[kind]], kind) == []


@pytest.mark.parametrize("number", range(24))
def test_a_figure_of_a_random_network_says_what_is_so(number: int) -> None:
    _, graph = network(number)
    for kind in KINDS:
        assert found([graph], kind) == [], kind


@pytest.mark.slow
@pytest.mark.parametrize("name", gallery.names())
def test_every_network_of_the_gallery_in_every_kind_theme_and_width(name: str) -> None:
    for kind in KINDS:
        for width in WIDTHS:
            assert found([load(name)], kind, width=width) == [], (kind, width)
        for theme in ("grey", "dark"):
            assert found([load(name)], kind, theme=theme) == [], (kind, theme)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(20))
def test_two_thousand_random_networks(hundred: int) -> None:
    graphs = {number: network(number)[1] for number in range(100 * hundred, 100 * hundred + 100)}
    said = {(number, kind): found([graph], kind) for number, graph in graphs.items()
            for kind in KINDS}  # fmt: skip
    assert {place: lies for place, lies in said.items() if lies} == {}


def _without(figure: Figure) -> Figure:
    """A slab is gone."""
    return _changed(figure, lambda group: None if group.id == "fc" else group)


def _other_shape(figure: Figure) -> Figure:
    return _rewritten(figure, "256×56", "256×65")


def _shape_of_another(figure: Figure) -> Figure:
    return _rewritten(figure, "256×56", "512×28")


def _other_count(figure: Figure) -> Figure:
    return _rewritten(figure, "bottleneck ×6", "bottleneck ×36")


def _smaller(figure: Figure) -> Figure:
    return _texts_changed(figure, lambda text: replace(text, size=5.9))


def _over_another(figure: Figure) -> Figure:
    return _texts_changed(figure, lambda text: replace(text, y=40.0))


def _clipped(figure: Figure) -> Figure:
    return _texts_changed(figure, lambda text: replace(text, x=text.x + 480))


def _silent(figure: Figure) -> Figure:
    return replace(figure, caption=figure.caption.replace("batch norm", ""))


def _nothing_named(figure: Figure) -> Figure:
    return replace(figure, omissions=())


def _misnamed(figure: Figure) -> Figure:
    ids = frozenset(id for omission in figure.omissions for id in omission.ids)
    return replace(figure, omissions=(Omission("resnet50", ids),))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (_without, "neither drawn nor named: fc"),
        (_other_shape, "is said to be 256×65²"),
        (_shape_of_another, "layer1 is said to be"),
        (_other_count, "says ×36, and stands for 6"),
        (_smaller, "small: "),
        (_over_another, " over "),
        (_clipped, "outside: "),
        (_silent, "the caption does not say"),
        (_nothing_named, "neither drawn nor named: bn1"),
        (_misnamed, "left out as 'resnet50': "),
    ],
)
def test_what_is_not_so_is_found(broken: Callable[[Figure], Figure], said: str) -> None:
    graph = load("resnet50")
    figure = archdsl.draw(graph, kind="strip", width="double")
    assert list(lies(figure, [graph], "strip")) == []
    assert any(said in lie for lie in lies(broken(figure), [graph], "strip"))


@pytest.mark.parametrize("name", ["resnet50", "dla34", "unet"])
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda inner: _drop(inner, lambda item: item.stroke and not item.fill), "no way from"),
        (lambda inner: _drop(inner, lambda item: item.fill and not item.stroke), "no way from"),
        (lambda inner: _shortcut(inner, through=False), "is none of the graph"),
        (lambda inner: _shortcut(inner, through=True), "a way goes through"),
    ],
)
def test_ways_that_are_not_so_are_found(
    name: str, broken: Callable[[Group], Group], said: str
) -> None:
    """A line is gone, or the tip of an arrow; a line leads from the first box to the last."""
    graph = load(name)
    figure = archdsl.draw(graph, kind="block", width="double")
    assert list(lies(figure, [graph], "block")) == []
    wrong = _changed(figure, lambda one: broken(one) if one.id.endswith(".block") else one)
    assert any(said in lie for lie in lies(wrong, [graph], "block"))


def _drop(group: Group, which: Callable[[Path], object]) -> Group:
    """Without the paths between its groups that are so."""
    kept = (item for item in group.items if not (isinstance(item, Path) and which(item)))
    return replace(group, items=tuple(kept))


def _shortcut(group: Group, through: bool) -> Group:
    """With a line from its first box to its last, beside all others or through them."""
    inside = [one.box() for one in groups(group.items) if one is not group]
    (left, top, right, bottom), (left1, top1, right1, bottom1) = inside[0], inside[-1]
    x, x1, y, y1 = left + right, left1 + right1, top + bottom, top1 + bottom1
    lane = min(box[0] for box in inside) - 5
    start, end = (left + 0.3, y / 2), (left1 + 0.3, y1 / 2)
    points = [start, (lane, start[1]), (lane, end[1]), end]
    if through:
        points = [(x / 2, top), (x1 / 2, bottom1)]
    line = Path(polygon(points, closed=False), "", "#000000", 0.7)
    return replace(group, items=(*group.items, line))


def _changed(figure: Figure, change: Callable[[Group], Group | None]) -> Figure:
    """The figure with its groups changed, or without those that become None."""
    scene = figure.scene
    assert scene is not None
    items = [change(item) if isinstance(item, Group) else item for item in scene.items]
    made = replace(scene, items=tuple(item for item in items if item is not None))
    return replace(figure, draw=lambda: made)


def _texts_changed(figure: Figure, change: Callable[[Text], Text]) -> Figure:
    def changed(item: Item) -> Item:
        if isinstance(item, Group):
            return replace(item, items=tuple(map(changed, item.items)))
        return change(item) if isinstance(item, Text) else item

    return _changed(figure, lambda group: replace(group, items=tuple(map(changed, group.items))))


def _rewritten(figure: Figure, old: str, new: str) -> Figure:
    def other(run: Run) -> Run:
        return replace(run, text=run.text.replace(old, new))

    return _texts_changed(figure, lambda text: replace(text, runs=tuple(map(other, text.runs))))


def test_all_layers_of_a_block_that_is_drawn_once_stand_in_its_group() -> None:
    """An inset stands for each block that it is said of, and holds all that has weights there."""
    graph = load("googlenet")
    scene = archdsl.draw(graph, kind="block", width="double").scene
    assert scene is not None
    insets = [group for group in groups(scene.items) if group.id.endswith(".block")]
    assert sum(len(group.stands) for group in insets) == 9
    for inset in insets:
        path = inset.id.removesuffix(".block")
        drawn = {group.id for group in groups(inset.items)}
        layers = {n.id for n in graph.nodes if n.op.role() and n.id.startswith(f"{path}.")}
        assert layers == drawn - {inset.id}


def test_ways_leave_where_the_spec_says() -> None:
    """A projection after the norm, an identity before it; without the norm nothing tells them."""
    graph = load("preresnet164bn_cifar10")
    figure = archdsl.draw(graph, kind="block")
    assert list(lies(figure, [graph], "block")) == []
    told = {id for group in _insets(figure) for part in groups(group.items) for id in part.stands}
    assert {"layer2.0.relu1", "layer1.1.relu1"} <= told

    def bare(group: Group) -> Group:
        inner = (item for item in group.items if getattr(item, "stands", ()) == ())
        return replace(group, items=tuple(inner))

    said = list(lies(_changed(figure, bare), [graph], "block"))
    assert any("ways leave before layer2.0" in lie for lie in said)
    assert any("layer1.1.block: " in lie and "leave at one place" in lie for lie in said)


def _insets(figure: Figure) -> list[Group]:
    assert figure.scene is not None
    return [group for group in groups(figure.scene.items) if group.id.endswith(".block")]


def test_a_strip_says_where_results_leave() -> None:
    graph = archdsl.loads(
        "archdsl: 1\nname: exits\ninput: [3, 64, 64]\nbackbone:\n"
        "  a: {conv: {out: 8, kernel: 3}, repeat: 4}\n  b: {conv: {out: 8, kernel: 3}}\n"
        "outputs: {early: a.1, end: b}\n"
    )
    scene = archdsl.draw(graph, kind="strip").scene
    assert scene is not None
    columns = {text.x: "" for text in scene.flat() if isinstance(text, Text)}
    for text in scene.flat():
        if isinstance(text, Text):
            columns[text.x] += f"{text.plain} "
    assert any("×2" in words and "→ early" in words for words in columns.values())
    assert any("→ end" in words for words in columns.values())


def test_a_box_of_a_pyramid_is_named_after_all_that_is_in_it() -> None:
    figure = archdsl.draw(load("unet"), kind="pyramid", width="double")
    assert figure.scene is not None
    words = [text.plain for text in figure.scene.flat() if isinstance(text, Text)]
    assert "up4–outc" in words and "up4" not in words
