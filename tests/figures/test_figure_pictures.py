"""Pictures of the author's on the first slab and on the last, in every format."""

import base64
import re
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest
from PIL import Image

import archdsl
from archdsl import SpecError, UsageError
from archdsl.cli import main as cli
from archdsl.figures.canvas.pictures import read_picture
from archdsl.figures.canvas.scene import Path as Area
from tests.figures.test_figure_files import difference, pixels
from tests.support import needs_tex, pdflatex

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 200, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """Four squares: red, green, under them blue, white."""
    image = Image.new("RGB", (40, 40), RED)
    for place, color in (((20, 0), GREEN), ((0, 20), BLUE), ((20, 20), WHITE)):
        image.paste(color, (*place, place[0] + 20, place[1] + 20))
    image.save(tmp_path / "flag.png")
    return tmp_path / "flag.png"


def drawn(flag: Path) -> Any:
    return archdsl.draw("resnet18", kind="strip", input_image=flag, output_image=flag)


def quarters(figure: Any) -> list[tuple[float, float]]:
    """Where the middles of the four squares are, on the slab of the input, in points."""
    side = next(i for i in figure.scene.flat() if isinstance(i, Area) and i.picture is not None)
    (x0, y0), (x1, y1), (x2, y2) = side.corners
    return [
        (x0 + a * (x1 - x0) + b * (x2 - x0), y0 + a * (y1 - y0) + b * (y2 - y0))
        for b in (0.25, 0.75)
        for a in (0.25, 0.75)
    ]


def colors(image: Image.Image, figure: Any, scale: float) -> list[tuple[int, ...]]:
    found = [image.convert("RGB").getpixel((x * scale, y * scale)) for x, y in quarters(figure)]
    return [one for one in found if isinstance(one, tuple)]


def near(found: list[tuple[int, ...]]) -> bool:
    wanted = [RED, GREEN, BLUE, WHITE]
    pairs = [pair for two in zip(found, wanted, strict=True) for pair in zip(*two, strict=True)]
    return all(abs(a - b) < 12 for a, b in pairs)


def test_a_picture_stands_on_its_slab_the_right_way_round_in_every_format(flag: Path) -> None:
    figure = drawn(flag)
    png = Image.open(BytesIO(figure.render(".png", dpi=144)))
    pdf = pypdfium2.PdfDocument(figure.render(".pdf"))[0].render(scale=2).to_pil()
    assert near(colors(png, figure, 2)) and near(colors(pdf, figure, 2))
    assert difference(pixels(figure, ".png"), pixels(figure, ".svg", "outlines")) < 0.1
    assert figure.render(".html").decode().count("data:image/png;base64") >= 2
    root = ElementTree.fromstring(figure.render(".drawio"))
    styles = [cell.get("style", "") for cell in root.iter("mxCell")]
    (first, _) = (s for s in styles if "shape=image" in s)
    sheared = base64.b64decode(first.partition("data:image/png,")[2].rstrip(";"))
    assert near_in(Image.open(BytesIO(sheared)), figure)


def near_in(sheared: Image.Image, figure: Any) -> bool:
    """The same of the parallelogram alone, clear around it."""
    side = next(i for i in figure.scene.flat() if isinstance(i, Area) and i.picture is not None)
    left, top, right, _ = side.box()
    scale = sheared.width / (right - left - side.width)
    places = [(x - left - side.width / 2, y - top - side.width / 2) for x, y in quarters(figure)]
    found = [sheared.convert("RGB").getpixel((x * scale, y * scale)) for x, y in places]
    corner = sheared.convert("RGBA").getpixel((0, 0))
    assert isinstance(corner, tuple) and corner[3] == 0
    return near([one for one in found if isinstance(one, tuple)])


def test_a_slide_has_pictures(flag: Path) -> None:
    pptx = pytest.importorskip("pptx", reason="python-pptx reads slides back")
    figure = drawn(flag)
    (slide,) = pptx.Presentation(BytesIO(figure.render(".pptx"))).slides
    pictures = [shape for shape in slide.shapes if shape.shape_type == 13]
    assert len(pictures) == 2
    assert near_in(Image.open(BytesIO(pictures[0].image.blob)), figure)


@needs_tex
def test_tex_reads_the_picture_from_its_file(flag: Path) -> None:
    figure = archdsl.draw("resnet18", kind="strip", input_image=flag)
    figure.save(flag.parent / "figure.tex")
    page = (
        r"\documentclass{article}\usepackage{tikz}\hoffset-1in\voffset-1in\begin{document}"
        r"\setbox0\hbox{\input{figure}}\pdfpagewidth\wd0\pdfpageheight\ht0\shipout\box0 "
        r"\end{document}"
    )
    pdflatex(flag.parent, page)
    made = pypdfium2.PdfDocument(flag.parent / "page.pdf")[0].render(scale=2).to_pil()
    assert near(colors(made, figure, 2))


def test_a_figure_file_reads_pictures_in_its_folder_alone(flag: Path) -> None:
    path = flag.parent / "fig.yaml"
    path.write_text("figure: resnet18\nkind: strip\ninput_image: flag.png\n")
    assert archdsl.draw(path).render(".svg").count(b"<image") == 1
    path.write_text("figure: resnet18\nkind: strip\ninput_image: ../flag.png\n")
    with pytest.raises(SpecError, match="lies outside the folder of the figure"):
        archdsl.draw(path)
    path.write_text("figure: resnet18\nkind: strip\ninput_image: /etc/passwd\n")
    with pytest.raises(SpecError, match="lies outside the folder of the figure"):
        archdsl.draw(path)


def test_a_spec_reads_no_pictures() -> None:
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nfigure: {input_image: a.png}\nbackbone: [relu]\n"
    with pytest.raises(SpecError, match="pictures are for figure files and calls"):
        archdsl.loads(text)


def huge(side: int) -> bytes:
    """A PNG of few bytes and many pixels."""
    head = struct.pack(">2I5B", side, side, 1, 0, 0, 0, 0)
    lines = zlib.compress(bytes(side * (side // 8 + 1)), 9)
    chunks = ((b"IHDR", head), (b"IDAT", lines), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GIF89a", "is neither a PNG nor a JPEG, or is broken"),
        (b"<svg/>", "is neither a PNG nor a JPEG, or is broken"),
        (b"", "is neither a PNG nor a JPEG, or is broken"),
        (huge(6_000), "has 6,000 by 6,000 pixels, more than 25,000,000"),
        (huge(16_000), "has more than 25,000,000 pixels"),
        (b"x" * 8_000_001, "has 8,000,001 bytes, more than 8,000,000"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=re.escape(said)):
        read_picture(str(path))
    assert (
        cli.run(["draw", "resnet18", "--input-image", str(path), "-o", str(tmp_path / "x.svg")])
        == 2
    )
    assert not (tmp_path / "x.svg").exists()


def test_a_picture_needs_a_slab(tmp_path: Path, flag: Path) -> None:
    with pytest.raises(UsageError, match="there is no slab that "):
        archdsl.draw("unet", input_image=flag)
    with pytest.raises(UsageError, match="kind block has no --input-image; hero and strip have"):
        archdsl.draw("resnet18", kind="block", input_image=flag)
    with pytest.raises(UsageError, match="cannot read the picture nothing"):
        archdsl.draw("resnet18", input_image="nothing.png")
