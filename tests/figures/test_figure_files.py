"""Figures in files: every format says the same, in the same bytes every time."""

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from html import unescape
from io import BytesIO
from itertools import combinations, pairwise
from math import dist
from pathlib import Path
from unicodedata import normalize
from xml.etree import ElementTree

import pypdfium2
import pytest
from graphviz import Digraph
from PIL import Image, ImageChops, ImageStat
from pypdf import PdfReader

import archdsl
from archdsl import Graph, SpecError, UsageError
from archdsl.cli import main as cli
from archdsl.cli.main import run
from archdsl.figures.author import shade
from archdsl.figures.canvas.font import font
from archdsl.figures.canvas.scene import Scene, Text
from archdsl.figures.canvas.slides import slides
from archdsl.figures.canvas.theme import HATCHES, load_theme, theme_names
from archdsl.figures.canvas.tikz import escaped
from archdsl.figures.draw import draw
from archdsl.figures.figure import Figure
from archdsl.figures.kinds import graph as graphviz
from archdsl.figures.kinds.table_rows import compare
from archdsl.figures.network.description import describe
from archdsl.figures.options import Options
from archdsl.language import gallery
from tests.support import needs_tex, pdflatex
from tests.texfont import preamble

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "_ & % # $ < > \" ' \\ {} ^ ~ | `"
TEX_PIXELS = 0.6  # of 255: between the page of TeX and our PDF, drawn by one renderer
PIXELS = 5.0  # of 255: by how much two renderers may differ on average, by smoothing edges


@pytest.fixture(scope="module")
def hero() -> Figure:
    return draw([archdsl.load("resnet50")])


def named(title: str) -> Figure:
    return draw([archdsl.load("resnet18")], options=Options(title=title))


def pixels(figure: Figure, suffix: str, text: str = "live") -> Image.Image:
    """A figure at 144 dots per inch, in grey."""
    if suffix == ".pdf":
        page = pypdfium2.PdfDocument(figure.render(".pdf"))[0]
        return page.render(scale=2).to_pil().convert("L")
    if suffix == ".svg":
        import resvg_py

        svg = figure.render(".svg", text).decode()
        png = resvg_py.svg_to_bytes(
            svg_string=svg, dpi=144, skip_system_fonts=True, background="#FFFFFF"
        )
        return Image.open(BytesIO(bytes(png))).convert("L")
    return Image.open(BytesIO(figure.render(".png", dpi=144))).convert("L")


def difference(a: Image.Image, b: Image.Image) -> float:
    assert abs(a.width - b.width) <= 1 and abs(a.height - b.height) <= 1
    size = (0, 0, min(a.width, b.width), min(a.height, b.height))
    return ImageStat.Stat(ImageChops.difference(a.crop(size), b.crop(size))).mean[0]


@pytest.mark.parametrize(
    ("name", "kind", "theme"),
    [
        ("resnet50", "hero", "paper"),
        ("googlenet", "block", "grey"),
        ("densenet121", "dense", "paper"),
        ("unet", "pyramid", "dark"),
        ("resnet34", "columns", "paper"),
        ("vit_b_16", "strip", "dark"),
    ],
)
def test_the_formats_agree_pixel_for_pixel(name: str, kind: str, theme: str) -> None:
    """PNG against SVG with outlines, by one renderer, and against PDF by another."""
    figure = draw([archdsl.load(name)], kind, Options(theme=str(theme)))
    png, outlines, pdf = (
        pixels(figure, ".png"), pixels(figure, ".svg", "outlines"), pixels(figure, ".pdf")
    )  # fmt: skip
    assert difference(png, outlines) < 0.1
    assert difference(png, pdf) < PIXELS
    blank = Image.new("L", png.size, png.getpixel((0, 0)))
    assert difference(png, blank) > 2 * difference(png, pdf)


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png", ".tex"])
def test_the_same_spec_gives_the_same_bytes(suffix: str) -> None:
    def make() -> bytes:
        return draw([archdsl.load("resnet18")]).render(suffix)

    assert make() == make()


def test_a_pdf_is_one_page_of_the_size_asked_for_with_its_fonts(hero: Figure) -> None:
    reader = PdfReader(BytesIO(hero.render(".pdf")))
    (page,) = reader.pages
    assert float(page.mediabox.width) == 396
    fonts = page["/Resources"]["/Font"].values()  # type: ignore[index]
    assert fonts and all("/FontFile2" in f.get_object()["/FontDescriptor"] for f in fonts)
    assert "layer3.1–5" in page.extract_text()


