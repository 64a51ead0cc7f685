"""Sizes at the edges of slabs, as in the figure of AlexNet (`--dims edges`)."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest

import archdsl
from archdsl import UsageError
from archdsl.figures.canvas.scene import (
    Group,
    Path,
    Scene,
    Text,
    end_of,
    flat,
    rounded,
)
from archdsl.figures.draw import draw
from archdsl.figures.options import WIDTHS, Options
from tests.built import graph
from tests.figures.truth import lies
from tests.support import graph_of

EDGES = Options(WIDTHS["double"], dims="edges")


def scene_of(text: str, options: Options = EDGES) -> Scene:
    scene = draw([graph_of(text)], "strip", options).scene
    assert scene is not None
    return scene


def cells(scene: Scene) -> Iterator[Group]:
    return (item for item in scene.items if isinstance(item, Group))


def numbers(group: Group) -> list[str]:
    """Those at edges, `64–96` as two."""
    texts = [i.plain for i in flat(group.items) if isinstance(i, Text)]
    return [n for text in texts if re.fullmatch(r"\d+(–\d+)?", text) for n in text.split("–")]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("[3, 64, 16]", ["64", "16", "3"]),
        ("[3, 64]", ["64", "3"]),
        ("[48]", ["48"]),
    ],
)
def test_a_map_has_a_number_for_each_of_its_edges(shape: str, said: list[str]) -> None:
    layer = "linear: {out: 8}" if shape == "[48]" else "conv: {kernel: 1}"
    first, *_ = cells(scene_of(f"input: {shape}\nbackbone: [{{{layer}}}]"))
    assert numbers(first) == said


def test_every_number_stands_at_its_edge() -> None:
    """The front is 70 points high, the slab goes back 0.3 and up 0.186 of 35, the root of 16/64."""
    first, *_ = cells(scene_of("input: [100, 64, 16]\nbackbone: [{conv: {kernel: 1}}]"))
    fronts = [i for i in first.items if isinstance(i, Path) and i.form == "front"]
    left, top, right, bottom = fronts[0].box()
    high, wide, channels = (i for i in first.items if isinstance(i, Text) and i.plain.isdecimal())
    assert left - 2.5 < high.box()[2] < left and top < high.box()[1] < high.box()[3] < bottom
    assert left < wide.box()[2] < left + 0.3 * 35 / 2
    assert top - 0.186 * 35 < wide.y < top - 0.186 * 35 / 2
    assert channels.x == pytest.approx((left + right) / 2)
    assert bottom < channels.box()[1] < bottom + 3


@pytest.mark.parametrize(
    ("shape", "layer", "under"),
    [
        ("[3, 8, 8, 8]", "conv: {kernel: 1}", "3×83"),
        ("[3, 8, 8]", "conv: {kernel: 1}", ""),
    ],
)
def test_what_three_edges_cannot_say_stands_under_its_slab(
    shape: str, layer: str, under: str
) -> None:
    first, *_ = cells(scene_of(f"input: {shape}\nbackbone: [{{{layer}}}]"))
    lines = [i.plain for i in first.items if isinstance(i, Text) and "×" in i.plain]
    assert lines == [under] * bool(under)
    assert bool(numbers(first)) is not bool(under)


def test_channels_that_grow_in_a_stage_stand_as_from_and_to() -> None:
    """Sandler et al. 2018, table 2: 14 pixels wide are four blocks of 64 channels, three of 96."""
    scene = draw([graph("mobilenet_v2")], "strip", Options(WIDTHS["neurips"], dims="edges")).scene
    assert scene is not None
    said = [i.plain for i in scene.flat() if isinstance(i, Text)]
    assert "64–96" in said and "160–320" in said and "widths vary" in said


def test_tokens_have_their_size_under_their_slab() -> None:
    scene = draw([graph("vit_b_16")], "strip", EDGES).scene
    assert scene is not None
    said = [i.plain for i in scene.flat() if isinstance(i, Text)]
    assert "197×768" in said and "224" in said


@pytest.mark.parametrize(("channels", "marks"), [(42, 1), (43, 0)])
@pytest.mark.parametrize("dims", ["under", "edges"])
def test_two_strokes_mark_a_slab_that_would_be_too_thin(
    channels: int, marks: int, dims: Literal["under", "edges"]
) -> None:
    """0.40 of the root of 42 is 2.592, less than the 2.6 points that can be seen; of 43 2.623."""
    figure = archdsl.draw(
        graph_of(f"input: [{channels}, 8, 8]\nbackbone: [{{conv: {{kernel: 1, out: 64}}}}]"),
        kind="strip", dims=dims,
    )  # fmt: skip
    asked = marks * (dims == "edges")
    scene = figure.scene
    assert scene is not None
    strokes = [i for i in scene.flat() if isinstance(i, Path) and i.form == "strokes"]
    assert len(strokes) == asked
    assert ("Two strokes mark slabs that are thicker" in figure.caption) is bool(asked)
    assert ("At the edges of slabs: height, width" in figure.caption) is (dims == "edges")


@pytest.mark.parametrize("width", ["neurips", "double", "slide"])
@pytest.mark.parametrize("kind", ["strip", "hero"])
@pytest.mark.parametrize(
    "name", ["alexnet", "vgg16", "resnet50", "densenet121", "mobilenet_v2", "swin_t", "googlenet"]
)
def test_figures_with_sizes_at_edges_are_true_and_clean(name: str, kind: str, width: str) -> None:
    figure = archdsl.draw(graph(name), kind=kind, width=width, dims="edges")
    assert not list(lies(figure, [graph(name)], kind))


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "mobilenet_v2"])
def test_every_number_at_an_edge_is_one_of_what_its_stage_gives(name: str) -> None:
    """By the graph: of the ops inside, or of the input."""
    made = graph(name)
    scene = draw([made], "strip", EDGES).scene
    assert scene is not None
    for cell in cells(scene):
        paths = tuple(f"{path}." for path in cell.stands)
        specs = [n.output for n in made.nodes if f"{n.id}.".startswith(paths)] or [made.input]
        given = {str(n) for spec in specs for n in (spec.channels, *spec.spatial)}
        assert set(numbers(cell)) <= given
        assert str(specs[-1].channels) in numbers(cell)


def test_sizes_at_edges_need_shapes_to_be_shown() -> None:
    with pytest.raises(UsageError, match="--dims does nothing here: no shapes are shown"):
        archdsl.draw("alexnet", kind="strip", dims="edges", show="names")


def test_a_round_corner_takes_no_more_than_half_of_the_shorter_line() -> None:
    for points in ([(0.0, 0.0), (2.0, 0.0), (2.0, 9.0)], [(2.0, 9.0), (2.0, 0.0), (0.0, 0.0)]):
        _, enter, leave, _ = rounded(points, radius=5)
        assert {end_of(enter), end_of(leave)} == {(1.0, 0.0), (2.0, 1.0)}
