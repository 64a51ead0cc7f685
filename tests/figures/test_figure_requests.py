"""Figure files, `figure:` in a spec, and what an author says of a figure on the command line."""

import re
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl import SpecError, UsageError
from archdsl.cli import main as cli
from archdsl.figures.author import pattern
from archdsl.figures.canvas.scene import Group, Text, flat, groups
from archdsl.figures.figure import Figure
from archdsl.figures.file import figure_schema
from archdsl.figures.options import OPTIONS

SPEC = """
archdsl: 1
name: tiny
input: [3, 32, 32]
backbone:
  stem: {conv: {out: 8, kernel: 3}}
  layer{i + 1}: {conv: {out: 16, kernel: 3, stride: 2}, repeat: 2}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 10}}}
"""


def texts(figure: Figure) -> list[str]:
    assert figure.scene is not None
    return [item.plain for item in flat(figure.scene.items) if isinstance(item, Text)]


def parts(figure: Figure) -> dict[str, Group]:
    assert figure.scene is not None
    return {group.id: group for group in groups(figure.scene.items)}


def fills(group: Group) -> set[str]:
    return {path.fill for path in flat(group.items) if not isinstance(path, Text) and path.fill}


def write(folder: Path, text: str, name: str = "fig.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def wrong(text: str, folder: Path) -> str:
    with pytest.raises(SpecError) as caught:
        archdsl.draw(write(folder, text))
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "path", "found"),
    [
        ("layer{s}", "layer3", {"s": "3"}), ("layer{s}", "layer3.0", None),
        ("layer4.*.se", "layer4.12.se", {}), ("layer4.*", "layer4.1.se", None),
        ("layer4.**", "layer4.1.se", {}), ("{a}.{b}", "x.y", {"a": "x", "b": "y"}),
        ("a+b", "aab", None), ("fc", "fc", {}),
    ],
)  # fmt: skip
def test_patterns_have_names_stars_and_nothing_else(
    form: str, path: str, found: dict[str, str] | None
) -> None:
    match = pattern(form).fullmatch(path)
    assert (match.groupdict() if match else None) == found


def test_names_are_the_authors_and_leave_the_network_alone() -> None:
    label = {"layer{s}": "Stage $s$", "conv1": "Stem", "fc": "{Head}"}
    figure = archdsl.draw("resnet50", label=label)
    said = texts(figure)
    assert {"Stage 1", "Stage 4", "Stem", "{Head}"} <= {*said}
    assert not {"layer1", "conv1", "fc"} & {*said}
    assert {"layer1", "conv1", "fc"} <= parts(figure).keys()


def test_what_is_hidden_is_named_and_its_ways_go_on() -> None:
    figure = archdsl.draw("resnet50", kind="strip", hide=["maxpool", "avgpool"])
    assert not {"maxpool", "avgpool"} & parts(figure).keys()
    assert "Not drawn: maxpool, avgpool, batch norm, relu, flatten." in figure.caption
    table = archdsl.draw("resnet50", kind="table", hide=["fc"]).render(".md").decode()
    assert "linear" not in table and "25.56 M" in table


def test_a_mark_paints_all_of_a_part_and_stands_in_the_legend() -> None:
    ours = {"ours": {"fill": "#FFD966", "stroke": "#7F6000", "legend": "our blocks"}}
    plain = archdsl.draw("resnet50", kind="strip")
    figure = archdsl.draw("resnet50", kind="strip", mark={"layer4.*": "ours"}, roles=ours)
    assert "our blocks" in texts(figure)
    assert "#FFD966" in fills(parts(figure)["layer4"])
    assert not fills(parts(figure)["layer4"]) & fills(parts(plain)["layer4"])
    assert fills(parts(figure)["layer3"]) == fills(parts(plain)["layer3"])


def test_costs_are_colors_the_largest_darkest_nothing_white() -> None:
    figure = archdsl.draw("resnet50", kind="strip", color="macs")
    groups = parts(figure)
    assert "#FFFFFF" in fills(groups["maxpool"])
    assert "#EF8F6B" in fills(groups["layer4.0"])  # 372.5 M of multiply-accumulates: the most
    assert {"0 MACs", "372.51 M MACs"} <= {*texts(figure)}
    for measure in ("params", "memory"):
        assert archdsl.draw("resnet50", color=measure).scene is not None  # type: ignore[arg-type]


