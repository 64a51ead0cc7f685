"""Slides and pages, read back by what opens them; panels; what the documents say of figures."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import ImageChops, ImageStat
from pypdf import PdfReader

import archdsl
from archdsl import SpecError
from archdsl.cli import main as cli
from archdsl.figures.canvas.scene import Path as Line
from archdsl.figures.canvas.scene import Scene, Text, flat, groups
from archdsl.figures.canvas.slides import slides
from tests.browser import chromium

PUBLISHED = Path(__file__).parents[2] / "docs" / "figures" / "published"


@pytest.mark.parametrize(("name", "theme"), [("resnet18", "paper"), ("unet", "dark")])
def test_a_slide_has_every_path_as_a_shape_and_every_text_as_it_stands(
    name: str, theme: str
) -> None:
    pptx = pytest.importorskip("pptx", reason="python-pptx reads slides back")
    figure = archdsl.draw(name, theme=theme, width="double")
    scene = figure.scene
    assert scene is not None
    made = pptx.Presentation(BytesIO(figure.render(".pptx")))
    point = 12_700
    assert abs(made.slide_width / point - scene.width) < 0.01
    assert abs(made.slide_height / point - scene.height) < 0.01
    (slide,) = made.slides
    said = [shape.text_frame.text for shape in slide.shapes if shape.shape_type == 17]  # text box
    items = list(flat(scene.items))
    assert said == [item.plain for item in items if isinstance(item, Text)]
    shapes = [shape for shape in slide.shapes if shape.shape_type == 5]  # freeform
    lines = [item for item in items if isinstance(item, Line)]
    assert len(shapes) == len(lines)
    for shape, line in zip(shapes, lines, strict=True):
        left, top, right, bottom = line.box()
        half = line.width / 2 if line.stroke else 0
        assert abs(shape.left / point - left - half) < 0.1
        assert abs((shape.top + shape.height) / point - bottom + half) < 0.1
        assert abs((shape.left + shape.width) / point - right + half) < 0.1
        assert abs(shape.top / point - top - half) < 0.1
        if line.fill:
            assert str(shape.fill.fore_color.rgb) == line.fill[1:].upper()
    named = {group.id for group in groups(scene.items)} & {shape.name for shape in slide.shapes}
    assert len(named) > 5


@pytest.mark.slow  # an office takes seconds to start
@pytest.mark.skipif(shutil.which("soffice") is None, reason="no LibreOffice here")
@pytest.mark.parametrize("name", ["resnet50", "unet", "hrnet_w18"])
def test_an_office_shows_a_slide_as_the_figure_is(tmp_path: Path, name: str) -> None:
    """LibreOffice: one page of its size with all of its words, and of each color about as much."""
    pytest.importorskip("pptx", reason="python-pptx writes slides")
    figure = archdsl.draw(name, width="double")
    figure.save(tmp_path / "figure.pptx")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "pdf", "figure.pptx"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    scene, (page,) = figure.scene, PdfReader(tmp_path / "figure.pdf").pages
    assert scene is not None
    assert abs(float(page.mediabox.width) - scene.width) < 1
    assert abs(float(page.mediabox.height) - scene.height) < 1
    shown = "".join(page.extract_text().split())
    for item in scene.flat():
        if isinstance(item, Text):
            assert "".join(item.plain.split()) in shown
    pages = (
        pypdfium2.PdfDocument(tmp_path / "figure.pdf"),
        pypdfium2.PdfDocument(figure.render(".pdf")),
    )
    theirs, ours = (
        page[0].render(scale=1).to_pil().convert("RGB").resize((40, 40)) for page in pages
    )
    apart = ImageStat.Stat(ImageChops.difference(theirs, ours)).mean
    assert max(apart) < 8, apart


def test_a_slide_is_an_inch_at_least_and_a_larger_figure_than_slides_is_refused() -> None:
    pptx = pytest.importorskip("pptx", reason="python-pptx reads slides back")
    low = Scene(100, 20, ())
    made = pptx.Presentation(BytesIO(slides(low)))
    assert (made.slide_width.pt, made.slide_height.pt) == (100, 72)
    with pytest.raises(archdsl.UsageError, match="is 60 by 1 inches, more than the 56 of a slide"):
        slides(Scene(60 * 72, 72, ()))


def test_a_page_opens_blocks_that_are_wider_than_papers() -> None:
    paths = ", ".join(f"p{n}: [{{conv: {{kernel: 1}}}}]" for n in range(40))
    graph = archdsl.loads(
        "archdsl: 1\nname: n\ninput: [4, 8, 8]\nbackbone:\n"
        f"  b: {{branches: {{paths: {{{paths}}}}}}}\n"
    )
    page = archdsl.draw(graph, width="100in").render(".html").decode()
    opened = page[page.index('<details id="part:b">') :]
    assert opened.count("<svg") == 1 and opened.count(">1×1, 4<") >= 40


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A page in Chromium, with the errors of its scripts and what it fetched."""
    errors: list[str] = []
    fetched: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path.as_uri())
        yield page, errors, fetched


