r"""Math in the words of figures: `$C_3$`, `$\frac{1}{4}$`."""

import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

import archdsl
from archdsl import SpecError, UsageError
from archdsl.cli import main as cli
from archdsl.figures.canvas.font import font
from archdsl.figures.canvas.formula import GREEK, SIGNS, Piece, placed
from archdsl.figures.canvas.scene import Run, Text, words
from archdsl.figures.canvas.tikz import texed
from tests.figures.test_figure_files import difference, pixels
from tests.support import needs_tex, pdflatex

SIZE = 10.0


def pieces(source: str) -> list[Piece]:
    return list(placed(source, SIZE, "sans", False, 6.0).pieces)


def said(source: str) -> str:
    return "".join(run.text for run in Run(source, math=True).lines)


def test_scripts_are_small_and_stand_over_each_other() -> None:
    base, sup, sub = pieces("C_3^2")
    assert (base.text, sup.text, sub.text) == ("C", "2", "3")
    assert sup.x == sub.x == font("sans").width("C", SIZE)
    assert sub.rise < base.rise == 0 < sup.rise and sup.size == sub.size == pytest.approx(6.8)


def test_no_letter_is_under_6_points() -> None:
    for source in ("x^{2^{2}}", r"\frac{\frac{1}{2}}{x_1}"):
        set_in = placed(source, 7.0, "sans", False, 6.0).pieces
        assert min(piece.size for piece in set_in if piece.text) == 6.0


def test_a_fraction_has_a_bar_between_its_parts() -> None:
    over, bar, under = pieces(r"\frac{1}{16}")
    assert (over.text, under.text, bar.text) == ("1", "16", "")
    assert under.rise + 0.74 * under.size < bar.rise - bar.thick / 2
    assert bar.rise + bar.thick / 2 < over.rise
    middle = over.x + font("sans").width("1", over.size) / 2
    assert abs(middle - bar.wide / 2) < 1e-9 and under.x >= 0
    assert bar.wide == placed(r"\frac{1}{16}", SIZE, "sans", False, 6.0).width


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"\alpha+\beta", "α+β"), (r"\frac{1}{4}", "1/4"), (r"\frac{a+b}{2}", "(a+b)/2"),
        (r"\sqrt{x}", "√x"), (r"d=2", "d=2"), (r"a - b", "a−b"), (r"C\times H\to W", "C×H→W"),
        (r"x_\text{in}", "xin"), (r"50\%", "50%"), (r"\mathbf{W}x", "Wx"), (r"{ab}c", "abc"),
    ],
)  # fmt: skip
def test_math_in_one_line(source: str, text: str) -> None:
    assert said(source) == text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            r"\fraq{1}{2}",
            r"letter 1: there is no `\fraq` in the math of figures; did you mean `\fr",
        ),
        (r"C_", "letter 3: `_` needs something behind it"),
        (r"x^2^3", "letter 4: a second `^`; put braces around what it belongs to"),
        (r"{a", "letter 3: a `}` is missing"),
        (r"a}", "letter 2: `}` closes nothing"),
        (r"\frac{1}", r"letter 9: `\frac`, for what is under its bar, needs something behind it"),
        (r"a%b", r"letter 2: `%` is written `\%`"),
        (r"\text{a\input{x}}", r"letter 8: `\text` holds words alone, and ends with `}`"),
        (r"\input{/etc/passwd}", r"letter 1: there is no `\input` in the math of figures"),
        (r"\catcode`\%=12", r"letter 1: there is no `\catcode` in the math of figures"),
    ],
)
def test_math_that_is_none_is_an_error_at_its_letter(source: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"math `${source}$`, {message}")):
        words(f"a ${source}$ b")


@pytest.mark.parametrize("text", ["costs $5", "$5 and $6", "$ a $", "a$", "$$"])
def test_a_dollar_is_a_dollar_where_nothing_stands_between_two(text: str) -> None:
    assert words(text) == (Run(text),)


def test_wrong_math_of_a_figure_file_is_said_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "fig.yaml"
    path.write_text("figure: resnet18\nlabel:\n  conv1: Stem\n  fc: $C_$\n")
    with pytest.raises(SpecError) as caught:
        archdsl.draw(path)
    (found,) = caught.value.diagnostics
    assert found.span is not None and (found.span.line, found.span.column) == (4, 7)
    assert cli.run(["draw", "resnet18", "--title", "$C_$", "-o", str(tmp_path / "x.svg")]) == 2
    assert not (tmp_path / "x.svg").exists()


