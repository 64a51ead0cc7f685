"""What the editor finds in specs: of the gallery, of texts that are being typed, of nonsense."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.api.reading import read
from archdsl.diagnostics.errors import UsageError
from archdsl.editor import navigation, outline
from archdsl.editor.completion import completion
from archdsl.editor.context import Context, _open_brackets, _outer, context_at
from archdsl.editor.fixes import fix
from archdsl.editor.hover import hover
from archdsl.editor.results import Results
from archdsl.editor.view import View
from archdsl.language import gallery
from archdsl.language.loader import LIBRARY
from archdsl.lint.rules import DEFAULT

SPECS = {name: Path(gallery.path(name)).read_text("utf-8") for name in ("resnet50", "dla34")}
LINES = SPECS["resnet50"].splitlines()


def view(name: str) -> View:
    path = gallery.path(name)
    return View(path, Path(path).read_text("utf-8"))


def place(text: str, word: str, within: int = 0) -> tuple[int, int]:
    """Line and column, from 1, of the first place of a word."""
    at = text.index(word) + within
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


@pytest.mark.parametrize("name", ["resnet50", "hrnet_w18", "dla34", "googlenet", "densenet121"])
def test_every_item_of_a_network_has_its_place_in_it(name: str) -> None:
    seen, results = view(name), Results(view(name))
    named = [m for m in seen.marks if m.kind == "item" and m.block is None]
    without = [m.text for m in named if not m.text.startswith("_") and not results.of(m)]
    assert named
    assert not without


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_file_of_blocks_is_no_wrong_network(path: Path) -> None:
    seen = View(str(path), path.read_text("utf-8"))
    assert not seen.reading.diagnostics
    assert path.stem in [mark.text for mark in seen.marks if mark.kind == "block"]


BAD = Path(__file__).parents[1] / "bad"
# An editor has a text, of the limits that everybody has; those of the others are smaller.
WRONG = sorted(
    path
    for code in ("E0101", "E0102", "E0103", "E0104", "E0105")
    for path in BAD.glob(f"{code}*.yaml")
    if path.stem != "E0102-latin-1"
)


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_an_editor_says_of_broken_yaml_what_the_command_says(path: Path) -> None:
    text = path.read_bytes().decode(errors="ignore").lstrip("\ufeff")
    seen = View(str(path), text).reading.diagnostics
    assert seen == read(str(path), lints=DEFAULT, text=text).diagnostics != []


def test_a_stage_is_told_with_its_numbers() -> None:
    text, seen = SPECS["resnet50"], view("resnet50")
    found = hover(seen, Results(seen), *place(text, "layer{row"))
    assert found is not None
    assert "| `layer3` | 1024x14x14 | 7.10 M | 1.46 G | 267x267 |" in found[0]


def test_a_block_of_the_library_is_found_in_its_file() -> None:
    text = SPECS["resnet50"]
    found = navigation.definition(view("resnet50"), *place(text, "bottleneck: {groups"))
    assert found is not None and (Path(found.file).name, found.line) == ("bottleneck.yaml", 3)


def test_a_parameter_gets_another_name_wherever_it_stands() -> None:
    text, seen = SPECS["resnet50"], view("resnet50")
    found = navigation.rename(seen, *place(text, "classes: 1000"), "labels")
    assert [span.line for span in found.spans] == [
        number for number, line in enumerate(LINES, 1) if "classes" in line
    ]
    assert not found.note


@pytest.mark.parametrize(
    ("word", "name", "problem"),
    [
        ("classes: 1000", "a-b", "cannot be a name"),
        ("classes: 1000", "depths", "wrong with that name"),
        ("layer{row", "stage", "changed by hand"),
        ("batch_norm", "group_norm", "a word of the language"),
        ("cite:", "quote", "nothing here"),
    ],
)
def test_a_name_that_cannot_be_is_refused(word: str, name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        navigation.rename(view("resnet50"), *place(SPECS["resnet50"], word), name)


@pytest.mark.parametrize(
    ("typed", "path", "position"),
    [
        ("  x: |", ("backbone", "x"), "value"),
        ("  x: {conv: {ou|", ("backbone", "x", "conv"), "key"),
        ("  x: {conv: {out: 3, init: |", ("backbone", "x", "conv", "init"), "value"),
        ("  x: {relu: {}, from: [a, |", ("backbone", "x", "from"), "element"),
        ("  - |", ("backbone",), "element"),
        ("|", (), "key"),
    ],
)
def test_where_the_cursor_stands_is_known_before_it_is_yaml(
    typed: str, path: tuple[str, ...], position: str
) -> None:
    lines = ["archdsl: 1", "backbone:", typed.replace("|", ""), "  next: relu"]
    found = context_at(lines, 3, typed.index("|") + 1)
    assert (found.path, found.position) == (path, position)


def offers(typed: str) -> list[str]:
    """What is offered at `|` in a line that is put into ResNet-50's backbone."""
    number = next(n for n, line in enumerate(LINES) if line.startswith("  maxpool"))
    lines = [*LINES[:number], typed.replace("|", ""), *LINES[number:]]
    seen = View(gallery.path("resnet50"), "\n".join(lines))
    found = completion(seen, view("resnet50"), number + 1, typed.index("|") + 1)
    return [offer.label for offer in found]


