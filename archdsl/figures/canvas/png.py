"""A scene as PNG."""

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.font import FAMILIES, font
from archdsl.figures.canvas.scene import Scene
from archdsl.figures.canvas.svg import svg

DPI = 300
PIXELS = 10**8  # four bytes each


def expect_pixels(width: float, height: float, dpi: int) -> None:
    """Raises UsageError if a picture, in points, would have more than PIXELS at a resolution."""
    pixels = width * height * (dpi / 72) ** 2
    if pixels > PIXELS:
        raise UsageError(
            f"a picture of {width / 72:.0f} by {height / 72:.0f} inches has"
            f" {pixels / 1e6:,.0f} million pixels at {dpi} dpi, more than the {PIXELS // 10**6}"
            " million of a PNG; give a lower --dpi, or save it as .svg or .pdf"
        )


def png(scene: Scene, dpi: int = DPI) -> bytes:
    """The picture at a resolution in dots per inch, on the theme's background or white.

    Raises UsageError if it would have more than PIXELS.
    """
    import resvg_py

    expect_pixels(scene.width, scene.height, dpi)
    files = [str(font(family, bold).path) for family in FAMILIES for bold in (False, True)]
    data = resvg_py.svg_to_bytes(
        svg_string=svg(scene),
        dpi=dpi,
        background=scene.background or "#FFFFFF",
        skip_system_fonts=True,
        font_files=files,
    )
    return bytes(data)
