"""A scene as PDF, its fonts embedded."""

from dataclasses import replace
from io import BytesIO
from typing import Any

from archdsl.figures.canvas.font import FAMILIES, font
from archdsl.figures.canvas.pictures import Picture
from archdsl.figures.canvas.scene import Path, Scene, Text


def pdf(scene: Scene) -> bytes:
    """One page of the size of the scene; the same bytes for the same scene."""
    from reportlab.pdfgen.canvas import Canvas

    _register()
    file, size = BytesIO(), (scene.width, scene.height)
    canvas = Canvas(file, size, invariant=1, initialFontName="FigureSans")
    canvas.setTitle(scene.title)
    canvas.setSubject(scene.description)
    canvas.setCreator("archdsl")
    canvas.setLineJoin(1)
    if scene.background:
        canvas.setFillColor(scene.background)
        canvas.rect(0, 0, *size, stroke=0, fill=1)
    for item in scene.flat():
        draw = _path if isinstance(item, Path) else _text
        draw(canvas, item, scene.height)  # type: ignore[arg-type]
    canvas.save()
    return file.getvalue()


def _register() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for family, name in FAMILIES.items():
        for bold in (False, True):
            face = _name(name, bold)
            if face not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(face, str(font(family, bold).path)))


def _name(family: str, bold: bool) -> str:
    return family.replace(" ", "") + ("Bold" if bold else "")


def _picture(canvas: Any, path: Path, picture: Picture, height: float) -> None:
    """On its area: a square of 1 that is sheared."""
    from reportlab.lib.utils import ImageReader

    (x0, y0), (x1, y1), (x2, y2) = path.corners
    canvas.saveState()
    canvas.transform(x1 - x0, y0 - y1, x0 - x2, y2 - y0, x2, height - y2)
    canvas.drawImage(ImageReader(BytesIO(picture.png)), 0, 0, 1, 1, mask="auto")
    canvas.restoreState()


def _path(canvas: Any, path: Path, height: float) -> None:
    if path.picture is not None:
        _picture(canvas, path, path.picture, height)
        path = replace(path, fill="", picture=None)
    line = canvas.beginPath()
    for letter, numbers in path.commands:
        points = [n if i % 2 == 0 else height - n for i, n in enumerate(numbers)]
        {"M": line.moveTo, "L": line.lineTo, "C": line.curveTo, "Z": line.close}[letter](*points)
    if path.fill:
        canvas.setFillColor(path.fill)
    if path.stroke:
        canvas.setStrokeColor(path.stroke)
        canvas.setLineWidth(path.width)
        canvas.setDash(list(path.dash))
    canvas.drawPath(line, stroke=bool(path.stroke), fill=bool(path.fill))


def _text(canvas: Any, text: Text, height: float) -> None:
    canvas.saveState()
    canvas.translate(text.x, height - text.y)
    if text.angle:
        canvas.rotate(-text.angle)
    canvas.setFillColor(text.color)
    for piece in text.letters():
        canvas.setFont(_name(FAMILIES[text.family], piece.bold), piece.size)
        canvas.drawString(piece.x, piece.rise, piece.text)
    canvas.restoreState()
    for bar in text.bars():
        _path(canvas, bar, height)
