"""Receptive fields against gradients, and against published numbers."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn

import archdsl
from archdsl.analysis.receptive_field import pixels, receptive_fields
from archdsl.analysis.summary import summarize
from archdsl.graph.graph import Graph
from archdsl.tables.summary import text


def graph_of(body: str, size: int = 33) -> Graph:
    return archdsl.loads(f"archdsl: 1\nname: tiny\ninput: [2, {size}, {size + 4}]\n{body}")


def positive(module: nn.Module) -> nn.Module:
    """The module with weights under which every pixel counts and nothing cancels out."""
    for name, weight in module.named_parameters():
        nn.init.zeros_(weight) if name.endswith("bias") else nn.init.constant_(weight, 0.1)
    return module.double().eval()


def seen(graph: Graph, row: int, column: int) -> list[tuple[int, int]]:
    """The rows and columns of the image of which a position of the result has a gradient."""
    image = torch.rand(1, *graph.input.shape, dtype=torch.float64, requires_grad=True)
    result = positive(archdsl.compile(graph))(image)
    result[0, :, row, column].sum().backward()
    assert image.grad is not None
    touched = image.grad[0].abs().sum(0) > 0
    rows, columns = (touched.any(axis).nonzero().flatten() for axis in (1, 0))
    return [(int(axis[0]), int(axis[-1])) for axis in (rows, columns)]


def predicted(graph: Graph, row: int, column: int) -> list[tuple[float, float]]:
    """The same from size, jump and offset, cut off at the border of the image."""
    field = receptive_fields(graph)[graph.nodes[-1].id]
    edges = []
    for axis, position in enumerate((row, column)):
        first = field.offset[axis] + field.jump[axis] * position
        last = first + field.size[axis] - 1
        edges.append((max(0, first), min(graph.input.spatial[axis] - 1, last)))
    return edges


@pytest.mark.parametrize(
    "items",
    [
        "[{conv: {out: 2, kernel: 3}}, {conv: {kernel: 3}}, {conv: {kernel: 3}}]",
        "[{conv: {out: 4, kernel: 7, stride: 2}}, {avg_pool: {kernel: 3, stride: 2, padding: 1}}]",
        "[{conv: {out: 2, kernel: 3, dilation: 2}}, {conv: {kernel: [1, 5], padding: [0, 0]}}]",
        "[{conv: {kernel: 3, stride: 2, padding: same}}, {conv: {kernel: 5, padding: same}}]",
        "[{pad: {border: 2}}, {conv: {kernel: 4, stride: 3, padding: valid}}, {crop: {size: 5}}]",
        "[{space_to_depth: {factor: 1}}, {avg_pool: {kernel: 2}}, {conv: {kernel: 3}}, relu]",
        "[{residual: {body: [{conv: {kernel: 3}}, {conv: {kernel: 5}}]}}, {avg_pool: {kernel: 3}}]",
    ],
)
def test_gradients_reach_as_far_as_the_field(items: str) -> None:
    graph = graph_of(f"backbone: {{net: {{seq: {items}}}}}")
    for row, column in ((0, 0), (2, 3), (4, 4)):
        assert seen(graph, row, column) == predicted(graph, row, column)


UP = [
    "{resize: {scale: 2}}",
    "{resize: {scale: 3}}",
    "{resize: {scale: 2, mode: bilinear}}",
    "{conv_transpose: {out: 2, kernel: 2, stride: 2}}",
    "{conv_transpose: {out: 2, kernel: 4, stride: 2, padding: 1}}",
]


@pytest.mark.parametrize("up", UP)
def test_behind_upsampling_the_widest_phase_counts(up: str) -> None:
    graph = graph_of(
        f"backbone: [{{conv: {{kernel: 3, stride: 2}}}}, {up}, {{conv: {{kernel: 3}}}}]"
    )
    field = receptive_fields(graph)[graph.nodes[-1].id]
    spans = [seen(graph, row, 16)[0] for row in range(10, 22)]
    assert max(last - first + 1 for first, last in spans) == field.size[0]
    factor = 3 if "scale: 3" in up else 2
    assert field.jump == (Fraction(2, factor),) * 2


@pytest.mark.parametrize("name", ["mobilenet_v2", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_the_features_of_the_gallery_see_what_gradients_say(name: str) -> None:
    """Maximum pooling passes a gradient to one pixel only, so many random images are needed."""
    graph = archdsl.load(name)
    id = {"mobilenet_v2": "features.4.conv.2", "resnet18": "layer1.1._add"}[name]
    part = graph.select({"": next(n.id for n in graph.nodes if n.id.startswith(id))})
    module = positive(archdsl.compile(part))
    touched = torch.zeros(224, 224, dtype=torch.bool)
    middle = part.nodes[-1].output.spatial[0] // 2
    for _ in range(1 if name == "mobilenet_v2" else 30):
        image = torch.rand(1, 3, 224, 224, dtype=torch.float64, requires_grad=True)
        module(image)[0, :, middle, middle].sum().backward()
        assert image.grad is not None
        touched |= image.grad[0].abs().sum(0) > 0
    rows = touched.any(1).nonzero().flatten()
    field = receptive_fields(part)[part.nodes[-1].id]
    first = field.offset[0] + field.jump[0] * middle
    assert (int(rows[0]), int(rows[-1])) == (first, first + field.size[0] - 1)


# Araujo, Norris and Sim (Distill 2019), table of receptive fields. ResNet-50 has 483 there, with
# the stride of a stage in its first 1x1; in the 3x3 behind that, three of them see less by
# 2 (8 - 4) + 2 (16 - 8) + 2 (32 - 16).
PUBLISHED = {
    "alexnet": ("features.12", 195),
    "vgg16": ("c5", 212),
    "resnet50": ("c5", 483 - 56),
    "densenet121": ("c5", 2071),
    "inception_v3": ("Mixed_7c", 1311),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_fields(name: str) -> None:
    place, size = PUBLISHED[name]
    graph = archdsl.load(name)
    fields = receptive_fields(graph)
    ids = [n.id for n in graph.nodes if n.id == place or n.scope == place]
    id = graph.taps.get(place) or ids[-1]
    assert fields[id].size == (size, size)


def test_a_gate_is_said_but_not_counted() -> None:
    graph = graph_of("""
