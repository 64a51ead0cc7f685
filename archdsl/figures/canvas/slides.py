"""A scene as a slide of PowerPoint, every path a shape and every line a text box (python-pptx)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.font import FALLBACKS
from archdsl.figures.canvas.pictures import Picture
from archdsl.figures.canvas.scene import Group, Item, Path, Point, Run, Scene, Text, curve

EMU = 12_700  # of a point
LEAST, MOST = 72.0, 4032.0  # points: the sides that a slide may have
SCRIPT = 2 / 3  # of its size: how large PowerPoint shows what is raised or lowered
STEPS = 8  # straight pieces of a curve: shapes of PowerPoint's builder have no others


def slides(scene: Scene) -> bytes:
    """A presentation of one slide; the path of a part names its shapes.

    It has the size of the scene, but at least LEAST each way. Raises UsageError above MOST.
    """
    from pptx import Presentation

    if max(scene.width, scene.height) > MOST:
        raise UsageError(
            f"this figure is {scene.width / 72:,.0f} by {scene.height / 72:,.0f} inches, more than"
            f" the {MOST / 72:.0f} of a slide; give a lower --width, or save it as .svg or .pdf"
        )
    made = Presentation()
    made.slide_width = _emu(max(scene.width, LEAST))
    made.slide_height = _emu(max(scene.height, LEAST))
    made.core_properties.title = scene.title
    made.core_properties.comments = scene.description[:255]
    slide = made.slides.add_slide(made.slide_layouts[6])  # the empty one
    if scene.background:
        slide.background.fill.solid()
        slide.background.fill.fore_color.rgb = _color(scene.background)
    for item, name in _named(scene.items, ""):
        (_path if isinstance(item, Path) else _text)(slide.shapes, item, name)  # type: ignore[arg-type]
    file = BytesIO()
    made.save(file)
    return file.getvalue()


def _named(items: Sequence[Item], name: str) -> Iterator[tuple[Path | Text, str]]:
    """Every path and text with the path of the innermost part that it is in."""
    for item in items:
        if isinstance(item, Group):
            yield from _named(item.items, item.id)
        else:
            yield item, name


def _path(shapes: Any, path: Path, name: str) -> None:
    from pptx.enum.dml import MSO_LINE
    from pptx.oxml.ns import qn

    if path.picture is not None:
        _picture(shapes, path, path.picture, name)
        path = replace(path, fill="", picture=None)
    builder = None
    for points, closed in _polygons(path):
        first, *rest = ((_emu(x), _emu(y)) for x, y in points)
        if builder is None:
            builder = shapes.build_freeform(*first, scale=1.0)
        else:
            builder.move_to(*first)
        builder.add_line_segments(rest, close=closed)
    if builder is None:
        return
    shape = builder.convert_to_shape()
    shape.name = name or shape.name
    shape._element.remove(shape._element.find(qn("p:style")))  # of the theme: it has shadows
    if path.fill:
        shape.fill.solid()
        shape.fill.fore_color.rgb = _color(path.fill)
    else:
        shape.fill.background()
    if path.stroke:
        shape.line.color.rgb = _color(path.stroke)
        shape.line.width = _emu(path.width)
        if path.dash:
            shape.line.dash_style = MSO_LINE.DASH
    else:
        shape.line.fill.background()


def _picture(shapes: Any, path: Path, picture: Picture, name: str) -> None:
    """On its area, sheared before: a picture of PowerPoint is a rectangle."""
    left, top, right, bottom = replace(path, stroke="").box()
    place = (_emu(left), _emu(top), _emu(right - left), _emu(bottom - top))
    shapes.add_picture(BytesIO(picture.sheared(path.corners)), *place).name = name


def _polygons(path: Path) -> Iterator[tuple[list[Point], bool]]:
    """The lines of a path, curves as straight pieces, and whether each is closed."""
    points: list[Point] = []
    for letter, numbers in path.commands:
        if letter == "M":
            if len(points) > 1:
                yield points, False
            points = [(numbers[0], numbers[1])]
        elif letter == "L":
            points.append((numbers[0], numbers[1]))
        elif letter == "C":
            points += curve(points[-1], numbers, STEPS)
        else:
            yield points, True
            points = points[:1]
    if len(points) > 1:
        yield points, False


def _text(shapes: Any, text: Text, name: str) -> None:
    from pptx.enum.text import MSO_AUTO_SIZE, PP_ALIGN

    wide, high = text.width + 4, 1.4 * text.size
    shift = {"start": 2.0, "middle": wide / 2, "end": wide - 2}[text.anchor]
    sizes = [_size(run, text) for run in text.lines()]
    higher = max(0.0, *sizes) - text.size  # a line is as high as its largest letters
    left, top = text.x - shift, text.y - 1.02 * text.size - 0.905 * max(0.0, higher)
    if text.angle:  # a box is turned about its middle
        left, top = text.x - 0.32 * text.size - wide / 2, text.y - wide / 2 + shift - high / 2
    box = shapes.add_textbox(_emu(left), _emu(top), _emu(wide), _emu(high))
    box.name, box.rotation = name or box.name, text.angle
    frame = box.text_frame
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    frame.word_wrap, frame.auto_size = False, MSO_AUTO_SIZE.NONE
    line = frame.paragraphs[0]
    aligned = {"start": PP_ALIGN.LEFT, "middle": PP_ALIGN.CENTER, "end": PP_ALIGN.RIGHT}
    line.alignment = aligned[text.anchor]
    for run in text.lines():
        made = line.add_run()
        made.text = "".join(letter for letter in run.text if letter.isprintable())
        size = _size(run, text)
        made.font.size, made.font.bold = _emu(size), run.bold
        made.font.name = FALLBACKS[text.family].split(",")[0].strip("'")
        made.font.color.rgb = _color(text.color)
        if run.rise:
            made.font._element.set("baseline", str(round(run.rise * text.size / size * 100_000)))


def _size(run: Run, text: Text) -> float:
    """The size to say, so that letters are shown as large as in other formats."""
    return run.size(text.size, text.least) / (SCRIPT if run.rise else 1)


def _color(color: str) -> Any:
    from pptx.dml import color as colors

    make: Any = colors.RGBColor
    return make(*bytes.fromhex(color[1:]))


def _emu(points: float) -> Any:
    from pptx.util import Emu

    return Emu(round(points * EMU))