def test_an_svg_is_well_formed_and_names_its_parts(hero: Figure) -> None:
    root = ElementTree.fromstring(hero.render(".svg"))
    assert (root.get("width"), root.get("role")) == ("396pt", "img")
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text == "resnet50"
    assert description is not None and "layer3, bottleneck ×6" in str(description.text)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and {"conv1", "layer3", "layer3.1.conv2"} <= set(ids)
    hover = {g.get("id"): g.findtext(f"{SVG}title") for g in root.iter(f"{SVG}g")}
    assert "589,824 parameters" in str(hover["layer3.1.conv2"])


def test_nothing_that_converters_disagree_about(hero: Figure) -> None:
    for mode in ("live", "embedded", "outlines"):
        text = hero.render(".svg", mode).decode()
        words = ("<marker", "foreignObject", "<filter", "opacity", "var(")
        assert not [word for word in words if word in text]
    assert "<text" not in hero.render(".svg", "outlines").decode()
    assert hero.render(".svg", "embedded").decode().count("@font-face") == 2


@pytest.mark.parametrize("title", [NASTY, "Ångström naïve Σβγ → ≤ × – …", "two\nlines\tand <b>"])
def test_any_text_comes_out_right(title: str) -> None:
    figure, shown = named(title), " ".join(title.split())
    root = ElementTree.fromstring(figure.render(".svg"))
    assert shown in ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert shown.replace(" ", "") in PdfReader(BytesIO(figure.render(".pdf"))).pages[
        0
    ].extract_text().replace(" ", "")
    assert figure.render(".png")
    assert escaped(shown) in figure.render(".tex").decode()


def test_texts_have_the_title_too() -> None:
    options = Options(title=NASTY + "\nline")
    shown = f"{NASTY} line"
    table = draw([archdsl.load("resnet18")], "table", options)
    assert rf"\textbf{{{escaped(shown)}}}" in table.render(".tex").decode()
    assert unescape(table.render(".html").decode().partition("<caption>")[2]).startswith(shown)
    heading = table.render(".md").decode().splitlines()[0]
    assert re.sub(r"\\(.)", r"\1", heading) == f"**{shown}**"
    graph = draw([archdsl.load("resnet18")], "graph", options)
    (line,) = [one for one in graph.render(".mmd").decode().splitlines() if "title: " in one]
    assert json.loads(line.removeprefix("title: ")) == shown
    (label,) = re.findall(r'graph \[label="(.*)" labelloc=t\]', graph.render(".dot").decode())
    assert unescape(re.sub(r"\\(.)", r"\1", label)) == shown


@pytest.mark.parametrize("title", ["残差", "שלום", "🙂", "Ж", "e\u0323\u0301"])
def test_letters_without_a_glyph_are_an_error(title: str) -> None:
    with pytest.raises(UsageError, match=r"figures cannot show .* \(U\+"):
        named(title)


def test_tex_escapes_every_character_that_acts() -> None:
    assert escaped("a_b & 50%") == r"a\_b \& 50\%"
    assert escaped("\\{}") == r"\textbackslash{}\{\}"


def test_tikz_shows_every_letter_of_the_fonts_or_says_that_it_cannot() -> None:
    shown = "".join(letter for letter in every_letter() if not refused(letter))
    assert set("ÀéñßŁőžαΩΣ×→≤…–") <= set(shown)
    with pytest.raises(UsageError, match=r"LaTeX cannot show `Ή` \(U\+0389"):
        named("Ή").render(".tex")
    assert "[T1]{fontenc}" in named("Ląka").render(".tex").decode()


def every_letter() -> list[str]:
    codes = (code for code, glyph in font("sans").glyphs.items() if glyph and code > 0x20)
    return [chr(code) for code in codes if normalize("NFC", chr(code)) == chr(code)]


def refused(letter: str) -> bool:
    try:
        escaped(letter)
    except UsageError:
        return True
    return not letter.isprintable()