backbone:
  conv: {conv: {kernel: 3}}
  gate:
    branches:
      paths: {_a: [], _b: [global_avg_pool, sigmoid]}
      join: multiply
""")
    field = receptive_fields(graph)[graph.nodes[-1].id]
    assert field.size == (3, 3) and field.through


def test_behind_a_global_pool_everything_is_seen() -> None:
    graph = graph_of(
        "backbone: [{conv: {kernel: 3}}, global_avg_pool, flatten, {linear: {out: 2}}]"
    )
    field = receptive_fields(graph)[graph.nodes[-1].id]
    assert field.size == (33 + 2, 37 + 2)
    assert field.jump == (0, 0)


def test_windows_of_attention_see_each_other() -> None:
    graph = archdsl.loads("""
archdsl: 1
name: windows
input: [4, 16, 16]
backbone:
  - channels_last
  - {window_attention: {heads: 2, window: 4, shift: 2}}
  - {window_attention: {heads: 2, window: 4}}
""")
    fields = [receptive_fields(graph)[node.id].size for node in graph.nodes]
    assert fields == [(1, 1), (4, 4), (8, 8)]


def test_a_window_sees_no_more_than_a_map_of_three_axes_has() -> None:
    graph = archdsl.loads("""
archdsl: 1
name: windows
input: [6, 5, 16, 16]
backbone: [channels_last, {window_attention: {heads: 2, window: [8, 4, 3], shift: [4, 2, 1]}}]
""")
    assert receptive_fields(graph)[graph.nodes[-1].id].size == (5, 4, 3)


def fields_of(graph: Graph) -> dict[str, tuple[tuple[int, ...], tuple[Fraction, ...]]]:
    return {id: (field.size, field.jump) for id, field in receptive_fields(graph).items()}


def test_a_bin_of_an_adaptive_pool_sees_its_part_of_the_map() -> None:
    """The identity, 2 of 14, and 2 or 3 of 7 positions."""
    graph = archdsl.loads("""
archdsl: 1
name: bins
input: [1, 56, 56]
backbone:
  a: {conv: {out: 4, kernel: 3, stride: 2}}
  b: {conv: {out: 4, kernel: 3, stride: 2}}
  p: {adaptive_avg_pool: {size: 14}}
  q: {adaptive_avg_pool: {size: 7}}
  c: {conv: {out: 4, kernel: 3}}
  r: {adaptive_avg_pool: {size: 5}}
