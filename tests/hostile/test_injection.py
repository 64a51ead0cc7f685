"""Nothing that a spec says breaks out of where it stands, in any output.

Every free text of a spec is hostile in turn; what comes out is read by a parser of its format, and
must have the structure of the same output for a harmless text.
"""

import ast
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import archdsl
from archdsl.analysis.diff import compare
from archdsl.cli.main import run
from archdsl.graph.graph import Graph
from archdsl.tables import changes

PLAIN = "Harmless text"
NASTY = [
    "quote \" and ' and \"\"\" and '''",
    '\\"""\n__import__("os").system("true")\n"""',
    "back\\slash \\\\ \\n \\x41 \\N{BELL} at the end \\",
    "{} {0} {x!r} ${HOME} $(id) `id` %s %(a)s %n",
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    '"><svg onload=alert(1)></desc></svg>]]> --> <!-- &amp; &#0;',
    "\\input{/etc/passwd} \\write18{id} } { ^^M \\end{tabular} % $ & # _ ~",
    "a | b | c\n| --- |\n# heading\n[x](javascript:alert(1)) ![x](y) *a* `b`",
    "=cmd|' /C calc'!A0",
    "+1\t@SUM(1)\r\n-2",
    "\u202eright to left\u2066 \u200b\ufeff \u2028 \x85",
    "\x00 \x1b[31m \x1b]0;title\x07 \x08 \x7f \x9b",
    "['a', {'b': 1}] #quot; // */ /* <!--",
    "very long " * 2000,
]
TERMINAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def document(text: str) -> dict[str, Any]:
    """A spec whose every free text is `text`, arguments without braces, which stand for values."""
    plain = re.sub("[{}]", "", text)
    words = ("title", "authors", "venue", "arxiv", "doi", "url", "table", "figure", "section")
    body = {"conv": {"conv": {"out": "width", "kernel": 3}}, "bn": "batch_norm"}
    return {
        "archdsl": 1,
        "name": "net",
        "doc": text,
        "cite": dict.fromkeys(words, text),
        "input": [3, 32, 32],
        "params": {"classes": {"type": "int", "default": 10, "doc": text}},
        "blocks": {
            "unit": {
                "doc": text,
                "params": {"width": "int", "note": {"type": "str", "default": plain, "doc": text}},
                "residual": {"body": body, "after": "relu"},
            }
        },
        "backbone": {
            "stem": {"conv": {"out": 8, "kernel": 3, "bias": False}},
            "layer1": {"unit": {"width": 8, "note": plain}, "repeat": 2, "tap": "c1"},
            "pool": {"max_pool": {"kernel": 2}},
            "layer2": {"unit": {"width": 8}, "tap": "c2"},
        },
        "head": ["global_avg_pool", "flatten", {"linear": {"out": "classes"}}],
        "weights": {text: {"doc": text, "url": text, "keys": {}}},
    }


def written(text: str) -> str:
    return yaml.safe_dump(document(text), sort_keys=False)


@cache
def from_spec(text: str) -> Graph:
    return archdsl.loads(written(text))


@cache
def from_json(text: str) -> Graph:
    """A graph whose every free text is `text`, also those that no spec can give it."""
    data = json.loads(from_spec(PLAIN).to_json())
    data["title"], data["citation"] = from_spec(text).title, from_spec(text).citation
    data["renames"] = {text: {"keys": {}, "reshape": False, "unmet": text}}
    for part in (*data["nodes"], *data["scopes"]):
        part["span"] = [text, 1, 1, 1, 2]
    for scope in data["scopes"]:
        if scope["block"]:
            scope["arguments"] |= {"note": text, "notes": [text, [text]], "verb": [text, []]}
    return Graph.from_json(json.dumps(data))


Made = Callable[[str], Graph]


@pytest.fixture(params=[from_spec, from_json], ids=["spec", "json"])
def graph(request: pytest.FixtureRequest) -> Made:
    """What makes a graph whose free texts are a text."""
    made: Made = request.param
    return made


def without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attributes))


