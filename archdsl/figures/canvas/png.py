"""A scene as PNG."""

from archdsl.figures.canvas.font import FAMILIES, font
from archdsl.figures.canvas.scene import Scene
from archdsl.figures.canvas.svg import svg

DPI = 300


def png(scene: Scene, dpi: int = DPI) -> bytes:
    """The picture at a resolution in dots per inch, on the theme's background or white."""
    import resvg_py

    files = [str(font(family, bold).path) for family in FAMILIES for bold in (False, True)]
    data = resvg_py.svg_to_bytes(
        svg_string=svg(scene),
        dpi=dpi,
        background=scene.background or "#FFFFFF",
        skip_system_fonts=True,
        font_files=files,
    )
    return bytes(data)