def test_a_page_opens_stages_into_blocks_into_ops_and_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fig.html"
    archdsl.draw("resnet18").save(path)
    with opened(path) as (page, errors, fetched):
        part = "document.getElementById('part:layer2.1')"
        assert not page.evaluate(f"{part}.open")
        page.click('#figure g[id="layer2.1"]', force=True)
        assert page.evaluate(f"{part}.open && {part}.parentElement.closest('details').open")
        assert "layer2.1.conv1" in page.evaluate(f"{part}.innerText")
        assert "147,456" in page.evaluate(f"{part}.innerText")  # 128 x 128 x 3 x 3
        wide = "document.querySelector('#figure svg').viewBox.baseVal.width"
        before = page.evaluate(wide)
        page.mouse.move(300, 200)
        page.mouse.wheel(0, -300)
        page.wait_for_function(f"{wide} < {before}")
        assert errors == [] and fetched == [path.as_uri()]


def test_a_page_says_what_its_author_says_as_text(tmp_path: Path) -> None:
    text = "</svg><script>alert(1)</script>"
    html = archdsl.draw("resnet18", title=text, label={"conv1": text}).render(".html").decode()
    assert html.count("<script>") == 1 and "<script>alert" not in html


PANELS = """
figure: resnet18
width: double
title: Two panels and a third
panels:
  layout: [a a, b c]
  a: {kind: strip, caption: The network}
  b: {kind: block, insets: [layer3.1], caption: A block}
  c: {figure: densenet121, kind: dense, caption: A dense block}
"""


def drawn(folder: Path, text: str) -> Any:
    path = folder / "fig.yaml"
    path.write_text(text)
    return archdsl.draw(path)


def test_panels_stand_in_their_rows_over_their_words_with_one_legend(tmp_path: Path) -> None:
    figure = drawn(tmp_path, PANELS)
    said = [item for item in flat(figure.scene.items) if isinstance(item, Text)]
    at = {text.plain: text for text in said}
    a, b, c = at["(a) The network"], at["(b) A block"], at["(c) A dense block"]
    assert a.y < b.y == c.y and b.x < a.x < c.x
    assert [text.plain for text in said].count("k×k conv") == 1
    boxes = {g.id: g.box() for g in groups(figure.scene.items) if g.id.startswith("panel.")}
    assert boxes["panel.a"][3] < min(boxes["panel.b"][1], boxes["panel.c"][1])
    assert boxes["panel.b"][2] < boxes["panel.c"][0]
    assert "layer1" not in figure.left_out  # another panel shows it
    assert "transition1" in figure.left_out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("panels: {layout: [a], a: {}, b: {}}", "panel `b` is not in the layout"),
        ("panels: {layout: [a b], a: {}}", "panel `b` of the layout is missing"),
        ("panels: {a: {}}", "panels need a `layout`"),
        ("panels: {layout: [a], a: {kin: strip}}", "unknown key `kin`"),
        ("panels: {layout: [a], a: {figure: ../x.yaml}}", "outside the folder"),
    ],
)
def test_what_is_wrong_with_panels_is_said_at_its_place(
    text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        drawn(tmp_path, f"figure: resnet18\n{text}\n")
    assert said in str(caught.value) and "fig.yaml:2:" in str(caught.value)


@pytest.mark.parametrize("name", sorted(path.stem for path in PUBLISHED.glob("*.yaml")))
def test_a_published_figure_is_rebuilt_by_a_few_lines(name: str) -> None:
    path = PUBLISHED / f"{name}.yaml"
    assert len(path.read_text().splitlines()) < 20
    page = (PUBLISHED / "README.md").read_text()
    assert f"]({name}.svg)" in page and f"]({name}.yaml)" in page
    made = archdsl.draw(path).render(".svg")
    assert (PUBLISHED / f"{name}.svg").read_bytes() == made, "run python docs/figures/generate.py"


DOCUMENT = (PUBLISHED.parents[1] / "figures.md").read_text()
WISHES = re.findall(r"^\| [^|]+ \| `(archdsl draw .*)` \|$", DOCUMENT, re.M)
FILES = [text for text in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.S) if "figure: " in text]


@pytest.mark.parametrize("command", WISHES)
def test_every_wish_of_the_page_is_a_line_that_draws(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)[1:]
    if words[-2] != "-o":
        words += ["-o", "fig.svg"]
    wanted = {words[-1]} | ({"fig.bib"} if "caption,label,bib" in words else set())
    words[-1] = str(tmp_path / words[-1])
    assert cli.run(words) == 0 and {path.name for path in tmp_path.iterdir()} == wanted


def test_the_page_has_the_wishes_and_two_files() -> None:
    assert len(WISHES) == 15 and len(FILES) == 2


@pytest.mark.parametrize("text", FILES)
def test_every_figure_file_of_the_page_draws(text: str, tmp_path: Path) -> None:
    assert drawn(tmp_path, text).scene is not None
