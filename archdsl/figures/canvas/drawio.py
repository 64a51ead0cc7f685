"""A scene as a file of draw.io: shapes in a group for each part, lines that hold on to shapes."""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from archdsl.figures.canvas.font import FALLBACKS
from archdsl.figures.canvas.pen import MIDDLE
from archdsl.figures.canvas.pictures import Picture
from archdsl.figures.canvas.scene import Box, Path, Point, Scene, Text
from archdsl.figures.canvas.shapes import Link, Node, Part, Shape, bare, links, shapes
from archdsl.figures.canvas.svg import number

STEPS = 8  # straight pieces of a curve: lines of draw.io go from point to point
_LINE = 1.2  # of its size: how high a line of text is
_ALIGN = {"start": "left", "middle": "center", "end": "right"}
_STEPS = {"M": "move", "L": "line", "C": "curve", "Z": "close"}
_ENDS = {  # of slabs: what draw.io turns a parallelogram by
    "top": {"direction": "east"},
    "side": {"direction": "south", "flipV": "1"},
}


def drawio(scene: Scene) -> bytes:
    """The XML of a file of draw.io (an uncompressed mxGraph), a point as its pixel."""
    file = Element("mxfile", host="archdsl")
    page = SubElement(file, "diagram", id="figure", name=_plain(scene.title) or "figure")
    size = {"pageWidth": number(scene.width), "pageHeight": number(scene.height)}
    ground = {"background": scene.background} if scene.background else {}
    model = SubElement(page, "mxGraphModel", {"grid": "0", "page": "1", **size, **ground})
    root = SubElement(model, "root")
    SubElement(root, "mxCell", id="0")
    SubElement(root, "mxCell", {"id": "1", "parent": "0"})
    writer = _Writer(root)
    found = shapes(scene)
    for shape in found:
        writer.shape(shape, "1", (0.0, 0.0))
    for link in links(found):
        writer.link(link)
    indent(file)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(file) + b"\n"