@needs_tex
@pytest.mark.parametrize("encoding", ["", r"\usepackage[T1]{fontenc}"])
def test_tex_knows_every_letter_that_is_not_refused(tmp_path: Path, encoding: str) -> None:
    only_t1 = "" if encoding else "ĄąĘęĮįŲųÐðÞþĐđŊŋ«»‹›‚„"
    letters = [one for one in every_letter() if not refused(one) and one not in only_t1]
    body = "\n\n".join(map(escaped, letters))
    page = rf"\documentclass{{article}}{encoding}\begin{{document}}{body}\end{{document}}"
    pdflatex(tmp_path, page)
    log = (tmp_path / "page.log").read_text(errors="replace")
    assert not [line for line in log.splitlines() if line.startswith(("! ", "Missing char"))]
    assert len(letters) > 350


@needs_tex
@pytest.mark.parametrize(
    ("name", "kind"), [("resnet50", "hero"), ("googlenet", "block"), ("densenet121", "dense")]
)
def test_tikz_compiles(tmp_path: Path, name: str, kind: str) -> None:
    figure = draw([archdsl.load(name)], kind, Options(title=NASTY + " αβγ é"))
    figure.save(tmp_path / "figure.tex")
    page = r"\documentclass{article}\usepackage[a4paper,margin=1cm]{geometry}\usepackage{tikz}"
    said = pdflatex(tmp_path, page + r"\begin{document}\input{figure}\end{document}")
    assert "Overfull" not in said
    words = PdfReader(tmp_path / "page.pdf").pages[0].extract_text()
    assert "concat" in words or "bottleneck" in words or "growth" in words


@pytest.mark.skipif(shutil.which("pltotf") is None, reason="no TeX here")
@pytest.mark.parametrize(
    ("name", "kind", "theme"),
    [
        ("resnet50", "hero", "paper"),
        ("efficientnet_b0", "block", "grey"),
        ("densenet121", "dense", "paper"),
        ("unet", "pyramid", "dark"),
        ("mobilenet_v2", "columns", "paper"),
    ],
)
def test_tikz_is_the_picture_of_the_pdf(tmp_path: Path, name: str, kind: str, theme: str) -> None:
    """Set by TeX in the font of our figures, pixel for pixel."""
    figure = draw([archdsl.load(name)], kind, Options(theme=str(theme)))
    figure.save(tmp_path / "figure.tex")
    page = (
        rf"\documentclass{{article}}{preamble(tmp_path)}\hoffset-1in\voffset-1in\begin{{document}}"
        r"\setbox0\hbox{\input{figure}}\pdfpagewidth\wd0\pdfpageheight\ht0\shipout\box0 "
        r"\end{document}"
    )
    pdflatex(tmp_path, page)
    tex = pypdfium2.PdfDocument(tmp_path / "page.pdf")[0].render(scale=2).to_pil().convert("L")
    pdf = pixels(figure, ".pdf")
    blank = Image.new("L", pdf.size, pdf.getpixel((0, 0)))
    assert difference(tex, pdf) < min(TEX_PIXELS, difference(pdf, blank) / 8)


@needs_tex
def test_tikz_takes_its_width_in_a_line_and_squeezes_wider_fonts(tmp_path: Path) -> None:
    probes = "".join(
        rf"\node[at most=20bp] (probe) {{{text}}};"
        r"\pgfpointdiff{\pgfpointanchor{probe}{west}}{\pgfpointanchor{probe}{east}}"
        rf"\typeout{{{name} \the\csname pgf@x\endcsname.}}"
        for name, text in (("text", "much too wide"), ("short", "i"))
    )
    picture = draw([archdsl.load("resnet18")]).render(".tex").decode()
    end = r"\end{tikzpicture}"
    (tmp_path / "figure.tex").write_text(picture.replace(end, probes + end))
    page = (
        r"\documentclass{article}\usepackage{tikz}\begin{document}"
        r"\setbox1\hbox{\input{figure}}\typeout{figure \the\wd1.}\end{document}"
    )
    said = re.findall(r"(\w+) ([\d.]+)pt\.", pdflatex(tmp_path, page))
    widths = {word: float(size) for word, size in said}
    inch = 72.27  # of TeX's points
    assert widths["figure"] == pytest.approx(5.5 * inch, abs=0.05)
    assert widths["text"] == pytest.approx(20 / 72 * inch, abs=0.01) and widths["short"] < 5


