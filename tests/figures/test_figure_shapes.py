"""Figures that are edited elsewhere: named nodes in TikZ, shapes and bound lines in draw.io."""

import base64
import re
import zlib
from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

import archdsl
from archdsl import UsageError
from archdsl.figures.canvas.scene import Path, groups
from archdsl.figures.canvas.shapes import links, nodes, shapes
from archdsl.figures.figure import Figure
from tests.figures.test_figure_files import NASTY, renamed
from tests.figures.ways import edges_of
from tests.fuzz.figures import network

KIND_OF = [
    ("resnet50", "hero"), ("googlenet", "block"), ("unet", "pyramid"), ("densenet121", "dense"),
    ("mobilenet_v2", "columns"), ("vgg11", "strip"), ("resnet18", "graph"),
]  # fmt: skip
NODE = re.compile(r"\\node\[[^\]]*\] \(([^)]*)\)|\\pic at \([^)]*\) \{slab=\{\{([^}]*)\}")
USED = re.compile(r"(?:\]|\()([A-Za-z0-9-]+)\.(?:north|south|east|west|center)\)")


def linked(figure: Figure) -> set[tuple[str, str]]:
    """From which node to which the arrows of TikZ go, by their names."""
    found = set()
    for line in figure.render(".tex").decode().splitlines():
        ends = USED.findall(line) if line.startswith(r"\draw") else []
        if len(ends) == 2:
            found.add((ends[0], ends[1]))
    return found


def test_arrows_of_tikz_go_from_name_to_name() -> None:
    """He et al. 2016, figure 2: two layers and the sum, which the input enters, too."""
    found = linked(archdsl.draw("resnet18:layer1.1", kind="block"))
    assert found == {
        ("layer1-1-conv1", "layer1-1-conv2"), ("layer1-1-conv2", "layer1-1-add"),
        ("layer1-1-fork", "layer1-1-add"),
    }  # fmt: skip


def test_looks_are_said_once_by_what_they_stand_for() -> None:
    figure = archdsl.draw("resnet18", mark={"layer4": "ours"}, roles={"ours": {"fill": "#FFD966"}})
    text = figure.render(".tex").decode()
    head, _, body = text.partition(r"\path[use as bounding box]")
    assert r"\definecolor{conv}{HTML}{83B9E0}" in head and r"\definecolor{ours}" in head
    assert "conv box/.style={fill=conv,draw=convline" in head
    assert not re.search(r"#[0-9A-F]{6}|line width|fill=", body)
    assert r"\begin{scope}% layer1:" in body and "{ours slab}" in body


def test_a_line_of_a_box_is_in_its_node() -> None:
    text = archdsl.draw("resnet18:layer1.1", kind="block").render(".tex").decode()
    assert re.search(
        r"\\node\[[^\]]*\] \(layer1-1-conv1\) at \S+ \{3\\ensuremath{\\times}3, 64};", text
    )


@pytest.mark.parametrize(("name", "kind"), KIND_OF)
def test_every_name_is_one_node_that_stands_before_what_holds_on_to_it(
    name: str, kind: str
) -> None:
    known: set[str] = set()
    for line in archdsl.draw(name, kind=kind, width="double").render(".tex").decode().splitlines():
        assert {*USED.findall(line)} <= known
        for names in NODE.findall(line):
            assert names[0] + names[1] not in known
            known.add(names[0] + names[1])
    assert len(known) > 5


@pytest.mark.parametrize("number", range(6))
def test_lines_hold_on_to_what_the_graph_connects(number: int) -> None:
    """Of random networks, as pyramids: a line from a node to a node is an edge of the graph."""
    _, graph = network(number)
    try:
        scene = archdsl.draw(graph, kind="pyramid", width="50in").scene
    except UsageError:
        return
    assert scene is not None
    found = shapes(scene)
    drawn = {
        re.sub(r"[^A-Za-z0-9]+", "-", group.id).strip("-"): group.id
        for group in groups(scene.items)
    }
    edges = edges_of(list(groups(scene.items)), graph)
    for link in links(found):
        if (
            link.source
            and link.target
            and "dot" not in (link.source.node.kind, link.target.node.kind)
        ):
            pair = drawn[link.source.node.name], drawn[link.target.node.name]
            assert any(pair in ways for ways in edges)


def cells(data: bytes) -> dict[str, ElementTree.Element]:
    """The cells of a file of draw.io by id; a wrapped one has the id of its wrapper."""
    root = ElementTree.fromstring(data).find("diagram/mxGraphModel/root")
    assert root is not None
    found: dict[str, ElementTree.Element] = {}
    for element in root:
        assert element.attrib["id"] not in found
        cell = element if element.tag == "mxCell" else element.find("mxCell")
        assert cell is not None
        found[element.attrib["id"]] = cell
    return found


