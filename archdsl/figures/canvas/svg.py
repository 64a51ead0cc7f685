"""A scene as SVG, its text live, embedded (with the fonts) or as outlines."""

from base64 import b64encode
from dataclasses import replace
from html import escape

from archdsl.figures.canvas.font import FALLBACKS, FAMILIES, Contour, font
from archdsl.figures.canvas.pictures import Picture
from archdsl.figures.canvas.scene import Command, Item, Path, Scene, Text

_XLINK = "http://www.w3.org/1999/xlink"  # as programs read it that know no `href` of SVG 2
MODES = ("live", "embedded", "outlines")


def svg(scene: Scene, mode: str = "live") -> str:
    """The text of an SVG file; `mode` is one of MODES."""
    size = f'width="{number(scene.width)}pt" height="{number(scene.height)}pt"'
    view = f'viewBox="0 0 {number(scene.width)} {number(scene.height)}"'
    links = f' xmlns:xlink="{_XLINK}"' if mode == "outlines" or _pictures(scene) else ""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg"{links} {size} {view} role="img"'
        ' aria-labelledby="title desc">',
        f'<title id="title">{_text(scene.title)}</title>',
        f'<desc id="desc">{_text(scene.description)}</desc>',
    ]
    if mode == "embedded":
        lines.append(_font_faces(scene))
    if mode == "outlines":
        lines.append(_glyphs(scene))
    if scene.background:
        lines.append(f'<rect width="100%" height="100%" fill="{scene.background}"/>')
    used: set[str] = {"title", "desc"}
    for item in scene.items:
        lines += _item(item, mode, used)
    return "\n".join([*lines, "</svg>", ""])


def _pictures(scene: Scene) -> bool:
    return any(isinstance(item, Path) and item.picture is not None for item in scene.flat())