@needs_tex
@pytest.mark.parametrize("text", ["table", "summary"])
def test_the_latex_table_compiles(tmp_path: Path, text: str) -> None:
    if text == "table":
        networks = [archdsl.load(name) for name in ("resnet18", "inception_v3")]
        draw(networks, "table").save(tmp_path / "t.tex")
    else:
        (tmp_path / "t.tex").write_text(archdsl.summarize("inception_v3").render("latex"))
    rules = "".join(
        rf"\newcommand\{rule}{{\hline}}" for rule in ("toprule", "midrule", "bottomrule")
    )
    page = rf"\documentclass{{article}}{rules}\begin{{document}}\input{{t}}\end{{document}}"
    pdflatex(tmp_path, page)


def test_a_summary_in_latex_is_set_as_papers_have_it() -> None:
    """He et al. 2016, table 1: `[1×1, 64; 3×3, 64; 1×1, 256] × 3`; costs stand beside."""
    lines = archdsl.summarize("resnet50").render("latex").splitlines()
    rows = {line.split(" & ")[0]: line.replace(r"\ensuremath{\times}", "×") for line in lines}
    for stage, width, count in (("layer1", 64, 3), ("layer3", 256, 6)):
        layers = re.findall(r"\\mbox{(.*?)}", rows[stage])
        assert layers == [f"1×1 conv, {width}", f"3×3 conv, {width}", f"1×1 conv, {4 * width}"]
        assert rf"\times {count}$ & {4 * width}$\times$" in rows[stage]
    assert r"& 7$\times$7 conv, 64, /2 & 64" in rows["conv1"]


def test_the_table_is_that_of_the_paper() -> None:
    """He et al. 2016, table 1: ResNet-18 and 50 share the stem, the pooling and the head."""
    table = compare([describe(archdsl.load(name)) for name in ("resnet18", "resnet50")])
    shared = [row.cells[0][0].lines for row in table.rows if row.shared]
    assert shared == [
        ("7×7 conv, 64, /2",),
        ("3×3 max pool, /2",),
        ("global avg pool",),
        ("linear, 1000",),
    ]
    basic, bottleneck = table.rows[2].cells
    assert (basic[0].lines, basic[0].count) == (("3×3 conv, 64", "3×3 conv, 64"), 2)
    assert bottleneck[0].lines == ("1×1 conv, 64", "3×3 conv, 64", "1×1 conv, 256")
    assert [row.size for row in table.rows if row.size] == [
        "112×112", "56×56", "28×28", "14×14", "7×7", "1×1", "Shortcuts",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".md", ".html", ".tex"])
def test_tables_come_in_three_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    draw([archdsl.load("resnet18")], "table").save(path)
    assert "11.69 M / 1.81 G" in path.read_text()


def test_widths_of_text_are_those_of_the_outlines() -> None:
    """The widths of Arial: 1139, 1366 and 569 of 2048 units for `a`, `A`, ` `."""
    face = font("sans")
    assert [round(face.width(letter, 2048)) for letter in "aA "] == [1139, 1366, 569]
    assert font("serif").width("a", 2048) == pytest.approx(909, abs=1)
    assert len(face.outline("i")) == 2 and len(face.outline("é")) == 3 and face.outline(" ") == []


# Themes


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    return sum(
        part * weight for part, weight in zip(linear(color), (0.2126, 0.7152, 0.0722), strict=True)
    )


def linear(color: str) -> list[float]:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


SIMULATED = {  # Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),  # noqa: E501
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),  # noqa: E501
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),  # noqa: E501
}  # fmt: skip