class _Writer:
    """Adds cells; what is in a group is placed from its upper left, `origin`."""

    def __init__(self, root: Element) -> None:
        self.root, self.count = root, 0

    def shape(self, shape: Shape, parent: str, origin: Point) -> None:
        if isinstance(shape, Part):
            box = _bounds([shape])
            if box is not None:
                name = self.group(box, parent, origin, shape.title or shape.id)
                for one in shape.shapes:
                    self.shape(one, name, box[:2])
        elif isinstance(shape, Node):
            self.node(shape, parent, origin)
        elif isinstance(shape, Text):
            self.text(shape, parent, origin)
        elif isinstance(shape, Path):
            self.path(shape, parent, origin)

    def group(self, box: Box, parent: str, origin: Point, tooltip: str) -> str:
        """A group whose tooltip is what a hover shows; gives its id."""
        self.count += 1
        name = f"part.{self.count}"
        held = SubElement(self.root, "UserObject", label="", tooltip=_plain(tooltip), id=name)
        style = {"group": "", "connectable": "0"}
        said = {"style": _style(style), "vertex": "1", "parent": parent}
        cell = SubElement(held, "mxCell", said)
        _geometry(cell, box, origin)
        return name

    def cell(
        self, style: dict[str, str], box: Box, parent: str, origin: Point, value: str = "",
        name: str = "",
    ) -> None:  # fmt: skip
        """A shape in its box."""
        self.count += 1
        said = {"id": name or f"shape.{self.count}", "value": value, "style": _style(style)}
        cell = SubElement(self.root, "mxCell", {**said, "vertex": "1", "parent": parent})
        _geometry(cell, box, origin)

    def node(self, node: Node, parent: str, origin: Point) -> None:
        front, label = node.front, node.label
        paint = _paint(front)
        if node.kind == "slab":
            self.slab(node, parent, origin)
        elif node.kind == "box":
            round = node.corner
            style = {"rounded": "1" if round else "0", "absoluteArcSize": "1", **paint}
            style |= {"arcSize": number(2 * round), "html": "1", **(_font(label) if label else {})}
            value = _html(label) if label else ""
            self.cell(style, node.box, parent, origin, value, node.name)
        else:
            arms = next((part for part in node.parts if part.form == "arms"), None)
            shape = {"ellipse": ""} if arms is None else {"shape": _sign(arms)}
            style = {**shape, "perimeter": "ellipsePerimeter", **paint}
            self.cell(style, node.box, parent, origin, "", node.name)
        for text in node.texts:
            if text is not label:
                self.text(text, parent, origin)

    def slab(self, node: Node, parent: str, origin: Point) -> None:
        """Its faces in a group of their own, which lines hold on to."""
        self.cell({"group": ""}, node.box, parent, origin, "", node.name)
        left, top, right, _ = node.box
        front = bare(node.front)
        thick = front[2] - front[0]
        for part in node.parts:
            style, box = _paint(part), bare(part)
            if part.picture is not None:
                self.picture(part, part.picture, node.name, node.box[:2])
                style["fillColor"] = "none"
            if part.form in _ENDS:
                back = right - left - thick if part.form == "top" else front[1] - top
                style |= {"shape": "parallelogram", "perimeter": "parallelogramPerimeter"}
                style |= {"fixedSize": "1", "size": number(back), **_ENDS[part.form]}
            self.cell({**style, "connectable": "0"}, box, node.name, node.box[:2])

    def picture(self, path: Path, picture: Picture, parent: str, origin: Point) -> None:
        """A picture on its area, sheared before: one of draw.io is a rectangle."""
        data = base64.b64encode(picture.sheared(path.corners)).decode()
        style = {"shape": "image", "imageAspect": "0", "image": f"data:image/png,{data}"}
        self.cell(style, bare(path), parent, origin)

    def text(self, text: Text, parent: str, origin: Point) -> None:
        """A text of its own, as wide as it is, turned about its middle."""
        wide, high = text.width, _LINE * text.size
        shift = {"start": 0.5, "middle": 0.0, "end": -0.5}[text.anchor] * wide
        up = MIDDLE * text.size
        x, y = (text.x - up, text.y - shift) if text.angle else (text.x + shift, text.y - up)
        box = x - wide / 2, y - high / 2, x + wide / 2, y + high / 2
        style = {"text": "", "html": "1", "verticalAlign": "middle", "spacing": "0"}
        style |= {"align": _ALIGN[text.anchor], **_font(text)}
        style |= {"rotation": number(text.angle)} if text.angle else {}
        self.cell(style, box, parent, origin, _html(text))

    def path(self, path: Path, parent: str, origin: Point) -> None:
        """What is no shape of draw.io, as one of ours in its style."""
        if path.picture is not None:
            self.picture(path, path.picture, parent, origin)
            path = replace(path, fill="", picture=None)
        left, top, right, bottom = bare(path)
        wide, high = max(right - left, 0.01), max(bottom - top, 0.01)
        shape = Element("shape", w=number(wide), h=number(high), aspect="variable")
        shape.set("strokewidth", "inherit")
        drawn = SubElement(SubElement(shape, "foreground"), "path")
        for letter, n in path.commands:
            places = [number(v - (top if i % 2 else left)) for i, v in enumerate(n)]
            names = ("x1", "y1", "x2", "y2", "x3", "y3") if letter == "C" else ("x", "y")
            SubElement(drawn, _STEPS[letter], dict(zip(names, places, strict=bool(n))))
        what = "fill" * bool(path.fill) + "stroke" * bool(path.stroke)
        SubElement(shape[0], what or "stroke")
        style = {"shape": f"stencil({_packed(tostring(shape).decode())})", **_paint(path)}
        self.cell(style, (left, top, left + wide, top + high), parent, origin)

    def link(self, link: Link) -> None:
        """A line from shape to shape, with its corners."""
        self.count += 1
        style = {"rounded": "1", "arcSize": number(2 * link.turn), "html": "1", **_paint(link.path)}
        style |= {"endArrow": "block" if link.tip else "none", "endFill": "1", "endSize": "3"}
        held = {}
        for port, end, side in ((link.source, "source", "exit"), (link.target, "target", "entry")):
            if port is not None:
                held[end] = port.node.name
                style |= {f"{side}X": f"{port.x:g}", f"{side}Y": f"{port.y:g}"}
                style |= {f"{side}Perimeter": "0", f"{side}Dx": "0", f"{side}Dy": "0"}
        said = {"id": f"line.{self.count}", "value": "", "style": _style(style), **held}
        cell = SubElement(self.root, "mxCell", {**said, "edge": "1", "parent": "1"})
        place = SubElement(cell, "mxGeometry", {"relative": "1", "as": "geometry"})
        points = [link.start, *link.points(STEPS)]
        for port, (x, y), end in (
            (link.source, points[0], "sourcePoint"),
            (link.target, points[-1], "targetPoint"),
        ):
            if port is None:
                SubElement(place, "mxPoint", {"x": number(x), "y": number(y), "as": end})
        if len(points) > 2:
            way = SubElement(place, "Array", {"as": "points"})
            for x, y in points[1:-1]:
                SubElement(way, "mxPoint", x=number(x), y=number(y))


