"""What changed between two networks, as people meet it."""

import json
import re

import archdsl
from archdsl.analysis.diff import compare
from archdsl.graph.graph import Graph
from archdsl.tables.changes import FORMATS, html, markdown, text

BASE = """
archdsl: 1
name: base
input: [3, 8, 8]
blocks:
  unit:
    params: {width: int}
    seq: {conv: {conv: {out: width, kernel: 3, bias: false}}, relu: relu}
backbone:
  stem: {conv: {out: 4, kernel: 3, bias: false}}
  stage: {unit: {width: 4}, repeat: 3}
  last: {conv: {out: 2, kernel: 1, bias: false}}
"""


def changed(old: str, new: str) -> tuple[Graph, Graph]:
    assert old in BASE
    return archdsl.loads(BASE), archdsl.loads(BASE.replace(old, new))


def test_the_same_network_has_no_changes() -> None:
    difference = compare(*changed("4", "4"))
    assert difference.same
    assert text(difference) == "base -> base: the same network\n"


def test_equal_changes_in_a_row_are_one_line_that_names_the_argument() -> None:
    (change,) = compare(*changed("width: 4", "width: 6")).changes
    assert (change.kind, change.count, change.details) == ("changed", 3, ("width: 4 -> 6",))
    assert change.before is not None and change.after is not None
    assert change.before.cost.parameters == 3 * 4 * 4 * 9
    assert change.after.cost.parameters == (4 * 6 + 6 * 6 + 6 * 6) * 9


def test_what_is_new_and_what_is_gone() -> None:
    more = compare(*changed("repeat: 3", "repeat: 4")).changes
    assert [(c.kind, c.side.path) for c in more] == [("added", "stage.3")]
    fewer = compare(*changed("repeat: 3", "repeat: 1")).changes
    assert [(c.kind, c.side.path, c.count) for c in fewer] == [("removed", "stage.1", 2)]


def test_parts_of_equal_content_are_found_under_another_name() -> None:
    (change,) = compare(*changed("last:", "final:")).changes
    assert change.kind == "renamed"
    assert "last -> final" in text(compare(*changed("last:", "final:")))


def test_an_op_says_which_of_its_arguments_differ() -> None:
    (change,) = compare(*changed("out: 2, kernel: 1", "out: 5, kernel: 3")).changes
    assert change.details == ("kernel: 1 -> 3", "out: 2 -> 5")


def test_another_input_is_said_where_no_part_is_written_differently() -> None:
    (change,) = compare(*changed("[3, 8, 8]", "[3, 16, 16]")).changes
    assert (change.side.path, change.kind) == ("input", "changed")


def test_a_depth_opens_that_many_levels() -> None:
    graphs = changed("width: 4", "width: 6")
    assert [c.side.path for c in compare(*graphs, depth=1).changes] == ["stage", "last"]
    deepest = [c.side.path for c in compare(*graphs, depth=3).changes]
    assert deepest[:4] == ["stage", "stage.0", "stage.0.conv", "stage.0.relu"]


def test_the_text_has_both_shapes_and_both_costs() -> None:
    lines = text(compare(*changed("out: 2, kernel: 1", "out: 3, kernel: 1"))).splitlines()
    assert lines[0] == "base -> base"
    assert re.split("  +", lines[4]) == [
        "~", "last", "out: 2 -> 3", "2x8x8 -> 3x8x8", "8 -> 12 (+50.0%)", "512 -> 768 (+50.0%)",
    ]  # fmt: skip
    assert re.split("  +", lines[5].strip()) == [
        "total", "2x8x8 -> 3x8x8", "548 -> 552 (+0.7%)", "35.07 K -> 35.33 K (+0.7%)",
    ]  # fmt: skip


def test_markdown_and_json_say_the_same() -> None:
    difference = compare(*changed("repeat: 3", "repeat: 4"))
    assert "| + | stage.3 | unit | 4x8x8 | 144 | 9.22 K |" in markdown(difference)
    cells = re.findall(r"<td [^>]*>([^<]*)</td>", html(difference))
    at = cells.index("stage.3")
    assert cells[at - 1 : at + 5] == ["+", "stage.3", "unit", "4x8x8", "144", "9.22 K"]
    data = json.loads(FORMATS["json"](difference))
    assert data["changes"][0]["before"] is None
    assert data["changes"][0]["after"]["macs"] == 144 * 64


def test_resnext_is_a_resnet_with_other_groups() -> None:
    difference = compare(archdsl.load("resnet50"), archdsl.load("resnext50_32x4d"))
    assert [c.count for c in difference.changes] == [3, 4, 6, 3]
    assert difference.before.cost.parameters == 25_557_032
    assert difference.after.cost.parameters == 25_028_904


def test_a_change_deep_in_the_first_part_is_found() -> None:
    before = archdsl.loads(BASE.replace("  stem:", "  deep: {seq: {a: {seq: {b: relu}}}}\n  stem:"))
    after = archdsl.loads(BASE.replace("  stem:", "  deep: {seq: {a: {seq: {b: silu}}}}\n  stem:"))
    assert [c.side.path for c in compare(before, after).changes] == ["deep.a.b"]
