"""Several inputs of a network, each with its name and shape."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.analysis.diff import compare
from archdsl.analysis.memory import memory
from archdsl.analysis.receptive_field import pixels, receptive_fields
from archdsl.analysis.summary import summarize
from archdsl.cli.main import run
from archdsl.graph.graph import Graph
from archdsl.pytorch.source import emit
from archdsl.tables.summary import text, to_json
from tests.allocations import peak_of_inference, saved_by_training
from tests.support import check_error, errors, graph_of, read, whole

TWO = """
    input: {rgb: [3, 32, 32], depth: [1, 16, 16]}
    backbone:
      a: {conv: {out: 8, kernel: 3, stride: 2}, from: rgb}
      b: {conv: {out: 8, kernel: 5}, from: depth}
      c: {concat: {}, from: [a, b]}
"""


def modules() -> tuple[nn.Module, dict[str, nn.Module]]:
    module = archdsl.compile(graph_of(TWO)).eval()
    return module, dict(module.named_children())


def test_forward_takes_the_inputs_by_their_names() -> None:
    module, own = modules()
    rgb, depth = torch.randn(2, 3, 32, 32), torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        wanted = torch.cat([own["a"](rgb), own["b"](depth)], 1)
        assert torch.equal(module(rgb=rgb, depth=depth), wanted)
        assert torch.equal(module(rgb, depth), wanted)


def test_without_from_the_first_item_takes_all_inputs() -> None:
    graph = graph_of("input: {x: [3, 8, 8], y: [2, 8, 8]}\nbackbone: {c: {concat: {}}}")
    assert graph.by_id["c"].inputs == ("x", "y")


def test_a_single_input_may_have_a_name() -> None:
    graph = graph_of("input: {image: [3, 8, 8]}\nbackbone: [relu, {add: {}, from: ['0', image]}]")
    assert graph.by_id["1"].inputs == ("0", "image")
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(archdsl.compile(graph)(image=x), x.relu() + x)


def test_an_input_whose_name_python_needs_gets_an_underscore() -> None:
    graph = graph_of("input: {list: [3, 8, 8], y: [3, 8, 8]}\nbackbone: {s: {add: {}}}")
    assert "def forward(self, list_: Tensor, y: Tensor) -> Tensor" in emit(graph)


def test_the_json_of_several_inputs_reads_back() -> None:
    graph = graph_of(TWO)
    data = json.loads(graph.to_json())
    assert data["inputs"]["depth"] == {"shape": [1, 16, 16], "layout": "channels_first"}
    assert "input" not in data
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert "def forward(self, rgb: Tensor, depth: Tensor)" in emit(again)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": {}}, "input: expected this or `inputs`, one of the two"),
        ({"input": {"shape": [3, 8, 8], "layout": "channels_first"}}, "input: expected this or"),
        ({"inputs": {"rgb": {"shape": [3, 32, 32], "layout": "channels_first"}}}, "depth is not"),
        ({"inputs": {"a.b": {"shape": [3], "layout": "channels_first"}}}, "inputs: `a.b` cannot"),
        ({"inputs": {"rgb": {"shape": [3], "layout": "channels_last"}}}, "inputs.rgb: expected"),
    ],
)
def test_a_json_whose_inputs_are_wrong_is_refused(changes: dict[str, object], said: str) -> None:
    data = json.loads(graph_of(TWO).to_json()) | changes
    with pytest.raises(ValueError, match="input") as caught:
        Graph.from_json(json.dumps(data))
    assert said in str(caught.value)


def test_fields_are_those_of_each_input() -> None:
    graph = graph_of(TWO)
    assert receptive_fields(graph, "rgb")["c"].size == (3, 3)
    assert receptive_fields(graph, "rgb")["b"].size == (0, 0)
    assert receptive_fields(graph, "depth")["c"].size == (5, 5)
    module, _ = modules()
    images = {"rgb": torch.rand(1, 3, 32, 32), "depth": torch.rand(1, 1, 16, 16)}
    for image in images.values():
        image.requires_grad_()
    module(**images)[0, :, 4, 6].sum().backward()
    for name, image in images.items():
        assert image.grad is not None
        touched = image.grad[0].abs().sum(0) > 0
        spans = [axis.nonzero().flatten() for axis in (touched.any(1), touched.any(0))]
        assert [range(int(s[0]), int(s[-1]) + 1) for s in spans] == [
            *pixels(graph, "c", (4, 6), name)
        ]
    shown = text(summarize(graph, show=["field"]))
    assert "rgb 3x3, depth 5x5" in shown
    assert "net: rgb 3x32x32, depth 1x16x16 -> 16x16x16" in shown
    assert json.loads(to_json(summarize(graph)))["inputs"] == {
        "rgb": [3, 32, 32],
        "depth": [1, 16, 16],
    }


def test_memory_counts_all_inputs() -> None:
    graph = graph_of(TWO)
    expected, module = memory(graph, batch=2), archdsl.compile(graph)
    assert expected.image == 2 * 4 * (3 * 32 * 32 + 16 * 16)
    given = torch.randn(2, 3, 32, 32), torch.randn(2, 1, 16, 16)
    assert expected.peak == pytest.approx(peak_of_inference(module, *given), rel=0.01)
    assert expected.saved == pytest.approx(saved_by_training(module, *given), rel=0.01)


def test_a_difference_of_inputs_names_them() -> None:
    one, other = graph_of(TWO), graph_of(TWO.replace("depth", "height").replace("32, 32", "31, 32"))
    changes = {(c.kind, c.side.path) for c in compare(one, other).changes}
    assert {("changed", "rgb"), ("removed", "depth"), ("added", "height")} <= changes


def test_figures_show_every_input_and_those_of_one_line_say_that_they_cannot() -> None:
    graph = graph_of(TWO)
    dot = archdsl.draw(graph, kind="graph").render(".mmd").decode()
    assert 'n0["rgb<br>3x32x32"]' in dot
    assert 'n1["depth<br>1x16x16"]' in dot
    for kind in ("hero", "pyramid"):
        scene = archdsl.draw(graph, kind=kind).scene
        assert scene is not None
        told = {item.plain for item in scene.flat() if hasattr(item, "plain")}
        assert {"rgb  3×322", "depth  1×162"} <= told
    for kind, message in (
        ("strip", "net is no line of stages; kind pyramid shows its ways"),
        ("columns", "net is no line of layers; kind pyramid or graph shows its ways"),
        ("diff", "net is no line of layers; kind pyramid or graph shows its ways"),
    ):
        with pytest.raises(archdsl.UsageError, match=message):
            archdsl.draw(*[graph] * (2 if kind == "diff" else 1), kind=kind)


def test_build_runs_the_network_on_all_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(whole(TWO))
    assert run(["build", str(spec), "-o", str(tmp_path / "out")]) == 0
    assert "ran on random rgb 1x3x32x32, depth 1x1x16x16" in capsys.readouterr().out


def test_an_input_that_feeds_a_shared_module_twice() -> None:
    text = "input: {x: [3, 8, 8], y: [3, 8, 8]}\nbackbone: {m: {conv: {kernel: 1}, each: [x, y]}}"
    module = archdsl.compile(graph_of(text))
    x, y = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)
    (found,) = module.children()
    result: dict[str, Tensor] = module(x, y)
    assert torch.equal(result["1"], found(y))


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "message", "help"),
    [
        ("input: {rgb: 3}", 1, 14, "E0203", "the input rgb must be a list",
         "write rgb: [3, 224, 224]"),
        ("input: {}", 1, 8, "E0203", "no input",
         "say what the network is given: `input: [3, 224, 224]`"),
        ("input: {a.b: [3, 8, 8]}", 1, 9, "E0208",
         "`a.b` cannot be a name: it needs letters, digits and `_`, a letter first",
         "a dot is a level: put `b` among the items of `a`"),
        ("input: {x: [3, 8, 8], y: [3, 8, 8]}\nbackbone: {a: {relu: {}, from: x}}", 1, 26,
         "E0403", "nothing uses the input y", "name it in `from`: {conv: ..., from: y}"),
        ("input: {x: [3, 8, 8], y: [3, 8, 8]}\nbackbone: {a: {add: {}}, x: relu}", 2, 26,
         "E0401", "two things are named x", "give them different names"),
        ("input: {x: [3, 8, 8], y: [3, 8, 8]}\nbackbone: {a: {add: {}, from: [x, z]}}", 2, 35,
         "E0402", "unknown reference `z`", None),
        ("input: {x: [3, 8, 8], y: [3, 4, 4]}\nbackbone: {a: {add: {}, from: [x, y]}}", 2, 15,
         "E0501", "add of 3x8x8 and 3x4x4", None),
    ],
)  # fmt: skip
def test_a_wrong_input_is_an_error_at_its_place(
    text: str, line: int, column: int, code: str, message: str, help: str | None
) -> None:
    check_error(text, line, column, code, message, help)


def test_maps_that_do_not_fit_are_labelled_as_inputs() -> None:
    text = "input: {x: [3, 8, 8], y: [3, 4, 4]}\nbackbone: {a: {add: {}, from: [x, y]}}"
    (error,) = read(text)[1]
    assert [label.text for label in error.labels][:2] == [
        "the input x is 3x8x8", "the input y is 3x4x4",
    ]  # fmt: skip


def test_a_layer_of_one_input_that_is_given_all_is_an_error() -> None:
    text = "input: {x: [3, 8, 8], y: [3, 8, 8]}\nbackbone: {a: {conv: {kernel: 1}}}"
    assert errors(text) == ["2:15 E0404 conv takes 1 input, here 2"]