def lab(color: str, matrix: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """CIE L*a*b* under D65 of a color as it is seen."""
    rgb = [
        min(1.0, max(0.0, sum(m * c for m, c in zip(row, linear(color), strict=True))))
        for row in matrix
    ]
    to_xyz = (
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    )
    white = (0.95047, 1.0, 1.08883)
    x, y, z = (
        sum(m * c for m, c in zip(row, rgb, strict=True)) / w
        for row, w in zip(to_xyz, white, strict=True)
    )

    def bend(t: float) -> float:
        return t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    return 116 * bend(y) - 16, 500 * (bend(x) - bend(y)), 200 * (bend(y) - bend(z))


def distances(theme: str, vision: str) -> float:
    """The smallest distance (Delta E 76) of two fills, in `grey` of two under the same hatch."""
    paints = [paint for role, paint in load_theme(theme).paints.items() if role != "plain"]
    points = [(paint.hatch, lab(paint.fill, SIMULATED[vision])) for paint in paints]
    return min(
        dist(p, q)
        for (hatch, p), (other, q) in combinations(points, 2)
        if hatch == other or theme != "grey"
    )


@pytest.mark.parametrize("theme", theme_names())
def test_text_is_readable_on_every_fill(theme: str) -> None:
    look = load_theme(theme)
    assert (
        min(contrast(look.ink, paint.fill) for role, paint in look.paints.items() if role != "down")
        >= 7
    )
    hatched = [paint.lines for paint in look.paints.values() if paint.hatch]
    assert all(contrast(look.ink, color) >= 7 for color in hatched)
    assert contrast(look.dimension, look.background or "#FFFFFF") >= 5.5
    assert all(contrast(p.stroke, look.background or "#FFFFFF") >= 3 for p in look.paints.values())


@pytest.mark.parametrize("theme", theme_names())
def test_text_is_readable_on_every_shade_of_a_cost(theme: str) -> None:
    look = load_theme(theme)
    fills = [shade(part / 4, look).fill for part in range(5)]
    assert len({*fills}) == 5
    assert min(contrast(look.ink, fill) for fill in fills) >= 7


@pytest.mark.parametrize(
    ("theme", "vision", "least"),
    [
        *(("paper", vision, 10.2) for vision in SIMULATED),
        *(("dark", vision, 9.1) for vision in SIMULATED),
        *(("grey", vision, 9.2) for vision in SIMULATED),
        ("paper", "normal", 13),
    ],
)
def test_fills_stay_apart_for_every_vision(theme: str, vision: str, least: float) -> None:
    assert distances(theme, vision) >= least


@pytest.mark.parametrize(("theme", "least"), [("paper", 5.2), ("dark", 4.5), ("grey", 5.5)])
def test_fills_stay_apart_where_a_print_has_no_colors(theme: str, least: float) -> None:
    """Two fills are of different lightness (L*), or the lines over one of them are seen."""
    paints = load_theme(theme).paints.values()
    light = sorted((p.hatch, lab(p.fill, SIMULATED["normal"])[0]) for p in paints)
    gaps = [b - a for (hatch, a), (other, b) in pairwise(light) if hatch == other]
    assert len(gaps) >= 4
    assert min(gaps) >= least
    hatched = [p for p in paints if p.hatch]
    assert len({p.hatch for p in hatched}) == len(hatched) >= 2
    for paint in hatched:
        fill, line = (lab(color, SIMULATED["normal"])[0] for color in (paint.fill, paint.lines))
        assert abs(fill - line) > 7


def test_a_hatch_stays_in_its_area_and_is_no_line_through_it(tmp_path: Path) -> None:
    """Every kind of lines, in boxes and on slabs, inside the border."""
    for hatch in HATCHES[1:]:
        path = tmp_path / f"{HATCHES.index(hatch)}.yaml"
        path.write_text(f"extends: paper\nroles: {{conv: {{hatch: '{hatch}'}}}}\n")
        look = load_theme(path)
        conv = look.paint("conv")
        assert (conv.fill, conv.hatch) == (load_theme("paper").paint("conv").fill, hatch)
        scene = draw([archdsl.load("vgg11")], "columns", Options(theme=str(path))).scene
        assert scene is not None
        items = [item for item in scene.flat() if not isinstance(item, Text)]
        lines = [item for item in items if item.stroke == conv.lines]
        areas = [item.box() for item in items if item.fill == conv.fill]
        assert len(lines) == len(areas) > 8
        for line, area in zip(lines, areas, strict=True):
            left, top, right, bottom = line.box()
            assert area[0] < left < right < area[2] and area[1] < top < bottom < area[3]


def test_every_theme_that_comes_with_it_is_looked_at() -> None:
    assert theme_names() == ["dark", "grey", "paper"]


def test_a_theme_of_the_users_takes_over_what_it_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        'extends: paper\nfamily: serif\nroles: {conv: {fill: "#FFEEDD", stroke: "#000000"}}\n'
    )
    theme = load_theme(str(path))
    assert (theme.family, theme.paint("conv").fill) == ("serif", "#FFEEDD")
    assert theme.paint("pool") == load_theme("paper").paint("pool")
    assert b"FigureSerif" in draw(
        [archdsl.load("resnet18")], options=Options(theme=str(path))
    ).render(".pdf")