def test_what_is_offered_fits_the_place() -> None:
    assert offers("  x: {conv: {out: 3, ke|") == ["kernel"]
    assert offers("  x: {bottleneck: {stride|") == ["stride", "stride_first"]
    assert offers("  x: {relu: {}, from: max|") == ["maxpool"]
    assert offers("  x: batch_|") == ["batch_norm"]
    assert offers("  x: {conv: {out: 3, bias: |")[:2] == ["false", "true"]
    assert offers("  x: {conv: {out: 3, init: kaiming_n|") == ["kaiming_normal"]
    assert "classes" in offers("  x: {conv: {out: |")
    assert offers("  x: {residual: {bo|") == ["body"]


def test_a_word_that_was_meant_is_written_by_a_fix() -> None:
    seen = View("a.yaml", "archdsl: 1\nname: a\ninput: [3, 8, 8]\nbackbone: [rellu]\n")
    (mended,) = filter(None, (fix(seen, found) for found in seen.reading.diagnostics))
    assert (mended.text, mended.span.column, mended.span.end_column) == ("relu", 12, 17)


@pytest.mark.property
@given(st.data())
def test_no_text_and_no_place_is_too_much(data: st.DataObject) -> None:
    lines = [*SPECS[data.draw(st.sampled_from([*SPECS]))].split("\n")]
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        start = data.draw(st.integers(0, len(lines[number])))
        end = data.draw(st.integers(start, len(lines[number])))
        put = data.draw(st.text("a{}[]:-,*&$'\" #\t_0", max_size=6))
        lines[number] = lines[number][:start] + put + lines[number][end:]
    seen = View("typed.yaml", "\n".join(lines))
    results = Results(seen)
    line = data.draw(st.integers(1, len(seen.lines)))
    column = data.draw(st.integers(1, len(seen.lines[line - 1]) + 1))
    assert isinstance(context_at(seen.lines, line, column), Context)
    completion(seen, seen, line, column)
    hover(seen, results, line, column)
    navigation.definition(seen, line, column)
    navigation.references(seen, line, column)
    outline.symbols(seen)
    assert all(first < last for first, last in outline.folds(seen))
    for number, shape in outline.hints(seen, results, 1, len(seen.lines)):
        assert shape and seen.lines[number - 1].strip()
    for found in seen.reading.diagnostics:
        mended = fix(seen, found)
        assert mended is None or mended.text
    for mark in seen.marks:
        where = seen.lines[mark.span.line - 1][mark.span.column - 1 : mark.span.end_column - 1]
        assert mark.kind == "file" or where == mark.text


NEW = """\
archdsl: 1
name: net
input: [3, 32, 32]
replace: {relu: silu}
backbone:
  stem: {seq: [{conv: {out: 8, kernel: 3}}, relu], tap: c1}
  chain: {dense: {layer: [{conv: {out: 8, kernel: 3}}], repeat: 2, sees: last, gives: list}, as: y}
  again: {use: stem.0, from: y, if: false}
  one: {concat: {}, from: ["*y"], checkpoint: true}
"""


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("replace", "Another op or block"),
        ("relu: silu", "max(x, 0)"),
        ("silu", "x * sigmoid(x)"),
        ("dense", "- `sees`: What a layer gets"),
        ("sees", "What a layer gets"),
        ("gives", "or a `list`"),
        ("use", "applied once more"),
        ("checkpoint", "computes it again"),
    ],
)
def test_the_words_of_the_language_are_explained(at: str, said: str) -> None:
    view = View("net.yaml", NEW)
    before = NEW[: NEW.index(at)].split("\n")
    found = hover(view, Results(view), len(before), len(before[-1]) + 1)
    assert found is not None and said in found[0]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("replace: {", {"relu", "op", "with"}),
        ("output_stride: ", {"8", "16", "32"}),
        ("under: {", {"backbone", "head"}),
        ("scaling: {width: {", {"factor", "multiple_of"}),
        ("neck:\n  - {relu: {}, checkpoint: ", {"true", "false"}),
        ("neck:\n  - {relu: {}, shared: ", {"true", "false"}),
        ("neck:\n  - {relu: {}, from: ", {"stem", "chain", "y", "c1"}),
        ("neck:\n  - {relu: {}, each: ", {"y"}),
        ("neck:\n  - {use: ", {"stem"}),
        ("neck:\n  - {dense: {sees: ", {"all", "last"}),
        ("neck:\n  - {dense: {gives: ", {"all", "last", "layers", "list"}),
        ("freeze: [", {"batch_norm", "stem"}),
    ],
)
def test_the_words_of_the_language_are_offered(line: str, offered: set[str]) -> None:
    view = View("net.yaml", NEW + line)
    place = len(view.lines), len(view.lines[-1]) + 1
    assert offered <= {offer.label for offer in completion(view, View("net.yaml", NEW), *place)}


def test_a_new_name_is_left_to_who_gives_it() -> None:
    view = View("net.yaml", NEW + "neck:\n  - {relu: {}, as: ")
    place = len(view.lines), len(view.lines[-1]) + 1
    assert completion(view, View("net.yaml", NEW), *place) == []


def test_what_stands_beside_is_not_around() -> None:
    assert [*_outer(["x:", "  - a: 1", "    b: 2"], 3, 4)] == ["x"]
    assert _open_brackets('a: {b: "[", c: [1, {d: 2}, 3') == [
        ("{", 'b: "[", c: '),
        ("[", "1, {d: 2}, 3"),
    ]
