"""A summary in every format in which it can be had."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archdsl
from archdsl.analysis.cost import Cost
from archdsl.analysis.summary import Stage, Summary, summarize
from archdsl.expressions.numbers import quantity, share
from archdsl.ops.tensor import TensorSpec
from archdsl.tables.summary import FORMATS, Table, text
from archdsl.tables.text import aligned

SMALL = Summary(
    name="tiny_net",
    title="Tiny",
    citation="Tiny & Sons: 100% *small* nets. arXiv:1234.56789",
    inputs={"input": TensorSpec((3, 8, 8))},
    outputs={"": TensorSpec((10,))},
    stages=(
        Stage(
            "_stem.0", "3x3 conv, 4", (TensorSpec((4, 8, 8)),), Cost(1, 1_112, 0, 1_230_000, 256)
        ),
        Stage("layer_1", "block_a x 2", (TensorSpec((4, 4, 4)),), Cost(9, 3_336, 9, 410_000, 64)),
        Stage("flat", "flatten", (TensorSpec((64,)),), Cost(1, 0, 0, 0, 64)),
    ),
    total=Cost(11, 4_448, 9, 1_640_000, 384),
)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (1, "1"),
        (999, "999"),
        (1_000, "1.00 K"),
        (9_408, "9.41 K"),
        (999_994, "999.99 K"),
        (999_996, "1.00 M"),
        (25_557_032, "25.56 M"),
        (999_999_999, "1.00 G"),
        (4_089_184_256, "4.09 G"),
        (1_500_000_000_000, "1.50 T"),
        (10**16, "10000.00 T"),
    ],
)
def test_quantities_have_a_readers_digits(number: int, shown: str) -> None:
    assert quantity(number) == shown


@given(st.integers(0, 10**15 - 10**13))
def test_a_quantity_is_within_its_last_digit(number: int) -> None:
    digits, _, unit = quantity(number).partition(" ")
    scale = 1000 ** " KMGT".index(unit or " ")
    assert abs(float(digits) * scale - number) <= 0.00501 * scale
    assert float(digits) < 1000


def test_shares_are_in_percent_and_nothing_is_blank() -> None:
    assert [share(*pair) for pair in ((1, 8), (8, 8), (1, 10_000), (0, 8), (0, 0))] == [
        "12.5%", "100.0%", "0.0%", "", "",
    ]  # fmt: skip


def test_text_is_aligned_columns_with_totals() -> None:
    assert (
        text(SMALL)
        == """\
tiny_net: 3x8x8 -> 10
Tiny & Sons: 100% *small* nets. arXiv:1234.56789

stage    what         output  parameters      %      MACs      %
----------------------------------------------------------------
_stem.0  3x3 conv, 4  4x8x8       1.11 K  25.0%    1.23 M  75.0%
layer_1  block_a x 2  4x4x4       3.34 K  75.0%  410.00 K  25.0%
flat     flatten      64               0                0
----------------------------------------------------------------
total                             4.45 K           1.64 M
"""
    )


def test_styled_text_is_the_same_text() -> None:
    styled = text(SMALL, styled=True)
    assert styled != text(SMALL)
    assert re.sub(r"\x1b\[\d*m", "", styled) == text(SMALL)


def test_markdown_is_a_table_with_nothing_taken_for_markup() -> None:
    assert (
        FORMATS["markdown"](SMALL)
        == r"""# tiny_net

Tiny & Sons: 100% \*small\* nets. arXiv:1234.56789

`3x8x8 -> 10`

| stage | what | output | parameters | % | MACs | % |
| :-- | :-- | :-- | --: | --: | --: | --: |
| `_stem.0` | 3x3 conv, 4 | 4x8x8 | 1.11 K | 25.0% | 1.23 M | 75.0% |
| `layer_1` | block_a x 2 | 4x4x4 | 3.34 K | 75.0% | 410.00 K | 25.0% |
| `flat` | flatten | 64 | 0 |  | 0 |  |
| **total** |  |  | **4.45 K** |  | **1.64 M** |  |
"""
    )


def test_latex_is_a_booktabs_tabular_with_everything_escaped() -> None:
    assert (
        FORMATS["latex"](SMALL)
        == r"""% tiny_net: 3x8x8 -> 10 Tiny & Sons: 100% *small* nets. arXiv:1234.56789