@pytest.mark.parametrize(
    ("text", "line", "code", "message"),
    [
        ("extends: paper\ninkk: '#000000'", 2, "E0201", "unknown key `inkk`"),
        ("extends: paper\nink: black", 2, "E0203",
         'ink must be a color of the form "#1A1A1A", not `black`'),
        ("extends: paper\nbackground: white", 2, "E0203",
         'background must be a color of the form "#1A1A1A", or "" for none, not `white`'),
        ("extends: paper\nroles: {conv: {hatch: '+'}}", 2, "E0203",
         "hatch must be ``, `/`, `\\`, `x`, `-` or `|`, not `+`"),
        ("extends: paper\n\nsizes: {box: 3}", 3, "E0203",
         "box must be a size from 6 to 36 points, not 3"),
        ("extends: paper\nsizes: {box: true}", 2, "E0203",
         "box must be a size from 6 to 36 points, not true"),
        ("extends: paper\nroles: {convv: {fill: '#000000'}}", 2, "E0201", "unknown key `convv`"),
        ("extends: paper\nroles: 3", 2, "E0203", "roles must be a mapping, not 3"),
        ("extends: nope.yaml", 1, "E0210",
         "there is no theme `nope.yaml`, nor a file of that name"),
        ("extends: 3", 1, "E0203", "extends must be the name of a theme, or a file, not 3"),
        ("extends: mine.yaml", 1, "E0210",
         "extends goes round in a circle: mine.yaml leads back here"),
        ("extends: paper\nink: '#000000'\nink: '#111111'", 3, "E0105", "`ink` stands here twice"),
        ("[]", 1, "E0104", "a theme is a mapping, this document is a list"),
    ],
)  # fmt: skip
def test_a_wrong_theme_is_a_clear_error(
    tmp_path: Path, text: str, line: int, code: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_theme(str(path))
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.span.line, found.code, found.message) == (line, code, message)


def test_a_theme_with_several_mistakes_reports_all_of_them(tmp_path: Path) -> None:
    """Those in the file that it extends too, each in its file."""
    base, path = tmp_path / "base.yaml", tmp_path / "mine.yaml"
    base.write_text("extends: paper\nroles: {pool: {fill: green}}\n")
    path.write_text("extends: base.yaml\ninkk: '#000000'\nsizes:\n  box: 3\n  name: small\n")
    with pytest.raises(SpecError) as caught:
        load_theme(path)
    places = [(Path(d.span.file).name, d.span.line) for d in caught.value.diagnostics if d.span]
    assert places == [("base.yaml", 2), ("mine.yaml", 2), ("mine.yaml", 4), ("mine.yaml", 5)]
    assert [d.code for d in caught.value.diagnostics] == ["E0203", "E0201", "E0203", "E0203"]
    assert "did you mean `ink`?" in str(caught.value)
    assert run(["draw", "resnet18", "--theme", str(path), "-o", str(tmp_path / "x.svg")]) == 1
    assert not (tmp_path / "x.svg").exists()


def test_a_theme_that_says_nothing_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("ink: '#000000'\n")
    with pytest.raises(SpecError) as caught:
        load_theme(path)
    assert len(caught.value.diagnostics) == 9
    assert {d.help for d in caught.value.diagnostics} == {"`extends: paper` takes it over"}


def test_no_theme_of_a_name_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="no theme `papr`, nor a file of that name; did you mean"):
        load_theme("papr")


# The graph by Graphviz


def test_a_graph_is_text_without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphviz, "_program", lambda: pytest.fail("asked for Graphviz"))
    figure = draw([archdsl.load("densenet121")], "graph")
    dot, mermaid = (figure.render(suffix).decode() for suffix in (".dot", ".mmd"))
    assert dot.startswith("digraph") and mermaid.startswith("flowchart TD")
    assert dot.count("->") < 60  # dense blocks are closed: none of their 700 concatenated edges


