r"""What a paper has beside a picture: `--with caption,label,bib`."""

import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from pypdf import PdfReader

import archdsl
from archdsl import Graph, SpecError, UsageError
from archdsl.cli import main as cli
from tests.fuzz.texts import texts
from tests.support import pdflatex

ALL: Any = ("caption", "label", "bib")
HE = {
    "title": "A Net - of {3} & 50% more",
    "authors": "Kaiming He, P. Dollár and R. B. Girshick, et al.",
    "year": 2016,
    "venue": "CVPR",
    "arxiv": "1512.03385",
    "doi": "10.1/a_b<c>",
    "url": "https://a.org/x y?q={1}&r=50%#z",
    "table": "1",
}
ENTRY = r"""@misc{he2016net,
  author = {Kaiming He and P. Dollár and R. B. Girshick and others},
  title = {{A Net - of \textbraceleft{}3\textbraceright{} \& 50\% more}},
  howpublished = {CVPR},
  year = {2016},
  eprint = {1512.03385},
  archiveprefix = {arXiv},
  doi = {10.1/a_b%3Cc%3E},
  url = {https://a.org/x%20y?q=%7B1%7D&r=50%#z}
}
"""
needs_bibtex = pytest.mark.skipif(shutil.which("bibtex") is None, reason="no BibTeX here")


def net(cite: dict[str, Any] | None, name: str = "net") -> Graph:
    data = {
        "archdsl": 1,
        "name": name,
        "input": [3, 8, 8],
        "backbone": [{"conv": {"out": 4, "kernel": 3}}],
    }
    return archdsl.loads(yaml.safe_dump(data | ({"cite": cite} if cite is not None else {})))


def entries(*graphs: Graph, kind: str = "hero") -> str:
    paper = archdsl.draw(*graphs, kind=kind, with_=ALL).paper
    assert paper is not None
    return paper.entries


def tex(*specs: Any, **options: Any) -> list[str]:
    return archdsl.draw(*specs, **options).render(".tex").decode().splitlines()


def compiled(folder: Path, body: str) -> str:
    """What LaTeX and BibTeX make of a page with the entries of `figure.bib`."""
    page = (
        r"\documentclass{article}\usepackage{tikz}\begin{document}" + body + "\n"
        r"\bibliographystyle{plain}\bibliography{figure}\end{document}"
    )
    pdflatex(folder, page)
    subprocess.run(["bibtex", "page"], cwd=folder, capture_output=True, check=True)
    for _ in range(2):  # the second knows the numbers of what is cited
        pdflatex(folder, page)
    return "\n".join(one.extract_text() for one in PdfReader(folder / "page.pdf").pages)


def test_caption_and_label_stand_in_a_figure_around_the_picture() -> None:
    lines = tex(net(HE), with_=["caption", "label"])
    bare = tex(net(HE))
    assert lines[2:4] == [r"\begin{figure}", r"\centering"]
    assert lines[:2] + lines[4:-3] == bare
    assert lines[-2:] == [r"\label{fig:net}", r"\end{figure}"]
    assert lines[-3] == (
        r"\caption{net (112 parameters, 6.91 K MACs). Height of a slab: the square root of"
        r" resolution; thickness: the square root of channels. After Kaiming He, P. Dollár and"
        r" R. B. Girshick, et al., 2016, A Net - of \{3\} \& 50\% more, CVPR. arXiv:1512.03385,"
        r" doi:10.1/a\_b\textless{}c\textgreater{}, https://a.org/x y?q=\{1\}\&r=50\%\#z, table 1.}"
    )


def test_a_figure_wider_than_a_column_has_a_star() -> None:
    for width, name in (("single", "figure"), ("neurips", "figure"), ("double", "figure*")):
        lines = tex(net(HE), width=width, with_=["caption"])
        assert lines[2] == rf"\begin{{{name}}}" and lines[-1] == rf"\end{{{name}}}"


def test_an_entry_has_what_the_spec_says_and_the_caption_cites_it() -> None:
    assert entries(net(HE)) == ENTRY
    (caption,) = (line for line in tex(net(HE), with_=ALL) if line.startswith(r"\caption"))
    assert caption.endswith(r"of channels. After \cite[table 1]{he2016net}.}")


@pytest.mark.parametrize(
    ("cite", "key"),
    [
        ({"title": "The Deep-Net", "authors": "L. van der Maaten", "year": 2017}, "maaten2017deep"),
        ({"title": "Xception: Deep", "authors": "François Chollet"}, "cholletxception"),
        ({"title": "变", "authors": "何"}, None),
        ({"authors": "He et al.", "year": 2016}, "he2016"),
        ({"doi": "10.1/2"}, "net"),
    ],
)
def test_a_key_is_the_author_the_year_and_a_word(cite: dict[str, Any], key: str | None) -> None:
    if key is None:
        with pytest.raises(UsageError, match="LaTeX cannot show `何`"):
            entries(net(cite))
    else:
        assert entries(net(cite)).startswith(f"@misc{{{key},")


def test_networks_of_one_publication_share_an_entry_and_others_have_keys_of_their_own() -> None:
    one, two = net({"title": "A b", "year": 1}, "one"), net({"title": "A b", "year": 1}, "two")
    other = net({"title": "A b", "year": 1, "doi": "2"}, "three")
    found = entries(one, two, kind="diff")
    assert found == "@misc{1b,\n  title = {{A b}},\n  year = {1}\n}\n"
    found = entries(one, other, kind="diff")
    assert found.count("@misc") == 2 and "@misc{1b," in found and "@misc{1b-2," in found
    lines = tex(one, other, kind="diff", with_=ALL)
    assert r" After \cite{1b,1b-2}." in lines[-3] and lines[-2] == r"\label{fig:one-three-diff}"