% \usepackage{booktabs}
\begin{tabular}{lllrrrr}
\toprule
stage & what & output & parameters & \% & MACs & \% \\
\midrule
\_stem.0 & 3$\times$3 conv, 4 & 4$\times$8$\times$8 & 1.11 K & 25.0\% & 1.23 M & 75.0\% \\
layer\_1 & block\_a $\times$ 2 & 4$\times$4$\times$4 & 3.34 K & 75.0\% & 410.00 K & 25.0\% \\
flat & flatten & 64 & 0 &  & 0 &  \\
\midrule
total &  &  & 4.45 K &  & 1.64 M &  \\
\bottomrule
\end{tabular}
"""
    )


HOSTILE = "a\\b{c}$&#%_~^<>|`*[d]\nnew \\end{tabular}"


def hostile() -> Summary:
    stage = Stage("path", HOSTILE, (TensorSpec((1,)),), Cost())
    return Summary("x", "", HOSTILE, {"input": TensorSpec((1,))}, {}, (stage,), Cost())


def test_no_text_of_a_spec_ends_a_latex_row_or_table() -> None:
    lines = FORMATS["latex"](hostile()).splitlines()
    assert lines[0].startswith("% ") and lines[1] == r"% \usepackage{booktabs}"
    row = next(line for line in lines if line.startswith("path"))
    inner = re.sub(r"\\[{}$&#%_]|\\text\w+\{\}", "", row.removesuffix(r" \\"))
    assert inner.count("&") == 6
    assert not re.search(r"[\\{}$#%_~^]", inner)


def test_no_text_of_a_spec_ends_a_markdown_cell() -> None:
    lines = FORMATS["markdown"](hostile()).splitlines()
    row = next(line for line in lines if line.startswith("| `path`"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 8
    assert not any(line.startswith("new") for line in lines)


@pytest.mark.parametrize("format", ["json", "csv"])
def test_text_of_a_spec_survives_json_and_csv(format: str) -> None:
    written = FORMATS[format](hostile())
    if format == "json":
        assert json.loads(written)["stages"][0]["what"] == HOSTILE
    else:
        assert next(csv.DictReader(io.StringIO(written)))["what"] == HOSTILE


def test_json_is_exact() -> None:
    data = json.loads(FORMATS["json"](summarize(archdsl.load("resnet50"))))
    assert (data["name"], data["input"], data["outputs"]) == (
        "resnet50",
        [3, 224, 224],
        {"": [1000]},
    )
    assert data["total"]["parameters"] == 25_557_032
    assert data["stages"][0] == {
        "path": "conv1",
        "what": "7x7 conv, 64, /2",
        "output": [64, 112, 112],
        "nodes": 1,
        "parameters": 9_408,
        "buffers": 0,
        "macs": 118_013_952,
        "activations": 64 * 112 * 112,
    }


def test_csv_is_exact_and_ends_with_the_total() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](summarize(archdsl.load("resnet50"))))))
    assert rows[4]["path"] == "layer1" and rows[4]["what"] == "bottleneck x 3"
    assert rows[-1]["path"] == "total" and rows[-1]["macs"] == "4089184256"
    assert sum(int(row["parameters"]) for row in rows[:-1]) == 25_557_032


def test_a_citation_cannot_command_the_terminal() -> None:
    citation = "Title\x1b[2J\x07\nof \u202ea paper"
    summary = replace(SMALL, citation=citation)
    for format in ("table", "markdown", "latex"):
        shown = FORMATS[format](summary)
        assert not set("\x1b\x07\u202e") & set(shown)
        assert re.search(r"Title \\?\[2J of a paper", shown)


def test_named_outputs_are_named() -> None:
    graph = archdsl.load("resnet50")
    summary = summarize(graph.select({"c2": graph.taps["c2"], "c5": graph.taps["c5"]}))
    assert text(summary).startswith("resnet50: 3x224x224 -> c2 256x56x56, c5 2048x7x7\n")


WORDS = st.text("aB3", max_size=8)


@given(st.lists(st.lists(WORDS, min_size=2, max_size=2), min_size=1))
def test_columns_line_up_whatever_they_hold(rows: list[list[str]]) -> None:
    lines = aligned(rows, "lr")
    width = len(lines[1])
    assert set(lines[1]) <= {"-"}
    assert all(line == line.rstrip() and len(line) <= width for line in lines)
    assert all(len(line) == width for line, row in zip(lines[2:], rows[1:], strict=True) if row[1])


def test_a_table_shows_itself() -> None:
    table = Table(SMALL)
    assert repr(table) == str(table) == table.render() == text(SMALL)
    assert table._repr_markdown_() == table.render("markdown")


def test_an_offset_is_written_in_one_way_wherever_it_is() -> None:
    items = "backbone: {a: {conv: {kernel: 1}}, b: {conv: {kernel: 3}}}"
    graph = archdsl.loads(f"archdsl: 1\nname: net\ninput: [3, 9, 9]\n{items}")
    found = summarize(graph, show=("field", "offset"))
    for format in ("table", "csv"):
        shown = FORMATS[format](found)
        assert "0, 0" in shown and "-1, -1" in shown and "1x1" in shown and "0x0" not in shown