@pytest.mark.parametrize(
    "name", ["a:n", "<b>a</b>", "a&lt;b", 'a"b', "a\\", 'a\\n\\"', "a]b|<x>&#;", "a_b$%^~`{}"]
)
def test_any_path_comes_out_of_dot_and_of_mermaid(name: str) -> None:
    """A graph made by hand has any paths; Graphviz reads back what was written, escapes and all."""
    network = archdsl.loads(
        "archdsl: 1\nname: n\ninput: [3, 8, 8]\nbackbone:\n"
        "  aa: {dense: {layer: [{conv: {out: 4, kernel: 3}}], repeat: 2}}\n  bb: relu\n"
    )
    figure = draw([renamed(network, "aa", name)], "graph")
    written = figure.render(".dot").decode()
    mermaid = figure.render(".mmd").decode()
    (line,) = [line for line in mermaid.splitlines() if "dense block" in line]
    text = line.partition('["')[2].removesuffix('"]').replace("<br>", "\n")
    entities = {"#quot;": '"', "#lt;": "<", "#gt;": ">", "#amp;": "&"}
    for entity, letter in entities.items():
        text = text.replace(entity, letter)
    assert text.replace("#35;", "#").startswith(f"dense block {name}\n")
    command = [graphviz._program(), "-Tjson"]
    read = subprocess.run(command, input=written.encode(), capture_output=True, check=True)
    drawn = [
        [part["text"].replace("\\\\", "\\") for part in node["_ldraw_"] if "text" in part]
        for node in json.loads(read.stdout)["objects"]
    ]
    assert [f"dense block {name}", "11x8x8"] in drawn and ["relu", "11x8x8"] in drawn
    assert figure.render(".svg")


def renamed(graph: Graph, old: str, new: str) -> Graph:
    """The graph with another first part of its paths."""

    def path(id: str) -> str:
        return new + id.removeprefix(old) if f"{id}.".startswith(f"{old}.") else id

    nodes = [
        replace(n, id=path(n.id), scope=path(n.scope), inputs=tuple(map(path, n.inputs)))
        for n in graph.nodes
    ]
    scopes = [replace(s, id=path(s.id), parent=path(s.parent)) for s in graph.scopes]
    return replace(graph, nodes=tuple(nodes), scopes=tuple(scopes))


def test_a_graph_can_go_on_as_that_of_the_package() -> None:
    made = archdsl.digraph("resnet18", only="layer1.0", title="A < B")
    made.edge("layer1.0.conv1", "mine", label="added")
    assert isinstance(made, Digraph)
    assert '"layer1.0.conv1" -> mine [label=added]' in made.source
    assert made.source.startswith('digraph network {\n\tgraph [label="A < B" labelloc=t]\n')
    assert "layer2" not in made.source


def test_the_graph_of_a_part_shows_what_feeds_it() -> None:
    figure = draw([archdsl.load("resnet18")], "graph", Options(only="layer2.0"))
    lines = figure.render(".dot").decode().splitlines()
    (given,) = [line for line in lines if line.startswith('\t"layer1.1.') and "label" in line]
    name = given.split('"')[1]
    fed = {line.split('"')[3] for line in lines if line.startswith(f'\t"{name}" ->')}
    assert fed == {"layer2.0.conv1", "layer2.0.downsample.0"}


def test_without_graphviz_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(graphviz, "_packaged", lambda: iter(()))
    with pytest.raises(UsageError, match="pip install graphviz-pure"):
        draw([archdsl.load("resnet18")], "graph").render(".svg")


@pytest.mark.parametrize("program", ["dot", "graphviz-pure"])
def test_graphviz_places_every_op(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """By the system's program, or by that of the package, whatever is on the path."""
    found = shutil.which("dot") if program == "dot" else next(graphviz._packaged(), None)
    if found is None:
        pytest.skip(f"no {program} here")
    monkeypatch.setenv("PATH", str(Path(found).parent) if program == "dot" else "")
    network = archdsl.load("resnet18")
    root = ElementTree.fromstring(draw([network], "graph").render(".svg"))
    ids = {element.get("id") for element in root.iter(f"{SVG}g")}
    assert {node.id for node in network.nodes} <= ids


# The command, the notebook


def test_draw_writes_every_format_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / f"fig.{suffix}" for suffix in ("svg", "pdf", "png", "tex")]
    options = [word for out in outs for word in ("-o", str(out))]
    assert cli.run(["draw", "resnet18", "--width", "single", "--scale", "log", *options]) == 0
    assert all(out.stat().st_size > 1000 for out in outs)
    assert "resnet18 (11.69 M parameters" in capsys.readouterr().out


def test_scale_is_also_a_rule_of_the_spec(tmp_path: Path) -> None:
    wide, plain = tmp_path / "wide.svg", tmp_path / "plain.svg"
    assert cli.run(["draw", "mobilenet_v2", "-o", str(plain)]) == 0
    assert cli.run(["draw", "mobilenet_v2", "--scale", "width=2", "-o", str(wide)]) == 0
    assert plain.read_text() != wide.read_text()