@pytest.fixture(params=NASTY, ids=range(len(NASTY)))
def text(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def test_python_source_differs_in_nothing_that_runs(graph: Made, text: str) -> None:
    source = archdsl.emit(graph(text))
    assert without_docstrings(source) == without_docstrings(archdsl.emit(graph(PLAIN)))
    assert not TERMINAL.search(source)


def test_tables(graph: Made, text: str) -> None:
    nasty, plain = archdsl.summarize(graph(text)), archdsl.summarize(graph(PLAIN))
    assert not TERMINAL.search(str(nasty))
    assert str(nasty).splitlines()[2:] == str(plain).splitlines()[2:]
    assert nasty.render("csv") == plain.render("csv")
    record, other = (json.loads(table.render("json")) for table in (nasty, plain))
    assert record["title"] == " ".join(re.sub(TERMINAL, " ", text).split())
    assert {**record, "title": 0, "citation": 0} == {**other, "title": 0, "citation": 0}


def test_a_markdown_table_has_no_markup_but_its_own(graph: Made, text: str) -> None:
    page, plain = (archdsl.summarize(graph(t)).render("markdown") for t in (text, PLAIN))
    heading, _, cited, *rest = page.splitlines()
    assert [heading, *rest] == [plain.splitlines()[0], *plain.splitlines()[3:]]
    bare = re.sub(r"\\.", "", cited)
    assert not re.search(r"[<>|*`\[\]\\]", bare)


def test_latex_has_no_commands_but_its_own(graph: Made, text: str) -> None:
    table, plain = (archdsl.summarize(graph(t)).render("latex") for t in (text, PLAIN))
    assert table.splitlines()[1:] == plain.splitlines()[1:]
    assert table.startswith("% net") and not TERMINAL.search(table)
    for kind in ("hero", "table", "strip", "block", "graph"):
        found, expected = (archdsl.draw(graph(t), kind=kind).render(".tex").decode()
                           for t in (text, PLAIN))  # fmt: skip
        code = [line for line in found.splitlines() if not line.startswith("%")]
        assert code == [line for line in expected.splitlines() if not line.startswith("%")]
        assert not TERMINAL.search(found)


@pytest.mark.parametrize("kind", ["hero", "strip", "block", "columns", "graph"])
def test_an_svg_has_no_elements_but_its_own(graph: Made, text: str, kind: str) -> None:
    nasty, plain = (
        ElementTree.fromstring(archdsl.draw(graph(t), kind=kind).render(".svg"))
        for t in (text, PLAIN)
    )
    shown = [(e.tag, e.attrib) for e in nasty.iter()]
    assert shown == [(e.tag, e.attrib) for e in plain.iter()]
    assert not {tag.rpartition("}")[2] for tag, _ in shown} & {"script", "foreignObject", "image"}
    assert not any(name.startswith("on") or name.endswith("href") for _, a in shown for name in a)


def test_dot_mermaid_and_html_hold_no_free_text(graph: Made, text: str) -> None:
    nasty, plain = (archdsl.draw(graph(t), kind="graph") for t in (text, PLAIN))
    for suffix in (".dot", ".mmd"):
        assert nasty.render(suffix) == plain.render(suffix)
    table, other = (archdsl.draw(graph(t), kind="table") for t in (text, PLAIN))
    for suffix in (".md", ".html"):
        assert table.render(suffix) == other.render(suffix)
    page = table._repr_html_()
    assert page is not None and {tag for tag, _ in Tags(page).found} <= {
        "table",
        "tr",
        "th",
        "td",
        "br",
    }


def test_pdf_and_png_are_drawn(graph: Made, text: str) -> None:
    figure = archdsl.draw(graph(text))
    assert figure.render(".pdf").startswith(b"%PDF") and figure.render(".png")[1:4] == b"PNG"


def test_the_graph_in_json_is_read_back(graph: Made, text: str) -> None:
    assert Graph.from_json(graph(text).to_json()) == graph(text)


def test_the_changes_between_two_networks_have_no_markup_but_their_own(
    graph: Made, text: str
) -> None:
    changed, plain = (graph(t).select({"": graph(t).taps["c1"]}) for t in (text, PLAIN))
    for write in changes.FORMATS.values():
        found = write(compare(graph(text), changed))
        assert found == write(compare(graph(PLAIN), plain))
        assert not TERMINAL.search(found)


def test_the_cells_of_a_csv_are_no_formulas(graph: Made, text: str) -> None:
    table = archdsl.summarize(graph(text)).render("csv")
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_a_terminal_is_shown_no_control_characters(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(written(text), encoding="utf-8")
    wrong = written(text).replace("batch_norm", "batch_nrm")
    Path("wrong.yaml").write_text(wrong, encoding="utf-8")
    for status, arguments in (
        (0, ["summary", "net.yaml"]),
        (0, ["draw", "net.yaml", "-o", "net.svg"]),
        (0, ["diff", "net.yaml", "--set", "classes=5"]),
        (1, ["check", "wrong.yaml"]),
    ):
        assert run(arguments) == status
        shown = capsys.readouterr()
        assert not TERMINAL.search(shown.out + shown.err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.svg", "net.yaml", "wrong.yaml"]


LONG = "a" * 5000  # for the name of a file
NAMES = [
    "../../x", "/tmp/x", "a/b", "..", ".", "", "a\x00b", "a b", "con:", "a;id", "$(id)", "x\n",
    "é", "class", "-rf", "<b>", "{i}", "a'b", 'a"b', LONG,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_that_are_paths_or_code_are_refused_and_nothing_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "deep" / "down"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    plain = document(PLAIN)
    for changed in (
        {"name": name},
        {"backbone": {**plain["backbone"], name: "relu"}},
        {"backbone": {**plain["backbone"], "layer3": {"relu": {}, "tap": name}}},
        {"blocks": {**plain["blocks"], name: {"seq": ["relu"]}}},
        {"params": {**plain["params"], name: 1}},
        {"outputs": {name: "2"}},
        {"under": {"backbone": name or ".."}},
    ):
        text = yaml.safe_dump({**plain, **changed}, sort_keys=False)
        if name == LONG and "name" not in changed:
            continue
        Path("net.yaml").write_text(text, encoding="utf-8")
        assert run(["build", "net.yaml"]) in (1, 2), changed
        assert run(["draw", "net.yaml", "--kind", "strip"]) in (1, 2)
        assert not TERMINAL.search(capsys.readouterr().err)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [here / "net.yaml"]