def place(cells: Mapping[str, ElementTree.Element], id: str) -> tuple[float, float]:
    """The upper left of a shape in the page, through the groups that it is in."""
    x = y = 0.0
    while id != "1":
        geometry = cells[id].find("mxGeometry")
        assert geometry is not None
        x, y = x + float(geometry.get("x", 0)), y + float(geometry.get("y", 0))
        id = cells[id].attrib["parent"]
    return x, y


@pytest.mark.parametrize(("name", "kind"), KIND_OF)
def test_draw_io_has_every_node_in_its_place_and_lines_that_hold_on_to_them(
    name: str, kind: str
) -> None:
    figure = archdsl.draw(name, kind=kind, width="double")
    scene = figure.scene
    assert scene is not None
    found, read = shapes(scene), cells(figure.render(".drawio"))
    for cell in read.values():
        assert cell.get("parent", "0") in read
        assert {cell.get("source", "0"), cell.get("target", "0")} <= read.keys()
    for node in nodes(found):
        x, y = place(read, node.name)
        assert abs(x - node.box[0]) < 0.01 and abs(y - node.box[1]) < 0.01
    lines = [cell for cell in read.values() if cell.get("edge")]
    assert len(lines) == len([*links(found)])
    assert [c for c in lines if c.get("source")] and [c for c in lines if c.get("target")]


def test_draw_io_groups_stages_and_says_what_a_hover_shows() -> None:
    root = ElementTree.fromstring(archdsl.draw("resnet18").render(".drawio"))
    groups = {element.get("tooltip"): element.get("id") for element in root.iter("UserObject")}
    (stage,) = [id for tip, id in groups.items() if str(tip).startswith("layer2: ")]
    inside = [cell.get("value") for cell in root.iter("mxCell") if cell.get("parent") == stage]
    assert (
        "<b>layer2</b>" in inside
        and '128×28<sup style="font-size:6px;line-height:0">2</sup>' in inside
    )


def test_draw_io_escapes_hostile_names() -> None:
    network = archdsl.load("resnet18")
    hostile = '"><script>alert(1)</script>;fillColor=red\x01'
    graph = renamed(network, "layer1", hostile)
    data = archdsl.draw(graph, title=NASTY).render(".drawio")
    values = [element.get("value", "") for element in ElementTree.fromstring(data).iter("mxCell")]
    assert any("&lt;script&gt;" in value for value in values)
    assert not any("<script" in value for value in values)
    assert "fillColor=red" not in "".join(
        cell.get("style", "") for cell in ElementTree.fromstring(data).iter("mxCell")
    )


def test_what_draw_io_has_no_shape_for_is_one_of_ours() -> None:
    """A hatch is a path, packed as draw.io packs them."""
    data = archdsl.draw("mobilenet_v2", kind="columns", theme="grey").render(".drawio").decode()
    packed = re.findall(r"shape=stencil\(([^)]*)\)", data)
    shape = unquote(zlib.decompress(base64.b64decode(packed[0]), -15).decode())
    assert ElementTree.fromstring(shape).find("foreground/path/move") is not None


SLAB = re.compile(
    r"\\pic at \(([\d.]+),([\d.]+)\) \{slab=\{\{[^}]*\}\{[^}]*\}" + r"\{([\d.]+)\}" * 4
)


def test_slabs_of_tikz_are_where_and_as_large_as_those_of_the_scene() -> None:
    figure = archdsl.draw("alexnet", kind="strip")
    assert figure.scene is not None
    fronts = set()
    for path in (item for item in figure.scene.flat() if isinstance(item, Path)):
        points = [numbers for _, numbers in path.commands if len(numbers) == 2]
        if path.fill and len(points) == 4:
            xs, ys = zip(*points, strict=True)
            fronts.add(tuple(round(n, 1) for n in (min(xs), min(ys), max(xs), max(ys))))
    found = [[float(n) for n in row] for row in SLAB.findall(figure.render(".tex").decode())]
    assert len(found) > 10
    half = 0.65 / 2  # of a line, which a node is around
    for x, y, wide, high, _, up in found:
        left, top = x, y + up
        corners = tuple(round(n, 1) for n in (left, top, left + wide, top + high))
        assert any(
            all(abs(a - b) <= 2 * half for a, b in zip(corners, front, strict=True))
            for front in fronts
        ), corners
