"""Every network of the gallery in every kind that suits it, held to what a page demands."""

import json
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from archdsl import UsageError
from archdsl.figures.canvas.scene import Path as Line
from archdsl.figures.canvas.scene import Scene, Text
from archdsl.figures.draw import draw
from archdsl.figures.options import WIDTHS, Options
from archdsl.language import gallery
from tests import built
from tests.built import graph as load

FLOOR = 6.0  # points
PAGE, SHEET = 9.0 * 72, 11.0 * 72  # height of the text of a page, and of all of it
Extent = tuple[float, float, float, float]
Segment = tuple[float, float, float, float]

WIDE = {"hrnet_w18"}  # goes on in further lines
BRANCHING = WIDE | {
    "dla34", "fasterrcnn_resnet50_fpn", "resnet50_fpn", "retinanet_resnet50_fpn", "unet",
    "unet_resnet34",
}  # fmt: skip
PLAIN = {name for name in gallery.names() if name.startswith(("alexnet", "vgg"))}
DENSE = {name for name in gallery.names() if name.startswith("densenet")}
LINES = set(gallery.names()) - BRANCHING
SUITS = {  # kind: the networks that it draws; all others are refused
    "hero": set(gallery.names()),
    "strip": LINES,
    "columns": LINES,
    "block": set(gallery.names()) - PLAIN,
    "dense": DENSE,
    "pyramid": BRANCHING | {"deeplabv3_resnet50", "fcn_resnet50"},  # the last enlarge
}


@pytest.mark.parametrize("kind", SUITS)
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(built.VARIED | BRANCHING, id="varied"),
        pytest.param(gallery.names(), id="all", marks=pytest.mark.slow),
    ],
)
def test_every_network_of_the_gallery(kind: str, chosen: Collection[str]) -> None:
    """Drawn well or refused with a reason, and never anything between."""
    drawn = set()
    for name in chosen:
        try:
            scene = draw([load(name)], kind, Options(WIDTHS["double"])).scene
        except UsageError as error:
            assert "; " in str(error), "what else to ask for"
            continue
        assert scene is not None
        drawn.add(name)
        found = list(problems(scene, WIDTHS["double"], SHEET if name in WIDE else PAGE))
        assert not found, (name, found)
    assert drawn == SUITS[kind] & {*chosen}


@pytest.mark.parametrize("name", sorted(LINES)[::3])
@pytest.mark.parametrize("width", ["single", "neurips"])
def test_heroes_at_smaller_widths(name: str, width: str) -> None:
    scene = draw([load(name)], "hero", Options(WIDTHS[width])).scene
    assert scene is not None
    assert not list(problems(scene, WIDTHS[width]))


@pytest.mark.parametrize("kind", ["hero", "strip", "block", "columns"])
def test_a_background_reaches_past_what_is_drawn(kind: str) -> None:
    scene = draw([load("resnet50")], kind, Options(WIDTHS["neurips"], theme="dark")).scene
    assert scene is not None and scene.background
    assert not list(problems(scene, WIDTHS["neurips"]))
    boxes = [item.box() for item in scene.flat()]
    assert min(min(box[:2]) for box in boxes) > 5
    assert max(box[2] for box in boxes) < scene.width - 5
    assert max(box[3] for box in boxes) < scene.height - 5


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("columns", ["vgg19", "resnet34", "resnet50"]),
        ("diff", ["resnet50", "seresnet50"]),
        ("diff", ["mobilenet_v2", "mobilenet_v2_w140"]),
        ("scaling", ["efficientnet_b0", "efficientnet_b3", "efficientnet_b7"]),
        ("scaling", ["resnet18", "resnet152"]),
    ],
)
def test_several_networks_in_one_figure(kind: str, names: list[str]) -> None:
    graphs = [load(name) for name in names]
    scene = draw(graphs, kind, Options(WIDTHS["double"])).scene
    assert scene is not None
    assert not list(problems(scene, WIDTHS["double"], SHEET if kind == "diff" else PAGE))


def problems(scene: Scene, width: float, height: float = PAGE) -> Iterator[str]:
    """What a reader would stumble over."""
    if scene.width != width or scene.height > height:
        yield f"{scene.width} x {scene.height} points"
    for item in scene.flat():
        left, top, right, bottom = item.box()
        if min(left, top) < -0.51 or right > width + 0.51 or bottom > scene.height + 0.51:
            yield f"outside: {item}"
    texts = [item for item in scene.flat() if isinstance(item, Text)]
    paths = [item for item in scene.flat() if isinstance(item, Line)]
    if not texts:
        yield "no text"
    yield from (f"small: {text.plain}" for text in texts if text.size < FLOOR)
    yield from _over_one_another(texts)
    yield from _across(texts, paths)
    yield from _loose(texts, paths)


def _over_one_another(texts: list[Text]) -> Iterator[str]:
    boxes = sorted(((text.box(), text.plain) for text in texts), key=lambda pair: pair[0][1])
    for number, (box, words) in enumerate(boxes):
        for other, more in boxes[number + 1 :]:
            if other[1] > box[3]:
                break
            if overlap(box, other) > 0.6:
                yield f"{words!r} over {more!r}"


def _across(texts: list[Text], paths: list[Line]) -> Iterator[str]:
    """Text lies inside an area or outside; outside of all of them no line goes through it."""
    areas = [path for path in paths if path.fill and path.stroke and not path.dash]
    lines = [segment for path in paths if not path.fill for segment in segments(path)]
    for text in texts:
        box = text.box()
        near = [area for area in areas if overlap(box, area.box()) > 0.6]
        touched = [area.box() for area in near if not beyond(box, area)]
        if not all(inside(box, area) for area in touched):
            yield f"across a border: {text.plain}"
        if not touched and any(overlap(box, grown(line, 0.35)) > 0.69 for line in lines):
            yield f"a line through: {text.plain}"