def test_a_wrong_suffix_among_several_writes_nothing(tmp_path: Path) -> None:
    good, bad = tmp_path / "new" / "fig.svg", tmp_path / "fig"
    assert cli.run(["draw", "resnet18", "-o", str(good), "-o", str(bad)]) == 2
    assert not good.parent.exists()
    assert cli.run(["draw", "resnet18", "-o", str(good)]) == 0
    assert good.is_file(), "its folder is made, as by every command"


def test_letters_that_one_format_lacks_are_no_matter_to_the_others() -> None:
    table = draw([replace(archdsl.load("alexnet"), name="Ж")], "table")
    assert "Ж" in table.render(".md").decode() and "Ж" in table.render(".html").decode()
    with pytest.raises(UsageError, match="LaTeX cannot show `Ж`"):
        table.render(".tex")


def test_a_wrong_spec_or_suffix_leaves_the_old_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, out = tmp_path / "net.yaml", tmp_path / "fig.svg"
    spec.write_text("archdsl: 1\nname: net\ninput: [3, 8, 8]\nbackbone: {conv: {convv: {}}}\n")
    out.write_text("old")
    assert cli.run(["draw", str(spec), "-o", str(out)]) == 1
    assert cli.run(["draw", "resnet18", "-o", str(tmp_path / "fig.bmp")]) == 2
    assert out.read_text() == "old"
    assert "only .html, .svg, .pdf, .png, .tex, .pptx, .drawio\n" in capsys.readouterr().err


def test_notebooks_show_a_graph_and_a_figure() -> None:
    network: Graph = archdsl.load("resnet18")
    shown = network._repr_svg_()
    assert shown == archdsl.draw(network)._repr_svg_()
    assert shown is not None and shown.startswith("<svg")
    assert "<table>" in str(archdsl.draw(network, kind="table")._repr_html_())


def test_a_notebook_shows_what_needs_two_columns_of_a_paper() -> None:
    name = "a_convolution_with_a_long_name_" * 3
    convs = "".join(
        f"  {name}{n}: {{conv: {{kernel: 3}}, from: input}}\n"
        f"  add{n}: {{add: {{}}, from: [{f'add{n - 1}' if n else 'input'}, {name}{n}]}}\n"
        for n in range(3)
    )
    network = archdsl.loads(f"archdsl: 1\nname: wide\ninput: [8, 32, 32]\nbackbone:\n{convs}")
    with pytest.raises(UsageError, match="give a larger --width"):
        draw([network])
    assert 'width="495pt"' in str(network._repr_svg_())


def test_watch_draws_again_and_keeps_the_last_good_figure(tmp_path: Path) -> None:
    spec, out = tmp_path / "net.yaml", tmp_path / "fig.svg"
    shutil.copy(gallery.find("resnet50"), tmp_path)
    good = "archdsl: 1\nextends: resnet50.yaml\nname: net\nparams: {classes: 1000}\n"
    spec.write_text(good)
    command = [sys.executable, "-m", "archdsl", "draw", str(spec), "-o", str(out), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            assert b"Not drawn: batch norm, relu" in process.stderr.readline()
            assert b"watching" in process.stderr.readline()
            first = out.read_text()
            replaced(spec, good.replace("params", "paramss"))
            assert b"error" in process.stderr.readline()
            assert out.read_text() == first
            for classes in (10, 11, 12):
                replaced(spec, good.replace("1000", str(classes)))
                await_text(out, f">{classes}<")
        finally:
            process.terminate()


def await_text(out: Path, text: str) -> None:
    end = time.monotonic() + 30
    while text not in out.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def replaced(spec: Path, text: str) -> None:
    """Writes as editors do: a whole file in the place of another."""
    aside = spec.with_suffix(".new")
    aside.write_text(text)
    aside.replace(spec)


def test_figures_need_no_torch() -> None:
    code = (
        "import archdsl, sys; archdsl.draw('resnet50').render('.pdf');"
        " sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_slide_is_at_most_56_inches() -> None:
    pytest.importorskip("pptx")
    assert slides(Scene(56 * 72, 100, ()))
    with pytest.raises(UsageError, match="56"):
        slides(Scene(56 * 72 + 0.5, 100, ()))
