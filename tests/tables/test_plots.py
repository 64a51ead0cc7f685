"""Plots of names as long as they may be, and of columns that somebody else has named."""

import re
import shutil
import subprocess
import warnings
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as some

import archdsl
from archdsl.analysis.measures import Facts
from archdsl.analysis.summary import stages_of, summarize
from archdsl.cli.main import run
from archdsl.graph.graph import Graph
from archdsl.tables import plots
from archdsl.tables.axes import Figure, Look, look_of
from tests.support import pdflatex

LONG = "v" * 200


@pytest.mark.parametrize("kind", [plots.memory, plots.field, plots.cost])
def test_long_names_are_broken_and_leave_the_axes_their_room(kind: object, tmp_path: Path) -> None:
    assert callable(kind)
    spec = f"archdsl: 1\nname: {LONG}\ninput: [4, 8, 8]\nbackbone: {{{LONG}: "
    graph = archdsl.loads(spec + "{conv: {kernel: 3}}, z: {conv: {kernel: 1}}}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind([graph], tmp_path / "p.svg")
    drawn = (tmp_path / "p.svg").read_text()
    assert drawn.count("v" * 40) >= 2 and "v" * 73 not in drawn


@pytest.mark.parametrize("name", ["$\\frac{$", "$a$ $b", "\\n{}%", "<b>&amp;]]>", "x" * 300])
def test_columns_of_any_name_are_plotted_as_they_are_called(name: str, tmp_path: Path) -> None:
    results = tmp_path / "r.csv"
    results.write_text(f'key,status,"{name}",macs,spec\na,ok,1,2,n\nb,ok,2,3,n\n')
    out = str(tmp_path / "p.svg")
    assert run(["plot", "frontier", str(results), "-x", name, "-y", "macs", "-o", out]) == 0
    assert (tmp_path / "p.svg").exists()


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e308", "9" * 400, "1e999", "0"])
def test_numbers_that_have_no_place_are_left_out_of_a_frontier(number: str, tmp_path: Path) -> None:
    results = tmp_path / "r.csv"
    results.write_text(f"key,status,a,macs,spec\na,ok,1,2,n\nb,ok,{number},3,n\n")
    out = str(tmp_path / "p.svg")
    assert run(["plot", "frontier", str(results), "-x", "a", "-y", "macs", "-o", out]) == 0


def loaded(name: str, *stages: str) -> Graph:
    """A network of convolutions in named stages, the n-th of n convolutions."""
    backbone = "".join(
        f"  {stage}: {{seq: [{', '.join(['{conv: {out: 4, kernel: 3}}'] * n)}]}}\n"
        for n, stage in enumerate(stages, 1)
    )
    return archdsl.loads(f"archdsl: 1\nname: {name}\ninput: [4, 32, 32]\nbackbone:\n{backbone}")


def texts(path: Path) -> list[str]:
    """What stands in an SVG, element by element."""
    root = ElementTree.parse(path).getroot()
    return ["".join(found.itertext()).strip() for found in root.iter() if found.tag[-5:] == "}text"]


def plotted(folder: Path, *call: str) -> Path:
    path = folder / "p.svg"
    assert run(["plot", *call, "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize("kind", ["memory", "field", "cost"])
@pytest.mark.parametrize(
    ("width", "points"), [("single", 234), ("neurips", 396), ("slide", 960), ("5in", 360)]
)
def test_a_plot_is_as_wide_as_is_asked_in_the_words_of_figures(
    kind: str, width: str, points: int, tmp_path: Path
) -> None:
    drawn = plotted(tmp_path, kind, "resnet18", "--width", width).read_text()
    assert f' width="{points}pt"' in drawn


def test_a_plot_without_options_is_as_wide_as_a_figure(tmp_path: Path) -> None:
    assert ' width="396pt"' in plotted(tmp_path, "cost", "resnet18").read_text()


def test_a_plot_has_the_colors_of_its_theme_and_the_letters_of_figures(tmp_path: Path) -> None:
    drawn = plotted(tmp_path, "memory", "resnet18", "--theme", "dark").read_text()
    assert "fill: #16191f" in drawn and "fill: #f4f6f8" in drawn  # its paper, its ink
    family = "font-family: 'Figure Sans', Arial, Helvetica, sans-serif;"
    assert drawn.count("font-family") == drawn.count(family) > 5
    own = tmp_path / "own.yaml"
    own.write_text('extends: paper\nfamily: serif\nink: "#123456"\nsizes: {caption: 11}\n')
    drawn = plotted(tmp_path, "memory", "resnet18", "--theme", str(own)).read_text()
    assert "#123456" in drawn and "font-size: 11px" in drawn and "'Figure Serif'" in drawn
    assert "#ffffff" not in drawn  # no paper behind it


def test_a_title_stands_above_any_plot_with_its_math_set(tmp_path: Path) -> None:
    results = tmp_path / "r.csv"
    results.write_text("key,status,a,macs,spec\na,ok,1,2,n\nb,ok,2,3,n\n")
    calls = [[kind, *nets] for kind in ("memory", "field", "cost")
             for nets in (["resnet18"], ["resnet18", "alexnet"])]  # fmt: skip
    for call in [*calls, ["frontier", str(results), "-y", "a"]]:
        assert "costs 5 $ or 6" in texts(plotted(tmp_path, *call, "--title", "costs 5 $ or 6"))
    drawn = plotted(tmp_path, "field", "resnet18", "--title", "field of $C_5$").read_text()
    assert "<!-- field of $C_5$ -->" in drawn


def test_dpi_is_that_of_a_png(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    call = ["plot", "cost", "resnet18", "--width", "5in", "-o", str(path)]
    for dpi, pixels in ((["--dpi", "72"], 360), ([], 1500)):
        assert run([*call, *dpi]) == 0
        assert int.from_bytes(path.read_bytes()[16:20]) == pixels  # the width in its header


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--dpi", "72"], "--dpi is for .png alone, which -o does not name"),
        (["--width", "wide"], "width `wide` is neither a name nor a length like 12cm; "),
        (["--width", "1in"], "the plot does not fit a width of 72 pt; give a larger --width"),
        (["--theme", "drk"], "there is no theme `drk`, nor a file of that name; did you mean"),
        (["--title", "日"], "figures cannot show `日`"),
        (["--title", "$\\frac{$"], "math `$\\frac{$`, letter 7: a `}` is missing"),
        (["resnet18"] * 8, "9 networks are more than the 8 that a plot holds"),
        (["-o", "p.jpg"], "--out p.jpg: a plot is a file .svg, .pdf, .png, .tex"),
        (["-o", "p.tex", "--title", "Ħ"], "LaTeX cannot show `Ħ` (U+0126) without packages; "),
        (["-o", "p.tex", "--dpi", "72"], "--dpi is for .png alone, which -o does not name"),
        (["-o", "p.png", "--width", "100in", "--dpi", "2400"], "a picture of 100 by 60 inches"),
    ],
)
def test_what_a_plot_cannot_be_is_one_error_and_no_file(
    given: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["plot", "memory", "resnet18", *given]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [plots.memory, plots.field])
def test_stages_are_shaded_and_named_where_their_names_fit(kind: object, tmp_path: Path) -> None:
    assert callable(kind)
    path = tmp_path / "p.svg"
    graph = loaded("n", "first", "second", "third", "fourth")
    kind([graph], path, look_of("12cm"))
    (band,) = re.findall(r'<g id="stages">(.*?)</g>', path.read_text(), re.DOTALL)
    assert band.count("<path") == 2  # every other one
    assert [text for text in texts(path) if text in ("second", "third", "fourth")] == [
        "second", "third", "fourth",
    ]  # fmt: skip
    kind([loaded("n", "a" * 30, "b", "c" * 120)], path, look_of("12cm"))
    assert "b" in texts(path) and "a" * 30 not in texts(path) and "c" * 120 not in texts(path)


def test_bands_end_where_the_stage_of_the_next_op_is_another() -> None:
    stages = stages_of(loaded("n", "one", "two", "three"))
    assert list(stages)[1:4] == ["two.0", "two.1", "three.0"]
    assert list(stages.values()) == ["one", "two", "two", "three", "three", "three"]
    runs = plots.runs(list(stages), range(6), stages, 0.5)
    assert runs == [(-0.5, 0.5, "one"), (0.5, 2.5, "two"), (2.5, 5.5, "three")]


@pytest.mark.parametrize("kind", ["memory", "field", "cost"])
def test_several_networks_stand_in_one_plot_with_a_legend(kind: str, tmp_path: Path) -> None:
    path = plotted(tmp_path, kind, "resnet18", "alexnet", "resnet18")
    told = [re.split("[:]", text)[0] for text in texts(path)]
    assert [text for text in told if text in ("resnet18 (1)", "alexnet", "resnet18 (2)")] == [
        "resnet18 (1)", "alexnet", "resnet18 (2)",
    ]  # fmt: skip
    assert 'id="stages"' not in path.read_text()


def test_the_legend_of_memory_says_where_each_peaks(tmp_path: Path) -> None:
    found = texts(plotted(tmp_path, "memory", "resnet50", "alexnet"))
    assert "resnet50: 11.04 MB at layer1.0.downsample.1" in found


def test_eight_lines_and_eight_bars_are_told_apart_without_color() -> None:
    look = Look()
    for one, other in combinations(range(8), 2):
        assert look.line(one)["marker"] != look.line(other)["marker"]
        a, b = look.fill(one), look.fill(other)
        assert (a["color"], a["hatch"]) != (b["color"], b["hatch"])


def test_costs_of_several_stand_side_by_side_in_numbers_not_shares() -> None:
    a, b = loaded("a", "one", "two", "three"), loaded("b", "one", "new", "three")
    table, wholes = plots.costs([a, b], ["parameters"])
    of = 4 * 4 * 9 + 4  # of a convolution
    assert list(table.items()) == [
        ("one", [[of], [of]]),
        ("new", [[0], [2 * of]]),
        ("two", [[2 * of], [0]]),
        ("three", [[3 * of], [3 * of]]),
    ]
    assert wholes == [[6 * of], [6 * of]]


@given(
    some.lists(some.sampled_from("abcdefgh"), unique=True),
    some.lists(some.sampled_from("abcdefgh"), unique=True),
)
def test_stages_of_two_networks_keep_the_order_of_the_first(one: list[str], two: list[str]) -> None:
    merged = list(plots.merged(one, two))
    assert sorted(merged) == sorted({*one, *two})
    assert [stage for stage in merged if stage in one] == one
    for before, stage in pairwise(two):
        if stage not in one:  # it comes next, or after others that came so
            between = merged[merged.index(before) + 1 : merged.index(stage)]
            assert merged.index(before) < merged.index(stage) and not {*between} & {*one}


def test_stages_past_sixty_are_one_bar_of_the_sum_of_each_network() -> None:
    stages = [f"s{n}" for n in range(70)]
    table, wholes = plots.costs([loaded("a", *stages), loaded("b", *stages[:65])], ["macs"])
    assert len(table) == 60 and list(table)[-1] == "11 others"
    sums = [sum(row[n][0] for row in table.values()) for n in (0, 1)]
    assert sums == [whole for (whole,) in wholes]


def written(text: str) -> list[tuple[float, float]]:
    """The coordinates of the plots in TeX, in order."""
    pairs = re.findall(r"\(([-+.e\d]+),([-+.e\d]+)\)", text)
    return [(float(x), float(y)) for x, y in pairs]


def test_tex_has_the_numbers_of_the_plot(tmp_path: Path) -> None:
    path = tmp_path / "p.tex"
    for kind in ("memory", "field", "cost"):
        assert run(["plot", kind, "resnet18", "-o", str(path)]) == 0
        (line, *_) = re.findall(
            r"addplot\[(?!draw=none).*?\];?(.*?)\n\};", path.read_text(), re.DOTALL
        )
        values = [y for _, y in written(line)]
        graph = archdsl.load("resnet18")
        if kind == "memory":
            live = [*Facts(graph).live.values()]
            assert values == [*live, live[-1]]
        elif kind == "field":
            fields = [f.size[0] for f in Facts(graph).fields["input"].values()]
            assert max(values) == max(fields) and {*values} <= {*fields}
        else:
            shares = [x for x, _ in written(line)]
            summary = summarize(graph, show=("parameters", "macs"))
            rows = [[row.value("parameters"), row.value("macs")] for row in summary.stages]
            whole = summary.value("parameters")
            assert isinstance(whole, int)
            own = [int(row[0] or 0) / whole * 100 for row in rows if any(row)]
            assert shares == pytest.approx(own)


TEX = shutil.which("pdflatex"), shutil.which("kpsewhich")


def has_pgfplots() -> bool:
    if None in TEX:
        return False
    return bool(subprocess.run(["kpsewhich", "pgfplots.sty"], capture_output=True).stdout)


@pytest.mark.skipif(not has_pgfplots(), reason="no TeX with pgfplots here")
def test_latex_sets_every_plot_as_it_is_written(tmp_path: Path) -> None:
    results = tmp_path / "r.csv"
    results.write_text("key,status,a,macs,spec\na,ok,1,2,n\nb,ok,2,3,n\nc,ok,1.5,4,n\n")
    two = ["resnet18", "mobilenet_v2"]
    calls = [[kind, *nets] for kind in ("memory", "field", "cost") for nets in (two, two[:1])]
    calls += [["frontier", str(results), "-y", "a"]]
    for n, call in enumerate(calls):
        look = ["--title", "50 % & $C_5$", "--theme", ("dark", "paper")[n % 2]]
        assert run(["plot", *call, *look, "-o", str(tmp_path / f"plot{n}.tex")]) == 0
    inputs = "\\newpage".join(rf"\input{{plot{n}}}" for n in range(len(calls)))
    page = (
        r"\documentclass{article}\usepackage[margin=5mm,paperheight=40in]{geometry}"
        r"\usepackage{pgfplots}\pgfplotsset{compat=1.16}\usetikzlibrary{patterns}"
        rf"\begin{{document}}{inputs}\end{{document}}"
    )
    pdflatex(tmp_path, page)
    pages = pypdfium2.PdfDocument(tmp_path / "page.pdf")
    said = [page.get_textpage().get_text_bounded() for page in pages]
    assert len(said) == len(calls) and all("50 % &" in text for text in said)
    assert "layer1" in said[1] and "12 MB" in said[0] and "mobilenet" in said[0]


def test_a_plot_knows_the_fonts_of_the_theme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", [])
    with Figure(tmp_path / "p.svg"):
        weights = {entry.weight for entry in fontManager.ttflist}
    assert {400, 700} <= weights


def test_the_line_of_the_image_says_its_size_only_among_others(tmp_path: Path) -> None:
    text = "archdsl: 1\nname: n\ninput: [4, SIZE, SIZE]\nbackbone: {a: {conv: {kernel: 3}}}\n"
    small, large = (archdsl.loads(text.replace("SIZE", size)) for size in ("8", "16"))
    for graphs, lines in (([small], ["image"]), ([small, large], ["image of 8", "image of 16"])):
        plots.field(graphs, tmp_path / "p.svg")
        drawn = (tmp_path / "p.svg").read_text()
        assert re.findall(r">(image(?: of [0-9]+)?)<", drawn) == lines