def beyond(box: Extent, area: Line) -> bool:
    """Whether a side of an area of four straight sides parts it from the box."""
    if "".join(letter for letter, _ in area.commands) != "MLLLZ":
        return False
    points = [numbers for _, numbers in area.commands[:4]]
    corners = [(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    for (x0, y0), (x1, y1) in pairwise([*points, points[0]]):
        hands = [[(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in of]
                 for of in (points, corners)]  # fmt: skip
        if max(hands[0]) <= min(hands[1]) + 1e-6 or max(hands[1]) <= min(hands[0]) + 1e-6:
            return True
    return False


def _loose(texts: list[Text], paths: list[Line]) -> Iterator[str]:
    """Tips of arrows touch a border, a line that they join or a text; a few lead out.

    A way to a further row of a strip ends nowhere, and begins nowhere in the next.
    """
    bodies = [path.box() for path in paths if path.fill and path.stroke]
    lines = [s for path in paths if path.stroke and not path.fill for s in segments(path)]
    near = [grown(text.box(), 7) for text in texts]
    loose, begun = 0, 0
    for path in (path for path in paths if path.stroke and not path.fill):
        x, y = path.commands[0][1][:2]
        known = any(on_border(x, y, body) for body in bodies)
        begun += not known and not any(a <= x <= c and b <= y <= d for a, b, c, d in near)
    for x, y in tips(paths):
        free = not any(on_border(x, y, body) for body in bodies)
        free = free and not any(joins(x, y, line) for line in lines)
        loose += free and not any(a <= x <= c and b <= y <= d for a, b, c, d in near)
    if loose > 2 and loose > begun + 1:  # an output without a name
        yield f"{loose} arrows end nowhere"


def tips(paths: list[Line]) -> list[tuple[float, float]]:
    heads = [p for p in paths if p.fill and not p.stroke and len(p.commands) == 4]
    return [(path.commands[0][1][0], path.commands[0][1][1]) for path in heads]


def segments(path: Line) -> Iterator[Segment]:
    """From point to point; a curve in eight pieces."""
    points: list[tuple[float, float]] = []
    for letter, numbers in path.commands:
        if letter == "C":
            points += list(curve(points[-1], *numbers))
        elif letter != "Z":
            points.append((numbers[0], numbers[1]))
    for (x, y), (x2, y2) in pairwise(points):
        yield min(x, x2), min(y, y2), max(x, x2), max(y, y2)


def curve(start: tuple[float, float], *rest: float) -> Iterator[tuple[float, float]]:
    """Points of a cubic curve (Bernstein): its start is the first of its four points."""
    points = [start, *zip(rest[::2], rest[1::2], strict=True)]
    for n in range(1, 9):
        t = n / 8
        parts = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        x, y = (sum(w * p[axis] for w, p in zip(parts, points, strict=True)) for axis in (0, 1))
        yield x, y


def joins(x: float, y: float, line: Segment) -> bool:
    """Whether a point lies on a level or upright line, not at its end."""
    left, top, right, bottom = line
    if right - left < 0.1:
        return abs(x - left) < 0.6 and top + 0.5 < y < bottom - 0.5
    return bottom - top < 0.1 and abs(y - top) < 0.6 and left + 0.5 < x < right - 0.5


def overlap(a: Extent, b: Extent) -> float:
    """The smaller side of what two boxes share; negative if they share nothing."""
    return min(min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))


def inside(box: Extent, area: Extent) -> bool:
    across = box[0] > area[0] + 0.3 and box[2] < area[2] - 0.3
    return across and box[1] > area[1] - 0.2 and box[3] < area[3] + 0.2


def grown(box: Extent, by: float) -> Extent:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def on_border(x: float, y: float, box: Extent) -> bool:
    left, top, right, bottom = box
    slack = 0.7  # half of the lines
    near_side = min(abs(x - left), abs(x - right)) <= slack
    near_end = min(abs(y - top), abs(y - bottom)) <= slack
    return (near_side and top - slack <= y <= bottom + slack) or (
        near_end and left - slack <= x <= right + slack
    )


@pytest.mark.parametrize("size", [6, 8, 10, 12])
@pytest.mark.parametrize("kind", ["hero", "strip", "block", "columns", "pyramid", "dense"])
def test_text_of_any_size_collides_with_nothing(kind: str, size: int, tmp_path: Path) -> None:
    sizes = dict.fromkeys(("box", "name", "dimension", "caption"), size)
    theme = tmp_path / "theme.yaml"
    theme.write_text(f"extends: paper\nsizes: {json.dumps(sizes)}\n")
    name = {"pyramid": "unet", "dense": "densenet121"}.get(kind, "resnet50")
    scene = draw([load(name)], kind, Options(900, theme=str(theme))).scene
    assert scene is not None
    assert not list(problems(scene, 900, 16 * 72))
    texts = [item.size for item in scene.flat() if isinstance(item, Text)]
    assert max(texts) == pytest.approx(size)


def test_text_of_one_size_leaves_the_others(tmp_path: Path) -> None:
    theme = tmp_path / "theme.yaml"
    theme.write_text("extends: paper\nsizes: {name: 10}\n")
    scene = draw([load("resnet50")], "strip", Options(900, theme=str(theme))).scene
    assert scene is not None
    found = {round(item.size, 6) for item in scene.flat() if isinstance(item, Text)}
    assert found == {10, 6.4}
