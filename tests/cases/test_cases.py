"""Small specs that people wrote or asked for: each is as it should be, or says what to write.

Every file of this folder is in one of the tables, or has a test of its own. How weights are loaded
into those that are about weights is in tests/weights/test_loading.py, what figures are worth beside
what is said here in tests/figures.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import archdsl
from archdsl.analysis.receptive_field import receptive_fields
from archdsl.diagnostics.sink import Sink
from archdsl.figures.canvas.scene import Group, Item, Text
from archdsl.graph.graph import Graph
from archdsl.language.formatting import formatted
from archdsl.yaml.source import parse
from tests.figures.truth import lies

FOLDER = Path(__file__).parent


@cache
def load(name: str) -> Graph:
    return archdsl.load(FOLDER / f"{name}.yaml")


def diagnostics(name: str, pedantic: bool = False) -> list[archdsl.Diagnostic]:
    return archdsl.check(FOLDER / f"{name}.yaml", pedantic=pedantic)


def parameters(graph: Graph) -> int:
    return archdsl.analyze(graph).total.parameters


WRONG = {  # code, message, help
    "swap_an_op_everywhere": (
        "E0208", "`batch_norm` is an op, and cannot be a block's name",
        "say `replace: {batch_norm: NAME}`"),
    "op_that_is_not_there": ("E0205", "unknown verb `deform_conv`", "docs/plug-ins.md"),
    "resize_that_misses": (
        "E0501", "concat of 16x26x26 and 8x25x25: only the channels may differ",
        "{resize: {like: a}}"),
    "bad_e0204": ("E0204", "this item has no verb, but items in it", "write `seq:` before them"),
    "bad_i_from": ("E0402", "unknown reference `y1`", "known: a, y0"),
    "bad_outer_tap": ("E0402", "unknown reference `y0`", "an earlier item of this"),
    "bug_tap_second_call": ("E0401", "two taps named t", "`as: t` names it in this block alone"),
    "tap_paths4": ("E0401", "two taps named y", "`as: y` names it in this block alone"),
    "tap_for": ("E0401", "two taps named c0", "c{row + 2}"),
    "res2net_5": ("E0401", "two things are named layer1.0.convs", "`convs.{k}: ...`"),
    "res2net_6": ("E0601", "params is 25,699,120, expected 25_697_848", "1,272 too many"),
    "resnest_nodil": (
        "E0206", "resnest has no argument `dilation`", "declare it in resnest, `dilation: ...`"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told_with_what_can(name: str) -> None:
    code, message, help = WRONG[name]
    found = next(one for one in diagnostics(name) if one.severity == "error")
    assert (found.code, found.message) == (code, message)
    assert help in found.help


WARNED = {
    "unused_block": ("W0104", "nothing uses the block `gn`", "remove it"),
    "output_stride": (
        "W0103", "nothing uses the parameter `output_stride`", "`output_stride: ...`"),
    "one_result_of_each": ("W0102", "the bias of conv does nothing", "`bias: false`"),
    "resnet50_gn_written_out": ("W0104", "nothing uses the block `gn`", "remove it"),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_what_is_most_likely_not_meant_is_warned_of(name: str) -> None:
    code, message, help = WARNED[name]
    (found,) = diagnostics(name)
    assert found.code == code
    assert found.message.startswith(message)
    assert help in found.help


RIGHT = {  # parameters, counted by hand or by who published the network
    "adaptive_pool_field": 40 + 148 + 148,
    "two_inputs": 8 * 28 + 8 * 10,
    "one_sided_padding": 4 * 4,
    "learned_scalar": 224 + 584 + 2,
    "frozen": 8 * 27,
    "one_result_of_each": 224 + 584 + 584 + 2 * 16,
    "resnet50_gn_written_out": 25_557_032,
    "width_message": 7_235_389,  # YOLOv5s with 80 classes
    "shared_weights": 10_636_096,
    "bad_string_arg": 2 * (9 * 64 + 8),
    "bug_fmt_blank": 32,
    "bug_tap_e0402": 4 * (9 * 64 + 8),
    "dotref": 3 * (9 * 64 + 8),
    "tap_paths": 2 * (9 * 16 + 4),
    "tab1d": 8 * 10 + 16 * 25 + 170,
    "slope": 64 * 28 + 4 * 65,
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_has_the_parameters_that_it_should(name: str) -> None:
    assert parameters(load(name)) == RIGHT[name]


@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x"])
def test_yolov5_scales_as_published(size: str) -> None:
    """1.87, 7.24, 21.19, 46.56 and 86.75 million parameters."""
    depth, width, wanted = {
        "n": (0.33, 0.25, 1.87), "s": (0.33, 0.5, 7.24), "m": (0.67, 0.75, 21.19),
        "l": (1, 1, 46.56), "x": (1.33, 1.25, 86.75),
    }[size]  # fmt: skip
    graph = archdsl.load(FOLDER / "width_message.yaml", scale={"depth": depth, "width": width})
    assert round(parameters(graph) / 1e6, 2) == wanted


def test_adaptive_pools_of_several_bins_see_what_they_average() -> None:
    fields = receptive_fields(load("adaptive_pool_field"))
    found = {id: (fields[id].size[0], fields[id].jump[0]) for id in ("p", "q", "c")}
    assert found == {"p": (7, 4), "q": (11, 8), "c": (27, 8)}
    assert fields["r"].size[0] == 43


def test_a_pyramid_of_pools_that_is_joined_by_a_concatenation_sees_the_image() -> None:
    assert receptive_fields(load("context_path_field"))["out"].size == (60, 61)


def test_the_reduction_of_a_feature_is_one_for_each_axis() -> None:
    graph = load("reduction_of_one_axis")
    info = archdsl.compile(graph, features=["f1", "f2", "f3"]).feature_info
    assert [info[f"f{n}"]["reduction"] for n in (1, 2, 3)] == [2, (4, 2), (8, 2)]


def test_the_formatter_keeps_a_list_in_a_list_and_the_blank_line_behind_it() -> None:
    source = parse((FOLDER / "bug_fmt_blank.yaml").read_text(encoding="utf-8"), "spec.yaml", Sink())
    assert source is not None
    text = formatted(source)
    assert [node.id for node in archdsl.loads(text).nodes] == ["blocks.0.0", "pool"]
    assert text.count("\n\n") == 1
    assert "}\n\nhead:" in text


def test_towers_that_share_their_weights_have_them_once() -> None:
    graph = load("shared_weights")
    assert [scope.id for scope in graph.scopes if scope.block] == ["towers", "towers@1"]
    assert len(graph.state) == 10


def test_a_backbone_of_another_output_stride_is_said_by_a_key_of_the_document() -> None:
    graph = archdsl.load("mobilenet_v3_large", output_stride=16)
    assert graph.select({"c5": graph.taps["c5"]}).spec(graph.taps["c5"]).shape == (960, 14, 14)


DRAWN = {  # what a figure of the network says, each in one text
    "nested_blocks_in_a_pyramid": ["b4 c3", "n4 c3"],
    "output_inside_a_box": ["16×16", "small", "large"],
    "outputs_of_a_line": ["small", "end"],
    "pyramid_as_one_box": [],
    "shared_weights": ["on each of 2 maps"],
    "fold_is_ignored": [],
    "width_message": [],
    "hidden_block": ["chain"],
    "gate": ["gated"],
    "bug_hero_shortcut_from": ["basic"],
    "pyramid_of_plain_blocks": ["c3"],
    "actA": [], "actB": [], "crnn": [], "hrnet": [], "longskip": [], "post164": [], "pre164": [],
    "seresnext": [], "slope": [], "tab1d": [], "twobranch": [], "yolo": [],
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_says_what_is_so_or_why_it_cannot(name: str) -> None:
    graph = load(name)
    try:
        figure = archdsl.draw(graph, width="double")
    except archdsl.UsageError as error:
        wide = re.search(r"a larger --width: (\d+)pt is enough", str(error))
        assert wide, error
        figure = archdsl.draw(graph, width=f"{wide[1]}pt")
    assert list(lies(figure, [graph], "hero")) == []
    texts = " ".join(_texts(figure.scene.items))
    for words in DRAWN[name]:
        assert words in texts


def _texts(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        if isinstance(item, Group):
            yield from _texts(item.items)
        elif isinstance(item, Text):
            yield "".join(run.text for run in item.runs)


def test_columns_tell_networks_of_other_ops_apart() -> None:
    graphs = [load("actA"), load("actB")]
    assert list(lies(archdsl.draw(*graphs, kind="columns"), graphs, "columns")) == []


def test_folds_of_a_graph_of_ops_are_made_and_say_how_often() -> None:
    whole, folded = (
        archdsl.draw(load("fold_is_ignored"), kind="graph", fold=fold) for fold in (None, "2")
    )
    assert folded.scene.height < whole.scene.height / 2
    said = set(_texts(folded.scene.items)) - set(_texts(whole.scene.items))
    assert said == {"the same ×5", "the same ×33"}  # 2 of 7, and 2 of 35


def test_every_file_is_tried() -> None:
    tried = {*WRONG, *WARNED, *RIGHT, *DRAWN, "context_path_field", "reduction_of_one_axis"}
    weights = {"backbone_from_classifier", "strip_a_prefix", "wrapped_file"}
    for name in weights:
        assert load(name).nodes
    assert {path.stem for path in FOLDER.glob("*.yaml")} == tried | weights