FORMULAS = {
    "title": r"$\frac{1}{4}$ of $\sqrt{x_1^2+1}$", "note": {"layer3": "dilated, $d=2$"},
    "label": {"layer{s}": "$C_{{s}}$"},
}  # fmt: skip


def test_every_format_shows_math() -> None:
    figure = archdsl.draw("resnet18", **FORMULAS)  # type: ignore[arg-type]
    png, outlines, pdf = (
        pixels(figure, ".png"), pixels(figure, ".svg", "outlines"), pixels(figure, ".pdf")
    )  # fmt: skip
    assert difference(png, outlines) < 0.1 and difference(png, pdf) < 5
    assert figure.scene is not None
    title = next(item for item in figure.scene.flat() if isinstance(item, Text))
    assert title.plain == "1/4 of √(x12+1)" and title.box()[1] >= 0
    (bar, over) = (path.box() for path in title.bars())
    image = pypdfium2.PdfDocument(figure.render(".pdf"))[0].render(scale=4).to_pil().convert("L")
    for left, top, right, bottom in (bar, over):  # bars are drawn where they are said to be
        assert image.getpixel((2 * (left + right), 2 * (top + bottom))) < 90
    tex = figure.render(".tex").decode()
    assert r"{\frac{1}{4}}\textbf{ of }\formula{" in tex and r"}{C_{3}}};" in tex
    root = ElementTree.fromstring(figure.render(".drawio"))
    values = [cell.get("value", "") for cell in root.iter("mxCell")]
    assert any(re.fullmatch("<b>C</b><sub[^>]*><b>3</b></sub>|.*C.*<sub.*3.*", v) for v in values)
    text = PdfReader(BytesIO(figure.render(".pdf"))).pages[0].extract_text()
    assert "dilated,d=2" in "".join(text.split())


ATOMS = st.sampled_from([*"abxyzC0123=+-<>", *(rf"\{n} " for n in (*GREEK, *SIGNS)), r"\,", r"\%"])
MATH = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"{{{p[0]}}}_{{{p[1]}}}"),
        st.tuples(inner, inner, inner).map(lambda p: f"{{{p[0]}}}^{{{p[1]}}}_{{{p[2]}}}"),
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
        inner.map(lambda one: rf"\sqrt{{{one}}}"),
        st.lists(inner, min_size=1, max_size=4).map("".join),
    ),
    max_leaves=8,
)


@given(MATH, st.floats(6, 20))
def test_what_is_set_is_in_its_box_and_no_smaller_than_asked_for(source: str, size: float) -> None:
    block = placed(source, size, "sans", False, 6.0)
    for piece in block.pieces:
        wide = font("sans").width(piece.text, piece.size) if piece.text else piece.wide
        assert piece.x >= -1e-6 and piece.x + wide <= block.width + 1e-6 + 0.2 * size
        assert (piece.rise <= block.up + 1e-6 and not piece.text) or piece.size >= 6


@needs_tex
def test_tex_knows_all_math_that_figures_know(tmp_path: Path) -> None:
    sources = [*(rf"\{n}" for n in (*GREEK, *SIGNS, "to", "le", "ge", "ne", "ldots", "dots"))]
    sources += [r"x_{1}^{2}", r"\frac{1}{\sqrt{2}}", r"\text{a b}\mathrm{c}\mathbf{d}", r"\%\#\_"]
    math = "\n".join(texed(f"${source}$") for source in [*sources, "αx→∞"])
    page = rf"\documentclass{{article}}\begin{{document}}{math}\end{{document}}"
    pdflatex(tmp_path, page)


@needs_tex
def test_tex_sets_nothing_in_a_figure_under_six_points(tmp_path: Path) -> None:
    """In its own fonts, with exponents and indices of shapes and of math, of any depth."""
    title = r"$C_{3}^{2}$ $x_{1^{4}}$ $\frac{5}{6}$"
    figure = archdsl.draw("resnet50", kind="strip", title=title, label={"layer1": r"Stage $s^{7}$"})
    figure.save(tmp_path / "figure.tex")
    page = r"\documentclass{article}\usepackage{tikz}\begin{document}\input{figure}\end{document}"
    pdflatex(tmp_path, page)
    sizes: dict[float, str] = {}

    def letters(text: str, outer: list[float], inner: list[float], _: object, size: float) -> None:
        if text.strip():
            sizes.setdefault(round(abs(size * inner[3] * outer[3]), 2), text)

    PdfReader(tmp_path / "page.pdf").pages[0].extract_text(visitor_text=letters)
    assert len(sizes) > 1
    assert {size: text for size, text in sizes.items() if size < 5.97} == {}  # 6 points of TeX