def test_notes_stand_under_their_stage_and_groups_over_theirs() -> None:
    group = [{"section": "backbone", "label": "Backbone"}, {"parts": ["fc"], "label": "Head"}]
    figure = archdsl.draw("resnet50", kind="strip", note={"layer3": "dilated"}, group=group)
    assert figure.scene is not None
    at = {t.plain: t for t in flat(figure.scene.items) if isinstance(t, Text)}
    assert at["dilated"].x == at["layer3"].x and at["dilated"].y > at["layer3"].y
    assert at["layer1"].x < at["Backbone"].x < at["layer4"].x
    assert at["Backbone"].y < min(
        text.y for name, text in at.items() if name not in ("Head", "Backbone")
    )


def test_sections_of_a_spec_are_those_in_which_parts_are_written() -> None:
    group = [{"section": section, "label": section} for section in ("backbone", "head")]
    figure = archdsl.draw(archdsl.loads(SPEC), kind="strip", group=group, width="double")
    at = {t.plain: t for t in flat(figure.scene.items) if isinstance(t, Text)}  # type: ignore[union-attr]
    assert at["stem"].x < at["backbone"].x < at["head"].x


def test_insets_show_the_blocks_that_are_named() -> None:
    figure = archdsl.draw("resnet50", kind="block", insets=["layer3.0", "layer3.1"])
    titles = [text for text in texts(figure) if text.startswith("(")]
    assert titles == ["(a) layer3.0", "(b) layer3.1"]
    with pytest.raises(UsageError, match="insets `conv1`: that is no block of resnet50"):
        archdsl.draw("resnet50", kind="block", insets=["conv1"])