""")
    fields = fields_of(graph)
    assert fields["p"] == ((7, 7), (4, 4))
    assert fields["q"] == ((11, 11), (8, 8))
    assert fields["c"] == ((27, 27), (8, 8))
    assert fields["r"] == ((43, 43), (Fraction(56, 5), Fraction(56, 5)))


@pytest.mark.parametrize(("name", "size"), [("vgg16", 212), ("alexnet", 195)])
def test_the_pool_of_a_classifier_is_the_identity_at_the_size_of_its_images(
    name: str, size: int
) -> None:
    assert fields_of(archdsl.load(name))["avgpool"] == ((size, size), (32, 32))


PYRAMID = """
archdsl: 1
name: ppm
input: [3, 60, 61]
blocks:
  ppm:
    body:
      _pools:
        branches:
          paths:
            "{row}":
              for: {s: [1, 2, 3, 6]}
              seq:
                - {adaptive_avg_pool: {size: s}}
                - {conv: {out: C // 4, kernel: 1, bias: false}}
                - batch_norm
                - relu
                - {resize: {like: input, mode: bilinear}}
      _cat: {concat: {}, from: [input, _pools]}
backbone:
  stem: {conv: {out: 16, kernel: 3, stride: 2}}
  ppm: ppm
  out: {conv: {out: 2, kernel: 3}}
"""


def test_context_that_is_joined_in_counts_and_the_table_says_through_what() -> None:
    graph = archdsl.loads(PYRAMID)
    field = receptive_fields(graph)["out"]
    assert (field.size, field.jump, field.through) == ((60, 61), (2, 2), "ppm.0.0")
    table = summarize(graph, show=["field"])
    rows = {line.split()[0]: line for line in text(table).splitlines() if line}
    assert rows["out"].endswith("60x61, global through ppm.0.0")
    assert rows["stem"].endswith("  3x3")


def test_a_gate_of_what_lies_near_counts_as_what_it_is() -> None:
    graph = graph_of("""
backbone:
  conv: {conv: {kernel: 3}}
  gate:
    branches:
      paths: {_a: [], _b: [{conv: {kernel: 7}}, sigmoid]}
      join: multiply
""")
    field = receptive_fields(graph)[graph.nodes[-1].id]
    assert (field.size, field.through) == ((9, 9), "")


def test_a_gate_of_columns_is_one_along_the_rows_only() -> None:
    """Coordinate attention: a mean over each column, then a window along the row."""
    graph = graph_of("""
backbone:
  conv: {conv: {kernel: 3}}
  gate:
    branches:
      paths: {_a: [], _b: [{adaptive_avg_pool: {size: [1, W]}}, {conv: {kernel: [1, 5]}}, sigmoid]}
      join: multiply
""")
    field = receptive_fields(graph)[graph.nodes[-1].id]
    assert (field.size, field.through) == ((3, 7), "gate.0")


def test_a_group_norm_lets_the_whole_image_act() -> None:
    graph = graph_of("backbone: {conv: {conv: {kernel: 3}}, norm: {group_norm: {groups: 2}}}")
    field = receptive_fields(graph)["norm"]
    assert (field.size, field.through) == ((3, 3), "norm")


def test_tokens_see_their_place_and_have_no_jump() -> None:
    graph = graph_of("backbone: [{conv: {kernel: 4, stride: 4, padding: valid}}, tokens]")
    assert fields_of(graph)["1"] == ((4, 4), (0, 0))
    assert pixels(graph, "1", [9]) == (range(4, 8), range(4))  # nine patches are in a row


def test_a_shape_that_cuts_rows_has_no_positions() -> None:
    graph = graph_of("backbone: [{conv: {kernel: 3}}, {reshape: {shape: [C, W, H]}}]")
    assert fields_of(graph)["1"] == ((35, 39), (0, 0))


def test_the_reduction_of_a_feature_is_said_by_axis_where_axes_differ() -> None:
    graph = archdsl.loads("""
archdsl: 1
name: crnn
input: [1, 32, 128]
backbone:
  a: {conv: {out: 8, kernel: 3}}
  p1: {max_pool: {kernel: 2}, tap: f1}
  b: {conv: {out: 16, kernel: 3}}
  p2: {max_pool: {kernel: [2, 1]}, tap: f2}
  p3: {max_pool: {kernel: [2, 2], stride: [2, 1], padding: [0, 1]}, tap: f3}
  up: {resize: {scale: 2}, tap: f4}
""")
    info: Any = archdsl.compile(graph, features=["f1", "f2", "f3", "f4"]).feature_info
    reductions = {name: said["reduction"] for name, said in info.items()}
    assert reductions == {"f1": 2, "f2": (4, 2), "f3": (8, 2), "f4": (4, 1)}