def _geometry(cell: Element, box: Box, origin: Point) -> None:
    left, top, right, bottom = box
    said = {"x": left - origin[0], "y": top - origin[1], "width": right - left}
    said["height"] = bottom - top
    numbers = {name: number(value) for name, value in said.items()}
    SubElement(cell, "mxGeometry", {**numbers, "as": "geometry"})


def _bounds(found: Sequence[Shape]) -> Box | None:
    """The box of shapes, lines not counted: they are in no group."""
    boxes: list[Box] = []
    for shape in found:
        if isinstance(shape, Part):
            inner = _bounds(shape.shapes)
            boxes += [inner] if inner else []
        elif isinstance(shape, Node):
            boxes += [shape.box, *(text.box() for text in shape.texts)]
        elif isinstance(shape, Path | Text):
            boxes.append(shape.box())
    if not boxes:
        return None
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _sign(arms: Path) -> str:
    """The plus of an addition, or the cross of a multiplication."""
    (_, start), (_, end) = arms.commands[:2]
    return "orEllipse" if start[1] == end[1] else "sumEllipse"


def _paint(path: Path) -> dict[str, str]:
    style = {"fillColor": path.fill or "none", "strokeColor": path.stroke or "none"}
    if path.stroke:
        style["strokeWidth"] = number(path.width)
    if path.dash:
        style |= {"dashed": "1", "fixDash": "1", "dashPattern": " ".join(map(number, path.dash))}
    return style


def _font(text: Text) -> dict[str, str]:
    family = FALLBACKS[text.family].split(",")[0].strip("'")
    return {"fontSize": number(text.size), "fontColor": text.color, "fontFamily": family}


def _html(text: Text) -> str:
    """A text as draw.io has it: HTML, of which it knows a little."""
    said = ""
    for run in text.lines():
        words = escape(_plain(run.text))
        if run.rise:
            name, size = "sup" if run.sup else "sub", run.size(text.size, text.least)
            words = f'<{name} style="font-size:{number(size)}px;line-height:0">{words}</{name}>'
        said += f"<b>{words}</b>" if run.bold else words
    return said


def _plain(text: str) -> str:
    """Without the letters that XML 1.0 does not have."""
    return "".join(letter for letter in text if letter.isprintable())


def _style(said: dict[str, str]) -> str:
    return "".join(f"{name}={value};" if value else f"{name};" for name, value in said.items())


def _packed(text: str) -> str:
    """A shape as draw.io holds it in a style: quoted, deflated without a head, in base 64."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    quoted = quote(text, safe="~()*!.'").encode()
    return base64.b64encode(packer.compress(quoted) + packer.flush()).decode()