def number(value: float) -> str:
    """At most three decimals, no more than needed, never `-0`."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def path_data(commands: tuple[Command, ...]) -> str:
    """The `d` of a path."""
    return "".join(letter + " ".join(map(number, numbers)) for letter, numbers in commands)


def _item(item: Item, mode: str, used: set[str]) -> list[str]:
    if isinstance(item, Path):
        return [_path(item)]
    if isinstance(item, Text):
        text = _outlined(item) if mode == "outlines" else _live(item)
        return [text, *map(_path, item.bars())]
    name = f' id="{escape(item.id)}"' if item.id and item.id not in used else ""
    used.add(item.id)
    title = [f"<title>{_text(item.title)}</title>"] if item.title else []
    inner = [line for part in item.items for line in _item(part, mode, used)]
    return [f"<g{name}>", *title, *inner, "</g>"]


def _path(path: Path) -> str:
    if path.picture is not None:
        return f"{_picture(path, path.picture)}{_path(replace(path, fill='', picture=None))}"
    stroke = ""
    if path.stroke:
        stroke = f' stroke="{path.stroke}" stroke-width="{number(path.width)}"'
        stroke += ' stroke-linejoin="round"'
    if path.dash:
        stroke += f' stroke-dasharray="{" ".join(map(number, path.dash))}"'
    return f'<path d="{path_data(path.commands)}" fill="{path.fill or "none"}"{stroke}/>'


def _picture(path: Path, picture: Picture) -> str:
    (x0, y0), (x1, y1), (x2, y2) = path.corners
    turned = " ".join(map(number, (x1 - x0, y1 - y0, x2 - x0, y2 - y0, x0, y0)))
    return (
        f'<image xlink:href="{picture.url}" width="1" height="1" preserveAspectRatio="none"'
        f' transform="matrix({turned})"/>'
    )


def _live(text: Text) -> str:
    family = f"'{FAMILIES[text.family]}', {FALLBACKS[text.family]}"
    turn = ""
    if text.angle:
        turn = f' transform="rotate({number(text.angle)} {number(text.x)} {number(text.y)})"'
    runs = ""
    for piece in text.letters():
        style = ' font-weight="bold"' if piece.bold else ""
        style += f' font-size="{number(piece.size)}"' if piece.size != text.size else ""
        place = f'x="{number(text.x + piece.x)}" y="{number(text.y - piece.rise)}"'
        runs += f"<tspan {place}{style}>{_text(piece.text)}</tspan>"
    look = f'font-family="{family}" font-size="{number(text.size)}" fill="{text.color}"'
    return f'<text xml:space="preserve" {look}{turn}>{runs}</text>'


def _outlined(text: Text) -> str:
    """Every letter as a use of its glyph, of which the file has one."""
    runs = ""
    for piece in text.letters():
        face, x, letters = font(text.family, piece.bold), 0.0, ""
        scale = piece.size / face.units
        for letter in piece.text:
            if face.outline(letter):
                name = _glyph_name(text.family, piece.bold, letter)
                place = f' x="{number(x / scale)}"' if x else ""
                letters += f'<use xlink:href="#{name}"{place}/>'
            x += face.width(letter, piece.size)
        moved = f"matrix({scale:.6g} 0 0 {scale:.6g} {number(piece.x)} {number(-piece.rise)})"
        runs += f'<g transform="{moved}">{letters}</g>'
    turn = " rotate(-90)" if text.angle else ""
    place = f'transform="translate({number(text.x)} {number(text.y)}){turn}"'
    label = _text(text.plain)
    return f'<g {place} fill="{text.color}" role="img" aria-label="{label}">{runs}</g>'


def _glyph_name(family: str, bold: bool, letter: str) -> str:
    """The same for the same glyph in every file, since a page may hold several of them."""
    return f"{family}-{'bold' if bold else 'plain'}-{ord(letter):x}"


def _glyphs(scene: Scene) -> str:
    """The outlines of all letters of a scene, in the units of their fonts."""
    used = {
        (item.family, piece.bold, letter)
        for item in scene.flat()
        if isinstance(item, Text)
        for piece in item.letters()
        for letter in piece.text
    }
    paths = ""
    for family, bold, letter in sorted(used):
        data = "".join(_contour(contour) for contour in font(family, bold).outline(letter))
        if data:
            paths += f'<path id="{_glyph_name(family, bold, letter)}" d="{data}"/>'
    return f"<defs>{paths}</defs>"


def _contour(contour: Contour) -> str:
    """One closed curve; between two control points the curve passes through their middle."""
    whole = []
    for (x, y, on), (x2, y2, on2) in zip(contour, [*contour[1:], contour[0]], strict=True):
        whole.append((x, y, on))
        if not on and not on2:
            whole.append(((x + x2) / 2, (y + y2) / 2, True))
    start = next(i for i, point in enumerate(whole) if point[2])
    whole = whole[start:] + whole[: start + 1]
    data, control = f"M{number(whole[0][0])} {number(-whole[0][1])}", ""
    for x, y, on in whole[1:]:
        place = f"{number(x)} {number(-y)}"
        if not on:
            control = place
            continue
        data += f"Q{control} {place}" if control else f"L{place}"
        control = ""
    return data + "Z"


def _font_faces(scene: Scene) -> str:
    used = {
        (item.family, piece.bold)
        for item in scene.flat()
        if isinstance(item, Text)
        for piece in item.letters()
    }
    rules = ""
    for family, bold in sorted(used):
        data = b64encode(font(family, bold).data).decode()
        weight = "bold" if bold else "normal"
        rules += f"@font-face{{font-family:'{FAMILIES[family]}';font-weight:{weight};"
        rules += f"src:url(data:font/ttf;base64,{data})}}"
    return f"<style>{rules}</style>"


def _text(text: str) -> str:
    """Escaped, without the characters that XML 1.0 does not have."""
    return escape("".join(c for c in text if c.isprintable() or c == "\n"))