def test_blocks_of_several_networks_stand_side_by_side_with_level_tops() -> None:
    figure = archdsl.draw("resnet50:layer3.1", "mobilenet_v2:features.3", kind="block")
    said = texts(figure)
    assert "(a) resnet50 layer3.1" in said and "(b) mobilenet_v2 features.3" in said
    blocks = [group for id, group in parts(figure).items() if id.endswith(".block")]
    tops = {round(group.box()[1], 3) for group in blocks}
    assert len(blocks) == 2 and len(tops) == 1 and {group.of for group in blocks} == {0, 1}
    assert said.count("1×1 conv") == 1  # one legend


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": {"layre{s}": "x"}}, "label `layre{s}`: no part has this path"),
        ({"hide": ["avgpol"]}, "hide `avgpol`: no part has this path; did you mean `avgpool`?"),
        ({"mark": {"fc": "our"}, "roles": {"ours": {"fill": "#FFFFFF"}}}, "did you mean `ours`?"),
        ({"hide": ["**"]}, "hide leaves nothing of resnet50 to draw"),
        ({"group": [{"label": "x"}]}, "a group is a `section` or a list of `parts`"),
        ({"roles": {"a": {"fill": "red"}}}, "fill must be a color of the form"),
        ({"rows": 9}, "rows must be 6 or less, not 9"),
        ({"label": {"a{x}{x}": "b"}}, "pattern `a{x}{x}` has one name twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        archdsl.draw("resnet50", kind="strip", **options)


FIGURE = """
figure: tiny.yaml
kind: strip
title: Ours
label: {stem: Stem}
note: {stem: "first"}
"""


def test_a_figure_file_is_its_options(tmp_path: Path) -> None:
    write(tmp_path, SPEC, "tiny.yaml")
    figure = archdsl.draw(write(tmp_path, FIGURE))
    label, note = {"stem": "Stem"}, {"stem": "first"}
    graph = archdsl.load(tmp_path / "tiny.yaml")
    same = archdsl.draw(graph, kind="strip", title="Ours", label=label, note=note)
    assert figure.render(".svg") == same.render(".svg")
    other = archdsl.draw(str(tmp_path / "fig.yaml"), title="Theirs")  # the call goes before
    assert "Theirs" in texts(other) and "Stem" in texts(other)


def test_every_option_can_be_said_in_a_file_and_on_the_command_line(tmp_path: Path) -> None:
    assert {option.key for option in OPTIONS} < figure_schema()["properties"].keys()
    write(tmp_path, SPEC, "tiny.yaml")
    file = write(tmp_path, "figure: tiny.yaml\nkind: strip\nhide: [pool]\nrows: 1\ncolor: params\n"
        "label: {stem: A}\nnote: {stem: b}\ngroup: [{section: head, label: H}]\n")  # fmt: skip
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    assert cli.run(["draw", file, "-o", str(one)]) == 0
    spec = str(tmp_path / "tiny.yaml")
    options = ["--hide", "pool", "--rows", "1", "--color", "params", "--label", "stem=A"]
    options += ["--note", "stem=b", "--group", "[{section: head, label: H}]"]
    assert cli.run(["draw", spec, "--kind", "strip", *options, "-o", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()


def test_all_mistakes_of_a_figure_file_are_said_at_their_places(tmp_path: Path) -> None:
    said = wrong("figure: resnet50\nkind: strop\ntitel: x\nrows: 0\nhide: conv1\n", tmp_path)
    for line, message in (
        (2, "kind must be `hero`, `strip`"), (3, "unknown key `titel`"),
        (4, "rows must be 1 or more"), (5, "hide must be a list, not `conv1`"),
    ):  # fmt: skip
        assert re.search(rf"{re.escape(message)}[^\n]*\n[^\n]*fig\.yaml:{line}:", said), said
    assert "did you mean `strip`?" in said and "did you mean `title`?" in said


@pytest.mark.parametrize("key", ["figure: ../other.yaml", "figure: resnet50\ntheme: ../theme.yaml",
    "figure: /etc/passwd.yaml"])  # fmt: skip
def test_a_figure_file_reads_nothing_outside_of_its_folder(key: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    assert "lies outside the folder of the figure" in wrong(f"{key}\n", inside)


def test_an_option_that_the_kind_of_a_file_has_not_is_refused_at_its_place(tmp_path: Path) -> None:
    said = wrong("figure: resnet50\nkind: columns\nrows: 2\n", tmp_path)
    assert "kind columns has no rows" in said and "fig.yaml:3" in said


def test_a_spec_says_what_its_figures_show() -> None:
    graph = archdsl.loads(SPEC + "figure: {kind: strip, title: Ours, label: {stem: Stem}}\n")
    assert {"Ours", "Stem"} <= {*texts(archdsl.draw(graph))}
    assert archdsl.draw(graph, kind="columns").scene is not None  # title and label are for it, too
    assert graph.to_json() == archdsl.loads(SPEC).to_json()


def test_what_is_wrong_with_the_figure_of_a_spec_is_an_error_of_the_spec(tmp_path: Path) -> None:
    path = write(tmp_path, SPEC + "figure: {titel: Ours, theme: papre, rows: 7}\n", "tiny.yaml")
    said = [diagnostic.message for diagnostic in archdsl.check(path)]
    assert said == ["unknown key `titel`", "rows must be 6 or less, not 7"]
    path = write(tmp_path, SPEC + "figure: {theme: papre}\n", "tiny.yaml")
    assert [d.message for d in archdsl.check(path)] == ["there is no theme `papre`"]


@pytest.mark.parametrize("text", ["</svg><script>x</script>", '" onload="x', "&amp;<b>"])
def test_nothing_an_author_says_leaves_its_text(text: str, tmp_path: Path) -> None:
    figure = archdsl.draw("resnet18", kind="strip", label={"conv1": text}, note={"fc": text},
        title=text)  # fmt: skip
    svg = figure.render(".svg").decode()
    assert "<script" not in svg and 'onload="' not in svg and "<b>" not in svg
    tex = archdsl.draw("resnet18", kind="strip", label={"conv1": r"\input{x}%"}).render(".tex")
    said = re.sub(rb"(?<!\\)%.*", b"", tex)  # all but comments
    assert rb"\input{x}" not in said and rb"\textbackslash{}input" in said