def test_what_cannot_be_cited_is_an_error() -> None:
    read = Graph.from_json(net(HE).to_json())
    with pytest.raises(UsageError, match="net has no spec, which alone says in parts where"):
        archdsl.draw(read, with_=["bib"])
    assert archdsl.draw(read, with_=["caption"]).paper  # as text
    with pytest.raises(UsageError, match="the spec of net says no `cite`; add one"):
        archdsl.draw(net(None), with_=["bib"])
    with pytest.raises(UsageError, match="label needs caption"):
        archdsl.draw(net(HE), with_=["label"])
    wrong: Any = ["captoin"]
    with pytest.raises(UsageError, match=r"with\[0\] must be `caption`, `label` or"):
        archdsl.draw(net(HE), with_=wrong)


def test_other_formats_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = archdsl.draw(net(HE), with_=ALL)
    assert figure.formats() == (".tex",) and figure._repr_svg_()
    refused = "--with caption,label,bib is for .tex alone"
    for suffix in (".svg", ".html", ".pdf", ""):
        with pytest.raises(UsageError, match=f"{refused}.*{suffix}"):
            figure.save(tmp_path / f"a{suffix}")
    outs = ["-o", str(tmp_path / "a.tex"), "-o", str(tmp_path / "a.pptx")]
    assert cli.run(["draw", "resnet18", "--with", "caption", *outs]) == 2
    assert "--with caption is for .tex alone, not for .pptx" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_writes_entries_beside_the_figure_and_over_its_own_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bib = tmp_path / "x.tex", tmp_path / "x.bib"
    command = ["draw", "resnet50", "--with", "caption,label,bib", "-o", str(out)]
    for _ in range(2):
        assert cli.run(command) == 0
        assert f"wrote {out}, {bib}\n" in capsys.readouterr().out
    assert (
        "@misc{he2016deep,\n  author = {K. He and X. Zhang and S. Ren and J. Sun}"
        in bib.read_text()
    )
    out.unlink()
    bib.write_text("@book{mine}")
    assert cli.run(command) == 2
    assert f"{bib} is there and not from archdsl draw" in capsys.readouterr().err
    assert bib.read_text() == "@book{mine}" and not out.exists()


def test_without_a_file_it_is_written_as_tex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["draw", "resnet18", "--with", "bib"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "resnet18-hero.bib", "resnet18-hero.tex",
    ]  # fmt: skip


def test_a_figure_file_says_it_for_the_whole_and_a_spec_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "fig.yaml"
    panels = "panels: {layout: [a b], a: {kind: strip}, b: {kind: block%s}}\n"
    path.write_text("figure: resnet18\nwidth: double\nwith: [caption, label, bib]\n" + panels % "")
    lines = tex(str(path))
    assert lines[-3].startswith(r"\caption{(a) resnet18") and r"\cite" in lines[-3]
    assert lines[-2:] == [r"\label{fig:resnet18-panels}", r"\end{figure*}"]
    path.write_text("figure: resnet18\n" + panels % ", with: [caption]")
    with pytest.raises(SpecError, match="with is for the figure as a whole"):
        archdsl.draw(str(path))
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nfigure: {with: [caption]}\nbackbone: [relu]\n"
    with pytest.raises(SpecError, match="for figure files and calls"):
        archdsl.loads(text)


@needs_bibtex
def test_tex_sets_the_figure_with_its_number_and_what_it_cites(tmp_path: Path) -> None:
    archdsl.draw("resnet50", with_=ALL).save(tmp_path / "figure.tex")
    page = compiled(tmp_path, r"See figure~\ref{fig:resnet50}.\input{figure}")
    words = " ".join(page.split())
    assert "See figure 1." in words and "Figure 1: resnet50 (25.56 M" in words
    assert "After [1]." in words
    assert "[1] K. He, X. Zhang, S. Ren, and J. Sun. Deep Residual Learning for Image" in words


@needs_bibtex
def test_nothing_that_a_stranger_cites_acts_in_tex_or_bibtex(tmp_path: Path) -> None:
    """Sixty hostile publications as entries, and in captions as text, all set by TeX."""
    random, captions, said = Random(7), [], []
    for number in range(60):
        words = ("title", "authors", "venue", "arxiv", "url", "table", "doi")
        cite = {word: "t" + "".join(filter(str.isascii, texts(random))) for word in words}
        graph = net({**cite, "year": number})
        for asked in (ALL, ALL[:1]):
            paper = archdsl.draw(graph, with_=asked).paper
            assert paper and paper.frame
            captions += [*paper.frame.around([]), r"\clearpage"]
            said += [paper.entries.partition(",\n")[2]] * bool(paper.entries)
    entries = "".join(f"@misc{{k{number},\n{rest}" for number, rest in enumerate(said))
    (tmp_path / "figure.bib").write_text(entries)
    page = compiled(tmp_path, "\n".join([*captions, r"\nocite{*}"]))
    assert (tmp_path / "page.bbl").read_text().count(r"\bibitem") == 60
    assert "Figure 120:" in page
